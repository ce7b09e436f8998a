"""What is done to a real input to make a bad one: pure functions of the input, its siblings and a seeded lot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]

PIECES: Final = (
    b"", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\x7f", b"\x02", b"\x03", b"\x11", b"\x7e", b" ", b"\t",
    b'"', b"'''", b"'", b"[", b"]", b"[[", b"{", b"}", b"=", b":", b".", b",", b"#", b"-", b"+", b"%", b"\\", b"/",
    b"\\u0000", b"\\ud800", b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xd9\xa1", b"\xe2\x80\xae",
    b"0", b"1", b"-1", b"0.0", b"nan", b"inf", b"-inf", b"1e999999999", b"1_000", b"0x10", b"true", b"null", b"{}",
    b"9" * 19, b"9" * 40, b"9" * 5_000, b"0" * 5_000, b"[" * 3_000, b'{"a":' * 3_000, b"((((a" * 40,
    b" ug", b" mL", b" uL/h", b"/day", b"h", b"ms", b"?", b"*", b">", b"<", b"A?R", b"A?S", b"T*", b"S S ", b"../",
)  # fmt: skip
NUMBERS: Final = (
    b"0",
    b"1",
    b"-1",
    b"00",
    b"255",
    b"256",
    b"65536",
    b"4294967296",
    b"9" * 19,
    b"9" * 30,
    b"1.5",
)
BLOWN: Final = 40_000  # bytes to which an input may grow


def garbled(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """One to four changes of any kind."""
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        content = draw.choice(_CHANGES)(content, draw, others)
    return content[:BLOWN]


def damaged(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """What noise on a line does: flipped bits, lost and doubled bytes, junk; nothing of another message."""
    del others
    for _ in range(draw.choice((1, 1, 2, 3))):
        content = draw.choice(_NOISE)(content, draw, ())
    return content


def _flip(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    if not content:
        return content
    at = draw.randrange(len(content))
    return content[:at] + bytes((content[at] ^ 1 << draw.randrange(8),)) + content[at + 1 :]


def _set(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    return (
        content[:at]
        + bytes((draw.choice((0, 1, 2, 3, 10, 13, 17, 48, 127, 128, 255, draw.randrange(256))),))
        + (content[at + 1 :])
    )


def _junk(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + draw.randbytes(draw.choice((1, 2, 7, 30))) + content[at:]


def _cut_out(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + content[at + draw.choice((1, 1, 2, 8, 40, 400)) :]


def _cut_off(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _double(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    end = at + draw.choice((1, 2, 8, 40, 400))
    return content[:end] + content[at:end] * draw.choice((1, 1, 2, 50)) + content[end:]


def _piece(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + draw.choice(PIECES) + content[at + draw.choice((0, 0, 1, 2, 8)) :]


def _number(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    """Another number where one stands."""
    found = list(re.finditer(rb"[0-9]+", content))
    if not found:
        return content
    one = draw.choice(found)
    return content[: one.start()] + draw.choice(NUMBERS) + content[one.end() :]


def _lines(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    """A line taken out, doubled, or exchanged for another: each still well formed by itself."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one : one + 1] = draw.choice(([], [lines[one]] * 2, [lines[other]]))
    return b"".join(lines)


def _splice(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """The beginning of this one and the end of another."""
    if not others:
        return content
    other = draw.choice(others)
    return content[: draw.randrange(len(content) + 1)] + other[draw.randrange(len(other) + 1) :]


def _blow(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    """A part repeated until the whole is huge."""
    at = draw.randrange(len(content) + 1)
    part = content[at : at + draw.choice((1, 1, 4, 30))] or b"x"
    return content[:at] + part * (draw.choice((300, 300, 5_000, BLOWN)) // len(part)) + content[at:]


def _chaos(content: bytes, draw: Random, _: Sequence[bytes]) -> bytes:
    return draw.randbytes(draw.choice((0, 1, 3, 20, 300))) or content[:0]


_NOISE: Final = (_flip, _flip, _flip, _set, _junk, _cut_out, _cut_off, _double)
_CHANGES: Final = (
    _flip, _set, _junk, _cut_out, _cut_off, _double, _piece, _piece, _piece, _number, _number, _lines, _lines,
    _splice, _blow, _chaos,
)  # fmt: skip
