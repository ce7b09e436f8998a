"""D-16, S-03: what may have been given while nobody knows how long the host was off, and once that is known.

36,000 nL/h are 10 nL/s; a grain of the counter is 100 nL, up to three of them are no surprise.
"""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import PumpStatus
from pump_ctrl.safety.curve import FAR, ZL_PER_NL
from pump_ctrl.safety.history import History
from tests.safety.kit import DAY, HOUR, MINUTE, basal, bolus
from tests.safety.ledger import GRAIN, STEADY, excess, reads, rebooted, runs, sends
from tests.safety.plain import RUN, active, plain


def test_after_a_reboot_all_that_was_under_way_may_have_flowed_and_what_is_sent_then_adds_up() -> None:
    history = rebooted()
    assert (history.most_nl(200_001), history.high_nl) == (36_000, 36_000)
    sends(history, 2, 200_001, basal(7_200, HOUR))
    assert history.most_nl(200_001) == 43_200
    history.acked(2, 200_001)
    sends(history, 3, 200_002, bolus(600, MINUTE))
    assert history.most_nl(200_001) == 43_800
    history.unclocked(300_000)
    assert history.most_nl(200_001) == 43_800
    history.unclocked(300_000)
    assert history.most_nl(200_001) == 43_800
    sends(history, 4, 300_001, basal(3_600, HOUR))
    assert history.most_nl(300_001) == 47_400


@pytest.mark.parametrize("early_ms", [0, 1_000])
def test_what_was_sent_by_the_ms_of_the_reboot_was_under_way_then_and_counts_once(early_ms: int) -> None:
    """The bolus ends long after it."""
    history = runs(STEADY)
    sends(history, 2, 200_000 - early_ms, bolus(600, MINUTE), basal(3_600, HOUR))
    most = history.high_nl
    history.unclocked(200_000)
    assert (history.most_nl(200_001), history.high_nl) == (most, most)


def test_while_elapsed_time_is_not_known_a_counter_may_show_all_that_was_under_way() -> None:
    """Two runs may have flowed one after the other: 36,000 nL, and the 34,000 that were left; no more than once."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 2_000)
    history.unclocked(200_000)
    reads(history, 200_000, 2_000, narrows=False)
    assert excess(history, 200_001, 2_000 + 70_000 + 200) == 0
    assert excess(history, 200_001, 2_000 + 70_000 + 201) == 70_000 + 301


def test_no_time_off_that_is_told_too_short_makes_less_have_left_than_the_counter_has_proven() -> None:
    """6,000 nL by the run in the hour that was told, 11,900 nL by the counter. Seen: the alarm went by the 6,000."""
    history = runs(basal(24_000, 4 * HOUR))
    reads(history, 0, 0)
    history.unclocked(1)
    reads(history, 2, 12_000, narrows=False)
    history.age(HOUR, 0, HOUR, 3)
    assert history.low_nl == 12_000 - GRAIN
    assert history.most_nl(3) == 12_000 - GRAIN
    assert history.most_nl(FAR) == history.high_nl == 24_000 + 1


def test_the_worst_window_of_before_is_looked_for_where_it_was() -> None:
    """6,000 nL in the first 10 min, then the host was off for 3 h."""
    history = runs(basal(6_000, 10 * MINUTE))
    history.unclocked(20 * MINUTE)
    history.age(3 * HOUR, 0, 3 * HOUR, 20 * MINUTE + 1)
    assert history.worst_pg("baclofen", 1, 20 * MINUTE + 1) == 6_000


def test_once_the_time_off_is_known_the_run_of_before_began_so_much_earlier() -> None:
    """600 s, or up to 30 s less: it ends by 3,030 s instead of 3,600."""
    history = rebooted()
    history.age(600_000, 30_000, 570_000, 200_001)
    assert history.flowed_nl(-600_000, 0) == 6_000
    assert history.flowed_nl(-600_001, -600_000) == 0
    assert history.flowed_nl(3_029_999, DAY) == 1
    assert history.flowed_nl(3_030_000, DAY) == 0
    assert history.surely_nl(-600_000, -570_000) == 0
    assert history.surely_nl(-570_000, -569_900) == 1
    assert history.most_nl(200_001) == 8_001
    assert history.most_nl(FAR) == 36_000


@pytest.mark.parametrize(("read_at", "moved"), [(100_000, True), (200_000, True), (200_001, False)])
def test_a_reading_of_before_was_so_much_earlier_too_and_one_of_after_was_not(
    read_at: int, moved: bool
) -> None:
    """The run of 10 nL/s covers what a counter shows since its last reading."""
    history = runs(STEADY)
    if moved:
        reads(history, read_at, 1_000)
    history.unclocked(200_000)
    if not moved:
        reads(history, read_at, 1_000)
    history.age(600_000, 0, 600_000, 200_001)
    since = read_at - 600_000 if moved else read_at
    assert history.covered(300_001, GRAIN) == 1_200 * ZL_PER_NL + (300_001 - since) * 10**10
    reads(history, 300_001, 9_000)
    assert history.low_nl == 9_000 - 1_000 - 100


def test_a_sum_of_before_the_reboot_is_moved_with_what_it_is_measured_from() -> None:
    """Read down to 1,100 nL at 200 s, where the host went off for 600 s: then all the rest may still have flowed."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    reads(history, 200_000, 1_000)
    history.unclocked(200_000)
    assert history.most_nl(200_001) == 1_100 + 34_000
    history.age(600_000, 0, 600_000, 200_001)
    assert history.most_nl(200_001) == 1_100 + 6_001
    assert history.most_nl(FAR) == 1_100 + 34_000


