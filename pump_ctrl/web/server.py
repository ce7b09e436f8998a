"""Serves the page: uvicorn on one address, until it is told to end.

Layer      web.
Hazard     a server that cannot be ended while a page is open; one that listens to the whole network unasked; one whose
           STOP is gone as others hold connections open and say nothing, or read nothing.
Tests      tests/unit/web/test_server.py, tests/unit/test_cli_web.py, tests/system/test_web.py, tests/web
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from contextlib import suppress

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pump_ctrl.errors import NotAllowed
from pump_ctrl.web.app import make_app
from pump_ctrl.web.house import Settings

GRACE_S = 1  # an open page does not keep the server from ending
MOST_FILES = 65_536  # open at a time, where the system allows it; each connection takes one
IDLE_S = 15.0  # so long a connection may stand still, after which it is hung up within as long again


class Line(H11Protocol):
    """A connection that is hung up when it stands still: no whole request comes, or nothing of the answer is taken.

    One whose request is being worked on does not stand still, however long that takes.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """It is there."""
        super().connection_made(transport)
        self._later(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._timer.cancel()
        super().connection_lost(exc)

    def _later(self, now: object) -> None:
        self._timer = self.loop.call_later(IDLE_S, self._look, now)

    def _look(self, before: object) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        unread = self.transport.get_write_buffer_size()
        now = (self.cycle, idle, unread)
        if now == before and (idle or unread):
            self.transport.abort()
        else:
            self._later(now)


def listen(host: str, port: int) -> socket.socket:
    """Take an address, before anybody is told that the page is there. Close it, or serve on it.

    Raises:
        NotAllowed: it cannot be had.
    """
    try:
        (family, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:  # a name with an empty part is no OSError
        why = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise NotAllowed(
            f"Nothing is served: {host} port {port} cannot be had ({why}).",
            code="port-taken",
            do_now="Another page may be there already. Take another port with --port N, or end that one.",
        ) from None


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve on an address that was taken, until SIGINT or SIGTERM."""
    allow_files()
    config = uvicorn.Config(
        make_app(settings),
        log_level="warning",
        http=Line,
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_a_mistake)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which ends it as Ctrl-C does
    with suppress(KeyboardInterrupt):  # uvicorn raises it again when all is closed
        uvicorn.Server(config).run(sockets=[listening])


def allow_files() -> None:
    """Let this process open more files than the few that a shell grants; never fewer than it may now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _is_a_mistake(record: logging.LogRecord) -> bool:
    """A request that the end of the server cut off is none."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)
