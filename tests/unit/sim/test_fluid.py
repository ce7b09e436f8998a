"""Fluids, refills and the path."""

from fractions import Fraction

import pytest

from sim.fluid import MOTES_PER_PG, Fluid, FluidPath, Reservoir, blend

ONE_MG = 1_000_000_000  # 1 mg/mL in pg/mL
ML = 1_000_000_000  # 1 mL in pL


def test_a_residual_of_1_4_ml_of_10_mg_per_ml_under_18_6_ml_of_5_makes_5_35() -> None:
    reservoir = Reservoir(1_400_000_000, Fluid.of({"morphine": 10 * ONE_MG}))
    mixed = reservoir.fill(18_600_000_000, Fluid.of({"morphine": 5 * ONE_MG}))
    assert mixed.pg_per_ml("morphine") == 5_350_000_000


def test_three_rinses_of_2_ml_over_1_4_ml_leave_7_percent_of_the_old_drug() -> None:
    reservoir = Reservoir(1_400_000_000, Fluid.of({"old": 1_000_000}))
    for _ in range(3):
        fluid = reservoir.fill(2 * ML, Fluid())
    exact = Fraction(14, 34) ** 3 * 1_000_000
    assert abs(fluid.pg_per_ml("old") - exact) < Fraction(1, 10**9)
    assert round(exact) == 69_815


def test_a_blend_is_exact_to_the_nearest_billionth_of_a_picogram_per_millilitre() -> None:
    third = blend(1, Fluid.of({"a": 1}), 2, Fluid())
    assert third.pg_per_ml("a") == Fraction(333_333_333, 10**9)
    assert blend(2, Fluid.of({"a": 1}), 1, Fluid()).pg_per_ml("a") == Fraction(666_666_667, 10**9)


def test_a_blend_keeps_the_drugs_of_both_fluids() -> None:
    mixed = blend(1, Fluid.of({"a": 4}), 3, Fluid.of({"b": 4}))
    assert (mixed.pg_per_ml("a"), mixed.pg_per_ml("b"), mixed.pg_per_ml("c")) == (1, 3, 0)


def test_without_a_residual_the_fill_is_what_it_is() -> None:
    assert Reservoir(0, Fluid.of({"old": 9})).fill(1, Fluid.of({"new": 3})) == Fluid.of({"new": 3})


def test_concentrations_stay_small_integers_over_a_hundred_refills() -> None:
    reservoir = Reservoir(1_400_000_001, Fluid.of({"a": 7 * ONE_MG}))
    for n in range(100):
        fluid = reservoir.fill(18_600_000_007 + n, Fluid.of({"a": 5 * ONE_MG + n}))
    assert fluid.grains("a").bit_length() < 64


@pytest.mark.parametrize("bad", [-1, 1.0, True, "1"])
def test_a_concentration_that_is_no_whole_positive_number_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="baclofen must be an int of pg/mL"):
        Fluid.of({"baclofen": bad})  # type: ignore[dict-item]


def test_volumes_below_zero_and_empty_fills_are_refused() -> None:
    with pytest.raises(ValueError, match="residual must not be negative"):
        Reservoir(-1, Fluid())
    with pytest.raises(ValueError, match="fill volume must be positive"):
        Reservoir(0, Fluid()).fill(0, Fluid())
    with pytest.raises(ValueError, match="path volume must not be negative"):
        FluidPath(-1, Fluid(), Fluid())


def test_what_stands_in_the_path_leaves_the_tip_first() -> None:
    path = FluidPath(300, Fluid.of({"old": 2}), Fluid.of({"new": 5}))
    assert path.at_tip(0) == path.at_tip(299) == Fluid.of({"old": 2})
    assert path.at_tip(300) == Fluid.of({"new": 5})
    assert path.left_tip("old", 300) == 600 * 10**9
    assert path.left_tip("old", 10_000) == 600 * 10**9
    assert path.left_tip("new", 300) == 0
    assert path.left_tip("new", 301) == 5 * 10**9
    assert path.left_pump("new", 301) == 301 * 5 * 10**9
    assert path.left_pump("old", 301) == 0


def test_one_picogram_is_10_to_the_18_motes() -> None:
    path = FluidPath(0, Fluid(), Fluid.of({"a": 1_000}))  # 1000 pg/mL = 1 pg per uL = 1e6 pL
    assert path.left_tip("a", 1_000_000) == MOTES_PER_PG


def test_every_front_arrives_one_path_volume_after_its_refill() -> None:
    path = FluidPath(300, Fluid(), Fluid.of({"a": 1}))
    path.enter(1_000, Fluid.of({"a": 2}))
    path.enter(1_500, Fluid.of({"a": 2}))  # the same fluid makes no front
    path.enter(2_000, Fluid.of({"a": 1}))
    assert path.fronts() == (300, 1_300, 2_300)
    assert [path.at_tip(v).grains("a") for v in (299, 300, 1_299, 1_300, 2_299, 2_300)] == [
        0, 10**9, 10**9, 2 * 10**9, 2 * 10**9, 10**9,
    ]  # fmt: skip


def test_two_refills_without_flow_between_them_count_as_the_last_one() -> None:
    path = FluidPath(300, Fluid(), Fluid.of({"a": 1}))
    path.enter(500, Fluid.of({"b": 1}))
    path.enter(500, Fluid.of({"c": 1}))
    assert path.drugs() == ("a", "c")
    assert path.fluid_at(500) == Fluid.of({"c": 1})


def test_a_fluid_cannot_enter_before_one_that_entered_already() -> None:
    path = FluidPath(300, Fluid(), Fluid.of({"a": 1}))
    path.enter(500, Fluid())
    with pytest.raises(ValueError, match="cannot enter at 499 pL"):
        path.enter(499, Fluid.of({"a": 1}))


def test_the_segments_of_the_path_are_tip_first_and_fill_it() -> None:
    old, new, newer = Fluid.of({"a": 1}), Fluid.of({"a": 2}), Fluid.of({"a": 3})
    path = FluidPath(300, old, new)
    assert list(path.segments(0, 0)) == [(300, old)]
    assert list(path.segments(100, 100)) == [(200, old), (100, new)]
    path.enter(100, newer)
    assert list(path.segments(250, 250)) == [(50, old), (100, new), (150, newer)]
    assert list(path.segments(250, 275)) == [
        (50, old),
        (100, new),
        (175, newer),
    ]  # 25 pL held by an occlusion
    assert list(path.segments(900, 900)) == [(300, newer)]


def test_a_path_without_volume_gives_the_reservoir_at_once() -> None:
    path = FluidPath(0, Fluid.of({"old": 1}), Fluid.of({"new": 1}))
    assert path.at_tip(0) == Fluid.of({"new": 1})
    assert path.drugs() == ("new",)
