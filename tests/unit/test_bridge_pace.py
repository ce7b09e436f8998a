"""The basal while a bridge lasts (D-11): the previous plan's flow, then the lower of both plans'."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pump_ctrl.controller.runs import BridgePace
from tests.toy_pace import DAY, HOUR, ToyPace
from tests.unit.sums_kit import Steady

# The new plan's time 0 is the previous plan's 02:00. By the new plan's clock: the old flow is 20 uL/h up to 02:00,
# then 100; the new flow is 50 uL/h up to 03:00, then 200.
OLD = ToyPace((0, 480_000), (4 * HOUR, 2_400_000))
NEW = ToyPace((0, 1_200_000), (3 * HOUR, 4_800_000))


def bridge(until_ms: int | None) -> BridgePace:
    return BridgePace(OLD, 2 * HOUR, NEW, until_ms)


def ul_per_h(pace: BridgePace, at: int) -> Fraction:
    return pace.rate(at) * HOUR / 1_000


@pytest.mark.parametrize(
    ("at", "rate"),
    [(0, 20), (HOUR, 20), (2 * HOUR, 100), (2 * HOUR + HOUR // 2, 50), (3 * HOUR - 1, 50), (3 * HOUR, 100)],
)
def test_from_when_the_new_fluid_may_be_at_the_tip_the_lower_of_both_flows_goes(at: int, rate: int) -> None:
    assert ul_per_h(bridge(2 * HOUR + HOUR // 2), at) == rate


@pytest.mark.parametrize(("at", "rate"), [(HOUR, 20), (2 * HOUR, 100), (3 * HOUR, 100), (DAY - 1, 20)])
def test_until_then_the_previous_plans_flow_goes_even_above_the_new_plans(at: int, rate: int) -> None:
    assert ul_per_h(bridge(None), at) == rate


@pytest.mark.parametrize(
    ("until", "at", "change"),
    [
        (None, HOUR, 2 * HOUR),  # the previous plan's
        (None, 2 * HOUR, 3 * HOUR),  # the new plan's
        (HOUR, 0, HOUR),
        (HOUR, HOUR - 1, HOUR),
        (HOUR, HOUR, 2 * HOUR),
        (HOUR, HOUR + 1, 2 * HOUR),
        (2 * HOUR + 7, 2 * HOUR, 2 * HOUR + 7),
    ],
)
def test_the_flow_may_change_with_either_plan_and_with_the_rule(
    until: int | None, at: int, change: int
) -> None:
    assert bridge(until).next_change(at) == change


def test_two_plans_that_never_change_change_with_the_rule_only() -> None:
    steady = Steady(Fraction(1, 7)), 2 * HOUR, Steady(Fraction(1, 11))
    assert BridgePace(*steady, None).next_change(0) is None
    assert BridgePace(*steady, HOUR).next_change(0) == HOUR
    assert BridgePace(*steady, HOUR).next_change(HOUR) is None


@pytest.mark.parametrize(
    ("a", "b", "nl"),
    [
        (0, HOUR, 20_000),
        (HOUR, 3 * HOUR, 20_000 + 50_000 + 25_000),  # half an hour of 100, then of 50 uL/h
        (0, 4 * HOUR, 40_000 + 50_000 + 25_000 + 100_000),
        (HOUR, HOUR, 0),
        (2 * HOUR, HOUR, 0),
    ],
)
def test_what_is_due_in_a_bridge_is_the_sum_of_its_flows(a: int, b: int, nl: int) -> None:
    pace = bridge(2 * HOUR + HOUR // 2)
    assert pace.planned_basal_nl(a, b) == nl
    assert pace.planned_units(a, b) == nl * pace.unit


def test_what_is_due_is_a_whole_number_of_the_parts_of_both_plans() -> None:
    pace = BridgePace(Steady(Fraction(1, 7)), 0, Steady(Fraction(1, 11)), 5)
    assert pace.unit == 77
    assert pace.planned_basal_nl(0, 8) == Fraction(5, 7) + Fraction(3, 11)
    assert pace.planned_units(0, 8) == 5 * 11 + 3 * 7
