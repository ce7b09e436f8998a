"""A line on which nobody answers but an input: what comes to the first thing said, to the second, and so on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

ENDLESS: Final = b"**"  # a reply that begins so never ends, and takes no time
AT_ONCE: Final = 256  # bytes of it in one read, at least
Arrivals = Iterator[tuple[int, bytes]]  # (ms later, bytes)


class Tape:
    """A ``Link`` in virtual time.

    Args:
        replies: one for each write; then silence.
        style: how they arrive: 0 whole, 1 byte by byte, 2 in halves with a pause, 3 with junk around.
    """

    simulated = False

    def __init__(self, replies: Sequence[bytes], style: int = 0) -> None:
        self._replies, self._style = deque(replies), style
        self._coming: deque[tuple[int, Arrivals]] = deque()
        self._next: tuple[int, bytes] | None = None
        self._endless = b""
        self._now = 1_000
        self.sent: list[bytes] = []

    def now_ms(self) -> int:
        return self._now

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        assert self._now <= deadline_ms <= self._now + 500, "an exchange takes 500 ms at the most"
        self.sent.append(data)
        reply = self._replies.popleft() if self._replies else b""
        if reply.startswith(ENDLESS):
            endless = reply[len(ENDLESS) :] or b"x"
            self._endless = endless * (AT_ONCE // len(endless) + 1)
        self._coming.append((self._now + 20, _STYLES[self._style](reply)))

    def read(self, *, deadline_ms: int) -> bytes:
        due = self._due()
        if due is not None and due[0] <= max(deadline_ms, self._now):
            self._now, self._next = max(self._now, due[0]), None
            return due[1]
        if self._endless and self._now < deadline_ms:
            return self._endless
        self._now = max(self._now, deadline_ms)
        return b""

    def _due(self) -> tuple[int, bytes] | None:
        """What arrives next, and when."""
        while self._next is None and self._coming:
            sent, arrivals = self._coming[0]
            later, piece = next(arrivals, (0, b""))
            if piece:
                self._next = (sent + later, piece)
            else:
                self._coming.popleft()
        return self._next

    def close(self) -> None:
        """There is nothing to give back."""


def _whole(reply: bytes) -> Arrivals:
    yield 0, reply


def _byte_by_byte(reply: bytes) -> Arrivals:
    for at in range(len(reply)):
        yield at, reply[at : at + 1]


def _halves(reply: bytes) -> Arrivals:
    middle = len(reply) // 2
    if middle:
        yield 0, reply[:middle]
    yield 120, reply[middle:]


def _in_junk(reply: bytes) -> Arrivals:
    yield 0, b"\xff\x7e" + reply
    yield 1, b"\x02\x30\x00"


_STYLES: Final[tuple[Callable[[bytes], Arrivals], ...]] = (_whole, _byte_by_byte, _halves, _in_junk)
STYLES: Final = len(_STYLES)
