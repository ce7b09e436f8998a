"""Two plans side by side, field by field, as they are confirmed before a pump is updated.

Layer      therapy; imports plan, profiles, schedule, volumes, review_case, wording.
Hazard     a change nobody looked at.
Invariant  every field of the plan is in a row: the figures a clinician reads, then whatever else differs. The figures
           of the plan in force are of the titration stage that the pending plan takes over from, as the review's are.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.review_case import scheduled_daily, share_of
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.therapy.volumes import nominal_path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison. ``change`` is relative (1/5 for +20 %), None where it has no meaning."""

    field: str
    current: str
    pending: str
    change: Fraction | None
    marked: bool

    @property
    def change_text(self) -> str:
        """The change in per cent, empty where there is none."""
        return say.share(self.change) if self.change is not None and self.marked else ""


def side_by_side(
    old: DosingPlan | None, new: DosingPlan, profile: PumpProfile, old_profile: PumpProfile | None = None
) -> tuple[Row, ...]:
    """Compare the plan in force (None for a first plan) with a pending one; changed rows are marked.

    First the derived figures (daily dose of every drug, flow, path), then every written field.

    Raises:
        InvalidInput: a plan that its pump cannot carry out, or an unknown catheter.
    """
    before = _figures(old, old_profile or profile, new.start_utc_ms) if old is not None else {}
    after = _figures(new, profile)
    rows = [_figure_row(name, before.get(name), after.get(name)) for name in {**before, **after}]
    was = dict(_written("", json.loads(old.canonical_json()))) if old is not None else {}
    will = dict(_written("", json.loads(new.canonical_json())))
    rows += [_text_row(name, was.get(name, ""), will.get(name, "")) for name in sorted({*was, *will})]
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Figure:
    value: Fraction
    text: str


def _figures(plan: DosingPlan, profile: PumpProfile, at_utc_ms: int = 0) -> dict[str, _Figure]:
    """Of the stage in force at that instant; before the plan's start, of the first one."""
    schedule = Schedule(plan, profile)
    primary, stage = plan.primary.concentration, schedule.stage_at(max(0, at_utc_ms - plan.start_utc_ms))
    reached = f" (titration step {stage.index})" if stage.index else ""
    basal, boluses = stage.daily_basal_pg, Fraction(scheduled_daily(plan))
    asked = Fraction(plan.patient_bolus.dose.pg * plan.patient_bolus.max_per_day if plan.patient_bolus else 0)
    found: dict[str, _Figure] = {}
    for drug in plan.reservoir.drugs:
        share = share_of(plan, drug.name)
        named = (
            ("basal", basal),
            ("basal and scheduled", basal + boluses),
            ("with every patient bolus", basal + boluses + asked),
        )
        for words, pg in named:
            found[f"{drug.name}, {words}"] = _Figure(pg * share, f"{say.mass(pg * share)}/day{reached}")
    nl = (basal + boluses) / primary.pg_per_nl
    found["volume a day"] = _Figure(nl, f"{say.volume(nl)}/day{reached}")
    path = nominal_path(plan, profile)
    found["path volume"] = _Figure(path, say.volume(path))
    return found


def _figure_row(name: str, before: _Figure | None, after: _Figure | None) -> Row:
    change = (
        after.value / before.value - 1 if before is not None and after is not None and before.value else None
    )
    current, pending = before.text if before else "", after.text if after else ""
    same = before is not None and after is not None and before.value == after.value
    return Row(name, current, pending, change, not same)


def _text_row(name: str, current: str, pending: str) -> Row:
    return Row(name, current, pending, None, current != pending)


def _written(path: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a JSON value
    """Every leaf of the canonical form with its path, such as ``basal.steps#1.dose``."""
    if path and value == {}:
        yield path, "yes"  # a table that says all by being there: a bridge over the path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _written(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _written(f"{path}#{i + 1}", item)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)
