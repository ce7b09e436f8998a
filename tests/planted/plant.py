"""Plants the corpus, one defect after the other, in a copy of the tree, and runs the tests that have to find it.

    python -m tests.planted.plant [ID ...]      all of them if none is named; exit status 1 if one is not found

For each it prints by which test it was found, after how many examples (test cases and what Hypothesis drew for them),
and in how many seconds; in the end the median and the most.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Final

from tests.planted.corpus import ROOT, Bug, corpus

SOUND_S: Final = 900  # for all of these tests on the sound tree
BUDGET_S: Final = 180  # a defect that is not found by then is not found
JOBS: Final = 2
TREE: Final = ("pump_ctrl", "sim", "tests", "examples", "benchmarks", "docs", "pyproject.toml", "README.md")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_COUNTED: Final = re.compile(r"^examples: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one defect; ``by`` is empty if no test failed."""

    bug: Bug
    by: str
    examples: int
    seconds: float


def copy_tree(to: Path) -> None:
    """A tree to plant in, without what earlier runs left behind."""
    for name in TREE:
        source, ignore = ROOT / name, shutil.ignore_patterns("__pycache__", ".*_cache")
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignore)
        else:
            shutil.copy(source, to / name)


def hunt(bug: Bug, tree: Path) -> Found:
    """Plant ``bug`` in ``tree``, run its tests until one fails, and take it out again."""
    path = tree / bug.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(bug.planted(sound), encoding="utf-8")
    began = time.monotonic()
    try:
        by, examples = _run(bug.id, bug.tests, tree)
    finally:
        path.write_text(sound, encoding="utf-8")
    return Found(bug, by, examples, time.monotonic() - began)


def _run(name: str, tests: Sequence[str], tree: Path, budget_s: int = BUDGET_S) -> tuple[str, int]:
    """The first test that fails, or empty, and the examples until then."""
    told = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-rfE",
        "--tb=no",
        "-p",
        "tests.planted.count",
        *tests,
    ]
    settings = {"PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1", "PUMP_CTRL_HYPOTHESIS": "fast"}
    try:
        ran = subprocess.run(
            told,
            cwd=tree,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=budget_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", 0
    failed, counted = _FAILED.search(ran.stdout), _COUNTED.search(ran.stdout)
    if ran.returncode == 0:
        return "", int(counted[1]) if counted else 0
    if failed is None or counted is None:
        raise RuntimeError(f"{name}: the tests could not be run:\n{ran.stdout[-2_000:]}{ran.stderr[-2_000:]}")
    return failed[1], int(counted[1])


def hunt_all(bugs: Sequence[Bug]) -> list[Found]:
    """Plant all of them, a few at a time in a tree each.

    Raises:
        RuntimeError: a test fails without any defect, so that it would find everything.
    """
    with tempfile.TemporaryDirectory() as room:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(JOBS):
            tree = Path(room) / str(number)
            tree.mkdir()
            copy_tree(tree)
            trees.put(tree)

        first = trees.get()
        every = sorted({target for bug in bugs for target in bug.tests})
        if (red := _run("sound", every, first, SOUND_S)[0]) or not every:
            raise RuntimeError(f"{red or 'nothing'} fails without a defect")
        trees.put(first)

        def one(bug: Bug) -> Found:
            tree = trees.get()
            try:
                found = hunt(bug, tree)
            finally:
                trees.put(tree)
            print(line(found), flush=True)  # noqa: T201 - a command
            return found

        with ThreadPoolExecutor(JOBS) as workers:
            return list(workers.map(one, bugs))


def line(found: Found) -> str:
    """What is printed of one."""
    told = f"found by {found.by} after {found.examples} examples" if found.by else "NOT FOUND"
    return f"{found.bug.id}  {found.seconds:5.1f} s  {told}"


def summary(found: Sequence[Found]) -> str:
    """How many were found, and after how many examples: the median, and the most."""
    lost, examples = sum(not each.by for each in found), [each.examples for each in found]
    return f"{len(found) - lost} of {len(found)} found; median {median(examples):g} examples, at most {max(examples)}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ids", nargs="*", metavar="ID")
    wanted = parser.parse_args().ids
    bugs = [bug for bug in corpus() if not wanted or bug.id in wanted]
    found = hunt_all(bugs)
    lost = [each.bug.id for each in found if not each.by]
    if found:
        print(summary(found))  # noqa: T201
    return 1 if lost or not found else 0


if __name__ == "__main__":
    sys.exit(main())
