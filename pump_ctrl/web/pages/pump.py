"""The pumps' room: what each running controller and its pump do, and what may be asked of them.

Layer      web; asks over the consoles only.
Hazard     a picture of a pump that nobody has heard of for minutes; a request that goes out twice; a STOP that waits
           behind others, or for a disk.
Invariant  each form is one request, whose number is the form's; STOP is everybody's who is logged in, spends no form,
           has threads of its own, and nothing is written before it is sent.
Tests      tests/unit/web/test_pump.py
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pump_ctrl.clinic import Version
from pump_ctrl.errors import InvalidInput, JournalError, NotAllowed
from pump_ctrl.web.house import house, look_up, need, page, posted, session, spend, stopper
from pump_ctrl.web.pumps import Answer, Seen

# What may be asked by who may operate: what it is called, and the fields of its form, by the names of the console.
ASKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "bolus": ("Patient bolus", ()),
    "prime": ("Prime", ()),
    "pause": ("Pause", ()),
    "resume": ("Resume", ()),
    "confirm": ("Confirm after the restart", ("code", "off")),
    "ack": ("Alarms were seen", ()),
    "refill": ("Refill", ("found", "filled", "new_path")),
    "resolve": ("Vouch", ("command", "reason")),
    "load": ("Load a plan", ("sha256",)),
}
_NAMED: Final = frozenset({"confirm", "ack", "refill", "resolve", "load"})  # the console wants to know who
# What is called a request of the command line in the controller's words, and how its button is called here.
BUTTONS: Final[Mapping[str, str]] = {
    "resume": "Resume",
    "pause": "Pause",
    "ack": "Alarms were seen",
    "refill": "Tell the refill",
    "resolve": "Vouch for it",
    "load": "Load it",
    "bolus": "Patient bolus",
    "prime": "Prime",
    "stop": "STOP",
}
CONFIRM_BUTTON: Final = "That is right: go on"
_COMMAND: Final = re.compile(rf"pump-ctrl ({'|'.join(BUTTONS)})(?![\w-])( --confirm)?")
VERDICTS: Final[Mapping[int, str]] = {0: "done", 4: "not known to be done"}
# Part of what these ask may be noted though the rest is refused: the controller's words say which.
_IN_PARTS: Final = frozenset({"refill", "resolve", "ack"})
_NOTED: Final = (
    "Noted: "  # so the controller's words begin of what it took up; it is not offered a second time
)
AGAIN: Final = "This form was sent before; it counts once, as it first came to the controller."
FIGURE: Final = r"[0-9]+([.][0-9]+)?"  # mL; the page's script judges by the same
_FIGURE: Final = re.compile(FIGURE)
_VOLUMES: Final[Mapping[str, tuple[str, str]]] = {
    "found": ("Found", "; or unknown, if nobody measured it"),
    "filled": ("Filled", "; or nothing, if it is as the plan says"),
}
STOPS_AT_ONCE: Final = 64
ASKS_AT_ONCE: Final = 8  # a console lets 16 wait before it, and a STOP has to get in
_stopping, _asking = anyio.CapacityLimiter(STOPS_AT_ONCE), anyio.CapacityLimiter(ASKS_AT_ONCE)


def listed(request: Request) -> Response:
    """Every controller of this machine's user."""
    session(request)
    return page(request, "pumps.html", seen=_heard_first(request))


def rows(request: Request) -> Response:
    """The same, as the page replaces it again and again."""
    request.state.session = look_up(request, active=False)
    if request.state.session is None:
        return PlainTextResponse("", 401)
    return page(request, "list.html", seen=_heard_first(request))


def _heard_first(request: Request) -> list[Seen]:
    return sorted(house(request).pumps.known(), key=lambda each: each.silent)


def _seen(request: Request) -> Seen:
    found = house(request).pumps.get(request.path_params["key"])
    if found is None:
        raise HTTPException(404)
    return found


def show(request: Request) -> Response:
    """One of them."""
    session(request)
    return _page(request, _versions(request))


