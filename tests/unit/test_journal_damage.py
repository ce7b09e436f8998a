"""A journal that is opened again: torn, edited, cut off, swapped or foreign (F-49, F-50, F-53, F-54)."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, Verdict, read_journal, verify
from tests.unit.journal_kit import ABOUT, failing, head_of, refused, somewhere_quick, write_three


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=1_795_161_600_000, boot_ms=5_000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


# ---- a torn end --------------------------------------------------------------------------------


def test_a_journal_goes_on_where_it_was_closed(path: Path, clock: VirtualClock) -> None:
    write_three(path, clock)
    clock.reboot()
    with FileJournal.open(path, clock) as journal:
        record = journal.append("stop", {"why": "restart"})
        assert (record.seq, record.boot_id) == (3, "virtual-boot-1")
        assert journal.about == ABOUT
        assert [r.kind for r in journal.records()] == ["journal", "intent", "outcome", "stop"]
    assert verify(path).ok


def test_a_last_record_torn_at_any_byte_is_dropped_and_the_drop_recorded(
    path: Path, clock: VirtualClock
) -> None:
    whole = write_three(path, clock)
    head = head_of(path).read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(start + 1, len(whole) - 1):
        path.write_bytes(whole[:end])
        head_of(path).write_bytes(head)
        assert verify(path).torn_bytes == end - start
        with FileJournal.open(path, clock) as journal:
            records = list(journal.records())
        assert [record.kind for record in records] == ["journal", "intent", "torn"]
        assert records[2].data["bytes"] == end - start
        assert records[2].data["sha256"] == hashlib.sha256(whole[start:end]).hexdigest()
        assert records[2].data["text"] == whole[start:end].decode()[:500]
        assert path.read_bytes().startswith(whole[:start])
        assert verify(path).ok


def test_a_last_record_that_lacks_only_its_end_of_line_is_kept(path: Path, clock: VirtualClock) -> None:
    # It may have been on disk whole, and an editor may have taken the last byte: its dose is not forgotten.
    whole = write_three(path, clock)
    path.write_bytes(whole[:-1])
    FileJournal.open(path, clock).close()
    assert path.read_bytes() == whole


def test_a_last_record_that_lacks_only_its_end_of_line_is_the_one_that_the_next_follows(
    path: Path, clock: VirtualClock
) -> None:
    """Else the next record would have its number, and no journal could be opened any more."""
    whole = write_three(path, clock)
    path.write_bytes(whole[:-1])
    with FileJournal.open(path, clock) as journal:
        assert journal.last.seq == 2
        assert journal.append("stop", {}).seq == 3
    assert path.read_bytes().startswith(whole)
    assert verify(path).ok


def test_a_reader_leaves_a_last_record_without_an_end_and_tells_it_where_it_will_be_kept(
    path: Path, clock: VirtualClock
) -> None:
    whole = write_three(path, clock)
    for end, kept in ((len(whole), 3), (len(whole) - 1, 3), (len(whole) - 2, 2)):
        path.write_bytes(whole[:end])
        reader = read_journal(path)
        assert [record.seq for record in reader.kept()] == list(range(kept))
        assert reader.count == (3 if end == len(whole) else 2)
        assert len(list(read_journal(path).records())) == reader.count


def test_of_a_long_torn_tail_the_first_bytes_are_kept_and_the_hash_of_all(
    path: Path, clock: VirtualClock
) -> None:
    tail = b"0123456789" * 60
    path.write_bytes(write_three(path, clock) + tail)
    with FileJournal.open(path, clock) as journal:
        torn = list(journal.records())[-1].data
    digest = hashlib.sha256(tail).hexdigest()
    assert torn == {"bytes": 600, "sha256": digest, "text": "0123456789" * 50}


def test_a_tail_is_torn_as_long_as_it_may_be_a_record_and_foreign_if_it_is_longer(
    path: Path, clock: VirtualClock
) -> None:
    whole = write_three(path, clock)
    path.write_bytes(whole + b"x" * 1_000_075)
    assert verify(path).torn_bytes == 1_000_075
    path.write_bytes(whole + b"x" * 1_000_200)
    assert "line 4 does not end where a record ends" in str(refused(path, clock))


def test_a_torn_tail_of_any_bytes_is_kept_as_text(path: Path, clock: VirtualClock) -> None:
    path.write_bytes(write_three(path, clock) + b'{"seq":3,\xff\x00')
    with FileJournal.open(path, clock) as journal:
        assert list(journal.records())[-1].data["text"] == '{"seq":3,\\xff\x00'


def test_a_first_record_that_was_never_finished_is_no_journal(path: Path, clock: VirtualClock) -> None:
    whole = write_three(path, clock)
    head_of(path).unlink()
    path.write_bytes(whole[: whole.index(b"\n") - 10])
    assert "no first record" in str(refused(path, clock))


def test_a_crash_before_the_first_head_file_costs_nothing(path: Path, clock: VirtualClock) -> None:
    FileJournal.create(path, clock, ABOUT).close()
    head_of(path).unlink()
    FileJournal.open(path, clock).close()
    assert verify(path).ok


# ---- what was done to it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit", [lambda byte: byte ^ 1, lambda byte: byte ^ 0x20, lambda byte: 0x0A if byte != 0x0A else 0x20]
)
def test_an_edited_byte_anywhere_is_refused(
    edit: Callable[[int], int], path: Path, clock: VirtualClock
) -> None:
    whole = write_three(path, clock)
    with path.open("r+b", buffering=0) as file:
        for at, byte in enumerate(whole):
            os.pwrite(file.fileno(), bytes((edit(byte),)), at)
            with pytest.raises(JournalError):
                FileJournal.open(path, clock)
            os.pwrite(file.fileno(), bytes((byte,)), at)
    assert path.read_bytes() == whole
    assert verify(path).ok


def test_removed_moved_doubled_and_foreign_records_are_refused(path: Path, clock: VirtualClock) -> None:
    other = path.with_name("other.journal")
    foreign = write_three(other, VirtualClock(utc_ms=1_795_161_600_000)).splitlines(keepends=True)
    first, second, third = write_three(path, clock).splitlines(keepends=True)
    for lines in (
        [first, third],
        [second, third],
        [first, third, second],
        [first, first, second, third],
        [first, second, second, third],
        [first, second, foreign[2]],
        [first, foreign[1], third],
        [foreign[0], second, third],
        [first, b"\n", second, third],
        [first, b"{}\n", second, third],
    ):
        path.write_bytes(b"".join(lines))
        refused(path, clock)


def test_bytes_behind_a_whole_last_record_are_refused(path: Path, clock: VirtualClock) -> None:
    path.write_bytes(write_three(path, clock)[:-1] + b" ")
    assert "line 3 does not end where a record ends" in str(refused(path, clock))


def test_a_record_whose_data_look_like_a_seal_may_be_torn(path: Path, clock: VirtualClock) -> None:
    journal = FileJournal.create(path, clock, ABOUT)
    journal.append("limits", {"g": 1, "hash": "0" * 64})
    journal.close()
    head_of(path).write_bytes(b"")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    head_of(path).unlink()
    with FileJournal.open(path, clock) as again:
        assert [record.kind for record in again.records()] == ["journal", "torn"]


def test_a_file_cut_off_behind_the_head_is_refused(path: Path, clock: VirtualClock) -> None:
    whole = write_three(path, clock)
    FileJournal.open(path, clock).close()  # the head file names record 2 from here on
    for end in (len(whole) - 1 - 5, whole.rfind(b"\n", 0, -1) + 1, whole.index(b"\n") + 1):
        path.write_bytes(whole[:end])
        assert "its end was cut off, or an older copy was put back" in str(refused(path, clock))


def test_two_records_without_a_head_file_are_refused(path: Path, clock: VirtualClock) -> None:
    """One may be all that there was before the first head file; two may not."""
    whole = write_three(path, clock)
    head_of(path).unlink()
    path.write_bytes(whole[: whole.rfind(b"\n", 0, -1) + 1])
    assert "head file is missing" in str(refused(path, clock))


def test_what_was_found_is_told_in_figures(path: Path, clock: VirtualClock) -> None:
    with FileJournal.create(path, clock, ABOUT) as journal:
        journal.append("stop", {})
        head = journal.head
    assert verify(path) == Verdict(True, 2, head, 1, 0, "")
    with path.open("ab") as file:
        file.write(b'{"seq"')
    assert verify(path) == Verdict(True, 2, head, 1, 6, "")
    path.unlink()
    gone = verify(path)
    assert gone == Verdict(False, 0, "0" * 64, 1, 0, gone.problem)
    head_of(path).write_bytes(b"")
    garbled = verify(path)
    assert garbled == Verdict(False, 0, "0" * 64, None, 0, garbled.problem)
    assert read_journal(path.with_name("another")).about == {}


def test_a_head_file_that_is_missing_garbled_or_of_another_journal_is_refused(
    path: Path, clock: VirtualClock
) -> None:
    other = path.with_name("other.journal")
    write_three(other, VirtualClock())
    write_three(path, clock)
    head_of(path).unlink()
    assert "head file is missing" in str(refused(path, clock))
    head_of(path).write_bytes(head_of(other).read_bytes())
    assert "do not belong together" in str(refused(path, clock))
    for garbage in (b"", b"{}", b"[]", b"\xff", b'{"hash":1,"schema":"pump-ctrl/journal-head/1","seq":0}'):
        head_of(path).write_bytes(garbage)
        assert "head file" in str(refused(path, clock))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"dose 5 mg\n", b'{"a":1}\n', b"\0" * 4_096, b"x" * 1_100_000]
)
def test_a_foreign_file_is_refused(content: bytes, path: Path, clock: VirtualClock) -> None:
    path.write_bytes(content)
    refused(path, clock)


def test_a_well_chained_file_of_another_kind_is_refused(path: Path, clock: VirtualClock) -> None:
    for kind, data in (
        ("diary", '{"about":{},"schema":"pump-ctrl/journal/1"}'),
        ("journal", '{"about":{},"schema":"pump-ctrl/journal/2"}'),
        ("journal", '{"about":{},"schema":"pump-ctrl/journal/0"}'),
        ("journal", '{"schema":"pump-ctrl/journal/1"}'),
        ("journal", "[1]"),
        ("journal", "1.5"),
    ):
        top = f'{{"seq":0,"kind":"{kind}","boot_ms":1,"boot_id":"b","utc_ms":1'
        body = f'{top},"data":{data},"prev":"{"0" * 64}"'
        digest = hashlib.sha256((body + "}").encode()).hexdigest()
        path.write_text(f'{body},"hash":"{digest}"}}\n')
        refused(path, clock)


def test_a_record_whose_number_is_not_the_next_is_refused(path: Path, clock: VirtualClock) -> None:
    whole = write_three(path, clock)
    first = whole.splitlines(keepends=True)[0]
    top = '{"seq":2,"kind":"stop","boot_ms":1,"boot_id":"b","utc_ms":1,"data":{}'
    body = f'{top},"prev":"{json.loads(first)["hash"]}"'
    digest = hashlib.sha256((body + "}").encode()).hexdigest()
    path.write_bytes(first + f'{body},"hash":"{digest}"}}\n'.encode())
    assert "does not follow the record before it" in str(refused(path, clock))


def test_a_file_system_that_cannot_lock_is_refused(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_three(path, clock)
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with pytest.raises(JournalError, match="cannot be locked"):
        FileJournal.open(path, clock)
