"""What is on a port, and is not the pump of the plan: ``pump-ctrl run`` says so, with what to do, and ends.

The controller is a process of its own, the device on its pseudo-terminal a thread of this one, or a served pump.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Final

import pytest

from sim.wire.ports import PtyPort
from tests.system.kit import HARVARD, NEW_ERA, NEW_ERA_HOLD, REFERENCE, House, Kind, house
from tests.unit.reference_page import frame, status

DEADLINE_S: Final = 20.0  # it takes some 2 s where the host has time
PAUSE_S: Final = 0.002  # of a device that talks all the time
LONG_S: Final = 0.1
LUCK, NUMBERS = Random(7), count(1)
WHAT_NOW: Final = (
    "What it was told last goes on to its end. See that port, cable, power and pump are those of the plan, then start "
    "again."
)


@dataclass(frozen=True)
class Device:
    """Something on a port: what it answers, and what it says all the time."""

    name: str
    answer: Callable[[bytes], bytes] = lambda _: b""
    babble: Callable[[], bytes] | None = None
    pause_s: float = PAUSE_S

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def plugged(self, _: House) -> Iterator[str]:
        """Its port."""
        port, over = PtyPort(), Event()
        life = Thread(target=self._live, args=(port, over))
        life.start()
        try:
            yield port.name
        finally:
            over.set()
            life.join()
            port.close()

    def _live(self, port: PtyPort, over: Event) -> None:
        while not over.is_set():
            if select.select(port.filenos(), [], [], LONG_S if self.babble is None else self.pause_s)[0]:
                port.write(self.answer(port.read()))
            if self.babble is not None:
                port.write(self.babble())


@dataclass(frozen=True)
class Pump:
    """A served pump, by what it is served as."""

    served: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.served)

    @contextmanager
    def plugged(self, here: House) -> Iterator[str]:
        """Its port."""
        path = here.path / "other"
        path.mkdir()
        with house(path, here.runtime, kind=Kind("", here.kind.pump, self.served)) as other:
            other.serve()
            yield str(other.device)


THINGS: Final = (
    Device("nothing"),
    Device("an echo", answer=lambda data: data),
    Device("a balance", babble=lambda: b"ST,+00012.34 g\r\n", pause_s=0.05),
    Device("noise", babble=lambda: LUCK.randbytes(200)),
    Device("New Era replies without end", babble=lambda: b"\x0200S\x03" * 5),
    Device("Safe packets without end", babble=lambda: bytes.fromhex("02 07 30 30 53 aa a6 03") * 5),
    Device("Harvard replies without end", babble=lambda: b"\n:\x11" * 20),
    Device("frames without end", babble=lambda: frame(0x82, 7, 9, next(NUMBERS), status())),
)
OTHERS: Final = {
    REFERENCE: [NEW_ERA.served, HARVARD.served],
    NEW_ERA: [REFERENCE.served, HARVARD.served, ("new-era", "--syringe", "bd-5"), (*NEW_ERA.served, "--address", "3")],
    NEW_ERA_HOLD: [REFERENCE.served, HARVARD.served],
    HARVARD: [
        REFERENCE.served, NEW_ERA.served, ("harvard-11-elite", "--syringe", "bd-5"), (*HARVARD.served, "--address", "3")
    ],
}  # fmt: skip
CASES: Final = [(kind, thing) for kind in OTHERS for thing in (*THINGS, *map(Pump, OTHERS[kind]))]
SAMPLE: Final = (
    "New Era replies without end",
    "harvard-11-elite --syringe bd-10",
)  # on a New Era pump's port


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        pytest.param(kind, thing, marks=() if kind == NEW_ERA and str(thing) == SAMPLE else pytest.mark.deep)
        for kind, thing in CASES
    ],
    ids=str,
)
def test_what_is_not_the_pump_of_the_plan_is_a_sentence_and_exit_4(
    tmp_path: Path, runtime: Path, kind: Kind, thing: Device | Pump
) -> None:
    with house(tmp_path, runtime, kind=kind) as here:
        here.write_plan()
        with thing.plugged(here) as port:
            code, text = run(here, port)
        assert code == 4, text
        assert "The pump does not answer as it should: " in text
        assert text.rstrip().endswith(WHAT_NOW)
        if "bd-5" in str(thing):
            assert "set to a syringe of 11.99" in text
        assert not here.records("intent")


def run(here: House, port: str) -> tuple[int, str]:
    began = time.monotonic()
    words = ["run", str(here.plan), "--confirm", "A", "--given", "none", "--journal", str(here.journal)]
    code, text = here.cli(*words, "--port", port)
    assert time.monotonic() - began < DEADLINE_S
    assert "Traceback" not in text
    return code, text


PORTS: Final = {
    "/dev/nothing-of-the-kind": "there is no such port",
    "/dev/null": "it is not a serial port",
    "socket://127.0.0.1:1": "nobody listens there",
    "gopher://127.0.0.1": "its scheme is not known",
}


@pytest.mark.deep
@pytest.mark.parametrize(("port", "why"), PORTS.items())
def test_a_port_that_is_none_is_a_sentence_and_exit_4_and_no_journal(
    tmp_path: Path, runtime: Path, port: str, why: str
) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        code, text = run(here, port)
        assert (code, why in text) == (4, True), text
        assert not here.journal.exists()


@pytest.mark.deep
def test_a_port_that_another_program_has_locked_is_told(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here, Device("nothing").plugged(here) as port:
        here.write_plan()
        other = os.open(port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            code, text = run(here, port)
        finally:
            os.close(other)
        assert code == 4
        assert "another program is using it. " in text
        assert "End that program: one pump has one controller." in text
