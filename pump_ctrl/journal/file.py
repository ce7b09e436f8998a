"""The journal on disk: one writer, each record written and on disk before ``append`` returns.

Layer      journal; imports the kernel only.
Hazard     F-48 to F-53: crashes at any system call, full disks, disks that lie once.
Invariant  S-33: there is one writer. S-05: no record counts as written before fdatasync said so; after the first
           error none does.
Tests      tests/unit/test_journal.py, test_journal_damage.py, test_journal_disk.py
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from pump_ctrl.clock import Clock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor, refusal, write_all
from pump_ctrl.journal.chain import SCHEMA, Chain, Record, plain_copy
from pump_ctrl.journal.life import forget
from pump_ctrl.journal.reader import JournalReader

ANCHOR_EVERY: Final = 1_000  # records
ANCHORED_KINDS: Final = frozenset({"refill", "confirm"})
TORN_TEXT: Final = 500  # bytes of a dropped tail that are kept in its record


class HeldError(JournalError):
    """Another process writes this journal."""


class FileJournal:
    """The journal on disk, for its one writer. Make it with ``create`` or ``open``."""

    def __init__(self, path: Path, clock: Clock, fd: int) -> None:
        self._path = path
        self._clock = clock
        self._fd = fd
        self._chain = Chain()
        self._size = 0
        self._about: dict[str, Any] = {}
        self._failure = ""

    @classmethod
    def create(cls, path: str | Path, clock: Clock, about: Mapping[str, object]) -> Self:
        """Begin a new journal; ``about`` says of which pump, plan and so on.

        Raises:
            JournalError: there is a journal, or the head of one that was removed, or the disk refuses.
        """
        path, content = Path(path), plain_copy(dict(about))
        if Anchor.path_for(path).exists():
            raise refusal(path, "the head file of an earlier journal lies there")
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as err:
            raise refusal(path, f"it cannot be made: {err.strerror}") from err
        journal = cls(path, clock, fd)
        with journal._letting_go_on_error(), _removing_on_error(path):
            journal._lock()
            with journal._latching("the signs of an earlier journal of that name are still there"):
                forget(path)
            journal.append("journal", {"schema": SCHEMA, "about": content})  # and anchors it, being record 0
        journal._about = content
        return journal

    @classmethod
    def open(cls, path: str | Path, clock: Clock) -> Self:
        """Go on with a journal: check all of it, and drop and record a torn tail.

        Raises:
            JournalError: somebody else writes it, or it is not whole; the files are left as they are.
        """
        path = Path(path)
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as err:
            raise refusal(path, f"it cannot be opened: {err.strerror}") from err
        journal = cls(path, clock, fd)
        with journal._letting_go_on_error():
            journal._lock()
            journal._go_on()
        return journal

    @property
    def head(self) -> str:
        """Hash of the last record."""
        return self._chain.head

    @property
    def last(self) -> Anchor:
        """The last record, which is on disk."""
        return Anchor(self._chain.seq - 1, self._chain.head)

    @property
    def about(self) -> dict[str, Any]:
        """What the first record says."""
        return self._about

    def append(self, kind: str, data: Mapping[str, object]) -> Record:
        """Write one record and return when it is on disk.

        Raises:
            JournalError: it may not be; from then on every ``append`` raises.
            TypeError: ``data`` is more than int, str, bool, None, list and dict; nothing was written.
        """
        record, digest, line = self._chain.seal(kind, data, self._clock)
        with self._latching(f"record {record.seq} ({kind}) may not be on disk"):
            self._write(line)
        self._chain.follow(digest)
        if kind in ANCHORED_KINDS or record.seq % ANCHOR_EVERY == 0:
            self._anchor()
        return record

    def records(self) -> Iterator[Record]:
        """All records, read anew from the file and checked.

        Raises:
            JournalError: the file is no longer what was written.
        """
        return JournalReader(self._path).records()

    def close(self) -> None:
        """Name the last record in the head file and let go of the journal. Safe to repeat.

        Raises:
            JournalError: the head file could not be written; the journal is closed all the same.
        """
        if self._fd < 0:
            return
        try:
            if not self._failure:
                self._anchor()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of file and lock as a crash would, without a word to the head file. Safe to repeat."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _go_on(self) -> None:
        reader = JournalReader(self._path)
        for _ in reader.records():
            pass
        reader.require_whole()
        torn = reader.tail
        with self._latching("the end of the journal could not be put in order"):
            if reader.tail_is_record():
                write_all(self._fd, b"\n")
                torn = b""
            elif torn:
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - len(torn))
            os.fsync(self._fd)
        for _ in reader.records():
            pass
        self._chain, self._about = reader.chain, reader.about
        self._size = os.fstat(self._fd).st_size
        if torn:
            self.append("torn", _about_torn(torn))
        self._anchor()

    def _write(self, line: bytes) -> None:
        state = os.fstat(self._fd)
        if state.st_nlink == 0 or state.st_size != self._size:
            raise OSError("somebody else removed or changed the file")
        write_all(self._fd, line)
        os.fdatasync(self._fd)
        self._size += len(line)

    def _anchor(self) -> None:
        with self._latching("the head file may not be on disk"):
            self.last.write(self._path)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            held = refusal(
                self._path,
                "another controller is writing it",
                do_now="Ask that one (pump-ctrl status), or stop it before you start another.",
            )
            raise HeldError(held.what, pump_state=held.pump_state, do_now=held.do_now) from err
        except OSError as err:
            raise refusal(self._path, f"it cannot be locked: {err.strerror}") from err

    @contextmanager
    def _latching(self, doubt: str) -> Iterator[None]:
        """Turn the first OS error into a failure for good: a later success would prove nothing (F-52)."""
        if self._fd < 0:
            raise JournalError(f"{self._path}: the journal is closed.", do_now="Open it again.")
        if self._failure:
            raise self._failed()
        try:
            yield
        except OSError as err:
            self._failure = f"{doubt}: {err.strerror or err}"
            raise self._failed() from err

    def _failed(self) -> JournalError:
        return JournalError(
            f"{self._path}: {self._failure}.",
            pump_state="No new dose is sent, and STOP still works.",
            do_now="See to the disk, then start again; no more is written here.",
        )

    @contextmanager
    def _letting_go_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abandon()
            raise


def _about_torn(tail: bytes) -> dict[str, object]:
    text = tail[:TORN_TEXT].decode("ascii", "backslashreplace")
    return {"bytes": len(tail), "sha256": sha256(tail).hexdigest(), "text": text}


@contextmanager
def _removing_on_error(path: Path) -> Iterator[None]:
    """Remove what was made of a new journal that holds nothing yet."""
    try:
        yield
    except BaseException:
        head = Anchor.path_for(path)
        for leftover in (head, head.with_name(head.name + ".new"), path):
            with suppress(OSError):
                leftover.unlink()
        raise
