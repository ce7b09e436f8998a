"""What the tests of the journal share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, read_journal, verify

ABOUT = {"pump": "SIM-0001", "plan": "ITB-014"}
INTENT = {"id": 7, "steps": [["basal", 1_200, 3_600_000, 0]], "limits": "ab"}
STOP: dict[str, Any] = {
    "at": 5, "why": "signal", "what": "acked", "counter": 7, "epoch": 1, "tick_ms": None, "since": 4
}  # fmt: skip


def somewhere_quick(otherwise: Path) -> Iterator[Path]:
    """Where a journal may lie: in memory if there is such a place, as the disk's pace is not the matter."""
    if not os.access("/dev/shm", os.W_OK):
        yield otherwise / "bench.journal"
        return
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "bench.journal"


def write_three(path: Path, clock: VirtualClock) -> bytes:
    """A journal whose head file names record 0 only, as after a crash; returns its bytes."""
    journal = FileJournal.create(path, clock, ABOUT)
    head = head_of(path).read_bytes()
    journal.append("intent", INTENT)
    clock.advance(40)
    journal.append("outcome", {"id": 7, "what": "acked", "counter": 0})
    journal.close()
    head_of(path).write_bytes(head)
    return path.read_bytes()


def head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def kinds(path: Path) -> list[str]:
    return [record.kind for record in read_journal(path).records()]


def refused(path: Path, clock: VirtualClock) -> JournalError:
    """Open a journal that must be refused, and see to it that its bytes are left as they are."""
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        FileJournal.open(path, clock)
    assert path.read_bytes() == before
    assert str(path) in caught.value.what
    assert caught.value.pump_state
    assert caught.value.do_now
    assert not verify(path).ok
    return caught.value


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail
