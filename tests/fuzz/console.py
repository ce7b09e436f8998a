"""The console of a running controller, from both ends: bytes of any client into it, bytes of any socket out of it.

Whatever the clients send, no turn of the loop raises or waits, and a STOP of another client is seen at once, stops
the pump and is answered.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from pump_ctrl.bench.stack import Journal, SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.console import Connection, ConsoleServer
from pump_ctrl.console.lines import LineError, encode, request_of
from pump_ctrl.console.server import MAX_CLIENTS
from pump_ctrl.journal import FileJournal, MemoryJournal
from pump_ctrl.live.desk import Desk
from pump_ctrl.live.signed import Shelf
from pump_ctrl.live.status import status_of
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.therapy.plan import DosingPlan
from tests.fuzz.engine import Reader
from tests.fuzz.families import END
from tests.fuzz.files import other_values
from tests.fuzz.mutations import garbled
from tests.fuzz.replies import each_garbled
from tests.unit.live_kit import plan_with_boluses
from tests.whole_stack import HOUR, MINUTE, formulary, profile

PIECE: Final = 3_000  # bytes that a client sends between two turns
STOP: Final = encode({"id": "the-stop", "do": "stop"})
ASKED: Final[tuple[dict[str, Any], ...]] = (
    {"id": "a1", "do": "status"},
    {"id": "a2", "do": "bolus"},
    {"id": "a3", "do": "pause"},
    {"id": "a4", "do": "resume"},
    {"id": "a5", "do": "resume", "by": "Ann", "code": "0a1b2c"},
    {"id": "a6", "do": "ack", "by": "Ann"},
    {"id": "a7", "do": "refill", "by": "Ann", "found": "5.1 mL", "filled": "40 mL", "new_path": True},
    {"id": "a8", "do": "refill", "by": "Ann", "found": "unknown"},
    {"id": "a9", "do": "resolve", "command": "0a1b", "by": "Ann", "reason": "looked at it"},
    {"id": "b1", "do": "resolve", "command": "pump-alarm", "by": "Ann", "reason": "looked at it"},
    {"id": "b2", "do": "load", "plan": "/nowhere/plan.toml", "sha256": "0" * 64, "by": "Ann"},
    {"id": "b3", "do": "watch"},
    {"id": "b4", "do": "prime"},
    {"id": "b5", "do": "stop"},
)


def understood(content: bytes) -> str:
    found = request_of(content)
    assert encode(found).endswith(b"\n")
    return "a request"


# --- the server


class Crowd:
    """Clients of one console. Each part of the input is one client; some hang up, some stay and do not read."""

    def __init__(self, path: Path, turn: Callable[[], None]) -> None:
        self._path, self._turn = path, turn
        self._open: list[socket.socket] = []

    def client(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._open.append(made)
        made.connect(str(self._path))
        made.setblocking(False)
        return made

    def says(self, content: bytes) -> None:
        for number, part in enumerate(content.split(END)[: MAX_CLIENTS - 2]):
            client = self.client()
            with suppress(BrokenPipeError, BlockingIOError):
                for at in range(0, len(part), PIECE):
                    client.send(part[at : at + PIECE])
                    self._turn()
            if number % 2:
                client.close()
            self._turn()

    def close(self) -> None:
        for client in self._open:
            client.close()


@contextmanager
def console(room: Path) -> Iterator[tuple[ConsoleServer, Path]]:
    path = room / "console.sock"
    server = ConsoleServer(path)
    try:
        yield server, path
    finally:
        server.close()


def heard(room: Path, content: bytes) -> str:
    """The server alone: what is no request is answered with an error, and a STOP goes before all others."""
    with console(room) as (server, path), ExitStack() as opened:
        crowd = Crowd(path, server.poll)
        opened.callback(crowd.close)
        crowd.says(content)
        stopper = crowd.client()
        stopper.send(STOP)
        assert server.stop_waits(), "a STOP was not heard"
        taken = 0
        while (one := server.take()) is not None:
            assert taken or one.verb == "stop", "a STOP waits"
            server.answer(one, {"exit": 0, "text": "x"})
            taken += 1
        server.tell({"seq": 1})
        assert _answer_to(stopper, server.poll)["exit"] == 0
        return "a request" if taken > 1 else "none"


def _answer_to(client: socket.socket, turn: Callable[[], None]) -> dict[str, Any]:
    """The answer to the STOP of this client."""
    for _ in range(20):
        turn()
        with suppress(BlockingIOError):
            for line in client.recv(1 << 20).splitlines():
                if (found := json.loads(line)).get("id") == "the-stop":
                    return dict(found)
    raise AssertionError("the STOP was not answered")


@cache
def _plan() -> DosingPlan:
    return plan_with_boluses()


def served(room: Path, content: bytes) -> str:
    """A whole controller with its desk: the loop goes on, and a STOP stops the pump."""
    plan = _plan()
    clock = VirtualClock(utc_ms=plan.start_utc_ms)
    journal = TappedJournal(cast("FileJournal", MemoryJournal(clock, {})))
    stack = SimulatedStack(
        plan, profile(plan.pump), formulary(), clock=clock, journal=cast("Journal", journal)
    )
    stack.begin()
    stack.run_to(HOUR)
    shelf = Shelf(profile(plan.pump), formulary(), [])
    shelf._plans[plan.sha256] = (Path("plan.toml"), plan)
    with console(room) as (server, path), ExitStack() as opened:
        desk = Desk(
            stack.runner,
            journal,
            server,
            shelf,
            lambda: status_of(stack.runner, plan, clock.boot_ms(), "a.journal"),
        )

        def turn() -> None:
            server.poll()
            desk.serve()
            desk.tell(journal.fresh())

        crowd = Crowd(path, turn)
        opened.callback(crowd.close)
        crowd.says(content)
        stack.run_to(stack.elapsed_ms + MINUTE)
        stopper = crowd.client()
        stopper.send(STOP)
        assert _answer_to(stopper, turn)["exit"] == 0
        assert stack.world.implant.delivery.run is None, "it runs after a STOP"
        stack.run_to(stack.elapsed_ms + MINUTE)
        turn()
    return stack.controller.state.name


# --- the asking side


def answered(room: Path, content: bytes) -> str:
    """Whatever answers a request: its answer, or the sentence that nobody did."""
    path = room / "other.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        try:
            with Connection(path, patience_s=0.05) as line:
                other, _ = listener.accept()
                with other:
                    other.setblocking(False)
                    with suppress(BlockingIOError):
                        other.send(content)
                    other.shutdown(socket.SHUT_WR)
                    return "an answer" if line.ask({"id": "1", "do": "status"}) else "nothing"
        finally:
            os.unlink(path)


def lines_changed(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """Requests with other values in them, each still a line of JSON; or torn like anything else."""
    if draw.random() < 0.4:
        return each_garbled(content, draw, others)
    clients = content.split(END)
    at = draw.randrange(len(clients))
    lines = [json.loads(line) for line in clients[at].splitlines()]
    for message in draw.sample(lines, min(len(lines), draw.choice((1, 2, 4)))):
        other_values(message, draw)
        if draw.random() < 0.3:
            message["do"] = draw.choice(ASKED)["do"]
    draw.shuffle(lines)
    clients[at] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return END.join(clients)


def readers(room: Path) -> Iterator[Reader]:
    lines = [encode(one)[:-1] for one in ASKED]
    everyone = END.join(
        b"".join(encode(one) for one in part) for part in (ASKED[:5], ASKED[5:9], ASKED[9:13], ASKED[3:6])
    )
    alone = b"".join(map(encode, ASKED[:13]))
    answers = [
        b'{"id":"1","exit":0,"text":"Done."}\n',
        b'{"id":"0","record":{}}\n{"id":"1","exit":3,"text":"x"}\n',
    ]
    yield Reader("console line", lines, understood, garbled, refuses=(LineError,), rounds=600)
    yield Reader("console server", [everyone, alone], partial(heard, room), lines_changed, refuses=())
    yield Reader(
        "console desk", [everyone, alone], partial(served, room), lines_changed, refuses=(), rounds=40
    )
    yield Reader("console client", answers, partial(answered, room), rounds=150)
