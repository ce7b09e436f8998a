"""Time's side of the controller: what is due, and when to look again.

Layer      controller, pure.
Hazard     a slot given twice or made up later; a run that ends without a successor.
Invariant  each slot is dealt with once; one command at a time.
Tests      tests/unit/test_core.py
"""

from __future__ import annotations

from pump_ctrl.controller.books import Bolus, bolus_record
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt, ReadStatus, Settle
from pump_ctrl.controller.machine import MAY_DELIVER, State
from pump_ctrl.controller.prescription import Slot
from pump_ctrl.controller.session import Session
from pump_ctrl.controller.totals import Run
from pump_ctrl.safety.ask import Purpose

NO_BOLUS = (State.UNCERTAIN, State.PAUSED, State.STOPPED, State.FAULT)  # slots that pass here are missed


class Due:
    """Looks at the time."""

    def __init__(self, session: Session) -> None:
        self._s = session

    def next_wakeup(self) -> int:
        """Boot time of the next moment at which something may be due."""
        s = self._s
        plan = [s.poll_at + s.offset]
        if s.retry_at is not None:
            plan.append(s.retry_at + s.offset)
        if s.silent_since is not None and not s.told_silence and s.run is None:
            plan.append(s.silent_since + s.timing.under_delivery_ms)
        if s.state in MAY_DELIVER and s.retry_at is None:
            plan.append(max(min(s.composer.due_times(s.state)), s.look_at + s.offset))
        elif s.hold_until is not None and self._hold_possible():
            plan.append(0 if s.run is None else min(s.run.to_ms, s.hold_until))
        elif s.state in NO_BOLUS and (slot := s.composer.slot()) is not None:
            plan.append(slot.at_ms + slot.within_ms + 1)
        return min(plan) - s.offset

    def tick(self, now: int) -> list[Effect]:
        """What is due now."""
        effects: list[Effect] = []
        if self._s.retry_at is not None and now >= self._s.retry_at:
            self._s.retry_at = None
            if self._s.halting:
                return [Halt(self._s.why)]
            if self._s.unsettled:
                return [Settle()]
        if self._s.state in MAY_DELIVER and self._s.retry_at is None:
            effects += self._due(now)
        elif self._s.hold_until is not None:
            effects += self._hold(self._s.plan_ms(now), self._s.hold_until)
        elif self._s.state in NO_BOLUS:
            effects += self._missed_slots(self._s.plan_ms(now))
        if now >= self._s.poll_at and not any(isinstance(e, Deliver | ReadStatus) for e in effects):
            effects.append(ReadStatus())
        if effects:
            self._s.poll_at = max(self._s.poll_at, now + self._s.timing.poll_ms)
        return effects + self._s.under_delivery(self._s.plan_ms(now))

    def _due(self, now: int) -> list[Effect]:
        plan, run = self._s.plan_ms(now), self._s.run
        effects: list[Effect] = []
        if run is not None and (self._part_over(run, plan) or self._s.composer.bridge_check_due(plan)):
            if now < self._s.look_at:
                return []
            self._s.look_at = now + self._s.timing.retry_ms
            return [ReadStatus()]  # its counter closes the books on what has ended, or the bridge
        self._s.look_at = 0
        effects += self._missed_slots(plan)
        if self._s.state in (State.READY, State.RUNNING):
            effects += self._next_command(plan)
        return effects

    def _part_over(self, run: Run, plan: int) -> bool:
        """A bolus or prime has come to its end, or the whole run has without a successor."""
        if self._s.state in (State.BOLUS, State.PRIMING):
            return plan >= self._s.composer.part_end(run)
        return plan > run.to_ms + self._s.timing.stop_ms

    def _missed_slots(self, plan: int) -> list[Effect]:
        effects: list[Effect] = []
        while (slot := self._s.composer.slot()) is not None and slot.at_ms + slot.within_ms < plan:
            effects += self._give_up(
                slot, "missed", "too-late", f"could not start within {slot.within_ms} ms"
            )
        return effects

    def _give_up(self, slot: Slot, outcome: str, rule: str, reason: str) -> list[Effect]:
        bolus = Bolus(slot.id, "scheduled", slot.at_ms, int(slot.volume_nl), slot.volume_nl)
        return [
            *self._s.books.skip(
                slot.at_ms, slot.at_ms + slot.within_ms, slot.volume_nl, f"scheduled bolus {outcome}: {rule}"
            ),
            bolus_record(bolus, outcome, 0, rule, reason),
            Alarm("bolus-missed", True, f"{slot.id}: {reason}"),
        ]

    def _next_command(self, plan: int) -> list[Effect]:
        slot = self._s.composer.slot()
        if self._s.books.bridging and slot is not None and slot.at_ms <= plan:
            return self._give_up(
                slot, "refused", "bridge", "boluses are off while the old fluid is in the path"
            )
        idle = self._s.books.idle(plan, self._s.why)
        if not self._s.books.primed:
            return [*idle, *self._s.ask(self._s.composer.prime(plan), Purpose.PRIME, None)]
        if slot is not None and slot.at_ms <= plan:
            return [*idle, *self._s.ask(self._s.composer.scheduled(plan, slot), Purpose.SCHEDULED, slot)]
        if self._s.composer.basal_due(plan):
            return [*idle, *self._s.ask(self._s.composer.basal(plan), Purpose.BASAL, None)]
        return [*idle]

    def _hold_possible(self) -> bool:
        s = self._s
        return s.state is State.WAITING and not s.halting and s.retry_at is None

    def _hold(self, plan: int, until: int) -> list[Effect]:
        """Tell the bounded hold if nothing runs; a lost one is told again, until its time is over (D-14)."""
        if plan >= until:
            return self._hold_over()
        run = self._s.run
        if not self._hold_possible() or (run is not None and plan < run.to_ms):
            return []
        hold = self._s.composer.hold(plan, until)
        return self._s.ask(hold, Purpose.HOLD, None) if hold.volume_nl else self._hold_over()

    def _hold_over(self) -> list[Effect]:
        """The time of the hold has passed: nobody waits for it any longer."""
        self._s.hold_until = None
        return [Alarm("hold-ended", True, "its time is over")] if self._s.run is None else []
