"""Lets simulated pumps live in real time: bytes in and out, faults by the back door, the truth to a file.

Layer      sim.wire; the one place of the simulator that reads a clock. One thread, any number of pumps.
Invariant  the worlds move by the clock alone, at ``speed`` times real time, and to the instant at which bytes
           arrive before they get them.
Speed      a turn costs what has something to do: a pump is moved when bytes come, when it is due, when somebody
           reaches for its faults, and when its truth is looked at.
Tests      tests/wire/test_serve.py, benchmarks/served.py
"""

import json
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Final, Protocol

from sim.fault_registry import Fault
from sim.wire.control import Control
from sim.wire.ports import Port

_LOOK_MS: Final = 250  # real time between two lines of the truth at the most, while drug flows
_SHORTEST_MS: Final = 0.5
_NEVER: Final = 1 << 62
_NS_PER_MS: Final = 1_000_000


class Wire(Protocol):
    """What the station needs of the bytes' way to a pump; `sim.faults.FaultyWire` is one."""

    def send(self, data: bytes, at_ms: int) -> None:
        """The host sends."""

    def advance(self, to_ms: int) -> None:
        """Time passes, in the world too."""

    def next_event_ms(self) -> int | None:
        """When something happens next that the host may notice."""

    def take(self) -> bytes:
        """What has arrived at the host."""


@dataclass(frozen=True, slots=True)
class Pump:
    """One pump as it is served: its wire, what its faults go to, and what has truly left it (nL).

    ``beside`` are the wires of what stands beside it, by what it is called.
    """

    wire: Wire
    inject: Callable[[Fault], None]
    delivered_nl: Callable[[], int]
    beside: Mapping[str, Wire] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """A pump on a port, with the file of its truth; or what stands beside it, which ``called`` says.

    ``mates`` are the lines that may have something to say when this one was asked. ``due_ms`` is when it has to be
    served at the latest, ``fds`` what is waited for.
    """

    pump: Pump
    port: Port
    truth: IO[str] | None = None
    written_nl: int = -1
    due_ms: int = 0
    fds: tuple[int, ...] = ()
    called: str = ""
    mates: tuple["Line", ...] = field(default=(), repr=False, compare=False)

    def serve(self, now_ms: int) -> None:
        """Bring the pump to ``now_ms``, where it gets what came, and send what it says."""
        wire = self.pump.wire
        if data := self.port.read():
            wire.send(data, now_ms)
        wire.advance(now_ms)
        if reply := wire.take():
            self.port.write(reply)
        due_ms = wire.next_event_ms()
        self.due_ms = _NEVER if due_ms is None else due_ms

    def tell_truth(self, now_ms: int) -> None:
        """Write what has left, if it is more than before."""
        if self.truth is None:
            return
        self.pump.wire.advance(now_ms)
        delivered = self.pump.delivered_nl()
        if delivered != self.written_nl:
            self.truth.write(json.dumps({"t_s": now_ms / 1_000, "delivered_nl": delivered}) + "\n")
            self.truth.flush()
            self.written_nl = delivered


class Station:
    """Serves lines until ``end`` is called.

    Args:
        lines: the pumps.
        control: the back door, if there is one.
        speed: how many seconds of a pump go by in a second.
        until: another file descriptor; the station ends when it can be read (a closed pipe).
    """

    def __init__(
        self, lines: Sequence[Line], *, control: Control | None, speed: Fraction, until: int | None = None
    ) -> None:
        self._lines, self._control, self._until = tuple(lines), control, until
        self._rate, self._per = speed.numerator, speed.denominator * _NS_PER_MS  # world's ms in so many ns
        self._speed = float(speed)
        self._watched: dict[int, Line | None] = {}  # None: what belongs to no line
        self._poll = select.poll()  # keeps nothing of a file that was closed
        self._look_ns = self._began_ns = time.monotonic_ns()
        self._ended = False

    def now_ms(self) -> int:
        """Time of the pumps' world."""
        return (time.monotonic_ns() - self._began_ns) * self._rate // self._per

    def end(self) -> None:
        """Serve no more; may be called from a signal handler."""
        self._ended = True

    def run(self) -> None:
        """Serve until ``end``; then write the last truth and close everything."""
        try:
            self._serve(self._lines)
            self._watch()
            while not self._ended:
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        ready = [fd for fd, _ in self._poll.poll(self._patience_ms())]
        asked = [line for fd in ready if (line := self._watched[fd]) is not None]
        if len(asked) < len(ready):
            self._hear_others(ready)
        now_ms = self.now_ms()
        mates = [mate for line in asked for mate in line.mates]
        self._serve(asked + mates + [line for line in self._lines if line.due_ms <= now_ms])
        if time.monotonic_ns() - self._look_ns >= _LOOK_MS * _NS_PER_MS:
            self._look()

    def _serve(self, lines: Sequence[Line]) -> None:
        now_ms = self.now_ms()
        for line in lines:
            line.serve(now_ms)
            if line.truth is not None:
                line.tell_truth(now_ms)
            if line.port.filenos() != line.fds:
                self._watch()

    def _hear_others(self, ready: list[int]) -> None:
        """The back door, behind which faults happen now: every pump is brought to that instant first."""
        if self._until in ready:
            self._ended = True
        elif self._control is not None:
            self._serve(self._lines)
            self._control.serve()
            self._serve(self._lines)
            self._watch()

    def _look(self) -> None:
        now_ms, self._look_ns = self.now_ms(), time.monotonic_ns()
        for line in self._lines:
            line.tell_truth(now_ms)

    def _watch(self) -> None:
        """Wait for what there is now: clients come and go."""
        for line in self._lines:
            line.fds = line.port.filenos()
        now: dict[int, Line | None] = {fd: line for line in self._lines for fd in line.fds}
        if self._control is not None:
            now |= dict.fromkeys(self._control.filenos())
        if self._until is not None:
            now[self._until] = None
        if now.keys() == self._watched.keys():
            return
        for fd in self._watched.keys() - now.keys():
            self._poll.unregister(fd)
        for fd in now.keys() - self._watched.keys():
            self._poll.register(fd, select.POLLIN)
        self._watched = now

    def _patience_ms(self) -> float:
        """Until the next thing that a host could notice, or the next line of the truth."""
        due_ms = min([line.due_ms for line in self._lines])
        if due_ms >= _NEVER:
            return _LOOK_MS
        return max(_SHORTEST_MS, min(_LOOK_MS, (due_ms - self.now_ms()) / self._speed))

    def _close(self) -> None:
        now_ms = self.now_ms()
        for line in self._lines:
            line.pump.wire.advance(now_ms)
            line.tell_truth(now_ms)
            line.port.close()
            if line.truth is not None:
                line.truth.close()
        if self._control is not None:
            self._control.close()
