"""A signed plan: its signatures, the second one, its withdrawal, its file.

Layer      web; clinic signs.
Hazard     a second signature under something else than the first; one that is given by the same person.
Invariant  what is shown is worked out anew; the second signature is of the same digest as the first,
           under the first signature and the reasons that were shown, or is refused.
Tests      tests/unit/web/test_finish.py
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Reviewed, Version
from pump_ctrl.errors import InvalidInput, NotAllowed
from pump_ctrl.therapy.findings import Finding
from pump_ctrl.therapy.overview import Overview, overview
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review_case import Case
from pump_ctrl.web.house import house, need, page, posted, session, spend
from pump_ctrl.web.pages.entry import formulary
from pump_ctrl.web.pages.finish import beside, by_hand


def version_of(request: Request) -> Version:
    """The signed plan that the address names."""
    found = house(request).clinic.versions.get(request.path_params["sha256"])
    if found is None:
        raise HTTPException(404)
    return found


def reviewed_again(request: Request, version: Version) -> Reviewed:
    """What a signed plan comes to today.

    Raises:
        InvalidInput: its pump is not known, here or any more.
    """
    plan = version.plan
    previous = house(request).clinic.versions.plan(plan.previous) if plan.previous else None
    return Reviewed(plan, formulary(request), load_profile(plan.pump), previous)


def _view(given: Reviewed) -> Overview | None:
    """The figures of a plan, if it can be compiled."""
    try:
        return overview(Case(given.plan, given.formulary, given.profile, given.previous))
    except InvalidInput:
        return None


def facts(request: Request, version: Version) -> dict[str, Any]:
    """What every page on a signed plan shows.

    ``changed``: what the review comes to is not what was signed; ``strange``: why nothing can be worked out here, such
    as of a plan that was approved on the command line for a pump of somebody's own.
    """
    found: dict[str, Any] = {
        "signed": version, "plan": version.plan, "given": None, "overview": None, "beside": None, "by_hand": False,
        "changed": False, "texts": {}, "strange": "",
    }  # fmt: skip
    try:
        given = reviewed_again(request, version)
    except InvalidInput as error:
        return {**found, "strange": str(error)}
    return {
        **found, "given": given, "overview": _view(given), "beside": beside(given),
        "by_hand": by_hand(request, given.previous), "changed": given.digest != version.digest,
        "texts": _texts(given.findings),
    }  # fmt: skip


def _texts(findings: Iterable[Finding]) -> dict[str, str]:
    """What each reason is for: one finding, or all of a code."""
    found: dict[str, list[str]] = {}
    for item in findings:
        for key in {item.key, item.code}:
            found.setdefault(key, []).append(item.text)
    return {key: "; ".join(texts) for key, texts in found.items()}


def show(request: Request) -> Response:
    """A signed plan: its signatures, and what to do with it."""
    session(request)
    return page(request, "signed.html", failed="", **facts(request, version_of(request)))


def second(request: Request, form: dict[str, str]) -> Response:
    """The second signature."""
    found = need(request, "second")
    version = version_of(request)
    try:
        spend(request, form, f"second {version.sha256}")
        house(request).clinic.versions.second(
            reviewed_again(request, version), found.account, form.get("password", ""), form.get("digest", ""),
            form.get("first", ""),
        )  # fmt: skip
    except NotAllowed as error:
        again = version_of(request)  # somebody may have signed or withdrawn it meanwhile
        return page(request, "signed.html", code=403, failed=str(error), **facts(request, again))
    return RedirectResponse(f"/signed/{version.sha256}", 303)


def withdraw(request: Request, form: dict[str, str]) -> Response:
    """Take back a plan that is approved, or waits for its second signature."""
    found = need(request, "sign")
    version = version_of(request)
    try:
        spend(request, form, f"withdraw {version.sha256}")
        house(request).clinic.versions.withdraw(version.sha256, found.account)
    except NotAllowed as error:
        again = version_of(request)
        return page(request, "signed.html", code=403, failed=str(error), **facts(request, again))
    return RedirectResponse(f"/signed/{version.sha256}", 303)


def text(request: Request) -> Response:
    """The plan file."""
    session(request)
    version = version_of(request)
    name = f"{version.plan_id}-{version.sha256[:12]}.toml"
    return PlainTextResponse(version.text, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROUTES = (
    Route("/signed/{sha256}", show),
    Route("/signed/{sha256}/second", posted(second), methods=["POST"]),
    Route("/signed/{sha256}/withdraw", posted(withdraw), methods=["POST"]),
    Route("/signed/{sha256}/plan.toml", text),
)
