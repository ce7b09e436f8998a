"""What the pump's answers mean: what may be asked again, and what is over; on a perfect pump."""

from __future__ import annotations

import pytest

from pump_ctrl.controller.effects import Deliver, Effect
from pump_ctrl.controller.events import (
    Answered,
    Event,
    Refilled,
    RequestKind,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Acked, NotGiven, Outcome, PumpState, Refused
from pump_ctrl.safety.ask import Denial, Denied, Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule
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


def reasons(b: LifeBench) -> list[str]:
    return [record["reason"] for record in b.of("bolus")]


# Refusals.


@pytest.mark.parametrize(
    "answer", [Refused("range"), denied("lockout"), NotGiven(NEVER, LifeBench(ToySchedule(BASAL)).status())]
)
def test_a_patient_bolus_that_was_not_given_is_not_asked_for_again(
    answer: Outcome | Denied | NotGiven,
) -> None:
    b = bench(patient=TERMS)
    b.answers.append(LOST if isinstance(answer, NotGiven) else answer)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    if isinstance(answer, NotGiven):
        b.learns(NotGiven(NEVER, b.status()))
    b.wait(HOUR)
    rule = {Refused: "pump", Denied: "lockout", NotGiven: "not-given"}[type(answer)]
    assert b.boluses() == [("p", "refused", rule)]
    (record,) = b.of("bolus")
    assert (record["volume_nl"], record["delivered_nl"], record["requested_ms"]) == (26_666, 0, HOUR)
    assert b.purposes == [Purpose.BASAL, Purpose.PATIENT]
    assert b.controller.state is State.RUNNING
    assert b.controller.totals.missed == 0


def test_a_scheduled_bolus_that_the_pump_refused_is_asked_for_again_in_its_time() -> None:
    b = at_the_slot(*[Refused("busy")] * 9)
    b.run_to(SLOT + 300_000)
    assert [at - SLOT for at, ask in b.asks[1:]] == [0, 5_000, 15_000, 35_000, 75_000, 155_000]
    assert b.boluses() == [(f"slot:0:{SLOT}", "refused", "pump")]
    assert b.alarms[-1] == ("bolus-missed", True)
    assert [gap for gap in b.gaps() if gap[0] == "scheduled bolus refused: pump"] == [
        ("scheduled bolus refused: pump", 60_000)
    ]


@pytest.mark.parametrize(("late_ms", "again"), [(295_000, True), (295_001, False)])
def test_its_time_is_what_the_plan_gives_it_less_the_wait(late_ms: int, again: bool) -> None:
    b = bench(bolus=NIGHT, until_ms=SLOT - 1)
    b.now += 1 + late_ms
    b.answers.append(Refused("busy"))
    b.tick()
    b.wait(5_000)
    assert b.purposes.count(Purpose.SCHEDULED) == 1 + again


def test_a_bolus_that_came_after_all_takes_back_that_it_was_missed() -> None:
    b = at_the_slot(Refused("busy"))
    assert ("bolus-missed", False) not in b.alarms
    b.run_to(SLOT + 5_000)
    assert ("bolus-missed", False) in b.alarms
    asked = b.of("dropped")
    assert asked[0]["reopen_ms"] == SLOT


def test_a_basal_that_runs_takes_nothing_back_of_a_missed_bolus() -> None:
    b = at_the_slot(denied("bolus-window"))
    b.alarms.clear()
    b.run_to(DAY)
    assert b.purposes[-1] is Purpose.BASAL
    assert ("bolus-missed", False) not in b.alarms
    assert {("refused", False), ("hold-ended", False)} <= set(b.alarms)


def test_a_basal_that_was_refused_is_told_and_asked_for_again_until_it_runs() -> None:
    b = bench(until_ms=DAY - 2 * HOUR)
    b.answers.extend([denied("basal-window")] * 3)
    b.run_to(DAY - 880_000 + 36_000)
    asked = [at for at, _ in b.asks[1:]]
    assert [later - asked[0] for later in asked] == [0, 5_000, 15_000, 35_000]
    assert b.alarms.count(("refused", True)) == 3
    assert b.alarms[-2:] == [("refused", False), ("hold-ended", False)]
    assert b.controller.next_wakeup() > b.now + HOUR, "the wait is over"


def test_a_success_ends_the_long_waits_for_the_next_failure() -> None:
    b = bench(until_ms=DAY - 2 * HOUR)
    b.answers.extend([Refused("busy")] * 4)
    b.run_to(DAY + HOUR)
    b.answers.append(Refused("busy"))
    b.run_to(3 * DAY)
    asked = [at for at, _ in b.asks]
    assert asked[7] - asked[6] == 5_000


def test_what_a_pump_has_given_while_it_was_told_is_no_flow_of_the_run_before() -> None:
    b = bench(syringe=True, patient=TERMS)
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.tick()
    b.alarms.clear()
    b.answers.append(Acked(status_of(b, step_done_nl=300, delivered_nl=13_300)))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert ("under-delivery", False) not in b.alarms


def test_after_a_success_the_first_wait_is_short_again() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PAUSE)
    b.answers.extend([Refused("busy")] * 4)
    b.ask(RequestKind.RESUME)
    b.wait(10 * MINUTE)
    b.ask(RequestKind.PAUSE)
    b.answers.append(Refused("busy"))
    b.ask(RequestKind.RESUME)
    begun = b.plan
    b.wait(MINUTE)
    assert [at - begun for at, _ in b.asks[-2:]] == [0, 5_000]


