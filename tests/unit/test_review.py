"""Each finding of the review, fired by one plan and not by a near miss; mixtures; side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.therapy.findings import CODES, finding
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review import blocked, side_by_side
from pump_ctrl.therapy.review_dose import _during
from pump_ctrl.therapy.sourced import Sourced
from pump_ctrl.therapy.wording import day, digits, mass, share, span, volume
from pump_ctrl.units import Mass
from tests.unit.review_bench import ASKED, FLEX, MIXTURE, NIGHT, after, codes, findings, old, plan

Reviewed = DosingPlan | tuple[DosingPlan, DosingPlan]
MORPHINE, ZICONOTIDE = {"morphine": "10 mg/mL"}, {"ziconotide": "25 ug/mL"}
EMPTY = "empty"


def baclofen(strength: str) -> dict[str, str]:
    return {"baclofen": strength}


def bolus(dose: str, over: str = "20 min", at: str = "22:00", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"at": at, "dose": dose, "over": over, **more}


def falling(at: str) -> dict[str, Any]:
    """240 ug from 08:00 on, then 20 ug."""
    return {"steps": [{"from": "08:00", "dose": "240 ug"}, {"from": at, "dose": "20 ug"}]}


def steps(*of: tuple[str, str]) -> dict[str, Any]:
    """Titration steps (after, change or dose)."""
    return {"step": [{"after": wait, "change" if "%" in how else "dose": how} for wait, how in of]}


def primed(text: str, path: str = EMPTY) -> dict[str, str]:
    return {"volume": text, "path": path}


def primed_at(at: str, within: str) -> DosingPlan:
    """A plan that primes at its start, 08:00, with a bolus soon after."""
    return plan(prime=primed("0.336 mL"), bolus=[bolus("10 ug", at=at, within=within)])


def changed(rate: str, before: str, drugs: dict[str, str] | None = None) -> Reviewed:
    """The same fluid, another dose."""
    return after(old(drugs, before), drugs, rate)


def asked(rate: str, **terms: Any) -> DosingPlan:  # noqa: ANN401
    return plan(MORPHINE, rate, patient_bolus={**ASKED, **terms})


def every(hours: int, **more: Any) -> DosingPlan:  # noqa: ANN401
    slots = [bolus("10 ug", at=f"{hour:02}:00") for hour in range(0, 24, hours)]
    terms = {"dose": "10 ug", "over": "10 min", "max_per_day": 4, **more}
    return plan(bolus=slots, patient_bolus=terms)


TENTH = old(baclofen("50 ug/mL"), "50 ug/day")
RUNNING = old()
DOSED = old(baclofen("2000 ug/mL"), "2000 ug/day")
LONG = bolus("150 ug", "4 h", within="1 min")
THIRD = old(previous=RUNNING.sha256)

# code: (fires, near miss, pump profile)
CASES: dict[str, tuple[Callable[[], Reviewed], Callable[[], Reviewed]]] = {
    "drug-unknown": (lambda: plan({"heparin": "10 mg/mL"}, "1 mg/day"), plan),
    "catheter-unknown": (
        lambda: plan(catheter={"model": "ascenda-8782", "length": "89 cm"}),
        lambda: plan(catheter={"model": "ascenda-8781", "length": "89 cm"}),
    ),
    "previous-missing": (lambda: plan(previous="0" * 64), lambda: after(RUNNING)),
    "previous-mismatch": (lambda: (plan(previous="0" * 64), RUNNING), lambda: after(RUNNING)),
    "previous-unnamed": (lambda: (plan(), RUNNING), lambda: after(RUNNING)),
    "pump-other": (lambda: plan(pump="implant-20"), plan),
    "concentration-hard": (lambda: plan(baclofen("2000.001 ug/mL")), lambda: plan(baclofen("2000 ug/mL"))),
    "concentration-soft": (
        lambda: plan({"morphine": "20.001 mg/mL"}, "1 mg/day"),
        lambda: plan({"morphine": "20 mg/mL"}, "1 mg/day"),
    ),
    "concentration-naive": (
        lambda: plan({"ziconotide": "25.001 ug/mL"}, "2 ug/day"),
        lambda: plan({"ziconotide": "25 ug/mL"}, "2 ug/day"),
    ),
    "naive-pump": (lambda: plan(ZICONOTIDE, "2 ug/day"), lambda: changed("2 ug/day", "2 ug/day", ZICONOTIDE)),
    "capacity": (lambda: plan(filled="40.001 mL"), lambda: plan(filled="40 mL")),
    "alarm-late": (lambda: plan(alarm="6.288 mL"), lambda: plan(alarm="6.289 mL")),
    "stability-first": (
        lambda: plan(rate="211 ug/day"),
        lambda: plan(rate="212 ug/day"),
    ),  # 180.1 and 179.2 days
    "residual-blend": (lambda: plan(residual=("0 mL", "0.1 mL")), plan),
    "residual-drug": (
        lambda: after(old(MORPHINE, "1 mg/day"), residual=("0 mL", "0.1 mL"), bridge={}),
        lambda: after(old(MORPHINE, "1 mg/day"), bridge={}),
    ),
    "residual-unknown": (
        lambda: after(THIRD, residual=("0 mL", "0.1 mL")),
        lambda: after(RUNNING, residual=("0 mL", "0.1 mL")),
    ),
    "catheter-long": (
        lambda: plan(catheter={"model": "ascenda-8780", "length": "114.1 cm"}),
        lambda: plan(catheter={"model": "ascenda-8780", "length": "114 cm"}),
    ),
    "daily-hard": (lambda: plan(rate="2000.001 ug/day"), lambda: plan(rate="2000 ug/day")),
    "daily-soft": (lambda: plan(rate="1000.001 ug/day"), lambda: plan(rate="1000 ug/day")),
    "patient-daily-hard": (lambda: asked("18.5 mg/day"), lambda: asked("18.3 mg/day")),
    "patient-daily-soft": (lambda: asked("13.5 mg/day"), lambda: asked("13.3 mg/day")),
    "bolus-hard": (lambda: plan(bolus=[bolus("200.001 ug")]), lambda: plan(bolus=[bolus("200 ug")])),
    "bolus-soft": (lambda: plan(bolus=[bolus("100.001 ug")]), lambda: plan(bolus=[bolus("100 ug")])),
    "own-limit-looser": (
        lambda: plan(limits={"max_per_day": "2000.001 ug"}),
        lambda: plan(limits={"max_per_day": "2000 ug"}),
    ),
    "own-limit-exceeded": (
        lambda: plan(limits={"max_per_day": "399.999 ug"}),
        lambda: plan(limits={"max_per_day": "400 ug"}),
    ),
    "start-hard": (lambda: plan(ZICONOTIDE, "2.401 ug/day"), lambda: plan(ZICONOTIDE, "2.4 ug/day")),
    "start-soft": (lambda: plan(rate="200.001 ug/day"), lambda: plan(rate="200 ug/day")),
    "below-minimum": (
        lambda: plan(baclofen("250 ug/mL"), "23.999 ug/day"),
        lambda: plan(baclofen("250 ug/mL"), "24 ug/day"),
    ),
    "no-basal": (
        lambda: plan(basal={"mode": "stopped"}),
        lambda: plan(ZICONOTIDE, basal={"mode": "stopped"}),
    ),
    "rate-below-pump": (lambda: plan(rate="47.999 ug/day"), lambda: plan(rate="48 ug/day")),
    "rate-above-pump": (
        lambda: plan(bolus=[bolus("60 ug", "3.6 min")]),  # 1 mL/h on the basal
        lambda: plan(bolus=[bolus("59 ug", "3.6 min")]),  # 0.983 + 0.017 = 0.9999 mL/h
    ),
    "bolus-below-step": (lambda: plan(bolus=[bolus("0.099 ug")]), lambda: plan(bolus=[bolus("0.1 ug")])),
    "basal-beside-bolus": (
        lambda: plan(bolus=[bolus("60 ug")], basal=falling("22:20")),
        lambda: plan(bolus=[bolus("60 ug")], basal=falling("22:21")),
    ),
    "dose-rounded": (lambda: plan(bolus=[bolus("60.05 ug")]), lambda: plan(bolus=[bolus("60.1 ug")])),
    "step-up-hard": (
        lambda: changed("520.001 ug/day", "400 ug/day"),
        lambda: changed("520 ug/day", "400 ug/day"),
    ),
    "step-up-soft": (
        lambda: changed("460.001 ug/day", "400 ug/day"),
        lambda: changed("460 ug/day", "400 ug/day"),
    ),
    "step-interval-hard": (
        lambda: plan(titration=steps(("23.99 h", "+10 %"))),
        lambda: plan(titration=steps(("24 h", "+10 %"))),
    ),
    "step-interval-soft": (
        lambda: plan(MORPHINE, "1 mg/day", titration=steps(("71.9 h", "+10 %"))),
        lambda: plan(MORPHINE, "1 mg/day", titration=steps(("72 h", "+10 %"))),
    ),
    "taper-hard": (
        lambda: plan(titration=steps(("48 h", "-20.001 %"))),
        lambda: plan(titration=steps(("48 h", "-20 %"))),
    ),
    "taper-soft": (
        lambda: plan(MORPHINE, "5 mg/day", titration=steps(("7 d", "-10.001 %"))),
        lambda: plan(MORPHINE, "5 mg/day", titration=steps(("7 d", "-10 %"))),
    ),
    "taper-interval": (
        lambda: plan(titration=steps(("47.99 h", "-10 %"))),
        lambda: plan(titration=steps(("48 h", "-10 %"))),
    ),
    "decrease-hard": (
        lambda: changed("319.999 ug/day", "400 ug/day"),
        lambda: changed("320 ug/day", "400 ug/day"),
    ),
    "decrease-soft": (
        lambda: changed("4.499 mg/day", "5 mg/day", MORPHINE),
        lambda: changed("4.5 mg/day", "5 mg/day", MORPHINE),
    ),
    "drug-removed": (
        lambda: after(old(MORPHINE, "1 mg/day"), bridge={}),
        lambda: after(old(ZICONOTIDE, "2 ug/day"), bridge={}),
    ),
    "look-alike": (
        lambda: after(TENTH, baclofen("450 ug/mL"), "50 ug/day", bridge={}),
        lambda: after(TENTH, baclofen("449 ug/mL"), "50 ug/day", bridge={}),
    ),
    "daily-change": (
        lambda: changed("400.001 ug/day", "400 ug/day"),
        lambda: changed("400 ug/day", "400 ug/day"),
    ),
    "load-cap": (
        lambda: after(DOSED, baclofen("2000 ug/mL"), "1849 ug/day", bolus=[LONG]),
        lambda: after(
            old(baclofen("2000 ug/mL"), "1849 ug/day"), baclofen("2000 ug/mL"), "1849 ug/day", bolus=[LONG]
        ),
    ),
    "load-times": (
        lambda: after(old(basal=halves("1800 ug", "50 ug")), basal=halves("50 ug", "1800 ug")),
        lambda: after(old(basal=halves("950 ug", "50 ug")), basal=halves("50 ug", "950 ug")),
    ),
    "bridge-missing": (
        lambda: after(old(baclofen("2000 ug/mL"))),
        lambda: after(old(baclofen("2000 ug/mL")), bridge={}),
    ),
    "bridge-unneeded": (
        lambda: after(RUNNING, bridge={}),
        lambda: after(old(baclofen("999 ug/mL")), bridge={}),
    ),
    "bridge-stopped": (
        lambda: after(old(baclofen("2000 ug/mL")), basal={"mode": "stopped"}, bridge={}),
        lambda: after(old(baclofen("2000 ug/mL")), basal={"mode": "minimum"}, bridge={}),
    ),
    "bridge-facts": (lambda: after(old(baclofen("2000 ug/mL")), bridge={}), lambda: after(RUNNING)),
    "prime-filled-path": (
        lambda: after(RUNNING, prime=primed("0.195 mL", "aspirated")),
        lambda: plan(prime=primed("0.195 mL", "aspirated")),
    ),
    "prime-over-path": (
        lambda: plan(prime=primed("0.342031 mL")),
        lambda: plan(prime=primed("0.342030 mL")),
    ),
    "prime-short": (lambda: plan(prime=primed("0.330014 mL")), lambda: plan(prime=primed("0.330015 mL"))),
    "prime-early-hard": (  # 25 % of 0.336 mL of 25 mg/mL are 2.1 mg
        lambda: plan({"morphine": "25 mg/mL"}, "17.901 mg/day", prime=primed("0.336 mL")),
        lambda: plan({"morphine": "25 mg/mL"}, "17.9 mg/day", prime=primed("0.336 mL")),
    ),
    "prime-early-soft": (  # 25 % of 0.336 mL of 10 mg/mL are 0.84 mg
        lambda: plan(MORPHINE, "14.161 mg/day", prime=primed("0.336 mL")),
        lambda: plan(MORPHINE, "14.16 mg/day", prime=primed("0.336 mL")),
    ),
    "prime-slot": (  # 0.336 mL at 1 mL/h are 20.16 min, and T_s at either end
        lambda: primed_at("08:15", "5 min"),
        lambda: primed_at("08:15", "314 s"),
    ),
    "prime-facts": (lambda: plan(prime=primed("0.336 mL")), plan),
    "on-loss-missing": (
        lambda: plan({"morphine": "10 mg/mL", "clonidine": "100 ug/mL"}, "1 mg/day"),
        lambda: plan({"baclofen": "1000 ug/mL", "clonidine": "100 ug/mL"}),
    ),
    "on-loss-against": (lambda: plan(on_loss="stop"), lambda: plan(on_loss={"hold": "4 h"})),
    "hold-too-long": (lambda: plan(on_loss={"hold": "24.001 h"}), lambda: plan(on_loss={"hold": "24 h"})),
    "patient-never": (lambda: every(3, lockout="145 min"), lambda: every(3, lockout="144 min")),
    "patient-slots": (lambda: every(3, lockout="144 min"), lambda: asked("1 mg/day")),
    "off-label": (
        lambda: plan({"hydromorphone": "5 mg/mL"}, "0.3 mg/day"),
        lambda: plan(MORPHINE, "1 mg/day"),
    ),
}
ELSEWHERE = {"plan-impossible", "hour-hard", "four-hours-hard", "refill-by", "unverified", "bolus-too-long"}


def halves(first: str, second: str) -> dict[str, Any]:
    return {"steps": [{"from": "00:00", "dose": first}, {"from": "12:00", "dose": second}]}


def test_every_code_of_the_table_has_its_case() -> None:
    assert set(CASES) | ELSEWHERE == set(CODES)
    assert not set(CASES) & ELSEWHERE


@pytest.mark.parametrize("code", CASES)
def test_the_finding_is_fired_by_one_plan_and_not_by_a_near_miss(code: str) -> None:
    fires, near = CASES[code]
    assert code in codes(fires())
    assert code not in codes(near())


@pytest.mark.parametrize("code", CASES)
def test_the_finding_has_the_level_of_the_table_and_says_more_than_its_code(code: str) -> None:
    found = next(item for item in findings(CASES[code][0]()) if item.code == code)
    assert found.level == CODES[code].level
    assert len(found.text) > 20
    assert found.field


def test_findings_count_drugs_boluses_and_steps_from_1_as_the_reader_of_the_file_does() -> None:
    fields = {item.field for reviewed, _ in CASES.values() for item in findings(reviewed())}
    counted = {field for field in fields if any(sign in field for sign in "#[0123456789")}
    assert counted == {"bolus#1.at", "bolus#1.dose", "reservoir.drugs#1.concentration", "titration.step#1"}


def test_minimum_mode_needs_a_pump_that_has_it() -> None:
    bench = plan(pump="ne-1000-bd-10ml", filled="9 mL", alarm="1 mL", basal={"mode": "minimum"})
    assert [item.code for item in findings(bench, "ne-1000-bd-10ml")] == ["plan-impossible"]
    assert "plan-impossible" not in codes(plan(basal={"mode": "minimum"}))


def test_every_plan_says_when_to_refill_and_what_is_unverified() -> None:
    assert {"refill-by", "unverified"} <= codes(plan())


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda: plan(basal=FLEX, bolus=[NIGHT]), "refill by 23 February 2027, 95 d from the start"),
        (
            lambda: plan(rate="200 ug/day"),
            "refill by 19 May 2027, 180 d from the start",
        ),  # stability; 190 d of fluid
        (lambda: plan(ZICONOTIDE, "2 ug/day"), "refill by 4 December 2026, 14 d from the start"),
        (
            lambda: changed("2 ug/day", "2 ug/day", ZICONOTIDE),
            "refill by 12 February 2027, 84 d from the start",
        ),
        (
            lambda: plan(MIXTURE, "4 mg/day", on_loss="stop", patient_bolus=ASKED),
            "with all 4 patient boluses a day taken",
        ),
    ],
)
def test_the_refill_is_due_at_the_alarm_volume_or_at_the_end_of_stability(
    of: Callable[[], Reviewed], words: str
) -> None:
    assert words in next(item.text for item in findings(of()) if item.code == "refill-by")


def test_one_note_lists_every_unverified_number_with_its_place() -> None:
    notes = [
        item for item in findings(plan(MIXTURE, "4 mg/day", on_loss="stop")) if item.code == "unverified"
    ]
    assert len(notes) == 1
    for name in ("morphine.daily_soft", "bupivacaine.daily_soft", "clonidine.daily_hard", "implant-40.step",
                 "ascenda-8780.volume"):  # fmt: skip
        assert name in notes[0].text
    assert "morphine.daily_hard" not in notes[0].text


def with_caps(**pg: int) -> Formulary:
    """The formulary with caps of baclofen for shorter windows."""
    formulary = load_formulary()
    caps = {
        name: Sourced[Mass](value=Mass(value), source="PROPOSAL", verified=False)
        for name, value in pg.items()
    }
    entry = formulary.drug("baclofen").model_copy(update=caps)
    return replace(formulary, drugs={**formulary.drugs, "baclofen": entry})


@pytest.mark.parametrize(
    ("code", "cap", "pg"),
    [("hour-hard", "hour_hard", 85_000_000), ("four-hours-hard", "four_hours_hard", 148_000_000)],
)
def test_shorter_windows_have_their_caps_where_the_formulary_has_them(code: str, cap: str, pg: int) -> None:
    # most basal: 25 ug in 1 h, 88 ug in 4 h (3 x 25 + 13); most bolus: 60 ug
    a = plan(basal=FLEX, bolus=[NIGHT])
    assert code in {item.code for item in findings(a, formulary=with_caps(**{cap: pg - 1}))}
    assert code not in {item.code for item in findings(a, formulary=with_caps(**{cap: pg}))}


def test_a_plan_exactly_at_its_limits_passes_none_of_them() -> None:
    at_hard = {item.code for item in findings(plan(rate="2000 ug/day"))}
    at_soft = {item.code for item in findings(plan(rate="1000 ug/day"))}
    assert not at_hard & {"daily-hard", "patient-daily-hard"}
    assert not at_soft & {"daily-soft", "patient-daily-soft", "daily-hard"}


def test_an_own_limit_is_compared_with_the_tightest_cap_of_a_window_that_holds_its_own() -> None:
    formulary = with_caps(hour_hard=100_000_000)
    for own, fires in (("100.001 ug", True), ("100 ug", False)):
        found = {item.code for item in findings(plan(limits={"max_per_hour": own}), formulary=formulary)}
        assert ("own-limit-looser" in found) is fires


# --- every drug of the mixture ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drugs", "rate", "more", "key"),
    [
        (
            {"morphine": "10 mg/mL", "clonidine": "1000.1 ug/mL"},
            "1 mg/day",
            {},
            "concentration-hard:clonidine",
        ),
        ({"morphine": "1 mg/mL", "clonidine": "601 ug/mL"}, "1 mg/day", {}, "daily-hard:clonidine"),
        ({"morphine": "1 mg/mL", "bupivacaine": "10.1 mg/mL"}, "1 mg/day", {}, "daily-soft:bupivacaine"),
        (
            {"morphine": "1 mg/mL", "clonidine": "400 ug/mL"},
            "0.1 mg/day",
            {"bolus": [bolus("0.11 mg")]},
            "bolus-hard:clonidine",
        ),
        (
            {"morphine": "1 mg/mL", "clonidine": "200 ug/mL"},
            "0.1 mg/day",
            {"bolus": [bolus("0.11 mg")]},
            "bolus-soft:clonidine",
        ),
        ({"morphine": "1 mg/mL", "clonidine": "101 ug/mL"}, "1 mg/day", {}, "start-soft:clonidine"),
        ({"morphine": "1 mg/mL", "bupivacaine": "5 mg/mL"}, "1 mg/day", {}, "off-label:bupivacaine"),
    ],
)
def test_a_drug_that_is_not_the_primary_one_is_checked_too(
    drugs: dict[str, str], rate: str, more: dict[str, Any], key: str
) -> None:
    assert key in {item.key for item in findings(plan(drugs, rate, on_loss="stop", **more))}


def test_c_passes_no_limit_with_every_patient_bolus_taken() -> None:
    c = plan(MIXTURE, "4 mg/day", patient_bolus=ASKED, on_loss="stop")
    assert not blocked(findings(c))
    assert {item.key for item in findings(c) if item.level == "reason"} == {
        "start-soft:morphine",
        "start-soft:bupivacaine",
    }


def test_a_mixture_is_off_label_even_if_each_drug_is_on_label() -> None:
    both = findings(plan({"morphine": "10 mg/mL", "ziconotide": "25 ug/mL"}, "1 mg/day"))
    assert [item.drug for item in both if item.code == "off-label"] == [None]


def test_the_residual_of_a_stronger_fluid_counts_against_the_hard_limit() -> None:
    before = old(baclofen("2000 ug/mL"), "1990 ug/day", "18.6 mL")
    # 1.4 mL of 2000 under 18.6 mL of 1900 ug/mL give 1907: 1990 ug/day by the label are 1997.3
    pair = after(before, baclofen("1900 ug/mL"), "1990 ug/day", "18.6 mL", ("0 mL", "1.4 mL"), bridge={})
    assert "daily-hard" not in codes(pair)
    more = after(before, baclofen("1900 ug/mL"), "1993 ug/day", "18.6 mL", ("0 mL", "1.4 mL"), bridge={})
    assert "daily-hard" in codes(more)


def test_the_weak_end_of_the_residual_counts_for_the_least_dose() -> None:
    thin = plan(baclofen("250 ug/mL"), "24.5 ug/day", "10 mL", ("0 mL", "1 mL"))
    assert "below-minimum" in codes(thin)  # 24.5 x 10 / 11 = 22.3 ug/day
    assert "below-minimum" not in codes(plan(baclofen("250 ug/mL"), "24.5 ug/day", "10 mL"))


def test_a_drug_of_the_previous_plan_that_the_formulary_lacks_blocks_too() -> None:
    pair = after(old({"heparin": "10 mg/mL"}, "1 mg/day"), bridge={})
    assert [item.key for item in blocked(findings(pair))] == ["drug-unknown:heparin"]


# --- the worked refusals ------------------------------------------------------------------------------------


def ziconotide(*of: tuple[str, str]) -> set[str]:
    return codes(plan(ZICONOTIDE, "1.2 ug/day", titration=steps(*of)))


def test_ziconotide_steps_of_0_5_a_week_are_free_of_step_findings() -> None:
    weekly = [
        ("7 d", f"{dose} ug/day") for dose in ("1.7", "2.2", "2.7", "3.2", "3.7", "4.2", "4.7", "5.2", "5.7")
    ]
    assert not {code for code in ziconotide(*weekly) if code.startswith(("step-", "start-", "daily-"))}


def test_ziconotide_step_of_2_5_and_a_step_within_48_h_are_refused() -> None:
    assert "step-up-hard" in ziconotide(("7 d", "3.7 ug/day"))
    assert "step-up-hard" not in ziconotide(("7 d", "3.6 ug/day"))
    assert "step-interval-hard" in ziconotide(("47.99 h", "1.7 ug/day"))
    assert "step-interval-hard" not in ziconotide(("48 h", "1.7 ug/day"))


def test_the_interval_runs_from_the_step_before_not_from_the_start() -> None:
    assert "step-interval-hard" in ziconotide(("7 d", "1.7 ug/day"), ("47 h", "2.2 ug/day"))


def test_ziconotide_total_of_19_3_is_refused_and_19_2_is_not() -> None:
    before = old(ZICONOTIDE, "18 ug/day")
    assert "daily-hard" in codes(after(before, ZICONOTIDE, "19.3 ug/day"))
    assert "daily-hard" not in codes(after(before, ZICONOTIDE, "19.2 ug/day"))


def test_the_taper_of_f_by_a_fifth_every_two_days_is_not_refused() -> None:
    fifth = [("2 d", "-20 %")] * 6 + [("2 d", "100 ug/day")]
    f = codes(plan(baclofen("2000 ug/mL"), titration=steps(*fifth)))
    assert not {code for code in f if code.startswith("taper-")}


def test_the_start_of_g_asks_one_kind_of_reason_the_cerebral_rule() -> None:
    g = plan(baclofen("500 ug/mL"), "100 ug/day", titration=steps(("2 d", "+20 %"), *[("1 d", "+20 %")] * 5))
    assert {item.code for item in findings(g) if item.level != "note"} == {"step-up-soft"}


def test_a_rate_below_the_pumps_lowest_says_dilute_and_zero_is_allowed() -> None:
    low = next(item for item in findings(plan(MORPHINE, "0.2 mg/day")) if item.code == "rate-below-pump")
    assert "dilute or lower the concentration" in low.text
    assert "480 ug/day" in low.text
    assert "rate-below-pump" not in codes(plan(basal=FLEX, bolus=[NIGHT]))
    assert "rate-below-pump" not in codes(plan({"morphine": "4 mg/mL"}, "0.2 mg/day"))


def test_a_stage_below_the_pumps_lowest_rate_is_blocked_as_well() -> None:
    assert "rate-below-pump" in codes(plan(rate="55 ug/day", titration=steps(("2 d", "-13 %"))))


def test_a_highest_basal_above_the_pump_is_blocked() -> None:
    assert "rate-above-pump" in codes(plan(baclofen("50 ug/mL"), "1200.001 ug/day"))
    assert "rate-above-pump" not in codes(plan(baclofen("50 ug/mL"), "1200 ug/day"))


# --- change against the plan in force -----------------------------------------------------------------------


def test_a_decrease_against_the_plan_in_force_is_never_blocked() -> None:
    """S-13: and the guard lets it through, tests/safety/test_rule_basal_window.py."""
    assert not blocked(findings(changed("50 ug/day", "900 ug/day")))


def test_the_same_decrease_as_a_planned_step_is_blocked() -> None:
    assert "taper-hard" in {
        item.code for item in blocked(findings(plan(titration=steps(("2 d", "100 ug/day")))))
    }


def test_daily_doses_are_compared_not_rates_within_the_day() -> None:
    """S-13."""
    assert "daily-change" not in codes(after(RUNNING, basal=halves("350 ug", "50 ug")))


def test_scheduled_boluses_belong_to_the_prescribed_daily_dose() -> None:
    # 400 -> 340 basal and 60 bolus: the same 400
    assert "daily-change" not in codes(after(RUNNING, rate="340 ug/day", bolus=[NIGHT]))
    assert "step-up-soft" in codes(after(RUNNING, bolus=[bolus("60.1 ug")]))
    assert "step-up-soft" not in codes(after(RUNNING, bolus=[bolus("60 ug")]))


def test_a_bolus_given_once_is_no_daily_dose() -> None:
    assert "daily-change" not in codes(after(RUNNING, bolus=[bolus("60 ug", once=True)]))


def test_an_increase_soon_after_the_start_of_the_plan_in_force_is_too_early() -> None:
    hour_before = plan(start="2026-11-19T09:00")
    day_before = plan(start="2026-11-19T08:00")
    assert "step-interval-hard" in codes(after(hour_before, rate="420 ug/day"))
    assert "step-interval-hard" not in codes(after(day_before, rate="420 ug/day"))


def test_an_increase_is_measured_against_the_stage_in_force() -> None:
    titrated = old(rate="400 ug/day", titration=steps(("10 d", "440 ug/day")))
    assert "step-up-soft" in codes(after(titrated, rate="507 ug/day"))
    assert "step-up-soft" not in codes(after(titrated, rate="506 ug/day"))


@pytest.mark.parametrize("factor", [10, 1000])
def test_a_slipped_point_or_unit_of_a_bolus_looks_alike(factor: int) -> None:
    """F-38: what is a unit of its kind is compared with the value before."""
    terms = {"over": "10 min", "lockout": "3 h", "max_per_day": 1}
    before = old(patient_bolus={**terms, "dose": f"{factor * 10} ng"})
    assert "look-alike" in codes(after(before, patient_bolus={**terms, "dose": "10 ng"}))
    assert "look-alike" not in codes(after(before, patient_bolus={**terms, "dose": f"{factor * 4} ng"}))


def test_a_tenth_of_the_scheduled_boluses_looks_alike_even_within_an_equal_daily_dose() -> None:
    before = old(rate="340 ug/day", bolus=[bolus("60 ug")])
    assert "look-alike" in codes(after(before, rate="394 ug/day", bolus=[bolus("6 ug")]))
    assert "look-alike" not in codes(after(before, rate="393 ug/day", bolus=[bolus("7 ug")]))


def test_a_tenfold_daily_dose_is_both_a_look_alike_and_blocked() -> None:
    found = {
        item.code: item.level for item in findings(changed("400 ug/day", "40 ug/day", baclofen("500 ug/mL")))
    }
    assert found["look-alike"] == "reason"
    assert found["step-up-hard"] == "blocked"


# --- bridge, prime, loss of control -------------------------------------------------------------------------


def test_without_a_bridge_the_finding_says_what_the_path_would_give() -> None:
    pair = after(old({"hydromorphone": "10 mg/mL"}, "3 mg/day"), {"hydromorphone": "5 mg/mL"}, "3 mg/day")
    text = next(item.text for item in findings(pair) if item.code == "bridge-missing")
    assert "6 mg/day of hydromorphone for 13.44 h" in text


def test_a_new_path_needs_no_bridge_and_an_aspirated_catheter_does() -> None:
    before = old(baclofen("2000 ug/mL"))
    assert "bridge-missing" not in codes(after(before, prime=primed("0.336 mL")))
    assert "bridge-missing" not in codes(after(before, prime=primed("0.196 mL", "back-table")))
    assert "bridge-missing" in codes(after(before, prime=primed("0.196 mL", "aspirated")))


def test_a_prime_of_the_catheter_alone_may_fill_the_catheter_only() -> None:
    assert "prime-over-path" in codes(plan(prime=primed("0.202031 mL", "back-table")))
    assert "prime-over-path" not in codes(plan(prime=primed("0.202030 mL", "back-table")))


def test_the_early_share_of_a_prime_counts_with_the_first_day_not_with_a_later_stage() -> None:
    later = plan(MORPHINE, "10 mg/day", prime=primed("0.336 mL"), titration=steps(*[("7 d", "+20 %")] * 2))
    assert "prime-early-soft" not in codes(later)  # 14.4 mg in the last stage, 10.84 on the first day


def test_the_drugs_preference_is_no_finding_where_they_disagree_and_the_plan_decides() -> None:
    both = {"morphine": "10 mg/mL", "clonidine": "100 ug/mL"}
    for said in ("stop", {"hold": "4 h"}):
        found = codes(plan(both, "1 mg/day", on_loss=said))
        assert not found & {"on-loss-missing", "on-loss-against", "hold-too-long"}
    assert "hold-too-long" in codes(plan(both, "1 mg/day", on_loss={"hold": "4.001 h"}))


def test_holding_an_opioid_is_against_the_formulary() -> None:
    assert "on-loss-against" in codes(plan(MORPHINE, "1 mg/day", on_loss={"hold": "1 h"}))


# --- the whole --------------------------------------------------------------------------------------------


def test_blocked_findings_come_first_and_notes_last() -> None:
    levels = [item.level for item in findings(plan(rate="2001 ug/day", on_loss="stop"))]
    assert levels == sorted(levels, key=["blocked", "reason", "note"].index)
    assert {"blocked", "reason", "note"} == set(levels)


def test_a_plan_that_the_compiler_would_refuse_gets_findings_not_an_error() -> None:
    assert "hold-too-long" in codes(plan(on_loss={"hold": "6 d"}, limits={"max_per_day": "1 ug"}))


@pytest.mark.parametrize(
    "more",
    [
        {"on_loss": {"hold": "5 d"}},
        {"catheter": {"model": "older", "length": "89 cm"}},
        {"drugs": {"morphine": "10 mg/mL", "clonidine": "1000 ug/mL"}, "rate": "1 mg/day"},
    ],
)
def test_a_plan_in_force_that_would_not_be_approved_today_does_not_stop_the_review(
    more: dict[str, Any],
) -> None:
    assert {"refill-by", "unverified"} <= codes(after(old(**more), bridge={}))


def test_a_plan_in_force_that_this_pump_cannot_carry_out_is_a_finding() -> None:
    resting = old(pump="ne-1000-bd-10ml", filled="9 mL", basal={"mode": "minimum"})
    pair = after(resting, pump="ne-1000-bd-10ml", filled="9 mL")
    assert [item.code for item in findings(pair, "ne-1000-bd-10ml")] == ["plan-impossible"]


def test_keys_name_code_and_drug() -> None:
    assert finding("daily-hard", "basal", "text", "baclofen").key == "daily-hard:baclofen"
    assert finding("capacity", "reservoir.filled", "text").key == "capacity"


def test_hard_and_soft_limits_of_one_kind_are_not_both_reported() -> None:
    assert "daily-soft" not in codes(plan(rate="2001 ug/day"))
    assert "bolus-soft" not in codes(plan(bolus=[bolus("201 ug")]))


def test_blocked_codes_ask_no_second_person_and_soft_limits_do() -> None:
    assert not any(rule.second for rule in CODES.values() if rule.level != "reason")
    assert all(CODES[code].second for code in CODES if code.endswith("-soft") and code != "decrease-soft")


# --- side by side -------------------------------------------------------------------------------------------


def test_side_by_side_marks_the_changed_rows_with_their_change() -> None:
    rows = {
        row.field: row for row in side_by_side(RUNNING, plan(rate="500 ug/day"), load_profile("implant-40"))
    }
    basal = rows["baclofen, basal"]
    assert (basal.current, basal.pending, basal.change) == ("400 ug/day", "500 ug/day", Fraction(1, 4))
    assert (basal.marked, basal.change_text) == (True, "+25 %")
    assert (rows["basal.rate"].current, rows["basal.rate"].pending) == ("400 ug/day", "500 ug/day")
    assert rows["volume a day"].pending == "0.5 mL/day"
    assert not rows["reservoir.filled"].marked
    assert rows["path volume"].current == rows["path volume"].pending == "0.3358 mL"


def test_side_by_side_shows_every_drug_and_what_is_new_or_gone() -> None:
    new = plan(MIXTURE, "4 mg/day", on_loss="stop", patient_bolus=ASKED)
    rows = {
        row.field: row for row in side_by_side(old(MORPHINE, "4 mg/day"), new, load_profile("implant-40"))
    }
    assert rows["clonidine, with every patient bolus"].pending == "74.67 ug/day"
    assert rows["bupivacaine, basal"].current == ""
    assert rows["bupivacaine, basal"].change is None
    assert rows["patient_bolus.lockout"].marked


STEPPED = {"step": [{"after": "2 d", "change": "-20 %"}, {"after": "2 d", "change": "-20 %"}]}


@pytest.mark.parametrize(
    ("start", "current", "volume", "change"),
    [
        ("2026-11-22T07:59", "400 ug/day", "0.4 mL/day", None),
        (
            "2026-11-22T08:00",
            "320 ug/day (titration step 1)",
            "0.32 mL/day (titration step 1)",
            Fraction(1, 4),
        ),
        (
            "2026-11-24T08:00",
            "256 ug/day (titration step 2)",
            "0.256 mL/day (titration step 2)",
            Fraction(9, 16),
        ),
        ("2026-11-19T08:00", "400 ug/day", "0.4 mL/day", None),  # before its own start: its first stage
    ],
)
def test_side_by_side_shows_the_dose_that_a_titration_has_reached_when_the_new_plan_takes_over(
    start: str, current: str, volume: str, change: Fraction | None
) -> None:
    rows = {
        row.field: row
        for row in side_by_side(plan(titration=STEPPED), plan(start=start), load_profile("implant-40"))
    }
    basal = rows["baclofen, basal"]
    assert (basal.current, basal.pending) == (current, "400 ug/day")
    assert (basal.change if basal.marked else None) == change
    assert rows["volume a day"].current == volume


def test_side_by_side_of_a_first_plan_has_empty_current_values() -> None:
    rows = side_by_side(None, plan(), load_profile("implant-40"))
    assert all(row.current == "" and row.marked for row in rows)


def test_side_by_side_of_equal_plans_marks_nothing() -> None:
    assert not any(row.marked for row in side_by_side(plan(), plan(), load_profile("implant-40")))


# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (Fraction(2, 3), "0.6667"),
        (Fraction(-2, 3), "-0.6667"),
        (12345, "12345"),
        (Fraction(2_000_001, 1000), "2001"),
        (Fraction(1, 10**12), "0.000000001"),
        (Fraction(100, 1), "100"),
    ],
)
def test_numbers_in_sentences_have_four_digits_rounded_away_from_zero(value: Fraction, text: str) -> None:
    assert digits(value) == text


def test_quantities_in_sentences_carry_their_unit() -> None:
    assert (mass(68_666_667), mass(1_500_000_000), mass(0), mass(20_000)) == (
        "68.67 ug",
        "1.5 mg",
        "0 ug",
        "20 ng",
    )
    assert (volume(335_800), volume(100)) == ("0.3358 mL", "0.1 uL")
    assert (span(1_209_000), span(48_355_200), span(95 * 86_400_000)) == ("20.15 min", "13.44 h", "95 d")
    assert (share(Fraction(1, 4)), share(Fraction(-1, 5)), share(Fraction(0))) == ("+25 %", "-20 %", "0 %")


@pytest.mark.parametrize(
    ("utc_ms", "offset_ms", "text"),
    [
        (0, 0, "1 January 1970"),
        (951_782_400_000, 0, "29 February 2000"),
        (1_798_761_599_999, 0, "31 December 2026"),
        (1_798_761_599_999, 3_600_000, "1 January 2027"),
        (4_107_542_400_000, 0, "1 March 2100"),
    ],
)
def test_days_are_local_and_print_the_month_as_a_word(utc_ms: int, offset_ms: int, text: str) -> None:
    assert day(utc_ms, offset_ms) == text


def test_a_finding_names_the_part_of_the_plan_in_words_and_its_start_not_at_all() -> None:
    plans = {"stage-0": "", "stage-3": " (titration step 3)", "bridge": " (bridge)"}
    assert {account: _during(account) for account in plans} == plans
