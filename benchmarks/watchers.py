"""Fifty people who watch one pump for a minute: what it costs the page's server, and how soon they see a change.

A controller runs worked plan A on a served implant, a page is served, both processes of their own. Fifty clients ask
for the pump's status as the page's script does, every half second. Meanwhile the controller is told over its console
to pause and to go on, again and again; what counts is how long it takes until the last of the fifty has seen it.
Memory of the server is looked at after the caches have filled, and in the end. Exit status 1 if an answer failed, if a
change came late or if memory grew.

    python -m benchmarks.watchers [--seconds N]
"""

from __future__ import annotations

import argparse
import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode, urlsplit

from benchmarks.idle import CASES, CTRL, PATIENCE_S, Running, running
from benchmarks.setting import figures
from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import SystemClock
from pump_ctrl.console import Connection

CLIENTS: Final = 50
EVERY_S: Final = 0.5  # as the page's script does
WARM_S: Final = 10.0  # until then caches fill
CHANGE_S: Final = 4.7  # between two changes; no multiple of what is asked for
WHO, PASSWORD = "watcher", "fifty pairs of eyes"
_STATE: Final = re.compile('data-state="State: ([A-Z]+)"')
_AGE: Final = re.compile('data-age-ms="([0-9]+)"')


@dataclass
class Watched:
    """What came of it. Times in seconds, memory in KiB.

    ``changes``: when each client saw another state, by monotonic time, and which.
    """

    answers: int = 0
    failures: int = 0
    late: int = 0  # answers that took longer than a second
    slowest_s: float = 0.0
    median_s: float = 0.0
    oldest_ms: int = 0  # of a status that was shown
    rss_begin_kb: int = 0
    rss_end_kb: int = 0
    times: list[float] = field(default_factory=list, repr=False)
    changes: list[tuple[float, str]] = field(default_factory=list, repr=False)


