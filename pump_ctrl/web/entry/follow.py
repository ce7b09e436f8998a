"""A draft that follows a signed plan: what it takes over, what is asked anew.

Layer      web.
Hazard     the first dose of a titration given again in the place of the one that it has reached; its steps done twice;
           a path that is primed or bridged again.
Invariant  the infusion of a plan that follows a titrated one is that of the stage in force by the former plan's own
           clock, to the picogram below, and without a titration; start, prime and bridge are the former plan's alone.
Tests      tests/unit/web/test_follow.py
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fractions import Fraction
from itertools import count
from math import floor
from typing import Final

from pump_ctrl import figures
from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.units import MS_PER_DAY, Mass, MassRate
from pump_ctrl.web.entry.draft import fields_of, text_of
from pump_ctrl.web.entry.names import START_PARTS

_ONCE: Final = {"prime~kind": "no", "bridge~kind": "no"}
_LEVEL: Final = re.compile(r"basal\.(.*\.)?(dose|rate)")


def copy_of(plan: DosingPlan, taken: Collection[str]) -> dict[str, str]:
    """The draft of a plan like ``plan``, under a name that is not ``taken``. When it starts is asked anew."""
    found = {**fields_of(plan), "id": next_id(plan.id, taken), **_ONCE}
    for name in ("previous", *(f"start~{part}" for part in START_PARTS)):
        found.pop(name, None)
    return found


def following(plan: DosingPlan, taken: Collection[str], now_utc_ms: int) -> dict[str, str]:
    """The draft of a plan that takes over from ``plan``.

    Raises:
        InvalidInput: the plan is titrated, and its pump is not known here.
    """
    found = {**copy_of(plan, taken), "previous": plan.sha256}
    if plan.titration is None:
        return found
    schedule = _schedule(plan)
    factor = schedule.factors[_reached(plan, schedule, now_utc_ms)]
    kept = {name: text for name, text in found.items() if not name.startswith("titration")}
    return kept | _scaled(kept, factor)


def next_id(plan_id: str, taken: Collection[str]) -> str:
    """``ITB-014-2`` after ``ITB-014``, ``ITB-014-3`` after that one."""
    start, _, number = plan_id.rpartition("-")
    if start not in taken or not re.fullmatch(r"[2-9]|[1-9][0-9]", number):
        start, number = plan_id, "1"  # the 20 of BENCH-20 is no suffix of ours
    names = (f"{start}-{at}" for at in count(int(number) + 1))
    return next(name for name in names if name not in taken)


def titration_of(former: DosingPlan | None, now_utc_ms: int) -> str:
    """What a plan after ``former`` has to know of its titration, in words; empty if it has none."""
    if former is None or former.titration is None:
        return ""
    try:
        at = _stands(former, _schedule(former), now_utc_ms)
    except InvalidInput:  # a pump that is not known here
        at = ""
    return (
        f"{former.id}, which this plan follows, is titrated{at}. Its titration is not a part of this plan: what was "
        "still to come does not come, unless it is written here."
    )


def _stands(former: DosingPlan, schedule: Schedule, now_utc_ms: int) -> str:
    number = _reached(former, schedule, now_utc_ms)
    stage, steps = schedule.stages[number], len(schedule.stages) - 1
    pg = stage.daily_basal_pg
    dose = f"{figures.mass(pg, figures.natural_unit(pg), 1)}/day of {former.primary.name}"
    if not number:
        return f": by its own clock its infusion is {dose}, before the first of {steps} steps"
    since = figures.local(former.start_utc_ms + stage.from_ms, former.utc_offset_ms)
    day = f"{figures.date(since)}, {since:%H:%M}"
    return f": by its own clock its infusion is {dose} since {day} (step {number} of {steps})"


def _schedule(plan: DosingPlan) -> Schedule:
    return Schedule(plan, load_profile(plan.pump))


def _reached(plan: DosingPlan, schedule: Schedule, now_utc_ms: int) -> int:
    return schedule.stage_at(max(0, now_utc_ms - plan.start_utc_ms)).index


def _scaled(fields: Mapping[str, str], factor: Fraction) -> dict[str, str]:
    """The doses and rates of the infusion times a factor, each rounded down to whole pg, or pg/day."""
    found: dict[str, str] = {}
    for name in filter(_LEVEL.fullmatch, fields):
        text = text_of(fields, name)
        if name.endswith(".dose"):
            said = str(Mass(floor(Mass.parse(text).pg * factor)))
        else:
            said = str(MassRate.of(floor(MassRate.parse(text).pg_per_day * factor), MS_PER_DAY))
        found[name], _, found[f"{name}~unit"] = said.rpartition(" ")
    return found
