"""The wire between host and simulated pump, with a latency each way and with whatever goes wrong on it.

Layer      sim. Knows of pump and world only what a wire needs; also offers the names of the registry.
Rule       draws no random numbers. Bytes arrive in the order of their arrival times; at one instant, in the
           order in which they were sent.
Invariant  advance(a) then advance(b) is advance(b): the pump gets every byte at its exact arrival time.
Tests      tests/unit/sim/test_faults.py, tests/properties/test_world_step_independence.py
"""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final, Protocol

from sim.fault_registry import (
    FAULTS,
    Fault,
    Kind,
    Param,
    bench_faults,
    parse_time,
    pump_faults,
    time_text,
    wire_faults,
)
from sim.firmware.base import Talker

__all__ = [
    "FAULTS",
    "Fault",
    "FaultyWire",
    "Kind",
    "Param",
    "bench_faults",
    "parse_time",
    "pump_faults",
    "time_text",
    "wire_faults",
]

_MOST_REPLAYED: Final = 64
Copies = list[tuple[int, bytes]]  # (how much later, bytes)
# What bytes belong to: a message of the host, of whose kind nobody asks unless a fault waits for one, or the
# kind itself where there is no such message.
Origin = bytes | str


class Moved(Protocol):
    """What a wire needs of a world, or of several that move together."""

    @property
    def now_ms(self) -> int:
        """True time."""

    def advance(self, to_ms: int) -> None:
        """Let time pass."""

    def next_event_ms(self) -> int | None:
        """When something happens next that can be noticed from outside; None for never."""


class _Armed:
    """A fault of the wire and how many messages it has seen."""

    __slots__ = ("at_ms", "count", "fault", "nth", "seen", "type")

    def __init__(self, fault: Fault) -> None:
        self.fault, self.at_ms, self.seen = fault, fault.at_ms, 0
        self.type, self.nth, self.count = fault.word("type"), fault.number("nth"), fault.number("count")

    def hits(self, kind: str, at_ms: int) -> bool:
        """Whether it befalls this message, which it counts."""
        if at_ms < self.at_ms or not (self.type in {"all", kind} or (self.type == "any" and kind != "alarm")):
            return False
        self.seen += 1
        return self.seen >= self.nth and (not self.count or self.seen < self.nth + self.count)


