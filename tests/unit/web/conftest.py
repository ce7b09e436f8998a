"""One page for all the tests of a module: each begins its own drafts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.web.kit import Desk, Page, served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with served(tmp_path_factory.mktemp("state")) as found:
        yield found


@pytest.fixture
def ann(page: Page) -> Desk:
    """A prescriber's browser."""
    return page.desk("ann")
