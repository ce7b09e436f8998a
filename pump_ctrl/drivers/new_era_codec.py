"""Numbers, frames and replies of the New Era protocol, host side: bytes in, values out, and back.

Layer      drivers; imports ``errors`` only. Never reads a port, waits or retries.
Hazard     F-10 to F-14: flipped bits, cut or joined frames, garbage; a volume that reads as zero, which this
           pump takes for "pump for ever".
Invariant  no number that is zero, or that the pump would round, is ever put into a command; a Safe frame comes
           out only if its CRC is right, cut by its length byte; no bytes make the decoder raise.
Source     New Era wire specification, sections 2 to 6 and 11. No physical pump was attached.
Tests      tests/unit/test_new_era_codec.py, tests/unit/test_new_era_codec_edges.py
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections import deque
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, Literal

from pump_ctrl.errors import WireError

STX: Final = 0x02
ETX: Final = 0x03
CR: Final = 0x0D
LARGEST: Final = 9_999_000  # thousandths: "9999", the largest number of 4 digits
RUNNING: Final = frozenset("IT")  # prompts of a program that goes on: infusing, or in a timed pause
ALARMS: Final = {"R": "reset", "S": "stall", "T": "timeout", "E": "program", "O": "phase-range"}
WITHDRAWN: Final = "withdrawn"  # no alarm of the pump's: its prompt or its counter says so

_MAX_HELD, _MAX_BASIC = 4_096, 64
LONGEST: Final = 64  # bytes of a reply, its frame included; what is longer is not worth remembering
_MEMO: Final = 8_192  # more than the readings of a counter of 4 digits in a day; each day brings them again
_SAFE_LENGTHS: Final = range(7, 0x30)  # "00S" upwards; what a Basic reply has there is a digit, 0x30 or more
_DIGITS: Final = frozenset(b"0123456789")
_SCALE: Final = (1_000, 100, 10, 1)  # to thousandths, by the digits behind the point
_LINE_ENDS: Final = b"\r\n"


# ---- numbers: thousandths of a uL are nL, thousandths of a uL/h are nL/h -------------------------


def grid(thousandths: int) -> int:
    """How far apart the numbers of 4 digits lie around a value, both in thousandths."""
    if thousandths < 10_000:
        return 1
    if thousandths < 100_000:
        return 10
    return 100 if thousandths < 1_000_000 else 1_000


def down(thousandths: int) -> int:
    """The largest number of 4 digits that is not above the value."""
    return min(thousandths, LARGEST) // grid(thousandths) * grid(thousandths)


def up(thousandths: int) -> int:
    """The smallest number of 4 digits that is not below the value; beyond 9999 there is none."""
    return -(-thousandths // grid(thousandths)) * grid(thousandths)


def number_text(thousandths: int) -> str:
    """A number as the pump is told it: 4 digits and a point at most.

    Raises:
        ValueError: zero or less, above 9999, or not exactly 4 digits: the pump would take another number.
    """
    if type(thousandths) is not int or not 1 <= thousandths <= LARGEST or down(thousandths) != thousandths:
        raise ValueError(f"{thousandths!r} thousandths cannot be told to the pump as a number of 4 digits")
    return f"{thousandths // 1_000}.{thousandths % 1_000:03d}"[:5].rstrip(".")


def parse_number(text: str) -> int:
    """A number of the pump in thousandths; short forms like ``0.5`` and ``1000.`` too.

    Raises:
        WireError: it is none.
    """
    whole, _, part = text.partition(".")
    digits = whole + part
    if len(whole) > 4 or len(part) > 3 or not (digits.isascii() and digits.isdigit()):
        raise WireError(f"{text!r} is no number")
    return int(digits) * _SCALE[len(part)]


# ---- commands ------------------------------------------------------------------------------------


def rate_command(nl_per_h: int) -> str:
    """RAT in uL/h, the one rate unit that is used."""
    return f"RAT{number_text(nl_per_h)}UH"


def volume_command(volume_nl: int) -> str:
    """VOL in uL; a volume of 0 would mean "for ever" and cannot be told."""
    return f"VOL{number_text(volume_nl)}"


def pause_function(seconds: int) -> str:
    """The phase function of a timed pause; 0 would mean "wait for a trigger" and cannot be told."""
    if type(seconds) is not int or not 1 <= seconds <= 99:
        raise ValueError(f"a pause of {seconds!r} s; allowed: 1 to 99")
    return f"PAS{seconds:02d}"


@lru_cache(maxsize=64)  # a poll says the same thousands of times a day
def encode(address: int, command: str, safe: bool) -> bytes:
    """One command as it goes over the wire."""
    text = f"{address}{command}".encode("ascii")
    if not safe:
        return text + bytes((CR,))
    return bytes((STX, len(text) + 4)) + text + crc_hqx(text, 0).to_bytes(2, "big") + bytes((ETX,))


# ---- frames --------------------------------------------------------------------------------------


class NeedData(Enum):
    """No complete frame is held; feed more bytes."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA


