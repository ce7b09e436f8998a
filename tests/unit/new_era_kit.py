"""A New Era pump in a few lines, written from the wire specification, on a line in virtual time.

Imports nothing of the driver or of the simulator, so that it agrees with them only through the specification.
Where that has a ``?`` the pump takes the simplest reading; ``late_prompt`` and ``pause_after_alarm`` turn some.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush

from pump_ctrl.drivers.base import Permit, PumpSettings, Step, StepKind

MINUTE, HOUR = 60_000, 3_600_000
SETTINGS = PumpSettings(
    address=0,
    diameter_um=14_430,
    capacity_nl=10_000_000,
    step_nl=100,
    counter_unit_nl=1_000,
    max_nl_per_h=500_500_000,
    max_steps=40,
    max_lease_ms=24 * HOUR,
    wire_timeout_s=60,
)


def permit(*steps: tuple[int, int], kind: StepKind = StepKind.BASAL, number: int = 7) -> Permit:
    """A permit of steps (nL, ms) that does not expire soon; ids count up like those of a journal."""
    kinds = [kind] + [StepKind.BASAL] * (len(steps) - 1)
    made = tuple(Step(k, volume, duration) for k, (volume, duration) in zip(kinds, steps, strict=True))
    return Permit((0xABCDEF << 32) + number, made, 10**12)


def shown(nl: Fraction | int) -> str:
    """A volume in uL, or a rate in uL/h, as the pump shows it: 4 digits and a point, cut off."""
    whole, part = divmod(int(nl), 1_000)
    return f"{whole % 10_000}.{part:03d}"[:5]


def safe(text: str) -> bytes:
    body = text.encode("latin-1")
    return bytes((2, len(body) + 4)) + body + crc_hqx(body, 0).to_bytes(2, "big") + b"\x03"


def basic(text: str) -> bytes:
    return b"\x02" + text.encode("latin-1") + b"\x03"


@dataclass
class PhaseMemory:
    fun: str = "STP"
    rate: str = "0.000"
    rate_unit: str = "MH"
    volume: str = "0.000"
    direction: str = "INF"

    @property
    def nl(self) -> int:
        return int(Fraction(self.volume) * 1_000)

    @property
    def nl_per_h(self) -> int:
        assert self.rate_unit == "UH", "the driver tells no other unit"
        return int(Fraction(self.rate) * 1_000)


@dataclass
class OraclePump:
    """What a pump does with the commands that the driver sends."""

    address: int = 0
    diameter: str = "14.43"
    unit: str = "UL"
    firmware: str = "NE1000V3.923"
    late_prompt: bool = False
    pause_after_alarm: bool = False
    now: int = 0
    safe_s: int = 0
    timer_at: int | None = None
    phases: dict[int, PhaseMemory] = field(default_factory=lambda: {n: PhaseMemory() for n in range(1, 42)})
    chosen: int = 1
    settings: dict[str, str] = field(default_factory=lambda: {"TRG": "FT", "PF": "1", "AL": "0"})
    prompt: str = "S"
    at: int = 1
    left: Fraction = Fraction(0)  # of the phase: nL, or ms of a pause
    counter: Fraction = Fraction(0)
    given: Fraction = Fraction(0)  # the truth: all that ever left it, nL
    alarm: str = ""
    unasked: list[str] = field(default_factory=list)
    runs: int = 0
    given_by: dict[int, Fraction] = field(default_factory=dict)  # the truth by RUN, the first is 1
    said: str = "S"

    # ---- time ----

    def advance(self, to: int) -> None:
        while self.now < to:
            if self.timer_at is not None and self.now >= self.timer_at:
                self.timer_at = None
                self.fail("T")
            end = to if self.timer_at is None else min(to, max(self.timer_at, self.now + 1))
            self._move(end)

    def _move(self, to: int) -> None:
        span = Fraction(to - self.now)
        while span and self.prompt in "IT":
            phase = self.phases[self.at]
            rate = Fraction(phase.nl_per_h, HOUR) if self.prompt == "I" else Fraction(1)
            used = min(span, self.left / rate)
            if self.prompt == "I":
                self.counter += used * rate
                self.given += used * rate
                self.given_by[self.runs] = self.given_by.get(self.runs, Fraction(0)) + used * rate
            self.left -= used * rate
            span -= used
            if not self.left:
                self._enter(self.at + 1)
        self.now = to

    def _enter(self, number: int) -> None:
        phase = self.phases[number]
        if phase.fun == "RAT":
            assert phase.direction == "INF", "the pump draws back"
            assert phase.nl > 0, "a volume of 0 is for ever"
            self.prompt, self.at, self.left = "I", number, Fraction(phase.nl)
        elif phase.fun.startswith("PAS"):
            seconds = int(phase.fun[3:])
            assert seconds, "a pause of 0 waits for a trigger"
            self.prompt, self.at, self.left = "T", number, Fraction(seconds * 1_000)
        else:
            assert phase.fun == "STP"
            self.prompt, self.at = "S", 1

    def fail(self, letter: str) -> None:
        """An alarm arises; the program stops."""
        self.alarm = letter
        if self.prompt in "IT":
            self.prompt = "P" if self.pause_after_alarm else "S"
        if self.safe_s:
            self.unasked.append(f"{self.address:02d}A?{letter}")

    def power_cycle(self) -> None:
        self.prompt, self.at, self.counter, self.timer_at, self.chosen = "S", 1, Fraction(0), None, 1
        self.fail("R")

    # ---- the wire ----

    def frame(self, text: str) -> bytes:
        return safe(text) if self.safe_s else basic(text)

    def handle(self, data: bytes) -> bytes:
        """One whole command in, its reply out."""
        framed = data[0] == 2
        if framed:
            assert data[1] == len(data) - 1
            assert safe(data[2:-3].decode()) == data
        elif self.safe_s:
            return b""  # a pump in Safe mode ignores bare text (?)
        text = (data[2:-3] if framed else data[:-1]).decode().replace(" ", "").upper()
        found = re.fullmatch(r"([0-9]{0,2})(.*)", text)
        assert found is not None
        if int(found[1] or 0) != self.address:
            return b""
        if self.safe_s:
            self.timer_at = self.now + self.safe_s * 1_000
        if self.alarm:
            letter, self.alarm = self.alarm, ""
            return self.frame(f"{self.address:02d}A?{letter}")
        answer = self._carry_out(found[2])
        told, self.said = (self.said if self.late_prompt else self.prompt), self.prompt
        return self.frame(f"{self.address:02d}{told}{answer}")

    def _carry_out(self, command: str) -> str:
        name, value = command[:3], command[3:]
        if command in ("", "RUN", "STP", "DIS", "VER", "CLDINF"):
            return {
                "": self._none,
                "RUN": self._run,
                "STP": self._stop,
                "DIS": self._dis,
                "VER": self._ver,
            }.get(command, self._clear)()
        for setting in self.settings:
            if command.startswith(setting):
                return self._setting(setting, command[len(setting) :])
        if name in ("PHN", "FUN", "RAT", "VOL", "DIR", "DIA"):
            if value and self.prompt != "S":
                return "?NA"
            return getattr(self, f"_{name.lower()}")(value)  # type: ignore[no-any-return]
        return self._saf(value) if name == "SAF" else "?"

    def _none(self) -> str:
        return ""

    def _ver(self) -> str:
        return self.firmware

    def _dis(self) -> str:
        return f"I{shown(self.counter)}W0.000{self.unit}"

    def _run(self) -> str:
        if self.prompt in "IT":
            return "?NA"
        self.runs += 1
        assert self.prompt == "S", "RUN from a pause resumes a rest"
        self._enter(1)
        return ""

    def _stop(self) -> str:
        if self.prompt == "S":
            return "?NA"
        self.prompt = "S" if self.prompt == "P" else "P"
        return ""

    def _clear(self) -> str:
        if self.prompt != "S":
            return "?NA"
        self.counter = Fraction(0)
        return ""

    def _setting(self, name: str, value: str) -> str:
        if value:
            self.settings[name] = value
        return "" if value else self.settings[name]

    def _saf(self, value: str) -> str:
        if value:
            self.safe_s = int(value)
            self.timer_at = self.now + self.safe_s * 1_000 if self.safe_s else None
        return "" if value else str(self.safe_s)

    def _phn(self, value: str) -> str:
        if value:
            self.chosen = int(value)
            assert 1 <= self.chosen <= 41
        return "" if value else f"{self.chosen:02d}"

    def _fun(self, value: str) -> str:
        phase = self.phases[self.chosen]
        if value:
            phase.fun = value
        return "" if value else phase.fun

    def _rat(self, value: str) -> str:
        phase = self.phases[self.chosen]
        if phase.fun != "RAT":
            return "?NA"
        if not value:
            return phase.rate + phase.rate_unit
        number, phase.rate_unit = value[:-2], value[-2:]
        phase.rate = four_digits(number)
        return ""

    def _vol(self, value: str) -> str:
        phase = self.phases[self.chosen]
        if not value:
            return phase.volume + self.unit
        if value in ("UL", "ML"):
            self.unit = value
            return ""
        phase.volume = four_digits(value)
        return ""

    def _dir(self, value: str) -> str:
        phase = self.phases[self.chosen]
        if value:
            phase.direction = value
        return "" if value else phase.direction

    def _dia(self, value: str) -> str:
        if value:
            self.diameter, self.counter = value, Fraction(0)
        return "" if value else self.diameter


def four_digits(text: str) -> str:
    """A number as the pump keeps it; one that it could not keep exactly is a mistake of the driver."""
    assert re.fullmatch(r"[0-9]{1,4}|[0-9]+\.[0-9]{0,3}", text), text
    assert len(text.replace(".", "")) <= 4, text
    return shown(int(Fraction(text) * 1_000))


class Killed(BaseException):
    """The host's process is no more."""


