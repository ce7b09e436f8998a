"""The database of a state directory: one connection a process, one writer at a time.

Layer      clinic; imports the kernel only.
Hazard     a change without its record, or half of one; two writers that damage the file.
Invariant  what one ``write`` does is there as a whole or not at all, with its acts.
Tests      tests/unit/clinic/test_store.py

No write-ahead log: the page and the command line may write at the same time, and SQLite before 3.51.3 can damage a
file in which several connections write and checkpoint one. The rollback journal is slower, and nobody notices here.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pump_ctrl.clock import Clock
from pump_ctrl.errors import JournalError

# What makes each number of the tables out of the one before; an earlier directory is brought up to the last of them.
SCHEMAS: Final = ("schema.sql", "schema-2.sql")
PATIENCE_S: Final = 5.0  # another process may be writing
Row = sqlite3.Row
PRAGMAS: Final = (
    "foreign_keys = ON",
    "synchronous = FULL",
    "journal_mode = TRUNCATE",
    "trusted_schema = OFF",
)


class Transaction:
    """Changes that are made together. ``act`` says who did what; it is written down with them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def do(self, sql: str, *values: object) -> int:
        """Change something; how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def all(self, sql: str, *values: object) -> list[Row]:
        """Rows as they are within this transaction."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Row | None:
        """The first of them, if there is any."""
        found: Row | None = self._connection.execute(sql, values).fetchone()
        return found

    def act(self, kind: str, **data: str | int | None) -> None:
        """Say what was done. The act has a name of its own (``act``), by which it is known in the journal.

        A running number would not do: a database that was put back from a copy counts some numbers twice.
        """
        text = json.dumps({**data, "act": secrets.token_hex(8)}, sort_keys=True)
        self.do("INSERT INTO outbox (kind, data) VALUES (?, ?)", kind, text)


class Store:
    """The database at ``path``; it is made if there is none.

    Raises:
        JournalError: it cannot be opened, or a later version of this program wrote it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self.clock = path, clock
        self._lock = threading.RLock()
        self._told: Callable[[], None] = lambda: None
        with _explained(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._settle()
            except BaseException:
                self._connection.close()
                raise

    def _settle(self) -> None:
        self._connection.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        with self.write() as tx:
            found = tx.all("PRAGMA user_version")[0][0]
            if not 0 <= found <= len(SCHEMAS):
                raise JournalError(
                    f"{self._path} was written by another version of this program (its tables are number {found}).",
                    do_now="Start that version, or name another state directory with --state DIR.",
                )
            for number, name in enumerate(SCHEMAS[found:], found + 1):
                for statement in _statements(name):
                    tx.do(statement)
                tx.do(f"PRAGMA user_version = {number}")

    def on_act(self, told: Callable[[], None]) -> None:
        """Call this after every transaction."""
        self._told = told

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """All of it, or nothing.

        Raises:
            JournalError: the disk refuses, or somebody else wrote for too long; nothing was changed.
        """
        with self._lock, _explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self._told()  # without the lock: it takes another one, which others hold while they ask for this one

    def all(self, sql: str, *values: object) -> list[Row]:
        """Rows."""
        with self._lock, _explained(self._path):
            return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Row | None:
        """The first of them, if there is any."""
        return next(iter(self.all(sql, *values)), None)

    def forget_acts(self, last: int) -> None:
        """Take the acts up to this row out of the outbox; they are in the journal."""
        with self._lock, _explained(self._path):
            self._connection.execute("DELETE FROM outbox WHERE id <= ?", (last,))

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        with self._lock:
            self._connection.close()


def _statements(name: str) -> list[str]:
    text = (files("pump_ctrl.clinic") / name).read_text(encoding="utf-8")
    bare = "\n".join(line.partition("--")[0] for line in text.splitlines())
    return [part.strip() for part in bare.split(";") if part.strip()]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(
            f"{path} cannot be used: {error}.",
            pump_state="A running controller is not touched by this.",
            do_now="See to the disk and to who may write there; nothing was changed.",
        ) from error


def loads(text: str) -> Any:  # noqa: ANN401 - JSON that we wrote
    """What a column of JSON holds."""
    return json.loads(text)
