"""What a person reads and pastes around a restart: what the pump does alone, the code that counts, the way on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pump_ctrl.assembly import prescription_of
from pump_ctrl.cli.run import again, run
from pump_ctrl.cli.run_text import Lines, Times, changed_lines, found_lines, status_lines
from pump_ctrl.cli.start_text import without_it
from pump_ctrl.therapy.plan import plan_from
from sim.faults import Fault
from tests.unit.live_kit import VALUES, DeskBench, plan_with_boluses
from tests.whole_stack import HOUR, formulary, profile

SYRINGE = {
    "filled": "10 mL",
    "residual": ["0 mL", "0 mL"],
    "alarm": "1 mL",
    "drugs": VALUES["reservoir"]["drugs"],
}
LAST, STOPPED = "what the pump was told last goes on,", "the pump is stopped"
HELD = "the lowest rate is held for 4 h at most, then nothing flows"


@pytest.fixture
def bench(tmp_path: Path) -> DeskBench:
    made = DeskBench(plan_with_boluses(), tmp_path / "my journal.jsonl")
    made.stack.run_to(HOUR)
    return made


@pytest.mark.parametrize(
    ("pump", "on_loss", "ends", "killed"),
    [
        ("implant-40", {"hold": "4 h"}, HELD, f"{LAST} for 1 d at most; then nothing flows"),
        ("implant-40", "stop", STOPPED, f"{LAST} for 1 d at most; then nothing flows"),
        ("ne-1000-bd-10ml", "stop", STOPPED, "the pump stops by itself within 60 s"),
        ("ne-1000-bd-10ml", {"hold": "4 h"}, HELD, f"{LAST} for 1 h at most, then the lowest rate; after 4 h in all "
         "nothing flows"),
    ],
)  # fmt: skip
def test_a_start_says_what_the_pump_does_when_this_process_ends_and_when_it_is_killed(
    pump: str, on_loss: object, ends: str, killed: str
) -> None:
    changed = {"pump": pump, "on_loss": on_loss}
    plan = plan_from({**VALUES, **changed, **({} if pump.startswith("implant") else {"reservoir": SYRINGE})})
    rows = without_it(profile(pump), prescription_of(plan, profile(pump), formulary(), None))
    assert list(rows) == [("on Ctrl-C", ends), ("if killed", killed)]


def confirm_code(lines: list[str]) -> str:
    (found,) = re.findall(r"--confirm NAME ([0-9a-f]{8})", "\n".join(lines))
    return str(found)


def test_the_line_that_a_start_prints_confirms_when_it_is_pasted(bench: DeskBench) -> None:
    bench.restart()
    lines = found_lines(bench.status(), bench.plan, bench.path)
    words = shlex.split(lines[-1])
    assert words[:5] == ["pump-ctrl", "resume", "--journal", str(bench.path), "--confirm"]
    assert bench.ask("resume", by="Ann", code=words[-1]).exit == 0


def test_words_that_have_changed_are_printed_with_the_code_that_counts_now(bench: DeskBench) -> None:
    bench.restart()
    first = confirm_code(found_lines(bench.status(), bench.plan, bench.path))
    bench.stack.runner.raise_alarm("battery-low", "")
    lines = changed_lines(bench.status(), bench.path)
    assert confirm_code(lines) != first
    assert "  Alarm: battery-low: the pump's battery is nearly empty." in lines
    assert bench.ask("resume", "1", by="Ann", code=first).exit == 3
    assert bench.ask("resume", "2", by="Ann", code=confirm_code(lines)).exit == 0


def test_for_a_minute_a_restart_says_that_the_pump_may_be_busy_and_that_nobody_has_to_wait(
    bench: DeskBench,
) -> None:
    bench.restart()
    text = "\n".join(found_lines(bench.status(), bench.plan, bench.path))
    assert "it takes new commands in 61 s at most. STOP works at once" in text
    bench.stack.run_to(HOUR + 62_000)
    assert "new commands in" not in "\n".join(found_lines(bench.status(), bench.plan, bench.path))


def test_a_bolus_is_told_apart_from_the_basal_behind_it(bench: DeskBench) -> None:
    bench.ask("bolus")
    told = next(line for line in status_lines(bench.status(), bench.path) if line.startswith("told"))
    assert "patient bolus of 0.020 mL until 20 Nov 09:05:00, then basal until" in told
    bench.stack.run_to(HOUR + 302_000)
    told = next(line for line in status_lines(bench.status(), bench.path) if line.startswith("told"))
    assert "bolus" not in told


def test_where_no_basal_follows_a_bolus_on_the_pump_none_is_told_to_follow(bench: DeskBench) -> None:
    """A Harvard pump is told one thing at a time."""
    bench.ask("bolus")
    found = bench.status()
    run = {**found["run"], "until_utc_ms": found["run"]["bolus_until_utc_ms"]}
    alone = {**found, "run": run}
    told = next(line for line in status_lines(alone, bench.path) if line.startswith("told"))
    assert told.endswith(
        "patient bolus of 0.020 mL until 20 Nov 09:05:00, then nothing until it is told the basal"
    )
    bench.restart()
    found = bench.status()
    run = {**found["run"], "until_utc_ms": found["run"]["bolus_until_utc_ms"]}
    text = "\n".join(found_lines({**found, "run": run}, bench.plan, bench.path))
    assert "runs until Friday 20 November 2026 09:05; then nothing until the pump is told the basal." in text
    said = Lines(Times(0)).of_parts(
        "intent", 0, {"purpose": "patient", "steps": [["bolus", 20_000, 300_000, 0]]}
    )
    assert said == [
        " 1 Jan 00:00:00  Telling the pump: patient bolus of 0.020 mL in 5 min; it then stops by itself after 5 min if "
        "it hears no more"
    ]


def test_an_unsettled_bolus_is_told_with_its_own_volume_and_two_lines_to_type(bench: DeskBench) -> None:
    bench.stack.wire.inject(Fault.parse(f"lose-reply@{bench.stack.elapsed_ms}ms:type=commit"))
    bench.ask("bolus")
    lines = status_lines(bench.status(), bench.path)
    assert any("0.020 mL of it as a bolus" in line for line in lines)
    at = lines.index("  pump-ctrl stop")
    assert lines[at + 1].startswith(f"  pump-ctrl resolve {bench.status()['unsettled']['id']} --by NAME")


def test_the_command_that_goes_on_is_what_was_typed_for_the_plan_in_force_without_what_counts_once() -> None:
    typed = [
        "old plan.toml",
        "--port",
        "/dev/x",
        "--journal",
        "j 1.jsonl",
        "--pump",
        "my.toml",
        "--previous",
        "a.toml",
    ]
    typed += ["--previous", "b.toml", "--address", "7", "--confirm", "Ann", "--given", "none", "--for", "10m"]
    with run.make_context("run", typed) as ctx:
        words = shlex.split(again(ctx, Path("new plan.toml")))
    assert words[:3] == ["pump-ctrl", "run", "new plan.toml"]
    pairs = list(zip(words[3::2], words[4::2], strict=True))
    assert sorted(pairs) == sorted([
        ("--port", "/dev/x"), ("--journal", "j 1.jsonl"), ("--pump", "my.toml"), ("--previous", "a.toml"),
        ("--previous", "b.toml"), ("--address", "7"),
    ])  # fmt: skip
    assert isinstance(run.make_context("run", words[2:]), click.Context)
