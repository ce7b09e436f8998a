"""The corpus keeps up with the code: each defect can still be planted, and goes against something that is named."""

from __future__ import annotations

import ast
import re

import pytest

from tests.planted.corpus import ROOT, Bug, corpus
from tests.planted.plant import hunt_all

BUGS = corpus()
# Invariants, rules, faults; published defects that are not copied (X), and threads of the field (T).
KNOWN = re.compile(
    r"S-(0[1-9]|[12]\d|3[0-5])|D-(0[1-9]|1[0-8])|F-(0[1-9]|[1-6]\d|70)|X([1-9]|1[0-4])|T([1-9]|1[0-3])"
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_defect_has_one_place_and_leaves_a_file_that_can_be_read(bug: Bug) -> None:
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    planted = bug.planted(text)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(text))
    assert bug.file.startswith("pump_ctrl/")
    assert bug.against
    assert all(KNOWN.fullmatch(each) for each in bug.against)
    assert bug.tests
    assert all((ROOT / target).exists() for target in bug.tests)


def test_no_two_defects_have_one_name_or_are_one() -> None:
    assert len({bug.id for bug in BUGS}) == len(BUGS) >= 60
    assert len({(bug.file, bug.old, bug.new) for bug in BUGS}) == len(BUGS)


def test_a_defect_that_nothing_finds_is_told_as_not_found() -> None:
    """The hunt itself can fail: a change of a comment is no defect."""
    harmless = Bug(
        id="none",
        what="nothing",
        against=("S-01",),
        file="pump_ctrl/units.py",
        old='"""Exact quantities',
        new='"""Quite exact quantities',
        tests=("tests/architecture/test_integers.py",),
    )
    (found,) = hunt_all([harmless])
    assert (found.by, found.examples > 0) == ("", True)


@pytest.mark.deep
@pytest.mark.timeout(3_600)
def test_every_defect_is_found() -> None:
    assert [found.bug.id for found in hunt_all(BUGS) if not found.by] == []
