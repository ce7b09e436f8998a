"""A plan that was approved on the command line is one of the page's: listed, printed, compared with, withdrawn."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from httpx import Response

from pump_ctrl.clinic import Reviewed
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.plan_write import plan_text
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web.entry.draft import fields_of
from tests.unit.review_bench import MIXTURE, after, old, plan
from tests.unit.web.kit import PASSWORD, Desk, Page

OFF = "Here stands what accounts signed, on this page or with pump-ctrl plan approve on the command line."
ON = "✔ approved on the command line"


def words(answer: Response) -> str:
    """What stands on a page, without its markup."""
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2])).split())


def approve(
    page: Page, of: DosingPlan, *names: str, before: DosingPlan | None = None, given: Reviewed | None = None
) -> str:
    """As ``pump-ctrl plan approve`` does, over the same state directory; where the page shows it."""
    given = given or Reviewed(of, load_formulary(), load_profile(of.pump), before)
    people = [(page.clinic.accounts.get(name), PASSWORD) for name in names or ("eve",)]
    reasons = {item.key: "bench trial" for item in given.findings if item.level == "reason"}
    page.clinic.versions.sign_file(given, people, reasons)  # type: ignore[arg-type]
    return f"/signed/{of.sha256}"


def row_of(page: Page, plan_id: str) -> str:
    text = page.desk("dan").get("/plans").text
    row = next(row for row in text.split("<tr>") if f">{plan_id}<" in row)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", row)).split())


def test_it_is_listed_with_who_approved_it_and_how(page: Page, ann: Desk) -> None:
    approve(page, plan(id="C-1", rate="200 ug/day"))
    assert f"{ON} Eve Example (eve), Friday 20 November 2026, 12:00 UTC" in row_of(page, "C-1")
    assert OFF in words(ann.get("/plans"))
    assert "can be compared with and is offered to no pump" in words(ann.get("/plans"))


def test_a_reason_that_was_given_for_a_code_stands_beside_all_that_it_was_given_for(
    page: Page, ann: Desk
) -> None:
    of = plan(MIXTURE, "4 mg/day", id="C-10", on_loss="stop")
    given = Reviewed(of, load_formulary(), load_profile(of.pump), None)
    people = [(page.clinic.accounts.get(name), PASSWORD) for name in ("eve", "bob")]
    page.clinic.versions.sign_file(given, people, {"start-soft": "as before"})  # type: ignore[arg-type]
    shown = words(ann.get(f"/signed/{of.sha256}"))
    found = shown.partition("Why it was accepted")[2].partition("Carry it out")[0]
    assert found.count("first dose of") == 2
    assert "first dose of morphine" in found
    assert "first dose of bupivacaine" in found
    assert found.endswith("as before ")


def test_its_page_its_sheet_and_its_exports_are_those_of_any_other(page: Page, ann: Desk) -> None:
    of = plan(id="C-2", rate="200 ug/day")
    at = approve(page, of)
    shown = words(ann.get(at))
    assert "✔ Approved on the command line." in shown
    assert "Eve Example (eve)" in shown
    assert f"pump-ctrl run {page.clinic.place}/plans/C-2-{of.sha256[:12]}.toml" in shown
    assert "Changed since it was signed" not in shown
    sheet = words(ann.get(f"{at}/paper"))
    assert "✔ Approved on the command line." in sheet
    assert "Limits and their sources" in sheet
    assert ann.get(f"{at}/plan.toml").text == plan_text(of)
    assert ann.get(f"{at}/plan.json").json()["signatures"][0]["account"] == "eve"
    assert "200" in ann.get(f"{at}/plan.csv").text


def test_a_plan_is_written_after_it_and_compared_with_it(page: Page, ann: Desk) -> None:
    of = plan(id="C-3", rate="200 ug/day", start="2026-09-01T08:00")
    approve(page, of)
    new = plan(id="C-3-2", rate="210 ug/day", previous=of.sha256)
    draft = page.clinic.drafts.new("ann", fields_of(new))
    shown = words(ann.get(f"/plans/{draft.key}/finish"))
    assert "200 ug/day 210 ug/day +5 %" in shown
    assert "was not signed by accounts here" not in shown
    assert f"C-3: test ({of.sha256[:12]})" in ann.get(f"/plans/{draft.key}/change").text


def test_it_is_withdrawn_and_says_by_whom_and_when(page: Page, ann: Desk) -> None:
    at = approve(page, plan(id="C-4", rate="200 ug/day"))
    assert ann.post(f"{at}/withdraw", {"form": ann.token(at, f"{at}/withdraw")}).status_code == 303
    said = "withdrawn on Friday 20 November 2026, 12:00 UTC, by Ann Example (ann)"
    assert f"✖ Withdrawn. It was {said}." in words(ann.get(at))
    assert f"✖ {said}" in row_of(page, "C-4")
    assert f"✖ W{said[1:]}" in words(ann.get(f"{at}/paper"))


def test_the_plan_that_it_follows_is_known_and_told_to_be_one_that_nobody_verified(
    page: Page, ann: Desk
) -> None:
    new, before = after(old(rate="200 ug/day", id="C-OLD"), rate="210 ug/day", id="C-5")
    at = approve(page, new, before=before)
    shown = words(ann.get(at))
    assert "Changed since it was signed" not in shown
    assert "200 ug/day 210 ug/day +5 %" in shown
    assert (
        "C-OLD, the plan in force, was not signed by accounts here: its file was given to compare with"
        in shown
    )
    assert ">C-OLD<" not in ann.get("/plans").text


def test_the_page_says_of_a_plan_that_was_given_by_hand_that_nobody_verified_it(
    page: Page, ann: Desk
) -> None:
    new, before = after(old(rate="200 ug/day", id="D-OLD"), rate="210 ug/day", id="D-1")
    draft = page.clinic.drafts.new("ann", fields_of(new))
    finish, action = f"/plans/{draft.key}/finish", f"/plans/{draft.key}/previous"
    asked = words(ann.get(finish))
    assert "which was not signed by accounts here. Put its plan file here" in asked
    assert "Nothing is signed or approved by this, and no pump is offered it." in asked
    ann.post(action, {"form": ann.token(finish, f"{action}#previous"), "text": plan_text(before)})
    told = words(ann.get(finish))
    assert (
        "D-OLD, the plan in force, was not signed by accounts here: its file was given to compare with"
        in told
    )
    approve(page, before)
    assert "was not signed by accounts here" not in words(ann.get(finish))


def profile_of_ones_own() -> tuple[DosingPlan, Reviewed]:
    own = replace(load_profile("implant-40"), name="my-pump", sha256="1" * 64)
    of = plan(id="C-6", rate="200 ug/day", pump="my-pump")
    return of, Reviewed(of, load_formulary(), own, None)


def test_one_for_a_pump_of_ones_own_is_shown_without_figures_and_says_why(page: Page, ann: Desk) -> None:
    of, given = profile_of_ones_own()
    at = approve(page, of, given=given)
    for path in (at, f"{at}/paper"):
        shown = words(ann.get(path))
        assert "! No figures and no findings here: this page has no profile of the plan's pump" in shown
        assert "; the plan was approved on the command line, with a profile of its own." in shown
        assert "my-pump" in shown
        assert "Eve Example (eve)" in shown
    assert "In figures" not in words(ann.get(at))
    assert f"C-6-{of.sha256[:12]}.toml --pump FILE --port URL" in words(ann.get(at))
    assert ann.get(f"{at}/plan.json").json()["figures"] == []
    assert ann.get(f"{at}/plan.csv").text == "plan,sha256,state,what,drug,value,unit\n"
    assert ann.get(f"{at}/plan.toml").text == plan_text(of)
    assert f"{ON} Eve Example" in row_of(page, "C-6")
    assert ann.post(f"{at}/withdraw", {"form": ann.token(at, f"{at}/withdraw")}).status_code == 303


def test_one_under_limits_of_ones_own_is_shown_as_the_pages_limits_see_it_and_says_so(
    page: Page, ann: Desk
) -> None:
    of = plan(id="C-7", rate="200 ug/day")
    own = replace(load_formulary(), sha256="2" * 64)
    at = approve(page, of, given=Reviewed(of, own, load_profile("implant-40"), None))
    shown = words(ann.get(at))
    assert "or it was approved under another formulary or profile than this page's" in shown
    assert "In figures" in shown


def test_a_drug_that_only_another_formulary_has_is_told_on_its_page_and_sheet(page: Page, ann: Desk) -> None:
    ours = load_formulary()
    entry = ours.drug("baclofen")
    own = replace(ours, sha256="3" * 64, drugs={**ours.drugs, "baclofenix": entry})
    of = plan({"baclofenix": "1000 ug/mL"}, id="C-8", rate="200 ug/day")
    at = approve(page, of, given=Reviewed(of, own, load_profile("implant-40"), None))
    assert "baclofenix is not in " in words(ann.get(at))
    assert "not in this formulary: it was approved under another one" in words(ann.get(f"{at}/paper"))
