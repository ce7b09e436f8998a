"""Plans: the list, a new one, one out of a file.

Layer      web.
Tests      tests/unit/web/test_plans.py
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import count
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Clinic, Version
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.plan import parse_plan
from pump_ctrl.web.entry.draft import fields_of
from pump_ctrl.web.entry.names import START_PARTS
from pump_ctrl.web.entry.steps import steps
from pump_ctrl.web.house import house, need, page, posted, session, spend

EMPTY: Final[Mapping[str, str]] = {"utc_offset": "+00:00"}
_ONCE: Final = {"prime~kind": "no", "bridge~kind": "no"}


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
        start = _after(version, _taken(clinic))
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


def _after(version: Version, taken: Collection[str]) -> dict[str, str]:
    """A plan that follows a signed one. When it starts is asked anew; the path is neither primed nor bridged again."""
    found = fields_of(version.plan) | {"id": _next_id(version.plan_id, taken)} | _ONCE
    for name in ("previous", *(f"start~{part}" for part in START_PARTS)):
        found.pop(name, None)
    return found | ({"previous": version.sha256} if version.state == "approved" else {})


def _taken(clinic: Clinic) -> set[str]:
    """Names that plans have, signed ones and those in writing."""
    signed = {each.plan_id for each in clinic.versions.all()}
    return signed | {each.fields.get("id", "") for each in clinic.drafts.all()}


def _next_id(plan_id: str, taken: Collection[str]) -> str:
    """``ITB-014-2`` after ``ITB-014``, ``ITB-014-3`` after that one."""
    start, _, number = plan_id.rpartition("-")
    if start not in taken or not re.fullmatch(r"[2-9]|[1-9][0-9]", number):
        start, number = plan_id, "1"  # the 20 of BENCH-20 is no suffix of ours
    names = (f"{start}-{at}" for at in count(int(number) + 1))
    return next(name for name in names if name not in taken)


ROUTES = (
    Route("/", lambda request: RedirectResponse("/plans" if session(request) else "/login", 303)),
    Route("/plans", listed),
    Route("/plans", posted(begin), methods=["POST"]),
)
