"""What every check of the review looks at: plan, formulary entries, fluids, schedule, limits.

Layer      therapy; imports plan, formulary, profiles, volumes, schedule, limits.
Hazard     checking only the primary drug; comparing with a concentration that the residual raises.
Invariant  every drug of the mixture has its entry; doses that count against limits use the upper
           concentration, prescribed doses (which titration compares) the one on the label.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from pump_ctrl.therapy.formulary import DrugEntry, Formulary
from pump_ctrl.therapy.limits import WindowRow, compile_limits, worst_windows
from pump_ctrl.therapy.plan import WEEKDAYS, DosingPlan
from pump_ctrl.therapy.plan_toml import field_name
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.schedule import Schedule, Stage
from pump_ctrl.therapy.volumes import Fluid, reservoir_fluid
from pump_ctrl.units import MS_PER_DAY, NL_PER_ML


@dataclass(frozen=True, slots=True)
class Bolus:
    """A scheduled or the patient's bolus as the checks see it: its field, volume (nL) and length (ms)."""

    field: str
    words: str
    pg: int
    volume_nl: Fraction
    over_ms: int

    @property
    def nl_per_ms(self) -> Fraction:
        """Its own flow."""
        return self.volume_nl / self.over_ms


@dataclass(frozen=True)
class Case:
    """A plan that refers only to what exists, ready for the checks. ``previous`` is the plan in force."""

    plan: DosingPlan
    formulary: Formulary
    profile: PumpProfile
    previous: DosingPlan | None

    @cached_property
    def entries(self) -> Mapping[str, DrugEntry]:
        """Formulary entry of every drug of the plan, primary first."""
        return {drug.name: self.formulary.drug(drug.name) for drug in self.plan.reservoir.drugs}

    @cached_property
    def schedule(self) -> Schedule:
        """What the plan asks, in plan time."""
        return Schedule(self.plan, self.profile)

    @cached_property
    def old_schedule(self) -> Schedule | None:
        """What the plan in force asks, in its own plan time."""
        return Schedule(self.previous, self.profile) if self.previous is not None else None

    @cached_property
    def limits(self) -> Mapping[str, Any]:
        """The compiled limits: the same that the approval carries."""
        return compile_limits(self.plan, self.formulary, self.profile, self.previous)

    @cached_property
    def fluid(self) -> Fluid:
        """Least and most concentration of each drug in the reservoir, pg/mL."""
        return reservoir_fluid(self.plan, self.previous)

    @property
    def age_ms(self) -> int:
        """How long the plan in force has run when this one starts."""
        return max(0, self.plan.start_utc_ms - self.previous.start_utc_ms) if self.previous else 0

    @property
    def old_stage(self) -> Stage | None:
        """The stage of the plan in force that this plan replaces."""
        return self.old_schedule.stage_at(self.age_ms) if self.old_schedule else None

    @cached_property
    def windows(self) -> tuple[WindowRow, ...]:
        """The most of every drug that every account lets into a window."""
        return worst_windows(self.limits)

    @property
    def counted(self) -> Mapping[str, DrugEntry]:
        """Entry of every drug that the limits count: the plan's own, and what residual or path still hold."""
        return {row.drug: self.formulary.drug(row.drug) for row in self.windows}

    def worst(self, drug: str, hours: int) -> tuple[int, str]:
        """The most of ``drug`` in any window of that length, pg, and the account that holds it."""
        rows = [(r.total_pg, r.account) for r in self.windows if (r.drug, r.hours) == (drug, hours)]
        return max(rows, key=lambda row: row[0])

    def first_day(self, drug: str) -> int:
        """The most of ``drug`` in 24 h of any account that can be in force in the first day, pg."""
        ids = {a["id"] for a in self.limits["accounts"] if a["from_ms"] < MS_PER_DAY}
        found = (r.total_pg for r in self.windows if (r.drug, r.hours) == (drug, 24) and r.account in ids)
        return max(found)

    def most_mass(self, drug: str, nl: Fraction) -> Fraction:
        """Mass in a volume of the reservoir at the drug's upper concentration, pg."""
        return nl * self.fluid.get(drug, (0, 0))[1] / NL_PER_ML

    def per_primary(self, drug: str) -> Fraction:
        """Mass of ``drug`` that comes with a unit mass of the primary drug, by the label."""
        return share_of(self.plan, drug)

    def prescribed(self, drug: str, stage: Stage) -> Fraction:
        """Prescribed daily dose of a stage, pg: basal and scheduled boluses, by the label."""
        return (stage.daily_basal_pg + scheduled_daily(self.plan)) * self.per_primary(drug)

    @cached_property
    def old_prescribed(self) -> Mapping[str, Fraction]:
        """Prescribed daily dose in force for each of the plan in force's drugs, pg; empty without one."""
        old, stage = self.previous, self.old_stage
        if old is None or stage is None:
            return {}
        daily = stage.daily_basal_pg + scheduled_daily(old)
        return {drug.name: daily * share_of(old, drug.name) for drug in old.reservoir.drugs}

    @cached_property
    def boluses(self) -> tuple[Bolus, ...]:
        """Every bolus the plan allows, scheduled first."""
        conc = self.plan.primary.concentration.pg_per_ml
        found = [
            Bolus(
                field_name(("bolus", i, "dose")),
                "scheduled bolus",
                b.dose.pg,
                Fraction(b.dose.pg * NL_PER_ML, conc),
                b.over.ms,
            )
            for i, b in enumerate(self.plan.bolus)
        ]
        if (own := self.plan.patient_bolus) is not None:
            nl = Fraction(own.dose.pg * NL_PER_ML, conc)
            found.append(Bolus("patient_bolus.dose", "patient bolus", own.dose.pg, nl, own.over.ms))
        return tuple(found)


def share_of(plan: DosingPlan, drug: str) -> Fraction:
    """Concentration of ``drug`` over that of the primary drug, by the label."""
    named = {item.name: item.concentration.pg_per_ml for item in plan.reservoir.drugs}
    return Fraction(named[drug], plan.primary.concentration.pg_per_ml)


def scheduled_daily(plan: DosingPlan) -> int:
    """Most scheduled bolus mass of the primary drug on any weekday, pg; ``once`` is no daily dose."""
    repeated = [bolus for bolus in plan.bolus if not bolus.once]
    return max(sum(b.dose.pg for b in repeated if b.days is None or day in b.days) for day in WEEKDAYS)
