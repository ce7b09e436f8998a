"""Clock, motor and flow: counts and truth apart, each in closed form."""

import pytest

from sim.fluid import Fluid, FluidPath, Reservoir
from sim.mechanism import Mechanism
from sim.models import load_model
from sim.motor import NEVER, Motor, PumpClock

S, MIN, H = 1_000, 60_000, 3_600_000
UL = 1_000_000  # 1 uL in pL


def motor() -> Motor:
    return Motor(load_model("implant-40"))


def mechanism(gain_ppm: int = 1_000_000, fill_pl: int = 40_000 * UL) -> Mechanism:
    fluid = Fluid.of({"baclofen": 1_000_000_000})
    return Mechanism(motor(), Reservoir(0, fluid), FluidPath(300 * UL, fluid, fluid), fill_pl, gain_ppm)


def out(m: Mechanism, t_ms: int) -> int:
    return m.flow(t_ms).out_pl


# Counts: floor(v t / (d step)) pump steps, all of v at the end.


@pytest.mark.parametrize(
    ("steps", "duration"), [(1, 1_000), (3, 1_000), (7, 997), (13, 4_691), (333, 333), (0, 50)]
)
def test_the_motor_counts_the_floor_of_the_even_line_at_every_millisecond(steps: int, duration: int) -> None:
    m = Motor(load_model("implant-40"))
    m._max_num = 10**9  # these steps are faster than the bound, to have many within few ms
    m.begin(50, steps, duration)
    for t in range(duration + 1):
        assert m.steps(50 + t) == steps * t // duration


def test_the_first_time_of_each_pump_step_is_when_the_count_gets_there() -> None:
    m = motor()
    m.begin(11, 13, 46_910)
    for step in range(1, 14):
        at = m.when(step)
        assert (m.steps(at - 1), m.steps(at)) == (step - 1, step)


def test_a_motor_that_stands_makes_no_step_ever() -> None:
    m = motor()
    assert (m.steps(H), m.when(1), m.catches_up()) == (0, NEVER, NEVER)


def test_a_cut_step_loses_its_broken_pump_step_and_the_line_waits_for_the_counter() -> None:
    m = motor()
    m.begin(0, 10, 10_000)  # one pump step a second
    m.begin(2_600, 10, 20_000)  # one in two seconds
    assert (m.steps(2_600), m.even(2_600)) == (2, 260_000)
    assert m.catches_up() == 2_600 + 1_200
    assert m.even(3_800) == 260_000
    assert m.even(4_600) == 300_000
    assert m.steps(4_600) == 3


def test_many_cuts_never_bring_the_line_a_pump_step_ahead() -> None:
    m, at = motor(), 0
    for n in range(200):
        m.begin(at, 10, 10_000)
        at += 137 + 911 * (n % 7)
        assert m.steps(at) * 100_000 <= m.even(at) < (m.steps(at) + 1) * 100_000


# Stall, runaway


def test_a_blocked_motor_counts_nothing_and_says_when_its_next_step_was_due() -> None:
    m = motor()
    m.begin(0, 10, 10_000)
    m.block(2_600, silent=False)
    assert (m.steps(9_000), m.due_ms) == (2, 3_000)


def test_a_step_that_begins_on_a_blocked_motor_is_due_after_one_interval() -> None:
    m = motor()
    m.block(0, silent=False)
    m.begin(5_000, 3, 10_000)
    assert (m.due_ms, m.steps(H)) == (8_334, 0)
    m.begin(6_000, 0, 10_000)
    assert m.due_ms == NEVER


def test_a_freed_motor_goes_on_at_its_rate_and_does_not_catch_up() -> None:
    m = motor()
    m.begin(0, 10, 10_000)
    m.block(2_000, silent=True)
    m.free(7_000)
    assert (m.steps(7_000), m.steps(10_000)) == (2, 5)


def test_a_freed_motor_may_catch_up_by_the_end_of_its_step() -> None:
    m = motor()
    m.begin(0, 10, 10_000)
    m.block(2_000, silent=True)
    m.free(6_000, catch_up=True)
    assert (m.steps(6_000), m.steps(8_000), m.steps(10_000)) == (2, 6, 10)


def test_a_motor_that_made_too_much_has_nothing_to_catch_up_and_never_counts_back() -> None:
    m = motor()
    m.begin(0, 10, 100 * S)
    m.run_away(0, 10)
    m.block(50 * S, silent=True)
    m.free(60 * S, catch_up=True)
    assert (m.steps(60 * S), m.steps(100 * S)) == (50, 90)


def test_to_clear_a_stall_that_is_none_changes_nothing() -> None:
    m = motor()
    m.begin(0, 10, 10_000)
    m.free(2_500, catch_up=True)
    assert (m.steps(9_999), m.steps(10_000)) == (9, 10)


