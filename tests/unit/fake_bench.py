"""A controller on a perfect pump without guard, wire or journal: effects are done at once, answers fed back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt, Load, ReadStatus, Settle, Write
from pump_ctrl.controller.events import (
    Answered,
    Confirmed,
    Event,
    Halted,
    LoadAnswered,
    Offered,
    Requested,
    RequestKind,
    Settled,
    StatusRead,
    Tick,
)
from pump_ctrl.controller.prescription import Offer, Prescription, Timing
from pump_ctrl.controller.runs import Limits
from pump_ctrl.drivers.base import Acked, Evidence, Nothing, Outcome, PumpState, PumpStatus, Step
from pump_ctrl.safety.ask import Ask, Denied
from tests.toy_pace import DAY, HOUR, ToyPace

STEP = 100
LIMITS = Limits(step_nl=STEP, max_nl_per_h=1_000_000, max_steps=13)
TIMING = Timing(
    exchange_ms=0,
    lease_ms=DAY,
    lead_ms=900_000,
    poll_ms=6 * HOUR,
    retry_ms=5_000,
    retry_max_ms=300_000,
    stop_ms=2_000,
)


@dataclass(frozen=True, slots=True)
class ToySlot:
    id: str
    at_ms: int
    within_ms: int
    over_ms: int
    volume_nl: Fraction


@dataclass(frozen=True, slots=True)
class ToyTerms:
    over_ms: int
    volume_nl: Fraction


@dataclass(frozen=True, slots=True)
class ToyStage:
    id: str
    until_ms: int | None


class ToySchedule(ToyPace):
    """A toy basal with one bolus a day (``at``, ``over``, ``nl``), patient terms and stages."""

    def __init__(
        self,
        *levels: tuple[int, int],
        bolus: tuple[int, int, int] | None = None,
        patient: ToyTerms | None = None,
        stage_until: int | None = None,
    ) -> None:
        super().__init__(*levels)
        self.bolus, self.patient, self._until = bolus, patient, stage_until

    def stage_at(self, plan_ms: int, /) -> ToyStage:
        first = self._until is None or plan_ms < self._until
        return ToyStage("stage-0", self._until) if first else ToyStage("stage-1", None)

    def next_slot(self, plan_ms: int, /) -> ToySlot | None:
        if self.bolus is None:
            return None
        at, over, nl = self.bolus
        day = max(0, -((at - plan_ms) // DAY))
        return ToySlot(f"slot:0:{at + day * DAY}", at + day * DAY, 300_000, over, Fraction(nl))

    def hold_rate(self, _plan_ms: int, /) -> Fraction:
        return min((rate for _, rate in self.levels if rate), default=Fraction(0))


def written(effects: list[Effect], kind: str) -> list[dict[str, Any]]:
    """The records of that kind among ``effects``."""
    return [dict(effect.data) for effect in effects if isinstance(effect, Write) and effect.kind == kind]


class FakeBench:
    """Drives a controller in virtual time. ``answers`` holds what the next asks get instead of an ack."""

    def __init__(
        self, schedule: ToySchedule, prime_nl: int = 0, prescription: Prescription | None = None
    ) -> None:
        plan = prescription or Prescription(schedule, 4 * HOUR, prime_nl)
        self.controller = Controller(plan, LIMITS, TIMING)
        self.now = 1_000_000  # boot time; plan time starts at 0 with the confirm
        self.asks: list[tuple[int, Ask]] = []
        self.halts: list[tuple[int, str]] = []
        self.alarms: list[tuple[str, bool]] = []
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.answers: deque[Denied | Outcome] = deque()
        self.stop_answers: deque[Outcome] = deque()
        self.evidence: deque[Evidence | None] = deque()
        self.load_answers: deque[str] = deque()
        self.base, self.began, self.steps = 0, self.now, tuple[Step, ...]()
        self.state_override: PumpState | None = None

    # The pump.

    def counter(self) -> int:
        """Whole pump steps so far."""
        elapsed, total = self.now - self.began, self.base
        for step in self.steps:
            part = step.volume_nl * min(max(elapsed, 0), step.duration_ms)
            whole = step.duration_ms * STEP
            total += part // whole * STEP
            elapsed -= step.duration_ms
        return total

    def replace(self, steps: tuple[Step, ...]) -> None:
        self.base, self.began, self.steps = self.counter(), self.now, steps

    def status(self) -> PumpStatus:
        running = self.now - self.began < sum(step.duration_ms for step in self.steps)
        state = self.state_override or (PumpState.RUNNING if running else PumpState.IDLE)
        return PumpStatus(1, self.now, self.now, state, self.counter())

    # The runner.

    def feed(self, event: Event) -> None:
        queue = deque([event])
        while queue:
            for effect in self.controller.handle(queue.popleft(), self.now):
                queue.extend(self._do(effect))

    def _do(self, effect: Effect) -> list[Event]:
        match effect:
            case Deliver(ask):
                self.asks.append((self.plan, ask))
                outcome = self.answers.popleft() if self.answers else None
                if outcome is None:
                    self.replace(ask.steps)
                    outcome = Acked(self.status())
                return [Answered(ask, outcome)]
            case Halt(why):
                self.halts.append((self.plan, why))
                if self.stop_answers:
                    return [Halted(self.stop_answers.popleft())]
                self.replace(())
                return [Halted(Acked(self.status()))]
            case ReadStatus():
                return [StatusRead(self.status())]
            case Settle():
                return [Settled(self.evidence.popleft() if self.evidence else Nothing("no reply"))]
            case Write(kind, data):
                self.records.append((kind, dict(data)))
            case Alarm(code, active, _):
                self.alarms.append((code, active))
            case Load(offer, plan_ms):
                return self._load(offer, plan_ms)
        return []

    def _load(self, offer: Offer, plan_ms: int) -> list[Event]:
        refusal = self.load_answers.popleft() if self.load_answers else ""
        if not refusal:
            plan = {"plan": {"sha256": offer.prescription.plan}}
            self.records.append(("limits", {"plan_ms": plan_ms, "by": offer.by, "limits": plan}))
        return [LoadAnswered(offer, plan_ms, refusal)]

    def load(self, prescription: Prescription, left_nl: int = 0) -> str:
        """Why it cannot be loaded; empty if it is loaded, or waits."""
        why = self.controller.load_refusal(prescription, left_nl, self.now)
        if not why:
            offer = Offer(prescription, b"", "tester")
            self.records.append(("request", {"id": offer.id, "kind": "load"}))
            self.feed(Offered(offer))
        return why

    @property
    def plan(self) -> int:
        return self.controller.plan_ms(self.now)

    def start(self, plan_ms: int = 0) -> None:
        self.feed(Confirmed(plan_ms, self.status()))
        self.feed(Tick())

    def ask(self, kind: RequestKind, request_id: str = "r1") -> None:
        self.feed(Requested(request_id, kind))

    def run_to(self, plan_ms: int) -> None:
        end = self.now + plan_ms - self.plan
        while (wake := self.controller.next_wakeup()) <= end:
            self.now = max(self.now, wake)
            self.feed(Tick())
        self.now = end

    def boluses(self) -> list[tuple[str, str, str]]:
        """(id, outcome, rule) of every bolus record."""
        return [(d["id"], d["outcome"], d["rule"]) for kind, d in self.records if kind == "bolus"]

    def gaps(self) -> list[tuple[str, Fraction]]:
        return [(d["why"], Fraction(d["nl"])) for kind, d in self.records if kind == "missed"]
