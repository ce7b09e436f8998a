"""What a Harvard pump does by itself: it runs, counts and times, and stops at a target or a stall.

Layer      sim.firmware. Imports `sim.firmware.syringe` (the drive); knows no command and no wire.
Source     the protocol document of the Pump 11 Elite family, sections 4, 7 and 9.
Invariant  state changes only in the commands and in `elapse`; a query changes nothing; a run with a target
           volume never counts more than that since the counter was cleared (quirk `target_counts_from`: since
           the last target was reached).
Readings   volume and time targets hold in either direction, each against the counter of that direction; a run
           that finds its target reached does not turn; running time begins with the command, not with the
           motor; a run that is asked for again, as it runs, goes on.
Units      `t_ms` true time, own ms the pump's; volumes pL, rates fL/h.
Tests      tests/unit/sim/test_firmware_harvard_runs.py, tests/unit/sim/test_firmware_harvard_random.py
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from sim.firmware.harvard_families import Quirks
from sim.firmware.syringe import INFUSE, WITHDRAW, Drive, End
from sim.mechanism import Mechanism
from sim.motor import NEVER

_SIDES: Final = (INFUSE, WITHDRAW)


class Prompt(StrEnum):
    """What ends every reply."""

    IDLE = ":"
    INFUSING = ">"
    WITHDRAWING = "<"
    STALLED = "*"
    REACHED = "T*"


RUNNING: Final = {INFUSE: Prompt.INFUSING, WITHDRAW: Prompt.WITHDRAWING}


class Shown(NamedTuple):
    """What the pump says of itself at one instant: counts pL and times ms by direction, rate fL/h, 0 if
    idle.
    """

    prompt: Prompt
    direction: int
    counts: dict[int, int]
    times: dict[int, int]
    fl_per_h: int


class Runs:
    """One drive with its targets and timers. `on_reached(t_ms)` is called when a target ends a run.

    `next_ms` is when `elapse` has work, `target_ms` when a target is reached: the only thing of which a host
    could hear without asking.
    """

    __slots__ = (
        "_base",
        "_drive",
        "_fl_per_h",
        "_frozen",
        "_mechanism",
        "_offset",
        "_on_reached",
        "_quirks",
        "_since",
        "_starts",
        "_step_pl",
        "_timed",
        "_times",
        "direction",
        "prompt",
        "target_pl",
        "target_text",
        "target_time_s",
    )

    def __init__(
        self, mechanism: Mechanism, step_pl: int, quirks: Quirks, on_reached: Callable[[int], None]
    ) -> None:
        self._mechanism, self._quirks, self._on_reached = mechanism, quirks, on_reached
        self._step_pl = step_pl
        self._drive = Drive(mechanism, step_pl, self._ended)
        self._times = dict.fromkeys(_SIDES, 0)  # ms, up to the present run
        self._base = dict.fromkeys(_SIDES, 0)  # count from which a target volume counts, pL
        self._timed = dict.fromkeys(_SIDES, 0)  # and a target time, ms
        self._since = self._fl_per_h = self._offset = 0
        self._starts = NEVER  # own time at which a run that was told to start begins to turn
        self._frozen: Shown | None = None
        self.direction, self.prompt = INFUSE, Prompt.IDLE
        self.target_pl: int | None = None
        self.target_text = ""
        self.target_time_s: int | None = None

    # Queries

    @property
    def running(self) -> bool:
        """Whether it runs, as far as the pump knows."""
        return self.prompt is Prompt.INFUSING or self.prompt is Prompt.WITHDRAWING

    @property
    def next_ms(self) -> int:
        """When `elapse` has work."""
        return min(self._drive.next_ms, self._timed_ms())

    @property
    def target_ms(self) -> int:
        """When a target will be reached at the earliest, if nothing happens before."""
        volume = NEVER if self.target_pl is None or not self.running else self._drive.alarm_ms
        return min(volume, self._timed_ms())

    @property
    def shown_prompt(self) -> Prompt:
        """The prompt that the pump shows."""
        return self._frozen.prompt if self._frozen else self.prompt

    def shown(self, t_ms: int) -> Shown:
        """What the pump says of itself."""
        return self._frozen or self._shown(t_ms)

    def _shown(self, t_ms: int) -> Shown:
        infused, withdrawn = self._drive.counts_pl(t_ms)
        counts = {INFUSE: infused + self._offset, WITHDRAW: withdrawn}
        if self._quirks.whole_steps:
            counts = {side: count - count % self._step_pl for side, count in counts.items()}
        times = {side: self._time(side, t_ms) for side in _SIDES}
        return Shown(self.prompt, self.direction, counts, times, self._fl_per_h if self.running else 0)

    def rest_pl(self, t_ms: int) -> int | None:
        """What the target leaves to give in the present direction, pL, rounded up; None: no target."""
        if self.target_pl is None:
            return None
        counts = {INFUSE: self._drive.infused_pl(t_ms), WITHDRAW: self._drive.withdrawn_pl(t_ms)}
        return max(0, self._base[self.direction] + self.target_pl - counts[self.direction])

    # Commands

    def run(self, t_ms: int, direction: int, fl_per_h: int) -> None:
        """Run in a direction, in place of what runs, until a target, a stall or a stop."""
        if self.prompt is RUNNING[direction]:
            return
        if self.prompt is Prompt.REACHED and self._quirks.target_counts_from == "run":
            self._begin_anew(t_ms)
        self._halt(t_ms)
        self.direction, self._fl_per_h, self._since = direction, fl_per_h, self._own(t_ms)
        self.prompt = RUNNING[direction]
        self._starts = self._since + self._quirks.start_ms
        if self.rest_pl(t_ms) == 0 or self._time_end() <= self._since:
            self._reach(t_ms)
        elif self._starts <= self._since:
            self._turn(t_ms)

    def stop(self, t_ms: int, *, motor_goes_on: bool = False) -> None:
        """Stand still; what was counted stays. `motor_goes_on` is the fault of a deaf motor."""
        self._halt(t_ms, motor_goes_on=motor_goes_on)
        if self.prompt is Prompt.STALLED and self._quirks.stall_ends_by == "touch":
            return
        if self.prompt is not Prompt.REACHED:
            self.prompt = Prompt.IDLE

    def touch(self) -> None:
        """A person clears a stall on the screen."""
        if self.prompt is Prompt.STALLED:
            self.prompt = Prompt.IDLE

    def set_rate(self, t_ms: int, direction: int, fl_per_h: int) -> None:
        """Another rate; what runs in that direction takes it at once."""
        if self.prompt is RUNNING[direction]:
            self._fl_per_h = fl_per_h
            self._drive.set_rate(t_ms, fl_per_h)

    def set_target(self, volume_pl: int, text: str) -> None:
        """Set the target volume."""
        self.target_pl, self.target_text = volume_pl, text
        if self._quirks.targets_exclude:
            self.target_time_s = None

    def set_target_time(self, seconds: int) -> None:
        """Set the target time."""
        self.target_time_s = seconds
        if self._quirks.targets_exclude:
            self.target_pl = None

    def clear_targets(self, t_ms: int, *, volume: bool = False, time: bool = False) -> None:
        """Forget targets; a run that they would have ended goes on without them."""
        self.target_pl = None if volume else self.target_pl
        self.target_time_s = None if time else self.target_time_s
        self._after_clearing(t_ms)

    def clear_counts(self, t_ms: int, *sides: int) -> None:
        """Count again from 0."""
        self._drive.clear(t_ms, infused=INFUSE in sides, withdrawn=WITHDRAW in sides)
        self._offset = 0 if INFUSE in sides else self._offset
        self._base |= dict.fromkeys(sides, 0)
        self._after_clearing(t_ms)

    def clear_times(self, t_ms: int, *sides: int) -> None:
        """Time again from 0."""
        self._bank(t_ms)
        self._times |= dict.fromkeys(sides, 0)
        self._timed |= dict.fromkeys(sides, 0)
        self._after_clearing(t_ms)

    def set_step(self, t_ms: int, step_pl: int) -> None:
        """Another syringe, standing; both counters begin again."""
        self._drive.set_step(t_ms, step_pl)
        self._step_pl = step_pl
        self._base = dict.fromkeys(_SIDES, 0)
        self._offset = 0
        self._after_clearing(t_ms)

    def filled(self, t_ms: int) -> None:
        """A person put a full syringe in."""
        self._drive.filled(t_ms)

    def lose_power(self, t_ms: int) -> None:
        """Stand still."""
        self._halt(t_ms)
        self.prompt = Prompt.IDLE

    def restart(self, t_ms: int) -> None:
        """Power-up: counters, timers and, unless a quirk keeps them, targets are gone."""
        self._drive.restart(t_ms)
        self._times, self._timed = dict.fromkeys(_SIDES, 0), dict.fromkeys(_SIDES, 0)
        self._base = dict.fromkeys(_SIDES, 0)
        self._since = self._offset = 0
        self._frozen = None
        if not self._quirks.targets_survive_power:
            self.target_pl = self.target_time_s = None

    # Faults

    def freeze(self, t_ms: int, *, on: bool) -> None:
        """Say the same of itself again and again; or stop doing so."""
        self._frozen = self._shown(t_ms) if on else None

    def set_counter(self, t_ms: int, value_pl: int) -> None:
        """Make the infused volume show `value_pl` from now on; targets are not misled."""
        self._offset = value_pl - self._drive.infused_pl(t_ms)

    # The course of time

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`."""
        own = self._own(t_ms)
        if self._time_end() <= own:
            self._reach(t_ms)
        if self._starts <= own:
            self._turn(t_ms)
        self._drive.elapse(t_ms)

    def _ended(self, t_ms: int, end: End) -> None:
        if end is End.TARGET:
            self._reach(t_ms)
        else:
            self._halt(t_ms)
            self.prompt = Prompt.STALLED

    def _reach(self, t_ms: int) -> None:
        self._halt(t_ms)
        self.prompt = Prompt.REACHED
        self._on_reached(t_ms)

    def _turn(self, t_ms: int) -> None:
        self._starts = NEVER
        self._steer(t_ms)
        self._drive.elapse(t_ms)

    def _steer(self, t_ms: int) -> None:
        """Let the motor turn to the target, or on and on."""
        if self.target_pl is None:
            self._drive.start(t_ms, self._fl_per_h, self.direction)
        else:
            goal = self._base[self.direction] + self.target_pl
            self._drive.start_to(t_ms, self._fl_per_h, self.direction, goal)

    def _halt(self, t_ms: int, *, motor_goes_on: bool = False) -> None:
        """Stand still, with the time of the run counted; the prompt is the caller's."""
        self._bank(t_ms)
        self._starts = NEVER
        self._drive.stop(t_ms, motor_goes_on=motor_goes_on)

    def _begin_anew(self, t_ms: int) -> None:
        self._base = {INFUSE: self._drive.infused_pl(t_ms), WITHDRAW: self._drive.withdrawn_pl(t_ms)}
        self._timed = dict(self._times)

    def _after_clearing(self, t_ms: int) -> None:
        if self.prompt is Prompt.REACHED and not self._quirks.reached_until_run:
            self.prompt = Prompt.IDLE
        if self.running and self._starts >= NEVER:
            self._steer(t_ms)

    def _timed_ms(self) -> int:
        """When a run begins to turn or its time is up, whichever comes first; NEVER if neither does."""
        own_ms = self._starts if self.target_time_s is None else min(self._starts, self._time_end())
        return NEVER if own_ms >= NEVER else self._mechanism.clock.true(own_ms)

    def _time_end(self) -> int:
        """Own time at which the target time is reached; NEVER if it is not set or nothing runs."""
        if not self.running or self.target_time_s is None:
            return NEVER
        ran = self._times[self.direction] - self._timed[self.direction]
        return self._since + self.target_time_s * 1_000 - ran

    def _time(self, side: int, t_ms: int) -> int:
        ran = self._own(t_ms) - self._since if self.running and side == self.direction else 0
        return self._times[side] + ran

    def _bank(self, t_ms: int) -> None:
        if self.running:
            self._times[self.direction] = self._time(self.direction, t_ms)
            self._since = self._own(t_ms)

    def _own(self, t_ms: int) -> int:
        return self._mechanism.clock.own(t_ms)
