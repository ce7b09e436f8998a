"""What a line of the journal is: canonical JSON, sealed by its hash and chained to the line before.

Layer      journal; imports the clock's protocol only. Touches no file.
Tests      tests/unit/test_journal_line.py, test_journal.py, tests/properties/test_journal_chain.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, Final, NoReturn, Protocol

from pump_ctrl.clock import Clock

SCHEMA: Final = "pump-ctrl/journal/1"
GENESIS: Final = "0" * 64
MOST: Final = 1 << 63  # of any number in a record
MAX_RECORD: Final = 1_000_000  # bytes; far above any of ours
MAX_LINE: Final = MAX_RECORD + 100  # with its seal; a foreign file without line ends is not read whole

_KEYS: Final = ("seq", "kind", "boot_ms", "boot_id", "utc_ms", "data", "prev")
_TYPES: Final = (int, str, int, str, int, dict, str)
SEAL: Final = re.compile(rb',"hash":"([0-9a-f]{64})"}')
_SEAL_SIZE: Final = 75


def _refuse_float(text: str) -> NoReturn:
    raise TypeError(f"{text} is a float; allowed: int, str, bool, None, list and dict")


DECODER: Final = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)


class Record:
    """One entry. ``boot_ms`` counts within ``boot_id``, ``utc_ms`` is a label, ``data`` is its own copy.

    Given as a text, ``data`` is read when it is first asked for: who appends a record seldom looks at it again.
    """

    __slots__ = ("_data", "boot_id", "boot_ms", "kind", "seq", "utc_ms")

    def __init__(
        self, seq: int, kind: str, boot_ms: int, boot_id: str, utc_ms: int, data: dict[str, Any] | str
    ) -> None:
        self.seq = seq
        self.kind = kind
        self.boot_ms = boot_ms
        self.boot_id = boot_id
        self.utc_ms = utc_ms
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        """What was recorded."""
        if isinstance(self._data, str):
            self._data = dict(DECODER.decode(self._data))
        return self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # as its data has none

    def __repr__(self) -> str:
        return f"Record{self._fields()}"

    def _fields(self) -> tuple[Any, ...]:
        return self.seq, self.kind, self.boot_ms, self.boot_id, self.utc_ms, self.data


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
    try:
        text = _WRITERS[type(value)](value)
    except (ValueError, RecursionError) as err:  # a number beyond all bounds, a list within itself
        raise TypeError(f"{err}; {_ALLOWED}") from err
    if _HALF_PAIR in text and DECODER.decode(text) != value:
        raise TypeError(f"a text holds a character in two halves, which JSON would join; {_ALLOWED}")
    return text


def plain_copy(value: dict[str, Any]) -> dict[str, Any]:
    """A copy that nobody else holds, as a reader of the journal will find it.

    Raises:
        TypeError: as ``canonical_json``.
    """
    return dict(DECODER.decode(canonical_json(value)))


_ALLOWED: Final = "allowed: int, str, bool, None, list and dict (with text keys)"
_HALF_PAIR: Final = "\\ud"  # half a surrogate pair, as it is written


def _write_list(value: list[Any]) -> str:
    texts = []
    for item in value:  # a whole number is put in by itself: ``%s`` writes it alike
        texts.append(item if type(item) is int else _WRITERS[type(item)](item))
    return _row(len(value)) % tuple(texts)


@lru_cache(maxsize=64)
def _row(size: int) -> str:
    """The text of a list, with a place for each item."""
    return "[" + ",".join(["%s"] * size) + "]"


@lru_cache(maxsize=512)  # far more than there are kinds of records
def _form(keys: tuple[str, ...]) -> tuple[list[str], str]:
    """Keys in their order, and the text of a dict that has them, with a place for each value."""
    places = [_quote(key).replace("%", "%%") + ":%s" for key in sorted(keys)]
    return sorted(keys), "{" + ",".join(places) + "}"


def _write_dict(value: dict[str, Any]) -> str:
    keys, form = _form(tuple(value))
    texts = []
    for key in keys:
        item = value[key]
        texts.append(item if type(item) is int else _WRITERS[type(item)](item))
    return form % tuple(texts)


class _Writers(dict[type, Callable[[Any], str]]):
    """How a value of each type is written. One pass both writes and refuses what JSON would change."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        """Of a type that is made from an allowed one, the value counts (an enum of texts)."""
        for base, write in _BASES.items():
            if issubclass(kind, base):
                return write
        raise TypeError(f"a value of type {kind.__name__}; {_ALLOWED}")


_BASES: Final[Mapping[type, Callable[[Any], str]]] = {
    str: _quote,
    int: int.__repr__,  # repr itself of an enum of numbers is its name
    list: _write_list,
    dict: _write_dict,
}
_WRITERS: Final = _Writers(
    {
        **_BASES,
        int: repr,
        bool: {True: "true", False: "false"}.__getitem__,
        type(None): {None: "null"}.__getitem__,
    }
)


class BrokenChainError(Exception):
    """A line is not the record that belongs there; the text says why."""


class Chain:
    """The end of a chain: makes the next line, or checks that a line is the next."""

    def __init__(self) -> None:
        self.seq = 0  # of the next record
        self.head = GENESIS

    def seal(self, kind: str, data: Mapping[str, object], clock: Clock) -> tuple[Record, str, bytes]:
        """Make the next record, its hash and its line. ``follow`` it when it is written."""
        text = canonical_json(dict(data))
        boot_ms, boot_id, utc_ms = clock.boot_ms(), clock.boot_id(), clock.utc_ms()
        body = (
            f'{{"seq":{self.seq},"kind":{_quote(kind)},"boot_ms":{boot_ms},'
            f'"boot_id":{_quote(boot_id)},"utc_ms":{utc_ms},"data":{text},"prev":"{self.head}"'
        ).encode()
        if len(body) > MAX_RECORD:
            raise TypeError(f"a record of {len(body)} bytes; allowed: {MAX_RECORD}")
        digest = sha256(body + b"}").hexdigest()
        line = b'%b,"hash":"%b"}\n' % (body, digest.encode())
        return Record(self.seq, kind, boot_ms, boot_id, utc_ms, text), digest, line

    def check(self, line: bytes) -> tuple[Record, str]:
        """Read a line without its end of line as the next record.

        Raises:
            BrokenChainError: its bytes were changed, or it does not belong here.
        """
        seal = SEAL.fullmatch(line[-_SEAL_SIZE:])
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


def _times(boot_ms: int, utc_ms: int) -> bool:
    """Whether a clock may have told these."""
    return 0 <= boot_ms < MOST and -MOST < utc_ms < MOST


def _values(body: bytes) -> tuple[Any, ...]:
    try:
        fields = DECODER.decode(body.decode("ascii"))
        values = tuple(fields.values())
        if tuple(fields) == _KEYS and tuple(map(type, values)) == _TYPES and _times(values[2], values[4]):
            return values
    except (ValueError, TypeError, AttributeError, RecursionError) as err:
        raise BrokenChainError(f"it is no record: {err}") from err
    raise BrokenChainError("it has not the fields of a record")
