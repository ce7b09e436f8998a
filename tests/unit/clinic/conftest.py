"""A state directory on a clock that stands; guesses are not dear here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pump_ctrl.clinic import Clinic
from pump_ctrl.clock import VirtualClock
from tests.unit.clinic.kit import NOW, make_cheap, people


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(utc_ms=NOW, boot_ms=5_000)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def clinic(place: Path, clock: VirtualClock) -> Iterator[Clinic]:
    """Without accounts."""
    with Clinic.open(place, clock) as found:
        yield found


@pytest.fixture
def staffed(clinic: Clinic) -> Clinic:
    """With one account of each role, and a second prescriber."""
    people(clinic)
    return clinic
