"""What ``plan show`` prints: a plan in figures, as a clinician checks it.

Layer      cli. Prints ``therapy.overview``; works nothing out.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from pump_ctrl.cli.text import indented, pairs, table
from pump_ctrl.figures import brief, clock, date, length, local, mass, ml, natural_unit, rounded
from pump_ctrl.therapy.comparison import Row
from pump_ctrl.therapy.overview import EVERY_DAY, DayRow, DrugFigures, Overview, RefillFigures, StageFigures
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.units import MS_PER_DAY, Concentration

_ADDS: Final = "+"  # marks a bolus, which comes on top of the basal


def heading(plan: DosingPlan, pump: str, kind: str) -> list[str]:
    """Who, what, when, and the fingerprint that is signed."""
    start = local(plan.start_utc_ms, plan.utc_offset_ms)
    hold = plan.on_loss
    lost = "as the formulary says" if hold is None else f"hold for {hold.hold}" if hold.hold else "stop"
    return [
        f"{plan.id}: {plan.title}",
        *indented(
            pairs(
                (
                    ("patient", plan.patient),
                    ("prescriber", plan.prescriber),
                    ("pump", f"{pump} ({kind})"),
                    ("start", f"{date(start)}, {start:%H:%M} (UTC{plan.utc_offset})"),
                    ("control lost", lost),
                    ("follows", plan.previous or "no other plan"),
                    ("sha256", plan.sha256),
                )
            )
        ),
    ]


def figures(view: Overview) -> list[str]:
    """Every figure of a plan, part by part."""
    parts = (
        ("Doses a day", _doses(view)),
        ("Most in any window", _windows(view.drugs)),
        ("The day", _day(view)),
        ("Asked and achievable", _amounts(view)),
        ("Titration", _stages(view)),
        ("Prime", _prime(view)),
        ("Bridge", _bridge(view)),
        ("Reservoir and path", _reservoir(view)),
    )
    return [line for title, lines in parts if lines for line in ("", title, *indented(lines))]


def _doses(view: Overview) -> list[str]:
    asked = view.plan.patient_bolus is not None
    head = ["drug", "label", "in the reservoir", "basal", "scheduled", "together", "with all patient boluses"]
    rows = [_dose_row(drug) for drug in view.drugs]
    if not asked:
        head, rows = head[:-1], [row[:-1] for row in rows]
    flow = f"volume: {ml(view.daily_nl)}/day"
    more = f", with all patient boluses {ml(view.most_daily_nl)}/day" if asked else ""
    return [*table(head, rows, left=2), flow + more]


def _dose_row(drug: DrugFigures) -> list[str]:
    unit = drug.unit
    doses = (drug.basal_pg, drug.scheduled_pg, drug.basal_pg + drug.scheduled_pg, drug.most_per_day_pg)
    label, low, high = drug.label_pg_per_ml, drug.low_pg_per_ml, drug.high_pg_per_ml
    size, name = (10**9, "mg/mL") if label >= 5 * 10**9 else (10**6, "ug/mL")
    bounds = (
        f"{brief(Fraction(low, size), 1)} to {brief(Fraction(high, size), 1)} {name}"
        if low != high
        else "as labelled"
    )
    return [drug.name, str(Concentration(label)), bounds, *(mass(dose, unit) for dose in doses)]


def _windows(drugs: Iterable[DrugFigures]) -> list[str]:
    head = ("drug", "window", "on time", "at worst", "hard limit", "of limit")
    rows = [_window_row(drug, hours) for drug in drugs for hours in sorted(drug.worst)]
    return [
        *table(head, rows),
        "on time: as written, by the label. at worst: with late boluses and drug of the residual; the guard "
        "enforces it, with a small margin for the time of a stop and the pump's step. Both with every "
        "patient bolus that lockout and maximum allow.",
    ]


def _window_row(drug: DrugFigures, hours: int) -> tuple[str, ...]:
    unit, cap, most = drug.unit, drug.caps.get(hours), drug.worst[hours]
    limit, share = (mass(cap, unit), f"{rounded(Fraction(most * 100, cap), 0)} %") if cap else ("none", "")
    return (drug.name, f"{hours} h", mass(drug.on_time[hours], unit), mass(most, unit), limit, share)


def _day(view: Overview) -> list[str]:
    unit = view.drugs[0].unit
    others = view.drugs[1:]
    head = (
        "days",
        "from",
        "to",
        "",
        view.drugs[0].name,
        "per hour",
        "mL/day",
        *(drug.name for drug in others),
    )
    grid = [_day_row(row, unit, view.drugs[0].label_pg_per_ml, others) for row in view.day]
    notes = [f"{_ADDS} a bolus comes on top of the step in which it stands"] * any(
        row.bolus for row in view.day
    )
    if all(row.days == EVERY_DAY for row in view.day):
        return [*table(head[1:], [row[1:] for row in grid], left=3), *notes]
    return [*table(head, grid, left=4), *notes]


def _day_row(row: DayRow, unit: str, label: int, others: Sequence[DrugFigures]) -> tuple[str, ...]:
    end = "24:00" if row.until_ms == MS_PER_DAY else clock(row.until_ms)
    hourly = mass(row.pg_per_h, unit)
    shares = (row.pg * drug.label_pg_per_ml / label for drug in others)
    also = tuple(mass(pg, drug.unit) for pg, drug in zip(shares, others, strict=True))
    sign = f"{_ADDS} once" if row.once else _ADDS if row.bolus else ""
    days = "every day" if row.days == EVERY_DAY else " ".join(row.days)
    flow = rounded(row.nl_per_day / 10**6, 4)
    return (days, clock(row.from_ms), end, sign, mass(row.pg, unit), hourly, flow, *also)


def _amounts(view: Overview) -> list[str]:
    label = view.drugs[0].label_pg_per_ml
    unit = view.drugs[0].unit
    rows = [
        (
            amount.what,
            *(_volume_and_mass(Fraction(nl), label, unit) for nl in (amount.asked_nl, amount.achievable_nl)),
        )
        for amount in view.amounts
    ]
    step = (
        f"The pump gives whole steps of {view.profile.step.nl} nL; what is left of the basal is carried on."
    )
    return [*table(("", "asked", "achievable"), rows), step]


def _volume_and_mass(nl: Fraction, label: int, unit: str) -> str:
    return f"{brief(nl / 1_000, 3)} uL = {mass(nl * label / 10**6, unit)}"


def _stages(view: Overview) -> list[str]:
    if len(view.stages) == 1:
        return []
    rows = [_stage_row(view.plan, stage, view.drugs[0].unit) for stage in view.stages]
    return table(("", "from", "basal", "volume", "change"), rows, left=2)


def _stage_row(plan: DosingPlan, stage: StageFigures, unit: str) -> tuple[str, ...]:
    at = local(plan.start_utc_ms + stage.from_ms, plan.utc_offset_ms)
    basal = f"{mass(stage.basal_pg, unit)}/day"
    change = f"{'+' if stage.change > 0 else ''}{brief(stage.change * 100, 1)} %" if stage.index else ""
    day = f"day {brief(Fraction(stage.from_ms, MS_PER_DAY), 1)}"
    return (day, f"{date(at)} {at:%H:%M}", basal, f"{ml(stage.basal_nl)}/day", change)


def _prime(view: Overview) -> list[str]:
    prime = view.prime
    if prime is None:
        return []
    carries, early = _masses(view, prime.mass_pg), _masses(view, prime.early_pg)
    return [
        f"{ml(prime.volume_nl)} in at least {length(prime.duration_ms)}, moves {carries} into the path",
        f"of that {early} may arrive early and counts as given",
    ]


def _masses(view: Overview, masses: Mapping[str, int]) -> str:
    """``3.358 mg morphine, 44.8 ug clonidine``; a drug of the plan before in the unit that fits."""
    units = {drug.name: drug.unit for drug in view.drugs}
    return ", ".join(f"{mass(pg, units.get(drug) or natural_unit(pg))} {drug}" for drug, pg in masses.items())


def _bridge(view: Overview) -> list[str]:
    bridge = view.bridge
    if bridge is None:
        return []
    carries = _masses(view, bridge.carries_pg)
    nominal = "never ends: nothing flows" if bridge.nominal_ms is None else length(bridge.nominal_ms)
    return [
        f"{ml(bridge.nominal_nl)} of old fluid, nominally {nominal}, carries {carries}",
        f"old rate ({ml(bridge.old_nl_per_day)}/day) for the first {ml(bridge.low_nl)}"
        + ("" if bridge.old_ms is None else f" ({length(bridge.old_ms)})"),
        f"then the lower of old and new rate ({ml(bridge.new_nl_per_day)}/day) until {ml(bridge.high_nl)}"
        + ("" if bridge.lower_ms is None else f" ({length(bridge.lower_ms)} more)"),
        "no boluses meanwhile",
    ]


def _reservoir(view: Overview) -> list[str]:
    held, refill = view.plan.reservoir, view.refill
    alarm, all_taken = _when(view.plan, refill.alarm_ms), _when(view.plan, refill.alarm_all_ms)
    taken = f"; with all patient boluses {all_taken}" if all_taken != alarm else ""
    low, high = view.path_nl
    rows = [
        ("path", f"{ml(low)} to {ml(high)}, pump tubing and catheter"),
        ("filled", f"{held.filled}, over a residual of {held.residual[0]} to {held.residual[1]}"),
        ("alarm", f"at {held.alarm}: {alarm}{taken}"),
        ("", f"reservoir-low: by the record, no more than {held.alarm} is surely left"),
        ("stability", f"{length(refill.stability_ms)} ({refill.by_drug})"),
        ("refill", refill_by(view)),
        ("then left", f"{ml(refill.left_nl)} by calculation"),
    ]
    return pairs(rows)


def refill_by(view: Overview) -> str:
    """When the pump must be refilled, and why, in one line."""
    return f"by {_when(view.plan, view.refill.by_ms)}, because of {_why(view.refill)}"


def _why(refill: RefillFigures) -> str:
    first = refill.alarm_all_ms is None or refill.stability_ms < refill.alarm_all_ms
    return f"the stability of {refill.by_drug}" if first else "the alarm volume"


def _when(plan: DosingPlan, at_ms: Fraction | None) -> str:
    if at_ms is None:
        return "not within two years"
    days = brief(at_ms / MS_PER_DAY, 1)
    return f"{date(local(plan.start_utc_ms + int(at_ms), plan.utc_offset_ms))} ({days} days)"


def figures_json(view: Overview) -> dict[str, Any]:
    """The same in whole numbers: pg, nL, ms; exact values are rounded half to even."""
    return {
        "volume_nl_per_day": {"prescribed": round(view.daily_nl), "most": round(view.most_daily_nl)},
        "drugs": [_drug_json(drug) for drug in view.drugs],
        "day": [_row_json(row) for row in view.day],
        "amounts": [
            {"what": a.what, "asked_nl": round(a.asked_nl), "achievable_nl": a.achievable_nl}
            for a in view.amounts
        ],
        "stages": [
            {"index": s.index, "from_ms": s.from_ms, "basal_pg_per_day": round(s.basal_pg)}
            for s in view.stages
        ],
        "path_nl": list(view.path_nl),
        "refill": _refill_json(view),
        "prime": _prime_json(view),
        "bridge": _bridge_json(view),
    }


def _drug_json(drug: DrugFigures) -> dict[str, Any]:
    return {
        "name": drug.name,
        "pg_per_ml": {"label": drug.label_pg_per_ml, "low": drug.low_pg_per_ml, "high": drug.high_pg_per_ml},
        "pg_per_day": {
            "basal": round(drug.basal_pg),
            "scheduled": round(drug.scheduled_pg),
            "most": round(drug.most_per_day_pg),
        },
        "windows": [
            {
                "hours": hours,
                "on_time_pg": round(drug.on_time[hours]),
                "worst_pg": most,
                "limit_pg": drug.caps.get(hours),
            }
            for hours, most in sorted(drug.worst.items())
        ],
        "bolus_limit_pg": drug.bolus_cap_pg,
    }


def _row_json(row: DayRow) -> dict[str, Any]:
    return {
        "days": list(row.days),
        "from_ms": row.from_ms,
        "until_ms": row.until_ms,
        "kind": "bolus" if row.bolus else "basal",
        "once": row.once,
        "pg": round(row.pg),
        "nl": round(row.nl),
    }


def _refill_json(view: Overview) -> dict[str, Any]:
    refill = view.refill
    due = local(view.plan.start_utc_ms + int(refill.by_ms), view.plan.utc_offset_ms)
    return {
        "alarm_ms": None if refill.alarm_ms is None else int(refill.alarm_ms),
        "alarm_with_all_patient_boluses_ms": None
        if refill.alarm_all_ms is None
        else int(refill.alarm_all_ms),
        "stability_ms": refill.stability_ms,
        "by_ms": int(refill.by_ms),
        "by": f"{due:%Y-%m-%d}",
        "left_nl": round(refill.left_nl),
    }


def _prime_json(view: Overview) -> dict[str, Any] | None:
    prime = view.prime
    if prime is None:
        return None
    return {
        "volume_nl": prime.volume_nl,
        "duration_ms": round(prime.duration_ms),
        "pg": dict(prime.mass_pg),
        "early_pg": dict(prime.early_pg),
    }


def _bridge_json(view: Overview) -> dict[str, Any] | None:
    bridge = view.bridge
    if bridge is None:
        return None
    return {
        "nominal_nl": round(bridge.nominal_nl),
        "nominal_ms": None if bridge.nominal_ms is None else round(bridge.nominal_ms),
        "low_nl": bridge.low_nl,
        "high_nl": bridge.high_nl,
        "pg": dict(bridge.carries_pg),
    }


def changed_lines(rows: Iterable[Row]) -> list[str]:
    """Side by side: a mark, the field, the plan in force, the pending plan, the change."""
    cells = [
        ("*" if row.marked else "", row.field, row.current or "-", row.pending or "-", row.change_text)
        for row in rows
    ]
    return table(("", "field", "in force", "pending", "change"), cells, left=4)
