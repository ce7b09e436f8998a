"""Frames and parts of the reference protocol, host side: bytes in, values out, and back.

Layer      drivers; imports ``base`` and ``errors`` only. Never reads a port, waits or retries.
Hazard     F-10 to F-14: flipped bits, cut or joined frames, garbage, a babbling pump.
Invariant  a frame comes out only if every byte of it was covered by its CRC; at most 4,096 bytes are held.
Source     docs/reference-protocol.md, sections 1 to 3 and 5.
Tests      tests/unit/test_reference_codec.py, tests/unit/test_reference_codec_edges.py
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zlib import crc32

from pump_ctrl.drivers.base import Identity, PumpState, PumpStatus, Step, StepKind
from pump_ctrl.errors import WireError

VERSION: Final = 1
SOF: Final = 0x7E
MAX_HELD: Final = 4_096  # bytes a receiver may hold
_MIN_BODY, _MAX_BODY = 14, 512
_PREFIX, _CRC = 3, 4  # SOF and length; the check sum behind the body

_HEADER = struct.Struct(">BBIII")  # version, type, owner, epoch, seq
_COVERED = struct.Struct(">HBBIII")  # length of the body before it
_CHECK_SUM = struct.Struct(">I")
_IDENTITY = struct.Struct(">16s8s16sBIIIIH")
_STATUS = struct.Struct(">IIQQBQBIIBI")
_PROPOSAL = struct.Struct(">QIQ")  # id, generation, not_after
_STEP = struct.Struct(">BII")  # kind, volume_nl, duration_ms
_READ_BACK = struct.Struct(">QI")  # id, crc
_COMMIT = struct.Struct(">QIIQ")  # id, crc, generation, not_after
_ID = struct.Struct(">Q")
_RESULT = struct.Struct(">QBQ")  # id, what, given_nl

U32_MAX: Final = 0xFFFF_FFFF
U64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF


class Type(IntEnum):
    """Frame types that a host sends; the pump's reply has bit 7 set."""

    HELLO = 0x01
    STATUS = 0x02
    PROPOSE = 0x03
    COMMIT = 0x04
    STOP = 0x05
    OUTCOME = 0x06


REPLY_BIT: Final = 0x80
ALARM: Final = 0xC0
NAK: Final = 0xFF

KIND_CODES: Final = {StepKind.BASAL: 0, StepKind.BOLUS: 1, StepKind.PRIME: 2}
STATES: Final = (PumpState.IDLE, PumpState.RUNNING, PumpState.STALLED, PumpState.EMPTY, PumpState.FAILED)
ALARMS: Final = ("reset", "stall", "empty", "low_battery", "end_of_service", "low_reservoir")
NAK_CODES: Final = {
    1: "version", 2: "malformed", 3: "stale_epoch", 4: "stale_generation", 5: "late",
    6: "busy", 7: "range", 8: "used", 9: "conflict", 10: "failed",
}  # fmt: skip


class What(IntEnum):
    """What the pump says became of an id (section 3.4)."""

    UNKNOWN = 0
    PROPOSED = 1
    RUNNING = 2
    DONE = 3
    REPLACED = 4
    STOPPED = 5
    RESET = 6
    DROPPED = 7


VERDICTS: Final = tuple(What)


class NeedData(Enum):
    """No complete frame is held; feed more bytes."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA


class Frame(NamedTuple):
    """One frame whose CRC is right; ``version`` and ``type`` may still be nonsense."""

    version: int
    type: int
    owner: int
    epoch: int
    seq: int
    payload: bytes


class Told(NamedTuple):
    """A status and the generation that stood in it."""

    generation: int
    status: PumpStatus


@dataclass(frozen=True, slots=True)
class Ranges:
    """What the pump declares of itself. Volumes nL, times ms; ``outcomes`` = results it keeps."""

    max_steps: int
    step_nl: int
    max_nl_per_h: int
    max_lease_ms: int
    ttl_ms: int
    outcomes: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Reply to HELLO."""

    identity: Identity
    ranges: Ranges
    told: Told

    def is_same_pump(self, other: Hello) -> bool:
        """Whether both come from one pump, be it in different epochs."""
        mine, its = self.identity, other.identity
        names = (mine.model, mine.firmware, mine.serial) == (its.model, its.firmware, its.serial)
        return names and self.ranges == other.ranges


