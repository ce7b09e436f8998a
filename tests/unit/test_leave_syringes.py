"""A process that is asked to end on a bench pump: the hold that it leaves lasts as long as plan and D-14 allow, ends by
itself, and is what the process says. Times ms, volumes nL; the plan's lowest rate is 12.5 uL/h.
"""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.machine import State
from tests.driver_stacks import Kind, check_ledger, check_sums, records, stack_of
from tests.whole_stack import HOUR, MINUTE

HOLDS = [Kind(pump, "4 h") for pump in ("ne-1000-bd-10ml", "pump-11-elite-bd-10ml", "implant-40")]
STOPS = [Kind(kind.pump, "stop") for kind in HOLDS]
HOLD, RATE = 4 * HOUR, 12_500
SLACK = 30_000  # a hold may be so much shorter: it is told with time to spare, and numbers have few digits


def ran(kind: Kind, until: int) -> SimulatedStack:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(until)
    return stack


def counted(stack: SimulatedStack) -> int:
    return stack.world.truth.counted_nl()


@pytest.mark.parametrize("at", [40 * MINUTE, 5 * HOUR + 50 * MINUTE], ids=str)
@pytest.mark.parametrize("kind", HOLDS, ids=str)
def test_the_hold_lasts_as_long_as_the_plan_says_and_is_what_is_told(kind: Kind, at: int) -> None:
    """At 40 min the plan rises within the hold: a Harvard pump, which takes one step, is told all of it."""
    stack = ran(kind, at)
    stack.runner.leave()
    run, before = stack.controller.run, counted(stack)
    assert run is not None
    assert run.purpose == "hold"
    assert at + HOLD - SLACK <= run.to_ms <= at + HOLD
    told = counted(stack) - before
    stack.clock.advance(run.to_ms - stack.elapsed_ms - MINUTE)
    last_minute = counted(stack) - before
    stack.clock.advance(2 * MINUTE)
    end = counted(stack) - before
    assert told <= last_minute < end  # it ran until then
    assert RATE * (HOLD - SLACK) // HOUR - 200 <= end <= RATE * 4
    stack.clock.advance(24 * HOUR)
    assert counted(stack) - before == end
    check_ledger(stack)


@pytest.mark.parametrize("kind", HOLDS, ids=str)
def test_the_next_life_leaves_the_hold_alone_until_somebody_confirms(kind: Kind) -> None:
    stack = ran(kind, 5 * HOUR)
    stack.runner.leave()
    stops = len(records(stack, "stop"))
    stack.clock.advance(HOUR)
    stack.restart()
    assert stack.controller.state is State.WAITING
    assert len(records(stack, "stop")) == stops
    before = counted(stack)
    stack.run_to(stack.elapsed_ms + HOUR)
    assert counted(stack) - before >= RATE - 200
    stack.confirm()
    stack.run_to(stack.elapsed_ms + HOUR)
    assert stack.controller.state is State.RUNNING
    assert boluses_twice(stack) == 0
    check_ledger(stack)
    check_sums(stack)


def boluses_twice(stack: SimulatedStack) -> int:
    ids = [data["id"] for data in records(stack, "bolus")]
    return len(ids) - len(set(ids))


@pytest.mark.parametrize("kind", STOPS, ids=str)
def test_a_plan_that_says_stop_leaves_nothing_running(kind: Kind) -> None:
    stack = ran(kind, 5 * HOUR)
    stack.runner.leave()
    assert stack.controller.run is None
    before = counted(stack)
    stack.clock.advance(24 * HOUR)
    assert counted(stack) == before
    check_sums(stack)
