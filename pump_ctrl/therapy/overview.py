"""A plan in figures: what a person wants to see beside what was typed (rates, days, windows, dates).

Layer      therapy, pure; imports review_case, volumes and the kernel. Command line and pages print it.
Hazard     a figure on a screen that is not the one that was checked.
Invariant  windows and caps are those of the compiled limits, volumes and dates the review's: nothing is
           worked out twice; values are exact (Fraction), rounding is the printer's business.
Tests      tests/unit/test_overview.py

Masses are pg, volumes nL, times ms from the plan's start, concentrations pg/mL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import floor
from operator import add
from typing import Final, Literal

from pump_ctrl.figures import clock
from pump_ctrl.therapy.accounts import WINDOWS_H
from pump_ctrl.therapy.pattern import Pattern
from pump_ctrl.therapy.plan import BasalStep, DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review_case import Case, scheduled_daily
from pump_ctrl.therapy.review_dose import stability_ms
from pump_ctrl.therapy.volumes import (
    BridgeFacts,
    PrimeFacts,
    bridge_facts,
    path_bounds,
    prime_facts,
    time_to_alarm,
)
from pump_ctrl.therapy.windows import Requests
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, NL_PER_ML

EVERY_DAY: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK_MS: Final = 7 * MS_PER_DAY


@dataclass(frozen=True, slots=True)
class DrugFigures:
    """One drug; ``unit`` is how its doses are usually written.

    ``basal_pg`` and ``scheduled_pg`` are prescribed per day in the first stage, by the label;
    ``most_per_day_pg`` adds every bolus the patient may take. For windows of 1, 4, 24 h: ``on_time`` is the
    most of the stage that has most, by the label, each bolus on time and every patient bolus at its worst;
    ``worst`` is the bound that the guard enforces (each bolus as late as it may be, the upper concentration);
    ``caps`` are the hard limits, where there is one.
    """

    name: str
    unit: Literal["ug", "mg"]
    label_pg_per_ml: int
    low_pg_per_ml: int
    high_pg_per_ml: int
    basal_pg: Fraction
    scheduled_pg: Fraction
    most_per_day_pg: Fraction
    on_time: Mapping[int, Fraction]
    worst: Mapping[int, int]
    caps: Mapping[int, int]
    bolus_cap_pg: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """A line of the day: a basal step or a scheduled bolus, of these weekdays. Mass is of the primary drug.

    ``until_ms`` of a step may pass midnight. A bolus comes on top of the step in which it stands.
    """

    days: tuple[str, ...]
    from_ms: int
    until_ms: int
    bolus: bool
    once: bool
    pg: Fraction
    nl: Fraction

    @property
    def pg_per_h(self) -> Fraction:
        """Pace, pg of the primary drug per hour."""
        return self.pg * 3_600_000 / (self.until_ms - self.from_ms)

    @property
    def nl_per_day(self) -> Fraction:
        """Pace, nL per day."""
        return self.nl * MS_PER_DAY / (self.until_ms - self.from_ms)


@dataclass(frozen=True, slots=True)
class Amount:
    """A volume that the plan asks for and what the pump's steps make of it, nL."""

    what: str
    asked_nl: Fraction
    achievable_nl: int


@dataclass(frozen=True, slots=True)
class StageFigures:
    """One titration stage: when it begins, its basal of a day, and the change against the one before."""

    index: int
    from_ms: int
    basal_pg: Fraction
    basal_nl: Fraction
    change: Fraction


