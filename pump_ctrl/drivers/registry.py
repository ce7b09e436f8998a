"""Driver names and how to make them. The only module that knows concrete drivers; each is imported on use.

Layer      drivers. ``assembly`` comes here with the name that the pump profile holds.
Tests      tests/unit/test_registry.py
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, Protocol, cast

from pump_ctrl.drivers.base import Link, PumpDriver
from pump_ctrl.errors import InvalidInput

_HOME: Final = {"reference": ("pump_ctrl.drivers.reference", "ReferenceDriver")}


class DriverFactory(Protocol):
    """Makes a driver on a link. ``owner`` is a number drawn once per session, 1 to 2**32 - 1.

    ``stop_requested`` is looked at between the exchanges of a ``deliver`` (D-01).
    """

    def __call__(
        self, link: Link, owner: int, *, stop_requested: Callable[[], bool] = lambda: False
    ) -> PumpDriver:
        """Make the driver; sends nothing yet."""


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
    return cast("DriverFactory", getattr(import_module(module), attribute))
