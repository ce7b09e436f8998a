"""F-51, F-52, D-13: a person's STOP that the journal could not take in is known to the next life all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.errors import JournalError
from pump_ctrl.journal import Record
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import STOPPED, LifeFile, Sign, life_path, read_life
from pump_ctrl.live.session import Live
from pump_ctrl.live.stopped import StopWord
from tests.driver_stacks import Kind
from tests.unit.live_life import House, asked, house, records
from tests.whole_stack import HOUR, MINUTE


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(Kind("implant-40", "4 h"), tmp_path, monkeypatch) as made:
        yield made


def stop(life: Live, *, full: bool = False) -> None:
    """A person stops the pump; the disk may be full from then on."""

    def no(kind: str, data: object) -> Record:
        raise JournalError("no space left on the device")

    if full:
        life.journal.append = no  # type: ignore[method-assign]
    with asked(life, "stop"):
        life.stop_requested()
        life.desk.serve()


def flows(home: House, life: Live) -> bool:
    """Whether anything flows in the next hour."""
    before = home.world.truth.counted_nl()
    home.go(life, HOUR)
    return home.world.truth.counted_nl() > before


@pytest.mark.parametrize(("stops", "held"), [(True, False), (False, True)])
def test_a_stop_on_a_full_disk_is_not_followed_by_a_hold_in_the_next_life(
    home: House, stops: bool, held: bool
) -> None:
    with home.running() as life:
        home.go(life, HOUR)
        if stops:
            stop(life, full=True)
            assert records(life, "stop") == []
    with home.live() as life:
        life.start()
        assert flows(home, life) is held
        assert len(records(life, "stopped")) == (1 if stops else 0)  # now it stands in the journal


def test_it_holds_for_the_life_after_the_next_too_until_somebody_confirms(home: House) -> None:
    with home.running() as life:
        home.go(life, HOUR)
        stop(life, full=True)
    for _ in range(2):
        with home.live() as life:
            life.start()
            assert not flows(home, life)
    with home.live() as life:
        life.start()
        life.runner.confirm("Ann", life.runner.guard.reconciliation().code)
        assert flows(home, life)


def test_what_a_person_let_go_on_is_held_after_the_next_death(home: House) -> None:
    with home.running() as life:
        stop(life)
        assert read_life(life.order.journal, STOPPED) is not None
        with asked(life, "resume"):
            life.stop_requested()
            life.desk.serve()
        assert read_life(life.order.journal, STOPPED) is None
        home.go(life, HOUR)
    with home.live() as life:
        life.start()
        assert flows(home, life)


@pytest.mark.parametrize(("kind", "data", "boot_ms", "stopped"), [
    ("plan_time", {}, 5_001, False), ("state", {"state": "READY"}, 5_001, False),
    ("plan_time", {}, 4_999, True), ("state", {"state": "STOPPED"}, 5_001, True), ("counter", {}, 5_001, True),
])  # fmt: skip
def test_a_resume_that_the_journal_knows_of_is_later_than_an_older_word(
    tmp_path: Path, kind: str, data: dict[str, str], boot_ms: int, stopped: bool
) -> None:
    """A death between that record and the blank file."""
    journal = tmp_path / "j"
    file = LifeFile(journal, STOPPED)
    file.write(Sign("boot-1", 5_000, Anchor(3, "a" * 64)))
    file.close()
    record = Record(7, kind, boot_ms, "boot-1", 0, data)
    word = StopWord(journal)
    assert not word.holds()  # another journal was begun under the same name
    word.hear(record)
    assert word.holds() is stopped


def test_the_file_has_its_length_before_it_is_needed(home: House) -> None:
    """A full disk has no room for a new one."""
    with home.running() as life:
        path = life_path(life.order.journal, STOPPED)
        before = path.stat()
        assert before.st_size == 221
        stop(life, full=True)
        assert path.stat().st_size == before.st_size
        assert read_life(life.order.journal, STOPPED) is not None


def test_a_stop_that_can_be_written_nowhere_still_stops_and_alarms(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with home.running() as life:
        home.go(life, MINUTE)

        def no(*_: object) -> None:
            raise JournalError("the disk has gone")

        monkeypatch.setattr(LifeFile, "write", no)
        stop(life, full=True)
        assert home.world.implant.delivery.run is None
        assert "journal" in [alarm.row.code for alarm in life.runner.guard.alarms]
