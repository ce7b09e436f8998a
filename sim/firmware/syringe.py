"""The drive of a syringe pump, whatever its vendor: run at a rate to a volume, count, notice a stall.

Layer      sim.firmware. Imports `sim.mechanism` and `sim.plunger`; knows no command and no wire.
Counts     in grains, 3.6e9 to the pL: a rate of 1 fL/h makes one grain in a ms, so that every count at every
           ms is a whole number and nothing is ever rounded but for show.
Blindness  the drive knows what its motor did and the diameter that it was told, never what truly flowed.
Invariant  everything is a closed form of the time since the last change; state changes only in the commands
           and in `elapse`; a run never counts more than its volume.
Units      `t_ms` true time, volumes pL, rates fL/h; integers only.
Tests      tests/unit/sim/test_firmware_syringe.py

How a firmware uses it:

    drive = Drive(mechanism, step_pl(travel_pm, diameter_um), on_end)   # a Mechanism over a PlungerMotor
    drive.start(t_ms, fl_per_h, INFUSE, volume_pl)      # volume_pl None: until it is stopped
    drive.set_rate(t_ms, fl_per_h)                      # while it runs; the volume stays
    drive.stop(t_ms)                                    # what was given stays counted
    drive.elapse(drive.next_ms)                         # calls on_end(t_ms, End.TARGET | End.STALL)
    drive.infused_pl(t_ms), drive.withdrawn_pl(t_ms)    # since they were cleared
    drive.given_pl(t_ms), drive.rest_pl(t_ms)           # of the present or the last run
    drive.set_step(t_ms, step_pl(travel_pm, other_um))  # another syringe, standing: clears both counts

`on_end` is called after the drive has stopped and may start it again. Rest of an interrupted run:
`drive.start(t_ms, rate, direction, drive.rest_pl(t_ms))`; grains are kept by `resume`.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from sim.mechanism import Mechanism
from sim.motor import HOUR_MS, NEVER
from sim.plunger import PlungerMotor

INFUSE: Final = 1
WITHDRAW: Final = -1
GRAINS_PER_PL: Final = 1_000 * HOUR_MS


class End(Enum):
    """Why a run ended by itself."""

    TARGET = "its volume is counted"
    STALL = "the motor does not turn"


class Count(NamedTuple):
    """A count of grains that rises evenly until something changes; `at_0` is where its line is at own ms 0."""

    at_0: int
    per_ms: int
    most: int | None  # where it stops by itself

    def less(self, grains: int) -> "Count":
        """The count without some that do not count."""
        return Count(self.at_0 - grains, self.per_ms, None if self.most is None else self.most - grains)

    def at(self, own_ms: int) -> int:
        """What is counted when the pump's clock shows `own_ms`, grains."""
        count = self.at_0 + self.per_ms * own_ms
        return count if self.most is None or count < self.most else self.most


