"""Current against pending as the page shows it: figures first, then every written field under its step, by its label.

Layer      web; ``therapy.comparison`` compares, the table of steps gives the words.
Hazard     a change that stands among forty rows that did not change; a field under another one's name.
Invariant  every row of the comparison is in one part, once; what is marked there is marked here.
Tests      tests/unit/web/test_finish.py
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Final

from pump_ctrl import figures
from pump_ctrl.errors import QuantityError
from pump_ctrl.therapy import wording
from pump_ctrl.therapy.comparison import Row, side_by_side
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_profile
from pump_ctrl.units import Concentration, Duration, Length, Mass, MassRate, Volume
from pump_ctrl.web.entry.names import NUMBER, known, label, place, step_of
from pump_ctrl.web.entry.steps import Group, steps

FIGURES: Final = "In figures"
# Fields of the plan that the form asks for under another name.
_WORDS: Final = {"schema": "Form of the plan file", "once": "Once only"}
_LONGER: Final = {
    "on_loss": "If control is lost",
    "on_loss.hold": "If control is lost, hold for",
}  # where the form says it above the field
_PLAIN: Final = {"true": "yes", "false": "no"}
_WRITTEN: Final = re.compile(r"[a-z0-9_.#]+")  # a figure has a blank in its name
_Quantity = Mass | MassRate | Volume | Concentration | Duration | Length
_KINDS: Final[tuple[type[_Quantity], ...]] = (Mass, MassRate, Volume, Concentration, Duration, Length)


@dataclass(frozen=True, slots=True)
class Line:
    """One row. ``name`` is the plan's own name of the field, empty for a figure; ``change`` is said in words."""

    name: str
    label: str
    current: str
    pending: str
    change: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Rows under one heading."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two plans beside each other; ``first``: nothing is in force."""

    first: bool
    parts: tuple[Part, ...]

    @property
    def told(self) -> tuple[Part, ...]:
        """Figures, and what changes. All of it for a first plan."""
        return (
            self.parts if self.first else tuple(_some(self.parts, lambda line: line.changed or not line.name))
        )

    @property
    def same(self) -> tuple[Part, ...]:
        """What was written and stays as it is."""
        return (
            () if self.first else tuple(_some(self.parts, lambda line: bool(line.name) and not line.changed))
        )


def _some(parts: tuple[Part, ...], keep: Callable[[Line], bool]) -> Iterator[Part]:
    for part in parts:
        if lines := tuple(line for line in part.lines if keep(line)):
            yield Part(part.title, lines)


def compared(previous: DosingPlan | None, plan: DosingPlan, profile: PumpProfile) -> Compared:
    """Put a pending plan beside the one in force.

    Raises:
        InvalidInput: a plan that its pump cannot carry out, or an unknown catheter or pump.
    """
    old_profile = load_profile(previous.pump) if previous is not None else None
    rows = side_by_side(previous, plan, profile, old_profile)
    first = previous is None
    parts = [Part(FIGURES, tuple(_line(row, first) for row in rows if not _WRITTEN.fullmatch(row.field)))]
    written = sorted(
        (row for row in rows if _WRITTEN.fullmatch(row.field)), key=lambda row: _order(row.field)
    )
    for step in steps():
        lines = tuple(_line(row, first) for row in written if step_of(place(row.field)) == step.key)
        parts.append(Part(step.title, lines))
    return Compared(first, tuple(part for part in parts if part.lines))


def _order(name: str) -> list[str | int]:
    """As the form asks for it, the tenth row after the ninth; last what the form does not ask for, by its name."""
    places, found = _places(), list[str | int]()
    for match in NUMBER.finditer(name):
        if (rows := NUMBER.sub("#", name[: match.start()])) in places:
            found += [places[rows], int(match[1])]
    field = known(name) or known(place(name))
    return [*found, places[field.name] if field else len(places), name]


@cache
def _places() -> dict[str, int]:
    """Where the form has each of its fields and lists."""

    def names(group: Group) -> Iterator[str]:
        yield from (group.rows,) if group.rows else ()
        yield from (field.name for field in group.fields)
        for inner in group.inner:
            yield from names(inner)

    return {
        name: at
        for at, name in enumerate(n for step in steps() for group in step.groups for n in names(group))
    }


def _line(row: Row, first: bool) -> Line:
    if not _WRITTEN.fullmatch(row.field):
        return Line(
            "", row.field, row.current, row.pending, "" if first else _change(row), row.marked and not first
        )
    return Line(
        name=row.field,
        label=_label(row.field),
        current=_text(row.field, row.current),
        pending=_text(row.field, row.pending),
        change="" if first else _change(row),
        changed=row.marked and not first,
    )


def _label(name: str) -> str:
    if name in _LONGER:
        return _LONGER[name]
    if known(name) is not None:
        return label(name)
    if place(name) == f"{name}~kind":
        return label(place(name))
    row, _, last = name.rpartition(".")
    words = _WORDS.get(last, last.replace("_", " "))
    return f"{label(row)}, {words}" if row else words


def _text(name: str, text: str) -> str:
    if name == "start" and text:
        at = datetime.fromisoformat(text)
        return f"{figures.date(at)}, {at:%H:%M}"
    return _PLAIN.get(text, text)


def _change(row: Row) -> str:
    """Per cent where both are quantities of one kind, else whether it is new or gone."""
    if not row.marked:
        return ""
    if not row.current:
        return "new"
    if not row.pending:
        return "gone"
    if row.change is not None:
        return row.change_text
    for kind in _KINDS:
        try:
            before, after = kind.parse(row.current), kind.parse(row.pending)
        except QuantityError:
            continue
        return wording.share(_size(after) / _size(before) - 1) if _size(before) else ""
    return ""


def _size(quantity: _Quantity) -> Fraction:
    """A quantity as one number: the first of its parts, per the second where it is a rate."""
    number, *per = dataclasses.astuple(quantity)
    return Fraction(number, *per)
