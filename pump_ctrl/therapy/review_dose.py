"""Checks of one plan against formulary and pump: concentration, reservoir, doses, rates, loss of control.

Layer      therapy; imports review_case, findings, volumes, wording.
Hazard     a limit that is checked for the primary drug only; a rate the pump would round to another dose.
Invariant  every check is a pure function of the case and looks at every drug.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import ceil

from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.findings import Finding, finding
from pump_ctrl.therapy.formulary import DrugEntry
from pump_ctrl.therapy.plan_toml import field_name
from pump_ctrl.therapy.profiles import catheter_data, load_timing
from pump_ctrl.therapy.review_case import Bolus, Case
from pump_ctrl.therapy.volumes import least_alarm, mass_of, time_to_alarm
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR

# --- concentration and reservoir ----------------------------------------------------------------------------


def concentrations(case: Case) -> Iterator[Finding]:
    """Concentration of each drug against its limits; first fills of a pump that never held the drug."""
    old = {drug.name for drug in case.previous.reservoir.drugs} if case.previous else set()
    for i, drug in enumerate(case.plan.reservoir.drugs):
        entry, have, field = (
            case.entries[drug.name],
            drug.concentration,
            field_name(("reservoir", "drugs", i, "concentration")),
        )
        naive = entry.concentration_naive_pump
        for limit, code in (
            (entry.concentration_hard, "concentration-hard"),
            (entry.concentration_soft, "concentration-soft"),
        ):
            if limit.value < have:
                yield finding(code, field, f"{drug.name} {have} is above {say.sourced(limit)}", drug.name)
                break
        if naive is not None and drug.name not in old:
            text = f"first {drug.name} in this pump: {naive.note}"
            yield finding("naive-pump", field, text, drug.name)
            if naive.value < have:
                text = f"{drug.name} {have} in a pump that never held it is above {say.sourced(naive)}"
                yield finding("concentration-naive", field, text, drug.name)


def reservoir(case: Case) -> Iterator[Finding]:
    """Fill and alarm volume against the pump."""
    filled, alarm, profile = case.plan.reservoir.filled, case.plan.reservoir.alarm, case.profile
    if profile.capacity < filled:
        text = f"fill of {filled} is more than the {profile.capacity} of {profile.name}"
        yield finding("capacity", "reservoir.filled", text)
    if alarm.nl < (least := least_alarm(filled.nl, profile)):
        over = f"{say.digits(Fraction(profile.accuracy[1] - 1_000, 10))} %"
        text = (
            f"alarm at {alarm}: a pump that gives {over} too much runs dry before it; use {say.volume(least)}"
        )
        yield finding("alarm-late", "reservoir.alarm", text)


def refill_dates(case: Case) -> Iterator[Finding]:
    """When the pump must be refilled: alarm volume with every patient bolus taken, or stability."""
    plan = case.plan
    most = plan.patient_bolus.max_per_day if plan.patient_bolus else 0
    alarm = time_to_alarm(plan, case.profile, most)
    named = [(stability_ms(case, name), name) for name in case.entries]
    stable, drug = min(named)
    if alarm is None or stable < alarm:
        when = "not within two years" if alarm is None else f"after {say.span(alarm)}"
        text = f"{drug} is stable for {say.span(stable)}, the reservoir reaches its alarm volume {when}"
        yield finding("stability-first", "reservoir", text, drug)
    due = stable if alarm is None else min(alarm, Fraction(stable))
    local = say.day(plan.start_utc_ms + int(due), plan.utc_offset_ms)
    counted = f" with all {most} patient boluses a day taken" if most else ""
    yield finding("refill-by", "reservoir", f"refill by {local}, {say.span(due)} from the start{counted}")


def stability_ms(case: Case, drug: str) -> int:
    """How long a fill of the drug keeps, ms: shorter for the first fill where the formulary says so."""
    entry = case.entries[drug]
    first = entry.stability_first_fill if case.previous is None else None
    return (first or entry.stability).value.ms


def residual(case: Case) -> Iterator[Finding]:
    """What stayed under the fill: another concentration than the label, a drug the plan does not name."""
    label = {drug.name: drug.concentration.pg_per_ml for drug in case.plan.reservoir.drugs}
    for name, (low, high) in case.fluid.items():
        if name not in label:
            text = f"up to {say.concentration(high)} of {name} from the residual; the plan does not name it"
            yield finding("residual-drug", "reservoir.residual", text, name)
        elif (low, high) != (label[name], label[name]):
            daily = case.prescribed(name, case.schedule.stages[0])
            least, most = daily * low / label[name], daily * high / label[name]
            text = (
                f"{name} {say.concentration(low)} to {say.concentration(high)} mixed with the residual,"
                f" {say.mass(least)}/day to {say.mass(most)}/day where {say.mass(daily)}/day is prescribed"
            )
            yield finding("residual-blend", "reservoir.residual", text, name)
    if (
        case.previous is not None
        and case.previous.previous is not None
        and case.plan.reservoir.residual[1].nl
    ):
        text = "the residual is taken as the previous plan's own fluid; what lay under that is not known here"
        yield finding("residual-unknown", "reservoir.residual", text)


def catheter(case: Case) -> Iterator[Finding]:
    """Implanted length against the supplied one."""
    own = case.plan.catheter
    if own.model is not None and own.length is not None:
        data = catheter_data(own.model)
        if data.supplied_um < own.length.um:
            supplied = say.digits(Fraction(data.supplied_um, 10_000))
            yield finding(
                "catheter-long", "catheter.length", f"{own.length} of a catheter supplied with {supplied} cm"
            )


# --- dose ---------------------------------------------------------------------------------------------------


def daily(case: Case) -> Iterator[Finding]:
    """Most of each drug in 24 h, 4 h and 1 h (compiled E + B, every patient bolus) against its limits."""
    for name, entry in case.counted.items():
        yield from _in_a_day(case, name, entry)
        for hours, limit, code in (
            (1, entry.hour_hard, "hour-hard"),
            (4, entry.four_hours_hard, "four-hours-hard"),
        ):
            most, account = case.worst(name, hours)
            if limit is not None and limit.value.pg < most:
                text = f"at most {say.mass(most)} of {name} in {hours} h{_during(account)}"
                yield finding(code, "basal", f"{text} is above {say.sourced(limit)}", name)


def _during(account: str) -> str:
    """The part of the plan in which it would be, in words; none where that is from its start on."""
    kind, _, number = account.partition("-")
    if kind != "stage":
        return f" ({account})"
    return "" if number == "0" else f" (titration step {number})"


def _in_a_day(case: Case, name: str, entry: DrugEntry) -> Iterator[Finding]:
    most, account = case.worst(name, 24)
    for limit, code in ((entry.daily_hard, "daily-hard"), (entry.daily_soft, "daily-soft")):
        if limit.value.pg < most:
            by_patient = most - patient_share(case, name) <= limit.value.pg
            taken = ", every patient bolus taken," if by_patient else ""
            text = f"at most {say.mass(most)} of {name} in 24 h{_during(account)}{taken} is above {say.sourced(limit)}"
            field = "patient_bolus" if by_patient else "basal"
            yield finding(f"patient-{code}" if by_patient else code, field, text, name)
            return


def patient_share(case: Case, drug: str) -> int:
    """Mass that the patient's boluses can add in 24 h, pg, rounded up."""
    own = case.plan.patient_bolus
    if own is None:
        return 0
    return ceil(case.most_mass(drug, case.boluses[-1].volume_nl) * own.max_per_day)


