"""A Harvard pump on a bench for tests of its firmware: a syringe, a line, a hand on its power and its screen."""

from __future__ import annotations

from sim.firmware.harvard import FAMILIES, HarvardFirmware, Quirks, told_step_pl
from sim.fluid import Fluid, FluidPath, Reservoir
from sim.mechanism import Mechanism
from sim.plunger import PlungerMotor

S, MIN, H = 1_000, 60_000, 3_600_000
ML = 10**9  # pL
MOST_STEPS_PER_H = 138_500_000  # one step in 26 us, and a little
AT_ONCE = Quirks(start_ms=0)


class Bench:
    """A pump that is switched on, with a 10 mL syringe of 14.43 mm in it, and its clock."""

    def __init__(
        self, family: str = "harvard-11-elite", quirks: Quirks = AT_ONCE, *, on: bool = True
    ) -> None:
        row = FAMILIES[family]
        motor = PlungerMotor(told_step_pl(row, 144_300), MOST_STEPS_PER_H)
        fluid = Fluid()
        self.mechanism = Mechanism(motor, Reservoir(0, fluid), FluidPath(0, fluid, fluid), 10 * ML, 1_000_000)
        self.firmware = HarvardFirmware(row, self.mechanism, serial="D101754", quirks=quirks)
        self.now_ms = 0
        if on:
            self.firmware.power_up(0)

    def to(self, t_ms: int) -> Bench:
        """Let time pass; what falls due happens at its time."""
        firmware = self.firmware
        while firmware.next_ms <= t_ms:
            self.now_ms = firmware.next_ms
            firmware.elapse(self.now_ms)
            assert firmware.next_ms > self.now_ms
        self.now_ms = t_ms
        return self

    def by(self, ms: int) -> Bench:
        return self.to(self.now_ms + ms)

    def say(self, data: bytes) -> bytes:
        """Send bytes, get bytes."""
        answer = self.firmware.handle(data, self.now_ms)
        self.firmware.elapse(self.now_ms)
        return answer

    def ask(self, command: str) -> str:
        """One command, and its answer without the first line feed."""
        answer = self.say(command.encode() + b"\r").decode("ascii")
        assert answer.startswith("\n")
        return answer[1:]

    def setup(self, *commands: str) -> Bench:
        """Commands that all are answered with the idle prompt alone."""
        for command in commands:
            assert self.ask(command) == ":", command
        return self

    def pushed(self) -> list[tuple[int, bytes]]:
        return self.firmware.take_pushed()

    @property
    def out_pl(self) -> int:
        """What truly left the syringe."""
        return self.mechanism.flow(self.now_ms).out_pl


def running(*commands: str, quirks: Quirks = AT_ONCE, family: str = "harvard-11-elite") -> Bench:
    """A pump that infuses 6 ml/min, 100 nl each ms, set up by more commands."""
    bench = Bench(family, quirks).setup("irate 6 ml/min", *commands)
    assert bench.ask("irun") == ">"
    return bench
