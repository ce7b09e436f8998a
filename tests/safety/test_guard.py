"""S-03, S-05, S-06, S-08, S-20, S-21, S-34, S-35: the order of things at the only door to the pump."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.drivers.base import Acked, Nothing, Permit, PumpState, PumpStatus, Unknown
from pump_ctrl.errors import JournalError, LinkError
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.guard import GuardedPump
from tests.refusals import refused
from tests.safety.kit import (
    CAPABILITIES,
    DAY,
    HOUR,
    MINUTE,
    Bench,
    FakePump,
    Log,
    account,
    basal,
    bolus,
    codes,
    limits,
    prime,
    rows,
)

WIDE = (10**9,) * 3
LIMITS = limits(
    [account(rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**8), max_bolus_nl=9_000)],
    caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}],
)


def ready() -> Bench:
    return Bench(LIMITS).confirmed()


def active(bench: Bench) -> list[str]:
    return [alarm.row.code for alarm in bench.guard.alarms]


# --- before sending -----------------------------------------------------------------------------------------


def test_the_intent_is_durable_before_a_byte_leaves_and_the_outcome_follows() -> None:
    """S-05."""
    bench = ready()
    seen: list[list[str]] = []
    bench.pump.on_deliver = lambda: seen.append(bench.log.kinds())
    bench.ask(basal(100, HOUR))
    assert seen == [["limits", "confirm", "intent"]]
    assert bench.log.kinds() == ["limits", "confirm", "intent", "outcome"]


def test_the_dose_counts_before_it_is_sent() -> None:
    """S-03."""
    bench = ready()
    seen: list[int] = []
    bench.pump.on_deliver = lambda: seen.append(bench.guard.high_nl)
    bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert seen == [1_000]


def test_a_journal_that_cannot_be_written_sends_nothing_and_is_not_trusted_again() -> None:
    """F-51, F-52."""
    bench = ready()
    bench.log.broken = True
    assert codes(bench.ask(basal(100, HOUR))) == {"journal"}
    bench.log.broken = False
    assert codes(bench.ask(basal(100, HOUR))) == {"journal"}
    assert (bench.pump.sent, bench.guard.high_nl) == ([], 0)
    assert bench.guard.inhibitions == frozenset(Purpose)
    bench.restart()
    bench.confirmed(given=None)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_a_permit_is_what_was_asked_what_was_written_and_what_was_sent() -> None:
    """S-20, S-35."""
    bench = ready()
    bench.wait(5)
    bench.ask(bolus(1_100, 10 * MINUTE, 100), basal(100, HOUR), purpose=Purpose.SCHEDULED, request="slot:0:0")
    (permit,) = bench.pump.sent
    intent = bench.log.records[2].data
    assert permit == Permit(
        intent["id"], (bolus(1_100, 10 * MINUTE, 100), basal(100, HOUR)), intent["expires_ms"]
    )
    assert intent["steps"] == [["bolus", 1_100, 600_000, 100], ["basal", 100, 3_600_000, 0]]
    assert intent["at"] == 5
    assert intent["expires_ms"] == 2_005
    assert intent["request"] == "slot:0:0"
    assert intent["account"] == "stage-0"
    assert intent["purpose"] == "scheduled"
    assert intent["limits"] == bench.log.records[0].data["checksum"]
    assert bench.log.records[3].data["what"] == "acked"


def test_a_stop_request_is_seen_before_the_rules_and_again_after_the_intent() -> None:
    bench = ready()
    bench.stop_flag = True
    assert codes(bench.ask(basal(100, HOUR))) == {"stop-requested"}
    assert bench.log.kinds() == ["limits", "confirm"]
    bench.stop_flag = False

    def press(kind: str) -> None:
        bench.stop_flag = kind == "intent"

    bench.log.before_append = press
    assert codes(bench.ask(basal(100, HOUR))) == {"stop-requested"}
    assert bench.log.kinds() == ["limits", "confirm", "intent", "outcome"]
    assert bench.log.records[-1].data["what"] == "refused"
    assert (bench.pump.sent, bench.guard.high_nl, bench.guard.unsettled) == ([], 0, None)


@pytest.mark.parametrize(("ms", "sent"), [(1_999, True), (2_000, False), (60_000, False)])
def test_a_permit_that_is_not_sent_within_2_s_is_void(ms: int, sent: bool) -> None:
    """F-67: a disk that took too long."""
    bench = ready()
    bench.log.before_append = lambda kind: bench.wait(ms) if kind == "intent" else None
    answer = bench.ask(basal(100, HOUR))
    assert isinstance(answer, Acked) if sent else codes(answer) == {"permit-expired"}
    assert len(bench.pump.sent) == sent


def test_every_rule_that_says_no_is_told() -> None:
    bench = Bench(LIMITS)
    bench.guard.raise_alarm("silence", "test")
    assert codes(bench.ask(basal(100, HOUR), account="stage-7")) == {
        "limits-missing", "not-confirmed", "inhibition"
    }  # fmt: skip


# --- while sending ------------------------------------------------------------------------------------------


def test_a_driver_that_lets_a_link_error_through_leaves_the_dose_unknown() -> None:
    bench = ready()

    def broken(permit: Permit) -> None:
        raise LinkError("the cable is out")

    bench.pump.deliver = broken  # type: ignore[method-assign, assignment]
    answer = bench.ask(basal(1_000, HOUR))
    assert isinstance(answer, Unknown)
    assert "cable" in answer.detail
    assert bench.guard.high_nl >= 1_000
    assert bench.guard.unsettled is not None


def test_a_mistake_in_a_driver_is_raised_and_the_dose_stays_unknown() -> None:
    bench = ready()

    def mistaken(permit: Permit) -> None:
        raise ZeroDivisionError

    bench.pump.deliver = mistaken  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        bench.ask(basal(1_000, HOUR))
    assert bench.guard.unsettled is not None
    bench.restart()
    assert bench.guard.unsettled is not None


def test_an_outcome_that_cannot_be_written_stays_unknown_here_as_in_the_journal() -> None:
    bench = ready()
    bench.log.before_append = lambda kind: setattr(bench.log, "broken", kind == "outcome")
    assert isinstance(bench.ask(basal(1_000, HOUR)), Acked)
    assert bench.guard.unsettled is not None
    assert codes(bench.ask(basal(1_000, HOUR))) >= {"unsettled", "journal"}


def test_two_requests_that_each_fit_alone_do_not_fit_together() -> None:
    """F-62: the second sees the first."""
    tight = limits([account(rows=rows((13_500, *WIDE[1:])))])
    bench = Bench(tight).confirmed()
    bench.pump.answers = ["lost"]
    assert isinstance(bench.ask(basal(13_500, HOUR)), Unknown)
    bench.guard.resolve(bench.pump.sent[0].id, "tester", "seen")
    bench.wait(HOUR // 2)
    assert codes(bench.ask(basal(13_500, HOUR // 2))) == {"basal-window"}


# --- STOP ---------------------------------------------------------------------------------------------------


def test_stop_goes_out_in_every_state() -> None:
    """S-08, F-51: no limits, not confirmed, unsettled, latched, alarmed, stop flag, full disk."""
    assert isinstance(Bench(None).guard.stop("test"), Acked)
    bench = ready()
    bench.pump.answers = ["unheard"]
    bench.ask(basal(1_000, HOUR))
    bench.guard.raise_alarm("failed", "test")
    bench.stop_flag = bench.log.broken = True
    assert isinstance(bench.guard.stop("test"), Acked)
    assert bench.pump.flows[-1].cut is not None
    given = bench.pump.given()
    bench.wait(DAY)
    assert bench.pump.given() == given


def test_stop_is_sent_before_it_is_written() -> None:
    bench = ready()
    bench.ask(basal(1_000, HOUR))
    order: list[str] = []
    bench.log.before_append = order.append
    plain = bench.pump.stop
    bench.pump.stop = lambda: order.append("sent") or plain()  # type: ignore[method-assign, func-returns-value]
    bench.guard.stop("test")
    assert order == ["sent", "stop"]
    assert bench.log.records[-1].data["why"] == "test"


def test_a_stop_without_an_answer_is_an_alarm_until_one_is_answered_and_somebody_has_seen_it() -> None:
    """F-30, F-63."""
    bench = ready()
    bench.ask(basal(1_000, HOUR))
    bench.pump.stop_answers = ["lost"]
    assert isinstance(bench.guard.stop("test"), Unknown)
    assert "stop-unknown" in {a.row.code for a in bench.guard.alarms}
    assert isinstance(bench.guard.stop("test"), Acked)
    assert "inhibition" in codes(bench.ask(basal(1_000, HOUR)))
    bench.guard.acknowledge("stop-unknown", "tester")
    assert isinstance(bench.ask(basal(1_000, HOUR)), Acked)


def test_a_stop_over_a_broken_link_is_unknown() -> None:
    bench = ready()

    def broken() -> None:
        raise LinkError("the cable is out")

    bench.pump.stop = broken  # type: ignore[method-assign, assignment]
    assert isinstance(bench.guard.stop("test"), Unknown)
    assert bench.log.records[-2].data["what"] == "unknown"


# --- evidence and counters ----------------------------------------------------------------------------------


def test_no_evidence_changes_nothing() -> None:
    bench = ready()
    bench.pump.answers = ["lost"]
    bench.ask(basal(1_000, HOUR))
    before = bench.log.kinds()
    bench.pump.evidence = lambda permit_id: Nothing("silence")  # type: ignore[method-assign]
    assert isinstance(bench.guard.settle(), Nothing)

    def broken(permit_id: int) -> None:
        raise LinkError("the cable is out")

    bench.pump.evidence = broken  # type: ignore[method-assign, assignment]
    assert isinstance(bench.guard.settle(), Nothing)
    assert (bench.log.kinds(), bench.guard.unsettled is not None) == (before, True)


def test_a_pump_that_reset_in_a_bolus_gave_at_most_what_it_says() -> None:
    """F-21, F-68: evidence names the upper end, with a stroke; the bolus is over and never resumed."""
    bench = ready()
    bench.pump.answers = ["unheard"]
    bench.ask(bolus(6_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.wait(5 * MINUTE)
    bench.pump._cut()
    bench.pump.epoch += 1
    bench.guard.settle()
    assert bench.guard.high_nl == 3_000 + 100
    assert [a.row.code for a in bench.guard.alarms] == []
    bench.guard.read_status()
    assert bench.guard.high_nl == 3_100


def test_counter_readings_bound_what_left_from_both_sides_and_never_go_back() -> None:
    """S-24, F-24, F-32: a reset or a fall of the counter is a new baseline, not a credit."""
    bench = ready()
    bench.ask(basal(24_000, 4 * HOUR))
    bench.at(HOUR)
    bench.guard.read_status()
    assert bench.guard.low_nl == 5_900 - 100
    bench.pump.extra_nl = -5_000
    bench.pump.epoch += 1
    bench.guard.read_status()
    assert bench.guard.low_nl == 5_800
    bench.at(2 * HOUR)
    bench.guard.read_status()
    assert bench.guard.low_nl == 5_800 + 6_000 - 100
    assert bench.guard.high_nl >= 24_000


def test_a_status_is_written_down_only_when_it_tells_something() -> None:
    bench = ready()
    bench.ask(basal(24_000, 4 * HOUR))
    for _ in range(20):
        bench.wait(15_000)
        bench.guard.read_status()
    assert "counter" not in bench.log.kinds()
    bench.wait(10 * MINUTE)
    bench.guard.read_status()
    assert bench.log.kinds().count("counter") == 1
    bench.wait(5 * HOUR)
    bench.guard.read_status()
    bench.wait(HOUR)
    bench.guard.read_status()
    assert bench.log.kinds().count("counter") == 2


def test_a_counter_that_runs_away_raises_the_ledger_stops_the_pump_and_blocks() -> None:
    """F-22, F-29."""
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    bench.at(HOUR // 2)
    bench.pump.extra_nl = 50_000
    bench.guard.read_status()
    assert bench.pump.flows[-1].cut == HOUR // 2
    assert {a.row.code for a in bench.guard.alarms} == {"disagreement", "over-delivery"}
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}
    assert "watchdog: disagreement" in str(bench.log.records[-1].data)


def test_a_pump_that_stands_still_is_told_and_left_running_where_the_plan_holds() -> None:
    """F-26, F-27: stopped where the plan says stop, left alone where it has a bounded hold."""
    for max_hold, stopped in ((0, True), (4 * HOUR, False)):
        data = limits([account(rows=rows(WIDE))], max_hold_ms=max_hold)
        bench = Bench(data).confirmed()
        bench.ask(basal(24_000, 4 * HOUR))
        bench.guard.read_status()
        bench.pump.given = lambda now=None: Fraction(0)  # type: ignore[method-assign]
        bench.at(HOUR)
        bench.guard.read_status()
        assert "disagreement" in {a.row.code for a in bench.guard.alarms}
        assert (bench.pump.flows[-1].cut is not None) is stopped


def test_what_the_pump_pushes_is_taken_in_unless_a_later_status_overtook_it() -> None:
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    first = bench.pump.status()
    later = bench.pump.status()
    stalled = PumpStatus(first.epoch, first.tick, 0, PumpState.STALLED, 0)
    bench.pump.notices = lambda: (later,)  # type: ignore[method-assign]
    assert bench.guard.notices() == (later,)
    bench.pump.notices = lambda: (stalled,)  # type: ignore[method-assign]
    bench.guard.notices()
    assert {a.row.code for a in bench.guard.alarms} == {"stalled"}


def test_silence_stops_the_pump_after_three_polls() -> None:
    """F-17: STOP is tried; where it is not answered either, the lease ends by itself."""
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    bench.pump.read_status = lambda: Unknown("silence")  # type: ignore[method-assign]
    for _ in range(3):
        bench.wait(15_000)
        bench.guard.read_status()
    assert active(bench) == []
    bench.wait(1)
    bench.guard.read_status()
    assert active(bench) == ["silence"]
    assert bench.log.kinds()[-3:] == ["alarm", "stop", "alarm"]
    assert bench.log.records[-1].data["what"] == "gone", "it answered the STOP"


# --- people and restarts ------------------------------------------------------------------------------------


def test_limits_that_cannot_be_used_or_are_of_another_pump_change_nothing() -> None:
    bench = ready()
    assert codes(bench.guard.load(b"{}", by="tester", plan_ms=0)) == {"limits-invalid"}
    pump = {
        "name": "x", "protocol": "new-era", "step_nl": 100, "counter_unit_nl": 100, 
        "max_nl_per_h": 1, "max_lease_ms": 1,
    }  # fmt: skip
    other = limits([account(rows=rows(WIDE))], pump=pump)
    assert codes(bench.guard.load(other, by="tester", plan_ms=0)) == {"limits-mismatch"}
    late = limits([account(rows=rows(WIDE))], valid={"from_utc_ms": 0, "until_utc_ms": 1})
    bench.wait(1)
    assert codes(bench.guard.load(late, by="tester", plan_ms=0)) == {"limits-expired"}
    assert bench.log.kinds() == ["limits", "confirm"]
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_a_record_that_has_to_be_written_and_cannot_is_raised() -> None:
    bench = ready()
    bench.pump.answers = ["lost"]
    bench.ask(basal(100, HOUR))
    permit = bench.guard.unsettled
    assert permit is not None
    bench.log.broken = True
    with pytest.raises(JournalError):
        bench.guard.resolve(permit.id, "tester", "seen")
    with pytest.raises(JournalError):
        bench.guard.acknowledge("silence", "tester")
    bench.guard.raise_alarm("silence", "an alarm holds even so")
    assert bench.guard.alarms[0].row.code == "silence"
    bench.guard.clear_alarm("silence")
    assert bench.guard.alarms[0].holds


def test_an_open_intent_is_unsettled_after_a_restart() -> None:
    """F-48: killed between the intent and its outcome."""
    bench = ready()
    bench.ask(basal(1_000, HOUR))
    bench.log.records.pop()
    bench.restart()
    assert bench.guard.unsettled is not None
    assert bench.guard.high_nl >= 1_000
    bench.guard.settle()
    assert bench.guard.unsettled is None


def test_replaying_twice_is_replaying_once() -> None:
    """S-26."""
    bench = ready()
    bench.ask(basal(1_000, HOUR))
    bench.restart()
    once = (bench.guard.low_nl, bench.guard.high_nl, bench.guard.reconciliation())
    bench.restart()
    assert (bench.guard.low_nl, bench.guard.high_nl, bench.guard.reconciliation()) == once


def test_the_same_requests_at_the_same_times_get_the_same_answers() -> None:
    """S-34."""

    def run() -> list[str]:
        bench = ready()
        answers = []
        for i in range(6):
            bench.wait(10 * MINUTE)
            step = bolus(1_000, 30 * MINUTE) if i % 2 else basal(1_000, HOUR)
            purpose = Purpose.SCHEDULED if i % 2 else Purpose.BASAL
            answers.append(str(bench.ask(step, purpose=purpose)))
        return answers

    assert run() == run()


def test_records_of_others_are_left_alone() -> None:
    bench = ready()
    bench.log.append("status", {"anything": 1})
    bench.log.append("plan_time", {"at": 10**12})
    bench.restart()
    assert bench.guard.high_nl == 0


def test_a_command_that_nothing_bounds_may_begin_until_somebody_says_otherwise() -> None:
    """A buffered link and a pump without time to live: the bytes may still be on their way."""
    bench = Bench(LIMITS, replace(CAPABILITIES, buffered=True, ttl_ms=None)).confirmed()
    bench.pump.answers = ["lost"]
    bench.ask(bolus(1_000, 10 * MINUTE), basal(6_000, HOUR), purpose=Purpose.SCHEDULED)
    assert bench.guard.high_nl == 7_001  # a rate that is no whole number of zL/ms is rounded up
    bench.wait(30 * DAY)
    assert bench.guard._state.history.bolus_running(bench.guard._now())
    bench.guard.resolve(bench.pump.sent[0].id, "tester", "the network was taken down")
    assert bench.guard.high_nl == 7_001  # a rate that is no whole number of zL/ms is rounded up
    bench.wait(10 * MINUTE)
    assert isinstance(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED), Acked)


def test_what_others_may_look_at() -> None:
    data = limits([account(rows=rows(WIDE))], max_hold_ms=4 * HOUR, prime_nl=9_000)
    bench = Bench(data)
    assert (bench.guard.plan_ms, bench.guard.hold_until_ms, bench.guard.waiting) == (None, None, True)
    assert bench.guard.inhibitions == {"basal", "scheduled", "patient", "prime"}
    bench.confirmed(plan_ms=5)
    assert (bench.guard.plan_ms, bench.guard.hold_until_ms, bench.guard.inhibitions) == (
        5,
        4 * HOUR,
        frozenset(),
    )
    assert ready().guard.hold_until_ms is None
    bench.ask(prime(9_000, HOUR), purpose=Purpose.PRIME)
    bench.wait(HOUR)
    assert bench.guard.left_by_now_nl == (0, 9_000)
    assert bench.guard.worst("baclofen", 1) == 9_000 // 4
    bench.guard.close()


def test_nobody_confirms_for_a_pump_that_was_used_before_the_journal_without_saying_what_it_gave() -> None:
    clock = ready().clock
    pump = FakePump(clock)
    pump.extra_nl = 7
    guard = GuardedPump(pump, Log(clock), clock, LIMITS, lambda: False)
    pump.extra_nl = 700
    guard.identify()
    guard.read_status()
    with refused("pump-used", "700 nL"):
        guard.confirm(by="x", code=guard.reconciliation().code, plan_ms=0, given={})


def test_a_pump_that_does_not_answer_hello_stays_who_it_was() -> None:
    bench = ready()
    bench.pump.identify = lambda: Unknown("silence")  # type: ignore[method-assign]
    assert isinstance(bench.guard.identify(), Unknown)
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_a_refill_is_recorded_even_where_the_pump_does_not_answer() -> None:
    bench = ready()
    bench.pump.read_status = lambda: Unknown("silence")  # type: ignore[method-assign]
    bench.guard.refill(by="tester", fill_nl=7)
    assert bench.log.kinds()[-1] == "refill"


def test_a_journal_restored_from_an_older_copy_is_raised_to_the_pumps_counter() -> None:
    """F-53: the last command is missing from the journal, the pump has carried it out."""
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(basal(6_000, HOUR))
    bench.at(HOUR)
    bench.guard.read_status()
    copy = list(bench.log.records)
    bench.ask(basal(60_000, HOUR))
    lost = bench.pump.sent[-1].id
    bench.at(2 * HOUR)
    bench.log.records = copy
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.low_nl >= 66_000 - 100
    assert bench.pump.given() <= bench.guard.high_nl
    assert "over-delivery" in active(bench)
    bench.guard.clear_alarm("over-delivery")
    for code in active(bench):
        bench.guard.clear_alarm(code)
        bench.guard.acknowledge(code, "tester")
    bench.confirmed(plan_ms=2 * HOUR, given=None)
    bench.ask(basal(6_000, HOUR))
    assert bench.pump.sent[-1].id != lost


def test_a_status_that_was_told_to_an_earlier_process_proves_nothing_to_the_next() -> None:
    """F-15 over a restart: the pump repeats what it said before it gave 6,000 nL; that is no proof of the contrary."""
    bench = ready()
    old = bench.pump.status()
    bench.guard.read_status()
    bench.ask(basal(6_000, HOUR))
    last = bench.pump.status()
    bench.pump.read_status = lambda: last  # type: ignore[method-assign]
    bench.guard.read_status()
    bench.wait(2 * HOUR)
    bench.restart()
    assert isinstance(bench.guard.read_status(), Unknown)
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl
    assert old.delivered_nl == last.delivered_nl


def test_an_old_status_that_nobody_heard_is_told_by_the_pumps_own_time() -> None:
    """F-15, F-47: its tick is new to us, but its time stands two hours back; drug has flowed since."""
    bench = ready()
    bench.guard.read_status()
    bench.ask(basal(6_000, 4 * HOUR))
    bench.wait(HOUR)
    unheard = bench.pump.status()
    bench.wait(2 * HOUR)
    bench.pump.read_status = lambda: unheard  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl
    bench.pump.notices = lambda: (unheard,)  # type: ignore[method-assign]
    assert bench.guard.notices() == ()
    bench.restart()
    assert isinstance(bench.guard.read_status(), Unknown)
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl


def test_what_was_pushed_may_have_been_on_its_way_since_the_last_answer() -> None:
    """Four minutes late after two hours are within what a clock may be off; the counter is no proof of now."""
    bench = ready()
    bench.guard.read_status()
    bench.ask(basal(6_000, 2 * HOUR))
    bench.wait(2 * HOUR - 4 * MINUTE)
    pushed = bench.pump.status()
    bench.wait(4 * MINUTE)
    bench.pump.notices = lambda: (pushed,)  # type: ignore[method-assign]
    assert bench.guard.notices() == (pushed,)
    assert bench.guard.low_nl <= bench.pump.given() <= bench.guard.high_nl


def test_a_status_that_the_pump_repeats_is_no_news_and_the_third_one_stops_it() -> None:
    """F-15: it neither counts as an answer nor moves the ledger."""
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    first = bench.pump.status()
    bench.pump.read_status = lambda: first  # type: ignore[method-assign]
    bench.guard.read_status()
    known = (bench.guard.low_nl, bench.guard.high_nl, bench.log.kinds())
    bench.wait(HOUR // 2)
    bench.guard.read_status()
    assert (bench.guard.low_nl, bench.guard.high_nl, bench.log.kinds()) == known
    assert not bench.guard.stop_open
    bench.pump.stop_answers = ["lost"]
    bench.guard.read_status()
    assert set(active(bench)) == {"stale", "stop-unknown"}
    assert bench.guard.stop_open
    bench.guard.stop("again")
    assert not bench.guard.stop_open
