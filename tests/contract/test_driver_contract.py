"""The contract of every driver on every line: what it says, set beside what truly left the pump.

A driver may know less than it could (Unknown, Nothing), it may never know something that is not so.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import Given, Identity, NotGiven, Nothing, PumpState, Refused, StepKind, Unknown
from tests.contract.bench import HOUR, MINUTE, PORTION, Bench, acked, status, unproven
from tests.contract.lines import only

HALF, LESS, LITTLE = PORTION // 2, PORTION * 3 // 5, PORTION * 2 // 5


def holds(found: object, bench: Bench, nl: int, off: int = 0) -> bool:
    """Evidence that holds the truth, and holds it no wider than the counter's digit."""
    assert isinstance(found, Given), found
    width = bench.declared.off_nl + off
    return found.lo_nl - width <= nl <= found.hi_nl + width and found.hi_nl - found.lo_nl <= 4 * width


# ---- the healthy pump --------------------------------------------------------------------------


def test_identify_tells_who_answers_and_what_it_can_do(bench: Bench) -> None:
    bench.identified()
    told = bench.driver.identify()
    assert isinstance(told, Identity)
    assert told.serial == bench.declared.serial
    assert told.epoch == status(bench).epoch
    ranges = bench.driver.capabilities
    assert ranges.protocol == bench.declared.protocol
    assert ranges.simulated is bench.link.simulated
    assert ranges.max_steps >= 1
    assert ranges.step_nl >= 1
    assert bench.driver.identify() == told
    assert bench.driver.capabilities == ranges


def test_before_identify_nothing_is_delivered(bench: Bench) -> None:
    assert isinstance(bench.driver.deliver(bench.permit((PORTION, HOUR))), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 0


def test_what_is_delivered_flows_evenly_and_ends_by_itself(bench: Bench) -> None:
    permit = bench.permit((PORTION, HOUR))
    told = acked(bench.identified().deliver(permit))
    assert (told.state, told.running_id) == (PumpState.RUNNING, permit.id)
    bench.wait(HOUR // 2)
    assert bench.near(HALF)
    assert abs(status(bench).delivered_nl - bench.delivered_nl) <= bench.declared.off_nl
    running = bench.driver.evidence(permit.id)
    assert holds(running, bench, HALF)
    assert isinstance(running, Given)
    assert not running.ended
    bench.wait(10 * HOUR)
    told = status(bench)
    assert (told.state, told.running_id) == (PumpState.IDLE, None)
    assert abs(told.delivered_nl - PORTION) <= bench.declared.off_nl
    assert bench.near(PORTION)
    ended = bench.driver.evidence(permit.id)
    assert holds(ended, bench, PORTION)
    assert isinstance(ended, Given)
    assert ended.ended


def test_steps_flow_in_order_each_with_its_own_volume(bench: Bench) -> None:
    steps = [(2 * PORTION, HOUR), (0, 20 * MINUTE), (HALF, HOUR)][: bench.identified().capabilities.max_steps]
    acked(bench.driver.deliver(bench.permit(*steps, kind=StepKind.BOLUS)))
    given = 0
    for volume, duration in steps:
        given += volume
        bench.wait(duration)
        assert bench.near(given)
    bench.wait(2 * HOUR)
    assert bench.near(given)


def test_a_new_permit_replaces_what_runs_and_the_old_one_keeps_what_it_gave(bench: Bench) -> None:
    old, new = bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))
    acked(bench.identified().deliver(old))
    bench.wait(HOUR // 2)
    assert acked(bench.driver.deliver(new)).running_id == new.id
    replaced = bench.driver.evidence(old.id)
    assert holds(replaced, bench, HALF)
    assert isinstance(replaced, Given)
    assert replaced.ended
    bench.wait(3 * HOUR)
    assert bench.near(HALF + LESS, off=bench.declared.off_nl)


def test_each_status_has_a_greater_tick_and_no_smaller_counter(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((PORTION, HOUR))))
    told = []
    for _ in range(5):
        bench.wait(10 * MINUTE)
        told.append(status(bench))
    assert all(a.tick < b.tick for a, b in pairwise(told))
    assert all(a.delivered_nl <= b.delivered_nl for a, b in pairwise(told))
    if bench.driver.capabilities.tells_time:
        assert all(a.tick_ms < b.tick_ms for a, b in pairwise(told))


@pytest.mark.parametrize("more", [1, 2, 200])
def test_more_steps_than_the_pump_holds_are_refused_and_nothing_starts(more: int, bench: Bench) -> None:
    count = bench.identified().capabilities.max_steps + more
    assert isinstance(bench.driver.deliver(bench.permit(*[(HALF, MINUTE)] * count)), Refused)
    bench.wait(HOUR)
    assert bench.delivered_nl == 0


def test_an_expired_permit_is_refused_and_nothing_starts(bench: Bench) -> None:
    permit = bench.permit((PORTION, HOUR))
    bench.identified()
    bench.line.wait(permit.expires_ms - bench.now_ms)
    assert isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(HOUR)
    assert bench.delivered_nl == 0


