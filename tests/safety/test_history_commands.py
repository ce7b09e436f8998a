"""S-03, S-04, D-06: what each command counts, and the sums that outlive what they are made of.

36,000 nL/h are 10 nL/s; a grain of the counter is 100 nL, up to three of them are no surprise.
"""

from __future__ import annotations

import pytest

from pump_ctrl.safety.curve import FAR, FAR_PAST, ZL_PER_NL
from pump_ctrl.safety.doses import BEFORE, EVERYWHERE, Draft, Run
from pump_ctrl.safety.history import History
from tests.safety.kit import DAY, HOUR, MINUTE, basal, bolus
from tests.safety.ledger import GRAIN, MIX, STEADY, reads, runs, sends


def test_a_command_that_is_acknowledged_in_the_ms_of_its_sending_gives_its_volume_and_no_more() -> None:
    history = runs(STEADY)
    assert history.flowed_zl(0, DAY) == 36_000 * ZL_PER_NL
    assert (history.flowed_nl(0, 1), history.flowed_nl(HOUR - 1, DAY), history.flowed_nl(HOUR, DAY)) == (
        1,
        1,
        0,
    )


def test_a_command_counts_beside_one_whose_outcome_is_unknown_until_proof_takes_it_away() -> None:
    """S-04: the unknown one is not past, however long ago it was sent."""
    history = History(DAY)
    sends(history, 1, 0, STEADY)
    sends(history, 2, 2 * HOUR, STEADY)
    assert history.most_nl(FAR) == 72_000
    history.dropped(1)
    assert history.most_nl(FAR) == 36_000
    assert history.flowed_nl(0, 2 * HOUR) == 0
    history.dropped(2)
    assert history.most_nl(FAR) == 0


@pytest.mark.parametrize(("at", "latest"), [(1_000, 1_000), (2_000, 2_000), (9_000, 2_000)])
def test_evidence_that_a_command_runs_bounds_its_begin_by_what_is_earlier(at: int, latest: int) -> None:
    """It was heard of ``at`` the latest, or had to begin within 2 s."""
    history = History(DAY)
    sends(history, 1, 0, STEADY)
    history.given(1, at, 500, ended=False)
    assert history.flowed_nl(HOUR + latest - 1, DAY) == 1
    assert history.flowed_nl(HOUR + latest, DAY) == 0
    assert history.surely_nl(0, HOUR) == 36_000 - latest // 100  # from its latest begin on


@pytest.mark.parametrize(("told_nl", "most_nl"), [(700, 800), (6_000, 6_000), (9_000, 6_000)])
def test_evidence_of_an_ended_bolus_bounds_it_by_what_was_told_and_a_stroke_and_never_by_more_than_asked(
    told_nl: int, most_nl: int
) -> None:
    history = History(DAY)
    sends(history, 1, 0, bolus(6_000, 10 * MINUTE))
    history.given(1, 15 * MINUTE, told_nl, ended=True)
    assert history.flowed_nl(0, DAY) == most_nl
    assert (history.bolus_running(5 * MINUTE), history.bolus_running(15 * MINUTE)) == (True, False)


def test_evidence_of_an_ended_run_ends_its_basal_there_and_nothing_of_it_is_sure() -> None:
    history = runs(STEADY)
    history.given(1, 10 * MINUTE, 6_000, ended=True)
    assert history.flowed_nl(0, DAY) == 6_000
    assert history.surely_nl(0, DAY) == 0


def test_a_cut_that_is_known_is_not_moved_by_evidence_that_comes_later() -> None:
    history = runs(bolus(6_000, 10 * MINUTE))
    history.stopped(MINUTE)
    assert history.flowed_nl(0, DAY) == 600 + 100
    history.given(1, 5 * MINUTE, 3_000, ended=True)
    assert history.flowed_nl(0, DAY) == 600 + 100
    assert history.last_bolus_end == MINUTE


def test_what_a_permit_can_still_give_is_told_for_its_doses_and_its_basal_each_rounded_up() -> None:
    history = runs(bolus(6_000, 10 * MINUTE, 600), STEADY)
    assert history.dose_most_nl(1) == 5_400
    assert history.run_most_nl(1) == 36_600
    assert (history.dose_most_nl(2), history.run_most_nl(2)) == (None, None)
    history.stopped(MINUTE + 1)
    assert history.dose_most_nl(1) == 541 + 100
    assert history.run_most_nl(1) == 61


