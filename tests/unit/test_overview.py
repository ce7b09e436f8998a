"""The figures of a plan: those of the worked plans, and days and boluses that pass midnight."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.overview import Overview, overview
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review_case import Case

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
DAY: Final = 86_400_000
HOUR: Final = 3_600_000


def _view(plan: DosingPlan, previous: DosingPlan | None = None) -> Overview:
    return overview(Case(plan, load_formulary(), load_profile(plan.pump), previous))


def _example(name: str, previous: str | None = None) -> Overview:
    return _view(load_plan(EXAMPLES / name), load_plan(EXAMPLES / previous) if previous else None)


def _plan(**changes: Any) -> DosingPlan:  # noqa: ANN401
    values: dict[str, Any] = {
        "schema": 1, "id": "T", "title": "t", "patient": "p", "prescriber": "x", "pump": "implant-40",
        "utc_offset": "+00:00", "start": "2026-11-20T08:00", "on_loss": "stop",
        "reservoir": {
            "filled": "40 mL", "residual": ["0 mL", "0 mL"], "alarm": "2 mL",
            "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
        },
        "catheter": {"volume": ["0.19 mL", "0.2 mL"]},
        "basal": {"rate": "240 ug/day"},
    }  # fmt: skip
    return plan_from(values | changes)


def test_a_day_schedule_asks_400_ug_a_day_and_at_most_68_67_ug_in_an_hour() -> None:
    view = _example("a-flex-night-bolus.toml")
    (drug,) = view.drugs
    assert (drug.basal_pg, drug.scheduled_pg) == (340_000_000, 60_000_000)
    assert view.daily_nl == 400_000
    assert drug.on_time[1] == Fraction(206_000_000, 3)  # 60 ug and 40 min at 13 ug/h, 21:20 to 22:20
    assert drug.on_time[24] == 400_000_000
    assert drug.worst[24] == 415_200_000  # the bolus late today and on time tomorrow
    assert view.refill.alarm_ms == 95 * DAY


def test_every_line_of_the_day_is_there_and_the_last_step_passes_midnight() -> None:
    rows = _example("a-flex-night-bolus.toml").day
    clock = [(row.from_ms // 60_000, row.until_ms // 60_000, row.bolus, row.pg) for row in rows]
    assert clock == [
        (360, 540, False, 75_000_000),
        (540, 1320, False, 169_000_000),
        (1320, 1340, False, 0),
        (1320, 1340, True, 60_000_000),
        (1340, 1800, False, 96_000_000),
    ]
    assert rows[3].pg_per_h == 180_000_000
    assert rows[3].nl_per_day == 4_320_000


def test_a_prime_says_its_volume_length_and_mass() -> None:
    prime = _example("b-morphine-continuous.toml").prime
    assert prime is not None
    assert prime.volume_nl == 335_800
    assert prime.duration_ms == Fraction(335_800 * HOUR, 1_000_000)  # 20.1 min at 1 mL/h
    assert prime.mass_pg["morphine"] == 3_358_000_000


def test_patient_boluses_count_in_full_for_windows_and_for_the_alarm_date() -> None:
    view = _example("c-patient-bolus.toml")
    assert [drug.most_per_day_pg for drug in view.drugs] == [
        5_600_000_000,
        Fraction(22_400_000_000, 3),
        Fraction(224_000_000, 3),
    ]
    assert view.refill.alarm_ms == Fraction(38_000_000 * 15 * DAY, 4_000_000)
    assert view.refill.alarm_all_ms is not None
    assert 101 * DAY < view.refill.alarm_all_ms < 102 * DAY
    assert view.refill.by_ms == 90 * DAY  # stability comes first
    assert {a.what: a.achievable_nl for a in view.amounts}["patient bolus"] == 26_600  # of 26,666.7


def test_a_bridge_says_how_long_the_old_fluid_takes() -> None:
    bridge = _example("e-bridge.toml", "e-bridge-before.toml").bridge
    assert bridge is not None
    assert bridge.nominal_ms == Fraction(335_800 * DAY, 600_000)  # 13.43 h
    assert bridge.carries_pg == {"hydromorphone": 1_679_000_000}


def test_a_titration_lists_every_stage_with_its_change() -> None:
    stages = _view(_plan(titration={"step": [{"after": "2 d", "change": "-20 %"}] * 2})).stages
    assert [(s.from_ms // DAY, s.basal_pg, s.change) for s in stages] == [
        (0, 240_000_000, 0),
        (2, 192_000_000, Fraction(-1, 5)),
        (4, 153_600_000, Fraction(-1, 5)),
    ]


@pytest.mark.parametrize(
    ("at", "days"), [("23:50", ["sun"]), ("23:40", ["sun"]), ("00:00", ["mon"]), ("12:00", None)]
)
def test_the_worst_hour_holds_a_bolus_whole_also_over_the_end_of_the_week(
    at: str, days: list[str] | None
) -> None:
    bolus = {"at": at, "dose": "30 ug", "over": "20 min"} | ({"days": days} if days else {})
    (drug,) = _view(_plan(bolus=[bolus])).drugs
    assert drug.on_time[1] == 40_000_000  # 30 ug and an hour at 10 ug/h
    assert drug.on_time[24] == 270_000_000


def test_weekday_groups_keep_their_own_lines_and_their_own_boluses() -> None:
    groups = [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "steps": [{"from": "00:00", "rate": "10 ug/h"}]},
        {"days": ["sat", "sun"], "steps": [{"from": "00:00", "rate": "8 ug/h"}]},
    ]
    bolus = {"at": "22:00", "dose": "30 ug", "over": "20 min", "days": ["fri", "sat"]}
    rows = _view(_plan(basal={"days": groups}, bolus=[bolus])).day
    assert [(row.days, row.bolus, row.pg) for row in rows] == [
        (("mon", "tue", "wed", "thu", "fri"), False, 240_000_000),
        (("fri",), True, 30_000_000),
        (("sat", "sun"), False, 192_000_000),
        (("sat",), True, 30_000_000),
    ]


def test_windows_take_the_stage_that_has_most() -> None:
    (drug,) = _view(_plan(titration={"step": [{"after": "1 d", "change": "+10 %"}]})).drugs
    assert drug.on_time[24] == 264_000_000
    assert drug.basal_pg == 240_000_000