@only(lambda declared: declared.settings.wire_timeout_s is not None and declared.protocol != "reference")
def test_a_pump_with_a_wire_time_out_stops_by_itself_when_the_host_is_silent(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((PORTION, HOUR))))
    bench.line.wait(HOUR)
    assert bench.near(PORTION // 60, off=10)  # a minute of the hour


# ---- stop --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    ["unidentified", "idle", "running", "prepared", "unknown", "stalled", "empty", "reset", "stopped"],
)
def test_stop_is_acked_in_every_state_and_nothing_flows_after_it(state: str, bench: Bench) -> None:
    permit = bench.permit((PORTION, HOUR))
    if state != "unidentified":
        bench.identified()
    if state == "empty":
        bench.empty_soon(left_nl=4_000)
    if state in {"running", "stalled", "empty", "reset", "stopped"}:
        acked(bench.driver.deliver(permit))
        bench.wait(20 * MINUTE)
    if state == "prepared":
        bench.lose_reply_to_preparation()
        assert not isinstance(bench.driver.deliver(permit), Unknown)
    if state == "unknown":
        bench.lose_reply_to_start()
        bench.driver.deliver(permit)
    if state == "stalled":
        bench.stall()
        bench.wait(10 * MINUTE)
    if state == "reset":
        bench.lose_power()
    if state == "stopped":
        acked(bench.driver.stop())
    before = bench.delivered_nl
    for _ in range(2):
        assert acked(bench.driver.stop()).state is not PumpState.RUNNING
    bench.wait(2 * HOUR)
    assert abs(bench.delivered_nl - before) <= bench.declared.off_nl


