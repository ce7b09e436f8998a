"""The simulated world that a plan is run on: what is in the reservoir and in the path at the start.

Layer      bench; the one place of it that makes simulated pumps.
Tests      tests/unit/test_simulate.py
"""

from __future__ import annotations

from collections.abc import Sequence

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.volumes import nominal_catheter, nominal_path
from sim.faults import Fault, FaultyWire
from sim.world import Setup, World


def concentrations(plan: DosingPlan) -> dict[str, int]:
    """What the label of the reservoir says, pg/mL."""
    return {drug.name: drug.concentration.pg_per_ml for drug in plan.reservoir.drugs}


def world_setup(plan: DosingPlan, profile: PumpProfile, previous: DosingPlan | None, *, seed: int) -> Setup:
    """A pump freshly filled as the plan says, on a path of nominal volume.

    The path holds what the previous plan left in it; of a first plan the plan's own fluid, or nothing where
    the plan primes an empty path. A path of which only the tubing is filled ("back-table", "aspirated") is a
    path of the catheter's volume with nothing in it, since the tubing holds what follows anyway.

    Raises:
        InvalidInput: the profile is not one of a simulated implant-like pump.
    """
    if profile.protocol != "reference":
        raise InvalidInput(
            f"simulate runs implant-like pumps with the reference protocol; {profile.name} speaks "
            f"{profile.protocol}; allowed: implant-20, implant-40 (or --pump with a profile made from them)"
        )
    volume, path = nominal_path(plan, profile), concentrations(previous or plan)
    if plan.prime is not None:
        path = {}
        volume = volume if plan.prime.path == "empty" else nominal_catheter(plan)
    return Setup(
        model="implant-20" if profile.capacity.nl <= 20_000_000 else "implant-40",
        fill_nl=plan.reservoir.filled.nl,
        drugs=concentrations(plan),
        path_nl=int(volume),
        path_drugs=path,
        seed=seed,
        alarm_nl=plan.reservoir.alarm.nl,
    )


def make_wire(setup: Setup, faults: Sequence[str]) -> tuple[World, FaultyWire]:
    """The world and the wire to it, with the named faults.

    Raises:
        InvalidInput: a fault that there is not, or with a parameter that it does not have.
    """
    try:
        parsed = [Fault.parse(text) for text in faults]
    except ValueError as error:
        raise InvalidInput(f"{error}; see: pump-sim faults") from None
    in_pump = [fault for fault in parsed if fault.kind.where == "pump"]
    world = World(setup, in_pump)
    return world, FaultyWire(world.firmware, world, [f for f in parsed if f.kind.where != "pump"])
