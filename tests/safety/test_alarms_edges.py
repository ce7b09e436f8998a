"""S-30, R6.5.0(18): the whole table of alarms, restated; what an alarm keeps; when one recurs, to the millisecond."""

from __future__ import annotations

import pytest

from pump_ctrl.safety.alarms import COUNTED, ROWS, Board
from pump_ctrl.safety.ask import Purpose

STANDS = {"pump-reset", "pump-timeout"}  # nothing flows until the plan goes on by itself
NOTHING = {
    "over-delivery", "stop-unknown", "wrong-pump", "empty", "failed", "withdrawn", "pump-program", "pump-alarm", "flow",
    "power-cut", "journal", "refill-discrepancy",
}  # fmt: skip
HOLD = {"disagreement", "silence", "stale", "recurring"}
NO_BOLUS = {"stalled"}
HIGH = NOTHING | HOLD | NO_BOLUS | STANDS | {
    "under-delivery", "unsettled", "under-flow", "limits", "hold-ended",
}  # fmt: skip
MEDIUM = {
    "sensor", "reservoir-low", "battery-low", "waiting", "refused", "wall-clock", "stuck-key", "bolus-missed",
}  # fmt: skip
LOW = {"requests"}


def come(board: Board, *instants: int, code: str = "stalled") -> None:
    """It comes, is seen, and goes, at each of these."""
    for at in instants:
        board.raised(code, at, "")
        board.gone(code)
        board.acknowledged(code)


def test_the_table_has_these_alarms_and_no_other_and_each_is_as_loud_as_this() -> None:
    """X10, X14."""
    loud = {**dict.fromkeys(HIGH, "high"), **dict.fromkeys(MEDIUM, "medium"), **dict.fromkeys(LOW, "low")}
    assert {code: row.priority.value for code, row in ROWS.items()} == loud


def test_what_each_alarm_lets_through_and_all_that_is_not_said_to_forbid_something_forbids_nothing() -> None:
    """X6 to X8: what is not listed here is told, and what blocks is a rule of its own, or nothing."""
    some = {
        **dict.fromkeys(NOTHING, frozenset[Purpose]()),
        **dict.fromkeys(HOLD, frozenset({Purpose.HOLD})),
        **dict.fromkeys(NO_BOLUS, frozenset({Purpose.BASAL, Purpose.HOLD})),
    }
    everything = frozenset({Purpose.BASAL, Purpose.HOLD, Purpose.SCHEDULED, Purpose.PATIENT, Purpose.PRIME})
    for code, row in ROWS.items():
        assert row.permits == some.get(code, everything), code


def test_what_stops_the_pump_counts_towards_recurring_and_recurring_itself_does_not() -> None:
    assert set(COUNTED) == (NOTHING | HOLD | NO_BOLUS | STANDS) - {"recurring"}
    board = Board()
    come(board, 0, 60_000, 120_000, code="recurring")
    assert not board.recurs("recurring", 120_000)


def test_an_alarm_that_holds_keeps_what_it_said_when_it_came() -> None:
    """The first word is the cause; what comes after may be what follows from it."""
    board = Board()
    board.raised("stalled", 5, "at 12 uL/h")
    board.raised("stalled", 9, "and again")
    (alarm,) = board
    assert (alarm.at_ms, alarm.detail) == (5, "at 12 uL/h")


def test_only_a_condition_that_is_active_holds_and_to_have_seen_it_ends_nothing() -> None:
    board = Board()
    assert not board.holds("stalled")
    board.raised("stalled", 0, "")
    board.acknowledged("stalled")
    assert board.holds("stalled")
    board.raised("empty", 0, "")
    board.gone("empty")
    assert not board.holds("empty")
    assert not board.quiet, "nobody has seen that it was empty"


@pytest.mark.parametrize(("instants", "recurs"), [
    ((0, 10_000, 20_000), True), ((0, 10_000, 19_999), False), ((0, 9_999, 20_000), False),
    ((0, 300_000, 600_000), True), ((0, 300_000, 600_001), False), ((0, 20_000), False), ((0,), False), ((), False),
    ((0, 300_000, 600_001, 720_000), True),  # the last three
    ((0, 20_000, 600_001, 700_000), False),
])  # fmt: skip
def test_three_times_within_ten_minutes_each_ten_seconds_after_the_one_before_recur(
    instants: tuple[int, ...], recurs: bool
) -> None:
    board = Board()
    come(board, *instants)
    assert board.recurs("stalled", instants[-1] if instants else 0) is recurs


def test_what_holds_comes_once_however_often_it_is_told() -> None:
    board = Board()
    for at in (0, 60_000, 120_000):
        board.raised("stalled", at, "")
    assert not board.recurs("stalled", 120_000)


def test_what_had_gone_and_comes_back_counts_though_nobody_has_seen_it() -> None:
    board = Board()
    for at in (0, 60_000, 120_000):
        board.raised("stalled", at, "")
        board.gone("stalled")
    assert board.recurs("stalled", 120_000)
