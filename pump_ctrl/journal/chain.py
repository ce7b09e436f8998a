"""What a line of the journal is: canonical JSON, sealed by its hash and chained to the line before.

Layer      journal; imports the clock's protocol only. Touches no file.
Tests      tests/unit/test_journal.py, tests/properties/test_journal_chain.py
"""

from __future__ import annotations

import json
import json.encoder
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, Final, NoReturn, Protocol

from pump_ctrl.clock import Clock

SCHEMA: Final = "pump-ctrl/journal/1"
GENESIS: Final = "0" * 64
MAX_RECORD: Final = 1_000_000  # bytes; far above any of ours
MAX_LINE: Final = MAX_RECORD + 100  # with its seal; a foreign file without line ends is not read whole

_KEYS: Final = ("seq", "kind", "boot_ms", "boot_id", "utc_ms", "data", "prev")
_TYPES: Final = (int, str, int, str, int, dict, str)
SEAL: Final = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_SEAL_SIZE: Final = 75


def _refuse_float(text: str) -> NoReturn:
    raise TypeError(f"{text} is a float; allowed: int, str, bool, None, list and dict")


DECODER: Final = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry. ``boot_ms`` counts within ``boot_id``, ``utc_ms`` is a label, ``data`` is its own copy."""

    seq: int
    kind: str
    boot_ms: int
    boot_id: str
    utc_ms: int
    data: dict[str, Any]


class Journal(Protocol):
    """What the file and the memory twin offer alike."""

    @property
    def head(self) -> str:
        """Hash of the last record."""

    @property
    def about(self) -> dict[str, Any]:
        """What the first record says."""

    def append(self, kind: str, data: Mapping[str, object]) -> Record:
        """Write one record; return when it is as durable as the journal can make it.

        Raises:
            JournalError: it is not, and no later one will be.
            TypeError: ``data`` is more than int, str, bool, None, list and dict (with text keys).
        """

    def records(self) -> Iterator[Record]:
        """All records from the first on."""

    def close(self) -> None:
        """End writing. Safe to repeat."""


def canonical_json(value: object) -> str:
    """Write ``value`` in the one form that is hashed: keys sorted, no blanks, ASCII.

    Raises:
        TypeError: a float, a tuple, a key that is no text, or anything else that JSON would change.
    """
    return copy_canonical(value)[0]


def _encoder() -> Callable[[object], str]:
    """``JSONEncoder.encode``, as one C encoder that is kept: ``encode`` makes it anew for each record, which takes
    half of its time. Where an interpreter has none, ``encode`` itself.
    """
    plain = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    write = make(None, plain.default, _quote, None, ":", ",", True, False, False)
    return lambda value: "".join(write(value, 0))


_text: Final = _encoder()


def copy_canonical(value: object) -> tuple[str, Any]:
    """The text, and what reading it gives: a copy that nobody else holds."""
    try:
        text = _text(value)
    except (ValueError, RecursionError) as err:  # NaN, infinities, a list within itself
        raise TypeError(f"{err}; allowed: int, str, bool, None, list and dict") from err
    copy = DECODER.raw_decode(text)[0]
    if copy != value:
        raise TypeError(
            f"JSON would turn {value!r} into {copy!r}; allowed: int, str, bool, None, list and dict"
        )
    return text, copy


class BrokenChainError(Exception):
    """A line is not the record that belongs there; the text says why."""


class Chain:
    """The end of a chain: makes the next line, or checks that a line is the next."""

    def __init__(self) -> None:
        self.seq = 0  # of the next record
        self.head = GENESIS

    def seal(self, kind: str, data: Mapping[str, object], clock: Clock) -> tuple[Record, str, bytes]:
        """Make the next record, its hash and its line. ``follow`` it when it is written."""
        text, copy = copy_canonical(data if type(data) is dict else dict(data))
        record = Record(self.seq, kind, clock.boot_ms(), clock.boot_id(), clock.utc_ms(), copy)
        body = (
            f'{{"seq":{record.seq},"kind":{_quote(kind)},"boot_ms":{record.boot_ms:d},'
            f'"boot_id":{_quote(record.boot_id)},"utc_ms":{record.utc_ms:d},"data":{text},"prev":"{self.head}"'
        )
        if len(body) > MAX_RECORD:
            raise TypeError(f"a record of {len(body)} bytes; allowed: {MAX_RECORD}")
        raw = body.encode()
        digest = sha256(raw + b"}").hexdigest()
        return record, digest, raw + b',"hash":"' + digest.encode() + b'"}\n'

    def check(self, line: bytes) -> tuple[Record, str]:
        """Read a line without its end of line as the next record.

        Raises:
            BrokenChainError: its bytes were changed, or it does not belong here.
        """
        seal = SEAL.fullmatch(line, max(0, len(line) - _SEAL_SIZE))
        body = line[:-_SEAL_SIZE] + b"}"
        if seal is None or sha256(body).hexdigest().encode() != seal[1]:
            raise BrokenChainError("its bytes do not give its hash: the line was changed or is no record")
        values = _values(body)
        if values[0] != self.seq or values[6] != self.head:
            raise BrokenChainError(
                "it does not follow the record before it: records are missing, moved or foreign"
            )
        return Record(*values[:6]), seal[1].decode()

    def follow(self, digest: str) -> None:
        """Step on, past the record with this hash."""
        self.seq += 1
        self.head = digest


def _values(body: bytes) -> tuple[Any, ...]:
    try:
        fields = DECODER.decode(body.decode("ascii"))
        if tuple(fields) == _KEYS and tuple(map(type, fields.values())) == _TYPES:
            return tuple(fields.values())
    except (ValueError, TypeError, AttributeError) as err:
        raise BrokenChainError(f"it is no record: {err}") from err
    raise BrokenChainError("it has not the fields of a record")