def boluses(case: Case) -> Iterator[Finding]:
    """Every single bolus of every drug against its limits, and against the pump's step."""
    for bolus in case.boluses:
        for name, entry in case.entries.items():
            got = case.most_mass(name, bolus.volume_nl)
            for limit, code in ((entry.bolus_hard, "bolus-hard"), (entry.bolus_soft, "bolus-soft")):
                if limit.value.pg < got:
                    text = f"{bolus.words} of {say.mass(got)} {name} is above {say.sourced(limit)}"
                    yield finding(code, bolus.field, text, name)
                    break
        yield from _rounding(case, bolus)


def _rounding(case: Case, bolus: Bolus) -> Iterator[Finding]:
    step, drug = case.profile.step.nl, case.plan.primary
    steps = bolus.volume_nl // step
    if steps == 0:
        text = (
            f"{bolus.words} of {say.volume(bolus.volume_nl)} is less than one pump step of {say.volume(step)}"
        )
        yield finding("bolus-below-step", bolus.field, text)
    elif bolus.volume_nl != steps * step:
        given = mass_of(steps * step, drug.concentration.pg_per_ml)
        text = f"{bolus.words}: asked {say.mass(bolus.pg)}, achievable {say.mass(given)} of {drug.name}"
        yield finding("dose-rounded", bolus.field, text)


