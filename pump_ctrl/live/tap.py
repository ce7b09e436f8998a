"""The journal as the controller writes it, with an ear on every record that is on disk.

Layer      live.
Invariant  whoever listens hears a record after it is durable, and cannot keep it from being written.
Tests      tests/unit/test_live_desk.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pump_ctrl.journal import FileJournal, Record
from pump_ctrl.journal.anchor import Anchor

MOST: Final = 2_000  # records that wait to be told; the oldest are left out, the journal has them all


class TappedJournal:
    """A journal that keeps the last records for those who want to hear of them."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self._fresh: deque[Record] = deque(maxlen=MOST)
        self._heard: list[Record] | None = None

    def append(self, kind: str, data: Mapping[str, Any]) -> Record:
        """Write one record.

        Raises:
            JournalError: it may not be on disk.
        """
        record = self._journal.append(kind, data)
        self._fresh.append(record)
        if self._heard is not None:
            self._heard.append(record)
        return record

    @property
    def last(self) -> Anchor:
        """The last record that is on disk."""
        return self._journal.last

    def records(self) -> Iterator[Record]:
        """Every record so far."""
        return self._journal.records()

    def fresh(self) -> list[Record]:
        """The records since the last call."""
        found = list(self._fresh)
        self._fresh.clear()
        return found

    def listen(self) -> list[Record]:
        """A list that takes in what is written from now on, until the next call."""
        self._heard = []
        return self._heard

    def close(self) -> None:
        """End writing."""
        self._journal.close()
