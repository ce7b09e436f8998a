"""The head file beside a journal, which names a record that is on disk, and how such files are written.

Layer      journal; imports the kernel only.
Hazard     F-53: a journal that was cut off at its end, or whose older copy was put back.
Tests      tests/unit/test_journal_head.py, test_journal_damage.py, test_journal_disk.py
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.chain import DECODER, canonical_json

HEAD_SCHEMA: Final = "pump-ctrl/journal-head/1"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A record that was on disk, by number and hash; what the head file says, and every sign of life."""

    seq: int
    hash: str

    @staticmethod
    def path_for(journal: Path) -> Path:
        """Where the head file of ``journal`` lies."""
        return journal.with_name(journal.name + ".head")

    @classmethod
    def read(cls, journal: Path) -> Self | None:
        """Read the head file; None when there is none.

        Raises:
            JournalError: it is there and makes no sense.
        """
        path = cls.path_for(journal)
        try:
            fields = DECODER.decode(path.read_text(encoding="ascii"))
            seq, digest = fields["seq"], fields["hash"]
            if fields["schema"] == HEAD_SCHEMA and type(seq) is int and type(digest) is str:
                return cls(seq, digest)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
            raise refusal(path, f"the head file cannot be read: {err}") from err
        raise refusal(path, "this is no head file of a journal")

    def write(self, journal: Path) -> None:
        """Replace the head file at once, and durably.

        Raises:
            OSError: the disk refused.
        """
        path = self.path_for(journal)
        fresh = path.with_name(path.name + ".new")
        text = canonical_json({"schema": HEAD_SCHEMA, "seq": self.seq, "hash": self.hash}) + "\n"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, text.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(fresh, path)
        sync_directory(path.parent)


def refusal(path: Path, what: str, *, do_now: str = "") -> JournalError:
    """Make the error for a journal that is not opened; nothing was changed."""
    return JournalError(
        f"{path}: {what}.",
        pump_state="Nothing was sent to the pump; what runs there goes on to its end.",
        do_now=do_now
        or "The files are left as they are: find out what happened to them. To go on without them, start a "
        "new journal under another name and say what was given.",
    )


def write_all(fd: int, data: bytes) -> None:
    """Write in one call, so that a crash leaves a beginning of ``data`` and nothing else.

    Raises:
        OSError: the system refused, or took only a part.
    """
    written = os.write(fd, data)
    if written != len(data):
        raise OSError(f"only {written} of {len(data)} bytes were written")


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable.

    Raises:
        OSError: the disk refused.
    """
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
