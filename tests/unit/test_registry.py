"""Drivers by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pump_ctrl.drivers.base import Identity, Permit, Refused, Step, StepKind
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.drivers.reference import ReferenceDriver
from pump_ctrl.drivers.reference_codec import Type
from pump_ctrl.drivers.registry import driver_factory, driver_names, usual_baud
from pump_ctrl.errors import InvalidInput
from tests.unit.new_era_kit import SETTINGS
from tests.unit.reference_page import ScriptedLink


def test_a_known_name_makes_its_driver_on_the_link() -> None:
    assert "reference" in driver_names()
    driver = driver_factory("reference")(ScriptedLink(), 5)
    assert isinstance(driver, ReferenceDriver)
    assert isinstance(driver.identify(), Identity)


def test_a_stop_that_is_asked_for_between_two_exchanges_leaves_the_commit_unsent() -> None:
    asked = iter([False, True])  # after the proposal somebody asks to stop
    link = ScriptedLink()
    driver = driver_factory("reference")(link, 5, stop_requested=lambda: next(asked))
    driver.identify()
    permit = Permit(7, (Step(StepKind.BASAL, 1_000, 3_600_000),), link.now_ms() + 2_000)
    assert driver.deliver(permit) == Refused("stop-requested")
    assert link.sent[-1].type == Type.PROPOSE


def test_a_pump_that_does_not_tell_what_it_is_needs_settings() -> None:
    with pytest.raises(InvalidInput, match="its driver needs the profile's settings"):
        driver_factory("new-era")(ScriptedLink(), 5)
    driver = driver_factory("new-era")(ScriptedLink(), 5, settings=SETTINGS)
    assert isinstance(driver, NewEraDriver)
    assert isinstance(driver_factory("reference")(ScriptedLink(), 5, settings=SETTINGS), ReferenceDriver)


@pytest.mark.parametrize("name", ["", "Reference", "new_era", "base"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        InvalidInput, match=f"no driver speaks '{name}'; allowed: {', '.join(driver_names())}"
    ):
        driver_factory(name)


def test_drivers_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys, pump_ctrl.drivers.registry as r; r.driver_names();"
        "assert not [m for m in sys.modules if 'reference' in m or 'new_era' in m or m.split('.')[0] == 'sim'];"
        "r.driver_factory('reference'); assert not [m for m in sys.modules if m.split('.')[0] == 'sim']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # a clean interpreter is what it is about


def test_each_pump_family_has_the_speed_at_which_it_leaves_the_factory() -> None:
    assert {name: usual_baud(name) for name in driver_names()} == {
        "harvard": 115_200,
        "new-era": 19_200,
        "reference": 115_200,
    }
