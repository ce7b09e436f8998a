"""Another plan in a running controller, on a perfect pump: when it takes effect, what carries over, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import (
    AlarmsChanged,
    Confirmed,
    Event,
    LedgerMoved,
    Refilled,
    RequestKind,
    Settled,
    Tick,
    Waiting,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge, Prescription
from pump_ctrl.controller.totals import ShiftedPace
from pump_ctrl.drivers.base import NotGiven, Nothing, Refused, Unknown
from pump_ctrl.errors import InvalidInput, JournalError
from pump_ctrl.safety.ask import Denial, Denied, Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import LIMITS, STEP, TIMING, FakeBench, ToySchedule, ToyTerms, written

NIGHT = (22 * HOUR, 1_200_000, 60_000)
UTC = 1_764_000_000_000
A = Prescription(
    ToySchedule((0, 312_000), bolus=NIGHT, patient=ToyTerms(600_000, Fraction(26_666))),
    4 * HOUR, plan="a" * 64, start_utc_ms=UTC,
)  # fmt: skip
B = Prescription(
    ToySchedule((0, 240_007), bolus=NIGHT), 4 * HOUR, plan="b" * 64, previous="a" * 64,
    start_utc_ms=UTC + 3 * DAY,
)  # fmt: skip
BRIDGE = Bridge(A.schedule, 3 * DAY, 100_000, 200_000, Fraction(0))


class LoadBench(FakeBench):
    """Checks the sums after every event."""

    def __init__(self, prescription: Prescription = A) -> None:
        super().__init__(ToySchedule((0, 0)), prescription=prescription)
        self.begun = False

    def feed(self, event: Event) -> None:
        super().feed(event)
        self.begun |= isinstance(event, Confirmed)
        if self.begun:
            totals = self.controller.totals
            planned, commanded, missed = totals.at(self.plan, self.controller.books.pace())
            assert abs(totals.residual) < STEP
            assert abs(planned - commanded - missed) < STEP


def bench(until_ms: int = 3 * DAY + HOUR, prescription: Prescription = A) -> LoadBench:
    made = LoadBench(prescription)
    made.start()
    made.run_to(until_ms)
    return made


def run_for(b: FakeBench, ms: int) -> None:
    b.run_to(b.plan + ms)


def of_kind(b: FakeBench, kind: str) -> list[dict[str, Any]]:
    return [data for name, data in b.records if name == kind]


# When it takes effect.


def test_the_old_run_goes_on_until_the_pump_has_the_new_steps() -> None:
    b = bench()
    before, asks = b.steps, len(b.asks)
    assert b.load(B) == ""
    assert b.steps == before
    run_for(b, 60_000)
    assert len(b.asks) == asks + 1
    at, ask = b.asks[-1]
    assert at < HOUR + 30_000  # as soon as the pump has made its next step, in the new plan's time
    assert ask.steps[0].volume_nl * DAY == pytest.approx(240_007 * ask.steps[0].duration_ms, rel=1e-2)


def test_the_plan_time_is_the_new_plans_and_the_sums_go_on() -> None:
    b = bench()
    before = b.controller.totals.at(b.plan, b.controller.books.pace())
    assert b.load(B) == ""
    assert b.plan == HOUR
    assert b.controller.totals.at(b.plan, b.controller.books.pace()) == before
    run_for(b, 10 * DAY)
    planned, commanded, missed = b.controller.totals.at(b.plan, b.controller.books.pace())
    (change,) = [at for at, ask in b.asks if ask.request_id.startswith("1/basal")][:1]
    due = Fraction(312_000 * (3 * DAY + change), DAY) + Fraction(240_007 * (b.plan - change), DAY)
    assert planned == due + 13 * 60_000
    assert missed == 0
    assert abs(b.counter() - commanded) < STEP


@pytest.mark.parametrize(
    "outcome", [Refused("range"), Denied((Denial("basal-window", None, 1, 2, 3, 24, "test"),))]
)
def test_new_steps_that_were_refused_are_asked_for_again_and_the_old_run_goes_on(
    outcome: Refused | Denied,
) -> None:
    b = bench()
    before = b.steps
    b.answers.extend([outcome] * 4)  # asked again after 5, 10, 20 and 40 s
    asked = len(b.asks)
    assert b.load(B) == ""
    run_for(b, 60_000)
    assert b.steps == before
    run_for(b, 60_000)
    assert b.steps != before
    assert len(b.asks) == asked + 5


def test_new_steps_that_never_arrived_are_asked_for_again() -> None:
    b = bench()
    before = b.steps
    b.answers.append(Unknown("no reply"))
    assert b.load(B) == ""
    run_for(b, 28_000)
    assert b.controller.state is State.UNCERTAIN
    b.feed(Settled(NotGiven("expired", b.status())))
    assert b.steps == before
    run_for(b, 60_000)
    assert b.steps != before


def test_a_plan_that_stands_still_is_relieved_at_once() -> None:
    still = replace(A, schedule=ToySchedule((0, 312_000), (2 * HOUR, 0), (14 * HOUR, 312_000)))
    b = bench(3 * HOUR, still)
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    run_for(b, 1)
    assert b.asks[-1][0] == 3 * HOUR


def test_a_load_during_a_bolus_waits_for_its_end() -> None:
    b = bench(22 * HOUR + 600_000)
    assert b.controller.state is State.BOLUS
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    assert b.controller.loading
    assert b.controller.prescription.plan == A.plan
    run_for(b, HOUR)
    assert not b.controller.loading
    assert b.controller.prescription.plan == B.plan
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "delivered", "")]
    kinds = [kind for kind, _ in b.records]
    assert kinds.index("bolus") < kinds.index("loaded")


def test_a_load_waits_for_a_bolus_that_is_due_and_cannot_start_yet() -> None:
    b = bench(21 * HOUR)
    b.ask(RequestKind.PAUSE)
    run_for(b, HOUR)
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    assert b.controller.loading
    run_for(b, 300_001)
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "missed", "too-late")]
    assert b.controller.prescription.plan == B.plan
    b.ask(RequestKind.RESUME)
    run_for(b, DAY)
    given = [ask.request_id for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]
    assert given == [f"1/slot:0:{46 * HOUR}"]


def test_a_load_waits_while_the_outcome_of_the_bolus_is_unknown() -> None:
    b = bench(22 * HOUR + 600_000)
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    b.answers.append(Unknown("no reply"))
    b.evidence.extend([Nothing("no reply")] * 50)
    b.stop_answers.append(Unknown("no reply"))
    b.ask(RequestKind.STOP)
    assert b.controller.loading
    run_for(b, 60_000)  # the STOP is sent again, and acknowledged
    assert not b.controller.loading
    assert b.boluses() == [(f"slot:0:{22 * HOUR}", "interrupted", "")]


def waits_for_a_slot(**changes: object) -> LoadBench:
    """Plan B waits, at 22:00, for plan A's bolus, which is due while the pump is paused."""
    b = bench(21 * HOUR, replace(A, **changes))  # type: ignore[arg-type]
    b.ask(RequestKind.PAUSE)
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    run_for(b, HOUR)
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    return b


