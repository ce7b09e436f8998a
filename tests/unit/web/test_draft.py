"""What was typed is what the plan says, and the other way round."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.web.entry.check import check
from pump_ctrl.web.entry.draft import fields_of, typed
from pump_ctrl.web.entry.form import shown
from pump_ctrl.web.entry.names import known, most
from pump_ctrl.web.entry.steps import steps
from tests.strategies import approved_changes, approved_plans

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))
FLEX = fields_of(load_plan(next(file for file in EXAMPLES if file.stem == "a-flex-night-bolus")))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_plan_as_a_draft_stands_for_the_same_plan(file: Path) -> None:
    plan = load_plan(file)
    assert plan_from(typed(fields_of(plan)).values).canonical_json() == plan.canonical_json()


@settings(max_examples=25)
@given(st.one_of(approved_plans(prime=True), approved_changes().map(lambda pair: pair[1])))
def test_any_plan_as_a_draft_stands_for_the_same_plan(plan: DosingPlan) -> None:
    assert plan_from(typed(fields_of(plan)).values).sha256 == plan.sha256


ODD = st.sampled_from([
    "", " ", "#", "a..b", "\0", "\u202e1", "NaN", "-0", "1e400", "<script>alert(1)</script>", "x" * 10_000, "9" * 5_000,
    "1,5", "२", "ug", "24:00", "yes", "steps", "days", "own", "once", "mon mon", "hold", "999999", "\ud800", "0" * 300,
])  # fmt: skip
PARTS = st.sampled_from(
    ["#", "#1", "#2", "#999999", "#-1", "#1#1", "~unit", "~kind", "~rows", ".dose", "..", "~", ""]
)
NAMES = st.one_of(
    st.sampled_from(sorted(FLEX)),
    st.sampled_from(["basal.steps#999999.dose", "basal.steps#13.dose", "bolus#96.at", "basal.days#7.steps#13.from",
                     "basal.steps~rows", "basal.days~rows", "basal~kind", "bolus#1~kind", "on_loss~kind", "start~year",
                     "reservoir.residual#2", "catheter.volume#1", "patient_bolus~kind", "prime~kind",
                     "patient_bolus.max_per_day", "previous", "bridge~kind"]),
    st.builds(lambda name, part: name + part, st.sampled_from(["basal.steps", "basal", "id", "bolus", "start"]), PARTS),
    st.text(string.printable, max_size=20),
)  # fmt: skip


@settings(max_examples=60)
@given(st.booleans(), st.dictionaries(NAMES, st.one_of(ODD, st.text(max_size=20)), max_size=12))
def test_any_junk_ends_in_problems_at_fields_of_the_form(whole: bool, junk: dict[str, str]) -> None:
    draft = {**FLEX, **junk} if whole else junk
    found = check(draft, load_formulary(None), lambda _: None)
    assert found.problems or whole
    for item in found.problems:
        at = item.name
        assert at == "" or known(at) or most(at) or most(at.rpartition("#")[0]), item
    for step in steps():
        for group in shown(step, draft, found.beside(), {}):
            for row in group.shown_rows:
                assert all(len(inner.shown_rows) <= 13 for inner in row.inner)
            assert len(group.shown_rows) <= max(1, most(group.rows))


def test_a_row_left_blank_between_others_is_no_row_and_problems_stand_at_the_rows_as_typed() -> None:
    draft = {
        "basal~kind": "steps",
        "basal.steps#1.from": "06:00", "basal.steps#1.dose": "75", "basal.steps#1.dose~unit": "ug",
        "basal.steps#2~kind": "rate", "basal.steps#2.dose~unit": "ug",
        "basal.steps#4.from": "05:00", "basal.steps#4.dose": "1x", "basal.steps#4.dose~unit": "ug",
    }  # fmt: skip
    found = typed(draft)
    assert found.values["basal"] == {
        "steps": [{"from": "06:00", "dose": "75 ug"}, {"from": "05:00", "dose": "1x ug"}]
    }
    assert found.name("basal.steps#2.dose") == "basal.steps#4.dose"
    assert found.name("basal.steps#2") == "basal.steps#4"


def test_a_row_in_a_row_is_found_again_where_it_was_typed() -> None:
    start = {"basal~kind": "days", "basal.days#3.days": "mon", "basal.days#3.steps#5.from": "00:00"}
    found = typed(start)
    assert found.values["basal"] == {"days": [{"days": ["mon"], "steps": [{"from": "00:00", "dose": ""}]}]}
    assert found.name("basal.days#1.steps#1.from") == "basal.days#3.steps#5.from"


def test_what_a_choice_hides_is_kept_in_the_draft_and_not_in_the_plan() -> None:
    draft = {**FLEX, "basal.rate": "400", "basal.rate~unit": "ug/day", "bolus#1.days": "mon"}
    assert plan_from(typed(draft).values).sha256 == plan_from(typed(FLEX).values).sha256
    simple = typed({**draft, "basal~kind": "rate"}).values
    assert simple["basal"] == {"rate": "400 ug/day"}
    assert typed({**draft, "bolus#1~kind": "days"}).values["bolus"][0]["days"] == ["mon"]
    assert "days" not in typed(draft).values["bolus"][0]


def test_number_and_unit_are_joined_and_nothing_is_converted() -> None:
    values = typed({"basal.rate": " 0.40 ", "basal.rate~unit": "mg/day"}).values
    assert values["basal"] == {"rate": "0.40 mg/day"}
    for text, value in (("4", 4), ("4.0", "4.0")):
        asked = typed({"patient_bolus~kind": "yes", "patient_bolus.max_per_day": text}).values[
            "patient_bolus"
        ]
        assert asked == {"dose": "", "over": "", "lockout": "", "max_per_day": value}


def told(draft: dict[str, str]) -> list[tuple[str, str]]:
    """Where a problem stands, and what it is."""
    found = check({**FLEX, **draft}, load_formulary(None), lambda _: None)
    assert bool(found.problems) == (found.plan is None)
    return [(item.name, str(item)) for item in found.problems]


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        ({"bolus#1~kind": "days"}, ["bolus#1.days"]),
        ({"bridge~kind": "own", "previous": "0" * 64}, ["bridge.volume#1", "bridge.volume#2"]),
        ({"basal.steps#2~kind": "rate"}, ["basal.steps#2.rate"]),
        ({"catheter~kind": "volume"}, ["catheter.volume#1", "catheter.volume#2"]),
        ({"titration.step#1.after": "7", "titration.step#1.after~unit": "d"}, ["titration.step#1.change"]),
        ({"prime~kind": "yes"}, ["prime.path", "prime.volume"]),
        ({"on_loss~kind": "hold", "on_loss.hold": ""}, ["on_loss.hold"]),
    ],
)
def test_what_a_choice_asks_for_and_nobody_typed_is_missing_there(
    choice: dict[str, str], missing: list[str]
) -> None:
    """Or a bolus 'on some weekdays' of which none is ticked would be one of every day."""
    found = told(choice)
    assert sorted(name for name, _ in found) == missing
    assert all(what.startswith(("is missing; allowed: ", "names no weekday; allowed: ")) for _, what in found)


@pytest.mark.parametrize("blank", [1, 2])
def test_the_choice_of_a_blank_row_is_no_other_rows(blank: int) -> None:
    """A row that was begun with 'once' and left blank does not make the daily bolus beside it one of a single day."""
    typed_row = {
        name.replace("#1", f"#{3 - blank}"): text for name, text in FLEX.items() if "bolus#1" in name
    }
    others = {name: text for name, text in FLEX.items() if "bolus#1" not in name}
    draft = {**others, **typed_row, f"bolus#{blank}~kind": "once"}
    assert plan_from(typed(draft).values).sha256 == plan_from(typed(FLEX).values).sha256


def test_a_choice_that_no_page_offers_is_refused_and_never_taken_for_another() -> None:
    asked = {"patient_bolus~kind": "maybe"}
    assert told(asked) == [("patient_bolus~kind", "'maybe' is none of the choices; allowed: no, yes")]
    assert told({"bolus#1~kind": "hourly"}) == [
        ("bolus#1~kind", "'hourly' is none of the choices; allowed: every day, on some weekdays, once")
    ]
    assert (
        told({"basal~kind": "furlong", "basal.rate": "400", "basal.rate~unit": "ug/day"})[0][0]
        == "basal~kind"
    )
    assert told({"basal.days#1.steps#1~kind": "x", "nothing~kind": "x", "prime~kind": " "}) == []


def test_a_start_of_which_a_part_is_missing_is_no_start_and_one_of_which_nothing_was_typed_is_missing() -> (
    None
):
    assert "start" not in typed({}).values
    assert (
        typed({"start~day": "5", "start~year": "2026", "start~time": "08:00"}).values["start"]
        == "2026-00-05T08:00"
    )
    whole = {"start~day": "5", "start~month": "02", "start~year": "2026", "start~time": "08:00"}
    assert typed(whole).values["start"] == "2026-02-05T08:00"