def test_a_motor_that_catches_up_keeps_within_the_pumps_own_bound() -> None:
    m = motor()
    m.begin(0, 10_000, H)
    m.block(0, silent=True)
    m.free(H // 2, catch_up=True)
    assert m.steps(H) == 5_000


def test_a_runaway_turns_ten_times_as_fast_and_is_counted() -> None:
    m = motor()
    m.begin(0, 10, 100 * S)
    m.run_away(0, 10)
    assert (m.steps(100 * S), m.runs_away) == (100, True)
    m.run_away(100 * S, 1)
    assert (m.steps(200 * S), m.runs_away) == (110, False)


def test_a_runaway_stays_within_the_pumps_own_bound_of_1_ml_in_an_hour() -> None:
    m = motor()
    m.begin(0, 5_000, H)
    m.run_away(0, 10)
    assert m.steps(H) == 10_000


# Clock


@pytest.mark.parametrize("ppm", [0, 1, 50_000, -50_000, 999_999, -999_999, 7_000_001])
def test_the_first_true_time_of_a_pump_time_is_when_the_clock_gets_there(ppm: int) -> None:
    clock = PumpClock()
    clock.drift(1_000, ppm)
    for own in (1_001, 1_002, 1_777, 90_000):
        at = clock.true(own)
        assert clock.own(at) >= own > clock.own(at - 1)


def test_a_change_of_drift_makes_no_jump() -> None:
    clock = PumpClock()
    clock.drift(1_000, 50_000)
    before = clock.own(50_003)
    clock.drift(50_003, -50_000)
    assert clock.own(50_003) == before


def test_a_clock_that_would_stand_still_is_refused() -> None:
    with pytest.raises(ValueError, match="would stand still"):
        PumpClock().drift(0, -1_000_000)


# Truth


@pytest.mark.parametrize(("gain", "pl"), [(1_000_000, 1_000_000), (1_145_000, 1_145_000), (855_001, 855_001)])
def test_true_displacement_is_gain_times_the_counted_volume(gain: int, pl: int) -> None:
    m = mechanism(gain)
    m.begin(0, 0, 10, 10_000)
    assert (m.steps(10_000), out(m, 10_000)) == (10, pl)


def test_the_gain_is_applied_to_the_sum_so_that_many_steps_do_not_drift() -> None:
    m = mechanism(1_000_001)
    for n in range(1_000):
        m.begin(n * 1_000, n * 1_000, 1, 1_000)
    m.halt(1_000_000, 1_000_000)
    assert out(m, 1_000_000) == 1_000 * 100_000 * 1_000_001 // 1_000_000


def test_a_change_of_gain_in_the_middle_of_a_step_makes_no_jump() -> None:
    m = mechanism()
    m.begin(0, 0, 10, 10_000)
    m.set_gain(2_500, 2_000_000)
    assert out(m, 2_500) == 250_000
    assert out(m, 3_500) == 450_000


def test_even_flow_makes_few_corners() -> None:
    m = mechanism()
    for n in range(500):
        m.begin(n * 10_000, n * 10_000, 10, 10_000)
    m.halt(5_000_000, 5_000_000)
    assert list(m.curve.times) == [0, 5_000_000]


def test_the_curve_has_its_corner_where_the_line_stops_waiting() -> None:
    m = mechanism()
    m.begin(0, 0, 10, 10_000)
    m.begin(2_600, 2_600, 10, 20_000)
    m.cut(22_600)
    assert list(zip(m.curve.times, m.curve.volumes, strict=True)) == [
        (0, 0), (2_600, 260_000), (3_800, 260_000), (22_600, 1_200_000),
    ]  # fmt: skip


def test_an_occlusion_holds_all_flow_and_lets_go_of_it_within_one_second() -> None:
    m = mechanism()
    m.begin(0, 0, 100, 100_000)
    m.occlude(10_000, 0)
    assert m.flow(40_000)[::2] == (1_000_000, 3_000_000)
    m.clear_occlusion(40_000)
    assert m.flow(40_500)[::2] == (1_000_000 + 1_500_000 + 50_000, 1_500_000)
    assert m.flow(41_000)[::2] == (4_100_000, 0)
    m.cut(50_000)
    assert list(m.curve.times) == [0, 10_000, 40_000, 41_000, 50_000]


def test_what_is_held_leaves_the_tip_in_its_turn() -> None:
    m = mechanism()
    m.begin(0, 0, 100, 100_000)
    m.occlude(0, 0)
    m.refill(50_000, 1_000 * UL, Fluid.of({"morphine": 1}))
    m.halt(100_000, 100_000)
    m.clear_occlusion(100_000)
    assert m.path.fronts() == (300 * UL + 5_000_000,)
    assert out(m, 101_000) == 10_000_000


def test_an_occlusion_that_comes_back_during_the_release_keeps_the_rest() -> None:
    m = mechanism()
    m.begin(0, 0, 100, 100_000)
    m.occlude(0, 0)
    m.halt(100_000, 100_000)
    m.clear_occlusion(100_000)
    m.occlude(100_250, 0)
    assert m.flow(H)[::2] == (2_500_000, 7_500_000)


def test_an_occlusion_with_a_limit_says_when_it_is_full() -> None:
    m = mechanism()
    m.begin(0, 0, 100, 100_000)
    m.occlude(20_000, 1_000_000)
    assert (m.when_full(29_999), m.when_full(100_000)) == (NEVER, 30_000)


def test_a_motor_pressed_by_an_occlusion_turns_again_when_that_clears_but_a_stalled_one_does_not() -> None:
    pressed, stalled = mechanism(), mechanism()
    for m in (pressed, stalled):
        m.begin(0, 0, 100, 100_000)
        m.occlude(0, 1_000_000)
    pressed.press(10_000)
    stalled.block(10_000, silent=False)
    for m in (pressed, stalled):
        m.clear_occlusion(20_000)
    assert (pressed.steps(30_000), stalled.steps(30_000)) == (20, 10)


def test_free_flow_runs_uncounted_until_the_reservoir_is_empty() -> None:
    m = mechanism(fill_pl=3 * UL)
    m.set_free_flow(H, 2 * UL)
    assert (out(m, 2 * H), m.steps(2 * H)) == (2 * UL, 0)
    assert m.flow(9 * H)[:2] == (3 * UL, 0)
    m.cut(9 * H)
    assert list(m.curve.times) == [0, H, H + H + H // 2, 9 * H]


def test_free_flow_does_not_pass_an_occlusion() -> None:
    m = mechanism()
    m.occlude(0, 0)
    m.set_free_flow(0, 20_000 * UL)
    assert m.flow(H) == (0, 40_000 * UL, 0)


def test_an_empty_reservoir_gives_nothing_though_the_motor_turns_and_counts() -> None:
    m = mechanism(gain_ppm=2_000_000, fill_pl=1 * UL)
    m.begin(0, 0, 10, 10_000)
    assert [m.flow(t).out_pl for t in (4_000, 5_000, 6_000)] == [800_000, UL, UL]
    assert m.steps(10_000) == 10
    m.halt(10_000, 10_000)
    assert list(m.curve.times) == [0, 5_000, 10_000]


def test_after_a_refill_nothing_is_made_up() -> None:
    m = mechanism(fill_pl=1 * UL)
    m.begin(0, 0, 100, 100_000)
    assert m.refill(50_000, 2 * UL, Fluid.of({"baclofen": 5})) == 0
    assert m.flow(50_000) == (UL, 2 * UL, 0)
    assert m.flow(60_000) == (2 * UL, UL, 0)


def test_a_spill_is_gone_and_not_in_the_path() -> None:
    m = mechanism()
    m.spill(1_000, 5 * UL)
    assert m.flow(1_000) == (0, 5 * UL, 0)
    m.spill(1_000, 9 * UL)
    assert m.flow(1_000).left_pl == 5 * UL


def test_without_flow_the_motor_is_counted_and_moves_nothing() -> None:
    m = mechanism()
    m.begin(0, 0, 10, 10_000)
    m.set_no_flow(3_000, on=True)
    m.set_gain(5_000, 3_000_000)  # kept for later
    assert (m.steps(7_000), out(m, 7_000)) == (7, 300_000)
    m.set_no_flow(7_000, on=False)
    assert (m.steps(10_000), out(m, 10_000)) == (10, 1_200_000)


def test_a_fast_pump_clock_makes_steps_faster() -> None:
    m = mechanism()
    m.drift(0, 50_000)
    m.begin(0, 0, 105, 105_000)
    assert (m.steps(100_000), out(m, 100_000)) == (105, 10_500_000)


def test_asking_changes_nothing() -> None:
    m = mechanism()
    m.begin(0, 0, 10, 10_000)
    m.begin(2_600, 2_600, 10, 20_000)
    before = (list(m.curve.times), m.flow(3_000))
    for t in (2_600, 9_000, 22_600):
        assert m.corners(t) is not None
        assert m.flow(t).out_pl >= 0
    assert (list(m.curve.times), m.flow(3_000)) == before


def test_a_second_stall_does_not_move_the_time_at_which_the_first_is_seen() -> None:
    m = motor()
    m.begin(0, 10, 10_000)
    m.block(2_600, silent=False)
    m.block(2_700, silent=False)
    assert m.due_ms == 3_000


def test_a_reservoir_that_a_cut_finds_just_used_up_has_its_corner_where_it_ran_dry() -> None:
    m = mechanism()
    m.spill(0, 50_000)
    m.begin(0, 0, 1, H)  # 1 pL in 36 ms: all is gone after half an hour, and the next pL is not yet due
    m.cut(30 * MIN + 10)
    assert list(m.curve.times) == [0, 30 * MIN, 30 * MIN + 10]
    assert list(m.curve.volumes) == [0, 50_000, 50_000]
