"""The real controller, guard and runner on the small pump, as one value that can be frozen and thawed.

``World`` is the concrete state of the model: everything that a process, a host, a wire, a pump and a disk are. What
several states share because nothing changes it (plan, limits, the library's machine, journal records) is kept once.
"""

from __future__ import annotations

import copyreg
import io
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, Final

from pump_ctrl.assembly import limits_of, prescription_of, settings_of, timing_of
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller import runs, totals
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import TABLE, ControllerMachine
from pump_ctrl.controller.prescription import Prescription, Timing
from pump_ctrl.controller.runs import Limits as PumpLimits
from pump_ctrl.controller.session import Session
from pump_ctrl.drivers import base
from pump_ctrl.drivers.base import Capabilities, Permit
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.runner import VOUCHED, Runner
from pump_ctrl.safety import alarms, ask, basal, curve, doses, history, lanes, path, state
from pump_ctrl.safety.alarms import ROWS, AlarmRow
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.limits import Limits
from pump_ctrl.safety.state import LifeSign
from pump_ctrl.therapy.limits import compile_limits, limits_bytes
from pump_ctrl.therapy.plan import plan_from
from pump_ctrl.therapy.refill import Filling
from tests.model.pump import Pump
from tests.whole_stack import formulary, profile

PERSON: Final = "a person"
DAY: Final = 86_400_000
FILL_NL: Final = 40_000_000
RETRY_MAX_MS: Final = 7_200_000  # longer than a real one, so that a day without a pump is a few turns
PLAN: Final[dict[str, Any]] = {
    "schema": 1,
    "id": "MODEL",
    "title": "A bolus a day and a patient's key",
    "patient": "BENCH-003",
    "prescriber": "bench",
    "pump": "implant-40",
    "utc_offset": "+00:00",
    "start": "2026-11-20T08:00",
    "reservoir": {
        "filled": "40 mL",
        "residual": ["0 mL", "0 mL"],
        "alarm": "1 mL",
        "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
    },
    "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
    "basal": {"rate": "300 ug/day"},
    "bolus": [{"at": "20:00", "dose": "60 ug", "over": "20 min"}],
    "patient_bolus": {"dose": "10 ug", "over": "5 min", "lockout": "1 h", "max_per_day": 3},
}
PRIME: Final = {"volume": "0.330 mL", "path": "empty"}
ON_LOSS: Final = {"stop": "stop", "hold": {"hold": "4 h"}}


@dataclass(frozen=True, slots=True)
class Bench:
    """What never changes in one model: the plan, as guard and controller take it."""

    prescription: Prescription
    limits: bytes
    told: PumpLimits
    timing: Timing


@cache
def bench(policy: str, prime: bool) -> Bench:
    """The plan with that policy on loss of control, ``stop`` or ``hold``, on its pump; with a prime or without."""
    values = PLAN | {"on_loss": ON_LOSS[policy]} | ({"prime": PRIME} if prime else {})
    plan, pump = plan_from(values), profile("implant-40")
    limits = compile_limits(plan, formulary(), pump, None, simulation=True)
    prescription = prescription_of(plan, pump, formulary(), None)
    settings = settings_of(pump, prescription)
    timing = replace(timing_of(pump, prescription), retry_max_ms=RETRY_MAX_MS)
    return Bench(prescription, limits_bytes(limits), limits_of(pump, settings), timing)


@dataclass(frozen=True, slots=True)
class Line:
    """One record of the journal."""

    kind: str
    boot_id: str
    data: Mapping[str, Any]


_LINES: list[
    tuple[int, Line]
] = []  # every record of every path, with the place of the one before it; -1: the first


class Log:
    """A journal in memory. Paths that part share what they have in common."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock, self._last = clock, -1
        self.full = False  # the disk
        self.failed = False  # in this life

    def append(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep one record.

        Raises:
            JournalError: the disk is full, or was in this life.
        """
        if self.full or self.failed:  # after one failure no later success is trusted, as the real one does
            self.failed = True
            raise JournalError("the disk is full")
        _LINES.append((self._last, Line(kind, self._clock.boot_id(), data)))
        self._last = len(_LINES) - 1

    def newest_first(self) -> Iterator[Line]:
        """All of this path."""
        at = self._last
        while at >= 0:
            at, line = _LINES[at]
            yield line

    def records(self) -> Iterator[Line]:
        """All of this path, oldest first, as a reader finds them."""
        for line in reversed(list(self.newest_first())):
            yield Line(line.kind, line.boot_id, json.loads(json.dumps(line.data)))


