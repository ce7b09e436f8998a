"""D-14: whenever control is lost, the bounded hold that a plan asks for flows, up to its end and no longer.

The pump loses its power and its host dies at the same instant, so that nothing runs on that could hide a hold that
the guard denies, the controller forgets or the pump ends early. Which flow is due is worked out here, by the
minute, from the plan alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.machine import State
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.schedule import Schedule
from tests.strategies import MIXTURES, approved_changes, approved_plans
from tests.whole_stack import DAY, HOUR, MINUTE, STEP, check_ledger, check_sums, formulary, profile

DEEP = os.environ.get("PUMP_CTRL_HYPOTHESIS") == "deep"
FEW = settings(max_examples=300 if DEEP else 12, phases=(Phase.explicit, Phase.reuse, Phase.generate))
HOLDING = [mixture for mixture in MIXTURES if isinstance(mixture.on_loss, dict)]
SIGN_LATE = 5 * MINUTE + 2_000  # the last sign of life may be so old, and the first hold is told so late

# The death: so many ms from a moment of the second day at which the plan does something.
OFFSETS = st.sampled_from([-4 * HOUR, -HOUR, -5 * MINUTE, -1_000, 0, 1_000, 10 * MINUTE])


def died_at(schedule: Schedule, offset: int, number: int) -> int:
    """Near the ``number``-th change of the basal, or scheduled bolus, after the first day."""
    at = DAY
    for _ in range(number):
        slot, change = schedule.next_slot(at + 1), schedule.next_change(at)
        at = min([at + DAY, *([slot.at_ms] if slot else []), *([change] if change else [])])
    return at + offset


def held(schedule: Schedule, previous: Schedule | None, shift: int, a: int, b: int) -> Fraction:
    """What a hold over [a, b) gives, nL: at each instant the lowest rate of all, or the plan's own if that is 0."""
    total, at = Fraction(0), a
    while at < b:
        plans = [(schedule, at), *([(previous, at + shift)] if previous else [])]
        ends = [b, *(change - t + at for plan, t in plans if (change := plan.next_change(t)) is not None)]
        rates = [plan.rate(t) for plan, t in plans]
        highest = min(plan.hold_rate(t) for plan, t in plans)
        total += min(highest, *rates) * (min(ends) - at)
        at = min(ends)
    return total


def changes(stack: SimulatedStack, at_ms: int, until_ms: int) -> Iterator[int]:
    """When the flow changes meanwhile."""
    schedule = Schedule(stack.plan, stack.profile)
    at = schedule.next_change(at_ms)
    while at is not None and at < until_ms:
        yield at
        at = schedule.next_change(at)


def holds_of(stack: SimulatedStack) -> list[dict[str, Any]]:
    intents = [record.data for record in stack.journal.records() if record.kind == "intent"]
    return [data for data in intents if data["purpose"] == "hold"]


def lose_control(stack: SimulatedStack, at_ms: int) -> None:
    """Power and host fail together; the host is back at once, the person only after the hold."""
    stack.run_to(at_ms)
    assume(stack.controller.state in (State.RUNNING, State.BOLUS, State.READY))
    stack.die()
    stack.world.power_cycle()
    stack.restart()


def longest_ms(plan: DosingPlan) -> int:
    assert plan.on_loss is not None
    assert plan.on_loss.hold is not None
    return plan.on_loss.hold.ms


def holds_as_asked(stack: SimulatedStack, at_ms: int, until_ms: int, due: Fraction, late: Fraction) -> None:
    before = stack.world.truth.counted_nl()
    stack.run_to(until_ms + 1_000)
    flowed = stack.world.truth.counted_nl() - before
    told = holds_of(stack)
    assert all(data["at"] + sum(ms for _, _, ms, _ in data["steps"]) <= until_ms for data in told)
    parts = sum(1 for _ in changes(stack, at_ms, until_ms)) + len(told)
    slack = late + STEP * (1 + parts)  # no step gives more than is due in it
    assert due - slack <= flowed <= due, f"{float(due)} nL due in the hold, {flowed} nL flowed"
    stack.run_to(until_ms + 6 * HOUR)
    assert stack.world.truth.counted_nl() - before == flowed, "it goes on after its end"
    stack.confirm()
    stack.run_to(until_ms + DAY)
    check_ledger(stack)
    check_sums(stack)


@FEW
@given(approved_plans(mixtures=HOLDING), OFFSETS, st.integers(1, 6))
def test_the_hold_of_any_plan_flows_wherever_the_plan_does(
    plan: DosingPlan, offset: int, number: int
) -> None:
    stack = SimulatedStack(plan, profile(plan.pump), formulary())
    stack.begin()
    schedule = Schedule(plan, stack.profile)
    at_ms = died_at(schedule, offset, number)
    lose_control(stack, at_ms)
    until_ms = at_ms + longest_ms(plan)
    due, late = (held(schedule, None, 0, a, until_ms) for a in (at_ms, until_ms - SIGN_LATE))
    holds_as_asked(stack, at_ms, until_ms, due, late)


@FEW
@given(approved_changes(), st.sampled_from([HOUR, 5 * HOUR, 13 * HOUR, 21 * HOUR]))
def test_while_a_bridge_lasts_the_hold_is_that_of_the_lower_plan(
    plans: tuple[DosingPlan, DosingPlan], at_ms: int
) -> None:
    previous, plan = plans
    stack = SimulatedStack(plan, profile(plan.pump), formulary(), previous=previous)
    stack.begin()
    stack.run_to(at_ms)
    assume(stack.controller.bridging)
    lose_control(stack, at_ms)
    schedule, old = Schedule(plan, stack.profile), Schedule(previous, stack.profile)
    shift = plan.start_utc_ms - previous.start_utc_ms
    assume(stack.controller.bridging)
    until_ms = at_ms + longest_ms(plan)
    due, late = (held(schedule, old, shift, a, until_ms) for a in (at_ms, until_ms - SIGN_LATE))
    holds_as_asked(stack, at_ms, until_ms, due, late)
