"""Time's side of the controller: what is due, and when to look again.

Layer      controller, pure.
Hazard     a slot given twice or made up later; a run that ends without a successor.
Invariant  S-29: each slot is dealt with once; one command at a time.
Tests      tests/unit/test_due.py, tests/unit/test_due_wake.py, tests/unit/test_core.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.controller.books import Bolus, bolus_record
from pump_ctrl.controller.composer import HOLD_SLACK_MS
from pump_ctrl.controller.effects import READ_STATUS, Alarm, Deliver, Effect, Halt, ReadStatus, Settle
from pump_ctrl.controller.machine import MAY_DELIVER, PARTS, State
from pump_ctrl.controller.prescription import Slot
from pump_ctrl.controller.session import Session
from pump_ctrl.controller.totals import Run
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.units import Duration

RUNNING: Final = State.RUNNING  # asked for in every turn, and an enum's own look-up is slow
TELLS_MORE: Final = (State.READY, RUNNING)  # a bolus or a prime comes to its end first
TOO_LITTLE: Final = "less than the pump can be told in so short a time"
# Slots that pass here are missed.
NO_BOLUS: Final = (State.UNCERTAIN, State.PAUSED, State.STOPPED, State.FAULT)


ASKING: Final = (Deliver, ReadStatus)  # what the pump answers with its status


class Due:
    """Looks at the time."""

    def __init__(self, session: Session) -> None:
        self._s = session

    def next_wakeup(self) -> int:
        """Boot time of the next moment at which something may be due."""
        s = self._s
        state, run = s.state, s.books.totals.run
        if run is not None and s.retry_at is None and state in MAY_DELIVER:  # nearly always
            due = s.composer.next_due(state) - s.offset
            due = due if due > s.look_at else s.look_at
            return due if due < s.poll_at else s.poll_at
        plan = [s.poll_at + s.offset]
        if s.retry_at is not None:
            plan.append(s.retry_at + s.offset)
        if s.silent_since is not None and not s.told_silence and run is None:
            plan.append(s.silent_since + s.prescription.under_delivery_ms)
        if s.flow_due is not None and run is None:
            plan.append(s.flow_due)
        if state in MAY_DELIVER and s.retry_at is None:
            plan.append(max(s.composer.next_due(state), s.look_at + s.offset))
        elif s.hold_until is not None and self._hold_possible():
            plan.append(0 if run is None else min(run.to_ms, s.hold_until))
        elif state not in MAY_DELIVER and run is not None:
            plan.append(max(run.to_ms + s.timing.stop_ms + 1, s.look_at + s.offset))
        if state in NO_BOLUS and (slot := s.composer.slot()) is not None:
            plan.append(slot.at_ms + slot.within_ms + 1)
        return min(plan) - s.offset

    def steady_until(self) -> int:
        """Boot time before which nothing but the status is due, as long as that says that the pump runs; 0 if not.

        Then a ``tick`` does nothing but ask for it, and the status nothing but put off the next one.
        """
        s = self._s
        run, bridging = s.books.totals.run, s.books.bridging
        if s.state is not RUNNING or run is None or bridging or s.retry_at is not None or s.look_at:
            return 0
        if s.silent_since is not None or s.flow_due is not None or s.stops or s.offer is not None:
            return 0
        return s.composer.next_due(s.state) - s.offset

    def tick(self, now: int) -> list[Effect]:
        """What is due now."""
        s, state, effects = self._s, self._s.state, []  # type: Session, State, list[Effect]
        if s.retry_at is not None and now >= s.retry_at:
            s.retry_at = None
            if s.halting:
                return [Halt(s.why)]
            if s.unsettled:
                return [Settle()]
        if state in MAY_DELIVER and s.retry_at is None:
            effects += self._due(now, state)
        elif s.hold_until is not None:
            effects += self._hold(s.plan_ms(now), s.hold_until)
        elif state in NO_BOLUS:
            effects += self._missed_slots(s.plan_ms(now))
        if state not in MAY_DELIVER:
            effects += self._look_at_ended(now)
        if now >= s.poll_at and (not effects or not [e for e in effects if isinstance(e, ASKING)]):
            effects.append(READ_STATUS)
        if any(isinstance(effect, ASKING) for effect in effects):  # what is only written down asks nothing
            later = now + s.timing.poll_ms
            s.poll_at = later if later > s.poll_at else s.poll_at
        effects += s.under_delivery(now + s.offset)
        return effects

    def _due(self, now: int, state: State) -> list[Effect]:
        s = self._s
        plan, run = now + s.offset, s.books.totals.run
        if state is RUNNING and run is not None and plan < s.composer.next_due(state):
            s.look_at = 0  # this turn is for a status only
            return []
        if run is not None and (self._part_over(run, plan, state) or s.composer.bridge_check_due(plan)):
            if now < s.look_at:
                return []
            s.look_at = now + s.timing.retry_ms
            return [READ_STATUS]  # its counter closes the books on what has ended, or the bridge
        s.look_at = 0
        effects = self._missed_slots(plan)
        if state in TELLS_MORE:
            effects += self._next_command(plan)
        return effects

    def _part_over(self, run: Run, plan: int, state: State) -> bool:
        """A bolus or prime has come to its end, or the whole run has without a successor."""
        if state in PARTS:
            return plan >= self._s.composer.part_end(run)
        return plan > run.to_ms + self._s.timing.stop_ms

    def _look_at_ended(self, now: int) -> list[Effect]:
        """A run that was left alone is over: the pump's counter closes its books, and the silence begins."""
        s, plan = self._s, self._s.plan_ms(now)
        if s.run is None or plan <= s.run.to_ms + s.timing.stop_ms or now < s.look_at:
            return []
        s.look_at = now + s.timing.retry_max_ms
        return [READ_STATUS]

    def _missed_slots(self, plan: int) -> list[Effect]:
        effects: list[Effect] = []
        while (slot := self._s.composer.slot()) is not None and slot.at_ms + slot.within_ms < plan:
            late = f"could not start within {Duration(slot.within_ms)}"
            effects += self._give_up(slot, "missed", "too-late", late)
        return effects

    def _give_up(self, slot: Slot, outcome: str, rule: str, reason: str) -> list[Effect]:
        bolus = Bolus(
            self._s.books.named(slot.id), "scheduled", slot.at_ms, int(slot.volume_nl), slot.volume_nl
        )
        return [
            *self._s.books.skip(
                slot.at_ms, slot.at_ms + slot.within_ms, slot.volume_nl, f"scheduled bolus {outcome}: {rule}"
            ),
            bolus_record(bolus, outcome, 0, rule, reason),
            Alarm("bolus-missed", True, f"{bolus.id}: {reason}"),
        ]

    def _next_command(self, plan: int) -> list[Effect]:
        slot = self._s.composer.slot()
        if self._s.books.bridging and slot is not None and slot.at_ms <= plan:
            return self._give_up(
                slot, "refused", "bridge", "boluses are off while the old fluid is in the path"
            )
        idle = self._s.books.idle(plan, self._s.why)
        if not self._s.books.primed and not self._s.books.prime_left_nl(plan):
            self._s.books.primed = True  # what else has left since the path was new has filled it
        if not self._s.books.primed:
            return [*idle, *self._prime(plan)]
        if slot is not None and slot.at_ms <= plan:
            return [*idle, *self._s.ask(self._s.composer.scheduled(plan, slot), Purpose.SCHEDULED, slot)]
        return [*idle, *self._basal(plan, slot)] if self._s.composer.basal_due(plan) else [*idle]

    def _basal(self, plan: int, slot: Slot | None) -> list[Effect]:
        """The basal that is due. A flow so small or short that a bench pump is told nothing by it is told to nobody: it
        is missed, and what comes after it is asked for in its time.
        """
        s, basal = self._s, self._s.composer.basal(plan)
        if basal.volume_nl or not s.stops_first:
            return s.ask(basal, Purpose.BASAL, None)
        until = basal.spans[0].to_ms
        s.retry_at = (until if slot is None else min(until, slot.at_ms)) - s.offset
        s.why = TOO_LITTLE if s.run is None else s.why
        return []

    def _prime(self, plan: int) -> list[Effect]:
        """The prime that is due; what runs is stopped first, for nothing else may run beside it (D-12)."""
        if self._s.run is None:
            return self._s.ask(self._s.composer.prime(plan), Purpose.PRIME, None)
        self._s.halting = True
        return [Halt("a prime is due")]

    def _hold_possible(self) -> bool:
        s = self._s
        return s.state is State.WAITING and not s.halting and s.retry_at is None

    def _hold(self, plan: int, until: int) -> list[Effect]:
        """Tell the bounded hold if nothing runs; a lost one is told again, until its time is over (D-14)."""
        if plan >= until:
            return self._hold_over(plan)
        run = self._s.run
        if not self._hold_possible() or (run is not None and plan < run.to_ms):
            return []
        hold = self._s.composer.hold(plan, until)
        if hold is None or (not hold.volume_nl and hold.to_ms + HOLD_SLACK_MS >= until):
            return self._hold_over(plan)
        if hold.volume_nl:
            return self._s.ask(hold, Purpose.HOLD, None)
        self._s.retry_at = hold.to_ms - self._s.offset  # a rest is told to nobody; what follows it may flow
        return []

    def _hold_over(self, plan: int) -> list[Effect]:
        """The time of the hold has passed, or the plan has no flow in what is left of it."""
        self._s.hold_until = None
        runs = self._s.run is not None and plan < self._s.run.to_ms
        return [] if runs else [Alarm("hold-ended", True, "its time is over")]
