"""What every room uses: who is logged in, the posted form, a page out of a template.

Layer      web; imports clinic and the kernel.
Hazard     a room that forgets to ask who it is; a form that is sent twice; a page that shows what somebody typed as
           markup; a STOP that is refused as the database does not answer.
Invariant  templates escape everything; a form counts once, for the session and the purpose that it was made for; who
           was logged in a moment ago is known without the database.
Tests      tests/unit/web/test_house.py
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import anyio
import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from pump_ctrl import __version__, figures
from pump_ctrl.clinic import Act, Clinic, Session
from pump_ctrl.clock import Clock
from pump_ctrl.errors import InvalidInput, JournalError, NotAllowed
from pump_ctrl.web.entry.day import day_svg
from pump_ctrl.web.pumps import Pumps
from pump_ctrl.web.recent import Recent
from pump_ctrl.web.trial import Trials

MOST_FIELDS: Final = 2_000
MOST_CHARACTERS: Final = 20_000  # of one field
MOST_NAME: Final = 200  # characters of its name
FORM_TYPE: Final = "application/x-www-form-urlencoded"
LATELY_MS: Final = 1_800_000  # so long it is taken for granted, for a STOP, that who was logged in still is
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # refused
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_TYPED: Final = frozenset({"form", "next", "do", "revision", "digest", "password", "new", "again"})
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the page is served. ``place`` is the state directory, ``formulary`` a file instead of the package's."""

    place: Path
    clock: Clock
    host: str = "127.0.0.1"
    port: int = 8080
    formulary: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what is no address under which the page can be asked.

        Raises:
            InvalidInput: it is not.
        """
        if self.host in _ANY:
            raise InvalidInput(
                f"--host {self.host or repr('')}: that is every address and none; allowed: the one under which the "
                "page is to be asked"
            )

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: a browser sends a cookie to every port of its host."""
        return f"pump_ctrl_session_{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The values of a Host header that are this page."""
        names = _LOOPBACK if self.host in _LOOPBACK else {self.host.lower()}
        shown = [f"[{name}]" if ":" in name else name for name in sorted(names)]
        return tuple(f"{name}:{self.port}" for name in shown) + (tuple(shown) if self.port == 80 else ())


@dataclass(frozen=True, slots=True)
class House:
    """What lives as long as the page is served. ``lately``: who was found to be logged in, and when (boot time, ms)."""

    settings: Settings
    clinic: Clinic
    pumps: Pumps
    templates: jinja2.Environment = field(repr=False)
    recent: Recent
    lately: dict[str, tuple[Session, int]] = field(default_factory=dict, repr=False)
    trials: Trials = field(default_factory=Trials)


class LoginFirst(Exception):
    """Nobody is logged in."""


