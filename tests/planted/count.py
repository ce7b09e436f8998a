"""pytest plugin of the corpus: counts the examples of a run, test cases and what Hypothesis draws for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import pytest

_EXAMPLES: list[str] = []


def pytest_runtest_call(item: pytest.Item) -> None:
    """A test that draws nothing is one example; of one that does, each call of what is inside."""
    drawn = getattr(getattr(item, "obj", None), "hypothesis", None)
    if drawn is None:
        _EXAMPLES.append(item.nodeid)
    else:
        drawn.inner_test = _counted(drawn.inner_test, item.nodeid)


def _counted(inner: Callable[..., object], name: str) -> Callable[..., object]:
    @wraps(inner)
    def call(*args: object, **kwargs: object) -> object:
        _EXAMPLES.append(name)
        return inner(*args, **kwargs)

    return call


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many there were."""
    terminalreporter.write_line(f"examples: {len(_EXAMPLES)}")