def test_a_load_waits_for_the_end_of_a_prime() -> None:
    b = waits_for_a_slot(prime_nl=335_800)
    b.ask(RequestKind.RESUME)
    b.feed(Tick())
    assert b.controller.state is State.PRIMING
    run_for(b, 1_000_000)  # the bolus is long too late
    assert b.controller.loading
    run_for(b, 300_000)
    assert not b.controller.loading


def test_a_load_waits_for_a_stop_that_is_not_acknowledged() -> None:
    b = waits_for_a_slot()
    b.stop_answers.extend([Unknown("no reply")] * 8)
    b.ask(RequestKind.STOP)
    run_for(b, 600_000)
    assert b.controller.halting
    assert b.controller.loading
    b.stop_answers.clear()
    run_for(b, 600_000)
    assert not b.controller.loading


@pytest.mark.parametrize(
    "stop",
    [
        lambda b: b.ask(RequestKind.PAUSE),
        lambda b: b.ask(RequestKind.STOP),
        lambda b: b.feed(AlarmsChanged(True, ("stall",))),
    ],
    ids=["PAUSED", "STOPPED", "FAULT"],
)
def test_a_load_at_rest_starts_nothing(stop: Callable[[LoadBench], None]) -> None:
    b = bench()
    stop(b)
    state, asks = b.controller.state, len(b.asks)
    run_for(b, HOUR)
    assert b.load(B) == ""
    assert b.controller.prescription.plan == B.plan
    run_for(b, 5 * HOUR)
    assert (b.controller.state, len(b.asks)) == (state, asks)


