"""G5: the guard's history beside a slow ledger of Fractions; S-18 monotonicity; S-26 replay equals live.

The oracle reads the same journal and knows the rules D-04 to D-06; it shares no code with
``pump_ctrl.safety``.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.curve import ZL_PER_NL, content
from pump_ctrl.safety.rules import case_of, judge
from pump_ctrl.safety.state import State
from pump_ctrl.safety.windows import BasalWindow, BolusWindow
from tests.properties.oracle import Oracle
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, bolus, limits, rows

E, B, CAP, COMMANDS = (6_000, 24_000, 120_000), (2_000, 3_000, 6_000), 122_000, 3
MARGIN = (COMMANDS + 2) * 100
T_S = 2_000
LIMITS = limits(
    [
        account(
            rows=rows(E, B, commands=COMMANDS, bolus_max_pg_per_h=20_000),
            max_bolus_nl=2_000,
            hold={"nl": 6_000, "per_ms": HOUR},
        )
    ],
    caps=[{"drug": "baclofen", "hours": 24, "pg": CAP}],
    max_hold_ms=4 * HOUR,
)
ALMOST = Fraction(1, 100)  # nL: the guard rounds a rate up to a whole zL/ms

STEPS = st.sampled_from(
    [
        (basal(6_000, HOUR),),
        (basal(6_100, HOUR),),
        (basal(6_500, HOUR), basal(0, HOUR)),
        (basal(0, HOUR), basal(24_000, 4 * HOUR)),
        (basal(12_000, 2 * HOUR), basal(3_000, HOUR), basal(6_000, HOUR)),
        (basal(144_000, DAY),),
        (bolus(1_000, 10 * MINUTE), basal(6_000, HOUR)),
        (bolus(3_000, 10 * MINUTE, 1_000), basal(6_000, HOUR)),
        (bolus(2_000, 6 * MINUTE),),
    ]
)
OPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1, 10 * MINUTE, HOUR - 1, HOUR, 4 * HOUR, DAY])),
        st.tuples(st.just("ask"), STEPS, st.sampled_from(["ok", "ok", "ok", "lost", "unheard", "no"]),
                  st.sampled_from([0, 20, T_S])),
        st.tuples(st.just("stop"), st.sampled_from(["ok", "ok", "lost"])),
        st.tuples(st.sampled_from(["settle", "resolve", "restart", "look"])),
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip


def purpose_of(steps: tuple[Step, ...]) -> Purpose:
    return Purpose.SCHEDULED if steps[0].kind is StepKind.BOLUS else Purpose.BASAL


def play(bench: Bench, op: tuple[Any, ...]) -> None:
    """One of OPS."""
    guard = bench.guard
    match op:
        case ("wait", ms):
            bench.wait(ms)
        case ("ask", steps, answer, latency):
            bench.pump.answers, bench.pump.latency_ms = [answer], latency
            bench.ask(*steps, purpose=purpose_of(steps))
            bench.pump.answers = []
        case ("stop", answer):
            bench.pump.stop_answers = [answer]
            guard.stop("test")
            guard.clear_alarm("stop-unknown")
            guard.acknowledge("stop-unknown", "tester")
        case ("resolve",) if guard.unsettled is not None:
            guard.resolve(guard.unsettled.id, "tester", "seen")
        case ("restart",):
            bench.restart()
            bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
        case ("look",):
            guard.read_status()
        case _:
            guard.settle()


def played(ops: list[tuple[Any, ...]]) -> tuple[Bench, Oracle]:
    bench = Bench(LIMITS).confirmed()
    for op in ops:
        play(bench, op)
    oracle = Oracle()
    for record in bench.log.records:
        oracle.read(record.kind, record.data)
    return bench, oracle


@settings(max_examples=120, deadline=None)
@given(OPS)
def test_every_window_of_the_history_is_that_of_the_slow_ledger(ops: list[tuple[Any, ...]]) -> None:
    """F-70: windows that end at every edge, one window behind it, and an hour less a millisecond."""
    bench, oracle = played(ops)
    history, now = bench.guard._state.history, bench.clock.true_ms
    for width in (HOUR, 4 * HOUR, DAY):
        for end in oracle.instants(width, now, now + DAY)[:40]:
            fast = Fraction(content(history._volume(), end - width, end), ZL_PER_NL)
            slow = oracle.basal(end - width, end) + oracle.boluses(end - width, end)
            assert 0 <= fast - slow < ALMOST, (width, end)


@settings(max_examples=120, deadline=None)
@given(OPS, STEPS)
def test_verdicts_are_those_of_the_slow_ledger(ops: list[tuple[Any, ...]], steps: tuple[Step, ...]) -> None:
    bench, oracle = played(ops)
    guard, now = bench.guard, bench.clock.true_ms
    case = case_of(Ask("trial", purpose_of(steps), "stage-0", steps), guard._view(), guard._now())
    assert case is not None
    plain = [(s.kind.value, s.volume_nl, s.duration_ms, s.basal_nl) for s in steps]
    trial = oracle.with_request(now, T_S, plain)
    checks: tuple[tuple[Any, tuple[int, ...], Callable[[int, int], Fraction]], ...] = (
        (BasalWindow(), E, trial.basal),
        (BolusWindow(), B, trial.boluses),
    )
    for rule, limit, amount in checks:
        if isinstance(rule, BolusWindow) and plain[0][0] != "bolus":
            continue
        over = near = False
        for hours, most in zip((1, 4, 24), limit, strict=True):
            for end in trial.instants(hours * HOUR, now, case.trial.last):
                excess = amount(end - hours * HOUR, end) - most - MARGIN
                over, near = over or excess > 0, near or abs(excess) < ALMOST
        assert near or (rule.judge(case) is not None) == over, rule.code


@settings(max_examples=80, deadline=None)
@given(OPS, STEPS)
def test_more_history_never_turns_a_no_into_a_yes(
    ops: list[tuple[Any, ...]], steps: tuple[Step, ...]
) -> None:
    """S-18: the same request, with one more dose that may have been given, or with a tighter limit."""
    bench, _ = played(ops)
    guard = bench.guard
    ask, now = Ask("trial", purpose_of(steps), "stage-0", steps), guard._now()
    before = {d.rule for d in judge(ask, guard._view(), now)}
    history = guard._state.history
    key = next(iter(history._lanes), ("*", (("baclofen", 1_000_000),)))
    history.block(("*", key[1]), 500 * ZL_PER_NL, now - HOUR, now - HOUR + 1)
    history.lock(now)
    guard.raise_alarm("silence", "test")
    assert before <= {d.rule for d in judge(ask, guard._view(), now)}


CACHES = {"_terms", "_made"}  # drawn from the rest when asked for


def snapshot(value: Any) -> Any:
    """Everything inside a value, comparable."""
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *((f.name, snapshot(getattr(value, f.name))) for f in fields(value)))
    if isinstance(value, dict):
        return tuple((snapshot(k), snapshot(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(snapshot(v) for v in value)
    if hasattr(value, "__slots__") and not isinstance(value, int | str | frozenset):
        return tuple((name, snapshot(getattr(value, name))) for name in value.__slots__)
    if hasattr(value, "__dict__") and not isinstance(value, int | str):
        return tuple((name, snapshot(v)) for name, v in vars(value).items() if name not in CACHES)
    return value


@settings(max_examples=60, deadline=None)
@given(OPS)
def test_replay_of_every_prefix_is_the_state_that_was_live(ops: list[tuple[Any, ...]]) -> None:
    seen: list[Any] = []
    original = State.apply

    def spy(self: State, kind: str, data: Any, boot_id: str) -> None:
        original(self, kind, data, boot_id)
        seen.append(snapshot(self))

    bench = Bench(LIMITS)
    ops = [op for op in ops if op[0] != "restart"]
    State.apply = spy  # type: ignore[method-assign]
    try:
        bench.confirmed()
        for op in ops:
            play(bench, op)
    finally:
        State.apply = original  # type: ignore[method-assign]
    again = State()
    for live, record in zip(seen, bench.log.records, strict=True):
        again.apply(record.kind, record.data, record.boot_id)
        assert snapshot(again) == live, record.kind
