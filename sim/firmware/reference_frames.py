"""Frames and parts of the reference protocol, as the pump sees them. Bytes only: no state of the pump.

Layer      sim.firmware. Imports the standard library only.
Source     docs/reference-protocol.md, sections 1 to 3 and 5; written from that page alone.
Tests      tests/unit/sim/test_firmware_reference.py
"""

from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

SOF: Final = 0x7E
SHORTEST_BODY: Final = 14
LONGEST_BODY: Final = 512
MOST_HELD: Final = 4_096  # bytes a receiver ever holds
LONGEST_PAUSE_MS: Final = 200  # inside a frame
REPLY: Final = 0x80

HEADER: Final = Struct(">BBIII")  # version, type, owner, epoch, seq
STATUS: Final = Struct(">IIQQBQBIIBI")
IDENTITY: Final = Struct(">16s8s16sBIIIIH")
PROPOSAL: Final = Struct(">QIQB")  # id, generation, not_after, count
STEP: Final = Struct(">BII")  # kind, volume_nl, duration_ms
COMMIT: Final = Struct(">QIIQ")  # id, crc, generation, not_after
READ_BACK: Final = Struct(">QI")  # id, crc
RESULT: Final = Struct(">QBQ")  # id, what, given_nl
_LENGTH: Final = Struct(">H")
_CRC: Final = Struct(">I")


class Type(IntEnum):
    """Request types."""

    HELLO = 0x01
    STATUS = 0x02
    PROPOSE = 0x03
    COMMIT = 0x04
    STOP = 0x05
    OUTCOME = 0x06
    ALARM = 0x40
    NAK = 0x7F


class State(IntEnum):
    """What the pump is doing."""

    IDLE = 0
    RUNNING = 1
    STALLED = 2
    EMPTY = 3
    FAILED = 4


class What(IntEnum):
    """What became of an id."""

    UNKNOWN = 0
    PROPOSED = 1
    RUNNING = 2
    DONE = 3
    REPLACED = 4
    STOPPED = 5
    RESET = 6
    DROPPED = 7


class Nak(IntEnum):
    """Why a request is refused."""

    VERSION = 1
    MALFORMED = 2
    STALE_EPOCH = 3
    STALE_GENERATION = 4
    LATE = 5
    BUSY = 6
    RANGE = 7
    USED = 8
    CONFLICT = 9
    FAILED = 10


class Alarm:
    """Alarm bits."""

    RESET: Final = 1
    STALL: Final = 2
    EMPTY: Final = 4
    LOW_BATTERY: Final = 8
    END_OF_SERVICE: Final = 16
    LOW_RESERVOIR: Final = 32


class Header(NamedTuple):
    """The first 14 bytes of a body."""

    version: int
    type: int
    owner: int
    epoch: int
    seq: int


def frame(body: bytes) -> bytes:
    """Wrap a body: SOF, length, body, CRC-32 over length and body."""
    covered = _LENGTH.pack(len(body)) + body
    return b"\x7e" + covered + _CRC.pack(crc32(covered))


def repaired(data: bytes) -> bytes:
    """A frame that was damaged, with the CRC of what it now holds."""
    return data[:-4] + _CRC.pack(crc32(data[1:-4]))


class Receiver:
    """Bytes in, bodies of whole frames out. What is wrong is dropped without a word."""

    __slots__ = ("_held", "_last_ms")

    def __init__(self) -> None:
        self._held = b""
        self._last_ms = 0

    def clear(self) -> None:
        """Forget a partial frame, as at power-up."""
        self._held = b""

    def feed(self, data: bytes, now_ms: int) -> list[bytes]:
        """Take bytes that arrived at `now_ms` and return the bodies that they complete, in order."""
        if self._held and now_ms - self._last_ms > LONGEST_PAUSE_MS:
            self._held = b""
        self._last_ms = now_ms
        bodies: list[bytes] = []
        for at in range(0, len(data), MOST_HELD // 2):  # so that a flood is never held whole
            self._cut(self._held + data[at : at + MOST_HELD // 2], bodies)
        return bodies

    def _cut(self, held: bytes, bodies: list[bytes]) -> None:
        """Move the whole frames of `held` into `bodies` and hold the rest."""
        size, at = len(held), 0
        while (at := held.find(SOF, at)) >= 0 and at + 3 <= size:
            body = at + 3
            end = body + (held[at + 1] << 8 | held[at + 2])
            if not SHORTEST_BODY <= end - body <= LONGEST_BODY:
                at += 1
            elif end + 4 > size:
                break
            elif crc32(held[at + 1 : end]) == _CRC.unpack_from(held, end)[0]:
                bodies.append(held[body:end])
                at = end + 4
            else:
                at += 1
        self._held = held[at:] if at >= 0 else b""
