"""Real processes: served pumps, controllers and those who ask them, in a directory of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pump_ctrl.console import Connection
from pump_ctrl.errors import LinkError
from pump_ctrl.journal import Record, read_journal
from pump_ctrl.therapy.approval import approval_path, approve, write_approval
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.review import review
from tests.whole_stack import formulary, profile

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 20.0
BOLUS_NL: Final = 2_000
BASAL_NL_PER_H: Final = 8_000
PLAN: Final = """\
schema = 1
id = "{id}"
title = "Basal and patient boluses"
patient = "BENCH-001"
prescriber = "bench"
pump = "{pump}"
utc_offset = "+01:00"
start = "{start}"
on_loss = {on_loss}
{previous}
[reservoir]
{reservoir}
drugs = [ {{ name = "baclofen", concentration = "1000 ug/mL" }} ]
[catheter]
model = "ascenda-8780"
length = "89 cm"
[basal]
rate = "{rate}"
[patient_bolus]
dose = "{dose}"
over = "{over}"
lockout = "1 min"
max_per_day = 4
"""

IMPLANT: Final = 'filled = "40 mL"\nresidual = ["0 mL", "1.4 mL"]\nalarm = "2 mL"'
SYRINGE: Final = 'filled = "10 mL"\nresidual = ["0 mL", "0 mL"]\nalarm = "1 mL"'


@dataclass(frozen=True)
class Kind:
    """A pump as a house has it: its profile, how it is served, its plan's reservoir and what it does on a loss."""

    name: str
    pump: str
    served: tuple[str, ...]
    reservoir: str = SYRINGE
    on_loss: str = '{ hold = "4 h" }'
    over: str = "15 s"  # of a patient bolus; an implant can do it no faster
    bolus_nl: int = 12_000  # of 1 ug/uL; more than the last digit of a counter can hide

    def __str__(self) -> str:
        return self.name


REFERENCE: Final = Kind("implant", "implant-40", ("reference",), IMPLANT, bolus_nl=BOLUS_NL)
_BD_10: Final = ("--syringe", "bd-10")
NEW_ERA: Final = Kind("new-era, Safe", "ne-1000-bd-10ml", ("new-era", *_BD_10), on_loss='"stop"', over="6 s")
NEW_ERA_HOLD: Final = Kind("new-era, Basic", "ne-1000-bd-10ml", ("new-era", *_BD_10), over="6 s")
HARVARD: Final = Kind("harvard", "pump-11-elite-bd-10ml", ("harvard-11-elite", *_BD_10), over="6 s")


