"""S-26, S-28, D-16, F-47: how time goes on in what the guard knows, record by record."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import PumpState, PumpStatus
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.state import LifeSign, State
from tests.safety.kit import DAY, HOUR, basal
from tests.safety.told import Told, told


def test_a_state_that_was_told_nothing_knows_of_nothing() -> None:
    state = State()
    assert state.moment(7, "a") == (7, True)
    assert not state.timeless
    assert (state.fill, state.left_by(7), state.runs_low) == ((0, 0, 0), (0, 0), False)
    assert (state.primed_until < -DAY, state.loaded_at < -DAY) == (True, True)


def test_a_record_that_was_written_with_an_earlier_time_does_not_set_guard_time_back() -> None:
    state = told().confirm(1_000).counter(500, 0).state
    assert state.moment(0, "a") == (1_000, True)
    assert state.moment(1_001, "a") == (1_001, True)


def test_a_boot_without_a_record_stands_and_the_next_is_timeless_until_it_is_told_how_long() -> None:
    made = told().confirm(1_000)
    made.boot = "b"
    assert made.state.moment(50, "b") == (1_001, False)
    made.counter(50, 0)
    assert made.state.moment(60, "b") == (1_011, False)
    assert made.state.moment(60, "a") == made.state.moment(60, "c") == (1_002, False)
    made.confirm(60, off_ms=0)
    assert made.state.moment(60, "b") == (1_011, True)


def test_plan_time_and_utc_run_on_from_the_last_confirm() -> None:
    made = told()
    assert made.state.plan_ms(5) is None
    assert made.state.utc_ms(5, 99) == 99
    assert made.state.ahead_ms(5, 99) == 0
    assert made.state.plan_after(5, 7) is None
    state = made.confirm(1_000, plan_ms=50, utc_ms=70).state
    assert state.plan_ms(1_500) == 550
    assert state.utc_ms(1_500, 99) == 570
    assert state.ahead_ms(1_500, 600) == 30
    assert state.plan_after(1_500, 20) == 570


def over_a_reboot(at: int = 1_000) -> Told:
    """Nearly everything ``at``; the last instant of the first boot is 1,000, and the first record of the next, at 200
    ms of it, is at 1,001.
    """
    made = told().limits(at, plan_ms=30, plan={"id": "NEXT", "sha256": "0" * 64})
    made.confirm(at, plan_ms=50, utc_ms=70).seen(at)
    made.tell("alarm", at, code="silence", what="raised", detail="").counter(1_000, 0, since=900, tick_ms=500)
    made.boot = "b"
    return made.tell("alarm", 200, code="stale", what="raised", detail="")


@pytest.mark.parametrize("at", [1_000, 900])
def test_a_time_off_that_the_pump_tells_moves_all_that_was_up_to_the_reboot(at: int) -> None:
    """10,000 ms by its clock, between two answers of 100 ms: up to 10,099 ms, and 9,399 that unlock."""
    state = over_a_reboot(at).counter(200, 0, since=100, tick_ms=10_500).state
    assert not state.timeless
    assert state.run_at == at - 10_099
    assert state.loaded_at == at - 9_399
    assert state.plan_ms(1_001) == 50 + 1_001 - at + 10_099
    assert state.utc_ms(1_001, 0) == 70 + 1_001 - at + 10_099
    assert {alarm.row.code: alarm.at_ms for alarm in state.board} == {"silence": at - 10_099, "stale": 1_001}
    assert [(mark.since, mark.at) for mark in state.sightings] == [(at - 10_099, at - 9_899)]


def test_a_time_off_that_a_person_tells_is_taken_as_it_is_said() -> None:
    state = over_a_reboot().confirm(200, off_ms=10_000).state
    assert state.loaded_at == -9_000
    assert [(mark.since, mark.at) for mark in state.sightings] == [(-9_000, -9_000)]


@pytest.mark.parametrize(("last", "tick_ms"), [(1_000, 93_600), (900, 93_695)])
def test_after_a_time_off_that_a_person_told_a_status_from_before_it_is_an_old_one(
    last: int, tick_ms: int
) -> None:
    """It was off for 100 s, and 1 ms has gone by since: less 2 s, of which the slowest clock tells 95 in 100."""
    made = told().counter(last, 0, since=last - 100, tick_ms=500)
    made.tell("alarm", 1_000, code="silence", what="raised", detail="")
    made.boot = "b"
    state = made.confirm(200, off_ms=100_000).state
    assert (state.lags(7, tick_ms - 1, 1_001), state.lags(7, tick_ms, 1_001)) == (True, False)


def test_a_time_off_that_a_person_told_is_not_counted_again_when_the_pump_tells_of_it_and_the_next() -> None:
    """The pump's clock ran 30,000 ms, of which 10,000 were told, and the host ran through 102 to 3 ms of it itself."""
    made = told().counter(1_000, 0, since=900, tick_ms=500)
    made.boot = "b"
    made.confirm(200, off_ms=10_000).limits(201, plan={"id": "NEXT", "sha256": "d" * 64}).seen(201)
    made.boot = "c"
    state = made.counter(50, 0, since=50, tick_ms=30_500).state
    assert not state.timeless
    assert state.loaded_at == 1_002 - (30_000 * 95 // 100 - (1_003 + 9_100))
    assert [mark.since for mark in state.sightings] == [1_002 - (30_000 - (1_003 + 9_000))]
    assert [mark.at for mark in state.sightings] == [1_002 - (30_000 - (1_003 + 9_100))]


def test_what_the_pump_told_after_the_reboot_is_no_older_for_the_time_off() -> None:
    """Its clock had begun anew, so that a person had to tell."""
    made = over_a_reboot().counter(201, 0, since=200, tick_ms=0, epoch=8)
    made.confirm(202, off_ms=DAY)
    assert not made.state.lags(8, 0, 1_003)
    assert not made.state.timeless


def test_a_second_clock_that_began_after_the_reboot_tells_nothing_of_it() -> None:
    made = over_a_reboot().counter(201, 0, since=200, tick_ms=0, epoch=8)
    made.counter(301, 0, since=300, tick_ms=100, epoch=8)
    assert made.state.timeless


def test_of_two_reboots_only_what_was_before_the_first_is_moved() -> None:
    made = over_a_reboot().seen(201)
    made.boot = "a"  # whichever comes first by its name
    state = made.seen(70).confirm(70, off_ms=10_000).state
    assert [mark.at for mark in state.sightings] == [-9_000, 1_002, 1_003]


@pytest.mark.parametrize("last", [1_000, 900])
def test_the_last_thing_that_the_pump_told_before_tells_the_time_off_however_long_ago(last: int) -> None:
    made = told().counter(last, 0, since=last - 100, tick_ms=500)
    made.tell("alarm", 1_000, code="silence", what="raised", detail="")
    made.boot = "b"
    assert not made.counter(200, 0, since=100, tick_ms=10_500).state.timeless


def test_a_pump_that_told_no_time_before_the_reboot_cannot_tell_how_long_it_was() -> None:
    made = told().counter(1_000, 0)
    made.boot = "b"
    assert made.counter(200, 0, since=100, tick_ms=10_500).state.timeless


def test_a_reading_is_of_the_boot_it_was_asked_in_however_long_the_answer_took() -> None:
    """What it shows beyond all permits stays where it was seen, and is not moved back with what was before."""
    made = told().counter(1_000, 0)
    made.boot = "b"
    made.counter(200, 0, since=100).counter(201, 9_000, since=200).confirm(201, off_ms=10_000)
    held = made.state.history.held_pg
    assert held("baclofen", -DAY, 1_001) == 0
    assert held("baclofen", 1_001, 1_002) == 9_100


def test_a_time_off_moves_nothing_that_came_after_the_reboot() -> None:
    made = over_a_reboot()
    made.limits(201, plan_ms=80, plan={"id": "THIRD", "sha256": "e" * 64})
    made.confirm(201, plan_ms=80, utc_ms=90).seen(201)
    assert (made.state.run_at, made.state.loaded_at) == (1_002, 1_002)
    state = made.counter(201, 0, since=200, tick_ms=10_500).state
    assert (state.run_at, state.loaded_at) == (1_002, 1_002)
    assert (state.plan_ms(1_002), state.utc_ms(1_002, 0)) == (80, 90)
    assert [mark.at for mark in state.sightings] == [-8_898, 1_002]


def test_a_time_off_is_told_once() -> None:
    made = over_a_reboot().counter(200, 0, since=100, tick_ms=10_500)
    made.counter(300, 0, since=300, tick_ms=90_000)
    assert made.state.plan_ms(1_101) == 50 + 101 + 10_099
    made.confirm(300, plan_ms=10_250, utc_ms=10_270, off_ms=DAY)
    assert [mark.at for mark in made.state.sightings] == [-8_899], "nobody moves it a second time"


@pytest.mark.parametrize(("tick_ms", "epoch", "known"), [
    (500, 7, True), (499, 7, False), (10_500, 6, False), (10_500, 8, False), (None, 7, False),
])  # fmt: skip
def test_only_the_same_clock_that_went_on_tells_how_long_the_host_was_off(
    tick_ms: int | None, epoch: int, known: bool
) -> None:
    """F-47. It may have been no time at all."""
    state = over_a_reboot().counter(200, 0, since=100, tick_ms=tick_ms, epoch=epoch).state
    assert state.timeless is not known
    if known:
        assert state.run_at == 1_000 - 99
        assert state.loaded_at == 1_000, "nothing of it is sure"


def test_a_pumps_clock_that_tells_less_than_has_gone_by_moves_nothing() -> None:
    state = over_a_reboot().counter(200, 0, since=200, tick_ms=500).state
    assert (state.timeless, state.run_at, state.loaded_at) == (False, 1_000, 1_000)


def _ask() -> Ask:
    return Ask("x", Purpose.BASAL, "stage-0", (basal(100, HOUR),))


@pytest.mark.parametrize(("plan_ms", "moves"), [(3_000, 0), (7_000, 0), (4_000, 0), (2_999, 1), (7_001, 1)])
def test_a_confirm_that_moves_plan_time_by_more_than_two_seconds_opens_a_new_account_of_basal(
    plan_ms: int, moves: int
) -> None:
    """D-16."""
    state = told().confirm(0).confirm(5_000, plan_ms=plan_ms).state
    assert state.drafted(_ask(), 5_000, doubt=0).run.key == f"aaaaaaaaaaaaaaaa/stage-0/{moves}"
    assert state.drafted(_ask(), 5_000, doubt=0).bolus_key == "aaaaaaaaaaaaaaaa/stage-0"


# --- the pump's own time -------------------------------------------------------------------------------


def ticking(tick_ms: int = 500, counter: int = 300) -> State:
    """At 1,000 it told 500 ms of its own time, and 300 nL."""
    return told().counter(1_000, counter, tick_ms=tick_ms, since=900).state


@pytest.mark.parametrize(("epoch", "tick_ms", "counter", "before"), [
    (7, 500, 300, True), (7, 500, 301, False), (7, 500, 299, True), (7, 501, 299, False), (7, 499, 301, True),
    (6, 500, 300, False), (8, 500, 300, False),
])  # fmt: skip
def test_a_status_was_told_before_by_its_time_and_then_its_counter(
    epoch: int, tick_ms: int, counter: int, before: bool
) -> None:
    assert ticking().told_before(epoch, tick_ms, counter) is before


def test_a_pump_that_tells_no_time_told_nothing_before_and_never_lags() -> None:
    state = told().counter(1_000, 300).state
    assert not state.told_before(7, 0, 0)
    assert not state.lags(7, 0, DAY)


@pytest.mark.parametrize(("epoch", "tick_ms", "lags"), [
    (7, 95_499, True), (7, 95_500, False), (6, 95_499, False), (8, 95_499, False),
])  # fmt: skip
def test_a_status_is_old_that_is_two_seconds_and_5_in_100_behind_the_hosts_clock(
    epoch: int, tick_ms: int, lags: bool
) -> None:
    """102 s later: less 2 s on its way 100 s, of which the slowest clock tells 95."""
    assert ticking().lags(epoch, tick_ms, 103_000) is lags
    assert ticking().lags(epoch, tick_ms, 103_001) is lags, "950 us more"


@pytest.mark.parametrize(("dosed", "epoch", "alarm", "reset"), [
    (True, 7, "", False), (True, 6, "", True), (True, 8, "", True), (True, 7, "reset", True),
    (False, 8, "", False), (False, 7, "reset", False),
])  # fmt: skip
def test_a_pump_that_was_told_something_has_reset_by_its_word_or_its_epoch(
    dosed: bool, epoch: int, alarm: str, reset: bool
) -> None:
    made = told()
    if dosed:
        made.run(0, 6_000, HOUR)
    made.counter(1_000, 0, tick_ms=500)
    status = PumpStatus(epoch, 1, 0, PumpState.IDLE, 0, alarms=frozenset({alarm} - {""}))
    assert made.state.reset_since(status) is reset


def test_a_pump_that_tells_no_time_has_reset_by_its_word_alone() -> None:
    state = told().run(0, 6_000, HOUR).counter(1_000, 0).state
    assert not state.reset_since(PumpStatus(8, 1, 0, PumpState.IDLE, 0))
    assert state.reset_since(PumpStatus(7, 1, 0, PumpState.IDLE, 0, alarms=frozenset({"reset"})))


@pytest.mark.parametrize(("boot", "ms", "later"), [
    ("b", 50, False), ("b", 51, True), ("b", 49, False), ("a", 5_000, False), ("c", 51, False),
])  # fmt: skip
def test_a_sign_of_life_is_of_the_boot_of_the_last_record_and_later(boot: str, ms: int, later: bool) -> None:
    made = told().confirm(1_000)
    made.boot = "b"
    assert made.counter(50, 0).state.lived_past(LifeSign(boot, ms)) is later


def test_a_sign_of_life_before_any_record_is_of_no_boot_of_this_journal() -> None:
    assert not State().lived_past(LifeSign("a", 5_000))
