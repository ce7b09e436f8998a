"""What a running controller waits for: the next deadline, its pump, the console, a signal.

Layer      live.
Hazard     F-14, F-44, F-60: a babbling line that takes all the time, a wait that sleeps through a suspend.
Invariant  ``wait`` returns at its deadline at the latest, and at once when somebody asks for something.
Tests      tests/unit/test_live_inputs.py
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, Protocol

from pump_ctrl.console import ConsoleServer

LONGEST_MS: Final = 10_000  # real time; a wait does not count through a suspend of the host, so none is long
LINE_PAUSE_MS: Final = 50  # real time; a line that always has something to say is looked at so often
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Clock(Protocol):
    """Boot time, and how much faster than real it runs."""

    def boot_ms(self) -> int:
        """Milliseconds since boot."""


class Signals:
    """Counts the times that the process was asked to end; each wakes whoever waits on ``fileno``."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)

    def fileno(self) -> int:
        """To be waited for."""
        return self._woken.fileno()

    def drain(self) -> None:
        """Forget the wake-ups; the count stays."""
        with suppress(BlockingIOError):
            while self._woken.recv(64):
                pass

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Catch SIGINT, SIGTERM and SIGHUP in here."""
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.last = signal.Signals(number).name

    def close(self) -> None:
        """Close both ends."""
        self._wake.close()
        self._woken.close()


class Inputs:
    """The runner's ``wait``.

    Args:
        clock: what the deadlines are told on.
        line: file descriptor of the pump's line; None where there is none, or none at this moment.
        console: who asks for things.
        signals: who asks to end.
        also: another deadline that a wait must not outlast.
        speed: ms of ``clock`` in a real one.
    """

    def __init__(
        self,
        clock: Clock,
        line: Callable[[], int | None],
        console: ConsoleServer,
        signals: Signals,
        also: Callable[[], int],
        speed: int = 1,
    ) -> None:
        self._clock, self._line, self._console, self._signals = clock, line, console, signals
        self._also, self._speed = also, speed
        self._deaf_until = 0  # boot time until which the line is not waited for

    def wait(self, until_ms: int) -> None:
        """Return at ``until_ms`` of boot time, or when something has come."""
        now = self._clock.boot_ms()
        left = (min(until_ms, self._also()) - now) // self._speed
        if self._console.busy or left <= 0:
            return
        line = self._line()
        hears = line is not None and now >= self._deaf_until
        if line is not None and not hears:
            left = min(left, LINE_PAUSE_MS)
        ready = self._poll(line if hears else None, min(left, LONGEST_MS))
        if line in ready:
            self._deaf_until = self._clock.boot_ms() + LINE_PAUSE_MS * self._speed
        self._signals.drain()
        self._console.poll()

    def _poll(self, line: int | None, timeout_ms: int) -> set[int]:
        poll = select.poll()
        for fd in (*self._console.readers(), self._signals.fileno(), *(() if line is None else (line,))):
            poll.register(fd, select.POLLIN)
        for fd in self._console.writers():
            poll.modify(fd, select.POLLIN | select.POLLOUT)
        return {fd for fd, _ in poll.poll(max(1, timeout_ms))}


def descriptor(link: object) -> Callable[[], int | None]:
    """How to find the file descriptor of a link: its ``fileno``, as long as that is one."""
    ask = getattr(link, "fileno", None)

    def find() -> int | None:
        if ask is None:
            return None
        try:
            fd = ask()
            os.fstat(fd)
        except (OSError, TypeError, ValueError):
            return None
        return int(fd)

    return find
