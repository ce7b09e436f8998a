"""Several pumps on one line: their worlds move together, and every byte goes to all of them.

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
