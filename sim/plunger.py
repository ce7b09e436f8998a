"""The motor of a syringe pump: a plunger that goes forwards and backwards, exactly as far as it is told.

Layer      sim. Imports `sim.motor`; stands where that motor stands, under `sim.mechanism`.
Position   a whole number of 1/`den` steps, so that nothing is lost when a rate changes between two steps or
           when a run is stopped and goes on; `den` changes only with the syringe that the pump believes in.
Aim        a motor that was given an aim stops there by itself, within a ms: a pump counts its pulses.
Even line  never falls: what a plunger drew back comes out of the tip only after it has come back.
Units      own ms, steps, pL (of the syringe that is truly in the pump); integers only.
Tests      tests/unit/sim/test_firmware_syringe.py
"""

from typing import Final

from sim.motor import HOUR_MS, NEVER, Motor

_PI_NUM: Final = 3_141_592_653_589_793  # pi x 10**15
_PI_DEN: Final = 10**15
_UM3_PER_PL: Final = 1_000


def area_um2(diameter_um: int) -> int:
    """Area of a plunger, um2, rounded down; 1 um2 of area is 1 fL for each um of travel."""
    return _PI_NUM * diameter_um * diameter_um // (4 * _PI_DEN)


def step_pl(travel_pm: int, diameter_um: int) -> int:
    """Volume of one motor step, to the nearest pL and at least 1, from its travel in pm."""
    whole = 1_000_000 * _UM3_PER_PL
    return max(1, (travel_pm * area_um2(diameter_um) + whole // 2) // whole)


class PlungerMotor(Motor):
    """Counts of a plunger's motor. A gear is num/den steps per ms; a negative one goes back.

    `step_pl` is the volume of a step in the syringe that is truly in the pump.
    """

    __slots__ = ("_aim", "_at", "_end_ms", "_limit", "_max_steps_per_h", "_told")

    def __init__(self, step_pl: int, max_steps_per_h: int) -> None:
        self.step_pl, self._max_steps_per_h = step_pl, max_steps_per_h
        self._at = self._high = self._origin = self._num = self._told = 0
        self._den, self._factor = HOUR_MS, 1
        self._aim: int | None = None  # for the next run: how far, in 1/den steps; its sign is the direction's
        self._limit: int | None = None  # where the present run stops by itself
        self._end_ms = NEVER  # when that would be without any fault
        self.blocked = self.silent = False
        self.due_ms = NEVER

    # Queries: they change nothing.

    @property
    def turns(self) -> bool:
        """Whether it moves, either way."""
        return self._num != 0

    @property
    def behind(self) -> bool:
        """Whether it began to move where it had been further before."""
        return self._at * self.step_pl // self._den < self._high

    def position(self, own_ms: int) -> int:
        """Where the plunger is, in 1/den steps."""
        at, limit = self._at + self._num * (own_ms - self._origin), self._limit
        if limit is None or (at < limit if self._told >= 0 else at > limit):
            return at
        return limit

    def line(self) -> tuple[int, int, int | None]:
        """Its course until something changes: place at own ms 0, way in a ms, where it stops by itself."""
        return self._at - self._num * self._origin, self._num, self._limit

    def steps(self, own_ms: int) -> int:
        """Steps forwards less steps backwards since the pump was built."""
        return self.position(own_ms) // self._den

    def even(self, own_ms: int) -> int:
        """The furthest that the plunger ever was, pL."""
        return max(self.position(own_ms) * self.step_pl // self._den, self._high)

    def reaches(self) -> int:
        """First ms at which the run has come to its aim; NEVER if it has none or does not move."""
        if self._limit is None or not self._num:
            return NEVER if self._limit != self._at else self._origin
        return self._origin - (-(self._limit - self._at) // self._num)

    def full_until(self) -> int:
        """Last ms before the aim at which the plunger still moves at its rate; NEVER as `reaches`."""
        if self._limit is None or not self._num:
            return NEVER
        return self._origin + (self._limit - self._at) // self._num

    def when(self, steps: int) -> int:
        """First time at which the plunger stands at `steps` or beyond; NEVER if it does not get there."""
        return self._comes_to(steps * self._den)

    def catches_up(self) -> int:
        """Time at which the plunger is back where it was furthest; NEVER if it is not behind or stands."""
        return self._comes_to(-(-self._high * self._den // self.step_pl))

    def _comes_to(self, goal: int) -> int:
        """When a plunger that goes forwards comes to a place that is still ahead of it."""
        if self._num <= 0 or goal <= self._at or (self._limit is not None and goal > self._limit):
            return NEVER
        return self._origin - (-(goal - self._at) // self._num)

    # Commands

    def aim(self, distance: int | None) -> None:
        """How far the next run goes, in 1/den steps of that run, with the sign of its direction; None: on."""
        self._aim = distance

    def begin(self, own_ms: int, steps: int, duration_ms: int) -> None:
        """Move at `steps` per `duration_ms` (negative: back), from `own_ms` on, up to the aim."""
        self._settle(own_ms)
        if duration_ms != self._den:
            self._at = self._at * duration_ms // self._den
            self._den = duration_ms
        self._told = steps
        self._limit = None if self._aim is None else self._at + self._aim
        self._aim = None
        self._engage()
        self._end_ms = self._planned_end(own_ms)
        self.due_ms = self._next_step(own_ms) if self.blocked else NEVER

    def halt(self, own_ms: int) -> None:
        """Stand still; a part of a step stays made."""
        self._aim = None
        self.begin(own_ms, 0, self._den)

    def block(self, own_ms: int, *, silent: bool) -> None:
        """Stall: no step is made and none is counted. `silent`: the pump does not notice."""
        self._settle(own_ms)
        if not self.blocked:
            self.due_ms = self._next_step(own_ms)
        self.blocked, self.silent = True, silent
        self._engage()

    def free(self, own_ms: int, *, catch_up: bool = False) -> None:
        """The stall is over. `catch_up`: go faster, so that the run is at its aim when it should have been."""
        if not self.blocked:
            return
        self._settle(own_ms)
        self.blocked = self.silent = False
        self.due_ms = NEVER
        if catch_up and self._limit is not None and own_ms < self._end_ms < NEVER:
            self._told = (self._limit - self._at) // (self._end_ms - own_ms)
        self._engage()

    def run_away(self, own_ms: int, factor: int) -> None:
        """Turn `factor` times as fast as told, counted, yet never faster than the motor can."""
        self._settle(own_ms)
        self._factor = factor
        self._engage()

    def seat(self, own_ms: int) -> None:
        """Take the present place for the furthest: what was drawn back is gone, as after a refill."""
        self._settle(own_ms)
        ahead = -(-self._high * self._den // self.step_pl)
        if ahead > self._at:
            self._limit = None if self._limit is None else self._limit + ahead - self._at
            self._at = ahead
        self._engage()

    def _planned_end(self, own_ms: int) -> int:
        if self._limit is None or not self._told:
            return NEVER
        return own_ms - (-(self._limit - self._at) // self._told)

    def _next_step(self, own_ms: int) -> int:
        """When a motor that is told to turn would make its next whole step."""
        if not self._told:
            return NEVER
        at, den = self.position(own_ms), self._den
        goal = (at // den + 1) * den if self._told > 0 else -(-at // den) * den - den
        return own_ms - (-(goal - at) // self._told)

    def _settle(self, own_ms: int) -> None:
        self._high = self.even(own_ms)
        self._at = self.position(own_ms)
        self._origin, self._num = own_ms, 0

    def _engage(self) -> None:
        if self.blocked:
            self._num = 0
            return
        fastest = self._max_steps_per_h * self._den // HOUR_MS
        self._num = max(-fastest, min(fastest, self._told * self._factor))
