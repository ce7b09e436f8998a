"""The status of a running controller as plain values: what ``pump-ctrl status --json`` prints.

Layer      live. Looks, asks the pump nothing and changes nothing.
Hazard     a status that looks fresh though the pump has not spoken for hours.
Invariant  integers, texts, booleans and null only; the age of what the pump said stands beside it.
Tests      tests/unit/test_live_status.py
"""

from __future__ import annotations

from typing import Any

from pump_ctrl.controller.books import BOLUSES
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.totals import Run, Span
from pump_ctrl.drivers.base import PumpStatus, StepKind
from pump_ctrl.live.advice import advice, since_journal_failed
from pump_ctrl.runner import Runner
from pump_ctrl.safety.alarms import Alarm
from pump_ctrl.safety.lookout import Lookout
from pump_ctrl.therapy.plan import DosingPlan

SCHEMA = "pump-ctrl/status/1"
_HOUR_MS = 3_600_000
Status = dict[str, Any]


def status_of(runner: Runner, plan: DosingPlan, now_ms: int, journal: str) -> Status:
    """Everything that a person or a page wants to know. ``now_ms`` is boot time."""
    controller, guard = runner.controller, runner.guard
    plan_ms = controller.plan_ms(now_ms)
    waiting = controller.state is State.WAITING
    return {
        "schema": SCHEMA,
        "journal": journal,
        "state": controller.state.value,
        "plan": {"id": plan.id, "title": plan.title, "sha256": controller.prescription.plan},
        "utc_offset_ms": plan.utc_offset_ms,
        "plan_utc_ms": plan.start_utc_ms + plan_ms,
        "plan_s": plan_ms // 1_000,
        "rate_nl_per_h": _rate(controller.run, plan_ms),
        "planned_rate_nl_per_h": round(controller.books.pace().rate(plan_ms) * _HOUR_MS)
        if plan_ms >= 0
        else 0,
        "volume_nl": _volumes(runner, plan_ms),
        "reservoir_nl": _reservoir(runner, plan),
        "run": _run(controller.run, plan),
        "next": _next(runner, plan, plan_ms, now_ms),
        "alarms": [_alarm(runner, alarm, plan.start_utc_ms + plan_ms) for alarm in guard.alarms],
        "pump": _pump(guard.last_status),
        "busy_s": None if runner.busy_ms is None else -(-runner.busy_ms // 1_000),
        "witness": _witness(guard.lookout),
        "unsettled": _unsettled(runner),
        "reconciliation": _reconciliation(runner) if waiting else None,
    }


def _rate(run: Run | None, plan_ms: int) -> int:
    """What the pump was told to give at this instant, nL/h."""
    span = None if run is None else _span(run, plan_ms)
    return 0 if span is None else span.volume_nl * _HOUR_MS // span.length_ms


def _span(run: Run, plan_ms: int) -> Span | None:
    """The part in force; a run that is booked to begin in a moment has begun on the pump."""
    at = max(plan_ms, run.from_ms)
    return next((span for span in run.spans if span.from_ms <= at < span.to_ms), None)


def _volumes(runner: Runner, plan_ms: int) -> Status:
    controller, guard = runner.controller, runner.guard
    planned, commanded, missed = controller.totals.at(plan_ms, controller.books.pace())
    return {
        "planned": round(planned),
        "commanded": round(commanded),
        "missed": round(missed),
        "ledger_low": guard.low_nl,
        "ledger_high": guard.high_nl,
    }


def _reservoir(runner: Runner, plan: DosingPlan) -> Status:
    low, high = runner.guard.left_by_now_nl
    filled = runner.guard.filled_nl
    least, most = max(0, filled - plan.reservoir.residual[1].nl - high), max(0, filled - low)
    return {"low": least, "high": most, "alarm": plan.reservoir.alarm.nl, "filled": filled}


def _run(run: Run | None, plan: DosingPlan) -> Status | None:
    if run is None:
        return None
    first, bolus = run.spans[0], run.purpose in BOLUSES
    return {
        "purpose": run.purpose,
        "request": run.request_id,
        "volume_nl": run.volume_nl,
        "until_utc_ms": plan.start_utc_ms + run.to_ms,
        "bolus_nl": first.volume_nl - first.basal_nl if bolus else 0,
        "bolus_until_utc_ms": plan.start_utc_ms + first.to_ms if bolus else None,
    }


def _next(runner: Runner, plan: DosingPlan, plan_ms: int, now_ms: int) -> Status:
    controller = runner.controller
    schedule = controller.prescription.schedule
    slot, change = schedule.next_slot(max(0, plan_ms)), controller.books.pace().next_change(max(0, plan_ms))
    hold = controller.hold_until_ms
    return {
        "bolus": None
        if slot is None
        else {"at_utc_ms": plan.start_utc_ms + slot.at_ms, "volume_nl": int(slot.volume_nl)},
        "rate_change_utc_ms": None if change is None else plan.start_utc_ms + change,
        "hold_ends_utc_ms": None if hold is None else plan.start_utc_ms + hold,
        "looks_in_s": max(0, controller.next_wakeup() - now_ms) // 1_000,
        "load_waits": controller.loading,
    }


def _alarm(runner: Runner, alarm: Alarm, utc_ms: int) -> Status:
    """``since_utc_ms``: by the plan's clock, where ``utc_ms`` is now; the status is asked for, not polled."""
    age_ms, detail = runner.guard.alarm_age_ms(alarm), alarm.detail
    if alarm.row.code == "journal":
        detail = f"{since_journal_failed(stop_open=runner.guard.stop_open)} {detail}"
    return {
        "code": alarm.row.code,
        "priority": alarm.row.priority.value,
        "condition": alarm.row.condition,
        "detail": detail,
        "since_utc_ms": utc_ms - age_ms,
        "age_s": age_ms // 1_000,
        "holds": alarm.holds,
        "acknowledged": alarm.acknowledged,
        "do": advice(alarm.row.code, holds=alarm.holds),
    }


def _pump(last: tuple[PumpStatus, int] | None) -> Status | None:
    if last is None:
        return None
    status, age_ms = last
    return {
        "state": status.state.value,
        "age_s": age_ms // 1_000,
        "delivered_nl": status.delivered_nl,
        "reservoir_nl": status.reservoir_nl,
        "battery_percent": status.battery_percent,
        "alarms": sorted(status.alarms),
    }


def _witness(lookout: Lookout | None) -> Status | None:
    """The second witness and the second stop; None where there is neither."""
    if lookout is None:
        return None
    seen = lookout.seen
    return {
        "sensor": lookout.has_sensor,
        "seen": None
        if seen is None
        else {
            "age_s": seen.age_ms // 1_000,
            "span_s": seen.span_ms // 1_000,
            "seen_nl": list(seen.seen_nl),
            "commanded_nl": list(seen.commanded_nl),
        },
        "power_cut": lookout.has_power_cut,
        "power_is_cut": lookout.power_is_cut,
    }


def _unsettled(runner: Runner) -> Status | None:
    permit = runner.guard.unsettled
    if permit is None:
        return None
    bolus = sum(step.volume_nl - step.basal_nl for step in permit.steps if step.kind is StepKind.BOLUS)
    return {"id": f"{permit.id:x}", "volume_nl": permit.volume_nl, "bolus_nl": bolus}


def _reconciliation(runner: Runner) -> Status:
    found = runner.guard.reconciliation()
    return {"words": found.words, "code": found.code}
