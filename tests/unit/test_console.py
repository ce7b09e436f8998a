"""The console's socket: who is heard, what is understood, and that no client holds anything up."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pump_ctrl.console import Connection, ConsoleServer, running, socket_path
from pump_ctrl.console import server as server_module
from pump_ctrl.console.client import NobodyError
from pump_ctrl.console.lines import LineError, request_of
from pump_ctrl.console.place import runtime_dir
from pump_ctrl.console.server import MAX_CLIENTS, MAX_PENDING
from tests.refusals import refused


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory: the name of a socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pc") as name:
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield Path(name)
        while Client.made:
            Client.made.pop().close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return socket_path(tmp_path / "j.jsonl")


@pytest.fixture
def server(path: Path) -> Iterator[ConsoleServer]:
    made = ConsoleServer(path)
    yield made
    made.close()


class Client:
    """Bytes to the socket and back."""

    made: ClassVar[list[socket.socket]] = []

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.made.append(self.sock)
        self.sock.connect(str(path))
        self.sock.settimeout(2)

    def say(self, *messages: object) -> None:
        for message in messages:
            self.sock.sendall(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sock.recv(1 << 20).splitlines()]


def verbs(server: ConsoleServer) -> list[str]:
    server.poll()
    found = []
    while (heard := server.take()) is not None:
        found.append(heard.verb)
    return found


# --- place --------------------------------------------------------------------------------------------------


def test_the_socket_is_named_by_the_journal_wherever_it_is_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "j.jsonl")
    monkeypatch.chdir(tmp_path)
    assert socket_path("j.jsonl") == socket_path(tmp_path / "link") == socket_path(tmp_path / "x/../j.jsonl")
    assert socket_path("j.jsonl") != socket_path("k.jsonl")


def test_directory_and_socket_are_the_users_alone(server: ConsoleServer, path: Path) -> None:
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.readers()


def test_a_directory_that_others_may_enter_is_refused(runtime: Path) -> None:
    (runtime / "pump-ctrl").mkdir(mode=0o755)
    os.chmod(runtime / "pump-ctrl", 0o755)
    with refused("console-unsafe", "chmod 700"):
        runtime_dir()


def test_a_directory_that_is_a_link_is_refused(runtime: Path, tmp_path: Path) -> None:
    (runtime / "pump-ctrl").symlink_to(tmp_path)
    with refused("console-unsafe", "not a directory of yours alone"):
        runtime_dir()


# --- requests -----------------------------------------------------------------------------------------------


def test_requests_come_in_order_and_a_stop_before_all(server: ConsoleServer, path: Path) -> None:
    client = Client(path)
    client.say(*({"id": f"r{n}", "do": verb} for n, verb in enumerate(("status", "bolus", "stop", "ack"))))
    assert verbs(server) == ["stop", "status", "bolus", "ack"]


def test_a_stop_is_seen_while_it_waits_and_not_after_it_was_taken(server: ConsoleServer, path: Path) -> None:
    assert not server.stop_waits()
    client = Client(path)
    client.say({"id": "1", "do": "bolus"})
    assert not server.stop_waits()
    client.say({"id": "2", "do": "stop"})
    assert server.stop_waits()
    assert server.stop_waits()
    server.take()
    assert not server.stop_waits()


def test_a_stop_of_a_client_that_hung_up_at_once_is_heard(server: ConsoleServer, path: Path) -> None:
    client = Client(path)
    client.say({"id": "1", "do": "stop"})
    client.sock.close()
    assert server.stop_waits()
    heard = server.take()
    assert heard is not None
    server.answer(heard, {"exit": 0, "text": ""})  # to nobody


def test_a_request_may_come_in_single_bytes(server: ConsoleServer, path: Path) -> None:
    client = Client(path)
    for byte in json.dumps({"id": "a", "do": "pause"}).encode() + b"\n":
        client.say(bytes([byte]))
        server.poll()
    assert verbs(server) == ["pause"]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"nonsense", b"[]", b"null", b"1", b'"stop"', b"{}", b'{"do":"stop"}', b'{"id":"1"}',
        b'{"id":1,"do":"stop"}', b'{"id":"","do":"stop"}', b'{"id":"a b","do":"stop"}', b'{"id":"1","do":"STOP"}',
        b'{"id":"1","do":"stop","x":1.5}', b'{"id":"1","do":"stop","x":NaN}', b'{"id":"1","do":"stop","x":null}',
        b'{"id":"1","do":"stop","x":[1]}', b'{"id":"1","do":"stop","x":"a\\u0007"}', b"\xff\xfe", b"[" * 5_000,
        b'{"id":"' + b"x" * 65 + b'","do":"stop"}', b'{"id":"1","do":"stop","x":"' + b"y" * 5_000 + b'"}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_with_an_error_and_does_nothing(
    server: ConsoleServer, path: Path, line: bytes
) -> None:
    client = Client(path)
    client.say(line + b"\n")
    assert verbs(server) == []
    (answer,) = client.lines()
    assert (answer["exit"], answer["code"]) == (2, "invalid-input")
    assert "Not understood" in answer["text"]
    client.say({"id": "then", "do": "status"})
    assert verbs(server) == ["status"]


def test_a_key_that_stands_in_a_request_too_often_is_refused() -> None:
    with pytest.raises(LineError):
        request_of(json.dumps({"id": "1", "do": "stop", **{f"k{n}": 1 for n in range(20)}}).encode())


def test_a_line_without_an_end_costs_the_client_its_line(server: ConsoleServer, path: Path) -> None:
    client = Client(path)
    with suppress(BrokenPipeError):
        for _ in range(5):
            client.say(b"x" * 8_000)
            server.poll()
    assert len(server.readers()) == 1


def test_requests_beyond_a_bound_are_refused_but_a_stop_never(
    server: ConsoleServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_WAITING", 3)
    client = Client(path)
    client.say(*({"id": f"r{n}", "do": "bolus"} for n in range(5)), {"id": "s", "do": "stop"})
    assert verbs(server) == ["stop", "bolus", "bolus", "bolus"]
    assert [answer["id"] for answer in client.lines()] == ["r3", "r4"]


# --- clients ------------------------------------------------------------------------------------------------


def test_who_comes_when_it_is_full_is_heard_and_who_came_first_and_asks_nothing_goes(
    server: ConsoleServer, path: Path
) -> None:
    """S-08. Seen: with sixteen forgotten watchers `stop` was not heard."""
    clients = [Client(path) for _ in range(16)]
    server.poll()
    clients[0].say({"id": "1", "do": "bolus"})
    late = Client(path)
    late.say({"id": "2", "do": "stop"})
    assert server.stop_waits()
    assert verbs(server) == ["stop", "bolus"]
    assert len(server.readers()) == 1 + 16
    assert clients[1].sock.recv(10) == b""


def test_a_crowd_that_comes_at_once_leaves_no_more_than_there_is_room_for(
    server: ConsoleServer, path: Path
) -> None:
    for _ in range(MAX_CLIENTS + 3):
        Client(path)
        server.poll()
    assert len(server.readers()) == 1 + MAX_CLIENTS


def test_another_user_is_not_heard(
    server: ConsoleServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "peer_uid", lambda _sock: os.getuid() + 1)
    client = Client(path)
    client.say({"id": "1", "do": "stop"})
    assert not server.stop_waits()
    with suppress(ConnectionResetError):
        assert client.sock.recv(10) == b""


def test_the_controller_of_another_user_is_not_asked(
    server: ConsoleServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pump_ctrl.console.client.peer_uid", lambda _sock: os.getuid() + 1)
    with pytest.raises(NobodyError, match="it belongs to another user"):
        Connection(path)


def test_who_watches_and_does_not_read_is_dropped_and_holds_up_nobody(
    server: ConsoleServer, path: Path
) -> None:
    lazy, keen = Client(path), Client(path)
    for client in (lazy, keen):
        client.say({"id": "w", "do": "watch"})
    server.poll()
    while (heard := server.take()) is not None:
        server.watch(heard)
    record = {"seq": 1, "kind": "x", "utc_ms": 0, "data": {"text": "y" * 10_000}}
    kept = 0
    for _ in range(MAX_PENDING // 10_000 * 2):
        server.tell(record)
        kept += len(keen.sock.recv(1 << 20))
        server.poll()
    assert kept > MAX_PENDING
    assert len(server.readers()) == 2  # the listener, and who reads


def test_only_who_watches_gets_records(server: ConsoleServer, path: Path) -> None:
    client = Client(path)
    client.say({"id": "1", "do": "status"})
    server.poll()
    heard = server.take()
    assert heard is not None
    server.tell({"seq": 0})
    server.answer(heard, {"exit": 0, "text": "", "status": {}})
    assert client.lines() == [{"id": "1", "exit": 0, "text": "", "status": {}}]


# --- the asking side ----------------------------------------------------------------------------------------


def serving(server: ConsoleServer, answer: dict[str, Any], times: int = 1) -> threading.Thread:
    """A controller that answers so many requests."""

    def work() -> None:
        left = times
        while left:
            server.poll()
            while (heard := server.take()) is not None:
                server.answer(heard, answer)
                left -= 1

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_request_gets_its_answer(server: ConsoleServer, tmp_path: Path) -> None:
    thread = serving(server, {"exit": 0, "text": "Done."})
    with Connection.to(tmp_path / "j.jsonl") as line:
        assert line.ask({"id": "1", "do": "pause"}) == {"id": "1", "exit": 0, "text": "Done."}
    thread.join()


def test_no_controller_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NobodyError, match="pump-ctrl run PLAN") as error:
        Connection.to(tmp_path / "j.jsonl")
    assert error.value.exit_code == 4


def test_a_socket_that_a_dead_controller_left_is_taken_over(path: Path, tmp_path: Path) -> None:
    dead = ConsoleServer(path)
    dead._listener.close()  # as a kill leaves it: the name stays
    assert path.exists()
    assert running() == []
    alive = ConsoleServer(path)
    (line,) = running()
    line.close()
    alive.close()
    assert not path.exists()


def test_a_controller_that_ends_before_it_answers_is_told_as_such(
    server: ConsoleServer, tmp_path: Path
) -> None:
    line = Connection.to(tmp_path / "j.jsonl")
    server.poll()
    server.close()
    with line, pytest.raises(NobodyError, match="one id is never carried out twice"):
        line.ask({"id": "1", "do": "bolus"})


def test_a_babbling_socket_is_no_controller(path: Path, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    line = Connection(path, patience_s=2)
    client, _ = listener.accept()
    client.sendall(b"hello\n")
    with line, pytest.raises(NobodyError, match="did not answer"):
        line.ask({"id": "1", "do": "status"})
    client.close()
    listener.close()


def test_who_is_not_let_in_waits_so_long_and_no_longer(path: Path) -> None:
    """What holds the socket accepts nobody: a STOP through it has to say that it went nowhere."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(0)
        first = Connection(path)
        with pytest.raises(NobodyError, match="No controller answers"):
            Connection(path, patience_s=0.01)
        first.close()
