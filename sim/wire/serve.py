"""Builds what is served: pumps by their models, full, each behind a wire of its own or several on one.

Layer      sim.wire. Knows of pumps what `sim.pumps` names, and of no firmware.
Tests      tests/wire/test_serve.py, tests/wire/test_shared.py
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sim.fault_registry import Fault, pump_faults, wire_faults
from sim.faults import FaultyWire
from sim.firmware.bus import Bus
from sim.models import load_model
from sim.pumps import Setup, model_names, protocol_of
from sim.syringes import load_syringe
from sim.wire.beside import Beside
from sim.wire.pacing import PacedWire
from sim.wire.shared import Company, Member, Together
from sim.wire.station import Pump, Wire
from sim.world import World

MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {"reference": "implant-40", "new-era": "ne-1000"}
)  # the one meant by a family's name
_SYRINGE: Final = "bd-10"
_PATH_NL: Final = 140_000  # of a line that nobody described


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a served pump is to be. ``fill_nl`` None: full. ``seed`` draws what a pump draws by lot.

    ``syringe`` and ``address`` are of syringe pumps; ``quirks`` as `sim.pumps` takes them. ``beside`` names what stands
    beside it, each with what it is like, as `sim.wire.beside` takes it.
    """

    fill_nl: int | None = None
    serial: str = "SIM-0001"
    address: int = 0
    syringe: str | None = None
    seed: int = 0
    quirks: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[Fault] = field(default_factory=tuple)
    beside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def make_pump(model: str, wanted: Wanted, *, baud: int | None = None) -> Pump:
    """Make a pump of that model, or of that family's usual one.

    Raises:
        ValueError: there is no such model, or it cannot be what is wanted; the message says why.
    """
    return make_line([(model, wanted)], baud=baud)[0]


def make_line(pumps: Sequence[tuple[str, Wanted]], *, baud: int | None = None) -> tuple[Pump, ...]:
    """Make pumps that share one line, told apart by their addresses; with ``baud`` its bytes take their time.

    Raises:
        ValueError: as ``make_pump``, or two could not be told apart.
    """
    worlds = [World(_setup(MODELS.get(m, m), wanted), pump_faults(wanted.faults)) for m, wanted in pumps]
    faults = [fault for _, wanted in pumps for fault in wire_faults(wanted.faults)]
    if len(worlds) == 1:
        wire = FaultyWire(worlds[0].firmware, worlds[0], faults, latency_ms=0)
    else:
        _check_line(worlds, [wanted.address for _, wanted in pumps])
        wire = FaultyWire(Bus([world.firmware for world in worlds]), Together(worlds), faults, latency_ms=0)
    beside = [Beside(world, one.beside, one.faults) for world, (_, one) in zip(worlds, pumps, strict=True)]
    seen, near = _together(wire, [one.wires for one in beside], baud)
    return tuple(
        Pump(seen, _injector(world, wire, one), world.truth.delivered_nl, wires)
        for world, one, wires in zip(worlds, beside, near, strict=True)
    )


def _together(
    line: Wire, beside: Sequence[Mapping[str, Wire]], baud: int | None
) -> tuple[Wire, list[dict[str, Wire]]]:
    """The wires as they are served: each as slow as it is to be, and moving as one if there are several."""

    def paced(wire: Wire) -> Wire:
        return wire if baud is None else PacedWire(wire, baud)

    seen, near = paced(line), [{name: paced(wire) for name, wire in one.items()} for one in beside]
    others = [wire for one in near for wire in one.values()]
    if not others:
        return seen, near
    company = Company([seen, *others])
    return Member(seen, company), [
        {name: Member(wire, company) for name, wire in one.items()} for one in near
    ]


def _check_line(worlds: Sequence[World], addresses: Sequence[int]) -> None:
    spoken = {protocol_of(world.model) for world in worlds}
    if len(spoken) > 1 or "reference" in spoken:
        raise ValueError("pumps on one line speak one protocol, and one that has addresses")
    if len(set(addresses)) < len(addresses):
        raise ValueError(f"pumps on one line need an address each, not {', '.join(map(str, addresses))}")


def _injector(world: World, wire: FaultyWire, beside: Beside) -> Callable[[Fault], None]:
    def inject(fault: Fault) -> None:
        if fault.kind.where in {"balance", "switch"}:
            beside.inject(fault)
        elif fault.kind.where == "pump":
            world.inject(fault)
        else:
            wire.inject(fault)

    return inject


def numbered(text: str, count: int) -> tuple[int, Fault]:
    """Read a fault of one of ``count`` pumps: ``N/FAULT``, or a mere fault of the only one. N counts from 1.

    Raises:
        ValueError: no such pump or fault; the message says what there is.
    """
    number, slash, rest = text.partition("/")
    if not slash and count == 1:
        return 0, Fault.parse(text)
    if not (slash and number.isdecimal() and 1 <= int(number) <= count):
        raise ValueError(f"{text!r}: write N/FAULT with the number of the pump, 1 to {count}")
    return int(number) - 1, Fault.parse(rest)


def _setup(model: str, wanted: Wanted) -> Setup:
    implant = protocol_of(model) == "reference"
    syringe = "" if implant else wanted.syringe or _SYRINGE
    full = load_model(model).capacity_nl if implant else load_syringe(syringe).capacity_nl
    return Setup(
        model=model,
        fill_nl=full if wanted.fill_nl is None else wanted.fill_nl,
        drugs={},
        path_nl=_PATH_NL,
        serial=wanted.serial,
        seed=wanted.seed,
        alarm_nl=full // 20 if implant else 0,
        syringe=syringe if wanted.syringe is None else wanted.syringe,
        address=wanted.address,
        quirks=wanted.quirks,
    )


def names() -> tuple[str, ...]:
    """What can be served: families, and models by their own names."""
    return (*MODELS, *model_names())
