"""What an implant-like pump does by itself: it runs steps in order, counts, and watches content and battery.

Layer      sim.firmware. Written from docs/reference-protocol.md, section 4 (steps, stall and empty) and 5
           (alarms).
Invariant  state changes only in `start`, `end`, `elapse` and the setters; `next_ms` is when `elapse` has
           work.
Blindness  the pump knows what its motor counted and when it was filled, never what truly flowed: its
           content is fill minus counted, its empty alarm is worked out from that, and only a stall that it
           sees is a stall to it.
Units      `t_ms` true time, `own_ms` the pump's; counts in pump steps, volumes nL.
Tests      tests/unit/sim/test_firmware_reference.py, tests/unit/sim/test_world.py
"""

from collections.abc import Callable
from typing import Final

from sim.firmware.reference_frames import Alarm, State, What
from sim.mechanism import Mechanism
from sim.models import Model
from sim.motor import HOUR_MS, NEVER

DAY_MS: Final = 24 * HOUR_MS
Steps = tuple[tuple[int, int], ...]  # pump steps, duration in pump ms


class Run:
    """A step list being carried out; `id` 0 is one that nobody asked for."""

    __slots__ = ("began_at", "end_ms", "id", "index", "last_count", "step_at", "steps")

    def __init__(self, id_: int, steps: Steps, began_at: int) -> None:
        self.id, self.steps, self.began_at = id_, steps, began_at
        self.index = self.end_ms = 0
        self.step_at = began_at
        self.last_count = began_at + sum(n for n, _ in steps)


