"""A Harvard pump on paper: the manual's commands in a few lines, and a link to it in virtual time.

Imports nothing of the driver or of the simulator, so that it agrees with them only through the document. What
the document leaves open is a field of ``PaperPump``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import heappop, heappush

HOUR = 3_600_000
UNITS = {"ml": 10**12, "ul": 10**9, "nl": 10**6, "pl": 10**3}
TIMES = {"min": 60, "hr": 3_600, "s": 1}
RANGE = "25.0404 nl/min to 26.0035 ml/min"  # recorded from a real Legato 100


class Killed(BaseException):
    """The host's process dies here."""


def volume_fl(text: str) -> int:
    number, unit = text.split()
    return int(Decimal(number) * UNITS[unit])


def rate_fl_h(text: str) -> int:
    number, unit = text.split()
    unit, _, time = unit.partition("/")
    return int(Decimal(number) * UNITS[unit] * 3_600 / TIMES[time])


@dataclass
class PaperPump:
    """State and replies. Volumes fL, times ms; ``given`` is all that ever left it, whatever was cleared."""

    address: int = 0
    ver: str = "11 ELITE I/W Single 3.0.4"
    version: tuple[str, ...] = ("Firmware:      v3.0.6", "Pump address:  0", "Serial number: D101754")
    ticks: int = 56_000  # of the status line's time in a ms; -1000: it counts seconds
    target_flag: bool = True
    has_wrate: bool = True
    nvram: tuple[str, ...] = ("off", "on")
    mode: str = "Quick Start - Infuse/Withdraw (qs iw)"
    diameter: str = "14.4300 mm"
    svolume: str = "10 ml"
    lim: str = RANGE
    poll: bool = False
    way: str = "i"
    irate: str = "1 ml/min"
    wrate: str = "2 ml/min"
    target: str | None = None
    runs: bool = False
    stalled: bool = False
    reached: bool = False
    now: int = 0
    base: int = 0  # infused before this run
    since: int = 0
    timed: int = 0  # infusing, ms
    given: int = 0
    starts: int = 0
    begun_at: int = 0  # ``given`` when it was started last
    log: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)  # command word -> what it objects
    lies: dict[str, str] = field(default_factory=dict)  # command -> what it answers instead

    @property
    def infused(self) -> int:
        moved = rate_fl_h(self.irate) * (self.now - self.since) // HOUR if self.runs else 0
        moved = max(0, moved) if self.way == "i" else 0
        most = volume_fl(self.target) if self.target else None
        return self.base + moved if most is None else max(self.base, min(self.base + moved, most))

    @property
    def given_nl(self) -> int:
        return (self.given + self.infused - self.base) // 10**6

    @property
    def last_run_nl(self) -> int:
        """What the last run has given."""
        return (self.given + self.infused - self.base - self.begun_at) // 10**6

    def advance(self, to_ms: int) -> None:
        self.now = max(self.now, to_ms)
        if self.runs and self.way == "i" and self.target and self.infused >= volume_fl(self.target):
            self.reached = True
            self.rest()

    def rest(self) -> None:
        if self.runs and self.way == "i":
            self.given += self.infused - self.base
            self.timed += self.now - self.since
            self.base = self.infused
        self.runs = False

    def power_cut(self, *, forgets: tuple[str, ...] = ()) -> None:
        """Volumes and timers are lost; of the rest what is said."""
        self.rest()
        self.base, self.timed, self.reached, self.stalled = 0, 0, False, False
        if "target" in forgets:
            self.target = None
        if "wrate" in forgets:
            self.wrate = "2 ml/min"
        if "poll" in forgets:
            self.poll = False

    def stall(self) -> None:
        self.rest()
        self.stalled = True

    # The wire.

    @property
    def prompt(self) -> str:
        if self.runs:
            return ">" if self.way == "i" else "<"
        return "*" if self.stalled else "T*" if self.reached else ":"

    def frame(self, lines: tuple[str, ...]) -> bytes:
        number = f"{self.address:02d}" if self.address else ""
        prompt = self.prompt
        told = number + (":" if number else "") if prompt == ":" else number + prompt
        text = "".join(f"{number + ':' if number else ''}{line}\r\n" for line in lines)
        return f"\n{text}{told or ':'}".encode() + (b"\x11" if self.poll else b"")

    def handle(self, request: str) -> bytes:
        """The reply to one command, without its CR."""
        text = request.lstrip("@")
        prefix = text[: len(text) - len(text.lstrip("0123456789"))]
        if prefix and int(prefix) != self.address:
            return b""
        text = text[len(prefix) :].removeprefix(":")
        self.log.append(text)
        word, _, rest = text.partition(" ")
        if word in self.refuse:
            return self.frame(tuple(self.refuse[word].split("|")))
        if text in self.lies:
            return self.frame((self.lies[text],))
        lines = self._do(word, rest)
        return self.frame(lines)

    def _do(self, word: str, rest: str) -> tuple[str, ...]:
        action: Callable[[str], tuple[str, ...]] | None = getattr(self, f"_do_{word}", None)
        if not word:
            return ()
        return ("Command error:", "   Unknown command") if action is None else action(rest)

    def _do_poll(self, rest: str) -> tuple[str, ...]:
        if rest:
            self.poll = rest == "on"
            return ()
        return (f"Polling mode is {'ON' if self.poll else 'OFF'}",)

    def _do_echo(self, rest: str) -> tuple[str, ...]:
        return () if rest else ("Echo is OFF",)

    def _do_nvram(self, rest: str) -> tuple[str, ...]:
        return () if rest in self.nvram else (f"Argument error: {rest}", "   Unknown argument")

    def _do_ver(self, _: str) -> tuple[str, ...]:
        return (self.ver,)

    def _do_version(self, _: str) -> tuple[str, ...]:
        return self.version

    def _do_load(self, _: str) -> tuple[str, ...]:
        return (self.mode,)

    def _do_force(self, _: str) -> tuple[str, ...]:
        return ("50%",)

    def _do_diameter(self, _: str) -> tuple[str, ...]:
        return (self.diameter,)

    def _do_svolume(self, _: str) -> tuple[str, ...]:
        return (self.svolume,)

    def _do_irate(self, rest: str) -> tuple[str, ...]:
        if rest == "lim":
            return (self.lim,)
        self.irate = rest or self.irate
        return () if rest else (self.irate,)

    def _do_wrate(self, rest: str) -> tuple[str, ...]:
        if not self.has_wrate:
            return ("Command error:", "   Unknown command")
        self.wrate = rest or self.wrate
        return () if rest else (self.wrate,)

    def _do_tvolume(self, rest: str) -> tuple[str, ...]:
        self.target = rest or self.target
        return () if rest else (self.target or "Target volume not set",)

    def _do_ttime(self, _: str) -> tuple[str, ...]:
        return ("Target time not set",)

    def _do_cttime(self, _: str) -> tuple[str, ...]:
        return ()

    def _do_ctvolume(self, _: str) -> tuple[str, ...]:
        self.target, self.reached = None, False
        return ()

    def _do_civolume(self, _: str) -> tuple[str, ...]:
        self.base, self.reached = 0, False
        return ()

    def _do_ivolume(self, _: str) -> tuple[str, ...]:
        return (f"{Decimal(self.infused) / 10**9:.6g} ul",)

    def _do_stop(self, _: str) -> tuple[str, ...]:
        self.rest()
        self.stalled = False
        return ()

    def _do_irun(self, _: str) -> tuple[str, ...]:
        if not self.runs:
            self.runs, self.way, self.since, self.stalled, self.reached = True, "i", self.now, False, False
            self.starts += 1
            self.begun_at = self.given
        return ()

    def _do_status(self, _: str) -> tuple[str, ...]:
        timed = self.timed + (self.now - self.since if self.runs and self.way == "i" else 0)
        told = timed * self.ticks if self.ticks > 0 else timed // -self.ticks
        rate = rate_fl_h(self.irate) // 3_600 if self.runs else 0
        way = self.way.upper() if self.runs else self.way
        flags = f"{way}.{'S' if self.stalled else '.'}.I{'T' if self.reached else '.'}"
        volume = self.infused if self.way == "i" else 0
        return (f"{rate} {told} {volume} {flags if self.target_flag else flags[:5]}",)


