"""The compiler: plan x formulary x profile -> the limits file that the guard enforces.

Layer      therapy, pure. Imports plan, formulary, profiles, volumes, accounts and handover. The guard reads
           the result with its own parser and never imports this module.
Hazard     a cap that is missing or looser than the formulary's; a drug that nobody named; a hold too long.
Invariant  every drug in reservoir or path has its hard caps; the file is a function of what was signed alone,
           and its checksum of the file.
Tests      tests/unit/test_limits_compiler.py, tests/properties/test_compiler_brute_force.py

Everything in the file is a whole number: pg, nL, ms, pg/mL. What bounds a dose from above is rounded up, a
cap stands as the formulary has it. E and B carry no margins: those are the guard's (dose path, D-05).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import ceil
from typing import Any, Final

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy.accounts import WINDOWS_H, Case, JSONObject, accounts, upper
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.handover import Handover, LoadConflict, load_conflicts
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.volumes import Fluid, bridge_bounds, path_bounds, previous_fluid
from pump_ctrl.units import MS_PER_DAY, NL_PER_ML

__all__ = [
    "Handover",
    "LoadConflict",
    "WindowRow",
    "compile_limits",
    "limits_bytes",
    "load_conflicts",
    "worst_windows",
]

SCHEMA: Final = "pump-ctrl/limits/1"
VALID_MS: Final = 400 * MS_PER_DAY  # a plan is signed anew every year


def compile_limits(
    plan: DosingPlan,
    formulary: Formulary,
    profile: PumpProfile,
    previous: DosingPlan | None = None,
    *,
    simulation: bool = False,
) -> JSONObject:
    """Compile what the guard may let through for ``plan`` on ``profile``, in the limits file's form.

    ``previous`` is the plan in force before: its fluid stands in the path and under the fill. ``simulation``
    marks limits that only a simulated pump accepts.

    Raises:
        InvalidInput: a drug that the formulary lacks, a hold that it does not allow or that the plan leaves
            open where its drugs disagree, a mode that the pump does not have, ``previous`` left out or
            another plan.
    """
    _check_previous(plan, previous)
    case = Case(plan, formulary, profile, previous)
    low, high = _path(plan, profile)
    bridge_low, bridge_high = bridge_bounds(plan, profile)
    body: JSONObject = {
        "schema": SCHEMA,
        "simulation": simulation,
        "route": "intrathecal",
        "plan": {"id": plan.id, "sha256": plan.sha256},
        "formulary_sha256": formulary.sha256,
        "profile_sha256": profile.sha256,
        "pump": _pump(profile),
        "valid": {"from_utc_ms": plan.start_utc_ms, "until_utc_ms": plan.start_utc_ms + VALID_MS},
        "stop_ms": case.stop_ms,
        "path": {"lo_nl": low, "hi_nl": high, "bridge_lo_nl": bridge_low, "bridge_hi_nl": bridge_high},
        "fill_nl": plan.reservoir.filled.nl + plan.reservoir.residual[1].nl,
        "alarm_nl": plan.reservoir.alarm.nl + plan.reservoir.residual[1].nl,  # which may not be there
        "fluids": {"path": _bounds(case.path), "reservoir": _bounds(case.reservoir)},
        "caps": list(_caps(case, high)),
        "bolus_caps": list(_bolus_caps(case)),
        "max_hold_ms": _max_hold_ms(plan, formulary),
        "prime_nl": high if plan.prime else 0,
        "accounts": list(accounts(case)),
    }
    return {**body, "checksum": _checksum(body)}


def _path(plan: DosingPlan, profile: PumpProfile) -> tuple[int, int]:
    """Least and most volume of the path, nL: as signed for a bridge, else of pump tubing and catheter."""
    own = plan.bridge.volume if plan.bridge else None
    return (own[0].nl, own[1].nl) if own else path_bounds(plan, profile)


def limits_bytes(limits: Mapping[str, Any]) -> bytes:
    """The limits file: canonical JSON (sorted keys, no blanks, ASCII)."""
    text = json.dumps(limits, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def _checksum(body: JSONObject) -> str:
    return sha256(limits_bytes(body)).hexdigest()


def _check_previous(plan: DosingPlan, previous: DosingPlan | None) -> None:
    have = None if previous is None else previous.sha256
    if have != plan.previous:
        what = f"the plan was written after {plan.previous or 'no other plan'}, not after {have or 'none'}"
        raise InvalidInput((Problem("plan", None, "previous", what, "the very plan that is named"),))


def _bounds(fluid: Fluid) -> JSONObject:
    return {drug: [low, high] for drug, (low, high) in fluid.items()}


def _pump(profile: PumpProfile) -> JSONObject:
    return {
        "name": profile.name,
        "protocol": profile.protocol,
        "step_nl": profile.step.nl,
        "counter_unit_nl": profile.counter_unit.nl,
        "max_nl_per_h": profile.max_nl_per_h,
        "max_lease_ms": profile.lease.ms,
    }


# --- caps ---------------------------------------------------------------------------------------------------


def _caps(case: Case, path_nl: int) -> Iterator[JSONObject]:
    """Hard caps of every drug, tightened by the plan's own limits and by what can be left of a drug."""
    limits, primary = case.plan.limits, case.plan.primary.name
    masses = (limits.max_per_hour, limits.max_per_4h, limits.max_per_day) if limits else ()
    own = {hours: mass.pg for hours, mass in zip(WINDOWS_H, masses, strict=False) if mass is not None}
    named = {drug.name for drug in case.plan.reservoir.drugs}
    for drug, entry in case.drugs.items():
        caps = [dict(entry.caps)]
        if drug == primary:
            caps.append(own)
        if drug not in named:
            caps.append({24: _left_over(case, drug, path_nl)})
        for hours in WINDOWS_H:
            if pg := [cap[hours] for cap in caps if hours in cap]:
                yield {"drug": drug, "hours": hours, "pg": min(pg)}


