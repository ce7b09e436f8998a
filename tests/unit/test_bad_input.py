"""Bad files through the real command line: status 3, ``file:line``, sentences, and nothing written anywhere.

What the readers say of each mistake is pinned beside them, in test_plan_bad_input.py and in
test_formulary_bad_input.py. Here their tables, and what only a whole command can meet, go through it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from click.testing import CliRunner, Result

from pump_ctrl.cli.main import cli
from pump_ctrl.clock import VirtualClock
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.formulary import FORMULARY_FILE
from tests.unit.test_cli import BAD_FILES
from tests.unit.test_formulary_bad_input import (
    BACLOFEN_DAY,
    WRONG_DRUGS,
    WRONG_NUMBERS,
    WRONG_PROFILES,
)
from tests.unit.test_plan_bad_input import DAYS, GOOD, GROUPS, QUANTITIES, RULES, SHAPES, STEPS, TITRATION
from tests.unit.test_plan_bad_input import Case as PlanCase

ROOT: Final = Path(__file__).resolve().parents[2]
PLAN: Final = ROOT / "examples" / "a-flex-night-bolus.toml"
MIXTURE: Final = (ROOT / "examples" / "c-patient-bolus.toml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, so that messages name files without their folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | str]:
    """Every name below the folder with what it holds."""
    return {
        str(path.relative_to(folder)): (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "no file"
        )
        for path in sorted(folder.rglob("*"))
    }


def refused(folder: Path, *arguments: str, code: int = 3) -> str:
    """Run the command; it must refuse in sentences on standard error alone and leave the folder as it was."""
    before = contents(folder)
    result: Result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert 0 < len(result.stderr) < 20_000
    assert "Traceback" not in result.stderr
    assert "defect" not in result.stderr
    assert contents(folder) == before
    return result.stderr


def marked(text: str) -> tuple[str, int | None]:
    """The text without its mark, and the line on which the mark stands."""
    line = next((number for number, content in enumerate(text.split("\n"), 1) if "«" in content), None)
    return text.replace("«", ""), line


# --- plans that are none ------------------------------------------------------------------------------------


def between(begin: str, end: str) -> str:
    """What of the good plan stands from the one to the other."""
    return GOOD[GOOD.index(begin) : GOOD.index(end)]


WITH_DAYS: Final = GOOD.replace(STEPS, DAYS).replace(TITRATION, "")
PLANS: Final = (
    *((GOOD, case) for case in (*QUANTITIES, *SHAPES, *RULES)),
    *((WITH_DAYS, case) for case in GROUPS),
    (GOOD, PlanCase(between("[reservoir]", "[catheter]"), "", "reservoir", "is missing")),
    (GOOD, PlanCase(between("[catheter]", "[basal]"), "", "catheter", "is missing")),
    (GOOD, PlanCase(between("[basal]", "[[bolus]]"), "", "basal", "is missing")),
    (GOOD, PlanCase('pump = "implant-40"', 'pump = "implant-400"«', "pump", "no profile is called")),
    (GOOD, PlanCase('pump = "implant-40"', 'pump = "../pump.toml"«', "pump", "")),
)  # fmt: skip


@pytest.mark.parametrize(
    "number", range(len(PLANS)), ids=lambda n: f"{PLANS[n][1].field} {PLANS[n][1].new[:30]!r}"
)
def test_a_malformed_plan_is_refused_with_file_line_and_field(number: int, folder: Path) -> None:
    good, case = PLANS[number]
    assert case.old in good
    text, line = marked(good.replace(case.old, case.new, 1))
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    said = refused(folder, "plan", "check", "plan.toml").splitlines()
    place = f"plan.toml:{line}: {case.field}: " if line else f"plan.toml:[0-9]+: {re.escape(case.field)}: "
    found = [words for words in said if (words.startswith(place) if line else re.match(place, words))]
    assert any(case.says in words for words in found), said


# --- plans that a review blocks -----------------------------------------------------------------------------


class Blocked(NamedTuple):
    """Replace ``old`` by ``new`` in the mixture; the marked line, the field and the finding must be told."""

    old: str
    new: str
    field: str
    key: str


HEAD: Final = MIXTURE[: MIXTURE.index("[reservoir]")]
END: Final = "max_per_day = 4 # in any 24 h, not per calendar day\n"
BLOCKED: Final = {
    "a limit looser than the formulary's": Blocked(
        END, END + '[limits]\nmax_per_day = "21 mg"«\n', "limits.max_per_day", "own-limit-looser:morphine"
    ),
    "a bolus limit looser than the formulary's": Blocked(
        END, END + '[limits]\nmax_bolus = "1.1 mg"«\n', "limits.max_bolus", "own-limit-looser:morphine"
    ),
    "an own limit that the plan passes": Blocked(
        END, END + '[limits]\nmax_per_day = "4 mg"«\n', "limits.max_per_day", "own-limit-exceeded:morphine"
    ),
    "a mixture without on_loss": Blocked(  # what stands nowhere is told of the first line
        HEAD,
        HEAD.replace('on_loss = { hold = "4 h" }', "").replace("\n", "«\n", 1),
        "on_loss",
        "on-loss-missing",
    ),
    "a hold longer than the formulary's": Blocked(
        'hold = "4 h" }', 'hold = "25 h" }«', "on_loss.hold", "hold-too-long:"
    ),
    "a drug nobody knows": Blocked(
        'drugs = [\n  { name = "morphine"',
        'drugs = [«\n  { name = "water"',
        "reservoir.drugs",
        "drug-unknown:water",
    ),
    "a concentration above the hard limit": Blocked(
        '"15 mg/mL" }', '"150 mg/mL" }«', "reservoir.drugs#1.concentration", "concentration-hard:morphine"
    ),
    "more than the hard limit in a day": Blocked(
        '[basal]\nrate = "4 mg', '[basal]«\nrate = "40 mg', "basal", "daily-hard:morphine"
    ),
    "a bolus above the hard limit": Blocked(
        'dose = "0.4 mg"', 'dose = "1.1 mg"«', "patient_bolus.dose", "bolus-hard:morphine"
    ),
    "a bolus below one step of the pump": Blocked(
        'dose = "0.4 mg"', 'dose = "1 ug"«', "patient_bolus.dose", "bolus-below-step"
    ),
    "a basal slower than the pump": Blocked(
        '[basal]\nrate = "4 mg', '[basal]«\nrate = "0.1 mg', "basal", "rate-below-pump"
    ),
    "a basal faster than the pump": Blocked(
        '[basal]\nrate = "4 mg', '[basal]«\nrate = "400 mg', "basal", "rate-above-pump"
    ),
    "more than the reservoir holds": Blocked(
        'filled = "40 mL"', 'filled = "40.1 mL"«', "reservoir.filled", "capacity"
    ),
    "a catheter nobody knows": Blocked(
        '"ascenda-8780"', '"garden-hose"«', "catheter.model", "catheter-unknown"
    ),
    "a plan before that was not given": Blocked(
        "on_loss = {", f'previous = "{"0" * 64}"«\non_loss = {{', "previous", "previous-missing"
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
@pytest.mark.parametrize("command", [("simulate",), ("plan", "approve", "--signer", "Ada")], ids=" ".join)
def test_a_blocked_plan_is_refused_with_file_line_and_field(
    command: tuple[str, ...], name: str, folder: Path
) -> None:
    case = BLOCKED[name]
    assert MIXTURE.count(case.old) >= 1
    text, line = marked(MIXTURE.replace(case.old, case.new, 1))
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    said = refused(folder, *command, "plan.toml")
    assert f"\nplan.toml:{line}: {case.field}: {case.key}" in said


# --- formularies and pump profiles --------------------------------------------------------------------------


def spoilt(folder: Path, source: Path, old: str, new: str) -> int:
    """Copy ``source`` here with the first ``old`` replaced; the line on which that stands."""
    text = source.read_text(encoding="utf-8")
    (folder / source.name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


# Of the tables beside the readers: how many lines below the spoilt one the message must point. A rule between
# two numbers points at the one that is too high, what is missing at its table.
LINES_BELOW: Final = {
    "soft above hard": -1,
    "missing number": -10,
    "unknown key": 1,
    "soft interval shorter than hard": 1,
    "schema left out": -10,
    "hour above day": 1,
    "twice the same key": 1,
    "step missing": -9,
    "lowest above highest": -1,
    "rates and syringe": -19,
}


def assert_told(said: str, file: str, line: int, words: str) -> None:
    """One line of the message begins with this place and holds these words."""
    assert any(told.startswith(f"{file}:{line}: ") and words in told for told in said.splitlines()), said


@pytest.mark.parametrize("name", [*WRONG_NUMBERS, *WRONG_DRUGS])
def test_a_malformed_formulary_is_refused_with_file_and_line(name: str, folder: Path) -> None:
    old, new, words = (BACLOFEN_DAY, *WRONG_NUMBERS[name]) if name in WRONG_NUMBERS else WRONG_DRUGS[name]
    line = spoilt(folder, FORMULARY_FILE, old, new) + LINES_BELOW.get(name, 0)
    for command in (("formulary", "show"), ("plan", "check", str(PLAN))):
        said = refused(folder, *command, "--formulary", FORMULARY_FILE.name)
        assert_told(said, FORMULARY_FILE.name, line, words)


@pytest.mark.parametrize("name", WRONG_PROFILES)
def test_a_malformed_profile_is_refused_with_file_and_line(name: str, folder: Path) -> None:
    source, old, new, words = WRONG_PROFILES[name]
    line = spoilt(folder, source, old, new) + (LINES_BELOW.get(name, 0) if name != "unknown key" else 0)
    for command in (("pumps",), ("plan", "check", str(PLAN), "--pump"), ("simulate", str(PLAN), "--pump")):
        assert_told(refused(folder, *command, source.name), source.name, line, words)


# --- what is no text file at all, wherever a file can be given ----------------------------------------------

PLACES_OF_FILES: Final = {
    "PLAN": ("plan", "check", "FILE"),
    "plan of a run": ("simulate", "FILE"),
    "plan to sign": ("plan", "approve", "FILE", "--signer", "Ada"),
    "OLD": ("plan", "diff", "FILE", str(PLAN)),
    "NEW": ("plan", "diff", str(PLAN), "FILE"),
    "--previous": ("plan", "show", str(PLAN), "--previous", "FILE"),
    "--pump": ("plan", "check", str(PLAN), "--pump", "FILE"),
    "--formulary": ("simulate", str(PLAN), "--formulary", "FILE"),
    "limits to sign under": ("plan", "approve", str(PLAN), "--signer", "Ada", "--formulary", "FILE"),
    "NAME": ("pumps", "FILE"),
}


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "plan.toml")
    return folder / "plan.toml"


ODD_FILES: Final = {name: make for name, (make, _) in BAD_FILES.items()} | {"pipe": pipe}


@pytest.mark.parametrize("place", PLACES_OF_FILES)
@pytest.mark.parametrize("kind", ODD_FILES)
def test_what_is_no_text_file_is_refused_wherever_it_is_given(kind: str, place: str, folder: Path) -> None:
    name = f"./{ODD_FILES[kind](folder).name}"
    said = refused(folder, *(name if word == "FILE" else word for word in PLACES_OF_FILES[place]))
    assert all(
        line.startswith(f"{name}:") or line.startswith(f"{Path(name)}:") for line in said.splitlines()
    ), said


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev"])
@pytest.mark.parametrize("place", PLACES_OF_FILES)
def test_a_device_is_refused_without_reading_it(device: str, place: str, folder: Path) -> None:
    said = refused(folder, *(device if word == "FILE" else word for word in PLACES_OF_FILES[place]))
    assert said.startswith(f"{device}: ")


# --- files that cannot be written ---------------------------------------------------------------------------


def test_an_approval_that_cannot_be_written_leaves_nothing_behind(folder: Path) -> None:
    shutil.copy(PLAN, folder / "plan.toml")
    (folder / "plan.approval.json").mkdir()
    reason = "start-soft:baclofen=known on this dose"
    signed = ("plan", "approve", "plan.toml", "--signer", "Ada", "--second", "Grace", "--reason", reason)
    assert refused(folder, *signed).startswith("plan.approval.json: cannot be written")


@pytest.mark.parametrize("other", ["plan.toml", "./plan.toml", "link.svg", "run.jsonl"])
def test_a_picture_never_replaces_another_file_of_the_run(other: str, folder: Path) -> None:
    shutil.copy(PLAN, folder / "plan.toml")
    (folder / "link.svg").symlink_to("plan.toml")
    run = ("simulate", "plan.toml", "--for", "1h", "--journal", "run.jsonl", "--plot", other)
    assert "is another file of this run" in refused(folder, *run, code=2)


# --- journals: one that cannot be trusted is status 5, and a reader never mends it ------------------------


def journal(folder: Path) -> Path:
    kept = MemoryJournal(VirtualClock(utc_ms=1_795_158_000_000), {"plan": "T"})
    for number in range(3):
        kept.append("note", {"number": number})
    kept.save(folder / "run.jsonl")
    return folder / "run.jsonl"


def changed(old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


JOURNALS: Final[dict[str, Callable[[Path], object]]] = {
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "zeros": lambda path: path.write_bytes(b"\0" * 4096),
    "10 MB of one line": lambda path: path.write_bytes(b"a" * 10_000_000),
    "10 MB of brackets": lambda path: path.write_bytes(b"[" * 10_000_000),
    "10 MB of lines": lambda path: path.write_bytes(b"{}\n" * 3_333_333),
    "another format": lambda path: path.write_bytes(b'{"schema": 1}\n'),
    "a plan": lambda path: path.write_bytes(PLAN.read_bytes()),
    "a number changed": changed(b'"number":1', b'"number":7'),
    "a record taken out": lambda path: path.write_bytes(
        b"".join(path.read_bytes().splitlines(keepends=True)[::2])
    ),
    "a NaN": changed(b'"number":1', b'"number":NaN'),
    "a head file of nothing": lambda path: path.with_name("run.jsonl.head").write_bytes(b""),
    "a head file of another": lambda path: path.with_name("run.jsonl.head").write_bytes(
        b'{"hash":"00","schema":"pump-ctrl/journal-head/1","seq":3}\n'
    ),
}


@pytest.mark.parametrize("kind", JOURNALS)
def test_a_journal_that_cannot_be_trusted_is_status_5(kind: str, folder: Path) -> None:
    path = journal(folder)
    JOURNALS[kind](path)
    assert refused(folder, "journal", "export", "run.jsonl", code=5).startswith("run.jsonl")
    assert refused(folder, "journal", "show", "run.jsonl", "--last", "1", code=5).startswith("run.jsonl")
    before = contents(folder)
    verdict = CliRunner().invoke(cli, ["journal", "verify", "run.jsonl"])
    assert verdict.exit_code == 5
    assert "NOT to be trusted" in verdict.stdout
    assert contents(folder) == before
