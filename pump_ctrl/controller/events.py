"""What can happen to the controller: frozen data, handed to ``Controller.handle`` with the time.

Layer      controller.
Tests      tests/unit/test_core.py
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pump_ctrl.controller.prescription import Offer
from pump_ctrl.drivers.base import Evidence, Outcome, PumpStatus, Unknown
from pump_ctrl.safety.ask import Ask, Denied


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A person confirmed the reconciliation: plan time is ``plan_ms`` now.

    ``status`` is what the pump last said; its counter settles what ran meanwhile.
    """

    plan_ms: int
    status: PumpStatus


@dataclass(frozen=True, slots=True)
class Waiting:
    """The controller woke up on a journal that has dosed. ``plan_ms`` is plan time as far as it is known.

    ``runs_on`` says that what the pump is doing is proven to be what it was told last, so that it may go on.
    ``evidence`` tells of the command that was under way when the controller died, if there was one.
    ``hold_until_ms`` is the plan time at which the bounded hold ends, None where the policy is to stop.
    """

    plan_ms: int
    status: PumpStatus | None
    evidence: Evidence | None
    runs_on: bool
    hold_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    """The time that ``next_wakeup`` named has come (or any other time; it does no harm)."""


TICK: Final = Tick()


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an ``Ask``: denied by the guard, or the pump's three-valued outcome.

    ``unfit``: what is wrong with a pump that refused and does not fit any more, in the driver's words; else empty.
    """

    ask: Ask
    outcome: Denied | Outcome
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class StatusRead:
    """The pump's answer to a status question, or what it said by itself."""

    status: PumpStatus | Unknown


@dataclass(frozen=True, slots=True)
class Settled:
    """The guard asked for evidence of the unsettled command; None when nothing is unsettled any more."""

    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class LedgerMoved:
    """The guard's bounds of what has left by now, since the present fluid was filled, nL."""

    low_nl: int
    high_nl: int


@dataclass(frozen=True, slots=True)
class Halted:
    """The pump was told to stop."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AlarmsChanged:
    """Whether the alarms that are active now forbid delivery, and which ones.

    ``leave_running``: they allow the hold, and the plan has one: what runs goes on to its end (D-14).
    """

    forbid: bool
    codes: tuple[str, ...]
    leave_running: bool = False


class RequestKind(StrEnum):
    """What a person or a script may ask of a running controller."""

    PATIENT_BOLUS = "patient-bolus"
    PRIME = "prime"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Requested:
    """A request from outside, carried out once by its ``id``."""

    id: str
    kind: RequestKind


@dataclass(frozen=True, slots=True)
class Pressed:
    """The patient's key was pressed for something that was answered before: it is not done again, and counts."""


@dataclass(frozen=True, slots=True)
class Refilled:
    """A person has filled the reservoir; the guard has it in the journal.

    ``low_nl`` and ``high_nl`` bound what had left by then since the fill before. ``other_fluid``: it was filled
    with something else than the plan in force, or the next one, names. ``new_path``: the path is new or was
    emptied.
    """

    low_nl: int
    high_nl: int
    other_fluid: bool
    new_path: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """Somebody wants another plan in force; whether that is possible was asked before (``load_refusal``)."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class LoadAnswered:
    """What the guard said to the limits of another plan: in force, or why not."""

    offer: Offer
    plan_ms: int
    refusal: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """The process was asked to end. ``hold_until_ms``: plan time at which a bounded hold has to be over, None
    where the pump is to be stopped.
    """

    hold_until_ms: int | None


PeoplesEvent = (
    Confirmed | Waiting | AlarmsChanged | Requested | Pressed | Refilled | Offered | LoadAnswered | Leaving
)
Event = Tick | Answered | StatusRead | Settled | LedgerMoved | Halted | PeoplesEvent
