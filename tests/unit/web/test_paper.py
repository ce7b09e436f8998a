"""Paper and exports: what stands on the sheet, and that a file says what was signed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.therapy.plan import load_plan, parse_plan
from tests.unit.web.kit import Desk, Page, room, served
from tests.unit.web.test_finish import SOFT, WHY, Case, fresh, words

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def signed() -> Iterator[tuple[Page, Case]]:
    """Plan A, signed by two people."""
    with room() as place, served(place) as page:
        case = Case(page, load_plan(EXAMPLES / "a-flex-night-bolus.toml"))
        case.sign(page.desk("ann"))
        case.second(page.desk("bob"))
        yield page, case


@pytest.fixture
def dan(signed: tuple[Page, Case]) -> Desk:
    """A viewer: paper is for everybody who is logged in."""
    return signed[0].desk("dan")


def test_the_sheet_says_who_what_when_and_by_whose_limits(signed: tuple[Page, Case], dan: Desk) -> None:
    text = words(dan.get(f"{signed[1].signed}/paper"))
    for part in (
        "Patient BENCH-001",
        "Start Friday 20 November 2026, 08:00 (UTC+01:00)",
        "✔ Approved",
        "Ann Example (ann)",
        "Bob Example (bob), second person",
        WHY,
        f"Fingerprint {signed[1].plan.sha256}",
        "Patient card",
        "Low-reservoir alarm Tuesday 23 February 2027",
        "Refill by Tuesday 23 February 2027",
        "Drugs in the pump baclofen 1000 ug/mL",
        "First plan: nothing was in force before.",
        "Bolus 1, Dose bolus#1.dose 60 ug",
        "baclofen daily dose, soft limit 1000 ug/day [S59]",
        "baclofen dose in any 24 h, hard limit 2000 ug [PROPOSAL, unverified]",
        "baclofen on label by this route yes [S1]",
        "pump_ctrl 0.1.0. Bench and research software: not a medical device, not for use on people.",
    ):
        assert part in text, part
    assert "True" not in text
    assert "Version(" not in text


def test_what_stands_at_the_edge_of_every_page_is_hash_number_and_warning(
    signed: tuple[Page, Case], dan: Desk
) -> None:
    style = dan.get(f"{signed[1].signed}/paper.css")
    assert style.headers["content-type"].startswith("text/css")
    assert signed[1].plan.sha256 in style.text
    assert 'counter(page) " of " counter(pages)' in style.text
    assert "not a medical device" in style.text


def test_a_plan_that_is_not_approved_says_so_on_paper(page: Page, ann: Desk) -> None:
    case = Case(page, fresh())
    case.sign(ann)
    text = words(ann.get(f"{case.signed}/paper"))
    assert "Not approved: waits for a second signature" in text
    assert "✔ Approved" not in text


def test_the_json_is_the_plan_with_its_signatures(signed: tuple[Page, Case], dan: Desk) -> None:
    answer = dan.get(f"{signed[1].signed}/plan.json")
    assert (
        f'filename="A-FLEX-NIGHT-BOLUS-{signed[1].plan.sha256[:12]}.json"'
        in answer.headers["content-disposition"]
    )
    found = answer.json()
    assert found["plan"] == {"id": "A-FLEX-NIGHT-BOLUS", "sha256": signed[1].plan.sha256}
    assert found["values"] == json.loads(signed[1].plan.canonical_json())
    assert [(each["account"], each["name"]) for each in found["signatures"]] == [
        ("ann", "Ann Example"),
        ("bob", "Bob Example"),
    ]
    assert (found["state"], found["reasons"]) == ("approved", {SOFT: WHY})
    assert {each["digest"] for each in found["signatures"]} == {found["digest"]}


def test_the_csv_has_a_row_for_each_figure_with_its_unit(signed: tuple[Page, Case], dan: Desk) -> None:
    rows = list(csv.DictReader(dan.get(f"{signed[1].signed}/plan.csv").text.splitlines()))
    assert {row["sha256"] for row in rows} == {signed[1].plan.sha256}
    assert {row["state"] for row in rows} == {"approved"}
    found = {(row["what"], row["drug"]): (row["value"], row["unit"]) for row in rows}
    assert found["infusion a day", "baclofen"] == ("340", "ug")
    assert found["scheduled boluses a day", "baclofen"] == ("60", "ug")
    assert found["most in any 24 h, boluses on time", "baclofen"] == ("400", "ug")
    assert found["most in any 24 h, at worst", "baclofen"] == ("415.2", "ug")
    assert found["hard limit of any 24 h", "baclofen"] == ("2000", "ug")
    assert found["volume a day", ""] == ("0.400", "mL")


def test_the_plan_file_is_the_plan(signed: tuple[Page, Case], dan: Desk) -> None:
    text = dan.get(f"{signed[1].signed}/plan.toml").text
    assert parse_plan(text, "x").canonical_json() == signed[1].plan.canonical_json()


@pytest.mark.parametrize("what", ["", "/paper", "/paper.css", "/plan.json", "/plan.csv", "/plan.toml"])
def test_paper_is_for_who_is_logged_in_and_of_plans_that_there_are(
    signed: tuple[Page, Case], dan: Desk, what: str
) -> None:
    page, case = signed
    assert page.desk().get(f"{case.signed}{what}").headers["location"].startswith("/login?next=")
    assert dan.get(f"/signed/{'0' * 64}{what}").status_code == 404


def test_a_plan_with_stages_says_on_the_card_from_which_dose_to_which_it_goes(page: Page, ann: Desk) -> None:
    case = Case(page, load_plan(EXAMPLES / "g-itb-start.toml"))
    case.sign(ann)
    text = words(ann.get(f"{case.signed}/paper"))
    card = (
        "A day from baclofen 100 ug in 0.200 mL (Wednesday 25 November 2026) "
        "to baclofen 298.6 ug in 0.597 mL (Wednesday 2 December 2026)"
    )
    assert card in text
    assert "Doses a day of the first stage" in text
    assert "14:00 248.83 ug" in text  # the finding says 248.9


def test_the_card_says_what_the_patient_may_ask_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served(tmp_path_factory.mktemp("state")) as page:
        case = Case(page, load_plan(EXAMPLES / "c-patient-bolus.toml"))
        case.sign(page.desk("ann"))
        text = words(page.desk("ann").get(f"{case.signed}/paper"))
    asked = "400 ug of morphine in 10 min, at most 4 in any 24 h; the next no sooner than 3 h after the end of one"
    assert f"On request {asked}" in text


def test_a_plan_without_stages_has_one_dose_on_its_card(signed: tuple[Page, Case], dan: Desk) -> None:
    text = words(dan.get(f"{signed[1].signed}/paper"))
    assert "of the first stage" not in text
    assert "A day baclofen" in text


def test_every_printed_page_of_a_plan_that_waits_or_was_withdrawn_says_so(page: Page, ann: Desk) -> None:
    case = Case(page, fresh())
    case.sign(ann)
    edge = f"{case.signed}/paper.css"
    assert '@top-left { content: "NOT APPROVED: waits for a second signature";' in ann.get(edge).text
    case.second(page.desk("bob"))
    assert '@top-left { content: "";' in ann.get(edge).text
    ann.post(f"{case.signed}/withdraw", {"form": ann.token(case.signed, f"{case.signed}/withdraw")})
    assert '@top-left { content: "WITHDRAWN";' in ann.get(edge).text
