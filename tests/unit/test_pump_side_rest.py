"""The end of a bolus, a hold, a bridge, and answers that nobody waits for; on a perfect pump."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.events import (
    Answered,
    Event,
    Halted,
    LedgerMoved,
    Refilled,
    RequestKind,
    Settled,
    StatusRead,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge
from pump_ctrl.drivers.base import Acked, Given, NotGiven, Nothing, Outcome, PumpState, Refused
from pump_ctrl.safety.ask import Denied, Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule, ToyTerms
from tests.unit.people_kit import (
    BASAL,
    LOST,
    NIGHT,
    NO_WORD,
    SYRINGE_TIMING,
    TERMS,
    LifeBench,
    bench,
    denied,
    dry,
    status_of,
)

MINUTE = 60_000
SLOT = 22 * HOUR
NEVER = "never-began"


def at_the_slot(*answers: Outcome | Denied, **kwargs: object) -> LifeBench:
    """The night's bolus has just been asked for, and answered so."""
    b = bench(bolus=NIGHT, until_ms=SLOT - 1, **kwargs)  # type: ignore[arg-type]
    b.answers.extend(answers)
    b.run_to(SLOT)
    return b


@pytest.mark.parametrize("kind", ["given", "not given", "nothing", "gone", "acked", "refused", "dry"])
def test_an_answer_that_nobody_waits_for_moves_nothing(kind: str) -> None:
    b = bench()
    run, ask, status = b.controller.run, b.asks[0][1], b.status()
    answers: dict[str, Event] = {
        "given": Settled(Given(100, 100, False, status)),
        "not given": Settled(NotGiven(NEVER, status)),
        "nothing": Settled(Nothing("no reply")),
        "gone": Settled(Nothing("the mark is lost", gone=True)),
        "acked": Answered(ask, Acked(status)),
        "refused": Answered(ask, Refused("range")),
        "dry": Answered(ask, dry(1_000_000)),
    }
    b.feed(answers[kind])
    assert (b.controller.state, b.controller.run, b.halts) == (State.RUNNING, run, [])
    assert [
        record for record in b.records if record[0] not in ("state", "plan_time", "asked", "granted")
    ] == []
    b.wait(HOUR)
    assert b.purposes == [Purpose.BASAL]


def test_no_word_after_the_hold_has_begun_is_no_news() -> None:
    gone = Nothing("the mark is lost", gone=True)
    b = bench(bolus=NIGHT, until_ms=SLOT - 1)
    b.answers.append(LOST)
    b.run_to(SLOT)
    b.killed()
    b.evidence.append(gone)
    b.wakes(gone, hold_ms=2 * HOUR)
    b.tick()
    assert b.purposes[-1] is Purpose.HOLD
    halts = len(b.halts)
    b.learns(NO_WORD)
    assert ("unsettled", False) not in b.alarms
    b.learns(NotGiven(NEVER, b.status()))
    assert b.alarms[-1] == ("unsettled", False)
    assert len(b.halts) == halts


def test_a_person_stops_the_hold_behind_such_a_command() -> None:
    gone = Nothing("the mark is lost", gone=True)
    b = bench(bolus=NIGHT, until_ms=SLOT - 1)
    b.answers.append(LOST)
    b.run_to(SLOT)
    b.killed()
    b.evidence.extend([NO_WORD, NO_WORD, gone])
    b.wakes(gone, hold_ms=2 * HOUR)
    b.answers.append(Refused("busy"))
    b.wait(15_000)
    assert b.purposes[-1] is Purpose.HOLD
    asks = len(b.asks)
    b.wait(5_000)
    assert len(b.asks) == asks + 1, "nothing of the waits for the outcome is left"
    b.ask(RequestKind.STOP)
    assert b.controller.run is None


def test_without_a_hold_such_a_command_stays_open() -> None:
    gone = Nothing("the mark is lost", gone=True)
    b = bench(bolus=NIGHT, until_ms=SLOT - 1)
    b.answers.append(LOST)
    b.run_to(SLOT)
    b.killed()
    b.evidence.extend([gone] * 20)
    b.wakes(gone)
    b.wait(HOUR)
    assert b.boluses() == []
    assert len(b.evidence) < 10


def test_nothing_is_held_before_the_pump_has_acknowledged_that_it_stands_still() -> None:
    gone = Nothing("the mark is lost", gone=True)
    b = bench(bolus=NIGHT, until_ms=SLOT - 1)
    b.answers.append(LOST)
    b.run_to(SLOT)
    b.killed()
    b.wakes(gone, runs_on=True, hold_ms=2 * HOUR)
    b.learns(gone)
    b.tick()
    assert b.purposes[-1] is Purpose.SCHEDULED


def test_a_hold_is_never_made_shorter_than_its_time() -> None:
    b = bench()
    b.answers.append(dry(20_000))
    b.restart(hold_ms=2 * HOUR)
    b.tick()
    assert b.alarms[-1] == ("refused", True)
    assert b.controller.next_wakeup() == b.now + 5_000


# What runs.


