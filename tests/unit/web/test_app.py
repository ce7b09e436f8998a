"""The whole of the page: every room asks who it is, every error is told in words, nothing but our files is served."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from pump_ctrl.clinic.store import Store
from pump_ctrl.errors import JournalError
from pump_ctrl.web.app import ROOMS
from pump_ctrl.web.pages import library
from tests.unit.web.kit import AT, PASSWORD, Desk, Page

STATIC = Path("pump_ctrl/web/static")
ROUTES = [(route.path, method) for room in ROOMS for route in room.ROUTES for method in route.methods or ()]
VIEWERS = {"/login", "/logout", "/accounts", "/pumps/{key}/stop"}
CHANGES_NOTHING = {"/plans/{key}/try"}  # a simulation, which is a look


def filled(path: str) -> str:
    """The address with something in each place."""
    return re.sub(r"\{[^}]*\}", "bolus", path)


def patient(page: Page, who: str = "") -> TestClient:
    """A browser that is shown errors of ours instead of being thrown them."""
    found = TestClient(page.app.app, base_url=AT, follow_redirects=False, raise_server_exceptions=False)
    found.cookies = page.desk(who).http.cookies
    return found


# --- who ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path, method in ROUTES if method == "GET" and path != "/login"])
def test_every_room_asks_who_it_is(page: Page, path: str) -> None:
    answer = page.desk().get(filled(path))
    if path in {
        "/pumps/{key}/status",
        "/pumps/list",
        "/stops",
    }:  # the page's script asks, and says so in its place
        assert (answer.status_code, answer.text) == (401, "")
    elif path == "/pumps/{key}/{verb}":
        assert answer.headers["location"] == "/pumps/bolus"
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=/")


@pytest.mark.parametrize("path", [path for path, method in ROUTES if method == "POST" and path != "/login"])
def test_whoever_is_not_logged_in_is_told_that_nothing_was_done(page: Page, path: str) -> None:
    answer = page.desk().post(filled(path), {"title": "a title"})
    assert answer.status_code == 401
    assert "ou were logged out" in answer.text


@pytest.mark.parametrize(
    "path", sorted({path for path, method in ROUTES if method == "POST"} - VIEWERS - CHANGES_NOTHING)
)
def test_a_viewer_may_send_nothing_but_stop_logout_and_the_own_password(page: Page, path: str) -> None:
    answer = page.desk("dan").post(filled(path), {})
    assert answer.status_code == 403
    assert "dan (viewer) may not do this" in answer.text


# --- errors ---------------------------------------------------------------------------------------------------------


def test_a_mistake_of_ours_is_told_in_words_and_the_log_has_it(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("inner words 42")

    monkeypatch.setattr(library, "formulary", broken)
    with caplog.at_level(logging.ERROR, "pump_ctrl.web"):
        answer = patient(page, "ann").get("/formulary")
    assert answer.status_code == 500
    assert "Whether what was asked was done is not known" in answer.text
    assert "pump-ctrl stop" in answer.text
    assert not re.search("Traceback|RuntimeError|inner words", answer.text)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert answer.headers["cache-control"] == "no-store"
    assert "GET /formulary" in caplog.text
    assert "inner words 42" in caplog.text


def test_a_database_that_does_not_answer_is_told_in_words(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = patient(page, "ann")

    def broken(*_: object) -> None:
        raise JournalError("The disk is broken.", do_now="See to it.")

    for name in ("all", "one"):
        monkeypatch.setattr(Store, name, broken)
    answer = ann.get("/plans")
    assert answer.status_code == 500
    assert "The disk is broken." in answer.text
    assert "See to it." in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "There is no such page"),
        ("GET", "/plans/%00", 404, "There is no such page"),
        ("GET", "/plans/%ED%A0%80", 404, "There is no such page"),
        ("GET", "/pumps/%2e%2e", 404, "There is no such page"),
        ("PUT", "/plans", 405, "does not understand"),
        ("OPTIONS", "/plans", 405, "does not understand"),
        ("BREW", "/plans", 405, "does not understand"),
        ("POST", "/formulary", 405, "does not understand"),
    ],
)
def test_what_there_is_not_is_told_in_words(
    page: Page, method: str, path: str, status: int, words: str
) -> None:
    answer = page.desk("ann").http.request(method, path, headers={"Origin": AT})
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "Bench and research software" in answer.text


def test_a_form_that_is_none_is_told_in_words(page: Page, ann: Desk) -> None:
    answer = ann.http.post("/plans", content=b"a=%00", headers={"Origin": AT, "Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "this is no form of this page" in answer.text


def test_a_body_without_end_is_told_in_words(page: Page, ann: Desk) -> None:
    headers = {"Origin": AT, "Content-Type": "application/x-www-form-urlencoded"}
    answer = ann.http.post("/plans", content=(b"a" * 50_000 for _ in range(5)), headers=headers)
    assert answer.status_code == 413
    assert "more than 200000 bytes were sent" in answer.text


@pytest.mark.parametrize("path", [path for path, method in ROUTES if method == "HEAD" and "{" not in path])
def test_a_head_is_a_page_without_its_body(page: Page, ann: Desk, path: str) -> None:
    answer = ann.http.head(path)
    assert answer.status_code in {200, 303}
    assert answer.content == b""


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "",
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "%2e%2e%2f%2e%2e%2fapp.py",
        "../templates/base.html",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "style.css/../../app.py",
        "style.css%00",
        "%00",
        "a" * 5_000,
        "..\\app.py",
    ],
)
def test_nothing_but_our_files_is_served(page: Page, path: str) -> None:
    answer = patient(page).get(f"/static/{path}")
    assert answer.status_code in {404, 405}
    assert not re.search("import|block main|root:", answer.text)


def test_every_file_of_ours_is_served_with_its_kind(page: Page) -> None:
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for file in STATIC.iterdir():
        answer = page.desk().get(f"/static/{file.name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == kinds[file.suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_first_page_is_under_150_kb_in_all(page: Page, ann: Desk) -> None:
    files = sum(file.stat().st_size for file in STATIC.iterdir())
    for path in ("/login", "/plans", "/pumps"):
        assert len(ann.get(path).content) + files < 150_000


def test_a_page_loads_our_own_files_only_and_has_no_script_or_style_of_its_own(page: Page, ann: Desk) -> None:
    for path in ("/plans", "/pumps", "/journal", "/formulary", "/accounts"):
        text = ann.get(path).text
        assert set(re.findall(r'(?:src|<link[^>]*href)="([^"]*)"', text)) <= {
            f"/static/{file.name}" for file in STATIC.iterdir()
        }
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=", text)
        assert text.count("Bench and research software: not a medical device") == 1
        assert text.count("<h1") == 1


def test_every_room_says_what_it_is_for() -> None:
    assert all(isinstance(route, Route | Mount) for room in ROOMS for route in room.ROUTES)
    assert all(room.__doc__ for room in ROOMS)


def test_whoever_is_refused_as_the_disk_is_full_reads_how_a_pump_is_stopped_all_the_same(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalError("The disk is full.")

    monkeypatch.setattr(Store, "write", full)
    answer = page.desk().post("/login", {"name": "dan", "password": PASSWORD})
    assert answer.status_code == 500
    assert "The disk is full." in answer.text
    assert "in a terminal of this machine: <code>pump-ctrl stop</code>" in answer.text
