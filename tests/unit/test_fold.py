"""What a terminal gets in its own width, and what stays in one line: sentences, tables, commands to type."""

from __future__ import annotations

import io
import os

import pytest

from pump_ctrl.cli.fold import folded, width_of
from pump_ctrl.cli.printer import Printer
from pump_ctrl.cli.text import pairs, table

RISK = "Residual risk: without --balance nobody sees flow that the pump does not count, up to all that is in there."


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            RISK,
            [
                "Residual risk: without --balance nobody sees flow that the",
                "pump does not count, up to all that is in there.",
            ],
        ),
        (
            pairs([("on Ctrl-C", "the lowest rate is held for 4 h at most, then nothing flows")])[0],
            [
                "on Ctrl-C  the lowest rate is held for 4 h at most, then",
                "           nothing flows",
            ],
        ),
        (
            "22 Nov 22:12:14  Missed, and not made up: 0.017 mL over 43.6 s (stopped by a person)",
            [
                "22 Nov 22:12:14  Missed, and not made up: 0.017 mL over",
                "                 43.6 s (stopped by a person)",
            ],
        ),
        ("  " + "x" * 80, ["  " + "x" * 80]),
        ("", [""]),
    ],
)
def test_a_sentence_is_folded_at_a_blank_and_goes_on_under_its_text(line: str, lines: list[str]) -> None:
    assert list(folded([line], 58)) == lines
    assert list(folded([line], None)) == [line]


def test_a_row_of_a_table_and_a_command_to_type_stay_in_one_line() -> None:
    rows = table(("pump", "driver", "capacity"), [("pump-11-elite-bd-10ml", "harvard", "a wide cell " * 4)])
    typed = "  pump-ctrl resume --journal /a/folder/with/a/long/name/bench.jsonl --confirm NAME 58263f8b"
    goes_on = f"Go on with: {typed.strip()}"
    assert list(folded([*rows, typed, goes_on], 58)) == [*rows, typed, goes_on]


def test_a_terminal_has_a_width_and_what_is_none_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "58")
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        assert width_of(terminal) == 58
        Printer(terminal).say([RISK])
        shown = os.read(master, 4_096).decode().splitlines()
    os.close(master)
    assert [len(line) for line in shown] == [58, 48]
    assert width_of(io.StringIO()) is None
    assert width_of(None) is None
