"""D-14: the hold runs from the last sign of life in RUN, not from the last act of a person, who may be long gone."""

from __future__ import annotations

from pathlib import Path

from pump_ctrl.drivers.base import PumpState, PumpStatus
from pump_ctrl.therapy.plan import load_plan
from tests.whole_stack import DAY, HOUR, MINUTE, healthy


def test_after_a_quiet_month_a_hold_lasts_as_long_as_on_the_first_day() -> None:
    """Counted from when somebody last did something its time would have been over for 30 days."""
    stack = healthy(load_plan(Path("examples") / "a-flex-night-bolus.toml"))
    last = 30 * DAY + 6 * HOUR
    stack.run_to(last + MINUTE)  # the last record of a normal run is the poll
    stack.world.power_cycle()  # nothing runs any more
    stack.restart()
    stack.run_to(last + 2 * HOUR)
    status = stack.guard.read_status()
    assert isinstance(status, PumpStatus)
    assert status.state is PumpState.RUNNING
    holds = [
        record.data
        for record in stack.journal.records()
        if record.kind == "intent" and record.data["purpose"] == "hold"
    ]
    ends = [data["at"] + sum(step[2] for step in data["steps"]) for data in holds]
    assert last + 4 * HOUR - MINUTE <= max(ends) <= last + 4 * HOUR + MINUTE
