"""Ten days of worked plan A's bench twin on a New Era pump in Safe mode, with every heartbeat, in virtual time.

The plan says to stop when control is lost, so the pump stops by itself after 60 s without a packet, and the loop asks
for its status every 15 s: some 5,760 times a day, each a turn of the loop, a question and a reply on the wire, and a
status that the guard compares. Stack and tick loop (``tick_loop.py``, which knows nothing of all that) run in turn in
one process, on processor time; what is compared with ``figures.toml`` is the median of the pairs' ratios. Garbage
collection stays on.

Untimed, once more, every byte that the host sends is looked at: it counts the heartbeats, and finds the longest time
without one. Every run must end with the same journal, all boluses given and no alarm, and planned, commanded and
missed volume must add up; so nothing can be left out. Exit status 1 if it is too slow, or a count is too low.

    python -m benchmarks.heartbeats [--pairs N] [--days N]
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks import tick_loop
from benchmarks.setting import DAY_MS, EXAMPLES, NL_A_DAY, figures, stack_of, timed
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.therapy.plan import DosingPlan, plan_from

TWIN: Final = EXAMPLES / "a-bench-twin.toml"
FILLED_DAYS: Final = 22  # 10 mL less the 1 mL of the alarm, at 0.4 mL a day
LOOP_DAYS: Final = 80  # takes about as long as ten days of the stack
STATUS: Final = b"0DIS"  # address and command within the Safe frame


@dataclass
class Wire:
    """What the host sent: questions for the status, all commands, and the longest time between two, ms."""

    heartbeats: int = 0
    exchanges: int = 0
    longest_ms: int = 0
    _last_ms: int = 0

    def tap(self, at_ms: int, what: str, data: bytes) -> None:
        """See one message."""
        if what != "host-sent":
            return
        self.exchanges += 1
        self.heartbeats += data[2:-3] == STATUS
        self.longest_ms = max(self.longest_ms, at_ms - self._last_ms)
        self._last_ms = at_ms


def twin_plan() -> DosingPlan:
    """The bench twin with ``on_loss = "stop"``: the pump's own time-out watches, in Safe mode."""
    values = tomllib.loads(TWIN.read_text(encoding="utf-8"))
    return plan_from({**values, "on_loss": "stop"})


def check(stack: SimulatedStack, days: int) -> None:
    """It was a healthy life.

    Raises:
        AssertionError: it was not.
    """
    controller, counted = stack.controller, stack.world.truth.counted_nl()
    now_ms = controller.plan_ms(stack.clock.boot_ms())
    planned, commanded, missed = controller.totals.at(now_ms, controller.books.pace())
    if planned != days * NL_A_DAY or abs(planned - commanded - missed) >= stack.profile.step.nl:
        raise AssertionError(f"{planned} nL planned, {commanded} commanded, {missed} missed in {days} days")
    if not stack.guard.low_nl <= counted <= stack.guard.high_nl or not 0 <= planned - counted < days * 400:
        raise AssertionError(f"{counted} nL were given in {days} days, {planned} nL planned")
    records = list(stack.journal.records())
    boluses = [record.data["outcome"] for record in records if record.kind == "bolus"]
    if boluses != ["delivered"] * days:
        raise AssertionError(f"boluses in {days} days: {boluses}")
    if stack.guard.alarms or any(record.kind == "alarm" for record in records):
        raise AssertionError(f"alarms: {[alarm.row.code for alarm in stack.guard.alarms]}")


def looked_at(days: int) -> tuple[Wire, SimulatedStack]:
    """What the host sent in a run, and the stack at its end."""
    stack, wire = stack_of(twin_plan()), Wire()
    stack.wire.tap = wire.tap
    stack.run_to(days * DAY_MS)
    stack.wire.tap = None
    check(stack, days)
    return wire, stack


def pair(days: int, head: str) -> tuple[float, float]:
    """Days per second of the stack, then of the loop."""
    stack = stack_of(twin_plan())
    stack_s = timed(lambda: stack.run_to(days * DAY_MS))
    check(stack, days)
    if stack.journal.head != head:
        raise AssertionError("two runs of one plan wrote different journals")
    loop_s = timed(lambda: tick_loop.run(LOOP_DAYS))
    return days / stack_s, LOOP_DAYS / loop_s


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heartbeats")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--days", type=int, default=10)
    args = parser.parse_args(arguments)
    if not 1 <= args.days <= FILLED_DAYS:
        parser.error(f"--days: 1 to {FILLED_DAYS}, as nobody fills the syringe")
    kept = figures()
    wire, stack = looked_at(args.days)
    pairs = [pair(args.days, stack.journal.head) for _ in range(args.pairs)]
    for beating, loop in pairs:
        print(f"stack {beating:6.2f} days/s   tick loop {loop:6.1f} days/s   ratio {beating / loop:6.4f}")
    failed = _report(
        "days/s over those of the tick loop", median(a / b for a, b in pairs), kept["least"]["heartbeats"]
    )
    for name, least in kept["heartbeats"].items():
        failed |= _report(f"{name} per simulated day", getattr(wire, name) / args.days, least)
    longest, most = wire.longest_ms, kept["most"]["heartbeat_gap_ms"]
    print(
        f"longest time without a packet: {longest} ms, at most {most}{'' if longest <= most else '   TOO LONG'}"
    )
    return int(failed or longest > most)


def _report(what: str, value: float, least: float) -> bool:
    """Print one figure; whether it is too low."""
    print(f"{what}: {value:.3f}, at least {least}{'' if value >= least else '   TOO LOW'}")
    return value < least


if __name__ == "__main__":
    sys.exit(main())
