"""What people ask of a running controller: written down first, done once, answered the same way again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from pump_ctrl.console.server import Heard
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import JournalError
from pump_ctrl.live.outcome import Answer
from sim.faults import Fault
from tests.unit.live_kit import BOLUS_NL, DeskBench, plan_with_boluses
from tests.whole_stack import HOUR, MINUTE, check_ledger


@pytest.fixture
def bench(tmp_path: Path) -> DeskBench:
    made = DeskBench(plan_with_boluses(), tmp_path / "j.jsonl")
    made.stack.run_to(HOUR)
    return made


def test_a_bolus_is_given_and_told_with_its_figures(bench: DeskBench) -> None:
    assert bench.ask("bolus") == Answer(0, "The bolus runs: 0.02 mL in 5 min. The pump confirmed it.")
    assert bench.stack.controller.state is State.BOLUS
    bench.stack.run_to(HOUR + 6 * MINUTE)
    assert bench.stack.world.truth.counted_nl() >= BOLUS_NL + 8_000
    check_ledger(bench.stack)


def test_the_same_id_gets_the_same_answer_and_nothing_is_done_again(bench: DeskBench) -> None:
    first = bench.ask("bolus", "key-1")
    bench.stack.run_to(3 * HOUR)  # the lockout is over
    assert [bench.ask("bolus", "key-1") for _ in range(1_000)] == [first] * 1_000
    assert bench.boluses_begun() == 1
    assert bench.kinds("console") == ["console"]


def test_the_same_id_gets_the_same_answer_after_a_restart(bench: DeskBench) -> None:
    first = bench.ask("bolus", "key-1")
    bench.restart()
    bench.stack.confirm()
    bench.stack.run_to(3 * HOUR)
    assert bench.ask("bolus", "key-1") == first
    assert bench.boluses_begun() == 1
    bench.stack.guard.identify()  # as a real controller does a minute after its start
    assert bench.ask("bolus", "key-2").exit == 0
    assert bench.boluses_begun() == 2


def test_a_refusal_says_why_and_is_repeated_too(bench: DeskBench) -> None:
    bench.ask("bolus", "key-1")
    bench.stack.run_to(HOUR + 7 * MINUTE)
    refused = bench.ask("bolus", "key-2")
    assert refused.exit == 3
    assert "lockout" in refused.text
    bench.stack.run_to(5 * HOUR)
    assert bench.ask("bolus", "key-2") == refused


@pytest.mark.parametrize(("verb", "more", "code"), [
    ("bolus", {}, "bolus-overlap"),  # the rule that denied it
    ("prime", {}, "not-possible"), ("resume", {}, "not-possible"),
    ("resume", {"by": "Ann", "code": "abc"}, "nothing-to-confirm"),
    ("refill", {"by": "Ann", "filled": "41 mL"}, "fill-impossible"),
    ("refill", {"by": "Ann", "found": "4 mL"}, "refill-discrepancy"),  # the alarm
    ("refill", {"by": "Ann", "found": "much"}, "invalid-input"),
    ("resolve", {"by": "Ann", "reason": "seen", "command": "7"}, "no-such-command"),
    ("resolve", {"by": "Ann", "reason": "seen", "command": "silence"}, "not-vouchable"),
    ("resolve", {"by": "Ann", "reason": "seen", "command": "flow"}, "alarm-inactive"),
    ("bolus", {"before": "unknown"}, "outcome-unknown"),
])  # fmt: skip
def test_every_answer_that_is_no_yes_has_a_code_that_is_told_again_after_a_restart(
    bench: DeskBench, verb: str, more: dict[str, str], code: str
) -> None:
    """S-35."""
    if more.pop("before", None):
        bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=commit"))
    else:
        assert bench.ask("bolus", "before").code == ""
    answer = bench.ask(verb, "r", **more)
    assert answer.exit != 0
    assert answer.code == code
    bench.restart()
    assert bench.ask(verb, "r", **more) == answer


def test_the_console_is_told_code_exit_and_text(bench: DeskBench) -> None:
    def reply(verb: str, **more: str) -> dict[str, object]:
        return bench.desk._reply(Heard({"id": verb, "do": verb, **more}, cast("Any", None)))

    assert reply("prime") == {"exit": 3, "code": "not-possible", "text": "Refused: the plan has no prime."}
    assert reply("explode")["code"] == "verb-unknown"
    assert reply("stop") == {"exit": 0, "code": "", "text": "Stopped. The pump confirmed it."}
    assert reply("status")["code"] == ""


def test_an_answer_of_a_program_that_wrote_no_codes_is_told_as_it_was(bench: DeskBench) -> None:
    bench.journal.append("console", {"id": "old", "do": "bolus"})
    bench.journal.append("told", {"id": "old", "exit": 3, "text": "Refused."})
    bench.restart()
    assert bench.ask("bolus", "old") == Answer(3, "Refused.", "")


def test_a_bolus_whose_reply_was_lost_is_told_as_not_known(bench: DeskBench) -> None:
    bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=commit"))
    answer = bench.ask("bolus")
    assert answer.exit == 4
    assert "not known" in answer.text
    assert bench.stack.guard.unsettled is not None
    assert bench.status()["unsettled"]["volume_nl"] >= BOLUS_NL


def test_a_request_is_on_disk_before_anything_is_sent(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_send: list[list[str]] = []
    send = bench.stack.wire.send

    def spy(data: bytes, at_ms: int) -> None:
        at_send.append(bench.kinds("console", "request", "intent"))
        send(data, at_ms)

    monkeypatch.setattr(type(bench.stack.wire), "send", lambda _self, data, at_ms: spy(data, at_ms))
    monkeypatch.setattr(bench.stack._link, "_wire", bench.stack.wire)
    bench.ask("bolus")
    assert at_send
    assert all({"console", "request"} <= set(found) for found in at_send)


def test_a_request_that_cannot_be_written_is_not_done(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalError("no space left on the device")

    monkeypatch.setattr(bench.journal._journal, "append", full)
    assert bench.ask("bolus").exit == 5
    assert bench.stack.controller.state is State.FAULT  # a disk that fails stops the pump, whoever finds it
    monkeypatch.undo()
    assert bench.boluses_begun() == 0


def test_a_stop_goes_out_with_a_full_disk_and_says_so(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalError("no space left on the device")

    monkeypatch.setattr(bench.journal._journal, "append", full)
    bench.ask("stop")
    assert bench.stack.world.implant.delivery.run is None


def test_a_stop_acts_however_often_it_is_asked_under_one_id(bench: DeskBench) -> None:
    assert bench.ask("stop", "s").text == "Stopped. The pump confirmed it."
    assert bench.ask("resume", "r").exit == 0
    bench.stack.run_to(2 * HOUR)
    assert bench.stack.world.implant.delivery.run is not None
    bench.ask("stop", "s")
    assert bench.stack.world.implant.delivery.run is None


def test_a_stop_that_the_pump_does_not_confirm_is_told_as_such(bench: DeskBench) -> None:
    bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=stop,count=0"))
    answer = bench.ask("stop")
    assert answer.exit == 4
    assert "did not confirm" in answer.text


def test_pause_and_resume(bench: DeskBench) -> None:
    assert bench.ask("pause", "p").exit == 0
    assert bench.stack.controller.state is State.PAUSED
    assert bench.ask("pause", "p2").exit == 3
    assert bench.ask("resume", "r").exit == 0
    assert bench.stack.controller.state is State.READY


def test_a_prime_that_the_plan_does_not_have_is_refused(bench: DeskBench) -> None:
    assert bench.ask("prime") == Answer(3, "Refused: the plan has no prime.", "not-possible")


def test_a_restart_is_confirmed_by_name_and_code_only(bench: DeskBench) -> None:
    bench.restart()
    code = bench.stack.guard.reconciliation().code
    without = bench.ask("resume", "r1")
    assert without.exit == 3
    assert f"--confirm NAME {code}" in without.text
    other = bench.ask("resume", "r2", by="Ann", code="00000000")
    assert other.exit == 3
    assert f"--confirm NAME {code}" in other.text
    assert bench.stack.controller.state is State.WAITING
    assert bench.ask("resume", "r2b", by="Ann", code=code, off="soon").exit == 3
    assert "It is known how long" in bench.ask("resume", "r2c", by="Ann", code=code, off="5 min").text
    assert bench.ask("resume", "r3", by="Ann", code=code).text == "Confirmed by Ann. The plan goes on."
    assert bench.stack.controller.state is State.RUNNING
    assert bench.ask("resume", "r4", by="Ann", code=code).exit == 3  # there is nothing to confirm any more


def test_a_confirm_that_moves_plan_time_says_by_how_much(bench: DeskBench) -> None:
    bench.restart()
    bench.clock.jump_wall(60_000)
    answer = bench.ask("resume", "r", by="Ann", code=bench.stack.guard.reconciliation().code)
    assert "Plan time moved by 60 s" in answer.text


def test_an_acknowledge_tells_what_stays_active(bench: DeskBench) -> None:
    bench.stack.guard.raise_alarm("battery-low", "")
    assert "battery-low" in bench.ask("ack", "a1", by="Ann").text
    bench.stack.guard.clear_alarm("battery-low")
    assert bench.ask("ack", "a2", by="Ann").text == "Seen. No alarm is active."


def test_a_refill_counts_the_residual_on_top(bench: DeskBench) -> None:
    assert bench.ask("refill", by="Ann", filled="30 mL").exit == 0
    assert bench.stack.guard.filled_nl == 31_400_000
    low, high = (bench.status()["reservoir_nl"][end] for end in ("low", "high"))
    assert 29_990_000 <= low <= 30_000_000
    assert 31_390_000 <= high <= 31_400_000


@pytest.mark.parametrize("volume", ["0 mL", "41 mL", "40", "lots", "-1 mL", "1e3 mL"])
def test_a_refill_that_cannot_be_is_refused(bench: DeskBench, volume: str) -> None:
    assert bench.ask("refill", by="Ann", filled=volume).exit == 3
    assert bench.kinds("refill") == []


def test_an_unsettled_command_is_resolved_by_name_and_reason(bench: DeskBench) -> None:
    bench.stack.wire.inject(Fault.parse(f"lose-request@{bench.stack.elapsed_ms}ms:type=commit"))
    bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=outcome,count=0"))
    bench.ask("bolus", "b")
    open_id = bench.status()["unsettled"]["id"]
    assert bench.ask("resolve", "1", command=open_id, by="Ann", reason=" ").exit == 3
    assert bench.ask("resolve", "2", command="zz", by="Ann", reason="looked").exit == 3
    assert bench.ask("resolve", "3", command="12", by="Ann", reason="looked").exit == 3
    assert bench.ask("resolve", "4", command=open_id, by="Ann", reason="looked").exit == 0
    assert bench.stack.guard.unsettled is None
    kinds = [record.kind for record in bench.journal.records()]
    assert kinds[kinds.index("resolve") + 1] == "stop"  # S-08: before anything else is written


def test_what_the_console_does_not_know_is_refused_and_not_written(bench: DeskBench) -> None:
    assert bench.ask("explode").code == "verb-unknown"
    assert bench.kinds("console") == []


def test_a_request_that_was_cut_short_is_told_so_and_never_done_again(bench: DeskBench) -> None:
    bench.journal.append("console", {"id": "key-1", "do": "bolus"})
    bench.restart()
    bench.stack.confirm()
    answer = bench.ask("bolus", "key-1")
    assert answer.exit == 4
    assert "not done again" in answer.text
    assert bench.boluses_begun() == 0


def test_for_a_minute_after_a_kill_a_refusal_says_for_how_long_and_then_the_pump_listens(
    bench: DeskBench,
) -> None:
    """docs/reference-protocol.md, ownership: a pump takes another controller 60 s after the last word of the one."""
    bench.stack.guard.read_status()
    bench.restart()
    assert bench.status()["busy_s"] == 61
    bench.stack.run_to(HOUR + 20_000)
    bench.stack.confirm()
    refused = bench.ask("bolus", "key-1")
    assert refused.exit == 3
    assert refused.text == (
        "Refused: the pump refused: busy. Nothing was given by it. The pump may still listen to a controller before "
        "this one; it takes new commands in 41 s at most. Ask again then."
    )
    bench.stack.run_to(HOUR + 62_000)
    assert bench.status()["busy_s"] is None
    assert bench.ask("bolus", "key-2").exit == 0


def test_a_refusal_says_what_has_to_be_typed_before_the_plan_goes_on(bench: DeskBench) -> None:
    assert bench.ask("resume", "1").text == "Refused: nothing is paused or stopped, the state is RUNNING."
    assert bench.ask("pause", "2").exit == 0
    paused = bench.ask("bolus", "3").text
    assert paused.endswith("Nothing was given by it. To go on: pump-ctrl resume")
    bench.stack.runner.raise_alarm("over-delivery", "")
    assert bench.ask("resume", "4").text.endswith("alarms last: over-delivery. What to do: pump-ctrl status")
    assert bench.ask("ack", "5", by="Ann").text.endswith(
        "When you know, type:\n  pump-ctrl resolve over-delivery --by NAME --reason TEXT"
    )
    assert bench.ask("resolve", "6", command="over-delivery", by="Ann", reason="seen").exit == 0
    bench.restart()
    code = bench.stack.guard.reconciliation().code
    for verb in ("bolus", "pause", "prime"):
        refused = bench.ask(verb, f"w-{verb}")
        assert refused.exit == 3
        assert refused.text.endswith(f"To go on: pump-ctrl resume --confirm NAME {code}")


@pytest.mark.parametrize(("code", "typed"), [
    ("over-delivery", "over-delivery: Look at the patient first, then find out why the pump gave more. When you know, "
     "type: pump-ctrl resolve over-delivery --by NAME --reason TEXT, then: pump-ctrl resume"),
    ("silence", "silence: Its cause has gone. When you have seen it: pump-ctrl ack"),
])  # fmt: skip
def test_a_confirm_under_an_alarm_says_that_the_plan_does_not_go_on_why_and_what_to_type(
    bench: DeskBench, code: str, typed: str
) -> None:
    """REQ13."""
    bench.stack.guard.raise_alarm(code, "")
    bench.restart()
    confirm = bench.stack.guard.reconciliation().code
    first, *rest = bench.ask("resume", "c", by="Ann", code=confirm).text.splitlines()
    assert first == (
        "Confirmed by Ann. The plan does NOT go on. Nothing is given while these alarms last: "
        f"{code}. What to do: pump-ctrl status"
    )
    assert rest == [f"  {typed}"]
    assert bench.stack.controller.state is State.FAULT


def test_a_confirm_under_an_alarm_that_permits_the_basal_says_that_the_plan_goes_on(bench: DeskBench) -> None:
    bench.stack.guard.raise_alarm("reservoir-low", "")
    bench.restart()
    confirm = bench.stack.guard.reconciliation().code
    assert bench.ask("resume", "c", by="Ann", code=confirm).text == "Confirmed by Ann. The plan goes on."


def test_an_alarm_that_lets_the_basal_run_is_not_told_as_one_that_stops_it(bench: DeskBench) -> None:
    bench.ask("pause", "1")
    bench.stack.guard.raise_alarm("reservoir-low", "")
    assert bench.ask("bolus", "2").text.endswith("To go on: pump-ctrl resume")


def fails_at(bench: DeskBench, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """The disk is full from the first record of that kind on."""
    append, full = bench.journal._journal.append, [False]

    def perhaps(kind: str, data: Mapping[str, object]) -> object:
        full[0] |= kind == failing
        if full[0]:
            raise JournalError("no space left on the device")
        return append(kind, data)

    monkeypatch.setattr(bench.journal._journal, "append", perhaps)


def test_a_bolus_whose_intent_cannot_be_written_is_told_as_not_given(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_at(bench, monkeypatch, "intent")
    answer = bench.ask("bolus")
    assert answer.exit == 5
    assert answer.text.startswith("Nothing was given by it: no space left")
    assert bench.unknown_to_the_journal() == set()
    assert bench.stack.world.implant.delivery.run is None  # and what ran is stopped


def test_a_bolus_whose_outcome_cannot_be_written_is_told_as_not_known(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_at(bench, monkeypatch, "outcome")
    assert bench.ask("bolus").exit == 4


@pytest.mark.parametrize(
    ("verb", "more"), [("bolus", {}), ("refill", {"by": "Ann", "found": "39 mL"}), ("ack", {"by": "Ann"})]
)
def test_who_asks_with_a_full_disk_is_told_that_the_pump_was_stopped(
    verb: str, more: dict[str, str], bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.stack.guard.raise_alarm("battery-low", "")  # what is acknowledged
    for kind in ("request", "filling", "alarm"):
        fails_at(bench, monkeypatch, kind)
    answer = bench.ask(verb, **more)
    assert answer.exit == 5
    assert "The pump was stopped and confirmed it." in answer.text
    assert bench.stack.world.implant.delivery.run is None


def test_a_pause_with_a_full_disk_says_that_the_pump_stopped(
    bench: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_at(bench, monkeypatch, "stop")
    assert bench.ask("pause").text == "Paused. The pump confirmed that it stopped."
