"""A refill that somebody tells: what was found against what should have been left, and what is in there now.

Layer      live.
Hazard     a pump that gave too much or nothing for months, restarted as if nothing were wrong.
Invariant  what was filled in the last time is what somebody told, or what the first plan of the journal says, and
           counts from the guard's record of that refill on; nobody is asked to guess what was found.
Tests      tests/unit/test_live_filling.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.controller.loading import plan_of
from pump_ctrl.errors import NotAllowed
from pump_ctrl.journal import Record
from pump_ctrl.live.advice import advice
from pump_ctrl.live.outcome import Answer
from pump_ctrl.live.signed import Shelf
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.runner import Runner
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.refill import Filling, RefillCheck
from pump_ctrl.units import Volume

UNKNOWN: Final = "unknown"  # nobody measured what was drawn out


class Fillings:
    """Takes in refills.

    Args:
        runner: is told.
        journal: where the first plan stands.
        shelf: the plans, and the pump.
    """

    def __init__(self, runner: Runner, journal: TappedJournal, shelf: Shelf) -> None:
        self._runner, self._journal, self._shelf = runner, journal, shelf
        self._told_nl: int | None = None
        self._filled_nl: int | None = None  # at the last refill that was carried out; None before the first

    def hear(self, record: Record) -> None:
        """Take up one record of the journal."""
        if record.kind == "filling":
            self._told_nl = record.data["filled_nl"]
        elif record.kind == "refill" and self._told_nl is not None:
            self._filled_nl = self._told_nl

    def refill(self, by: str, found: str, filled: str | None, *, new_path: bool) -> Answer:
        """The reservoir was emptied, of ``found`` or UNKNOWN, and filled, with ``filled`` or as the plan says.

        Raises:
            InvalidInput: a volume is none.
            NotAllowed: the reservoir cannot hold it.
            JournalError: it could not be written.
        """
        plan, profile = self._plan(), self._shelf.profile
        now = plan.reservoir.filled if filled is None else Volume.parse(filled)
        if not 0 < now.nl <= profile.capacity.nl:
            raise NotAllowed(
                f"{now} is no fill of {profile.name}; allowed: above 0, at most {profile.capacity}.",
                code="fill-impossible",
            )
        measured = None if found == UNKNOWN else Volume.parse(found)
        before, left = self._before_nl(), self._runner.left_now()
        check = None if measured is None else RefillCheck(before, left, measured.nl, profile)
        filling = Filling(now.nl, plan.reservoir.residual[1].nl, check)
        self._runner.refill(by, filling, new_path=new_path)
        self._filled_nl = now.nl
        other = "" if now == plan.reservoir.filled else f" The plan says {plan.reservoir.filled}."
        return _told(f"Noted: filled with {now} by {by}.{other}", filling)

    def _plan(self) -> DosingPlan:
        return self._shelf.plan(self._runner.controller.prescription.plan)

    def _before_nl(self) -> int:
        if self._filled_nl is not None:
            return self._filled_nl
        first = next((plan_of(r.data) for r in self._journal.records() if r.kind == "limits"), None)
        plan = self._plan() if first is None else self._shelf.plan(first)
        return plan.reservoir.filled.nl


def _told(noted: str, filling: Filling) -> Answer:
    if filling.check is None:
        return Answer(0, f"{noted} What was drawn out before was not compared: nobody measured it.")
    if not filling.off:
        return Answer(0, f"{noted} Check: {filling.check}.")
    code = "refill-discrepancy"
    return Answer(3, f"{noted}\nNOTHING IS GIVEN NOW: {filling.check}.\n{advice(code)}", code)
