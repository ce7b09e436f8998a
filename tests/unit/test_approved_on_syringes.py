"""D-08 on New Era: a program holds the run and the bounded hold behind it, and says rates with four digits.

The property over all profiles is tests/properties/test_approved_means_granted.py; here are cases that were seen.
Times true ms from the plan's start, volumes nL; 1 ug of the drug is 1 uL.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.due import TOO_LITTLE
from pump_ctrl.controller.events import RequestKind, StatusRead
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from pump_ctrl.therapy.review import blocked, review
from tests.driver_stacks import boluses, check_ledger, check_sums, records
from tests.unit.fake_bench import FakeBench, ToySchedule
from tests.whole_stack import HOUR, MINUTE, formulary, healthy, profile

STAGE_ENDS: Final = 25 * HOUR
EVEN: Final = {"rate": "400 ug/day"}
AT_NIGHT: Final = {"steps": [{"from": "06:00", "dose": "200 ug"}, {"from": "22:00", "dose": "200 ug"}]}
BOLUS: Final = [{"at": "07:30", "dose": "30 ug", "over": "20 min"}]  # half an hour before the stage ends


def a_plan(**more: Any) -> DosingPlan:  # noqa: ANN401
    """A plan for a New Era pump with a syringe of 10 mL, with ``more`` of its fields, or others."""
    return plan_from(
        {
            "schema": 1,
            "id": "SYRINGE",
            "title": "On a bench pump",
            "patient": "BENCH-0",
            "prescriber": "bench",
            "pump": "ne-1000-bd-10ml",
            "utc_offset": "+00:00",
            "start": "2026-11-20T07:00",
            "reservoir": {
                "filled": "10 mL",
                "residual": ["0 mL", "0 mL"],
                "alarm": "0.5 mL",
                "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
            },
            "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
            "basal": EVEN,
            **more,
        }
    )


def found(plan: DosingPlan) -> set[str]:
    return {item.code for item in review(plan, formulary(), profile(plan.pump))}


def titrated(hold: str, basal: dict[str, Any], bolus: list[dict[str, Any]]) -> DosingPlan:
    """A day and an hour of the plan, then a tenth more of its basal."""
    stages = {"step": [{"after": "25 h", "change": "+10 %"}]}
    plan = a_plan(on_loss={"hold": hold}, basal=basal, bolus=bolus, titration=stages)
    assert blocked(review(plan, formulary(), profile(plan.pump))) == ()
    return plan


def ran(plan: DosingPlan, until: int) -> SimulatedStack:
    stack = healthy(plan)
    stack.run_to(until)
    return stack


@pytest.mark.parametrize(
    ("hold", "basal", "bolus"), [("1 h", EVEN, []), ("24 h", AT_NIGHT, BOLUS)], ids=["1 h", "24 h"]
)
def test_nothing_is_refused_where_a_stage_ends_with_a_hold_behind_the_run(
    hold: str, basal: dict[str, Any], bolus: list[dict[str, Any]]
) -> None:
    """Seen: the hold was put behind the stage's end, the guard refused the whole run, and nothing flowed until then."""
    stack = ran(titrated(hold, basal, bolus), STAGE_ENDS + HOUR)
    assert records(stack, "alarm") == []
    assert boluses(stack) == ["delivered"] * 2 * len(bolus)
    assert not [gap for gap in records(stack, "missed") if "refused" in gap["why"]]
    check_sums(stack)
    check_ledger(stack)


def test_a_hold_in_the_pump_ends_with_its_stage() -> None:
    """It counts in the stage's account: who dies ten minutes before the end leaves ten minutes, not a hold of 4 h."""
    stack = ran(titrated("4 h", EVEN, []), STAGE_ENDS - 10 * MINUTE)
    stack.die()
    before = stack.world.truth.counted_nl()
    stack.clock.advance(9 * MINUTE)
    then = stack.world.truth.counted_nl()
    assert then > before
    stack.clock.advance(MINUTE)
    end = stack.world.truth.counted_nl()
    assert end > then
    stack.clock.advance(4 * HOUR)
    assert stack.world.truth.counted_nl() == end
    check_ledger(stack)


def a_fast_minute(volume_ul: int) -> DosingPlan:
    steps = [{"from": "00:00", "dose": f"{volume_ul} ug"}, {"from": "00:01", "dose": "200 ug"}]
    return a_plan(basal={"steps": steps})


