"""F-69: thirty days in which something goes wrong every few hours, of every kind, and all that must hold does.

Fixed courses on the plans of the system machine, so that a red run is a change and not luck; drawn ones, at the edges,
are in test_system_machine.py. ``SystemBench.check`` after each step, the truth of every window at the end, and then a
person clears up.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from tests.system_bench import SystemBench
from tests.system_plans import PLANS
from tests.whole_stack import DAY, HOUR, MINUTE

GAIN_PPM: Final = 1_145_000
WIRE: Final = (
    "lose-request", "lose-reply", "delay-request:by=1s", "delay-reply:by=1s", "duplicate-request:by=3s",
    "duplicate-reply", "reorder", "corrupt-request", "corrupt-reply", "truncate-reply",
)  # fmt: skip
PUMP: Final = (
    "stall:for=10min", "stall:silent=1,for=2h", "power-loss", "power-loss:for=10min", "counter-reset",
    "status-stuck:for=20min", "stop-ignored:count=1", f"over-infusion:gain_ppm={GAIN_PPM}",
)  # fmt: skip
DEATHS: Final = (
    ("before", "intent"),
    ("after", "intent"),
    ("before", "outcome"),
    ("wire", "commit"),
    ("heard", "commit"),
)
COMMANDS: Final = ("slot", "press", "stop", "ask")


def wire_fails(bench: SystemBench, chance: Random) -> None:
    fault = chance.choice(WIRE)
    bench.wire_fault(f"{fault}{',' if ':' in fault else ':'}type=commit,count={chance.choice((1, 2, 40))}")
    bench.command(chance.choice(COMMANDS))
    bench.command("ask")  # while its outcome may not be known


def pump_fails(bench: SystemBench, chance: Random) -> None:
    bench.pump_fault(chance.choice(PUMP))
    bench.wait(MINUTE)


def process_dies(bench: SystemBench, chance: Random) -> None:
    bench.kill_at(*chance.choice(DEATHS))
    bench.command(chance.choice(COMMANDS))
    bench.restart(chance.choice((0, 2_000, 5 * HOUR)), reboot=chance.random() < 0.3)


def clock_jumps(bench: SystemBench, chance: Random) -> None:
    bench.jump_wall(chance.choice((-HOUR, -2_001, 2_001, HOUR)))


def disk_is_full(bench: SystemBench, chance: Random) -> None:
    bench.disk_full()
    bench.command(chance.choice(COMMANDS))


def patient_presses(bench: SystemBench, chance: Random) -> None:
    for edge in (-1, 0, 1):
        if not bench.dead:
            bench.press()
            bench.to_end_of_lockout(edge)


MISHAPS: Final[tuple[Callable[[SystemBench, Random], None], ...]] = (
    wire_fails, wire_fails, pump_fails, process_dies, clock_jumps, disk_is_full, patient_presses,
)  # fmt: skip


COURSES: Final = [(plan, seed) for seed in range(1, 11) for plan in PLANS]
ORDINARY: Final = [("even-stop", 1), ("weekday-titration", 1)]


@pytest.mark.parametrize(
    ("plan", "seed"),
    [pytest.param(*each, marks=() if each in ORDINARY else pytest.mark.deep) for each in COURSES],
)
def test_thirty_days_of_everything_at_once(plan: str, seed: int) -> None:
    chance, bench = Random(seed), SystemBench(PLANS[plan](), GAIN_PPM)
    while bench.now < 30 * DAY:
        bench.wait(chance.randrange(1, 8 * HOUR))
        bench.check()
        if not bench.dead:
            chance.choice(MISHAPS)(bench, chance)
            bench.check()
        bench.wait(chance.randrange(1, HOUR))
        bench.tend()
        bench.check()
    bench.check_truth()
    bench.clear_up()
