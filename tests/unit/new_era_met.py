"""A New Era driver that has met its pump, for the tests of the driver."""

from __future__ import annotations

from dataclasses import replace

from pump_ctrl.drivers.base import Acked, Identity, PumpStatus
from pump_ctrl.drivers.new_era import NewEraDriver
from tests.unit.new_era_kit import SETTINGS, OracleLink, OraclePump

UNTIMED = replace(SETTINGS, wire_timeout_s=None)


def met(
    pump: OraclePump, link: OracleLink | None = None, *, timed: bool = False
) -> tuple[NewEraDriver, OracleLink]:
    link = link or OracleLink(pump)
    driver = NewEraDriver(link, 5, SETTINGS if timed else UNTIMED)
    assert isinstance(driver.identify(), Identity)
    link.sent.clear()
    return driver, link


def acked(outcome: object) -> PumpStatus:
    assert isinstance(outcome, Acked), outcome
    return outcome.status
