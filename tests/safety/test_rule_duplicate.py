"""F-56, F-57, S-06: a confirmed action is carried out once; what surely gave nothing may be asked again."""

from __future__ import annotations

from pump_ctrl.drivers.base import Acked, NotGiven, Refused, Unknown
from tests.safety.kit import HOUR, Bench, account, basal, codes, limits, rows

LIMITS = limits([account(rows=rows((60_000, 240_000, 1_440_000)))])


def test_a_bouncing_key_gives_one_dose() -> None:
    bench = Bench(LIMITS).confirmed()
    assert isinstance(bench.ask(basal(100, HOUR), request="key-1"), Acked)
    for _ in range(1_000):
        assert codes(bench.ask(basal(100, HOUR), request="key-1")) == {"duplicate"}
    assert len(bench.pump.sent) == 1
    assert isinstance(bench.ask(basal(100, HOUR), request="key-2"), Acked)


def test_an_id_stays_used_over_days_and_restarts() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(100, HOUR), request="key-1")
    bench.wait(100 * HOUR)
    bench.restart()
    bench.confirmed(plan_ms=100 * HOUR, given=None)
    assert codes(bench.ask(basal(100, HOUR), request="key-1")) == {"duplicate"}


def test_a_request_that_was_denied_refused_or_proven_not_given_may_be_asked_again() -> None:
    bench = Bench(LIMITS).confirmed()
    assert codes(bench.ask(basal(150, HOUR), request="key-1")) == {"malformed"}
    bench.pump.answers = ["no"]
    assert isinstance(bench.ask(basal(100, HOUR), request="key-1"), Refused)
    bench.pump.answers = ["lost"]
    assert isinstance(bench.ask(basal(100, HOUR), request="key-1"), Unknown)
    assert codes(bench.ask(basal(100, HOUR), request="key-1")) == {"unsettled", "duplicate"}
    assert isinstance(bench.guard.settle(), NotGiven)
    assert isinstance(bench.ask(basal(100, HOUR), request="key-1"), Acked)


def test_no_permit_id_is_used_twice_on_a_journal() -> None:
    """S-06, S-20."""
    bench = Bench(LIMITS).confirmed()
    for answer in ("ok", "no", "ok"):
        bench.pump.answers = [answer]
        bench.ask(basal(100, HOUR))
    bench.restart()
    bench.confirmed(given=None)
    bench.ask(basal(100, HOUR))
    ids = [permit.id for permit in bench.pump.sent]
    assert len(set(ids)) == 4
    assert all(0 < permit_id < 1 << 64 for permit_id in ids)
    other = Bench(LIMITS)
    other.wait(1)
    other.confirmed()
    other.ask(basal(100, HOUR))
    assert other.pump.sent[0].id not in ids
