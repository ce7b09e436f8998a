"""What is told next to a pump that is stopped first, and when: telling takes time, in which it stands still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Timing
from pump_ctrl.controller.totals import Run
from tests.toy_pace import DAY, HOUR
from tests.unit.composer_kit import MINUTE, SYRINGE, TIMING, Alone, sums, told

RUNNING, READY = State.RUNNING, State.READY
EVERY_3_MIN = [(at, 86_400 * (1 + at // (3 * MINUTE) % 2)) for at in range(0, DAY, 3 * MINUTE)]
EVERY_30_MIN = [(at, 86_400 * (1 + at // (30 * MINUTE) % 2)) for at in range(0, DAY, 30 * MINUTE)]
HOLDS = replace(TIMING, lease_ms=HOUR, hold_ms=4 * HOUR)


def syringe(*levels: tuple[int, int], timing: Timing = TIMING, **more: object) -> Alone:
    return Alone(*levels, limits=SYRINGE, timing=timing, **more)  # type: ignore[arg-type]


# --- telling takes time ----------------------------------------------------------------------------------------


def test_a_run_begins_when_its_steps_are_told() -> None:
    assert told(syringe().composer.basal(0)) == [(3_000, 36_003_000, 36_000)]
    two = syringe((0, 86_400), (2 * HOUR, 172_800)).composer.basal(0)
    assert told(two) == [(4_000, 7_200_000, 7_100), (7_200_000, 36_004_000, 57_700)]


@pytest.mark.parametrize(("exchange_ms", "start"), [(100, 200), (500, 1_000), (501, 1_503)])
def test_half_a_second_less_or_more_is_not_computed_again(exchange_ms: int, start: int) -> None:
    """It was reckoned with two exchanges, and takes three."""
    assert syringe(timing=replace(TIMING, exchange_ms=exchange_ms)).composer.basal(0).from_ms == start


def test_half_a_second_less_to_tell_is_computed_again_too() -> None:
    alone = syringe((0, 86_400), (2 * HOUR, 172_800))
    alone.begins()
    assert alone.composer.basal(3 * HOUR).from_ms == 3 * HOUR + 3_000  # one step now, four exchanges before


def test_after_two_slow_tellings_a_run_is_reckoned_with_a_later_begin() -> None:
    alone = syringe()
    for begin in (0, HOUR):
        run = alone.composer.basal(begin)
        alone.books.ask(run, None)
        alone.books.grant(0, compares=False)
        alone.composer.told(begin + 6_000)
    assert alone.composer.basal(2 * HOUR).from_ms == 2 * HOUR + 6_000


def test_what_a_prime_and_a_hold_took_to_tell_is_learnt_from() -> None:
    """With the time since an older decision in its place the next run would have a single step."""
    two = ((0, 86_400), (20 * HOUR, 172_800))
    primed = syringe(*two, prime_nl=2_000)
    primed.takes(primed.composer.prime(13 * HOUR))
    assert len(primed.composer.basal(13 * HOUR + MINUTE).spans) == 2
    held = syringe(*two)
    run = held.composer.hold(12 * HOUR, 13 * HOUR)
    assert run is not None
    held.takes(run)
    assert len(held.composer.basal(13 * HOUR).spans) == 2


# --- the run that is cut ---------------------------------------------------------------------------------------


def test_it_is_cut_when_it_has_begun_a_little_late_and_made_its_step_all_the_same() -> None:
    """15 min before its end 35 100 nL are given: it is stopped half a step later, at 35 150."""
    alone = syringe()
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_153_000
    run = alone.composer.basal(35_153_000)
    assert told(run) == [(35_156_000, 71_156_000, 36_000)]
    assert sums(run) == (35_100, 3, 0)


def test_a_hold_is_computed_from_what_was_given_when_the_pump_was_stopped() -> None:
    alone = syringe()
    alone.begins()
    run = alone.composer.hold(3_650_000, 2 * HOUR)
    assert run is not None
    assert told(run) == [(3_653_000, 7_195_000, 3_500)]
    assert sums(run) == (3_600, 3, 0)


def test_where_a_bolus_stops_the_pump_a_span_ends() -> None:
    alone = syringe(bolus=(9 * HOUR, 20 * MINUTE, 6_000))
    run = alone.begins()
    assert told(run) == [(4_000, 32_400_000, 32_300), (32_400_000, 36_004_000, 3_700)]
    assert alone.composer.next_due(RUNNING) == 9 * HOUR


def test_rules_that_changed_are_told_half_a_step_later_and_in_a_rest_at_once() -> None:
    alone = syringe((0, 86_400), (2 * HOUR, 0), (3 * HOUR, 86_400))
    alone.begins()  # from 5 s on, for it has three steps: 7 100 nL in 7 195 s
    alone.composer.renew_from(HOUR)
    assert alone.composer.next_due(RUNNING) == 3_602_500  # 3 550 nL
    alone.composer.renew_from(2 * HOUR)
    assert alone.composer.next_due(RUNNING) == 2 * HOUR
    alone.composer.renew_from(2 * HOUR - 1)
    assert alone.composer.next_due(RUNNING) == 2 * HOUR  # no step is made any more


# --- what it is left alone with --------------------------------------------------------------------------------


def test_a_pump_that_comes_to_rest_at_the_end_of_its_run_is_told_nothing() -> None:
    alone = syringe((0, 86_400), (HOUR, 0), (20 * HOUR, 86_400))
    assert told(alone.begins()) == [(3_000, 3_600_000, 3_500)]
    assert alone.composer.next_due(RUNNING) == 3_600_000 + 30_001


def test_a_rest_that_is_followed_by_flow_is_told() -> None:
    alone = syringe((0, 86_400), (HOUR, 0), (2 * HOUR, 86_400))
    assert [span[1] for span in told(alone.begins())] == [HOUR, 2 * HOUR, 36_005_000]


def test_a_run_that_cannot_be_told_further_than_it_goes_is_not_renewed_before_its_end() -> None:
    """Four steps of 3 min: nothing is won by telling them anew 15 min before their end."""
    alone = syringe(*EVERY_3_MIN)
    assert [span[1] for span in told(alone.begins())] == [180_000, 360_000, 540_000, 720_000]
    assert alone.composer.next_due(RUNNING) == 720_000


def test_a_run_of_four_steps_that_can_be_told_further_is_renewed_before_its_end() -> None:
    alone = syringe(*EVERY_30_MIN)
    run = alone.begins()
    assert run.to_ms == 2 * HOUR
    due = alone.composer.next_due(RUNNING)
    assert 2 * HOUR - 15 * MINUTE <= due < 2 * HOUR - 13 * MINUTE
    assert alone.composer.basal(due).to_ms == 210 * MINUTE


def test_on_a_line_that_has_become_slow_the_longer_run_in_force_goes_on_to_its_end() -> None:
    """9 s an exchange: of 27 s three of them, a single step of 3 min, where the run in force has four."""
    alone = syringe(*EVERY_3_MIN)
    alone.books.ask(alone.composer.basal(0), None)
    alone.books.grant(0, compares=False)
    alone.composer.told(54_000)
    assert alone.composer.next_due(RUNNING) == 720_000
    assert len(alone.composer.basal(720_000).spans) == 1


def test_a_run_of_two_steps_is_renewed_though_the_first_one_would_end_sooner() -> None:
    """2 900 nL in 2 995 s: half a step after the 27th, from 15 min before its own end on."""
    alone = syringe((0, 86_400), (50 * MINUTE, 172_800), timing=HOLDS)
    run = alone.begins()
    assert ([span[1] for span in told(run)], run.tail) == ([3_000_000, 3_605_000, 14_370_000], 1)
    assert alone.composer.next_due(RUNNING) == 2_741_811


def test_a_run_with_a_hold_behind_it_that_rests_first_goes_on_to_its_own_end() -> None:
    alone = syringe((0, 86_400), (50 * MINUTE, 0), (2 * HOUR, 86_400), timing=HOLDS)
    run = alone.begins()
    assert ([span[1] for span in told(run)], run.tail) == ([3_000_000, 7_200_000, 14_370_000], 2)
    assert alone.composer.next_due(RUNNING) == 3_000_000


# --- the hold behind a run -------------------------------------------------------------------------------------


def test_behind_an_hour_comes_the_hold_that_nobody_has_to_tell() -> None:
    """It has to be over 4 h after the decision, and a pump that began late goes on for up to 30 s more."""
    alone = syringe((0, 172_800), (12 * HOUR, 86_400), timing=HOLDS)
    run = alone.begins()
    assert told(run) == [(4_000, 3_604_000, 7_200), (3_604_000, 14_370_000, 10_700)]
    assert (run.tail, run.own_to_ms) == (1, 3_604_000)
    assert alone.composer.next_due(RUNNING) == 2_729_000  # 15 min before its own end, and half a step


def test_a_lease_as_long_as_the_hold_has_none_behind_it() -> None:
    run = syringe(timing=replace(HOLDS, hold_ms=HOUR)).composer.basal(0)
    assert (told(run), run.tail) == ([(3_000, 3_603_000, 3_600)], 0)


def test_the_hold_behind_a_run_ends_with_the_stage_in_which_the_run_began() -> None:
    run = syringe(timing=HOLDS, stage_until=2 * HOUR).composer.basal(0)
    assert told(run) == [(4_000, 3_604_000, 3_600), (3_604_000, 7_200_000, 3_500)]


def test_a_run_that_takes_a_stages_end_has_no_hold_behind_it() -> None:
    run = syringe(timing=HOLDS, stage_until=HOUR).composer.basal(0)
    assert (told(run), run.tail) == ([(3_000, 3_600_000, 3_500)], 0)


def test_the_hold_behind_a_run_ends_where_nothing_is_left() -> None:
    alone = syringe(timing=HOLDS)
    assert alone.composer.runs_dry(alone.composer.basal(0), 7_000)
    run = alone.begins()
    assert told(run) == [(4_000, 3_604_000, 3_600), (3_604_000, 6_604_000, 3_000)]


def test_where_the_pump_holds_too_few_steps_the_hold_takes_the_place_of_the_last_ones() -> None:
    """Four steps: three of the plan and the hold, which is one, for the plan never asks for less than it."""
    long = syringe(*EVERY_30_MIN, timing=replace(HOLDS, lease_ms=3 * HOUR)).composer.basal(0)
    assert [span[1] for span in told(long)] == [30 * MINUTE, 60 * MINUTE, 90 * MINUTE, 14_370_000]
    assert long.tail == 1
    assert long.spans[-1].volume_nl == 8_900  # 8 970 s


def test_the_hold_has_room_for_the_steps_that_are_left_of_the_pumps() -> None:
    """A rest within the hold: the flow behind it would be a fourth step."""
    levels = ((0, 86_400), (2 * HOUR, 0), (3 * HOUR, 86_400))
    four = syringe(*levels, timing=HOLDS).composer.basal(0)
    assert ([span[1] for span in told(four)], four.tail) == ([3_606_000, 2 * HOUR, 3 * HOUR, 14_370_000], 3)
    three = Alone(*levels, limits=replace(SYRINGE, max_steps=3), timing=HOLDS).composer.basal(0)
    assert ([span[1] for span in told(three)], three.tail) == ([3_604_000, 2 * HOUR], 1)


def test_a_hold_too_short_for_a_step_takes_no_place() -> None:
    """50 s of it are left behind the rest; the run keeps its flow after that."""
    timing = replace(TIMING, hold_ms=2 * HOUR + 80_000)
    run = syringe((0, 86_400), (HOUR, 0), (2 * HOUR, 86_400), timing=timing).composer.basal(0)
    assert ([span[1] for span in told(run)], run.tail) == ([HOUR, 2 * HOUR, 36_005_000], 0)


def test_a_bolus_has_the_hold_behind_its_basal() -> None:
    alone = syringe(timing=HOLDS, bolus=(2 * HOUR, 20 * MINUTE, 6_000))
    slot = alone.composer.slot()
    assert slot is not None
    run: Run = alone.composer.scheduled(2 * HOUR, slot)
    assert told(run) == [
        (7_205_000, 8_405_000, 7_200),
        (8_405_000, 10_805_000, 2_400),
        (10_805_000, 21_570_000, 10_700),
    ]
    assert run.tail == 1
