"""A healthy pump, anywhere within its label, seen by a sensor anywhere within its declared errors, is never accused.

The truth is exact here: commanded volume by its steps, times the pump's gain, shifted by up to 5 s and held back in the
line; the sensor adds drift, scale and noise. Few values, all at the ends of what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers.base import SensorErrors
from pump_ctrl.safety.witness import Mark, Sight, Witness

MINUTE, HOUR = 60_000, 3_600_000
ERRORS = SensorErrors(resolution_nl=1_000, accuracy_ppm=10_000, creep_nl_per_h=100, loss_nl_per_h=1_000)
RATES = st.sampled_from([0, 500, 16_667, 200_000, 1_000_000])  # nL/h
LASTS = st.sampled_from([MINUTE, 20 * MINUTE, HOUR, 7 * HOUR])
PAUSES = st.sampled_from([MINUTE, 10 * MINUTE, 3 * HOUR])


@dataclass(frozen=True)
class Told:
    """Steps of (rate, from, to); what the ledger knows of them."""

    steps: tuple[tuple[int, int, int], ...]
    content_nl: int = 40_000_000
    primed_until: int = -(1 << 62)
    low_nl: int = 0

    def exact(self, start: int, end: int) -> Fraction:
        return sum(
            (
                Fraction(rate * max(0, min(end, to) - max(start, since)), HOUR)
                for rate, since, to in self.steps
            ),
            Fraction(0),
        )

    def flowed_nl(self, start: int, end: int) -> int:
        return -(-self.exact(start, end) // 1)

    def surely_nl(self, start: int, end: int) -> int:
        return int(self.exact(start, end))


@st.composite
def told(draw: st.DrawFn) -> Told:
    at, steps = 0, []
    for rate, lasts in draw(st.lists(st.tuples(RATES, LASTS), min_size=1, max_size=4)):
        steps.append((rate, at, at + lasts))
        at += lasts
    return Told(tuple(steps))


@pytest.mark.timeout(900)  # with the deep profile
@given(
    told=told(),
    gain=st.sampled_from([855, 1_000, 1_145]),
    late_ms=st.sampled_from([-5_000, 0, 5_000]),
    held_nl=st.sampled_from([0, 2_000]),
    scale_ppm=st.sampled_from([-9_900, 0, 9_900]),
    drift=st.sampled_from([-1_000, 0, 100]),
    noise=st.lists(st.sampled_from([-1_000, 0, 1_000]), min_size=1, max_size=7),
    pauses=st.lists(PAUSES, min_size=1, max_size=5),
)
def test_who_is_within_the_label_and_the_declared_errors_is_never_accused(
    told: Told,
    gain: int,
    late_ms: int,
    held_nl: int,
    scale_ppm: int,
    drift: int,
    noise: list[int],
    pauses: list[int],
) -> None:
    witness, end, at, number = Witness(Sight(), ERRORS, 200), told.steps[-1][2], 0, 0
    held, left = held_nl, Fraction(0)
    while at <= end:
        left = max(
            left, told.exact(0, at - late_ms) * gain / 1_000 - held
        )  # what has left does not come back
        seen = left * (1_000_000 + scale_ppm) / 1_000_000 + Fraction(drift * at, HOUR)
        mark = Mark(at, at, int(seen) + noise[number % len(noise)], "A", told.flowed_nl(0, at))
        verdict = witness.judge(mark, told)
        assert not verdict.surprises, (at, verdict)
        assert not verdict.under, (at, verdict)
        witness.take(mark, verdict)
        held = held_nl - held if number % 3 == 0 else held  # the line lets go of it, and takes it up again
        at, number = at + pauses[number % len(pauses)], number + 1
