"""How long telling a pump a run takes, and how many of its steps are told while a permit lasts; a toy pump."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pump_ctrl.controller.runs import Limits
from pump_ctrl.controller.telling import Telling
from pump_ctrl.controller.totals import Span
from pump_ctrl.drivers.base import Grid, Step, StepKind

HELD = 12  # steps that the toy pump's program can hold


def exchanges(steps: Sequence[Step]) -> int:
    return 5 + 3 * len(steps)


def telling(exchange_ms: int = 10, stop_ms: int = 10_000, *, held: int = HELD) -> Telling:
    """A pump that is stopped first: 5 exchanges, and 3 for each step."""
    grid = Grid(lambda most, _: most, lambda steps: min(len(steps), held), exchanges, rests=False)
    return Telling(Limits(100, 1_000_000, HELD, grid), exchange_ms, stop_ms)


def spans(count: int, rests: frozenset[int] = frozenset()) -> list[Span]:
    return [
        Span(StepKind.BASAL, at * 1_000, (at + 1) * 1_000, 0 if at in rests else 100) for at in range(count)
    ]


def test_before_anything_was_told_an_exchange_takes_what_it_usually_takes() -> None:
    t = telling(exchange_ms=10)
    assert t.usual_ms == 50  # a run without a step
    assert t.ms(spans(4)) == 170


def test_the_usual_time_is_that_of_a_run_like_the_last_one() -> None:
    t = telling(exchange_ms=10)
    t.begins(0, spans(4))
    assert t.usual_ms == 170


def test_one_slow_telling_changes_nothing_and_a_second_one_is_believed() -> None:
    t = telling(exchange_ms=10)
    t.begins(1_000, spans(5))
    t.done(1_000 + 20 * 300)
    assert t.ms(spans(5)) == 200
    t.begins(100_000, spans(5))
    t.done(100_000 + 20 * 200)
    assert t.ms(spans(5)) == 4_000  # of the last two the quicker one: 200 ms an exchange, not 300
    t.begins(200_000, spans(5))
    t.done(200_000 + 20 * 250)
    assert t.ms(spans(5)) == 4_000


def test_a_quick_telling_counts_at_once() -> None:
    t = telling(exchange_ms=100)
    t.begins(0, spans(5))
    t.done(1)  # 20 exchanges in a millisecond
    assert t.ms(spans(5)) == 1


def test_a_telling_that_took_no_time_teaches_nothing() -> None:
    """Plan time that was moved meanwhile would else make an exchange take less than nothing."""
    t = telling(exchange_ms=10)
    for done in (1_000, 999):
        t.begins(1_000, spans(5))
        t.done(done)
    assert t.ms(spans(5)) == 200


def test_the_time_is_in_microseconds_inside_so_that_short_exchanges_are_not_rounded_away() -> None:
    t = telling(exchange_ms=0)
    for _ in range(2):
        t.begins(0, spans(5))
        t.done(39)  # 1.95 ms an exchange
    assert t.ms(spans(5)) == 39
    assert t.ms(spans(11)) == 74  # 38 of them


@pytest.mark.parametrize(("stop_ms", "told"), [(5_001, 5), (5_000, 5), (4_999, 4)])
def test_as_many_steps_are_told_as_fit_into_the_permit_less_three_seconds(stop_ms: int, told: int) -> None:
    assert telling(100, stop_ms).in_time(spans(HELD)) == spans(told)


def test_how_many_fit_is_judged_by_the_last_telling_alone() -> None:
    """The quicker one of two says when a run begins; whether it can be told in time the last one says."""
    t = telling(exchange_ms=100, stop_ms=5_000)
    t.begins(0, spans(5))
    t.done(20 * 250)
    assert t.in_time(spans(HELD)) == spans(1)
    t.begins(0, spans(5))
    t.done(20 * 100)
    assert t.in_time(spans(HELD)) == spans(5)


def test_one_step_is_told_even_if_the_pump_is_too_slow_for_it() -> None:
    assert telling(exchange_ms=10_000, stop_ms=5_000).in_time(spans(3)) == spans(1)


def test_an_exchange_that_is_said_to_take_no_time_is_reckoned_as_a_microsecond() -> None:
    """5 + 3 x 665 of them fit into the 2 ms that are left."""
    assert telling(0, 3_002, held=999).in_time(spans(667)) == spans(665)


def test_a_run_that_is_shortened_does_not_end_in_a_rest() -> None:
    assert telling(100, 5_000).in_time(spans(HELD, frozenset({3, 4}))) == spans(3)


def test_a_run_that_fits_is_left_as_it_is_though_it_ends_in_a_rest() -> None:
    run = spans(5, frozenset({4}))
    assert telling(100, 5_000).in_time(run) is run


def test_a_pump_that_takes_a_run_whole_takes_two_exchanges_and_nothing_is_learnt_of_it() -> None:
    t = Telling(Limits(100, 1_000_000, HELD), 10, 3_001)
    assert t.usual_ms == 20
    t.begins(0, spans(12))
    t.done(60_000)
    t.begins(100_000, spans(12))
    t.done(160_000)
    assert t.ms(spans(12)) == 20
    assert t.in_time(spans(HELD)) == spans(HELD)
