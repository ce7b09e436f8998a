"""The syringe that a pump is told: on a pump that stands still, with a read-back, and never under a run."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.errors import LinkError
from pump_ctrl.live.syringe import mm, tell
from pump_ctrl.therapy.profiles import load_profile
from tests.refusals import refused
from tests.unit.new_era_kit import HOUR, OracleLink, OraclePump, permit
from tests.unit.new_era_met import acked, met

BD_10 = load_profile("ne-1000-bd-10ml")


def test_a_pump_that_stands_still_is_told_and_reads_it_back() -> None:
    pump = OraclePump(diameter="26.59")
    told = tell(BD_10, OracleLink(pump), 0)
    assert told.before == "The pump is set to a syringe of 26.590 mm, the profile is of one of 14.430 mm."
    assert pump.diameter == "14.43"
    assert pump.prompt == "S"


def test_a_pump_that_is_set_so_already_is_told_nothing() -> None:
    pump = OraclePump()
    link = OracleLink(pump)
    assert tell(BD_10, link, 0).before == ""
    assert not [text for text in link.sent if text.startswith("DIA") and text != "DIA"]


@pytest.mark.parametrize("diameter", ["26.59", "14.43"])
def test_a_pump_that_runs_is_asked_and_not_told_and_goes_on(diameter: str) -> None:
    pump = OraclePump()
    driver, link = met(pump)
    acked(driver.deliver(permit((60_000, HOUR))))
    pump.diameter = diameter
    link.sent.clear()
    with refused("pump-runs", r"The pump runs; .* Nothing was changed"):
        tell(BD_10, link, 0)
    assert (pump.prompt, pump.diameter) == ("I", diameter)
    assert set(link.sent) == {"DIS"}  # not its mode either


def test_a_pump_that_does_not_answer_or_takes_another_diameter_is_a_failure() -> None:
    with pytest.raises(LinkError, match="No New Era pump answers at address 5"):
        tell(BD_10, OracleLink(OraclePump()), 5)


def test_a_pump_with_which_more_is_wrong_than_its_syringe_is_not_told_one() -> None:
    pump = OraclePump(diameter="26.59", firmware="NE500V3.923")
    with pytest.raises(LinkError, match="Nothing was changed"):
        tell(BD_10, OracleLink(pump), 0)
    assert pump.diameter == "26.59"


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("implant-40", "no-syringe-pump", None),
        ("pump-11-elite-bd-10ml", "syringe-unsettable", r"Set it at the pump itself: .* 14\.43 mm"),
    ],
)
def test_a_pump_that_takes_no_syringe_over_the_wire_is_refused_before_anything_is_sent(
    name: str, code: str, said: str | None
) -> None:
    link = OracleLink(OraclePump())
    with refused(code, said):
        tell(load_profile(name), link, 0)
    assert link.sent == []


def test_the_driver_is_one_that_takes_a_syringe() -> None:
    assert hasattr(NewEraDriver, "set_syringe")
    assert (mm(14_430), mm(27_000), mm(8_585)) == ("14.43 mm", "27 mm", "8.585 mm")
