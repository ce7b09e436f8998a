"""The compiled limits of plans worked by hand; the numbers are those of domain notes and dose path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256
from typing import Any

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import compile_limits, limits_bytes, worst_windows
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.windows import Pulse, Timeline, Touch
from tests.worked import AFTER, BEFORE, FLEX, MIXTURE, SIMPLE, SLOW, after, drug, plan, reservoir

UG, MG = 1_000_000, 1_000_000_000
FORMULARY = load_formulary()
Limits = dict[str, Any]


def compiled(own: DosingPlan, previous: DosingPlan | None = None, pump: str | None = None) -> Limits:
    return compile_limits(own, FORMULARY, load_profile(pump or own.pump), previous)


def row(limits: Limits, hours: int, name: str | None = None, account: str = "stage-0") -> Limits:
    (found,) = [one for one in limits["accounts"] if one["id"] == account]
    name = name or limits["accounts"][-1]["rows"][0]["drug"]
    match: Limits
    (match,) = [one for one in found["rows"] if (one["drug"], one["hours"]) == (name, hours)]
    return match


def caps(limits: Limits, name: str) -> dict[int, int]:
    return {cap["hours"]: cap["pg"] for cap in limits["caps"] if cap["drug"] == name}


# --- E and B ------------------------------------------------------------------------------------------------


def test_plan_a_may_get_340_ug_of_basal_and_75_2_ug_of_bolus_in_a_day() -> None:
    limits = compiled(plan(FLEX))
    assert row(limits, 24)["basal_pg"] == 340 * UG
    assert row(limits, 24)["bolus_pg"] == 75_200_000  # late today, on time tomorrow: not 60 ug


def test_plan_a_in_shorter_windows() -> None:
    limits = compiled(plan(FLEX))
    assert (row(limits, 1)["basal_pg"], row(limits, 1)["bolus_pg"]) == (25 * UG, 60 * UG)
    assert (row(limits, 4)["basal_pg"], row(limits, 4)["bolus_pg"]) == (88 * UG, 60 * UG)  # 06:00 to 10:00


def test_plan_a_has_the_rates_and_falls_that_the_guard_needs_for_its_margins() -> None:
    day = row(compiled(plan(FLEX)), 24)
    assert day["basal_max_pg_per_h"] == 25 * UG
    assert day["basal_fall_pg_per_h"] == 38 * UG  # 25 to 13 and 13 to 0, and 13 to 0 again a day later
    assert day["bolus_max_pg_per_h"] == 180 * UG
    assert day["bolus_fall_pg_per_h"] == 360 * UG  # two boluses can touch a day
    assert day["commands"] == 7  # 2 for renewals, 4 for the boluses, 1 for the steps


def test_a_bolus_that_must_be_punctual_is_late_by_the_stop_time_alone() -> None:
    bolus = [{"at": "22:00", "dose": "60 ug", "over": "20 min", "within": "1 ms"}]
    assert row(compiled(plan(FLEX, bolus=bolus)), 24)["bolus_pg"] == 60_200_050  # 4.001 s of 3 ug/min more


def test_an_hour_holds_half_of_a_bolus_over_two_hours() -> None:
    limits = compiled(plan(FLEX, bolus=[{"at": "22:00", "dose": "60 ug", "over": "2 h", "within": "1 h"}]))
    assert [row(limits, hours)["bolus_pg"] for hours in (1, 4)] == [30 * UG, 60 * UG]


def test_the_highest_bolus_rate_is_that_of_the_fastest_bolus_scheduled_or_not() -> None:
    slow = [{"at": "22:00", "dose": "60 ug", "over": "1 h"}]
    quick = {"dose": "20 ug", "over": "10 min", "lockout": "3 h", "max_per_day": 2}
    limits = compiled(plan(FLEX, bolus=slow, patient_bolus=quick))
    assert row(limits, 1)["bolus_max_pg_per_h"] == 120 * UG
    assert row(limits, 1)["bolus_fall_pg_per_h"] == 180 * UG  # one of each can touch an hour
    assert limits["accounts"][0]["max_bolus_nl"] == 60_000


def test_a_fullest_window_may_begin_where_a_strong_bolus_begins_to_leave_it() -> None:
    strong, weak = Pulse(-2, 2, 10, Fraction(30)), Pulse(95, 0, 10, Fraction(10))
    assert Timeline([strong, weak]).worst(100) == 35  # from 0 on: all of the first, half of the second
    mirrored = [Pulse(-7, 2, 10, Fraction(10)), Pulse(90, 2, 10, Fraction(30))]
    assert Timeline(mirrored).worst(100) == 35


def test_no_bolus_fills_a_window_more_than_its_length() -> None:
    long, short = Pulse(0, 6, 20, Fraction(20)), Pulse(1, 0, 1, Fraction(1))
    assert Timeline([long, short]).worst(10) == 11


def test_no_boluses_fill_no_window() -> None:
    assert Timeline([]).worst(100) == 0
    assert Timeline([]).touched(100) == Touch(0, Fraction(0))


def test_two_boluses_a_day_meet_in_no_hour_but_in_a_day() -> None:
    two = [
        {"at": "09:00", "dose": "20 ug", "over": "10 min"},
        {"at": "21:00", "dose": "60 ug", "over": "20 min"},
    ]
    limits = compiled(plan(FLEX, bolus=two))
    assert row(limits, 1)["bolus_pg"] == 60 * UG
    assert row(limits, 24)["bolus_pg"] == 95_200_000  # both, and 304 s of the next evening's


def test_thirteen_steps_have_their_worst_windows_and_two_sets_of_commands() -> None:
    steps = [{"from": f"{hour:02d}:00", "rate": f"{5 + hour} ug/h"} for hour in range(13)]
    limits = compiled(plan(SIMPLE, basal={"steps": steps}))
    assert [row(limits, hours)["basal_pg"] for hours in (1, 4, 24)] == [17 * UG, 68 * UG, 330 * UG]
    assert row(limits, 24)["basal_fall_pg_per_h"] == 24 * UG  # 17 to 5 at both ends of a day
    assert row(limits, 24)["commands"] == 4


def test_the_mixture_is_bounded_for_each_of_its_drugs() -> None:
    limits = compiled(plan(MIXTURE))
    day = {name: row(limits, 24, name) for name in ("morphine", "bupivacaine", "clonidine")}
    assert {name: one["basal_pg"] for name, one in day.items()} == {
        "morphine": 4 * MG, "bupivacaine": 5_333_333_334, "clonidine": 53_333_334,
    }  # fmt: skip
    assert {name: one["bolus_pg"] for name, one in day.items()} == {
        "morphine": 1_600 * UG, "bupivacaine": 2_133_333_334, "clonidine": 21_333_334,
    }  # fmt: skip


def test_lockout_and_daily_maximum_bound_the_patient_s_boluses() -> None:
    limits = compiled(plan(MIXTURE))
    assert row(limits, 1, "morphine")["bolus_pg"] == 400 * UG
    assert row(limits, 4, "morphine")["bolus_pg"] == 800 * UG  # one every 3 h 10 min 2 s
    assert row(limits, 24, "morphine")["bolus_pg"] == 1_600 * UG  # four, though six would fit the lockout
    assert limits["accounts"][0]["patient"] == {
        "over_ms": 600_000, "lockout_ms": 10_800_000, "max_per_day": 4, "volume_nl": 26_667,
    }  # fmt: skip


def test_patient_and_scheduled_boluses_add_up() -> None:
    terms = {"dose": "20 ug", "over": "10 min", "lockout": "3 h", "max_per_day": 2}
    limits = compiled(plan(FLEX, patient_bolus=terms))
    assert row(limits, 24)["bolus_pg"] == 115_200_000
    assert row(limits, 1)["bolus_pg"] == 80 * UG
    assert limits["accounts"][0]["max_bolus_nl"] == 60_000


def test_a_bolus_given_once_counts_while_a_day_beside_it_lasts() -> None:
    once = {"at": "12:00", "dose": "30 ug", "over": "10 min", "once": True}
    steps = {"step": [{"after": "2 d", "change": "+10 %"}, {"after": "2 d", "change": "+10 %"}]}
    limits = compiled(plan(FLEX, bolus=[*FLEX["bolus"], once], titration=steps))
    worst = [row(limits, 24, account=f"stage-{i}")["bolus_pg"] for i in range(3)]
    assert worst == [90 * UG, 75_200_000, 75_200_000]
    early = {"step": [{"after": "24 h", "change": "+10 %"}]}
    limits = compiled(plan(FLEX, bolus=[*FLEX["bolus"], once], titration=early))
    assert (
        row(limits, 24, account="stage-1")["bolus_pg"] == 90 * UG
    )  # a window across both stages can hold it


def test_a_stopped_basal_leaves_the_boluses() -> None:
    limits = compiled(plan(FLEX, basal={"mode": "stopped"}))
    assert (row(limits, 24)["basal_pg"], row(limits, 24)["bolus_pg"]) == (0, 75_200_000)
    assert limits["accounts"][0]["hold"] == {"nl": 0, "per_ms": 1}


def test_the_minimum_mode_counts_as_what_the_pump_gives() -> None:
    assert row(compiled(plan(SIMPLE, basal={"mode": "minimum"})), 24)["basal_pg"] == 6 * UG


def test_a_worst_window_of_weekday_groups_lies_across_midnight() -> None:
    week = {
        "days": [
            {"days": ["mon", "tue", "wed", "thu", "fri"], "steps": [{"from": "00:00", "dose": "240 ug"}]},
            {
                "days": ["sat", "sun"],
                "steps": [{"from": "00:00", "rate": "30 ug/h"}, {"from": "12:00", "rate": "5 ug/h"}],
            },
        ]
    }
    limits = compiled(plan(SIMPLE, basal=week))
    assert row(limits, 24)["basal_pg"] == 480 * UG  # Friday 12:00 to Saturday 12:00
    assert limits["accounts"][0]["daily_pg"] == 420 * UG  # the largest calendar day


# --- accounts -----------------------------------------------------------------------------------------------


def test_every_stage_is_an_account_with_its_daily_dose_and_hold() -> None:
    steps = {"step": [{"after": "2 d", "change": "-20 %"}, {"after": "2 d", "dose": "272 ug/day"}]}
    limits = compiled(plan(FLEX, titration=steps))
    accounts = limits["accounts"]
    assert [(one["id"], one["from_ms"], one["until_ms"]) for one in accounts] == [
        ("stage-0", 0, 172_800_000),
        ("stage-1", 172_800_000, 345_600_000),
        ("stage-2", 345_600_000, None),
    ]
    assert [one["daily_pg"] for one in accounts] == [400 * UG, 332 * UG, 332 * UG]  # the bolus is not scaled
    assert [row(limits, 24, account=one["id"])["basal_pg"] for one in accounts] == [
        340 * UG,
        272 * UG,
        272 * UG,
    ]
    assert accounts[0]["hold"] == {"nl": 2, "per_ms": 575}  # 96 ug in 7 h 40 min
    assert accounts[1]["hold"] == {"nl": 8, "per_ms": 2875}


def test_a_bolus_given_once_is_no_daily_dose() -> None:
    once = [{"at": "22:00", "dose": "60 ug", "over": "20 min", "once": True}]
    assert compiled(plan(FLEX, bolus=once))["accounts"][0]["daily_pg"] == 340 * UG


def test_the_bridge_gives_the_old_dose_from_5_to_10_mg_per_ml() -> None:
    before = plan(BEFORE)
    limits = compiled(after(before, AFTER), before)
    bridge = limits["accounts"][0]
    assert (bridge["id"], bridge["from_ms"], bridge["until_ms"]) == ("bridge", 0, None)
    assert row(limits, 24, account="bridge")["basal_pg"] == 3 * MG  # 1.00 times the dose
    assert row(limits, 1, account="bridge")["basal_pg"] == 125 * UG
    assert {one["bolus_pg"] for one in bridge["rows"]} == {0}
    assert {one["basal_fall_pg_per_h"] for one in bridge["rows"]} == {
        125 * UG
    }  # its two phases may swap once
    assert row(limits, 24, account="bridge")["commands"] == 3
    assert (bridge["max_bolus_nl"], bridge["patient"]) == (0, None)
    assert bridge["hold"] == {"nl": 1, "per_ms": 288}  # 0.3 mL/day, the lower of both
    assert row(limits, 24)["basal_pg"] == 3 * MG


def test_the_bridge_gives_the_old_dose_from_2000_to_500_ug_per_ml() -> None:
    strong = reservoir(drug("baclofen", "2000 ug/mL"))
    weak = reservoir(drug("baclofen", "500 ug/mL"))
    before = plan(SIMPLE, reservoir=strong, basal={"rate": "400 ug/day"})
    own = after(
        before, SIMPLE, reservoir=weak, basal={"rate": "400 ug/day"}, bridge={}, start="2026-11-21T08:00"
    )
    limits = compiled(own, before)
    assert (
        row(limits, 24, account="bridge")["basal_pg"] == 400 * UG
    )  # not 4.00 times, as 0.8 mL/day would give
    assert row(limits, 24)["basal_pg"] == 400 * UG


def test_the_bridge_of_two_day_schedules_takes_each_hour_for_itself() -> None:
    before = plan(
        BEFORE, basal={"steps": [{"from": "00:00", "dose": "1 mg"}, {"from": "12:00", "dose": "2 mg"}]}
    )
    own = after(
        before, AFTER, basal={"steps": [{"from": "00:00", "dose": "2 mg"}, {"from": "12:00", "dose": "1 mg"}]}
    )
    limits = compiled(own, before)
    # 00:00 to 12:00: old 0.2 mL (1 mg of 5), lower 0.2 mL (2 mg of 10); 12:00 to 24:00: old 0.4, lower 0.1 mL
    assert row(limits, 24, account="bridge")["basal_pg"] == 4 * MG
    assert row(limits, 4, account="bridge")["basal_pg"] == 666_666_667


def test_a_former_offset_from_utc_moves_the_old_day_in_the_new_one() -> None:
    steps = {"steps": [{"from": "00:00", "dose": "1 mg"}, {"from": "12:00", "dose": "2 mg"}]}
    before = plan(BEFORE, basal=steps)
    same = compiled(after(before, AFTER, basal=steps), before)
    moved = compiled(after(before, AFTER, basal=steps, utc_offset="-11:00"), before)
    assert row(same, 24, account="bridge")["basal_pg"] == 3 * MG
    # The clocks are 12 h apart, so each half day has 2 mg: new fluid at 0.2 mL, or old fluid at 0.4 mL.
    assert row(moved, 24, account="bridge")["basal_pg"] == 4 * MG


# --- fluids -------------------------------------------------------------------------------------------------


def test_what_stayed_under_the_fill_raises_the_fluid_and_so_the_limit() -> None:
    before = plan(BEFORE, reservoir=reservoir(drug("hydromorphone", "10 mg/mL"), filled="20 mL"))
    mixed = reservoir(drug("hydromorphone", "5 mg/mL"), filled="18.6 mL", residual=("0 mL", "1.4 mL"))
    limits = compiled(after(before, AFTER, reservoir=mixed), before)
    assert limits["fluids"]["reservoir"] == {"hydromorphone": [5 * MG, 5_350_000_000]}  # 5.35 mg/mL
    assert limits["fluids"]["path"] == {"hydromorphone": [10 * MG, 10 * MG]}
    assert row(limits, 24)["basal_pg"] == 3_210_000_000  # against 3.00 mg on the label
    assert row(limits, 24, account="bridge")["basal_pg"] == 3 * MG
    assert limits["fill_nl"] == 20_000_000


def test_the_stronger_fluid_in_the_path_counts_where_there_is_no_bridge() -> None:
    first = plan(BEFORE, reservoir=reservoir(drug("hydromorphone", "10 mg/mL"), filled="20 mL"))
    own = after(
        first,
        {**AFTER, "bridge": None},
        reservoir=reservoir(drug("hydromorphone", "5 mg/mL"), filled="20 mL"),
    )
    assert row(compiled(own, first), 24)["basal_pg"] == 6 * MG  # what the review then refuses to sign


def rotation(residual: str, **bridge: list[str]) -> Limits:
    """Morphine 20 mg/mL, 6 mg/day, to hydromorphone 5 mg/mL, 1 mg/day."""
    before = plan(
        BEFORE, reservoir=reservoir(drug("morphine", "20 mg/mL"), filled="20 mL"), basal={"rate": "6 mg/day"}
    )
    fill = reservoir(drug("hydromorphone", "5 mg/mL"), filled="18 mL", residual=("0 mL", residual))
    return compiled(after(before, AFTER, reservoir=fill, basal={"rate": "1 mg/day"}, bridge=bridge), before)


def test_a_drug_that_the_plan_does_not_name_has_rows_and_what_is_left_of_it_as_its_cap() -> None:
    limits = rotation("0.1 mL")
    # 0.1 mL under the fill and 0.342 mL of path, 20 mg/mL, and the 6 mg of the last day of the old plan
    assert caps(limits, "morphine") == {24: 14_840 * UG}
    assert caps(limits, "hydromorphone") == {24: 10 * MG}
    assert row(limits, 24, "morphine", "bridge")["basal_pg"] == 6 * MG
    assert row(limits, 24, "hydromorphone", "bridge")["basal_pg"] == 1 * MG
    assert row(limits, 24, "morphine")["basal_pg"] == 22_099_448  # 0.2 mL/day of 2 mg in 18.1 mL


def test_what_is_left_in_the_path_is_that_of_a_bridge_signed_with_other_bounds() -> None:
    limits = rotation("0.1 mL", volume=["0.3 mL", "0.5 mL"])
    assert caps(limits, "morphine") == {24: 18 * MG}
    assert limits["path"] == {
        "lo_nl": 300_000, "hi_nl": 500_000, "bridge_lo_nl": 262_008, "bridge_hi_nl": 584_796,
    }  # fmt: skip


def test_the_cap_of_a_left_over_drug_is_never_above_the_formulary_s() -> None:
    assert caps(rotation("1.4 mL"), "morphine") == {24: 20 * MG}


def test_a_drug_that_only_the_path_holds_has_left_with_the_bridge() -> None:
    limits = rotation("0 mL")
    assert row(limits, 24, "morphine", "bridge")["basal_pg"] == 6 * MG
    assert row(limits, 24, "morphine")["basal_pg"] == 0
    assert caps(limits, "morphine") == {24: 12_840 * UG}


def test_a_first_fill_may_stand_in_the_path_or_not() -> None:
    limits = compiled(plan(FLEX))
    assert limits["fluids"]["path"] == {"baclofen": [0, 1_000 * UG]}
    assert limits["prime_nl"] == 0


def test_a_prime_of_an_empty_path_is_limited_to_the_path() -> None:
    limits = compiled(plan(FLEX, prime={"volume": "0.336 mL", "path": "empty"}))
    assert limits["fluids"]["path"] == {}
    assert limits["prime_nl"] == limits["path"]["hi_nl"] == 342_000
    assert limits["path"] == {
        "lo_nl": 330_000, "hi_nl": 342_000, "bridge_lo_nl": 288_209, "bridge_hi_nl": 400_000,
    }  # fmt: skip


# --- caps ---------------------------------------------------------------------------------------------------


def test_ziconotide_at_its_cap_is_not_blocked_and_a_tenth_more_is() -> None:
    at_cap = worst_windows(compiled(plan(SLOW, basal={"rate": "19.2 ug/day"})))
    assert [(one.total_pg, one.cap_pg, one.over) for one in at_cap if one.hours == 24] == [
        (19_200_000, 19_200_000, False)
    ]
    above = worst_windows(compiled(plan(SLOW, basal={"rate": "19.3 ug/day"})))
    assert [one.over for one in above] == [False, False, True]  # in 1 h and 4 h there is no cap


def test_bolus_and_basal_together_are_what_a_cap_bounds() -> None:
    own = plan(FLEX, limits={"max_per_day": "415.2 ug"})
    day = worst_windows(compiled(own))[-1]
    assert (day.account, day.drug, day.hours, day.basal_pg, day.bolus_pg) == (
        "stage-0", "baclofen", 24, 340 * UG, 75_200_000,
    )  # fmt: skip
    assert not day.over
    assert worst_windows(compiled(plan(FLEX, limits={"max_per_day": "415.199999 ug"})))[-1].over


def test_a_plan_s_own_limits_tighten_the_formulary_s_and_never_loosen_them() -> None:
    own = {"max_per_hour": "90 ug", "max_per_4h": "200 ug", "max_per_day": "500 ug", "max_bolus": "70 ug"}
    limits = compiled(plan(FLEX, limits=own))
    assert caps(limits, "baclofen") == {1: 90 * UG, 4: 200 * UG, 24: 500 * UG}
    assert limits["bolus_caps"] == [{"drug": "baclofen", "pg": 70 * UG}]
    loose = compiled(plan(FLEX, limits={"max_per_day": "3 mg", "max_bolus": "300 ug"}))
    assert caps(loose, "baclofen") == {24: 2_000 * UG}
    assert loose["bolus_caps"] == [{"drug": "baclofen", "pg": 200 * UG}]


def test_own_limits_are_those_of_the_primary_drug_alone() -> None:
    limits = compiled(plan(MIXTURE, limits={"max_per_day": "6 mg", "max_bolus": "0.5 mg"}))
    assert [caps(limits, name)[24] for name in ("morphine", "bupivacaine", "clonidine")] == [
        6 * MG, 20 * MG, 600 * UG,
    ]  # fmt: skip
    assert [one["pg"] for one in limits["bolus_caps"]] == [500 * UG, 5 * MG, 40 * UG]


def test_a_drug_that_the_formulary_lacks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not in the formulary"):
        compiled(plan(SIMPLE, reservoir=reservoir(drug("baclophen", "1000 ug/mL"))))


# --- hold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "on_loss", "hold_h"),
    [
        (SIMPLE, {"hold": "4 h"}, 4),
        (SIMPLE, {"hold": "24 h"}, 24),
        (SIMPLE, "stop", 0),
        (SIMPLE, None, 24),  # baclofen is held unless the plan says otherwise
        (SLOW, None, 0),  # ziconotide is stopped
        (MIXTURE, {"hold": "4 h"}, 4),
    ],
)
def test_the_longest_hold_is_the_plan_s_or_the_formulary_s(
    values: Limits, on_loss: object, hold_h: int
) -> None:
    assert compiled(plan(values, on_loss=on_loss))["max_hold_ms"] == hold_h * 3_600_000


@pytest.mark.parametrize(
    ("values", "on_loss", "why"),
    [
        (SIMPLE, {"hold": "86400001 ms"}, "too long"),
        (MIXTURE, {"hold": "14400001 ms"}, "too long"),  # clonidine alone would allow it
        (MIXTURE, None, "disagree"),
    ],
)
def test_a_hold_that_the_drugs_do_not_allow_is_refused(values: Limits, on_loss: object, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        compiled(plan(values, on_loss=on_loss))


# --- the file -----------------------------------------------------------------------------------------------


def leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_the_file_holds_whole_numbers_and_texts_only() -> None:
    before = plan(BEFORE)
    for limits in (compiled(plan(FLEX)), compiled(plan(MIXTURE)), compiled(after(before, AFTER), before)):
        assert {type(leaf) for leaf in leaves(limits)} <= {int, str, bool, type(None)}
        assert all(leaf >= 0 for leaf in leaves(limits) if isinstance(leaf, int))


def test_the_checksum_is_that_of_the_canonical_text_of_all_the_rest() -> None:
    limits = compiled(plan(FLEX))
    assert json.loads(limits_bytes(limits)) == limits
    rest = {key: value for key, value in limits.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert limits["checksum"] == sha256(text.encode("ascii")).hexdigest()


def test_the_same_plan_compiles_to_the_same_bytes() -> None:
    assert limits_bytes(compiled(plan(FLEX))) == limits_bytes(compiled(plan(FLEX)))
    assert compiled(plan(FLEX))["checksum"] != compiled(plan(FLEX, title="Other"))["checksum"]


def test_the_file_has_exactly_the_keys_of_its_form() -> None:
    limits = compiled(plan(FLEX))
    assert set(limits) == {
        "schema", "simulation", "route", "plan", "formulary_sha256", "profile_sha256", "pump", "valid",
        "stop_ms", "path", "fill_nl", "alarm_nl", "fluids", "caps", "bolus_caps", "max_hold_ms", "prime_nl", "accounts",
        "checksum",
    }  # fmt: skip
    (account,) = limits["accounts"]
    assert set(account) == {
        "id", "from_ms", "until_ms", "daily_pg", "hold", "max_bolus_nl", "patient", "rows",
    }  # fmt: skip
    assert set(account["rows"][0]) == {
        "drug", "hours", "basal_pg", "bolus_pg", "basal_max_pg_per_h", "basal_fall_pg_per_h",
        "bolus_max_pg_per_h", "bolus_fall_pg_per_h", "commands",
    }  # fmt: skip


def test_the_head_says_what_it_was_made_of_and_how_long_it_holds() -> None:
    own = plan(FLEX)
    limits = compiled(own)
    assert limits["schema"] == "pump-ctrl/limits/1"
    assert limits["route"] == "intrathecal"
    assert limits["plan"] == {"id": "A", "sha256": own.sha256}
    assert limits["formulary_sha256"] == FORMULARY.sha256
    assert limits["profile_sha256"] == load_profile("implant-40").sha256
    assert limits["pump"] == {
        "name": "implant-40", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 100,
        "max_nl_per_h": 1_000_000, "max_lease_ms": 86_400_000,
    }  # fmt: skip
    assert limits["valid"] == {
        "from_utc_ms": 1_795_158_000_000,
        "until_utc_ms": 1_829_718_000_000,
    }  # 400 days
    assert limits["stop_ms"] == 2_000


def test_only_a_simulation_is_marked_as_one() -> None:
    own, profile = plan(FLEX), load_profile("implant-40")
    assert compile_limits(own, FORMULARY, profile)["simulation"] is False
    marked = compile_limits(own, FORMULARY, profile, simulation=True)
    assert marked["simulation"] is True
    assert marked["checksum"] != compiled(own)["checksum"]


def test_another_pump_compiles_to_its_own_steps_and_leases() -> None:
    limits = compiled(plan(FLEX), pump="ne-1000-bd-10ml")
    assert limits["pump"]["protocol"] == "new-era"
    assert limits["pump"]["name"] == "ne-1000-bd-10ml"


def test_the_plan_before_must_be_the_very_one_that_is_named() -> None:
    before, other = plan(BEFORE), plan(BEFORE, title="Other")
    own = after(before, AFTER)
    for previous in (None, other):
        with pytest.raises(InvalidInput, match="previous"):
            compiled(own, previous)
    with pytest.raises(InvalidInput, match="previous"):
        compiled(plan(FLEX), before)
