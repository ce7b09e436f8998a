"""The worked arithmetic of path, prime, bridge, reservoir and refill, restated as literals."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy import volumes
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_profile
from pump_ctrl.therapy.refill import RefillCheck
from tests.unit.review_bench import FLEX, NIGHT, plan

ML = 1_000_000  # nL
HOUR, DAY = 3_600_000, 86_400_000  # ms
UG, MG = 10**6, 10**9  # pg
IMPLANT_20, IMPLANT_40 = load_profile("implant-20"), load_profile("implant-40")
HARVARD_10, NEW_ERA_10 = load_profile("pump-11-elite-bd-10ml"), load_profile("ne-1000-bd-10ml")


def hours(ms: Fraction | None) -> float:
    assert ms is not None
    return float(ms / HOUR)


# --- fluids -------------------------------------------------------------------------------------------------


def test_a_residual_of_stronger_fluid_makes_the_new_fluid_stronger_than_its_label() -> None:
    old = plan({"morphine": "10 mg/mL"}, "3 mg/day", "18.6 mL")
    new = plan({"morphine": "5 mg/mL"}, "3 mg/day", "18.6 mL", ("0 mL", "1.4 mL"), previous=old.sha256)
    assert volumes.reservoir_fluid(new, old) == {"morphine": (5_000_000_000, 5_350_000_000)}


def test_a_residual_of_weaker_fluid_lowers_the_lower_bound_only() -> None:
    old = plan({"morphine": "5 mg/mL"}, "3 mg/day", "18.6 mL")
    new = plan({"morphine": "10 mg/mL"}, "3 mg/day", "18.6 mL", ("0 mL", "1.4 mL"), previous=old.sha256)
    assert volumes.reservoir_fluid(new, old) == {"morphine": (9_650_000_000, 10_000_000_000)}


def test_fluid_bounds_are_whole_pg_per_ml_rounded_outwards() -> None:
    thirds = plan(filled="7 mL", residual=("2 mL", "2 mL"))
    weaker = plan({"baclofen": "500 ug/mL"}, filled="7 mL")
    stronger = plan({"baclofen": "2000 ug/mL"}, filled="7 mL")
    # (7 x 1000 + 2 x 500) / 9 = 888.888888...; (7 x 1000 + 2 x 2000) / 9 = 1222.222222... ug/mL
    assert volumes.reservoir_fluid(thirds, weaker) == {"baclofen": (888_888_888, 888_888_889)}
    assert volumes.reservoir_fluid(thirds, stronger) == {"baclofen": (1_222_222_222, 1_222_222_223)}


def test_the_lower_bound_of_the_residual_counts_too() -> None:
    old = plan({"morphine": "10 mg/mL"}, "3 mg/day", "18.6 mL")
    new = plan({"morphine": "5 mg/mL"}, "3 mg/day", "18.6 mL", ("1.4 mL", "1.4 mL"), previous=old.sha256)
    assert volumes.reservoir_fluid(new, old) == {"morphine": (5_350_000_000, 5_350_000_000)}


def test_a_drug_that_only_the_residual_brings_has_its_own_bounds() -> None:
    old = plan({"morphine": "20 mg/mL"}, "6 mg/day", "20 mL")
    new = plan({"hydromorphone": "5 mg/mL"}, "1 mg/day", "18.6 mL", ("0 mL", "1.4 mL"), previous=old.sha256)
    assert volumes.reservoir_fluid(new, old) == {
        "hydromorphone": (4_650_000_000, 5_000_000_000),
        "morphine": (0, 1_400_000_000),
    }


def test_without_a_previous_plan_a_residual_may_be_drug_free_or_the_same_fluid() -> None:
    first = plan(filled="3 mL", residual=("1 mL", "2 mL"))
    assert volumes.reservoir_fluid(first, None) == {"baclofen": (600_000_000, 1_000_000_000)}


def test_no_residual_leaves_the_label_alone() -> None:
    old = plan({"morphine": "20 mg/mL"}, "6 mg/day", "20 mL")
    new = plan({"hydromorphone": "5 mg/mL"}, "1 mg/day", "20 mL", previous=old.sha256)
    assert volumes.reservoir_fluid(new, old) == {"hydromorphone": (5_000_000_000, 5_000_000_000)}


PRIME = {"volume": "0.1958 mL"}


def test_the_path_holds_the_previous_fluid_at_the_start() -> None:
    old = plan({"morphine": "20 mg/mL"}, "6 mg/day", "20 mL")
    new = plan({"hydromorphone": "5 mg/mL"}, "1 mg/day", "20 mL", previous=old.sha256)
    assert volumes.path_fluid(new, old) == {"morphine": (20_000_000_000, 20_000_000_000)}


def test_an_empty_path_holds_no_drug() -> None:
    assert volumes.path_fluid(plan(prime={**PRIME, "path": "empty"}), None) == {}


@pytest.mark.parametrize("prime", [None, {**PRIME, "path": "back-table"}, {**PRIME, "path": "aspirated"}])
def test_without_a_previous_plan_the_path_may_hold_the_reservoir_fluid(prime: Any) -> None:  # noqa: ANN401
    first = plan(prime=prime) if prime else plan()
    assert volumes.path_fluid(first, None) == {"baclofen": (0, 1_000_000_000)}


def test_aspirating_the_catheter_leaves_the_old_fluid_in_the_pump_tubing() -> None:
    old = plan({"baclofen": "2000 ug/mL"})
    new = plan(previous=old.sha256, prime={**PRIME, "path": "aspirated"})
    assert volumes.path_fluid(new, old) == {"baclofen": (0, 2_000_000_000)}


# --- path ---------------------------------------------------------------------------------------------------


def test_the_nominal_path_of_89_cm_is_0_3358_ml() -> None:
    assert volumes.nominal_catheter(plan()) == 195_800
    assert volumes.nominal_path(plan(), IMPLANT_40) == 335_800


def test_path_bounds_enclose_the_nominal_path_by_about_3_percent_of_the_catheter() -> None:
    assert volumes.catheter_bounds(plan()) == (190_015, 202_030)
    assert volumes.path_bounds(plan(), IMPLANT_40) == (330_015, 342_030)


def test_signed_catheter_bounds_are_used_as_they_stand() -> None:
    signed = plan(catheter={"volume": ["0.190 mL", "0.202 mL"]})
    assert volumes.path_bounds(signed, IMPLANT_40) == (330_000, 342_000)
    assert volumes.nominal_path(signed, IMPLANT_40) == 336_000


def test_a_length_that_gives_no_whole_nanolitre_is_rounded_outwards() -> None:
    odd = plan(catheter={"model": "prometra", "length": "89.13 cm"})
    # 89.13 x 2522 = 224785.86; 89.13 x 2678 = 238690.14 nL
    assert volumes.catheter_bounds(odd) == (224_785, 238_691)


def test_an_unknown_catheter_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'ascenda'.*8709.*ascenda-8780.*volume"):
        volumes.path_bounds(plan(catheter={"model": "ascenda", "length": "89 cm"}), IMPLANT_40)


# --- prime --------------------------------------------------------------------------------------------------


def test_priming_the_whole_path_of_b_takes_20_1_min_and_moves_3_36_mg() -> None:
    prime = {"volume": "0.3358 mL", "path": "empty"}
    facts = volumes.prime_facts(
        plan({"morphine": "10 mg/mL"}, "1.5 mg/day", "20 mL", prime=prime), IMPLANT_20
    )
    assert facts is not None
    assert facts.duration_ms == Fraction(3358, 10_000) * HOUR  # at 1 mL/h
    assert float(facts.duration_ms) / 60_000 == pytest.approx(20.1, abs=0.06)
    assert facts.mass_pg == {"morphine": 3_358_000_000}
    assert facts.early_pg == {"morphine": 839_500_000}  # 25 %: the 0.84 mg of D-12


@pytest.mark.parametrize(
    ("profile", "volume_nl", "nl_per_h"),
    [
        (IMPLANT_40, 335_800, 1_000_000),  # its own highest
        (HARVARD_10, 200_000, 1_000_000),  # 12 min; its own highest would be half a second
        (HARVARD_10, 1_000_000, 1_000_000),  # just the hour of its lease
        (HARVARD_10, 1_200_000, 1_200_000),  # faster, or the lease would not hold it
        (NEW_ERA_10, 1_200_000, 1_000_000),  # a day's
    ],
)
def test_a_prime_is_as_slow_on_a_syringe_pump_as_on_an_implant(
    profile: PumpProfile, volume_nl: int, nl_per_h: int
) -> None:
    assert volumes.prime_pace(volume_nl, profile) == nl_per_h


def test_the_nominal_prime_is_the_path_when_empty_and_the_catheter_otherwise() -> None:
    assert volumes.nominal_prime(plan(), IMPLANT_40, "empty") == 335_800
    assert volumes.nominal_prime(plan(), IMPLANT_40, "back-table") == 195_800
    assert volumes.nominal_prime(plan(), IMPLANT_40, "aspirated") == 195_800


def test_a_plan_without_prime_has_no_prime_facts() -> None:
    assert volumes.prime_facts(plan(), IMPLANT_40) is None


# --- bridge -------------------------------------------------------------------------------------------------


def bridge(old: DosingPlan, drugs: Mapping[str, str], rate: str, **more: Any) -> volumes.BridgeFacts:  # noqa: ANN401
    new = plan(drugs, rate, "20 mL", previous=old.sha256, bridge=more.pop("table", {}), **more)
    return volumes.bridge_facts(new, old, IMPLANT_20)


def test_bridge_e_runs_13_43_h_at_the_old_rate_and_carries_1_679_mg() -> None:
    old = plan({"hydromorphone": "5 mg/mL"}, "3 mg/day", "20 mL")
    facts = bridge(old, {"hydromorphone": "10 mg/mL"}, "3 mg/day")
    assert (facts.old_nl_per_day, facts.new_nl_per_day) == (600_000, 300_000)
    assert facts.nominal_ms == Fraction(335_800 * DAY, 600_000)
    assert hours(facts.nominal_ms) == pytest.approx(13.43, abs=0.005)
    assert facts.carries_pg == {"hydromorphone": 1_679_000_000}


def test_bridge_e2_runs_26_9_h_at_0_3_ml_a_day() -> None:
    old = plan({"morphine": "20 mg/mL"}, "6 mg/day", "20 mL")
    facts = bridge(old, {"hydromorphone": "5 mg/mL"}, "1 mg/day")
    assert (facts.old_nl_per_day, facts.new_nl_per_day) == (300_000, 200_000)
    assert hours(facts.nominal_ms) == pytest.approx(26.9, abs=0.04)


def test_the_two_phases_of_a_bridge_are_the_path_bounds_widened_by_the_pumps_accuracy() -> None:
    old = plan({"hydromorphone": "5 mg/mL"}, "3 mg/day", "20 mL")
    facts = bridge(old, {"hydromorphone": "10 mg/mL"}, "3 mg/day")
    # 330015 / 1.145 = 288222.7 down; 342030 / 0.855 = 400035.1 up
    assert (facts.low_nl, facts.high_nl) == (288_222, 400_036)
    assert facts.old_ms == Fraction(288_222 * DAY, 600_000)
    assert facts.lower_ms == Fraction((400_036 - 288_222) * DAY, 300_000)


def test_the_second_phase_runs_at_the_old_rate_where_that_is_the_lower_one() -> None:
    old = plan({"hydromorphone": "10 mg/mL"}, "3 mg/day", "20 mL")
    facts = bridge(old, {"hydromorphone": "5 mg/mL"}, "3 mg/day")
    assert (facts.old_nl_per_day, facts.new_nl_per_day) == (300_000, 600_000)
    assert facts.lower_ms == Fraction((400_036 - 288_222) * DAY, 300_000)


def test_the_bridges_own_bounds_replace_those_of_the_path() -> None:
    old = plan({"hydromorphone": "5 mg/mL"}, "3 mg/day", "20 mL")
    facts = bridge(old, {"hydromorphone": "10 mg/mL"}, "3 mg/day", table={"volume": ["0.229 mL", "0.342 mL"]})
    assert (facts.low_nl, facts.high_nl) == (200_000, 400_000)
    assert facts.nominal_nl == 285_500


def test_a_bridge_from_a_titrated_plan_starts_from_the_stage_in_force() -> None:
    steps = {"step": [{"after": "2 d", "dose": "6 mg/day"}]}
    old = plan({"hydromorphone": "5 mg/mL"}, "3 mg/day", "20 mL", start="2026-11-10T08:00", titration=steps)
    assert bridge(old, {"hydromorphone": "10 mg/mL"}, "3 mg/day").old_nl_per_day == 1_200_000


def test_a_bridge_in_which_nothing_flows_has_no_end() -> None:
    old = plan({"hydromorphone": "5 mg/mL"}, "3 mg/day", "20 mL")
    new = plan({"hydromorphone": "10 mg/mL"}, previous=old.sha256, bridge={}, basal={"mode": "stopped"})
    facts = volumes.bridge_facts(new, old, IMPLANT_20)
    assert facts.lower_ms is None
    assert facts.nominal_ms is not None


def test_without_a_bridge_the_error_is_the_ratio_of_concentrations_for_path_over_rate() -> None:
    five, ten = 5 * MG, 10 * MG
    # 5 -> 10: half the dose, 1.5 mg/day, for 26.9 h, 1.68 mg short; 10 -> 5: twice, 6 mg/day, for 13.4 h
    assert volumes.mass_of(300_000, five) == 1_500 * UG
    assert hours(Fraction(335_800 * DAY, 300_000)) == pytest.approx(26.9, abs=0.04)
    assert volumes.mass_of(600_000, ten) == 6 * MG
    assert hours(Fraction(335_800 * DAY, 600_000)) == pytest.approx(13.4, abs=0.04)
    assert volumes.mass_of(335_800, ten) - volumes.mass_of(335_800, five) == 1_679_000_000


def test_a_change_of_drug_or_concentration_is_a_changed_fluid_and_a_dose_is_not() -> None:
    old = plan()
    assert not volumes.changed_fluid(plan(rate="300 ug/day"), old)
    assert volumes.changed_fluid(plan({"baclofen": "500 ug/mL"}), old)
    assert volumes.changed_fluid(plan({"morphine": "1000 ug/mL"}), old)
    assert volumes.changed_fluid(plan({"baclofen": "1000 ug/mL", "clonidine": "100 ug/mL"}), old)


# --- reservoir ----------------------------------------------------------------------------------------------


def days(of: DosingPlan, requests: int = 0) -> Fraction:
    ms = volumes.time_to_alarm(of, IMPLANT_40, requests)
    assert ms is not None
    return ms / DAY


def test_a_reaches_its_alarm_volume_after_95_days() -> None:
    assert days(plan(basal=FLEX, bolus=[NIGHT])) == 95


def test_a2_reaches_its_alarm_volume_after_about_192_days() -> None:
    four = [{"at": at, "dose": "75 ug", "over": "10 min"} for at in ("00:00", "06:00", "12:00", "18:00")]
    assert float(days(plan({"baclofen": "2000 ug/mL"}, "96 ug/day", bolus=four))) == pytest.approx(
        192, abs=0.2
    )


def test_b_reaches_its_alarm_volume_after_120_days_without_its_prime() -> None:
    assert days(plan({"morphine": "10 mg/mL"}, "1.5 mg/day", "20 mL")) == 120


def test_a_prime_shortens_the_time_to_the_alarm_by_its_volume() -> None:
    primed = plan(
        {"morphine": "10 mg/mL"}, "1.5 mg/day", "20 mL", prime={"volume": "0.3 mL", "path": "empty"}
    )
    assert days(primed) == 118


MIXTURE = {"morphine": "15 mg/mL", "bupivacaine": "20 mg/mL", "clonidine": "200 ug/mL"}
ASKED = {"dose": "0.4 mg", "over": "10 min", "lockout": "3 h", "max_per_day": 4}


@pytest.mark.parametrize(("requests", "expected"), [(4, 101.8), (2, 118.8), (0, 142.5)])
def test_c_reaches_its_alarm_volume_sooner_the_more_boluses_are_taken(requests: int, expected: float) -> None:
    c = plan(MIXTURE, "4 mg/day", on_loss="stop", patient_bolus=ASKED)
    assert float(days(c, requests)) == pytest.approx(expected, abs=0.05)


def test_weekday_groups_are_counted_day_by_day() -> None:
    weekend = {
        "days": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "steps": [{"from": "00:00", "dose": "1000 ug"}]},
            {"days": ["sat", "sun"], "steps": [{"from": "00:00", "dose": "2000 ug"}]},
        ]
    }
    # from Friday 00:00: 1 + 2 + 2 mL; the 4 mL above the alarm volume are used up on Sunday at noon
    used = plan({"baclofen": "1000 ug/mL"}, filled="6 mL", basal=weekend, start="2026-11-20T00:00")
    assert days(used) == Fraction(5, 2)


def test_a_stopped_pump_never_reaches_its_alarm_volume() -> None:
    assert volumes.time_to_alarm(plan(basal={"mode": "stopped"}), IMPLANT_40, 0) is None


def test_d_uses_11_4_ml_in_eleven_weeks() -> None:
    steps = {"step": [{"after": "7 d", "dose": f"{dose} ug/day"} for dose in (
        "1.7", "2.2", "2.7", "3.2", "3.7", "4.2", "4.7", "5.2", "5.7", "6.2")]}  # fmt: skip
    d = plan({"ziconotide": "25 ug/mL"}, "1.2 ug/day", "16 mL", titration=steps)
    assert float(days(plan({"ziconotide": "25 ug/mL"}, "1.2 ug/day", "13.396 mL", titration=steps))) == 77
    assert days(d) > 77


@pytest.mark.parametrize(
    ("alarm", "late"),
    [(2 * ML, Fraction(33, 1000)), (3 * ML, Fraction(94, 1000)), (4 * ML, Fraction(162, 1000))],
)
def test_the_alarm_of_a_20_ml_pump_is_late_beyond_this_over_infusion(alarm: int, late: Fraction) -> None:
    assert float(volumes.late_alarm(20 * ML, 1_400_000, alarm)) == pytest.approx(float(late), abs=0.0006)


def test_h_an_over_infusion_of_20_percent_is_beyond_what_the_alarm_covers() -> None:
    # 40 mL at 0.4 mL/day with a true gain of 1.20: dry at day 83.3 while 6.67 mL are still calculated
    dry = Fraction(40 * ML, 480_000)
    assert float(dry) == pytest.approx(83.33, abs=0.01)
    assert float(40 - dry * Fraction(4, 10)) == pytest.approx(6.67, abs=0.01)
    assert volumes.late_alarm(40 * ML, 0, 2 * ML) == Fraction(2, 38)


def test_an_alarm_volume_that_covers_the_pumps_accuracy_is_3_8_ml_of_20_and_6_3_ml_of_40() -> None:
    assert volumes.least_alarm(20 * ML, IMPLANT_20) == 3_755_459  # 20 - 18.6 / 1.145
    assert volumes.least_alarm(40 * ML, IMPLANT_40) == 6_288_210  # 40 - 38.6 / 1.145


# --- refill -------------------------------------------------------------------------------------------------


def refilled(fill: int, expected: int, found: int, profile: PumpProfile = IMPLANT_40) -> RefillCheck:
    """A check where it is known exactly what left."""
    return RefillCheck(fill, (fill - expected, fill - expected), found, profile)


@pytest.mark.parametrize(
    ("found", "difference", "ratio", "judgement"),
    [
        (5_100_000, 900_000, 0.975, "ok"),
        (300_000, -3_900_000, 1.109, "evaluate"),
        (19_000_000, 14_800_000, 0.587, "do-not-restart"),
    ],
)
def test_refill_f_is_judged_as_worked(found: int, difference: int, ratio: float, judgement: str) -> None:
    check = refilled(40 * ML, 4_200_000, found)
    assert check.difference_nl == (difference, difference)
    assert check.ratio is not None
    assert [float(end) for end in check.ratio] == pytest.approx([ratio, ratio], abs=0.0005)
    assert check.judgement == judgement


@pytest.mark.parametrize(
    ("off", "judgement"), [(2_000_000, "ok"), (2_000_001, "evaluate"), (-2_000_001, "evaluate")]
)
def test_more_than_2_ml_on_a_40_ml_pump_is_evaluated(off: int, judgement: str) -> None:
    assert refilled(40 * ML, 10 * ML, 10 * ML + off).judgement == judgement


@pytest.mark.parametrize(("off", "judgement"), [(1_000_000, "ok"), (1_000_001, "evaluate")])
def test_more_than_1_ml_on_a_20_ml_pump_is_evaluated(off: int, judgement: str) -> None:
    assert refilled(20 * ML, 4 * ML, 4 * ML + off, IMPLANT_20).judgement == judgement


@pytest.mark.parametrize(
    ("delivered", "judgement"),
    [(1_145_000, "ok"), (1_145_001, "evaluate"), (855_000, "ok"), (854_999, "evaluate")],
)
def test_a_ratio_beyond_the_pumps_accuracy_is_evaluated_at_any_volume(delivered: int, judgement: str) -> None:
    assert refilled(20 * ML, 19 * ML, 20 * ML - delivered, IMPLANT_20).judgement == judgement


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (39_900_000, "ok"),
        (39_899_988, "evaluate"),
        (40_000_000, "ok"),
        (40_099_989, "ok"),
        (40_099_990, "evaluate"),
    ],
)
def test_a_ratio_of_next_to_nothing_counts_only_from_what_a_syringe_can_tell(
    found: int, judgement: str
) -> None:
    """A refill minutes after a fill: 11 nL are due. 0.1 mL, a twentieth of 2 mL, cannot be read on 40 mL."""
    assert RefillCheck(40 * ML, (0, 11), found, IMPLANT_40).judgement == judgement


@pytest.mark.parametrize(
    ("due", "words"), [(99_999, "too little was due for a share of it"), (100_000, "8800 %")]
)
def test_a_share_is_told_of_what_can_be_read_only(due: int, words: str) -> None:
    """0.1 mL on a 40 mL pump; 8.8 mL are missing."""
    assert words in str(RefillCheck(40 * ML, (due, due), 31_200_000, IMPLANT_40))


def test_a_refill_with_nothing_due_is_judged_by_volume_alone() -> None:
    assert refilled(20 * ML, 20 * ML, 19_500_000, IMPLANT_20).judgement == "ok"
    check = refilled(20 * ML, 20 * ML, 18 * ML, IMPLANT_20)
    assert (check.ratio, check.judgement) == (None, "evaluate")


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (9_000_000, "ok"),  # 8 to 10 mL expected
        (10_000_000, "ok"),
        (10_000_001, "evaluate"),  # 2 mL above the lower end
        (7_999_999, "evaluate"),  # 2 mL below the upper end
        (12_640_001, "do-not-restart"),  # 85.5 % of what may have left: that leaves 12.64 mL
    ],
)
def test_what_only_one_end_of_the_bounds_passes_is_not_passed(found: int, judgement: str) -> None:
    check = RefillCheck(40 * ML, (30 * ML, 32 * ML), found, IMPLANT_40)
    assert check.expected_nl == (8 * ML, 10 * ML)
    assert check.difference_nl == (found - 10 * ML, found - 8 * ML)
    assert check.judgement == judgement


def test_no_less_than_nothing_is_expected_where_more_may_have_left_than_was_filled() -> None:
    check = RefillCheck(20 * ML, (19 * ML, 21_400_000), 0, IMPLANT_20)
    assert (check.expected_nl, check.judgement) == ((0, 1 * ML), "ok")


def test_the_words_of_a_check_say_found_expected_and_what_to_do() -> None:
    assert str(RefillCheck(40 * ML, (35_700_000, 35_800_000), 19 * ML, IMPLANT_40)) == (
        "found 19 mL, expected 4.2 to 4.3 mL: difference +14.7 to +14.8 mL, 58.65 to 58.82 % of the expected volume "
        "left the pump (allowed: 2 mL, 85.5 to 114.5 %): occlusion or stall: do not restart, and not at a lower dose "
        "either, before a work-up"
    )


@pytest.mark.parametrize(
    ("fill", "left", "found"),
    [(40, (36, 36), -1), (40, (-1, 36), 4), (400, (36, 36), 4), (40, (36, 36), 42), (40, (36, 35), 4)],
)
def test_a_volume_that_the_reservoir_cannot_hold_is_refused(
    fill: int, left: tuple[int, int], found: int
) -> None:
    with pytest.raises(InvalidInput, match=r"mL|the least is above the most"):
        RefillCheck(fill * ML, (left[0] * ML, left[1] * ML), found * ML, IMPLANT_40)
