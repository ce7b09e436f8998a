"""S-01, S-03, S-04, S-26: whatever is asked and whatever goes wrong, the guard never counts less than was
given.

The truth is the fake pump's own: the volume that left it, exact, at every instant.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pump_ctrl.safety.ask import Denied, Purpose
from pump_ctrl.safety.curve import ZL_PER_NL, content
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, bolus, limits, prime, rows

T_S = 2_000
E = (6_000, 24_000, 144_000)  # 6,000 nL/h
B = (2_000, 4_500, 8_000)
PATIENT = {"over_ms": 10 * MINUTE, "lockout_ms": HOUR, "max_per_day": 4, "volume_nl": 1_000}
LIMITS = limits(
    [
        account(
            rows=rows(
                E,
                B,
                basal_max_pg_per_h=6_000,
                bolus_max_pg_per_h=60_000,
                bolus_fall_pg_per_h=6_000,
                commands=4,
            ),
            max_bolus_nl=2_000,
            patient=PATIENT,
            hold={"nl": 6_000, "per_ms": HOUR},
        )
    ],
    caps=[{"drug": "baclofen", "hours": 24, "pg": 160_000}, {"drug": "baclofen", "hours": 4, "pg": 26_500}],
    max_hold_ms=4 * HOUR,
    prime_nl=4_000,
)
MARGIN = 2 * 6 * 100 + 200  # six commands of a step in each account, and T_s at every rate in question
WAITS = st.sampled_from(
    [1, T_S, 10 * MINUTE - 1, 10 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 4 * HOUR, 23 * HOUR, DAY + 1]
)
ANSWERS = st.sampled_from(["ok", "ok", "ok", "lost", "unheard", "no"])
BASALS, LASTS = (
    st.sampled_from([500, 1_000, 3_000, 6_000, 24_000]),
    st.sampled_from([HOUR // 2, HOUR, 4 * HOUR]),
)
BOLUSES, SHARES = st.sampled_from([500, 1_000, 2_000]), st.sampled_from([0, 500])
PURPOSES = st.sampled_from([Purpose.SCHEDULED, Purpose.PATIENT])
LATENCY = st.sampled_from([0, 20, T_S])


class GuardMachine(RuleBasedStateMachine):
    """A guard with a bad link, a pump that resets, a process that dies and a host that reboots."""

    @initialize()
    def start(self) -> None:
        self.bench = Bench(LIMITS).confirmed()
        self.bench.guard.read_status()
        self.hidden = (
            0  # nL that a counter can rise unseen: three grains, anew after each reset of pump or clock
        )
        self.off_by = 0  # ms: how long the host was off is known up to the latency of two answers

    # What is asked.

    @rule(nl=BASALS, ms=LASTS, more=st.booleans(), answer=ANSWERS, latency=LATENCY)
    def basal(self, nl: int, ms: int, more: bool, answer: str, latency: int) -> None:
        steps = [basal(nl, ms)] + [basal(0, HOUR // 2), basal(6_000, HOUR)] * more
        self._ask(answer, latency, *steps)

    @rule(nl=BOLUSES, share=SHARES, tail=st.booleans(), purpose=PURPOSES, answer=ANSWERS, latency=LATENCY)
    def bolus(self, nl: int, share: int, tail: bool, purpose: Purpose, answer: str, latency: int) -> None:
        steps = [bolus(nl + share, 10 * MINUTE, share)] + [basal(12_000, 2 * HOUR)] * tail
        self._ask(answer, latency, *steps, purpose=purpose)

    @rule(answer=ANSWERS, latency=LATENCY, nl=st.sampled_from([1_000, 4_000]))
    def prime(self, answer: str, latency: int, nl: int) -> None:
        self._ask(answer, latency, prime(nl, 20 * MINUTE), purpose=Purpose.PRIME)

    @rule(answer=ANSWERS, ms=st.sampled_from([HOUR, 4 * HOUR]))
    def hold(self, answer: str, ms: int) -> None:
        self._ask(answer, 20, basal(6_000 * ms // HOUR, ms), purpose=Purpose.HOLD)

    def _ask(self, answer: str, latency: int, *steps: object, purpose: Purpose = Purpose.BASAL) -> None:
        bench = self.bench
        bench.pump.answers, bench.pump.latency_ms = [answer], latency
        sent, before = len(bench.pump.sent), self._high()
        outcome = bench.ask(*steps, purpose=purpose)  # type: ignore[arg-type]
        bench.pump.answers = []
        if isinstance(outcome, Denied):
            assert len(bench.pump.sent) == sent
            assert self._high() == before
        else:
            assert len(bench.pump.sent) == sent + 1
            assert bench.log.records[-2].kind == "intent" or bench.log.records[-1].kind == "alarm"

    # What goes on.

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.bench.wait(ms)

    @rule(answer=st.sampled_from(["ok", "ok", "lost", "unheard"]))
    def stop(self, answer: str) -> None:
        self.bench.pump.stop_answers = [answer]
        self.bench.guard.stop("test")
        self.calm()

    @rule()
    def look(self) -> None:
        self.bench.guard.read_status()

    @rule()
    def settle(self) -> None:
        self.bench.guard.settle()

    @precondition(lambda self: self.bench.guard.unsettled is not None)
    @rule()
    def resolve(self) -> None:
        permit = self.bench.guard.unsettled
        assert permit is not None
        before = self.bench.guard.high_nl
        self.bench.guard.resolve(permit.id, "tester", "looked at the pump")
        assert self.bench.guard.high_nl == before

    @rule()
    def pump_loses_power(self) -> None:
        pump = self.bench.pump
        pump._cut()
        pump.epoch, pump.tick, pump.booted = pump.epoch + 1, 0, pump.now
        self.hidden += 300 if self.hidden else 0
        self.bench.guard.read_status()
        self.calm()

    @precondition(lambda self: self.bench.guard.elapsed_known)
    @rule(nl=st.sampled_from([100, 300, 5_000]))
    def pump_runs_away(self, nl: int) -> None:
        """F-22, F-29: only the counter shows it."""
        self.bench.pump.extra_nl += nl
        self.hidden = max(self.hidden, 300)
        self.bench.guard.read_status()
        self.calm()

    def calm(self) -> None:
        for alarm in self.bench.guard.alarms:
            self.bench.guard.clear_alarm(alarm.row.code)
            self.bench.guard.acknowledge(alarm.row.code, "tester")

    @rule()
    def restart(self) -> None:
        before = self._high()
        self.bench.restart()
        assert self.bench.guard.high_nl >= before

    @rule(off=st.sampled_from([1, HOUR, 5 * HOUR, DAY]), tick=st.booleans())
    def reboot(self, off: int, tick: bool) -> None:
        before = self._high()
        self.hidden += 300 if self.hidden else 0
        self.bench.clock.advance(off)
        self.bench.clock.reboot()
        self.bench.restart()
        assert self.bench.guard.high_nl >= before
        if tick:
            self.bench.guard.read_status()
            self.off_by = 2 * T_S

    @precondition(lambda self: self.bench.guard.waiting)
    @rule()
    def confirm(self) -> None:
        self.bench.confirmed(plan_ms=self.bench.clock.true_ms, given=None)

    # What always holds.

    def _high(self) -> int:
        return self.bench.guard.high_nl

    @invariant()
    def the_bounds_hold_the_truth(self) -> None:
        given = self.bench.pump.given()
        assert self.bench.guard.low_nl <= given <= self.bench.guard.high_nl + self.hidden

    @invariant()
    def no_window_is_undercounted(self) -> None:
        bench, guard = self.bench, self.bench.guard
        if not guard.elapsed_known:
            return
        for width in (HOUR, 4 * HOUR, DAY):
            now, g = bench.clock.true_ms, guard._now()
            truth = (
                bench.pump.given(now) - bench.pump.given(now - width) - Fraction(self.off_by * 24_000, HOUR)
            )
            counted = content(guard._state.history._volume(), g - width, g)
            assert truth * ZL_PER_NL <= counted, width

    @invariant()
    def no_cap_is_passed(self) -> None:
        pump, now = self.bench.pump, self.bench.clock.true_ms
        primed = sum(flow.given(now) for flow in pump.flows if flow.permit.steps[0].kind == "prime")
        for width, cap in ((4 * HOUR, 26_500), (DAY, 160_000)):
            assert pump.given(now) - pump.given(now - width) <= cap + MARGIN + primed

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            live = self.bench.guard
            replayed = self.bench.restart()
            assert (replayed.low_nl, replayed.high_nl) == (live.low_nl, live.high_nl)


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
