"""The simulated world that a plan is run on: what is in the reservoir and in the path at the start.

Layer      bench; the one place of it that makes simulated pumps.
Tests      tests/unit/test_simulate.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.volumes import nominal_catheter, nominal_path
from sim.balance import Balance
from sim.faults import Fault, FaultyWire, bench_faults, pump_faults, wire_faults
from sim.firmware.mt_sics import BalanceFirmware
from sim.firmware.relay import RelayFirmware
from sim.syringes import Syringe
from sim.world import Setup, World

# Simulated model of a syringe pump's profile, by what the profile calls the pump.
SYRINGE_PUMPS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "new-era": {"NE1000": "ne-1000"},
        "harvard": {
            "11 ELITE": "harvard-11-elite",
            "PICO PLUS ELITE": "pico-plus-elite",
            "PHD ULTRA": "phd-ultra",
            "LEGATO": "legato",
        },
    }
)

# Half of what an exchange takes on the lines that these pumps have: 19200 baud, and USB.
SECOND_LATENCY_MS: Final = 20
LATENCY_MS: Final = MappingProxyType({"reference": 20, "new-era": 15, "harvard": 10})


def concentrations(plan: DosingPlan) -> dict[str, int]:
    """What the label of the reservoir says, pg/mL."""
    return {drug.name: drug.concentration.pg_per_ml for drug in plan.reservoir.drugs}


def world_setup(plan: DosingPlan, profile: PumpProfile, previous: DosingPlan | None, *, seed: int) -> Setup:
    """A pump freshly filled as the plan says, on a path of nominal volume.

    The path holds what the previous plan left in it; of a first plan the plan's own fluid, or nothing where
    the plan primes an empty path. A path of which only the tubing is filled ("back-table", "aspirated") is a
    path of the catheter's volume with nothing in it, since the tubing holds what follows anyway.

    Raises:
        InvalidInput: no simulated pump is the one of the profile.
    """
    model, syringe = _pump_of(profile)
    volume, path = nominal_path(plan, profile), concentrations(previous or plan)
    if plan.prime is not None:
        path = {}
        volume = volume if plan.prime.path == "empty" else nominal_catheter(plan)
    return Setup(
        model=model,
        syringe=syringe,
        fill_nl=plan.reservoir.filled.nl,
        drugs=concentrations(plan),
        path_nl=int(volume),
        path_drugs=path,
        seed=seed,
        alarm_nl=plan.reservoir.alarm.nl,
    )


def _pump_of(profile: PumpProfile) -> tuple[str, Syringe | str]:
    """The simulated model, and what is in it: the very syringe of the profile, if it is a syringe pump."""
    if profile.syringe is None:
        return "implant-20" if profile.capacity.nl <= 20_000_000 else "implant-40", ""
    models = SYRINGE_PUMPS.get(profile.protocol, {})
    if profile.model not in models:
        raise InvalidInput(
            f"there is no simulated pump for {profile.name}, a {profile.protocol} {profile.model}; "
            f"allowed: {', '.join(model for known in SYRINGE_PUMPS.values() for model in known)}"
        )
    syringe = profile.syringe
    return models[profile.model], Syringe(
        profile.name, syringe.title, syringe.diameter_um, profile.capacity.nl
    )


def make_wire(setup: Setup, faults: Sequence[str], protocol: str = "reference") -> tuple[World, FaultyWire]:
    """The world and the wire of a protocol to it, with the named faults.

    Raises:
        InvalidInput: a fault that there is not, that this pump cannot have, or with a parameter that it does
        not have; or the pump cannot be as the setup says.
    """
    parsed = _parsed(faults)
    try:
        world = World(setup, pump_faults(parsed))
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    return world, FaultyWire(world.firmware, world, wire_faults(parsed), LATENCY_MS[protocol])


def make_second(
    world: World, faults: Sequence[str], balance: Mapping[str, int] | None, *, power_cut: bool
) -> tuple[FaultyWire | None, FaultyWire | None]:
    """The wires of a balance and of a relay beside the pump, as far as they are wanted, with their own faults.

    ``balance`` are the arguments of ``sim.balance.Balance`` that are to differ from its defaults.

    Raises:
        InvalidInput: a fault of something that is not there, or one that cannot be.
    """
    beside = bench_faults(_parsed(faults))
    there = {"balance": balance is not None, "switch": power_cut}
    for fault in beside:
        if not there[fault.kind.where]:
            option = "--balance" if fault.kind.where == "balance" else "--power-cut"
            raise InvalidInput(f"{fault}: there is none to befall; add {option}")
    weighs = switches = None
    if balance is not None:
        own = [fault for fault in beside if fault.kind.where == "balance"]
        firmware = BalanceFirmware(Balance(world, **balance, faults=own))
        weighs = FaultyWire(firmware, world, (), SECOND_LATENCY_MS)
    if power_cut:
        own = [fault for fault in beside if fault.kind.where == "switch"]
        switches = FaultyWire(RelayFirmware(world, faults=own), world, (), SECOND_LATENCY_MS)
    return weighs, switches


def _parsed(faults: Sequence[str]) -> list[Fault]:
    try:
        return [Fault.parse(text) for text in faults]
    except ValueError as error:
        raise InvalidInput(f"{error}; see: pump-sim faults") from None
