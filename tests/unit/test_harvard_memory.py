"""The counter over our own clears, what one look says, and what it proves (F-21, F-24)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers.base import Given, NotGiven, Nothing, PumpState
from pump_ctrl.drivers.harvard_codec import Prompt, StatusLine
from pump_ctrl.drivers.harvard_memory import Begun, Counter, Memory, Seen, concluded

NL = 10**6


def seen(prompt: Prompt = Prompt.IDLE, *, infused: int = 0, elapsed: int = 0, **over: bool) -> Seen:
    flags = {"infuse": True, "runs": False, "limit": False, "stalled": False, "target": False} | over
    line = StatusLine(0, elapsed, infused, flags=6, **flags)
    memory = Memory()
    memory.begin(9, Begun(NL, 5 * 65_536))
    return Seen.of(line, prompt, infused, Counter(5), memory, tick=1, now_ms=77)


@pytest.mark.parametrize(
    ("prompt", "elapsed", "infused", "begun", "over", "reset"),
    [
        (Prompt.IDLE, 0, 0, False, {}, True),
        (Prompt.IDLE, 1, 0, False, {}, False),
        (Prompt.IDLE, 0, 1, False, {}, False),
        (Prompt.IDLE, 0, 0, True, {}, False),
        (Prompt.IDLE, 0, 0, False, {"infuse": False}, False),
        (Prompt.INFUSING, 0, 0, False, {"runs": True}, False),
    ],
)
def test_a_pump_whose_volume_and_timer_are_nothing_has_not_run_since_it_powered_up(
    prompt: Prompt, elapsed: int, infused: int, begun: bool, over: dict[str, bool], reset: bool
) -> None:
    """Before this session has told it anything to run: then an earlier one, that saw it run, knows what that means."""
    flags = {"infuse": True, "runs": False, "limit": False, "stalled": False, "target": False} | over
    memory = Memory()
    if begun:
        memory.begin(9, Begun(NL, 5 * 65_536))
    told = StatusLine(0, elapsed, infused, flags=6, **flags)
    found = Seen.of(told, prompt, infused, Counter(5), memory, tick=1, now_ms=77)
    assert ("reset" in found.status.alarms) is reset


# ---- the counter -------------------------------------------------------------------------------


def test_what_we_clear_is_kept_and_what_somebody_else_clears_is_a_new_epoch() -> None:
    counter = Counter(5)
    assert not counter.take(3 * NL)
    counter.clearing = True
    assert not counter.take(0)
    assert not counter.take(2 * NL + NL // 2)
    assert (counter.delivered_nl, counter.epoch) == (5, 5 * 65_536)
    assert counter.take(NL)  # nobody of ours cleared it
    assert (counter.delivered_nl, counter.epoch) == (1, 5 * 65_536 + 1)
    assert not counter.take(NL)


def test_a_clear_that_the_pump_never_heard_counts_nothing_twice() -> None:
    counter = Counter(5)
    counter.take(3 * NL)
    counter.clearing = True
    assert not counter.take(3 * NL)
    assert counter.delivered_nl == 3
    assert counter.take(0)  # a later fall is no longer ours


def test_a_fall_to_something_while_we_clear_is_not_ours() -> None:
    counter = Counter(5)
    counter.take(3 * NL)
    counter.clearing = True
    assert counter.take(NL)


@given(st.lists(st.tuples(st.integers(0, 5 * NL), st.booleans()), max_size=20))
def test_parts_of_a_nanolitre_are_not_lost_over_clears(runs: list[tuple[int, bool]]) -> None:
    counter, total = Counter(5), 0
    for infused, looked in runs:
        if looked:
            assert not counter.take(infused // 2)
        assert not counter.take(infused)
        total += infused
        assert counter.delivered_nl == total // NL
        counter.clearing = True
        assert not counter.take(0)
    assert counter.epoch == 5 * 65_536


@pytest.mark.parametrize(
    ("exact", "coarse", "found"),
    [
        (8_628_412_345, 8_628_410_000, 8_628_412_345),  # the same, in six digits
        (8_628_412_345, 8_628_420_000, 8_628_420_000),  # more than before
        (8_628_412_345, 8_628_300_000, 8_628_300_000),  # less: it was cleared
        (8_628_412_345, 0, 0),
        (0, 0, 0),
    ],
)
def test_six_digits_of_the_same_volume_are_no_fall(exact: int, coarse: int, found: int) -> None:
    counter = Counter(5)
    counter.take(exact)
    assert counter.refined(coarse) == found


# ---- one look ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "runs", "stands", "infuses"),
    [
        (Prompt.IDLE, False, True, False),
        (
            Prompt.IDLE,
            True,
            False,
            False,
        ),  # where prompt and flags differ, the pump runs, but not as it should
        (Prompt.INFUSING, False, False, False),
        (Prompt.INFUSING, True, False, True),
        (Prompt.WITHDRAWING, False, False, False),
        (Prompt.WITHDRAWING, True, False, False),
        (Prompt.TARGET, False, True, False),
        (Prompt.TARGET, True, False, False),
    ],
)
def test_prompt_and_flags_have_to_agree(prompt: Prompt, runs: bool, stands: bool, infuses: bool) -> None:
    found = seen(prompt, runs=runs)
    assert (found.stands, found.infuses) == (stands, infuses)
    assert found.status.state is (PumpState.IDLE if stands else PumpState.RUNNING)
    assert found.status.running_id == (9 if infuses else None)


def test_the_timer_of_the_other_direction_proves_nothing() -> None:
    assert seen(elapsed=1).timed
    assert not seen(elapsed=0).timed
    assert not seen(elapsed=1, infuse=False).timed


# ---- what it proves ----------------------------------------------------------------------------

BEGUN = Begun(600 * NL, epoch=1)


@pytest.mark.parametrize(
    ("infused", "elapsed", "epoch", "found"),
    [
        (0, 1, 1, None),  # cleared, counting time, nothing given: it never began
        (0, 0, 1, (0, 600)),  # the pump may have lost its power
        (0, 1, 2, (0, 600)),  # it has
        (7 * NL + 1, 1, 1, (7, 8)),
        (7 * NL, 1, 2, (7, 600)),  # counted anew since: what went before is not known
        (600 * NL + 1, 1, 1, (600, 601)),
    ],
)
def test_what_a_pump_at_rest_proves_of_a_run(
    infused: int, elapsed: int, epoch: int, found: tuple[int, int] | None
) -> None:
    look = seen(infused=infused, elapsed=elapsed)
    proof = concluded(BEGUN, look, buffered=False, epoch=epoch)
    if found is None:
        assert isinstance(proof, NotGiven)
    else:
        assert proof == Given(*found, True, look.status)
    if infused == 0:
        assert isinstance(concluded(BEGUN, look, buffered=True, epoch=epoch), Nothing)


@pytest.mark.parametrize(("epoch", "high"), [(1, 8), (2, 600)])
def test_what_a_running_pump_proves_of_a_run(epoch: int, high: int) -> None:
    look = seen(Prompt.INFUSING, runs=True, infused=7 * NL + 1, elapsed=1)
    assert concluded(BEGUN, look, buffered=True, epoch=epoch) == Given(7, high, False, look.status)


def test_only_so_many_permits_are_remembered() -> None:
    memory = Memory()
    for number in range(1, 200):
        memory.begin(number, Begun(NL, 1))
        memory.close(seen(infused=NL, elapsed=1), buffered=False, epoch=1)
        memory.spare(1_000 + number)
    assert list(memory.begun) == list(memory.closed) == list(range(136, 200))
    assert len(memory.spared) == 64
    assert memory.running is None
