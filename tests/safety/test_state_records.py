"""S-04, S-09, S-26, D-14, D-15: what commands, counters and an independent sensor change, record by record."""

from __future__ import annotations

import pytest

from tests.safety.kit import DAY, HOUR, MINUTE, Bench, limits
from tests.safety.told import STAGE, Told, told


def test_readings_of_the_last_24_hours_are_kept_and_none_of_another_origin_that_began_anew() -> None:
    made = told().seen(0, 5).seen(1, 6)
    assert [mark.nl for mark in made.seen(DAY, 7).state.sightings] == [5, 6, 7]
    assert [mark.nl for mark in made.seen(DAY + 1, 8).state.sightings] == [6, 7, 8]
    assert [mark.nl for mark in made.seen(DAY + 2, 9, anew=True).state.sightings] == [9]


def test_a_reading_is_noted_in_guard_time_with_what_it_said() -> None:
    made = told().confirm(1_000)
    made.boot = "b"
    made.seen(50, 900, since=40, until=45, origin="B", most=33)
    (mark,) = made.state.sightings
    assert tuple(mark) == (991, 996, 900, "B", 33)
    (_, later) = made.seen(60, 901, since=99, until=70).state.sightings
    assert tuple(later)[:2] == (1_011, 1_011), "nothing is seen before it is written"
    (*_, odd) = made.seen(80, 902, since=79, until=75).state.sightings
    assert tuple(odd)[:2] == (1_026, 1_026)


def test_what_a_sensor_proves_beyond_all_permits_counts_at_the_tip_while_it_can_have_left() -> None:
    made = told().seen(HOUR, since=50 * MINUTE, extra=5_000, extra_from=40 * MINUTE)
    held = made.state.history.held_pg
    assert held("baclofen", 0, 40 * MINUTE) == 0
    assert held("baclofen", 0, 40 * MINUTE + 1) == 5_000
    assert held("baclofen", HOUR - 1, 2 * HOUR) == 5_000
    assert held("baclofen", HOUR, 2 * HOUR) == 0
    assert made.state.history.high_nl == 5_000
    made.seen(2 * HOUR, since=2 * HOUR, until=2 * HOUR, extra=0, extra_from=HOUR)
    assert made.state.history.high_nl == 5_000


def test_what_a_sensor_proves_in_a_later_boot_is_held_in_guard_time() -> None:
    made = told().confirm(1_000)
    made.boot = "b"
    made.seen(50, since=50, extra=5_000, extra_from=45)
    held = made.state.history.held_pg
    assert (held("baclofen", -DAY, 996), held("baclofen", 996, 997)) == (0, 5_000)


def test_a_sensor_is_read_in_run_or_not_and_only_then_the_hold_begins_anew() -> None:
    """D-14."""
    made = told().confirm(0).seen(1_000).counter(2_000, 0)
    assert made.state.run_at == 0
    assert made.seen(3_000, run=True).state.run_at == 3_000
    assert made.counter(4_000, 0, run=True).state.run_at == 4_000


def test_a_sign_of_life_is_of_its_own_boot_though_another_one_writes_it_down() -> None:
    made = told().confirm(0)
    made.boot = "b"
    state = made.tell("alive", 5_000, boot="a").state
    assert (state.boot_id, state.run_at, state.timeless) == ("a", 5_000, False)


def test_records_of_others_are_left_alone() -> None:
    made = told()
    made.state.apply("bolus", {"outcome": "delivered"}, "b")
    assert (made.state.boot_id, made.state.last) == ("a", 0)


# --- commands -----------------------------------------------------------------------------------------


def test_a_request_is_taken_once_until_it_is_proven_that_it_gave_nothing() -> None:
    made = told().intent(0, 6_000, HOUR).acked(10)
    made.intent(20, 6_000, HOUR)
    assert (made.state.requests, list(made.state.unsettled)) == ({"r1": 1, "r2": 2}, [2])
    made.tell("outcome", 30, id=2, what="unknown")
    assert list(made.state.unsettled) == [2]
    made.intent(35, 6_000, HOUR)
    made.tell("evidence", 40, id=2, what="not-given", lo=0, hi=0, ended=True)
    assert (made.state.requests, list(made.state.unsettled)) == ({"r1": 1, "r3": 3}, [3])
    assert (made.state.last_permit, made.state.dosed, made.state.at_rest) == (3, True, False)


