"""Paper: printed by the browser, each page carries the plan's fingerprint and its number."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pypdf import PdfReader

from pump_ctrl.therapy.plan import load_plan
from tests.web.kit import ROOT, approved

PLANS = ("a-flex-night-bolus", "e-bridge-before", "e-bridge")


def printed(page: Page, path: Path) -> list[str]:
    """The text of each page of paper."""
    page.pdf(path=path, prefer_css_page_size=True, print_background=True)
    sheets = [sheet.extract_text(extraction_mode="layout") for sheet in PdfReader(path).pages]
    return [unicodedata.normalize("NFKC", sheet) for sheet in sheets]  # a ligature is two letters


@pytest.fixture(scope="module")
def papers(place: Path) -> dict[str, str]:
    """The page of each plan, signed."""
    return {name: approved(place, load_plan(ROOT / "examples" / f"{name}.toml")) for name in PLANS}


@pytest.mark.parametrize("name", PLANS)
def test_each_page_of_paper_has_the_hash_and_its_number(
    ann: Page, at: str, papers: dict[str, str], tmp_path: Path, name: str
) -> None:
    ann.goto(f"{at}{papers[name]}/paper")
    sheets = printed(ann, tmp_path / "sheet.pdf")
    assert len(sheets) <= 4
    for number, text in enumerate(sheets, 1):
        assert f"sha256 {papers[name].rpartition('/')[2]}" in text
        assert f"page {number} of {len(sheets)}" in text
        assert "Bench and research software, not a medical device" in text
    whole = "\n".join(sheets)
    assert "Log out" not in whole  # nothing that can be clicked
    assert "Skip to" not in whole


def test_the_sheet_of_a_change_has_before_and_after_and_what_stays_the_same(
    ann: Page, at: str, papers: dict[str, str], tmp_path: Path
) -> None:
    ann.goto(f"{at}{papers['e-bridge']}/paper")
    text = " ".join(" ".join(printed(ann, tmp_path / "sheet.pdf")).split())
    for part in (
        "volume a day 0.6 mL/day 0.3 mL/day -50 %",
        "5 mg/mL 10 mg/mL +100 %",
        "Filled 20 mL 20 mL",
        "Refill by Friday 29 January 2027",
        "Ann Example",
        "Patient card",
        "hydromorphone dose in any 24 h, hard limit",
        "Limits and their sources",
    ):
        assert part in text, part


def test_what_is_folded_on_the_page_is_printed(
    ann: Page, at: str, papers: dict[str, str], tmp_path: Path
) -> None:
    ann.goto(at + papers["e-bridge"])
    assert not ann.locator("details table").is_visible()
    text = " ".join(printed(ann, tmp_path / "finish.pdf"))
    assert re.search(r"Fields that stay as they are.*Filled +20 mL +20 mL", text, re.DOTALL)


def test_the_exports_are_files_of_the_plan(ann: Page, at: str, papers: dict[str, str]) -> None:
    plan = load_plan(ROOT / "examples" / "e-bridge.toml")
    ann.goto(at + papers["e-bridge"])
    for button, suffix in (("JSON", "json"), ("CSV", "csv"), ("Plan file", "toml")):
        with ann.expect_download() as download:
            ann.click(f"main a.button:text-is('{button}')")
        assert download.value.suggested_filename == f"E-BRIDGE-{plan.sha256[:12]}.{suffix}"
        text = download.value.path().read_text(encoding="utf-8")
        assert plan.sha256 in text
        if suffix == "json":
            assert json.loads(text)["values"] == json.loads(plan.canonical_json())
