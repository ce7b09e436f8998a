"""Who answers after a line was lost, or a process was started again, may be another pump (F-19).

A pump without a serial number is a mere fingerprint: model, firmware, diameter, the program that it was told last and,
where it runs, a counter that has grown as it must have (tests/faults/test_restart_by_pump.py). What does not fit is
told; what fits is for a person to confirm.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.assembly import assemble
from pump_ctrl.bench.setup import make_wire, world_setup
from pump_ctrl.bench.stack import PERSON, SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.errors import LinkError
from pump_ctrl.runner import Runner
from pump_ctrl.therapy.limits import limits_bytes
from sim.faults import Fault
from tests.driver_stacks import KINDS, Kind, check_ledger, records, stack_of
from tests.whole_stack import HOUR, MINUTE

NEW_ERA = Kind("ne-1000-bd-10ml", "stop")
NAMELESS = "look that it is the one that was used before"
ODD = "does not hold what this journal told it last"


def ran(kind: Kind) -> SimulatedStack:
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(25 * MINUTE)
    return stack


def swap(stack: SimulatedStack, syringe: str = "") -> None:
    """Another pump of the same kind, new from its box, is plugged in."""
    setup = world_setup(stack.plan, stack.profile, None, seed=1)
    changed = replace(setup, syringe=syringe, fill_nl=3_000_000) if syringe else setup
    stack.world, stack.wire = make_wire(changed, (), stack.profile.protocol)
    stack._link = SimulatedLink(stack.wire, stack.clock)


def taken_up(stack: SimulatedStack) -> Runner:
    """What a controller becomes as soon as the line of its pump is lost: the journal is taken up, nobody is met."""
    stack.die()
    own = stack._in_force
    limits = limits_bytes(own.limits)
    runner = assemble(
        own.prescription, limits, stack.profile, stack._link, 9, stack.journal, stack.clock, stack._link.wait,
        stack.stop_requested,
    )  # fmt: skip
    runner.take_up()
    return runner


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_as_long_as_nobody_is_met_nothing_is_given_and_nothing_can_be_confirmed(kind: Kind) -> None:
    stack = ran(kind)
    intents = len(records(stack, "intent"))
    runner = taken_up(stack)
    assert runner.controller.state is State.WAITING
    with pytest.raises(LinkError, match="has not been met"):
        runner.confirm(PERSON, runner.guard.reconciliation().code)
    stack.wire.inject(Fault.parse(f"silence@{stack.elapsed_ms}ms:for=10min"))
    with pytest.raises(LinkError):
        runner.meet()
    assert len(records(stack, "intent")) == intents
    stack.clock.advance(15 * MINUTE)
    runner.meet()  # asked again, it answers
    assert runner.controller.state is State.WAITING
    runner.run_until(stack.clock.boot_ms() + MINUTE)
    runner.confirm(PERSON, runner.settle().code)
    runner.run_until(stack.clock.boot_ms() + HOUR)
    assert runner.controller.state is State.RUNNING
    assert runner.guard.low_nl <= stack.world.truth.counted_nl() <= runner.guard.high_nl


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_same_pump_holds_what_it_was_told_last(kind: Kind) -> None:
    stack = ran(kind)
    stack.restart()
    stack.run_to(stack.elapsed_ms + MINUTE)
    words = stack.runner.settle().words
    assert ODD not in words
    assert (NAMELESS in words) is kind.pump.startswith("ne-1000")
    check_ledger(stack)


def test_another_pump_of_the_same_kind_does_not_hold_it_and_that_is_told() -> None:
    stack = ran(NEW_ERA)
    swap(stack)
    stack.restart()
    assert stack.controller.state is State.WAITING
    assert ODD in stack.reconciliation.words
    stack.run_to(stack.elapsed_ms + HOUR)
    assert stack.world.truth.counted_nl() == 0


def test_a_pump_with_another_syringe_is_not_met_and_gets_nothing() -> None:
    stack = ran(NEW_ERA)
    swap(stack, "bd-3")
    with pytest.raises(LinkError, match=r"syringe of 8\.585 mm, the profile is of one of 14\.430 mm"):
        stack.restart()
    assert stack.world.truth.counted_nl() == 0


@pytest.mark.parametrize(
    ("kind", "typed", "back", "said"),
    [
        (
            Kind("ne-1000-bd-10ml", "4 h"),  # in Safe mode it hears no bare text
            b"DIA26.59\r",
            b"DIA14.43\r",
            "The pump is set to a syringe of 26.590 mm, the profile is of one of 14.430 mm.",
        ),
        (Kind("pump-11-elite-bd-10ml", "stop"), b"@diameter 20\r", b"@diameter 14.43\r", "20.0000 mm"),
    ],
    ids=str,
)
def test_a_diameter_that_somebody_changed_at_the_pump_is_told_in_the_drivers_own_words(
    kind: Kind, typed: bytes, back: bytes, said: str
) -> None:
    """IT-02: `out-of-range` or `not-identified` tells nobody at three in the morning what to look for."""
    stack = stack_of(kind)
    stack.begin()
    stack.run_to(10 * MINUTE)
    stack.ask("p", RequestKind.PAUSE)
    stack.wire.send(typed, stack.clock.true_ms)
    stack.run_to(12 * MINUTE)
    given = stack.world.truth.counted_nl()
    stack.ask("r", RequestKind.RESUME)
    stack.run_to(25 * MINUTE)
    (detail,) = [alarm.detail for alarm in stack.guard.alarms if alarm.row.code == "refused"]
    assert said in detail
    assert stack.world.truth.counted_nl() == given
    stack.wire.send(back, stack.clock.true_ms)
    stack.run_to(55 * MINUTE)
    assert stack.controller.state is State.RUNNING
    assert stack.world.truth.counted_nl() > given
    check_ledger(stack)
