"""A refill that somebody tells to a running controller: compared, latched when it is off, and the way out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.controller.machine import State
from pump_ctrl.errors import JournalError
from tests.unit.live_kit import DeskBench, plan_with_boluses
from tests.whole_stack import DAY, HOUR

WEEK_NL = 192_000 * 7
RESOLVE = {"command": "refill-discrepancy", "by": "Ben", "reason": "port was kinked, seen on X-ray"}


@pytest.fixture
def bench(tmp_path: Path) -> DeskBench:
    made = DeskBench(plan_with_boluses(), tmp_path / "j.jsonl")
    made.stack.run_to(7 * DAY)
    return made


def codes(bench: DeskBench) -> set[str]:
    return {alarm.row.code for alarm in bench.stack.guard.alarms}


def test_what_was_found_is_compared_with_what_the_ledger_left(bench: DeskBench) -> None:
    answer = bench.ask(
        "refill", "f", by="Ann", found="38.6 mL"
    )  # 40 mL less 1.344 mL in seven days: 38.656 mL
    assert answer.exit == 0
    assert answer.text.startswith("Noted: filled with 40 mL by Ann. Check: found 38.6 mL, expected 38.6")
    assert bench.stack.controller.state is State.RUNNING
    told = next(r.data for r in bench.journal.records() if r.kind == "filling")
    low, high = told["expected_nl"]
    assert low <= 40_000_000 - WEEK_NL <= high
    assert (told["by"], told["found_nl"], told["judgement"]) == ("Ann", 38_600_000, "ok")


@pytest.mark.parametrize(("found", "word"), [("40 mL", "occlusion or stall"), ("36.1 mL", "evaluate pump")])
def test_a_refill_that_is_off_stops_the_pump_and_latches(bench: DeskBench, found: str, word: str) -> None:
    """40 mL where 38.656 mL should be: nothing left the pump. 1.344 mL is under 2 mL, and the ratio tells."""
    answer = bench.ask("refill", "f", by="Ann", found=found)
    assert answer.exit == 3
    assert "NOTHING IS GIVEN NOW" in answer.text
    assert "pump-ctrl resolve refill-discrepancy --by NAME --reason TEXT" in answer.text
    assert bench.stack.controller.state is State.FAULT
    assert bench.stack.world.implant.delivery.run is None
    (alarm,) = bench.status()["alarms"]
    assert (alarm["code"], alarm["priority"]) == ("refill-discrepancy", "high")
    assert f"found {found}" in alarm["detail"]
    assert bench.stack.guard.filled_nl == 41_400_000  # it is filled all the same


def test_the_way_out_is_a_look_by_name_and_reason_then_a_resume(bench: DeskBench) -> None:
    bench.ask("refill", "f", by="Ann", found="40 mL")
    assert bench.ask("resume", "r1").exit == 3
    assert "refill-discrepancy" in bench.ask("ack", "a1", by="Ann").text
    assert bench.ask("resume", "r2").exit == 3
    assert bench.ask("resolve", "v1", command="refill-discrepancy", by="Ben", reason=" ").exit == 3
    assert codes(bench) == {"refill-discrepancy"}
    assert bench.ask("resolve", "v2", **RESOLVE).text == (
        "Noted: Ben stands for it that the cause of refill-discrepancy is gone. To go on: pump-ctrl resume"
    )
    assert bench.stack.world.implant.delivery.run is None  # a look alone starts nothing
    assert bench.ask("resume", "r3").exit == 0
    bench.stack.run_to(7 * DAY + HOUR)
    assert bench.stack.controller.state is State.RUNNING
    assert codes(bench) == set()
    vouched = [r.data for r in bench.journal.records() if r.kind == "vouched"]
    assert [(v["code"], v["by"], v["reason"]) for v in vouched] == [
        ("refill-discrepancy", "Ben", "port was kinked, seen on X-ray")
    ]


def test_the_alarm_outlives_the_controller_and_so_does_its_way_out(bench: DeskBench) -> None:
    bench.ask("refill", "f", by="Ann", found="40 mL")
    bench.restart()
    assert "refill-discrepancy" in codes(bench)
    code = bench.stack.guard.reconciliation().code
    assert "Alarm: refill-discrepancy" in bench.stack.guard.reconciliation().words
    assert bench.ask("resume", "r1", by="Ann", code=code).exit == 0
    assert bench.stack.controller.state is State.FAULT
    assert bench.ask("resolve", "v", **RESOLVE).exit == 0
    assert bench.ask("ack", "a", by="Ann").exit == 0
    assert bench.ask("resume", "r2").exit == 0


def test_a_look_before_the_confirm_says_how_to_confirm(bench: DeskBench) -> None:
    bench.ask("refill", "f", by="Ann", found="40 mL")
    bench.restart()
    text = bench.ask("resolve", "v", **RESOLVE).text
    assert text.endswith(f"pump-ctrl resume --confirm NAME {bench.stack.guard.reconciliation().code}")


def test_who_dies_before_the_refill_is_written_has_the_alarm_and_not_the_refill(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, filled = bench.journal._journal.append, bench.stack.guard.filled_nl

    def dies(kind: str, data: object) -> object:
        if kind == "refill":
            raise JournalError("no space left on the device")
        return append(kind, data)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.journal._journal, "append", dies)
    assert bench.ask("refill", "f1", by="Ann", found="40 mL", filled="30 mL").exit == 5
    monkeypatch.undo()
    bench.restart()
    assert bench.stack.guard.filled_nl == filled
    assert "refill-discrepancy" in codes(bench)
    again = bench.ask("refill", "f2", by="Ann", found="38.6 mL", filled="30 mL")
    assert (
        "expected 38.6" in again.text
    )  # 40 mL were in it, not the 30 mL of the refill that was not carried out


@pytest.mark.parametrize("restart", [False, True])
def test_the_next_refill_counts_from_what_was_told_at_the_last_one(bench: DeskBench, restart: bool) -> None:
    assert bench.ask("refill", "f1", by="Ann", found="38.6 mL", filled="20 mL").exit == 0
    if restart:
        bench.restart()
        bench.stack.confirm()
    bench.stack.run_to(14 * DAY)
    assert "expected 18.6" in bench.ask("refill", "f2", by="Ann", found="18.6 mL").text


def test_a_refill_that_nobody_measured_says_so_and_alarms_nothing(bench: DeskBench) -> None:
    answer = bench.ask("refill", "f", by="Ann", found="unknown")
    assert (answer.exit, codes(bench)) == (0, set())
    assert answer.text == (
        "Noted: filled with 40 mL by Ann. What was drawn out before was not compared: nobody measured it."
    )


@pytest.mark.parametrize("found", ["-1 mL", "42 mL", "3", "lots", "1e1 mL", ""])
def test_a_volume_that_cannot_have_been_found_is_refused_and_nothing_is_filled(
    bench: DeskBench, found: str
) -> None:
    assert bench.ask("refill", "f", by="Ann", found=found).exit == 3
    assert bench.kinds("refill", "filling") == []


@pytest.mark.parametrize("filled", ["0 mL", "40.000001 mL"])
def test_what_the_reservoir_cannot_hold_is_refused_and_not_clamped(bench: DeskBench, filled: str) -> None:
    answer = bench.ask("refill", "f", by="Ann", found="38.6 mL", filled=filled)
    assert answer.exit == 3
    assert "above 0, at most 40 mL" in answer.text
    assert bench.kinds("refill", "filling") == []


@pytest.mark.parametrize("code", ["silence", "reservoir-low", "journal"])
def test_nobody_vouches_for_what_can_be_measured(bench: DeskBench, code: str) -> None:
    bench.stack.guard.raise_alarm(code, "")
    answer = bench.ask("resolve", command=code, by="Ben", reason="I looked")
    assert answer.exit == 3
    assert codes(bench) == {code}


def test_an_alarm_that_is_not_active_needs_no_look(bench: DeskBench) -> None:
    assert "is not active" in bench.ask("resolve", **RESOLVE).text
