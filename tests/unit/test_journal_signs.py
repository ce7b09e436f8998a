"""F-53: the signs beside a journal name records that were on disk, and the journal has to have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.journal import FileJournal, MemoryJournal, verify
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import LifeFile, Sign, life_path


@pytest.mark.parametrize("suffix", [".alive", ".stopped"])
@pytest.mark.parametrize(("seq", "own", "problem"), [
    (0, True, ""), (2, True, ""), (2, False, "another record 2: the two do not belong together"), (3, True, "cut off"),
    (7, False, "cut off"),
])  # fmt: skip
def test_every_sign_vouches_for_the_record_that_it_names(
    tmp_path: Path, suffix: str, seq: int, own: bool, problem: str
) -> None:
    path, clock, hashes = tmp_path / "j", VirtualClock(utc_ms=0), []
    with FileJournal.create(path, clock, {}) as journal:
        hashes.append(journal.last.hash)
        for number in range(2):
            journal.append("stopped", {"number": number})
            hashes.append(journal.last.hash)
    life = LifeFile(path, suffix)
    known = hashes[seq] if own and seq < 3 else "ab" * 32
    life.write(Sign("b", 1, Anchor(seq, known)))
    life.close()
    found = verify(path)
    assert (found.ok, problem in found.problem) == (not problem, True)


def test_a_journal_that_is_made_takes_no_sign_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "j"
    for suffix in (".alive", ".stopped"):
        life = LifeFile(path, suffix)
        life.write(Sign("b", 1, Anchor(9, "ab" * 32)))
        life.close()
    FileJournal.create(path, VirtualClock(utc_ms=0), {}).close()
    assert {each.name for each in tmp_path.iterdir()} == {"j", "j.head"}
    assert verify(path).ok


def test_a_journal_that_is_saved_takes_no_sign_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "j"
    life = LifeFile(path)
    life.write(Sign("b", 1, Anchor(9, "ab" * 32)))
    life.close()
    MemoryJournal(VirtualClock(utc_ms=0)).save(path)
    assert verify(path).ok
    assert not life_path(path).exists()
