"""The picture of a run: well formed, complete, small, and nothing from outside becomes markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from pump_ctrl.bench import svg
from pump_ctrl.bench.axes import Heading
from pump_ctrl.bench.plots import draw
from pump_ctrl.bench.svg import Point, Scale

DAY: Final = 86_400
HEADING: Final = Heading("ITB-014", "Night bolus", "implant-40", 1_795_158_000_000, 3_600_000, DAY)


@dataclass(frozen=True)
class Run:
    """A run as the plot wants it."""

    rate: Sequence[Point] = field(default_factory=lambda: [(0, 13_000), (50_400, 193_000), (51_600, 12_520)])
    planned: Sequence[Point] = field(default_factory=lambda: [(0, 0), (DAY, 400_000)])
    delivered: Sequence[Point] = field(default_factory=lambda: [(0, 0), (DAY, 412_000)])
    reservoir: Sequence[Point] = field(default_factory=lambda: [(0, 40_000_000), (DAY, 39_588_000)])
    tip: Mapping[str, Sequence[Point]] = field(default_factory=lambda: {"baclofen": [(0, 1e9), (DAY, 1e9)]})
    boluses: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=lambda: [{"t_s": 0, "state": "RUNNING"}])


def _bolus(kind: str, outcome: str, at_s: int = 50_400) -> dict[str, Any]:
    return {"id": "b", "kind": kind, "requested_at_s": at_s, "outcome": outcome}


def _alarm(code: str, priority: str, cleared: int | None = None, raised: int = 100) -> dict[str, Any]:
    return {"code": code, "priority": priority, "raised_at_s": raised, "cleared_at_s": cleared}


def _series(picture: str) -> dict[str, ET.Element]:
    return {e.attrib["data-series"]: e for e in ET.fromstring(picture).iter() if "data-series" in e.attrib}


def _words(picture: str) -> str:
    return " ".join(e.text or "" for e in ET.fromstring(picture).iter() if e.tag.endswith(("text", "title")))


def test_every_curve_stands_in_the_picture_with_its_unit() -> None:
    run = Run(tip={"morphine": [(0, 15e9), (DAY, 15e9)], "clonidine": [(0, 2e8), (DAY, 2e8)]})
    picture = draw(run, HEADING)
    series = _series(picture)
    for name in ("rate", "planned", "delivered", "difference", "reservoir", "tip-morphine", "tip-clonidine"):
        assert series[name].find("{http://www.w3.org/2000/svg}path") is not None, name
    words = _words(picture)
    for title in ("rate, uL/h", "volume since the start, mL", "morphine at the catheter tip, mg/mL", "ug/mL"):
        assert title in words


def test_the_title_has_the_plan_and_says_what_this_is_not() -> None:
    words = _words(draw(Run(), HEADING))
    assert "ITB-014: Night bolus" in words
    assert "bench simulation, not a medical device" in words
    assert "20 November 2026 08:00" in words


def test_series_differ_by_more_than_their_colour() -> None:
    run = Run(tip={name: [(0, 1e9), (DAY, 1e9)] for name in ("one", "two", "three")})
    series = _series(draw(run, HEADING))
    assert "stroke-dasharray" in series["planned"].attrib
    assert "stroke-dasharray" not in series["delivered"].attrib
    dashes = [series[f"tip-{name}"].attrib.get("stroke-dasharray") for name in ("one", "two", "three")]
    assert len(set(dashes)) == 3


def test_a_bolus_mark_tells_its_kind_and_whether_it_was_given() -> None:
    boluses = [_bolus("scheduled", "delivered"), _bolus("scheduled", "missed"), _bolus("patient", "refused")]
    series = _series(draw(Run(boluses=boluses), HEADING))
    given, missed = series["scheduled bolus"], series["scheduled, not all given bolus"]
    assert given.attrib["fill"] != "#fff"
    assert missed.attrib["fill"] == "#fff"
    shapes = {
        name: re.sub(r"^M[\d. ]+", "", part[0].attrib["d"])
        for name, part in series.items()
        if "bolus" in name
    }
    assert (
        shapes["scheduled bolus"]
        == shapes["scheduled, not all given bolus"]
        != shapes["patient, refused bolus"]
    )


def test_alarms_have_a_lane_each_and_a_look_for_each_priority() -> None:
    alarms = [_alarm("low-reservoir", "high"), _alarm("late", "medium", 200), _alarm("note", "low", 90)]
    series = _series(draw(Run(alarms=alarms), HEADING))
    bars = {code: series[f"alarm-{code}"][1].attrib for code in ("low-reservoir", "late", "note")}
    assert len({bar["fill"] for bar in bars.values()}) == 3
    right = float(bars["low-reservoir"]["x"]) + float(bars["low-reservoir"]["width"])
    assert right == pytest.approx(976, abs=0.2)  # not cleared: to the end of the picture


def test_texts_from_outside_cannot_become_markup() -> None:
    nasty = "<script>&\"'\x00\x1b]"
    run = Run(
        tip={nasty: [(0, 1e9), (DAY, 1e9)]},
        alarms=[_alarm(nasty, "high")],
        states=[{"t_s": 0, "state": nasty}],
    )
    picture = draw(run, replace(HEADING, plan_id=nasty, title=nasty, pump=nasty))
    assert "<script" not in picture
    assert f"tip-{nasty[:11]}" in " ".join(_series(picture))  # well formed, and the name is still there
    assert "\x00" not in picture
    assert "\x1b" not in picture


def test_a_year_stays_under_a_megabyte_and_keeps_its_extremes() -> None:
    year = 365 * DAY
    rate = [(t, 13_000 + 7 * (t // 1_800 % 97)) for t in range(0, year, 1_800)]
    rate[5_000] = (rate[5_000][0], 900_000)
    volume = [(t, t * 4.63) for t in range(0, year, 1_800)]
    boluses = [_bolus("patient", "delivered", t) for t in range(0, year, 7_200)]
    states = [{"t_s": t, "state": "BOLUS" if t % 7_200 else "RUNNING"} for t in range(0, year, 3_600)]
    alarms = [_alarm("late", "low", t + 60, t) for t in range(0, year, 3_600)]
    run = Run(rate=rate, planned=volume, delivered=volume, boluses=boluses, states=states, alarms=alarms)
    picture = draw(run, replace(HEADING, duration_s=year))
    assert len(picture) < 1_000_000
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", _series(picture)["rate"][0].attrib["d"])]
    assert sum(y < 120 for y in heights) in (2, 3, 4)  # the one excursion is drawn, and only it


def test_the_pause_of_a_motor_step_is_no_dip_but_a_minute_without_flow_is_one() -> None:
    def lowest(gap_s: float) -> float:
        rate = [(0, 13_000), (40_000, 0), (40_000 + gap_s, 13_000), (60_000, 20_000), (60_001, 13_000)]
        d = _series(draw(Run(rate=rate), HEADING))["rate"][0].attrib["d"]
        heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", d)]
        assert min(heights) < heights[0]  # the peak of one second is drawn
        return max(heights)

    assert lowest(7) < lowest(60)


def test_an_empty_run_is_still_a_picture() -> None:
    picture = draw(Run([], [], [], [], {}, [], [], []), replace(HEADING, duration_s=0))
    assert ET.fromstring(picture).tag.endswith("svg")


def test_the_volume_that_the_pump_gave_too_much_is_drawn_at_its_size() -> None:
    labels = _words(draw(Run(), HEADING))
    assert "delivered − planned, uL" in labels
    ends = _series(draw(Run(), HEADING))["difference"][0].attrib["d"]
    assert ends.startswith("M118 ")
    assert float(ends.rsplit(" ", 1)[1]) < float(ends.split(" ")[1])  # it rises: 12 uL too much


def test_a_bolus_that_runs_is_no_difference() -> None:
    bolus = {"t_s": 50_400, "state": "BOLUS"}
    states = [{"t_s": 0, "state": "RUNNING"}, bolus, {"t_s": 51_600, "state": "RUNNING"}]
    planned = [(0, 0), (50_400, 200_000), (50_500, 260_000), (51_700, 260_000), (DAY, 400_000)]
    delivered = [(0, 0), (50_400, 200_000), (51_600, 260_000), (51_700, 260_000), (DAY, 400_000)]
    drawn = _series(draw(Run(planned=planned, delivered=delivered, states=states), HEADING))["difference"]
    assert len(set(re.findall(r"[ML][\d.]+ ([\d.]+)", drawn[0].attrib["d"]))) == 1


@pytest.mark.parametrize(("high", "step"), [(0.9, 0.2), (4.0, 1), (13, 5), (180, 50), (0.00012, 0.00005)])
def test_ticks_are_round(high: float, step: float) -> None:
    ticks = Scale(0, high, 0, 100).ticks(5)
    assert ticks[1] - ticks[0] == pytest.approx(step)
    assert len(ticks) <= 6


def test_a_root_axis_keeps_the_order_and_ends_at_its_ends() -> None:
    y = Scale(0, 200, 100, 0, root=True)
    assert [y(0), y(200)] == [100, 0]
    assert y(0) > y(13) > y(25) > y(180) > y(200)
    assert y.ticks(5) == [0, 10, 25, 50, 100, 200]


def test_thinning_keeps_first_last_lowest_and_highest_of_each_column() -> None:
    x = Scale(0, 1_000, 0, 1)
    points = [(0.0, 5.0), (1.0, 9.0), (2.0, 1.0), (3.0, 4.0), (4.0, 5.0)]
    assert svg.thin(points, x) == [(0.0, 5.0), (1.0, 9.0), (2.0, 1.0), (4.0, 5.0)]


@pytest.mark.parametrize(("seconds", "labels"), [(DAY, "10:00"), (30 * DAY, "28 Nov"), (365 * DAY, "16 Jan")])
def test_the_time_axis_speaks_hours_or_dates_with_the_month_as_a_word(seconds: int, labels: str) -> None:
    assert labels in _words(draw(Run(), replace(HEADING, duration_s=seconds)))


def test_a_tick_is_never_called_by_another_value() -> None:
    rates = Scale(0, 0.125, 100, 0, root=True)
    assert [svg.number(tick, 0.015) for tick in rates.ticks(4)] == ["0.00", "0.01", "0.025", "0.05", "0.10"]
