"""The truth: totals, corners and the worst window, against hand-worked figures and a slow search."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.truth import Curve, _MassCurve
from sim.world import World
from tests.unit.sim.host import DAY, MIN, Bench, H, setup

PG_PER_NL = 1_000  # 1000 ug/mL


def test_points_on_one_line_are_merged_and_a_corner_is_kept() -> None:
    curve = Curve()
    for t, v in ((10, 100), (20, 200), (30, 300), (40, 300), (50, 300), (60, 310)):
        curve.add(t, v)
    assert list(zip(curve.times, curve.volumes, strict=True)) == [(0, 0), (30, 300), (50, 300), (60, 310)]


def test_a_world_where_nothing_ran_has_nothing_in_any_window() -> None:
    world = World(setup())
    world.advance(DAY)
    assert world.truth.worst_window("baclofen", 24) == 0
    assert world.truth.worst_window("no such drug", 1) == 0


def test_a_window_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="positive length"):
        World(setup()).truth.worst_window("baclofen", 0)


def test_the_worst_window_of_a_bolus_on_a_basal_is_the_bolus_and_the_basal_around_it() -> None:
    bench = Bench()
    bench.run(1, (0, 10_000, 10 * H), (0, 0, H))
    bench.to(2 * H)
    bench.run(2, (1, 60_000, 20 * MIN), (0, 7_600, 7 * H + 36 * MIN))
    bench.to(10 * H)
    truth = bench.world.truth
    # 20 min at 180 uL/h and 40 min at 1 uL/h; the line waits for nothing, as 2 h is a whole pump step.
    assert truth.worst_window("baclofen", 1) == (60_000 * 3 + 2_000) * PG_PER_NL // 3 + 1
    assert truth.worst_window("baclofen", 24) == (2_000 + 60_000 + 7_600) * PG_PER_NL


def test_a_worst_window_is_rounded_up_and_a_total_down() -> None:
    bench = Bench(drugs={"a": 1}, path_drugs={"a": 1})
    bench.run(1, (0, 100, MIN))
    bench.to(MIN)
    assert bench.world.truth.tip_mass("a") == Fraction(1, 10_000)
    assert (bench.world.truth.tip_pg("a"), bench.world.truth.worst_window("a", 1)) == (0, 1)


def test_a_front_in_the_middle_of_a_step_is_a_corner_of_the_mass() -> None:
    bench = Bench(path_nl=1_000, path_drugs={"old": 3_000_000_000}, drugs={"new": 1_000_000_000})
    bench.run(1, (0, 3_000, 3 * H))
    bench.to(3 * H)
    truth = bench.world.truth
    assert (truth.tip_pg("old"), truth.tip_pg("new")) == (3_000_000, 2_000_000)
    assert (truth.left_pg("old"), truth.left_pg("new")) == (0, 3_000_000)
    assert (truth.worst_window("old", 1), truth.worst_window("new", 1)) == (3_000_000, 1_000_000)
    assert [point.t_ms for point in truth.points] == [0, H, 3 * H]
    assert [point.tip_pg["new"] for point in truth.points] == [0, 0, 2_000_000]


def test_the_worst_window_is_never_less_than_any_window_of_a_slow_search() -> None:
    bench = Bench(
        path_nl=2_345, path_drugs={"a": 7_000_000}, drugs={"a": 1_000_001, "b": 3}, gain_ppm=1_077_777
    )
    for n, steps in enumerate((((0, 3_300, 2 * H), (0, 0, H)), ((1, 7_000, 11 * MIN), (0, 500, 5 * H)))):
        bench.run(n + 1, *steps)
        bench.to(bench.world.now_ms + 97 * MIN)
        bench.world.refill(20_000_000, {"a": 500, "b": 99_999_999 * n})
    bench.to(13 * H)
    truth, path = bench.world.truth, bench.world.mechanism.path
    for drug in ("a", "b"):
        mass = [path.left_tip(drug, truth.delivered_pl_at(t)) for t in range(0, 13 * H + 1, MIN)]
        slow = max(later - now for now, later in zip(mass, mass[60:], strict=False))
        assert 0 <= truth.worst_window(drug, 1) * 10**18 - slow < slow // 50 + 10**18


gaps = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=8)


@example([(6, 4), (1, 8), (6, 1)], 12, 1)  # the best window is not the best one in whole motes
@given(gaps, st.integers(1, 20), st.sampled_from((1, 3, 7)))
def test_the_worst_window_of_any_curve_is_the_worst_of_all_windows(
    gaps: list[tuple[int, int]], span: int, parts: int
) -> None:
    times: list[int | Fraction] = [0]
    motes = [0]
    for wait, rise in gaps:
        times.append(times[-1] + Fraction(wait, parts))
        motes.append(motes[-1] + rise)

    def mass(t: Fraction) -> Fraction:
        """By walking along the curve."""
        done = Fraction(0)
        for (t0, t1), (m0, m1) in zip(pairwise(times), pairwise(motes), strict=True):
            done += (m1 - m0) * min(max(Fraction(t - t0) / (t1 - t0), Fraction(0)), Fraction(1))
        return done

    # Within the grid of all corners, shifted by the span or not, both ends move on straight lines.
    grid = sorted({Fraction(t + shift) for t in times for shift in (0, span, -span)})
    assert _MassCurve(times, motes).worst(span) == max(mass(t) - mass(t - span) for t in grid)


def test_a_past_volume_is_read_from_the_curve() -> None:
    bench = Bench()
    bench.run(1, (0, 10_000, H))
    bench.to(2 * H)
    truth = bench.world.truth
    assert [truth.delivered_pl_at(t) for t in (0, H // 2, H, 2 * H)] == [0, 5_000_000, 10_000_000, 10_000_000]
    for t in (-1, 2 * H + 1):
        with pytest.raises(ValueError, match="is not between 0 and now"):
            truth.delivered_pl_at(t)


def test_a_query_in_the_middle_of_a_step_shows_the_flow_up_to_now() -> None:
    bench = Bench()
    bench.run(1, (0, 10_000, H))
    bench.to(H // 4)
    truth = bench.world.truth
    assert (truth.delivered_nl(), truth.counted_nl(), truth.reservoir_nl()) == (2_500, 2_500, 39_997_500)
    assert truth.corners() == ((0, 0), (H // 4, 2_500_000))
    assert truth.worst_window("baclofen", 1) == 2_500 * PG_PER_NL


def test_seven_years_of_constant_running_keep_a_few_corners() -> None:
    bench = Bench(fill_nl=40_000_000)
    for day in range(7 * 365):
        if day % 90 == 0:
            bench.world.refill(40_000_000, {"baclofen": 1_000_000_000})
        bench.run(day + 1, (0, 240_000, DAY))
        bench.to((day + 1) * DAY)
    truth = bench.world.truth
    assert truth.delivered_nl() == 7 * 365 * 240_000
    assert len(bench.world.mechanism.curve.times) == 2
    assert truth.worst_window("baclofen", 24) == 240_000 * PG_PER_NL


def test_seven_years_of_a_day_schedule_cut_every_day_keep_less_than_a_megabyte() -> None:
    bench = Bench()
    steps = tuple((0, 10_000 + 700 * n, DAY // 13) for n in range(13))
    for day in range(365):
        if day % 60 == 0:
            bench.world.refill(40_000_000, {"baclofen": 1_000_000_000})
        bench.run(day + 1, *steps)
        bench.to(bench.world.now_ms + DAY - 61_234)
    curve = bench.world.mechanism.curve
    assert 7 * 16 * len(curve.times) < 1_000_000