def test_what_was_due_before_the_load_was_due_by_the_old_plan() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    run_for(b, HOUR)
    assert b.load(B) == ""
    run_for(b, HOUR)
    b.ask(RequestKind.RESUME)
    gaps = [volume for why, volume in b.gaps() if why == "paused by a person"]
    assert gaps == [13_000, Fraction(240_007 * HOUR, DAY)]


def test_silence_before_a_load_counts_towards_the_alarm() -> None:
    b = bench()
    b.ask(RequestKind.PAUSE)
    run_for(b, 3 * HOUR)
    assert b.load(B) == ""
    run_for(b, HOUR - 1)
    assert ("under-delivery", True) not in b.alarms
    run_for(b, 1)
    assert ("under-delivery", True) in b.alarms


# Slots.


@pytest.mark.parametrize(
    ("load_at", "given"),
    [
        (22 * HOUR - 1, ["1/slot:0:79200000"]),
        (22 * HOUR, ["slot:0:79200000"]),  # the old plan's is due, and begins first
        (22 * HOUR + 1_500_000, ["slot:0:79200000"]),  # the new plan's lies in the past
    ],
)
def test_one_night_has_one_bolus_whoever_s_it_is(load_at: int, given: list[str]) -> None:
    b = bench(load_at - 1)
    b.now += 1
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    b.run_to(2 * DAY - 3 * HOUR)
    nights = [ask.request_id for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]
    assert nights == given


def test_a_slot_that_begins_a_little_after_the_load_belongs_to_the_new_plan_and_is_given_once() -> None:
    b = bench(22 * HOUR - 1)
    assert b.load(replace(B, start_utc_ms=UTC, schedule=ToySchedule((0, 240_007)))) == ""
    b.run_to(2 * DAY)
    assert not [ask for _, ask in b.asks if ask.purpose is Purpose.SCHEDULED]
    assert b.boluses() == []


def test_the_same_times_of_two_plans_are_two_requests() -> None:
    b = bench()
    assert b.load(B) == ""
    run_for(b, 3 * DAY)
    ids = [ask.request_id for _, ask in b.asks]
    assert len(ids) == len(set(ids))
    assert f"slot:0:{22 * HOUR}" in ids
    assert f"1/slot:0:{22 * HOUR}" in ids


def test_three_plans_one_after_the_other_keep_the_sums() -> None:
    c = replace(B, plan="c" * 64, previous=B.plan, start_utc_ms=UTC + 1, schedule=ToySchedule((0, 999_983)))
    b = bench()
    b.answers.append(Unknown("no reply"))
    assert b.load(B) == ""
    b.load(c)  # the run of plan A is still in force
    run_for(b, 2 * DAY)
    assert b.controller.prescription.plan == c.plan
    assert "2/" in b.asks[-1][1].request_id


# Refusals.


def unfit(**changes: object) -> Prescription:
    return replace(B, **changes)  # type: ignore[arg-type]


def waiting(b: LoadBench) -> None:
    b.begun = False
    b.controller = Controller(A, LIMITS, TIMING)


def uncertain(b: LoadBench) -> None:
    b.answers.append(Unknown("no reply"))
    b.ask(RequestKind.PATIENT_BOLUS)


