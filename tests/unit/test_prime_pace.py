"""D-12: a prime on a pump that could do it in half a second, and a STOP in it."""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from tests.driver_stacks import PUMPS, records
from tests.faults.pair_stand import Pair, PairStand
from tests.whole_stack import MINUTE

PRIME_NL = 200_000  # 12 min at 1 mL/h


def priming(pump: str) -> SimulatedStack:
    stack = PairStand(Pair(pump, "stop", "primed", "settle", 0, "settle", 0, 0)).stack
    stack.begin()
    while stack.controller.state is not State.PRIMING:
        stack.run_to(stack.elapsed_ms + 10)
    return stack


@pytest.mark.parametrize("pump", PUMPS)
def test_a_catheter_is_primed_in_12_minutes_by_any_pump(pump: str) -> None:
    stack = priming(pump)
    began = stack.elapsed_ms
    (prime,) = [data for data in records(stack, "intent") if data["purpose"] == "prime"]
    ((_, volume_nl, lasts_ms, _),) = prime["steps"]
    assert lasts_ms == 12 * MINUTE
    assert PRIME_NL - 200 <= volume_nl <= PRIME_NL
    stack.run_to(began + 6 * MINUTE)
    assert 98_000 <= stack.world.truth.counted_nl() <= 102_000


@pytest.mark.parametrize("after_ms", [0, 40, 200, 1_000])
@pytest.mark.parametrize("pump", PUMPS)
def test_a_stop_just_after_a_prime_began_is_no_disagreement(pump: str, after_ms: int) -> None:
    stack = priming(pump)
    stack.run_to(stack.elapsed_ms + after_ms)
    stack.ask("stop", RequestKind.STOP)
    stack.run_to(stack.elapsed_ms + MINUTE)
    assert stack.controller.state is State.STOPPED
    assert stack.guard.alarms == ()
