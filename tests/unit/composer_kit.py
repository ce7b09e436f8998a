"""A composer on its books, without a controller and a pump: what it composes is in force when a test says so.

The basal is 1 nL/s where a test names no other, and a pump step 100 nL: one step in 100 s. Telling a pump that takes
over in its course takes 2 s, telling a syringe pump 2 s and 1 s for each step. Times are ms, volumes nL.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.composer import Composer
from pump_ctrl.controller.prescription import Bridge, Prescription, Slot, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.totals import Run
from pump_ctrl.drivers.base import Grid
from tests.toy_pace import HOUR
from tests.unit.fake_bench import ToySchedule, ToyTerms

MINUTE: Final = 60_000
EVEN: Final = (0, 86_400)  # from midnight on, nL a day: 1 nL/s
IMPLANT: Final = Limits(step_nl=100, max_nl_per_h=1_000_000, max_steps=13)
SYRINGE: Final = replace(
    IMPLANT,
    grid=Grid(
        volume=lambda most_nl, over_ms: most_nl // 100 * 100,
        count=lambda steps: min(4, len(steps)),
        exchanges=lambda steps: 2 + len(steps),
        rests=True,
    ),
)
TIMING: Final = Timing(
    exchange_ms=1_000,
    lease_ms=10 * HOUR,
    lead_ms=15 * MINUTE,
    poll_ms=HOUR,
    retry_ms=5_000,
    retry_max_ms=300_000,
    stop_ms=30_000,
)


class Alone:
    """A composer and its books, for a plan of these levels (nL a day)."""

    def __init__(
        self,
        *levels: tuple[int, int],
        limits: Limits = IMPLANT,
        timing: Timing = TIMING,
        prime_nl: int = 0,
        prime_nl_per_h: int = 0,
        bridge: Bridge | None = None,
        bolus: tuple[int, int, int] | None = None,
        patient: ToyTerms | None = None,
        stage_until: int | None = None,
    ) -> None:
        made = ToySchedule(*(levels or (EVEN,)), bolus=bolus, patient=patient, stage_until=stage_until)
        plan = Prescription(made, 4 * HOUR, prime_nl=prime_nl, prime_nl_per_h=prime_nl_per_h, bridge=bridge)
        self.books = Books(plan, limits.step_nl)
        self.composer = Composer(self.books, limits, timing)

    def takes(self, run: Run, slot: Slot | None = None) -> Run:
        """The pump has taken the run over just when it was composed for, and said so."""
        self.books.ask(run, slot)
        self.books.grant(0, compares=False)
        self.composer.told(run.from_ms)
        self.composer.renewed()
        return run

    def begins(self) -> Run:
        """The first basal, decided on at 0, is in force."""
        return self.takes(self.composer.basal(0))


def told(run: Run) -> list[tuple[int, int, int]]:
    """Begin, end and volume of each span."""
    return [(span.from_ms, span.to_ms, span.volume_nl) for span in run.spans]


def sums(run: Run) -> tuple[int, Fraction, int]:
    """What the run before had given, what is due while the pump stands still, and the spans of the hold behind it."""
    return run.cut_nl, run.still, run.tail
