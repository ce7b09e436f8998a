"""F-21 to F-24, S-03, S-04: what a counter that every command clears says of what left while nobody looked.

36,000 nL/h are 6,000 nL in 10 min; a grain is 100 nL, and up to three of them are no surprise.
"""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Given, NotGiven, Unknown
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.curve import ZL_PER_NL
from pump_ctrl.safety.doses import BEYOND
from pump_ctrl.safety.history import History
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, basal, bolus
from tests.safety.plain import RUN, PlainPump, active, plain
from tests.safety.test_history import held

BOLUS = bolus(2_000, 10 * MINUTE)


@pytest.mark.parametrize("hidden_nl", [0, 100])
def test_what_clears_of_the_counter_may_have_lost_stays_in_the_upper_bound(hidden_nl: int) -> None:
    """Ten runs are cut with 100 nL in the counter's last digit each time: in the end it shows 1 uL too little."""
    bench, pump = plain(hidden_nl=hidden_nl)
    for number in range(1, 11):
        bench.ask(basal(20_000, HOUR))  # 2,000 nL in 6 min
        bench.at(number * 6 * MINUTE)
        pump.extra_nl -= 100
    bench.guard.stop("to look")
    assert (bench.guard.high_nl >= 20_000) is (hidden_nl == 100)


# --- while nobody looked ------------------------------------------------------------------------------------------


def looked_at_again(
    counter_nl: int, after_ms: int = 10 * MINUTE, *, acked_ms: int = 0, **can: object
) -> tuple[Bench, PlainPump]:
    """Told to run, dead until then, started anew, and the pump shows so much."""
    bench, pump = plain(**can)
    pump.latency_ms = acked_ms
    bench.ask(RUN)
    bench.at(after_ms)
    bench.restart()
    pump.counter_nl = counter_nl
    bench.guard.read_status()
    return bench, pump


@pytest.mark.parametrize(("counter_nl", "can", "beyond_nl"), [
    (6_200, {}, 0), (6_201, {}, 301), (9_000, {}, 3_100),
    (6_200, {"acked_ms": 2_000}, 0), (6_201, {"acked_ms": 2_000}, 301),  # it may have begun at once
    (6_700, {"ahead_nl": 500}, 0), (6_701, {"ahead_nl": 500}, 301),
    (9_000, {"clears_counter": False}, 0),  # then it says nothing of when it began
])  # fmt: skip
def test_drug_that_left_while_nobody_looked_counts_and_stops_the_pump(
    counter_nl: int, can: dict[str, int], beyond_nl: int
) -> None:
    bench, pump = looked_at_again(counter_nl, **can)
    assert bench.guard._state.history.beyond == beyond_nl * ZL_PER_NL
    assert (active(bench) == {"disagreement", "over-delivery"}) is (beyond_nl > 0)
    if beyond_nl:
        assert pump.given(bench.clock.true_ms + HOUR) == counter_nl, "it was not stopped"
        assert bench.guard.high_nl >= counter_nl


def test_what_left_while_nobody_looked_counts_whole_wherever_it_can_have_left_and_in_every_account() -> None:
    """Any minute since the command, and one that begins when the pump was looked at."""
    bench, _ = looked_at_again(9_000)
    for start in (0, 5 * MINUTE, 9 * MINUTE):
        assert held(bench, start, start + MINUTE) == 600 + 3_100
    assert held(bench, 10 * MINUTE + 1, DAY) == 0
    assert {account for account, _ in bench.guard._state.history._lanes} == {BEYOND}


@pytest.mark.parametrize(("after_ms", "counts"), [(DAY, True), (DAY + 1, False)])
def test_a_counter_that_was_cleared_longer_ago_than_any_window_is_compared_with_nothing(
    after_ms: int, counts: bool
) -> None:
    """What was permitted since may be forgotten by then."""
    bench, _ = looked_at_again(50_000, after_ms)
    assert (bench.guard._state.history.beyond == (50_000 + 100 - 36_000) * ZL_PER_NL) is counts


def test_while_nobody_knows_how_long_the_host_was_off_a_counter_is_compared_with_nothing() -> None:
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(MINUTE)
    bench.clock.reboot()
    bench.restart()
    pump.counter_nl = 9_000
    bench.guard.read_status()
    assert bench.guard._state.history.beyond == 0
    assert bench.guard.high_nl >= 36_000, "all of the run may have flowed"


def test_a_counter_that_falls_while_a_process_looks_is_not_one_that_began_at_the_last_command() -> None:
    """F-24: 72,000 nL in two runs, then it shows 42,000: a new baseline, nothing is taken back and nothing is added."""
    bench, pump = plain()
    for _ in range(2):
        bench.ask(RUN)
        bench.wait(HOUR)
    bench.guard.read_status()
    low, high = bench.guard.low_nl, bench.guard.high_nl
    pump.counter_nl -= 30_000
    bench.wait(HOUR)
    bench.guard.stop("to look")
    assert bench.log.records[-1].data["counter"] == 42_000
    assert bench.guard._state.history.beyond == 0
    assert (bench.guard.low_nl, bench.guard.high_nl) == (low, high)


