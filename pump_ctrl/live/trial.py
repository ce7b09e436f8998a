"""``sim:`` as a port: a simulated pump of its own, in a process of its own, on a pseudo-terminal.

Layer      live; imports nothing of the simulator: it starts ``pump-sim serve`` as anybody could.
Hazard     a trial that is taken for a real pump, or a clock that runs fast beside one.
Invariant  a fast clock exists with ``sim:`` only, and a journal that was begun in a trial is of trials for good.
Tests      tests/unit/test_live_trial.py, tests/system/test_run.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pump_ctrl.clock import Clock, SystemClock, TrialClock
from pump_ctrl.errors import InvalidInput, LinkError, NotAllowed
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.units import NL_PER_ML

SCHEME: Final = "sim:"
FASTEST: Final = 100
_URL: Final = re.compile(r"sim:(?:\?speed=([1-9][0-9]{0,2}))?", re.ASCII)
_PATIENCE_S: Final = 5.0
IMPLANT_20_NL: Final = 20_000_000
FAMILIES: Final[Mapping[str, str]] = MappingProxyType({"new-era": "ne-1000", "harvard": "harvard-11-elite"})


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial's clock runs; kept in the journal, so that its next process goes on with the same."""

    speed: int
    boot_ms: int
    utc_ms: int

    def as_json(self) -> dict[str, int]:
        """For the journal."""
        return {"speed": self.speed, "boot_ms": self.boot_ms, "utc_ms": self.utc_ms}

    def clock(self) -> Clock:
        """The clock of the trial."""
        host = SystemClock()
        return host if self.speed == 1 else TrialClock(host, self.speed, self.boot_ms, self.utc_ms)


def trial_of(port: str, about: Mapping[str, Any] | None) -> Trial | None:
    """The trial that ``port`` asks for, None for a real port; ``about`` is what the journal says, if there is one.

    Raises:
        InvalidInput: the port is ``sim:`` with something that there is not.
        NotAllowed: the journal is of a trial and the port is not, or the other way round.
    """
    kept = None if about is None else about.get("trial")
    if not port.startswith(SCHEME):
        if kept is not None:
            raise NotAllowed(
                "This journal was begun on a simulated pump (sim:).",
                code="journal-of-other-port",
                do_now="Use another journal for a real port.",
            )
        return None
    found = _URL.fullmatch(port)
    speed = int(found[1] or 1) if found else 0
    if not 1 <= speed <= FASTEST:
        raise InvalidInput(
            f"the port {port!r} is not known; allowed: sim: or sim:?speed=N with N up to {FASTEST}"
        )
    if about is None:
        host = SystemClock()
        return Trial(speed, host.boot_ms(), host.utc_ms())
    if kept is None or kept["speed"] != speed:
        now = "a real pump" if kept is None else f"sim:?speed={kept['speed']}"
        raise NotAllowed(
            f"This journal was begun on {now}.",
            code="journal-of-other-port",
            do_now="Use another journal for this port.",
        )
    return Trial(kept["speed"], kept["boot_ms"], kept["utc_ms"])


def served_as(profile: PumpProfile) -> list[str]:
    """The options of ``pump-sim serve`` that make a pump like the one of the profile."""
    if profile.protocol == "reference":
        return ["--model", "implant-20" if profile.capacity.nl <= IMPLANT_20_NL else "implant-40"]
    return ["--model", FAMILIES[profile.protocol], "--syringe", f"bd-{profile.capacity.nl // NL_PER_ML}"]


class TrialPump:
    """A simulated pump that lives as long as this process.

    Args:
        plan: what fills it.
        profile: what it is like.
        speed: how fast its time runs.
        beside: what stands beside it, by the options of ``pump-sim serve``: ``balance``, ``power-switch``.

    Raises:
        LinkError: it cannot be served.
    """

    def __init__(
        self, plan: DosingPlan, profile: PumpProfile, speed: int, beside: Sequence[str] = ()
    ) -> None:
        self._room = tempfile.TemporaryDirectory(prefix="pump-ctrl-") if beside else None
        self.beside = {} if self._room is None else {name: f"{self._room.name}/{name}" for name in beside}
        fill = f"{plan.reservoir.filled.nl // NL_PER_ML}.{plan.reservoir.filled.nl % NL_PER_ML:06d}"
        command = [sys.executable, "-m", "sim.cli", "serve", "--tied", *served_as(profile)]
        command += ["--fill", fill, "--speed", str(speed)]
        command += [word for name, place in self.beside.items() for word in (f"--{name}", place)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for the controller, not for its pump
        )
        self.device = self._ready("ready ")
        for name in self.beside:
            self._ready(f"ready {name} ")

    def _ready(self, begins: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.startswith(begins):
            return line.removeprefix(begins).strip()
        _, said = self._process.communicate(timeout=_PATIENCE_S)
        why = [line for line in said.splitlines() if line.strip()] or ["it ended"]
        raise LinkError(
            f"The simulated pump cannot be served: {why[-1]}",
            do_now="Serve one yourself (pump-sim serve) and give its device as --port.",
        )

    def close(self) -> None:
        """Take it away. Safe to repeat."""
        if self._room is not None:
            self._room.cleanup()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
            return
        self._process.kill()
        self._process.wait()
