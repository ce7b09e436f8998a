"""Worked plan A without any controller, second by second: what the full stack is compared with.

A plant of its own with the model of ``sim``: the flow is even within a step of the schedule, the motor counts whole
pump steps, the reservoir empties and is watched, fluids move along a path up to the catheter tip, mass leaves there,
and the curves of volume and mass are kept, a point a minute. Nothing is decided, judged, sent or written down.

It imports nothing of the project, and it is tuned, so that the ratio means something: one flat loop, local variables
only, whole numbers throughout. One unit is the largest volume of which every rate of the plan is a whole number a
second (1/414 nL), so no remainder is carried and most numbers fit a machine word of CPython's integers. What changes
with the schedule or the fluid only (flow and mass a second) is worked out then, not every second; the schedule is
asked by one comparison. A pump step falls at most once a second (the bolus makes one in 2 s): one ``if`` counts
them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Final

DAY_S: Final = 86_400
START_S: Final = 8 * 3_600  # the plan starts at 08:00
SAMPLE_S: Final = 60
STEP_NL: Final = 100  # of the pump
FILLED_NL: Final = 40_000_000
ALARM_NL: Final = 2_000_000
TUBING_AND_CATHETER_NL: Final = 340_000
PG_PER_NL: Final = 1_000  # 1000 ug/mL

Level = tuple[int, Fraction]  # local second after midnight, nL/s from then on
Fluid = tuple[int, int]  # nL, pg/nL

DAY: Final[Sequence[Level]] = (
    (0, Fraction(96_000, 27_600)),  # 96 ug from 22:20 to 06:00
    (21_600, Fraction(75_000, 10_800)),
    (32_400, Fraction(169_000, 46_800)),
    (79_200, Fraction(60_000, 1_200)),  # the bolus; no basal beside it
    (80_400, Fraction(96_000, 27_600)),
)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What came of a run: pump steps, nL out of the pump and pg out of the tip (rounded down), and the curves."""

    pump_steps: int
    out_nl: int
    tip_pg: int
    refills: int
    steps_curve: array[int] = field(repr=False)  # pump steps, a point a minute
    mass_curve: array[int] = field(repr=False)  # mass out of the tip in pg x units per nL, a point a minute


def run(
    days: int, *, filled_nl: int = FILLED_NL, path: Sequence[Fluid] = ((TUBING_AND_CATHETER_NL, PG_PER_NL),)
) -> Ticked:
    """Run the plan from its start for ``days``; a reservoir that runs low is filled at once.

    ``path`` are the fluids in tubing and catheter, the one at the tip first; the reservoir's fluid follows them.
    """
    units = lcm(*(rate.denominator for _, rate in DAY))  # in a nL
    levels = [(at, int(rate * units)) for at, rate in DAY]
    ends = [*(at for at, _ in levels[1:]), DAY_S]
    waiting = [(nl * units, conc) for nl, conc in reversed(path)]
    front, conc = waiting.pop()
    left = filled = filled_nl * units
    alarm, pump_step = ALARM_NL * units, STEP_NL * units
    index = max(i for i, (at, _) in enumerate(levels) if at <= START_S)
    flow, change, sample = levels[index][1], ends[index] - START_S, SAMPLE_S
    mass_flow = flow * conc
    partial = pump_steps = mass = refills = 0
    steps_curve, mass_curve = array("q", (0,)), array("q", (0,))
    for second in range(days * DAY_S):
        if second == change:
            index = (index + 1) % len(levels)
            flow = levels[index][1]
            mass_flow = flow * conc
            change += ends[index] - levels[index][0]
        partial += flow
        if partial >= pump_step:
            partial -= pump_step
            pump_steps += 1
        left -= flow
        if left <= alarm:
            left, refills = filled, refills + 1
        front -= flow
        if front <= 0:  # the next fluid is at the tip; behind the last one comes what the reservoir holds
            front, conc = waiting.pop() if waiting else (filled, PG_PER_NL)
            mass_flow = flow * conc
        mass += mass_flow
        if second == sample:
            sample += SAMPLE_S
            steps_curve.append(pump_steps)
            mass_curve.append(mass)
    out_nl = pump_steps * STEP_NL + partial // units
    return Ticked(pump_steps, out_nl, mass // units, refills, steps_curve, mass_curve)
