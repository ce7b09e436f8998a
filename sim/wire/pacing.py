"""A wire that takes as long as a serial line: ten bits a byte, one byte after the other, each way.

Layer      sim.wire.
Grain      a message gets to the pump whole, when its last byte would be there, so that faults find messages; the
           reply comes to the host byte by byte, in whole ms.
Time       the pump's: where it goes by faster than ours, so does the line.
Tests      tests/wire/test_pacing.py
"""

from collections import deque
from typing import Final

from sim.wire.station import Wire

_BITS: Final = 10  # of a byte: start, eight, stop
_US: Final = 1_000_000
_US_PER_MS: Final = 1_000


class PacedWire:
    """Wraps a wire; ``baud`` bits a second go over it.

    Raises:
        ValueError: the rate is none.
    """

    def __init__(self, wire: Wire, baud: int) -> None:
        if not 50 <= baud <= 4_000_000:
            raise ValueError(f"a baud rate of {baud} is not 50 to 4000000")
        self._wire, self._baud = wire, baud
        self._to_pump: deque[tuple[int, bytes]] = deque()  # arrival of the last byte, us
        self._to_host: deque[tuple[int, int]] = deque()  # arrival us, byte
        self.inbox = b""  # what has got to the host
        self._busy_us = [0, 0]  # until when each way is taken
        self._now_ms = 0

    def send(self, data: bytes, at_ms: int) -> None:
        """The host sends; the pump hears the message when all of it is over."""
        if data:
            self._to_pump.append((self._over_us(0, at_ms, len(data)), data))

    def _over_us(self, way: int, at_ms: int, count: int) -> int:
        """When so many more bytes are over, if the line is free then."""
        begin = max(self._busy_us[way], at_ms * _US_PER_MS)
        self._busy_us[way] = begin + -(-count * _BITS * _US // self._baud)
        return self._busy_us[way]

    def advance(self, to_ms: int) -> None:
        """Let time pass; what arrives on the way arrives in its ms, not before."""
        wire = self._wire
        while self._to_pump and (at_ms := _whole_ms(self._to_pump[0][0])) <= to_ms:
            self._move(at_ms)
            wire.send(self._to_pump.popleft()[1], at_ms)
            self._step(at_ms)
        self._move(to_ms)

    def _move(self, to_ms: int) -> None:
        """Bring the pump to an instant, by way of every event, so that each reply begins when it was said."""
        wire = self._wire
        while (event_ms := wire.next_event_ms()) is not None and self._now_ms < event_ms < to_ms:
            self._step(event_ms)
        self._step(to_ms)

    def _step(self, to_ms: int) -> None:
        self._wire.advance(to_ms)
        self._now_ms = to_ms
        for byte in self._wire.take():
            self._to_host.append((self._over_us(1, to_ms, 1), byte))
        while self._to_host and _whole_ms(self._to_host[0][0]) <= to_ms:
            self.inbox += bytes((self._to_host.popleft()[1],))

    def next_event_ms(self) -> int | None:
        """First moment at which a byte gets to either end, or the pump has something to say."""
        events = [self._wire.next_event_ms()]
        events += [_whole_ms(line[0][0]) for line in (self._to_pump, self._to_host) if line]
        return min((event for event in events if event is not None), default=None)

    def take(self) -> bytes:
        """Bytes that have got to the host."""
        got, self.inbox = self.inbox, b""
        return got


def _whole_ms(us: int) -> int:
    return -(-us // _US_PER_MS)
