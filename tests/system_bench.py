"""One whole stack with its spies, people and mishaps: what the system machine and the fixed cases drive.

``SystemBench`` offers what can happen; ``check`` (from ``SystemChecks``) is what has to hold. Times are true ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pump_ctrl.bench.stack import PERSON
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.errors import JournalError, LinkError, NotAllowed
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.rules import judge
from pump_ctrl.therapy.plan import DosingPlan
from sim.faults import Fault
from tests.slow_ledger import HOUR
from tests.spies import STEP_NL, STOP, Killed
from tests.system_checks import T_S, SystemChecks
from tests.whole_stack import DAY, MINUTE, refill, sums_now

AT_REST = (State.PAUSED, State.STOPPED, State.FAULT)
STUCK = ("disagreement", "over-delivery")
_BASAL = (Step(StepKind.BASAL, 0, HOUR),)
_BOLUS = (Step(StepKind.BOLUS, 100, HOUR),)
PROBES = (
    Ask("probe-basal", Purpose.BASAL, "stage-0", _BASAL),
    Ask("probe-scheduled", Purpose.SCHEDULED, "stage-0", _BOLUS),
    Ask("probe-patient", Purpose.PATIENT, "stage-0", _BOLUS),
    Ask("probe-hold", Purpose.HOLD, "stage-0", _BASAL),
)


class SystemBench(SystemChecks):
    """A plan on its pump, confirmed; nothing has gone wrong yet."""

    def __init__(self, plan: DosingPlan, gain_ppm: int = 1_000_000) -> None:
        super().__init__(plan, gain_ppm)
        self._presses = self._hostile = 0
        self._outside: set[str] = set()
        self._off_ms = 0  # by how much the wall clock was moved since the controller last said so
        self.spy.waiting = False
        self.stack.begin()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """The controller may be killed at any point in here; with a full disk it may say so."""
        try:
            yield
        except Killed:
            self._died()
        except JournalError:
            assert self.journal.broken
        if not self.dead:
            self.spy.stopped |= self.state in (State.PAUSED, State.STOPPED)
            self.spy.faulted |= self.state is State.FAULT

    def _died(self) -> None:
        if not self.dead and self.state is not State.WAITING:
            self.journal.books.died_in_run = self.now
        self.stack.die()
        self.dead = self.spy.waiting = True
        self.journal.kill = self.spy.kill = self.spy.end_at = None
        self.spy.asked_to_end = False

    # Time.

    def wait(self, ms: int) -> None:
        if self.dead:
            self.clock.advance(ms)
            return
        with self._alive():
            self.stack.run_to(self.now + ms)
        if not self.dead:
            self.stop_is_repeated()

    def to_slot(self, offset: int) -> None:
        """Wait until ``offset`` ms after the next scheduled bolus is due by plan time."""
        shift = self.journal.books.shift_ms
        slot = self.schedule.next_slot(max(0, self.now + shift - min(0, offset)))
        at = self.now + HOUR if slot is None else slot.at_ms - shift + offset
        self.wait(max(1, at - self.now))

    def to_end_of_lockout(self, offset: int) -> None:
        """Wait until ``offset`` ms after the lockout of the last bolus may be over."""
        boluses = [s for s in self.spy.starts if s.steps[0][0] == "bolus"]
        if boluses and self.schedule.patient is not None:
            end = boluses[-1].at_ms + boluses[-1].steps[0][2]
            self.wait(max(1, end + self.schedule.patient.lockout_ms + offset - self.now))

    def command(self, what: str) -> None:
        """Let something go over the wire."""
        if what == "slot":
            self.to_slot(1)
        elif what == "renewal":
            self.wait(DAY)
        elif what == "restart":
            self.restart()
        elif what == "ask":
            self.hostile_ask(Purpose.BASAL, "stage-0", (Step(StepKind.BASAL, 6_700, HOUR),))
        elif not self.dead:
            self.press() if what == "press" else self.stop()

    # People.

    def press(self) -> None:
        self._presses += 1
        self._ask(f"press-{self._presses}", RequestKind.PATIENT_BOLUS)

    def stop(self) -> None:
        """S-08: STOP is the first thing that leaves, in any state; and a pump that confirms it is at rest."""
        sent = len(self.spy.sent)
        self._ask("stop", RequestKind.STOP)
        if not self.dead:
            assert self.spy.sent[sent][1] == STOP, "something else went out before the STOP (S-08)"
            running = self.stack.world.implant.delivery.run is not None
            assert not running or not self.journal.books.stop_acked or self.journal.broken

    def pause(self) -> None:
        self._ask("pause", RequestKind.PAUSE)

    def resume(self) -> None:
        self.spy.stopped = self.spy.faulted = False
        self._ask("resume", RequestKind.RESUME)

    def prime(self) -> None:
        self._ask("prime", RequestKind.PRIME)

    def _ask(self, request_id: str, kind: RequestKind) -> None:
        with self._alive():
            self.stack.ask(request_id, kind)

    def look(self) -> None:
        with self._alive():
            self.stack.guard.read_status()

    def acknowledge(self) -> None:
        with self._alive():
            self.stack.runner.acknowledge(PERSON)

    def resolve(self) -> None:
        permit = self.stack.guard.unsettled
        with self._alive():
            if permit is not None:
                self.stack.runner.resolve(permit.id, PERSON, "looked at the pump")

    def confirm(self) -> None:
        """A person confirms what the controller says, which is not possible in every moment."""
        self.spy.waiting = self.spy.stopped = self.spy.faulted = False
        with self._alive():
            try:
                self.stack.confirm()
            except (LinkError, NotAllowed):
                self.spy.waiting = True

    def confirm_other_code(self) -> None:
        """S-25: a confirm of another content than the present one changes nothing."""
        with self._alive():
            try:
                self.stack.runner.confirm(PERSON, "00000000")
            except (LinkError, NotAllowed):
                assert self.state is State.WAITING
                return
            raise AssertionError("any code is taken for the right one (S-25)")

    # Mishaps.

    def wire_fault(self, text: str) -> None:
        name, _, params = text.partition(":")
        self.stack.wire.inject(Fault.parse(f"{name}@{self.now}ms" + (f":{params}" if params else "")))

    def pump_fault(self, text: str) -> None:
        name, _, params = text.partition(":")
        fault = Fault.parse(f"{name}@0" + (f":{params}" if params else ""))
        if name == "over-infusion":
            self.gain_ppm = max(self.gain_ppm, fault.number("gain_ppm"))
        if name == "counter-reset":
            self.unseen_nl += self.stack.world.truth.counted_nl()
        self.stack.world.inject(fault)

    def alarm(self, code: str) -> None:
        """S-18: one alarm more turns no refusal into a grant."""
        refused = self._refused()
        self._outside.add(code)
        with self._alive():
            self.stack.guard.raise_alarm(code, "from outside")
        assert self.dead or refused <= self._refused(), "an alarm opened something (S-18)"

    def _refused(self) -> set[tuple[str, str]]:
        guard = self.stack.guard
        return {(ask.request_id, d.rule) for ask in PROBES for d in judge(ask, guard._view(), guard._now())}

    def jump_wall(self, ms: int) -> None:
        """D-16: more than T_s away from where it was is an alarm, and moves nothing."""
        shift = self._shift()
        self.clock.jump_wall(ms)
        if self.dead:
            return
        self._off_ms += ms
        with self._alive():
            self.stack.runner.turn()
        if not self.dead:
            assert self._shift() == shift
            raised = {alarm.row.code for alarm in self.stack.guard.alarms}
            assert abs(self._off_ms) <= T_S or "wall-clock" in raised
            self._off_ms = self._off_ms if abs(self._off_ms) <= T_S else 0

    def _shift(self) -> tuple[int, int | None]:
        """Plan time minus true time, as controller and guard have it."""
        controller, guard = self.stack.controller.plan_ms(self.clock.boot_ms()), self.stack.guard.plan_ms
        return controller - self.now, None if guard is None else guard - self.now

    def hostile_ask(
        self, purpose: Purpose, account: str, steps: tuple[Step, ...], *, again: bool = False
    ) -> None:
        """S-19: somebody asks the guard behind the controller's back; whatever begins has to be within bounds."""
        self._hostile += not again
        if self.dead:
            return
        with self._alive():
            self.stack.guard.deliver(Ask(f"hostile-{self._hostile}", purpose, account, steps))
            # as the runner does after every command of its own
            for event in self.stack.runner._look_at_alarms():
                self.stack.runner._feed(event)

    def end_in(self, command: str, request: int | None) -> None:
        """The process is asked to end, now or as a request of that type leaves, and ends after the command."""
        self.spy.asked_to_end, self.spy.end_at = request is None, request
        self.command(command)
        self.restart()

    def disk_full(self) -> None:
        self.journal.broken = True

    def kill_at(self, where: str, what: str) -> None:
        """The process will die before or after such a record, or with a request unsent or a reply unread."""
        if where in ("wire", "heard"):
            self.spy.kill = (where, {"propose": 3, "commit": 4, "stop": 5}[what])
        else:
            self.journal.kill = (where, what)

    def restart(self, off_ms: int = 0, *, reboot: bool = False) -> None:
        """The process dies, if it has not already, and starts ``off_ms`` later; maybe the host booted anew."""
        self._died()
        if (
            self.journal.broken
        ):  # nobody who comes after can know what was said while nothing could be written
            self.spy.stopped = self.spy.faulted = False
        self.journal.broken = False
        self._off_ms = 0
        self.clock.advance(off_ms)
        self.dead = False
        with self._alive():
            try:
                self.stack.restart(reboot=reboot)
            except LinkError:
                self.dead = True
        if not self.dead:
            assert self.state is State.WAITING, "a restart does not wait for a person (S-25)"
            assert self.stack.guard.waiting or not self.journal.books.intents
            run, stopped = self.stack.world.implant.delivery.run, self.journal.books.stop_acked
            primes = {start.id for start in self.spy.starts if start.intent["purpose"] == "prime"}
            assert run is None or run.id not in primes or not stopped, "a prime outlives a restart (D-12)"

    # The way out.

    def tend(self) -> None:
        """What a person does who finds the controller as it is."""
        if self.dead or self.journal.broken:
            self.restart()
        if self.dead:
            return
        for code in (*STUCK, *self._outside):
            with self._alive():
                self.stack.guard.clear_alarm(code)
        self._outside.clear()
        if self.stack.guard.unsettled is not None:
            with self._alive():
                self.stack.runner.settle()
        if not self.dead and self.state is State.WAITING:
            self.confirm()
        if self.stack.guard.left_by_now_nl[1] > 18_000_000:
            refill(self.stack)
        self.acknowledge()
        if not self.dead and self.state in (State.PAUSED, State.STOPPED):
            self.resume()

    def clear_up(self) -> None:
        """D-18: the mishaps end, a person tends to it, and two days later all is as planned."""
        self._repair()
        for _ in range(12):
            self.tend()
            self.wait(10 * MINUTE)
            self.check()
        if self.stack.guard.unsettled is not None:
            self.resolve()
        self.wait(50 * HOUR)
        self.tend()
        self.check()
        self.check_truth()
        alarms = [alarm.row.code for alarm in self.stack.guard.alarms]
        assert not self.dead
        assert self.state not in (*AT_REST, State.WAITING, State.UNCERTAIN), f"{self.state}, alarms {alarms}"
        self._as_planned()

    def _as_planned(self) -> None:
        (planned, _, missed), counted = sums_now(self.stack), self.stack.world.truth.counted_nl()
        self.wait(2 * HOUR)
        after, now_counted = sums_now(self.stack), self.stack.world.truth.counted_nl()
        due, run = after[0] - planned, self.stack.controller.run
        beside = sum(span.missed for span in run.spans) if run is not None else 0  # a bolus (D-03)
        told = STEP_NL + beside
        assert after[2] - missed < told, f"{float(after[2] - missed)} of {float(due)} nL still missed"
        assert -told - STEP_NL <= now_counted - counted - due <= 2 * STEP_NL

    def _repair(self) -> None:
        """Whatever was armed, switched or broken is as new; what happened stays."""
        wire, world = self.stack.wire, self.stack.world
        self._died()
        for armed in (wire._request, wire._reply, wire._silences):
            armed.clear()
        if world.firmware.off:
            world.power_on()
        world.firmware.freeze_status(world.now_ms, on=False)
        world.implant.stops_to_ignore = 0
        self.pump_fault("stall-clear")
