"""Plans: the list, a new one, one out of a file.

Layer      web.
Tests      tests/unit/web/test_plans.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Clinic, Version
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.plan import parse_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.follow import copy_of, following
from pump_ctrl.web.entry.steps import steps
from pump_ctrl.web.house import house, need, page, posted, session, spend

EMPTY: Final[Mapping[str, str]] = {"utc_offset": "+00:00"}


def listed(request: Request) -> Response:
    """Drafts and signed plans."""
    session(request)
    clinic = house(request).clinic
    return page(
        request,
        "plans.html",
        drafts=clinic.drafts.all(),
        versions=clinic.versions.all(),
        text="",
        problems=(),
    )


def begin(request: Request, form: dict[str, str]) -> Response:
    """A new draft: empty, the copy of a signed plan, or what a plan file says."""
    found = need(request, "write")
    spend(request, form, "new plan")
    clinic = house(request).clinic
    start: Mapping[str, str] = EMPTY
    if form.get("from") == "version":
        version = clinic.versions.get(form.get("sha256", ""))
        if version is None:
            raise NotAllowed(
                "There is no such signed plan.", code="no-such-plan", do_now="Look at the list of plans."
            )
        start = _after(request, version)
    elif form.get("from") == "file":
        try:
            start = fields_of(parse_plan(form.get("text", "").replace("\r\n", "\n"), "plan"))
        except InvalidInput as error:
            return page(
                request, "plans.html", code=400, drafts=clinic.drafts.all(), versions=clinic.versions.all(),
                text=form.get("text", ""), problems=[str(problem) for problem in error.problems],
            )  # fmt: skip
    draft = clinic.drafts.new(found.account.name, start)
    return RedirectResponse(f"/plans/{draft.key}/{steps()[0].key}", 303)


def _after(request: Request, version: Version) -> dict[str, str]:
    """The draft of a plan after a signed one, if that is approved or a pump carries it out; else a copy of it."""
    clinic, pumps = house(request).clinic, house(request).pumps
    in_force = {each.status["plan"]["sha256"] for each in pumps.known() if each.status}
    follows = version.state == "approved" or version.sha256 in in_force
    if not follows:
        return copy_of(version.plan, _taken(clinic))
    return following(version.plan, _taken(clinic), clinic.clock.utc_ms())


def _taken(clinic: Clinic) -> set[str]:
    """Names that plans have, signed ones and those in writing."""
    signed = {each.plan_id for each in clinic.versions.all()}
    return signed | {each.fields.get("id", "") for each in clinic.drafts.all()}


ROUTES = (
    Route("/", lambda request: RedirectResponse("/plans" if session(request) else "/login", 303)),
    Route("/plans", listed),
    Route("/plans", posted(begin), methods=["POST"]),
)
