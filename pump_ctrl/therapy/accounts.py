"""The accounts of a limits file: one for each titration stage, and one for a bridge.

Layer      therapy, pure. Imports plan, formulary, profiles, volumes, schedule, pattern and windows.
Hazard     a window that was not looked at; a bolus late today and on time tomorrow; new fluid at the old
           rate.
Invariant  whatever the signed plan can ask within its own rules, no window of 1, 4 or 24 h holds more basal
           than its basal_pg or more bolus than its bolus_pg (dose path, D-04, D-05, D-08, D-10, D-11).
Tests      tests/unit/test_limits_compiler.py, tests/properties/test_compiler_brute_force.py

An account bounds what is commanded in it. A stage of a plan without a bridge weighs its volumes at the larger
of what stands in the path and what is in the reservoir; with a bridge as in the reservoir, because the old
fluid has left before the bridge ends. In the bridge itself old fluid moves at the previous plan's rate,
either fluid at the lower of both rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from pump_ctrl.therapy.formulary import DrugEntry, Formulary
from pump_ctrl.therapy.pattern import ZERO, Pattern
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_timing
from pump_ctrl.therapy.schedule import Schedule, Slot, Stage
from pump_ctrl.therapy.volumes import Fluid, path_fluid, reservoir_fluid
from pump_ctrl.therapy.windows import NO_TOUCH, Pulse, Requests, Timeline, Touch
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, NL_PER_ML

WINDOWS_H: Final = (1, 4, 24)
_WEEK_MS: Final = 7 * MS_PER_DAY
_LATER_MS: Final = 70 * MS_PER_DAY  # some week long after all boluses that are given once
JSONObject = dict[str, Any]


class Case:
    """One plan on one pump after one other plan: everything that a compilation looks at again and again.

    Raises:
        InvalidInput: a drug that the formulary lacks, a mode that the pump does not have.
    """

    def __init__(
        self, plan: DosingPlan, formulary: Formulary, profile: PumpProfile, previous: DosingPlan | None
    ) -> None:
        self.plan, self.formulary, self.profile, self.previous = plan, formulary, profile, previous
        self.schedule = Schedule(plan, profile)
        self.stop_ms = load_timing().driver[profile.protocol].stop_ms
        self.reservoir = reservoir_fluid(plan, previous)
        self.path = path_fluid(plan, previous)
        names = {**self.reservoir, **self.path}
        self.drugs: dict[str, DrugEntry] = {name: formulary.drug(name) for name in names}

    def strength(self, drug: str) -> int:
        """The largest concentration at which what a stage commands can reach the tip, pg/mL."""
        in_reservoir = upper(self.reservoir, drug)
        return in_reservoir if self.plan.bridge else max(in_reservoir, upper(self.path, drug))


def upper(fluid: Fluid, drug: str) -> int:
    """The most of a drug in a fluid, pg/mL; 0 where it is not in it."""
    return fluid[drug][1] if drug in fluid else 0


def accounts(case: Case) -> Iterator[JSONObject]:
    """Every account of the plan, the bridge first where there is one, then the stages in order."""
    if case.plan.bridge is not None and case.previous is not None:
        yield _bridge(case, case.previous)
    boluses = _Boluses(case)
    basal = {hours: _Basal.of(case.schedule.basal, hours) for hours in WINDOWS_H}
    for stage in case.schedule.stages:
        yield _stage(case, stage, basal, boluses)


# --- one row ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Basal:
    """Basal in windows of one length: the most, highest rate and sum of falls (per ms), changes."""

    worst: Fraction
    highest: Fraction
    falls: Fraction
    changes: int

    @classmethod
    def of(cls, pattern: Pattern, hours: int) -> _Basal:
        window = hours * MS_PER_HOUR
        falls, changes = pattern.worst_falls(window), pattern.most_changes(window)
        return cls(pattern.worst(window), max(pattern.rates), falls, changes)

    def times(self, factor: Fraction) -> _Basal:
        return _Basal(self.worst * factor, self.highest * factor, self.falls * factor, self.changes)


@dataclass(frozen=True, slots=True)
class _Bolus:
    """Boluses in windows of one length: the most, highest rate of one (per ms), how many it can meet."""

    worst: Fraction = ZERO
    highest: Fraction = ZERO
    touch: Touch = NO_TOUCH

    def times(self, factor: Fraction) -> _Bolus:
        touch = Touch(self.touch.count, self.touch.rates * factor)
        return _Bolus(self.worst * factor, self.highest * factor, touch)


def _row(profile: PumpProfile, drug: str, hours: int, basal: _Basal, bolus: _Bolus) -> JSONObject:
    """One row of the file; the figures are masses, pg and pg/ms."""
    return {
        "drug": drug,
        "hours": hours,
        "basal_pg": ceil(basal.worst),
        "bolus_pg": ceil(bolus.worst),
        "basal_max_pg_per_h": ceil(basal.highest * MS_PER_HOUR),
        "basal_fall_pg_per_h": ceil(basal.falls * MS_PER_HOUR),
        "bolus_max_pg_per_h": ceil(bolus.highest * MS_PER_HOUR),
        "bolus_fall_pg_per_h": ceil(bolus.touch.rates * MS_PER_HOUR),
        "commands": _commands(profile, hours, basal.changes, bolus.touch.count),
    }


def _commands(profile: PumpProfile, hours: int, changes: int, boluses: int) -> int:
    """New commands that one window can hold: renewals, two per bolus, one for each full set of steps."""
    renewals = -(-hours * MS_PER_HOUR // profile.lease.ms) + 1
    return renewals + 2 * boluses + -(-changes // profile.max_steps)


# --- stages -------------------------------------------------------------------------------------------------


def _stage(case: Case, stage: Stage, basal: Mapping[int, _Basal], boluses: _Boluses) -> JSONObject:
    factor = case.schedule.factors[stage.index]
    bolus = boluses.figures(stage)
    strengths = {drug: Fraction(case.strength(drug), NL_PER_ML) for drug in case.drugs}
    return {
        "id": stage.id,
        "from_ms": stage.from_ms,
        "until_ms": stage.until_ms,
        "daily_pg": ceil(boluses.largest_day(factor) * case.plan.primary.concentration.pg_per_nl),
        "hold": _pace(case.schedule.lowest_rate(stage.index)),
        "max_bolus_nl": ceil(boluses.largest),
        "patient": _patient(case.schedule),
        "rows": [
            _row(case.profile, drug, hours, basal[hours].times(factor * pg), bolus[hours].times(pg))
            for drug, pg in strengths.items()
            for hours in WINDOWS_H
        ],
    }


def _pace(rate: Fraction) -> JSONObject:
    return {"nl": rate.numerator, "per_ms": rate.denominator}


def _patient(schedule: Schedule) -> JSONObject | None:
    terms = schedule.patient
    if terms is None:
        return None
    return {
        "over_ms": terms.over_ms,
        "lockout_ms": terms.lockout_ms,
        "max_per_day": terms.max_per_day,
        "volume_nl": ceil(terms.volume_nl),
    }


def pulses(slots: Sequence[Slot], stop_ms: int, shift_ms: int = 0) -> tuple[Pulse, ...]:
    """Slots as boluses that may begin late, ``shift_ms`` added to their times.

    The flow begins within [slot, slot + within + 2 T_s]: one T_s to send it, one for the doubt of D-06.
    """
    return tuple(
        Pulse(slot.at_ms + shift_ms, slot.within_ms + 2 * stop_ms, slot.over_ms, slot.volume_nl)
        for slot in slots
    )


class _Boluses:
    """The plan's boluses as volumes: their worst windows for each stage, their largest day."""

    def __init__(self, case: Case) -> None:
        self._schedule, self._stop_ms = case.schedule, case.stop_ms
        self._once_ids = frozenset(slot.id for slot in case.schedule.once_slots())
        self._once = pulses(case.schedule.once_slots(), case.stop_ms)
        week = self._recurring(_LATER_MS, _LATER_MS + _WEEK_MS)
        scheduled = (*self._once, *week)
        self._span_ms = MS_PER_DAY + max(
            (pulse.latest_end_ms - pulse.at_ms for pulse in scheduled), default=0
        )
        self._requests = _requests(case.schedule, case.stop_ms)
        self._every = self._repeating(MS_PER_DAY if _alike_every_day(case.plan) else _WEEK_MS)
        asked = [(self._requests.amount, self._requests.over_ms)] if self._requests else []
        one_of_each = [(pulse.amount, pulse.over_ms) for pulse in scheduled] + asked
        self.largest = max((amount for amount, _ in one_of_each), default=ZERO)
        self._highest = max((amount / over for amount, over in one_of_each), default=ZERO)
        self._known: dict[tuple[Pulse, ...], dict[int, _Bolus]] = {}

    def _recurring(self, a_ms: int, b_ms: int) -> tuple[Pulse, ...]:
        slots = self._schedule.slots(a_ms, b_ms)
        return pulses([slot for slot in slots if slot.id not in self._once_ids], self._stop_ms)

    def _repeating(self, round_ms: int) -> Timeline:
        """All that repeats: one round of it to look at, with every neighbour that shares a window with it."""
        around = self._recurring(_LATER_MS - 2 * self._span_ms, _LATER_MS + round_ms + 2 * self._span_ms)
        return Timeline(around, [pulse for pulse in around if 0 <= pulse.at_ms - _LATER_MS < round_ms])

    def figures(self, stage: Stage) -> dict[int, _Bolus]:
        """Figures by hours; a bolus given once counts in every stage that shares a day with it."""
        once = tuple(pulse for pulse in self._once if _reaches(stage, pulse))
        if once not in self._known:
            lines = (self._every, *([self._with_once(once)] if once else []))
            self._known[once] = {hours: self._bolus(lines, hours * MS_PER_HOUR) for hours in WINDOWS_H}
        return self._known[once]

    def _with_once(self, once: tuple[Pulse, ...]) -> Timeline:
        """The first days as they are: all boluses given once lie there, the others start there."""
        until = max(pulse.at_ms for pulse in once) + 2 * self._span_ms
        return Timeline((*self._recurring(0, until), *once))

    def _bolus(self, lines: Sequence[Timeline], window_ms: int) -> _Bolus:
        worst, touch = ZERO, NO_TOUCH
        for line in lines:
            worst, touch = max(worst, line.worst(window_ms)), touch.most(line.touched(window_ms))
        if self._requests is not None:
            worst, touch = worst + self._requests.worst(window_ms), touch + self._requests.touched(window_ms)
        return _Bolus(worst, self._highest, touch)

    def largest_day(self, factor: Fraction) -> Fraction:
        """Prescribed volume of the calendar day that has most, nL; a bolus given once is not daily."""
        return max(
            self._schedule.basal.amount(day * MS_PER_DAY, (day + 1) * MS_PER_DAY, factor) + self._of_day(day)
            for day in range(7)
        )

    def _of_day(self, day: int) -> Fraction:
        monday = _LATER_MS - (self._schedule.offset_ms + _LATER_MS) % _WEEK_MS
        begin = monday + day * MS_PER_DAY
        return sum((pulse.amount for pulse in self._recurring(begin, begin + MS_PER_DAY)), ZERO)


