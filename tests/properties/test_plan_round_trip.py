"""Any plan is the same plan as a draft, typed in any unit that a page offers, sent step by step, and as a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pump_ctrl.therapy.plan import DosingPlan, parse_plan, plan_from
from pump_ctrl.therapy.plan_write import plan_text
from pump_ctrl.web.entry.draft import fields_of, typed
from pump_ctrl.web.entry.names import known, ours, step_of
from pump_ctrl.web.entry.steps import steps
from tests.strategies import approved_plans

DEEP: Final = os.environ.get("PUMP_CTRL_HYPOTHESIS") == "deep"
SOME: Final = settings(
    max_examples=600 if DEEP else 60,
    phases=tuple(Phase) if DEEP else (Phase.explicit, Phase.reuse, Phase.generate),
)
# What a unit is of its base: pg, nL, ms, um, per cent; a ratio is one over the other.
SIZE: Final[Mapping[str, int]] = {
    "pg": 1, "ng": 10**3, "ug": 10**6, "mg": 10**9, "nL": 1, "uL": 10**3, "mL": 10**6,
    "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "day": 86_400_000, "mm": 1_000, "cm": 10_000,
    "%": 1,
}  # fmt: skip
TITLES: Final = ("Drawn", '"', "a\\b", "# no comment", "'''", "µg × 10", "= [x]", "{{ 7 }}")
OWN_LIMITS: Final = ("max_bolus", "max_per_hour", "max_per_4h", "max_per_day")
FORMER: Final = "0123456789abcdef" * 4
EXTRAS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"previous": FORMER, "bridge": {}},
    {"previous": FORMER, "bridge": {"volume": ["0.19 mL", "250 uL"]}},
    {"previous": FORMER, "prime": {"volume": "0.336 mL", "path": "back-table"}},
    {"prime": {"volume": "0.336 mL", "path": "empty"}},
    {"prime": {"volume": "0.2 mL", "path": "aspirated"}},
)
RATES: Final = ("400 ug/day", "12.5 ug/h", "1.5 mg/day", "1 ng/day")


def some_of(draw: st.DrawFn, choices: Mapping[str, object]) -> dict[str, object]:
    kept = draw(st.lists(st.sampled_from(sorted(choices)), unique=True))
    return {name: choices[name] for name in kept}


@st.composite
def plans(draw: st.DrawFn) -> DosingPlan:
    """A plan with any part that the format has; whether a review would sign it does not matter."""
    values: dict[str, Any] = json.loads(draw(approved_plans()).canonical_json())
    values["title"], values["prescriber"] = draw(st.sampled_from(TITLES)), draw(st.sampled_from(TITLES))
    values.pop("on_loss", None)
    values |= some_of(
        draw,
        {
            "on_loss": draw(st.sampled_from(("stop", {"hold": "90 min"}, {"hold": "4 h"}))),
            "limits": {"max_per_day": "2 mg", **some_of(draw, dict.fromkeys(OWN_LIMITS, "1.5 mg"))},
            "catheter": {"model": "ascenda-8780", "length": draw(st.sampled_from(("89 cm", "893.5 mm")))},
            "previous": FORMER,
        },
    )
    values |= draw(st.sampled_from(EXTRAS))
    if values["basal"].keys() & {"rate", "steps"} and draw(st.booleans()):
        change, dose = st.sampled_from(("+0.5 %", "-12.5 %", "+40 %")), st.sampled_from(RATES)
        one = st.one_of(change.map(lambda text: {"change": text}), dose.map(lambda text: {"dose": text}))
        stage = st.tuples(st.sampled_from(("1 d", "36 h", "2881 min")), one)
        stages = draw(st.lists(stage, min_size=1, max_size=4))
        values["titration"] = {"step": [{"after": after, **to} for after, to in stages]}
    return plan_from(values)


def size(unit: str) -> Fraction:
    """One of this unit in base units; of a rate in pg/ms, of a concentration in pg/nL."""
    amount, _, per = unit.partition("/")
    return Fraction(SIZE[amount], SIZE[per] if per else 1)


def in_unit(number: str, unit: str, other: str) -> str:
    """The same quantity in another unit; empty if that has no decimal of 9 places that the model reads."""
    value = Fraction(number) * size(unit) / size(other) * 10**9
    if value.denominator != 1 or abs(value) >= 10**21:
        return ""
    if "/" in other and (Fraction(value, 10**9) * SIZE[other.partition("/")[0]]).denominator != 1:
        return ""  # a rate is of whole pg in the time of its unit
    sign = "+" if number.startswith("+") else "-" if value < 0 else ""
    digits = str(abs(value.numerator)).rjust(10, "0")
    return f"{sign}{digits[:-9]}.{digits[-9:]}".rstrip("0").rstrip(".")


def retyped(data: st.DataObject, draft: Mapping[str, str]) -> dict[str, str]:
    """The draft with each quantity in one of the units that its field offers, if it can be written in it."""
    found = dict(draft)
    for name in sorted(draft):
        field = known(name)
        if field is None or field.kind != "quantity":
            continue
        other = data.draw(st.sampled_from(field.units), label=name)
        if text := in_unit(draft[name], draft[f"{name}~unit"], other):
            found |= {name: text, f"{name}~unit": other}
    return found


def sent(draft: Mapping[str, str]) -> dict[str, str]:
    """What is left of a draft when each step's page has sent its own fields."""
    return {
        name: text
        for step in steps()
        for name, text in draft.items()
        if text and ours(name) and step_of(name) == step.key
    }


