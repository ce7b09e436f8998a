"""Pairs of faults of different groups, hunted: the ledger, the windows, each bolus once, a STOP, and a way out."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.driver_stacks import PUMPS
from tests.faults.found import FOUND, Found
from tests.faults.pair_plans import COURSES
from tests.faults.pair_stand import Pair, PairStand
from tests.faults.parts import GROUPS, Part
from tests.whole_stack import DAY, HOUR, MINUTE

SLOT: Final = 30 * MINUTE
# Before, at and in a bolus; at its end; at a step of the basal; at the end of leases; a day later at the same.
TIMES: Final = (
    5 * MINUTE, 20 * MINUTE, SLOT - 20_000, SLOT - 1, SLOT + 1_000, 35 * MINUTE, 40 * MINUTE - 1, 50 * MINUTE - 1,
    50 * MINUTE + 2_000, 60 * MINUTE - 1, 70 * MINUTE - 500, 95 * MINUTE - 1, 4 * HOUR, DAY - 1, DAY + SLOT - 1,
)  # fmt: skip
AFTER: Final = (0, 1, 900, 5_000, 16_000, 61_000, 5 * MINUTE, 20 * MINUTE, 2 * HOUR)
TEND: Final = (MINUTE, 10 * MINUTE, 90 * MINUTE, 7 * HOUR)


@cache
def possible(group: str, pump: str) -> tuple[Part, ...]:
    """Faults of a group that a pump can have."""
    return tuple(part for part in GROUPS[group] if pump.startswith(part.on))


@st.composite
def pairs(draw: st.DrawFn, *, short: bool = False) -> Pair:
    """``short``: early in the plan, and looked at soon; it ends when it has gone on for two hours."""
    groups = list(draw(st.sampled_from(tuple(combinations(GROUPS, 2)))))
    if draw(st.booleans()):
        groups.reverse()
    pump = draw(st.sampled_from(PUMPS))
    first, second = (draw(st.sampled_from(possible(group, pump))) for group in groups)
    return Pair(
        pump=pump,
        on_loss=draw(st.sampled_from(("stop", "4 h"))),
        plan=draw(st.sampled_from(tuple(COURSES))),
        first=first.text,
        at=draw(st.sampled_from(TIMES[:12] if short else TIMES)),
        second=second.text,
        after=draw(st.sampled_from(AFTER[:7] if short else AFTER)),
        tend_after=draw(st.sampled_from(TEND[:2] if short else TEND)),
        days=0 if short else draw(st.sampled_from((1, 1, 2))),
    )


@pytest.mark.parametrize("found", FOUND, ids=lambda found: f"{found.pair.first}-{found.pair.second}")
def test_what_was_found_once_stays_mended(found: Found) -> None:
    assert found.wrong
    assert found.mended
    PairStand(found.pair).go_through()


@settings(max_examples=14)
@given(pairs(short=True))
def test_two_faults_of_different_groups_are_as_safe_as_one(pair: Pair) -> None:
    PairStand(pair).go_through()


@pytest.mark.deep
@pytest.mark.timeout(3_600)
@settings(max_examples=1_000, suppress_health_check=list(HealthCheck))
@given(pairs())
def test_a_thousand_pairs_of_faults_are_as_safe_as_one(pair: Pair) -> None:
    PairStand(pair).go_through()
