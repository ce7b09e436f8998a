"""D-16, S-26, S-28, F-42 to F-47: guard time over reboots, and what ages when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.curve import ZL_PER_NL, content
from pump_ctrl.safety.state import State
from tests.refusals import refused
from tests.safety.kit import (
    CAPABILITIES,
    DAY,
    HOUR,
    MINUTE,
    Bench,
    account,
    basal,
    bolus,
    codes,
    limits,
    rows,
)

LIMITS = limits(
    [
        account(
            rows=rows((6_000, 24_000, 144_000), (2_000, 2_000, 4_000), commands=3, bolus_max_pg_per_h=12_000),
            max_bolus_nl=2_000, hold={"nl": 6_000, "per_ms": HOUR},
        )
    ],
    max_hold_ms=4 * HOUR,
)  # fmt: skip
DUMB = replace(CAPABILITIES, tells_time=False)


def rebooted(off_ms: int, *, tells_time: bool = True) -> Bench:
    """A lease of 4 h from 0, a look at 1 h, then the host is off for ``off_ms``."""
    bench = Bench(LIMITS, CAPABILITIES if tells_time else DUMB).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(24_000, 4 * HOUR))
    bench.at(HOUR)
    bench.guard.read_status()
    bench.wait(off_ms)
    bench.clock.reboot()
    bench.restart()
    return bench


def held(bench: Bench, ms: int) -> int:
    """Volume that counts in the window of ``ms`` that ends now, to the nearest nL."""
    history, now = bench.guard._state.history, bench.guard._now()
    return (content(history._volume(), now - ms, now) + ZL_PER_NL // 2) // ZL_PER_NL


def test_guard_time_runs_on_from_boot_to_boot_and_stands_until_the_first_record() -> None:
    state = State()
    assert state.now(500, "a") == 500
    state.apply("alarm", {"at": 1_000, "code": "silence", "what": "raised", "detail": ""}, "a")
    assert (state.now(1_500, "a"), state.now(900, "a")) == (1_500, 1_000)
    assert (state.now(7, "b"), state.now(70, "b")) == (1_001, 1_001)
    state.apply("alarm", {"at": 50, "code": "silence", "what": "gone", "detail": ""}, "b")
    assert (state.now(50, "b"), state.now(70, "b"), state.boot_ms(1_021)) == (1_001, 1_021, 70)
    assert state.timeless


def test_the_pumps_tick_tells_how_long_the_host_was_off() -> None:
    bench = rebooted(2 * HOUR)
    before = bench.guard.elapsed_known
    bench.guard.read_status()
    assert (before, bench.guard.elapsed_known) == (False, True)
    assert bench.guard.plan_ms == 3 * HOUR
    assert held(bench, HOUR) == 6_000
    assert held(bench, 4 * HOUR) == 18_000
    assert bench.guard._state.history.flowed_nl(bench.guard._now(), bench.guard._now() + DAY) == 6_001


def test_a_pump_that_tells_no_time_leaves_it_to_a_person() -> None:
    bench = rebooted(2 * HOUR, tells_time=False)
    bench.guard.read_status()
    assert (bench.guard.elapsed_known, bench.guard.plan_ms) == (False, None)
    assert bench.guard.high_nl >= 24_000
    bench.confirmed(plan_ms=3 * HOUR, given=None)
    assert (bench.guard.elapsed_known, bench.guard.plan_ms) == (True, 3 * HOUR)
    assert held(bench, 4 * HOUR) == 18_000
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_a_person_may_say_how_long_it_was_where_the_plan_is_another_one() -> None:
    bench = rebooted(2 * HOUR, tells_time=False)
    bench.limits = limits(
        [account(rows=rows((6_000, 24_000, 144_000)))], plan={"id": "NEW", "sha256": "d" * 64}
    )
    bench.restart()
    bench.confirmed(plan_ms=0, given=None, off_ms=2 * HOUR)
    assert (bench.guard.plan_ms, held(bench, 4 * HOUR)) == (0, 18_000)


def test_a_clock_that_was_set_back_is_not_taken_for_a_short_time_off() -> None:
    """Seen: taken for 0 ms, half of a bolus that had flowed meanwhile fell out of the ledger."""
    bench = rebooted(20 * HOUR, tells_time=False)
    bench.clock.jump_wall(-48 * HOUR)
    assert "its clock is 28 h 0 min behind what is known." in bench.guard.reconciliation().words
    with refused("clock-behind"):
        bench.confirmed(plan_ms=0, given=None)
    assert not bench.guard.elapsed_known
    bench.confirmed(plan_ms=21 * HOUR, given=None, off_ms=20 * HOUR)
    assert held(bench, 24 * HOUR) == 24_000


def test_the_words_name_the_time_off_that_is_confirmed_and_a_clock_that_jumps_makes_others() -> None:
    """F-43, F-46: nothing ages but by what somebody has read, or says instead."""
    bench = rebooted(2 * HOUR, tells_time=False)
    found = bench.guard.reconciliation()
    assert "It is not known how long the host was off; by its own clock 2 h 0 min." in found.words
    bench.clock.jump_wall(24 * HOUR)
    assert "by its own clock 26 h 0 min." in bench.guard.reconciliation().words
    with refused("stale-code"):
        bench.guard.confirm(by="tester", code=found.code, plan_ms=27 * HOUR)
    bench.confirmed(plan_ms=3 * HOUR, given=None, off_ms=2 * HOUR)
    assert (held(bench, 4 * HOUR), bench.guard.plan_ms) == (18_000, 3 * HOUR)
    assert bench.log.records[-1].data["utc_ms"] == 3 * HOUR + 1


@pytest.mark.parametrize(
    ("jump", "words"),
    [
        (2_000, ""),
        (2_001, "3 s ahead of"),
        (-90 * MINUTE, "1 h 30 min behind"),
        (25 * HOUR, "25 h 0 min ahead of"),
    ],
)
def test_whoever_confirms_reads_before_by_how_much_that_moves_plan_time(jump: int, words: str) -> None:
    bench = rebooted(2 * HOUR)
    bench.guard.read_status()
    bench.clock.jump_wall(jump)
    found = bench.guard.reconciliation().words
    assert f"The host's clock is {words}" in found if words else "The host's clock" not in found


def test_plan_time_after_a_time_off_is_known_before_it_is_confirmed_and_to_no_new_journal() -> None:
    bench = rebooted(2 * HOUR, tells_time=False)
    bench.guard.read_status()
    assert bench.guard.plan_ms is None
    assert bench.guard.plan_after(2 * HOUR) == pytest.approx(3 * HOUR, abs=1)
    assert Bench(LIMITS).guard.plan_after(2 * HOUR) is None


def test_a_time_off_that_is_told_where_the_host_was_not_off_moves_nothing() -> None:
    """As in a journal that somebody wrote by hand."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.wait(HOUR)
    told = {
        **bench.log.records[-1].data,
        "off_ms": DAY,
        "plan_ms": HOUR,
        "utc_ms": HOUR,
        "pump": "p",
        "given": None,
    }
    bench.guard._state.apply("confirm", {**told, "at": bench.clock.boot_ms()}, bench.clock.boot_id())
    assert held(bench, HOUR) == 6_000


