"""F-53: an older copy of a journal and its head file is put back, and the sign of life beside it was not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.errors import JournalError
from pump_ctrl.journal import verify
from pump_ctrl.journal.anchor import Anchor
from tests.driver_stacks import KINDS
from tests.unit.live_life import House, house
from tests.whole_stack import HOUR, MINUTE

RUNNING = [kind for kind in KINDS if kind.on_loss != "stop"]
BESIDE = ("", ".head", ".alive", ".stopped")


@pytest.fixture(params=RUNNING, ids=str)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(request.param, tmp_path, monkeypatch) as made:
        yield made


def copied(journal: Path, to: Path, *beside: str) -> None:
    to.mkdir(exist_ok=True)
    for suffix in beside:
        name = journal.with_name(journal.name + suffix)
        if name.exists():
            shutil.copy(name, to)


def put_back(home: House, *beside: str) -> Path:
    """A pump that is told to hold runs on; its journal, or more of what lies there, is of 7 h before."""
    old = home.room / "old"
    with home.running() as life:
        journal = life.order.journal
        home.go(life, HOUR)
        copied(journal, old, *BESIDE)
        home.go(life, 7 * HOUR)  # an implant has been asked by then
        life.journal._journal.abandon()
    for path in old.iterdir():
        if path.name in {journal.name + suffix for suffix in beside}:
            shutil.copy(path, journal.parent)
    return journal


def test_a_copy_that_was_put_back_without_the_sign_of_life_is_not_taken_up(home: House) -> None:
    """Whatever the pump does: one that runs may not be able to tell which command it holds."""
    journal = put_back(home, "", ".head")
    sent: list[bytes] = []
    home.wire.tap = lambda at_ms, what, data: sent.append(data)
    says = r"its sign of life knows record \d+: .* an older copy was put back"
    with pytest.raises(JournalError, match=says), home.live() as life:
        life.start()
    assert not sent
    assert "sign of life" in verify(journal).problem


def test_a_room_that_was_put_back_as_a_whole_is_for_the_pump_to_show(home: House) -> None:
    put_back(home, *BESIDE)
    with home.live() as life:
        life.start()
        assert life.waiting


def test_a_sign_that_is_older_than_the_journal_costs_nothing(home: House) -> None:
    put_back(home, ".alive")
    with home.live() as life:
        life.start()
        assert life.waiting


def test_signs_of_a_journal_that_was_removed_say_nothing_of_a_new_one(home: House) -> None:
    with home.running() as life:
        journal = life.order.journal
        home.go(life, 20 * MINUTE)
    journal.unlink()
    Anchor.path_for(journal).unlink()
    with home.live() as life:
        life.start()
        assert life.journal.last.seq < 10
    assert verify(journal).ok
