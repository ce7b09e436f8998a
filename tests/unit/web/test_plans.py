"""The list of plans: a new one, one out of a file, one that follows a signed one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.clinic import Draft, Reviewed
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.web.entry.draft import fields_of, typed
from tests.unit.web.kit import NOON_MS, PASSWORD, Desk, Page

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
BENCH: Final = EXAMPLES / "bench.toml"  # needs no second signature
PRIMED: Final = EXAMPLES / "d-ziconotide-titration.toml"


def begin(page: Page, desk: Desk, **form: str) -> Draft:
    """The draft that is begun."""
    answer = desk.post("/plans", {"form": desk.token("/plans"), **form})
    assert answer.status_code == 303, answer.text
    key = re.fullmatch(r"/plans/([0-9a-f]{12})/patient", answer.headers["location"])
    assert key
    draft = page.clinic.drafts.get(key[1])
    assert draft is not None
    return draft


def sign(page: Page, plan: DosingPlan) -> str:
    """Sign a plan as Ann; its fingerprint."""
    account = page.clinic.accounts.get("ann")
    assert account is not None
    draft = page.clinic.drafts.new("ann", fields_of(plan))
    given = Reviewed(plan, load_formulary(None), load_profile(plan.pump), None)
    reasons = {finding.key: "bench trial" for finding in given.findings if finding.level == "reason"}
    return page.clinic.versions.sign(draft.key, given, account, PASSWORD, reasons, given.digest).sha256


def test_a_new_plan_is_empty(page: Page, ann: Desk) -> None:
    assert begin(page, ann, **{"from": "nothing"}).fields == {"utc_offset": "+00:00"}


def test_a_plan_file_begins_a_draft_that_stands_for_the_same_plan(page: Page, ann: Desk) -> None:
    text = PRIMED.read_text(encoding="utf-8").replace("\n", "\r\n")
    draft = begin(page, ann, **{"from": "file", "text": text}).fields
    assert plan_from(typed(draft).values).sha256 == load_plan(PRIMED).sha256


@pytest.mark.parametrize("text", ["", "<script>alert(1)</script>", "schema = 1\nid = 'x'", "a.b = " * 1_000])
def test_a_text_that_is_no_plan_begins_nothing_and_still_stands(page: Page, ann: Desk, text: str) -> None:
    before = page.clinic.drafts.all()
    answer = ann.post("/plans", {"form": ann.token("/plans"), "from": "file", "text": text})
    assert answer.status_code == 400
    assert "The text is no plan." in answer.text
    assert "<script>alert" not in answer.text
    assert page.clinic.drafts.all() == before


def test_a_plan_that_follows_a_signed_one_asks_for_its_start_anew(page: Page, ann: Desk) -> None:
    plan = load_plan(BENCH)
    sha256 = sign(page, plan)
    kept = begin(page, ann, **{"from": "version", "sha256": sha256})
    draft = kept.fields
    assert draft["previous"] == sha256
    assert draft["id"] == f"{plan.id}-2"
    assert [name for name in draft if name.startswith("start")] == []
    assert draft["reservoir.drugs#1.concentration"] == fields_of(plan)["reservoir.drugs#1.concentration"]
    text = ann.get(f"/plans/{kept.key}/change").text
    assert f"of {plan.id}. The reservoir gets" in text
    assert "That is the same fluid: no bridge is needed." in text
    assert re.search(r'data-beside="start">is missing<', ann.get(f"/plans/{kept.key}/patient").text)


def test_a_plan_that_waits_for_a_signature_is_copied_and_not_followed_and_its_prime_is_not_given_again(
    page: Page, ann: Desk
) -> None:
    plan = load_plan(EXAMPLES / "b-morphine-continuous.toml")
    assert plan.prime is not None
    sha256 = sign(page, plan)
    version = page.clinic.versions.get(sha256)
    assert version is not None
    draft = begin(page, ann, **{"from": "version", "sha256": sha256}).fields
    assert ("previous" in draft) == (version.state == "approved")
    assert "prime" not in typed(draft).values
    assert draft["prime.volume"] == fields_of(plan)["prime.volume"]  # still there, if somebody chooses it


def test_who_may_not_write_begins_nothing(page: Page) -> None:
    dan = page.desk("dan")
    assert "New plan" not in dan.get("/plans").text
    assert dan.post("/plans", {"form": "x", "from": "nothing"}).status_code == 403
    assert page.desk("ann").post("/plans", {"form": "x", "from": "nothing"}).status_code == 403


def test_a_plan_after_a_titrated_one_begins_with_the_infusion_that_is_reached_and_says_so(
    page: Page, ann: Desk
) -> None:
    plan = load_plan(EXAMPLES / "f-taper.toml")
    sha256, bob = sign(page, plan), page.clinic.accounts.get("bob")
    assert bob is not None
    given = Reviewed(plan, load_formulary(None), load_profile(plan.pump), None)
    version = page.clinic.versions.get(sha256)
    assert version is not None
    waits = begin(page, ann, **{"from": "version", "sha256": sha256})
    assert (waits.fields["basal.rate"], "previous" in waits.fields) == (
        "400",
        False,
    )  # a copy: nobody has had it
    assert waits.fields["titration.step#1.change"] == "-20"
    page.clinic.versions.second(given, bob, PASSWORD, given.digest, version.first_seal)
    page.clock.jump_wall(plan.start_utc_ms + 6 * 86_400_000 - page.clock.utc_ms())
    draft = begin(page, ann, **{"from": "version", "sha256": sha256})
    assert (draft.fields["basal.rate"], draft.fields["basal.rate~unit"]) == ("204.8", "ug/day")
    assert not [name for name in draft.fields if name.startswith("titration")]
    said = "F-TAPER, which this plan follows, is titrated: by its own clock its infusion is 204.8 ug/day of baclofen"
    for step in ("infusion", "titration"):
        assert said in ann.get(f"/plans/{draft.key}/{step}").text
    for step in ("patient", "change"):
        assert said not in ann.get(f"/plans/{draft.key}/{step}").text
    page.clock.jump_wall(NOON_MS - page.clock.utc_ms())


def test_the_list_says_who_signed_by_account_too_and_when_in_utc(page: Page) -> None:
    sign(page, load_plan(PRIMED))
    assert "Ann Example (ann), Friday 20 November 2026, 12:00 UTC" in page.desk("dan").get("/plans").text
