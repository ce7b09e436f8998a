"""How long nothing flowed though the plan asks, and when that is told (S-31); and what is tried again and when."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from pump_ctrl.controller.effects import Effect, ReadStatus
from pump_ctrl.controller.events import AlarmsChanged, Event, RequestKind, StatusRead
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.runs import Limits
from pump_ctrl.drivers.base import NotGiven, PumpState, Refused, Step, Unknown
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import LIMITS, ToySchedule, ToyTerms
from tests.unit.people_kit import (
    BASAL,
    LOST,
    NO_WORD,
    SYRINGE,
    SYRINGE_TIMING,
    TERMS,
    LifeBench,
    bench,
    status_of,
)

MINUTE = 60_000
QUIET = 4 * HOUR  # so long the plan's drug may go without delivery
TOLD, OVER = ("under-delivery", True), ("under-delivery", False)
REST = (BASAL, (2 * HOUR, 0), (5 * HOUR, 312_000))


class OddBench(LifeBench):
    """``dead``: the pump takes what it is told and gives nothing. ``mute``: it tells nothing of itself."""

    dead = mute = False

    def replace(self, steps: tuple[Step, ...]) -> None:
        super().replace(() if self.dead else steps)

    def _do(self, effect: Effect) -> list[Event]:
        if self.mute and isinstance(effect, ReadStatus):
            return [StatusRead(Unknown("no reply"))]
        return super()._do(effect)


def odd(until_ms: int = HOUR, **changes: object) -> OddBench:
    b = OddBench(ToySchedule(BASAL, patient=TERMS), **changes)  # type: ignore[arg-type]
    b.start()
    b.run_to(until_ms)
    return b


def test_the_time_begins_when_the_pump_stands_still_and_is_told_once_it_is_over() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.wait(QUIET - 1)
    assert TOLD not in b.alarms
    b.wait(1)
    assert b.alarms[-1] == TOLD


def test_it_begins_with_the_plan_where_the_pump_refuses_from_the_start() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.extend([Refused("busy")] * 99)
    b.start()
    b.run_to(QUIET - 1)
    assert TOLD not in b.alarms
    b.run_to(QUIET)
    assert TOLD in b.alarms


def test_it_begins_where_a_pump_that_was_stopped_to_be_told_refuses() -> None:
    b = bench(syringe=True, until_ms=DAY - 20 * MINUTE)
    b.feed(StatusRead(b.status()))
    b.answers.extend([Refused("range", status_of(b, state=PumpState.IDLE))] * 99)
    b.run_to(DAY)
    begun = b.asks[1][0]
    b.run_to(begun + QUIET - 1)
    assert TOLD not in b.alarms
    b.run_to(begun + QUIET)
    assert TOLD in b.alarms


def test_it_is_told_too_where_nobody_looked_in_time() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.now += 2 * QUIET
    b.feed(StatusRead(b.status()))
    assert b.alarms[-1] == TOLD


def test_it_is_over_with_the_first_step_that_the_pump_has_made_and_not_before() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.alarms.clear()
    b.wait(QUIET)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.feed(StatusRead(b.status()))
    assert OVER not in b.alarms
    b.now += 27_693
    b.feed(StatusRead(b.status()))
    assert b.alarms.count(OVER) == 1
    b.wait(DAY)
    assert b.alarms.count(OVER) == 1


def broken_off(b: OddBench, asked: int) -> list[int]:
    """Asked so often, the pump takes the run and breaks it off at once; after how long each time."""
    b.dead = True
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    asks, begun = len(b.asks), b.plan
    for _ in range(asked):
        b.tick()
        b.feed(StatusRead(b.status()))
        b.now = max(b.now, b.controller.next_wakeup())
    return [at - begun for at, _ in b.asks[asks:]]


def test_runs_that_the_pump_breaks_off_before_their_first_step_do_not_begin_it_anew() -> None:
    b = odd()
    broken_off(b, 50)
    assert b.plan - HOUR < QUIET
    assert TOLD not in b.alarms
    b.dead = False
    b.ask(RequestKind.PAUSE)
    b.run_to(HOUR + QUIET)
    assert TOLD in b.alarms


def test_a_run_that_was_stopped_before_its_first_step_begins_it() -> None:
    b = odd()
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.ask(RequestKind.STOP)
    b.wait(QUIET - 1)
    assert TOLD not in b.alarms
    b.wait(1)
    assert TOLD in b.alarms


@pytest.mark.parametrize("kind", [RequestKind.STOP, RequestKind.RESUME])
def test_nor_do_a_persons_requests(kind: RequestKind) -> None:
    """Else, pressed every three hours, STOP would keep the alarm away for ever."""
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.wait(3 * HOUR)
    b.ask(kind)
    if kind is RequestKind.RESUME:
        b.ask(RequestKind.PAUSE)
    b.wait(HOUR - 1)
    assert TOLD not in b.alarms
    b.wait(1)
    assert TOLD in b.alarms


def test_a_run_that_gave_something_does() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.wait(3 * HOUR)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.wait(HOUR)
    b.ask(RequestKind.PAUSE)
    b.wait(QUIET - 1)
    assert TOLD not in b.alarms
    b.wait(1)
    assert TOLD in b.alarms


def paused_before_a_rest(for_ms: int) -> LifeBench:
    """A rest from 2:00 to 5:00; paused so long before it."""
    b = bench(levels=REST, until_ms=2 * HOUR - for_ms)
    b.ask(RequestKind.PAUSE)
    b.alarms.clear()
    return b


@pytest.mark.parametrize("before_ms", [0, HOUR])
def test_a_rest_of_the_plan_does_not_count_and_what_was_before_it_does(before_ms: int) -> None:
    b = paused_before_a_rest(before_ms)
    b.run_to(9 * HOUR - before_ms - 1)
    assert TOLD not in b.alarms
    b.run_to(9 * HOUR - before_ms)
    assert b.alarms[-1] == TOLD


def test_a_stop_in_a_rest_does_not_begin_it_anew() -> None:
    b = paused_before_a_rest(HOUR)
    b.run_to(3 * HOUR)
    b.ask(RequestKind.STOP)
    b.run_to(8 * HOUR - 1)
    assert TOLD not in b.alarms
    b.run_to(8 * HOUR)
    assert TOLD in b.alarms


def test_flow_that_nobody_saw_ends_it_when_the_run_is_over() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.alarms.clear()
    b.wait(QUIET)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.now += HOUR
    assert OVER not in b.alarms
    b.ask(RequestKind.PAUSE)
    assert b.alarms[-1] == OVER
    b.wait(QUIET - 1)
    assert b.alarms[-1] == OVER
    b.wait(1)
    assert b.alarms[-1] == TOLD


def test_flow_after_a_rest_ends_what_was_before_it() -> None:
    b = paused_before_a_rest(HOUR)
    b.run_to(3 * HOUR)
    b.ask(RequestKind.RESUME)
    b.run_to(6 * HOUR)
    b.feed(StatusRead(b.status()))
    assert b.alarms.count(OVER) == 1
    b.ask(RequestKind.PAUSE)
    b.wait(QUIET - 1)
    assert TOLD not in b.alarms


def test_an_alarm_that_was_told_before_a_rest_is_over_with_the_first_flow_behind_it() -> None:
    b = bench(levels=((0, 312_000), (6 * HOUR, 0), (8 * HOUR, 312_000)))
    b.ask(RequestKind.PAUSE)
    b.alarms.clear()
    b.wait(QUIET)
    assert b.alarms[-1] == TOLD
    b.run_to(6 * HOUR - 1)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.now += HOUR
    b.feed(StatusRead(b.status()))
    assert OVER not in b.alarms, "a rest is no flow"
    b.now += 2 * HOUR
    b.feed(StatusRead(b.status()))
    assert b.alarms.count(OVER) == 1


def test_while_nothing_runs_the_next_change_of_flow_is_looked_at() -> None:
    b = paused_before_a_rest(HOUR)
    assert b.controller.next_wakeup() == b.now + HOUR
    b.run_to(2 * HOUR)
    assert b.controller.next_wakeup() == b.now + 3 * HOUR


def test_silence_is_told_of_a_plan_that_was_loaded_in_it() -> None:
    b = bench(plan="a")
    b.ask(RequestKind.PAUSE)
    b.wait(QUIET)
    b.alarms.clear()
    assert b.load(replace(b.controller.prescription, plan="b", previous="a", start_utc_ms=-HOUR)) == ""
    assert b.alarms == [TOLD]


# What is tried again.


def test_what_was_refused_of_the_old_plan_does_not_hold_back_the_new_one() -> None:
    b = bench(plan="b")
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.answers.append(Refused("busy"))
    b.tick()
    asks = len(b.asks)
    assert b.load(replace(b.controller.prescription, plan="a", previous="b")) == ""
    b.tick()
    assert b.purposes[asks:] == [Purpose.BASAL]


def test_a_stop_is_sent_again_though_something_else_has_become_known() -> None:
    """Evidence is good news; that the pump was stopped it is not."""
    b = bench(patient=TERMS)
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 9)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.stop_answers.extend([LOST] * 2)
    b.ask(RequestKind.STOP)
    b.learns(NotGiven("never-began", b.status()))
    assert b.controller.halting
    b.wait(MINUTE)
    assert len(b.halts) == 3
    assert (b.controller.halting, b.controller.run) == (False, None)


def test_waits_double_up_to_five_minutes() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.extend([Refused("busy")] * 10)
    b.start()
    b.run_to(20 * MINUTE)
    asked = [at for at, _ in b.asks]
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]


def test_a_pump_that_breaks_runs_off_is_asked_again_after_longer_and_longer_times() -> None:
    asked = broken_off(odd(), 18)
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[:8] == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]


def test_a_pump_that_did_not_answer_is_asked_again_within_five_minutes() -> None:
    b = odd()
    assert b.controller.next_wakeup() == 1_000_000 + 6 * HOUR
    b.mute = True
    b.run_to(6 * HOUR)
    assert b.controller.next_wakeup() == b.now + 5 * MINUTE
    b.mute = False
    b.wait(5 * MINUTE)
    assert b.controller.next_wakeup() == b.now + 6 * HOUR


# A run that ended: whether the pump broke it off.


@pytest.mark.parametrize(
    ("early_ms", "short_nl", "counter_nl", "wait_ms"),
    [
        (0, 300, 1, 0),
        (-1_000, 300, 1, 0),
        (10_000, 0, 1, 0),  # done a little early
        (10_000, 100, 1, 5_000),
        (10_000, 100, 100, 5_000),
        (10_000, 100, 101, 0),  # as far as its counter can tell
    ],
)
def test_a_run_that_ended_before_its_time_with_something_left_was_broken_off(
    early_ms: int, short_nl: int, counter_nl: int, wait_ms: int
) -> None:
    """Of a titration stage: its run goes on to its very end, and the next one follows."""
    b = LifeBench(ToySchedule(BASAL, stage_until=30 * HOUR), limits=replace(LIMITS, counter_nl=counter_nl))
    b.start()
    b.run_to(30 * HOUR - MINUTE)
    asks = len(b.asks)
    b.now += MINUTE - early_ms
    b.replace(())
    b.base = 390_000 - short_nl
    b.feed(StatusRead(b.status()))
    begun = b.plan
    b.tick()
    b.wait(5_000)
    assert [at - begun for at, _ in b.asks[asks:]][:1] == [wait_ms]


def of_nothing(limits: Limits) -> LifeBench:
    """A bolus that is less than a pump step, in a plan without basal: a run of one rest, 10 min long."""
    tiny = ToySchedule((0, 0), patient=ToyTerms(600_000, Fraction(50)))
    b = LifeBench(tiny, limits=limits, timing=SYRINGE_TIMING)
    b.start()
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.controller.run is not None
    assert b.controller.run.volume_nl == 0
    return b


def grid(*, rests: bool) -> Limits:
    assert SYRINGE.grid is not None
    return replace(SYRINGE, grid=replace(SYRINGE.grid, rests=rests))


@pytest.mark.parametrize(
    ("limits", "after_ms", "state", "over"),
    [
        (grid(rests=False), 599_999, PumpState.IDLE, False),
        (grid(rests=False), 599_999, PumpState.STALLED, True),
        (grid(rests=False), 600_000, PumpState.IDLE, True),
        (grid(rests=False), 600_001, PumpState.IDLE, True),
        (grid(rests=True), 599_999, PumpState.IDLE, True),
        (LIMITS, 599_999, PumpState.IDLE, True),
    ],
)
def test_a_pump_that_stands_still_for_a_rest_has_not_ended_it(
    limits: Limits, after_ms: int, state: PumpState, over: bool
) -> None:
    b = of_nothing(limits)
    b.now += after_ms
    b.feed(StatusRead(status_of(b, state=state)))
    assert (b.controller.run is None) is over


def test_a_run_of_nothing_that_the_pump_does_not_run_was_broken_off() -> None:
    b = of_nothing(LIMITS)
    b.feed(StatusRead(status_of(b, state=PumpState.IDLE)))
    assert b.controller.next_wakeup() == b.now + 5_000


def test_once_the_pump_runs_the_first_wait_is_short_again() -> None:
    b = odd()
    broken_off(b, 12)
    b.dead = False
    b.wait(6 * MINUTE)
    b.feed(StatusRead(b.status()))
    assert b.controller.state is State.RUNNING
    b.dead = True
    b.replace(())
    asks, begun = len(b.asks), b.plan
    b.feed(StatusRead(b.status()))
    b.wait(5_000)
    assert [at - begun for at, _ in b.asks[asks:]] == [5_000]


def test_after_a_resume_the_basal_begins_at_once_though_the_pump_did_not_answer_before() -> None:
    b = odd()
    b.feed(AlarmsChanged(True, ("battery",), leave_running=True))
    b.mute = True
    b.run_to(2 * DAY)
    b.mute = False
    b.feed(AlarmsChanged(False, ()))
    b.ask(RequestKind.RESUME)
    begun = b.plan
    b.wait(1_000)
    assert [at - begun for at, _ in b.asks[1:]] == [0]


def test_a_controller_that_has_begun_nothing_was_stopped_by_nobody() -> None:
    assert not LifeBench(ToySchedule(BASAL)).controller.stopped


def test_status_that_a_pump_stands_still_while_paused_changes_nothing() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    records = len(b.records)
    b.feed(StatusRead(status_of(b, state=PumpState.IDLE)))
    assert len(b.records) == records


@pytest.mark.parametrize("state", [PumpState.STALLED, PumpState.EMPTY, PumpState.FAILED, PumpState.IDLE])
def test_why_the_run_ended_is_the_name_of_the_gap(state: PumpState) -> None:
    words = {
        PumpState.STALLED: "pump stalled", PumpState.EMPTY: "reservoir empty", PumpState.FAILED: "pump failed",
        PumpState.IDLE: "run ended without a successor",
    }  # fmt: skip
    b = bench()
    b.replace(())
    b.feed(StatusRead(status_of(b, state=state)))
    assert (b.controller.run, b.controller.state) == (None, State.READY)
    b.wait(MINUTE)
    assert b.asks[-1][0] == HOUR + 5_000
    assert b.gaps() == [(words[state], Fraction(13_000 * 5_000, HOUR))]
