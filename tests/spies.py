"""Spies on the two places that nobody can lie about: the bytes on the wire and the records of the journal.

Written from docs/reference-protocol.md and the kinds of records alone, apart from driver and guard. ``WireSpy``
sees each frame as it leaves the host and each run as it begins in the pump; ``SpyJournal`` sees each record
before it is written. Both check on the spot, so that a failure names the very frame or record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final
from zlib import crc32

from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError
from pump_ctrl.journal import MemoryJournal
from sim.faults import FaultyWire
from sim.world import World

PROPOSE, COMMIT, STOP = 3, 4, 5
KINDS: Final = ("basal", "bolus", "prime")
_PROPOSAL, _STEP, _COMMIT = Struct(">QIQB"), Struct(">BII"), Struct(">QIIQ")
MAX_NL_PER_H, STEP_NL, MAX_STEPS, LEASE_MS = 1_000_000, 100, 13, 86_400_000

# What an active alarm forbids; restated from the table in safety/alarms.py. All others forbid nothing.
FORBIDS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        ("over-delivery", "stop-unknown", "wrong-pump", "empty", "failed", "flow", "journal",
         "refill-discrepancy", "withdrawn", "pump-program", "pump-alarm"),
        frozenset({"basal", "scheduled", "patient", "prime", "hold"}),
    ),
    **dict.fromkeys(
        ("disagreement", "silence", "stale", "recurring"), frozenset({"basal", "scheduled", "patient", "prime"})
    ),
    "stalled": frozenset({"scheduled", "patient", "prime"}),
}  # fmt: skip

# Records that carry proof, after which the upper bound of what may have been given may be lower (S-04).
PROOF: Final[dict[str, Callable[[Mapping[str, Any]], bool]]] = {
    "outcome": lambda data: data["what"] != "unknown",
    "evidence": lambda data: True,
    "stop": lambda data: data["what"] == "acked",
    "counter": lambda data: True,
}


class Killed(Exception):
    """The controller's process ends at this very point."""


@dataclass(frozen=True)
class Start:
    """A run that the pump began: true time, id, steps (kind, nL, ms) and the intent behind it."""

    at_ms: int
    id: int
    steps: tuple[tuple[str, int, int], ...]
    intent: Mapping[str, Any]


@dataclass
class Books:
    """The journal, folded by hand: what is open, confirmed, alarmed; true times beside the records."""

    intents: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    confirmed: bool = False
    holds: dict[str, bool] = field(default_factory=dict)  # active alarms: whether the condition holds
    seen: set[str] = field(default_factory=set)  # of these, acknowledged since they were last raised
    stop_acked: bool = True
    run_at: int = 0  # true time until which a process was surely in RUN (D-14)
    died_in_run: int = 0  # true time at which the last process in RUN died
    moves: int = 0  # confirms that moved plan time
    shift_ms: int = 0  # plan time minus true time

    def take(self, kind: str, data: Mapping[str, Any], true_ms: int) -> None:
        if kind == "intent":
            in_range([(kind_, nl, ms) for kind_, nl, ms, _ in data["steps"]])
            context = {"moves": self.moves, "shift_ms": self.shift_ms, "run_at": self.run_at}
            self.intents[data["id"]] = {**data, **context}
            self.open.add(data["id"])
        elif (kind == "outcome" and data["what"] != "unknown") or kind in ("evidence", "resolve"):
            self.open.discard(data["id"])
        elif kind == "stop":
            self.stop_acked = data["what"] == "acked"
        elif kind == "alarm":
            self._alarm(data["code"], data["what"])
        elif kind == "confirm":
            shift = data["plan_ms"] - true_ms
            self.moves += self.confirmed and abs(shift - self.shift_ms) > 2_000
            self.confirmed, self.shift_ms = True, shift
        elif kind == "alive":
            assert self.died_in_run > self.run_at, "a sign of life of nobody in RUN (D-14)"
            self.run_at = self.died_in_run
        if kind == "confirm" or (kind == "intent" and data["purpose"] != "hold") or data.get("run"):
            self.run_at = true_ms

    def _alarm(self, code: str, what: str) -> None:
        if what == "raised":
            self.seen -= set() if self.holds.get(code) else {code}
            self.holds[code] = True
        elif what == "gone" and code in self.holds:
            self.holds[code] = False
        elif what == "acknowledged" and code in self.holds:
            self.seen.add(code)
        if code in self.seen and not self.holds.get(code, True):
            self.seen.discard(code)
            del self.holds[code]


class SpyJournal(MemoryJournal):
    """A journal in memory that tells before it writes, can break, and can kill its writer at a record."""

    def __init__(self, clock: VirtualClock) -> None:
        self.books = Books()
        self.kinds: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.last: tuple[str, Mapping[str, Any]] = ("", {})
        self.broken = False
        self.kill: tuple[str, str] | None = None  # ("before" | "after", kind)
        self._true = clock
        super().__init__(clock)

    def append(self, kind: str, data: Mapping[str, object]) -> Any:  # noqa: ANN401 - the record
        self.before()
        self._die("before", kind)
        if self.broken:
            raise JournalError("The disk is full.")
        record = super().append(kind, data)
        self.kinds.append(kind)
        self.last = (kind, data)
        self.books.take(kind, data, self._true.true_ms)
        self._die("after", kind)
        return record

    def _die(self, when: str, kind: str) -> None:
        if self.kill == (when, kind):
            self.kill = None
            raise Killed(f"{when} a record of kind {kind}")


