"""The schedule's sums, changes and slots against a second reading of the plan, minute by minute."""

from __future__ import annotations

from heapq import merge
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.schedule import Schedule
from tests.reading import DAY, MINUTE, Reading
from tests.strategies import approved_plans

IMPLANT: Final = load_profile("implant-40")

# Instants of the plan, ms: the start, around midnight and steps, around stages, odd milliseconds, far away.
INSTANTS: Final = (
    0, 1, MINUTE, 57_600_000, 57_599_999, 50_400_000, 50_400_001, 86_400_000, 172_800_000, 172_859_999,
    172_860_000, 172_860_001, 604_800_000, 604_799_999, 1_209_600_007, 2_592_000_000,
)  # fmt: skip
instants = st.sampled_from(INSTANTS)


@given(approved_plans(), st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_two_neighbouring_intervals_hold_what_both_together_hold(plan: DosingPlan, cut: list[int]) -> None:
    schedule = Schedule(plan, IMPLANT)
    a, b, c = cut
    both = schedule.planned_basal_nl(a, b) + schedule.planned_basal_nl(b, c)
    assert both == schedule.planned_basal_nl(a, c)


@given(approved_plans(), instants, st.sampled_from((0, 1, MINUTE - 1, 90 * MINUTE, 1_440 * MINUTE + 1)))
def test_an_interval_holds_the_sum_of_its_minutes(plan: DosingPlan, begin: int, length: int) -> None:
    schedule, reading = Schedule(plan, IMPLANT), Reading(plan)
    assert schedule.planned_basal_nl(begin, begin + length) == reading.amount(begin, begin + length)
    assert schedule.rate(begin) == reading.rate(begin)


@given(approved_plans(), instants)
def test_next_change_is_the_first_minute_with_another_rate_or_stage(plan: DosingPlan, now: int) -> None:
    schedule, reading = Schedule(plan, IMPLANT), Reading(plan)
    horizon = now + (8 if plan.basal.days else 2) * DAY * MINUTE
    starts = [start for start in reading.stage_starts() if now < start < horizon]
    instants_to_try = merge(range(now - now % MINUTE + MINUTE, horizon, MINUTE), starts)
    expected = next(
        (t for t in instants_to_try if t in starts or reading.rate(t) != reading.rate(t - 1)), None
    )
    found = schedule.next_change(now)
    assert found == expected or (expected is None and (found is None or found >= horizon))


@given(approved_plans(), st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_slots_of_two_neighbouring_intervals_are_those_of_both(plan: DosingPlan, cut: list[int]) -> None:
    schedule = Schedule(plan, IMPLANT)
    a, b, c = cut
    slots = schedule.slots(a, b) + schedule.slots(b, c)
    assert slots == schedule.slots(a, c)
    assert len({slot.id for slot in slots}) == len(slots)
    following = schedule.next_slot(a)
    assert (following.at_ms if following is not None and following.at_ms < c else None) == (
        slots[0].at_ms if slots else None
    )


@given(approved_plans(modes=("simple",)), st.sampled_from((3, 9, 15)))
def test_slots_are_the_days_that_the_plan_names(plan: DosingPlan, days: int) -> None:
    slots = Schedule(plan, IMPLANT).slots(0, days * DAY * MINUTE)
    assert [slot.id for slot in slots] == [f"slot:{index}:{at}" for index, at in Reading(plan).slots(days)]


@given(approved_plans(), instants)
def test_the_hold_is_never_above_the_plan_where_it_flows(plan: DosingPlan, now: int) -> None:
    schedule = Schedule(plan, IMPLANT)
    hold, rate = schedule.hold_rate(now), schedule.rate(now)
    assert 0 < hold <= rate or rate == 0
