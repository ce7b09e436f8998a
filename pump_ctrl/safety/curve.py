"""Cumulative volume over time as a piecewise linear curve, and the fullest window between two curves.

Layer      safety, pure arithmetic on integers: times in ms, volumes in zL (1 nL = 10**12 zL), slopes in
           zL/ms.
Hazard     a window that nobody looked at: the sum is right at the ends of a command and wrong between.
Invariant  ``fullest`` finds the true maximum over every window end, not over a grid; a rate that is no whole
           number of zL/ms is rounded up, against the asker (less than 0.0001 nL a day).
Tests      tests/safety/test_curve.py, tests/properties/test_history_oracle.py

Why a pair of curves: what may have flowed by the end of a window is read from the ``early`` curve (everything
as soon as it can), what had surely flowed by its begin from the ``late`` one. For something that lies
anywhere in [start, end] with volume v and rate r the difference is min(v, r x overlap), the D-06 count.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

ZL_PER_NL: Final = 10**12
FAR_PAST: Final = -(1 << 62)
ORIGIN: Final = 2 * FAR_PAST  # before every instant that is ever asked for
FAR: Final = 1 << 62  # "not before somebody says so"
LEAF: Final = 24  # so many kinks are looked at one by one

Segment = tuple[int, int, int]  # from, to, zL/ms


class Curve:
    """A cumulative curve: breakpoints, the slope after each and the value at each."""

    __slots__ = ("slopes", "sums", "times")

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.times: list[int] = [ORIGIN]
        self.slopes: list[int] = [0]
        self.sums: list[int] = [0]
        for start, end, slope in segments:
            self.add(start, end, slope)

    def at(self, time: int) -> int:
        """Volume up to ``time``, zL."""
        i = bisect_right(self.times, time) - 1
        return self.sums[i] + self.slopes[i] * (time - self.times[i])

    def add(self, start: int, end: int, slope: int) -> None:
        """Let ``slope`` zL/ms more flow from ``start`` to ``end``; a negative slope takes back."""
        if start >= end or slope == 0:
            return
        first, last = self._split(start), self._split(end)
        for i in range(first, last):
            self.slopes[i] += slope
        for i in range(first + 1, len(self.times)):
            self.sums[i] = self.sums[i - 1] + self.slopes[i - 1] * (self.times[i] - self.times[i - 1])
        for i in (last, first):  # what was taken back leaves no breakpoint behind
            if self.slopes[i] == self.slopes[i - 1]:
                del self.times[i], self.slopes[i], self.sums[i]

    def draw(self, segments: Iterable[Segment], sign: int) -> None:
        """Let all of them flow (1), or take them back (-1)."""
        for start, end, slope in segments:
            self.add(start, end, sign * slope)

    def _split(self, time: int) -> int:
        """Index of the breakpoint at ``time``, made if there is none."""
        i = bisect_left(self.times, time)
        if i == len(self.times) or self.times[i] != time:
            self.sums.insert(i, self.at(time))
            self.slopes.insert(i, self.slopes[i - 1])
            self.times.insert(i, time)
        return i

    def extend(self, other: Curve, until: int) -> None:
        """Add what flows in ``other`` before ``until``; nothing of ``self`` may lie after its begin."""
        times, slopes = other.times, other.slopes
        for i in range(1, len(times)):
            if times[i] >= until:
                break
            end = times[i + 1] if i + 1 < len(times) else until
            self.append(times[i], min(end, until), slopes[i])

    def append(self, start: int, end: int, slope: int) -> None:
        """As ``add``, where nothing flows from ``start`` on yet; an unchanged flow makes no breakpoint."""
        if slope == 0:
            return
        if self.times[-1] == start:  # the last breakpoint is where a flow ended
            if len(self.slopes) > 1 and self.slopes[-2] == slope:  # the same flow goes on: no kink
                self.times[-1], self.sums[-1] = end, self.sums[-1] + slope * (end - start)
                return
            self.slopes[-1] = slope
        else:
            self.times.append(start)
            self.slopes.append(slope)
            self.sums.append(self.sums[-1])
        self.times.append(end)
        self.slopes.append(0)
        self.sums.append(self.sums[-1] + slope * (end - start))

    def forget(self, before: int) -> None:
        """Drop the breakpoints that no window beginning at or after ``before`` can see."""
        keep = bisect_right(self.times, before) - 1
        if keep > LEAF:  # now and then, not each time
            del self.times[1:keep], self.slopes[1:keep], self.sums[1:keep]
            self.sums[0] = self.sums[1]  # flat until there: what lies before is forgotten

    def shift(self, by: int) -> None:
        """Let everything have happened ``by`` ms earlier."""
        self.times[1:] = [time - by for time in self.times[1:]]

    @property
    def end(self) -> int:
        """When the last flow ends; ORIGIN if nothing ever flowed."""
        return self.times[-1]

    @property
    def total(self) -> int:
        """Everything, zL."""
        return self.sums[-1]


Term = tuple[int, Curve, Curve]  # weight, early, late


def content(terms: Iterable[Term], start: int, end: int) -> int:
    """Weighted most that can have flowed between ``start`` and ``end``."""
    total = 0
    for weight, early, late in terms:  # ``at`` written out: this is where the time goes
        i, j = bisect_right(early.times, end) - 1, bisect_right(late.times, start) - 1
        by_end = early.sums[i] + early.slopes[i] * (end - early.times[i])
        total += weight * (by_end - late.sums[j] - late.slopes[j] * (start - late.times[j]))
    return total


def fullest(terms: Sequence[Term], width: int, first: int, last: int, limit: int) -> tuple[int, int] | None:
    """The fullest window of ``width`` ms whose end lies in [first, last], if it holds more than ``limit``.

    Returns its content and its end, or None. What a stretch holds from its first window's begin to its last
    window's end bounds all of them, so a stretch that cannot pass the limit is never looked into.
    """
    bound = content(terms, first - width, last)
    if bound <= limit:
        return None
    if last - first > 1 and _kinks(terms, width, first, last) > LEAF:
        middle = (first + last) >> 1
        halves = (fullest(terms, width, first, middle, limit), fullest(terms, width, middle, last, limit))
        return max((half for half in halves if half is not None), default=None)
    return _swept(terms, width, first, last, limit)


def _kinks(terms: Sequence[Term], width: int, first: int, last: int) -> int:
    count = 0
    for _, early, late in terms:
        count += max(0, bisect_left(early.times, last) - bisect_right(early.times, first))
        count += max(0, bisect_left(late.times, last - width) - bisect_right(late.times, first - width))
    return count


def _swept(terms: Sequence[Term], width: int, first: int, last: int, limit: int) -> tuple[int, int] | None:
    """As ``fullest``, kink by kink: between two kinks the content is a straight line.

    It is carried on by its slope, not summed up at each kink: five times as fast. A maximum can lie at the ends
    of the stretch, where the inflow falls, and where the outflow rises; of equal ones the last is returned.
    """
    slope, kinks = _kinks_of(terms, width, first, last)
    at, held = first, content(terms, first - width, first)
    worst = (held, at)
    for end, change in kinks:
        held += slope * (end - at)
        at = end
        slope += change
        if change < 0 and held >= worst[0]:
            worst = (held, end)
    held += slope * (last - at)
    worst = max(worst, (held, last))
    return worst if worst[0] > limit else None


def _kinks_of(terms: Sequence[Term], width: int, first: int, last: int) -> tuple[int, list[tuple[int, int]]]:
    """Slope of the content of the window that ends at ``first``; later ends at which it changes, by how much."""
    slope, kinks = 0, []
    for weight, early, late in terms:
        times, slopes = early.times, early.slopes
        begin = bisect_right(times, first)
        slope += weight * slopes[begin - 1]
        for i in range(begin, bisect_left(times, last)):
            kinks.append((times[i], weight * (slopes[i] - slopes[i - 1])))
        times, slopes = late.times, late.slopes
        begin = bisect_right(times, first - width)
        slope -= weight * slopes[begin - 1]
        for i in range(begin, bisect_left(times, last - width)):
            kinks.append((times[i] + width, weight * (slopes[i - 1] - slopes[i])))
    kinks.sort()
    return slope, kinks


def rate_up(volume_nl: int, duration_ms: int) -> int:
    """``volume_nl`` spread over ``duration_ms``, zL/ms, rounded up."""
    return -(-volume_nl * ZL_PER_NL // duration_ms)


def early_ramp(volume: int, rate: int, start: int) -> list[Segment]:
    """``volume`` zL as soon as it can flow from ``start`` on at ``rate`` zL/ms."""
    whole, rest = divmod(volume, rate)
    return [(start, start + whole, rate), (start + whole, start + whole + 1, rest)]


def late_ramp(volume: int, rate: int, end: int) -> list[Segment]:
    """``volume`` zL as late as it can flow before ``end`` at ``rate`` zL/ms."""
    whole, rest = divmod(volume, rate)
    return [(end - whole - 1, end - whole, rest), (end - whole, end, rate)]


def envelope(segments: Iterable[Segment]) -> list[Segment]:
    """At each instant the largest slope of all ``segments``; in time order, without overlap."""
    waiting = sorted(segments)
    cuts = sorted({time for start, end, _ in waiting for time in (start, end)})
    active: list[tuple[int, int]] = []  # (-slope, end)
    result: list[Segment] = []
    taken = 0
    for i in range(len(cuts) - 1):
        while taken < len(waiting) and waiting[taken][0] <= cuts[i]:
            heappush(active, (-waiting[taken][2], waiting[taken][1]))
            taken += 1
        while active and active[0][1] <= cuts[i]:
            heappop(active)
        if active:
            result.append((cuts[i], cuts[i + 1], -active[0][0]))
    return result