def wait_for(what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until it is true; a process that never gets there fails the test and does not hang it."""
    end = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass in time")
        time.sleep(0.02)


@dataclass
class Process:
    """A child with what it has said."""

    child: subprocess.Popen[bytes]
    out: Path

    @property
    def said(self) -> str:
        return self.out.read_text(encoding="utf-8", errors="replace")

    def wait_said(self, text: str) -> None:
        def there() -> bool:
            assert text in self.said or self.child.poll() is None, f"it ended:\n{self.said}"
            return text in self.said

        wait_for(there)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.child.wait(PATIENCE_S)


@dataclass
class House:
    """A directory with a plan, and the processes that were started in it."""

    path: Path
    runtime: Path
    speed: int = 1
    kind: Kind = REFERENCE
    children: list[Process] = field(default_factory=list)

    @property
    def plan(self) -> Path:
        return self.path / "plan.toml"

    @property
    def journal(self) -> Path:
        return self.path / "j.jsonl"

    @property
    def device(self) -> Path:
        return self.path / "pump"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(self.runtime)}

    def write_plan(self, name: str = "plan.toml", **changed: str) -> Path:
        """A plan that began within the last minute, and its approval."""
        start = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M}"
        values = {
            "id": "BENCH-1",
            "start": start,
            "pump": self.kind.pump,
            "reservoir": self.kind.reservoir,
            "on_loss": self.kind.on_loss,
            "over": self.kind.over,
            "dose": f"{self.kind.bolus_nl // 1_000} ug",
            "rate": "192 ug/day",
            "previous": "",
        }
        file = self.path / name
        file.write_text(PLAN.format(**{**values, **changed}), encoding="utf-8")
        self.approve(file)
        return file

    def approve(self, file: Path, previous: Path | None = None) -> None:
        plan, before = load_plan(file), None if previous is None else load_plan(previous)
        found = review(plan, formulary(), profile(plan.pump), before)
        reasons = {item.key: "a test on the bench" for item in found if item.level == "reason"}
        second = "Dr Second" if any(item.second for item in found) else None
        now = time.time_ns() // 1_000_000
        signed = approve(plan, formulary(), profile(plan.pump), before, "Dr Bench", second, reasons, now)
        write_approval(approval_path(file), signed)

    def start(self, name: str, *words: str) -> Process:
        out = self.path / f"{name}.out"
        with out.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, *words], cwd=self.path, env=self.env, stdout=file, stderr=subprocess.STDOUT
            )
        self.children.append(Process(child, out))
        return self.children[-1]

    def serve(self, *more: str) -> Process:
        """A simulated pump on ``device``, with its truth."""
        words = ["--model", *self.kind.served, "--link", str(self.device), "--speed", str(self.speed)]
        words += ["--truth", str(self.path / "truth.jsonl"), "--control", str(self.path / "door")]
        served = self.start("serve", "-m", "sim.cli", "serve", *words, *more)
        served.wait_said("ready")
        return served

    def run(self, *more: str, name: str = "run", die: str = "", until: str = "pump-ctrl") -> Process:
        """A controller on ``device``, in trial time if the house runs faster than real."""
        mortal, port = ["--device", str(self.device)], f"sim:?speed={self.speed}"
        if self.speed == 1:
            mortal, port = [], str(self.device)
        mortal += ["--die", die] if die else []
        words = ["run", str(self.plan), "--port", port, "--journal", str(self.journal), *more]
        made = self.start(name, "-m", "tests.system.mortal", *mortal, "--", *words)
        if until:
            made.wait_said(until)
        return made

    def first_run(self, *more: str, **how: Any) -> Process:  # noqa: ANN401 - passed on
        return self.run("--confirm", "Ann", "--given", "none", *more, **how)

    def cli(self, *words: str) -> tuple[int, str]:
        """A command of its own process: exit status, and what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "pump_ctrl.cli.main", *words],
            cwd=self.path, env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def ask(self, verb: str, **more: str) -> dict[str, Any]:
        """The same over the socket, without a process for it."""
        request = {"id": f"{verb}-{time.monotonic_ns()}", "do": verb, **more}
        with self.connection() as line:
            return line.ask(request)

    def connection(self) -> Connection:
        old = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = str(self.runtime)
        try:
            return Connection.to(self.journal)
        finally:
            if old is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = old

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("status")["status"]
        return found

    def wait_state(self, *states: str) -> None:
        wait_for(lambda: self.status()["state"] in states)

    def answers(self) -> bool:
        try:
            self.connection().close()
        except LinkError:
            return False
        return True

    def confirm(self) -> dict[str, Any]:
        """What a person types after a restart."""
        code = self.status()["reconciliation"]["code"]
        return self.ask("resume", by="Ann", code=code)

    def truth_nl(self) -> int:
        """What had truly left the pump by the last line of its truth."""
        lines = (self.path / "truth.jsonl").read_text().splitlines()
        return int(json.loads(lines[-1])["delivered_nl"]) if lines else 0

    def records(self, *kinds: str) -> list[Record]:
        return [
            record for record in read_journal(self.journal).records() if not kinds or record.kind in kinds
        ]

    def close(self) -> None:
        for process in reversed(self.children):
            if process.child.poll() is None:
                process.child.kill()
            process.child.wait()


@contextmanager
def house(path: Path, runtime: Path, speed: int = 1, kind: Kind = REFERENCE) -> Iterator[House]:
    """A house that is cleared at the end, whatever happens in it."""
    made = House(path, runtime, speed, kind)
    try:
        yield made
    finally:
        made.close()
