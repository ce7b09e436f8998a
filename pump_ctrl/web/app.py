"""The application: its rooms, its door, and what becomes of errors.

Layer      web.
Hazard     a traceback on a page; an error that reads as if something had been done.
Invariant  every error of ours is told in its own words, every other one says that nothing is known.
Tests      tests/unit/web/test_app.py
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from pump_ctrl.clinic import Clinic
from pump_ctrl.clinic.acts import FILE
from pump_ctrl.errors import InvalidInput, JournalError, NotAllowed, PumpCtrlError
from pump_ctrl.web import house
from pump_ctrl.web.door import SAFE_METHODS, Door
from pump_ctrl.web.house import House, LoginFirst, Settings
from pump_ctrl.web.pages import accounts, entry, finish, journal, library, login, paper, plans, pump, signed
from pump_ctrl.web.pumps import Pumps
from pump_ctrl.web.recent import Recent

ROOMS: Final = (login, plans, finish, signed, entry, paper, pump, journal, library, accounts)
_STATUS: Final = {NotAllowed: 403, InvalidInput: 400}
_TITLES: Final = {
    404: ("There is no such page", ""),
    405: ("Nothing was done", "This page does not understand what it was asked."),
}
_log = logging.getLogger("pump_ctrl.web")


class Page(Starlette):
    """The door is outside everything, so that it closes behind an error's page too."""

    hosts: tuple[str, ...] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """What a request passes."""
        return Door(super().build_middleware_stack(), self.hosts)


def make_app(settings: Settings) -> Page:
    """Make the page over a state directory; it is opened when the page begins to be served.

    Raises:
        PumpCtrlError: the state directory cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with Clinic.open(settings.place, settings.clock) as clinic, Pumps(clinic) as pumps:
            clinic.acts.hold()
            recent = Recent(clinic.place / FILE)
            app.state.house = House(settings, clinic, pumps, house.environment(), recent)
            yield

    static = Mount("/static", StaticFiles(packages=[("pump_ctrl.web", "static")]), name="static")
    rooms: list[Route | Mount] = [route for room in ROOMS for route in room.ROUTES]
    app = Page(
        routes=[*rooms, static],
        exception_handlers={
            LoginFirst: _login_first,
            PumpCtrlError: _told,
            HTTPException: _refused,
            Exception: _unknown,
        },
        lifespan=lifespan,
    )
    app.hosts = settings.hosts
    return app


async def _login_first(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoginFirst)
    if request.method in SAFE_METHODS:
        return house.to_login(request)
    try:
        form = await house.fields(request)
    except HTTPException:
        form = {}
    return await run_in_threadpool(house.logged_out, request, form)


def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, PumpCtrlError)
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    what = str(error) if isinstance(error, InvalidInput) else error.what
    return _error(request, status, what=what, pump_state=error.pump_state, do_now=error.do_now)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = error.status_code
    title, what = _TITLES.get(code, ("Not done", error.detail))
    answer = _error(request, code, title, what=what)
    answer.headers.update(error.headers or {})
    return answer


def _unknown(request: Request, error: Exception) -> Response:
    """A mistake of ours: the log has it, the page says what is known, which is nothing."""
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return _error(
        request,
        500,
        "Something went wrong",
        what="The page made a mistake. Whether what was asked was done is not known.",
        pump_state="A running controller is not touched by this.",
        do_now="Look at the pump's page or type pump-ctrl status. STOP works there as well: pump-ctrl stop",
    )


def _error(
    request: Request, code: int, title: str = "Not done", *, what: str, pump_state: str = "", do_now: str = ""
) -> Response:
    try:
        house.session_or_none(request)
    except JournalError:  # which is what is told, or it comes on top of it
        request.state.session = None
    return house.page(
        request, "error.html", code=code, title=title, what=what, pump_state=pump_state, do_now=do_now
    )
