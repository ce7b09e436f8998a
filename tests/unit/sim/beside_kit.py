"""Worlds with something beside their pump, for tests of the simulator."""

from typing import Any

from sim.balance import Balance
from sim.fault_registry import Fault
from sim.firmware.mt_sics import BalanceFirmware, Quirks
from sim.world import Setup, World

S, MIN, H, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NL_PER_MS = "free-flow@0:nl_per_h=3600000"  # at t ms exactly t nL have left


def resting(*faults: str, **changes: object) -> World:
    """A syringe pump that was told nothing."""
    given: dict[str, Any] = {
        "model": "ne-1000",
        "syringe": "bd-60",
        "fill_nl": 60_000_000,
        "drugs": {},
        "path_nl": 0,
    }
    return World(Setup(**given | changes), [Fault.parse(text) for text in faults])


def infusing(*faults: str, rate: bytes = b"6.000MH", **changes: object) -> World:
    """A New Era pump that infuses; 6 mL/h are 100 uL a minute."""
    world = resting(*faults, **changes)
    for line in (b"0", b"0RAT" + rate, b"0VOL0", b"0DIRINF", b"0RUN"):
        world.firmware.handle(line + b"\r", 0)
    world.advance(0)
    return world


def happen(balance: Balance, *faults: str) -> None:
    """Let faults befall a balance, at their times or now."""
    for text in faults:
        balance.inject(Fault.parse(text))


class Scale:
    """A balance that is spoken to at its connector, with 100 g on it that are not tared, to 0.01 g; in a vacuum."""

    def __init__(
        self, *faults: str, quirks: Quirks | None = None, world: World | None = None, **changes: object
    ) -> None:
        self.world = world or resting()
        given: dict[str, Any] = {
            "resolution_ug": 10_000,
            "air_ppm": 0,
            "vessel_ug": 100_000_000,
            "capacity_ug": 220_000_000,
        }
        self.balance = Balance(self.world, **(given | changes))
        self.firmware = BalanceFirmware(self.balance, serial="B207696838", quirks=quirks)
        self.balance.set_tare(0)
        happen(self.balance, *faults)

    def say(self, *lines: str) -> list[str]:
        """Send lines; the answers that come at once."""
        return self.raw("".join(f"{line}\r\n" for line in lines).encode())

    def raw(self, data: bytes) -> list[str]:
        return texts(self.firmware.handle(data, self.world.now_ms))

    def wait(self, ms: int) -> list[tuple[int, str]]:
        """Let time pass; what is said on the way, each with its time."""
        self.world.advance(self.world.now_ms + ms)
        return [(at, text) for at, data in self.firmware.take_pushed() for text in texts(data)]


def texts(data: bytes) -> list[str]:
    """Lines of answers, of which all of `data` is made."""
    *lines, rest = data.decode("ascii").split("\r\n")
    assert rest == ""
    return lines