def test_a_reading_of_after_the_reboot_bounds_what_was_given_and_stays_where_it_was_read() -> None:
    history = rebooted()
    reads(history, 200_100, 1_000, since=200_099)
    assert (history.low_nl, history.most_nl(200_100)) == (0, 1_000 + 100 + 34_000)
    reads(history, 200_102, 2_000, since=200_101)
    assert (history.low_nl, history.most_nl(200_100)) == (900, 1_000 + 100 + 34_000)
    history.age(600_000, 0, 600_000, 200_102)
    assert history.most_nl(200_099) == 1_000 + 100
    assert history.most_nl(200_199) == 1_000 + 100 + 1
    assert history.most_nl(FAR) == 1_000 + 100 + 28_000, "27,999.01: it has run for 800.099 s by then"


def test_what_was_sent_between_two_reboots_counts_whole_at_any_time_until_now() -> None:
    """Only of the last boot is it known when."""
    history = rebooted()
    sends(history, 2, 200_001, basal(7_200, HOUR), basal(3_600, HOUR), doubt=0)
    history.acked(2, 200_001)
    history.unclocked(300_000)
    sends(history, 3, 300_001, basal(3_600, HOUR), doubt=0)
    history.acked(3, 300_001)
    history.age(600_000, 0, 600_000, 400_000)
    for start in (200_001, 250_000, 399_999):
        assert history.flowed_nl(start, start + 1) == 10_800 + 1
    assert history.flowed_nl(300_001 + HOUR, DAY) == 0
    assert history.most_nl(FAR) == 8_001 + 200 + 10_800 + 3_600
    assert history.surely_nl(200_001, 300_001) == 0, "nothing of what was sent between two reboots is sure"


def test_also_if_it_was_sent_in_the_ms_of_the_second_reboot() -> None:
    history = rebooted()
    sends(history, 2, 300_000, basal(7_200, HOUR), doubt=0)
    history.unclocked(300_000)
    history.age(600_000, 0, 600_000, 400_000)
    assert history.flowed_nl(399_999, 400_000) == 7_200 + 1


