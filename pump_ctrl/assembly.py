"""The composition root: a plan, a profile and a link become a guarded pump, a controller and a runner.

Layer      assembly. The only module that knows every layer; it decides nothing.
Tests      tests/unit/test_assembly.py, and every test that runs the whole stack
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil

from pump_ctrl.clock import Clock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.prescription import Bridge, Prescription, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.drivers.base import (
    BalanceSettings,
    Link,
    PowerCut,
    PumpSettings,
    RelaySettings,
    SensorErrors,
    VolumeSensor,
)
from pump_ctrl.drivers.registry import balance_on, driver_factory, driver_grid, relay_on
from pump_ctrl.runner import Journal, Runner, Wait
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.lookout import Second
from pump_ctrl.safety.witness import Sight
from pump_ctrl.therapy.accounts import BridgeFlow
from pump_ctrl.therapy.devices import BalanceData, RelayData
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_timing
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.therapy.volumes import bridge_bounds, prime_pace

# What an exchange usually takes: New Era at 19200 baud, Harvard at 115200 or on USB. Measured on a paced line with
# 10 ms each way for the adapter (tests/unit/test_paced_lines.py) a New Era exchange takes 27 to 30 ms, at 9600 baud
# 35 to 41 ms, a Harvard one 23 and 43 ms. From the second run on the controller reckons with what it measures.
EXCHANGE_MS = {"reference": 50, "new-era": 30, "harvard": 20}
LEAD_MS = 900_000  # a run is renewed a quarter of an hour before it ends, or an eighth of a short lease
RETRY_MS, RETRY_MAX_MS = 5_000, 300_000
GREET_MS = {
    "reference": 61_000
}  # pumps that know one controller at a time, until a minute after its last word
UNWATCHED_LEASE_MS = 3_600_000  # where nothing in the pump notices that the host is lost (D-01)


def prescription_of(
    plan: DosingPlan, profile: PumpProfile, formulary: Formulary, previous: DosingPlan | None
) -> Prescription:
    """The plan as the controller carries it out.

    ``previous`` is the plan in force before; it is needed when the plan has a bridge.
    """
    hold = plan.on_loss.hold if plan.on_loss is not None else None
    without = (formulary.drug(drug.name).under_delivery.value.ms for drug in plan.reservoir.drugs)
    prime = plan.prime.volume.nl if plan.prime is not None else 0
    return Prescription(
        schedule=Schedule(plan, profile),
        under_delivery_ms=min(without),
        plan=plan.sha256,
        previous=plan.previous,
        start_utc_ms=plan.start_utc_ms,
        prime_nl=prime,
        prime_nl_per_h=prime_pace(prime, profile),
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
    data/timing.toml; where it says to hold, to go on to the end of what it was told (D-13). What it can be told lasts
    as long as the profile's lease or, if that is longer, the plan's hold (D-14).
    """
    timeout = load_timing().driver[profile.protocol].safe_timeout_ms
    return replace(
        bare_settings(profile, address),
        max_lease_ms=max(profile.lease.ms, prescription.max_hold_ms),
        wire_timeout_s=None if timeout is None or prescription.max_hold_ms else timeout // 1_000,
    )


def bare_settings(profile: PumpProfile, address: int = 0) -> PumpSettings:
    """The same for a pump that carries out no plan."""
    return PumpSettings(
        address=address,
        diameter_um=None if profile.syringe is None else profile.syringe.diameter_um,
        capacity_nl=profile.capacity.nl,
        step_nl=profile.step.nl,
        counter_unit_nl=profile.counter_unit.nl,
        max_nl_per_h=profile.max_nl_per_h,
        max_steps=profile.max_steps,
        max_lease_ms=profile.lease.ms,
        wire_timeout_s=None,
        model=profile.model,
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
        exchange_ms=EXCHANGE_MS[profile.protocol],
        lease_ms=lease,
        lead_ms=min(LEAD_MS, lease // 8),
        poll_ms=profile.poll.ms,
        retry_ms=RETRY_MS,
        retry_max_ms=RETRY_MAX_MS,
        stop_ms=driver.stop_ms,
        hold_ms=prescription.max_hold_ms if unwatched else 0,
        loss_is_set=driver.safe_timeout_ms is not None,
    )


def second_of(profile: PumpProfile, sensor: VolumeSensor | None, power_cut: PowerCut | None) -> Second | None:
    """What is to watch and stop the pump beside its own line; None where there is neither."""
    if sensor is None and power_cut is None:
        return None
    timing, (low, high) = load_timing().witness, profile.accuracy
    sight = Sight(
        poll_ms=timing.poll_ms,
        silent_polls=timing.silent_polls,
        confirm_ms=timing.confirm_ms,
        note_ms=timing.note_ms,
        early_ms=timing.early_ms,
        settle_ms=timing.settle_ms,
        quiet_ms=timing.quiet_ms,
        under_ms=timing.under_ms,
        stored_nl=timing.stored_nl,
        backlash_nl=timing.backlash_nl,
        low_per_mille=low,
        high_per_mille=high,
    )
    return Second(sight, sensor, power_cut)


def balance_of(data: BalanceData, link: Link) -> VolumeSensor:
    """A balance at the end of a link."""
    errors = SensorErrors(data.resolution_nl, data.accuracy_ppm, data.creep_nl_per_h, data.loss_nl_per_h)
    return balance_on(link, data.protocol, BalanceSettings(errors, data.density_ppm))


def relay_of(data: RelayData, link: Link) -> PowerCut:
    """A relay at the end of a link."""
    return relay_on(link, data.protocol, RelaySettings(data.cut, data.answer))


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
    second: Second | None = None,
) -> Runner:
    """A runner with its controller and guarded pump; nothing has been sent yet.

    ``owner`` is drawn once per session; ``limits`` is the signed limits file; ``address`` is the pump's number
    on its line; ``second`` is what watches and stops the pump beside its own line.

    Raises:
        InvalidInput: no driver speaks the pump's protocol, or no such pump can be as the profile says.
    """
    settings = settings_of(profile, prescription, address)
    driver = driver_factory(profile.protocol)(link, owner, settings=settings, stop_requested=stop_requested)
    guard = GuardedPump(driver, journal, clock, limits, stop_requested, second=second)
    timing = timing_of(profile, prescription)
    controller = Controller(prescription, limits_of(profile, settings), timing)
    return Runner(controller, guard, journal, clock, wait, greet_ms=GREET_MS.get(profile.protocol))
