"""The status document: whole numbers, the age of the pump's word, and advice for every alarm there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from pump_ctrl.cli.main import cli
from pump_ctrl.cli.run_text import STATES, found_lines, status_lines
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.live.advice import ADVICE
from pump_ctrl.safety.alarms import TABLE
from sim.faults import Fault
from tests.unit.live_kit import BOLUS_NL, DeskBench, plan_with_boluses
from tests.whole_stack import HOUR, MINUTE

KEYS = {
    "schema", "journal", "state", "plan", "utc_offset_ms", "plan_utc_ms", "plan_s", "rate_nl_per_h",
    "planned_rate_nl_per_h", "volume_nl", "reservoir_nl", "run", "next", "alarms", "pump", "unsettled",
    "reconciliation", "busy_s", "witness",
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> DeskBench:
    made = DeskBench(plan_with_boluses(), tmp_path / "j.jsonl")
    made.stack.run_to(10 * HOUR)
    return made


def leaves(value: Any) -> list[object]:  # noqa: ANN401
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def test_every_alarm_of_the_table_has_its_advice_and_no_other() -> None:
    assert set(ADVICE) == {row.code for row in TABLE}


def test_the_document_holds_whole_numbers_texts_and_nothing_else(bench: DeskBench) -> None:
    found = bench.status()
    assert set(found) == KEYS
    assert {type(leaf) for leaf in leaves(found)} <= {int, str, bool, type(None)}
    assert json.loads(json.dumps(found)) == found


def test_figures_of_a_plan_that_has_run_for_ten_hours(bench: DeskBench) -> None:
    found = bench.status()
    assert found["state"] == "RUNNING"
    assert found["rate_nl_per_h"] == found["planned_rate_nl_per_h"] == 8_000
    assert found["volume_nl"]["planned"] == 80_000
    assert found["volume_nl"]["missed"] <= 1
    assert found["reservoir_nl"]["high"] == 41_400_000 - found["volume_nl"]["ledger_low"]
    assert found["reservoir_nl"]["filled"] == 41_400_000
    assert found["plan_s"] == 36_000
    assert found["run"]["purpose"] == "basal"
    assert found["reconciliation"] is None


def test_the_age_of_what_the_pump_said_counts_on(bench: DeskBench) -> None:
    bench.stack.guard.read_status()
    first = bench.status()["pump"]["age_s"]
    bench.clock.advance(17 * MINUTE)
    assert bench.status()["pump"]["age_s"] == first + 17 * 60


def test_a_status_that_the_pump_repeats_does_not_look_fresh(bench: DeskBench) -> None:
    bench.stack.guard.read_status()
    bench.stack.world.inject(Fault.parse("status-stuck"))
    bench.clock.advance(HOUR)
    bench.stack.guard.read_status()
    assert bench.status()["pump"]["age_s"] >= 3_600


def test_a_bolus_is_shown_with_its_end(bench: DeskBench) -> None:
    bench.stack.ask("b", RequestKind.PATIENT_BOLUS)
    run = bench.status()["run"]
    assert run["bolus_nl"] == BOLUS_NL
    assert run["bolus_until_utc_ms"] == pytest.approx(
        bench.plan.start_utc_ms + 10 * HOUR + 5 * MINUTE, abs=500
    )


def test_who_waits_for_a_person_shows_words_and_code(bench: DeskBench) -> None:
    bench.restart()
    found = bench.status()
    expected = bench.stack.guard.reconciliation()
    assert found["reconciliation"] == {"words": expected.words, "code": expected.code}
    lines = "\n".join(status_lines(found, bench.path))
    assert f"--confirm NAME {expected.code}" in lines
    assert "Surely given since the journal began" in lines


def test_an_alarm_is_shown_with_what_to_do_and_whether_anybody_has_seen_it(bench: DeskBench) -> None:
    bench.stack.guard.raise_alarm("under-delivery", "nothing delivered for 4 h")
    (alarm,) = bench.status()["alarms"]
    assert (alarm["code"], alarm["priority"], alarm["acknowledged"]) == ("under-delivery", "high", False)
    assert "withdrawal" in alarm["do"]
    lines = "\n".join(status_lines(bench.status(), bench.path))
    assert "NOT SEEN BY ANYBODY" in lines
    bench.stack.runner.acknowledge("Ann")
    assert "; seen)" in "\n".join(status_lines(bench.status(), bench.path))


def test_each_alarm_is_shown_with_the_time_since_when_it_is_active(bench: DeskBench) -> None:
    """REQ69: by the plan's own clock, which reads 18:00 after ten hours."""
    bench.stack.guard.raise_alarm("requests", "")
    bench.stack.run_to(10 * HOUR + 90 * MINUTE)
    bench.stack.guard.raise_alarm("sensor", "")
    bench.stack.guard.raise_alarm("requests", "again")  # it is as old as it was
    found = bench.status()["alarms"]
    since = {
        alarm["code"]: (alarm["since_utc_ms"] - bench.plan.start_utc_ms, alarm["age_s"]) for alarm in found
    }
    assert since == {"sensor": (11 * HOUR + 30 * MINUTE, 0), "requests": (10 * HOUR, 5_400)}
    lines = "\n".join(status_lines(bench.status(), bench.path))
    assert (
        "ALARM requests (low; since 20 Nov 18:00:00, 1.5 h; NOT SEEN BY ANYBODY): the patient asks" in lines
    )
    assert "ALARM sensor (medium; since 20 Nov 19:30:00, 0 s; NOT SEEN" in lines


