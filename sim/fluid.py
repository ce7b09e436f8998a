"""Fluids: what they hold, how a refill blends them, and which one stands at the catheter tip.

Layer      sim. Imports the standard library only.
Units      volume pL, concentration in grains (1 grain = 1e-9 pg/mL), mass in motes (1 mote = pL x grain =
           1e-18 pg): all of them exact integers that stay small, whatever the number of refills.
Rounding   one place only: a blend is rounded once, to the nearest grain, when it is made (40 mL hold it to
           2e-8 pg).
Invariant  mass is conserved: what leaves the tip entered at the pump one path volume earlier, first in,
           first out.
Tests      tests/unit/sim/test_fluid.py
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

PL_PER_NL: Final = 1_000
GRAINS_PER_PG_PER_ML: Final = 10**9
MOTES_PER_PG: Final = 10**18


@dataclass(frozen=True, slots=True)
class Fluid:
    """Concentrations in grains per drug, sorted by name, none of them 0; `Fluid()` is plain saline."""

    parts: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, pg_per_ml: Mapping[str, int]) -> "Fluid":
        """Make a fluid of whole pg/mL per drug.

        Raises:
            ValueError: a concentration is negative or not an int.
        """
        for name, value in pg_per_ml.items():
            if type(value) is not int or value < 0:
                raise ValueError(
                    f"concentration of {name} must be an int of pg/mL, at least 0, not {value!r}"
                )
        return cls(tuple((n, c * GRAINS_PER_PG_PER_ML) for n, c in sorted(pg_per_ml.items()) if c))

    def grains(self, drug: str) -> int:
        """Concentration of `drug` in grains; 0 where it is not in the fluid."""
        for name, grains in self.parts:
            if name == drug:
                return grains
        return 0

    def pg_per_ml(self, drug: str) -> Fraction:
        """Concentration of `drug`, pg/mL, exact."""
        return Fraction(self.grains(drug), GRAINS_PER_PG_PER_ML)


def blend(one_pl: int, one: Fluid, other_pl: int, other: Fluid) -> Fluid:
    """Mix two volumes (pL) completely: (V1 C1 + V2 C2) / (V1 + V2), each drug to the nearest grain."""
    total = one_pl + other_pl
    if not one_pl or one == other or not total:
        return other
    names = sorted({name for name, _ in one.parts + other.parts})
    mixed = ((n, (one_pl * one.grains(n) + other_pl * other.grains(n) + total // 2) // total) for n in names)
    return Fluid(tuple((n, grains) for n, grains in mixed if grains))


class Reservoir:
    """What is truly in the pump: a residual that it cannot draw, and over it what it can.

    A refill draws everything down to the residual and fills on top; the two mix at once and completely.
    """

    __slots__ = ("fluid", "residual_pl")

    def __init__(self, residual_pl: int, residual: Fluid) -> None:
        if residual_pl < 0:
            raise ValueError(f"residual must not be negative: {residual_pl} pL")
        self.residual_pl = residual_pl
        self.fluid = residual

    def fill(self, volume_pl: int, fluid: Fluid) -> Fluid:
        """Fill `volume_pl` of `fluid` over the residual and return the mixture.

        Raises:
            ValueError: the volume is not positive.
        """
        if volume_pl <= 0:
            raise ValueError(f"fill volume must be positive: {volume_pl} pL")
        self.fluid = blend(self.residual_pl, self.fluid, volume_pl, fluid)
        return self.fluid


class FluidPath:
    """The fluids on their way from pump to tip, first in, first out, without mixing between them.

    Place in the line is counted by inlet volume: coordinate x (pL) is the fluid that left the pump when x
    had left it. What fills the path at the start has the coordinates -volume to 0. With `out` pL gone
    through the tip, the fluid at the tip is the one of coordinate out - volume. So no parcel is ever moved,
    and nothing depends on who asks when.
    """

    __slots__ = ("_fluids", "_mass", "_starts", "volume_pl")

    def __init__(self, volume_pl: int, standing: Fluid, entering: Fluid) -> None:
        if volume_pl < 0:
            raise ValueError(f"path volume must not be negative: {volume_pl} pL")
        self.volume_pl = volume_pl
        self._starts = [-volume_pl]
        self._fluids = [standing]
        self._mass: list[dict[str, int]] = [{}]
        self.enter(0, entering)

    def enter(self, inlet_pl: int, fluid: Fluid) -> None:
        """From inlet coordinate `inlet_pl` (pL, never falling) on, `fluid` enters."""
        if inlet_pl < self._starts[-1]:
            raise ValueError(f"a fluid cannot enter at {inlet_pl} pL, before {self._starts[-1]} pL")
        if fluid == self._fluids[-1]:
            return
        if inlet_pl == self._starts[-1]:
            self._fluids[-1] = fluid
            return
        mass = dict(self._mass[-1])
        for drug, grains in self._fluids[-1].parts:
            mass[drug] = mass.get(drug, 0) + grains * (inlet_pl - self._starts[-1])
        self._starts.append(inlet_pl)
        self._fluids.append(fluid)
        self._mass.append(mass)

    def fluid_at(self, inlet_pl: int) -> Fluid:
        """The fluid of one inlet coordinate (pL)."""
        return self._fluids[max(0, bisect_right(self._starts, inlet_pl) - 1)]

    def at_tip(self, out_pl: int) -> Fluid:
        """The fluid that leaves the tip next, after `out_pl` pL have left it."""
        return self.fluid_at(out_pl - self.volume_pl)

    def motes(self, drug: str, inlet_pl: int) -> int:
        """Mass of `drug` in all coordinates from the start of the path up to `inlet_pl`, motes."""
        i = max(0, bisect_right(self._starts, inlet_pl) - 1)
        return self._mass[i].get(drug, 0) + self._fluids[i].grains(drug) * (inlet_pl - self._starts[i])

    def left_pump(self, drug: str, out_pl: int) -> int:
        """Mass of `drug` that left the pump with the first `out_pl` pL, motes."""
        return self.motes(drug, out_pl) - self.motes(drug, 0)

    def left_tip(self, drug: str, out_pl: int) -> int:
        """Mass of `drug` that left the tip with the first `out_pl` pL, motes."""
        return self.motes(drug, out_pl - self.volume_pl)

    def drugs(self) -> tuple[str, ...]:
        """Every drug that was ever in the line, sorted."""
        return tuple(sorted({name for fluid in self._fluids for name, _ in fluid.parts}))

    def fronts(self) -> tuple[int, ...]:
        """Volumes out of the tip (pL) at which another fluid arrives there, rising."""
        return tuple(start + self.volume_pl for start in self._starts[1:])

    def segments(self, out_pl: int, inlet_pl: int) -> deque[tuple[int, Fluid]]:
        """What stands in the line, tip first: (volume pL, fluid), from out_pl - volume to inlet_pl."""
        found: deque[tuple[int, Fluid]] = deque()
        end = inlet_pl
        for start, fluid in zip(reversed(self._starts), reversed(self._fluids), strict=True):
            begin = max(start, out_pl - self.volume_pl)
            if begin < end:
                found.appendleft((end - begin, fluid))
                end = begin
        return found
