"""The drawing of the day says what the figures beside it say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.overview import Overview
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.check import check
from pump_ctrl.web.entry.day import FONT, WIDTH, day_svg
from pump_ctrl.web.entry.draft import fields_of

FLEX: Final = fields_of(load_plan(Path(__file__).parents[3] / "examples" / "a-flex-night-bolus.toml"))
LEFT, RIGHT = 64, 570
STYLE: Final = Path(__file__).parents[3] / "pump_ctrl" / "web" / "static" / "style.css"


def seen(draft: Mapping[str, str]) -> Overview:
    found = check(draft, load_formulary(None), lambda _: None)
    assert found.overview is not None, found.problems
    return found.overview


def texts(picture: str) -> list[str]:
    return [re.sub(r"<.*?>", "", each) for each in re.findall(r"<text.*?</text>", picture)]


def series(picture: str, name: str) -> list[str]:
    return re.findall(rf'<g data-series="{name}".*?</g>', picture)


WEEK: Final = {
    name: text for name, text in FLEX.items() if not name.startswith("basal")
} | {
    "basal~kind": "days", "basal.days#1.days": "mon tue wed thu fri", "basal.days#2.days": "sat sun",
    "basal.days#1.steps#1.from": "00:00", "basal.days#1.steps#1.dose": "240", "basal.days#1.steps#1.dose~unit": "ug",
    "basal.days#2.steps#1.from": "00:00", "basal.days#2.steps#1.dose": "120", "basal.days#2.steps#1.dose~unit": "ug",
    "bolus#1~kind": "days", "bolus#1.days": "fri",
}  # fmt: skip


def test_the_day_of_the_worked_plan_has_its_dose_and_both_axes() -> None:
    picture = day_svg(seen(FLEX))
    assert {"Every day: 400 ug in all", "baclofen, ug/h (line)", "since 00:00, ug (dashed)"} <= set(
        texts(picture)
    )
    assert len(series(picture, "rate")) == len(series(picture, "dose")) == len(series(picture, "bolus")) == 1
    ElementTree.fromstring(picture)


def on_the_right(picture: str) -> tuple[float, float]:
    """Of the dose's axis: the pixel of 0 ug, and pixels for each ug."""
    ticks = {
        words: float(y) - 5
        for y, words in re.findall(r'<text x="578" y="([0-9.]+)">([0-9.]+)</text>', picture)
    }
    most = max(ticks, key=float)
    return ticks["0"], (ticks["0"] - ticks[most]) / float(most)


def test_the_dose_has_an_axis_of_its_own_on_the_right_and_stands_at_150_ug_at_nine() -> None:
    picture = day_svg(seen(FLEX))
    zero, per_ug = on_the_right(picture)
    bends = [
        (float(x), float(y)) for x, y in re.findall(r"[ML]([0-9.]+) ([0-9.]+)", series(picture, "dose")[0])
    ]
    at_nine = next(y for x, y in bends if x == pytest.approx(LEFT + (RIGHT - LEFT) * 9 / 24, abs=0.1))
    # 96 ug in the 460 min from 22:20, of which 360 are after midnight, and 75 ug from 06:00 to 09:00
    assert at_nine == pytest.approx(zero - (96 * 360 / 460 + 75) * per_ug, abs=0.2)
    assert bends[-1] == pytest.approx((RIGHT, zero - 400 * per_ug), abs=0.2)


def test_a_limit_that_is_near_is_a_line_on_the_axis_of_the_dose() -> None:
    for limit in (300, 900):
        picture = day_svg(seen({**FLEX, "limits.max_per_day": str(limit), "limits.max_per_day~unit": "ug"}))
        zero, per_ug = on_the_right(picture)
        line = re.search(r'd="M64 ([0-9.]+)H570"', series(picture, "limit-24")[0])
        assert line
        assert float(line[1]) == pytest.approx(zero - limit * per_ug, abs=0.3)
        assert f"limit of any 24 h {limit} ug" in texts(picture)
        assert "stroke-dasharray" in series(picture, "limit-24")[0]


def test_a_limit_far_above_stands_at_the_upper_edge_and_says_so() -> None:
    picture = day_svg(seen(FLEX))
    assert "▲ limit of any 24 h 2000 ug" in texts(picture)
    assert "M64 48H570" in series(picture, "limit-24")[0]


def test_the_hours_limit_is_drawn_where_there_is_one() -> None:
    assert series(day_svg(seen(FLEX)), "limit-1") == []
    picture = day_svg(seen({**FLEX, "limits.max_per_hour": "120", "limits.max_per_hour~unit": "ug"}))
    assert "limit of any hour 120 ug" in texts(picture)
    lines = [series(picture, name)[0] for name in ("limit-1", "limit-24", "dose")]
    assert (
        len({dashes for line in lines for dashes in re.findall(r'dasharray="([^"]*)"', line)}) == 3
    )  # told apart without colour


def test_each_group_of_weekdays_is_drawn_once_with_its_own_boluses() -> None:
    picture = day_svg(seen(WEEK))
    assert [each for each in texts(picture) if each.startswith(("Mon", "Sat"))] == [
        "Mon, Tue, Wed, Thu, Fri: 300 ug on the day that has most",
        "Sat, Sun: 120 ug in all",
    ]
    assert len(series(picture, "bolus")) == 1


def test_a_bolus_before_the_first_step_is_drawn_in_the_same_day() -> None:
    picture = day_svg(seen({**FLEX, "bolus#1.at": "03:00"}))
    assert len(series(picture, "rate")) == 1
    assert "Every day: 400 ug in all" in texts(picture)


def test_what_is_left_of_a_bolus_at_midnight_is_given_after_it() -> None:
    picture = day_svg(seen({**FLEX, "bolus#1.at": "23:50"}))
    assert len(series(picture, "bolus")) == 2
    assert "Every day: 400 ug in all" in texts(picture)
    friday = day_svg(seen({**WEEK, "bolus#1.at": "23:50"}))
    assert [each for each in texts(friday) if "most" in each] == [
        "Mon, Tue, Wed, Thu, Fri: 270 ug on the day that has most",
        "Sat, Sun: 150 ug on the day that has most",
    ]


def test_no_words_are_smaller_than_14_px_as_shown() -> None:
    picture = day_svg(seen(FLEX))
    assert re.findall(r'font-size="([0-9.]+)"', picture) == [str(FONT)]
    narrowest = re.search(r"figure\.day svg {[^}]*min-width: ([0-9]+)px", STYLE.read_text(encoding="utf-8"))
    assert narrowest
    assert FONT * int(narrowest[1]) / WIDTH >= 14


def test_a_name_cannot_become_markup() -> None:
    found = seen(FLEX)
    drug = replace(found.drugs[0], name='"><script>alert(1)</script>')
    picture = day_svg(replace(found, drugs=(drug,)))
    assert "<script" not in picture
    assert "style=" not in picture  # the page forbids it
    ElementTree.fromstring(picture)


def test_a_steady_rate_is_not_hidden_by_the_line_of_the_limit() -> None:
    plan = load_plan(Path(__file__).parents[3] / "examples" / "e-bridge-before.toml")
    picture = day_svg(seen(fields_of(plan)))
    [rate] = re.findall(r'data-series="rate".*?<path d="M[0-9.]+ ([0-9.]+)', picture)
    [limit] = re.findall(r'data-series="limit-24".*?<path d="M[0-9.]+ ([0-9.]+)', picture)
    assert float(rate) >= float(limit) + 8