def test_a_rate_above_what_the_pump_can_be_told_is_blocked_though_its_motor_could() -> None:
    """9.999 mL/h are 166.65 uL a minute. Seen: approved, and a sixth of the minute's dose was missed without a word."""
    assert "rate-above-pump" not in found(a_fast_minute(166))
    assert "rate-above-pump" in found(a_fast_minute(167))
    assert profile("ne-1000-bd-10ml").max_rate.nl_per_day > 10**10  # the motor


# The syringe's lowest flow is 6876.875 nL/h, 6877 in whole ones; a pump step is 100 nL, and
# the run before may have given one ahead of the plan; four digits are a thousandth.
LOWEST_TOLD: Final = Fraction(6_877 + 2 * 100) * 1_000 / 999


def drop(rate_nl_per_h: int) -> dict[str, Any]:
    return {"rate": f"{rate_nl_per_h} ng/h"}


def test_a_flow_that_the_pumps_numbers_say_as_less_than_its_lowest_is_blocked() -> None:
    """Seen: the lowest flow was approved, 165.0 uL of 165.048 uL a day were below it, and nothing was ever given."""
    assert "rate-below-pump" in found(a_plan(basal=drop(6_877)))
    assert "rate-below-pump" in found(a_plan(basal=drop(floor(LOWEST_TOLD))))
    assert "rate-below-pump" not in found(a_plan(basal=drop(ceil(LOWEST_TOLD))))


@pytest.mark.parametrize("on_loss", ["stop", {"hold": "4 h"}], ids=str)
def test_the_lowest_flow_that_is_not_blocked_is_given(on_loss: object) -> None:
    stack = ran(a_plan(basal=drop(ceil(LOWEST_TOLD)), on_loss=on_loss), 6 * HOUR)
    assert records(stack, "alarm") == []
    assert stack.world.truth.counted_nl() > 6 * 6_877 - 1_000
    check_sums(stack)


def test_a_bolus_that_the_pumps_numbers_say_as_nothing_is_blocked() -> None:
    """Seen: approved, and each time refused by the guard as a bolus of nothing, where no basal runs beside it."""
    least = (Fraction(6_877, 3) + 2 * 100) * 1_000 / 999  # nL in 20 min
    slot = {"at": "09:00", "over": "20 min"}
    bare: dict[str, Any] = {"basal": {"mode": "stopped"}}
    for nl, blocks in ((2_293, True), (floor(least), True), (ceil(least), False)):
        assert ("rate-below-pump" in found(a_plan(bolus=[slot | {"dose": f"{nl} ng"}], **bare))) is blocks
    stack = ran(a_plan(bolus=[slot | {"dose": f"{ceil(least)} ng"}], **bare), 3 * HOUR)
    assert boluses(stack) == ["delivered"]


def test_the_lowest_flow_is_given_though_the_run_before_was_a_step_ahead() -> None:
    """Seen on a Harvard pump: an hour at 1526 nL/h less the step is below 1503 nL/h, each hour anew: nothing flowed."""

    def basal(nl_per_h: int) -> dict[str, Any]:
        steps = [{"from": "00:00", "rate": f"{nl_per_h} ng/h"}, {"from": "08:00", "rate": "11111 ng/h"}]
        return {
            "steps": [
                *steps,
                {"from": "09:12", "dose": "0 ug"},
                {"from": "09:20", "rate": f"{nl_per_h} ng/h"},
            ]
        }

    blocking = a_plan(pump="pump-11-elite-bd-10ml", basal=basal(1_526))
    assert "rate-below-pump" in found(blocking)
    plan = a_plan(pump="pump-11-elite-bd-10ml", basal=basal(1_545))
    assert "rate-below-pump" not in found(plan)
    stack = ran(plan, 8 * HOUR)
    assert not [gap for gap in records(stack, "missed") if gap["why"] == TOO_LITTLE]
    assert records(stack, "alarm") == []


@pytest.mark.parametrize("what", ["bolus", "patient_bolus"])
def test_a_bolus_longer_than_the_pump_may_be_told_is_blocked(what: str) -> None:
    """A Harvard pump has no watchdog and is told an hour. Seen: approved, and each time refused by the guard."""

    def lasting(over: str) -> set[str]:
        own: dict[str, Any] = {"dose": "30 ug", "over": over}
        asked = own | {"lockout": "3 h", "max_per_day": 2}
        terms = {"bolus": [own | {"at": "09:00"}]} if what == "bolus" else {"patient_bolus": asked}
        return found(a_plan(pump="pump-11-elite-bd-10ml", **terms))

    assert "bolus-too-long" in lasting("3600001 ms")
    assert "bolus-too-long" not in lasting("1 h")