def own_limits(case: Case) -> Iterator[Finding]:
    """The plan's own limits: tighter than the formulary's, and kept by the plan itself."""
    own, drug = case.plan.limits, case.plan.primary.name
    if own is None:
        return
    entry = case.entries[drug]
    for field, mine, hours in (
        ("max_per_hour", own.max_per_hour, 1),
        ("max_per_4h", own.max_per_4h, 4),
        ("max_per_day", own.max_per_day, 24),
    ):
        if mine is None:
            continue
        cap = min(pg for window, pg in entry.caps if window >= hours)
        if cap < mine.pg:
            text = f"{mine} in {hours} h is looser than the formulary's {say.mass(cap)}"
            yield finding("own-limit-looser", f"limits.{field}", text, drug)
        most, account = case.worst(drug, hours)
        if mine.pg < most:
            text = (
                f"the plan can give {say.mass(most)} in {hours} h{_during(account)}, its own limit is {mine}"
            )
            yield finding("own-limit-exceeded", f"limits.{field}", text, drug)
    yield from _own_bolus(case, drug)


def _own_bolus(case: Case, drug: str) -> Iterator[Finding]:
    mine = case.plan.limits.max_bolus if case.plan.limits else None
    if mine is None:
        return
    hard = case.entries[drug].bolus_hard
    if hard.value < mine:
        text = f"a single bolus of {mine} is looser than the formulary's {say.sourced(hard)}"
        yield finding("own-limit-looser", "limits.max_bolus", text, drug)
    for bolus in case.boluses:
        if mine.pg < bolus.pg:
            text = f"{bolus.words} of {say.mass(bolus.pg)} is above the plan's own limit of {mine}"
            yield finding("own-limit-exceeded", bolus.field, text, drug)


def minimum(case: Case) -> Iterator[Finding]:
    """Doses so low that they amount to withdrawal."""
    stages = case.schedule.stages
    lowest = min(stages, key=lambda stage: stage.daily_basal_pg)
    for name, entry in case.entries.items():
        weak = Fraction(case.fluid[name][0]) / case.fluid[name][1] if case.fluid[name][1] else Fraction(1)
        got = case.prescribed(name, lowest) * weak
        if case.plan.basal.mode is not None and entry.withdrawal != "none":
            text = f"basal is {case.plan.basal.mode}; stopping {name} causes withdrawal ({entry.withdrawal})"
            yield finding("no-basal", "basal.mode", text, name)
        elif entry.min_daily is not None and got < entry.min_daily.value.pg:
            text = f"{say.mass(got, down=True)}/day of {name} ({lowest.id}, weakest fluid)"
            yield finding(
                "below-minimum", "basal", f"{text} is below {say.sourced(entry.min_daily, '/day')}", name
            )


# --- what the pump can do -----------------------------------------------------------------------------------


def rates(case: Case) -> Iterator[Finding]:
    """Lowest and highest flow of every stage and bolus against what the pump can be told; 0 is allowed."""
    schedule, profile = case.schedule, case.profile
    flows = [rate * factor for factor in schedule.factors for rate in schedule.basal.rates if rate * factor]
    most = profile.fastest.nl_per_ms
    dosing = flows if case.plan.basal.mode is None else []
    if dosing:
        yield from _too_low(case, "basal", "basal rate", min(dosing) * MS_PER_HOUR, MS_PER_HOUR)
    if flows and most < max(flows):
        yield _too_high(case, "basal", f"basal rate of {say.flow(max(flows))}")
    for bolus in case.boluses:
        yield from _too_low(case, bolus.field, bolus.words, bolus.volume_nl, bolus.over_ms)
        if most < (together := bolus.nl_per_ms + max(flows, default=Fraction(0))):
            yield _too_high(case, bolus.field, f"{bolus.words} on the highest basal, {say.flow(together)},")
        if profile.lease.ms < bolus.over_ms:
            text = f"{bolus.words} lasts {say.span(bolus.over_ms)}; {profile.name} is told {profile.lease} at most"
            yield finding("bolus-too-long", bolus.field, text)


