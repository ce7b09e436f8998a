"""The composition root: a plan, a profile and a link become a guarded pump, a controller and a runner.

Layer      assembly. The only module that knows every layer; it decides nothing.
Tests      tests/unit/test_assembly.py, and every test that runs the whole stack
"""

from __future__ import annotations

from pump_ctrl.controller.prescription import Bridge, Prescription, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.therapy.formulary import Formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile, load_timing
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.therapy.volumes import bridge_bounds

LEAD_MS = 900_000  # a run is renewed a quarter of an hour before it ends, or an eighth of a short lease
RETRY_MS, RETRY_MAX_MS = 5_000, 300_000


def prescription_of(plan: DosingPlan, profile: PumpProfile, previous: DosingPlan | None) -> Prescription:
    """The plan as the controller carries it out.

    ``previous`` is the plan in force before; it is needed when the plan has a bridge.
    """
    hold = plan.on_loss.hold if plan.on_loss is not None else None
    return Prescription(
        schedule=Schedule(plan, profile),
        prime_nl=plan.prime.volume.nl if plan.prime is not None else 0,
        bridge=_bridge(plan, profile, previous),
        max_hold_ms=hold.ms if hold is not None else 0,
    )


def _bridge(plan: DosingPlan, profile: PumpProfile, previous: DosingPlan | None) -> Bridge | None:
    if plan.bridge is None or previous is None:
        return None
    lo, hi = bridge_bounds(plan, profile)
    return Bridge(Schedule(previous, profile), plan.start_utc_ms - previous.start_utc_ms, lo, hi)


def limits_of(profile: PumpProfile) -> Limits:
    """What this pump can be told."""
    return Limits(profile.step.nl, max_nl_per_h(profile), profile.max_steps)


def max_nl_per_h(profile: PumpProfile) -> int:
    """The pump's fastest flow in whole nL/h, rounded down."""
    return int(profile.max_rate.nl_per_day // 24)


def timing_of(plan: DosingPlan, profile: PumpProfile, formulary: Formulary, commit_ms: int) -> Timing:
    """The controller's times for this plan on this pump; ``commit_ms`` is the link's (see ``Timing``)."""
    driver = load_timing().driver[profile.protocol]
    lease = profile.lease.ms
    return Timing(
        commit_ms=commit_ms,
        lease_ms=lease,
        lead_ms=min(LEAD_MS, lease // 8),
        poll_ms=profile.poll.ms,
        retry_ms=RETRY_MS,
        retry_max_ms=RETRY_MAX_MS,
        stop_ms=driver.stop_ms,
        under_delivery_ms=min(
            formulary.drug(drug.name).under_delivery.value.ms for drug in plan.reservoir.drugs
        ),
    )
