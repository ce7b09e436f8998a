"""A process that begins again or is asked to end: waking up, the confirm, the hold that it leaves."""

from __future__ import annotations

import pytest

from pump_ctrl.controller.events import AlarmsChanged, Confirmed, Leaving, RequestKind, StatusRead, Waiting
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Given, NotGiven, PumpState, Refused
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import TIMING, ToySchedule
from tests.unit.people_kit import BASAL, LOST, NIGHT, NO_WORD, TERMS, LifeBench, bench, status_of

MINUTE = 60_000
HOLD = 2 * HOUR
LEFT = "the controller was asked to end"
WOKEN = "waiting for a person after a restart"


def confirmed(b: LifeBench, moved_ms: int = 0, **changes: object) -> None:
    """A person confirms; ``moved_ms``: by so much plan time is another."""
    b.feed(Confirmed(b.plan + moved_ms, status_of(b, **changes)))


def over_a_bolus(*, syringe: bool = False) -> LifeBench:
    """Killed while a bolus was told, of which the pump has taken nothing."""
    b = bench(bolus=NIGHT, until_ms=22 * HOUR - 1, syringe=syringe)
    b.answers.append(LOST)
    b.run_to(22 * HOUR)
    b.killed()
    b.now += MINUTE
    return b


# Waking up.


def test_what_is_proven_to_run_goes_on_and_a_person_is_waited_for() -> None:
    b = bench()
    run = b.controller.run
    b.restart(runs_on=True, hold_ms=HOLD)
    assert (b.controller.state, b.halts) == (State.WAITING, [])
    assert b.controller.run == run
    assert b.controller.hold_until_ms == HOUR + HOLD
    assert ("unsettled", False) not in b.alarms, "no command was under way"
    b.wait(HOLD)
    assert b.purposes == [Purpose.BASAL]
    confirmed(b)
    assert ("unsettled", False) not in b.alarms


def test_what_is_not_proven_is_stopped_and_held() -> None:
    b = bench()
    b.restart(runs_on=False, hold_ms=HOLD)
    assert b.halts == [(HOUR, WOKEN)]
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.HOLD]
    assert b.controller.state is State.WAITING


@pytest.mark.parametrize("kind", [RequestKind.STOP, RequestKind.PAUSE])
def test_what_a_person_stopped_is_stopped_again_and_not_held(kind: RequestKind) -> None:
    b = bench()
    b.ask(kind)
    b.restart(runs_on=True, hold_ms=HOLD)
    assert len(b.halts) == 2
    assert b.controller.hold_until_ms is None
    b.wait(DAY)
    assert b.purposes == [Purpose.BASAL]


def test_a_stop_that_is_not_acknowledged_is_sent_again_and_holds_back_the_hold() -> None:
    b = bench()
    b.stop_answers.extend([LOST, LOST])
    b.restart(hold_ms=HOLD)
    b.wait(14_999)
    assert [at - HOUR for at, _ in b.halts] == [0, 5_000]
    assert b.purposes == [Purpose.BASAL]
    b.answers.append(Refused("busy"))
    b.wait(1)
    assert [at - HOUR for at, _ in b.halts] == [0, 5_000, 15_000]
    assert b.purposes == [Purpose.BASAL, Purpose.HOLD]
    b.wait(5_000)
    assert b.purposes == [Purpose.BASAL, Purpose.HOLD, Purpose.HOLD], "nothing of the STOP's waits is left"


def test_plan_time_is_what_is_known_of_it_until_a_person_confirms_another() -> None:
    b = bench()
    b.killed()
    b.feed(Waiting(HOUR + 7_000, b.status(), None, True, None))
    assert b.plan == HOUR + 7_000
    confirmed(b, -1_500)
    assert b.plan == HOUR + 5_500


