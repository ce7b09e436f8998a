"""The worked plans in examples/: each can be read, and its comment's arithmetic is what the plan says."""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pump_ctrl.therapy.plan import DosingPlan, TitrationStep, load_plan, plan_schema
from pump_ctrl.therapy.plan_parts import daily_pg

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "examples").glob("*.toml"))
UG = 1_000_000
MG = 1_000 * UG


def example(name: str) -> DosingPlan:
    return load_plan(ROOT / "examples" / f"{name}.toml")


def basal_pg(plan: DosingPlan) -> Fraction:
    """Daily basal dose of the first stage, pg."""
    return plan.basal.rate.pg_per_day if plan.basal.rate else daily_pg(plan.basal.steps)


def daily_nl(plan: DosingPlan, pg: Fraction | int) -> Fraction:
    """Volume of that mass of the primary drug, nL."""
    return Fraction(pg) / plan.primary.concentration.pg_per_nl


def days_to_alarm(plan: DosingPlan, pg: Fraction | int) -> Fraction:
    """Days until the fill alone, at that daily dose, has gone down to the alarm."""
    return Fraction(plan.reservoir.filled.nl - plan.reservoir.alarm.nl) / daily_nl(plan, pg)


def doses(plan: DosingPlan) -> list[tuple[int, Fraction]]:
    """Day and daily basal dose (pg) of every stage."""
    day, dose = Fraction(0), basal_pg(plan)
    stages = [(day, dose)]
    for step in plan.titration.step if plan.titration else ():
        day += Fraction(step.after.ms, 86_400_000)
        dose = new_dose(step, dose)
        stages.append((day, dose))
    assert all(day.denominator == 1 for day, _ in stages)
    return [(int(day), dose) for day, dose in stages]


def new_dose(step: TitrationStep, dose: Fraction) -> Fraction:
    if step.change is not None:
        return dose * step.change.factor
    assert step.dose is not None
    return step.dose.pg_per_day


def test_there_is_an_example_for_every_worked_plan() -> None:
    assert {path.stem for path in PATHS} == {
        "a-bench-harvard",
        "a-bench-twin",
        "a-flex-night-bolus",
        "a2-minimum-with-boluses",
        "b-morphine-continuous",
        "bench",
        "c-patient-bolus",
        "d-ziconotide-titration",
        "e-bridge",
        "e-bridge-before",
        "e2-bridge",
        "e2-bridge-before",
        "f-refill-before",
        "f-taper",
        "g-itb-start",
        "h-over-infusing",
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_example_is_a_plan_of_the_checked_in_schema(path: Path) -> None:
    schema = json.loads((ROOT / "pump_ctrl" / "data" / "plan.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#:schema ../pump_ctrl/data/plan.schema.json\n")
    assert list(Draft202012Validator(schema).iter_errors(tomllib.loads(text))) == []
    plan = load_plan(path)
    assert plan.id.lower() == path.stem
    assert plan.patient.startswith("BENCH-0")
    assert plan.prescriber == "bench"
    assert plan.start[:7] in {"2026-11", "2026-12"}


def test_the_checked_in_schema_is_what_the_model_generates() -> None:
    checked_in = json.loads((ROOT / "pump_ctrl" / "data" / "plan.schema.json").read_text(encoding="utf-8"))
    assert checked_in == plan_schema(), "write pump_ctrl/data/plan.schema.json anew from plan_schema()"


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"basal": {}},
        {"basal": {"rate": "1 ug/day", "mode": "stopped"}},
        {"basal": {"rate": "1 ug"}},
        {"basal": {"rate": 5}},
        {"colour": "red"},
        {"on_loss": "hold"},
        {"on_loss": {}},
        {"previous": "abc"},
        {"catheter": {"model": "x"}},
        {"catheter": {"volume": ["1 mL"]}},
        {"utc_offset": "Z"},
        {"id": "a b"},
        {"patient_bolus": {"dose": "1 ug", "over": "1 min", "lockout": "1 h", "max_per_day": 0}},
        {"prime": {"volume": "1 mL", "path": "full"}},
        {"bolus": [{"at": "25:00", "dose": "1 ug", "over": "1 min"}]},
    ],
    ids=str,
)
def test_the_schema_marks_in_an_editor_what_the_model_refuses(change: dict[str, object]) -> None:
    values = tomllib.loads((ROOT / "examples" / "b-morphine-continuous.toml").read_text(encoding="utf-8"))
    assert Draft202012Validator(plan_schema()).is_valid(values)
    assert not Draft202012Validator(plan_schema()).is_valid(values | change)


