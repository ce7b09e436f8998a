"""The bench of the contract suite: every pump on every line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contract.bench import Bench, Benches
from tests.contract.lines import EVERYWHERE


@pytest.fixture(params=EVERYWHERE)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One driver on one line to one pump."""
    declared, line = request.param
    made = Bench(declared, line)
    yield made
    made.line.close()


@pytest.fixture(params=EVERYWHERE)
def benches(request: pytest.FixtureRequest) -> Iterator[Benches]:
    """As many of them as a test has cases."""
    with ExitStack() as made:

        def one() -> Bench:
            new = Bench(*request.param)
            made.callback(new.line.close)
            return new

        yield one
