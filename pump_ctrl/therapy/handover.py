"""From one plan to the next: can both together pass a hard cap within a day of loading (dose path, D-07)?

Layer      therapy, pure. Imports plan, profiles, schedule, accounts, pattern and windows.
Hazard     the old plan's evening and the new plan's morning in one day: each within its limits, not both.
Invariant  an hour that is called safe holds no instant at which loading lets any window pass a hard cap.
Tests      tests/unit/test_handover.py

Two sound bounds, the second only where the first fails and both plans are at hand. Coarse: the worst window
of the old plan and the worst one of the new plan together. Fine, for each hour of the first day after the
start: the basal of both plans exactly as it is written around that hour, each drug as strong as it can be;
the scheduled boluses that either plan can give there, at their worst starts; patient boluses at the looser of
both terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any, Final

from pump_ctrl.therapy.accounts import BridgeFlow, pulses
from pump_ctrl.therapy.pattern import ZERO, Pattern
from pump_ctrl.therapy.plan import DosingPlan
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.therapy.schedule import PatientTerms, Schedule
from pump_ctrl.therapy.windows import Pulse, Requests, Timeline
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, NL_PER_ML

_HOURS: Final = 24
Limits = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Handover:
    """The two plans and the pump: what is needed to say at which hours a load is safe."""

    plan: DosingPlan
    previous: DosingPlan
    profile: PumpProfile


@dataclass(frozen=True, slots=True)
class LoadConflict:
    """One cap that the old and the new plan together may pass in some window across the load.

    ``worst_pg`` is the bound that passes ``cap_pg``. ``safe`` are the stretches [from, to), ms of the new
    plan's time within its first day, in which a load is safe: none means that the plan must not follow.
    """

    drug: str
    hours: int
    worst_pg: int
    cap_pg: int
    safe: tuple[tuple[int, int], ...]


def load_conflicts(
    limits: Limits, previous_limits: Limits, handover: Handover | None = None
) -> tuple[LoadConflict, ...]:
    """Every cap of ``limits`` that its plan may pass together with the plan before it.

    Args:
        limits: the new plan's limits file; its caps are the ones that count after the load.
        previous_limits: the limits file of the plan in force.
        handover: both plans. Without it only the coarse bound is known and no hour is called safe.
    """
    fine = _Fine(limits, previous_limits, handover) if handover else None
    found = (_conflict(cap, limits, previous_limits, fine) for cap in limits["caps"])
    return tuple(conflict for conflict in found if conflict is not None)


def _conflict(
    cap: Mapping[str, Any], limits: Limits, previous_limits: Limits, fine: _Fine | None
) -> LoadConflict | None:
    drug, hours, most = cap["drug"], cap["hours"], cap["pg"]
    coarse = _worst_row(previous_limits, drug, hours) + _worst_row(limits, drug, hours, bridge=False)
    coarse += _worst_row(limits, drug, hours, bridge=True)
    if coarse <= most:
        return None
    if fine is None:
        return LoadConflict(drug, hours, coarse, most, ())
    worst = fine.by_hour(drug, hours)
    if max(worst) <= most:
        return None
    return LoadConflict(drug, hours, ceil(max(worst)), most, _stretches([pg <= most for pg in worst]))


def _worst_row(limits: Limits, drug: str, hours: int, *, bridge: bool | None = None) -> int:
    """Most basal and bolus together of any account: of all, of the bridge or of the stages alone."""
    return max(
        (
            row["basal_pg"] + row["bolus_pg"]
            for account in limits["accounts"]
            for row in account["rows"]
            if row["drug"] == drug and row["hours"] == hours and bridge in (None, account["id"] == "bridge")
        ),
        default=0,
    )


def _stretches(safe: list[bool]) -> tuple[tuple[int, int], ...]:
    edges = [i for i, (a, b) in enumerate(pairwise([False, *safe, False])) if a != b]
    starts_and_ends = zip(edges[::2], edges[1::2], strict=True)
    return tuple((start * MS_PER_HOUR, end * MS_PER_HOUR) for start, end in starts_and_ends)


# --- the fine bound -----------------------------------------------------------------------------------------


class _Curve:
    """A cumulative amount that is linear between ``times``, pg over the new plan's time."""

    def __init__(
        self, amount: Callable[[int, int], Fraction], changes: Iterable[int], a_ms: int, b_ms: int
    ) -> None:
        self._amount, self._a_ms = amount, a_ms
        self.times = sorted({a_ms, b_ms, *(at for at in changes if a_ms < at < b_ms)})
        self._known: dict[int, Fraction] = {}

    def at(self, ms: int) -> Fraction:
        """The amount from the curve's beginning to ``ms``."""
        if ms not in self._known:
            self._known[ms] = self._amount(self._a_ms, ms)
        return self._known[ms]


def _changes(next_change: Callable[[int], int | None], a_ms: int, b_ms: int) -> Iterator[int]:
    at = next_change(a_ms)
    while at is not None and at < b_ms:
        yield at
        at = next_change(at)


def _most_across(old: _Curve, new: _Curve, lo_ms: int, hi_ms: int, window_ms: int) -> Fraction:
    """The most basal of any window across a load in [lo, hi]: old until the load, new after it.

    For a load at t and a window from y it is old(t) - old(y) + new(y + W) - new(t), y <= t <= y + W: linear
    in t and y between breakpoints, so the most stands at a corner of the cells that the breakpoints cut.
    """
    edges = {*old.times, *(at - window_ms for at in new.times)}  # of y
    loads = {lo_ms, hi_ms, *old.times, *new.times, *edges, *(y + window_ms for y in edges)}
    return max(
        old.at(t) - new.at(t) + new.at(y + window_ms) - old.at(y)
        for t in loads
        if lo_ms <= t <= hi_ms
        for y in (t, t - window_ms, *(edge for edge in edges if t - window_ms < edge < t))
    )


