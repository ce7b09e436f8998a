"""The contract suite's lines over real ports: each link of a line has a port of its own to the same pump.

Time is virtual as in process, and the faults are the same (``tests/wire/stepped.py``); what differs is that every byte
goes through the product's own link, pyserial and the kernel, and that a network says of itself that it may hold bytes
back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from sim.wire.ports import PtyPort, TcpPort
from tests.contract.bench import PUMPS, Declared, InProcess, LineFactory, those
from tests.wire.stepped import SteppedLink


class RealPort(InProcess, ABC):
    """A line of ports that any serial program could open."""

    def __init__(self, declared: Declared) -> None:
        super().__init__(declared)
        self._clock.on_advance(self._wire.advance)
        self._locks = TemporaryDirectory(prefix="locks")
        self._links: list[SteppedLink] = []

    @abstractmethod
    def port(self) -> PtyPort | TcpPort:
        """A new port."""

    def link(self) -> SteppedLink:
        link = SteppedLink(self.port(), self._wire, self._clock, Path(self._locks.name))
        self._links.append(link)
        return link

    def close(self) -> None:
        for link in self._links:
            link.give_back()
        self._locks.cleanup()


class OverPty(RealPort):
    """Pseudo-terminals."""

    def port(self) -> PtyPort:
        return PtyPort()


class OverTcp(RealPort):
    """TCP on this host, which is a network: silence proves nothing there."""

    def port(self) -> TcpPort:
        return TcpPort("127.0.0.1", 0)


LINES: Final[tuple[LineFactory, ...]] = (InProcess, OverPty, OverTcp)


def on_every_line(pumps: Iterable[Declared]) -> list[Any]:
    """Parameters of the fixture ``bench``: these pumps on every line; over real ports in deep runs only."""
    return [
        pytest.param(
            (pump, line), id=f"{pump}, {line.__name__}", marks=() if line is InProcess else pytest.mark.deep
        )
        for pump in pumps
        for line in LINES
    ]


def only(where: Callable[[Declared], bool]) -> pytest.MarkDecorator:
    """Of the pumps those that declare something."""
    return pytest.mark.parametrize("bench", on_every_line(those(where)), indirect=True)


EVERYWHERE: Final = on_every_line(PUMPS)
