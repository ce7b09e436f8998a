"""The bytes of docs/reference-protocol.md, written down once more, and a pump that answers by script.

Imports nothing of the driver or of the simulator, so that it agrees with them only through the page.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from zlib import crc32

HELLO, STATUS, PROPOSE, COMMIT, STOP, OUTCOME = 1, 2, 3, 4, 5, 6
ALARM, NAK = 0xC0, 0xFF


def frame(kind: int, owner: int, epoch: int, seq: int, payload: bytes = b"", *, version: int = 1) -> bytes:
    body = struct.pack(">BBIII", version, kind, owner, epoch, seq) + payload
    covered = struct.pack(">H", len(body)) + body
    return b"\x7e" + covered + struct.pack(">I", crc32(covered))


def status(
    *,
    generation: int = 1,
    tick: int = 1,
    tick_ms: int = 0,
    delivered_nl: int = 0,
    state: int = 0,
    running_id: int = 0,
    step_index: int = 0,
    step_done_nl: int = 0,
    reservoir_nl: int = 20_000_000,
    battery: int = 97,
    alarms: int = 0,
) -> bytes:
    return (
        struct.pack(">IIQQ", generation, tick, tick_ms, delivered_nl)
        + struct.pack(">BQBII", state, running_id, step_index, step_done_nl, reservoir_nl)
        + struct.pack(">BI", battery, alarms)
    )


def identity(
    *, model: bytes = b"implant-20", serial: bytes = b"SIM-0001", ttl_ms: int = 60_000, outcomes: int = 32
) -> bytes:
    names = struct.pack(">16s8s16s", model, b"1.0", serial)
    return names + struct.pack(">BIIIIH", 13, 100, 1_000_000, 86_400_000, ttl_ms, outcomes)


def result(permit_id: int, what: int, given_nl: int = 0) -> bytes:
    return struct.pack(">QBQ", permit_id, what, given_nl)


@dataclass(frozen=True)
class Request:
    """A frame that the host sent, cut apart."""

    version: int
    type: int
    owner: int
    epoch: int
    seq: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> Request:
        length = struct.unpack(">H", data[1:3])[0]
        assert data[0] == 0x7E
        assert len(data) == 3 + length + 4
        assert struct.unpack(">I", data[-4:])[0] == crc32(data[1:-4])
        version, kind, owner, epoch, seq = struct.unpack(">BBIII", data[3:17])
        return cls(version, kind, owner, epoch, seq, data[17:-4])

    def reply(self, epoch: int, payload: bytes, *, kind: int | None = None) -> bytes:
        return frame(self.type | 0x80 if kind is None else kind, self.owner, epoch, self.seq, payload)


Answer = Callable[[Request], list[tuple[int, bytes]]]  # (ms later, bytes) each


@dataclass
class ScriptedLink:
    """A link to a pump that answers well after 20 ms, unless ``on`` says otherwise for a request's type."""

    simulated: bool = False
    now: int = 1_000_000
    epoch: int = 0xE0E0
    generation: int = 1
    tick: int = 0
    booted_at: int = 0
    state: int = 0
    running_id: int = 0
    what: dict[int, tuple[int, int]] = field(default_factory=dict)  # id -> (what, given_nl)
    on: dict[int, Answer] = field(default_factory=dict)
    sent: list[Request] = field(default_factory=list)
    flight: list[tuple[int, int, bytes]] = field(default_factory=list)
    reads: int = 0
    closed: bool = False

    def now_ms(self) -> int:
        return self.now

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        assert self.now <= deadline_ms <= self.now + 500
        request = Request.parse(data)
        self.sent.append(request)
        for later, answer in self.on.get(request.type, self.well)(request):
            self.arrive(later, answer)

    def arrive(self, later: int, data: bytes) -> None:
        heappush(self.flight, (self.now + later, len(self.sent) * 1_000 + len(self.flight), data))

    def read(self, *, deadline_ms: int) -> bytes:
        self.reads += 1
        if self.flight and self.flight[0][0] <= max(deadline_ms, self.now):
            self.now = max(self.now, self.flight[0][0])
            return heappop(self.flight)[2]
        self.now = max(self.now, deadline_ms)
        return b""

    def close(self) -> None:
        self.closed = True

    def status(self, **over: int) -> bytes:
        self.tick += 1
        told = {
            "generation": self.generation,
            "tick": self.tick,
            "tick_ms": self.now - self.booted_at,
            "state": self.state,
            "running_id": self.running_id,
        }
        return status(**(told | over))

    def power_up(self) -> None:
        self.epoch, self.generation, self.tick, self.booted_at = self.epoch + 1, 1, 0, self.now

    def well(self, request: Request) -> list[tuple[int, bytes]]:
        return [(20, request.reply(self.epoch, self.payload(request)))]

    def payload(self, request: Request) -> bytes:
        if request.type == HELLO:
            return identity() + self.status()
        if request.type == PROPOSE:
            return request.payload[:8] + struct.pack(">I", crc32(request.payload[20:]))
        if request.type == COMMIT:
            self.running_id, self.state = int.from_bytes(request.payload[:8], "big"), 1
            self.what[self.running_id] = (2, 0)
            return result(self.running_id, 2) + self.status()
        if request.type == OUTCOME:
            asked = int.from_bytes(request.payload, "big")
            return result(asked, *self.what.get(asked, (0, 0))) + self.status()
        if request.type == STOP:
            self.generation += 1
            self.state = self.running_id = 0
        return self.status()

    def nak(self, code: int) -> Answer:
        return lambda request: [(20, request.reply(self.epoch, bytes((code,)) + self.status(), kind=NAK))]


def silent(_: Request) -> list[tuple[int, bytes]]:
    return []
