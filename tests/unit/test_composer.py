"""What is told next to a pump that takes over in its course, and when: each figure worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import StepKind
from tests.toy_pace import DAY, HOUR
from tests.unit.composer_kit import IMPLANT, MINUTE, TIMING, Alone, sums, told
from tests.unit.fake_bench import ToySchedule, ToyTerms

RUNNING, READY, BOLUS, PRIMING = State.RUNNING, State.READY, State.BOLUS, State.PRIMING
NIGHT = (22 * HOUR, 20 * MINUTE, 60_000)


# --- when -----------------------------------------------------------------------------------------------------


def test_the_first_run_begins_when_it_is_told_and_lasts_a_lease() -> None:
    run = Alone().composer.basal(0)
    assert (run.request_id, run.purpose, run.account) == ("basal:0", "basal", "stage-0")
    assert told(run) == [(2_000, 36_002_000, 36_000)]
    assert (*sums(run), run.lost_nl) == (0, 0, 0, 0)


def test_a_lease_is_renewed_so_that_the_pump_is_cut_just_after_a_step() -> None:
    """15 min before its end the pump has given 35 100 nL; telling takes 2 s, in which the 352nd step is not made."""
    alone = Alone()
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_200_000
    assert not alone.composer.basal_due(35_199_999)
    assert alone.composer.basal_due(35_200_000)
    assert alone.composer.basal_due(35_200_001)
    assert alone.composer.basal(35_200_000).cut_nl == 35_200


def test_each_run_is_renewed_before_its_own_end() -> None:
    alone = Alone()
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_200_000
    assert alone.composer.basal_due(35_200_000)
    alone.takes(alone.composer.basal(35_200_000))
    assert not alone.composer.basal_due(35_200_000)
    assert alone.composer.next_due(RUNNING) == 70_400_000


def test_when_a_bolus_is_dealt_with_or_due_again_the_run_in_force_is_looked_at_anew() -> None:
    alone = Alone(bolus=(9 * HOUR, 20 * MINUTE, 6_000))
    alone.begins()
    for _ in range(2):
        assert alone.composer.next_due(RUNNING) == 9 * HOUR
        assert not alone.composer.basal_due(35_300_000)
        alone.books.skip(9 * HOUR, 9 * HOUR, Fraction(6_000), "test")
        due = alone.composer.next_due(RUNNING)
        assert 36_002_000 - 15 * MINUTE <= due < 36_002_000 - 13 * MINUTE
        assert alone.composer.basal_due(35_300_000)
        alone.books.drop("test", reopen_ms=9 * HOUR)


def test_a_prime_that_is_due_is_due_at_once_whatever_runs() -> None:
    alone = Alone(prime_nl=20_000)
    alone.books.primed = True
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_200_000
    alone.books.primed = False
    assert alone.composer.next_due(RUNNING) == 0
    alone.books.primed = True
    assert alone.composer.next_due(RUNNING) == 35_200_000


def test_a_pump_that_takes_over_in_its_course_is_told_of_a_rest_before_the_run_ends_in_it() -> None:
    alone = Alone((0, 86_400), (HOUR, 0), (20 * HOUR, 86_400))
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 36_000_000  # it makes no step to wait for; told within 2 s


def test_the_rounding_is_carried_into_the_run_that_takes_over() -> None:
    """36 060 nL a lease: 60 nL are left over, and those that were due before the cut make a step of them."""
    alone = Alone(timing=replace(TIMING, lease_ms=36_060_000))
    assert told(alone.begins()) == [(2_000, 36_062_000, 36_000)]
    run = alone.composer.basal(7_050_000)
    assert (run.cut_nl, run.still) == (7_000, 0)
    assert told(run) == [(7_052_000, 43_112_000, 36_100)]


def test_a_run_ends_at_the_next_stage_which_takes_over_at_that_instant() -> None:
    alone = Alone(stage_until=5 * HOUR)
    first = alone.begins()
    assert told(first) == [(2_000, 18_000_000, 17_900)]
    assert alone.composer.next_due(RUNNING) == 18_000_000
    later = alone.composer.basal(18_000_000)
    assert (first.account, later.account) == ("stage-0", "stage-1")


def test_a_stage_that_ends_after_the_lease_leaves_it_as_it_is() -> None:
    alone = Alone(stage_until=30 * HOUR)
    assert told(alone.begins()) == [(2_000, 36_002_000, 36_000)]
    assert alone.composer.next_due(RUNNING) == 35_200_000


@pytest.mark.parametrize(
    ("slot_at", "due", "spans"),
    [
        (9 * HOUR, 9 * HOUR, [(2_000, 32_402_000, 32_400), (32_402_000, 36_002_000, 3_600)]),
        (36_002_000, 36_002_000, [(2_000, 36_002_000, 36_000)]),  # at its very end
        (36_002_001, 35_200_000, [(2_000, 36_002_000, 36_000)]),
    ],
)
def test_where_a_bolus_takes_over_the_lease_is_not_renewed_before_and_a_span_ends(
    slot_at: int, due: int, spans: list[tuple[int, int, int]]
) -> None:
    alone = Alone(bolus=(slot_at, 20 * MINUTE, 6_000))
    assert told(alone.begins()) == spans
    assert alone.composer.next_due(RUNNING) == due


def test_a_bolus_is_due_at_its_slot_and_once_it_is_dealt_with_the_next_one() -> None:
    alone = Alone(bolus=NIGHT)
    slot = alone.composer.slot()
    assert slot is not None
    assert slot == alone.books.prescription.schedule.next_slot(0)
    run = alone.takes(alone.composer.scheduled(22 * HOUR, slot), slot)
    assert (run.request_id, run.purpose) == ("slot:0:79200000", "scheduled")
    assert alone.composer.slot_of(run) == 22 * HOUR
    assert alone.composer.latest_start(run) == 22 * HOUR + 5 * MINUTE
    later = alone.composer.slot()
    assert later is not None
    assert later.at_ms == 22 * HOUR + DAY
    alone.books.drop("test", reopen_ms=22 * HOUR)
    assert alone.composer.slot() == slot  # it was surely not given


def test_a_run_of_no_slot_has_none_and_starts_no_later() -> None:
    alone = Alone(bolus=NIGHT, patient=ToyTerms(10 * MINUTE, Fraction(6_000)))
    basal, press = alone.composer.basal(0), alone.composer.patient(0, "the-press")
    slot = alone.composer.slot()
    assert slot is not None
    for _ in ("before any slot was asked for", "and after one"):
        for run in (basal, press):
            assert (alone.composer.slot_of(run), alone.composer.latest_start(run)) == (None, 2_000)
        alone.takes(alone.composer.scheduled(22 * HOUR, slot), slot)


def test_a_bolus_comes_first_and_the_basal_up_to_the_end_of_the_lease_behind_it() -> None:
    alone = Alone(bolus=(2 * HOUR, 20 * MINUTE, 60_000))
    slot = alone.composer.slot()
    assert slot is not None
    run = alone.composer.scheduled(2 * HOUR, slot)
    assert told(run) == [(7_202_000, 8_402_000, 61_200), (8_402_000, 43_202_000, 34_800)]
    assert [span.kind for span in run.spans] == [StepKind.BOLUS, StepKind.BASAL]
    assert run.spans[0].basal_nl == 1_200


def test_a_part_has_surely_ended_when_the_pump_may_have_begun_late() -> None:
    alone = Alone(bolus=NIGHT)
    slot = alone.composer.slot()
    assert slot is not None
    run = alone.takes(alone.composer.scheduled(22 * HOUR, slot), slot)
    assert alone.composer.part_end(run) == 22 * HOUR + 2_000 + 1_200_000 + 30_000
    assert alone.composer.next_due(BOLUS) == alone.composer.next_due(PRIMING) == 80_432_000
    assert alone.composer.next_due(RUNNING) > 80_432_000


def test_a_patient_bolus_goes_by_the_plans_terms_and_by_its_request() -> None:
    alone = Alone(patient=ToyTerms(10 * MINUTE, Fraction(6_000)))
    run = alone.composer.patient(HOUR, "press-1")
    assert (run.request_id, run.purpose, run.spans[0].bolus) == ("press-1", "patient", 6_000)
    assert told(run) == [(3_602_000, 4_202_000, 6_600), (4_202_000, 39_602_000, 35_400)]
    with pytest.raises(ValueError, match="no patient bolus"):
        Alone().composer.patient(HOUR, "press-1")


def test_a_plan_that_stands_still_is_told_nothing_until_it_asks_for_flow() -> None:
    alone = Alone((0, 0), (3 * HOUR, 86_400))
    assert alone.composer.next_due(READY) == 3 * HOUR
    assert not alone.composer.basal_due(2 * HOUR)
    assert not alone.composer.basal_due(3 * HOUR - 1)
    assert alone.composer.basal_due(3 * HOUR)


def test_after_a_run_has_ended_the_basal_is_due_from_there_on() -> None:
    alone = Alone()
    run = alone.begins()
    alone.books.cut(HOUR, None, "test")
    assert alone.books.run is None is not run
    assert alone.composer.next_due(READY) == alone.composer.next_due(BOLUS) == HOUR
    assert alone.composer.basal_due(HOUR)


def test_nothing_is_told_in_a_rest_though_something_was_due_before() -> None:
    alone = Alone((0, 86_400), (HOUR, 0), (3 * HOUR, 86_400))
    assert alone.composer.basal_due(HOUR - 1)
    assert not alone.composer.basal_due(HOUR)


def test_what_was_missed_meanwhile_is_not_due_any_more() -> None:
    alone = Alone((0, 86_400), (HOUR, 0), (3 * HOUR, 86_400))
    assert alone.composer.next_due(READY) == 0
    alone.books.idle(2 * HOUR, "test")
    assert alone.composer.next_due(READY) == 3 * HOUR


@pytest.mark.parametrize(("since", "again"), [(0, 7 * DAY), (HOUR, 8 * DAY)])
def test_a_plan_without_any_flow_is_looked_at_again_after_a_week(since: int, again: int) -> None:
    alone = Alone((0, 0))  # its levels begin anew each midnight
    alone.books.totals.horizon_ms = since
    assert alone.composer.next_due(READY) == again


def test_so_is_one_that_never_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToySchedule, "next_change", lambda pace, plan_ms: None)
    assert Alone((0, 0)).composer.next_due(READY) == 604_800_000


def test_before_its_start_a_plan_asks_for_nothing() -> None:
    alone = Alone()
    alone.books.totals.horizon_ms = -HOUR
    assert alone.composer.next_due(READY) == 0


# --- changed rules --------------------------------------------------------------------------------------------


def test_rules_that_changed_are_told_after_the_next_step_until_the_pump_has_them() -> None:
    alone = Alone()
    alone.begins()
    alone.composer.renew_from(HOUR)  # with the 2 s of telling 3 600 nL: a step is just made
    assert alone.composer.next_due(RUNNING) == HOUR
    alone.composer.renew_from(HOUR + 1)
    assert alone.composer.next_due(RUNNING) == HOUR + 100_000
    assert alone.composer.basal_due(HOUR + 100_000)
    alone.composer.renewed()
    assert alone.composer.next_due(RUNNING) == 35_200_000


def test_rules_that_changed_in_a_rest_are_told_at_once() -> None:
    alone = Alone((0, 86_400), (2 * HOUR, 0), (6 * HOUR, 86_400))
    alone.begins()
    alone.composer.renew_from(3 * HOUR + 1)
    assert alone.composer.next_due(RUNNING) == 3 * HOUR + 1
    assert alone.composer.basal_due(3 * HOUR + 1)


def test_a_run_that_could_not_be_told_in_time_is_followed_by_one_of_a_single_step() -> None:
    alone = Alone((0, 86_400), (2 * HOUR, 172_800))
    assert len(alone.composer.basal(0).spans) == 2
    alone.composer.shorten()
    run = alone.composer.basal(0)
    assert told(run) == [(2_000, 7_200_000, 7_100)]
    alone.takes(run)
    assert len(alone.composer.basal(HOUR).spans) == 2


def test_another_plan_is_told_as_soon_as_it_is_loaded() -> None:
    alone = Alone(bolus=NIGHT)
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 35_200_000
    alone.composer.loaded(HOUR)
    assert alone.composer.next_due(RUNNING) == HOUR


def test_another_plan_has_its_own_boluses() -> None:
    alone, other = Alone(bolus=NIGHT), Alone(bolus=(9 * HOUR, 20 * MINUTE, 6_000))
    before = alone.composer.slot()
    alone.composer.loaded(0)
    alone.books.load(replace(other.books.prescription, plan="b"), 0, "tester")
    after = alone.composer.slot()
    assert before is not None is not after
    assert (before.at_ms, after.at_ms) == (22 * HOUR, 9 * HOUR)


# --- a reservoir that runs dry ---------------------------------------------------------------------------------


def test_a_run_that_asks_for_more_than_is_left_ends_where_it_is_left() -> None:
    """20 000 nL less 400 for what the ledger doubts: 19 600 s."""
    alone = Alone()
    run = alone.composer.basal(0)
    assert alone.composer.runs_dry(run, 20_000)
    shorter = alone.begins()
    assert told(shorter) == [(2_000, 19_602_000, 19_600)]
    assert alone.composer.next_due(RUNNING) == 19_602_000  # nobody renews it, for nothing is left


def test_of_much_that_is_left_one_in_a_hundred_is_doubted() -> None:
    alone = Alone(timing=replace(TIMING, lease_ms=20 * HOUR))
    assert alone.composer.runs_dry(alone.composer.basal(0), 60_000)
    assert alone.begins().to_ms == 2_000 + 59_400_000


def test_a_bolus_counts_first_in_what_is_left() -> None:
    alone = Alone(patient=ToyTerms(10 * MINUTE, Fraction(6_000)))
    run = alone.composer.patient(0, "press-1")
    assert alone.composer.runs_dry(run, 20_000)
    shorter = alone.composer.patient(0, "press-1")
    assert shorter.to_ms == 602_000 + (20_000 - 6_600 - 400) * 1_000


@pytest.mark.parametrize(
    ("nl_per_day", "left", "asked"),
    [
        (86_400, 460, True),
        (86_401, 460, False),  # 59 999 ms
        (86_400, 459, False),
        (86_400, 0, False),
        (86_400, 36_400, False),
    ],
)
def test_less_than_a_minute_of_it_or_all_of_it_is_not_asked_for(
    nl_per_day: int, left: int, asked: bool
) -> None:
    alone = Alone((0, nl_per_day))
    assert alone.composer.runs_dry(alone.composer.basal(0), left) is asked


def test_the_same_end_is_not_asked_for_twice_but_a_sooner_one_is() -> None:
    alone = Alone()
    run = alone.composer.basal(0)
    assert alone.composer.runs_dry(run, 20_000)
    assert not alone.composer.runs_dry(run, 20_000)
    assert not alone.composer.runs_dry(run, 20_001)
    assert alone.composer.runs_dry(run, 19_999)


@pytest.mark.parametrize("begin", [19_600_000, 20_000_000])
def test_where_nothing_was_left_by_the_ledger_but_is_a_lease_is_asked_for_again(begin: int) -> None:
    alone = Alone()
    assert alone.composer.runs_dry(alone.composer.basal(0), 20_000)
    late = alone.composer.basal(begin)
    assert late.to_ms == begin + 2_000 + 36_000_000
    assert alone.composer.runs_dry(late, 20_000)
    assert alone.composer.basal(begin).to_ms == begin + 2_000 + 19_600_000


@pytest.mark.parametrize("how", ["refilled", "loaded"])
def test_after_a_refill_and_a_load_a_whole_lease_is_asked_for(how: str) -> None:
    alone = Alone()
    alone.composer.runs_dry(alone.composer.basal(0), 20_000)
    alone.begins()
    assert alone.composer.next_due(RUNNING) == 19_602_000
    if how == "refilled":
        alone.composer.refilled()
        assert alone.composer.next_due(RUNNING) == 18_800_000  # 15 min before its end, after a step
    else:
        alone.composer.loaded(HOUR)
    assert alone.composer.basal(HOUR).to_ms == HOUR + 2_000 + 36_000_000


# --- prime and hold -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "lasts_ms"), [(0, 72_000), (500_000, 144_000)])
def test_a_prime_goes_at_the_plans_pace_or_the_pumps_fastest_alone(rate: int, lasts_ms: int) -> None:
    alone = Alone(prime_nl=20_000, prime_nl_per_h=rate)
    assert alone.composer.next_due(READY) == 0
    run = alone.takes(alone.composer.prime(0))
    assert (run.request_id, run.purpose, run.account, run.cut_nl) == ("prime:0", "prime", "stage-0", 0)
    assert told(run) == [(2_000, 2_000 + lasts_ms, 20_000)]
    assert alone.composer.next_due(PRIMING) == 2_000 + lasts_ms + 30_000


def test_a_prime_gives_only_what_the_path_can_still_take() -> None:
    alone = Alone(prime_nl=20_000)
    alone.begins()
    alone.books.cut(3_602_000, None, "test")  # 3 600 nL have left, and a step may still be made
    assert alone.composer.prime(2 * HOUR).volume_nl == 16_300


def test_a_hold_follows_at_the_lowest_rate_until_a_little_before_it_must_end() -> None:
    alone = Alone((0, 86_400), (HOUR, 172_800))
    run = alone.composer.hold(HOUR, 2 * HOUR)
    assert run is not None
    assert (run.request_id, run.purpose, run.account) == ("hold:3600000", "hold", "stage-0")
    assert told(run) == [(3_602_000, 7_195_000, 3_500)]
    assert (run.cut_nl, run.still, run.lost_nl, run.tail) == (0, 0, 0, 0)


def test_a_hold_that_replaces_a_run_is_computed_from_what_that_has_given() -> None:
    alone = Alone()
    alone.begins()
    run = alone.composer.hold(HOUR, 2 * HOUR)
    assert run is not None
    assert (run.cut_nl, run.still) == (3_600, 0)


def test_a_hold_ends_with_its_stage() -> None:
    run = Alone(stage_until=90 * MINUTE).composer.hold(HOUR, 2 * HOUR)
    assert run is not None
    assert run.to_ms == 90 * MINUTE


@pytest.mark.parametrize(("until", "possible"), [(HOUR, False), (3_607_000, False), (3_607_001, True)])
def test_a_hold_that_would_have_to_end_before_it_begins_is_none(until: int, possible: bool) -> None:
    assert (Alone().composer.hold(HOUR, until) is not None) is possible


# --- what a pump can be told ----------------------------------------------------------------------------------


def test_a_pump_of_few_steps_is_told_as_much_as_they_hold() -> None:
    levels = [(hour * HOUR, 86_400 * (1 + hour % 2)) for hour in range(24)]
    alone = Alone(*levels, limits=replace(IMPLANT, max_steps=3))
    assert [span[1] for span in told(alone.begins())] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert alone.composer.next_due(RUNNING) == 9_998_000  # 15 min before 3 h, and cut just as a step is made
