"""The benchmarks measure what they say: right physics in the loop, a healthy life in the stack, honest counts.

Nothing here is timed; ``benchmarks/run`` does that.
"""

from __future__ import annotations

import importlib
import os
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import decision, full_stack, heartbeats, idle, round_trip, setting, start, tick_loop
from pump_ctrl.therapy.plan import load_plan
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.schedule import Schedule

MODULES = (
    "decision", "full_stack", "heartbeats", "idle", "memory", "round_trip", "served", "setting", "start", "tick_loop",
    "watchers",
)  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_every_benchmark_can_be_imported_and_run_as_a_module(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.__doc__
    assert hasattr(module, "main") or name in {"setting", "tick_loop"}


def test_the_one_command_runs_them_all() -> None:
    command = setting.HERE / "run"
    assert os.access(command, os.X_OK)
    text = command.read_text(encoding="utf-8")
    assert all(name in text for name in MODULES if name not in {"setting", "tick_loop"})


def test_the_loop_runs_the_rates_of_worked_plan_a() -> None:
    plan = load_plan(setting.PLAN_A)
    schedule = Schedule(plan, load_profile(plan.pump))
    (bolus,) = schedule.slots(0, setting.DAY_MS)
    beside = Fraction(bolus.volume_nl, bolus.over_ms // 1_000)
    for at_s, rate in tick_loop.DAY:
        plan_ms = (at_s - tick_loop.START_S) % tick_loop.DAY_S * 1_000
        running = bolus.at_ms <= plan_ms < bolus.at_ms + bolus.over_ms
        assert rate == schedule.rate(plan_ms) * 1_000 + (beside if running else 0)


def test_a_day_of_the_loop_is_400_ug_in_400_000_nl_and_4_000_pump_steps() -> None:
    done = tick_loop.run(1)
    assert (done.pump_steps, done.out_nl, done.tip_pg, done.refills) == (4_000, 400_000, 400_000_000, 0)


def test_what_stands_in_the_path_leaves_the_tip_first() -> None:
    a_second = 50 * 1_000  # a fluid takes over at a whole second: in the bolus 50 nL of it, 1000 pg/nL
    nothing_first = tick_loop.run(1, path=((300_000, 0),))
    assert abs(nothing_first.tip_pg - 100_000 * 1_000) <= a_second
    two_fluids = tick_loop.run(1, path=((100_000, 0), (100_000, 2_000)))
    assert abs(two_fluids.tip_pg - 100_000 * 2_000 - 200_000 * 1_000) <= 2 * a_second


def test_the_loop_fills_a_reservoir_that_runs_low_and_keeps_a_point_a_minute() -> None:
    done = tick_loop.run(1, filled_nl=2_150_000)
    assert done.refills == 2
    assert len(done.steps_curve) == len(done.mass_curve) == 1_440
    assert done.steps_curve[60] == 250  # an hour from 08:00 on, at 25 ug/h


def test_a_simulated_day_of_the_stack_has_the_recorded_exchanges_records_and_rule_calls() -> None:
    counts, _ = full_stack.per_day(4)
    for name, least in setting.figures()["day"].items():
        assert least <= counts[name] <= 1.4 * least, name  # the first command comes on top


def test_a_life_with_a_refill_and_a_new_signature_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setting, "REFILL_DAYS", 2)
    monkeypatch.setattr(setting, "YEAR_DAYS", 3)
    stack = setting.example_a()
    setting.live(stack, 5)
    setting.check_life(stack, 5)
    kinds = [record.kind for record in stack.journal.records()]
    assert (kinds.count("refill"), kinds.count("limits")) == (2, 2)


def test_a_life_that_gave_too_little_is_no_benchmark() -> None:
    stack = setting.example_a()
    setting.live(stack, 2)
    with pytest.raises(AssertionError, match="799900 nL were given in 3 days, 1200000 nL planned"):
        setting.check_life(stack, 3)


def test_a_decision_is_granted_every_six_and_a_half_hours_and_refused_in_between() -> None:
    bench = decision.bench()
    for _ in range(6):
        bench.grant()
        bench.refuse()
    assert bench.granted == 6
    assert bench.guard.high_nl > 6 * 26_600


def test_the_start_is_measured_on_the_installed_script() -> None:
    assert start.script().endswith("pump-ctrl")


def test_a_day_of_heartbeats_has_all_of_them_and_a_healthy_life() -> None:
    wire, stack = heartbeats.looked_at(1)
    kept = setting.figures()
    assert 5_740 <= wire.heartbeats <= 5_761
    assert wire.heartbeats < wire.exchanges <= 1.05 * kept["heartbeats"]["exchanges"]
    assert wire.longest_ms <= kept["most"]["heartbeat_gap_ms"] == 15_500
    with pytest.raises(AssertionError, match=r"400000 nL planned, .* in 2 days"):
        heartbeats.check(stack, 2)


def test_only_questions_for_the_status_count_as_heartbeats_and_every_pause_is_seen() -> None:
    wire = heartbeats.Wire()
    for at_ms, what, data in (
        (0, "host-sent", b"\x02\x080DIS0F\x03"),
        (20, "pump-got", b"\x02\x080DIS0F\x03"),
        (20_000, "host-sent", b"\x02\x080STP\xb3\xf9\x03"),
        (21_000, "host-sent", b"\x02\x080DIS0F\x03"),
    ):
        wire.tap(at_ms, what, data)
    assert (wire.heartbeats, wire.exchanges, wire.longest_ms) == (2, 3, 20_000)


def test_the_round_trip_is_one_in_safe_mode() -> None:
    assert round_trip.settings().wire_timeout_s == 60


@pytest.mark.parametrize("hour", [0, 13, 15, 23])
@pytest.mark.parametrize("case", idle.CASES, ids=lambda case: case.name)
def test_an_idle_controller_has_begun_and_has_hours_to_the_next_event(
    case: idle.Case, hour: int, tmp_path: Path
) -> None:
    now = datetime(2026, 11, 22, hour, 59, 30, tzinfo=UTC)
    plan = load_plan(idle.written(case.plan, tmp_path, now))
    begun_ms = int(now.timestamp()) * 1_000 - plan.start_utc_ms
    schedule = Schedule(plan, load_profile(plan.pump))
    bolus, change = schedule.next_slot(begun_ms), schedule.next_change(begun_ms)
    assert begun_ms == 30_000
    assert bolus is not None
    assert change is not None
    assert min(bolus.at_ms, change) - begun_ms > 6 * 3_600_000