def test_a_file_without_its_schema_version_is_marked_in_an_editor() -> None:
    values = tomllib.loads((ROOT / "examples" / "b-morphine-continuous.toml").read_text(encoding="utf-8"))
    del values["schema"]
    assert not Draft202012Validator(plan_schema()).is_valid(values)


@pytest.mark.parametrize("name", ["a-flex-night-bolus", "a-bench-twin"])
def test_a_asks_400_ug_a_day_and_its_twin_the_same(name: str) -> None:
    plan = example(name)
    (bolus,) = plan.bolus
    assert basal_pg(plan) == 340 * UG
    assert basal_pg(plan) + bolus.dose.pg == 400 * UG
    assert daily_nl(plan, 400 * UG) == 400_000
    assert (bolus.at_ms, bolus.over.ms) == (79_200_000, 1_200_000)


def test_a_reaches_its_alarm_after_95_days() -> None:
    assert days_to_alarm(example("a-flex-night-bolus"), 400 * UG) == 95
    assert int(days_to_alarm(example("a-bench-twin"), 400 * UG)) == 22


def test_a2_gives_396_ug_a_day_from_the_lowest_flow_and_four_boluses() -> None:
    plan = example("a2-minimum-with-boluses")
    assert daily_nl(plan, basal_pg(plan)) == 48_000
    assert [bolus.dose.pg for bolus in plan.bolus] == [75 * UG] * 4
    assert daily_nl(plan, basal_pg(plan) + 300 * UG) == 198_000
    assert daily_nl(plan, 75 * UG) * 6 == 225_000  # nL/h of a bolus over 10 min
    assert int(days_to_alarm(plan, 396 * UG)) == 191


def test_b_gives_150_ul_a_day_and_has_6_5_ml_left_at_day_90() -> None:
    plan = example("b-morphine-continuous")
    assert daily_nl(plan, basal_pg(plan)) == 150_000
    assert days_to_alarm(plan, basal_pg(plan)) == 120
    assert plan.reservoir.filled.nl - 90 * 150_000 == 6_500_000
    assert plan.prime is not None
    assert plan.prime.volume.nl == 335_800
    assert plan.prime.volume.nl * plan.primary.concentration.pg_per_nl == 3_358 * UG


def test_c_takes_every_drug_along() -> None:
    plan = example("c-patient-bolus")
    terms = plan.patient_bolus
    assert terms is not None
    volume = daily_nl(plan, basal_pg(plan))
    per_bolus = daily_nl(plan, terms.dose.pg)
    everything = volume + 4 * per_bolus
    concentrations = {drug.name: drug.concentration.pg_per_nl for drug in plan.reservoir.drugs}
    assert {name: round(volume * each / 1_000) for name, each in concentrations.items()} == {
        "morphine": 4_000_000,
        "bupivacaine": 5_333_333,
        "clonidine": 53_333,
    }
    assert {name: round(everything * each / 1_000) for name, each in concentrations.items()} == {
        "morphine": 5_600_000,
        "bupivacaine": 7_466_667,
        "clonidine": 74_667,
    }
    assert (round(volume), round(per_bolus), round(everything)) == (266_667, 26_667, 373_333)
    assert round(days_to_alarm(plan, 5_600 * UG), 1) == Fraction(1018, 10)
    assert (terms.max_per_day, terms.lockout.ms, terms.over.ms) == (4, 10_800_000, 600_000)
    assert plan.on_loss is not None
    assert plan.on_loss.hold is not None