class Drive:
    """One plunger and its counts. Methods take the time of the change and are called in the order of time.

    `alarm_ms` is the next time at which a host could notice something; `next_ms` also counts what only the
    record of the truth needs.

    Raises:
        TypeError: the mechanism has another motor than a `PlungerMotor`.
    """

    __slots__ = (
        "_at_end",
        "_began",
        "_den",
        "_infused",
        "_mark",
        "_mechanism",
        "_motor",
        "_on_end",
        "_target",
        "_withdrawn",
        "alarm_ms",
        "direction",
        "fl_per_h",
        "next_ms",
        "running",
    )

    def __init__(self, mechanism: Mechanism, step_pl: int, on_end: Callable[[int, End], None]) -> None:
        motor = mechanism.motor
        if not isinstance(motor, PlungerMotor):
            raise TypeError(f"a syringe pump needs a PlungerMotor, not a {type(motor).__name__}")
        self._mechanism, self._motor, self._on_end = mechanism, motor, on_end
        self._den = step_pl * GRAINS_PER_PL
        self._infused = self._withdrawn = 0  # grains, up to the mark
        self._mark = self._began = 0  # where the plunger was when the counts, the run began
        self._target: int | None = None  # grains of the run
        self._at_end = False  # the plunger stands at the bottom of the syringe
        self.running, self.direction, self.fl_per_h = False, INFUSE, 0
        self.next_ms = self.alarm_ms = NEVER
        self.set_step(0, step_pl)

    # What the firmware knows

    def infused_pl(self, t_ms: int) -> int:
        """Volume infused since it was cleared, pL, rounded down."""
        return self._counts(t_ms)[0] // GRAINS_PER_PL

    def withdrawn_pl(self, t_ms: int) -> int:
        """Volume withdrawn since it was cleared, pL, rounded down."""
        return self._counts(t_ms)[1] // GRAINS_PER_PL

    def counts_pl(self, t_ms: int) -> tuple[int, int]:
        """Volumes infused and withdrawn since they were cleared, pL, rounded down."""
        infused, withdrawn = self._counts(t_ms)
        return infused // GRAINS_PER_PL, withdrawn // GRAINS_PER_PL

    def count(self) -> Count:
        """What is counted in the present direction, for as long as nothing changes."""
        counted = self._infused if self.direction == INFUSE else self._withdrawn
        at_0, per_ms, limit = self._motor.line()
        most = None if limit is None else counted + (limit - self._mark) * self.direction
        return Count(counted + (at_0 - self._mark) * self.direction, per_ms * self.direction, most)

    @property
    def other_pl(self) -> int:
        """Volume that was counted in the other direction, pL, rounded down; it stands."""
        return (self._withdrawn if self.direction == INFUSE else self._infused) // GRAINS_PER_PL

    def given_pl(self, t_ms: int) -> int:
        """Volume of the present or the last run up to now, pL, rounded down; `resume` goes on with it."""
        return self._given(t_ms) // GRAINS_PER_PL

    def rest_pl(self, t_ms: int) -> int | None:
        """Volume that the present or the last run still has to give, pL, rounded down; None: no end."""
        return None if self._target is None else (self._target - self._given(t_ms)) // GRAINS_PER_PL

    # Commands

    def start(self, t_ms: int, fl_per_h: int, direction: int, volume_pl: int | None = None) -> None:
        """Run from now on, in place of what runs, until `volume_pl` is counted or `stop`."""
        self._bank(t_ms)
        self.direction = direction
        self._target = None if volume_pl is None else volume_pl * GRAINS_PER_PL
        self._began = self._mark
        self._run(t_ms, fl_per_h)

    def start_to(self, t_ms: int, fl_per_h: int, direction: int, count_pl: int) -> None:
        """As `start`, until all that is counted in this direction is `count_pl`, to the grain."""
        self._bank(t_ms)
        counted = self._infused if direction == INFUSE else self._withdrawn
        self.direction, self._began = direction, self._mark
        self._target = max(0, count_pl * GRAINS_PER_PL - counted)
        self._run(t_ms, fl_per_h)

    def resume(self, t_ms: int, fl_per_h: int, direction: int | None = None) -> None:
        """Go on with the run that was stopped, exactly as far as it was told; `direction`: another one."""
        given = self._given(t_ms)
        self._bank(t_ms)
        self.direction = self.direction if direction is None else direction
        self._began = self._mark - self.direction * given
        self._run(t_ms, fl_per_h)

    def set_rate(self, t_ms: int, fl_per_h: int) -> None:
        """Another rate for what runs, at once."""
        if self.running and fl_per_h != self.fl_per_h:
            self.resume(t_ms, fl_per_h)

    def stop(self, t_ms: int, *, motor_goes_on: bool = False) -> None:
        """Stand still. `motor_goes_on` is the fault of a deaf motor: it ends with its own run, counted."""
        if not motor_goes_on:
            self._mechanism.halt(t_ms, self._own(t_ms))
        self.running = False
        self.plan(t_ms)

    def clear(self, t_ms: int, *, infused: bool = True, withdrawn: bool = True) -> None:
        """Begin to count again from 0; a run that goes on keeps its end."""
        self._bank(t_ms)
        self._infused = 0 if infused else self._infused
        self._withdrawn = 0 if withdrawn else self._withdrawn

    def set_step(self, t_ms: int, step_pl: int) -> None:
        """From now on take a motor step for `step_pl`; the drive stands and both counts begin again."""
        self._den = step_pl * GRAINS_PER_PL
        own = self._own(t_ms)
        self._mechanism.begin(t_ms, own, 0, self._den)
        self._mark = self._began = self._motor.position(own)
        self._infused = self._withdrawn = 0
        self._target, self.running = None, False
        self.plan(t_ms)

    def restart(self, t_ms: int) -> None:
        """Power-up: stand still, pump time 0, counts 0."""
        self._mechanism.restart_clock(t_ms)
        self.running, self._target = False, None
        self._mark = self._began = self._motor.position(0)
        self._infused = self._withdrawn = 0
        self.plan(t_ms)

    def filled(self, t_ms: int) -> None:
        """A person put a full syringe in: the plunger has its whole way again, without slack."""
        counts, given = self._counts(t_ms), self._given(t_ms)
        self._mechanism.cut(t_ms)
        self._motor.seat(self._own(t_ms))
        self._infused, self._withdrawn = counts
        self._mark = self._motor.position(self._own(t_ms))
        self._began = self._mark - self.direction * given
        self._leave_end(t_ms)
        self.plan(t_ms)

    # The course of time

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`."""
        while True:
            self._watch_way(t_ms)
            end = self._ends(t_ms)
            if end is None:
                break
            self.stop(t_ms)
            self._on_end(t_ms, end)
        if self._clock_true(self._motor.full_until()) == t_ms:
            self._mechanism.cut(t_ms)  # so that the truth keeps its slope up to the last whole ms
        self.plan(t_ms)

    def plan(self, t_ms: int) -> None:
        """Work out when something is due next; to be called after every change of the mechanism."""
        motor = self._motor
        end = self._clock_true(motor.reaches())
        due = min(end if self.running else NEVER, self._closed(end), self._bottom(t_ms, end))
        if self.running and motor.blocked and not motor.silent:
            due = min(due, self._clock_true(motor.due_ms))
        self.alarm_ms = max(due, t_ms) if due < NEVER else NEVER
        corner = self._clock_true(motor.full_until())
        self.next_ms = min(self.alarm_ms, corner if corner > t_ms else NEVER)

    def _ends(self, t_ms: int) -> End | None:
        motor, own = self._motor, self._own(t_ms)
        if not self.running:
            return None
        if own >= motor.reaches():
            return End.TARGET
        return End.STALL if motor.blocked and not motor.silent and own >= motor.due_ms else None

    def _watch_way(self, t_ms: int) -> None:
        """The motor is stopped by what it cannot push on: a closed line, or the bottom of the syringe."""
        mechanism = self._mechanism
        if self._closed(t_ms) <= t_ms:
            mechanism.press(t_ms)
        if self._bottom(t_ms, t_ms) <= t_ms:
            mechanism.block(t_ms, silent=False)
            self._at_end = True

    def _closed(self, until_ms: int) -> int:
        """First time up to `until_ms` at which a closed line holds all that it can."""
        return self._mechanism.when_full(until_ms) if self.direction == INFUSE else NEVER

    def _bottom(self, t_ms: int, until_ms: int) -> int:
        """First time up to `until_ms` at which a plunger on its way has nothing left before it."""
        flow, motor = self._mechanism.flow, self._motor
        if self.direction != INFUSE or not motor.turns or flow(until_ms).left_pl:
            return NEVER
        back_ms = self._clock_true(motor.catches_up()) if motor.behind else t_ms
        if back_ms > until_ms:
            return NEVER
        low, high = max(t_ms, back_ms), until_ms
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if not flow(middle).left_pl else (middle + 1, high)
        return high

    def _leave_end(self, t_ms: int) -> None:
        """A plunger at the bottom can go back, and forwards again once it has a way."""
        if self._at_end and (self.direction == WITHDRAW or self._mechanism.flow(t_ms).left_pl):
            self._at_end = False
            self._mechanism.free(t_ms)

    def _run(self, t_ms: int, fl_per_h: int) -> None:
        """Turn in `direction` from `_began`, of which some may be given already."""
        self._leave_end(t_ms)
        self.fl_per_h, self.running = fl_per_h, True
        rest = None if self._target is None else self._target - self._given(t_ms)
        self._motor.aim(None if rest is None else self.direction * rest)
        self._mechanism.begin(t_ms, self._own(t_ms), self.direction * fl_per_h, self._den)
        self.plan(t_ms)

    def _bank(self, t_ms: int) -> None:
        self._infused, self._withdrawn = self._counts(t_ms)
        self._mark = self._motor.position(self._own(t_ms))

    def _counts(self, t_ms: int) -> tuple[int, int]:
        count = self.count().at(self._own(t_ms))
        return (count, self._withdrawn) if self.direction == INFUSE else (self._infused, count)

    def _given(self, t_ms: int) -> int:
        return (self._motor.position(self._own(t_ms)) - self._began) * self.direction

    def _own(self, t_ms: int) -> int:
        return self._mechanism.clock.own(t_ms)

    def _clock_true(self, own_ms: int) -> int:
        return self._mechanism.clock.true(own_ms)
