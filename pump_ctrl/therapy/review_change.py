"""Checks of what changes: against the plan in force, from stage to stage, across prime and bridge.

Layer      therapy; imports review_case, findings, volumes, wording.
Hazard     a tenfold slip; several small steps that add up; the old fluid at the new rate; a taper by mistake.
Invariant  titration compares prescribed daily doses (basal and scheduled boluses, by the label) of every
           drug, never the rates of commands; a decrease against the plan in force is never blocked: it may be
           the rescue.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.findings import Finding, finding
from pump_ctrl.therapy.formulary import DrugEntry
from pump_ctrl.therapy.handover import Handover, load_conflicts
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.plan import DosingPlan, OnLoss
from pump_ctrl.therapy.plan_toml import field_name
from pump_ctrl.therapy.profiles import load_timing
from pump_ctrl.therapy.review_case import Case, scheduled_daily, share_of
from pump_ctrl.therapy.volumes import (
    bridge_facts,
    catheter_bounds,
    changed_fluid,
    mean_basal,
    nominal_path,
    path_bounds,
    prime_facts,
)
from pump_ctrl.units import MS_PER_DAY, MS_PER_MINUTE, NL_PER_ML, TimeOfDay, Volume

# --- steps of the daily dose (D-09) -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DoseStep:
    """One change of a drug's prescribed daily dose, pg.

    ``since_ms`` is the time since the change before, None if unknown; ``planned`` is false for the change
    against the plan in force, which takes effect when the plan is loaded.
    """

    field: str
    words: str
    old: Fraction
    new: Fraction
    since_ms: int | None
    planned: bool

    @property
    def part(self) -> Fraction:
        """Relative change: 1/5 for +20 %."""
        return self.new / self.old - 1


def dose_steps(case: Case, drug: str) -> tuple[DoseStep, ...]:
    """Every change of the daily dose of ``drug``, the one against the plan in force first."""
    stages = case.schedule.stages
    doses = [case.prescribed(drug, stage) for stage in stages]
    found = []
    old = case.old_prescribed.get(drug, Fraction(0))
    if old and doses[0] != old:
        found.append(
            DoseStep("basal", "change against the plan in force", old, doses[0], _unchanged_for(case), False)
        )
    for i in range(1, len(stages)):
        if doses[i - 1] and doses[i] != doses[i - 1]:
            since = stages[i].from_ms - stages[i - 1].from_ms
            field = field_name(("titration", "step", i - 1))
            found.append(DoseStep(field, f"step to {stages[i].id}", doses[i - 1], doses[i], since, True))
    return tuple(found)


def _unchanged_for(case: Case) -> int | None:
    """How long the dose in force has been in force when this plan starts, ms."""
    return case.age_ms - case.old_stage.from_ms if case.old_stage is not None else None


def steps(case: Case) -> Iterator[Finding]:
    """Every step of every drug against the formulary's step limits."""
    for name, entry in case.entries.items():
        for step in dose_steps(case, name):
            yield from _up(name, entry, step) if step.new > step.old else _down(name, entry, step)
            if not step.planned:
                text = f"{name} {say.mass(step.old)}/day to {say.mass(step.new)}/day ({say.share(step.part)})"
                yield finding("daily-change", step.field, text, name)


def _up(name: str, entry: DrugEntry, step: DoseStep) -> Iterator[Finding]:
    said = (
        f"{name}, {step.words}: {say.mass(step.old)}/day to {say.mass(step.new)}/day ({say.share(step.part)})"
    )
    grown = step.new - step.old
    for level in ("hard", "soft"):
        part, mass = getattr(entry, f"up_{level}"), getattr(entry, f"up_mass_{level}")
        if part is not None and part.value < step.part:
            yield finding(f"step-up-{level}", step.field, f"{said} is above {say.sourced(part)}", name)
            break
        if mass is not None and mass.value.pg < grown:
            text = f"{said} adds {say.mass(grown)}/day, above {say.sourced(mass, '/day')}"
            yield finding(f"step-up-{level}", step.field, text, name)
            break
    for level in ("hard", "soft"):
        wait = getattr(entry, f"up_interval_{level}")
        if step.since_ms is not None and step.since_ms < wait.value.ms:
            text = f"{said} comes {say.span(step.since_ms)} after the change before"
            yield finding(
                f"step-interval-{level}", step.field, f"{text}, sooner than {say.sourced(wait)}", name
            )
            break


def _down(name: str, entry: DrugEntry, step: DoseStep) -> Iterator[Finding]:
    said = (
        f"{name}, {step.words}: {say.mass(step.old)}/day to {say.mass(step.new)}/day ({say.share(step.part)})"
    )
    kind = "taper" if step.planned else "decrease"
    for level, limit in (("hard", entry.down_hard), ("soft", entry.down_soft)):
        if limit is not None and limit.value < -step.part:
            yield finding(f"{kind}-{level}", step.field, f"{said} is more than {say.sourced(limit)}", name)
            break
    wait = entry.down_interval
    if step.planned and wait is not None and step.since_ms is not None and step.since_ms < wait.value.ms:
        text = (
            f"{said} comes {say.span(step.since_ms)} after the change before, sooner than {say.sourced(wait)}"
        )
        yield finding("taper-interval", step.field, text, name)


