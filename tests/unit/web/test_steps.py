"""Every field of a plan is asked for in one place, with units that the plan reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from pump_ctrl.web.entry.draft import Typed, typed
from pump_ctrl.web.entry.names import find, in_row, known, label, most, ours, place, step_of
from pump_ctrl.web.entry.steps import Field, Group, steps
from tests.web.wrong_values import SHEETS

# What a choice alone says; every other field of the plan is typed or chosen under its own name.
BY_CHOICE = {"schema", "basal.mode", "bolus#.once"}
PAIRS = {"reservoir.residual", "catheter.volume", "bridge.volume"}


def groups(found: tuple[Group, ...]) -> Iterator[Group]:
    for group in found:
        yield group
        yield from groups(group.inner)


def fields() -> list[Field]:
    return [field for step in steps() for group in groups(step.groups) for field in group.fields]


def models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def leaves(model: type[BaseModel], start: str = "") -> Iterator[str]:
    """``basal.steps#.dose`` and so on, out of the model itself."""
    for name, info in model.model_fields.items():
        at = f"{start}{info.alias or name}"
        inner = next(models(info.annotation), None)
        if inner is not None:
            yield from leaves(inner, f"{at}{'#' if 'tuple' in str(info.annotation) else ''}.")
        elif at in PAIRS:
            yield from (f"{at}#1", f"{at}#2")
        else:
            yield at


def at_one(pattern: str) -> str:
    """The field in the first row of each list."""
    return in_row(pattern, "#1#1")


def alone(name: str, text: str) -> dict[str, str]:
    """A draft in which only this field is filled in, and every choice lets it count."""
    found = find(name)
    assert found is not None
    return {name: text} | {in_row(when.choice, name): when.values[0] for when in found.whens}


def problems(draft: dict[str, str]) -> tuple[Typed, list[tuple[str, str]]]:
    found = typed(draft)
    with pytest.raises(InvalidInput) as refused:
        plan_from(found.values)
    return found, [(found.name(item.field), item.what) for item in refused.value.problems]


def test_every_field_of_the_plan_is_asked_for_once() -> None:
    asked = Counter(field.name for field in fields() if not field.name.endswith("~kind"))
    assert asked == Counter(set(leaves(DosingPlan)) - BY_CHOICE)


def test_every_field_has_a_wrong_value_that_is_typed_in_the_browser() -> None:
    named = {
        found.name for sheet in SHEETS.values() for name in sheet.wrong if (found := known(name)) is not None
    }
    assert named == {field.name for field in fields()}


def test_what_only_a_choice_says_is_in_the_plan() -> None:
    assert typed({"basal~kind": "minimum"}).values["basal"] == {"mode": "minimum"}
    assert typed({"basal~kind": "stopped"}).values["basal"] == {"mode": "stopped"}
    assert typed({"bolus#1.at": "06:00", "bolus#1~kind": "once"}).values["bolus"] == [
        {"at": "06:00", "once": True}
    ]
    assert typed({"on_loss~kind": "stop"}).values["on_loss"] == "stop"
    assert typed({"bridge~kind": "path"}).values["bridge"] == {}
    assert {"bridge", "prime", "on_loss", "patient_bolus"}.isdisjoint(typed({}).values)


@pytest.mark.parametrize("field", [f for f in fields() if f.kind == "quantity"], ids=lambda field: field.name)
def test_every_unit_that_is_offered_is_read(field: Field) -> None:
    name = at_one(field.name)
    number = "+1" if "%" in field.units else "1"
    for unit in field.units:
        _, told = problems(alone(name, number) | {f"{name}~unit": unit})
        assert not [what for at, what in told if at == name and what.startswith(("'1", "'+1", f"'{unit}'"))]
    _, told = problems(alone(name, number) | {f"{name}~unit": "furlong"})
    assert [what for at, what in told if at == name and "furlong" in what]


@pytest.mark.parametrize(
    "field", [f for f in fields() if f.choices and "~kind" not in f.name], ids=lambda f: f.name
)
def test_every_choice_that_is_offered_is_read(field: Field) -> None:
    name = at_one(field.name)
    for value, _ in field.choices:
        _, told = problems(alone(name, value))
        assert name not in [at for at, _ in told]


def names_of_problems() -> set[str]:
    """Every name under which the model can tell a problem: each field, each table and each row around it."""
    found = set()
    for leaf in set(leaves(DosingPlan)) - {"schema"}:
        name = at_one(leaf)
        while name:
            found.add(name)
            name = name[: max(name.rfind("."), name.rfind("#"), 0)]
    return found | {"basal.days#2.days#3", "basal.steps#14", "bolus#97.dose", "titration.step#2"}


@pytest.mark.parametrize("name", sorted(names_of_problems()))
def test_every_problem_stands_at_a_field_a_row_or_a_list_of_the_form(name: str) -> None:
    at = place(name)
    rows = at.rpartition("#")[0]
    assert known(at) is not None or most(at) or most(rows)
    step = next(step for step in steps() if step.key == step_of(at))
    there = [
        name for g in groups(step.groups) for name in (g.rows, *(field.name for field in g.fields)) if name
    ]
    assert {at, rows} & {at_one(name) for name in there}
    assert label(at) != "Plan"


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("basal", "basal~kind"), ("basal.mode", "basal~kind"), ("catheter", "catheter~kind"),
        ("bolus#2", "bolus#2"), ("bolus", "bolus"), ("titration", "titration.step"),
        ("reservoir.residual", "reservoir.residual#1"), ("reservoir.residual#2", "reservoir.residual#2"),
        ("limits", "limits.max_bolus"), ("bridge", "bridge~kind"), ("reservoir", "reservoir.filled"),
        ("formulary", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_problem_of_a_table_stands_where_the_table_is_chosen(name: str, at: str) -> None:
    assert place(name) == at


@pytest.mark.parametrize(
    "name",
    [
        "", "#", "##", "a..b", "id.id", "basal.steps#.dose", "basal.steps#0.dose", "basal.steps#01.dose",
        "basal.steps#14.dose", "basal.steps#999999.dose", "basal.steps#1#1.dose", "basal.days#8.days",
        "basal.days#1.steps#14.dose", "bolus#97.dose", "reservoir.residual#3", "reservoir.residual#",
        "basal.steps#१.dose", "basal.steps#1.dose~unit~unit", "title~unit", "title~rows", "start~hour", "schema",
        "basal.mode", "__proto__", "basal.steps~unit", "basal.steps~rows~rows",
    ],
)  # fmt: skip
def test_a_name_that_no_form_of_ours_sends_is_nobodys(name: str) -> None:
    assert not ours(name)
    assert known(name) is None


@pytest.mark.parametrize(
    "name",
    ["id", "basal.steps#13.dose", "basal.steps#13.dose~unit", "basal.steps~rows", "basal.days#7.steps~rows",
     "basal.days#7.steps#13~kind", "start~month", "bolus#96.at", "reservoir.residual#2~unit"],
)  # fmt: skip
def test_what_a_form_of_ours_sends_is_taken(name: str) -> None:
    assert ours(name)


def test_a_titration_goes_by_days_unless_another_unit_is_chosen() -> None:
    field = known("titration.step#1.after")
    assert field is not None
    assert field.units == ("d", "h", "min", "s")
