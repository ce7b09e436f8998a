"""Every fault of the table on every pump: the safe response, the bounds, the ledger; and the page that says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.driver_stacks import Kind
from tests.faults.page import PAGE, SHOWN, came, page
from tests.faults.table import ELSEWHERE, ROWS, Row

ROOT = Path(__file__).parents[2]
CELLS = [(row, kind) for kind in SHOWN for row in ROWS if row.applies(kind)]
WANTED = {f"F-{number:02d}" for number in (*range(1, 36), *range(42, 69))} - {"F-36"}


@pytest.mark.parametrize(
    ("row", "kind"), CELLS, ids=lambda part: re.sub(r"\W+", "-", str(getattr(part, "what", part)))
)
def test_a_fault_has_its_safe_response_within_its_bounds(row: Row, kind: Kind) -> None:
    found = came(row, kind)  # the books are looked at in every turn of it
    assert (found.above, found.below) == (0, 0), "the truth is outside of the ledger"
    assert found.over <= row.most_nl(kind)
    assert found.unseen <= row.unseen_nl
    assert not row.alarms or row.alarms & set(found.alarms)
    assert found.state in row.ends, "a person finds no way out"
    delivered = sum(int(text.split()[0]) for text in found.bolus if text.endswith("delivered"))
    pressed = any(what == "press" for _, what in row.events)
    assert delivered <= 1 + pressed, "a dose twice"


def test_every_fault_of_the_specification_is_in_the_table_or_shown_elsewhere() -> None:
    named = {fault for row in ROWS for fault in row.id.split()} | set(ELSEWHERE)
    assert named == WANTED
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())


def test_the_page_says_what_came_of_every_fault() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.faults.page"
