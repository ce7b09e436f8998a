"""From the pump's counter of 4 digits to a volume that only grows.

Layer      drivers, pure: imports the codec's ``Counter``.
Hazard     F-24, F-25, S-24: a counter that was cleared, rolled over or reset taken for less drug, or for more.
Invariant  within one ``life`` the sum never decreases, and it rises by no more than the counter shows; a fall that
           no clear and no roll-over explains begins a new life, and is never a credit.
Source     New Era wire specification, section 11; where it rolls over (after 9999) was not seen on a pump.
Tests      tests/unit/test_new_era_meter.py, tests/unit/test_new_era_meter_edges.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.drivers.new_era_codec import Counter

ROLLS_AT_NL: Final = 10_000_000  # behind "9999" uL the counter begins again
MS_PER_HOUR: Final = 3_600_000


class Meter:
    """Sums the differences of a counter.

    Args:
        fastest_nl_per_h: no pump of this kind moves faster.
    """

    def __init__(self, fastest_nl_per_h: int) -> None:
        self._fastest = fastest_nl_per_h
        self._base_nl = 0  # of the sum, when the counter stood at zero
        self._last: Counter | None = None
        self._last_ms = 0
        self._may_fall = False
        self.counter_nl = 0  # as last read: what has flowed since it was cleared, or since a power-up
        self.total_nl = 0  # what the counter has shown in this life; at its beginning what it showed then
        self.lives = 0
        self.resets = 0  # lives that began because the pump, or somebody, set the counter back
        self.before_nl = 0  # what the sum was when the life before this one ended

    @property
    def unit_nl(self) -> int:
        """What the last digit of the last reading stood for, nL: ``total_nl`` is not known any better."""
        return 1 if self._last is None else self._last.unit_nl

    def power_up(self) -> None:
        """The pump was reset: its counter stands at zero, and what was not read is lost."""
        self.resets += 1
        self.begin_anew()

    def begin_anew(self) -> None:
        """It may be another pump whose counter is read next."""
        if self._last is None:
            return  # nothing was read in this life
        self.lives += 1
        self.before_nl = self.total_nl
        self._base_nl, self._last, self._may_fall = 0, None, False
        self.counter_nl = self.total_nl = 0

    def expect_clear(self) -> None:
        """The counter is about to be cleared, or told in another unit, with the pump standing still."""
        self._may_fall = True

    def is_plausible(self, counter: Counter, at_ms: int) -> bool:
        """Whether the pump can have got from the last reading to this one; if not, ask it again."""
        last = self._last
        if last is None or (self._may_fall and counter.infused_nl <= last.infused_nl):
            return True
        rise = counter.infused_nl - last.infused_nl
        flowed = -(-self._fastest * max(0, at_ms - self._last_ms) // MS_PER_HOUR)
        most = flowed + last.unit_nl + counter.unit_nl  # a unit at either end
        return 0 <= (rise if rise >= 0 else rise + ROLLS_AT_NL) <= most

    def follow(self, counter: Counter, at_ms: int) -> bool:
        """Take in a reading if it is plausible; else it has to be asked for again."""
        rise, gone_ms = counter.infused_nl - self.counter_nl, at_ms - self._last_ms
        if 0 <= rise * MS_PER_HOUR <= self._fastest * gone_ms:
            self.counter_nl, self.total_nl = counter.infused_nl, self.total_nl + rise  # as nearly always
            self._last, self._last_ms, self._may_fall = counter, at_ms, False
        elif self.is_plausible(counter, at_ms):
            self.take(counter, at_ms)
        else:
            return False
        return True

    def take(self, counter: Counter, at_ms: int) -> None:
        """Take in a reading that was plausible, or was read twice."""
        if self._last is not None and counter.infused_nl < self._last.infused_nl:
            self._fall(self._last, counter, at_ms)
        self._last, self._last_ms, self._may_fall = counter, at_ms, False
        self.counter_nl = counter.infused_nl
        self.total_nl = self._base_nl + self.counter_nl

    def _fall(self, last: Counter, counter: Counter, at_ms: int) -> None:
        if self._may_fall:
            self._base_nl += last.infused_nl
        elif not self.is_plausible(counter, at_ms):
            self.power_up()
        else:
            self._base_nl += ROLLS_AT_NL
