"""Options and files that several commands share: plans, the plan in force, the pump.

Layer      cli.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from pump_ctrl.cli.options import PLAN_FILE
from pump_ctrl.errors import InvalidInput, NotAllowed, Problem
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.plan_toml import Document, read_document
from pump_ctrl.therapy.profiles import PumpProfile, load_profile
from pump_ctrl.therapy.review import Finding, blocked, review
from pump_ctrl.therapy.review_case import Case
from pump_ctrl.therapy.toml_lines import Lines, line_map, line_of

PREVIOUS = click.option(
    "--previous", type=PLAN_FILE, metavar="PLAN", help="The plan in force, where PLAN names one."
)
PUMP = click.option("--pump", metavar="NAME|FILE", help="Use another pump than the plan names.")
OWN_PUMP = click.option(
    "--pump", metavar="NAME|FILE", help="The profile of the plan's pump, if it is not one of the package."
)
FORMULARY = click.option(
    "--formulary",
    type=PLAN_FILE,
    metavar="FILE",
    help="Use the drug limits of FILE, not those of the package.",
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A plan with everything that judging it needs; ``own_formulary`` is a file of limits that was given."""

    file: Path
    plan: DosingPlan
    previous: DosingPlan | None
    profile: PumpProfile
    formulary: Formulary
    own_formulary: Path | None

    @property
    def case(self) -> Case:
        """The same, ready for figures."""
        return Case(self.plan, self.formulary, self.profile, self.previous)

    @property
    def notices(self) -> list[str]:
        """A sentence for each thing that is not what the plan and the package say."""
        said = []
        if self.profile.name != self.plan.pump:
            said.append(f"The plan is for {self.plan.pump}; --pump overrides it with {self.profile.name}.")
        if self.own_formulary is not None:
            said.append(f"The drug limits are those of {self.own_formulary}, not those of the package.")
        return said

    def review(self) -> tuple[Finding, ...]:
        """What the review finds."""
        return review(self.plan, self.formulary, self.profile, self.previous)

    def refuse_blocked(self, found: tuple[Finding, ...]) -> None:
        """Refuse a plan that a finding blocks, with file, line and field of each.

        Raises:
            NotAllowed: at least one finding blocks it.
        """
        stops = blocked(found)
        if stops:
            places = Places(read_document(self.file))
            head = f"{self.plan.id} is blocked. Change the plan; a blocked finding has no override."
            lines = (f"{places.of(item.field)}: {item.key}: {told(item)}" for item in stops)
            raise NotAllowed("\n".join((head, *lines)), code="plan-blocked")


def told(item: Finding) -> str:
    """The text of a finding; where an option is what helps, with the option."""
    return f"{item.text} (--previous PLAN)" if item.code == "previous-missing" else item.text


class Places:
    """Where the fields that findings name stand in the file of a plan."""

    def __init__(self, document: Document) -> None:
        self._file = document.file
        self._lines: Lines = line_map(document.text or "", document.values)

    def line(self, field: str) -> int | None:
        """The line of the field, or of the nearest table around it."""
        return line_of(self._lines, tuple(_path(field)))

    def of(self, field: str) -> str:
        """``plan.toml:17: reservoir.drugs#2.name``; what is not of the plan stands alone."""
        key = next(_path(field))
        if any(key in (name, info.alias) for name, info in DosingPlan.model_fields.items()):
            return str(Problem(self._file, self.line(field), "", field))
        return field


def _path(field: str) -> Iterator[str | int]:
    for part in field.split("."):
        name, *numbers = part.split("#")
        yield name
        yield from (int(number) - 1 for number in numbers)


def open_plan(plan: Path, previous: Path | None, pump: str | None, formulary: Path | None = None) -> Opened:
    """Read the files that a command names.

    Raises:
        InvalidInput: one of them is no plan, or there is no such pump.
    """
    asked = load_plan(plan)
    before = load_plan(previous) if previous is not None else None
    profile = open_profile(pump) if pump else pump_of(plan, asked)
    return Opened(plan, asked, before, profile, load_formulary(formulary), formulary)


def pump_of(file: Path, plan: DosingPlan) -> PumpProfile:
    """Find the package's profile of the pump that the plan of ``file`` names.

    Raises:
        InvalidInput: the package has none of that name.
    """
    try:
        return load_profile(plan.pump)
    except InvalidInput as error:
        line = Places(read_document(file)).line("pump")
        own = f"or --pump with a profile file of one's own, {plan.pump}.toml"
        found = (
            replace(problem, file=str(file), line=line, allowed=f"{problem.allowed}; {own}")
            for problem in error.problems
        )
        raise InvalidInput(tuple(found)) from None


def own_pump_of(file: Path, plan: DosingPlan, pump: str | None) -> PumpProfile:
    """Find the profile of the plan's own pump: ``pump``, if it is the one that the plan names, or the package's.

    Raises:
        InvalidInput: there is no such profile.
        NotAllowed: ``pump`` is another one than the plan names.
    """
    profile = open_profile(pump) if pump else pump_of(file, plan)
    if profile.name != plan.pump:
        raise NotAllowed(
            f"{plan.id} is for the pump {plan.pump}, and --pump is {profile.name}.",
            code="plan-of-other-pump",
            do_now="A plan is signed and run for its own pump. Give that one's profile (a file goes by its name, "
            f'without .toml), or write pump = "{profile.name}" in the plan and sign it.',
        )
    return profile


def open_profile(name: str) -> PumpProfile:
    """Find the pump profile of that name, or read the file of that path.

    Raises:
        InvalidInput: no such profile, or no readable profile file.
    """
    if "/" not in name and not name.endswith(".toml"):
        return load_profile(name)
    return load_profile(Path(name))


def plan_json(plan: DosingPlan) -> dict[str, Any]:
    """How every document names a plan."""
    return {"id": plan.id, "sha256": plan.sha256}