def test_a_stopped_permit_is_never_resumed_and_the_next_one_is_taken(bench: Bench) -> None:
    first, second = bench.permit((PORTION, HOUR)), bench.permit((LITTLE, HOUR))
    acked(bench.identified().deliver(first))
    bench.wait(HOUR // 2)
    acked(bench.driver.stop())
    found = bench.driver.evidence(first.id)
    assert holds(found, bench, HALF)
    assert isinstance(found, Given)
    assert found.ended
    acked(bench.driver.deliver(second))
    bench.wait(2 * HOUR)
    assert bench.near(HALF + LITTLE, off=bench.declared.off_nl)


# ---- the pump in trouble -----------------------------------------------------------------------


def test_power_loss_ends_the_run_for_good_and_shows_as_a_new_epoch(bench: Bench) -> None:
    permit, later = bench.permit((PORTION, HOUR)), bench.permit((LITTLE, HOUR))
    epoch = acked(bench.identified().deliver(permit)).epoch
    bench.wait(HOUR // 2)
    bench.lose_power()
    bench.wait(HOUR)
    assert bench.near(HALF)
    told = status(bench)
    assert told.epoch != epoch
    assert told.state is PumpState.IDLE
    assert "reset" in told.alarms
    if bench.declared.counts_on:
        assert told.delivered_nl == HALF
    found = bench.driver.evidence(permit.id)
    if not unproven(found, bench):
        assert isinstance(found, Given)
        assert found.lo_nl - bench.declared.off_nl <= HALF <= found.hi_nl + bench.declared.off_nl
        assert found.ended
    assert isinstance(bench.driver.deliver(later), Refused)
    bench.identified()
    acked(bench.driver.deliver(bench.permit((LITTLE, HOUR))))
    bench.wait(2 * HOUR)
    assert bench.near(HALF + LITTLE, off=bench.declared.off_nl)


@only(lambda declared: declared.pushes)
def test_power_loss_is_told_unasked(bench: Bench) -> None:
    bench.identified()
    epoch = status(bench).epoch
    bench.driver.notices()
    bench.lose_power()
    assert bench.line.wait_for_bytes(bench.link, bench.now_ms + HOUR)
    (notice,) = bench.driver.notices()
    assert notice.epoch != epoch
    assert "reset" in notice.alarms


def test_a_start_that_a_power_loss_overtakes_is_never_proved_given_in_full(bench: Bench) -> None:
    permit = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    bench.lose_power()
    found = bench.driver.evidence(permit.id)
    assert not isinstance(found, Given) or found.lo_nl == 0
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 0


@only(lambda declared: declared.pushes)
def test_a_stall_is_told_unasked_without_waiting(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((PORTION, HOUR))))
    bench.driver.notices()
    bench.wait(HOUR // 2)
    bench.stall()
    assert bench.line.wait_for_bytes(bench.link, bench.now_ms + HOUR)  # at the alarm, not at the deadline
    woke = bench.now_ms
    (notice,) = bench.driver.notices()
    assert bench.driver.notices() == ()
    assert bench.now_ms == woke
    assert notice.state is PumpState.STALLED
    assert "stall" in notice.alarms


def test_a_stall_is_seen_and_ends_the_run_for_good(bench: Bench) -> None:
    permit = bench.permit((PORTION, HOUR))
    acked(bench.identified().deliver(permit))
    bench.wait(HOUR // 2)
    bench.stall()
    bench.wait(MINUTE)
    bench.driver.notices()
    told = status(bench)
    assert told.state is PumpState.STALLED
    assert "stall" in told.alarms
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert found.lo_nl - bench.declared.off_nl <= HALF <= found.hi_nl + bench.declared.off_nl
    assert found.ended
    bench.free_the_motor()
    bench.wait(2 * HOUR)
    assert bench.near(HALF)  # nothing is resumed
    acked(bench.driver.stop())
    acked(bench.driver.deliver(bench.permit((LITTLE, HOUR))))
    bench.wait(2 * HOUR)
    assert bench.near(HALF + LITTLE, off=bench.declared.off_nl)


@only(lambda declared: declared.sees_empty)
def test_an_empty_reservoir_is_told_unasked_and_ends_the_run(bench: Bench) -> None:
    left = PORTION * 3 // 10
    bench.empty_soon(left_nl=left)
    permit = bench.permit((PORTION, HOUR))
    acked(bench.identified().deliver(permit))
    while "empty" not in status(bench).alarms:
        assert bench.line.wait_for_bytes(bench.link, bench.now_ms + HOUR)
        notices = bench.driver.notices()
    assert notices[-1].state is PumpState.EMPTY
    assert bench.delivered_nl == left
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.ended) == (left, True)


# ---- sessions ----------------------------------------------------------------------------------


@only(lambda declared: declared.owns)
def test_a_second_host_is_refused_but_may_stop(bench: Bench) -> None:
    """S-33: the session of a pump that has one."""
    acked(bench.identified().deliver(bench.permit((PORTION, HOUR))))
    other = bench.session(owner=2)
    assert isinstance(other.identify(), Identity)
    assert isinstance(other.deliver(bench.permit((LESS, HOUR))), Refused)
    acked(other.stop())
    bench.wait(HOUR)
    assert bench.delivered_nl <= 100
    assert isinstance(other.deliver(bench.permit((LESS, HOUR))), Refused)
    assert isinstance(other.identify(), Identity)  # the first host has been silent for over a minute
    acked(other.deliver(bench.permit((LESS, HOUR))))


@only(lambda declared: declared.owns)
def test_a_stop_by_another_host_makes_the_next_deliver_a_refusal_once(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((PORTION, HOUR))))
    other = bench.session(owner=2)
    acked(other.stop())
    assert isinstance(bench.driver.deliver(bench.permit((LESS, HOUR))), Refused)
    acked(bench.driver.deliver(bench.permit((LESS, HOUR))))


def test_a_restarted_host_learns_what_its_last_permit_gave(bench: Bench) -> None:
    permit = bench.permit((PORTION, HOUR))
    acked(bench.identified().deliver(permit))
    bench.wait(HOUR // 2)
    bench.driver = bench.session(owner=2)
    bench.identified()
    running = bench.driver.evidence(permit.id)
    if bench.declared.shows:
        assert holds(running, bench, HALF, off=20)
        assert isinstance(running, Given)
        assert not running.ended
    else:
        assert isinstance(running, Nothing)
        assert status(bench).state is PumpState.RUNNING  # nobody stopped it to look
    acked(bench.driver.stop())
    found = bench.driver.evidence(permit.id)
    assert holds(found, bench, bench.delivered_nl, off=20)


def test_a_restarted_host_is_never_told_that_a_lost_start_was_given(bench: Bench) -> None:
    old, lost = bench.permit((PORTION, HOUR)), bench.permit((LESS, HOUR))
    acked(bench.identified().deliver(old))
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(lost), Unknown)
    before = bench.delivered_nl
    bench.driver = bench.session(owner=2)
    bench.identified()
    acked(bench.driver.stop())
    found = bench.driver.evidence(lost.id)
    assert not isinstance(found, Given) or found.lo_nl <= bench.declared.off_nl
    bench.wait(2 * HOUR)
    assert bench.delivered_nl - before <= 100


@only(lambda declared: declared.protocol == "reference")
def test_a_restarted_host_that_does_not_stop_waits_for_the_pumps_own_bound(bench: Bench) -> None:
    lost = bench.permit((LESS, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(lost), Unknown)
    bench.driver = bench.session(owner=2)
    bench.identified()
    ttl_ms = bench.driver.capabilities.ttl_ms
    assert ttl_ms is not None
    bench.wait(ttl_ms - 1_000)
    assert isinstance(bench.driver.evidence(lost.id), Nothing)
    bench.wait(1_000)
    assert isinstance(bench.driver.evidence(lost.id), NotGiven)


def test_a_closed_driver_answers_with_values(bench: Bench) -> None:
    bench.identified().notices()
    bench.driver.close()
    bench.driver.close()
    assert isinstance(bench.driver.read_status(), Unknown)
    assert isinstance(bench.driver.deliver(bench.permit((LESS, HOUR))), Refused)
    assert isinstance(bench.driver.stop(), Unknown)
    assert bench.driver.notices() == ()
