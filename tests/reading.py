"""A second reading of a dosing plan, as one would work it out by hand: slow, minute by minute, in fractions.

It shares no code with the schedule or the compiler and reads the fields of the plan alone.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from pump_ctrl.therapy.plan import BasalStep, DosingPlan

MINUTE: Final = 60_000  # ms
DAY: Final = 1_440  # minutes
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Reading:
    """The plan's basal as somebody would work it out by hand: the rate of every single minute, nL/ms."""

    def __init__(self, plan: DosingPlan) -> None:
        self._plan = plan
        self._strength = Fraction(plan.primary.concentration.pg_per_ml, 1_000_000)  # pg/nL
        self._begin = plan.start_weekday * DAY + plan.start_of_day_ms // MINUTE
        self._days = self._week()

    def rate(self, ms: int) -> Fraction:
        """The rate at an instant: that of its local minute, times the factor of the stage."""
        return self.unscaled(ms) * self.factor(ms)

    def unscaled(self, ms: int) -> Fraction:
        """The rate without any change."""
        return self._minute((self._begin + ms // MINUTE) % (7 * DAY))

    def factor(self, ms: int) -> Fraction:
        """What all changes up to that instant make of the basal."""
        factor, at = Fraction(1), 0
        for step in self._plan.titration.step if self._plan.titration else ():
            at += step.after.ms
            if ms >= at and step.change is not None:
                factor *= step.change.factor
        return factor

    def stage_starts(self) -> list[int]:
        starts = [0]
        for step in self._plan.titration.step if self._plan.titration else ():
            starts.append(starts[-1] + step.after.ms)
        return starts

    def amount(self, a: int, b: int) -> Fraction:
        """The sum of all minutes, cut at a, b and where a stage begins."""
        total, at = Fraction(0), a
        starts = self.stage_starts()
        while at < b:
            until = min([b, at - at % MINUTE + MINUTE, *(s for s in starts if s > at)])
            total += self.rate(at) * (until - at)
            at = until
        return total

    def _minute(self, minute: int) -> Fraction:
        basal = self._plan.basal
        if basal.mode is not None:
            return Fraction(6_000, 86_400_000) if basal.mode == "minimum" else Fraction(0)
        if basal.rate is not None:
            return Fraction(basal.rate.pg, basal.rate.per_ms) / self._strength
        return self._days[minute // DAY][minute % DAY]

    def _day(self, steps: tuple[BasalStep, ...]) -> list[Fraction]:
        """The rate of each minute of a day: each step writes its own until the next one."""
        day = [Fraction(0)] * DAY
        for i, step in enumerate(steps):
            begin = step.from_ms // MINUTE
            until = steps[i + 1].from_ms // MINUTE if i + 1 < len(steps) else steps[0].from_ms // MINUTE + DAY
            rate = Fraction(step.rate.pg, step.rate.per_ms) if step.rate else Fraction(0)
            if step.dose is not None:
                rate = Fraction(step.dose.pg, (until - begin) * MINUTE)
            rate /= self._strength
            for minute in range(begin, until):
                day[minute % DAY] = rate
        return day

    def _week(self) -> list[list[Fraction]]:
        basal = self._plan.basal
        if basal.steps:
            return [self._day(basal.steps)] * 7
        groups = {day: self._day(group.steps) for group in basal.days for day in group.days}
        return [groups[day] for day in WEEKDAYS] if groups else []

    def slots(self, days: int) -> list[tuple[int, int]]:
        """(bolus index, plan time in ms) of every scheduled bolus of the first days, in time order."""
        found = []
        for index, bolus in enumerate(self._plan.bolus):
            first = bolus.at_ms - self._plan.start_of_day_ms
            due = [
                (index, first + day * DAY * MINUTE)
                for day in range(days + 1)
                if bolus.days is None or WEEKDAYS[(self._plan.start_weekday + day) % 7] in bolus.days
            ]
            due = [(i, at) for i, at in due if 0 <= at < days * DAY * MINUTE]
            found += due[:1] if bolus.once else due
        return sorted(found, key=lambda slot: slot[1])