def test_a_command_that_was_taken_is_in_force_though_nobody_wrote_it() -> None:
    b = over_a_bolus()
    b.replace(b.asks[-1][1].steps)
    b.now += MINUTE
    given = b.counter() - b.base
    b.wakes(Given(given, given, False, b.status()), runs_on=True, hold_ms=HOLD)
    assert b.controller.run is not None
    assert (b.controller.run.purpose, b.controller.state) == ("scheduled", State.WAITING)
    assert b.alarms[-1] == ("unsettled", False)
    b.wait(HOUR)
    confirmed(b)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "delivered", "")]
    assert b.controller.totals.missed == 0


def test_a_command_that_was_taken_and_is_over_is_closed() -> None:
    b = over_a_bolus()
    b.replace(b.asks[-1][1].steps[:1])
    b.now += HOUR
    given = b.counter() - b.base
    b.wakes(Given(given, given, True, b.status()), hold_ms=HOLD)
    assert b.controller.run is None
    (cut,) = b.of("cut")
    assert cut["why"] == "run ended by the pump"
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "delivered", "")]


def test_a_stop_is_sent_again_after_5_s_whatever_was_not_taken_before() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.answers.append(LOST)
    b.tick()
    b.killed()
    halts = len(b.halts)
    b.stop_answers.append(LOST)
    b.wakes(NotGiven("never-began", b.status()))
    b.wait(5_000)
    assert [at - HOUR for at, _ in b.halts[halts:]] == [0, 5_000]


def test_a_bolus_that_was_not_taken_is_missed_by_its_name() -> None:
    b = over_a_bolus()
    b.now += HOUR
    b.wakes(NotGiven("never-began", b.status()), runs_on=True)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "refused", "not-given")]
    assert b.alarms[-1] == ("unsettled", False)
    assert b.controller.books.asked is None


def test_a_bolus_that_was_not_taken_may_be_given_in_its_time_if_a_person_confirms_so_soon() -> None:
    b = over_a_bolus()
    b.wakes(NotGiven("never-began", b.status()), runs_on=True)
    confirmed(b)
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.SCHEDULED, Purpose.SCHEDULED]


@pytest.mark.parametrize("runs_on", [False, True])
def test_what_is_not_known_is_asked_for_again_and_nothing_is_held_meanwhile(runs_on: bool) -> None:
    b = over_a_bolus()
    b.evidence.extend([NO_WORD] * 9)
    b.wakes(NO_WORD, runs_on=runs_on, hold_ms=HOLD)
    told = 9 if runs_on else 8  # asked for once after the STOP
    assert len(b.evidence) == told
    b.wait(5_000)
    assert len(b.evidence) == told - 1
    assert b.purposes == [Purpose.BASAL, Purpose.SCHEDULED]
    assert b.controller.load_refusal(b.controller.prescription, 0, b.now) != ""


def test_without_evidence_the_records_of_the_life_before_tell() -> None:
    """The guard had the pump's word, and the process died before the controller wrote what it meant."""
    b = over_a_bolus()
    b.controller.replay("intent", {"id": 7, "request": f"slot:0:{22 * HOUR}"})
    b.controller.replay("outcome", {"id": 7, "what": "refused", "code": "range"})
    b.now += HOUR
    b.wakes(None, runs_on=True)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "refused", "not-given")]


def test_the_records_may_also_say_that_the_pump_took_it() -> None:
    b = over_a_bolus()
    b.replace(b.asks[-1][1].steps)
    b.controller.replay("intent", {"id": 7, "request": f"slot:0:{22 * HOUR}"})
    b.controller.replay("outcome", {"id": 7, "what": "acked", "counter": b.counter()})
    b.wakes(None, runs_on=True)
    assert b.controller.run is not None
    assert b.controller.run.purpose == "scheduled"
    assert b.alarms[-1] == ("unsettled", False)


