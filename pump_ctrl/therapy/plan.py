"""The dosing plan: what the clinician wrote, read strictly, never changed afterwards.

Layer      therapy. Imports units, errors and its own parts (plan_parts, plan_rules, plan_toml); no clock.
Hazard     a misread plan is a wrong dose for months: a misspelt key that is ignored, 1000 for 1000 ug, an
           overlap that nobody sees.
Invariant  a DosingPlan that exists has passed every field and every rule; files that mean the same have the
           same canonical JSON and so the same sha256, which is what is signed.
Tests      tests/unit/test_plan.py, tests/unit/test_plan_bad_input.py, tests/properties/test_plan_canonical.py

Doses are masses of the primary drug (the first of the reservoir). Times of day are the plan's own local time,
UTC plus a fixed offset, so a plan day always has 24 h. Weekdays are ``mon`` to ``sun``; Monday is 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan_fields import (
    WEEKDAYS,
    Fault,
    Label,
    Listed,
    Name,
    Part,
    Sha256,
    StartText,
    UtcOffset,
    Version,
    Weekday,
)
from pump_ctrl.therapy.plan_parts import (
    Basal,
    BasalStep,
    Bridge,
    Catheter,
    DayGroup,
    Drug,
    OnLoss,
    OnLossField,
    OwnLimits,
    PatientBolus,
    Prime,
    Reservoir,
    ScheduledBolus,
    Titration,
    TitrationStep,
)
from pump_ctrl.therapy.plan_rules import broken, local_ms, offset_ms, weekday
from pump_ctrl.therapy.plan_toml import Document, faults_of, parse_document, read_document
from pump_ctrl.units import MS_PER_DAY

__all__ = [
    "WEEKDAYS",
    "Basal",
    "BasalStep",
    "Bridge",
    "Catheter",
    "DayGroup",
    "DosingPlan",
    "Drug",
    "OnLoss",
    "OwnLimits",
    "PatientBolus",
    "Prime",
    "Reservoir",
    "ScheduledBolus",
    "Titration",
    "TitrationStep",
    "Weekday",
    "load_plan",
    "parse_plan",
    "plan_from",
    "plan_schema",
]


class DosingPlan(Part):
    """A whole dosing plan, checked and frozen. Made by ``load_plan``, ``parse_plan`` or ``plan_from``."""

    model_config = ConfigDict(title="pump_ctrl dosing plan")

    schema_: Version = Field(default=1, alias="schema", description="Version of this file format.")
    id: Name = Field(description="Name of the plan in journals and reports.")
    title: Label
    patient: Label = Field(description="A label, never a person's name.")
    prescriber: Label
    pump: Name = Field(description="Name of the pump's profile.")
    utc_offset: UtcOffset = Field(description="Local time of the plan minus UTC; fixed, without summer time.")
    start: StartText = Field(description="Local date and time the plan takes effect.")
    on_loss: OnLossField | None = Field(default=None, description="What the pump does when control is lost.")
    previous: Sha256 | None = Field(default=None, description="sha256 of the plan in force before this one.")
    reservoir: Reservoir
    catheter: Catheter
    basal: Basal
    bolus: Listed[ScheduledBolus] = ()
    patient_bolus: PatientBolus | None = None
    prime: Prime | None = None
    bridge: Bridge | None = None
    titration: Titration | None = None
    limits: OwnLimits | None = None

    def faults(self) -> Iterator[Fault]:
        """Name every rule between parts that is broken."""
        return broken({name: getattr(self, name) for name in type(self).model_fields})

    @model_validator(mode="after")
    def _put_in_order(self) -> Self:
        """Sort what has no order of its own, so that a bolus has one index however the file is written.

        Runs after the rules, whose messages count as the file does.
        """
        boluses = sorted(self.bolus, key=lambda bolus: (bolus.at_ms, bolus.once, _first_day(bolus.days)))
        groups = sorted(self.basal.days, key=lambda group: WEEKDAYS.index(group.days[0]))
        object.__setattr__(self, "bolus", tuple(boluses))
        if groups:
            object.__setattr__(self, "basal", self.basal.model_copy(update={"days": tuple(groups)}))
        return self

    @property
    def primary(self) -> Drug:
        """The drug in whose mass every dose of the plan is written."""
        return self.reservoir.drugs[0]

    @property
    def utc_offset_ms(self) -> int:
        """Local time minus UTC, in ms."""
        return offset_ms(self.utc_offset)

    @property
    def start_utc_ms(self) -> int:
        """The start, in ms since 1970-01-01T00:00 UTC."""
        return local_ms(self.start) - self.utc_offset_ms

    @property
    def start_of_day_ms(self) -> int:
        """The start, in ms after local midnight."""
        return local_ms(self.start) % MS_PER_DAY

    @property
    def start_weekday(self) -> int:
        """The local weekday of the start; 0 is Monday."""
        return weekday(local_ms(self.start))

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON, 64 hex digits."""
        return sha256(self.canonical_json().encode("ascii")).hexdigest()

    def canonical_json(self) -> str:
        """Write the plan in its one form: sorted keys, no blanks, ASCII, canonical quantities.

        Defaults are written out. ``plan_from(json.loads(text))`` reads it back.
        """
        values = _without_empty_lists(self.model_dump(mode="json", by_alias=True, exclude_none=True))
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def load_plan(path: str | Path) -> DosingPlan:
    """Read a plan file.

    Raises:
        InvalidInput: the file cannot be read, is no TOML or no plan; every problem has file, line and field.
    """
    return _plan(read_document(path), from_file=True)


