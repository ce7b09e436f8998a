"""What a draft means and what is wrong with it: the same model, review and figures as the files have.

Layer      web; imports therapy.
Hazard     a page that says something else than ``pump-ctrl plan check``; a sentence beside the wrong field.
Invariant  nothing is judged here: problems are the model's, findings the review's, figures the overview's.
Tests      tests/unit/web/test_check.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.findings import Finding, Level
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.overview import Overview, overview
from pump_ctrl.therapy.plan import DayGroup, DosingPlan, Drug, ScheduledBolus, plan_from
from pump_ctrl.therapy.profiles import PumpProfile, load_profile
from pump_ctrl.therapy.review import blocked, review
from pump_ctrl.therapy.review_case import Case
from pump_ctrl.units import shown
from pump_ctrl.web.entry.draft import Typed, chosen, not_offered, text_of, typed
from pump_ctrl.web.entry.names import Fields, known, label, step_of

OldPlan = Callable[[str], DosingPlan | None]
_NEW_PATH = ("empty", "back-table")
# What the model allows in the words of the file -> in those of the form.
IN_THE_FORM: Final = {
    "a whole number without quotes": "a whole number, such as 3",
    '"stop" or { hold = "4 h" }': 'above 0 s, or choose "stops"',
    'mode = "stopped", or a rate above zero': 'a rate above zero, or the infusion "stopped"',
    "rate, steps or days in [basal]": "an infusion with a dose",
    'change = "+20 %"': 'a change, such as "+20 %"',
    "'empty', 'back-table' or 'aspirated'": "empty, filled on the back table, or aspirated",
    "mon, tue, wed, thu, fri, sat, sun": "at least one weekday",
    "above 0 mL, or no [prime]": "above 0 mL, or no prime bolus",
    "[prime] or [bridge], not both": "a prime bolus or a bridge bolus, not both",
    "previous = the sha256 of the plan in force": 'the plan in force under "Follows"',
}


@dataclass(frozen=True, slots=True)
class Told:
    """A problem or a finding at a field of the form. ``step`` is the page on which it stands."""

    name: str
    step: str
    label: str
    what: str
    allowed: str = ""

    def __str__(self) -> str:
        return self.what + (f"; allowed: {self.allowed}" if self.allowed else "")


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a field, and how much it weighs."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that is known of a draft. ``plan`` is None while there is a problem.

    ``fluid`` says what the path holds against what the reservoir gets, where the plan follows another one.
    """

    problems: tuple[Told, ...]
    plan: DosingPlan | None = None
    previous: DosingPlan | None = None
    profile: PumpProfile | None = None
    findings: tuple[Finding, ...] = ()
    places: tuple[Told, ...] = ()  # of the findings, in their order
    overview: Overview | None = None
    fluid: str = ""

    @property
    def blocked(self) -> bool:
        """Whether it cannot be signed as it is."""
        return self.plan is None or bool(blocked(self.findings))

    def beside(self) -> dict[str, Beside]:
        """What stands beside each field: its first problem, else its weightiest finding that wants an answer."""
        told: dict[str, Beside] = {}
        for item in self.problems:
            told.setdefault(item.name, Beside("blocked", str(item)))
        for level in ("blocked", "reason"):
            for finding, at in zip(self.findings, self.places, strict=True):
                if finding.level == level:
                    told.setdefault(at.name, Beside(finding.level, finding.text))
        told.pop("", None)
        return told

    def elsewhere(self, here: str) -> dict[str, int]:
        """How many problems and blocking findings stand on each of the other steps."""
        counts: dict[str, int] = {}
        stops = [
            at for finding, at in zip(self.findings, self.places, strict=True) if finding.level == "blocked"
        ]
        for item in (*self.problems, *stops):
            if item.step != here:
                counts[item.step] = counts.get(item.step, 0) + 1
        return counts


