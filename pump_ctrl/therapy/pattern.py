"""A flow that repeats every day or week, as exact steps: its sums, its changes and its worst windows.

Layer      therapy, pure arithmetic; imports nothing of ours.
Hazard     rounding drift over months; a window that is worst just beside the one that was looked at.
Invariant  amount(a, b) + amount(b, c) == amount(a, c), exactly; no window holds more than worst(its length).
Tests      tests/unit/test_schedule.py, tests/properties/test_schedule_sums.py,
           tests/properties/test_compiler_brute_force.py

Times are whole ms on the pattern's own clock, which may be negative and has no end. Rates are exact amounts
per ms (nL/ms in a schedule, pg/ms where a compiler weighs them). Inside, a rate is an integer over one common
denominator, so that a sum costs integer additions and one reduction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import lcm

ZERO = Fraction(0)
_Mark = tuple[int, Fraction]


@dataclass(frozen=True, slots=True)
class Change:
    """An instant of the period at which the rate changes: by how much, negative for a fall."""

    at_ms: int
    by: Fraction


class Pattern:
    """A rate that is constant between steps and repeats every ``period_ms``.

    Args:
        period_ms: length of one round, ms, above 0.
        steps: (start in [0, period_ms), rate per ms), in time order, the first at 0.
    """

    __slots__ = (
        "_changes_ms", "_numerators", "_prefix", "_total",
        "denominator", "period_ms", "rates", "starts",
    )  # fmt: skip

    def __init__(self, period_ms: int, steps: Iterable[tuple[int, Fraction]]) -> None:
        ordered = _in_order(steps)
        self.period_ms = period_ms
        self.starts = tuple(start for start, _ in ordered)
        self.rates = tuple(rate for _, rate in ordered)
        if not self.starts or self.starts[0] != 0 or self.starts[-1] >= period_ms:
            raise ValueError(f"steps at {self.starts} ms do not cover a period of {period_ms} ms")
        self.denominator = lcm(*(rate.denominator for rate in self.rates))
        self._numerators = tuple(int(rate * self.denominator) for rate in self.rates)
        amounts = (n * ms for n, ms in zip(self._numerators, self._lengths(), strict=True))
        self._prefix = (0, *accumulate(amounts))
        self._total = self._prefix[-1]
        self._changes_ms = tuple(change.at_ms for change in self.changes())

    def _lengths(self) -> tuple[int, ...]:
        ends = (*self.starts[1:], self.period_ms)
        return tuple(end - start for start, end in zip(self.starts, ends, strict=True))

    def rate_index(self, at_ms: int) -> int:
        """Which of ``rates`` is in force at that instant; a step counts from its own start."""
        return bisect_right(self.starts, at_ms % self.period_ms) - 1

    def sum_to(self, at_ms: int) -> int:
        """The amount from 0 to ``at_ms`` in units of 1/``denominator``; negative before 0."""
        rounds, rest = divmod(at_ms, self.period_ms)
        i = bisect_right(self.starts, rest) - 1
        return rounds * self._total + self._prefix[i] + self._numerators[i] * (rest - self.starts[i])

    def amount(self, from_ms: int, to_ms: int, scale: Fraction = Fraction(1)) -> Fraction:
        """The exact amount between two instants, times ``scale``."""
        whole = self.sum_to(to_ms) - self.sum_to(from_ms)
        return Fraction(whole * scale.numerator, self.denominator * scale.denominator)

    def changes(self) -> tuple[Change, ...]:
        """Every change of one period, in time order; none for a constant rate."""
        steps = zip(self.starts, self.rates, (self.rates[-1], *self.rates[:-1]), strict=True)
        return tuple(Change(start, rate - before) for start, rate, before in steps if rate != before)

    def next_change(self, at_ms: int) -> int | None:
        """The first instant after ``at_ms`` at which the rate changes, None for never."""
        if not self._changes_ms:
            return None
        rest = at_ms % self.period_ms
        i = bisect_right(self._changes_ms, rest)
        if i == len(self._changes_ms):
            return at_ms - rest + self.period_ms + self._changes_ms[0]
        return at_ms - rest + self._changes_ms[i]

    def combined(self, other: Pattern, rule: Callable[[Fraction, Fraction], Fraction]) -> Pattern:
        """The pattern whose rate is ``rule(own, other)`` at every instant."""
        period = lcm(self.period_ms, other.period_ms)
        starts = sorted({*self._every_start(period), *other._every_start(period)})
        pairs = ((self.rates[self.rate_index(at)], other.rates[other.rate_index(at)]) for at in starts)
        return Pattern(period, ((at, rule(*pair)) for at, pair in zip(starts, pairs, strict=True)))

    def _every_start(self, period_ms: int) -> Iterable[int]:
        return (turn + start for turn in range(0, period_ms, self.period_ms) for start in self.starts)

    def scaled(self, factor: Fraction) -> Pattern:
        """The same pattern with every rate times ``factor``."""
        return Pattern(self.period_ms, zip(self.starts, (rate * factor for rate in self.rates), strict=True))

    def delayed(self, by_ms: int) -> Pattern:
        """The pattern that does at t what this one does at ``t - by_ms``."""
        moved = sorted({0, *((start + by_ms) % self.period_ms for start in self.starts)})
        return Pattern(self.period_ms, ((at, self.rates[self.rate_index(at - by_ms)]) for at in moved))

    def worst(self, window_ms: int) -> Fraction:
        """The most in any window of that length, exact.

        The sum over a window is linear in its position until one of its edges meets a step, so that the most
        stands in a window that begins or ends at a step.
        """
        begins = (*self.starts, *(start - window_ms for start in self.starts))
        most = max(self.sum_to(begin + window_ms) - self.sum_to(begin) for begin in begins)
        return Fraction(most, self.denominator)

    def worst_falls(self, window_ms: int) -> Fraction:
        """The largest sum of falls of the rate in any window of that length, both its ends included."""
        falls = [(c.at_ms, -c.by) for c in self.changes() if c.by < 0]
        return max((sum((by for _, by in run), ZERO) for run in self._runs(falls, window_ms)), default=ZERO)

    def most_changes(self, window_ms: int) -> int:
        """The largest number of changes in any window of that length, both its ends included."""
        marks = [(c.at_ms, ZERO) for c in self.changes()]
        return max((len(run) for run in self._runs(marks, window_ms)), default=0)

    def _runs(self, marks: list[_Mark], window_ms: int) -> Iterable[list[_Mark]]:
        """For each mark, the marks of the window that begins with it: a fullest window begins at a mark."""
        turns = window_ms // self.period_ms + 2
        unrolled = [(at + turn * self.period_ms, by) for turn in range(turns) for at, by in marks]
        return ([mark for mark in unrolled if at <= mark[0] <= at + window_ms] for at, _ in marks)


def _in_order(steps: Iterable[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    ordered = list(steps)
    for (before, _), (start, _) in pairwise(ordered):
        if start <= before:
            raise ValueError(f"the step at {start} ms does not come after the one at {before} ms")
    return ordered
