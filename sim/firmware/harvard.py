"""Firmware of the simulated Harvard pumps: Pump 11 Elite, PHD Ultra, KDS Legato, from the pump's side.

Layer      sim.firmware. Written from the protocol document of that family alone, apart from any host.
Invariants the pieces in which bytes arrive change nothing; no bytes raise; with polling on it sends nothing
           that was not asked for; a query changes nothing.
Silence    it says nothing when it stalls, and nothing when its host is gone: it goes on until a target. With
           polling off it sends its prompt when a target is reached, and that is all that it ever says first.
Open       what the document leaves open is an option: `Quirks` and the table `QUIRKS`. What is not simulated
           is the table `NOT_SIMULATED`; both with the readings stand in the modules of the parts.
Times      the methods take true time (ms of the world); the pump reads its own, drifting clock.
Tests      tests/unit/sim/test_firmware_harvard*.py, tests/wire/harvard.toml
"""

from contextlib import suppress
from functools import lru_cache
from typing import Final

from sim.firmware.base import Agenda, Mains
from sim.firmware.harvard_commands import NOT_SIMULATED, handler_of, kind_of_request
from sim.firmware.harvard_families import FAMILIES, QUIRKS, Family, Quirks
from sim.firmware.harvard_frames import (
    CR,
    MOST_LINE,
    Receiver,
    RefusedError,
    Request,
    Tail,
    parse,
    reply,
)
from sim.firmware.harvard_state import Poll, Pump, told_step_pl
from sim.firmware.harvard_units import volume_text
from sim.firmware.syringe import INFUSE
from sim.mechanism import Mechanism
from sim.motor import NEVER

__all__ = ["FAMILIES", "NOT_SIMULATED", "QUIRKS", "Family", "HarvardFirmware", "Quirks", "told_step_pl"]

# A request is a function of its line alone, and a host asks the same again and again; lines are short (`Receiver`).
_request_of: Final = lru_cache(maxsize=256)(parse)
_ADDRESS_SET: Final = "Pump address set to "  # the one text line that never carries the address


