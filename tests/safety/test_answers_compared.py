"""S-23, S-31, F-24: what ran before a command is compared with the counter that its answer brings.

An implant is asked every six hours, and told something more often: nothing but these answers shows what it gave.
36,000 nL/h are 6,000 nL in 10 min; a counter and a step of 100 nL, 15 % may be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.drivers.base import Acked, PumpState, Unknown
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.therapy.plan import load_plan
from sim.faults import Fault
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, basal
from tests.safety.plain import active, plain
from tests.safety.test_disagreement import BASAL, BOLUS, LIMITS, SLOW, disagrees
from tests.whole_stack import healthy

LOST_NL = 6_000


def told_again(lost_nl: int, *, every_ms: int = 10 * MINUTE, times: int = 1) -> Bench:
    """It runs, nobody asks it, so much of what it was told goes missing each time, and it is told to run again."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    for _ in range(times):
        bench.wait(every_ms)
        bench.pump.extra_nl -= lost_nl
        assert isinstance(bench.ask(BASAL), Acked)
    return bench


@pytest.mark.parametrize(("lost_nl", "found"), [(0, False), (900, False), (1_000, True), (LOST_NL, True)])
def test_what_a_pump_did_not_give_before_a_command_is_found_by_its_answer(lost_nl: int, found: bool) -> None:
    assert disagrees(told_again(lost_nl)) is found


def test_a_healthy_pump_that_is_told_something_again_and_again_raises_nothing() -> None:
    bench = told_again(0, every_ms=30_000, times=20)
    for _ in range(20):
        bench.wait(HOUR)
        assert isinstance(bench.ask(BOLUS, SLOW, purpose=Purpose.SCHEDULED), Acked)
        bench.wait(20 * MINUTE)
        assert isinstance(bench.ask(BASAL), Acked)
    assert active(bench) == set()


@pytest.mark.parametrize("looks", [0, 3])
def test_so_little_that_it_takes_days_to_be_compared_raises_nothing(looks: int) -> None:
    """100 nL every third day: what was commanded longer ago than any rule looks back is not remembered."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    for day in range(30):
        assert isinstance(bench.ask(basal(0 if day % 3 else 100, MINUTE), basal(0, DAY - MINUTE)), Acked)
        for _ in range(looks):
            bench.wait(6 * HOUR)
            bench.guard.read_status()
        bench.wait(DAY - looks * 6 * HOUR)
    assert active(bench) == set()


def test_nothing_that_flowed_for_four_hours_is_told_by_an_answer_too() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(basal(90_000, 5 * HOUR))
    bench.wait(4 * HOUR)
    bench.pump.extra_nl -= bench.pump.status().delivered_nl
    bench.ask(BASAL)
    assert {"disagreement", "under-delivery"} <= active(bench)


def without_power(bench: Bench) -> None:
    bench.pump._cut()
    bench.pump.epoch += 1
    bench.guard.read_status()


def after_a_stop(bench: Bench) -> None:
    assert isinstance(bench.guard.stop("to look"), Acked)


@pytest.mark.parametrize("stands", [without_power, after_a_stop])
def test_a_pump_that_was_known_to_stand_owes_nothing(stands: Callable[[Bench], None]) -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(MINUTE)
    stands(bench)
    assert bench.guard._intake.status is not None
    assert bench.guard._intake.status.state is not PumpState.RUNNING
    bench.wait(10 * MINUTE)
    assert isinstance(bench.ask(BASAL), Acked)
    assert not disagrees(bench)


@pytest.mark.parametrize("latency_ms", [20, 2_000, 9_000])
def test_a_pump_that_stands_still_while_it_is_told_owes_nothing_of_that_time(latency_ms: int) -> None:
    """A syringe pump is stopped first, and told in many exchanges: 100 nL/s, nine seconds."""
    bench, pump = plain()
    pump.latency_ms = latency_ms
    for _ in range(3):
        assert isinstance(bench.ask(basal(360_000, HOUR)), Acked)
        bench.wait(5_000)
    assert active(bench) == set()


def test_while_the_outcome_of_another_command_is_unknown_an_answer_owes_nothing() -> None:
    """It may have run, or not; the STOP does not say."""
    bench = told_again(0)
    bench.pump.answers = ["unheard"]
    assert isinstance(bench.ask(basal(0, HOUR)), Unknown)
    bench.wait(10 * MINUTE)
    bench.pump.extra_nl -= LOST_NL
    assert isinstance(bench.guard.stop("to look"), Acked)
    assert not disagrees(bench)


def test_a_motor_that_stood_between_two_polls_is_told_with_the_next_bolus() -> None:
    """Baclofen on an implant that is asked at 20:00; the motor stands from 20:10 to 21:50, the bolus is at 22:00."""
    stack = healthy(load_plan(Path("examples") / "a-flex-night-bolus.toml"))
    stack.run_to(12 * HOUR + 10 * MINUTE)
    stack.world.inject(Fault.parse(f"stall@{stack.elapsed_ms}ms:silent=1,for={100 * MINUTE}ms"))
    stack.run_to(14 * HOUR - MINUTE)
    assert raised(stack) == set()
    stack.run_to(14 * HOUR + MINUTE)
    assert raised(stack) == {"disagreement"}


def raised(stack: SimulatedStack) -> set[str]:
    alarms = [record.data for record in stack.journal.records() if record.kind == "alarm"]
    return {data["code"] for data in alarms if data["what"] == "raised"}
