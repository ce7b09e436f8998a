"""Pumps that are stopped before they are told anything, on the whole stack: refusals, rests, plans that hold."""

from __future__ import annotations

import tomllib

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.due import TOO_LITTLE
from pump_ctrl.controller.machine import State
from pump_ctrl.therapy.plan import plan_from
from sim.faults import Fault
from tests.driver_stacks import (
    KINDS,
    PLAN,
    SLOT,
    Kind,
    check_gaps_are_named,
    check_ledger,
    check_sums,
    missed_by_name,
    records,
    stack_of,
)
from tests.refusals import refused
from tests.whole_stack import MINUTE, formulary, profile

STOPPED_FIRST = [kind for kind in KINDS if not kind.pump.startswith("implant")]


@pytest.mark.parametrize("kind", STOPPED_FIRST, ids=str)
def test_a_refusal_of_a_pump_that_was_stopped_for_it_closes_the_old_run_at_once(kind: Kind) -> None:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(SLOT - 1)
    lost = 3 if kind.pump.startswith("ne-1000") else 1  # its driver asks who is there, and then reads back
    stack.wire.inject(
        Fault.parse(f"lose-reply@{SLOT + 110}ms:type=any,count={lost}")
    )  # the pump stands still by then
    while not [data for data in records(stack, "outcome") if data["what"] == "refused"]:
        assert stack.elapsed_ms < SLOT + MINUTE
        stack.run_to(stack.elapsed_ms + 100)
    assert records(stack, "outcome")[-1]["stands"] is True
    assert stack.controller.run is None
    assert records(stack, "cut")[-1]["why"].startswith("refused: ")
    counted = stack.world.truth.counted_nl()
    assert stack.guard.high_nl - counted <= 200, "the guard still counts what cannot come any more"
    assert stack.controller.state is State.READY
    stack.run_to(SLOT + 4 * MINUTE)
    assert records(stack, "outcome")[-1]["what"] == "acked"  # tried again, within the time of the slot
    assert stack.controller.state is State.BOLUS
    check_ledger(stack)
    check_sums(stack)
    check_gaps_are_named(stack)


def test_a_rest_on_a_pump_that_stands_still_for_it_has_not_ended_early() -> None:
    """1 uL/h is slower than the plunger can: each hour is a rest, told to nobody, and named as what it is."""
    kind = next(kind for kind in STOPPED_FIRST if kind.pump.startswith("pump-11"))
    values = tomllib.loads(PLAN.format(pump=kind.pump, on_loss='"stop"', filled="10 mL"))
    values["basal"] = {"steps": [{"from": "00:00", "rate": "1 ug/h"}, {"from": "09:10", "rate": "20 ug/h"}]}
    stack = SimulatedStack(plan_from(values), profile(kind.pump), formulary())
    stack.begin()
    stack.run_to(SLOT - 1)
    assert records(stack, "intent") == []
    assert stack.world.truth.counted_nl() == 0
    stack.run_to(75 * MINUTE)
    check_sums(stack)
    check_gaps_are_named(stack)
    assert missed_by_name(stack)[TOO_LITTLE] > 400


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.on_loss == "stop"], ids=str)
def test_a_pump_that_was_set_to_stop_takes_no_plan_that_holds_until_it_is_started_with_it(kind: Kind) -> None:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(10 * MINUTE)
    filled = "10 mL" if profile(kind.pump).kind == "syringe" else "40 mL"
    values = tomllib.loads(PLAN.format(pump=kind.pump, on_loss='{ hold = "4 h" }', filled=filled))
    after = plan_from({**values, "previous": stack.plan.sha256})
    if profile(kind.pump).protocol != "new-era":
        assert stack.load(after)
        return
    with refused("load-refused", "on_loss"):
        stack.load(after)
    assert stack.controller.state is State.RUNNING
