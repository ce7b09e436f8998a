"""The names of a form: which field, row or list a name means, on which step it stands, what it is called.

Layer      web; reads the table of steps and nothing else.
Hazard     a name from outside that makes rows without end; a problem that stands at no field.
Invariant  a name is of the form, or it is nobody's: a row has a plain number from 1 to the most that its list holds.
Tests      tests/unit/web/test_draft.py, tests/unit/web/test_steps.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from pump_ctrl.web.entry.steps import Field, Group, Step, When, steps

Fields = Mapping[str, str]  # a draft

# A row's number. A field may end in a number that is no row's: reservoir.residual#1 is the lower bound.
NUMBER: Final = re.compile(r"#([1-9][0-9]{0,2})(?![0-9])")
_BARE: Final = re.compile(r"#(?![0-9])")
START_PARTS: Final = ("day", "month", "year", "time")


@dataclass(frozen=True, slots=True)
class Known:
    """A field of the table, its step, and everything that has to be chosen for it to count."""

    field: Field
    step: str
    whens: tuple[When, ...]


@dataclass(frozen=True, slots=True)
class _Tables:
    """By pattern, in which ``#`` stands for a row's number."""

    fields: Mapping[str, Known]
    lists: Mapping[str, tuple[Group, str]]  # with their step


@cache
def _tables() -> _Tables:
    fields: dict[str, Known] = {}
    lists: dict[str, tuple[Group, str]] = {}

    def add(group: Group, step: Step, outer: tuple[When, ...]) -> None:
        whens = (*outer, group.when) if group.when else outer
        if group.rows:
            lists[group.rows] = group, step.key
        for field in group.fields:
            fields[field.name] = Known(field, step.key, (*whens, field.when) if field.when else whens)
        for inner in group.inner:
            add(inner, step, whens)

    for step in steps():
        for group in step.groups:
            add(group, step, ())
    return _Tables(fields, lists)


def _pattern(name: str) -> str:
    """``basal.steps#2.dose`` as ``basal.steps#.dose``; empty if it names no row that there can be."""
    if not _BARE.search(name) and name in _tables().fields:
        return name
    for match in NUMBER.finditer(name):
        group, _ = _tables().lists.get(NUMBER.sub("#", name[: match.start()]), (None, ""))
        if group is None or int(match[1]) > group.most:
            return ""
    return "" if _BARE.search(name) else NUMBER.sub("#", name)


def find(name: str) -> Known | None:
    """The field that a name means, with what has to be chosen for it."""
    return _tables().fields.get(_pattern(name))


def known(name: str) -> Field | None:
    """The field of the table that a name means."""
    found = find(name)
    return found.field if found else None


def by_choice() -> tuple[str, ...]:
    """The patterns of the fields that are asked for only while a choice beside them says so."""
    return tuple(pattern for pattern, found in _tables().fields.items() if found.field.when is not None)


def most(rows: str) -> int:
    """How many rows a list may have; 0 if the name is no list's."""
    found = _tables().lists.get(_pattern(rows))
    return found[0].most if found else 0


def is_row(name: str) -> bool:
    """Whether a row is named, such as ``basal.steps#2``."""
    rows, _, number = name.rpartition("#")
    return bool(re.fullmatch(r"[1-9][0-9]{0,2}", number)) and int(number) <= most(rows)


def in_row(pattern: str, row: str) -> str:
    """``basal.steps#.dose`` in the row ``basal.steps#2``, or in the row in which another of its fields stands."""
    numbers = iter(NUMBER.findall(row))
    return _BARE.sub(lambda _: f"#{next(numbers)}", pattern)


def ours(name: str) -> bool:
    """Whether a form of ours sends this name."""
    plain, _, suffix = name.partition("~")
    if plain == "start":
        return suffix in START_PARTS
    if suffix == "unit":
        field = known(plain)
        return field is not None and field.kind == "quantity"
    return most(plain) > 0 if suffix == "rows" else known(name) is not None


def step_of(name: str) -> str:
    """The step on which a name stands; the first one, if it stands nowhere."""
    plain = name.partition("~")[0]
    for each in (name, plain, plain.rpartition("#")[0]):
        if (found := find(each)) is not None:
            return found.step
        if (rows := _tables().lists.get(_pattern(each))) is not None:
            return rows[1]
    return steps()[0].key


def place(name: str) -> str:
    """The field, row or list of the form to which a problem of this name belongs; empty if to none of them.

    A table without a field of its own is told where it is chosen (``basal~kind``), a pair at its lower bound.
    """
    while name:
        if find(name) is not None or most(name) or is_row(name):
            return name
        for at in (f"{name}~kind", f"{name}#1"):
            if find(at) is not None:
                return at
        if (first := next(_within(name), None)) is not None:
            return first
        name = name[: max(name.rfind("."), name.rfind("#"), 0)]
    return ""


def _within(name: str) -> Iterator[str]:
    """The fields, then the lists, of a table that stand in no row."""
    for each in (*_tables().fields, *_tables().lists):
        if each.startswith(f"{name}.") and not _BARE.search(each):
            yield each


def label(name: str) -> str:
    """What a person calls it: ``Step 2, Dose of the step``."""
    words = []
    for match in NUMBER.finditer(name):
        group, _ = _tables().lists.get(_pattern(name[: match.start()]), (None, ""))
        if group is not None:
            words.append(f"{group.row.capitalize()} {match[1]}")
    if (field := known(name)) is not None:
        words.append(field.label)
    elif (rows := _tables().lists.get(_pattern(name))) is not None:
        words.append(rows[0].title)
    return ", ".join(words) or "Plan"
