"""The head file beside a journal: what it says, what is none, and that it is replaced as a whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, MemoryJournal
from pump_ctrl.journal.anchor import Anchor
from tests.unit.journal_kit import ABOUT, INTENT, failing, head_of, somewhere_quick

HEAD = Anchor(7, "0123456789abcdef" * 4)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


def descriptors() -> int:
    """How many this process holds."""
    return len(os.listdir("/dev/fd"))


def test_a_head_file_is_one_line_and_takes_the_place_of_the_one_before(path: Path) -> None:
    Anchor(123_456, "f" * 64).write(path)
    HEAD.write(path)
    line = '{"hash":"%s","schema":"pump-ctrl/journal-head/1","seq":7}\n' % ("0123456789abcdef" * 4)
    assert head_of(path).read_text() == line
    assert Anchor.read(path) == HEAD
    assert list(path.parent.iterdir()) == [head_of(path)]


def test_no_head_file_reads_as_none(path: Path) -> None:
    assert Anchor.read(path) is None


@pytest.mark.parametrize("content", [
    "", "{", "[]", "7", "null", "{}", '{"seq":1.5}', "[" * 100_000,
    '{"schema":"pump-ctrl/journal-head/1","seq":7}',
    '{"hash":"ab","schema":"pump-ctrl/journal-head/0","seq":7}',
    '{"hash":"ab","schema":"pump-ctrl/journal-head/2","seq":7}',
    '{"hash":"ab","schema":"pump-ctrl/journal-head/1","seq":"7"}',
    '{"hash":"ab","schema":"pump-ctrl/journal-head/1","seq":true}',
    '{"hash":7,"schema":"pump-ctrl/journal-head/1","seq":7}',
    '{"hash":null,"schema":"pump-ctrl/journal-head/1","seq":7}',
    '{"hash":"\u00e4b","schema":"pump-ctrl/journal-head/1","seq":7}',
])  # fmt: skip
def test_anything_else_is_no_head_file(path: Path, content: str) -> None:
    head_of(path).write_text(content, encoding="utf-8")
    with pytest.raises(JournalError):
        Anchor.read(path)


def test_a_head_file_that_cannot_be_read_says_what_the_disk_said(path: Path) -> None:
    head_of(path).mkdir()
    with pytest.raises(JournalError, match="Is a directory"):
        Anchor.read(path)


def test_a_head_file_that_could_not_be_written_is_the_one_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HEAD.write(path)
    for call in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing(errno.ENOSPC))
            with pytest.raises(OSError, match="No space left"):
                Anchor(8, "f" * 64).write(path)
        assert Anchor.read(path) == HEAD


def test_a_head_file_of_which_only_a_part_was_written_does_not_take_its_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HEAD.write(path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:-1]))
        with pytest.raises(OSError, match="bytes were written"):
            Anchor(8, "f" * 64).write(path)
    assert Anchor.read(path) == HEAD
    assert {each.name for each in path.parent.iterdir()} == {"bench.journal.head", "bench.journal.head.new"}
    Anchor(9, "f" * 64).write(path)
    assert Anchor.read(path) == Anchor(9, "f" * 64)


def test_a_head_file_is_on_disk_before_it_takes_its_place_and_its_name_is_after_that(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace = os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: done.append("file" if S_ISREG(os.fstat(fd).st_mode) else "names")
    )

    def replaced(old: Path, new: Path) -> None:
        done.append("place")
        replace(old, new)

    monkeypatch.setattr(os, "replace", replaced)
    HEAD.write(path)
    assert done == ["file", "place", "names"]


def test_whoever_may_look_can_read_a_journal_and_its_head_and_the_owner_alone_can_write(path: Path) -> None:
    before = os.umask(0)
    try:
        FileJournal.create(path, VirtualClock(), ABOUT).close()
    finally:
        os.umask(before)
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes == {"bench.journal": 0o644, "bench.journal.head": 0o644}


def test_no_file_stays_open_behind_a_head_file_or_a_journal_that_was_let_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller that lives for months writes the head file at each refill and each thousandth record."""
    held = descriptors()
    HEAD.write(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            HEAD.write(path)
    assert descriptors() == held
    head_of(path).unlink()
    journal = FileJournal.create(path, VirtualClock(), ABOUT)
    assert descriptors() == held + 1
    with pytest.raises(JournalError, match="another controller"):
        FileJournal.open(path, VirtualClock())
    assert descriptors() == held + 1
    journal.close()
    assert descriptors() == held
    journal.abandon()
    saved = MemoryJournal(VirtualClock(), ABOUT)
    saved.save(path.with_name("saved"))
    assert descriptors() == held


def test_who_finds_another_controller_at_work_is_not_told_to_begin_a_new_journal(path: Path) -> None:
    """A second journal for the same pump would forget what the first one gave."""
    with FileJournal.create(path, VirtualClock(), ABOUT) as journal:
        journal.append("intent", INTENT)
        with pytest.raises(JournalError) as caught:
            FileJournal.open(path, VirtualClock())
    assert "pump-ctrl status" in caught.value.do_now
    assert "new journal" not in caught.value.do_now
