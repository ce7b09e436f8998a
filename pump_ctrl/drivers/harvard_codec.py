"""Replies of the Harvard family cut apart: prompts, addresses, errors, the ``status`` line. Bytes in, values out.

Layer      drivers; imports ``errors``, its families and amounts. Never reads a port, waits or retries.
Hazard     F-05, F-11, F-13, F-14: another pump's reply, a cut one, garbage, a babbling pump.
Invariant  any bytes whatever give a reply, a ``WireError`` or nothing, and at most 4,096 of them are held.
Source     the manual's chapter on serial commands (Publication 5420-002) and bytes recorded from a real Legato 100.
Tests      tests/unit/test_harvard_codec.py, tests/unit/test_harvard_codec_edges.py

A reply is LF, text lines that end in CR LF, then the prompt with no end of its own, then XON if the pump is in
polling mode. Without XON only the prompt tells the end, so nothing may follow it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from pump_ctrl.drivers.harvard_amounts import FL_PER_NL
from pump_ctrl.drivers.harvard_families import Family, family_of
from pump_ctrl.errors import WireError

XON: Final = b"\x11"
MAX_HELD: Final = 4_096  # bytes that may be held
MAX_WORDS: Final = 200  # of the pump's own words that are passed on

_PROMPT: Final = re.compile(r"(\d{1,2})?(:|>\*?|<\*?|\*|T\*)", re.ASCII)
_PREFIX: Final = re.compile(r"(\d{1,2}):", re.ASCII)
_STATUS: Final = re.compile(
    r"(\d{1,20}) +(\d{1,20}) +(\d{1,20}) +([iwIW])([IW.])([S.])([T.])([IW.])([T.])?", re.ASCII
)
_VER: Final = re.compile(r"(\S.{0,60}?) +v?(\d{1,4}\.\d{1,4}\.\d{1,4})", re.ASCII)
_VERSION_LINES: Final = {
    "firmware": re.compile(r"Firmware: +v?(\S{1,40})", re.ASCII | re.IGNORECASE),
    "address": re.compile(r"Pump address: +(\d{1,2})", re.ASCII | re.IGNORECASE),
    "serial": re.compile(r"Serial number: +(\S{1,40})", re.ASCII | re.IGNORECASE),
}
_ERROR: Final = re.compile(
    r"command error|argument error|unknown command|out of range|unknown syringe", re.IGNORECASE
)


class NeedData(Enum):
    """No complete reply is held; feed more bytes."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA


class Prompt(StrEnum):
    """What the pump says of itself at the end of every reply."""

    IDLE = ":"
    INFUSING = ">"
    WITHDRAWING = "<"
    STALLED = "*"
    TARGET = "T*"  # the target volume or time is reached
    INFUSE_LIMIT = ">*"  # limit switches: only other people's programs say so
    WITHDRAW_LIMIT = "<*"

    @property
    def stands(self) -> bool:
        """Whether the motor stands still."""
        return self not in (Prompt.INFUSING, Prompt.WITHDRAWING)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply without its address.

    ``polled`` tells that XON ended it. ``prompt`` is None for text behind which none came, as old PHD firmware
    does.
    """

    prompt: Prompt | None
    lines: tuple[str, ...]
    polled: bool

    @property
    def error(self) -> str | None:
        """The pump's own words, if it says no."""
        if not any(_ERROR.search(line) for line in self.lines):
            return None
        return " ".join(line.strip() for line in self.lines)[:MAX_WORDS]


@dataclass(frozen=True, slots=True)
class StatusLine:
    """The ``status`` line, for the direction that is set. ``target`` is None where the pump has no such flag."""

    rate_fl_per_s: int
    elapsed: int  # in the family's unit
    volume_fl: int
    infuse: bool
    runs: bool
    limit: bool
    stalled: bool
    target: bool | None
    flags: int


@dataclass(frozen=True, slots=True)
class Version:
    """What ``version`` tells; None for what it does not."""

    firmware: str | None
    address: int | None
    serial: str | None