class HarvardFirmware(Mains):
    """One pump. `handle` answers bytes; `elapse` does what falls due at `next_ms`; both in the order of time.

    `pump` is the pump behind the wire: a person's hand on its screen, and what faults change.
    """

    __slots__ = ("_closed", "_goes_on", "_receiver", "off", "outbox", "pump")

    def __init__(
        self, family: Family, mechanism: Mechanism, *, serial: str, quirks: Quirks | None = None
    ) -> None:
        self.pump = Pump(
            family, mechanism, Quirks() if quirks is None else quirks, serial=serial, on_reached=self._reached
        )
        self._receiver = Receiver()
        self.outbox: list[tuple[int, bytes]] = []
        self._goes_on = False  # whether the next power-up resumes what the last cut ended
        self._closed = False  # a touch on the screen closed the link, until a carriage return
        self.off = True  # until its first power-up

    # Power and people

    def power_up(self, now_ms: int) -> None:
        """Stand idle, with counters and timers at 0; a quirk lets a run go on."""
        self.power_off(now_ms)
        self.pump.runs.restart(now_ms)
        self.off = False
        if self._goes_on:
            with suppress(RefusedError):  # a rate that was not saved may have left one that is out of range
                self.pump.run(now_ms, self.pump.runs.direction)
        if self.pump.quirks.announces_power_up:
            self.outbox.append((now_ms, self._prompt()))
        self._goes_on = False

    def power_off(self, now_ms: int) -> None:
        """Without power nothing runs, hears or speaks. What is kept is kept."""
        self._goes_on = self._goes_on or self.pump.resumes()
        self.pump.lose_power(now_ms)
        self._receiver.clear()
        self._closed, self.off = False, True

    def touch(self, *, quick_start: bool = True) -> None:
        """A person touches the screen: a stall is cleared, and the link opens again with a carriage return.

        `quick_start` False: the screen then shows a page on which no values are taken.
        """
        self.pump.runs.touch()
        self.pump.quick_start = quick_start
        self._closed = True

    def filled(self, now_ms: int, told_nl: int = 0, alarm_nl: int = 0) -> None:
        """A person put a full syringe in; the pump is not told, its counters go on."""
        self.pump.runs.filled(now_ms)

    # Time

    @property
    def agenda(self) -> Agenda:
        """Itself."""
        return self

    @property
    def next_ms(self) -> int:
        """When `elapse` has work."""
        return self.pump.runs.next_ms

    @property
    def alarm_ms(self) -> int:
        """When a host could hear something without asking: only a target that is reached, with polling off."""
        return NEVER if self.off or self.pump.poll is not Poll.OFF else self.pump.runs.target_ms

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`; to be called after every change of the mechanism too."""
        self.pump.runs.elapse(t_ms)

    # Bytes

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes that arrive at `now_ms`; return the echo, if it is on, and the replies."""
        if self.off:
            return b""
        out = b""
        for piece, line in self._receiver.feed(data):
            out += piece if self.pump.echo else b""
            if line is not None:
                out += self._line(line, now_ms)
        return out

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """What the pump sent unasked, each with the time at which it was sent."""
        taken, self.outbox = self.outbox, []
        return taken

    def kind_of(self, data: bytes) -> str:
        """What the first line of a host's message is, whichever pump it is for."""
        return kind_of_request(parse(data.partition(CR)[0]))

    def repair(self, data: bytes) -> bytes:
        """As it is: this protocol has no checksum."""
        return data

    # Faults

    def freeze_status(self, now_ms: int, *, on: bool) -> None:
        """Show prompt, counters, times and status as they are now, again and again; or stop doing so."""
        self.pump.runs.freeze(now_ms, on=on)

    def set_counter(self, now_ms: int, value_nl: int) -> None:
        """Make the infused volume show `value_nl` from now on."""
        self.pump.runs.set_counter(now_ms, value_nl * 1_000)

    def ignore_stops(self, how: str, count: int) -> None:
        """Be deaf to `count` stops: `honest`, `lie` (the motor goes on alone) or `silent` (no answer)."""
        self.pump.stop_ignored, self.pump.stops_to_ignore = how, count

    def run_unasked(self, now_ms: int, nl_per_h: int) -> None:
        """Infuse by itself at a rate that nobody set, until a stop."""
        self.pump.runs.clear_targets(now_ms, volume=True, time=True)
        self.pump.runs.run(now_ms, INFUSE, nl_per_h * 10**6)

    def reset_and_go_on(self, now_ms: int) -> None:
        """Lose power and, when it is back, do the rest of what ran as if nothing had happened."""
        runs = self.pump.runs
        was, rest = runs.shown(now_ms), runs.rest_pl(now_ms)
        self.power_up(now_ms)
        if was.fl_per_h:
            if rest is not None:
                runs.set_target(rest, volume_text(rest * 1_000))
            runs.run(now_ms, was.direction, was.fl_per_h)

    # One line

    def _line(self, line: bytes, now_ms: int) -> bytes:
        if self._closed:
            self._closed = False
            return self._prompt()
        request = _request_of(line)
        own = self.pump.kept.address
        if request.address not in {None, own}:
            return b""
        silent = self.pump.stop_ignored == "silent" and self.pump.stops_to_ignore
        lines = self._lines(request, now_ms, known=len(line) <= MOST_LINE)
        if silent and request.name in {"stop", "stp"}:
            return b""
        return self._reply(request, lines)

    def _lines(self, request: Request, now_ms: int, *, known: bool) -> tuple[str, ...]:
        if not request.name and known:
            return ()
        try:
            name = request.name if known else ""
            handler = handler_of(name, infuse_only=self.pump.quirks.infuse_only)
            return handler(self.pump, request.words, now_ms)
        except RefusedError as refusal:
            return refusal.lines

    def _reply(self, request: Request, lines: tuple[str, ...]) -> bytes:
        tail = self._tail(asked_by_number=request.address is not None)
        if self.pump.poll is Poll.REMOTE:
            return reply(lines, tail._replace(prompt="")) if lines else b""
        if request.name[:4] == "stat" and self.pump.quirks.prompt_before_status:
            return reply((), tail._replace(xon=False)) + reply(lines, tail._replace(prompt=""))
        return reply(lines, tail, text_address=not (lines and lines[0].startswith(_ADDRESS_SET)))

    def _prompt(self) -> bytes:
        return reply((), self._tail())

    def _tail(self, *, asked_by_number: bool = False) -> Tail:
        address = self.pump.kept.address
        shows = address or (asked_by_number and self.pump.quirks.zero_prefix)
        prompt = self.pump.runs.shown_prompt
        return Tail(prompt, address if shows else None, xon=self.pump.poll is Poll.ON)

    def _reached(self, t_ms: int) -> None:
        if not self.off and self.pump.poll is Poll.OFF:
            self.outbox.append((t_ms, self._prompt()))
