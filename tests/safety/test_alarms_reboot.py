"""D-16, S-30: over a reboot of the host alarms get older by the time that it was off, and only those from before."""

from __future__ import annotations

import pytest

from pump_ctrl.safety.alarms import Board

OFF_MS = 300_000


@pytest.mark.parametrize(("raised", "becomes"), [(99_999, -200_001), (100_000, -200_000), (100_001, 100_001)])
def test_an_alarm_that_was_raised_before_the_reboot_is_older_by_the_time_off(
    raised: int, becomes: int
) -> None:
    board = Board()
    board.raised("flow", raised, "")
    board.older(100_000, OFF_MS)
    assert [alarm.at_ms for alarm in board.active] == [becomes]


@pytest.mark.parametrize(("first", "recurs"), [(99_999, False), (100_000, False), (100_001, True)])
def test_what_came_before_the_reboot_recurs_no_more_once_ten_minutes_have_gone_by_with_the_time_off(
    first: int, recurs: bool
) -> None:
    """Three times within 500 s of the host's clock: 800 s if it was off for 300 of them."""
    board = Board()
    for at in (first, 350_000):
        board.raised("stalled", at, "")
        board.gone("stalled")
        board.acknowledged("stalled")
    board.older(100_000, OFF_MS)
    board.raised("stalled", 600_000, "")
    assert board.recurs("stalled", 600_000) is recurs
