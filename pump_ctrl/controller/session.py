"""What the parts of the controller share: the state, the books, the times and the reason why nothing runs.

Layer      controller, pure.
Tests      tests/unit/test_core.py
"""

from __future__ import annotations

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.composer import Composer
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt
from pump_ctrl.controller.machine import ControllerMachine, State, Trigger
from pump_ctrl.controller.prescription import Prescription, Slot, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.totals import Run
from pump_ctrl.safety.ask import Ask, Purpose

STOPPED, PAUSED = "stopped by a person", "paused by a person"
RESOLVED = "resolved by a person, waiting for resume"
BY_PERSON = frozenset({STOPPED, PAUSED, RESOLVED})  # after these nothing flows until a person says so


class Session:
    """One controller's life.

    Attributes:
        offset: plan time minus boot time, ms.
        why: why nothing runs, for the gap in ``missed``.
        retry_at: boot time at which what failed is tried again; until then nothing new is asked.
        halting: a STOP has not been acknowledged.
        unsettled: the outcome of a command is not known.
        stopped: a person stopped or paused the pump and nobody has let it go on since.
        prime_again: a person asked for a prime; one denial ends it, and the basal goes on.
        look_at: boot time before which the end of a part is not looked for again.
        hold_until: plan time at which a hold has to be over, while WAITING.
        silent_since: plan time since when nothing has run though the plan asks.
        left_running: an alarm forbids anything new, but the run in force goes on to its end.
        stops: runs in a row that the pump broke off.
    """

    def __init__(self, prescription: Prescription, limits: Limits, timing: Timing) -> None:
        self.prescription, self.timing = prescription, timing
        self.books = Books(prescription, limits.step_nl)
        self.composer = Composer(self.books, limits, timing)
        self.machine = ControllerMachine()
        self.offset = 0
        self.poll_at = 0
        self.retry_at: int | None = None
        self.retry_wait = timing.retry_ms
        self.halting = False
        self.unsettled = False
        self.stopped = False
        self.look_at = 0
        self.prime_again = False
        self.why = "not yet started"
        self.hold_until: int | None = None
        self.silent_since: int | None = None
        self.told_silence = False
        self.forbidden = False
        self.left_running = False
        self.stops = 0

    @property
    def state(self) -> State:
        """The present state."""
        return self.machine.now

    @property
    def run(self) -> Run | None:
        """The run in force."""
        return self.books.run

    def plan_ms(self, now_ms: int) -> int:
        """Plan time at boot time ``now_ms``."""
        return now_ms + self.offset

    def retry(self, now: int) -> None:
        """Try again after a wait that doubles each time."""
        self.retry_at = now + self.retry_wait
        self.retry_wait = min(2 * self.retry_wait, self.timing.retry_max_ms)

    def reset_retry(self) -> None:
        """What was tried has worked."""
        self.retry_at, self.retry_wait = None, self.timing.retry_ms

    def ask(self, run: Run, purpose: Purpose, slot: Slot | None) -> list[Effect]:
        """Write the run down and hand it to the guard."""
        ask = Ask(run.request_id, purpose, run.account, tuple(span.step() for span in run.spans))
        return [*self.books.ask(run, slot), Deliver(ask)]

    def halt(self, trigger: Trigger, why: str) -> list[Effect]:
        """Move to a state without delivery and stop the pump; STOP is repeated until it is acknowledged."""
        self.machine.fire(trigger)
        self.why, self.halting, self.left_running = why, True, False
        return [Halt(why)]

    def went_silent(self, plan: int) -> None:
        """From now on nothing runs."""
        self.silent_since, self.told_silence = plan, False

    def flows(self) -> list[Effect]:
        """The pump has given some of the run in force."""
        if self.silent_since is None:
            return []
        self.silent_since = None
        return [Alarm("under-delivery", False, "the pump delivers")]

    def under_delivery(self, plan: int) -> list[Effect]:
        """Nothing flowed though the plan asks, for longer than the drug allows: an alarm of its own (S-31).

        A run that the pump breaks off before its first step does not begin the time anew.
        """
        if self.books.pace().rate(plan) == 0:
            self.silent_since = None
        if self.run is not None or self.books.pace().rate(plan) == 0:
            return []
        if self.silent_since is None:
            self.went_silent(plan)
        quiet = plan - (plan if self.silent_since is None else self.silent_since)
        if quiet < self.timing.under_delivery_ms:
            return []
        self.told_silence = True
        return [Alarm("under-delivery", True, f"nothing delivered for {quiet} ms: {self.why}")]