def nobody_stops() -> bool:
    """No signal came."""
    return False


class World:
    """One concrete state. ``policy``: ``stop`` or ``hold``.

    Attributes:
        open_ids: commands that left and of which nobody knows yet what became of them, by our own count.
        kept_off: a person stopped, paused or resolved, and none has let it go on since.
        confirmed: in this life.
        wrong: what was found wrong on the way here, in words.
    """

    runner: Runner

    def __init__(self, policy: str, *, prime: bool = False) -> None:
        self.policy, self.prime = policy, prime
        self.clock = VirtualClock(utc_ms=bench(policy, prime).prescription.start_utc_ms)
        self.log, self.pump = Log(self.clock), Pump(self.clock)
        self.pump.on_deliver = self.sends
        self.open_ids: frozenset[int] = frozenset()
        self.kept_off = self.confirmed = self.ever_confirmed = False
        self.sign: LifeSign | None = None
        self.requests: dict[int, str] = {}
        self.asked = 0
        self.overran = False
        self.wrong: tuple[str, ...] = ()
        self.begin_life()

    # The process.

    def begin_life(self) -> None:
        """A process takes up the journal and meets the pump, if it answers."""
        own = bench(self.policy, self.prime)
        self.kept_off &= not self.log.failed  # what a person wanted may not stand in a journal that failed
        self.confirmed = self.log.failed = False
        self.pump.mode = "ok"
        guard = GuardedPump(self.pump, self.log, self.clock, own.limits, nobody_stops)
        controller = Controller(own.prescription, own.told, own.timing)
        self.runner = Runner(controller, guard, self.log, self.clock, self.clock.advance_to_boot)
        self.runner.take_up(self.sign)
        self.meet()

    def meet(self) -> None:
        """Ask the pump who it is."""
        try:
            self.runner.meet()
        except LinkError:
            return

    def die(self) -> None:
        """The process is killed; its last sign of life stays behind."""
        if self.guard.in_run:
            boot_ms = self.clock.boot_ms()
            self.sign = LifeSign(self.clock.boot_id(), boot_ms - boot_ms % 300_000)

    @property
    def guard(self) -> GuardedPump:
        return self.runner.guard

    @property
    def controller(self) -> Controller:
        return self.runner.controller

    @property
    def session(self) -> Session:
        return self.runner.controller._session

    @property
    def met(self) -> bool:
        return self.runner._met

    @property
    def codes(self) -> frozenset[str]:
        """Of the active alarms."""
        return frozenset(alarm.row.code for alarm in self.guard.alarms)

    # What is watched at the wire itself; the table of alarms is restated here.

    def sends(self, permit: Permit) -> None:
        """A command that adds drug leaves: whether it may, by what the model itself knows."""
        self.look_at_open()
        intent = next(line.data for line in self.log.newest_first() if line.kind == "intent")
        purpose, self.requests[permit.id] = intent["purpose"], intent["request"]
        if forbids := sorted(code for code in self.codes if purpose not in PERMITS.get(code, EVERYTHING)):
            self.wrong += (f"a {purpose} left while {', '.join(forbids)} inhibits it",)
        if self.log.failed:
            self.wrong += (f"a {purpose} left after the journal had failed",)
        if self.kept_off:
            self.wrong += (f"a {purpose} left though a person had stopped the pump",)
        if purpose != "hold" and not self.confirmed:
            self.wrong += (f"a {purpose} left before the confirm",)
        if purpose == "hold" and (self.policy != "hold" or not self.ever_confirmed):
            self.wrong += ("a hold left that the plan does not have",)
        if purpose != "hold" and self.open_ids:
            self.wrong += (f"a {purpose} left while a command was unsettled",)
        self.open_ids |= {permit.id}

    def look_at_open(self) -> None:
        """Which commands the journal has settled since: by the pump's word or a person's, nothing else."""
        if self.open_ids:
            settled = {
                line.data["id"]
                for line in self.log.newest_first()
                if line.kind in ("outcome", "evidence", "resolve") and line.data.get("what") != "unknown"
            }
            self.open_ids -= settled

    # People.

    def request(self, kind: RequestKind) -> None:
        self.asked += 1
        self.runner.request(f"request-{self.asked}", kind)

    def confirm(self) -> None:
        code = self.runner.settle().code
        self.runner.confirm(PERSON, code, None if self.ever_confirmed else {})
        self.confirmed = self.ever_confirmed = True
        self.kept_off = False

    def resolve(self) -> None:
        permit = self.guard.unsettled
        if permit is None:
            raise NotAllowed("nothing is unsettled", code="no-such-command")
        self.kept_off = True
        self.open_ids -= {permit.id}
        self.runner.resolve(permit.id, PERSON, "looked at the pump")

    def vouch(self) -> None:
        for code in sorted(self.codes & VOUCHED):
            self.runner.vouch(code, PERSON, "looked")

    def refill(self, *, new_path: bool = False) -> None:
        self.pump.refill()
        self.runner.refill(PERSON, Filling(FILL_NL, 0, None), new_path=new_path)


