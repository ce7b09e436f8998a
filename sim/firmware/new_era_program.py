"""The Pumping Program of a New Era pump at work: rates, pauses, waits, refill, purge.

Layer      sim.firmware. Drives `sim.firmware.syringe`; knows no wire and no alarm but by its letter.
Source     New Era NE-1000 wire specification, sections 8 (RUN, STP, PUR, DIR), 10, 12 and 15.
Readings   functions without duration take no time; more than `MOST_AT_ONCE` of them in a row, a phase with a rate
           that the plunger cannot make and what `new_era_course` cannot follow are program errors (E);
           running on past phase 41 is O. STP in a pause or wait
           holds it, RUN goes on with its rest. FIL pumps back, at its own rate, what was infused less
           withdrawn since RUN or the last FIL.
Invariant  state changes only in commands and in `elapse`; a rate phase ends when its volume is counted, exactly.
Units      `t_ms` true time; pauses in the pump's own ms; volumes pL, rates fL/h; integers only.
Tests      tests/unit/sim/test_firmware_new_era_program.py
"""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from sim.firmware.new_era_course import Course, ProgramError
from sim.firmware.new_era_memory import PHASES, RATE_FUNCTIONS, RATE_UNITS, Memory, Phase, Quirks, four_digits
from sim.firmware.syringe import GRAINS_PER_PL, INFUSE, WITHDRAW, Count, Drive, End
from sim.mechanism import Mechanism
from sim.motor import NEVER
from sim.plunger import area_um2, step_pl
from sim.syringes import SyringePump

MOST_AT_ONCE: Final = 200
_PM_PER_UM: Final = 1_000_000
_UL_PER_H: Final = RATE_UNITS["UH"]  # a thousandth of it


class State(Enum):
    """What the program does; its letter in the prompt, but for the second direction of pumping."""

    STOPPED = "S"
    PAUSED = "P"
    PUMPING = "I"
    PURGING = "X"
    TIMED = "T"
    WAITING = "U"


OPERATING: Final = frozenset({State.PUMPING, State.PURGING, State.TIMED, State.WAITING})


class Rest(NamedTuple):
    """What is left of a run: rate fL/h, direction, volume pL (None: without end)."""

    rate: int
    direction: int
    volume_pl: int | None


