"""The sign of life beside a journal: fixed length, in place, and None whenever it cannot be trusted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import LifeFile, Sign, life_path, read_life

LAST = Anchor(144_024, "0123456789abcdef" * 4)
SIGN = Sign("3f0e2b6c-4d55-4a0e-9b8e-0a8f3a1c7d42", 1_234_567_890, LAST)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


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


@pytest.mark.parametrize("cut", range(221))
def test_a_torn_sign_reads_as_none(journal: Path, cut: int) -> None:
    """In place: the first bytes are of the new sign, the rest of the old one."""
    old, new = written(journal, SIGN), written(journal, Sign("other", 77, LAST))
    torn = new[:cut] + old[cut:]
    life_path(journal).write_bytes(torn)
    known = {old: SIGN, new: Sign("other", 77, LAST)}
    assert read_life(journal) == known.get(torn)


@pytest.mark.parametrize("content", [b"", b"\xff" * 221, b"pump-ctrl/alive/2\n", b"a" * 100_000])
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

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(JournalError, match="No space left on device"):
        life.write(SIGN)


def test_a_part_that_was_written_is_an_error(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = LifeFile(journal)
    monkeypatch.setattr(os, "pwrite", lambda _fd, _data, _at: 5)
    with pytest.raises(JournalError, match="only a part"):
        life.write(SIGN)
