"""The mutation gate.

    python -m tests.mutation.run [PACKAGE or FILE ...]      all that it covers if nothing is named

Exit status 1 for a survivor that is not in ``survivors/``, and for an entry there that is none any more. It works
in a copy of the tree, so that nobody's edit gets in between.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.mutation.areas import AREAS, Area
from tests.mutation.listed import judged, listed
from tests.mutation.operators import Key
from tests.planted.corpus import ROOT
from tests.planted.plant import copy_tree

FATES: Final = ("killed", "timed out", "survived", "not reached")
ALIVE: Final = frozenset(("survived", "not reached"))


@dataclass(slots=True)
class Tally:
    """The figures of one file."""

    fates: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, what: str, seconds: float) -> None:
        """One mutant more."""
        self.fates[what] += 1
        self.seconds += seconds

    def __str__(self) -> str:
        alive = sum(self.fates[what] for what in ALIVE)
        score = 100 * (self.fates.total() - alive) / max(1, self.fates.total())
        columns = [self.fates.total(), self.fates["killed"], alive, self.fates["timed out"]]
        return " ".join(f"{number:8d}" for number in columns) + f" {score:7.1f} % {self.seconds:8.0f} s"


def files_of(names: Sequence[str]) -> dict[Area, list[str]]:
    """The files to mutate, by area; all of them without names.

    Raises:
        ValueError: the gate does not cover one of the names.
    """
    for name in names:
        if not any(_within(file, name) for area in AREAS for file in area.files):
            raise ValueError(f"{name} is not covered by the mutation gate")
    wanted = {area: [file for file in area.files if _wanted(file, names)] for area in AREAS}
    return {area: files for area, files in wanted.items() if files}


def _wanted(file: str, names: Sequence[str]) -> bool:
    return not names or any(_within(file, name) for name in names)


def _within(file: str, name: str) -> bool:
    return file == name or file.startswith(f"{name.rstrip('/')}/")


def fates(tree: Path, files: Sequence[str], tests: Sequence[str]) -> Iterator[tuple[Key, int, str, float]]:
    """Key, line, fate and seconds of each mutant of these files in a tree.

    Raises:
        RuntimeError: the hunt itself failed.
    """
    told = [sys.executable, "-m", "tests.mutation.hunt", *files, "--", *tests]
    paths = {"PYTHONPATH": f"{tree}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        told, cwd=tree, env={**os.environ, **paths}, stdout=subprocess.PIPE, text=True
    ) as hunt:
        assert hunt.stdout is not None
        for row in hunt.stdout:
            file, function, line, change, at, what, seconds = json.loads(row)
            yield (file, function, line, change), at, what, seconds
    if hunt.returncode:
        raise RuntimeError(f"the hunt ended with exit status {hunt.returncode}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PACKAGE or FILE")
    areas, began = files_of(parser.parse_args().names), time.monotonic()
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    alive: dict[Key, int] = {}
    with tempfile.TemporaryDirectory() as room:
        copy_tree(Path(room))
        for area, files in areas.items():
            for key, at, what, seconds in fates(Path(room), files, area.tests):
                tallies[key[0]].add(what, seconds)
                if what in ALIVE:
                    alive[key] = at
    for text in report(tallies, time.monotonic() - began):
        print(text)  # noqa: T201 - a command
    verdict = judged(alive, listed(), [file for files in areas.values() for file in files])
    for key in verdict.unlisted:
        print(f"NOT LISTED {key[0]}:{alive[key]} {key[1]}: {key[2]}\n    {key[3]}")  # noqa: T201
    for key in verdict.stale:
        print(f"NO SURVIVOR ANY MORE {key[0]} {key[1]}: {key[2]}\n    {key[3]}")  # noqa: T201
    return 1 if verdict.unlisted or verdict.stale else 0


def report(tallies: dict[str, Tally], wall_s: float) -> Iterator[str]:
    """A line for each file, and all of them together."""
    yield f"{'':44} {'mutants':>8} {'killed':>8} {'survived':>8} {'late':>8} {'score':>9} {'time':>10}"
    whole = Tally()
    for file, tally in sorted(tallies.items()):
        whole.fates += tally.fates
        whole.seconds += tally.seconds
        yield f"{file:44} {tally}"
    yield f"{'all of them':44} {whole}, {wall_s:.0f} s by the clock"


if __name__ == "__main__":
    sys.exit(main())