def _page(
    request: Request,
    versions: Sequence[Version] | None,
    told: Answer | None = None,
    asked: str = "",
    in_parts: bool = False,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """The page.

    ``versions``: None if it is not known which plans there are; ``in_parts``: what was refused may be noted in part;
    ``typed``: what stands in the fields again.
    """
    seen = _seen(request)
    in_force = seen.status["plan"]["sha256"] if seen.status else ""
    return page(
        request,
        "pump.html",
        seen=seen,
        status=seen.status,
        plans_known=versions is not None,
        to_load=[each for each in versions or () if in_force and _follows(each, in_force)],
        in_force=next((each for each in versions or () if each.sha256 == in_force), None),
        told=told,
        asked=asked,
        verdict=_verdict(told, in_parts=in_parts) if told else "",
        typed=typed or {},
        figure=FIGURE,
        here=here,
    )


def _follows(version: Version, in_force: str) -> bool:
    return version.state == "approved" and version.plan.previous == in_force


def _versions(request: Request) -> Sequence[Version] | None:
    try:
        return house(request).clinic.versions.all()
    except JournalError:
        return None  # the pump is shown, and what became of a request, whatever the disk does


def _verdict(told: Answer, *, in_parts: bool) -> str:
    if told.exit == NotAllowed.exit_code and in_parts:
        return "answered"
    return VERDICTS.get(told.exit, "not done as asked")


def here(text: str) -> str:
    """How the buttons of this page are called that do what the text says to type; nothing if there are none."""
    names = dict.fromkeys(
        CONFIRM_BUTTON if found[2] else BUTTONS[found[1]] for found in _COMMAND.finditer(text)
    )
    return f"On this page: {', '.join(names)}." if names else ""


def fragment(request: Request) -> Response:
    """What the page replaces again and again; looking by itself keeps nobody logged in."""
    request.state.session = look_up(request, active=False)
    if request.state.session is None:
        return PlainTextResponse("", 401)
    seen = _seen(request)
    return page(request, "status.html", seen=seen, status=seen.status, here=here)


def stops(request: Request) -> Response:
    """The bar with STOP, which every page replaces every few seconds."""
    request.state.session = look_up(request, active=False)
    if request.state.session is None:
        return PlainTextResponse("", 401)
    return page(request, "stops.html")


async def stop(request: Request) -> Response:
    """STOP, with the answer as a page, or as JSON for the page's script."""
    return await anyio.to_thread.run_sync(_stop, request, limiter=_stopping)


def _stop(request: Request) -> Response:
    try:
        by = stopper(request).account
    except JournalError as error:
        raise NotAllowed(
            f"STOP was NOT sent: it cannot be found out who you are. {error.what}",
            code="who-unknown",
            do_now="Stop the pump by hand, or in a terminal of this machine: pump-ctrl stop",
        ) from None
    answer = house(request).pumps.ask(request.path_params["key"], "stop", by, secrets.token_hex(8))
    if request.headers.get("accept") == "application/json":
        told = {"exit": answer.exit, "text": answer.text}
        return Response(json.dumps(told), media_type="application/json")  # the name of a file may be no text
    return _page(request, None, answer, "STOP")  # nothing is looked up, as nothing is waited for


def ask(request: Request, form: dict[str, str]) -> Response:
    """Carry out one request, and show the answer."""
    verb = request.path_params["verb"]
    if verb not in ASKS:
        raise HTTPException(404)
    title, names = ASKS[verb]
    found = need(request, "operate")
    seen = _seen(request)
    in_parts = verb in _IN_PARTS
    again = _spent_before(request, form, f"ask {seen.key}")
    more: dict[str, str | bool] = {name: form[name].strip() for name in names if form.get(name, "").strip()}
    more |= {"by": found.account.full_name} if verb in _NAMED else {}
    try:
        answer = house(request).pumps.ask(
            seen.key,
            "resume" if verb == "confirm" else verb,
            found.account,
            form["form"].partition(".")[0],
            **_of_verb(request, verb, more),
        )
    except NotAllowed as error:
        answer, in_parts = Answer(error.exit_code, str(error)), False
    except InvalidInput as error:
        answer, in_parts = (
            Answer(error.exit_code, str(error) if again else f"{error} Nothing was sent."),
            False,
        )
    if again:
        answer = replace(answer, text=f"{AGAIN} {answer.text}")
    typed = None if answer.exit in VERDICTS or _NOTED in answer.text else form
    return _page(request, _versions(request), answer, title, in_parts, typed)


def _spent_before(request: Request, form: Mapping[str, str], purpose: str) -> bool:
    """Spend the form. One that was spent before asks again under its number: it counts once, and its answer is told.

    Raises:
        LoginFirst: nobody is logged in.
        NotAllowed: the form is none for this, or too old.
    """
    try:
        spend(request, form, purpose)
    except NotAllowed as error:
        if error.code != "form-spent":
            raise
        return True
    return False


def _of_verb(request: Request, verb: str, more: dict[str, str | bool]) -> dict[str, str | bool]:
    """What the console wants to know besides."""
    if verb == "load":
        version = house(request).clinic.versions.get(str(more.get("sha256", "")))
        if version is None or version.state != "approved" or version.file is None:
            raise NotAllowed(
                "There is no approved plan of this fingerprint.",
                code="not-approved",
                do_now="Load the page again.",
            )
        return {**more, "plan": str(Path(version.file).resolve())}
    if verb == "refill":
        volumes: dict[str, str | bool] = {
            name: _volume(name, str(more[name])) for name in _VOLUMES if name in more
        }
        return {**more, "found": "unknown", **volumes, "new_path": more.get("new_path") == "yes"}
    return more


def _volume(name: str, text: str) -> str:
    """What was typed into a field whose unit is mL.

    Raises:
        InvalidInput: it is no figure.
    """
    if name == "found" and text == "unknown":
        return text
    if not _FIGURE.fullmatch(text):
        label, other = _VOLUMES[name]
        raise InvalidInput(
            f"{label}, mL: {text}; allowed: a figure such as 1.5, with a point, not a comma{other}."
        )
    return f"{text} mL"


ROUTES = (
    Route("/pumps", listed),
    Route("/stops", stops),
    Route("/pumps/list", rows),
    Route("/pumps/{key}", show),
    Route("/pumps/{key}/status", fragment),
    Route("/pumps/{key}/stop", stop, methods=["POST"]),
    Route("/pumps/{key}/{verb}", posted(ask, _asking), methods=["POST"]),
    Route(
        "/pumps/{key}/{verb}", lambda request: RedirectResponse(f"/pumps/{request.path_params['key']}", 303)
    ),
)
