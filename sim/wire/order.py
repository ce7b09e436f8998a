"""What a person wants served: options in the order of the pumps, made into lines with pumps on them.

Layer      sim.wire. Decides which option belongs to which pump; opens ports and files.
Rule       an option that is given once is every pump's, if it may be (`syringe`, `fill`); else it is given as
           often as there are pumps, or not at all.
Tests      tests/wire/test_shared.py
"""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeVar

from sim.fault_registry import Fault
from sim.wire.beside import BALANCE, SWITCH
from sim.wire.ports import Port, PtyPort, TcpPort
from sim.wire.serve import Wanted, make_line, numbered
from sim.wire.shared import Follower, NoPort
from sim.wire.station import Line, Pump

_FOR_ALL: Final = frozenset({"--syringe", "--fill"})
_NL_PER_ML: Final = 1_000_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The options of `pump-sim serve`; those that end in s have a value for each pump, or for each port."""

    models: tuple[str, ...]
    links: tuple[Path, ...] = ()
    tcps: tuple[str, ...] = ()
    bus: bool = False
    addresses: tuple[int, ...] = ()
    syringes: tuple[str, ...] = ()
    serials: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()
    seed: int | None = None
    speed: str = "1"
    baud: int | None = None
    truths: tuple[Path, ...] = ()
    faults: tuple[str, ...] = ()
    balances: tuple[str, ...] = ()
    power_switches: tuple[str, ...] = ()
    balance_quirks: tuple[str, ...] = ()
    power_switch_quirks: tuple[str, ...] = ()

    @property
    def pace(self) -> Fraction:
        """Seconds of the pumps in a second.

        Raises:
            ValueError: it is no number of the allowed ones.
        """
        value = _number(self.speed, "--speed")
        if not Fraction(1, 1_000) <= value <= 10_000:
            raise ValueError(f"--speed {self.speed}: allowed is 0.001 to 10000")
        return value

    def pumps(self) -> tuple[Pump, ...]:
        """Make the pumps, in the order of their models.

        Raises:
            ValueError: one cannot be what is wanted, or an option is given too often; the message says which.
        """
        wanted = self._wanted()
        if self.bus:
            return make_line(wanted, baud=self.baud)
        return tuple(pump for one in wanted for pump in make_line([one], baud=self.baud))

    def _wanted(self) -> list[tuple[str, Wanted]]:
        count = len(self.models)
        addresses = _spread("--address", self.addresses, list(range(count)) if self.bus else [0] * count)
        nothing: list[str | None] = [None] * count
        syringes = _spread("--syringe", self.syringes, nothing)
        serials = _spread("--serial", self.serials, [f"SIM-{n:04d}" for n in range(1, count + 1)])
        fills = _spread("--fill", self.fills, nothing)
        drawn = int.from_bytes(os.urandom(6), "big") if self.seed is None else self.seed
        faults: list[list[Fault]] = [[] for _ in range(count)]
        for text in self.faults:
            at, fault = numbered(text, count)
            faults[at].append(fault)
        quirks = dict(_pair("--quirk", text) for text in self.quirks)
        beside = self._beside()
        return [
            (
                model,
                Wanted(
                    fill_nl=_volume_nl(fills[n]),
                    serial=serials[n],
                    address=addresses[n],
                    syringe=syringes[n],
                    seed=drawn + n,
                    quirks=quirks,
                    faults=faults[n],
                    beside=beside,
                ),
            )
            for n, model in enumerate(self.models)
        ]

    def lines(self, pumps: Sequence[Pump]) -> list[Line]:
        """Open ports and files for the pumps.

        Raises:
            ValueError: there are not as many as there are ports, or pumps.
            OSError: one cannot be had; those that were opened are closed again.
        """
        truths: list[Path | None] = _spread("--truth", self.truths, [None] * len(pumps))
        with ExitStack() as opened:
            ports = self._ports(len(pumps), opened)
            lines = []
            for pump, port, truth in zip(pumps, ports, truths, strict=True):
                file = None if truth is None else opened.enter_context(truth.open("a", encoding="ascii"))
                if isinstance(port, NoPort):
                    pump = replace(pump, wire=Follower(pump.wire))  # noqa: PLW2901 - the same pump
                lines.append(Line(pump, port, file))
            if beside := self._lines_beside(pumps, opened):
                lines += beside
                self._acquaint(lines, len(pumps))
            opened.pop_all()
        return lines

    def _beside(self) -> dict[str, dict[str, str]]:
        """What stands beside each pump, and what it is like."""
        wanted = {}
        for name, ends, quirks in (
            (BALANCE, self.balances, self.balance_quirks),
            (SWITCH, self.power_switches, self.power_switch_quirks),
        ):
            if quirks and not ends:
                raise ValueError(f"--{name}-quirk {quirks[0]} without --{name}")
            if ends:
                wanted[name] = dict(_pair(f"--{name}-quirk", text) for text in quirks)
        return wanted

    def _lines_beside(self, pumps: Sequence[Pump], opened: ExitStack) -> list[Line]:
        """Open ports for what stands beside the pumps."""
        lines = []
        for name, ends in ((BALANCE, self.balances), (SWITCH, self.power_switches)):
            each: list[str | None] = _spread(f"--{name}", ends, [None] * len(pumps))
            for pump, end in zip(pumps, each, strict=True):
                if end is not None:
                    port = _end(f"--{name}", end)
                    opened.callback(port.close)
                    lines.append(Line(replace(pump, wire=pump.beside[name]), port, called=name))
        return lines

    def _acquaint(self, lines: Sequence[Line], pumps: int) -> None:
        """Tell each line which others are round the same pump, or on the same line of pumps."""
        for number, line in enumerate(lines):
            near = lines if self.bus else lines[number % pumps :: pumps]
            line.mates = tuple(other for other in near if other is not line)

    def _ports(self, pumps: int, opened: ExitStack) -> list[Port]:
        count = 1 if self.bus else pumps
        if self.links and self.tcps:
            raise ValueError("allowed: --link PATH, or --tcp HOST:PORT")
        links: list[Path | None] = _spread("--link", self.links, [None] * count)
        tcps: list[str | None] = _spread("--tcp", self.tcps, [None] * count)
        ports: list[Port] = []
        for link, tcp in zip(links, tcps, strict=True):
            ports.append(PtyPort(link) if tcp is None else _tcp("--tcp", tcp))
            opened.callback(ports[-1].close)
        return ports + [NoPort()] * (pumps - count)


def _spread(option: str, values: Sequence[T], defaults: Sequence[T]) -> list[T]:
    """A value for each, from what was given."""
    if not values:
        return list(defaults)
    if len(values) == 1 and option in _FOR_ALL:
        return list(values) * len(defaults)
    if len(values) != len(defaults):
        raise ValueError(f"{option} is given {len(values)} times; it is needed {len(defaults)} times")
    return list(values)


def _tcp(option: str, text: str) -> TcpPort:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"{option} {text}: write HOST:PORT")
    return TcpPort(host or "127.0.0.1", int(port))


def _end(option: str, text: str) -> Port:
    """A TCP port, or a pseudo-terminal whose link has no colon in its name."""
    if not text:
        raise ValueError(f"{option} '': write PATH or HOST:PORT")
    return _tcp(option, text) if ":" in text.rpartition("/")[2] else PtyPort(Path(text))


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{option} {text!r} is not NAME=VALUE")
    return name, value


def _volume_nl(text: str | None) -> int | None:
    return None if text is None else int(_number(text, "--fill") * _NL_PER_ML)


def _number(text: str, option: str) -> Fraction:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ValueError(f"{option} {text!r} is no decimal number")
    return Fraction(text)
