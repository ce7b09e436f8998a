"""What a running controller waits for: it returns at its deadline, and at once for whoever asks."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.clock import SystemClock, TrialClock
from pump_ctrl.console import ConsoleServer
from pump_ctrl.live.inputs import Inputs, Signals, descriptor

FAR = 1 << 62


@pytest.fixture
def console() -> Iterator[ConsoleServer]:
    with tempfile.TemporaryDirectory(prefix="pc") as name:
        made = ConsoleServer(Path(name) / "s.sock")
        yield made
        made.close()


@pytest.fixture
def signals() -> Iterator[Signals]:
    made = Signals()
    yield made
    made.close()


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


CLOCK = SystemClock()


def waited(inputs: Inputs, ms: int) -> int:
    began = time.monotonic_ns()
    inputs.wait(CLOCK.boot_ms() + ms)
    return (time.monotonic_ns() - began) // 1_000_000


def test_it_returns_at_its_deadline(console: ConsoleServer, signals: Signals) -> None:
    inputs = Inputs(CLOCK, lambda: None, console, signals, lambda: FAR)
    assert 40 <= waited(inputs, 50) <= 500


def test_it_returns_at_the_other_deadline_if_that_is_earlier(
    console: ConsoleServer, signals: Signals
) -> None:
    inputs = Inputs(CLOCK, lambda: None, console, signals, lambda: CLOCK.boot_ms() + 30)
    assert waited(inputs, 60_000) <= 500


def test_a_deadline_that_has_passed_returns_at_once(console: ConsoleServer, signals: Signals) -> None:
    inputs = Inputs(CLOCK, lambda: None, console, signals, lambda: FAR)
    assert waited(inputs, -1) <= 20


def test_a_line_that_speaks_ends_the_wait_but_not_more_than_twenty_times_a_second(
    console: ConsoleServer, signals: Signals, line: tuple[socket.socket, socket.socket]
) -> None:
    """F-14: nobody reads it here, so it always has something to say."""
    line[1].send(b"babble")
    inputs = Inputs(CLOCK, line[0].fileno, console, signals, lambda: FAR)
    assert waited(inputs, 60_000) <= 500
    began = time.monotonic_ns()
    for _ in range(6):
        inputs.wait(CLOCK.boot_ms() + 60_000)
    assert time.monotonic_ns() - began >= 100_000_000


def test_who_asks_ends_the_wait(console: ConsoleServer, signals: Signals) -> None:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(console._path))
    client.send(b'{"id":"1","do":"stop"}\n')
    inputs = Inputs(CLOCK, lambda: None, console, signals, lambda: FAR)
    for _ in range(3):
        if not console.busy:
            assert waited(inputs, 60_000) <= 1_000
    assert console.busy
    assert waited(inputs, 60_000) <= 20  # what was heard is to be done first
    client.close()


def test_a_signal_is_counted_and_ends_the_wait(console: ConsoleServer, signals: Signals) -> None:
    inputs = Inputs(CLOCK, lambda: None, console, signals, lambda: FAR)
    before = signal.getsignal(signal.SIGTERM)
    with signals.caught():
        os.kill(os.getpid(), signal.SIGTERM)
        assert waited(inputs, 60_000) <= 500
        os.kill(os.getpid(), signal.SIGINT)
    assert (signals.count, signals.last) == (2, "SIGINT")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_trial_waits_as_much_shorter_as_its_time_is_faster(
    console: ConsoleServer, signals: Signals
) -> None:
    fast = TrialClock(CLOCK, 50, CLOCK.boot_ms(), CLOCK.utc_ms())
    inputs = Inputs(fast, lambda: None, console, signals, lambda: FAR, 50)
    began = time.monotonic_ns()
    inputs.wait(fast.boot_ms() + 2_500)
    assert 30 <= (time.monotonic_ns() - began) // 1_000_000 <= 500


def test_no_wait_is_longer_than_ten_seconds_as_it_does_not_count_through_a_suspend(
    console: ConsoleServer, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-44."""
    waits: list[int] = []

    def poll(_inputs: Inputs, _line: int | None, timeout_ms: int) -> set[int]:
        waits.append(timeout_ms)
        return set()

    monkeypatch.setattr(Inputs, "_poll", poll)
    Inputs(CLOCK, lambda: None, console, signals, lambda: FAR).wait(FAR)
    assert waits == [10_000]


def test_a_link_without_a_descriptor_or_with_a_dead_one_is_not_waited_for() -> None:
    class Lost:
        def fileno(self) -> int | None:
            return None

    class Dead:
        def fileno(self) -> int:
            return 9_999

    assert descriptor(object())() is None
    assert descriptor(Lost())() is None
    assert descriptor(Dead())() is None


def test_a_trials_clock_counts_on_from_its_beginning_for_every_process_of_it() -> None:
    began_ms, utc_ms = CLOCK.boot_ms() - 1_000, 1_795_000_000_000
    one, other = (TrialClock(CLOCK, 60, began_ms, utc_ms) for _ in range(2))
    assert 60_000 <= one.boot_ms() - began_ms <= 120_000
    assert abs(one.boot_ms() - other.boot_ms()) <= 600
    assert one.utc_ms() - utc_ms >= 60_000
    assert one.boot_id() == f"{CLOCK.boot_id()}x60"
