"""A draft is told what is wrong with it in the model's own words, beside the very field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan, load_plan, parse_plan
from pump_ctrl.web.entry.check import IN_THE_FORM, Checked, check
from pump_ctrl.web.entry.draft import fields_of
from tests.web.wrong_values import SHEETS, Sheet

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
A, C, D, E = ("a-flex-night-bolus", "c-patient-bolus", "d-ziconotide-titration", "e-bridge")
ISSUE: Final = 'digits, a point at most and a unit, such as "250 ug"'
CLOCK: Final = '"00:00" to "23:59", two digits each'


def plan(name: str) -> DosingPlan:
    return load_plan(EXAMPLES / f"{name}.toml")


def checked(draft: Mapping[str, str], *known: DosingPlan) -> Checked:
    return check(draft, load_formulary(None), {each.sha256: each for each in known}.get)


@pytest.mark.parametrize(
    ("name", "field", "text", "step", "words"),
    [
        (A, "id", "ITB 014", "patient", "'ITB 014' is not a name; allowed: 1 to 64 of A-Z a-z 0-9 . _ -, "
         "beginning with a letter or digit"),
        (A, "title", "evil\u202egnp", "patient", "has blanks at an end or unprintable characters"),
        (A, "title", "x" * 121, "patient", "has 121 characters; allowed: 1 to 120"),
        (A, "patient", "a\x00b", "patient", "has blanks at an end or unprintable characters"),
        (A, "prescriber", "", "patient", "is missing"),
        (A, "start", "31 02 2026 08:00", "patient", "'2026-02-31T08:00' is no day of the calendar; allowed: a day that "
         "exists"),
        (A, "start", "20 11 2026 24:00", "patient", "'2026-11-20T24:00' is not a start; allowed: local date and time "
         'such as "2026-11-20T08:00"'),
        (A, "start", "20 11 26 08:00", "patient", "'26-11-20T08:00' is not a start"),
        (A, "utc_offset", "+25:00", "patient", "'+25:00' is not an offset from UTC"),
        (A, "on_loss.hold", "0 h", "patient", "a hold of no length is a stop"),
        (A, "reservoir.drugs#1.name", "Baclofen", "reservoir", "'Baclofen' is not a drug name"),
        (A, "reservoir.drugs#1.concentration", "1000 ug", "reservoir", "'1000 ug' is not a concentration"),
        (A, "reservoir.drugs#1.concentration", "0 ug/mL", "reservoir", "is zero: the reservoir holds none"),
        (A, "reservoir.filled", "40 mg", "reservoir", "'mg' is no unit of volume"),
        (A, "reservoir.filled", "NaN mL", "reservoir", "'NaN mL' is not a volume"),
        (A, "reservoir.filled", "1e1 mL", "reservoir", "'1e1 mL' is not a volume"),
        (A, "reservoir.residual#2", "-1 mL", "reservoir", "'-1 mL' is not a volume"),
        (A, "reservoir.residual#2", "", "reservoir", "is missing; allowed: "),
        (A, "reservoir.alarm", "41 mL", "reservoir", "an alarm at 41 mL warns never or at once; allowed: above "
         "0 mL and below 40 mL"),
        (A, "catheter.length", "0 cm", "catheter", "a catheter of no length has no volume"),
        (A, "basal.steps#2.dose", "1.5 mg ug", "infusion", f"'1.5 mg ug' is not a mass; allowed: {ISSUE}"),
        (A, "basal.steps#2.dose", "1,5 ug", "infusion", f"'1,5 ug' is not a mass; allowed: {ISSUE}"),
        (A, "basal.steps#2.dose", "169 mL", "infusion", "'mL' is no unit of mass"),
        (A, "basal.steps#2.dose", "<script> ug", "infusion", f"'<script> ug' is not a mass; allowed: {ISSUE}"),
        (A, "basal.steps#2.from", "24:00", "infusion", f"'24:00' is not a time of day; allowed: {CLOCK}"),
        (A, "basal.steps#2.from", "9:00", "infusion", f"'9:00' is not a time of day; allowed: {CLOCK}"),
        (A, "basal.steps#3.from", "05:00", "infusion", "05:00 is before the step at 09:00; allowed: steps in order of "
         "time"),
        (A, "bolus#1.at", "25:00", "boluses", "'25:00' is not a time of day"),
        (A, "bolus#1.over", "0 min", "boluses", "a bolus over 0 s; allowed: above 0 s, at most 24 h"),
        (A, "bolus#1.within", "25 h", "boluses", "a bolus that must start within 25 h"),
        (A, "bolus#1.dose", "0 ug", "boluses", "a bolus of nothing"),
        (C, "patient_bolus.max_per_day", "4.5", "boluses", "'4.5' is not a whole number"),
        (C, "patient_bolus.max_per_day", "1000", "boluses", "1000 boluses a day; allowed: 1 to 999"),
        (C, "patient_bolus.lockout", "1 min", "boluses", "a lockout of 1 min is shorter than the bolus of"),
        (D, "titration.step#2.after", "0 d", "titration", "a step at once is no step; allowed: above 0 s"),
        (D, "titration.step#1.change", "20 %", "titration", "'20 %' is not"),
        (D, "prime.volume", "0 mL", "change", "a prime of nothing"),
        (D, "prime.path", "wet", "change", "'wet' is not known"),
        (E, "previous", "abc", "change", "'abc' is not a sha256"),
        (A, "limits.max_bolus", "0 ug", "change", "a limit of zero forbids every dose"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_beside_its_field(
    name: str, field: str, text: str, step: str, words: str
) -> None:
    draft = dict(fields_of(plan(name)))
    if field == "start":
        draft |= dict(
            zip(("start~day", "start~month", "start~year", "start~time"), text.split(), strict=True)
        )
    elif f"{field}~unit" in draft or text.endswith((" ug", " %")):
        number, _, unit = text.rpartition(" ")
        draft |= (
            {field: number, f"{field}~unit": unit, f"{field.rpartition('.')[0]}~kind": "change"}
            if ("change" in field)
            else {field: number, f"{field}~unit": unit}
        )
    else:
        draft |= {field: text}
    found = checked(draft)
    told = [(item.name, item.step) for item in found.problems if words in str(item)]
    assert told == [(field, step)], found.problems
    assert words in found.beside()[field].text
    assert found.beside()[field].level == "blocked"


TITRATED: Final = {"titration.step#1.after": "7", "titration.step#1.after~unit": "d", "titration.step#1~kind": "dose",
                   "titration.step#1.dose": "400", "titration.step#1.dose~unit": "ug/day"}  # fmt: skip
BY_DAYS: Final = {
    f"basal.days#{group}.{name}": text
    for group, days, dose in ((1, "mon tue wed thu fri", "100"), (2, "sat sun", "90"))
    for name, text in (
        ("days", days),
        ("steps#1.from", "00:00"),
        ("steps#1.dose", dose),
        ("steps#1.dose~unit", "ug"),
    )
}


@pytest.mark.parametrize(
    ("typed", "name", "sentence"),
    [
        ({"basal~kind": "minimum"}, "titration.step", 'mode = "minimum" has no dose to titrate; allowed: an infusion '
         "with a dose"),
        ({"basal~kind": "days", **BY_DAYS}, "titration.step#1.dose", "the daily dose differs between the weekdays; "
         'allowed: a change, such as "+20 %"'),
    ],
)  # fmt: skip
def test_what_a_titration_cannot_change_is_refused(typed: dict[str, str], name: str, sentence: str) -> None:
    assert checked({**fields_of(plan(A)), **TITRATED, **typed}).beside()[name].text == sentence


def test_each_way_in_which_the_form_says_what_the_file_says_otherwise_is_told_somewhere() -> None:
    told = [sentence for sheet in SHEETS.values() for _, sentence in sheet.wrong.values()]
    told += ["; allowed: an infusion with a dose", '; allowed: a change, such as "+20 %"']  # just above
    ends = {sentence.partition("; allowed: ")[2] for sentence in told}
    assert set(IN_THE_FORM.values()) <= ends


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_wrong_values_of_a_whole_step_are_refused_each_in_its_own_words(sheet: Sheet) -> None:
    found = checked({**fields_of(plan(sheet.plan)), **sheet.fields})
    told = {name: (item.level, item.text) for name, item in found.beside().items() if name in sheet.wrong}
    assert told == {name: ("blocked", sentence) for name, (_, sentence) in sheet.wrong.items()}
    assert found.plan is None


@pytest.mark.parametrize(
    ("old", "new", "field", "typed"),
    [
        ('dose = "169 ug"', 'dose = "1.5 mg ug"', "basal.steps#2.dose", {"basal.steps#2.dose": "1.5 mg"}),
        ('at = "22:00"', 'at = "24:00"', "bolus#1.at", {"bolus#1.at": "24:00"}),
        ('alarm = "2 mL"', 'alarm = "2 ug"', "reservoir.alarm", {"reservoir.alarm~unit": "ug"}),
        ('pump = "implant-40"', 'pump = "implant 40"', "pump", {"pump": "implant 40"}),
    ],
)
def test_the_words_are_those_of_plan_check(old: str, new: str, field: str, typed: dict[str, str]) -> None:
    text = (EXAMPLES / f"{A}.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    with pytest.raises(InvalidInput) as refused:
        parse_plan(text.replace(old, new))
    found = checked({**fields_of(plan(A)), **typed})
    assert [(field, p.what, p.allowed) for p in refused.value.problems] == [
        (item.name, item.what, item.allowed) for item in found.problems
    ]


def test_an_empty_form_says_what_is_missing_field_by_field() -> None:
    found = checked({})
    assert [(item.name, item.what) for item in found.problems if item.what == "is missing"] == [
        (name, "is missing")
        for name in ("id", "title", "patient", "prescriber", "pump", "utc_offset", "start", "reservoir.filled",
                     "reservoir.residual#1", "reservoir.alarm", "reservoir.drugs", "catheter.model", "catheter.length",
                     "basal.rate")
    ]  # fmt: skip
    assert all(item.what == "is missing" for item in found.problems)
    assert found.elsewhere("patient") == {"reservoir": 4, "catheter": 2, "infusion": 1}
    assert [item.label for item in found.problems][-1] == "Rate"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("rate", "basal.rate", "is missing"),
        ("steps", "basal.steps", "a day of 0 steps; allowed: 1 to 13 steps"),
        ("days", "basal.days", "mon, tue, wed, thu, fri, sat, sun stands in no group"),
    ],
)
def test_an_infusion_of_which_nothing_was_typed_is_told_where_it_was_chosen(
    kind: str, name: str, words: str
) -> None:
    draft = {name: text for name, text in fields_of(plan(A)).items() if not name.startswith("basal")}
    assert words in checked({**draft, "basal~kind": kind}).beside()[name].text
    assert not checked({**draft, "basal~kind": "minimum"}).problems


def test_a_finding_stands_at_the_bolus_as_it_was_typed_though_the_plan_sorts_them() -> None:
    """A plan's boluses are in order of time; 00:30 was typed second and is the plan's first."""
    draft = {
        **fields_of(plan(A)),
        "bolus#3.at": "00:30", "bolus#3.dose": "0.001", "bolus#3.dose~unit": "ug",
        "bolus#3.over": "20", "bolus#3.over~unit": "min",
    }  # fmt: skip
    found = checked(draft)
    small = [at.name for finding, at in zip(found.findings, found.places, strict=True)
             if finding.code == "bolus-below-step"]  # fmt: skip
    assert found.plan is not None
    assert found.plan.bolus[0].dose.pg == 1_000
    assert small == ["bolus#3.dose"]
    assert found.beside()["bolus#3.dose"].level == "blocked"


def test_findings_are_those_of_the_review_and_a_reason_is_no_fault() -> None:
    found = checked(fields_of(plan(A)))
    assert not found.blocked
    assert found.beside()["basal~kind"].level == "reason"
    assert found.elsewhere("patient") == {}


# --- a change of what the path holds --------------------------------------------------------------------------------


def test_the_same_fluid_needs_no_bridge() -> None:
    old = plan(A)
    assert checked({**fields_of(old), "previous": old.sha256}, old).fluid == (
        "The path holds baclofen 1000 ug/mL of A-FLEX-NIGHT-BOLUS. The reservoir gets baclofen 1000 ug/mL. "
        "That is the same fluid: no bridge is needed."
    )


def test_another_concentration_needs_a_bridge_and_the_review_says_so_too() -> None:
    old = plan(A)
    draft = {**fields_of(old), "previous": old.sha256, "reservoir.drugs#1.concentration": "2000"}
    found = checked(draft, old)
    assert found.fluid.endswith(
        "The reservoir gets baclofen 2000 ug/mL. They differ, so a bridge is needed: none is asked for."
    )
    assert "bridge-missing" in [finding.code for finding in found.findings]
    assert found.beside()["bridge~kind"].level == "blocked"
    bridged = checked({**draft, "bridge~kind": "path"}, old)
    assert bridged.fluid.endswith("They differ, so a bridge is needed: it is asked for below.")
    assert "bridge-missing" not in [finding.code for finding in bridged.findings]


def test_what_the_reservoir_gets_is_said_before_the_rest_is_typed() -> None:
    old = plan(A)
    drug = {"reservoir.drugs#1.name": "baclofen", "reservoir.drugs#1.concentration": "500",
            "reservoir.drugs#1.concentration~unit": "ug/mL"}  # fmt: skip
    assert checked({"previous": old.sha256}, old).fluid.endswith(
        "What the reservoir gets is not complete yet."
    )
    assert "a bridge is needed" in checked({"previous": old.sha256, **drug}, old).fluid
    assert checked(drug, old).fluid == ""
    assert checked({"previous": "f" * 64, **drug}, old).fluid == ""


def test_a_new_path_that_is_primed_is_not_bridged() -> None:
    old = plan(A)
    draft = {
        **fields_of(old),
        "previous": old.sha256,
        "reservoir.drugs#1.concentration": "2000",
        "prime~kind": "yes",
    }
    assert "nothing to bridge" in checked({**draft, "prime.path": "empty"}, old).fluid
    assert "a bridge is needed" in checked({**draft, "prime.path": "aspirated"}, old).fluid
