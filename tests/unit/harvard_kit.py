"""What the tests of the Harvard driver share: settings, permits, drivers that have met their pump."""

from __future__ import annotations

from dataclasses import replace

from pump_ctrl.drivers.base import Acked, Identity, Outcome, Permit, PumpSettings, PumpStatus, Step, StepKind
from pump_ctrl.drivers.harvard import HarvardDriver
from tests.unit.harvard_page import HOUR, PaperLink, PaperPump

SETTINGS = PumpSettings(
    address=0,
    diameter_um=14_430,
    capacity_nl=10_000_000,
    step_nl=20,
    counter_unit_nl=20,
    max_nl_per_h=1_560_000_000,
    max_steps=1,
    max_lease_ms=HOUR,
    wire_timeout_s=None,
)
V = 20_000  # nL of the usual step
MARK = 0x3_0000_0000  # the upper half of the ids of one session


def permit(
    number: int = 9,
    volume_nl: int = V,
    duration_ms: int = HOUR,
    *,
    kind: StepKind = StepKind.BASAL,
    expires_ms: int = 10**12,
) -> Permit:
    return Permit(MARK + number, (Step(kind, volume_nl, duration_ms),), expires_ms)


def met(link: PaperLink, *, owner: int = 5, settings: PumpSettings = SETTINGS) -> HarvardDriver:
    """A driver that has just met its pump; the log of both ends is empty."""
    driver = HarvardDriver(link, owner, settings)
    told = driver.identify()
    assert isinstance(told, Identity), told
    link.sent.clear()
    link.at.clear()
    link.pump.log.clear()
    return driver


def fresh(**over: object) -> tuple[PaperPump, PaperLink, HarvardDriver]:
    pump = PaperPump(**over)  # type: ignore[arg-type]
    link = PaperLink(pump)
    settings = replace(SETTINGS, address=pump.address)
    return pump, link, met(link, settings=settings)


def acked(outcome: Outcome) -> PumpStatus:
    assert isinstance(outcome, Acked), outcome
    return outcome.status
