"""A pump profile of one's own, from check to run: the approval covers its very bytes."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pump_ctrl.cli.main import cli

PLAN = Path("examples/a-bench-harvard.toml")
PACKAGED = Path("pump_ctrl/data/pumps/pump-11-elite-bd-10ml.toml")


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, str]:
    """A plan for a pump of one's own, and that pump's profile: another syringe's work-up threshold."""
    plan, pump = tmp_path / "plan.toml", tmp_path / "my-pump.toml"
    plan.write_text(re.sub(r'pump = "[^"]*"', 'pump = "my-pump"', PLAN.read_text()))
    pump.write_text(PACKAGED.read_text().replace('"0.5 mL"', '"0.4 mL"'))
    return str(plan), str(pump)


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def approve(plan: str, pump: str) -> Result:
    reasons = ("start-soft:baclofen=a bench test",)
    words = [word for reason in reasons for word in ("--reason", reason)]
    return ask("plan", "approve", plan, "--pump", pump, "--signer", "Ann", "--second", "Ben", *words)


def start(plan: str, pump: str, journal: str) -> Result:
    words = ("--port", "sim:", "--journal", journal, "--confirm", "Ann", "--given", "none", "--for", "1ms")
    return ask("run", plan, "--pump", pump, *words)


def test_a_plan_for_a_pump_that_the_package_does_not_know_says_how_to_give_its_profile(
    own: tuple[str, str],
) -> None:
    for command in (("plan", "check"), ("plan", "show"), ("simulate",)):
        said = ask(*command, own[0])
        assert said.exit_code == 3
        assert "plan.toml" in said.stderr
        assert "--pump with a profile file of one's own, my-pump.toml" in said.stderr


def test_the_approval_covers_the_bytes_of_the_profile(own: tuple[str, str]) -> None:
    plan, pump = own
    assert ask("plan", "check", plan, "--pump", pump).exit_code == 0
    assert approve(plan, pump).exit_code == 0
    signed = json.loads(Path(plan).with_suffix(".approval.json").read_text())
    assert signed["profile"] == {"name": "my-pump", "sha256": sha256(Path(pump).read_bytes()).hexdigest()}


def test_a_plan_is_not_signed_for_another_pump_than_it_names(own: tuple[str, str]) -> None:
    said = approve(own[0], str(PACKAGED))
    assert said.exit_code == 3
    assert "is for the pump my-pump, and --pump is pump-11-elite-bd-10ml." in said.stderr
    assert not Path(own[0]).with_suffix(".approval.json").exists()


def test_run_refuses_another_profile_than_the_approved_one_and_says_how_to_approve(
    own: tuple[str, str], tmp_path: Path
) -> None:
    plan, pump = own
    assert approve(plan, pump).exit_code == 0
    Path(pump).write_text(Path(pump).read_text().replace('"0.4 mL"', '"0.3 mL"'))
    changed = start(plan, pump, str(tmp_path / "j.jsonl"))
    assert changed.exit_code == 3
    assert "approved: pump profile" in changed.stderr
    assert f"pump-ctrl plan approve {plan} --signer NAME --pump my-pump.toml" in changed.stderr
    other = start(plan, str(PACKAGED), str(tmp_path / "j.jsonl"))
    assert other.exit_code == 3
    assert "is for the pump my-pump" in other.stderr
    without = ask(
        "run",
        plan,
        "--port",
        "sim:",
        "--journal",
        str(tmp_path / "j.jsonl"),
        "--confirm",
        "A",
        "--given",
        "none",
    )
    assert without.exit_code == 3
    assert not (tmp_path / "j.jsonl").exists()


def test_two_plans_are_put_side_by_side_on_a_pump_of_ones_own(own: tuple[str, str]) -> None:
    assert ask("plan", "diff", str(PLAN), own[0], "--changed").exit_code == 3
    said = ask("plan", "diff", str(PLAN), own[0], "--changed", "--pump", own[1])
    assert said.exit_code == 0
    assert "my-pump" in said.stdout
