"""Every fault of the table on every pump: the safe response, the bounds, the ledger; and the page that says so."""

from __future__ import annotations

import re

import pytest

from tests.driver_stacks import Kind
from tests.faults.page import PAGE, SHOWN, came, came_over_a_pty, page
from tests.faults.responses import RESPONSES, response
from tests.faults.stand import Came
from tests.faults.table import BELOW, ELSEWHERE, ROWS, Row
from tests.trace.cited import gone

CELLS = [(row, kind) for kind in SHOWN for row in ROWS if row.applies(kind)]
WANTED = {f"F-{number:02d}" for number in range(1, 71)}


# Over a pty in every run: each on another pump than the one before.
DOZEN = (
    "reply to the start of the bolus lost",
    "start of the bolus lost",
    "start of the bolus arrives twice, 1 s apart",
    "every request arrives twice for a while",
    "a bit of the start flipped",
    "a reply cut short",
    "the line babbles",
    "link lost in the bolus, for 10 min",
    "pump resets in the bolus",
    "motor stalls, and the pump sees it",
    "STOP is not answered",
    "host reboots in the bolus, 10 min off",
)
TURN = {what: SHOWN[number % len(SHOWN)] for number, what in enumerate(DOZEN)}


def name(part: Row | Kind) -> str:
    return re.sub(r"\W+", "-", part.what if isinstance(part, Row) else str(part))


def check(row: Row, kind: Kind, found: Came) -> None:
    """The books were looked at in every turn of it; what it came to is as the table says."""
    assert found.below == 0, "the ledger proves more than the truth"
    assert found.above <= row.hidden_nl, "the truth is beyond the ledger"
    assert found.over <= row.most_nl(kind)
    assert found.unseen <= row.unseen_nl
    assert response(found) == RESPONSES[row.what][SHOWN.index(kind)]
    assert not row.alarms or row.alarms & set(found.alarms)
    assert found.state in row.ends, "a person finds no way out"
    delivered = sum(int(text.split()[0]) for text in found.bolus if text.endswith("delivered"))
    pressed = any(what == "press" for _, what in row.events)
    assert delivered <= 1 + pressed, "a dose twice"


@pytest.mark.parametrize(("row", "kind"), CELLS, ids=name)
def test_a_fault_has_its_safe_response_within_its_bounds(row: Row, kind: Kind) -> None:
    check(row, kind, came(row, kind))


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        pytest.param(row, kind, marks=() if TURN.get(row.what) == kind else pytest.mark.deep)
        for row, kind in CELLS
    ],
    ids=name,
)
def test_over_a_pty_the_same_comes_of_it(row: Row, kind: Kind) -> None:
    found = came_over_a_pty(row, kind)
    check(row, kind, found)
    assert found == came(row, kind)


def test_every_row_has_its_literals() -> None:
    assert list(RESPONSES) == [row.what for row in ROWS]
    for row in ROWS:
        assert [text != "" for text in RESPONSES[row.what]] == [row.applies(kind) for kind in SHOWN]


def test_where_the_ledger_may_be_below_the_truth_it_is_said_why() -> None:
    """No row gets there by a literal alone."""
    found = {
        what for what, cells in RESPONSES.items() if any(re.search(r" -\d+ -|; tip", cell) for cell in cells)
    }
    assert found == set(BELOW)


def test_a_dozen_faults_go_over_a_pty_in_every_run() -> None:
    assert len(set(DOZEN)) == 12
    assert {row.what for row, kind in CELLS if TURN.get(row.what) == kind} == set(DOZEN)


def test_every_fault_of_the_specification_is_in_the_table_or_shown_elsewhere() -> None:
    named = {fault for row in ROWS for fault in row.id.split()} | set(ELSEWHERE)
    assert named == WANTED
    assert list(gone([], [test for tests in ELSEWHERE.values() for test in tests])) == []


def test_the_page_says_what_came_of_every_fault() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.faults.page"
