"""The process dies at every system call and every send around a bolus that somebody asked for (F-48, S-26, G6).

The journal is the real one on a real disk, the request comes through the desk, the pump is the simulated implant.
Each ``os.write`` is cut before, in the middle and after; each ``fdatasync``, ``fsync``, ``rename`` and each send on
the wire before and after. Another process takes up what is there, a person confirms, and whoever asked asks again
with the same id. Then: no bolus twice, none forgotten, the ledger holds the truth, the sums add up.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.simulated import SimulatedLink
from tests.spies import Killed
from tests.unit.live_kit import BOLUS_NL, DeskBench, plan_with_boluses
from tests.whole_stack import HOUR, MINUTE, check_ledger, check_sums

CALLS: Final = ("write", "fdatasync", "fsync", "replace")
MODES: Final = {"write": ("before", "torn", "after")}


class Reaper:
    """Counts what the process asks of the outside world, and kills it at one of these points."""

    def __init__(self, at: int = -1, mode: str = "") -> None:
        self.at, self.mode = at, mode
        self.seen: list[str] = []

    def around(self, name: str, call: Callable[..., Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401
        number = len(self.seen)
        self.seen.append(name)
        if number == self.at:
            if self.mode == "torn":
                fd, data = args
                call(fd, data[: len(data) // 2])
            elif self.mode == "after":
                call(*args, **more)
            raise Killed(f"{self.mode} {name} number {number}")
        return call(*args, **more)

    @contextmanager
    def armed(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            patch.setattr(SimulatedLink, "write", self._wrapped("send", SimulatedLink.write))
            yield

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            return self.around(name, call, *args, **more)

        return wrapper


def began(path: Path, policy: object) -> DeskBench:
    bench = DeskBench(plan_with_boluses(on_loss=policy), path)
    bench.stack.run_to(HOUR)
    return bench


def ask_and_wait(bench: DeskBench) -> None:
    """The window in which the process may die: from the request to the end of the bolus."""
    bench.ask("bolus", "key-1")
    bench.stack.run_to(HOUR + 6 * MINUTE)


def recover(bench: DeskBench) -> None:
    """Another process, and a person who confirms."""
    bench.restart()
    assert bench.stack.controller.state is State.WAITING
    bench.ask("bolus", "key-1")
    bench.stack.clock.advance(MINUTE)
    bench.stack.confirm()


def check(bench: DeskBench, where: str) -> None:
    """Nothing twice, nothing forgotten, by the pump's own list."""
    bench.ask("bolus", "key-1")
    assert bench.boluses_begun() <= 1, f"{where}: a bolus was given twice"
    assert not bench.unknown_to_the_journal(), f"{where}: sent before its intent was on disk (S-05)"
    begun = bench.boluses_begun()
    bench.stack.run_to(bench.stack.elapsed_ms + 2 * MINUTE)
    bench.stack.guard.identify()
    other = bench.ask("bolus", "key-2")
    if begun:
        assert other.exit == 3, f"{where}: the bolus that was given is forgotten: {other.text}"
    bench.stack.run_to(2 * HOUR)
    check_ledger(bench.stack)
    check_sums(bench.stack)
    ends = Counter(
        r.data["id"] for r in bench.journal.records() if r.kind == "bolus" and r.data["outcome"] != "refused"
    )
    assert all(count == 1 for count in ends.values()), f"{where}: {ends}"
    assert ends["key-1"] == begun, f"{where}: the journal tells another story than the pump"
    assert bench.stack.world.truth.counted_nl() <= 2 * 8_000 + (1 + (other.exit == 0)) * BOLUS_NL + 200


@pytest.fixture
def disk() -> Iterator[Path]:
    """In memory where there is such a place: hundreds of journals, and fdatasync is a system call all the same."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def counted(path: Path, policy: object) -> list[str]:
    """Every point between the request and the end of its bolus, in a life in which nobody dies."""
    bench, reaper = began(path, policy), Reaper()
    with reaper.armed():
        ask_and_wait(bench)
    assert bench.boluses_begun() == 1
    return reaper.seen


def modes(seen: list[str]) -> list[tuple[int, str, str]]:
    return [(at, mode, name) for at, name in enumerate(seen) for mode in MODES.get(name, ("before", "after"))]


@pytest.mark.parametrize("policy", [{"hold": "4 h"}, "stop"], ids=["hold", "stop"])
def test_no_bolus_is_given_twice_or_forgotten_wherever_the_process_dies(disk: Path, policy: object) -> None:
    seen = counted(disk / "dry.jsonl", policy)
    deaths = modes(seen)
    for at, mode, name in deaths:
        bench = began(disk / f"{at}-{mode}.jsonl", policy)
        with Reaper(at, mode).armed(), pytest.raises(Killed):
            ask_and_wait(bench)
        recover(bench)
        check(bench, f"killed {mode} {name} ({at})")
    sys.stdout.write(f"{len(deaths)} deaths at {len(seen)} points: {dict(Counter(seen))}\n")
    assert (
        Counter(seen)["send"] == 4
    )  # propose, commit, and the status when the bolus has ended; an old status before
    assert Counter(seen)["write"] == Counter(seen)["fdatasync"] >= 10
    assert len(deaths) >= 58


@pytest.mark.deep
@pytest.mark.parametrize("policy", [{"hold": "4 h"}, "stop"], ids=["hold", "stop"])
def test_a_second_death_while_the_first_is_made_good_changes_nothing(disk: Path, policy: object) -> None:
    """S-26: recover twice is recover once. The first death is at each send, the second at every point after it."""
    seen, done = counted(disk / "dry.jsonl", policy), 0
    for at, mode, name in modes(seen):
        if name != "send":
            continue
        dry, reaper = first_death(disk / f"{at}-{mode}.jsonl", at, mode, policy), Reaper()
        with reaper.armed():
            recover(dry)
        for again, second, what in modes(reaper.seen):
            bench = first_death(disk / f"{at}-{mode}-{again}-{second}.jsonl", at, mode, policy)
            with Reaper(again, second).armed(), pytest.raises(Killed):
                recover(bench)
            recover(bench)
            check(bench, f"killed {mode} {name} ({at}), then {second} {what} ({again})")
            done += 1
    sys.stdout.write(f"{done} second deaths\n")
    assert done >= 100


def first_death(path: Path, at: int, mode: str, policy: object) -> DeskBench:
    bench = began(path, policy)
    with Reaper(at, mode).armed(), pytest.raises(Killed):
        ask_and_wait(bench)
    return bench
