"""Driver names and how to make them. The only module that knows concrete drivers; each is imported on use.

Layer      drivers. ``assembly`` comes here with the name that the pump profile holds.
Tests      tests/unit/test_registry.py
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol

from pump_ctrl.drivers.base import (
    BalanceSettings,
    Grid,
    Link,
    PowerCut,
    PumpDriver,
    PumpSettings,
    RelaySettings,
    VolumeSensor,
)
from pump_ctrl.errors import InvalidInput

_HOME: Final = {
    "harvard": ("pump_ctrl.drivers.harvard", "HarvardDriver"),
    "new-era": ("pump_ctrl.drivers.new_era", "NewEraDriver"),
    "reference": ("pump_ctrl.drivers.reference", "ReferenceDriver"),
}
_GRIDS: Final = {
    "harvard": ("pump_ctrl.drivers.harvard_amounts", "grid_of"),
    "new-era": ("pump_ctrl.drivers.new_era_program", "grid_of"),
}
_BALANCES: Final = {"mt-sics": ("pump_ctrl.drivers.balance", "MtSicsBalance")}
_RELAYS: Final = {"bytes": ("pump_ctrl.drivers.relay", "SerialRelay")}
_BAUD: Final = {"harvard": 115_200, "new-era": 19_200, "reference": 115_200}  # as the pumps leave the factory
_DECLARES_ITSELF: Final = frozenset({"reference"})  # pumps that need no settings: they tell all of them


class DriverFactory(Protocol):
    """Makes a driver on a link. ``owner`` is a number drawn once per session, 1 to 2**32 - 1.

    ``settings`` are what a pump cannot tell of itself; one that tells all takes and needs none.
    ``stop_requested`` is looked at between the exchanges of a ``deliver`` (D-01).
    """

    def __call__(
        self,
        link: Link,
        owner: int,
        *,
        settings: PumpSettings | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> PumpDriver:
        """Make the driver; sends nothing yet.

        Raises:
            InvalidInput: the pump needs settings, or cannot be as they say.
        """


def driver_names() -> tuple[str, ...]:
    """The protocols that have a driver, in alphabetical order."""
    return tuple(sorted(_HOME))


def driver_factory(name: str) -> DriverFactory:
    """Find the driver of a protocol.

    Raises:
        InvalidInput: there is no driver of that name; the message lists the known ones.
    """
    if name not in _HOME:
        raise InvalidInput(f"no driver speaks {name!r}; allowed: {', '.join(driver_names())}")
    module, attribute = _HOME[name]
    driver: Callable[..., PumpDriver] = getattr(import_module(module), attribute)

    def make(
        link: Link,
        owner: int,
        *,
        settings: PumpSettings | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> PumpDriver:
        told: tuple[Any, ...] = () if name in _DECLARES_ITSELF else (_needed(name, settings),)
        return driver(link, owner, *told, stop_requested=stop_requested)

    return make


def usual_baud(name: str) -> int:
    """The speed of the line, bit/s, at which a pump of a protocol leaves the factory."""
    return _BAUD[name]


def driver_grid(name: str, settings: PumpSettings) -> Grid | None:
    """What steps a pump of a protocol can be told; None where every whole number of pump steps can be told."""
    if name not in _GRIDS:
        return None
    module, attribute = _GRIDS[name]
    grid: Grid = getattr(import_module(module), attribute)(settings)
    return grid


def balance_on(link: Link, protocol: str, settings: BalanceSettings) -> VolumeSensor:
    """The balance at the end of a link; sends nothing yet."""
    module, attribute = _BALANCES[protocol]
    sensor: VolumeSensor = getattr(import_module(module), attribute)(link, settings)
    return sensor


def relay_on(link: Link, protocol: str, settings: RelaySettings) -> PowerCut:
    """The relay at the end of a link; switches nothing yet."""
    module, attribute = _RELAYS[protocol]
    relay: PowerCut = getattr(import_module(module), attribute)(link, settings)
    return relay


def _needed(name: str, settings: PumpSettings | None) -> PumpSettings:
    if settings is None:
        raise InvalidInput(
            f"a {name!r} pump does not tell what it is: its driver needs the profile's settings"
        )
    return settings
