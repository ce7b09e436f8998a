"""Three sums: what the plan asked, what was commanded, what is missed, and why; exact.

Layer      controller, pure. Imports drivers.base for the kinds of steps, nothing else of ours.
Hazard     rounding drift, make-up doses, forgotten gaps (dose-path.md D-02, D-03).
Invariant  ``planned - missed - commanded`` is less than one pump step at every instant; only rounding is
           carried from one run into the next; a gap is never made up: it is named and stays in ``missed``.
Tests      tests/unit/test_totals.py, tests/properties/test_totals.py

The sums reach up to the *horizon*: the end of the run in force, or the last moment accounted for when nothing
runs. Plan time is ms since the plan's start; volumes are nL, planned and missed as exact Fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from pump_ctrl.drivers.base import Step, StepKind

ZERO = Fraction(0)
BESIDE = "basal below the plan beside a bolus, in a prime, in a hold or in a very short step"


class Pace(Protocol):
    """How much basal is due when: a schedule, or the rule in force while a bridge lasts."""

    def rate(self, plan_ms: int, /) -> Fraction:
        """The basal in force at that instant, nL/ms."""

    def next_change(self, plan_ms: int, /) -> int | None:
        """The first later instant at which the rate changes, None for never."""

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        """The exact volume due between two instants, nL."""


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a run in plan time.

    ``bolus`` is the bolus volume asked in it (exact, nL); ``missed`` is the basal that one motor speed cannot
    give beside a bolus (D-03); ``volume_nl`` all that is commanded, ``basal_nl`` the basal share of a bolus.
    """

    kind: StepKind
    from_ms: int
    to_ms: int
    volume_nl: int
    basal_nl: int = 0
    bolus: Fraction = ZERO
    missed: Fraction = ZERO

    @property
    def length_ms(self) -> int:
        """How long it takes."""
        return self.to_ms - self.from_ms

    def elapsed(self, plan_ms: int) -> int:
        """How much of its time has gone by, ms."""
        return min(max(plan_ms - self.from_ms, 0), self.length_ms)

    def step(self) -> Step:
        """The same as the pump is told it."""
        return Step(self.kind, self.volume_nl, self.length_ms, self.basal_nl)

    def delivered_by(self, plan_ms: int, step_nl: int) -> int:
        """What a pump that began on time has displaced of it by then, nL (the protocol's closed form)."""
        if plan_ms <= self.from_ms:
            return 0
        if plan_ms >= self.to_ms:
            return self.volume_nl // step_nl * step_nl
        return self.volume_nl * self.elapsed(plan_ms) // (self.length_ms * step_nl) * step_nl

    def next_step_ms(self, plan_ms: int, step_nl: int) -> int:
        """The first instant from ``plan_ms`` on at which the pump has just made a step; its end if none."""
        if not self.volume_nl or plan_ms >= self.to_ms:
            return self.to_ms
        made = -(-self.volume_nl * self.elapsed(plan_ms) // (self.length_ms * step_nl))
        return min(self.to_ms, self.from_ms - (-made * step_nl * self.length_ms // self.volume_nl))

    def even_flow(self, plan_ms: int) -> Fraction:
        """The share of its volume that belongs to the time up to ``plan_ms``, exact nL."""
        return self.volume_nl * self.share(plan_ms)

    def share(self, plan_ms: int) -> Fraction:
        """The part of its time that has gone by, 0 to 1."""
        return Fraction(self.elapsed(plan_ms), self.length_ms)


@dataclass(frozen=True, slots=True)
class Run:
    """A chain of spans that the pump was told in one permit.

    ``cut_nl`` is what the run before will have given when this one takes over: the volumes of the spans were
    computed from it. ``lost_nl`` are whole pump steps that are due by then and lost at the cut.
    """

    request_id: str
    purpose: str
    account: str
    spans: tuple[Span, ...]
    pace: Pace
    cut_nl: int
    lost_nl: int = 0

    @property
    def from_ms(self) -> int:
        """Plan time of its beginning."""
        return self.spans[0].from_ms

    @property
    def to_ms(self) -> int:
        """Plan time of its end, where the pump stops by itself."""
        return self.spans[-1].to_ms

    @property
    def volume_nl(self) -> int:
        """All that it can give."""
        return sum(span.volume_nl for span in self.spans)

    def delivered_by(self, plan_ms: int, step_nl: int) -> int:
        """What a pump that began on time has displaced by ``plan_ms``, nL."""
        return sum(span.delivered_by(plan_ms, step_nl) for span in self.spans)

    def next_step_ms(self, plan_ms: int, step_nl: int) -> int:
        """The first instant at or after ``plan_ms`` at which the pump has just made a step, or its end."""
        span = next((span for span in self.spans if plan_ms < span.to_ms), self.spans[-1])
        return span.next_step_ms(plan_ms, step_nl)

    def even_flow(self, plan_ms: int) -> Fraction:
        """The share of its volumes that belongs to the time up to ``plan_ms``, exact nL."""
        return sum((span.even_flow(plan_ms) for span in self.spans), ZERO)

    def planned_until(self, plan_ms: int) -> Fraction:
        """Basal due from its beginning until ``plan_ms``, and the boluses in it, exact nL."""
        until = min(max(plan_ms, self.from_ms), self.to_ms)
        return sum(
            (span.bolus for span in self.spans if span.bolus), self.pace.planned_basal_nl(self.from_ms, until)
        )

    def planned_by(self, plan_ms: int) -> Fraction:
        """The same up to an instant in its course: of a bolus, what is due by then, exact nL."""
        ahead = (span.bolus * (1 - span.share(plan_ms)) for span in self.spans if span.bolus)
        return self.planned_until(plan_ms) - sum(ahead, ZERO)

    def missed_until(self, plan_ms: int) -> Fraction:
        """The basal beside boluses that one motor speed could not give until ``plan_ms``, exact nL."""
        return sum((self._missed_in(span, plan_ms) for span in self.spans if span.missed), ZERO)

    def _missed_in(self, span: Span, plan_ms: int) -> Fraction:
        if plan_ms >= span.to_ms:
            return span.missed
        if plan_ms <= span.from_ms:
            return ZERO
        due = self.pace.planned_basal_nl(span.from_ms, span.to_ms)
        share = (due - span.missed) * (plan_ms - span.from_ms) / (span.to_ms - span.from_ms)
        return self.pace.planned_basal_nl(span.from_ms, plan_ms) - share


@dataclass(frozen=True, slots=True)
class Gap:
    """Planned volume that was not given and will not be made up: from, to (plan ms), why, exact nL."""

    from_ms: int
    to_ms: int
    why: str
    volume: Fraction

    def as_record(self) -> dict[str, Any]:
        """The journal's form; the volume is an exact fraction."""
        return {"from_ms": self.from_ms, "to_ms": self.to_ms, "why": self.why, "nl": str(self.volume)}


class Totals:
    """The sums of one journal.

    Args:
        step_nl: the pump's step, nL.
    """

    def __init__(self, step_nl: int) -> None:
        self.step_nl = step_nl
        self.planned = ZERO
        self.missed = ZERO
        self.commanded = 0
        self.horizon_ms = 0
        self.run: Run | None = None
        self._base = (ZERO, ZERO, 0)  # planned, missed, commanded where the run in force began

    @property
    def residual(self) -> Fraction:
        """What is planned up to the horizon, neither commanded nor missed: rounding, within one step."""
        return self.planned - self.missed - self.commanded

    def residual_at(self, plan_ms: int, given_nl: int) -> Fraction:
        """The residual if the run in force were cut at ``plan_ms`` having given ``given_nl``."""
        if self.run is None:
            return self.residual
        planned, missed, commanded = self._base
        due = planned + self.run.planned_until(plan_ms) - missed
        beside = self.run.missed_until(plan_ms)
        return (due - beside if beside else due) - (commanded + given_nl)

    def grant(self, run: Run, given_nl: int) -> tuple[Gap, ...]:
        """Put ``run`` in force at its beginning; by then the one before had given ``given_nl``.

        What the pump gave less than ``run`` was computed from is a gap: it is not made up.
        """
        gaps = self._close(run.from_ms, given_nl)
        gaps += self.idle(run.from_ms, run.pace, "run came late")
        short = run.cut_nl - given_nl
        if run.lost_nl:
            lost = Fraction(run.lost_nl)
            gaps += (self._miss(self.horizon_ms, run.from_ms, "part of a step, at a cut", lost),)
        if short > 0:
            gaps += (self._miss(self.horizon_ms, run.from_ms, "pump gave less than told", Fraction(short)),)
        self._base = (self.planned, self.missed, self.commanded)
        self.run, self.horizon_ms = run, run.to_ms
        self.planned += run.planned_until(run.to_ms)
        if beside := run.missed_until(run.to_ms):
            self.missed += beside
        self.commanded += run.volume_nl
        return tuple(gap for gap in gaps if gap.volume)

    def cut(self, plan_ms: int, given_nl: int, why: str) -> tuple[Gap, ...]:
        """End the run in force at ``plan_ms``; it gave ``given_nl``. Whole pump steps left over are a gap."""
        since = self.run.from_ms if self.run is not None else self.horizon_ms
        gaps = self._close(plan_ms, given_nl)
        left_over = self.residual // self.step_nl * self.step_nl
        if left_over > 0:
            gaps += (self._miss(since, plan_ms, why, Fraction(left_over)),)
        return gaps

    def idle(self, plan_ms: int, pace: Pace, why: str) -> tuple[Gap, ...]:
        """Nothing ran from the horizon until ``plan_ms``: what was due then is a gap."""
        if self.run is not None or plan_ms <= self.horizon_ms:
            return ()
        due = pace.planned_basal_nl(self.horizon_ms, plan_ms)
        since, self.horizon_ms = self.horizon_ms, plan_ms
        self.planned += due
        return (self._miss(since, plan_ms, why, due),) if due else ()

    def skip(self, from_ms: int, to_ms: int, volume: Fraction, why: str) -> Gap:
        """A bolus that was due and is not given: planned and missed both."""
        self.planned += volume
        if self.run is not None:
            planned, missed, commanded = self._base
            self._base = (planned + volume, missed + volume, commanded)
        return self._miss(from_ms, to_ms, why, volume)

    def at(self, plan_ms: int, pace: Pace) -> tuple[Fraction, Fraction, Fraction]:
        """Planned, commanded and missed up to ``plan_ms`` (not the horizon), exact nL; changes nothing.

        Within a step the commanded volume is its even flow and a bolus is due as evenly, so that the three
        add up to less than one pump step at every instant, not only at the ends of steps.
        """
        run = self.run
        if run is None:
            idle = pace.planned_basal_nl(self.horizon_ms, max(plan_ms, self.horizon_ms))
            return self.planned + idle, Fraction(self.commanded), self.missed + idle
        planned, missed, commanded = self._base
        beyond = pace.planned_basal_nl(run.to_ms, max(plan_ms, run.to_ms))  # nobody has closed the run yet
        return (
            planned + run.planned_by(plan_ms) + beyond,
            commanded + run.even_flow(plan_ms),
            missed + run.missed_until(plan_ms) + beyond,
        )

    def _close(self, plan_ms: int, given_nl: int) -> tuple[Gap, ...]:
        run = self.run
        if run is None:
            return ()
        planned, missed, commanded = self._base
        self.planned = planned + run.planned_until(plan_ms)
        self.missed, beside = missed, run.missed_until(plan_ms)
        self.commanded = commanded + min(given_nl, run.volume_nl)
        self.run, self.horizon_ms = None, min(max(plan_ms, run.from_ms), run.to_ms)
        return (self._miss(run.from_ms, self.horizon_ms, BESIDE, beside),) if beside else ()

    def _miss(self, from_ms: int, to_ms: int, why: str, volume: Fraction) -> Gap:
        self.missed += volume
        return Gap(from_ms, to_ms, why, volume)

    def snapshot(self) -> dict[str, Any]:
        """The sums as the journal keeps them."""
        return {
            "planned": str(self.planned),
            "missed": str(self.missed),
            "commanded": self.commanded,
            "horizon_ms": self.horizon_ms,
        }

    def base_snapshot(self) -> dict[str, Any]:
        """The sums where the run in force began (the whole sums when nothing runs)."""
        if self.run is None:
            return self.snapshot()
        planned, missed, commanded = self._base
        return {
            "planned": str(planned),
            "missed": str(missed),
            "commanded": commanded,
            "horizon_ms": self.run.from_ms,
        }

    def restore(self, sums: Mapping[str, Any], run: Run | None) -> None:
        """Take up the sums of a journal: ``sums`` where ``run`` began, or the last ones when nothing ran."""
        self.planned, self.missed = Fraction(sums["planned"]), Fraction(sums["missed"])
        self.commanded, self.horizon_ms, self.run = sums["commanded"], sums["horizon_ms"], None
        if run is not None:
            self.grant(run, run.cut_nl)
