"""``python -m tests.fuzz``: give every reader bad inputs for longer, and say what came of them.

A finding does not end the run: it is told with its input. ``--seed S --first N --show READER`` has that input again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.engine import HEAD, Finding, Reader, Tally, make, run
from tests.fuzz.table import all_readers

MOST_FINDINGS = 5  # of one reader; then it is left


def numbers(first: int, inputs: int | None, seconds: float) -> Iterator[int]:
    """So many inputs, or as many as go into so much processor time."""
    end, number = time.process_time() + seconds, first
    while (number - first < inputs) if inputs is not None else (time.process_time() < end):
        yield number
        number += 1


def campaign(reader: Reader, seed: int, wanted: Iterator[int]) -> tuple[Tally, list[Finding]]:
    """Try them all and keep what was found."""
    tally, findings = Tally(reader.name), list[Finding]()
    while len(findings) < MOST_FINDINGS:
        try:
            run(reader, seed, wanted, tally)
        except Finding as found:
            findings.append(found)
        else:
            break
    return tally, findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 1 when something was found, 2 when there is no such reader."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--seconds", type=float, default=60.0, help="processor time of all readers together")
    much.add_argument("--inputs", type=int, help="inputs of each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first input")
    parser.add_argument("--show", action="store_true", help="print the input of that number and try it")
    parser.add_argument("readers", nargs="*", metavar="READER", help="part of a reader's name")
    asked = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="fuzz") as room:
        chosen = [
            reader
            for reader in all_readers(Path(room))
            if not asked.readers or any(part in reader.name for part in asked.readers)
        ]
        return _go(chosen, asked) if chosen else parser.error("no reader is called so")


def say(what: object) -> None:
    """A line, at once: a long run is looked at while it goes on."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _go(readers: Sequence[Reader], asked: argparse.Namespace) -> int:
    total = found = 0
    say(HEAD)
    for reader in readers:
        if asked.show:
            say(make(reader, asked.seed, asked.first))
        inputs = 1 if asked.show else asked.inputs
        wanted = numbers(asked.first, inputs, asked.seconds / len(readers))
        tally, findings = campaign(reader, asked.seed, wanted)
        say(tally)
        for finding in findings:
            say(f"FOUND {finding}")
        total, found = total + tally.tried + len(findings), found + len(findings)
    say(f"{total} inputs to {len(readers)} readers, seed {asked.seed}: {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
