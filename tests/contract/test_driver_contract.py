"""The contract of every driver on every link: what it says, set beside what truly left the pump.

A driver may know less than it could (Unknown, Nothing), it may never know something that is not so.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import Given, Identity, NotGiven, Nothing, PumpState, Refused, StepKind, Unknown
from tests.contract.bench import BENCHES, HOUR, MINUTE, Bench, acked, status


@pytest.fixture(params=BENCHES, ids=lambda bench: bench.__name__)
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


# ---- the healthy pump --------------------------------------------------------------------------


def test_identify_tells_who_answers_and_what_it_can_do(bench: Bench) -> None:
    told = bench.driver.identify()
    assert isinstance(told, Identity)
    assert told.serial == "SIM-0007"
    assert told.epoch == status(bench).epoch
    ranges = bench.driver.capabilities
    assert ranges.protocol == bench.protocol
    assert ranges.simulated
    assert ranges.max_steps >= 1
    assert ranges.step_nl >= 1
    assert bench.driver.identify() == told
    assert bench.driver.capabilities == ranges


def test_before_identify_nothing_is_delivered(bench: Bench) -> None:
    assert isinstance(bench.driver.deliver(bench.permit((1_000, HOUR))), Refused)
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 0


def test_what_is_delivered_flows_evenly_and_ends_by_itself(bench: Bench) -> None:
    permit = bench.permit((1_000, HOUR))
    told = acked(bench.identified().deliver(permit))
    assert (told.state, told.running_id) == (PumpState.RUNNING, permit.id)
    bench.wait(HOUR // 2)
    assert status(bench).delivered_nl == bench.delivered_nl == 500
    running = bench.driver.evidence(permit.id)
    assert isinstance(running, Given)
    assert (running.lo_nl, running.hi_nl, running.ended) == (500, 500, False)
    bench.wait(10 * HOUR)
    told = status(bench)
    assert (told.state, told.running_id, told.delivered_nl) == (PumpState.IDLE, None, 1_000)
    assert bench.delivered_nl == 1_000
    ended = bench.driver.evidence(permit.id)
    assert isinstance(ended, Given)
    assert (ended.lo_nl, ended.hi_nl, ended.ended) == (1_000, 1_000, True)


def test_steps_flow_in_order_each_with_its_own_volume(bench: Bench) -> None:
    permit = bench.permit((2_000, HOUR), (0, HOUR), (500, HOUR), kind=StepKind.BOLUS)
    acked(bench.identified().deliver(permit))
    seen = []
    for _ in range(4):
        bench.wait(HOUR)
        seen.append(bench.delivered_nl)
    assert seen == [2_000, 2_000, 2_500, 2_500]


def test_a_new_permit_replaces_what_runs_and_the_old_one_keeps_what_it_gave(bench: Bench) -> None:
    old, new = bench.permit((1_000, HOUR)), bench.permit((600, HOUR), (400, HOUR))
    acked(bench.identified().deliver(old))
    bench.wait(HOUR // 2)
    assert acked(bench.driver.deliver(new)).running_id == new.id
    replaced = bench.driver.evidence(old.id)
    assert isinstance(replaced, Given)
    assert (replaced.lo_nl, replaced.hi_nl, replaced.ended) == (500, 500, True)
    bench.wait(3 * HOUR)
    assert bench.delivered_nl == 500 + 1_000


def test_each_status_has_a_greater_tick_and_no_smaller_counter(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((1_000, HOUR))))
    told = []
    for _ in range(5):
        bench.wait(10 * MINUTE)
        told.append(status(bench))
    assert all(a.tick < b.tick and a.tick_ms < b.tick_ms for a, b in pairwise(told))
    assert all(a.delivered_nl <= b.delivered_nl for a, b in pairwise(told))


@pytest.mark.parametrize("steps", [14, 15, 255])
def test_more_steps_than_the_pump_holds_are_refused_and_nothing_starts(steps: int, bench: Bench) -> None:
    assert isinstance(bench.identified().deliver(bench.permit(*[(100, HOUR)] * steps)), Refused)
    bench.wait(HOUR)
    assert bench.delivered_nl == 0


def test_an_expired_permit_is_refused_and_nothing_starts(bench: Bench) -> None:
    permit = bench.permit((1_000, HOUR))
    bench.identified()
    bench.wait(permit.expires_ms - bench.clock.boot_ms())
    assert isinstance(bench.driver.deliver(permit), Refused)
    bench.wait(HOUR)
    assert bench.delivered_nl == 0


# ---- stop --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    ["unidentified", "idle", "running", "proposed", "unknown", "stalled", "empty", "reset", "stopped"],
)
def test_stop_is_acked_in_every_state_and_nothing_flows_after_it(state: str, bench: Bench) -> None:
    permit = bench.permit((1_000, HOUR))
    if state != "unidentified":
        bench.identified()
    if state == "empty":
        bench.empty_soon(left_nl=200)
    if state in {"running", "stalled", "empty", "reset", "stopped"}:
        acked(bench.driver.deliver(permit))
        bench.wait(20 * MINUTE)
    if state == "proposed":
        bench.lose_reply_to_preparation()
        assert isinstance(bench.driver.deliver(permit), Refused)
    if state == "unknown":
        bench.lose_reply_to_start()
        assert isinstance(bench.driver.deliver(permit), Unknown)
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
    assert bench.delivered_nl == before


def test_a_stopped_permit_is_never_resumed_and_the_next_one_is_taken(bench: Bench) -> None:
    first, second = bench.permit((1_000, HOUR)), bench.permit((400, HOUR))
    acked(bench.identified().deliver(first))
    bench.wait(HOUR // 2)
    acked(bench.driver.stop())
    found = bench.driver.evidence(first.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (500, 500, True)
    acked(bench.driver.deliver(second))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 900


# ---- the pump in trouble -----------------------------------------------------------------------


def test_power_loss_ends_the_run_for_good_and_shows_as_a_new_epoch(bench: Bench) -> None:
    permit, later = bench.permit((1_000, HOUR)), bench.permit((400, HOUR))
    epoch = acked(bench.identified().deliver(permit)).epoch
    bench.wait(HOUR // 2)
    bench.lose_power()
    bench.wait(HOUR)
    assert bench.delivered_nl == 500
    told = status(bench)
    assert told.epoch != epoch
    assert told.state is PumpState.IDLE
    assert "reset" in told.alarms
    assert told.delivered_nl == 500
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (500, 500, True)
    assert isinstance(bench.driver.deliver(later), Refused)
    bench.identified()
    acked(bench.driver.deliver(bench.permit((400, HOUR))))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 900


def test_power_loss_is_told_unasked(bench: Bench) -> None:
    epoch = status(bench).epoch
    bench.driver.notices()
    bench.lose_power()
    assert bench.link.wait(bench.clock.boot_ms() + HOUR)
    (notice,) = bench.driver.notices()
    assert notice.epoch != epoch
    assert "reset" in notice.alarms


def test_a_commit_that_a_power_loss_overtakes_is_refused_or_proved_not_given(bench: Bench) -> None:
    permit = bench.permit((600, HOUR))
    bench.identified()
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(permit), Unknown)
    bench.lose_power()
    assert isinstance(bench.driver.evidence(permit.id), NotGiven)


def test_a_stall_is_told_unasked_without_waiting_and_ends_the_run(bench: Bench) -> None:
    permit = bench.permit((1_000, HOUR))
    acked(bench.identified().deliver(permit))
    bench.driver.notices()
    bench.wait(HOUR // 2)
    bench.stall()
    assert bench.link.wait(bench.clock.boot_ms() + HOUR)  # wakes at the alarm, not at the deadline
    woke = bench.clock.boot_ms()
    (notice,) = bench.driver.notices()
    assert bench.driver.notices() == ()
    assert bench.clock.boot_ms() == woke
    assert notice.state is PumpState.STALLED
    assert "stall" in notice.alarms
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.ended) == (500, True)
    bench.free_the_motor()
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 500  # nothing is resumed
    acked(bench.driver.deliver(bench.permit((400, HOUR))))
    bench.wait(2 * HOUR)
    assert bench.delivered_nl == 900


def test_an_empty_reservoir_is_told_unasked_and_ends_the_run(bench: Bench) -> None:
    bench.empty_soon(left_nl=300)
    permit = bench.permit((1_000, HOUR))
    acked(bench.identified().deliver(permit))
    while "empty" not in status(bench).alarms:
        assert bench.link.wait(bench.clock.boot_ms() + HOUR)
        notices = bench.driver.notices()
    assert notices[-1].state is PumpState.EMPTY
    assert bench.delivered_nl == 300
    found = bench.driver.evidence(permit.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.ended) == (300, True)


# ---- sessions ----------------------------------------------------------------------------------


def test_a_second_host_is_refused_but_may_stop(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((1_000, HOUR))))
    other = bench.session(owner=2)
    assert isinstance(other.identify(), Identity)
    assert isinstance(other.deliver(bench.permit((600, HOUR))), Refused)
    acked(other.stop())
    bench.wait(HOUR)
    assert bench.delivered_nl <= 100
    assert isinstance(other.deliver(bench.permit((600, HOUR))), Refused)
    assert isinstance(other.identify(), Identity)  # the first host has been silent for over a minute
    acked(other.deliver(bench.permit((600, HOUR))))


def test_a_stop_by_another_host_makes_the_next_deliver_a_refusal_once(bench: Bench) -> None:
    acked(bench.identified().deliver(bench.permit((1_000, HOUR))))
    other = bench.session(owner=2)
    acked(other.stop())
    assert isinstance(bench.driver.deliver(bench.permit((600, HOUR))), Refused)
    acked(bench.driver.deliver(bench.permit((600, HOUR))))


def test_a_restarted_host_learns_what_its_last_permit_gave(bench: Bench) -> None:
    permit, lost = bench.permit((1_000, HOUR)), bench.permit((600, HOUR))
    acked(bench.identified().deliver(permit))
    bench.lose_request_that_starts()
    assert isinstance(bench.driver.deliver(lost), Unknown)
    bench.driver = bench.session(owner=2)
    bench.identified()
    running = bench.driver.evidence(permit.id)
    assert isinstance(running, Given)
    assert not running.ended
    assert isinstance(bench.driver.evidence(lost.id), Nothing)
    acked(bench.driver.stop())
    assert isinstance(bench.driver.evidence(lost.id), NotGiven)


def test_a_restarted_host_that_does_not_stop_waits_for_the_pumps_own_bound(bench: Bench) -> None:
    lost = bench.permit((600, HOUR))
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
    assert isinstance(bench.driver.deliver(bench.permit((600, HOUR))), Refused)
    assert isinstance(bench.driver.stop(), Unknown)
    assert bench.driver.notices() == ()
