"""S-14, F-37, F-55, X5: limits that are missing, invalid, expired, or of another pump, deny; STOP goes out
all the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Acked
from tests.refusals import refused
from tests.safety.kit import CAPABILITIES, DAY, HOUR, Bench, account, basal, codes, limits, rows

PLAIN = [account(rows=rows((6_000, 24_000, 144_000)))]
PUMP = {
    "name": "fake", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 100,
    "max_nl_per_h": 1_000_000, "max_lease_ms": DAY,
}  # fmt: skip


def test_without_a_limits_file_nothing_is_confirmed_and_nothing_given() -> None:
    bench = Bench(None)
    with refused("limits-missing"):
        bench.confirmed()
    assert "limits-missing" in codes(bench.ask(basal(100, HOUR)))
    assert isinstance(bench.guard.stop("test"), Acked)


def test_a_file_that_is_no_limits_file_denies_and_says_why() -> None:
    bench = Bench(limits(PLAIN).replace(b"24", b"25", 1))
    with refused("limits-invalid", "checksum"):
        bench.confirmed()
    assert "limits-invalid" in codes(bench.ask(basal(100, HOUR)))


def test_limits_that_nobody_confirmed_are_not_in_force() -> None:
    bench = Bench(limits(PLAIN))
    assert codes(bench.ask(basal(100, HOUR))) == {"limits-missing", "not-confirmed"}


def test_a_restart_without_the_file_denies_although_the_journal_knows_the_limits() -> None:
    bench = Bench(limits(PLAIN)).confirmed()
    bench.limits = None
    bench.restart()
    assert "limits-missing" in codes(bench.ask(basal(100, HOUR)))


@pytest.mark.parametrize(
    ("utc", "no"), [(999, True), (1_000, False), (1_001, False), (1_999, False), (2_000, True)]
)
def test_limits_are_valid_from_their_first_to_before_their_last_instant(utc: int, no: bool) -> None:
    data = limits(PLAIN, valid={"from_utc_ms": 1_000, "until_utc_ms": 2_000})
    bench = Bench(data, clock=VirtualClock(utc_ms=utc)).confirmed()
    answer = bench.ask(basal(100, HOUR))
    assert codes(answer) == {"limits-expired"} if no else isinstance(answer, Acked)


@pytest.mark.parametrize("other", [
    {"protocol": "new-era"}, {"step_nl": 10}, {"step_nl": 200}, {"counter_unit_nl": 10},
    {"counter_unit_nl": 1_000},
    {"max_nl_per_h": 1_000_001},
])  # fmt: skip
def test_limits_of_another_pump_deny(other: dict[str, Any]) -> None:
    bench = Bench(limits(PLAIN, pump={**PUMP, **other})).confirmed()
    assert "limits-mismatch" in codes(bench.ask(basal(200, HOUR)))


def test_a_pump_that_is_faster_than_the_limits_is_the_right_one() -> None:
    bench = Bench(limits(PLAIN, pump={**PUMP, "max_nl_per_h": 999_999})).confirmed()
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


@pytest.mark.parametrize(("simulation", "simulated", "no"), [
    (True, True, False), (True, False, True), (False, True, False), (False, False, False),
])  # fmt: skip
def test_limits_for_simulation_only_are_taken_from_a_simulated_pump_only(
    simulation: bool, simulated: bool, no: bool
) -> None:
    bench = Bench(
        limits(PLAIN, simulation=simulation), replace(CAPABILITIES, simulated=simulated)
    ).confirmed()
    answer = bench.ask(basal(100, HOUR))
    assert codes(answer) == {"limits-mismatch"} if no else isinstance(answer, Acked)


def test_a_pump_that_nobody_identified_gets_nothing() -> None:
    bench = Bench(limits(PLAIN)).confirmed()
    bench.guard._intake.capabilities = None
    assert codes(bench.ask(basal(100, HOUR))) == {"limits-mismatch"}


def test_another_pump_on_the_same_port_gets_nothing_and_the_right_one_does_again() -> None:
    """F-19."""
    bench = Bench(limits(PLAIN)).confirmed()
    bench.pump.serial = "FAKE-2"
    bench.guard.identify()
    assert codes(bench.ask(basal(100, HOUR))) == {"limits-mismatch", "inhibition"}
    assert [alarm.row.code for alarm in bench.guard.alarms] == ["wrong-pump"]
    bench.pump.serial = "FAKE-1"
    bench.guard.identify()
    bench.guard.acknowledge("wrong-pump", "tester")
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_nobody_confirms_while_another_pump_answers_and_the_journal_keeps_its_own() -> None:
    """F-19, S-33. Seen: a confirm took the other pump for the journal's, which was dosed from the next start on."""
    bench = Bench(limits(PLAIN)).confirmed()
    bench.pump.serial = "FAKE-2"
    bench.restart()
    with refused("wrong-pump", match="belong together: the pump is fake FAKE-2, confirmed was fake FAKE-1"):
        bench.confirmed(given=None)
    bench.pump.serial = "FAKE-1"
    bench.restart()
    bench.guard.acknowledge("wrong-pump", "tester")
    bench.confirmed(given=None)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_an_account_that_the_limits_do_not_have_denies() -> None:
    bench = Bench(limits(PLAIN)).confirmed()
    assert codes(bench.ask(basal(100, HOUR), account="stage-9")) == {"account"}


def test_a_jump_of_the_wall_clock_neither_ends_nor_prolongs_their_validity() -> None:
    """D-16, F-42, F-43: UTC is that of the confirm plus the time gone by since."""
    data = limits(PLAIN, valid={"from_utc_ms": 0, "until_utc_ms": 10 * HOUR})
    bench = Bench(data).confirmed()
    bench.clock.jump_wall(20 * HOUR)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    bench.clock.jump_wall(-40 * HOUR)
    bench.at(10 * HOUR)
    assert codes(bench.ask(basal(100, HOUR))) == {"limits-expired"}


def alarms(bench: Bench) -> list[tuple[str, bool]]:
    return [(alarm.row.code, alarm.holds) for alarm in bench.guard.alarms]


def test_limits_that_refuse_are_an_alarm_until_others_let_something_through() -> None:
    """What runs is left alone; the rule blocks what is new."""
    bench = Bench(limits(PLAIN, valid={"from_utc_ms": 0, "until_utc_ms": HOUR})).confirmed()
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    bench.at(HOUR - 1_000)
    assert alarms(bench) == []
    bench.at(HOUR)
    assert codes(bench.ask(basal(100, HOUR))) == {"limits-expired"}
    assert alarms(bench) == [("limits", True)]
    assert not bench.guard.inhibitions
    assert bench.guard.load(limits(PLAIN), by="tester", plan_ms=None) is None
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    assert alarms(bench) == [("limits", False)]


def test_a_refusal_for_another_reason_says_nothing_of_the_limits() -> None:
    bench = Bench(limits(PLAIN)).confirmed()
    assert codes(bench.ask(basal(10_000, HOUR))) == {"basal-window"}
    assert alarms(bench) == []
