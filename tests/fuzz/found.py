"""Inputs that once broke a reader, as they were, or cut down to what did it: they are tried in every run.

Each row: the reader, the input, and what it did.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Once(NamedTuple):
    """An input that broke a reader."""

    reader: str
    content: bytes
    did: str


FOUND: Final = (
    Once(
        "relay driver",
        b"CH1: ON\r\n\n--\n**\xa0\x01\x00\xa1\n--\n\xa0\x01\x01\xa2",
        "a relay that babbles: all of it was kept, and looked through anew at each read, until the time was over",
    ),
    Once(
        "balance driver",
        b"\n--\nS S     100.-1 g\r\n\n--\n**S D     129.07 g\r\n29.07 g\r\n",
        "a balance that babbles whole lines: as much of it was read as the line brings in 500 ms",
    ),
    Once("journal head", b"[" * 3_000, "a head file of nested lists: RecursionError"),
    Once("journal head", b'{"hash":' + b'{"a":' * 3_000, "the same with tables"),
    Once(
        "back door, new-era",
        b"garbage@0:hex=7e01ff,times=4294967296,to=pump\n",
        "bytes that nobody sent, so many that pump-sim died of them: MemoryError",
    ),
)
