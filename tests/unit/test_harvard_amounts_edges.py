"""The edges of the Harvard family's numbers: every unit of the document, six digits and not seven, the last ms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.drivers.harvard_amounts import (
    RunSetting,
    achievable_step,
    grid_of,
    parse_diameter,
    parse_range,
    parse_rate,
    parse_volume,
    rate_down,
    rate_text,
    rate_up,
    setting_for,
    volume_text,
)
from pump_ctrl.errors import WireError
from tests.unit.harvard_kit import SETTINGS
from tests.unit.harvard_page import HOUR

UNITS_FL = {"ml": 10**12, "ul": 10**9, "nl": 10**6, "pl": 10**3}
TIMES_S = {"h": 3_600, "hr": 3_600, "m": 60, "min": 60, "s": 1, "sec": 1}


# ---- words, section 3 of the document ----


@pytest.mark.parametrize("unit", UNITS_FL)
def test_every_unit_of_volume_is_read_in_small_letters_and_in_capitals(unit: str) -> None:
    for said in (unit, unit.upper()):
        assert parse_volume(f"2.5 {said}") == parse_volume(f"2.5{said}") == 25 * UNITS_FL[unit] // 10


@pytest.mark.parametrize("unit", UNITS_FL)
@pytest.mark.parametrize("time", TIMES_S)
def test_every_unit_of_rate_is_read_whole_or_by_its_first_letter(unit: str, time: str) -> None:
    fl_per_h = 25 * UNITS_FL[unit] // 10 * 3_600 // TIMES_S[time]
    for said in (f"{unit}/{time}", f"{unit[0]}/{time}", f"{unit}/{time}".upper()):
        assert parse_rate(f"2.5 {said}") == fl_per_h


@pytest.mark.parametrize(
    ("text", "fl"),
    [("0 ul", 0), ("0.9999 pl", 999), ("0.0009 pl", 0), ("0.000000000001 ml", 1), ("1.0019 pl", 1_001)],
)
def test_a_part_of_a_femtolitre_is_left_out(text: str, fl: int) -> None:
    assert parse_volume(text) == fl


def test_a_rate_is_rounded_down_once_and_at_the_end() -> None:
    assert parse_rate("0.0333 pl/min") == 1_998  # 33.3 fL a minute
    assert parse_rate("0.001 pl/hr") == 1
    assert parse_rate("0.0009 pl/hr") == 0


@pytest.mark.parametrize(
    "text",
    ["", "1", "1 ul", "1 ul/", "1 ul/d", "1 l/min", "1 ul min", "-1 ul/min", "1 ul/min ", "1 ul/minute"],
)
def test_what_is_no_rate_is_an_error(text: str) -> None:
    with pytest.raises(WireError):
        parse_rate(text)


@pytest.mark.parametrize(
    "text", ["", "1 ul/min", "1 ul/min to", "1 ul/min to 2", "1 ul/min-2 ul/min", "1 ul/min to 2 ul/min to 3 ul/min"]
)  # fmt: skip
def test_what_is_no_range_is_an_error(text: str) -> None:
    with pytest.raises(WireError):
        parse_range(text)


@pytest.mark.parametrize(
    ("text", "tenths"), [("7.262", 72_620), ("14.4300 mm", 144_300), ("14.43MM", 144_300), ("33", 330_000)]
)
def test_a_diameter_is_read_with_and_without_its_unit(text: str, tenths: int) -> None:
    assert parse_diameter(text) == tenths


@pytest.mark.parametrize("text", ["", "mm", "14.43 cm", "14.43 mm ", "-1 mm", ".5 mm"])
def test_what_is_no_diameter_is_an_error(text: str) -> None:
    with pytest.raises(WireError):
        parse_diameter(text)


@pytest.mark.parametrize(
    ("fl", "text"),
    [
        (1, "0.000001 nl"), (999_999, "0.999999 nl"), (10**6, "1 nl"), (999_999_000, "999.999 nl"),
        (10**9, "1 ul"), (10**12 - 10**6, "999.999 ul"), (10**12, "1 ml"), (10**12 + 10**7, "1.00001 ml"),
        (10**12 + 10**6, None), (1_000_001, None), (1_000_010, "1.00001 nl"),
    ],
)  # fmt: skip
def test_a_volume_is_said_in_the_largest_unit_of_which_it_is_one_or_more(fl: int, text: str | None) -> None:
    assert volume_text(fl) == text


@pytest.mark.parametrize(
    ("fl_per_h", "text"),
    [
        (60, "0.000001 nl/min"), (59, "0.000059 nl/hr"), (1, "0.000001 nl/hr"), (0, None), (-60, None),
        (60 * 999_999, "0.999999 nl/min"), (60 * 1_000_001, None), (60 * 1_000_010, "1.00001 nl/min"),
    ],
)  # fmt: skip
def test_a_rate_is_said_down_to_a_femtolitre(fl_per_h: int, text: str | None) -> None:
    assert rate_text(fl_per_h) == text


# ---- rounding: 20 uL in an hour and 1 ms is 333.333 nl/min, and a bit ----


def test_the_rates_on_either_side_are_those_of_the_finest_unit_of_time_that_says_them() -> None:
    """19.99999444 uL/h: 19.9999 a 20 ul/hr, 333.333 a 333.334 nl/min, 5.55555 a 5.55556 nl/s."""
    assert rate_down(20_000, HOUR + 1) == 333_333_000 * 60
    assert rate_up(20_000, HOUR + 1) == 20_000 * 10**6
    assert rate_down(20_000, HOUR) == rate_up(20_000, HOUR) == 20_000 * 10**6


def test_a_volume_that_no_time_makes_even_is_rounded_by_a_femtolitre_at_the_least() -> None:
    assert (rate_down(1, 86_400_000), rate_up(1, 86_400_000)) == (41_666, 41_667)  # 0.041666... nl/hr


@pytest.mark.parametrize(
    ("volume", "duration", "fl_per_h"),
    [
        # 1.234567 ml/min, 74.07402 ml/hr, 20.576... ul/s: each has to be rounded up, 74.0741 ml/hr is the least
        (1_234_567, 60_000, 74_074_100 * 10**6),
        # 1.000001 nl/s, 60.00006 nl/min, 3.6000036 ul/hr: 60.0001 nl/min is the least
        (1_000_001, 10**9, 3_600_006_000),
        # 999 fl/s and a bit of 1 fl: 3.59641 nl/hr is the least
        (1, 1_001_001, 3_596_410),
    ],
)
def test_a_rate_that_would_end_late_by_any_part_is_rounded_up(
    volume: int, duration: int, fl_per_h: int
) -> None:
    assert rate_up(volume, duration) == fl_per_h
    assert fl_per_h * duration >= volume * 10**6 * HOUR


# ---- steps: whole pump steps of 20 nL ----


@pytest.mark.parametrize(
    ("volume", "duration", "told", "takes"),
    [
        (20, HOUR, 20, HOUR),
        (19, HOUR, 0, HOUR),
        (39, HOUR, 20, HOUR),
        (0, 1, 0, 1),
        (20, 1, 20, 1),  # 72 ml/hr
        (999_980, HOUR, 999_980, HOUR),
        (1_000_010, HOUR, 1_000_000, HOUR),  # seven digits: tens of nL, in steps of 20
        (1_000_020, HOUR, 1_000_020, HOUR),
        (1_234_567, HOUR, 1_234_560, HOUR),
    ],
)
def test_a_step_is_whole_pump_steps_in_six_digits(volume: int, duration: int, told: int, takes: int) -> None:
    assert achievable_step(volume, duration, SETTINGS) == (told, takes)


@pytest.mark.parametrize(
    ("volume", "step", "told"), [(1_000_019, 15, 1_000_010 // 30 * 30), (9_999_999, 7, 9_999_990 // 70 * 70)]
)
def test_a_volume_of_seven_digits_is_whole_tens_and_whole_pump_steps_at_once(
    volume: int, step: int, told: int
) -> None:
    assert achievable_step(volume, HOUR, replace(SETTINGS, step_nl=step)) == (told, HOUR)


@pytest.mark.parametrize(
    ("volume", "duration"),
    [
        (20, HOUR), (999_980, HOUR), (1_000_020, HOUR), (20_000, 30 * 60_000),
        (20_000, HOUR + 1),  # 20 ul/hr ends it 1 ms early: less than a pump step
    ],
)  # fmt: skip
def test_a_step_that_can_be_said_is_set_to_its_volume_and_the_slowest_rate(
    volume: int, duration: int
) -> None:
    rate = {HOUR: volume, 30 * 60_000: 2 * volume, HOUR + 1: volume}[duration]
    assert setting_for(volume, duration, SETTINGS) == RunSetting(rate * 10**6, volume * 10**6)


def test_one_pump_step_of_one_nanolitre_is_taken_and_nothing_is_not() -> None:
    fine = replace(SETTINGS, step_nl=1)
    assert setting_for(1, HOUR, fine) == RunSetting(10**6, 10**6)
    assert setting_for(0, HOUR, fine) is None
    assert setting_for(-1, HOUR, fine) is None


@pytest.mark.parametrize(("step", "taken"), [(20, False), (50, True)])
def test_a_step_that_ends_a_whole_pump_step_early_is_not_taken(step: int, taken: bool) -> None:
    """10.0008 ml/hr, the next rate that can be said, gives 9000.72 ul in this time: 20 nL more."""
    setting = setting_for(9_000_700, 3_240_000, replace(SETTINGS, step_nl=step))
    assert (setting is not None) is taken


def test_the_fastest_flow_is_taken_and_a_pump_step_an_hour_more_is_not() -> None:
    slow = replace(SETTINGS, max_nl_per_h=10_000)
    assert setting_for(10_000, HOUR, slow) is not None
    assert setting_for(10_000, HOUR - 1, slow) is None
    assert setting_for(10_020, HOUR, slow) is None
    assert achievable_step(10_020, HOUR, slow) == (10_000, HOUR)
    assert achievable_step(5_000, HOUR // 2, slow) == (5_000, HOUR // 2)
    assert achievable_step(5_020, HOUR // 2, slow) == (5_000, HOUR // 2)


# ---- what the controller is told ----


def test_the_controller_is_told_one_step_a_run_and_none_for_a_rest() -> None:
    grid = grid_of(SETTINGS)
    step = Step(StepKind.BASAL, 20_000, HOUR)
    assert [grid.count((step,) * number) for number in (0, 1, 2, 13)] == [0, 1, 1, 1]
    assert grid.exchanges((step,)) == 18
    assert grid.rests is False


@pytest.mark.parametrize(
    ("volume", "duration", "told"),
    [
        (20_000, HOUR, 20_000),
        (20_019, HOUR, 20_000),
        (20_000, HOUR + 1, 20_000),  # ends 1 ms early: the step is whole
        (19, HOUR, 0),
        (0, HOUR, 0),
        (
            9_953_000,
            3_257_234,
            9_952_980,
        ),  # 3.05566 ul/s give 9952.9996 ul, 3.05567 would give 32 nL too many
    ],
)
def test_the_controller_is_told_the_volume_that_can_be_set_in_just_that_time(
    volume: int, duration: int, told: int
) -> None:
    assert grid_of(SETTINGS).volume(volume, duration) == told
    assert grid_of(SETTINGS).volume(told, duration) == told


def test_the_controller_is_told_no_more_than_the_fastest_flow_gives() -> None:
    grid = grid_of(replace(SETTINGS, max_nl_per_h=10_000))
    assert grid.volume(20_000, HOUR) == 10_000
    assert grid.volume(20_000, HOUR // 2) == 5_000
    assert grid.volume(20_000, 2 * HOUR) == 20_000
    assert grid.volume(20_000, 1) == 0
    assert grid.volume(20_000, HOUR + 1) == 10_000  # 10 ul/hr ends it 1 ms early


@pytest.mark.parametrize(("volume", "duration"), [(3_254_257, 76_457_250), (2_978_347, 66_556_171)])
def test_the_controller_is_told_nothing_that_cannot_be_set_in_just_that_time(
    volume: int, duration: int
) -> None:
    """Seven digits, and pump steps finer than their last: no rate of six digits ends within a pump step."""
    fine = replace(SETTINGS, step_nl=1)
    told = grid_of(fine).volume(volume, duration)
    assert told == 0 or setting_for(told, duration, fine) is not None


def test_a_step_of_which_no_rate_that_can_be_said_gives_anything_is_a_rest_of_the_same_length() -> None:
    """Six digits of a rate say 9.99999 nL of 10 nL in 3,415.286 s, which is no whole pump step."""
    assert achievable_step(10, 3_415_286, replace(SETTINGS, step_nl=10)) == (0, 3_415_286)
