"""The controller's clock alone: a session in a state of the test's choice, and what ``Due`` says to it.

Plan time 0 is boot time 1 000 s; the basal is 1 nL/s where a test names no other, the lease 10 h, a status question due
only where a test asks for one.
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.controller.due import Due
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt, ReadStatus, Settle, Write
from pump_ctrl.controller.machine import State, Trigger
from pump_ctrl.controller.prescription import Bridge, Prescription, Slot
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.session import Session
from pump_ctrl.controller.totals import Run
from tests.toy_pace import HOUR
from tests.unit.composer_kit import EVEN, IMPLANT, MINUTE, TIMING
from tests.unit.fake_bench import ToySchedule

BOOT: Final = 1_000_000
FAR: Final = BOOT + 1_000 * HOUR
NEVER: Final = FAR - BOOT  # plan time of the status question that is asked last
RENEWED: Final = 35_200_000  # 15 min before the end of the run in force, at a step
OVER: Final = 36_002_000 + 30_001  # that run has surely ended
SLOT: Final = (2 * HOUR, 20 * MINUTE, 6_000)
LATE: Final = 2 * HOUR + 5 * MINUTE  # it may start until then
WAITING, READY, RUNNING, BOLUS, PRIMING, UNCERTAIN, PAUSED, STOPPED, FAULT = State
WAY: Final = {
    WAITING: (),
    READY: (Trigger.CONFIRM,),
    RUNNING: (Trigger.CONFIRM, Trigger.BASAL),
    BOLUS: (Trigger.CONFIRM, Trigger.BOLUS),
    PRIMING: (Trigger.CONFIRM, Trigger.PRIME),
    UNCERTAIN: (Trigger.CONFIRM, Trigger.LOST),
    PAUSED: (Trigger.CONFIRM, Trigger.PAUSE),
    STOPPED: (Trigger.CONFIRM, Trigger.STOP),
    FAULT: (Trigger.CONFIRM, Trigger.ALARM),
}


class Clocked:
    """A session and its clock; ``runs``: a lease of basal is in force, which ends at plan time 36 002 s."""

    def __init__(
        self,
        state: State,
        *levels: tuple[int, int],
        runs: bool = False,
        limits: Limits = IMPLANT,
        bolus: tuple[int, int, int] | None = None,
        bridge: Bridge | None = None,
        prime_nl: int = 0,
        prime_nl_per_h: int = 0,
    ) -> None:
        schedule = ToySchedule(*(levels or (EVEN,)), bolus=bolus)
        plan = Prescription(schedule, 4 * HOUR, prime_nl, bridge, prime_nl_per_h=prime_nl_per_h)
        self.s = Session(plan, limits, TIMING)
        self.due = Due(self.s)
        for trigger in WAY[state]:
            self.s.fire(trigger)
        self.s.offset, self.s.poll_at = -BOOT, FAR
        if runs:
            self.takes(self.s.composer.basal(0))

    def takes(self, run: Run, slot: Slot | None = None) -> Run:
        """The pump has taken it over just when it was composed for."""
        self.s.books.ask(run, slot)
        self.s.books.grant(0, compares=False)
        self.s.composer.told(run.from_ms)
        self.s.composer.renewed()
        return run

    def wake(self) -> int:
        """Plan time of the next look."""
        return self.due.next_wakeup() - BOOT

    def tick(self, plan_ms: int) -> list[str]:
        """What is done then: purposes of what is told, kinds of what is written, codes of alarms."""
        return [_shape(effect) for effect in self.effects(plan_ms)]

    def effects(self, plan_ms: int) -> list[Effect]:
        """The same, whole."""
        return self.due.tick(plan_ms + BOOT)


def _shape(effect: Effect) -> str:
    match effect:
        case Deliver(ask):
            return f"deliver {ask.purpose}"
        case Write(kind, _):
            return kind
        case Alarm(code, active, _):
            return f"alarm {code}" if active else f"no {code}"
        case Halt(why):
            return f"halt: {why}"
        case ReadStatus():
            return "status"
        case Settle():
            return "settle"
    return type(effect).__name__
