"""Says at the end of a run how many points of the crash matrix were tried, as a table by row."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.driver_stacks import PUMPS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A point counts when everything that has to hold held."""
    table: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "crash" and isinstance(value, list):
                row, pump, points = value
                table[row][pump] += points
    if not table:
        return
    terminalreporter.section("crash matrix: points; given twice 0, forgotten 0, ledger below the truth 0")
    terminalreporter.write_line(_line("", [*PUMPS, "all"]))
    for row, counts in table.items():
        terminalreporter.write_line(_line(row, [*(counts[pump] for pump in PUMPS), sum(counts.values())]))
    every = [sum(counts[pump] for counts in table.values()) for pump in PUMPS]
    terminalreporter.write_line(_line("all", [*every, sum(every)]))


def _line(name: str, cells: list[str] | list[int]) -> str:
    return f"{name:34}" + "".join(f"{cell:>23}" for cell in cells)