def test_the_drivers_word_on_a_pump_that_does_not_fit_is_in_the_reason() -> None:
    b = bench(patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    b.ask(RequestKind.STOP)
    ask = b.asks[-1][1]
    b.ask(RequestKind.RESUME)
    b.answers.append(LOST)
    b.evidence.extend([NO_WORD] * 3)
    b.ask(RequestKind.PATIENT_BOLUS, "q")
    b.feed(Answered(ask, Refused("out-of-range"), "another syringe"))
    assert reasons(b)[-1] == "the pump refused: out-of-range. another syringe"


def test_an_answer_is_a_sign_of_life_so_that_the_next_question_is_a_poll_later() -> None:
    b = bench(timing=None)
    assert b.controller.next_wakeup() == 1_000_000 + 6 * HOUR
    b.answers.append(denied("lockout"))
    b = bench(patient=TERMS, until_ms=2 * HOUR)
    b.answers.append(denied("lockout"))
    b.ask(RequestKind.PATIENT_BOLUS)
    assert b.controller.next_wakeup() == b.now + 6 * HOUR


# A reservoir that holds less than was asked for (S-32).


def test_a_shorter_basal_is_asked_for_at_once_where_the_reservoir_holds_less() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.append(dry(26_000))
    b.start()
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.BASAL]
    volume = sum(step.volume_nl for step in b.asks[-1][1].steps)
    assert 25_000 <= volume <= 26_000 - 400
    assert b.alarms.count(("refused", True)) == 0
    assert b.of("dropped") == [{"why": "reservoir: a shorter run is asked for", "reopen_ms": None}]


def test_a_bolus_keeps_its_time_while_a_shorter_run_is_asked_for() -> None:
    b = at_the_slot(dry(80_000))
    b.tick()
    assert b.purposes == [Purpose.BASAL, Purpose.SCHEDULED, Purpose.SCHEDULED]
    assert b.of("dropped")[0]["reopen_ms"] == SLOT
    assert sum(step.volume_nl for step in b.asks[-1][1].steps) <= 80_000
    assert b.boluses() == []


def test_a_press_is_asked_for_again_with_less_basal_behind_it() -> None:
    b = bench(patient=TERMS)
    b.answers.append(dry(40_000))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert [ask.request_id for _, ask in b.asks] == ["basal:0", "p", "p"]
    assert b.asks[-1][1].purpose is Purpose.PATIENT
    assert sum(step.volume_nl for step in b.asks[-1][1].steps) <= 40_000
    assert b.boluses() == []
    assert b.controller.state is State.BOLUS


@pytest.mark.parametrize(
    "answer",
    [
        dry(100),  # nothing that is worth to be told
        dry(26_000, Denial("basal-window", None, 1, 2, 3, 24, "test")),
        Denied((Denial("basal-window", None, 9, 1_000, 27_000, 24, "test"),)),
    ],
    ids=["nearly empty", "not alone", "another rule"],
)
def test_any_other_denial_is_told(answer: Denied) -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.append(answer)
    b.start()
    b.tick()
    assert b.purposes == [Purpose.BASAL]
    assert b.alarms == [("refused", True)]


