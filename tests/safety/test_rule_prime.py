"""D-12: a prime is alone, and together at most V_hi for each recorded new or emptied path."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, codes, limits, prime, rows

WIDE = (10**9,) * 3
LIMITS = limits(
    [account(rows=rows(WIDE))], prime_nl=336_000, caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}]
)


def ready() -> Bench:
    return Bench(LIMITS).confirmed()


def flush(bench: Bench, nl: int, ms: int = 30 * MINUTE) -> object:
    return bench.ask(prime(nl, ms), purpose=Purpose.PRIME)


@pytest.mark.parametrize(("nl", "yes"), [(335_900, True), (336_000, True), (336_100, False)])
def test_no_more_than_the_path_holds(nl: int, yes: bool) -> None:
    answer = flush(ready(), nl)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"prime"}


def test_the_rest_after_an_interruption_is_v_hi_minus_what_may_have_been_given() -> None:
    """F-65: stopped after 15 of 30 min at the latest: 150,000 nL, 20 ms of doubt and a stroke."""
    bench = ready()
    flush(bench, 300_000)
    bench.at(15 * MINUTE)
    bench.guard.stop("test")
    bench.wait(1)
    assert codes(flush(bench, 186_000)) == {"prime"}
    assert isinstance(flush(bench, 185_800), Acked)
    bench.wait(HOUR)
    assert codes(flush(bench, 100)) == {"prime"}


@pytest.mark.parametrize(("nl", "yes"), [(236_200, True), (236_300, False)])
def test_what_else_has_left_since_the_path_was_new_fills_it_too(nl: int, yes: bool) -> None:
    """100,000 nL of basal, 1 for rounding: there is room for 235,999, and for three grains nobody can tell."""
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(basal(100_000, HOUR))
    bench.wait(HOUR)
    bench.guard.stop("to prime")
    bench.wait(1)
    answer = flush(bench, nl)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"prime"}


@pytest.mark.parametrize("restarted", [False, True])
def test_the_rest_of_a_prime_that_was_cut_at_once_is_not_given_into_a_full_path(restarted: bool) -> None:
    """Seen: 316 uL asked ten days later, 370 ug in an hour where 205 are signed."""
    bench = ready()
    flush(bench, 336_000)
    bench.guard.stop("at once")
    bench.ask(basal(400_000, 24 * HOUR))
    bench.wait(24 * HOUR)
    if restarted:
        bench.restart()
        bench.guard.confirm(by="tester", code=bench.guard.reconciliation().code, plan_ms=bench.clock.true_ms)
    bench.guard.stop("to prime")
    bench.wait(1)
    assert codes(flush(bench, 1_000)) == {"prime"}
    bench.guard.refill(by="tester", fill_nl=40_000_000, new_path=True)
    assert isinstance(flush(bench, 336_000), Acked)


def test_another_plan_makes_no_path_newer_that_a_person_told_of_before() -> None:
    bench = ready()
    bench.guard.refill(by="tester", fill_nl=40_000_000, new_path=True)
    bench.ask(basal(400_000, 24 * HOUR))
    bench.wait(24 * HOUR)
    bench.guard.stop("to load")
    other = limits(
        [account(rows=rows(WIDE))], prime_nl=336_000, plan={"id": "NEW", "sha256": "d" * 64},
        caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
    )  # fmt: skip
    bench.guard.load(other, by="tester", plan_ms=0)
    bench.wait(1)
    assert codes(flush(bench, 336_000)) == {"prime"}


def test_a_refill_alone_is_no_new_path_and_a_recorded_one_is() -> None:
    bench = ready()
    flush(bench, 336_000)
    bench.wait(HOUR)
    bench.guard.refill(by="tester", fill_nl=40_000_000)
    assert codes(flush(bench, 100)) == {"prime"}
    bench.guard.refill(by="tester", fill_nl=40_000_000, new_path=True)
    assert isinstance(flush(bench, 336_000), Acked)


def test_a_new_plan_with_a_prime_tells_of_a_new_path_and_the_same_plan_again_does_not() -> None:
    bench = ready()
    flush(bench, 336_000)
    bench.wait(HOUR)
    bench.guard.load(LIMITS, by="tester", plan_ms=0)
    assert codes(flush(bench, 100)) == {"prime"}
    other = limits(
        [account(rows=rows(WIDE))], prime_nl=336_000, plan={"id": "NEW", "sha256": "d" * 64},
        caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
    )  # fmt: skip
    bench.guard.load(other, by="tester", plan_ms=0)
    assert isinstance(flush(bench, 336_000), Acked)


def test_nothing_else_runs_beside_a_prime() -> None:
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    assert codes(flush(bench, 1_000)) == {"prime"}
    bench.guard.stop("test")
    assert isinstance(flush(bench, 1_000), Acked)
    assert codes(flush(bench, 1_000)) == {"prime"}  # another prime neither


def test_an_unknown_prime_counts_whole_until_evidence() -> None:
    bench = ready()
    bench.pump.answers = ["lost", "unheard"]
    flush(bench, 200_000)
    bench.guard.settle()
    flush(bench, 200_000)
    bench.wait(HOUR)
    bench.guard.settle()
    assert codes(flush(bench, 136_100)) == {"prime"}
    assert isinstance(flush(bench, 136_000), Acked)


def test_a_plan_without_a_prime_has_none() -> None:
    bench = Bench(limits([account(rows=rows(WIDE))])).confirmed()
    assert codes(flush(bench, 100)) == {"prime"}


def test_a_prime_of_10_mg_per_ml_at_a_refill_would_be_3_36_mg_and_is_refused() -> None:
    """Example B: nothing new was recorded, so nothing is primed."""
    bench = ready()
    flush(bench, 336_000)
    bench.wait(100 * HOUR)
    bench.guard.refill(by="tester", fill_nl=20_000_000, fluid={"baclofen": 1_000_000})
    assert codes(flush(bench, 336_000)) == {"prime"}