def check(fields: Fields, formulary: Formulary, old_plan: OldPlan) -> Checked:
    """Check a draft; ``old_plan`` finds the plan of a hash."""
    found = typed(fields)
    previous = old_plan(fields.get("previous", "")) if fields.get("previous") else None
    fluid = _fluid(fields, found.values["reservoir"].get("drugs", ()), previous)
    odd = tuple(_odd_choice(name, fields[name]) for name in not_offered(fields))
    try:
        plan = plan_from(found.values)
        profile = load_profile(plan.pump)
    except InvalidInput as error:
        problems = tuple(_told(found.name(p.field), _what(p.what), p.allowed) for p in error.problems)
        return Checked((*odd, *problems), previous=previous, fluid=fluid)
    if odd:
        return Checked(odd, previous=previous, fluid=fluid)
    findings = review(plan, formulary, profile, previous)
    order = _order(plan, found.values)
    places = tuple(_told(_place(found, order, item.field), item.text) for item in findings)
    view = _view(plan, formulary, profile, previous)
    return Checked((), plan, previous, profile, findings, places, view, fluid)


def _view(
    plan: DosingPlan, formulary: Formulary, profile: PumpProfile, previous: DosingPlan | None
) -> Overview | None:
    """The figures; None where the plan cannot be compiled, of which the review says why."""
    try:
        return overview(Case(plan, formulary, profile, previous))
    except InvalidInput:
        return None


def _told(name: str, what: str, allowed: str = "") -> Told:
    return Told(name, step_of(name), label(name), what, IN_THE_FORM.get(allowed, allowed))


def _odd_choice(name: str, text: str) -> Told:
    field = known(name)
    offered = ", ".join(words for _, words in field.choices) if field else ""
    return _told(name, f"{shown(text)} is none of the choices", offered)


def _what(said: str) -> str:
    """The model's words; of a field that is asked for and empty, that it is missing, and not that '' is no dose."""
    return "is missing" if said.startswith("'' ") else said


def _order(plan: DosingPlan, values: Mapping[str, Any]) -> dict[str, str]:
    """A plan sorts boluses and groups of weekdays: each row of the plan -> the same as it was typed."""
    boluses = [ScheduledBolus.model_validate(item) for item in values.get("bolus", ())]
    groups = [DayGroup.model_validate(item) for item in values["basal"].get("days", ())]
    found = {f"bolus#{plan.bolus.index(item) + 1}": f"bolus#{at}" for at, item in enumerate(boluses, 1)}
    for at, group in enumerate(groups, 1):
        found[f"basal.days#{plan.basal.days.index(group) + 1}"] = f"basal.days#{at}"
    return found


def _place(found: Typed, order: Mapping[str, str], field: str) -> str:
    start = next((row for row in order if field == row or field.startswith(f"{row}.")), "")
    return found.name(order.get(start, "") + field[len(start) :])


# --- what the path holds --------------------------------------------------------------------------------------------


def _fluid(fields: Fields, typed_drugs: Iterable[Any], old: DosingPlan | None) -> str:
    """What the path still holds against what the reservoir gets, and whether a bridge is needed."""
    if old is None:
        return ""
    held = f"The path holds {_mixture(old.reservoir.drugs)} of {old.id}."
    try:
        drugs = tuple(Drug.model_validate(item) for item in typed_drugs)
    except ValidationError:
        drugs = ()
    if not drugs:
        return f"{held} What the reservoir gets is not complete yet."
    gets = f"{held} The reservoir gets {_mixture(drugs)}."
    if {d.name: d.concentration for d in drugs} == {d.name: d.concentration for d in old.reservoir.drugs}:
        return f"{gets} That is the same fluid: no bridge is needed."
    if chosen(fields, "prime~kind") == "yes" and text_of(fields, "prime.path") in _NEW_PATH:
        return (
            f"{gets} They differ; the path is said to be new and to be primed, so there is nothing to bridge."
        )
    asked = "none is asked for" if chosen(fields, "bridge~kind") == "no" else "it is asked for below"
    return f"{gets} They differ, so a bridge is needed: {asked}."


def _mixture(drugs: Iterable[Drug]) -> str:
    return " with ".join(f"{drug.name} {drug.concentration}" for drug in drugs)
