"""The list of survivors: mutants that no test notices, each with the reason why none can or has to."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutation.operators import Key

LISTS: Final = Path(__file__).with_name("survivors")
KINDS: Final = {
    "shortcut": "a quicker way to the same result: without it the slower one finds the same",
    "same": "the change says the same in other words, or differs only where neither value matters",
    "impossible": "the case in which it would differ cannot come about: what is asked before excludes it",
    "slack": "differs by less than what is rounded up, or towards the safe side, and no rule names the exact value",
    "second": "a second line behind another check, which answers first; kept for the day when that one is wrong",
    "words": "changes only what a person reads, which no rule depends on",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """Changes of one line that survive for one reason."""

    file: str
    function: str
    line: str
    changes: tuple[str, ...]
    kind: str
    reason: str

    @property
    def keys(self) -> list[Key]:
        """One for each of its mutants."""
        return [(self.file, self.function, self.line, change) for change in self.changes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What makes the gate fail: survivors that nobody has answered for, and answers that nothing needs any more."""

    unlisted: tuple[Key, ...]
    stale: tuple[Key, ...]


def listed(lists: Path = LISTS) -> tuple[Listed, ...]:
    """The whole list: every file of it, in its order."""
    files = sorted(lists.glob("*.toml"))
    rows = [row for file in files for row in tomllib.loads(file.read_text(encoding="utf-8"))["survivor"]]
    return tuple(Listed(**{**row, "changes": tuple(row["changes"])}) for row in rows)


def judged(survivors: Iterable[Key], entries: Iterable[Listed], files: Iterable[str]) -> Verdict:
    """The verdict on the ``files`` whose mutants were hunted."""
    found, hunted = set(survivors), set(files)
    answered = {key for entry in entries for key in entry.keys if key[0] in hunted}
    return Verdict(tuple(sorted(found - answered)), tuple(sorted(answered - found)))
