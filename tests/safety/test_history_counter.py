"""S-03, S-04, F-22, F-24: what readings of the counter, evidence and a sensor add to the ledger, and what they bound.

36,000 nL/h are 10 nL/s; a grain of the counter is 100 nL, up to three of them are no surprise.
"""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Step
from pump_ctrl.safety.curve import FAR, ZL_PER_NL
from pump_ctrl.safety.history import History
from tests.safety.kit import DAY, MINUTE, basal, bolus, prime
from tests.safety.ledger import GRAIN, MIX, STEADY, excess, reads, rebooted, runs, sends


def test_a_reading_bounds_what_was_given_from_both_sides_by_a_grain() -> None:
    """The first is only measured from. By 200 s 2,000 nL were permitted; 800 more were counted than at 100 s, by when
    no more than 1,000.2 can have flowed.
    """
    history = runs(STEADY)
    reads(history, 100_020, 950, since=100_000)
    assert (history.low_nl, history.most_nl(100_020)) == (0, 1_001)
    reads(history, 200_020, 1_750, since=200_000)
    assert (history.low_nl, history.most_nl(200_000)) == (700, 1_901)
    assert (history.most_nl(200_100), history.most_nl(300_000)) == (1_902, 2_901)
    assert history.high_nl == 1_901 + 36_000 - 2_000


def test_a_reading_narrows_only_if_that_is_less_than_what_was_known_also_by_its_end() -> None:
    """Its question and answer are 50 s apart: 500 nL may have flowed after the counter was read."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 250_000, 1_950, since=200_000)
    assert history.most_nl(250_000) == 2_500
    reads(history, 260_000, 1_950)
    assert history.most_nl(260_000) == 1_000 + 950 + 100


def test_a_reading_that_may_be_an_old_one_takes_nothing_away_but_shows_what_has_left() -> None:
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 1_700, narrows=False)
    assert (history.low_nl, history.most_nl(200_000)) == (600, 2_000)


def test_what_clears_of_the_counter_may_lose_is_told_since_the_reading_that_it_is_measured_from() -> None:
    """100 nL by the command before the first reading, another 100 by the one after it; a command that loses nothing."""
    history = runs(STEADY, hidden_nl=100)
    reads(history, 100_000, 500)
    sends(history, 2, 100_000, STEADY, hidden_nl=100, doubt=0)
    history.acked(2, 100_000)
    sends(history, 3, 150_000, STEADY, doubt=0)
    history.acked(3, 150_000)
    reads(history, 200_000, 1_000)
    assert history.most_nl(200_000) == 1_000 + 500 + 100 + 100


def test_a_counter_that_fell_is_measured_from_anew() -> None:
    """F-24."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 2_000)
    reads(history, 300_000, 1_999)
    assert (history.low_nl, history.most_nl(300_000)) == (900, 3_000)
    reads(history, 400_000, 2_399)
    assert (history.low_nl, history.most_nl(400_000)) == (900 + 300, 3_000 + 500)


def test_a_counter_that_stands_still_is_the_same_counter() -> None:
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 1_000)
    assert history.most_nl(200_000) == 1_100


def test_what_a_pump_may_be_ahead_of_its_even_flow_is_in_every_bound() -> None:
    """500 nL: they may have flowed already, so that a counter shows them; and no counter takes them back."""
    history = runs(STEADY, ahead_nl=500)
    assert history.most_nl(100_000) == 1_500
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 1_400)
    assert history.most_nl(200_000) == 1_500 + 400 + 100 + 500
    reads(history, 300_000, 1_800)
    assert history.most_nl(300_000) == 1_500 + 800 + 100 + 500
    sends(history, 2, 400_000, STEADY, ahead_nl=300)
    assert history.most_nl(400_000) == 1_500 + 800 + 100 + 500 + 1_000 + 300
    history.dropped(2)
    assert history.most_nl(400_000) == 1_500 + 800 + 100 + 500 + 1_000


def test_proof_that_an_older_command_gave_nothing_leaves_the_last_one_ahead() -> None:
    history = History(DAY)
    sends(history, 1, 0, STEADY, ahead_nl=500)
    sends(history, 2, MINUTE, STEADY, ahead_nl=300)
    history.dropped(1)
    assert history.most_nl(MINUTE) == 800
    history.dropped(2)
    assert history.most_nl(MINUTE) == 500


def test_proof_that_both_gave_nothing_takes_back_no_more_than_the_last_one_was_ahead() -> None:
    """Nobody knows any more by how much the older one was: its share stays."""
    history = History(DAY)
    sends(history, 1, 0, STEADY, ahead_nl=500)
    sends(history, 2, MINUTE, STEADY, ahead_nl=300)
    history.dropped(2)
    history.dropped(1)
    assert history.most_nl(FAR) == 500


