"""Rules between the parts of a plan: each is a pure function that names what it reads.

Layer      therapy. Imports units, plan_fields and plan_parts.
Hazard     parts that are right alone and wrong together: two boluses at once, a bridge from nothing.
Invariant  a rule in RULES runs whenever the parts it reads are sound, also in a file with other faults.
Tests      tests/unit/test_plan.py, tests/unit/test_plan_bad_input.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from inspect import signature
from itertools import pairwise
from typing import Any, Final, NamedTuple

from pump_ctrl.therapy.plan_fields import WEEKDAYS, Fault
from pump_ctrl.therapy.plan_parts import (
    MAX_BOLUSES,
    Basal,
    Bridge,
    Prime,
    ScheduledBolus,
    Titration,
    daily_pg,
)
from pump_ctrl.units import MS_PER_DAY, MS_PER_MINUTE, Duration, TimeOfDay

Rule = Callable[..., Iterator[Fault]]


def offset_ms(text: str) -> int:
    """``"+01:00"`` in ms."""
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return (-minutes if text[0] == "-" else minutes) * MS_PER_MINUTE


def local_ms(start: str) -> int:
    """The start in local time, ms since 1970-01-01T00:00 of that clock."""
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    days = moment.date().toordinal() - date(1970, 1, 1).toordinal()
    return days * MS_PER_DAY + (moment.hour * 3_600 + moment.minute * 60 + moment.second) * 1_000


def weekday(local: int) -> int:
    """The weekday of a local time in ms; 0 is Monday. 1970-01-01 was a Thursday."""
    return (local // MS_PER_DAY + 3) % 7


def bridge_has_an_old_plan(bridge: Bridge | None, previous: str | None) -> Iterator[Fault]:
    """A bridge keeps the dosing of the plan before."""
    if bridge is not None and previous is None:
        yield Fault(
            ("bridge",), "there is no plan to bridge from", "previous = the sha256 of the plan in force"
        )


def prime_or_bridge(prime: Prime | None, bridge: Bridge | None) -> Iterator[Fault]:
    """A prime at full speed would push what the bridge must dose slowly."""
    if prime is not None and bridge is not None:
        yield Fault(
            ("bridge",), "the path is either empty or holds old fluid", "[prime] or [bridge], not both"
        )


def titration_has_a_basal(titration: Titration | None, basal: Basal) -> Iterator[Fault]:
    """A titration scales the basal pattern, so the pattern must have a dose."""
    if titration is None:
        return
    daily = {daily_pg(steps) for steps in basal.patterns()}
    if basal.mode is not None:
        yield Fault(
            ("titration",), f'mode = "{basal.mode}" has no dose to titrate', "rate, steps or days in [basal]"
        )
    elif 0 in daily:
        yield Fault(
            ("titration",), "a day without any basal dose cannot be scaled", "a basal dose on every day"
        )
    elif len(daily) > 1:
        for index, step in enumerate(titration.step):
            if step.dose is not None:
                at = ("titration", "step", index, "dose")
                yield Fault(at, "the daily dose differs between the weekdays", 'change = "+20 %"')


def few_boluses(bolus: tuple[ScheduledBolus, ...]) -> Iterator[Fault]:
    """A file may not hold more boluses than anybody can review."""
    if len(bolus) > MAX_BOLUSES:
        yield Fault(("bolus",), f"{len(bolus)} scheduled boluses", f"at most {MAX_BOLUSES}")


class _Slot(NamedTuple):
    at_ms: int  # local
    which: int
    latest_end_ms: int


def boluses_stand_apart(bolus: tuple[ScheduledBolus, ...], start: str) -> Iterator[Fault]:
    """One bolus at a time: the latest end of each, start as late as allowed, is before the next is due."""
    if len(bolus) > MAX_BOLUSES:
        return
    reported: set[tuple[int, int]] = set()
    for one, two in pairwise(sorted(_slots(bolus, local_ms(start)))):
        if one.latest_end_ms >= two.at_ms and (one.which, two.which) not in reported:
            reported |= {(one.which, two.which), (two.which, one.which)}
            yield _too_close(bolus, one, two)


def _slots(bolus: tuple[ScheduledBolus, ...], start: int) -> Iterator[_Slot]:
    """List what is due in the first 16 days: the boluses given once, and two whole weeks of the others."""
    for index, one in enumerate(bolus):
        first = start + (one.at_ms - start) % MS_PER_DAY
        for at in (first,) if one.once else range(first, first + 16 * MS_PER_DAY, MS_PER_DAY):
            if one.days is None or WEEKDAYS[weekday(at)] in one.days:
                yield _Slot(at, index, at + one.within.ms + one.over.ms)


def _too_close(bolus: tuple[ScheduledBolus, ...], one: _Slot, two: _Slot) -> Fault:
    here, other = max(one.which, two.which), min(one.which, two.which)
    if one.at_ms == two.at_ms:
        when = TimeOfDay(bolus[here].at_ms)
        return Fault(
            ("bolus", here, "at"), f"bolus #{other + 1} is also due at {when}", "one bolus at a time"
        )
    first, gap = bolus[one.which], Duration(two.at_ms - one.at_ms)
    again = "it is due again" if one.which == two.which else f"bolus #{two.which + 1} is due"
    timing = f"within {first.within} and over {first.over}"
    what = f"{timing}, bolus #{one.which + 1} may still run when {again} {gap} later"
    return Fault(("bolus", here), what, f"within and over of bolus #{one.which + 1} together below {gap}")


RULES: Final[tuple[Rule, ...]] = (
    bridge_has_an_old_plan,
    prime_or_bridge,
    titration_has_a_basal,
    few_boluses,
    boluses_stand_apart,
)
_READS: Final = {rule: tuple(signature(rule).parameters) for rule in RULES}


def broken(parts: Mapping[str, Any]) -> Iterator[Fault]:
    """Run every rule whose parts are all there."""
    for rule, names in _READS.items():
        if all(name in parts for name in names):
            yield from rule(*(parts[name] for name in names))
