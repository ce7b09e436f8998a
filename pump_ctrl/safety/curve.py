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
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

ZL_PER_NL: Final = 10**12
FAR_PAST: Final = -(1 << 62)
ORIGIN: Final = 2 * FAR_PAST  # before every instant that is ever asked for
FAR: Final = 1 << 62  # "not before somebody says so"
LEAF: Final = 24  # so many kinks are looked at one by one

Segment = tuple[int, int, int]  # from, to, zL/ms
Kink = tuple[int, int]  # when, and by how much a slope changes


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
        if start >= self.times[-1]:
            self.extend(((start, end, slope),))
            return
        first, last = self._split(start), self._split(end)
        for i in range(first, last):
            self.slopes[i] += slope
        for i in range(first + 1, len(self.times)):
            self.sums[i] = self.sums[i - 1] + self.slopes[i - 1] * (self.times[i] - self.times[i - 1])
        for i in (last, first):  # what was taken back leaves no breakpoint behind
            if self.slopes[i] == self.slopes[i - 1]:
                del self.times[i], self.slopes[i], self.sums[i]

    def copy(self) -> Curve:
        """The same curve, to be gone on with in another way."""
        other = Curve()
        other.times, other.slopes, other.sums = self.times[:], self.slopes[:], self.sums[:]
        return other

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

    def extend(self, flow: Iterable[Segment], until: int = FAR) -> None:
        """Add what flows before ``until``; ``flow`` is in time order and begins where this curve has ended.

        An unchanged flow makes no breakpoint.
        """
        times, slopes, sums = self.times, self.slopes, self.sums
        ended, total = times[-1], sums[-1]
        for start, end, slope in flow:
            if start >= until:
                break
            if slope == 0:
                continue
            if ended != start:
                times.append(start)
                slopes.append(slope)
                sums.append(total)
            elif len(slopes) > 1 and slopes[-2] == slope:  # the same flow goes on: no kink
                del times[-1], slopes[-1], sums[-1]
            else:  # the last breakpoint is where a flow ended
                slopes[-1] = slope
            ended = end if end < until else until
            total += slope * (ended - start)
            times.append(ended)
            slopes.append(0)
            sums.append(total)

    def aged(self, before: int) -> bool:
        """Whether it is worth the trouble to forget what no window beginning at or after ``before`` can see."""
        times = self.times
        return times[-1] < before or (len(times) > LEAF + 1 and times[LEAF + 1] <= before)

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
        times = late.times
        if times[-1] <= start:
            continue  # all of it had flowed by then
        j = bisect_right(times, start) - 1
        by_start = late.sums[j] + late.slopes[j] * (start - times[j])
        times = early.times
        if times[-1] <= end:  # all of it has flowed by then
            total += weight * (early.sums[-1] - by_start)
            continue
        i = bisect_right(times, end) - 1
        total += weight * (early.sums[i] + early.slopes[i] * (end - times[i]) - by_start)
    return total


def growth(terms: Iterable[Term], at: int) -> tuple[int, int]:
    """How fast ``content`` grows with its end, there, and until when it grows no faster and no slower."""
    rate, until = 0, FAR
    for weight, early, _ in terms:
        i = bisect_right(early.times, at)
        rate += weight * early.slopes[i - 1]
        if i < len(early.times):
            until = min(until, early.times[i])
    return rate, until


def fullest(terms: Sequence[Term], width: int, first: int, last: int, limit: int) -> tuple[int, int] | None:
    """The fullest window of ``width`` ms whose end lies in [first, last], if it holds more than ``limit``.

    Returns its content and its end, of equal ones the last, or None. What a stretch holds from its first
    window's begin to its last window's end bounds all of them, so a stretch that cannot pass the limit is never
    looked into.
    """
    if content(terms, first - width, last) <= limit:
        return None
    line = _line(terms, width, first, last)
    if line is None:
        middle = (first + last) >> 1
        halves = (fullest(terms, width, first, middle, limit), fullest(terms, width, middle, last, limit))
        return max((half for half in halves if half is not None), default=None)
    most, end = _top(*line, first, last)
    return (most, end) if most > limit else None


def _line(terms: Sequence[Term], width: int, first: int, last: int) -> tuple[int, int, list[Kink]] | None:
    """The content of the window of ``width`` over its end: what it is at ``first``, its slope there, its kinks.

    None if these are so many that it is better to halve the stretch first.
    """
    held = slope = 0
    kinks: list[Kink] = []
    begin, stop = first - width, last - width
    for weight, early, late in terms:  # both sides written out: this, too, is where the time goes
        times, slopes = early.times, early.slopes
        i, n = bisect_right(times, first), bisect_left(times, last)
        if n - i > LEAF:
            return None
        held += weight * (early.sums[i - 1] + slopes[i - 1] * (first - times[i - 1]))
        slope += weight * slopes[i - 1]
        for k in range(i, n):
            kinks.append((times[k], weight * (slopes[k] - slopes[k - 1])))
        times, slopes = late.times, late.slopes
        i, n = bisect_right(times, begin), bisect_left(times, stop)
        if n - i > LEAF:
            return None
        held -= weight * (late.sums[i - 1] + slopes[i - 1] * (begin - times[i - 1]))
        slope -= weight * slopes[i - 1]
        for k in range(i, n):
            kinks.append((times[k] + width, weight * (slopes[k - 1] - slopes[k])))
    kinks.sort()
    return held, slope, kinks


def _top(held: int, slope: int, kinks: list[Kink], first: int, last: int) -> tuple[int, int]:
    """The highest point of a line, and where; of equal ones the last.

    It can lie at the ends, where the inflow falls, and where the outflow rises. The line is carried on by its
    slope, which is much faster than summing up at each kink.
    """
    at = end = first
    most = held
    for time, change in kinks:
        held += slope * (time - at)
        at = time
        slope += change
        if change < 0 and held >= most:
            most, end = held, time
    held += slope * (last - at)
    return (held, last) if held >= most else (most, end)


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
    waiting, result = list(segments), []  # type: list[Segment], list[Segment]
    heapify(waiting)
    while waiting:
        start, end, slope = heappop(waiting)
        while waiting and waiting[0][0] < end:
            begin, stop, other = waiting[0]
            if other > slope:
                if stop < end:
                    heappush(waiting, (stop, end, slope))  # it comes up again behind the faster one
                end = begin
            elif stop > end:
                heapreplace(waiting, (end, stop, other))  # it comes up when the faster one is over
            else:
                heappop(waiting)
        if start < end:
            result.append((start, end, slope))
    return result