def test_an_alarm_is_as_old_as_it_has_been_active() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("silence", "test")
    bench.wait(90_000)
    (alarm,) = bench.guard.alarms
    assert bench.guard.alarm_age_ms(alarm) == 90_000


def test_a_pump_that_holds_a_command_contradicts_that_nothing_was_given() -> None:
    """D-17: its counter was lost with its power, its program was not."""
    bench = Bench(LIMITS)
    bench.pump.used = True
    bench.guard.identify()
    with refused("pump-used", "another journal told it"):
        bench.confirmed()
    bench.confirmed(given={"baclofen": 1_000})
    assert bench.guard.confirmed


def test_nobody_may_say_how_long_the_host_was_off_where_that_is_known() -> None:
    bench = rebooted(2 * HOUR)
    bench.guard.read_status()
    with refused("time-off-known"):
        bench.confirmed(plan_ms=3 * HOUR, given=None, off_ms=HOUR)


def test_a_pump_that_reset_meanwhile_cannot_tell() -> None:
    """F-47: another epoch, or a tick that went back."""
    bench = rebooted(2 * HOUR)
    bench.pump.epoch += 1
    bench.guard.read_status()
    assert not bench.guard.elapsed_known
    bench = rebooted(2 * HOUR)
    bench.pump.booted = bench.clock.true_ms
    bench.guard.read_status()
    assert not bench.guard.elapsed_known


