"""The counter of 4 digits: differences, clears, roll-over, power-ups, and what cannot be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers.new_era_codec import Counter, grid
from pump_ctrl.drivers.new_era_meter import Meter

FASTEST = 36_000_000  # nL/h: 10,000 nL a second


def shown(nl: int) -> Counter:
    unit = grid(nl % 10_000_000)
    return Counter(nl % 10_000_000 // unit * unit, 0, unit)


def read(meter: Meter, *readings: tuple[int, int]) -> list[int]:
    """Readings of (s, nL); the sums after them."""
    sums = []
    for at_s, nl in readings:
        meter.take(shown(nl), at_s * 1_000)
        sums.append(meter.total_nl)
    return sums


def test_the_sum_begins_with_what_the_counter_shows_and_follows_it() -> None:
    meter = Meter(FASTEST)
    assert read(meter, (0, 5_000), (60, 5_000), (120, 12_340), (180, 12_349)) == [
        5_000,
        5_000,
        12_340,
        12_340,
    ]
    assert (meter.lives, meter.unit_nl, meter.counter_nl) == (0, 10, 12_340)


def test_a_clear_that_was_told_loses_nothing() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000), (60, 7_000))
    meter.expect_clear()
    assert read(meter, (61, 0), (62, 100)) == [7_000, 7_100]
    assert meter.lives == 0


def test_a_clear_that_did_not_happen_counts_nothing_twice() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000))
    meter.expect_clear()
    assert read(meter, (1, 5_000), (2, 5_001)) == [5_000, 5_001]
    assert not meter.is_plausible(shown(0), 3_000)  # the leave to fall was for one reading


def test_a_roll_over_that_can_have_been_goes_on_counting() -> None:
    meter = Meter(FASTEST)
    assert read(meter, (0, 9_990_000), (10, 10_020_000)) == [9_990_000, 10_020_000]
    assert meter.lives == 0


def test_a_fall_that_nothing_explains_is_a_new_life_and_no_credit() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000_000))
    assert not meter.is_plausible(shown(1_000), 10_000)
    assert read(meter, (10, 1_000)) == [1_000]
    assert (meter.lives, meter.before_nl) == (1, 5_000_000)


def test_a_rise_beyond_the_fastest_pump_is_not_plausible_and_counts_all_the_same_when_taken() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 0))
    assert meter.is_plausible(shown(10_000), 1_000)
    assert not meter.is_plausible(shown(10_100), 1_000)
    assert read(meter, (1, 50_000)) == [50_000]
    assert meter.lives == 0


def test_after_a_power_up_the_counter_begins_again() -> None:
    meter = Meter(FASTEST)
    read(meter, (0, 5_000))
    meter.power_up()
    assert (meter.total_nl, meter.lives, meter.before_nl) == (0, 1, 5_000)
    assert read(meter, (1, 30)) == [30]


@given(
    st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from(["flow", "clear", "lost clear"])), max_size=40)
)
def test_the_sum_is_the_truth_to_one_unit_a_clear_and_never_above_it(
    course: list[tuple[int, str]],
) -> None:
    meter, truth, base, at, clears = Meter(FASTEST), 0, 0, 0, 0
    meter.take(shown(0), 0)
    lost = 0
    for volume, what in course:
        at, truth = at + 4_000, truth + volume  # 40,000 nL in 4 s is the fastest
        counter = shown(truth - base)
        assert meter.is_plausible(counter, at)
        before = meter.total_nl
        meter.take(counter, at)
        assert before <= meter.total_nl <= truth
        assert truth - meter.total_nl < counter.unit_nl + lost
        if what != "flow":
            meter.expect_clear()
            lost += truth - base - counter.infused_nl if what == "clear" else 0
            base = truth if what == "clear" else base
            clears += 1
            at += 10
            meter.take(shown(truth - base), at)
    assert meter.lives == 0


CLEARS = st.sampled_from([False, False, False, True])


@given(st.lists(st.tuples(st.sampled_from([0, 1, 1_000, 60_000]), st.integers(-3, 40), CLEARS), max_size=30))
def test_a_reading_is_followed_just_where_it_is_plausible(course: list[tuple[int, int, bool]]) -> None:
    """Steps of 500 nL at a pump that makes 10,000 nL a second; below zero the counter rolls over or falls."""
    meter, plain, at_ms, at_nl = Meter(FASTEST), Meter(FASTEST), 0, 9_999_000
    for gone_ms, steps, clear in course:
        at_ms, at_nl = at_ms + gone_ms, (at_nl + 500 * steps) % 10_000_000
        if clear:
            meter.expect_clear()
            plain.expect_clear()
            at_nl = at_nl if steps % 2 else 0
        counter = shown(at_nl)
        plausible = plain.is_plausible(counter, at_ms)
        if plausible:
            plain.take(counter, at_ms)
        assert meter.follow(counter, at_ms) is plausible
        assert vars(meter) == vars(plain)
