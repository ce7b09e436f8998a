"""R-13, F-22, F-26, F-29 to F-32 on the whole stack: a balance and a relay beside the pump, spoken to by bytes.

Worked plan H: 0.4 mL/day from a pump that truly gives 1.20 times what it counts. Without a sensor nobody sees it until
the next refill; with one it is latched within the day.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.safety.watchdog import Remedy
from pump_ctrl.therapy.plan import load_plan
from tests.whole_stack import DAY, HOUR, MINUTE, check_ledger, formulary, profile

OVER = {"gain_ppm": 1_200_000}
NOISE = {"noise_ug": 100, "evaporation_nl_per_h": 200}
MODERATE = "free-flow@3h:nl_per_h=200000"


def run(
    plan: str,
    until_ms: int,
    *faults: str,
    balance: Mapping[str, int] | None = NOISE,
    power_cut: bool = True,
    setup: Mapping[str, int] | None = None,
) -> SimulatedStack:
    """A plan of examples/ from its confirm on."""
    loaded = load_plan(f"examples/{plan}.toml")
    stack = SimulatedStack(
        loaded,
        profile(loaded.pump),
        formulary(),
        faults=faults,
        setup=setup,
        balance=balance,
        power_cut=power_cut,
    )
    stack.begin()
    stack.run_to(until_ms)
    return stack


def raised(stack: SimulatedStack, code: str) -> int | None:
    """Plan time at which an alarm was raised first, ms."""
    for record in stack.journal.records():
        if record.kind == "alarm" and (record.data["code"], record.data["what"]) == (code, "raised"):
            return int(record.data["at"]) - stack.clock.boot_ms() + stack.elapsed_ms
    return None


def within(stack: SimulatedStack, code: str, begin: int, most: int) -> bool:
    """Whether it was raised between ``begin`` and ``most`` after it."""
    at = raised(stack, code)
    return at is not None and begin <= at <= begin + most


def kinds(stack: SimulatedStack) -> set[str]:
    return {record.kind for record in stack.journal.records()}


def proven(stack: SimulatedStack) -> int:
    """All that the sensor proved beyond the permits, nL."""
    return sum(record.data["extra"] for record in stack.journal.records() if record.kind == "seen")


# --- plan H ---------------------------------------------------------------------------------------------------


def test_plan_h_is_latched_within_a_day_with_a_balance_and_not_at_all_without() -> None:
    seen = run("h-over-infusing", DAY, setup=OVER)
    assert within(seen, "flow", 0, 12 * HOUR)
    assert (seen.controller.state, seen.guard.stop_open) == ("FAULT", False)
    unseen = run("h-over-infusing", DAY, setup=OVER, balance=None, power_cut=False)
    assert unseen.guard.alarms == ()
    assert unseen.controller.state == "RUNNING"


def test_without_a_second_witness_there_is_nothing_of_it_in_the_journal() -> None:
    plain = run("h-over-infusing", HOUR, balance=None, power_cut=False)
    assert plain.guard.lookout is None
    assert plain.runner._lookout is None
    assert not kinds(plain) & {"seen", "power-cut"}


def test_plan_h_is_latched_within_a_day_although_the_controller_is_killed_every_three_hours() -> None:
    stack = run("h-over-infusing", 3 * HOUR, setup=OVER)
    for hour in range(3, 24, 3):
        stack.restart()
        stack.confirm()
        stack.run_to((hour + 3) * HOUR)
        if raised(stack, "flow") is not None:
            break
    assert within(stack, "flow", 0, DAY)
    stack.restart()
    assert "flow" in {alarm.row.code for alarm in stack.guard.alarms}
    assert stack.guard.inhibitions >= {"basal", "hold"}


# --- too much -------------------------------------------------------------------------------------------------


def test_free_flow_is_latched_within_minutes_and_the_relay_is_told_when_it_goes_on() -> None:
    """F-31: 20 mL/h from 3 h on. The mains do not end a siphon: the next readings find it again, and count it."""
    stack = run("h-over-infusing", 3 * HOUR + 30 * MINUTE, "free-flow@3h")
    assert within(stack, "flow", 3 * HOUR, 2 * MINUTE)
    assert within(stack, "power-cut", 3 * HOUR, 5 * MINUTE)
    left = stack.world.truth.delivered_nl()
    assert left > 10_000_000
    assert (
        stack.guard.high_nl > (left - 450_000) * 98 // 100
    )  # 80 s of it are not read yet; the balance's 1 %
    check_ledger(stack)


@pytest.mark.parametrize("plan", ["a-bench-twin", "a-bench-harvard", "a-flex-night-bolus"])
def test_slow_free_flow_is_found_on_every_kind_of_pump(plan: str) -> None:
    stack = run(plan, 3 * HOUR + 30 * MINUTE, MODERATE)
    assert within(stack, "flow", 3 * HOUR, 6 * MINUTE)


def test_a_runaway_is_latched_in_minutes_where_the_pump_is_asked_every_six_hours() -> None:
    """F-29: the balance surprises, the pump's own counter then says the rest, and it is counted once."""
    stack = run("h-over-infusing", 4 * HOUR, "runaway@3h")
    assert within(stack, "over-delivery", 3 * HOUR, 5 * MINUTE)
    assert proven(stack) == 0
    alone = run("h-over-infusing", 4 * HOUR, "runaway@3h", balance=None)
    assert alone.guard.alarms == ()


