"""A basal of a few daily levels, written for tests without a plan: exact, in plan time, nL and ms."""

from __future__ import annotations

from fractions import Fraction

DAY = 86_400_000
HOUR = 3_600_000


class ToyPace:
    """Daily levels ``(from ms after midnight, nL per day)``; plan time 0 is a midnight."""

    def __init__(self, *levels: tuple[int, int]) -> None:
        self.levels = [(at, Fraction(nl, DAY)) for at, nl in levels]
        self.unit = DAY

    def rate(self, plan_ms: int, /) -> Fraction:
        """nL/ms in force."""
        if plan_ms < 0:
            return Fraction(0)
        return [rate for at, rate in self.levels if at <= plan_ms % DAY][-1]

    def next_change(self, plan_ms: int, /) -> int | None:
        """The next step of the day, or the first one of the next day."""
        day, rest = divmod(plan_ms, DAY)
        return next((day * DAY + at for at, _ in self.levels if at > rest), (day + 1) * DAY)

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        """The integral, nL."""
        total, at = Fraction(0), max(0, a_ms)
        while at < b_ms:
            change = self.next_change(at)
            end = b_ms if change is None else min(b_ms, change)
            total += self.rate(at) * (end - at)
            at = end
        return total

    def planned_units(self, a_ms: int, b_ms: int, /) -> int:
        """The integral in 1/``unit`` nL."""
        return int(self.planned_basal_nl(a_ms, b_ms) * self.unit)


# Example A's day: 13 uL/h, a rest of 20 min for the night bolus, odd rates that no step divides.
FLEX = ToyPace(
    (0, 300_521), (6 * HOUR, 600_000), (9 * HOUR, 312_000), (22 * HOUR, 0), (22 * HOUR + 1_200_000, 300_521)
)
