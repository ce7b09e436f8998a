"""D-13, S-25: what may have been given, in words; other content, other code."""

from __future__ import annotations

from hashlib import sha256

import pytest

from pump_ctrl.safety.reconcile import Reconciliation, reconcile
from pump_ctrl.safety.state import State
from tests.safety.kit import HOUR, Bench, account, basal, limits, rows

LIMITS = limits([account(rows=rows((60_000, 240_000, 1_440_000)))])
NEW = (
    "Surely given since the journal began: 0 mL.",
    "Given or still flowing, at the most: 0 mL.",
    "This journal is new: what was given in the last 24 h has to be said.",
)


def told(
    *, ahead_ms: int = 0, elapsed_known: bool = True, nameless: bool = False, odd: bool = False
) -> Reconciliation:
    """Of a new journal, without limits."""
    return reconcile(
        State(), None, elapsed_known=elapsed_known, ahead_ms=ahead_ms, nameless=nameless, odd=odd
    )


def test_the_words_say_what_was_given_what_may_have_been_and_what_is_not_known() -> None:
    bench = Bench(LIMITS)
    new = bench.guard.reconciliation()
    assert "This journal is new" in new.words
    bench.confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.at(HOUR)
    bench.pump.answers = ["lost"]
    bench.ask(basal(3_000, HOUR))
    bench.guard.raise_alarm("silence", "test")
    bench.restart()
    told = bench.guard.reconciliation()
    permit = bench.guard.unsettled
    assert permit is not None
    assert told.words.splitlines() == [
        "Surely given since the journal began: 0 mL.",
        "Given or still flowing, at the most: 0.009006 mL.",
        f"Not known whether carried out: command {permit.id:x}, 0.003 mL.",
        "Alarm: silence: the pump does not answer.",
        f"Limits: {told.words[-30:-14]} of plan TEST.",
    ]
    assert (told.low_nl, told.high_nl, told.unsettled) == (0, 9_006, permit)


def test_the_code_is_the_digest_of_the_words_and_changes_with_them() -> None:
    bench = Bench(LIMITS).confirmed()
    seen = set()
    for step in range(5):
        told = bench.guard.reconciliation()
        assert told.code == sha256(told.words.encode()).hexdigest()[:8]
        seen.add(told.code)
        assert bench.guard.reconciliation() == told
        match step:
            case 0:
                bench.ask(basal(6_000, HOUR))
            case 1:
                bench.pump.answers = ["lost"]
                bench.ask(basal(6_000, HOUR))
            case 2:
                bench.guard.raise_alarm("silence", "test")
            case 3:
                bench.clock.reboot()
                bench.restart()
                assert "how long the host was off" in bench.guard.reconciliation().words
    assert len(seen) == 5


def test_it_names_the_limits_that_a_confirm_would_put_in_force() -> None:
    bench = Bench(LIMITS)
    assert "of plan TEST" in bench.guard.reconciliation().words
    assert "Limits" not in Bench(None).guard.reconciliation().words


# --- what a confirm makes of the clock (D-16) -------------------------------------------------------------------


@pytest.mark.parametrize("ahead_ms", [0, 2_000, -2_000])
def test_a_clock_that_is_off_by_no_more_than_2_s_is_not_spoken_of(ahead_ms: int) -> None:
    assert told(ahead_ms=ahead_ms).words.splitlines() == [*NEW]


@pytest.mark.parametrize(("ahead_ms", "by"), [(2_001, "3 s ahead of"), (-2_001, "3 s behind")])
def test_a_clock_that_is_off_by_more_is_told_with_its_direction(ahead_ms: int, by: str) -> None:
    assert told(ahead_ms=ahead_ms).words.splitlines() == [
        *NEW,
        f"The host's clock is {by} the time that has gone by since the last confirm:",
        "who confirms moves the plan's time of day with it. If the clock is wrong, set it right first.",
    ]


@pytest.mark.parametrize("ahead_ms", [0, -1, -2_000])
def test_a_host_that_was_off_is_off_for_no_time_at_all_at_the_least(ahead_ms: int) -> None:
    assert told(ahead_ms=ahead_ms, elapsed_known=False).words.splitlines() == [
        *NEW,
        "It is not known how long the host was off; by its own clock 0 min.",
        "Who confirms takes that for true; if it was another time, say so: --off DURATION.",
    ]


def test_a_clock_that_stands_before_what_is_known_tells_no_time_off() -> None:
    """It is not taken for 0 ms, as one that is behind by no more than 2 s is."""
    assert told(ahead_ms=-2_001, elapsed_known=False).words.splitlines() == [
        *NEW,
        "It is not known how long the host was off, and its clock is 3 s behind what is known.",
        "Set it right, or say how long when you confirm: --off DURATION.",
    ]


@pytest.mark.parametrize(("off_ms", "words"), [
    (1, "1 s"), (1_000, "1 s"), (1_001, "2 s"), (29_999, "30 s"), (30_000, "1 min"), (89_999, "1 min"),
    (90_000, "2 min"), (3_569_999, "59 min"), (3_570_000, "1 h 0 min"), (5_400_000, "1 h 30 min"),
    (86_400_000, "24 h 0 min"), (3_600_000_000, "1000 h 0 min"),
])  # fmt: skip
def test_a_time_off_is_said_to_the_nearest_minute_and_under_half_a_minute_in_whole_seconds_that_were_begun(
    off_ms: int, words: str
) -> None:
    """A person compares minutes with a watch; a host that was off is not said to have been off for 0 min."""
    assert f"by its own clock {words}." in told(ahead_ms=off_ms, elapsed_known=False).words


# --- whether it is the same pump (F-19) -------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("nameless", [False, True])
def test_what_is_not_known_of_the_pump_is_said_each_by_itself_and_each_has_a_code_of_its_own(
    nameless: bool, odd: bool
) -> None:
    found = told(nameless=nameless, odd=odd)
    assert ("The pump tells no serial number" in found.words) is nameless
    assert ("It does not hold what this journal told it last" in found.words) is odd
    assert (found.code == told().code) is not (nameless or odd)
