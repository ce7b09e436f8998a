"""Whatever is written comes back, and whatever is done to the bytes is noticed (S-27)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, MemoryJournal, canonical_json, read_journal, verify

TEXT = st.text(max_size=8) | st.sampled_from(["", "hash", ',"hash":"', '"}', "\n", "\ud800", "µg"])
LEAVES = st.none() | st.booleans() | st.sampled_from([0, -1, 2**53 + 1, 2**64]) | TEXT
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXT, v, max_size=4), max_leaves=12
)
DATA = st.dictionaries(TEXT, VALUES, max_size=4)
ENTRIES = st.lists(st.tuples(TEXT, DATA), max_size=5)


def written(entries: list[tuple[str, dict[str, Any]]]) -> MemoryJournal:
    journal = MemoryJournal(VirtualClock(boot_ms=7), {"pump": "SIM-0001"})
    for kind, data in entries:
        journal.append(kind, data)
    return journal


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    in_memory = (
        "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )  # what the disk takes is not the matter
    with TemporaryDirectory(dir=in_memory) as name:
        yield Path(name)


def fresh(folder: Path) -> Path:
    path = folder / "any.journal"
    for old in (path, path.with_name("any.journal.head")):
        old.unlink(missing_ok=True)
    return path


@given(entries=ENTRIES)
def test_every_record_comes_back_from_memory_and_from_disk_as_it_was_written(
    entries: list[tuple[str, dict[str, Any]]], folder: Path
) -> None:
    journal = written(entries)
    assert [(record.kind, record.data) for record in journal.records()][1:] == entries
    path = fresh(folder)
    journal.save(path)
    assert list(read_journal(path).records()) == list(journal.records())
    assert verify(path).ok


@given(value=VALUES)
def test_the_canonical_form_depends_on_the_value_alone(value: object) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(backwards(value)) == text


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Named(dict[str, object]):
    """A dict of another type."""


HALVES = "\ud83d" + "\ude00"  # two halves that JSON reads back as one character
ODD_TEXT = TEXT | st.sampled_from(["%s", "%", "100 %", HALVES, "\\ud83d"])
ODD_KEYS = ODD_TEXT | st.sampled_from([0, True, None, Colour.RED])
ODD = st.recursive(
    LEAVES | ODD_TEXT | st.sampled_from([Colour.RED, Size.SMALL, b"", -(10**30)]),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(ODD_TEXT, v, max_size=4)
        | st.dictionaries(ODD_KEYS, v, max_size=2)
        | st.lists(v, max_size=2).map(tuple)
        | st.dictionaries(TEXT, v, max_size=2).map(Named)
    ),
    max_leaves=8,
)


@given(value=ODD)
def test_the_canonical_form_is_the_standard_encoders_or_a_refusal_where_that_would_change_the_value(
    value: object,
) -> None:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
        unchanged = json.loads(text) == value
    except TypeError:
        unchanged = False
    if unchanged:
        assert canonical_json(value) == text
    else:
        with pytest.raises(TypeError):
            canonical_json(value)


def backwards(value: object) -> object:
    """The same value with the keys of every dict in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(item) for item in value] if isinstance(value, list) else value


@given(value=VALUES, number=st.floats(), at=st.integers(0, 3))
def test_a_float_is_refused_however_deep_it_lies(value: object, number: float, at: int) -> None:
    hidden: object = number
    for depth in range(at):
        hidden = {"x": hidden, "y": value} if depth % 2 else [value, hidden]
    with pytest.raises(TypeError):
        MemoryJournal(VirtualClock()).append("intent", {"value": hidden})


@st.composite
def damage(draw: st.DrawFn) -> tuple[int, int, bytes]:
    """Replace the bytes from one permille of the file to another by something else."""
    start, end = sorted((draw(st.integers(0, 1_000)), draw(st.integers(0, 1_000))))
    return (
        start,
        end,
        draw(st.sampled_from([b"", b"\n", b"0", b'"', b"{}\n", b"\0" * 40]) | st.binary(max_size=3)),
    )


@given(entries=st.lists(st.tuples(TEXT, DATA), min_size=1, max_size=4), harm=damage(), data=st.data())
def test_a_damaged_journal_opens_only_if_nothing_but_the_end_behind_the_head_was_lost(
    entries: list[tuple[str, dict[str, Any]]], harm: tuple[int, int, bytes], data: st.DataObject, folder: Path
) -> None:
    journal, path = written(entries), fresh(folder)
    journal.save(path)
    whole, records = path.read_bytes(), list(journal.records())
    named = data.draw(st.integers(0, len(entries)), label="record that the head file names")
    lines = whole.splitlines(keepends=True)
    anchor = {"hash": json.loads(lines[named])["hash"], "schema": "pump-ctrl/journal-head/1", "seq": named}
    path.with_name("any.journal.head").write_text(json.dumps(anchor))
    start, end, other = harm
    changed = whole[: len(whole) * start // 1_000] + other + whole[len(whole) * end // 1_000 :]
    path.write_bytes(changed)
    try:
        opened = FileJournal.open(path, VirtualClock())
    except JournalError:
        assert path.read_bytes() == changed
        return
    found = [record for record in opened.records() if record.kind != "torn"]
    opened.close()
    assert found == records[: len(found)]
    assert len(found) > named
    kept = b"".join(lines[: len(found)])
    assert changed.startswith(kept[:-1])
    assert b"\n" not in changed[len(kept) :]