class ReadBack(NamedTuple):
    """Reply to PROPOSE: the CRC of the steps as the pump holds them."""

    id: int
    crc: int


class Result(NamedTuple):
    """Reply to COMMIT and OUTCOME."""

    id: int
    what: What
    given_nl: int
    told: Told


class Nak(NamedTuple):
    """The pump refused the request."""

    code: str
    told: Told


class FrameDecoder:
    """Bytes in, frames out. Owns no port, clock or thread, so every test is a list of bytes."""

    def __init__(self) -> None:
        self.held = b""  # the beginning of a frame, after ``next_frame`` has said NEED_DATA
        self._rescued: deque[Frame] = deque()
        self.noise = 0  # runs of bytes that belonged to no frame

    def feed(self, data: bytes) -> None:
        """Add what was received. Beyond 4,096 bytes the oldest are dropped, and counted as noise."""
        self.held += data
        if len(self.held) > MAX_HELD:
            self._drop(len(self.held) - MAX_HELD)

    def next_frame(self) -> Frame | Literal[NeedData.NEED_DATA]:
        """Cut the next frame out of what is held; bytes that belong to none are dropped and counted."""
        if self._rescued:
            return self._rescued.popleft()
        return self._scan() if self.held else NEED_DATA

    def drop_partial(self) -> None:
        """Give up the frame that has begun: the pause inside it was too long.

        What stood behind its SOF is searched once more, so that line noise that looked like the head of a
        long frame hides no reply. Nothing is held afterwards but whole frames.
        """
        while self.held:
            self._drop(1)
            while not isinstance(frame := self._scan(), NeedData):
                self._rescued.append(frame)

    def _scan(self) -> Frame | Literal[NeedData.NEED_DATA]:
        """Look for a frame and cut it out; what stands before it, or can begin none, is noise."""
        held, size, at = self.held, len(self.held), 0
        while at < size:
            if held[at] != SOF:
                self.noise += 1
                start = held.find(SOF, at)
                at = start if start > 0 else size
                continue
            body = at + _PREFIX
            if size < body:
                break
            length = held[at + 1] << 8 | held[at + 2]
            if _MIN_BODY <= length <= _MAX_BODY:
                end = body + length
                if size < end + _CRC:
                    break
                if crc32(held[at + 1 : end]) == _CHECK_SUM.unpack_from(held, end)[0]:
                    self.held = held[end + _CRC :]
                    version, kind, owner, epoch, seq = _HEADER.unpack_from(held, body)
                    return Frame(version, kind, owner, epoch, seq, held[body + _MIN_BODY : end])
            self.noise += 1  # no frame begins here
            at += 1
        self.held = held[at:]
        return NEED_DATA

    def _drop(self, count: int) -> None:
        self.noise += 1
        self.held = self.held[count:]


def encode_frame(kind: int, *, owner: int, epoch: int, seq: int, payload: bytes = b"") -> bytes:
    """Wrap a payload up as it goes over the wire."""
    covered = _COVERED.pack(_HEADER.size + len(payload), VERSION, kind, owner, epoch, seq) + payload
    return b"\x7e" + covered + _CHECK_SUM.pack(crc32(covered))


def encode_steps(steps: tuple[Step, ...]) -> bytes:
    """The step list: the bytes from ``count`` on, whose CRC-32 the pump reads back."""
    packed = [_STEP.pack(KIND_CODES[step.kind], step.volume_nl, step.duration_ms) for step in steps]
    return bytes((len(packed),)) + b"".join(packed)


def encode_proposal(permit_id: int, generation: int, not_after: int, steps: bytes) -> bytes:
    """Payload of PROPOSE; ``not_after`` in the pump's ``tick_ms``, ``steps`` from ``encode_steps``."""
    return _PROPOSAL.pack(permit_id, generation, not_after) + steps


