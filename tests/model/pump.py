"""A small pump and its wire, for the model: exact, plain data, obedient except where the environment says otherwise.

It keeps to docs/reference-protocol.md as far as a controller can tell: a command begins once, at once or up to 3 s
late; a STOP voids what is still on its way; results are remembered until the environment lets them be forgotten.
Volumes nL, times ms of the host's true time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
    Evidence,
    Given,
    Identity,
    NotGiven,
    Nothing,
    Outcome,
    Permit,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.errors import LinkError

CAPABILITIES: Final = Capabilities(
    protocol="reference",
    max_steps=13,
    step_nl=100,
    counter_unit_nl=100,
    max_nl_per_h=1_000_000,
    max_lease_ms=86_400_000,
    ttl_ms=5_000,
    dedup=True,
    keeps_outcomes=True,
    buffered=False,
    tells_time=True,
    simulated=True,
)
EXCHANGE_MS, DEADLINE_MS, LATE_MS, VALID_MS = 50, 500, 3_000, 5_000
MODES: Final = (
    "unheard",
    "lost",
    "late",
    "refused",
    "dies unsent",
    "dies sent",
)  # of one command, beside "ok"


class Died(BaseException):
    """The process is killed in the middle of an exchange."""


@dataclass(slots=True)
class Carried:
    """What the pump remembers of one permit: displaced so far, whether it can give more."""

    nl: int
    ended: bool


@dataclass
class Pump:
    """The pump with its wire; it is the driver too."""

    clock: VirtualClock
    capabilities: Capabilities = CAPABILITIES
    linked: bool = True  # the wire is whole
    mode: str = "ok"  # what becomes of the next command that adds drug or stops
    commands: int = 0  # of them, sent since the world last looked
    stops: int = 0  # STOPs that were tried, whatever came of them
    answered: bool = True  # whether the last of them was acknowledged
    epoch: int = 1
    met: int = 0  # the epoch in which the controller has said who it is
    tick: int = 0
    booted: int = 0
    state: PumpState = PumpState.IDLE
    permit: Permit | None = None  # what it runs
    began: int = 0
    done_nl: int = 0  # by all before it
    alarms: frozenset[str] = frozenset()
    results: dict[int, Carried] = field(default_factory=dict)
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)  # permit: when sent, and the epoch
    generation_at: int = -1  # of the last STOP seen
    coming: tuple[Permit, int] | None = None  # on its way, and when it arrives
    forgets: bool = False
    pushed: tuple[PumpStatus, ...] = ()
    on_deliver: Callable[[Permit], None] | None = None

    # The mechanism.

    @property
    def now(self) -> int:
        return self.clock.true_ms

    def _steps_done(self) -> int:
        """Whole pump steps of what runs, nL."""
        if self.permit is None:
            return 0
        left, total = self.now - self.began, 0
        for step in self.permit.steps:
            if left >= step.duration_ms:
                total += step.volume_nl
            elif left > 0:
                total += step.volume_nl * left // (step.duration_ms * 100) * 100
            left -= step.duration_ms
        return total

    @property
    def counted_nl(self) -> int:
        """All that was ever displaced."""
        return self.done_nl + self._steps_done()

    def settle_down(self) -> None:
        """Let what should have happened by now have happened."""
        if self.coming is not None and self.now >= self.coming[1]:
            (permit, _), self.coming = self.coming, None
            self._begin(permit)
        if self.permit is not None and self.now - self.began >= self.permit.duration_ms:
            self._end()

    def _end(self, state: PumpState = PumpState.IDLE) -> None:
        if self.permit is not None:
            done = self._steps_done()
            self.results[self.permit.id] = Carried(done, ended=True)
            self.done_nl += done
        self.permit, self.state = None, state

    def _begin(self, permit: Permit) -> None:
        if permit.id in self.results or (self.permit is not None and self.permit.id == permit.id):
            return  # carried out once
        self._end(PumpState.RUNNING)
        self.permit, self.began = permit, self.now
        self.alarms, self.forgets = self.alarms - {"reset", "stall"}, False

    @property
    def flows(self) -> bool:
        """Whether drug is to come."""
        self.settle_down()
        return self.permit is not None and self.permit.volume_nl > self._steps_done()

    # What the environment does to it.

    def stall(self) -> None:
        self._end(PumpState.STALLED)
        self._tell("stall")

    def run_dry(self) -> None:
        self._end(PumpState.EMPTY)
        self._tell("empty")

    def refill(self) -> None:
        self.alarms -= {"empty"}
        if self.state is PumpState.EMPTY:
            self.state = PumpState.IDLE

    def lose_power(self) -> None:
        self._end()
        self.epoch, self.tick, self.booted, self.coming = self.epoch + 1, 0, self.now, None
        self._tell("reset")

    def overrun(self, nl: int) -> None:
        """The motor makes steps that nobody asked for."""
        self.done_nl += nl

    def _tell(self, alarm: str) -> None:
        self.alarms |= {alarm}
        if self.linked:
            self.pushed = (self.status(),)

    # The driver.

    def status(self) -> PumpStatus:
        self.settle_down()
        self.tick += 1
        runs = self.permit is not None
        return PumpStatus(
            self.epoch,
            self.tick,
            self.now - self.booted,
            PumpState.RUNNING if runs else self.state,
            self.counted_nl,
            self.permit.id if self.permit is not None else None,
            step_done_nl=self._steps_done(),
            alarms=self.alarms,
        )

    def _heard(self, ms: int = EXCHANGE_MS) -> bool:
        """Whether an exchange comes through; it takes its time."""
        self.clock.advance(ms if self.linked else DEADLINE_MS)
        self.settle_down()
        return self.linked

    def identify(self) -> Identity | Unknown:
        if not self._heard():
            return Unknown("silence")
        self.met = self.epoch
        return Identity("implant-40", "1", "MODEL-1", self.epoch)

    def read_status(self) -> PumpStatus | Unknown:
        return self.status() if self._heard() else Unknown("silence")

    def _spent_mode(self) -> str:
        self.commands += 1
        mode, self.mode = self.mode, "ok"
        return mode

    def deliver(self, permit: Permit) -> Outcome:
        mode = self._spent_mode()
        if self.on_deliver is not None:
            self.on_deliver(permit)
        if mode == "dies unsent":
            raise Died
        if not self._heard(3 * EXCHANGE_MS) and mode != "dies sent":
            return Refused("no-proposal")  # the first of its exchanges failed: nothing can begin
        if self.linked and self.met != self.epoch:
            return Refused("stale_epoch", self.status())
        if mode == "refused" or PumpState.EMPTY is self.state:
            return Refused("range", self.status())
        self.sent[permit.id] = (self.now, self.epoch)
        if mode == "late":
            self.coming = (permit, self.now + LATE_MS)
        elif mode != "lost" and self.linked:
            self._begin(permit)
        if mode == "dies sent":
            raise Died
        return Acked(self.status()) if mode == "ok" else Unknown("silence")

    def stop(self) -> Outcome:
        self.stops += 1
        mode = self._spent_mode()
        if mode == "dies unsent":
            raise Died
        heard = self._heard()
        if heard and mode in ("ok", "unheard", "dies sent"):
            self._end(self.state if self.permit is None else PumpState.IDLE)
            self.generation_at, self.coming = self.now, None
        if mode == "dies sent":
            raise Died
        self.answered = heard and mode == "ok"
        return Acked(self.status()) if self.answered else Unknown("silence")

    def evidence(self, permit_id: int) -> Evidence:
        if not self._heard():
            raise LinkError("silence")
        if self.forgets:
            return Nothing("the pump does not know it any more")
        if self.permit is not None and self.permit.id == permit_id:
            done = self._steps_done()
            return Given(done, done, ended=False, status=self.status())
        if (result := self.results.get(permit_id)) is not None:
            return Given(result.nl, result.nl, ended=True, status=self.status())
        at, epoch = self.sent.get(permit_id, (-VALID_MS, self.epoch))
        dead = self.now > at + VALID_MS or self.generation_at > at or epoch != self.epoch
        return NotGiven("the pump never began it", self.status()) if dead else Nothing("it may still arrive")

    def notices(self) -> tuple[PumpStatus, ...]:
        told, self.pushed = self.pushed, ()
        return told if self.linked else ()

    def close(self) -> None:
        pass
