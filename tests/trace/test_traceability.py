"""Every invariant and every rule has code, tests and a planted defect; nothing is named that is stated nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trace.links import Links, in_code, in_corpus, in_tests, named_in, statements
from tests.trace.page import PAGE, page

FAULTS = {f"F-{number:02}" for number in range(1, 71)}


def test_there_are_35_invariants_and_18_rules() -> None:
    expected = [f"S-{number:02}" for number in range(1, 36)] + [f"D-{number:02}" for number in range(1, 19)]
    assert list(statements()) == expected


def lacking(each: str, code: Links, tests: Links, planted: Links) -> list[str]:
    """In which of the three places nothing names it."""
    places = {"code": code, "tests": tests, "planted": planted}
    return [place for place, links in places.items() if not links.get(each)]


def stated_nowhere(links: Links) -> set[str]:
    return {each for each in links if each[0] in "SDF"} - set(statements()) - FAULTS


@pytest.mark.parametrize("each", statements())
def test_it_is_enforced_somewhere_shown_somewhere_and_was_seen_to_fail(each: str) -> None:
    assert lacking(each, in_code(), in_tests(), in_corpus()) == []


@pytest.mark.parametrize("place", ["code", "tests", "planted"])
def test_a_link_that_is_taken_away_is_missed(place: str) -> None:
    links = {"code": in_code(), "tests": in_tests(), "planted": in_corpus()}
    links[place] = {each: where for each, where in links[place].items() if each != "S-20"}
    assert lacking("S-20", **links) == [place]


def test_every_fault_of_the_list_has_a_test() -> None:
    assert FAULTS - set(in_tests()) == set()


@pytest.mark.parametrize("links", [in_code, in_tests, in_corpus])
def test_nothing_is_named_that_is_stated_nowhere(links: Callable[[], Links]) -> None:
    assert stated_nowhere(links()) == set()
    assert stated_nowhere({**links(), "S-36": ("somewhere",)}) == {"S-36"}


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.trace.page"


def test_an_id_is_found_by_its_function_by_its_module_and_in_a_range(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text('"""S-01."""\n\n\ndef test_a() -> None:\n    """F-02 to F-04, and none of S-1."""\n')
    assert list(named_in(path)) == [("S-01", ""), *[(each, "test_a") for each in ("F-02", "F-04", "F-03")]]
