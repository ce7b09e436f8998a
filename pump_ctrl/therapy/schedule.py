"""What is due when: the signed plan as exact volumes in plan time.

Layer      therapy, pure. Imports plan, profiles, pattern and the kernel; no clock.
Hazard     a change that is skipped, a slot given twice or never, drift of summed roundings over months.
Invariant  planned_basal_nl(a, b) + planned_basal_nl(b, c) == planned_basal_nl(a, c), exactly;
           next_change skips no change; slots(a, b) and slots(b, c) together are slots(a, c).
Tests      tests/unit/test_schedule.py, tests/properties/test_schedule_sums.py

Plan time is whole ms since the plan's start; before it nothing is due. Local time is UTC plus a fixed offset,
so every plan day has 24 h. Doses are masses of the primary drug and become volumes at its written
concentration; the basal of a titration stage is the plan's, times one exact factor; boluses are not scaled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.pattern import ZERO, Pattern
from pump_ctrl.therapy.plan import WEEKDAYS, BasalStep, DosingPlan, ScheduledBolus, TitrationStep
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.units import MS_PER_DAY, NL_PER_ML, Concentration, Mass

MS_PER_WEEK = 7 * MS_PER_DAY


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch of the plan with one daily dose. ``until_ms`` is None for the last one.

    ``daily_basal_pg`` is the basal mass of the primary drug in 24 h, on the weekday that has most.
    """

    index: int
    id: str
    from_ms: int
    until_ms: int | None
    daily_basal_pg: Fraction


@dataclass(frozen=True, slots=True)
class Slot:
    """A scheduled bolus on one day: due at plan time ``at_ms``, started within ``within_ms`` or missed."""

    id: str
    at_ms: int
    within_ms: int
    over_ms: int
    volume_nl: Fraction
    pg: int


@dataclass(frozen=True, slots=True)
class PatientTerms:
    """What the patient may ask for; ``lockout_ms`` runs from the latest possible end of a bolus."""

    volume_nl: Fraction
    over_ms: int
    lockout_ms: int
    max_per_day: int
    pg: int


