"""The review of a plan: findings that block it, need a reason, or are good to know.

Layer      therapy; imports the checks (review_dose, review_beside, review_change) and comparison.
Hazard     a plan that the guard would refuse in the night, or that hurts although every number is in range.
Invariant  every check runs for every drug; a plan with a blocked finding is not approved; no check needs the
           order of the others. What the plan refers to comes first: without it there is nothing to check.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy import review_change as change
from pump_ctrl.therapy import review_dose as dose
from pump_ctrl.therapy.comparison import Row, side_by_side
from pump_ctrl.therapy.findings import CODES, Finding, Level, finding
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, catheter_data
from pump_ctrl.therapy.review_beside import beside
from pump_ctrl.therapy.review_case import Case
from pump_ctrl.therapy.schedule import Schedule

__all__ = ["CODES", "Finding", "Level", "Row", "blocked", "review", "side_by_side"]

Check = Callable[[Case], Iterator[Finding]]

# Checks that need no compiled limits run first: what they block, the compiler refuses.
PLAIN: Final[tuple[Check, ...]] = (
    dose.concentrations,
    dose.reservoir,
    dose.residual,
    dose.catheter,
    dose.boluses,
    beside,
    dose.minimum,
    dose.rates,
    dose.on_loss,
    dose.patient,
    dose.refill_dates,
    change.starts,
    change.steps,
    change.look_alikes,
    change.bridge,
    change.prime_volume,
    change.prime_slot,
    dose.standing,
)
COMPILED: Final[tuple[Check, ...]] = (dose.daily, dose.own_limits, change.prime_early, change.load)
_NOT_COMPILED: Final = {"on-loss-missing", "hold-too-long", "bridge-stopped"}


def review(
    plan: DosingPlan, formulary: Formulary, profile: PumpProfile, previous: DosingPlan | None = None
) -> tuple[Finding, ...]:
    """Review ``plan`` on ``profile`` under ``formulary``, against ``previous``, the plan in force.

    Returns:
        Findings, blocked ones first, then those that need a reason, then notes; in each, in the order of
        the checks.
    """
    found = [*_references(plan, formulary, profile, previous)]
    if blocked(tuple(found)):
        return _sorted(found)
    case = Case(plan, formulary, profile, previous)
    found += [item for check in PLAIN for item in check(case)]
    if not _NOT_COMPILED & {item.code for item in found}:
        found += [item for check in COMPILED for item in check(case)]
    return _sorted(found)


def blocked(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that no reason can override."""
    return tuple(item for item in findings if item.level == "blocked")


def _sorted(found: list[Finding]) -> tuple[Finding, ...]:
    order: tuple[Level, ...] = ("blocked", "reason", "note")
    return tuple(sorted(found, key=lambda item: order.index(item.level)))


def _references(
    plan: DosingPlan, formulary: Formulary, profile: PumpProfile, previous: DosingPlan | None
) -> Iterator[Finding]:
    """Whether everything that the plan names is there."""
    yield from _previous(plan, previous)
    if plan.pump != profile.name:
        yield finding("pump-other", "pump", f"the plan is for {plan.pump}, reviewed for {profile.name}")
    drugs = [*plan.reservoir.drugs, *(previous.reservoir.drugs if previous else ())]
    for name in {drug.name: None for drug in drugs if drug.name not in formulary}:
        text = f"{name} is not in {formulary.name}; it has {', '.join(sorted(formulary.drugs))}"
        yield finding("drug-unknown", "reservoir.drugs", text, name)
    try:
        if plan.catheter.model is not None:
            catheter_data(plan.catheter.model)
    except InvalidInput as error:
        yield finding("catheter-unknown", "catheter.model", str(error))
    for words, item in (("", plan), ("the plan in force: ", previous)):
        try:
            if item is not None:
                Schedule(item, profile)
        except InvalidInput as error:
            yield finding("plan-impossible", "basal", f"{words}{error}")


def _previous(plan: DosingPlan, previous: DosingPlan | None) -> Iterator[Finding]:
    if plan.previous is not None and previous is None:
        text = f"the plan follows {plan.previous[:12]}...; give that plan's file to compare with it"
        yield finding("previous-missing", "previous", text)
    elif plan.previous is None and previous is not None:
        text = f'the plan names no previous plan; write previous = "{previous.sha256}"'
        yield finding("previous-unnamed", "previous", text)
    elif previous is not None and previous.sha256 != plan.previous:
        text = f"the plan follows {plan.previous}, the file given has {previous.sha256}"
        yield finding("previous-mismatch", "previous", text)
