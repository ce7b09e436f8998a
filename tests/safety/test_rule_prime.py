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
