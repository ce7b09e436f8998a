"""How long it takes to tell the pump a run: what its exchanges usually take, and then what they took.

Layer      controller, pure.
Hazard     a run that begins long before or after the moment its volumes were computed for.
Invariant  of the last two tellings the quicker counts, so that a disk that was slow once changes nothing, and a pump
           rather begins late, which is named in ``missed``, than early.
Tests      tests/unit/test_telling.py, tests/unit/test_paced_lines.py
"""

from __future__ import annotations

from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.totals import Span

US_PER_MS = 1_000
SPARE_MS = 3_000  # of T_s, for the disk and for the last bytes


class Telling:
    """The time from deciding on a run to the pump's word that it runs.

    Args:
        limits: what the pump can be told, and in how many exchanges.
        exchange_ms: what an exchange usually takes. It is all that counts where the pump is not stopped first: such
            a pump begins with a run when it is told to, and goes on with the old one until then.
        stop_ms: T_s; what has not begun by then never does.
    """

    def __init__(self, limits: Limits, exchange_ms: int, stop_ms: int) -> None:
        self._limits, self._learns = limits, limits.stops_first
        self._most_ms = stop_ms - SPARE_MS
        self._us = (exchange_ms * US_PER_MS,) * 2  # of an exchange, in the last two tellings
        self._last = (0, limits.exchanges([]))  # plan time of the decision, and exchanges, of the last run

    @property
    def usual_ms(self) -> int:
        """For a run like the last one."""
        return self._ms(self._last[1])

    def ms(self, spans: list[Span]) -> int:
        """For these spans."""
        return self._ms(self._limits.exchanges(spans))

    def _ms(self, exchanges: int) -> int:
        return exchanges * min(self._us) // US_PER_MS

    def in_time(self, spans: list[Span]) -> list[Span]:
        """As many of the spans, from the first on, as can be told while a permit lasts; one at least."""
        most = self._most_ms * US_PER_MS // max(1, self._us[1])
        told = spans[:]
        while self._learns and len(told) > 1 and self._limits.exchanges(told) > most:
            del told[-1]
        return self._limits.fitting(told) if len(told) < len(spans) else spans

    def begins(self, plan_ms: int, spans: list[Span]) -> None:
        """At ``plan_ms`` these spans were decided on."""
        self._last = (plan_ms, self._limits.exchanges(spans))

    def done(self, plan_ms: int) -> None:
        """The pump has said that it runs them."""
        begun, exchanges = self._last
        if self._learns and plan_ms > begun:
            self._us = (self._us[1], (plan_ms - begun) * US_PER_MS // exchanges)
