"""What the rules see: the moment, and a request that is ready to be calculated with.

Layer      safety, pure: no clock, no I/O.
Invariant  a rule sees the request, the view and the time, nothing else (S-19).
Tests      tests/safety/test_rule_*.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from pump_ctrl.drivers.base import Capabilities
from pump_ctrl.safety.ask import Ask, Denial, Purpose
from pump_ctrl.safety.limits import Account, Limits
from pump_ctrl.safety.state import State
from pump_ctrl.safety.trial import Trial


@dataclass(frozen=True, slots=True)
class View:
    """What the rules see beside the request: the state, and what holds at this moment.

    ``fault`` says why the limits in hand cannot be used, ``stranger`` why the pump is not the expected one,
    ``latch`` (code and text) why this guard gives nothing more at all. ``timeless``: the host rebooted, and
    elapsed time is not known. ``permitted`` is what the active alarms leave.
    """

    state: State
    fault: tuple[str, str] | None
    stranger: str
    latch: tuple[str, str] | None
    capabilities: Capabilities | None
    timeless: bool
    utc_ms: int
    waiting: bool
    permitted: frozenset[Purpose]

    @property
    def limits(self) -> Limits | None:
        """The limits in force, if they can be used."""
        return None if self.fault is not None else self.state.limits


@dataclass(frozen=True, slots=True)
class Case:
    """A well-formed request under limits that can be used, ready for the rules that calculate."""

    ask: Ask
    state: State
    limits: Limits
    account: Account
    timeless: bool
    now: int
    trial: Trial


class Rule(Protocol):
    """What every rule offers."""

    code: ClassVar[str]

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Why not, or None."""


class CaseRule(Protocol):
    """A rule that calculates."""

    code: ClassVar[str]

    def judge(self, case: Case) -> Denial | None:
        """Why not, or None."""


def deny(code: str, detail: str, asked: int = 0, limit: int = 0, counted: int = 0) -> Denial:
    """A refusal whose numbers are in the unit that ``detail`` names."""
    return Denial(code, None, asked, counted, limit, None, detail)
