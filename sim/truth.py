"""What truly happened: volume out of the pump, mass out of the pump and out of the catheter tip.

Layer      sim. Imports `sim.fluid`.
Model      The volume is a curve of straight lines between corners at whole ms; the mass at the tip is a
           function of that volume alone, with a corner where another fluid arrives. Their composition is
           what an oracle needs: the worst window of any length is found at one of the corners, exactly.
Rounding   A total is rounded down to whole nL or pg; a worst window is rounded up, so that `worst > limit` is
           exactly the question whether the truth passed a limit of whole pg.
Invariant  a query changes nothing; corners on one line are merged, so that constant running stays small.
Tests      tests/unit/sim/test_world.py, tests/unit/sim/test_truth.py
"""

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from sim.fluid import MOTES_PER_PG, PL_PER_NL

if TYPE_CHECKING:
    from sim.world import World

HOUR_MS: Final = 3_600_000


class Curve:
    """A rising curve of straight lines: corner times (ms, rising) and volumes (pL)."""

    __slots__ = ("times", "volumes")

    def __init__(self) -> None:
        self.times = array("q", (0,))
        self.volumes = array("q", (0,))

    def add(self, t_ms: int, out_pl: int) -> None:
        """Append a corner; one that lies on the last line moves the end of that line instead."""
        times, volumes = self.times, self.volumes
        t1, v1 = times[-1], volumes[-1]
        if t_ms == t1:
            volumes[-1] = out_pl
            return
        if len(times) > 1:
            t0, v0 = times[-2], volumes[-2]
            if (out_pl - v1) * (t1 - t0) == (v1 - v0) * (t_ms - t1):
                times[-1], volumes[-1] = t_ms, out_pl
                return
        times.append(t_ms)
        volumes.append(out_pl)


class Point(NamedTuple):
    """One corner: time ms, volume out of the pump pL, mass out of the tip per drug in whole pg (rounded
    down).
    """

    t_ms: int
    delivered_pl: int
    tip_pg: Mapping[str, int]


