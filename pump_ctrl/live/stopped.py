"""That a person stopped the pump, in a small file beside the journal: it holds where the journal cannot be written.

Layer      live.
Hazard     F-51, F-52: a STOP on a full disk that the next life does not know of, so that a hold runs against it.
Invariant  written in place after the STOP has gone out and before it is answered; taken back by a person's resume or
           confirm only; one that is torn, or older than such a resume in the journal, tells nothing.
Tests      tests/unit/test_stop_unwritten.py

``NAME.stopped`` has the form of the sign of life (docs/adr/0008); it is as long as it will be from the start, so that
no disk is too full for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pump_ctrl.clock import Clock
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import Record
from pump_ctrl.journal.anchor import Anchor
from pump_ctrl.journal.life import STOPPED, LifeFile, Sign, read_life


class StopSign:
    """Keeps the file of one journal.

    Args:
        journal: whose.
        clock: boot time.
        last: tells the last record of the journal that is on disk.
        failed: told when it may not be on disk.

    Raises:
        JournalError: the file cannot be made.
    """

    def __init__(
        self, journal: Path, clock: Clock, last: Callable[[], Anchor], failed: Callable[[str], None]
    ) -> None:
        self._file, self._clock = LifeFile(journal, STOPPED), clock
        self._last, self._failed = last, failed

    def stopped(self) -> None:
        """A person has stopped the pump."""
        sign = Sign(self._clock.boot_id(), self._clock.boot_ms(), self._last())
        self._keep(lambda: self._file.write(sign))

    def goes_on(self) -> None:
        """A person lets it go on."""
        self._keep(self._file.blank)

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except JournalError as error:
            self._failed(str(error))

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self._file.close()


class StopWord:
    """What the file said when the journal was taken up: whether a person stopped the pump and it holds."""

    def __init__(self, journal: Path) -> None:
        self._sign = read_life(journal, STOPPED)
        self._new, self._taken_back = True, False  # of a journal that is new it says nothing

    def hear(self, record: Record) -> None:
        """Take up one record of the journal: a person may have let the pump go on since."""
        self._new = False
        if self._sign is not None and _goes_on(record) and _later(record, self._sign):
            self._taken_back = True

    def holds(self) -> bool:
        """Whether a person stopped the pump and, by the records heard, has not let it go on since."""
        return not (self._sign is None or self._new or self._taken_back)


def _goes_on(record: Record) -> bool:
    kind = record.kind
    return kind == "plan_time" or (kind == "state" and record.data["state"] == State.READY)


def _later(record: Record, sign: Sign) -> bool:
    return record.boot_id == sign.boot_id and record.boot_ms > sign.boot_ms
