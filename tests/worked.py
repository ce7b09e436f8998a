"""Worked plans of the domain notes, for tests to change: ``plan(FLEX, start="2026-11-23T00:00")``.

FLEX is plan A (baclofen, four steps and a night bolus), SIMPLE a baclofen plan of 300 ug/day, MIXTURE plan C
(three drugs, patient bolus), SLOW plan D (ziconotide), BEFORE and AFTER plan E (hydromorphone 5 to 10 mg/mL).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pump_ctrl.therapy.plan import DosingPlan, plan_from

Values = Mapping[str, Any]


def drug(name: str, concentration: str) -> dict[str, str]:
    """One drug of a reservoir."""
    return {"name": name, "concentration": concentration}


def reservoir(
    *drugs: dict[str, str], filled: str = "40 mL", residual: tuple[str, str] = ("0 mL", "0 mL")
) -> Values:
    """A reservoir with an alarm at 2 mL."""
    return {"filled": filled, "residual": list(residual), "alarm": "2 mL", "drugs": list(drugs)}


_HEAD: Final[Values] = {
    "schema": 1,
    "title": "Worked",
    "patient": "BENCH-014",
    "prescriber": "nobody",
    "pump": "implant-40",
    "utc_offset": "+01:00",
    "start": "2026-11-20T08:00",  # a Friday
    "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
}
SIMPLE: Final[Values] = {
    **_HEAD,
    "id": "SIMPLE",
    "on_loss": {"hold": "4 h"},
    "reservoir": reservoir(drug("baclofen", "1000 ug/mL")),
    "basal": {"rate": "300 ug/day"},
}
FLEX: Final[Values] = {
    **SIMPLE,
    "id": "A",
    "basal": {
        "steps": [
            {"from": "06:00", "dose": "75 ug"},
            {"from": "09:00", "dose": "169 ug"},
            {"from": "22:00", "dose": "0 ug"},
            {"from": "22:20", "dose": "96 ug"},
        ]
    },
    "bolus": [{"at": "22:00", "dose": "60 ug", "over": "20 min"}],
}
MIXTURE: Final[Values] = {
    **_HEAD,
    "id": "C",
    "on_loss": "stop",
    "reservoir": reservoir(
        drug("morphine", "15 mg/mL"), drug("bupivacaine", "20 mg/mL"), drug("clonidine", "200 ug/mL")
    ),
    "basal": {"rate": "4 mg/day"},
    "patient_bolus": {"dose": "0.4 mg", "over": "10 min", "lockout": "3 h", "max_per_day": 4},
}
SLOW: Final[Values] = {
    **_HEAD,
    "id": "D",
    "reservoir": reservoir(drug("ziconotide", "25 ug/mL"), filled="16 mL"),
    "basal": {"rate": "1.2 ug/day"},
}
BEFORE: Final[Values] = {
    **_HEAD,
    "id": "E-before",
    "pump": "implant-20",
    "start": "2026-11-01T08:00",
    "reservoir": reservoir(drug("hydromorphone", "5 mg/mL"), filled="20 mL"),
    "basal": {"rate": "3 mg/day"},
}
AFTER: Final[Values] = {
    **BEFORE,
    "id": "E",
    "start": "2026-11-20T08:00",
    "reservoir": reservoir(drug("hydromorphone", "10 mg/mL"), filled="20 mL"),
    "bridge": {},
}


def plan(values: Values, **changes: object) -> DosingPlan:
    """The plan with some of its tables replaced; None takes a table away."""
    merged = {**values, **changes}
    return plan_from({key: value for key, value in merged.items() if value is not None})


def after(before: DosingPlan, values: Values, **changes: object) -> DosingPlan:
    """The plan that follows ``before``."""
    return plan(values, previous=before.sha256, **changes)