def test_of_a_command_that_is_past_or_was_proven_not_to_run_nothing_is_told_whatever_followed_it() -> None:
    history = History(DAY)
    sends(history, 1, 0, bolus(600, MINUTE), STEADY, doubt=0)
    sends(history, 2, 0, bolus(600, MINUTE), STEADY, doubt=0)
    history.dropped(1)
    assert (history.dose_most_nl(1), history.run_most_nl(1)) == (None, None)
    assert (history.dose_most_nl(2), history.run_most_nl(2)) == (600, 36_000)
    assert not history.agrees(1, 0, 0, GRAIN)
    assert history.agrees(2, 0, 0, GRAIN)


def test_what_a_run_can_still_give_is_not_known_while_elapsed_time_is_not() -> None:
    history = runs(STEADY)
    history.unclocked(MINUTE)
    assert history.run_most_nl(1) is None


def test_a_person_who_resolves_a_command_with_a_bound_leaves_that_bound() -> None:
    history = History(DAY)
    sends(history, 1, 0, STEADY, doubt=7_000)
    history.released(1, HOUR)
    assert history.flowed_nl(HOUR + 6_999, DAY) == 1
    assert history.flowed_nl(HOUR + 7_000, DAY) == 0
    assert history.surely_nl(0, DAY) == 0, "nobody knows that it began"


@pytest.mark.parametrize("after_ms", [0, 5_000])
def test_one_that_might_begin_at_any_time_begins_by_the_resolve_or_never(after_ms: int) -> None:
    history = History(DAY)
    sends(history, 1, MINUTE, STEADY, doubt=FAR)
    history.released(1, MINUTE + after_ms)
    assert history.flowed_nl(HOUR + MINUTE + after_ms, DAY) == 0
    assert history.flowed_nl(HOUR + MINUTE + after_ms - 1, DAY) == 1


def test_also_where_a_reboot_has_come_between_and_nobody_knows_exactly_how_long_it_took() -> None:
    history = History(DAY)
    sends(history, 1, 0, STEADY, doubt=FAR)
    history.unclocked(MINUTE)
    history.age(10 * MINUTE, 30_000, 9 * MINUTE, MINUTE + 1)
    assert history.flowed_nl(DAY, DAY + HOUR) == 36_000
    history.released(1, MINUTE + 1)
    assert history.flowed_nl(HOUR + MINUTE + 1, 2 * DAY) == 0


def test_patient_boluses_are_counted_and_a_lock_holds_as_after_a_bolus() -> None:
    history = runs(bolus(6_000, 10 * MINUTE))
    assert (history.patient_boluses_since(10 * MINUTE - 1), history.patient_boluses_since(10 * MINUTE)) == (
        1,
        0,
    )
    assert history.last_bolus_end == 10 * MINUTE
    history.lock(HOUR)
    assert history.last_bolus_end == HOUR


def test_what_is_sure_counts_a_bolus_only_until_something_may_have_taken_over() -> None:
    history = runs(bolus(6_000, 10 * MINUTE), STEADY)
    assert history.surely_nl(0, DAY) == 42_000
    history.stopping(5 * MINUTE)
    assert history.surely_nl(0, DAY) == 3_000
    assert history.surely_nl(MINUTE, 2 * MINUTE) == 600


def test_the_most_is_rounded_up_and_what_is_sure_is_rounded_down_to_the_last_zl() -> None:
    history = History(DAY)
    history.block((EVERYWHERE, MIX), 1, 0, 1)
    assert (history.flowed_nl(0, 1), history.most_nl(1), history.high_nl) == (1, 1, 1)
    history.measured(700, 0, 1, MIX)
    assert history.most_nl(1) == 701
    run = Run(1, "plan/stage", 0, 0, ((0, 1, ZL_PER_NL - 1, MIX),))
    history = History(DAY)
    history.begin(Draft(run, (), ""))
    history.acked(1, 0)
    assert (history.surely_nl(0, 1), history.flowed_nl(0, 1)) == (0, 1)


