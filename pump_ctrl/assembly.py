"""The composition root: a plan, a profile and a link become a guarded pump, a controller and a runner.

Layer      assembly. The only module that knows every layer; it decides nothing.
Tests      tests/unit/test_assembly.py, and every test that runs the whole stack
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from pump_ctrl.clock import Clock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.prescription import Bridge, Prescription, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.drivers.base import Link, PumpSettings
from pump_ctrl.drivers.registry import driver_factory, driver_grid
from pump_ctrl.runner import Journal, Runner, Wait
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.therapy.accounts import BridgeFlow
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_timing
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.therapy.volumes import bridge_bounds

# From deciding on a run to its begin in the pump: what a deliver takes on a serial line, as measured on the simulated
# one (tests/unit/test_assembly.py).
COMMIT_MS = {"reference": 100, "new-era": 1_500, "harvard": 720}
LEAD_MS = 900_000  # a run is renewed a quarter of an hour before it ends, or an eighth of a short lease
RETRY_MS, RETRY_MAX_MS = 5_000, 300_000
UNWATCHED_LEASE_MS = 3_600_000  # where nothing in the pump notices that the host is lost (D-01)


def prescription_of(
    plan: DosingPlan, profile: PumpProfile, formulary: Formulary, previous: DosingPlan | None
) -> Prescription:
    """The plan as the controller carries it out.

    ``previous`` is the plan in force before; it is needed when the plan has a bridge.
    """
    hold = plan.on_loss.hold if plan.on_loss is not None else None
    without = (formulary.drug(drug.name).under_delivery.value.ms for drug in plan.reservoir.drugs)
    return Prescription(
        schedule=Schedule(plan, profile),
        under_delivery_ms=min(without),
        plan=plan.sha256,
        previous=plan.previous,
        start_utc_ms=plan.start_utc_ms,
        prime_nl=plan.prime.volume.nl if plan.prime is not None else 0,
        bridge=_bridge(plan, profile, previous),
        max_hold_ms=hold.ms if hold is not None else 0,
    )


def _bridge(plan: DosingPlan, profile: PumpProfile, previous: DosingPlan | None) -> Bridge | None:
    if plan.bridge is None or previous is None:
        return None
    lo, hi = bridge_bounds(plan, profile)
    shift_ms, hold = plan.start_utc_ms - previous.start_utc_ms, BridgeFlow(plan, previous, profile).hold
    return Bridge(Schedule(previous, profile), shift_ms, lo, hi, hold)


def settings_of(profile: PumpProfile, prescription: Prescription, address: int = 0) -> PumpSettings:
    """What the pump's driver has to be told; ``address`` is the pump's number on its line.

    Where the plan says to stop when control is lost, a pump that can is to stop by itself after the time-out of
    data/timing.toml; where it says to hold, to go on to the end of what it was told (D-13).
    """
    timeout = load_timing().driver[profile.protocol].safe_timeout_ms
    return PumpSettings(
        address=address,
        diameter_um=None if profile.syringe is None else profile.syringe.diameter_um,
        capacity_nl=profile.capacity.nl,
        step_nl=profile.step.nl,
        counter_unit_nl=profile.counter_unit.nl,
        max_nl_per_h=profile.max_nl_per_h,
        max_steps=profile.max_steps,
        max_lease_ms=profile.lease.ms,
        wire_timeout_s=None if timeout is None or prescription.max_hold_ms else timeout // 1_000,
    )


def limits_of(profile: PumpProfile, settings: PumpSettings) -> Limits:
    """What this pump can be told."""
    return Limits(
        step_nl=profile.step.nl,
        max_nl_per_h=profile.max_nl_per_h,
        max_steps=profile.max_steps,
        grid=driver_grid(profile.protocol, settings),
        least_nl_per_h=ceil(profile.min_rate.nl_per_day / 24),
        counter_nl=profile.counter_unit.nl,
    )


def timing_of(profile: PumpProfile, prescription: Prescription) -> Timing:
    """The controller's times on this pump.

    A pump whose wire time-out is off, because the plan says to hold, is told short runs, and the hold behind each.
    """
    driver, lease = load_timing().driver[profile.protocol], profile.lease.ms
    unwatched = driver.safe_timeout_ms is not None and prescription.max_hold_ms > 0
    lease = min(lease, UNWATCHED_LEASE_MS) if unwatched else lease
    return Timing(
        commit_ms=COMMIT_MS[profile.protocol],
        lease_ms=lease,
        lead_ms=min(LEAD_MS, lease // 8),
        poll_ms=profile.poll.ms,
        retry_ms=RETRY_MS,
        retry_max_ms=RETRY_MAX_MS,
        stop_ms=driver.stop_ms,
        hold_ms=prescription.max_hold_ms if unwatched else 0,
    )


def assemble(
    prescription: Prescription,
    limits: bytes,
    profile: PumpProfile,
    link: Link,
    owner: int,
    journal: Journal,
    clock: Clock,
    wait: Wait,
    stop_requested: Callable[[], bool],
    *,
    address: int = 0,
) -> Runner:
    """A runner with its controller and guarded pump; nothing has been sent yet.

    ``owner`` is drawn once per session; ``limits`` is the signed limits file; ``address`` is the pump's number
    on its line.

    Raises:
        InvalidInput: no driver speaks the pump's protocol, or no such pump can be as the profile says.
    """
    settings = settings_of(profile, prescription, address)
    driver = driver_factory(profile.protocol)(link, owner, settings=settings, stop_requested=stop_requested)
    guard = GuardedPump(driver, journal, clock, limits, stop_requested)
    timing = timing_of(profile, prescription)
    controller = Controller(prescription, limits_of(profile, settings), timing)
    return Runner(controller, guard, journal, clock, wait)
