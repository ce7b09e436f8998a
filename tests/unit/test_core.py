"""The controller on a perfect pump: what it asks, when, and what it says of what was not given."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from pump_ctrl.controller.events import AlarmsChanged, RequestKind, Settled, StatusRead, Tick
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Given, NotGiven, Nothing, PumpState, Refused, StepKind, Unknown
from pump_ctrl.safety.ask import Denial, Denied, Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import STEP, FakeBench, ToySchedule, ToyTerms

NIGHT = (22 * HOUR, 1_200_000, 60_000)
SIMPLE = ((0, 312_000),)
DENIED = Denied((Denial("bolus-window", None, 1, 2, 3, 24, "test"),))
TERMS = ToyTerms(600_000, Fraction(26_666, 1))


def bench(**kwargs: object) -> FakeBench:
    made = FakeBench(ToySchedule(*SIMPLE, **kwargs))  # type: ignore[arg-type]
    made.start()
    return made


def test_a_day_of_basal_and_a_night_bolus_is_one_command_a_day() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(30 * DAY)
    assert [ask.purpose for _, ask in b.asks[:3]] == [Purpose.BASAL, Purpose.SCHEDULED, Purpose.SCHEDULED]
    assert [at for at, ask in b.asks if ask.purpose is Purpose.SCHEDULED] == [
        22 * HOUR + d * DAY for d in range(30)
    ]
    assert len(b.asks) == 31
    assert b.counter() == pytest.approx(30 * 372_000, abs=2 * STEP)
    assert b.controller.totals.missed == 0


def test_a_bolus_is_the_first_step_and_the_basal_follows_to_the_end_of_the_lease() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR)
    _, ask = b.asks[-1]
    assert [step.kind for step in ask.steps] == [StepKind.BOLUS, *[StepKind.BASAL] * (len(ask.steps) - 1)]
    assert sum(step.duration_ms for step in ask.steps) == DAY
    assert ask.steps[0].volume_nl - ask.steps[0].basal_nl == 60_000


def test_without_boluses_the_lease_is_renewed_before_it_ends() -> None:
    b = bench()
    b.run_to(3 * DAY)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(b.asks)]
    assert len(gaps) == 3
    assert all(DAY - 900_000 <= gap < DAY - 900_000 + 27_693 for gap in gaps)  # at the next pump step
    assert b.controller.totals.missed == 0


def test_a_lease_never_reaches_into_the_next_titration_stage() -> None:
    b = bench(stage_until=30 * HOUR)
    b.run_to(3 * DAY)
    ends = [(at + sum(s.duration_ms for s in ask.steps), ask.account) for at, ask in b.asks]
    assert (30 * HOUR, "stage-0") in ends
    assert [ask.account for at, ask in b.asks if at >= 30 * HOUR] == ["stage-1"] * 2
    assert 30 * HOUR in [at for at, _ in b.asks]


def test_a_denied_scheduled_bolus_is_missed_and_the_old_run_goes_on() -> None:
    b = bench(bolus=NIGHT)
    b.answers.extend([])
    b.run_to(22 * HOUR - 1)
    b.answers.append(DENIED)
    b.run_to(23 * HOUR)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "refused", "bolus-window")]
    assert ("bolus-missed", True) in b.alarms
    assert [gap for gap in b.gaps() if gap[1] == 60_000]
    assert b.controller.state is State.RUNNING
    b.run_to(2 * DAY)
    assert len([1 for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]) == 2  # asked once a slot
    assert b.controller.totals.missed == 60_000


def test_after_a_denied_bolus_the_old_run_is_renewed_before_it_ends() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR - 1)
    b.answers.append(DENIED)
    b.run_to(DAY)
    at, ask = b.asks[-1]
    assert ask.purpose is Purpose.BASAL
    assert DAY - 900_000 <= at < DAY - 900_000 + 27_693  # not at its very end, where the bolus took over


def test_a_slot_that_could_not_start_within_its_time_is_missed_and_not_made_up() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(21 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(22 * HOUR + 300_001)
    b.ask(RequestKind.RESUME)
    b.run_to(DAY)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "missed", "too-late")]
    assert not [ask for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]


def test_a_slot_may_start_up_to_within_late() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(21 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(22 * HOUR + 300_000)
    b.ask(RequestKind.RESUME)
    b.feed(Tick())
    assert b.asks[-1][1].purpose is Purpose.SCHEDULED
    assert b.asks[-1][0] == 22 * HOUR + 300_000


def test_pause_stops_names_the_gap_and_gives_nothing_until_resume() -> None:
    b = bench()
    b.run_to(HOUR)
    b.ask(RequestKind.PAUSE)
    assert b.controller.state is State.PAUSED
    given = b.counter()
    b.run_to(3 * HOUR)
    assert b.counter() == given
    b.ask(RequestKind.RESUME)
    b.feed(Tick())
    assert b.controller.state is State.RUNNING
    assert ("paused by a person", Fraction(26_000)) in b.gaps()


def test_an_unknown_stop_is_sent_again_until_it_is_acknowledged() -> None:
    b = bench()
    b.run_to(HOUR)
    b.stop_answers.extend([Unknown("silence"), Unknown("silence")])
    b.ask(RequestKind.STOP)
    b.run_to(2 * HOUR)
    assert [at - HOUR for at, _ in b.halts] == [0, 5_000, 15_000]
    assert b.controller.state is State.STOPPED


def test_nothing_is_asked_while_an_outcome_is_unknown() -> None:
    b = bench(bolus=NIGHT, patient=TERMS)
    b.run_to(22 * HOUR - 1)
    b.answers.append(Unknown("no reply"))
    b.evidence.extend([Nothing("no reply")] * 50)
    b.run_to(22 * HOUR + 600_000)
    asked = len(b.asks)
    assert b.controller.state is State.UNCERTAIN
    assert len(b.evidence) <= 45, "the pump is asked again and again what became of it"
    b.ask(RequestKind.PATIENT_BOLUS)
    assert b.boluses()[-1] == ("r1", "refused", "not-running")
    assert len(b.asks) == asked


def test_evidence_that_it_was_not_given_lets_the_bolus_be_asked_again_in_its_time() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR - 1)
    b.answers.append(Unknown("no reply"))
    b.run_to(22 * HOUR)
    b.feed(Settled(NotGiven("expired", b.status())))
    assert b.controller.state is State.RUNNING
    b.run_to(DAY)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "delivered", "")]
    assert [at for at, ask in b.asks if ask.purpose is Purpose.SCHEDULED] == [22 * HOUR, 22 * HOUR + 5_000]


def test_evidence_that_comes_after_the_slots_time_leaves_the_bolus_missed() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR - 1)
    b.answers.append(Unknown("no reply"))
    b.run_to(22 * HOUR + 299_000)
    b.feed(Settled(NotGiven("expired", b.status())))
    b.run_to(DAY)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "refused", "not-given")]
    assert b.controller.totals.missed == 60_000


def test_evidence_that_it_was_given_puts_the_new_run_in_force() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR - 1)
    b.answers.append(Unknown("reply lost"))
    b.run_to(22 * HOUR)
    b.replace(b.asks[-1][1].steps)  # the pump had taken it
    b.now += 5_000
    given = b.counter() - b.base
    b.feed(Settled(Given(given, given, False, b.status())))
    assert b.controller.state is State.BOLUS
    b.run_to(DAY)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "delivered", "")]
    assert b.controller.totals.missed == 0


def test_a_person_who_resolves_an_unknown_command_leaves_the_pump_stopped() -> None:
    b = bench()
    b.answers.append(Unknown("no reply"))
    b.run_to(DAY)
    b.feed(Settled(None))
    assert b.controller.state is State.PAUSED
    assert b.halts


def test_a_refused_basal_is_asked_again_and_the_gap_is_named() -> None:
    b = FakeBench(ToySchedule(*SIMPLE))
    b.answers.extend([Refused("range"), Refused("range")])
    b.start()
    b.run_to(HOUR)
    assert [at for at, _ in b.asks] == [0, 5_000, 15_000]
    assert b.gaps() == [
        ("refused: pump", Fraction(312_000 * 5_000, DAY)),
        ("refused: pump", Fraction(312_000 * 10_000, DAY)),
    ]


def test_a_patient_bolus_is_given_beside_the_basal() -> None:
    b = bench(patient=TERMS)
    b.run_to(HOUR)
    b.ask(RequestKind.PATIENT_BOLUS)
    assert b.controller.state is State.BOLUS
    b.run_to(2 * HOUR)
    assert b.boluses() == [("r1", "delivered", "")]
    assert b.controller.totals.planned - b.controller.run.planned_until(0) >= 0  # type: ignore[union-attr]


@pytest.mark.parametrize(("before_slot_ms", "granted"), [(602_001, True), (602_000, True), (601_999, False)])
def test_a_patient_request_that_could_not_end_before_the_next_slot_is_denied(
    before_slot_ms: int, granted: bool
) -> None:
    b = bench(bolus=NIGHT, patient=TERMS)
    b.run_to(22 * HOUR - before_slot_ms)
    b.ask(RequestKind.PATIENT_BOLUS)
    assert (b.controller.state is State.BOLUS) is granted
    if not granted:
        assert b.boluses() == [("r1", "refused", "slot-ahead")]


def test_a_second_request_during_a_bolus_is_denied() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "a")
    b.ask(RequestKind.PATIENT_BOLUS, "b")
    assert b.boluses() == [("b", "refused", "bolus-overlap")]


def test_a_request_without_patient_terms_is_denied() -> None:
    b = bench()
    b.ask(RequestKind.PATIENT_BOLUS)
    assert b.boluses() == [("r1", "refused", "no-patient-bolus")]


def test_a_counter_that_is_ahead_time_after_time_has_counted_something_else() -> None:
    """D-02: one pump step ahead may be the run's own; a second one on top of it was commanded by nobody."""
    b = bench(patient=TERMS)
    for hour in range(1, 6):
        b.run_to(hour * HOUR + 1_234)
        b.base += 5 * STEP
        b.ask(RequestKind.PATIENT_BOLUS, f"press-{hour}")
        b.run_to(hour * HOUR + HOUR // 3)
        b.base += 5 * STEP
        b.ask(RequestKind.PAUSE)
        assert abs(b.controller.totals.residual) < STEP
        b.ask(RequestKind.RESUME)
        b.feed(Tick())
        assert abs(b.controller.totals.residual) < STEP


def test_an_interrupted_bolus_is_closed_and_never_resumed() -> None:
    b = bench(bolus=NIGHT)
    b.run_to(22 * HOUR + 600_000)
    b.ask(RequestKind.STOP)
    b.run_to(23 * HOUR)
    b.ask(RequestKind.RESUME)
    b.run_to(DAY)
    ((_, outcome, _),) = b.boluses()
    assert outcome == "interrupted"
    assert len([1 for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]) == 1
    delivered = [d["delivered_nl"] for kind, d in b.records if kind == "bolus"]
    assert delivered == [pytest.approx(30_000, abs=STEP)]


def test_an_alarm_that_forbids_delivery_stops_the_pump_and_its_end_does_not_start_it() -> None:
    b = bench()
    b.run_to(HOUR)
    b.feed(AlarmsChanged(True, ("stall",)))
    assert b.controller.state is State.FAULT
    assert b.halts == [(HOUR, "alarm: stall")]
    b.ask(RequestKind.RESUME)
    assert b.controller.state is State.FAULT
    b.feed(AlarmsChanged(False, ()))
    assert b.controller.state is State.PAUSED
    b.run_to(2 * HOUR)
    assert len(b.asks) == 1


def test_a_stalled_pump_ends_the_run_and_the_missing_volume_is_not_made_up() -> None:
    b = bench()
    b.run_to(6 * HOUR - 1)
    b.replace(())  # the motor stands still from here on
    b.state_override = PumpState.STALLED
    b.feed(StatusRead(b.status()))
    assert b.controller.state is State.READY
    assert b.controller.run is None


def test_six_hours_without_delivery_raise_the_under_delivery_alarm_once_the_time_is_over() -> None:
    b = bench()
    b.run_to(HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(HOUR + 4 * HOUR - 1)
    assert ("under-delivery", True) not in b.alarms
    b.run_to(12 * HOUR)
    assert ("under-delivery", True) in b.alarms


def test_a_prime_runs_first_alone_and_the_basal_waits() -> None:
    b = FakeBench(ToySchedule(*SIMPLE), prime_nl=335_800)
    b.start()
    assert b.controller.state is State.PRIMING
    b.run_to(HOUR)
    assert [(ask.purpose, len(ask.steps)) for _, ask in b.asks] == [(Purpose.PRIME, 1), (Purpose.BASAL, 2)]
    assert b.asks[1][0] == 1_208_880 + 2_000  # 335.8 uL at 1 mL/h, and the doubt of its begin
    assert b.controller.totals.missed == Fraction(312_000 * 1_210_880, DAY)


def test_a_plan_that_stands_still_asks_for_nothing() -> None:
    b = FakeBench(ToySchedule((0, 0)))
    b.start()
    b.run_to(3 * DAY)
    assert b.asks == []
    assert b.controller.state is State.READY


def test_replaying_the_records_gives_the_same_books_at_every_point() -> None:
    b = bench(bolus=NIGHT, patient=TERMS)
    b.run_to(5 * HOUR)
    b.ask(RequestKind.PATIENT_BOLUS)
    b.run_to(6 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(7 * HOUR)
    b.ask(RequestKind.RESUME)
    b.run_to(3 * DAY)
    twin = FakeBench(ToySchedule(*SIMPLE, bolus=NIGHT, patient=TERMS)).controller
    for kind, data in b.records:
        twin.replay(kind, data)
    assert twin.totals.snapshot() == b.controller.totals.snapshot()
    assert twin.books.slots_until == b.controller.books.slots_until
    assert twin.run == b.controller.run or twin.run.spans == b.controller.run.spans  # type: ignore[union-attr]
