"""D-07, D-11: an account is asked in its own plan time, with T_s of doubt, and no basal outlasts it."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

WIDE = (600_000, 600_000, 600_000)
TWO = limits(
    [
        account(
            "stage-0", until_ms=10 * HOUR, rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=9_000
        ),
        account("stage-1", from_ms=10 * HOUR, rows=rows(WIDE)),
    ]
)
T_S = 2_000


def granted(plan_ms: int, *steps: object, name: str, purpose: Purpose = Purpose.BASAL) -> bool:
    bench = Bench(TWO).confirmed(plan_ms=plan_ms)
    answer = bench.ask(*steps, account=name, purpose=purpose)  # type: ignore[arg-type]
    assert isinstance(answer, Acked) or codes(answer) == {"account-window"}
    return isinstance(answer, Acked)


@pytest.mark.parametrize(("plan_ms", "yes"), [
    (-T_S - 1, False), (-T_S, True), (0, True), (9 * HOUR - 1, True), (9 * HOUR, True),
    (9 * HOUR + T_S, True),
    (9 * HOUR + T_S + 1, False),
])  # fmt: skip
def test_an_hour_of_basal_lies_between_the_stages_begin_and_end(plan_ms: int, yes: bool) -> None:
    assert granted(plan_ms, basal(100, HOUR), name="stage-0") is yes


@pytest.mark.parametrize(("plan_ms", "yes"), [
    (10 * HOUR - T_S - 1, False), (10 * HOUR - T_S, True), (10 * HOUR, True), (1_000 * HOUR, True),
])  # fmt: skip
def test_a_last_stage_has_no_end(plan_ms: int, yes: bool) -> None:
    assert granted(plan_ms, basal(100, HOUR), name="stage-1") is yes


@pytest.mark.parametrize(
    ("plan_ms", "yes"), [(10 * HOUR, True), (10 * HOUR + T_S, True), (10 * HOUR + T_S + 1, False)]
)
def test_a_bolus_alone_may_outlast_its_stage_but_not_begin_after_it(plan_ms: int, yes: bool) -> None:
    assert granted(plan_ms, bolus(1_000, 20 * MINUTE), name="stage-0", purpose=Purpose.SCHEDULED) is yes


def test_basal_after_a_bolus_does_not_outlast_the_stage() -> None:
    begin, steps = 9 * HOUR + 40 * MINUTE, (bolus(1_000, 20 * MINUTE), basal(100, T_S))
    assert granted(begin, *steps, name="stage-0", purpose=Purpose.SCHEDULED)
    assert not granted(begin + 1, *steps, name="stage-0", purpose=Purpose.SCHEDULED)


def test_plan_time_runs_with_the_boot_clock_and_not_with_the_wall_clock() -> None:
    """F-42, F-43."""
    bench = Bench(TWO).confirmed(plan_ms=8 * HOUR)
    bench.clock.jump_wall(-5 * HOUR)
    bench.wait(HOUR + T_S + 1)
    assert codes(bench.ask(basal(100, HOUR))) == {"account-window"}
    assert bench.guard.plan_ms == 9 * HOUR + T_S + 1