@dataclass(frozen=True, slots=True)
class RefillFigures:
    """When the pump must be refilled, ms from the start; None for not within two years.

    ``alarm_ms`` and ``alarm_all_ms``: the calculated volume reaches the alarm volume with no and with every
    patient bolus taken. ``by_ms`` is the earlier of the latter and the end of the stability of ``by_drug``;
    ``left_nl`` is what is then in the reservoir by calculation, every patient bolus taken.
    """

    alarm_ms: Fraction | None
    alarm_all_ms: Fraction | None
    stability_ms: int
    by_drug: str
    by_ms: Fraction
    left_nl: Fraction


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that ``plan show`` prints of a plan on a pump."""

    plan: DosingPlan
    profile: PumpProfile
    drugs: tuple[DrugFigures, ...]
    daily_nl: Fraction
    most_daily_nl: Fraction
    day: tuple[DayRow, ...]
    amounts: tuple[Amount, ...]
    stages: tuple[StageFigures, ...]
    path_nl: tuple[int, int]
    refill: RefillFigures
    prime: PrimeFacts | None
    bridge: BridgeFacts | None

    def doses(self, stage: StageFigures) -> Iterator[tuple[str, str, Fraction]]:
        """Drug, unit and what is prescribed a day in this stage, infusion and scheduled boluses, pg, by the label."""
        first = self.stages[0].basal_pg
        for drug in self.drugs:
            basal = drug.basal_pg * stage.basal_pg / first if first else drug.basal_pg
            yield drug.name, drug.unit, basal + drug.scheduled_pg

    def volume(self, stage: StageFigures) -> Fraction:
        """The same as a volume a day, nL."""
        return self.daily_nl - self.stages[0].basal_nl + stage.basal_nl


def overview(case: Case) -> Overview:
    """Put the figures of a plan together.

    Raises:
        InvalidInput: the plan cannot be compiled; the review says why.
    """
    plan, profile, previous = case.plan, case.profile, case.previous
    daily = sum(_of_a_day(case), Fraction(0))
    return Overview(
        plan=plan,
        profile=profile,
        drugs=tuple(_drug(case, drug.name, drug.concentration.pg_per_ml) for drug in plan.reservoir.drugs),
        daily_nl=daily,
        most_daily_nl=daily + _patient_nl(case),
        day=tuple(_day(case)),
        amounts=tuple(_amounts(case)),
        stages=tuple(_stages(case)),
        path_nl=path_bounds(plan, profile),
        refill=_refill(case),
        prime=prime_facts(plan, profile),
        bridge=bridge_facts(plan, previous, profile) if plan.bridge and previous else None,
    )


def _volume(case: Case, pg: Fraction | int) -> Fraction:
    return Fraction(pg) * NL_PER_ML / case.plan.primary.concentration.pg_per_ml


def _of_a_day(case: Case) -> tuple[Fraction, Fraction]:
    """Basal and scheduled boluses of the day that has most, first stage, nL."""
    basal = case.schedule.stages[0].daily_basal_pg
    return _volume(case, basal), _volume(case, scheduled_daily(case.plan))


def _patient_nl(case: Case) -> Fraction:
    terms = case.schedule.patient
    return terms.volume_nl * terms.max_per_day if terms else Fraction(0)


def _drug(case: Case, name: str, label: int) -> DrugFigures:
    low, high = case.fluid[name]
    share = case.per_primary(name)
    basal = case.schedule.stages[0].daily_basal_pg * share
    scheduled = scheduled_daily(case.plan) * share
    caps = {cap["hours"]: cap["pg"] for cap in case.limits["caps"] if cap["drug"] == name}
    bolus_cap = next(cap["pg"] for cap in case.limits["bolus_caps"] if cap["drug"] == name)
    return DrugFigures(
        name=name,
        unit=case.entries[name].unit,
        label_pg_per_ml=label,
        low_pg_per_ml=low,
        high_pg_per_ml=high,
        basal_pg=basal,
        scheduled_pg=scheduled,
        most_per_day_pg=basal + scheduled + _patient_nl(case) * label / NL_PER_ML,
        on_time={hours: most * label / NL_PER_ML for hours, most in _on_time(case).items()},
        worst={hours: case.worst(name, hours)[0] for hours in WINDOWS_H},
        caps=caps,
        bolus_cap_pg=bolus_cap,
    )


def _on_time(case: Case) -> dict[int, Fraction]:
    """Most volume in any window of each length, nL, by hours: basal and boluses as they are written."""
    terms, factor = case.schedule.patient, max(case.schedule.factors)
    flow = case.schedule.basal.scaled(factor).combined(_bolus_pattern(case.plan), add)
    asked = (
        Requests.of(terms.volume_nl, terms.over_ms, terms.lockout_ms, terms.max_per_day, 0) if terms else None
    )
    windows = {hours: hours * MS_PER_HOUR for hours in WINDOWS_H}
    return {h: flow.worst(ms) + (asked.worst(ms) if asked else 0) for h, ms in windows.items()}


def _bolus_pattern(plan: DosingPlan) -> Pattern:
    """The scheduled boluses as a flow of the week from Monday 00:00, nL/ms; those given once on every day."""
    edges = {0: Fraction(0)}
    for bolus in plan.bolus:
        rate = Fraction(bolus.dose.pg, bolus.over.ms) / plan.primary.concentration.pg_per_nl
        for day in bolus.days or EVERY_DAY:
            begin = EVERY_DAY.index(day) * MS_PER_DAY + bolus.at_ms
            for at, by in ((begin, rate), (begin + bolus.over.ms, -rate)):
                edges[at % WEEK_MS] = edges.get(at % WEEK_MS, Fraction(0)) + by
                edges[0] -= by if at >= WEEK_MS else 0  # it runs over the end of Sunday
    ordered = sorted(edges)
    return Pattern(WEEK_MS, zip(ordered, accumulate(edges[at] for at in ordered), strict=True))


# --- the day ------------------------------------------------------------------------------------------------


def _day(case: Case) -> Iterator[DayRow]:
    """Every line of the day of the first stage, group by group, in order of time."""
    plan = case.plan
    groups: list[tuple[tuple[str, ...], tuple[BasalStep, ...]]]
    groups = [(group.days, group.steps) for group in plan.basal.days] or [(EVERY_DAY, plan.basal.steps)]
    for days, steps in groups:
        rows = [*_steps(case, days, steps), *_boluses(case, days)]
        yield from sorted(rows, key=lambda row: (row.from_ms, row.bolus))


def _steps(case: Case, days: tuple[str, ...], steps: tuple[BasalStep, ...]) -> Iterator[DayRow]:
    pattern = case.schedule.basal
    begins = [step.from_ms for step in steps] or [0]
    last = MS_PER_DAY if case.plan.basal.days else begins[0] + MS_PER_DAY
    midnight = EVERY_DAY.index(days[0]) * MS_PER_DAY
    for begin, end in zip(begins, [*begins[1:], last], strict=True):
        nl = pattern.amount(midnight + begin, midnight + end, case.schedule.factors[0])
        yield DayRow(days, begin, end, False, False, nl * case.plan.primary.concentration.pg_per_nl, nl)


def _boluses(case: Case, days: tuple[str, ...]) -> Iterator[DayRow]:
    for bolus in case.plan.bolus:
        on = tuple(day for day in days if bolus.days is None or day in bolus.days)
        if on:
            end, pg = bolus.at_ms + bolus.over.ms, Fraction(bolus.dose.pg)
            yield DayRow(on, bolus.at_ms, end, True, bolus.once, pg, _volume(case, pg))


# --- what the pump makes of it ------------------------------------------------------------------------------


def _amounts(case: Case) -> Iterator[Amount]:
    """Asked and achievable, each rounded down to the pump's step as the controller does.

    The basal is rounded as a running sum, so that the rest is carried and nothing is lost from day to day.
    """
    yield _amount(case, "basal of the first day", _of_a_day(case)[0])
    for bolus in case.plan.bolus:
        yield _amount(case, f"bolus at {clock(bolus.at_ms)}", _volume(case, bolus.dose.pg))
    if (terms := case.schedule.patient) is not None:
        yield _amount(case, "patient bolus", terms.volume_nl)
    if case.plan.prime is not None:
        yield _amount(case, "prime", Fraction(case.plan.prime.volume.nl))


def _amount(case: Case, what: str, nl: Fraction) -> Amount:
    step = case.profile.step.nl
    return Amount(what, nl, floor(nl / step) * step)


def _stages(case: Case) -> Iterator[StageFigures]:
    before = case.schedule.stages[0].daily_basal_pg
    for stage in case.schedule.stages:
        change = stage.daily_basal_pg / before - 1 if before else Fraction(0)
        nl = _volume(case, stage.daily_basal_pg)
        yield StageFigures(stage.index, stage.from_ms, stage.daily_basal_pg, nl, change)
        before = stage.daily_basal_pg


def _refill(case: Case) -> RefillFigures:
    plan, most = case.plan, case.plan.patient_bolus.max_per_day if case.plan.patient_bolus else 0
    alarm_all = time_to_alarm(plan, case.profile, most)
    stable, drug = min((stability_ms(case, name), name) for name in case.entries)
    by = Fraction(stable) if alarm_all is None else min(alarm_all, Fraction(stable))
    left = plan.reservoir.filled.nl + plan.reservoir.residual[0].nl - _used(case, by)
    return RefillFigures(time_to_alarm(plan, case.profile, 0), alarm_all, stable, drug, by, left)


def _used(case: Case, until: Fraction) -> Fraction:
    """Planned volume up to an instant, every patient bolus taken, nL."""
    basal = case.schedule.planned_basal_nl(0, int(until))
    boluses = sum((slot.volume_nl for slot in case.schedule.slots(0, int(until))), Fraction(0))
    prime = case.plan.prime.volume.nl if case.plan.prime else 0
    return basal + boluses + prime + _patient_nl(case) * until / MS_PER_DAY
