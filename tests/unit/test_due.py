"""What time brings: what the controller finds due, with a session in each state."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import pytest

from pump_ctrl.controller.effects import READ_STATUS, Alarm, Deliver, Write
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge
from pump_ctrl.controller.runs import Limits
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR, ToyPace
from tests.unit.composer_kit import EVEN, IMPLANT, MINUTE, SYRINGE
from tests.unit.due_kit import (
    BOLUS,
    BOOT,
    FAR,
    FAULT,
    LATE,
    OVER,
    PAUSED,
    PRIMING,
    READY,
    RENEWED,
    RUNNING,
    SLOT,
    STOPPED,
    UNCERTAIN,
    WAITING,
    Clocked,
)

SLOW: Final = (0, 100)  # 100 nL a day: less than a step in a lease


# --- trying again -----------------------------------------------------------------------------------------------


def test_a_stop_is_sent_again_when_its_time_has_come_and_then_nothing_else_is_done() -> None:
    clocked = Clocked(PAUSED)
    clocked.s.retry_at, clocked.s.halting, clocked.s.unsettled, clocked.s.why = (
        BOOT + HOUR,
        True,
        True,
        "test",
    )
    assert clocked.tick(HOUR - 1) == []
    assert clocked.tick(HOUR) == ["halt: test"]
    assert clocked.s.retry_at is None


def test_a_stop_that_is_sent_again_too_late_is_sent() -> None:
    clocked = Clocked(PAUSED)
    clocked.s.retry_at, clocked.s.halting = BOOT + HOUR, True
    assert clocked.tick(HOUR + 1) == [f"halt: {clocked.s.why}"]


def test_until_what_failed_may_be_tried_again_a_run_that_is_over_is_not_asked_about() -> None:
    clocked = Clocked(RUNNING, runs=True)
    clocked.s.retry_at = FAR
    assert clocked.tick(OVER) == []


def test_a_command_that_nobody_has_proven_is_asked_about_again() -> None:
    clocked = Clocked(UNCERTAIN, runs=True)
    clocked.s.retry_at, clocked.s.unsettled = BOOT + HOUR, True
    assert clocked.tick(HOUR - 1) == []
    assert clocked.tick(HOUR) == ["settle"]
    assert clocked.s.retry_at is None


def test_what_was_refused_is_composed_anew_when_its_time_has_come() -> None:
    clocked = Clocked(READY)
    clocked.s.retry_at = BOOT + HOUR
    assert clocked.tick(HOUR - 1) == []
    assert clocked.tick(HOUR) == ["idle", "missed", "asked", "deliver basal"]


# --- the basal ---------------------------------------------------------------------------------------------------


def test_the_first_basal_is_told_at_once_and_no_status_is_asked_for_beside_it() -> None:
    clocked = Clocked(READY)
    clocked.s.poll_at, clocked.s.look_at = BOOT, BOOT
    assert clocked.tick(0) == ["asked", "deliver basal"]
    assert (clocked.s.poll_at, clocked.s.look_at) == (BOOT + HOUR, 0)


def test_a_status_that_is_due_later_anyway_stays_where_it_is() -> None:
    clocked = Clocked(READY)
    clocked.tick(0)
    assert clocked.s.poll_at == FAR


def test_while_a_run_goes_on_only_a_status_is_asked_for() -> None:
    clocked = Clocked(RUNNING, runs=True)
    clocked.s.poll_at, clocked.s.look_at = BOOT + HOUR, 5
    assert clocked.tick(HOUR - 1) == []
    assert clocked.s.look_at == 0
    assert clocked.tick(HOUR) == ["status"]
    assert clocked.s.poll_at == BOOT + 2 * HOUR


def test_the_successor_is_told_when_it_is_due() -> None:
    clocked = Clocked(RUNNING, runs=True)
    clocked.s.poll_at = BOOT + RENEWED
    assert clocked.tick(RENEWED) == ["asked", "deliver basal"]
    assert clocked.s.poll_at == BOOT + RENEWED + HOUR


def test_a_run_that_has_ended_without_a_successor_is_asked_about_every_few_seconds() -> None:
    clocked = Clocked(RUNNING, runs=True)
    assert clocked.tick(OVER - 1) == ["asked", "deliver basal"]
    assert clocked.tick(OVER) == ["status"]
    assert clocked.tick(OVER + 4_999) == []
    assert clocked.tick(OVER + 5_000) == ["status"]


@pytest.mark.parametrize(
    ("slot_at", "now", "until"),
    [(20 * HOUR, 0, 36_003_000), (2 * HOUR, 0, 2 * HOUR), (2 * HOUR, 2 * HOUR - 1, 2 * HOUR)],
)
def test_a_syringe_pump_is_told_no_flow_that_it_cannot_make_and_asked_again_after_it(
    slot_at: int, now: int, until: int
) -> None:
    """The last slot is due while the pump would be told: its own run is what it is told next."""
    clocked = Clocked(READY, SLOW, limits=SYRINGE, bolus=(slot_at, 20 * MINUTE, 6_000))
    assert "deliver basal" not in clocked.tick(now)
    assert clocked.s.retry_at == BOOT + until
    assert clocked.s.why == "less than the pump can be told in so short a time"


def test_without_a_bolus_it_is_asked_again_at_the_end_of_what_was_composed() -> None:
    clocked = Clocked(READY, SLOW, limits=SYRINGE)
    assert clocked.tick(0) == []
    assert clocked.s.retry_at == BOOT + 36_003_000


def test_a_flow_that_can_be_made_is_told_and_a_pump_that_is_not_stopped_first_is_told_a_rest_too() -> None:
    for clocked in (Clocked(READY, limits=SYRINGE), Clocked(READY, SLOW)):
        assert clocked.tick(0) == ["asked", "deliver basal"]
        assert clocked.s.retry_at is None


def test_where_a_run_goes_on_the_reason_why_nothing_runs_stays_what_it_was() -> None:
    clocked = Clocked(RUNNING, SLOW, limits=SYRINGE, runs=True)
    clocked.s.why = "test"
    assert clocked.tick(36_003_000) == []
    assert clocked.s.retry_at is not None
    assert clocked.s.why == "test"


# --- boluses -----------------------------------------------------------------------------------------------------


def test_a_bolus_is_told_at_its_time_and_up_to_the_end_of_it() -> None:
    for at in (2 * HOUR, LATE):
        assert Clocked(RUNNING, runs=True, bolus=SLOT).tick(at) == ["asked", "deliver scheduled"]
    clocked = Clocked(RUNNING, runs=True, bolus=SLOT)
    assert clocked.tick(2 * HOUR - 1) == []


def test_a_bolus_that_could_not_start_in_its_time_is_missed_and_named() -> None:
    clocked = Clocked(PAUSED, bolus=SLOT)
    clocked.s.silent_since = 0
    assert clocked.tick(LATE) == []
    missed = clocked.effects(LATE + 1)
    assert [effect.kind for effect in missed if isinstance(effect, Write)] == ["skip", "missed", "bolus"]
    skip, gap, bolus = (dict(effect.data) for effect in missed if isinstance(effect, Write))
    assert skip == {"slot_ms": 7_200_000, "nl": "6000", "why": "scheduled bolus missed: too-late"}
    assert (gap["from_ms"], gap["to_ms"], gap["nl"]) == (7_200_000, 7_500_000, "6000")
    assert {name: bolus[name] for name in ("id", "kind", "requested_ms", "volume_nl", "delivered_nl")} == {
        "id": "slot:0:7200000",
        "kind": "scheduled",
        "requested_ms": 7_200_000,
        "volume_nl": 6_000,
        "delivered_nl": 0,
    }
    assert (bolus["outcome"], bolus["rule"]) == ("missed", "too-late")
    assert [(e.code, e.active) for e in missed if isinstance(e, Alarm)] == [("bolus-missed", True)]
    assert clocked.s.poll_at == FAR  # nothing was asked of the pump
    assert clocked.tick(LATE + 2) == []


def test_beside_a_bolus_that_is_missed_the_status_that_is_due_is_asked_for() -> None:
    clocked = Clocked(PAUSED, bolus=SLOT)
    clocked.s.poll_at = BOOT + LATE
    assert clocked.tick(LATE + 1) == ["skip", "missed", "bolus", "alarm bolus-missed", "status"]
    assert clocked.s.poll_at == BOOT + LATE + 1 + HOUR


@pytest.mark.parametrize("state", [UNCERTAIN, PAUSED, STOPPED, FAULT, READY])
def test_a_slot_that_passes_is_missed_in_each_state_but_while_nobody_has_confirmed(state: State) -> None:
    assert "bolus" in Clocked(state, bolus=SLOT).tick(LATE + 1)
    assert "bolus" not in Clocked(WAITING, bolus=SLOT).tick(LATE + 1)


def test_where_the_run_was_stopped_for_a_prime_that_was_denied_a_slot_that_passes_in_a_rest_is_missed() -> (
    None
):
    """The state is RUNNING then, and nothing runs."""
    clocked = Clocked(RUNNING, (0, 0), (20 * HOUR, 86_400), bolus=SLOT)
    assert clocked.wake() == 2 * HOUR
    assert clocked.tick(LATE + 1) == ["skip", "missed", "bolus", "alarm bolus-missed"]


def test_all_slots_that_have_passed_are_missed_at_once() -> None:
    assert Clocked(PAUSED, bolus=SLOT).tick(LATE + 2 * DAY + 1).count("bolus") == 3


def test_in_a_bolus_no_other_is_told_and_the_part_ends_by_the_counter() -> None:
    clocked = Clocked(BOLUS, bolus=(3 * HOUR, 20 * MINUTE, 6_000))
    slot = clocked.s.composer.slot()
    assert slot is not None
    run = clocked.takes(
        clocked.s.composer.scheduled(3 * HOUR - 2_000, slot), slot
    )  # from 3 h on, to 3 h 20 min
    assert run.spans[0].to_ms == 12_000_000
    assert clocked.tick(12_029_999) == []
    assert clocked.tick(12_030_000) == ["status"]
    assert clocked.s.look_at == BOOT + 12_035_000
    assert clocked.tick(12_035_000) == ["status"]


def test_a_slot_that_is_missed_behind_a_part_is_named_at_once() -> None:
    clocked = Clocked(PRIMING, bolus=SLOT, prime_nl=1_000_000, prime_nl_per_h=250_000)
    clocked.takes(clocked.s.composer.prime(0))  # 4 h
    assert clocked.tick(LATE) == []
    assert clocked.tick(LATE + 1) == ["skip", "missed", "bolus", "alarm bolus-missed"]


def bridged(state: State, *, bolus: tuple[int, int, int] | None = SLOT) -> Clocked:
    return Clocked(state, bolus=bolus, bridge=Bridge(ToyPace(EVEN), 0, 10_000, 90_000, Fraction(0)))


@pytest.mark.parametrize("late_ms", [0, 1])
def test_d11_a_bolus_that_is_due_in_a_bridge_is_refused_at_its_time(late_ms: int) -> None:
    clocked = bridged(RUNNING)
    clocked.takes(clocked.s.composer.basal(0))
    assert clocked.tick(2 * HOUR - 1) == []
    refused = clocked.effects(2 * HOUR + late_ms)
    (bolus,) = (dict(e.data) for e in refused if isinstance(e, Write) and e.kind == "bolus")
    assert (bolus["outcome"], bolus["rule"]) == ("refused", "bridge")
    assert not [effect for effect in refused if isinstance(effect, Deliver)]


def test_d11_the_basal_is_told_in_a_bridge_before_a_bolus_and_without_one() -> None:
    for clocked in (bridged(READY), bridged(READY, bolus=None)):
        assert clocked.tick(0) == ["asked", "deliver basal"]


def test_d11_the_counter_is_read_when_the_old_fluid_should_have_left() -> None:
    """20 100 nL at 1 nL/s, and the pump may have begun 30 s late."""
    bridge = Bridge(ToyPace(EVEN), 0, 10_000, 20_000, Fraction(0))
    clocked = Clocked(RUNNING, bridge=bridge, runs=True)
    assert clocked.wake() == 20_130_000
    assert clocked.tick(20_129_999) == []
    assert clocked.tick(20_130_000) == ["status"]
    assert clocked.s.look_at == BOOT + 20_135_000
    assert clocked.tick(20_134_999) == []
    assert clocked.tick(20_135_000) == ["status"]


# --- primes ------------------------------------------------------------------------------------------------------


def test_a_prime_comes_first_and_what_runs_is_stopped_for_it() -> None:
    still, runs = Clocked(READY, prime_nl=20_000), Clocked(RUNNING, prime_nl=20_000)
    assert still.tick(0) == ["asked", "deliver prime"]
    assert not still.s.halting
    runs.takes(runs.s.composer.basal(0))
    assert runs.tick(0) == ["halt: a prime is due"]
    assert runs.s.halting


def test_a_path_that_something_else_has_filled_is_not_primed() -> None:
    clocked = Clocked(READY, prime_nl=3_700)
    clocked.takes(clocked.s.composer.basal(0))
    clocked.s.books.cut(HOUR + 2_000, None, "test")  # 3 600 nL, and a step may still be made
    assert clocked.tick(HOUR + 2_000) == ["asked", "deliver basal"]
    assert clocked.s.books.primed


# --- the hold while nobody has confirmed --------------------------------------------------------------------------


def hold(
    *levels: tuple[int, int], until: int = 3 * HOUR, runs: bool = False, limits: Limits = IMPLANT
) -> Clocked:
    clocked = Clocked(WAITING, *levels, runs=runs, limits=limits)
    clocked.s.hold_until = until
    return clocked


def test_where_nothing_runs_the_hold_is_told_at_once() -> None:
    (_, told) = hold().effects(0)
    assert isinstance(told, Deliver)
    assert told.ask.purpose is Purpose.HOLD
    assert sum(step.duration_ms for step in told.ask.steps) == 3 * HOUR - 5_000 - 2_000


def test_what_runs_comes_to_its_end_before_the_hold() -> None:
    for at in (36_002_000, 36_002_001):
        clocked = hold(until=20 * HOUR, runs=True)
        assert clocked.tick(36_001_999) == []
        assert "deliver hold" in clocked.tick(at)


@pytest.mark.parametrize("told", [{"halting": True}, {"retry_at": FAR}])
def test_no_hold_is_told_before_a_stop_is_acknowledged_or_what_failed_may_be_tried(
    told: dict[str, Any],
) -> None:
    clocked = hold()
    for name, value in told.items():
        setattr(clocked.s, name, value)
    assert clocked.tick(0) == []


def test_the_time_of_a_hold_ends_and_it_is_told_that_nothing_flows() -> None:
    clocked = hold()
    assert clocked.tick(3 * HOUR - 5_000) == ["alarm hold-ended"]  # no time is left for one
    for at in (3 * HOUR, 3 * HOUR + 1):
        late = hold()
        assert late.tick(at) == ["alarm hold-ended"]
        assert late.s.hold_until is None
        assert late.tick(at + 1) == []


def test_what_still_runs_then_is_no_alarm() -> None:
    for at in (3 * HOUR, 3 * HOUR + 1):
        clocked = hold(runs=True)
        assert clocked.tick(at) == []
        assert clocked.s.hold_until is None
    for at in (36_002_000, 36_002_001):
        ended = hold(until=36_002_000, runs=True)
        assert ended.tick(at) == ["alarm hold-ended"]


def test_a_hold_without_flow_is_over_and_one_whose_flow_is_to_come_waits_for_it() -> None:
    assert hold((0, 0)).tick(0) == ["alarm hold-ended"]
    rests_first = hold((0, 0), (2 * HOUR, 86_400))
    assert rests_first.tick(0) == ["asked", "deliver hold"]  # one program holds both
    short = hold((0, 0), (2 * HOUR, 86_400), limits=replace(IMPLANT, max_steps=1))
    assert short.tick(0) == []
    assert short.s.retry_at == BOOT + 2 * HOUR
    assert short.tick(2 * HOUR) == ["asked", "deliver hold"]


# --- what was left alone, and silence -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [WAITING, UNCERTAIN, PAUSED, STOPPED, FAULT])
def test_a_run_that_was_left_alone_is_asked_about_when_it_is_over(state: State) -> None:
    clocked = Clocked(state, runs=True)
    assert clocked.tick(OVER - 1) == []
    assert clocked.tick(OVER) == ["status"]
    assert clocked.s.poll_at == FAR
    assert clocked.tick(OVER + 299_999) == []
    assert clocked.tick(OVER + 300_000) == ["status"]


def test_a_status_that_is_due_is_asked_for_once_in_any_state() -> None:
    for state in State:
        clocked = Clocked(state, runs=True)
        clocked.s.poll_at = BOOT + HOUR
        assert clocked.effects(HOUR) == [READ_STATUS]
        assert clocked.s.poll_at == BOOT + 2 * HOUR
    both = Clocked(FAULT, runs=True)
    both.s.poll_at = BOOT + OVER
    assert both.tick(OVER) == ["status"]


def test_silence_is_told_when_it_has_lasted_too_long() -> None:
    clocked = Clocked(PAUSED)
    assert clocked.tick(HOUR) == []
    assert clocked.s.silent_since == HOUR
    assert clocked.wake() == 5 * HOUR
    assert clocked.tick(5 * HOUR - 1) == []
    assert clocked.tick(5 * HOUR) == ["alarm under-delivery"]
