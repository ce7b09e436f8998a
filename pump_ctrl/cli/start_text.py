"""What ``run`` says first: which plan on which pump, and what happens when this controller ends or dies.

Layer      cli. Words only; every figure is the plan's and the assembly's.
Hazard     somebody who believes that a pump stops when the process does.
Tests      tests/unit/test_cli_restart.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pump_ctrl.assembly import settings_of, timing_of
from pump_ctrl.cli.run_text import Times
from pump_ctrl.cli.text import pairs
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.safety.ask import readable
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.units import Duration

_LATE_MS: Final = 300_000


def start_lines(
    plan: DosingPlan, profile: PumpProfile, prescription: Prescription, port: str, now_utc_ms: int
) -> list[str]:
    """Which plan, which pump, when it starts, and what the pump does without this controller."""
    times = Times(plan.utc_offset_ms)
    began = "plan began" if plan.start_utc_ms <= now_utc_ms else "plan begins"
    rows = [
        ("plan", f"{plan.id}: {plan.title}"),
        ("for", plan.patient),
        ("pump", f"{profile.name} at {port}"),
        ("now", f"{times.full(now_utc_ms)} (the plan's wall clock)"),
        (began, times.full(plan.start_utc_ms)),
        *without_it(profile, prescription),
    ]
    return [*pairs(rows), *_late(now_utc_ms - plan.start_utc_ms)]


def _late(late_ms: int) -> Iterator[str]:
    if late_ms > _LATE_MS:
        late = readable(f"{late_ms - late_ms % 60_000} ms")
        yield f"The plan's start was {late} ago. What it asked for meanwhile and was not given is missed."


def without_it(profile: PumpProfile, prescription: Prescription) -> Iterator[tuple[str, str]]:
    """What the pump does when this process ends, and when it dies without a word (D-13, D-14)."""
    hold, timing = prescription.max_hold_ms, timing_of(profile, prescription)
    timeout_s, lease = settings_of(profile, prescription).wire_timeout_s, readable(f"{timing.lease_ms} ms")
    held = f"the lowest rate is held for {Duration(hold)} at most, then nothing flows"
    yield "on Ctrl-C", held if hold else "the pump is stopped"
    if timeout_s is not None:
        yield "if killed", f"the pump stops by itself within {timeout_s} s"
    elif timing.hold_ms:
        end = readable(f"{timing.hold_ms} ms")
        last = f"what the pump was told last goes on, for {lease} at most, then the lowest rate"
        yield "if killed", f"{last}; after {end} in all nothing flows"
    else:
        yield "if killed", f"what the pump was told last goes on, for {lease} at most; then nothing flows"
