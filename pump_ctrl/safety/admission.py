"""Rules that need no arithmetic on doses: limits, pump, person, alarms, and the form of the request itself.

Layer      safety, pure: no clock, no I/O.
Hazard     a check that is skipped because something it needs is missing (X5).
Invariant  whatever is missing denies.
Tests      tests/safety/test_rule_*.py, one file per rule
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from pump_ctrl.drivers.base import Capabilities, Step, StepKind
from pump_ctrl.safety.ask import Ask, Denial, Purpose
from pump_ctrl.safety.case import View, deny
from pump_ctrl.safety.limits import MS_PER_HOUR, Limits

MAX_REQUEST_ID: Final = 200


@dataclass(frozen=True, slots=True)
class Usable:
    """S-14: limits that are missing, invalid, expired or of another pump deny."""

    code: ClassVar[str] = "limits"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Say what is wrong with the limits."""
        del ask, now
        if view.fault is not None:
            return deny(*view.fault)
        limits = view.state.limits
        return deny("limits-missing", "no limits are in force") if limits is None else unfit(limits, view)


def unfit(limits: Limits, view: View) -> Denial | None:
    """Why limits are not for this moment and this pump."""
    if not limits.from_utc_ms <= view.utc_ms < limits.until_utc_ms:
        valid = f"{limits.from_utc_ms} to {limits.until_utc_ms}"
        what = f"the limits are valid from {valid} ms UTC, now {view.utc_ms}"
        return deny("limits-expired", what, view.utc_ms, limits.until_utc_ms)
    why = view.stranger or _mismatch(limits, view.capabilities)
    return deny("limits-mismatch", why) if why else None


def _mismatch(limits: Limits, can: Capabilities | None) -> str:
    """Why these limits are not for this pump; empty if they are."""
    if can is None:
        return "the pump has not been identified"
    pump = limits.pump
    if pump.protocol != can.protocol:
        return f"they are for protocol {pump.protocol}, the pump speaks {can.protocol}"
    if pump.step_nl != can.step_nl:
        return f"they are for steps of {pump.step_nl} nL, the pump makes {can.step_nl} nL"
    if pump.counter_unit_nl != can.counter_unit_nl:
        return f"they count in {pump.counter_unit_nl} nL, the pump in {can.counter_unit_nl} nL"
    if pump.max_nl_per_h > can.max_nl_per_h:
        return f"they allow {pump.max_nl_per_h} nL/h, the pump makes {can.max_nl_per_h} nL/h"
    if limits.simulation and not can.simulated:
        return "they are for simulation only, and this is no simulated pump"
    return ""


@dataclass(frozen=True, slots=True)
class Latched:
    """After a journal error, or a request to stop, nothing more is given by this process."""

    code: ClassVar[str] = "latched"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Say why this guard is closed."""
        del ask, now
        return deny(*view.latch) if view.latch is not None else None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """S-25: after a start nothing new before a person confirmed what was given; a hold may go on."""

    code: ClassVar[str] = "not-confirmed"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Deny all but the hold while waiting."""
        del now
        if not view.waiting or (ask.purpose is Purpose.HOLD and view.state.confirmed):
            return None
        return deny(self.code, "a person has to confirm the reconciliation first")


@dataclass(frozen=True, slots=True)
class Settled:
    """S-07: while the outcome of a command is not known, nothing that adds drug, except the hold."""

    code: ClassVar[str] = "unsettled"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Name the commands that are not settled."""
        del now
        unsettled = view.state.unsettled
        if not unsettled or ask.purpose is Purpose.HOLD:
            return None
        ids = ", ".join(f"{permit_id:x}" for permit_id in unsettled)
        return deny(self.code, f"it is not known whether {ids} was carried out; settle or resolve it first")


@dataclass(frozen=True, slots=True)
class Inhibition:
    """S-30: what the active alarms do not permit; one is enough."""

    code: ClassVar[str] = "inhibition"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Name the alarms that forbid it."""
        del now
        if ask.purpose in view.permitted:
            return None
        codes = ", ".join(a.row.code for a in view.state.board if ask.purpose not in a.row.permits)
        return deny(self.code, f"alarm {codes or 'active'} forbids a {ask.purpose} delivery")


