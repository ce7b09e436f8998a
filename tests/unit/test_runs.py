"""Spans at the edges: shorter than one pump step takes, in the middle of a bolus."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pump_ctrl.controller.runs import Limits, basal_spans, bolus_span, chain, hold_spans
from pump_ctrl.controller.totals import Run, Totals
from tests.toy_pace import DAY, HOUR, ToyPace

STEP = 100
LIMITS = Limits(step_nl=STEP, max_nl_per_h=1_000_000, max_steps=13)  # a pump step takes 360 ms at least
MORNING = ToyPace((0, 47_966), (6 * HOUR, 600_000))


@pytest.mark.parametrize("early_ms", [1, 120, 359])
def test_a_step_too_short_for_one_pump_step_is_missed_and_not_carried_beyond_a_pump_step(
    early_ms: int,
) -> None:
    start, carried = 6 * HOUR - early_ms, Fraction(99_999, 1_000)
    short, rest = basal_spans(MORNING, start, 7 * HOUR, carried, LIMITS, room=13)
    due = Fraction(47_966 * early_ms, DAY)
    assert (short.volume_nl, short.missed) == (0, due if carried + due >= STEP else 0)
    assert rest.missed == 0
    left = carried + due - short.missed + MORNING.planned_basal_nl(6 * HOUR, 7 * HOUR) - rest.volume_nl
    assert 0 <= left < STEP


def test_a_run_that_ends_just_after_a_change_leaves_less_than_one_pump_step() -> None:
    """Seen in a run of 90 days: every command begins some ms late, so that leases creep past a change."""
    carried, end = Fraction(8_499, 1_000), 6 * HOUR + 120
    spans = basal_spans(MORNING, 0, end, carried, LIMITS, room=13)
    assert [span.volume_nl for span in spans] == [11_900, 0]
    left = carried + MORNING.planned_basal_nl(0, end) - sum(span.volume_nl + span.missed for span in spans)
    assert left == Fraction(99_999, 1_000)  # without a gap it would be 100.832: more than one pump step


def test_in_the_middle_of_a_bolus_what_is_planned_of_it_is_what_is_due_by_then() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    span, _ = bolus_span(pace, 0, HOUR, Fraction(60_000), Fraction(0), LIMITS)
    totals.grant(Run("slot:0:0", "scheduled", "stage-0", (span,), pace, 0), 0)
    planned, commanded, missed = totals.at(HOUR // 4, pace)
    assert (planned, commanded, missed) == (40_000, 40_000, 0)  # a quarter of 60,000 and of 100,000


def test_a_bolus_that_is_cut_was_planned_whole() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    span, _ = bolus_span(pace, 0, HOUR, Fraction(60_000), Fraction(0), LIMITS)
    totals.grant(Run("slot:0:0", "scheduled", "stage-0", (span,), pace, 0), 0)
    gaps = totals.cut(HOUR // 4, 40_000, "paused")
    assert (totals.planned, totals.commanded) == (85_000, 40_000)
    assert [gap.volume for gap in gaps] == [45_000]


def test_whole_steps_that_a_cut_run_owed_are_lost_and_not_made_up() -> None:
    """250 nL are due and were not given: two steps are named, half a one is rounding and goes on."""
    spans, lost = chain(MORNING, 0, HOUR, None, Fraction(250), LIMITS)
    assert lost == 200
    assert [span.volume_nl for span in spans] == [2_000]  # an hour's 1,998.6 nL and 50, in whole steps


def test_beside_a_bolus_goes_the_lowest_basal_rate_of_its_time() -> None:
    """D-03: 47.966 and then 600 uL/day, an hour of either: 1,998 nL of each, the rest is missed."""
    span, _ = bolus_span(MORNING, 5 * HOUR, 2 * HOUR, Fraction(60_000), Fraction(0), LIMITS)
    assert (span.volume_nl, span.basal_nl) == (63_900, 3_900)
    assert span.missed == Fraction(600_000 - 47_966, 24)


def test_a_hold_is_never_above_the_plans_own_rate() -> None:
    """D-14: at 25 uL/h, where the plan itself gives 2 uL/h until six and 25 afterwards."""
    slow, full = hold_spans(MORNING, Fraction(600_000, DAY), 5 * HOUR, 7 * HOUR, LIMITS, room=13)
    assert (slow.volume_nl, full.volume_nl) == (1_900, 25_000)
