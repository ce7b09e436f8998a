"""GuardedPump: the only door to a pump. Judges, writes durably, sends once, keeps what may have been given.

Layer      safety; imports drivers.base and the kernel. Declares IntentLog, which the journal fulfils.
Hazard     a dose nobody may give, one sent twice, one sent and forgotten; a STOP that waits for anything.
Invariant  no byte of a dose leaves before its intent is durable (S-05); what the guard knows is exactly the
           fold of what it wrote (``State``); STOP needs no permit, no rule and no free disk (S-08).
Tests      tests/safety/test_guard.py and the rest of tests/safety
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from pump_ctrl.clock import Clock
from pump_ctrl.drivers.base import (
    Acked,
    Capabilities,
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
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.safety.alarms import ALL, Alarm
from pump_ctrl.safety.ask import Ask, Denial, Denied, IntentLog, LogRecord, Purpose, steps_to_json
from pump_ctrl.safety.case import View
from pump_ctrl.safety.curve import ZL_PER_NL
from pump_ctrl.safety.limits import Limits, LimitsError, parse_limits
from pump_ctrl.safety.reconcile import Reconciliation, reconcile
from pump_ctrl.safety.rules import judge
from pump_ctrl.safety.state import LifeSign, State
from pump_ctrl.safety.watchdog import Action, Remedy, Watch, Watchdog
from pump_ctrl.safety.windows import judge_load

PERMIT_MS: Final = 2_000  # a permit that was not sent by then is void
COUNTER_EVERY_MS: Final = 900_000  # a status between commands is written down so often, if its counter moved


class GuardedPump:
    """A pump behind the safety layer.

    Args:
        driver: speaks to the pump; nobody else may hold it.
        log: where the guard writes before it sends.
        clock: boot time for intervals, UTC for the limits' validity only.
        limits: the limits file; None denies every dose.
        stop_requested: whether somebody asked to stop (a signal); looked at before every send.
        watch: bounds of the watchdog.
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
    ) -> None:
        self._driver, self._log, self._clock, self._stop_requested = driver, log, clock, stop_requested
        self._state = State()
        self._waiting = True
        self._latch: tuple[str, str] | None = None
        self._identity: Identity | None = None
        self._capabilities: Capabilities | None = None
        self._status: PumpStatus | None = None
        self._heard_ms = 0
        self._counted: tuple[int, int, int] | None = (
            None  # boot ms, epoch and counter of the last reading written
        )
        self._offered, self._fault = _offered(limits)
        self._watch, self._watchdog = watch, None  # type: Watch, Watchdog | None
        self._actions: list[Action] = []
        self._asked_at = 0  # boot ms at which the last status that was news was asked for
        self._mark: int | None = None
        self._stop_open = False

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
        return self._waiting

    @property
    def low_nl(self) -> int:
        """Least that has left the pump since the journal began, nL."""
        return self._state.history.low_nl

    @property
    def high_nl(self) -> int:
        """Most that has left, or may still leave, the pump since the journal began, nL."""
        return self._state.history.high_nl

    @property
    def since_fill_nl(self) -> tuple[int, int]:
        """Least and most since the fluid in the reservoir was filled, nL."""
        return self._state.since_fill

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
        return None if self._status is None else (self._status, self._clock.boot_ms() - self._heard_ms)

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
        if self._latch is not None:
            return ALL
        allowed = self._state.board.permitted
        return ALL - (allowed & {Purpose.HOLD} if self._waiting else allowed)

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The active alarms, worst first."""
        return self._state.board.active

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
        state = self._state
        return not state.timeless and (state.boot_id is None or state.boot_id == self._clock.boot_id())

    # The pump.

    def identify(self) -> Identity | Unknown:
        """Ask who is there. Another pump than the one confirmed gets nothing but STOP (F-19)."""
        identity = self._driver.identify()
        if isinstance(identity, Identity):
            self._identity, self._capabilities = identity, self._driver.capabilities
            why = self._stranger()
            self._alarm("wrong-pump", "raised" if why else "gone", why)
        return identity

    def read_status(self) -> PumpStatus | Unknown:
        """Ask the pump how it is; its counter narrows, or raises, what may have been given.

        A status that the pump repeats tells nothing (F-15): it is ``Unknown``.
        """
        since = self._clock.boot_ms()
        status = self._driver.read_status()
        if isinstance(status, PumpStatus):
            news = self._is_news(status)
            self._take(status, since, news=news)
            status = status if news else Unknown("the pump repeats an old status")
        else:
            self._actions += self._watching().silent(self._now())
        self._act()
        return status

    def notices(self) -> tuple[PumpStatus, ...]:
        """What the pump said by itself; one that was overtaken by a later status only raises its alarms."""
        news = []
        for status in self._driver.notices():
            if self._is_news(status):
                # said at any time since it was asked; nobody knows how long it was on its way
                self._take(status, self._asked_at, news=True)
                news.append(status)
            else:
                self._actions += self._watching().overtaken(status)
        if self._actions:
            self._act()
        return tuple(news)

    def close(self) -> None:
        """Let go of the pump; sends nothing."""
        self._driver.close()

    def deliver(self, ask: Ask) -> Denied | Outcome:
        """Let ``ask`` through if no rule objects: write, send once, keep what may have been given."""
        if self._stop_requested():
            return _denied("stop-requested", "somebody asked to stop")
        denials = judge(ask, self._view(), self._now())
        if denials:
            return Denied(denials)
        permit = self._permit(ask)
        if not self._write("intent", self._intent(permit, ask)):
            return _denied("journal", "the intent could not be written durably")
        if refusal := self._too_late(permit):
            self._write("outcome", {"id": permit.id, "what": "refused", "code": refusal.rule})
            return refusal
        outcome = self._send(permit)
        self._write("outcome", {"id": permit.id, **self._told(outcome, permit.expires_ms - PERMIT_MS)})
        self._act()
        return outcome

    def _too_late(self, permit: Permit) -> Denied | None:
        """What may have changed while the intent was written."""
        if self._stop_requested():
            return _denied("stop-requested", "somebody asked to stop")
        if self._clock.boot_ms() >= permit.expires_ms:
            return _denied("permit-expired", f"writing the intent took longer than {PERMIT_MS} ms")
        return None

    def _send(self, permit: Permit) -> Outcome:
        try:
            return self._driver.deliver(permit)
        except (
            LinkError
        ) as error:  # a driver returns these as Unknown; one that does not must not lose a dose
            return Unknown(str(error))

    def stop(self, why: str) -> Outcome:
        """Stop the pump: sent first, written afterwards, whatever else is wrong."""
        since = self._clock.boot_ms()
        try:
            outcome = self._driver.stop()
        except LinkError as error:
            outcome = Unknown(str(error))
        self._write("stop", {"why": why, **self._told(outcome, since)})
        stopped = isinstance(outcome, Acked)
        self._stop_open = not stopped
        self._alarm("stop-unknown", "gone" if stopped else "raised", f"STOP ({why}): {outcome}"[:300])
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
        self._write("evidence", {"id": permit.id, **found, **self._reading(evidence.status, since)})
        self._act()
        return evidence

    def running_permit(self) -> int | None:
        """The permit that the pump is proven to run, by its last status; None if nothing is proven (D-13).

        A pump that names none is asked for evidence of the last one. Where it cannot show that while it runs, a
        pump of the same kind that runs, and whose counter has grown as it must have, is taken for proof.
        """
        status, last = self._status, self._state.last_permit
        if status is None or status.state is not PumpState.RUNNING or self._state.unsettled:
            return None
        if status.running_id is not None or not last:
            return status.running_id
        evidence, can = self._evidence(last), self._capabilities
        if isinstance(evidence, Given):
            return None if evidence.ended else last
        if isinstance(evidence, Nothing) and can is not None and can.clears_counter and not self._stranger():
            agrees = self._state.history.agrees(last, status.delivered_nl, self._now(), can.counter_unit_nl)
            return last if agrees and self.elapsed_known else None
        return None

    def _evidence(self, permit_id: int) -> Evidence:
        try:
            return self._driver.evidence(permit_id)
        except LinkError as error:
            return Nothing(str(error))

    # People.

    def resolve(self, permit_id: int, by: str, reason: str) -> None:
        """A person vouches that an unsettled permit cannot begin any more: the block goes, its upper bound
        stays.

        Raises:
            NotAllowed: no such permit is unsettled, or nobody stands for it.
            JournalError: it could not be written.
        """
        if permit_id not in self._state.unsettled:
            raise NotAllowed(f"No unsettled command {permit_id:x}.", do_now="Look at the reconciliation.")
        if not by or not reason:
            raise NotAllowed("A resolve needs a name and a reason.")
        self._must_write("resolve", {"id": permit_id, "by": by, "reason": reason})

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
            # so that what left before the refill is known as well as can be
            self._count(self._reading(status, since))
        data = {
            "by": by,
            "fill_nl": fill_nl,
            "fluid": None if fluid is None else dict(fluid),
            "new_path": new_path,
        }
        self._must_write("refill", data)

    def load(self, limits: bytes, *, by: str, plan_ms: int | None) -> Denied | None:
        """Put other limits in force; what was given before stays counted, and so does the lockout.

        ``plan_ms`` is the new plan's time now. Limits that cannot be used change nothing.

        Raises:
            JournalError: it could not be written.
        """
        offered, fault = _offered(limits)
        if offered is None:
            return _denied(*(fault or ("limits-missing", "no limits")))
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
        self._must_write("limits", data)

    def acknowledge(self, code: str, by: str) -> None:
        """Somebody has seen an alarm; it goes only if its condition has gone.

        Raises:
            JournalError: it could not be written.
        """
        self._must_write("alarm", {"code": code, "what": "acknowledged", "detail": "", "by": by})

    def raise_alarm(self, code: str, detail: str) -> None:
        """The condition of an alarm holds. Takes effect even if it cannot be written."""
        self._alarm(code, "raised", detail)

    def clear_alarm(self, code: str) -> None:
        """The condition of an alarm has gone."""
        self._alarm(code, "gone", "")

    def _alarm(self, code: str, what: str, detail: str) -> None:
        board = self._state.board
        if board.holds(code) is (what == "raised"):
            return  # nothing new
        data = {"code": code, "what": what, "detail": detail, "by": ""}
        if not self._write("alarm", data) and what == "raised":
            board.raised(code, self._now(), detail)

    # After a start.

    def replay(self, records: Iterable[LogRecord]) -> None:
        """Take up what earlier lives wrote. The guard waits for a person, whatever the journal says."""
        for record in records:
            self._state.apply(record.kind, record.data, record.boot_id)
        self._stop_open = any(alarm.holds and alarm.row.code == "stop-unknown" for alarm in self._state.board)

    @property
    def in_run(self) -> bool:
        """Whether this is a life in RUN: confirmed, no outcome unknown, and not stopped (D-14)."""
        return not self._waiting and not self._state.unsettled and not self._state.at_rest

    def lived_until(self, sign: LifeSign | None) -> None:
        """Take in, right after ``replay``, when the life before was last seen alive in RUN.

        A sign that is not of the boot of the last record, not later than it, or from the future, tells nothing.
        """
        here = (self._clock.boot_id(), self._clock.boot_ms())
        if sign is None or not self._state.lived_past(sign):
            return
        if sign.boot_id != here[0] or sign.boot_ms <= here[1]:
            self._write("alive", {"at": sign.boot_ms, "boot": sign.boot_id})

    def reconciliation(self) -> Reconciliation:
        """What was given, what may have been given, in words, with a code of exactly this content."""
        nameless = self._identity is not None and self._identity.serial is None
        return reconcile(self._state, self._offered, elapsed_known=self.elapsed_known, nameless=nameless)

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
        if given just now. ``off_ms``: how long the host was off, where neither the pump nor the plan's time
        tells.

        Raises:
            NotAllowed: another code, nobody's name, nothing said about the last 24 h, limits that cannot be
            used.
            JournalError: it could not be written.
        """
        self._may_confirm(by, code, given)
        self._adopt(self._offered, by, None)
        times = {"plan_ms": plan_ms, "off_ms": off_ms, "utc_ms": self._clock.utc_ms()}
        pump = self._state.pump if self._identity is None else _fingerprint(self._identity)
        told = None if given is None else dict(given)
        self._must_write("confirm", {"by": by, "code": code, "pump": pump, "given": told, **times})
        self._waiting = False

    def _may_confirm(self, by: str, code: str, given: Mapping[str, int] | None) -> None:
        if not by:
            raise NotAllowed("A confirm needs a name.")
        if self._fault is not None:
            raise NotAllowed(f"{self._fault[1]}.", do_now="Give limits that can be used.")
        if code != self.reconciliation().code:
            raise NotAllowed("The code is not that of the present reconciliation.", do_now="Read it again.")
        if self._state.confirmed:
            return
        if given is None:
            raise NotAllowed("A new journal needs to know what was given in the last 24 h.")
        counted = 0 if self._status is None else self._status.delivered_nl
        if counted and not any(given.values()):
            raise NotAllowed(
                f"The pump's counter stands at {counted} nL, so it was used before.",
                do_now="Say what was given in the last 24 h.",
            )

    # Inside.

    def _now(self) -> int:
        return self._state.now(self._clock.boot_ms(), self._clock.boot_id())

    def _view(self) -> View:
        return View(
            state=self._state,
            fault=self._fault,
            stranger=self._stranger(),
            latch=self._latch,
            capabilities=self._capabilities,
            timeless=not self.elapsed_known,
            utc_ms=self._state.utc_ms(self._now(), self._clock.utc_ms()),
            waiting=self._waiting,
            permitted=self._state.board.permitted,
        )

    def _stranger(self) -> str:
        known, here = self._state.pump, _fingerprint(self._identity)
        return "" if known is None or known == here else f"the pump is {here}, confirmed was {known}"

    def _permit(self, ask: Ask) -> Permit:
        return Permit(self._next_id(), ask.steps, self._clock.boot_ms() + PERMIT_MS)

    def _next_id(self) -> int:
        """A number never used before: a count over the journal, under a mark of this process.

        A journal that was restored from a copy counts on from an older number; the mark keeps its ids apart.
        """
        if self._mark is None:
            seed = f"{self._clock.boot_id()} {self._clock.utc_ms()} {self._clock.boot_ms()}"
            self._mark = int(sha256(seed.encode()).hexdigest()[:7], 16) + 1
        return (self._mark << 32) + (self._state.last_permit & 0xFFFFFFFF) + 1

    def _intent(self, permit: Permit, ask: Ask) -> dict[str, Any]:
        limits = self._state.limits
        return {
            "at": permit.expires_ms - PERMIT_MS,
            "id": permit.id,
            "request": ask.request_id,
            "purpose": ask.purpose.value,
            "account": ask.account,
            "steps": steps_to_json(ask.steps),
            "expires_ms": permit.expires_ms,
            "doubt_ms": self._doubt_ms(),
            "limits": "" if limits is None else limits.checksum,
            **self._bounds(),
        }

    def _bounds(self) -> dict[str, Any]:
        """What the ledger has to know of the pump beside its limits, as far as there is anything."""
        can = self._capabilities
        if can is None or not can.stops_first:
            return {}
        return {"ahead_nl": can.ahead_nl, "hidden_nl": can.hidden_nl, "clears": can.clears_counter}

    def _doubt_ms(self) -> int | None:
        """How long after its sending a command may still begin; None where nothing bounds it."""
        can, limits = self._capabilities, self._state.limits
        if can is None or limits is None or (can.buffered and can.ttl_ms is None):
            return None
        return limits.stop_ms + (can.ttl_ms or 0)

    def _told(self, outcome: Outcome, since: int) -> dict[str, Any]:
        if isinstance(outcome, Acked):
            return {"what": "acked", **self._reading(outcome.status, since)}
        if isinstance(outcome, Refused):
            stands = {"stands": True} if self._stood_still(outcome.status) else {}
            told = {"what": "refused", "code": outcome.code, **stands}
            return {**told, **self._reading(outcome.status, since)}
        return {"what": "unknown", "detail": outcome.detail, **self._reading(None, since)}

    def _stood_still(self, status: PumpStatus | None) -> bool:
        """Whether a refusal shows that the pump, which is stopped before it is told anything, stands still."""
        can = self._capabilities
        if status is None or can is None or not can.stops_first:
            return False
        return status.state is not PumpState.RUNNING and self._is_news(status)

    def _reading(self, status: PumpStatus | None, since: int) -> dict[str, Any]:
        if status is not None and self._is_news(status):
            return self._news(status, since)
        if status is not None:
            self._observe(status)
        # a repeated status proves nothing (F-15)
        return {"counter": None, "epoch": None, "tick_ms": None, "since": since}

    def _news(self, status: PumpStatus, since: int) -> dict[str, Any]:
        self._observe(status)
        self._counted = (self._clock.boot_ms(), status.epoch, status.delivered_nl)
        self._asked_at = since
        can = self._capabilities
        tells = can is not None and can.tells_time
        runs = can is not None and can.stops_first and status.state is PumpState.RUNNING
        return {
            "counter": status.delivered_nl,
            "epoch": status.epoch,
            "tick_ms": status.tick_ms if tells else None,
            "since": since,
            **({"runs": True} if runs else {}),
        }

    def _take(self, status: PumpStatus, since: int, *, news: bool) -> None:
        """Write a status down if it tells something new: time off, drug nobody permitted, or later drug."""
        if news and self._tells_more(status):
            self._count(self._news(status, since))
        else:
            self._asked_at = since if news else self._asked_at
            self._observe(status)

    def _tells_more(self, status: PumpStatus) -> bool:
        told = self._counted
        if self._state.limits is None:
            return False
        if told is None or status.epoch != told[1]:
            return True
        if status.delivered_nl != told[2] and self._clock.boot_ms() - told[0] >= COUNTER_EVERY_MS:
            return True
        return not self.elapsed_known or self._is_excess(status)

    def _count(self, reading: Mapping[str, Any]) -> None:
        self._write("counter", {**reading, "run": self.in_run})

    def _is_news(self, status: PumpStatus) -> bool:
        """A status that was pushed may be read after a later one, or be repeated; then its counter is old."""
        last, state = self._status, self._state
        if last is None or status.epoch != last.epoch:
            repeated = state.told_before(status.epoch, status.tick_ms, status.delivered_nl)
        else:
            repeated = status.tick <= last.tick
        return not (
            repeated or (self.elapsed_known and state.lags(status.epoch, status.tick_ms, self._now()))
        )

    def _observe(self, status: PumpStatus) -> None:
        """Let the watchdog look at a status, before its counter changes what is known."""
        if self._status is None or (status.epoch, status.tick) != (self._status.epoch, self._status.tick):
            self._heard_ms = self._clock.boot_ms()  # a status that is repeated is no news
        self._status = status
        watchdog, now = self._watchdog or self._watching(), self._now()
        since = watchdog.compares_from
        history, certain = self._state.history, not self._state.unsettled and self.elapsed_known
        if since is None or not certain:
            self._actions += watchdog.status(status, now, None)
        else:
            most = history.flowed_nl(since, now)
            self._actions += watchdog.status(status, now, most, lambda: history.surely_nl(since, now))

    def _watching(self) -> Watchdog:
        if self._watchdog is None:
            limits = self._state.limits or self._offered
            step = 1 if limits is None else limits.pump.grain_nl
            self._watchdog = Watchdog(self._watch, step, self._now())
        return self._watchdog

    def _act(self) -> None:
        """Carry out what the watchdog wants: alarms first, then at most one STOP."""
        if not self._actions:
            return
        actions, self._actions = self._actions, []
        if self._state.board.quiet and not [action for action in actions if action.holds]:
            return  # nearly always: no alarm is active, and nothing is said but that none holds
        for action in actions:
            self._alarm(action.code, "raised" if action.holds else "gone", action.detail)
        stopping = {Remedy.STOP} if self.may_hold else {Remedy.STOP, Remedy.HOLD}
        if why := next((action.code for action in actions if action.remedy in stopping), None):
            self.stop(f"watchdog: {why}")
            self._actions.clear()

    def _is_excess(self, status: PumpStatus) -> bool:
        limits = self._state.limits
        grain = 0 if limits is None else limits.pump.grain_nl
        return self._state.history.excess(self._now(), status.epoch, status.delivered_nl, grain) > 0

    def _must_write(self, kind: str, data: Mapping[str, Any]) -> None:
        if not self._write(kind, data):
            raise JournalError(f"A {kind} record could not be written; nothing was changed.")

    def _write(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Append and only then take it in. After one failure nothing is ever trusted to be durable again
        (F-52).
        """
        stamped = {"at": self._clock.boot_ms(), **data}
        try:
            self._log.append(kind, stamped)
        except JournalError as error:
            self._latch = ("journal", f"the journal failed: {error}")
        if self._latch is not None:
            return False
        before = self._state.history.beyond
        self._state.apply(kind, stamped, self._clock.boot_id())
        if (beyond := self._state.history.beyond - before) > 0:
            detail = f"the counter shows {-(-beyond // ZL_PER_NL)} nL that nobody permitted"
            codes = ("disagreement", "over-delivery")
            self._actions += [Action(code, True, detail, Remedy.STOP) for code in codes]
        return True


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