class _MassCurve:
    """Mass at the tip over time: straight lines between knots; a knot is at a whole ms or where a front
    arrives.
    """

    __slots__ = ("motes", "times")

    def __init__(self, times: list[int | Fraction], motes: list[int]) -> None:
        self.times, self.motes = times, motes

    def whole(self, t: int | Fraction) -> int:
        """Mass at `t`, motes, rounded down."""
        i = bisect_right(self.times, t) - 1
        if i < 0:
            return 0
        if i == len(self.times) - 1:
            return self.motes[i]
        rise, span = self.motes[i + 1] - self.motes[i], self.times[i + 1] - self.times[i]
        return self.motes[i] + int(rise * (t - self.times[i]) // span)

    def exact(self, t: int | Fraction) -> Fraction:
        """Mass at `t`, motes."""
        i = bisect_right(self.times, t) - 1
        if i < 0:
            return Fraction(0)
        if i == len(self.times) - 1:
            return Fraction(self.motes[i])
        rise, span = self.motes[i + 1] - self.motes[i], self.times[i + 1] - self.times[i]
        return self.motes[i] + Fraction(rise) * (t - self.times[i]) / span

    def worst(self, span_ms: int) -> Fraction:
        """Most mass in any window of `span_ms`, motes: it begins or ends at a knot."""
        begins = self.times + [t - span_ms for t in self.times]
        rough = [(self.whole(t + span_ms) - self.whole(t), t) for t in begins]
        most = max(rough)[0]
        # Rounding moves a candidate by less than one mote, so only those next to the best can be the best.
        return max(self.exact(t + span_ms) - self.exact(t) for whole, t in rough if whole >= most - 1)


class Truth:
    """Read-only view of what the simulated pump truly did, up to the world's present instant."""

    __slots__ = ("_world",)

    def __init__(self, world: "World") -> None:
        self._world = world

    def delivered_pl(self) -> int:
        """Volume that left the pump, pL. What an occlusion holds has not left it."""
        return self._world.mechanism.flow(self._world.now_ms).out_pl

    def delivered_nl(self) -> int:
        """Volume that left the pump, whole nL (rounded down)."""
        return self.delivered_pl() // PL_PER_NL

    def left_pg(self, drug: str) -> int:
        """Mass of `drug` that left the pump, whole pg (rounded down)."""
        return self._world.mechanism.path.left_pump(drug, self.delivered_pl()) // MOTES_PER_PG

    def tip_pg(self, drug: str) -> int:
        """Mass of `drug` that left the catheter tip, whole pg (rounded down)."""
        return self._world.mechanism.path.left_tip(drug, self.delivered_pl()) // MOTES_PER_PG

    def tip_mass(self, drug: str) -> Fraction:
        """Mass of `drug` that left the catheter tip, pg, exact."""
        return Fraction(self._world.mechanism.path.left_tip(drug, self.delivered_pl()), MOTES_PER_PG)

    def reservoir_nl(self) -> int:
        """Volume that can still be drawn from the reservoir, whole nL."""
        return self._world.mechanism.flow(self._world.now_ms).left_pl // PL_PER_NL

    def stored_nl(self) -> int:
        """Volume held behind an occlusion, whole nL."""
        return self._world.mechanism.flow(self._world.now_ms).stored_pl // PL_PER_NL

    def counted_nl(self) -> int:
        """Volume of all pump steps that the motor made, nL; no reset of the pump's counter changes it."""
        mechanism = self._world.mechanism
        return mechanism.steps(self._world.now_ms) * mechanism.motor.step_pl // PL_PER_NL

    def drugs(self) -> tuple[str, ...]:
        """Every drug that was ever in reservoir or path, sorted."""
        return self._world.mechanism.path.drugs()

    def corners(self) -> tuple[tuple[int, int], ...]:
        """Corners (ms, pL) of the volume's curve up to now."""
        times, volumes = self._drawn()
        return tuple(zip(times, volumes, strict=True))

    def delivered_pl_at(self, t_ms: int) -> int:
        """Volume that had left the pump at a past instant, pL (rounded down).

        Raises:
            ValueError: `t_ms` is before 0 or still to come.
        """
        if not 0 <= t_ms <= self._world.now_ms:
            raise ValueError(f"{t_ms} ms is not between 0 and now, {self._world.now_ms} ms")
        recorded = self._world.mechanism.curve
        if t_ms <= recorded.times[-1]:
            return _volume_at(recorded.times, recorded.volumes, t_ms)
        return _volume_at(*self._drawn(), t_ms)

    @property
    def points(self) -> tuple[Point, ...]:
        """Corners of volume and mass at the tip together; a front's arrival is given at the next whole ms."""
        path, drugs = self._world.mechanism.path, self.drugs()
        times, volumes = self._drawn()
        at = set(times) | {ceil(t) for t, _ in _arrivals(times, volumes, path.fronts())}
        found = []
        for t in sorted(at):
            out = _volume_at(times, volumes, t)
            mass = {drug: path.left_tip(drug, out) // MOTES_PER_PG for drug in drugs}
            found.append(Point(t, out, mass))
        return tuple(found)

    def worst_window(self, drug: str, hours: int) -> int:
        """Most mass of `drug` that left the tip in any window of `hours` so far, pg, rounded up.

        The mass is a rising curve of straight lines, so the worst window begins or ends at a corner. All
        candidates are compared as whole motes first and the best ones exactly.

        Raises:
            ValueError: the window has no length.
        """
        if hours <= 0:
            raise ValueError(f"a window needs a positive length, not {hours} h")
        path = self._world.mechanism.path
        times, volumes = self._drawn()
        corners: list[tuple[int | Fraction, int]] = list(zip(times, volumes, strict=True))
        corners = sorted(corners + _arrivals(times, volumes, path.fronts()))
        curve = _MassCurve([t for t, _ in corners], [path.left_tip(drug, out) for _, out in corners])
        return ceil(curve.worst(hours * HOUR_MS) / MOTES_PER_PG)

    def _drawn(self) -> tuple["array[int]", "array[int]"]:
        """The recorded corners, and those since the last event, up to now."""
        mechanism, now = self._world.mechanism, self._world.now_ms
        curve = Curve()
        curve.times, curve.volumes = mechanism.curve.times[:], mechanism.curve.volumes[:]
        for t_ms, out_pl in mechanism.corners(now):
            curve.add(t_ms, out_pl)
        curve.add(now, mechanism.flow(now).out_pl)
        return curve.times, curve.volumes


def _volume_at(times: "array[int]", volumes: "array[int]", t_ms: int) -> int:
    """Volume at an instant from the first to the last corner, pL, rounded down."""
    i = bisect_right(times, t_ms) - 1
    if i == len(times) - 1:
        return volumes[i]
    return volumes[i] + (volumes[i + 1] - volumes[i]) * (t_ms - times[i]) // (times[i + 1] - times[i])


def _arrivals(
    times: "array[int]", volumes: "array[int]", fronts: tuple[int, ...]
) -> list[tuple[int | Fraction, int]]:
    """When each front (a volume, pL) gets to the tip, strictly between two corners: (time, volume)."""
    found: list[tuple[int | Fraction, int]] = []
    for front in fronts:
        i = bisect_right(volumes, front) - 1
        if i == len(volumes) - 1 or volumes[i] == front:
            continue  # still on its way, or just at a corner
        share = Fraction(front - volumes[i], volumes[i + 1] - volumes[i])
        found.append((times[i] + share * (times[i + 1] - times[i]), front))
    return found
