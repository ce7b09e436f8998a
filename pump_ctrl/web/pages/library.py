"""The formulary and the pumps' profiles: every number with its source, as ``pump-ctrl formulary`` and ``pumps`` show.

Layer      web.
Tests      tests/unit/web/test_library.py
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pump_ctrl.therapy.formulary import DrugEntry
from pump_ctrl.therapy.sourced import Sourced
from pump_ctrl.therapy.wording import sourced
from pump_ctrl.web.house import page, session
from pump_ctrl.web.pages.entry import formulary


def show(request: Request) -> Response:
    """Every drug with every limit."""
    session(request)
    found = formulary(request)
    drugs = [(name, entry, _rows(entry)) for name, entry in sorted(found.drugs.items())]
    return page(request, "formulary.html", formulary=found, drugs=drugs)


def _rows(entry: DrugEntry) -> list[tuple[str, str, bool]]:
    """What is limited, the number with its source, and whether somebody has read that source."""
    rows = []
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if isinstance(value, Sourced):
            rows.append((name.replace("_", " "), sourced(value), value.verified))
    return rows


ROUTES = (Route("/formulary", show),)
