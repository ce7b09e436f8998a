"""Where each key of a TOML text stands: key path -> line, so that a message can point at it.

Layer      therapy; standard library only.
Hazard     a message that points at the wrong line sends the reader to correct the wrong dose.
Invariant  the map names exactly the keys that tomllib found, or it is empty: then a message has no line.
Tests      tests/unit/test_toml_lines.py

``tomllib`` tells no positions. This scan runs only over text that ``tomllib`` has accepted, so it need not
judge the text: it follows keys, strings, lists and inline tables, and skips everything else.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]

_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SPACE: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_PLAIN_VALUE: Final = re.compile(r"[^,\]}#\n]*")


def line_map(text: str, values: Mapping[str, Any]) -> Lines:
    """Map every key, list element and table of ``text`` to the line (from 1) on which it begins.

    Args:
        text: what ``tomllib`` has accepted.
        values: what it made of it; the map is checked against this.

    Returns:
        The map, or an empty one where the scan and ``tomllib`` disagree about the keys.
    """
    try:
        lines = _Scan(text.replace("\r\n", "\n")).document()
        return lines if lines.keys() == set(_paths(values, ())) else {}
    except (RecursionError, _LostError):
        return {}


def line_of(lines: Lines, path: Path) -> int | None:
    """Return the line of ``path``, or of the nearest table or list around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1 if lines else None


def _paths(value: object, path: Path) -> Iterator[Path]:
    items: Iterator[tuple[str | int, object]]
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    else:
        return
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


class _LostError(Exception):
    """The scan met what it does not understand."""


class _Scan:
    """One pass over the text. ``at`` is the next character; nothing is ever looked at twice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # arrays of tables: path -> how many elements so far

    def document(self) -> dict[Path, int]:
        """Scan everything and return the map."""
        base: Path = ()
        while self._skip() < len(self._text):
            if self._text[self._at] == "[":
                base = self._header()
            else:
                self._pair(base)
        return self._lines

    def _skip(self) -> int:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _take(self, wanted: str) -> None:
        self._skip()
        if not self._text.startswith(wanted, self._at):
            raise _LostError
        self._at += len(wanted)

    def _next_is(self, wanted: str) -> bool:
        return self._text.startswith(wanted, self._skip())

    def _note(self, path: Path, at: int) -> None:
        """Remember where ``path`` begins, and the tables around it that have no header of their own."""
        line = bisect_right(self._breaks, at - 1) + 1
        for length in range(len(path), 0, -1):
            if self._lines.setdefault(path[:length], line) != line:
                return

    def _header(self) -> Path:
        start, many = self._at, self._text.startswith("[[", self._at)
        self._take("[[" if many else "[")
        *outer, last = self._key()
        self._take("]]" if many else "]")
        path: Path = ()
        for part in outer:
            path = self._current((*path, part))
        path = (*path, last)
        if many:
            self._note(path, start)
            self._tables[path] = self._tables.get(path, 0) + 1
        path = self._current(path)
        self._note(path, start)
        return path

    def _current(self, path: Path) -> Path:
        """Step into the newest element where ``path`` is an array of tables."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _key(self) -> tuple[str, ...]:
        parts = [self._key_part()]
        while self._next_is("."):
            self._take(".")
            parts.append(self._key_part())
        return tuple(parts)

    def _key_part(self) -> str:
        self._skip()
        bare = _BARE_KEY.match(self._text, self._at)
        if bare is not None:
            self._at = bare.end()
            return bare[0]
        quoted = self._string()
        return str(tomllib.loads(f"key = {quoted}")["key"])

    def _string(self) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise _LostError
        self._at = match.end()
        return match[0]

    def _pair(self, base: Path) -> None:
        start = self._skip()
        path = (*base, *self._key())
        self._take("=")
        self._note(path, start)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._text[self._skip() : self._at + 1]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline(path)
        elif opening in ("'", '"'):
            self._string()
        else:
            match = _PLAIN_VALUE.match(self._text, self._at)
            self._at = match.end() if match else self._at

    def _list(self, path: Path) -> None:
        self._take("[")
        index = 0
        while not self._next_is("]"):
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
            if not self._next_is("]"):
                self._take(",")
        self._take("]")

    def _inline(self, path: Path) -> None:
        self._take("{")
        while not self._next_is("}"):
            self._pair(path)
            if not self._next_is("}"):
                self._take(",")
        self._take("}")