def _too_low(case: Case, field: str, words: str, volume_nl: Fraction, ms: int) -> Iterator[Finding]:
    drug, least_nl = case.plan.primary, case.profile.least_nl(ms)
    if volume_nl >= least_nl:
        return
    daily = mass_of(least_nl * MS_PER_DAY / ms, drug.concentration.pg_per_ml)
    text = (
        f"{words} of {say.flow(volume_nl / ms, down=True)} is below the lowest that the pump can be told, "
        f"{say.flow(least_nl / ms)} ({say.mass(daily)}/day of {drug.name} at {drug.concentration}); "
        "dilute or lower the concentration"
    )
    yield finding("rate-below-pump", field, text)


def _too_high(case: Case, field: str, words: str) -> Finding:
    text = f"{words} is above the pump's highest, {case.profile.fastest}; take more time or concentrate"
    return finding("rate-above-pump", field, text)


# --- loss of control, patient, standing ---------------------------------------------------------------------


def on_loss(case: Case) -> Iterator[Finding]:
    """What happens when control is lost, against what each drug wants."""
    wants = {name: entry.on_loss.value for name, entry in case.entries.items()}
    listed = ", ".join(f"{name} {want}" for name, want in wants.items())
    said = case.plan.on_loss
    if said is None:
        if len(set(wants.values())) > 1:
            yield finding(
                "on-loss-missing",
                "on_loss",
                f'the drugs disagree ({listed}); write on_loss, "stop" or a hold',
            )
        return
    if set(wants.values()) == {"stop" if said.hold is not None else "hold"}:
        chosen = f"hold for {said.hold}" if said.hold is not None else "stop"
        yield finding(
            "on-loss-against", "on_loss", f"the plan says {chosen}; the formulary prefers: {listed}"
        )
    for name, entry in case.entries.items():
        if said.hold is not None and entry.max_hold.value < said.hold:
            text = f"hold for {said.hold} is longer than {say.sourced(entry.max_hold)} for {name}"
            yield finding("hold-too-long", "on_loss.hold", text, name)


def patient(case: Case) -> Iterator[Finding]:
    """How scheduled boluses and patient requests get in each other's way."""
    own, slots = case.plan.patient_bolus, case.schedule.slots(14 * MS_PER_DAY, 28 * MS_PER_DAY)
    if own is None or not slots:
        return
    stop = load_timing().driver[case.profile.protocol].stop_ms
    need = own.over.ms + stop
    gaps = [
        after.at_ms - (slot.at_ms + slot.within_ms + slot.over_ms + stop + own.lockout.ms)
        for slot, after in pairwise(slots)
    ]
    if gaps and max(gaps) < need:
        text = (
            f"lockout of {own.lockout} reaches from each scheduled bolus to the next: no request is granted"
        )
        yield finding("patient-never", "patient_bolus", text)
    else:
        text = f"denied: requests within {say.span(need)} before and {own.lockout} after a scheduled bolus"
        yield finding("patient-slots", "patient_bolus", text)


def standing(case: Case) -> Iterator[Finding]:
    """What is off label, and which numbers nobody has verified."""
    for name, entry in case.entries.items():
        if not entry.on_label.value:
            yield finding("off-label", "reservoir.drugs", f"{name} is not in the pump's labelling", name)
    if len(case.entries) > 1:
        yield finding(
            "off-label",
            "reservoir.drugs",
            f"no mixture is in the pump's labelling: {', '.join(case.entries)}",
        )
    numbers = [f"{name}.{field}" for name, entry in case.entries.items() for field in entry.unverified]
    numbers += [f"{case.profile.name}.{field}" for field in case.profile.unverified]
    model = case.plan.catheter.model
    numbers += [f"{model}.volume"] if model is not None and not catheter_data(model).verified else []
    if numbers:
        yield finding(
            "unverified", "formulary", f"{len(numbers)} numbers without a read source: {', '.join(numbers)}"
        )
