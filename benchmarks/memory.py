"""How much memory seven years of worked plan A take: the full stack with its journal in memory.

A process of its own, so that nothing else is in the figure: the largest resident set that the system saw, imports and
all. The pump is refilled every 94 days and the plan signed anew every year. Exit status 1 if it is above
``figures.toml``.

    python -m benchmarks.memory [--days N]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

from benchmarks.setting import HERE, YEAR_DAYS, check_life, example_a, figures, live

SEVEN_YEARS = 7 * YEAR_DAYS  # the battery of the simulated pump lasts two days longer


def peak_mb() -> float:
    """Largest resident set of this process so far, MB of 1,000,000 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1_000_000


def child(days: int) -> None:
    """Live, and print what it took."""
    stack = example_a()
    before = peak_mb()
    live(stack, days)
    peak = peak_mb()
    check_life(stack, days)
    records = sum(1 for _ in stack.journal.records())
    print(json.dumps({"before": before, "peak": peak, "records": records}))


def measured(days: int) -> dict[str, float]:
    """What a process of its own tells of a life of ``days``."""
    command = [sys.executable, "-m", "benchmarks.memory", "--child", "--days", str(days)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    found: dict[str, float] = json.loads(told)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--days", type=int, default=SEVEN_YEARS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        child(args.days)
        return 0
    found, most = measured(args.days), figures()["most"]["memory_mb"]
    too_much = found["peak"] > most
    print(
        f"{args.days} days, {found['records']:.0f} records: {found['peak']:.0f} MB at the most "
        f"({found['before']:.0f} MB before the first day), at most {most} MB{'   TOO MUCH' if too_much else ''}"
    )
    return int(too_much)


if __name__ == "__main__":
    sys.exit(main())
