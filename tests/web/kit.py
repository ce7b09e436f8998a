"""A real browser and a real server: what the browser tests stand on."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebSocket

from pump_ctrl.clinic import Clinic, Reviewed
from pump_ctrl.clock import SystemClock
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile

CHROMIUM: Final = Path("/usr/bin/chromium")
ROOT: Final = Path(__file__).parents[2]
PASSWORD: Final = "seven green pumps"
PEOPLE: Final = {
    "ann": ("Ann Example", ("prescriber",)),
    "bob": ("Bob Example", ("second",)),
    "cleo": ("Cleo Example", ("bench",)),
    "dan": ("Dan Example", ("viewer",)),
    "eve": ("Eve Example", ("prescriber",)),
}


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def people(place: Path) -> None:
    """Accounts of every role, all with one password."""
    with Clinic.open(place, SystemClock()) as clinic:
        for name, (full, roles) in PEOPLE.items():
            clinic.accounts.add(name, full, roles, PASSWORD, "test")


@contextmanager
def served(place: Path, port: int, *, runtime: Path) -> Iterator[str]:
    """``pump-ctrl web`` as a process of its own; the address of its first page."""
    at = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "pump_ctrl.cli.main", "web", "--port", str(port), "--state", str(place)]
    env = {
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
        "HOME": str(place),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    with subprocess.Popen(command, cwd=place, env=env, stderr=subprocess.PIPE, text=True) as server:
        try:
            _until_answers(at, server)
            yield at
        finally:
            server.terminate()
            _, errors = server.communicate(timeout=20)
    assert "Traceback" not in errors, errors


def _until_answers(at: str, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.poll() is None, server.communicate()[1]
        try:
            urllib.request.urlopen(f"{at}/login", timeout=2).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the page does not answer")


@dataclass
class Seen:
    """What the pages of a browser did that they must not: errors on the console, requests to another host, answers of
    500 and above. ``refused``: answers of 400 to 499, which some tests are about.
    """

    at: str
    wrong: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Write it all down, of every page that is opened from now on, and of the workers that pages start."""
        context.on("console", self._console)
        context.on("weberror", lambda found: self.wrong.append(f"script: {found.error}"))
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("page", lambda page: page.on("websocket", self._socket))

    def _socket(self, line: WebSocket) -> None:
        self.wrong.append(f"asked elsewhere: {line.url}")  # no page of ours uses one

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.at}/", "data:")):
            self.wrong.append(f"asked elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.wrong.append(f"{response.status} {response.url}")
        elif response.status >= 400:
            self.refused.append(response.status)


def by_id(page: Page, name: str) -> str:
    """A selector of the element with this id, whatever signs are in it."""
    return f'[id="{name}"]'


def log_in(page: Page, at: str, who: str) -> None:
    """Log in on the login page."""
    page.goto(f"{at}/login")
    page.fill("#name", who)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{at}/plans")


def log_out(page: Page) -> None:
    """Log out, wherever one is."""
    page.click("text=Log out")
    page.wait_for_url("**/login")


# --- typing a plan --------------------------------------------------------------------------------------------------

_ROW: Final = re.compile(r"^(.*)#([0-9]+)[.~]")


def write_plan(page: Page, at: str, fields: Mapping[str, str]) -> str:
    """Type a plan into an empty form, step by step; the address of its finish page."""
    page.goto(f"{at}/plans")
    page.click("text=New plan >> nth=0")
    page.wait_for_url("**/patient")
    base = page.url.rsplit("/", 1)[0]
    for step in ("patient", "reservoir", "catheter", "infusion", "boluses", "titration", "change"):
        page.wait_for_url(f"**/{step}")
        _fill_step(page, fields)
        page.click("text=Save and go on")
    page.wait_for_url("**/finish")
    return f"{base}/finish"


def _fill_step(page: Page, fields: Mapping[str, str]) -> None:
    """Choices first, since they show what is to be typed; rows as they are needed; then everything else."""
    there = _there(page)
    for name in sorted(name for name in fields if name.endswith("~kind") and "#" not in name):
        if name in there:
            page.locator(f'select[name="{name}"]').select_option(fields[name])
    for rows, many in _rows(fields).items():
        while (add := page.locator(f'button[value="add {rows}"]')).count() and f"{rows}#{many}" not in _ids(
            page
        ):
            add.click()
            page.wait_for_load_state()
    for kinds in (True, False):  # a choice of a row shows the fields of that row
        there = _there(page)
        for name in fields:
            if name in there and name.endswith("~kind") == kinds:
                _type(page, name, fields[name], there[name])


def _there(page: Page) -> dict[str, str]:
    """The names of the fields that can be seen, each with what it is: checkbox, select-one, text."""
    found: dict[str, str] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("#entry [name]")]
            .filter(each => each.type !== "hidden" && each.type !== "submit" && each.offsetParent !== null)
            .map(each => [each.name, each.type]))"""
    )
    return found


def _ids(page: Page) -> list[str]:
    found: list[str] = page.evaluate("() => [...document.querySelectorAll('[id]')].map(each => each.id)")
    return found


def _rows(fields: Mapping[str, str]) -> dict[str, int]:
    """How many rows each list has, outer lists first."""
    found: dict[str, int] = {}
    for name in fields:
        match = _ROW.match(name)
        while match:
            found[match[1]] = max(found.get(match[1], 0), int(match[2]))
            match = _ROW.match(match[1] + ".") if "#" in match[1] else None
    return dict(sorted(found.items(), key=lambda item: item[0].count("#")))


def _type(page: Page, name: str, text: str, kind: str) -> None:
    if kind == "checkbox":
        for day in text.split():
            page.locator(f'[name="{name}"][value="{day}"]').check()
    elif kind == "select-one":
        page.locator(f'[name="{name}"]').select_option(text)
    else:
        page.locator(f'[name="{name}"]').fill(text)


def reasons(page: Page, why: str = "bench trial of the page") -> None:
    """Type a reason wherever one is asked for."""
    for place in page.locator("input[name^='reason:']").all():
        place.fill(why)


def sign(page: Page, at: str, finish: str, second: Page | None = None) -> str:
    """Sign a plan as Ann, and as Bob where a second person is wanted; the address of the signed plan.

    ``second`` is a page in which Bob is logged in; without one Ann logs out and in again.
    """
    page.goto(finish)
    reasons(page)
    page.fill("#password", PASSWORD)
    page.click("main form.sign button")
    page.wait_for_url("**/signed/**")
    signed = page.url.partition("#")[0]
    if page.locator("text=Waits for a second signature").count():
        if second is None:
            log_out(page)
            log_in(page, at, "bob")
        _second(second or page, signed)
        if second is None:
            log_out(page)
            log_in(page, at, "ann")
        page.goto(signed)
    return signed


def _second(page: Page, signed: str) -> None:
    page.goto(signed)
    page.fill("#password", PASSWORD)
    page.click("text=Sign as the second person")
    page.wait_for_selector("text=Approved")


# --- what stands before a test ---------------------------------------------------------------------------------------


def draft(place: Path, fields: Mapping[str, str]) -> str:
    """A draft of Ann's, as if it had been typed; the path of its finish page."""
    with Clinic.open(place, SystemClock()) as clinic:
        return f"/plans/{clinic.drafts.new('ann', fields).key}/finish"


