"""The controller is killed at every exchange of the deliver that starts a bolus, on every kind of pump (F-48).

At each exchange twice: before the request leaves, and when it is on its way and nobody reads the reply. Another
controller takes up the journal, at once or ten minutes later; the pump is asked what became of the command, a
person confirms, and the plan goes on. The bolus is given once, or cut, or missed, and never twice; what was given
is in the books; the ledger holds the truth at every turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.machine import State
from tests.driver_stacks import (
    BOLUS_NL,
    KINDS,
    SLOT,
    Kind,
    boluses,
    check_gaps_are_named,
    check_ledger,
    check_slots,
    check_sums,
    confirmed,
    reaped,
    resolved,
    stack_of,
    turns,
)
from tests.spies import Killed
from tests.whole_stack import HOUR, MINUTE, sums_now

Note = Callable[[str, object], None]  # pytest's record_property: said at the end of the run
END = SLOT + HOUR + 2 * MINUTE
LATER = 10 * MINUTE  # longer than any wire time-out
# Requests of the deliver that starts the bolus; said here so that none is left out unseen.
EXCHANGES = {
    "implant-40, stop": 3, "ne-1000-bd-10ml, stop": 70, "pump-11-elite-bd-10ml, stop": 18,
    "implant-40, hold": 3, "ne-1000-bd-10ml, hold": 56, "pump-11-elite-bd-10ml, hold": 18,
}  # fmt: skip
# Given by the books and not by the counter, or the other way: what a cut run had given is by time, or the counter hides
# it in its last digit.
UNSURE_NL = 100


def dying(kind: Kind, at: int, *, unsent: bool) -> SimulatedStack:
    """A controller that has just died at that request, or has not, if there is none."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(SLOT - 1)
    reaper = reaped(stack)
    reaper.arm(at, unsent=unsent)
    try:
        stack.run_to(SLOT)
    except Killed:
        stack.die()
    assert reaper.died or reaper.count < at
    return stack


def check(stack: SimulatedStack) -> None:
    check_ledger(stack)
    check_sums(stack)


def die_and_rise(kind: Kind, at: int, after_ms: int, *, unsent: bool) -> str:
    """One death and what follows; what became of the bolus."""
    stack = dying(kind, at, unsent=unsent)
    stack.clock.advance(after_ms)
    stack.restart()
    turns(stack, stack.elapsed_ms + MINUTE, check)
    if not confirmed(stack):
        resolved(stack)
        assert confirmed(stack), f"nobody can confirm: {stack.guard.reconciliation().words}"
    turns(stack, END, check)
    assert stack.controller.state is State.RUNNING
    check_gaps_are_named(stack)
    check_slots(stack)
    planned, commanded, _ = sums_now(stack)
    counted = stack.world.truth.counted_nl()
    assert counted <= planned, "a dose twice"
    assert abs(counted - commanded) < UNSURE_NL, (
        f"a dose forgotten: {counted} counted, {float(commanded)} nL booked"
    )
    (outcome,) = boluses(stack)
    assert (outcome == "delivered") is (counted > BOLUS_NL + 10_000)
    return outcome


def die_everywhere(kind: Kind, every: int, after_ms: int, note: Note) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for at in range(1, EXCHANGES[str(kind)] + 1):
        for unsent in (True, False):
            if (2 * at + unsent) % every == 0:
                try:
                    outcomes[die_and_rise(kind, at, after_ms, unsent=unsent)] += 1
                except AssertionError as error:
                    raise AssertionError(
                        f"killed at {at}, {'before' if unsent else 'after'}: {error}"
                    ) from error
    told = f"killed at an exchange, {after_ms // MINUTE} min off: {outcomes.total()} times, given twice 0, forgotten 0"
    note("count", f"{kind}, {told}, {dict(outcomes)}")
    return outcomes


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_exchange_of_the_deliver_is_counted(kind: Kind) -> None:
    last = EXCHANGES[str(kind)]
    assert not dying(kind, last, unsent=True).guard.in_run
    assert dying(kind, last + 1, unsent=True).guard.in_run


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_death_at_some_exchanges_gives_no_bolus_twice_and_forgets_none(
    kind: Kind, record_property: Note
) -> None:
    every = {"implant-40": 1, "ne-1000-bd-10ml": 7, "pump-11-elite-bd-10ml": 3}[kind.pump]
    assert die_everywhere(kind, every, 0, record_property).total() == 2 * EXCHANGES[str(kind)] // every


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("after_ms", [0, LATER], ids=["at-once", "later"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_death_at_any_exchange_gives_no_bolus_twice_and_forgets_none(
    kind: Kind, after_ms: int, record_property: Note
) -> None:
    assert die_everywhere(kind, 1, after_ms, record_property).total() == 2 * EXCHANGES[str(kind)]