def test_what_the_guard_settled_meanwhile_is_booked_as_unknown_with_the_confirm() -> None:
    b = over_a_bolus()
    b.controller.replay("intent", {"id": 7, "request": f"slot:0:{22 * HOUR}"})
    b.wakes(NO_WORD)
    confirmed(b)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "unknown", "unsettled")]
    assert b.controller.state is State.READY


# On a pump that is stopped, and whose counter is cleared, for each run; here it is 300 nL behind.


def behind(b: LifeBench, given: int) -> None:
    """The pump's own counter: what the last run that it was told has given."""
    b.base += given - b.counter()


def cut_by(b: LifeBench) -> list[int]:
    b.ask(RequestKind.STOP)
    return [record["given"] for record in b.of("cut")]


def after_a_bolus(*, syringe: bool) -> LifeBench:
    """In the basal behind a bolus, of which the pump should have given 41,700 nL with it."""
    b = bench(patient=TERMS, syringe=syringe)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.wait(600_000 + HOUR)
    return b


def test_the_counter_is_that_of_the_run_in_force() -> None:
    b = after_a_bolus(syringe=True)
    behind(b, 41_400)
    b.restart(runs_on=True)
    assert cut_by(b) == [41_400]


def test_a_counter_that_was_reset_tells_nothing_and_time_does() -> None:
    b = after_a_bolus(syringe=True)
    behind(b, 41_400)
    b.killed()
    b.feed(Waiting(b.plan, status_of(b, alarms=frozenset({"reset"})), None, True, None))
    assert cut_by(b) == [41_700]


def test_a_pump_that_answered_the_second_question_only_is_read_by_its_counter() -> None:
    b = told_next(syringe=True)
    takes(b, -300)
    given = b.counter()
    b.feed(Waiting(b.plan, None, Given(given, given, False, b.status()), True, None))
    b.now += HOUR
    counter = b.counter()
    assert cut_by(b) == [counter]


def test_a_pump_that_goes_on_counting_is_read_as_before() -> None:
    b = after_a_bolus(syringe=False)
    b.base -= 300
    b.restart(runs_on=True)
    assert cut_by(b) == [41_400]


def told_next(*, syringe: bool) -> LifeBench:
    """Killed while a night's bolus was told after 22 h of basal; what the pump had given is not known any more."""
    b = over_a_bolus(syringe=syringe)
    b.controller.replay("intent", {"id": 7, "request": f"slot:0:{22 * HOUR}"})
    return b


def takes(b: LifeBench, counter: int) -> None:
    """The pump had taken what it was told a minute ago, and its counter stood at that then."""
    b.replace(b.asks[-1][1].steps)
    b.base, b.began = counter, b.began - MINUTE


def test_a_pump_that_was_stopped_for_a_run_that_it_did_not_take_has_ended_the_one_before() -> None:
    b = told_next(syringe=True)
    b.replace(())
    behind(b, 0)
    b.now += HOUR
    b.wakes(NotGiven("never-began", b.status()))
    (cut,) = b.of("cut")
    assert (cut["plan_ms"], cut["given"]) == (22 * HOUR, 286_000)
    assert cut["why"] == "stopped to be told the next run"


def test_a_pump_that_had_not_been_stopped_yet_is_read_and_goes_on() -> None:
    b = told_next(syringe=True)
    behind(b, 285_900)
    b.now += HOUR
    b.wakes(NotGiven("never-began", b.status()), runs_on=True)
    assert b.controller.run is not None
    assert cut_by(b) == [285_900 + 13_000]


def test_a_run_that_was_taken_has_cleared_the_counter_so_the_one_before_is_told_by_time() -> None:
    b = told_next(syringe=True)
    takes(b, 0)
    b.now += 30 * MINUTE
    given = b.counter()
    b.wakes(Given(given, given, False, b.status()), runs_on=True)
    (granted,) = b.of("granted")[1:]
    assert (granted["given"], granted["counter"]) == (286_000, 0)


