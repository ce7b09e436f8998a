"""One browser and one server for the whole run; a fresh state directory and page for each test that wants one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the extra deep is not installed")

from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.bench import Bench, running
from tests.web.kit import CHROMIUM, Seen, free_port, log_in, people, served


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here is a deep one."""
    for item in items:
        if "tests/web/" in item.nodeid:
            item.add_marker(pytest.mark.deep)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with an account of each role."""
    found = tmp_path_factory.mktemp("state")
    found.chmod(0o700)
    people(found)
    return found


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sockets of controllers lie."""
    found = tmp_path_factory.mktemp("run")
    found.chmod(0o700)
    return found


@pytest.fixture(scope="module")
def at(place: Path, runtime: Path) -> Iterator[str]:
    """The address of a page that is served."""
    with served(place, free_port(), runtime=runtime) as found:
        yield found


@pytest.fixture
def seen(at: str) -> Seen:
    return Seen(at)


@pytest.fixture
def page(browser: Browser, at: str, seen: Seen) -> Iterator[Page]:
    """A page of a browser that knows nothing yet. A console error or a request elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    seen.watch(context)
    found = context.new_page()
    found.set_default_timeout(20_000)
    yield found
    context.close()
    assert seen.wrong == []


@pytest.fixture(scope="module")
def _desks(browser: Browser, at: str) -> Iterator[tuple[Seen, Callable[[str], Page]]]:
    """Pages in which somebody is logged in, one for each person for all tests of a module."""
    seen, pages = Seen(at), dict[str, Page]()

    def desk(who: str) -> Page:
        if who not in pages:
            context = browser.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
            seen.watch(context)
            pages[who] = context.new_page()
            pages[who].set_default_timeout(20_000)
            log_in(pages[who], at, who)
        return pages[who]

    yield seen, desk
    for page in pages.values():
        page.context.close()


@pytest.fixture
def desk(_desks: tuple[Seen, Callable[[str], Page]]) -> Iterator[Callable[[str], Page]]:
    """``desk("ann")`` is her page, logged in already. What it did that it must not fails the test."""
    seen, found = _desks
    yield found
    wrong, seen.wrong = seen.wrong, []
    assert wrong == []


@pytest.fixture
def ann(desk: Callable[[str], Page]) -> Page:
    """A prescriber's page."""
    return desk("ann")


@pytest.fixture
def bob(desk: Callable[[str], Page]) -> Page:
    """A second signer's page."""
    return desk("bob")


@pytest.fixture
def bench(browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    """A controller in another process, its pump in a third, and Ann who looks at it."""
    with running(browser, tmp_path) as found:
        yield found
