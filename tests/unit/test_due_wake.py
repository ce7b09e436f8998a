"""When the controller looks again: a session in each state."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge, Offer, Prescription
from tests.toy_pace import HOUR, ToyPace
from tests.unit.composer_kit import EVEN
from tests.unit.due_kit import (
    BOLUS,
    BOOT,
    FAR,
    FAULT,
    LATE,
    NEVER,
    OVER,
    PAUSED,
    READY,
    RENEWED,
    RUNNING,
    SLOT,
    STOPPED,
    UNCERTAIN,
    WAITING,
    Clocked,
)
from tests.unit.fake_bench import ToySchedule


@pytest.mark.parametrize(
    ("state", "runs", "told", "wakes"),
    [
        # a run in force: its successor, at the soonest when it may be looked for, and a status if that is sooner
        (RUNNING, True, {}, RENEWED),
        (RUNNING, True, {"poll_at": BOOT + HOUR}, HOUR),
        (RUNNING, True, {"look_at": BOOT + RENEWED + 5}, RENEWED + 5),
        (RUNNING, True, {"look_at": BOOT + HOUR}, RENEWED),
        (BOLUS, True, {}, OVER - 1),
        # what failed is tried again, and nothing else until then
        (RUNNING, True, {"retry_at": BOOT + HOUR}, HOUR),
        (RUNNING, True, {"retry_at": BOOT + RENEWED + 5}, RENEWED + 5),
        (RUNNING, True, {"retry_at": BOOT + OVER + 5}, OVER + 5),
        (RUNNING, True, {"retry_at": BOOT + HOUR, "poll_at": BOOT + 5}, 5),
        (READY, False, {"retry_at": BOOT + HOUR}, HOUR),
        # nothing runs: the basal is due
        (READY, False, {}, 0),
        (READY, False, {"look_at": BOOT + 5_000}, 5_000),
        # how long nothing has flowed
        (PAUSED, False, {"silent_since": HOUR}, 5 * HOUR),
        (PAUSED, False, {"silent_since": HOUR, "told_silence": True}, NEVER),
        (PAUSED, True, {"silent_since": HOUR}, OVER),
        (PAUSED, False, {"flow_due": 2 * HOUR}, 2 * HOUR),
        (PAUSED, True, {"flow_due": 2 * HOUR}, OVER),
        # a hold while nobody has confirmed: at once, or behind what runs
        (WAITING, False, {"hold_until": 3 * HOUR}, 0),
        (WAITING, True, {"hold_until": 3 * HOUR}, 3 * HOUR),
        (WAITING, True, {"hold_until": 20 * HOUR}, 36_002_000),
        (WAITING, True, {"hold_until": 3 * HOUR, "halting": True}, OVER),
        (WAITING, True, {"hold_until": 3 * HOUR, "retry_at": BOOT + HOUR}, HOUR),
        (WAITING, True, {"hold_until": 3 * HOUR, "retry_at": BOOT + 4 * HOUR}, 4 * HOUR),
        (WAITING, False, {"hold_until": 3 * HOUR, "retry_at": BOOT + HOUR}, HOUR),
        (WAITING, False, {}, NEVER),
        # what was left alone comes to its end
        (WAITING, True, {}, OVER),
        (FAULT, True, {}, OVER),
        (FAULT, True, {"look_at": BOOT + OVER + 5}, OVER + 5),
        (FAULT, True, {"look_at": BOOT + OVER - 5}, OVER),
        (FAULT, False, {}, NEVER),
    ],
)  # fmt: skip
def test_it_looks_again_when_something_may_be_due(
    state: State, runs: bool, told: dict[str, Any], wakes: int
) -> None:
    clocked = Clocked(state, runs=runs)
    for name, value in told.items():
        setattr(clocked.s, name, value)
    assert clocked.wake() == wakes


def test_a_plan_that_stands_still_is_looked_at_when_it_asks_again_and_when_the_silence_is_too_long() -> None:
    clocked = Clocked(READY, (0, 0), (20 * HOUR, 86_400))
    assert clocked.wake() == 20 * HOUR
    clocked.s.silent_since = 0
    assert clocked.wake() == 4 * HOUR
    clocked.s.flow_due = 2 * HOUR
    assert clocked.wake() == 2 * HOUR


@pytest.mark.parametrize("state", [UNCERTAIN, PAUSED, STOPPED, FAULT])
def test_where_no_bolus_can_be_told_it_looks_again_when_the_next_one_is_missed(state: State) -> None:
    assert Clocked(state, bolus=SLOT).wake() == LATE + 1
    assert Clocked(WAITING, bolus=SLOT).wake() == NEVER


def test_a_run_that_goes_on_as_it_should_has_nothing_due_but_statuses() -> None:
    assert Clocked(RUNNING, runs=True).due.steady_until() == BOOT + RENEWED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_at", FAR),
        ("look_at", 1),
        ("silent_since", 0),
        ("flow_due", 0),
        ("stops", 1),
        ("offer", Offer(Prescription(ToySchedule(EVEN), 0), b"", "tester")),
    ],
)
def test_nothing_is_as_ordinary_as_that_when_something_else_is_open(name: str, value: object) -> None:
    clocked = Clocked(RUNNING, runs=True)
    setattr(clocked.s, name, value)
    assert clocked.due.steady_until() == 0


def test_nothing_is_as_ordinary_as_that_without_a_run_in_a_bolus_and_in_a_bridge() -> None:
    bridge = Bridge(ToyPace(EVEN), 0, 10_000, 40_000, Fraction(0))
    assert Clocked(RUNNING).due.steady_until() == 0
    assert Clocked(BOLUS, runs=True).due.steady_until() == 0
    assert Clocked(RUNNING, runs=True, bridge=bridge).due.steady_until() == 0