class _Fine:
    """Both plans side by side in the new plan's time."""

    def __init__(self, limits: Limits, previous_limits: Limits, handover: Handover) -> None:
        self._limits, self._previous_limits, self._both = limits, previous_limits, handover
        self._new = Schedule(handover.plan, handover.profile)
        self._old = Schedule(handover.previous, handover.profile)
        self._shift_ms = handover.plan.start_utc_ms - handover.previous.start_utc_ms
        self._stop_ms = limits["stop_ms"]

    def by_hour(self, drug: str, hours: int) -> list[Fraction]:
        """The most of ``drug`` in any window across a load in each hour of the first day, pg."""
        window = hours * MS_PER_HOUR
        old_pg, new_pg = _strength(self._previous_limits, drug), _strength(self._limits, drug)
        old, new = self._old_curve(old_pg), self._new_curve(drug, new_pg)
        asked = self._asked(old_pg, new_pg, window)
        after = self._after(drug, window)
        return [
            max(
                after,
                _most_across(old, new, lo, lo + MS_PER_HOUR, window)
                + Timeline(self._boluses(old_pg, new_pg, lo)).worst(window)
                + asked,
            )
            for lo in range(0, _HOURS * MS_PER_HOUR, MS_PER_HOUR)
        ]

    def _old_curve(self, pg: Fraction) -> _Curve:
        shift = self._shift_ms

        def amount(a_ms: int, b_ms: int) -> Fraction:
            return self._old.planned_basal_nl(a_ms + shift, b_ms + shift) * pg

        changes = _changes(self._old.next_change, shift - MS_PER_DAY, shift + MS_PER_DAY)
        return _Curve(amount, (at - shift for at in changes), -MS_PER_DAY, MS_PER_DAY)

    def _new_curve(self, drug: str, pg: Fraction) -> _Curve:
        end = 2 * MS_PER_DAY
        if self._both.plan.bridge is None:
            changes = _changes(self._new.next_change, 0, end)
            return _Curve(lambda a, b: self._new.planned_basal_nl(a, b) * pg, changes, 0, end)
        flow = self._with_bridge(drug)
        return _Curve(flow.amount, _changes(flow.next_change, 0, end), 0, end)

    def _with_bridge(self, drug: str) -> Pattern:
        """Bridge or new plan, whichever gives more at that instant: nobody knows when the bridge ends."""
        flow = BridgeFlow(self._both.plan, self._both.previous, self._both.profile)
        old_pg, new_pg = _upper(self._limits, "path", drug), _upper(self._limits, "reservoir", drug)
        return flow.largest(old_pg, new_pg).combined(flow.new.scaled(new_pg), max)

    def _after(self, drug: str, window_ms: int) -> Fraction:
        """The most after the load, of windows across the end of a bridge; without one the accounts say it."""
        if self._both.plan.bridge is None:
            return ZERO
        new_pg = _upper(self._limits, "reservoir", drug)
        slots = self._new.slots(0, 16 * MS_PER_DAY)
        scheduled = Timeline(_weighed(pulses(slots, self._stop_ms), new_pg)).worst(window_ms)
        return self._with_bridge(drug).worst(window_ms) + scheduled + self._asked(ZERO, new_pg, window_ms)

    def _boluses(self, old_pg: Fraction, new_pg: Fraction, lo_ms: int) -> Iterator[Pulse]:
        """What the old plan may have sent before a load in that hour, and the new one may send after it."""
        hi, before, shift = lo_ms + MS_PER_HOUR, 4 * MS_PER_DAY, self._shift_ms
        yield from _weighed(
            pulses(self._old.slots(lo_ms - before + shift, hi + shift), self._stop_ms, -shift), old_pg
        )
        for pulse in _weighed(pulses(self._new.slots(0, hi + before), self._stop_ms), new_pg):
            if pulse.at_ms + pulse.late_ms >= lo_ms:
                yield pulse

    def _asked(self, old_pg: Fraction, new_pg: Fraction, window_ms: int) -> Fraction:
        """Patient boluses at the looser of both terms: lockout and rolling count carry over."""
        pairs = ((self._old.patient, old_pg), (self._new.patient, new_pg))
        terms = [(patient, patient.volume_nl * pg) for patient, pg in pairs if patient is not None and pg]
        return _loosest(terms, self._stop_ms).worst(window_ms) if terms else ZERO


def _loosest(terms: list[tuple[PatientTerms, Fraction]], stop_ms: int) -> Requests:
    return Requests.of(
        max(pg for _, pg in terms),
        min(patient.over_ms for patient, _ in terms),
        min(patient.lockout_ms for patient, _ in terms),
        max(patient.max_per_day for patient, _ in terms),
        stop_ms,
    )


def _weighed(volumes: Iterable[Pulse], pg: Fraction) -> Iterator[Pulse]:
    return (Pulse(p.at_ms, p.late_ms, p.over_ms, p.amount * pg) for p in volumes)


def _strength(limits: Limits, drug: str) -> Fraction:
    """The largest concentration at which that plan's volumes can reach the tip, pg/nL."""
    return max(_upper(limits, "path", drug), _upper(limits, "reservoir", drug))


def _upper(limits: Limits, where: str, drug: str) -> Fraction:
    return Fraction(limits["fluids"][where].get(drug, (0, 0))[1], NL_PER_ML)