@pytest.mark.parametrize(("counter", "beyond"), [(1_200, 0), (1_201, 1_301)])
def test_three_grains_over_what_was_permitted_are_no_surprise_and_one_nl_more_makes_all_of_it_one(
    counter: int, beyond: int
) -> None:
    history = runs(STEADY)
    reads(history, 0, 0)
    assert excess(history, 100_000, counter) == beyond
    reads(history, 100_000, counter)
    assert history.beyond == beyond * ZL_PER_NL
    assert history.flowed_nl(0, 50_000) == 500 + beyond
    assert history.flowed_nl(100_000, 150_000) == 500
    assert history.most_nl(FAR) == 36_000 + (1_301 - 1_000 if beyond else 0), (
        "no more than was counted by then"
    )


def test_what_was_found_beyond_counts_wherever_it_can_have_flowed_since_the_last_reading() -> None:
    history = runs(STEADY)
    reads(history, 50_000, 500)
    reads(history, 100_000, 1_201)
    assert history.beyond == 801 * ZL_PER_NL
    assert history.flowed_nl(0, 50_000) == 500
    assert history.flowed_nl(50_000, 60_000) == history.flowed_nl(90_000, 100_000) == 100 + 801
    assert history.flowed_nl(100_000, 110_000) == 100


def test_what_was_found_beyond_is_explained_from_then_on_and_explains_nothing_later() -> None:
    """1,301 nL by 100 s; by 200 s another 1,000 nL and three grains are none. Readings that may be old ones add up."""
    history = runs(STEADY)
    reads(history, 0, 0)
    reads(history, 100_000, 1_201, narrows=False)
    assert excess(history, 200_000, 1_301 + 2_000 + 200) == 0
    assert excess(history, 200_000, 1_301 + 2_000 + 201) == 2_401
    reads(history, 200_000, 1_301 + 2_000 + 201, narrows=False)
    assert history.beyond == (1_301 + 2_401) * ZL_PER_NL


def test_a_reading_that_bounds_what_was_given_is_where_the_next_ones_are_compared_from() -> None:
    history = runs(STEADY)
    reads(history, 0, 0)
    reads(history, 100_000, 500)
    assert (excess(history, 200_000, 500 + 1_200), excess(history, 200_000, 500 + 1_201)) == (0, 1_301)


def test_what_is_over_by_little_each_time_is_found_by_its_sum() -> None:
    """300 nL over at 100 s, and one more in the ms after: all 301 of them less what that ms permitted."""
    history = runs(STEADY)
    reads(history, 0, 0)
    reads(history, 100_000, 1_200)
    reads(history, 100_001, 1_201)
    assert history.beyond == 301 * ZL_PER_NL - 10**10


def test_a_counter_of_another_epoch_or_the_first_one_is_in_excess_of_nothing() -> None:
    history = runs(STEADY)
    assert excess(history, 0, 90_000) == 0
    reads(history, 0, 0)
    assert excess(history, 0, 90_000) == 90_100
    assert (excess(history, 0, 90_000, epoch=8), excess(history, 0, 90_000, epoch=6)) == (0, 0)


@pytest.mark.parametrize("epoch", [6, 8])
@pytest.mark.parametrize("commanded", [True, False])
def test_a_counter_of_another_epoch_is_measured_from_anew_and_shows_nothing_beyond(
    epoch: int, commanded: bool
) -> None:
    """F-24: no command has cleared it."""
    history = runs(STEADY) if commanded else History(DAY)
    reads(history, 0, 0)
    reads(history, 60_000, 9_000, epoch=epoch)
    assert (history.beyond, history.low_nl) == (0, 0)
    assert history.most_nl(60_000) == (600 if commanded else 0)
    reads(history, 70_000, 9_100, epoch=epoch)
    assert (history.beyond, history.low_nl) == (0, 0)


@pytest.mark.parametrize("epoch", [6, 8])
def test_a_counter_that_the_command_cleared_shows_what_left_since_also_in_another_epoch(epoch: int) -> None:
    history = runs(STEADY, clears=True)
    reads(history, 0, 0)
    reads(history, 60_000, 9_000, epoch=epoch)
    assert history.beyond == (9_000 + 100 - 600) * ZL_PER_NL


def test_one_that_was_cleared_longer_ago_than_any_window_shows_nothing_beyond() -> None:
    history = runs(STEADY, clears=True)
    reads(history, 0, 0)
    reads(history, DAY + 1, 90_000, epoch=8)
    assert history.beyond == 0


@pytest.mark.parametrize("epoch", [7, 8])
def test_what_is_found_beyond_in_the_ms_of_a_command_is_in_the_most_that_was_given(epoch: int) -> None:
    """S-03: all of before is summed up at the sending; what is found then is not of before."""
    history = runs(STEADY, clears=True)
    reads(history, 0, 0)
    sends(history, 2, 100_000, STEADY, doubt=0)
    reads(history, 100_000, 5_000, epoch=epoch)
    beyond = 5_000 + 100 - (1_000 if epoch == 8 else 0)
    assert history.beyond == beyond * ZL_PER_NL
    assert history.most_nl(FAR) >= 5_000 + 36_000
    assert history.flowed_nl(100_000, 100_001) == beyond + 1
    assert history.flowed_nl(100_001, 100_002) == 1