def test_a_prime_or_a_hold_is_never_made_shorter() -> None:
    b = LifeBench(ToySchedule(BASAL), prime_nl=100_000)
    b.answers.append(dry(50_000))
    b.start()
    b.tick()
    assert b.purposes == [Purpose.PRIME]
    assert b.alarms == [("refused", True)]


# A pump that is stopped before it is told.


@pytest.mark.parametrize(
    ("syringe", "said", "ended"),
    [
        (True, PumpState.IDLE, True),
        (True, PumpState.RUNNING, False),
        (True, None, False),
        (False, PumpState.IDLE, False),
    ],
)
def test_a_refusal_ends_the_run_in_force_only_where_the_pump_says_that_it_stands_still(
    syringe: bool, said: PumpState | None, ended: bool
) -> None:
    b = bench(syringe=syringe, patient=TERMS)
    run = b.controller.run
    b.answers.append(Refused("range", None if said is None else status_of(b, state=said)))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.controller.run is (None if ended else run)
    assert [record["why"] for record in b.of("cut")] == ["refused: range"] * ended
    assert b.controller.state is (State.READY if ended else State.RUNNING)


LEVELS = tuple((hour * HOUR, 312_000 + hour * 1_000) for hour in range(5))


def steps(b: LifeBench) -> list[int]:
    return [len(ask.steps) for _, ask in b.asks]


@pytest.mark.parametrize(("code", "lengths"), [("expired", [5, 1]), ("busy", [5, 5])])
def test_a_run_that_could_not_be_told_in_time_is_told_with_one_step(code: str, lengths: list[int]) -> None:
    b = LifeBench(ToySchedule(*LEVELS))
    b.answers.append(Refused(code))
    b.start()
    b.run_to(5_000)
    assert [min(5, length) for length in steps(b)] == lengths


def test_the_run_after_it_is_whole_again() -> None:
    b = LifeBench(ToySchedule(*LEVELS))
    b.answers.append(Refused("expired"))
    b.start()
    b.run_to(2 * HOUR)
    assert steps(b)[1] == 1
    assert steps(b)[2] > 1


class SlowBench(LifeBench):
    """Telling takes 4 s."""

    def _do(self, effect: Effect) -> list[Event]:
        if isinstance(effect, Deliver):
            self.replace(())  # it is stopped first
            self.now += 4_000
        return super()._do(effect)


def test_a_pump_that_is_slow_time_after_time_is_told_for_the_moment_at_which_it_begins() -> None:
    b = SlowBench(ToySchedule(BASAL, patient=TERMS), syringe=True, timing=SYRINGE_TIMING)
    b.start()
    for hour in (1, 2, 3):
        b.run_to(hour * HOUR)
        b.ask(RequestKind.PATIENT_BOLUS, f"p{hour}")
    begun = [at for at, _ in b.asks]  # 4 s after it was decided on
    assert [record["spans"][0][1] for record in b.of("asked")] == [
        begun[0] - 4_000,
        begun[1] - 4_000,
        *begun[2:],
    ]


def test_what_the_pump_has_given_while_it_was_told_belongs_to_the_new_run() -> None:
    b = bench(syringe=True, patient=TERMS)
    b.answers.append(Acked(status_of(b, step_done_nl=300, delivered_nl=13_300)))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    granted = b.of("granted")[-1]
    assert (granted["given"], granted["counter"]) == (13_000, 13_000)


def test_a_pump_that_takes_over_without_a_stop_begins_at_its_counter() -> None:
    b = bench(patient=TERMS)
    b.answers.append(Acked(status_of(b, step_done_nl=300)))
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.of("granted")[-1]["counter"] == 13_000


@pytest.mark.parametrize("count", [2, 3])
def test_that_holds_for_every_run_of_more_than_one_step(count: int) -> None:
    b = LifeBench(ToySchedule(*LEVELS[:count]))
    b.answers.append(Refused("expired"))
    b.start()
    b.run_to(5_000)
    assert steps(b) == [count, 1]


def test_a_prime_that_expired_says_nothing_of_how_long_a_basal_can_be() -> None:
    b = LifeBench(ToySchedule(*LEVELS), prime_nl=100_000)
    b.start()
    b.run_to(6 * HOUR)
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    b.answers.append(Refused("expired"))
    b.ask(RequestKind.PRIME, "p")
    b.wait(MINUTE)
    assert b.purposes[-2:] == [Purpose.PRIME, Purpose.BASAL]
    assert steps(b)[-1] > 1
