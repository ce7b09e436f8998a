"""The spans of a permit at their edges: fastest flow, a pump's own numbers, marks, boluses, holds, primes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.runs import (
    basal_spans,
    bolus_span,
    chain,
    hold_spans,
    prime_span,
    time_of_volume,
)
from pump_ctrl.drivers.base import StepKind
from tests.toy_pace import DAY, HOUR, ToyPace
from tests.unit.sums_kit import FINE, GRID, HUNDRED, LIMITS, MORNING, Steady

NONE = Fraction(0)


# A chain of spans.


def test_rounding_that_is_carried_is_given_and_not_lost() -> None:
    spans, lost = chain(HUNDRED, 0, HOUR, None, Fraction(199, 2), LIMITS)
    assert ([span.volume_nl for span in spans], lost) == ([100_000], 0)
    spans, lost = chain(HUNDRED, 0, HOUR + 36, None, Fraction(99), LIMITS)  # a nL more is due: a step in all
    assert ([span.volume_nl for span in spans], lost) == ([100_100], 0)


def test_what_a_pump_gave_ahead_is_given_less() -> None:
    """D-02: the sums are what the plan asks, so that a step ahead is no more than rounding."""
    (span,), lost = chain(HUNDRED, 0, HOUR, None, Fraction(-99), LIMITS)
    assert (span.volume_nl, span.missed, lost) == (99_900, 0, 0)


def test_a_bolus_comes_first_and_the_basal_follows_in_the_spans_that_are_left() -> None:
    limits = replace(LIMITS, max_steps=2)
    spans, lost = chain(MORNING, 5 * HOUR, 8 * HOUR, (HOUR // 2, Fraction(60_000)), NONE, limits)
    assert [(span.kind, span.from_ms, span.to_ms, span.volume_nl) for span in spans] == [
        (StepKind.BOLUS, 5 * HOUR, 5 * HOUR + HOUR // 2, 70_000),
        (StepKind.BASAL, 5 * HOUR + HOUR // 2, 6 * HOUR, 10_000),
    ]
    assert lost == 0


def test_a_bolus_that_reaches_beyond_the_end_stands_alone() -> None:
    spans, _ = chain(HUNDRED, 0, HOUR, (2 * HOUR, Fraction(60_000)), NONE, LIMITS)
    assert [(span.kind, span.to_ms) for span in spans] == [(StepKind.BOLUS, 2 * HOUR)]


def test_the_rounding_behind_a_bolus_goes_on_into_the_basal() -> None:
    spans, _ = chain(HUNDRED, 0, 2 * HOUR, (HOUR, Fraction(60_050)), Fraction(50), LIMITS)
    assert [(span.volume_nl, span.basal_nl) for span in spans] == [(160_100, 100_050), (100_000, 0)]
    spans, _ = chain(HUNDRED, 0, 2 * HOUR, (HOUR, Fraction(60_050)), Fraction(49), LIMITS)
    assert [span.volume_nl for span in spans] == [160_000, 100_000]  # 99 nL go on
    spans, _ = chain(HUNDRED, 0, 2 * HOUR + 36, (HOUR, Fraction(60_050)), Fraction(49), LIMITS)
    assert [span.volume_nl for span in spans] == [160_000, 100_100]


def test_a_chain_holds_no_more_than_the_pump_does() -> None:
    spans, _ = chain(MORNING, 0, 3 * DAY, None, NONE, replace(LIMITS, max_steps=3))
    assert [(span.from_ms, span.to_ms) for span in spans] == [
        (0, 6 * HOUR),
        (6 * HOUR, DAY),
        (DAY, DAY + 6 * HOUR),
    ]
    spans, _ = chain(MORNING, 0, 3 * DAY, None, NONE, GRID)
    assert len(spans) == 3


@pytest.mark.parametrize(
    ("mark", "ends"),
    [
        (None, [6 * HOUR, 8 * HOUR]),
        (5 * HOUR, [5 * HOUR, 6 * HOUR, 8 * HOUR]),
        (6 * HOUR, [6 * HOUR, 8 * HOUR]),
        (7 * HOUR, [6 * HOUR, 7 * HOUR, 8 * HOUR]),
        (4 * HOUR, [6 * HOUR, 8 * HOUR]),
        (3 * HOUR, [6 * HOUR, 8 * HOUR]),
        (8 * HOUR, [6 * HOUR, 8 * HOUR]),
        (9 * HOUR, [6 * HOUR, 8 * HOUR]),
    ],
)
def test_a_span_ends_where_the_next_run_is_expected_to_take_over(mark: int | None, ends: list[int]) -> None:
    spans, _ = chain(MORNING, 4 * HOUR, 8 * HOUR, None, NONE, LIMITS, mark)
    assert [span.to_ms for span in spans] == ends


def test_a_span_ends_with_the_run_where_the_rate_never_changes() -> None:
    (span,) = basal_spans(Steady(Fraction(1)), 0, HOUR, NONE, replace(LIMITS, max_nl_per_h=HOUR), 13)
    assert (span.to_ms, span.volume_nl) == (HOUR, HOUR)


def test_a_rate_in_finer_parts_than_the_rounding_gives_its_exact_volume() -> None:
    (span,) = basal_spans(Steady(Fraction(1, 7)), 0, 7_000, Fraction(1, 3), replace(LIMITS, step_nl=1), 13)
    assert (span.volume_nl, span.missed) == (1_000, 0)


def test_between_two_instants_in_the_wrong_order_nothing_is_told() -> None:
    assert basal_spans(HUNDRED, HOUR, 0, NONE, LIMITS, 13) == []
    assert hold_spans(HUNDRED, Fraction(1), HOUR, 0, LIMITS, 13) == []
    assert GRID.fitting([]) == []


@pytest.mark.parametrize("room", [0, -1])
def test_without_room_nothing_is_told(room: int) -> None:
    assert basal_spans(HUNDRED, 0, HOUR, NONE, LIMITS, room) == []
    assert hold_spans(HUNDRED, Fraction(1), 0, HOUR, LIMITS, room) == []


# What cannot be given beside the step and the pump's own numbers.


def test_what_is_faster_than_the_pump_is_missed_and_a_step_of_rounding_is_kept() -> None:
    slow = replace(LIMITS, max_nl_per_h=60_000)
    (span,) = basal_spans(HUNDRED, 0, HOUR, Fraction(50), slow, 13)
    assert (span.volume_nl, span.missed, span.grid) == (60_000, 40_000, 0)


def test_no_more_is_missed_in_a_span_than_is_due_in_it() -> None:
    """1 nL is due in 36 ms, 99.5 nL are carried: the step that they make takes longer."""
    (span,) = basal_spans(HUNDRED, 0, 36, Fraction(199, 2), LIMITS, 13)
    assert (span.volume_nl, span.missed, span.grid) == (0, 1, 0)


def test_in_a_rest_nothing_that_is_carried_is_given_or_missed() -> None:
    rest = ToyPace((0, 0), (HOUR, 2_400_000))
    first, second = basal_spans(rest, 0, 2 * HOUR, Fraction(250), LIMITS, 13)
    assert (first.volume_nl, first.missed, first.basal_nl) == (0, 0, 0)
    assert (second.volume_nl, second.missed) == (100_200, 0)


def test_what_the_pumps_numbers_cannot_say_is_missed_by_its_own_name() -> None:
    """100 000 nL are due; 99 995 is the most that is a multiple of seven. What is carried on is less than a step."""
    (span,) = basal_spans(HUNDRED, 0, HOUR, Fraction(1, 2), FINE, 13)
    assert (span.volume_nl, span.missed, span.grid) == (99_995, 5, 5)


def test_of_what_is_missed_only_what_the_flow_allows_is_the_numbers_fault() -> None:
    """100 000 nL are due, 60 000 the pump's fastest, 59 997 the number below: the numbers miss 3 nL."""
    (span,) = basal_spans(HUNDRED, 0, HOUR, NONE, replace(FINE, max_nl_per_h=60_000), 13)
    assert (span.volume_nl, span.missed, span.grid) == (59_997, 40_003, 3)