def test_an_alarm_is_as_old_after_the_host_was_off(bench: DeskBench) -> None:
    """The pump's clock tells how long that was."""
    bench.stack.guard.raise_alarm("requests", "")
    bench.stack.guard.read_status()
    bench.clock.advance(HOUR)
    bench.clock.reboot()
    bench.restart()
    (alarm,) = [each for each in bench.status()["alarms"] if each["code"] == "requests"]
    assert alarm["age_s"] == pytest.approx(3_600, abs=5)


def test_an_unsettled_command_is_shown_with_what_to_type(bench: DeskBench) -> None:
    bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=commit"))
    bench.ask("bolus")
    found = bench.status()
    assert found["unsettled"]["volume_nl"] >= BOLUS_NL
    assert found["unsettled"]["bolus_nl"] == BOLUS_NL
    assert f"pump-ctrl resolve {found['unsettled']['id']} --by NAME" in "\n".join(
        status_lines(found, bench.path)
    )


def test_a_run_that_the_pump_has_just_begun_shows_its_rate(tmp_path: Path) -> None:
    """It is booked from 100 ms after the decision on; a status in between does not say that nothing flows."""
    made = DeskBench(plan_with_boluses(), tmp_path / "j.jsonl")
    while (run := made.stack.controller.run) is None:
        made.stack.run_to(made.stack.elapsed_ms + 1)
    assert made.stack.controller.plan_ms(made.stack.clock.boot_ms()) < run.from_ms
    assert made.status()["rate_nl_per_h"] == 8_000


def test_what_a_person_stopped_is_told_to_hold_nothing_after_a_restart(bench: DeskBench) -> None:
    bench.restart()
    assert bench.status()["next"]["hold_ends_utc_ms"] is not None
    bench.ask("stop", "s")
    bench.restart()
    assert bench.status()["next"]["hold_ends_utc_ms"] is None
    assert "Nothing flows now." in found_lines(bench.status(), bench.plan, bench.path)


PLACEHOLDERS = {"NAME": "Ann", "TEXT": "looked", "VOLUME": "3 mL", "CODE": "0a1b2c3d", "ID": "1f"}
WORDS = "|".join([r"--[a-z-]+", r"[A-Z]+\b", *(rf"{row.code}\b" for row in TABLE)])
TYPED = re.compile(rf"pump-ctrl ([a-z]+)((?: (?:{WORDS}))*)")


@pytest.mark.parametrize("text", [*ADVICE.values(), *STATES.values()])
def test_every_command_that_is_printed_is_one_when_its_placeholders_are_filled(text: str) -> None:
    for verb, rest in TYPED.findall(text):
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        words = [PLACEHOLDERS.get(word, word) for word in rest.split()]
        if verb == "resume" and "--confirm" not in words:
            assert words == []
        command.make_context(verb, words)  # raises a usage error for what is missing or unknown