def _alike_every_day(plan: DosingPlan) -> bool:
    return all(bolus.days is None for bolus in plan.bolus)


def _reaches(stage: Stage, pulse: Pulse) -> bool:
    begin, end = pulse.at_ms - MS_PER_DAY, pulse.latest_end_ms + MS_PER_DAY
    return stage.from_ms < end and (stage.until_ms is None or stage.until_ms > begin)


def _requests(schedule: Schedule, stop_ms: int) -> Requests | None:
    terms = schedule.patient
    if terms is None:
        return None
    return Requests.of(terms.volume_nl, terms.over_ms, terms.lockout_ms, terms.max_per_day, stop_ms)


# --- bridge (D-11) ------------------------------------------------------------------------------------------


class BridgeFlow:
    """What may flow while the old fluid leaves: the old and the new basal in the new plan's time, nL/ms.

    Both at their largest: a stage of either plan may begin while the bridge lasts, and nothing bounds how
    long an interrupted bridge takes. ``hold`` is the lower of both plans' hold rates.
    """

    def __init__(self, plan: DosingPlan, previous: DosingPlan, profile: PumpProfile) -> None:
        new, old = Schedule(plan, profile), Schedule(previous, profile)
        shift_ms = plan.start_utc_ms - previous.start_utc_ms
        since = old.stage_at(shift_ms).index
        self.new = new.basal.scaled(max(new.factors)).delayed(-new.offset_ms)
        self.old = old.basal.scaled(max(old.factors[since:])).delayed(-old.offset_ms - shift_ms)
        rates = [old.lowest_rate(i) for i in range(since, len(old.stages))]
        self.hold = min(*rates, *(new.lowest_rate(stage.index) for stage in new.stages))
        self.lower = self.old.combined(self.new, min)

    def first(self, old_pg: Fraction) -> Pattern:
        """Mass rate until the new fluid may arrive, pg/ms; ``old_pg``: strength of the old fluid, pg/nL."""
        return self.old.scaled(old_pg)

    def then(self, old_pg: Fraction, new_pg: Fraction) -> Pattern:
        """Mass rate while either fluid may be at the tip, pg/ms."""
        return self.lower.scaled(max(old_pg, new_pg))

    def largest(self, old_pg: Fraction, new_pg: Fraction) -> Pattern:
        """The larger of both at every instant, pg/ms: no one knows when the first ends."""
        return self.first(old_pg).combined(self.then(old_pg, new_pg), max)


