"""Check of what a scheduled bolus takes away from the basal beside it: a pump has one motor speed (D-03).

Layer      therapy; imports review_case, findings, wording.
Hazard     a plan whose day is short of drug every night, seen only in the sums of what was missed.
Invariant  told is what the controller composes: beside a bolus the lowest basal of its time, its last instant included,
           since the pump is told a moment after the bolus is due.
Tests      tests/unit/test_review.py, tests/unit/test_review_beside.py
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.findings import Finding, finding
from pump_ctrl.therapy.pattern import Pattern
from pump_ctrl.therapy.plan import WEEKDAYS
from pump_ctrl.therapy.plan_toml import field_name
from pump_ctrl.therapy.review_case import Case
from pump_ctrl.therapy.volumes import mass_of
from pump_ctrl.units import MS_PER_DAY, TimeOfDay

WORTH: Final = Fraction(1, 100)  # of the basal beside a bolus; less is as little as rounding


def beside(case: Case) -> Iterator[Finding]:
    """Every scheduled bolus that costs more than a hundredth of the basal beside it, and more than a pump step."""
    drug, step = case.plan.primary, case.profile.step.nl
    for number, bolus in enumerate(case.plan.bolus):
        begins = [WEEKDAYS.index(day) * MS_PER_DAY + bolus.at_ms for day in bolus.days or WEEKDAYS]
        windows = [_window(case.schedule.basal, begin, begin + bolus.over.ms) for begin in begins]
        due, given = max(windows, key=lambda window: window[0] - window[1])
        if due - given > step and due - given > WORTH * due:
            asked, told = (mass_of(nl, drug.concentration.pg_per_ml) for nl in (due, given))
            text = (
                f"the basal changes while the bolus of {TimeOfDay(bolus.at_ms)} runs or as it ends, and beside a bolus "
                f"the pump gives the lowest of that time: achievable {say.digits(100 * given / due)} % of the basal "
                f"beside it, {say.mass(told)} of {say.mass(asked)} of {drug.name}; the rest is missed each time"
            )
            yield finding("basal-beside-bolus", field_name(("bolus", number, "at")), text)


def _window(basal: Pattern, begin: int, end: int) -> tuple[Fraction, Fraction]:
    """Basal volume planned between two instants, and what is given of it at its lowest rate, nL."""
    lowest, at = basal.rates[basal.rate_index(begin)], basal.next_change(begin)
    while at is not None and at <= end:
        lowest, at = min(lowest, basal.rates[basal.rate_index(at)]), basal.next_change(at)
    return basal.amount(begin, end), lowest * (end - begin)
