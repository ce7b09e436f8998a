"""A simulated stack behind a desk: the real journal on disk, the console's requests without its socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pump_ctrl.bench.stack import Journal, SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.console import ConsoleServer
from pump_ctrl.errors import PumpCtrlError
from pump_ctrl.journal import FileJournal
from pump_ctrl.live.desk import Desk
from pump_ctrl.live.outcome import Answer
from pump_ctrl.live.signed import Shelf
from pump_ctrl.live.status import Status, status_of
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from sim.firmware.reference_frames import What
from tests.whole_stack import formulary, profile

BOLUS_NL = 20_000
VALUES: dict[str, Any] = {
    "schema": 1,
    "id": "BENCH-1",
    "title": "Basal and patient boluses",
    "patient": "BENCH-001",
    "prescriber": "bench",
    "pump": "implant-40",
    "utc_offset": "+01:00",
    "start": "2026-11-20T08:00",
    "on_loss": {"hold": "4 h"},
    "reservoir": {
        "filled": "40 mL",
        "residual": ["0 mL", "1.4 mL"],
        "alarm": "2 mL",
        "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
    },
    "catheter": {"model": "ascenda-8780", "length": "89 cm"},
    "basal": {"rate": "192 ug/day"},
    "patient_bolus": {"dose": "20 ug", "over": "5 min", "lockout": "10 min", "max_per_day": 4},
}
CARRIED_OUT = frozenset({What.RUNNING, What.DONE, What.REPLACED, What.STOPPED, What.RESET})


class DeskBench:
    """A plan with patient boluses, confirmed, with a desk that can die and come back."""

    def __init__(self, plan: DosingPlan, path: Path, *, begin: bool = True) -> None:
        self.plan, self.path = plan, path
        self.clock = VirtualClock(utc_ms=plan.start_utc_ms)
        self.journal = TappedJournal(FileJournal.create(path, self.clock, {}))
        self.stack = SimulatedStack(
            plan, profile(plan.pump), formulary(), clock=self.clock, journal=cast("Journal", self.journal)
        )
        if begin:
            self.stack.begin()
        self.desk = self._desk()

    def _desk(self) -> Desk:
        shelf = Shelf(profile(self.plan.pump), formulary(), [])
        shelf._plans[self.plan.sha256] = (Path("plan.toml"), self.plan)
        desk = Desk(self.stack.runner, self.journal, cast("ConsoleServer", None), shelf, self.status)
        for record in self.journal.records():
            desk.hear(record)
        return desk

    def status(self) -> Status:
        return status_of(self.stack.runner, self.plan, self.clock.boot_ms(), str(self.path))

    def ask(self, verb: str, request_id: str = "r1", **more: str | bool) -> Answer:
        """What the desk says to a request."""
        request: Mapping[str, Any] = {"id": request_id, "do": verb, **more}
        try:
            return self.desk._answer(verb, request)
        except PumpCtrlError as error:
            return Answer.of(error)

    def restart(self) -> None:
        """The process was killed; another one takes up its journal."""
        self.journal._journal.abandon()
        self.journal = TappedJournal(FileJournal.open(self.path, self.clock))
        self.stack.journal = cast("Journal", self.journal)
        self.stack.restart()
        self.desk = self._desk()

    def kinds(self, *names: str) -> list[str]:
        return [record.kind for record in self.journal.records() if record.kind in names]

    def unknown_to_the_journal(self) -> set[int]:
        """What the pump carried out, by its own list, and the journal has no intent of."""
        known = {record.data["id"] for record in self.journal.records() if record.kind == "intent"}
        results = self.stack.world.implant._results
        return {permit for permit, (what, _) in results.items() if what in CARRIED_OUT} - known

    def boluses_begun(self) -> int:
        """How many patient boluses the pump has begun, by its own list of what it carried out."""
        patient = {
            record.data["id"]
            for record in self.journal.records()
            if record.kind == "intent" and record.data["purpose"] == "patient"
        }
        results = self.stack.world.implant._results
        return sum(permit in patient and what in CARRIED_OUT for permit, (what, _) in results.items())


def plan_with_boluses(**changed: object) -> DosingPlan:
    """192 ug/day and 20 ug over 5 min on request, with some values changed."""
    return plan_from({**VALUES, **changed})
