"""A refill in a running controller: it neither starts nor stops anything, and a new path may be primed anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.bench.request import parse_request
from pump_ctrl.bench.simulate import simulate
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import (
    AlarmsChanged,
    Confirmed,
    LedgerMoved,
    Refilled,
    RequestKind,
    Settled,
    Tick,
    Waiting,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.people import PATH_FULL
from pump_ctrl.controller.prescription import Bridge, Prescription
from pump_ctrl.drivers.base import Nothing, Unknown
from pump_ctrl.errors import JournalError
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.refill import Filling
from tests.refusals import refused
from tests.system_plans import PLANS
from tests.toy_pace import HOUR
from tests.unit.fake_bench import LIMITS, TIMING, FakeBench, ToySchedule, ToyTerms, written
from tests.whole_stack import DAY, check_ledger, check_sums, healthy

PRIME_NL = 100_000
PRIMED = Prescription(
    ToySchedule((0, 312_000), bolus=(22 * HOUR, 1_200_000, 60_000), patient=ToyTerms(600_000, Fraction(26_666))),
    4 * HOUR, PRIME_NL,
)  # fmt: skip
NEW_PATH = Refilled(5_000, 5_100, other_fluid=False, new_path=True)
SAME_PATH = Refilled(5_000, 5_100, other_fluid=False, new_path=False)


def bench(until_ms: int = 5 * HOUR) -> FakeBench:
    made = FakeBench(ToySchedule((0, 0)), prescription=PRIMED)
    made.start()
    made.run_to(until_ms)
    return made


def ready(b: FakeBench) -> None:
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)


def uncertain(b: FakeBench) -> None:
    b.answers.append(Unknown("no reply"))
    b.evidence.extend([Nothing("no reply")] * 50)
    b.ask(RequestKind.PATIENT_BOLUS)


def prime(b: FakeBench) -> None:
    b.feed(NEW_PATH)
    b.ask(RequestKind.PRIME)
    b.feed(Tick())


def stall(b: FakeBench) -> None:
    b.feed(AlarmsChanged(True, ("stall",)))


def clear(b: FakeBench) -> None:
    b.feed(AlarmsChanged(False, ()))
    b.ask(RequestKind.RESUME)


def waiting(b: FakeBench) -> None:
    b.controller = Controller(PRIMED, LIMITS, TIMING)
    for kind, data in b.records:
        b.controller.replay(kind, data)
    b.feed(Waiting(b.plan, b.status(), None, runs_on=True, hold_until_ms=None))


STATES: dict[State, Callable[[FakeBench], None]] = {
    State.WAITING: waiting,
    State.READY: ready,
    State.RUNNING: lambda _: None,
    State.BOLUS: lambda b: b.ask(RequestKind.PATIENT_BOLUS),
    State.PRIMING: prime,
    State.UNCERTAIN: uncertain,
    State.PAUSED: lambda b: b.ask(RequestKind.PAUSE),
    State.STOPPED: lambda b: b.ask(RequestKind.STOP),
    State.FAULT: stall,
}


@pytest.mark.parametrize("new_path", [False, True])
@pytest.mark.parametrize("state", list(State))
def test_a_refill_starts_and_stops_nothing_in_any_state(state: State, new_path: bool) -> None:
    b = bench()
    STATES[state](b)
    assert b.controller.state is state
    asks, halts, steps, run = len(b.asks), len(b.halts), b.steps, b.controller.run
    b.feed(NEW_PATH if new_path else SAME_PATH)
    assert (b.controller.state, b.controller.run, b.steps) == (state, run, steps)
    assert (len(b.asks), len(b.halts)) == (asks, halts)
    assert b.records[-1][0] == "refilled"


@pytest.mark.parametrize("state", [s for s in State if s not in (State.PRIMING, State.UNCERTAIN)])
def test_a_refill_alone_is_no_new_path_and_primes_nothing(state: State) -> None:
    b = bench()
    STATES[state](b)
    b.feed(SAME_PATH)
    assert b.controller.books.primed
    assert b.controller.books.prime_left_nl(b.plan) == 0


@pytest.mark.parametrize(
    "begin",
    [
        (State.PAUSED, lambda b: b.ask(RequestKind.RESUME)),
        (State.STOPPED, lambda b: b.ask(RequestKind.RESUME)),
        (State.FAULT, clear),
        (State.WAITING, lambda b: b.feed(Confirmed(b.plan, b.status()))),
    ],
    ids=lambda begin: str(begin[0]),
)
def test_a_new_path_told_at_rest_is_primed_by_the_next_start_and_alone(
    begin: tuple[State, Callable[[FakeBench], None]],
) -> None:
    b = bench()
    STATES[begin[0]](b)
    b.feed(NEW_PATH)
    b.run_to(7 * HOUR)
    asks = len(b.asks)
    begin[1](b)
    b.run_to(8 * HOUR)
    assert [ask.purpose for _, ask in b.asks[asks:]] == [Purpose.PRIME, Purpose.BASAL]
    filled = 26_100 if begin[0] is State.WAITING else 0  # what ran on until the confirm, and a step
    assert [step.volume_nl for step in b.asks[asks][1].steps] == [PRIME_NL - filled]


@pytest.mark.parametrize("state", [State.RUNNING, State.BOLUS, State.READY])
def test_a_new_path_told_while_it_delivers_waits_for_somebody_who_asks_and_fills_meanwhile(
    state: State,
) -> None:
    b = bench()
    STATES[state](b)
    before = b.counter()
    b.feed(NEW_PATH)
    b.run_to(7 * HOUR)
    assert [ask.purpose for _, ask in b.asks].count(Purpose.PRIME) == 1  # that of the start
    left = b.counter() - before
    b.ask(RequestKind.PRIME)
    b.run_to(8 * HOUR)
    primes = [ask.steps[0].volume_nl for _, ask in b.asks if ask.purpose is Purpose.PRIME]
    assert primes[0] == PRIME_NL
    assert 0 <= PRIME_NL - left - primes[1] <= 4 * 100
    assert b.controller.books.prime_left_nl(b.plan) == 0


def test_a_prime_that_is_due_is_left_out_where_the_run_that_was_left_alone_has_filled_the_path() -> None:
    b = bench()
    waiting(b)
    b.feed(NEW_PATH)
    b.run_to(13 * HOUR)  # 8 h at 13,000 nL/h
    asks = len(b.asks)
    b.feed(Confirmed(b.plan, b.status()))
    b.run_to(14 * HOUR)
    assert [ask.purpose for _, ask in b.asks[asks:]] == [Purpose.BASAL]


def test_a_path_that_is_full_of_what_else_has_left_is_not_primed() -> None:
    """D-12: asked for long after a prime that was cut at once, its rest would push all that drug out of the tip."""
    b = bench()
    b.feed(NEW_PATH)
    b.run_to(20 * HOUR)
    b.ask(RequestKind.PRIME)
    b.run_to(21 * HOUR)
    assert [ask.purpose for _, ask in b.asks].count(Purpose.PRIME) == 1
    assert [data["text"] for kind, data in b.records if kind == "answer"] == [f"refused: {PATH_FULL}"]
    assert b.controller.state is State.RUNNING


def test_a_new_path_told_in_a_prime_gives_the_whole_budget_anew() -> None:
    b = FakeBench(ToySchedule((0, 0)), prescription=PRIMED)
    b.start()
    b.feed(NEW_PATH)
    assert b.controller.books.prime_left_nl(b.plan) == PRIME_NL
    b.run_to(HOUR)
    assert [ask.purpose for _, ask in b.asks].count(Purpose.PRIME) == 1


def test_a_plan_without_a_prime_primes_no_new_path() -> None:
    b = FakeBench(ToySchedule((0, 312_000)))
    b.start()
    b.ask(RequestKind.STOP)
    b.feed(NEW_PATH)
    b.ask(RequestKind.RESUME)
    b.run_to(HOUR)
    assert {ask.purpose for _, ask in b.asks} == {Purpose.BASAL}


# While a bridge lasts.

BRIDGE = Bridge(ToySchedule((0, 600_000)), 0, 290_000, 390_000, Fraction(0))
BRIDGED = replace(PRIMED, prime_nl=0, bridge=BRIDGE, schedule=ToySchedule((0, 300_000)))


def bridged() -> FakeBench:
    made = FakeBench(ToySchedule((0, 0)), prescription=BRIDGED)
    made.start()
    return made


def test_what_left_before_a_refill_counts_on_towards_the_end_of_the_bridge() -> None:
    b = bridged()
    b.feed(Refilled(200_000, 200_100, other_fluid=False, new_path=False))
    b.feed(LedgerMoved(189_999, 190_000))
    assert b.controller.bridging
    b.feed(LedgerMoved(190_000, 190_001))
    assert not b.controller.bridging


@pytest.mark.parametrize("event", [
    Refilled(380_000, 380_100, other_fluid=True, new_path=False),
    Refilled(380_000, 380_100, other_fluid=False, new_path=True),
])  # fmt: skip
def test_another_fluid_or_an_emptied_path_begins_the_end_of_the_bridge_anew_at_the_lower_rate(
    event: Refilled,
) -> None:
    b = bridged()
    b.feed(event)
    assert b.controller.books.passed == (0, 290_000)
    b.feed(LedgerMoved(389_999, 390_000))
    assert b.controller.bridging
    b.feed(LedgerMoved(390_000, 390_000))
    assert not b.controller.bridging


def test_a_refill_in_a_bridge_does_not_bring_the_old_rate_back() -> None:
    b = bridged()
    b.feed(LedgerMoved(295_000, 295_000))
    b.feed(Refilled(295_000, 295_000, other_fluid=False, new_path=False))
    b.feed(LedgerMoved(0, 100))
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.feed(Tick())
    assert [(s.volume_nl, s.duration_ms) for s in b.asks[-1][1].steps] == [(300_000, DAY)]


# After a restart.


def replayed(b: FakeBench, until: int | None = None) -> Controller:
    twin = Controller(PRIMED, LIMITS, TIMING)
    for kind, data in b.records[:until]:
        twin.replay(kind, data)
    return twin


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
def test_replay_finds_the_same_prime_budget(state: State) -> None:
    b = bench()
    STATES[state](b)
    b.feed(NEW_PATH)
    twin, books = replayed(b), b.controller.books
    assert (twin.books.primed, twin.books.new_path) == (books.primed, books.new_path)
    assert [twin.books.prime_left_nl(at) for at in (b.plan, 3 * b.plan)] == [
        books.prime_left_nl(at) for at in (b.plan, 3 * b.plan)
    ]
    assert twin.books.refilled
    assert twin.books.new_path


def test_a_death_after_the_guards_record_of_a_new_path_primes_it_after_the_confirm() -> None:
    b = bench()
    b.records.append(("refill", {"fill_nl": 1, "new_path": True}))
    twin = replayed(b)
    effects = twin.handle(Waiting(b.plan, b.status(), None, runs_on=True, hold_until_ms=None), b.now)
    assert written(effects, "refilled") == [
        {"passed": [0, 0], "new_path": True, "prime_due": True, "to_come_nl": 312_000}
    ]
    assert not twin.books.primed


def test_a_death_after_the_guards_record_of_a_refill_alone_primes_nothing() -> None:
    b = bench()
    b.records.append(("refill", {"fill_nl": 1, "new_path": False}))
    twin = replayed(b)
    twin.handle(Waiting(b.plan, b.status(), None, runs_on=True, hold_until_ms=None), b.now)
    assert twin.books.primed


# The whole stack.


def test_a_long_run_is_refilled_on_schedule_and_nothing_alarms() -> None:
    requests = [parse_request(f"{day}d=refill") for day in (90, 180)]
    result = simulate(load_plan("examples/a-flex-night-bolus.toml"), duration_ms=200 * DAY, requests=requests)
    assert result.violations == ()
    assert result.alarms == []
    assert result.volume_nl["planned"] == 200 * 400_000
    assert result.volume_nl["missed"] < 100
    levels = [nl for _, nl in result.trace.reservoir]
    assert min(levels) > 2_000_000
    assert levels[-1] == pytest.approx(40_000_000 - 20 * 400_000, abs=1_000)


def test_a_run_that_nobody_refills_ends_at_an_empty_reservoir() -> None:
    result = simulate(load_plan("examples/a-flex-night-bolus.toml"), duration_ms=101 * DAY)
    assert {alarm["code"] for alarm in result.alarms} & {"reservoir-low", "empty", "refused"}


def primed_stack() -> SimulatedStack:
    return healthy(PLANS["primed"]())


def primes(stack: SimulatedStack) -> int:
    return sum(r.data["purpose"] == "prime" for r in stack.journal.records() if r.kind == "asked")


@pytest.mark.parametrize("restart", [False, True])
def test_a_new_path_is_primed_after_stop_and_resume_and_the_guard_agrees(restart: bool) -> None:
    stack = primed_stack()
    stack.run_to(DAY)
    stack.ask("s", RequestKind.STOP)
    stack.refill(new_path=True)
    stack.run_to(DAY + HOUR)
    if restart:
        stack.restart()
        stack.confirm()
    else:
        stack.ask("r", RequestKind.RESUME)
    stack.run_to(DAY + 2 * HOUR)
    check_sums(stack)
    check_ledger(stack)
    assert primes(stack) == 2
    assert stack.controller.state is State.RUNNING
    assert "refused" not in {alarm.row.code for alarm in stack.guard.alarms}


def test_a_refill_without_a_name_or_without_a_journal_is_refused() -> None:
    stack = primed_stack()
    with refused("no-name"):
        stack.runner.refill("", Filling(1_000_000, 0))

    def full(kind: str, data: object) -> None:
        raise JournalError(f"no room for {kind} {data}")

    stack.journal.append = full  # type: ignore[method-assign,assignment]
    with pytest.raises(JournalError):
        stack.runner.refill("a person", Filling(1_000_000, 0))


def test_a_refill_while_the_outcome_is_unknown_leaves_it_unknown() -> None:
    b = bench()
    uncertain(b)
    b.feed(NEW_PATH)
    b.feed(Settled(None))
    assert b.controller.state is State.PAUSED
