"""Anything may go wrong in any order: lost and changed frames, a pump that stalls or resets, a process that dies.

The whole stack on a simulated pump, driven by drawn mishaps, requests and waits at the edges; after every step
``SystemBench.check`` and the spies compare it with the simulator's truth (S-01 to S-12, S-15 to S-20, S-24,
S-25, S-29, S-30 and the sums). At the end a person clears up, and the plan has to go on: there is always a
way out (D-18).
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.therapy.plan import DosingPlan
from tests.strategies import approved_plans
from tests.system_bench import SystemBench
from tests.system_plans import PLANS
from tests.whole_stack import DAY, HOUR, MINUTE

T_S = 2_000
GAINS = st.sampled_from([1_000_000, 1_145_000, 855_000])  # true displacement, within the pump's accuracy
GOOD = st.sampled_from([1, 2 * HOUR, 26 * HOUR])  # how long all is well at first
WAITS = st.sampled_from(
    [1, T_S, 5_000, 5 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 4 * HOUR, 6 * HOUR, DAY - 1, DAY, DAY + 1]
)
AROUND_SLOT = st.sampled_from([-20 * MINUTE - T_S, -T_S, -1, 0, 1, 10 * MINUTE, 20 * MINUTE + 1, 30 * MINUTE])
COMMANDS = st.sampled_from(["slot", "slot", "press", "press", "renewal", "restart", "stop", "ask"])
WIRE = st.sampled_from(
    [
        "lose-request", "lose-reply", "lose-reply", "delay-request:by=1s", "delay-reply:by=1s",
        "delay-request:by=10s", "duplicate-request", "duplicate-request:by=3s", "duplicate-reply", "reorder",
        "corrupt-request", "corrupt-reply", "corrupt-request:byte=30,crc=repair", "truncate-request",
        "truncate-reply",
    ]
)  # fmt: skip
TYPES = st.sampled_from(["commit", "commit", "propose", "stop", "status", "outcome", "any"])
COUNTS = st.sampled_from([1, 2, 40])
PUMP = st.sampled_from(
    [
        "stall:for=10min", "stall:for=7h", "stall:silent=1,for=2h", "stall-clear", "power-loss",
        "power-loss:for=10min", "counter-reset", "status-stuck:for=20min", "stop-ignored:count=1",
        "stop-ignored:count=3,reply=silent", "over-infusion:gain_ppm=1145000",
        "over-infusion:gain_ppm=855000",
    ]
)  # fmt: skip
KILLS = st.sampled_from(
    [
        ("before", "intent"), ("after", "intent"), ("before", "outcome"), ("after", "outcome"),
        ("after", "asked"), ("before", "granted"), ("before", "stop"), ("after", "evidence"),
        ("after", "confirm"), ("before", "bolus"), ("wire", "propose"), ("wire", "commit"), ("wire", "stop"),
        ("heard", "propose"), ("heard", "commit"), ("heard", "stop"),
    ]
)  # fmt: skip
KINDS = {"scheduled": StepKind.BOLUS, "patient": StepKind.BOLUS, "prime": StepKind.PRIME}
PURPOSES = st.sampled_from(["basal", "basal", "hold", "scheduled", "patient", "prime"])
VOLUMES = st.sampled_from([0, 100, 6_700, 6_700, 20_000, 20_100, 60_100, 300_000, 1_000_050])
LENGTHS = st.sampled_from([10 * MINUTE, 20 * MINUTE, HOUR, 4 * HOUR, DAY, DAY + 1])
OFF = st.sampled_from([0, T_S, 61_000, 5 * HOUR, 25 * HOUR])


def alive(machine: SystemMachine) -> bool:
    return not machine.bench.dead


class SystemMachine(RuleBasedStateMachine):
    """A few fixed plans."""

    bench: SystemBench

    @initialize(plan=st.sampled_from(sorted(PLANS)), gain=GAINS, good_ms=GOOD)
    def begin(self, plan: str, gain: int, good_ms: int) -> None:
        self.bench = SystemBench(PLANS[plan](), gain)
        self.bench.wait(good_ms)

    # Time.

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.bench.wait(ms)

    @rule(offset=AROUND_SLOT)
    def wait_for_slot(self, offset: int) -> None:
        self.bench.to_slot(offset)

    # People.

    @precondition(alive)
    @rule(after_lockout=st.sampled_from([None, -1, 0, 1, T_S, 5_000]))
    def patient_presses(self, after_lockout: int | None) -> None:
        if after_lockout is not None:
            self.bench.to_end_of_lockout(after_lockout)
        if alive(self):
            self.bench.press()

    @precondition(alive)
    @rule(offset=st.sampled_from([-1, 0, 1, T_S, 5_000]))
    def patient_presses_again_at_the_end_of_the_lockout(self, offset: int) -> None:
        self.bench.tend()
        for _ in range(3):
            if alive(self):
                self.bench.press()
                self.bench.to_end_of_lockout(offset)
        if alive(self):
            self.bench.press()

    @precondition(alive)
    @rule(what=st.sampled_from(["stop", "pause", "resume", "acknowledge", "prime", "look"]))
    def person(self, what: str) -> None:
        getattr(self.bench, what)()

    @precondition(lambda self: alive(self) and self.bench.stack.guard.unsettled is not None)
    @rule()
    def person_resolves(self) -> None:
        self.bench.resolve()

    @precondition(lambda self: alive(self) and self.bench.state is State.WAITING)
    @rule(stale=st.booleans())
    def person_confirms(self, stale: bool) -> None:
        self.bench.confirm_other_code() if stale else self.bench.confirm()

    @rule(command=COMMANDS)
    def person_puts_right(self, command: str) -> None:
        self.bench.tend()
        self.bench.command(command)

    @rule()
    def two_persons_look_at_it(self) -> None:
        self.bench.tend()
        self.bench.tend()
        self.bench.to_slot(1)

    # Mishaps.

    @rule(fault=WIRE, type_=TYPES, count=COUNTS, command=COMMANDS)
    def wire_fails_in(self, fault: str, type_: str, count: int, command: str) -> None:
        joint = "," if ":" in fault else ":"
        self.bench.wire_fault(f"{fault}{joint}type={type_},count={count}")
        self.bench.command(command)

    @rule(ms=st.sampled_from([100, 1_000, 10 * MINUTE, 7 * HOUR]), command=COMMANDS)
    def wire_is_silent_in(self, ms: int, command: str) -> None:
        self.bench.wire_fault(f"silence:for={ms}ms")
        self.bench.command(command)

    @rule(fault=PUMP)
    def pump_fails(self, fault: str) -> None:
        self.bench.pump_fault(fault)

    @precondition(alive)
    @rule(at=KILLS, command=COMMANDS, off=OFF)
    def process_dies_in(self, at: tuple[str, str], command: str, off: int) -> None:
        self.bench.kill_at(*at)
        self.bench.command(command)
        if self.bench.dead:
            self.bench.restart(off)

    @rule(off=OFF, reboot=st.booleans())
    def process_dies(self, off: int, reboot: bool) -> None:
        self.bench.restart(off, reboot=reboot)

    @precondition(alive)
    @rule(command=COMMANDS, request=st.sampled_from([None, 3, 4]))
    def process_is_asked_to_end_in(self, command: str, request: int | None) -> None:
        self.bench.end_in(command, request)

    @precondition(alive)
    @rule(purpose=PURPOSES, account=st.sampled_from(["stage-0", "stage-0", "stage-1"]), nl=VOLUMES, ms=LENGTHS,
          tail_nl=st.sampled_from([0, 12_000, 25_000]), again=st.sampled_from([False, False, False, True]))  # fmt: skip
    def guard_is_asked_behind_the_controller(
        self, purpose: str, account: str, nl: int, ms: int, tail_nl: int, again: bool
    ) -> None:
        kind = KINDS.get(purpose, StepKind.BASAL)
        tail = (Step(StepKind.BASAL, tail_nl, HOUR),) if tail_nl else ()
        self.bench.hostile_ask(Purpose(purpose), account, (Step(kind, nl, ms), *tail), again=again)

    @precondition(alive)
    @rule(purpose=st.sampled_from(["scheduled", "patient"]), wait=st.sampled_from([1, 11 * MINUTE]))
    def guard_is_asked_for_one_bolus_after_the_other(self, purpose: str, wait: int) -> None:
        self.bench.tend()
        for _ in range(6):
            self.bench.hostile_ask(Purpose(purpose), "stage-0", (Step(StepKind.BOLUS, 20_000, 10 * MINUTE),))
            self.bench.wait(wait)

    @precondition(alive)
    @rule(fault=st.sampled_from(["lose-reply", "lose-request", "delay-request:by=1s"]), command=COMMANDS)
    def guard_is_asked_while_an_outcome_is_unknown(self, fault: str, command: str) -> None:
        self.bench.wire_fault(f"{fault}{',' if ':' in fault else ':'}type=commit")
        self.bench.command(command)
        self.bench.command("ask")

    @precondition(alive)
    @rule(code=st.sampled_from(["flow", "stalled", "wrong-pump", "battery-low"]))
    def alarm_from_outside(self, code: str) -> None:
        self.bench.alarm(code)

    @rule(ms=st.sampled_from([-HOUR, -T_S - 1, T_S, T_S + 1, HOUR]))
    def wall_clock_jumps(self, ms: int) -> None:
        self.bench.jump_wall(ms)

    @precondition(alive)
    @rule(command=COMMANDS)
    def disk_is_full_in(self, command: str) -> None:
        self.bench.disk_full()
        self.bench.command(command)

    # What always holds.

    @invariant()
    def everything_holds(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check()

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check_truth()
            self.bench.clear_up()


class AnyPlanMachine(SystemMachine):
    """Every plan that a review would approve."""

    @initialize(plan=approved_plans(prime=True), gain=GAINS, good_ms=GOOD)
    def begin(self, plan: DosingPlan, gain: int, good_ms: int) -> None:
        self.bench = SystemBench(plan, gain)
        self.bench.wait(good_ms)


def test_whatever_goes_wrong_the_invariants_hold() -> None:
    run_state_machine_as_test(SystemMachine, settings=settings(max_examples=24, stateful_step_count=20))


@pytest.mark.deep
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("machine", [SystemMachine, AnyPlanMachine])
def test_whatever_goes_wrong_in_long_runs_the_invariants_hold(machine: type[SystemMachine]) -> None:
    long = settings(max_examples=400, stateful_step_count=60, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=long)
