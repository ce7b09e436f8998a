"""The schedule against plans worked by hand: each number was worked out from the plan, not from the code."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.pattern import Pattern
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.schedule import Schedule, Slot
from tests.worked import FLEX, MIXTURE, SIMPLE, SLOW, plan

HOUR = 3_600_000
DAY = 24 * HOUR
IMPLANT = load_profile("implant-40")


def schedule(values: object = FLEX, **changes: object) -> Schedule:
    return Schedule(plan(values, **changes), IMPLANT)  # type: ignore[arg-type]


def at(clock: str, day: int = 0) -> int:
    """Plan time of a local time of plans that start at 08:00."""
    return (int(clock[:2]) - 8) * HOUR + int(clock[3:]) * 60_000 + day * DAY


# --- basal --------------------------------------------------------------------------------------------------


def test_a_day_of_plan_a_holds_340_ug_of_basal_wherever_it_begins() -> None:
    flex = schedule()
    for begin in (0, at("22:10"), at("06:00", 1), at("23:59", 3) + 1):
        assert flex.planned_basal_nl(begin, begin + DAY) == 340_000  # nL of 1 ug/uL


def test_each_step_of_plan_a_gives_its_dose_between_its_times() -> None:
    flex = schedule()
    assert flex.planned_basal_nl(at("06:00", 1), at("09:00", 1)) == 75_000
    assert flex.planned_basal_nl(at("09:00"), at("22:00")) == 169_000
    assert flex.planned_basal_nl(at("22:00"), at("22:20")) == 0
    assert flex.planned_basal_nl(at("22:20"), at("06:00", 1)) == 96_000


def test_the_fullest_hour_of_plan_a_holds_68_7_ug_of_basal_and_bolus() -> None:
    flex = schedule()
    basal = flex.planned_basal_nl(at("21:20"), at("22:20"))
    (slot,) = flex.slots(at("21:20"), at("22:20"))
    assert basal + slot.volume_nl == Fraction(206_000, 3)  # 40 min of 13 ug/h and 60 ug: 68.67 ug


def test_a_step_lasts_over_midnight_until_the_first_one_of_the_next_day() -> None:
    flex = schedule()
    assert flex.rate(at("23:59")) == flex.rate(at("00:00", 1)) == flex.rate(at("05:59", 1))
    assert flex.rate(at("06:00", 1)) * HOUR == 25_000


def test_a_rate_counts_from_its_own_instant_on() -> None:
    flex = schedule()
    assert flex.rate(at("09:00") - 1) * HOUR == 25_000
    assert flex.rate(at("09:00")) * HOUR == 13_000


def test_next_change_names_every_change_of_plan_a_once() -> None:
    flex, now = schedule(), 0
    found: list[int] = []
    while len(found) < 5:
        change = flex.next_change(now)
        assert change is not None
        found.append(change)
        now = change
    assert found == [at("09:00"), at("22:00"), at("22:20"), at("06:00", 1), at("09:00", 1)]


def test_a_constant_rate_never_changes() -> None:
    assert schedule(SIMPLE).next_change(123) is None


def test_equal_neighbours_are_no_change_not_even_across_midnight() -> None:
    steps = [{"from": "00:00", "rate": "5 ug/h"}, {"from": "12:00", "rate": "5 ug/h"}]
    assert schedule(SIMPLE, basal={"steps": steps}).next_change(0) is None
    steps.append({"from": "18:00", "rate": "6 ug/h"})
    flex = schedule(SIMPLE, basal={"steps": steps})
    assert flex.next_change(at("18:00")) == at("00:00", 1)
    assert flex.next_change(at("00:00", 1)) == at("18:00", 1)


def test_nothing_is_due_before_the_start() -> None:
    flex = schedule()
    assert flex.rate(-1) == 0
    assert flex.next_change(-1) == 0
    assert flex.next_change(-DAY) == 0
    assert flex.planned_basal_nl(-DAY, 0) == 0
    assert flex.planned_basal_nl(-DAY, HOUR) == 25_000
    assert flex.stage_at(-1).id == "stage-0"


def test_an_interval_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="backwards"):
        schedule().planned_basal_nl(1, 0)


def test_an_interval_of_no_length_holds_nothing() -> None:
    assert schedule().planned_basal_nl(HOUR, HOUR) == 0


def test_thirteen_steps_of_a_day_are_thirteen_changes() -> None:
    steps = [{"from": f"{hour:02d}:00", "rate": f"{5 + hour} ug/h"} for hour in range(13)]
    flex, now = schedule(SIMPLE, basal={"steps": steps}), at("00:00", 1)
    hours = []
    for _ in range(13):
        change = flex.next_change(now)
        assert change is not None
        now = change
        hours.append((change - at("00:00", 1)) // HOUR)
    assert hours == [*range(1, 13), 24]


def test_weekday_groups_change_at_local_midnight() -> None:
    week = {
        "days": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "steps": [{"from": "00:00", "dose": "240 ug"}]},
            {"days": ["sat", "sun"], "steps": [{"from": "00:00", "dose": "480 ug"}]},
        ]
    }
    flex = schedule(SIMPLE, basal=week)  # starts on a Friday at 08:00
    assert flex.rate(0) * HOUR == 10_000
    assert flex.next_change(0) == 16 * HOUR
    assert flex.rate(16 * HOUR) * HOUR == 20_000
    assert flex.next_change(16 * HOUR) == 64 * HOUR
    assert flex.planned_basal_nl(0, 7 * DAY) == 5 * 240_000 + 2 * 480_000
    assert flex.stages[0].daily_basal_pg == 480_000_000  # of the day that has most


def test_the_minimum_mode_is_the_flow_of_the_pump() -> None:
    assert schedule(SIMPLE, basal={"mode": "minimum"}).planned_basal_nl(0, DAY) == 6_000


def test_a_pump_without_a_minimum_mode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no minimum mode"):
        Schedule(plan(SIMPLE, basal={"mode": "minimum"}), load_profile("ne-1000-bd-10ml"))


def test_a_stopped_basal_gives_nothing_and_never_changes() -> None:
    still = schedule(FLEX, basal={"mode": "stopped"})
    assert still.planned_basal_nl(0, 30 * DAY) == 0
    assert still.rate(0) == still.hold_rate(0) == 0
    assert still.next_change(0) is None


def test_the_first_drug_says_the_volume_of_a_mixture() -> None:
    assert schedule(MIXTURE).planned_basal_nl(0, DAY) == Fraction(4_000_000, 15)  # 4 mg of 15 mg/mL


# --- stages -------------------------------------------------------------------------------------------------


def test_plan_d_rises_by_half_a_microgram_every_week() -> None:
    doses = ["1.7", "2.2", "2.7", "3.2", "3.7", "4.2", "4.7", "5.2", "5.7", "6.2"]
    slow = schedule(SLOW, titration={"step": [{"after": "7 d", "dose": f"{dose} ug/day"} for dose in doses]})
    daily = [1_200_000, *(int(Fraction(dose) * 1_000_000) for dose in doses)]
    assert [stage.daily_basal_pg for stage in slow.stages] == daily
    assert [stage.id for stage in slow.stages][:2] == ["stage-0", "stage-1"]
    assert [slow.next_change(week * 7 * DAY) for week in range(10)] == [(w + 1) * 7 * DAY for w in range(10)]
    assert slow.next_change(70 * DAY) is None
    assert slow.planned_basal_nl(0, 77 * DAY) == 11_396_000  # 11.4 mL by the end of week 10
    assert slow.stage_at(7 * DAY - 1).index == 0
    assert slow.stage_at(7 * DAY).index == 1


def test_a_change_multiplies_what_was_in_force_exactly() -> None:
    steps = [{"after": "2 d", "change": "-20 %"}] * 6 + [{"after": "2 d", "dose": "100 ug/day"}]
    taper = schedule(SIMPLE, basal={"rate": "400 ug/day"}, titration={"step": steps})
    assert [stage.daily_basal_pg for stage in taper.stages] == [
        400_000_000, 320_000_000, 256_000_000, 204_800_000,
        163_840_000, 131_072_000, 104_857_600, 100_000_000,
    ]  # fmt: skip
    assert taper.planned_basal_nl(DAY, 5 * DAY) == 400_000 + 2 * 320_000 + 256_000


def test_a_stage_scales_every_step_from_any_instant_on() -> None:
    flex = schedule(titration={"step": [{"after": "90000001 ms", "change": "+20 %"}]})
    begin = 90_000_001  # 09:00 and 1 ms on the second day
    assert flex.rate(begin - 1) * HOUR == 13_000
    assert flex.rate(begin) * HOUR == 15_600
    assert flex.next_change(begin - 1) == begin
    assert flex.next_change(begin) == at("22:00", 1)
    assert flex.planned_basal_nl(begin - 1, begin + 1) * HOUR == 13_000 + 15_600


def test_a_bolus_is_not_scaled_by_a_stage() -> None:
    flex = schedule(titration={"step": [{"after": "1 d", "change": "+20 %"}]})
    assert {slot.volume_nl for slot in flex.slots(0, 3 * DAY)} == {Fraction(60_000)}


# --- boluses ------------------------------------------------------------------------------------------------


def test_a_daily_bolus_has_a_slot_each_night() -> None:
    assert schedule().slots(0, 2 * DAY) == (
        Slot("slot:0:50400000", 50_400_000, 300_000, 1_200_000, Fraction(60_000), 60_000_000),
        Slot("slot:0:136800000", 136_800_000, 300_000, 1_200_000, Fraction(60_000), 60_000_000),
    )


def test_a_slot_belongs_to_the_interval_that_begins_with_it() -> None:
    flex, due = schedule(), at("22:00")
    assert flex.slots(due, due + 1) != ()
    assert flex.slots(due - 1, due) == ()
    assert flex.slots(due, due) == ()


def test_a_bolus_at_the_very_start_is_due_at_once() -> None:
    flex = schedule(bolus=[{"at": "08:00", "dose": "60 ug", "over": "20 min"}])
    slot = flex.next_slot(0)
    assert slot is not None
    assert slot.at_ms == 0
    second = flex.next_slot(1)
    assert second is not None
    assert second.at_ms == DAY


def test_a_bolus_before_the_time_of_the_start_waits_for_the_next_day() -> None:
    flex = schedule(bolus=[{"at": "07:59", "dose": "60 ug", "over": "20 min"}])
    assert [slot.at_ms for slot in flex.slots(0, 2 * DAY)] == [DAY - 60_000, 2 * DAY - 60_000]
    assert flex.slots(-DAY, 0) == ()


def test_a_bolus_given_once_has_one_slot() -> None:
    flex = schedule(bolus=[{"at": "22:00", "dose": "60 ug", "over": "20 min", "once": True}])
    assert [slot.at_ms for slot in flex.slots(0, 100 * DAY)] == [at("22:00")]
    assert flex.next_slot(at("22:00") + 1) is None
    assert [slot.id for slot in flex.once_slots()] == ["slot:0:50400000"]


def test_a_bolus_of_some_weekdays_skips_the_others() -> None:
    flex = schedule(bolus=[{"at": "22:00", "dose": "60 ug", "over": "20 min", "days": ["mon", "sun"]}])
    due = [at("22:00", 2), at("22:00", 3), at("22:00", 9), at("22:00", 10)]  # day 0 is a Friday
    assert [slot.at_ms for slot in flex.slots(0, 14 * DAY)] == due
    following = flex.next_slot(at("22:00", 3) + 1)
    assert following is not None
    assert following.at_ms == due[2]


def test_boluses_of_several_lines_come_in_time_order() -> None:
    lines = [
        {"at": "22:00", "dose": "60 ug", "over": "20 min"},
        {"at": "12:00", "dose": "20 ug", "over": "10 min"},
    ]
    flex = schedule(bolus=lines)
    assert [slot.id for slot in flex.slots(0, DAY)] == ["slot:0:14400000", "slot:1:50400000"]
    first = flex.next_slot(0)
    assert first is not None
    assert first.pg == 20_000_000


def test_a_plan_without_boluses_has_no_next_one() -> None:
    assert schedule(SIMPLE).next_slot(0) is None
    assert schedule(SIMPLE).slots(0, 9 * DAY) == ()


def test_patient_terms_are_volumes() -> None:
    terms = schedule(MIXTURE).patient
    assert terms is not None
    assert (terms.volume_nl, terms.over_ms, terms.lockout_ms) == (Fraction(80_000, 3), 600_000, 3 * HOUR)
    assert (terms.max_per_day, terms.pg) == (4, 400_000_000)
    assert schedule().patient is None


# --- hold ---------------------------------------------------------------------------------------------------


def test_the_hold_is_the_lowest_rate_that_is_not_zero() -> None:
    flex = schedule()
    night = Fraction(96_000, 27_600_000)  # 12.52 ug/h
    assert (
        flex.hold_rate(at("10:00"))
        == flex.hold_rate(at("07:00", 1))
        == flex.hold_rate(at("03:00", 1))
        == flex.hold_rate(at("22:10"))  # the plan has no flow then; a hold may begin then and outlast it
        == night
    )


def test_the_hold_follows_the_stage_in_force() -> None:
    flex = schedule(titration={"step": [{"after": "48 h", "change": "-20 %"}]})
    assert flex.hold_rate(at("10:00", 2)) == flex.hold_rate(at("10:00")) * Fraction(4, 5)


# --- the pattern itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [[], [(1, Fraction(1))], [(0, Fraction(1)), (10, Fraction(2))], [(0, Fraction(1)), (0, Fraction(2))]],
)
def test_steps_that_do_not_cover_a_period_are_refused(steps: list[tuple[int, Fraction]]) -> None:
    with pytest.raises(ValueError, match=r"do not cover|does not come after"):
        Pattern(10, steps)


def test_a_delayed_pattern_does_later_what_the_other_one_does_now() -> None:
    pattern = Pattern(10, [(0, Fraction(1)), (4, Fraction(3))])
    for by in (-13, -4, 0, 1, 6, 25):
        later = pattern.delayed(by)
        assert [later.amount(t, t + 1) for t in range(20)] == [
            pattern.amount(t - by, t - by + 1) for t in range(20)
        ]


def test_falls_and_changes_are_counted_with_both_ends_of_a_window() -> None:
    pattern = Pattern(24, [(0, Fraction(5)), (6, Fraction(3)), (12, Fraction(1))])
    assert pattern.worst_falls(5) == 2
    assert pattern.worst_falls(6) == 4
    assert pattern.worst_falls(24) == 6  # the fall at 6 stands at both ends
    assert pattern.most_changes(24) == 4
    assert Pattern(24, [(0, Fraction(5))]).worst_falls(24) == 0
