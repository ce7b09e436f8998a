"""One request and its reply over a link: deadlines, matching by owner and seq, pushed alarms, noise.

Layer      drivers; imports its codec, ``base`` and ``errors``. Decides nothing about doses.
Hazard     F-05, F-07, F-14, F-16: replies that belong to another request, session or time; a babbling pump.
Invariant  what is returned is the reply to the request just sent, or silence; nothing is ever sent again.
Source     docs/reference-protocol.md, sections 1 and 2.
Tests      tests/unit/test_reference_line.py, tests/unit/test_reference_driver.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from pump_ctrl.drivers import reference_codec as codec
from pump_ctrl.drivers.base import Link, PumpStatus
from pump_ctrl.errors import LinkError, WireError

EXCHANGE_MS: Final = 500  # all that one exchange may take
PAUSE_MS: Final = 200  # a longer pause inside a frame ends it
FLOOD_BYTES: Final = 65_536  # more than that in one exchange is a babbling pump
PUSHES_KEPT: Final = 16
_NO_PAUSE_MS: Final = 1 << 62  # nothing is awaited inside a frame

_Reply = TypeVar("_Reply")


class Silence(NamedTuple):
    """No usable reply came within the deadline."""

    detail: str


class Conversation:
    """The host's side of the wire: numbers its requests and finds their replies.

    Args:
        link: the byte pipe.
        owner: the number of this session, in every request.

    Attributes:
        read_ms: the link's clock after the last read; right after a reply, when it was found.
    """

    def __init__(self, link: Link, owner: int) -> None:
        self._link = link
        self._owner = owner
        self._decoder = codec.FrameDecoder()
        self._pushed: deque[PumpStatus] = deque(maxlen=PUSHES_KEPT)
        self._seq = 0
        self._ignored = 0
        self._heard_ms = self.read_ms = 0
        self._allowance = 0

    @property
    def noise(self) -> int:
        """Frames that were not for us or made no sense, and runs of bytes that were no frame."""
        return self._ignored + self._decoder.noise

    def ask(
        self, kind: codec.Type, decode: Callable[[bytes, int], _Reply], *, epoch: int, payload: bytes = b""
    ) -> _Reply | codec.Nak | Silence:
        """Send one request, once, and wait up to 500 ms for the reply of the same owner and seq."""
        self._seq = self._seq % codec.U32_MAX + 1
        data = codec.encode_frame(kind, owner=self._owner, epoch=epoch, seq=self._seq, payload=payload)
        try:
            deadline_ms = self._link.now_ms() + EXCHANGE_MS
            self._link.write(data, deadline_ms=deadline_ms)
            return self._await(kind, decode, deadline_ms)
        except (LinkError, OSError) as err:
            return Silence(f"the link failed: {err}")

    def pushed(self) -> tuple[PumpStatus, ...]:
        """Take the alarms that came unasked, oldest first (the newest 16); waits for nothing."""
        self._allowance = FLOOD_BYTES
        try:
            now_ms = self._link.now_ms()
            while (frame := self._next_frame(now_ms)) is not None:
                self._sort_out(frame)
        except (LinkError, OSError):
            self._ignored += 1  # the next exchange meets the broken link too, and says so
        if not self._pushed:
            return ()
        taken = tuple(self._pushed)
        self._pushed.clear()
        return taken

    def _await(
        self, kind: codec.Type, decode: Callable[[bytes, int], _Reply], deadline_ms: int
    ) -> _Reply | codec.Nak | Silence:
        self._allowance = FLOOD_BYTES
        while (frame := self._next_frame(deadline_ms)) is not None:
            reply = self._match(frame, kind, decode)
            if reply is not None:
                return reply
        if self._allowance <= 0:
            return Silence(f"the pump babbles: over {FLOOD_BYTES} bytes and no reply among them")
        return Silence(f"no usable reply within {EXCHANGE_MS} ms")

    def _match(
        self, frame: codec.Frame, kind: codec.Type, decode: Callable[[bytes, int], _Reply]
    ) -> _Reply | codec.Nak | None:
        """Return the reply if the frame is it; anything else is sorted out or counted.

        Version, owner and seq make it the reply, whatever its epoch: a pump that has powered up answers in a
        new one.
        """
        version, type_, owner, epoch, seq, payload = frame
        if seq != self._seq or owner != self._owner or version != codec.VERSION:
            self._sort_out(frame)
            return None
        try:
            if type_ == kind | codec.REPLY_BIT:
                return decode(payload, epoch)
            if type_ == codec.NAK:
                return codec.decode_nak(payload, epoch)
            raise WireError(f"type {type_:#x} is no reply to {kind.name}")
        except WireError:
            self._ignored += 1
            return None

    def _sort_out(self, frame: codec.Frame) -> None:
        """Keep a pushed alarm, count everything else."""
        try:
            if (frame.version, frame.type, frame.owner, frame.seq) != (codec.VERSION, codec.ALARM, 0, 0):
                raise WireError("a frame that belongs to no request of ours")
            self._pushed.append(codec.decode_status(frame.payload, frame.epoch).status)
        except WireError:
            self._ignored += 1

    def _next_frame(self, deadline_ms: int) -> codec.Frame | None:
        """Return the next frame, or None when the deadline has come or the pump babbles."""
        while (frame := self._decoder.next_frame()) is codec.NEED_DATA:
            if self._allowance <= 0 or not self._read(deadline_ms):
                return None
        return frame

    def _read(self, deadline_ms: int) -> bool:
        """Read once into the decoder; False when nothing more is to be had by the deadline."""
        pause_over_ms = self._heard_ms + PAUSE_MS + 1 if self._decoder.held else _NO_PAUSE_MS
        data = self._link.read(deadline_ms=deadline_ms if deadline_ms < pause_over_ms else pause_over_ms)
        self.read_ms = now_ms = self._link.now_ms()
        if now_ms >= pause_over_ms:
            self._decoder.drop_partial()
        if not data:
            return now_ms < deadline_ms
        self._heard_ms = now_ms
        self._allowance -= len(data)
        self._decoder.feed(data)
        return True
