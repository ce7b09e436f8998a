"""A step as it is drawn: what stands where, what is hidden, where two people typed something else."""

from __future__ import annotations

from pump_ctrl.web.entry.check import Beside
from pump_ctrl.web.entry.form import MONTHS, Shown, ShownGroup, shown, unlike
from pump_ctrl.web.entry.steps import steps

STEP = {step.key: step for step in steps()}


def group(step: str, title: str, draft: dict[str, str], **told: Beside) -> ShownGroup:
    return next(each for each in shown(STEP[step], draft, told, {}) if each.title == title)


def field(found: ShownGroup, name: str) -> Shown:
    return next(
        each
        for each in (*found.fields, *(f for row in found.shown_rows for f in row.fields))
        if each.name == name
    )


def test_a_quantity_shows_its_number_and_its_unit() -> None:
    found = field(
        group("infusion", "Steps of the day", {"basal.steps#1.dose": "1.5", "basal.steps#1.dose~unit": "mg"}),
        "basal.steps#1.dose",
    )
    assert (found.value, found.unit, found.field.units[0]) == ("1.5", "mg", "ug")


def test_what_a_choice_hides_is_there_and_hidden() -> None:
    draft = {
        "basal~kind": "steps",
        "basal.steps#1~kind": "rate",
        "basal.steps#1.dose": "75",
        "basal.rate": "400",
    }
    steps_of = group("infusion", "Steps of the day", draft)
    assert not steps_of.hidden
    assert field(steps_of, "basal.steps#1.dose").hidden
    assert field(steps_of, "basal.steps#1.dose").value == "75"
    assert not field(steps_of, "basal.steps#1.rate").hidden
    assert field(steps_of, "basal.steps#1.rate").when == "basal.steps#1~kind=rate"
    assert group("infusion", "Groups of weekdays", draft).hidden
    assert field(group("infusion", "Mode", draft), "basal.rate").hidden


def test_a_problem_stands_at_its_field_its_row_and_its_list() -> None:
    draft = {"bolus#2.at": "06:00"}
    told = {name: Beside("blocked", name) for name in ("bolus", "bolus#2", "bolus#2.dose")}
    found = next(each for each in shown(STEP["boluses"], draft, told, {}) if each.rows == "bolus")
    assert found.problem == told["bolus"]
    assert [row.problem for row in found.shown_rows] == [None, told["bolus#2"]]
    assert field(found, "bolus#2.dose").problem == told["bolus#2.dose"]
    assert field(found, "bolus#1.dose").problem is None


def test_a_choice_that_is_no_longer_offered_is_shown_and_kept() -> None:
    found = field(group("catheter", "Catheter", {"catheter.model": "old-one"}), "catheter.model")
    assert ("old-one", "old-one") in found.choices


def test_a_month_is_chosen_and_not_taken_for_granted() -> None:
    assert MONTHS[0] == ("", "month…")
    assert MONTHS[2] == ("02", "February")


def test_no_more_rows_are_offered_than_there_may_be() -> None:
    assert group("reservoir", "Drugs of the mixture", {"reservoir.drugs~rows": "7"}).more
    assert not group("reservoir", "Drugs of the mixture", {"reservoir.drugs~rows": "8"}).more


def test_where_two_people_typed_something_else_is_told_in_words() -> None:
    mine = {"title": "Mine", "id": "A", "start~day": "5", "on_loss~kind": "stop", "basal.rate": "1"}
    theirs = {"title": "Theirs", "id": "A", "start~day": "6", "basal.rate": "2", "on_loss.hold": "4",
              "on_loss.hold~unit": "h"}  # fmt: skip
    assert [(each.label, each.mine, each.theirs) for each in unlike(STEP["patient"], mine, theirs)] == [
        ("Holds for", "", "4 h"),
        ("The pump", "stops", "does what the formulary says for these drugs"),
        ("Title", "Mine", "Theirs"),
        ("Start", "-00-05T", "-00-06T"),
    ]
