"""Path, prime, bridge, refill and reservoir arithmetic, exact.

Layer      therapy; imports therapy.plan, therapy.profiles and the kernel.
Hazard     an over-stated path doubles the dose on a concentration increase, an under-stated one on a
           decrease; fluid that stayed under a fill makes the new fluid stronger than its label.
Invariant  a volume that is not known exactly is two bounds; what counts against limits is rounded up, what
           counts against under-dose is rounded down.
Tests      tests/unit/test_volumes.py

Volumes are integer nL or exact fractions of it, masses pg, concentrations pg/mL, times ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from pump_ctrl.therapy.plan import DosingPlan, Reservoir
from pump_ctrl.therapy.profiles import PumpProfile, catheter_data, load_timing
from pump_ctrl.therapy.schedule import Schedule
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, NL_PER_ML

Fluid = dict[str, tuple[int, int]]  # drug -> least and most concentration, pg/mL


# --- fluids (D-10) ------------------------------------------------------------------------------------------


def reservoir_fluid(plan: DosingPlan, previous: DosingPlan | None) -> Fluid:
    """Least and most concentration of every drug in the reservoir at the start, pg/mL.

    The residual under the fill holds the previous plan's fluid; without a previous plan it is no drug for the
    lower bound and the same fluid for the upper one. Lower bounds are floored, upper ones ceiled.
    A drug that only the residual brings is in the result too, after the plan's own drugs.
    """
    new = {drug.name: drug.concentration.pg_per_ml for drug in plan.reservoir.drugs}
    old = previous_fluid(plan, previous)
    blends = {
        name: _blend(plan.reservoir, new.get(name, 0), *old.get(name, (0, 0))) for name in {**new, **old}
    }
    return {name: bounds for name, bounds in blends.items() if name in new or bounds[1]}


def previous_fluid(plan: DosingPlan, previous: DosingPlan | None) -> Fluid:
    """What the residual under the fill can be: the previous plan's fluid, else this plan's or no drug.

    The previous plan's own residual is not known here (its predecessor is not at hand); the review says so.
    """
    if previous is not None:
        return reservoir_fluid(previous, None)
    return {drug.name: (0, drug.concentration.pg_per_ml) for drug in plan.reservoir.drugs}


def _blend(reservoir: Reservoir, new: int, old_low: int, old_high: int) -> tuple[int, int]:
    """Bounds of the mixture: it is monotone in the residual volume, so the ends of both intervals decide."""
    filled = reservoir.filled.nl
    residuals = {volume.nl for volume in reservoir.residual}
    low = min(_mix(filled, new, residual, old_low) for residual in residuals)
    high = max(_mix(filled, new, residual, old_high) for residual in residuals)
    return floor(low), ceil(high)


def _mix(filled: int, new: int, residual: int, old: int) -> Fraction:
    if filled + residual == 0:
        return Fraction(new)  # an empty reservoir has no mixture; the label stands for it
    return Fraction(filled * new + residual * old, filled + residual)


def path_fluid(plan: DosingPlan, previous: DosingPlan | None) -> Fluid:
    """What can stand in the path (pump tubing and catheter) at the start, pg/mL; empty for "no drug at all".

    ``prime.path`` "empty" holds no drug. "back-table" holds the new fluid in the tubing at most.
    Aspirating through the access port empties the catheter but not the pump tubing, so "aspirated" still
    counts the fluid before it.
    """
    prime = plan.prime
    if prime is not None and prime.path == "empty":
        return {}
    if previous is not None and (prime is None or prime.path == "aspirated"):
        old = reservoir_fluid(previous, None)
        return old if prime is None else {name: (0, high) for name, (_, high) in old.items()}
    return {name: (0, high) for name, (_, high) in reservoir_fluid(plan, None).items()}


# --- path ---------------------------------------------------------------------------------------------------


def catheter_bounds(plan: DosingPlan) -> tuple[int, int]:
    """Least and most volume of the catheter, nL: as signed, or from model and length.

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    if plan.catheter.volume is not None:
        return plan.catheter.volume[0].nl, plan.catheter.volume[1].nl
    low, high = catheter_data(plan.catheter.model or "").nl_per_cm
    return floor(_of_length(plan, low)), ceil(_of_length(plan, high))