def test_who_was_told_nothing_yet_is_not_at_rest() -> None:
    """D-14: confirmed, and nothing is due yet: a life in RUN."""
    assert Bench(limits([STAGE])).confirmed().guard.in_run


def test_a_command_that_nothing_bounds_may_begin_at_any_time_until_a_person_resolves_it() -> None:
    made = told().intent(0, 6_000, HOUR, doubt_ms=None)
    assert made.state.history.held_pg("baclofen", 10 * DAY, 10 * DAY + HOUR) == 6_001
    made.tell("resolve", 10_000, id=1)
    assert made.state.history.held_pg("baclofen", HOUR + 9_000, HOUR + 10_000) == 2
    assert made.state.history.held_pg("baclofen", HOUR + 10_000, 20 * DAY) == 0


def test_evidence_brings_a_reading_which_narrows_what_may_have_been_given() -> None:
    made = told().counter(0, 0).intent(0, 6_000, HOUR)
    reading = {"counter": 3_000, "epoch": 7, "tick_ms": None, "since": 2 * HOUR}
    made.tell("evidence", 2 * HOUR, id=1, what="given", lo=3_000, hi=3_000, ended=True, **reading)
    assert (made.state.history.low_nl, made.state.history.high_nl) == (2_900, 3_100)


@pytest.mark.parametrize(("clears", "high"), [(None, 6_001), (False, 6_001), (True, 50_100)])
def test_a_counter_that_began_anew_shows_what_left_while_nobody_looked_only_if_commands_clear_it(
    clears: bool | None, high: int
) -> None:
    data = {} if clears is None else {"clears": clears}
    made = told().counter(0, 0).run(0, 6_000, HOUR, **data).counter(2 * HOUR, 50_000, epoch=8)
    assert made.state.history.high_nl == high


def test_what_counts_in_a_window_of_two_days_is_not_forgotten_after_one() -> None:
    caps = [{"drug": "baclofen", "hours": hours, "pg": 10**9} for hours in (24, 48)]
    made = Told().limits(0, caps=caps).run(0, 6_000, HOUR)
    made.limits(1).run(40 * HOUR, 100, HOUR).run(41 * HOUR, 100, HOUR)
    assert made.state.history.held_pg("baclofen", 0, HOUR) == 6_001


def test_a_refusal_gives_nothing_and_only_one_that_shows_standstill_ends_what_ran() -> None:
    for stands in (False, True):
        made = told().run(0, 6_000, HOUR).intent(30 * MINUTE, 6_000, HOUR)
        made.tell("outcome", 30 * MINUTE, id=2, what="refused", since=30 * MINUTE, stands=stands)
        assert (made.state.requests, made.state.unsettled) == ({"r1": 1}, {})
        assert made.state.at_rest is stands
        assert made.state.history.high_nl == (3_001 if stands else 6_001)


def test_a_hold_is_no_run_and_its_volume_is_kept_as_long_as_it_may_flow() -> None:
    """D-14: the hold's bound counts from the last run; a command of a plan is one."""
    made = told().confirm(0).run(1_000, 6_000, HOUR, purpose="hold")
    assert (made.state.run_at, made.state.holds) == (0, {1: 6_000})
    made.run(2_000, 5_000, HOUR, purpose="hold")
    assert set(made.state.holds) == {1, 2}
    made.intent(3_000, 4_000, HOUR, purpose="hold").tell("outcome", 3_000, id=3, what="refused")
    assert set(made.state.holds) == {1, 2}
    made.run(4_000, 6_000, HOUR)
    assert (made.state.run_at, made.state.holds) == (4_000, {})


def test_a_prime_is_known_with_its_volume_and_its_latest_end() -> None:
    made = told().intent(1_000, 9_000, HOUR, purpose="prime", kind="prime")
    assert (made.state.primes, made.state.primed_until) == ({1: 9_000}, 1_000 + HOUR)
    made.tell("outcome", 1_000, id=1, what="refused")
    assert made.state.primes == {}