def test_of_a_span_behind_another_the_numbers_fault_is_that_of_its_own_length() -> None:
    """A second of 100 uL/h are 27.8 nL, of which 25 can be given at the fastest flow, and 21 told."""
    _, span = basal_spans(
        MORNING, 6 * HOUR - 7 * 180, 6 * HOUR + 1_000, NONE, replace(FINE, max_nl_per_h=90_000), 13
    )
    assert (span.volume_nl, span.missed, span.grid) == (21, 6, 4)


def test_a_nl_that_the_pumps_numbers_cannot_say_is_missed_where_a_nl_is_its_step() -> None:
    (span,) = basal_spans(HUNDRED, 0, 288, NONE, FINE, 13)  # 8 nL are due
    assert (span.volume_nl, span.missed, span.grid) == (7, 1, 1)


def test_what_a_pump_gave_ahead_of_a_short_span_is_no_gap() -> None:
    """1 nL is due in 36 ms, 99 were given ahead."""
    (span,) = basal_spans(HUNDRED, 0, 36, Fraction(-99), LIMITS, 13)
    assert (span.volume_nl, span.missed, span.grid) == (0, 0, 0)


# A bolus.


@pytest.mark.parametrize(
    ("carried", "volume", "basal_nl", "left"),
    [(NONE, 10_000, 0, 0), (Fraction(-1), 9_900, 0, 99), (Fraction(150), 10_100, 100, 50)],
)
def test_a_bolus_holds_what_is_carried_and_its_basal_share_is_never_below_none(
    carried: Fraction, volume: int, basal_nl: int, left: int
) -> None:
    span, rest = bolus_span(Steady(NONE), 0, 600_000, Fraction(10_000), carried, LIMITS)
    assert (span.volume_nl, span.basal_nl, rest) == (volume, basal_nl, left)
    assert (span.missed, span.grid) == (0, 0)


