"""People's side of the controller: requests, alarms that were looked at, waking up and the confirm.

Layer      controller, pure.
Hazard     a restart that doses by itself, an acknowledged alarm that opens the pump again.
Invariant  only a confirm leaves WAITING, only a resume leaves PAUSED and STOPPED.
Tests      tests/unit/test_people.py, tests/unit/test_people_restart.py
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, assert_never

from pump_ctrl.controller.books import Bolus, bolus_record
from pump_ctrl.controller.effects import Effect, Halt, Settle, Write
from pump_ctrl.controller.events import AlarmsChanged, Confirmed, RequestKind, Waiting
from pump_ctrl.controller.machine import MAY_DELIVER, State, Trigger
from pump_ctrl.controller.presses import STUCK, STUCK_WORDS
from pump_ctrl.controller.pump_side import SETTLED, PumpSide
from pump_ctrl.controller.session import LEFT, PAUSED, STOPPED, Session, answer
from pump_ctrl.controller.totals import Run
from pump_ctrl.drivers.base import Evidence, Given, NotGiven, Nothing, PumpState
from pump_ctrl.safety.ask import Purpose

PLAN_TOLERANCE_MS: Final = 2_000  # a confirm that moves plan time by less moves nothing
HOLDABLE: Final = (State.READY, State.RUNNING, State.BOLUS)  # a hold may follow; a prime is always stopped
PATH_FULL: Final = "what has left since the path was new fills it; a new path is told with a refill"
PATIENT_REASONS: Final = {
    "no-patient-bolus": "the plan has no patient bolus",
    "bolus-overlap": "a bolus is running",
    "slot-ahead": "it could not end before the next scheduled bolus",
    "bridge": "boluses are off while the old fluid is in the path",
    STUCK: STUCK_WORDS,
}


class People:
    """Takes in what people ask and confirm."""

    def __init__(self, session: Session, pump: PumpSide) -> None:
        self._s, self._pump = session, pump

    def requested(self, request_id: str, kind: RequestKind, now: int) -> list[Effect]:
        """Somebody asks for something."""
        match kind:
            case RequestKind.STOP:
                return self._stop()
            case RequestKind.PAUSE:
                return self._pause()
            case RequestKind.RESUME:
                return self._resume(now)
            case RequestKind.PATIENT_BOLUS:
                return self._patient(request_id, now)
            case RequestKind.PRIME:
                return self._prime(request_id, now)
        assert_never(kind)

    def _stop(self) -> list[Effect]:
        """STOP is possible always; what a person stopped starts again by a person only, no hold either."""
        self._s.hold_until, self._s.stopped = None, True
        return self._s.halt(Trigger.STOP, STOPPED)

    def _pause(self) -> list[Effect]:
        if self._s.state not in (*MAY_DELIVER, State.UNCERTAIN):
            return [answer("pause", f"refused: not possible in {self._s.state}")]
        return self._s.halt(Trigger.PAUSE, PAUSED)

    def _resume(self, now: int) -> list[Effect]:
        if self._s.state in MAY_DELIVER:
            return [answer("resume", f"refused: nothing is paused or stopped, the state is {self._s.state}")]
        if self._s.state not in (State.PAUSED, State.STOPPED) or self._s.halting or self._s.forbidden:
            return [
                answer("resume", f"refused: not possible in {self._s.state}; clear the alarms and stop first")
            ]
        self._s.fire(Trigger.RESUME)
        self._s.reset_retry()
        if self._s.unsettled:
            self._s.fire(Trigger.LOST)
            return [answer("resume", "done, once the outcome of the last command is known"), Settle()]
        return [*self._s.books.idle(self._s.plan_ms(now), self._s.why), answer("resume", "done")]

    def _prime(self, request_id: str, now: int) -> list[Effect]:
        if self._s.state is not State.READY and self._s.state is not State.RUNNING:
            return [answer(request_id, f"refused: no prime in {self._s.state}")]
        if self._s.prescription.prime_nl == 0:
            return [answer(request_id, "refused: the plan has no prime")]
        if not self._s.books.prime_left_nl(self._s.plan_ms(now)):
            return [answer(request_id, f"refused: {PATH_FULL}")]
        self._s.books.primed, self._s.prime_again = False, True
        if self._s.run is None:
            return [answer(request_id, "done")]
        self._s.halting = True  # nothing else may run beside a prime
        return [Halt("a prime was asked for"), answer(request_id, "done")]

    def _patient(self, request_id: str, now: int) -> list[Effect]:
        plan, pressed = self._s.plan_ms(now), self._s.presses.pressed(now)
        rule = self._patient_rule(plan)
        if rule:
            terms = self._s.prescription.schedule.patient
            volume = Fraction(0) if terms is None else terms.volume_nl
            bolus = Bolus(request_id, "patient", plan, int(volume), volume)
            why = PATIENT_REASONS.get(rule, f"not possible in {self._s.state}")
            told = bolus_record(bolus, "refused", 0, rule, why)
            return [told, *pressed, *self._s.presses.refused(rule, now)]
        return [
            *pressed,
            *self._s.books.idle(plan, self._s.why),
            *self._s.ask(self._s.composer.patient(plan, request_id), Purpose.PATIENT, None),
        ]

    def _patient_rule(self, plan: int) -> str:
        """Why the controller itself cannot take the request now; lockout and counts are the guard's."""
        terms, slot = self._s.prescription.schedule.patient, self._s.composer.slot()
        if terms is None:
            return "no-patient-bolus"
        if self._s.presses.stuck:
            return STUCK
        if self._s.state not in (State.READY, State.RUNNING) or plan < 0 or not self._s.books.primed:
            return "bolus-overlap" if self._s.state is State.BOLUS else "not-running"
        if self._s.books.bridging:
            return "bridge"
        if slot is not None and self._s.composer.patient_end(plan) > slot.at_ms:
            return "slot-ahead"
        return ""

    def alarms(self, event: AlarmsChanged) -> list[Effect]:
        """The active alarms forbid the basal, or cease to; what the plan's hold covers goes on to its end."""
        if event.forbid and not self._s.forbidden:
            self._s.poll_at = 0  # only what the pump says can end most of them
        self._s.forbidden = event.forbid
        why = f"alarm: {', '.join(event.codes)}"
        if event.forbid and event.leave_running and self._s.state is State.RUNNING:
            self._s.fire(Trigger.ALARM)
            self._s.why, self._s.left_running = why, True
        elif event.forbid and (self._s.state is not State.FAULT or self._s.left_running):
            return self._s.halt(Trigger.ALARM, why)
        elif not event.forbid and self._s.state is State.FAULT:
            return self._cleared()
        return []

    def _cleared(self) -> list[Effect]:
        self._s.fire(Trigger.CLEARED)
        self._s.why = "alarm cleared, waiting for resume"
        if not self._s.left_running:
            return []
        self._s.left_running, self._s.halting = False, True  # from here on a person is there to resume
        return [Halt(self._s.why)]

    def waiting(self, event: Waiting, now: int) -> list[Effect]:
        """A journal that has dosed: nothing new until a person confirms (D-13)."""
        self._s.offset = event.plan_ms - now
        self._s.hold_until = None if self._s.stopped else event.hold_until_ms
        effects: list[Effect] = [*self._s.unwritten()]
        if self._s.stops_first:
            effects += self._s.books.begin_anew(event.status, taken=isinstance(event.evidence, Given))
        effects += self._wake_up(event.evidence, now)
        if self._s.stops_first and not isinstance(event.evidence, Given):
            effects += self._s.books.begin_anew(event.status, taken=False)
        self._s.reset_retry()
        if isinstance(event.evidence, Nothing):
            self._s.unsettled = True
            self._s.retry(now)
        self._s.why = "waiting for a person after a restart"
        if self._s.stopped or not event.runs_on:
            self._s.halting = True
            effects.append(Halt(self._s.why))
        return effects

    def _wake_up(self, evidence: Evidence | None, now: int) -> list[Effect]:
        """What became of the command that was under way when the controller died."""
        match evidence:
            case Given(lo, _, ended, status):
                taken = self._s.books.take_over(status, lo, lasts=not self._s.stops_first)
                effects: list[Effect] = [*taken, SETTLED]
                return effects + (self._pump.run_ended(status, "run ended by the pump", now) if ended else [])
            case NotGiven(why, _):
                return [*self._pump.not_given("refused", "not-given", why, now), SETTLED]
            case None if self._s.books.asked is not None:
                return self._pump.from_records(now)
        return []

    def confirmed(self, event: Confirmed, now: int) -> list[Effect]:
        """A person confirmed: the plan may go on."""
        effects = self._s.unwritten()
        if self._s.books.asked is not None:
            effects += self._pump.from_records(now)
        effects += self._moved(event, now)
        self._s.offset, self._s.hold_until = event.plan_ms - now, None
        self._s.unsettled = self._s.stopped = False
        self._s.poll_at = now + self._s.timing.poll_ms
        self._s.reset_retry()
        effects.append(Write("plan_time", {"plan_ms": event.plan_ms, "boot_ms": now}))
        self._s.books.set_plan_time(event.plan_ms)
        if event.status.state is not PumpState.RUNNING:
            effects += self._pump.run_ended(event.status, self._s.why, now)
        self._s.fire(Trigger.CONFIRM)
        if self._s.run is not None:
            effects += self._goes_on(self._s.run, event, now)
        return effects

    def leaving(self, hold_until: int | None, now: int) -> list[Effect]:
        """The process was asked to end: one bounded hold where the plan says so, else STOP (D-14).

        What is bounded already, as a hold of an earlier life or a command whose outcome is not known, goes on to
        its own end.
        """
        s, plan = self._s, self._s.plan_ms(now)
        if hold_until is None or s.halting:
            return s.halt(Trigger.STOP, LEFT)
        if s.state is State.UNCERTAIN or s.left_running or (s.state is State.WAITING and s.run is not None):
            return []
        if s.books.open_bolus is not None:
            s.why, s.halting = LEFT, True
            return [Halt(LEFT)]  # told again then: a bolus is cut by a STOP, whose counter closes its books
        hold = s.composer.hold(plan, hold_until) if s.state in HOLDABLE and plan >= 0 else None
        if hold is None or not hold.volume_nl:
            return s.halt(Trigger.STOP, LEFT)
        s.fire(Trigger.RESTART)
        s.hold_until, s.why = hold_until, LEFT
        return s.ask(hold, Purpose.HOLD, None)

    def _moved(self, event: Confirmed, now: int) -> list[Effect]:
        """Plan time is another than thought: the run in force is closed in its own time (D-16)."""
        if abs(event.plan_ms - self._s.plan_ms(now)) <= PLAN_TOLERANCE_MS:
            return []
        return self._pump.run_ended(event.status, "plan time was moved", now)

    def _goes_on(self, run: Run, event: Confirmed, now: int) -> list[Effect]:
        """The pump still runs what it was told before; the plan's own run replaces it at the next tick."""
        if self._s.books.open_bolus is not None and event.plan_ms < run.spans[0].to_ms:
            self._s.fire(Trigger.BOLUS)
            return []
        self._s.fire(Trigger.BASAL)
        self._s.composer.renew_from(event.plan_ms)
        return [*self._s.books.close_bolus(event.plan_ms, event.status)]
