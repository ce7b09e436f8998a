"""What assembly makes of a profile and a plan: the driver's settings, the controller's limits and times."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.assembly import limits_of, prescription_of, settings_of, timing_of
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.controller.totals import Span
from pump_ctrl.drivers.base import Permit, Refused, Step, StepKind, Unknown
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.profiles import load_profile
from tests.driver_stacks import KINDS, SLOT, Kind, plan_of, reaped, records, stack_of
from tests.toy_pace import HOUR, ToyPace
from tests.unit.live_kit import VALUES, plan_with_boluses
from tests.whole_stack import formulary

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
    assert settings_of(load_profile("ne-1000-bd-20ml"), STOPS).diameter_um == 19_050
    assert settings_of(HARVARD, STOPS).max_nl_per_h == HARVARD.max_nl_per_h > 1_560_000_000


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_controller_and_guard_reckon_with_one_time_to_stop(kind: Kind) -> None:
    """X3: one table, not two."""
    plan, pump = plan_of(kind), load_profile(kind.pump)
    assert timing_of(pump, STOPS).stop_ms == compile_limits(plan, formulary(), pump)["stop_ms"]


def test_missing_flow_of_a_mixture_is_told_by_the_drug_that_bears_it_shortest() -> None:
    """S-31: baclofen 4 h, morphine 12 h."""
    drugs = [{"name": name, "concentration": "1000 ug/mL"} for name in ("morphine", "baclofen")]
    plan = plan_with_boluses(reservoir={**VALUES["reservoir"], "drugs": drugs})
    assert prescription_of(plan, IMPLANT, formulary(), None).under_delivery_ms == 4 * HOUR


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


def test_a_chain_has_as_many_steps_as_one_program_holds_and_no_rest_behind_them() -> None:
    limits = limits_of(NEW_ERA, settings_of(NEW_ERA, STOPS))
    flow, rest, short = (25_000, HOUR), (0, 8 * HOUR), (0, 90_000)
    assert len(limits.fitting(spans(*[flow] * 24))) == 24
    assert len(limits.fitting(spans(*[(25_000, HOUR // 2)] * 40))) == 39
    assert len(limits.fitting(spans(flow, rest, flow))) == 1
    assert len(limits.fitting(spans(flow, short, flow))) == 3
    assert len(limits.fitting(spans(flow, flow, short))) == 2
    one_step = limits_of(HARVARD, settings_of(HARVARD, STOPS))
    assert len(one_step.fitting(spans(flow, flow))) == 1


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_run_begins_when_its_volumes_were_computed_for(kind: Kind) -> None:
    """From the decision to the pump's word, for the first run and for a bolus; off by less than half a second."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(SLOT + 5_000)
    expected = [data["spans"][0][1] for data in records(stack, "asked")]
    begun = [data["at"] for data in records(stack, "outcome")]
    assert len(begun) == 2
    assert all(abs(ms - plan_ms) < 500 for ms, plan_ms in zip(begun, expected, strict=True)), (
        begun,
        expected,
    )


@pytest.mark.parametrize(
    ("pump", "model", "words", "requests"),
    [
        (
            "ne-1000-bd-10ml",
            "NE500",
            "is a NE1000, the profile is of a NE500",
            2,
        ),  # the mode of the line, VER
        ("ne-1000-bd-10ml", "NE1000X", "is a NE1000, the profile is of a NE1000X", 2),
        ("pump-11-elite-bd-10ml", "PHD ULTRA", "the profile is of a PHD ULTRA", 5),  # polling, echo, ver
        ("pump-11-elite-bd-10ml", "LEGATO 100", "the profile is of a LEGATO 100", 5),
    ],
)
def test_another_model_than_the_profiles_is_told_in_a_sentence_and_set_nothing(
    pump: str, model: str, words: str, requests: int
) -> None:
    stack = stack_of(Kind(pump, "stop"))
    sent = reaped(stack)
    sent.arm(1_000, unsent=True)
    settings = replace(settings_of(load_profile(pump), STOPS), model=model)
    driver = driver_factory(stack.profile.protocol)(stack._link, 9, settings=settings)
    met = driver.identify()
    assert isinstance(met, Unknown)
    assert words in met.detail
    assert "othing was set in it" in met.detail
    assert sent.count == requests
    assert driver.deliver(Permit(1, (Step(StepKind.BASAL, 25_000, HOUR),), 10**9)) == Refused(
        "not-identified"
    )
    assert sent.count == requests


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_driver_is_told_which_model_it_is_to_meet(kind: Kind) -> None:
    model = load_profile(kind.pump).model
    assert settings_of(load_profile(kind.pump), STOPS).model == model
    assert model in {"implant-40", "NE1000", "11 ELITE"}