def stop_unknown(b: LoadBench) -> None:
    b.stop_answers.append(Unknown("no reply"))
    b.ask(RequestKind.STOP)


def in_bolus(b: LoadBench) -> None:
    b.ask(RequestKind.PATIENT_BOLUS)
    assert b.load(B) == ""


def nothing(_: LoadBench) -> None:
    pass


def refilled(b: LoadBench) -> None:
    b.feed(Refilled(0, 0, other_fluid=False, new_path=False))


@pytest.mark.parametrize(
    ("before", "new", "words"),
    [
        (waiting, unfit(start_utc_ms=UTC), "a person has to confirm"),
        (uncertain, B, "not known whether the last command was carried out"),
        (stop_unknown, B, "a STOP is not acknowledged"),
        (in_bolus, B, "another load waits"),
        (nothing, unfit(previous=None), "it was written after no other plan, and aaaaaaaaaaaaaaaa is in force"),
        (nothing, unfit(previous="c" * 64), "it was written after cccccccccccccccc"),
        (nothing, unfit(start_utc_ms=UTC + 4 * DAY), "its start is still to come"),
        (nothing, unfit(bridge=BRIDGE), "the refill that goes with it was not told"),
        (nothing, unfit(prime_nl=100_000), "no new path was told"),
        (refilled, unfit(prime_nl=100_000), "no new path was told"),
    ],
)  # fmt: skip
def test_a_load_that_is_not_possible_says_why_and_changes_nothing(
    before: Callable[[LoadBench], None], new: Prescription, words: str
) -> None:
    b = bench()
    before(b)
    records, wakeup = list(b.records), b.controller.next_wakeup()
    assert words in b.load(new)
    assert b.records == records
    assert b.controller.next_wakeup() == wakeup
    assert b.controller.prescription.plan == A.plan


def test_a_prime_that_runs_forbids_a_load() -> None:
    b = LoadBench(replace(A, prime_nl=335_800))
    b.start()
    assert b.controller.state is State.PRIMING
    assert b.load(unfit(start_utc_ms=UTC)) == "a prime is running"


@pytest.mark.parametrize(("left", "yes"), [(99_999, True), (100_000, False)])
def test_a_bridge_belongs_to_a_refill_from_which_nothing_can_have_reached_the_tip(
    left: int, yes: bool
) -> None:
    b = bench()
    refilled(b)
    assert (b.load(unfit(bridge=BRIDGE), left) == "") is yes


def test_while_a_bridge_lasts_no_other_plan_is_loaded_and_the_same_one_does_not_begin_it_anew() -> None:
    b = bench()
    refilled(b)
    bridged = unfit(bridge=BRIDGE)
    assert b.load(bridged) == ""
    assert b.controller.bridging
    after = replace(B, plan="c" * 64, previous=B.plan)
    assert "may still be in the path" in b.load(after)
    assert b.load(bridged) == ""
    b.feed(LedgerMoved(200_000, 200_000))
    assert not b.controller.bridging
    assert b.load(bridged) == ""
    assert not b.controller.bridging
    assert b.load(after) == ""


def test_a_refill_goes_with_one_load_only() -> None:
    b = bench()
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    assert b.load(B) == ""
    c = replace(B, plan="c" * 64, previous=B.plan)
    assert (
        b.load(replace(c, bridge=BRIDGE)) == "it has a bridge, and the refill that goes with it was not told"
    )
    assert b.load(replace(c, prime_nl=100_000)) == "it primes the path, and no new path was told"


def test_a_new_path_is_new_until_it_is_primed() -> None:
    b = LoadBench(replace(A, prime_nl=335_800))
    b.start()
    b.run_to(HOUR)
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    assert b.controller.books.new_path
    b.ask(RequestKind.PRIME)
    run_for(b, HOUR)
    assert b.load(unfit(start_utc_ms=UTC, prime_nl=100_000)) == "it primes the path, and no new path was told"


