"""What a session with a Harvard pump remembers: its counter, its runs, and what one look at the pump proves.

Layer      drivers, pure; imports ``base`` and its codec. Sends nothing.
Hazard     F-21, F-24: a counter that we clear before each run, and that the pump or a person clears as well.
Invariant  what is told as delivered never falls within an epoch; a run is called not given only where the
           pump's timer proves that it has kept its power (the manual: volumes and timers are lost with it).
Tests      tests/unit/test_harvard_memory.py, tests/unit/test_harvard_evidence.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pump_ctrl.drivers.base import Evidence, Given, NotGiven, Nothing, PumpState, PumpStatus
from pump_ctrl.drivers.harvard_amounts import FL_PER_NL
from pump_ctrl.drivers.harvard_codec import Prompt, StatusLine

ALARMS: Final = ("stall", "empty", "reset")  # all that it can tell
REMEMBERED: Final = 64  # permits
_COARSE: Final = 100_000  # ``ivolume`` has six digits: it may be so small a part below the status line
_RESETS: Final = 1 << 16  # epochs of one session


class Counter:
    """The infused volume, summed up over our own clears.

    Args:
        owner: number of the session, from which its epochs come.
    """

    def __init__(self, owner: int) -> None:
        self.epoch = owner * _RESETS
        self.clearing = False  # ``civolume`` was sent since the last reading
        self.lost = False  # the pump was found without its polling mode, and so to have lost its power
        self.fell = False  # at the last reading it was below the one before, or lost
        self._past, self._last = 0, 0  # fL before the last clear, and since

    @property
    def delivered_nl(self) -> int:
        """What was infused in this epoch, whole nL."""
        return (self._past + self._last) // FL_PER_NL

    def take(self, infused_fl: int) -> bool:
        """Take a reading; True if the pump has lost what it had counted."""
        self.fell = self.lost or (infused_fl < self._last and not (self.clearing and infused_fl == 0))
        self.lost = False
        if self.fell:
            self.restart()
        elif infused_fl < self._last:
            self._past += self._last
        self.clearing = False
        self._last = infused_fl
        return self.fell

    def refined(self, coarse_fl: int) -> int:
        """A reading of six digits; where it can be the last exact one, that one."""
        return self._last if coarse_fl <= self._last <= coarse_fl + coarse_fl // _COARSE else coarse_fl

    def restart(self) -> None:
        """Another epoch: the pump lost its power, somebody cleared it, or it is another pump."""
        self.epoch += 1
        self._past, self._last = 0, 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the pump. ``infused_fl`` since the last clear, ``timed`` whether its timer of infusion counts."""

    status: PumpStatus
    infused_fl: int
    stands: bool
    infuses: bool
    stalled: bool
    reached: bool
    timed: bool

    @classmethod
    def of(
        cls,
        told: StatusLine,
        prompt: Prompt,
        infused_fl: int,
        counter: Counter,
        memory: Memory,
        tick: int,
        now_ms: int,
    ) -> Seen:
        """Put status line and prompt together; where they differ, the worse holds.

        A pump that stands still, and whose volume and timer are nothing before this session has told it to run, has
        not run since it powered up: that is told as ``reset``, for a session before may have seen it run.
        """
        stands = prompt.stands and not told.runs
        stalled = told.stalled or prompt is Prompt.STALLED
        empty = prompt is Prompt.INFUSE_LIMIT
        infuses = prompt is Prompt.INFUSING and told.runs and told.infuse and not stalled
        timed = told.infuse and told.elapsed > 0
        unused = stands and told.infuse and not timed and infused_fl == 0 and not memory.begun
        alarms = (stalled, empty, counter.fell or unused)
        status = PumpStatus(
            epoch=counter.epoch,
            tick=tick,
            tick_ms=now_ms,
            state=_state(stalled=stalled, empty=empty, stands=stands),
            delivered_nl=counter.delivered_nl,
            running_id=memory.running if infuses else None,
            step_done_nl=infused_fl // FL_PER_NL if infuses else 0,
            alarms=frozenset(name for name, holds in zip(ALARMS, alarms, strict=True) if holds),
        )
        reached = stands and (prompt is Prompt.TARGET or told.target is True)
        return cls(status, infused_fl, stands, infuses, stalled, reached, timed)


def _state(*, stalled: bool, empty: bool, stands: bool) -> PumpState:
    if stalled:
        return PumpState.STALLED
    if empty:
        return PumpState.EMPTY
    return PumpState.IDLE if stands else PumpState.RUNNING


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that was started, or was about to be: the most it can give (fL), and the epoch it was cleared in."""

    most_fl: int
    epoch: int


class Memory:
    """The permits of this session, the last 64 of each kind."""

    def __init__(self) -> None:
        self.begun: dict[int, Begun] = {}
        self.closed: dict[int, Evidence] = {}  # evidence of what was replaced: the pump forgets it then
        self.spared: dict[int, None] = {}  # refused before their ``irun`` left
        self._last: int | None = None

    @property
    def running(self) -> int | None:
        """The permit that runs, if anything of ours does."""
        return self._last

    def begin(self, permit_id: int, begun: Begun) -> None:
        """Its ``irun`` is about to leave, or has left in an earlier session."""
        self.spared.pop(permit_id, None)
        self.begun[permit_id] = begun
        self._last = permit_id
        _bound(self.begun)

    def spare(self, permit_id: int) -> None:
        """No ``irun`` of it left, or the pump did not take it."""
        self.begun.pop(permit_id, None)
        self.spared[permit_id] = None
        self._last = None if self._last == permit_id else self._last
        _bound(self.spared)

    def close(self, seen: Seen, *, buffered: bool, epoch: int) -> None:
        """The run in force was stopped and its counter is about to be cleared: this is the last to be known of it."""
        if self._last is not None:
            self.closed[self._last] = concluded(self.begun[self._last], seen, buffered=buffered, epoch=epoch)
            self._last = None
            _bound(self.closed)


_K = dict[int, Begun] | dict[int, Evidence] | dict[int, None]


def _bound(kept: _K) -> None:
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]


def concluded(begun: Begun, seen: Seen, *, buffered: bool, epoch: int) -> Evidence:
    """What became of a run, seen while it runs or, after a STOP that was seen to act, at rest."""
    whole = begun.epoch == epoch  # the counter has gone on since it was cleared for this run
    low, high = seen.infused_fl // FL_PER_NL, -(-seen.infused_fl // FL_PER_NL)
    most = max(high, begun.most_fl // FL_PER_NL)
    if not seen.stands or seen.infused_fl > 0:
        return Given(low, high if whole else most, seen.stands, seen.status)
    if buffered:
        return Nothing("the pump has given nothing, but what starts it may still be on its way")
    if whole and seen.timed:
        return NotGiven("the pump has kept its power and counted nothing since it was cleared", seen.status)
    return Given(0, most, True, seen.status)
