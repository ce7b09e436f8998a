"""One line of the journal at its edges: how values are written, and what is the next record and what is not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, MemoryJournal, Record, canonical_json, read_journal, verify
from pump_ctrl.journal.chain import BrokenChainError, Chain
from tests.unit.journal_kit import ABOUT, INTENT, somewhere_quick

ZEROS = "0" * 64
FACE = "\U0001f600"
HALVES = "\ud83d" + "\ude00"  # which JSON reads back as that one character


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=1_795_161_600_000, boot_ms=5_000)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield from somewhere_quick(tmp_path)


def sealed(text: str) -> bytes:
    """A line with the right hash, whatever it says; ``text`` lacks its closing brace."""
    return f'{text},"hash":"{hashlib.sha256((text + "}").encode()).hexdigest()}"}}'.encode()


def line(
    seq: str = "0",
    boot_ms: str = "1",
    utc_ms: str = "1",
    data: str = "{}",
    prev: str = ZEROS,
    kind: str = '"stop"',
    boot_id: str = '"b"',
) -> bytes:
    return sealed(
        f'{{"seq":{seq},"kind":{kind},"boot_ms":{boot_ms},"boot_id":{boot_id},"utc_ms":{utc_ms},"data":{data},'
        f'"prev":"{prev}"'
    )


# ---- how a value is written --------------------------------------------------------------------


@pytest.mark.parametrize(("value", "text"), [
    (False, "false"), (True, "true"), (None, "null"), (0, "0"), (-7, "-7"), ([], "[]"), ({}, "{}"),
    ([False, True, None, 1, "a"], '[false,true,null,1,"a"]'),
    ({"%s": 1, "100 %": "%d", "%%": []}, '{"%%":[],"%s":1,"100 %":"%d"}'),
    (["%s", {"%": 1}], '["%s",{"%":1}]'),
    ([Colour.RED, Size.SMALL], '["red",1]'), ({"a": Size.SMALL, "b": Colour.RED}, '{"a":1,"b":"red"}'),
    (FACE, '"\\ud83d\\ude00"'), ({FACE: FACE}, '{"\\ud83d\\ude00":"\\ud83d\\ude00"}'),
    ("\ud83d", '"\\ud83d"'), (["\ude00", "\ud83d"], '["\\ude00","\\ud83d"]'),
])  # fmt: skip
def test_a_value_is_written_in_one_form(value: object, text: str) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [HALVES, [HALVES], {"a": HALVES}, {HALVES: 1}])
def test_a_character_in_two_halves_is_refused_as_it_would_come_back_whole(value: object) -> None:
    with pytest.raises(TypeError, match="two halves"):
        canonical_json(value)


def test_a_refusal_names_the_type() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        canonical_json([Decimal(1)])


def test_any_mapping_may_be_recorded(clock: VirtualClock) -> None:
    journal = MemoryJournal(clock)
    journal.append("stop", MappingProxyType({"at": 7}))
    assert list(journal.records())[1].data == {"at": 7}


def test_the_longest_record_is_a_million_bytes_and_can_be_read_again(path: Path, clock: VirtualClock) -> None:
    with FileJournal.create(path, clock, {}) as journal:
        empty = (
            len(Chain().seal("stop", {"a": ""}, clock)[2]) - 76
        )  # as long as record 1 would be, without its seal
        with pytest.raises(TypeError, match="1000001 bytes"):
            journal.append("stop", {"a": "x" * (1_000_001 - empty)})
        journal.append("stop", {"a": "x" * (1_000_000 - empty)})
    assert [len(record.data) for record in read_journal(path).records()] == [2, 1]
    assert len(path.read_bytes().splitlines()[1]) == 1_000_075
    FileJournal.open(path, clock).close()
    assert verify(path).ok


# ---- what is the next record -------------------------------------------------------------------


def test_a_line_that_follows_is_read(clock: VirtualClock) -> None:
    record, digest = Chain().check(line(data='{"a":[1]}'))
    assert record == Record(0, "stop", 1, "b", 1, {"a": [1]})
    assert line(data='{"a":[1]}').endswith(f'"hash":"{digest}"}}'.encode())


@pytest.mark.parametrize("wrong", [
    line(seq="0", prev="1" * 64), line(seq="2", prev="1" * 64), line(prev="1" * 64, seq="-1"),
    line(seq="1", prev=ZEROS), line(seq="1", prev="2" * 64), line(seq="1", prev=""),
])  # fmt: skip
def test_number_and_hash_of_the_record_before_have_to_fit_both(wrong: bytes) -> None:
    chain = Chain()
    chain.follow("1" * 64)
    assert chain.check(line(seq="1", prev="1" * 64))[0].seq == 1
    with pytest.raises(BrokenChainError, match="does not follow"):
        chain.check(wrong)


SOUND = f'{{"seq":0,"kind":"stop","boot_ms":1,"boot_id":"b","utc_ms":1,"data":{{}},"prev":"{ZEROS}"'


@pytest.mark.parametrize("wrong", [
    line(data='{"a":1.5}'), line(data='{"a":1e5}'), line(data='{"a":NaN}'), line(data='{"a":-Infinity}'),
    line(data="[]"), line(data="null"), line(data='"x"'), line(data="{"), line(data='{"a":"\u00e4"}'),
    line(seq="true"), line(seq='"0"'), line(seq="0.0"), line(boot_ms='"1"'), line(boot_ms="null"),
    line(utc_ms="true"), line(kind="7"), line(kind="null"), line(boot_id="7"),
    line(boot_ms="-1"), line(boot_ms=str(1 << 63)), line(boot_ms=str((1 << 63) + 1)),
    line(utc_ms=str(1 << 63)), line(utc_ms=str((1 << 63) + 1)), line(utc_ms=str(-(1 << 63))),
    line(utc_ms=str(-(1 << 63) - 1)), line(boot_ms="-1", utc_ms=str(1 << 63)),
    sealed(SOUND + ',"more":1'), sealed(SOUND.replace(',"data":{}', "")), sealed(SOUND.replace("prev", "prew")),
    sealed(SOUND.replace("seq", "aeq")), sealed(SOUND.replace("seq", "zeq")),
    sealed(SOUND.replace('"seq":0,"kind":"stop"', '"kind":"stop","seq":0')),
    sealed(""), sealed("["), sealed("7"), sealed('{"data":' + "[" * 100_000),
    b"", b"}", b"x" * 74, b"x" * 75, b"x" * 76, line()[:-1], line()[1:], line() + b" ", b" " + line(),
    line().replace(b'"hash":', b'"hasH":'),
    line()[:-66] + b"0" * 64 + b'"}', line()[:-66] + b"f" * 64 + b'"}',
])  # fmt: skip
def test_anything_else_is_no_record(wrong: bytes) -> None:
    chain = Chain()
    with pytest.raises(BrokenChainError):
        chain.check(wrong)
    assert chain.check(line())[0].seq == 0


@pytest.mark.parametrize(("boot_ms", "utc_ms"), [
    (0, 0), ((1 << 63) - 1, 0), (0, (1 << 63) - 1), (0, -(1 << 63) + 1), (7, -1),
])  # fmt: skip
def test_a_time_that_a_clock_may_tell_is_read(boot_ms: int, utc_ms: int) -> None:
    record, _ = Chain().check(line(boot_ms=str(boot_ms), utc_ms=str(utc_ms)))
    assert (record.boot_ms, record.utc_ms) == (boot_ms, utc_ms)


def test_a_journal_with_a_time_that_no_clock_tells_is_refused(path: Path) -> None:
    MemoryJournal(VirtualClock(boot_ms=1 << 63)).save(path)
    assert "it has not the fields of a record" in verify(path).problem


# ---- records -----------------------------------------------------------------------------------


def test_records_are_equal_where_all_that_they_say_is() -> None:
    record = Record(3, "stop", 5, "b", 9, {"at": 1})
    assert record == Record(3, "stop", 5, "b", 9, '{"at":1}')
    for other in (
        Record(2, "stop", 5, "b", 9, {"at": 1}),
        Record(3, "stoq", 5, "b", 9, {"at": 1}),
        Record(3, "stop", 4, "b", 9, {"at": 1}),
        Record(3, "stop", 5, "c", 9, {"at": 1}),
        Record(3, "stop", 5, "b", 8, {"at": 1}),
        Record(3, "stop", 5, "b", 9, {"at": 2}),
        (3, "stop", 5, "b", 9, {"at": 1}),
        None,
    ):
        assert record != other
        assert other != record
    assert repr(record) == "Record(3, 'stop', 5, 'b', 9, {'at': 1})"


# ---- the twin ----------------------------------------------------------------------------------


def test_a_twin_that_is_about_nothing_says_so(clock: VirtualClock) -> None:
    assert MemoryJournal(clock).about == {}


def test_a_twin_that_cannot_be_saved_says_what_the_disk_said(path: Path, clock: VirtualClock) -> None:
    with pytest.raises(JournalError, match="No such file or directory"):
        MemoryJournal(clock, ABOUT).save(path.parent / "nowhere" / "j")


def test_a_twin_that_is_saved_is_on_disk_whole_before_its_head_file_is_made(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, int]] = []
    monkeypatch.setattr(
        os, "fsync", lambda _: seen.append({each.name: each.stat().st_size for each in path.parent.iterdir()})
    )
    MemoryJournal(clock, ABOUT).save(path)
    assert seen[0] == {"bench.journal": path.stat().st_size}


def test_a_twin_that_is_saved_can_be_gone_on_with(path: Path, clock: VirtualClock) -> None:
    twin = MemoryJournal(clock, ABOUT)
    twin.append("intent", INTENT)
    twin.save(path)
    with FileJournal.open(path, clock) as journal:
        assert journal.append("stop", {}).seq == 2
    assert verify(path).anchored_seq == 2
