"""Driving a whole simulated stack turn by turn, and the sums that every turn has to keep.

The stack is ``SimulatedStack``; nothing here reads what the guard or the controller worked out, except where
the name says so. Volumes nL, times ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_profile

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
STEP = 100  # nL, of both implants


@cache
def formulary() -> Formulary:
    return load_formulary()


@cache
def profile(name: str) -> PumpProfile:
    return load_profile(name)


def healthy(plan: DosingPlan) -> SimulatedStack:
    """The plan on its own pump, confirmed at the plan's start."""
    stack = SimulatedStack(plan, profile(plan.pump), formulary())
    stack.begin()
    return stack


def turns(stack: SimulatedStack, until_ms: int) -> Iterator[int]:
    """Run until ``until_ms`` of true time and stop after every turn of the loop; gives the true time."""
    while (now := stack.elapsed_ms) < until_ms:
        wake = stack.controller.next_wakeup() - stack.clock.boot_ms()
        stack.run_to(min(until_ms, now + max(1, wake)))
        yield stack.elapsed_ms


def sums_at(stack: SimulatedStack, plan_ms: int) -> tuple[Fraction, Fraction, Fraction]:
    """Planned, commanded and missed up to ``plan_ms``, as the controller has them."""
    controller = stack.controller
    return controller.totals.at(plan_ms, controller.books.pace())


def sums_now(stack: SimulatedStack) -> tuple[Fraction, Fraction, Fraction]:
    return sums_at(stack, stack.controller.plan_ms(stack.clock.boot_ms()))


def check_sums(stack: SimulatedStack) -> None:
    """D-02 at the horizon and at this instant: less than one pump step is unaccounted for."""
    totals, step = stack.controller.totals, stack.profile.step.nl
    left = totals.planned - totals.missed - totals.commanded
    assert abs(left) < step, f"at the horizon {float(left)} nL"
    planned, commanded, missed = sums_now(stack)
    left = planned - commanded - missed
    assert abs(left) < step, f"now {float(left)} nL"


def check_ledger(stack: SimulatedStack, unseen_nl: int = 0) -> None:
    """S-03: what the motor truly stepped lies within the guard's bounds, but for what a counter hid."""
    low, counted, high = stack.guard.low_nl, stack.world.truth.counted_nl(), stack.guard.high_nl
    assert low <= counted <= high + unseen_nl, f"{low} <= {counted} <= {high} nL"


def refill_in_time(stack: SimulatedStack, below_nl: int = 4_000_000) -> None:
    """A person refills before the pump's own alarm, as the plan says, and tells pump and guard."""
    if stack.world.truth.reservoir_nl() < below_nl:
        refill(stack)


def refill(stack: SimulatedStack) -> None:
    """A person fills the pump as the plan says, and tells the guard."""
    reservoir = stack.plan.reservoir
    drugs = {drug.name: drug.concentration.pg_per_ml for drug in reservoir.drugs}
    stack.world.refill(reservoir.filled.nl, drugs)
    stack.guard.refill(by="a person", fill_nl=reservoir.filled.nl + reservoir.residual[1].nl)
