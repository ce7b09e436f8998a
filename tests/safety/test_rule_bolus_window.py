"""S-02, D-04: boluses in every window of 1, 4 and 24 h within B(W) and its margin."""

# ruff: noqa: ANN401 - numbers of a row

from __future__ import annotations

from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

WIDE = 10**9


def bench(b: tuple[int, int, int], **numbers: Any) -> Bench:
    plain: dict[str, Any] = {"bolus_max_pg_per_h": 18_000}  # 3,000 nL in 10 min; 10 pg in 2 s
    wide = account(rows=rows((WIDE,) * 3, b, **{**plain, **numbers}), max_bolus_nl=100_000)
    made = Bench(limits([wide])).confirmed()
    made.pump.latency_ms = 0
    return made


def test_example_a_late_today_and_on_time_tomorrow_is_granted_and_earlier_is_not() -> None:
    """D-04: 60,000 nL in 20 min; B(24) = 75,200. Yesterday 5 min late: 24 h hold 75,000 and then some doubt.

    The margin is 300 pg (two steps, 2 s of 180,000 pg/h): 10 s more are the last 300.
    """
    for late, early, yes in (
        (0, 0, True),
        (5 * MINUTE, 0, True),
        (5 * MINUTE, 10_000, True),
        (5 * MINUTE, 10_001, False),
    ):
        b = bench((60_000, 60_000, 75_200), bolus_max_pg_per_h=180_000)
        b.at(late)
        assert isinstance(b.ask(bolus(60_000, 20 * MINUTE), purpose=Purpose.SCHEDULED), Acked)
        b.at(DAY - early)
        answer = b.ask(bolus(60_000, 20 * MINUTE), basal(0, HOUR), purpose=Purpose.SCHEDULED)
        assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-window"}


def test_a_late_dose_counts_where_it_can_have_flowed_not_whole() -> None:
    """B(1) = 1,500, margin 210: an older bolus of 1,000 leaves the window as fast as the new one comes in."""
    for ms, yes in (
        (50 * MINUTE, False),
        (HOUR - 3 * MINUTE, False),
        (HOUR, True),
        (HOUR + 10 * MINUTE, True),
    ):
        b = bench((1_500, WIDE, WIDE))
        b.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        b.at(ms)
        answer = b.ask(bolus(1_500, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-window"}, ms


@pytest.mark.parametrize(("ms", "yes"), [(HOUR - 1, False), (HOUR, True), (HOUR + 1, True)])
def test_what_ended_just_a_window_ago_counts_no_more_and_a_millisecond_less_does(ms: int, yes: bool) -> None:
    """F-70. B(1) = 990 and margin 210 are the new bolus alone; the window that ends with it begins at 10 min."""
    b = bench((990, WIDE, WIDE))
    b.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    b.at(ms)
    answer = b.ask(bolus(1_200, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-window"}


@pytest.mark.parametrize(("nl", "yes"), [(2_000, True), (2_200, True), (2_300, False)])
@pytest.mark.parametrize("hours", [1, 4, 24])
def test_each_window_holds_its_limit_and_margin_and_no_step_more(hours: int, nl: int, yes: bool) -> None:
    limit = tuple(2_000 if hours == h else WIDE for h in (1, 4, 24))
    answer = bench((limit[0], limit[1], limit[2])).ask(bolus(nl, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-window"}


def test_the_margin_has_2_s_of_the_boluses_pace_and_their_falls() -> None:
    b = bench((2_000, WIDE, WIDE), bolus_max_pg_per_h=1_800_000, bolus_fall_pg_per_h=1_800_000, commands=1)
    assert isinstance(b.ask(bolus(4_300, MINUTE), purpose=Purpose.SCHEDULED), Acked)  # 2,000 + 2,000 + 300
    b = bench((2_000, WIDE, WIDE), bolus_max_pg_per_h=1_800_000, bolus_fall_pg_per_h=1_800_000, commands=1)
    assert codes(b.ask(bolus(4_400, MINUTE), purpose=Purpose.SCHEDULED)) == {"bolus-window"}


def test_boluses_and_basal_do_not_share_an_account() -> None:
    both = account(
        rows=rows((6_000, WIDE, WIDE), (1_000, WIDE, WIDE), bolus_max_pg_per_h=10**7), max_bolus_nl=1_000
    )
    b = Bench(limits([both])).confirmed()
    answer = b.ask(bolus(2_000, 10 * MINUTE, 1_000), basal(5_000, 50 * MINUTE), purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Acked)
    b = Bench(limits([both])).confirmed()
    answer = b.ask(bolus(1_000, 10 * MINUTE), basal(6_300, 50 * MINUTE), purpose=Purpose.SCHEDULED)
    assert codes(answer) == {"basal-window"}


def test_a_stopped_bolus_counts_what_the_time_allows_and_one_stroke() -> None:
    """X12. 1,000 nL in 10 min, stopped after 5: 500 nL and a stroke of 100."""
    for nl, yes in ((2_600, True), (2_700, False)):
        b = bench((3_000, WIDE, WIDE))
        b.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        b.at(5 * MINUTE)
        b.guard.stop("test")
        b.wait(1)
        answer = b.ask(bolus(nl, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-window"}