def test_evidence_of_a_command_that_ran_at_a_rate_of_its_own_is_compared_with_what_the_counter_rose_by() -> (
    None
):
    """Power lost after its sending: 600 nL by the first reading of the new session, 200 more by the last one."""
    history = History(DAY)
    reads(history, 0, 0)
    sends(history, 1, 0, STEADY)
    reads(history, 60_000, 500, epoch=8)
    reads(history, 120_000, 700, epoch=8)
    history.given(1, 130_000, 5_100, ended=True)
    history.outrun(1, 130_000, 4_900, GRAIN, MIX)
    assert history.beyond == (4_900 - 800) * ZL_PER_NL


def test_evidence_of_a_command_before_one_that_was_proven_not_to_run_is_compared_with_nothing() -> None:
    history = History(DAY)
    reads(history, 0, 0)
    sends(history, 1, 0, STEADY)
    sends(history, 2, 0, STEADY)
    reads(history, 60_000, 500, epoch=8)
    history.dropped(2)
    history.given(1, 130_000, 5_100, ended=True)
    history.outrun(1, 130_000, 4_900, GRAIN, MIX)
    assert history.beyond == 0


def test_up_to_the_counter_that_is_covered_nothing_is_in_excess_and_one_nl_above_it_is() -> None:
    history = runs(STEADY)
    assert history.covered(0, GRAIN) is None
    reads(history, 0, 40)
    assert history.covered(100_000, GRAIN) == (40 + 200 + 1_000) * ZL_PER_NL
    assert (excess(history, 100_000, 40), excess(history, 100_000, 240)) == (0, 0)
    assert (excess(history, 100_000, 1_240), excess(history, 100_000, 1_241)) == (0, 1_301)
    reads(history, 100_000, 1_000)
    assert history.covered(150_000, GRAIN) == (40 + 200 + 1_500) * ZL_PER_NL
    reads(history, 200_000, 1_600)  # so few that it bounds what was given: measured from there
    assert history.most_nl(200_000) == 1_560 + 100
    assert history.covered(250_000, GRAIN) == (1_600 + 200 + 500) * ZL_PER_NL


@pytest.mark.parametrize("step", [bolus(600, MINUTE), prime(600, MINUTE), basal(600, MINUTE)])
def test_whatever_was_permitted_covers_the_counter(step: Step) -> None:
    history = runs(step)
    reads(history, 0, 0)
    assert history.covered(MINUTE, GRAIN) == (200 + 600) * ZL_PER_NL


def test_what_depends_on_more_than_the_time_covers_no_counter() -> None:
    history = runs(STEADY)
    reads(history, 0, 0)
    reads(history, 1, 900)
    assert history.covered(2, GRAIN) is None
    history = rebooted()
    assert history.covered(200_001, GRAIN) is None
    reads(history, 200_002, 1_000)
    assert history.most_nl(200_002) == 35_100, "that bounds it"
    assert history.covered(200_002, GRAIN) is None


@pytest.mark.parametrize(("counter", "does"), [(5_799, False), (5_800, True), (6_700, True), (6_701, False)])
def test_a_counter_agrees_with_a_run_within_a_grain_of_its_least_and_most_and_what_it_may_be_ahead(
    counter: int, does: bool
) -> None:
    """Begun up to 10 s late, for 10 min: 5,900 to 6,000 nL, and 600 ahead."""
    history = History(DAY)
    sends(history, 1, 0, STEADY, doubt=20_000, ahead_nl=600)
    history.acked(1, 10_000)
    assert history.agrees(1, counter, 600_000, GRAIN) is does
    assert not history.agrees(2, counter, 600_000, GRAIN)


def test_nothing_agrees_while_elapsed_time_is_not_known_nor_what_nobody_permitted() -> None:
    history = runs(STEADY)
    assert history.agrees(1, 6_000, 600_000, GRAIN)
    history.measured(5_000, 0, MINUTE, MIX)
    assert not history.agrees(1, 11_000, 600_000, GRAIN)
    history.unclocked(600_000)
    assert not history.agrees(1, 6_000, 600_001, GRAIN)


def test_what_a_sensor_proves_counts_in_any_window_and_the_counter_does_not_take_it_back() -> None:
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    history.measured(700, 100_000, 200_000, MIX)
    assert history.beyond == 700 * ZL_PER_NL
    assert history.flowed_nl(150_000, 150_001) == 701
    assert history.most_nl(200_000) == 2_700
    reads(history, 200_000, 1_500)
    assert history.most_nl(200_000) == 1_000 + 500 + 100 + 700


def test_what_a_sensor_proves_of_the_time_before_a_reading_is_in_the_most_that_was_given() -> None:
    """The reading bounds what was given up to 200 s, and the counter did not see it."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 1_500)
    history.measured(700, 100_000, 200_000, MIX)
    assert history.most_nl(FAR) == 1_000 + 500 + 100 + 34_000 + 700
    assert history.flowed_nl(200_000, 200_001) == 701
    assert history.flowed_nl(200_001, 200_002) == 1


def test_what_a_sensor_proves_while_elapsed_time_is_not_known_counts() -> None:
    history = runs(STEADY)
    history.unclocked(MINUTE)
    history.measured(700, MINUTE + 1, MINUTE + 2, MIX)
    assert history.most_nl(MINUTE + 2) == 36_700
