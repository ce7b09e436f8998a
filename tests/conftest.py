"""Settings of every test run: Hypothesis profiles, and which tests only ``--deep`` asks for.

``fast`` (the default) draws the same examples each time, so that a red run is a change and not luck; ``deep``
draws new ones, many more, and prints how to repeat a failure. ``PUMP_CTRL_HYPOTHESIS`` names the profile.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Mapping
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from pump_ctrl.journal import MemoryJournal, Record
from pump_ctrl.journal.forms import misfit
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.runner import Runner

HELD: Final = "held_to_forms"  # on a journal: a runner writes it

settings.register_profile("fast", deadline=None, derandomize=True, max_examples=45, print_blob=True)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=600,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a long example is what deep runs are for
)
settings.load_profile(os.environ.get("PUMP_CTRL_HYPOTHESIS", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--deep``."""
    parser.addoption("--deep", action="store_true", help="also run the tests marked deep")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Garbage is not looked for meanwhile, nor ever in what was collected: tens of thousands of tests are none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long runs unless they were asked for."""
    if config.getoption("--deep"):
        return
    ordinary: list[pytest.Item] = []
    long_runs: list[pytest.Item] = []
    for item in items:
        (long_runs if item.get_closest_marker("deep") else ordinary).append(item)
    config.hook.pytest_deselected(items=long_runs)
    items[:] = ordinary


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Around all tests; as fixtures that each test asks for these would cost each test a tenth of a millisecond."""
    with TemporaryDirectory(prefix="state-home") as nobodys, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", nobodys)  # no test reads or writes that of whoever runs the tests
        _hold_every_record_of_a_runner_to_its_row(patch)
        return (yield)


def _hold_every_record_of_a_runner_to_its_row(patch: pytest.MonkeyPatch) -> None:
    """Whatever any test lets the whole stack write is held to the table of the journal's records."""
    made = Runner.__init__

    def make(self: Runner, *args: object, **options: object) -> None:
        made(self, *args, **options)  # type: ignore[arg-type]
        if isinstance(self.journal, MemoryJournal | TappedJournal):
            setattr(self.journal, HELD, True)

    patch.setattr(Runner, "__init__", make)
    for journal in (MemoryJournal, TappedJournal):
        patch.setattr(journal, "append", _fitting(journal.append))


def _fitting(append: Callable[[Any, str, Mapping[str, Any]], Record]) -> Callable[..., Record]:
    def fitting(self: object, kind: str, data: Mapping[str, Any]) -> Record:
        record = append(self, kind, data)
        why = misfit(record) if getattr(self, HELD, False) else ""
        assert not why, f"{kind} {dict(data)}: {why}"
        return record

    return fitting


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have counted, with ``record_property("count", ...)``: kills, cuts, and what came of them."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    counts = [text for report in reports for name, text in report.user_properties if name == "count"]
    if counts:
        terminalreporter.section("counts")
    for text in sorted(set(counts)):
        terminalreporter.write_line(str(text))
