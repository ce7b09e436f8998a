"""Steps as phases: nothing above what was asked, nothing late, a program that fits, a tag that names one permit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.base import PumpSettings, Step, StepKind
from pump_ctrl.drivers.new_era_program import (
    PausePhase,
    Program,
    RatePhase,
    Tag,
    achievable,
    achievable_step,
    compile_program,
)
from tests.unit.new_era_kit import HOUR, MINUTE, SETTINGS

DAY = 24 * HOUR
STEPS_NL = st.sampled_from([100, 1_000, 50, 300])
VOLUMES = st.one_of(st.integers(0, 2_000), st.integers(0, 100_000), st.integers(0, 9_999_000))
DURATIONS = st.one_of(st.integers(1, 100_000), st.integers(1, DAY), st.sampled_from([20 * MINUTE, HOUR, DAY]))


def settings(step_nl: int = 100) -> PumpSettings:
    return replace(SETTINGS, step_nl=step_nl)


@given(VOLUMES, DURATIONS, STEPS_NL)
def test_what_can_be_told_is_never_more_and_little_less_and_telling_it_changes_nothing(
    volume: int, duration: int, step: int
) -> None:
    told, time = achievable_step(volume, duration, settings(step))
    assert (time, told % step) == (duration, 0)
    assert 0 <= told <= volume
    assert achievable_step(told, duration, settings(step)) == (told, duration)
    if told:
        codec.number_text(told)
    rate = Fraction(volume * HOUR, duration)
    if 1_000 <= rate <= 9_999_000 and volume >= step:
        most_lost = Fraction(volume, 1_000) + step + codec.grid(volume) + Fraction(duration, HOUR)
        assert volume - told <= most_lost


@pytest.mark.parametrize(
    ("volume", "duration", "told"),
    [
        (25_000, HOUR, 25_000),  # 25.00 uL/h
        (90_378, 6 * HOUR + 45 * MINUTE, 90_300),  # 13.38 uL/h gives 90.315
        (100_100, 4 * HOUR, 100_100),  # 25.025: 25.03 gives 100.12, the same step
        (400_200, DAY, 400_000),  # 16.67 uL/h gives 400.08, 16.68 would give 400.32
        (0, HOUR, 0),
        (99, HOUR, 0),  # less than a step
        (1, 24 * HOUR, 0),
        (9_999_000, HOUR, 9_999_000),
        (20_000_000, HOUR, 9_999_000),  # faster than 4 digits of uL/h, and more than 4 digits of uL
        (20_000_000, 2 * HOUR, 9_999_000),
        (1_234_567, 10 * HOUR, 1_234_000),
    ],
)
def test_volumes_that_the_pump_can_be_told(volume: int, duration: int, told: int) -> None:
    assert achievable_step(volume, duration, SETTINGS) == (told, duration)


def test_a_rate_beyond_the_pump_is_not_told() -> None:
    slow = replace(SETTINGS, max_nl_per_h=1_000_500)
    assert achievable_step(2_000_000, HOUR, slow) == (1_000_000, HOUR)


def basal(*steps: tuple[int, int]) -> tuple[Step, ...]:
    return tuple(Step(StepKind.BASAL, volume, duration) for volume, duration in steps)


CHAINS = st.lists(
    st.tuples(VOLUMES.filter(lambda v: v <= 700_000), st.integers(60_000, 3 * HOUR)), max_size=12
)


def volume_by(program: Program, at: Fraction) -> Fraction:
    """What the phases have given by then, ms from the start, exact nL."""
    given = Fraction(0)
    for phase in program.phases:
        if isinstance(phase, PausePhase):
            at -= phase.seconds * 1_000
            continue
        length = Fraction(phase.volume_nl * HOUR, phase.nl_per_h)
        given += phase.volume_nl * min(max(at, Fraction(0)), length) / length
        at -= length
    return given


def ends(program: Program) -> list[Fraction]:
    found, at = [], Fraction(0)
    for phase in program.phases:
        pause = isinstance(phase, PausePhase)
        at += phase.seconds * 1_000 if pause else Fraction(phase.volume_nl * HOUR, phase.nl_per_h)  # type: ignore[union-attr]
        found.append(at)
    return found


@given(CHAINS)
def test_a_program_ends_each_step_on_time_and_is_never_a_pump_step_ahead(
    chain: list[tuple[int, int]],
) -> None:
    steps = basal(*chain)
    program = compile_program(steps, SETTINGS)
    assume(program is not None)
    assert program is not None
    assert len(program.phases) <= 39
    told = [achievable_step(step.volume_nl, step.duration_ms, SETTINGS)[0] for step in steps]
    assert program.volume_nl == sum(told)
    finished, begun, due, asked = [Fraction(0), *ends(program)], Fraction(0), 0, 0
    for step, volume in zip(steps, told, strict=True):
        half = volume_by(program, begun + Fraction(step.duration_ms, 2))
        assert half - asked < Fraction(volume, 2) + 100
        due, asked = due + step.duration_ms, asked + volume
        begun = max(end for end in finished if end <= due)  # what comes next begins here
        assert due - begun < 1_000
        assert volume_by(program, begun) == asked  # no phase ends late
    for phase in program.phases:
        if isinstance(phase, RatePhase):
            codec.rate_command(phase.nl_per_h)
            codec.volume_command(phase.volume_nl)
        else:
            codec.pause_function(phase.seconds)


def test_the_day_of_the_bench_twin_in_phases() -> None:
    steps = basal((25_000, HOUR), (0, 20 * MINUTE), (90_378, 24_300_000))
    assert compile_program(steps, SETTINGS) == Program(
        (
            RatePhase(25_000, 25_000),
            *[PausePhase(99)] * 12,
            PausePhase(12),
            RatePhase(13_380, 90_300),
            PausePhase(4),
        ),
        115_300,
    )


@pytest.mark.parametrize("minutes", [64, 65])
def test_a_rest_is_made_of_pauses_and_a_longer_one_fits_no_program(minutes: int) -> None:
    program = compile_program(basal((0, minutes * MINUTE)), SETTINGS)
    assert (program is not None) is (minutes == 64)


def test_a_program_never_makes_the_counter_roll_over() -> None:
    assert compile_program(basal((9_000_000, HOUR), (999_000, HOUR)), SETTINGS) is not None
    assert compile_program(basal((9_000_000, HOUR), (1_000_000, HOUR)), SETTINGS) is None


def test_a_bolus_that_shrinks_to_nothing_is_no_program() -> None:
    steps = (Step(StepKind.BOLUS, 50, MINUTE), *basal((25_000, HOUR)))
    assert compile_program(steps, SETTINGS) is None
    assert achievable(steps, SETTINGS) == ()


def test_a_chain_is_cut_where_the_program_is_full() -> None:
    steps = basal((25_000, HOUR), (25_000, HOUR), (0, 65 * MINUTE), (25_000, HOUR))
    assert achievable(steps, SETTINGS) == steps[:2]
    assert achievable(basal(*[(25_000, HOUR)] * 41), SETTINGS) == basal(*[(25_000, HOUR)] * 39)
    assert achievable(basal((0, 65 * MINUTE)), SETTINGS) == ()


def test_what_a_bolus_loses_is_taken_off_its_basal_share_first() -> None:
    steps = (Step(StepKind.BOLUS, 90_378, 24_300_000, basal_nl=100), *basal((25_000, HOUR)))
    assert achievable(steps, SETTINGS)[0] == Step(StepKind.BOLUS, 90_300, 24_300_000, basal_nl=22)
    steps = (Step(StepKind.BOLUS, 90_378, 24_300_000, basal_nl=50),)
    assert achievable(steps, SETTINGS)[0].basal_nl == 0


@given(CHAINS)
def test_what_is_achievable_can_be_told_as_it_is(chain: list[tuple[int, int]]) -> None:
    steps = achievable(basal(*chain), SETTINGS)
    assert achievable(steps, SETTINGS) == steps
    if steps:
        program = compile_program(steps, SETTINGS)
        assert program is not None
        assert program.volume_nl == sum(step.volume_nl for step in steps)


# ---- the tag ----

IDS = st.integers(1, 2**64 - 1)


@given(IDS, st.booleans())
def test_a_tag_can_be_told_read_back_and_belongs_to_its_permit(permit_id: int, armed: bool) -> None:
    tag = Tag.of(permit_id, armed=armed)
    codec.rate_command(tag.phase.nl_per_h)
    codec.volume_command(tag.phase.volume_nl)
    assert tag.phase.volume_nl < 10_000  # would do little harm if it ever ran
    assert Tag.read(tag.phase) == tag
    assert tag.is_of(permit_id)
    assert not tag.is_before(permit_id)
    assert not tag.is_begun_for(permit_id)


@given(IDS, st.integers(1, 4_999))
def test_an_older_tag_is_seen_to_be_older_and_never_taken_for_another_permit(newer: int, by: int) -> None:
    assume((newer & 0xFFFFFFFF) > by)
    older = newer - by
    tag = Tag.of(older, armed=True)
    assert tag.is_before(newer)
    assert not tag.is_of(newer)
    assert not Tag.of(newer, armed=True).is_before(older)
    assert not Tag.of(newer, armed=True).is_of(older)


@given(IDS, st.integers(1, 4_999), st.booleans())
def test_half_a_tag_is_none_of_an_older_permit_and_shows_that_the_newer_one_was_not_armed(
    newer: int, by: int, was_armed: bool
) -> None:
    assume((newer & 0xFFFFFFFF) > by)
    old, new = Tag.of(newer - by, armed=was_armed), Tag.of(newer, armed=False)
    half = Tag.read(RatePhase(new.phase.nl_per_h, old.phase.volume_nl))
    assert half is not None
    assert half.is_begun_for(newer)
    assert not half.armed


@given(st.integers(0, 9_999_000), st.integers(0, 9_999_000))
def test_any_phase_is_read_as_a_tag_or_as_none(rate: int, volume: int) -> None:
    tag = Tag.read(RatePhase(rate, volume))
    if tag is None or tag.number < 0:
        assert tag is None or not (tag.is_of(5) or tag.is_before(5))
    else:
        assert tag.phase == RatePhase(rate, volume)
