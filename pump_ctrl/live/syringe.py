"""Tells a syringe pump which syringe is in it: by a person who has looked, on a pump that stands still.

Layer      live. Opens the port as a controller does, so that no controller can be on it; journals nothing, gives
           nothing.
Hazard     a diameter that is wrong by a tenth makes every dose wrong by a fifth; one that changes under a run.
Invariant  a pump that does not stand still is asked and not told; what was told is read back.
Tests      tests/unit/test_live_syringe.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pump_ctrl.assembly import bare_settings
from pump_ctrl.drivers.base import Acked, Identity, Link, Outcome, PumpState, PumpStatus, Refused, Unknown
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.errors import LinkError, NotAllowed
from pump_ctrl.therapy.profiles import PumpProfile, Syringe

OTHER = (
    "The pump is set to a syringe of"  # what a driver says of a pump that is all right but for its syringe
)
_UNTOLD = "Nothing was changed."


@runtime_checkable
class TakesSyringe(Protocol):
    """A driver that can tell its pump a diameter: that of its settings."""

    def set_syringe(self) -> Outcome:
        """Tell it, and look how the pump is after that."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who was told, and what the pump said before; empty where it was set so already."""

    pump: Identity
    before: str


def syringe_of(profile: PumpProfile) -> Syringe:
    """The syringe of a profile.

    Raises:
        NotAllowed: it is the profile of no syringe pump.
    """
    if profile.syringe is None:
        raise NotAllowed(
            f"{profile.name} is no syringe pump.",
            code="no-syringe-pump",
            pump_state=_UNTOLD,
            do_now="pump-ctrl pumps lists them.",
        )
    return profile.syringe


def tell(profile: PumpProfile, link: Link, address: int) -> Told:
    """Set the pump on ``link`` to the syringe of ``profile``, if it is not.

    Raises:
        NotAllowed: the pump runs, or cannot be told its syringe over the wire.
        LinkError: it does not answer, or reads another diameter than it was told.
    """
    syringe = syringe_of(profile)
    driver = driver_factory(profile.protocol)(link, 1, settings=bare_settings(profile, address))
    if not isinstance(driver, TakesSyringe):
        raise NotAllowed(
            f"The driver of {profile.protocol} pumps sets no syringe.",
            code="syringe-unsettable",
            pump_state=_UNTOLD,
            do_now=f"Set it at the pump itself: {profile.capacity}, diameter {mm(syringe.diameter_um)}.",
        )
    status = driver.read_status()  # before it is met: that may change its mode
    if isinstance(status, Unknown):
        status = driver.read_status()  # a pump answers with its alarms first
    if isinstance(status, PumpStatus) and status.state is PumpState.RUNNING:
        raise _runs()
    found = driver.identify()
    if isinstance(found, Identity):
        return Told(found, "")
    if OTHER not in found.detail:
        raise LinkError(found.detail, pump_state=_UNTOLD)
    outcome = driver.set_syringe()
    if isinstance(outcome, Refused):
        raise (
            _runs()
            if outcome.code == "running"
            else LinkError(
                f"The pump did not take the syringe: {outcome.code}.", pump_state="It gives nothing."
            )
        )
    again = driver.identify() if isinstance(outcome, Acked) else found
    if isinstance(again, Unknown):
        raise LinkError(again.detail)
    return Told(again, found.detail.partition(" Nothing was changed.")[0])


def _runs() -> NotAllowed:
    return NotAllowed(
        "The pump runs; a syringe is told to a pump that stands still only.",
        code="pump-runs",
        pump_state=_UNTOLD,
        do_now="Let it end or stop it (at the pump, or pump-ctrl stop and then end the controller), and look again.",
    )


def mm(micrometres: int) -> str:
    """``14.43 mm``."""
    return f"{micrometres // 1_000}.{micrometres % 1_000:03d}".rstrip("0").rstrip(".") + " mm"
