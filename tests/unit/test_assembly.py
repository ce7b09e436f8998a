"""What assembly makes of a profile and a plan: the driver's settings, the controller's limits and times."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.assembly import COMMIT_MS, limits_of, settings_of, timing_of
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.controller.totals import Span
from pump_ctrl.drivers.base import StepKind
from pump_ctrl.therapy.profiles import load_profile
from tests.driver_stacks import KINDS, SLOT, Kind, records, stack_of
from tests.toy_pace import HOUR, ToyPace

NEW_ERA, HARVARD, IMPLANT = (
    load_profile(name) for name in ("ne-1000-bd-10ml", "pump-11-elite-bd-10ml", "implant-40")
)
STOPS = Prescription(ToyPace((0, 0)), 0)  # type: ignore[arg-type]  # nobody asks for the schedule
HOLDS = replace(STOPS, max_hold_ms=4 * HOUR)


def test_a_pump_with_a_wire_time_out_stops_by_itself_under_stop_and_goes_on_under_hold() -> None:
    assert settings_of(NEW_ERA, STOPS).wire_timeout_s == 60
    assert settings_of(NEW_ERA, HOLDS).wire_timeout_s is None
    assert settings_of(HARVARD, STOPS).wire_timeout_s is None


def test_the_driver_is_told_the_syringe_and_the_fastest_rate_that_can_be_told() -> None:
    told = settings_of(NEW_ERA, STOPS, address=7)
    assert (told.address, told.diameter_um, told.capacity_nl) == (7, 14_430, 10_000_000)
    assert (told.step_nl, told.counter_unit_nl, told.max_nl_per_h) == (100, 1_000, 9_999_000)
    assert settings_of(HARVARD, STOPS).max_nl_per_h == HARVARD.max_nl_per_h > 1_560_000_000


def test_an_unwatched_pump_is_told_an_hour_and_the_hold_behind_it_a_watched_one_a_day() -> None:
    watched, unwatched = timing_of(NEW_ERA, STOPS), timing_of(NEW_ERA, HOLDS)
    assert (watched.lease_ms, watched.hold_ms) == (24 * HOUR, 0)
    assert (unwatched.lease_ms, unwatched.hold_ms) == (HOUR, 4 * HOUR)
    assert (timing_of(HARVARD, HOLDS).lease_ms, timing_of(HARVARD, HOLDS).hold_ms) == (HOUR, 0)
    assert timing_of(IMPLANT, HOLDS).lease_ms == 24 * HOUR


def test_a_pump_that_can_be_told_every_whole_step_has_no_grid() -> None:
    assert limits_of(IMPLANT, settings_of(IMPLANT, STOPS)).grid is None


@pytest.mark.parametrize(
    ("volume", "ms", "told"),
    [
        (96_000, 27_598_500, 95_900),  # 12,520 nL/h is the next lower rate of 4 digits
        (25_000, HOUR, 25_000),
        (6_800, HOUR, 0),  # slower than the plunger can: 6.877 uL/h
        (60_000, 1_200_000, 60_000),
        (99, HOUR, 0),
    ],
)
def test_a_new_era_pump_is_told_what_the_next_lower_rate_gives_in_the_time(
    volume: int, ms: int, told: int
) -> None:
    assert limits_of(NEW_ERA, settings_of(NEW_ERA, STOPS)).floor(Fraction(volume), ms) == told


def test_a_harvard_pump_is_told_six_digits_that_end_less_than_a_step_early() -> None:
    limits = limits_of(HARVARD, settings_of(HARVARD, STOPS))
    assert limits.floor(Fraction(20_000), HOUR + 1) == 20_000
    assert limits.floor(Fraction(20_019), HOUR) == 20_000
    assert limits.floor(Fraction(1_000), HOUR) == 0  # slower than 25.04 nL/min


def spans(*steps: tuple[int, int]) -> list[Span]:
    made, at = [], 0
    for volume, ms in steps:
        made.append(Span(StepKind.BASAL, at, at + ms, volume))
        at += ms
    return made


def test_a_chain_has_as_many_steps_as_its_permit_lasts_for_telling_and_no_rest_behind_them() -> None:
    limits = limits_of(NEW_ERA, settings_of(NEW_ERA, STOPS))
    flow, rest, short = (25_000, HOUR), (0, 8 * HOUR), (0, 90_000)
    assert len(limits.fitting(spans(flow, flow, flow, flow))) == 3
    assert len(limits.fitting(spans(flow, rest, flow))) == 1
    assert len(limits.fitting(spans(flow, short, flow))) == 3
    assert len(limits.fitting(spans(flow, flow, short))) == 2
    one_step = limits_of(HARVARD, settings_of(HARVARD, STOPS))
    assert len(one_step.fitting(spans(flow, flow))) == 1


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_a_deliver_takes_is_what_the_controller_reckons_with(kind: Kind) -> None:
    """From the decision to the pump's word, for the first run and for a bolus; off by less than half a second."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(SLOT + 5_000)
    intents = {data["id"]: data["at"] for data in records(stack, "intent")}
    took = [data["at"] - intents[data["id"]] for data in records(stack, "outcome")]
    assert len(took) == 2
    assert all(abs(ms - COMMIT_MS[stack.profile.protocol]) < 500 for ms in took), took
