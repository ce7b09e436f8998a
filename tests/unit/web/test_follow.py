"""A plan after a titrated one: it takes over the infusion that is reached, and none of the titration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.web.entry.draft import fields_of, typed
from pump_ctrl.web.entry.follow import copy_of, following, next_id, titration_of
from tests.unit.review_bench import plan

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
TAPER: Final = load_plan(EXAMPLES / "f-taper.toml")
RISING: Final = load_plan(EXAMPLES / "d-ziconotide-titration.toml")
DAY: Final = 86_400_000
START: Final = {"start~year": "2027", "start~month": "06", "start~day": "1", "start~time": "08:00"}


def after(former: DosingPlan, days: float) -> DosingPlan:
    """The plan that is begun so many days after the start of another, its own start typed."""
    fields = following(former, {former.id}, former.start_utc_ms + round(days * DAY))
    return plan_from(typed({**fields, **START}).values)


# The worked plans' own figures (domain 7 D and F): what each day gives.
@pytest.mark.parametrize(
    ("former", "days", "rate"),
    [
        (TAPER, -3, "400 ug/day"),
        (TAPER, 0, "400 ug/day"),
        (TAPER, 1.999, "400 ug/day"),
        (TAPER, 2, "320 ug/day"),
        (TAPER, 6, "204.8 ug/day"),
        (TAPER, 8, "163.84 ug/day"),
        (TAPER, 12.5, "104.8576 ug/day"),
        (TAPER, 14, "100 ug/day"),
        (TAPER, 400, "100 ug/day"),
        (RISING, 0, "1.2 ug/day"),
        (RISING, 21, "2.7 ug/day"),
        (RISING, 100, "6.2 ug/day"),
    ],
)
def test_the_infusion_is_that_of_the_stage_which_is_reached_and_the_titration_is_gone(
    former: DosingPlan, days: float, rate: str
) -> None:
    new = after(former, days)
    assert (str(new.basal.rate), new.titration) == (rate, None)
    assert (new.previous, new.prime) == (former.sha256, None)


FLEX: Final[dict[str, Any]] = {
    "steps": [
        {"from": "06:00", "dose": "75 ug"},
        {"from": "09:00", "rate": "13 ug/h"},
        {"from": "22:00", "dose": "0 ug"},
    ]
}
WEEK: Final[dict[str, Any]] = {
    "days": [
        {"days": ["sat", "sun"], "steps": [{"from": "00:00", "dose": "100 ug"}]},
        {
            "days": ["mon", "tue", "wed", "thu", "fri"],
            "steps": [{"from": "00:00", "rate": "5 ug/h"}, {"from": "12:00", "dose": "0.1 mg"}],
        },
    ]
}
TWO: Final = {"step": [{"after": "2 d", "change": "+10 %"}, {"after": "2 d", "change": "-7 %"}]}


@pytest.mark.parametrize("basal", [FLEX, WEEK], ids=["flex", "weekdays"])
@pytest.mark.parametrize("days", [0, 3, 5])
def test_every_step_of_every_day_is_scaled_and_nothing_is_more_than_was_reached(
    basal: dict[str, Any], days: int
) -> None:
    former = plan(basal=basal, titration=TWO)
    new, pump = after(former, days), load_profile("implant-40")
    schedule = Schedule(former, pump)
    stage = schedule.stage_at(days * DAY)
    assert stage.index == {0: 0, 3: 1, 5: 2}[days]
    here, there = schedule.basal.scaled(schedule.factors[stage.index]), Schedule(new, pump).basal
    assert here.starts == there.starts
    for before, now in zip(here.rates, there.rates, strict=True):
        assert now <= before
        assert (before - now) * 3_600_000 < 1  # nL/ms: less than 1 nL an hour


def test_what_a_factor_does_not_leave_whole_is_rounded_down() -> None:
    third = plan(rate="100 ug/day", titration={"step": [{"after": "1 d", "change": "-33.3333 %"}]})
    assert str(after(third, 1).basal.rate) == "66.6667 ug/day"
    odd = plan(basal={"steps": [{"from": "00:00", "dose": "7 pg"}, {"from": "12:00", "dose": "100 ug"}]},
               titration={"step": [{"after": "1 d", "change": "-50 %"}]})  # fmt: skip
    assert [str(step.dose) for step in after(odd, 1).basal.steps] == ["3 pg", "50 ug"]


def test_a_plan_without_titration_is_taken_over_as_it_is() -> None:
    former = plan(basal=FLEX)
    fields = following(former, {"T-1"}, former.start_utc_ms + 30 * DAY)
    assert fields == {**copy_of(former, {"T-1"}), "previous": former.sha256}
    assert [name for name in fields if name.startswith("start")] == []


def test_a_copy_that_follows_nothing_keeps_its_titration() -> None:
    copied = copy_of(TAPER, {TAPER.id})
    assert "previous" not in copied
    assert {name: text for name, text in fields_of(TAPER).items() if name.startswith(("titration", "basal"))} == {
        name: text for name, text in copied.items() if name.startswith(("titration", "basal"))
    }  # fmt: skip


@pytest.mark.parametrize(
    ("former", "days", "said"),
    [
        (TAPER, 0, "F-TAPER, which this plan follows, is titrated: by its own clock its infusion is 400 ug/day of "
         "baclofen, before the first of 7 steps. Its titration is not a part of this plan: what was still to come "
         "does not come, unless it is written here."),
        (TAPER, 6, ": by its own clock its infusion is 204.8 ug/day of baclofen since "),
        (TAPER, 6, " (step 3 of 7). Its titration"),
        (RISING, 7, "1.7 ug/day of ziconotide since Monday 30 November 2026, 09:00 (step 1 of 10)."),
    ],
)  # fmt: skip
def test_what_the_former_titration_stands_at_is_said_in_words(
    former: DosingPlan, days: int, said: str
) -> None:
    assert said in titration_of(former, former.start_utc_ms + days * DAY)


def test_where_there_is_no_titration_nothing_is_said() -> None:
    assert titration_of(plan(), 0) == titration_of(None, 0) == ""


def test_the_titration_of_a_plan_for_a_pump_that_is_not_known_is_told_without_a_figure() -> None:
    former = TAPER.model_copy(update={"pump": "my-pump"})
    assert "F-TAPER, which this plan follows, is titrated. Its titration is not a part" in titration_of(
        former, 0
    )


def test_the_name_that_is_suggested_is_nobodys_yet_and_keeps_the_patients_number() -> None:
    assert next_id("ITB-20", {"ITB-20"}) == "ITB-20-2"
    assert next_id("ITB-20-2", {"ITB-20", "ITB-20-2"}) == "ITB-20-3"
    assert next_id("ITB-20", {"ITB-20", "ITB-20-2", "ITB-20-3"}) == "ITB-20-4"
    assert next_id("2", {"2"}) == "2-2"
