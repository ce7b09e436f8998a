"""What the controller tells others of itself, its short way through ordinary polls, and what a journal makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.effects import Halt, Write
from pump_ctrl.controller.events import (
    AlarmsChanged,
    Confirmed,
    Halted,
    Leaving,
    Pressed,
    Requested,
    RequestKind,
    StatusRead,
    Tick,
    Waiting,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Offer, Prescription
from pump_ctrl.drivers.base import Acked, PumpState, Unknown
from pump_ctrl.errors import InvalidInput, JournalError
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import LIMITS, TIMING, FakeBench, ToySchedule

BEGUN: Final = 1_000_000  # boot time at plan time 0
DUE: Final = BEGUN + 85_513_847  # a day of 312 000 nL, 15 min before its end: the 3 088th step is made
POLL: Final = 6 * HOUR
A: Final = Prescription(ToySchedule((0, 312_000)), 4 * HOUR, plan="a" * 64)
B: Final = Prescription(ToySchedule((0, 156_000)), 4 * HOUR, plan="b" * 64, previous=A.plan)


def running(plan: Prescription = A) -> FakeBench:
    """For two minutes; the pump has said that it gives."""
    b = FakeBench(ToySchedule(), prescription=plan)
    b.start()
    b.run_to(120_000)
    b.feed(StatusRead(b.status()))
    b.controller.next_wakeup()
    return b


# --- ordinary polls ---------------------------------------------------------------------------------------------


def test_up_to_what_is_due_next_a_poll_is_all_and_puts_off_the_next_one() -> None:
    c = running().controller
    assert c.next_wakeup() == BEGUN + 120_000 + POLL
    assert c.polls(BEGUN + 120_000 + POLL)
    assert c.next_wakeup() == BEGUN + 120_000 + 2 * POLL
    assert c.polls(DUE - 1)
    assert c.next_wakeup() == DUE
    assert not c.polls(DUE)
    assert not c.polls(DUE + 1)


def test_a_status_that_says_that_the_pump_runs_is_taken_in_until_something_is_due() -> None:
    b = running()
    c, runs = b.controller, b.status()
    assert c.goes_on(runs, BEGUN + HOUR)
    assert c.next_wakeup() == BEGUN + HOUR + POLL
    assert c.goes_on(runs, DUE - 1)
    assert c.next_wakeup() == DUE
    assert not c.goes_on(runs, DUE)
    assert not c.goes_on(runs, DUE + 1)


@pytest.mark.parametrize("state", [state for state in PumpState if state is not PumpState.RUNNING])
def test_any_other_status_is_handled_in_full(state: PumpState) -> None:
    b = running()
    assert not b.controller.goes_on(b.status()._replace(state=state), BEGUN + HOUR)
    assert not b.controller.goes_on(Unknown("silence"), BEGUN + HOUR)
    assert b.controller.next_wakeup() == BEGUN + 120_000 + POLL  # nothing is put off


def test_before_and_after_anything_that_happens_no_poll_is_all() -> None:
    new, b = FakeBench(ToySchedule(), prescription=A), running()
    assert not new.controller.polls(0)
    assert not new.controller.goes_on(b.status(), 0)
    assert b.controller.polls(0)
    b.feed(StatusRead(b.status()))
    assert not b.controller.polls(0)
    b.controller.next_wakeup()
    assert b.controller.polls(0)
    b.controller.replay("stopped", {})
    assert not b.controller.polls(0)


# --- what it tells ------------------------------------------------------------------------------------------------


def test_a_change_of_state_is_written_before_anything_is_done_about_it() -> None:
    b = running()
    b.run_to(HOUR)
    told = b.controller.handle(Requested("r1", RequestKind.PAUSE), b.now)
    assert told[0] == Write("state", {"state": "PAUSED", "plan_ms": HOUR})
    assert Halt("paused by a person") in told
    again = b.controller.handle(StatusRead(b.status()), b.now)
    assert not [effect for effect in again if isinstance(effect, Write) and effect.kind == "state"]
    b.feed(Halted(Acked(b.status())))
    b.now += HOUR
    first, *rest = b.controller.handle(Requested("r2", RequestKind.RESUME), b.now)
    assert first == Write("state", {"state": "READY", "plan_ms": 2 * HOUR})
    assert len(rest) > 1


def test_the_time_of_a_hold_is_told_until_a_person_confirms() -> None:
    b = FakeBench(ToySchedule(), prescription=A)
    assert b.controller.hold_until_ms is None
    b.feed(Waiting(HOUR, b.status(), None, runs_on=True, hold_until_ms=3 * HOUR))
    assert b.controller.hold_until_ms == 3 * HOUR
    b.feed(Confirmed(HOUR, b.status()))
    assert b.controller.hold_until_ms is None


def test_a_process_that_ends_without_a_hold_stops_the_pump() -> None:
    b = running()
    b.run_to(HOUR)
    b.feed(Leaving(None))
    assert (b.controller.state, len(b.halts)) == (State.STOPPED, 1)


def test_a_press_that_was_answered_before_counts_as_one() -> None:
    b = running()
    for _ in range(62):
        b.feed(Pressed())
        b.now += 1_000
    assert ("stuck-key", True) in b.alarms


def test_a_person_who_stopped_it_is_told_of_until_one_lets_it_go_on() -> None:
    b = running()
    assert b.controller.stopped is False
    b.ask(RequestKind.STOP)
    assert b.controller.stopped is True


# --- what a journal makes of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "stopped"),
    [
        ("stopped", {}, True),  # before the first record, on a pump that a person had stopped
        ("stop", {"why": "stopped by a person"}, True),
        ("stop", {"why": "paused by a person"}, True),
        ("stop", {"why": "resolved by a person, waiting for resume"}, True),
        ("stop", {"why": "alarm: stall"}, False),
        ("answer", {"why": "stopped by a person", "request": ""}, False),
        ("state", {"state": "PAUSED"}, True),
        ("state", {"state": "FAULT"}, False),
    ],
)
def test_what_a_person_stopped_is_known_after_a_restart(
    kind: str, data: dict[str, Any], stopped: bool
) -> None:
    c = Controller(A, LIMITS, TIMING)
    c.replay(kind, data)
    assert c.stopped is stopped
    assert c.state is State.WAITING


@pytest.mark.parametrize(
    ("kind", "data", "stopped"),
    [
        ("plan_time", {"plan_ms": HOUR, "boot_ms": 0}, False),
        ("state", {"state": "READY"}, False),
        ("state", {"state": "STOPPED"}, True),
        ("idle", {"plan_ms": HOUR, "why": ""}, True),
    ],
)
def test_only_a_confirm_or_a_resume_of_an_earlier_life_ends_that(
    kind: str, data: dict[str, Any], stopped: bool
) -> None:
    c = Controller(A, LIMITS, TIMING)
    c.replay("stopped", {})
    c.replay(kind, data)
    assert c.stopped is stopped


def test_plan_time_goes_on_by_the_last_confirm() -> None:
    c = Controller(A, LIMITS, TIMING)
    c.replay("plan_time", {"plan_ms": DAY, "boot_ms": 5_000})
    assert c.plan_ms(6_000) == DAY + 1_000


@dataclass(frozen=True)
class Line:
    kind: str
    data: dict[str, Any]


BEGIN: Final = Line("begin", {})  # of a kind that tells the controller nothing


def put_in_force(plan: Prescription, plan_ms: int | None = None) -> Line:
    return Line("limits", {"plan_ms": plan_ms, "by": "tester", "limits": {"plan": {"sha256": plan.plan}}})


def from_a_to_b() -> list[Line]:
    """An hour of A, then B; the plan is not what the journal begins with."""
    b = running()
    b.run_to(HOUR)
    assert b.load(B) == ""
    return [BEGIN, put_in_force(A), *(Line(kind, data) for kind, data in b.records)]


def test_a_journal_is_taken_up_by_the_plan_that_it_began_with() -> None:
    c = Controller(B, LIMITS, TIMING)
    c.take_up(from_a_to_b(), {A.plan: A})
    assert c.prescription is B
    assert c.totals.commanded == 312_000
    with pytest.raises(JournalError):
        Controller(B, LIMITS, TIMING).take_up(from_a_to_b(), {A.plan: replace(A, schedule=B.schedule)})


@pytest.mark.parametrize("early", [[], [BEGIN], [BEGIN, BEGIN]])
def test_a_journal_that_ends_before_its_first_plan_leaves_the_one_given(early: list[Line]) -> None:
    c = Controller(A, LIMITS, TIMING)
    c.take_up(early, {})
    assert c.prescription is A


def test_neither_an_older_nor_a_newer_plan_than_the_one_in_force_is_begun_with() -> None:
    with pytest.raises(InvalidInput):
        Controller(A, LIMITS, TIMING).take_up(from_a_to_b(), {B.plan: B})
    with pytest.raises(InvalidInput):
        Controller(B, LIMITS, TIMING).take_up([put_in_force(A)], {A.plan: A})


def test_a_plan_that_waits_is_loaded_by_whatever_happens_next() -> None:
    b = running(replace(A, schedule=ToySchedule((0, 312_000), bolus=(HOUR, 600_000, 6_000))))
    b.run_to(HOUR)
    assert b.controller.state is State.BOLUS
    assert not b.controller.loading
    assert b.load(B) == ""
    assert b.controller.loading
    b.run_to(HOUR + 602_000)
    assert b.controller.prescription is B


def test_a_request_to_load_is_named_by_the_first_sixteen_digits_of_its_plan() -> None:
    assert Offer(B, b"", "tester").id == "load:" + "b" * 16


def test_an_alarm_that_forbids_is_looked_at_in_any_state() -> None:
    b = FakeBench(ToySchedule(), prescription=A)
    b.feed(AlarmsChanged(True, ("stall",)))
    b.feed(Tick())
    assert b.controller.state is State.WAITING


def test_a_plan_of_which_no_more_is_said_primes_nothing_bridges_nothing_and_stops_when_control_is_lost() -> (
    None
):
    said_less = Prescription(ToySchedule((0, 312_000)), 4 * HOUR)
    assert (said_less.prime_nl, said_less.prime_nl_per_h, said_less.bridge) == (0, 0, None)
    assert (said_less.max_hold_ms, TIMING.hold_ms, TIMING.loss_is_set) == (0, 0, False)
    assert (said_less.plan, said_less.previous, said_less.start_utc_ms) == ("", None, 0)
