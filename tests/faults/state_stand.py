"""A stack that is brought into a state of the controller before a fault befalls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pump_ctrl.controller.machine import State
from tests.driver_stacks import Kind
from tests.faults.pair_stand import Pair, PairStand
from tests.faults.parts import MINUTE

HOLDING: Final = "holding"  # WAITING, and the bounded hold runs
STATES: Final = (*(state.value for state in State), HOLDING)
UNATTENDED: Final = 10 * MINUTE
NOBODY: Final = "settle"  # the second half of a pair that has none: a look, which changes nothing


class StateStand(PairStand):
    """One pump in one state, and one fault.

    Args:
        pump: its profile.
        state: one of ``STATES``.
        texts: what happens, in order, 3 s apart: of ``parts.PARTS``.
    """

    def __init__(self, pump: str, state: str, texts: tuple[str, ...]) -> None:
        on_loss = "4 h" if state == HOLDING else "stop"
        plan = "primed" if state == State.PRIMING else "short"
        first, second = (*texts, NOBODY, NOBODY)[:2]
        super().__init__(Pair(pump, on_loss, plan, first, 0, second, 0, 0))
        self.state, self.texts = state, texts

    def response(self) -> str:
        """The state after ten minutes in which nobody looks; then a person does, and everything has to hold."""
        self.stack.begin()
        REACH[self.state](self)
        found = HOLDING if self._holds() else self.stack.controller.state.value
        assert found == self.state, f"{self.kind} does not get into {self.state}: {found}"
        for text in self.texts:
            self._befall(text)
            self._run_to(self.now + 3_000)
        self._run_to(self.now + UNATTENDED)
        response = "dead" if self.dead else HOLDING if self._holds() else self.stack.controller.state.value
        self._mended()
        return response

    def _holds(self) -> bool:
        return self.stack.controller.state is State.WAITING and self.stack.controller.run is not None

    def until(self, state: State, span: int) -> None:
        """Turn by turn until the controller is in ``state``."""
        end = self.now + span
        while self.stack.controller.state is not state and self.now < end:
            wake = self.stack.controller.next_wakeup() - self.stack.clock.boot_ms()
            self._run_to(self.now + max(1, min(wake, 1_000)))


def _running(stand: StateStand) -> None:
    stand._run_to(12 * MINUTE)


def _bolus(stand: StateStand) -> None:
    stand._run_to(35 * MINUTE)


def _ready(stand: StateStand) -> None:
    """The pump has lost its power for a moment: for some seconds nothing runs, and it may deliver."""
    _running(stand)
    stand._fault("power-loss")
    stand.until(State.READY, 2 * MINUTE)


def _priming(stand: StateStand) -> None:
    stand.until(State.PRIMING, MINUTE)


def _uncertain(stand: StateStand) -> None:
    """Nobody hears what became of the start of the bolus."""
    stand._run_to(30 * MINUTE - 1)
    stand._fault("lose-reply:type=commit")
    stand.until(State.UNCERTAIN, 2 * MINUTE)


def _after(word: str) -> Callable[[StateStand], None]:
    def reach(stand: StateStand) -> None:
        _running(stand)
        stand._does(word)

    return reach


def _fault(stand: StateStand) -> None:
    """What a sensor of the flow would raise; a person vouches for it later."""
    _running(stand)
    stand.stack.runner.raise_alarm("flow", "from outside")


def _waiting(stand: StateStand) -> None:
    _running(stand)
    stand._off(1_000)


REACH: Final[Mapping[str, Callable[[StateStand], None]]] = MappingProxyType(
    {
        State.WAITING: _waiting,
        State.READY: _ready,
        State.RUNNING: _running,
        State.BOLUS: _bolus,
        State.PRIMING: _priming,
        State.UNCERTAIN: _uncertain,
        State.PAUSED: _after("pause"),
        State.STOPPED: _after("stop"),
        State.FAULT: _fault,
        HOLDING: _waiting,
    }
)


def response(kind: Kind | str, state: str, texts: tuple[str, ...]) -> str:
    """The state in which a fault in ``state`` leaves the controller, ten minutes later."""
    return StateStand(str(kind), state, texts).response()