def test_a_command_that_a_pump_did_not_acknowledge_began_no_count_of_its_own() -> None:
    """The counter may still be that of the run before: 6,600 nL by now are no surprise."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    pump.answers, pump.stops = ["lost"], False
    assert isinstance(bench.ask(basal(0, HOUR)), Unknown)
    bench.at(11 * MINUTE)
    bench.restart()
    bench.guard.read_status()
    assert pump.counter_nl == 6_600
    assert bench.guard._state.history.beyond == 0
    assert active(bench) == set()


# --- power lost within a command ------------------------------------------------------------------------------------


def wild(least_nl: int, *, new_epoch: bool = True) -> tuple[Bench, PlainPump]:
    """6,000 nL of basal have flowed and ended; a bolus of 2,000 nL is told at 10 min, and its reply is lost. So is the
    pump's power, and it runs at a rate of its own: a minute later it shows 0, and its tag proves ``least_nl``.
    """
    bench, pump = plain()
    bench.ask(basal(6_000, 10 * MINUTE))
    bench.at(10 * MINUTE)
    bench.guard.stop("to look")
    pump.answers = ["unheard"]
    assert isinstance(bench.ask(BOLUS, purpose=Purpose.SCHEDULED), Unknown)
    bench.wait(MINUTE)
    pump.counter_nl = least_nl
    if new_epoch:
        pump.lose_power()
    bench.guard.read_status()
    pump.proof = lambda: Given(least_nl, least_nl + 100, True, pump.status())
    return bench, pump


@pytest.mark.parametrize(("least_nl", "beyond_nl"), [(0, 0), (501, 0), (502, 301), (9_000, 8_799)])
def test_what_a_pump_gave_at_a_rate_of_its_own_after_it_lost_power_in_a_command_counts(
    least_nl: int, beyond_nl: int
) -> None:
    """200 nL of the bolus can have flowed in that minute, 1 for rounding, and three grains."""
    bench, pump = wild(least_nl)
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == beyond_nl * ZL_PER_NL
    assert bench.guard.high_nl >= pump.given() - 300
    assert (active(bench) >= {"disagreement", "over-delivery"}) is (beyond_nl > 0)
    if beyond_nl:
        start = 10 * MINUTE
        assert held(bench, start + MINUTE // 2, start + MINUTE // 2 + 1) >= beyond_nl, "at any speed"
        assert bench.log.kinds()[-1] in ("stop", "alarm")


@pytest.mark.parametrize(("extra_nl", "found"), [(0, False), (900, True), (8_800, True)])
def test_what_the_run_before_can_not_have_given_does_not_hide_what_came_at_a_rate_of_its_own(
    extra_nl: int, found: bool
) -> None:
    """S-03: 36,000 nL/h ran when the bolus was told; the evidence of the bolus excludes a minute more of it."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    pump.answers = ["unheard"]
    assert isinstance(bench.ask(BOLUS, purpose=Purpose.SCHEDULED), Unknown)
    bench.wait(MINUTE)
    pump.extra_nl += extra_nl
    pump.lose_power()
    bench.guard.read_status()
    pump.proof = lambda: Given(100 + extra_nl, 200 + extra_nl, True, pump.status())
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard.high_nl >= pump.given() - 100, "a grain"
    assert ("over-delivery" in active(bench)) is found


def test_without_a_loss_of_power_the_counter_has_shown_it_and_it_counts_once() -> None:
    bench, pump = wild(9_000, new_epoch=False)
    before = bench.guard._state.history.beyond
    assert before == (9_000 + 100) * ZL_PER_NL  # what was permitted may still come
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == before
    assert bench.guard.high_nl >= pump.given()


def test_what_the_counter_has_shown_since_the_power_was_lost_is_not_counted_twice() -> None:
    """Another 2,000 nL are seen, and counted with a grain, before its tag is read."""
    bench, pump = wild(11_000)
    pump.extra_nl += 2_000
    bench.guard.read_status()
    assert bench.guard._state.history.beyond == 2_100 * ZL_PER_NL
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == (2_100 + 11_000 - 201 - 2_000) * ZL_PER_NL


def test_digits_that_clears_have_lost_in_one_session_are_no_drug_at_a_rate_of_its_own() -> None:
    """Ten runs lose 100 nL of the counter each; then evidence of what was told last says what it gave."""
    bench, pump = plain(hidden_nl=100)
    for number in range(1, 11):
        bench.ask(basal(20_000, HOUR))
        bench.at(number * 6 * MINUTE)
        pump.extra_nl -= 100
    pump.answers = ["unheard"]
    assert isinstance(bench.ask(BOLUS, purpose=Purpose.SCHEDULED), Unknown)
    bench.wait(10 * MINUTE)
    bench.guard.read_status()
    pump.proof = lambda: Given(1_900, 2_100, True, pump.status())
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == 0
    assert active(bench) == set()


