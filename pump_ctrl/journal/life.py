"""The sign of life beside a journal: when its controller was last seen alive, in a small file of its own.

Layer      journal; imports the kernel only.
Hazard     a bounded hold that is too short, as nobody knows how long the process before was alive (ADR 0008).
Invariant  a file that is torn, missing, foreign or unreadable reads as None, and costs what no sign costs.
Tests      tests/unit/test_life.py

``NAME.alive`` is one line of fixed length, written in place: schema, boot id, boot-time ms with leading zeros,
and the first half of the SHA-256 of what stands before it.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from pump_ctrl.errors import JournalError
from pump_ctrl.journal.reader import sync_directory

SCHEMA: Final = "pump-ctrl/alive/1"
_BOOT_ID: Final = 64  # characters that are kept for it
_LINE: Final = re.compile(
    rf"(?P<body>{re.escape(SCHEMA)} (?P<boot>\S{{1,{_BOOT_ID}}}) +(?P<ms>[0-9]{{19}}))"
    r" (?P<seal>[0-9a-f]{32})\n",
    re.ASCII,
)
_SIZE: Final = len(SCHEMA) + 1 + _BOOT_ID + 1 + 19 + 1 + 32 + 1


class Sign(NamedTuple):
    """Alive at ``boot_ms`` of that boot."""

    boot_id: str
    boot_ms: int


def life_path(journal: Path | str) -> Path:
    """Where the sign of life of ``journal`` lies."""
    path = Path(journal)
    return path.with_name(path.name + ".alive")


def read_life(journal: Path | str) -> Sign | None:
    """The last sign, or None where there is none that can be trusted."""
    try:
        text = life_path(journal).read_bytes()[: _SIZE + 1].decode("ascii")
    except (OSError, ValueError):
        return None
    found = _LINE.fullmatch(text)
    if found is None or _seal(found["body"]) != found["seal"]:
        return None
    return Sign(found["boot"], int(found["ms"]))


def _seal(body: str) -> str:
    return sha256(body.encode("ascii")).hexdigest()[:32]


class LifeFile:
    """Writes signs of life; made by the controller that holds the journal's lock.

    Raises:
        JournalError: the file cannot be made.
    """

    def __init__(self, journal: Path | str) -> None:
        self._path = life_path(journal)
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            sync_directory(self._path.parent)
        except OSError as err:
            raise self._failed(err) from err

    def write(self, sign: Sign) -> None:
        """Say that this process is alive; return when it is on disk.

        Raises:
            JournalError: it may not be.
        """
        body = f"{SCHEMA} {sign.boot_id.ljust(_BOOT_ID)} {sign.boot_ms:019d}"
        line = f"{body} {_seal(body)}\n".encode("ascii")
        try:
            if os.pwrite(self._fd, line, 0) != len(line):
                raise OSError("only a part of the sign was written")
            os.fdatasync(self._fd)
        except OSError as err:
            raise self._failed(err) from err

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
