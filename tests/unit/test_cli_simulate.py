"""``pump-ctrl simulate``: the contract of its JSON, a summary worth reading, files, and exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from pump_ctrl.bench.oracle import Violation
from pump_ctrl.bench.result import SimulationResult, _asked
from pump_ctrl.bench.simulate import simulate as real_simulate
from pump_ctrl.cli import simulate_text
from pump_ctrl.cli.main import cli
from pump_ctrl.cli.simulate import _Progress
from pump_ctrl.therapy.plan import load_plan

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
PLAN: Final = str(EXAMPLES / "a-flex-night-bolus.toml")
PATIENT: Final = str(EXAMPLES / "c-patient-bolus.toml")


def run(*arguments: str) -> Result:
    """Run ``pump-ctrl simulate`` in this process."""
    return CliRunner().invoke(cli, ["simulate", *arguments])


def document(result: Result) -> Any:  # noqa: ANN401
    """The one JSON document on standard output."""
    return json.loads(result.stdout, parse_float=lambda number: pytest.fail(f"{number} is no integer"))


def words(result: Result) -> str:
    """Standard output with its blanks made one."""
    return " ".join(result.stdout.split())


def test_the_json_has_the_keys_of_the_contract_and_integers_only() -> None:
    result = run(PLAN, "--for", "2d", "--json")
    assert result.exit_code == 0, result.stderr
    found = document(result)
    assert list(found) == [
        "schema", "plan", "pump", "duration_s", "volume_nl",
        "drugs", "boluses", "alarms", "states", "violations",
    ]  # fmt: skip
    assert found["schema"] == "pump-ctrl/simulate/1"
    assert found["duration_s"] == 172_800
    assert set(found["volume_nl"]) == {
        "planned",
        "commanded",
        "missed",
        "delivered",
        "ledger_low",
        "ledger_high",
    }
    assert found["volume_nl"]["planned"] == 800_000
    assert set(found["drugs"][0]["windows"][0]) == {"hours", "worst_ng", "truth_ng", "limit_ng"}
    assert [bolus["outcome"] for bolus in found["boluses"]] == ["delivered", "delivered"]
    assert found["violations"] == []


def test_the_same_command_gives_the_same_document() -> None:
    first, second = (run(PATIENT, "--for", "1d", "--request", "3h=patient-bolus", "--json") for _ in range(2))
    assert first.stdout == second.stdout


def test_messages_never_mix_with_the_document(tmp_path: Path) -> None:
    result = run(PLAN, "--for", "1d", "--json", "--pump", "implant-40", "--plot", str(tmp_path / "run.svg"))
    document(result)
    assert "Drawn:" in result.stderr
    other = run(str(EXAMPLES / "b-morphine-continuous.toml"), "--for", "1h", "--json", "--pump", "implant-40")
    document(other)
    assert "--pump overrides it with implant-40" in other.stderr


def test_the_summary_tells_the_first_day_the_days_and_the_sums() -> None:
    result = run(PLAN, "--for", "3d")
    assert result.exit_code == 0
    shown = words(result)
    for part in (
        "First day, dose by dose",
        "Day by day",
        "Volume",
        "Drugs",
        "Worst windows",
        "Boluses",
        "Alarms",
    ):
        assert part in shown, part
    assert "20 Nov 22:20" in shown
    assert "scheduled bolus: 0.06 mL over 20 min; basal: 0.34 mL in 5 steps over 1 d" in shown
    assert "scheduled: 3 delivered" in shown
    assert "planned 1.200 mL 100.00 %" in shown
    assert "baclofen 24 h 400 ug 400 ug 417.3 ug 96 %" in shown
    assert "none: what truly happened is within what was signed" in shown
    assert "by Tuesday 23 February 2027 (95 days), because of the alarm volume" in shown


@pytest.mark.parametrize(
    ("purpose", "spans", "told"),
    [
        (
            "scheduled",  # a Harvard pump: one command, whose basal share runs beside the bolus
            [["bolus", 0, 1_200_000, 64_722, 4_722]],
            "scheduled bolus: 0.06 mL over 20 min; basal: 0.004722 mL in 1 step over 20 min",
        ),
        ("patient", [["bolus", 0, 300_000, 20_000, 0]], "patient bolus: 0.02 mL over 5 min"),
        (
            "basal",
            [["basal", 0, 3_600_000, 10_000, 0], ["basal", 3_600_000, 14_368_588, 30_000, 0]],
            "basal: 0.04 mL in 2 steps over 3 h 59 min 28.588 s",
        ),
    ],
)
def test_a_bolus_is_told_apart_from_the_basal_and_lengths_are_in_words(
    purpose: str, spans: list[list[object]], told: str
) -> None:
    assert _asked({"purpose": purpose, "spans": spans}) == told


def test_a_refused_request_is_told_with_its_rule_once() -> None:
    asked = [part for hours in (3, 4) for part in ("--request", f"{hours}h=patient-bolus")]
    result = run(PATIENT, "--for", "6h", *asked)
    assert result.exit_code == 0
    assert "patient: 1 delivered patient: 1 refused" in words(result)
    (line,) = [line for line in result.stdout.splitlines() if "patient refused; lockout" in line]
    assert line.count("lockout:") == 1


def test_no_rule_is_named_twice_and_no_raw_number_is_printed() -> None:
    asked = [part for hours in (3, 4) for part in ("--request", f"{hours}h=patient-bolus")]
    shown = run(PATIENT, "--for", "6h", *asked).stdout
    assert "lockout: lockout" not in shown
    assert "lockout: for another 2 h 10 min 0.12 s" in shown
    assert simulate_text.first_day(
        [(0, "a bolus (lockout: lockout: why)")], simulate_text.Times(load_plan(PLAN))
    ) == ["20 Nov 08:00:00  a bolus (lockout: why)"]
    details = ("baclofen: 130000000 pg truly left the tip in 1 h", "the ledger holds 442100 to 442302 nL")
    told = [{"id": "S-01", "t_s": 0, "detail": detail} for detail in details]
    assert simulate_text.violations(told, simulate_text.Times(load_plan(PLAN))) == [
        "S-01 at 20 Nov 08:00:00: baclofen: 130 ug truly left the tip in 1 h",
        "S-01 at 20 Nov 08:00:00: the ledger holds 0.4421 mL to 0.442302 mL",
    ]


def test_a_run_that_ends_with_nothing_given_says_what_it_waits_for() -> None:
    paused = run(PLAN, "--for", "6h", "--request", "2h=pause").stdout
    assert (
        "PAUSED since Friday 20 November 2026 10:00:00: paused; nothing new is given until a person resumes"
        in paused
    )
    assert "At the end" not in run(PLAN, "--for", "6h").stdout
    assert simulate_text.at_the_end([], simulate_text.Times(load_plan(PLAN))) == []


def test_what_comes_after_the_end_of_the_run_is_said_to_never_come() -> None:
    late = ("--request", "2h=pause", "--request", "30min=pause", "--fault", "stall@90min")
    result = run(PLAN, "--for", "1h", *late)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "Never comes, the run ends after 1 h: pause at 2 h",
        "Never comes, the run ends after 1 h: stall@90min",
    ]


def test_the_plot_is_a_picture_and_the_journal_verifies(tmp_path: Path) -> None:
    picture, journal = tmp_path / "run.svg", tmp_path / "run.jsonl"
    result = run(PLAN, "--for", "1d", "--plot", str(picture), "--journal", str(journal))
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [f"Kept: {journal}", f"Drawn: {picture}"]
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert "A-FLEX-NIGHT-BOLUS" in picture.read_text(encoding="utf-8")
    assert CliRunner().invoke(cli, ["journal", "verify", str(journal)]).exit_code == 0


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    there = tmp_path / "run.jsonl"
    there.write_text("precious", encoding="utf-8")
    assert run(PLAN, "--for", "1h", "--journal", str(there)).exit_code == 2
    assert there.read_text(encoding="utf-8") == "precious"


def test_a_violation_of_the_truth_is_shown_and_ends_in_status_5(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> SimulationResult:  # noqa: ANN401
        return replace(real_simulate(*args, **kwargs), violations=(Violation("S-01", 60, "too much"),))

    monkeypatch.setattr("pump_ctrl.cli.simulate.run_plan", broken)
    result = run(PLAN, "--for", "1h")
    assert result.exit_code == 5
    assert "S-01 at 20 Nov 08:01:00: too much" in result.stdout


@pytest.mark.parametrize("fault", ["nonsense@3h", "drop-command", "", "drop-command@3h:colour=red"])
def test_an_unknown_fault_is_refused_before_anything_runs(fault: str) -> None:
    result = run(PLAN, "--for", "1h", "--fault", fault)
    assert result.exit_code == 3
    assert result.stdout == ""


def test_a_blocked_plan_is_not_simulated() -> None:
    result = run(str(EXAMPLES / "e-bridge.toml"))
    assert result.exit_code == 3
    assert "previous-missing" in result.stderr


@pytest.mark.parametrize(
    ("terminal", "waited", "shown"), [(True, 2, True), (True, 0, False), (False, 2, False)]
)
def test_a_long_run_on_a_terminal_shows_how_far_it_is(
    terminal: bool, waited: int, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("click.progressbar", lambda **_: _Bar(drawn))
    now = iter([0, waited, waited])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with _Progress() as step:
        step(30, 100)
        step(100, 100)
    assert drawn == ([30, 70] if shown else [])


class _Bar:
    def __init__(self, drawn: list[int]) -> None:
        self.update = drawn.append

    def render_finish(self) -> None:
        """The bar is done."""


def test_after_a_month_the_days_are_put_together_to_weeks() -> None:
    plan = load_plan(PLAN)
    line = [(0.0, 0.0), (45 * 86_400.0, 45 * 400_000.0)]

    class Curves:
        labels = ((0.0, {"baclofen": plan.primary.concentration.pg_per_ml}),)
        events: Final = [(t, "x" * 500) for t in range(100)]
        planned: Final = line
        delivered: Final = line

    rows = simulate_text.days(
        {"duration_s": 45 * 86_400, "boluses": [], "alarms": []}, Curves(), plan, {"baclofen": "ug"}
    )
    assert [row.split()[0] for row in rows[1:]] == [*map(str, range(1, 32)), "32-38", "39-45"]
    assert "2800 ug" in rows[-1]
    events = simulate_text.first_day(Curves.events, simulate_text.Times(plan))
    assert len(events) == 61
    assert events[-1] == "and 40 more; --journal keeps all"
    assert len(events[0]) < 200
