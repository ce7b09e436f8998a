"""A real session over a bad line: a simulated pump behind a driver, and an input that says what the line does.

The truth is the simulator's. Whatever comes of the bytes: a refused dose is never given, an acknowledged one runs,
never more is given than was permitted, what is proved is true, and a confirmed stop stands. Only where frames have no
check may more be told as given than was: that is on the side of less drug. The input is read as
damages of five bytes each: exchange, what befalls it, and three numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from pump_ctrl.drivers.base import Acked, Given, NotGiven, Nothing, PumpDriver, PumpStatus, Refused, Unknown
from pump_ctrl.drivers.simulated import SimulatedLink
from sim.faults import FaultyWire
from tests.contract.bench import HOUR, MINUTE, PORTION, Bench
from tests.fuzz.engine import Reader
from tests.fuzz.families import PROTOCOLS, Protocol, driver_on, permit

SIZE: Final = 5
LAST: Final = 90  # an exchange; a session has fewer
OFF_NL: Final = 25  # by so much counter and even flow may be off, of any of these pumps
Pieces = list[tuple[int, bytes]]  # (ms later, bytes)


class Damage(NamedTuple):
    """What befalls one message: ``exchange`` counts from 1, 0 is all; to the pump or to the host."""

    exchange: int
    what: int
    to_pump: bool
    at: int
    value: int
    more: int


def _lose(_data: bytes, _: Damage) -> Pieces:
    return []


def _cut(data: bytes, one: Damage) -> Pieces:
    return [(0, data[: one.at % (len(data) + 1)])]


def _flip(data: bytes, one: Damage) -> Pieces:
    at = one.at % max(1, len(data))
    return [(0, data[:at] + bytes(byte ^ (one.value or 1) for byte in data[at : at + 1]) + data[at + 1 :])]


def _put_in(data: bytes, one: Damage) -> Pieces:
    at = one.at % (len(data) + 1)
    return [(0, data[:at] + bytes((one.value,)) * (1 + one.more % 8) + data[at:])]


def _take_out(data: bytes, one: Damage) -> Pieces:
    at = one.at % (len(data) + 1)
    return [(0, data[:at] + data[at + 1 + one.value % 8 :])]


def _double(data: bytes, one: Damage) -> Pieces:
    return [(0, data), (one.value * 10, data)]


def _delay(data: bytes, one: Damage) -> Pieces:
    return [(one.value * 10, data)]


def _drip(data: bytes, one: Damage) -> Pieces:
    pace, some = one.value % 20, min(len(data), 200)
    return [(at * pace, data[at : at + 1]) for at in range(some)] + [(some * pace, data[some:])]


def _babble(data: bytes, one: Damage) -> Pieces:
    return [(0, bytes((one.value, one.more)) * (one.at * 4)), (0, data)]


_EFFECTS: Final[tuple[Callable[[bytes, Damage], Pieces], ...]] = (
    _lose, _cut, _flip, _flip, _flip, _put_in, _take_out, _double, _delay, _drip, _babble,
)  # fmt: skip


def damages(content: bytes) -> list[Damage]:
    """The input, read."""
    found = []
    for at in range(0, len(content) - SIZE + 1, SIZE):
        exchange, what, *numbers = content[at : at + SIZE]
        found.append(Damage(exchange % LAST, what % 128 % len(_EFFECTS), what >= 128, *numbers))
    return found


class BadLine:
    """Stands between the host and its wire.

    ``lucky``: a damaged message holds a frame whose check is right, though nobody has sent it: one in 65,536.
    """

    def __init__(self, wire: FaultyWire, protocol: Protocol, befalls: Sequence[Damage]) -> None:
        self._wire, self._protocol, self._befalls = wire, protocol, befalls
        self._to_host: list[tuple[int, int, bytes]] = []
        self._to_pump: list[tuple[int, int, bytes]] = []
        self._count = 0
        self.inbox = b""
        self.exchange = 0
        self.started = 0
        self.lucky = False

    def _befall(self, data: bytes, *, to_pump: bool) -> Pieces:
        pieces: Pieces = [(0, data)]
        for one in self._befalls:
            if one.to_pump == to_pump and one.exchange in (0, self.exchange):
                pieces = [
                    (later + more, part)
                    for later, piece in pieces
                    for more, part in _EFFECTS[one.what](piece, one)
                ]
        known = self._protocol.genuine(data)
        joined = b"".join(piece for _, piece in pieces)
        self.lucky |= any(frame not in known for frame in self._protocol.genuine(joined))
        return [(later, piece) for later, piece in pieces if piece]

    def send(self, data: bytes, at_ms: int) -> None:
        self.exchange += 1
        self.started += self._protocol.starts(data)
        for later, piece in self._befall(data, to_pump=True):
            if later:
                self._count += 1
                heappush(self._to_pump, (at_ms + later, self._count, piece))
            else:
                self._wire.send(piece, at_ms)

    def advance(self, to_ms: int) -> None:
        while self._to_pump and self._to_pump[0][0] <= to_ms:
            at_ms, _, piece = heappop(self._to_pump)
            self._wire.advance(at_ms)
            self._wire.send(piece, at_ms)
        self._wire.advance(to_ms)
        if data := self._wire.take():
            for later, piece in self._befall(data, to_pump=False):
                self._count += 1
                heappush(self._to_host, (to_ms + later, self._count, piece))
        while self._to_host and self._to_host[0][0] <= to_ms:
            self.inbox += heappop(self._to_host)[2]

    def next_event_ms(self) -> int | None:
        due = [heap[0][0] for heap in (self._to_host, self._to_pump) if heap]
        event = self._wire.next_event_ms()
        return min(due if event is None else [*due, event], default=None)

    def take(self) -> bytes:
        data, self.inbox = self.inbox, b""
        return data


@dataclass
class Session:
    """One dose over a bad line, and what truly becomes of it."""

    protocol: Protocol
    bench: Bench
    line: BadLine
    driver: PumpDriver

    @classmethod
    def over(cls, protocol: Protocol, content: bytes) -> Session:
        declared = protocol.pumps[len(content) // SIZE % len(protocol.pumps)]
        bench = Bench(declared)
        link = bench.link
        assert isinstance(link, SimulatedLink)
        line = BadLine(bench.line._wire, protocol, damages(content))  # type: ignore[attr-defined]
        link._wire = line
        link._clock._followers = [line.advance]  # instead of the wire itself
        return cls(protocol, bench, line, driver_on(link, declared))

    @property
    def given_nl(self) -> int:
        """What truly left the pump; of an implant, which counts whole steps, what its motor stepped."""
        truth = self.bench.line.world.truth
        return truth.counted_nl() if self.protocol.name == "reference" else truth.delivered_nl()

    def wait(self, ms: int) -> None:
        self.bench.line.wait(ms)

    def go(self) -> str:
        """Identify, deliver, ask, stop, ask; all of it is held against the truth."""
        for _ in range(2):
            self.driver.identify()
        dose = permit(1)
        outcome = self.driver.deliver(dose)
        word = type(outcome).__name__
        assert isinstance(outcome, Acked | Refused | Unknown), outcome
        self._after(outcome)
        status = self.driver.read_status()
        assert isinstance(status, PumpStatus | Unknown), status
        self._prove(dose.id)
        self.driver.notices()
        self._stop()
        self._prove(dose.id)
        self.wait(2 * HOUR)
        self._check(self.given_nl <= PORTION + OFF_NL, f"{self.given_nl} nL were given of {PORTION}")
        self._check(self.line.started <= 1, "what starts a dose was sent twice")
        return "lucky" if self.line.lucky else word

    def _check(self, true: bool, what: str) -> None:
        assert true or self.line.lucky, what

    def _after(self, outcome: Acked | Refused | Unknown) -> None:
        before = self.given_nl
        if isinstance(outcome, Refused):
            self.wait(HOUR)
            self._check(self.given_nl == 0, f"refused ({outcome.code}), and {self.given_nl} nL were given")
        elif isinstance(outcome, Acked):
            self.wait(10 * MINUTE if self.protocol.name != "new-era Safe" else 20_000)
            self._check(self.given_nl > before, "acknowledged, and nothing runs")
        else:
            self.wait(20_000)

    def _prove(self, permit_id: int) -> None:
        before = self.given_nl
        found = self.driver.evidence(permit_id)
        assert isinstance(found, Given | NotGiven | Nothing), found
        if isinstance(found, NotGiven):
            self.wait(HOUR)
            self._check(self.given_nl == 0, f"not given, it says ({found.why}), and {self.given_nl} nL were")
        elif isinstance(found, Given):
            low, high = found.lo_nl - OFF_NL, found.hi_nl + OFF_NL
            true = (
                low <= self.given_nl or not self.protocol.checked
            )  # a digit more may be believed without a check
            self._check(true, f"at least {found.lo_nl} nL, it says; {self.given_nl} nL were")
            self._check(before <= high, f"at most {found.hi_nl} nL, it says; {before} nL were")
            if found.ended:
                self.wait(HOUR)
                self._check(
                    self.given_nl <= high, f"{found.hi_nl} nL and no more, it says; {self.given_nl} nL"
                )

    def _stop(self) -> None:
        if isinstance(self.driver.stop(), Acked):
            before = self.given_nl
            self.wait(10 * MINUTE)
            self._check(
                self.given_nl <= before + OFF_NL, f"{self.given_nl - before} nL after a confirmed stop"
            )


def drawn(to_pump: bool) -> Callable[[bytes, Random, Sequence[bytes]], bytes]:
    """One to three damages, mostly of single exchanges, of one direction or of both."""

    def mutate(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
        for _once in range(draw.choice((1, 1, 2, 3, 6))):
            exchange = 0 if draw.random() < 0.05 else draw.randrange(1, LAST)
            what = draw.randrange(128) + (128 if to_pump and draw.random() < 0.5 else 0)
            value = draw.choice((1, 2, 4, 8, 16, 32, 64, 128, draw.randrange(256)))
            content += bytes((exchange, what, draw.randrange(256), value, draw.randrange(256)))
        return content

    return mutate


def over_a_bad_line(protocol: Protocol, content: bytes) -> str:
    return Session.over(protocol, content).go()


def readers(room: Path) -> Iterator[Reader]:
    del room
    for protocol in PROTOCOLS:
        read = partial(over_a_bad_line, protocol)
        yield Reader(f"{protocol.name}, bad replies", [b""], read, drawn(to_pump=False), rounds=60)
        yield Reader(f"{protocol.name}, bad both ways", [b""], read, drawn(to_pump=True), rounds=60)
