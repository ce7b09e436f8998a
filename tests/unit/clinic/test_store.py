"""The database: a transaction as a whole or not at all, whoever else writes and whatever the disk says."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.clinic import store as module
from pump_ctrl.clinic.store import Store
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError

OF_THE_PRODUCT = module.PRAGMAS  # before any test has made them cheap
ADD = "INSERT INTO failures VALUES (?, ?, ?)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clinic.sqlite3"


@pytest.fixture
def store(path: Path, clock: VirtualClock) -> Iterator[Store]:
    found = Store(path, clock)
    yield found
    found.close()


def names(store: Store) -> list[str]:
    return [row["name"] for row in store.all("SELECT name FROM failures ORDER BY rowid")]


def acts(store: Store) -> list[str]:
    return [row["kind"] for row in store.all("SELECT kind FROM outbox ORDER BY id")]


def add(store: Store, name: str, then: Exception | None = None) -> None:
    with store.write() as tx:
        tx.do(ADD, name, "boot", 1)
        tx.act(f"added-{name}")
        if then is not None:
            raise then


def test_a_change_and_its_act_are_made_together(store: Store) -> None:
    add(store, "one")
    assert (names(store), acts(store)) == (["one"], ["added-one"])


@pytest.mark.parametrize(
    "error", [ValueError("ours"), KeyboardInterrupt(), OSError(28, "No space left on device")]
)
def test_of_a_transaction_that_fails_nothing_is_left_and_no_act(store: Store, error: Exception) -> None:
    with pytest.raises((ValueError, KeyboardInterrupt, JournalError)):
        add(store, "half", error)
    add(store, "whole")
    assert (names(store), acts(store)) == (["whole"], ["added-whole"])


def test_it_is_told_after_a_change_and_not_after_a_failure(store: Store) -> None:
    told: list[int] = []
    store.on_act(lambda: told.append(len(names(store))))
    with pytest.raises(ValueError, match="ours"):
        add(store, "half", ValueError("ours"))
    assert told == []
    add(store, "whole")
    assert told == [1]


def test_what_was_done_is_there_when_the_file_is_opened_again(
    store: Store, path: Path, clock: VirtualClock
) -> None:
    add(store, "one")
    store.close()
    again = Store(path, clock)
    assert (names(again), acts(again)) == (["one"], ["added-one"])
    again.close()


def test_acts_leave_the_outbox_up_to_the_one_that_is_named(store: Store) -> None:
    for name in ("one", "two", "three"):
        add(store, name)
    store.forget_acts(2)
    assert acts(store) == ["added-three"]


def test_tables_of_another_version_are_refused_and_left_alone(path: Path, clock: VirtualClock) -> None:
    Store(path, clock).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 3")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(
        JournalError, match=r"another version of this program \(its tables are number 3\).*--state DIR"
    ):
        Store(path, clock)
    assert path.read_bytes() == before


def shape(store: Store) -> list[tuple[str, str]]:
    found = store.all("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(row["name"], row["sql"]) for row in found]


def test_tables_number_one_are_brought_up_to_number_two_with_all_that_stands_in_them(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "SCHEMAS", module.SCHEMAS[:1])
        earlier = Store(path, clock)
        assert earlier.all("PRAGMA user_version")[0][0] == 1
        add(earlier, "one")
        earlier.close()
    now = Store(path, clock)
    assert now.all("PRAGMA user_version")[0][0] == 2
    assert (names(now), acts(now)) == (["one"], ["added-one"])
    new = Store(path.with_name("new.sqlite3"), clock)
    assert shape(now) == shape(new)
    assert new.all("PRAGMA user_version")[0][0] == 2
    for each in (now, new):
        each.close()


def test_tables_that_cannot_be_brought_up_stay_as_they_were(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(module, "SCHEMAS", module.SCHEMAS[:1])
        Store(path, clock).close()
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_statements", lambda _: ["CREATE TABLE half (a TEXT) STRICT", "CREATE TABLE"])
        with pytest.raises(JournalError, match="cannot be used"):
            Store(path, clock)
    assert path.read_bytes() == before
    Store(path, clock).close()


@pytest.mark.parametrize("what", [b"not a database, but long enough to have a head of its own\n" * 20, None])
def test_a_file_that_is_no_database_is_refused_in_words(
    path: Path, clock: VirtualClock, what: bytes | None
) -> None:
    if what is None:
        path.mkdir()
    else:
        path.write_bytes(what)
    with pytest.raises(JournalError, match=r"cannot be used.*nothing was changed"):
        Store(path, clock)


def test_a_full_disk_changes_nothing_and_is_told_in_words(store: Store) -> None:
    add(store, "one")
    pages = store.all("PRAGMA page_count")[0][0]
    store.all(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match=r"full.*running controller is not touched.*nothing was changed"):
        add(store, "x" * 50_000)
    store.all("PRAGMA max_page_count = 100000")
    add(store, "two")
    assert (names(store), acts(store)) == (["one", "two"], ["added-one", "added-two"])


def test_who_waits_too_long_for_another_writer_is_told_and_nothing_is_changed(
    store: Store, path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    other = Store(path, clock)
    with store.write() as tx:
        tx.do(ADD, "one", "boot", 1)
        with pytest.raises(JournalError, match="locked"):
            add(other, "two")
        assert names(other) == []  # what is not finished is seen by nobody
    add(other, "three")
    assert names(other) == ["one", "three"]
    other.close()


def test_from_the_first_look_on_nobody_else_writes(
    store: Store, path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    other = Store(path, clock)
    with store.write() as tx:
        assert tx.one("SELECT 1 FROM failures") is None
        with pytest.raises(JournalError, match="locked"):
            add(other, "two")
        tx.do(ADD, "one", "boot", 1)
    assert names(other) == ["one"]
    other.close()


def test_a_commit_that_a_reader_keeps_out_leaves_nothing_behind(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    writer = Store(path, clock)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM failures").fetchall()
    with pytest.raises(JournalError, match="locked"):
        add(writer, "one")
    reader.execute("COMMIT")
    add(writer, "two")
    assert (names(writer), acts(writer)) == (["two"], ["added-two"])
    reader.close()
    writer.close()


WRITE = """
import sys
from pathlib import Path
from pump_ctrl.clinic.store import Store
from pump_ctrl.clock import VirtualClock
store = Store(Path(sys.argv[1]), VirtualClock())
print("there", flush=True)
for number in range(15):
    with store.write() as tx:
        count = tx.one("SELECT count(*) FROM failures")[0]
        tx.do("INSERT INTO failures VALUES (?, 'boot', ?)", sys.argv[2], count)
        tx.act("added")
