"""What the tests of the spans, the sums and the books share."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.prescription import Bridge, Prescription
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.totals import ZERO, Pace, Run, Span
from pump_ctrl.drivers.base import Grid, PumpState, PumpStatus, StepKind
from tests.toy_pace import DAY, HOUR, ToyPace
from tests.unit.fake_bench import ToySchedule

STEP = 100
LIMITS = Limits(step_nl=STEP, max_nl_per_h=1_000_000, max_steps=13)
HUNDRED = ToyPace((0, 2_400_000))  # 100 uL/h
MORNING = ToyPace((0, 480_000), (6 * HOUR, 2_400_000))  # 20 uL/h, and 100 uL/h from six o'clock on


def grid_of(grain_nl: int) -> Grid:
    """A pump whose numbers are the multiples of ``grain_nl``, and which holds three steps."""
    return Grid(
        volume=lambda nl, _ms: nl // grain_nl * grain_nl,
        count=lambda steps: min(3, len(steps)),
        exchanges=lambda steps: 10 * len(steps) + 1,
        rests=True,
    )


GRID = replace(LIMITS, grid=grid_of(700))
FINE = replace(LIMITS, step_nl=1, grid=grid_of(7))


class Steady:
    """One rate for ever, ``rate`` nL/ms, from plan time 0 on."""

    def __init__(self, rate: Fraction) -> None:
        self._rate, self.unit = rate, rate.denominator

    def rate(self, _plan_ms: int, /) -> Fraction:
        return self._rate

    def next_change(self, _plan_ms: int, /) -> None:
        return None

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        return self._rate * (b_ms - a_ms)

    def planned_units(self, a_ms: int, b_ms: int, /) -> int:
        return int(self._rate * (b_ms - a_ms) * self.unit)


def basal(from_ms: int, to_ms: int, volume_nl: int, missed: Fraction = ZERO) -> Span:
    return Span(StepKind.BASAL, from_ms, to_ms, volume_nl, missed=missed)


def run_of(*spans: Span, pace: Pace = HUNDRED, cut_nl: int = 0, purpose: str = "basal") -> Run:
    return Run(f"{purpose}:{spans[0].from_ms}", purpose, "stage-0", spans, pace, cut_nl)


# What the tests of the books begin with.

NIGHT = (22 * HOUR, 1_200_000, 60_000)
PLAN = Prescription(ToySchedule((0, 2_400_000), bolus=NIGHT), 4 * HOUR, plan="a")
FIRST = run_of(basal(0, DAY, 2_400_000))
# An hour of 100 uL/h, 60 uL of bolus beside it, of which 1 uL of basal cannot be given.
BOLUS = run_of(
    Span(StepKind.BOLUS, 0, HOUR, 159_000, 99_000, Fraction(60_000), Fraction(1_000)), purpose="scheduled"
)
PRIME = run_of(
    Span(StepKind.PRIME, 0, HOUR, 335_800, 0, Fraction(335_800), Fraction(100_000)), purpose="prime"
)


def after(from_ms: int, **changes: object) -> Run:
    """The basal from then on, to the end of the day."""
    run = run_of(basal(from_ms, DAY, 100_000 * ((DAY - from_ms) // HOUR)))
    return replace(run, **changes)  # type: ignore[arg-type]


def bridged(plan: Prescription) -> Prescription:
    """With a bridge behind a plan of 20 uL/h."""
    previous = ToyPace((0, 480_000))
    return replace(plan, bridge=Bridge(previous, 0, 200_000, 300_000, previous.rate(0)))


def status(counter: int, epoch: int = 1, *alarms: str) -> PumpStatus:
    return PumpStatus(epoch, 1, 1, PumpState.RUNNING, counter, alarms=frozenset(alarms))


def in_force(run: Run, books: Books | None = None, counter: int = 0, *, lasts: bool = True) -> Books:
    """Books in which ``run`` took over when the pump's counter stood there."""
    books = books or Books(PLAN, STEP)
    books.ask(run, None)
    books.take_over(status(counter), 0, lasts=lasts)
    return books
