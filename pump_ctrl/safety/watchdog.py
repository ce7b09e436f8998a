"""Watches the pump: silence, a stale status, a counter that does not follow its command, the pump's own
alarms.

Layer      safety, pure: statuses and ``now`` come in, actions go out; the guard carries them out.
Hazard     a pump that does something else than it was told, or nothing, and nobody looks (S-22, S-23, S-31).
Invariant  each condition raises its own alarm within its bound, and a near miss raises none.
Tests      tests/safety/test_watchdog.py

Only what can be read is compared: what the guard knows to have been commanded with the pump's own counter.
What the plan asks and nobody commanded is the controller's to watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from typing import Final

from pump_ctrl.drivers.base import PumpState, PumpStatus


class Remedy(StrEnum):
    """What has to be done beside the alarm."""

    NOTHING = auto()
    STOP = auto()
    HOLD = auto()  # stop, unless the plan has a bounded hold: then what runs goes on to its end
    CUT = auto()  # stop again, and take the pump's power away where something can


@dataclass(frozen=True, slots=True)
class Action:
    """An alarm condition that holds, or holds no more, and what to do about it."""

    code: str
    holds: bool
    detail: str
    remedy: Remedy = Remedy.NOTHING


@dataclass(frozen=True, slots=True)
class Watch:
    """Bounds of data/timing.toml; times in ms. ``under_ms`` is the drug's: 4 h baclofen and clonidine, 12 h
    others.
    """

    poll_ms: int = 15_000
    silent_polls: int = 3
    stale_ticks: int = 3
    off_steps: int = 2
    off_percent: int = 15
    least_steps: int = 4
    under_ms: int = 14_400_000


STATES: Final = {PumpState.STALLED: "stalled", PumpState.EMPTY: "empty", PumpState.FAILED: "failed"}
PUMP_ALARMS: Final = {
    "stall": "stalled",
    "empty": "empty",
    "low_battery": "battery-low",
    "end_of_service": "failed",
    "low_reservoir": "reservoir-low",
    "withdrawn": "withdrawn",
    "timeout": "pump-timeout",
    "program": "pump-program",
    "phase-range": "pump-program",
}
BY_EPOCH: Final = frozenset({"reset"})  # words that a new epoch tells, and tells better
CONDITIONS: Final = frozenset({*STATES.values(), *PUMP_ALARMS.values()})
Least = Callable[[int, int], int]  # that must have flowed between two instants, nL
_ANSWERED: Final = (Action("silence", False, ""), Action("stale", False, ""))
_FLOWS: Final = Action("under-delivery", False, "")
_AGREES: Final = Action("disagreement", False, "")
_HEALTHY: Final = (_FLOWS, _AGREES)


class Watchdog:
    """One pump's watch.

    Args:
        watch: the bounds.
        step_nl: the pump's step.
        now: when watching begins.

    Attributes:
        compares_from: instant from which on the guard has to sum up what it commanded: that of the question, for the
            pump reads its counter somewhere between question and answer; None before the first status.
    """

    def __init__(self, watch: Watch, step_nl: int, now: int) -> None:
        self._watch = watch
        self._off_nl, self._enough_nl = watch.off_steps * step_nl, watch.least_steps * step_nl
        self._heard_at, self._unanswered = now, 0
        self._last: PumpStatus | None = None
        self._equal = 1  # statuses in a row with the same tick
        self.compares_from: int | None = None
        self._counter, self._read_by = 0, now  # at that instant or later, but by then
        self._flowed_at = now

    def silent(self, now: int) -> list[Action]:
        """A question was not answered: silence after three of them, over more than three polls."""
        self._unanswered += 1
        quiet, most = now - self._heard_at, self._watch.silent_polls * self._watch.poll_ms
        if quiet <= most or self._unanswered < self._watch.silent_polls:
            return []
        return [Action("silence", True, f"no answer for {quiet} ms, at most {most} ms", Remedy.HOLD)]

    @property
    def compares_at(self) -> tuple[int, int]:
        """The counter, and what was commanded since ``compares_from``, from which on the two are compared, nL."""
        return self._counter + self._enough_nl, self._enough_nl

    def heard(self, status: PumpStatus, now: int) -> None:
        """The pump answered with a status that is none of those before."""
        self._last, self._heard_at, self._unanswered, self._equal = status, now, 0, 1

    def overtaken(self, status: PumpStatus) -> list[Action]:
        """A status that the pump pushed before the last one that was read: only its alarms are news."""
        return [action for action in _conditions(status.alarms, status.state) if action.holds]

    def status(
        self,
        status: PumpStatus,
        now: int,
        commanded_nl: int | None,
        least_nl: Least | None = None,
        asked: int | None = None,
    ) -> Sequence[Action]:
        """The pump said how it is; it was ``asked`` then, None: nobody knows, or just now.

        ``commanded_nl`` is the most that can have flowed since ``compares_from``, None where nobody can tell;
        ``least_nl`` the least that must have between two instants, asked for only where the counter does not agree
        with the most, and left out where both are the same.
        """
        last = self._last
        reset = last is not None and status.epoch != last.epoch
        if last is not None and not reset and status.tick <= last.tick:
            return self._stale(status)
        self.heard(status, now)
        told = _reset(status) if reset else _told(status.alarms, status.state)
        asked = now if asked is None else asked
        if reset or self.compares_from is None or commanded_nl is None:
            self._restart(status, now, asked)
            return told
        counted = status.delivered_nl - self._counter
        if counted < self._enough_nl and commanded_nl < self._enough_nl:
            return told  # nearly always, where polls are short: too little of either to compare
        return [*told, *self._compare(status, now, asked, counted, commanded_nl, least_nl)]

    def _stale(self, status: PumpStatus) -> list[Action]:
        self._equal += 1
        if self._equal < self._watch.stale_ticks:
            return []
        return [Action("stale", True, f"{self._equal} statuses with tick {status.tick}", Remedy.STOP)]

    def _restart(self, status: PumpStatus, now: int, asked: int) -> None:
        self.compares_from, self._counter = asked, status.delivered_nl
        self._read_by = self._flowed_at = now

    def _compare(
        self, status: PumpStatus, now: int, asked: int, counted: int, most_nl: int, least_nl: Least | None
    ) -> Sequence[Action]:
        """Commanded against counted since then, of which there is enough."""
        off = self._off(most_nl)
        if counted > 0 and -off <= counted - most_nl <= off:  # nearly always: nothing else can be found below
            self._restart(status, now, asked)
            return _HEALTHY
        due = most_nl
        if least_nl is not None:
            due = least_nl(self._read_by, asked) if asked > self._read_by else 0
        ms = now - self._read_by
        actions = self._under(counted, due, now) + self._differs(counted, most_nl, off, due, ms)
        if counted > 0:
            self._restart(status, now, asked)
        return actions

    def _off(self, commanded_nl: int) -> int:
        """By how much a counter may differ."""
        return max(self._off_nl, self._watch.off_percent * commanded_nl // 100)

    def _differs(self, counted: int, most_nl: int, off: int, due_nl: int, ms: int) -> list[Action]:
        """More than can have flowed, or less than must have, of which there has to be enough to tell.

        ``off`` is by how much the counter may be ahead of ``most_nl``.
        """
        if counted - most_nl > off:
            detail = f"{most_nl} nL commanded, {counted} nL counted in {ms} ms"
            return [Action(code, True, detail, Remedy.STOP) for code in ("disagreement", "over-delivery")]
        if due_nl >= self._enough_nl and due_nl - counted > self._off(due_nl):
            detail = f"{due_nl} nL commanded, {counted} nL counted in {ms} ms"
            return [Action("disagreement", True, detail, Remedy.HOLD)]
        return [_AGREES]

    def _under(self, counted: int, due_nl: int, now: int) -> list[Action]:
        if counted > 0:
            return [_FLOWS]
        quiet = now - self._flowed_at
        if quiet < self._watch.under_ms or due_nl < self._enough_nl:
            return []
        return [Action("under-delivery", True, f"{due_nl} nL commanded, nothing flowed for {quiet} ms")]


def _reset(status: PumpStatus) -> Sequence[Action]:
    """The pump says how it is, for the first time since it lost power."""
    lost = Action("pump-reset", True, f"epoch {status.epoch}"), Action("pump-reset", False, "")
    return (*_ANSWERED, *lost, *_conditions(status.alarms, status.state))


@lru_cache(maxsize=64)  # nearly every status says the same: 9 actions are not put together anew each time
def _told(alarms: frozenset[str], state: PumpState) -> Sequence[Action]:
    """What any status says, whatever its counter."""
    return (*_ANSWERED, *_conditions(alarms, state))


def _conditions(alarms: frozenset[str], state: PumpState) -> tuple[Action, ...]:
    """The pump's own alarms, and whether one of them is none that we know; what it does not tell any more has gone."""
    unknown = ", ".join(sorted(alarms - PUMP_ALARMS.keys() - BY_EPOCH))
    true = {PUMP_ALARMS[name] for name in alarms if name in PUMP_ALARMS}
    true |= {STATES[state]} & CONDITIONS if state in STATES else set()
    told = [
        Action(code, code in true, "told by the pump" if code in true else "") for code in sorted(CONDITIONS)
    ]
    return (*told, Action("pump-alarm", unknown != "", unknown))
