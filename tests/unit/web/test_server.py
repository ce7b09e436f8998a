"""How the page is served: how many files may be open, who is hung up. As a process: tests/web/test_door.py."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from contextlib import suppress
from unittest.mock import Mock

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from pump_ctrl.web import server as server_module
from pump_ctrl.web.server import Line, allow_files

NO_END = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (1_024, 524_288, [(65_536, 524_288)]),
        (1_024, NO_END, [(65_536, NO_END)]),
        (1_024, 4_096, [(4_096, 4_096)]),
        (4_096, 4_096, []),
        (100_000, 524_288, []),
        (NO_END, NO_END, []),
    ],
)
def test_as_many_files_as_the_system_allows_and_never_fewer_than_before(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: list[tuple[int, int]]
) -> None:
    asked = list[tuple[int, int]]()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    allow_files()
    assert asked == then


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"POST /login HTTP/1.1\r\nHost: 127",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /",
    ],
    ids=["nothing", "half of one", "one and a half"],
)
def test_who_asks_for_nothing_whole_is_hung_up(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    """Each connection takes one of the files that there are, and STOP needs one."""
    monkeypatch.setattr(server_module, "IDLE_S", 0.01)

    async def go() -> None:
        config = uvicorn.Config(answers, log_level="critical")
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        server = await loop.create_server(lambda: Line(config, state, {}), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(says)
        with suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 10)  # to its end
        assert not state.connections
        writer.close()
        server.close()

    asyncio.run(go())


class Wire(asyncio.Transport):
    """The line to a browser, of whose answer ``unread`` bytes are not taken yet."""

    unread, aborted = 0, False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True


def hung_up(states: Iterable[tuple[bool, int]]) -> bool:
    """Whether a line is hung up that has been asked for something.

    At each look its answer is complete or not, and so much of it is unread.
    """
    config = uvicorn.Config(answers, log_level="critical")
    config.load()
    loop, wire = Mock(), Wire()
    line = Line(config, ServerState(), {}, loop)
    line.connection_made(wire)
    line.cycle = Mock()
    for complete, unread in states:
        line.cycle.response_complete, wire.unread = complete, unread
        _, look, now = loop.call_later.call_args.args
        look(now)
    return wire.aborted


@pytest.mark.parametrize(
    ("states", "then"),
    [
        ([(False, 0)] * 9, False),  # it is being worked on
        ([(False, 100_000), (False, 99_999), (False, 99_998)], False),  # it is taken slowly
        ([(False, 100_000), (False, 100_000)], True),  # nothing of it is taken
        ([(False, 0), (True, 0)], False),  # it has just been answered
        ([(True, 0), (True, 0)], True),
    ],
)
def test_who_waits_for_an_answer_or_takes_it_slowly_is_not_hung_up(
    states: list[tuple[bool, int]], then: bool
) -> None:
    assert hung_up(states) is then
