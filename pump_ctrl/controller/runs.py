"""The spans that one permit holds: volumes floored to the pump's step, only rounding carried.

Layer      controller, pure.
Hazard     rounding up past a limit, losing the remainder, a bolus that swallows the basal (D-02, D-03).
Invariant  the volume up to any span's end is the floor of what is planned up to there; a bolus is never more
           than asked; no span is faster than the pump.
Tests      tests/unit/test_runs*.py, tests/unit/test_bridge_pace.py
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, lcm

from pump_ctrl.controller.totals import ZERO, Pace, Span
from pump_ctrl.drivers.base import Grid, StepKind

MS_PER_HOUR = 3_600_000
EXCHANGES = 2  # of a deliver on a pump that takes a run whole: it is proposed, then begun


@dataclass(frozen=True, slots=True)
class Limits:
    """What the pump can be told: its step (nL), fastest flow (nL/h) and number of steps in a permit.

    ``grid``: what its numbers leave of that, where they do; then ``least_nl_per_h`` is its slowest flow.
    ``counter_nl``: what the last digit of its counter stands for.
    """

    step_nl: int
    max_nl_per_h: int
    max_steps: int
    grid: Grid | None = None
    least_nl_per_h: int = 0
    counter_nl: int = 1

    def whole(self, volume: Fraction | int, duration_ms: int) -> int:
        """The largest whole number of steps in ``volume`` that fit into ``duration_ms`` at the fastest flow, nL."""
        return self._most(volume, duration_ms) // self.step_nl * self.step_nl

    def _most(self, volume: Fraction | int, duration_ms: int) -> int:
        return max(0, min(floor(volume), self.max_nl_per_h * duration_ms // MS_PER_HOUR))

    def floor(self, volume: Fraction | int, duration_ms: int) -> int:
        """The most of ``volume`` that the pump can be told to give in ``duration_ms``, nL."""
        if self.grid is None:
            return self.whole(volume, duration_ms)
        told = self.grid.volume(self._most(volume, duration_ms), duration_ms)
        return told if told * MS_PER_HOUR >= self.least_nl_per_h * duration_ms else 0

    def lost(self, carried: Fraction) -> int:
        """How much of it has to be lost so that less than a pump step is left, nL: whole steps, unless the pump's
        counter shows parts of a step.
        """
        grain = 1 if self.stops_first else self.step_nl
        over = max(0, floor(carried) - self.step_nl + 1)
        return -(-over // grain) * grain

    @property
    def stops_first(self) -> bool:
        """Whether the pump is stopped before it is told anything new, and stands still meanwhile."""
        return self.grid is not None

    def exchanges(self, spans: list[Span]) -> int:
        """How many exchanges telling these spans takes."""
        return EXCHANGES if self.grid is None else self.grid.exchanges([span.step() for span in spans])

    def fitting(self, spans: list[Span]) -> list[Span]:
        """As many of the spans, from the first on, as the pump can be told at once; it rests at their end anyway."""
        if self.grid is None:
            return spans
        told = spans[: self.grid.count([span.step() for span in spans])]
        while len(told) > 1 and not told[-1].volume_nl:
            del told[-1]
        return told


def chain(
    pace: Pace,
    start: int,
    end: int,
    bolus: tuple[int, Fraction] | None,
    carried: Fraction,
    limits: Limits,
    mark: int | None = None,
) -> tuple[list[Span], int]:
    """The spans from ``start`` to ``end``, first a bolus (ms, nL) if there is one, and what the cut loses.

    ``carried`` is what was due and not given when the run before is cut. A pump step and more of it is more than
    rounding: so much is lost, to be named as missed, and not made up. At ``mark``, where the next run is
    expected to take over, a span ends, so that this cut loses nothing.
    """
    lost = limits.lost(carried)
    if lost:  # seldom; exact fractions are dear
        carried -= lost
    spans: list[Span] = []
    if bolus is not None:
        first, carried = bolus_span(pace, start, *bolus, carried, limits)
        spans, start = [first], first.to_ms
    room = limits.max_steps - len(spans)
    spans += basal_spans(pace, start, max(start, end), carried, limits, room, mark)
    return limits.fitting(spans), lost


def basal_spans(
    pace: Pace,
    from_ms: int,
    to_ms: int,
    carried: Fraction,
    limits: Limits,
    room: int,
    mark: int | None = None,
) -> list[Span]:
    """The basal between two instants, at most ``room`` spans; it ends early where they do not suffice.

    ``carried`` is the rounding left over so far, nL. What is due in a span so short that the pump cannot make
    the step in it is missed: carried on, it would be more than rounding.
    """
    # Whole numbers of 1/unit nL, for sums of exact fractions are dear.
    unit, step = lcm(pace.unit, carried.denominator), limits.step_nl
    left, scale = _parts(carried, unit), unit // pace.unit
    spans: list[Span] = []
    start, basal = from_ms, StepKind.BASAL  # an enum's own look-up is slow
    while start < to_ms and len(spans) < room:
        end = _span_end(pace, start, to_ms, mark)
        due = pace.planned_units(start, end) * scale
        left += due
        volume = limits.floor(left // unit, end - start) if due else 0
        beyond = left // unit // step * step - volume
        missed = min(due, beyond * unit) if beyond > 0 else 0
        grid = min(missed, (limits.whole(left // unit, end - start) - volume) * unit) if missed else 0
        left -= missed + volume * unit
        spans.append(
            Span(
                basal,
                start,
                end,
                volume,
                0,
                ZERO,
                Fraction(missed, unit) if missed else ZERO,
                Fraction(grid, unit) if grid else ZERO,
            )
        )
        start = end
    return spans


def _span_end(pace: Pace, start: int, to_ms: int, mark: int | None) -> int:
    """Where a span that begins at ``start`` ends: at the next change, at the mark or at the end of all."""
    end, change = to_ms, pace.next_change(start)
    if change is not None and change < end:
        end = change
    return mark if mark is not None and start < mark < end else end


def bolus_span(
    pace: Pace, from_ms: int, over_ms: int, bolus: Fraction, carried: Fraction, limits: Limits
) -> tuple[Span, Fraction]:
    """A bolus of ``bolus`` nL over ``over_ms`` with the basal beside it, on a pump with one motor speed.

    The basal share is the lowest basal rate in that time; the rest of the basal is missed. Second comes the
    rounding that is carried on, nL.
    """
    end, unit = from_ms + over_ms, lcm(pace.unit, carried.denominator, bolus.denominator)
    due = pace.planned_units(from_ms, end) * (unit // pace.unit)
    share = _parts(_lowest_rate(pace, from_ms, end), unit) * over_ms
    wanted = _parts(carried, unit) + _parts(bolus, unit) + share
    whole, volume = limits.whole(wanted // unit, over_ms), limits.floor(wanted // unit, over_ms)
    basal, missed = max(0, volume - floor(bolus)), Fraction(due - share, unit) if due > share else ZERO
    left, grid = Fraction(wanted - whole * unit, unit), ZERO
    if whole > volume:  # the pump's numbers cannot say all of it
        grid = Fraction(whole - volume)
        missed += grid
    return Span(StepKind.BOLUS, from_ms, end, volume, basal, bolus, missed, grid), left


def _parts(volume: Fraction, unit: int) -> int:
    """``volume`` in 1/``unit``, in which it is a whole number."""
    return volume.numerator * (unit // volume.denominator)


def _lowest_rate(pace: Pace, from_ms: int, to_ms: int) -> Fraction:
    lowest, change = pace.rate(from_ms), pace.next_change(from_ms)
    while change is not None and change < to_ms:
        lowest = min(lowest, pace.rate(change))
        change = pace.next_change(change)
    return lowest


def prime_span(pace: Pace, from_ms: int, volume_nl: int, nl_per_h: int, limits: Limits) -> Span:
    """A prime at ``nl_per_h``, alone: the basal due meanwhile is missed."""
    whole = volume_nl // limits.step_nl * limits.step_nl
    end = from_ms + -(-whole * MS_PER_HOUR // nl_per_h)
    volume = limits.floor(whole, end - from_ms)
    grid, due = Fraction(whole - volume), pace.planned_basal_nl(from_ms, end)
    return Span(StepKind.PRIME, from_ms, end, volume, bolus=Fraction(whole), missed=due + grid, grid=grid)


def hold_spans(pace: Pace, rate: Fraction, from_ms: int, to_ms: int, limits: Limits, room: int) -> list[Span]:
    """The bounded hold: always the lower of ``rate`` (nL/ms) and the plan's own; one span as long as that stays.

    All that the plan asks beyond the volumes is missed, rounding too: no step is faster than the hold rate.
    """
    spans: list[Span] = []
    start = from_ms
    while start < to_ms and len(spans) < room:
        held = min(rate, pace.rate(start))
        end = _held_until(pace, rate, start, to_ms)
        due, volume = pace.planned_basal_nl(start, end), limits.floor(held * (end - start), end - start)
        spans.append(Span(StepKind.BASAL, start, end, volume, missed=due - volume))
        start = end
    return limits.fitting(spans)


def _held_until(pace: Pace, rate: Fraction, start: int, to_ms: int) -> int:
    """Until when the lower of ``rate`` and the plan's own is what it is at ``start``."""
    held, change = min(rate, pace.rate(start)), pace.next_change(start)
    while change is not None and change < to_ms and min(rate, pace.rate(change)) == held:
        change = pace.next_change(change)
    return to_ms if change is None else min(change, to_ms)


