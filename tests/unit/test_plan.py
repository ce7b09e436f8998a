"""The plan model: what a good plan says, and the rules between its parts."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from pump_ctrl import DosingPlan as Exported
from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import (
    WEEKDAYS,
    BasalStep,
    Bridge,
    DosingPlan,
    Drug,
    OnLoss,
    OwnLimits,
    PatientBolus,
    Prime,
    ScheduledBolus,
    parse_plan,
    plan_from,
)
from pump_ctrl.therapy.plan_parts import daily_pg, step_lengths
from pump_ctrl.units import Concentration, Duration, Length, Mass, MassRate, Percent, Volume

TEXT = """\
schema = 1
id = "ITB-014"
title = "Spasticity, night bolus"
patient = "BENCH-014"
prescriber = "bench"
pump = "implant-40"
utc_offset = "+01:00"
start = "2026-11-20T08:00"
on_loss = { hold = "4 h" }
[reservoir]
filled = "40 mL"
residual = ["0 mL", "1.4 mL"]
alarm = "2 mL"
drugs = [
  { name = "baclofen", concentration = "1000 ug/mL" },
  { name = "clonidine", concentration = "200 mcg/mL" },
]
[catheter]
model = "ascenda-8780"
length = "89 cm"
[basal]
steps = [
  { from = "06:00", dose = "75 ug" },
  { from = "22:00", rate = "12 ug/h" },
]
[[bolus]]
at = "22:00"
dose = "60 ug"
over = "20 min"
[patient_bolus]
dose = "20 ug"
over = "10 min"
lockout = "3 h"
max_per_day = 4
[prime]
volume = "0.336 mL"
path = "empty"
[[titration.step]]
after = "7 d"
change = "+20 %"
[[titration.step]]
after = "36 h"
dose = "500 ug/day"
[limits]
max_per_day = "600 ug"
"""


def values(**changes: object) -> dict[str, Any]:
    """A small plan as values; ``None`` takes a key out."""
    plan: dict[str, Any] = {
        "id": "T",
        "title": "t",
        "patient": "p",
        "prescriber": "b",
        "pump": "implant-40",
        "utc_offset": "+00:00",
        "start": "2026-11-20T08:00",
        "reservoir": {
            "filled": "40 mL",
            "residual": ["0 mL", "0 mL"],
            "alarm": "2 mL",
            "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
        },
        "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
        "basal": {"rate": "400 ug/day"},
    }
    return {key: value for key, value in {**plan, **changes}.items() if value is not None}


def plan(**changes: object) -> DosingPlan:
    return plan_from(values(**changes))


def faults(**changes: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        plan(**changes)
    return [f"{problem.field}: {problem.what}" for problem in caught.value.problems]


def test_a_plan_holds_what_the_file_says_in_exact_quantities() -> None:
    one = parse_plan(TEXT)
    assert (one.schema_, one.id, one.pump, one.previous) == (1, "ITB-014", "implant-40", None)
    assert one.on_loss is not None
    assert one.on_loss.hold == Duration(14_400_000)
    assert one.reservoir.residual == (Volume(0), Volume(1_400_000))
    assert one.primary == Drug(name="baclofen", concentration=Concentration(1_000_000_000))
    assert one.reservoir.drugs[1].concentration.pg_per_nl == 200
    assert (one.catheter.model, one.catheter.length, one.catheter.volume) == (
        "ascenda-8780",
        Length(890_000),
        None,
    )
    assert [(step.from_ms, step.dose, step.rate) for step in one.basal.steps] == [
        (21_600_000, Mass(75_000_000), None),
        (79_200_000, None, MassRate(10, 3)),
    ]
    assert (one.basal.rate, one.basal.days, one.basal.mode) == (None, (), None)
    assert one.patient_bolus is not None
    assert (one.patient_bolus.lockout, one.patient_bolus.max_per_day) == (Duration(10_800_000), 4)
    assert one.prime == Prime(volume=Volume(336_000), path="empty")
    assert one.titration is not None
    assert [(step.after.ms, step.change, step.dose) for step in one.titration.step] == [
        (604_800_000, Percent(200_000), None),
        (129_600_000, None, MassRate(625, 108)),
    ]
    assert one.limits == OwnLimits(max_per_day=Mass(600_000_000))
    assert one.bridge is None


def test_a_bolus_is_daily_and_may_start_five_minutes_late_unless_it_says_otherwise() -> None:
    (bolus,) = parse_plan(TEXT).bolus
    assert (bolus.at_ms, bolus.dose, bolus.over) == (79_200_000, Mass(60_000_000), Duration(1_200_000))
    assert (bolus.within, bolus.once, bolus.days) == (Duration(300_000), False, None)


@pytest.mark.parametrize(
    ("start", "offset", "utc_ms", "of_day_ms", "weekday"),
    [
        ("1970-01-01T00:00", "+00:00", None, None, None),
        ("2000-01-01T00:00", "+00:00", 946_684_800_000, 0, 5),
        ("2026-11-20T08:00", "+01:00", 1_795_158_000_000, 28_800_000, 4),
        ("2026-11-20T08:00", "-05:30", 1_795_181_400_000, 28_800_000, 4),
        ("2026-11-22T00:30", "+14:00", 1_795_257_000_000, 1_800_000, 6),
        ("2026-11-23T23:59:59", "-14:00", 1_795_528_799_000, 86_399_000, 0),
        ("2028-02-29T12:00", "-00:15", 1_835_439_300_000, 43_200_000, 1),
    ],
)
def test_the_start_is_a_local_time_with_a_fixed_offset(
    start: str, offset: str, utc_ms: int | None, of_day_ms: int | None, weekday: int | None
) -> None:
    if utc_ms is None:
        assert faults(start=start, utc_offset=offset)[0].startswith("start: ")
        return
    one = plan(start=start, utc_offset=offset)
    assert (one.start_utc_ms, one.start_of_day_ms, one.start_weekday) == (utc_ms, of_day_ms, weekday)


def test_a_start_on_the_full_minute_is_written_without_seconds() -> None:
    assert plan(start="2026-11-20T08:00:00").start == "2026-11-20T08:00"
    assert plan(start="2026-11-20T08:00:00").sha256 == plan().sha256
    assert plan(start="2026-11-20T08:00:01").start == "2026-11-20T08:00:01"


def test_the_offset_is_told_in_ms() -> None:
    assert [
        plan(utc_offset=text).utc_offset_ms for text in ("+00:00", "+01:00", "-05:30", "-14:00", "+13:45")
    ] == [
        0,
        3_600_000,
        -19_800_000,
        -50_400_000,
        49_500_000,
    ]


def test_on_loss_is_stop_or_a_hold_or_not_stated() -> None:
    assert plan(on_loss="stop").on_loss == OnLoss(hold=None)
    assert plan(on_loss={"hold": "90 min"}).on_loss == OnLoss(hold=Duration(5_400_000))
    assert plan().on_loss is None


def test_an_empty_bridge_table_is_a_statement() -> None:
    assert plan(previous="0" * 64, bridge={}).bridge == Bridge(volume=None)
    bounds = plan(previous="0" * 64, bridge={"volume": ["0.3 mL", "0.4 mL"]}).bridge
    assert bounds == Bridge(volume=(Volume(300_000), Volume(400_000)))
    assert plan(previous="0" * 64).bridge is None


@pytest.mark.parametrize("mode", ["minimum", "stopped"])
def test_a_background_may_be_a_mode(mode: str) -> None:
    assert plan(basal={"mode": mode}).basal.mode == mode


RESCUE = {"dose": "1 pg", "over": "10 min", "lockout": "10 min", "max_per_day": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x" * 64},
        {"title": "x" * 120},
        {"utc_offset": "+14:00"},
        {"start": "2099-12-31T23:59:59"},
        {"reservoir": {**values()["reservoir"], "residual": ["40 mL", "40 mL"]}},
        {"reservoir": {**values()["reservoir"], "alarm": "39.999999 mL"}},
        {"reservoir": {**values()["reservoir"], "alarm": "1 nL"}},
        {"catheter": {"volume": ["0 mL", "0 mL"]}},
        {"catheter": {"model": "8709", "length": "0.0001 cm"}},
        {"basal": {"rate": "1 pg/day"}},
        {"basal": {"steps": [{"from": "00:00", "dose": "0 ug"}]}},
        {"patient_bolus": RESCUE},
        {"patient_bolus": {**RESCUE, "max_per_day": 999}},
        {"patient_bolus": {**RESCUE, "over": "24 h", "lockout": "24 h"}},
        {"bolus": [{"at": "00:00", "dose": "1 pg", "over": "24 h", "within": "24 h", "days": ["sun"]}]},
        {"bolus": [{"at": "00:00", "dose": "1 pg", "over": "1 ms", "within": "1 ms"}]},
        {"prime": {"volume": "1 nL", "path": "aspirated"}, "previous": "f" * 64},
        {"titration": {"step": [{"after": "1 ms", "dose": "1 pg/day"}]}},
        {"limits": {"max_per_4h": "1 pg"}},
        {"on_loss": {"hold": "1 ms"}},
    ],
    ids=lambda change: str(change)[:60],
)
def test_what_is_just_within_a_rule_is_a_plan(change: dict[str, object]) -> None:
    assert plan(**change).id in {"T", "x" * 64}


def test_a_plan_never_changes() -> None:
    one = parse_plan(TEXT)
    with pytest.raises(ValidationError, match="frozen"):
        one.id = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        one.reservoir.filled = Volume(1)  # type: ignore[misc]


def test_a_part_made_in_code_obeys_the_same_rules_as_one_from_a_file() -> None:
    bolus = ScheduledBolus.model_validate({"at": "22:00", "dose": Mass(5), "over": Duration(1_000)})
    assert bolus.dose == Mass(5)
    with pytest.raises(ValidationError, match="is not a mass"):
        ScheduledBolus.model_validate({"at": "22:00", "dose": Mass(-5), "over": "1 s"})
    with pytest.raises(ValidationError, match="is not a dose rate"):
        BasalStep.model_validate({"from": "22:00", "rate": MassRate.of(1, 7)})
    with pytest.raises(ValidationError, match="a bolus of nothing"):
        PatientBolus(dose=Mass(0), over=Duration(1), lockout=Duration(1), max_per_day=1)
    with pytest.raises(ValidationError, match="lower bound"):
        Bridge(volume=(Volume(2), Volume(1)))


def test_the_package_exports_the_plan() -> None:
    assert Exported is DosingPlan


# --- steps


def test_thirteen_steps_make_a_day_and_fourteen_do_not() -> None:
    steps = [{"from": f"{hour:02}:00", "dose": "1 ug"} for hour in range(14)]
    assert len(plan(basal={"steps": steps[:13]}).basal.steps) == 13
    assert faults(basal={"steps": steps}) == ["basal.steps: a day of 14 steps"]


def test_a_step_lasts_until_the_next_and_the_last_one_until_the_first_of_the_next_day() -> None:
    steps = parse_plan(TEXT).basal.steps
    assert step_lengths(steps) == (57_600_000, 28_800_000)
    assert daily_pg(steps) == 75_000_000 + 96_000_000
    (only,) = plan(basal={"steps": [{"from": "09:30", "rate": "1 pg/h"}]}).basal.steps
    assert step_lengths([only]) == (86_400_000,)
    assert daily_pg([only]) == 24
    thirds = plan(basal={"steps": [{"from": "00:00", "rate": "1 pg/day"}, {"from": "08:00", "dose": "0 ug"}]})
    assert daily_pg(thirds.basal.steps) == Fraction(1, 3)


def test_weekday_groups_stand_in_the_order_of_the_week() -> None:
    night = [{"from": "00:00", "rate": "10 ug/h"}]
    groups = [
        {"days": ["sun", "sat"], "steps": night},
        {"days": ["fri", "mon", "tue", "wed", "thu"], "steps": night},
    ]
    days = plan(basal={"days": groups}).basal.days
    assert [group.days for group in days] == [WEEKDAYS[:5], WEEKDAYS[5:]]
    alone = plan(basal={"days": [{"days": [day], "steps": night} for day in reversed(WEEKDAYS)]}).basal.days
    assert [group.days for group in alone] == [(day,) for day in WEEKDAYS]


# --- boluses one at a time


def at(time: str, **more: object) -> dict[str, object]:
    """A bolus over 20 min that may start 5 min late: it ends 25 min after its time at the latest."""
    return {"at": time, "dose": "1 ug", "over": "20 min", **more}


def clash(number: int, first: int, second: int, gap: str, within: str = "5 min", over: str = "20 min") -> str:
    again = "it is due again" if first == second else f"bolus #{second} is due"
    timing = f"within {within} and over {over}"
    return f"bolus#{number}: {timing}, bolus #{first} may still run when {again} {gap} later"


TWICE = "bolus#2.at: bolus #1 is also due at 22:00"


@pytest.mark.parametrize(
    ("boluses", "reported"),
    [
        ([at("22:00"), at("22:26")], []),
        ([at("22:00"), at("22:25")], [clash(2, 1, 2, "25 min")]),
        ([at("22:00"), at("22:01")], [clash(2, 1, 2, "1 min")]),
        ([at("22:00"), at("22:00")], [TWICE]),
        ([at("22:00")] * 3, [TWICE, "bolus#3.at: bolus #2 is also due at 22:00"]),
        ([at("23:50"), at("00:15")], [clash(2, 1, 2, "25 min")]),
        ([at("23:50"), at("00:16")], []),
        ([at("00:15"), at("23:50")], [clash(2, 2, 1, "25 min")]),
        ([at("22:00", over="1434 min")], []),
        ([at("22:00", over="1435 min")], [clash(1, 1, 1, "1 d", over="1435 min")]),
        ([at("22:00", over="24 h", days=["mon"])], []),
        ([at("22:00", over="24 h", once=True)], []),
        ([at("22:00", days=["mon"]), at("22:00", days=["tue"])], []),
        ([at("22:00", days=["mon"]), at("22:00", days=["tue", "mon"])], [TWICE]),
        ([at("23:50", days=["sun"]), at("00:05", days=["mon"])], [clash(2, 1, 2, "15 min")]),
        ([at("23:50", days=["sun"]), at("00:05", days=["tue"])], []),
        # the start is on a Friday at 08:00: a bolus given once at 07:00 is due on Saturday, at 08:00 at once
        ([at("07:00", once=True), at("07:10", days=["sat"])], [clash(2, 1, 2, "10 min")]),
        ([at("07:00", once=True), at("07:10", days=["fri"])], []),
        ([at("08:00", once=True), at("08:10", days=["fri"])], [clash(2, 1, 2, "10 min")]),
        ([at("08:00", once=True), at("07:50")], []),
        ([at("22:00", once=True), at("21:50")], [clash(2, 2, 1, "10 min")]),
        ([at("22:00", once=True, over="20 h"), at("12:00")], [clash(2, 1, 2, "14 h", over="20 h")]),
        ([at("22:00", within="1 h"), at("23:20")], [clash(2, 1, 2, "80 min", within="1 h")]),
        ([at("22:00", within="1 h"), at("23:21")], []),
    ],
    ids=lambda value: str(len(value)),
)
def test_two_scheduled_boluses_never_run_at_once(
    boluses: list[dict[str, object]], reported: list[str]
) -> None:
    if reported:
        assert faults(bolus=boluses) == reported
    else:
        assert len(plan(bolus=boluses).bolus) == len(boluses)


def test_a_plan_holds_at_most_96_boluses() -> None:
    quarter_hours = [
        {"at": f"{n // 4:02}:{n % 4 * 15:02}", "dose": "1 ug", "over": "1 min"} for n in range(96)
    ]
    assert len(plan(bolus=quarter_hours).bolus) == 96
    assert faults(bolus=[*quarter_hours, at("22:00")]) == ["bolus: 97 scheduled boluses"]
    assert faults(bolus=[*quarter_hours[1:], at("22:00", over="1 min")]) == [
        "bolus#96.at: bolus #88 is also due at 22:00"
    ]


def test_a_clash_of_boluses_says_what_would_fit() -> None:
    with pytest.raises(InvalidInput, match=r"; allowed: within and over of bolus #1 together below 25 min$"):
        plan(bolus=[at("22:00"), at("22:25")])


def test_boluses_are_numbered_by_their_time_however_the_file_puts_them() -> None:
    late, early = at("22:00", days=["tue"]), at("06:00")
    monday = at("22:00", days=["mon"])
    for order in ([late, early, monday], [monday, late, early]):
        assert [(bolus.at_ms, bolus.days) for bolus in plan(bolus=order).bolus] == [
            (21_600_000, None),
            (79_200_000, ("mon",)),
            (79_200_000, ("tue",)),
        ]


# --- titration


def test_a_titration_by_dose_needs_one_daily_dose_and_one_by_change_does_not() -> None:
    weekend = {"days": ["sat", "sun"], "steps": [{"from": "00:00", "rate": "10 ug/h"}]}
    working = {"days": list(WEEKDAYS[:5]), "steps": [{"from": "00:00", "rate": "12 ug/h"}]}
    by_dose = {"step": [{"after": "1 d", "dose": "300 ug/day"}]}
    by_change = {"step": [{"after": "1 d", "change": "+20 %"}]}
    differing, same = (
        {"days": [weekend, working]},
        {"days": [weekend, {**weekend, "days": list(WEEKDAYS[:5])}]},
    )
    assert faults(basal=differing, titration=by_dose) == [
        "titration.step#1.dose: the daily dose differs between the weekdays"
    ]
    assert plan(basal=differing, titration=by_change).titration is not None
    assert plan(basal=same, titration=by_dose).titration is not None


def test_a_titration_of_no_steps_or_of_more_than_100_is_refused() -> None:
    step = {"after": "1 d", "change": "+1 %"}
    assert len(plan(titration={"step": [step] * 100}).titration.step) == 100  # type: ignore[union-attr]
    assert faults(titration={"step": [step] * 101}) == ["titration.step: 101 entries"]
    assert faults(titration={"step": []}) == ["titration.step: 0 entries"]
    assert faults(titration={"step": [{"change": "+20 %"}]}) == ["titration.step#1.after: is missing"]
    assert faults(titration={}) == ["titration.step: is missing"]


def test_a_reservoir_holds_one_to_eight_drugs() -> None:
    drugs = [{"name": f"drug-{number}", "concentration": "1 mg/mL"} for number in range(9)]
    reservoir = values()["reservoir"]
    assert len(plan(reservoir={**reservoir, "drugs": drugs[:8]}).reservoir.drugs) == 8
    assert faults(reservoir={**reservoir, "drugs": drugs}) == ["reservoir.drugs: 9 entries"]
    assert faults(reservoir={**reservoir, "drugs": []}) == ["reservoir.drugs: 0 entries"]


# --- canonical form


def test_the_canonical_form_writes_every_quantity_in_one_form_and_every_default_out() -> None:
    assert plan(bolus=[at("22:00")], previous="0" * 64, bridge={}).canonical_json() == (
        '{"basal":{"rate":"400 ug/day"},'
        '"bolus":[{"at":"22:00","dose":"1 ug","once":false,"over":"20 min","within":"5 min"}],'
        '"bridge":{},"catheter":{"volume":["0.19 mL","0.202 mL"]},"id":"T","patient":"p","prescriber":"b",'
        f'"previous":"{"0" * 64}","pump":"implant-40",'
        '"reservoir":{"alarm":"2 mL","drugs":[{"concentration":"1000 ug/mL","name":"baclofen"}],'
        '"filled":"40 mL","residual":["0 mL","0 mL"]},"schema":1,"start":"2026-11-20T08:00","title":"t",'
        '"utc_offset":"+00:00"}'
    )


def test_the_hash_is_the_sha256_of_the_canonical_form() -> None:
    assert plan().sha256 == "350949ff51b448a2b6bf91cf5f2edcdfb8f6b38b575d9c70171ee4023176752f"


def test_the_canonical_form_reads_back_as_the_same_plan() -> None:
    for one in (
        parse_plan(TEXT),
        plan(on_loss="stop", bolus=[at("22:00")]),
        plan(previous="0" * 64, bridge={}),
    ):
        again = plan_from(json.loads(one.canonical_json()))
        assert again == one
        assert again.sha256 == one.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"id": "U"},
        {"title": "T"},
        {"start": "2026-11-20T08:01"},
        {"utc_offset": "+01:00"},
        {"on_loss": "stop"},
        {"on_loss": {"hold": "4 h"}},
        {"pump": "implant-20"},
        {"basal": {"rate": "401 ug/day"}},
        {"bolus": [at("22:00")]},
        {"bolus": [at("22:00", within="6 min")]},
        {"bolus": [at("22:00", once=True)]},
        {"previous": "0" * 64},
        {"previous": "0" * 64, "bridge": {}},
        {"catheter": {"volume": ["0.190 mL", "0.203 mL"]}},
        {"limits": {"max_bolus": "1 mg"}},
        {"limits": {"max_per_day": "1 mg"}},
    ],
    ids=str,
)
def test_plans_that_differ_have_different_hashes(change: dict[str, Any]) -> None:
    assert plan(**change).sha256 != plan().sha256
