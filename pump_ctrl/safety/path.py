"""Which fluid may stand at the catheter tip: first in, first out, between two bounds of the path's volume.

Layer      safety, pure; volumes in nL since the journal began.
Hazard     old, stronger fluid leaves the tip under the new plan's rates (D-10; 1.4 mL of 10 mg/mL under 5).
Invariant  S-17: a fluid counts from the first nL that may leave the tip to the last one that may.
Tests      tests/safety/test_path.py
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pump_ctrl.safety.limits import Mix, merge


@dataclass(frozen=True, slots=True)
class Front:
    """A fluid, and between which two volumes the first of it went into the path's upper end."""

    mix: Mix
    low_nl: int
    high_nl: int


@dataclass(frozen=True, slots=True)
class Path:
    """The fluids between reservoir and tip, oldest first, and the bounds of the path's volume, nL."""

    lo_nl: int
    hi_nl: int
    fronts: tuple[Front, ...]
    # The fluid where there is but one, nothing where a new one is on its way: asked for in every reading.
    only: Mix = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "only", self.fronts[0].mix if len(self.fronts) == 1 else ())

    def tip(self, low_nl: int, high_nl: int) -> Mix:
        """The largest concentrations at the tip until ``high_nl`` may have left; ``low_nl`` surely has."""
        fronts = self.fronts
        oldest = self._oldest(low_nl)
        newest = len(fronts) - 1
        while newest > oldest and high_nl - fronts[newest].low_nl <= self.lo_nl:
            newest -= 1
        return merge(tuple(front.mix for front in fronts[oldest : newest + 1]))

    def _oldest(self, low_nl: int) -> int:
        """Index of the oldest fluid that is not surely gone."""
        oldest = 0
        while oldest + 1 < len(self.fronts) and low_nl - self.fronts[oldest + 1].high_nl >= self.hi_nl:
            oldest += 1
        return oldest

    def settled(self, low_nl: int) -> Path:
        """The same path without the fluids that have surely left."""
        gone = self._oldest(low_nl)
        return self if gone == 0 else Path(self.lo_nl, self.hi_nl, self.fronts[gone:])

    def filled(self, mix: Mix, low_nl: int, high_nl: int) -> Path:
        """Another fluid follows; the same one again is no front."""
        if self.fronts[-1].mix == mix:
            return self
        return Path(self.lo_nl, self.hi_nl, (*self.fronts, Front(mix, low_nl, high_nl)))

    @property
    def newest(self) -> Mix:
        """What was filled last."""
        return self.fronts[-1].mix
