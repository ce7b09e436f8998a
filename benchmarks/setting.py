"""What the benchmarks share: worked plan A on ``implant-40``, a life of the full stack, and the figures to keep.

A *life* is a ``SimulatedStack`` that a simulated person confirms at the plan's start, whose pump is refilled before
it runs low and whose limits are signed anew every year, as the plan's own figures ask.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any, Final

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import limits_bytes
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.profiles import load_profile

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE.parent / "examples"
PLAN_A: Final = EXAMPLES / "a-flex-night-bolus.toml"
DAY_MS: Final = 86_400_000
YEAR_DAYS: Final = 365
REFILL_DAYS: Final = 94  # (40 - 2) / 0.4 = 95 days to the reservoir alarm: filled the day before
NL_A_DAY: Final = 400_000  # 400 ug/day at 1000 ug/mL


def figures() -> dict[str, Any]:
    """The recorded figures (``figures.toml``)."""
    return tomllib.loads((HERE / "figures.toml").read_text(encoding="utf-8"))


def stack_of(plan: DosingPlan) -> SimulatedStack:
    """A stack of its own for ``plan`` on its own pump, confirmed."""
    stack = SimulatedStack(plan, load_profile(plan.pump), load_formulary())
    stack.begin()
    return stack


def example_a() -> SimulatedStack:
    """Worked plan A, ready to run."""
    return stack_of(load_plan(PLAN_A))


def live(stack: SimulatedStack, days: int) -> None:
    """Run for ``days`` in all; on the way refill every 94 days and sign anew every 365."""
    chores = [(day, refill) for day in range(REFILL_DAYS, days, REFILL_DAYS)]
    chores += [(day, sign_anew) for day in range(YEAR_DAYS, days, YEAR_DAYS)]
    for day, chore in sorted(chores, key=lambda chore: chore[0]):
        stack.run_to(day * DAY_MS)
        chore(stack)
    stack.run_to(days * DAY_MS)


def refill(stack: SimulatedStack) -> None:
    """A person fills the reservoir as the plan says and tells the controller."""
    stack.refill()


def sign_anew(stack: SimulatedStack) -> None:
    """A plan is valid for 400 days: the same one is signed again and loaded, as it is every year."""
    now = stack.clock.utc_ms()
    limits = {key: value for key, value in stack.limits.items() if key != "checksum"}
    limits["valid"] = {"from_utc_ms": now, "until_utc_ms": now + 400 * DAY_MS}
    stack.load(stack.plan, signed(limits))


def checked(limits: dict[str, Any]) -> bytes:
    """A limits file of this content, with its checksum."""
    return limits_bytes(signed(limits))


def signed(limits: dict[str, Any]) -> dict[str, Any]:
    """Limits of this content, with their checksum."""
    return {**limits, "checksum": sha256(limits_bytes(limits)).hexdigest()}


def check_life(stack: SimulatedStack, days: int) -> None:
    """What was measured was a healthy life: all given, within the guard's bounds, nothing alarming.

    Raises:
        AssertionError: it was not.
    """
    planned, counted = days * NL_A_DAY, stack.world.truth.counted_nl()
    if abs(counted - planned) > planned // 5_000:
        raise AssertionError(f"{counted} nL were given in {days} days, {planned} nL planned")
    if not stack.guard.low_nl <= counted <= stack.guard.high_nl:
        raise AssertionError(f"{counted} nL lie outside {stack.guard.low_nl} to {stack.guard.high_nl} nL")
    alarms = {alarm.row.code for alarm in stack.guard.alarms} - {
        "battery-low"
    }  # after 6.3 years, as it should be
    if alarms or stack.controller.state.value not in {"RUNNING", "BOLUS"}:
        raise AssertionError(f"the run ended in {stack.controller.state} with {alarms}")


def timed(work: Callable[[], object]) -> float:
    """Processor seconds that ``work`` takes; other processes on the machine do not count."""
    began = process_time()
    work()
    return process_time() - began
