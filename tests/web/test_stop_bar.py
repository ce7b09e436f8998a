"""The bar with STOP, and what a page says that slept, before a server whose answers are made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, Route

from tests.web.kit import log_in

NOON: Final = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
HAND: Final = "Stop the pump by hand."
TIME: Final = re.compile(r"^[0-9]{2}:[0-9]{2}:[0-9]{2} ", re.MULTILINE)
WAITS: Final = "the pump has not confirmed it yet."


def bar(*pumps: str) -> str:
    """What the server says of them, with what each is called behind its key."""
    return "".join(
        f'<form method="post" action="/pumps/{pump.partition(":")[0]}/stop"><button class="stop">'
        f"STOP <span>{pump.partition(':')[2]}</span> <em></em></button></form>"
        for pump in pumps
    )


@pytest.fixture
def page(browser: Browser, at: str) -> Iterator[Page]:
    """A page whose clock the test has in hand."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    found = context.new_page()
    found.set_default_timeout(20_000)
    log_in(found, at, "dan")
    found.clock.install(time=NOON)
    yield found
    context.close()


@pytest.fixture
def waiting(page: Page, at: str) -> dict[str, list[Route]]:
    """The STOPs of the pumps Left and Right that are on their way, of which nobody knows what becomes of them."""
    found = dict[str, list[Route]](left=[], right=[])
    page.route("**/stops", lambda route: route.fulfill(body=bar("left:Left", "right:Right")))
    page.route("**/pumps/*/stop", lambda route: found[route.request.url.split("/")[-2]].append(route))
    page.goto(f"{at}/formulary")
    page.clock.run_for(5_100)
    page.wait_for_selector("button.stop >> nth=1")
    return found


def said(page: Page) -> Locator:
    return page.locator(".stops [role=alert]")


def press(page: Page, pump: str) -> None:
    page.click(f"button.stop:has-text('{pump}')")


def until(page: Page, text: str) -> None:
    """Wait until the bar says just this, each line with its time."""
    for _ in range(150):
        if TIME.sub("", said(page).inner_text()) == text:
            break
        page.wait_for_timeout(20)
    assert TIME.sub("", said(page).inner_text()) == text
    assert len(TIME.findall(said(page).inner_text())) == len(text.splitlines())


def test_what_became_of_one_stop_does_not_take_away_what_became_of_another(
    page: Page, waiting: dict[str, list[Route]]
) -> None:
    press(page, "Left")
    until(page, f"STOP was pressed for Left; {WAITS}")
    press(page, "Right")
    until(page, f"STOP was pressed for Left; {WAITS}\nSTOP was pressed for Right; {WAITS}")
    waiting["left"][0].fulfill(json={"exit": 4, "text": f"STOP was sent and is NOT confirmed. {HAND}"})
    failed = f"Left: STOP was sent and is NOT confirmed. {HAND}"
    until(page, f"STOP was pressed for Right; {WAITS}\n{failed}")
    waiting["right"][0].fulfill(json={"exit": 0, "text": "Stopped. The pump confirmed it."})
    until(page, f"{failed}\nRight: Stopped. The pump confirmed it.")
    press(page, "Left")
    until(page, f"Right: Stopped. The pump confirmed it.\nSTOP was pressed for Left; {WAITS}")
    waiting["left"][1].fulfill(status=401, body="")
    until(
        page,
        "Right: Stopped. The pump confirmed it.\nLeft: you were logged out. STOP was NOT sent. Stop the pump by hand, "
        "or in a terminal: pump-ctrl stop",
    )


def test_however_often_one_stop_is_pressed_that_of_another_pump_goes_out_at_once(
    page: Page, waiting: dict[str, list[Route]]
) -> None:
    """A browser keeps six lines to a server, and lets the seventh request wait."""
    for _ in range(12):
        press(page, "Left")
    press(page, "Right")
    until(page, f"STOP was pressed for Left; {WAITS}\nSTOP was pressed for Right; {WAITS}")
    page.wait_for_timeout(300)
    assert (len(waiting["left"]), len(waiting["right"])) == (2, 1)
    for route in waiting["left"]:
        route.fulfill(json={"exit": 0, "text": "Stopped."})
    until(page, f"STOP was pressed for Right; {WAITS}\nLeft: Stopped.")
    press(page, "Left")
    page.wait_for_timeout(300)
    assert len(waiting["left"]) == 3


def test_a_page_that_slept_is_grey_as_soon_as_it_wakes_though_one_of_its_clocks_stood_still(
    page: Page, at: str
) -> None:
    page.goto(f"{at}/pumps")
    page.route("**/pumps/list", lambda route: None)  # from here on there is no network
    page.wait_for_timeout(500)
    assert page.locator("[data-list].silent").count() == 0
    page.clock.set_system_time(NOON + timedelta(hours=1))
    page.evaluate("dispatchEvent(new Event('visibilitychange'))")
    assert page.locator("[data-list].silent").count() == 1
    assert "This list is old" in page.locator("main").inner_text()
