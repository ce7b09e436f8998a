"""Records of a guard's journal, made by hand around a pump that is a list of exact flows: no driver, no wire, no guard.

``LedgerBench`` writes what a guard would write and gives it to the fold (``State.apply``) and to the slow oracles.
Times are boot ms of one long boot, or true ms where a name says so; volumes nL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from pump_ctrl.drivers.base import Permit, Step
from pump_ctrl.safety.limits import parse_limits
from pump_ctrl.safety.state import State
from tests.properties.oracle import NEVER, Command, Oracle
from tests.safety.kit import DAY, HOUR, Flow

GRAIN: Final = 100
T_S: Final = 2_000
FORGET: Final = 2 * DAY + HOUR  # nothing so old is in any window, or may still flow
FIRST: Final = -(10**12)


@dataclass
class SlowBounds:
    """Least and most that has left, from the oracle's commands and the counter alone, as Fractions.

    Within one epoch the counter's growth since its first reading is what has left since, to a digit; before any
    reading, and between epochs, there are only the commands.
    """

    oracle: Oracle
    low: int = 0
    forgotten: Fraction = Fraction(0)  # volume of what the oracle no longer holds
    most: tuple[int, Fraction] | None = None  # no more than this up to then
    anchor: tuple[int, int, int, Fraction] | None = None  # epoch, counter, low, high
    told: int = 0  # commands since the last reading

    def commanded(self, start: int, end: int) -> Fraction:
        """The most that commands can have made flow between two instants."""
        return self.oracle.basal(start, end) + self.oracle.boluses(start, end)

    def by(self, at: int) -> Fraction:
        """The most that has left by then."""
        told = self.forgotten + self.commanded(FIRST, at)
        if self.most is None or at < self.most[0]:
            return told
        return min(told, self.most[1] + self.commanded(self.most[0], at))

    def read(self, since: int, at: int, epoch: int, counter: int) -> None:
        """A counter, read at some instant from ``since`` to ``at``."""
        self.told = 0
        high = self.by(at)
        if self.anchor is not None and self.anchor[0] == epoch:
            _, first, low, top = self.anchor
            high = min(high, top + counter - first + GRAIN)
            self.low = max(self.low, low + counter - first - GRAIN)
        else:
            self.anchor = (epoch, counter, self.low, high)
        self.most = (since, high)

    def forget(self, now: int) -> None:
        """Leave out what is past for ever, but for its volume."""
        old = now - FORGET
        past = [c for c in self.oracle.commands if c.certain and _end(c) < old]
        if past:
            gone = Oracle(past)
            self.forgotten += gone.basal(FIRST, old) + gone.boluses(FIRST, old)
            self.oracle.commands = [c for c in self.oracle.commands if c not in past]


def _end(command: Command) -> int:
    lasts = sum(step[2] for step in command.steps)
    return min(command.over, command.latest + lasts)


@dataclass
class LedgerBench:
    """A pump, the records of what was done to it, and what each account makes of them."""

    limits: bytes
    now: int = 1_000
    boot: str = "boot-0"
    state: State = field(default_factory=State)
    records: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    open: dict[int, Permit] = field(default_factory=dict)
    past_nl: Fraction = Fraction(0)  # of flows that are left out of ``flows``
    extra_nl: int = 0
    epoch: int = 7
    base_nl: int = 0  # of the counter, which shows what has left since
    oracle: Oracle = field(default_factory=Oracle)
    last_id: int = 0

    def __post_init__(self) -> None:
        self.slow = SlowBounds(self.oracle)
        self.load(self.limits)
        self.write(
            "confirm",
            by="tester", code="", pump="fake", given={}, plan_ms=0, off_ms=None, utc_ms=0,
        )  # fmt: skip

    # What is written.

    def write(self, kind: str, **data: Any) -> None:  # noqa: ANN401 - a record
        """One record, to the fold and to the oracles."""
        data = {"at": self.now, **data}
        self.records.append((kind, data, self.boot))
        self.state.apply(kind, data, self.boot)
        self.oracle.read(kind, data)
        self.slow.told += kind == "intent"
        if data.get("counter") is not None:
            self.slow.read(data["since"], self.now, data["epoch"], data["counter"])

    def reading(self, since: int) -> dict[str, Any]:
        """What the counter shows now, asked for at ``since``."""
        return {"since": since, "epoch": self.epoch, "tick_ms": None, "counter": self.counter}

    @property
    def counter(self) -> int:
        return int((self.given(self.now) - self.base_nl) // GRAIN * GRAIN)

    def load(self, raw: bytes) -> None:
        """Limits come into force."""
        found = parse_limits(raw)
        self.write(
            "limits", checksum=found.checksum, plan=found.plan_id, by="tester", plan_ms=0, limits=found.raw
        )

    # The pump.

    def given(self, at: int) -> Fraction:
        """The truth."""
        return self.past_nl + self.extra_nl + sum((flow.given(at) for flow in self.flows), Fraction(0))

    def cut(self) -> None:
        """It stands still."""
        for flow in self.flows:
            flow.cut = self.now if flow.cut is None else flow.cut

    def wait(self, ms: int) -> None:
        """Time goes by; what is two days old is summed up."""
        self.now += ms
        old = [flow for flow in self.flows if flow.end < self.now - FORGET]
        self.past_nl += sum((flow.given(self.now) for flow in old), Fraction(0))
        self.flows = [flow for flow in self.flows if flow not in old]
        if not self.open:
            self.slow.forget(self.now)

    # What is done.

    def ask(self, purpose: str, steps: tuple[Step, ...], answer: str, lag: int) -> None:
        """A command: it begins ``lag`` ms after its sending, if it does; the answer takes as long again."""
        self.last_id += 1
        permit, since = Permit(self.last_id, steps, self.now + T_S), self.now
        self.write(
            "intent", id=permit.id, request=f"r{permit.id}", purpose=purpose, account="stage-0", doubt_ms=T_S,
            expires_ms=permit.expires_ms, steps=[[s.kind.value, s.volume_nl, s.duration_ms, s.basal_nl] for s in steps],
        )  # fmt: skip
        self.now += lag
        if answer in ("acked", "unheard"):
            self.cut()
            self.flows.append(Flow(permit, self.now))
        self.now += lag
        told = self.reading(since) if answer in ("acked", "refused") else {"counter": None, "since": since}
        what = answer if answer in ("acked", "refused") else "unknown"
        if what == "unknown":
            self.open[permit.id] = permit
        self.write("outcome", id=permit.id, what=what, **told)

    def settle(self) -> None:
        """Evidence of the oldest command without an outcome."""
        permit_id, since = next(iter(self.open)), self.now
        self.now += 20
        flow = next((flow for flow in self.flows if flow.permit.id == permit_id), None)
        gave = 0 if flow is None else int(flow.given(self.now))
        ended = flow is None or flow.end <= self.now
        what = "not-given" if flow is None else "given"
        del self.open[permit_id]
        self.write(
            "evidence",
            id=permit_id,
            what=what,
            lo=gave,
            hi=gave,
            ended=ended,
            why=None,
            **self.reading(since),
        )

    def resolve(self) -> None:
        """A person vouches for the oldest command without an outcome."""
        permit_id = next(iter(self.open))
        del self.open[permit_id]
        self.write("resolve", id=permit_id, by="tester", reason="seen")

    def stop(self, answer: str) -> None:
        """A STOP, and what became of it."""
        since, heard = self.now, answer == "acked"
        self.now += 20
        if answer != "lost":
            self.cut()
        self.now += 20
        told: Mapping[str, Any] = self.reading(since) if heard else {"counter": None, "since": since}
        self.write("stop", why="test", what="acked" if heard else "unknown", **told)

    def look(self, lag: int = 20) -> None:
        """The counter is read and written down."""
        since = self.now
        self.now += lag
        self.write("counter", run=True, **self.reading(since))

    def replayed(self) -> State:
        """The state that another process would find."""
        again = State()
        for kind, data, boot in self.records:
            again.apply(kind, data, boot)
        return again


__all__ = ["DAY", "HOUR", "NEVER", "LedgerBench"]
