"""The worked plans, typed by hand into an empty form, signed, tried out: what comes out is their file."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from pump_ctrl.therapy.approval import approval_path, load_approval
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from tests.web.kit import ROOT, sign, write_plan

PLANS = [
    "a-flex-night-bolus",
    "a2-minimum-with-boluses",
    "b-morphine-continuous",
    "c-patient-bolus",
    "d-ziconotide-titration",
    "f-taper",
    "g-itb-start",
    "h-over-infusing",
    "a-bench-twin",
]
PAIRS = [("e-bridge-before", "e-bridge"), ("e2-bridge-before", "e2-bridge")]


def typed(page: Page, bob: Page, at: str, place: Path, name: str) -> None:
    file = ROOT / "examples" / f"{name}.toml"
    plan = load_plan(file)
    finish = write_plan(page, at, fields_of(plan))
    assert page.locator("main .hash").first.inner_text() == plan.sha256
    page.click("text=Simulate 30 days")
    page.wait_for_selector(".trial")
    assert "no limit was passed" in page.locator(".trial [role=status]").inner_text()
    signed = sign(page, at, finish, bob)
    assert signed.endswith(plan.sha256)
    assert page.locator("text=✔ Approved.").count() == 1
    with page.expect_download() as download:
        page.click("text=Plan file")
    written = load_plan(download.value.path())
    assert written.canonical_json() == plan.canonical_json()
    kept = place / "plans" / f"{plan.id}-{plan.sha256[:12]}.toml"
    assert load_approval(approval_path(kept), load_plan(kept)).plan_sha256 == plan.sha256


@pytest.mark.parametrize("name", PLANS)
def test_a_worked_plan_typed_by_hand_is_its_file(
    ann: Page, bob: Page, at: str, place: Path, name: str
) -> None:
    typed(ann, bob, at, place, name)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_worked_plan_with_a_bridge_follows_the_one_that_was_signed_before(
    ann: Page, bob: Page, at: str, place: Path, before: str, after: str
) -> None:
    typed(ann, bob, at, place, before)
    typed(ann, bob, at, place, after)
