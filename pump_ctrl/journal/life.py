"""The signs of life beside a journal: when its controller was last seen alive, and by which record of the journal.

Layer      journal; imports the kernel only.
Hazard     a bounded hold that is too short, as nobody knows how long the process before was alive (ADR 0008); F-53, a
           journal that was put back with its head file from an older copy.
Invariant  a file that is torn, missing, foreign or unreadable reads as None, and costs what no sign costs.
Tests      tests/unit/test_life.py, test_journal_signs.py, test_put_back.py

``NAME.alive`` is one line of fixed length, written in place: schema, boot id, boot-time ms with leading zeros, number
and hash of the last record that was on disk, and the first half of the SHA-256 of what stands before it.
``NAME.stopped`` has the same form.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.anchor import Anchor, sync_directory

SCHEMA: Final = "pump-ctrl/alive/2"
ALIVE: Final = ".alive"
STOPPED: Final = ".stopped"  # that a person stopped the pump
_BOOT_ID: Final = 64  # characters that are kept for it
_LINE: Final = re.compile(
    rf"(?P<body>{re.escape(SCHEMA)} (?P<boot>\S{{1,{_BOOT_ID}}}) +(?P<ms>[0-9]{{19}})"
    r" (?P<seq>[0-9]{19}) (?P<hash>[0-9a-f]{64}))"
    r" (?P<seal>[0-9a-f]{32})\n",
    re.ASCII,
)
_SIZE: Final = len(SCHEMA) + 1 + _BOOT_ID + 1 + 19 + 1 + 19 + 1 + 64 + 1 + 32 + 1
_BLANK: Final = b" " * (_SIZE - 1) + b"\n"


class Sign(NamedTuple):
    """Alive at ``boot_ms`` of that boot, when ``last`` was the last record on disk."""

    boot_id: str
    boot_ms: int
    last: Anchor


def life_path(journal: Path | str, suffix: str = ALIVE) -> Path:
    """Where the sign of life of ``journal`` lies, or another sign of the same form."""
    path = Path(journal)
    return path.with_name(path.name + suffix)


def read_life(journal: Path | str, suffix: str = ALIVE) -> Sign | None:
    """The last sign, or None where there is none that can be trusted."""
    try:
        text = life_path(journal, suffix).read_bytes().decode("ascii")
    except (OSError, ValueError):
        return None
    found = _LINE.fullmatch(text)
    if found is None or _seal(found["body"]) != found["seal"]:
        return None
    return Sign(found["boot"], int(found["ms"]), Anchor(int(found["seq"]), found["hash"]))


def vouched(journal: Path | str) -> list[Anchor]:
    """The records of ``journal`` that its signs know to have been on disk."""
    signs = (read_life(journal, suffix) for suffix in (ALIVE, STOPPED))
    return [sign.last for sign in signs if sign is not None]


def forget(journal: Path | str) -> None:
    """Take the signs of an earlier journal of that name away: they vouch for records that a new one never had.

    Raises:
        OSError: the disk refused.
    """
    for suffix in (ALIVE, STOPPED):
        life_path(journal, suffix).unlink(missing_ok=True)


def _seal(body: str) -> str:
    return sha256(body.encode("ascii")).hexdigest()[:32]


class LifeFile:
    """Writes signs; made by the controller that holds the journal's lock. The file has its length from then on.

    Raises:
        JournalError: the file cannot be made.
    """

    def __init__(self, journal: Path | str, suffix: str = ALIVE) -> None:
        self._path = life_path(journal, suffix)
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            sync_directory(self._path.parent)
            if os.fstat(self._fd).st_size != _SIZE:  # new, torn or foreign: it told nothing
                os.ftruncate(self._fd, _SIZE)
                self._put(_BLANK)
        except OSError as err:
            raise self._failed(err) from err

    def write(self, sign: Sign) -> None:
        """Say that this process is alive; return when it is on disk.

        Raises:
            JournalError: it may not be.
        """
        last = f"{sign.last.seq:019d} {sign.last.hash}"
        body = f"{SCHEMA} {sign.boot_id.ljust(_BOOT_ID)} {sign.boot_ms:019d} {last}"
        line = f"{body} {_seal(body)}\n".encode("ascii")
        self._write(line)

    def blank(self) -> None:
        """Say nothing any more; return when that is on disk.

        Raises:
            JournalError: it may not be.
        """
        self._write(_BLANK)

    def _write(self, line: bytes) -> None:
        try:
            self._put(line)
        except OSError as err:
            raise self._failed(err) from err

    def _put(self, line: bytes) -> None:
        if os.pwrite(self._fd, line, 0) != len(line):
            raise OSError("only a part of the sign was written")
        os.fdatasync(self._fd)

    def _failed(self, err: OSError) -> JournalError:
        return JournalError(
            f"{self._path}: the sign of life may not be on disk: {err.strerror or err}.",
            pump_state="What runs on the pump goes on to its end.",
            do_now="See to the disk.",
        )

    def close(self) -> None:
        """Let go of the file; what it says stays. Safe to repeat."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
