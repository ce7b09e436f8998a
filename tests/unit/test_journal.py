"""The journal on disk and its twin in memory: what is written, who may write and read (F-54)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, MemoryJournal, Record, canonical_json, read_journal, verify
from tests.unit.journal_kit import ABOUT, INTENT, failing, head_of, somewhere_quick, write_three


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=1_795_161_600_000, boot_ms=5_000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


def test_a_line_is_the_record_and_two_hashes_in_the_order_that_the_page_names(
    path: Path, clock: VirtualClock
) -> None:
    FileJournal.create(path, clock, {"pump": "SIM-0001"}).close()
    body = (
        '{"seq":0,"kind":"journal","boot_ms":5000,"boot_id":"virtual-boot-0","utc_ms":1795161600000,'
        '"data":{"about":{"pump":"SIM-0001"},"schema":"pump-ctrl/journal/1"},"prev":"' + "0" * 64 + '"'
    )
    digest = hashlib.sha256((body + "}").encode()).hexdigest()
    assert path.read_text() == f'{body},"hash":"{digest}"}}\n'


def test_each_record_carries_the_hash_of_the_one_before(path: Path, clock: VirtualClock) -> None:
    lines = [json.loads(line) for line in write_three(path, clock).splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 2]
    assert [line["prev"] for line in lines] == ["0" * 64, lines[0]["hash"], lines[1]["hash"]]
    assert lines[2]["boot_ms"] == 5_040
    for line in lines:
        digest = line.pop("hash")
        assert hashlib.sha256(json.dumps(line, separators=(",", ":")).encode()).hexdigest() == digest


def test_append_returns_the_record_with_a_copy_of_its_data(path: Path, clock: VirtualClock) -> None:
    data: dict[str, Any] = {"steps": [[1, 2]]}
    with FileJournal.create(path, clock, ABOUT) as journal:
        record = journal.append("intent", data)
        data["steps"][0][0] = 999
        assert record == Record(1, "intent", 5_000, "virtual-boot-0", 1_795_161_600_000, {"steps": [[1, 2]]})
        assert list(journal.records())[1] == record
        assert journal.about == ABOUT


def test_the_twin_in_memory_makes_the_very_same_bytes(path: Path, clock: VirtualClock) -> None:
    on_disk = write_three(path, clock)
    twin_clock = VirtualClock(utc_ms=1_795_161_600_000, boot_ms=5_000)
    twin = MemoryJournal(twin_clock, ABOUT)
    twin.append("intent", INTENT)
    twin_clock.advance(40)
    twin.append("outcome", {"id": 7, "what": "acked", "counter": 0})
    saved = path.with_name("saved.journal")
    twin.save(saved)
    assert saved.read_bytes() == on_disk
    assert verify(saved).ok
    assert twin.head == verify(saved).head
    assert list(twin.records()) == list(read_journal(path).records())
    assert twin.about == ABOUT
    with pytest.raises(JournalError, match="File exists"):
        twin.save(saved)


def test_reading_the_twin_ends_with_the_record_that_was_the_last_when_it_began(clock: VirtualClock) -> None:
    twin = MemoryJournal(clock)
    for record in twin.records():
        assert twin.append("echo", {"of": record.seq}).seq == 1


def test_a_closed_twin_takes_no_more_records(clock: VirtualClock) -> None:
    twin = MemoryJournal(clock)
    twin.close()
    twin.close()
    with pytest.raises(JournalError, match="closed"):
        twin.append("intent", INTENT)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        -0.0,
        float("nan"),
        float("inf"),
        1e22,
        [1, [2, 3.5]],
        {"a": {"b": 0.1}},
        (1, 2),
        {1: 2},
        {True: 2},
        {None: 1},
        {1.5: 2},
        Decimal(1),
        b"bytes",
        {1, 2},
    ],
)
def test_a_float_or_anything_json_would_change_is_refused(value: object, clock: VirtualClock) -> None:
    journal = MemoryJournal(clock)
    with pytest.raises(TypeError):
        journal.append("intent", {"value": value})
    with pytest.raises(TypeError):
        canonical_json(value)
    assert [record.kind for record in journal.records()] == ["journal"]


def test_a_list_within_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TypeError):
        canonical_json(loop)


def test_a_record_beyond_a_million_bytes_is_refused_and_does_no_harm(path: Path, clock: VirtualClock) -> None:
    with FileJournal.create(path, clock, ABOUT) as journal:
        with pytest.raises(TypeError, match="1000000"):
            journal.append("intent", {"text": "x" * 1_000_000})
        assert journal.append("intent", INTENT).seq == 1


def test_canonical_json_sorts_keys_and_is_ascii_without_blanks() -> None:
    value = {"b": [1, True, None, "µg \u2028"], "a": {"z": -5, "y": 10**30}}
    assert canonical_json(value) == (
        '{"a":{"y":1000000000000000000000000000000,"z":-5},"b":[1,true,null,"\\u00b5g \\u2028"]}'
    )


def test_a_record_in_memory_takes_well_under_a_kilobyte(clock: VirtualClock) -> None:
    steps = [["basal", 123_400, 3_600_000, 0] for _ in range(4)]
    tracemalloc.start()
    journal = MemoryJournal(clock)
    before, _ = tracemalloc.get_traced_memory()
    for number in range(500):
        journal.append("intent", {"id": number, "steps": steps, "limits": "a" * 64, "account": "stage-0"})
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / 500 < 900


# ---- one writer, any readers -------------------------------------------------------------------


def test_a_second_writer_is_refused_until_the_first_lets_go(path: Path, clock: VirtualClock) -> None:
    """S-33."""
    first = FileJournal.create(path, clock, ABOUT)
    with pytest.raises(JournalError, match="another controller is writing it"):
        FileJournal.open(path, clock)
    first.append("intent", INTENT)
    first.close()
    first.close()
    with FileJournal.open(path, clock) as second:
        assert second.append("stop", {}).seq == 2
    with pytest.raises(JournalError, match="closed"):
        first.append("stop", {})


def test_a_journal_that_got_the_first_descriptor_is_written_closed_and_let_go_as_any_other(
    path: Path, clock: VirtualClock
) -> None:
    """It is free where a service was started without an input."""
    kept = os.dup(0)
    os.close(0)
    try:
        journal = FileJournal.create(path, clock, ABOUT)
        assert journal._fd == 0
        assert journal.append("intent", INTENT).seq == 1
        journal.close()
        assert verify(path).anchored_seq == 1
        FileJournal.open(path, clock).abandon()
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_reader_follows_a_writer_and_waits_for_a_line_to_be_whole(path: Path, clock: VirtualClock) -> None:
    with FileJournal.create(path, clock, ABOUT) as journal:
        reader = read_journal(path)
        assert [record.kind for record in reader.records()] == ["journal"]
        assert list(reader.records()) == []
        journal.append("intent", INTENT)
        journal.append("stop", {})
        assert [record.kind for record in reader.records()] == ["intent", "stop"]
        assert (reader.head, reader.count, reader.about) == (journal.head, 3, ABOUT)
        whole = path.read_bytes()
        os.truncate(path, len(whole) - 30)  # as a reader may find it while the line is being written
        late = read_journal(path)
        assert [record.kind for record in late.records()] == ["journal", "intent"]
        assert late.tail
        assert verify(path).ok
        path.write_bytes(whole)
        assert [record.kind for record in late.records()] == ["stop"]
        assert not late.tail


def test_a_reader_of_a_missing_file_says_so(path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        list(read_journal(path).records())
    verdict = verify(path)
    assert not verdict.ok
    assert "No such file" in verdict.problem


# ---- making it ---------------------------------------------------------------------------------


def test_a_journal_is_never_made_over_another_or_beside_the_head_of_one_that_is_gone(
    path: Path, clock: VirtualClock
) -> None:
    before = write_three(path, clock)
    with pytest.raises(JournalError, match="head file of an earlier journal"):
        FileJournal.create(path, clock, ABOUT)
    head = head_of(path)
    head.rename(path.with_name("kept"))
    with pytest.raises(JournalError, match="File exists"):
        FileJournal.create(path, clock, ABOUT)
    assert path.read_bytes() == before
    path.unlink()
    path.with_name("kept").rename(head)
    with pytest.raises(JournalError, match="head file of an earlier journal"):
        FileJournal.create(path, clock, ABOUT)
    with pytest.raises(JournalError, match="No such file"):
        FileJournal.open(path, clock)


def test_a_journal_in_no_directory_is_refused(path: Path, clock: VirtualClock) -> None:
    with pytest.raises(JournalError, match="No such file"):
        FileJournal.create(path.parent / "nowhere" / "j", clock, ABOUT)


@pytest.mark.parametrize("name", ["write", "fdatasync", "fsync", "replace"])
def test_a_journal_that_cannot_be_begun_leaves_nothing_behind(
    name: str, path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(errno.ENOSPC))
        with pytest.raises(JournalError, match="No space left"):
            FileJournal.create(path, clock, ABOUT)
    assert list(path.parent.iterdir()) == []
    FileJournal.create(path, clock, ABOUT).close()


def test_a_float_in_what_it_is_about_makes_no_file(path: Path, clock: VirtualClock) -> None:
    with pytest.raises(TypeError):
        FileJournal.create(path, clock, {"volume": 1.5})
    assert list(path.parent.iterdir()) == []