class Schedule:
    """The plan on a pump, as what is due.

    Args:
        plan: the signed plan.
        profile: the pump; only the flow of its minimum mode is read.

    Raises:
        InvalidInput: the plan asks for a minimum mode that the pump does not have, or titrates a basal of 0.

    ``basal`` is the unscaled pattern (nL/ms) in local time: of a day from midnight, or of a week from Monday
    00:00. ``offset_ms`` + plan time = a time of that pattern. ``factors`` are the stages' factors. ``unit`` is the
    number of parts of a nL in which every volume of a whole number of ms is a whole number.
    """

    __slots__ = (
        "_asked", "_boluses", "_common", "_floor", "_flows", "_from_ms", "_offsets", "_rates", "_weights",
        "basal", "factors", "offset_ms", "patient", "stages", "unit",
    )  # fmt: skip

    def __init__(self, plan: DosingPlan, profile: PumpProfile) -> None:
        concentration = plan.primary.concentration
        self.basal = basal_pattern(plan, profile)
        self.offset_ms = plan.start_of_day_ms + plan.start_weekday * MS_PER_DAY
        self.stages, self.factors = _stages(plan, _largest_day(self.basal) * concentration.pg_per_nl)
        self._from_ms = tuple(stage.from_ms for stage in self.stages)
        self._rates = tuple(tuple(rate * factor for rate in self.basal.rates) for factor in self.factors)
        self._floor = tuple(min((rate for rate in rates if rate), default=ZERO) for rates in self._rates)
        self._asked = (0, 0)  # the last end of a volume that was asked for, and what is due up to there
        self._flows = tuple(factor > 0 for factor in self.factors)
        self._weights, self._offsets = self._stage_sums()
        self.unit = self._common * self.basal.denominator
        self._boluses = tuple(_Bolus(i, bolus, plan) for i, bolus in enumerate(plan.bolus))
        self.patient = _patient_terms(plan)

    def _stage_sums(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(weights, offsets): planned up to t, in stage i, is offset i + weight i * (sum of the basal to t).

        Whole numbers over one denominator, so that a sum over many stages is reduced once.
        """
        self._common = lcm(*(factor.denominator for factor in self.factors))
        weights = tuple(int(factor * self._common) for factor in self.factors)
        offsets = [-weights[0] * self._sum_to(0)]
        for i in range(1, len(weights)):
            offsets.append(offsets[-1] + (weights[i - 1] - weights[i]) * self._sum_to(self._from_ms[i]))
        return weights, tuple(offsets)

    def _sum_to(self, plan_ms: int) -> int:
        return self.basal.sum_to(self.offset_ms + plan_ms)

    def _stage_index(self, plan_ms: int) -> int:
        return bisect_right(self._from_ms, plan_ms) - 1 if plan_ms > 0 else 0

    def stage_at(self, plan_ms: int) -> Stage:
        """The stage in force at that instant; before the start, the first one."""
        return self.stages[self._stage_index(plan_ms)]

    def rate(self, plan_ms: int) -> Fraction:
        """The basal in force from that instant on, nL/ms; 0 before the start."""
        if plan_ms < 0:
            return ZERO
        return self._rates[self._stage_index(plan_ms)][self.basal.rate_index(self.offset_ms + plan_ms)]

    def next_change(self, plan_ms: int) -> int | None:
        """The first instant after ``plan_ms`` at which the rate or the stage changes, None for never."""
        if plan_ms < 0:
            return 0
        i = self._stage_index(plan_ms)
        until = self.stages[i].until_ms
        change = self.basal.next_change(self.offset_ms + plan_ms) if self._flows[i] else None
        if change is None:
            return until
        change -= self.offset_ms
        return change if until is None or change < until else until

    def planned_basal_nl(self, a_ms: int, b_ms: int) -> Fraction:
        """The exact basal volume due in [a, b), nL.

        Raises:
            ValueError: b before a.
        """
        if b_ms < a_ms:
            raise ValueError(f"the interval from {a_ms} to {b_ms} ms runs backwards")
        return Fraction(self.planned_units(a_ms, b_ms), self.unit)

    def planned_units(self, a_ms: int, b_ms: int) -> int:
        """The same, in 1/``unit`` nL; ``a_ms`` not after ``b_ms``.

        Volumes are mostly asked for one after the other: what is due up to the end of one is kept for the next.
        """
        known_ms, before = self._asked
        if a_ms != known_ms:
            before = self._units_to(a_ms)
        total = self._units_to(b_ms)
        self._asked = (b_ms, total)
        return total - before

    def _units_to(self, plan_ms: int) -> int:
        """What is due from the start to that instant, 1/``unit`` nL."""
        if plan_ms <= 0:
            return 0
        stage = bisect_right(self._from_ms, plan_ms) - 1
        return self._offsets[stage] + self._weights[stage] * self.basal.sum_to(self.offset_ms + plan_ms)

    def slots(self, a_ms: int, b_ms: int) -> tuple[Slot, ...]:
        """The scheduled boluses with a <= at_ms < b, in time order."""
        found = [slot for bolus in self._boluses for slot in bolus.slots(a_ms, b_ms)]
        return tuple(sorted(found, key=lambda slot: slot.at_ms)) if len(self._boluses) > 1 else tuple(found)

    def once_slots(self) -> tuple[Slot, ...]:
        """The boluses that are given a single time, in the order of the plan."""
        return tuple(bolus.slot(bolus.first_ms) for bolus in self._boluses if bolus.once)

    def next_slot(self, plan_ms: int) -> Slot | None:
        """The first scheduled bolus at or after that instant, None for no more."""
        first, first_ms = None, 0
        for bolus in self._boluses:
            at_ms = bolus.next_ms(plan_ms)
            if at_ms is not None and (first is None or at_ms < first_ms):
                first, first_ms = bolus, at_ms
        return None if first is None else first.slot(first_ms)

    def hold_rate(self, plan_ms: int) -> Fraction:
        """The highest rate of a hold in the stage in force, nL/ms: its lowest non-zero one, 0 if it has no flow.

        Where the plan itself has no flow a hold has none either; that is for who makes the hold's steps.
        """
        return self.lowest_rate(self._stage_index(plan_ms))

    def lowest_rate(self, index: int) -> Fraction:
        """The lowest non-zero basal rate of stage ``index``, nL/ms; 0 where the stage has no flow at all."""
        return self._floor[index]


class _Bolus:
    """A scheduled bolus of the plan, day by day; day 0 is that of the start."""

    __slots__ = (
        "_days", "_index", "_shift_ms", "_weekday",
        "first_ms", "once", "over_ms", "pg", "volume_nl", "within_ms",
    )  # fmt: skip

    def __init__(self, index: int, bolus: ScheduledBolus, plan: DosingPlan) -> None:
        self._index, self.pg = index, bolus.dose.pg
        self.volume_nl = volume_of(bolus.dose, plan.primary.concentration)
        self.over_ms, self.within_ms = bolus.over.ms, bolus.within.ms
        self._days = frozenset(WEEKDAYS.index(day) for day in bolus.days or WEEKDAYS)
        self._shift_ms = bolus.at_ms - plan.start_of_day_ms
        self._weekday = plan.start_weekday
        self.once = bolus.once
        self.first_ms = self._next_ms(0)

    def slot(self, at_ms: int) -> Slot:
        """The slot due at that plan time."""
        name = f"slot:{self._index}:{at_ms}"
        return Slot(name, at_ms, self.within_ms, self.over_ms, self.volume_nl, self.pg)

    def next_ms(self, plan_ms: int) -> int | None:
        """When it is due at or after that plan time, None for never again."""
        if plan_ms <= self.first_ms:
            return self.first_ms
        return None if self.once else self._next_ms(plan_ms)

    def _next_ms(self, plan_ms: int) -> int:
        day = -((self._shift_ms - plan_ms) // MS_PER_DAY)  # the first day whose slot is not before plan_ms
        while (self._weekday + day) % 7 not in self._days:
            day += 1
        return self._shift_ms + day * MS_PER_DAY

    def slots(self, a_ms: int, b_ms: int) -> Iterator[Slot]:
        """Those with a <= at_ms < b, in time order."""
        at_ms = self.next_ms(a_ms)
        while at_ms is not None and at_ms < b_ms:
            yield self.slot(at_ms)
            at_ms = self.next_ms(at_ms + 1)


def volume_of(dose: Mass, concentration: Concentration) -> Fraction:
    """The exact volume, nL, that holds ``dose`` at ``concentration``."""
    return Fraction(dose.pg * NL_PER_ML, concentration.pg_per_ml)


def basal_pattern(plan: DosingPlan, profile: PumpProfile) -> Pattern:
    """The plan's unscaled basal, nL/ms, of a local day or of a week from Monday 00:00.

    Raises:
        InvalidInput: minimum mode on a pump that has none.
    """
    basal, concentration = plan.basal, plan.primary.concentration
    if basal.days:
        return _week(plan)
    if basal.steps:
        return Pattern(MS_PER_DAY, _day(basal.steps, concentration))
    return Pattern(MS_PER_DAY, [(0, _simple_rate(plan, profile))])


def _simple_rate(plan: DosingPlan, profile: PumpProfile) -> Fraction:
    if plan.basal.rate is not None:
        return plan.basal.rate.pg_per_day / MS_PER_DAY / plan.primary.concentration.pg_per_nl
    if plan.basal.mode == "stopped":
        return ZERO
    if profile.minimum_mode is None:
        raise _refuse("basal.mode", f"the pump {profile.name} has no minimum mode", "rate, steps or days")
    return profile.minimum_mode.nl_per_ms


def _day(steps: tuple[BasalStep, ...], concentration: Concentration) -> list[tuple[int, Fraction]]:
    """The steps of one day from 00:00 on; the last one reaches over midnight to the first."""
    ends = (*(step.from_ms for step in steps[1:]), steps[0].from_ms + MS_PER_DAY)
    levels = [(s.from_ms, _step_rate(s, end, concentration)) for s, end in zip(steps, ends, strict=True)]
    return levels if levels[0][0] == 0 else [(0, levels[-1][1]), *levels]


def _step_rate(step: BasalStep, end_ms: int, concentration: Concentration) -> Fraction:
    if step.dose is not None:
        return volume_of(step.dose, concentration) / (end_ms - step.from_ms)
    if step.rate is None:
        raise _refuse("basal.steps", "a step has neither dose nor rate", "exactly one of them")
    return step.rate.pg_per_day / MS_PER_DAY / concentration.pg_per_nl


def _week(plan: DosingPlan) -> Pattern:
    groups = [(group.days, _day(group.steps, plan.primary.concentration)) for group in plan.basal.days]
    week = {day: steps for days, steps in groups for day in days}
    places = ((index * MS_PER_DAY, week[day]) for index, day in enumerate(WEEKDAYS))
    return Pattern(MS_PER_WEEK, ((midnight + at, rate) for midnight, steps in places for at, rate in steps))


def _largest_day(pattern: Pattern) -> Fraction:
    """The most of any calendar day of the pattern."""
    return max(pattern.amount(day, day + MS_PER_DAY) for day in range(0, pattern.period_ms, MS_PER_DAY))


def _stages(plan: DosingPlan, daily_pg: Fraction) -> tuple[tuple[Stage, ...], tuple[Fraction, ...]]:
    """Every stage with its factor on the plan's basal.

    With weekday groups a stage's ``dose`` is that of the weekday that has most, so that no day gets more than
    is written.
    """
    steps = plan.titration.step if plan.titration else ()
    starts, factors = [0], [Fraction(1)]
    for step in steps:
        starts.append(starts[-1] + step.after.ms)
        factors.append(_factor(step, factors[-1], plan, daily_pg))
    ends = (*starts[1:], None)
    made = zip(range(len(starts)), starts, ends, factors, strict=True)
    return tuple(Stage(i, f"stage-{i}", at, end, daily_pg * f) for i, at, end, f in made), tuple(factors)


def _factor(step: TitrationStep, before: Fraction, plan: DosingPlan, daily_pg: Fraction) -> Fraction:
    if plan.basal.mode is not None or not daily_pg:
        raise _refuse("titration", "has no basal dose to scale", "a basal rate, steps or days above 0")
    if step.change is not None:
        return before * step.change.factor
    if step.dose is None:
        raise _refuse("titration.step", "has neither dose nor change", "exactly one of them")
    return step.dose.pg_per_day / daily_pg


def _patient_terms(plan: DosingPlan) -> PatientTerms | None:
    terms = plan.patient_bolus
    if terms is None:
        return None
    volume = volume_of(terms.dose, plan.primary.concentration)
    return PatientTerms(volume, terms.over.ms, terms.lockout.ms, terms.max_per_day, terms.dose.pg)


def _refuse(field: str, what: str, allowed: str) -> InvalidInput:
    return InvalidInput((Problem("plan", None, field, what, allowed),))
