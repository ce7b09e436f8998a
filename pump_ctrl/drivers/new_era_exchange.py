"""One command and its reply over a link to a New Era pump: deadlines, matching by shape, alarms, noise.

Layer      drivers; imports its codec, ``base`` and ``errors``. Decides nothing about doses.
Hazard     F-05, F-07, F-11 to F-16: a late, doubled or foreign reply taken for the one that is waited for. The
           protocol has no sequence numbers.
Invariant  a reply counts only with the right address and the form that its command is answered in; after a
           silence or an alarm nothing is believed until the pump has answered VER, whose form is its own;
           nothing is ever sent again from here.
Source     New Era wire specification, sections 3 to 7. No physical pump was attached.
Tests      tests/unit/test_new_era_line.py, tests/unit/test_new_era_driver.py
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import Link
from pump_ctrl.drivers.new_era_codec import NEED_DATA, NOTHING, VERSION, Reply
from pump_ctrl.errors import LinkError, WireError

EXCHANGE_MS: Final = 500  # all that one exchange may take
PAUSE_MS: Final = 500  # a longer pause inside a frame ends it
FLOOD_BYTES: Final = 65_536  # more than that in one exchange is a babbling pump
SYNC_TRIES: Final = 3  # VER may be answered by alarms first


@dataclass(frozen=True, slots=True)
class Alarmed:
    """An alarm came where a reply was due. The command was not carried out, or the alarm came unasked."""

    letter: str

    @property
    def detail(self) -> str:
        """In words."""
        return f"the pump answered with the alarm {codec.ALARMS.get(self.letter, self.letter)}"


@dataclass(frozen=True, slots=True)
class Silence:
    """No usable reply came within the deadline."""

    detail: str


class Conversation:
    """The host's side of the wire.

    Args:
        link: the byte pipe.
        address: of the pump; replies of others are noise.
        on_alarm: told of every alarm letter, asked for or not.
        on_loss: told when the link itself fails: who answers on it next may be another pump.
    """

    def __init__(
        self,
        link: Link,
        address: int,
        on_alarm: Callable[[str], None],
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._link, self._address, self._on_alarm, self._on_loss = link, address, on_alarm, on_loss
        self._decoder = codec.FrameDecoder()
        self._safe = True  # a pump in either mode takes a Safe frame; some firmware in Basic mode does not
        self._doubtful = False
        self._ignored = 0
        self._allowance = 0
        self.at_ms = self._sent_ms = self._heard_ms = link.now_ms()  # ``at_ms``: the clock as last looked at
        self._answered = 0
        self._spent_ms = 0

    @property
    def noise(self) -> int:
        """Frames that were not for us or made no sense, and runs of bytes that were no frame."""
        return self._ignored + self._decoder.noise

    @property
    def mean_ms(self) -> int:
        """How long an exchange that was answered has taken on the average so far, ms; 1 at least."""
        return max(1, self._spent_ms // max(1, self._answered))

    def ask(
        self, command: str, shape: re.Pattern[str] = NOTHING, *, urgent: bool = False
    ) -> Reply | Alarmed | Silence:
        """Send one command, once, and wait up to 500 ms for a reply whose data have this form, or an error.

        After a silence or an alarm VER is asked first, until its answer shows that no older reply is on the
        way; not before an ``urgent`` one, which is a STOP and proves nothing by its reply.
        """
        if self._doubtful and not urgent and (failed := self._synchronise()) is not None:
            return failed
        return self._exchange(command, shape)

    def enter(self, command: str, *, safe: bool) -> Reply | Alarmed | Silence:
        """Send ``SAFn`` in a Safe frame, which a pump in either mode takes; from then on speak that mode."""
        self._safe, self._decoder.safe = True, None
        reply = self._exchange(command, NOTHING)
        if isinstance(reply, Silence):
            reply = self._exchange(command, NOTHING)
        if not isinstance(reply, Silence):
            self._safe = self._decoder.safe = safe
        return reply

    def listen(self, until_ms: int = 0) -> None:
        """Take in what the pump says by itself up to then; with an instant in the past waits for nothing."""
        data = b""
        try:
            if not until_ms and self._decoder.idle and not (data := self._link.read(deadline_ms=0)):
                return  # as nearly always
            self._allowance = FLOOD_BYTES
            while (reply := self._next_reply(until_ms, data)) is not None:
                data = b""
                self._sort_out(reply)
        except (LinkError, OSError):
            self._doubtful = True  # the next exchange meets the broken link too, and says so
            self._on_loss()

    def be_silent(self, for_ms: int) -> None:
        """Let so long go by since the last command."""
        self.listen(self._sent_ms + for_ms)

    def _synchronise(self) -> Alarmed | Silence | None:
        for _ in range(SYNC_TRIES):
            reply = self._exchange("VER", VERSION)
            if isinstance(reply, Reply):
                self._doubtful = False
                return None
            if isinstance(reply, Silence):
                return reply
        return Silence("the pump answers with nothing but alarms")

    def _exchange(self, command: str, shape: re.Pattern[str]) -> Reply | Alarmed | Silence:
        self.listen()
        link = self._link
        self.at_ms = self._sent_ms = begun_ms = link.now_ms()
        deadline_ms = begun_ms + EXCHANGE_MS
        reply: Reply | Alarmed | Silence
        try:
            link.write(codec.encode(self._address, command, self._safe), deadline_ms=deadline_ms)
            reply = self._await(shape, deadline_ms)
        except (LinkError, OSError) as err:
            self._on_loss()
            reply = Silence(f"the link failed: {err}")
        if isinstance(reply, Reply):
            self._spent_ms += self.at_ms - begun_ms
            self._answered += 1
            return reply
        self._doubtful = True
        if isinstance(reply, Silence) and self._decoder.safe is None:
            self._safe = not self._safe  # the mode is not known yet: the other framing next
        return reply

    def _await(self, shape: re.Pattern[str], deadline_ms: int) -> Reply | Alarmed | Silence:
        self._allowance, data = FLOOD_BYTES, b""
        if self._decoder.idle:  # nearly always one read brings the reply, whole and alone
            data = self._link.read(deadline_ms=deadline_ms)
            answer = codec.only_reply(data, self._decoder.safe, shape) if len(data) <= codec.LONGEST else None
            if answer is not None and answer.address == self._address:
                self.at_ms = self._link.now_ms()
                return answer
        while (reply := self._next_reply(deadline_ms, data)) is not None:
            data = b""
            if reply.alarm:
                self._on_alarm(reply.alarm)
                return Alarmed(reply.alarm)
            if shape.fullmatch(reply.data) or reply.error:
                return reply
            self._ignored += 1
        if self._allowance <= 0:
            return Silence(f"the pump babbles: over {FLOOD_BYTES} bytes and no reply among them")
        return Silence(f"no usable reply within {EXCHANGE_MS} ms")

    def _sort_out(self, reply: Reply) -> None:
        """Of what comes unasked only alarms mean anything."""
        if reply.alarm:
            self._on_alarm(reply.alarm)
        else:
            self._ignored += 1

    def _next_reply(self, deadline_ms: int, data: bytes = b"") -> Reply | None:
        """The next reply of this pump, or None when the deadline has come or the pump babbles.

        ``data`` have been read already, by a decoder that was idle.
        """
        while True:
            if (text := self._decoder.next_text()) is not NEED_DATA:
                reply = _parsed(text)
                if reply is not None and reply.address == self._address:
                    return reply
                self._ignored += 1
            elif self._allowance <= 0:
                return None
            else:
                read, data = data or self._link.read(deadline_ms=deadline_ms), b""
                if not self._take_in(read, deadline_ms):
                    return None

    def _take_in(self, data: bytes, deadline_ms: int) -> bool:
        """Give the decoder what one read has brought; False when nothing more is to be had by the deadline.

        A frame in which the pump has paused for more than 0.5 s, or that has only begun when the exchange is
        over, is given up: what is behind its first byte may be a whole one.
        """
        partial = self._decoder.partial
        self.at_ms = now_ms = self._link.now_ms()
        paused = now_ms - self._heard_ms > PAUSE_MS
        over = not data and now_ms >= deadline_ms > self._sent_ms
        if dropped := partial and (paused or over):
            self._decoder.drop_partial()
        if data:
            self._heard_ms = now_ms
            self._allowance -= len(data)
            self._decoder.feed(data)
        return bool(data) or dropped or now_ms < deadline_ms


def _parsed(text: str) -> Reply | None:
    """The reply, or None for what is none of this protocol: line noise that no check sum caught."""
    try:
        return codec.parse_reply(text)
    except WireError:
        return None
