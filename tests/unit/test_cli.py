"""The command line without a run: exit status, sentences for tracebacks, one JSON document, honest help."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
import pytest
from click.testing import CliRunner, Result

from pump_ctrl import figures
from pump_ctrl.cli.files import Places
from pump_ctrl.cli.lazy import NOTICE
from pump_ctrl.cli.main import TABLE, cli, main
from pump_ctrl.clock import VirtualClock
from pump_ctrl.errors import JournalError, LinkError, PumpCtrlError
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.plan_toml import read_document

ROOT: Final = Path(__file__).resolve().parents[2]
PLAN: Final = str(ROOT / "examples" / "a-flex-night-bolus.toml")
BRIDGE, BEFORE = (str(ROOT / "examples" / name) for name in ("e-bridge.toml", "e-bridge-before.toml"))


def run(*arguments: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, list(arguments))


def document(result: Result) -> Any:  # noqa: ANN401
    """The one JSON document on standard output."""
    return json.loads(result.stdout, parse_float=lambda number: pytest.fail(f"{number} is no integer"))


def _every_command() -> Iterator[tuple[str, ...]]:
    def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                found = command.get_command(ctx, name)
                assert found is not None
                yield from walk(found, (*path, name))

    yield from walk(cli, ())


# --- help ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", list(_every_command()), ids=" ".join)
def test_every_entry_point_says_that_it_is_no_medical_device(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert NOTICE in " ".join(result.stdout.split())


def test_the_version_says_it_too() -> None:
    assert NOTICE in run("--version").stdout


def test_the_table_of_the_help_page_says_what_each_command_says_of_itself() -> None:
    ctx = click.Context(cli)
    for name, (_, line) in TABLE.items():
        command = cli.get_command(ctx, name)
        assert command is not None
        assert command.get_short_help_str(200).rstrip(".").split()[0] == line.split()[0], name
        assert line in run("--help").stdout


# --- what is wrong with a file ------------------------------------------------------------------------------


def _missing(folder: Path) -> Path:
    return folder / "none.toml"


def _folder(folder: Path) -> Path:
    (folder / "plan.toml").mkdir()
    return folder / "plan.toml"


def _loop(folder: Path) -> Path:
    (folder / "plan.toml").symlink_to(folder / "plan.toml")
    return folder / "plan.toml"


def _written(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "plan.toml").write_bytes(content)
        return folder / "plan.toml"

    return write


BAD_FILES: Final = {
    "missing": (_missing, 3),
    "directory": (_folder, 3),
    "symlink loop": (_loop, 3),
    "empty": (_written(b""), 3),
    "binary": (_written(bytes(range(256)) * 40), 3),
    "not utf-8": (_written("schema = 1\ntitle = \"Schmerz\u00e4\"\n".encode("latin-1")), 3),
    "zeros": (_written(b"\0" * 4096), 3),
    "10 MB of one line": (_written(b"a" * 10_000_000), 3),
    "10 MB of comment": (_written(b"# comment\n" * 1_000_000), 3),
    "deep brackets": (_written(b"a = " + b"[" * 100_000), 3),
    "another format": (_written(b'{"schema": 1}'), 3),
    "a list": (_written(b"[[plan]]\n" * 3), 3),
    "huge number": (_written(b"schema = " + b"9" * 10_000), 3),
}  # fmt: skip
COMMANDS: Final = (("plan", "check"), ("plan", "show"), ("simulate",))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_plan_ends_in_sentences(
    command: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    make, code = BAD_FILES[kind]
    result = run(*command, str(make(tmp_path)))
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert 0 < len(result.stderr) < 5_000
    assert "Traceback" not in result.stderr


def test_a_pump_may_be_a_profile_file_of_ones_own(tmp_path: Path) -> None:
    own = shutil.copy(ROOT / "pump_ctrl/data/pumps/implant-20.toml", tmp_path / "mine.profile")
    assert "on mine: valid" in run("plan", "check", PLAN, "--pump", str(own)).stdout
    assert "pump  " in run("pumps", str(own)).stdout


def test_an_unreadable_file_ends_in_a_sentence(tmp_path: Path) -> None:
    result = run("plan", "check", "/proc/self/mem")
    assert result.exit_code in (2, 3)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("nonsense",),
        ("plan", "check"),
        ("plan", "check", PLAN, "--nonsense"),
        ("simulate", PLAN, "--for", "30"),
        ("simulate", PLAN, "--for", "nan d"),
        ("simulate", PLAN, "--for", "0 d"),
        ("simulate", PLAN, "--for", "11000 d"),
        ("simulate", PLAN, "--request", "patient-bolus"),
        ("simulate", PLAN, "--request", "3h=more"),
        ("simulate", PLAN, "--seed", "-1"),
        ("simulate", PLAN, "--plot", "/nowhere/run.svg"),
        ("journal", "verify", "/nowhere/run.jsonl"),
    ],
    ids=lambda arguments: " ".join(Path(a).name for a in arguments),
)
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "check", PLAN, "--pump", "implant-400"),
        ("plan", "check", PLAN, "--pump", "/nowhere/pump.toml"),
        ("plan", "check", PLAN, "--pump", "/dev/zero"),
        ("plan", "check", PLAN, "--pump", "/dev"),
        ("plan", "check", "/dev/zero"),
        ("plan", "check", PLAN, "--previous", BEFORE),
        ("plan", "check", BRIDGE),
        ("plan", "approve", PLAN, "--signer", "Ada"),
        ("formulary", "show", "water"),
        ("pumps", "implant-400"),
        ("simulate", BRIDGE),
    ],
    ids=lambda arguments: " ".join(Path(a).name for a in arguments),
)
def test_what_is_refused_is_status_3(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 3


# --- errors -------------------------------------------------------------------------------------------------


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], Result]:
    """Run ``pumps`` with an error planted where it reads the names of the profiles."""

    def invoke(error: Exception) -> Result:
        def explode() -> tuple[str, ...]:
            raise error

        monkeypatch.setattr("pump_ctrl.cli.library.profile_names", explode)
        return run("pumps")

    return invoke


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LinkError("Nobody answers.", pump_state="The pump runs to the end of its lease."), 4),
        (JournalError("Disk full.", do_now="Make room."), 5),
        (PumpCtrlError("Odd."), 5),
    ],
)
def test_our_own_errors_keep_their_status_and_their_words(
    raising: Callable[[Exception], Result], error: PumpCtrlError, code: int
) -> None:
    result = raising(error)
    assert (result.exit_code, result.stderr.strip(), result.stdout) == (code, str(error), "")


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyError("x"), RecursionError(), MemoryError()])
def test_a_defect_of_ours_ends_in_a_sentence_the_state_of_the_pump_and_what_to_do(
    raising: Callable[[Exception], Result], error: Exception
) -> None:
    result = raising(error)
    assert result.exit_code == 5
    assert type(error).__name__ in result.stderr
    assert "No real pump was opened by this command." in result.stderr
    assert "PUMP_CTRL_TRACEBACK=1" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_traceback_can_be_asked_for(
    raising: Callable[[Exception], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMP_CTRL_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in raising(RuntimeError("boom")).stderr


def test_a_person_who_interrupts_is_told_about_the_pump(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr("pump_ctrl.cli.library.profile_names", interrupted)
    result = run("pumps")
    assert result.exit_code == 130
    assert "No real pump was opened" in result.stderr


def test_main_returns_the_status_that_the_shell_sees(capsys: pytest.CaptureFixture[str]) -> None:
    assert [main(["pumps"]), main(["pumps", "implant-400"]), main(["nonsense"])] == [0, 3, 2]
    capsys.readouterr()


def test_a_reader_that_goes_away_is_no_defect() -> None:
    command = f"{sys.executable} -m pump_ctrl.cli.main formulary show baclofen --json | head -c 1"
    done = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "{"
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["plan show examples/a-flex-night-bolus.toml", "pumps --json", "--help"])
def test_a_full_disk_behind_the_output_is_no_defect(command: str) -> None:
    """Also where all of it fits into the buffer, which the interpreter empties at its end."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pump_ctrl.cli.main", *command.split()],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == 1
    first, *rest = done.stderr.splitlines()
    assert first == "What this command says could not be written: [Errno 28] No space left on device."
    assert rest == ([] if command == "--help" else ["No real pump was opened by this command."])


