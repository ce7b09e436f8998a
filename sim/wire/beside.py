"""What stands beside a served pump: a balance under the end of its line, and a switch of its mains.

Layer      sim.wire. Each is on a wire of its own to the pump's world.
Tests      tests/wire/test_beside.py
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sim.balance import Balance
from sim.fault_registry import Fault, bench_faults
from sim.faults import FaultyWire
from sim.firmware import mt_sics, relay
from sim.firmware.mt_sics import BalanceFirmware
from sim.firmware.relay import RelayFirmware
from sim.pumps import read_quirks
from sim.wire.station import Wire
from sim.world import World

BALANCE: Final = "balance"
SWITCH: Final = "power-switch"
_NUMBERS: Final = tuple(name for name in (Balance.__init__.__kwdefaults__ or {}) if name != "faults")


class Beside:
    """The devices beside one pump; ``wanted`` has what each is like, by what it is called.

    Raises:
        ValueError: one cannot be like that, or there is none for a fault.
    """

    def __init__(
        self, world: World, wanted: Mapping[str, Mapping[str, str]], faults: Sequence[Fault]
    ) -> None:
        self._balance = self._switch = None
        self.wires: dict[str, Wire] = {}
        if BALANCE in wanted:
            self._balance, balance = _balance(world, wanted[BALANCE])
            self.wires[BALANCE] = FaultyWire(balance, world, latency_ms=0)
        if SWITCH in wanted:
            self._switch = RelayFirmware(world, quirks=read_quirks(relay.Quirks, wanted[SWITCH]))
            self.wires[SWITCH] = FaultyWire(self._switch, world, latency_ms=0)
        for fault in bench_faults(faults):
            self.inject(fault)

    def inject(self, fault: Fault) -> None:
        """Let a fault befall the device that it is for.

        Raises:
            ValueError: there is none.
        """
        name = BALANCE if fault.kind.where == "balance" else SWITCH
        device = self._balance if name == BALANCE else self._switch
        if device is None:
            raise ValueError(f"{fault}: no {name} stands beside this pump; serve it with --{name}")
        device.inject(fault)


def _balance(world: World, like: Mapping[str, str]) -> tuple[Balance, BalanceFirmware]:
    """A balance and its interface, from numbers of the one and quirks of the other."""
    names = (*_NUMBERS, *mt_sics.Quirks.__dataclass_fields__)
    for name in like:
        if name not in names:
            raise ValueError(f"no balance quirk {name!r}; there are: {', '.join(names)}")
    numbers: dict[str, Any] = {name: _number(name, like[name]) for name in _NUMBERS if name in like}
    balance = Balance(world, **numbers)
    quirks = {name: value for name, value in like.items() if name not in _NUMBERS}
    return balance, BalanceFirmware(balance, quirks=read_quirks(mt_sics.Quirks, quirks))


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"balance quirk {name}={text} is not a whole number")
    return int(text)
