"""Who did what: from the outbox of the database to the page's own journal.

Layer      clinic; imports journal.
Hazard     an act that nobody can find later; one that stands there twice.
Invariant  an act leaves the outbox only when it is on disk in the journal, and none is appended twice.
Tests      tests/unit/clinic/test_acts.py

One process at a time writes the journal. The page holds it as long as it is served, and looks every few seconds for
acts that others left in the outbox; without a page each command writes down what waits, and its own.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from pump_ctrl.clinic.store import Store, loads
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import FileJournal, HeldError

FILE: Final = "page.jsonl"
PROGRAM: Final = "pump-ctrl web"
EVERY_S: Final = 5.0  # how often the page looks for what others did
_OUTBOX: Final = "SELECT id, kind, data FROM outbox ORDER BY id"


class Acts:
    """The journal of ``store``'s acts at ``path``. Whoever holds it writes down everybody's.

    ``trouble`` says why the last attempt failed, if it did; the acts wait in the outbox.
    """

    def __init__(self, path: Path, store: Store) -> None:
        self._path, self._store = path, store
        self._lock = threading.RLock()
        self._journal: FileJournal | None = None
        self._written: set[str] = set()  # acts that the journal has and the outbox has too
        self._held, self._ended = False, threading.Event()
        self.trouble = ""

    def hold(self) -> None:
        """Keep the journal open, as the page does while it is served, and look for what others do.

        Raises:
            JournalError: another process holds it, or it is damaged.
        """
        with self._lock:
            self._journal = self._open_for_long()
            self._held = True
        self.flush()
        threading.Thread(target=self._look, name="acts", daemon=True).start()

    def _open_for_long(self) -> FileJournal:
        try:
            return self._open()
        except HeldError:
            raise HeldError(
                f"{self._path} is held by another page that is served from there.",
                do_now="Use that page, or end it first.",
            ) from None
        except JournalError as error:
            raise JournalError(
                error.what,
                pump_state="A running controller is not touched by this.",
                do_now=f"Find out what happened to it. To go on without it, put {self._path} and its .head file "
                "elsewhere: a new one is begun, with what waits to be written down.",
            ) from error

    def _look(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.flush()

    def flush(self) -> None:
        """Write down what waits, if nobody else holds the journal. Never fails: what is done is done."""
        with self._lock:
            if self._ended.is_set():
                return
            try:
                if self._store.one(_OUTBOX) is not None:
                    self._write_down()
                self.trouble = ""
            except HeldError:
                self.trouble = ""  # whoever holds it writes them down
            except JournalError as error:
                self.trouble = str(error)
                self._let_go()  # a journal that failed once takes no more; it is opened and checked anew

    def _write_down(self) -> None:
        if self._journal is None:
            self._journal = self._open()
        rows = self._store.all(_OUTBOX)
        for row in rows:
            act = loads(row["data"])
            if act["act"] not in self._written:
                self._journal.append(row["kind"], act)
                self._written.add(act["act"])
        self._store.forget_acts(rows[-1]["id"] if rows else 0)
        self._written.clear()
        if not self._held:
            self._journal.close()
            self._journal = None

    def _open(self) -> FileJournal:
        """Nobody else writes from here on; what was written, and is in the outbox still, is known."""
        if not self._path.exists():
            self._written = set()
            return FileJournal.create(self._path, self._store.clock, {"program": PROGRAM})
        journal = FileJournal.open(self._path, self._store.clock)
        try:
            waiting = {loads(row["data"])["act"] for row in self._store.all(_OUTBOX)}
            self._written = waiting & {str(record.data.get("act")) for record in journal.records()}
        except BaseException:
            journal.abandon()
            raise
        return journal

    def _let_go(self) -> None:
        if self._journal is not None:
            self._journal.abandon()
            self._journal = None

    def close(self) -> None:
        """Let go of the journal. Safe to repeat.

        Raises:
            JournalError: its head file could not be written; it is closed all the same.
        """
        with self._lock:
            self._ended.set()
            journal, self._journal = self._journal, None
            if journal is not None:
                journal.close()
