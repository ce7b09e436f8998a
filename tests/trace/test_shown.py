"""Each id is kept by something that is there, shown by tests that are there, and these are red under its defect."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from tests.planted.corpus import corpus
from tests.planted.plant import hunt_all
from tests.trace.cited import gone
from tests.trace.fall import felled
from tests.trace.links import ROOT, statements
from tests.trace.shown import SHOWN, Shown

AGAINST: Mapping[str, tuple[str, ...]] = {bug.id: bug.against for bug in corpus()}


def wrong(each: str, shown: Shown) -> Iterator[str]:
    """What a row claims and is not so, as far as it can be seen without a run."""
    module, _, name = shown.code.partition("::")
    path = ROOT / "pump_ctrl" / module
    if not path.is_file():
        yield f"there is no module {module}"
    elif name and name not in _defined(path.read_text(encoding="utf-8")):
        yield f"there is no {name} in {module}"
    if not shown.tests:
        yield "no test shows it"
    yield from gone([], shown.all_tests)
    if each not in AGAINST.get(shown.falls, ()):
        yield f"{shown.falls} does not go against it"
    if each.startswith("D") and not (shown.example and shown.counter):
        yield "its counter-example is not held"


def _defined(source: str) -> set[str]:
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_each_invariant_and_each_rule_has_its_row() -> None:
    assert list(SHOWN) == list(statements())


@pytest.mark.parametrize("each", SHOWN)
def test_what_a_row_names_is_there(each: str) -> None:
    assert list(wrong(each, SHOWN[each])) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"code": "safety/no.py"}, "there is no module"),
        ({"code": "safety/amounts.py::No"}, "there is no No in"),
        ({"tests": ()}, "no test shows it"),
        ({"tests": ("safety/test_rule_hold.py::test_no",)}, "there is no test"),
        ({"counter": ("safety/test_no.py",)}, "there is no file"),
        ({"falls": "G-01"}, "G-01 does not go against it"),
        ({"falls": "G-999"}, "G-999 does not go against it"),
        ({"example": ""}, "its counter-example is not held"),
        ({"counter": ()}, "its counter-example is not held"),
    ],
)
def test_a_row_that_claims_too_much_is_found(change: dict[str, str], what: str) -> None:
    assert what in "\n".join(wrong("D-14", replace(SHOWN["D-14"], **change)))  # type: ignore[arg-type]


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_the_tests_of_each_id_are_red_under_its_defect() -> None:
    assert [found.bug.id for found in hunt_all(felled(tuple(SHOWN))) if not found.by] == []