def test_what_left_in_one_bridge_does_not_count_in_the_next() -> None:
    b = bench()
    refilled(b)
    assert b.load(unfit(bridge=BRIDGE)) == ""
    b.feed(Refilled(150_000, 150_000, other_fluid=False, new_path=False))
    b.feed(LedgerMoved(60_000, 60_000))
    assert not b.controller.bridging
    assert b.load(replace(B, plan="c" * 64, previous=B.plan, bridge=BRIDGE), 60_000) == ""
    b.feed(LedgerMoved(60_000, 60_000))
    assert b.controller.bridging


def test_what_the_guard_refuses_changes_nothing_but_is_written_down() -> None:
    b = bench()
    run, snapshot = b.controller.run, b.controller.totals.snapshot()
    b.load_answers.append("limits-mismatch: they are for another pump")
    assert b.load(B) == ""
    assert b.controller.run is run
    assert b.controller.totals.snapshot() == snapshot
    assert (b.controller.prescription.plan, b.plan) == (A.plan, 3 * DAY + HOUR)
    assert [kind for kind, _ in b.records][-2:] == ["request", "answer"]
    run_for(b, DAY)
    assert b.asks[-1][1].request_id.startswith("slot")


def test_the_same_plan_signed_anew_changes_nothing_at_all() -> None:
    b = bench()
    asks = len(b.asks)
    assert b.load(A) == ""
    run_for(b, 60_000)
    assert len(b.asks) == asks + 1  # the run is told anew, under the limits that are valid longer
    assert (b.plan, b.controller.books.slots_until) == (3 * DAY + HOUR + 60_000, 2 * DAY + 22 * HOUR + 1)
    (loaded,) = of_kind(b, "loaded")
    assert loaded["shift_ms"] == 0


def test_a_plan_with_a_prime_is_loaded_after_a_new_path_and_primes_with_nothing_beside_it() -> None:
    b = bench()
    b.feed(Refilled(0, 0, other_fluid=False, new_path=True))
    asks = len(b.asks)
    assert b.load(unfit(prime_nl=100_000)) == ""
    run_for(b, HOUR)
    assert [why for _, why in b.halts] == ["a prime is due"]
    assert [ask.purpose for _, ask in b.asks[asks:]] == [Purpose.PRIME, Purpose.BASAL]
    assert b.load(replace(B, plan="c" * 64, previous=B.plan, prime_nl=100_000)) == (
        "it primes the path, and no new path was told"
    )


# After a restart.


@dataclass(frozen=True)
class Line:
    kind: str
    data: dict[str, Any]


def lines(b: FakeBench) -> list[Line]:
    """The journal that the bench has written, with the guard's first limits."""
    first = {"plan_ms": None, "by": "tester", "limits": {"plan": {"sha256": A.plan}}}
    return [Line("limits", first), *(Line(kind, data) for kind, data in b.records)]


def taken_up(records: list[Line]) -> Controller:
    sha256 = [line.data["limits"]["plan"]["sha256"] for line in records if line.kind == "limits"][-1]
    twin = Controller({p.plan: p for p in (A, B)}[sha256], LIMITS, TIMING)
    twin.take_up(records, {A.plan: A, B.plan: B})
    return twin


def busy() -> LoadBench:
    """A load in the middle of a busy day, from a bolus that it waits for."""
    b = bench(2 * DAY + 22 * HOUR + 600_000)
    assert b.load(replace(B, start_utc_ms=UTC + 2 * DAY)) == ""
    b.run_to(4 * DAY)
    return b


