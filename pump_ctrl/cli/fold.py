"""Folds sentences that are too wide for a terminal at their blanks; a file or a pipe gets every line whole.

Layer      cli. Imports the standard library only.
Hazard     a warning that a terminal cuts in the middle of a word or a figure; a command that can no longer be pasted.
Invariant  a row of a table (three columns or more) and a command to type stay in one line.
Tests      tests/unit/test_fold.py
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

_MOST: Final = 120  # columns; longer lines nobody reads with ease
_LEAST: Final = 40
_ROW: Final = re.compile(r"\S {2,}\S.* {2,}\S")
_TYPED: Final = re.compile(r" *(?:[A-Z][^.:]*: )?pump-ctrl ")
_HANG: Final = re.compile(r" *(?:\S+(?: \S+)* {2,})?")  # what stands before the text: a name or a date


def width_of(stream: TextIO | None) -> int | None:
    """Columns of the terminal that ``stream`` is; None if it is none."""
    try:
        terminal = stream is not None and stream.isatty()
    except ValueError:
        terminal = False  # it was closed
    return max(_LEAST, min(_MOST, shutil.get_terminal_size().columns)) if terminal else None


def folded(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """The lines, those of sentences in at most ``width`` columns."""
    for line in lines:
        for part in line.split("\n"):
            yield from _fold(part, width)


def _fold(line: str, width: int | None) -> list[str]:
    if width is None or len(line) <= width or _ROW.search(line) or _TYPED.match(line):
        return [line]
    text, hang = line.lstrip(" "), _HANG.match(line)
    under = 0 if hang is None else hang.end()
    return textwrap.wrap(
        text,
        width,
        initial_indent=line[: len(line) - len(text)],
        subsequent_indent=" " * min(under, width // 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