def approved(place: Path, plan: DosingPlan, why: str = "bench trial of the page") -> str:
    """A plan that Ann has signed, and Bob too where two are wanted; the path of its page."""
    with Clinic.open(place, SystemClock()) as clinic:
        ann, bob = clinic.accounts.get("ann"), clinic.accounts.get("bob")
        assert ann is not None
        assert bob is not None
        previous = clinic.versions.plan(plan.previous) if plan.previous else None
        given = Reviewed(plan, load_formulary(), load_profile(plan.pump), previous)
        whys = {item.key: why for item in given.findings if item.level == "reason"}
        version = clinic.versions.sign("0" * 12, given, ann, PASSWORD, whys, given.digest)
        if given.needs_second:
            clinic.versions.second(given, bob, PASSWORD, given.digest, version.first_seal)
    return f"/signed/{plan.sha256}"


def change_draft(place: Path, finish: str, fields: Mapping[str, str]) -> None:
    """Somebody else saves it."""
    key = finish.split("/")[2]
    with Clinic.open(place, SystemClock()) as clinic:
        found = clinic.drafts.get(key)
        assert found is not None
        clinic.drafts.save(key, {**found.fields, **fields}, found.revision, "eve")


def hold(page: Page, *states: str) -> None:
    """Let the page draw everything that can be pressed or typed into as if it were ``hover``, ``active``, ``focus``."""
    tools = page.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        tools.send(f"{domain}.enable")
    root = tools.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    every = {"nodeId": root, "selector": "a, button, summary, input, select, textarea"}
    for node in tools.send("DOM.querySelectorAll", every)["nodeIds"]:
        tools.send("CSS.forcePseudoState", {"nodeId": node, "forcedPseudoClasses": list(states)})


def faults(page: Page) -> list[str]:
    """What the page gets wrong for a keyboard or a screen reader, a sentence each."""
    found: list[str] = page.evaluate((Path(__file__).parent / "checks.js").read_text(encoding="utf-8"))
    return found
