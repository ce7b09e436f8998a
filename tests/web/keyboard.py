"""Somebody who works without a mouse."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.web.kit import PASSWORD

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
