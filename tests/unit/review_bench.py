"""Plans in a few words, and what the review says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pump_ctrl.therapy.findings import Finding
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.therapy.plan import DosingPlan, plan_from
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review import review

BACLOFEN = {"baclofen": "1000 ug/mL"}
MIXTURE = {"morphine": "15 mg/mL", "bupivacaine": "20 mg/mL", "clonidine": "200 ug/mL"}
ASKED = {"dose": "0.4 mg", "over": "10 min", "lockout": "3 h", "max_per_day": 4}
FLEX = {
    "steps": [
        {"from": "06:00", "dose": "75 ug"},
        {"from": "09:00", "dose": "169 ug"},
        {"from": "22:00", "dose": "0 ug"},
        {"from": "22:20", "dose": "96 ug"},
    ]
}
NIGHT = {"at": "22:00", "dose": "60 ug", "over": "20 min"}


def plan(
    drugs: Mapping[str, str] | None = None,
    rate: str = "400 ug/day",
    filled: str = "40 mL",
    residual: tuple[str, str] = ("0 mL", "0 mL"),
    alarm: str = "2 mL",
    **more: Any,  # noqa: ANN401
) -> DosingPlan:
    """A plan of one continuous rate, with ``more`` of its fields replaced."""
    values: dict[str, Any] = {
        "schema": 1,
        "id": "T-1",
        "title": "test",
        "patient": "BENCH",
        "prescriber": "tester",
        "pump": "implant-40",
        "utc_offset": "+01:00",
        "start": "2026-11-20T08:00",
        "reservoir": {
            "filled": filled,
            "residual": list(residual),
            "alarm": alarm,
            "drugs": [{"name": name, "concentration": text} for name, text in (drugs or BACLOFEN).items()],
        },
        "catheter": {"model": "ascenda-8780", "length": "89 cm"},
        "basal": {"rate": rate},
    }
    return plan_from({**values, **more})


def old(*args: Any, **more: Any) -> DosingPlan:  # noqa: ANN401
    """A plan in force since long before the others start."""
    return plan(*args, **{"start": "2026-09-01T08:00", **more})


def after(before: DosingPlan, *args: Any, **more: Any) -> tuple[DosingPlan, DosingPlan]:  # noqa: ANN401
    """A plan that follows ``before``, with it."""
    return plan(*args, previous=before.sha256, **more), before


def findings(
    of: DosingPlan | tuple[DosingPlan, DosingPlan],
    pump: str = "implant-40",
    formulary: Formulary | None = None,
) -> tuple[Finding, ...]:
    """What the review finds."""
    new, before = of if isinstance(of, tuple) else (of, None)
    return review(new, formulary or load_formulary(), load_profile(pump), before)


def codes(of: DosingPlan | tuple[DosingPlan, DosingPlan], pump: str = "implant-40") -> set[str]:
    """Only the codes."""
    return {item.code for item in findings(of, pump)}