def nominal_catheter(plan: DosingPlan) -> Fraction:
    """Nominal volume of the catheter, nL: length times volume per cm, or the middle of the signed bounds.

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    if plan.catheter.volume is not None:
        return Fraction(plan.catheter.volume[0].nl + plan.catheter.volume[1].nl, 2)
    return _of_length(plan, catheter_data(plan.catheter.model or "").nominal_nl_per_cm)


def _of_length(plan: DosingPlan, nl_per_cm: int) -> Fraction:
    length = plan.catheter.length
    return Fraction(nl_per_cm * length.um, 10_000) if length is not None else Fraction(0)


def path_bounds(plan: DosingPlan, profile: PumpProfile) -> tuple[int, int]:
    """Least and most volume of the path, pump tubing and catheter, nL.

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    low, high = catheter_bounds(plan)
    return profile.tubing[0].nl + low, profile.tubing[1].nl + high


def nominal_path(plan: DosingPlan, profile: PumpProfile) -> Fraction:
    """Nominal volume of the path, nL (89 cm at 2200 nL/cm and 0.140 mL of tubing: 335 800).

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    return Fraction(profile.tubing[0].nl + profile.tubing[1].nl, 2) + nominal_catheter(plan)


def mass_of(nl: Fraction | int, pg_per_ml: int) -> Fraction:
    """Mass of drug, pg, in a volume."""
    return Fraction(nl) * pg_per_ml / NL_PER_ML


# --- prime (D-12) -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PrimeFacts:
    """What a prime moves. ``early_pg`` counts as dose: it may leave before the prime ends."""

    volume_nl: int
    duration_ms: Fraction
    mass_pg: Mapping[str, int]
    early_pg: Mapping[str, int]


def nominal_prime(plan: DosingPlan, profile: PumpProfile, path: str) -> Fraction:
    """Nominal prime volume, nL: the whole path where it is empty, else the catheter only.

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    return nominal_path(plan, profile) if path == "empty" else nominal_catheter(plan)


def prime_pace(volume_nl: int, profile: PumpProfile) -> int:
    """How fast a prime goes, nL/h: as in an implant, on a faster pump too, for the catheter is the same; faster only
    where the pump's lease would not hold it, and never beyond the pump's own highest.
    """
    within_lease = ceil(Fraction(volume_nl * MS_PER_HOUR, profile.lease.ms))
    return min(profile.max_nl_per_h, max(load_timing().prime_nl_per_h, within_lease))


def prime_facts(plan: DosingPlan, profile: PumpProfile) -> PrimeFacts | None:
    """Volume of a prime, duration at its pace, and masses (upper concentration, rounded up)."""
    if plan.prime is None:
        return None
    volume = plan.prime.volume.nl
    masses = {name: mass_of(volume, high) for name, (_, high) in reservoir_fluid(plan, None).items()}
    early = Fraction(load_timing().prime_early_per_mille, 1_000)
    return PrimeFacts(
        volume_nl=volume,
        duration_ms=Fraction(volume * MS_PER_HOUR, prime_pace(volume, profile)),
        mass_pg={name: ceil(mass) for name, mass in masses.items()},
        early_pg={name: ceil(mass * early) for name, mass in masses.items()},
    )


