"""A bench for the guard: a clock that is moved by hand, a log in memory, a pump that does as it is told,
limits.

The pump is exact: it displaces whole steps at the time that its page says, and knows the truth for the tests.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import Any

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Given,
    Identity,
    NotGiven,
    Outcome,
    Permit,
    PumpState,
    PumpStatus,
    Refused,
    Step,
    StepKind,
    Unknown,
)
from pump_ctrl.errors import JournalError
from pump_ctrl.safety.ask import Ask, Denied, Purpose
from pump_ctrl.safety.guard import GuardedPump

HOUR = 3_600_000
DAY = 24 * HOUR
MINUTE = 60_000
PG_PER_ML = 1_000_000  # 1 pg/nL, so that pg and nL are the same numbers

CAPABILITIES = Capabilities(
    protocol="reference",
    max_steps=13,
    step_nl=100,
    counter_unit_nl=100,
    max_nl_per_h=1_000_000,
    max_lease_ms=DAY,
    ttl_ms=5_000,
    dedup=True,
    keeps_outcomes=True,
    buffered=False,
    tells_time=True,
    simulated=True,
)


@dataclass
class Record:
    kind: str
    boot_id: str
    data: Mapping[str, Any]


class Log:
    """A journal in memory; ``broken`` makes every append fail."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.records, self.broken = clock, [], False  # type: tuple[VirtualClock, list[Record], bool]
        self.before_append: Callable[[str], None] = lambda kind: None

    def append(self, kind: str, data: Mapping[str, Any]) -> None:
        self.before_append(kind)
        if self.broken:
            raise JournalError("the disk is full")
        self.records.append(Record(kind, self.clock.boot_id(), json.loads(json.dumps(data))))

    def kinds(self) -> list[str]:
        return [record.kind for record in self.records]


@dataclass
class Flow:
    """A permit as the pump carries it out."""

    permit: Permit
    start: int
    cut: int | None = None

    def given(self, now: int) -> Fraction:
        end = now if self.cut is None else min(now, self.cut)
        at, total = self.start, Fraction(0)
        for step in self.permit.steps:
            share = max(0, min(end, at + step.duration_ms) - at)
            total += Fraction(step.volume_nl * share, step.duration_ms)
            at += step.duration_ms
        return total

    @property
    def end(self) -> int:
        end = self.start + self.permit.duration_ms
        return end if self.cut is None else min(end, self.cut)


