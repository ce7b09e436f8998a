"""The one loop: sleep to the next wake-up, let the controller decide, do its effects on the guarded pump.

Layer      runner. Single thread; the only place that reads the clock for the controller.
Hazard     an effect done twice, a STOP that waits behind something else, a record lost on the way.
Invariant  effects are done in order, STOP first; what a pump answers is fed back before anything else.
Tests      tests/unit/test_leave.py, test_dose_path_rules.py, test_ordinary_polls.py,
           tests/properties/test_system_machine.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Protocol, assert_never

from pump_ctrl.clock import Clock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.effects import Alarm, Deliver, Effect, Halt, Load, ReadStatus, Settle, Write
from pump_ctrl.controller.events import (
    TICK,
    AlarmsChanged,
    Answered,
    Confirmed,
    Event,
    Halted,
    Leaving,
    LedgerMoved,
    LoadAnswered,
    Offered,
    Pressed,
    Refilled,
    Requested,
    RequestKind,
    Settled,
    StatusRead,
    Waiting,
)
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.people import HOLDABLE
from pump_ctrl.controller.prescription import Offer, Prescription
from pump_ctrl.drivers.base import Acked, Evidence, PumpStatus, Refused, Unknown
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.journal.forms import ours
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.reconcile import Reconciliation
from pump_ctrl.safety.state import LifeSign
from pump_ctrl.therapy.refill import Filling

Wait = Callable[[int], object]
CLOCK_JUMP_MS: Final = 2_000
VOUCHED: Final = frozenset(
    {"refill-discrepancy", "over-delivery", "disagreement", "flow"}
)  # only a person can say it is over
LEAVE_MARGIN_MS: Final = 5_000  # a last hold ends so much earlier: there is no time to tell it twice
NEVER: Final = 1 << 62
_GOES_ON: Final = "The plan in force goes on."
NO_PLANS: Final[Mapping[str, Prescription]] = MappingProxyType({})


class Journal(Protocol):
    """What the runner needs of the journal; ``pump_ctrl.journal`` offers more."""

    def append(self, kind: str, data: Mapping[str, Any]) -> object:
        """Return when the record is durable.

        Raises:
            JournalError: it is not, or not certainly.
        """

    def records(self) -> Iterator[Any]:
        """Every record so far."""


class Runner:
    """Keeps a controller, a guarded pump and a journal going.

    Args:
        controller: decides.
        guard: the only door to the pump; the journal is its intent log.
        journal: where the controller's records go.
        clock: read once per turn.
        wait: returns at the given boot time, or earlier when the pump has spoken by itself.
        greet_ms: so long after a start the pump has forgotten a controller that died, and takes this one when it
            says once more who it is; None for pumps that take anybody's commands.
    """

    def __init__(
        self,
        controller: Controller,
        guard: GuardedPump,
        journal: Journal,
        clock: Clock,
        wait: Wait,
        *,
        greet_ms: int | None = None,
    ) -> None:
        self.controller, self.guard, self.journal = controller, guard, journal
        self._clock, self._wait = clock, wait
        self._lookout = guard.lookout  # None: there is no second witness, and nobody looks for one
        self._greet_ms, self._greet_at = greet_ms, NEVER
        self._load_refusal = ("", "")  # of the last load: code and words
        self._permits: Mapping[int, str] = {}  # of the journal that was taken up, with their purpose
        self._met = False
        self._utc_offset = clock.utc_ms() - clock.boot_ms()
        self._forbidden: tuple[bool, bool] | None = None  # None: the controller has to be told in any case
        self._told_at = -1  # the guard's ``changes`` when the controller was last told all that they mean

    # Starting.

    def start(
        self, seen_alive: LifeSign | None = None, plans: Mapping[str, Prescription] = NO_PLANS
    ) -> Reconciliation:
        """Take up the journal, ask the pump, and wait for a person unless the journal is new.

        ``take_up`` and ``meet`` in one.
        """
        self.take_up(seen_alive, plans)
        return self.meet()

    def take_up(
        self,
        seen_alive: LifeSign | None = None,
        plans: Mapping[str, Prescription] = NO_PLANS,
        *,
        hear: Callable[[Any], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take up the journal, record by record; sends nothing. Until the pump is met nothing can be confirmed.

        Args:
            seen_alive: when the process before was last seen alive in RUN, if that is known.
            plans: by SHA-256, the plans that were in force before the controller's own, by this journal.
            hear: told each record, too.
            stopped: whether a person stopped the pump, as a word beside the journal tells, which is asked after the
                last record; only a person lets it go on.

        Raises:
            InvalidInput: a plan of the journal is missing, or another one than the controller's is in force.
            JournalError: another program wrote it, or its sums are not those of these plans.
        """
        permits: dict[int, str] = {}

        def heard() -> Iterator[Any]:
            for record in ours(self.journal.records()):
                self.guard.replay((record,))
                hear(record)
                if record.kind == "intent":
                    permits[record.data["id"]] = record.data["purpose"]
                yield record

        self.controller.take_up(heard(), plans)
        self._permits = permits
        self.guard.lived_until(seen_alive)
        if stopped() and not self.controller.stopped:
            self._write("stopped", {})  # a person's STOP that the journal does not know of
            self.controller.replay("stopped", {})
        self.guard.clear_alarm("journal")  # this process writes it anew; it stays until somebody has seen it

    def meet(self) -> Reconciliation:
        """Ask the pump who it is and what it did, and wait for a person unless the journal is new.

        Returns:
            The reconciliation that a person has to confirm, by its code.

        Raises:
            LinkError: the pump does not answer; this can be asked again.
        """
        identity = self.guard.identify()
        if isinstance(identity, Unknown):
            raise LinkError(
                f"The pump does not answer as it should: {identity.detail.rstrip('.')}.",
                pump_state="What it was told last goes on to its end.",
                do_now="See that port, cable, power and pump are those of the plan, then start again.",
            )
        status = self.guard.read_status()
        evidence = self.guard.settle()
        permits, self._met = self._permits, True
        unused = isinstance(status, PumpStatus) and not status.delivered_nl
        if self._greet_ms is not None and (permits or not unused):
            self._greet_at = self._clock.boot_ms() + self._greet_ms
        if permits:
            self._wake(permits, status if isinstance(status, PumpStatus) else None, evidence)
            self.guard.recognise()
        return self.guard.reconciliation()

    def _wake(self, permits: Mapping[int, str], status: PumpStatus | None, evidence: Evidence | None) -> None:
        """D-13, D-18: leave a proven run alone where the plan says to hold; STOP anything else, and a prime."""
        self.guard.raise_alarm("waiting", "the controller was started again")
        hold = self.guard.hold_until_ms
        permit = None if status is None else self.guard.running_permit()
        running = None if permit is None else permits.get(permit)
        proven = running not in (None, Purpose.PRIME) and self.guard.unsettled is None
        self._feed(
            Waiting(
                plan_ms=self._plan_ms(),
                status=status,
                evidence=evidence,
                runs_on=hold is not None and proven and Purpose.HOLD not in self.guard.inhibitions,
                hold_until_ms=None if hold is None else hold - self._clock.boot_ms() + self._plan_ms(),
            )
        )

    @property
    def busy_ms(self) -> int | None:
        """How long the pump may still listen to a controller before this one, at most; None where it does not."""
        return None if self._greet_at == NEVER else max(0, self._greet_at - self._clock.boot_ms())

    def _plan_ms(self) -> int:
        """Plan time as the guard knows it, else by the wall clock until a person confirms it."""
        known = self.guard.plan_ms
        return self._by_wall_clock() if known is None else known

    def _by_wall_clock(self) -> int:
        return self._clock.utc_ms() - self.controller.prescription.start_utc_ms

    def settle(self) -> Reconciliation:
        """Ask the pump how it is and what became of an unsettled command, and say what is known now."""
        self._feed(StatusRead(self.guard.read_status()))
        if self.guard.unsettled is not None:
            self._feed(Settled(self.guard.settle()))
        return self.guard.reconciliation()

    def resolve(self, permit_id: int, by: str, reason: str) -> None:
        """A person vouches that an unsettled command cannot begin any more; the pump is stopped.

        Raises:
            NotAllowed: no such command is unsettled, or nobody stands for it.
            JournalError: it could not be written.
        """
        with self._durable():
            self.guard.resolve(permit_id, by, reason)
        self._feed(Settled(None))

    def confirm(
        self, by: str, code: str, given: Mapping[str, int] | None = None, off_ms: int | None = None
    ) -> None:
        """A person confirms the reconciliation with that code; plan time is taken from the wall clock (D-16).

        Args:
            by: who.
            code: of the words that were read.
            given: pg of each drug in the last 24 h, for a new journal.
            off_ms: how long the host was off, where that is not known and its own clock is wrong; plan time then
                goes by this.

        Raises:
            NotAllowed: another code, no name, a command that is still unsettled, or nothing said of the last
                24 h on a new journal.
            LinkError: the pump does not answer.
            JournalError: the confirm could not be written.
        """
        if self.controller.state is not State.WAITING:
            raise NotAllowed(
                "There is nothing to confirm.", code="nothing-to-confirm", pump_state="It goes on as it is."
            )
        if not self._met:
            raise LinkError(
                "The pump has not been met since its line was lost.", do_now="Confirm when it is back."
            )
        if self.guard.unsettled is not None:
            raise NotAllowed(
                f"The outcome of command {self.guard.unsettled.id:x} is not known.",
                code="outcome-unknown",
                pump_state="It may run to its end; nothing new is given.",
                do_now="Read the reconciliation again when the pump answers, or resolve the command by name.",
            )
        status = self.guard.read_status()
        if isinstance(status, Unknown):
            raise LinkError(
                f"The pump does not answer: {status.detail}", do_now="Confirm again when it does."
            )
        if self._permits:
            self.guard.recognise()  # it may have run when it was met
        told = None if off_ms is None else self.guard.plan_after(off_ms)
        plan_ms = self._by_wall_clock() if told is None else told
        with self._durable():
            self.guard.confirm(by=by, code=code, plan_ms=plan_ms, given=given, off_ms=off_ms)
        self.guard.clear_alarm("waiting")
        self._forbidden = None
        self._feed(Confirmed(plan_ms, status))

    # Running.

    def run_until(self, boot_ms: int, between: Callable[[], bool] | None = None) -> None:
        """Go on until the clock reads ``boot_ms``, or ``between`` two turns says that it is enough."""
        while (now := self._clock.boot_ms()) < boot_ms and not (between is not None and between()):
            wake = min(self.controller.next_wakeup(), self._greet_at, boot_ms)
            if self._lookout is not None:
                wake = min(wake, self._lookout.due_ms)
            if wake > now:
                self._wait(wake)
            self.turn()

    def turn(self) -> None:
        """Take in what the pump said by itself, then let the controller do what is due."""
        now = self._clock.boot_ms()
        self._look_at_clock(now)
        if now >= self._greet_at:
            self._greet_at = NEVER
            self.guard.identify()
        for status in self.guard.notices():
            self._feed(StatusRead(status))
        if self.controller.bridging:
            for event in self._ledger():
                self._feed(event)
        if self._lookout is not None and self._clock.boot_ms() >= self._lookout.due_ms:
            self.guard.look()
            for event in self._look_at_alarms():
                self._feed(event)
        now = self._clock.boot_ms()
        if now >= self.controller.next_wakeup():
            if self.controller.polls(now):
                self._poll()
            else:
                self._feed(TICK)

    def _poll(self) -> None:
        """Nothing but a status is due, as nearly always; mostly it says that all goes on, and that is all."""
        status = self.guard.read_status()
        if self.guard.changes != self._told_at or not self.controller.goes_on(status, self._clock.boot_ms()):
            self._feed(StatusRead(status))

    def _look_at_clock(self, now: int) -> None:
        """A wall clock that jumps is an alarm and moves nothing: plan time goes by the boot clock (D-16)."""
        offset = self._clock.utc_ms() - now
        jump = offset - self._utc_offset
        if abs(jump) > CLOCK_JUMP_MS:
            self.guard.raise_alarm("wall-clock", f"the wall clock jumped by {jump} ms")
            self.guard.clear_alarm("wall-clock")  # it stays until somebody has seen it
            self._utc_offset = offset

    def request(self, request_id: str, kind: RequestKind) -> None:
        """Somebody asks for something; the request is durable before anything is done about it.

        Raises:
            JournalError: it could not be written (a STOP is carried out all the same).
        """
        if kind is not RequestKind.STOP:
            with self._durable():
                self.journal.append("request", {"id": request_id, "kind": kind.value})
        self._feed(Requested(request_id, kind))

    def pressed(self) -> None:
        """The patient's key said again what was answered before; it is counted, and nothing is done."""
        self._feed(Pressed())

    def left_now(self) -> tuple[int, int]:
        """Least and most that has left since the last fill, nL, as the pump tells it at this moment."""
        self._feed(StatusRead(self.guard.read_status()))
        return self.guard.left_by_now_nl

    def refill(
        self, by: str, filling: Filling, fluid: Mapping[str, int] | None = None, *, new_path: bool = False
    ) -> None:
        """A person has drawn out what was left and filled the reservoir; possible in every state.

        What was found against what should have been is written down; where it is too far off, nothing is given
        until somebody has looked (``vouch``).

        Args:
            by: who.
            filling: what was filled, and what was found before.
            fluid: its largest concentration of each drug, pg/mL; None: as the plan in force names it, or the
                one that is loaded next.
            new_path: the path is new or was emptied and may be primed; that is done by the next resume or
                confirm, or when somebody asks for it.

        Raises:
            NotAllowed: nobody stands for it.
            JournalError: it could not be written.
        """
        if not by:
            raise NotAllowed("A refill needs a name.", code="no-name")
        with self._durable():
            self.journal.append("filling", {"by": by, **filling.as_json()})
        if filling.off:  # before the refill is known: who dies in between leaves the alarm, not the refill
            self.raise_alarm("refill-discrepancy", str(filling.check))
        low, high = self.guard.left_by_now_nl
        with self._durable():
            self.guard.refill(by=by, fill_nl=filling.most_nl, fluid=fluid, new_path=new_path)
        self._feed(Refilled(low, high, other_fluid=fluid is not None, new_path=new_path))

    def load(self, prescription: Prescription, limits: bytes, by: str) -> bool:
        """Somebody wants another signed plan in force, or the same one signed anew; the pump goes on meanwhile.

        Returns:
            Whether it is in force; else it waits for the end of the bolus that runs or is due. A restart
            drops a load that waits.

        Raises:
            NotAllowed: it cannot be loaded now, or a rule forbids it; nothing has changed.
            JournalError: it could not be written.
        """
        now, left = self._clock.boot_ms(), self.guard.left_by_now_nl[1]
        if not by:
            raise NotAllowed("A load needs a name.", code="no-name", pump_state=_GOES_ON)
        rule, why = "", self.controller.load_refusal(prescription, left, now)
        offer = Offer(prescription, limits, by)
        if not why:
            with self._durable():
                self.journal.append(
                    "request", {"id": offer.id, "kind": "load", "plan": prescription.plan, "by": by}
                )
            self._load_refusal = ("", "")
            self._feed(Offered(offer))
            rule, why = self._load_refusal
        if why:
            what = f"The plan was not loaded: {why}."
            raise NotAllowed(what, code=rule or "load-refused", pump_state=_GOES_ON)
        return not self.controller.loading

    def acknowledge(self, by: str) -> None:
        """Somebody has seen every active alarm; what is still true stays active."""
        with self._durable():
            for alarm in self.guard.alarms:
                self.guard.acknowledge(alarm.row.code, by)
        for event in self._look_at_alarms():
            self._feed(event)

    def vouch(self, code: str, by: str, reason: str) -> None:
        """A person has looked and stands for it that the cause of an alarm is gone, where no measurement can tell.

        Raises:
            NotAllowed: it is not active, it is not for a person to say, or nobody stands for it.
            JournalError: it could not be written; the alarm stays.
        """
        if code not in VOUCHED:
            raise NotAllowed(
                f"Nobody can vouch for {code}: it goes when its cause has gone, and was seen.",
                code="not-vouchable",
            )
        if code not in {alarm.row.code for alarm in self.guard.alarms}:
            raise NotAllowed(
                f"The alarm {code} is not active.", code="alarm-inactive", do_now="Look at pump-ctrl status."
            )
        if not by or not reason:
            raise NotAllowed(
                "To vouch for the cause of an alarm needs a name and a reason.", code="no-name-or-reason"
            )
        with self._durable():
            self.journal.append("vouched", {"code": code, "by": by, "reason": reason})
            self.guard.clear_alarm(code)
            self.guard.acknowledge(code, by)
        for event in self._look_at_alarms():
            self._feed(event)

    @contextmanager
    def _durable(self) -> Iterator[None]:
        """What a person wants has to be written first; where that fails the pump is stopped, and the person is told."""
        try:
            yield
        except JournalError as error:
            self.raise_alarm("journal", str(error))
            raise

    def raise_alarm(self, code: str, detail: str) -> None:
        """Something outside went wrong: raise its alarm, and do at once what it asks for."""
        self.guard.raise_alarm(code, detail)
        for event in self._look_at_alarms():
            self._feed(event)

    def leave(self) -> None:
        """The process was asked to end: leave one bounded hold where the plan says so, else stop the pump (D-14).

        What came of it, the controller's run and the guard's ``stop_open`` and ``unsettled`` tell.
        """
        if self.guard.in_run:
            self.guard.lived_until(LifeSign(self._clock.boot_id(), self._clock.boot_ms()))
        hold, before = self.guard.hold_until_ms, self.controller.state
        if hold is not None and (self.guard.stop_open or Purpose.HOLD in self.guard.inhibitions):
            hold = None
        until = None if hold is None else hold - self._clock.boot_ms() + self._plan_ms() - LEAVE_MARGIN_MS
        if self.controller.books.open_bolus is not None:
            self._feed(Leaving(until))
        self._feed(Leaving(until))
        run = self.controller.run
        if (
            before in HOLDABLE
            and run is not None
            and run.purpose != Purpose.HOLD
            and not self.guard.unsettled
        ):
            self._feed(Leaving(None))  # the hold was refused: what ran would go on for longer than it may

    def _feed(self, event: Event) -> None:
        queue, handle, boot_ms = deque((event,)), self.controller.handle, self._clock.boot_ms
        while queue:
            effects = handle(queue.popleft(), boot_ms())
            if len(effects) > 1:
                effects.sort(key=_stop_first)
            for effect in effects:
                queue += self._do(effect)
            if not queue:
                queue += self._look_at_alarms()

    def _do(self, effect: Effect) -> tuple[Event, ...]:
        match effect:
            case Write(kind, data):
                return self._write(kind, data)
            case Alarm(code, active, detail):
                if active:
                    self.guard.raise_alarm(code, detail)
                else:
                    self.guard.clear_alarm(code)
                return ()
            case Deliver(ask):
                outcome = self.guard.deliver(ask)
                if isinstance(outcome, Acked):
                    self._greet_at = NEVER  # it listens
                unfit = self._meet_again() if isinstance(outcome, Refused) else ""
                return (Answered(ask, outcome, unfit), *self._ledger())
            case ReadStatus():
                told = StatusRead(self.guard.read_status())
                return (told, *self._ledger()) if self.controller.bridging else (told,)
            case Halt(why):
                return (Halted(self.guard.stop(why)),)
            case Settle():
                return (Settled(self.guard.settle()),)
            case Load(offer, plan_ms):
                return self._load(offer, plan_ms)
        assert_never(effect)

    def _meet_again(self) -> str:
        """A pump that powered up anew, or forgot us, has to be met again; why that failed, if it did."""
        met = self.guard.identify()
        return met.detail if isinstance(met, Unknown) else ""

    def _load(self, offer: Offer, plan_ms: int) -> tuple[Event, ...]:
        try:
            denied = self.guard.load(offer.limits, by=offer.by, plan_ms=plan_ms)
            self._load_refusal = ("", "") if denied is None else (denied.rule, str(denied))
        except JournalError as error:
            self.guard.raise_alarm("journal", str(error))
            self._load_refusal = (error.code, f"the journal failed: {error}")
        return (LoadAnswered(offer, plan_ms, self._load_refusal[1]),)

    def _write(self, kind: str, data: Mapping[str, Any]) -> tuple[Event, ...]:
        """A record that cannot be written stops the pump: what nobody can read later must not happen."""
        try:
            self.journal.append(kind, data)
        except JournalError as error:
            self.guard.raise_alarm("journal", str(error))
        return ()

    def _ledger(self) -> tuple[Event, ...]:
        """While a bridge lasts, what has left since the fluid changed decides when it is over."""
        return (LedgerMoved(*self.guard.left_by_now_nl),) if self.controller.bridging else ()

    def _look_at_alarms(self) -> tuple[Event, ...]:
        """Tell the controller what the alarms mean for it.

        They begin or cease to forbid the basal, or the hold in which it waits; or a STOP of the guard's own
        was not acknowledged, so that it has to be sent again.
        """
        if self.guard.stop_open and not self.controller.halting:
            return (Halted(Unknown("a STOP of the guard was not acknowledged")),)
        forbid, held = standing = self.guard.standing
        if standing == self._forbidden:
            self._told_at = self.guard.changes
            return ()
        self._forbidden = standing
        return (
            AlarmsChanged(forbid, tuple(alarm.row.code for alarm in self.guard.alarms), leave_running=held),
        )


def _stop_first(effect: Effect) -> bool:
    """STOP goes out before anything is written."""
    return not isinstance(effect, Halt)
