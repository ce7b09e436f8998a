"""The virtual clock: time that moves only when told, a wall clock that jumps, a host that reboots."""

from __future__ import annotations

import pytest

from pump_ctrl.clock import VirtualClock


def test_intervals_and_labels_run_together_until_somebody_sets_the_wall_clock() -> None:
    clock = VirtualClock(utc_ms=1_000_000, boot_ms=500)
    clock.advance(250)
    assert (clock.true_ms, clock.boot_ms(), clock.utc_ms()) == (250, 750, 1_000_250)
    clock.jump_wall(-3_600_000)
    assert (clock.true_ms, clock.boot_ms(), clock.utc_ms()) == (250, 750, 1_000_250 - 3_600_000)


def test_a_reboot_starts_boot_time_at_zero_under_another_name_and_leaves_the_wall_clock() -> None:
    clock = VirtualClock(utc_ms=1_000_000, boot_ms=500)
    clock.advance(250)
    first = clock.boot_id()
    clock.reboot()
    assert (clock.boot_ms(), clock.utc_ms()) == (0, 1_000_250)
    assert clock.boot_id() != first
    clock.advance(10)
    assert (clock.boot_ms(), clock.utc_ms(), clock.true_ms) == (10, 1_000_260, 260)


def test_time_runs_forward_only_and_whoever_follows_hears_of_every_move() -> None:
    clock, heard = VirtualClock(boot_ms=100), list[int]()
    clock.on_advance(heard.append)
    clock.advance(5)
    clock.advance_to_boot(120)
    clock.advance_to_boot(110)  # in the past: nothing moves
    assert (clock.boot_ms(), heard) == (120, [5, 20, 20])
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
