"""Loading a plan after another one: what both can give in one day, and when it is safe to load (D-07)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import Handover, LoadConflict, compile_limits, load_conflicts
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from tests.reading import MINUTE, Reading
from tests.worked import AFTER, BEFORE, FLEX, MIXTURE, SIMPLE, SLOW, Values, after, drug, plan, reservoir

UG = 1_000_000
HOUR = 60 * MINUTE
FORMULARY = load_formulary()
LATER = "2026-12-01T08:00"
AT_CAP = {**SLOW, "basal": {"rate": "19.2 ug/day"}}


def conflicts(before: DosingPlan, own: DosingPlan, *, fine: bool = True) -> tuple[LoadConflict, ...]:
    """Conflicts of the change; the plan before is compiled as if it were a first one."""
    profile = load_profile(own.pump)
    running = compile_limits(before, FORMULARY, profile)
    limits = compile_limits(own, FORMULARY, profile, before)
    return load_conflicts(limits, running, Handover(own, before, profile) if fine else None)


def change(first: Values, second: Values = FLEX, **changes: object) -> tuple[DosingPlan, DosingPlan]:
    before = plan(first)
    return before, after(before, second, **{"start": LATER, **changes})


def day(*steps: tuple[str, str]) -> dict[str, Any]:
    return {"steps": [{"from": at, "rate": rate} for at, rate in steps]}


def safe_hours(found: LoadConflict) -> set[int]:
    """Local hours of the day in which a load is safe; plans start at 08:00."""
    return {(8 + hour) % 24 for a, b in found.safe for hour in range(a // HOUR, b // HOUR)}


def test_two_plans_that_fit_into_a_day_together_need_no_further_look() -> None:
    assert conflicts(*change(SIMPLE, SIMPLE), fine=False) == ()


def test_without_the_plans_both_worst_days_are_added_up() -> None:
    before, own = change(AT_CAP, SLOW, basal={"rate": "15.36 ug/day"})
    assert conflicts(before, own, fine=False) == (LoadConflict("ziconotide", 24, 34_560_000, 19_200_000, ()),)


def test_a_step_down_from_the_cap_is_safe_at_any_time() -> None:
    assert conflicts(*change(AT_CAP, SLOW, basal={"rate": "15.36 ug/day"})) == ()


def test_a_night_bolus_is_not_counted_in_both_plans() -> None:
    own = {"max_per_day": "416 ug"}  # 415.2 ug is the most of plan A in a day
    (found,) = conflicts(*change(FLEX, FLEX, limits=own))
    assert safe_hours(found) == {
        hour for hour in range(24) if hour != 22
    }  # in it, both plans may give theirs


EVENING = {**SIMPLE, "basal": day(("00:00", "5 ug/h"), ("18:00", "200 ug/h"))}  # 1290 ug a day
MORNING = {**SIMPLE, "basal": day(("00:00", "200 ug/h"), ("06:00", "5 ug/h"))}


def test_an_evening_and_a_morning_plan_must_not_meet_at_midnight() -> None:
    (found,) = conflicts(*change(EVENING, MORNING))
    assert (found.drug, found.hours, found.cap_pg) == ("baclofen", 24, 2_000 * UG)
    assert found.worst_pg == 2_460 * UG  # loaded at 00:00: 1200 before, 1200 after, 12 h of 5 ug/h
    assert 12 in safe_hours(found)
    assert not {23, 0} & safe_hours(found)


@pytest.mark.parametrize(("first", "second"), [(EVENING, MORNING), (MORNING, EVENING), (EVENING, EVENING)])
def test_an_hour_is_safe_exactly_if_no_load_in_it_passes_the_cap(first: Values, second: Values) -> None:
    before, own = change(first, second, limits={"max_per_day": "1300 ug"})
    found = conflicts(before, own)
    safe = safe_hours(found[0]) if found else set(range(24))
    brute = {hour: worst_day_across(before, own, hour) for hour in range(24)}
    assert safe == {hour for hour, most in brute.items() if most <= 1_300_000}


def worst_day_across(before: DosingPlan, own: DosingPlan, hour: int) -> Fraction:
    """Most volume (nL of 1 ug/uL) in any 24 h across a load in that local hour, every half hour tried."""
    old, new = Reading(before), Reading(own)
    shift, step = own.start_utc_ms - before.start_utc_ms, 30 * MINUTE
    begin = (hour - 8) % 24 * HOUR
    grid = range(begin - 24 * HOUR, begin + 25 * HOUR + step, step)
    gives_old = {at: old.rate(at + shift) * step for at in grid}
    gives_new = {at: new.rate(at) * step for at in grid if at >= 0}

    def held(a: int, load: int) -> Fraction:
        given = (gives_old[at] if at < load else gives_new[at] for at in range(a, a + 24 * HOUR, step))
        return sum(given, Fraction(0))

    loads = range(begin, begin + HOUR + step, step)
    return max(held(a, load) for load in loads for a in range(load - 24 * HOUR, load + step, step))


def test_a_plan_that_never_fits_after_the_other_has_no_safe_hour() -> None:
    cap = {"max_per_day": "320 ug"}
    (found,) = conflicts(*change({**SIMPLE, "basal": {"rate": "400 ug/day"}}, SIMPLE, limits=cap))
    assert found.safe == ()  # just loaded, the last 24 h hold 400 ug
    assert found.worst_pg == 400 * UG


def test_patient_boluses_of_both_plans_count_as_those_of_one() -> None:
    before = plan(MIXTURE)
    own = after(before, MIXTURE, start=LATER, limits={"max_per_day": "5.6 mg"})  # 4 mg and 4 times 0.4 mg
    assert conflicts(before, own) == ()


def test_the_looser_of_both_patient_terms_counts() -> None:
    before = plan(MIXTURE)
    fewer = {**MIXTURE["patient_bolus"], "max_per_day": 2}
    own = after(before, MIXTURE, start=LATER, patient_bolus=fewer, limits={"max_per_day": "5 mg"})
    assert [(one.worst_pg, one.safe) for one in conflicts(before, own)] == [(5_600 * UG, ())]


def test_windows_across_the_end_of_a_bridge_count_too() -> None:
    steps = day(("00:00", "20 ug/h"), ("12:00", "100 ug/h"))
    before = plan(BEFORE, basal=steps)
    turned = day(("00:00", "100 ug/h"), ("12:00", "20 ug/h"))
    own = after(before, AFTER, basal=turned, limits={"max_per_day": "1.7 mg"})
    (found,) = [one for one in conflicts(before, own) if one.hours == 24]
    assert (found.worst_pg, found.safe) == (2_400 * UG, ())  # the bridge may end at midnight or at noon


def test_a_bridge_between_equal_doses_has_no_conflict() -> None:
    before = plan(BEFORE)
    assert conflicts(before, after(before, AFTER, limits={"max_per_day": "3 mg"})) == ()


def test_a_drug_of_the_old_plan_alone_is_looked_at_as_well() -> None:
    morphine = reservoir(drug("morphine", "20 mg/mL"), filled="20 mL")
    before = plan(BEFORE, reservoir=morphine, basal={"rate": "6 mg/day"})
    own = after(before, AFTER, basal={"rate": "1 mg/day"})
    assert conflicts(before, own, fine=False) == ()
    most = before.model_copy(update={"basal": plan(BEFORE, basal={"rate": "12 mg/day"}).basal})
    (found,) = conflicts(most, after(most, AFTER, basal={"rate": "1 mg/day"}), fine=False)
    # A day of the old plan and a day of the bridge against one such day and 0.342 mL of path at 20 mg/mL.
    assert (found.drug, found.worst_pg, found.cap_pg) == ("morphine", 24_000 * UG, 18_840 * UG)
    assert conflicts(most, after(most, AFTER, basal={"rate": "1 mg/day"})) == ()
