"""The corpus of unsafe defects: what is changed in which file, what it would do, and which tests have to find it.

One file for each part of the house, ``*.toml`` beside this module; a defect is a text that stands exactly once in
a file of the product, and the text that is put in its place.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


@dataclass(frozen=True, slots=True)
class Bug:
    """One defect.

    ``what`` it does wrong, in words; ``against`` which rules, invariants, faults or published defects it goes;
    ``tests`` are the parts of the ordinary suite that are run, in this order, until one fails.
    """

    id: str
    what: str
    against: tuple[str, ...]
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """The file's text with the defect.

        Raises:
            ValueError: the place is not there, or not the only one.
        """
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.id}: its place stands {count} times in {self.file}")
        return text.replace(self.old, self.new)


@cache
def corpus() -> tuple[Bug, ...]:
    """Every defect, by file and number."""
    found = []
    for path in sorted(HERE.glob("*.toml")):
        for row in tomllib.loads(path.read_text(encoding="utf-8"))["bug"]:
            found.append(Bug(**{**row, "against": tuple(row["against"]), "tests": tuple(row["tests"])}))
    return tuple(found)
