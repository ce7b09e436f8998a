"""The drive of a syringe pump: exact counts, exact ends, what its motor did and what truly flowed."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.firmware.syringe import GRAINS_PER_PL, INFUSE, WITHDRAW, Drive, End
from sim.fluid import Fluid, FluidPath, Reservoir
from sim.mechanism import Mechanism
from sim.models import load_model
from sim.motor import NEVER, Motor
from sim.plunger import PlungerMotor

STEP_PL = 34_768
ML_H = 10**12  # fL/h
S, MIN, H = 1_000, 60_000, 3_600_000


class Rig:
    """A drive and what happened to it. Times are true ms."""

    def __init__(
        self, *, fill_pl: int = 10**10, gain_ppm: int = 1_000_000, told_step_pl: int = STEP_PL
    ) -> None:
        motor = PlungerMotor(STEP_PL, 15 * 10**6)
        self.mechanism = Mechanism(
            motor, Reservoir(0, Fluid()), FluidPath(0, Fluid(), Fluid.of({"a": 1_000})), fill_pl, gain_ppm
        )
        self.ends: list[tuple[int, End]] = []
        self.drive = Drive(self.mechanism, told_step_pl, lambda t, end: self.ends.append((t, end)))
        self.now = 0

    def to(self, t_ms: int) -> None:
        while self.drive.next_ms <= t_ms:
            at_ms = self.drive.next_ms
            self.drive.elapse(at_ms)
            assert self.drive.next_ms > at_ms
        self.now = t_ms

    def out(self) -> int:
        return self.mechanism.flow(self.now).out_pl


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_run_counts_its_rate_times_its_time_to_the_pl(rig: Rig) -> None:
    rig.drive.start(0, 6 * ML_H, INFUSE)
    rig.to(1)
    assert rig.drive.infused_pl(1) == 1_666
    rig.to(90 * S)
    assert (rig.drive.infused_pl(90 * S), rig.drive.withdrawn_pl(90 * S), rig.out()) == (
        150_000_000,
        0,
        150_000_000,
    )


def test_a_run_ends_when_its_volume_is_counted_and_not_a_pl_later(rig: Rig) -> None:
    rig.drive.start(0, 500 * ML_H + 1, INFUSE, 500_000_000)
    assert rig.drive.alarm_ms == 3_600
    rig.to(H)
    assert rig.ends == [(3_600, End.TARGET)]
    assert (rig.drive.given_pl(H), rig.drive.rest_pl(H), rig.out()) == (500_000_000, 0, 500_000_000)


def test_a_run_is_never_ahead_of_its_volume_inside_its_last_ms(rig: Rig) -> None:
    rig.drive.start(0, 500 * ML_H, INFUSE, 138_889)
    assert rig.drive.alarm_ms == 2
    rig.to(1)
    assert rig.drive.infused_pl(1) == 138_888
    rig.to(2)
    assert rig.drive.infused_pl(2) == 138_889


def test_the_record_of_a_run_keeps_its_slope_up_to_its_last_ms(rig: Rig) -> None:
    rig.drive.start(0, 500 * ML_H, INFUSE, 138_889_000)  # 999.999 ms and a bit
    rig.to(H)
    curve = rig.mechanism.curve
    assert list(zip(curve.times, curve.volumes, strict=True)) == [
        (0, 0),
        (1_000, 138_888_888),
        (1_001, 138_889_000),
    ]


def test_a_stopped_run_goes_on_with_its_rest_and_loses_nothing(rig: Rig) -> None:
    rig.drive.start(0, 7 * ML_H, INFUSE, 1_000_000)
    for t_ms in (1, 3, 101, 103, 211):
        rig.to(t_ms)
        if rig.drive.running:
            rig.drive.stop(t_ms)
        else:
            rig.drive.resume(t_ms, 7 * ML_H)
    rig.to(H)
    assert rig.drive.infused_pl(H) == 1_000_000 - rig.drive.rest_pl(H)  # type: ignore[operator]
    rig.drive.resume(H, ML_H)
    rig.to(2 * H)
    assert (rig.drive.infused_pl(2 * H), rig.out(), rig.ends[-1][1]) == (1_000_000, 1_000_000, End.TARGET)


def test_a_rate_that_changes_all_the_time_loses_no_part_of_a_step(rig: Rig) -> None:
    rig.drive.start(0, ML_H, INFUSE)
    for n in range(1, 1_001):
        rig.to(n)
        rig.drive.set_rate(n, ML_H + n % 2)
    assert rig.drive.infused_pl(1_000) == 277_777


@pytest.mark.parametrize("direction", [INFUSE, WITHDRAW])
def test_the_line_of_a_count_is_the_count_at_every_time_until_something_changes(
    rig: Rig, direction: int
) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 4_000_000)  # 10 uL/s
    rig.to(S)
    rig.drive.start(S, 36 * ML_H, direction, 2_000_000)
    line, before = rig.drive.count(), 4_000_000 if direction == INFUSE else 0
    assert [line.at(t_ms) // GRAINS_PER_PL - before for t_ms in (S, S + 1, S + 199, S + 200, S + 201, H)] == [
        0, 10_000, 1_990_000, 2_000_000, 2_000_000, 2_000_000,
    ]  # fmt: skip
    rig.to(S + 100)
    assert line == rig.drive.count()
    rig.drive.stop(S + 100, motor_goes_on=True)  # deaf: it goes on to its end, and nothing tells of that
    rig.to(H)
    assert line == rig.drive.count()


def test_infused_and_withdrawn_volumes_are_counted_apart_and_cleared_apart(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 5_000_000)
    rig.to(S)
    rig.drive.start(S, 36 * ML_H, WITHDRAW, 2_000_000)
    rig.to(2 * S)
    assert (rig.drive.infused_pl(2 * S), rig.drive.withdrawn_pl(2 * S)) == (5_000_000, 2_000_000)
    rig.drive.clear(2 * S, withdrawn=False)
    assert (rig.drive.infused_pl(2 * S), rig.drive.withdrawn_pl(2 * S)) == (0, 2_000_000)


def test_clearing_the_counts_does_not_move_the_end_of_a_run(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(500)
    rig.drive.clear(500)
    rig.to(2 * S)
    assert rig.ends == [(1_000, End.TARGET)]
    assert (rig.drive.infused_pl(2 * S), rig.out()) == (5_000_000, 10_000_000)


def test_start_to_goes_on_until_the_count_of_its_direction_is_reached(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 3_000_000)
    rig.to(S)
    rig.drive.start_to(S, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(2 * S)
    assert (rig.drive.infused_pl(2 * S), rig.out()) == (10_000_000, 10_000_000)


def test_what_was_drawn_back_comes_out_only_after_it_has_come_back(rig: Rig) -> None:
    for at_ms, direction, volume_pl in (
        (0, INFUSE, 4),
        (S, WITHDRAW, 3),
        (2 * S, INFUSE, 2),
        (3 * S, INFUSE, 3),
    ):
        rig.to(at_ms)
        rig.drive.start(at_ms, 36 * ML_H, direction, volume_pl * 10**6)
        rig.to(at_ms + 999)
    assert (rig.drive.infused_pl(rig.now), rig.out()) == (9 * 10**6, 6 * 10**6)
    assert all(a <= b for a, b in pairwise(rig.mechanism.curve.volumes))


def test_a_stall_is_seen_when_the_next_step_is_due_and_what_was_done_stays(rig: Rig) -> None:
    rig.drive.start(0, 34_768 * 10**6, INFUSE)  # one step in 3.6 s
    rig.to(5 * S)
    rig.mechanism.block(5 * S, silent=False)
    rig.drive.elapse(5 * S)
    rig.to(MIN)
    assert rig.ends == [(7_200, End.STALL)]
    assert rig.drive.infused_pl(MIN) == rig.out() == 34_768 * 5_000 // 3_600


def test_a_silent_stall_is_never_seen_and_the_run_goes_on_when_it_clears(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(400)
    rig.mechanism.block(400, silent=True)
    rig.drive.elapse(400)
    assert rig.drive.next_ms == NEVER
    rig.to(5 * S)
    rig.mechanism.free(5 * S)
    rig.drive.elapse(5 * S)
    rig.to(10 * S)
    assert rig.ends == [(5_600, End.TARGET)]


def test_a_motor_that_catches_up_is_at_its_aim_when_it_should_have_been(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(200)
    rig.mechanism.block(200, silent=True)
    rig.to(700)
    rig.mechanism.free(700, catch_up=True)
    rig.drive.elapse(700)
    rig.to(5 * S)
    assert rig.ends == [(1_000, End.TARGET)]


def test_a_plunger_at_the_bottom_stalls_and_can_go_back(rig: Rig) -> None:
    rig = Rig(fill_pl=2_000_000)
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(10 * S)
    assert [end for _, end in rig.ends] == [End.STALL]
    assert rig.out() == rig.drive.infused_pl(10 * S) == 2_000_000
    rig.drive.start(10 * S, 36 * ML_H, WITHDRAW, 500_000)
    rig.to(11 * S)
    rig.drive.start(11 * S, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(20 * S)
    assert [end for _, end in rig.ends] == [End.STALL, End.TARGET, End.STALL]
    assert rig.out() == 2_000_000
    assert rig.drive.infused_pl(20 * S) == 2_500_000


def test_a_new_syringe_gives_the_plunger_its_way_again_and_keeps_the_counts() -> None:
    rig = Rig(fill_pl=2_000_000)
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(10 * S)
    rig.mechanism.refill(10 * S, 10**10, Fluid.of({"a": 1_000}))
    rig.drive.filled(10 * S)
    rig.drive.resume(10 * S, 36 * ML_H)
    rig.to(20 * S)
    assert (rig.drive.infused_pl(20 * S), rig.out()) == (10_000_000, 10_000_000)


def test_a_new_syringe_has_no_slack_of_what_was_drawn_back_before(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, WITHDRAW, 3_000_000)
    rig.to(S)
    rig.mechanism.refill(S, 10**10, Fluid.of({"a": 1_000}))
    rig.drive.filled(S)
    rig.drive.start(S, 36 * ML_H, INFUSE, 5_000_000)
    rig.to(5 * S)
    assert (rig.drive.infused_pl(5 * S), rig.drive.withdrawn_pl(5 * S), rig.out()) == (
        5_000_000,
        3_000_000,
        5_000_000,
    )


def test_a_plunger_that_was_drawn_back_is_at_the_bottom_only_when_it_is_back_there() -> None:
    rig = Rig(fill_pl=2_000_000)
    for volume_pl, direction in (
        (2_000_000, INFUSE),
        (1_000_000, WITHDRAW),
        (900_000, INFUSE),
        (900_000, INFUSE),
    ):
        rig.drive.start(rig.now, 36 * ML_H, direction, volume_pl)
        rig.to(rig.now + S)
    assert [end.name for _, end in rig.ends] == ["TARGET", "TARGET", "TARGET", "STALL"]
    assert (rig.drive.infused_pl(rig.now), rig.out()) == (3_000_000, 2_000_000)


def test_a_closed_line_stalls_the_motor_at_its_limit(rig: Rig) -> None:
    rig.mechanism.occlude(0, 3_000_000)
    rig.drive.start(0, 36 * ML_H, INFUSE)
    rig.to(10 * S)
    assert [end for _, end in rig.ends] == [End.STALL]
    assert rig.mechanism.flow(10 * S) == (0, 10**10 - 3_000_000, 3_000_000)


def test_a_gain_moves_the_truth_and_not_the_count() -> None:
    rig = Rig(gain_ppm=1_500_000)
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(2 * S)
    assert (rig.drive.infused_pl(2 * S), rig.out()) == (10_000_000, 15_000_000)


def test_a_pump_that_believes_in_another_syringe_gives_another_volume() -> None:
    rig = Rig(told_step_pl=STEP_PL // 4)
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(2 * S)
    assert (rig.drive.infused_pl(2 * S), rig.out()) == (10_000_000, 40_000_000)


def test_a_deaf_motor_goes_on_to_the_end_of_its_run_and_is_counted(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(100)
    rig.drive.stop(100, motor_goes_on=True)
    rig.to(10 * S)
    assert (rig.ends, rig.drive.infused_pl(10 * S), rig.out()) == ([], 10_000_000, 10_000_000)


def test_a_motor_that_runs_away_is_counted_and_ends_at_its_volume(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.mechanism.run_away(0, 10)
    rig.drive.elapse(0)
    rig.to(10 * S)
    assert rig.ends == [(100, End.TARGET)]


def test_another_syringe_and_a_power_up_begin_the_counts_again(rig: Rig) -> None:
    rig.drive.start(0, 36 * ML_H, INFUSE, 10_000_000)
    rig.to(100)
    rig.drive.restart(100)
    assert (rig.drive.running, rig.drive.infused_pl(100), rig.out()) == (False, 0, 1_000_000)
    rig.drive.start(100, 36 * ML_H, INFUSE, 1_000_000)
    rig.to(500)
    rig.drive.set_step(500, 2 * STEP_PL)
    assert (rig.drive.infused_pl(500), rig.out()) == (0, 2_000_000)


def test_the_pumps_drifting_clock_moves_its_run() -> None:
    rig = Rig()
    rig.mechanism.drift(0, 100_000)
    rig.drive.start(0, 36 * ML_H, INFUSE, 11_000_000)
    rig.to(2 * S)
    assert rig.ends == [(1_000, End.TARGET)]


def test_a_drive_needs_a_plunger() -> None:
    motor = Motor(load_model("implant-20"))
    other = Mechanism(motor, Reservoir(0, Fluid()), FluidPath(0, Fluid(), Fluid()), 1, 1_000_000)
    with pytest.raises(TypeError, match="needs a PlungerMotor, not a Motor"):
        Drive(other, 1, lambda _t, _end: None)


NAMES = "run back to stop resume rate clear stall silent free gain away"
ACTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES.split()),
        st.integers(0, 2_000),
        st.sampled_from([1, 999, 6 * ML_H, 500 * ML_H]),
        st.sampled_from([1, 34_767, 1_000_000, 50_000_000]),
    ),
    max_size=12,
)  # fmt: skip


def play(acts: list[tuple[str, int, int, int]], pieces: list[int]) -> tuple[object, list[int]]:
    rig = Rig(fill_pl=120_000_000)
    drive, mechanism = rig.drive, rig.mechanism
    for act, wait, rate, volume in [*acts, ("free", 5_000, 1, 1)]:
        goal = rig.now + wait
        for piece in pieces:
            rig.to(min(goal, rig.now + piece))
            drive.elapse(rig.now)
        rig.to(goal)
        t = rig.now
        does: dict[str, Callable[[], None]] = {
            "run": partial(drive.start, t, rate, INFUSE, volume),
            "back": partial(drive.start, t, rate, WITHDRAW, volume),
            "to": partial(drive.start_to, t, rate, INFUSE, volume),
            "stop": partial(drive.stop, t),
            "resume": partial(drive.resume, t, rate),
            "rate": partial(drive.set_rate, t, rate),
            "clear": partial(drive.clear, t),
            "stall": partial(mechanism.block, t, silent=False),
            "silent": partial(mechanism.block, t, silent=True),
            "free": partial(mechanism.free, t),
            "gain": partial(mechanism.set_gain, t, 1_500_000),
            "away": partial(mechanism.run_away, t, 3),
        }
        does[act]()
        drive.elapse(t)
        rest = drive.rest_pl(t)
        assert rest is None or rest >= 0
    curve = mechanism.curve
    counts = drive.infused_pl(rig.now), drive.withdrawn_pl(rig.now)
    seen = rig.now, rig.ends, counts, mechanism.flow(rig.now), curve.times.tolist()
    return seen, curve.volumes.tolist()


@given(ACTS, st.lists(st.integers(0, 700), max_size=6))
def test_time_in_pieces_gives_the_same_counts_ends_and_truth(
    acts: list[tuple[str, int, int, int]], pieces: list[int]
) -> None:
    whole = play(acts, [])
    assert play(acts, pieces) == whole
    assert all(a <= b for a, b in pairwise(whole[1]))
