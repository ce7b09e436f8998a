"""One plan, one simulated pump, virtual time: the whole stack from the plan to the catheter tip.

Layer      bench. ``simulate`` is what ``pump-ctrl simulate`` and ``pump_ctrl.simulate`` call.
Tests      tests/unit/test_simulate.py, tests/unit/test_examples.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from pump_ctrl.bench import oracle, result
from pump_ctrl.bench.request import Request, parse_request
from pump_ctrl.bench.result import DrugResult, SimulationResult, Trace
from pump_ctrl.bench.setup import concentrations
from pump_ctrl.bench.stack import PERSON, Journal, SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.errors import InvalidInput, LinkError, NotAllowed
from pump_ctrl.runner import VOUCHED
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_profile
from pump_ctrl.units import MS_PER_DAY, MS_PER_MINUTE, NL_PER_ML, Duration

__all__ = ["Request", "SimulationResult", "parse_request", "simulate"]

CONFIRM_AFTER_MS = 5 * MS_PER_MINUTE  # a simulated person needs that long to read a reconciliation
Progress = Callable[[int, int], None]


def simulate(
    plan: DosingPlan,
    *,
    previous: DosingPlan | None = None,
    pump: PumpProfile | None = None,
    formulary: Formulary | None = None,
    duration_ms: int = 30 * MS_PER_DAY,
    requests: Sequence[Request] = (),
    faults: Sequence[str] = (),
    seed: int = 0,
    clock: VirtualClock | None = None,
    journal: Journal | None = None,
    progress: Progress | None = None,
    setup: Mapping[str, Any] | None = None,
    balance: Mapping[str, int] | None = None,
    power_cut: bool = False,
) -> SimulationResult:
    """Carry ``plan`` out on a simulated pump for ``duration_ms`` of virtual time.

    The limits are compiled in memory and marked as a simulation's. ``requests`` are what people ask for on
    the way, ``faults`` texts as ``pump-sim faults`` lists them, ``setup`` changes to the simulated pump;
    ``progress`` is told (ms done, ms in all) now and then. ``balance``: one stands under the line's end, and differs
    so from ``sim.balance.Balance``; ``power_cut``: a relay can take the pump's power away.

    Raises:
        InvalidInput: a plan that needs its ``previous``, a pump that cannot be simulated, an unknown fault.
        LinkError: the simulated pump does not answer at the start.
        JournalError: the journal cannot be written.
    """
    _check(plan, previous, duration_ms)
    stack = SimulatedStack(
        plan,
        pump or load_profile(plan.pump),
        formulary or load_formulary(),
        previous=previous,
        faults=faults,
        seed=seed,
        clock=clock,
        journal=journal,
        setup=setup,
        balance=balance,
        power_cut=power_cut,
    )
    run = _Run(stack, duration_ms, progress)
    run.go(sorted(requests, key=lambda request: request.at_ms))
    return run.result()


def _check(plan: DosingPlan, previous: DosingPlan | None, duration_ms: int) -> None:
    if duration_ms <= 0:
        raise InvalidInput("the run has no length; allowed: --for with a time above 0, such as 30d")
    if plan.bridge is not None and previous is None:
        raise InvalidInput("the plan has a [bridge]; give the plan in force before it with --previous")


@dataclass(frozen=True, slots=True)
class _InForce:
    """A plan that came in force ``since_s``, its limits, and what was planned by then, nL."""

    plan: DosingPlan
    limits: Mapping[str, Any]
    since_s: float
    planned: Fraction


class _Run:
    """One run in progress: the stack, the samples for the plot, the requests still to come."""

    def __init__(self, stack: SimulatedStack, duration_ms: int, progress: Progress | None) -> None:
        self.stack, self.duration_ms, self._progress = stack, duration_ms, progress
        self._every = max(60_000, duration_ms // 400)
        self._planned: list[tuple[float, float]] = [(0, 0)]
        self._confirm_at: int | None = None
        self._number = 0
        self._fills: list[result.Fill] = []
        self._plan = stack.plan  # the first one, on whose time axis everything is told
        self._in_force = [_InForce(stack.plan, stack.limits, 0, Fraction(0))]
        self._refusals: list[str] = []

    def go(self, requests: Sequence[Request]) -> None:
        """From the confirm to the end."""
        self.stack.begin()
        waiting = list(requests)
        while self.stack.elapsed_ms < self.duration_ms:
            now = self.stack.elapsed_ms
            stops = [self.duration_ms, now + self._every, now - now % MS_PER_DAY + MS_PER_DAY]
            stops += [waiting[0].at_ms] if waiting else []
            stops += [] if self._confirm_at is None else [self._confirm_at]
            stops += [now + MS_PER_MINUTE] if self.stack.controller.loading else []
            self.stack.run_to(min(stops))
            if self._confirm_at is not None and self.stack.elapsed_ms >= self._confirm_at:
                self._confirm()
            while waiting and waiting[0].at_ms <= self.stack.elapsed_ms:
                self._carry_out(waiting.pop(0))
            self._sample()

    def _sample(self) -> None:
        now = self.stack.elapsed_ms
        if self.stack.plan.sha256 != self._in_force[-1].plan.sha256:
            new = _InForce(self.stack.plan, self.stack.limits, now / 1_000, self._sums()[0])
            self._in_force.append(new)
        self._planned.append((now / 1_000, float(self._sums()[0])))
        if self._progress is not None:
            self._progress(min(now, self.duration_ms), self.duration_ms)

    def _sums(self) -> tuple[Fraction, Fraction, Fraction]:
        controller = self.stack.controller
        plan_ms = controller.plan_ms(self.stack.clock.boot_ms())
        return controller.totals.at(plan_ms, controller.books.pace())

    def _carry_out(self, request: Request) -> None:
        self._number += 1
        match request.kind:
            case "restart" | "reboot":
                self._restart(reboot=request.kind == "reboot")
            case "power-cycle":
                self.stack.world.power_cycle()
            case "ack":
                self.stack.runner.acknowledge(PERSON)
            case "refill":
                self._refill(request)
            case "resolve":
                self._resolve()
            case "load":
                self._load(request)
            case _:
                self.stack.ask(f"{request.kind}:{self._number}", RequestKind(request.kind))

    def _refill(self, request: Request) -> None:
        """What has left, and what is left, is read first: telling the controller takes time, and the pump goes on."""
        truth = self.stack.world.truth
        plan = request.plan or self.stack.plan
        self._fills.append(
            result.Fill(
                self.stack.elapsed_ms / 1_000, truth.delivered_pl() / 1_000, float(plan.reservoir.filled.nl)
            )
        )
        found = truth.reservoir_nl() if request.found_nl is None else request.found_nl
        self.stack.refill(plan, found_nl=found if request.measured else None)

    def _resolve(self) -> None:
        for code in sorted(VOUCHED & {alarm.row.code for alarm in self.stack.guard.alarms}):
            self.stack.runner.vouch(code, PERSON, "looked at it")

    def _load(self, request: Request) -> None:
        if request.plan is None:
            raise InvalidInput("a request to load names no plan")
        try:
            self.stack.load(request.plan)
        except NotAllowed as error:
            self._refusals.append(f"{Duration(request.at_ms)}: {request.plan.id}: {error}")

    def _restart(self, *, reboot: bool) -> None:
        try:
            self.stack.restart(reboot=reboot)
        except LinkError:
            self._confirm_at = None  # it will not run; the pump's own end of each command bounds it
            raise
        self._confirm_at = self.stack.elapsed_ms + CONFIRM_AFTER_MS

    def _confirm(self) -> None:
        try:
            self.stack.confirm()
            self._confirm_at = None
        except (LinkError, NotAllowed):
            self._confirm_at = self.stack.elapsed_ms + CONFIRM_AFTER_MS  # the person tries again

    # What came of it.

    def result(self) -> SimulationResult:
        """Everything the contract and the plot need."""
        stack, records, first = self.stack, list(self.stack.journal.records()), self._plan
        planned, commanded, missed = self._sums()
        boluses, states = result.bolus_rows(records), result.state_rows(records)
        alarms = result.alarm_rows(records, first.start_utc_ms)
        delivered = result.delivered_curve(stack.world.truth)
        trace = Trace(
            rate=result.rate_curve(delivered),
            planned=self._planned,
            delivered=delivered,
            reservoir=list(result.reservoir_curve(delivered, first.reservoir.filled.nl, self._fills)),
            tip=result.tip_curves(stack.world.truth, self._drugs()),
            boluses=boluses,
            alarms=alarms,
            states=states,
            events=result.event_list(records, first.start_utc_ms),
            labels=[(each.since_s, concentrations(each.plan)) for each in self._in_force],
        )
        return SimulationResult(
            plan_id=first.id,
            plan_sha256=first.sha256,
            pump_name=stack.profile.name,
            protocol=stack.profile.protocol,
            duration_s=self.duration_ms // 1_000,
            volume_nl=self._volumes(planned, commanded, missed),
            drugs=tuple(self._drug(name, planned) for name in self._drugs()),
            boluses=boluses,
            alarms=alarms,
            states=states,
            violations=self._violations(planned, commanded, missed),
            trace=trace,
            counts={"records": len(records), **result.kind_counts(records)},
            refusals=tuple(self._refusals),
        )

    def _volumes(self, planned: Fraction, commanded: Fraction, missed: Fraction) -> dict[str, int]:
        # Rounded so that what does not add up in whole nL is exactly what does not add up.
        left_over = int(planned - commanded - missed)
        return {
            "planned": round(planned),
            "commanded": round(planned) - round(missed) - left_over,
            "missed": round(missed),
            "delivered": round(Fraction(self.stack.world.truth.delivered_pl(), 1_000)),
            "ledger_low": self.stack.guard.low_nl,
            "ledger_high": self.stack.guard.high_nl,
        }

    @property
    def _limits(self) -> tuple[Mapping[str, Any], ...]:
        """The limits of every plan that was in force, in order."""
        return tuple(each.limits for each in self._in_force)

    def _drugs(self) -> tuple[str, ...]:
        named = (limits["fluids"] for limits in self._limits)
        return tuple(dict.fromkeys(drug for fluids in named for drug in fluids["reservoir"] | fluids["path"]))

    def _drug(self, name: str, planned: Fraction) -> DrugResult:
        truth = self.stack.world.truth
        known = name in truth.drugs()
        return DrugResult(
            name=name,
            planned_ng=round(self._planned_pg(name, planned) / 1_000),
            delivered_ng=truth.left_pg(name) // 1_000 if known else 0,
            at_tip_ng=truth.tip_pg(name) // 1_000 if known else 0,
            windows=tuple(self._window(name, hours, known=known) for hours in oracle.HOURS),
        )

    def _planned_pg(self, drug: str, planned: Fraction) -> Fraction:
        """What each plan planned while it was in force, by its own label."""
        ends = [*(each.planned for each in self._in_force[1:]), planned]
        total = Fraction(0)
        for each, end in zip(self._in_force, ends, strict=True):
            total += (end - each.planned) * concentrations(each.plan).get(drug, 0) / NL_PER_ML
        return total

    def _window(self, name: str, hours: int, *, known: bool) -> oracle.Window:
        truth = self.stack.world.truth
        return oracle.Window(
            hours=hours,
            worst_ng=ceil(Fraction(self.stack.guard.worst(name, hours), 1_000)),
            truth_ng=ceil(Fraction(truth.worst_window(name, hours), 1_000)) if known else 0,
            limit_ng=oracle.limit_across(self._limits, name, hours) // 1_000,
        )

    def _violations(
        self, planned: Fraction, commanded: Fraction, missed: Fraction
    ) -> tuple[oracle.Violation, ...]:
        stack, t_s = self.stack, self.stack.elapsed_ms // 1_000
        return (
            *oracle.truth_violations(self._limits, stack.world.truth, stack.profile.accuracy, t_s),
            *oracle.ledger_violations(
                stack.guard.low_nl, stack.guard.high_nl, stack.world.truth.counted_nl(), t_s
            ),
            *oracle.sums_violations(planned, commanded, missed, stack.profile.step.nl, t_s),
        )
