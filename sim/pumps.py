"""How a simulated pump is put together: model, syringe and firmware, as a setup names them.

Layer      sim. Imports every firmware; `sim.world` builds one pump with it.
Data       what makes a model's pump is the table `MAKERS`, by the protocol that it speaks.
Invariant  what a setup says and this kind of pump cannot be is refused, never left out.
Tests      tests/unit/sim/test_pumps.py, tests/unit/sim/test_world.py
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from sim import models
from sim.firmware import harvard_families, mt_sics, new_era_memory, relay
from sim.firmware.base import Firmware
from sim.firmware.harvard import HarvardFirmware
from sim.firmware.harvard_units import Volume
from sim.firmware.new_era import NewEraFirmware
from sim.firmware.new_era_memory import Memory
from sim.firmware.reference import ReferenceFirmware
from sim.fluid import PL_PER_NL, Fluid, FluidPath, Reservoir
from sim.mechanism import Mechanism
from sim.motor import Motor
from sim.syringes import Syringe, load_pump, load_syringe, pump_names

_MOST_ADDRESS: Final = 99
_NL_PER_ML: Final = 1_000_000
_UM: Final = 10  # a Harvard pump reckons diameters in 1e-4 mm
_SWITCH: Final = MappingProxyType({"true": True, "false": False})
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = (
    MappingProxyType(  # of quirks that are no number and no switch
        {
            "after_stall": ("P", "S"),
            "after_timeout": ("S", "P"),
            "bad_number": ("?", "?OOR"),
            "power_failure": ("restart", "resume", "nothing"),
            "program_pin": ("2", "3", "4", "6"),
            "event_pin": ("2", "3", "4", "6"),
            "target_counts_from": ("clear", "run"),
            "stall_ends_by": ("stop", "touch"),
            "absent": ("ES", "EL"),
            "answers": ("nothing", "frames", "text"),
        }
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the world begins. Volumes nL, concentrations pg/mL, gain ppm.

    `fill_nl` of `drugs` lies over `residual_nl` of `residual_drugs`, which mix at once; the residual cannot
    be drawn. The path from pump to tip (tubing and catheter) holds `path_nl` of `path_drugs`: of nothing
    unless it is said. `alarm_nl` is the calculated content at which the pump raises its low reservoir
    alarm, if it is one that calculates.

    A syringe pump needs its `syringe`, a name or one that no table holds. `told_um` is the diameter that a
    person told the pump, the syringe's own if it is 0; `address` is its number on the wire, `quirks` what its
    firmware does where the documents are silent, as values or as text.
    """

    model: str
    fill_nl: int
    drugs: Mapping[str, int]
    path_nl: int
    residual_nl: int = 0
    residual_drugs: Mapping[str, int] = field(default_factory=dict)
    path_drugs: Mapping[str, int] = field(default_factory=dict)
    gain_ppm: int = 1_000_000
    serial: str = "SIM-0001"
    seed: int = 0
    alarm_nl: int = 0
    syringe: str | Syringe = ""
    told_um: int = 0
    address: int = 0
    quirks: Mapping[str, object] = field(default_factory=dict)


class Built(NamedTuple):
    """A pump, ready for its first power-up."""

    firmware: Firmware
    mechanism: Mechanism
    capacity_nl: int


class _Frame(NamedTuple):
    """A pump without fluid and firmware; `told_um` 0 is one without a syringe."""

    protocol: str
    motor: Motor
    capacity_nl: int
    told_um: int = 0


def model_names() -> tuple[str, ...]:
    """Names of all models, implants first."""
    return (*models.model_names(), *pump_names())


def protocol_of(model: str) -> str:
    """Which protocol a model speaks: one of `MAKERS`.

    Raises:
        ValueError: there is no such model; the message lists those that exist.
    """
    if model in models.model_names():
        return "reference"
    if model in pump_names():
        return load_pump(model).protocol
    raise ValueError(f"no pump model {model!r}; there are: {', '.join(model_names())}")


def build(setup: Setup) -> Built:
    """Put a pump together as the setup says.

    Raises:
        ValueError: there is no such model or syringe, or a number is out of range; the message says which.
    """
    frame = _frame(setup)
    _check(setup, frame.capacity_nl)
    reservoir = Reservoir(setup.residual_nl * PL_PER_NL, Fluid.of(setup.residual_drugs))
    entering = reservoir.fill(setup.fill_nl * PL_PER_NL, Fluid.of(setup.drugs))
    path = FluidPath(setup.path_nl * PL_PER_NL, Fluid.of(setup.path_drugs), entering)
    mechanism = Mechanism(frame.motor, reservoir, path, setup.fill_nl * PL_PER_NL, setup.gain_ppm)
    return Built(MAKERS[frame.protocol](setup, mechanism, frame.told_um), mechanism, frame.capacity_nl)


