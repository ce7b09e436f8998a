"""A stack to which two faults happen, and what has to be true of it by the truth and by the plan as data.

Nothing that is compared here comes from the guard or the controller, but where it is they that are judged: bounds of
the ledger, records of a bolus. Times are true ms from the start, volumes nL.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from pump_ctrl.bench import oracle
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.journal import MemoryJournal
from sim.fault_registry import parse_time
from tests.driver_stacks import Kind, check_gaps_are_named, check_slots, check_sums, reaped, records
from tests.faults.pair_plans import COURSES, PRESS_NL, Course, Slot, plan_of
from tests.faults.parts import PARTS, Part
from tests.faults.stand import PERSON, Stand
from tests.spies import Killed
from tests.whole_stack import DAY, HOUR, MINUTE, formulary, profile

PG_PER_NL: Final = 1_000
T_S: Final = 2_000
LOOK_MS: Final = 10 * MINUTE
VOUCHED: Final = ("disagreement", "over-delivery", "flow")  # nothing but a person's look ends these


@dataclass(frozen=True)
class Pair:
    """Two faults of different groups: on what pump, in which plan, when each (ms), and when a person looks at it.

    ``days``: how long the run lasts.
    """

    pump: str
    on_loss: str
    plan: str
    first: str
    at: int
    second: str
    after: int
    tend_after: int
    days: int = 1

    @property
    def kind(self) -> Kind:
        return Kind(self.pump, self.on_loss)

    @property
    def parts(self) -> tuple[Part, Part]:
        return PARTS[self.first], PARTS[self.second]


class FragileJournal(MemoryJournal):
    """Its disk can be full, and its writer can die before or after a record of a kind."""

    broken = False
    kill: tuple[str, str] | None = None

    def append(self, kind: str, data: Mapping[str, object]) -> Any:  # noqa: ANN401 - the record
        self._die("before", kind)
        if self.broken:
            raise JournalError("The disk is full.")
        record = super().append(kind, data)
        self._die("after", kind)
        return record

    def _die(self, when: str, kind: str) -> None:
        if self.kill == (when, kind):
            self.kill = None
            raise Killed(f"{when} a record of kind {kind}")


@dataclass
class Samples:
    """What the motor had stepped by then; every look is kept."""

    times: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    def add(self, at: int, nl: int) -> None:
        self.times.append(at)
        self.counted.append(nl)

    def least(self, start: int, end: int) -> int:
        """Surely stepped between two instants."""
        first, last = bisect_left(self.times, start), bisect_right(self.times, end) - 1
        return max(0, self.counted[last] - self.counted[first]) if first < last else 0

    def most(self, start: int, end: int) -> int:
        """At most stepped between two instants."""
        first, last = bisect_right(self.times, start) - 1, bisect_left(self.times, end)
        return self.counted[min(last, len(self.counted) - 1)] - self.counted[max(0, first)]


class PairStand(Stand):
    """Runs a pair from the confirm to the end and looks at it after every turn of the loop."""

    def __init__(self, pair: Pair) -> None:
        plan = plan_of(pair.plan, pair.kind)
        clock = VirtualClock(utc_ms=plan.start_utc_ms)
        self.journal = FragileJournal(clock)
        self.stack = SimulatedStack(plan, profile(pair.pump), formulary(), clock=clock, journal=self.journal)
        self.kind, self.pair, self.dead = pair.kind, pair, False
        self.course: Course = COURSES[pair.plan]
        self.reaper = reaped(self.stack)
        self.samples = Samples()
        self.presses: list[int] = []
        self.moved = False  # plan time, by a person who trusted a wall clock that had jumped
        self.own_nl = sum(part.own_nl for part in pair.parts)
        self.hidden_nl = self.own_nl if any(part.hides for part in pair.parts) else 0
        self.hidden_nl += sum(part.lies_nl for part in pair.parts)
        if self.own_nl:  # below two digits of the counter nobody can tell it from its rounding
            self.hidden_nl += 3 * profile(pair.pump).counter_unit.nl
        self.sent: list[str] = []
        self.stack.wire.tap = self._heard
        self._shift = 0

    def _heard(self, _at: int, where: str, data: bytes) -> None:
        if where == "host-sent":
            self.sent.append(self.stack.world.firmware.kind_of(data))

    # The run.

    def go_through(self) -> None:
        """Everything, to the end; any claim that does not hold is an assertion."""
        pair = self.pair
        self.stack.begin()
        self._run_to(pair.at)
        self._befall(pair.first)
        self._run_to(pair.at + pair.after)
        self._befall(pair.second)
        self._run_to(self.now + pair.tend_after)
        self._mended()
        if not any(part.ends for part in pair.parts):
            self._stops_and_goes_on()
            self._run_to(pair.days * DAY + 2 * HOUR)
            self._as_planned()
            self._windows()
            self._boluses()

    def _mended(self) -> None:
        """All that was broken is as new, and a person has looked."""
        stack = self.stack
        self._repair()
        self._cleared_up()
        self._windows()
        self._boluses()
        check_gaps_are_named(stack)
        if not self.moved:
            check_slots(stack)

    @property
    def now(self) -> int:
        return self.stack.clock.true_ms

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """The process may die in here, and may say that its disk is full."""
        try:
            yield
        except Killed:
            self.stack.die()
            self.dead = True
        except JournalError:
            assert self.journal.broken

    def _run_to(self, at: int) -> None:
        while (now := self.now) < at:
            if self.dead:
                self.stack.clock.advance(min(MINUTE, at - now))
                self._restart()
                continue
            wake = self.stack.controller.next_wakeup() - self.stack.clock.boot_ms()
            with self._alive():
                self.stack.run_to(min(at, now + LOOK_MS, now + max(1, wake)))
            self._look()

    def _restart(self, *, reboot: bool = False) -> None:
        self.dead = True
        if reboot:
            self.stack.clock.reboot()
        with self._alive():
            try:
                self.stack.restart()
                self.dead = False
            except LinkError:
                pass

    # What happens.

    def _befall(self, text: str) -> None:
        """A fault of ``parts``."""
        words = text.split()
        match words:
            case ["restart", off]:
                self._off(parse_time(off))
            case ["reboot", off]:
                self._off(parse_time(off), reboot=True)
            case ["die", when, "exchange", nth]:
                self.reaper.arm(int(nth), unsent=when == "before")
            case ["die", when, kind]:
                self.journal.kill = (when, kind)
            case ["disk", "full"]:
                self.journal.broken = True
            case ["wall", by]:
                sign = -1 if by.startswith("-") else 1
                self.stack.clock.jump_wall(sign * parse_time(by.lstrip("-")))
            case ["freeze", span]:
                self.stack.clock.advance(parse_time(span))
            case _ if PARTS[text].group == "people":
                for word in words:
                    self._does(word)
                    self._run_to(self.now + 3_000)
            case _:
                if text.startswith("counter-reset"):  # until it has grown again nobody can know what it hides
                    self.hidden_nl += self.stack.world.truth.counted_nl()
                self._fault(text)

    def _off(self, ms: int, *, reboot: bool = False) -> None:
        self.stack.die()
        self.stack.clock.advance(ms)
        self._restart(reboot=reboot)

    def _does(self, word: str) -> None:
        """What a person does, if there is anybody who listens."""
        if self.dead:
            return
        runner, sent = self.stack.runner, len(self.sent)
        with self._alive():
            match word:
                case "acknowledge":
                    runner.acknowledge(PERSON)
                case "settle":
                    runner.settle()
                case "refill":
                    self.stack.refill()
                case "press":
                    self.presses.append(self.now)
                    self._ask(RequestKind.PATIENT_BOLUS)
                case _:
                    self._ask(RequestKind(word))
        if word == "stop" and not self.dead:
            assert self.sent[sent:][:1] == ["stop"], f"after a STOP left {self.sent[sent:]} (S-08)"
        self._look()

    def _ask(self, kind: RequestKind) -> None:
        self.stack.ask(f"{kind}-{self.now}-{len(self.presses)}", kind)

    # What holds at every turn.

    def _look(self) -> None:
        """S-03; D-02; and never more than the plan had asked for by then, each press and each fault counted (S-06)."""
        counted, guard = self.stack.world.truth.counted_nl(), self.stack.guard
        self.samples.add(self.now, counted)
        most = guard.high_nl + self.hidden_nl
        assert guard.low_nl <= counted <= most, f"{guard.low_nl} <= {counted} <= {most} nL (S-03)"
        if not self.dead:
            check_sums(self.stack)
        if not self.moved:
            planned = self.course.most_nl(self.now + T_S) + PRESS_NL * len(self.presses)
            over = counted - planned - self.own_nl - self._grains()
            assert over <= 0, f"{float(over)} nL more than the plan ever asked for (S-06)"

    def _grains(self) -> int:
        """What counter and time may be off by: three digits, and a motor step."""
        told = profile(self.kind.pump)
        return 3 * max(told.counter_unit.nl, told.step.nl) + 100

    # The way out.

    def _cleared_up(self) -> None:
        """Two hours in which a person looks every ten minutes."""
        if self.journal.broken:
            self.journal.broken = False
            self.stack.die()
            self._restart()
        self.journal.kill = None
        self.reaper.armed = False
        for turn in range(12):
            self._attend(resolve=turn >= 3)
            self._run_to(self.now + 10 * MINUTE)
        assert not self.dead
        if any(part.ends for part in self.pair.parts):
            assert self.stack.controller.state is State.FAULT
        else:
            self._delivers()

    def _delivers(self) -> None:
        """It goes on. Some pumps stand still where the plan rests; and what a pump gave of its own account counts, so
        that the rest of a full window may be refused.
        """
        state, alarms = self.stack.controller.state, [alarm.row.code for alarm in self.stack.guard.alarms]
        rests = self.own_nl > 0 or any(nl == 0 for _, nl in self.course.basal)
        going = (State.RUNNING, State.BOLUS, State.READY) if rests else (State.RUNNING, State.BOLUS)
        assert state in going, f"{state} with {alarms}: a person finds no way out (D-18)"

    def _attend(self, *, resolve: bool) -> None:
        """One look of a person: only what the command line and the console offer."""
        if self.dead:
            self._restart()
        if self.dead:
            return
        stack, runner = self.stack, self.stack.runner
        if stack.guard.unsettled is not None:
            runner.settle()
        if resolve and (permit := stack.guard.unsettled) is not None:
            runner.resolve(permit.id, PERSON, "looked at the pump")
        if stack.controller.state is State.WAITING and not self._confirmed():
            return
        for code in VOUCHED:
            if code in {alarm.row.code for alarm in stack.guard.alarms}:
                runner.vouch(code, PERSON, "looked at the pump")
        runner.acknowledge(PERSON)
        if stack.world.truth.reservoir_nl() < 100_000:
            stack.refill()
        if stack.controller.state in (State.PAUSED, State.STOPPED):
            self._ask(RequestKind.RESUME)

    def _confirmed(self) -> bool:
        shift = self.stack.clock.utc_ms() - self.stack.plan.start_utc_ms - self.now
        try:
            self.stack.confirm()
        except (LinkError, NotAllowed):
            return False
        self.moved |= abs(shift - self._shift) > T_S
        self._shift = shift
        return True

    # What holds in the end.

    def _windows(self) -> None:
        """S-01: what left the tip in any window is within what was signed, at the pump's declared accuracy."""
        stack, truth = self.stack, self.stack.world.truth
        plans = [stack.limits] * (2 if self.moved else 1)
        for drug in truth.drugs():
            for hours in oracle.HOURS:
                allowed = oracle.limit_across(plans, drug, hours) * stack.profile.accuracy[1] // 1_000
                worst, own = truth.worst_window(drug, hours), self.own_nl * PG_PER_NL * 6 // 5
                assert worst <= allowed + own, f"{drug} {hours} h: {worst} pg of {allowed} + {own} (S-01)"

    def _boluses(self) -> None:
        """No dose twice, none forgotten: each slot against what the motor truly stepped around it."""
        if self.moved:
            return
        ends = [data for data in records(self.stack, "bolus") if data["kind"] == "scheduled"]
        told = {int(data["id"].rpartition(":")[2]): data["outcome"] for data in ends}
        for slot in self.course.slots:
            for due in slot.starts(self.now - slot.within - slot.ms - 2 * MINUTE):
                self._bolus(slot, due, told.get(due, "no record"))

    def _bolus(self, slot: Slot, due: int, told: str) -> None:
        end = due + slot.within + slot.ms + MINUTE
        start = due - T_S
        pressed = sum(due - HOUR <= at <= end for at in self.presses) * PRESS_NL
        basal = self.course.fastest * (end - start) // HOUR
        stepped = self.samples.least(start, end)
        most = slot.nl + basal + pressed + self.own_nl + self._grains()
        assert stepped <= most, f"{stepped} nL around the slot of {due} ms, planned {most} ({told})"
        assert told != "no record", f"the slot of {due} ms is forgotten"
        if told == "delivered":
            assert self.samples.most(start, end) + self._grains() >= slot.nl, "told as delivered, and was not"

    def _stops_and_goes_on(self) -> None:
        """A STOP stops, a resume goes on."""
        self._does("stop")
        told = (
            self.stack.controller.state is State.FAULT
        )  # only the answer to the STOP showed what had leaked
        assert told or self.stack.controller.state is State.STOPPED
        self._run_to(self.now + MINUTE)
        stands = self.stack.world.truth.counted_nl()
        self._run_to(self.now + 5 * MINUTE)
        assert self.stack.world.truth.counted_nl() == stands, "stopped, and goes on"
        if told:
            self._attend(resolve=True)
        if self.stack.controller.state is State.STOPPED:
            self._does("resume")
        self._run_to(self.now + 10 * MINUTE)

    def _as_planned(self) -> None:
        """A person looks once more, at what was noticed late; then for two hours what is planned, to a few grains."""
        for _ in range(2):
            self._attend(resolve=True)
            self._run_to(self.now + 10 * MINUTE)
        self._delivers()
        if self.moved or self.own_nl:
            return
        self._run_past_a_bolus()
        begin = self.stack.world.truth.counted_nl()
        due = -self.course.most_nl(self.now)
        self._run_to(self.now + 2 * HOUR)
        self._run_past_a_bolus()
        due += self.course.most_nl(self.now)
        gave = self.stack.world.truth.counted_nl() - begin
        assert abs(gave - due) <= due // 50 + self._grains(), f"{gave} nL of {float(due)}"

    def _run_past_a_bolus(self) -> None:
        """The course counts a bolus as a whole from the moment at which it is due."""
        while self.stack.controller.state is State.BOLUS:
            self._run_to(self.now + 10 * MINUTE)
