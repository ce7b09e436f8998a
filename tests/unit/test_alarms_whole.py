"""Alarms through the whole stack: who raises them on which pump, and what a person reads of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.cli.main import cli
from pump_ctrl.cli.run_text import status_lines
from pump_ctrl.cli.simulate_text import Times, alarms
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from tests.unit.live_kit import VALUES, DeskBench
from tests.whole_stack import DAY, HOUR, healthy

SYRINGES = ("ne-1000-bd-10ml", "pump-11-elite-bd-10ml")


def nearly_empty(pump: str) -> DosingPlan:
    """1.2 mL with an alarm at 1 mL and 192 uL a day: it runs low after 25 h."""
    reservoir = {**VALUES["reservoir"], "filled": "1.2 mL", "residual": ["0 mL", "0 mL"], "alarm": "1 mL"}
    return plan_from({**VALUES, "pump": pump, "reservoir": reservoir})


def active(stack: SimulatedStack) -> list[str]:
    return [alarm.row.code for alarm in stack.guard.alarms]


@pytest.mark.parametrize("pump", SYRINGES)
def test_a_syringe_that_runs_low_is_told_though_its_pump_does_not_know(pump: str) -> None:
    """REQ18: the ledger knows. Nothing is forbidden by it."""
    stack = healthy(nearly_empty(pump))
    stack.run_to(DAY)
    assert active(stack) == []
    stack.run_to(DAY + 2 * HOUR)
    assert active(stack) == ["reservoir-low"]
    given = stack.world.truth.counted_nl()
    stack.run_to(DAY + 4 * HOUR)
    assert stack.world.truth.counted_nl() - given == pytest.approx(2 * 8_000, abs=200)
    assert active(stack) == ["reservoir-low"]


def test_the_status_says_at_which_volume_the_reservoir_runs_low(tmp_path: Path) -> None:
    bench = DeskBench(nearly_empty(SYRINGES[0]), tmp_path / "j.jsonl")
    bench.stack.run_to(DAY + 2 * HOUR)
    found = bench.status()
    assert found["reservoir_nl"]["alarm"] == 1_000_000
    assert 900_000 < found["reservoir_nl"]["low"] < 1_000_000
    lines = "\n".join(status_lines(found, bench.path))
    assert "; low when 1.000 mL or less is sure" in lines
    assert "ALARM reservoir-low (medium" in lines
    assert "pump-ctrl refill --by NAME --found VOLUME" in lines


def test_a_simulated_run_says_what_its_alarms_mean() -> None:
    run = [{"code": "reservoir-low", "priority": "medium", "raised_at_s": 90_000, "cleared_at_s": None}]
    lines = alarms(run, Times(nearly_empty(SYRINGES[0])))
    assert "reservoir-low  medium        1  21 Nov 09:00:00  still there" in lines
    assert lines[-1] == "reservoir-low  no more than the alarm volume is surely left in the reservoir"


def test_a_plan_says_at_which_volume_its_alarm_comes() -> None:
    result = CliRunner().invoke(cli, ["plan", "show", "examples/a-bench-twin.toml"])
    assert "reservoir-low: by the record, no more than 1 mL is surely left" in result.output
