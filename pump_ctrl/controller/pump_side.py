"""The pump's side of the controller: what its answers mean for the state and the books.

Layer      controller, pure.
Hazard     a lost answer that is taken for a no, or for a yes.
Invariant  what surely was not given may be asked again within its time; what is not known blocks.
Tests      tests/unit/test_pump_side.py, test_pump_side_unknown.py, test_pump_side_rest.py
"""

from __future__ import annotations

from typing import Final, assert_never

from pump_ctrl.controller.books import BOLUSES, Bolus, bolus_record
from pump_ctrl.controller.effects import Alarm, Effect, Halt, Settle
from pump_ctrl.controller.machine import DELIVERING, MAY_DELIVER, State, Trigger
from pump_ctrl.controller.session import RESOLVED, Session
from pump_ctrl.controller.totals import Run
from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Given,
    NotGiven,
    Nothing,
    Outcome,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.safety.ask import Ask, Denied, Purpose

LASTING: Final = ("basal", "scheduled", "patient")  # runs with basal behind them, which can be shorter
TRANSIENT: Final = frozenset({"pump", "not-given"})  # surely not given, for a reason that may pass
WHY_ENDED: Final = {
    PumpState.IDLE: "run ended without a successor",
    PumpState.STALLED: "pump stalled",
    PumpState.EMPTY: "reservoir empty",
    PumpState.FAILED: "pump failed",
}
RUNNING: Final = PumpState.RUNNING  # asked for with every status, and an enum's own look-up is slow
GIVES_BOLUS: Final = State.BOLUS
AT_REST: Final = (State.PAUSED, State.STOPPED, State.FAULT)
SETTLED: Final = Alarm("unsettled", False, "settled")
OVER: Final = tuple([Alarm(code, False, "the pump runs") for code in ("refused", "hold-ended")])
BOLUS_GIVEN: Final = Alarm("bolus-missed", False, "the pump runs")
TRIGGER_OF: Final = {"scheduled": Trigger.BOLUS, "patient": Trigger.BOLUS, "prime": Trigger.PRIME}


