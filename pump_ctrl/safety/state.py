"""Everything the guard knows, as a fold over its journal records: live and after a restart the same code
runs.

Layer      safety, pure: no clock, no I/O. ``apply`` is the only way to change it.
Hazard     a state in memory that the journal cannot rebuild; a window that ages by a clock that restarted.
Invariant  S-26: replaying any prefix of the journal gives the state that was in force when its last record was
           written.
Tests      tests/safety/test_state.py and test_state_*.py, tests/properties/test_history_oracle.py

Guard time: boot-time ms plus an offset, so that it runs on from boot to boot. Over a host reboot it stands
still until elapsed time is known from the pump's tick or from a person; then what lies before the reboot is
moved back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from pump_ctrl.drivers.base import Permit, PumpStatus
from pump_ctrl.safety.alarms import Board
from pump_ctrl.safety.ask import Ask, Purpose, steps_from_json
from pump_ctrl.safety.curve import FAR, FAR_PAST, ZL_PER_NL
from pump_ctrl.safety.doses import BEFORE, Draft, Terms, draft
from pump_ctrl.safety.history import History
from pump_ctrl.safety.limits import MS_PER_HOUR, NL_PER_ML, WINDOWS_H, Limits, Mix, limits_of
from pump_ctrl.safety.path import Front, Path
from pump_ctrl.safety.witness import MEMORY_MS, Mark

Data = Mapping[str, Any]
PLAN_TOLERANCE_MS: Final = 2_000  # a confirm that moves plan time by more opens a new basal account (D-16)
LATE_MS: Final = 2_000  # a status that was on its way for longer is an old one
TICK_TRUST: Final = (95, 100)  # a pump's clock may be so slow or fast (S-28, D-16, F-47)
_PURPOSES: Final = {purpose.value: purpose for purpose in Purpose}
EMPTY_PATH: Final = Path(0, 0, (Front((), 0, 0),))  # of no fluid that is known, until limits name it


@dataclass(frozen=True, slots=True)
class LifeSign:
    """A process in RUN was alive at ``boot_ms`` of that boot; kept beside the journal (docs/adr/0008)."""

    boot_id: str
    boot_ms: int


class Tick(NamedTuple):
    """The pump's own time, read between two instants."""

    since: int
    at: int
    epoch: int
    tick_ms: int
    counter: int


