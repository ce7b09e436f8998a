"""All readers of bytes from outside, by where the bytes come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.fuzz import console, files, lives, noise, replies, requests, words
from tests.fuzz.engine import Reader

SOURCES: Final[Mapping[str, Callable[[Path], Iterator[Reader]]]] = {
    "files": files.readers,
    "journals": lives.readers,
    "words": words.readers,
    "replies": replies.readers,
    "bad lines": noise.readers,
    "requests": requests.readers,
    "console": console.readers,
}


def all_readers(room: Path) -> Iterator[Reader]:
    """Each source with a folder of its own in ``room``."""
    for source, readers in SOURCES.items():
        folder = room / source.replace(" ", "-")
        folder.mkdir(exist_ok=True)
        yield from readers(folder)
