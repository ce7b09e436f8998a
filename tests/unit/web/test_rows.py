"""Rows of a draft come and go one at a time, and never mix."""

from __future__ import annotations

import pytest

from pump_ctrl.web.entry.names import most
from pump_ctrl.web.entry.rows import added, count, removed

STEPS = {
    "basal.steps#1.from": "00:00",
    "basal.steps#2.from": "06:00",
    "basal.steps#2.dose": "75",
    "basal.steps#2.dose~unit": "mg",
    "basal.steps#3.from": "09:00",
    "basal.steps#3~kind": "rate",
    "title": "kept",
}


def test_there_is_always_one_row() -> None:
    assert count({}, "bolus") == 1
    assert count({"bolus~rows": "0"}, "bolus") == 1


@pytest.mark.parametrize(("rows", "limit"), [("basal.steps", 13), ("bolus", 96), ("basal.days#2.steps", 13)])
def test_there_are_never_more_rows_than_the_list_may_have(rows: str, limit: int) -> None:
    assert most(rows) == limit
    for odd in ("999", "999999", "-1", "1e9", "٣", "NaN"):
        assert (
            count({f"{rows}~rows": odd, f"{rows}#999999.dose": "1", f"{rows}#{limit + 1}.dose": "1"}, rows)
            == 1
        )
    full = {f"{rows}#{limit}.dose": "1"}
    assert count(full, rows) == limit
    assert added(full, rows)[f"{rows}~rows"] == str(limit)


def test_a_row_that_is_added_is_the_last_and_empty() -> None:
    found = added(STEPS, "basal.steps")
    assert found == {**STEPS, "basal.steps~rows": "4"}
    assert count(found, "basal.steps") == 4


def test_a_row_that_is_taken_out_takes_everything_of_it_along_and_the_others_move_up_whole() -> None:
    assert removed(STEPS, "basal.steps#2") == {
        "basal.steps#1.from": "00:00",
        "basal.steps#2.from": "09:00",
        "basal.steps#2~kind": "rate",
        "title": "kept",
        "basal.steps~rows": "2",
    }


def test_rows_within_a_row_go_with_it() -> None:
    draft = {"basal.days#1.days": "mon", "basal.days#2.steps#2.from": "06:00", "basal.days#2.steps~rows": "5"}
    assert removed(draft, "basal.days#1") == {
        "basal.days#1.steps#2.from": "06:00",
        "basal.days#1.steps~rows": "5",
        "basal.days~rows": "1",
    }
    assert removed(draft, "basal.days#2.steps#2")["basal.days#2.steps~rows"] == "4"


def test_row_12_is_not_row_1() -> None:
    draft = {"bolus#1.at": "01:00", "bolus#12.at": "12:00"}
    assert removed(draft, "bolus#1") == {"bolus#11.at": "12:00", "bolus~rows": "11"}
