"""A host's end of the reference protocol for tests of the simulator: bytes, written from the page."""

import struct
import zlib
from typing import Any, NamedTuple

from sim.faults import Fault, FaultyWire
from sim.world import Setup, World

S, MIN, H, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BACLOFEN = {"baclofen": 1_000_000_000}  # 1000 ug/mL in pg/mL


class Status(NamedTuple):
    generation: int
    tick: int
    tick_ms: int
    delivered_nl: int
    state: int
    running_id: int
    step_index: int
    step_done_nl: int
    reservoir_nl: int
    battery: int
    alarms: int


class Reply(NamedTuple):
    """One frame of the pump. `status` is the last 47 bytes of its payload, if it has that many."""

    type: int
    owner: int
    epoch: int
    seq: int
    payload: bytes

    @property
    def status(self) -> Status:
        return Status(*struct.unpack(">IIQQBQBIIBI", self.payload[-47:]))

    @property
    def nak(self) -> int | None:
        return self.payload[0] if self.type == 0xFF else None

    @property
    def result(self) -> tuple[int, int, int]:
        """id, what, given_nl of a COMMIT's or OUTCOME's reply."""
        id_, what, given = struct.unpack(">QBQ", self.payload[:17])
        return id_, what, given


def frame(body: bytes) -> bytes:
    covered = struct.pack(">H", len(body)) + body
    return b"\x7e" + covered + struct.pack(">I", zlib.crc32(covered))


def request(
    kind: int, payload: bytes = b"", *, owner: int = 7, epoch: int = 0, seq: int = 1, version: int = 1
) -> bytes:
    return frame(struct.pack(">BBIII", version, kind, owner, epoch, seq) + payload)


def step_list(*steps: tuple[int, int, int]) -> bytes:
    """Steps (kind, nL, ms) as the page's step list."""
    return bytes([len(steps)]) + b"".join(struct.pack(">BII", *step) for step in steps)


def replies(data: bytes) -> list[Reply]:
    """Every frame of `data`, which holds whole frames with a right CRC and nothing else."""
    found = []
    while data:
        assert data[0] == 0x7E
        (length,) = struct.unpack_from(">H", data, 1)
        covered, crc = data[1 : 3 + length], data[3 + length : 7 + length]
        assert struct.unpack(">I", crc) == (zlib.crc32(covered),)
        version, kind, owner, epoch, seq = struct.unpack_from(">BBIII", covered, 2)
        assert version == 1
        found.append(Reply(kind, owner, epoch, seq, covered[16:]))
        data = data[7 + length :]
    return found


def setup(**changes: object) -> Setup:
    """An implant-40 with 40 mL of 1000 ug/mL, and a path of 300 uL full of the same."""
    fields: dict[str, Any] = {
        "model": "implant-40",
        "fill_nl": 40_000_000,
        "drugs": BACLOFEN,
        "path_nl": 300_000,
        "path_drugs": BACLOFEN,
    }
    return Setup(**(fields | changes))


class Bench:
    """A world, and a host that speaks to its firmware without a wire between them."""

    def __init__(self, *faults: str, **changes: object) -> None:
        self.world = World(setup(**changes), [Fault.parse(text) for text in faults])
        self.firmware = self.world.implant
        self.pushed = replies(self.firmware.push(0))
        self.owner = 7

    def to(self, at_ms: int) -> "Bench":
        self.world.advance(at_ms)
        return self

    def ask(self, kind: int, payload: bytes = b"", **head: int) -> Reply:
        head = {"owner": self.owner} | head
        (reply,) = replies(self.firmware.handle(request(kind, payload, **head), self.world.now_ms))
        return reply

    def hello(self, **head: int) -> Reply:
        return self.ask(1, b"", **head)

    def status(self) -> Status:
        return self.ask(2).status

    def own_ms(self) -> int:
        return Status(*struct.unpack(">IIQQBQBIIBI", self.firmware.peek_status(self.world.now_ms))).tick_ms

    def propose(self, id_: int, *steps: tuple[int, int, int], **change: int) -> Reply:
        payload = self.terms(id_, **change) + step_list(*steps)
        return self.ask(3, payload, epoch=change.get("epoch", self.firmware.epoch))

    def terms(self, id_: int, **change: int) -> bytes:
        generation = change.get("generation", self.firmware.generation)
        return struct.pack(">QIQ", id_, generation, change.get("not_after", self.own_ms() + MIN))

    def commit(self, id_: int, *steps: tuple[int, int, int], **change: int) -> Reply:
        crc = change.get("crc", zlib.crc32(step_list(*steps)))
        generation = change.get("generation", self.firmware.generation)
        payload = struct.pack(">QIIQ", id_, crc, generation, change.get("not_after", self.own_ms() + MIN))
        return self.ask(4, payload, epoch=change.get("epoch", self.firmware.epoch))

    def run(self, id_: int, *steps: tuple[int, int, int]) -> Reply:
        """HELLO, PROPOSE and COMMIT, all accepted."""
        self.hello()
        assert self.propose(id_, *steps).type == 0x83
        reply = self.commit(id_, *steps)
        assert reply.type == 0x84
        return reply

    def stop(self, **head: int) -> Reply:
        return self.ask(5, b"", **head)

    def outcome(self, id_: int) -> tuple[int, int, int]:
        return self.ask(6, struct.pack(">Q", id_)).result

    def pushes(self) -> list[Reply]:
        return replies(self.firmware.push(self.world.now_ms))


def wired(*faults: str, latency_ms: int = 20, **changes: object) -> tuple[World, FaultyWire]:
    """A world and a wire to it, with faults of the wire."""
    world = World(setup(**changes))
    return world, FaultyWire(world.firmware, world, [Fault.parse(text) for text in faults], latency_ms)
