"""States, triggers and the one table of moves; diagram and test matrix are made from TABLE.

Layer      controller. Data only, and the binding to ``transitions``.
Hazard     a state that delivers though it must not, or one that nobody can leave.
Invariant  a move that is not in TABLE raises; STOP is possible from every state.
Tests      tests/unit/test_machine.py
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from transitions import Machine, MachineError

from pump_ctrl.errors import PumpCtrlError


class State(StrEnum):
    """What the controller is doing; the docstring of each member says what the pump may be doing."""

    WAITING = "WAITING"  # a person must confirm; at most an earlier lease or the bounded hold runs
    READY = "READY"  # may deliver; nothing runs
    RUNNING = "RUNNING"  # basal runs (a rest counts as running)
    BOLUS = "BOLUS"  # a bolus runs, basal follows by itself
    PRIMING = "PRIMING"  # a prime runs, nothing else
    UNCERTAIN = "UNCERTAIN"  # a command has no proven outcome; at most the old or the new steps run
    PAUSED = "PAUSED"  # a person, or a cleared fault, keeps the pump stopped until resume
    STOPPED = "STOPPED"  # a person stopped the pump
    FAULT = "FAULT"  # an alarm forbids delivery; the pump was told to stop


class Trigger(StrEnum):
    """What makes a state change."""

    CONFIRM = "confirm"
    BASAL = "basal_runs"
    BOLUS = "bolus_runs"
    PRIME = "prime_runs"
    ENDED = "part_ended"
    IDLE = "run_ended"
    LOST = "outcome_lost"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ALARM = "alarm_forbids"
    CLEARED = "alarms_allow"
    RESTART = "restart"


class Row(NamedTuple):
    """One allowed move."""

    trigger: Trigger
    source: State
    dest: State


S, T = State, Trigger
DELIVERING = (S.RUNNING, S.BOLUS, S.PRIMING)
MAY_DELIVER = (S.READY, *DELIVERING)
PARTS = (S.BOLUS, S.PRIMING)  # what the pump does first, to its end, before the basal

TABLE: tuple[Row, ...] = (
    Row(T.CONFIRM, S.WAITING, S.READY),
    *(Row(T.BASAL, source, S.RUNNING) for source in (S.READY, S.RUNNING, S.BOLUS, S.UNCERTAIN)),
    *(Row(T.BOLUS, source, S.BOLUS) for source in (S.READY, S.RUNNING, S.UNCERTAIN)),
    *(Row(T.PRIME, source, S.PRIMING) for source in (S.READY, S.RUNNING, S.UNCERTAIN)),
    Row(T.ENDED, S.BOLUS, S.RUNNING),
    *(Row(T.IDLE, source, S.READY) for source in (*DELIVERING, S.UNCERTAIN)),
    *(Row(T.LOST, source, S.UNCERTAIN) for source in MAY_DELIVER),
    *(Row(T.PAUSE, source, S.PAUSED) for source in (*MAY_DELIVER, S.UNCERTAIN)),
    *(Row(T.RESUME, source, S.READY) for source in (S.PAUSED, S.STOPPED)),
    *(Row(T.STOP, source, S.STOPPED) for source in State if source is not S.WAITING),
    Row(T.STOP, S.WAITING, S.WAITING),
    *(Row(T.ALARM, source, S.FAULT) for source in State if source is not S.WAITING),
    Row(T.ALARM, S.WAITING, S.WAITING),
    Row(T.CLEARED, S.FAULT, S.PAUSED),
    *(Row(T.RESTART, source, S.WAITING) for source in State),
)


class MoveError(PumpCtrlError):
    """A trigger that the table does not allow in the present state: a programming error."""


_BY_NAME: Final = {state.value: state for state in State}


class ControllerMachine:
    """The controller's state, changed by ``fire`` only; ``now`` is the present one."""

    state: str  # the name of ``now`` whenever the library decides

    def __init__(self, initial: State = State.WAITING) -> None:
        self._machine = Machine(
            model=self,
            states=[state.value for state in State],
            transitions=[[row.trigger.value, row.source.value, row.dest.value] for row in TABLE],
            initial=initial.value,
            auto_transitions=False,  # no move that is not in the table
        )
        self.now = initial  # looked at dozens of times a turn
        self._decided: dict[tuple[State, Trigger], State] = {}

    def fire(self, trigger: Trigger) -> State:
        """Make the move and return the new state.

        Raises:
            MoveError: the table has no such move.
        """
        # The table has no conditions: a move that the library has made once it makes alike each time.
        known = self._decided.get((self.now, trigger))
        if known is None:
            known = self._decided[self.now, trigger] = self._ask_library(trigger)
        self.now = known
        return known

    def _ask_library(self, trigger: Trigger) -> State:
        """Let the library decide and make the move from the present state; the new one."""
        self._machine.set_state(self.now.value)
        try:
            moved = self.trigger(trigger.value)  # type: ignore[attr-defined]  # bound by transitions
        except MachineError as error:
            raise MoveError(f"{trigger} is not possible in {self.state}: {error}") from None
        if not moved:
            raise MoveError(f"{trigger} was refused in {self.state}")
        return _BY_NAME[self.state]


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> WAITING"]
    lines += [
        f"    {row.source} --> {row.dest}: {row.trigger}" for row in TABLE if row.source is not row.dest
    ]
    return "\n".join(lines) + "\n"
