"""The finish page: current beside pending, the findings, the simulation, the first signature.

Layer      web; clinic signs.
Hazard     a signature under something that was not on the screen; a finding nobody read.
Invariant  the page carries the digest of what it shows, and the signature is of that digest or is refused; a refusal
           shows what stands there now, with the reasons as they were typed.
Tests      tests/unit/web/test_finish.py
"""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Draft, Reviewed
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.plan import DosingPlan, parse_plan
from pump_ctrl.therapy.review import blocked
from pump_ctrl.web.comparison import Compared, compared
from pump_ctrl.web.entry.check import Checked
from pump_ctrl.web.entry.steps import steps
from pump_ctrl.web.house import Form, fields, house, need, page, posted, session, spend
from pump_ctrl.web.pages.entry import checked, draft_of, formulary

REASON: Final = "reason:"
_INCOMPLETE: Final = "Look at what is missing."


def reviewed(request: Request, found: Checked) -> Reviewed | None:
    """What is put before the signer; None while the draft is no plan."""
    if found.plan is None or found.profile is None:
        return None
    return Reviewed(found.plan, formulary(request), found.profile, found.previous)


def beside(given: Reviewed) -> Compared | None:
    """Current against pending; None where figures cannot be worked out, of which the review says why."""
    try:
        return compared(given.previous, given.plan, given.profile)
    except InvalidInput:
        return None


def by_hand(request: Request, previous: DosingPlan | None) -> bool:
    """Whether the plan in force is none that accounts signed here: its file was given to compare with."""
    return previous is not None and house(request).clinic.versions.get(previous.sha256) is None


def show(request: Request) -> Response:
    """The finish page of a draft."""
    session(request)
    return _page(request)


def _page(
    request: Request, *, failed: str = "", at: str = "", form: Form | None = None, status: int = 200
) -> Response:
    """The page as things are now; ``failed`` says why nothing was done, ``at`` which part of it was asked for."""
    draft = draft_of(request)
    found = checked(request, draft.fields)
    given = reviewed(request, found)
    here = house(request)
    return page(
        request, "finish.html", code=status, draft=draft, found=found, given=given, steps=steps(),
        beside=beside(given) if given else None, failed=failed, failed_at=at,
        reasons=_reasons(form or {}), text=(form or {}).get("text", ""),
        trial=here.trials.last(given) if given else None,
        signed=here.clinic.versions.get(given.plan.sha256) if given else None,
        stops=blocked(found.findings),
        unknown=any(item.code == "previous-missing" for item in found.findings),
        by_hand=by_hand(request, found.previous),
    )  # fmt: skip


def _reasons(form: Form) -> dict[str, str]:
    return {name.removeprefix(REASON): text.strip() for name, text in form.items() if name.startswith(REASON)}


def _given(request: Request, draft: Draft, otherwise: str) -> Reviewed:
    given = reviewed(request, checked(request, draft.fields))
    if given is None:
        raise NotAllowed(
            f"{otherwise}: the plan is not complete.", code="plan-incomplete", do_now=_INCOMPLETE
        )
    return given


def sign(request: Request, form: dict[str, str]) -> Response:
    """The first signature."""
    found = need(request, "sign")
    draft = draft_of(request)
    try:
        spend(request, form, f"sign {draft.key}")
        version = house(request).clinic.versions.sign(
            draft.key, _given(request, draft, "Not signed"), found.account, form.get("password", ""),
            _reasons(form), form.get("digest", ""),
        )  # fmt: skip
    except NotAllowed as error:
        return _page(request, failed=str(error), at="sign", form=form, status=403)
    return RedirectResponse(f"/signed/{version.sha256}", 303)


async def try_out(request: Request) -> Response:
    """Thirty days on a simulated pump, before anybody signs."""
    form = await fields(request)
    here = house(request)
    try:
        given = await run_in_threadpool(_to_try, request, form)
        await here.trials.run(given, here.settings.formulary)
    except NotAllowed as error:
        return await run_in_threadpool(_not_tried, request, str(error))
    return RedirectResponse(f"/plans/{request.path_params['key']}/finish#try", 303)


def _to_try(request: Request, form: Form) -> Reviewed:
    need(request, "look")
    draft = draft_of(request)
    spend(request, form, f"try {draft.key}")
    return _given(request, draft, "Nothing to try out")


def _not_tried(request: Request, why: str) -> Response:
    return _page(request, failed=why, at="try", status=409)


def give_previous(request: Request, form: dict[str, str]) -> Response:
    """The file of the plan in force, if it is not known here. It is compared with; nothing is signed."""
    found = need(request, "write")
    draft = draft_of(request)
    try:
        spend(request, form, f"previous {draft.key}")
        plan = parse_plan(form.get("text", "").replace("\r\n", "\n"), "plan file")
        wanted = draft.fields.get("previous", "")
        if plan.sha256 != wanted:
            raise NotAllowed(
                f"That is {plan.id} with the fingerprint {plan.sha256}; this plan follows {wanted or 'none'}.",
                code="other-plan-in-force",
                do_now="Give the file of the plan that the pump carries out now, as it was signed.",
            )
        house(request).clinic.versions.know(plan, found.account)
    except (NotAllowed, InvalidInput) as error:
        return _page(request, failed=str(error), at="previous", form=form, status=400)
    return RedirectResponse(f"/plans/{draft.key}/finish", 303)


ROUTES = (
    Route("/plans/{key}/finish", show),
    Route("/plans/{key}/sign", posted(sign), methods=["POST"]),
    Route("/plans/{key}/try", try_out, methods=["POST"]),
    Route("/plans/{key}/previous", posted(give_previous), methods=["POST"]),
)