# --- plan ---------------------------------------------------------------------------------------------------


def test_check_groups_findings_and_names_what_a_reason_must_name() -> None:
    result = run("plan", "check", PLAN)
    assert result.exit_code == 0
    assert "Needs a reason" in result.stdout
    assert "start-soft:baclofen (and a second person)" in result.stdout
    assert "Blocked" not in result.stdout


def test_check_as_json_is_one_document_with_the_verdict() -> None:
    found = document(run("plan", "check", PLAN, "--json"))
    assert found["verdict"] == "reasons"
    assert found["plan"]["id"] == "A-FLEX-NIGHT-BOLUS"
    assert {item["level"] for item in found["findings"]} == {"reason", "note"}
    blocked = run("plan", "check", BRIDGE, "--json")
    assert blocked.exit_code == 3
    assert document(blocked)["verdict"] == "blocked"


def test_an_invalid_plan_as_json_lists_its_problems_with_file_and_line(tmp_path: Path) -> None:
    good = Path(PLAN).read_text(encoding="utf-8")
    bad = tmp_path / "plan.toml"
    bad.write_text(good.replace('filled = "40 mL"', "filled = 40"), encoding="utf-8")
    line = good[: good.index("filled")].count("\n") + 1
    result = run("plan", "check", str(bad), "--json")
    assert result.exit_code == 3
    (problem,) = document(result)["problems"]
    assert (problem["field"], problem["line"]) == ("reservoir.filled", line)
    assert f"{bad}:{line}: reservoir.filled" in result.stderr


