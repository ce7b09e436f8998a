"""The journal's twin without a file, for runs in virtual time: same records, same chain.

Layer      journal; imports the kernel only.
Tests      tests/unit/test_journal.py, test_journal_line.py, tests/properties/test_journal_chain.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pump_ctrl.clock import Clock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor, refusal
from pump_ctrl.journal.chain import SCHEMA, Chain, Record, plain_copy
from pump_ctrl.journal.life import forget


class MemoryJournal:
    """The same journal without a file, for runs in virtual time. Keeps the lines, as bytes."""

    def __init__(self, clock: Clock, about: Mapping[str, object] | None = None) -> None:
        self._clock = clock
        self._chain = Chain()
        self._lines: list[bytes] = []
        self._closed = False
        self._about: dict[str, Any] = plain_copy(dict(about or {}))
        self.append("journal", {"schema": SCHEMA, "about": self._about})

    @property
    def head(self) -> str:
        """Hash of the last record."""
        return self._chain.head

    @property
    def about(self) -> dict[str, Any]:
        """What the first record says."""
        return self._about

    def append(self, kind: str, data: Mapping[str, object]) -> Record:
        """Keep one record.

        Raises:
            JournalError: the journal is closed.
            TypeError: ``data`` is more than int, str, bool, None, list and dict; nothing was kept.
        """
        if self._closed:
            raise JournalError("The journal is closed.", do_now="Make a new one.")
        record, digest, line = self._chain.seal(kind, data, self._clock)
        self._lines.append(line)
        self._chain.follow(digest)
        return record

    def records(self) -> Iterator[Record]:
        """All records, read from their lines and checked, up to the last one of now."""
        chain = Chain()
        for line in self._lines[:]:
            record, digest = chain.check(line[:-1])
            chain.follow(digest)
            yield record

    def close(self) -> None:
        """Take no more records. Safe to repeat."""
        self._closed = True

    def save(self, path: str | Path) -> None:
        """Write everything to a new file, which ``FileJournal.open`` and ``verify`` take.

        Raises:
            JournalError: the file exists, or the disk refuses.
        """
        path = Path(path)
        try:
            with path.open("xb") as file:
                forget(path)
                file.writelines(self._lines)
                file.flush()
                os.fsync(file.fileno())
            Anchor(self._chain.seq - 1, self._chain.head).write(path)
        except OSError as err:
            raise refusal(path, f"it cannot be written: {err.strerror}") from err
