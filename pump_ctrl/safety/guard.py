"""GuardedPump: the only door to a pump. Judges, writes durably, sends once, keeps what may have been given.

Layer      safety; imports drivers.base and the kernel. Declares IntentLog, which the journal fulfils.
Hazard     a dose nobody may give, one sent twice, one sent and forgotten; a STOP that waits for anything.
Invariant  no byte of a dose leaves before its intent is durable (S-05); what the guard knows is exactly the
           fold of what it wrote (``Known``); STOP needs no permit, no rule and no free disk (S-08).
Tests      tests/safety/test_guard.py and the rest of tests/safety
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pump_ctrl.clock import Clock
from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Given,
    Identity,
    Nothing,
    Outcome,
    Permit,
    PumpDriver,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.errors import LinkError, NotAllowed
from pump_ctrl.safety.alarms import ALL, HOLD_ONLY, Alarm
from pump_ctrl.safety.ask import Ask, Denial, Denied, IntentLog, LogRecord, Purpose
from pump_ctrl.safety.case import View
from pump_ctrl.safety.intake import Intake
from pump_ctrl.safety.known import Known
from pump_ctrl.safety.limits import Limits, LimitsError, parse_limits
from pump_ctrl.safety.lookout import Lookout, Second
from pump_ctrl.safety.permits import WRITE_MS, Permits
from pump_ctrl.safety.reconcile import Reconciliation, reconcile
from pump_ctrl.safety.rules import judge
from pump_ctrl.safety.state import PLAN_TOLERANCE_MS, LifeSign
from pump_ctrl.safety.watchdog import Action, Remedy, Watch
from pump_ctrl.safety.windows import judge_load

FOREIGN: Final = (
    "it holds a command that this journal does not know: an older copy of the journal was put back, or this is "
    "another pump of its kind"
)


class GuardedPump:
    """A pump behind the safety layer.

    Args:
        driver: speaks to the pump; nobody else may hold it.
        log: where the guard writes before it sends.
        clock: boot time for intervals, UTC for the limits' validity only.
        limits: the limits file; None denies every dose.
        stop_requested: whether somebody asked to stop (a signal); looked at before every send.
        watch: bounds of the watchdog.
        second: an independent sensor, something that takes the pump's power away, or both.

    Attributes:
        lookout: who watches through ``second``; None without it.
    """

    def __init__(
        self,
        driver: PumpDriver,
        log: IntentLog,
        clock: Clock,
        limits: bytes | None,
        stop_requested: Callable[[], bool],
        *,
        watch: Watch = Watch(),  # noqa: B008 - frozen
        second: Second | None = None,
    ) -> None:
        self._driver, self._clock, self._stop_requested = driver, clock, stop_requested
        self._offered, self._fault = _offered(limits)
        self._known = Known(log, clock)
        self._state = self._known.state
        self._permits = Permits(self._state, clock)
        self._intake = Intake(self._known, watch, self._offered)
        self.lookout = None if second is None else Lookout(self._known, clock, second, self._slack_nl)
        self._identity: Identity | None = None
        self._stop_open = False
        self._odd = False  # a pump without a serial number does not hold what it was told last
        self._foreign = False  # the pump holds a command that this journal does not know

    # What others may look at.

    @property
    def unsettled(self) -> Permit | None:
        """The oldest permit whose outcome is not known."""
        return next(iter(self._state.unsettled.values()), None)

    @property
    def stop_open(self) -> bool:
        """Whether the last STOP, the guard's own or one asked for, was not acknowledged: it has to be sent again."""
        return self._stop_open

    @property
    def waiting(self) -> bool:
        """Whether a person has to confirm the reconciliation before anything new is given."""
        return self._known.waiting

    @property
    def low_nl(self) -> int:
        """Least that has left the pump since the journal began, nL."""
        return self._state.history.low_nl

    @property
    def high_nl(self) -> int:
        """Most that has left, or may still leave, the pump since the journal began, nL."""
        return self._state.history.high_nl

    @property
    def left_by_now_nl(self) -> tuple[int, int]:
        """Least and most that has left by now since the fluid in the reservoir was filled, nL."""
        return self._state.left_by(self._now())

    @property
    def filled_nl(self) -> int:
        """The most that was in the reservoir when it was filled last, nL."""
        return self._state.fill[0]

    @property
    def last_status(self) -> tuple[PumpStatus, int] | None:
        """The last news of the pump, and how long ago it told them, ms."""
        status = self._intake.status
        return None if status is None else (status, self._clock.boot_ms() - self._intake.heard_ms)

    @property
    def changes(self) -> int:
        """Grows whenever the guard comes to know more than a status that tells nothing new."""
        return self._known.changes

    @property
    def confirmed(self) -> bool:
        """Whether anybody has ever confirmed a reconciliation of this journal."""
        return self._state.confirmed

    def worst(self, drug: str, hours: int) -> int:
        """The largest content of any window of 1, 4 or 24 h so far, pg at the catheter tip."""
        return self._state.history.worst_pg(drug, hours, self._now())

    @property
    def inhibitions(self) -> frozenset[str]:
        """The purposes that cannot be asked for now, because of alarms, a latch, or the wait for a person."""
        if self._known.latch is not None:
            return ALL
        allowed = self._state.board.permitted
        return ALL - (allowed & HOLD_ONLY if self._known.waiting else allowed)

    @property
    def standing(self) -> tuple[bool, bool]:
        """Whether all that is due is forbidden (the basal; while waiting, the hold), and whether what runs may go
        on to its end, because a hold could be asked for (D-14).
        """
        known = self._known
        if known.latch is None and self._state.board.quiet:
            return False, self.may_hold  # nearly always
        inhibited = self.inhibitions
        forbidden = (Purpose.HOLD if self._known.waiting else Purpose.BASAL) in inhibited
        return forbidden, Purpose.HOLD not in inhibited and self.may_hold

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The active alarms, worst first."""
        return self._state.board.active

    def alarm_age_ms(self, alarm: Alarm) -> int:
        """How long an alarm has been active, ms; at least, while elapsed time is not known."""
        return self._now() - alarm.at_ms

    @property
    def plan_ms(self) -> int | None:
        """Plan time now; None while it is not known."""
        return self._state.plan_ms(self._now())

    @property
    def may_hold(self) -> bool:
        """Whether the plan has a bounded hold (D-14)."""
        limits = self._state.limits
        return limits is not None and limits.max_hold_ms > 0

    @property
    def hold_until_ms(self) -> int | None:
        """Boot time at which a hold has to be over (D-14); None where the plan says to stop.

        While elapsed time is not known the hold is bounded by its volume, and this is one longest hold from
        now.
        """
        limits, state = self._state.limits, self._state
        if limits is None or limits.max_hold_ms == 0:
            return None
        since = state.run_at if self.elapsed_known else self._now()
        return state.boot_ms(since + limits.max_hold_ms)

    @property
    def elapsed_known(self) -> bool:
        """False after a reboot of the host until the pump's tick or a person tells how long it took."""
        return self._known.elapsed_known

    # The pump.

    def identify(self) -> Identity | Unknown:
        """Ask who is there. Another pump than the one confirmed gets nothing but STOP (F-19)."""
        identity = self._driver.identify()
        if isinstance(identity, Identity):
            self._identity, self._intake.capabilities = identity, self._driver.capabilities
            self._tell_stranger()
        return identity

    def _tell_stranger(self) -> None:
        why = self._stranger()
        self._known.alarm("wrong-pump", "raised" if why else "gone", why)

    def read_status(self) -> PumpStatus | Unknown:
        """Ask the pump how it is; its counter narrows, or raises, what may have been given.

        A status that the pump repeats tells nothing (F-15): it is ``Unknown``.
        """
        since = self._clock.boot_ms()
        status = self._driver.read_status()
        if not isinstance(status, PumpStatus):
            self._intake.silent()
        elif not self._intake.answered(status, since):
            status = Unknown("the pump repeats an old status")
        if self._known.actions:
            self._act()
        return status

    def notices(self) -> tuple[PumpStatus, ...]:
        """What the pump said by itself; one that was overtaken by a later status only raises its alarms."""
        told = self._driver.notices()
        news = tuple([status for status in told if self._intake.pushed(status)]) if told else ()
        if self._known.actions:
            self._act()
        return news

    def look(self) -> None:
        """Read the independent sensor, if there is one, and do at once what it asks for."""
        if self.lookout is not None:
            self.lookout.look(self.read_status)
            self._act()

    def close(self) -> None:
        """Let go of the pump; sends nothing."""
        self._driver.close()

    def deliver(self, ask: Ask) -> Denied | Outcome:
        """Let ``ask`` through if no rule objects: write, send once, keep what may have been given."""
        if self._stop_requested():
            return _denied("stop-requested", "somebody asked to stop")
        denials = judge(ask, self._view(), self._now())
        if denials:
            self._say_limits(denials)
            return Denied(denials)
        self._known.alarm("limits", "gone", "")
        at, can = self._clock.boot_ms(), self._intake.capabilities
        permit = self._permits.issue(ask, at, can)
        if not self._known.write("intent", self._permits.intent(permit, ask, at, can)):
            return _denied("journal", "the intent could not be written durably")
        if self.lookout is not None:
            self.lookout.told()
        if refusal := self._too_late(at):
            self._known.write("outcome", {"id": permit.id, "what": "refused", "code": refusal.rule})
            return refusal
        outcome = self._send(permit)
        told = self._intake.told(outcome, at, permit.id)
        self._known.write("outcome", {"id": permit.id, **told})
        self._act()
        return outcome

    def _say_limits(self, denials: tuple[Denial, ...]) -> None:
        """Limits that cannot be used have an alarm: what they refuse once they refuse until somebody signs anew."""
        why = next((denial.detail for denial in denials if denial.rule.startswith("limits-")), None)
        if why is not None and not self._stranger():  # which has an alarm of its own
            self._known.alarm("limits", "raised", why)

    def _too_late(self, at: int) -> Denied | None:
        """What may have changed while the intent was written."""
        if self._stop_requested():
            return _denied("stop-requested", "somebody asked to stop")
        if self._clock.boot_ms() - at >= WRITE_MS:
            return _denied("permit-expired", f"writing the intent took longer than {WRITE_MS} ms")
        return None

    def _send(self, permit: Permit) -> Outcome:
        try:
            return self._driver.deliver(permit)
        except (
            LinkError
        ) as error:  # a driver returns these as Unknown; one that does not must not lose a dose
            return Unknown(str(error))

    def stop(self, why: str) -> Outcome:
        """Stop the pump: sent first, written afterwards, whatever else is wrong.

        One that is not acknowledged is sent again at once where the pump's power can be cut, and then that is done
        (S-08, F-30).
        """
        outcome = self._stop(why)
        if self._stop_open and self.lookout is not None and self.lookout.may_cut:
            outcome = self._stop(f"{why}, again")
            if self._stop_open:
                self.lookout.cut("two STOPs were not acknowledged")
        self._tell()  # what its answer shows, whose only remedy has just been sent
        return outcome

    def _stop(self, why: str) -> Outcome:
        since = self._clock.boot_ms()
        try:
            outcome = self._driver.stop()
        except LinkError as error:
            outcome = Unknown(str(error))
        self._known.write("stop", {"why": why, **self._intake.told(outcome, since)})
        stopped = isinstance(outcome, Acked)
        self._stop_open = not stopped
        told = outcome.detail if isinstance(outcome, Unknown) else ""
        told = f"the pump refused: {outcome.code}" if isinstance(outcome, Refused) else told
        self._known.alarm("stop-unknown", "gone" if stopped else "raised", f"STOP ({why}): {told}"[:300])
        if self.lookout is not None:
            self.lookout.stopped()
        return outcome

    def settle(self) -> Evidence | None:
        """Ask the pump what became of the oldest unsettled permit; None if there is none."""
        permit = self.unsettled
        if permit is None:
            return None
        since = self._clock.boot_ms()
        evidence = self._evidence(permit.id)
        if isinstance(evidence, Nothing):
            return evidence
        if isinstance(evidence, Given):
            found = {
                "what": "given",
                "lo": evidence.lo_nl,
                "hi": evidence.hi_nl,
                "ended": evidence.ended,
                "why": None,
            }
        else:
            found = {"what": "not-given", "lo": 0, "hi": 0, "ended": True, "why": evidence.why}
        reading = self._intake.reading(evidence.status, since)
        self._known.write("evidence", {"id": permit.id, **found, **reading})
        self._act()
        return evidence

    def running_permit(self) -> int | None:
        """The permit that the pump is proven to run, by its last status; None if nothing is proven (D-13).

        A pump that names none is asked for evidence of the last one. Where it cannot show that while it runs, a
        pump of the same kind that runs, and whose counter has grown as it must have, is taken for proof.
        """
        status, last = self._intake.status, self._state.last_permit
        if status is None or status.state is not PumpState.RUNNING or self._state.unsettled:
            return None
        if status.running_id is not None or not last:
            return status.running_id
        evidence, can = self._evidence(last), self._intake.capabilities
        if isinstance(evidence, Given):
            return None if evidence.ended else last
        if isinstance(evidence, Nothing) and can is not None and can.clears_counter and not self._stranger():
            agrees = self._state.history.agrees(last, status.delivered_nl, self._now(), can.counter_unit_nl)
            return last if agrees and self.elapsed_known else None
        return None

    def recognise(self) -> None:
        """Look whether a pump that stands still holds what it was told last (F-19, F-53).

        One that holds a command which this journal does not know gets nothing but STOP. Of one without a serial
        number that holds none at all a person is told; behind a network, where bytes may wait, that proves nothing.
        """
        status, state, can = self._intake.status, self._state, self._intake.capabilities
        stands = status is not None and status.state is not PumpState.RUNNING
        told = not state.unsettled and state.last_permit in state.requests.values()
        if stands and told and can is not None and can.stops_first:
            found = isinstance(self._evidence(state.last_permit), Nothing)
            self._odd = found and self.nameless and not can.buffered

    def _evidence(self, permit_id: int) -> Evidence:
        try:
            found = self._driver.evidence(permit_id)
        except LinkError as error:
            return Nothing(str(error))
        if permit_id == self._state.last_permit:
            self._foreign = isinstance(found, Nothing) and found.other
            self._tell_stranger()
        return found

    # People.

    def resolve(self, permit_id: int, by: str, reason: str) -> None:
        """A person vouches that an unsettled permit cannot begin any more: the block goes, its upper bound
        stays.

        Raises:
            NotAllowed: no such permit is unsettled, or nobody stands for it.
            JournalError: it could not be written.
        """
        if permit_id not in self._state.unsettled:
            what = f"No unsettled command {permit_id:x}."
            raise NotAllowed(what, code="no-such-command", do_now="Look at the reconciliation.")
        if not by or not reason:
            raise NotAllowed("A resolve needs a name and a reason.", code="no-name-or-reason")
        self._known.must_write("resolve", {"id": permit_id, "by": by, "reason": reason})

    def refill(
        self,
        *,
        by: str,
        fill_nl: int,
        fluid: Mapping[str, int] | None = None,
        new_path: bool = False,
    ) -> None:
        """Record that the reservoir holds at most ``fill_nl`` now.

        ``fluid`` is its largest concentration of each drug in pg/mL; None means that it is the one of the
        limits in force, or of those that are loaded next. ``new_path``: the path is new or was emptied and
        may be primed.

        Raises:
            JournalError: it could not be written.
        """
        since = self._clock.boot_ms()
        status = self._driver.read_status()
        if isinstance(status, PumpStatus) and self._state.limits is not None:
            self._intake.counted(status, since)
        data = {
            "by": by,
            "fill_nl": fill_nl,
            "fluid": None if fluid is None else dict(fluid),
            "new_path": new_path,
        }
        self._known.must_write("refill", data)
        self._act()  # it holds enough again

    def load(self, limits: bytes, *, by: str, plan_ms: int | None) -> Denied | None:
        """Put other limits in force; what was given before stays counted, and so does the lockout.

        ``plan_ms`` is the new plan's time now. Limits that cannot be used change nothing.

        Raises:
            JournalError: it could not be written.
        """
        try:
            offered = parse_limits(limits)
        except LimitsError as error:
            return _denied("limits-invalid", error.what)
        if (denial := judge_load(offered, self._view(), self._now())) is not None:
            return Denied((denial,))
        self._adopt(offered, by, plan_ms)
        self._offered, self._fault = offered, None
        return None

    def _adopt(self, new: Limits | None, by: str, plan_ms: int | None) -> None:
        """Write limits into the journal, if they are not those in force."""
        old = self._state.limits
        if new is None or (old is not None and old.checksum == new.checksum and plan_ms is None):
            return
        data = {
            "checksum": new.checksum,
            "plan": new.plan_id,
            "by": by,
            "plan_ms": plan_ms,
            "limits": new.raw,
        }
        self._known.must_write("limits", data)

    def acknowledge(self, code: str, by: str) -> None:
        """Somebody has seen an alarm; it goes only if its condition has gone.

        Raises:
            JournalError: it could not be written.
        """
        self._known.must_write("alarm", {"code": code, "what": "acknowledged", "detail": "", "by": by})

    def raise_alarm(self, code: str, detail: str) -> None:
        """The condition of an alarm holds. Takes effect even if it cannot be written."""
        self._known.alarm(code, "raised", detail)

    def clear_alarm(self, code: str) -> None:
        """The condition of an alarm has gone."""
        self._known.alarm(code, "gone", "")

    # After a start.

    def replay(self, records: Iterable[LogRecord]) -> None:
        """Take up what earlier lives wrote. The guard waits for a person, whatever the journal says."""
        for record in records:
            self._state.apply(record.kind, record.data, record.boot_id)
        self._stop_open = any(alarm.holds and alarm.row.code == "stop-unknown" for alarm in self._state.board)

    @property
    def in_run(self) -> bool:
        """Whether this is a life in RUN: confirmed, no outcome unknown, and not stopped (D-14)."""
        return self._known.in_run

    def lived_until(self, sign: LifeSign | None) -> None:
        """Take in, right after ``replay``, when the life before was last seen alive in RUN.

        A sign that is not of the boot of the last record, not later than it, or from the future, tells nothing.
        """
        here = (self._clock.boot_id(), self._clock.boot_ms())
        if sign is None or not self._state.lived_past(sign):
            return
        if sign.boot_id != here[0] or sign.boot_ms <= here[1]:
            self._known.write("alive", {"at": sign.boot_ms, "boot": sign.boot_id})

    @property
    def nameless(self) -> bool:
        """Whether the pump tells no serial number, so that another one of its kind looks alike."""
        return self._identity is not None and self._identity.serial is None

    def reconciliation(self) -> Reconciliation:
        """What was given, what may have been given, in words, with a code of exactly this content."""
        return reconcile(
            self._state,
            self._offered,
            elapsed_known=self.elapsed_known,
            ahead_ms=self._ahead_ms,
            nameless=self.nameless,
            odd=self._odd,
        )

    def confirm(
        self,
        *,
        by: str,
        code: str,
        plan_ms: int,
        given: Mapping[str, int] | None = None,
        off_ms: int | None = None,
    ) -> None:
        """A person confirms the reconciliation: plan time is ``plan_ms``; nothing new was given before this.

        ``given`` (pg of each drug in the last 24 h; empty for none) is asked for a new journal and counts as
        if given just now. ``off_ms``: how long the host was off, where the pump does not tell; None: as long as
        the words say that its own clock says (D-16).

        Raises:
            NotAllowed: another code, nobody's name, nothing said about the last 24 h, limits that cannot be
            used, a pump that nobody has identified, a time off where that is known.
            JournalError: it could not be written.
        """
        self._may_confirm(by, code, given)
        utc_ms, known = self._clock.utc_ms(), self.elapsed_known
        if off_ms is not None and known:
            what = "It is known how long the host was off."
            raise NotAllowed(what, code="time-off-known", do_now="Confirm without that.")
        if off_ms is not None:
            utc_ms += off_ms - self._ahead_ms
        elif not known:
            if self._ahead_ms < -PLAN_TOLERANCE_MS:
                raise NotAllowed(
                    "The host's clock is behind what is known to have gone by, so it cannot tell how long it was off.",
                    code="clock-behind",
                    do_now="Set it right, or say how long: --off DURATION.",
                )
            off_ms = max(0, self._ahead_ms)
        self._adopt(self._offered, by, None)
        times = {"plan_ms": plan_ms, "off_ms": off_ms, "utc_ms": utc_ms}
        pump, told = _fingerprint(self._identity), None if given is None else dict(given)
        self._known.must_write("confirm", {"by": by, "code": code, "pump": pump, "given": told, **times})
        self._known.waiting = False

    def plan_after(self, off_ms: int) -> int | None:
        """Plan time now if the host was off for ``off_ms``; None before the first confirm."""
        return self._state.plan_after(self._now(), off_ms)

    @property
    def _ahead_ms(self) -> int:
        """By how much the wall clock is ahead of what is known to have gone by since the last confirm."""
        return self._state.ahead_ms(self._now(), self._clock.utc_ms())

    def _may_confirm(self, by: str, code: str, given: Mapping[str, int] | None) -> None:
        if not by:
            raise NotAllowed("A confirm needs a name.", code="no-name")
        if self._fault is not None:
            what = f"{self._fault[1]}."
            raise NotAllowed(what, code=self._fault[0], do_now="Give limits that can be used.")
        if why := self._stranger():  # a journal keeps its pump
            raise NotAllowed(
                f"Pump and journal do not belong together: {why}.",
                code="journal-older" if why == FOREIGN else "wrong-pump",
                pump_state="It gets nothing but STOP.",
                do_now="Connect the pump that was confirmed, or begin another journal and say what was given.",
            )
        if self._identity is None:
            what = "Nobody has asked the pump who it is."
            raise NotAllowed(what, code="pump-unidentified", do_now="Connect it, and start again.")
        if code != self.reconciliation().code:
            what = "The code is not that of the present reconciliation."
            raise NotAllowed(what, code="stale-code", do_now="Read it again.")
        if self._state.confirmed:
            return
        if given is None:
            what = "A new journal needs to know what was given in the last 24 h."
            raise NotAllowed(what, code="last-day-unsaid")
        counted = 0 if self._intake.status is None else self._intake.status.delivered_nl
        if counted and not any(given.values()):
            raise NotAllowed(
                f"The pump's counter stands at {counted} nL, so it was used before.",
                code="pump-used",
                do_now="Say what was given in the last 24 h.",
            )
        if self._identity.used and not any(given.values()):
            raise NotAllowed(
                "The pump holds a command that another journal told it, so it was used before.",
                code="pump-used",
                do_now="Say what was given in the last 24 h.",
            )

    # Inside.

    def _now(self) -> int:
        return self._known.now()

    def _slack_nl(self) -> int:
        """What a pump may be off by its steps against its even flow, nL."""
        limits, can = self._state.limits or self._offered, self._intake.capabilities
        return 2 * (1 if limits is None else limits.pump.grain_nl) + (0 if can is None else can.ahead_nl)

    def _view(self) -> View:
        return View(
            state=self._state,
            fault=self._fault,
            stranger=self._stranger(),
            latch=self._known.latch,
            capabilities=self._intake.capabilities,
            timeless=not self.elapsed_known,
            utc_ms=self._state.utc_ms(self._now(), self._clock.utc_ms()),
            waiting=self._known.waiting,
            permitted=self._state.board.permitted,
        )

    def _stranger(self) -> str:
        known, here = self._state.pump, _fingerprint(self._identity)
        if known is not None and known != here:
            return f"the pump is {here}, confirmed was {known}"
        return FOREIGN if self._foreign else ""

    def _act(self) -> None:
        """Carry out what watchdog and lookout want: alarms first, then at most one STOP, then the power cut."""
        if not (actions := self._tell()):
            return
        stopping = {Remedy.STOP, Remedy.CUT} if self.may_hold else {Remedy.STOP, Remedy.CUT, Remedy.HOLD}
        if why := next((action.code for action in actions if action.remedy in stopping), None):
            self.stop(f"watchdog: {why}")
        goes_on = next((action.detail for action in actions if action.remedy is Remedy.CUT), None)
        if self.lookout is not None and goes_on is not None:
            self.lookout.cut(goes_on)

    def _tell(self) -> list[Action]:
        """Raise the alarms whose condition holds, and end those whose condition does not; what else is wanted."""
        actions, self._known.actions = self._known.actions, []
        if self._state.board.quiet:
            for action in actions:
                if action.holds:
                    break
            else:
                return []  # nearly always: no alarm is active, and nothing is said but that none holds
        for action in actions:
            self._known.alarm(action.code, "raised" if action.holds else "gone", action.detail)
        return actions


def _offered(limits: bytes | None) -> tuple[Limits | None, tuple[str, str] | None]:
    if limits is None:
        return None, ("limits-missing", "there is no limits file")
    try:
        return parse_limits(limits), None
    except LimitsError as error:
        return None, ("limits-invalid", error.what)


def _denied(code: str, detail: str) -> Denied:
    return Denied((Denial(code, None, 0, 0, 0, None, detail),))


def _fingerprint(identity: Identity | None) -> str | None:
    if identity is not None and identity.serial is None:
        return f"{identity.model} {identity.firmware}, no serial number"
    return None if identity is None else f"{identity.model} {identity.serial}"