def test_while_nobody_knows_how_long_the_host_was_off_evidence_is_compared_with_no_time() -> None:
    bench, _ = wild(9_000)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    assert not bench.guard.elapsed_known
    before = bench.guard._state.history.beyond
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == before


def test_the_first_command_of_a_journal_has_no_counter_before_it_to_compare_evidence_with() -> None:
    bench, pump = plain()
    pump.answers = ["unheard"]
    bench.ask(BOLUS, purpose=Purpose.SCHEDULED)
    bench.wait(MINUTE)
    bench.guard.read_status()
    pump.gave(9_000)
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == 0


# --- a hold that goes out while a dose is unknown (D-15) -----------------------------------------------------------


def hold_over_unknown() -> tuple[Bench, PlainPump]:
    """The reply to a bolus is lost, nothing can be proven, and a hold follows; each may be ahead by 500 nL."""
    bench, pump = plain(ahead_nl=500)
    bench.guard.stop("to look")
    pump.answers = ["lost"]
    bench.ask(BOLUS, purpose=Purpose.SCHEDULED)
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)
    bench.wait(MINUTE)
    return bench, pump


def test_proof_that_the_last_command_gave_nothing_takes_all_of_it_back() -> None:
    bench, pump = plain(ahead_nl=500)
    pump.answers = ["lost"]
    bench.ask(RUN)
    assert bench.guard.high_nl >= 36_500
    pump.gave_nothing()
    assert isinstance(bench.guard.settle(), NotGiven)
    assert bench.guard.high_nl == 0


def test_proof_that_an_older_command_gave_nothing_takes_nothing_from_what_follows_it() -> None:
    bench, pump = hold_over_unknown()
    pump.gave_nothing()
    before = bench.guard.high_nl
    assert isinstance(bench.guard.settle(), NotGiven)
    assert bench.guard.high_nl == before - 2_000
    assert bench.guard.high_nl >= 6_000 + 500, "the hold may still be ahead of its even flow"


def test_evidence_of_an_older_command_is_not_measured_from_the_begin_of_the_last_one() -> None:
    bench, pump = hold_over_unknown()
    pump.lose_power()
    bench.guard.read_status()
    pump.gave(9_000)
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard._state.history.beyond == 0


# --- a sensor ---------------------------------------------------------------------------------------------------------


def test_what_a_sensor_proves_before_any_counter_was_read_counts_and_no_counter_takes_it_back() -> None:
    history = History(DAY)
    tip = (("baclofen", 1_000_000),)
    history.measured(5_000, 0, MINUTE, tip)
    assert (history.beyond, history.high_nl) == (5_000 * ZL_PER_NL, 5_000)
    history.reading(MINUTE, MINUTE, 7, 0, 100, tip)
    history.reading(HOUR, HOUR, 7, 0, 100, tip)
    assert history.high_nl == 5_000
    assert history.flowed_nl(0, MINUTE) == 5_000


def test_what_was_given_before_the_host_was_off_is_not_counted_again_by_a_process_after_the_next() -> None:
    """The counter counts since a command that lies so much further back, once it is known how long the host was off."""
    bench, pump = plain()
    bench.ask(basal(9_000, 15 * MINUTE))
    bench.wait(20 * MINUTE)
    bench.guard.stop("it is over")
    bench.clock.reboot()
    bench.wait(HOUR)
    bench.restart()
    bench.guard.read_status()
    bench.guard.confirm(
        by="tester", code=bench.guard.reconciliation().code, plan_ms=bench.clock.true_ms, off_ms=HOUR
    )
    for _ in range(2):
        bench.restart()
        bench.guard.read_status()
    assert active(bench) == set()
    assert bench.guard._state.history.beyond == 0
    assert bench.guard.high_nl <= pump.given() + 200


def test_a_hold_given_since_the_host_was_off_counts_since_its_own_command() -> None:
    """An hour of 36,000 nL before it explains nothing of what the counter shows since."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(HOUR)
    bench.clock.reboot()
    bench.wait(HOUR)
    bench.restart()
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)
    bench.wait(30 * MINUTE)
    bench.guard.read_status()
    bench.guard.confirm(
        by="tester", code=bench.guard.reconciliation().code, plan_ms=bench.clock.true_ms, off_ms=HOUR
    )
    bench.restart()
    pump.counter_nl = 30_000
    bench.guard.read_status()
    assert bench.guard._state.history.beyond > 0
    assert "over-delivery" in active(bench)
