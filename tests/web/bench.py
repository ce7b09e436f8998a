"""A controller that runs its plan on a simulated pump, a page that is served, and a browser that looks at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from pump_ctrl.therapy.plan import DosingPlan, load_plan, parse_plan
from tests.system.kit import House, house
from tests.web.kit import Seen, free_port, log_in, people, served


def until(page: Page, script: str) -> None:
    """Wait until it is true; the page itself may not evaluate texts, which is as it should be."""
    for _ in range(150):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it did not come to pass: {script}")


@dataclass
class Bench:
    """A controller that runs its plan, a page that is served, a browser in which Ann looks at it."""

    here: House
    at: str
    place: Path
    page: Page
    port: int
    runtime: Path

    @property
    def text(self) -> str:
        return self.page.locator("main").inner_text()

    @property
    def told(self) -> str:
        """What became of the last request."""
        return self.page.locator("main p.note[role=alert]").inner_text()

    def press(self, text: str) -> str:
        self.page.click(f"main button:has-text('{text}')")
        self.page.wait_for_selector("main p.note[role=alert]")
        return self.told

    def open(self) -> None:
        """The page of the controller."""
        self.page.goto(f"{self.at}/pumps")
        self.page.click("main table a")
        self.page.wait_for_selector("#now .state")

    def server(self) -> int:
        """The process that serves the page."""
        words = f"\0web\0--port\0{self.port}\0".encode()
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if words in file.read_bytes():
                    return int(file.parent.name)
        raise AssertionError("nobody serves the page")

    def lines(self) -> int:
        """How many lines to the controller's console are open."""
        table = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
        return sum(f"{self.runtime}/" in line and line.split()[5] == "03" for line in table)

    def next_plan(self) -> DosingPlan:
        """A plan that follows the one that runs, with a little less."""
        first, text = load_plan(self.here.plan), self.here.plan.read_text(encoding="utf-8")
        text = text.replace('id = "BENCH-1"', 'id = "BENCH-2"').replace("192 ug", "180 ug")
        return parse_plan(text.replace("[reservoir]", f'previous = "{first.sha256}"\n[reservoir]', 1), "plan")


@contextmanager
def running(browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    """All of it, with the plan RUNNING and Ann's page before the pump. What a page must not do fails the test."""
    place, port = tmp_path / "state", free_port()
    place.mkdir(mode=0o700)
    people(place)
    with tempfile.TemporaryDirectory(prefix="pc") as name, house(tmp_path, Path(name)) as here:
        here.write_plan()
        here.serve()
        here.first_run()
        here.wait_state("RUNNING")
        with served(place, port, runtime=Path(name)) as at:
            context = browser.new_context(viewport={"width": 1400, "height": 1000})
            seen = Seen(at)
            seen.watch(context)
            page = context.new_page()
            page.set_default_timeout(20_000)
            log_in(page, at, "ann")
            made = Bench(here, at, place, page, port, Path(name))
            made.open()
            yield made
            context.close()
            assert [wrong for wrong in seen.wrong if "ERR_CONNECTION" not in wrong] == []
