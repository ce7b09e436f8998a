"""A whole plan with the keyboard alone: entered, tried out, signed by two people and printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.web.entry.draft import fields_of
from tests.web.kit import PASSWORD, ROOT, Seen

MOST_TABS = 150  # from the top of a page to anything on it
# What has the focus: its name and value, what it says, and its kind.
HERE = """() => {
  const each = document.activeElement;
  const words = (each.getAttribute("aria-label") ?? each.textContent).replace(/\\s+/g, " ").trim();
  const kind = each.type ?? each.tagName;
  return { name: each.name ?? "", value: each.value ?? "", words, kind, checked: each.checked === true };
}"""


class Keyboard:
    """Somebody without a mouse. Nothing here clicks, fills or focuses but by keys."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def here(self) -> dict[str, object]:
        found: dict[str, object] = self.page.evaluate(HERE)
        return found

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def to(self, name: str = "", words: str = "") -> None:
        """Tab on until a field of this name, or a button or link that says this, has the focus."""
        for _ in range(MOST_TABS):
            self.press("Tab")
            here = self.here()
            if (name and here["name"] == name) or (words and str(here["words"]).startswith(words)):
                return
        raise AssertionError(f"Tab never came to {name or words}")

    def enter(self, words: str, url: str) -> None:
        """Go to a button or link, and press it."""
        self.to(words=words)
        with self.page.expect_navigation(url=url):
            self.press("Enter")

    def type(self, text: str) -> None:
        """Into the field that has the focus, over what stands there."""
        here = self.here()
        if here["kind"] == "select-one":
            self.choose(text)
        elif here["kind"] == "checkbox":
            if here["checked"] != (here["value"] in text.split()):
                self.press("Space")
        else:
            self.press("Control+a")
            self.press("Delete")
            self.page.keyboard.type(text)
            assert self.here()["value"] == text

    def choose(self, value: str) -> None:
        self.press("Home")
        for _ in range(60):
            if self.here()["value"] == value:
                return
            self.press("ArrowDown")
        raise AssertionError(f"{value} cannot be chosen")

    def log_in(self, at: str, who: str) -> None:
        self.page.goto(f"{at}/login")
        self.to("name")
        self.type(who)
        self.to("password")
        self.type(PASSWORD)
        with self.page.expect_navigation(url="**/plans"):
            self.press("Enter")

    def fill_step(self, fields: dict[str, str], go_on: str) -> None:
        """Tab through a step, type what belongs into each field, add rows where more are needed, then go on."""
        while not self._through(fields, go_on):
            pass

    def _through(self, fields: dict[str, str], go_on: str) -> bool:
        """Whether it came to the end; not, if a row was added and the page is another one."""
        for _ in range(MOST_TABS):
            self.press("Tab")
            here = self.here()
            name = str(here["name"])
            if name in fields:
                if here["kind"] == "checkbox" or here["value"] != fields[name]:
                    self.type(fields[name])
            elif name == "do" and (rows := str(here["value"])).startswith("add "):
                if self._wants(fields, rows.removeprefix("add ")):
                    with self.page.expect_navigation():
                        self.press("Enter")
                    return False
            elif here["words"] == "Save and go on":
                with self.page.expect_navigation(url=f"**/{go_on}"):
                    self.press("Enter")
                return True
        raise AssertionError("Tab never came to Save and go on")

    def _wants(self, fields: dict[str, str], rows: str) -> bool:
        there = self.page.locator(f'[name="{rows}~rows"]').input_value()
        return any(name.startswith(f"{rows}#{int(there) + 1}.") for name in fields)


@pytest.mark.timeout(600)
def test_a_plan_is_entered_signed_and_printed_without_a_mouse(browser: Browser, at: str, place: Path) -> None:
    plan = load_plan(ROOT / "examples" / "a-flex-night-bolus.toml")
    fields = fields_of(plan)
    with browser.new_context() as context:
        context.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; };")
        page, seen = context.new_page(), Seen(at)
        page.set_default_timeout(20_000)
        seen.watch(page)
        keys = Keyboard(page)
        keys.log_in(at, "ann")
        keys.enter("New plan", "**/patient")
        for step in ("reservoir", "catheter", "infusion", "boluses", "titration", "change", "finish"):
            keys.fill_step(fields, step)
        assert page.locator("main .hash").first.inner_text() == plan.sha256
        keys.enter("Simulate 30 days", "**/finish#try")
        assert page.locator(".trial").count() == 1
        page.goto(page.url.partition("#")[0])
        keys.to("reason:start-soft:baclofen")
        keys.type("it replaces a pump that gave the same")
        keys.to("password")
        keys.type(PASSWORD)
        with page.expect_navigation(url="**/signed/**"):
            keys.press("Enter")
        signed = page.url
        keys.enter("Log out", "**/login")
        keys.log_in(at, "bob")
        page.goto(signed)
        keys.to("password")
        keys.type(PASSWORD)
        with page.expect_navigation():
            keys.press("Enter")
        assert page.locator("text=✔ Approved.").count() == 1
        keys.enter("Plan sheet to print", "**/paper")
        keys.to(words="Print")
        keys.press("Enter")
        assert page.evaluate("() => window.printed") == 1
    assert seen.wrong == []


def test_the_first_tab_leads_past_the_rooms_to_the_content(ann: Page, at: str) -> None:
    ann.goto(f"{at}/plans")
    keys = Keyboard(ann)
    keys.press("Tab")
    assert keys.here()["words"] == "Skip to the content"
    keys.press("Enter")
    assert ann.evaluate("() => document.activeElement.id") == "main"


def test_tab_goes_through_a_step_in_the_order_of_the_page_and_back(ann: Page, at: str) -> None:
    ann.goto(f"{at}/plans")
    ann.click("text=New plan >> nth=0")
    ann.wait_for_url("**/patient")
    keys, there = Keyboard(ann), [0]
    place = "() => [...document.querySelectorAll('*')].indexOf(document.activeElement)"
    ann.evaluate("() => document.activeElement.blur()")
    while len(there) < 40:
        keys.press("Tab")
        at_now = ann.evaluate(place)
        if at_now < there[-1]:
            break  # round the end of the page
        there.append(at_now)
    assert len(there) > 15
    assert there == sorted(set(there))
