"""Another plan, another filling: what a running controller does when a person loads or refills.

Layer      controller, pure.
Hazard     two plans at once, a bolus of each; the new plan's rate in the old fluid; a prime into a full path.
Invariant  a load takes effect between boluses, the old run goes on until the pump has the new one, the sums
           carry over; a refused load changes nothing; a refill neither starts nor stops anything.
Tests      tests/unit/test_load.py, tests/unit/test_loading.py, tests/unit/test_refill.py,
           tests/properties/test_load_stack.py

The guard's own records, ``limits`` and ``refill``, come first and are the truth after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pump_ctrl.controller.effects import Effect, Load
from pump_ctrl.controller.events import Refilled
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Offer, Prescription
from pump_ctrl.controller.session import Session, answer

AT_REST: Final = (
    State.WAITING,
    State.PAUSED,
    State.STOPPED,
    State.FAULT,
)  # nothing starts before a person acts


LOSS_IS_SET: Final = (
    "the pump was set at the start to what the plan in force says of a loss of control (on_loss), and this plan says "
    "otherwise; end the controller and start it with the new plan"
)


class Loading:
    """Takes in other plans and other fillings."""

    def __init__(self, session: Session) -> None:
        self._s = session

    def refusal(self, new: Prescription, left_nl: int, now: int) -> str:
        """Why ``new`` cannot be loaded now, in words; empty if it can, maybe after a bolus.

        ``left_nl`` is the most that has left since the last refill.
        """
        reasons = (*self._of_the_moment(), *self._of_the_plan(new, now), *self._of_the_fluid(new, left_nl))
        return next((why for wrong, why in reasons if wrong), "")

    def _of_the_moment(self) -> Iterable[tuple[bool, str]]:
        s = self._s
        return (
            (s.state is State.WAITING, "a person has to confirm the reconciliation first"),
            (s.unsettled, "it is not known whether the last command was carried out"),
            (s.halting, "a STOP is not acknowledged yet"),
            (s.state is State.PRIMING, "a prime is running"),
            (s.offer is not None, "another load waits for the end of a bolus"),
        )

    def _of_the_plan(self, new: Prescription, now: int) -> Iterable[tuple[bool, str]]:
        current = self._s.prescription.plan
        after = (
            f"it was written after {(new.previous or 'no other plan')[:16]}, and {current[:16]} is in force"
        )
        return (
            (current not in (new.plan, new.previous), after),
            (self._s.plan_ms(now) + self._s.axis_shift(new) < 0, "its start is still to come"),
            (self._s.timing.loss_is_set and self._holds_otherwise(new), LOSS_IS_SET),
        )

    def _holds_otherwise(self, new: Prescription) -> bool:
        """Whether one of the plans stops, and the other holds or holds for another time, when control is lost."""
        return new.max_hold_ms != self._s.prescription.max_hold_ms

    def _of_the_fluid(self, new: Prescription, left_nl: int) -> Iterable[tuple[bool, str]]:
        books = self._s.books
        if new.plan == self._s.prescription.plan:
            return ()
        gone = not books.refilled or (new.bridge is not None and left_nl >= new.bridge.lo_nl)
        return (
            (books.bridging, "the fluid of an earlier plan may still be in the path; load when it has left"),
            (
                new.bridge is not None and gone,
                "it has a bridge, and the refill that goes with it was not told",
            ),
            (new.prime_nl > 0 and not books.new_path, "it primes the path, and no new path was told"),
        )

    def offered(self, offer: Offer) -> list[Effect]:
        """Somebody wants another plan in force; ``due`` says when."""
        self._s.offer = offer
        return []

    def due(self, now: int) -> list[Effect]:
        """Put the plan that waits in force if no bolus of the old one runs or is due."""
        s, plan = self._s, self._s.plan_ms(now)
        if s.offer is None or not self._between_boluses(plan):
            return []
        offer, s.offer = s.offer, None
        idle = s.books.idle(plan, s.why)  # what was due until now was due by the old plan
        return [*idle, Load(offer, plan + s.axis_shift(offer.prescription))]

    def _between_boluses(self, plan: int) -> bool:
        s, slot = self._s, self._s.composer.slot()
        if (
            s.state is State.PRIMING
            or s.halting
            or s.books.asked is not None
            or s.books.open_bolus is not None
        ):
            return False
        return slot is None or slot.at_ms > plan

    def answered(self, offer: Offer, plan_ms: int, refusal: str) -> list[Effect]:
        """The guard has the new limits in current, or refused them."""
        if refusal:
            return [answer(offer.id, f"refused: {refusal}")]
        new = offer.prescription
        self._s.loaded(new, plan_ms)
        return [*self._s.books.load(new, plan_ms, offer.by), *self._s.under_delivery(plan_ms)]

    def refilled(self, event: Refilled, now: int) -> list[Effect]:
        """The reservoir was filled; a new path is primed by the next start or when somebody asks for it.

        While a bridge lasts, what left before the refill goes on counting; what another fluid, or an emptied
        path, makes of the front nobody knows.
        """
        s, (low, high) = self._s, self._s.books.passed
        passed = (
            low + event.low_nl,
            high + event.high_nl + s.books.totals.step_nl,
        )  # a step while it was told
        if event.other_fluid or event.new_path:
            passed = s.books.unknown_front
        due = event.new_path and s.state in AT_REST
        s.prime_again &= not due
        before = passed if s.books.bridging else (0, 0)
        to_come = s.books.to_come_nl(s.plan_ms(now))
        s.composer.refilled()
        return [*s.books.refill(before, new_path=event.new_path, prime_due=due, to_come_nl=to_come)]

    def replay(self, kind: str, data: Mapping[str, Any], plans: Mapping[str, Prescription]) -> None:
        """Take up what an earlier life loaded, or was still waiting to load."""
        if kind == "request" and data["kind"] == "load":
            self._s.open_load = data["id"]
        elif kind == "answer" and data["request"] == self._s.open_load:
            self._s.open_load = None
        elif kind == "limits" and data["plan_ms"] is not None:
            new, self._s.open_load = plans[plan_of(data)], None
            self._s.loaded(new, data["plan_ms"])
            self._s.books.replay_load(new, data["plan_ms"], data["by"])


def plan_of(limits_record: Mapping[str, Any]) -> str:
    """SHA-256 of the plan that a ``limits`` record of the guard puts in force."""
    sha256: str = limits_record["limits"]["plan"]["sha256"]
    return sha256


def plans_named(records: Iterable[Any]) -> list[str]:
    """SHA-256 of every plan that a journal put in current, in order."""
    return [plan_of(record.data) for record in records if record.kind == "limits"]
