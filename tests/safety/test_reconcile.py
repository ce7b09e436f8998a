"""D-13, S-25: what may have been given, in words; other content, other code."""

from __future__ import annotations

from hashlib import sha256

from tests.safety.kit import HOUR, Bench, account, basal, limits, rows

LIMITS = limits([account(rows=rows((60_000, 240_000, 1_440_000)))])


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
