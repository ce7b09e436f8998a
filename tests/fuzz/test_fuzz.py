"""Whatever bytes come from outside, a reader gives a value of its own or one of our errors, soon and in little room."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pump_ctrl.cli.main import main as cli
from pump_ctrl.errors import JournalError
from tests.fuzz import lives
from tests.fuzz.__main__ import main
from tests.fuzz.engine import Tally, run, try_one
from tests.fuzz.found import FOUND
from tests.fuzz.table import SOURCES, all_readers

Record = Callable[[str, object], None]
DEEPER = 20


def fuzz(source: str, room: Path, seed: int, times: int, record: Record) -> list[Tally]:
    """Every reader of a source; how much was tried is told at the end of the run."""
    tallies = [run(one, seed, range(one.rounds * times)) for one in SOURCES[source](room)]
    tried = sum(tally.tried for tally in tallies)
    refused = sum(sum(tally.refused.values()) for tally in tallies)
    slowest, largest = max(t.slowest_ms for t in tallies), max(t.peak_kib for t in tallies)
    record(
        "count",
        f"fuzz, {source}: {tried:,} inputs to {len(tallies)} readers, {refused:,} refused with an error of theirs, "
        f"slowest {slowest} ms, most {largest:,} KiB",
    )
    return tallies


@pytest.fixture
def room() -> Iterator[Path]:
    """A short name: a socket's has at most 107 bytes."""
    with TemporaryDirectory(prefix="fz") as name:
        yield Path(name)


@pytest.mark.parametrize("source", SOURCES)
def test_no_input_ends_in_anything_but_a_value_or_an_error_of_ours(
    source: str, room: Path, record_property: Record
) -> None:
    tallies = fuzz(source, room, seed=0, times=1, record=record_property)
    assert all(tally.tried >= 25 for tally in tallies)
    assert all(len(tally.said) + len(tally.refused) >= 1 for tally in tallies)


@pytest.mark.deep
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("source", SOURCES)
def test_the_same_for_longer(source: str, room: Path, record_property: Record) -> None:
    fuzz(source, room, 1, DEEPER, record_property)


def test_what_broke_a_reader_once_breaks_none_again(room: Path) -> None:
    names = {reader.name: reader for reader in all_readers(room)}
    for once in FOUND:
        try_one(names[once.reader], once.content, Tally(once.reader), once.did)


def another_program(content: bytes, kind: str, field: str) -> bytes:
    """The journal with that field missing in every record of a kind, and a right chain."""
    records = [json.loads(line) for line in content.splitlines()]
    for record in records:
        if record["kind"] == kind:
            del record["data"][field]
    return lives.chained(records)


@pytest.mark.parametrize(
    ("kind", "field"),
    [("state", "state"), ("intent", "id"), ("outcome", "epoch"), ("limits", "limits"), ("told", "text")],
)
def test_a_journal_of_another_program_is_refused_with_a_sentence(kind: str, field: str, room: Path) -> None:
    journal = lives.lived(room)
    assert lives.started(room, journal) == "WAITING"
    with pytest.raises(JournalError, match="not such as this program writes"):
        lives.started(room, another_program(journal, kind, field))


def test_a_time_that_no_calendar_has_is_printed_as_a_number(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [json.loads(line) for line in lives.lived(room).splitlines()]
    records[1]["utc_ms"] = 1 << 62
    path = lives.put(room, lives.chained(records))
    assert cli(["journal", "show", str(path)]) == 0
    assert f"{1 << 62} ms" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["words", "replies", "files"])
def test_every_real_input_is_taken(source: str, room: Path) -> None:
    """Else a reader that refuses everything would look as if it were tried."""
    refused = []
    for reader in SOURCES[source](room):
        tally = run(reader, 0, range(len(reader.seeds)))
        refused += [reader.name] if tally.refused and not tally.said else []
    assert refused == []


def test_the_command_line_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--inputs", "20", "sign of life", "relay driver"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "reader", "sign of life", "relay driver", "40 inputs to 2 readers, seed 0: 0 findings",
    ]  # fmt: skip