# --- bridge (D-11) ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """What a bridge does, with mean basal rates of the old and the new plan (boluses are off meanwhile).

    ``low_nl`` of commanded volume run at the old plan's rate, from there to ``high_nl`` the lower of both
    rates runs, then the new plan. Times are None where the rate is 0 and the path would never clear.
    """

    nominal_nl: Fraction
    old_nl_per_day: Fraction
    new_nl_per_day: Fraction
    low_nl: int
    high_nl: int
    carries_pg: Mapping[str, int]

    @property
    def nominal_ms(self) -> Fraction | None:
        """Time in which the old rate moves one nominal path volume, ms."""
        return _time(self.nominal_nl, self.old_nl_per_day)

    @property
    def old_ms(self) -> Fraction | None:
        """Length of the first phase, ms."""
        return _time(Fraction(self.low_nl), self.old_nl_per_day)

    @property
    def lower_ms(self) -> Fraction | None:
        """Length of the second phase, ms."""
        return _time(Fraction(self.high_nl - self.low_nl), min(self.old_nl_per_day, self.new_nl_per_day))


def _time(nl: Fraction, nl_per_day: Fraction) -> Fraction | None:
    return nl * MS_PER_DAY / nl_per_day if nl_per_day else None


def bridge_bounds(plan: DosingPlan, profile: PumpProfile) -> tuple[int, int]:
    """Commanded volume at which the old fluid may first, and must at last, have left the path, nL.

    The bounds of the path (or of ``bridge.volume``) widened by the pump's accuracy: low / 1.145, high /
    0.855.
    """
    override = plan.bridge.volume if plan.bridge is not None else None
    low, high = (override[0].nl, override[1].nl) if override else path_bounds(plan, profile)
    slowest, fastest = profile.accuracy
    return low * 1_000 // fastest, ceil(Fraction(high * 1_000, slowest))


def bridge_facts(plan: DosingPlan, previous: DosingPlan, profile: PumpProfile) -> BridgeFacts:
    """Nominal length, mass carried and the two phases of the change from ``previous`` to ``plan``.

    Raises:
        InvalidInput: the plan names a catheter model that the table does not have.
    """
    override = plan.bridge.volume if plan.bridge is not None else None
    nominal = Fraction(override[0].nl + override[1].nl, 2) if override else nominal_path(plan, profile)
    low, high = bridge_bounds(plan, profile)
    old = {drug.name: drug.concentration.pg_per_ml for drug in previous.reservoir.drugs}
    return BridgeFacts(
        nominal_nl=nominal,
        old_nl_per_day=mean_basal(previous, profile, max(0, plan.start_utc_ms - previous.start_utc_ms)),
        new_nl_per_day=mean_basal(plan, profile, 0),
        low_nl=low,
        high_nl=high,
        carries_pg={name: ceil(mass_of(nominal, conc)) for name, conc in old.items()},
    )


def mean_basal(plan: DosingPlan, profile: PumpProfile, at_ms: int) -> Fraction:
    """Mean basal flow of the stage in force at ``at_ms`` of the plan, nL/day, over a week of it."""
    schedule = Schedule(plan, profile)
    return schedule.basal.amount(0, 7 * MS_PER_DAY, schedule.factors[schedule.stage_at(at_ms).index]) / 7


def changed_fluid(plan: DosingPlan, previous: DosingPlan) -> bool:
    """Whether the path holds another fluid than the reservoir: another drug or another concentration."""
    new = {drug.name: drug.concentration for drug in plan.reservoir.drugs}
    return new != {drug.name: drug.concentration for drug in previous.reservoir.drugs}


# --- reservoir and refill -----------------------------------------------------------------------------------


def late_alarm(fill_nl: int, residual_nl: int, alarm_nl: int) -> Fraction:
    """Over-infusion (1/10 = 10 %) beyond which the pump is dry before its calculated alarm."""
    return Fraction(fill_nl - residual_nl, fill_nl - alarm_nl) - 1


def least_alarm(fill_nl: int, profile: PumpProfile) -> int:
    """Least alarm volume, nL, that still warns in time on a pump at the upper end of its accuracy."""
    return ceil(fill_nl - Fraction((fill_nl - profile.residual.nl) * 1_000, profile.accuracy[1]))


def time_to_alarm(plan: DosingPlan, profile: PumpProfile, requests_per_day: int) -> Fraction | None:
    """Time from start until the calculated volume reaches the alarm volume, ms; None: not in two years.

    Counts prime, basal of every stage, scheduled boluses and so many patient boluses a day. Exact at each
    day's end, linear within the day.
    """
    left = Fraction(plan.reservoir.filled.nl + plan.reservoir.residual[0].nl - plan.reservoir.alarm.nl)
    left -= plan.prime.volume.nl if plan.prime else 0
    schedule = Schedule(plan, profile)
    week = 7 * MS_PER_DAY
    for begin in range(0, 105 * week, week):
        used = _used(schedule, begin, begin + week, requests_per_day)
        if used >= left:
            return _within_week(schedule, begin, left, requests_per_day)
        left -= used
    return None


def _within_week(schedule: Schedule, begin: int, left: Fraction, requests_per_day: int) -> Fraction:
    for day in range(7):
        at = begin + day * MS_PER_DAY
        used = _used(schedule, at, at + MS_PER_DAY, requests_per_day)
        if used >= left:
            return at + (left / used * MS_PER_DAY if left > 0 else Fraction(0))
        left -= used
    raise AssertionError("a week is the sum of its days")


def _used(schedule: Schedule, begin: int, end: int, requests_per_day: int) -> Fraction:
    scheduled = sum((slot.volume_nl for slot in schedule.slots(begin, end)), Fraction(0))
    asked = schedule.patient.volume_nl * requests_per_day if schedule.patient else Fraction(0)
    return schedule.planned_basal_nl(begin, end) + scheduled + asked * (end - begin) / MS_PER_DAY