def test_a_bolus_of_before_unlocks_by_the_time_that_is_sure_and_counts_whole_in_between() -> None:
    history = runs(bolus(6_000, 10 * MINUTE))
    history.unclocked(10 * MINUTE)
    history.age(HOUR, 3 * MINUTE, 57 * MINUTE, 10 * MINUTE + 1)
    assert history.last_bolus_end == -47 * MINUTE
    assert history.flowed_nl(-60 * MINUTE, -47 * MINUTE) == 6_000
    assert history.flowed_nl(-47 * MINUTE, DAY) == 0


def test_a_counter_cleared_before_the_reboot_is_compared_once_the_time_off_is_known() -> None:
    """9,000 nL since the command, 200 s before the host went off: 2,000 nL and 6,000 in 10 min off were permitted."""
    history = runs(STEADY, clears=True)
    reads(history, 100_000, 1_000)
    history.unclocked(200_000)
    reads(history, 200_001, 9_000, epoch=8)
    assert history.beyond == 0
    history.age(600_000, 0, 600_000, 200_002)
    assert history.flowed_nl(-600_000, -599_999) == 9_000 + 100 - 8_000
    assert history.flowed_nl(-600_001, -600_000) == 0
    assert history.beyond == 0, "it was longer, which is no fault of the pump"


def test_one_that_was_cleared_in_the_ms_of_the_reboot_was_cleared_before_it() -> None:
    history = History(DAY)
    reads(history, 0, 0)
    sends(history, 1, 200_000, STEADY, clears=True, doubt=0)
    history.acked(1, 200_000)
    history.unclocked(200_000)
    reads(history, 200_001, 9_000, epoch=8)
    history.age(600_000, 0, 600_000, 200_002)
    assert history.flowed_nl(-400_000, -399_999) == 9_000 + 100 - 6_000


def test_and_is_not_compared_again_after_the_next_reboot() -> None:
    history = runs(STEADY, clears=True)
    reads(history, 100_000, 1_000)
    history.unclocked(200_000)
    reads(history, 200_001, 9_000, epoch=8)
    history.age(600_000, 0, 600_000, 200_002)
    history.unclocked(200_003)
    history.age(MINUTE, 0, MINUTE, 200_004)
    assert history.flowed_nl(-MINUTE, 0) == 600 + 9_000 + 100 - 8_000


def test_one_that_was_cleared_after_the_reboot_is_compared_with_the_time_since_then() -> None:
    history = rebooted()
    sends(history, 2, 200_001, STEADY, clears=True, doubt=0)
    history.acked(2, 200_001)
    reads(history, 260_001, 9_000, epoch=8)
    history.age(600_000, 0, 600_000, 260_002)
    assert history.flowed_nl(230_000, 230_001) == 1 + 9_000 + 100 - 600
    assert history.flowed_nl(200_000, 200_001) == 1


def test_what_a_time_off_that_was_told_too_short_leaves_unexplained_explains_nothing_later() -> None:
    """F-22: the pump did nothing wrong by then, but 5,000 nL within a second are found as ever. Seen: they were not."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.clock.reboot()
    pump.epoch += 1
    bench.restart()
    bench.guard.raise_alarm("wall-clock", "the first record of this boot")
    bench.wait(1_000)
    told = pump.status

    def slowly() -> PumpStatus:
        bench.wait(10)
        return told()

    pump.read_status = slowly  # type: ignore[method-assign]
    bench.guard.read_status()
    bench.confirmed(plan_ms=11 * MINUTE, given=None, off_ms=MINUTE)
    assert bench.guard._state.history.beyond == 0
    assert active(bench) == {"wall-clock"}
    pump.extra_nl += 5_000
    bench.wait(1_000)
    bench.guard.read_status()
    assert bench.guard._state.history.beyond >= 5_000 * ZL_PER_NL
    assert active(bench) == {"wall-clock", "disagreement", "over-delivery"}
