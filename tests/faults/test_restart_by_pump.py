"""D-13 on every kind of pump: a run that is proven goes on under a plan that holds; any other is stopped."""

from __future__ import annotations

import pytest

from pump_ctrl.controller.machine import State
from sim.faults import Fault
from tests.driver_stacks import (
    KINDS,
    SLOT,
    Kind,
    check_gaps_are_named,
    check_ledger,
    check_sums,
    confirmed,
    records,
    stack_of,
)
from tests.whole_stack import HOUR, MINUTE, sums_now

HOLDS = [kind for kind in KINDS if kind.on_loss != "stop"]
STOPS = [kind for kind in KINDS if kind.on_loss == "stop"]


@pytest.mark.parametrize("at", [MINUTE, 20 * MINUTE, SLOT + 10 * MINUTE, SLOT + 25 * MINUTE])
@pytest.mark.parametrize("kind", HOLDS, ids=str)
def test_under_a_hold_a_run_that_is_proven_goes_on_over_a_restart(kind: Kind, at: int) -> None:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(at)
    stack.restart()
    given = stack.world.truth.counted_nl()
    assert records(stack, "stop") == []
    stack.run_to(at + 4 * MINUTE)
    assert stack.world.truth.counted_nl() > given
    assert confirmed(stack)
    stack.run_to(SLOT + HOUR)
    check_ledger(stack)
    check_sums(stack)
    check_gaps_are_named(stack)
    assert [data["outcome"] for data in records(stack, "bolus")] == ["delivered"]
    assert abs(stack.world.truth.counted_nl() - sums_now(stack)[1]) < 100


@pytest.mark.parametrize("at", [MINUTE, 20 * MINUTE, SLOT + 10 * MINUTE])
@pytest.mark.parametrize("kind", STOPS, ids=str)
def test_under_stop_nothing_flows_after_a_restart_until_a_person_confirms(kind: Kind, at: int) -> None:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(at)
    stack.restart()
    given = stack.world.truth.counted_nl()
    stack.run_to(at + 4 * MINUTE)
    assert stack.world.truth.counted_nl() - given <= stack.profile.step.nl
    assert stack.controller.state is State.WAITING
    assert confirmed(stack)
    stack.run_to(SLOT + HOUR)
    check_ledger(stack)
    check_sums(stack)
    check_gaps_are_named(stack)


@pytest.mark.parametrize("mishap", ["power-loss", "runaway:factor=20", "counter-reset:value_nl=400000"])
def test_a_new_era_pump_whose_counter_has_not_grown_as_it_must_have_is_stopped_and_then_holds(
    mishap: str,
) -> None:
    """It cannot show what it runs: model, prompt and counter have to agree with the last command."""
    kind = next(kind for kind in HOLDS if kind.pump.startswith("ne-1000"))
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(10 * MINUTE)
    stack.die()
    name, _, params = mishap.partition(":")
    stack.world.inject(Fault.parse(f"{name}@0" + (f":{params}" if params else "")))
    stack.clock.advance(10 * MINUTE)
    stack.restart()
    assert {data["what"] for data in records(stack, "stop")} == {"acked"}
    stack.world.inject(Fault.parse("runaway@0:factor=1"))
    check_sums(stack)
    assert stack.guard.high_nl >= stack.world.truth.counted_nl(), (
        "what flowed while nobody looked is not counted"
    )
    unseen = {alarm.row.code for alarm in stack.guard.alarms} & {"over-delivery"}
    assert unseen or mishap == "power-loss"


def test_a_pump_without_a_serial_number_is_told_so_in_the_reconciliation_and_by_its_firmware() -> None:
    kind = next(kind for kind in STOPS if kind.pump.startswith("ne-1000"))
    stack = stack_of(kind)
    assert "no serial number" in stack.reconciliation.words
    stack.begin()
    assert records(stack, "confirm")[0]["pump"] == "NE1000 V3.923, no serial number"
