"""What every request passes before any room sees it: the right host, our own origin, a bounded body.

Layer      web; imports starlette only.
Hazard     a page of another site that acts in the name of who is logged in; a name of another site that leads here
           (DNS rebinding); a body without end, or one that never comes; so many requests that STOP has to wait.
Invariant  nothing that changes anything is heard unless its Origin is the address under which we were asked; every
           answer, an error's too, says that only our own files may be loaded; a STOP is let in however many are.
Tests      tests/unit/web/test_door.py
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 200_000  # bytes; the longest plan is a tenth of it
BODY_S: Final = 30.0  # so long is waited for a form, however it comes
AT_ONCE: Final = 200  # requests; a connection that asks for nothing is none
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_STOPS: Final = re.compile(r"/stops|/pumps/[^/]+/stop")
_BUSY: Final = (
    f"Nothing was done: {AT_ONCE} others ask this page at the same time. Try again in a moment. STOP works all the "
    "same, and so does a terminal of this machine: pump-ctrl stop\n"
)
_TOO_LATE: Final = f"Nothing was done: the form had not come within {BODY_S:.0f} s. Send it again."
_TOO_LONG: Final = f"Nothing was done: more than {MAX_BODY} bytes were sent."
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer a browser says "Origin: null" of our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Door:
    """What stands before an ASGI application. ``hosts`` are the values of the Host header under which we may be asked.

    Args:
        app: what lies behind it.
        hosts: ``127.0.0.1:8080`` and the like.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it in, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = _guarded(send, static=scope["path"].startswith("/static/"))
            app = self._refusal(scope) or self._app
            self._inside += 1
            try:
                await app(scope, _bounded(receive), answer)
            finally:
                self._inside -= 1
        else:
            await send({"type": "websocket.close"})  # nothing here speaks it

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origins = headers.get("host", ""), headers.getlist("origin")
        if headers.getlist("host") != [host] or host not in self._hosts:
            return PlainTextResponse("This page is asked under its own address only.\n", 421)
        if self._inside >= AT_ONCE and not _STOPS.fullmatch(scope["path"]):
            return PlainTextResponse(_BUSY, 503, {"Retry-After": "2"})
        if scope["method"] in SAFE_METHODS:
            return None
        if origins != [f"{scope['scheme']}://{host}"]:
            return PlainTextResponse("Nothing was done: the request came from another site's page.\n", 403)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= MAX_BODY):
            return PlainTextResponse(f"{_TOO_LONG}\n", 413)
        return None


def _bounded(receive: Receive) -> Receive:
    """The same, until more came than any form of ours has, or it takes too long."""
    heard, ends, late = 0, False, anyio.current_time() + BODY_S

    async def bounded() -> Message:
        nonlocal heard, ends
        try:
            with anyio.fail_after(None if ends else late - anyio.current_time()):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _TOO_LATE) from None
        ends = not message.get("more_body", False)
        heard += len(message.get("body", b""))
        if heard > MAX_BODY:
            raise HTTPException(413, _TOO_LONG)
        return message

    return bounded


def _guarded(send: Send, *, static: bool) -> Send:
    """Put the headers on every answer. What a person sees is kept by nobody; what does not change may be."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers["Cache-Control"] = "no-cache" if static else "no-store"
        await send(message)

    return guarded
