"""A pump without serial number and ids, on the bench of the kit: it is stopped before it is told anything, and each
command that it takes clears its counter.

36,000 nL/h are 10 nL/s and 6,000 nL in 10 min; a grain of the counter is 100 nL.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import (
    Capabilities,
    Evidence,
    Given,
    Identity,
    NotGiven,
    Nothing,
    Outcome,
    Permit,
    PumpStatus,
    Refused,
)
from tests.safety.kit import CAPABILITIES, HOUR, Bench, FakePump, account, basal, limits, rows

PLAIN: Final = replace(
    CAPABILITIES,
    ttl_ms=None,
    dedup=False,
    keeps_outcomes=False,
    tells_time=False,
    stops_first=True,
    clears_counter=True,
)
WIDE: Final = (10**9,) * 3
STAGE: Final = account(
    rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=90_000, hold={"nl": 6_000, "per_ms": HOUR}
)
LIMITS: Final = limits([STAGE], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}], max_hold_ms=4 * HOUR)
RUN: Final = basal(36_000, HOUR)


class PlainPump(FakePump):
    """Its counter shows what has flowed since the last command; its driver sums that up while one session lasts, and
    begins the next one with what the counter shows.

    Attributes:
        number: its serial number.
        firmware: what it calls its firmware.
        names: what it says that it runs: nothing, as it knows no ids.
        stops: whether it stops for a command; else it did not hear of that.
        tells: the status that a refusal brings.
        proof: evidence of its last command; asked so often: ``asked``.
    """

    def __init__(self, clock: VirtualClock, capabilities: Capabilities) -> None:
        super().__init__(clock, capabilities)
        self.latency_ms = 0
        self.number: str | None = None
        self.names: int | None = None
        self.firmware, self.stops, self.asked = "1", True, 0
        self.tells: Callable[[], PumpStatus | None] = self.status
        self.proof: Callable[[], Evidence] = lambda: Nothing("it keeps no ids")
        self._cleared_at = self._told_from = 0  # of all that was given

    def identify(self) -> Identity:
        """Another session."""
        self.epoch, self._told_from = self.epoch + 1, self._cleared_at
        return Identity("plain", self.firmware, self.number, self.epoch)

    def status(self) -> PumpStatus:
        counted = int(self.given()) - self._told_from
        return super().status()._replace(running_id=self.names, delivered_nl=counted)

    @property
    def counter_nl(self) -> int:
        """Since the last command; what is set, somebody or something else has moved."""
        return int(self.given()) - self._cleared_at

    @counter_nl.setter
    def counter_nl(self, value: int) -> None:
        self.extra_nl += value - self.counter_nl

    def deliver(self, permit: Permit) -> Outcome:
        if self.stops:
            self._cut()
        given = int(self.given())
        outcome = super().deliver(permit)
        if self.flows and self.flows[-1].permit is permit:
            self._cleared_at = given
        return Refused(outcome.code, self.tells()) if isinstance(outcome, Refused) else outcome

    def evidence(self, permit_id: int) -> Evidence:
        self.asked += 1
        return self.proof()

    def lose_power(self) -> None:
        """It stands still, its counter at zero, and nobody has been told."""
        self._cut()
        self.epoch, self._cleared_at = self.epoch + 1, int(self.given())
        self._told_from = self._cleared_at

    def gave(self, nl: int, *, ended: bool = True) -> None:
        """From now on it proves that its last command gave so much, to a grain."""
        self.proof = lambda: Given(max(0, nl - 100), nl + 100, ended, self.status())

    def gave_nothing(self) -> None:
        """From now on it proves that its last command was not carried out."""
        self.proof = lambda: NotGiven("it was not started", self.status())


def plain(**can: Any) -> tuple[Bench, PlainPump]:
    """Confirmed and told nothing; ``can`` as ``Capabilities``, but for ``number``: its serial number."""
    number = can.pop("number", None)
    bench = Bench(LIMITS, replace(PLAIN, **can))
    bench.pump = pump = PlainPump(bench.clock, bench.capabilities)
    bench.guard, pump.number = bench._guard(), number
    bench.guard.identify()
    return bench.confirmed(), pump


def active(bench: Bench) -> set[str]:
    """Codes of the alarms."""
    return {alarm.row.code for alarm in bench.guard.alarms}