@dataclass(frozen=True, slots=True)
class Once:
    """S-06, F-56: a confirmed action is carried out once, however often its key bounces."""

    code: ClassVar[str] = "duplicate"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Deny a request id that was granted before."""
        del now
        if ask.request_id not in view.state.requests:
            return None
        return deny(self.code, f"request {ask.request_id} was granted before")


@dataclass(frozen=True, slots=True)
class Shape:
    """S-12, S-15, S-16, S-21: exact whole numbers, on the pump's grid, within its ranges, of the kinds its purpose
    has.
    """

    code: ClassVar[str] = "malformed"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Name the first thing out of the pump's range; without limits or pump their rule denies."""
        del now
        limits, can = view.state.limits, view.capabilities
        if limits is None or can is None:
            return None
        wrong = _out_of_range(ask, limits, can)
        return deny(self.code, wrong) if wrong is not None else None


def malformed(ask: Ask) -> str | None:
    """The first thing that keeps ``ask`` from being a request at all."""
    if type(ask) is not Ask:  # another object may show other steps the next time it is asked (S-19)
        return f"a {type(ask).__name__} is no request"
    if type(ask.request_id) is not str or not 0 < len(ask.request_id) <= MAX_REQUEST_ID:
        return f"a request id is a text of 1 to {MAX_REQUEST_ID} characters"
    if type(ask.account) is not str:
        return f"{ask.account!r} names no account"
    if type(ask.purpose) is not Purpose:
        return f"{ask.purpose!r} is no purpose"
    if type(ask.steps) is not tuple or not ask.steps:
        return "there are no steps"
    for i, step in enumerate(ask.steps):
        if wrong := _malformed_step(step):
            return f"step {i}: {wrong}"
    kinds = tuple([step.kind for step in ask.steps])
    fits = _KINDS[ask.purpose](kinds)
    return None if fits else f"a {ask.purpose} delivery cannot have the steps {', '.join(kinds)}"


def _malformed_step(step: Step) -> str:
    if type(step) is not Step or type(step.kind) is not StepKind:
        return f"{step!r} is no step"
    kind, (volume, lasts, basal) = step.kind, (step.volume_nl, step.duration_ms, step.basal_nl)
    whole = type(volume) is type(lasts) is type(basal) is int  # type(), because True is an int
    if not whole or volume < 0 or lasts < 0 or basal < 0:
        return f"{(volume, lasts, basal)} are no whole numbers from 0 on"
    if lasts == 0:
        return "it takes no time"
    if basal and (basal > volume or kind is not StepKind.BOLUS):
        return f"{basal} nL of basal do not belong in a {kind} step of {volume} nL"
    if volume == basal and kind is not StepKind.BASAL:
        return f"a {kind} of nothing"
    return ""


def _only_basal(kinds: tuple[StepKind, ...]) -> bool:
    return set(kinds) == {StepKind.BASAL}


def _bolus_first(kinds: tuple[StepKind, ...]) -> bool:
    return kinds[0] is StepKind.BOLUS and set(kinds[1:]) <= {StepKind.BASAL}


def _one_prime(kinds: tuple[StepKind, ...]) -> bool:
    return kinds == (StepKind.PRIME,)


_KINDS: Final[dict[Purpose, Callable[[tuple[StepKind, ...]], bool]]] = {
    Purpose.BASAL: _only_basal,
    Purpose.HOLD: _only_basal,
    Purpose.SCHEDULED: _bolus_first,
    Purpose.PATIENT: _bolus_first,
    Purpose.PRIME: _one_prime,
}


def _out_of_range(ask: Ask, limits: Limits, can: Capabilities) -> str | None:
    if len(ask.steps) > can.max_steps:
        return f"{len(ask.steps)} steps, the pump takes {can.max_steps}"
    lease, most = sum([step.duration_ms for step in ask.steps]), limits.pump.max_lease_ms
    if ask.purpose is Purpose.HOLD:
        most = max(most, limits.max_hold_ms)  # nobody is there to renew it; D-14 bounds it
    if lease > (most := min(most, can.max_lease_ms)):
        return f"it lasts {lease} ms, at most {most} ms are allowed"
    fastest = min(limits.pump.max_nl_per_h, can.max_nl_per_h)
    for i, step in enumerate(ask.steps):
        if step.volume_nl % limits.pump.step_nl:
            return f"step {i}: {step.volume_nl} nL is no multiple of {limits.pump.step_nl} nL"
        if step.volume_nl * MS_PER_HOUR > fastest * step.duration_ms:
            return f"step {i}: {step.volume_nl} nL in {step.duration_ms} ms is faster than {fastest} nL/h"
    return None


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """D-07: whatever is given counts in an account of the limits."""

    code: ClassVar[str] = "account"

    def judge(self, ask: Ask, view: View, now: int) -> Denial | None:
        """Deny an account that there is not."""
        del now
        limits = view.limits
        if limits is None or limits.account(ask.account) is not None:
            return None  # without limits their rule denies
        return deny(self.code, f"the limits have no account {ask.account!r}")
