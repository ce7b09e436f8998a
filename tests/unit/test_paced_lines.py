"""What telling a pump takes on a real line, where each byte takes its time, and that a permit lasts for it.

Lines are those of docs/hardware.md: 19200 and 9600 baud for New Era, 115200 and 9600 for Harvard; 10 ms each way are
beside the bytes, as a USB adapter takes them. Times ms, volumes nL.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import pytest

from pump_ctrl.assembly import prescription_of, settings_of
from pump_ctrl.bench import stack as bench_stack
from pump_ctrl.bench.setup import make_wire, world_setup
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.totals import STILL
from pump_ctrl.drivers.base import Acked, Identity, Permit, Refused, Step, StepKind
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from sim.faults import FaultyWire
from sim.wire.pacing import PacedWire
from sim.world import Setup, World
from tests.driver_stacks import (
    PLAN,
    Kind,
    check_ledger,
    check_sums,
    missed_by_name,
    plan_of,
    records,
    stack_of,
)
from tests.whole_stack import HOUR, MINUTE, formulary, profile, sums_now

ADAPTER_MS: Final = 10
STOPS, HOLDS = Kind("ne-1000-bd-10ml", "stop"), Kind("ne-1000-bd-10ml", "4 h")
HARVARD, IMPLANT = Kind("pump-11-elite-bd-10ml", "4 h"), Kind("implant-40", "4 h")
# How long a permit lasts: T_s of data/timing.toml, less 500 ms for the last bytes where the pump sets no end itself.
LASTS: Final = {STOPS: 29_500, HOLDS: 29_500, HARVARD: 9_500, IMPLANT: 2_000}


def paced(setup: Setup, baud: int, protocol: str) -> tuple[World, PacedWire]:
    world, _ = make_wire(setup, (), protocol)
    return world, PacedWire(FaultyWire(world.firmware, world, latency_ms=ADAPTER_MS), baud)


class Line:
    """A driver alone on a paced line."""

    def __init__(self, kind: Kind, baud: int) -> None:
        plan, pump = plan_of(kind), profile(kind.pump)
        self.clock = VirtualClock()
        _, wire = paced(world_setup(plan, pump, None, seed=0), baud, pump.protocol)
        settings = settings_of(pump, prescription_of(plan, pump, formulary(), None))
        link = SimulatedLink(wire, self.clock)
        self.driver = driver_factory(pump.protocol)(link, 7, settings=settings, stop_requested=lambda: False)
        assert isinstance(self.driver.identify(), Identity)
        self._id = 5 << 32

    def took(self, steps: tuple[Step, ...], lasts: int) -> int | str:
        """How long the pump was told, ms; or what it was refused for."""
        begun, self._id = self.clock.boot_ms(), self._id + 1
        outcome = self.driver.deliver(Permit(self._id, steps, begun + lasts))
        if isinstance(outcome, Refused):
            return outcome.code
        assert isinstance(outcome, Acked), outcome
        return self.clock.boot_ms() - begun


def program(count: int) -> tuple[Step, ...]:
    """So many steps of half an hour, none like the one before."""
    return tuple(Step(StepKind.BASAL, 35_000 + 100 * (i % 7), 30 * MINUTE) for i in range(count))


LONGEST: Final = {STOPS: 39, HOLDS: 39, HARVARD: 1, IMPLANT: 13}


@pytest.mark.parametrize(
    ("kind", "baud", "most_ms"),
    [
        (STOPS, 19_200, 14_500), (STOPS, 9_600, 19_500), (HOLDS, 19_200, 13_000), (HOLDS, 9_600, 16_500),
        (HARVARD, 115_200, 450), (HARVARD, 9_600, 850), (IMPLANT, 19_200, 600), (IMPLANT, 9_600, 900),
    ],
    ids=str,
)  # fmt: skip
def test_the_longest_program_is_told_while_its_permit_lasts(kind: Kind, baud: int, most_ms: int) -> None:
    """The first one, on a pump without a tag, and the one after it, on a pump that runs."""
    line = Line(kind, baud)
    steps = program(LONGEST[kind])
    for _ in range(2):
        took = line.took(steps, LASTS[kind])
        assert isinstance(took, int), took
        assert took < most_ms
        line.clock.advance(MINUTE)


def test_a_permit_lasts_no_longer_than_the_ledger_reckons_with() -> None:
    """What left at its last moment has arrived when the doubt is over: 500 ms later, or the pump's 10 min."""
    doubt = {STOPS: 30_000, HOLDS: 30_000, HARVARD: 10_000, IMPLANT: 602_000}
    for kind, lasts in LASTS.items():
        stack = stack_of(kind)
        stack.begin()
        stack.run_to(MINUTE)
        (intent,) = records(stack, "intent")
        assert (intent["expires_ms"] - intent["at"], intent["doubt_ms"]) == (lasts, doubt[kind])


