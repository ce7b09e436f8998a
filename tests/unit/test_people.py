"""What people ask for: what stops, what may start again and by whom, and what is refused; on a perfect pump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.events import AlarmsChanged, Confirmed, Pressed, Refilled, RequestKind, StatusRead
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge
from pump_ctrl.drivers.base import NotGiven, PumpState, Refused
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule
from tests.unit.people_kit import BASAL, LOST, NIGHT, NO_WORD, TERMS, LifeBench, bench, denied, status_of

MINUTE = 60_000
NEW_PATH = Refilled(0, 0, other_fluid=False, new_path=True)
STALL, LOW = AlarmsChanged(True, ("stall",)), AlarmsChanged(True, ("battery", "stall"), leave_running=True)
CLEAR = AlarmsChanged(False, ())


def uncertain(b: LifeBench) -> None:
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 50)
    b.ask(RequestKind.PATIENT_BOLUS, "lost")


def primes(b: LifeBench) -> None:
    b.feed(NEW_PATH)
    b.ask(RequestKind.PRIME, "prime")
    b.tick()


def ready(b: LifeBench) -> None:
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)


STATES: dict[State, Callable[[LifeBench], None]] = {
    State.WAITING: lambda b: b.restart(runs_on=True, hold_ms=2 * HOUR),
    State.READY: ready,
    State.RUNNING: lambda _: None,
    State.BOLUS: lambda b: b.ask(RequestKind.PATIENT_BOLUS, "bolus"),
    State.PRIMING: primes,
    State.UNCERTAIN: uncertain,
    State.PAUSED: lambda b: b.ask(RequestKind.PAUSE),
    State.STOPPED: lambda b: b.ask(RequestKind.STOP),
    State.FAULT: lambda b: b.feed(STALL),
}


def at(state: State) -> LifeBench:
    b = bench(patient=TERMS, prime_nl=100_000, until_ms=2 * HOUR)
    STATES[state](b)
    assert b.controller.state is state
    b.records.clear()
    return b


# Stop, pause, resume.


@pytest.mark.parametrize("state", list(State))
def test_a_stop_is_possible_in_every_state_and_no_hold_follows_it(state: State) -> None:
    b = at(state)
    b.ask(RequestKind.STOP, "s")
    assert b.controller.state is (State.WAITING if state is State.WAITING else State.STOPPED)
    assert (b.controller.stopped, b.controller.hold_until_ms) == (True, None)
    assert b.halts[-1] == (2 * HOUR, "stopped by a person")
    asks = len(b.asks)
    b.wait(8 * HOUR)
    assert len(b.asks) == asks


@pytest.mark.parametrize("state", list(State))
def test_a_pause_stops_what_may_deliver_and_is_refused_where_nothing_could(state: State) -> None:
    b = at(state)
    halts = len(b.halts)
    b.ask(RequestKind.PAUSE)
    if state in (State.READY, State.RUNNING, State.BOLUS, State.PRIMING, State.UNCERTAIN):
        assert b.controller.state is State.PAUSED
        assert b.halts[halts:] == [(2 * HOUR, "paused by a person")]
        assert b.told == []
    else:
        assert (b.controller.state, len(b.halts)) == (state, halts)
        assert b.told == [("pause", "refused")]


@pytest.mark.parametrize("state", list(State))
def test_a_resume_lets_go_on_what_a_person_stopped_and_nothing_else(state: State) -> None:
    b = at(state)
    asks = len(b.asks)
    b.ask(RequestKind.RESUME)
    done = state in (State.PAUSED, State.STOPPED)
    assert b.told == [("resume", "done" if done else "refused")]
    assert b.controller.state is (State.READY if done else state)
    assert len(b.asks) == asks
    b.tick()
    assert b.purposes[asks:] == ([Purpose.BASAL] if done or state is State.READY else [])


def test_a_resume_waits_until_the_stop_is_acknowledged() -> None:
    b = bench()
    b.stop_answers.append(LOST)
    b.ask(RequestKind.STOP)
    b.ask(RequestKind.RESUME)
    assert (b.controller.state, b.told) == (State.STOPPED, [("resume", "refused")])
    b.wait(5_000)
    b.ask(RequestKind.RESUME)
    assert (b.controller.state, b.told[1:]) == (State.READY, [("resume", "done")])


def test_a_stop_is_no_way_round_an_alarm() -> None:
    b = bench()
    b.feed(STALL)
    b.ask(RequestKind.STOP)
    b.ask(RequestKind.RESUME)
    assert (b.controller.state, b.told) == (State.STOPPED, [("resume", "refused")])
    b.feed(CLEAR)
    assert b.controller.state is State.STOPPED
    b.ask(RequestKind.RESUME)
    assert b.controller.state is State.READY


def test_a_resume_over_an_unknown_outcome_asks_for_it_first_and_gives_nothing() -> None:
    b = bench(patient=TERMS)
    uncertain(b)
    b.ask(RequestKind.PAUSE)
    b.wait(HOUR)
    asks, told = len(b.asks), len(b.evidence)
    b.ask(RequestKind.RESUME)
    assert (b.controller.state, b.told[-1]) == (State.UNCERTAIN, ("resume", "done"))
    assert len(b.evidence) == told - 1, "it is asked for at once"
    b.wait(5_000)
    assert len(b.evidence) == told - 2, "and then as soon as after a first failure"
    assert len(b.asks) == asks
    b.learns(NotGiven("never-began", b.status()))
    assert b.controller.state is State.READY
    b.wait(5_000)
    assert b.purposes[asks:] == [Purpose.BASAL]


def test_after_a_resume_the_basal_is_asked_for_at_once_whatever_failed_before() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD, NotGiven("never-began", status_of(b, state=PumpState.IDLE))])
    b.tick()
    b.ask(RequestKind.PAUSE)
    b.learns(NotGiven("never-began", b.status()))
    b.ask(RequestKind.RESUME)
    b.tick()
    assert [at for at, _ in b.asks] == [0, HOUR, HOUR]
    assert b.controller.state is State.RUNNING


def test_what_was_due_until_a_resume_is_named() -> None:
    b = bench()
    b.ask(RequestKind.STOP)
    b.now += HOUR
    b.ask(RequestKind.RESUME)
    assert b.gaps() == [("stopped by a person", 13_000)]


def test_a_stop_before_the_pump_is_met_stands_when_it_is() -> None:
    """The line of the pump is lost, a person presses STOP, and the line comes back: no hold begins."""
    b = bench()
    b.killed()
    b.ask(RequestKind.STOP)
    b.wakes(runs_on=True, hold_ms=2 * HOUR)
    assert b.controller.hold_until_ms is None
    assert len(b.halts) == 2
    b.wait(4 * HOUR)
    assert b.purposes == [Purpose.BASAL]


# Primes.


@pytest.mark.parametrize("state", list(State))
def test_a_prime_is_asked_for_where_nothing_else_can_run_beside_it(state: State) -> None:
    b = at(state)
    if state is not State.PRIMING:
        b.feed(NEW_PATH)
    halts = len(b.halts)
    b.ask(RequestKind.PRIME, "p")
    yes = state in (State.READY, State.RUNNING)
    assert b.told == [("p", "done" if yes else "refused")]
    assert len(b.halts) - halts == (state is State.RUNNING), "what runs is stopped first"
    b.tick()
    assert (b.purposes[-1] is Purpose.PRIME) is (yes or state is State.PRIMING)


def test_a_plan_without_a_prime_has_none_to_ask_for() -> None:
    b = bench()
    b.feed(NEW_PATH)
    b.ask(RequestKind.PRIME, "p")
    assert (b.told, b.halts) == ([("p", "refused")], [])


def test_a_full_path_is_not_primed_again() -> None:
    b = bench(prime_nl=100_000)
    b.ask(RequestKind.PRIME, "p")
    assert (b.told, b.halts) == ([("p", "refused")], [])


def test_a_prime_that_a_person_asked_for_and_that_is_denied_lets_the_basal_go_on() -> None:
    b = bench(prime_nl=100_000)
    b.feed(NEW_PATH)
    b.answers.append(denied("prime"))
    b.ask(RequestKind.PRIME, "p")
    b.wait(MINUTE)
    assert b.purposes[-2:] == [Purpose.PRIME, Purpose.BASAL]


def test_a_prime_that_the_plan_asks_for_and_that_is_denied_is_asked_for_again() -> None:
    """Else the basal would fill a path that is empty, and for hours nothing would reach the tip."""
    b = LifeBench(ToySchedule(BASAL), prime_nl=100_000)
    b.answers.extend([denied("prime")] * 3)
    b.start()
    b.run_to(MINUTE)
    assert b.purposes == [Purpose.PRIME] * 4


def asked_before() -> LifeBench:
    """Paused; a person asked for a prime, and was stopped before it was given."""
    b = bench(prime_nl=100_000, plan="a")
    b.feed(NEW_PATH)
    ready(b)
    b.ask(RequestKind.PRIME, "p")
    b.ask(RequestKind.PAUSE)
    return b


def after_one_denial(b: LifeBench) -> list[Purpose]:
    """What is asked for when the prime that is due is refused once, for a reason that passes."""
    asks = len(b.asks)
    b.answers.append(Refused("busy"))
    b.ask(RequestKind.RESUME)
    b.wait(MINUTE)
    return b.purposes[asks:]


def test_a_prime_that_a_person_asked_for_is_not_asked_for_again_after_a_pause() -> None:
    assert after_one_denial(asked_before()) == [Purpose.PRIME, Purpose.BASAL]


def test_that_a_person_once_asked_for_a_prime_does_not_make_light_of_a_new_path() -> None:
    """Else, after one refusal, the basal filled the empty path: for hours nothing reached the tip."""
    b = asked_before()
    b.feed(NEW_PATH)
    assert after_one_denial(b) == [Purpose.PRIME, Purpose.PRIME]


@pytest.mark.parametrize("plan", ["b", "A"])
def test_that_a_person_once_asked_for_a_prime_does_not_make_light_of_that_of_another_plan(plan: str) -> None:
    b = asked_before()
    other = replace(b.controller.prescription, plan=plan, previous="a")
    assert b.load(other) == ""
    assert after_one_denial(b) == [Purpose.PRIME, Purpose.PRIME]


def test_the_same_plan_loaded_again_leaves_a_prime_as_it_was_asked_for() -> None:
    b = asked_before()
    assert b.load(b.controller.prescription) == ""
    assert after_one_denial(b) == [Purpose.PRIME, Purpose.BASAL]


# The patient's request.


def told_of(b: LifeBench) -> dict[str, object]:
    """What the journal has of the only press; its reason is a sentence of its own where the rule has a name."""
    (record,) = b.of("bolus")
    assert record["reason"].startswith("not possible in ") is (record["rule"] == "not-running")
    return {
        name: record[name]
        for name in ("id", "kind", "requested_ms", "outcome", "rule", "volume_nl", "delivered_nl")
    }


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (State.WAITING, "not-running"),
        (State.PRIMING, "not-running"),
        (State.UNCERTAIN, "not-running"),
        (State.PAUSED, "not-running"),
        (State.STOPPED, "not-running"),
        (State.FAULT, "not-running"),
        (State.BOLUS, "bolus-overlap"),
    ],
)
def test_a_press_is_refused_with_its_volume_and_its_reason(state: State, rule: str) -> None:
    b = at(state)
    asks = len(b.asks)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert told_of(b) == {
        "id": "p", "kind": "patient", "requested_ms": 2 * HOUR, "outcome": "refused", "rule": rule,
        "volume_nl": 26_666, "delivered_nl": 0,
    }  # fmt: skip
    assert len(b.asks) == asks


@pytest.mark.parametrize("state", [State.READY, State.RUNNING])
def test_a_press_is_carried_out_while_basal_or_nothing_runs(state: State) -> None:
    b = at(state)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert (b.purposes[-1], b.asks[-1][1].request_id) == (Purpose.PATIENT, "p")
    assert b.asks[-1][1].steps[0].duration_ms == 600_000
    assert b.controller.state is State.BOLUS


def test_what_was_due_before_a_press_is_named_too() -> None:
    b = bench(patient=TERMS)
    ready(b)
    b.now += HOUR
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.gaps() == [("paused by a person", 13_000)]


def test_a_press_without_patient_terms_is_of_no_volume() -> None:
    b = bench()
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert told_of(b) == {
        "id": "p", "kind": "patient", "requested_ms": HOUR, "outcome": "refused", "rule": "no-patient-bolus",
        "volume_nl": 0, "delivered_nl": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("plan_ms", "rule"), [(-1, "not-running"), (0, "")])
def test_a_press_before_the_plan_begins_is_refused(plan_ms: int, rule: str) -> None:
    b = LifeBench(ToySchedule(BASAL, patient=TERMS))
    b.feed(Confirmed(plan_ms, b.status()))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert [why for _, _, why in b.boluses()] == ([rule] if rule else [])
    assert b.purposes == ([] if rule else [Purpose.PATIENT])


def test_a_press_waits_for_the_prime_of_a_new_path() -> None:
    b = LifeBench(ToySchedule(BASAL, patient=TERMS), prime_nl=100_000)
    b.feed(Confirmed(0, b.status()))
    assert b.controller.state is State.READY
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.boluses() == [("p", "refused", "not-running")]


def test_a_press_is_refused_while_the_old_fluid_is_in_the_path() -> None:
    schedule = ToySchedule(BASAL, patient=TERMS)
    b = LifeBench(schedule, bridge=Bridge(schedule, 0, 100_000, 200_000, Fraction(0)))
    b.start()
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert told_of(b)["rule"] == "bridge"


def test_a_press_right_before_a_scheduled_bolus_is_refused() -> None:
    b = bench(bolus=NIGHT, patient=TERMS, until_ms=22 * HOUR - 10 * MINUTE)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert told_of(b)["rule"] == "slot-ahead"


def test_a_key_that_is_stuck_gets_nothing_and_is_told_once() -> None:
    b = bench(patient=TERMS)
    for press in range(22):
        b.ask(RequestKind.PATIENT_BOLUS, f"p{press}")
        b.now += 3_000
    assert [rule for _, _, rule in b.boluses()] == ["bolus-overlap"] * 20 + ["stuck-key"]
    assert b.alarms.count(("stuck-key", True)) == 1
    b.wait(HOUR)
    b.ask(RequestKind.PATIENT_BOLUS, "later")
    assert b.purposes.count(Purpose.PATIENT) == 2


def test_presses_that_were_answered_before_count_as_presses() -> None:
    b = bench(patient=TERMS)
    for _ in range(21):
        b.feed(Pressed())
        b.now += 3_000
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.boluses() == [("p", "refused", "stuck-key")]


def test_three_refused_presses_within_an_hour_are_told() -> None:
    b = bench()
    for press in range(3):
        assert ("requests", True) not in b.alarms
        b.ask(RequestKind.PATIENT_BOLUS, f"p{press}")
        b.now += 10 * MINUTE
    assert b.alarms[-2:] == [("requests", True), ("requests", False)]


def test_presses_that_the_guard_refuses_are_told_too() -> None:
    b = bench(patient=TERMS)
    b.answers.extend([denied("lockout")] * 3)
    for press in range(3):
        b.ask(RequestKind.PATIENT_BOLUS, f"p{press}")
        b.now += 10 * MINUTE
    assert [rule for _, _, rule in b.boluses()] == ["lockout"] * 3
    assert ("requests", True) in b.alarms


# Alarms.


@pytest.mark.parametrize("state", list(State))
def test_an_alarm_that_forbids_delivery_stops_the_pump_in_every_state(state: State) -> None:
    b = at(state)
    b.feed(CLEAR)
    STATES[State.RUNNING](b)
    halts, state = len(b.halts), b.controller.state
    b.feed(STALL)
    assert b.controller.state is (State.WAITING if state is State.WAITING else State.FAULT)
    assert b.halts[halts:] == [(2 * HOUR, "alarm: stall")]


def test_an_alarm_in_a_fault_is_no_reason_for_another_stop() -> None:
    b = at(State.FAULT)
    b.feed(AlarmsChanged(True, ("stall", "battery")))
    assert (b.controller.state, len(b.halts)) == (State.FAULT, 1)


def test_what_allows_a_hold_leaves_the_run_to_its_end_and_nothing_follows() -> None:
    b = bench()
    run = b.controller.run
    b.feed(LOW)
    assert (b.controller.state, b.controller.run, b.halts) == (State.FAULT, run, [])
    b.run_to(3 * DAY)
    assert (b.controller.state, b.controller.run, b.halts) == (State.FAULT, None, [])
    assert b.purposes == [Purpose.BASAL]
    assert b.counter() == 312_000
    (cut,) = b.of("cut")
    assert cut["why"] == "alarm: battery, stall"


@pytest.mark.parametrize("state", [State.BOLUS, State.PRIMING, State.UNCERTAIN, State.READY])
def test_what_allows_a_hold_stops_anything_but_a_basal(state: State) -> None:
    b = at(state)
    halts = len(b.halts)
    b.feed(LOW)
    assert b.controller.state is State.FAULT
    assert len(b.halts) == halts + 1


def test_an_alarm_that_allows_no_hold_any_more_stops_what_was_left_running() -> None:
    b = bench()
    b.feed(LOW)
    b.feed(STALL)
    assert (b.controller.state, b.controller.run) == (State.FAULT, None)
    assert b.halts == [(HOUR, "alarm: stall")]


def test_when_such_an_alarm_is_over_what_was_left_running_is_stopped_until_a_person_resumes() -> None:
    b = bench()
    b.feed(LOW)
    b.now += HOUR
    b.feed(CLEAR)
    assert (b.controller.state, b.controller.run) == (State.PAUSED, None)
    assert [at for at, _ in b.halts] == [2 * HOUR]
    b.wait(HOUR)
    b.ask(RequestKind.RESUME)
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.BASAL]
    assert b.gaps() == [("alarm cleared, waiting for resume", 13_000)]


def test_that_stop_is_sent_again_until_it_is_acknowledged_and_nothing_resumes_before() -> None:
    b = bench()
    b.feed(LOW)
    b.stop_answers.append(LOST)
    b.feed(CLEAR)
    b.ask(RequestKind.RESUME)
    assert b.controller.state is State.PAUSED
    b.wait(5_000)
    assert len(b.halts) == 2
    b.ask(RequestKind.RESUME)
    assert b.controller.state is State.READY


@pytest.mark.parametrize("alarm", [STALL, LOW])
def test_an_alarm_that_is_over_after_the_run_is_stops_nothing(alarm: AlarmsChanged) -> None:
    b = bench()
    b.feed(alarm)
    b.run_to(2 * DAY)
    halts = len(b.halts)
    b.feed(CLEAR)
    assert (b.controller.state, len(b.halts)) == (State.PAUSED, halts)
    b.ask(RequestKind.RESUME)
    assert b.controller.state is State.READY


@pytest.mark.parametrize("held", [False, True])
def test_alarms_that_forbid_nothing_move_nothing(held: bool) -> None:
    """``held``: a hold could be asked for, which is nearly always so."""
    b = bench()
    wakeup = b.controller.next_wakeup()
    b.feed(AlarmsChanged(False, ("battery-low",), leave_running=held))
    assert (b.controller.state, b.halts) == (State.RUNNING, [])
    assert b.controller.next_wakeup() == wakeup


def test_an_alarm_that_is_over_before_its_stop_is_acknowledged_sends_no_other_one() -> None:
    b = bench()
    b.stop_answers.append(LOST)
    b.feed(STALL)
    b.feed(CLEAR)
    assert (b.controller.state, b.controller.halting, len(b.halts)) == (State.PAUSED, True, 1)
    b.wait(5_000)
    assert (b.controller.halting, len(b.halts)) == (False, 2)


def test_a_pump_that_runs_on_after_that_stop_is_stopped_again() -> None:
    b = bench()
    b.feed(LOW)
    b.feed(CLEAR)
    b.feed(StatusRead(status_of(b, state=PumpState.RUNNING)))
    assert len(b.halts) == 2


def test_an_alarm_has_the_pump_asked_how_it_is_at_once_and_every_few_minutes() -> None:
    b = bench()
    b.feed(STALL)
    assert b.controller.next_wakeup() == 0
    b.tick()
    assert b.controller.next_wakeup() == b.now + 300_000
    b.feed(AlarmsChanged(True, ("stall", "battery")))
    assert b.controller.next_wakeup() == b.now + 300_000
    b.feed(CLEAR)
    b.now += 300_000
    b.tick()
