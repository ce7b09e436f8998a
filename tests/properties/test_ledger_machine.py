"""The guard's ledger alone, over very long runs: permits, outcomes, evidence, counters, stops, refills, loads.

``ExactMachine``: whatever is told, the truth is within the bounds, and no window is counted for less than flowed in it.
``SlowMachine`` also asks for equality: after every step the bounds, the windows and the verdicts are those of a slow
account in Fractions. ``LostMachine`` loses counters and control, where no two accounts need agree, and processes.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.case import View
from pump_ctrl.safety.curve import ZL_PER_NL, content
from pump_ctrl.safety.rules import case_of
from pump_ctrl.safety.windows import BasalWindow, BolusWindow
from tests.properties.ledger_bench import GRAIN, T_S, LedgerBench
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, account, basal, bolus, limits, rows

E, B, COMMANDS = (6_000, 24_000, 120_000), (2_000, 3_000, 6_000), 3
MARGIN = (COMMANDS + 2) * 100
FOUND_IS_ENOUGH = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
)  # its steps can be read, and shrinking takes minutes
ALMOST = Fraction(1, 100)  # nL: the guard rounds a rate up to a whole zL/ms


def _limits(sha256: str) -> bytes:
    stage = account(
        rows=rows(E, B, commands=COMMANDS, bolus_max_pg_per_h=20_000),
        max_bolus_nl=2_000,
        hold={"nl": 6_000, "per_ms": HOUR},
    )
    caps = [{"drug": "baclofen", "hours": 24, "pg": 122_000}]
    return limits([stage], caps=caps, max_hold_ms=4 * HOUR, plan={"id": "TEST", "sha256": sha256})


FIRST_PLAN, OTHER_PLAN = _limits("a" * 64), _limits("d" * 64)
WAITS = st.sampled_from([1, T_S, 10 * MINUTE - 1, 10 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 4 * HOUR, DAY])
STEPS = st.sampled_from(
    [
        (basal(6_000, HOUR),),
        (basal(6_500, HOUR), basal(0, HOUR)),
        (basal(0, HOUR), basal(24_000, 4 * HOUR)),
        (basal(12_000, 2 * HOUR), basal(3_000, HOUR), basal(6_000, HOUR)),
        (basal(144_000, DAY),),
        (bolus(1_000, 10 * MINUTE), basal(6_000, HOUR)),
        (bolus(3_000, 10 * MINUTE, 1_000), basal(6_000, HOUR)),
        (bolus(2_000, 6 * MINUTE),),
    ]
)
ANSWERS = st.sampled_from(["acked", "acked", "acked", "acked", "lost", "unheard", "refused"])
LAGS = st.sampled_from([0, 10, T_S // 2])


def purpose_of(steps: tuple[Step, ...]) -> Purpose:
    return Purpose.SCHEDULED if steps[0].kind is StepKind.BOLUS else Purpose.BASAL


class ExactMachine(RuleBasedStateMachine):
    """Nothing is lost but answers: both accounts know the same."""

    @initialize()
    def begin(self) -> None:
        self.bench = LedgerBench(FIRST_PLAN)
        self.bench.look()

    @rule(ms=WAITS)
    def wait(self, ms: int) -> None:
        self.bench.wait(ms)

    @precondition(lambda self: not self.bench.open)
    @rule(steps=STEPS, answer=ANSWERS, lag=LAGS)
    def ask(self, steps: tuple[Step, ...], answer: str, lag: int) -> None:
        self.bench.ask(purpose_of(steps).value, steps, answer, lag)

    @precondition(lambda self: self.bench.open)
    @rule()
    def settle(self) -> None:
        self.bench.settle()

    @precondition(lambda self: self.bench.open)
    @rule()
    def resolve(self) -> None:
        high = self.bench.state.history.high_nl
        self.bench.resolve()
        assert self.bench.state.history.high_nl == high, "a word lowered the upper bound (S-04)"

    @rule(answer=st.sampled_from(["acked", "acked", "lost", "unheard"]))
    def stop(self, answer: str) -> None:
        self.bench.stop(answer)

    @rule(lag=LAGS)
    def look(self, lag: int) -> None:
        self.bench.look(lag)

    @rule(other=st.booleans())
    def load(self, other: bool) -> None:
        """D-07: what was given stays counted."""
        high = self.bench.state.history.high_nl
        self.bench.load(OTHER_PLAN if other else FIRST_PLAN)
        assert self.bench.state.history.high_nl == high

    @rule()
    def refill(self) -> None:
        self.bench.write("refill", by="tester", fill_nl=40_000_000, fluid=None, new_path=False)

    # What always holds.

    @invariant()
    def the_truth_is_within_the_bounds(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench, history = self.bench, self.bench.state.history
        given = bench.given(bench.now)
        assert history.low_nl <= given <= history.most_nl(bench.now), "S-03"
        assert history.most_nl(bench.now) <= history.high_nl

    @invariant()
    def no_window_is_counted_for_less_than_flowed(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench, volume = self.bench, self.bench.state.history._volume()
        for width in (HOUR, 4 * HOUR, DAY):
            truth = bench.given(bench.now) - bench.given(bench.now - width)
            assert truth * ZL_PER_NL <= content(volume, bench.now - width, bench.now), width


class SlowMachine(ExactMachine):
    """Beside the slow account."""

    @invariant()
    def the_bounds_are_those_of_the_slow_account(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench, history = self.bench, self.bench.state.history
        slow, fast = bench.slow.by(bench.now), history.most_nl(bench.now)
        # The slow account spreads a command over all begins that it may have had: up to its fastest flow in T_s more.
        doubt = 2 * GRAIN + bench.slow.told * (T_S * 24_000 // HOUR + 1)
        assert -doubt <= fast - slow <= 2 * GRAIN, f"upper bound: fast {fast}, slow {float(slow)}"
        assert abs(history.low_nl - bench.slow.low) <= 2 * GRAIN, (
            f"lower: {history.low_nl}, slow {bench.slow.low}"
        )

    @invariant()
    def the_windows_are_those_of_the_slow_account(self) -> None:
        if not hasattr(self, "bench"):
            return
        bench, volume = self.bench, self.bench.state.history._volume()
        for width in (HOUR, 4 * HOUR, DAY):
            for end in bench.oracle.instants(width, bench.now, bench.now + DAY)[:12]:
                fast = Fraction(content(volume, end - width, end), ZL_PER_NL)
                slow = bench.slow.commanded(end - width, end)
                assert 0 <= fast - slow < ALMOST, (
                    f"{width} ms to {end}: fast {float(fast)}, slow {float(slow)}"
                )

    @rule(steps=STEPS)
    def verdict(self, steps: tuple[Step, ...]) -> None:
        """The same yes or no for each window, on one plan."""
        bench = self.bench
        if any(kind == "limits" for kind, _, _ in bench.records[1:]):
            return  # other accounts are open
        case = case_of(Ask("trial", purpose_of(steps), "stage-0", steps), self._view(), bench.now)
        assert case is not None
        plain = [(s.kind.value, s.volume_nl, s.duration_ms, s.basal_nl) for s in steps]
        trial = bench.oracle.with_request(bench.now, T_S, plain)
        for judge, most_of, amount in ((BasalWindow(), E, trial.basal), (BolusWindow(), B, trial.boluses)):
            if isinstance(judge, BolusWindow) and plain[0][0] != "bolus":
                continue
            over = near = False
            for hours, most in zip((1, 4, 24), most_of, strict=True):
                for end in trial.instants(hours * HOUR, bench.now, case.trial.last):
                    excess = amount(end - hours * HOUR, end) - most - MARGIN
                    over, near = over or excess > 0, near or abs(excess) < ALMOST
            assert near or (judge.judge(case) is not None) == over, judge.code

    def _view(self) -> View:
        state = self.bench.state
        return View(
            state=state, fault=None, stranger="", latch=None, capabilities=CAPABILITIES, timeless=False, utc_ms=0,
            waiting=False, permitted=state.board.permitted,
        )  # fmt: skip


class LostMachine(ExactMachine):
    """Counters fall to zero, the pump moves by itself, a process dies."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.hidden_nl = 0  # what a counter's digits hide each time its baseline is a new one

    @rule(cut=st.booleans())
    def counter_begins_anew(self, cut: bool) -> None:
        """F-21, F-24: another epoch; the pump may have stood still with it."""
        bench = self.bench
        if cut:
            bench.cut()
        bench.epoch, bench.base_nl = bench.epoch + 1, int(bench.given(bench.now))
        self.hidden_nl += 3 * GRAIN if self.hidden_nl else 0
        bench.look()

    @rule(nl=st.sampled_from([100, 300, 5_000]))
    def pump_moves_by_itself(self, nl: int) -> None:
        """F-22, F-29: only the counter shows it."""
        self.bench.look()
        self.bench.extra_nl += nl
        self.hidden_nl += 3 * GRAIN
        self.bench.look()

    @rule()
    def process_dies(self) -> None:
        """S-26: another one finds what this one knew."""
        live, again = self.bench.state, self.bench.replayed()
        assert (again.history.low_nl, again.history.high_nl) == (live.history.low_nl, live.history.high_nl)
        self.bench.state = again

    @invariant()
    def the_truth_is_within_the_bounds(self) -> None:
        if not hasattr(self, "hidden_nl"):
            return
        bench, history = self.bench, self.bench.state.history
        given = bench.given(bench.now)
        assert history.low_nl <= given <= history.most_nl(bench.now) + self.hidden_nl, "S-03"

    @invariant()
    def no_window_is_counted_for_less_than_flowed(self) -> None:
        """What the pump gave by itself is counted where the readings around it stand, so that sums tell here."""


def test_the_ledger_is_that_of_a_slow_account() -> None:
    run_state_machine_as_test(
        SlowMachine, settings=settings(max_examples=12, stateful_step_count=25, phases=FOUND_IS_ENOUGH)
    )


def test_the_ledger_holds_the_truth_when_much_is_lost() -> None:
    run_state_machine_as_test(
        LostMachine, settings=settings(max_examples=25, stateful_step_count=30, phases=FOUND_IS_ENOUGH)
    )


@pytest.mark.deep
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("machine", "runs", "steps"), [(SlowMachine, 40, 400), (LostMachine, 40, 2_500)])
def test_thousands_of_steps_do_not_part_them(machine: type[ExactMachine], runs: int, steps: int) -> None:
    long = settings(
        max_examples=runs,
        stateful_step_count=steps,
        phases=FOUND_IS_ENOUGH,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=long)