def parse_plan(text: str, name: str = "plan") -> DosingPlan:
    """Read the text of a plan file; ``name`` is what messages call it.

    Raises:
        InvalidInput: as ``load_plan``.
    """
    return _plan(parse_document(text, name), from_file=True)


def plan_from(values: Mapping[str, Any], name: str = "plan") -> DosingPlan:
    """Make a plan from values in the shape of the file, such as a web form gives them.

    Raises:
        InvalidInput: with the field of every problem, and no lines.
    """
    return _plan(Document(name, values), from_file=False)


def plan_schema() -> dict[str, Any]:
    """Describe the plan file as JSON Schema, for editors: the model decides, the schema helps to write."""
    schema = _for_toml(DosingPlan.model_json_schema(by_alias=True))
    schema["required"] = ["schema", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _plan(document: Document, *, from_file: bool) -> DosingPlan:
    faults = tuple(_unversioned(document)) if from_file else ()
    try:
        plan = DosingPlan.model_validate(dict(document.values))
    except ValidationError:
        faults += (*faults_of(document.values, DosingPlan), *broken(_sound_parts(document.values)))
    else:
        if not faults:
            return plan
    raise InvalidInput(document.problems(faults))


def _unversioned(document: Document) -> Iterator[Fault]:
    if "schema" not in document.values:  # a file outlives this program, so it says which format it is
        yield Fault(("schema",), "is missing", "schema = 1")


def _sound_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read each part alone, so that rules between sound ones still run; absent ones have their default."""
    parts: dict[str, Any] = {}
    for name, field in DosingPlan.model_fields.items():
        key = field.alias or name
        try:
            if key in values:
                parts[name] = _adapter(name).validate_python(values[key], strict=True)
            elif not field.is_required():
                parts[name] = field.default
        except ValidationError:
            continue  # reported already, with its place
    return parts


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = DosingPlan.model_fields[name]
    kind: Any = field.annotation
    for metadata in field.metadata:
        kind = Annotated[kind, metadata]
    return TypeAdapter(kind)


def _first_day(days: tuple[Weekday, ...] | None) -> int:
    return WEEKDAYS.index(days[0]) if days else -1


def _without_empty_lists(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A list left out and an empty one mean the same; an empty table (``[bridge]``) is a statement."""
    if isinstance(value, dict):
        return {key: _without_empty_lists(inner) for key, inner in value.items() if inner != []}
    return [_without_empty_lists(inner) for inner in value] if isinstance(value, list) else value


def _for_toml(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Take out null, which a TOML file cannot hold."""
    if isinstance(node, list):
        return [_for_toml(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _for_toml(inner) for key, inner in node.items() if (key, inner) != ("default", None)}
    choices = [choice for choice in kept.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept
