"""The plans that pairs of faults happen to, as data, from which both the plan and the oracle's own sum are made.

Times are minutes of the day (all plans start at 08:00 UTC) or ms from the start, flows nL/h, volumes nL; the drug is
baclofen of 1,000 pg/nL, so that 1 ug is 1,000 nL.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

from pump_ctrl.therapy.plan import DosingPlan, plan_from
from tests.driver_stacks import Kind
from tests.whole_stack import DAY, HOUR, MINUTE, profile

START: Final = 8 * 60
PRESS_NL: Final = 10_000


@dataclass(frozen=True)
class Slot:
    """A daily bolus: minute of the day, nL, ms, and how late it may begin (ms)."""

    at: int
    nl: int
    ms: int
    within: int

    def starts(self, until_ms: int) -> list[int]:
        """When it is due, up to then."""
        first = (self.at - START) % 1_440 * MINUTE
        return list(range(first, until_ms, DAY))


@dataclass(frozen=True)
class Course:
    """What a plan gives: the basal from a minute of the day on, and boluses."""

    basal: tuple[tuple[int, int], ...]
    slots: tuple[Slot, ...]
    prime_nl: int = 0

    @property
    def fastest(self) -> int:
        """The highest basal, nL/h."""
        return max(nl for _, nl in self.basal)

    def basal_nl(self, until_ms: int) -> Fraction:
        """Planned basal up to then, minute by minute where it changes."""
        total, at = Fraction(0), 0
        while at < until_ms:
            minute = (START * MINUTE + at) % DAY // MINUTE
            rate = [nl for begin, nl in self.basal if begin <= minute][-1]
            nexts = [begin for begin, _ in self.basal if begin > minute] or [1_440]
            step = min(nexts[0] * MINUTE - (START * MINUTE + at) % DAY, until_ms - at)
            total, at = total + Fraction(rate * step, HOUR), at + step
        return total

    def most_nl(self, until_ms: int) -> Fraction:
        """Planned up to then, each bolus in full as soon as it is due."""
        return (
            self.prime_nl
            + self.basal_nl(until_ms)
            + sum(s.nl * len(s.starts(until_ms + 1)) for s in self.slots)
        )


_TEN, _TWENTY = 10 * MINUTE, 20 * MINUTE
COURSES: Final = {
    "short": Course(((0, 12_500), (550, 20_000)), (Slot(510, 60_000, _TWENTY, 5 * MINUTE),)),
    "rests": Course(
        ((0, 10_000), (540, 0), (570, 40_000), (720, 10_000)),
        (Slot(510, 20_000, _TEN, 5 * MINUTE), Slot(575, 30_000, _TEN, 1_000)),
    ),
    "even": Course(((0, 20_000),), (Slot(510, 40_000, _TWENTY, HOUR),)),
    "primed": Course(((0, 12_500),), (Slot(720, 60_000, _TWENTY, 5 * MINUTE),), prime_nl=200_000),
}


@cache
def plan_of(name: str, kind: Kind) -> DosingPlan:
    """One of ``COURSES`` on that pump."""
    course = COURSES[name]
    syringe = profile(kind.pump).kind == "syringe"
    return plan_from(
        {
            "schema": 1,
            "id": "PAIR",
            "title": "Pairs of faults",
            "patient": "BENCH-002",
            "prescriber": "bench",
            "pump": kind.pump,
            "utc_offset": "+00:00",
            "start": "2026-11-20T08:00",
            "on_loss": "stop" if kind.on_loss == "stop" else {"hold": kind.on_loss},
            "reservoir": {
                "filled": "10 mL" if syringe else "40 mL",
                "residual": ["0 mL", "0 mL"],
                "alarm": "1 mL",
                "drugs": [{"name": "baclofen", "concentration": "1000 ug/mL"}],
            },
            "catheter": {"volume": ["0.190 mL", "0.202 mL"]},
            "basal": {"steps": [{"from": _clock(at), "rate": f"{nl} ng/h"} for at, nl in course.basal]},
            "bolus": [
                {
                    "at": _clock(slot.at),
                    "dose": f"{slot.nl} ng",
                    "over": f"{slot.ms} ms",
                    "within": f"{slot.within} ms",
                }
                for slot in course.slots
            ],
            "patient_bolus": {
                "dose": f"{PRESS_NL} ng",
                "over": "5 min",
                "lockout": "1 h",
                "max_per_day": 3,
            },
            **({"prime": {"volume": f"{course.prime_nl} nL", "path": "empty"}} if course.prime_nl else {}),
        }
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
