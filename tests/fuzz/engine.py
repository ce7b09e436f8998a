"""Gives a reader one bad input after another and holds it to its bounds.

An input is drawn from seed, reader and number alone, so that each can be had again by itself. A reader says with a
word what it made of it, or refuses with an error that it may raise; everything else is a ``Finding``, and so is more
processor time or memory than its row allows.
"""

from __future__ import annotations

import resource
import signal
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Final, NamedTuple

from pump_ctrl.errors import PumpCtrlError
from tests.fuzz.mutations import Mutation, garbled

PATIENCE_S: Final = 5.0  # processor time of one input; the slowest takes a tenth of it
ROOM: Final = 512 << 20  # bytes that the whole process may grow by during an input
LOOK_EVERY: Final = 16  # each so many inputs, and each that was blown up, memory is measured: that is slow
BLOWN: Final = 8_192  # bytes longer than any real input


class Reader(NamedTuple):
    """One thing that reads bytes from outside.

    Attributes:
        name: what it is called in the table.
        seeds: real inputs, from which bad ones are made.
        read: reads one; returns a word for what came of it.
        refuses: what it may raise to say no, beside a word of its own.
        rounds: inputs of an ordinary run.
        most_kib: memory that it may need beyond what it held before, KiB.
    """

    name: str
    seeds: Sequence[bytes]
    read: Callable[[bytes], str]
    mutate: Mutation = garbled
    refuses: tuple[type[Exception], ...] = (PumpCtrlError,)
    rounds: int = 150
    most_kib: int = 4_096


class Slow(BaseException):
    """The time of an input is over. Not an ``Exception``, so that no reader can take it for one of its own."""


class Finding(AssertionError):
    """A reader broke a claim; the text says which input it was and how to have it again."""


@dataclass
class Tally:
    """What came of the inputs of one reader."""

    name: str
    tried: int = 0
    said: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest_ms: int = 0
    peak_kib: int = 0

    def __str__(self) -> str:
        said = ", ".join(f"{word} {count}" for word, count in self.said.most_common())
        no = ", ".join(f"{word} {count}" for word, count in self.refused.most_common())
        return (
            f"{self.name:32} {self.tried:8} {sum(self.refused.values()):8} {self.slowest_ms:6} {self.peak_kib:7}  "
            f"{said or 'nothing'}{f' | {no}' if no else ''}"
        )


HEAD: Final = f"{'reader':32} {'inputs':>8} {'refused':>8} {'ms':>6} {'KiB':>7}  said | refused with"


def make(reader: Reader, seed: int, number: int) -> bytes:
    """Input ``number`` of a seed; the first ones are the real inputs themselves."""
    if number < len(reader.seeds):
        return reader.seeds[number]
    draw = Random(f"{seed} {reader.name} {number}")
    return reader.mutate(draw.choice(reader.seeds), draw, reader.seeds)


def try_one(
    reader: Reader, content: bytes, tally: Tally, what: str = "input", *, measure: bool = False
) -> None:
    """Give it one input and count what came of it.

    Raises:
        Finding: it broke a claim.
    """
    began = time.process_time()
    try:
        with within(PATIENCE_S, ROOM), _measured(tally, reader.most_kib, measure=measure):
            tally.said[reader.read(content)] += 1
    except reader.refuses as error:
        if not str(error):
            raise _finding(reader, what, content, "was refused without a word") from error
        tally.refused[type(error).__name__] += 1
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except Slow as error:
        raise _finding(reader, what, content, f"took more than {PATIENCE_S} s of processor time") from error
    except BaseException as error:
        raise _finding(reader, what, content, f"ended in {type(error).__name__}: {error}") from error
    tally.tried += 1
    if not measure:
        tally.slowest_ms = max(tally.slowest_ms, round((time.process_time() - began) * 1_000))


def run(reader: Reader, seed: int, numbers: Iterable[int], tally: Tally | None = None) -> Tally:
    """Give it these inputs of a seed.

    Raises:
        Finding: it broke a claim.
    """
    tally, longest = tally or Tally(reader.name), max(map(len, reader.seeds))
    for number in numbers:
        content = make(reader, seed, number)
        measure = number % LOOK_EVERY == LOOK_EVERY - 1 or len(content) > longest + BLOWN
        try_one(reader, content, tally, f"input {number} of seed {seed}", measure=measure)
    return tally


def _finding(reader: Reader, what: str, content: bytes, how: str) -> Finding:
    shown = repr(content) if len(content) <= 2_000 else f"{content[:1_000]!r}... ({len(content)} bytes)"
    return Finding(f"{reader.name}, {what}: {how}\n{shown}")


@contextmanager
def within(seconds: float, room: int) -> Iterator[None]:
    """Processor time and address space have an end in here: ``Slow`` and ``MemoryError``."""
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_size() + room, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)  # again, for a reader that swallows the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise Slow


def _size() -> int:
    """Address space of this process, bytes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@contextmanager
def _measured(tally: Tally, most_kib: int, *, measure: bool) -> Iterator[None]:
    if not measure:
        yield
        return
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1] >> 10
        tracemalloc.stop()
        tally.peak_kib = max(tally.peak_kib, peak)
    if peak > most_kib:
        raise Finding(f"it took {peak} KiB, allowed are {most_kib}")
