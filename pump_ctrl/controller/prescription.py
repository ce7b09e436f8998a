"""What the controller needs of a signed plan on a pump: the schedule, the bridge, the prime, the policy.

Layer      controller, pure. The schedule is a protocol, so that the controller can be tested without a plan.
Tests      tests/unit/test_core.py
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from pump_ctrl.controller.totals import Pace


class Stage(Protocol):
    """A titration stage: its account's id and when it ends."""

    @property
    def id(self) -> str:
        """The account that its commands count in."""

    @property
    def until_ms(self) -> int | None:
        """Plan time of its end, None for never."""


class Slot(Protocol):
    """A scheduled bolus on one day."""

    @property
    def id(self) -> str:
        """The same on every run of the plan; a slot is carried out once at most."""

    @property
    def at_ms(self) -> int:
        """Plan time at which it is due."""

    @property
    def within_ms(self) -> int:
        """How late it may start."""

    @property
    def over_ms(self) -> int:
        """How long it takes."""

    @property
    def volume_nl(self) -> Fraction:
        """Its exact volume, nL."""


class PatientTerms(Protocol):
    """What the patient may ask for."""

    @property
    def over_ms(self) -> int:
        """How long a patient bolus takes."""

    @property
    def volume_nl(self) -> Fraction:
        """Its exact volume, nL."""


class Schedule(Pace, Protocol):
    """Everything that is due, in plan time."""

    @property
    def patient(self) -> PatientTerms | None:
        """None when the plan has no patient bolus."""

    def stage_at(self, plan_ms: int, /) -> Stage:
        """The titration stage in force."""

    def next_slot(self, plan_ms: int, /) -> Slot | None:
        """The first scheduled bolus at or after ``plan_ms``."""

    def hold_rate(self, plan_ms: int, /) -> Fraction:
        """The rate of the bounded hold, nL/ms."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A change of fluid (D-11).

    ``shift_ms`` + plan time of this plan = plan time of the previous one; ``lo_nl`` is the commanded volume
    from which on the new fluid may be at the tip, ``hi_nl`` that from which on the old one has surely left.
    """

    previous: Pace
    shift_ms: int
    lo_nl: int
    hi_nl: int


@dataclass(frozen=True, slots=True)
class Prescription:
    """A signed plan as the controller carries it out."""

    schedule: Schedule
    prime_nl: int = 0
    bridge: Bridge | None = None
    max_hold_ms: int = 0  # 0: on loss of control the pump is stopped


@dataclass(frozen=True, slots=True)
class Timing:
    """The controller's times, ms; values come from data/timing.toml and the pump's profile.

    ``commit_ms`` from deciding on a run to its begin in the pump, when all is well with the wire;
    ``lease_ms`` longest run; ``lead_ms`` how long before its end a run is renewed; ``poll_ms`` between status
    questions; ``retry_ms`` first and ``retry_max_ms`` longest wait after a refusal or a lost answer;
    ``under_delivery_ms`` how long the plan may go without delivery before the alarm.
    """

    commit_ms: int
    lease_ms: int
    lead_ms: int
    poll_ms: int
    retry_ms: int
    retry_max_ms: int
    stop_ms: int
    under_delivery_ms: int
