"""What goes over the console's socket: one JSON object a line, small, of plain values.

Layer      console; the standard library only. Owns no socket.
Tests      tests/unit/test_console.py
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

MAX_LINE: Final = 16_384  # bytes of a request
MAX_ANSWER: Final = 1_048_576  # bytes of an answer or of a record
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", re.ASCII)
_VERB: Final = re.compile(r"[a-z]{1,20}", re.ASCII)
_MOST_KEYS: Final = 12
_MOST_TEXT: Final = 4_096

Message = dict[str, Any]


class LineError(Exception):
    """A line is no request; the text says why."""


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


_DECODER: Final = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def encode(message: Message) -> bytes:
    """The line of a message."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        LineError: it is none.
    """
    try:
        message = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise LineError(f"this is no JSON object: {err}") from None
    if not isinstance(message, dict):
        raise LineError("this is no JSON object")
    return message


def request_of(line: bytes) -> Message:
    """The request of a line: an ``id``, a verb ``do``, and arguments that are texts, numbers or yes and no.

    Raises:
        LineError: it is none.
    """
    message = decode(line)
    if not isinstance(message.get("do"), str) or not _VERB.fullmatch(message["do"]):
        raise LineError('"do" must name what is wanted, in small letters')
    if not isinstance(message.get("id"), str) or not _ID.fullmatch(message["id"]):
        raise LineError('"id" must be 1 to 64 letters, digits or . _ : / -')
    if len(message) > _MOST_KEYS:
        raise LineError(f"at most {_MOST_KEYS} keys")
    for key, value in message.items():
        if type(value) not in (str, int, bool) or (isinstance(value, str) and not _plain(value)):
            raise LineError(f"{key[:20]!r} must be a printable text, a whole number, true or false")
    return message


def _plain(text: str) -> bool:
    return len(text) <= _MOST_TEXT and text.isprintable()
