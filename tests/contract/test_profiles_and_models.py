"""Profiles and simulated pumps were written apart, each from its documents; here their numbers meet."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from fractions import Fraction
from math import isclose
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.bench.setup import SYRINGE_PUMPS, make_wire, world_setup
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import load_plan, plan_from
from pump_ctrl.therapy.profiles import PumpProfile, load_profile, profile_names
from sim.models import load_model
from sim.plunger import area_um2
from sim.pumps import protocol_of
from sim.syringes import load_pump, load_syringe, syringe_names
from tests.whole_stack import HOUR, formulary

ROOT: Final = Path(__file__).resolve().parents[2]
PLAN: Final = load_plan(ROOT / "examples" / "a-bench-twin.toml")
SYRINGES: Final = {load_syringe(name).diameter_um: load_syringe(name) for name in syringe_names()}
PROFILES: Final = tuple(load_profile(name) for name in profile_names())
WITH_SYRINGE: Final = tuple(profile for profile in PROFILES if profile.syringe is not None)
IMPLANTS: Final = tuple(profile for profile in PROFILES if profile.kind == "implant")


def name_of(profile: PumpProfile) -> str:
    return profile.name


@pytest.mark.parametrize("profile", WITH_SYRINGE, ids=name_of)
def test_a_syringe_pumps_profile_is_a_simulated_pump_with_a_simulated_syringe(profile: PumpProfile) -> None:
    assert profile.syringe is not None
    model = SYRINGE_PUMPS[profile.protocol][profile.model]
    assert protocol_of(model) == profile.protocol
    pump, syringe = load_pump(model), SYRINGES[profile.syringe.diameter_um]
    assert syringe.capacity_nl == profile.capacity.nl
    assert pump.least_um <= syringe.diameter_um <= pump.most_um
    area = Fraction(area_um2(syringe.diameter_um), 1_000_000 * 1_000_000)  # nL/h of a pm/h
    for rate, speed in ((profile.max_rate, pump.max_pm_per_h), (profile.min_rate, pump.min_pm_per_h)):
        assert isclose(rate.nl_per_day / 24, area * speed, rel_tol=1e-5, abs_tol=0.05)  # whole nL a day


@pytest.mark.parametrize("profile", IMPLANTS, ids=name_of)
def test_an_implants_profile_is_a_simulated_one(profile: PumpProfile) -> None:
    model = load_model(profile.name)
    assert (model.capacity_nl, model.step_nl, model.max_steps) == (
        profile.capacity.nl,
        profile.step.nl,
        profile.max_steps,
    )
    assert (model.max_lease_ms, model.max_nl_per_h * 24) == (profile.lease.ms, profile.max_rate.nl_per_day)
    assert (model.tubing_nl, model.tubing_nl) == (profile.tubing[0].nl, profile.tubing[1].nl)


@pytest.mark.parametrize("profile", PROFILES, ids=name_of)
def test_every_profile_has_a_world_with_its_pump(profile: PumpProfile) -> None:
    setup = world_setup(PLAN, profile, None, seed=3)
    fits = replace(setup, fill_nl=min(setup.fill_nl, profile.capacity.nl))
    world, wire = make_wire(fits, ["lose-reply@3h"])
    assert protocol_of(setup.model) == profile.protocol
    assert world.capacity_nl == profile.capacity.nl
    wire.advance(60_000)
    assert world.now_ms == 60_000


@pytest.mark.parametrize("profile", PROFILES, ids=name_of)
def test_every_profile_of_the_package_runs_a_plan_on_its_simulated_pump(profile: PumpProfile) -> None:
    """D-08. Seen: four of the five Harvard profiles were refused by a simulated pump that had been told 10 ml."""
    values = tomllib.loads((ROOT / "examples" / "a-bench-twin.toml").read_text(encoding="utf-8"))
    slow = {"steps": [{"from": "00:00", "rate": "25 ug/h"}]}
    values |= {"pump": profile.name, "basal": slow}
    del values["bolus"]
    values["reservoir"] |= {"filled": "1 mL", "alarm": "0.1 mL", "residual": ["0 mL", "0 mL"]}
    values["reservoir"]["drugs"][0]["concentration"] = "1000 ug/mL"
    stack = SimulatedStack(plan_from(values), profile, formulary())
    stack.begin()
    stack.run_to(HOUR)
    assert 24_500 < stack.world.truth.counted_nl() <= 25_000
    assert not stack.guard.alarms


def test_a_pump_that_nobody_simulates_is_refused_with_those_that_are() -> None:
    profile = replace(load_profile("ne-1000-bd-10ml"), model="NE9000")
    with pytest.raises(InvalidInput, match=r"no simulated pump .* NE9000; allowed: NE1000, 11 ELITE"):
        world_setup(PLAN, profile, None, seed=0)


def test_a_fault_that_this_pump_cannot_have_is_bad_input() -> None:
    setup = world_setup(PLAN, load_profile("ne-1000-bd-10ml"), None, seed=0)
    with pytest.raises(InvalidInput, match=r"battery-dead.* ne-1000 cannot have it"):
        make_wire(setup, ["battery-dead@1h"])
    with pytest.raises(InvalidInput, match="no fault 'nothing'"):
        make_wire(setup, ["nothing"])
