"""What world and wire need of a pump's firmware, whatever its protocol.

Layer      sim.firmware. Imports the standard library only.
Speed      the world asks `agenda` for its times at every turn: a firmware whose times are kept by one of its
           parts names that part, so that nothing is passed on in between; `NewEraFirmware` keeps them worked out.
Tests      tests/unit/sim/test_pumps.py, tests/unit/sim/test_firmware_bus.py
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol


class Agenda(Protocol):
    """What falls due in a pump. Times are true ms."""

    @property
    def next_ms(self) -> int:
        """When `elapse` has work; `sim.motor.NEVER` if it has none."""

    @property
    def alarm_ms(self) -> int:
        """When a host could notice something."""

    def elapse(self, t_ms: int) -> None:
        """Do what is due; to be called after every change of the mechanism too."""


class Talker(Protocol):
    """What a wire needs of a pump."""

    @property
    def outbox(self) -> Sequence[tuple[int, bytes]]:
        """What it sent unasked and nobody took yet, each with its time."""

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes; return the reply."""

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """Take what it sent unasked: the outbox is empty then."""

    def kind_of(self, data: bytes) -> str:
        """Which of `fault_registry.TYPES` a host's message is; empty for none of them. Changes nothing."""

    def repair(self, data: bytes) -> bytes:
        """A damaged message whose checksum, if the protocol has one, is made right again."""


class Firmware(Agenda, Talker, Protocol):
    """One pump: what wires, people and faults do to it. Methods are called in the order of time."""

    off: bool

    @property
    def agenda(self) -> Agenda:
        """The part that keeps its times; itself, if that is no part."""

    @property
    def spared(self) -> Mapping[str, str]:
        """Faults that cannot befall it, each with the reason."""

    def power_up(self, now_ms: int) -> None:
        """Give it power."""

    def power_off(self, now_ms: int) -> None:
        """Take the power away."""

    def filled(self, now_ms: int, told_nl: int = 0, alarm_nl: int = 0) -> None:
        """A person filled it, and told it volume and alarm volume if it wants to know them."""

    def freeze_status(self, now_ms: int, *, on: bool) -> None:
        """Show the same status for ever; or stop doing so."""

    def set_counter(self, now_ms: int, value_nl: int) -> None:
        """Make the delivered volume show `value_nl` from now on."""

    def set_battery(self, now_ms: int, percent: int) -> None:
        """From now on its battery holds `percent`."""

    def ignore_stops(self, how: str, count: int) -> None:
        """Be deaf to `count` stops: `honest`, `lie` (the motor goes on alone) or `silent` (no answer)."""

    def run_unasked(self, now_ms: int, nl_per_h: int) -> None:
        """Infuse by itself at a rate that nobody asked for."""

    def reset_and_go_on(self, now_ms: int) -> None:
        """Reset, and wrongly go on with what it did."""


_NO_BATTERY: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("battery-low", "battery-dead"), "a syringe pump runs from the mains")
)


class Mains:
    """Part of a firmware that knows no battery and keeps its times itself."""

    __slots__ = ()

    @property
    def spared(self) -> Mapping[str, str]:
        """Faults of a battery."""
        return _NO_BATTERY

    def set_battery(self, now_ms: int, percent: int) -> None:
        """There is none.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"no battery can hold {percent} % at {now_ms} ms: a syringe pump runs from the mains"
        )