def _left_over(case: Case, drug: str, path_nl: int) -> int:
    """Most in 24 h of a drug that the plan does not name, pg.

    All that can be left of it, under the fill and in the path, and a day of the plan before: a window across
    the load begins with what that plan gave, and the new one is not to be refused for it.
    """
    under_fill = upper(previous_fluid(case.plan, case.previous), drug) * case.plan.reservoir.residual[1].nl
    in_path = upper(case.path, drug) * path_nl
    return ceil(Fraction(under_fill + in_path, NL_PER_ML)) + _worst_day(case, drug)


def _worst_day(case: Case, drug: str) -> int:
    """Most of a drug that the plan before gives in 24 h, pg."""
    if case.previous is None:
        return 0
    before = Case(case.previous, case.formulary, case.profile, None)
    rows = (row for account in accounts(before) for row in account["rows"])
    days = (row["basal_pg"] + row["bolus_pg"] for row in rows if (row["drug"], row["hours"]) == (drug, 24))
    return max(days, default=0)


def _bolus_caps(case: Case) -> Iterator[JSONObject]:
    own = case.plan.limits.max_bolus if case.plan.limits else None
    for drug, entry in case.drugs.items():
        pg = entry.bolus_hard.value.pg
        tighter = own is not None and drug == case.plan.primary.name
        yield {"drug": drug, "pg": min(pg, own.pg) if own is not None and tighter else pg}


def _max_hold_ms(plan: DosingPlan, formulary: Formulary) -> int:
    """How long the pump may hold when control is lost; 0 is stop."""
    entries = [formulary.drug(drug.name) for drug in plan.reservoir.drugs]
    longest = min(entry.max_hold.value.ms for entry in entries)
    if plan.on_loss is None:
        wishes = {entry.on_loss.value for entry in entries}
        if len(wishes) > 1:
            raise _refuse_hold("the drugs of the mixture disagree", '"stop" or a hold')
        return longest if wishes == {"hold"} else 0
    hold = plan.on_loss.hold.ms if plan.on_loss.hold else 0
    if hold > longest:
        raise _refuse_hold(
            f"a hold of {plan.on_loss.hold} is too long", f"at most {longest} ms for these drugs"
        )
    return hold


def _refuse_hold(what: str, allowed: str) -> InvalidInput:
    return InvalidInput((Problem("plan", None, "on_loss", what, allowed),))


# --- what the review reads ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WindowRow:
    """The most of one drug that one account lets into any window of ``hours``; ``cap_pg`` None: no cap."""

    account: str
    drug: str
    hours: int
    basal_pg: int
    bolus_pg: int
    cap_pg: int | None

    @property
    def total_pg(self) -> int:
        """Basal and bolus together, pg."""
        return self.basal_pg + self.bolus_pg

    @property
    def over(self) -> bool:
        """Whether the plan can pass the cap."""
        return self.cap_pg is not None and self.total_pg > self.cap_pg


def worst_windows(limits: Mapping[str, Any]) -> tuple[WindowRow, ...]:
    """Every account, drug and window of a limits file with its cap, without margins (D-05).

    The stages of a plan scale one pattern, so that no window across two of them holds more than the larger
    one.
    """
    caps = {(cap["drug"], cap["hours"]): cap["pg"] for cap in limits["caps"]}
    return tuple(
        WindowRow(
            account["id"], row["drug"], row["hours"], row["basal_pg"], row["bolus_pg"],
            caps.get((row["drug"], row["hours"])),
        )
        for account in limits["accounts"]
        for row in account["rows"]
    )  # fmt: skip
