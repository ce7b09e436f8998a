"""Where a process can be cut off: its system calls that change something, and what it sends to its pump.

``Cut`` counts them and ends the process at one: nothing that the process asks for after that is done any more.
``BadDisk`` lets one of them fail, and the process lives on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EIO, ENOSPC
from typing import Any, Final

import pytest

from pump_ctrl.drivers.simulated import SimulatedLink
from tests.spies import Killed

SEND: Final = "send"
SYNCS: Final = ("fdatasync", "fsync")
CALLS: Final = ("write", "pwrite", *SYNCS, "replace", "ftruncate")
# How much of a write is on disk when the process dies in it, by the class of the byte at which it is cut.
TORN: Final[dict[str, Callable[[int], int]]] = {
    "first byte": lambda size: 1,
    "middle": lambda size: size // 2,
    "last before the end of line": lambda size: size - 2,
    "without the end of line": lambda size: size - 1,
}

Call = Callable[..., Any]


@contextmanager
def around(every: Callable[[str, Call, tuple[Any, ...], dict[str, Any]], Any]) -> Iterator[None]:
    """Let ``every`` stand between the process and each of ``CALLS`` and each send."""

    def wrapped(name: str, call: Call) -> Call:
        return lambda *args, **more: every(name, call, args, more)

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(name, getattr(os, name)))
        patch.setattr(SimulatedLink, "write", wrapped(SEND, SimulatedLink.write))
        yield


@contextmanager
def counting() -> Iterator[list[str]]:
    """The names of all calls and sends in here, in their order."""
    seen: list[str] = []

    def every(name: str, call: Call, args: tuple[Any, ...], more: dict[str, Any]) -> Any:  # noqa: ANN401
        seen.append(name)
        return call(*args, **more)

    with around(every):
        yield seen


@dataclass
class Cut:
    """Counts the points, and ends the process at number ``at``: before or after the call, or in a write (``TORN``)."""

    at: int = -1
    how: str = "before"
    seen: list[str] = field(default_factory=list)
    died: bool = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """The process may die in here."""
        with around(self._point):
            yield

    def _point(self, name: str, call: Call, args: tuple[Any, ...], more: dict[str, Any]) -> Any:  # noqa: ANN401
        if self.died:
            raise Killed("dead")  # whatever it would do on its way out is not done
        number = len(self.seen)
        self.seen.append(name)
        if number != self.at:
            return call(*args, **more)
        self.died = True
        if self.how == "after":
            call(*args, **more)
        elif self.how in TORN:
            fd, data, *rest = args
            call(fd, data[: TORN[self.how](len(data))], *rest)
        raise Killed(f"{self.how} {name} number {number}")


@dataclass
class BadDisk:
    """Lets call number ``at`` of those named ``names`` fail: ``full`` from then on, else that once."""

    names: tuple[str, ...]
    at: int
    full: bool
    count: int = 0
    failed: bool = False

    @contextmanager
    def armed(self) -> Iterator[None]:
        """The disk is bad in here."""
        with around(self._point):
            yield

    def _point(self, name: str, call: Call, args: tuple[Any, ...], more: dict[str, Any]) -> Any:  # noqa: ANN401
        if name in self.names:
            number, self.count = self.count, self.count + 1
            if number == self.at or (self.full and number > self.at):
                self.failed = True
                raise OSError(ENOSPC if self.full else EIO, os.strerror(ENOSPC if self.full else EIO))
        return call(*args, **more)
