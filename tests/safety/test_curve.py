"""The arithmetic below the history: cumulative curves and the fullest window between two of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.safety.curve import (
    FAR,
    LEAF,
    ORIGIN,
    Curve,
    content,
    early_ramp,
    envelope,
    fullest,
    growth,
    late_ramp,
    rate_up,
)


def test_a_curve_is_flat_before_and_after_what_flows() -> None:
    curve = Curve([(10, 20, 3)])
    assert [curve.at(t) for t in (-5, 10, 11, 20, 99)] == [0, 0, 3, 30, 30]
    assert (curve.end, curve.total) == (20, 30)


def test_flows_add_up_and_what_is_taken_back_leaves_nothing() -> None:
    curve = Curve([(0, 10, 2), (5, 15, 3)])
    assert [curve.at(t) for t in (4, 5, 6, 10, 15)] == [8, 10, 15, 35, 50]
    curve.add(5, 15, -3)
    assert (curve.times, curve.slopes, curve.sums) == (Curve([(0, 10, 2)]).times, [0, 2, 0], [0, 0, 20])
    curve.add(7, 7, 5)
    curve.add(9, 8, 5)
    curve.add(1, 2, 0)
    assert curve.total == 20


def test_appending_goes_on_with_the_same_flow_without_a_breakpoint() -> None:
    curve = Curve()
    for start, end, slope in ((0, 10, 2), (10, 20, 2), (20, 25, 0), (25, 30, 1), (30, 35, 4)):
        curve.extend(((start, end, slope),))
    assert curve.times[1:] == [0, 20, 25, 30, 35]
    assert [curve.at(t) for t in (10, 20, 25, 30, 35)] == [20, 40, 40, 45, 65]


def test_extending_takes_what_flows_before_an_instant() -> None:
    fixed = Curve([(0, 10, 1)])
    fixed.extend([(10, 20, 2), (20, 30, 3)], 25)
    assert [fixed.at(t) for t in (10, 20, 25, 99)] == [10, 30, 45, 45]
    fixed.extend([(40, 50, 9)], 40)
    assert fixed.total == 45


def test_forgetting_keeps_every_window_that_begins_later() -> None:
    curve = Curve()
    for i in range(LEAF + 10):
        curve.add(10 * i, 10 * i + 5, i + 1)
    whole, before = curve.copy(), len(curve.times)
    assert not curve.aged(100)
    curve.forget(100)
    assert len(curve.times) == before  # a few are not worth the trouble
    assert curve.aged(320)
    curve.forget(320)
    assert len(curve.times) < before
    for start in range(320, 400, 7):
        assert curve.at(399) - curve.at(start) == whole.at(399) - whole.at(start)


def test_a_shift_moves_everything_back() -> None:
    curve = Curve([(10, 20, 3)])
    curve.shift(100)
    assert [curve.at(t) for t in (-90, -85, -80)] == [0, 15, 30]


@pytest.mark.parametrize(
    ("volume", "lasts", "rate"), [(0, 7, 0), (1, 10**12, 1), (1, 10**12 - 1, 2), (9, 3, 3 * 10**12)]
)
def test_a_rate_is_rounded_up_against_the_asker(volume: int, lasts: int, rate: int) -> None:
    assert rate_up(volume, lasts) == rate


def test_ramps_hold_exactly_their_volume_as_early_and_as_late_as_the_rate_allows() -> None:
    early, late = Curve(early_ramp(25, 10, 100)), Curve(late_ramp(25, 10, 200))
    assert [early.at(t) for t in (100, 101, 102, 103, 999)] == [0, 10, 20, 25, 25]
    assert [late.at(t) for t in (196, 197, 198, 199, 200)] == [0, 0, 5, 15, 25]


def test_an_envelope_is_the_fastest_at_each_instant() -> None:
    assert envelope([(0, 10, 5), (4, 6, 9), (5, 20, 2), (30, 40, 1)]) == [
        (0, 4, 5), (4, 6, 9), (6, 10, 5), (10, 20, 2), (30, 40, 1)
    ]  # fmt: skip
    assert envelope([]) == []


def brute(terms: list[tuple[int, Curve, Curve]], width: int, first: int, last: int) -> int:
    return max(content(terms, end - width, end) for end in range(first, last + 1))


FLOWS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(1, 9)).map(
        lambda f: (f[0], f[0] + f[1], f[2])
    ),
    max_size=40,
)


@given(FLOWS, FLOWS, st.integers(1, 30), st.integers(0, 40), st.integers(0, 40), st.integers(-5, 5))
def test_the_fullest_window_is_the_one_found_by_looking_at_every_instant(
    one: list[tuple[int, int, int]],
    two: list[tuple[int, int, int]],
    width: int,
    first: int,
    more: int,
    by: int,
) -> None:
    late = Curve((start + 3, end + 3, slope) for start, end, slope in two)
    terms = [(2, Curve(one), Curve(one)), (1, Curve(two), late)]
    worst = brute(terms, width, first, first + more)
    found = fullest(terms, width, first, first + more, worst + by)
    assert (found is not None) == (by < 0)
    if found is not None:
        assert found[0] == worst
        assert content(terms, found[1] - width, found[1]) == worst


def test_many_breakpoints_far_from_the_limit_are_not_looked_into() -> None:
    """The cost of a verdict does not grow with what was given; see also test_cost.py."""
    curve = Curve()
    for i in range(10_000):
        curve.add(10 * i, 10 * i + 5, 1)
    looks = []

    class Watched(Curve):
        __slots__ = ()

        @property
        def times(self) -> list[int]:  # type: ignore[override]
            looks.append(1)
            return curve.times

        @property
        def slopes(self) -> list[int]:  # type: ignore[override]
            return curve.slopes

        @property
        def sums(self) -> list[int]:  # type: ignore[override]
            return curve.sums

    watched = object.__new__(Watched)
    assert fullest([(1, watched, watched)], 50_000, 50_000, 100_000, 50_000) is None
    assert len(looks) < 10
    assert fullest([(1, watched, watched)], 50_000, 50_000, 100_000, 25_010) is None
    assert len(looks) < 200_000


@pytest.mark.parametrize("limit", [0, 700, 799, 10**9])
def test_many_breakpoints_under_the_begins_of_windows_alone_are_halved_too(limit: int) -> None:
    """100 pulses up to 1,000, nothing later: windows of 2,000 ms that end from 2,000 on lose one after another."""
    curve = Curve()
    for i in range(100):
        curve.add(10 * i, 10 * i + 4, 2)
    terms = [(1, curve, curve)]
    worst = brute(terms, 2_000, 2_000, 3_500)
    assert worst == 800
    assert fullest(terms, 2_000, 2_000, 3_500, limit) == ((800, 2_000) if limit < 800 else None)


def test_of_equal_maxima_the_last_window_is_told() -> None:
    """Two pulses of 10 apart: a window of 15 holds one at a time, as early as 10 and as late as 35."""
    pulses = Curve([(0, 10, 1), (20, 30, 1)])
    assert fullest([(1, pulses, pulses)], 15, 0, 60, 0) == (10, 35)


def test_the_fullest_window_is_found_in_either_half_of_many_breakpoints() -> None:
    """100 pulses, each a little fuller than the one before, or emptier."""
    for slopes in (range(1, 101), range(100, 0, -1)):
        curve = Curve()
        for i, slope in enumerate(slopes):
            curve.add(10 * i, 10 * i + 4, slope)
        terms = [(1, curve, curve)]
        worst = brute(terms, 95, 0, 1_100)
        found = fullest(terms, 95, 0, 1_100, 0)
        assert found is not None
        assert found[0] == worst


def test_what_takes_no_time_or_gives_nothing_leaves_no_breakpoint() -> None:
    """S-34: what a rule costs does not grow with what never flowed."""
    curve = Curve([(5, 5, 3), (9, 5, 3), (5, 9, 0)])
    curve.extend([(5, 9, 0)])
    assert curve.times == [ORIGIN]
    curve.draw([(5, 9, 1)], 1)
    curve.draw([(5, 9, 1)], -1)
    assert curve.times == [ORIGIN]
    assert envelope([(0, 10, 1), (0, 10, 2)]) == [(0, 10, 2)]


def test_a_flow_goes_on_only_until_it_is_told_to_also_where_that_lies_in_a_pause() -> None:
    for until in (10, 15, 20):
        curve = Curve()
        curve.extend([(0, 10, 3), (20, 30, 3)], until)
        assert (curve.times, curve.total) == ([ORIGIN, 0, 10], 30)


def test_what_was_forgotten_has_flowed_before_every_instant_that_can_still_be_asked_for() -> None:
    curve = Curve([(2 * i, 2 * i + 1, 1 + i) for i in range(60)])
    whole, known = curve.total, curve.at(100)
    curve.forget(100)
    assert curve.at(99) == curve.at(ORIGIN) == known
    assert (curve.at(100), curve.total) == (known, whole)


def test_a_window_that_is_still_filling_is_fullest_at_the_last_end_that_is_asked_for() -> None:
    flow = Curve([(0, 100, 1)])
    assert fullest([(1, flow, flow)], 50, 0, 30, 5) == (30, 30)
    short = Curve([(0, 20, 1)])
    assert fullest([(1, short, short)], 10, 0, 15, 5) == (10, 15)  # the same from 10 on


@pytest.mark.parametrize(("at", "rate", "until"), [
    (-5, 0, 0), (0, 6, 5), (4, 6, 5), (5, 7, 10), (9, 7, 10), (10, 1, 20), (19, 1, 20), (20, 0, FAR),
])  # fmt: skip
def test_a_content_grows_by_the_weighed_slopes_until_the_next_kink_of_any_curve(
    at: int, rate: int, until: int
) -> None:
    one, other = Curve([(0, 10, 3)]), Curve([(5, 20, 1)])
    assert growth([(2, one, one), (1, other, Curve())], at) == (rate, until)


def test_the_largest_slope_is_found_whatever_the_order_of_the_segments() -> None:
    assert envelope([(6, 8, 9), (4, 10, 3), (0, 5, 1)]) == [(0, 4, 1), (4, 6, 3), (6, 8, 9), (8, 10, 3)]