class Delivery:
    """Runs one step list at a time on a mechanism.

    `on_end(id, what, given_nl)` is called when an id ends, `on_alarm(t_ms)` when a new alarm bit is set by
    itself. `alarm_ms` is the next time at which a host could notice something; `next_ms` also counts plain
    ends of steps.
    """

    __slots__ = (
        "_battery_at",
        "_battery_used",
        "_clock",
        "_empty_at",
        "_fill_nl",
        "_filled_at",
        "_ghost_end",
        "_life_ms",
        "_low_at",
        "_low_ms",
        "_mechanism",
        "_motor",
        "_on_alarm",
        "_on_end",
        "_step_nl",
        "alarm_ms",
        "alarms",
        "next_ms",
        "run",
        "state",
    )

    def __init__(
        self,
        model: Model,
        mechanism: Mechanism,
        on_end: Callable[[int, What, int], None],
        on_alarm: Callable[[int], None],
    ) -> None:
        self._mechanism, self._on_end, self._on_alarm = mechanism, on_end, on_alarm
        self._clock, self._motor = mechanism.clock, mechanism.motor
        self._step_nl = model.step_nl
        self._life_ms = model.battery_life_days * DAY_MS
        self._low_ms = -(-self._life_ms * (100 - model.battery_low_percent) // 100)
        self._battery_at = self._battery_used = 0
        self._filled_at = self._fill_nl = self._low_at = self._empty_at = 0
        self._ghost_end = NEVER
        self.run: Run | None = None
        self.state = State.IDLE
        self.alarms = 0
        self.next_ms = self.alarm_ms = NEVER

    # What the pump knows

    def counted(self, t_ms: int) -> int:
        """Pump steps made since the pump was built."""
        return self._motor.steps(self._clock.own(t_ms))

    def given_nl(self, t_ms: int) -> int:
        """Counted since the running id began, nL; 0 when nothing runs."""
        return (self.counted(t_ms) - self.run.began_at) * self._step_nl if self.run else 0

    def content_nl(self, t_ms: int) -> int:
        """Calculated reservoir content."""
        return self.content_after(self.counted(t_ms))

    def content_after(self, counted: int) -> int:
        """The same when so many pump steps have been counted: what was filled minus what was counted since."""
        left_nl = self._fill_nl - (counted - self._filled_at) * self._step_nl
        return left_nl if left_nl > 0 else 0

    def battery(self, t_ms: int) -> int:
        """Percent left."""
        used = (self._battery_used + t_ms - self._battery_at) * 100 // self._life_ms
        return 100 - used if used < 100 else 0

    def what_is_left(self, t_ms: int) -> Steps:
        """The steps of the run that are still to do, the present one cut; for a pump that wrongly resumes."""
        run = self.run
        if run is None:
            return ()
        own = self._clock.own(t_ms)
        made = self.counted(t_ms) - run.step_at
        rest = (max(0, run.steps[run.index][0] - made), max(1, run.end_ms - own))
        return (rest, *run.steps[run.index + 1 :])

    # Commands

    def start(self, t_ms: int, id_: int, steps: Steps) -> None:
        """Cut what runs (it becomes `replaced`) and begin step 0 of `steps`."""
        self._finish(t_ms, What.REPLACED)
        own = self._clock.own(t_ms)
        self.run = run = Run(id_, steps, self.counted(t_ms))
        self.state = State.RUNNING
        self.alarms &= ~(Alarm.RESET | Alarm.STALL)
        self._ghost_end = NEVER
        self._begin(t_ms, own, run)
        self.elapse(t_ms)

    def end(self, t_ms: int, what: What, state: State, *, motor_goes_on: bool = False) -> None:
        """End what runs, if anything does, and take `state`. `motor_goes_on` is the fault of a deaf motor."""
        if motor_goes_on:
            self._ghost_end = self.run.end_ms if self.run else self._ghost_end
        else:
            self._ghost_end = NEVER
            self._mechanism.halt(t_ms, self._clock.own(t_ms))
        self._finish(t_ms, what)
        self.state = state
        self.plan(t_ms)

    def fill(self, t_ms: int, fill_nl: int, alarm_nl: int) -> None:
        """A person tells the pump that it holds `fill_nl`; the two reservoir alarms end."""
        self._fill_nl, self._filled_at = fill_nl, self.counted(t_ms)
        self._low_at = self._filled_at - (-max(0, fill_nl - alarm_nl) // self._step_nl)
        self._empty_at = self._filled_at + fill_nl // self._step_nl
        self.alarms &= ~(Alarm.EMPTY | Alarm.LOW_RESERVOIR)
        self.elapse(t_ms)

    def set_battery(self, t_ms: int, percent: int) -> None:
        """From now on the battery holds `percent`, draining as ever."""
        self._battery_used, self._battery_at = -(-self._life_ms * (100 - percent) // 100), t_ms
        self.elapse(t_ms)

    # The course of time

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`: ends of steps first, then what the pump watches."""
        known = self.alarms
        own = self._clock.own(t_ms)
        while self.run and own >= self.run.end_ms:
            self._next_step(t_ms, self.run)
        if own >= self._ghost_end:
            self._mechanism.halt(t_ms, self._ghost_end)
            self._ghost_end = NEVER
        if self._mechanism.occluded:
            self._watch_pressure(t_ms)
        if self._motor.blocked:
            self._watch_motor(t_ms, own)
        self._watch_content(t_ms, own)
        self._watch_battery(t_ms)
        self.plan(t_ms)
        if self.alarms & ~known:
            self._on_alarm(t_ms)

    def plan(self, t_ms: int) -> None:
        """Work out when something is due next; to be called after every change of the mechanism."""
        due = self._battery_due()
        end = self._clock.true(self.run.end_ms if self.run else self._ghost_end)
        if end < NEVER and (seen := self._seen_before(t_ms, end)) < due:
            due = seen
        self.alarm_ms = due
        self.next_ms = end if end < due else due

    def _seen_before(self, t_ms: int, end: int) -> int:
        """First alarm or sign of one up to `end`, or `end` itself where a later step of the run may bring
        one.
        """
        clock, motor, run, occluded = self._clock, self._motor, self.run, self._mechanism.occluded
        mark = self._next_mark()
        due = clock.true(motor.when(mark))
        if occluded:
            due = min(due, self._mechanism.when_full(end))
        if run and motor.blocked and not motor.silent:
            due = min(due, clock.true(motor.due_ms))
        if due <= end:
            return max(due, t_ms)
        if run is None or run.index + 1 == len(run.steps):
            return NEVER
        odd = mark <= run.last_count or occluded or motor.blocked or motor.runs_away
        return end if odd else NEVER

    def _next_mark(self) -> int:
        if not self.alarms & Alarm.LOW_RESERVOIR:
            return self._low_at if self._low_at < self._empty_at else self._empty_at
        return NEVER if self.alarms & Alarm.EMPTY else self._empty_at

    def _battery_due(self) -> int:
        begun = self._battery_at - self._battery_used
        if not self.alarms & Alarm.LOW_BATTERY:
            return begun + self._low_ms
        return NEVER if self.alarms & Alarm.END_OF_SERVICE else begun + self._life_ms

    def _begin(self, t_ms: int, own_ms: int, run: Run) -> None:
        steps, duration = run.steps[run.index]
        run.step_at = self._motor.steps(own_ms)
        run.end_ms = own_ms + duration
        self._mechanism.begin(t_ms, own_ms, steps, duration)

    def _next_step(self, t_ms: int, run: Run) -> None:
        run.index += 1
        if run.index < len(run.steps):
            self._begin(t_ms, run.end_ms, run)
            return
        self._mechanism.halt(t_ms, run.end_ms)
        self._finish(t_ms, What.DONE)
        self.state = State.IDLE

    def _finish(self, t_ms: int, what: What) -> None:
        if self.run:
            id_, given = self.run.id, self.given_nl(t_ms)
            self.run = None
            self._on_end(id_, what, given)

    def _watch_pressure(self, t_ms: int) -> None:
        if self._mechanism.when_full(t_ms) <= t_ms:
            self._mechanism.press(t_ms)

    def _watch_motor(self, t_ms: int, own_ms: int) -> None:
        if self.run and not self._motor.silent and own_ms >= self._motor.due_ms:
            self.alarms |= Alarm.STALL
            self.end(t_ms, What.STOPPED, State.STALLED)

    def _watch_content(self, t_ms: int, own_ms: int) -> None:
        counted = self._motor.steps(own_ms)
        if counted >= self._low_at:
            self.alarms |= Alarm.LOW_RESERVOIR
        if counted < self._empty_at or self.state is State.FAILED:
            return
        if self.run or not self.alarms & Alarm.EMPTY:
            self.alarms |= Alarm.EMPTY
            self.end(t_ms, What.STOPPED, State.EMPTY)

    def _watch_battery(self, t_ms: int) -> None:
        used = self._battery_used + t_ms - self._battery_at
        if used >= self._low_ms:
            self.alarms |= Alarm.LOW_BATTERY
        if used >= self._life_ms and not self.alarms & Alarm.END_OF_SERVICE:
            self.alarms |= Alarm.END_OF_SERVICE
            self.end(t_ms, What.STOPPED, State.FAILED)