@pytest.mark.parametrize("kind", [STOPS, HOLDS, HARVARD], ids=str)
def test_a_pump_whose_every_answer_comes_late_but_in_time_gets_its_dose(kind: Kind) -> None:
    """D-08. Seen: from 80 ms an answer on a Harvard pump was stopped at every try and told nothing, for ever."""
    stack = SimulatedStack(
        plan_of(kind), profile(kind.pump), formulary(), faults=["delay-reply@0:by=300ms,count=0,type=all"]
    )
    stack.begin()
    stack.run_to(HOUR)
    assert [data["outcome"] for data in records(stack, "bolus")] == ["delivered"]
    assert not stack.guard.alarms
    planned, commanded, _ = sums_now(stack)
    assert commanded > planned * 99 / 100
    check_ledger(stack)
    check_sums(stack)


# ---- the whole stack ---------------------------------------------------------------------------------------


@contextmanager
def slow_lines(baud: int) -> Iterator[None]:
    with patch.object(bench_stack, "make_wire", lambda setup, _, protocol: paced(setup, baud, protocol)):
        yield


def many_steps(kind: Kind) -> DosingPlan:
    """A basal that changes 13 times a day."""
    on_loss = "stop" if kind.on_loss == "stop" else {"hold": kind.on_loss}
    values = tomllib.loads(PLAN.format(pump=kind.pump, on_loss='"stop"', filled="10 mL")) | {
        "on_loss": on_loss
    }
    rates = [12, 14, 13, 15, 12, 20, 16, 17, 15, 14, 13, 18, 12]
    steps = [{"from": f"{8 + i:02d}:00", "rate": f"{rate} ug/h"} for i, rate in enumerate(rates)]
    return plan_from(values | {"basal": {"steps": steps}})


@pytest.mark.parametrize("kind", [STOPS, HOLDS, HARVARD], ids=str)
def test_many_steps_go_over_a_line_of_9600_baud(kind: Kind) -> None:
    a_while_on_a_line(kind, 3)


@pytest.mark.deep
@pytest.mark.parametrize("kind", [STOPS, HOLDS, HARVARD], ids=str)
def test_a_day_of_many_steps_goes_over_a_line_of_9600_baud(kind: Kind) -> None:
    a_while_on_a_line(kind, 24)


def a_while_on_a_line(kind: Kind, hours: int) -> None:
    plan = many_steps(kind)
    with slow_lines(9_600):
        stack = SimulatedStack(plan, profile(plan.pump), formulary())
    stack.begin()
    stack.run_to(hours * HOUR)
    assert {data["what"] for data in records(stack, "outcome")} == {"acked"}
    assert stack.controller.state is State.RUNNING
    check_sums(stack)
    check_ledger(stack)
    planned, _, missed = sums_now(stack)
    assert missed * 500 < planned  # 0.2 %
    assert set(missed_by_name(stack)) <= {
        "not yet started", "run came late", STILL, "rate grid", "part of a step, at a cut",
        "pump gave less than told", "run ended without a successor",
        "basal below the plan beside a bolus, in a prime, in a hold or in a very short step",
    }  # fmt: skip
    assert stack.world.truth.counted_nl() <= planned


def test_on_a_line_too_slow_for_a_long_program_the_pump_is_told_shorter_ones() -> None:
    """1200 baud: 13 steps with the pauses between them take more than half a minute."""
    plan = many_steps(STOPS)
    with slow_lines(1_200):
        stack = SimulatedStack(plan, profile(plan.pump), formulary())
    stack.begin()
    stack.run_to(6 * HOUR)
    told = [len(data["steps"]) for data in records(stack, "intent")]
    assert {data.get("code") for data in records(stack, "outcome")} <= {None, "expired"}
    assert 1 in told
    assert stack.controller.state is State.RUNNING
    planned, _, missed = sums_now(stack)
    assert missed * 200 < planned
    check_ledger(stack)


class SlowDisk(MemoryJournal):
    """Each record takes 200 ms until it is durable."""

    def append(self, kind: str, data: Any) -> Any:  # noqa: ANN401
        if self.host is not None:
            self.host.advance(200)
        return super().append(kind, data)

    host: VirtualClock | None = None


def on_a_slow_disk(kind: Kind) -> SimulatedStack:
    plan = plan_of(kind)
    clock = VirtualClock(utc_ms=plan.start_utc_ms)
    journal = SlowDisk(clock)
    journal.host = clock
    stack = SimulatedStack(plan, profile(plan.pump), formulary(), clock=clock, journal=journal)
    stack.begin()
    return stack


@pytest.mark.parametrize("kind", [HOLDS, HARVARD, IMPLANT], ids=str)
def test_a_hold_is_told_though_the_disk_is_slow(kind: Kind) -> None:
    """Several records are written between deciding on a hold and its judgement."""
    stack = on_a_slow_disk(kind)
    stack.run_to(2 * HOUR)
    stack.restart()
    stack.runner.guard.stop("so that the hold is told anew")
    stack.run_to(stack.elapsed_ms + 10 * MINUTE)
    *_, last = records(stack, "intent")
    assert last["purpose"] == "hold"
    assert [d["what"] for d in records(stack, "outcome") if d["id"] == last["id"]] == ["acked"]
    run = stack.controller.run
    assert run is not None
    assert run.to_ms <= 6 * HOUR
    check_ledger(stack)
