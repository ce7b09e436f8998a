"""R6.5.0(18): an alarm that stops the pump and comes three times within ten minutes needs a person."""

from __future__ import annotations

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.alarms import ROWS
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, codes, limits, rows
from tests.unit.live_kit import plan_with_boluses
from tests.whole_stack import healthy

LIMITS = limits([account(rows=rows((6_000, 24_000, 144_000)))])


def active(bench: Bench | SimulatedStack) -> set[str]:
    return {alarm.row.code for alarm in bench.guard.alarms}


def come_and_go(bench: Bench, code: str, *at: int) -> None:
    for instant in at:
        bench.at(instant)
        bench.guard.raise_alarm(code, "test")
        bench.guard.clear_alarm(code)
        bench.guard.acknowledge(code, "tester")


@pytest.mark.parametrize(("third", "yes"), [(10 * MINUTE, True), (10 * MINUTE + 1, False)])
def test_the_third_time_within_ten_minutes_is_an_alarm_of_its_own(third: int, yes: bool) -> None:
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, "stalled", 0, 5 * MINUTE, third)
    assert active(bench) == ({"recurring"} if yes else set())


def test_it_forbids_all_but_a_hold_and_only_who_has_seen_it_lets_it_go() -> None:
    """Stopping can harm as well: where the plan says to hold, that is what is left."""
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, "stalled", 0, 10_000, 20_000)
    assert ROWS["recurring"].permits == {"hold"}
    assert ROWS["recurring"].priority.value == "high"
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}
    bench.restart()
    assert active(bench) == {"recurring"}
    bench.confirmed(given=None)
    bench.guard.acknowledge("recurring", "tester")
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


@pytest.mark.parametrize(("third", "yes"), [(20_000, True), (19_999, False)])
def test_what_is_told_again_within_seconds_came_once(third: int, yes: bool) -> None:
    """Seen: a pump's word that went and came back with two readings after a restart needed a person."""
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, "stalled", 0, 10_000, third)
    assert active(bench) == ({"recurring"} if yes else set())


def test_different_alarms_do_not_add_up_and_one_that_stays_comes_once() -> None:
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, "stalled", 0, 10_000)
    come_and_go(bench, "silence", 20_000, 30_000)
    for at in range(40_000, 400_000, 10_000):
        bench.at(at)
        bench.guard.raise_alarm("empty", "it holds")
    assert active(bench) == {"empty"}


@pytest.mark.parametrize(("code", "counts"), [
    ("pump-reset", True), ("pump-timeout", True), ("requests", False), ("stuck-key", False), ("bolus-missed", False),
    ("wall-clock", False), ("reservoir-low", False),
])  # fmt: skip
def test_what_stops_nothing_does_not_count_least_of_all_a_key(code: str, counts: bool) -> None:
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, code, 0, 10_000, 20_000, 30_000)
    assert active(bench) == ({"recurring"} if counts else set())


def test_what_came_before_a_restart_counts() -> None:
    bench = Bench(LIMITS).confirmed()
    come_and_go(bench, "stalled", 0, MINUTE)
    bench.restart()
    come_and_go(bench, "stalled", 2 * MINUTE)
    assert "recurring" in active(bench)


@pytest.mark.parametrize(("on_loss", "runs"), [("stop", False), ({"hold": "4 h"}, True)])
def test_the_plan_goes_on_when_somebody_has_seen_it_and_resumes(on_loss: object, runs: bool) -> None:
    """With a hold what runs goes on to its own end; else it is stopped."""
    stack = healthy(plan_with_boluses(on_loss=on_loss))
    stack.run_to(HOUR)
    for n in range(3):
        stack.run_to(HOUR + n * MINUTE)
        stack.runner.raise_alarm("pump-reset", "again")
        stack.guard.clear_alarm("pump-reset")
    assert stack.controller.state is State.FAULT
    assert (stack.controller.run is not None) is runs
    stack.runner.acknowledge("Ann")
    stack.run_to(HOUR + 5 * MINUTE)
    assert stack.controller.state is State.PAUSED
    stack.ask("r", RequestKind.RESUME)
    stack.run_to(HOUR + 6 * MINUTE)
    assert stack.controller.state is State.RUNNING
