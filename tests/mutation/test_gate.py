"""The gate itself: it can fail, in both directions, and its list keeps up with the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.areas import AREAS
from tests.mutation.listed import KINDS, Listed, judged, listed
from tests.mutation.operators import mutants_of
from tests.mutation.run import ALIVE, fates, files_of
from tests.planted.corpus import ROOT

LIMIT = '''"""A limit."""

HIGHEST = 10


def allowed(dose: int) -> bool:
    """Whether it is."""
    if dose < 0:
        raise ValueError("it is negative")
    return dose <= HIGHEST
'''
TESTS = """
import pytest
from toy_limit import allowed

def test_ten_is_allowed_and_eleven_is_not():
    assert allowed(0) is True
    assert allowed(10) is True
    assert allowed(11) is False
"""
REFUSES = """
def test_a_negative_dose_is_refused():
    with pytest.raises(ValueError):
        allowed(-1)
"""


def survivors(room: Path, tests: str) -> set[str]:
    """What survives ``tests`` of the toy above."""
    (room / "toy_limit.py").write_text(LIMIT, encoding="utf-8")
    (room / "test_toy_limit.py").write_text(tests, encoding="utf-8")
    found = fates(room, ["toy_limit.py"], ["test_toy_limit.py"])
    return {change for (_, _, _, change), _, what, _ in found if what in ALIVE}


@pytest.mark.deep  # the next one shows the same of what is left, in half the time
def test_nothing_survives_tests_that_look_at_every_edge(tmp_path: Path) -> None:
    assert survivors(tmp_path, TESTS + REFUSES) == set()


def test_a_test_that_is_taken_away_is_told_by_what_survives(tmp_path: Path) -> None:
    assert survivors(tmp_path, TESTS) == {
        "dose < 0 -> False",
        "0 -> -1",
        "raise ValueError('it is negative') -> removed",
    }


def test_tests_that_are_red_without_any_mutant_judge_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the hunt ended with exit status 1"):
        survivors(tmp_path, TESTS + "\ndef test_that_fails():\n    assert allowed(99)\n")


ENTRY = Listed("a.py", "f", "x <= 1", ("x <= 1 -> x < 1", "1 -> 2"), "slack", "because")


def test_the_gate_fails_for_a_survivor_that_is_not_listed_and_for_an_entry_that_is_none() -> None:
    first, second = ENTRY.keys
    assert judged([first, second], [ENTRY], ["a.py"]) == judged([], [], ["a.py"])
    other = ("a.py", "f", "y > 0", "0 -> 1")
    assert judged([first, second, other], [ENTRY], ["a.py"]).unlisted == (other,)
    assert judged([first], [ENTRY], ["a.py"]).stale == (second,)
    assert judged([], [ENTRY], ["b.py"]).stale == ()  # not hunted this time


def test_each_entry_has_a_place_that_still_stands_and_a_reason() -> None:
    entries = listed()
    files = {entry.file for entry in entries}
    standing = {mutant.key for file in files for mutant in mutants_of(ROOT, file)}
    keys = [key for entry in entries for key in entry.keys]
    assert [key for key in keys if key not in standing] == []
    assert len(set(keys)) == len(keys)
    assert [entry for entry in entries if entry.kind not in KINDS or len(entry.reason.split()) < 5] == []
    assert files <= {file for area in AREAS for file in area.files}


def test_what_is_mutated_and_what_answers_for_it_is_there() -> None:
    assert [
        path for area in AREAS for path in (*area.files, *area.tests) if not (ROOT / path).is_file()
    ] == []


def test_what_the_gate_does_not_cover_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="pump_ctrl/cli is not covered"):
        files_of(["pump_ctrl/cli"])


OPERATORS = [
    ("x = a < b", {"a < b -> a <= b", "a < b -> a != b", "a < b -> False"}),
    ("x = a == b", {"a == b -> a <= b", "a == b -> a >= b", "a == b -> False"}),
    ("x = a == 'code'", {"a == 'code' -> a != 'code'", "a == 'code' -> False", "'code' -> 'code?'"}),
    ("x = a + b", {"a + b -> a - b"}),
    ("x = -a // b", {"-a // b -> -a * b", "-a -> a"}),
    ("x = 7", {"7 -> 8", "7 -> 6"}),
    ("x = a and b", {"a and b -> a or b", "a -> True", "b -> True"}),
    ("x = a or b", {"a or b -> a and b", "a -> False", "b -> False"}),
    ("x = not a", {"not a -> a"}),
    ("x = b if a else c", {"a -> True", "a -> False"}),
    ("x = min(a, b)", {"min(a, b) -> max(a, b)"}),
    ("x = f(a, k=b)", {"k= removed from f"}),
    ("x = a.hi", {"a.hi -> a.lo"}),
    ("f(a)", {"f(a) -> removed"}),
    ("a.b = c", {"a.b = c -> removed"}),
    ("x = True", {"True -> False"}),
    ("raise E", {"raise E -> removed"}),
    ("def f():\n    return a", {"return a -> return None"}),
    ("for x in a:\n    pass", {"a -> ()"}),
    ("x: 'Code' = a", set()),
    ("x = f'{a + 1} of'", set()),
    ("'''A docstring.'''", set()),
    ("x = 'a message'", set()),
    ("__all__ = ['x']", set()),
    ("del x", set()),
    ("return_ = E(detail=a)", set()),
]


@pytest.mark.parametrize(("text", "changes"), OPERATORS)
def test_what_is_changed_and_what_is_left_alone(tmp_path: Path, text: str, changes: set[str]) -> None:
    (tmp_path / "x.py").write_text(f"{text}\n", encoding="utf-8")
    assert {mutant.change for mutant in mutants_of(tmp_path, "x.py")} == changes