@pytest.mark.parametrize(("syringe", "by_counter"), [(True, False), (False, True)])
def test_after_a_power_cut_only_a_counter_that_lasts_still_tells(syringe: bool, by_counter: bool) -> None:
    b = told_next(syringe=syringe)
    takes(b, 0 if syringe else 286_000)
    given = b.counter() - b.base
    b.wakes(Given(given, given, False, b.status()), runs_on=True)
    b.now += HOUR
    by_time = b.counter() - b.base
    b.base -= 300
    b.feed(StatusRead(status_of(b, epoch=2, state=PumpState.IDLE)))
    assert [record["given"] for record in b.of("cut")] == [by_time - 300 * by_counter]


def test_the_life_before_read_the_counter_when_the_pump_took_over() -> None:
    b = told_next(syringe=True)
    b.controller.replay("outcome", {"id": 7, "what": "acked", "counter": 286_000})
    takes(b, -300)
    b.now += 30 * MINUTE
    counter = b.counter()
    b.wakes(None, runs_on=True)
    (granted,) = b.of("granted")[1:]
    assert granted["given"] == 286_000
    assert cut_by(b) == [counter]


# The confirm.


def test_a_confirm_lets_a_stopped_plan_go_on_and_only_that_once() -> None:
    b = bench()
    b.ask(RequestKind.STOP)
    b.restart(hold_ms=HOLD)
    confirmed(b)
    assert (b.controller.state, b.controller.stopped, b.controller.hold_until_ms) == (
        State.READY,
        False,
        None,
    )
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.BASAL]


def test_the_run_in_force_is_replaced_at_its_next_pump_step() -> None:
    b = bench()
    b.restart(runs_on=True, hold_ms=HOLD)
    confirmed(b)
    assert b.controller.state is State.RUNNING
    b.wait(27_693)
    assert b.purposes == [Purpose.BASAL, Purpose.BASAL]
    assert b.controller.totals.missed == 0


def test_a_bolus_that_runs_goes_on_to_its_end() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.now += MINUTE
    b.restart(runs_on=True)
    confirmed(b)
    assert b.controller.state is State.BOLUS
    b.wait(599_999 - MINUTE + TIMING.stop_ms)
    assert b.boluses() == []
    b.wait(1)
    assert b.boluses() == [("p", "delivered", "")]
    assert b.purposes == [Purpose.BASAL, Purpose.PATIENT]


def test_a_bolus_that_ended_while_a_person_was_waited_for_is_closed() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.now += 600_000
    b.restart(runs_on=True)
    confirmed(b)
    assert b.controller.state is State.RUNNING
    assert b.boluses() == [("p", "delivered", "")]


@pytest.mark.parametrize(("moved_ms", "cut"), [(2_000, 0), (-2_000, 0), (2_001, 1), (-2_001, 1)])
def test_plan_time_that_is_moved_closes_the_run_in_its_own_time(moved_ms: int, cut: int) -> None:
    b = bench()
    b.restart(runs_on=True)
    confirmed(b, moved_ms)
    assert [record["plan_ms"] for record in b.of("cut")] == [HOUR] * cut
    assert [record["why"] for record in b.of("cut")] == ["plan time was moved"] * cut
    assert b.controller.state is (State.READY if cut else State.RUNNING)
    assert b.of("plan_time")[-1] == {"plan_ms": HOUR + moved_ms, "boot_ms": b.now}


def test_a_pump_that_stands_still_has_ended_its_run() -> None:
    b = bench()
    b.restart(runs_on=True)
    confirmed(b, state=PumpState.IDLE)
    assert (b.controller.run, b.controller.state) == (None, State.READY)
    (cut,) = b.of("cut")
    assert (cut["plan_ms"], cut["why"]) == (HOUR, WOKEN)


