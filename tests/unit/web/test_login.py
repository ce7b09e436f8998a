"""Logging in, being logged out, and what becomes of what was typed meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.web.kit import AT, PASSWORD, Page

COOKIE = "pump_ctrl_session_8080"
MINUTE_MS = 60_000


def kinds(page: Page) -> list[str]:
    """What the page's journal says."""
    page.clinic.acts.flush()
    return re.findall(r'"kind":"([^"]*)"', (page.clinic.place / "page.jsonl").read_text())


def test_the_cookie_is_for_this_page_and_no_script(page: Page) -> None:
    answer = page.desk().post("/login", {"name": "ann", "password": PASSWORD, "next": "/pumps"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/pumps")
    flags = {part.strip().partition("=")[0].lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert flags == {"httponly", "path", "samesite"}
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert kinds(page)[-1] == "login"


@pytest.mark.parametrize("to", ["/", "/plans", "/plans/0123456789ab/patient#basal.rate", "/pumps?all=1"])
def test_one_goes_on_where_one_was(page: Page, to: str) -> None:
    assert page.desk("ann").http.get("/login", params={"next": to}).headers["location"] == to
    answer = page.desk().post("/login", {"name": "ann", "password": PASSWORD, "next": to})
    assert answer.headers["location"] == to


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/\tevil",
        "/\n/evil.example",
        "/%0d%0aSet-Cookie: a=b\r\n",
        "/a b",
        "/a\\b",
        "/\u00e9",
        "/\u202e",
        " /plans",
    ],
)
def test_logging_in_never_leads_elsewhere(page: Page, to: str) -> None:
    assert page.desk("ann").http.get("/login", params={"next": to}).headers["location"] == "/"
    answer = page.desk().post("/login", {"name": "ann", "password": PASSWORD, "next": to})
    assert answer.status_code in {303, 400}  # a control character is no text of a form
    assert answer.headers.get("location", "/") == "/"
    assert f'value="{to}"' not in page.desk().http.get("/login", params={"next": to}).text or not to


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("Ann", PASSWORD), ("", "")]
)
def test_whoever_is_not_known_is_told_one_sentence(page: Page, name: str, password: str) -> None:
    answer = page.desk().post("/login", {"name": name, "password": password})
    assert answer.status_code == 403
    assert "The account or its password is wrong." in answer.text
    assert password not in re.sub("wrong\\.", "", answer.text) or not password
    assert "set-cookie" not in answer.headers


def test_after_five_failures_the_page_says_how_long_to_wait(page: Page) -> None:
    desk = page.desk()
    for _ in range(5):
        desk.post("/login", {"name": "cleo", "password": "wrong wrong"})
    page.clock.advance(4 * MINUTE_MS)
    answer = desk.post("/login", {"name": "cleo", "password": PASSWORD})
    assert answer.status_code == 403
    assert "There were 5 wrong passwords in a row." in answer.text
    assert "Try again in 11 min." in answer.text
    assert "pump-ctrl stop" in answer.text
    page.clock.advance(11 * MINUTE_MS)
    assert desk.post("/login", {"name": "cleo", "password": PASSWORD}).status_code == 303


def test_who_logs_in_anew_leaves_the_session_before(page: Page) -> None:
    desk = page.desk("dan")
    before = desk.http.cookies[COOKIE]
    desk.post("/login", {"name": "ann", "password": PASSWORD})
    assert "Ann Example" in desk.get("/plans").text
    assert page.clinic.sessions.of(before) is None


def test_logging_out_is_one_form_of_this_session(page: Page) -> None:
    ann, cleo = page.desk("ann"), page.desk("cleo")
    foreign = cleo.token("/plans", "/logout")
    assert ann.post("/logout", {"form": foreign}).status_code == 403
    assert ann.post("/logout", {"form": ann.token("/accounts")}).status_code == 403  # of another purpose
    assert ann.post("/logout", {}).status_code == 403
    token = ann.token("/plans", "/logout")
    answer = ann.post("/logout", {"form": token})
    assert answer.headers["location"] == "/login"
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]
    assert ann.get("/plans").headers["location"] == "/login?next=/plans"
    assert kinds(page)[-1] == "logout"


def test_a_cookie_that_was_kept_is_worth_nothing_after_logging_out(page: Page) -> None:
    ann = page.desk("ann")
    kept = ann.http.cookies[COOKIE]
    ann.post("/logout", {"form": ann.token("/plans", "/logout")})
    thief = page.desk()
    thief.http.cookies.set(COOKIE, kept)
    assert thief.get("/plans").status_code == 303
    assert thief.post("/pumps/some/stop", {}).status_code == 401


