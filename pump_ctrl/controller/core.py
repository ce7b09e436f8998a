"""The controller: events in, effects out. It decides what to give and when; it never touches a pump.

Layer      controller, pure: no clock, no I/O; ``now_ms`` (boot-time ms) is a parameter.
Hazard     a dose twice, a dose forgotten, a run without an end, a make-up dose.
Invariant  one command at a time; nothing that adds drug leaves UNCERTAIN, PAUSED, STOPPED or FAULT; each slot
           is dealt with once; what is not given is named in ``missed``.
Tests      tests/unit/test_core.py, tests/unit/test_core_edges.py, tests/properties/test_system_machine.py

Plan time (ms since the plan's start) = ``now_ms`` + an offset that a person's confirm sets (D-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, assert_never

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.due import Due
from pump_ctrl.controller.effects import Effect, Write
from pump_ctrl.controller.events import (
    AlarmsChanged,
    Answered,
    Confirmed,
    Event,
    Halted,
    Leaving,
    LedgerMoved,
    LoadAnswered,
    Offered,
    PeoplesEvent,
    Pressed,
    Refilled,
    Requested,
    Settled,
    StatusRead,
    Tick,
    Waiting,
)
from pump_ctrl.controller.loading import Loading, plan_of
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.people import People
from pump_ctrl.controller.prescription import Prescription, Timing
from pump_ctrl.controller.pump_side import PumpSide
from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.session import BY_PERSON, Session
from pump_ctrl.controller.totals import Run, Totals
from pump_ctrl.drivers.base import PumpState, PumpStatus, Unknown
from pump_ctrl.errors import InvalidInput

PUMP_RUNS: Final = PumpState.RUNNING  # asked for with every status, and an enum's own look-up is slow


class Controller:
    """Carries out one prescription on one pump, until another one is loaded.

    Args:
        prescription: the signed plan in force.
        limits: what the pump can be told.
        timing: leases, polls, waits.
    """

    def __init__(self, prescription: Prescription, limits: Limits, timing: Timing) -> None:
        self._limits, self._timing = limits, timing
        self._plans: Mapping[str, Prescription] = {prescription.plan: prescription}
        self._begin(prescription)

    def _begin(self, prescription: Prescription) -> None:
        self._session = Session(prescription, self._limits, self._timing)
        self._due = Due(self._session)
        self._pump = PumpSide(self._session)
        self._people = People(self._session, self._pump)
        self._loading = Loading(self._session)
        self._wakeup: int | None = None  # the answer of next_wakeup, until something happens
        self._steady_until = 0  # boot time up to which nothing but statuses is due, until something happens

    # What others may look at.

    @property
    def state(self) -> State:
        """The present state."""
        return self._session.state

    @property
    def books(self) -> Books:
        """Runs, boluses and sums."""
        return self._session.books

    @property
    def totals(self) -> Totals:
        """Planned, commanded and missed."""
        return self.books.totals

    @property
    def run(self) -> Run | None:
        """The run in force."""
        return self.books.run

    @property
    def bridging(self) -> bool:
        """Whether the old fluid may still be in the path."""
        return self._session.books.bridging

    @property
    def prescription(self) -> Prescription:
        """The plan in force."""
        return self._session.prescription

    @property
    def loading(self) -> bool:
        """Whether another plan waits for the end of a bolus."""
        return self._session.offer is not None

    def load_refusal(self, new: Prescription, left_nl: int, now_ms: int) -> str:
        """Why ``new`` cannot be loaded now, in words; empty if it can, maybe after a bolus.

        ``left_nl`` is the most that has left since the last refill.
        """
        return self._loading.refusal(new, left_nl, now_ms)

    @property
    def stopped(self) -> bool:
        """Whether a person stopped or paused the pump and nobody has let it go on since."""
        return self._session.stopped

    @property
    def halting(self) -> bool:
        """Whether a STOP waits to be acknowledged."""
        return self._session.halting

    @property
    def hold_until_ms(self) -> int | None:
        """Plan time until which it may hold while it waits for a person; None where it does not."""
        return self._session.hold_until

    def plan_ms(self, now_ms: int) -> int:
        """Plan time at boot time ``now_ms``."""
        return self._session.plan_ms(now_ms)

    def take_up(self, records: Iterable[Any], plans: Mapping[str, Prescription]) -> None:
        """Take up the journal of earlier lives; ``plans`` by SHA-256, those that were in force before this one.

        Each record is asked for once and let go: those of seven years need no room.

        Raises:
            InvalidInput: a plan of the journal is missing, or the one in force is another than this one.
            JournalError: the journal's sums are not those of these plans.
        """
        ours, records = self.prescription, iter(records)
        self._plans = {**plans, ours.plan: ours}
        early = list(_up_to_the_first_plan(records))
        if early and early[-1].kind == "limits":
            self._begin(self._given_plan(early[-1]))
        current = ours.plan
        for record in chain(early, records):
            if record.kind == "limits":
                current = self._given_plan(record).plan
            self.replay(record.kind, record.data)
        if current != ours.plan:
            raise InvalidInput(f"plan {current} is in force by the journal, not {ours.plan}; load it instead")

    def _given_plan(self, record: Any) -> Prescription:  # noqa: ANN401 - a record of any journal
        sha256 = plan_of(record.data)
        if sha256 not in self._plans:
            raise InvalidInput(f"the journal was begun with plan {sha256}, which is not given; give it too")
        return self._plans[sha256]

    def replay(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take up one record of an earlier life; the state stays WAITING."""
        self._wakeup, self._steady_until = None, 0
        self._loading.replay(kind, data, self._plans)
        self.books.replay(kind, data)
        if kind == "plan_time":
            self._session.offset = data["plan_ms"] - data["boot_ms"]
        state = data["state"] if kind == "state" else None
        if kind == "stopped" or (kind == "stop" and data["why"] in BY_PERSON) or state == State.PAUSED:
            self._session.stopped = True  # only a person's resume lets it go on, no restart
        elif kind == "plan_time" or state == State.READY:
            self._session.stopped = False

    def next_wakeup(self) -> int:
        """Boot time of the next moment at which a ``Tick`` is wanted."""
        if self._wakeup is None:
            self._wakeup, self._steady_until = self._due.next_wakeup(), self._due.steady_until()
        return self._wakeup

    def polls(self, now_ms: int) -> bool:
        """Whether a status is all that is due now; then it is asked for without a ``Tick``, and the next one later."""
        if now_ms >= self._steady_until:
            return False
        self._session.poll_at, self._wakeup = now_ms + self._timing.poll_ms, None
        return True

    def goes_on(self, status: PumpStatus | Unknown, now_ms: int) -> bool:
        """Take in a status that only says that the pump runs, as it should; any other one has to be handled."""
        due = self._steady_until
        if now_ms >= due or isinstance(status, Unknown) or status.state is not PUMP_RUNS:
            return False
        self._session.poll_at = poll_at = now_ms + self._timing.poll_ms
        self._wakeup = due if due < poll_at else poll_at
        return True

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take in one event and say what to do about it, in order."""
        session, self._wakeup, self._steady_until = self._session, None, 0
        before = session.state
        effects = self._dispatch(event, now_ms)
        if session.offer is not None:
            effects += self._loading.due(now_ms)
        if (state := session.state) is not before:
            effects.insert(0, Write("state", {"state": state.value, "plan_ms": session.plan_ms(now_ms)}))
        return effects

    def _dispatch(self, event: Event, now: int) -> list[Effect]:
        match event:
            case Tick():
                return self._due.tick(now)
            case Answered(ask, outcome, unfit):
                return self._pump.answered(ask, outcome, unfit, now)
            case StatusRead(status):
                return self._pump.status_read(status, now)
            case Settled(evidence):
                return self._pump.settled(evidence, now)
            case Halted(outcome):
                return self._pump.halted(outcome, now)
            case LedgerMoved(low, high):
                return self._pump.ledger(low, high, now)
            case _:
                return self._by_people(event, now)

    def _by_people(self, event: PeoplesEvent, now: int) -> list[Effect]:
        match event:
            case AlarmsChanged():
                return self._people.alarms(event)
            case Requested(request_id, kind):
                return self._people.requested(request_id, kind, now)
            case Pressed():
                return self._session.presses.pressed(now)
            case Confirmed():
                return self._people.confirmed(event, now)
            case Waiting():
                return self._people.waiting(event, now)
            case Refilled():
                return self._loading.refilled(event, now)
            case Offered(offer):
                return self._loading.offered(offer)
            case LoadAnswered(offer, plan_ms, refusal):
                return self._loading.answered(offer, plan_ms, refusal)
            case Leaving(hold_until):
                return self._people.leaving(hold_until, now)
        assert_never(event)


def _up_to_the_first_plan(records: Iterator[Any]) -> Iterator[Any]:
    """What was written until the journal named a plan: which one it began with is known then."""
    for record in records:
        yield record
        if record.kind == "limits":
            return
