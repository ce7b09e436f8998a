"""S-20, D-15: what a permit is given of the pump that it is for, and what of that is written down with it."""

from __future__ import annotations

import json

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Ask, Purpose
from pump_ctrl.safety.permits import Permits
from pump_ctrl.safety.state import State
from tests.safety.kit import CAPABILITIES, HOUR, Bench, basal, codes
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


@pytest.mark.parametrize("stops_first", [False, True])
def test_a_counter_that_outlives_a_loss_of_power_is_written_with_the_intent(stops_first: bool) -> None:
    assert intent(stops_first=stops_first, keeps_counter=True)["keeps"] is True
    assert "keeps" not in intent(stops_first=stops_first)


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


def issued(clock: VirtualClock, state: State, count: int) -> list[int]:
    """The numbers of the permits of one process, a second apart, in a journal that grows."""
    permits, numbers = Permits(state, clock), []
    for _ in range(count):
        clock.advance(1_000)
        number = permits.issue(ASK, clock.boot_ms(), CAPABILITIES).id
        state.last_permit = number
        numbers.append(number)
    return numbers


def test_a_process_counts_its_permits_under_one_mark_of_28_bits() -> None:
    """S-06: within 64 bits on every wire; 40 boots, so that a mark of more bits would show."""
    for boot in range(40):
        numbers = issued(VirtualClock(utc_ms=boot), State(), 3)
        assert [number & 0xFFFF_FFFF for number in numbers] == [1, 2, 3]
        (mark,) = {number >> 32 for number in numbers}
        assert 1 <= mark <= 1 << 28


def test_a_copy_of_a_journal_that_is_gone_on_with_twice_never_gives_one_number_twice() -> None:
    state, copy = State(), State()
    state.last_permit = copy.last_permit = (5 << 32) + 41
    first, second = issued(VirtualClock(utc_ms=1), state, 3), issued(VirtualClock(utc_ms=2), copy, 3)
    assert [number & 0xFFFF_FFFF for number in first + second] == [42, 43, 44] * 2
    assert not set(first) & set(second)


def test_an_intent_says_when_it_was_asked_for_and_under_which_limits() -> None:
    """S-35: the chain from a dose to the signed limits."""
    record = intent()
    assert (record["at"], record["limits"]) == (5_000, json.loads(LIMITS)["checksum"])


@pytest.mark.parametrize(("ms", "sent"), [(1_999, True), (2_000, False)])
def test_an_intent_that_takes_two_seconds_to_write_is_void(ms: int, sent: bool) -> None:
    bench, _ = plain()
    bench.log.before_append = lambda kind: bench.clock.advance(ms if kind == "intent" else 0)
    answer = bench.ask(RUN)
    assert isinstance(answer, Acked) if sent else codes(answer) == {"permit-expired"}
    assert len(bench.pump.sent) == sent


def test_the_words_for_a_purpose_are_those_of_every_journal_so_far() -> None:
    assert [purpose.value for purpose in Purpose] == ["basal", "scheduled", "patient", "prime", "hold"]