def test_show_tells_a_clinician_the_day_the_windows_and_the_dates() -> None:
    shown = " ".join(run("plan", "show", PLAN).stdout.split())
    for words in (
        "Friday 20 November 2026, 08:00 (UTC+01:00)",
        "340 ug 60 ug 400 ug",
        "volume: 0.400 mL/day",
        "baclofen 1 h 68.67 ug 85 ug none",
        "baclofen 24 h 400 ug 415.2 ug 2000 ug 21 %",
        "22:00 22:20 + 60 ug 180 ug 4.3200",
        "alarm at 2 mL: Tuesday 23 February 2027 (95 days)",
        "refill by Tuesday 23 February 2027 (95 days), because of the alarm volume",
    ):
        assert words in shown, words


def test_show_tells_what_a_prime_a_bridge_and_a_patient_bolus_do() -> None:
    bridge = " ".join(run("plan", "show", BRIDGE, "--previous", BEFORE).stdout.split())
    assert "0.336 mL of old fluid, nominally 13.4 h, carries 1.679 mg hydromorphone" in bridge
    prime = " ".join(run("plan", "show", str(ROOT / "examples/b-morphine-continuous.toml")).stdout.split())
    assert "0.336 mL in at least 20.1 min, moves 3.358 mg morphine into the path" in prime
    patient = " ".join(run("plan", "show", str(ROOT / "examples/c-patient-bolus.toml")).stdout.split())
    assert "with all patient boluses 0.373 mL/day" in patient
    assert "patient bolus 26.667 uL = 0.4 mg 26.6 uL = 0.399 mg" in patient


def test_show_as_json_has_integers_only() -> None:
    figures = document(run("plan", "show", PLAN, "--json"))["figures"]
    assert figures["volume_nl_per_day"] == {"prescribed": 400_000, "most": 400_000}
    assert figures["refill"]["by"] == "2027-02-23"
    assert figures["drugs"][0]["windows"][0] == {
        "hours": 1, "on_time_pg": 68_666_667, "worst_pg": 85_000_000, "limit_pg": None,
    }  # fmt: skip


def test_show_of_a_plan_that_cannot_be_compiled_says_why_instead_of_figures() -> None:
    result = run("plan", "show", BRIDGE)
    assert result.exit_code == 0
    assert "No figures: the plan cannot be compiled." in result.stdout
    assert "previous-missing" in result.stdout


def test_another_pump_is_said_to_override_the_plan() -> None:
    assert (
        "The plan is for implant-40; --pump overrides it with implant-20."
        in run("plan", "check", PLAN, "--pump", "implant-20").stdout
    )