def test_a_stop_that_was_taken_ends_all_and_one_that_was_not_ends_only_what_is_sure() -> None:
    """S-09."""
    made = told().run(0, 6_000, HOUR).tell("stop", 30 * MINUTE, what="unknown", since=20 * MINUTE)
    assert (made.state.at_rest, made.state.history.high_nl) == (False, 6_001)
    assert made.state.history.surely_nl(0, HOUR) == 2_000
    made.tell("stop", 40 * MINUTE, what="acked", since=35 * MINUTE)
    assert (made.state.at_rest, made.state.history.high_nl) == (True, 4_001)
    assert made.run(50 * MINUTE, 100, HOUR).state.at_rest is False


def test_a_stop_before_that_nobody_can_have_asked_is_taken_for_one_of_now() -> None:
    for what in ("unknown", "acked"):
        made = told().run(0, 6_000, HOUR).tell("stop", 30 * MINUTE, what=what, since=40 * MINUTE)
        assert made.state.history.surely_nl(0, HOUR) == 3_000


@pytest.mark.parametrize("what", ["unknown", "acked"])
def test_a_stop_in_a_later_boot_ends_what_is_sure_when_it_was_sent(what: str) -> None:
    made = told().counter(0, 0, tick_ms=0).run(0, 6_000, HOUR)
    made.boot = "b"
    made.counter(1_000, 0, tick_ms=1).tell("stop", 1_000 + 30 * MINUTE, what=what, since=1_000 + 20 * MINUTE)
    assert made.state.history.surely_nl(0, HOUR) == 2_000


def test_what_a_person_resolves_stays_in_the_books_and_blocks_no_more() -> None:
    """D-15."""
    made = told().intent(0, 6_000, HOUR).tell("resolve", 10_000, id=1)
    assert (made.state.unsettled, made.state.history.high_nl) == ({}, 6_001)
    assert made.state.requests == {"r1": 1}, "it may have been given"


def test_what_was_given_before_this_journal_is_held_against_the_caps_and_the_lockout() -> None:
    made = told()
    data = {"plan_ms": 0, "utc_ms": 0, "off_ms": None, "pump": "p", "given": {"baclofen": 5_000}}
    made.tell("confirm", 1_000, **data)
    held = made.state.history.held_pg
    assert (held("baclofen", 0, 999), held("baclofen", 0, 1_000), held("baclofen", 1_000, DAY)) == (
        0,
        5_000,
        0,
    )
    assert made.state.history.last_bolus_end == 1_000
    assert made.state.history.high_nl == 0
    assert told().confirm(1_000).state.history.last_bolus_end < -DAY


# --- counters -----------------------------------------------------------------------------------------


def test_a_record_without_a_counter_or_before_any_limits_tells_nothing_of_what_was_given() -> None:
    made = Told().counter(0, 100)
    assert not made.state.told_before(7, 0, 0)
    assert made.limits(1).counter(10, 5_000).state.history.high_nl == 0, (
        "there was nothing to compare it with"
    )
    made = told().counter(0, 0).counter(10, None, epoch=None)
    assert made.state.history.high_nl == 0


def test_what_a_counter_shows_beyond_all_permits_counts_where_it_was_asked_for() -> None:
    made = told().counter(0, 0, since=0).counter(HOUR, 0, since=HOUR - 5)
    made.counter(2 * HOUR, 9_000, since=2 * HOUR - 5)
    held = made.state.history.held_pg
    assert held("baclofen", HOUR - 6, HOUR - 5) == 0
    assert held("baclofen", HOUR - 6, HOUR - 4) == 9_100


def test_a_reading_that_nobody_can_have_asked_yet_is_taken_for_one_of_now() -> None:
    made = told().counter(0, 0).counter(HOUR, 0, since=HOUR + 5).counter(2 * HOUR, 9_000)
    held = made.state.history.held_pg
    assert (held("baclofen", 0, HOUR), held("baclofen", HOUR, HOUR + 1)) == (0, 9_100)


def test_a_counter_that_is_read_in_a_run_by_a_pump_without_ticks_takes_nothing_away() -> None:
    for runs, high in ((True, 6_001), (False, 4_200)):
        made = told().counter(0, 0).run(0, 6_000, HOUR)
        made.tell("stop", 10 * MINUTE, what="unknown", since=0)
        made.counter(HOUR, 4_100, runs=runs)
        assert made.state.history.high_nl == high
