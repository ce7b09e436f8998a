"""S-30, X6 to X8: a delivery goes out only if every active alarm permits its purpose; an ack alone opens
nothing.
"""

from __future__ import annotations

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

LIMITS = limits(
    [
        account(
            rows=rows((6_000, 24_000, 144_000), (9_000, 9_000, 9_000), bolus_max_pg_per_h=10**6),
            max_bolus_nl=1_000,
        )
    ]
)


def test_an_alarm_forbids_what_its_row_does_not_permit() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("stalled", "test")  # permits basal and hold
    assert codes(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)) == {"inhibition"}
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_a_less_urgent_alarm_under_a_worse_one_still_forbids() -> None:
    """F-59, X7."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("unsettled", "high, permits all")
    bench.guard.raise_alarm("stalled", "forbids boluses")
    bench.guard.raise_alarm("requests", "low, permits all")
    assert "inhibition" in codes(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.PATIENT))
    assert bench.guard.inhibitions == {"scheduled", "patient", "prime"}


def test_acknowledging_opens_nothing_while_the_condition_holds_nor_does_its_end_before_the_ack() -> None:
    """F-58."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("empty", "test")
    bench.guard.acknowledge("empty", "tester")
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}
    bench.guard.clear_alarm("empty")
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    bench.guard.raise_alarm("empty", "again")
    bench.guard.clear_alarm("empty")
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}
    bench.guard.acknowledge("empty", "tester")
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_an_alarm_survives_stop_and_restart() -> None:
    """X5, X11."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("empty", "test")
    bench.guard.stop("test")
    bench.restart()
    bench.confirmed(given=None)
    assert [alarm.row.code for alarm in bench.guard.alarms] == ["empty"]
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}


def test_an_alarm_raised_while_the_intent_is_judged_is_seen_by_the_next_request() -> None:
    """F-67: alarms are looked at when the request is judged, right before the intent is written."""
    bench = Bench(LIMITS).confirmed()
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
    bench.guard.raise_alarm("silence", "test")
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}


def test_the_same_condition_told_a_thousand_times_is_written_once() -> None:
    bench = Bench(LIMITS).confirmed()
    for _ in range(1_000):
        bench.guard.raise_alarm("silence", "test")
    assert bench.log.kinds().count("alarm") == 1


def test_a_refusal_names_the_alarms_that_forbid_it_and_no_others() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.raise_alarm("stalled", "forbids boluses")
    bench.guard.raise_alarm("unsettled", "forbids nothing")
    answer = str(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED))
    assert "alarm stalled forbids a scheduled delivery" in answer
    assert "unsettled" not in answer


def test_a_word_of_the_pump_that_nobody_knows_forbids_everything_until_it_is_gone_and_seen() -> None:
    bench = Bench(LIMITS).confirmed()
    plain, said = bench.pump.status, [frozenset({"bit-9"})]
    bench.pump.status = lambda: plain()._replace(alarms=said[0])  # type: ignore[method-assign]
    bench.guard.read_status()
    (alarm,) = bench.guard.alarms
    assert (alarm.row.code, alarm.detail) == ("pump-alarm", "bit-9")
    bench.guard.acknowledge("pump-alarm", "tester")
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}
    said[0] = frozenset()
    bench.guard.read_status()
    assert bench.guard.alarms == ()
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)
