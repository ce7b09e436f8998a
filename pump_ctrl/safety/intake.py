"""Intake: takes in what the pump says: is it news, is it worth a record, and what does the watchdog make of it.

Layer      safety; behind the guard, which asks the pump and acts on what comes of it. Sends nothing.
Hazard     a repeated or late status that is taken for the present (F-15); a counter that nobody wrote down.
Invariant  a counter goes into a record only if the status is news, with when it was asked for; the watchdog sees
           every status before its counter changes what is known. One that is not looked at in full lies within
           bounds in which that look would find nothing.
Tests      tests/safety/test_intake.py, test_answers_compared.py, test_guard_told.py, test_disagreement.py, test_calm.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pump_ctrl.drivers.base import Acked, Capabilities, Outcome, PumpState, PumpStatus, Refused
from pump_ctrl.safety.curve import FAR, ZL_PER_NL
from pump_ctrl.safety.known import Known, Moment
from pump_ctrl.safety.limits import Limits
from pump_ctrl.safety.watchdog import Action, Watch, Watchdog

UNSEEN_RESET: Final = (
    Action("pump-reset", True, "while no controller ran; what it gave by then is not counted by it any more"),
    Action("pump-reset", False, ""),
)
EXCHANGE_MS: Final = 500  # of one question, at the most (D-01)
COUNTER_EVERY_MS: Final = 900_000  # a status between commands is written down so often, if its counter moved


class Calm(NamedTuple):
    """Within these bounds a status tells nothing but that all goes on: nothing is written, compared or alarming.

    They were worked out at ``boot_ms`` of that boot, hold for ``for_ms``, and until something is written. The pump has
    to say the same as it said then; its counter has to stay below ``compared_nl``, where the watchdog compares, and
    not above ``covered_zl``, what was permitted by then, and ``rate`` zL more each ms.
    """

    changes: int
    boot_id: str
    boot_ms: int
    for_ms: int
    ahead_ms: int  # guard time less boot time
    said: tuple[int, PumpState, frozenset[str]]  # epoch, state, alarms
    compared_nl: int
    covered_zl: int
    rate: int


class Intake:
    """What one pump has told this process.

    Attributes:
        capabilities: of the pump that was identified; None before that.
        status: the last news; None before the first.
        heard_ms: boot time at which ``status`` was heard.

    Args:
        known: what is written and known, and the time.
        watch: bounds of the watchdog.
        offered: the limits in hand, for the watchdog's pump step as long as none are in force.
    """

    def __init__(self, known: Known, watch: Watch, offered: Limits | None) -> None:
        self._known, self._watch, self._offered = known, watch, offered
        self._state = known.state
        self.capabilities: Capabilities | None = None
        self.status: PumpStatus | None = None
        self.heard_ms = 0
        # Boot ms, epoch and counter of the last reading written.
        self._counted: tuple[int, int, int] | None = None
        self._asked_at = 0  # boot ms at which the last status that was news was asked for
        self._watchdog: Watchdog | None = None
        self._knows_step = False  # the watchdog was made when there were limits
        self._calm: Calm | None = None

    # A status by itself.

    def answered(self, status: PumpStatus, since: int) -> bool:
        """The pump answered a question of ``since`` (boot ms); whether that is news."""
        if self._goes_on(status, since):
            return True
        known = self._known
        moment, before = known.moment(), known.changes
        news = self._is_news(status, moment)
        self._take(status, since, moment, news=news)
        self._calm = self._calm_from(status, moment) if news and known.changes == before else None
        return news

    def silent(self) -> None:
        """A question was not answered."""
        self._known.actions += self._watching().silent(self._known.now())

    def pushed(self, status: PumpStatus) -> bool:
        """The pump said this by itself; whether it is news. If it was overtaken, only its alarms count."""
        moment = self._known.moment()
        if not self._is_news(status, moment):
            self._known.actions += self._watching().overtaken(status)
            return False
        # said at any time since it was asked; nobody knows how long it was on its way
        self._take(status, self._asked_at, moment, news=True)
        return True

    def counted(self, status: PumpStatus, since: int) -> None:
        """Write the counter down in any case, so that what left before is known as well as can be."""
        self._count(self.reading(status, since))

    # A status that came with something else: fields of that record.

    def told(self, outcome: Outcome, since: int, permit_id: int = 0) -> dict[str, Any]:
        """An outcome, of this permit or of a STOP, with the reading that it brought."""
        if isinstance(outcome, Acked):
            return {"what": "acked", **self.reading(outcome.status, since, permit_id)}
        if isinstance(outcome, Refused):
            stands = {"stands": True} if self._stood_still(outcome.status) else {}
            told = {"what": "refused", "code": outcome.code, **stands}
            return {**told, **self.reading(outcome.status, since, permit_id)}
        return {"what": "unknown", "detail": outcome.detail, **self.reading(None, since)}

    def reading(self, status: PumpStatus | None, since: int, permit_id: int = 0) -> dict[str, Any]:
        """A counter, and since when it may have stood there; no counter where there is no news.

        ``permit_id`` is the permit that the pump answered with it.
        """
        if status is not None:
            moment = self._known.moment()
            if self._is_news(status, moment):
                return self._news(status, since, moment, permit_id)
            self._observe(status, moment)
        # a repeated status proves nothing (F-15)
        return {"counter": None, "epoch": None, "tick_ms": None, "since": since}

    def _stood_still(self, status: PumpStatus | None) -> bool:
        """Whether a refusal shows that the pump, which is stopped before it is told anything, stands still."""
        can = self.capabilities
        if status is None or can is None or not can.stops_first:
            return False
        return status.state is not PumpState.RUNNING and self._is_news(status, self._known.moment())

    def _news(self, status: PumpStatus, since: int, moment: Moment, permit_id: int = 0) -> dict[str, Any]:
        self._observe(status, moment, since, permit_id)
        can, counter, epoch = self.capabilities, status.delivered_nl, status.epoch
        self._counted, self._asked_at = (moment[0], epoch, counter), since
        tick_ms = status.tick_ms if can is not None and can.tells_time else None
        fields = {"counter": counter, "epoch": epoch, "tick_ms": tick_ms, "since": since}
        if can is not None and can.stops_first and status.state is PumpState.RUNNING:
            fields["runs"] = True
        return fields

    # Nearly always, where polls are short: nothing new.

    def _goes_on(self, status: PumpStatus, since: int) -> bool:
        """Whether a status is news, and tells nothing else than the one before; then it is taken in."""
        calm, known, last, watchdog = self._calm, self._known, self.status, self._watchdog
        if calm is None or last is None or watchdog is None:
            return False
        changes, boot_id, began_ms, for_ms, ahead_ms, said, compared_nl, covered_zl, rate = calm
        boot_ms, counter = known.clock.boot_ms(), status.delivered_nl
        if (
            known.changes != changes
            or boot_ms - began_ms >= for_ms
            or status.tick <= last.tick
            or counter >= compared_nl
            or counter * ZL_PER_NL > covered_zl + rate * (boot_ms - began_ms)
            or (status.epoch, status.state, status.alarms) != said
            or self._state.lags(status.epoch, status.tick_ms, boot_ms + ahead_ms)
            or known.clock.boot_id() != boot_id
        ):
            return False
        self._asked_at, self.heard_ms, self.status = since, boot_ms, status
        watchdog.heard(status, boot_ms + ahead_ms)
        return True

    def _calm_from(self, status: PumpStatus, moment: Moment) -> Calm | None:
        """How long a status like this one, which was taken in, tells nothing new; None: each is to be looked at."""
        boot_ms, now, certain = moment
        known, state, told, limits = self._known, self._state, self._counted, self._state.limits
        if limits is None or told is None or told[1] != status.epoch:
            return None
        if not certain or state.unsettled or state.boot_ms(now) != boot_ms:
            return None
        history, watchdog = state.history, self._watching()
        covered_zl = history.covered(now, limits.pump.grain_nl)
        if covered_zl is None or watchdog.compares_from is None:
            return None
        compared_nl, enough_nl = watchdog.compares_at
        rate, until = history.growth(now)
        room = (enough_nl - 1) * ZL_PER_NL - history.flowed_zl(watchdog.compares_from, now)
        enough_ms = room // rate + 1 if rate else FAR  # then enough may have flowed to be compared
        return Calm(
            changes=known.changes,
            boot_id=known.clock.boot_id(),
            boot_ms=boot_ms,
            for_ms=min(until - now, told[0] + COUNTER_EVERY_MS - boot_ms, enough_ms),
            ahead_ms=now - boot_ms,
            said=(status.epoch, status.state, status.alarms),
            compared_nl=compared_nl,
            covered_zl=covered_zl,
            rate=rate,
        )

    # What it is worth.

    def _take(self, status: PumpStatus, since: int, moment: Moment, *, news: bool) -> None:
        """Write a status down if it tells something new: time off, drug nobody permitted, or later drug."""
        if news and self._tells_more(status, moment):
            self._count(self._news(status, since, moment))
            return
        if news:
            self._asked_at = since
        self._observe(status, moment, since)

    def _tells_more(self, status: PumpStatus, moment: Moment) -> bool:
        told, limits, counter = self._counted, self._state.limits, status.delivered_nl
        boot_ms, now, _ = moment
        if limits is None:
            return False
        # The first in a boot tells how long the host was off, or none does: then the words to be confirmed hold still.
        if told is None or status.epoch != told[1]:
            return True
        if counter != told[2] and boot_ms - told[0] >= COUNTER_EVERY_MS:
            return True
        return self._state.history.excess(now, status.epoch, counter, limits.pump.grain_nl) > 0

    def _count(self, reading: Mapping[str, Any]) -> None:
        self._known.write("counter", {**reading, "run": self._known.in_run})

    def _is_news(self, status: PumpStatus, moment: Moment) -> bool:
        """A status that was pushed may be read after a later one, or be repeated; then its counter is old."""
        last, state, (_, now, certain) = self.status, self._state, moment
        if last is None or status.epoch != last.epoch:
            repeated = state.told_before(status.epoch, status.tick_ms, status.delivered_nl)
        else:
            repeated = status.tick <= last.tick
        return not (repeated or (certain and state.lags(status.epoch, status.tick_ms, now)))

    # What the watchdog makes of it.

    def _observe(
        self, status: PumpStatus, moment: Moment, since: int | None = None, permit_id: int = 0
    ) -> None:
        """Let the watchdog look at a status, before its counter changes what is known.

        It was asked for at ``since`` (boot ms), or in the last of several exchanges that began then (D-01). One that
        answers a permit is compared with what ran until that was sent, for a pump may stand still while it is told:
        where commands come more often than polls, nothing else would be. Any other unsettled permit leaves too much
        open, and a pump that was known to stand owes nothing. What was commanded is remembered for so long as rules
        look back; of what began before that nobody can tell.
        """
        last, (boot_ms, now, certain) = self.status, moment
        # One that is repeated is no news; an older one is not what the next is measured by, or that was news (F-15).
        if last is None or status.tick > last.tick or status.epoch != last.epoch:
            self.status, self.heard_ms = status, boot_ms
        self._calm = None
        watchdog, state = self._watchdog if self._knows_step else None, self._state
        if watchdog is None:
            watchdog = self._watching()
        if last is None and state.reset_since(status):
            self._known.actions += UNSEEN_RESET
        asked = now if since is None else now - max(0, min(boot_ms - since, EXCHANGE_MS))
        owed = now - (boot_ms - since) if permit_id and since is not None else now
        since, history = watchdog.compares_from, state.history
        ran = last is not None and last.state is PumpState.RUNNING
        unsettled = state.unsettled.keys() - ({permit_id} if ran else set())
        if since is None or not certain or unsettled or since < now - history.window_ms:
            self._known.actions += watchdog.status(status, now, None, asked=asked)
        else:
            most = history.flowed_nl(since, now)
            self._known.actions += watchdog.status(
                status, now, most, lambda start, end: history.surely_nl(start, min(end, owed)), asked
            )

    def _watching(self) -> Watchdog:
        """It compares in the pump's steps, which limits tell: with the first ones it begins anew."""
        watchdog, limits = self._watchdog, self._state.limits or self._offered
        if watchdog is None or (limits is not None and not self._knows_step):
            self._knows_step = limits is not None
            step_nl = 1 if limits is None else limits.pump.grain_nl  # nothing is commanded without limits
            self._watchdog = watchdog = Watchdog(self._watch, step_nl, self._known.now())
        return watchdog
