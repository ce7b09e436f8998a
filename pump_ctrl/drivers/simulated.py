"""In-process byte link to a simulated pump, in virtual time. The link only: no truth passes through here.

Layer      drivers; imports ``base`` and the kernel. The wire is handed in, so nothing of ``sim`` is imported.
Hazard     a simulation that drifts from its own clock, or a real pump that is taken for a simulated one.
Invariant  the world moves through the clock alone: every move of the clock moves the wire, and a read moves
           the clock to the bytes that it returns or to its deadline.
Tests      tests/unit/test_simulated_link.py, tests/contract/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import LinkError


class Wire(Protocol):
    """What the link needs of a simulated wire. Times are true ms of the world."""

    @property
    def inbox(self) -> bytes:
        """What has arrived at the host and waits to be taken."""

    def send(self, data: bytes, at_ms: int) -> None:
        """Put bytes on the way to the pump."""

    def advance(self, to_ms: int) -> None:
        """Let the world and the bytes in flight get on to ``to_ms``."""

    def next_event_ms(self) -> int | None:
        """When something happens next at either end or in the world; None for never."""

    def take(self) -> bytes:
        """Take the bytes that have arrived at the host: the inbox is empty then."""


class SimulatedLink:
    """A ``Link`` whose reads move the virtual clock.

    Args:
        wire: the simulated wire with pump and world behind it; from now on it follows the clock.
        clock: the clock of the host; its true time is the wire's.
    """

    def __init__(self, wire: Wire, clock: VirtualClock) -> None:
        self.simulated = True  # the one place that says so
        self._wire = wire
        self._clock = clock
        self._closed = False
        self.now_ms: Callable[[], int] = clock.boot_ms  # the deadlines are measured on it
        clock.on_advance(wire.advance)

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        """Send ``data`` now; takes no time, so ``deadline_ms`` never matters.

        Raises:
            LinkError: the link is closed, or the wire is broken.
        """
        if self._closed:
            raise _closed()
        try:
            self._wire.send(data, self._clock.true_ms)
        except OSError as err:
            raise LinkError(
                f"The simulated wire is broken: {err}.", pump_state="What it runs goes on."
            ) from err

    def read(self, *, deadline_ms: int) -> bytes:
        """Advance the clock to the next bytes and return them, or to ``deadline_ms`` and return ``b""``.

        A deadline in the past moves nothing and returns what has arrived.

        Raises:
            LinkError: the link is closed, or the wire is broken.
        """
        if deadline_ms <= 0 and not (self._closed or self._wire.inbox):
            return b""  # as nearly always when it is only looked whether something has come
        return self._wire.take() if self.wait(deadline_ms) else b""

    def wait(self, until_ms: int) -> bool:
        """Advance the clock to ``until_ms`` or, if earlier, to the arrival of bytes; they stay for ``read``.

        Returns:
            Whether bytes wait to be read.

        Raises:
            LinkError: the link is closed, or the wire is broken.
        """
        if self._closed:
            raise _closed()
        wire, clock = self._wire, self._clock
        try:
            while not wire.inbox:
                left_ms = until_ms - clock.boot_ms()
                if left_ms <= 0:
                    return False
                event_ms = wire.next_event_ms()
                if event_ms is None or (to_event_ms := event_ms - clock.true_ms) >= left_ms:
                    clock.advance(left_ms)
                    return bool(wire.inbox)
                clock.advance(max(1, to_event_ms))  # 1 at least: an event may stay due
        except OSError as err:
            raise LinkError(
                f"The simulated wire is broken: {err}.", pump_state="What it runs goes on."
            ) from err
        return True

    def close(self) -> None:
        """Use no more; the world goes on to follow the clock. Safe to repeat."""
        self._closed = True


def _closed() -> LinkError:
    return LinkError("The link is closed.", do_now="Open a new one.")
