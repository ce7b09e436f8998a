"""X1: the published maximum-dose rule admits 876 of 1,024 overdoses; the guard none, and refuses no safe
request.

The published case (safety.md 1.2, field.md): basal 6 mL/h, boluses of 1 mL, at most 26.5 mL in any 240 min,
requests on a 30-minute grid. On a bench pump everything is a thousandth: 6 uL/h, 1 uL, 26.5 uL; 1 pg/nL, so
that pg are nL.

By hand: E(4 h) = 24,000. What the cap leaves is B(4 h) = 2,500: two boluses in any 4 h and half of a third.
E(1 h) = 6,000, B(1 h) = 2,000 (requests are 30 min apart); E(24 h) = 144,000 and B(24 h) = 15,000 never bind
in 5 h.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, Bench, account, basal, bolus, limits, rows

SLOT, WINDOW, LIMIT = 30 * MINUTE, 4 * HOUR, 26_500
PUMP = {
    "name": "fake", "protocol": "reference", "step_nl": 1, "counter_unit_nl": 1,
    "max_nl_per_h": 1_000_000, "max_lease_ms": DAY,
}  # fmt: skip
LIMITS = limits(
    [
        account(
            rows=rows((6_000, 24_000, 144_000), (2_000, 2_500, 15_000), bolus_max_pg_per_h=60_000),
            max_bolus_nl=1_000,
        )
    ],
    pump=PUMP,
    caps=[{"drug": "baclofen", "hours": 4, "pg": LIMIT}, {"drug": "baclofen", "hours": 24, "pg": 10**6}],
)
MARGIN = 2 * 2 + 34  # two steps in each account, 2 s of the bolus's 60,000 nL/h
SHARE, OVER = 100, MINUTE  # a bolus of 1,000 nL in a minute, with the minute's basal beside it


def ask(bench: Bench, bolus_too: bool) -> bool:
    tail = basal(24_000, 4 * HOUR)
    if not bolus_too:
        return isinstance(bench.ask(tail), Acked)
    steps = (bolus(1_000 + SHARE, OVER, SHARE), tail)
    return isinstance(bench.ask(*steps, purpose=Purpose.SCHEDULED), Acked)


def truth(boluses: list[int], start: int, end: int) -> Fraction:
    """What flows between two instants: the basal from 0 on and the boluses given."""
    basal_ms = max(0, end - max(start, 0))
    overlap = sum(max(0, min(end, b + OVER) - max(start, b)) for b in boluses)
    return Fraction(6_000 * basal_ms, HOUR) + Fraction(1_000 * overlap, OVER)


def safe(boluses: list[int]) -> bool:
    """Whether with full basal for ever after no window passes the limit: looked at wherever it can be
    fullest.
    """
    ends = {b + OVER for b in boluses} | {b + WINDOW for b in boluses} | {WINDOW}
    return all(truth(boluses, end - WINDOW, end) <= LIMIT for end in ends)


def look_back_only(wanted: tuple[bool, ...]) -> bool:
    """The published rule: past delivery plus the bolus within the limit. True if it overdoses."""
    given: list[int] = []
    for i, pressed in enumerate(wanted):
        now = i * SLOT
        if pressed and truth(given, now - WINDOW, now) + 1_000 <= LIMIT:
            given.append(now)
    return not safe(given)


def test_the_published_rule_overdoses() -> None:
    schedules = list(product((False, True), repeat=10))
    assert len(schedules) == 1_024
    assert sum(look_back_only(wanted) for wanted in schedules) == 876


def test_the_guard_lets_no_overdose_through_and_refuses_no_safe_request() -> None:
    """All 1,024 schedules as a tree, each prefix played once: its verdicts follow from what was given before.

    An unsafe one among what was given would be an overdose; a refused one that would have been safe,
    over-strict.
    """
    leaves = overdoses = safe_refused = granted = refused = 0
    for wanted in product((False, True), repeat=10):
        given: list[int] = []
        bench = _played(wanted)
        for i, (pressed, yes) in enumerate(zip(wanted, bench, strict=True)):
            if not pressed:
                continue
            if yes:
                given.append(i * SLOT)
                granted += 1
            else:
                refused += 1
                safe_refused += safe([*given, i * SLOT])
        overdoses += not safe(given)
        leaves += 1
    assert (leaves, overdoses, safe_refused) == (1_024, 0, 0)
    assert granted > 2_000
    assert refused > 1_000


_KNOWN: dict[tuple[int, ...], bool] = {}


def _played(wanted: tuple[bool, ...]) -> list[bool]:
    """The verdict at each slot. What was given before decides it: each history is put to the guard once."""
    given: tuple[int, ...] = ()
    verdicts = []
    for i, pressed in enumerate(wanted):
        if not pressed:
            verdicts.append(False)
            continue
        if (*given, i) not in _KNOWN:
            _KNOWN[*given, i] = _verdict(given, i)
        verdicts.append(_KNOWN[*given, i])
        given = (*given, i) if verdicts[-1] else given
    return verdicts


def _verdict(given: tuple[int, ...], slot: int) -> bool:
    capabilities = replace(CAPABILITIES, step_nl=1, counter_unit_nl=1)
    bench = Bench(LIMITS, capabilities).confirmed()
    bench.pump.latency_ms = 0
    for i in range(slot):
        bench.at(i * SLOT)
        assert ask(bench, i in given)
    bench.at(slot * SLOT)
    return ask(bench, True)


def test_the_published_trace_is_stopped_at_its_third_bolus() -> None:
    """Pump started at 0, boluses wanted at 40, 80 and 120 min: the third would pass the limit by 0.5 mL later
    on.
    """
    capabilities = replace(CAPABILITIES, step_nl=1, counter_unit_nl=1)
    bench = Bench(LIMITS, capabilities).confirmed()
    bench.pump.latency_ms = 0
    assert ask(bench, False)
    answers = []
    for minute in (40, 80, 120):
        bench.at(minute * MINUTE)
        answers.append(ask(bench, True))
    assert answers == [True, True, False]
    bench.at(4 * HOUR)
    ask(bench, False)
    bench.at(8 * HOUR)
    worst = max(
        bench.pump.given(t) - bench.pump.given(t - WINDOW) for t in range(WINDOW, 8 * HOUR, 10 * MINUTE)
    )
    assert worst == 26_000
    assert bench.guard.worst("baclofen", 4) <= LIMIT + MARGIN