def test_a_bolus_in_finer_parts_than_the_basal_is_summed_exactly() -> None:
    pace = Steady(Fraction(1, 100))
    span, rest = bolus_span(pace, 0, 600_000, Fraction(70_001, 7), Fraction(1, 3), LIMITS)
    assert (span.volume_nl, span.basal_nl) == (16_000, 16_000 - 10_000)
    assert rest == Fraction(1, 7) + Fraction(1, 3)


def test_beside_a_bolus_in_finer_parts_than_the_basal_the_rest_of_the_basal_is_missed_exactly() -> None:
    span, _ = bolus_span(MORNING, 5 * HOUR, 2 * HOUR, Fraction(70_001, 7), NONE, LIMITS)
    assert (span.volume_nl, span.missed) == (50_000, 80_000)


def test_what_a_bolus_cannot_say_in_the_pumps_numbers_is_missed_and_not_carried() -> None:
    span, rest = bolus_span(MORNING, 5 * HOUR, 2 * HOUR, Fraction(60_000), Fraction(1, 2), FINE)
    assert (span.volume_nl, span.grid) == (99_995, 5)  # 60 000 and twice 20 000 are due
    assert span.missed == 80_000 + 5  # the second hour's 100 000 less 20 000
    assert rest == Fraction(1, 2)


@pytest.mark.parametrize(("over", "basal_nl"), [(HOUR, 100_000), (HOUR + 1, 20_000)])
def test_a_rate_that_falls_counts_as_the_lowest_only_if_the_bolus_reaches_into_it(
    over: int, basal_nl: int
) -> None:
    """100 uL/h up to midnight, 20 uL/h from then on."""
    span, _ = bolus_span(MORNING, DAY - HOUR, over, Fraction(60_000), NONE, LIMITS)
    assert span.basal_nl == basal_nl


def test_the_lowest_of_many_rates_counts() -> None:
    pace = ToyPace((0, 480_000), (HOUR, 240_000), (2 * HOUR, 2_400_000))
    span, _ = bolus_span(pace, 0, 3 * HOUR, Fraction(60_000), NONE, LIMITS)
    assert span.basal_nl == 30_000


# A prime.


def test_a_prime_runs_alone_at_its_own_pace_and_the_basal_meanwhile_is_missed() -> None:
    span = prime_span(HUNDRED, HOUR, 335_899, 1_000_000, LIMITS)
    assert (span.kind, span.from_ms, span.to_ms, span.volume_nl, span.basal_nl) == (
        StepKind.PRIME,
        HOUR,
        HOUR + 1_208_880,  # 335.8 uL at 1 mL/h
        335_800,
        0,
    )
    assert (span.bolus, span.grid) == (335_800, 0)
    assert span.missed == Fraction(2_400_000 * 1_208_880, DAY)


def test_a_prime_is_no_faster_than_its_pace_by_a_part_of_a_ms() -> None:
    span = prime_span(HUNDRED, 0, 100, 7, LIMITS)
    assert span.to_ms == 51_428_572  # 100 nL at 7 nL/h: 51 428 571.4 ms


def test_what_a_prime_cannot_say_in_the_pumps_numbers_is_missed_too() -> None:
    span = prime_span(HUNDRED, HOUR, 1_000, 1_000, FINE)
    assert (span.volume_nl, span.bolus, span.grid) == (994, 1_000, 6)
    assert span.missed == 100_000 + 6


def test_a_prime_is_never_faster_than_the_pump() -> None:
    """1 000 nL at 2 mL/h take 1.8 s, in which 1 mL/h gives 500 nL."""
    span = prime_span(HUNDRED, HOUR, 1_000, 2_000_000, LIMITS)
    assert (span.length_ms, span.volume_nl, span.bolus, span.grid) == (1_800, 500, 1_000, 500)


