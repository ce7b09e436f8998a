"""What the controller wants done: frozen data, carried out by the runner in order.

Layer      controller.
Tests      tests/unit/test_core.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pump_ctrl.controller.prescription import Offer
from pump_ctrl.safety.ask import Ask


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand these steps to the guard."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the pump."""

    why: str


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Ask the pump how it is."""


READ_STATUS: Final = ReadStatus()


@dataclass(frozen=True, slots=True)
class Settle:
    """Ask what became of the unsettled command."""


class Write(NamedTuple):
    """Put a record into the journal. A tuple, because half of all effects are such ones."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Raise an alarm, or say that its condition is gone."""

    code: str
    active: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Load:
    """Put the limits of another plan in force; its own time is ``plan_ms`` now."""

    offer: Offer
    plan_ms: int


Effect = Deliver | Halt | ReadStatus | Settle | Write | Alarm | Load