_ALL = frozenset({"basal", "scheduled", "patient", "prime", "hold"})
EVERYTHING: Final = _ALL
PERMITS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(
        [
            "over-delivery",
            "stop-unknown",
            "wrong-pump",
            "empty",
            "failed",
            "flow",
            "power-cut",
            "journal",
            "refill-discrepancy",
            "withdrawn",
            "pump-program",
            "pump-alarm",
        ],
        frozenset[str](),
    ),
    **dict.fromkeys(("disagreement", "silence", "stale", "recurring"), frozenset({"hold"})),
    "stalled": frozenset({"basal", "hold"}),
}


# Freezing and thawing.

_SHARED: Final[dict[object, object]] = {}


def _shared(key: object) -> object:
    return _SHARED[key]


def _keep_by_id(thing: object) -> tuple[Callable[[object], object], tuple[object]]:
    _SHARED[id(thing)] = thing  # kept for good, so that no other gets its id
    return _shared, (id(thing),)


def _keep_limits(limits: Limits) -> tuple[Callable[[object], object], tuple[object]]:
    _SHARED[limits.checksum] = limits
    return _shared, (limits.checksum,)


def _row(code: str) -> AlarmRow:
    return ROWS[code]


def _keep_row(row: AlarmRow) -> tuple[Callable[[str], AlarmRow], tuple[str]]:
    return _row, (row.code,)


def _frozen() -> Iterator[type]:
    """What nothing can change, such as steps, permits, runs and fractions: one world may share it with another."""
    yield Fraction
    for module in (base, ask, alarms, basal, curve, doses, history, lanes, path, state, totals, runs):
        for thing in vars(module).values():
            parameters = getattr(thing, "__dataclass_params__", None)
            if isinstance(thing, type) and parameters is not None and parameters.frozen:
                yield thing


@cache
def _decided_machine() -> ControllerMachine:
    """A machine of which the library has made every move of the table once."""
    machine = ControllerMachine()
    for row in TABLE:
        machine.now = row.source
        machine.fire(row.trigger)
    return machine


def _thaw_machine(now: Any) -> ControllerMachine:  # noqa: ANN401 - the state's own type
    machine = object.__new__(ControllerMachine)
    machine.__dict__.update(_decided_machine().__dict__)
    machine.now = now
    return machine


def _freeze_machine(machine: ControllerMachine) -> tuple[Callable[[Any], ControllerMachine], tuple[Any]]:
    return _thaw_machine, (machine.now,)


_FIXED: Final = (Prescription, PumpLimits, Timing, Capabilities, *_frozen())


def freeze(world: World) -> bytes:
    """All of a world, as bytes."""
    out = io.BytesIO()
    pickler = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = copyreg.dispatch_table | {
        **dict.fromkeys(_FIXED, _keep_by_id),
        Limits: _keep_limits,
        AlarmRow: _keep_row,
        ControllerMachine: _freeze_machine,
    }
    pickler.dump(world)
    return out.getvalue()


def thaw(frozen: bytes) -> World:
    """The world again; it shares nothing that can change."""
    world: World = pickle.loads(frozen)
    return world