def test_limits_of_ones_own_are_used_and_said_to_be(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text = (ROOT / "pump_ctrl" / "data" / "formulary.toml").read_text(encoding="utf-8")
    start = 'start_soft = { value = "200 ug/day"'
    assert start in text
    own.write_text(text.replace(start, 'start_soft = { value = "400 ug/day"'), encoding="utf-8")
    assert "start-soft:baclofen" in run("plan", "check", PLAN).stdout
    for command in (("plan", "check"), ("plan", "show")):
        result = run(*command, PLAN, "--formulary", str(own))
        assert result.exit_code == 0
        assert "start-soft:baclofen" not in result.stdout
        assert f"The drug limits are those of {own}, not those of the package." in result.stdout
    assert "400 ug" in run("formulary", "show", "baclofen", "--formulary", str(own)).stdout
    signed = Path(shutil.copy(PLAN, tmp_path / "plan.toml"))
    approved = run("plan", "approve", str(signed), "--signer", "Ada", "--formulary", str(own))
    assert approved.exit_code == 0, approved.stderr
    other = sha256(own.read_bytes()).hexdigest()
    assert json.loads((tmp_path / "plan.approval.json").read_text())["formulary_sha256"] == other


def test_a_finding_names_file_and_line_of_its_field() -> None:
    (line,) = [line for line in run("plan", "check", PLAN).stdout.splitlines() if "start-soft" in line]
    number = Path(PLAN).read_text(encoding="utf-8").splitlines().index("[basal]") + 1
    assert line == f"  start-soft:baclofen (and a second person), {PLAN}:{number}: basal"
    assert "  unverified, formulary\n" in run("plan", "check", PLAN).stdout


def test_a_field_of_a_list_is_found_in_the_file_by_its_number_from_1() -> None:
    lines = Path(PLAN).read_text(encoding="utf-8").splitlines()
    places = Places(read_document(PLAN))
    number = lines.index('dose = "60 ug"') + 1
    assert places.of("bolus#1.dose") == f"{PLAN}:{number}: bolus#1.dose"
    second = next(n for n, line in enumerate(lines, 1) if 'from = "09:00"' in line)
    assert places.of("basal.steps#2.dose") == f"{PLAN}:{second}: basal.steps#2.dose"
    rows = run("plan", "diff", PLAN, PLAN, "--json")
    fields = {row["field"] for row in document(rows)["rows"]}
    assert {"bolus#1.dose", "basal.steps#4.from"} <= fields
    assert not any("[" in field for field in fields)


def test_what_is_missing_for_an_approval_is_told_with_the_options_that_give_it() -> None:
    said = run("plan", "approve", PLAN, "--signer", "Ada").stderr
    assert "no reason for start-soft:baclofen" in said
    assert "--reason KEY=TEXT" in said
    assert "--second NAME" in said
    assert "--previous PLAN" in run("plan", "check", BRIDGE).stdout


def test_diff_marks_the_rows_that_differ_and_tells_percent() -> None:
    result = run("plan", "diff", BEFORE, BRIDGE)
    assert result.exit_code == 0
    marked = [line.split("  ")[-1].strip() for line in result.stdout.splitlines() if line.startswith("*")]
    assert "-50 %" in marked  # the volume, at twice the concentration
    assert any(line.startswith("   on_loss") for line in result.stdout.splitlines())
    assert "on_loss" not in run("plan", "diff", BEFORE, BRIDGE, "--changed").stdout


def test_approve_writes_the_approval_beside_the_plan(tmp_path: Path) -> None:
    plan = Path(shutil.copy(PLAN, tmp_path / "plan.toml"))
    reason = "start-soft:baclofen=known on this dose"
    alone = run("plan", "approve", str(plan), "--signer", "Ada", "--reason", reason)
    assert alone.exit_code == 3
    assert "second person" in alone.stderr
    assert sorted(os.listdir(tmp_path)) == ["plan.toml"]
    both = run("plan", "approve", str(plan), "--signer", "Ada", "--second", "Grace", "--reason", reason)
    assert both.exit_code == 0, both.stderr
    assert json.loads((tmp_path / "plan.approval.json").read_text())["signers"] == ["Ada", "Grace"]


@pytest.mark.parametrize("reason", ["start-soft", "=why", "start-soft= "])
def test_a_reason_needs_a_key_and_a_text(reason: str) -> None:
    assert run("plan", "approve", PLAN, "--signer", "Ada", "--reason", reason).exit_code == 2


def test_schema_prints_the_schema_that_is_checked_in() -> None:
    checked_in = (ROOT / "pump_ctrl" / "data" / "plan.schema.json").read_text(encoding="utf-8")
    assert run("plan", "schema").stdout == checked_in


# --- library ------------------------------------------------------------------------------------------------


def test_every_number_of_a_drug_is_shown_with_its_source_and_whether_it_is_verified() -> None:
    shown = run("formulary", "show", "Baclofen").stdout
    numbers = document(run("formulary", "show", "baclofen", "--json"))["drugs"]["baclofen"]["numbers"]
    for name, number in numbers.items():
        assert any(
            line.split()[0] == name and number["source"] in line for line in shown.splitlines() if line
        )
    assert "NO" in shown


def test_pumps_lists_every_profile_and_shows_one() -> None:
    names = [pump["name"] for pump in document(run("pumps", "--json"))["pumps"]]
    assert {"implant-20", "implant-40"} <= set(names)
    assert all(name in run("pumps").stdout for name in names)
    page = " ".join(run("pumps", "implant-40").stdout.split())
    assert "0.048 mL/day to 24 mL/day" in page
    assert "accuracy_low 85.5 %" in page
    assert "max_steps 13" in page


# --- journal ------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of three records, the last one with a text that would drive a terminal."""
    clock = VirtualClock(utc_ms=1_795_158_000_000)
    kept = MemoryJournal(clock, {"plan": "T"})
    kept.append("alarm", {"code": "low", "active": True})
    clock.advance(1_500)
    kept.append("note", {"text": "a b\x1b[31m", "list": [1, 2]})
    kept.save(tmp_path / "run.jsonl")
    return tmp_path / "run.jsonl"


def test_journal_show_prints_a_line_for_each_record_with_the_month_as_a_word(journal: Path) -> None:
    lines = run("journal", "show", str(journal)).stdout.splitlines()
    assert len(lines) == 3
    assert "20 Nov 2026 07:00:01.500  note" in lines[2]
    assert "\x1b" not in lines[2]
    assert run("journal", "show", str(journal), "--kind", "alarm").stdout.count("\n") == 1
    assert run("journal", "show", str(journal), "--last", "1").stdout.splitlines() == lines[2:]
    assert document(run("journal", "show", str(journal), "--json"))["records"][2]["data"]["list"] == [1, 2]


def test_journal_export_writes_one_row_for_each_record(journal: Path) -> None:
    rows = run("journal", "export", str(journal)).stdout.splitlines()
    assert rows[0] == "seq,utc_ms,utc,boot_id,boot_ms,kind,data"
    assert rows[2].startswith("1,1795158000000,20 Nov 2026 07:00:00.000,")
    assert len(document(run("journal", "export", str(journal), "--format", "json"))["records"]) == 3


def test_journal_verify_tells_a_whole_one_from_a_damaged_one(journal: Path) -> None:
    whole = run("journal", "verify", str(journal))
    assert (whole.exit_code, "whole" in whole.stdout) == (0, True)
    journal.write_bytes(journal.read_bytes().replace(b"low", b"LOW"))
    damaged = run("journal", "verify", str(journal), "--json")
    assert damaged.exit_code == 5
    assert document(damaged)["ok"] is False
    shown = run("journal", "show", str(journal))
    assert shown.exit_code == 5
    assert "line 2 is damaged or foreign" in shown.stderr
    exported = run("journal", "export", str(journal))
    assert (exported.exit_code, exported.stdout) == (5, "")


# --- figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (Fraction(1, 2), 0, "0"),
        (Fraction(3, 2), 0, "2"),
        (Fraction(-1, 3), 2, "-0.33"),
        (0, 3, "0.000"),
        (7, 0, "7"),
    ],
)
def test_rounding_is_exact_and_half_to_even(value: Fraction, digits: int, shown: str) -> None:
    assert figures.rounded(value, digits) == shown


@pytest.mark.parametrize(
    ("pg", "unit", "shown"),
    [
        (1_500_000_000, "mg", "1.5 mg"),
        (68_666_667, "ug", "68.67 ug"),
        (999_999_999, "ug", "1000 ug"),
        (12_345, "ug", "0.0123 ug"),
        (0, "ug", "0 ug"),
    ],
)
def test_a_mass_has_four_places_or_so(pg: int, unit: str, shown: str) -> None:
    assert figures.mass(pg, unit) == shown


@pytest.mark.parametrize(
    ("nl", "shown"), [(0, "0.000 mL"), (100, "0.000100 mL"), (335_800, "0.336 mL"), (40_000_000, "40.000 mL")]
)
def test_a_volume_never_reads_as_zero_unless_it_is(nl: int, shown: str) -> None:
    assert figures.ml(nl) == shown
