"""Reading a journal and what lies beside it: every line is checked, whoever reads and whoever writes meanwhile.

Layer      journal; imports the kernel only.
Hazard     F-50, F-53, F-54: damaged, cut off, restored or foreign journals.
Tests      tests/unit/test_journal_damage.py, tests/properties/test_journal_chain.py
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor, refusal
from pump_ctrl.journal.chain import GENESIS, MAX_LINE, SCHEMA, SEAL, BrokenChainError, Chain, Record
from pump_ctrl.journal.life import vouched


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found. ``problem`` is empty when ``ok``; an unfinished last line is no problem."""

    ok: bool
    records: int
    head: str
    anchored_seq: int | None
    torn_bytes: int
    problem: str


class JournalReader:
    """Reads a journal from its start and checks every line; a writer may be at work meanwhile.

    Made by ``read_journal``. A last line that has no end yet is left in ``tail``, and read when it has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._anchor = Anchor.read(path)  # before the file, so that no witness is ahead of what is read
        self._witnesses = [("head file", self._anchor)] if self._anchor else []
        self._witnesses += [("sign of life", sign) for sign in vouched(path)]
        self.chain = Chain()
        self._offset = 0
        self._about: dict[str, Any] = {}
        self.tail = b""

    @property
    def head(self) -> str:
        """Hash of the last record read."""
        return self.chain.head

    @property
    def count(self) -> int:
        """Records read so far."""
        return self.chain.seq

    @property
    def anchored_seq(self) -> int | None:
        """The record that the head file names; None when there is no head file."""
        return self._anchor.seq if self._anchor else None

    @property
    def about(self) -> dict[str, Any]:
        """What the first record says; empty until it was read."""
        return self._about

    def records(self) -> Iterator[Record]:
        """The records behind those that were read before; the first time, all.

        Raises:
            JournalError: the file cannot be read, or is not what a journal wrote.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                yield from self._lines(file)
        except OSError as err:
            raise refusal(self._path, f"it cannot be read: {err.strerror or err}") from err

    def kept(self) -> Iterator[Record]:
        """``records``, and a last one that lacks only its end of line: whoever writes next gives it one.

        Raises:
            JournalError: as ``records``.
        """
        yield from self.records()
        with suppress(BrokenChainError):
            yield self.chain.check(self.tail)[0]

    def require_whole(self) -> None:
        """Refuse a file that holds no journal, or one whose end nothing vouches for.

        Raises:
            JournalError: there is no first record, or there are more and no head file.
        """
        if self.count == 0:
            raise refusal(self._path, "it has no first record: it is no journal, or its making was cut short")
        if self._anchor is None and self.count > 1:
            raise refusal(self._path, "its head file is missing, so nobody knows whether its end was cut off")

    def tail_is_record(self) -> bool:
        """Whether ``tail`` is the next record, whole, and lacks only its end of line."""
        return self._fits(self.tail)

    def _lines(self, file: BinaryIO) -> Iterator[Record]:
        while (line := file.readline(MAX_LINE)).endswith(b"\n"):
            yield self._take(line[:-1])
        self._leave(line)
        for what, known in self._witnesses:
            if known.seq >= self.count:
                raise refusal(
                    self._path,
                    f"it has {self.count} records, but its {what} knows record {known.seq}: "
                    "its end was cut off, or an older copy was put back",
                )

    def _take(self, line: bytes) -> Record:
        try:
            record, digest = self.chain.check(line)
        except BrokenChainError as err:
            raise refusal(self._path, f"line {self.count + 1} is damaged or foreign: {err}") from err
        if record.seq == 0:
            self._about = self._read_about(record)
        for what, known in self._witnesses:
            if known.seq == record.seq and known.hash != digest:
                raise refusal(
                    self._path, f"its {what} has another record {record.seq}: the two do not belong together"
                )
        self.chain.follow(digest)
        self._offset += len(line) + 1
        return record

    def _read_about(self, record: Record) -> dict[str, Any]:
        about = record.data.get("about")
        if record.kind != "journal" or record.data.get("schema") != SCHEMA or not isinstance(about, dict):
            raise refusal(self._path, f"it is not of the form {SCHEMA}")
        return about

    def _leave(self, rest: bytes) -> None:
        """Keep an unfinished last line. If it is finished and yet goes on, its end of line was changed."""
        self.tail = rest
        overlong = len(rest) >= MAX_LINE
        if overlong or any(self._fits(rest[: seal.end()]) for seal in SEAL.finditer(rest[:-1])):
            raise refusal(self._path, f"line {self.count + 1} does not end where a record ends")

    def _fits(self, line: bytes) -> bool:
        with suppress(BrokenChainError):
            self.chain.check(line)
            return True
        return False


def read_journal(path: str | Path) -> JournalReader:
    """Open a journal for reading; somebody may be writing it.

    Raises:
        JournalError: its head file cannot be read. The rest is found out by ``records``.
    """
    return JournalReader(Path(path))


def verify(path: str | Path) -> Verdict:
    """Check a whole journal and its head file, and say what was found; changes nothing, never raises."""
    reader, problem = None, ""
    try:
        reader = JournalReader(Path(path))
        for _ in reader.records():
            pass
        reader.require_whole()
    except JournalError as err:
        problem = err.what
    if reader is None:
        return Verdict(False, 0, GENESIS, None, 0, problem)
    return Verdict(not problem, reader.count, reader.head, reader.anchored_seq, len(reader.tail), problem)
