"""The pump's clock and its motor: what is counted, and the even line through the counts.

Layer      sim. Imports `sim.models`.
Counts     `Motor.steps`, the pump steps that the pump saw its motor make: floor(n t / d) within a step of n
           pump steps over d ms, all n at its end (protocol page, section 4).
Even line  rises evenly where the count jumps, so that the truth drawn from it has a handful of corners a
           day instead of ten thousand. It is never behind the count and less than one pump step ahead of it:
           a step that is cut between two pump steps leaves it ahead, and it then waits until the line of the
           counts has come up. The difference never adds up.
Invariant  everything is a closed form of the time since the last change; a query changes nothing.
Units      true time and pump time ms, volumes pL, drift ppm; integers only.
Tests      tests/unit/sim/test_mechanism.py, tests/properties/test_world_step_independence.py
"""

from typing import Final

from sim.fluid import PL_PER_NL
from sim.models import Model

NEVER: Final = 1 << 62  # later than any time of a run, ms
MILLION: Final = 1_000_000
HOUR_MS: Final = 3_600_000


class PumpClock:
    """The pump's own time, ms since power-up: true time x (1 + drift), rounded down."""

    __slots__ = ("_own_ms", "_scale", "_true_ms")

    def __init__(self) -> None:
        self._true_ms = 0
        self._own_ms = 0
        self._scale = MILLION

    def own(self, true_ms: int) -> int:
        """Pump time at a true time."""
        if self._scale == MILLION:
            return true_ms - self._true_ms + self._own_ms
        return self._own_ms + (true_ms - self._true_ms) * self._scale // MILLION

    def true(self, own_ms: int) -> int:
        """First true time at which the pump's clock shows `own_ms` or more."""
        if own_ms >= NEVER:
            return NEVER
        if self._scale == MILLION:
            return own_ms - self._own_ms + self._true_ms
        return self._true_ms - ((self._own_ms - own_ms) * MILLION) // self._scale

    def restart(self, true_ms: int) -> None:
        """Power-up: the pump's clock begins again at 0; its drift stays."""
        self._true_ms, self._own_ms = true_ms, 0

    def drift(self, true_ms: int, ppm: int) -> None:
        """From now on run fast (ppm > 0) or slow; above -1,000,000 ppm."""
        if ppm <= -MILLION:
            raise ValueError(f"a pump clock cannot run {ppm} ppm off: it would stand still or run back")
        self._own_ms, self._true_ms = self.own(true_ms), true_ms
        self._scale = MILLION + ppm


class Motor:
    """Counts of the motor, and the even line through them. All times are the pump's own.

    A gear is num/den pump steps per ms from `_origin` on, over `_base` steps made before.
    """

    __slots__ = (
        "_base",
        "_den",
        "_factor",
        "_goal",
        "_high",
        "_max_den",
        "_max_num",
        "_num",
        "_origin",
        "_wanted",
        "blocked",
        "due_ms",
        "silent",
        "step_pl",
    )

    def __init__(self, model: Model) -> None:
        self.step_pl = model.step_nl * PL_PER_NL
        self._max_num, self._max_den = model.max_nl_per_h, HOUR_MS * model.step_nl
        self._base = self._high = self._origin = self._num = 0
        self._den = self._factor = 1
        self._wanted = (0, 1)  # pump steps in so many ms
        self._goal = (0, 0)  # count at the end of the step, and when that is
        self.blocked = self.silent = False
        self.due_ms = NEVER  # when a blocked motor should make its next step, and cannot

    @property
    def runs_away(self) -> bool:
        """Whether it turns faster than told."""
        return self._factor > 1

    def steps(self, own_ms: int) -> int:
        """Pump steps made since the pump was built."""
        return self._base + self._num * (own_ms - self._origin) // self._den

    def even(self, own_ms: int) -> int:
        """The even line, pL: counted volume <= line < counted volume + one pump step."""
        line = (self._base * self._den + self._num * (own_ms - self._origin)) * self.step_pl // self._den
        return line if line > self._high else self._high

    def begin(self, own_ms: int, steps: int, duration_ms: int) -> None:
        """Make `steps` pump steps in `duration_ms`, from `own_ms` on; whoever calls this also ends it."""
        self._settle(own_ms)
        self._wanted = (steps, duration_ms)
        self._goal = (self._base + steps, own_ms + duration_ms)
        self._engage()
        self.due_ms = own_ms - (-duration_ms // steps) if self.blocked and steps else NEVER

    def halt(self, own_ms: int) -> None:
        """Stand still."""
        self.begin(own_ms, 0, 1)

    def block(self, own_ms: int, *, silent: bool) -> None:
        """Stall: no step is made and none is counted. `silent`: the pump does not notice."""
        if not self.blocked:
            self.due_ms = self.when(self.steps(own_ms) + 1)
        self.silent = silent
        self.blocked = True
        self._settle(own_ms)
        self._engage()

    def free(self, own_ms: int, *, catch_up: bool = False) -> None:
        """The stall is over; a step that still runs goes on at its rate, and what was lost stays lost.

        `catch_up`: it goes faster, within the pump's own bound, so that its volume is complete at its end.
        """
        if not self.blocked:
            return
        self.blocked = self.silent = False
        self.due_ms = NEVER
        self._settle(own_ms)
        count, end_ms = self._goal
        if catch_up and self._base < count and own_ms < end_ms:
            self._wanted = (count - self._base, end_ms - own_ms)
        self._engage()

    def run_away(self, own_ms: int, factor: int) -> None:
        """Turn `factor` times as fast as told, counted, yet never faster than the pump's own hourly bound."""
        self._factor = factor
        self._settle(own_ms)
        self._engage()

    def when(self, steps: int) -> int:
        """First time at which `steps` pump steps have been made in this gear; NEVER if it stands."""
        if steps <= self._base:
            return self._origin
        if not self._num:
            return NEVER
        return self._origin - (-(steps - self._base) * self._den // self._num)

    def catches_up(self) -> int:
        """Time at which the line leaves the level it waited at; NEVER if it did not wait or does not move."""
        behind = self._high - self._base * self.step_pl
        if not self._num or behind <= 0:
            return NEVER
        return self._origin - (-behind * self._den // (self._num * self.step_pl))

    def _settle(self, own_ms: int) -> None:
        turned = self._base * self._den + self._num * (own_ms - self._origin)  # in 1/den pump steps
        line = turned * self.step_pl // self._den
        self._high = line if line > self._high else self._high
        self._base = turned // self._den
        self._origin, self._num, self._den = own_ms, 0, 1

    def _engage(self) -> None:
        steps, duration = self._wanted
        if self.blocked or not steps:
            self._num, self._den = 0, 1
        elif steps * self._factor * self._max_den <= self._max_num * duration:
            self._num, self._den = steps * self._factor, duration
        else:
            self._num, self._den = self._max_num, self._max_den
