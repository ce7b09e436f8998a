"""Every fault in every state of the controller in which it can happen, on every pump, against a table of literals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.fault_registry import FAULTS
from tests.faults.page import PAGE, of_states
from tests.faults.parts import PARTS
from tests.faults.state_stand import STATES, response
from tests.faults.states import CELLS, COLUMNS, EVERY, NAMES, NOT_OF_THE_SIMULATOR, PUMPS, Cells
from tests.faults.table import ELSEWHERE, ROWS

ROOT = Path(__file__).parents[2]
LETTERS = {name: letter for letter, name in NAMES.items()}
POSSIBLE = [
    (cells, pump, column)
    for cells in CELLS
    for pump in PUMPS
    for column, letter in zip(COLUMNS, cells.on(pump), strict=True)
    if letter != "-"
]
# In every run: every second fault once, each time in another state and on another pump.
OFTEN = {
    own[number * 7 % len(own)]
    for number, cells in list(enumerate(CELLS))[::2]
    for own in [[cell for cell in POSSIBLE if cell[0] is cells]]
}


@pytest.mark.parametrize(
    ("cells", "pump", "column"),
    [
        pytest.param(
            *cell, marks=() if cell in OFTEN else pytest.mark.deep, id=f"{i}-{cell[1]}-{NAMES[cell[2]]}"
        )
        for i, cell in enumerate(POSSIBLE)
    ],
)
def test_a_fault_in_a_state_has_its_response_and_a_way_out(cells: Cells, pump: str, column: str) -> None:
    wanted = cells.on(pump)[COLUMNS.index(column)]
    assert LETTERS[response(pump, NAMES[column], cells.texts)] == wanted


def test_the_columns_are_the_states_of_the_controller_and_holding() -> None:
    assert {NAMES[column] for column in COLUMNS} == set(STATES)
    assert len(COLUMNS) == len(STATES) == 10


def test_a_cell_that_cannot_be_has_a_reason() -> None:
    for cells in CELLS:
        for pump in PUMPS:
            can = all(pump.startswith(PARTS[text].on) for text in cells.texts)
            gaps = cells.on(pump).count("-")
            assert set(cells.on(pump)) <= {*NAMES, "-"}
            assert not gaps or not can or cells.why != EVERY, (cells.id, pump)


def test_every_fault_is_a_named_one_of_the_simulator_or_is_said_not_to_be() -> None:
    """F-01 to F-70, without a gap and without both."""
    named = set(re.findall(r"F-\d\d", " ".join(kind.covers for kind in FAULTS.values())))
    every = {f"F-{number:02d}" for number in range(1, 71)}
    assert named | set(NOT_OF_THE_SIMULATOR) == every
    assert not named & set(NOT_OF_THE_SIMULATOR)
    for where in NOT_OF_THE_SIMULATOR.values():
        assert all((ROOT / path).exists() for path in re.findall(r"(?:tests|docs)/[\w/]+\.\w+", where)), where


def test_every_named_fault_of_pump_and_wire_is_run_in_states_or_over_the_table() -> None:
    """By number; and by name, each is drawn in pairs or stands in one of the tables."""
    run = {fault for cells in CELLS for fault in cells.id.split()} | {
        f for row in ROWS for f in row.id.split()
    }
    named = set(re.findall(r"F-\d\d", " ".join(kind.covers for kind in FAULTS.values())))
    assert named <= run | set(ELSEWHERE)
    used = {text.partition(":")[0] for text in PARTS}
    used |= {what.partition(":")[0] for row in ROWS for _, what in row.events}
    beside = {name for name, kind in FAULTS.items() if kind.where in ("balance", "switch")}
    assert set(FAULTS) <= used | beside, "a fault of the simulator that no table and no pair has"


def test_the_page_has_the_table() -> None:
    assert of_states() in PAGE.read_text(encoding="utf-8"), "run: python -m tests.faults.page"