def _frame(setup: Setup) -> _Frame:
    protocol = protocol_of(setup.model)
    if protocol == "reference":
        model = models.load_model(setup.model)
        return _Frame(protocol, Motor(model), model.capacity_nl)
    pump, syringe = load_pump(setup.model), _syringe(setup)
    told_um = setup.told_um or syringe.diameter_um
    for diameter_um in (syringe.diameter_um, told_um):
        if not pump.least_um <= diameter_um <= pump.most_um:
            raise ValueError(
                f"a diameter of {diameter_um} um does not fit {setup.model}, which takes {pump.least_um} to "
                f"{pump.most_um} um"
            )
    return _Frame(protocol, pump.motor(syringe), syringe.capacity_nl, told_um)


def _syringe(setup: Setup) -> Syringe:
    if isinstance(setup.syringe, Syringe):
        return setup.syringe
    return load_syringe(setup.syringe)


def _check(setup: Setup, capacity_nl: int) -> None:
    for name in ("fill_nl", "path_nl", "residual_nl", "gain_ppm", "alarm_nl", "told_um"):
        value = getattr(setup, name)
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} must be an int of at least 0, not {value!r}")
    if not 0 < setup.fill_nl <= capacity_nl:
        raise ValueError(f"fill_nl must be 1 to {capacity_nl} for {setup.model}, not {setup.fill_nl}")
    if not setup.serial.isascii() or not 0 < len(setup.serial) <= 16:
        raise ValueError(f"serial must be 1 to 16 ASCII characters, not {setup.serial!r}")
    if type(setup.address) is not int or not 0 <= setup.address <= _MOST_ADDRESS:
        raise ValueError(f"address must be an int from 0 to {_MOST_ADDRESS}, not {setup.address!r}")


# Who makes a firmware


def _reference(setup: Setup, mechanism: Mechanism, _told_um: int) -> Firmware:
    for name in ("syringe", "told_um", "address", "quirks"):
        if value := getattr(setup, name):
            raise ValueError(f"{setup.model} has no {name}: {value!r} cannot be set")
    return ReferenceFirmware(models.load_model(setup.model), mechanism, serial=setup.serial, seed=setup.seed)


def _new_era(setup: Setup, mechanism: Mechanism, told_um: int) -> Firmware:
    memory = Memory(address=setup.address)
    memory.set_diameter(told_um)
    quirks = read_quirks(new_era_memory.Quirks, setup.quirks)
    return NewEraFirmware(load_pump(setup.model), mechanism, memory=memory, quirks=quirks)


def _harvard(setup: Setup, mechanism: Mechanism, told_um: int) -> Firmware:
    family = harvard_families.FAMILIES[setup.model]
    quirks = read_quirks(harvard_families.Quirks, setup.quirks)
    firmware = HarvardFirmware(family, mechanism, serial=setup.serial, quirks=quirks)
    firmware.pump.set_diameter(0, told_um * _UM)
    told = Volume(Fraction(_syringe(setup).capacity_nl, _NL_PER_ML), "ml")
    firmware.pump.kept = replace(firmware.pump.kept, address=setup.address, syringe_volume=told)
    return firmware


MAKERS: Final[Mapping[str, Callable[[Setup, Mechanism, int], Firmware]]] = MappingProxyType(
    {"reference": _reference, "new-era": _new_era, "harvard": _harvard}
)

# Quirks

_Quirks = TypeVar("_Quirks", new_era_memory.Quirks, harvard_families.Quirks, mt_sics.Quirks, relay.Quirks)


def read_quirks(kind: type[_Quirks], given: Mapping[str, object]) -> _Quirks:
    """The quirks of one kind of firmware, with some changed; a value may be a text.

    Raises:
        ValueError: no such quirk, or not a value of it; the message says what there is.
    """
    defaults: dict[str, Any] = {one.name: getattr(kind(), one.name) for one in fields(kind)}
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in defaults:
            raise ValueError(f"no quirk {name!r}; there are: {', '.join(defaults)}")
        read[name] = _read_quirk(name, str(value), type(defaults[name]))
    return kind(**read)


def _read_quirk(name: str, text: str, kind: type) -> object:
    text, allowed = (text.lower(), tuple(_SWITCH)) if kind is bool else (text, _CHOICES.get(name))
    if allowed is None and text.isdecimal() and text.isascii():
        return int(text)
    if allowed is None or text not in allowed:
        raise ValueError(f"quirk {name}={text} is not {' or '.join(allowed or ('a whole number',))}")
    return _SWITCH[text] if kind is bool else kind(text)
