"""D-02 over a pump's whole life: seven years, 2,555 nights, and the sums still agree to less than a pump step.

Worked plan A with what a life brings: refills, a signature every year, replies that are lost, a host that boots
anew, a person who pauses. A carry of a hundredth of a nanolitre a command would be found here.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchmarks.setting import REFILL_DAYS, YEAR_DAYS, example_a, refill, sign_anew
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from sim.faults import Fault
from tests.whole_stack import DAY, HOUR, STEP, check_ledger, check_sums, sums_now, turns

SEVEN_YEARS = 7 * YEAR_DAYS
NL_A_DAY = 400_000


def chores(day: int, stack: SimulatedStack) -> None:
    """What falls to the people on a morning."""
    if day % REFILL_DAYS == 0:
        refill(stack)
    if day % YEAR_DAYS == 0:
        sign_anew(stack)


def mishaps(day: int, stack: SimulatedStack) -> None:
    """What goes wrong on a day, at another hour each time; that day is checked at every turn."""
    at_ms = day * DAY + day % 23 * HOUR + 1
    if day % 37 == 5:
        stack.wire.inject(Fault.parse(f"lose-reply@{at_ms}ms:type=commit"))
    if day % 61 == 7:
        stack.run_to(at_ms)
        stack.ask(f"pause-{day}", RequestKind.PAUSE)
        stack.run_to(at_ms + HOUR + 1)
        stack.runner.acknowledge("a person")
        stack.ask(f"resume-{day}", RequestKind.RESUME)
    if day % 97 == 11:
        stack.run_to(at_ms)
        stack.restart()
        stack.run_to(at_ms + HOUR // 7)
        stack.confirm()


def check_day(stack: SimulatedStack) -> None:
    check_sums(stack)
    check_ledger(stack)


def check_life(stack: SimulatedStack, days: int) -> None:
    planned, commanded, missed = sums_now(stack)
    assert planned == days * NL_A_DAY
    assert abs(planned - commanded - missed) < STEP
    assert abs(Fraction(stack.world.truth.counted_nl()) - commanded) <= 2 * STEP
    named = [Fraction(r.data["nl"]) for r in stack.journal.records() if r.kind == "missed"]
    run = stack.controller.run
    assert run is not None
    assert sum(named, Fraction(0)) + run.missed_until(run.to_ms) == stack.controller.totals.missed
    assert stack.controller.state in (State.RUNNING, State.BOLUS)


def test_a_healthy_pump_is_exact_after_seven_years() -> None:
    stack = example_a()
    for day in range(1, SEVEN_YEARS + 1):
        stack.run_to(day * DAY)
        if day < SEVEN_YEARS:
            chores(day, stack)
        if day % 30 == 0:
            check_day(stack)
    check_life(stack, SEVEN_YEARS)
    assert stack.controller.totals.missed < STEP * SEVEN_YEARS  # what lies beside the boluses, if anything


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_seven_years_of_mishaps_add_up_at_every_turn_of_a_bad_day() -> None:
    stack = example_a()
    for day in range(1, SEVEN_YEARS + 1):
        stack.run_to(day * DAY)
        check_day(stack)
        chores(day, stack)
        mishaps(day, stack)
        if {day % 37 - 5, day % 61 - 7, day % 97 - 11} & {0}:
            for _ in turns(stack, day * DAY + 23 * HOUR):
                check_day(stack)
    stack.run_to((SEVEN_YEARS + 2) * DAY)
    check_life(stack, SEVEN_YEARS + 2)
