"""A year of worked plan A: the full stack against a second-by-second loop without any controller.

Both run in turn in one process, on processor time, so that other work on the machine weighs on both alike; what is
printed and compared is the median of the pairs' ratios. Garbage collection stays on. Run in between, untimed, is one
year more that counts what a simulated day consists of, and shows that the timed years were the same to the last byte
of the journal. Exit status 1 if the ratio or a count is below ``figures.toml``.

    python -m benchmarks.full_stack [--pairs N] [--days N]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

from benchmarks import tick_loop
from benchmarks.setting import NL_A_DAY, YEAR_DAYS, check_life, example_a, figures, live, timed
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.safety import rules
from pump_ctrl.safety.case import CaseRule, Rule


@dataclass(frozen=True, slots=True)
class Pair:
    """Days per second of both, one after the other."""

    stack: float
    loop: float

    @property
    def ratio(self) -> float:
        """How many times as fast the stack is."""
        return self.stack / self.loop


class Counted:
    """A rule of the guard that counts how often it is asked."""

    def __init__(self, rule: Rule | CaseRule, tally: Counter[str]) -> None:
        self._rule, self._tally = rule, tally

    def judge(self, *case: object) -> object:
        """As the rule itself."""
        self._tally["rule_calls"] += 1
        judged: object = getattr(self._rule, "judge")(*case)  # noqa: B009 - rules of both kinds
        return judged


@contextmanager
def counting(stack: SimulatedStack) -> Iterator[Counter[str]]:
    """Count exchanges, records and rule calls of everything that happens meanwhile."""
    tally: Counter[str] = Counter()

    def tap(_t_ms: int, what: str, _data: bytes) -> None:
        tally["exchanges"] += what == "host-sent"

    before = sum(1 for _ in stack.journal.records())
    stack.wire.tap = tap
    counted = tuple(Counted(rule, tally) for rule in rules.RULES)
    counted_cases = tuple(Counted(rule, tally) for rule in rules.CASE_RULES)
    with patch.object(rules, "RULES", counted), patch.object(rules, "CASE_RULES", counted_cases):
        yield tally
    stack.wire.tap = None
    tally["records"] = sum(1 for _ in stack.journal.records()) - before


def per_day(days: int) -> tuple[dict[str, float], str]:
    """What a simulated day consists of, and the head of the journal that the run leaves."""
    stack = example_a()
    with counting(stack) as tally:
        live(stack, days)
    check_life(stack, days)
    return {name: count / days for name, count in tally.items()}, stack.journal.head


def pair(days: int, head: str) -> Pair:
    """Time the stack, then the loop."""
    stack = example_a()
    stack_s = timed(lambda: live(stack, days))
    if stack.journal.head != head:
        raise AssertionError("two runs of one plan wrote different journals")
    done: list[tick_loop.Ticked] = []
    loop_s = timed(lambda: done.append(tick_loop.run(days)))
    if done[0].out_nl != days * NL_A_DAY:
        raise AssertionError(f"the loop gave {done[0].out_nl} nL in {days} days")
    return Pair(days / stack_s, days / loop_s)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_stack")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--days", type=int, default=YEAR_DAYS)
    args = parser.parse_args(arguments)
    kept = figures()
    counts, head = per_day(args.days)
    pairs = [pair(args.days, head) for _ in range(args.pairs)]
    for p in pairs:
        print(f"full stack {p.stack:7.0f} days/s   tick loop {p.loop:6.1f} days/s   ratio {p.ratio:5.2f}")
    ratio = median(p.ratio for p in pairs)
    failed = _report("ratio", ratio, kept["least"]["ratio"])
    for name, least in kept["day"].items():
        failed |= _report(f"{name} per simulated day", counts[name], least)
    return int(failed)


def _report(what: str, value: float, least: float) -> bool:
    """Print one figure; whether it is too low."""
    print(f"{what}: {value:.2f}, at least {least}{'' if value >= least else '   TOO LOW'}")
    return value < least


if __name__ == "__main__":
    sys.exit(main())
