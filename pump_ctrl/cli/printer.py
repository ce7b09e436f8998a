"""Writes lines to a terminal that may not take them: a run must not wait for whoever reads along.

Layer      cli.
Hazard     a terminal that was stopped with Ctrl-S, or a full pipe, and with it the loop that doses.
Invariant  ``say`` never waits; what cannot be written waits in a bounded queue, the oldest lines are left out.
Tests      tests/unit/test_cli_run.py
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterable
from typing import Final, TextIO

from pump_ctrl.cli.fold import folded, width_of

MOST: Final = 1_000  # lines that wait
_AT_ONCE: Final = 4_000  # bytes; a pipe that can be written takes at least so many


class Printer:
    """Lines to one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lines = stream, deque[str](maxlen=MOST)
        self._lost, self._width = 0, width_of(stream)
        try:
            self._fd: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self._fd = None  # a stream in memory takes everything

    def say(self, lines: Iterable[str]) -> None:
        """Write lines, now if that is possible."""
        for line in folded(lines, self._width):
            self._lost += len(self._lines) == MOST
            self._lines.append(line)
        self._write(0)

    def flush(self, patience_s: float = 1.0) -> None:
        """Write what waits, for a moment only."""
        self._write(patience_s)

    def _write(self, patience_s: float) -> None:
        if self._lost and self._ready(patience_s):
            self._put(f"({self._lost} lines were left out; the journal has them)")
            self._lost = 0
        while self._lines and self._ready(patience_s):
            self._put(self._lines.popleft())

    def _ready(self, patience_s: float) -> bool:
        if self._fd is None:
            return True
        try:
            return bool(select.select([], [self._fd], [], patience_s)[1])
        except (OSError, ValueError):
            return True

    def _put(self, line: str) -> None:
        if self._fd is None:
            self._stream.write(f"{line}\n")
            return
        try:
            os.write(self._fd, f"{line[:_AT_ONCE]}\n".encode("utf-8", "replace")[:_AT_ONCE])
        except OSError:
            self._lines.clear()  # nobody reads any more; the journal has everything
