"""What has to hold in a whole stack at every moment, judged by the simulator's truth, the wire and the journal.

``SystemChecks`` knows nothing of what was done to the stack; ``SystemBench`` does things and calls ``check``.
Times are true ms, volumes nL.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

from pump_ctrl.bench import oracle
from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.machine import State
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.schedule import Schedule
from tests.slow_ledger import HOURS, Flow, intervals, over_limit
from tests.spies import PROOF, STEP_NL, STOP, SpyJournal, Start, WireSpy
from tests.whole_stack import DAY, check_ledger, check_sums, formulary, profile

RETRY_MAX_MS, EXCHANGE_MS, T_S = 300_000, 500, 2_000
ROUNDING_NL = 5  # of sums of a few pieces, each rounded up to a whole nL


class EndableStack(SimulatedStack):
    """A stack whose process can be asked to end, as by SIGTERM."""

    asked_to_end: Callable[[], bool] = staticmethod(lambda: False)

    def stop_requested(self) -> bool:
        return self.asked_to_end()


class SystemChecks:
    """A plan on its pump with its spies.

    Attributes:
        dead: no controller lives; time goes on, and the pump with it.
        gain_ppm: the largest true displacement so far.
        unseen_nl: what a counter that was reset may hide for ever, if nobody looked before it had grown again.
    """

    def __init__(self, plan: DosingPlan, gain_ppm: int = 1_000_000) -> None:
        self.clock = VirtualClock(utc_ms=plan.start_utc_ms)
        self.journal = SpyJournal(self.clock)
        self.stack = EndableStack(
            plan,
            profile(plan.pump),
            formulary(),
            clock=self.clock,
            journal=self.journal,
            setup={"gain_ppm": gain_ppm},
        )
        self.spy = WireSpy(self.stack.wire, self.stack.world, self.clock, self.journal)
        self.stack.asked_to_end = lambda: self.spy.asked_to_end
        self.schedule = Schedule(plan, self.stack.profile)
        self.gain_ppm, self.unseen_nl, self.dead = gain_ppm, 0, False
        self._high = self._low = self._checked_to = 0
        self._timeless = False
        self.journal.before = self._bounds_move_by_proof_only
        self.spy.on_start = self._began

    @property
    def now(self) -> int:
        return self.clock.true_ms

    @property
    def state(self) -> State:
        return self.stack.controller.state

    def check(self) -> None:
        """Everything that has to hold, whatever happened."""
        self.spy.look()
        check_ledger(self.stack, self.unseen_nl)
        self._no_id_gives_more_than_permitted()
        self._windows()
        if not self.dead:
            check_sums(self.stack)
            self._alarms_latch()

    # At each record, frame and begin of a run.

    def _bounds_move_by_proof_only(self) -> None:
        """S-04: the upper bound falls by a record that proves something and by nothing else; the lower never.

        After a reboot the confirm is one: it says how long the host was off, and what was read since counts.
        A few nL are what rounding rates up can make between two ways to sum the same pieces.
        """
        guard = self.stack.guard
        high, low, (kind, data) = guard.high_nl, guard.low_nl, self.journal.last
        proof = (kind in PROOF and PROOF[kind](data)) or (kind == "confirm" and self._timeless)
        fell = self._high - high
        assert fell <= ROUNDING_NL or proof, f"upper bound {self._high} -> {high} nL after {kind} (S-04)"
        assert low >= self._low, f"lower bound {self._low} -> {low} nL after {kind} (S-04)"
        self._high, self._low = high if proof else max(high, self._high), low
        self._timeless = not guard.elapsed_known

    def _began(self, start: Start) -> None:
        """S-29: each request once, slots in their time. S-10, S-16: no bolus larger than signed."""
        intent, starts = start.intent, self.spy.starts
        assert intent["request"] not in {s.intent["request"] for s in starts}, "a request twice (S-29)"
        plan_ms, purpose = start.at_ms + intent["shift_ms"], intent["purpose"]
        account = next(a for a in self.stack.limits["accounts"] if a["id"] == intent["account"])
        bolus_nl = start.steps[0][1] - intent["steps"][0][3]
        if purpose in ("scheduled", "patient"):
            assert bolus_nl < account["max_bolus_nl"] + STEP_NL, "a bolus larger than signed (S-10)"
            assert all(end <= start.at_ms for end, _ in self._bolus_ends(start)), "two at a time (D-03)"
        if purpose == "scheduled" and intent["request"].startswith("slot:"):
            slot = self.schedule.next_slot(int(intent["request"].rpartition(":")[2]))
            assert slot is not None
            assert slot.at_ms <= plan_ms <= slot.at_ms + slot.within_ms + 2 * T_S, "out of its time (S-29)"
            assert bolus_nl < slot.volume_nl + STEP_NL, "more than signed (S-16)"
        elif purpose == "patient":
            self._patient_began(start, plan_ms, bolus_nl)
        elif purpose == "hold":
            self._hold_began(start, account)
        elif purpose == "prime":
            given = sum(self._given_nl(s) for s in starts if s.intent["purpose"] == "prime")
            assert given + start.steps[0][1] <= self.stack.limits["prime_nl"], "primed too much (D-12)"
        if purpose != "hold":
            self._in_account(start, plan_ms, account)

    def _patient_began(self, start: Start, plan_ms: int, bolus_nl: int) -> None:
        """S-11: after the lockout, not too often, and over before the next slot (which is the controller's)."""
        terms, slot = self.schedule.patient, self.schedule.next_slot(plan_ms)
        assert terms is not None
        assert bolus_nl < terms.volume_nl + STEP_NL, "more than signed (S-16)"
        ends = self._bolus_ends(start)
        assert all(end + terms.lockout_ms <= start.at_ms for end, _ in ends), "within the lockout (S-11)"
        asked = [end for end, s in ends if s.intent["purpose"] == "patient" and end > start.at_ms - DAY]
        assert len(asked) < terms.max_per_day, "too many in 24 h (S-11)"
        if start.intent["request"].startswith("press"):
            assert slot is None or plan_ms + terms.over_ms <= slot.at_ms, "ends after the next slot (S-11)"

    def _bolus_ends(self, start: Start) -> list[tuple[int, Start]]:
        """When each bolus before ``start`` truly ended, by itself or because it was cut."""
        boluses = [s for s in self.spy.starts if s.steps[0][0] == "bolus"]
        return [(min(s.at_ms + s.steps[0][2], self.spy.ends.get(s.id, start.at_ms)), s) for s in boluses]

    def _given_nl(self, start: Start) -> int:
        """What an id has truly given so far, by the pump's own results."""
        return self.stack.world.implant.result(start.id, self.now)[1]

    def _hold_began(self, start: Start, account: dict[str, Any]) -> None:
        """D-14: no faster than the hold rate, and over ``max_hold`` after the last record of a normal run."""
        nl, per_ms = account["hold"]["nl"], account["hold"]["per_ms"]
        longest = self.stack.limits["max_hold_ms"]
        assert all(volume * per_ms <= nl * ms for _, volume, ms in start.steps), "a hold too fast (D-14)"
        if self.stack.guard.elapsed_known:
            end = start.at_ms + sum(ms for _, _, ms in start.steps)
            assert end <= start.intent["run_at"] + longest + 2 * T_S, "a hold too long (D-14)"
        else:
            assert sum(volume for _, volume, _ in start.steps) * per_ms <= nl * longest

    def _in_account(self, start: Start, plan_ms: int, account: dict[str, Any]) -> None:
        """D-07: plan time lies in the account, and no basal step outlasts it."""
        assert plan_ms >= account["from_ms"] - 2 * T_S, "before its stage (D-07)"
        ends = accumulate((ms for _, _, ms in start.steps), initial=0)
        basal_ends = [
            end for (kind, _, _), (_, end) in zip(start.steps, pairwise(ends), strict=True) if kind == "basal"
        ]
        until = account["until_ms"]
        assert until is None or not basal_ends or plan_ms + basal_ends[-1] <= until + 2 * T_S, (
            "past its stage (D-07)"
        )

    # After each step.

    def _no_id_gives_more_than_permitted(self) -> None:
        """S-06, by the pump's own results."""
        for start in self.spy.starts[-3:]:
            assert self._given_nl(start) <= sum(nl for _, nl, _ in start.steps)

    def _windows(self) -> None:
        """S-02 by the slow ledger; S-03: the guard's own windows are never smaller."""
        since, self._checked_to = self._checked_to, self.now
        recent = [s for s in self.spy.starts if self.spy.ends.get(s.id, self.now) > since - DAY]
        parts = intervals(recent, self.spy.ends, self.now)
        assert over_limit(self.stack.limits, parts, since, self.now) == []
        same_fluid = self.stack.limits["fluids"]["path"].keys() == self._strengths.keys()
        if self.dead or not same_fluid or not self.stack.guard.elapsed_known:
            return
        flow = Flow(parts)
        for drug, pg_per_ml in self._strengths.items():
            for hours in HOURS:
                slow = flow.fullest_pg(pg_per_ml, hours, since, self.now)
                assert slow <= self.stack.guard.worst(drug, hours), f"{drug} {hours} h under-counted (S-03)"

    def check_truth(self) -> None:
        """S-01, S-03, for every window so far: what left the tip is within what was signed, and was counted.

        After a confirm that moved plan time another basal account is open (D-16): then the caps alone bound all.
        """
        stack, truth = self.stack, self.stack.world.truth
        found = oracle.truth_violations([stack.limits], truth, stack.profile.accuracy, self.now // 1_000)
        assert self.journal.books.moves or found == []
        for drug, pg_per_ml in self._strengths.items():
            even = STEP_NL * pg_per_ml // 1_000_000  # the truth flows evenly, up to a pump step ahead
            for hours in HOURS if not self.dead and stack.guard.elapsed_known else ():
                true = truth.worst_window(drug, hours) * 1_000_000 // self.gain_ppm
                counted = stack.guard.worst(drug, hours)
                assert true <= counted + even, f"{drug} {hours} h: {true} pg left, {counted} counted (S-03)"

    @property
    def _strengths(self) -> dict[str, int]:
        return {drug.name: drug.concentration.pg_per_ml for drug in self.stack.plan.reservoir.drugs}

    def _alarms_latch(self) -> None:
        """S-30: an alarm is active until its condition is gone and somebody has acknowledged it."""
        active, known = {a.row.code for a in self.stack.guard.alarms}, set(self.journal.books.holds)
        assert active == known or self.journal.broken, f"active {active}, by the records {known} (S-30)"

    def stop_is_repeated(self) -> None:
        """S-08: a STOP that the pump did not confirm goes out again and again, while a controller lives."""
        if self.journal.books.stop_acked or self.journal.broken:
            return
        last = max(at for at, kind in self.spy.sent if kind == STOP)
        late = self.now - last > RETRY_MAX_MS + 2 * EXCHANGE_MS
        assert not late, f"an unconfirmed STOP of {last} ms is not repeated (S-08)"