def test_a_moment_of_flow_too_short_for_a_pump_step_is_missed_and_refused_by_nobody() -> None:
    """A minute of 7 uL/h at midnight between two rests. Seen: told to the pump as nothing, refused, alarm `refused`."""
    steps = [("00:00", "7.1 ug/h"), ("00:01", "0 ug/h"), ("02:00", "25 ug/h"), ("22:00", "0 ug/h")]
    basal = {"steps": [{"from": at, "rate": rate} for at, rate in steps]}
    stack = ran(a_plan(start="2026-11-20T23:30", basal=basal), 3 * HOUR)
    assert records(stack, "alarm") == []
    short = [gap for gap in records(stack, "missed") if gap["why"] == TOO_LITTLE]
    assert [(gap["from_ms"], gap["to_ms"]) for gap in short] == [(30 * MINUTE, 31 * MINUTE)]
    assert stack.world.truth.counted_nl() > 12_500 - 1_000  # the half hour from 02:00 on
    check_sums(stack)


def ended_early(given: int) -> FakeBench:
    """A run to the end of a stage, 10 h of 1 uL/h; half a second before that the pump stands still."""
    bench = FakeBench(ToySchedule((0, 24_000), stage_until=10 * HOUR))
    bench.start()
    bench.run_to(10 * HOUR - 500)
    bench.base, bench.steps = given, ()
    bench.feed(StatusRead(bench.status()))
    bench.run_to(10 * HOUR + MINUTE)
    return bench


def test_a_pump_that_is_through_a_moment_early_is_told_what_comes_next_in_time() -> None:
    """Its rates are rounded up to whole digits. Seen: taken for a run that broke off; a bolus due in the 5 s of waiting
    for another try was missed.
    """
    through, broken = ended_early(10_000), ended_early(5_000)
    assert [at for at, ask in through.asks if ask.account == "stage-1"] == [10 * HOUR]
    assert [at for at, ask in broken.asks if ask.account == "stage-1"] == [10 * HOUR + 4_500]


@pytest.mark.parametrize("pump", ["ne-1000-bd-10ml", "implant-40"])
@pytest.mark.parametrize("on_loss", ["stop", {"hold": "4 h"}], ids=str)
def test_a_lease_longer_than_what_is_left_is_shortened_and_the_reservoir_is_used_to_its_alarm(
    pump: str, on_loss: object
) -> None:
    """S-32. Seen: 1 mL was left and a day's lease took 1.8 mL, so nothing flowed, hours before the refill was due."""
    reservoir = {
        "filled": "1 mL", "residual": ["0 mL", "0 mL"], "alarm": "0.05 mL",
        "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
    }  # fmt: skip
    stack = healthy(a_plan(pump=pump, reservoir=reservoir, on_loss=on_loss, bolus=BOLUS))
    stack.run_to(int(2.2 * 24 * HOUR))  # 0.4 mL and a bolus of 0.03 a day: 0.05 mL are left after 2.2 days
    assert {data["code"] for data in records(stack, "alarm")} <= {"reservoir-low"}
    assert boluses(stack) == ["delivered"] * 3
    assert 940_000 < stack.world.truth.counted_nl() <= 971_000
    check_ledger(stack)
    check_sums(stack)
    if pump != "implant-40":  # which keeps what its pump cannot give
        stack.refill()
        stack.run_to(3 * 24 * HOUR)
        assert stack.controller.run is not None
        assert stack.controller.run.own_to_ms > 3 * 24 * HOUR


@pytest.mark.parametrize("pump", ["ne-1000-bd-10ml", "implant-40"])
@pytest.mark.parametrize("day", [1.7, 2.0])
def test_a_press_is_granted_as_long_as_there_is_drug_for_it(pump: str, day: float) -> None:
    """S-32: the bolus fits, a day's lease behind it does not; at 2.0 days the lease in force was shortened before."""
    reservoir = {
        "filled": "1 mL", "residual": ["0 mL", "0 mL"], "alarm": "0.05 mL",
        "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
    }  # fmt: skip
    patient = {"dose": "10 ug", "over": "5 min", "lockout": "1 h", "max_per_day": 3}
    stack = healthy(a_plan(pump=pump, reservoir=reservoir, on_loss="stop", patient_bolus=patient))
    stack.run_to(int(day * 24 * HOUR))
    stack.ask("press", RequestKind.PATIENT_BOLUS)
    stack.run_to(stack.elapsed_ms + HOUR)
    assert boluses(stack) == ["delivered"]
    assert not records(stack, "alarm")
    check_ledger(stack)
    check_sums(stack)
