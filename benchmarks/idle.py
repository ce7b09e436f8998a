"""How much of a core an idle ``pump-ctrl run`` takes: processor time of the process over wall time.

Two controllers run side by side, each a process of its own in real time on a served pump's pseudo-terminal, as a
person would start them, with journal file, signs of life and console: worked plan A on the implant, which is asked
every 6 h, and its bench twin with ``on_loss = "stop"`` on a New Era pump, which gets a heartbeat every 15 s. The time
zone of both plans is chosen so that it is two in the afternoon in them, hours from any event. Once both are running
they are left alone. Processor time is that of Linux' ``schedstat``, in ns: in the ticks of ``/proc/PID/stat``, 10 ms
each, there is nothing to be seen. In the end both must still be running without an alarm, and the New Era pump must
have spoken within the last 15 s. Exit status 1 if one takes too much.

    python -m benchmarks.idle [--seconds N]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.heartbeats import TWIN
from benchmarks.served import process
from benchmarks.setting import HERE, PLAN_A, figures
from pump_ctrl.therapy.approval import approval_path, approve, write_approval
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review import review

CTRL: Final = (sys.executable, "-m", "pump_ctrl.cli.main")
PATIENCE_S: Final = 60.0
SETTLE_S: Final = 3.0
HEARTBEAT_S: Final = 15
HOUR_IN_PLAN: Final = 14


@dataclass(frozen=True, slots=True)
class Case:
    """A plan and the pump that is served for it; ``silent_s``: the longest time since it spoke."""

    name: str
    plan: Path
    model: tuple[str, ...]
    silent_s: int | None


CASES: Final = (
    Case("New Era, Safe mode", TWIN, ("ne-1000", "--syringe", "bd-10"), HEARTBEAT_S),
    Case("implant", PLAN_A, ("implant-40",), None),
)


@dataclass(frozen=True, slots=True)
class Running:
    """A controller that runs."""

    case: Case
    pid: int
    journal: Path
    env: dict[str, str]

    def status(self) -> dict[str, Any]:
        """What it says of itself; empty while nobody answers."""
        words = (*CTRL, "status", "--json", "--journal", str(self.journal))
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=False)
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return found

    def processor_s(self) -> float:
        """Processor time that its threads have taken so far, in user mode and in the kernel."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9

    def check(self) -> None:
        """It carries its plan out and nothing is wrong.

        Raises:
            AssertionError: that is not so.
        """
        status, silent_s = self.status(), self.case.silent_s
        if status.get("state") != "RUNNING" or status["alarms"]:
            raise AssertionError(f"{self.case.name}: {status}")
        if silent_s is not None and status["pump"]["age_s"] > silent_s:
            raise AssertionError(f"{self.case.name} was silent for {status['pump']['age_s']} s")


def written(source: Path, into: Path, now: datetime) -> Path:
    """The plan, begun within the minute before ``now`` (UTC), where it is two in the afternoon; and its approval."""
    offset = HOUR_IN_PLAN - now.hour
    text = source.read_text(encoding="utf-8")
    for key, value in (
        ("start", f"{now + timedelta(hours=offset):%Y-%m-%dT%H:%M}"),
        ("utc_offset", f"{'-' if offset < 0 else '+'}{abs(offset):02d}:00"),
    ):
        text = re.sub(rf'^{key} = ".*"$', f'{key} = "{value}"', text, flags=re.MULTILINE)
    if source == TWIN:
        text = re.sub(r"^on_loss = .*$", 'on_loss = "stop"', text, flags=re.MULTILINE)
    file = into / "plan.toml"
    file.write_text(text, encoding="utf-8")
    plan, formulary = load_plan(file), load_formulary()
    profile = load_profile(plan.pump)
    found = review(plan, formulary, profile, None)
    reasons = {item.key: "a benchmark" for item in found if item.level == "reason"}
    second = "second person" if any(item.second for item in found) else None
    signed = approve(
        plan, formulary, profile, None, "first person", second, reasons, time.time_ns() // 1_000_000
    )
    write_approval(approval_path(file), signed)
    return file


@contextmanager
def running(case: Case) -> Iterator[Running]:
    """A controller on a served pump."""
    with (
        TemporaryDirectory() as place,
        process("-m", "sim.cli", "serve", "--model", *case.model) as (device,),
        Path(place, "out").open("w+", encoding="utf-8") as out,
    ):
        env = {**os.environ, "XDG_RUNTIME_DIR": place, "PYTHONPATH": str(HERE.parent)}
        plan, journal = written(case.plan, Path(place), datetime.now(UTC)), Path(place, "j.jsonl")
        words = [*CTRL, "run", str(plan), "--port", device, "--journal", str(journal)]
        words += ["--confirm", "first person", "--given", "none"]
        with subprocess.Popen(words, env=env, stdout=out, stderr=out) as child:
            made, end = Running(case, child.pid, journal, env), time.monotonic() + PATIENCE_S
            try:
                while made.status().get("state") != "RUNNING":
                    if child.poll() is not None or time.monotonic() > end:
                        out.seek(0)
                        raise AssertionError(f"{case.name} does not run:\n{out.read()}")
                yield made
            finally:
                child.terminate()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle")
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds, most = parser.parse_args(arguments).seconds, figures()["most"]["idle_percent"]
    with ExitStack() as opened:
        all_running = [opened.enter_context(running(case)) for case in CASES]
        time.sleep(SETTLE_S)
        began, before = time.monotonic(), [one.processor_s() for one in all_running]
        time.sleep(seconds)
        wall_s, after = time.monotonic() - began, [one.processor_s() for one in all_running]
        for one in all_running:
            one.check()
    percents = [100 * (end - start) / wall_s for start, end in zip(before, after, strict=True)]
    for case, percent in zip(CASES, percents, strict=True):
        mark = "" if percent <= most else "   TOO MUCH"
        print(f"idle run, {case.name}: {percent:.3f} % of a core for {wall_s:.0f} s, at most {most}{mark}")
    return int(max(percents) > most)


if __name__ == "__main__":
    sys.exit(main())
