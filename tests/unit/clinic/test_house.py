"""A state directory is one person's alone, and is where it is said to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pump_ctrl.clinic import Clinic, default_place
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError, NotAllowed
from tests.unit.clinic.kit import journal


def test_a_new_state_directory_is_for_its_owner_alone(tmp_path: Path, clock: VirtualClock) -> None:
    with Clinic.open(tmp_path / "a" / "b", clock) as clinic:
        assert clinic.place == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o770, 0o701, 0o702])
def test_a_directory_that_others_may_enter_is_refused_and_left_empty(
    tmp_path: Path, clock: VirtualClock, mode: int
) -> None:
    place = tmp_path / "a place"
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(NotAllowed, match=r"not a directory of yours alone.*chmod 700 '.*/a place'"):
        Clinic.open(place, clock)
    assert list(place.iterdir()) == []


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(NotAllowed, match=r"belongs to another user.*--state DIR"):
        Clinic.open(tmp_path, clock)


def test_a_place_that_is_no_directory_is_refused_in_words(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotAllowed, match=r"cannot be used.*--state DIR"):
            Clinic.open(place, clock)
        assert Clinic.find(place, clock) is None


def test_looking_for_a_state_directory_makes_none(tmp_path: Path, clock: VirtualClock) -> None:
    assert Clinic.find(tmp_path / "state", clock) is None
    assert list(tmp_path.iterdir()) == []
    Clinic.open(tmp_path / "state", clock).close()
    found = Clinic.find(tmp_path / "state", clock)
    assert found is not None
    found.close()


def test_a_directory_whose_database_is_damaged_is_refused_in_words(place: Path, clock: VirtualClock) -> None:
    Clinic.open(place, clock).close()
    (place / "clinic.sqlite3").write_bytes(b"x" * 5_000)
    with pytest.raises(JournalError, match=r"clinic.sqlite3 cannot be used"):
        Clinic.open(place, clock)


@pytest.mark.parametrize(
    ("state_home", "expected"),
    [
        ("/state", "/state/pump-ctrl"),
        ("", "/home/ann/.local/state/pump-ctrl"),
        (None, "/home/ann/.local/state/pump-ctrl"),
        ("relative", "/home/ann/.local/state/pump-ctrl"),
    ],
)
def test_state_lies_where_the_desktop_puts_it(
    monkeypatch: pytest.MonkeyPatch, state_home: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    if state_home is None:
        monkeypatch.delenv("XDG_STATE_HOME")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", state_home)
    assert default_place() == Path(expected)


def test_who_has_no_home_names_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(NotAllowed, match=r"no home directory. Name a directory with --state DIR"):
        default_place()


def test_an_act_that_changes_nothing_here_is_written_down_as_well(clinic: Clinic) -> None:
    clinic.record("told", controller="pump", do="stop", by="ann", exit=0, text="stopped", nonce=None)
    assert journal(clinic.place) == [
        (
            "told",
            {"controller": "pump", "do": "stop", "by": "ann", "exit": 0, "text": "stopped", "nonce": None},
        )
    ]


def test_closing_twice_is_closing_once(clinic: Clinic) -> None:
    clinic.close()
    clinic.close()