# ---- requests ----------------------------------------------------------------------------------


def encode(command: str, address: int, *, colon: bool = False) -> bytes:
    """A request. Pump 0 has no prefix; ``colon`` is the form of PHD Ultra manual Rev A."""
    prefix = "" if address == 0 else f"{address:02d}{':' if colon else ''}"
    return f"{prefix}{command}\r".encode("ascii")


# ---- replies -----------------------------------------------------------------------------------


class ReplyDecoder:
    """Cuts replies out of a stream of bytes. Owns no port, clock or thread.

    Args:
        address: of the pump that is spoken to; replies of another one are ``WireError``.
    """

    def __init__(self, address: int) -> None:
        self._address = address
        self._held = bytearray()
        self.noise = 0  # times that bytes were thrown away

    def feed(self, data: bytes) -> None:
        """Take bytes in; if they are more than may be held, all of them are thrown away."""
        self._held += data
        if len(self._held) > MAX_HELD:
            self.drop()

    @property
    def partial(self) -> bool:
        """Whether bytes are held that ended no reply yet."""
        return bool(self._held)

    def drop(self) -> None:
        """Throw away what is held."""
        self.noise += bool(self._held)
        self._held.clear()

    def next_reply(self) -> Reply | NeedData:
        """The next reply that XON ended.

        Raises:
            WireError: it is none, or another pump's; its bytes are already dropped, call again.
        """
        raw, end, _ = self._held.partition(XON)
        if not end:
            return NEED_DATA
        del self._held[: len(raw) + 1]
        return parse_reply(bytes(raw), self._address, polled=True)

    def rest(self) -> Reply | NeedData:
        """What is held, as a reply without XON; to be asked for when nothing more comes.

        Raises:
            WireError: it is none, or another pump's; it stays held, for its rest may still come.
        """
        if not self._held:
            return NEED_DATA
        reply = parse_reply(bytes(self._held), self._address, polled=False)
        self._held.clear()
        return reply


def parse_reply(raw: bytes, address: int, *, polled: bool) -> Reply:
    """One reply, without its XON.

    What stands before the first LF is junk. ``T*`` and other prompts that leak into the text are left out.

    Raises:
        WireError: it has neither prompt nor text, or the address of another pump.
    """
    _, _, body = raw.partition(b"\n")
    lines = [part.rstrip("\r") for part in body.decode("ascii", "replace").split("\n")]
    last = lines.pop()
    prompts = [found for line in (*lines, last) if (found := _PROMPT.fullmatch(line))]
    text = tuple(line for line in lines if line.strip() and not _PROMPT.fullmatch(line))
    if (last and not _PROMPT.fullmatch(last)) or not (prompts or text):
        raise WireError(f"{raw[:60]!r} is no reply")
    told = prompts[-1] if prompts else None
    if told is not None:
        _check_address(told[1], address)
    prompt = None if told is None else Prompt(told[2])
    return Reply(prompt, tuple(_unaddressed(line, address) for line in text), polled)


def _check_address(told: str | None, address: int) -> None:
    if int(told or 0) != address:
        raise WrongAddress(int(told or 0), address)


class WrongAddress(WireError):
    """Another pump than the one that was asked has answered."""

    def __init__(self, told: int, address: int) -> None:
        self.told = told
        super().__init__(f"a pump with address {told} answered, asked was {address}")


def _unaddressed(line: str, address: int) -> str:
    """A text line without a leaked prompt and without its address."""
    line = line.removeprefix("T*")
    if address == 0:
        return line
    found = _PREFIX.match(line)
    if found is None:
        return line
    _check_address(found[1], address)
    return line[found.end() :].removeprefix("T*")


# ---- texts -------------------------------------------------------------------------------------


