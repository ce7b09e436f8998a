"""Writing a program into a New Era pump and reading it back, one question at a time.

Layer      drivers; imports codec, exchange and program. Starts nothing: RUN is not in here.
Hazard     F-06, F-10 to F-13, F-32: a phase that is not what was meant, in volume, rate, unit, place or direction.
Invariant  nothing is taken as set that was not read back; a setting is sent a second time only after a
           read-back has shown that it was not carried out; every reply shows that the pump stands still.
Source     New Era wire specification, sections 8 to 11. No physical pump was attached.
Tests      tests/unit/test_new_era_driver.py, tests/unit/test_new_era_line.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.new_era_exchange import Alarmed, Conversation, Silence
from pump_ctrl.drivers.new_era_program import TAG_PHASE, PausePhase, Phase, RatePhase, Tag
from pump_ctrl.errors import WireError

SET_TRIES: Final = 2
STOPPED: Final = "S"  # the one prompt of a pump whose program is at its beginning and stands still


class NotDone(WireError):
    """The pump was not brought to what was wanted. ``code`` says why, in a word."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__(what)


class Programmer:
    """Talks to a pump that stands still.

    Args:
        talk: the conversation.
        give_up: looked at before every exchange; a word says why to go no further, ``""`` to go on.
    """

    def __init__(self, talk: Conversation, give_up: Callable[[], str] = lambda: "") -> None:
        self._talk, self._give_up = talk, give_up

    # ---- single exchanges ------------------------------------------------------------------------

    def query(self, command: str, shape: re.Pattern[str]) -> str:
        """Ask for a value; asked again once after a silence or an alarm.

        Raises:
            NotDone: no answer, or an error.
        """
        self._look_up(command)
        reply = self._talk.ask(command, shape)
        if not isinstance(reply, codec.Reply):
            self._look_up(command)
            reply = self._talk.ask(command, shape)
        return self._data(command, reply)

    def tell(self, command: str) -> None:
        """Send a command that is answered by a status, once.

        Raises:
            NotDone: no answer, an alarm, an error, or the pump does not stand still.
        """
        self._look_up(command)
        self._data(command, self._talk.ask(command), standing=True)

    def put(self, command: str, query: str, shape: re.Pattern[str], wanted: Callable[[str], bool]) -> None:
        """Set a value and read it back; once more if the read-back shows the old one.

        Raises:
            NotDone: it cannot be set, or reads back otherwise.
        """
        for _ in range(SET_TRIES):
            self._look_up(command)
            reply = self._talk.ask(command)
            if not isinstance(reply, Silence):  # after a silence the read-back tells
                self._data(command, reply, standing=True)
            if wanted(found := self.query(query, shape)):
                return
        raise NotDone("read-back", f"{command} reads back as {found}")

    def ensure(self, command: str, query: str, shape: re.Pattern[str], wanted: Callable[[str], bool]) -> None:
        """Set a value unless it is set already.

        Raises:
            NotDone: it cannot be set, or reads back otherwise.
        """
        if not wanted(self.query(query, shape)):
            self.put(command, query, shape, wanted)

    def _look_up(self, command: str) -> None:
        if why := self._give_up():
            raise NotDone(why, f"{command} was not sent: {why}")

    def _data(self, command: str, reply: codec.Reply | Alarmed | Silence, *, standing: bool = False) -> str:
        if isinstance(reply, Silence):
            raise NotDone("no-answer", f"{command}: {reply.detail}")
        if isinstance(reply, Alarmed):
            raise NotDone(codec.ALARMS.get(reply.letter, "alarm"), f"{command}: {reply.detail}")
        if reply.error:
            raise NotDone(reply.error, f"{command} was answered {reply.data}")
        if standing and reply.prompt != STOPPED:
            raise NotDone("not-stopped", f"{command} was answered with the prompt {reply.prompt}")
        return reply.data

    # ---- phases ----------------------------------------------------------------------------------

    def write(self, phases: tuple[Phase, ...]) -> None:
        """Write phases from the first on, and a stop behind them; everything is read back.

        Raises:
            NotDone: one of them is not what was wanted; nothing has started.
        """
        for number, phase in enumerate(phases, start=1):
            self.choose(number)
            if isinstance(phase, PausePhase):
                self._function(codec.pause_function(phase.seconds))
            else:
                self._rate_phase(phase)
        self.choose(len(phases) + 1)
        self._function("STP")

    def use_microlitres(self) -> None:
        """Have all volumes told in uL, whatever the syringe."""
        self.ensure("VOLUL", "DIS", codec.COUNTER, lambda data: data.endswith("UL"))

    def choose(self, phase: int) -> None:
        """Choose the phase that is spoken of."""
        self.put(f"PHN{phase}", "PHN", codec.NUMBER, lambda data: codec.parse_number(data) == phase * 1_000)

    def prepare_tag(self, tag: Tag) -> None:
        """Write the tag of a permit that has not been run: its mark first, so that half a tag is none of an
        older permit's.
        """
        self.choose(TAG_PHASE)
        self._function("RAT")
        self._inward()
        self._rate(tag.phase.nl_per_h)
        self._volume(tag.phase.volume_nl)

    def arm_tag(self, tag: Tag) -> None:
        """Say in one write that the permit may have been run from now on."""
        if codec.parse_number(self.query("PHN", codec.NUMBER)) != TAG_PHASE * 1_000:
            raise NotDone("read-back", "another phase is chosen than the tag's")
        self._rate(tag.phase.nl_per_h)

    def read_tag(self) -> Tag | None:
        """The tag; None if phase 41 holds none."""
        self.choose(TAG_PHASE)
        if self.query("FUN", codec.FUNCTION) != "RAT":
            return None
        rate = codec.parse_rate(self.query("RAT", codec.RATE))
        volume = codec.parse_volume(self.query("VOL", codec.VOLUME))
        return None if rate is None else Tag.read(RatePhase(rate, volume))

    def _rate_phase(self, phase: RatePhase) -> None:
        self._function("RAT")
        self._inward()
        self._rate(phase.nl_per_h)
        self._volume(phase.volume_nl)

    def _inward(self) -> None:
        """Each phase has a direction of its own."""
        self.ensure("DIRINF", "DIR", codec.WORD, lambda data: data == "INF")

    def _function(self, function: str) -> None:
        self.ensure(f"FUN{function}", "FUN", codec.FUNCTION, lambda data: _same_function(data, function))

    def _rate(self, nl_per_h: int) -> None:
        self.put(codec.rate_command(nl_per_h), "RAT", codec.RATE, lambda d: codec.parse_rate(d) == nl_per_h)

    def _volume(self, volume_nl: int) -> None:
        command = codec.volume_command(volume_nl)
        self.put(command, "VOL", codec.VOLUME, lambda d: d.endswith("UL") and _volume_is(d, volume_nl))


def _volume_is(data: str, volume_nl: int) -> bool:
    return codec.parse_volume(data) == volume_nl


def _same_function(found: str, wanted: str) -> bool:
    """Whether a function reads as wanted; the number of a pause may come as ``5``, ``05`` or ``5.0``."""
    if found == wanted or not wanted.startswith("PAS"):
        return found == wanted
    number = found.removeprefix("PAS")
    return number not in (found, "") and codec.parse_number(number) == int(wanted[3:]) * 1_000
