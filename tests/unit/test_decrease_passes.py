"""S-13, D-09: a decrease of the daily dose is never blocked, however large it is and however soon it comes."""

from __future__ import annotations

import pytest

from pump_ctrl.therapy.review import blocked
from tests.unit.review_bench import after, findings, plan


@pytest.mark.parametrize("rate", ["419 ug/day", "300 ug/day", "50 ug/day"])
def test_a_decrease_an_hour_after_the_plan_in_force_began_is_not_blocked(rate: str) -> None:
    """The rescue of an overdosed patient. An increase at that time is (``step-interval-hard``)."""
    hour_before = plan(rate="420 ug/day", start="2026-11-20T07:00")
    assert blocked(findings(after(hour_before, rate=rate))) == ()


def test_an_increase_at_that_time_is() -> None:
    hour_before = plan(rate="420 ug/day", start="2026-11-20T07:00")
    found = blocked(findings(after(hour_before, rate="421 ug/day")))
    assert {item.code for item in found} == {"step-interval-hard"}