Fault = Callable[["PaperLink", str], "list[tuple[int, bytes]] | None"]


@dataclass
class PaperLink:
    """A link in virtual time: a request acts at once, its reply comes 20 ms later.

    ``faults``: by number of the write (1 is the first), what becomes of it; they return what arrives and when.
    ``kill_before`` / ``kill_after``: the write before or after whose action the host dies.
    """

    pump: PaperPump
    now: int = 1_000_000
    simulated: bool = False
    buffered: bool = False
    faults: dict[int, Fault] = field(default_factory=dict)
    on: dict[str, Fault] = field(default_factory=dict)
    kill_before: int = 0
    kill_after: int = 0
    sent: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    flight: list[tuple[int, int, bytes]] = field(default_factory=list)
    closed: bool = False
    number: int = 0

    def now_ms(self) -> int:
        return self.now

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        assert self.now <= deadline_ms <= self.now + 500
        assert data.endswith(b"\r")
        request = data[:-1].decode()
        if len(self.sent) + 1 == self.kill_before:
            raise Killed
        self.sent.append(request)
        self.at.append(self.now)
        fault = self.faults.get(len(self.sent)) or self.on.get(request.split(" ")[0])
        arrivals = fault(self, request) if fault is not None else self.well(request)
        for later, answer in arrivals or []:
            self.arrive(later, answer)
        if len(self.sent) == self.kill_after:
            raise Killed

    def well(self, request: str) -> list[tuple[int, bytes]]:
        self.pump.advance(self.now)
        return [(20, self.pump.handle(request))]

    def arrive(self, later: int, data: bytes) -> None:
        self.number += 1
        if data:
            heappush(self.flight, (self.now + later, self.number, data))

    def read(self, *, deadline_ms: int) -> bytes:
        if self.flight and self.flight[0][0] <= max(deadline_ms, self.now):
            self.now = max(self.now, self.flight[0][0])
            return heappop(self.flight)[2]
        self.now = max(self.now, deadline_ms)
        return b""

    def wait(self, ms: int) -> None:
        self.now += ms
        self.pump.advance(self.now)

    def close(self) -> None:
        self.closed = True


