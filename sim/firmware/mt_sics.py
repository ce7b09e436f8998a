"""The serial interface of a laboratory balance: MT-SICS, levels 0 and 1 as far as they are founded.

Layer      sim.firmware. Asks and serves `sim.balance`; knows of a world that it calls back.
Source     METTLER TOLEDO, Reference Manual MT-SICS Interface Command Set for Automated Precision Weigh Modules,
           11781363, sections 2.1.1 to 2.1.3 (formats, statuses, errors), 2.2 (tips) and 3 (commands). Its pages were
           not to be had; they are told by PyLabRobot, pylabrobot/scales/mettler_toledo/protocol.md (statuses, ES ET
           EL, @ answers as I4 and keeps the tare, what a WXS205SDU answers), mt_sics_commands.md (levels) and
           backend.py (TA); by the operating instructions of AL-IC and AT balances (S: its statuses and refusals, the
           example 100.00 g), of JS balances (SIR; SR: 12.5 % of the last weight or 30 steps; @) and of Ohaus 7000
           indicators (I1 to I4); by Atlantis-Software/mt-sics, test/sics0Test.js (answers of level 0 letter by
           letter); and by clients that list what T, TI, Z and ZI refuse.
Unverified that SR tells a change by S D before it tells the next steady weight by S S, and that S + and S - do not
           wait for a steady one.
Format     `ID status weight unit` CR LF; the weight is ten characters, right-aligned, with the minus sign before
           the first digit. Weights are in g.
Reading    S, T and Z wait until the weight is steady; meanwhile every other command that weighs is refused with
           I. S, SI, SIR and SR end a repetition; @ ends everything and is always carried out. Each line
           ends with CR LF; one that is not ASCII is ET, an empty one and one that is not known is ES.
Open       what is a quirk, see `Quirks`.
Tests      tests/unit/sim/test_firmware_mt_sics.py
"""

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from sim.balance import Balance, Reading