"""


def test_two_processes_that_write_at_the_same_time_lose_nothing(path: Path, store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), "child"], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        for _ in range(15):
            with store.write() as tx:
                count = tx.all("SELECT count(*) FROM failures")[0][0]
                tx.do("INSERT INTO failures VALUES ('parent', 'boot', ?)", count)
                tx.act("added")
    assert child.returncode == 0
    assert sorted(names(store)) == ["child"] * 15 + ["parent"] * 15
    counted = [row["at_ms"] for row in store.all("SELECT at_ms FROM failures ORDER BY rowid")]
    assert counted == list(range(30))  # each saw what those before had done
    assert len(acts(store)) == 30


def test_the_database_is_for_its_owner_alone(store: Store, path: Path) -> None:
    add(store, "one")
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("clinic.sqlite3*")} == {
        "clinic.sqlite3": 0o600,
        "clinic.sqlite3-journal": 0o600,
    }


def test_every_statement_reaches_the_disk_before_it_counts(
    path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PRAGMAS", OF_THE_PRODUCT)
    store = Store(path, clock)
    assert store.all("PRAGMA synchronous")[0][0] == 2  # FULL
    assert store.all("PRAGMA journal_mode")[0][0] == "truncate"
    assert store.all("PRAGMA foreign_keys")[0][0] == 1
    store.close()