def test_while_elapsed_time_is_not_known_nothing_but_the_hold_is_given() -> None:
    bench = rebooted(2 * HOUR, tells_time=False)
    assert codes(bench.ask(basal(100, HOUR))) == {"not-confirmed", "account-window"}
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)


def test_the_wall_clock_moves_nothing() -> None:
    """F-42, F-43: an hour back, a day ahead."""
    for jump in (-HOUR, DAY):
        bench = Bench(LIMITS).confirmed()
        bench.pump.latency_ms = 0
        bench.ask(bolus(2_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        bench.clock.jump_wall(jump)
        bench.wait(HOUR)
        assert held(bench, HOUR) == 2_000
        assert bench.guard.plan_ms == HOUR


def test_suspending_the_host_ages_like_any_time_because_the_boot_clock_counts_it() -> None:
    """F-44."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(24_000, 4 * HOUR))
    bench.wait(6 * HOUR)
    assert held(bench, HOUR) == 0
    assert bench.guard.elapsed_known


def test_a_bolus_ages_by_95_in_100_where_it_unlocks_and_in_full_where_it_began() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(bolus(2_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.wait(10 * HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    history, now = bench.guard._state.history, bench.guard._now()
    assert now - history.last_bolus_end == 10 * HOUR * 95 // 100 - 10 * MINUTE
    assert history._lanes.doses[0].start == now - 10 * HOUR


def test_two_reboots_in_a_row_keep_what_was_held_between_them() -> None:
    """The hold of the first boot may have flowed at any time until the person says how long it all took."""
    bench = rebooted(2 * HOUR, tells_time=False)
    bench.guard.stop("restart")
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)
    bench.wait(2 * HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    truth = bench.pump.given() - bench.pump.given(bench.clock.true_ms - 4 * HOUR)
    assert truth <= held(bench, 4 * HOUR)
    assert held(bench, 1_000) >= 6_000
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl


@pytest.mark.parametrize("given", [{"baclofen": 5_000}, {"baclofen": 5_000, "morphine": 7}])
def test_what_was_given_before_counts_in_mass_for_each_drug_and_is_no_volume_of_this_journal(
    given: dict[str, int],
) -> None:
    bench = Bench(LIMITS).confirmed(given=given)
    assert bench.guard.high_nl == 0
    bench.wait(1)
    assert [bench.guard._state.history.held_pg(drug, -DAY, 1) for drug in given] == list(given.values())


def test_a_drug_given_before_that_the_limits_do_not_know_is_denied_as_long_as_it_counts() -> None:
    bench = Bench(LIMITS).confirmed(given={"morphine": 7})
    answer = bench.ask(basal(100, HOUR))
    assert codes(answer) == {"cap-window"}
    assert "no limit for this drug" in str(answer)


def test_no_request_is_drafted_without_limits() -> None:
    with pytest.raises(ValueError, match="no limits"):
        State().drafted(Ask("r", Purpose.BASAL, "stage-0", (basal(100, HOUR),)), 0, doubt=0)


def test_a_state_without_limits_takes_no_reading() -> None:
    bench = Bench(None)
    bench.guard.stop("test")
    assert (bench.guard.low_nl, bench.guard.high_nl) == (0, 0)
    assert bench.guard.hold_until_ms is None


def test_a_reboot_before_the_first_confirm_leaves_nothing_to_age() -> None:
    bench = Bench(LIMITS)
    bench.guard.raise_alarm("silence", "test")
    bench.clock.advance(HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.confirmed(plan_ms=7)
    assert (bench.guard.plan_ms, bench.guard.elapsed_known) == (7, True)


def test_what_the_counter_shows_while_time_is_not_known_stays_where_it_was_seen() -> None:
    """A reading in the new boot bounds what was given; a run-away in it is not moved back with the rest."""
    bench = rebooted(2 * HOUR, tells_time=False)
    bench.guard.read_status()
    assert bench.guard.high_nl == 24_001  # no more than the lease holds
    bench.pump.extra_nl = 90_000
    bench.guard.read_status()
    bench.confirmed(plan_ms=3 * HOUR, given=None)
    bench.wait(1)
    assert held(bench, 1_000) >= 90_000
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl


def test_a_path_that_is_said_to_be_empty_counts_as_filled() -> None:
    fluids = {"path": {}, "reservoir": {"baclofen": [0, 1_000_000]}}
    bench = Bench(limits([account(rows=rows((6_000, 24_000, 144_000)))], fluids=fluids)).confirmed()
    assert codes(bench.ask(basal(60_000, HOUR))) == {"basal-window"}
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_a_counter_read_after_the_reboot_narrows_what_may_have_been_given_meanwhile() -> None:
    """A bolus of 2,000 nL was lost and resolved; the counter shows that only the hour of basal was given."""
    bench = Bench(LIMITS, DUMB).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(6_000, HOUR))
    bench.at(59 * MINUTE)
    bench.pump.answers = ["lost"]
    bench.ask(bolus(2_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.guard.resolve(bench.pump.sent[-1].id, "tester", "seen")
    bench.at(75 * MINUTE)
    bench.guard.raise_alarm("wall-clock", "the last record of this boot")
    bench.wait(5 * HOUR)
    bench.clock.reboot()
    bench.restart()
    assert bench.guard.high_nl == 8_001
    bench.guard.read_status()
    assert (bench.guard.low_nl, bench.guard.high_nl) == (5_900, 6_100)
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    assert (bench.guard.low_nl, bench.guard.high_nl) == (5_900, 6_100)
    assert held(bench, 7 * HOUR) == 8_000  # where it can have flowed it still counts
    assert held(bench, 4 * HOUR) == 0


def test_a_run_sent_in_the_last_instant_before_the_reboot_is_no_run_between_two() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(24_000, 4 * HOUR))
    bench.wait(3 * HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    assert (held(bench, HOUR), held(bench, DAY)) == (6_000, 18_000)


def test_after_days_and_a_reboot_the_ledger_still_holds_the_truth_and_a_healthy_pump_raises_no_alarm() -> (
    None
):
    """What was forgotten long ago stays in the sums; the counter is followed over the gap."""
    bench = Bench(LIMITS).confirmed()
    bench.pump.latency_ms = 0
    for hour in range(60):
        bench.at(hour * HOUR)
        assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)
    bench.wait(3 * HOUR)
    bench.clock.reboot()
    bench.restart()
    assert bench.guard.high_nl >= bench.pump.given() == 360_000
    bench.guard.read_status()
    assert bench.guard.low_nl <= 360_000 <= bench.guard.high_nl <= 360_300
    bench.confirmed(plan_ms=62 * HOUR, given=None)
    for hour in range(62, 66):
        bench.clock.advance(hour * HOUR - bench.clock.true_ms)
        assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)
        bench.guard.read_status()
    assert not list(bench.guard.alarms)
    bench.pump.extra_nl = 1_000
    bench.guard.read_status()
    assert "over-delivery" in {alarm.row.code for alarm in bench.guard.alarms}
