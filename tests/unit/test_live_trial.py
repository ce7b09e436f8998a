"""``sim:`` as a port: what it may be, and that trials and real pumps never share a journal."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pump_ctrl.clock import SystemClock, TrialClock
from pump_ctrl.errors import InvalidInput
from pump_ctrl.live.trial import Trial, TrialPump, served_as, trial_of
from tests.refusals import refused
from tests.unit.live_kit import plan_with_boluses
from tests.whole_stack import profile

TRIAL = {"trial": {"speed": 20, "boot_ms": 1_000, "utc_ms": 5_000}}


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "socket://localhost:7000", "spy:///dev/ttyUSB0"])
def test_a_real_port_is_no_trial(port: str) -> None:
    assert trial_of(port, None) is None
    assert trial_of(port, {"trial": None}) is None


def test_a_trial_runs_in_real_time_unless_it_is_told_otherwise() -> None:
    found = trial_of("sim:", None)
    assert found is not None
    assert found.speed == 1
    assert isinstance(found.clock(), SystemClock)


def test_a_fast_trial_has_a_fast_clock_and_its_next_process_has_the_same() -> None:
    found = trial_of("sim:?speed=20", TRIAL)
    assert found == Trial(20, 1_000, 5_000)
    assert found is not None
    assert isinstance(found.clock(), TrialClock)


@pytest.mark.parametrize(
    "port", ["sim:?speed=0", "sim:?speed=101", "sim:?speed=1.5", "sim:x", "sim:?fast=1", "sim://"]
)
def test_other_trials_there_are_not(port: str) -> None:
    with pytest.raises(InvalidInput, match="sim:"):
        trial_of(port, None)


@pytest.mark.parametrize(
    ("port", "about"),
    [("/dev/ttyUSB0", TRIAL), ("sim:", {"trial": None}), ("sim:", TRIAL), ("sim:?speed=30", TRIAL)],
)
def test_a_journal_stays_with_what_it_was_begun_on(port: str, about: dict[str, Any]) -> None:
    with refused("journal-of-other-port"):
        trial_of(port, about)


def test_the_pump_of_a_trial_is_the_one_of_the_profile() -> None:
    assert served_as(profile("implant-20")) == ["--model", "implant-20"]
    assert served_as(profile("ne-1000-bd-10ml")) == ["--model", "ne-1000", "--syringe", "bd-10"]
    assert served_as(profile("pump-11-elite-bd-5ml")) == ["--model", "harvard-11-elite", "--syringe", "bd-5"]


def test_the_pump_of_a_trial_ends_with_it() -> None:
    pump = TrialPump(plan_with_boluses(), profile("implant-40"), 1)
    assert os.path.exists(pump.device)
    pump.close()
    assert pump._process.poll() is not None
    pump.close()