class FaultyWire:
    """Carries bytes between a host and a pump's firmware, and moves the world with them.

    `tap`, if set, is told of all bytes: (time ms, "host-sent" | "pump-got" | "pump-sent" | "host-got",
    bytes).

    Raises:
        ValueError: the latency is negative, or a fault is not one of the wire's.
    """

    __slots__ = (
        "_faultless",
        "_firmware",
        "_flight",
        "_latency",
        "_number",
        "_overtaken",
        "_reply",
        "_request",
        "_said",
        "_silences",
        "_world",
        "inbox",
        "tap",
    )

    def __init__(
        self, firmware: Talker, world: Moved, faults: Iterable[Fault] = (), latency_ms: int = 20
    ) -> None:
        if type(latency_ms) is not int or latency_ms < 0:
            raise ValueError(f"latency must be an int of ms, at least 0, not {latency_ms!r}")
        self._world, self._latency = world, latency_ms
        self._firmware = firmware
        # arrival, number, whether to the pump, bytes, what they belong to
        self._flight: list[tuple[int, int, bool, bytes, Origin]] = []
        self._number = 0
        self._faultless = True  # no fault waits for a message: most runs, and most of their time
        self.inbox = b""
        self._request: list[_Armed] = []
        self._reply: list[_Armed] = []
        self._silences: list[tuple[int, int]] = []
        self._overtaken: list[tuple[bytes, Origin]] = []
        self._said: deque[bytes] = deque(maxlen=_MOST_REPLAYED + 1)  # the pump's replies, newest last
        self.tap: Callable[[int, str, bytes], None] | None = None
        for fault in faults:
            self.inject(fault)

    def inject(self, fault: Fault) -> None:
        """Arm one more fault; one whose time is past counts from now on.

        Raises:
            ValueError: it is no fault of the wire.
        """
        where = fault.kind.where
        if fault.kind.taker != "the wire":
            raise ValueError(f"{fault}: does not happen on the wire; give it to {fault.kind.taker}")
        if where == "request":
            self._request.append(_Armed(fault))
        elif where == "reply":
            self._reply.append(_Armed(fault))
        elif fault.name == "silence":
            self._silences.append((fault.at_ms, fault.at_ms + fault.number("for")))
        else:
            data = bytes.fromhex(fault.word("hex")) * fault.number("times")
            self._put(max(fault.at_ms, self._world.now_ms), fault.word("to") == "pump", data, "garbage")
        self._faultless = not (self._request or self._reply or self._silences)

    def send(self, data: bytes, at_ms: int) -> None:
        """The host sends bytes at `at_ms`, now or later, and not before what it sent already.

        Raises:
            ValueError: `at_ms` is past.
        """
        if at_ms < self._world.now_ms:
            raise ValueError(f"it is {self._world.now_ms} ms; nothing can be sent at {at_ms} ms")
        if self.tap:
            self.tap(at_ms, "host-sent", data)
        if self._faultless:  # so nothing is held back either
            self._put(at_ms + self._latency, True, data, data)
            return
        overtaken, self._overtaken = self._overtaken, []
        self._pass(self._request, data, data, at_ms, to_pump=True)
        for late, origin in overtaken:
            self._place(at_ms, 0, late, origin, to_pump=True)

    def advance(self, to_ms: int) -> None:
        """Let time pass until `to_ms`, in the world too; bytes that arrive at that instant are delivered."""
        flight, world, firmware = self._flight, self._world, self._firmware
        if not flight:
            world.advance(to_ms if to_ms > world.now_ms else world.now_ms)
            if not firmware.outbox:
                return  # as nearly always between two exchanges
        now_ms = world.now_ms
        while True:
            next_ms = flight[0][0] if flight else to_ms
            next_ms = to_ms if next_ms > to_ms else next_ms
            now_ms = next_ms if next_ms > now_ms else now_ms
            world.advance(now_ms)
            if firmware.outbox:
                self._collect()
            while flight and flight[0][0] <= next_ms:
                at_ms, _, to_pump, data, origin = heappop(flight)
                if self.tap:
                    self.tap(at_ms, "pump-got" if to_pump else "host-got", data)
                if to_pump:
                    if reply := firmware.handle(data, now_ms):
                        self._said.append(reply)
                        self._answer(reply, origin, at_ms)
                    break  # it may have something to do or to say at this very instant
                self.inbox += data
            else:
                if next_ms == to_ms:
                    return

    def next_event_ms(self) -> int | None:
        """First moment at which the host may have something to notice; None for never.

        That is bytes arriving there, the earliest answer to bytes on their way to the pump, or the world's next
        event: a host that waits for a reply moves the clock once, not twice.
        """
        event = self._world.next_event_ms()
        for at_ms, _, to_pump, _, _ in self._flight:
            heard = at_ms + self._latency if to_pump else at_ms
            if event is None or heard < event:
                event = heard
        return event

    def take(self) -> bytes:
        """Bytes that have arrived at the host since the last call."""
        data, self.inbox = self.inbox, b""
        return data

    def _collect(self) -> None:
        """Put what the pump sent unasked on its way."""
        for at_ms, data in self._firmware.take_pushed():
            self._answer(data, "alarm", at_ms)

    def _answer(self, data: bytes, origin: Origin, at_ms: int) -> None:
        if self.tap:
            self.tap(at_ms, "pump-sent", data)
        if self._faultless:
            self._put(at_ms + self._latency, False, data, origin)
        else:
            self._pass(self._reply, data, origin, at_ms, to_pump=False)

    def _pass(self, armed: list[_Armed], data: bytes, origin: Origin, at_ms: int, *, to_pump: bool) -> None:
        copies: Copies = [(0, data)]
        kind = origin if isinstance(origin, str) else self._firmware.kind_of(origin)
        for one in armed:
            if one.hits(kind, at_ms):
                if one.fault.name == "reorder":
                    self._overtaken += [(held, origin) for _, held in copies]
                    copies = []
                elif one.fault.name == "replay-reply":
                    back = one.fault.number("back")
                    copies = [(0, self._said[-1 - back])] if back < len(self._said) else []
                else:
                    copies = _befall(one.fault, copies, self._firmware.repair)
        for later, copy in copies:
            self._place(at_ms, later, copy, origin, to_pump=to_pump)

    def _place(self, at_ms: int, later: int, data: bytes, origin: Origin, *, to_pump: bool) -> None:
        arrival = at_ms + self._latency + later
        if not any(begin <= t < end for begin, end in self._silences for t in (at_ms, arrival)):
            self._put(arrival, to_pump, data, origin)

    def _put(self, arrival: int, to_pump: bool, data: bytes, origin: Origin) -> None:
        if data:
            heappush(self._flight, (arrival, self._number, to_pump, data, origin))
            self._number += 1


def _befall(fault: Fault, copies: Copies, repair: Callable[[bytes], bytes]) -> Copies:
    """What becomes of the bytes of one message."""
    what = fault.name.rpartition("-")[0]
    if what == "lose":
        return []
    if what == "delay":
        return [(later + fault.number("by"), data) for later, data in copies]
    if what == "duplicate":
        return copies + [(later + fault.number("by"), data) for later, data in copies]
    if what == "truncate":
        return [(later, data[: fault.number("keep")]) for later, data in copies]
    return [(later, _corrupt(fault, data, repair)) for later, data in copies]


def _corrupt(fault: Fault, data: bytes, repair: Callable[[bytes], bytes]) -> bytes:
    flipped = bytearray(data)
    if flipped:
        flipped[fault.number("byte") % len(flipped)] ^= fault.number("mask") & 0xFF
    return repair(bytes(flipped)) if fault.word("crc") == "repair" else bytes(flipped)
