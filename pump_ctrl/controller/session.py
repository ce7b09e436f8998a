"""What the parts of the controller share: the state, the books, the times and the reason why nothing runs.

Layer      controller, pure.
Tests      tests/unit/test_silence.py
"""

from __future__ import annotations

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.composer import Composer
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt, Write
from pump_ctrl.controller.machine import ControllerMachine, Trigger
from pump_ctrl.controller.prescription import Offer, Prescription, Slot, Timing
from pump_ctrl.controller.presses import Presses
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.totals import Run
from pump_ctrl.drivers.base import PumpStatus
from pump_ctrl.safety.ask import Ask, Purpose

STOPPED, PAUSED = "stopped by a person", "paused by a person"
RESOLVED = "resolved by a person, waiting for resume"
LEFT = "the controller was asked to end"
BY_PERSON = frozenset({STOPPED, PAUSED, RESOLVED})  # after these nothing flows until a person says so


class Session:
    """One controller's life.

    Attributes:
        state: the present state; ``fire`` changes it.
        stops_first: the pump is stopped before it is told anything new.
        rests_run: the pump runs through a rest; else it stands still and says so.
        offset: plan time minus boot time, ms.
        why: why nothing runs, for the gap in ``missed``.
        retry_at: boot time at which what failed is tried again; until then nothing new is asked.
        halting: a STOP has not been acknowledged.
        unsettled: the outcome of a command is not known.
        stood: how the pump stood when it acknowledged a STOP and was asked for that outcome.
        left_open: only a person can tell that outcome any more; the books are closed on it, and the hold goes on.
        stopped: a person stopped or paused the pump and nobody has let it go on since.
        prime_again: a person asked for the prime that is due; one denial ends it, and the basal goes on.
        look_at: boot time before which the end of a part is not looked for again.
        hold_until: plan time at which a hold has to be over, while WAITING.
        silent_since: plan time since when nothing has run though the plan asks.
        quiet_ms: how long that was when a rest of the plan began, which does not count.
        flow_due: plan time at which the plan asks for another flow, where nothing runs.
        left_running: an alarm forbids anything new, but the run in force goes on to its end.
        stops: runs in a row that the pump broke off.
        offer: another plan that waits for the end of a bolus.
        open_load: the id of such a wait, in a journal that is taken up.
    """

    def __init__(self, prescription: Prescription, limits: Limits, timing: Timing) -> None:
        self.timing = timing
        self.books = Books(prescription, limits.step_nl, limits.counter_nl)
        self.composer = Composer(self.books, limits, timing)
        self.stops_first = limits.stops_first
        self.rests_run = limits.grid is None or limits.grid.rests
        self.presses = Presses()
        self._machine = ControllerMachine()
        self.state = self._machine.now
        self.offset = 0
        self.poll_at = 0
        self.retry_at: int | None = None
        self.retry_wait = timing.retry_ms
        self.halting = False
        self.unsettled = False
        self.stood: PumpStatus | None = None
        self.left_open = False
        self.stopped = False
        self.look_at = 0
        self.prime_again = False
        self.why = "not yet started"
        self.hold_until: int | None = None
        self.silent_since: int | None = None
        self.quiet_ms = 0
        self.flow_due: int | None = None
        self.told_silence = False
        self.forbidden = False
        self.left_running = False
        self.stops = 0
        self.offer: Offer | None = None
        self.open_load: str | None = None

    @property
    def prescription(self) -> Prescription:
        """The plan in force."""
        return self.books.prescription

    @property
    def run(self) -> Run | None:
        """The run in force."""
        return self.books.totals.run

    def fire(self, trigger: Trigger) -> None:
        """Make a move of the state machine.

        Raises:
            MoveError: its table has no such move.
        """
        self.state = self._machine.fire(trigger)

    def plan_ms(self, now_ms: int) -> int:
        """Plan time at boot time ``now_ms``."""
        return now_ms + self.offset

    def axis_shift(self, new: Prescription) -> int:
        """Plan time of ``new`` minus plan time of the plan in force, ms."""
        return self.prescription.start_utc_ms - new.start_utc_ms

    def loaded(self, new: Prescription, plan_ms: int) -> None:
        """Another plan comes into force, ``plan_ms`` by its own time: what is told in plan time moves with it."""
        shift = self.axis_shift(new)
        self.offset += shift
        if self.silent_since is not None:
            self.silent_since += shift
        self.prime_again &= new.plan == self.prescription.plan
        self.composer.loaded(plan_ms)
        self.reset_retry()
        self.look_at = 0

    def unwritten(self) -> list[Effect]:
        """What an earlier life did not come to write; a load that it did not come to is not made (D-07)."""
        effects: list[Effect] = [*self.books.unwritten()]
        if self.open_load is not None:
            effects.append(
                answer(self.open_load, "dropped: the controller was started again before the load")
            )
            self.open_load = None
        return effects

    def retry(self, now: int) -> None:
        """Try again after a wait that doubles each time."""
        self.retry_at = now + self.retry_wait
        self.retry_wait = min(2 * self.retry_wait, self.timing.retry_max_ms)

    def reset_retry(self) -> None:
        """What was tried has worked; a STOP that is not acknowledged is sent again all the same."""
        if not self.halting:
            self.retry_at, self.retry_wait = None, self.timing.retry_ms

    def ask(self, run: Run, purpose: Purpose, slot: Slot | None) -> list[Effect]:
        """Write the run down and hand it to the guard."""
        ask = Ask(run.request_id, purpose, run.account, tuple([span.step() for span in run.spans]))
        return [*self.books.ask(run, slot), Deliver(ask)]

    def halt(self, trigger: Trigger, why: str) -> list[Effect]:
        """Move to a state without delivery and stop the pump; STOP is repeated until it is acknowledged."""
        self.fire(trigger)
        self.why, self.halting, self.left_running = why, True, False
        return [Halt(why)]

    def went_silent(self, plan: int) -> None:
        """From then on nothing runs."""
        self.silent_since, self.told_silence, self.quiet_ms = plan - self.quiet_ms, False, 0

    def flows(self) -> list[Effect]:
        """The pump has given some of the run in force."""
        silent, self.silent_since, self.quiet_ms = self.silent_since, None, 0
        return [] if silent is None else [Alarm("under-delivery", False, "the pump delivers")]

    def under_delivery(self, plan: int) -> list[Effect]:
        """Nothing flowed though the plan asks, for longer than the drug allows: an alarm of its own (S-31).

        A run that the pump breaks off before its first step does not begin the time anew, nor does a rest of the plan.
        """
        if self.books.totals.run is not None:
            self.flow_due = None  # nearly always
            return []
        pace = self.books.pace()
        self.flow_due = pace.next_change(plan)
        if pace.rate(plan) == 0:
            if self.silent_since is not None:
                self.quiet_ms, self.silent_since = plan - self.silent_since, None
            return []
        if self.silent_since is None:
            self.went_silent(plan)
            return []
        quiet = plan - self.silent_since
        if quiet < self.prescription.under_delivery_ms:
            return []
        self.told_silence = True
        return [Alarm("under-delivery", True, f"nothing delivered for {quiet} ms: {self.why}")]


def answer(request_id: str, text: str) -> Write:
    """The journal's line on what became of a request."""
    return Write("answer", {"request": request_id, "text": text})
