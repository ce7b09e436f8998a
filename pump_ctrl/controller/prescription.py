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
        """The highest rate of a bounded hold in the stage in force, nL/ms."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A change of fluid (D-11).

    ``shift_ms`` + plan time of this plan = plan time of the previous one; ``lo_nl`` is the commanded volume
    from which on the new fluid may be at the tip, ``hi_nl`` that from which on the old one has surely left.
    ``hold_rate`` is the lower of both plans' hold rates, nL/ms.
    """

    previous: Pace
    shift_ms: int
    lo_nl: int
    hi_nl: int
    hold_rate: Fraction


@dataclass(frozen=True, slots=True)
class Prescription:
    """A signed plan as the controller carries it out.

    ``under_delivery_ms``: how long its drugs may go without delivery before the alarm. ``plan`` and
    ``previous``: SHA-256 of the plan and of the one that it was written after. ``start_utc_ms``: UTC of plan
    time 0. ``prime_nl_per_h``: the pace of its prime; 0: the pump's fastest flow.
    """

    schedule: Schedule
    under_delivery_ms: int
    prime_nl: int = 0
    bridge: Bridge | None = None
    max_hold_ms: int = 0  # 0: on loss of control the pump is stopped
    plan: str = ""
    previous: str | None = None
    start_utc_ms: int = 0
    prime_nl_per_h: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """Another signed plan that somebody wants in force, with its limits file and who wants it."""

    prescription: Prescription
    limits: bytes
    by: str

    @property
    def id(self) -> str:
        """How the journal names the request."""
        return f"load:{self.prescription.plan[:16]}"


@dataclass(frozen=True, slots=True)
class Timing:
    """The controller's times, ms; values come from data/timing.toml and the pump's profile.

    ``exchange_ms`` what one exchange with the pump usually takes, of which telling a run is made;
    ``lease_ms`` longest run; ``lead_ms`` how long before its end a run is renewed; ``poll_ms`` between status
    questions; ``retry_ms`` first and ``retry_max_ms`` longest wait after a refusal or a lost answer.
    ``hold_ms``: until so long after a run was decided on the pump goes on at the hold rate by itself, where nobody
    renews the run before (D-14); 0: it does not. ``loss_is_set``: what the pump does when the host is lost was told
    to it at the start, by the plan that was in force then.
    """

    exchange_ms: int
    lease_ms: int
    lead_ms: int
    poll_ms: int
    retry_ms: int
    retry_max_ms: int
    stop_ms: int
    hold_ms: int = 0
    loss_is_set: bool = False