def encode_commit(permit_id: int, crc: int, generation: int, not_after: int) -> bytes:
    """Payload of COMMIT."""
    return _COMMIT.pack(permit_id, crc, generation, not_after)


def encode_id(permit_id: int) -> bytes:
    """Payload of OUTCOME."""
    return _ID.pack(permit_id)


def decode_status(payload: bytes, epoch: int) -> Told:
    """Read a status.

    Raises:
        WireError: wrong size, or values that the protocol does not have.
    """
    if len(payload) != _STATUS.size:
        raise _wrong_size(payload, _STATUS.size)
    (generation, tick, tick_ms, delivered, state,
     running, index, done, reservoir, battery, alarms) = _STATUS.unpack(payload)  # fmt: skip
    if state >= len(STATES) or battery > 100 or epoch == 0:
        raise WireError(f"status with state {state}, battery {battery} %, epoch {epoch}")
    status = PumpStatus(
        epoch, tick, tick_ms, STATES[state], delivered,
        running or None, index, done, reservoir, battery, _alarm_names(alarms),
    )  # fmt: skip
    return Told(generation, status)


def decode_hello(payload: bytes, epoch: int) -> Hello:
    """Read the reply to HELLO.

    Raises:
        WireError: wrong size, text that is not ASCII, a range of 0, or a bad status.
    """
    if len(payload) != _IDENTITY.size + _STATUS.size:
        raise _wrong_size(payload, _IDENTITY.size + _STATUS.size)
    model, firmware, serial, *numbers = _IDENTITY.unpack_from(payload)
    if 0 in numbers:
        raise WireError(f"the pump declares a range of 0: {numbers}")
    identity = Identity(_text(model), _text(firmware), _text(serial) or None, epoch)
    return Hello(identity, Ranges(*numbers), decode_status(payload[_IDENTITY.size :], epoch))


def decode_read_back(payload: bytes, epoch: int) -> ReadBack:
    """Read the reply to PROPOSE, which holds no status and so no use for ``epoch``.

    Raises:
        WireError: wrong size.
    """
    if len(payload) != _READ_BACK.size:
        raise _wrong_size(payload, _READ_BACK.size)
    return ReadBack(*_READ_BACK.unpack(payload))


def decode_result(payload: bytes, epoch: int) -> Result:
    """Read the reply to COMMIT or OUTCOME.

    Raises:
        WireError: wrong size, a verdict the protocol does not have, or a bad status.
    """
    if len(payload) != _RESULT.size + _STATUS.size:
        raise _wrong_size(payload, _RESULT.size + _STATUS.size)
    permit_id, what, given_nl = _RESULT.unpack_from(payload)
    if what >= len(VERDICTS):
        raise WireError(f"result {what} does not exist")
    return Result(permit_id, VERDICTS[what], given_nl, decode_status(payload[_RESULT.size :], epoch))


def decode_nak(payload: bytes, epoch: int) -> Nak:
    """Read a refusal; a code the page does not name becomes ``code-N``.

    Raises:
        WireError: wrong size, or a bad status.
    """
    if len(payload) != 1 + _STATUS.size:
        raise _wrong_size(payload, 1 + _STATUS.size)
    return Nak(NAK_CODES.get(payload[0], f"code-{payload[0]}"), decode_status(payload[1:], epoch))


def _wrong_size(payload: bytes, size: int) -> WireError:
    return WireError(f"payload of {len(payload)} bytes, expected {size}")


def _text(padded: bytes) -> str:
    try:
        return padded.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError as err:
        raise WireError(f"{padded!r} is not ASCII") from err


@lru_cache(maxsize=64)
def _alarm_names(bits: int) -> frozenset[str]:
    """Names of the set bits; a bit the page does not name is kept as ``bit-N``, never lost."""
    numbers = (n for n in range(32) if bits >> n & 1)
    return frozenset(ALARMS[n] if n < len(ALARMS) else f"bit-{n}" for n in numbers)
