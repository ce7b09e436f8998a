"""The bench of the contract suite: every pump on every line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.bench import Bench
from tests.contract.lines import EVERYWHERE


@pytest.fixture(params=EVERYWHERE)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One driver on one line to one pump."""
    declared, line = request.param
    made = Bench(declared, line)
    yield made
    made.line.close()
