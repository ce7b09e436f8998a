"""The formulary and the pumps' profiles: every number with its source, as ``pump-ctrl formulary`` and ``pumps`` show.

Layer      web.
Hazard     a limit that is taken for another one; a milligram that is read as a microgram.
Invariant  every limit has words of its own; a mass stands in the unit in which doses of its drug are written.
Tests      tests/unit/web/test_library.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pump_ctrl.therapy.formulary import DrugEntry
from pump_ctrl.therapy.sourced import Sourced
from pump_ctrl.therapy.wording import sourced
from pump_ctrl.web.house import page, session
from pump_ctrl.web.pages.entry import formulary

# What each limit is called, and what stands behind its number.
LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    "on_label": ("on label by this route", ""),
    "concentration_soft": ("concentration, soft limit", ""),
    "concentration_hard": ("concentration, hard limit", ""),
    "concentration_naive_pump": ("concentration in a pump that never held the drug, at most", ""),
    "daily_soft": ("daily dose, soft limit", "/day"),
    "daily_hard": ("dose in any 24 h, hard limit", ""),
    "hour_hard": ("dose in any 1 h, hard limit", ""),
    "four_hours_hard": ("dose in any 4 h, hard limit", ""),
    "bolus_soft": ("one bolus, soft limit", ""),
    "bolus_hard": ("one bolus, hard limit", ""),
    "start_soft": ("first daily dose, soft limit", "/day"),
    "start_hard": ("first daily dose, hard limit", "/day"),
    "up_soft": ("increase of the daily dose, soft limit", ""),
    "up_hard": ("increase of the daily dose, hard limit", ""),
    "up_mass_soft": ("increase of the daily dose as a mass, soft limit", "/day"),
    "up_mass_hard": ("increase of the daily dose as a mass, hard limit", "/day"),
    "up_interval_soft": ("time between increases, least by the soft limit", ""),
    "up_interval_hard": ("time between increases, least by the hard limit", ""),
    "down_soft": ("decrease of the daily dose, soft limit", ""),
    "down_hard": ("decrease of the daily dose, hard limit", ""),
    "down_interval": ("time between decreases, at least", ""),
    "min_daily": ("daily dose, at least, against withdrawal", "/day"),
    "on_loss": ("if control is lost: hold the lowest rate, or stop", ""),
    "max_hold": ("such a hold, at most", ""),
    "under_delivery": ("alarm when too little was given for", ""),
    "stability": ("stable in the pump for", ""),
    "stability_first_fill": ("stable in the pump for, at its first fill", ""),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a drug: what it limits, its number with its source, whether somebody has read that source."""

    what: str
    text: str
    verified: bool


def limits_of(entry: DrugEntry) -> Iterator[Limit]:
    """Every limit that the formulary has for a drug, in its order."""
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if isinstance(value, Sourced):
            words, per = LIMITS[name]
            yield Limit(words, sourced(value, per, entry.unit), value.verified)


def show(request: Request) -> Response:
    """Every drug with every limit."""
    session(request)
    found = formulary(request)
    drugs = [(name, entry, tuple(limits_of(entry))) for name, entry in sorted(found.drugs.items())]
    return page(request, "formulary.html", formulary=found, drugs=drugs)


ROUTES = (Route("/formulary", show),)