def test_replay_finds_the_plan_in_force_and_the_same_sums_at_every_record() -> None:
    b = LoadBench()
    states: list[tuple[int, dict[str, Any], str, int]] = []

    def note() -> None:
        c = b.controller
        states.append((len(b.records), c.totals.snapshot(), c.prescription.plan, c.books.slots_until))

    b.start()
    for at in range(HOUR, 3 * DAY, HOUR):
        b.run_to(at)
        note()
    b.run_to(3 * DAY)
    assert b.load(B) == ""
    note()
    for at in range(HOUR, 2 * DAY, HOUR):
        b.run_to(at)
        note()
    for length, sums, plan, slots_until in states:
        twin = taken_up(lines(b)[: length + 1])
        assert (twin.totals.snapshot(), twin.prescription.plan) == (sums, plan)
        assert twin.books.slots_until == slots_until
    twin = taken_up(lines(b))
    assert twin.run is not None
    assert b.controller.run is not None
    assert twin.run.spans == b.controller.run.spans
    assert twin.plan_ms(b.now) == b.plan


def test_a_death_between_the_guards_record_and_ours_is_made_good() -> None:
    b = bench()
    assert b.load(B) == ""
    records = lines(b)
    until = next(i for i, line in enumerate(records) if line.kind == "loaded")
    twin = taken_up(records[:until])
    assert twin.prescription.plan == B.plan
    effects = twin.handle(Confirmed(HOUR, b.status()), b.now)
    assert written(effects, "loaded") == [records[until].data]


def test_a_load_that_waits_is_dropped_by_a_restart_and_the_journal_says_so() -> None:
    b = bench(22 * HOUR + 600_000)
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
    twin = taken_up(lines(b))
    assert twin.prescription.plan == A.plan
    woken = Waiting(b.plan, b.status(), None, runs_on=True, hold_until_ms=None)
    answers = written(twin.handle(woken, b.now), "answer")
    assert answers == [
        {"request": "load:" + "b" * 16, "text": "dropped: the controller was started again before the load"}
    ]
    again = taken_up([*lines(b), Line("answer", answers[0])])
    assert written(again.handle(woken, b.now), "answer") == []


def test_a_load_that_was_made_is_not_called_dropped() -> None:
    b = bench()
    assert b.load(B) == ""
    twin = taken_up(lines(b))
    woken = Waiting(b.plan, b.status(), None, runs_on=True, hold_until_ms=None)
    assert written(twin.handle(woken, b.now), "answer") == []


def test_another_plans_pace_is_the_same_at_its_own_times() -> None:
    pace = ToySchedule((0, 312_000), (2 * HOUR, 0))
    moved = ShiftedPace(pace, 5 * HOUR)
    assert moved.rate(6 * HOUR) == pace.rate(HOUR)
    assert moved.next_change(6 * HOUR) == 7 * HOUR
    assert moved.planned_basal_nl(5 * HOUR, 8 * HOUR) == 26_000


def test_a_plan_of_the_journal_that_is_not_given_is_named() -> None:
    records = lines(busy())
    with pytest.raises(InvalidInput, match=f"begun with plan {A.plan}, which is not given"):
        Controller(B, LIMITS, TIMING).take_up(records, {})


def test_another_plan_than_the_one_in_force_is_no_way_to_load_it() -> None:
    records = lines(bench())
    with pytest.raises(InvalidInput, match="is in force by the journal"):
        Controller(B, LIMITS, TIMING).take_up(records, {A.plan: A})


def test_sums_that_do_not_follow_from_the_plans_given_are_found() -> None:
    records = lines(busy())
    forged = replace(A, schedule=ToySchedule((0, 311_999), bolus=NIGHT))
    b = replace(B, start_utc_ms=UTC + 2 * DAY)
    with pytest.raises(JournalError, match="sums at the load"):
        Controller(b, LIMITS, TIMING).take_up(records, {A.plan: forged})


def test_an_unsettled_old_command_does_not_meet_a_new_plan() -> None:
    b = bench(22 * HOUR - 1)
    b.answers.append(Unknown("no reply"))
    b.evidence.extend([Nothing("no reply")] * 50)
    b.run_to(22 * HOUR)
    assert b.controller.state is State.UNCERTAIN
    assert b.load(replace(B, start_utc_ms=UTC)) != ""
    b.feed(Settled(None))
    assert b.controller.state is State.PAUSED
    assert b.load(replace(B, start_utc_ms=UTC)) == ""
