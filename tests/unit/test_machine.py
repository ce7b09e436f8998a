"""The state machine's table: reachability, ways out, and that nothing outside the table is possible."""

from __future__ import annotations

from collections import deque
from itertools import product

import pytest

from pump_ctrl.controller.machine import (
    DELIVERING,
    MAY_DELIVER,
    TABLE,
    ControllerMachine,
    MoveError,
    State,
    Trigger,
    diagram,
)

EACH = "WAITING READY RUNNING BOLUS PRIMING UNCERTAIN PAUSED STOPPED FAULT"
MAY = "READY RUNNING BOLUS PRIMING"
# Worked out from the states' meanings; states go into the journal by these names, triggers into the diagram.
MOVES = (
    ("confirm", "WAITING", "READY"),
    ("basal_runs", "READY RUNNING BOLUS UNCERTAIN", "RUNNING"),
    ("bolus_runs", "READY RUNNING UNCERTAIN", "BOLUS"),
    ("prime_runs", "READY RUNNING UNCERTAIN", "PRIMING"),
    ("part_ended", "BOLUS", "RUNNING"),
    ("run_ended", "RUNNING BOLUS PRIMING UNCERTAIN", "READY"),
    ("outcome_lost", MAY, "UNCERTAIN"),
    ("pause", f"{MAY} UNCERTAIN", "PAUSED"),
    ("resume", "PAUSED STOPPED", "READY"),
    ("stop", f"{MAY} UNCERTAIN PAUSED STOPPED FAULT", "STOPPED"),
    ("stop", "WAITING", "WAITING"),
    ("alarm_forbids", f"{MAY} UNCERTAIN PAUSED STOPPED FAULT", "FAULT"),
    ("alarm_forbids", "WAITING", "WAITING"),
    ("alarms_allow", "FAULT", "PAUSED"),
    ("restart", EACH, "WAITING"),
)


def reachable(start: State) -> set[State]:
    seen, queue = {start}, deque([start])
    while queue:
        state = queue.popleft()
        for row in TABLE:
            if row.source is state and row.dest not in seen:
                seen.add(row.dest)
                queue.append(row.dest)
    return seen


def test_the_moves_are_these_and_no_others() -> None:
    written = {(trigger, source, dest) for trigger, sources, dest in MOVES for source in sources.split()}
    assert {(row.trigger.value, row.source.value, row.dest.value) for row in TABLE} == written


def test_every_state_can_be_reached_from_the_start() -> None:
    assert reachable(State.WAITING) == set(State)


@pytest.mark.parametrize("state", State)
def test_stop_and_alarm_are_possible_in_every_state(state: State) -> None:
    allowed = {row.trigger for row in TABLE if row.source is state}
    assert {Trigger.STOP, Trigger.ALARM} <= allowed


@pytest.mark.parametrize("state", State)
def test_ready_can_be_reached_from_every_state(state: State) -> None:
    assert State.READY in reachable(state)


def test_an_alarm_is_never_left_straight_into_a_state_that_may_deliver() -> None:
    leaving = {row.dest for row in TABLE if row.source is State.FAULT}
    assert leaving.isdisjoint(MAY_DELIVER)


def test_only_a_confirm_leaves_waiting() -> None:
    leaving = {row.trigger for row in TABLE if row.source is State.WAITING and row.dest is not State.WAITING}
    assert leaving == {Trigger.CONFIRM}


def test_one_trigger_in_one_state_has_one_destination() -> None:
    pairs = [(row.trigger, row.source) for row in TABLE]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize(("state", "trigger"), list(product(State, Trigger)))
def test_the_machine_does_what_the_table_says_and_nothing_else(state: State, trigger: Trigger) -> None:
    machine = ControllerMachine(state)
    row = next((r for r in TABLE if r.source is state and r.trigger is trigger), None)
    if row is None:
        with pytest.raises(MoveError):
            machine.fire(trigger)
        assert machine.now is state
    else:
        assert machine.fire(trigger) is row.dest


def test_a_move_made_before_is_made_alike_and_the_next_one_goes_from_there() -> None:
    machine = ControllerMachine()
    for trigger, state in (
        (Trigger.CONFIRM, State.READY),
        (Trigger.BASAL, State.RUNNING),
        (Trigger.PAUSE, State.PAUSED),
        (Trigger.RESUME, State.READY),
        (Trigger.BASAL, State.RUNNING),  # known by now
        (Trigger.IDLE, State.READY),  # asked for anew, from where the known one led
        (Trigger.RESTART, State.WAITING),
    ):
        assert machine.fire(trigger) is machine.now is state


def test_there_is_no_jump_to_any_state() -> None:
    machine = ControllerMachine()
    assert not any(hasattr(machine, f"to_{state.value}") for state in State)


def test_the_diagram_shows_every_move_between_two_states() -> None:
    first, second, *drawn = diagram().splitlines()
    assert (first, second) == ("stateDiagram-v2", "    [*] --> WAITING")
    assert "    READY --> RUNNING: basal_runs" in drawn
    assert set(drawn) == {
        f"    {row.source} --> {row.dest}: {row.trigger}" for row in TABLE if row.source is not row.dest
    }


def test_delivering_states_are_among_those_that_may_deliver() -> None:
    assert set(DELIVERING) < set(MAY_DELIVER)
