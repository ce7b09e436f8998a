"""The three sums at their edges: what a run that takes over names as missed, cuts, skips, another plan's time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.totals import BESIDE, GRID, STILL, Gap, Run, Span, Totals
from pump_ctrl.drivers.base import StepKind
from tests.toy_pace import DAY, HOUR
from tests.unit.sums_kit import HUNDRED, MORNING, STEP, Steady, basal, run_of

FIRST = run_of(basal(0, DAY, 2_400_000))
# 100 uL/h for an hour from 01:00 on, 60 uL of bolus beside it, of which 1 uL of basal cannot be given
BOLUS = Span(StepKind.BOLUS, HOUR, 2 * HOUR, 159_000, 99_000, Fraction(60_000), Fraction(1_000))


def running() -> Totals:
    """100 uL/h, since plan time 0."""
    totals = Totals(STEP)
    totals.grant(FIRST, 0)
    return totals


def after_an_hour(**changes: object) -> Run:
    """The run that takes over after an hour, when the first has given 100 000 nL."""
    return replace(run_of(basal(HOUR, DAY, 2_300_000), cut_nl=100_000), **changes)  # type: ignore[arg-type]


def test_nothing_is_planned_missed_or_commanded_before_anything_happened() -> None:
    totals = Totals(STEP)
    assert totals.snapshot() == {"planned": "0", "missed": "0", "commanded": 0, "horizon_ms": 0}
    assert totals.run is None
    assert totals.residual_at(HOUR, 0) == 0


def test_the_sums_of_a_run_in_force_reach_up_to_its_end() -> None:
    snapshot = {"planned": "2400000", "missed": "0", "commanded": 2_400_000, "horizon_ms": DAY}
    assert running().snapshot() == snapshot


def test_the_snapshot_holds_exact_fractions_in_lowest_terms() -> None:
    totals = Totals(STEP)
    totals.skip(0, 0, Fraction(1, 7), "refused")
    totals.skip(0, 0, Fraction(9, 14), "refused")
    assert totals.snapshot() == {"planned": "11/14", "missed": "11/14", "commanded": 0, "horizon_ms": 0}


def test_the_snapshot_holds_a_half_as_a_fraction() -> None:
    totals = Totals(STEP)
    totals.skip(0, 0, Fraction(5, 2), "refused")
    assert totals.snapshot()["planned"] == "5/2"


# A run takes over.


def test_a_run_that_takes_over_when_all_was_given_names_no_gap() -> None:
    totals = running()
    assert totals.grant(after_an_hour(), 100_000) == ()
    assert (totals.planned, totals.commanded, totals.missed) == (2_400_000, 2_400_000, 0)


def test_what_a_cut_loses_beyond_rounding_is_named_and_missed() -> None:
    totals = running()
    gaps = totals.grant(after_an_hour(lost_nl=200), 100_000)
    assert gaps == (Gap(HOUR, HOUR, "part of a step, at a cut", Fraction(200)),)
    assert totals.missed == 200


def test_what_is_due_while_a_stopped_pump_is_told_is_named_and_missed() -> None:
    totals = running()
    gaps = totals.grant(after_an_hour(still=Fraction(1, 8)), 100_000)
    assert gaps == (Gap(HOUR, HOUR, STILL, Fraction(1, 8)),)
    assert totals.missed == Fraction(1, 8)


@pytest.mark.parametrize(
    ("given", "volumes"), [(99_999, [1]), (100_000, []), (100_001, []), (98_000, [2_000])]
)
def test_only_less_than_a_run_was_computed_from_is_a_gap(given: int, volumes: list[int]) -> None:
    gaps = running().grant(after_an_hour(), given)
    assert [gap.volume for gap in gaps] == volumes
    assert {gap.why for gap in gaps} <= {"pump gave less than told"}


def test_a_run_that_follows_none_in_force_loses_nothing_by_a_cut() -> None:
    """The one before has ended meanwhile, and has closed its own books."""
    totals = running()
    totals.cut(HOUR, 100_000, "run ended")
    assert totals.grant(after_an_hour(lost_nl=200, still=Fraction(1, 7)), 0) == ()
    assert totals.missed == 0


def test_a_run_that_begins_after_the_end_of_the_one_before_names_what_was_due_in_between() -> None:
    totals = running()
    late = replace(after_an_hour(), spans=(basal(DAY + HOUR, 2 * DAY, 2_300_000),), cut_nl=2_400_000)
    gaps = totals.grant(late, 2_400_000)
    assert gaps == (Gap(DAY, DAY + HOUR, "run came late", Fraction(100_000)),)


def test_the_basal_beside_a_bolus_is_missed_as_soon_as_its_run_is_in_force_and_named_when_it_ends() -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    assert totals.grant(run_of(BOLUS), 0) == ()
    assert (totals.planned, totals.commanded, totals.missed) == (260_000, 159_000, 101_000)
    gaps = totals.cut(2 * HOUR, 159_000, "run ended")
    assert gaps == (Gap(HOUR, 2 * HOUR, BESIDE, Fraction(1_000)),)
    assert (totals.planned, totals.commanded, totals.missed) == (260_000, 159_000, 101_000)


def test_of_a_bolus_that_is_cut_the_basal_beside_it_is_missed_up_to_there_only() -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    totals.grant(run_of(BOLUS), 0)
    gaps = totals.cut(HOUR + HOUR // 4, 39_700, "paused")
    assert gaps[0] == Gap(HOUR, HOUR + HOUR // 4, BESIDE, Fraction(250))
    assert totals.planned == 100_000 + 85_000
    assert totals.missed == 100_000 + 250 + 45_000  # of 85 000 nL 39 700 were given; 50 nL are rounding
    assert totals.residual == 50


def test_what_the_pumps_numbers_cannot_say_is_a_gap_of_its_own() -> None:
    totals = Totals(STEP)
    totals.grant(run_of(BOLUS._replace(from_ms=0, to_ms=HOUR, grid=Fraction(400))), 0)
    gaps = totals.cut(HOUR, 159_000, "run ended")
    assert [(gap.why, gap.volume) for gap in gaps] == [(BESIDE, 600), (GRID, 400)]


def test_a_grid_gap_alone_is_not_named_twice() -> None:
    totals = Totals(STEP)
    totals.grant(run_of(BOLUS._replace(from_ms=0, to_ms=HOUR, grid=Fraction(1_000))), 0)
    gaps = totals.cut(HOUR, 159_000, "run ended")
    assert [(gap.why, gap.volume) for gap in gaps] == [(GRID, 1_000)]


# The residual ahead of a cut.


def test_the_residual_of_a_cut_is_what_is_due_by_then_and_neither_given_nor_missed() -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    totals.grant(run_of(BOLUS), 0)
    assert totals.residual_at(HOUR + HOUR // 4, 39_700) == 85_000 - 250 - 39_700
    assert totals.residual_at(2 * HOUR, 159_000) == 0


def test_a_gap_that_no_part_of_a_nl_so_far_divides_is_known_before_the_cut() -> None:
    """A span of 7 777 ms of which 100 nL cannot be said: after 1 ms 100/7777 nL, less what its parts cannot say."""
    totals = Totals(STEP)
    span = basal(0, 7_777, 0, Fraction(100))
    totals.grant(run_of(span._replace(grid=Fraction(100)), basal(7_777, HOUR, 99_900)), 0)
    assert totals.residual_at(1, 0) == Fraction(2_400_000, DAY) - Fraction(1_110_968, 86_400_000)
    totals.cut(1, 0, "paused")
    assert totals.planned == Fraction(2_400_000, DAY)
    assert totals.missed == Fraction(1_110_968, 86_400_000)  # of 100/7777 that is 1110968.24 parts


def test_the_sums_stay_short_however_often_a_run_is_cut_in_the_middle_of_a_gap() -> None:
    """Seen: a hold that a stalled pump broke off thirteen times left a journal that no start took up any more."""
    totals, since = Totals(STEP), 0
    for count in range(40):
        until = since + HOUR + 7 * count + 1
        totals.grant(run_of(basal(since, until, 90_000, Fraction(10_000))), 0)
        since += 1_001 + 13 * count
        totals.cut(since, 0, "pump stalled")
    assert totals.commanded == 0
    assert 0 <= totals.planned - totals.missed < STEP
    assert max(len(text) for text in (totals.snapshot()["planned"], totals.snapshot()["missed"])) < 40


def test_the_residual_with_nothing_in_force_is_the_rounding_left_over() -> None:
    totals = running()
    totals.cut(HOUR + 3, 99_900, "paused")
    assert totals.residual_at(2 * HOUR, 50_000) == totals.residual == Fraction(1, 12)


# Cuts.


def test_nothing_is_cut_where_nothing_runs() -> None:
    totals = Totals(STEP)
    assert totals.cut(HOUR, 100, "paused") == ()
    assert totals.snapshot() == {"planned": "0", "missed": "0", "commanded": 0, "horizon_ms": 0}


@pytest.mark.parametrize(
    ("step", "given", "volumes"),
    [(100, 100_000, []), (100, 99_901, []), (100, 99_900, [100]), (100, 100_100, []), (1, 99_999, [1])],
)
def test_a_cut_names_whole_steps_that_are_left_over_and_nothing_else(
    step: int, given: int, volumes: list[int]
) -> None:
    totals = Totals(step)
    totals.grant(FIRST, 0)
    gaps = totals.cut(HOUR, given, "paused")
    assert [gap.volume for gap in gaps] == volumes
    assert all(gap == Gap(0, HOUR, "paused", gap.volume) for gap in gaps)


@pytest.mark.parametrize(
    ("at", "horizon"), [(0, HOUR), (HOUR, HOUR), (HOUR + 1, HOUR + 1), (3 * HOUR, 2 * HOUR)]
)
def test_a_cut_accounts_for_the_time_of_the_run_and_no_more(at: int, horizon: int) -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    totals.grant(run_of(basal(HOUR, 2 * HOUR, 100_000)), 0)
    totals.cut(at, 0, "paused")
    assert totals.horizon_ms == horizon
    assert totals.planned == Fraction(100_000 * horizon, HOUR)


# Nothing runs.


def test_while_a_run_is_in_force_nothing_is_idle() -> None:
    totals = running()
    assert totals.idle(2 * DAY, HUNDRED, "paused") == ()
    assert totals.horizon_ms == DAY


@pytest.mark.parametrize("at", [HOUR - 1, HOUR])
def test_what_has_been_accounted_for_is_not_missed_again(at: int) -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    assert totals.idle(at, HUNDRED, "paused") == ()
    assert (totals.horizon_ms, totals.missed) == (HOUR, 100_000)


def test_an_idle_time_in_which_nothing_is_due_is_no_gap_and_is_accounted_for() -> None:
    totals = Totals(STEP)
    assert totals.idle(HOUR, Steady(Fraction(0)), "paused") == ()
    assert totals.horizon_ms == HOUR


def test_a_volume_that_no_part_of_a_nl_so_far_divides_is_missed_exactly() -> None:
    totals = Totals(STEP)
    totals.idle(1, Steady(Fraction(1, 7)), "paused")
    totals.idle(2, Steady(Fraction(1, 11)), "paused")
    assert totals.missed == totals.planned == Fraction(18, 77)


# A bolus that is not given.


def test_a_bolus_skipped_while_a_run_is_in_force_stays_planned_and_missed_after_its_cut() -> None:
    totals = running()
    gap = totals.skip(HOUR, HOUR + 5, Fraction(1, 7), "refused")
    assert gap == Gap(HOUR, HOUR + 5, "refused", Fraction(1, 7))
    assert (totals.planned, totals.missed) == (2_400_000 + Fraction(1, 7), Fraction(1, 7))
    totals.cut(HOUR, 100_000, "paused")
    assert (totals.planned, totals.missed) == (100_000 + Fraction(1, 7), Fraction(1, 7))
    assert totals.residual == 0


def test_a_bolus_skipped_while_nothing_runs_is_planned_and_missed() -> None:
    totals = Totals(STEP)
    totals.skip(HOUR, HOUR, Fraction(50), "refused")
    totals.grant(FIRST, 0)
    totals.cut(HOUR, 100_000, "paused")
    assert (totals.planned, totals.commanded, totals.missed) == (100_050, 100_000, 50)


def test_a_run_after_a_bolus_in_finer_parts_is_planned_in_full() -> None:
    """The sums are told in 1/(7 DAY) nL by then, the run in 1/DAY nL."""
    totals = Totals(STEP)
    totals.skip(0, 0, Fraction(1, 7), "refused")
    totals.grant(FIRST, 0)
    assert totals.planned == 2_400_000 + Fraction(1, 7)


# The sums in the course of a run, and in another plan's time.


def test_the_sums_beside_a_bolus_are_those_of_the_time_that_has_gone_by() -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    totals.grant(run_of(BOLUS), 0)
    assert totals.at(HOUR + HOUR // 4, HUNDRED) == (140_000, 39_750, 100_250)


def test_behind_the_end_of_a_run_that_nobody_has_closed_what_is_due_is_missed() -> None:
    assert running().at(DAY + HOUR, HUNDRED) == (2_500_000, 2_400_000, 100_000)


def test_while_nothing_runs_what_is_due_is_missed_from_the_horizon_on() -> None:
    totals = running()
    totals.cut(HOUR, 100_000, "paused")
    assert totals.at(3 * HOUR, HUNDRED) == (300_000, 100_000, 200_000)
    assert totals.at(0, HUNDRED) == (100_000, 100_000, 0)


def test_in_another_plans_time_the_run_in_force_ends_and_misses_what_it_did() -> None:
    totals = Totals(STEP)
    totals.grant(run_of(basal(0, 7 * HOUR, 220_000), pace=MORNING), 0)
    totals.shift(2 * HOUR)
    assert totals.horizon_ms == 9 * HOUR
    totals.cut(8 * HOUR, 120_000, "paused")  # six o'clock of the plan that it was computed from
    assert (totals.horizon_ms, totals.planned, totals.commanded) == (8 * HOUR, 120_000, 120_000)


def test_in_another_plans_time_nothing_in_force_stays_nothing() -> None:
    totals = Totals(STEP)
    totals.idle(HOUR, HUNDRED, "paused")
    totals.shift(-HOUR // 2)
    assert (totals.run, totals.horizon_ms, totals.missed) == (None, HOUR // 2, 100_000)


def test_what_the_sums_are_does_not_depend_on_what_was_asked_of_them() -> None:
    """A replay asks for no residual. Seen: asked for one, they kept exactly what they else rounded."""
    seventh = replace(run_of(basal(0, DAY, 2_400_000)), pace=Steady(Fraction(1, 7)))
    asked, quiet = Totals(STEP), Totals(STEP)
    for totals in (asked, quiet):
        totals.grant(replace(seventh, spans=(basal(0, 35, 0, Fraction(1, 3)), basal(35, DAY, 100))), 0)
    asked.residual_at(1, 0)
    for totals in (asked, quiet):
        totals.cut(1, 0, "paused")
    assert asked.snapshot() == quiet.snapshot()
