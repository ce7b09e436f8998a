"""A whole controller on a simulated pump in virtual time, which can be killed and started again.

Layer      bench.
Invariant  what survives a restart is the journal, the pump and the clock; everything else is made anew.
Tests      tests/unit/test_simulate.py, tests/properties/test_system_machine.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pump_ctrl.assembly import limits_of, prescription_of, timing_of
from pump_ctrl.bench.setup import make_wire, world_setup
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.journal import FileJournal, MemoryJournal
from pump_ctrl.runner import Runner
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.reconcile import Reconciliation
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.limits import compile_limits, limits_bytes
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile

Journal = MemoryJournal | FileJournal
PERSON = "simulated person"
COMMIT_MS = 100  # status, proposal and the way of the commit, 20 ms each way


class SimulatedStack:
    """One plan on one simulated pump; ``begin`` confirms it, ``restart`` kills the controller.

    Args:
        plan: what is carried out; ``previous`` the plan in force before it.
        profile: the pump.
        formulary: the drug library that the limits are compiled under.
        faults: texts as ``pump-sim faults`` lists them.
        seed: draws the pump's epochs.
        journal: where the records go; a new one in memory if left out. Its clock must be ``clock``.
        setup: changes to the simulated world, such as ``gain_ppm``.
    """

    runner: Runner
    guard: GuardedPump
    controller: Controller

    def __init__(
        self,
        plan: DosingPlan,
        profile: PumpProfile,
        formulary: Formulary,
        *,
        previous: DosingPlan | None = None,
        faults: Sequence[str] = (),
        seed: int = 0,
        clock: VirtualClock | None = None,
        journal: Journal | None = None,
        setup: Mapping[str, Any] | None = None,
    ) -> None:
        self.plan, self.previous, self.profile, self.formulary = plan, previous, profile, formulary
        self.clock = clock or VirtualClock(utc_ms=plan.start_utc_ms)
        self.journal: Journal = journal if journal is not None else MemoryJournal(self.clock)
        base = world_setup(plan, profile, previous, seed=seed)
        self.world, self.wire = make_wire(replace(base, **(setup or {})), faults)
        self.limits = compile_limits(plan, formulary, profile, previous, simulation=True)
        self._prescription = prescription_of(plan, profile, previous)
        self._timing = timing_of(plan, profile, formulary, COMMIT_MS)
        self._link = SimulatedLink(self.wire, self.clock)
        self._owner = 1
        self.reconciliation = self._start()

    def _start(self) -> Reconciliation:
        driver = driver_factory(self.profile.protocol)(
            self._link, self._owner, stop_requested=self.stop_requested
        )
        self.guard = GuardedPump(
            driver, self.journal, self.clock, limits_bytes(self.limits), self.stop_requested
        )
        self.controller = Controller(self._prescription, limits_of(self.profile), self._timing)
        self.runner = Runner(
            self.controller, self.guard, self.journal, self.clock, self._link.wait, self.plan.start_utc_ms
        )
        return self.runner.start()

    def stop_requested(self) -> bool:
        """Whether the process was asked to end; nobody asks a simulated one."""
        return False

    def begin(self, given: Mapping[str, int] | None = None) -> None:
        """The person confirms a new journal; ``given``: what was given in the last 24 h (pg), if anything."""
        self.runner.confirm(PERSON, self.reconciliation.code, {} if given is None else given)

    def confirm(self) -> None:
        """The person confirms what the controller says after a restart.

        Raises:
            NotAllowed: a command is still unsettled.
            LinkError: the pump does not answer.
        """
        self.runner.confirm(PERSON, self.runner.settle().code)

    def restart(self, *, reboot: bool = False) -> None:
        """The controller is killed where it stands and another one takes up its journal."""
        if reboot:
            self.clock.reboot()
        self._owner += 1
        self.reconciliation = self._start()

    def run_to(self, plan_ms: int) -> None:
        """Go on until ``plan_ms`` of true time has gone by since the plan's start."""
        left = plan_ms - self.elapsed_ms
        if left > 0:
            self.runner.run_until(self.clock.boot_ms() + left)

    @property
    def elapsed_ms(self) -> int:
        """True time since the run began, ms."""
        return self.clock.true_ms

    def ask(self, request_id: str, kind: RequestKind) -> None:
        """Somebody asks the controller for something."""
        self.runner.request(request_id, kind)