def test_a_bolus_that_still_flows_when_the_next_command_is_sent_is_counted_once() -> None:
    history = runs(bolus(6_000, 10 * MINUTE))
    sends(history, 2, 5 * MINUTE, STEADY, doubt=0)
    assert history.most_nl(FAR) == 6_000 + 36_000
    history.acked(2, 5 * MINUTE)
    assert history.most_nl(FAR) == 3_000 + 100 + 36_000
    sends(history, 3, 2 * HOUR, STEADY, doubt=0)
    assert history.most_nl(FAR) == 3_000 + 100 + 72_000


def test_all_that_was_ever_given_is_known_long_after_its_curves_were_forgotten() -> None:
    """Half-hours of 18,000, 9,000 and 4,500 nL in turn, for four days: 64 of each."""
    history = History(DAY)
    for i in range(192):
        at = i * HOUR // 2
        sends(history, i + 1, at, basal(18_000 >> i % 3, HOUR // 2), doubt=0)
        history.acked(i + 1, at)
    assert history.most_nl(FAR) == 64 * 31_500
    assert history.flowed_nl(FAR_PAST, FAR) < 64 * 31_500
    assert history.flowed_nl(3 * DAY - 1, 4 * DAY) >= 16 * 31_500
    assert history.worst_pg("baclofen", 1, 4 * DAY) == 27_000


def test_a_pump_whose_counter_was_not_read_for_days_is_not_said_to_have_given_more_than_was_permitted() -> (
    None
):
    history = History(DAY)
    for i in range(144):
        at = i * HOUR // 2
        sends(history, i + 1, at, basal(18_000 >> i % 3, HOUR // 2), doubt=0)
        history.acked(i + 1, at)
        if i == 0:
            reads(history, 0, 0)
    reads(history, 3 * DAY, 48 * 31_500)
    assert history.beyond == 0


def test_boluses_without_a_basal_are_forgotten_too() -> None:
    history = History(DAY)
    for hour in range(100):
        sends(history, hour + 1, hour * HOUR, bolus(100, MINUTE), doubt=0)
        history.acked(hour + 1, hour * HOUR)
    assert len(history._lanes.doses) < 60
    assert history.flowed_nl(75 * HOUR, 99 * HOUR) == 24 * 100
    assert history.most_nl(FAR) == 100 * 100


def test_what_was_given_before_any_command_is_in_the_worst_window_also_after_a_reboot() -> None:
    history = History(DAY)
    assert history.worst_pg("baclofen", 1, MINUTE) == 0
    history.block((BEFORE, MIX), 500 * ZL_PER_NL, 0, 1)
    assert history.worst_pg("baclofen", 1, MINUTE) == 500
    history.unclocked(MINUTE)
    history.age(30 * MINUTE, 0, 30 * MINUTE, MINUTE + 1)
    assert history.worst_pg("baclofen", 1, MINUTE + 1) == 500
    assert history.most_nl(FAR) == 0, "no volume of this journal"


@pytest.mark.parametrize("now", [0, HOUR, 90 * MINUTE])
def test_the_worst_window_so_far_holds_no_drug_that_is_still_to_come(now: int) -> None:
    history = runs(STEADY)
    assert history.worst_pg("baclofen", 1, now) == min(now, HOUR) // 100
    assert history.worst_pg("morphine", 1, now) == 0


def test_mass_is_rounded_up_and_counts_every_account() -> None:
    history = runs(STEADY)
    history.block((EVERYWHERE, MIX), ZL_PER_NL // 2, 0, 1)
    assert history.held_pg("baclofen", 0, MINUTE) == 601
    assert history.held_pg("morphine", 0, MINUTE) == 0


def test_the_most_grows_at_the_rate_of_what_runs_until_that_ends() -> None:
    history = runs(STEADY, basal(72_000, HOUR))
    assert history.growth(0) == (10**10, HOUR)
    assert history.growth(HOUR) == (2 * 10**10, 2 * HOUR)
    assert history.growth(2 * HOUR) == (0, FAR)


def test_what_may_flow_after_an_instant_leaves_out_what_had_surely_flowed_by_then() -> None:
    history = runs(STEADY)
    assert history.may_flow_after(HOUR - MINUTE) == 600 * ZL_PER_NL
    assert history.may_flow_after(HOUR) == 0