class WireSpy:
    """Sees all bytes between host and pump, and judges each dose-increasing frame (S-05, S-07, S-20, S-25)."""

    def __init__(self, wire: FaultyWire, world: World, clock: VirtualClock, journal: SpyJournal) -> None:
        self._world, self._clock, self._journal = world, clock, journal
        self.proposals: dict[int, bytes] = {}
        self.commits: list[int] = []
        self.sent: list[tuple[int, int]] = []  # true time and type of every request that left the host
        self.starts: list[Start] = []
        self.ends: dict[int, int] = {}  # id -> when it was seen to run no more
        self.waiting = True
        self.stopped = False  # by a person
        self.faulted = False  # by an alarm
        self.kill: tuple[str, int] | None = (
            None  # ("wire" | "heard", type): dies before it leaves, or is read
        )
        self.end_at: int | None = None  # type of the request after which the process is asked to end
        self.asked_to_end = False
        self.on_start: Callable[[Start], None] = lambda start: None
        self._run: object = None
        wire.tap = self

    def __call__(self, at_ms: int, where: str, data: bytes) -> None:
        self._look_at_pump(at_ms)
        if where == "host-sent":
            self._sent(at_ms, data[4], data[17:-4], data)
        elif where == "host-got" and len(data) > 4 and self.kill == ("heard", data[4] & 0x7F):
            self._die()

    def _look_at_pump(self, at_ms: int) -> None:
        """Whatever the firmware says of itself: when another run object is in force, a run began."""
        run = self._world.implant.delivery.run
        if run is self._run:
            return
        if self.starts:
            self.ends.setdefault(self.starts[-1].id, at_ms)
        self._run = run
        if run is not None:
            self.started(at_ms, run.id, run.steps)

    def look(self) -> None:
        """Notice a run that has ended by itself."""
        self._look_at_pump(self._clock.true_ms)

    def started(self, at_ms: int, id_: int, steps: tuple[tuple[int, int], ...]) -> None:
        """S-06: an id begins once, after its COMMIT was sent, and with the very steps that were proposed."""
        assert id_ in self.commits, f"{id_:x} began, and no COMMIT of it was ever sent"
        assert id_ not in {start.id for start in self.starts}, f"{id_:x} began a second time (S-06)"
        proposed = _steps(self.proposals[id_])
        assert steps == tuple((nl // STEP_NL, ms) for _, nl, ms in proposed)
        start = Start(at_ms, id_, proposed, self._journal.books.intents[id_])
        self.on_start(start)
        self.starts.append(start)

    def _sent(self, at_ms: int, kind: int, payload: bytes, frame: bytes) -> None:
        assert frame[0] == 0x7E
        assert crc32(frame[1:-4]) == int.from_bytes(frame[-4:], "big")
        self.sent.append((at_ms, kind))
        if kind == PROPOSE:
            id_ = _PROPOSAL.unpack_from(payload)[0]
            self._permitted(id_)
            self.proposals[id_] = payload[_PROPOSAL.size - 1 :]
            in_range(_steps(self.proposals[id_]))
        elif kind == COMMIT:
            id_, crc, _, _ = _COMMIT.unpack(payload)
            self._permitted(id_)
            assert crc == crc32(self.proposals[id_])
            assert id_ not in self.commits, f"COMMIT {id_:x} is sent twice (S-20)"
            self.commits.append(id_)
        if self.kill == ("wire", kind):
            self._die()
        self.asked_to_end |= self.end_at == kind

    def _die(self) -> None:
        kill, self.kill = self.kill, None
        raise Killed(f"on the wire: {kill}")

    def _permitted(self, id_: int) -> None:
        """S-05, S-20: a journalled, unexpired intent of these very steps. S-07, S-25, S-30: nothing against it."""
        books = self._journal.books
        assert id_ in books.intents, f"{id_:x} is sent without an intent in the journal (S-05)"
        intent = books.intents[id_]
        assert self._clock.boot_ms() < intent["expires_ms"]
        assert not self.asked_to_end, "the process was asked to end (S-08)"
        if id_ in self.proposals:
            steps = [[kind, nl, ms] for kind, nl, ms in _steps(self.proposals[id_])]
            assert steps == [step[:3] for step in intent["steps"]]
        purpose = intent["purpose"]
        assert books.open <= {id_} or purpose == "hold", "another command is not settled (S-07)"
        assert purpose == "hold" or not self.waiting, "nobody has confirmed since the start (S-25)"
        if not intent["request"].startswith("hostile"):  # whoever asks behind the controller knows no states
            assert not self.stopped, "stopped by a person, and nobody has resumed (S-08)"
            assert purpose == "hold" or not self.faulted, "stopped by an alarm, and nobody has resumed (S-30)"
        forbidding = [code for code in books.holds if purpose in FORBIDS.get(code, ())]
        assert not forbidding, f"alarm {forbidding} forbids {purpose} (S-30)"


def in_range(steps: Sequence[tuple[str, int, int]]) -> None:
    """S-12, S-15: whole pump steps as whole numbers, no faster than the pump, a lease of a day at the most."""
    assert 1 <= len(steps) <= MAX_STEPS
    assert sum(ms for _, _, ms in steps) <= LEASE_MS
    for i, (kind, nl, ms) in enumerate(steps):
        assert type(nl) is type(ms) is int
        assert 0 <= nl % STEP_NL == 0 < ms
        assert nl * 3_600_000 <= MAX_NL_PER_H * ms
        assert kind == "basal" or i == 0


def _steps(step_list: bytes) -> tuple[tuple[str, int, int], ...]:
    rows = _STEP.iter_unpack(step_list[1:])
    return tuple((KINDS[kind], nl, ms) for kind, nl, ms in rows)