# ---- what may befall a request or its reply ----------------------------------------------------


def lost_request(_: PaperLink, __: str) -> list[tuple[int, bytes]]:
    return []


def lost_reply(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    link.well(request)
    return []


def late_reply(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    return [(700, reply) for _, reply in link.well(request)]


def garbage(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    link.well(request)
    return [(20, b"\xff\x00\x11\n\x11garbage\r\n\x11")]


def truncated(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    return [(20, reply[: max(1, len(reply) // 2 - 1)]) for _, reply in link.well(request)]


def wrong_prefix(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    link.well(request)
    return [(20, b"\n07:1 ml\r\n07:\x11")]


def stall_prompt(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    link.well(request)
    link.pump.stall()
    return [(20, b"\n*\x11")]


def command_error(_: PaperLink, __: str) -> list[tuple[int, bytes]]:
    return [(20, b"\nCommand error:\r\n   Unknown command\r\n:\x11")]


def argument_error(_: PaperLink, __: str) -> list[tuple[int, bytes]]:
    return [(20, b"\nArgument error: 9999\r\n   Out of range\r\n:\x11")]


def doubled_reply(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    return [(later + more, reply) for later, reply in link.well(request) for more in (0, 15)]


def babble(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
    link.well(request)
    return [(0, b"\n:zz" * 500) for _ in range(60)]


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        lost_request, lost_reply, late_reply, garbage, truncated, wrong_prefix, stall_prompt, command_error,
        argument_error, doubled_reply, babble,
    )
}  # fmt: skip