class State:
    """The guard's knowledge. All times inside are guard time unless a name says otherwise."""

    def __init__(self) -> None:
        self.limits: Limits | None = None
        self.history = History(WINDOWS_H[-1] * MS_PER_HOUR)
        self.path = EMPTY_PATH
        self.board = Board()
        self.boot_id: str | None = None
        self.last = 0  # instant of the last record
        self.unsettled: dict[int, Permit] = {}
        self.requests: dict[str, int] = {}  # request id -> permit id
        self.last_permit = 0
        self.dosed = False
        self.at_rest = False  # stopped, and told nothing since
        self.confirmed = False
        self.pump: str | None = None  # fingerprint of the pump that was confirmed
        self.run_at = FAR_PAST  # last record written while running (D-14)
        self.holds: dict[int, int] = {}  # nL that each hold since then may have given
        self.primes: dict[int, int] = {}  # nL that each prime since the last new path may have given
        self.primed_until = FAR_PAST  # latest end of the last prime
        self._path_from = (0, 0)  # low and high volume when the path was new
        self._path_told = False  # a person told of a new path that has not been primed yet
        self.sightings: list[Mark] = []  # of an independent sensor since its origin, in the last 24 h
        self.loaded_at = FAR_PAST  # last load of another plan
        self.fill = (0, 0, 0)  # declared content, low and high volume when it was filled
        self.runs_low = False  # since this fill no more than the alarm volume was surely left
        # So much may still be asked for before that can be so, nL, unless more left than was: looked at again then.
        self._spare_nl, self._beyond = 0, 0
        # A refill was told since the journal began; the last one named no fluid.
        self._refilled = self._unnamed_fill = False
        self._offset = 0
        self._edge: int | None = None  # guard time of the reboot since when elapsed time is not known
        self._plan: tuple[int, int] | None = None  # guard time, plan time
        self._utc: tuple[int, int] | None = None  # guard time, UTC of the last confirm
        self._moves = 0
        self._tick: Tick | None = None

    # Time.

    def now(self, boot_ms: int, boot_id: str) -> int:
        """Guard time. In a boot that no record has been written in, it stands."""
        return self.moment(boot_ms, boot_id)[0]

    def moment(self, boot_ms: int, boot_id: str) -> tuple[int, bool]:
        """Guard time, and whether elapsed time is known.

        After a reboot of the host it is not, until the pump's tick or a person tells how long that took.
        """
        if self.boot_id is not None and boot_id != self.boot_id:
            return self.last + 1, False
        now, last = boot_ms + self._offset, self.last
        return now if now > last else last, self._edge is None

    def boot_ms(self, guard_ms: int) -> int:
        """The inverse of ``now`` within this boot."""
        return guard_ms - self._offset

    @property
    def timeless(self) -> bool:
        """Elapsed time is not known since a reboot of the host."""
        return self._edge is not None

    def plan_ms(self, now: int) -> int | None:
        """Plan time; None before the first confirm and while elapsed time is not known."""
        if self._plan is None or self.timeless:
            return None
        return self._plan[1] + now - self._plan[0]

    def utc_ms(self, now: int, wall_ms: int) -> int:
        """UTC of the last confirm and what has gone by since; the wall clock only before the first (D-16)."""
        return wall_ms if self._utc is None else self._utc[1] + now - self._utc[0]

    def ahead_ms(self, now: int, wall_ms: int) -> int:
        """By how much a wall clock that tells ``wall_ms`` (UTC) is ahead of what is known to have gone by."""
        return wall_ms - self.utc_ms(now, wall_ms)

    def plan_after(self, now: int, off_ms: int) -> int | None:
        """Plan time if the host was off for ``off_ms``; None before the first confirm."""
        return None if self._plan is None else self._plan[1] + now - self._plan[0] + off_ms

    def _tell(self, at: int, boot_id: str) -> int:
        """Guard time of a record; the first one of a boot fixes how guard time runs in it."""
        if self.boot_id is None:
            self.boot_id = boot_id
        elif boot_id != self.boot_id:
            self.boot_id, self._offset = boot_id, self.last + 1 - at
            if self._edge is None:
                self._edge = self.last
            self.history.unclocked(self.last)
        now, last = at + self._offset, self.last
        self.last = now = now if now > last else last
        return now

    def _age(self, gap: int, doubt: int, sure: int, now: int) -> None:
        """The host was off for ``gap`` ms, or ``doubt`` less: what was before moves back; boluses by
        ``sure``.
        """
        edge = self._edge
        if edge is None:
            return
        self.history.age(gap, doubt, sure, now)
        self._spare_nl = 0  # more may have left than was known: look again
        self.run_at -= gap if self.run_at <= edge else 0
        self.loaded_at -= sure if self.loaded_at <= edge else 0
        if self._plan is not None and self._plan[0] <= edge:
            self._plan = (self._plan[0] - gap, self._plan[1])
        if self._utc is not None and self._utc[0] <= edge:
            self._utc = (self._utc[0] - gap, self._utc[1])
        self.board.older(edge, gap)
        self.sightings = [mark.older(gap, doubt) if mark.at <= edge else mark for mark in self.sightings]
        if self._tick is not None and self._tick.at <= edge:
            self._tick = self._tick._replace(since=self._tick.since - gap, at=self._tick.at - gap)
        self._edge = None

    # Records.

    def apply(self, kind: str, data: Data, boot_id: str) -> None:
        """Take in one record; kinds that are not the guard's are left alone."""
        handler: Callable[[State, int, Data], None] | None = _HANDLERS.get(kind)
        if handler is None:
            return
        at = self._tell(data["at"], data.get("boot", boot_id))
        handler(self, at, data)
        if kind in _FILLS or (kind in _FLOWS and not self.runs_low and self._may_run_low):
            self.runs_low = self._is_low(at)
        if self.primes:
            self._narrow(self.primes, self.history.dose_most_nl)
        if self.holds:
            self._narrow(self.holds, self.history.run_most_nl)

    def _narrow(self, given: dict[int, int], most_nl: Callable[[int], int | None]) -> None:
        for permit_id, known in given.items():
            most = most_nl(permit_id)
            given[permit_id] = known if most is None else min(known, most)

    def _limits(self, at: int, data: Data) -> None:
        old, new = self.limits, limits_of(data["limits"])
        self.limits = new
        self.history.window_ms = max(self.history.window_ms, new.window_ms)
        other = old is None or old.plan_sha256 != new.plan_sha256
        low, high = self._filled_at(at)
        if old is None:
            self._first(new)
        fronts = self.path.fronts
        if new.path_fluid and not any(front.mix == new.path_fluid for front in fronts):
            self.path = self.path.filled(new.path_fluid, low, high)
        filled = self.path.filled(new.reservoir_fluid, low, high)
        self.path = Path(new.tip_lo_nl, new.tip_hi_nl, filled.fronts)
        self._unnamed_fill = False
        # What a sensor has proven before the first limits counts by the strongest fluid that they name.
        self.history.named(self._tip)
        if other:
            self._new_path(at)
            self._plan = None
            self.loaded_at = FAR_PAST if old is None else at
        if data["plan_ms"] is not None:
            self._plan = (at, data["plan_ms"])

    def _first(self, new: Limits) -> None:
        """The first limits say what path and reservoir hold, but for what a refill has told before them."""
        told = self.path.fronts[1:]
        # A path that is said to be empty counts as filled.
        first = new.path_fluid or self.path.newest or new.reservoir_fluid
        self.path = replace(self.path, fronts=(Front(first, 0, 0),))
        for front in told:
            self.path = self.path.filled(front.mix, 0, 0)
        if not self._refilled:
            self.fill = (new.fill_nl, 0, 0)

    def _filled_at(self, at: int) -> tuple[int, int]:
        """Volume bounds when the present fluid went in: at the last refill that named none, else now."""
        if self._unnamed_fill:
            return self.fill[1], self.fill[2]
        return self.history.low_nl, self.history.most_nl(at)

    def _intent(self, at: int, data: Data) -> None:
        steps = steps_from_json(data["steps"])
        ask = Ask(data["request"], _PURPOSES[data["purpose"]], data["account"], steps)
        permit = Permit(data["id"], steps, data["expires_ms"])
        doubt = FAR if data["doubt_ms"] is None else data["doubt_ms"]
        drafted = self.drafted(ask, at, doubt=doubt, permit_id=permit.id)
        self.history.begin(
            drafted,
            data.get("ahead_nl", 0),
            data.get("hidden_nl", 0),
            clears=data.get("clears", False),
            keeps=data.get("keeps", False),
        )
        self.path = self.path.settled(self.history.low_nl)
        self.unsettled[permit.id] = permit
        self.requests[ask.request_id] = permit.id
        self.last_permit = permit.id
        self._spare_nl -= permit.volume_nl + data.get("ahead_nl", 0)
        self.dosed, self.at_rest = True, False
        if ask.purpose is Purpose.HOLD:
            self.holds[permit.id] = permit.volume_nl
        else:
            self._running(at)
        if ask.purpose is Purpose.PRIME:
            self.primes[permit.id] = permit.volume_nl
            self._path_told = False
            self.primed_until = at + permit.duration_ms

    def _running(self, at: int) -> None:
        self.run_at, self.holds = at, {}

    def _outcome(self, at: int, data: Data) -> None:
        permit_id = data["id"]
        if data["what"] == "acked":
            self.history.acked(permit_id, at)
            self._settled(permit_id)
        elif data["what"] == "refused":
            self._not_given(permit_id)
        if data.get("stands"):
            self._stopped(at, data)
        self._reading(at, data)

    def _evidence(self, at: int, data: Data) -> None:
        if data["what"] == "given":
            self.history.given(data["id"], at, data["hi"], ended=data["ended"])
            self._settled(data["id"])
        else:
            self._not_given(data["id"])
        self._reading(at, data)
        if data["what"] == "given" and self.limits is not None:
            self.history.outrun(data["id"], at, data["lo"], self.limits.pump.grain_nl, self._tip)

    @property
    def _tip(self) -> Mix:
        """By what counts that nobody permitted: any fluid that has not surely left may have come to the tip by it."""
        return self.path.only or self.path.tip(self.history.low_nl, FAR)

    def _not_given(self, permit_id: int) -> None:
        """Proof that the permit gave nothing: its request may be asked again."""
        self.history.dropped(permit_id)
        self._settled(permit_id)
        self.holds.pop(permit_id, None)
        self.primes.pop(permit_id, None)
        self.requests = {name: known for name, known in self.requests.items() if known != permit_id}

    def _settled(self, permit_id: int) -> None:
        self.unsettled.pop(permit_id, None)

    def told_before(self, epoch: int, tick_ms: int, counter: int) -> bool:
        """Whether a pump that tells time told this, or a later moment, already: to a process before this one."""
        last = self._tick
        return last is not None and last.epoch == epoch and (tick_ms, counter) <= (last.tick_ms, last.counter)

    def reset_since(self, status: PumpStatus) -> bool:
        """Whether the pump has lost its power since this journal told it something.

        By its word, or by its epoch, where one lasts as long as the pump has power: where it tells time.
        """
        last = self._tick
        return self.dosed and ("reset" in status.alarms or (last is not None and last.epoch != status.epoch))

    def lags(self, epoch: int, tick_ms: int, now: int) -> bool:
        """Whether the time that a pump tells is further behind the host's than its clock can be: an old status.

        It may be one that nobody heard when it was said first, so that it is none of those that are known.
        """
        last = self._tick
        if last is None or last.epoch != epoch:
            return False
        trust, of = TICK_TRUST
        return tick_ms - last.tick_ms < (now - last.at - LATE_MS) * trust // of

    def lived_past(self, sign: LifeSign) -> bool:
        """Whether a sign of life is of the boot of the last record, and later than it."""
        return sign.boot_id == self.boot_id and sign.boot_ms + self._offset > self.last

    def _alive(self, at: int, _data: Data) -> None:
        """An earlier life was in RUN until ``at``, in its own boot."""
        self._running(at)

    def _resolve(self, at: int, data: Data) -> None:
        self.history.released(data["id"], at)
        self._settled(data["id"])

    def _stop(self, at: int, data: Data) -> None:
        if data["what"] == "acked":
            self._stopped(at, data)
        else:
            self.history.stopping(min(at, data["since"] + self._offset))
        self._reading(at, data)

    def _stopped(self, at: int, data: Data) -> None:
        """The pump was told to stop, and stands still."""
        self.history.stopping(min(at, data["since"] + self._offset))
        self.history.stopped(at)
        self.at_rest = True

    def _counter(self, at: int, data: Data) -> None:
        self._reading(at, data)
        if data["run"]:
            self._running(at)

    def _reading(self, at: int, data: Data) -> None:
        """A counter, with when the question left; the pump's own time tells how long the host was off."""
        if data.get("counter") is None or self.limits is None:
            return
        since = data["since"] + self._offset
        since = since if since < at else at
        self._by_tick(since, at, data)
        since = since if self._edge is None else max(since, self._edge + 1)  # it was asked in this boot
        grain = self.limits.pump.grain_nl
        narrows = not data.get("runs", False)  # one without ticks of its own may tell an old counter then
        self.history.reading(since, at, data["epoch"], data["counter"], grain, self._tip, narrows=narrows)

    def _by_tick(self, since: int, at: int, data: Data) -> None:
        """The pump's own time between two readings, each taken somewhere within its exchange."""
        tick, last = data["tick_ms"], self._tick
        if self._edge is not None and tick is not None and last is not None and last.at <= self._edge:
            told = tick - last.tick_ms
            if last.epoch == data["epoch"] and told >= 0:
                least, most = told - (at - last.since), told - (since - last.at)
                trust, of = TICK_TRUST
                sure = told * trust // of - (at - last.since)
                self._age(max(0, most), most - least, max(0, sure), at)
        self._tick = None if tick is None else Tick(since, at, data["epoch"], tick, data["counter"])

    def _refill(self, at: int, data: Data) -> None:
        self.fill = (data["fill_nl"], self.history.low_nl, self.history.most_nl(at))
        self._refilled, self._unnamed_fill = True, data["fluid"] is None
        if data["fluid"] is not None:
            mix: Mix = tuple(sorted((drug, pg_per_ml) for drug, pg_per_ml in data["fluid"].items()))
            self.path = self.path.filled(mix, self.fill[1], self.fill[2])
        if data["new_path"]:
            self._path_told = False
            self._new_path(at)
            self._path_told = True

    def _new_path(self, at: int) -> None:
        """The path is new: told by a person, or by another plan, which does not make one newer that was told."""
        if not self._path_told:
            self.primes, self._path_from = {}, (self.history.low_nl, self.history.most_nl(at))

    def in_path(self, now: int) -> int:
        """Most of anything that has left since the path was new, nL, as far as its bounds were known then."""
        low, high = self._path_from
        return max(self.history.low_nl - low, self.history.most_nl(now) - high)

    def _confirm(self, at: int, data: Data) -> None:
        if (gap := data["off_ms"]) is not None:
            self._age(gap, 0, gap, at)
        plan = self.plan_ms(at)
        if plan is not None and abs(plan - data["plan_ms"]) > PLAN_TOLERANCE_MS:
            self._moves += 1
        self._plan, self._utc = (at, data["plan_ms"]), (at, data["utc_ms"])
        self.confirmed, self.pump = True, data["pump"]
        self._running(at)
        if data["given"]:
            mix: Mix = tuple(sorted((drug, pg * NL_PER_ML) for drug, pg in data["given"].items()))
            self.history.block((BEFORE, mix), ZL_PER_NL, at - 1, at)
            self.history.lock(at)

    def _seen(self, at: int, data: Data) -> None:
        """An independent sensor was read; what it proves beyond all that was permitted counts."""
        until = min(at, data["until"] + self._offset)
        since = min(until, data["since"] + self._offset)
        kept = [] if data["anew"] else [mark for mark in self.sightings if at - mark.at <= MEMORY_MS]
        self.sightings = [*kept, Mark(since, until, data["nl"], data["origin"], data["most"])]
        if data["extra"]:
            start = min(since, data["extra_from"] + self._offset)
            self.history.measured(data["extra"], start, until, self._tip if self.limits is not None else ())
        if data["run"]:
            self._running(at)

    def _alarm(self, at: int, data: Data) -> None:
        match data["what"]:
            case "raised":
                self.board.raised(data["code"], at, data["detail"])
            case "gone":
                self.board.gone(data["code"])
            case _:
                self.board.acknowledged(data["code"])

    # What the rules ask.

    def drafted(self, ask: Ask, at: int, *, doubt: int, permit_id: int = 0) -> Draft:
        """The request as pieces, if it were sent ``at``."""
        limits = self.limits
        if limits is None:
            raise ValueError("no limits are in force")
        history, path, plan = self.history, self.path, limits.plan_sha256[:16]
        before = 0
        if not path.only:
            before = history.high_nl if self.unsettled else history.most_nl(at + limits.stop_ms)
        terms = Terms(
            basal_key=f"{plan}/{ask.account}/{self._moves}",
            bolus_key=f"{plan}/{ask.account}",
            only=path.only,
            tip=lambda nl: path.tip(history.low_nl, before + nl),
            filled=path.newest,
            grain_nl=limits.pump.grain_nl,
        )
        return draft(ask.steps, ask.purpose, terms, permit_id=permit_id, sent=at, doubt=doubt)

    def left_by(self, now: int) -> tuple[int, int]:
        """Least and most that has left by ``now`` since the last fill, nL."""
        _, low, high = self.fill
        return max(0, self.history.low_nl - high), self.history.most_nl(now) - low

    @property
    def _may_run_low(self) -> bool:
        return self._spare_nl <= 0 or bool(self.unsettled) or self.history.beyond != self._beyond

    def _is_low(self, now: int) -> bool:
        """Whether what is surely left, the fill less the most that may have left by ``now``, is the alarm volume."""
        limits = self.limits
        if limits is None:
            return False
        above_nl = self.fill[0] - limits.alarm_nl
        # all that was permitted may flow yet
        self._spare_nl = above_nl - (self.history.high_nl - self.fill[1])
        self._beyond = self.history.beyond
        return self.left_by(now)[1] >= above_nl


# What the reservoir holds, or its alarm volume, is another one; it is known anew what has left.
_FILLS: Final = frozenset({"limits", "refill"})
_FLOWS: Final = frozenset({"outcome", "evidence", "counter", "stop", "seen"})
_HANDLERS: Final[Mapping[str, Callable[[State, int, Data], None]]] = {
    "limits": State._limits,
    "confirm": State._confirm,
    "intent": State._intent,
    "outcome": State._outcome,
    "evidence": State._evidence,
    "stop": State._stop,
    "counter": State._counter,
    "alive": State._alive,
    "resolve": State._resolve,
    "refill": State._refill,
    "seen": State._seen,
    "alarm": State._alarm,
}
