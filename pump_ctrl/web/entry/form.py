"""A step of plan entry, ready to be drawn: each field with its name, what stands in it and what is wrong with it.

Layer      web; the templates draw it, and decide nothing.
Tests      tests/unit/web/test_form.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pump_ctrl.therapy.plan_fields import WEEKDAYS
from pump_ctrl.web.entry.check import Beside
from pump_ctrl.web.entry.draft import chosen, text_of
from pump_ctrl.web.entry.names import START_PARTS, Fields, in_row, known, label, step_of
from pump_ctrl.web.entry.rows import count
from pump_ctrl.web.entry.steps import Choices, Field, Group, Step, When

MONTHS: Final[Choices] = (
    ("", "month…"),
    ("01", "January"), ("02", "February"), ("03", "March"), ("04", "April"), ("05", "May"), ("06", "June"),
    ("07", "July"), ("08", "August"), ("09", "September"), ("10", "October"), ("11", "November"), ("12", "December"),
)  # fmt: skip
DAYS: Final[Choices] = tuple(
    zip(WEEKDAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One field. ``when`` tells the script which choices show it: ``name=value|value``, one a blank."""

    name: str
    field: Field
    value: str
    unit: str
    choices: Choices
    when: str
    hidden: bool
    problem: Beside | None


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of a list; ``name`` is what the button that removes it says."""

    name: str
    title: str
    fields: tuple[Shown, ...]
    inner: tuple[ShownGroup, ...]
    problem: Beside | None


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Fields, or the rows of a list, under one heading."""

    title: str
    fields: tuple[Shown, ...]
    rows: str
    row: str
    shown_rows: tuple[ShownRow, ...]
    more: bool  # one more row may be added
    when: str
    hidden: bool
    problem: Beside | None


@dataclass(frozen=True, slots=True)
class _Room:
    fields: Fields
    problems: Mapping[str, Beside]
    choices: Mapping[str, Choices]


def shown(
    step: Step, fields: Fields, problems: Mapping[str, Beside], choices: Mapping[str, Choices]
) -> tuple[ShownGroup, ...]:
    """The groups of a step. ``problems`` by field; ``choices`` are those that no table knows, such as plans."""
    room = _Room(fields, problems, choices)
    return tuple(_group(group, "", room) for group in step.groups)


def _group(group: Group, numbers: str, room: _Room) -> ShownGroup:
    name = in_row(group.rows, numbers) if group.rows else ""
    many = count(room.fields, name) if name else 0
    when = group.when
    return ShownGroup(
        title=group.title,
        fields=() if name else tuple(_field(field, numbers, room) for field in group.fields),
        rows=name,
        row=group.row,
        shown_rows=tuple(_row(group, name, number, room) for number in range(1, many + 1)),
        more=many < group.most,
        when=_when(when, numbers),
        hidden=_hidden(when, numbers, room.fields),
        problem=room.problems.get(name) if name else None,
    )


def _row(group: Group, name: str, number: int, room: _Room) -> ShownRow:
    row = f"{name}#{number}"
    return ShownRow(
        name=row,
        title=f"{group.row.capitalize()} {number}",
        fields=tuple(_field(field, row, room) for field in group.fields),
        inner=tuple(_group(inner, row, room) for inner in group.inner),
        problem=room.problems.get(row),
    )


def _field(field: Field, numbers: str, room: _Room) -> Shown:
    name = in_row(field.name, numbers)
    choices = room.choices.get(field.name, field.choices)
    value = room.fields.get(name, "")
    if field.kind == "choice" and value and value not in dict(choices):
        choices = (*choices, (value, value))  # of an older plan; it is kept, and judged by the model
    return Shown(
        name=name,
        field=field,
        value=value,
        unit=room.fields.get(f"{name}~unit", field.units[0] if field.units else ""),
        choices=choices,
        when=_when(field.when, numbers),
        hidden=_hidden(field.when, numbers, room.fields),
        problem=room.problems.get(name),
    )


def _hidden(when: When | None, row: str, fields: Fields) -> bool:
    return when is not None and chosen(fields, in_row(when.choice, row)) not in when.values


def _when(when: When | None, row: str) -> str:
    return "" if when is None else f"{in_row(when.choice, row)}={'|'.join(when.values)}"


@dataclass(frozen=True, slots=True)
class Unlike:
    """A field of which two people typed something else."""

    label: str
    mine: str
    theirs: str


def unlike(step: Step, mine: Fields, theirs: Fields) -> tuple[Unlike, ...]:
    """The fields of a step in which two drafts differ, as a person reads them."""
    names = sorted(name for name in {*mine, *theirs} if known(name) and step_of(name) == step.key)
    if any(mine.get(f"start~{part}", "") != theirs.get(f"start~{part}", "") for part in START_PARTS):
        names += ["start"] * (step.key == step_of("start"))
    pairs = ((name, _words(mine, name), _words(theirs, name)) for name in names)
    return tuple(Unlike(label(name), one, two) for name, one, two in pairs if one != two)


def _words(fields: Fields, name: str) -> str:
    text, field = text_of(fields, name), known(name)
    return dict(field.choices).get(text, text) if field is not None else text
