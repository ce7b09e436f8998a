"""A session with one Harvard pump: one exchange, one look, and what both say about the pump's power.

Layer      drivers; imports ``base``, its codec, exchange, connect and memory. Sends ``stop`` and questions only.
Hazard     F-21, F-24, F-27: a pump that has lost its power or stalled, and says nothing by itself.
Invariant  every reading of the counter goes through one place; a pump that was without power is not ready.
Source     the manual's chapter on serial commands (Publication 5420-002).
Tests      tests/unit/test_harvard_driver.py, tests/unit/test_harvard_faults.py
"""

from __future__ import annotations

from typing import TypeVar

from pump_ctrl.drivers.base import Link
from pump_ctrl.drivers.harvard_amounts import parse_volume
from pump_ctrl.drivers.harvard_codec import Prompt, StatusLine, parse_status
from pump_ctrl.drivers.harvard_connect import Pump
from pump_ctrl.drivers.harvard_exchange import (
    Answer,
    Conversation,
    Objection,
    Reader,
    Silence,
    line,
    nothing,
)
from pump_ctrl.drivers.harvard_memory import Counter, Memory, Seen
from pump_ctrl.errors import WireError

_T = TypeVar("_T")


class Session:
    """What the verbs of the driver have in common.

    Args:
        link: the byte pipe. One that says that it is ``buffered`` may hold bytes back.
        owner: number of the session.
        address: of the pump.
    """

    def __init__(self, link: Link, owner: int, address: int) -> None:
        self.talk = Conversation(link, address)
        self.buffered = bool(getattr(link, "buffered", False))
        self.counter = Counter(owner)
        self.memory = Memory()
        self.pump: Pump | None = None  # the first one that was met
        self.ready = False  # it was met, and has kept its power since, as far as can be seen
        self.latest: Seen | None = None
        self._link = link
        self._tick = 0

    def ask(self, command: str, read: Reader[_T]) -> Answer[_T] | Objection | Silence:
        """One exchange. A pump that ends its reply without XON has lost its polling mode, and so its power."""
        told = self.talk.ask(command, read)
        if isinstance(told, Answer) and self.talk.polling and not told.polled:
            self.counter.lost |= self.ready
            self.ready = False
        return told

    def send_stop(self) -> Answer[None] | Silence:
        """``stop``, at once; only a prompt of a pump that stands still answers it."""
        told = self.talk.ask("stop", nothing, urgent=True, until=_stands)
        return Silence(complaint("stop", told)) if isinstance(told, Objection) else told

    def look(self) -> Seen | Silence:
        """Read the status line; ``ivolume`` too, where the line tells of the other direction."""
        told = self.ask("status", line(self._status_line))
        if not isinstance(told, Answer):
            return Silence(complaint("status", told))
        infused_fl = told.value.volume_fl
        if not told.value.infuse:
            asked = self.ask("ivolume", line(parse_volume))
            if not isinstance(asked, Answer):
                return Silence(complaint("ivolume", asked))
            infused_fl = self.counter.refined(asked.value)
        return self._seen(told.value, told.prompt, infused_fl)

    def _seen(self, told: StatusLine, prompt: Prompt, infused_fl: int) -> Seen:
        if self.counter.take(infused_fl):
            self.ready = False
        self._tick += 1
        now_ms = self._link.now_ms()
        self.latest = Seen.of(told, prompt, infused_fl, self.counter, self.memory, self._tick, now_ms)
        return self.latest

    def _status_line(self, text: str) -> StatusLine:
        told = parse_status(text)
        if self.pump is not None and told.flags not in self.pump.family.clocks:
            raise WireError(f"{told.flags} flags are not those of a {self.pump.family.name}")
        return told


def _stands(prompt: Prompt) -> bool:
    return prompt.stands


def complaint(command: str, told: Objection | Silence) -> str:
    """What went wrong with a command, in one line."""
    if isinstance(told, Objection):
        return f"{command}: the pump objects: {told.words}"
    return f"{command}: {told.detail}"
