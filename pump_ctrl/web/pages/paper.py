"""Paper and exports of a signed plan: the sheet to print, JSON and CSV.

Layer      web.
Hazard     a sheet of another plan among the pages; a page that is missing and nobody sees it.
Invariant  the fingerprint of the plan and "page 1 of 3" stand on every printed page; so does that it is not approved.
Tests      tests/unit/web/test_paper.py, tests/web/test_paper.py
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pump_ctrl import figures
from pump_ctrl.clinic import Reviewed, Version
from pump_ctrl.therapy.overview import Overview
from pump_ctrl.web.house import page, session
from pump_ctrl.web.pages.library import limits_of
from pump_ctrl.web.pages.signed import facts, version_of

_NOT_IN_FORCE: Final = {
    "awaits second": "NOT APPROVED: waits for a second signature",
    "withdrawn": "WITHDRAWN",
}


def sheet(request: Request) -> Response:
    """The plan sheet."""
    session(request)
    version = version_of(request)
    found = facts(request, version)
    given: Reviewed | None = found["given"]
    return page(request, "paper.html", limits=list(_limits(given)) if given else [], **found)


def _limits(given: Reviewed) -> Iterator[tuple[str, str, str]]:
    """Drug, limit and number with its source, of every limit that the formulary has for the plan's drugs."""
    for drug in given.plan.reservoir.drugs:
        if drug.name not in given.formulary:
            yield drug.name, "every limit", "not in this formulary: it was approved under another one"
            continue
        entry = given.formulary.drug(drug.name)
        for limit in limits_of(entry):
            yield drug.name, limit.what, limit.text


def style(request: Request) -> Response:
    """What stands at the edges of each printed page."""
    session(request)
    version = version_of(request)
    left = f"{version.plan_id}  sha256 {version.sha256}"
    said = _NOT_IN_FORCE.get(version.state, "")
    text = (
        f'@page {{ @top-left {{ content: "{said}"; font: bold 9pt sans-serif; }} '
        f'@bottom-left {{ content: "{left}"; font: 8pt monospace; }} '
        '@bottom-right { content: "page " counter(page) " of " counter(pages); font: 9pt sans-serif; } '
        '@top-right { content: "Bench and research software, not a medical device"; font: 8pt sans-serif; } }\n'
    )
    return Response(text, media_type="text/css")


def as_json(request: Request) -> Response:
    """The plan, its signatures, and its figures as the page writes them."""
    session(request)
    version = version_of(request)
    return _file(
        json.dumps(_document(request, version), indent=2) + "\n", version, "json", "application/json"
    )


def _document(request: Request, version: Version) -> dict[str, Any]:
    return {
        "schema": "pump-ctrl/signed-plan/1",
        "plan": {"id": version.plan_id, "sha256": version.sha256},
        "state": version.state,
        "digest": version.digest,
        "signatures": [
            {"account": s.account, "name": s.full_name, "utc_ms": s.utc_ms, "digest": s.digest}
            for s in version.signatures
        ],
        "reasons": dict(version.reasons),
        "values": json.loads(version.plan.canonical_json()),
        "figures": [dict(row) for row in _figures(facts(request, version)["overview"])],
    }  # fmt: skip


def as_csv(request: Request) -> Response:
    """The figures as a table: the plan and its state, then what, drug, value, unit."""
    session(request)
    version = version_of(request)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("plan", "sha256", "state", "what", "drug", "value", "unit"))
    for row in _figures(facts(request, version)["overview"]):
        writer.writerow((version.plan_id, version.sha256, version.state, *row.values()))
    return _file(out.getvalue(), version, "csv", "text/csv")


def _figures(view: Overview | None) -> Iterator[Mapping[str, str]]:
    if view is None:
        return
    for drug in view.drugs:
        rows: dict[str, Fraction | int] = {
            "infusion a day": drug.basal_pg,
            "scheduled boluses a day": drug.scheduled_pg,
            "a day with all patient boluses": drug.most_per_day_pg,
            **{f"most in any {hours} h, boluses on time": pg for hours, pg in drug.on_time.items()},
            **{f"most in any {hours} h, at worst": pg for hours, pg in drug.worst.items()},
            **{f"hard limit of any {hours} h": pg for hours, pg in drug.caps.items()},
        }
        for what, pg in rows.items():
            value, unit = figures.mass(pg, drug.unit).split(" ")
            yield {"what": what, "drug": drug.name, "value": value, "unit": unit}
    for what, nl in (
        ("volume a day", view.daily_nl),
        ("volume a day with all patient boluses", view.most_daily_nl),
    ):
        value, unit = figures.ml(nl).split(" ")
        yield {"what": what, "drug": "", "value": value, "unit": unit}


def _file(text: str, version: Version, suffix: str, kind: str) -> Response:
    name = f"{version.plan_id}-{version.sha256[:12]}.{suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers, media_type=kind)


ROUTES = (
    Route("/signed/{sha256}/paper", sheet),
    Route("/signed/{sha256}/paper.css", style),
    Route("/signed/{sha256}/plan.json", as_json),
    Route("/signed/{sha256}/plan.csv", as_csv),
)
