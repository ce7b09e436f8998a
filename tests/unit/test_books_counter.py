"""What a run has given: by the pump's counter where it compares, else by time; and what becomes of a bolus by it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.effects import Write
from pump_ctrl.drivers.base import PumpStatus
from tests.toy_pace import DAY, HOUR
from tests.unit.sums_kit import BOLUS, FIRST, PLAN, STEP, Steady, after, basal, in_force, status

MINUTE = 60_000


def outcome(records: list[Write]) -> tuple[Any, ...]:
    """Outcome, rule and volume of the one bolus record."""
    (bolus,) = [record.data for record in records if record.kind == "bolus"]
    return bolus["outcome"], bolus["rule"], bolus["delivered_nl"]


# What the run in force has given. It is FIRST, 100 uL/h, begun when the counter stood at 5 000 nL.


@pytest.mark.parametrize(
    ("counter", "given"),
    [
        (5_000, 0),
        (5_001, 1),
        (104_900, 99_900),
        (105_000, 100_000),
        (105_100, 100_100),
        (105_101, 100_100),
        (999_999, 100_100),
    ],
)
def test_a_run_has_given_what_the_counter_says_up_to_one_step_ahead_of_time(counter: int, given: int) -> None:
    books = in_force(FIRST, counter=5_000)
    assert books.given(HOUR, status(counter)) == given


def test_without_a_counter_that_compares_a_run_has_given_what_time_says() -> None:
    books = in_force(FIRST, counter=5_000)
    assert books.given(HOUR, None) == 100_000
    assert books.given(HOUR, status(4_999)) == 100_000  # it was reset meanwhile


def test_a_run_never_gave_more_than_it_was_told() -> None:
    books = in_force(replace(FIRST, spans=(basal(0, HOUR, 99_950),)))
    assert books.given(DAY, status(100_050)) == 99_950


def test_a_step_ahead_of_the_plan_is_no_part_of_the_run_if_the_one_before_was_ahead_too() -> None:
    books = in_force(FIRST)
    books.cut(HOUR, status(100_100), "paused")
    in_force(after(HOUR), books, 100_100)
    assert books.given(2 * HOUR, status(200_200)) == 100_000
    assert books.given(2 * HOUR, status(200_100)) == 100_000
    assert books.given(2 * HOUR, status(200_099)) == 99_999


def test_a_step_ahead_of_time_that_the_plan_has_nearly_asked_is_the_runs() -> None:
    assert in_force(FIRST).given(HOUR + 1_000, status(100_100)) == 100_100


def test_a_counter_that_goes_on_through_epochs_compares_in_all_of_them() -> None:
    books = in_force(FIRST, lasts=True)
    assert books.given(HOUR, status(40_000, 2)) == 40_000


def test_a_counter_that_begins_anew_with_each_epoch_compares_in_its_own_only() -> None:
    books = in_force(FIRST, lasts=False)
    assert books.given(HOUR, status(40_000, 1)) == 40_000
    assert books.given(HOUR, status(40_000, 2)) == 100_000


# A run takes over.


def test_the_run_before_has_given_what_the_counter_showed_when_the_new_one_began() -> None:
    books = in_force(FIRST, counter=5_000)
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, missed = books.take_over(status(104_300), 300, lasts=True)
    assert (granted.data["given"], granted.data["counter"]) == (99_000, 104_000)
    assert missed.data["nl"] == "1000"


def test_a_counter_below_what_the_new_run_gave_shows_nothing_of_the_one_before() -> None:
    """It cannot be below zero when the new run began."""
    books = in_force(FIRST)
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, *_ = books.take_over(status(100), 200, lasts=True)
    assert (granted.data["given"], granted.data["counter"]) == (0, -100)


def test_in_another_epoch_the_run_before_is_told_by_time() -> None:
    books = in_force(FIRST, lasts=False)
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, *_ = books.take_over(status(300, 2), 300, lasts=False)
    assert (granted.data["given"], granted.data["counter"]) == (100_000, 0)
    assert books.given(2 * HOUR, status(40_000, 2)) == 40_000


def test_a_run_that_a_record_proves_takes_over_by_its_counter() -> None:
    books = in_force(FIRST)
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, missed = books.grant(99_000)
    assert (granted.data["given"], granted.data["counter"], missed.data["nl"]) == (99_000, 99_000, "1000")


# The end of a bolus: 60 uL, and 99 uL of basal beside it, in an hour.


@pytest.mark.parametrize(
    ("counter", "expected"),
    [
        (159_000, ("delivered", "", 60_000)),
        (158_999, ("interrupted", "", 59_999)),
        (79_500, ("interrupted", "", 30_000)),
        (0, ("interrupted", "", 0)),
    ],
)
def test_a_bolus_is_delivered_if_the_pump_gave_all_of_its_step_and_else_its_share(
    counter: int, expected: tuple[str, str, int]
) -> None:
    books = in_force(BOLUS, counter=5_000)
    assert outcome(books.close_bolus(HOUR, status(5_000 + counter))) == expected
    assert books.open_bolus is None


@pytest.mark.parametrize(
    ("counter", "expected"), [(158_001, ("delivered", "", 60_000)), (158_000, ("interrupted", "", 59_622))]
)
def test_a_counter_of_coarse_digits_shows_the_end_of_a_bolus_as_far_as_it_can(
    counter: int, expected: tuple[str, str, int]
) -> None:
    books = in_force(BOLUS, Books(PLAN, STEP, counter_nl=1_000))
    assert outcome(books.close_bolus(HOUR, status(counter))) == expected


@pytest.mark.parametrize("told", [None, status(4_999)])
def test_a_counter_that_was_reset_proves_nothing_of_a_bolus(told: PumpStatus | None) -> None:
    books = in_force(BOLUS, counter=5_000)
    assert outcome(books.close_bolus(HOUR // 2, told)) == ("unknown", "counter", 30_000)


def test_of_a_run_behind_a_bolus_no_more_than_the_bolus_is_the_bolus() -> None:
    run = replace(BOLUS, spans=(*BOLUS.spans, basal(HOUR, DAY, 2_300_000)))
    assert outcome(in_force(run).close_bolus(2 * HOUR, None)) == ("unknown", "counter", 60_000)


def test_a_bolus_that_rounds_to_nothing_gave_nothing() -> None:
    span = BOLUS.spans[0]._replace(volume_nl=0, basal_nl=0, bolus=Fraction(50))
    run = replace(BOLUS, spans=(span,), pace=Steady(Fraction(0)))
    assert outcome(in_force(run).close_bolus(HOUR, None)) == ("unknown", "counter", 0)
    assert outcome(in_force(run).close_bolus(HOUR, status(0))) == ("delivered", "", 0)


def test_the_run_that_follows_closes_a_bolus_by_the_counter_at_its_begin() -> None:
    books = in_force(BOLUS)
    books.ask(after(HOUR, cut_nl=159_000), None)
    bolus, granted, *_ = books.take_over(status(159_300), 300, lasts=True)
    assert outcome([bolus]) == ("delivered", "", 60_000)
    assert granted.data["given"] == 159_000
    assert books.close_bolus(HOUR, status(159_300)) == []


def test_where_the_counter_does_not_compare_the_run_that_follows_leaves_a_bolus_unknown() -> None:
    books = in_force(BOLUS, lasts=False)
    books.ask(after(HOUR, cut_nl=159_000), None)
    bolus, *_ = books.take_over(status(0, 2), 0, lasts=False)
    assert outcome([bolus]) == ("unknown", "counter", 60_000)


def test_a_bolus_is_closed_while_its_run_is_in_force_or_nothing_tells_what_it_gave() -> None:
    books = in_force(BOLUS)
    assert outcome(books.close_bolus(HOUR // 2, status(79_500)))[0] == "interrupted"
    assert books.close_bolus(HOUR // 2, status(79_500)) == []
    books = in_force(BOLUS)
    books.cut(HOUR // 2, status(79_500), "paused")
    assert books.close_bolus(HOUR // 2, status(79_500)) == []


# A journal is taken up on a pump whose counter is cleared for each run.


def taken_up(asked: bool, *proof: tuple[str, dict[str, Any]], counter: int = 700) -> Books:
    """FIRST is in force; another run was asked for at HOUR, of which the guard wrote ``proof``."""
    live, books = in_force(FIRST), in_force(FIRST, counter=counter, lasts=False)
    if asked:
        (record,) = live.ask(after(HOUR, cut_nl=100_000), None)
        books.replay(record.kind, record.data)
    for kind, data in proof:
        books.replay(kind, data)
    return books


SENT = ("intent", {"id": 9, "request": f"basal:{HOUR}"})
ACKED = ("outcome", {"id": 9, "what": "acked", "counter": 0})


def test_without_another_run_the_cleared_counter_is_that_of_the_run_in_force() -> None:
    books = taken_up(asked=False)
    assert books.begin_anew(status(40_000, 3), taken=False) == []
    assert books.given(HOUR, status(40_000, 3)) == 40_000
    assert books.given(HOUR, status(40_000, 4)) == 100_000


@pytest.mark.parametrize("told", [None, status(40_000, 3, "reset", "other")])
def test_after_a_reset_or_without_a_status_the_run_in_force_is_told_by_time(told: PumpStatus | None) -> None:
    books = taken_up(asked=False)
    assert books.begin_anew(told, taken=False) == []
    assert books.given(HOUR, status(40_000, 3)) == 100_000
    assert books.given(HOUR, status(40_000, 0)) == 100_000


@pytest.mark.parametrize("told", [None, status(0, 3), status(0, 3, "reset")])
def test_a_run_that_was_sent_and_has_cleared_the_counter_has_ended_the_one_before(
    told: PumpStatus | None,
) -> None:
    books = taken_up(True, SENT)
    cut, *_ = books.begin_anew(told, taken=False)
    assert (cut.kind, cut.data["plan_ms"], cut.data["given"]) == ("cut", HOUR, 100_000)
    assert books.run is None


@pytest.mark.parametrize("counter", [1, 40_000])
def test_a_counter_that_is_not_cleared_is_that_of_the_run_in_force(counter: int) -> None:
    books = taken_up(True, SENT)
    assert books.begin_anew(status(counter, 3), taken=False) == []
    assert books.given(HOUR, status(counter, 3)) == counter


def test_a_run_that_was_never_sent_has_cleared_nothing() -> None:
    books = taken_up(asked=True)
    assert books.begin_anew(status(0, 3), taken=False) == []
    assert books.given(HOUR, status(0, 3)) == 0


def test_where_nothing_runs_nothing_is_cut() -> None:
    books = taken_up(True, SENT)
    books.cut(MINUTE, None, "paused")
    assert books.begin_anew(status(0, 3), taken=False) == []


def test_a_counter_that_the_last_life_read_at_the_take_over_still_counts() -> None:
    books = taken_up(True, SENT, ACKED)
    assert books.begin_anew(status(40_000, 3), taken=False) == []
    assert (books.run_counter, books.run_epoch) == (700, 1)


def test_a_counter_that_was_read_for_a_run_that_is_booked_counts_no_more() -> None:
    books = taken_up(True, SENT, ACKED)
    books.drop("settled")
    assert books.begin_anew(status(40_000, 3), taken=False) == []
    assert (books.run_counter, books.run_epoch) == (0, 3)


def test_a_run_that_was_taken_leaves_the_books_to_its_take_over_which_goes_by_time() -> None:
    books = taken_up(True, SENT, counter=0)
    assert books.begin_anew(status(0, 3), taken=True) == []
    assert (books.run, books.run_counter, books.run_epoch) == (FIRST, 0, 1)
    granted, *_ = books.take_over(status(40_000, 1), 40_000, lasts=False)
    assert (granted.data["given"], granted.data["counter"]) == (100_000, 0)
    books.ask(after(2 * HOUR, cut_nl=100_000), None)
    granted, *_ = books.take_over(status(90_000, 1), 0, lasts=False)
    assert granted.data["given"] == 90_000  # from here on the counter compares again


def test_a_run_asked_for_after_a_journal_was_taken_up_goes_by_the_counter() -> None:
    books = taken_up(asked=False)
    books.begin_anew(status(40_000, 3), taken=False)
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, *_ = books.take_over(status(40_000, 3), 0, lasts=True)
    assert granted.data["given"] == 40_000
