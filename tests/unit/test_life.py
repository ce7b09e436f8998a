"""The sign of life beside a journal: fixed length, in place, and None whenever it cannot be trusted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import LifeFile, Sign, forget, life_path, read_life, vouched
from tests.unit.journal_kit import failing, somewhere_quick

LAST = Anchor(144_024, "0123456789abcdef" * 4)
SIGN = Sign("3f0e2b6c-4d55-4a0e-9b8e-0a8f3a1c7d42", 1_234_567_890, LAST)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


def written(journal: Path, *signs: Sign) -> bytes:
    life = LifeFile(journal)
    for sign in signs:
        life.write(sign)
    life.close()
    return life_path(journal).read_bytes()


def test_what_was_written_last_is_what_is_read(journal: Path) -> None:
    written(journal, SIGN, Sign("x", 9, LAST), SIGN._replace(boot_ms=SIGN.boot_ms + 300_000))
    assert read_life(journal) == SIGN._replace(boot_ms=SIGN.boot_ms + 300_000)


def test_every_sign_has_the_same_length(journal: Path) -> None:
    signs = (SIGN, Sign("b", 0, Anchor(0, "f" * 64)), Sign("c" * 64, 10**18, Anchor(10**18, "0" * 64)))
    lengths = {len(written(journal, sign)) for sign in signs}
    assert lengths == {221}


def test_no_file_is_no_sign(journal: Path) -> None:
    assert read_life(journal) is None


def test_a_torn_sign_reads_as_none(journal: Path) -> None:
    """In place: the first bytes are of the new sign, the rest of the old one."""
    old, new = written(journal, SIGN), written(journal, Sign("other", 77, LAST))
    known = {old: SIGN, new: Sign("other", 77, LAST)}
    for cut in range(222):
        torn = new[:cut] + old[cut:]
        life_path(journal).write_bytes(torn)
        assert read_life(journal) == known.get(torn), cut


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 221, b"pump-ctrl/alive/2\n", b"a" * 100_000, b" " * 220 + b"\n"]
)
def test_anything_else_reads_as_none(journal: Path, content: bytes) -> None:
    life_path(journal).write_bytes(content)
    assert read_life(journal) is None


def test_any_changed_byte_is_seen(journal: Path) -> None:
    good = written(journal, SIGN)
    for at in range(len(good)):
        life_path(journal).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert read_life(journal) is None, at


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_disk_that_refuses_is_an_error(journal: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    life = LifeFile(journal)  # closed by the process's end

    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(JournalError, match="No space left on device"):
        life.write(SIGN)


def test_a_part_that_was_written_is_an_error(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = LifeFile(journal)
    monkeypatch.setattr(os, "pwrite", lambda _fd, _data, _at: 5)
    with pytest.raises(JournalError, match="only a part"):
        life.write(SIGN)


# ---- the file ----------------------------------------------------------------------------------


def test_each_kind_of_sign_has_its_name_beside_the_journal(journal: Path) -> None:
    for suffix in (".alive", ".stopped"):
        life = LifeFile(journal, suffix)
        life.write(SIGN)
        life.close()
    names = {path.name for path in journal.parent.iterdir()}
    assert names == {"bench.journal.alive", "bench.journal.stopped"}
    assert life_path(str(journal)) == journal.with_name("bench.journal.alive")
    assert vouched(str(journal)) == [LAST, LAST]
    forget(str(journal))
    assert list(journal.parent.iterdir()) == []
    forget(journal)  # there is nothing any more


@pytest.mark.parametrize("content", [None, b"", b"x", b"x" * 220, b"x" * 222, b"x" * 100_000])
def test_a_file_of_another_length_is_made_anew_and_says_nothing_until_it_is_written(
    journal: Path, content: bytes | None
) -> None:
    """A longer one would else never be read again: the new sign would stand before the rest of the old file."""
    if content is not None:
        life_path(journal).write_bytes(content)
    life = LifeFile(journal)
    assert life_path(journal).read_bytes() == b" " * 220 + b"\n"
    assert read_life(journal) is None
    life.write(SIGN)
    life.close()
    assert read_life(journal) == SIGN


def test_the_sign_of_the_process_before_stands_until_the_next_is_written(journal: Path) -> None:
    written(journal, SIGN)
    LifeFile(journal).close()
    assert read_life(journal) == SIGN


def test_bytes_behind_a_sign_make_it_none(journal: Path) -> None:
    life_path(journal).write_bytes(written(journal, SIGN) + b"\n")
    assert read_life(journal) is None


def test_a_sign_that_is_taken_back_says_nothing_any_more_and_keeps_its_length(journal: Path) -> None:
    life = LifeFile(journal)
    life.write(SIGN)
    life.blank()
    life.close()
    assert life_path(journal).read_bytes() == b" " * 220 + b"\n"
    assert read_life(journal) is None


def test_a_sign_that_cannot_be_taken_back_is_an_error(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = LifeFile(journal)
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    with pytest.raises(JournalError, match="Input/output error"):
        life.blank()


@pytest.mark.parametrize("call", ["open", "fsync", "fdatasync"])
def test_a_file_that_cannot_be_made_is_an_error(
    journal: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``fsync`` is of the directory: a sign whose name is not on disk is none after a crash."""
    monkeypatch.setattr(os, call, failing(errno.EROFS))
    with pytest.raises(JournalError, match="Read-only file system"):
        LifeFile(journal)


def test_a_sign_can_be_read_by_all_and_written_by_its_owner(journal: Path) -> None:
    before = os.umask(0)
    try:
        written(journal, SIGN)
    finally:
        os.umask(before)
    assert life_path(journal).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("fd", [0, 1, 9])
def test_a_file_is_let_go_of_once(journal: Path, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the first descriptor, which is free where a service was started without an input."""
    life = LifeFile(journal)
    os.close(life._fd)
    life._fd = fd
    closed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", closed.append)
        life.close()
        life.close()
    assert closed == [fd]


def test_nothing_is_written_through_a_file_that_was_let_go_of(journal: Path) -> None:
    life = LifeFile(journal)
    life.close()
    with pytest.raises(JournalError):
        life.write(SIGN)
