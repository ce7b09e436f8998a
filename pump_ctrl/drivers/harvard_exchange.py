"""One command and its reply over a link to a Harvard pump: deadlines, strict matching, late and stray bytes.

Layer      drivers; imports its codec, ``base`` and ``errors``. Decides nothing about doses.
Hazard     F-05, F-08, F-14, F-17: a reply of another command, pump or time; a babbling pump; a dead line.
Invariant  what is returned has the form of a reply to the command just sent, or it is silence; each command
           is sent once; an exchange takes 500 ms at the most.
Source     the manual's chapter on serial commands; the traps are those that other people's programs met.
Tests      tests/unit/test_harvard_exchange.py

A reply carries no number. So that a late one is not taken for the next: after a silence the line has to be
quiet before anything is sent again; a command that sets something takes no text and one that asks takes only
text of its own form; and what was set is read back by the caller. The pump answers in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pump_ctrl.drivers.base import Link
from pump_ctrl.drivers.harvard_codec import Prompt, Reply, ReplyDecoder, WrongAddress, encode
from pump_ctrl.errors import LinkError, WireError

EXCHANGE_MS: Final = 500  # all that one exchange may take
QUIET_MS: Final = 100  # without polling mode a reply is over when nothing has come for so long
HUSH_MS: Final = 250  # the most that is spent on waiting for a quiet line
FLOOD_BYTES: Final = 16_384  # more than that in one exchange is a babbling pump

_T = TypeVar("_T")
Reader = Callable[[tuple[str, ...]], _T]


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """The reply to a command: what it says and the prompt behind it. ``polled``: XON ended it."""

    value: _T
    prompt: Prompt
    polled: bool


@dataclass(frozen=True, slots=True)
class Objection:
    """The pump says no, in its own words."""

    words: str
    prompt: Prompt | None


@dataclass(frozen=True, slots=True)
class Silence:
    """No usable reply came within the deadline."""

    detail: str


class Conversation:
    """The host's side of the wire.

    Args:
        link: the byte pipe.
        address: of the pump; 0 for a single one.
    """

    def __init__(self, link: Link, address: int) -> None:
        self.address = address
        self.colon = False
        self.polling = False  # the pump is known to end its replies with XON
        self._link = link
        self._decoder = ReplyDecoder(address)
        self._ignored = 0
        self._suspect = True  # a reply may be late
        self._allowance = 0
        self._stranger: int | None = None

    @property
    def noise(self) -> int:
        """Replies that were not to what was asked, and runs of bytes that were no reply."""
        return self._ignored + self._decoder.noise

    def ask(
        self,
        command: str,
        read: Reader[_T],
        *,
        urgent: bool = False,
        until: Callable[[Prompt], bool] | None = None,
    ) -> Answer[_T] | Objection | Silence:
        """Send a command, once, and wait for its reply.

        Args:
            command: without address and end.
            read: makes a value of the lines of text; raises ``WireError`` if they are no reply to this.
            urgent: do not wait for a quiet line first.
            until: which prompts are waited for; others are passed over.
        """
        deadline_ms = self._link.now_ms() + EXCHANGE_MS
        self._allowance = FLOOD_BYTES
        self._stranger = None
        try:
            self._hush(0 if urgent or not self._suspect else QUIET_MS)
            self._link.write(encode(command, self.address, colon=self.colon), deadline_ms=deadline_ms)
            found = self._await(read, until, deadline_ms)
        except (LinkError, OSError) as err:
            found = Silence(f"the link failed: {err}")
        self._suspect = isinstance(found, Silence)
        return found

    def listen(self, for_ms: int) -> None:
        """Wait for ``for_ms`` and throw away what comes."""
        until_ms = self._link.now_ms() + for_ms
        self._allowance = FLOOD_BYTES
        try:
            while self._link.now_ms() < until_ms and self._allowance > 0:
                self._allowance -= len(self._link.read(deadline_ms=until_ms))
        except (LinkError, OSError):
            self._suspect = True  # the next exchange meets the broken link too, and says so

    def drop(self) -> None:
        """Throw away what came unasked; waits for nothing. Left where it is, it would wake the loop for ever."""
        try:
            if self._link.read(deadline_ms=self._link.now_ms()):
                self._ignored += 1
                self._suspect = True  # more of it may come
        except (LinkError, OSError):
            self._suspect = True  # the next exchange meets the broken link too, and says so

    def _hush(self, quiet_ms: int) -> None:
        """Throw away what has come, until nothing has for ``quiet_ms``."""
        self._decoder.drop()
        give_up_ms = self._link.now_ms() + HUSH_MS
        while self._allowance > 0:
            data = self._link.read(deadline_ms=min(self._link.now_ms() + quiet_ms, give_up_ms))
            self._allowance -= len(data)
            self._ignored += bool(data)
            if not data or self._link.now_ms() >= give_up_ms:
                return

    def _await(
        self, read: Reader[_T], until: Callable[[Prompt], bool] | None, deadline_ms: int
    ) -> Answer[_T] | Objection | Silence:
        held: Prompt | None = None  # a prompt that came alone: old PHD firmware sends it before the text
        while (reply := self._next_reply(deadline_ms, hurry=held is not None)) is not None:
            prompt = reply.prompt or held
            if (words := reply.error) is not None:
                return Objection(words, prompt)
            held = prompt
            if prompt is None or (until is not None and not until(prompt)):
                continue
            try:
                return Answer(read(reply.lines), prompt, reply.polled)
            except WireError:
                self._ignored += 1
        return Silence(self._why_silent())

    def _why_silent(self) -> str:
        if self._allowance <= 0:
            return f"the pump babbles: over {FLOOD_BYTES} bytes and no reply among them"
        if self._stranger is not None:
            return f"a pump with address {self._stranger} answers, asked was {self.address}"
        return f"no usable reply within {EXCHANGE_MS} ms"

    def _next_reply(self, deadline_ms: int, *, hurry: bool) -> Reply | None:
        """The next reply of our pump, or None when the deadline has come or the pump babbles."""
        while True:
            try:
                if isinstance(reply := self._decoder.next_reply(), Reply):
                    return reply
                quiet = not self._read(deadline_ms, hurry=hurry)
                if quiet and isinstance(reply := self._decoder.rest(), Reply):
                    return reply
            except WireError as err:
                self._note(err)
                quiet = self._decoder.partial
            if self._allowance <= 0 or (quiet and self._link.now_ms() >= deadline_ms):
                return None

    def _note(self, err: WireError) -> None:
        self._ignored += 1
        if isinstance(err, WrongAddress):
            self._stranger = err.told

    def _read(self, deadline_ms: int, *, hurry: bool) -> bool:
        """Read once into the decoder; False when nothing came for long enough."""
        now_ms = self._link.now_ms()
        soon = self._decoder.partial and (hurry or not self.polling)
        data = self._link.read(deadline_ms=min(deadline_ms, now_ms + QUIET_MS) if soon else deadline_ms)
        self._allowance -= len(data)
        self._decoder.feed(data)
        return bool(data)


# ---- readers -----------------------------------------------------------------------------------


def nothing(lines: tuple[str, ...]) -> None:
    """No text: the reply to a command that sets something."""
    if lines:
        raise WireError(f"{lines[0][:60]!r} is not the reply to a setting")


def anything(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Whatever the pump says."""
    return lines


def as_told(text: str) -> str:
    """The text itself."""
    return text


def line(read: Callable[[str], _T]) -> Reader[_T]:
    """One line of text, of a form."""

    def read_line(lines: tuple[str, ...]) -> _T:
        if len(lines) != 1:
            raise WireError(f"{len(lines)} lines, expected one")
        return read(lines[0].strip())

    return read_line


def words(told: str) -> Reader[None]:
    """One line that says just this; capitals do not matter."""

    def compare(text: str) -> None:
        if text.upper() != told.upper():
            raise WireError(f"{text[:60]!r}, expected {told!r}")

    return line(compare)