class BridgePace:
    """The basal while a bridge lasts (D-11).

    Until ``old_until_ms`` the previous plan's flow; from then on, at each instant, the lower of both plans'.
    """

    def __init__(self, previous: Pace, shift_ms: int, new: Pace, old_until_ms: int | None) -> None:
        self._previous, self._shift, self._new, self.until_ms = previous, shift_ms, new, old_until_ms

    def _old(self, plan_ms: int) -> bool:
        return self.until_ms is None or plan_ms < self.until_ms

    def rate(self, plan_ms: int, /) -> Fraction:
        """The flow in force, nL/ms."""
        old = self._previous.rate(plan_ms + self._shift)
        return old if self._old(plan_ms) else min(old, self._new.rate(plan_ms))

    @property
    def unit(self) -> int:
        """The parts of a nL in which every volume is a whole number."""
        return lcm(self._previous.unit, self._new.unit)

    def planned_units(self, a_ms: int, b_ms: int, /) -> int:
        """The integral of ``rate``, 1/``unit`` nL."""
        return int(self.planned_basal_nl(a_ms, b_ms) * self.unit)

    def next_change(self, plan_ms: int, /) -> int | None:
        """The next instant at which either plan's flow or the rule changes."""
        old = self._previous.next_change(plan_ms + self._shift)
        changes = [None if old is None else old - self._shift, self._new.next_change(plan_ms)]
        if self.until_ms is not None and self.until_ms > plan_ms:
            changes.append(self.until_ms)
        known = [change for change in changes if change is not None]
        return min(known) if known else None

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        """The exact integral of ``rate``, nL."""
        total, start = ZERO, a_ms
        while start < b_ms:
            change = self.next_change(start)
            end = b_ms if change is None else min(change, b_ms)
            total += self.rate(start) * (end - start)
            start = end
        return total


def time_of_volume(pace: Pace, from_ms: int, volume: Fraction, horizon_ms: int) -> int | None:
    """When ``pace`` has asked ``volume`` nL from ``from_ms`` on; None if not by the horizon."""
    start, left = from_ms, volume
    while start < horizon_ms:
        change = pace.next_change(start)
        end = horizon_ms if change is None else min(change, horizon_ms)
        rate = pace.rate(start)
        if rate and rate * (end - start) > left:
            return start + int(left / rate)
        left -= rate * (end - start)
        start = end
    return None
