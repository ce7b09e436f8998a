"""Only what was signed, for this pump and unchanged, is carried out; earlier plans are known by their hash."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pump_ctrl.errors import InvalidInput
from pump_ctrl.journal import Record
from pump_ctrl.live.order import given_doses
from pump_ctrl.live.signed import Shelf, files_named, open_shelf
from pump_ctrl.therapy.approval import approval_path, approve, write_approval
from pump_ctrl.therapy.plan import load_plan
from tests.refusals import refused
from tests.whole_stack import formulary, profile

EXAMPLES = Path("examples")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return copied("c-patient-bolus", tmp_path)


def copied(name: str, to: Path) -> Path:
    return Path(shutil.copy(EXAMPLES / f"{name}.toml", to / f"{name}.toml"))


def sign(file: Path, previous: Path | None = None) -> None:
    plan, before = load_plan(file), None if previous is None else load_plan(previous)
    found = approve_reasons(file)
    signed = approve(plan, formulary(), profile(plan.pump), before, "Ann", "Ben", found, 0)
    write_approval(approval_path(file), signed)


def approve_reasons(file: Path) -> dict[str, str]:
    from pump_ctrl.therapy.review import review  # noqa: PLC0415

    plan = load_plan(file)
    previous = load_plan(EXAMPLES / "e-bridge-before.toml") if plan.previous else None
    found = review(plan, formulary(), profile(plan.pump), previous)
    return {item.key: "a test" for item in found if item.level == "reason"}


def shelf(*files: Path) -> Shelf:
    return Shelf(profile("implant-40"), formulary(), files)


def test_a_signed_plan_comes_with_its_signed_limits(plan: Path) -> None:
    sign(plan)
    found = open_shelf(plan, None, formulary(), ())[1]
    assert found.plan.id == "C-PATIENT-BOLUS"
    assert found.prescription.plan == found.plan.sha256
    assert b'"simulation":false' in found.limits


def test_a_plan_without_approval_is_refused_with_the_command_to_type(plan: Path) -> None:
    with refused("not-approved", f"pump-ctrl plan approve {plan} --signer NAME"):
        shelf().signed(plan)


def test_a_plan_that_was_changed_after_signing_is_refused(plan: Path) -> None:
    sign(plan)
    plan.write_text(plan.read_text().replace('rate = "4 mg/day"', 'rate = "5 mg/day"'))
    with refused("not-approved", "changed after signing"):
        shelf().signed(plan)


def test_a_plan_that_was_signed_under_other_drug_limits_is_refused(plan: Path) -> None:
    """S-14, F-55."""
    sign(plan)
    other = Shelf(profile("implant-40"), replace(formulary(), sha256="0" * 64), ())
    with refused("not-approved", r"Changed since C-PATIENT-BOLUS was approved: formulary, limits\. "):
        other.signed(plan)


def test_a_plan_of_another_pump_is_refused(plan: Path) -> None:
    sign(plan)
    with refused("plan-of-other-pump", "is for the pump implant-40, this is implant-20"):
        Shelf(profile("implant-20"), formulary(), ()).signed(plan)


def test_a_plan_after_another_one_needs_that_ones_file(tmp_path: Path) -> None:
    before, after = copied("e-bridge-before", tmp_path), copied("e-bridge", tmp_path)
    sign(after, before)
    with refused("plan-file-unknown", "--previous FILE"):
        open_shelf(after, None, formulary(), ())
    found = open_shelf(after, None, formulary(), [before])[1]
    assert found.prescription.bridge is not None


def test_a_plan_of_the_journal_that_nobody_has_any_more_is_named(plan: Path) -> None:
    with refused("plan-file-unknown", "abcdef012345"):
        shelf(plan).prescription("abcdef0123456789")


def test_files_that_cannot_be_read_are_passed_over_until_they_are_needed(plan: Path, tmp_path: Path) -> None:
    known = shelf(tmp_path / "gone.toml", plan)
    assert known.file_of(load_plan(plan).sha256) == plan
    with pytest.raises(InvalidInput):
        known.signed(tmp_path / "gone.toml")


def test_a_journal_names_the_files_of_its_plans() -> None:
    record = Record(5, "console", 0, "b", 0, {"do": "load", "plan": "/x/second.toml"})
    other = Record(6, "console", 0, "b", 0, {"do": "stop"})
    about = {"plan_file": "/x/first.toml", "previous_file": ""}
    assert files_named([record, other], about) == [Path("/x/first.toml"), Path("/x/second.toml")]


def test_a_dose_before_is_counted_for_every_drug_of_the_mixture() -> None:
    """4.5 mg of 15 mg/mL is 0.3 mL: 6 mg bupivacaine and 60 ug clonidine went with it."""
    plan = load_plan(EXAMPLES / "c-patient-bolus.toml")
    assert given_doses(" None ", plan) == {}
    assert given_doses("4.5 mg", plan) == {
        "morphine": 4_500_000_000,
        "bupivacaine": 6_000_000_000,
        "clonidine": 60_000_000,
    }


def test_a_dose_before_is_rounded_up() -> None:
    """S-16: 1 pg of 15 mg/mL went with 4/3 pg of 20 mg/mL."""
    plan = load_plan(EXAMPLES / "c-patient-bolus.toml")
    assert given_doses("0.000001 ug", plan) == {"morphine": 1, "bupivacaine": 2, "clonidine": 1}


@pytest.mark.parametrize("text", ["", "much", "4.5", "1 mL", "-1 mg", "nan ug"])
def test_what_is_no_dose_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        given_doses(text, load_plan(EXAMPLES / "c-patient-bolus.toml"))