def environment() -> jinja2.Environment:
    """The templates: everything is escaped, and a name that is not there is a mistake of ours."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("pump_ctrl.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(say=figures, version=__version__, day_svg=day_svg)
    return found


def house(request: Request) -> House:
    """The house that this request is in."""
    found: House = request.app.state.house
    return found


def session_or_none(request: Request) -> Session | None:
    """Who is logged in. While the database does not answer: who was, when it last did.

    Raises:
        JournalError: it does not answer, and nobody is known.
    """
    if not hasattr(request.state, "session"):
        try:
            request.state.session = look_up(request)
        except JournalError:
            request.state.session = _known(request)
            if request.state.session is None:
                raise
    found: Session | None = request.state.session
    return found


def look_up(request: Request, *, active: bool = True) -> Session | None:
    """Who is logged in, by the database; ``active``: a person did something, and not a page that looks by itself.

    Raises:
        JournalError: it does not answer.
    """
    here, token = house(request), _token(request)
    try:
        found = here.clinic.sessions.of(token, active=active) if token else None
    except JournalError:  # it may be that it cannot be written only
        found = here.clinic.sessions.of(token, active=False)
    if found is None:
        here.lately.pop(_key(token), None)
    else:
        here.lately[_key(token)] = (found, here.clinic.clock.boot_ms())
    return found


def stopper(request: Request) -> Session:
    """Who is logged in, for a STOP: nothing is written, and nothing is waited for if it was looked up a moment ago.

    Raises:
        LoginFirst: nobody.
        JournalError: the database does not answer, and nobody is known.
    """
    found = _known(request, LATELY_MS)
    if found is None:
        return session(request)
    request.state.session = found
    return found


def _known(request: Request, within_ms: int | None = None) -> Session | None:
    here = house(request)
    found, at_ms = here.lately.get(_key(_token(request)), (None, 0))
    fresh = within_ms is None or here.clinic.clock.boot_ms() - at_ms < within_ms
    return found if fresh else None


def _token(request: Request) -> str:
    return request.cookies.get(house(request).settings.cookie, "")


def _key(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def session(request: Request) -> Session:
    """Who is logged in.

    Raises:
        LoginFirst: nobody.
    """
    found = session_or_none(request)
    if found is None:
        raise LoginFirst
    return found


def need(request: Request, act: Act) -> Session:
    """Who is logged in, and may do this.

    Raises:
        LoginFirst: nobody is logged in.
        NotAllowed: this account may not.
    """
    found = session(request)
    if not found.account.may(act):
        roles = ", ".join(found.account.roles)
        raise NotAllowed(
            f"{found.account.name} ({roles}) may not do this.",
            code="role-lacking",
            pump_state="Nothing was changed and nothing was sent to a pump.",
            do_now="Ask somebody who may, or log in with another account.",
        )
    return found


async def fields(request: Request) -> dict[str, str]:
    """The posted form. Ticked boxes of one name are joined by a blank.

    Raises:
        HTTPException: it is no form of ours.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise HTTPException(400, "Nothing was done: the browser hung up.") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if body and kind != FORM_TYPE:
            raise ValueError(kind)
        given = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:  # which a wrong encoding is too
        raise HTTPException(
            400, f"Nothing was done: this is no form of this page, or it has more than {MOST_FIELDS} fields."
        ) from None
    found: dict[str, str] = {}
    for name, value in given:
        _require_text(name, value)
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def _require_text(name: str, value: str) -> None:
    if len(value) > MOST_CHARACTERS or len(name) > MOST_NAME:
        raise HTTPException(400, f"Nothing was done: a field has more than {MOST_CHARACTERS} characters.")
    if _NO_TEXT.search(name) or _NO_TEXT.search(value):
        raise HTTPException(
            400,
            "Nothing was done: there is a control character in what was sent. Go back, and type that field anew.",
        )


def posted(
    answer: Callable[[Request, dict[str, str]], Response], threads: anyio.CapacityLimiter | None = None
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that reads a form and answers it in a thread, where it may wait for the disk and for a pump.

    ``threads``: so many at a time, and none of those that everything else has.
    """

    async def endpoint(request: Request) -> Response:
        return await anyio.to_thread.run_sync(answer, request, await fields(request), limiter=threads)

    return endpoint


def spend(request: Request, form: Form, purpose: str) -> Session:
    """Make sure that a form was made for this session and purpose, and was not sent before.

    Raises:
        LoginFirst: nobody is logged in.
        NotAllowed: it was not, or it was.
    """
    found = session(request)
    house(request).clinic.sessions.spend(found, purpose, form.get("form", ""))
    return found


def page(request: Request, template: str, /, *, code: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """Render a template. It may make a form's token with ``form(purpose)``.

    Every page knows who is logged in (``who``) and the controllers that run, for the bar with STOP.
    """
    found = session_or_none(request)
    here = house(request)

    def form(purpose: str) -> str:
        return here.clinic.sessions.form(found, purpose) if found is not None else ""

    text = here.templates.get_template(template).render(
        who=found.account if found else None,
        path=request.url.path,
        form=form,
        controllers=here.pumps.known() if found else (),
        **values,
    )
    return HTMLResponse(text.encode("utf-8", "replace"), code)  # the name of a file may be no text


def to_login(request: Request) -> Response:
    """Ask who it is, and come back afterwards."""
    where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Response(status_code=303, headers={"Location": f"/login?next={quote(where, safe='/')}"})


def _came_from(request: Request) -> str:
    """The path of the page of ours that the form stood on; the first page if that is not known."""
    try:
        found = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # no address at all
        return "/"
    return found.path if found.netloc == request.headers["host"] else "/"


def logged_out(request: Request, form: Form) -> HTMLResponse:
    """Ask who it is, and tell that nothing was done with what was sent; what was typed is shown once more."""
    typed = [(name, text) for name, text in form.items() if name not in _NOT_TYPED and text.strip()]
    return page(
        request,
        "login.html",
        code=401,
        to=_came_from(request),
        name="",
        failed="",
        nobody=False,
        lost="STOP" if request.url.path.endswith("/stop") else "What you sent",
        typed=typed,
    )