@SOME
@given(plan=plans(), data=st.data())
def test_any_plan_is_the_same_typed_in_any_unit_and_sent_step_by_step(
    plan: DosingPlan, data: st.DataObject
) -> None:
    draft = fields_of(plan)
    assert sent(draft) == {name: text for name, text in draft.items() if text}
    assert plan_from(typed(retyped(data, draft)).values).sha256 == plan.sha256


@SOME
@given(plan=plans())
def test_any_plan_is_the_same_out_of_its_file_and_stands_in_the_same_fields(plan: DosingPlan) -> None:
    text = plan_text(plan)
    again = parse_plan(text)
    assert again.sha256 == plan.sha256
    assert again.canonical_json() == plan.canonical_json()
    assert fields_of(again) == fields_of(plan)
    assert plan_text(again) == text


# --- the strategy draws what it says ----------------------------------------------------------------------------------

SEEN: Final = frozenset({
    "basal.rate", "basal.steps#1.dose", "basal.steps#1.rate", "basal.days#2.steps#1.from", "bolus#2.dose",
    "bolus#1.days", "prime.volume", "bridge.volume#2", "on_loss.hold", "limits.max_bolus", "catheter.length",
    "catheter.volume#2", "patient_bolus.lockout", "reservoir.drugs#3.name", "titration.step#3.change",
    "titration.step#1.dose", "previous",
})  # fmt: skip
CHOSEN: Final = frozenset({
    ("bridge~kind", "own"), ("bridge~kind", "path"), ("bolus#1~kind", "once"), ("bolus#1~kind", "days"),
    ("basal~kind", "minimum"), ("basal~kind", "stopped"), ("on_loss~kind", "stop"),
})  # fmt: skip


def test_among_a_few_hundred_plans_every_part_of_the_format_is_there() -> None:
    names: set[str] = set()
    kinds: set[tuple[str, str]] = set()

    @settings(max_examples=150, derandomize=True, database=None, phases=(Phase.generate,))
    @given(plan=plans())
    def draw(plan: DosingPlan) -> None:
        draft = fields_of(plan)
        names.update(draft)
        kinds.update((name, text) for name, text in draft.items() if name.endswith("~kind"))

    draw()
    assert names >= SEEN
    assert kinds >= CHOSEN


@pytest.mark.parametrize(
    ("number", "unit", "other", "text"),
    [
        ("75", "ug", "mg", "0.075"),
        ("0.336", "mL", "uL", "336"),
        ("-12.5", "%", "%", "-12.5"),
        ("+20", "%", "%", "+20"),
        ("12", "ug/day", "ug/h", "0.5"),
        ("400", "ug/day", "ug/h", ""),  # 16.666…
        ("1", "d", "h", "24"),
    ],
)
def test_a_quantity_is_rewritten_exactly_or_not_at_all(number: str, unit: str, other: str, text: str) -> None:
    assert in_unit(number, unit, other) == text
