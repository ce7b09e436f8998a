"""REQ26, REQ27, X-09, F-56, F-57: too many requests and a stuck key are told; neither costs a dose that is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.controller.effects import Alarm, Effect
from pump_ctrl.controller.presses import Presses
from tests.unit.live_kit import DeskBench, plan_with_boluses
from tests.whole_stack import HOUR, MINUTE


def codes(effects: list[Effect]) -> list[str]:
    return [effect.code for effect in effects if isinstance(effect, Alarm) and effect.active]


@pytest.fixture
def bench(tmp_path: Path) -> DeskBench:
    made = DeskBench(plan_with_boluses(), tmp_path / "j.jsonl")
    made.stack.run_to(HOUR)
    return made


def active(bench: DeskBench) -> list[str]:
    return [alarm.row.code for alarm in bench.stack.guard.alarms]


def pressed_for(bench: DeskBench, ms: int, *, every: int = 4_000, name: str = "p") -> list[str]:
    """What each press is answered."""
    begin, told = bench.stack.elapsed_ms, []
    for number in range(ms // every + 1):
        bench.stack.run_to(begin + number * every)
        told.append(bench.ask("bolus", f"{name}-{number}").text)
    return told


@pytest.mark.parametrize(("third", "yes"), [(59 * MINUTE, True), (60 * MINUTE, False), (61 * MINUTE, False)])
def test_three_refused_requests_within_an_hour_are_told(third: int, yes: bool) -> None:
    presses = Presses()
    assert presses.refused("lockout", 0) == presses.refused("slot-ahead", 30 * MINUTE) == []
    assert codes(presses.refused("lockout", third)) == (["requests"] if yes else [])


def test_one_request_beyond_the_days_number_is_told() -> None:
    assert codes(Presses().refused("max-per-day", 0)) == ["requests"]


def test_it_is_told_once_an_hour_however_often_the_key_is_pressed() -> None:
    presses = Presses()
    told = [at for at in range(0, 150 * MINUTE, 1_000) if presses.refused("lockout", at)]
    assert told == [2_000, 2_000 + HOUR, 2_000 + 2 * HOUR]


@pytest.mark.parametrize(
    ("again", "yes"), [(60 * MINUTE - 1, False), (60 * MINUTE, True), (61 * MINUTE, True)]
)
def test_a_used_up_number_is_told_again_after_an_hour(again: int, yes: bool) -> None:
    presses = Presses()
    presses.refused("max-per-day", 0)
    assert codes(presses.refused("max-per-day", again)) == (["requests"] if yes else [])


@pytest.mark.parametrize(("every", "row"), [(5_000, True), (5_001, False)])
def test_presses_that_follow_each_other_for_over_a_minute_are_a_stuck_key(every: int, row: bool) -> None:
    presses, told = Presses(), []
    for at in range(0, 70_000, every):
        told += [at for _ in codes(presses.pressed(at))]
    assert told == ([65_000] if row else [])
    assert presses.stuck is row
    presses.pressed(71_000 + 5_001)
    assert not presses.stuck  # it was let go


def test_a_minute_is_not_over_a_minute() -> None:
    presses = Presses()
    for at in range(0, 60_001, 5_000):
        presses.pressed(at)
    assert not presses.stuck


@pytest.mark.parametrize("boot", [0, 86_400_000])
def test_a_key_that_is_stuck_since_the_start_is_stuck_after_its_first_minute(boot: int) -> None:
    presses, since = Presses(), list[int]()
    assert not presses.stuck
    for at in range(0, 62_000, 1_000):
        presses.pressed(boot + at)
        since += [at] if presses.stuck else []
    assert since == [61_000]


def test_a_key_that_stays_stuck_is_told_again_each_minute() -> None:
    presses = Presses()
    told = [at for at in range(0, 200_000, 1_000) if codes(presses.pressed(at))]
    assert told == [61_000, 122_000, 183_000]


def test_who_asks_too_often_still_gets_what_the_plan_allows(bench: DeskBench) -> None:
    assert bench.ask("bolus", "1").exit == 0
    for number in range(3):
        bench.stack.run_to(HOUR + (7 + number) * MINUTE)
        assert bench.ask("bolus", f"early-{number}").exit == 3
    assert active(bench) == ["requests"]
    assert not bench.stack.guard.inhibitions
    bench.stack.run_to(HOUR + 16 * MINUTE)
    assert bench.ask("bolus", "2").exit == 0


def test_a_used_up_number_is_told_at_the_first_request_beyond_it(bench: DeskBench) -> None:
    for number in range(4):
        bench.stack.run_to((number + 2) * HOUR)
        assert bench.ask("bolus", f"{number}").exit == 0
    assert active(bench) == []
    bench.stack.run_to(6 * HOUR)
    assert bench.ask("bolus", "5").exit == 3
    (alarm,) = bench.stack.guard.alarms
    assert (alarm.row.code, alarm.holds) == ("requests", False)
    assert "used up" in alarm.detail
    bench.ask("ack", "seen", by="Ann")
    assert active(bench) == []


def test_a_stuck_key_gets_one_bolus_and_no_other_until_it_is_let_go(bench: DeskBench) -> None:
    """X-09: without this it would get the next one at the end of the lockout of 10 min, and so on."""
    told = pressed_for(bench, 20 * MINUTE)
    assert bench.boluses_begun() == 1
    assert "the key was pressed for over 60 s without a pause" in told[-1]
    assert {"requests", "stuck-key"} <= set(active(bench))
    assert not bench.stack.guard.inhibitions
    bench.stack.run_to(bench.stack.elapsed_ms + 5_001)
    assert bench.ask("bolus", "let-go").exit == 0


def test_the_same_request_sent_again_and_again_is_a_stuck_key_too(bench: DeskBench) -> None:
    begin = bench.stack.elapsed_ms
    for number in range(17):
        bench.stack.run_to(begin + number * 4_000)
        assert bench.ask("bolus", "the-same").exit == 0
    assert active(bench) == ["stuck-key"]
    assert bench.boluses_begun() == 1


def test_pressing_stops_no_basal(bench: DeskBench) -> None:
    bench.stack.guard.read_status()
    before = bench.stack.guard.low_nl
    pressed_for(bench, 20 * MINUTE)
    bench.stack.run_to(2 * HOUR)
    bench.stack.guard.read_status()
    assert bench.stack.guard.low_nl - before == pytest.approx(20_000 + 8_000, abs=200)
