"""Who is there: logging in and out.

Layer      web.
Hazard     a password that is guessed; a login page that leads to another site; guesses that take all the memory and
           all the threads there are.
Invariant  after logging in one comes to a path of this page; two passwords are tried at a time, whoever sends more.
Tests      tests/unit/web/test_login.py
"""

from __future__ import annotations

import re
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Account
from pump_ctrl.errors import NotAllowed
from pump_ctrl.web.house import house, page, posted, session_or_none, spend

AT_ONCE: Final = 2  # scrypt takes 32 MiB and a processor
_OURS: Final = re.compile(
    r"/(?!/)[!-\[\]-~]*"
)  # printable ASCII without a backslash, which browsers take for a slash
_trying = anyio.CapacityLimiter(AT_ONCE)


def _next(text: str) -> str:
    """A path of our own, whatever was asked for."""
    return text if _OURS.fullmatch(text) else "/"


def show(request: Request) -> Response:
    """The form."""
    to = _next(request.query_params.get("next", "/"))
    if session_or_none(request) is not None:
        return RedirectResponse(to, 303)
    nobody = not house(request).clinic.accounts.all()
    return _form(request, to=to, nobody=nobody)


def _form(
    request: Request, *, code: int = 200, to: str, name: str = "", failed: str = "", nobody: bool = False
) -> Response:
    return page(
        request, "login.html", code=code, to=to, name=name, failed=failed, nobody=nobody, lost="", typed=()
    )


def enter(request: Request, form: dict[str, str]) -> Response:
    """Log in. The door has made sure that the form is our own."""
    to, name = _next(form.get("next", "/")), form.get("name", "")
    try:
        account = house(request).clinic.accounts.authenticate(name, form.get("password", ""))
    except NotAllowed as error:
        request.state.session = None
        return _form(request, code=403, to=to, name=name, failed=f"{error.what} {error.do_now}")
    return _begin(request, account, to)


def _begin(request: Request, account: Account, to: str) -> Response:
    here = house(request)
    sessions = here.clinic.sessions
    if (before := session_or_none(request)) is not None:
        sessions.end(before)
    answer = RedirectResponse(to, 303)
    answer.set_cookie(
        here.settings.cookie, sessions.begin(account), httponly=True, samesite="strict", path="/"
    )
    return answer


def leave(request: Request, form: dict[str, str]) -> Response:
    """Log out."""
    found = spend(request, form, "logout")
    house(request).clinic.sessions.end(found)
    house(request).lately.clear()  # of everybody: the database is asked again
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(house(request).settings.cookie, httponly=True, samesite="strict", path="/")
    return answer


ROUTES = (
    Route("/login", show),
    Route("/login", posted(enter, _trying), methods=["POST"]),
    Route("/logout", posted(leave), methods=["POST"]),
)
