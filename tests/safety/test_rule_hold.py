"""D-13, D-14: the bounded hold: the plan's policy, its rate, its end; a volume where elapsed time is not
known.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import CAPABILITIES, DAY, HOUR, Bench, account, basal, codes, limits, rows

ROWS = rows((12_000, 48_000, 288_000))


def hold_limits(max_hold_ms: int = 4 * HOUR, nl: int = 6_000, per_ms: int = HOUR) -> bytes:
    return limits([account(rows=ROWS, hold={"nl": nl, "per_ms": per_ms})], max_hold_ms=max_hold_ms)


def running(data: bytes | None = None) -> Bench:
    bench = Bench(hold_limits() if data is None else data).confirmed()
    bench.pump.latency_ms = 0
    assert isinstance(bench.ask(basal(12_000, HOUR)), Acked)
    return bench


def hold(bench: Bench, nl: int, ms: int) -> object:
    return bench.ask(basal(nl, ms), purpose=Purpose.HOLD)


def test_a_plan_that_says_stop_holds_nothing() -> None:
    assert codes(hold(running(hold_limits(0)), 100, HOUR)) == {"hold"}


@pytest.mark.parametrize(("nl", "yes"), [(5_900, True), (6_000, True), (6_100, False)])
def test_a_hold_is_no_faster_than_the_hold_rate_in_any_step(nl: int, yes: bool) -> None:
    answer = hold(running(), nl, HOUR)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"hold"}
    steps = (basal(0, HOUR), basal(nl, HOUR))
    answer = running().ask(*steps, purpose=Purpose.HOLD)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"hold"}


def test_the_hold_rate_is_compared_exactly() -> None:
    third = hold_limits(nl=100, per_ms=3 * 60_000)  # 2,000 nL/h
    assert isinstance(hold(running(third), 2_000, HOUR), Acked)
    assert codes(hold(running(third), 2_000, HOUR - 1)) == {"hold"}


@pytest.mark.parametrize(("ms", "yes"), [(3 * HOUR - 1, True), (3 * HOUR, True), (3 * HOUR + 1, False)])
def test_no_step_of_it_ends_later_than_max_hold_after_the_last_record_of_a_normal_run(
    ms: int, yes: bool
) -> None:
    """The last intent was written at 0; the hold is asked for at 1 h."""
    bench = running()
    bench.at(HOUR)
    answer = hold(bench, 100, ms)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"hold"}


def test_neither_a_restart_nor_an_ack_nor_a_hold_nor_a_settled_command_starts_it_anew() -> None:
    bench = running()
    bench.at(3 * HOUR)
    bench.restart()
    assert isinstance(hold(bench, 6_000, HOUR), Acked)
    bench.guard.raise_alarm("waiting", "test")
    bench.guard.acknowledge("waiting", "tester")
    bench.guard.read_status()
    bench.guard.settle()
    bench.at(4 * HOUR - 1)
    assert codes(hold(bench, 0, 2)) == {"hold"}
    assert isinstance(hold(bench, 0, 1), Acked)


def test_a_status_of_a_normal_run_is_such_a_record_and_a_confirm_starts_it_anew() -> None:
    bench = running()
    bench.at(30 * 60_000)
    bench.guard.read_status()
    bench.at(HOUR)
    assert isinstance(hold(bench, 100, 3 * HOUR + HOUR // 2), Acked)
    bench.restart()
    bench.at(4 * HOUR)
    bench.guard.read_status()  # while waiting it is none
    assert codes(hold(bench, 100, HOUR)) == {"hold"}
    bench.confirmed(plan_ms=4 * HOUR, given=None)
    assert isinstance(hold(bench, 100, 4 * HOUR), Acked)


def timeless() -> Bench:
    """The host reboots after an hour, the pump tells no time, nobody has confirmed how long it took."""
    bench = Bench(hold_limits(), replace(CAPABILITIES, tells_time=False)).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(12_000, HOUR))
    bench.at(HOUR)
    bench.clock.reboot()
    bench.restart()
    bench.guard.stop("restart")
    assert not bench.guard.elapsed_known
    return bench


def test_where_elapsed_time_is_not_known_a_volume_bounds_all_holds_together() -> None:
    """24,000 nL: 6,000 nL/h for 4 h, summed over all restarts."""
    bench = timeless()
    assert codes(hold(bench, 24_100, 5 * HOUR)) == {"hold"}
    assert isinstance(hold(bench, 12_000, 2 * HOUR), Acked)
    bench.wait(30 * DAY)
    bench.clock.reboot()
    bench.restart()
    assert codes(hold(bench, 12_100, 3 * HOUR)) == {"hold"}
    assert isinstance(hold(bench, 12_000, 2 * HOUR), Acked)
    bench.clock.reboot()
    bench.restart()
    assert codes(hold(bench, 100, HOUR)) == {"hold"}


def test_a_hold_that_surely_gave_nothing_gives_its_volume_back() -> None:
    bench = timeless()
    bench.pump.answers = ["no"]
    hold(bench, 24_000, 4 * HOUR)
    assert isinstance(hold(bench, 24_000, 4 * HOUR), Acked)


def test_the_windows_bound_a_hold_too() -> None:
    data = limits(
        [account(rows=rows((6_000, 12_000, 288_000)), hold={"nl": 6_000, "per_ms": HOUR})], max_hold_ms=DAY
    )
    bench = Bench(data).confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.at(HOUR)
    assert codes(hold(bench, 12_000, 2 * HOUR)) == {"basal-window"}
    assert isinstance(hold(bench, 6_000, HOUR), Acked)


def test_where_elapsed_time_is_not_known_a_hold_that_was_stopped_counts_what_it_can_have_given() -> None:
    """D-14: 24,000 nL for all holds together; of the first one a quarter flowed before the STOP."""
    bench = Bench(hold_limits(), replace(CAPABILITIES, tells_time=False)).confirmed()
    bench.pump.latency_ms = 0
    assert isinstance(bench.ask(basal(24_000, 4 * HOUR), purpose=Purpose.HOLD), Acked)
    bench.wait(HOUR)
    bench.guard.stop("test")
    bench.clock.reboot()
    bench.restart()
    assert codes(bench.ask(basal(18_000, 3 * HOUR), purpose=Purpose.HOLD)) == {"hold"}  # 6,001 counted
    assert isinstance(bench.ask(basal(17_900, 3 * HOUR), purpose=Purpose.HOLD), Acked)


def test_a_hold_beside_a_command_that_is_not_settled_counts_before_it_is_sent() -> None:
    """12,000 nL in an hour, perhaps; the hold of four hours can outlast it by three, at 6,000 nL/h (S-03)."""
    bench = running()
    bench.pump.answers = ["lost"]
    bench.ask(basal(12_000, HOUR))
    before = bench.guard.high_nl
    seen: list[int] = []
    bench.pump.on_deliver = lambda: seen.append(bench.guard.high_nl)
    assert isinstance(hold(bench, 24_000, 4 * HOUR), Acked)
    assert seen[0] >= before + 17_900
