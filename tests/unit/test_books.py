"""The controller's books: each change and the record of it, and the prime that the path can still take."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.books import Books, bolus_record
from pump_ctrl.controller.effects import Write
from pump_ctrl.controller.runs import BridgePace
from pump_ctrl.controller.totals import Span
from pump_ctrl.drivers.base import StepKind
from tests.toy_pace import DAY, HOUR
from tests.unit.sums_kit import (
    BOLUS,
    FIRST,
    HUNDRED,
    PLAN,
    PRIME,
    STEP,
    after,
    in_force,
    status,
)

SUMS = {"planned": "2400000", "missed": "0", "commanded": 2_400_000, "horizon_ms": DAY}


def kinds(records: list[Write]) -> list[str]:
    return [record.kind for record in records]


def data(records: list[Write]) -> dict[str, Any]:
    (record,) = records
    return dict(record.data)


# A run asked for, and what becomes of it.


def test_a_run_asked_for_is_written_with_all_that_its_replay_needs() -> None:
    books = Books(PLAN, STEP)
    record = books.ask(FIRST, None)
    assert record == [
        Write(
            "asked",
            {
                "request": "basal:0",
                "purpose": "basal",
                "account": "stage-0",
                "cut_nl": 0,
                "lost_nl": 0,
                "bridge_until": None,
                "slot_ms": None,
                "spans": [["basal", 0, DAY, 2_400_000, 0, "0", "0"]],
            },
        )
    ]
    assert (books.asked, books.asked_slot, books.slots_until) == (FIRST, None, 0)


def test_what_only_some_runs_have_is_written_only_of_these() -> None:
    run = replace(
        FIRST, lost_nl=200, tail=1, still=Fraction(1, 8), pace=BridgePace(HUNDRED, 0, HUNDRED, HOUR)
    )
    written = data(Books(PLAN, STEP).ask(run, None))
    assert (written["lost_nl"], written["tail"], written["still"]) == (200, 1, "1/8")
    assert written["bridge_until"] == HOUR


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (BOLUS.spans[0], ["bolus", 0, HOUR, 159_000, 99_000, "60000", "1000"]),
        (
            BOLUS.spans[0]._replace(grid=Fraction(400)),
            ["bolus", 0, HOUR, 159_000, 99_000, "60000", "1000", "400"],
        ),
        (BOLUS.spans[0]._replace(grid=Fraction(0, 7)), ["bolus", 0, HOUR, 159_000, 99_000, "60000", "1000"]),
        (
            Span(StepKind.PRIME, 0, 5, 100, 0, Fraction(1, 7), Fraction(2, 7)),
            ["prime", 0, 5, 100, 0, "1/7", "2/7"],
        ),
    ],
)
def test_a_span_is_written_exactly_and_what_the_numbers_cannot_say_only_where_they_cannot(
    span: Span, written: list[object]
) -> None:
    assert data(Books(PLAN, STEP).ask(replace(FIRST, spans=(span,)), None))["spans"] == [written]


def test_a_scheduled_bolus_that_was_asked_for_has_been_dealt_with() -> None:
    books, slot = Books(PLAN, STEP), PLAN.schedule.next_slot(0)
    assert data(books.ask(BOLUS, slot))["slot_ms"] == 22 * HOUR
    assert (books.asked_slot, books.slots_until) == (slot, 22 * HOUR + 1)
    books.ask(BOLUS, None)
    assert (books.asked_slot, books.slots_until) == (None, 22 * HOUR + 1)


@pytest.mark.parametrize(("reopen", "until"), [(None, 22 * HOUR + 1), (22 * HOUR, 22 * HOUR), (0, 0)])
def test_a_run_that_will_not_be_given_is_no_more_asked_for_and_may_free_its_slot(
    reopen: int | None, until: int
) -> None:
    books = Books(PLAN, STEP)
    books.ask(BOLUS, PLAN.schedule.next_slot(0))
    assert books.drop("refused: busy", reopen) == [
        Write("dropped", {"why": "refused: busy", "reopen_ms": reopen})
    ]
    assert (books.asked, books.slots_until) == (None, until)


def test_a_run_that_takes_over_is_written_with_the_counter_and_the_sums() -> None:
    books = Books(PLAN, STEP)
    books.ask(FIRST, None)
    assert books.take_over(status(5_300), 300, lasts=True) == [
        Write("granted", {"request": "basal:0", "counter": 5_000, "given": 0, **SUMS})
    ]
    assert (books.asked, books.run, books.run_counter) == (None, FIRST, 5_000)


def test_the_gaps_of_a_take_over_are_written_one_by_one() -> None:
    books = in_force(FIRST)
    books.ask(after(HOUR, cut_nl=100_000, lost_nl=200, still=Fraction(1, 8)), None)
    granted, *missed = books.take_over(status(99_000), 0, lasts=True)
    assert (granted.kind, granted.data["given"]) == ("granted", 99_000)
    assert [(write.kind, write.data["nl"]) for write in missed] == [
        ("missed", "200"),
        ("missed", "1/8"),
        ("missed", "1000"),
    ]


def test_where_nothing_was_asked_nothing_takes_over() -> None:
    books = Books(PLAN, STEP)
    assert books.grant(100) == []
    assert books.run is None


def test_a_run_that_ends_is_written_with_what_it_gave_and_what_it_leaves() -> None:
    books = in_force(FIRST)
    cut, missed = books.cut(HOUR, status(99_900), "paused")
    assert cut == Write(
        "cut",
        {
            "plan_ms": HOUR,
            "given": 99_900,
            "why": "paused",
            "planned": "100000",
            "missed": "100",
            "commanded": 99_900,
            "horizon_ms": HOUR,
        },
    )
    assert missed == Write("missed", {"from_ms": 0, "to_ms": HOUR, "why": "paused", "nl": "100"})
    assert books.run is None
    assert books.cut(HOUR, status(99_900), "paused") == []


def test_an_idle_time_is_written_once_and_only_if_something_was_due() -> None:
    books = Books(PLAN, STEP)
    idle, missed = books.idle(HOUR, "paused")
    assert (idle.kind, idle.data["plan_ms"], idle.data["why"], idle.data["horizon_ms"]) == (
        "idle",
        HOUR,
        "paused",
        HOUR,
    )
    assert (missed.kind, missed.data["nl"]) == ("missed", "100000")
    assert books.idle(HOUR, "paused") == []


def test_a_bolus_that_is_not_given_is_written_with_its_gap_and_has_been_dealt_with() -> None:
    books = Books(PLAN, STEP)
    assert books.skip(22 * HOUR, 23 * HOUR, Fraction(60_000), "refused") == [
        Write("skip", {"slot_ms": 22 * HOUR, "nl": "60000", "why": "refused"}),
        Write("missed", {"from_ms": 22 * HOUR, "to_ms": 23 * HOUR, "why": "refused", "nl": "60000"}),
    ]
    assert books.slots_until == 22 * HOUR + 1
    books.skip(HOUR, HOUR, Fraction(1), "refused")
    assert books.slots_until == 22 * HOUR + 1


@pytest.mark.parametrize(
    ("purpose", "opens"), [("scheduled", True), ("patient", True), ("basal", False), ("hold", False)]
)
def test_only_a_bolus_is_open_when_its_run_takes_over(purpose: str, opens: bool) -> None:
    books = in_force(replace(BOLUS, purpose=purpose))
    assert (books.open_bolus is not None) is opens
    if books.open_bolus is not None:
        bolus = books.open_bolus
        assert (bolus.id, bolus.kind, bolus.requested_ms) == ("scheduled:0", purpose, 0)
        assert (bolus.volume_nl, bolus.asked) == (60_000, 60_000)


def test_the_record_of_a_bolus_says_what_was_asked_and_what_was_given() -> None:
    bolus = in_force(BOLUS).open_bolus
    assert bolus is not None
    assert bolus_record(bolus, "refused", 7, "busy", "it runs") == Write(
        "bolus",
        {
            "id": "scheduled:0",
            "kind": "scheduled",
            "requested_ms": 0,
            "outcome": "refused",
            "rule": "busy",
            "reason": "it runs",
            "volume_nl": 60_000,
            "delivered_nl": 7,
        },
    )


# The prime (D-12).


@pytest.mark.parametrize(("prime_nl", "primed"), [(0, True), (1, False), (335_800, False)])
def test_a_plan_with_a_prime_is_not_primed_until_it_has_run(prime_nl: int, primed: bool) -> None:
    assert Books(replace(PLAN, prime_nl=prime_nl), STEP).primed is primed


def test_a_prime_that_takes_over_has_primed_a_path_that_is_new_no_more() -> None:
    books = Books(replace(PLAN, prime_nl=335_800), STEP)
    books.refill((0, 0), new_path=True, prime_due=True, to_come_nl=0)
    assert (books.primed, books.new_path, books.refilled) == (False, True, True)
    in_force(PRIME, books)
    assert (books.primed, books.new_path) == (True, False)


def test_a_basal_that_takes_over_does_not_prime() -> None:
    books = in_force(FIRST, Books(replace(PLAN, prime_nl=335_800), STEP))
    assert not books.primed


def test_whatever_flows_fills_the_path() -> None:
    """D-12: 335.8 uL; the run in force gives 100 uL/h for four hours, of 400 uL that its path would take."""
    books = Books(replace(PLAN, prime_nl=600_000), STEP)
    assert books.prime_left_nl(0) == 600_000
    in_force(replace(FIRST, spans=(FIRST.spans[0]._replace(to_ms=4 * HOUR, volume_nl=400_000),)), books)
    assert (books.to_come_nl(HOUR), books.prime_left_nl(HOUR)) == (300_000, 500_000)
    assert (books.to_come_nl(5 * HOUR), books.prime_left_nl(5 * HOUR)) == (0, 200_000)


@pytest.mark.parametrize(("prime_nl", "left"), [(400_100, 100), (400_099, 0), (400_000, 0), (300_000, 0)])
def test_less_than_a_pump_step_of_a_prime_is_none(prime_nl: int, left: int) -> None:
    books = Books(replace(PLAN, prime_nl=prime_nl), STEP)
    in_force(replace(FIRST, spans=(FIRST.spans[0]._replace(to_ms=4 * HOUR, volume_nl=400_000),)), books)
    assert books.prime_left_nl(4 * HOUR) == left


@pytest.mark.parametrize(
    ("given", "left"), [(335_800, 264_200), (335_700, 264_200), (335_600, 264_300), (100_000, 499_900)]
)
def test_a_run_that_is_cut_fills_the_path_with_what_it_gave_and_a_step_that_it_may_still_finish(
    given: int, left: int
) -> None:
    books = in_force(PRIME, Books(replace(PLAN, prime_nl=600_000), STEP))
    books.cut(HOUR, status(given), "paused")
    assert books.to_come_nl(HOUR) == 0
    assert books.prime_left_nl(HOUR) == left


def test_a_run_that_is_taken_over_fills_the_path_with_what_it_gave() -> None:
    books = in_force(FIRST, Books(replace(PLAN, prime_nl=3_000_000), STEP))
    in_force(after(HOUR, cut_nl=100_000), books, 100_000)
    assert books.prime_left_nl(HOUR) == 3_000_000 - 100_000 - STEP
    assert books.prime_left_nl(DAY) == 3_000_000 - 2_400_000 - STEP


def test_into_a_new_path_goes_what_the_run_in_force_is_still_to_give() -> None:
    books = in_force(FIRST, Books(replace(PLAN, prime_nl=3_000_000), STEP))
    refill = {"passed": [7, 9], "new_path": True, "prime_due": True, "to_come_nl": 2_300_000}
    assert books.refill((7, 9), new_path=True, prime_due=True, to_come_nl=2_300_000) == [
        Write("refilled", refill)
    ]
    assert books.prime_left_nl(HOUR) == 3_000_000
    assert books.passed == (7, 9)


def test_a_refill_without_a_new_path_leaves_the_path_and_the_prime_as_they_are() -> None:
    books = in_force(PRIME, Books(replace(PLAN, prime_nl=600_000), STEP))
    books.refill((0, 0), new_path=False, prime_due=False, to_come_nl=0)
    assert (books.primed, books.new_path, books.refilled) == (True, False, True)
    assert books.prime_left_nl(DAY) == 264_200


@pytest.mark.parametrize(("prime_nl", "primed"), [(0, True), (1, False)])
def test_a_prime_that_is_due_after_a_refill_is_one_of_the_plans(prime_nl: int, primed: bool) -> None:
    books = Books(replace(PLAN, prime_nl=prime_nl), STEP)
    books.primed = True
    books.refill((0, 0), new_path=True, prime_due=True, to_come_nl=0)
    assert books.primed is primed


def test_new_books_are_empty() -> None:
    books = Books(PLAN, STEP)
    assert (books.asked, books.asked_slot, books.proof, books.run, books.open_bolus) == (None,) * 5
    assert (books.slots_until, books.passed, books.new_path, books.refilled) == (0, (0, 0), False, False)
    assert books.unwritten() == []
    assert books.to_come_nl(HOUR) == books.given(HOUR, None) == 0