class FrameDecoder:
    """Bytes in, texts of frames out. Owns no port, clock or thread, so every test is a list of bytes.

    ``safe`` says which frames are let through: those with length and CRC, those of Basic mode, or (None) both,
    which is for the moment in which the mode changes.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._rescued: deque[str] = deque()
        self.safe: bool | None = None
        self.noise = 0  # runs of bytes that belonged to no frame

    @property
    def partial(self) -> bool:
        """Whether the beginning of a frame is held (after ``next_text`` has said NEED_DATA)."""
        return bool(self._held)

    @property
    def idle(self) -> bool:
        """Whether nothing is held, neither whole nor in part."""
        return not (self._held or self._rescued)

    def feed(self, data: bytes) -> None:
        """Add what was received. Beyond 4,096 bytes the oldest are dropped, and counted as noise."""
        self._held += data
        surplus = len(self._held) - _MAX_HELD
        if surplus > 0:
            self._drop(surplus)

    def next_text(self) -> str | Literal[NeedData.NEED_DATA]:
        """The text of the next frame; bytes that belong to none are dropped and counted."""
        return self._rescued.popleft() if self._rescued else self._scan()

    def drop_partial(self) -> None:
        """Give up the frame that has begun; what stood behind its STX is searched once more."""
        while self._held:
            self._drop(1)
            while not isinstance(text := self._scan(), NeedData):
                self._rescued.append(text)

    def _scan(self) -> str | Literal[NeedData.NEED_DATA]:
        while self._align():
            second = self._held[1]
            if second in _SAFE_LENGTHS and self.safe is not False:
                found = self._cut_safe(second)
            elif second in _DIGITS and self.safe is not True:
                found = self._cut_basic()
            else:
                found = ""
            if not found:
                self._drop(1)
                continue
            return found
        return NEED_DATA

    def _align(self) -> bool:
        """Bring an STX to the front; True if the byte behind it is there too. Stray line ends are no noise."""
        if not self._held or self._held[0] == STX:
            return len(self._held) >= 2
        start = self._held.find(STX)
        junk = self._held if start < 0 else self._held[:start]
        self.noise += bool(junk.strip(_LINE_ENDS))
        del self._held[: len(junk)]
        return len(self._held) >= 2

    def _cut_safe(self, length: int) -> str | NeedData:
        """Cut by the length byte; ``""`` if CRC or end are not right."""
        if len(self._held) < length + 1:
            return NEED_DATA
        text, crc = bytes(self._held[2 : length - 2]), self._held[length - 2 : length]
        if self._held[length] != ETX or crc_hqx(text, 0) != int.from_bytes(crc, "big"):
            return ""
        del self._held[: length + 1]
        return text.decode("latin-1")

    def _cut_basic(self) -> str | NeedData:
        """Cut at the ETX; ``""`` if another frame begins before it, or there is none in reach."""
        end = self._held.find(ETX)
        if end < 0:
            return NEED_DATA if len(self._held) <= _MAX_BASIC else ""
        if STX in self._held[1:end]:
            return ""
        text = bytes(self._held[1:end]).strip(_LINE_ENDS)
        del self._held[: end + 1]
        return text.decode("latin-1")

    def _drop(self, count: int) -> None:
        self.noise += 1
        del self._held[:count]


# ---- replies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What the pump says. Either an alarm letter, or a prompt letter and what stands behind it."""

    address: int
    alarm: str
    prompt: str
    data: str

    @property
    def error(self) -> str:
        """The error that the pump answers with, in words; ``""`` if none."""
        return _ERRORS.get(self.data, "unknown-error") if self.data.startswith("?") else ""