Meddle = Callable[[int, bytes, bytes], "list[tuple[int, bytes]] | None"]


class OracleLink:
    """A direct line to the pump, 5 ms each way. Every command of the host counts as one exchange.

    ``meddle(number, command, reply)`` may say otherwise what arrives: (ms later, bytes) each; ``kill_before``
    and ``kill_after`` end the host before or after a command is sent.
    """

    simulated = False

    def __init__(self, pump: OraclePump, *, buffered: bool = False) -> None:
        self.pump, self.buffered = pump, buffered
        self.now = max(1_000, pump.now)
        self.sent: list[str] = []
        self.raw: list[bytes] = []
        self.flight: list[tuple[int, int, bytes]] = []
        self.meddle: Meddle | None = None
        self.kill_before: int | None = None
        self.kill_after: int | None = None
        self.deaf: Callable[[int, str], bool] = lambda number, text: False  # the pump does not get it
        self.closed = False
        self._count = 0

    def now_ms(self) -> int:
        return self.now

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        assert self.now <= deadline_ms <= self.now + 500
        number, text = len(self.sent), (data[2:-3] if data[0] == 2 else data[:-1]).decode()
        if number == self.kill_before:
            raise Killed
        self.raw.append(data)
        self.sent.append(text.lstrip("0123456789") if not text.isdigit() else text)
        self.pump.advance(self.now + 5)
        reply = b"" if self.deaf(number, self.sent[-1]) else self.pump.handle(data)
        answers = None if self.meddle is None else self.meddle(number, data, reply)
        for later, answer in [(10, reply)] if answers is None else answers:
            self.arrive(later, answer)
        if number == self.kill_after:
            raise Killed

    def arrive(self, later: int, data: bytes) -> None:
        self._count += 1
        heappush(self.flight, (self.now + later, self._count, data))

    def _hear_unasked(self) -> None:
        for text in self.pump.unasked:
            self._count += 1
            heappush(self.flight, (self.now, self._count, safe(text)))
        self.pump.unasked.clear()

    def read(self, *, deadline_ms: int) -> bytes:
        self._hear_unasked()
        if self.flight and self.flight[0][0] <= max(deadline_ms, self.now):
            self.wait(self.flight[0][0] - self.now)
            return heappop(self.flight)[2]
        self.wait(deadline_ms - self.now)
        return b""

    def wait(self, ms: int) -> None:
        self.now += max(0, ms)
        self.pump.advance(self.now)

    def close(self) -> None:
        self.closed = True
