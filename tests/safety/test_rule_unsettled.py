"""S-07, S-09, D-15: while the outcome of a command is not known nothing that adds drug goes out, except the
hold.
"""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Given, NotGiven, Unknown
from pump_ctrl.safety.ask import Purpose
from tests.refusals import refused
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

LIMITS = limits(
    [
        account(
            rows=rows((60_000, 60_000, 144_000), (9_000, 9_000, 9_000), bolus_max_pg_per_h=10**6, commands=3),
            max_bolus_nl=1_000, hold={"nl": 6_000, "per_ms": HOUR},
        )
    ],
    max_hold_ms=4 * HOUR,
)  # fmt: skip


def uncertain(answer: str) -> Bench:
    bench = Bench(LIMITS).confirmed()
    bench.pump.answers = [answer]
    assert isinstance(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED), Unknown)
    return bench


@pytest.mark.parametrize("answer", ["lost", "unheard"])
def test_nothing_but_the_hold_is_given_after_a_lost_answer(answer: str) -> None:
    """F-01, F-02: from the host the two look the same."""
    bench = uncertain(answer)
    for purpose, step in ((Purpose.BASAL, basal(100, HOUR)), (Purpose.SCHEDULED, bolus(100, HOUR))):
        assert "unsettled" in codes(bench.ask(step, purpose=purpose))
    bench.wait(20 * HOUR)
    assert "unsettled" in codes(bench.ask(basal(100, HOUR)))
    assert len(bench.pump.sent) == 1


def test_the_hold_goes_out_and_the_command_stays_unsettled() -> None:
    bench = uncertain("lost")
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)
    assert "unsettled" in codes(bench.ask(basal(100, HOUR)))


def test_evidence_that_it_was_given_opens_the_way_and_counts_it_once() -> None:
    bench = uncertain("unheard")
    bench.wait(HOUR)
    assert isinstance(bench.guard.settle(), Given)
    assert bench.guard.settle() is None
    assert (bench.guard.unsettled, bench.guard.high_nl) == (None, 1_000)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_evidence_that_it_was_not_given_takes_it_back() -> None:
    bench = uncertain("lost")
    assert bench.guard.high_nl == 1_000
    assert isinstance(bench.guard.settle(), NotGiven)
    assert bench.guard.high_nl == 0
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_a_resolve_by_a_person_takes_the_block_away_and_leaves_the_dose() -> None:
    bench = uncertain("lost")
    permit = bench.guard.unsettled
    assert permit is not None
    for by, reason in (("", "seen"), ("tester", "")):
        with refused("no-name-or-reason"):
            bench.guard.resolve(permit.id, by, reason)
    with refused("no-such-command"):
        bench.guard.resolve(permit.id + 1, "tester", "seen")
    bench.guard.resolve(permit.id, "tester", "seen")
    assert (bench.guard.unsettled, bench.guard.high_nl) == (None, 1_000)
    bench.wait(HOUR)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    with refused("no-such-command"):
        bench.guard.resolve(permit.id, "tester", "again")


def test_a_refusal_by_the_pump_leaves_nothing_behind() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.pump.answers = ["no"]
    bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert (bench.guard.unsettled, bench.guard.high_nl) == (None, 0)
    assert isinstance(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED), Acked)


def test_an_unknown_stop_leaves_the_steps_running_and_an_acknowledged_one_keeps_the_unsettled_dose() -> None:
    """S-09: an uncertain stop counts as not happened."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.pump.stop_answers = ["unheard"]
    assert isinstance(bench.guard.stop("test"), Unknown)
    assert bench.guard.high_nl == 6_001  # 20 ms of doubt at the end of the step
    bench = uncertain("unheard")
    assert isinstance(bench.guard.stop("test"), Acked)
    assert bench.guard.high_nl == 1_000
