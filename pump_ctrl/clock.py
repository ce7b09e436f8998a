"""Clocks. Intervals come from the boot-time clock, labels from UTC; the two are never mixed.

Layer      kernel. The pure core (controller, therapy, safety.rules, safety.history) never imports this:
           ``now`` is a parameter there.
Hazard     F-42 to F-47: wall-clock jumps, suspend, reboot.
Tests      tests/unit/test_clock.py, tests/unit/test_live_trial.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What every clock offers. All values are integer milliseconds."""

    def boot_ms(self) -> int:
        """Milliseconds since the host booted; counts through suspend; restarts at a reboot."""

    def utc_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00Z; may jump when somebody sets the wall clock."""

    def boot_id(self) -> str:
        """A text that is the same as long as ``boot_ms`` is comparable."""


class SystemClock:
    """The host's clocks: CLOCK_BOOTTIME for intervals, CLOCK_REALTIME for labels."""

    def __init__(self) -> None:
        self._boot_id = ""  # read once: no process outlives its boot

    def boot_ms(self) -> int:
        """Milliseconds since boot, suspend included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def utc_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def boot_id(self) -> str:
        """The kernel's identity of this boot."""
        if not self._boot_id:
            self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return self._boot_id


class TrialClock:
    """Another clock, faster: for trials on simulated pumps that are as fast. Never beside a real pump.

    Args:
        clock: the host's.
        speed: how many ms go by in one of ``clock``.
        boot_ms, utc_ms: when, by ``clock``, the trial began; a later process of it takes the same.
    """

    def __init__(self, clock: Clock, speed: int, boot_ms: int, utc_ms: int) -> None:
        self._clock, self.speed, self._began_ms, self._utc_ms = clock, speed, boot_ms, utc_ms

    def _gone_ms(self) -> int:
        return (self._clock.boot_ms() - self._began_ms) * self.speed

    def boot_ms(self) -> int:
        """Milliseconds of the trial, counted on from the boot time at which it began."""
        return self._began_ms + self._gone_ms()

    def utc_ms(self) -> int:
        """UTC of the trial's beginning and what has gone by since; a wall clock that jumps is not seen."""
        return self._utc_ms + self._gone_ms()

    def boot_id(self) -> str:
        """The host's, with the speed."""
        return f"{self._clock.boot_id()}x{self.speed}"


class VirtualClock:
    """A clock that moves only when it is told to; everything that follows time hangs on ``on_advance``.

    Args:
        utc_ms: UTC label of the first instant, ms since the epoch.
        boot_ms: reading of the boot-time clock at the first instant.

    Attributes:
        true_ms: milliseconds that have truly gone by since the clock was made; no jump or reboot touches it, and
            only ``advance`` changes it.
    """

    def __init__(self, *, utc_ms: int = 0, boot_ms: int = 0) -> None:
        self.true_ms = 0
        self._boot_offset = boot_ms
        self._utc_offset = utc_ms
        self._boots, self._boot_id = 0, "virtual-boot-0"
        self._followers: list[Callable[[int], None]] = []

    def boot_ms(self) -> int:
        """Simulated milliseconds since boot."""
        return self.true_ms + self._boot_offset

    def utc_ms(self) -> int:
        """Simulated wall clock."""
        return self.true_ms + self._utc_offset

    def boot_id(self) -> str:
        """Changes with each ``reboot``."""
        return self._boot_id

    def on_advance(self, follower: Callable[[int], None]) -> None:
        """Call ``follower(true_ms)`` after every move, so that the simulated world keeps up."""
        self._followers.append(follower)

    def advance(self, ms: int) -> None:
        """Let ``ms`` milliseconds go by.

        Raises:
            ValueError: ``ms`` is negative; time does not run backwards.
        """
        if ms < 0:
            raise ValueError(f"time does not run backwards: {ms} ms")
        self.true_ms += ms
        for follower in self._followers:
            follower(self.true_ms)

    def advance_to_boot(self, boot_ms: int) -> None:
        """Advance until ``boot_ms()`` reads at least ``boot_ms``; a moment in the past moves nothing."""
        self.advance(max(0, boot_ms - self.boot_ms()))

    def jump_wall(self, ms: int) -> None:
        """Somebody sets the wall clock forward (or back, negative) by ``ms``."""
        self._utc_offset += ms

    def reboot(self) -> None:
        """The host reboots: the boot-time clock starts again at zero under a new boot id."""
        self._boots += 1
        self._boot_id = f"virtual-boot-{self._boots}"
        self._boot_offset = -self.true_ms