def test_a_pump_that_resets_and_runs_by_itself_on_a_dead_line_loses_its_power() -> None:
    """F-22 and F-17 together: only the balance sees it, and only the relay ends it."""
    stack = run("h-over-infusing", 4 * HOUR, "power-loss@3h:then_nl_per_h=200000", "silence@179min:for=2h")
    assert within(stack, "flow", 3 * HOUR, 6 * MINUTE)
    assert within(stack, "power-cut", 3 * HOUR, 6 * MINUTE)
    assert stack.world.firmware.off
    assert stack.world.truth.delivered_nl() < 50_000 + 200_000 * 6 // 60 + 5_000


@pytest.mark.parametrize("reply", ["honest", "lie", "silent"])
def test_a_stop_that_is_ignored_ends_in_a_power_cut(reply: str) -> None:
    """F-30: at once where the STOP is not acknowledged, within the next readings where the pump lies."""
    stack = run("a-flex-night-bolus", 4 * HOUR, MODERATE, f"stop-ignored@2h:reply={reply}")
    assert within(stack, "flow", 3 * HOUR, 6 * MINUTE)
    assert within(stack, "power-cut", 3 * HOUR, 12 * MINUTE)
    assert stack.world.firmware.off


def test_a_relay_whose_contact_is_stuck_is_told_again_and_again_and_the_alarms_stay() -> None:
    stack = run("h-over-infusing", 6 * HOUR, MODERATE, "stop-ignored@2h:reply=lie", "relay-stuck")
    cuts = [record for record in stack.journal.records() if record.kind == "power-cut"]
    assert 3 <= len(cuts) <= 12
    assert {alarm.row.code for alarm in stack.guard.alarms} >= {"flow", "power-cut"}
    assert not stack.world.firmware.off


def test_free_flow_while_the_controller_is_dead_is_found_when_it_starts_again() -> None:
    stack = run("h-over-infusing", 2 * HOUR, "free-flow@3h:nl_per_h=1000000")
    stack.die()
    stack.clock.advance(3 * HOUR)
    stack.restart()
    stack.run_to(5 * HOUR + 2 * MINUTE)
    assert within(stack, "flow", 5 * HOUR, 2 * MINUTE)
    assert proven(stack) > 1_900_000


# --- too little -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["h-over-infusing", "a-bench-twin", "a-bench-harvard"])
def test_a_counter_that_runs_without_flow_is_an_alarm_within_four_hours_and_no_stop(plan: str) -> None:
    """F-26. The therapy goes on: stopping can harm as well."""
    stack = run(plan, 7 * HOUR, "counter-stuck@3h")
    assert within(stack, "under-flow", 3 * HOUR, 4 * HOUR)
    assert stack.controller.state == "RUNNING"