def rss_kb(pid: int) -> int:
    """The memory of a process that is in use."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def logged_in(at: str, who: str, password: str) -> str:
    """The cookie of a session."""
    line = http.client.HTTPConnection(urlsplit(at).netloc, timeout=20)
    headers = {"Origin": at, "Content-Type": "application/x-www-form-urlencoded"}
    line.request("POST", "/login", urlencode({"name": who, "password": password}), headers)
    cookie = line.getresponse().headers["Set-Cookie"].partition(";")[0]
    line.close()
    return cookie


def watch(at: str, key: str, pid: int, clients: int, seconds: float, cookie: str) -> Watched:
    """Let ``clients`` ask the page ``at`` for the status of ``key`` again and again; ``pid`` is the page's server."""
    found, lock = Watched(), threading.Lock()
    end = time.monotonic() + seconds

    def look(number: int) -> None:
        line, state = http.client.HTTPConnection(urlsplit(at).netloc, timeout=20), ""
        time.sleep(number / clients * EVERY_S)
        while (began := time.monotonic()) < end:
            try:
                line.request("GET", f"/pumps/{key}/status", headers={"Cookie": cookie})
                answer = line.getresponse()
                text, failed = answer.read().decode(), answer.status != 200
            except OSError:
                text, failed = "", True
            now, shown, age = time.monotonic(), _STATE.search(text), _AGE.search(text)
            with lock:
                found.answers += 1
                found.failures += failed
                found.times.append(now - began)
                found.oldest_ms = max(found.oldest_ms, int(age[1]) if age else 0)
                if shown and shown[1] != state:
                    state = shown[1]
                    found.changes.append((now, state))
            time.sleep(max(0.0, EVERY_S - (now - began)))
        line.close()

    threads = [threading.Thread(target=look, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(min(WARM_S, seconds / 2))
    found.rss_begin_kb = rss_kb(pid)
    for thread in threads:
        thread.join()
    found.rss_end_kb = rss_kb(pid)
    found.slowest_s, found.median_s = max(found.times), median(found.times)
    found.late = sum(took > 1.0 for took in found.times)
    return found


def updates(found: Watched, told: list[tuple[float, str]], clients: int) -> list[float]:
    """Seconds from each change until the last client has seen it.

    Raises:
        AssertionError: somebody never saw one.
    """
    ends = [at for at, _ in told[1:]] + [float("inf")]
    slowest = []
    for (at, state), end in zip(told, ends, strict=True):
        seen = [when - at for when, shown in found.changes if shown == state and at <= when < end]
        if len(seen) != clients:
            raise AssertionError(f"{len(seen)} of {clients} saw {state}")
        slowest.append(max(seen))
    return slowest


@contextmanager
def page(of: Running) -> Iterator[tuple[str, int]]:
    """``pump-ctrl web`` beside a controller: its address and its process."""
    state = of.journal.parent / "state"
    state.mkdir(mode=0o700)
    with Clinic.open(state, SystemClock()) as clinic:
        clinic.accounts.add(WHO, "Fifty Watchers", ("viewer",), PASSWORD, "benchmark")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = (*CTRL, "web", "--port", str(port), "--state", str(state))
    with subprocess.Popen(words, env=of.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield f"http://127.0.0.1:{port}", child.pid
        finally:
            child.terminate()


def patiently(ask: Callable[[], str]) -> str:
    """Ask again until there is an answer."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            if found := ask():
                return found
        except (OSError, TypeError):  # nobody listens yet, or nobody is let in
            pass
        if time.monotonic() > end:
            raise AssertionError("the page does not answer")
        time.sleep(0.1)


def key_of(at: str, cookie: str) -> str:
    """How the page calls its one controller; empty as long as it knows none."""
    line = http.client.HTTPConnection(urlsplit(at).netloc, timeout=20)
    line.request("GET", "/pumps/list", headers={"Cookie": cookie})
    found = re.search('href="/pumps/([^"]+)"', line.getresponse().read().decode())
    line.close()
    return found[1] if found else ""


def change(of: Running, key: str, until: float) -> list[tuple[float, str]]:
    """Pause and go on over and over; when each was asked for, and the state it leads to."""
    told: list[tuple[float, str]] = []
    with Connection(next(Path(of.env["XDG_RUNTIME_DIR"]).rglob(f"{key}.*"))) as console:
        while time.monotonic() < until - 2 * CHANGE_S:
            time.sleep(CHANGE_S)
            verb, state = ("resume", "RUNNING") if len(told) % 2 else ("pause", "PAUSED")
            told.append((time.monotonic(), state))
            if (answer := console.ask({"id": f"watchers-{len(told)}", "do": verb})).get("exit") != 0:
                raise AssertionError(answer)
    return told


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchers")
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds, most = parser.parse_args(arguments).seconds, figures()["most"]
    with running(CASES[1]) as controller, page(controller) as (at, pid):
        cookie = patiently(lambda: logged_in(at, WHO, PASSWORD))
        key = patiently(lambda: key_of(at, cookie))
        told: list[tuple[float, str]] = []
        end = time.monotonic() + seconds
        changer = threading.Thread(target=lambda: told.extend(change(controller, key, end)))
        changer.start()
        found = watch(at, key, pid, CLIENTS, seconds, cookie)
        changer.join()
    seen, grown = updates(found, told, CLIENTS), found.rss_end_kb / found.rss_begin_kb
    slow, fat = median(seen) > most["page_update_s"], grown > most["page_growth"]
    print(
        f"{found.answers} answers, {found.failures} failed, median {found.median_s:.4f} s, {found.late} over 1 s"
    )
    print(
        f"{len(seen)} changes seen by all {CLIENTS}: median {median(seen):.2f} s (worst {max(seen):.2f} s),"
        f" at most {most['page_update_s']}{'   TOO LATE' if slow else ''}"
    )
    print(
        f"memory of the page: {found.rss_end_kb / 1024:.1f} MB, {grown:.3f} times what it was after {WARM_S:.0f} s,"
        f" at most {most['page_growth']}{'   TOO MUCH' if fat else ''}"
    )
    return int(bool(found.failures) or slow or fat)


if __name__ == "__main__":
    sys.exit(main())
