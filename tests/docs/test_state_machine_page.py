"""The page on the states shows the table as it is."""

from __future__ import annotations

from pathlib import Path

from pump_ctrl.controller.machine import State, diagram

PAGE = Path(__file__).parents[2] / "docs" / "state-machine.md"


def test_the_diagram_on_the_page_is_the_table_of_the_machine() -> None:
    assert f"```mermaid\n{diagram()}```" in PAGE.read_text(encoding="utf-8")


def test_every_state_is_explained_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| {state} | " in text for state in State)
