"""Volumes and rates as the Harvard family says them, and the steps that it can do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers.harvard_amounts import (
    RunSetting,
    achievable_step,
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
from tests.unit.harvard_page import HOUR, rate_fl_h, volume_fl

STEPS = st.sampled_from([10, 20, 50, 100])  # a profile with a finer one is refused
VOLUMES = st.one_of(st.sampled_from([0, 20, 100, 20_000, 999_980, 9_999_980]), st.integers(0, 10_000_000))
TIMES = st.one_of(
    st.sampled_from([1, 999, 1_000, 60_000, HOUR - 1, HOUR, HOUR + 1]), st.integers(1, 24 * HOUR)
)


# ---- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fl", "text"),
    [
        (10**6, "1 nl"),
        (123_456_000, "123.456 nl"),
        (20_000 * 10**6, "20 ul"),
        (19_980 * 10**6, "19.98 ul"),
        (1_690_230_000, "1.69023 ul"),
        (8_628_400_000_000, "8.6284 ml"),
        (10**13, "10 ml"),
        (999_999 * 10**6, "999.999 ul"),
        (1_234_567 * 10**6, None),  # seven digits
        (0, None),  # nothing is no target
        (-1, None),
    ],
)
def test_a_volume_is_said_with_six_digits_or_not_at_all(fl: int, text: str | None) -> None:
    assert volume_text(fl) == text
    assert text is None or parse_volume(text) == volume_fl(text) == fl


@pytest.mark.parametrize(
    ("fl_per_h", "text"),
    [
        (20_000 * 10**6, "20 ul/hr"),  # a third of a ul a minute would not be exact
        (60 * 10**9, "1 ul/min"),
        (60 * 199_490_000_000, "199.49 ul/min"),
        (60 * 25_040_400, "25.0404 nl/min"),
        (60 * 10**12, "1 ml/min"),
        (3_600 * 123_456_000, "7.40736 ul/min"),
        (3_600 * 234_567_000, "234.567 nl/s"),  # 14.07402 ul/min has seven digits
        (1_234_567, None),
        (0, None),
    ],
)
def test_a_rate_is_said_in_the_first_unit_of_time_that_holds_it(fl_per_h: int, text: str | None) -> None:
    assert rate_text(fl_per_h) == text
    assert text is None or parse_rate(text) == rate_fl_h(text) == fl_per_h


@pytest.mark.parametrize(
    ("text", "fl_per_h"),
    [
        ("3.2 u/m", 192 * 10**9),
        ("5 ml/min", 300 * 10**12),
        ("0.1 m/m", 6 * 10**12),
        ("12.4882000000 m/m", 749_292 * 10**9),
        ("1 ML/HR", 10**12),
        ("1 pl/sec", 3_600_000),
        ("7 n/h", 7 * 10**6),
    ],
)
def test_every_way_of_the_document_to_say_a_rate_is_understood(text: str, fl_per_h: int) -> None:
    assert parse_rate(text) == fl_per_h


def test_the_range_and_the_diameter_that_a_real_pump_told() -> None:
    assert parse_range("25.0404 nl/min to 26.0035 ml/min") == (1_502_424_000, 1_560_210_000_000_000)
    assert parse_diameter("7.2620 mm") == 72_620
    assert parse_diameter("14.43") == 144_300


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ul",
        "1",
        "1 l",
        "-1 ul",
        "1e3 ul",
        "1_000 ul",
        "１ ul",
        "1.ul",
        ".5 ul",
        "1  ul",
        "1 ul ",
        "nan ul",
        "0x1 ul",
    ],
)
def test_what_is_no_volume_is_an_error(text: str) -> None:
    with pytest.raises(WireError):
        parse_volume(text)


@given(st.text(max_size=40))
def test_no_text_breaks_a_parser(text: str) -> None:
    for parse in (parse_volume, parse_rate, parse_range, parse_diameter):
        with suppress(WireError):
            parse(text)


@given(st.integers(1, 10**17))
def test_what_can_be_said_is_understood_as_the_same(fl: int) -> None:
    for text, parse in ((volume_text(fl), parse_volume), (rate_text(fl), parse_rate)):
        assert text is None or parse(text) == fl
        assert text is None or len(text.split(" ")[0].replace(".", "").strip("0")) <= 6


# ---- steps -------------------------------------------------------------------------------------


def test_an_even_hour_and_the_first_ms_after_it() -> None:
    assert achievable_step(20_000, HOUR, SETTINGS) == (20_000, HOUR)
    assert achievable_step(20_010, HOUR, SETTINGS) == (20_000, HOUR)  # the pump's step is 20 nL
    assert achievable_step(20_000, HOUR + 1, SETTINGS) == (19_980, 3_596_404)  # at 333.333 nl/min
    assert achievable_step(0, 5, SETTINGS) == (0, 5)


def test_nothing_is_faster_than_the_pump() -> None:
    slow = replace(SETTINGS, max_nl_per_h=10_000)
    assert achievable_step(20_000, HOUR, slow) == (10_000, HOUR)
    assert setting_for(20_000, HOUR, slow) is None
    assert setting_for(10_000, HOUR, slow) == RunSetting(10_000 * 10**6, 10_000 * 10**6)


@pytest.mark.parametrize(("volume", "duration"), [(-1, 1), (1, 0), (1, -1)])
def test_what_is_no_step_is_a_mistake_of_the_caller(volume: int, duration: int) -> None:
    with pytest.raises(ValueError, match="is no step"):
        achievable_step(volume, duration, SETTINGS)


@given(VOLUMES, TIMES, STEPS)
def test_an_achievable_step_never_gives_more_nor_ends_later_nor_runs_faster(
    volume: int, duration: int, step_nl: int
) -> None:
    settings = replace(SETTINGS, step_nl=step_nl)
    most = min(volume, settings.max_nl_per_h * duration // HOUR)
    given_nl, takes = achievable_step(volume, duration, settings)
    assert 0 <= given_nl <= most
    assert given_nl % step_nl == 0
    assert 1 <= takes <= duration
    assert achievable_step(given_nl, takes, settings) == (given_nl, takes)
    if given_nl:
        setting = setting_for(given_nl, takes, settings)
        assert setting is not None
        assert setting.target == given_nl * 10**6
        assert Fraction(setting.rate, 10**6) <= Fraction(most * HOUR, duration) * Fraction(
            takes, takes - 1 or 1
        )
        assert takes - 1 < Fraction(setting.target * HOUR, setting.rate) <= takes


@given(VOLUMES, TIMES, STEPS)
def test_what_is_lost_is_the_grid_of_rate_and_step_and_no_more(
    volume: int, duration: int, step_nl: int
) -> None:
    settings = replace(SETTINGS, step_nl=step_nl)
    most = min(volume, settings.max_nl_per_h * duration // HOUR)
    given_nl, _ = achievable_step(volume, duration, settings)
    digits = 50 * step_nl if most > 999_999 else 0  # volumes of seven digits are on a coarser grid
    if rate_down(most, duration) >= 10**6:  # six digits
        assert most - given_nl <= 2 * step_nl + digits + most // 100_000


@given(st.integers(1, 10_000_000), st.integers(1, 24 * HOUR))
def test_rates_are_the_nearest_that_can_be_said_on_either_side(volume: int, duration: int) -> None:
    even = Fraction(volume * 10**6 * HOUR, duration)
    down, up = rate_down(volume, duration), rate_up(volume, duration)
    assert down <= even <= up
    assert rate_text(up) is not None
    assert up - down <= even / 100_000 + 3_600
    assert (down == up) == (down == even)


@given(VOLUMES.filter(bool), TIMES)
def test_any_step_that_is_taken_gives_its_volume_in_its_time_and_is_never_a_pump_step_ahead(
    volume: int, duration: int
) -> None:
    setting = setting_for(volume, duration, SETTINGS)
    if setting is None:
        return
    assert setting.target == volume * 10**6
    assert volume_text(setting.target) is not None
    assert rate_text(setting.rate) is not None
    early = duration - Fraction(setting.target * HOUR, setting.rate)
    assert 0 <= early * setting.rate / HOUR < SETTINGS.step_nl * 10**6


@pytest.mark.parametrize(
    ("volume", "duration"), [(9_953_000, 3_257_234), (8_992_000, 3_008_766), (9_182_000, 2_623_922)]
)
def test_a_step_that_would_run_a_pump_step_ahead_is_not_taken_until_it_is_made_achievable(
    volume: int, duration: int
) -> None:
    assert setting_for(volume, duration, SETTINGS) is None
    assert setting_for(*achievable_step(volume, duration, SETTINGS), SETTINGS) is not None


@pytest.mark.parametrize("volume", [-20, 0, 19, 30, 1_234_560 + 1, 12_345_680])
def test_a_volume_off_the_pumps_grid_or_past_six_digits_is_not_taken(volume: int) -> None:
    assert setting_for(volume, HOUR, SETTINGS) is None
