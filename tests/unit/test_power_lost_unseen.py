"""The pump loses its power while no controller runs: a person is told, and the books go by time (D-02, D-13, S-31)."""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from sim.faults import Fault
from tests.driver_stacks import PUMPS, Kind, check_gaps_are_named, check_ledger, check_sums, records, stack_of
from tests.whole_stack import MINUTE

HARVARD = Kind(PUMPS[2], "stop")


def left_for(stack: SimulatedStack, ms: int, *, power: bool) -> None:
    """The controller dies after 20 min of 12.5 uL/h, and the pump's power with it; ``ms`` later it is started again."""
    stack.begin()
    stack.run_to(20 * MINUTE)
    stack.die()
    if not power:
        stack.world.power_cycle()
    stack.clock.advance(ms)
    stack.restart()


def told(stack: SimulatedStack) -> list[str]:
    return [alarm.row.code for alarm in stack.guard.alarms]


@pytest.mark.parametrize("pump", PUMPS)
@pytest.mark.parametrize("power", [True, False])
def test_a_pump_that_lost_its_power_while_no_controller_ran_is_told_after_the_start(
    pump: str, power: bool
) -> None:
    stack = stack_of(Kind(pump, "stop"))
    left_for(stack, 2 * MINUTE, power=power)
    assert ("pump-reset" in told(stack)) is not power
    stack.run_to(stack.elapsed_ms + MINUTE)
    stack.runner.acknowledge("a person")
    assert "pump-reset" not in told(stack), "it has power, and somebody has seen the alarm"


def test_a_used_pump_on_a_new_journal_raises_no_such_alarm() -> None:
    stack = stack_of(HARVARD)
    stack.begin()
    assert told(stack) == []


def test_what_a_harvard_pump_gave_before_its_power_was_lost_is_not_called_missed() -> None:
    stack = stack_of(HARVARD)
    left_for(stack, 0, power=False)
    stack.run_to(stack.elapsed_ms + MINUTE)
    (cut,) = records(stack, "cut")
    assert 4_100 < cut["given"] <= stack.world.truth.counted_nl() + stack.profile.step.nl
    check_sums(stack)
    check_ledger(stack)
    check_gaps_are_named(stack)


def test_the_counter_of_a_harvard_pump_that_kept_its_power_is_believed() -> None:
    """The plug of its motor, not of its power: it stalled after 20 min, and what it did not give is missed."""
    stack = stack_of(HARVARD)
    stack.begin()
    stack.run_to(20 * MINUTE)
    stack.die()
    stack.world.inject(Fault.parse(f"stall@{20 * MINUTE}ms"))
    stack.clock.advance(10 * MINUTE)
    given = stack.world.truth.counted_nl()
    stack.restart()
    stack.run_to(stack.elapsed_ms + MINUTE)
    assert abs(records(stack, "cut")[-1]["given"] - given) <= stack.profile.step.nl
