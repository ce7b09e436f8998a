"""The plans that the system machine runs: between them every form of basal, bolus and policy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from pump_ctrl.therapy.plan import DosingPlan, plan_from

BACLOFEN: Final = {"name": "baclofen", "concentration": "1000 ug/mL"}
MIXTURE: Final = [
    {"name": "morphine", "concentration": "15000 ug/mL"},
    {"name": "bupivacaine", "concentration": "20000 ug/mL"},
    {"name": "clonidine", "concentration": "200 ug/mL"},
]
NIGHT: Final = {"at": "22:00", "dose": "60 ug", "over": "20 min"}
PATIENT: Final = {"dose": "20 ug", "over": "10 min", "lockout": "3 h", "max_per_day": 2}


def _plan(on_loss: object, drugs: object, basal: object, **more: Any) -> DosingPlan:  # noqa: ANN401
    return plan_from(
        {
            "schema": 1,
            "id": "MACHINE-1",
            "title": "Machine",
            "patient": "BENCH-0",
            "prescriber": "nobody",
            "pump": "implant-40",
            "utc_offset": "+01:00",
            "start": "2026-11-20T08:00",
            "on_loss": on_loss,
            "reservoir": {
                "filled": "38 mL",
                "residual": ["0 mL", "1.4 mL"],
                "alarm": "2 mL",
                "drugs": drugs,
            },
            "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
            "basal": basal,
            **more,
        }
    )


def flex_hold() -> DosingPlan:
    """Example A's day with a bolus at night and at noon, patient requests, and a hold of 4 h."""
    steps = [
        {"from": "06:00", "dose": "75 ug"},
        {"from": "09:00", "dose": "169 ug"},
        {"from": "22:00", "dose": "0 ug"},
        {"from": "22:20", "dose": "96 ug"},
    ]
    noon = {"at": "12:00", "dose": "20 ug", "over": "10 min", "within": "1 s"}
    return _plan({"hold": "4 h"}, [BACLOFEN], {"steps": steps}, bolus=[noon, NIGHT], patient_bolus=PATIENT)


def even_stop() -> DosingPlan:
    """Morphine evenly, stopped when control is lost; a bolus that may come an hour late."""
    drugs = [{"name": "morphine", "concentration": "10000 ug/mL"}]
    bolus = {"at": "21:30", "dose": "200 ug", "over": "20 min", "within": "1 h"}
    patient = {"dose": "100 ug", "over": "601 s", "lockout": "15 min", "max_per_day": 4}
    return _plan("stop", drugs, {"rate": "62501 ng/h"}, bolus=[bolus], patient_bolus=patient)


def weekday_titration() -> DosingPlan:
    """A mixture by weekdays, titrated up and down within the first days."""
    weekdays = {"days": ["mon", "tue", "wed", "thu", "fri"], "steps": [{"from": "00:00", "rate": "150 ug/h"}]}
    weekend = {
        "days": ["sat", "sun"],
        "steps": [{"from": "00:00", "rate": "166665 ng/h"}, {"from": "12:00", "rate": "60 ug/h"}],
    }
    steps = [{"after": "48 h", "change": "+20 %"}, {"after": "2881 min", "change": "-20 %"}]
    bolus = {"at": "08:00", "dose": "100005 ng", "over": "1 h", "days": ["sat", "mon"]}
    return _plan(
        {"hold": "4 h"}, MIXTURE, {"days": [weekdays, weekend]}, titration={"step": steps}, bolus=[bolus]
    )


def primed() -> DosingPlan:
    """An empty path that is primed first, then a stopped basal with boluses alone."""
    prime = {"volume": "0.336 mL", "path": "empty"}
    return _plan(
        {"hold": "4 h"}, [BACLOFEN], {"rate": "12 ug/h"}, prime=prime, bolus=[NIGHT], patient_bolus=PATIENT
    )


PLANS: Final[dict[str, Callable[[], DosingPlan]]] = {
    "flex-hold": cache(flex_hold),
    "even-stop": cache(even_stop),
    "weekday-titration": cache(weekday_titration),
    "primed": cache(primed),
}
