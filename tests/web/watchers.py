"""Many who look at one pump: what it costs the page's server. Run by itself: ``python -m tests.web.watchers``.

The arguments are the address of the page, the controller's key, the server's process id, clients and seconds; clients
log in as Dan.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from tests.web.kit import PASSWORD

EVERY_S: Final = 0.5  # as the page's script does
WARM_S: Final = 10.0  # until then caches fill


@dataclass
class Watched:
    """What came of it. Times in seconds, memory in KiB."""

    answers: int = 0
    failures: int = 0
    slowest_s: float = 0.0
    late: int = 0  # answers that took longer than a second
    median_s: float = 0.0
    oldest_ms: int = 0  # of a status that was shown
    rss_begin_kb: int = 0
    rss_end_kb: int = 0
    times: list[float] = field(default_factory=list, repr=False)


def rss_kb(pid: int) -> int:
    """The memory of a process that is in use."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def logged_in(at: str) -> str:
    """The cookie of a session."""
    line = http.client.HTTPConnection(urlsplit(at).netloc, timeout=20)
    headers = {"Origin": at, "Content-Type": "application/x-www-form-urlencoded"}
    line.request("POST", "/login", urlencode({"name": "dan", "password": PASSWORD}), headers)
    cookie = line.getresponse().headers["Set-Cookie"].partition(";")[0]
    line.close()
    return cookie


def watch(at: str, key: str, pid: int, clients: int, seconds: float) -> Watched:
    """Let ``clients`` ask for the status again and again."""
    found, lock, cookie = Watched(), threading.Lock(), logged_in(at)
    end = time.monotonic() + seconds

    def look(number: int) -> None:
        line = http.client.HTTPConnection(urlsplit(at).netloc, timeout=20)
        time.sleep(number / clients * EVERY_S)
        while (began := time.monotonic()) < end:
            try:
                line.request("GET", f"/pumps/{key}/status", headers={"Cookie": cookie})
                answer = line.getresponse()
                text, failed = answer.read().decode(), answer.status != 200
            except OSError:
                text, failed = "", True
            took = time.monotonic() - began
            with lock:
                found.answers += 1
                found.failures += failed
                found.times.append(took)
                if not failed:
                    found.oldest_ms = max(
                        found.oldest_ms, int(text.partition('data-age-ms="')[2].partition('"')[0])
                    )
            time.sleep(max(0.0, EVERY_S - took))
        line.close()

    threads = [threading.Thread(target=look, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(min(WARM_S, seconds / 2))
    found.rss_begin_kb = rss_kb(pid)
    for thread in threads:
        thread.join()
    found.rss_end_kb = rss_kb(pid)
    found.slowest_s = max(found.times)
    found.late = sum(took > 1.0 for took in found.times)
    found.median_s = sorted(found.times)[len(found.times) // 2]
    return found


if __name__ == "__main__":
    _, address, controller, process, many, long = sys.argv
    sys.stdout.write(f"{watch(address, controller, int(process), int(many), float(long))}\n")
