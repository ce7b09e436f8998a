"""Lines of the Harvard protocol, as the pump sees them. Bytes only: no state of the pump but its input.

Layer      sim.firmware. Imports the standard library only.
Source     the protocol document of the Pump 11 Elite family, sections 1, 2, 4 and 5.
Invariant  at most `MOST_LINE` + 1 bytes are ever held; the pieces in which bytes arrive change nothing; no
           input raises.
Readings   a line feed is dropped wherever it stands; a line longer than `MOST_LINE` is no command; a byte
           that is no printable ASCII makes the word in which it stands unknown; an at sign stands in front of
           the address.
Tests      tests/unit/sim/test_firmware_harvard_units.py, tests/wire/harvard.toml
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

CR: Final = b"\r"
LF: Final = b"\n"
XON: Final = b"\x11"
MOST_LINE: Final = 128  # bytes of one command line; no figure found, the longest documented one has 37
MOST_SHOWN: Final = 40  # of a bad argument in an error: text lines of a reply stay below 80 characters
_HEAD: Final = re.compile(r" *@? *(?:([0-9]{1,2}):?)?(.*)", re.ASCII | re.DOTALL)
_UNPRINTED: Final = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Request:
    """One command line. `address` None: none was given; `name` "": only the prompt is asked for."""

    address: int | None
    name: str
    words: tuple[str, ...]


def parse(line: bytes) -> Request:
    """Take a line apart. The name is in lower case, the arguments are as they were typed."""
    match = _HEAD.fullmatch(line.decode("latin-1"))
    if match is None:
        raise AssertionError("the pattern matches every text")
    name, *words = match[2].split(" ") if match[2].strip(" ") else ("",)
    if not name:  # blanks between address and command
        name, *words = [*(word for word in words if word), ""]
    address = None if match[1] is None else int(match[1])
    return Request(address, name.lower(), tuple(word for word in words if word))


class Receiver:
    """Collects bytes into lines."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def clear(self) -> None:
        """Forget a line that was begun."""
        self._held.clear()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        """Cut `data` behind each carriage return: (the piece as it came, the line that it completes)."""
        *ends, rest = data.split(CR)
        pieces: list[tuple[bytes, bytes | None]] = []
        for part in ends:
            self._hold(part)
            pieces.append((part + CR, bytes(self._held)))
            self._held.clear()
        if rest:
            self._hold(rest)
            pieces.append((rest, None))
        return pieces

    def _hold(self, part: bytes) -> None:
        self._held += part.replace(LF, b"")
        del self._held[MOST_LINE + 1 :]


class Tail(NamedTuple):
    """What ends a reply: the prompt ("": none), the address before every line (None: none), XON behind it."""

    prompt: str
    address: int | None = None
    xon: bool = False


def reply(lines: Iterable[str], tail: Tail, *, text_address: bool = True) -> bytes:
    """LF, each text line with CR LF, the prompt without an end, and XON in polling mode.

    `text_address` False: the lines carry no address though the prompt does.
    """
    before = f"{tail.address:02}:" if tail.address is not None and text_address else ""
    text = "".join(f"{before}{line}\r\n" for line in lines)
    number = f"{tail.address:02}" if tail.address is not None and tail.prompt else ""
    return LF + f"{text}{number}{tail.prompt}".encode("ascii") + (XON if tail.xon else b"")


class RefusedError(Exception):
    """A request that is answered with two lines of error."""

    def __init__(self, head: str, text: str) -> None:
        super().__init__(f"{head} {text}")
        self.lines = (head, f"   {text}")


def command_error(text: str) -> RefusedError:
    """The command is unknown, or mode or state forbid it."""
    return RefusedError("Command error:", text)


def argument_error(word: str, text: str) -> RefusedError:
    """One argument is wrong; it is shown as typed, or left out where it is missing."""
    shown = _UNPRINTED.sub("?", word)[:MOST_SHOWN]
    return RefusedError(f"Argument error: {shown}" if shown else "Argument error:", text)
