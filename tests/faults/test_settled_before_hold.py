"""A hold told while the outcome of a dose is not known would overwrite what tells it: the dose is settled first.

On a New Era pump that is the tag of the program, on a Harvard pump the mark and the counter; the implant keeps outcomes
by id, and is asked in the same order.
"""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.drivers.base import Given
from tests.driver_stacks import (
    KINDS,
    SLOT,
    Kind,
    boluses,
    check_ledger,
    check_sums,
    reaped,
    records,
    stack_of,
)
from tests.spies import Killed
from tests.whole_stack import HOUR, MINUTE

HOLDS = [kind for kind in KINDS if kind.on_loss != "stop"]
LAST = {
    "implant-40, hold": 3,
    "ne-1000-bd-10ml, hold": 56,
    "pump-11-elite-bd-10ml, hold": 18,
}  # exchanges of the deliver


def killed_at(kind: Kind, back: int, *, unsent: bool) -> SimulatedStack:
    """The controller dies so many exchanges before the end of the bolus's deliver, and another takes up its journal."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(SLOT - 1)
    reaped(stack).arm(LAST[str(kind)] - back, unsent=unsent)
    with pytest.raises(Killed):
        stack.run_to(SLOT)
    stack.die()
    return stack


def check_order(stack: SimulatedStack) -> None:
    """From the intent of the bolus on: no intent of a hold as long as it has no outcome and no evidence."""
    open_id = None
    for record in stack.journal.records():
        match record.kind, record.data:
            case "intent", {"purpose": "hold"}:
                assert open_id is None, "a hold was told over an outcome that nobody knew"
            case "intent", {"id": permit_id}:
                open_id = permit_id
            case (("outcome" | "evidence"), {"id": permit_id, "what": what}) if what != "unknown":
                open_id = None if permit_id == open_id else open_id
            case _:
                pass
    assert open_id is None


@pytest.mark.parametrize("unsent", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("back", [0, 1, 2])
@pytest.mark.parametrize("kind", HOLDS, ids=str)
def test_what_became_of_a_dose_is_asked_before_a_hold_is_told(kind: Kind, back: int, unsent: bool) -> None:
    stack = killed_at(kind, back, unsent=unsent)
    stack.clock.advance(2 * MINUTE)
    stack.restart()
    stack.run_to(stack.elapsed_ms + 2 * HOUR)
    assert stack.guard.unsettled is None
    assert stack.controller.run is not None, "the pump was left without a hold"
    check_order(stack)
    check_ledger(stack)
    check_sums(stack)
    assert len(boluses(stack)) <= 1


@pytest.mark.parametrize("kind", HOLDS, ids=str)
def test_evidence_of_the_last_permit_is_not_taken_for_that_of_a_run_it_is_not(kind: Kind) -> None:
    """D-13: a pump that names no running id, and stands still, proves nothing by its last id."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(10 * MINUTE)
    stack.die()
    stack.clock.advance(MINUTE)
    stack.restart()
    running = records(stack, "intent")[-1]["id"]
    assert stack.guard.running_permit() == running
    stack.guard.stop("by hand")
    stack.guard.read_status()
    assert stack.guard.running_permit() is None
    evidence = stack.guard._driver.evidence(running)
    assert isinstance(evidence, Given)
    assert evidence.ended
