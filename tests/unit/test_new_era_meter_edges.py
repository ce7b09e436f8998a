"""The edges of the meter: the last nanolitre that can have flowed, and what it remembers of the life before."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.new_era_codec import Counter
from pump_ctrl.drivers.new_era_meter import Meter
from tests.unit.test_new_era_meter import FASTEST, read, shown

MOST_1_S = 10_000  # nL


def at(nl: int, unit_nl: int = 1) -> Counter:
    return Counter(nl, 0, unit_nl)


def test_before_the_first_reading_nothing_is_known_and_any_is_plausible() -> None:
    meter = Meter(FASTEST)
    assert (meter.unit_nl, meter.total_nl, meter.counter_nl, meter.before_nl) == (1, 0, 0, 0)
    assert (meter.lives, meter.resets) == (0, 0)
    assert meter.is_plausible(at(9_999_000, 1_000), 0)
    assert meter.follow(at(9_999_000, 1_000), 0)
    assert (meter.unit_nl, meter.total_nl, meter.counter_nl) == (1_000, 9_999_000, 9_999_000)


@pytest.mark.parametrize("begun_s", [0, 5])
@pytest.mark.parametrize(
    ("after_ms", "rise", "plausible"),
    [
        (1_000, MOST_1_S, True),
        (1_000, MOST_1_S + 11, True),  # a unit at either end: 1 nL before, 10 nL now
        (1_000, MOST_1_S + 12, False),
        (1, 10 + 11, True),
        (1, 10 + 12, False),
        (0, 11, True),
        (0, 12, False),
        (-1_000, 11, True),  # a clock that went back adds nothing and takes nothing away
        (-1_000, 12, False),
    ],
)
def test_a_rise_is_plausible_up_to_the_fastest_flow_and_a_unit_at_either_end(
    begun_s: int, after_ms: int, rise: int, plausible: bool
) -> None:
    meter = Meter(FASTEST)
    read(meter, (begun_s, 5_000))
    counter = at(5_000 + rise, 10)
    assert meter.is_plausible(counter, begun_s * 1_000 + after_ms) is plausible
    assert meter.follow(counter, begun_s * 1_000 + after_ms) is plausible
    assert meter.total_nl == (5_000 + rise if plausible else 5_000)


def test_a_part_of_a_nanolitre_that_may_have_flowed_counts_as_a_whole_one() -> None:
    meter = Meter(1)  # nL/h
    meter.take(at(0), 0)
    assert meter.is_plausible(at(3), 1)
    assert not meter.is_plausible(at(4), 1)


@pytest.mark.parametrize(
    ("now_nl", "rolled"), [(0, True), (1_001, True), (1_002, False), (5_000_000, False), (9_989_000, False)]
)
def test_a_fall_is_a_roll_over_up_to_the_fastest_flow_and_behind_that_a_new_life(
    now_nl: int, rolled: bool
) -> None:
    """From 9990 uL to 10000 in 1 s, and a unit at either end: 1000 nL and 1 nL."""
    meter = Meter(FASTEST)
    read(meter, (0, 9_990_000))
    assert meter.is_plausible(at(now_nl), 1_000) is rolled
    meter.take(at(now_nl), 1_000)
    if rolled:
        assert (meter.total_nl, meter.lives, meter.resets) == (10_000_000 + now_nl, 0, 0)
    else:
        assert (meter.total_nl, meter.lives, meter.resets, meter.before_nl) == (now_nl, 1, 1, 9_990_000)
    assert meter.counter_nl == now_nl


def test_over_an_hour_the_fastest_flow_is_that_of_an_hour() -> None:
    meter = Meter(9_000_000)
    meter.take(at(0), 0)
    assert meter.is_plausible(at(9_000_002), 3_600_000)
    assert not meter.is_plausible(at(9_000_003), 3_600_000)


def test_after_a_whole_round_even_a_fall_by_a_nanolitre_may_be_a_roll_over() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_001))
    assert meter.is_plausible(at(5_000), 1_000_000)
    assert not meter.is_plausible(at(5_000), 999_000)


@pytest.mark.parametrize("beyond_nl", [1, 2_000_000, 9_000_000_000])
def test_a_counter_in_ml_that_falls_by_more_than_a_round_is_a_new_life(beyond_nl: int) -> None:
    """S-24. In mL it reads up to 9999 mL; a fall taken for a roll-over would lower the sum and hide a power-up."""
    meter = Meter(FASTEST)
    read(meter, (0, 0))
    meter.take(at(10_000_000 + beyond_nl, 10_000), 1_000)
    assert not meter.is_plausible(at(0, 1_000), 2_000)
    meter.take(at(0, 1_000), 2_000)
    assert (meter.total_nl, meter.lives, meter.resets) == (0, 1, 1)
    assert meter.before_nl == 10_000_000 + beyond_nl


def test_a_fall_that_is_not_plausible_is_not_followed_and_changes_nothing() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000_000))
    before = vars(meter).copy()
    assert not meter.follow(at(4_999_000, 1_000), 1_000)
    assert vars(meter) == before


def test_the_sum_goes_on_over_two_clears_and_a_roll_over() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000))
    for begun_s in (1, 3):
        meter.expect_clear()
        read(meter, (begun_s, 0), (begun_s + 1, 700))
    assert (meter.total_nl, meter.counter_nl) == (6_400, 700)
    assert read(meter, (2_000, 9_995_000), (2_001, 100)) == [6_400 - 700 + 9_995_000, 5_700 + 10_000_100]
    assert meter.follow(at(200), 2_002_000)
    assert (meter.total_nl, meter.lives) == (5_700 + 10_000_200, 0)


def test_the_leave_to_fall_holds_for_one_reading_whatever_that_shows() -> None:
    for nl in (0, 4_999, 5_000, 5_001):
        meter = Meter(FASTEST)
        read(meter, (0, 5_000))
        meter.expect_clear()
        assert meter.follow(at(nl), 100)
        assert meter.total_nl == (5_000 + nl if nl < 5_000 else nl)
        assert not meter.follow(at(max(0, nl - 1)), 200) or nl == 0


def test_a_rise_that_comes_where_a_clear_was_told_has_to_be_plausible_too() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000))
    meter.expect_clear()
    assert not meter.follow(at(5_000 + MOST_1_S + 3), 1_000)
    assert meter.follow(at(0), 1_000)  # the leave to fall is still there
    assert meter.total_nl == 5_000


def test_a_power_up_is_counted_and_a_life_only_if_something_was_read_in_it() -> None:
    meter = Meter(FASTEST)
    meter.power_up()
    meter.begin_anew()
    assert (meter.resets, meter.lives) == (1, 0)
    read(meter, (0, 5_000), (1, 6_000))
    meter.power_up()
    assert (meter.resets, meter.lives, meter.before_nl) == (2, 1, 6_000)
    assert (meter.total_nl, meter.counter_nl, meter.unit_nl) == (0, 0, 1)
    meter.power_up()
    assert (meter.resets, meter.lives, meter.before_nl) == (3, 1, 6_000)


def test_another_pump_begins_a_life_and_is_no_reset() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000))
    meter.expect_clear()
    read(meter, (1, 0), (2, 30))
    meter.expect_clear()
    meter.begin_anew()
    assert (meter.resets, meter.lives, meter.before_nl) == (0, 1, 5_030)
    assert read(meter, (3, 8_000)) == [8_000]
    assert not meter.is_plausible(shown(7_000), 4_000)  # the leave to fall was the other pump's