@pytest.mark.parametrize(("syringe", "by_counter"), [(True, False), (False, True)])
def test_after_a_power_cut_only_a_counter_that_lasts_still_tells(syringe: bool, by_counter: bool) -> None:
    b = bench(syringe=syringe)
    b.base -= 300
    b.feed(StatusRead(status_of(b, epoch=2, state=PumpState.IDLE)))
    assert [record["given"] for record in b.of("cut")] == [13_000 - 300 * by_counter]


def test_a_press_that_a_slow_pump_refused_at_once_is_booked() -> None:
    """Its answer is there before the run would have begun."""
    b = bench(syringe=True, patient=TERMS, timing=replace(SYRINGE_TIMING, exchange_ms=4_000, stop_ms=30_000))
    b.answers.append(Refused("busy"))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.boluses() == [("p", "refused", "pump")]


def test_a_scheduled_bolus_that_is_denied_is_no_press() -> None:
    b = at_the_slot(denied("max-per-day"))
    assert ("requests", True) not in b.alarms


def test_a_reason_why_nothing_ran_is_over_when_something_does() -> None:
    b = bench(prime_nl=100_000, until_ms=3 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    b.ask(RequestKind.PRIME, "p")
    assert b.of("cut")[-1]["why"] != "paused by a person"


@pytest.mark.parametrize(
    ("after_ms", "state"), [(1_001_999, State.BOLUS), (1_002_000, State.RUNNING), (1_002_001, State.RUNNING)]
)
def test_a_bolus_is_over_at_its_latest_end(after_ms: int, state: State) -> None:
    b = bench(patient=ToyTerms(1_000_000, Fraction(26_666)))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.now += after_ms
    b.feed(StatusRead(b.status()))
    assert b.controller.state is state
    assert b.boluses() == [("p", "delivered", "")] * (state is State.RUNNING)


def test_a_slot_right_behind_a_bolus_is_not_late() -> None:
    b = bench(bolus=NIGHT, patient=TERMS, until_ms=SLOT - 602_000)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.run_to(SLOT)
    assert b.asks[-1][0] == SLOT
    assert b.purposes == [Purpose.BASAL, Purpose.PATIENT, Purpose.SCHEDULED]


def test_a_hold_that_the_pump_breaks_off_is_told() -> None:
    b = bench()
    b.restart(hold_ms=2 * HOUR)
    b.tick()
    b.replace(())
    b.feed(StatusRead(b.status()))
    assert ("hold-ended", True) in b.alarms
    assert b.controller.state is State.WAITING


def test_any_other_run_is_no_hold() -> None:
    b = bench()
    b.replace(())
    b.feed(StatusRead(b.status()))
    assert b.controller.run is None
    assert ("hold-ended", True) not in b.alarms


def test_a_stop_of_the_guards_own_that_is_not_acknowledged_is_sent_again() -> None:
    b = bench()
    b.feed(Halted(LOST))
    assert b.controller.halting
    assert b.halts == []
    b.wait(5_000)
    assert [at - HOUR for at, _ in b.halts] == [5_000]
    assert not b.controller.halting


# The ledger while a bridge lasts (D-11): 100,000 to 200,000 nL to the tip, the new plan asks for half.


def bridging() -> LifeBench:
    """5,000 to 7,000 nL left before the reservoir was filled once more."""
    schedule = ToySchedule((0, 156_000))
    b = LifeBench(schedule, bridge=Bridge(ToySchedule(BASAL), 0, 100_000, 200_000, Fraction(0)))
    b.start()
    b.feed(Refilled(5_000, 6_900, other_fluid=False, new_path=False))
    return b


@pytest.mark.parametrize(("low", "over"), [(194_999, False), (195_000, True), (195_001, True)])
def test_a_bridge_is_over_when_the_old_fluid_has_surely_left(low: int, over: bool) -> None:
    b = bridging()
    b.feed(LedgerMoved(low, 900_000))
    assert b.controller.bridging is not over
    assert len(b.of("bridge_over")) == over
    b.feed(LedgerMoved(low, 900_000))
    assert len(b.of("bridge_over")) == over
    asks = len(b.asks)
    b.wait(MINUTE)
    assert len(b.asks) - asks == over, "the plan's own run is told at the next pump step"


def test_the_next_run_changes_where_the_new_fluid_may_reach_the_tip() -> None:
    """7,000 nL were counted before, 32,900 come to it; 60,000 nL of the old plan's flow take 16,615,384 ms."""
    b = bridging()
    b.run_to(DAY - 20 * MINUTE)
    b.feed(LedgerMoved(20_000, 32_900))
    asks = len(b.asks)
    b.run_to(DAY)
    (at, _), data = b.asks[asks], b.of("asked")[-1]
    assert abs(data["bridge_until"] - (at + 16_615_384)) <= 60_000


def test_the_counter_is_read_when_the_bridge_should_be_over() -> None:
    """100,100 nL are left, of which the old plan's flow gives 13,000 an hour."""
    b = bridging()
    b.run_to(HOUR)
    b.feed(LedgerMoved(95_000, 95_000))
    assert b.controller.next_wakeup() == b.now + 5 * HOUR
