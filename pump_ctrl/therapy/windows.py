"""Worst windows of boluses: what scheduled and patient boluses can put into one hour, four hours, a day.

Layer      therapy, pure arithmetic; imports nothing of ours.
Hazard     late today and on time tomorrow; the last bolus of one day and the first of the next.
Invariant  whatever start each bolus takes within its bounds, no window holds more than the result.
Tests      tests/unit/test_limits_compiler.py, tests/properties/test_compiler_brute_force.py

A bolus is *sent* at some instant and flows within [sending, sending + T_s + its length]: the guard counts it
there (dose path, D-06), so the compiler must allow it there. A scheduled bolus is sent within
[slot, slot + within + T_s], the last T_s because the exchange that sends it takes that long at the most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from math import lcm

ZERO = Fraction(0)
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Pulse:
    """One scheduled bolus: ``amount`` spread over ``over_ms``, beginning anywhere in [at, at + late]."""

    at_ms: int
    late_ms: int
    over_ms: int
    amount: Fraction

    @property
    def rate(self) -> Fraction:
        """Amount per ms while it flows."""
        return self.amount / self.over_ms

    @property
    def latest_end_ms(self) -> int:
        """When its last drop has flowed, however late it began."""
        return self.at_ms + self.late_ms + self.over_ms

    def overlap(self, from_ms: int, window_ms: int) -> int:
        """For how long at the most it can flow in the window [from, from + window], ms."""
        end_ms = from_ms + window_ms
        longest = min(self.over_ms, window_ms, self.latest_end_ms - from_ms, end_ms - self.at_ms)
        return max(0, longest)

    def stays_from(self, window_ms: int) -> tuple[int, int]:
        """First and last beginning of a window of that length that holds the most of it."""
        full = min(self.over_ms, window_ms)
        return self.at_ms + full - window_ms, self.latest_end_ms - full


@dataclass(frozen=True, slots=True)
class Touch:
    """How many boluses one window can meet, and the largest sum of their rates (amount per ms)."""

    count: int = 0
    rates: Fraction = ZERO

    def __add__(self, other: Touch) -> Touch:
        return Touch(self.count + other.count, self.rates + other.rates)

    def most(self, other: Touch) -> Touch:
        """The larger of both, number by number."""
        return Touch(max(self.count, other.count), max(self.rates, other.rates))


NO_TOUCH = Touch()


class Timeline:
    """Scheduled boluses over some stretch of time.

    Args:
        pulses: all that a window of interest can meet. of_interest: those whose windows are looked at; all of
        them when left out. For boluses that repeat, those
            of one round are enough when ``pulses`` holds their neighbours too.
    """

    def __init__(self, pulses: Iterable[Pulse], of_interest: Sequence[Pulse] | None = None) -> None:
        self.pulses = tuple(sorted(pulses, key=lambda pulse: pulse.at_ms))
        self._of_interest = self.pulses if of_interest is None else of_interest
        self._at_ms = [pulse.at_ms for pulse in self.pulses]
        self._longest_ms = max((pulse.latest_end_ms - pulse.at_ms for pulse in self.pulses), default=0)
        self._common = lcm(*(pulse.rate.denominator for pulse in self.pulses))
        self._rates = [int(pulse.rate * self._common) for pulse in self.pulses]

    def _meeting(self, from_ms: int, window_ms: int) -> range:
        """Indices of all that can flow in [from, from + window], ends included, and perhaps of more."""
        first = bisect_left(self._at_ms, from_ms - self._longest_ms)
        return range(first, bisect_right(self._at_ms, from_ms + window_ms))

    def worst(self, window_ms: int) -> Fraction:
        """The most that any window of that length can hold, each bolus at its own worst start.

        Exact where no two boluses can want the pump at once; else an upper bound (one would be missed). What
        a window can hold of one bolus rises, stays and falls linearly as the window moves; the most of such a
        sum is where one of them begins or ends to stay.
        """
        begins = {begin for pulse in self._of_interest for begin in pulse.stays_from(window_ms)}
        return Fraction(max((self._sum(begin, window_ms) for begin in begins), default=0), self._common)

    def _sum(self, from_ms: int, window_ms: int) -> int:
        meeting = self._meeting(from_ms, window_ms)
        return sum(self._rates[i] * self.pulses[i].overlap(from_ms, window_ms) for i in meeting)

    def touched(self, window_ms: int) -> Touch:
        """The most boluses, and the largest sum of rates, that such a window can meet, both ends included.

        A window that meets most ends where one of them may begin.
        """
        most = NO_TOUCH
        for pulse in self._of_interest:
            begin = pulse.at_ms - window_ms
            met = [i for i in self._meeting(begin, window_ms) if self.pulses[i].latest_end_ms >= begin]
            most = most.most(Touch(len(met), Fraction(sum(self._rates[i] for i in met), self._common)))
        return most


@dataclass(frozen=True, slots=True)
class Requests:
    """Patient boluses at their most frequent.

    ``gap_ms`` from one sending to the next (length + T_s + lockout); ``reopen_ms`` from a sending to the one
    ``max_per_day`` later (length + T_s + 24 h); ``doubt_ms`` how long after its sending a bolus may begin.
    """

    amount: Fraction
    over_ms: int
    gap_ms: int
    reopen_ms: int
    doubt_ms: int
    max_per_day: int

    @classmethod
    def of(cls, amount: Fraction, over_ms: int, lockout_ms: int, max_per_day: int, stop_ms: int) -> Requests:
        """Terms of the plan and T_s -> the closest sendings that lockout and rolling count leave."""
        latest_end = over_ms + stop_ms
        return cls(amount, over_ms, latest_end + lockout_ms, latest_end + DAY_MS, stop_ms, max_per_day)

    def sendings(self) -> Iterator[int]:
        """Sendings from 0 on, ms, each as early as the rules let it go; endless, or none if never allowed."""
        sent: list[int] = []
        while self.max_per_day > 0:
            after_last = sent[-1] + self.gap_ms if sent else 0
            after_count = sent[-self.max_per_day] + self.reopen_ms if len(sent) >= self.max_per_day else 0
            sent.append(max(after_last, after_count))
            yield sent[-1]

    def worst(self, window_ms: int) -> Fraction:
        """The most in any window of that length, exact: it begins with a bolus that began at its latest."""
        begins = takewhile(lambda ms: ms < window_ms, self._begins())
        flowing = sum(min(self.over_ms, window_ms - begin) for begin in begins)
        return self.amount * flowing / self.over_ms

    def touched(self, window_ms: int) -> Touch:
        """The most of them that one window can meet, both ends included."""
        count = sum(1 for _ in takewhile(lambda ms: ms <= window_ms + self.over_ms, self._begins()))
        return Touch(count, self.amount * count / self.over_ms)

    def _begins(self) -> Iterator[int]:
        """Beginnings, counted from that of the first, which waited its ``doubt_ms``; the others did not."""
        return (max(0, sent - self.doubt_ms) for sent in self.sendings())
