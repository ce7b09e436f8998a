"""The balance beside a simulated pump: it weighs what truly left, as a balance shows it, and people lean on it."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from sim.balance import Balance
from sim.fault_registry import Fault
from tests.unit.sim.beside_kit import DAY, MIN, NL_PER_MS, H, S, happen, infusing, resting


def shown(balance: Balance, at_ms: int) -> int:
    """Net weight at a time, ug."""
    balance.world.advance(at_ms)
    return balance.reading().net_ug


def steady(balance: Balance, at_ms: int) -> bool:
    balance.world.advance(at_ms)
    return balance.reading().steady


# What it weighs


@pytest.mark.parametrize(
    ("fault", "shows_ug"),
    [
        (None, 1_000_000),
        ("over-infusion@0:gain_ppm=1500000", 1_500_000),
        ("counter-stuck@0", 0),
        ("counter-reset@9min", 1_000_000),
        ("occlusion@5min", 500_000),
        ("stall@5min:silent=1", 500_000),
        ("free-flow@5min:nl_per_h=60000000", 6_000_000),
        ("power-loss@5min", 500_000),
    ],
)
def test_it_shows_what_truly_left_whatever_the_pump_counts(fault: str | None, shows_ug: int) -> None:
    balance = Balance(infusing(*filter(None, [fault])), air_ppm=0)
    assert shown(balance, 10 * MIN) == pytest.approx(shows_ug, abs=100)


@pytest.mark.parametrize(
    ("t_ms", "shows_ug"), [(0, 0), (49, 0), (50, 100), (149, 100), (150, 200), (1_049, 1_000)]
)
def test_a_display_of_a_tenth_of_a_milligram_rounds_to_it(t_ms: int, shows_ug: int) -> None:
    assert shown(Balance(resting(NL_PER_MS), air_ppm=0), t_ms) == shows_ug


@pytest.mark.parametrize(("t_ms", "shows_ug"), [(4, 0), (5, 10), (14, 10), (15, 20), (999, 1_000)])
def test_one_of_a_hundredth_rounds_to_that(t_ms: int, shows_ug: int) -> None:
    assert shown(Balance(resting(NL_PER_MS), air_ppm=0, resolution_ug=10), t_ms) == shows_ug


def test_a_negative_weight_is_rounded_as_a_positive_one_is() -> None:
    balance = Balance(resting(NL_PER_MS), air_ppm=0)
    balance.set_tare(20_001_000)
    assert [shown(balance, t) for t in (50, 51, 150, 950, 951, 1_050)] == [-1_000, -900, -900, -100, 0, 100]


@pytest.mark.parametrize(
    ("density_ppm", "air_ppm"), [(1_000_000, 1_200), (1_060_000, 1_200), (1_000_000, 0), (790_000, 1_100)]
)
def test_a_millilitre_weighs_its_density_less_what_air_carries_of_it_more_than_of_the_weights(
    density_ppm: int, air_ppm: int
) -> None:
    balance = Balance(resting(NL_PER_MS), density_ppm=density_ppm, air_ppm=air_ppm, resolution_ug=1)
    density, air = Fraction(density_ppm, 10**6), Fraction(air_ppm, 10**6)
    expected = density * (1 - air / density) / (1 - air / 8)
    assert shown(balance, 1_000_000) == round(expected * 10**6)


def test_water_in_air_looks_a_thousandth_too_light() -> None:
    assert shown(Balance(resting(NL_PER_MS), resolution_ug=10), 1_000_000) == 998_950


def test_a_vessel_dries_by_what_the_evaporation_is_and_from_the_tare_on() -> None:
    balance = Balance(resting(), air_ppm=0, evaporation_nl_per_h=500)
    assert shown(balance, 12 * H) == -6_000
    balance.tare()
    assert shown(balance, 12 * H) == 0
    assert shown(balance, 36 * H) == -12_000


def test_a_slow_basal_rate_can_hide_behind_evaporation() -> None:
    balance = Balance(
        infusing(rate=b"1.000UH", syringe="bd-1", fill_nl=1_000_000), air_ppm=0, evaporation_nl_per_h=1_000
    )
    assert abs(shown(balance, 10 * DAY)) <= 100
    assert balance.world.truth.delivered_nl() == 240_000


# Noise


def test_noise_is_within_its_bounds_and_about_nothing() -> None:
    balance = Balance(resting(), noise_ug=300, resolution_ug=1)
    seen = [shown(balance, t) for t in range(2_000)]
    assert -300 <= min(seen) < -280
    assert 280 < max(seen) <= 300
    assert abs(sum(seen)) < 2_000 * 20


def test_noise_depends_on_seed_and_time_alone() -> None:
    def seen(seed: int, looks: range) -> dict[int, int]:
        balance = Balance(resting(), noise_ug=5_000, seed=seed)
        return {t: shown(balance, t) for t in looks}

    often, seldom = seen(1, range(0, 1_000)), seen(1, range(0, 1_000, 97))
    assert {t: often[t] for t in seldom} == seldom
    assert seen(2, range(0, 1_000, 97)) != seldom
    assert len(set(often.values())) > 50


def test_to_read_changes_nothing() -> None:
    looked_at, left_alone = (Balance(infusing(), noise_ug=500, evaporation_nl_per_h=700) for _ in range(2))
    for t in range(0, 10 * MIN, 777):
        looked_at.world.advance(t)
        looked_at.reading()
        assert (looked_at.tare_ug, looked_at.beyond_zero()) == (20_000_000, "+")
    for balance in (looked_at, left_alone):
        balance.world.advance(10 * MIN)
    assert looked_at.reading() == left_alone.reading()


# Steady or not


def test_a_resting_vessel_is_steady_and_a_fast_flow_is_not() -> None:
    balance = Balance(infusing())
    assert not steady(balance, 0)
    balance.world.firmware.handle(b"0STP\r", 0)
    assert steady(balance, 0)


@pytest.mark.parametrize(("nl_per_h", "is_steady"), [(4_167, True), (1_080_000, True), (1_083_600, False)])
def test_three_steps_of_the_display_in_a_second_are_steady_and_more_are_not(
    nl_per_h: int, is_steady: bool
) -> None:
    balance = Balance(resting(f"free-flow@0:nl_per_h={nl_per_h}"), air_ppm=0)
    assert steady(balance, H) is is_steady


def test_it_is_unsteady_while_it_is_touched_and_until_it_has_settled() -> None:
    balance = Balance(resting(), settle_ms=2_500)
    happen(balance, "balance-touched@1min:for=4s")
    times = (MIN - 1, MIN, MIN + 4 * S - 1, MIN + 4 * S, MIN + 6_499, MIN + 6_500)
    assert [steady(balance, t) for t in times] == [True, False, False, False, False, True]


# Tare, zero and range


def test_it_begins_tared_with_the_vessel_on_it() -> None:
    reading = Balance(resting(), vessel_ug=31_234_567).reading()
    assert (reading.net_ug, reading.gross_ug, reading.steady, reading.beyond) == (0, 31_234_600, True, "")


def test_a_tare_makes_it_show_zero_and_is_told_rounded() -> None:
    balance = Balance(resting(NL_PER_MS), air_ppm=0)
    balance.world.advance(1_234)
    balance.tare()
    assert (balance.reading().net_ug, balance.tare_ug) == (0, 20_001_200)
    assert shown(balance, 1_283) == 0
    assert shown(balance, 1_284) == 100


def test_a_tare_that_is_told_is_rounded_and_subtracted_and_can_be_cleared() -> None:
    balance = Balance(resting())
    balance.set_tare(12_345_678)
    assert (balance.tare_ug, balance.reading().net_ug) == (12_345_700, 7_654_300)
    balance.set_tare(0)
    assert (balance.tare_ug, balance.reading().net_ug) == (0, 20_000_000)


@pytest.mark.parametrize(
    ("vessel_ug", "beyond"), [(20_000_000, "+"), (4_400_100, "+"), (4_400_000, ""), (0, "")]
)
def test_zero_is_allowed_within_two_hundredths_of_the_capacity(vessel_ug: int, beyond: str) -> None:
    assert Balance(resting(), vessel_ug=vessel_ug).beyond_zero() == beyond


def test_zero_clears_the_tare_and_moves_the_gross_weight() -> None:
    balance = Balance(resting(), vessel_ug=3_000_000)
    balance.zero()
    reading = balance.reading()
    assert (reading.net_ug, reading.gross_ug, balance.tare_ug) == (0, 0, 0)
    happen(balance, "balance-touched@0:how=lift,for=1s")
    assert balance.reading().gross_ug == -3_000_000


@pytest.mark.parametrize(
    ("by_ug", "beyond"),
    [(200_000_000, ""), (200_000_100, "+"), (-24_400_000, ""), (-24_400_100, "-")],
)
def test_too_much_and_too_little_on_it_are_told(by_ug: int, beyond: str) -> None:
    balance = Balance(resting())
    happen(balance, f"balance-touched@0:by_ug={by_ug}")
    assert balance.reading().beyond == beyond


# Faults


def test_leaning_on_it_adds_a_force_that_is_gone_afterwards() -> None:
    balance = Balance(resting())
    happen(balance, "balance-touched@10s:for=5s,by_ug=1234500")
    assert [shown(balance, t * S) for t in (9, 10, 14, 15)] == [0, 1_234_500, 1_234_500, 0]


def test_a_vessel_that_is_away_leaves_nothing_and_comes_back_with_what_dripped_in_less_what_was_lost() -> (
    None
):
    balance = Balance(resting(NL_PER_MS), air_ppm=0)
    happen(balance, "balance-touched@10s:how=lift,for=5s,left_ug=-25000")
    assert [shown(balance, t * S) for t in (9, 10, 14, 15)] == [9_000, -20_000_000, -20_000_000, -10_000]


def test_a_stuck_load_cell_shows_the_same_and_steadily_until_it_is_free() -> None:
    balance = Balance(resting(NL_PER_MS), air_ppm=0, noise_ug=500)
    happen(balance, "balance-stuck@10s:for=1min", "balance-touched@20s:for=1s")
    before = shown(balance, 10 * S)
    assert {shown(balance, t) for t in range(10 * S, 70 * S, 999)} == {before}
    assert balance.reading().steady
    balance.tare()
    assert shown(balance, 70 * S - 1) == 0
    assert shown(balance, 70 * S) == pytest.approx(60_000, abs=1_100)


def test_somebody_who_makes_the_display_zero_takes_the_infused_weight_out_of_sight() -> None:
    balance = Balance(resting(NL_PER_MS), air_ppm=0)
    happen(balance, "balance-zeroed@10s")
    assert [shown(balance, t) for t in (9_999, 10_000, 11_000)] == [10_000, 0, 1_000]


def test_a_drift_creeps_and_what_has_crept_stays() -> None:
    balance = Balance(resting())
    happen(balance, "balance-drift@1h:ug_per_h=-700,for=2h", "balance-drift@2h:ug_per_h=1000,for=1h")
    assert [shown(balance, t * H) for t in (1, 2, 3, 9)] == [0, -700, -400, -400]


def test_it_is_silent_for_the_time_of_the_fault() -> None:
    balance = Balance(resting())
    happen(balance, "balance-silent@10s:for=5s")
    seen = []
    for t in (9_999, 10_000, 14_999, 15_000):
        balance.world.advance(t)
        seen.append(balance.silent)
    assert seen == [False, True, True, False]


def test_a_fault_that_is_told_late_happens_now() -> None:
    balance = Balance(resting())
    balance.world.advance(MIN)
    happen(balance, "balance-drift@10s:ug_per_h=3600000")
    assert shown(balance, MIN + S) == 1_000


@pytest.mark.parametrize(
    "numbers",
    [
        {"resolution_ug": 0},
        {"resolution_ug": 0.1},
        {"density_ppm": 0},
        {"density_ppm": True},
        {"evaporation_nl_per_h": -1},
        {"noise_ug": -1},
        {"air_ppm": -1},
        {"air_ppm": 100_000},
        {"settle_ms": -1},
        {"capacity_ug": 0},
        {"vessel_ug": 220_000_001},
    ],
)
def test_numbers_that_no_balance_has_are_refused_by_name(numbers: dict[str, Any]) -> None:
    (name,) = numbers
    with pytest.raises(ValueError, match=f"{name} must be an int from"):
        Balance(resting(), **numbers)


# Beside other faults of the world


def test_what_the_balance_waits_for_is_an_event_of_the_world_and_the_pump_comes_first() -> None:
    world = resting("stall@10s")
    seen: list[tuple[int, bool]] = []
    world.call_at(10 * S, lambda: seen.append((world.now_ms, world.mechanism.motor.blocked)))
    assert world.next_event_ms() == 10 * S
    world.advance(MIN)
    assert seen == [(10 * S, True)]


def test_two_balances_see_one_flow_and_their_own_vessels() -> None:
    world = resting(NL_PER_MS)
    first, second = (
        Balance(world, air_ppm=0),
        Balance(world, air_ppm=0, faults=[Fault.parse("balance-stuck@5s")]),
    )
    assert [(shown(first, t), shown(second, t)) for t in (4_000, 6_000)] == [(4_000, 4_000), (6_000, 5_000)]


def test_a_steady_rate_is_seen_as_a_steady_rise() -> None:
    balance = Balance(infusing(rate=b"300.0UH"), air_ppm=0)
    seen = [shown(balance, t) for t in range(0, 2 * H, 5 * MIN)]
    assert {b - a for a, b in pairwise(seen)} <= {24_900, 25_000, 25_100}
