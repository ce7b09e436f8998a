"""S-20, D-15: what a permit is given of the pump that it is for, and what of that is written down with it."""

from __future__ import annotations

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.permits import Permits
from pump_ctrl.safety.state import State
from tests.safety.kit import CAPABILITIES, HOUR, Bench, basal
from tests.safety.plain import LIMITS, RUN, plain

ASK = Ask("request-1", Purpose.BASAL, "stage-0", (basal(100, HOUR),))


def intent(**can: object) -> dict[str, object]:
    """The record of a command of 5 s after the boot, at 2 s for a STOP."""
    bench, _ = plain(**can)
    bench.at(5_000)
    bench.ask(RUN)
    return dict(next(record.data for record in bench.log.records if record.kind == "intent"))


@pytest.mark.parametrize(("can", "expires_ms", "doubt_ms"), [
    ({"ttl_ms": 5_000, "buffered": False}, 7_000, 7_000),
    ({"ttl_ms": 5_000, "buffered": True}, 7_000, 7_000),  # the pump itself lets what comes late lie
    ({"ttl_ms": None, "buffered": False}, 6_500, 2_000),  # it has to have arrived within the 2 s
    ({"ttl_ms": None, "buffered": True}, 6_500, None),  # bytes may wait, and nothing bounds when it begins
    ({"ttl_ms": 0, "buffered": True}, 7_000, 2_000),
])  # fmt: skip
def test_how_long_a_permit_lasts_and_how_late_it_may_begin_follow_from_what_bounds_a_late_command(
    can: dict[str, object], expires_ms: int, doubt_ms: int | None
) -> None:
    record = intent(**can)
    assert (record["expires_ms"], record["doubt_ms"]) == (expires_ms, doubt_ms)


def test_what_a_pump_that_is_stopped_first_may_be_ahead_and_lose_is_written_with_the_intent() -> None:
    record = intent(ahead_nl=500, hidden_nl=100, clears_counter=True)
    assert (record["ahead_nl"], record["hidden_nl"], record["clears"]) == (500, 100, True)
    assert intent(clears_counter=False)["clears"] is False


def test_of_a_pump_that_goes_over_to_its_next_command_nothing_more_is_written() -> None:
    assert not {"ahead_nl", "hidden_nl", "clears"} & intent(stops_first=False).keys()


def test_a_process_that_takes_up_such_a_journal_knows_the_same_upper_bound() -> None:
    bench, _ = plain(ahead_nl=500, hidden_nl=100)
    bench.ask(RUN)
    before = bench.guard.high_nl
    assert before == 36_500
    bench.restart()
    assert bench.guard.high_nl == before


@pytest.mark.parametrize("known_limits", [False, True])
def test_a_permit_for_a_pump_that_nobody_met_or_without_limits_has_expired_when_it_is_made(
    known_limits: bool,
) -> None:
    """The rules never let one so far; if they did, no driver would send it, and nothing would bound its begin."""
    state = Bench(LIMITS).confirmed().guard._state if known_limits else State()
    can = None if known_limits else CAPABILITIES
    permits = Permits(state, VirtualClock())
    permit = permits.issue(ASK, 1_000, can)
    assert permit.expires_ms == 1_000
    assert permits.intent(permit, ASK, 1_000, can)["doubt_ms"] is None
