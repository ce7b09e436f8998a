"""Plan entry: a page for each step, live checks, and what the draft means so far.

Layer      web.
Hazard     what was typed is lost; a check of something else than what is typed.
Invariant  a step that is sent replaces the fields of that step and no others; a check saves nothing; what could not be
           saved still stands in the form that says why.
Tests      tests/unit/web/test_entry.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Draft
from pump_ctrl.errors import NotAllowed
from pump_ctrl.therapy.formulary import Formulary, load_formulary
from pump_ctrl.web.entry.check import Checked, check
from pump_ctrl.web.entry.follow import titration_of
from pump_ctrl.web.entry.form import DAYS, MONTHS, shown, unlike
from pump_ctrl.web.entry.names import Fields, is_row, most, ours, step_of
from pump_ctrl.web.entry.rows import added, removed
from pump_ctrl.web.entry.steps import Choices, Step, steps
from pump_ctrl.web.house import LoginFirst, fields, house, need, page, posted, session, session_or_none, spend


def formulary(request: Request) -> Formulary:
    """The drug library that plans are checked with."""
    return load_formulary(house(request).settings.formulary)


def checked(request: Request, given: Fields) -> Checked:
    """Everything that is known of a draft."""
    return check(given, formulary(request), house(request).clinic.versions.plan)


def draft_of(request: Request) -> Draft:
    """The draft that the address names."""
    found = house(request).clinic.drafts.get(request.path_params["key"])
    if found is None:
        raise HTTPException(404)
    return found


def _step(request: Request) -> Step:
    found = next((step for step in steps() if step.key == request.path_params["step"]), None)
    if found is None:
        raise HTTPException(404)
    return found


def begin(request: Request) -> Response:
    """The first step."""
    session(request)
    return RedirectResponse(f"/plans/{draft_of(request).key}/{steps()[0].key}", 303)


def show(request: Request) -> Response:
    """A step as it was saved."""
    need(request, "write")
    draft = draft_of(request)
    return _page(request, _step(request), draft, draft.fields)


def _page(request: Request, step: Step, draft: Draft, given: Fields, failed: str = "") -> Response:
    """A step with ``given`` in its fields; ``failed`` says why that is not what the draft says."""
    found = checked(request, given)
    at = steps().index(step)
    return page(
        request,
        "entry.html",
        code=409 if failed else 200,
        step=step,
        steps=steps(),
        before=steps()[at - 1].key if at else "",
        draft=draft,
        given=given,
        groups=shown(step, given, found.beside(), _choices(request)),
        found=found,
        elsewhere=found.elsewhere(step.key),
        titration=titration_of(found.previous, house(request).clinic.clock.utc_ms()),
        months=MONTHS,
        weekdays=DAYS,
        failed=failed,
        unlike=unlike(step, given, draft.fields) if failed else (),
    )


def _choices(request: Request) -> Mapping[str, Choices]:
    versions = house(request).clinic.versions.all()
    taken_back = {"withdrawn": ", withdrawn"}  # a pump may still carry it out
    plans = [
        (v.sha256, f"{v.plan_id}: {v.title} ({v.sha256[:12]}{taken_back.get(v.state, '')})")
        for v in versions
        if v.file is not None
    ]
    drugs = formulary(request).drugs
    return {
        "previous": (("", "no other plan"), *plans),
        "reservoir.drugs#.name": tuple(
            (name, f"{name} ({entry.title})") for name, entry in sorted(drugs.items())
        ),
    }


def _with_step(draft: Fields, step: Step, form: Fields) -> dict[str, str]:
    """The draft with the fields of this step as they were sent, and all the others as they are."""
    kept = {name: text for name, text in draft.items() if step_of(name) != step.key}
    sent = {name: text for name, text in form.items() if ours(name) and step_of(name) == step.key}
    return {**kept, **{name: text for name, text in sent.items() if text.strip()}}


def send(request: Request, form: dict[str, str]) -> Response:
    """Save a step, and go where the button says."""
    if session_or_none(request) is None:
        return page(request, "again.html", code=401, given=form)
    found = need(request, "write")
    step, draft = _step(request), draft_of(request)
    verb, _, what = form.get("do", "check").partition(" ")
    given = _with_step(draft.fields, step, form)
    if step_of(what) == step.key:
        given = _changed(given, verb, what)
    try:
        spend(request, form, f"entry {draft.key}")
        house(request).clinic.drafts.save(draft.key, given, _revision(form), found.account.name)
    except NotAllowed as error:
        return _page(request, step, draft_of(request), given, error.what)
    return RedirectResponse(f"/plans/{draft.key}/{_to(request, step, verb, what, given)}", 303)


def _changed(given: dict[str, str], verb: str, what: str) -> dict[str, str]:
    """The draft with one row more or less, if that is what the button says."""
    if verb == "add" and most(what):
        return added(given, what)
    return removed(given, what) if verb == "remove" and is_row(what) else given


def _revision(form: Fields) -> int:
    text = form.get("revision", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


def _to(request: Request, step: Step, verb: str, what: str, given: Fields) -> str:
    """Where to go on: a step, and the field there that wants to be looked at."""
    order = [each.key for each in steps()] + ["finish"]
    to, _, name = what.partition("#")
    if verb == "go" and to in order:
        return to + _at(name)
    if verb == "next":
        return order[order.index(step.key) + 1]
    if verb == "add":
        return step.key + _at(what)
    problems = checked(request, given).problems if verb == "check" else ()
    return step.key + _at(next((item.name for item in problems if item.step == step.key), ""))


def _at(name: str) -> str:
    return f"#{quote(name)}" if name else ""


async def live(request: Request) -> Response:
    """What the page asks while somebody types. Saves nothing; a refusal is a sentence that the script shows."""
    try:
        return await run_in_threadpool(_live, request, await fields(request))
    except LoginFirst:
        return JSONResponse({"said": "Not checked: you were logged out."}, 401)
    except NotAllowed as error:
        return JSONResponse({"said": f"Not checked. {error}"}, 403)
    except HTTPException as error:
        return JSONResponse({"said": f"Not checked. {error.detail}"}, error.status_code)


def _live(request: Request, form: dict[str, str]) -> Response:
    found = need(request, "write")
    step, draft = _step(request), draft_of(request)
    house(request).clinic.sessions.accept(found, f"entry {draft.key}", form.get("form", ""))
    return _told(request, step, draft, _with_step(draft.fields, step, form))


def _told(request: Request, step: Step, draft: Draft, given: Fields) -> Response:
    seen = checked(request, given)
    panel = page(
        request, "panel.html", found=seen, elsewhere=seen.elsewhere(step.key), step=step, draft=draft
    )
    beside = {name: {"level": item.level, "text": item.text} for name, item in seen.beside().items()}
    return JSONResponse({"beside": beside, "fluid": seen.fluid, "panel": bytes(panel.body).decode("utf-8")})


ROUTES = (
    Route("/plans/{key}", begin),
    Route("/plans/{key}/{step}", show),
    Route("/plans/{key}/{step}", posted(send), methods=["POST"]),
    Route("/plans/{key}/{step}/check", live, methods=["POST"]),
)