def test_a_form_counts_once_and_for_two_hours(page: Page) -> None:
    ann, before = page.desk("ann"), len(page.clinic.drafts.all())
    token = ann.token("/plans")
    assert ann.post("/plans", {"form": token}).status_code == 303
    again = ann.post("/plans", {"form": token})
    assert again.status_code == 403
    assert "This form was sent before." in again.text
    old = ann.token("/plans")
    for _ in range(8):
        page.clock.advance(15 * MINUTE_MS)
        ann.get("/plans")
    late = ann.post("/plans", {"form": old})
    assert (late.status_code, "older than two hours" in late.text) == (403, True)
    assert len(page.clinic.drafts.all()) == before + 1


def idle(page: Page) -> None:
    page.clock.advance(30 * MINUTE_MS)


def longest(page: Page) -> None:
    page.clock.advance(12 * 60 * MINUTE_MS)


def reboot(page: Page) -> None:
    page.clock.reboot()


def password_changed(page: Page) -> None:
    page.clinic.accounts.passwd("eve", "another five pumps", "test")


def disabled(page: Page) -> None:
    page.clinic.accounts.disable("eve", "test")


@pytest.mark.parametrize("ended", [idle, longest, reboot, password_changed, disabled])
def test_who_was_logged_out_is_asked_who_it_is_and_told_that_nothing_was_done(
    page: Page, ended: Callable[[Page], None]
) -> None:
    eve, before = page.desk("eve"), page.clinic.drafts.all()
    token = eve.token("/plans")
    ended(page)
    assert eve.get("/plans?all=1").headers["location"] == "/login?next=/plans%3Fall%3D1"
    assert eve.post("/pumps/0123/stop", {}).status_code == 401
    answer = eve.http.post(
        "/plans",
        data={"form": token, "from": "file", "text": "id = <b>\nx", "password": PASSWORD},
        headers={"Origin": AT, "Referer": f"{AT}/plans"},
    )
    assert answer.status_code == 401
    assert "You were logged out. Nothing was done." in answer.text
    assert "id = &lt;b&gt;\nx" in answer.text  # what was typed is not lost
    assert token not in answer.text
    assert PASSWORD not in answer.text
    assert 'name="next" value="/plans"' in answer.text
    assert page.clinic.drafts.all() == before


def test_a_page_of_another_site_is_no_place_to_go_on(page: Page) -> None:
    answer = page.desk().http.post("/plans", headers={"Origin": AT, "Referer": "http://evil.example/plans"})
    assert 'name="next" value="/"' in answer.text


def test_looking_by_itself_keeps_nobody_logged_in(page: Page) -> None:
    ann = page.desk("ann")
    for _ in range(29):
        page.clock.advance(MINUTE_MS)
        assert ann.get("/stops").status_code == 200
    page.clock.advance(MINUTE_MS)
    assert ann.get("/stops").status_code == 401


def test_a_stop_of_who_was_logged_out_says_how_to_stop_otherwise(page: Page) -> None:
    ann = page.desk("ann")
    idle(page)
    answer = ann.post("/pumps/0123/stop", {})
    assert answer.status_code == 401
    assert re.search("STOP was <strong>not</strong> carried out", answer.text)
    assert "Stop the pump by hand" in answer.text
    assert "pump-ctrl stop" in answer.text


def test_without_accounts_the_page_says_how_to_make_one(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There are no accounts yet" not in page.desk().get("/login").text
    monkeypatch.setattr(type(page.clinic.accounts), "all", lambda _: ())
    assert "pump-ctrl user add NAME --role prescriber" in page.desk().get("/login").text


def test_a_referer_that_is_no_address_is_no_mistake_of_ours(page: Page) -> None:
    answer = page.desk().http.post("/plans", data={}, headers={"Origin": AT, "Referer": "http://[oops"})
    assert answer.status_code == 401
    assert 'name="next" value="/"' in answer.text


def test_two_pages_on_one_host_have_cookies_of_their_own(page: Page) -> None:
    """A browser sends a cookie to every port of its host."""
    settings = page.house.settings
    assert settings.cookie == COOKIE
    assert replace(settings, port=8081).cookie == "pump_ctrl_session_8081"
    ann = page.desk("ann")
    ann.http.cookies.set("pump_ctrl_session_8081", "of another page")
    assert ann.get("/plans").status_code == 200
