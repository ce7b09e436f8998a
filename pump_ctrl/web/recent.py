"""The end of the page's journal, checked from its start, and read once however often somebody looks.

Layer      web; imports journal.
Hazard     a journal that was tampered with and looks whole; one that is so long that looking at it holds up the page.
Invariant  every line is checked when it is read first; after a damaged line all is read anew, until it is mended.
Tests      tests/unit/web/test_journal.py
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Final

from pump_ctrl.errors import JournalError
from pump_ctrl.journal import JournalReader, Record, read_journal

LAST: Final = 200


class Recent:
    """The last records of the journal at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._reader: JournalReader | None = None
        self._file = 0
        self._records: deque[Record] = deque(maxlen=LAST)

    @property
    def count(self) -> int:
        """How many records there are in all, as far as was read."""
        return self._reader.count if self._reader is not None else 0

    def records(self) -> list[Record]:
        """The last of them, the newest first.

        Raises:
            JournalError: the journal cannot be read, or is not what the page wrote.
        """
        with self._lock:
            try:
                self._read_on()
            except (OSError, JournalError) as error:
                self._reader = None
                if isinstance(error, FileNotFoundError):
                    return []
                raise error if isinstance(error, JournalError) else JournalError(str(error)) from error
            return list(self._records)[::-1]

    def _read_on(self) -> None:
        file = self.path.stat().st_ino
        if self._reader is None or file != self._file:
            self._reader, self._file = read_journal(self.path), file
            self._records.clear()
        self._records.extend(self._reader.records())