class FakePump:
    """A driver and its pump in one. ``answers`` says, one per command, what goes wrong; the rest goes well.

    ``lost``: the command never arrives; ``unheard``: it is carried out, the answer is lost; ``no``: refused.
    """

    def __init__(self, clock: VirtualClock, capabilities: Capabilities = CAPABILITIES) -> None:
        self.clock, self.capabilities = clock, capabilities
        self.flows: list[Flow] = []
        self.sent: list[Permit] = []
        self.answers: list[str] = []
        self.stop_answers: list[str] = []
        self.latency_ms = 20
        self.epoch, self.tick, self.extra_nl, self.booted = 7, 0, 0, 0
        self.serial, self.used = "FAKE-1", False
        self.on_deliver: Callable[[], None] = lambda: None

    @property
    def now(self) -> int:
        return self.clock.true_ms

    def given(self, now: int | None = None) -> Fraction:
        at = self.now if now is None else now
        return sum((flow.given(at) for flow in self.flows), Fraction(self.extra_nl))

    def status(self) -> PumpStatus:
        self.tick += 1
        running = self.flows and self.flows[-1].end > self.now
        return PumpStatus(
            epoch=self.epoch,
            tick=self.tick,
            tick_ms=self.now - self.booted,
            state=PumpState.RUNNING if running else PumpState.IDLE,
            delivered_nl=int(self.given() // self.capabilities.step_nl * self.capabilities.step_nl),
            running_id=self.flows[-1].permit.id if running else None,
        )

    def _cut(self) -> None:
        for flow in self.flows:
            if flow.cut is None:
                flow.cut = self.now

    def identify(self) -> Identity | Unknown:
        return Identity("fake", "1", self.serial, self.epoch, self.used)

    def deliver(self, permit: Permit) -> Outcome:
        self.on_deliver()
        self.sent.append(permit)
        answer = self.answers.pop(0) if self.answers else "ok"
        self.clock.advance(self.latency_ms // 2)
        if answer in ("ok", "unheard"):
            self._cut()
            self.flows.append(Flow(permit, self.now))
        self.clock.advance(self.latency_ms - self.latency_ms // 2)
        if answer == "ok":
            return Acked(self.status())
        return Refused("range", self.status()) if answer == "no" else Unknown("silence")

    def stop(self) -> Outcome:
        answer = self.stop_answers.pop(0) if self.stop_answers else "ok"
        if answer in ("ok", "unheard"):
            self._cut()
        return Acked(self.status()) if answer == "ok" else Unknown("silence")

    def read_status(self) -> PumpStatus | Unknown:
        return self.status()

    def evidence(self, permit_id: int) -> Evidence:
        for flow in self.flows:
            if flow.permit.id == permit_id:
                given = int(flow.given(self.now))
                return Given(given, given, flow.end <= self.now, self.status())
        return NotGiven("the pump does not know it", self.status())

    def notices(self) -> tuple[PumpStatus, ...]:
        return ()

    def close(self) -> None:
        pass


def row(drug: str = "baclofen", hours: int = 24, **numbers: Any) -> dict[str, Any]:
    plain = {
        "basal_pg": 0, "bolus_pg": 0, "basal_max_pg_per_h": 0, "basal_fall_pg_per_h": 0,
        "bolus_max_pg_per_h": 0, "bolus_fall_pg_per_h": 0, "commands": 0,
    }  # fmt: skip
    return {"drug": drug, "hours": hours, **plain, **numbers}


def rows(
    basal: tuple[int, int, int],
    bolus: tuple[int, int, int] = (0, 0, 0),
    drug: str = "baclofen",
    **numbers: Any,
) -> list[dict[str, Any]]:
    """Rows for 1, 4 and 24 h."""
    return [
        row(drug, hours, basal_pg=basal[i], bolus_pg=bolus[i], **numbers)
        for i, hours in enumerate((1, 4, 24))
    ]


def account(account_id: str = "stage-0", **fields: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "from_ms": 0, "until_ms": None, "daily_pg": 0, "hold": {"nl": 0, "per_ms": 1}, "max_bolus_nl": 0,
        "patient": None, "rows": rows((0, 0, 0)),
    }  # fmt: skip
    return {"id": account_id, **plain, **fields}


def limits(accounts: list[dict[str, Any]], **fields: Any) -> bytes:
    """A limits file around these accounts, with a right checksum."""
    fluid = {"baclofen": [0, PG_PER_ML]}
    body: dict[str, Any] = {
        "schema": "pump-ctrl/limits/1",
        "simulation": True,
        "route": "intrathecal",
        "plan": {"id": "TEST", "sha256": "a" * 64},
        "formulary_sha256": "b" * 64,
        "profile_sha256": "c" * 64,
        "pump": {
            "name": "fake", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 100,
            "max_nl_per_h": 1_000_000, "max_lease_ms": DAY,
        },
        "valid": {"from_utc_ms": 0, "until_utc_ms": 400 * DAY},
        "stop_ms": 2_000,
        "path": {"lo_nl": 300_000, "hi_nl": 340_000, "bridge_lo_nl": 262_008, "bridge_hi_nl": 397_661},
        "fill_nl": 40_000_000,
        "alarm_nl": 0,
        "fluids": {"path": fluid, "reservoir": fluid},
        "caps": [{"drug": "baclofen", "hours": 24, "pg": 2_000_000}],
        "bolus_caps": [{"drug": "baclofen", "pg": 200_000}],
        "max_hold_ms": 0,
        "prime_nl": 0,
        "accounts": accounts,
        **fields,
    }  # fmt: skip
    return sealed(body)


def sealed(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**body, "checksum": sha256(text.encode()).hexdigest()}).encode()


def basal(volume_nl: int, duration_ms: int) -> Step:
    return Step(StepKind.BASAL, volume_nl, duration_ms)


def bolus(volume_nl: int, duration_ms: int, basal_nl: int = 0) -> Step:
    return Step(StepKind.BOLUS, volume_nl, duration_ms, basal_nl)


def prime(volume_nl: int, duration_ms: int) -> Step:
    return Step(StepKind.PRIME, volume_nl, duration_ms)


@dataclass
class Bench:
    """A guard, its pump and its log on one clock; confirmed, with nothing given before."""

    limits: bytes | None
    capabilities: Capabilities = CAPABILITIES
    clock: VirtualClock = field(default_factory=VirtualClock)
    stop_flag: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        self.log = Log(self.clock)
        self.pump = FakePump(self.clock, self.capabilities)
        self.guard = self._guard()
        self.guard.identify()

    def _guard(self) -> GuardedPump:
        return GuardedPump(self.pump, self.log, self.clock, self.limits, lambda: self.stop_flag)

    def confirmed(self, plan_ms: int = 0, **given: Any) -> Bench:
        known: dict[str, Any] = {"given": {}, **given}
        self.guard.confirm(by="tester", code=self.guard.reconciliation().code, plan_ms=plan_ms, **known)
        return self

    def restart(self) -> GuardedPump:
        """The process dies and comes back; the pump runs on."""
        self.guard = self._guard()
        self.guard.replay(self.log.records)
        self.guard.identify()
        return self.guard

    def ask(
        self,
        *steps: Step,
        purpose: Purpose = Purpose.BASAL,
        account: str = "stage-0",
        request: str | None = None,
    ) -> Denied | Outcome:
        self.asked += 1
        name = f"request-{self.asked}" if request is None else request
        return self.guard.deliver(Ask(name, purpose, account, steps))

    def wait(self, ms: int) -> None:
        self.clock.advance(ms)

    def at(self, ms: int) -> None:
        """Wait until plan time ``ms`` (the bench was confirmed at 0)."""
        self.clock.advance(ms - self.clock.true_ms)


def codes(answer: object) -> set[str]:
    """The rules that said no."""
    assert isinstance(answer, Denied), answer
    return {denial.rule for denial in answer.denials}