# --- nobody is accused who did nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "alarm"), [
    ("balance-touched@3h", "sensor"), ("balance-touched@3h:how=lift,for=90s", "sensor"),
    ("balance-touched@3h:for=5min", "sensor"),
    ("balance-touched@3h:how=lift,for=2min,left_ug=-45000", "sensor"), ("balance-touched@3h:left_ug=-5000", "sensor"),
    ("balance-zeroed@3h", "sensor"),
    ("balance-silent@3h:for=1h", "sensor"), ("balance-silent@3h:for=90s", None),
    ("balance-drift@1h:ug_per_h=90", None), ("balance-drift@1h:ug_per_h=-700", None),
])  # fmt: skip
def test_a_sensor_that_fails_or_is_touched_stops_no_therapy(fault: str, alarm: str | None) -> None:
    stack = run("a-flex-night-bolus", 6 * HOUR, fault)
    assert stack.controller.state == "RUNNING"
    assert {found.row.code for found in stack.guard.alarms} == ({alarm} if alarm else set())
    assert stack.guard.inhibitions == frozenset()
    assert proven(stack) == 0


def test_a_sensor_that_is_stuck_is_told_as_missing_flow() -> None:
    stack = run("a-flex-night-bolus", 8 * HOUR, "balance-stuck@3h")
    assert within(stack, "under-flow", 3 * HOUR, 4 * HOUR)
    assert stack.controller.state == "RUNNING"


HEALTHY = (
    ("h-over-infusing", 1_145_000, 0), ("h-over-infusing", 855_000, 700), ("a-flex-night-bolus", 1_145_000, 0),
    ("a-flex-night-bolus", 855_000, 700), ("c-patient-bolus", 1_145_000, 0), ("a-bench-twin", 1_050_000, 0),
    ("a-bench-harvard", 945_000, 700),
)  # fmt: skip


def healthy(plan: str, gain_ppm: int, evaporation: int, until_ms: int) -> SimulatedStack:
    balance = {"noise_ug": 200, "evaporation_nl_per_h": evaporation, "seed": 7}
    return run(plan, until_ms, balance=balance, setup={"gain_ppm": gain_ppm})


@pytest.mark.parametrize(("plan", "gain_ppm", "evaporation"), [HEALTHY[0], HEALTHY[3]])
def test_a_pump_at_the_ends_of_its_label_is_not_stopped_over_two_days(
    plan: str, gain_ppm: int, evaporation: int
) -> None:
    stack = healthy(plan, gain_ppm, evaporation, 2 * DAY)
    assert {alarm.row.code for alarm in stack.guard.alarms} == set()
    assert proven(stack) == 0


@pytest.mark.deep
@pytest.mark.parametrize(("plan", "gain_ppm", "evaporation"), HEALTHY)
def test_a_pump_at_the_ends_of_its_label_is_not_stopped_over_ninety_days(
    plan: str, gain_ppm: int, evaporation: int
) -> None:
    """Until the reservoir is nearly empty, where that is sooner; a week where the pump is asked every 15 s."""
    loaded = load_plan(f"examples/{plan}.toml")
    stack = healthy(plan, gain_ppm, evaporation, DAY)
    for day in range(2, 8 if "bench" in plan else 91):
        if stack.world.truth.reservoir_nl() < 3_000_000 or not stack.controller.run:
            break
        stack.run_to(day * DAY)
    assert day > 5, loaded.id
    assert not {alarm.row.code for alarm in stack.guard.alarms} & {
        "flow",
        "under-flow",
        "sensor",
        "power-cut",
    }
    assert proven(stack) == 0


def test_the_remedies_are_those_that_the_guard_knows() -> None:
    assert {remedy.value for remedy in Remedy} == {"nothing", "stop", "hold", "cut"}
