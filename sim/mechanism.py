"""Reservoir, motor and path together: what the motor's turning truly moves.

Layer      sim. Imports `sim.motor` (counts), `sim.fluid` and `sim.truth` (the curve that it draws).
Apart      what is counted is the motor's; what flows is gain x its even line, less where flow is blocked.
           Nothing here is known to the firmware but the count.
Invariant  everything is a closed form of the time since the last event; a query changes nothing.
Units      `t_ms` true time, `own_ms` pump time, volumes pL, gain ppm; integers only.
Tests      tests/unit/sim/test_mechanism.py, tests/properties/test_world_step_independence.py
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from sim.fluid import Fluid, FluidPath, Reservoir
from sim.motor import HOUR_MS, MILLION, NEVER, Motor, PumpClock
from sim.truth import Curve

RELEASE_MS: Final = 1_000  # an occlusion lets go of what it held within seconds (time constant R*C)


class Flow(NamedTuple):
    """Volumes at one instant, pL: gone out of the pump, left to draw in the reservoir, held behind an
    occlusion.
    """

    out_pl: int
    left_pl: int
    stored_pl: int


class Mechanism:
    """Reservoir, motor and path together; times are true ms.

    Volume drawn goes out of the tip, or, under an occlusion, is stored until that clears. Nothing is drawn
    from an empty reservoir, though the motor turns and counts. Methods that change something take the
    instant of the change and must be called in the order of time.
    """

    __slots__ = (
        "_disp_pl",
        "_free_pl_per_h",
        "_gain",
        "_gain_disp",
        "_gain_even",
        "_left_pl",
        "_out_pl",
        "_plain",
        "_pressed",
        "_release_end",
        "_stored_pl",
        "_t",
        "_true_gain",
        "clock",
        "curve",
        "motor",
        "no_flow",
        "occluded",
        "path",
        "reservoir",
        "stored_limit_pl",
    )

    def __init__(
        self, motor: Motor, reservoir: Reservoir, path: FluidPath, fill_pl: int, gain_ppm: int
    ) -> None:
        self.clock = PumpClock()
        self.motor, self.reservoir, self.path = motor, reservoir, path
        self.curve = Curve()
        self._t = self._out_pl = self._stored_pl = self._release_end = self._free_pl_per_h = 0
        self._disp_pl = self._gain_disp = self._gain_even = 0
        self._left_pl = fill_pl
        self._gain = self._true_gain = gain_ppm
        self.no_flow = self.occluded = False
        self.stored_limit_pl = 0
        self._plain = True
        self._pressed = False

    # Queries: they change nothing.

    def steps(self, t_ms: int) -> int:
        """Pump steps made up to `t_ms`."""
        return self.motor.steps(self.clock.own(t_ms))

    def flow(self, t_ms: int) -> Flow:
        """True volumes at `t_ms`, not before the last event."""
        return self._flow(t_ms, self._displaced(t_ms))

    def corners(self, t_ms: int) -> list[tuple[int, int]]:
        """Corners (ms, pL) of the true curve since the last event and before `t_ms`, in order."""
        found = []
        waits = self.motor.catches_up()
        if waits < NEVER:
            found.append(self.clock.true(waits))
        if not self._plain:
            found.append(self._release_end)
        if 0 < self._left_pl <= self._pushed(t_ms, self._displaced(t_ms)):
            found.append(self._first(lambda t: not self.flow(t).left_pl, t_ms))
        if not found:  # as nearly always
            return []
        return [(t, self.flow(t).out_pl) for t in sorted(set(found)) if self._t < t < t_ms]

    def when_full(self, until_ms: int) -> int:
        """First time up to `until_ms` at which an occlusion holds its limit; NEVER if none or later."""
        limit = self.stored_limit_pl
        if not (self.occluded and limit) or self.motor.blocked or self.flow(until_ms).stored_pl < limit:
            return NEVER
        return self._first(lambda t: self.flow(t).stored_pl >= limit, until_ms)

    # Commands of the firmware: one step at a time.

    def begin(self, t_ms: int, own_ms: int, steps: int, duration_ms: int) -> None:
        """Begin one step at pump time `own_ms`, which is `t_ms` or, with a drifting clock, just before it."""
        self._trace(t_ms)
        self.motor.begin(own_ms, steps, duration_ms)
        self._anchor(t_ms)

    def halt(self, t_ms: int, own_ms: int) -> None:
        """End whatever runs."""
        self._trace(t_ms)
        self.motor.halt(own_ms)
        self._anchor(t_ms)

    def restart_clock(self, t_ms: int) -> None:
        """Power-up: stand still, and count pump time from 0."""
        self.halt(t_ms, self.clock.own(t_ms))
        self.clock.restart(t_ms)
        self.motor.halt(0)

    # What happens to it.

    def block(self, t_ms: int, *, silent: bool) -> None:
        """The motor stalls."""
        self._trace(t_ms)
        self.motor.block(self.clock.own(t_ms), silent=silent)
        self._pressed = False
        self._anchor(t_ms)

    def press(self, t_ms: int) -> None:
        """The occlusion holds its limit: the motor stalls against it, until the way is free."""
        self.block(t_ms, silent=False)
        self._pressed = True

    def free(self, t_ms: int, *, catch_up: bool = False) -> None:
        """The motor turns again. `catch_up`: it makes what it lost until the end of the step."""
        self._trace(t_ms)
        self.motor.free(self.clock.own(t_ms), catch_up=catch_up)
        self._pressed = False
        self._anchor(t_ms)

    def run_away(self, t_ms: int, factor: int) -> None:
        """The motor turns `factor` times as fast as told; 1 ends it."""
        self._trace(t_ms)
        self.motor.run_away(self.clock.own(t_ms), factor)
        self._anchor(t_ms)

    def set_gain(self, t_ms: int, gain_ppm: int) -> None:
        """From now on the true displacement is `gain_ppm` millionths of the counted one."""
        self._true_gain = gain_ppm
        self._apply_gain(t_ms)

    def set_no_flow(self, t_ms: int, *, on: bool) -> None:
        """The motor turns and is counted, but moves nothing (or does again)."""
        self.no_flow = on
        self._apply_gain(t_ms)

    def occlude(self, t_ms: int, limit_pl: int) -> None:
        """Nothing leaves the tip any more; what is pumped is held. `limit_pl` 0: without a limit."""
        self.cut(t_ms)
        self.occluded, self.stored_limit_pl, self._plain = True, limit_pl, False

    def clear_occlusion(self, t_ms: int) -> None:
        """The way is free: what was held comes out within one second, on top of the flow."""
        if self.occluded:
            self.cut(t_ms)
            self.occluded, self._release_end = False, t_ms + RELEASE_MS
        if self._pressed:
            self.free(t_ms)

    def set_free_flow(self, t_ms: int, pl_per_h: int) -> None:
        """Let fluid run out by itself at this rate, uncounted; 0 ends it."""
        self.cut(t_ms)
        self._free_pl_per_h, self._plain = pl_per_h, False
        self._anchor(t_ms)

    def spill(self, t_ms: int, keep_pl: int) -> None:
        """Leave at most `keep_pl` to draw in the reservoir; the rest is gone, not into the path."""
        self.cut(t_ms)
        self._left_pl = min(self._left_pl, keep_pl)

    def drift(self, t_ms: int, ppm: int) -> None:
        """The pump's clock drifts from now on."""
        self._trace(t_ms)
        self.clock.drift(t_ms, ppm)
        self._anchor(t_ms)

    def refill(self, t_ms: int, fill_pl: int, fluid: Fluid) -> int:
        """Draw out what can be drawn (returned, pL) and fill."""
        self.cut(t_ms)
        withdrawn = self._left_pl
        self.path.enter(self._out_pl + self._stored_pl, self.reservoir.fill(fill_pl, fluid))
        self._left_pl = fill_pl
        return withdrawn

    def cut(self, t_ms: int) -> None:
        """Draw the true curve up to `t_ms` and go on from there."""
        self._trace(t_ms)
        self._anchor(t_ms)

    def _flow(self, t_ms: int, displaced_pl: int) -> Flow:
        pushed = self._pushed(t_ms, displaced_pl)
        drawn = pushed if pushed < self._left_pl else self._left_pl
        if self._plain:
            return Flow(self._out_pl + drawn, self._left_pl - drawn, self._stored_pl)
        if self.occluded:
            return Flow(self._out_pl, self._left_pl - drawn, self._stored_pl + drawn)
        freed = self._freed(t_ms)
        return Flow(self._out_pl + drawn + freed, self._left_pl - drawn, self._stored_pl - freed)

    def _pushed(self, t_ms: int, displaced_pl: int) -> int:
        """What would have been drawn from the reservoir since the last event if it held enough, pL."""
        pushed = displaced_pl - self._disp_pl
        if self._free_pl_per_h and not self.occluded:
            pushed += self._free_pl_per_h * (t_ms - self._t) // HOUR_MS
        return pushed

    def _displaced(self, t_ms: int) -> int:
        even = self.motor.even(self.clock.own(t_ms))
        return self._gain_disp + (even - self._gain_even) * self._gain // MILLION

    def _freed(self, t_ms: int) -> int:
        if t_ms >= self._release_end:
            return self._stored_pl
        return self._stored_pl * (t_ms - self._t) // (self._release_end - self._t)

    def _apply_gain(self, t_ms: int) -> None:
        self.cut(t_ms)
        self._gain_disp = self._displaced(t_ms)
        self._gain_even = self.motor.even(self.clock.own(t_ms))
        self._gain = 0 if self.no_flow else self._true_gain

    def _first(self, holds: Callable[[int], bool], until_ms: int) -> int:
        """First time after the last event at which a condition holds that holds at `until_ms` and stays
        true.
        """
        low, high = self._t, until_ms
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(middle) else (middle + 1, high)
        return high

    def _trace(self, t_ms: int) -> None:
        for corner_ms, out_pl in self.corners(t_ms):
            self.curve.add(corner_ms, out_pl)

    def _anchor(self, t_ms: int) -> None:
        displaced = self._displaced(t_ms)
        flow = self._flow(t_ms, displaced)
        self.curve.add(t_ms, flow.out_pl)
        self._t = t_ms
        self._out_pl, self._left_pl, self._stored_pl = flow
        self._disp_pl = displaced
        self._plain = not (self.occluded or self._free_pl_per_h or self._stored_pl)
