"""F-22, F-23, S-03: a counter that outlives the loss of power shows what the pump gave around it by itself.

36,000 nL/h are 6,000 nL in 10 min; a grain is 100 nL, and up to three of them are no surprise.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Acked, Refused
from pump_ctrl.safety.curve import ZL_PER_NL
from tests.safety.kit import CAPABILITIES, HOUR, MINUTE, Bench
from tests.safety.plain import active
from tests.safety.test_disagreement import BASAL, LIMITS

KEEPS = replace(CAPABILITIES, keeps_counter=True)


def back(extra_nl: int, *, keeps: bool = True) -> Bench:
    """It ran for 10 min, was without power for a moment, and has given more in the 10 min since; nobody has asked."""
    bench = Bench(LIMITS, KEEPS if keeps else CAPABILITIES).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(10 * MINUTE)
    bench.pump._cut()
    bench.pump.epoch += 1
    bench.wait(10 * MINUTE)
    bench.pump.extra_nl += extra_nl
    return bench


def beyond(bench: Bench) -> int:
    return bench.guard._state.history.beyond // ZL_PER_NL


# It may have run the 20 min: 12,000 nL, of which it gave 6,000 before its power was lost.
@pytest.mark.parametrize(("extra_nl", "beyond_nl"), [(0, 0), (6_200, 0), (6_300, 12_400), (19_000, 25_100)])
def test_what_it_gave_beyond_all_that_was_permitted_counts_and_stops_it(
    extra_nl: int, beyond_nl: int
) -> None:
    """As in one epoch: then everything since the last reading is beyond, for what was permitted may still come."""
    bench = back(extra_nl)
    bench.guard.read_status()
    assert beyond(bench) == beyond_nl
    assert ("over-delivery" in active(bench)) is (beyond_nl > 0)
    assert bench.guard.high_nl >= bench.pump.given()
    assert bench.pump.flows[-1].cut is not None


def test_it_is_found_by_the_answer_to_a_command_too() -> None:
    bench = back(19_000)
    bench.pump.answers = ["no"]
    assert isinstance(bench.ask(BASAL), Refused)
    assert beyond(bench) > 19_000
    assert {"over-delivery", "disagreement"} <= active(bench)


def test_it_fills_the_windows() -> None:
    """At the tip, at 1 ug/mL: a nanolitre is a picogram."""
    bench = back(19_000)
    bench.guard.read_status()
    bench.wait(MINUTE)
    assert bench.guard.worst("baclofen", 1) >= 25_000


def test_a_counter_that_does_not_outlive_an_epoch_says_nothing_of_the_one_before() -> None:
    bench = back(19_000, keeps=False)
    bench.guard.read_status()
    assert beyond(bench) == 0


def test_a_counter_that_has_fallen_is_a_new_baseline() -> None:
    """Told 6,000 before the loss, and 4,000 now: nobody knows from where it counts."""
    bench = Bench(LIMITS, KEEPS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(10 * MINUTE)
    assert isinstance(bench.guard.stop("to look"), Acked)
    high = bench.guard.high_nl
    bench.pump.epoch += 1
    bench.pump.extra_nl -= 2_000
    bench.guard.read_status()
    bench.pump.extra_nl += 2_000
    assert (beyond(bench), bench.guard.high_nl) == (0, high)


def test_nothing_of_the_upper_bound_is_taken_back_by_what_it_shows_after_a_loss_of_power() -> None:
    """It shows 4,000 of the 6,000 that it may have given: the rest may be what it lost."""
    bench = back(-2_000)
    high = bench.guard._state.history.most_nl(bench.guard._now())
    bench.guard.read_status()
    assert bench.guard._state.history.most_nl(bench.guard._now()) == high


def test_a_run_that_goes_on_after_a_restart_of_the_host_is_counted_by_the_same_counter() -> None:
    """The journal says that the pump keeps it."""
    bench = back(19_000)
    bench.restart()
    bench.guard.read_status()
    assert beyond(bench) > 19_000


def test_a_second_loss_of_power_counts_only_what_came_since_the_first_was_told() -> None:
    bench = back(19_000)
    bench.guard.read_status()
    before = beyond(bench)
    bench.pump.epoch += 1
    bench.wait(HOUR)
    bench.guard.read_status()
    assert beyond(bench) == before


def test_what_it_gave_while_the_host_was_off_for_nobody_knows_how_long_is_in_the_upper_bound() -> None:
    bench = Bench(LIMITS, replace(KEEPS, tells_time=False)).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(10 * MINUTE)
    bench.guard.stop("to look")
    bench.clock.reboot()
    bench.pump.epoch += 1
    bench.pump.extra_nl += 500_000
    bench.restart()
    bench.guard.read_status()
    assert not bench.guard.elapsed_known
    assert beyond(bench) >= 500_000 - 36_000
    assert bench.guard.high_nl >= bench.pump.given()


def test_it_counts_from_the_last_look_on_and_once() -> None:
    """Looked at after 5 min, when 3,000 nL had gone; 9,000 nL of its own came after that."""
    bench = Bench(LIMITS, KEEPS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(5 * MINUTE)
    bench.guard.stop("to look")
    history, looked = bench.guard._state.history, bench.guard._now()
    bench.pump.epoch += 1
    bench.pump.extra_nl += 9_000
    bench.wait(15 * MINUTE)
    bench.guard.read_status()
    assert beyond(bench) == 9_100
    assert history.held_pg("baclofen", looked - 5 * MINUTE, looked) <= 3_300
    assert history.most_nl(bench.guard._now()) <= 12_300
