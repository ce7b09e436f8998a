"""Finds the links between rules, code, tests and planted defects in the texts themselves.

An id counts as named where it stands in a file: by the module, or by the function or class in which it stands. The
statements are those of docs/safety; faults are those of docs/faults.md.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.planted.corpus import corpus

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs" / "safety"
ID: Final = re.compile(r"\b[SDF]-\d\d\b")
RANGE: Final = re.compile(r"\b([SDF])-(\d\d) to \1-(\d\d)\b")
NOT_TESTS: Final = ("planted", "trace")  # they name ids and test nothing of the product
Links = Mapping[str, tuple[str, ...]]


@cache
def statements() -> Mapping[str, str]:
    """Id and statement of every invariant and every rule of the dose path, in their order."""
    rows = re.findall(r"^\| (S-\d\d) \| (.+) \|$", _text("invariants.md"), re.MULTILINE)
    rules = re.findall(r"^\*\*(D-\d\d) (.+?)\.?\*\*", _text("dose-path.md"), re.MULTILINE)
    found = rows + rules
    assert len(dict(found)) == len(found), "an id is stated twice"
    return dict(found)


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def named_in(path: Path) -> Iterator[tuple[str, str]]:
    """Each id that stands in a Python file, with the test or the part of the module in which it stands."""
    text = path.read_text(encoding="utf-8")
    places = _places(ast.parse(text))
    for number, line in enumerate(text.splitlines(), start=1):
        for each in _ids(line):
            yield each, places.get(number, "")


def _ids(line: str) -> list[str]:
    """The ids of a line; ``F-01 to F-03`` names three."""
    found = ID.findall(line)
    for kind, first, last in RANGE.findall(line):
        found += [f"{kind}-{number:02}" for number in range(int(first) + 1, int(last))]
    return found


def _places(tree: ast.Module) -> dict[int, str]:
    """By line number: the outermost function or class around it."""
    found: dict[int, str] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            found |= dict.fromkeys(range(first, (node.end_lineno or first) + 1), node.name)
    return found


@cache
def in_code() -> Links:
    """Id -> modules of the product that name it."""
    links = defaultdict(set)
    for path in sorted((ROOT / "pump_ctrl").rglob("*.py")):
        for each, _ in named_in(path):
            links[each].add(path.relative_to(ROOT).as_posix())
    return {each: tuple(sorted(places)) for each, places in links.items()}


@cache
def in_tests() -> Links:
    """Id -> tests that name it: ``file`` where the whole module does, ``file::test`` else."""
    links = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        name = path.relative_to(ROOT)
        if name.parts[1] in NOT_TESTS:
            continue
        for each, place in named_in(path):
            shown = f"{name.as_posix()}::{place}" if place.startswith(("test_", "Test")) else name.as_posix()
            links[each].add(shown)
    return {each: _shortest(places) for each, places in links.items()}


def _shortest(places: set[str]) -> tuple[str, ...]:
    """Without the single tests of a module that is named as a whole."""
    return tuple(sorted(place for place in places if "::" not in place or place.split("::")[0] not in places))


@cache
def in_corpus() -> Links:
    """Id -> planted defects that go against it."""
    links = defaultdict(list)
    for bug in corpus():
        for each in bug.against:
            links[each].append(bug.id)
    return {each: tuple(bugs) for each, bugs in links.items()}
