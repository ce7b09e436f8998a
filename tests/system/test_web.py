"""``pump-ctrl web`` as a process: it ends when it is told to, whoever looks, and leaves a whole journal."""

from __future__ import annotations

import http.client
import os
import pty
import signal
import socket
import sys
import termios
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from pump_ctrl.journal import read_journal, verify
from tests.system.kit import House, Process, house, wait_for

PASSWORD: Final = "seven green pumps"
SOON_S: Final = 2.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    try:
        return get(port, "/login")[0] == 200
    except OSError:
        return False


def get(port: int, path: str, cookie: str = "", form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Status, body and cookie of one request."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Origin": f"http://127.0.0.1:{port}", "Cookie": cookie}
    if form is None:
        line.request("GET", path, headers=headers)
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        line.request("POST", path, urlencode(form), headers)
    answer = line.getresponse()
    found = (answer.status, answer.read().decode(), answer.getheader("Set-Cookie", "").partition(";")[0])
    line.close()
    return found


@contextmanager
def served(here: House) -> Iterator[tuple[Process, int]]:
    port, state = free_port(), here.path / "state"
    web = here.start("web", "-m", "pump_ctrl.cli.main", "web", "--port", str(port), "--state", str(state))
    wait_for(lambda: answers(port) or web.child.poll() is not None)
    assert web.child.poll() is None, web.said
    yield web, port


def ended(web: Process, number: signal.Signals) -> float:
    """How long it took, in s."""
    began = time.monotonic()
    assert web.end(number) == 0
    return time.monotonic() - began


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.deep), signal.SIGTERM])
def test_it_ends_within_two_seconds_while_somebody_is_in_the_middle_of_a_request(
    tmp_path: Path, runtime: Path, number: signal.Signals
) -> None:
    with house(tmp_path, runtime) as here, served(here) as (web, port):
        idle, half = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
        host = f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        half.sendall(f"POST /login HTTP/1.1\r\n{host}Content-Length: 100\r\n\r\nname=ann".encode())
        with idle, half:
            get(port, "/login")
            assert ended(web, number) < SOON_S
        assert "Traceback" not in web.said
        assert verify(tmp_path / "state" / "page.jsonl").ok


@pytest.mark.deep
@pytest.mark.parametrize("hung", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_two_seconds_while_a_page_follows_a_pump_and_the_pump_goes_on(
    tmp_path: Path, runtime: Path, number: signal.Signals, hung: bool
) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        made = ["user", "add", "ann", "--role", "prescriber", "--state", str(tmp_path / "state")]
        add = here.start("user", "-c", f"import io, sys; sys.stdin = io.StringIO({PASSWORD!r}); "
                         f"from pump_ctrl.cli.main import main; sys.exit(main({made!r}))")  # fmt: skip
        assert add.child.wait(20) == 0, add.said
        with served(here) as (web, port):
            status, _, cookie = get(port, "/login", form={"name": "ann", "password": PASSWORD, "next": "/"})
            assert status == 303
            wait_for(lambda: 'href="/pumps/' in get(port, "/pumps", cookie)[1])
            page = get(port, "/pumps", cookie)[1]
            key = page.partition('href="/pumps/')[2].partition('"')[0]
            follow = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            for _ in range(2):
                follow.request("GET", f"/pumps/{key}/status", headers={"Cookie": cookie})
                answer = follow.getresponse()
                assert (answer.status, bool(answer.read())) == (200, True)
            follow.request(
                "GET", f"/pumps/{key}/status", headers={"Cookie": cookie}
            )  # and nobody waits for it
            if hung:  # a controller that says nothing keeps nobody
                run.child.send_signal(signal.SIGSTOP)
                time.sleep(1.2)
            assert ended(web, number) < SOON_S
            run.child.send_signal(signal.SIGCONT)
            assert "Traceback" not in web.said
            follow.close()
        assert here.status()["state"] == "RUNNING"
        kinds = [record.kind for record in read_journal(tmp_path / "state" / "page.jsonl").records()]
        assert kinds == ["journal", "account-added", "login"]


@pytest.mark.deep
def test_a_second_page_is_refused_and_the_first_one_writes_for_its_owner_alone(
    tmp_path: Path, runtime: Path
) -> None:
    with house(tmp_path, runtime) as here, served(here) as (web, port):
        state = tmp_path / "state"
        code, said = here.cli("web", "--port", str(free_port()), "--state", str(state))
        assert (code, "held by another page" in said) == (5, True)
        code, said = here.cli("web", "--port", str(port), "--state", str(tmp_path / "other"))
        assert (code, "Address already in use" in said) == (3, True)
        get(port, "/login", form={"name": "ann", "password": "wrong password", "next": "/"})
        ended(web, signal.SIGTERM)
        kinds = [record.kind for record in read_journal(state / "page.jsonl").records()]
        assert kinds == ["journal", "login-refused"]
        assert {path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_file()} == {0o600}


def typed(here: House, *words: str, answers: Iterable[tuple[str, str]]) -> tuple[int, str]:
    """A command on a terminal, and what a person answers to what stands there; exit status and all that was seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "pump_ctrl.cli.main", *words], here.env)
    seen, waiting = b"", list(answers)
    looked = 0
    while True:
        try:
            more = os.read(terminal, 4_096)
        except OSError:
            break  # it has ended
        seen += more
        if waiting and waiting[0][0].encode() in seen[looked:]:
            looked = len(seen)
            wait_for(
                lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO
            )  # it has stopped showing what is typed
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen.decode()


def test_on_a_terminal_a_password_is_asked_for_twice_and_never_shown(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        words = ("user", "add", "ann", "--role", "viewer", "--state", str(tmp_path / "state"))
        twice = [
            ("Password of ann", PASSWORD), ("Repeat", "seven green plums"),
            ("Password of ann", PASSWORD), ("Repeat", PASSWORD),
        ]  # fmt: skip
        code, seen = typed(here, *words, answers=twice)
        assert code == 0, seen
        assert "The two entered values do not match." in seen
        assert seen.endswith("ann (ann): viewer\r\n")
        assert "seven" not in seen
