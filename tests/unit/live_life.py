"""A controller as ``pump-ctrl run`` makes it, with its own journal, console and signals, in virtual time.

The port is a simulated pump behind a cable that can be pulled; what a process waits for is moved over by the clock.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from pump_ctrl.bench.setup import make_wire, world_setup
from pump_ctrl.clock import Clock, VirtualClock
from pump_ctrl.console import socket_path
from pump_ctrl.console.lines import encode
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.errors import LinkError
from pump_ctrl.journal import Record
from pump_ctrl.live.inputs import Inputs
from pump_ctrl.live.order import Order, Port
from pump_ctrl.live.session import Live
from pump_ctrl.therapy.approval import approval_path, approve, write_approval
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.therapy.review import review
from sim.faults import FaultyWire
from sim.world import World
from tests.driver_stacks import PLAN, Kind
from tests.whole_stack import formulary, profile


class Cable(SimulatedLink):
    """A port whose cable can be pulled: then it is closed until it is opened again, which takes the cable."""

    out = False

    def pull(self) -> None:
        self.out = True
        self.close()

    def plug(self) -> None:
        self.out = False

    def lead_to(self, wire: FaultyWire) -> None:
        self._wire = wire
        self._clock.on_advance(wire.advance)

    def reopen(self) -> None:
        if self.out:
            raise LinkError("the cable is out")
        self._closed = False


class House:
    """A pump, its signed plan and the journals beside it."""

    def __init__(self, kind: Kind, room: Path) -> None:
        self.kind, self.room = kind, room
        self.file = self.signed("plan.toml")
        self.plan = load_plan(self.file)
        self.clock = VirtualClock(utc_ms=self.plan.start_utc_ms, boot_ms=1_000_000)
        self.told: list[str] = []
        self.world, self.wire = self._pump("SIM-0001")
        self.port = Cable(self.wire, self.clock)

    def signed(self, name: str, previous: DosingPlan | None = None) -> Path:
        file, kind = self.room / name, self.kind
        on_loss = '"stop"' if kind.on_loss == "stop" else f'{{ hold = "{kind.on_loss}" }}'
        filled = "10 mL" if profile(kind.pump).kind == "syringe" else "40 mL"
        text = PLAN.format(pump=kind.pump, on_loss=on_loss, filled=filled)
        if previous is not None:
            text = text.replace('"SHORT"', '"NEXT"')
            text = text.replace("[reservoir]", f'previous = "{previous.sha256}"\n[reservoir]')
        file.write_text(text, encoding="utf-8")
        plan, pump = load_plan(file), profile(kind.pump)
        reasons = {f.key: "a test" for f in review(plan, formulary(), pump, previous) if f.level == "reason"}
        write_approval(
            approval_path(file), approve(plan, formulary(), pump, previous, "Ann", "Ben", reasons, 0)
        )
        return file

    def _pump(self, serial: str) -> tuple[World, FaultyWire]:
        pump = profile(self.kind.pump)
        setup = replace(world_setup(self.plan, pump, None, seed=1), serial=serial)
        return make_wire(setup, (), pump.protocol)

    def plug_in(self, serial: str) -> None:
        """Another pump, new from its box, on the same port."""
        self.world, self.wire = self._pump(serial)
        self.port.lead_to(self.wire)

    def open(self, url: str, clock: Clock, baud: int) -> Port:
        del url, clock, baud
        self.port.reopen()
        return self.port

    @contextmanager
    def live(self, journal: str = "a.journal") -> Iterator[Live]:
        order = Order(self.file, "/dev/pump", self.room / journal, formulary())
        with Live(order, opener=self.open, notice=self.told.append) as life:
            yield life

    @contextmanager
    def running(self, journal: str = "a.journal", given: str = "none") -> Iterator[Live]:
        """A new journal that was confirmed, in RUN."""
        with self.live(journal) as life:
            life.start()
            life.confirm_first("Ann", given)
            self.go(life, 60_000)
            yield life

    def go(self, life: Live, ms: int) -> None:
        life.run(ms, lambda records: None)


def records(life: Live, *kinds: str) -> list[Record]:
    return [record for record in life.journal.records() if record.kind in kinds]


@contextmanager
def asked(life: Live, do: str) -> Iterator[socket.socket]:
    """Somebody has just asked for something at the console, and waits."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(socket_path(life.order.journal)))
        sock.sendall(encode({"id": f"{do}-1", "do": do}))
        yield sock


Home = TypeVar("Home", bound=House)


@contextmanager
def house(kind: Kind, room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with lived_in(House(kind, room), monkeypatch) as made:
        yield made


@contextmanager
def lived_in(made: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """The clock of every controller in here is that of ``made``, and whoever waits moves it."""
    with tempfile.TemporaryDirectory(prefix="pc") as runtime:  # short: a socket's path has 107 bytes
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setattr("pump_ctrl.live.session.SystemClock", lambda: made.clock)

        def poll(inputs: Inputs, line: int | None, timeout_ms: int) -> set[int]:
            made.clock.advance(timeout_ms)
            return set()

        monkeypatch.setattr(Inputs, "_poll", poll)
        yield made
