"""Several on one line, or round one pump: their worlds move together, and no wire is left behind.

Layer      sim.wire.
Tests      tests/wire/test_shared.py
"""

from collections.abc import Sequence

from sim.wire.station import Wire
from sim.world import World


class Together:
    """Worlds that stand at the same instant."""

    def __init__(self, worlds: Sequence[World]) -> None:
        self._worlds = tuple(worlds)

    @property
    def now_ms(self) -> int:
        """True time of all."""
        return self._worlds[0].now_ms

    def advance(self, to_ms: int) -> None:
        """Let time pass in all."""
        for world in self._worlds:
            world.advance(to_ms)

    def next_event_ms(self) -> int | None:
        """When something happens next that can be noticed from outside; None for never."""
        events = (world.next_event_ms() for world in self._worlds)
        return min((event for event in events if event is not None), default=None)


class Company:
    """Wires that reach one world, or worlds of one line: they move event by event, each in its turn.

    So a wire on which bytes take their time is where the world is when they come.
    """

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._wires, self._now_ms = tuple(wires), 0

    def advance(self, to_ms: int) -> None:
        """Let time pass for all."""
        while (event_ms := self.next_event_ms()) is not None and self._now_ms < event_ms < to_ms:
            self._step(event_ms)
        self._step(to_ms)

    def _step(self, to_ms: int) -> None:
        for wire in self._wires:
            wire.advance(to_ms)
        self._now_ms = to_ms

    def next_event_ms(self) -> int | None:
        """When something happens next that a host of any of them may notice."""
        events = (wire.next_event_ms() for wire in self._wires)
        return min((event for event in events if event is not None), default=None)


class Member:
    """A wire that moves with its company."""

    def __init__(self, wire: Wire, company: Company) -> None:
        self.send, self.take = wire.send, wire.take
        self.advance, self.next_event_ms = company.advance, company.next_event_ms


class Follower:
    """The wire of a pump that shares another one's line: it moves, and what it says goes out there."""

    def __init__(self, wire: Wire) -> None:
        self.advance = wire.advance

    def send(self, data: bytes, at_ms: int) -> None:
        """Nothing comes this way."""

    def next_event_ms(self) -> int | None:
        """What happens is the other one's to notice."""
        return None

    def take(self) -> bytes:
        """Nothing."""
        return b""


class NoPort:
    """The port of a pump that shares another one's line: nothing comes or goes."""

    name = ""

    def filenos(self) -> tuple[int, ...]:
        """Nothing to wait for."""
        return ()

    def read(self) -> bytes:
        """Nothing."""
        return b""

    def write(self, data: bytes) -> None:
        """The other port has sent it already."""

    def close(self) -> None:
        """There is nothing to close."""
