"""What was typed <-> the values of a plan.

Layer      web. A draft is flat: the name of a field, as problems name it, and its text. The number of a quantity
           stands under the name, its unit under ``name~unit``; what chooses between fields under ``name~kind``.
Hazard     a field that was typed and is not in the plan, or is there and was not typed; a number with another unit.
Invariant  nothing is converted: number and unit are joined and read by the plan's own model. What a choice leaves out
           is left out; rows of which nothing was typed are left out, with their choices; everything else is in the
           values. What a choice asks for and nobody typed is in them too, empty, so that the model misses it there.
Tests      tests/unit/web/test_draft.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.web.entry.names import (
    NUMBER,
    START_PARTS,
    Fields,
    by_choice,
    find,
    in_row,
    is_row,
    known,
    most,
    place,
)

# Tables that every plan has: what is missing is told field by field.
_NEEDED: Final = ("reservoir", "catheter", "basal")
# So that the model says what is wanted where it was chosen, and not that one of five must be.
_NOTHING_YET: Final[Mapping[str, Any]] = {"steps": {"steps": []}, "days": {"days": []}}
_OTHER_BOUND: Final = {"#1": "#2", "#2": "#1"}
_COUNT: Final = re.compile(r"[0-9]{1,6}")
_MODES: Final = ("minimum", "stopped")


@dataclass(frozen=True, slots=True)
class Typed:
    """The values that a draft stands for, in the shape of the file; ``rows`` leads from their rows to those typed."""

    values: Mapping[str, Any]
    rows: Mapping[str, str]

    def name(self, field: str) -> str:
        """Where the form shows what a problem or a finding says of ``field``; empty if at no field of it."""
        return place(_renamed(field, self.rows))


def chosen(fields: Fields, name: str) -> str:
    """Where a choice stands; at its first value, as long as nobody has touched it."""
    field = known(name)
    values = [value for value, _ in field.choices] if field else []
    given = fields.get(name, "")
    return given if given in values else values[0] if values else ""


def not_offered(fields: Fields) -> Iterator[str]:
    """The choices that count and stand at a value that no page of ours offers."""
    for name, text in fields.items():
        if name.endswith("~kind") and text.strip() and asked(fields, name) and chosen(fields, name) != text:
            yield name


def asked(fields: Fields, name: str) -> bool:
    """Whether a field counts, as the choices stand."""
    found = find(name)
    return found is not None and all(
        chosen(fields, in_row(when.choice, name)) in when.values for when in found.whens
    )


def text_of(fields: Fields, name: str) -> str:
    """What stands in a field, with its unit; empty if nothing was typed."""
    field, text = known(name), fields.get(name, "").strip()
    if field is not None and field.kind == "start":
        return _start(fields)
    if text and field is not None and field.kind == "quantity":
        return f"{text} {fields.get(f'{name}~unit', '') or ''}".strip()
    return text


def _start(fields: Fields) -> str:
    day, month, year, time = (fields.get(f"start~{part}", "").strip() for part in START_PARTS)
    return f"{year}-{month.rjust(2, '0')}-{day.rjust(2, '0')}T{time}" if day or month or year or time else ""


# --- a draft as values ---------------------------------------------------------------------------------------------


def typed(fields: Fields) -> Typed:
    """The values of a plan that a draft stands for. They are checked by ``plan_from`` and by nothing here."""
    texts = {name: text_of(fields, name) for name in (*fields, "start") if asked(fields, name)}
    texts = {name: text for name, text in texts.items() if text}
    for name in [name for name in texts if name[-2:] in _OTHER_BOUND and known(name)]:
        texts.setdefault(
            name[:-2] + _OTHER_BOUND[name[-2:]], ""
        )  # one bound alone: it is the other that is wrong
    rows = _rows({name for name in texts if not name.endswith("~kind")})
    values: dict[str, Any] = {"schema": 1, **{name: {} for name in _NEEDED}}
    for name, text in {**dict.fromkeys(_wanted(fields, rows), ""), **texts}.items():
        if not _of_no_row(name, rows):
            _put(values, _moved(name, rows), name, text)
    values["basal"] = values["basal"] or _NOTHING_YET.get(chosen(fields, "basal~kind"), {})
    return Typed(_plain(values), {new: old for old, new in rows.items()})


def _wanted(fields: Fields, rows: Mapping[str, str]) -> Iterator[str]:
    """What a choice asks for, in the plan or in a row of which something was typed."""
    for pattern in by_choice():
        start, in_rows, _ = pattern.rpartition("#.")
        for row in [row for row in rows if NUMBER.sub("#", row) == f"{start}#"] if in_rows else [""]:
            if asked(fields, name := in_row(pattern, row)):
                yield name


def _of_no_row(name: str, rows: Mapping[str, str]) -> bool:
    """Whether this is the choice of a row of which nothing else was typed: its number is another row's by then."""
    row, choice, _ = name.partition("~kind")
    return bool(choice) and is_row(row) and row not in rows


