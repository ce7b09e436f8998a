"""People, plans and what stands in the page's journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.clinic import Account, Clinic, Reviewed, Version, passwords, store
from pump_ctrl.journal import read_journal
from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import load_profile
from tests.unit.review_bench import plan

NOW: Final = 1_795_176_000_000  # 20 November 2026, 12:00 UTC
MINUTE: Final = 60_000
PASSWORD: Final = "seven green pumps"
PEOPLE: Final = {
    "ann": ("Ann Example", ("prescriber",)),
    "bob": ("Bob Example", ("second",)),
    "cleo": ("Cleo Example", ("bench",)),
    "dan": ("Dan Example", ("viewer",)),
    "eve": ("Eve Example", ("prescriber",)),
}
PLAIN: Final = plan(rate="200 ug/day")  # nothing to explain
SOFT: Final = plan(rate="400 ug/day")  # start-soft:baclofen, which asks for a reason and a second person
WHY: Final = {"start-soft:baclofen": "replaces a pump that gave 400 ug/day"}


def make_cheap(patch: pytest.MonkeyPatch) -> None:
    """A guess costs next to nothing, and nobody waits for the disk: these tests pull no plug."""
    patch.setattr(passwords, "LOG_N", 4)
    patch.setattr(store, "PRAGMAS", tuple(each.replace("FULL", "OFF") for each in store.PRAGMAS))
    for name in ("fsync", "fdatasync"):
        patch.setattr(os, name, lambda _: None)


def people(clinic: Clinic) -> None:
    for name, (full, roles) in PEOPLE.items():
        clinic.accounts.add(name, full, roles, PASSWORD, "root")


def who(clinic: Clinic, name: str) -> Account:
    found = clinic.accounts.get(name)
    assert found is not None
    return found


def put_before(of: DosingPlan = PLAIN) -> Reviewed:
    return Reviewed(of, load_formulary(), load_profile("implant-40"), None)


def sign(clinic: Clinic, given: Reviewed, by: str = "ann", reasons: dict[str, str] | None = None) -> Version:
    return clinic.versions.sign("draft", given, who(clinic, by), PASSWORD, reasons or {}, given.digest)


def seal(clinic: Clinic, given: Reviewed) -> str:
    """What the page shows of the first signature now."""
    found = clinic.versions.get(given.plan.sha256)
    return found.first_seal if found is not None else ""


def second(clinic: Clinic, given: Reviewed, by: str = "bob") -> Version:
    return clinic.versions.second(given, who(clinic, by), PASSWORD, given.digest, seal(clinic, given))


def journal(place: Path) -> list[tuple[str, dict[str, Any]]]:
    """The acts in the journal, each without its own name."""
    file = place / "page.jsonl"
    if not file.exists():
        return []
    found = [(record.kind, dict(record.data)) for record in read_journal(file).records()]
    return [
        (kind, {k: v for k, v in data.items() if k != "act"}) for kind, data in found if kind != "journal"
    ]


def kinds(place: Path) -> list[str]:
    return [kind for kind, _ in journal(place)]
