"""A whole controller on a simulated pump in virtual time, which can be killed and started again.

Layer      bench.
Invariant  what survives a restart is the journal, the pump and the clock; everything else is made anew.
Tests      tests/unit/test_simulate.py, tests/properties/test_system_machine.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pump_ctrl.assembly import assemble, balance_of, prescription_of, relay_of, second_of
from pump_ctrl.bench.setup import concentrations, make_second, make_wire, world_setup
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.loading import plans_named
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.journal import FileJournal, MemoryJournal
from pump_ctrl.runner import Runner
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.reconcile import Reconciliation
from pump_ctrl.safety.state import LifeSign
from pump_ctrl.therapy.devices import load_balance, load_relay
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.limits import compile_limits, limits_bytes
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.refill import Filling, RefillCheck

Journal = MemoryJournal | FileJournal
PERSON = "simulated person"
BALANCE, RELAY = "mt-sics", "lcus-1-no"
SIGN_EVERY_MS = 300_000  # as a real process gives its signs of life


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan as this pump's guard and controller take it."""

    plan: DosingPlan
    limits: dict[str, Any]
    prescription: Prescription


class SimulatedStack:
    """One plan after the other on one simulated pump; ``begin`` confirms the first, ``restart`` kills the controller.

    Args:
        plan: what is carried out first; ``previous`` the plan in force before it.
        profile: the pump.
        formulary: the drug library that the limits are compiled under.
        faults: texts as ``pump-sim faults`` lists them.
        seed: draws the pump's epochs.
        journal: where the records go; a new one in memory if left out. Its clock must be ``clock``.
        setup: changes to the simulated world, such as ``gain_ppm``.
        balance: a balance stands under the line's end; what of it differs from ``sim.balance.Balance``. None: there
            is none.
        power_cut: a relay can take the pump's power away.
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
        balance: Mapping[str, int] | None = None,
        power_cut: bool = False,
    ) -> None:
        self.previous, self.profile, self.formulary = previous, profile, formulary
        self.clock = clock or VirtualClock(utc_ms=plan.start_utc_ms)
        self.journal: Journal = journal if journal is not None else MemoryJournal(self.clock)
        base = world_setup(plan, profile, previous, seed=seed)
        self.world, self.wire = make_wire(replace(base, **(setup or {})), faults, profile.protocol)
        self._first, self._known = plan.sha256, {plan.sha256: self.prepared(plan, previous)}
        self._link = SimulatedLink(self.wire, self.clock)
        weighs, switches = make_second(self.world, faults, balance, power_cut=power_cut)
        self._second = second_of(
            profile,
            None if weighs is None else balance_of(load_balance(BALANCE), SimulatedLink(weighs, self.clock)),
            None if switches is None else relay_of(load_relay(RELAY), SimulatedLink(switches, self.clock)),
        )
        self._owner, self._filled_nl = 1, plan.reservoir.filled.nl
        self._alive, self._sign = True, None  # type: bool, LifeSign | None
        self.reconciliation = self._start()

    @property
    def plan(self) -> DosingPlan:
        """The plan in force."""
        return self._in_force.plan

    @property
    def limits(self) -> dict[str, Any]:
        """The limits of the plan in force."""
        return self._in_force.limits

    @property
    def _in_force(self) -> Prepared:
        return self._known[self.controller.prescription.plan]

    def prepared(self, plan: DosingPlan, previous: DosingPlan | None) -> Prepared:
        """``plan`` after ``previous``, compiled for this pump."""
        limits = compile_limits(plan, self.formulary, self.profile, previous, simulation=True)
        return Prepared(plan, limits, prescription_of(plan, self.profile, self.formulary, previous))

    def _start(self) -> Reconciliation:
        own = self._known[(plans_named(self.journal.records()) or [self._first])[-1]]
        self.runner = assemble(
            own.prescription,
            limits_bytes(own.limits),
            self.profile,
            self._link,
            self._owner,
            self.journal,
            self.clock,
            self._link.wait,
            self.stop_requested,
            second=self._second,
        )
        self.guard, self.controller = self.runner.guard, self.runner.controller
        self._alive = True
        known = {sha256: prepared.prescription for sha256, prepared in self._known.items()}
        return self.runner.start(self._sign, known)

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

    def die(self) -> None:
        """The controller is killed where it stands; its last sign of life in RUN stays behind."""
        if self._alive and self.guard.in_run:
            boot_ms = self.clock.boot_ms()
            self._sign = LifeSign(self.clock.boot_id(), boot_ms - boot_ms % SIGN_EVERY_MS)
        self._alive = False

    def restart(self, *, reboot: bool = False) -> None:
        """Another controller takes up the journal of the one that died, or is killed for that."""
        self.die()
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

    def refill(
        self, plan: DosingPlan | None = None, *, new_path: bool = False, found_nl: int | None = None
    ) -> None:
        """A person draws out what is left, fills as ``plan`` says (the one in force), and tells the controller.

        ``found_nl``: what the person says was drawn out; None if nobody measured it.
        """
        reservoir, drugs = (plan or self.plan).reservoir, concentrations(plan or self.plan)
        check = None
        if found_nl is not None:
            check = RefillCheck(self._filled_nl, self.runner.left_now(), found_nl, self.profile)
        self.world.refill(reservoir.filled.nl, drugs)
        filling = Filling(reservoir.filled.nl, reservoir.residual[1].nl, check)
        self.runner.refill(PERSON, filling, new_path=new_path)
        self._filled_nl = reservoir.filled.nl

    def load(self, plan: DosingPlan, limits: dict[str, Any] | None = None) -> bool:
        """A person loads ``plan`` after the one in force; whether it is in force now, or waits for a bolus to end.

        ``limits``: signed anew, instead of those that are compiled for it.

        Raises:
            NotAllowed: it cannot be loaded now, or a rule forbids it.
            InvalidInput: it was written after another plan.
        """
        new = self._known.get(plan.sha256) or self.prepared(plan, self.plan)
        self._known[plan.sha256] = new  # the controller may be killed in between
        if limits is not None:
            new = replace(new, limits=limits)
        in_force = self.runner.load(new.prescription, limits_bytes(new.limits), PERSON)
        self._known[plan.sha256] = new
        return in_force
