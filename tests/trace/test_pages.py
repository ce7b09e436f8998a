"""What the pages on safety cite is there: ids of invariants, rules, faults, hazards; files; rows that are not met."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.trace import hazards, requirements
from tests.trace.cited import gone
from tests.trace.links import DOCS

PAGES = tuple(sorted(DOCS.glob("*.md")))
HAZARDS = {row["id"] for row in hazards.data()["hazard"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_cites_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert list(gone([text], ())) == []
    assert set(re.findall(r"\bHZ-\d\d\b", text)) <= HAZARDS


def test_every_weakness_that_the_safety_case_takes_from_a_published_row_is_one_that_is_not_met() -> None:
    text = (DOCS / "safety-case.md").read_text(encoding="utf-8").partition("## Weaknesses found so far")[2]
    unmet = {row["id"] for row in requirements.data()["row"] if row["verdict"] == "not met"}
    named = set(re.findall(r"REQ\d+|X-\d\d|R\d\.\d\.\d\(\d+(?:-\d+)?\)", text))
    assert named
    assert named <= unmet


def test_every_hazard_is_one_that_a_claim_names() -> None:
    """But for HZ-25: protection from whoever means harm is not claimed."""
    text = (DOCS / "safety-case.md").read_text(encoding="utf-8").partition("## Claims")[2]
    named = set(re.findall(r"\bHZ-\d\d\b", text))
    for first, last in re.findall(r"HZ-(\d\d) to HZ-(\d\d)", text):
        named |= {f"HZ-{number:02}" for number in range(int(first), int(last) + 1)}
    assert named == HAZARDS - {"HZ-25"}
