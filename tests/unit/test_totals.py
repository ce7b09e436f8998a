"""The three sums: literals from dose-path D-02 and D-03, and what is carried and what is missed."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pump_ctrl.controller.runs import Limits, basal_spans, bolus_span
from pump_ctrl.controller.totals import Run, Totals
from pump_ctrl.drivers.base import StepKind
from tests.toy_pace import DAY, FLEX, HOUR, ToyPace

STEP = 100
LIMITS = Limits(step_nl=STEP, max_nl_per_h=1_000_000, max_steps=13)


def basal_run(totals: Totals, pace: ToyPace, start: int, length: int) -> Run:
    cut = 0 if totals.run is None else totals.run.delivered_by(start, STEP)
    spans = basal_spans(pace, start, start + length, totals.residual_at(start, cut), LIMITS, room=13)
    return Run("basal:0", "basal", "stage-0", tuple(spans), pace, cut)


def test_hourly_cuts_with_a_100_nl_step_do_not_drift_in_90_days() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 400_000))  # 16 666.67 nL/h: no whole number of steps
    for hour in range(90 * 24):
        given = 0 if totals.run is None else totals.run.volume_nl
        totals.grant(basal_run(totals, pace, hour * HOUR, HOUR), given)
        assert 0 <= totals.residual < STEP
    assert totals.planned == 90 * 400_000
    assert totals.commanded == 36_000_000  # by time, 98.5 uL would be lost
    assert totals.missed == 0


@pytest.mark.parametrize("count", [3_000, pytest.param(1_000_000, marks=pytest.mark.deep)])
def test_gaps_are_kept_as_exact_fractions(count: int) -> None:
    """F-41: a million pieces of 3.597 nL add up to the last digit."""
    totals, pace = Totals(STEP), ToyPace((0, 400_000))
    for i in range(1, count + 1):
        totals.idle(i * 777, pace, "paused")  # rounded, 61,320 of them would lose 31 uL
    assert totals.missed == totals.planned == Fraction(400_000 * count * 777, DAY)
    assert totals.commanded == 0


def test_a_pump_that_gave_less_than_told_leaves_a_gap_and_no_make_up_dose() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))  # 100 uL/h
    totals.grant(basal_run(totals, pace, 0, DAY), 0)
    gaps = totals.grant(basal_run(totals, pace, HOUR, DAY), 60_000)
    assert [gap.why for gap in gaps] == ["pump gave less than told"]
    assert gaps[0].volume == 40_000
    assert totals.run is not None
    assert totals.run.volume_nl == 2_400_000
    assert totals.commanded == 2_460_000


def test_a_stop_names_whole_steps_as_missed_and_carries_the_rest() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    totals.grant(basal_run(totals, pace, 0, DAY), 0)
    gaps = totals.cut(HOUR + 3, 99_900, "paused")  # due: 100 000 and 83 picolitres
    assert [(gap.why, gap.volume) for gap in gaps] == [("paused", 100)]
    assert totals.residual == Fraction(2_400_000 * 3, DAY)


def test_what_is_due_while_nothing_runs_is_missed() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    totals.grant(basal_run(totals, pace, 0, HOUR), 0)
    totals.cut(HOUR, 100_000, "run ended")
    (gap,) = totals.idle(3 * HOUR, pace, "paused by a person")
    assert (gap.from_ms, gap.to_ms, gap.why, gap.volume) == (HOUR, 3 * HOUR, "paused by a person", 200_000)


def test_a_run_that_comes_late_after_the_one_before_ended_leaves_a_gap() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    totals.grant(basal_run(totals, pace, 0, HOUR), 0)
    gaps = totals.grant(basal_run(totals, pace, HOUR + 36_000, HOUR), 100_000)
    assert [(gap.why, gap.volume) for gap in gaps] == [("run came late", 1_000)]
    assert 0 <= totals.residual < STEP


def test_the_basal_beside_a_bolus_is_its_lowest_rate_and_the_rest_is_missed() -> None:
    # D-03: basal 5 -> 25 uL/h at 03:00, bolus 02:52 to 03:02; 2 min x 20 uL/h = 666.67 nL cannot be given
    pace = ToyPace((0, 120_000), (3 * HOUR, 600_000))
    start = 3 * HOUR - 480_000
    span, _ = bolus_span(pace, start, 600_000, Fraction(10_000), Fraction(0), LIMITS)
    assert span.kind is StepKind.BOLUS
    assert span.missed == Fraction(20_000 * 2, 60)
    assert span.volume_nl == 10_800  # 10 000 + 833.3 of basal, floored to the step
    assert span.basal_nl == 800


def test_a_bolus_gets_no_more_than_was_asked_even_with_rounding_left_over() -> None:
    """F-40: rounded down to the pump's grid."""
    span, _ = bolus_span(ToyPace((0, 0)), 0, 600_000, Fraction(10_050), Fraction(99), LIMITS)
    assert span.volume_nl == 10_100
    assert span.volume_nl - span.basal_nl == 10_050


def test_no_span_is_faster_than_the_pump_when_rounding_is_carried() -> None:
    pace = ToyPace((0, 24_000_000))
    (span,) = basal_spans(pace, 0, 60_000, Fraction(150), LIMITS, room=13)
    assert span.volume_nl == 16_600  # 16 666 is the pump's fastest minute, not 16 816


def test_a_cut_run_counts_what_the_pump_counted_and_never_more_than_it_was_told() -> None:
    totals = Totals(STEP)
    totals.grant(basal_run(totals, FLEX, 0, DAY), 0)
    assert totals.run is not None
    told = totals.run.volume_nl
    totals.cut(DAY, told + 5_000, "run ended")
    assert totals.commanded == told


def test_the_sums_can_be_read_in_the_middle_of_a_run() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    totals.grant(basal_run(totals, pace, 0, DAY), 0)
    assert totals.at(HOUR, pace) == (100_000, 100_000, 0)
    assert totals.at(HOUR + 3, pace)[1] == 100_000 + Fraction(1, 12)


def test_the_residual_of_a_cut_beside_a_bolus_is_known_before_the_cut() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 120_000), (3 * HOUR, 600_000))
    start = 3 * HOUR - 480_000
    span, _ = bolus_span(pace, start, 600_001, Fraction(10_000), Fraction(0), LIMITS)
    totals.grant(Run("slot:0:0", "scheduled", "stage-0", (span,), pace, 0), 0)
    before = totals.residual_at(start + 123_457, 2_000)
    totals.cut(start + 123_457, 2_000, "stop")
    assert (before - totals.residual) % STEP == 0  # whole steps that are left over are named as missed


def test_a_skipped_bolus_is_planned_and_missed() -> None:
    totals, pace = Totals(STEP), ToyPace((0, 2_400_000))
    totals.grant(basal_run(totals, pace, 0, DAY), 0)
    before = totals.residual
    totals.skip(HOUR, 2 * HOUR, Fraction(60_000), "scheduled bolus refused")
    assert totals.residual == before
    totals.cut(HOUR, 100_000, "stop")
    assert totals.planned == 160_000
    assert totals.missed == 60_000