def test_after_a_confirm_the_pump_is_asked_again_as_usual_and_nothing_that_failed_before_counts() -> None:
    b = over_a_bolus()
    b.evidence.extend([NO_WORD] * 20)
    b.wakes(NO_WORD)
    b.wait(10 * MINUTE)
    confirmed(b)
    b.tick()
    assert b.purposes[-1] is Purpose.BASAL, "at once"
    assert b.controller.next_wakeup() == b.now + TIMING.poll_ms


def test_the_confirm_has_asked_the_pump_so_the_next_question_is_a_poll_later() -> None:
    b = LifeBench(ToySchedule((0, 0)))
    b.feed(Confirmed(0, b.status()))
    assert b.controller.next_wakeup() == b.now + TIMING.poll_ms


def test_time_that_goes_back_is_due_again_and_slots_are_not() -> None:
    b = bench(bolus=NIGHT, until_ms=23 * HOUR)
    b.restart(runs_on=True)
    confirmed(b, -2 * HOUR)
    b.run_to(DAY)
    assert b.purposes.count(Purpose.SCHEDULED) == 1
    planned, commanded, missed = b.controller.totals.at(b.plan, b.controller.books.pace())
    assert planned == 26 * 13_000 + 60_000
    assert abs(planned - commanded - missed) < 100
    assert abs(b.counter() - commanded) <= 100


def test_what_an_earlier_life_did_not_write_is_written_with_the_confirm_too() -> None:
    b = bench()
    b.controller.replay("refill", {"new_path": False})
    b.restart(runs_on=True)
    refilled = len(b.of("refilled"))
    b.controller.replay("refill", {"new_path": False})
    confirmed(b)
    assert len(b.of("refilled")) == refilled + 1


# Being asked to end.


def leave(b: LifeBench, hold_ms: int | None = HOLD) -> None:
    b.feed(Leaving(None if hold_ms is None else b.plan + hold_ms))


def of_the_end(b: LifeBench, asks: int, halts: int) -> tuple[list[Purpose], list[str]]:
    return b.purposes[asks:], [why for _, why in b.halts[halts:]]


@pytest.mark.parametrize("begin", ["READY", "RUNNING"])
def test_one_hold_is_left_behind_for_its_time(begin: str) -> None:
    b = bench()
    if begin == "READY":
        b.ask(RequestKind.PAUSE)
        b.ask(RequestKind.RESUME)
    asks, halts = len(b.asks), len(b.halts)
    leave(b)
    assert of_the_end(b, asks, halts) == ([Purpose.HOLD], [])
    assert sum(step.duration_ms for step in b.asks[-1][1].steps) == HOLD - 5_000
    assert (b.controller.state, b.controller.hold_until_ms) == (State.WAITING, HOUR + HOLD)
    b.wait(DAY)
    assert of_the_end(b, asks, halts) == ([Purpose.HOLD], [])
    assert ("hold-ended", True) in b.alarms


def test_a_hold_that_the_pump_refuses_is_told_again_within_its_time() -> None:
    b = bench()
    b.answers.append(LOST)
    leave(b)
    b.learns(NotGiven("never-began", b.status()))
    b.wait(MINUTE)
    assert b.purposes == [Purpose.BASAL, Purpose.HOLD]  # the run before goes on meanwhile
    assert b.controller.state is State.WAITING


def test_where_the_plan_says_stop_the_pump_is_stopped() -> None:
    b = bench()
    leave(b, None)
    assert of_the_end(b, 1, 0) == ([], [LEFT])
    assert (b.controller.state, b.gaps()) == (State.STOPPED, [])


def test_a_prime_is_stopped_and_not_held() -> None:
    b = LifeBench(ToySchedule(BASAL), prime_nl=100_000)
    b.start()
    leave(b)
    assert of_the_end(b, 1, 0) == ([], [LEFT])
    assert b.controller.state is State.STOPPED


