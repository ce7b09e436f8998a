"""A command of which nobody knows what became: what is asked, what is named, what is in force; on a perfect pump."""

from __future__ import annotations

import pytest

from pump_ctrl.controller.events import (
    AlarmsChanged,
    RequestKind,
    StatusRead,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Given, NotGiven, PumpState
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule
from tests.unit.people_kit import (
    BASAL,
    LOST,
    NO_WORD,
    TERMS,
    LifeBench,
    bench,
    status_of,
    taken,
)

MINUTE = 60_000
NEVER = "never-began"
LEFT_RUNNING = AlarmsChanged(True, ("battery",), leave_running=True)


def uncertain(**kwargs: object) -> LifeBench:
    """A patient bolus was told in the basal, and no answer came."""
    b = bench(patient=TERMS, **kwargs)  # type: ignore[arg-type]
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 50)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.controller.state is State.UNCERTAIN
    return b


def test_it_is_told_and_asked_for_after_longer_and_longer_times() -> None:
    b = uncertain()
    assert b.alarms[-1] == ("unsettled", True)
    told = len(b.evidence)
    for wait in (5_000, 10_000, 20_000):
        b.wait(wait - 1)
        assert len(b.evidence) == told
        b.wait(1)
        told -= 1
        assert len(b.evidence) == told
    assert b.purposes == [Purpose.BASAL, Purpose.PATIENT]


def test_what_is_due_meanwhile_is_named_by_it_if_the_old_run_ends() -> None:
    b = uncertain()
    b.replace(())
    b.feed(StatusRead(status_of(b, state=PumpState.EMPTY)))
    assert b.controller.run is None
    assert b.controller.state is State.UNCERTAIN, "the command may still come"


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_given_is_in_force_and_what_is_over_is_closed(ended: bool) -> None:
    b = uncertain()
    evidence = taken(b)
    if ended:
        b.now += DAY
        evidence = Given(342_000, 342_000, True, b.status())
    b.learns(evidence)
    assert b.controller.state is (State.READY if ended else State.BOLUS)
    assert (b.controller.run is None) is ended
    assert b.alarms[-1] == ("unsettled", False)
    assert b.halts == []
    assert [record["why"] for record in b.of("cut")] == ["run ended by the pump"] * ended
    assert b.boluses() == [("p", "delivered", "")] * ended
    b.wait(HOUR)
    assert b.boluses() == [("p", "delivered", "")]
    assert b.controller.load_refusal(b.controller.prescription, 0, b.now) == ""


def test_what_was_given_before_evidence_came_belongs_to_it() -> None:
    b = uncertain()
    b.learns(taken(b))
    granted = b.of("granted")[-1]
    assert (granted["given"], granted["counter"]) == (13_000, 13_000)


@pytest.mark.parametrize("kind", [RequestKind.STOP, RequestKind.PAUSE])
def test_what_runs_against_a_persons_stop_is_stopped_again(kind: RequestKind) -> None:
    """The STOP was acknowledged, and the command that was on its way came after it."""
    b = uncertain()
    b.ask(kind)
    assert len(b.halts) == 1
    state = b.controller.state
    b.learns(taken(b))
    assert (b.controller.state, len(b.halts), b.controller.run) == (state, 2, None)
    assert b.halts[1][1] == b.halts[0][1]
    assert b.boluses() == [("p", "interrupted", "")]
    assert b.purposes == [Purpose.BASAL, Purpose.PATIENT]


def test_a_pump_that_says_that_it_runs_though_it_was_stopped_is_stopped_again() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.feed(StatusRead(status_of(b, state=PumpState.RUNNING)))
    assert [why for _, why in b.halts] == ["paused by a person"] * 2
    assert b.controller.state is State.PAUSED


@pytest.mark.parametrize("state", ["halting", "left", "runs"])
def test_a_pump_that_may_run_is_not(state: str) -> None:
    b = bench()
    if state == "halting":
        b.stop_answers.append(LOST)
        b.ask(RequestKind.STOP)
    elif state == "left":
        b.feed(LEFT_RUNNING)
    halts = len(b.halts)
    b.feed(StatusRead(status_of(b, state=PumpState.RUNNING)))
    assert len(b.halts) == halts


def test_what_was_not_given_leaves_the_old_run_in_force() -> None:
    b = uncertain()
    run = b.controller.run
    b.learns(NotGiven(NEVER, b.status()))
    assert (b.controller.state, b.controller.run) == (State.RUNNING, run)
    assert b.boluses() == [("p", "refused", "not-given")]
    assert b.alarms[-1] == ("unsettled", False)
    assert b.controller.load_refusal(b.controller.prescription, 0, b.now) == ""


def test_where_the_old_run_is_over_too_the_next_one_is_asked_for() -> None:
    b = uncertain()
    b.replace(())
    b.learns(NotGiven(NEVER, b.status()))
    assert (b.controller.state, b.controller.run) == (State.READY, None)
    b.wait(5_000)
    assert b.purposes[-1] is Purpose.BASAL


def test_a_person_who_resolves_it_has_the_pump_stopped_and_the_bolus_booked_as_unknown() -> None:
    b = uncertain()
    b.learns(None)
    assert b.boluses() == [("p", "unknown", "unsettled")]
    assert [why for _, why in b.halts] == ["resolved by a person, waiting for resume"]
    assert (b.controller.state, b.controller.stopped, b.controller.run) == (State.PAUSED, True, None)
    assert ("unsettled", False) in b.alarms
    b.ask(RequestKind.RESUME)
    b.tick()
    assert b.purposes[-1] is Purpose.BASAL


def test_a_basal_that_is_resolved_is_no_bolus_and_the_gap_has_its_name() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 50)
    b.start()
    b.wait(10 * MINUTE)
    b.stop_answers.extend([LOST] * 2)
    begun, halts = b.plan, len(b.halts)
    b.learns(None)
    b.wait(50 * MINUTE)
    assert [at - begun for at, _ in b.halts[halts:]] == [0, 5_000, 15_000]
    assert b.boluses() == []
    b.ask(RequestKind.RESUME)
    assert b.gaps() == [("resolved by a person, waiting for resume", 13_000)]


def test_what_was_due_while_it_was_not_known_has_that_name() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 50)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.now += HOUR
    b.learns(NotGiven(NEVER, b.status()))
    assert b.controller.state is State.READY
    b.tick()
    assert b.gaps() == [("outcome of a command unknown", 13_000)]


def test_a_stop_before_it_is_resolved_stays_a_stop() -> None:
    b = uncertain()
    b.ask(RequestKind.STOP)
    b.learns(None)
    assert (b.controller.state, len(b.halts)) == (State.STOPPED, 2)


def test_after_it_is_resolved_nothing_is_asked_for_it_any_more() -> None:
    b = uncertain()
    b.stop_answers.extend([LOST] * 2)
    b.learns(None)
    told = len(b.evidence)
    b.wait(MINUTE)
    assert len(b.evidence) == told
    assert len(b.halts) == 3


def test_the_reason_of_a_stop_is_its_own_though_the_command_came_after_it() -> None:
    b = uncertain()
    b.ask(RequestKind.STOP)
    b.learns(taken(b))
    b.now += HOUR
    b.ask(RequestKind.RESUME)
    assert {why for why, _ in b.gaps()} == {"stopped by a person"}