class PumpSide:
    """Takes in what the pump says."""

    def __init__(self, session: Session) -> None:
        self._s = session

    def answered(self, ask: Ask, outcome: Denied | Outcome, unfit: str, now: int) -> list[Effect]:
        """What became of a request; ``unfit``: why a pump that refused does not fit any more."""
        self._s.poll_at = now + self._s.timing.poll_ms
        match outcome:
            case Acked(status):
                self._s.composer.told(self._s.plan_ms(now))
                return self.took_over(status, status.step_done_nl if self._s.stops_first else 0, now)
            case Denied():
                return self._shorter(outcome, now) or self.not_given(
                    "refused", outcome.rule, str(outcome), now
                )
            case Refused():
                return self._refused(outcome, unfit, len(ask.steps), now)
            case Unknown(detail):
                return self._lost(detail, now)
        assert_never(outcome)

    def _shorter(self, denied: Denied, now: int) -> list[Effect]:
        """The reservoir holds less than was asked for, but enough for a shorter run: that is asked for next (S-32).

        What is due is composed anew by itself; a press of the patient's is asked for again here.
        """
        s, run, (denial, *more) = self._s, self._s.books.asked, denied.denials
        if run is None or more or denial.rule != "reservoir" or run.purpose not in LASTING:
            return []
        if not s.composer.runs_dry(run, denial.limit - denial.counted):
            return []
        dropped = s.books.drop("reservoir: a shorter run is asked for", s.composer.slot_of(run))
        if run.purpose != "patient":
            return [*dropped]
        return [*dropped, *s.ask(s.composer.patient(s.plan_ms(now), run.request_id), Purpose.PATIENT, None)]

    def _refused(self, refusal: Refused, unfit: str, steps: int, now: int) -> list[Effect]:
        """Nothing began. A pump that was stopped to be told it has ended the run in force, whose books close now."""
        code, status = refusal.code, refusal.status
        if code == "expired" and steps > 1:
            self._s.composer.shorten()
        effects = self.not_given("refused", "pump", f"the pump refused: {code}{unfit and f'. {unfit}'}", now)
        if status is None or status.state is PumpState.RUNNING or not self._s.stops_first:
            return effects
        return [*effects, *self.run_ended(status, f"refused: {code}", now)]

    def took_over(self, status: PumpStatus, given_new: int, now: int) -> list[Effect]:
        """The pump carries out what was asked; it has given ``given_new`` nL of it already."""
        run = self._s.books.asked
        if run is None:
            return []
        self._s.reset_retry()
        self._s.composer.renewed()
        before = self._s.books.given(self._s.plan_ms(now), status) > given_new
        effects = self._s.flows() if before else []
        effects += self._s.books.take_over(status, given_new, lasts=not self._s.stops_first)
        if self._s.state in (*MAY_DELIVER, State.UNCERTAIN):
            self._s.fire(TRIGGER_OF.get(run.purpose, Trigger.BASAL))
        if self._s.state not in AT_REST:
            self._s.why = WHY_ENDED[PumpState.IDLE]
        effects += OVER
        if run.purpose == "scheduled":
            effects.append(BOLUS_GIVEN)
        return effects

    def not_given(self, outcome: str, rule: str, reason: str, now: int) -> list[Effect]:
        """What was asked will surely not be given."""
        run = self._s.books.asked
        if run is None:
            return []
        if run.purpose == "scheduled" and rule in TRANSIENT and self._still_time(run, now):
            self._s.retry(now)
            return [*self._s.books.drop(f"{rule}: {reason}", self._s.composer.slot_of(run))]
        effects: list[Effect] = [*self._s.books.drop(f"{rule}: {reason}")]
        if run.purpose in BOLUSES:
            effects += self._bolus_not_given(run, outcome, rule, reason)
            effects += self._s.presses.refused(rule, now) if run.purpose == "patient" else []
        else:
            self._s.why = f"refused: {rule}"
            self._s.retry(now)
            self._s.books.primed |= run.purpose == "prime" and self._s.prime_again
            effects.append(Alarm("refused", True, reason))
        return effects

    def _still_time(self, run: Run, now: int) -> bool:
        """Whether a scheduled bolus that surely was not given can still be asked again within its time."""
        return self._s.plan_ms(now) + self._s.retry_wait <= self._s.composer.latest_start(run)

    def _bolus_not_given(self, run: Run, outcome: str, rule: str, reason: str) -> list[Effect]:
        first = run.spans[0]
        bolus = Bolus(run.request_id, run.purpose, first.from_ms, int(first.bolus), first.bolus)
        effects: list[Effect] = [bolus_record(bolus, outcome, 0, rule, reason)]
        if run.purpose == "scheduled":
            gap = self._s.books.skip(
                first.from_ms, first.to_ms, first.bolus, f"scheduled bolus {outcome}: {rule}"
            )
            effects += [*gap, Alarm("bolus-missed", True, f"{run.request_id}: {reason}")]
        return effects

    def _lost(self, detail: str, now: int) -> list[Effect]:
        if self._s.state in MAY_DELIVER:
            self._s.fire(Trigger.LOST)
            self._s.why = "outcome of a command unknown"
        self._s.unsettled, self._s.stood, self._s.left_open = True, None, False
        self._s.retry(now)
        return [Alarm("unsettled", True, detail)]

    def settled(self, evidence: Evidence | None, now: int) -> list[Effect]:
        """Evidence of the command whose outcome was unknown; None when a person resolved it."""
        if self._s.left_open and evidence is not None:
            return self._told_after_all(evidence)
        match evidence:
            case Nothing(gone=gone):
                return self._not_told(self._s.stood if gone else None, now)
            case Given(lo, _, ended, status):
                self._s.unsettled = False
                effects = self.took_over(status, lo, now)
                more = self.run_ended(status, "run ended by the pump", now) if ended else self._runs_on()
                return [*effects, *more, SETTLED]
            case NotGiven(why, status):
                self._s.unsettled = False
                return [*self._back_to_old_run(status, why, now), SETTLED]
            case None:
                return self._resolved_by_person()
        assert_never(evidence)

    def _not_told(self, stood: PumpStatus | None, now: int) -> list[Effect]:
        """No evidence. Where there will never be any, and the pump was stopped and stands still, nothing of the command
        can come: the hold, where the plan has one, does not wait for a person (D-13, D-15). The guard still counts it.
        """
        if stood is None or self._s.state is not State.WAITING or self._s.hold_until is None:
            self._s.unsettled = True
            self._s.retry(now)
            return []
        self._s.unsettled, self._s.left_open = False, True
        self._s.reset_retry()
        return [*self.outcome_unknown("the pump cannot tell"), *self._stands_still(stood, now)]

    def _told_after_all(self, evidence: Evidence) -> list[Effect]:
        """Evidence of a command on which the books are closed: it is the guard's to count."""
        if isinstance(evidence, Nothing):
            return []
        self._s.left_open = False
        return [SETTLED]

    def _back_to_old_run(self, status: PumpStatus, why: str, now: int) -> list[Effect]:
        self._s.reset_retry()
        effects = self.not_given("refused", "not-given", why, now)
        if self._s.state is State.UNCERTAIN:
            self._s.fire(Trigger.IDLE if self._s.run is None else Trigger.BASAL)
        return [*effects, *self.status_read(status, now)]

    def _resolved_by_person(self) -> list[Effect]:
        effects = self.outcome_unknown("resolved by a person")
        self._s.unsettled, self._s.left_open, self._s.hold_until = False, False, None
        self._s.reset_retry()
        if self._s.state is State.UNCERTAIN:
            self._s.fire(Trigger.PAUSE)
        self._s.why, self._s.halting, self._s.stopped = RESOLVED, True, True
        return [*effects, SETTLED, Halt(RESOLVED)]

    def outcome_unknown(self, why: str) -> list[Effect]:
        """Nobody will ever know whether what was asked was given: a bolus is booked as missed."""
        run = self._s.books.asked
        if run is None:
            return []
        effects: list[Effect] = [*self._s.books.drop(why)]
        if run.purpose in BOLUSES:
            effects += self._bolus_not_given(run, "unknown", "unsettled", why)
        return effects

    def from_records(self, now: int) -> list[Effect]:
        """What an earlier life wrote of the run it asked for, and did not come to book."""
        match self._s.books.proof:
            case (counter, given_new):
                return [*self._s.books.grant(counter, given_new), SETTLED]
            case str(why):
                return [*self.not_given("refused", "not-given", why, now), SETTLED]
        return self.outcome_unknown("settled before the confirm")

    def _runs_on(self) -> list[Effect]:
        """A pump that runs although it was told to stop, and said that it had, is told again."""
        if self._s.halting or self._s.left_running or self._s.state not in AT_REST:
            return []
        self._s.halting = True
        return [Halt(self._s.why)]

    def status_read(self, status: PumpStatus | Unknown, now: int) -> list[Effect]:
        """The pump said how it is, or did not answer."""
        s = self._s
        soon = isinstance(status, Unknown) or s.forbidden  # its next word may end what forbids delivery
        s.poll_at = now + (min(s.timing.retry_max_ms, s.timing.poll_ms) if soon else s.timing.poll_ms)
        if isinstance(status, Unknown):
            return []
        effects: list[Effect] = []
        run, plan = s.books.totals.run, now + s.offset
        if status.state is RUNNING:
            s.stops = 0
            if s.state in AT_REST:
                effects += self._runs_on()
            if s.silent_since is not None and s.books.given(plan, status) > 0:
                effects += s.flows()
        if run is not None and status.state in WHY_ENDED and not self._rests(run, status, plan):
            why = s.why if s.state in AT_REST else WHY_ENDED[status.state]
            through = self._through(run, s.books.given(plan, status))
            effects += self.run_ended(status, why, now)
            if plan < run.to_ms and not through:
                self._wait_longer(now)
        elif s.state is GIVES_BOLUS and run is not None and plan >= s.composer.part_end(run):
            effects += s.books.close_bolus(plan, status)
            s.fire(Trigger.ENDED)
            s.look_at = 0
        effects += s.under_delivery(plan)
        return effects

    def _rests(self, run: Run, status: PumpStatus, plan: int) -> bool:
        """Whether the run is a rest on a pump that stands still for one, and that is not over."""
        still = status.state is PumpState.IDLE and not run.volume_nl and plan < run.to_ms
        return still and not self._s.rests_run

    def _through(self, run: Run, given_nl: int) -> bool:
        """Whether the pump has given all of the run, as far as its counter shows: it may be done a little early."""
        return given_nl > 0 and run.volume_nl - given_nl < self._s.books.counter_nl

    def _wait_longer(self, now: int) -> None:
        """A pump that breaks runs off is asked again after longer and longer times."""
        self._s.retry_wait = min(self._s.timing.retry_ms << self._s.stops, self._s.timing.retry_max_ms)
        self._s.stops = min(self._s.stops + 1, 16)
        self._s.retry(now)

    def run_ended(self, status: PumpStatus, why: str, now: int) -> list[Effect]:
        """The run in force gives no more: its counter closes the books."""
        run, plan = self._s.run, self._s.plan_ms(now)
        if run is None:
            return []
        effects = self._ends(status, why, plan)
        if run.purpose == "hold":
            effects.append(Alarm("hold-ended", True, "nothing flows until a person confirms"))
        self._s.why, self._s.left_running = why, False
        if self._s.state in (*DELIVERING, State.UNCERTAIN) and self._s.books.asked is None:
            self._s.fire(Trigger.IDLE)
        return effects

    def ledger(self, low: int, high: int, now: int) -> list[Effect]:
        """While a bridge lasts: how much has certainly and at most left since the fluid changed (D-11)."""
        before_low, before_high = self._s.books.passed
        low, high = low + before_low, high + before_high
        self._s.composer.moved(low, high, self._s.plan_ms(now))
        bridge = self._s.prescription.bridge
        if self._s.books.bridging and bridge is not None and low >= bridge.hi_nl:
            self._s.composer.renew_from(self._s.plan_ms(now))
            self._s.look_at = 0
            return [*self._s.books.end_bridge()]
        return []

    def halted(self, outcome: Outcome, now: int) -> list[Effect]:
        """What became of a STOP."""
        if not isinstance(outcome, Acked):
            self._s.halting = True  # an unknown STOP, whoever sent it, is sent again
            self._s.retry(now)
            return []
        self._s.halting = False
        self._s.reset_retry()
        if self._s.unsettled:
            self._s.stood = outcome.status
            return [Settle()]  # what ran is known only then, and closes the books
        return self._stands_still(outcome.status, now)

    def _stands_still(self, status: PumpStatus, now: int) -> list[Effect]:
        """The pump acknowledged a STOP: what ran gives no more."""
        plan = self._s.plan_ms(now)
        return [*self._ends(status, self._s.why, plan), *self._s.under_delivery(plan)]

    def _ends(self, status: PumpStatus, why: str, plan: int) -> list[Effect]:
        """Nothing runs from now on. Silence that began before goes on, unless the run in force has given something."""
        self._s.look_at = 0
        flowed = self._s.flows() if self._s.books.given(plan, status) > 0 else []
        if self._s.silent_since is None:
            self._s.went_silent(plan)
        return [*flowed, *self._s.books.close_bolus(plan, status), *self._s.books.cut(plan, status, why)]