_ERRORS: Final = {
    "?": "not-recognised", "?NA": "not-applicable", "?OOR": "out-of-range",
    "?COM": "garbled", "?IGN": "ignored",
}  # fmt: skip
_REPLY: Final = re.compile(r"([0-9]{2})(?:A\?([A-Z])|([IWSPTUX])([ -~]*))")


@lru_cache(maxsize=256)
def parse_reply(text: str) -> Reply:
    """Read the text of a frame.

    Raises:
        WireError: address, prompt or alarm are none that the protocol has.
    """
    found = _REPLY.fullmatch(text)
    if found is None:
        raise WireError(f"{text!r} is no reply")
    return Reply(int(found[1]), found[2] or "", found[3] or "", (found[4] or "").strip())


@lru_cache(maxsize=_MEMO)
def only_reply(data: bytes, safe: bool | None, shape: re.Pattern[str]) -> Reply | None:
    """The reply of that shape that an idle decoder of that mode makes of ``data``, if of nothing else; or None."""
    decoder = FrameDecoder()
    decoder.safe = safe
    decoder.feed(data)
    text, more = decoder.next_text(), decoder.next_text()
    if text is NEED_DATA or more is not NEED_DATA or decoder.noise or not decoder.idle:
        return None
    try:
        reply = parse_reply(text)
    except WireError:
        return None
    return reply if not reply.alarm and shape.fullmatch(reply.data) else None


# What the data of a reply look like, by what was asked.
NOTHING: Final = re.compile("")
NUMBER: Final = re.compile(r"[0-9.]+")
RATE: Final = re.compile(r"([0-9.]+)(UM|MM|UH|MH)")
VOLUME: Final = re.compile(r"([0-9.]+)(UL|ML)")
COUNTER: Final = re.compile(r"I([0-9.]+)W([0-9.]+)(UL|ML)")
FUNCTION: Final = re.compile(r"[A-Z]{2,3}[0-9.]*")
WORD: Final = re.compile(r"[A-Z0-9]{1,3}")
VERSION: Final = re.compile(r"([A-Z]+[0-9]+)(X[0-9]*)?(V[0-9]+\.[0-9]+[ -~]*)")

_UNIT_NL: Final = {"UL": 1, "ML": 1_000}


@dataclass(frozen=True, slots=True)
class Counter:
    """The dispensed counter. ``unit_nl`` is what its last digit stands for: it coarsens as the counter grows."""

    infused_nl: int
    withdrawn_nl: int
    unit_nl: int


@lru_cache(maxsize=_MEMO)
def parse_counter(data: str) -> Counter:
    """Read the reply to DIS.

    Raises:
        WireError: it is none.
    """
    found = COUNTER.fullmatch(data)
    if found is None:
        raise WireError(f"{data!r} is no counter")
    infused, withdrawn, factor = parse_number(found[1]), parse_number(found[2]), _UNIT_NL[found[3]]
    return Counter(infused * factor, withdrawn * factor, grid(infused) * factor)


def parse_volume(data: str) -> int:
    """Read the reply to VOL, nL.

    Raises:
        WireError: it is none.
    """
    found = VOLUME.fullmatch(data)
    if found is None:
        raise WireError(f"{data!r} is no volume")
    return parse_number(found[1]) * _UNIT_NL[found[2]]


def parse_rate(data: str) -> int | None:
    """Read the reply to RAT, nL/h; None for another unit than uL/h.

    Raises:
        WireError: it is none.
    """
    found = RATE.fullmatch(data)
    if found is None:
        raise WireError(f"{data!r} is no rate")
    return parse_number(found[1]) if found[2] == "UH" else None
