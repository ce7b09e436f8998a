"""The corpus keeps up with the code: each defect can still be planted, and goes against something that is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import cache

import pytest

from tests.planted.corpus import ROOT, Bug, corpus
from tests.planted.plant import hunt_all, summary
from tests.planted.published import HEAD, PAGE, PUBLISHED, planted, table

BUGS = corpus()
KNOWN = re.compile(r"S-(0[1-9]|[12]\d|3[0-5])|D-(0[1-9]|1[0-8])|F-(0[1-9]|[1-6]\d|70)|[XTP][1-9]\d?")


@cache
def sound(file: str) -> tuple[str, str]:
    """A file without a defect, and what it says once comments and layout are taken away."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return text, ast.dump(ast.parse(text))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_defect_has_one_place_and_leaves_a_file_that_can_be_read(bug: Bug) -> None:
    text, meaning = sound(bug.file)
    assert ast.dump(ast.parse(bug.planted(text))) != meaning
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


def test_each_published_defect_is_planted_and_each_key_is_told() -> None:
    assert [key for key, bugs in planted().items() if not bugs] == []
    keys = {key for bug in BUGS for key in bug.against if key[0] in "XTP"}
    assert keys == set(PUBLISHED)
    assert {f"X{number}" for number in range(1, 15)} | {f"T{number}" for number in range(1, 14)} <= keys


def test_the_page_has_the_table_of_published_defects() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert HEAD + text.partition(HEAD)[2] == table(), "write it anew: python -m tests.planted.published"


@pytest.mark.deep
@pytest.mark.timeout(14_400)
def test_every_defect_is_found(record_property: Callable[[str, object], None]) -> None:
    found = hunt_all(BUGS)
    record_property("count", f"planted defects: {summary(found)}")
    assert [each.bug.id for each in found if not each.by] == []
