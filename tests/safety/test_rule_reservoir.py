"""S-32, F-35, IT-08: all that may have left since the fill is never more than what was filled."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, codes, limits, prime, rows

WIDE = [account(rows=rows((10**9,) * 3))]
CAPS = [{"drug": "baclofen", "hours": 24, "pg": 10**9}]


@pytest.mark.parametrize(("nl", "yes"), [(99_900, True), (100_000, True), (100_100, False)])
def test_no_more_is_given_than_was_filled(nl: int, yes: bool) -> None:
    answer = Bench(limits(WIDE, fill_nl=100_000, caps=CAPS)).confirmed().ask(basal(nl, HOUR))
    assert isinstance(answer, Acked) if yes else codes(answer) == {"reservoir"}


def test_what_was_given_and_what_may_have_been_given_counts() -> None:
    bench = Bench(limits(WIDE, fill_nl=100_000, caps=CAPS)).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(60_000, HOUR))
    bench.at(HOUR)
    assert codes(bench.ask(basal(40_100, HOUR))) == {"reservoir"}
    bench.pump.answers = ["lost"]
    bench.ask(basal(30_000, HOUR))
    bench.guard.resolve(bench.pump.sent[-1].id, "tester", "seen")
    bench.at(3 * HOUR)
    assert codes(bench.ask(basal(10_000, HOUR))) == {"reservoir"}  # 30,000, and 7 s of doubt
    assert isinstance(bench.ask(basal(9_900, HOUR)), Acked)


def test_a_prime_empties_the_reservoir_too() -> None:
    bench = Bench(limits(WIDE, fill_nl=100_000, caps=CAPS, prime_nl=60_000)).confirmed()
    bench.ask(prime(60_000, MINUTE * 30), purpose=Purpose.PRIME)
    bench.at(HOUR)
    assert codes(bench.ask(basal(40_100, HOUR))) == {"reservoir"}


def test_a_refill_begins_anew_with_what_the_person_declares() -> None:
    bench = Bench(limits(WIDE, fill_nl=100_000, caps=CAPS)).confirmed()
    bench.ask(basal(100_000, HOUR))
    bench.at(2 * HOUR)
    assert codes(bench.ask(basal(100, HOUR))) == {"reservoir"}
    bench.guard.refill(by="tester", fill_nl=50_000)
    assert bench.guard.left_by_now_nl[0] == 0
    assert codes(bench.ask(basal(50_100, HOUR))) == {"reservoir"}
    assert isinstance(bench.ask(basal(49_000, HOUR)), Acked)


def test_the_running_lease_is_replaced_and_does_not_count_twice() -> None:
    bench = Bench(limits(WIDE, fill_nl=100_000, caps=CAPS)).confirmed()
    bench.ask(basal(96_000, 24 * HOUR))
    bench.at(HOUR)
    assert isinstance(bench.ask(basal(95_900, 24 * HOUR)), Acked)
