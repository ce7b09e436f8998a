"""A host's end of the New Era protocol for tests of the simulator: bytes, written from the document."""

from binascii import crc_hqx
from collections.abc import Mapping
from typing import Any

from sim.firmware.new_era import NewEraFirmware
from sim.firmware.new_era_memory import Memory, Quirks
from sim.fluid import Fluid, FluidPath, Reservoir
from sim.mechanism import Mechanism
from sim.syringes import load_pump, load_syringe

S, MIN, H = 1_000, 60_000, 3_600_000
NL, UL, ML = 1_000, 1_000_000, 1_000_000_000  # pL


def text_of(reply: bytes) -> str:
    """Text of one Basic reply, which is all that there is."""
    assert (reply[:1], reply[-1:]) == (b"\x02", b"\x03")
    assert reply.count(b"\x02") == reply.count(b"\x03") == 1, reply
    return reply[1:-1].decode("ascii")


def safe(text: str) -> bytes:
    body = text.encode("ascii")
    return bytes((2, len(body) + 4)) + body + crc_hqx(body, 0).to_bytes(2, "big") + b"\x03"


def safe_texts(data: bytes) -> list[str]:
    """Texts of Safe packets, of which all of `data` is made."""
    found = []
    while data:
        length = data[1]
        packet, data = data[: length + 1], data[length + 1 :]
        body = packet[2:-3]
        assert (packet[0], packet[-1]) == (2, 3)
        assert packet[-3:-1] == crc_hqx(body, 0).to_bytes(2, "big")
        found.append(body.decode("ascii"))
    return found


def mechanism(syringe: str = "bd-10", fill_nl: int = 10_000_000, gain_ppm: int = 1_000_000) -> Mechanism:
    pump = load_pump("ne-1000")
    path = FluidPath(0, Fluid(), Fluid.of({"baclofen": 1_000_000_000}))
    reservoir = Reservoir(0, Fluid())
    return Mechanism(pump.motor(load_syringe(syringe)), reservoir, path, fill_nl * NL, gain_ppm)


class Bench:
    """One pump on one wire, moved as a world moves it."""

    def __init__(
        self, *, quirks: Mapping[str, Any] | None = None, syringe: str = "bd-10", fill_nl: int = 10_000_000
    ) -> None:
        self.mechanism = mechanism(syringe, fill_nl)
        self.memory = Memory()
        self.firmware = NewEraFirmware(
            load_pump("ne-1000"), self.mechanism, memory=self.memory, quirks=Quirks(**(quirks or {}))
        )
        self.now = 0
        self.firmware.power_up(0)

    def to(self, t_ms: int) -> "Bench":
        """Let time pass until `t_ms`."""
        assert t_ms >= self.now
        while self.firmware.next_ms <= t_ms:
            at_ms = self.firmware.next_ms
            self.firmware.elapse(at_ms)
            assert self.firmware.next_ms > at_ms
        self.now = t_ms
        return self

    def wait(self, ms: int) -> "Bench":
        return self.to(self.now + ms)

    def raw(self, data: bytes) -> bytes:
        return self.firmware.handle(data, self.now)

    def say(self, command: str) -> str:
        """Send a command in Basic mode; text of the reply."""
        return text_of(self.raw(command.encode("ascii") + b"\r"))

    def say_safe(self, command: str) -> str:
        (text,) = safe_texts(self.raw(safe(command)))
        return text

    def set_up(self, *commands: str) -> "Bench":
        """Acknowledge the power-up and send what has to succeed."""
        if self.firmware.alarm:
            assert self.say("0") == "00A?R"
        for command in commands:
            assert self.say(command) in {"00S", "00P"}, command
        return self

    def infusion(self, rate: str = "6.000MH", volume: str = "0.500") -> "Bench":
        """A BD 10 mL syringe, set up for one infusion: 6 mL/h are 100 uL/min."""
        return self.set_up("DIA14.43", "VOLML", f"RAT{rate}", f"VOL{volume}", "DIRINF")

    def dispensed(self) -> str:
        return self.say("DIS")[3:]

    def out_pl(self) -> int:
        """What truly left the pump."""
        return self.mechanism.flow(self.now).out_pl