@pytest.mark.parametrize("kind", [RequestKind.PAUSE, RequestKind.STOP])
def test_what_a_person_stopped_stays_stopped(kind: RequestKind) -> None:
    b = bench()
    b.ask(kind)
    leave(b)
    assert of_the_end(b, 1, 1) == ([], [LEFT])
    assert b.controller.state is State.STOPPED


def test_a_fault_is_stopped_again() -> None:
    b = bench()
    b.feed(AlarmsChanged(True, ("stall",)))
    leave(b)
    assert of_the_end(b, 1, 1) == ([], [LEFT])


def test_a_stop_on_its_way_is_repeated_before_anything() -> None:
    b = bench()
    b.stop_answers.append(LOST)
    b.ask(RequestKind.STOP)
    leave(b)
    assert of_the_end(b, 1, 1) == ([], [LEFT])
    assert not b.controller.halting


def test_before_the_plan_begins_nothing_is_held() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.feed(Confirmed(-1, b.status()))
    leave(b)
    assert of_the_end(b, 0, 0) == ([], [LEFT])


def test_at_its_very_beginning_it_is() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.feed(Confirmed(0, b.status()))
    leave(b)
    assert of_the_end(b, 0, 0) == ([Purpose.HOLD], [])


def test_where_the_plan_asks_for_nothing_meanwhile_the_pump_is_stopped() -> None:
    b = bench(levels=(BASAL, (HOUR, 0), (4 * HOUR, 312_000)), until_ms=2 * HOUR)
    leave(b, HOUR)
    assert of_the_end(b, 1, 0) == ([], [LEFT])
    assert b.controller.state is State.STOPPED


@pytest.mark.parametrize("hold_ms", [0, 5_000])
def test_where_no_time_is_left_to_hold_the_pump_is_stopped(hold_ms: int) -> None:
    b = bench()
    leave(b, hold_ms)
    assert of_the_end(b, 1, 0) == ([], [LEFT])


def test_what_may_be_given_goes_on_to_its_own_end() -> None:
    b = bench(bolus=NIGHT, until_ms=22 * HOUR - 1)
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 9)
    b.run_to(22 * HOUR)
    leave(b)
    assert of_the_end(b, 2, 0) == ([], [])
    assert b.controller.state is State.UNCERTAIN


def test_what_an_alarm_left_running_goes_on_to_its_own_end() -> None:
    b = bench()
    b.feed(AlarmsChanged(True, ("battery",), leave_running=True))
    leave(b)
    assert of_the_end(b, 1, 0) == ([], [])
    assert b.controller.run is not None


def test_the_hold_of_an_earlier_life_goes_on_to_its_own_end() -> None:
    b = bench()
    b.restart(hold_ms=HOLD)
    b.tick()
    leave(b, 8 * HOUR)
    assert of_the_end(b, 1, 1) == ([Purpose.HOLD], [])
    assert b.controller.hold_until_ms == HOUR + HOLD


def test_while_a_person_is_waited_for_and_nothing_runs_the_pump_is_stopped_again() -> None:
    b = bench()
    b.restart()
    leave(b)
    assert of_the_end(b, 1, 1) == ([], [LEFT])
    assert b.controller.state is State.WAITING


def test_a_bolus_is_cut_first_and_the_hold_told_when_asked_once_more() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.now += MINUTE
    leave(b)
    assert of_the_end(b, 2, 0) == ([], [LEFT])
    assert b.boluses() == [("p", "interrupted", "")]
    (cut,) = b.of("cut")
    assert cut["why"] == LEFT
    b.feed(StatusRead(b.status()))
    leave(b)
    assert b.purposes[2:] == [Purpose.HOLD]
    assert b.controller.state is State.WAITING


def test_a_bolus_whose_stop_is_not_acknowledged_is_stopped_again() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.stop_answers.append(LOST)
    leave(b)
    assert b.controller.halting
    leave(b)
    assert of_the_end(b, 2, 0) == ([], [LEFT, LEFT])
    assert b.controller.state is State.STOPPED
