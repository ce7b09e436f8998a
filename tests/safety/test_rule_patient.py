"""S-11, X9: lockout from the latest possible end of any bolus; the count lets one go 24 h after its latest
end.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Denied, Purpose
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, Bench, account, bolus, codes, limits, rows

WIDE = rows((10**7,) * 3, (10**7,) * 3, bolus_max_pg_per_h=10**9)


def bench(lockout_ms: int = 3 * HOUR, max_per_day: int = 4) -> Bench:
    terms = {"over_ms": 10 * MINUTE, "lockout_ms": lockout_ms, "max_per_day": max_per_day, "volume_nl": 1_000}
    b = Bench(limits([account(rows=WIDE, max_bolus_nl=1_000, patient=terms)])).confirmed()
    b.pump.latency_ms = 0
    return b


def press(b: Bench, purpose: Purpose = Purpose.PATIENT) -> object:
    return b.ask(bolus(1_000, 10 * MINUTE), purpose=purpose)


@pytest.mark.parametrize(("ms", "yes"), [
    (3 * HOUR + 9 * MINUTE + 59_000, False), (3 * HOUR + 10 * MINUTE - 1, False),
    (3 * HOUR + 10 * MINUTE, True), (3 * HOUR + 10 * MINUTE + 1, True),
])  # fmt: skip
def test_example_c_3_h_09_min_59_s_after_a_start_is_denied_and_3_h_10_min_granted(ms: int, yes: bool) -> None:
    b = bench()
    assert isinstance(press(b), Acked)
    b.at(ms)
    answer = press(b)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"lockout"}


def test_a_scheduled_bolus_locks_the_patient_out_and_is_not_locked_out_itself() -> None:
    b = bench()
    press(b)
    b.at(HOUR)
    assert isinstance(press(b, Purpose.SCHEDULED), Acked)
    b.at(4 * HOUR + 10 * MINUTE - 1)
    assert codes(press(b)) == {"lockout"}
    b.at(4 * HOUR + 10 * MINUTE)
    assert isinstance(press(b), Acked)


def test_the_latest_end_of_an_unknown_bolus_counts() -> None:
    """Resolved, so the block is gone: it may have begun 7 s late."""
    b = bench(lockout_ms=0)
    b.pump.answers = ["lost"]
    press(b)
    permit = b.guard.unsettled
    assert permit is not None
    b.guard.resolve(permit.id, "tester", "seen")
    b.at(10 * MINUTE + 6_999)
    assert codes(press(b)) == {"bolus-overlap", "lockout"}
    b.at(10 * MINUTE + 7_000)
    assert isinstance(press(b), Acked)


def test_a_latency_of_2_s_moves_the_lockout() -> None:
    b = bench(lockout_ms=HOUR)
    b.pump.latency_ms = 2_000
    press(b)
    b.at(HOUR + 10 * MINUTE + 1_999)
    assert codes(press(b)) == {"lockout"}
    b.at(HOUR + 10 * MINUTE + 2_000)
    assert isinstance(press(b), Acked)


@pytest.mark.parametrize(("ms", "yes"), [(DAY + 10 * MINUTE - 1, False), (DAY + 10 * MINUTE, True)])
def test_the_fifth_in_24_h_is_denied_until_24_h_after_the_end_of_the_first(ms: int, yes: bool) -> None:
    b = bench(lockout_ms=HOUR)
    for hour in (0, 2, 4, 6):
        b.at(hour * HOUR)
        assert isinstance(press(b), Acked)
    b.at(8 * HOUR)
    assert codes(press(b)) == {"max-per-day"}
    b.at(ms)
    answer = press(b)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"max-per-day"}


def test_midnight_changes_nothing_and_scheduled_boluses_are_not_counted() -> None:
    b = bench(lockout_ms=0, max_per_day=1)
    b.at(23 * HOUR)
    press(b, Purpose.SCHEDULED)
    b.at(23 * HOUR + 30 * MINUTE)
    assert isinstance(press(b), Acked)
    b.at(24 * HOUR + 30 * MINUTE)
    assert codes(press(b)) == {"max-per-day"}


def test_none_a_day_means_none() -> None:
    assert codes(press(bench(max_per_day=0))) == {"max-per-day"}


def test_a_thousand_presses_give_what_is_allowed() -> None:
    """F-57."""
    b = bench(lockout_ms=HOUR)
    for _ in range(1_000):
        b.wait(5 * MINUTE)
        press(b)
    assert len(b.pump.sent) == 4 * 4  # 83 h hold the first 4, and 3 times 24 h after their ends


def test_lockout_and_count_survive_a_restart_and_a_load_of_another_plan() -> None:
    """D-07."""
    b = bench()
    press(b)
    b.wait(HOUR)
    b.restart()
    terms = {"over_ms": 10 * MINUTE, "lockout_ms": 3 * HOUR, "max_per_day": 1, "volume_nl": 1_000}
    other = limits(
        [account(rows=WIDE, max_bolus_nl=1_000, patient=terms)], plan={"id": "OTHER", "sha256": "d" * 64}
    )
    b.guard.load(other, by="tester", plan_ms=0)
    b.confirmed(plan_ms=0, given=None)
    assert codes(press(b)) == {"lockout"}
    b.at(4 * HOUR)
    assert codes(press(b)) == {"max-per-day"}


@pytest.mark.parametrize(("ms", "yes"), [(570_000 - 1, False), (570_000, True)])
def test_after_a_reboot_of_the_host_the_lockout_ages_by_95_in_100_of_the_pumps_time(
    ms: int, yes: bool
) -> None:
    """D-16, F-46: 3 h 10 min by the pump's tick are 3 h 30 s for the lockout; 9 min 30 s are left."""
    b = bench()
    press(b)
    b.clock.advance(3 * HOUR + 10 * MINUTE)
    b.clock.reboot()
    b.restart()
    b.guard.read_status()
    b.confirmed(plan_ms=b.clock.true_ms, given=None)
    b.wait(ms)
    answer = press(b)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"lockout"}


def test_after_a_reboot_no_more_ages_than_the_person_says_whatever_the_hosts_clock_says() -> None:
    """F-46: the pump tells no time here, and the person says that the host was off for a minute."""
    b = bench()
    b.pump.capabilities = replace(CAPABILITIES, tells_time=False)
    b.guard.identify()
    press(b)
    b.clock.advance(30 * HOUR)
    b.clock.reboot()
    b.restart()
    b.guard.read_status()
    assert not b.guard.elapsed_known
    b.confirmed(plan_ms=MINUTE, given=None, off_ms=MINUTE)
    b.wait(3 * HOUR + 8 * MINUTE)
    assert codes(press(b)) == {"lockout"}
    b.wait(MINUTE)
    assert isinstance(press(b), Acked)


def test_a_refusal_tells_how_long_it_is_still_locked_or_how_many_there_were() -> None:
    b = bench(max_per_day=1)
    press(b)
    b.at(HOUR)
    answer = press(b)
    assert isinstance(answer, Denied)
    lockout = next(denial for denial in answer.denials if denial.rule == "lockout")
    assert (lockout.asked, lockout.limit) == (50 * MINUTE, 3 * HOUR)
    assert f"another {2 * HOUR + 10 * MINUTE} ms" in lockout.detail
    b.at(5 * HOUR)
    answer = press(b)
    assert isinstance(answer, Denied)
    assert (answer.denials[0].asked, answer.denials[0].counted, answer.denials[0].limit) == (1, 1, 1)