def starts(case: Case) -> Iterator[Finding]:
    """First dose of a drug that was not given before; a drug that is left out."""
    for name, entry in case.entries.items():
        dose = case.prescribed(name, case.schedule.stages[0])
        if case.old_prescribed.get(name):
            continue
        for limit, code in ((entry.start_hard, "start-hard"), (entry.start_soft, "start-soft")):
            if limit is not None and limit.value.pg < dose:
                text = f"first dose of {name}, {say.mass(dose)}/day, is above {say.sourced(limit, '/day')}"
                yield finding(code, "basal", f"{text} (for patients: {entry.patients})", name)
                break
    for name, dose in case.old_prescribed.items():
        withdrawal = case.formulary.drug(name).withdrawal
        if name not in case.entries and dose and withdrawal != "none":
            text = f"{name} {say.mass(dose)}/day ends with this plan: withdrawal {withdrawal}"
            yield finding("drug-removed", "reservoir.drugs", text, name)


# --- look-alikes --------------------------------------------------------------------------------------------

_LOOKS: Final = (10, 1_000)
_NEAR: Final = Fraction(1, 10)  # 9 to 11 times, 900 to 1100 times


def look_alikes(case: Case) -> Iterator[Finding]:
    """Values that look like a slipped point or unit of the plan in force."""
    old = case.previous
    if old is None:
        return
    for drug in case.plan.reservoir.drugs:
        for words, field, before, after in _compared(case, old, drug.name):
            times = _looks_like(before, after)
            if times:
                text = f"{words} of {drug.name} is about {times} the one in force; check point and unit"
                yield finding("look-alike", field, text, drug.name)


def _compared(case: Case, old: DosingPlan, drug: str) -> Iterator[tuple[str, str, Fraction, Fraction]]:
    new_conc = {item.name: Fraction(item.concentration.pg_per_ml) for item in case.plan.reservoir.drugs}
    old_conc = {item.name: Fraction(item.concentration.pg_per_ml) for item in old.reservoir.drugs}
    if drug not in old_conc:
        return
    yield "concentration", "reservoir.drugs", old_conc[drug], new_conc[drug]
    doses = case.old_prescribed[drug], case.prescribed(drug, case.schedule.stages[0])
    yield "daily dose", "basal", *doses
    if old.patient_bolus is not None and case.plan.patient_bolus is not None:
        before = old.patient_bolus.dose.pg * share_of(old, drug)
        yield (
            "patient bolus",
            "patient_bolus.dose",
            before,
            case.plan.patient_bolus.dose.pg * case.per_primary(drug),
        )
    before, after = (
        scheduled_daily(old) * share_of(old, drug),
        scheduled_daily(case.plan) * case.per_primary(drug),
    )
    yield "scheduled bolus dose a day", "bolus", before, after


def _looks_like(before: Fraction, after: Fraction) -> str:
    """``"10 times"`` or ``"a 1000th of"`` where one value is about that of the other, else an empty text."""
    if not before or not after:
        return ""
    for factor in _LOOKS:
        low, high = factor * (1 - _NEAR), factor * (1 + _NEAR)
        if low <= after / before <= high:
            return f"{factor} times"
        if low <= before / after <= high:
            return f"a {factor}th of"
    return ""


# --- bridge, prime, load ------------------------------------------------------------------------------------


def bridge(case: Case) -> Iterator[Finding]:
    """Whether the path holds another fluid than the reservoir, and whether the plan bridges it."""
    old, plan = case.previous, case.plan
    if old is None:
        return
    held = (
        plan.prime is None or plan.prime.path == "aspirated"
    )  # the path, or its tubing, still holds the old fluid
    changed = changed_fluid(plan, old)
    if changed and held and plan.bridge is None:
        yield finding("bridge-missing", "bridge", _unbridged(case, old))
    if plan.bridge is None:
        return
    if not changed:
        yield finding("bridge-unneeded", "bridge", "drugs and concentrations are those of the plan in force")
    facts = bridge_facts(plan, old, case.profile)
    if facts.nominal_ms is None or facts.lower_ms is None:
        yield finding(
            "bridge-stopped", "bridge", "old or new basal is 0: the old fluid would never leave the path"
        )
        return
    carried = ", ".join(f"{say.mass(pg)} {name}" for name, pg in facts.carries_pg.items())
    text = (
        f"{say.flow(facts.old_nl_per_day / MS_PER_DAY)} for about {say.span(facts.nominal_ms)}, {carried}; "
        f"the old plan's volumes for {say.volume(facts.low_nl)}, then the lower of both rates up to "
        f"{say.volume(facts.high_nl)}; no boluses meanwhile"
    )
    yield finding("bridge-facts", "bridge", text)


