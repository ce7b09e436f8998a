"""The page without a browser: an app over a state directory of its own, a clock that stands, people who are logged in.

``Desk`` is one person's browser: it sends the Origin a browser would send, and reads forms as a browser would.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Final

import pytest
from httpx import Response

from pump_ctrl.clinic import Clinic, passwords
from pump_ctrl.clock import VirtualClock
from pump_ctrl.web.app import make_app
from pump_ctrl.web.house import House, Settings

with warnings.catch_warnings():  # starlette would rather have another client; httpx is what there is
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

AT: Final = "http://127.0.0.1:8080"
PASSWORD: Final = "seven green pumps"
PEOPLE: Final = {
    "ann": ("Ann Example", ("prescriber",)),
    "bob": ("Bob Example", ("second",)),
    "cleo": ("Cleo Example", ("bench",)),
    "dan": ("Dan Example", ("viewer",)),
    "eve": ("Eve Example", ("prescriber",)),
}
NOON_MS: Final = 1_795_176_000_000  # Friday 20 November 2026, 12:00 UTC


@dataclass(frozen=True)
class Desk:
    """The browser of one person."""

    http: TestClient

    def get(self, path: str) -> Response:
        """Open a page."""
        answer: Response = self.http.get(path)
        return answer

    def post(self, path: str, form: Mapping[str, str], origin: str = AT) -> Response:
        """Send a form."""
        answer: Response = self.http.post(path, data=dict(form), headers={"Origin": origin} if origin else {})
        return answer

    def token(self, path: str, action: str = "") -> str:
        """The token of the form on a page that is sent to ``action``; of the page's own path if none is said."""
        form = re.search(
            rf'<form[^>]*action="{re.escape(action or path)}".*?name="form" value="([^"]*)"',
            self.get(path).text,
            re.DOTALL,
        )
        assert form, f"no form on {path} goes to {action or path}"
        return unescape(form[1])


@dataclass(frozen=True)
class Page:
    """An app that is served, its clock and what lies under it."""

    app: TestClient
    house: House
    clock: VirtualClock

    @property
    def clinic(self) -> Clinic:
        return self.house.clinic

    def desk(self, who: str = "") -> Desk:
        """A browser in which ``who`` is logged in; nobody, if nobody is named."""
        http = TestClient(self.app.app, base_url=AT, follow_redirects=False)
        if who:
            account = self.clinic.accounts.get(who)
            assert account is not None
            http.cookies.set(self.house.settings.cookie, self.clinic.sessions.begin(account))
        return Desk(http)


@contextmanager
def room() -> Iterator[Path]:
    """A directory with a short name, for the sockets in it; in memory: waiting for a disk was most of these tests."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="pc", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def served(place: Path, formulary: Path | None = None) -> Iterator[Page]:
    """Serve the page over a new state directory with an account of each role, on a clock that stands."""
    place.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "LOG_N", 4)  # a guess need not be dear here
        patch.setenv("XDG_RUNTIME_DIR", str(place))
        clock = VirtualClock(utc_ms=NOON_MS)
        app = make_app(Settings(place, clock, formulary=formulary))
        with TestClient(app, base_url=AT) as client:
            house: House = app.state.house
            for name, (full, roles) in PEOPLE.items():
                house.clinic.accounts.add(name, full, roles, PASSWORD, "test")
            yield Page(client, house, clock)
