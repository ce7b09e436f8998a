"""E and B of drawn plans against brute force: every minute, every extreme start, every extreme request.

The other side of each comparison reads the plan's fields through ``tests.reading`` and tries cases; it knows
no formula of the compiler. T_s is 2 s: a bolus is sent up to T_s after its latest start, and flows up to T_s
after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, cycle, pairwise
from math import ceil, lcm
from typing import Any, Final, NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pump_ctrl.therapy.formulary import load_formulary
from pump_ctrl.therapy.limits import compile_limits, worst_windows
from pump_ctrl.therapy.plan import DosingPlan, PatientBolus
from pump_ctrl.therapy.profiles import load_profile
from pump_ctrl.therapy.review import blocked, review
from tests.reading import DAY, MINUTE, Reading
from tests.strategies import approved_changes, approved_plans

FORMULARY: Final = load_formulary()
IMPLANT: Final = load_profile("implant-40")
STOP: Final = 2_000
HOUR: Final = 60 * MINUTE
WINDOWS: Final = (1, 4, 24)
SOME: Final = settings(max_examples=settings().max_examples // 4)  # a week has 10,080 minutes to try


def compiled(plan: DosingPlan, previous: DosingPlan | None = None) -> dict[str, Any]:
    return compile_limits(plan, FORMULARY, IMPLANT, previous)


def figures(limits: dict[str, Any], account: str, field: str, drug: str) -> dict[int, int]:
    """The figures of one account by hours."""
    rows = next(one["rows"] for one in limits["accounts"] if one["id"] == account)
    return {row["hours"]: row[field] for row in rows if row["drug"] == drug}


# --- basal --------------------------------------------------------------------------------------------------


class Minutes:
    """A flow as one number per minute of a day or a week; ``rates`` are per ms."""

    def __init__(self, rates: Sequence[Fraction]) -> None:
        different = {id(rate): rate * MINUTE for rate in rates}  # few, and to compare fractions takes long
        self._common = lcm(*(value.denominator for value in different.values()))
        whole = {key: int(value * self._common) for key, value in different.items()}
        self._values = [whole[id(rate)] for rate in rates]

    def worst(self, hours: int) -> Fraction:
        """The most of any window that begins at a minute."""
        again = [*self._values, *self._values[: hours * 60]]
        if len(self._values) < hours * 60:
            raise ValueError("the window is longer than the round")
        sums = [0, *accumulate(again)]
        most = max(sums[i + hours * 60] - sums[i] for i in range(len(self._values)))
        return Fraction(most, self._common)

    def falls(self, hours: int) -> Fraction:
        """The largest sum of falls from minute to minute in a window, both ends included."""
        twice = [*self._values, *self._values, *self._values]
        drops = [max(0, a - b) for a, b in pairwise(twice[: 2 * len(self._values) + 1])]
        sums = [0, *accumulate(drops)]
        windows = range(len(sums) - 1 - hours * 60)
        return Fraction(max(sums[i + hours * 60 + 1] - sums[i] for i in windows), self._common)

    def highest(self) -> Fraction:
        return Fraction(max(self._values), self._common)


def minutes_of(rate: Callable[[int], Fraction], weekly: bool) -> Minutes:
    """The volume of each minute of a round; ``rate`` is asked in plan time, ms."""
    return Minutes([rate(i * MINUTE) for i in range(7 * DAY if weekly else DAY)])


@given(approved_plans(modes=("simple", "flex", "minimum", "stopped"), boluses=False, patient=False))
def test_basal_is_exactly_the_fullest_minutes_of_every_stage(plan: DosingPlan) -> None:
    check_basal(plan)


@SOME
@given(approved_plans(modes=("weekdays",), boluses=False, patient=False))
def test_basal_is_exactly_the_fullest_minutes_of_the_week(plan: DosingPlan) -> None:
    check_basal(plan)


def check_basal(plan: DosingPlan) -> None:
    limits, reading = compiled(plan), Reading(plan)
    unscaled = minutes_of(reading.unscaled, bool(plan.basal.days))
    worst = {hours: unscaled.worst(hours) for hours in WINDOWS}
    drops = {hours: unscaled.falls(hours) * 60 for hours in WINDOWS}
    for account, start in zip(limits["accounts"], reading.stage_starts(), strict=True):
        factor = reading.factor(start)
        for drug in plan.reservoir.drugs:
            pg = factor * drug.concentration.pg_per_ml / 1_000_000
            basal = figures(limits, account["id"], "basal_pg", drug.name)
            assert basal == {hours: ceil(worst[hours] * pg) for hours in WINDOWS}
            falls = figures(limits, account["id"], "basal_fall_pg_per_h", drug.name)
            assert falls == {hours: ceil(drops[hours] * pg) for hours in WINDOWS}
            highest = figures(limits, account["id"], "basal_max_pg_per_h", drug.name)
            assert set(highest.values()) == {ceil(unscaled.highest() * 60 * pg)}


@SOME
@given(approved_changes())
def test_a_bridge_holds_exactly_the_larger_of_its_two_flows(change: tuple[DosingPlan, DosingPlan]) -> None:
    before, plan = change
    assume(plan.bridge is not None)
    limits = compiled(plan, before)
    old_reading, new_reading = Reading(before), Reading(plan)
    shift = plan.start_utc_ms - before.start_utc_ms
    old_pg = Fraction(before.primary.concentration.pg_per_ml, 1_000_000)
    new_pg = Fraction(limits["fluids"]["reservoir"]["baclofen"][1], 1_000_000)

    def flow(ms: int) -> Fraction:
        old, new = old_reading.rate(ms + shift), new_reading.rate(ms)
        return max(old * old_pg, min(old, new) * old_pg, min(old, new) * new_pg)

    minutes = minutes_of(flow, weekly=False)
    expected = {hours: ceil(minutes.worst(hours)) for hours in WINDOWS}
    assert figures(limits, "bridge", "basal_pg", "baclofen") == expected
    assert limits["accounts"][0]["daily_pg"] == expected[24]


# --- scheduled boluses --------------------------------------------------------------------------------------


class Flow(NamedTuple):
    """A bolus that flows from ``begin`` for ``over`` ms, nL/ms."""

    begin: int
    over: int
    rate: Fraction

    def within(self, a: int, b: int) -> Fraction:
        """What flows between a and b."""
        return self.rate * max(0, min(self.begin + self.over, b) - max(self.begin, a))


def starts_of(flow: Flow, late: int, a: int, window: int) -> Iterator[int]:
    """Every start worth trying against the window [a, a + window]: the two ends, and flush with its edges."""
    yield from (flow.begin, flow.begin + late)
    for start in (a, a + window - flow.over):
        yield min(max(start, flow.begin), flow.begin + late)


def fullest(due: Sequence[tuple[Flow, int]], looked_at: Sequence[tuple[Flow, int]], window: int) -> Fraction:
    """The most of any window that begins or ends with a start or end of a bolus at its earliest or latest."""
    ends = {
        edge - back
        for flow, late in looked_at
        for begin in (flow.begin, flow.begin + late)
        for edge in (begin, begin + flow.over)
        for back in (0, window)
    }
    return max((_held(due, a, window) for a in ends), default=Fraction(0))


def _held(due: Sequence[tuple[Flow, int]], a: int, window: int) -> Fraction:
    near = [(flow, late) for flow, late in due if abs(flow.begin - a) < window + late + flow.over]
    tried = (
        (flow._replace(begin=start).within(a, a + window) for start in starts_of(flow, late, a, window))
        for flow, late in near
    )
    return sum((max(one) for one in tried), Fraction(0))


def due_slots(plan: DosingPlan, days: int) -> list[tuple[Flow, int]]:
    """Scheduled boluses of the first days at their earliest, with how late the flow of each may begin."""
    strength = Fraction(plan.primary.concentration.pg_per_ml, 1_000_000)
    found = []
    for index, at in Reading(plan).slots(days):
        bolus = plan.bolus[index]
        rate = bolus.dose.pg / strength / bolus.over.ms
        found.append((Flow(at, bolus.over.ms, rate), bolus.within.ms + 2 * STOP))
    return found


@given(approved_plans(modes=("simple", "stopped"), patient=False))
def test_scheduled_boluses_are_exactly_their_worst_lateness(plan: DosingPlan) -> None:
    limits, due = compiled(plan), due_slots(plan, 21)
    looked_at = [one for one in due if one[0].begin < 14 * DAY * MINUTE]
    for drug in plan.reservoir.drugs:
        pg = Fraction(drug.concentration.pg_per_ml, 1_000_000)
        expected = {hours: ceil(fullest(due, looked_at, hours * HOUR) * pg) for hours in WINDOWS}
        assert figures(limits, "stage-0", "bolus_pg", drug.name) == expected


# --- patient boluses ----------------------------------------------------------------------------------------


def earliest(sent: Sequence[int], terms: PatientBolus) -> int:
    """When the next request may be sent, by lockout and count, both from the latest end of a bolus."""
    ends = [at + STOP + terms.over.ms for at in sent]
    after_lockout = ends[-1] + terms.lockout.ms if ends else 0
    after_count = ends[-terms.max_per_day] + DAY * MINUTE if len(ends) >= terms.max_per_day else 0
    return max(after_lockout, after_count)


@given(
    approved_plans(modes=("simple",), boluses=False, titration=False),
    st.lists(st.sampled_from((0, 0, 1, STOP, HOUR)), max_size=12),
)
def test_patient_boluses_are_exactly_the_closest_requests(plan: DosingPlan, waits: list[int]) -> None:
    terms = plan.patient_bolus
    assume(terms is not None)
    assert terms is not None
    volume = terms.dose.pg / Fraction(plan.primary.concentration.pg_per_ml, 1_000_000)
    limits, rate = compiled(plan), volume / terms.over.ms
    pg = plan.primary.concentration.pg_per_ml
    bound = figures(limits, "stage-0", "bolus_pg", plan.primary.name)
    closest = _fullest_requests(terms, rate, cycle((0,)))
    assert bound == {hours: ceil(most * pg / 1_000_000) for hours, most in closest.items()}
    others = _fullest_requests(terms, rate, cycle([*waits, 0]))
    assert all(others[hours] <= closest[hours] for hours in WINDOWS)


def _fullest_requests(terms: PatientBolus, rate: Fraction, waits: Iterator[int]) -> dict[int, Fraction]:
    sent: list[int] = []
    while not sent or sent[-1] < 2 * DAY * MINUTE:
        sent.append(earliest(sent, terms) + next(waits))
    due = [(Flow(at, terms.over.ms, rate), STOP) for at in sent]
    first_day = [one for one in due if one[0].begin <= DAY * MINUTE]
    return {hours: fullest(due, first_day, hours * HOUR) for hours in WINDOWS}


# --- both together ------------------------------------------------------------------------------------------


def a_run(
    plan: DosingPlan, lateness: Iterator[int], doubt: Iterator[int], waits: Iterator[int]
) -> list[Flow]:
    """Six days of boluses as a controller could give them: late, in doubt of the wire, asked at any time."""
    strength = Fraction(plan.primary.concentration.pg_per_ml, 1_000_000)
    terms = plan.patient_bolus
    flows: list[Flow] = []
    sent: list[int] = []
    free = 0  # when the last bolus of any kind has surely ended
    for index, at in [*Reading(plan).slots(6), (-1, 6 * DAY * MINUTE)]:
        while terms is not None:
            ask = max(earliest(sent, terms), free + terms.lockout.ms if flows else 0) + next(waits)
            if ask + STOP + terms.over.ms > at:
                break  # it could not end before the next slot
            sent.append(ask)
            flows.append(Flow(ask + next(doubt), terms.over.ms, terms.dose.pg / strength / terms.over.ms))
            free = ask + STOP + terms.over.ms
        if index >= 0:
            bolus = plan.bolus[index]
            begin = max(free, at + min(next(lateness), bolus.within.ms + STOP))
            flows.append(Flow(begin + next(doubt), bolus.over.ms, bolus.dose.pg / strength / bolus.over.ms))
            free = begin + STOP + bolus.over.ms
    return flows


@given(
    approved_plans(modes=("simple",), titration=False),
    st.lists(st.sampled_from((0, 1_000, 302_000, 10**9)), min_size=1, max_size=4),
    st.lists(st.sampled_from((0, STOP)), min_size=1, max_size=4),
    st.lists(st.sampled_from((0, 1, 6 * HOUR)), min_size=1, max_size=4),
)
def test_no_run_of_scheduled_and_patient_boluses_passes_the_bound(
    plan: DosingPlan, lateness: list[int], doubt: list[int], waits: list[int]
) -> None:
    flows = a_run(plan, cycle(lateness), cycle(doubt), cycle(waits))
    bound = figures(compiled(plan), "stage-0", "bolus_pg", plan.primary.name)
    pg = Fraction(plan.primary.concentration.pg_per_ml, 1_000_000)
    for hours in WINDOWS:
        window = hours * HOUR
        begins = {edge - back for f in flows for edge in (f.begin, f.begin + f.over) for back in (0, window)}
        most = max((sum(f.within(a, a + window) for f in flows) for a in begins), default=0)
        assert most * pg <= bound[hours]


@given(approved_plans())
def test_the_bound_of_both_kinds_is_that_of_each_alone_added_up(plan: DosingPlan) -> None:
    def alone(**without: object) -> dict[int, int]:
        return figures(compiled(plan.model_copy(update=without)), "stage-0", "bolus_pg", plan.primary.name)

    both, scheduled, asked = alone(), alone(patient_bolus=None), alone(bolus=())
    for hours in WINDOWS:
        assert scheduled[hours] + asked[hours] - 1 <= both[hours] <= scheduled[hours] + asked[hours]


@given(approved_plans(prime=True))
def test_no_drawn_plan_passes_a_cap_or_is_blocked(plan: DosingPlan) -> None:
    assert not any(row.over for row in worst_windows(compiled(plan)))
    assert blocked(review(plan, FORMULARY, IMPLANT)) == ()


@SOME
@given(approved_changes())
def test_no_drawn_change_passes_a_cap_or_is_blocked(change: tuple[DosingPlan, DosingPlan]) -> None:
    before, plan = change
    assert not any(row.over for row in worst_windows(compiled(plan, before)))
    assert blocked(review(plan, FORMULARY, IMPLANT, before)) == ()
