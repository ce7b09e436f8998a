"""Three sums: what the plan asked, what was commanded, what is missed, and why; exact.

Layer      controller, pure. Imports drivers.base for the kinds of steps, nothing else of ours.
Hazard     rounding drift, make-up doses, forgotten gaps (dose-path.md D-02, D-03).
Invariant  ``planned - missed - commanded`` is less than one pump step at every instant; only rounding is
           carried from one run into the next; a gap is never made up: it is named and stays in ``missed``.
Tests      tests/unit/test_totals*.py, tests/unit/test_spans.py, tests/properties/test_totals.py

The sums reach up to the *horizon*: the end of the run in force, or the last moment accounted for when nothing
runs. Plan time is ms since the plan's start; volumes are nL, planned and missed as exact Fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import floor, gcd, lcm
from typing import Any, NamedTuple, Protocol

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.units import MS_PER_DAY

ZERO = Fraction(0)
PARTS = MS_PER_DAY  # of a nL: what flows in a ms at whole nL a day is a whole number of them
GRID = "rate grid"
STILL = "stood still while it was told the next run"
BESIDE = "basal below the plan beside a bolus, in a prime, in a hold or in a very short step"


class Pace(Protocol):
    """How much basal is due when: a schedule, or the rule in force while a bridge lasts.

    A volume is also told as a whole number of 1/``unit`` nL: sums of many volumes are then sums of integers.
    """

    @property
    def unit(self) -> int:
        """The parts of a nL in which every volume of a whole number of ms is a whole number."""

    def rate(self, plan_ms: int, /) -> Fraction:
        """The basal in force at that instant, nL/ms."""

    def next_change(self, plan_ms: int, /) -> int | None:
        """The first later instant at which the rate changes, None for never."""

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        """The exact volume due between two instants, nL."""

    def planned_units(self, a_ms: int, b_ms: int, /) -> int:
        """The same in 1/``unit`` nL."""


@dataclass(frozen=True, slots=True)
class ShiftedPace:
    """What ``pace`` asks, told in the time of another plan: ``by_ms`` later by its clock."""

    pace: Pace
    by_ms: int

    def rate(self, plan_ms: int, /) -> Fraction:
        """The basal in force at that instant, nL/ms."""
        return self.pace.rate(plan_ms - self.by_ms)

    def next_change(self, plan_ms: int, /) -> int | None:
        """The first later instant at which the rate changes, None for never."""
        change = self.pace.next_change(plan_ms - self.by_ms)
        return None if change is None else change + self.by_ms

    def planned_basal_nl(self, a_ms: int, b_ms: int, /) -> Fraction:
        """The exact volume due between two instants, nL."""
        return self.pace.planned_basal_nl(a_ms - self.by_ms, b_ms - self.by_ms)

    @property
    def unit(self) -> int:
        """The parts of a nL in which every volume is a whole number."""
        return self.pace.unit

    def planned_units(self, a_ms: int, b_ms: int, /) -> int:
        """The exact volume due between two instants, 1/``unit`` nL."""
        return self.pace.planned_units(a_ms - self.by_ms, b_ms - self.by_ms)


class Span(NamedTuple):
    """One step of a run in plan time. A tuple, because a day's runs are made of dozens of them.

    ``bolus`` is the bolus volume asked in it (exact, nL); ``missed`` is the basal that one motor speed cannot
    give beside a bolus (D-03), with ``grid``, what the pump's numbers cannot say; ``volume_nl`` all that is
    commanded, ``basal_nl`` the basal share of a bolus.
    """

    kind: StepKind
    from_ms: int
    to_ms: int
    volume_nl: int
    basal_nl: int = 0
    bolus: Fraction = ZERO
    missed: Fraction = ZERO
    grid: Fraction = ZERO

    @property
    def length_ms(self) -> int:
        """How long it takes."""
        return self.to_ms - self.from_ms

    def elapsed(self, plan_ms: int) -> int:
        """How much of its time has gone by, ms."""
        return min(max(plan_ms - self.from_ms, 0), self.length_ms)

    def step(self) -> Step:
        """The same as the pump is told it."""
        return Step(self.kind, self.volume_nl, self.to_ms - self.from_ms, self.basal_nl)

    def delivered_by(self, plan_ms: int, step_nl: int) -> int:
        """What a pump that began on time has displaced of it by then, nL (the protocol's closed form)."""
        return self.volume_nl * self.elapsed(plan_ms) // (self.length_ms * step_nl) * step_nl

    def next_step_ms(self, plan_ms: int, step_nl: int, beyond_nl: int = 0) -> int:
        """The first instant from ``plan_ms`` on at which it has made a step, and ``beyond_nl``; its end if none."""
        if not self.volume_nl:
            return self.to_ms
        flowed = self.volume_nl * self.elapsed(plan_ms) - beyond_nl * self.length_ms
        made = -(-flowed // (self.length_ms * step_nl)) * step_nl + beyond_nl
        return min(self.to_ms, self.from_ms - (-made * self.length_ms // self.volume_nl))

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
    computed from it. ``lost_nl`` is what is due by then beyond rounding, and lost at the cut; ``still`` is what is
    due while a pump that is stopped first is told this one (nL). The last ``tail`` spans are the bounded hold: the
    pump comes to them only where nobody renews the run.
    """

    request_id: str
    purpose: str
    account: str
    spans: tuple[Span, ...]
    pace: Pace
    cut_nl: int
    lost_nl: int = 0
    tail: int = 0
    still: Fraction = ZERO
    # Plan time of its beginning and of its end, where the pump stops by itself, all that it can give (nL), the parts
    # of a nL in which what is planned in it is a whole number, the boluses in it in these parts, and the spans
    # beside which basal is missed: asked for in every turn, so worked out once.
    from_ms: int = field(init=False, repr=False)
    to_ms: int = field(init=False, repr=False)
    volume_nl: int = field(init=False, repr=False)
    unit: int = field(init=False, repr=False)
    bolus_units: int = field(init=False, repr=False)
    beside: tuple[Span, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        boluses = [span.bolus for span in self.spans if span.bolus is not ZERO]
        beside = tuple([span for span in self.spans if span.missed is not ZERO and span.missed])
        unit = lcm(self.pace.unit, *[bolus.denominator for bolus in boluses])
        object.__setattr__(self, "from_ms", self.spans[0].from_ms)
        object.__setattr__(self, "to_ms", self.spans[-1].to_ms)
        object.__setattr__(self, "volume_nl", sum([span.volume_nl for span in self.spans]))
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "bolus_units", sum([b.numerator * (unit // b.denominator) for b in boluses]))
        object.__setattr__(self, "beside", beside)

    @property
    def own_to_ms(self) -> int:
        """Plan time up to which it follows the plan."""
        return self.spans[-1 - self.tail].to_ms

    def delivered_by(self, plan_ms: int, step_nl: int) -> int:
        """What a pump that began on time has displaced by ``plan_ms``, nL."""
        total = 0
        for span in self.spans:
            if plan_ms < span.to_ms:
                return total + span.delivered_by(plan_ms, step_nl)
            total += span.volume_nl // step_nl * step_nl
        return total

    def next_step_ms(self, plan_ms: int, step_nl: int, beyond_nl: int = 0) -> int:
        """The first instant from ``plan_ms`` on at which the pump has made a step, and ``beyond_nl``, or its end."""
        span = next((span for span in self.spans if plan_ms < span.to_ms), self.spans[-1])
        return span.next_step_ms(plan_ms, step_nl, beyond_nl)

    def flows_at(self, plan_ms: int) -> bool:
        """Whether the span in force at that instant gives anything."""
        return any(span.volume_nl for span in self.spans if span.from_ms <= plan_ms < span.to_ms)

    def shifted(self, by_ms: int) -> Run:
        """The same run in the time of another plan."""
        spans = (s._replace(from_ms=s.from_ms + by_ms, to_ms=s.to_ms + by_ms) for s in self.spans)
        return replace(self, spans=tuple(spans), pace=ShiftedPace(self.pace, by_ms)) if by_ms else self

    def even_flow(self, plan_ms: int) -> Fraction:
        """The share of its volumes that belongs to the time up to ``plan_ms``, exact nL."""
        return sum((span.even_flow(plan_ms) for span in self.spans), ZERO)

    def planned_until(self, plan_ms: int) -> Fraction:
        """Basal due from its beginning until ``plan_ms``, and the boluses in it, exact nL."""
        return Fraction(self.planned_units(plan_ms), self.unit)

    def planned_units(self, plan_ms: int) -> int:
        """The same in 1/``unit`` nL."""
        until = plan_ms if plan_ms > self.from_ms else self.from_ms
        until = until if until < self.to_ms else self.to_ms
        return self.bolus_units + self.pace.planned_units(self.from_ms, until) * (self.unit // self.pace.unit)

    def planned_by(self, plan_ms: int) -> Fraction:
        """The same up to an instant in its course: of a bolus, what is due by then, exact nL."""
        ahead = (span.bolus * (1 - span.share(plan_ms)) for span in self.spans if span.bolus)
        return self.planned_until(plan_ms) - sum(ahead, ZERO)

    def missed_until(self, plan_ms: int) -> Fraction:
        """The basal beside boluses that one motor speed could not give until ``plan_ms``, exact nL."""
        if len(self.beside) == 1:
            return self._missed_in(self.beside[0], plan_ms)
        return sum([self._missed_in(span, plan_ms) for span in self.beside], ZERO)

    def in_parts(self, nl: Fraction) -> Fraction:
        """A gap as the sums keep it: rounded down to ``PARTS`` and the run's own parts.

        A share of a span has the span's length below the line. Sums of such shares grew longer with each run, until
        the journal held numbers that no start takes up. What is rounded off stays residual. It depends on the run
        alone, and on nothing that was asked of the sums before, so that a replay comes to the same.
        """
        parts = lcm(PARTS, self.unit)
        return Fraction(floor(nl * parts), parts)

    def grid_until(self, plan_ms: int) -> Fraction:
        """The part of it that the pump's numbers could not say, exact nL."""
        return sum([span.grid * span.share(plan_ms) for span in self.beside if span.grid], ZERO)

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

    Planned and missed are kept as whole numbers of 1/unit nL, for sums of exact fractions are dear; the unit grows
    when a volume does not fit.

    Args:
        step_nl: the pump's step, nL.
    """

    def __init__(self, step_nl: int) -> None:
        self.step_nl = step_nl
        self.commanded = 0
        self.horizon_ms = 0
        self.run: Run | None = None
        self._unit, self._planned, self._missed = 1, 0, 0
        self._base = (0, 0, 0)  # planned, missed, commanded where the run in force began

    @property
    def planned(self) -> Fraction:
        """What the plan asked up to the horizon, nL."""
        return Fraction(self._planned, self._unit)

    @property
    def missed(self) -> Fraction:
        """What of it will not be given, nL."""
        return Fraction(self._missed, self._unit)

    @property
    def residual(self) -> Fraction:
        """What is planned up to the horizon, neither commanded nor missed: rounding, within one step."""
        return Fraction(self._planned - self._missed, self._unit) - self.commanded

    def _fit(self, *units: int) -> None:
        """Tell the sums in parts so small that volumes in these units are whole numbers of them."""
        grown = lcm(self._unit, *units)
        if grown != self._unit:
            times, self._unit = grown // self._unit, grown
            planned, missed, commanded = self._base
            self._planned, self._missed = self._planned * times, self._missed * times
            self._base = (planned * times, missed * times, commanded)

    def _parts(self, volume: Fraction) -> int:
        """``volume`` (nL) in our parts, into which it has to fit."""
        scale, rest = divmod(self._unit, volume.denominator)
        if rest:
            raise ValueError(f"{volume} nL are no whole number of 1/{self._unit} nL")
        return volume.numerator * scale

    def _planned_parts(self, run: Run, plan_ms: int) -> int:
        return run.planned_units(plan_ms) * (self._unit // run.unit)

    def residual_at(self, plan_ms: int, given_nl: int) -> Fraction:
        """The residual if the run in force were cut at ``plan_ms`` having given ``given_nl``."""
        if self.run is None:
            return self.residual
        beside = self.run.in_parts(self.run.missed_until(plan_ms))
        self._fit(beside.denominator)
        planned, missed, commanded = self._base
        due = planned + self._planned_parts(self.run, plan_ms) - missed - self._parts(beside)
        return Fraction(due - (commanded + given_nl) * self._unit, self._unit)

    def grant(self, run: Run, given_nl: int) -> tuple[Gap, ...]:
        """Put ``run`` in force at its beginning; by then the one before had given ``given_nl``.

        What the pump gave less than ``run`` was computed from is a gap: it is not made up. A run that has ended
        meanwhile has closed its own books.
        """
        cuts = self.run is not None
        gaps = self._close(run.from_ms, given_nl)
        gaps += self.idle(run.from_ms, run.pace, "run came late")
        short = run.cut_nl - given_nl
        if cuts and run.lost_nl:
            lost = Fraction(run.lost_nl)
            gaps += (self._miss(self.horizon_ms, run.from_ms, "part of a step, at a cut", lost),)
        if cuts and (still := run.in_parts(run.still)):
            gaps += (self._miss(self.horizon_ms, run.from_ms, STILL, still),)
        if cuts and short > 0:
            gaps += (self._miss(self.horizon_ms, run.from_ms, "pump gave less than told", Fraction(short)),)
        self._base = (self._planned, self._missed, self.commanded)
        self.run, self.horizon_ms = run, run.to_ms
        beside = run.in_parts(run.missed_until(run.to_ms))
        self._fit(run.unit, beside.denominator)
        self._planned += self._planned_parts(run, run.to_ms)
        self._missed += self._parts(beside)
        self.commanded += run.volume_nl
        return gaps

    def cut(self, plan_ms: int, given_nl: int, why: str) -> tuple[Gap, ...]:
        """End the run in force at ``plan_ms``; it gave ``given_nl``. Whole pump steps left over are a gap."""
        if self.run is None:
            return ()
        since = self.run.from_ms
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
        self._fit(due.denominator)
        self._planned += self._parts(due)
        return (self._miss(since, plan_ms, why, due),) if due else ()

    def skip(self, from_ms: int, to_ms: int, volume: Fraction, why: str) -> Gap:
        """A bolus that was due and is not given: planned and missed both."""
        self._fit(volume.denominator)
        parts = self._parts(volume)
        self._planned += parts
        if self.run is not None:
            planned, missed, commanded = self._base
            self._base = (planned + parts, missed + parts, commanded)
        return self._miss(from_ms, to_ms, why, volume)

    def shift(self, by_ms: int) -> None:
        """Another plan's time is in force; the sums and the run stay what they are."""
        self.horizon_ms += by_ms
        self.run = None if self.run is None else self.run.shifted(by_ms)

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
        unit = self._unit
        beyond = pace.planned_basal_nl(run.to_ms, max(plan_ms, run.to_ms))  # nobody has closed the run yet
        return (
            Fraction(planned, unit) + run.planned_by(plan_ms) + beyond,
            commanded + run.even_flow(plan_ms),
            Fraction(missed, unit) + run.missed_until(plan_ms) + beyond,
        )

    def _close(self, plan_ms: int, given_nl: int) -> tuple[Gap, ...]:
        run = self.run
        if run is None:
            return ()
        beside = run.in_parts(run.missed_until(plan_ms))
        planned, self._missed, commanded = self._base
        self._planned = planned + self._planned_parts(run, plan_ms)
        self.commanded = commanded + min(given_nl, run.volume_nl)
        self.run, self.horizon_ms = None, min(max(plan_ms, run.from_ms), run.to_ms)
        grid = run.in_parts(run.grid_until(plan_ms)) if beside else ZERO
        parts = ((BESIDE, beside - grid), (GRID, grid))
        return tuple([self._miss(run.from_ms, self.horizon_ms, why, nl) for why, nl in parts if nl])

    def _miss(self, from_ms: int, to_ms: int, why: str, volume: Fraction) -> Gap:
        self._fit(volume.denominator)
        self._missed += self._parts(volume)
        return Gap(from_ms, to_ms, why, volume)

    def _text(self, parts: int) -> str:
        """So many of our parts as the text of an exact fraction in lowest terms, nL."""
        shared = gcd(parts, self._unit)
        whole, below = parts // shared, self._unit // shared
        return f"{whole}/{below}" if below > 1 else f"{whole}"

    def snapshot(self) -> dict[str, Any]:
        """The sums as the journal keeps them."""
        return {
            "planned": self._text(self._planned),
            "missed": self._text(self._missed),
            "commanded": self.commanded,
            "horizon_ms": self.horizon_ms,
        }
