"""The edges of a New Era program: the last rate, the last phase, the last ms, and what the controller is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.drivers.new_era_program import (
    FIRST,
    TAG_PHASE,
    PausePhase,
    Program,
    RatePhase,
    Tag,
    achievable,
    achievable_step,
    compile_program,
    exchanges,
    fastest_nl_per_h,
    grid_of,
)
from tests.unit.new_era_kit import HOUR, MINUTE, SETTINGS
from tests.unit.test_new_era_program import basal

SLOW = replace(SETTINGS, max_nl_per_h=1_000_500)  # the fastest that 4 digits tell of it is 1000 uL/h
RUN = RatePhase(25_000, 25_000)


# ---- steps ----


@pytest.mark.parametrize(
    ("most", "told"), [(500_500_000, 9_999_000), (1_000_500, 1_000_000), (99_999, 99_990)]
)
def test_the_fastest_rate_is_the_pumps_in_four_digits(most: int, told: int) -> None:
    assert fastest_nl_per_h(replace(SETTINGS, max_nl_per_h=most)) == told


@pytest.mark.parametrize(
    ("volume", "duration", "told"),
    [
        (1_000_000, HOUR, 1_000_000),
        (1_000_100, HOUR, 1_000_000),
        (999_900, HOUR, 999_900),
        (2_000_000, 2 * HOUR, 2_000_000),
        (2_001_000, 2 * HOUR, 2_000_000),
        (100, HOUR, 100),  # one pump step
        (200, HOUR, 200),
        (100_000, 360_018, 100_000),  # 999.951 uL/h, rounded up to the fastest
        (100, 100 * HOUR, 100),  # 0.001 uL/h, the slowest that can be told
        (100, 101 * HOUR, 100),  # 0.001 gives it in 100 h: early, and by less than a pump step
        (100, 1, 0),  # it would take 360 mL/h; the fastest gives 0.277 nL
        (-100, HOUR, 0),
        (100, 0, 0),
        (100, -1, 0),
    ],
)
def test_a_step_is_told_up_to_the_fastest_rate_and_down_to_one_pump_step(
    volume: int, duration: int, told: int
) -> None:
    assert achievable_step(volume, duration, SLOW) == (told, duration)


@pytest.mark.parametrize(
    ("volume", "step", "told"),
    [
        (1_000_100, 300, 999_900),  # 1000.1 has five digits, 1000.0 is no whole number of 300 nL
        (999_900, 300, 999_900),
        (10_001, 1, 10_000),
        (10_049, 50, 10_000),
        (1_000_050, 50, 1_000_000),
        (149, 50, 100),
        (1, 1, 1),
    ],
)
def test_a_volume_is_told_in_whole_pump_steps_and_four_digits_at_once(
    volume: int, step: int, told: int
) -> None:
    assert achievable_step(volume, HOUR, replace(SETTINGS, step_nl=step)) == (told, HOUR)


def test_the_shortest_step_is_told() -> None:
    assert achievable_step(2, 1, replace(SETTINGS, step_nl=1)) == (2, 1)  # 7200 uL/h


# ---- programs ----


@pytest.mark.parametrize(
    ("steps", "phases"),
    [
        ((), ()),
        (((0, 999),), ()),  # less than a second is no pause, and nothing at all is no program
        (((0, 1_000),), (PausePhase(1),)),
        (((0, 1_999),), (PausePhase(1),)),
        (((0, 99_000),), (PausePhase(99),)),
        (((0, 100_000),), (PausePhase(99), PausePhase(1))),
        (((0, 198_000),), (PausePhase(99), PausePhase(99))),
        (((25_000, HOUR),), (RUN,)),
        (((25_000, HOUR), (25_000, HOUR)), (RUN, RUN)),
        # half a second of the rest is added to the run: 100 nL in 36.5 s take 9.864 uL/h, rounded up
        (((0, 1_500), (100, 36_000)), (PausePhase(1), RatePhase(9_864, 100))),
        # two halves of a second are one
        (((0, 1_500), (0, 1_500)), (PausePhase(1), PausePhase(2))),
        # 9.7297 uL/h, rounded up
        (((100, 37_000),), (RatePhase(9_730, 100),)),
    ],
)
def test_a_program_is_rates_and_pauses_of_whole_seconds(
    steps: tuple[tuple[int, int], ...], phases: tuple[RatePhase | PausePhase, ...]
) -> None:
    given = sum(phase.volume_nl for phase in phases if isinstance(phase, RatePhase))
    assert compile_program(basal(*steps), SETTINGS) == (Program(phases, given) if phases else None)


@pytest.mark.parametrize(
    ("seconds", "fits"), [(39 * 99 - 1, True), (39 * 99, True), (39 * 99 + 1, False), (10**9, False)]
)
def test_a_rest_fills_39_pauses_of_99_seconds_and_no_more(seconds: int, fits: bool) -> None:
    program = compile_program(basal((0, seconds * 1_000)), SETTINGS)
    assert (program is not None) is fits
    if program is not None:
        pauses = [phase.seconds for phase in program.phases if isinstance(phase, PausePhase)]
        assert (len(pauses), sum(pauses)) == (39, seconds)


@pytest.mark.parametrize(("last", "fits"), [(998_900, True), (999_000, True), (999_100, False)])
def test_a_program_gives_up_to_9999_ul_and_not_a_pump_step_more(last: int, fits: bool) -> None:
    steps = basal((9_000_000, HOUR), (last, HOUR))
    assert (compile_program(steps, SETTINGS) is not None) is fits
    fine = compile_program(
        basal((9_998_000, HOUR), (1_000 if fits else 1_001, HOUR)), replace(SETTINGS, step_nl=1)
    )
    assert (fine is not None) is fits


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (((25_000, HOUR), (25_000, HOUR), (0, 65 * MINUTE)), 2),
        (((25_000, HOUR), (0, 65 * MINUTE), (25_000, HOUR)), 1),
        (((25_000, HOUR),) * 40, 39),
    ],
)
def test_of_a_chain_as_many_steps_are_kept_as_one_program_holds(
    steps: tuple[tuple[int, int], ...], kept: int
) -> None:
    assert achievable(basal(*steps), SETTINGS) == basal(*steps[:kept])


@pytest.mark.parametrize("kind", [StepKind.BOLUS, StepKind.PRIME])
def test_only_basal_may_rest(kind: StepKind) -> None:
    rest = Step(kind, 0, HOUR)
    assert compile_program((rest,), SETTINGS) is None
    assert compile_program((replace(rest, kind=StepKind.BASAL),), SETTINGS) is not None


def test_a_bolus_that_is_told_whole_keeps_its_basal_share_and_a_basal_step_has_none_to_lose() -> None:
    bolus = Step(StepKind.BOLUS, 25_000, HOUR, basal_nl=100)
    assert achievable((bolus,), SETTINGS) == (bolus,)
    assert achievable((replace(bolus, volume_nl=25_099),), SETTINGS) == (replace(bolus, basal_nl=1),)
    assert achievable((replace(bolus, volume_nl=25_050, basal_nl=50),), SETTINGS) == (
        replace(bolus, basal_nl=0),
    )


# ---- what the controller is told ----


@pytest.mark.parametrize(
    ("volume", "duration", "told"),
    [
        (25_000, HOUR, 25_000),
        (100_100, 4 * HOUR, 100_000),  # 25.02 uL/h, the next lower rate, gives 100.08 uL
        (90_378, 24_300_000, 90_300),  # 13.38 uL/h gives 90.315
        (400_200, 24 * HOUR, 400_000),
        (1_001_000, HOUR, 1_000_000),
        (20_000_000, HOUR, 1_000_000),
        (99, HOUR, 0),
        (0, HOUR, 0),
    ],
)
def test_the_controller_is_told_what_the_next_lower_rate_gives(volume: int, duration: int, told: int) -> None:
    grid = grid_of(SLOW)
    assert grid.volume(volume, duration) == told
    assert achievable_step(told, duration, SLOW) == (told, duration)  # and that is told whole


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        ((), 0),
        (((25_000, HOUR),), 1),
        (((25_000, HOUR),) * 2, 2),
        (((25_000, HOUR),) * 39, 39),
        (((25_000, HOUR),) * 40, 39),
        (((25_000, HOUR), (0, 65 * MINUTE)), 1),
        (((25_000, HOUR), (25_000, HOUR), (0, 65 * MINUTE)), 2),
        (
            ((0, 65 * MINUTE), (25_000, HOUR)),
            1,
        ),  # one at the least: what it is told says that it does not fit
    ],
)
def test_the_controller_is_told_how_many_steps_one_program_holds(
    steps: tuple[tuple[int, int], ...], count: int
) -> None:
    assert grid_of(SETTINGS).count(basal(*steps)) == count


def test_the_controller_is_told_how_many_exchanges_a_program_takes() -> None:
    """Docs/adr/0013: 47 for one phase on a pump without a tag, 13 of them for that."""
    grid = grid_of(SETTINGS)
    assert grid.exchanges(basal((25_000, HOUR))) == 47 - 13
    assert grid.exchanges(basal((25_000, HOUR), (25_000, HOUR))) == 47 - 13 + 10
    assert grid.exchanges(basal((25_000, HOUR), (0, 100_000))) == 47 - 13 + 2 * 5
    assert grid.exchanges(basal((0, 65 * MINUTE))) == 24  # no program: no phase is told
    assert exchanges(Program((PausePhase(1),), 0)) == 29
    assert FIRST == 13
    assert grid.rests is True


# ---- the tag, docs/adr/0009 ----


@pytest.mark.parametrize(
    ("permit_id", "armed", "phase"),
    [
        (1, False, RatePhase(123_000, 2)),  # SHA-256 of the id's 8 bytes: its first 8 modulo 4,500 are 230
        (1, True, RatePhase(573_000, 2)),
        (9_998, False, None),
        (9_999, True, RatePhase(960_700, 1)),
        (2**32 + 1, False, RatePhase(287_500, 2)),
    ],
)
def test_a_tag_is_written_as_the_versions_before_have_written_it(
    permit_id: int, armed: bool, phase: RatePhase | None
) -> None:
    told = Tag.of(permit_id, armed=armed).phase
    assert told.volume_nl == permit_id % 2**32 % 9_999 + 1
    assert phase is None or told == phase


@pytest.mark.parametrize(
    ("phase", "tag"),
    [
        (RatePhase(99_900, 1), None),
        (RatePhase(100_000, 1), Tag(0, 0, False)),
        (RatePhase(100_010, 1), None),
        (RatePhase(549_900, 9_999), Tag(9_998, 4_499, False)),
        (RatePhase(550_000, 9_999), Tag(9_998, 0, True)),
        (RatePhase(999_900, 2), Tag(1, 4_499, True)),
        (RatePhase(1_000_000, 2), None),
        (RatePhase(1_001_000, 2), None),
        (RatePhase(100_000, 0), Tag(-1, 0, False)),
        (RatePhase(100_000, 10_000), Tag(-1, 0, False)),
    ],
)
def test_phase_41_is_read_to_the_last_number_that_a_tag_can_have(phase: RatePhase, tag: Tag | None) -> None:
    assert TAG_PHASE == 41
    assert Tag.read(phase) == tag


@pytest.mark.parametrize(
    ("by", "before"), [(-1, False), (0, False), (1, True), (4_999, True), (5_000, False), (9_998, False)]
)
def test_a_tag_is_older_up_to_4999_permits_before(by: int, before: bool) -> None:
    assert Tag.of(20_000 - by, armed=True).is_before(20_000) is before
    if 0 < by < 9_998:  # also of the permit whose number is 0
        assert Tag.of(9_999, armed=True).is_before(9_999 + by) is before


def test_a_tag_without_a_number_is_of_no_permit_and_before_none() -> None:
    mark = Tag.of(5, armed=False).mark
    begun = Tag(-1, mark, False)
    assert not begun.is_of(5)
    assert not any(begun.is_before(number) for number in (1, 4_998, 4_999, 9_998, 9_999))
    assert begun.is_begun_for(5)
    assert not Tag(-1, mark, True).is_begun_for(5)  # what is armed was begun and ended
    assert not Tag(-1, mark + 1, False).is_begun_for(5)
    assert not Tag(-1, mark - 1, False).is_begun_for(5)
    assert not Tag(6, mark, False).is_begun_for(5)  # the number of a later one
    assert Tag(4, mark, False).is_begun_for(5)
    assert Tag(0, mark, False).is_begun_for(5)
    assert not Tag(0, Tag.of(9_000, armed=False).mark, False).is_begun_for(9_000)  # too long ago to be older