def _unbridged(case: Case, old: DosingPlan) -> str:
    """What would happen without a bridge, in the old primary drug's mass."""
    rate, path, drug = (
        mean_basal(case.plan, case.profile, 0),
        nominal_path(case.plan, case.profile),
        old.primary,
    )
    text = "drugs or concentrations differ from the plan in force and there is no [bridge]"
    if case.plan.prime is not None:
        return f"{text}; the pump tubing still holds the old fluid: bridge instead of priming"
    if not rate:
        return text
    daily = rate * drug.concentration.pg_per_ml / NL_PER_ML
    span = say.span(path * MS_PER_DAY / rate)
    return f"{text}: the path would give {say.mass(daily)}/day of {drug.name} for {span}"


def prime_volume(case: Case) -> Iterator[Finding]:
    """Whether there is an empty path to prime, and how much it holds (D-12)."""
    plan, facts = case.plan, prime_facts(case.plan, case.profile)
    if plan.prime is None or facts is None:
        return
    moved = ", ".join(f"{say.mass(pg)} {name}" for name, pg in facts.mass_pg.items())
    if case.previous is not None:
        text = (
            f'path "{plan.prime.path}": on a full path, as after a routine refill, it gives {moved} at once'
        )
        yield finding("prime-filled-path", "prime.path", text)
    low, high = path_bounds(plan, case.profile) if plan.prime.path == "empty" else catheter_bounds(plan)
    if high < facts.volume_nl:
        text = f"{plan.prime.volume} is more than the path can hold, {Volume(high)}"
        yield finding("prime-over-path", "prime.volume", text)
    elif facts.volume_nl < low:
        text = f"{plan.prime.volume} is less than the path holds at least, {Volume(low)}"
        yield finding("prime-short", "prime.volume", text)
    text = f"{plan.prime.volume} in {say.span(facts.duration_ms)} moves {moved}"
    yield finding("prime-facts", "prime", text)


def prime_slot(case: Case) -> Iterator[Finding]:
    """Whether a scheduled bolus can wait until the prime at the start has ended (D-12: nothing runs beside it)."""
    facts, slot = prime_facts(case.plan, case.profile), case.schedule.next_slot(0)
    if facts is None or slot is None:
        return
    ends = facts.duration_ms + 2 * load_timing().driver[case.profile.protocol].stop_ms
    if slot.at_ms + slot.within_ms < ends:
        text = f"the bolus at {_clock(case.plan, slot.at_ms)} is missed: the prime takes {say.span(ends)} from the"
        yield finding(
            "prime-slot", "start", f"{text} start, and the bolus waits {say.span(slot.within_ms)} at most"
        )


def prime_early(case: Case) -> Iterator[Finding]:
    """What the prime's early share adds to the first day (D-12)."""
    facts = prime_facts(case.plan, case.profile)
    if facts is None:
        return
    for name, entry in case.entries.items():
        early = facts.early_pg[name]
        most = case.first_day(name) + early
        for limit, level in ((entry.daily_hard, "hard"), (entry.daily_soft, "soft")):
            if limit.value.pg < most:
                text = f"{say.mass(early)} of {name} may leave early in the prime; with the first day that is"
                text += f" {say.mass(most)}, above {say.sourced(limit)}"
                yield finding(f"prime-early-{level}", "prime.volume", text, name)
                break


def load(case: Case) -> Iterator[Finding]:
    """Whether the plan in force and this one can together pass a hard cap in the first day (D-07)."""
    old = case.previous
    if old is None:
        return
    before = compile_limits(_running(case.plan, old), case.formulary, case.profile)
    for conflict in load_conflicts(case.limits, before, Handover(case.plan, old, case.profile)):
        text = (
            f"with the plan in force up to {say.mass(conflict.worst_pg)} of {conflict.drug} in"
            f" {conflict.hours} h across the change, above {say.mass(conflict.cap_pg)}"
        )
        if not conflict.safe:
            yield finding("load-cap", "start", text, conflict.drug)
            continue
        hours = ", ".join(
            f"{_clock(case.plan, begin)} to {_clock(case.plan, end)}" for begin, end in conflict.safe
        )
        yield finding("load-times", "start", f"{text}; load it from {hours}", conflict.drug)


def _running(plan: DosingPlan, old: DosingPlan) -> DosingPlan:
    """The plan in force reduced to what it doses: how it began is over, its path and hold are not judged."""
    stop = OnLoss.model_validate("stop")
    over = {"previous": None, "bridge": None, "prime": None, "on_loss": stop, "catheter": plan.catheter}
    return old.model_copy(update=over)


def _clock(plan: DosingPlan, plan_ms: int) -> str:
    return str(TimeOfDay((plan.start_of_day_ms + plan_ms) % MS_PER_DAY // MS_PER_MINUTE * MS_PER_MINUTE))
