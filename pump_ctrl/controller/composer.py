"""What to tell the pump next, and when: turns what is due into runs.

Layer      controller, pure.
Hazard     a run past its lease, across a titration stage, or computed from a volume the pump has not given.
Invariant  a run ends within the lease and within its titration stage; its volumes are computed from what the
           run before will have given when it is cut: when the pump takes over, or at once where it is stopped first.
Tests      tests/unit/test_composer.py, tests/unit/test_composer_stopped.py, tests/unit/test_composer_bridge.py,
           tests/unit/test_assembly.py, tests/unit/test_paced_lines.py
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.machine import PARTS, State
from pump_ctrl.controller.prescription import Slot, Timing
from pump_ctrl.controller.runs import Limits, basal_spans, chain, hold_spans, prime_span, time_of_volume
from pump_ctrl.controller.telling import Telling
from pump_ctrl.controller.totals import ZERO, Pace, Run, Span

WEEK_MS = 7 * 86_400_000  # the longest time after which a basal pattern repeats
HOLD_SLACK_MS = 5_000  # a hold ends so much before it must: it is judged when its records are written
DRY_STEPS = 4  # of the pump are left in a reservoir that runs dry: roundings, and what the ledger doubts
LIKE_MS = 500  # a run that is told in nearly the time it was composed for is not composed again


class Composer:
    """Makes runs from the books.

    Args:
        books: what has been told and given.
        limits: what the pump can be told.
        timing: lease, lead and stop time.
    """

    def __init__(self, books: Books, limits: Limits, timing: Timing) -> None:
        self._books, self._limits, self._timing = books, limits, timing
        self._full = limits
        self._telling = Telling(limits, timing.exchange_ms, timing.stop_ms)
        self._slot: tuple[int, Slot | None] | None = None
        self._low, self._high, self._moved_at = 0, 0, 0
        self._renew_from: int | None = None
        # Plan time at which by the ledger nothing is left, where a lease reaches it.
        self._empty_ms: int | None = None
        self._renewal_of: tuple[Run, Slot | None, int] | None = None
        self._due_of: tuple[Run, int, State, int] | None = None  # run, slots dealt with, state; plan time

    def slot(self) -> Slot | None:
        """The next scheduled bolus that has not been dealt with."""
        since = self._books.slots_until
        if self._slot is None or self._slot[0] != since:
            self._slot = (since, self._books.prescription.schedule.next_slot(since))
        return self._slot[1]

    def slot_of(self, run: Run) -> int | None:
        """When the slot that a scheduled bolus came from was due (plan ms)."""
        slot = self._books.asked_slot
        return slot.at_ms if slot is not None and self._books.named(slot.id) == run.request_id else None

    def latest_start(self, run: Run) -> int:
        """Until when a scheduled bolus may start (plan ms)."""
        slot = self._books.asked_slot
        if slot is None or self._books.named(slot.id) != run.request_id:
            return run.from_ms
        return slot.at_ms + slot.within_ms

    def moved(self, low: int, high: int, plan_ms: int) -> None:
        """Bounds of what has left by ``plan_ms`` since the fluid changed, nL (used while a bridge lasts)."""
        self._low, self._high, self._moved_at = low, high, plan_ms

    def renew_from(self, plan_ms: int) -> None:
        """The rules changed: compose anew as soon as the pump has made its next step, until the pump has it."""
        self._renew_from = plan_ms

    def told(self, plan_ms: int) -> None:
        """The pump has said that it runs what was composed last."""
        self._telling.done(plan_ms)

    def renewed(self) -> None:
        """The pump has a run that was composed by the rules in force."""
        self._renew_from = None
        self._limits = self._full

    def shorten(self) -> None:
        """The pump could not be told a run in time: the next one has one step, until the pump has it."""
        self._limits = replace(self._full, max_steps=1)

    def runs_dry(self, run: Run, left_nl: int) -> bool:
        """``run`` asks for more than the ``left_nl`` that the reservoir holds by the ledger: compose up to there.

        False where not even a minute of it is left, or that was asked for already.
        """
        first = run.spans[0]
        start, taken = (first.to_ms, first.volume_nl) if first.bolus else (run.from_ms, 0)
        spare = max(DRY_STEPS * self._limits.step_nl, left_nl // 100)
        at = time_of_volume(run.pace, start, Fraction(max(0, left_nl - taken - spare)), run.to_ms)
        if at is None or at < start + 60_000 or (self._empty_ms is not None and start < self._empty_ms <= at):
            return False
        self._empty_ms = at
        return True

    def refilled(self) -> None:
        """The reservoir was filled."""
        self._empty_ms = self._renewal_of = self._due_of = None

    def loaded(self, plan_ms: int) -> None:
        """Another plan is in force from ``plan_ms`` of its own time on."""
        self._empty_ms = None
        self._slot = self._renewal_of = self._due_of = None
        self._low, self._high, self._moved_at = 0, 0, plan_ms
        self._renew_from = plan_ms

    def next_due(self, state: State) -> int:
        """Plan time at which something may be due next."""
        books = self._books
        run, slots_until = books.totals.run, books.slots_until
        if run is None or self._renew_from is not None or books.bridging or not books.primed:
            return self._next_due(state, run)
        known = self._due_of  # asked in every turn, and the same as long as run, slot and state are
        if known is None or known[0] is not run or known[1] != slots_until or known[2] is not state:
            known = self._due_of = (run, slots_until, state, self._next_due(state, run))
        return known[3]

    def _next_due(self, state: State, run: Run | None) -> int:
        if run is not None and state in PARTS:
            return self.part_end(run)
        if not self._books.primed:
            return 0
        slot = self.slot()
        at = self._renewal(run, slot)
        if slot is not None and slot.at_ms < at:
            at = slot.at_ms
        return at if run is None or not self._books.bridging else min(at, self._bridge_check(run))

    def part_end(self, run: Run) -> int:
        """When a bolus or prime has surely ended: the pump may have begun up to T_s after it was told."""
        return run.spans[0].to_ms + self._timing.stop_ms

    def basal_due(self, plan_ms: int) -> bool:
        """Whether a basal run is to be told now; a plan that stands still is told nothing."""
        run = self._books.run
        flows = run is not None or self._books.pace().rate(plan_ms) > 0
        return flows and plan_ms >= self._renewal(run, self.slot())

    def _renewal(self, run: Run | None, slot: Slot | None) -> int:
        books = self._books
        if run is None:
            return self._first_flow(books.totals.horizon_ms)
        if self._renew_from is not None:
            stands = not run.flows_at(self._cut(self._renew_from))
            return self._renew_from if stands else self._after_a_step(run, self._renew_from)
        if books.bridging:
            return self._after_a_step(run, run.to_ms - self._timing.lead_ms)
        known = self._renewal_of  # the same as long as run and slot are
        if known is None or known[0] is not run or known[1] is not slot:
            known = self._renewal_of = (run, slot, self._by_plan(run, slot))
        return known[2]

    def _by_plan(self, run: Run, slot: Slot | None) -> int:
        until, end = self._books.prescription.schedule.stage_at(run.from_ms).until_ms, run.own_to_ms
        if end in (until, self._empty_ms) or (slot is not None and slot.at_ms <= end):
            return end  # the next stage or the next bolus takes over there, or nothing is left
        if self._limits.grid is not None:
            if end == run.to_ms and run.pace.rate(end) == 0:
                return end + self._timing.stop_ms + 1  # the pump stands still by itself, and is told nothing
            if not self._goes_further(run):
                return end
        return self._after_a_step(run, end - self._timing.lead_ms)

    def _goes_further(self, run: Run) -> bool:
        """Whether a run that took over ahead of its end could end later; not where the pump holds too few steps."""
        start = max(run.from_ms, run.own_to_ms - self._timing.lead_ms)
        spans = basal_spans(
            run.pace, start, self._lease_end(start), ZERO, self._limits, self._limits.max_steps
        )
        spans, tail = self._with_hold(start, run.pace, self._telling.in_time(self._limits.fitting(spans)))
        return spans[-1 - tail].to_ms > run.own_to_ms

    def _after_a_step(self, run: Run, plan_ms: int) -> int:
        """When to decide, from ``plan_ms`` on, so that the run is cut just after a pump step.

        A pump that is stopped first may have begun a little late, and hides the last digit of its counter: it is cut
        half a step later.
        """
        at, step = self._cut(plan_ms), self._limits.step_nl
        return run.next_step_ms(at, step, step // 2 if self._limits.stops_first else 0) - (at - plan_ms)

    def _cut(self, plan_ms: int) -> int:
        """When the run in force ends, if its successor is decided on then."""
        return plan_ms if self._limits.stops_first else plan_ms + self._telling.usual_ms

    def _first_flow(self, plan_ms: int) -> int:
        """The first instant from ``plan_ms`` on at which the plan asks for flow, looking ahead one week."""
        pace = self._books.pace()
        start = max(0, plan_ms)
        horizon = start + WEEK_MS
        while start < horizon and pace.rate(start) == 0:
            change = pace.next_change(start)
            start = horizon if change is None else change
        return start

    def bridge_check_due(self, plan_ms: int) -> bool:
        """Whether the pump's counter is to be read because the bridge should be over by now."""
        run = self._books.run
        return self._books.bridging and run is not None and plan_ms >= self._bridge_check(run)

    def _bridge_check(self, run: Run) -> int:
        """When the counter will have passed the volume that ends the bridge; not sooner than in a minute."""
        bridge = self._books.prescription.bridge
        if bridge is None:
            return run.to_ms
        left = Fraction(bridge.hi_nl - self._low + self._limits.step_nl)
        at = time_of_volume(run.pace, self._moved_at, left, run.to_ms)
        return run.to_ms if at is None else max(at + self._timing.stop_ms, self._moved_at + 60_000)

    # Runs.

    def basal(self, plan_ms: int) -> Run:
        """The basal from now to the end of the lease."""
        return self._run(plan_ms, "basal", self._books.named(f"basal:{plan_ms}"), None)

    def scheduled(self, plan_ms: int, slot: Slot) -> Run:
        """A scheduled bolus, then the basal."""
        return self._run(plan_ms, "scheduled", self._books.named(slot.id), (slot.over_ms, slot.volume_nl))

    def patient(self, plan_ms: int, request_id: str) -> Run:
        """A patient bolus, then the basal."""
        return self._run(plan_ms, "patient", request_id, self._patient)

    def patient_end(self, plan_ms: int) -> int:
        """When a patient bolus that is decided on now has surely ended, with the time that telling the pump takes."""
        return self.part_end(self._made(plan_ms, "patient", "", self._patient))

    @property
    def _patient(self) -> tuple[int, Fraction]:
        terms = self._books.prescription.schedule.patient
        if terms is None:
            raise ValueError("the plan has no patient bolus")
        return terms.over_ms, terms.volume_nl

    def prime(self, plan_ms: int) -> Run:
        """The plan's prime, alone, or what of it the path can still take (D-12)."""
        pace, start = self._books.pace(), plan_ms + self._telling.usual_ms
        fastest = self._books.prescription.prime_nl_per_h or self._limits.max_nl_per_h
        span = prime_span(pace, start, self._books.prime_left_nl(plan_ms), fastest, self._limits)
        request = self._books.named(f"prime:{plan_ms}")
        self._telling.begins(plan_ms, [span])
        return Run(request, "prime", self._account(start), (span,), pace, self._given_by(start))

    def hold(self, plan_ms: int, until_ms: int) -> Run | None:
        """The bounded hold from now until ``until_ms``, the end of the lease or that of the stage; None if too late."""
        start = plan_ms + self._telling.usual_ms
        pace, rate = self._pace(start), self._hold_rate(start)
        end = self._stage_end(start, until_ms - HOLD_SLACK_MS)
        if end <= start:
            return None
        spans = self._telling.in_time(
            hold_spans(pace, rate, start, end, self._limits, self._limits.max_steps)
        )
        self._telling.begins(plan_ms, spans)
        request, (cut, _, still) = self._books.named(f"hold:{plan_ms}"), self._leaves(plan_ms, start)
        return Run(request, "hold", self._account(start), tuple(spans), pace, cut, still=still)

    def _hold_rate(self, plan_ms: int) -> Fraction:
        bridge = self._books.prescription.bridge
        if bridge is not None and self._books.bridging:
            return bridge.hold_rate
        return self._books.prescription.schedule.hold_rate(plan_ms)

    def _run(self, plan_ms: int, purpose: str, request_id: str, bolus: tuple[int, Fraction] | None) -> Run:
        """A run that the pump is told now."""
        run = self._made(plan_ms, purpose, request_id, bolus)
        self._telling.begins(plan_ms, [*run.spans])
        return run

    def _made(self, plan_ms: int, purpose: str, request_id: str, bolus: tuple[int, Fraction] | None) -> Run:
        """A run that begins when the pump takes it over, from what the one before will have given by then."""
        takes = self._telling.usual_ms
        run = self._beginning(plan_ms, plan_ms + takes, purpose, request_id, bolus)
        if abs(self._telling.ms([*run.spans]) - takes) > LIKE_MS:
            start = plan_ms + self._telling.ms([*run.spans])
            run = self._beginning(plan_ms, start, purpose, request_id, bolus)
        return run

    def _beginning(
        self, plan_ms: int, start: int, purpose: str, request_id: str, bolus: tuple[int, Fraction] | None
    ) -> Run:
        """A run that is decided on at ``plan_ms`` and begins at ``start``."""
        pace, account, (cut, carried, still) = (
            self._pace(start),
            self._account(start),
            self._leaves(plan_ms, start),
        )
        slot = self._books.prescription.schedule.next_slot(start)
        mark = None if slot is None else self._cut(slot.at_ms)
        spans, lost = chain(pace, start, self._lease_end(start), bolus, carried, self._limits, mark)
        told, tail = self._with_hold(plan_ms, pace, self._telling.in_time(spans))
        return Run(request_id, purpose, account, tuple(told), pace, cut, lost, tail, still)

    def _leaves(self, plan_ms: int, start: int) -> tuple[int, Fraction, Fraction]:
        """Of the run in force, if its successor is decided on at ``plan_ms`` and begins at ``start``, nL: what it will
        have given, the rounding that is carried on, and what is due while the pump stands still in between.
        """
        totals, end = self._books.totals, self._cut(plan_ms)
        cut = self._given_by(end)
        carried = totals.residual_at(end, cut)
        return cut, carried, totals.residual_at(start, cut) - carried

    def _with_hold(self, plan_ms: int, pace: Pace, spans: list[Span]) -> tuple[list[Span], int]:
        """The spans and how many of them are the hold; where the pump holds too few steps, behind fewer spans."""
        for count in range(len(spans) if self._timing.hold_ms else 0, 0, -1):
            own = spans[:count]
            told = self._telling.in_time(self._limits.fitting(own + self._tail(plan_ms, pace, own)))
            if len(told) > count:
                return told, len(told) - count
        return spans, 0

    def _tail(self, plan_ms: int, pace: Pace, spans: list[Span]) -> list[Span]:
        """The hold behind a run, for as long as the pump may go on when nobody renews it (D-14).

        It belongs to the run's account, so it ends with its stage.
        """
        start, end = spans[-1].to_ms, plan_ms + self._timing.hold_ms - self._timing.stop_ms
        end = self._until_empty(spans[0].from_ms, self._stage_end(spans[0].from_ms, end))
        rate, room = self._hold_rate(start), self._limits.max_steps - len(spans)
        return hold_spans(pace, rate, start, end, self._limits, room)

    def _lease_end(self, start: int) -> int:
        return self._until_empty(start, self._stage_end(start, start + self._timing.lease_ms))

    def _until_empty(self, start: int, end: int) -> int:
        empty = self._empty_ms
        return end if empty is None or empty <= start else min(end, empty)

    def _stage_end(self, start: int, end: int) -> int:
        """``end``, or that of the titration stage of ``start`` if that comes sooner."""
        until = self._books.prescription.schedule.stage_at(start).until_ms
        return end if until is None or self._books.bridging else min(end, until)

    def _account(self, plan_ms: int) -> str:
        return "bridge" if self._books.bridging else self._books.prescription.schedule.stage_at(plan_ms).id

    def _given_by(self, plan_ms: int) -> int:
        """What the run in force will have given when it is cut then."""
        run = self._books.run
        return 0 if run is None else run.delivered_by(plan_ms, self._limits.step_nl)

    def _pace(self, plan_ms: int) -> Pace:
        """The basal in force; while a bridge lasts, knowing when the new fluid may reach the tip."""
        bridge = self._books.prescription.bridge
        if bridge is None or not self._books.bridging:
            return self._books.prescription.schedule
        # The rounding that is carried may make the span up to there one pump step more than what is due.
        left = Fraction(max(0, bridge.lo_nl - self._high - self._limits.step_nl))
        at = time_of_volume(self._books.pace(), plan_ms, left, plan_ms + self._timing.lease_ms)
        return self._books.pace(at)
