"""The door with a real browser: logging in, being logged out, STOP without losing what is typed."""

from __future__ import annotations

import http.client
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response

from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import SystemClock
from tests.web.kit import PASSWORD, Seen, by_id, log_in, log_out


def asked(at: str, method: str, path: str, **headers: str) -> int:
    """The status of a request that no browser of ours would send."""
    line = http.client.HTTPConnection(at.removeprefix("http://"), timeout=10)
    line.putrequest(method, path, skip_host="host" in headers)
    for name, value in headers.items():
        line.putheader(name, value)
    line.endheaders()
    status = line.getresponse().status
    line.close()
    return status


def test_another_name_and_another_origin_are_refused_by_the_server_itself(at: str) -> None:
    assert asked(at, "GET", "/login") == 200
    assert asked(at, "GET", "/login", host="evil.example") == 421
    assert asked(at, "POST", "/login") == 403
    assert asked(at, "POST", "/login", origin="null") == 403
    assert asked(at, "POST", "/login", origin="http://evil.example") == 403
    assert asked(at, "POST", "/login", origin=at, **{"content-length": "200001"}) == 413


def test_a_body_without_a_length_is_cut_off(at: str) -> None:
    line = http.client.HTTPConnection(at.removeprefix("http://"), timeout=10)
    headers = {"Origin": at, "Content-Type": "application/x-www-form-urlencoded"}
    body = (b"a" * 10_000 for _ in range(30))
    with suppress(BrokenPipeError, ConnectionResetError):  # it hangs up in the middle, and has answered
        line.request("POST", "/login", body=body, headers=headers, encode_chunked=True)
    assert line.getresponse().status == 413
    line.close()


@pytest.mark.parametrize(
    ("begun", "others"),
    [
        ("", 200),
        ("POST /login HTTP/1.1\r\nHost: 127", 200),
        ("POST /login HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}\r\nContent-Length: 9\r\n\r\n", 503),
    ],
    ids=["nothing", "half a head", "no body"],
)
def test_hundreds_who_begin_and_do_not_go_on_keep_nobody_from_stop(at: str, begun: str, others: int) -> None:
    name = at.removeprefix("http://")
    host, _, port = name.rpartition(":")
    with ExitStack() as held:
        for _ in range(250):
            line = held.enter_context(socket.create_connection((host, int(port)), timeout=10))
            line.sendall(begun.format(at=name).encode())
        assert asked(at, "POST", "/pumps/7f/stop", origin=at) == 401  # it was let in, and nobody is logged in
        assert asked(at, "GET", "/login") == others
    assert asked(at, "POST", "/pumps/7f/stop", origin=at) == 401


def test_one_logs_in_goes_on_where_one_was_and_logs_out(page: Page, at: str) -> None:
    page.goto(f"{at}/formulary")
    assert page.url == f"{at}/login?next=/formulary"
    page.fill("#name", "dan")
    page.fill("#password", "wrong wrong wrong")
    page.click("main button")
    assert "The account or its password is wrong." in page.locator("#failed").inner_text()
    assert page.input_value("#name") == "dan"
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{at}/formulary")
    log_out(page)
    page.go_back()
    page.reload()
    assert page.url.startswith(f"{at}/login")


def test_the_first_page_is_under_150_kb_in_all(browser: Browser, at: str) -> None:
    sizes: list[int] = []

    def count(answer: Response) -> None:
        if answer.status == 200:
            sizes.append(int(answer.headers["content-length"]))

    with browser.new_context() as context:
        seen = Seen(at)
        seen.watch(context)
        page = context.new_page()
        page.on("response", count)
        log_in(page, at, "ann")
        page.wait_for_load_state("networkidle")
    assert 10_000 < sum(sizes) < 150_000
    assert seen.wrong == []


def test_what_was_typed_is_not_lost_by_who_was_logged_out_meanwhile(
    page: Page, at: str, place: Path, seen: Seen
) -> None:
    log_in(page, at, "eve")
    page.click("text=New plan >> nth=0")
    page.wait_for_url("**/patient")
    page.fill(by_id(page, "title"), "Night bolus <b>")
    with Clinic.open(place, SystemClock()) as clinic:
        clinic.accounts.passwd("eve", PASSWORD, "test")
    page.click("text=Save and go on")
    page.wait_for_load_state()
    assert "logged out" in page.locator("main").inner_text()
    assert "Night bolus" in page.content()
    assert seen.refused[-1] == 401


@pytest.mark.parametrize("path", ["/login", "/accounts", "/journal", "/formulary", "/pumps"])
def test_a_page_has_one_heading_and_a_label_for_every_field(page: Page, at: str, path: str) -> None:
    log_in(page, at, "ann") if path != "/login" else None
    page.goto(f"{at}{path}")
    assert page.locator("h1").count() == 1
    bare = page.eval_on_selector_all(
        "input:not([type=hidden]), select, textarea",
        "all => all.filter(one => !one.labels.length && !one.ariaLabel).map(one => one.name)",
    )
    assert bare == []
    page.keyboard.press("Tab")
    if path != "/login":  # whose first field has the focus at once
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
