"""D-03, D-11: one bolus at a time, to the latest instant at which the one before can still flow; none in a
bridge.
"""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Denied, Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

WIDE = rows((10**7,) * 3, (10**7,) * 3, bolus_max_pg_per_h=10**9)
LIMITS = limits([account(rows=WIDE, max_bolus_nl=9_000)])
TEN = bolus(1_000, 10 * MINUTE)


@pytest.mark.parametrize(("ms", "yes"), [
    (10 * MINUTE - 1, False), (10 * MINUTE + 19, False), (10 * MINUTE + 20, True), (10 * MINUTE + 21, True),
])  # fmt: skip
def test_the_next_bolus_waits_for_the_latest_end_of_the_one_before(ms: int, yes: bool) -> None:
    """Sent at 0, acknowledged at 20 ms: it ends at 10 min + 20 ms at the latest."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(TEN, purpose=Purpose.SCHEDULED)
    bench.at(ms)
    answer = bench.ask(TEN, purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"bolus-overlap"}


def test_basal_may_replace_a_bolus_and_ends_it() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.ask(TEN, purpose=Purpose.SCHEDULED)
    bench.at(5 * MINUTE)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    assert isinstance(bench.ask(TEN, purpose=Purpose.SCHEDULED), Acked)


def test_a_bolus_that_stop_ended_is_over() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.ask(TEN, purpose=Purpose.SCHEDULED)
    bench.at(5 * MINUTE)
    bench.guard.stop("test")
    bench.wait(1)
    assert isinstance(bench.ask(TEN, purpose=Purpose.SCHEDULED), Acked)


def test_a_bolus_that_may_have_begun_late_lasts_later() -> None:
    """Unknown and resolved: it began within T_s + 5 s (the pump's time to live), so it ends at 10 min 7 s."""
    bench = Bench(LIMITS).confirmed()
    bench.pump.answers = ["lost"]
    bench.ask(TEN, purpose=Purpose.SCHEDULED)
    permit = bench.guard.unsettled
    assert permit is not None
    bench.guard.resolve(permit.id, "tester", "seen")
    bench.at(10 * MINUTE + 6_999)
    assert codes(bench.ask(TEN, purpose=Purpose.SCHEDULED)) == {"bolus-overlap"}
    bench.at(10 * MINUTE + 7_000)
    assert isinstance(bench.ask(TEN, purpose=Purpose.SCHEDULED), Acked)


def test_boluses_are_off_while_a_bridge_lasts() -> None:
    two = [account("bridge", rows=WIDE, max_bolus_nl=9_000), account(rows=WIDE, max_bolus_nl=9_000)]
    bench = Bench(limits(two)).confirmed()
    for purpose in (Purpose.SCHEDULED, Purpose.PATIENT):
        assert "bridge" in codes(bench.ask(TEN, purpose=purpose, account="bridge"))
    assert isinstance(bench.ask(basal(100, HOUR), account="bridge"), Acked)
    assert isinstance(bench.ask(TEN, purpose=Purpose.SCHEDULED), Acked)


def test_a_refusal_tells_how_long_the_other_one_may_last() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(TEN, purpose=Purpose.SCHEDULED)
    bench.at(4 * MINUTE)
    answer = bench.ask(TEN, purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Denied)
    assert (answer.denials[0].counted, answer.denials[0].detail) == (
        6 * MINUTE,
        f"another bolus may last for {6 * MINUTE} ms",
    )
