"""A process that is asked to end: one bounded hold where the plan says so, else STOP, in every state (D-14)."""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from sim.faults import Fault
from tests.unit.live_kit import plan_with_boluses
from tests.whole_stack import HOUR, MINUTE, check_ledger, check_sums, formulary, profile

HOLD = 4 * HOUR
RATE = 8_000  # nL/h, the only rate of the plan


def running(**changed: object) -> SimulatedStack:
    plan = plan_with_boluses(**changed)
    made = SimulatedStack(plan, profile(plan.pump), formulary())
    made.begin()
    made.run_to(10 * HOUR)
    return made


def left(made: SimulatedStack, for_ms: int) -> int:
    """What leaves the pump, nL, while nobody is there."""
    before = made.world.truth.counted_nl()
    made.clock.advance(for_ms)
    return made.world.truth.counted_nl() - before


def purpose(made: SimulatedStack) -> str | None:
    run = made.controller.run
    return None if run is None else run.purpose


def test_the_hold_runs_for_its_time_and_ends_by_itself() -> None:
    made = running()
    made.runner.leave()
    assert purpose(made) == "hold"
    assert left(made, HOLD - 10_000) >= 4 * RATE - 200
    assert left(made, 24 * HOUR) <= 100
    check_ledger(made)


def test_the_hold_counts_from_now_though_nothing_was_written_for_hours() -> None:
    """An implant is asked every 6 h: without a sign of life the hold would be over before it began."""
    made = running()
    made.run_to(10 * HOUR + 50 * MINUTE)
    *_, last = made.journal.records()
    assert made.clock.boot_ms() - last.boot_ms > 4 * HOUR
    made.runner.leave()
    assert purpose(made) == "hold"
    assert left(made, HOLD - 10_000) >= 4 * RATE - 200


def test_a_plan_that_says_stop_is_stopped() -> None:
    made = running(on_loss="stop")
    made.runner.leave()
    assert purpose(made) is None
    assert left(made, 24 * HOUR) == 0
    check_sums(made)


def test_a_bolus_is_broken_off_and_never_made_up() -> None:
    made = running()
    made.ask("b", RequestKind.PATIENT_BOLUS)
    made.run_to(10 * HOUR + MINUTE)
    made.runner.leave()
    (bolus,) = [record.data for record in made.journal.records() if record.kind == "bolus"]
    assert bolus["outcome"] == "interrupted"
    assert left(made, 24 * HOUR) <= 4 * RATE
    check_sums(made)


@pytest.mark.parametrize("kind", [RequestKind.STOP, RequestKind.PAUSE])
def test_what_a_person_stopped_stays_stopped(kind: RequestKind) -> None:
    made = running()
    made.ask("x", kind)
    made.runner.leave()
    assert left(made, 24 * HOUR) == 0


def test_after_a_stop_and_a_resume_the_hold_is_left_again() -> None:
    made = running()
    made.ask("x", RequestKind.STOP)
    made.ask("y", RequestKind.RESUME)
    made.run_to(11 * HOUR)
    made.runner.leave()
    assert purpose(made) == "hold"


def test_an_alarm_that_forbids_all_leaves_the_pump_stopped() -> None:
    made = running()
    made.runner.raise_alarm("journal", "the disk is full")
    assert made.controller.state is State.FAULT
    made.runner.leave()
    assert left(made, 24 * HOUR) == 0


def test_a_hold_that_the_pump_refuses_becomes_a_stop() -> None:
    made = running()
    made.wire.inject(Fault.parse(f"lose-reply@{made.elapsed_ms}ms:type=propose,count=0"))
    made.runner.leave()
    assert left(made, 24 * HOUR) == 0


def test_a_hold_of_which_nobody_knows_is_left_for_it_is_bounded_either_way() -> None:
    made = running()
    made.wire.inject(Fault.parse(f"lose-reply@{made.elapsed_ms}ms:type=commit,count=0"))
    made.runner.leave()
    assert made.guard.unsettled is not None
    assert left(made, 24 * HOUR) <= 4 * RATE + 100


def test_a_stop_that_is_not_confirmed_is_known_as_such() -> None:
    made = running(on_loss="stop")
    made.wire.inject(Fault.parse(f"lose-request@{made.elapsed_ms}ms:type=stop,count=0"))
    made.runner.leave()
    assert made.guard.stop_open


def test_the_next_life_finds_the_hold_and_leaves_it_alone() -> None:
    made = running()
    made.runner.leave()
    made.clock.advance(HOUR)
    made.restart()
    assert made.controller.state is State.WAITING
    assert left(made, 2 * HOUR) >= 2 * RATE - 200
    made.runner.leave()  # it waits, and what runs is bounded: left alone again, and no longer for that
    assert left(made, 24 * HOUR) <= RATE + 100
    made.restart()
    made.confirm()
    made.run_to(made.elapsed_ms + HOUR)
    assert made.controller.state is State.RUNNING
    check_ledger(made)
    check_sums(made)


def test_leaving_again_and_again_gives_no_more_than_one_hold() -> None:
    made = running()
    made.runner.leave()
    counted = made.world.truth.counted_nl()
    for _ in range(5):
        made.clock.advance(HOUR)
        made.restart()
        made.runner.leave()
    assert made.world.truth.counted_nl() - counted <= 4 * RATE + 100
