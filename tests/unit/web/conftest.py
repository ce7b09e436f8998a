"""One page for all the tests of a module: each begins its own drafts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.web.kit import Desk, Page, room, served


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with room() as place, served(place) as found:
        yield found


@pytest.fixture
def ann(page: Page) -> Desk:
    """A prescriber's browser."""
    return page.desk("ann")
