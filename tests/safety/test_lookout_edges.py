"""What the guard writes, keeps and forgets of its second witness and its second stop, to the edge."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.drivers.base import Outflow
from tests.safety.kit import CAPABILITIES, HOUR, MINUTE
from tests.safety.test_lookout import LIMITS, SECOND, Room, room


def test_without_a_sensor_the_next_look_is_later_than_any_clock_can_show() -> None:
    lookout = room(sensor=False).guard.lookout
    assert lookout is not None
    assert lookout.due_ms > 10**15
    assert (lookout.power_is_cut, lookout.may_cut) == (False, True)


def test_the_power_may_be_cut_before_the_pump_was_ever_told_anything() -> None:
    made = Room(LIMITS)
    made.pump.stop_answers = ["lost", "lost"]
    made.guard.stop("test")
    assert len(made.relay.cuts) == 1


def test_over_the_longest_span_the_least_that_was_commanded_is_what_the_counter_rose_by() -> None:
    """23 h at 6 uL/h, read again each minute: the span began 12 h ago."""
    made = room()
    made.go(23 * HOUR)
    made.guard.read_status()
    assert made.guard.lookout is not None
    seen = made.guard.lookout.seen
    assert seen is not None
    assert (seen.span_ms, seen.commanded_nl) == (12 * HOUR, (72_000, 72_001))


def test_after_flow_that_was_counted_a_new_command_begins_a_new_comparison() -> None:
    made = room()
    made.go(HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    assert made.guard.lookout is not None
    made.guard.lookout.told()
    assert made.guard.lookout.seen is None


def test_each_reading_that_surprises_has_to_be_seen_again_also_after_one_that_was_taken_back() -> None:
    made = room()
    made.go(HOUR)
    for _ in range(2):
        made.wait(MINUTE)
        made.shown.answers = [Outflow(5_000_000, "A")]
        made.go(MINUTE)
    assert made.active() == {"sensor"}
    assert made.pump.flows[-1].cut is None


def test_a_note_is_written_once_it_is_an_hour_old_or_older_and_names_nothing_that_it_does_not_prove() -> None:
    made = room()
    made.guard.look()
    for wait, notes in ((59 * MINUTE, 1), (MINUTE, 2), (61 * MINUTE, 3)):
        made.wait(wait)
        made.guard.look()
        assert len(made.records("seen")) == notes
    assert not any("extra_from" in note for note in made.records("seen"))


def test_before_the_time_is_known_a_note_of_an_earlier_life_is_no_reason_to_write_none() -> None:
    made = room(can=replace(CAPABILITIES, tells_time=False))
    made.go(10 * MINUTE)
    made.clock.reboot()
    made.restart()
    made.guard.look()
    assert len(made.records("seen")) == 2


def test_before_the_time_is_known_nothing_is_missing() -> None:
    made = room(can=replace(CAPABILITIES, tells_time=False))
    made.go(10 * MINUTE)
    made.clock.reboot()
    made.restart()
    made.shown.answers = [Outflow(1_000, "A")] * 600
    made.go(9 * HOUR)
    assert "under-flow" not in made.active()


@pytest.mark.parametrize(("broken", "confirms", "what", "confirmed", "detail"), [
    (False, True, "switched", True, ""), (False, False, "switched", False, ""),
    (True, True, "unknown", False, "no such relay"),
])  # fmt: skip
def test_a_power_cut_is_written_with_its_reason_and_what_came_of_it(
    broken: bool, confirms: bool, what: str, confirmed: bool, detail: str
) -> None:
    made = room()
    made.relay.broken, made.relay.confirms = broken, confirms
    made.pump.stop_answers = ["lost", "lost"]
    made.guard.stop("test")
    (record,) = made.records("power-cut")
    del record["at"]
    assert record == {
        "why": "two STOPs were not acknowledged", "what": what, "confirmed": confirmed, "detail": detail,
    }  # fmt: skip


@pytest.mark.parametrize(("rise", "said"), [(39_000_000, "flow"), (50_000_000, "sensor")])
def test_more_than_was_filled_is_a_hand_on_the_balance_and_less_is_flow(rise: int, said: str) -> None:
    made = room()
    made.go(HOUR)
    made.shown.leak = Fraction(rise)
    made.go(2 * MINUTE)
    assert made.active() == {said}


def test_before_any_limits_are_in_force_nobody_knows_what_the_reservoir_holds() -> None:
    made = Room(LIMITS)
    made.guard.look()
    made.wait(MINUTE)
    made.shown.leak = Fraction(100_000)
    made.go(30 * SECOND)
    assert "flow" in made.active()
