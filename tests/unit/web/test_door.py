"""The door: who is let in, how much is listened to, and what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from pump_ctrl.web import door as door_module
from pump_ctrl.web.door import Door

HOST = "127.0.0.1:8080"
OURS = ("origin", f"http://{HOST}")


@dataclass
class Room:
    """What lies behind the door, and how often it was entered."""

    entered: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.append(scope["method"])
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOW")]}
        )
        await send({"type": "http.response.body", "body": await Request(scope, receive).body()})


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    room: Room,
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (("host", HOST),),
    chunks: Iterable[bytes] = (b"",),
    path: str = "/",
) -> Answer:
    """One request, as a server hands it over."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    left, sent = list(chunks), []

    async def receive() -> Message:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Door(room, [HOST, "localhost:8080"])(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize("host", [HOST, "localhost:8080"])
def test_the_pages_own_names_are_let_in(host: str) -> None:
    assert ask(Room(), headers=[("host", host)]).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("host", "evil.example:8080")],
        [("host", "127.0.0.1")],
        [("host", "127.0.0.1:8081")],
        [("host", f"{HOST}.evil.example")],
        [("host", "")],
        [],
        [("host", HOST), ("host", "evil.example")],
    ],
)
def test_a_name_that_only_leads_here_is_refused(headers: list[tuple[str, str]]) -> None:
    room = Room()
    assert ask(room, headers=headers).status == 421
    assert room.entered == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "http://evil.example",
        "https://127.0.0.1:8080",
        "http://127.0.0.1:9090",
        "http://localhost:8080",
        f"http://{HOST}.evil.example",
    ],
)
def test_what_comes_from_another_sites_page_does_nothing(method: str, origin: str | None) -> None:
    room = Room()
    headers = [("host", HOST), *([("origin", origin)] if origin is not None else [])]
    answer = ask(room, method, headers)
    assert (answer.status, room.entered) == (403, [])
    assert answer.body.startswith(b"Nothing was done")


def test_two_origins_are_none() -> None:
    assert ask(Room(), "POST", [("host", HOST), OURS, ("origin", "http://evil.example")]).status == 403


def test_what_comes_from_our_own_page_is_let_in() -> None:
    assert ask(Room(), "POST", [("host", HOST), OURS], [b"a=1"]).body == b"a=1"


@pytest.mark.parametrize(
    ("length", "status"),
    [("200000", 200), ("200001", 413), ("-1", 413), ("1e3", 413), ("\u00b2", 413), ("9" * 5_000, 413)],
)
def test_a_body_that_says_it_is_too_long_is_not_read(length: str, status: int) -> None:
    room = Room()
    assert ask(room, "POST", [("host", HOST), OURS, ("content-length", length)]).status == status
    assert len(room.entered) == (status == 200)


def test_a_body_that_does_not_say_how_long_it_is_is_read_so_far_and_no_further() -> None:
    headers = [("host", HOST), OURS]
    assert len(ask(Room(), "POST", headers, [b"x" * 100_000, b"x" * 100_000]).body) == 200_000
    with pytest.raises(HTTPException) as refused:
        ask(Room(), "POST", headers, [b"x" * 100_000, b"x" * 100_001, b"never asked for"])
    assert refused.value.status_code == 413


@pytest.mark.parametrize("answer", [ask(Room()), ask(Room(), headers=[]), ask(Room(), "POST")], ids=str)
def test_every_answer_says_that_only_our_own_files_may_be_loaded(answer: Answer) -> None:
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


def test_only_our_files_may_be_kept() -> None:
    assert ask(Room(), path="/static/style.css").headers["cache-control"] == "no-cache"
    assert ask(Room(), path="/statics").headers["cache-control"] == "no-store"


def test_what_is_no_page_is_hung_up() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    asyncio.run(Door(Room(), [HOST])({"type": "websocket", "path": "/"}, receive, send))
    assert sent == [{"type": "websocket.close"}]


# --- many -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/plans", 503),
        ("POST", "/pumps/7f/bolus", 503),
        ("GET", "/pumps/7f/bolus/stop", 503),
        ("POST", "/pumps/7f/stop", 200),
        ("GET", "/stops", 200),
    ],
)
def test_a_request_too_many_is_told_so_and_a_stop_is_let_in(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    monkeypatch.setattr(door_module, "AT_ONCE", 0)
    room = Room()
    answer = ask(room, method, [("host", HOST), OURS], path=path)
    assert answer.status == status
    assert (b"pump-ctrl stop" in answer.body) == (status == 503)
    assert room.entered == ([method] if status == 200 else [])


def test_who_has_gone_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "AT_ONCE", 1)
    statuses = list[int]()

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a mistake")

    async def go() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "scheme": "http",
            "headers": [(b"host", HOST.encode())],
        }
        door = Door(fails, [HOST])
        for _ in range(3):
            with pytest.raises(ValueError, match="a mistake"):
                await door(scope, receive, send)

    asyncio.run(go())
    assert statuses == []


def test_a_form_that_never_comes_is_waited_for_so_long_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "BODY_S", 0.01)

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    scope = {
        "type": "http", "method": "POST", "path": "/login", "scheme": "http",
        "headers": [(b"host", HOST.encode()), (b"origin", f"http://{HOST}".encode())],
    }  # fmt: skip
    with pytest.raises(HTTPException) as refused:
        asyncio.run(Door(reads, [HOST])(scope, never, send))
    assert refused.value.status_code == 408


def test_a_form_that_comes_drop_by_drop_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise whoever sends a byte now and then keeps everybody else out."""
    monkeypatch.setattr(door_module, "BODY_S", 0.02)
    drops = list[int]()

    async def drop() -> Message:
        await asyncio.sleep(0.005)
        drops.append(1)
        return {"type": "http.request", "body": b"x", "more_body": len(drops) < 100}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    scope = {
        "type": "http", "method": "POST", "path": "/login", "scheme": "http",
        "headers": [(b"host", HOST.encode()), (b"origin", f"http://{HOST}".encode())],
    }  # fmt: skip
    with pytest.raises(HTTPException) as refused:
        asyncio.run(Door(reads, [HOST])(scope, drop, send))
    assert refused.value.status_code == 408
    assert len(drops) < 10
