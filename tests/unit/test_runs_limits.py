"""What a pump can be told: its step, fastest and slowest flow, its own numbers, how many steps it holds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.runs import Limits
from tests.toy_pace import HOUR
from tests.unit.sums_kit import FINE, GRID, LIMITS, STEP, basal


def test_a_pump_of_which_nothing_more_is_said_has_no_numbers_of_its_own_and_counts_whole_nl() -> None:
    plain = Limits(STEP, 1_000_000, 13)
    assert (plain.grid, plain.least_nl_per_h, plain.counter_nl) == (None, 0, 1)
    assert not plain.stops_first
    assert GRID.stops_first


@pytest.mark.parametrize(("volume", "nl"), [(HOUR - 1, HOUR - 1), (HOUR, HOUR), (HOUR + 1, HOUR)])
def test_the_fastest_flow_is_the_most_of_an_hour(volume: int, nl: int) -> None:
    assert Limits(1, HOUR, 1).whole(volume, HOUR) == nl


@pytest.mark.parametrize(("volume", "nl"), [(Fraction(399, 2), 100), (200, 200), (99, 0), (-150, 0)])
def test_a_volume_is_told_in_whole_pump_steps_and_never_below_none(volume: Fraction, nl: int) -> None:
    assert LIMITS.whole(volume, HOUR) == LIMITS.floor(volume, HOUR) == nl


def test_a_pump_of_the_finest_steps_is_told_nothing_where_nothing_is_left() -> None:
    assert Limits(1, HOUR, 1).whole(Fraction(-5), HOUR) == 0


def test_a_pump_with_numbers_of_its_own_is_told_the_most_of_them_that_is_not_above() -> None:
    assert GRID.floor(Fraction(2_799, 2), HOUR) == 700
    assert GRID.whole(Fraction(2_799, 2), HOUR) == 1_300
    assert replace(GRID, max_nl_per_h=1_399).floor(2_000, HOUR) == 700


@pytest.mark.parametrize(
    ("least", "told"), [(0, 14), (27, 14), (28, 14), (29, 0)]
)  # 14 nL in half an hour are 28 nL/h
def test_a_flow_below_the_pumps_slowest_is_a_rest(least: int, told: int) -> None:
    assert replace(FINE, least_nl_per_h=least).floor(14, HOUR // 2) == told


def test_a_pump_without_a_slowest_flow_is_told_a_little_over_a_long_time() -> None:
    assert FINE.floor(7, 10 * HOUR) == 7


@pytest.mark.parametrize(
    ("carried", "whole", "parts"),
    [
        (Fraction(99_999, 1_000), 0, 0),
        (Fraction(100), 100, 1),
        (Fraction(301, 2), 100, 51),
        (Fraction(199), 100, 100),
        (Fraction(200), 200, 101),
        (Fraction(-250), 0, 0),
    ],
)
def test_so_much_is_lost_at_a_cut_that_less_than_a_pump_step_is_left(
    carried: Fraction, whole: int, parts: int
) -> None:
    """In whole steps, or to the nL on a pump whose counter shows parts of a step."""
    assert (LIMITS.lost(carried), GRID.lost(carried)) == (whole, parts)


def test_a_run_that_a_pump_takes_whole_takes_two_exchanges() -> None:
    spans = [basal(0, HOUR, 100_000), basal(HOUR, 2 * HOUR, 0)]
    assert (LIMITS.exchanges(spans), GRID.exchanges(spans)) == (2, 21)


def test_of_more_spans_than_a_pump_holds_the_first_are_told() -> None:
    spans = [basal(hour * HOUR, (hour + 1) * HOUR, 700) for hour in range(5)]
    assert GRID.fitting(spans) == spans[:3]
    assert LIMITS.fitting(spans) == spans


@pytest.mark.parametrize(
    ("volumes", "told"),
    [((7, 0, 0), 1), ((7, 0, 7), 3), ((0, 7, 0), 2), ((0, 0, 0), 1), ((0,), 1), ((7, 0, 0, 7), 1)],
)
def test_a_rest_at_the_end_is_not_told_unless_it_is_all(volumes: tuple[int, ...], told: int) -> None:
    spans = [basal(at * HOUR, (at + 1) * HOUR, nl) for at, nl in enumerate(volumes)]
    assert GRID.fitting(spans) == spans[:told]
