"""A journal on a disk that fails, and under crashes at any system call (F-48, F-51, F-52)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, verify
from tests.unit.journal_kit import ABOUT, INTENT, failing, head_of, kinds, refused, somewhere_quick


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=1_795_161_600_000, boot_ms=5_000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


def short_write(fd: int, data: bytes) -> int:
    return WRITE(fd, data[:-7])


WRITE = os.write


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("write", failing(errno.ENOSPC), "No space left on device"),
        ("write", short_write, "bytes were written"),
        ("fdatasync", failing(errno.EIO), "Input/output error"),
    ],
)
def test_the_first_failure_to_write_stands_for_good(
    name: str,
    broken: Callable[..., Any],
    says: str,
    path: Path,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    journal.append("intent", INTENT)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, broken)
        with pytest.raises(JournalError, match=says) as caught:
            journal.append("intent", {"id": 8})
    assert "record 2 (intent) may not be on disk" in str(caught.value)
    assert "STOP still works" in caught.value.pump_state
    after = path.read_bytes()
    with pytest.raises(JournalError, match=says):  # the disk is well again, and yet (F-52)
        journal.append("outcome", {})
    journal.close()
    assert path.read_bytes() == after
    with FileJournal.open(path, clock) as again:  # a start is where it can be trusted again
        assert again.append("stop", {}).kind == "stop"
        assert [record.kind for record in again.records()][:2] == ["journal", "intent"]


@pytest.mark.parametrize("name", ["replace", "fsync", "open"])
def test_a_head_file_that_cannot_be_written_stops_the_journal(
    name: str, path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(errno.EROFS))
        with pytest.raises(JournalError, match="head file may not be on disk"):
            journal.append("refill", {"volume_nl": 1})
    with pytest.raises(JournalError, match="head file may not be on disk"):
        journal.append("intent", INTENT)
    journal.close()
    assert kinds(path) == ["journal", "refill"]


def test_a_close_that_cannot_write_the_head_says_so_and_lets_go(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing(errno.EIO))
        with pytest.raises(JournalError):
            journal.close()
    FileJournal.open(path, clock).close()


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, 10),
        lambda path: path.write_bytes(path.read_bytes() + b"{}\n"),
    ],
)
def test_a_file_that_somebody_else_changes_or_removes_is_noticed_at_the_next_record(
    meddle: Callable[[Path], None], path: Path, clock: VirtualClock
) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    meddle(path)
    with pytest.raises(JournalError, match="somebody else removed or changed the file"):
        journal.append("intent", INTENT)
    journal.close()


def test_the_head_file_is_written_at_start_refill_confirm_each_thousandth_record_and_at_the_end(
    path: Path, clock: VirtualClock
) -> None:
    def anchored() -> int:
        return int(json.loads(head_of(path).read_text())["seq"])

    journal = FileJournal.create(path, clock, ABOUT)
    assert anchored() == 0
    journal.append("intent", INTENT)
    assert anchored() == 0
    journal.append("refill", {})
    assert anchored() == 2
    journal.append("confirm", {})
    assert anchored() == 3
    for _ in range(996):
        journal.append("status", {})
    assert anchored() == 3
    journal.append("status", {})
    assert anchored() == 1_000
    journal.append("status", {})
    journal.close()
    assert anchored() == 1_001
    journal = FileJournal.open(path, clock)
    assert anchored() == 1_001
    journal.append("status", {})
    path_bytes = path.read_bytes()
    journal.close()
    head_of(path).write_text(head_of(path).read_text().replace("1002", "1001"))
    path.write_bytes(path_bytes)
    assert "do not belong together" in str(refused(path, clock))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the system calls that change something, in order."""
    log: list[str] = []

    def logged(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever the call takes and gives
            log.append(name)
            return original(*args, **more)

        return call

    for name in ("write", "fdatasync", "fsync", "replace", "ftruncate"):
        monkeypatch.setattr(os, name, logged(name, getattr(os, name)))
    return log


HEAD_WRITTEN = ["write", "fsync", "replace", "fsync"]  # the file, its name, and then its directory


def test_every_step_is_on_disk_before_the_next_one_is_made(
    path: Path, clock: VirtualClock, calls: list[str]
) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    assert calls == ["write", "fdatasync", *HEAD_WRITTEN]
    calls.clear()
    journal.append("intent", INTENT)
    assert calls == ["write", "fdatasync"]
    calls.clear()
    journal.append("confirm", {})
    assert calls == ["write", "fdatasync", *HEAD_WRITTEN]
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"seq"')
    calls.clear()
    journal = FileJournal.open(path, clock)
    assert calls == ["ftruncate", "fsync", "write", "fdatasync", *HEAD_WRITTEN]
    journal.close()
    os.truncate(path, path.stat().st_size - 1)
    head_of(path).write_text(
        head_of(path).read_text().replace('"seq":3', '"seq":2').replace(journal.head, prev(path))
    )
    calls.clear()
    FileJournal.open(path, clock).abandon()
    assert calls == ["write", "fsync", *HEAD_WRITTEN]


def prev(path: Path) -> str:
    """Hash of the record before the last line."""
    found: str = json.loads(path.read_bytes().splitlines()[-1])["prev"]
    return found


class Crash(BaseException):
    """The process is gone."""


CALLS = ("open", "write", "fdatasync", "fsync", "replace", "ftruncate", "fstat")


class Crashing:
    """Counts system calls and lets the process die at one of them, before or after its effect."""

    def __init__(self, cut: int, *, after: bool, patch: pytest.MonkeyPatch) -> None:
        self.left, self.after = cut, after
        for name in CALLS:
            patch.setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever the call takes and gives
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Crash
            result = None if name in {"fsync", "fdatasync"} else original(*args, **more)
            if self.left == 0:
                raise Crash
            return result

        return call


def session(path: Path, clock: VirtualClock, done: list[str]) -> None:
    """Begin or go on, and note each record whose append returned."""
    journal = FileJournal.open(path, clock) if path.exists() else FileJournal.create(path, clock, ABOUT)
    try:
        for kind in ("intent", "refill", "outcome"):
            journal.append(kind, INTENT)
            done.append(kind)
        journal.close()
    finally:
        journal.abandon()


def run_until_cut(path: Path, clock: VirtualClock, cut: int, *, after: bool) -> tuple[list[str], bool]:
    """Two sessions with a torn line between them; returns what was done, and whether the cut was reached."""
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        Crashing(cut, after=after, patch=patch)
        try:
            session(path, clock, done)
            with path.open("ab") as file:
                file.write(b'{"seq":4,"ki')
            session(path, clock, done)
        except Crash:
            return done, True
    return done, False


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_system_call_costs_no_record_whose_append_returned(
    after: bool, path: Path, clock: VirtualClock
) -> None:
    cut, crashed = 0, True
    while crashed:
        cut += 1
        path = path.with_name(f"{cut}.journal")
        done, crashed = run_until_cut(path, clock, cut, after=after)
        if not path.exists() or not path.stat().st_size:
            assert not done
            continue
        FileJournal.open(path, clock).close()
        found = [kind for kind in kinds(path)[1:] if kind != "torn"]
        assert found[: len(done)] == done
        assert len(found) <= len(done) + 1
        assert verify(path).ok
    assert cut > 60