def parse_status(line: str) -> StatusLine:
    """The ``status`` line of any family.

    Raises:
        WireError: it is none.
    """
    found = _STATUS.fullmatch(line.strip())
    if found is None:
        raise WireError(f"{line[:60]!r} is no status")
    way, limit, stall, _, _, target = found.groups()[3:]
    return StatusLine(
        rate_fl_per_s=int(found[1]),
        elapsed=int(found[2]),
        volume_fl=int(found[3]),
        infuse=way in "iI",
        runs=way in "IW",
        limit=limit != ".",
        stalled=stall == "S",
        target=None if target is None else target == "T",
        flags=5 if target is None else 6,
    )


def parse_ver(line: str) -> tuple[str, str, Family]:
    """Model, firmware and family of a reply to ``ver``.

    Raises:
        WireError: it is of no pump of these families.
    """
    found, family = _VER.fullmatch(line.strip()), family_of(line)
    if found is None or family is None:
        raise WireError(f"{line[:60]!r} names no pump of the Harvard family")
    return found[1], found[2], family


def parse_version(lines: tuple[str, ...]) -> Version:
    """What the lines of ``version`` tell.

    Raises:
        WireError: none of them is known.
    """
    told: dict[str, str] = {}
    for line in lines:
        for name, form in _VERSION_LINES.items():
            if found := form.fullmatch(line.strip()):
                told[name] = found[1]
    if not told:
        raise WireError("no line of a version")
    address = told.get("address")
    return Version(told.get("firmware"), None if address is None else int(address), told.get("serial"))


def parse_percent(line: str) -> int:
    """A number of percent, 0 to 100.

    Raises:
        WireError: it is none.
    """
    found = re.fullmatch(r"(\d{1,3}) ?%", line.strip(), re.ASCII)
    if found is None or int(found[1]) > 100:
        raise WireError(f"{line[:60]!r} is no percentage")
    return int(found[1])


# ---- marks -------------------------------------------------------------------------------------

# The pump keeps no ids. What nothing else sets is the rate of withdrawal, for nothing is ever withdrawn: it is
# kept as set, to six digits, and so carries which permit the pump was prepared for. 1.00000 to 8.99977 ul/min are
# within the range of every syringe from 0.3 to 45 mm.
MARKS: Final = 399_989  # a prime, so that neighbouring ids never share a mark
MARK_WINDOW: Final = 64  # marks so far before one's own belong to earlier permits of the same journal
_PREPARED, _ARMED = 100_000, 500_000
_FL_PER_DIGIT: Final = FL_PER_NL // 100 * 60  # 0.00001 ul/min in fL/h


def mark_number(permit_id: int) -> int:
    """Which mark a permit has: ids count up in their low 32 bits."""
    return (permit_id & 0xFFFF_FFFF) % MARKS


def mark_rate(permit_id: int, *, armed: bool) -> int:
    """The rate of withdrawal (fL/h) that says that the pump is being prepared, or is ready, for a permit."""
    return (mark_number(permit_id) + (_ARMED if armed else _PREPARED)) * _FL_PER_DIGIT


class Mark(StrEnum):
    """What the rate of withdrawal says about a permit."""

    ARMED = "armed"  # all was set and read back: its run was started, or was about to be
    PREPARED = "prepared"  # the pump stood still and was being set: no run was started
    EARLIER = "earlier"  # of a permit shortly before it: nothing of it had begun
    LATER = "later"  # of a permit that is none of those shortly before it
    OTHER = "other"  # nothing that tells


def read_mark(rate: int, permit_id: int) -> Mark:
    """What a rate of withdrawal (fL/h) says about a permit."""
    digits, left = divmod(rate, _FL_PER_DIGIT)
    for base, own in ((_PREPARED, Mark.PREPARED), (_ARMED, Mark.ARMED)):
        if left == 0 and base <= digits < base + MARKS:
            behind = (mark_number(permit_id) - (digits - base)) % MARKS
            return own if behind == 0 else Mark.EARLIER if behind <= MARK_WINDOW else Mark.LATER
    return Mark.OTHER
