"""How tables and documents look on a terminal; figures and dates are those of ``pump_ctrl.figures``.

Layer      cli. Imports click and the kernel only.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from pump_ctrl.cli.fold import folded, width_of


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a table: the first ``left`` columns flush left, the others flush right, two blanks between."""
    grid = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*grid, strict=True)]
    lines = []
    for row in grid:
        cells = [
            c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of ``name  value`` with the values under each other."""
    kept = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name.ljust(width)}  {value}" for name, value in kept]


def indented(lines: Iterable[str], by: int = 2) -> list[str]:
    """Every line moved to the right."""
    return [" " * by + line for line in lines]


def say(lines: Iterable[str]) -> None:
    """Write lines to standard output, folded if it is a terminal."""
    click.echo("\n".join(folded(lines, width_of(sys.stdout))))


def say_json(document: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON document to standard output; a number that is no integer is a mistake of ours."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))
