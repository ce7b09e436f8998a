"""REQ76: an alarm that nobody has acknowledged is said again: 10 min, 30 min, 1 h by its priority (unverified)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.cli.run_text import Lines, Times
from pump_ctrl.journal import Record
from pump_ctrl.live.reminders import NEVER, Reminders
from pump_ctrl.safety.alarms import Board
from tests.driver_stacks import Kind
from tests.unit.live_life import House, asked, house, records
from tests.whole_stack import HOUR, MINUTE

EVERY = {"stalled": 10 * MINUTE, "sensor": 30 * MINUTE, "requests": HOUR}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(Kind("implant-40", "4 h"), tmp_path, monkeypatch) as made:
        yield made


def board(*codes: str) -> Board:
    made = Board()
    for code in codes:
        made.raised(code, 0, "")
    return made


def said(reminders: Reminders, alarms: Board, until: int) -> dict[str, list[int]]:
    """When each is said, by one who looks every second."""
    found: dict[str, list[int]] = {}
    for now in range(0, until + 1, 1_000):
        for alarm in reminders.due(alarms.active, now):
            found.setdefault(alarm.row.code, []).append(now)
    return found


@pytest.mark.parametrize("code", EVERY)
def test_each_is_said_again_after_the_interval_of_its_priority(code: str) -> None:
    every = EVERY[code]
    assert said(Reminders(), board(code), 2 * every) == {code: [every, 2 * every]}
    assert said(Reminders(), board(code), every - 1_000) == {}


def test_several_keep_their_own_time_the_worst_first() -> None:
    reminders, alarms = Reminders(), board(*EVERY)
    assert said(reminders, alarms, HOUR - 1_000) == {
        "stalled": [n * 10 * MINUTE for n in range(1, 6)], "sensor": [30 * MINUTE],
    }  # fmt: skip
    assert [alarm.row.code for alarm in reminders.due(alarms.active, HOUR)] == [
        "stalled",
        "sensor",
        "requests",
    ]


def test_who_has_acknowledged_hears_no_more_and_a_cause_that_has_gone_is_still_said() -> None:
    reminders, alarms = Reminders(), board("stalled", "empty")
    alarms.acknowledged("stalled")
    alarms.gone("empty")
    assert said(reminders, alarms, 10 * MINUTE) == {"empty": [10 * MINUTE]}
    alarms.acknowledged("empty")
    assert said(reminders, alarms, HOUR) == {}
    assert reminders.next_ms == NEVER


def test_one_that_was_seen_and_comes_back_is_timed_anew() -> None:
    reminders, alarms = Reminders(), board("stalled")
    reminders.due(alarms.active, 0)
    alarms.acknowledged("stalled")
    alarms.gone("stalled")
    alarms.raised("stalled", 5 * MINUTE, "")
    assert reminders.due(alarms.active, 10 * MINUTE) == []
    assert reminders.next_ms == 20 * MINUTE


def test_a_running_controller_says_it_again_to_its_terminal_and_to_who_watches(home: House) -> None:
    heard: list[Record] = []
    with home.running() as life, asked(life, "watch") as watcher:
        life.desk.serve()
        life.runner.raise_alarm("under-delivery", "nothing flows")
        life.run(25 * MINUTE, heard.extend)
        again = [record for record in heard if record.kind == "reminder"]
        assert [record.boot_ms for record in again] == pytest.approx(
            [again[0].boot_ms, again[0].boot_ms + 10 * MINUTE], abs=10
        )
        assert records(life, "reminder") == []  # nothing has happened, nothing is written
        (line,) = Lines(Times(0)).of(again[1])
        assert (
            "STILL NOT SEEN BY ANYBODY, for 20 min: ALARM under-delivery, high priority: the plan asks"
            in line
        )
        told = [json.loads(text) for text in watcher.recv(1 << 20).splitlines()]
        kinds = [message["record"]["kind"] for message in told if "record" in message]
        assert kinds.count("reminder") == 2
        life.runner.acknowledge("Ann")
        heard.clear()
        life.run(HOUR, heard.extend)
        assert [record for record in heard if record.kind == "reminder"] == []
