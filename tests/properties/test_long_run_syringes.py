"""Worked plan A on a New Era and on a Harvard pump, for days and for 90 of them, looked at after every turn.

Planned, commanded and missed add up to less than one pump step; the truth lies within the ledger, now and in the end;
every part of ``missed`` has its name, and the pump never gives more than the plan asks.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.totals import BESIDE, GRID, STILL
from pump_ctrl.therapy.plan import plan_from
from tests.driver_stacks import (
    boluses,
    check_gaps_are_named,
    check_ledger,
    check_sums,
    missed_by_name,
    records,
    turns,
)
from tests.whole_stack import DAY, formulary, profile, sums_now

EXAMPLES = Path(__file__).parents[2] / "examples"
# Plan, policy; and for a day: nL missed by name at the most, and commands.
A_DAY = {
    ("a-bench-twin", "stop"): ({BESIDE: 10, GRID: 120, "pump gave less than told": 20}, 2),
    ("a-bench-twin", "4 h"): (
        {STILL: 200, BESIDE: 10, "part of a step, at a cut": 50, "pump gave less than told": 20, GRID: 100},
        30,
    ),
    ("a-bench-harvard", "4 h"): (
        {STILL: 40, BESIDE: 3, "run came late": 6, "part of a step, at a cut": 10, "pump gave less than told": 3,
         "run ended without a successor": 6},
        30,
    ),
}  # fmt: skip
AT_THE_START = {"not yet started": 10, "run came late": 30, "pump gave less than told": 100}


def life(name: str, policy: str, days: int) -> SimulatedStack:
    """So many days, with a refill every three weeks."""
    values = tomllib.loads((EXAMPLES / f"{name}.toml").read_text())
    values["on_loss"] = "stop" if policy == "stop" else {"hold": policy}
    plan = plan_from(values)
    stack = SimulatedStack(plan, profile(plan.pump), formulary())
    stack.begin()
    for day in range(1, days + 1):
        turns(stack, day * DAY, check)
        if stack.world.truth.reservoir_nl() < 2_000_000:
            stack.refill()
    return stack


def check(stack: SimulatedStack) -> None:
    check_sums(stack)
    check_ledger(stack)


def judge(stack: SimulatedStack, name: str, policy: str, days: int) -> None:
    planned, commanded, missed = sums_now(stack)
    counted, step = stack.world.truth.counted_nl(), stack.profile.step.nl
    assert planned == days * 400_000
    assert abs(planned - commanded - missed) < step
    assert counted <= planned
    most, commands = A_DAY[name, policy]
    assert planned - counted < days * sum(most.values()) + 100
    assert len(records(stack, "intent")) <= days * commands
    by_name = missed_by_name(stack)
    bounds = {why: days * most.get(why, 0) + AT_THE_START.get(why, 0) for why in by_name}
    assert all(volume <= bounds[why] for why, volume in by_name.items()), by_name
    check_gaps_are_named(stack)
    assert boluses(stack) == ["delivered"] * days
    assert [alarm.row.code for alarm in stack.guard.alarms] == []
    assert records(stack, "alarm") == []


@pytest.mark.parametrize(("name", "policy"), A_DAY)
def test_three_days_add_up_with_every_gap_named(name: str, policy: str) -> None:
    judge(life(name, policy, 3), name, policy, 3)


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "policy"), A_DAY)
def test_ninety_days_add_up_with_every_gap_named(name: str, policy: str) -> None:
    judge(life(name, policy, 90), name, policy, 90)
