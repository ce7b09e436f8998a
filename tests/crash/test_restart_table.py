"""D-18: the restart table, brought about and walked: the start does what the rules ask for, and the plan goes on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.bench import Bench
from tests.crash.restart import (
    COMBINATIONS,
    REFUSED,
    SILENT_MS,
    UNTOLD,
    Combination,
    asked_for,
    key,
    start,
)
from tests.crash.restart_page import PAGE, page
from tests.crash.rows import AT_WORK
from tests.crash.test_crash_matrix import MEMORY
from tests.unit.live_life import lived_in
from tests.whole_stack import MINUTE

SOME = COMBINATIONS[::7]
REST = tuple(each for each in COMBINATIONS if each not in SOME)
MOST_TYPED = 12  # commands, until the plan goes on


@pytest.fixture
def room() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        inner = Path(name) / "room"
        inner.mkdir()
        yield inner


def walk(bench: Bench) -> None:
    """A person does what is told, and the plan goes on."""
    if bench.life is None:
        bench.wait(SILENT_MS)
        bench.start()
    bench.tend()
    bench.wait(20 * MINUTE)
    bench.tend()
    assert bench.controller.state in AT_WORK, f"no way out of {bench.controller.state}: {bench.typed}"
    assert len(bench.typed) <= MOST_TYPED, f"it takes too long: {bench.typed}"
    given = bench.counted_nl
    bench.wait(30 * MINUTE)
    assert bench.counted_nl > given, "the plan does not go on"
    assert bench.below_truth_nl == 0, "the ledger is below the truth"


@pytest.mark.parametrize(
    "combination",
    [*SOME, *(pytest.param(each, marks=pytest.mark.deep) for each in REST)],
    ids=lambda each: f"{each.kind}, {each.journal}, {each.pump}, time {each.time}",
)
def test_a_start_does_what_the_table_says_and_the_way_out_leads_out(
    combination: Combination, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lived_in(Bench(combination.kind, room, combination.flavour), monkeypatch) as bench:
        try:
            assert start(combination, bench) == asked_for(combination)
            walk(bench)
        finally:
            bench.die()


def test_what_the_table_sets_apart_is_in_it() -> None:
    held = {key(each): each for each in COMBINATIONS if each.kind.on_loss != "stop"}
    assert set(UNTOLD) <= set(held)
    assert sum(asked_for(each) == REFUSED for each in COMBINATIONS) == len(COMBINATIONS) // 5


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.crash.restart_page"