def _bridge(case: Case, previous: DosingPlan) -> JSONObject:
    """No dose is prescribed in a bridge: ``daily_pg`` is the most of the primary drug in 24 h."""
    flow = BridgeFlow(case.plan, previous, case.profile)
    strengths = {
        drug: (Fraction(upper(case.path, drug), NL_PER_ML), Fraction(upper(case.reservoir, drug), NL_PER_ML))
        for drug in case.drugs
    }
    return {
        "id": "bridge",
        "from_ms": 0,
        "until_ms": None,
        "daily_pg": ceil(flow.largest(*strengths[case.plan.primary.name]).worst(MS_PER_DAY)),
        "hold": _pace(flow.hold),
        "max_bolus_nl": 0,
        "patient": None,
        "rows": [
            _row(case.profile, drug, hours, _bridge_basal(flow, *pg, hours), _Bolus())
            for drug, pg in strengths.items()
            for hours in WINDOWS_H
        ],
    }


def _bridge_basal(flow: BridgeFlow, old_pg: Fraction, new_pg: Fraction, hours: int) -> _Basal:
    """The most of the larger flow; falls and changes of both, and those from one to the other."""
    largest, window = flow.largest(old_pg, new_pg), hours * MS_PER_HOUR
    both = (flow.first(old_pg), flow.then(old_pg, new_pg))
    highest = max(largest.rates)
    falls = sum((pattern.worst_falls(window) for pattern in both), highest)
    changes = flow.old.most_changes(window) + flow.lower.most_changes(window) + 2
    return _Basal(largest.worst(window), highest, falls, changes)