END: Final = b"\r\n"
LONGEST: Final = 256  # bytes of a line that are kept; what is longer is not known
LEAST_CHANGE_STEPS: Final = 30  # of SR without a weight, and no less than an eighth of the last one
UG_PER_G: Final = 1_000_000
FIRMWARE: Final = "1.00"
_WEIGHT: Final = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))? g", re.ASCII)
_ABSENT: Final = frozenset((  # of the set, and not of this balance
    "C", "C0", "C1", "C2", "C3", "D", "DW", "I5", "I10", "I11", "I14", "K", "M21", "SC", "SIRU", "SIU", "SNR", "SNRU",
    "SRU", "ST", "SU", "TC", "UPD", "ZC",
))  # fmt: skip
_WAITS, _REPEATS = "waits", "repeats"
Waiting = Generator[bytes, None, bytes]  # what it says on the way, and at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What the documents leave open.

    Attributes:
        stability_timeout_ms: how long S, T and Z wait for a steady weight.
        update_ms: time between two values of SIR, and between two looks at whether the weight is steady.
        absent: the answer to a command of the set that this balance has not: ES, as a WXS205SDU answers, or EL.
        reset_clears_tare: whether @ does; the manual of weigh modules says that it does not.
    """

    stability_timeout_ms: int = 10_000
    update_ms: int = 100
    absent: Literal["ES", "EL"] = "ES"
    reset_clears_tare: bool = False

    def __post_init__(self) -> None:
        if self.update_ms < 1:
            raise ValueError(f"quirk update_ms={self.update_ms}: at least 1")


class BalanceFirmware:
    """Speaks for a balance on a wire of its own, as `sim.firmware.base.Talker` says."""

    __slots__ = ("_balance", "_decimals", "_heard", "_quirks", "_serial", "_tasks", "outbox")

    def __init__(self, balance: Balance, *, serial: str = "SIMB000001", quirks: Quirks | None = None) -> None:
        self._balance, self._serial, self._quirks = balance, serial, quirks or Quirks()
        self._decimals = next(n for n in range(7) if balance.resolution_ug * 10**n % UG_PER_G == 0)
        self._heard = bytearray()
        self.outbox: list[tuple[int, bytes]] = []
        self._tasks: dict[str, Waiting] = {}  # what takes its time: one that waits, and one that repeats

    # Bytes

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes; return the answers to the lines that are now whole."""
        if self._balance.silent:
            self._heard.clear()
            return b""
        self._heard += data
        *lines, rest = bytes(self._heard).split(END)
        self._heard[:] = rest if len(rest) <= LONGEST else rest[:LONGEST] + rest[-1:]  # perhaps half an end
        return b"".join(self._answer(line) for line in lines)

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """What came to be said later, each with its time."""
        said, self.outbox = self.outbox, []
        return said

    def kind_of(self, data: bytes) -> str:
        """`hello` asks who it is, `status` what it weighs, `propose` changes what it will show."""
        name = data.split(END)[0].split(b" ")[0].decode("ascii", "replace")
        if name not in _COMMANDS:
            return ""
        return "hello" if name[0] in "I@" else "status" if name[0] == "S" else "propose"

    def repair(self, data: bytes) -> bytes:
        """There is no checksum."""
        return data

    # Lines

    def _answer(self, line: bytes) -> bytes:
        if not line.isascii():
            return b"ET" + END
        name, space, rest = line.decode("ascii").partition(" ")
        if name in _ABSENT:
            return _line(self._quirks.absent)
        if name not in _COMMANDS or len(line) > LONGEST:
            return _line("ES")
        id_ = _IDS.get(name, name)
        if space and name not in _WITH_WEIGHT:
            return _line(id_, "L")
        if _WAITS in self._tasks and name[0] in "STZ":
            return _line(id_, "I")
        return _COMMANDS[name](self, rest)

    def _identify(self, _rest: str) -> bytes:
        return _line("I4", "A", f'"{self._serial}"')

    def _list(self, _rest: str) -> bytes:
        """Every command by its level; the last line says that it is."""
        levels = sorted((0 if name in _LEVEL_0 else 1, name) for name in _COMMANDS)
        *most, last = (f'{level} "{name}"' for level, name in levels)
        return b"".join(_line("I0", "B", each) for each in most) + _line("I0", "A", last)

    def _levels(self, _rest: str) -> bytes:
        """Only level 0 is whole."""
        return _line("I1", "A", '"0" "2.30" "2.20" "" ""')

    def _data(self, _rest: str) -> bytes:
        return _line("I2", "A", f'"SIM220 Standard {self._written(self._balance.capacity_ug).strip()}"')

    def _software(self, _rest: str) -> bytes:
        return _line("I3", "A", f'"{FIRMWARE}"')

    def _reset(self, _rest: str) -> bytes:
        self._tasks.clear()
        if self._quirks.reset_clears_tare:
            self._balance.set_tare(0)
        return self._identify("")

    # Weights

    def _weigh(self, _rest: str) -> bytes:
        self._tasks.pop(_REPEATS, None)
        return self._begin(_WAITS, self._when_steady("S", self._weight))

    def _weigh_now(self, _rest: str) -> bytes:
        self._tasks.pop(_REPEATS, None)
        return self._weight()

    def _repeat(self, _rest: str) -> bytes:
        return self._begin(_REPEATS, self._again_and_again())

    def _repeat_changes(self, rest: str) -> bytes:
        least_ug = self._read(rest) if rest else 0
        if least_ug is None:
            return _line("S", "L")
        return self._begin(_REPEATS, self._on_every_change(least_ug))

    def _weight(self) -> bytes:
        reading = self._balance.reading()
        return _line("S", reading.beyond) if reading.beyond else self._told("S", reading)

    def _told(self, id_: str, reading: Reading) -> bytes:
        return _line(id_, "S" if reading.steady else "D", self._written(reading.net_ug))

    def _again_and_again(self) -> Waiting:
        while True:
            yield self._weight()

    def _on_every_change(self, least_ug: int) -> Waiting:
        """The first steady weight, then after each change an unsteady one at once and the next steady one."""
        while True:
            said = yield from self._when_steady("S", self._weight)
            last = self._balance.reading().net_ug
            yield said
            most = least_ug or max(abs(last) // 8, LEAST_CHANGE_STEPS * self._balance.resolution_ug)
            while abs((reading := self._balance.reading()).net_ug - last) < most:
                yield b""
            if not reading.steady:
                yield self._weight()

    # Zero and tare

    def _tare(self, _rest: str) -> bytes:
        return self._begin(_WAITS, self._when_steady("T", partial(self._tare_now, "T")))

    def _tare_now(self, id_: str) -> bytes:
        reading = self._balance.reading()
        if reading.beyond or reading.gross_ug < 0:
            return _line(id_, "+" if reading.beyond == "+" else "-")
        self._balance.tare()
        return _line(id_, "S" if reading.steady else "D", self._written(self._balance.tare_ug))

    def _tare_immediately(self, _rest: str) -> bytes:
        return self._tare_now("TI")

    def _tare_value(self, rest: str) -> bytes:
        if rest:
            tare_ug = self._read(rest)
            if tare_ug is None or tare_ug > self._balance.capacity_ug:
                return _line("TA", "L")
            self._balance.set_tare(tare_ug)
        return _line("TA", "A", self._written(self._balance.tare_ug))

    def _clear_tare(self, _rest: str) -> bytes:
        self._balance.set_tare(0)
        return _line("TAC", "A")

    def _zero(self, _rest: str) -> bytes:
        return self._begin(_WAITS, self._when_steady("Z", partial(self._zero_now, "Z", "A")))

    def _zero_immediately(self, _rest: str) -> bytes:
        return self._zero_now("ZI", "S" if self._balance.reading().steady else "D")

    def _zero_now(self, id_: str, done: str) -> bytes:
        if beyond := self._balance.beyond_zero():
            return _line(id_, beyond)
        self._balance.zero()
        return _line(id_, done)

    # What takes its time

    def _when_steady(self, id_: str, act: Callable[[], bytes]) -> Waiting:
        """Wait for a steady weight, but not for ever, and not for one that is out of range."""
        world = self._balance.world
        until_ms = world.now_ms + self._quirks.stability_timeout_ms
        while not ((reading := self._balance.reading()).steady or reading.beyond):
            if world.now_ms >= until_ms:
                return _line(id_, "I")
            yield b""
        return act()

    def _begin(self, kind: str, task: Waiting) -> bytes:
        """Begin what takes its time, in the place of another of its kind."""
        self._tasks[kind] = task
        return self._go_on(kind, task)

    def _go_on(self, kind: str, task: Waiting) -> bytes:
        """Let it say what it has to say now, and look again later if it is not over."""
        try:
            said = next(task)
        except StopIteration as end:
            del self._tasks[kind]
            return bytes(end.value)
        world = self._balance.world
        world.call_at(world.now_ms + self._quirks.update_ms, partial(self._look_again, kind, task))
        return said

    def _look_again(self, kind: str, task: Waiting) -> None:
        if self._tasks.get(kind) is not task:
            return  # it was ended
        if self._balance.silent:
            del self._tasks[kind]
        elif said := self._go_on(kind, task):
            self.outbox.append((self._balance.world.now_ms, said))

    # Numbers

    def _written(self, weight_ug: int) -> str:
        """Ten characters and the unit, with as many decimals as a step of the display needs."""
        whole, part = divmod(abs(weight_ug), UG_PER_G)
        point = f".{part:06d}"[: self._decimals + 1] if self._decimals else ""
        return f"{'-' if weight_ug < 0 else ''}{whole}{point}".rjust(10) + " g"

    def _read(self, text: str) -> int | None:
        """A weight as a host writes it, ug; None if it is none."""
        match = _WEIGHT.fullmatch(text)
        return None if match is None else int(match[1]) * UG_PER_G + int((match[2] or "").ljust(6, "0"))


def _line(*parts: str) -> bytes:
    return " ".join(parts).encode("ascii") + END


_LEVEL_0: Final[Mapping[str, Callable[[BalanceFirmware, str], bytes]]] = {
    "@": BalanceFirmware._reset,
    "I0": BalanceFirmware._list,
    "I1": BalanceFirmware._levels,
    "I2": BalanceFirmware._data,
    "I3": BalanceFirmware._software,
    "I4": BalanceFirmware._identify,
    "S": BalanceFirmware._weigh,
    "SI": BalanceFirmware._weigh_now,
    "SIR": BalanceFirmware._repeat,
    "Z": BalanceFirmware._zero,
    "ZI": BalanceFirmware._zero_immediately,
}
_LEVEL_1: Final[Mapping[str, Callable[[BalanceFirmware, str], bytes]]] = {
    "SR": BalanceFirmware._repeat_changes,
    "T": BalanceFirmware._tare,
    "TA": BalanceFirmware._tare_value,
    "TAC": BalanceFirmware._clear_tare,
    "TI": BalanceFirmware._tare_immediately,
}
_COMMANDS: Final = MappingProxyType({**_LEVEL_0, **_LEVEL_1})
_WITH_WEIGHT: Final = frozenset(("SR", "TA"))
_IDS: Final = MappingProxyType(
    {"SI": "S", "SIR": "S", "SR": "S"}
)  # what an answer begins with, if not the name
