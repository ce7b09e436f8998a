"""D-17: a new journal on a pump that was used; its counter, its ids or its program contradict ``--given none``."""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.journal import MemoryJournal
from tests.driver_stacks import PUMPS, Kind, stack_of
from tests.refusals import refused
from tests.whole_stack import MINUTE

IMPLANT, NEW_ERA, HARVARD = (Kind(pump, "stop") for pump in PUMPS)


def on_a_new_journal(kind: Kind, *, power: bool, doses: bool = True) -> SimulatedStack:
    """Twenty minutes of basal, a STOP, the journal is gone; without ``power`` the pump is off for a moment too."""
    stack = stack_of(kind)
    if doses:
        stack.begin()
        stack.run_to(20 * MINUTE)
        stack.ask("stop", RequestKind.STOP)
    stack.die()
    if not power:
        stack.world.power_cycle()
    stack.journal = MemoryJournal(stack.clock)
    stack.restart()
    return stack


@pytest.mark.parametrize(
    ("kind", "power"), [(IMPLANT, True), (NEW_ERA, True), (HARVARD, True), (IMPLANT, False), (NEW_ERA, False)]
)
def test_a_pump_that_shows_use_contradicts_none(kind: Kind, power: bool) -> None:
    stack = on_a_new_journal(kind, power=power)
    with refused("pump-used"):
        stack.begin({})
    with refused("pump-used"):
        stack.begin({"baclofen": 0})
    stack.begin({"baclofen": 5_000_000})


def test_only_a_person_knows_of_a_harvard_pump_that_lost_its_power() -> None:
    """Nothing in it tells of its use any more (docs/hardware.md)."""
    on_a_new_journal(HARVARD, power=False).begin({})


@pytest.mark.parametrize("kind", [IMPLANT, NEW_ERA, HARVARD], ids=str)
def test_a_pump_that_no_controller_has_told_anything_does_not(kind: Kind) -> None:
    on_a_new_journal(kind, power=False, doses=False).begin({})