class Program:
    """Carries out what `memory` holds. `on_fault(t_ms, letter)` is called when it stops itself: S, E or O."""

    __slots__ = (
        "_before_purge",
        "_fill_from",
        "_held",
        "_mechanism",
        "_memory",
        "_on_fault",
        "_pause_end",
        "_pump",
        "_purge_from",
        "_quirks",
        "_rest",
        "_uncounted",
        "began_ms",
        "course",
        "direction",
        "drive",
        "rate",
        "state",
    )

    def __init__(
        self,
        pump: SyringePump,
        mechanism: Mechanism,
        memory: Memory,
        quirks: Quirks,
        on_fault: Callable[[int, str], None],
    ) -> None:
        self._pump, self._mechanism, self._memory, self._quirks = pump, mechanism, memory, quirks
        self._on_fault = on_fault
        self.drive = Drive(mechanism, step_pl(pump.travel_pm, memory.diameter_um), self._run_ended)
        self.course = Course(quirks)
        self._uncounted = self._purge_from = (0, 0)  # purged volumes that do not count; counts when it began
        self.began_ms = -1
        self._forget()

    def _forget(self) -> None:
        """Nothing runs, nothing is held, the pointer is at phase 1; memory and counts stay."""
        self.state = self._held = self._before_purge = State.STOPPED
        self.rate, self.direction = 0, INFUSE
        self.course.forget()
        self._pause_end = NEVER  # own ms; while it is paused, the own ms that are left
        self._fill_from = (0, 0)
        self._rest: Rest | None = None  # of a run that another one has overwritten in the drive

    # What it knows

    @property
    def holds_a_run(self) -> bool:
        """Whether RUN would go on with a rate phase that was paused."""
        return self.state is State.PAUSED and self._held is State.PUMPING

    @property
    def prompt(self) -> str:
        """The letter of the present state."""
        if self.state is State.PUMPING and self.drive.direction == WITHDRAW:
            return "W"
        return self.state.value

    @property
    def operating(self) -> bool:
        """Whether something goes on: pumping, purging, a pause, a wait."""
        return self.state in OPERATING

    @property
    def next_ms(self) -> int:
        """When something is due."""
        return min(self.drive.next_ms, self._pause_due())

    @property
    def alarm_ms(self) -> int:
        """When a host could notice something."""
        return min(self.drive.alarm_ms, self._pause_due())

    def own(self, t_ms: int) -> int:
        """What the pump's clock shows."""
        return self._mechanism.clock.own(t_ms)

    def dispensed(self) -> tuple[Count, int]:
        """What is dispensed in the direction of the drive, until something changes; volume in the other one, pL."""
        drive, (infused, withdrawn) = self.drive, self._uncounted
        here, there = (infused, withdrawn) if drive.direction == INFUSE else (withdrawn, infused)
        return drive.count().less(here * GRAINS_PER_PL), drive.other_pl - there

    def bounds(self) -> tuple[int, int]:
        """Slowest and fastest rate of the diameter that is set, fL/h; a host has four digits for the slowest."""
        area = area_um2(self._memory.diameter_um)
        slowest = area * self._pump.min_pm_per_h // _PM_PER_UM // _UL_PER_H
        return four_digits(slowest) * _UL_PER_H, area * self._pump.max_pm_per_h // _PM_PER_UM

    def can_make(self, fl_per_h: int) -> bool:
        """Whether the plunger can go at this rate."""
        slowest, fastest = self.bounds()
        return slowest <= fl_per_h <= fastest

    # Commands

    def start(self, t_ms: int, phase: int) -> None:
        """Run from `phase` on; all of the last run is forgotten."""
        self._forget()
        self._fill_from = self._counts(t_ms)
        self._go(t_ms, phase)

    def resume(self, t_ms: int) -> None:
        """Go on with what was paused, from where it was."""
        self.state, rest, self._rest = self._held, self._rest, None
        if self.state is State.TIMED:
            self._pause_end += self.own(t_ms)
        elif self.state is State.PUMPING and rest:
            self.drive.start(t_ms, self.rate, self.direction, rest.volume_pl)
        elif self.state is State.PUMPING:
            self.drive.resume(t_ms, self.rate, self.direction)

    def pause(self, t_ms: int, *, motor_goes_on: bool = False) -> None:
        """Hold what goes on."""
        if self.state is State.TIMED:
            self._pause_end -= self.own(t_ms)
        self._held, self.state = self.state, State.PAUSED
        self.drive.stop(t_ms, motor_goes_on=motor_goes_on)

    def stop(self, t_ms: int) -> None:
        """End whatever goes on or is held; the next RUN begins at phase 1."""
        self.drive.stop(t_ms)
        self._forget()

    def purge(self, t_ms: int) -> None:
        """Full speed in the direction of the chosen phase, until it is stopped."""
        if self.state is State.PAUSED and self._held is State.PUMPING and self._rest is None:
            self._rest = self.rest(t_ms)
        self._before_purge, self.state = self.state, State.PURGING
        self._purge_from = self._counts(t_ms)
        back = self._memory.phases[self._memory.chosen - 1].direction == "WDR"
        self.drive.start(t_ms, self.bounds()[1], WITHDRAW if back else INFUSE)

    def end_purge(self, t_ms: int, *, motor_goes_on: bool = False) -> None:
        """As before the purge; what was paused can still go on."""
        self.drive.stop(t_ms, motor_goes_on=motor_goes_on)
        self.state = self._before_purge
        if not self._quirks.purge_counts:
            now, then, known = self._counts(t_ms), self._purge_from, self._uncounted
            self._uncounted = (known[0] + now[0] - then[0], known[1] + now[1] - then[1])

    def set_rate(self, t_ms: int, fl_per_h: int) -> None:
        """Another rate for what is pumping or paused."""
        self.rate = fl_per_h
        if self.state is State.PUMPING:
            self.drive.set_rate(t_ms, fl_per_h)

    def turn_round(self, t_ms: int, direction: int) -> None:
        """Another direction for a run without end, pumping or paused."""
        self.direction = direction
        if self.state is State.PUMPING:
            self.drive.resume(t_ms, self.rate, direction)

    def clear_counts(self, t_ms: int, *, infused: bool = True, withdrawn: bool = True) -> None:
        """Count from 0 again; what FIL has to pump back stays."""
        counts = self._counts(t_ms)
        gone = (counts[0] if infused else 0, counts[1] if withdrawn else 0)
        self.drive.clear(t_ms, infused=infused, withdrawn=withdrawn)
        self._fill_from = (self._fill_from[0] - gone[0], self._fill_from[1] - gone[1])
        self._uncounted = (0 if infused else self._uncounted[0], 0 if withdrawn else self._uncounted[1])

    def change_syringe(self, t_ms: int) -> None:
        """The memory holds another diameter: counts at 0, and nothing that was paused can go on."""
        self.drive.set_step(t_ms, step_pl(self._pump.travel_pm, self._memory.diameter_um))
        self._uncounted = (0, 0)
        self._forget()

    def restart(self, t_ms: int) -> None:
        """Power-up: own time 0, counts 0, nothing runs."""
        self.drive.restart(t_ms)
        self._uncounted = (0, 0)
        self._forget()

    def rest(self, t_ms: int) -> Rest:
        """What is left of the present run."""
        return Rest(self.rate, self.direction, self.drive.rest_pl(t_ms))

    def go_on(self, t_ms: int, phase: int, rest: Rest | None) -> None:
        """Run `phase` again, with `rest` of it left if it is a rate phase: after a power cut."""
        self._go(t_ms, phase)
        if rest and self.state is State.PUMPING:
            self.rate, self.direction = rest.rate, rest.direction
            self.drive.start(t_ms, *rest)

    def run_wild(self, t_ms: int, fl_per_h: int) -> None:
        """Infuse without end at a rate that nobody asked for; a fault."""
        self.direction = INFUSE
        self.rate, self.state = fl_per_h, State.PUMPING
        self.drive.start(t_ms, fl_per_h, INFUSE)

    def show_infused(self, t_ms: int, volume_pl: int) -> None:
        """From now on count infused volume from another value; a fault."""
        self._uncounted = (self._counts(t_ms)[0] - volume_pl, self._uncounted[1])

    # Triggers

    def go_past_wait(self, t_ms: int) -> None:
        """The operational trigger that a wait waits for."""
        self._advance(t_ms, self.course.phase + 1)

    def event(self, t_ms: int, phase: int = 0) -> bool:
        """The event trigger: go to `phase`, or to the trap's; false if no trap is set."""
        if not self.course.trap or not self.operating or self.state is State.PURGING:
            return False
        goal, self.course.trap = phase or self.course.trap, 0
        self.drive.stop(t_ms)
        self._advance(t_ms, goal)
        return True

    # The course of time

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`."""
        self.drive.elapse(t_ms)
        if self.state is State.TIMED and self.own(t_ms) >= self._pause_end:
            self._advance(t_ms, self.course.phase + 1)
            self.drive.elapse(t_ms)  # what begins now may at once find the bottom of the syringe

    def _pause_due(self) -> int:
        return self._mechanism.clock.true(self._pause_end) if self.state is State.TIMED else NEVER

    def _run_ended(self, t_ms: int, end: End) -> None:
        if end is End.TARGET and self.state is State.PUMPING:
            self._advance(t_ms, self.course.phase + 1)
        elif end is End.STALL:
            self._stalled(t_ms)

    def _stalled(self, t_ms: int) -> None:
        if self.state is State.PURGING:
            self.end_purge(t_ms)
        elif self._quirks.after_stall == "P":
            self.pause(t_ms)
        else:
            self.stop(t_ms)
        self._on_fault(t_ms, "S")

    def _fail(self, t_ms: int, letter: str) -> None:
        self.stop(t_ms)
        self._on_fault(t_ms, letter)

    def _advance(self, t_ms: int, phase: int) -> None:
        """Go to a phase by itself, in the midst of a run."""
        self.began_ms = t_ms
        self._go(t_ms, phase)

    def _go(self, t_ms: int, phase: int) -> None:
        goal: int | None = phase
        for _ in range(MOST_AT_ONCE):
            if goal is None:
                return
            if goal > PHASES:
                self._fail(t_ms, "O")
                return
            self.course.phase = goal
            goal = self._carry_out(t_ms, self._memory.phases[goal - 1])
        self._fail(t_ms, "E")

    def _carry_out(self, t_ms: int, row: Phase) -> int | None:
        """The phase to go to at once, or None: something takes its time, or all is over."""
        effect = _EFFECTS.get(row.function)
        if effect:
            return effect(self, t_ms, row)
        try:
            return self.course.follow(row)
        except ProgramError:
            self._fail(t_ms, "E")
            return None

    # Functions that take time or touch the motor or its counts

    def _rat(self, t_ms: int, row: Phase) -> None:
        self._turn(t_ms, row, row.fl_per_h())

    def _inc(self, t_ms: int, row: Phase) -> None:
        self._turn(t_ms, row, self.rate + row.fl_per_h())

    def _dec(self, t_ms: int, row: Phase) -> None:
        self._turn(t_ms, row, self.rate - row.fl_per_h())

    def _turn(self, t_ms: int, row: Phase, fl_per_h: int) -> None:
        if row.direction != "STK":
            self.direction = WITHDRAW if row.direction == "WDR" else INFUSE
        self._pump_on(t_ms, fl_per_h, self._memory.volume_pl(row) or None)

    def _fil(self, t_ms: int, row: Phase) -> int | None:
        counts, then = self._counts(t_ms), self._fill_from
        self._fill_from = counts
        net_pl = counts[0] - then[0] - counts[1] + then[1]
        if not net_pl:
            return self.course.phase + 1
        self.direction = WITHDRAW if net_pl > 0 else INFUSE
        self._fill_from = (counts[0] - min(0, net_pl), counts[1] + max(0, net_pl))
        self._pump_on(t_ms, row.fl_per_h(), abs(net_pl))
        return None

    def _pump_on(self, t_ms: int, fl_per_h: int, volume_pl: int | None) -> None:
        if not self.can_make(fl_per_h):
            self._fail(t_ms, "E")
            return
        self.rate, self.state = fl_per_h, State.PUMPING
        self.drive.start(t_ms, fl_per_h, self.direction, volume_pl)

    def _stp(self, t_ms: int, _row: Phase) -> None:
        self.stop(t_ms)

    def _pas(self, t_ms: int, row: Phase) -> None:
        self.state = State.TIMED if row.data else State.WAITING
        self._pause_end = self.own(t_ms) + row.data

    def _cld(self, t_ms: int, _row: Phase) -> int:
        self.clear_counts(t_ms)
        return self.course.phase + 1

    def _counts(self, t_ms: int) -> tuple[int, int]:
        return self.drive.counts_pl(t_ms)


def startable(program: Program, memory: Memory, phase: int) -> str:
    """Why a program cannot start at a phase: the answer to RUN, or nothing if it can."""
    row = memory.phases[phase - 1]
    if row.function not in RATE_FUNCTIONS - {"DEC"} or program.can_make(row.fl_per_h()):
        return ""
    return "?OOR" if row.rate else "?NA"


_EFFECTS: Final[Mapping[str, Callable[[Program, int, Phase], int | None]]] = MappingProxyType(
    {
        "RAT": Program._rat,
        "INC": Program._inc,
        "DEC": Program._dec,
        "FIL": Program._fil,
        "STP": Program._stp,
        "PAS": Program._pas,
        "CLD": Program._cld,
    }
)
