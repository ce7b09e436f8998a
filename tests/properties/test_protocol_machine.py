"""One command after the other on each driver, and everything that a wire can do to it, in any order.

No guard and no controller: the driver, its wire, the pump's firmware. The oracle is the pump's own truth. An outcome
is never a lie: ``Acked`` only if the pump runs these steps, ``Refused`` only if it never does, ``NotGiven`` only if it
gave nothing and gives nothing, ``Given`` holds what it gave; a permit is carried out once at the most; a call is over
when its exchanges are.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pump_ctrl.drivers.base import (
    Acked,
    Given,
    Identity,
    NotGiven,
    Outcome,
    Permit,
    PumpState,
    PumpStatus,
    Refused,
    StepKind,
    Unknown,
)
from tests.contract.bench import PUMPS, Bench, Declared

HOUR, MINUTE = 3_600_000, 60_000
FOUND_IS_ENOUGH = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
)  # its steps can be read, and shrinking takes minutes
EXCHANGE_MS = 500
STOP_MS = 2_000  # T_s: a STOP is on the wire for so long at the most
STOP_NEW_ERA_MS = (
    6_000  # it is on the wire at once; then up to six tries, each with a look, until it is given up
)
TYPES = st.sampled_from(["commit", "commit", "propose", "stop", "status", "hello", "any", "any"])
COUNTS = st.sampled_from([1, 1, 2, 7])
NTH = st.sampled_from([1, 1, 2, 5])
BITS = st.sampled_from([("0", "1"), ("3", "16"), ("5", "4"), ("9", "1"), ("14", "64")])
STEPS = st.sampled_from(
    [
        ((12_000, HOUR),),
        ((40_000, HOUR),),
        ((12_000, 20 * MINUTE), (20_000, HOUR)),
        ((8_000, 10 * MINUTE), (6_000, 10 * MINUTE), (24_000, HOUR)),
    ]
)
STARTS = st.sampled_from(
    [
        "lose-request@{}:type=commit", "lose-reply@{}:type=commit", "delay-request@{}:type=commit,by=900ms",
        "delay-request@{}:type=commit,by=600ms", "delay-reply@{}:type=commit,by=900ms",
        "duplicate-request@{}:type=commit,by=900ms", "reorder@{}:type=commit", "truncate-request@{}:type=commit,keep=3",
        "truncate-reply@{}:type=commit,keep=3", "silence@{}:for=700ms",
    ]
)  # fmt: skip
WAITS = st.sampled_from([1, 100, 1_001, 6_000, 20 * MINUTE, HOUR])


@dataclass
class Sent:
    """A permit that was sent: what was told of it, and what the pump had given before and when it was surely over."""

    permit: Permit
    before_nl: int
    acked: bool = False
    never: bool = False  # told that it was not and will not be carried out
    over_nl: int | None = None


class ProtocolMachine(RuleBasedStateMachine):
    """A driver and its pump."""

    def __init__(self, declared: Declared) -> None:
        super().__init__()
        self.declared, self.bench = declared, Bench(declared)
        self.bench.identified()
        self.can, self.met = self.bench.driver.capabilities, True
        self.sent: list[Sent] = []
        self.base_nl = 0  # by then, with all that is settled
        self.open: list[Permit] = []  # whose outcome is not known
        self.late_stops = False  # a STOP may come to the pump once more, after what it was told since

    # What is asked.

    @precondition(lambda self: self.met)
    @rule(steps=STEPS, bolus=st.booleans())
    def deliver(self, steps: tuple[tuple[int, int], ...], bolus: bool) -> None:
        bench = self.bench
        count = min(len(steps), self.can.max_steps)
        permit = bench.permit(*steps[:count], kind=StepKind.BOLUS if bolus else StepKind.BASAL)
        one = Sent(permit, bench.delivered_nl)
        began = bench.now_ms
        outcome: Outcome = bench.driver.deliver(permit)
        took = bench.now_ms - began
        assert took <= (self.declared.exchanges * count + 2) * EXCHANGE_MS, f"a deliver took {took} ms"
        self.sent.append(one)
        if isinstance(outcome, Refused):
            one.never = True
        elif isinstance(outcome, Acked):
            one.acked = True
            for other in self.sent[:-1]:
                other.over_nl = bench.delivered_nl
            self.base_nl, self.open = bench.delivered_nl + permit.volume_nl, []
            self._runs(permit)
        else:
            self.open.append(permit)

    @rule()
    def stop(self) -> None:
        bench = self.bench
        began = bench.now_ms
        outcome = bench.driver.stop()
        most = STOP_NEW_ERA_MS if self.declared.profile.startswith("ne-") else STOP_MS
        assert bench.now_ms - began <= most + EXCHANGE_MS, f"a STOP took {bench.now_ms - began} ms"
        if isinstance(outcome, Acked):
            assert outcome.status.state is not PumpState.RUNNING
            self.base_nl = bench.delivered_nl
            for one in self.sent:
                one.over_nl = None if one.permit in self.open else self.base_nl

    @precondition(lambda self: self.met)
    @rule()
    def look(self) -> None:
        began = self.bench.now_ms
        status = self.bench.driver.read_status()
        assert self.bench.now_ms - began <= self.declared.looks * EXCHANGE_MS
        if isinstance(status, PumpStatus):
            given = self.bench.delivered_nl
            assert self.declared.counts_on or status.delivered_nl <= given + self._grain()
        else:
            assert isinstance(status, Unknown)

    @precondition(lambda self: self.met and self.sent)
    @rule()
    def evidence(self) -> None:
        one = self.sent[-1]
        began = self.bench.now_ms
        found = self.bench.driver.evidence(one.permit.id)
        assert self.bench.now_ms - began <= self.declared.looks * EXCHANGE_MS
        gave = self.bench.delivered_nl - one.before_nl
        if isinstance(found, NotGiven):
            assert not one.acked, "told as begun, and now as never begun"
            one.never = True
            self.open = [permit for permit in self.open if permit is not one.permit]
        elif isinstance(found, Given):
            assert not one.never or not found.lo_nl, "told as never begun, and now as given"
            if self._alone(one):
                assert found.lo_nl <= gave + self._grain(), f"gave {gave} nL, told at least {found.lo_nl}"
                assert found.hi_nl >= min(gave, one.permit.volume_nl) - self._grain(), (
                    f"gave {gave}, told {found}"
                )

    @rule()
    def meet_again(self) -> None:
        """The process dies, and another one takes its place on the line."""
        self.bench.driver.close()
        self.bench.driver = self.bench.session(owner=len(self.sent) + 2)
        self._meet()

    @precondition(lambda self: not self.met)
    @rule()
    def ask_again_who_is_there(self) -> None:
        self._meet()

    def _meet(self) -> None:
        self.met = isinstance(self.bench.driver.identify(), Identity)

    # What goes wrong, and time.

    @rule(what=st.sampled_from(["lose", "delay", "duplicate", "truncate", "corrupt"]),
          where=st.sampled_from(["request", "reply"]), type_=TYPES, nth=NTH, count=COUNTS,
          by=st.sampled_from(["30ms", "600ms", "10s", "30s"]), bit=BITS)  # fmt: skip
    def wire_fails(
        self, what: str, where: str, type_: str, nth: int, count: int, by: str, bit: tuple[str, str]
    ) -> None:
        if what == "corrupt" and not self._checks:
            return  # a bit that no check sum protects may turn one digit into another
        if not self.declared.owns and by.endswith("0s"):
            by = "900ms"  # without ids a pump takes what comes: on a wire of its own nothing comes later (D-15)
        self.late_stops |= where == "request" and what in ("delay", "duplicate") and type_ in ("stop", "any")
        more = {"delay": f",by={by}", "duplicate": f",by={by}", "truncate": ",keep=5"}.get(what, "")
        more = f",byte={bit[0]},mask={bit[1]}" if what == "corrupt" else more
        self.bench.line.fault(f"{what}-{where}@{self._at}:type={type_},nth={nth},count={count}{more}")

    @precondition(lambda self: self.met)
    @rule(fault=STARTS, steps=STEPS, bolus=st.booleans(), asks=st.booleans())
    def start_goes_wrong(
        self, fault: str, steps: tuple[tuple[int, int], ...], bolus: bool, asks: bool
    ) -> None:
        """What a random order seldom brings together: the start is hit, asked after at once, and given time to come."""
        self.bench.line.fault(f"{fault.format(self._at)}")
        self.deliver(steps, bolus)
        if asks:
            self.evidence()
        self.bench.line.wait(30_000)
        self.nothing_flows_that_was_not_permitted()

    @rule(type_=TYPES)
    def wire_reorders(self, type_: str) -> None:
        self.bench.line.fault(f"reorder@{self._at}:type={type_}")

    @precondition(lambda self: self.declared.owns)
    @rule(type_=TYPES, back=st.sampled_from([1, 3, 9]))
    def wire_says_something_old(self, type_: str, back: int) -> None:
        """Only a numbered protocol can tell; a wire of its own keeps nothing old."""
        self.bench.line.fault(f"replay-reply@{self._at}:type={type_},back={back}")

    @rule(ms=st.sampled_from([300, 2_000, 90_000]))
    def wire_is_silent(self, ms: int) -> None:
        self.bench.line.fault(f"silence@{self._at}:for={ms}ms")

    @rule(to=st.sampled_from(["host", "pump"]), data=st.sampled_from(["7e0103ff", "00ff55aa", "7e7e7e7e0d"]))
    def wire_babbles(self, to: str, data: str) -> None:
        if to == "host" or self._checks:
            self.bench.line.fault(f"garbage@{self._at}:to={to},hex={data},times=3")

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.bench.line.wait(ms)

    # What is true.

    @property
    def _at(self) -> str:
        return f"{self.bench.line.true_ms()}ms"

    @property
    def _checks(self) -> bool:
        """Whether a check sum protects what is said: the reference protocol, and New Era Safe mode."""
        return self.declared.owns or (self.declared.profile.startswith("ne-") and not self.declared.hold)

    def _grain(self) -> int:
        return 2 * self.can.counter_unit_nl + self.can.step_nl + self.declared.off_nl

    def _true(self) -> int:
        """By how much the motor may be ahead of an even flow; no digit of a counter is in it."""
        return 2 * self.can.step_nl + self.can.ahead_nl + self.declared.off_nl

    def _alone(self, one: Sent) -> bool:
        """Whether nothing but this permit can have flowed since it was sent."""
        return all(other.never or other.over_nl is not None for other in self.sent if other is not one)

    def _runs(self, permit: Permit) -> None:
        """Acked: the pump gives what it was told, at once, and no more; less only where an old STOP may come late."""
        before = self.bench.delivered_nl
        first = permit.steps[0]
        wait = min(first.duration_ms // 4, 30_000)
        self.bench.line.wait(wait)
        gave, due = self.bench.delivered_nl - before, first.volume_nl * wait // first.duration_ms
        off = self._true() + due // 20
        assert gave <= due + off, f"acked, and gave {gave} nL of {due} in {wait} ms"
        assert gave >= due - off or self.late_stops, f"acked, and gave only {gave} nL of {due} in {wait} ms"

    @invariant()
    def nothing_flows_that_was_not_permitted(self) -> None:
        """What is settled ends where the next one began; a dose that came twice, or after a STOP, would be more."""
        given, most = self.bench.delivered_nl, self.base_nl + sum(permit.volume_nl for permit in self.open)
        assert given <= most + self._true(), f"{given} nL left, {most} were permitted"


def machine_on(declared: Declared) -> type[RuleBasedStateMachine]:
    """The machine of one pump: what is drawn is not spent on the choice of it."""

    class OnThis(ProtocolMachine):
        def __init__(self) -> None:
            super().__init__(declared)

    return OnThis


@pytest.mark.parametrize("declared", PUMPS, ids=str)
def test_no_outcome_is_a_lie_whatever_the_wire_does(declared: Declared) -> None:
    short = settings(max_examples=70, stateful_step_count=25, phases=FOUND_IS_ENOUGH)
    run_state_machine_as_test(machine_on(declared), settings=short)


@pytest.mark.deep
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("declared", PUMPS, ids=str)
def test_no_outcome_is_a_lie_in_long_runs_either(declared: Declared) -> None:
    long = settings(
        max_examples=500,
        stateful_step_count=60,
        phases=FOUND_IS_ENOUGH,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine_on(declared), settings=long)