# The bounded hold.


def test_a_hold_at_the_plans_own_rate_is_one_span_across_the_plans_changes() -> None:
    low = Fraction(480_000, DAY)
    (span,) = hold_spans(MORNING, low, 5 * HOUR, 8 * HOUR, LIMITS, 13)
    assert (span.from_ms, span.to_ms, span.volume_nl) == (5 * HOUR, 8 * HOUR, 60_000)
    assert span.missed == 20_000 + 200_000 - 60_000


def test_a_hold_changes_where_the_plan_falls_below_it_and_rises_again() -> None:
    pace = ToyPace((0, 2_400_000), (HOUR, 480_000), (2 * HOUR, 2_400_000))
    spans = hold_spans(pace, Fraction(1_200_000, DAY), 0, 3 * HOUR, LIMITS, 13)
    assert [(span.to_ms, span.volume_nl, span.missed) for span in spans] == [
        (HOUR, 50_000, 50_000),
        (2 * HOUR, 20_000, 0),
        (3 * HOUR, 50_000, 50_000),
    ]
    assert hold_spans(pace, Fraction(1_200_000, DAY), 0, 3 * HOUR, LIMITS, 2) == spans[:2]


@pytest.mark.parametrize("end", [HOUR - 1, HOUR, HOUR + 1])
def test_a_hold_ends_when_it_has_to_whatever_the_plan_does_there(end: int) -> None:
    pace = ToyPace((0, 2_400_000), (HOUR, 480_000))
    spans = hold_spans(pace, Fraction(2_400_000, DAY), 0, end, LIMITS, 13)
    assert [span.to_ms for span in spans] == ([end] if end <= HOUR else [HOUR, end])


def test_a_hold_by_a_plan_that_never_changes_is_one_span() -> None:
    (span,) = hold_spans(Steady(Fraction(1, 100)), Fraction(1, 200), 0, HOUR, LIMITS, 13)
    assert (span.to_ms, span.volume_nl, span.missed) == (HOUR, 18_000, 18_000)


def test_a_hold_leaves_out_a_rest_at_its_end_on_a_pump_that_stands_still_anyway() -> None:
    pace = ToyPace((0, 2_400_000), (HOUR, 0))
    spans = hold_spans(pace, Fraction(1, 100), 0, 2 * HOUR, GRID, 13)
    assert [span.to_ms for span in spans] == [HOUR]


def test_a_hold_is_never_faster_than_the_pump() -> None:
    slow = replace(LIMITS, max_nl_per_h=60_000)
    (span,) = hold_spans(HUNDRED, Fraction(1), HOUR, 2 * HOUR, slow, 13)
    assert (span.volume_nl, span.missed) == (60_000, 40_000)


def test_a_hold_rounds_down_and_misses_the_rest() -> None:
    (span,) = hold_spans(HUNDRED, Fraction(1, 100), 0, 15_000, LIMITS, 13)
    assert (span.volume_nl, span.missed) == (100, Fraction(2_400_000 * 15_000, DAY) - 100)


# When a volume has been asked.


@pytest.mark.parametrize(
    ("nl", "at"),
    [
        (0, 5 * HOUR),
        (10_000, 5 * HOUR + HOUR // 2),
        (19_999, 6 * HOUR - 180),
        (20_000, 6 * HOUR),
        (20_001, 6 * HOUR + 36),
        (119_999, 7 * HOUR - 36),
        (120_000, None),
        (120_001, None),
    ],
)
def test_a_volume_has_been_asked_when_the_rates_have_added_up_to_it(nl: int, at: int | None) -> None:
    assert time_of_volume(MORNING, 5 * HOUR, Fraction(nl), 7 * HOUR) == at


def test_while_a_plan_rests_no_volume_is_asked() -> None:
    pace = ToyPace((0, 2_400_000), (HOUR, 0), (2 * HOUR, 2_400_000))
    assert time_of_volume(pace, 0, Fraction(100_036), DAY) == 2 * HOUR + 1_296


def test_a_plan_that_never_changes_asks_a_volume_in_time_or_not_at_all() -> None:
    assert time_of_volume(Steady(Fraction(1, 10)), 100, Fraction(5), HOUR) == 150
    assert time_of_volume(Steady(Fraction(1, 10)), 100, Fraction(5), 150) is None
    assert time_of_volume(Steady(NONE), 0, Fraction(0), HOUR) is None