def test_d_rises_by_half_a_microgram_a_week() -> None:
    plan = example("d-ziconotide-titration")
    assert doses(plan) == [(7 * week, Fraction(12 + 5 * week, 10) * UG) for week in range(11)]
    assert daily_nl(plan, basal_pg(plan)) == 48_000
    assert daily_nl(plan, doses(plan)[-1][1]) == 248_000
    assert sum(7 * daily_nl(plan, dose) for _, dose in doses(plan)) == 11_396_000


@pytest.mark.parametrize("name", ["e-bridge", "e2-bridge"])
def test_a_bridge_names_the_plan_before_it(name: str) -> None:
    plan, before = example(name), example(f"{name}-before")
    assert plan.previous == before.sha256
    assert plan.bridge is not None
    assert plan.start_utc_ms > before.start_utc_ms
    days = (plan.start_utc_ms - before.start_utc_ms) // 86_400_000
    assert days < days_to_alarm(before, basal_pg(before))


def test_e_doubles_the_concentration_at_the_same_dose() -> None:
    plan, before = example("e-bridge"), example("e-bridge-before")
    assert basal_pg(plan) == basal_pg(before) == 3 * MG
    assert (daily_nl(before, 3 * MG), daily_nl(plan, 3 * MG)) == (600_000, 300_000)


def test_e2_rotates_six_to_one() -> None:
    plan, before = example("e2-bridge"), example("e2-bridge-before")
    assert (before.primary.name, plan.primary.name) == ("morphine", "hydromorphone")
    assert (daily_nl(before, basal_pg(before)), daily_nl(plan, basal_pg(plan))) == (300_000, 200_000)


def test_f_expects_4_2_ml_at_the_refill_and_tapers_by_a_fifth() -> None:
    before, plan = example("f-refill-before"), example("f-taper")
    assert before.reservoir.filled.nl - 179 * daily_nl(before, basal_pg(before)) == 4_200_000
    assert doses(plan) == [
        (0, 400 * UG),
        (2, 320 * UG),
        (4, 256 * UG),
        (6, Fraction("204.8") * UG),
        (8, Fraction("163.84") * UG),
        (10, Fraction("131.072") * UG),
        (12, Fraction("104.8576") * UG),
        (14, 100 * UG),
    ]
    assert daily_nl(plan, 100 * UG) == 50_000


def test_g_rises_by_a_fifth_a_day_from_the_second_day_on() -> None:
    plan = example("g-itb-start")
    assert doses(plan) == [
        (0, 100 * UG),
        (2, 120 * UG),
        (3, 144 * UG),
        (4, Fraction("172.8") * UG),
        (5, Fraction("207.36") * UG),
        (6, Fraction("248.832") * UG),
        (7, Fraction("298.5984") * UG),
    ]
    assert daily_nl(plan, basal_pg(plan)) == 200_000
    assert round(daily_nl(plan, doses(plan)[-1][1])) == 597_197


def test_h_runs_dry_on_day_83_at_a_gain_of_a_fifth() -> None:
    plan = example("h-over-infusing")
    daily = daily_nl(plan, basal_pg(plan))
    assert daily == 400_000
    dry = plan.reservoir.filled.nl / (daily * Fraction(6, 5))
    assert round(dry, 1) == Fraction(833, 10)
    assert round(plan.reservoir.filled.nl - daily * dry) == 6_666_667
    assert days_to_alarm(plan, basal_pg(plan)) == 95


def test_plans_that_mix_or_hold_say_what_happens_on_loss() -> None:
    """Opioids and ziconotide stop, baclofen and the mixture hold for 4 h."""
    for path in PATHS:
        plan = load_plan(path)
        assert plan.on_loss is not None
        holds = plan.primary.name == "baclofen" or len(plan.reservoir.drugs) > 1
        assert (plan.on_loss.hold is not None) == holds
        assert not holds or plan.on_loss.hold.ms == 14_400_000  # type: ignore[union-attr]
