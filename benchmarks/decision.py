"""How long a safety decision takes with 10, 1,000 and 100,000 past doses.

A guard on a pump that says yes at once, under the compiled limits of worked plan C (three drugs, a patient bolus of
10 min, lockout 3 h, four in any 24 h), valid for long enough and with a reservoir that never runs dry. The past is a
patient bolus every 6.5 h, each with the basal behind it, all granted: 100,000 of them are 74 years. Two decisions are
timed, both over every rule: the next bolus granted (judged, written, sent, counted), and the one after that refused
for the lockout (judged only). The median of many; exit status 1 if 100,000 past doses take more than ``figures.toml``
allows over 10.

    python -m benchmarks.decision [--doses N ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.setting import DAY_MS, EXAMPLES, checked, figures, timed
from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Identity,
    Nothing,
    Permit,
    PumpState,
    PumpStatus,
    Step,
    StepKind,
)
from pump_ctrl.safety.ask import Ask, Denied, Purpose
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import compile_limits
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.profiles import load_profile

EVERY_MS = 23_400_000  # 6.5 h: the fourth before has ended over 24 h ago
BOLUS = Step(StepKind.BOLUS, 26_600, 600_000)  # 0.4 mg of 15 mg/mL, rounded down to pump steps
BASAL = Step(StepKind.BASAL, 266_600, DAY_MS - 600_000 - 60_000)  # 4 mg/day, to just before the lease ends
TIMED = 60  # decisions of each kind behind the past


class YesPump:
    """A driver whose pump acknowledges everything at once and counts what it was told, by time."""

    def __init__(self, clock: VirtualClock, capabilities: Capabilities) -> None:
        self.capabilities, self._clock = capabilities, clock
        self._tick = self._given = 0
        self._began, self._steps = 0, ()  # type: int, tuple[Step, ...]

    def identify(self) -> Identity:
        """Always the same one."""
        return Identity("YES", "1", "1", 1)

    def deliver(self, permit: Permit) -> Acked:
        """Cut what runs and begin this."""
        self._given = self._counter()
        self._began, self._steps = self._clock.boot_ms(), permit.steps
        return Acked(self.read_status())

    def stop(self) -> Acked:
        """Stand still."""
        self._given, self._steps = self._counter(), ()
        return Acked(self.read_status())

    def read_status(self) -> PumpStatus:
        """How it is."""
        self._tick += 1
        now = self._clock.boot_ms()
        return PumpStatus(1, self._tick, now, PumpState.RUNNING, self._counter())

    def evidence(self, permit_id: int) -> Evidence:
        """Nothing is ever uncertain."""
        return Nothing(f"{permit_id} was acknowledged")

    def notices(self) -> tuple[PumpStatus, ...]:
        """It says nothing by itself."""
        return ()

    def close(self) -> None:
        """Nothing to let go."""

    def _counter(self) -> int:
        elapsed, given, step_nl = self._clock.boot_ms() - self._began, self._given, self.capabilities.step_nl
        for step in self._steps:
            part = min(elapsed, step.duration_ms)
            given += step.volume_nl * part // (step.duration_ms * step_nl) * step_nl
            elapsed -= part
        return given


class NoLog:
    """A journal that keeps nothing: writing is not what is measured."""

    def append(self, kind: str, data: Mapping[str, Any]) -> None:
        """Let it go."""


@dataclass(slots=True)
class Bench:
    """A guard that has been confirmed, its clock, and how many boluses it has granted."""

    guard: GuardedPump
    clock: VirtualClock
    granted: int = 0

    def ask(self) -> object:
        """Ask for the next bolus."""
        ask = Ask(f"bolus {self.granted}", Purpose.PATIENT, "stage-0", (BOLUS, BASAL))
        outcome = self.guard.deliver(ask)
        self.granted += isinstance(outcome, Acked)
        return outcome

    def grant(self) -> None:
        """Six and a half hours later the patient asks, and gets it.

        Raises:
            AssertionError: it was refused.
        """
        self.clock.advance(EVERY_MS)
        outcome = self.ask()
        if not isinstance(outcome, Acked):
            raise AssertionError(f"bolus {self.granted} was not granted: {outcome}")

    def refuse(self) -> None:
        """The patient asks again at once.

        Raises:
            AssertionError: it was not refused for the lockout.
        """
        outcome = self.ask()
        if not isinstance(outcome, Denied) or "lockout" not in {denial.rule for denial in outcome.denials}:
            raise AssertionError(f"no lockout: {outcome}")


def bench() -> Bench:
    """A new guard."""
    plan = load_plan(EXAMPLES / "c-patient-bolus.toml")
    profile = load_profile(plan.pump)
    limits = compile_limits(plan, load_formulary(), profile, simulation=True)
    body = {key: value for key, value in limits.items() if key != "checksum"}
    body["valid"] = {"from_utc_ms": 0, "until_utc_ms": 10**15}
    body["fill_nl"] = 10**15
    clock = VirtualClock(utc_ms=plan.start_utc_ms)
    pump = limits["pump"]
    capabilities = Capabilities(
        protocol=pump["protocol"],
        max_steps=13,
        step_nl=pump["step_nl"],
        counter_unit_nl=pump["counter_unit_nl"],
        max_nl_per_h=pump["max_nl_per_h"],
        max_lease_ms=pump["max_lease_ms"],
        ttl_ms=600_000,
        dedup=True,
        keeps_outcomes=True,
        buffered=False,
        tells_time=True,
        simulated=True,
    )
    guard = GuardedPump(YesPump(clock, capabilities), NoLog(), clock, checked(body), lambda: False)
    guard.identify()
    guard.read_status()
    guard.confirm(by="bench", code=guard.reconciliation().code, plan_ms=0, given={})
    return Bench(guard, clock)


def decisions(past: int) -> tuple[float, float]:
    """Median seconds of a granted and of a refused decision behind ``past`` doses."""
    granted: list[float] = []
    refused: list[float] = []
    one = bench()
    while len(granted) < TIMED:
        if one.granted >= past + max(10, past // 10):  # so that 10 past doses stay about 10
            one = bench()
        while one.granted < past:
            one.grant()
        granted.append(timed(one.grant))
        refused += [timed(one.refuse) for _ in range(3)]
    return median(granted), median(refused)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision")
    parser.add_argument("--doses", type=int, nargs="+", default=[10, 1_000, 100_000])
    counts = parser.parse_args(arguments).doses
    most = figures()["most"]["decision_ratio"]
    found = {past: decisions(past) for past in counts}
    for past, (granted, refused) in found.items():
        print(f"{past:7d} past doses: granted in {granted * 1e6:5.0f} us, refused in {refused * 1e6:5.0f} us")
    few, many = found[min(counts)], found[max(counts)]
    ratio = max(many[0] / few[0], many[1] / few[1])
    print(
        f"{max(counts)} over {min(counts)}: {ratio:.2f}, at most {most}{'' if ratio <= most else '   TOO SLOW'}"
    )
    return int(ratio > most)


if __name__ == "__main__":
    sys.exit(main())
