"""Spans and runs by themselves: what has flowed by when, when the next pump step is made, another plan's time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.totals import Gap, Run, ShiftedPace, Span
from pump_ctrl.drivers.base import Step, StepKind
from tests.toy_pace import DAY, HOUR
from tests.unit.sums_kit import MORNING, STEP, Steady, basal, run_of

SPAN = basal(1_000, 4_000, 1_050)  # 0.35 nL/ms: a step of 100 nL every 285.7 ms
RUN = run_of(SPAN, basal(4_000, 5_000, 0), basal(5_000, 6_000, 250))
# 100 uL/h for an hour from 01:00 on, 60 uL of bolus beside it, of which 1 uL of basal cannot be given
BOLUS = Span(StepKind.BOLUS, HOUR, 2 * HOUR, 159_000, 99_000, Fraction(60_000), Fraction(1_000))


def test_a_step_is_told_as_its_kind_volume_length_and_the_basal_share_of_a_bolus() -> None:
    assert SPAN.step() == Step(StepKind.BASAL, 1_050, 3_000, 0)
    assert BOLUS.step() == Step(StepKind.BOLUS, 159_000, HOUR, 99_000)


@pytest.mark.parametrize(("at", "gone"), [(0, 0), (1_000, 0), (1_001, 1), (3_999, 2_999), (9_000, 3_000)])
def test_the_time_that_has_gone_by_is_none_before_a_span_and_all_of_it_behind(at: int, gone: int) -> None:
    assert SPAN.elapsed(at) == gone
    assert SPAN.share(at) == Fraction(gone, 3_000)
    assert SPAN.even_flow(at) == Fraction(1_050 * gone, 3_000)


@pytest.mark.parametrize(
    ("at", "nl"),
    [
        (0, 0),
        (1_285, 0),
        (1_286, 100),
        (1_571, 100),
        (1_572, 200),
        (3_857, 900),
        (3_858, 1_000),
        (4_000, 1_000),
    ],
)
def test_a_pump_makes_its_steps_as_soon_as_the_even_flow_has_reached_them(at: int, nl: int) -> None:
    assert SPAN.delivered_by(at, STEP) == RUN.delivered_by(at, STEP) == nl


@pytest.mark.parametrize(
    ("at", "nl"),
    [(4_999, 1_000), (5_399, 1_000), (5_400, 1_100), (5_800, 1_200), (6_000, 1_200), (DAY, 1_200)],
)
def test_what_is_left_of_a_step_at_the_end_of_a_span_does_not_flow_in_the_next(at: int, nl: int) -> None:
    """50 nL are left at 4 000 ms: with them the next step would be made at 5 200 ms."""
    assert RUN.delivered_by(at, STEP) == nl


@pytest.mark.parametrize(
    ("at", "step_ms"),
    [
        (0, 1_000),
        (1_000, 1_000),
        (1_001, 1_286),
        (1_285, 1_286),
        (3_858, 4_000),
        (4_000, 4_000),
        (7_000, 4_000),
    ],
)
def test_the_next_pump_step_is_the_first_one_that_is_not_yet_made(at: int, step_ms: int) -> None:
    assert SPAN.next_step_ms(at, STEP) == step_ms


@pytest.mark.parametrize(("at", "step_ms"), [(1_000, 1_143), (1_143, 1_429), (1_150, 1_429), (3_600, 3_715)])
def test_half_a_pump_step_beyond_a_step_is_met_half_a_step_later(at: int, step_ms: int) -> None:
    """50 nL take 142.9 ms: the half steps are at 50, 150, ... nL."""
    assert SPAN.next_step_ms(at, STEP, STEP // 2) == step_ms


def test_a_rest_makes_no_pump_step_up_to_its_end() -> None:
    assert basal(4_000, 5_000, 0).next_step_ms(4_500, STEP) == 5_000


@pytest.mark.parametrize(
    ("at", "step_ms"),
    [(0, 1_000), (1_001, 1_286), (4_000, 5_000), (5_001, 5_400), (6_000, 6_000), (DAY, 6_000)],
)
def test_of_a_run_the_next_pump_step_is_that_of_the_span_in_force(at: int, step_ms: int) -> None:
    assert RUN.next_step_ms(at, STEP) == step_ms


def test_of_a_run_the_next_half_step_is_that_of_the_span_in_force() -> None:
    assert RUN.next_step_ms(5_001, STEP, STEP // 2) == 5_200


@pytest.mark.parametrize(
    ("at", "flows"),
    [
        (999, False),
        (1_000, True),
        (3_999, True),
        (4_000, False),
        (4_999, False),
        (5_000, True),
        (6_000, False),
    ],
)
def test_a_run_flows_only_in_a_span_that_holds_a_volume(at: int, flows: bool) -> None:
    assert RUN.flows_at(at) is flows


def test_a_run_reaches_from_its_first_span_to_its_last_and_holds_the_volumes_of_all() -> None:
    run = run_of(SPAN, basal(4_000, 6_000, 250))
    assert (run.from_ms, run.to_ms, run.volume_nl) == (1_000, 6_000, 1_300)


@pytest.mark.parametrize(("tail", "own_to_ms"), [(0, 6_000), (1, 5_000), (2, 4_000)])
def test_the_bounded_hold_behind_a_run_is_not_the_runs_own(tail: int, own_to_ms: int) -> None:
    assert replace(RUN, tail=tail).own_to_ms == own_to_ms


def test_a_run_has_no_hold_behind_it_unless_it_is_told() -> None:
    assert RUN.own_to_ms == 6_000


@pytest.mark.parametrize(
    ("at", "nl"), [(0, 0), (1_000, 0), (2_500, 525), (4_500, 1_050), (5_500, 1_175), (DAY, 1_300)]
)
def test_the_even_flow_of_a_run_is_that_of_all_its_spans(at: int, nl: int) -> None:
    assert RUN.even_flow(at) == nl


@pytest.mark.parametrize(
    ("at", "until", "by"),
    [
        (0, 60_000, 0),
        (HOUR, 60_000, 0),
        (HOUR + HOUR // 4, 85_000, 40_000),  # a quarter of 100 000 nL, and of the bolus all, or a quarter
        (2 * HOUR, 160_000, 160_000),
        (3 * HOUR, 160_000, 160_000),
    ],
)
def test_a_bolus_is_planned_whole_from_the_first_on_and_due_as_its_time_goes_by(
    at: int, until: int, by: int
) -> None:
    run = run_of(BOLUS)
    assert run.planned_until(at) == until
    assert run.planned_by(at) == by


def test_two_boluses_that_no_common_part_of_a_nl_divides_are_added_exactly() -> None:
    first, second = BOLUS._replace(bolus=Fraction(1, 7)), BOLUS._replace(bolus=Fraction(1, 11))
    run = run_of(first, second._replace(from_ms=2 * HOUR, to_ms=3 * HOUR))
    assert run.planned_until(HOUR) == Fraction(1, 7) + Fraction(1, 11)
    assert run.planned_until(2 * HOUR) == 100_000 + Fraction(1, 7) + Fraction(1, 11)


def test_nothing_is_due_in_a_run_before_it_begins_or_behind_its_end() -> None:
    run = run_of(SPAN, pace=Steady(Fraction(1, 7)))
    assert [run.planned_until(at) for at in (0, 999, 1_000, 4_000, 4_001)] == [
        0,
        0,
        0,
        *[Fraction(3_000, 7)] * 2,
    ]


@pytest.mark.parametrize(
    ("at", "nl"),
    [(HOUR - 1, 0), (HOUR, 0), (HOUR + HOUR // 4, 250), (2 * HOUR - 36, Fraction(99_999, 100)), (DAY, 1_000)],
)
def test_the_basal_beside_a_bolus_is_missed_as_its_time_goes_by(at: int, nl: Fraction | int) -> None:
    """1 000 of 100 000 nL in an hour: a hundredth of what is due."""
    run = run_of(BOLUS)
    assert run.missed_until(at) == nl


def test_beside_a_bolus_the_basal_is_missed_from_when_its_rate_rises() -> None:
    """20 and then 100 uL/h, half an hour of either: beside the bolus go 20 uL/h all the time."""
    span = BOLUS._replace(from_ms=6 * HOUR - HOUR // 2, to_ms=6 * HOUR + HOUR // 2, missed=Fraction(40_000))
    run = run_of(span, pace=MORNING)
    assert run.missed_until(6 * HOUR) == 0
    assert run.missed_until(6 * HOUR + HOUR // 4) == 20_000
    assert run.missed_until(7 * HOUR) == 40_000


def test_what_two_spans_miss_is_added_up() -> None:
    short = basal(2 * HOUR, 2 * HOUR + 3_600, 0, Fraction(100))  # 3.6 s of 100 uL/h, all of it missed
    run = run_of(BOLUS, short, basal(2 * HOUR + 3_600, 3 * HOUR, 99_900))
    assert run.missed_until(2 * HOUR + 1_800) == 1_050
    assert run.missed_until(3 * HOUR) == 1_100
    assert run.beside == (BOLUS, short)


def test_what_the_pumps_numbers_cannot_say_grows_with_the_time_of_its_spans_only() -> None:
    told = BOLUS._replace(grid=Fraction(400))
    short = basal(2 * HOUR, 3 * HOUR, 0, Fraction(100_000))
    run = run_of(told, short)
    assert [run.grid_until(at) for at in (HOUR, HOUR + HOUR // 4, 2 * HOUR, 3 * HOUR)] == [0, 100, 400, 400]


def test_a_zero_that_is_computed_is_no_gap() -> None:
    run = run_of(BOLUS._replace(missed=Fraction(0, 7)))
    assert run.beside == ()


def test_a_gap_is_written_with_its_exact_fraction() -> None:
    gap = Gap(1_000, 2_000, "paused", Fraction(1, 7))
    assert gap.as_record() == {"from_ms": 1_000, "to_ms": 2_000, "why": "paused", "nl": "1/7"}


# Another plan's time.


def test_a_pace_in_another_plans_time_asks_the_same_so_much_later_by_its_clock() -> None:
    later = ShiftedPace(MORNING, 2 * HOUR)  # six o'clock is eight o'clock of the other plan
    assert later.rate(8 * HOUR - 1) == Fraction(480_000, DAY)
    assert later.rate(8 * HOUR) == Fraction(2_400_000, DAY)
    assert later.next_change(7 * HOUR) == 8 * HOUR
    assert later.planned_basal_nl(7 * HOUR, 9 * HOUR) == 20_000 + 100_000
    assert later.planned_units(7 * HOUR, 9 * HOUR) == 120_000 * DAY
    assert later.unit == DAY


def test_a_pace_that_never_changes_does_not_change_in_another_plans_time_either() -> None:
    assert ShiftedPace(Steady(Fraction(1)), HOUR).next_change(0) is None


@pytest.mark.parametrize("by_ms", [2 * HOUR, -HOUR])
def test_a_run_in_another_plans_time_asks_and_gives_the_same_so_much_later(by_ms: int) -> None:
    short = basal(6 * HOUR - HOUR // 2, 7 * HOUR, 0, Fraction(110_000))
    run = Run("slot:0:0", "scheduled", "stage-0", (short,), MORNING, 300, 200, 0, Fraction(5))
    moved = run.shifted(by_ms)
    at = 6 * HOUR
    assert (moved.from_ms, moved.to_ms) == (run.from_ms + by_ms, run.to_ms + by_ms)
    assert moved.planned_until(at + by_ms) == run.planned_until(at) == 10_000
    assert moved.missed_until(at + by_ms) == run.missed_until(at)
    assert (moved.request_id, moved.cut_nl, moved.lost_nl, moved.still) == ("slot:0:0", 300, 200, 5)


def test_a_run_in_the_same_time_is_the_same_run() -> None:
    assert RUN.shifted(0) is RUN