def _rows(names: set[str]) -> dict[str, str]:
    """Rows as they were typed -> as they stand in the plan, without gaps."""
    kept: dict[str, set[int]] = {}
    for name in names:
        for match in NUMBER.finditer(name):
            if most(name[: match.start()]):
                kept.setdefault(name[: match.start()], set()).add(int(match[1]))
    found: dict[str, str] = {}
    for start in sorted(kept, key=len):
        for at, number in enumerate(sorted(kept[start]), 1):
            found[f"{start}#{number}"] = f"{_renamed(start, found)}#{at}"
    return found


def _renamed(name: str, rows: Mapping[str, str]) -> str:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (start := ".".join(parts[:length])) in rows:
            return ".".join([rows[start], *parts[length:]])
    return name


def _moved(name: str, rows: Mapping[str, str]) -> str:
    plain, tilde, suffix = name.partition("~")
    return _renamed(plain, rows) + tilde + suffix


def _put(values: dict[str, Any], name: str, typed_name: str, text: str) -> None:
    """Set one value at its place; what a choice says is a value too."""
    if name.endswith("~kind"):
        for at, said in _said_by(name, text):
            _set(values, at, said)
        return
    field = known(typed_name)
    value: Any = text
    if field is not None and field.kind == "days":
        value = text.split()
    elif name.endswith("max_per_day") and name.startswith("patient_bolus") and _COUNT.fullmatch(text):
        value = int(text)
    _set(values, name, value)


def _said_by(name: str, value: str) -> Iterator[tuple[str, Any]]:
    """What a choice alone puts into the plan."""
    start = name.removesuffix("~kind")
    if start == "basal" and value in _MODES:
        yield "basal.mode", value
    elif start == "on_loss" and value == "stop":
        yield "on_loss", "stop"
    elif start == "bridge" and value != "no":
        yield "bridge", {}
    elif start.startswith("bolus#") and value == "once":
        yield f"{start}.once", True


def _set(values: dict[str, Any], name: str, value: Any) -> None:  # noqa: ANN401 - whatever the file would have
    """Put a value at ``a.b#2.c``. Lists are kept as tables of their numbers until all is put."""
    path = [part for step in name.split(".") for part in _parts(step)]
    at = values
    for part in path[:-1]:
        at = at.setdefault(part, {})
    if value == {}:
        at.setdefault(path[-1], {})
    else:
        at[path[-1]] = value


def _parts(step: str) -> Iterator[Any]:
    name, *numbers = step.split("#")
    yield name
    yield from (int(number) for number in numbers)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Tables of numbers as the lists that they are."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_plain(value[key]) for key in sorted(value)]
    return {key: _plain(inner) for key, inner in value.items()}


# --- a plan as a draft ---------------------------------------------------------------------------------------------


def fields_of(plan: DosingPlan) -> dict[str, str]:
    """A draft that stands for exactly this plan."""
    values = json.loads(plan.canonical_json())
    found: dict[str, str] = {}
    for name, text in _leaves(values, ""):
        found.update(_field(name, text))
    found.update(_choices(values))
    day, time = plan.start.split("T")
    year, month, number = day.split("-")
    found |= {"start~year": year, "start~month": month, "start~day": str(int(number)), "start~time": time}
    for name in ("schema", "start", "basal.mode"):
        found.pop(name, None)
    return found


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}".lstrip("."))
    elif (isinstance(value, list) and not name.endswith(".days")) or (
        name.startswith("basal.days") and isinstance(value, list) and value and isinstance(value[0], dict)
    ):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, f"{name}#{number}")
    else:
        yield name, value


def _field(name: str, value: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return {name: " ".join(value)}
    if isinstance(value, bool):
        return {}  # once: told by its choice
    field, text = known(name), str(value)
    if field is not None and field.kind == "quantity":
        number, _, unit = text.rpartition(" ")
        return {name: number, f"{name}~unit": unit}
    return {name: text}


def _choices(values: Mapping[str, Any]) -> dict[str, str]:
    """Where each choice stands in this plan."""
    basal, lost, bridge = values["basal"], values.get("on_loss"), values.get("bridge")
    found = {
        "basal~kind": basal.get("mode") or next(kind for kind in ("rate", "steps", "days") if kind in basal),
        "catheter~kind": "volume" if "volume" in values["catheter"] else "model",
        "on_loss~kind": "" if lost is None else "stop" if lost == "stop" else "hold",
        "bridge~kind": "no" if bridge is None else "own" if "volume" in bridge else "path",
        "patient_bolus~kind": "yes" if "patient_bolus" in values else "no",
        "prime~kind": "yes" if "prime" in values else "no",
    }
    if lost == "stop":
        found["on_loss"] = ""
    for number, bolus in enumerate(values.get("bolus", ()), 1):
        found[f"bolus#{number}~kind"] = "once" if bolus["once"] else "days" if "days" in bolus else "daily"
    for number, step in enumerate(values.get("titration", {}).get("step", ()), 1):
        found[f"titration.step#{number}~kind"] = "dose" if "dose" in step else "change"
    for start, level in _levels(basal):
        found[f"{start}~kind"] = "dose" if "dose" in level else "rate"
    return found


def _levels(basal: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, level in enumerate(basal.get("steps", ()), 1):
        yield f"basal.steps#{number}", level
    for group, days in enumerate(basal.get("days", ()), 1):
        for number, level in enumerate(days["steps"], 1):
            yield f"basal.days#{group}.steps#{number}", level
