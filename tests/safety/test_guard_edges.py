"""What the guard writes down, word for word, and what it does at the edges of what it knows (S-08, S-23, S-35, D-13
to D-16).

36,000 nL/h are 10 nL/s; a grain of the counter is 100 nL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Given,
    NotGiven,
    Nothing,
    Outcome,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.safety.ask import Denial, Denied, Purpose
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.state import LifeSign
from tests.refusals import refused
from tests.safety.kit import (
    CAPABILITIES,
    DAY,
    HOUR,
    MINUTE,
    Bench,
    account,
    basal,
    bolus,
    codes,
    limits,
    prime,
    rows,
)
from tests.safety.plain import RUN, PlainPump, active, plain

WIDE = (10**9,) * 3
STAGE = account(
    rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=9_000, hold={"nl": 6_000, "per_ms": HOUR}
)
CAPS = [{"drug": "baclofen", "hours": 24, "pg": 10**9}]
LIMITS = limits([STAGE], caps=CAPS, max_hold_ms=4 * HOUR)
SMALLER, LARGER = (
    limits([STAGE], caps=CAPS, max_hold_ms=4 * HOUR, fill_nl=nl) for nl in (1_000_000, 2_000_000)
)


def ready(data: bytes = LIMITS) -> Bench:
    bench = Bench(data).confirmed()
    bench.pump.latency_ms = 0
    return bench


def written(bench: Bench, *fields: str) -> dict[str, object]:
    """These fields of the last record."""
    return {field: bench.log.records[-1].data[field] for field in fields}


# --- what others may look at ------------------------------------------------------------------------------------


def test_ages_are_counted_from_when_it_was_heard_or_raised_wherever_the_clock_stands() -> None:
    bench = ready()
    bench.wait(HOUR)
    status = bench.guard.read_status()
    bench.guard.raise_alarm("stalled", "test")
    bench.wait(MINUTE)
    assert bench.guard.last_status == (status, 60_000)
    (alarm,) = bench.guard.alarms
    assert bench.guard.alarm_age_ms(alarm) == 60_000


def test_what_is_known_changes_with_a_record_and_not_with_a_status_that_tells_nothing_new() -> None:
    bench = ready()
    bench.guard.read_status()
    before = bench.guard.changes
    bench.wait(15_000)
    bench.guard.read_status()
    assert bench.guard.changes == before
    bench.guard.raise_alarm("stalled", "test")
    assert bench.guard.changes == before + 1


@pytest.mark.parametrize(("max_hold_ms", "holds"), [(0, False), (1, True)])
def test_a_plan_holds_if_it_has_any_hold_at_all(max_hold_ms: int, holds: bool) -> None:
    bench = ready(limits([STAGE], caps=CAPS, max_hold_ms=max_hold_ms))
    assert bench.guard.may_hold is holds
    assert (bench.guard.hold_until_ms == max_hold_ms) is holds


def test_while_nobody_knows_how_long_the_host_was_off_a_hold_may_last_one_longest_hold_from_now() -> None:
    """D-14: by its volume it is bounded over all restarts; an hour of this boot has gone by."""
    bench, _ = plain()
    bench.ask(RUN)
    bench.wait(HOUR // 2)
    bench.clock.reboot()
    bench.restart()
    bench.guard.raise_alarm("waiting", "the first record of this boot")
    bench.wait(HOUR)
    assert not bench.guard.elapsed_known
    assert bench.guard.hold_until_ms == 5 * HOUR


def test_to_let_go_of_the_pump_closes_its_driver_and_sends_nothing() -> None:
    bench = ready()
    done: list[str] = []
    bench.pump.close = lambda: done.append("closed")  # type: ignore[method-assign]
    bench.pump.stop = lambda: pytest.fail("a STOP was sent")  # type: ignore[method-assign]
    bench.guard.close()
    assert done == ["closed"]


# --- a dose -------------------------------------------------------------------------------------------------------


def test_an_answer_that_shows_drug_nobody_permitted_stops_the_pump_at_once() -> None:
    """S-23: at the next poll it could be an hour later."""
    bench = ready()
    bench.guard.read_status()
    bench.wait(MINUTE)
    bench.pump.extra_nl = 50_000
    assert isinstance(bench.ask(basal(36_000, HOUR)), Acked)
    assert active(bench) == {"disagreement", "over-delivery"}
    assert bench.pump.flows[-1].cut == MINUTE


@pytest.mark.parametrize("late", [False, True])
def test_an_intent_that_was_not_sent_is_settled_in_the_journal_with_why(late: bool) -> None:
    bench = ready()

    def while_written(kind: str) -> None:
        if kind == "intent":
            bench.stop_flag = not late
            bench.wait(2_000 if late else 0)

    bench.log.before_append = while_written
    bench.ask(basal(100, HOUR))
    assert bench.log.records[-1].kind == "outcome"
    assert written(bench, "what", "code") == {
        "what": "refused",
        "code": "permit-expired" if late else "stop-requested",
    }


# --- STOP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "told"), [
    (Unknown("the cable is out"), "the cable is out"), (Refused("busy", None), "busy"),
])  # fmt: skip
def test_a_stop_that_was_not_acknowledged_tells_what_came_back(outcome: Outcome, told: str) -> None:
    bench = ready()
    bench.pump.stop = lambda: outcome  # type: ignore[method-assign]
    bench.guard.stop("by hand")
    (alarm,) = bench.guard.alarms
    assert alarm.row.code == "stop-unknown"
    assert "by hand" in alarm.detail
    assert told in alarm.detail
    assert bench.guard.stop_open


def test_a_stop_that_is_open_is_open_after_a_restart_until_one_is_acknowledged() -> None:
    """S-08, F-63: the process may die before it could send it again."""
    bench = ready()
    bench.guard.raise_alarm("stalled", "another one")
    assert not bench.restart().stop_open
    bench.pump.stop_answers = ["lost"]
    bench.guard.stop("by hand")
    assert bench.restart().stop_open
    bench.guard.acknowledge("stop-unknown", "tester")
    assert bench.restart().stop_open, "that somebody has seen it stops no pump"
    bench.guard.stop("again")
    assert not bench.restart().stop_open


def test_a_stop_that_was_acknowledged_is_not_open_after_a_restart_though_nobody_has_seen_its_alarm() -> None:
    bench = ready()
    bench.pump.stop_answers = ["lost"]
    bench.guard.stop("by hand")
    bench.guard.stop("again")
    assert [alarm.row.code for alarm in bench.restart().alarms] == ["stop-unknown"]
    assert not bench.guard.stop_open


# --- evidence ---------------------------------------------------------------------------------------------------------


def unknown_bolus(evidence: Callable[[PumpStatus], Evidence]) -> Bench:
    """6,000 nL in ten minutes, whose outcome is unknown; asked for after five."""
    bench = ready()
    bench.pump.answers = ["unheard"]
    bench.ask(bolus(6_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    bench.wait(5 * MINUTE)
    bench.pump.evidence = lambda permit_id: evidence(bench.pump.status())  # type: ignore[method-assign]
    bench.guard.settle()
    return bench


def test_evidence_of_what_was_given_is_written_with_both_bounds_and_the_upper_one_counts() -> None:
    bench = unknown_bolus(lambda status: Given(1_000, 2_000, True, status))
    assert bench.log.records[-1].kind == "evidence"
    assert written(bench, "id", "what", "lo", "hi", "ended", "why") == {
        "id": bench.pump.sent[0].id, "what": "given", "lo": 1_000, "hi": 2_000, "ended": True, "why": None,
    }  # fmt: skip
    assert bench.guard.high_nl == 2_100, "with a stroke"


def test_proof_that_nothing_was_given_is_written_with_its_reason() -> None:
    bench = unknown_bolus(lambda status: NotGiven("the pump does not know it", status))
    assert bench.log.records[-1].kind == "evidence"
    assert written(bench, "id", "what", "lo", "hi", "ended", "why") == {
        "id": bench.pump.sent[0].id, "what": "not-given", "lo": 0, "hi": 0, "ended": True,
        "why": "the pump does not know it",
    }  # fmt: skip
    assert bench.guard.high_nl == 0


def not_identified(*, stands: bool) -> tuple[GuardedPump, PlainPump]:
    """Started anew on a pump that was told to run, and nobody has asked who it is."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    if stands:
        bench.guard.stop("to look")
    guard = bench._guard()
    guard.replay(bench.log.records)
    guard.read_status()
    return guard, pump


def test_of_a_pump_that_nobody_has_asked_who_it_is_nothing_is_proven() -> None:
    guard, _ = not_identified(stands=False)
    assert guard.last_status is not None
    assert guard.last_status[0].state is PumpState.RUNNING
    assert guard.running_permit() is None


def test_a_pump_that_nobody_has_asked_who_it_is_is_not_asked_what_it_holds() -> None:
    guard, pump = not_identified(stands=True)
    guard.recognise()
    assert pump.asked == 0


def test_a_pump_that_may_be_told_something_while_it_runs_is_not_recognised_by_what_it_holds() -> None:
    """It names what it runs, and keeps what it was told: its ids tell whether it is the one."""
    bench, pump = plain(stops_first=False)
    bench.ask(RUN)
    bench.guard.stop("to look")
    pump.proof = lambda: Nothing("it holds another one", other=True)
    bench.guard.read_status()
    bench.guard.recognise()
    assert (pump.asked, active(bench)) == (0, set())


# --- people ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "reason"), [("", "seen"), ("tester", ""), ("", "")])
def test_nobody_resolves_a_command_without_a_name_and_a_reason(by: str, reason: str) -> None:
    """D-15."""
    bench = ready()
    bench.pump.answers = ["lost"]
    bench.ask(basal(100, HOUR))
    with refused("no-name-or-reason"):
        bench.guard.resolve(bench.pump.sent[0].id, by, reason)
    assert bench.guard.unsettled is not None
    assert "resolve" not in bench.log.kinds()


def test_only_a_command_that_is_open_is_resolved_and_who_did_it_and_why_is_written_down() -> None:
    bench = ready()
    bench.pump.answers = ["lost"]
    bench.ask(basal(100, HOUR))
    (permit,) = bench.pump.sent
    with refused("no-such-command"):
        bench.guard.resolve(permit.id + 1, "tester", "seen")
    bench.guard.resolve(permit.id, "tester", "the cable was out")
    assert bench.log.kinds().count("resolve") == 1
    assert written(bench, "id", "by", "reason") == {
        "id": permit.id,
        "by": "tester",
        "reason": "the cable was out",
    }
    with refused("no-such-command"):
        bench.guard.resolve(permit.id, "tester", "once more")


def test_a_refill_reads_the_counter_first_and_tells_who_filled_what() -> None:
    """What has left belongs to the old fluid: 6,000 nL, to a grain."""
    bench = ready()
    bench.ask(basal(36_000, HOUR))
    bench.wait(10 * MINUTE)
    bench.guard.refill(by="tester", fill_nl=18_000_000, fluid={"baclofen": 500_000}, new_path=True)
    assert bench.log.kinds()[-2:] == ["counter", "refill"]
    assert bench.log.records[-2].data["counter"] == 6_000
    assert written(bench, "by", "fill_nl", "fluid", "new_path") == {
        "by": "tester", "fill_nl": 18_000_000, "fluid": {"baclofen": 500_000}, "new_path": True,
    }  # fmt: skip
    assert bench.guard.low_nl == 5_900


def test_a_refill_of_which_nothing_else_is_said_is_the_same_fluid_in_the_same_path() -> None:
    """D-12: a refill alone lets nobody prime once more."""
    bench = ready(limits([STAGE], caps=CAPS, prime_nl=9_000))
    assert isinstance(bench.ask(prime(9_000, HOUR), purpose=Purpose.PRIME), Acked)
    bench.wait(2 * HOUR)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    assert written(bench, "fluid", "new_path") == {"fluid": None, "new_path": False}
    assert codes(bench.ask(prime(9_000, HOUR), purpose=Purpose.PRIME)) == {"prime"}


def test_a_counter_before_there_are_limits_is_not_written_down_for_a_refill() -> None:
    """It could be compared with nothing; the first one that can tells how long the host was off."""
    bench = Bench(LIMITS)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    assert bench.log.kinds() == ["refill"]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_limits_that_are_loaded_are_those_in_hand_from_then_on() -> None:
    """Started without a file: the rest goes by what was loaded."""
    bench = Bench(None)
    assert "Limits" not in bench.guard.reconciliation().words
    assert bench.guard.load(LIMITS, by="tester", plan_ms=None) is None
    assert "of plan TEST" in bench.guard.reconciliation().words
    bench.confirmed()
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_limits_that_cannot_be_used_leave_those_in_hand() -> None:
    bench = ready()
    assert codes(bench.guard.load(b"", by="tester", plan_ms=0)) == {"limits-invalid"}
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def in_force(bench: Bench) -> list[object]:
    """Volumes of fill of all limits that were put in force."""
    return [record.data["limits"]["fill_nl"] for record in bench.log.records if record.kind == "limits"]


def test_the_same_limits_are_written_once_unless_they_bring_another_plan_time() -> None:
    bench = ready(SMALLER)
    bench.restart()
    bench.confirmed(given=None)
    assert bench.guard.load(SMALLER, by="tester", plan_ms=None) is None
    assert in_force(bench) == [1_000_000]
    assert bench.guard.load(SMALLER, by="tester", plan_ms=2 * HOUR) is None
    assert in_force(bench) == [1_000_000, 1_000_000]
    assert bench.guard.plan_ms == 2 * HOUR


@pytest.mark.parametrize(("first", "then"), [(SMALLER, LARGER), (LARGER, SMALLER)])
def test_other_limits_are_put_in_force_by_a_load_and_by_the_confirm_of_a_restart_with_them(
    first: bytes, then: bytes
) -> None:
    bench = ready(first)
    assert bench.guard.load(then, by="tester", plan_ms=None) is None
    bench.limits = first
    bench.restart()
    assert len(in_force(bench)) == 2, "not before somebody has confirmed them"
    bench.confirmed(given=None)
    assert in_force(bench) in ([1_000_000, 2_000_000, 1_000_000], [2_000_000, 1_000_000, 2_000_000])


# --- time -------------------------------------------------------------------------------------------------------------


def last_alive(bench: Bench) -> list[object]:
    return [record.data["at"] for record in bench.log.records if record.kind == "alive"]


@pytest.mark.parametrize(("at", "counts"), [(90 * MINUTE, True), (90 * MINUTE + 1, False)])
def test_a_sign_of_life_may_be_as_young_as_now(at: int, counts: bool) -> None:
    bench = ready()
    bench.ask(basal(100, HOUR))
    bench.wait(90 * MINUTE)
    bench.restart().lived_until(LifeSign("virtual-boot-0", at))
    assert last_alive(bench) == ([at] if counts else [])


def test_a_sign_of_the_boot_before_counts_wherever_the_clock_of_this_boot_stands_and_whatever_it_is_called() -> (
    None
):
    """Boot ids are in no order: "virtual-boot-9" comes after "virtual-boot-10" in the alphabet."""
    bench = Bench(LIMITS)
    for _ in range(9):
        bench.clock.reboot()
    bench.confirmed()
    bench.wait(90 * MINUTE)
    bench.clock.reboot()
    bench.restart().lived_until(LifeSign("virtual-boot-9", 30 * MINUTE))
    assert last_alive(bench) == [30 * MINUTE]


def rebooted(*, ahead_ms: int) -> Bench:
    """The host was off, and its clock is ahead of what is known to have gone by."""
    bench, _ = plain()
    bench.ask(RUN)
    bench.clock.reboot()
    bench.restart()
    bench.guard.raise_alarm("waiting", "the first record of this boot")
    bench.clock.jump_wall(ahead_ms + 1)  # guard time has gone on by 1 ms
    return bench


@pytest.mark.parametrize(("ahead_ms", "off_ms"), [(-2_000, 0), (0, 0), (1, 1), (HOUR, HOUR)])
def test_the_time_off_that_is_confirmed_is_what_the_words_said_and_never_less_than_none(
    ahead_ms: int, off_ms: int
) -> None:
    bench = rebooted(ahead_ms=ahead_ms)
    bench.confirmed(given=None)
    assert written(bench, "off_ms") == {"off_ms": off_ms}
    assert bench.guard.elapsed_known


def test_a_clock_that_is_behind_by_more_than_2_s_confirms_no_time_off() -> None:
    bench = rebooted(ahead_ms=-2_001)
    with refused("clock-behind"):
        bench.confirmed(given=None)


def test_where_it_is_known_how_long_the_host_was_off_a_clock_that_is_behind_keeps_nobody_from_confirming() -> (
    None
):
    """The words say what it does to the time of day; nothing ages by it."""
    bench = ready()
    bench.clock.jump_wall(-HOUR)
    bench.confirmed(given=None)
    assert written(bench, "off_ms") == {"off_ms": None}


# --- what the answer to a STOP tells --------------------------------------------------------------------------------


def unheard(bench: Bench) -> None:
    """Asked four times and not heard: the fourth time the guard stops the pump, which answers that."""
    bench.pump.read_status = lambda: Unknown("silence")  # type: ignore[method-assign]
    for _ in range(4):
        bench.wait(15_001)
        bench.guard.read_status()
    assert bench.log.kinds().count("stop") == 1, "one STOP, whatever its answer tells"


def by_a_person(bench: Bench) -> None:
    bench.wait(MINUTE)
    bench.guard.stop("by hand")


HOW = pytest.mark.parametrize("how", [unheard, by_a_person])


@HOW
def test_drug_that_nobody_permitted_is_an_alarm_though_only_the_answer_to_a_stop_shows_it(
    how: Callable[[Bench], None],
) -> None:
    """S-23, F-22. Seen: it counted, and was never told: after the STOP of a silent pump the plan could go on."""
    bench = ready(limits([STAGE], caps=CAPS))
    bench.ask(RUN)
    bench.guard.read_status()
    bench.pump.extra_nl = 50_000
    how(bench)
    assert {"disagreement", "over-delivery"} <= active(bench)
    assert codes(bench.ask(basal(100, HOUR))) == {"inhibition"}


@HOW
def test_power_that_was_lost_is_an_alarm_though_only_the_answer_to_a_stop_shows_it(
    how: Callable[[Bench], None],
) -> None:
    """F-21. Seen: a pump that stood still for minutes had only been silent."""
    bench = ready(limits([STAGE], caps=CAPS))
    bench.ask(RUN)
    bench.guard.read_status()
    bench.pump._cut()
    bench.pump.epoch += 1
    how(bench)
    assert "pump-reset" in active(bench)


@HOW
def test_a_reservoir_that_runs_low_is_an_alarm_though_only_the_answer_to_a_stop_shows_it(
    how: Callable[[Bench], None],
) -> None:
    """REQ18. Seen: nobody was told until the next refill."""
    bench = ready(limits([STAGE], caps=CAPS, fill_nl=20_000, alarm_nl=19_700))
    bench.ask(basal(18_000, HOUR // 2))
    bench.guard.read_status()
    how(bench)
    assert "reservoir-low" in active(bench)


# --- alarms that are written down ------------------------------------------------------------------------------------


def over_delivered(nl: int) -> Bench:
    """So much left that nobody permitted; it was found, seen and resolved."""
    bench = ready()
    bench.ask(RUN)
    bench.guard.read_status()
    bench.pump.extra_nl = nl
    bench.guard.stop("to look")
    assert active(bench) == {"disagreement", "over-delivery"}
    for code in ("disagreement", "over-delivery"):
        bench.guard.acknowledge(code, "tester")
        bench.guard.clear_alarm(code)
    return bench


def test_what_was_found_and_resolved_is_not_told_again_with_each_record() -> None:
    bench = over_delivered(50_000)
    assert isinstance(bench.ask(RUN), Acked)
    bench.guard.stop("to look once more")
    assert active(bench) == set()


def test_what_is_found_later_is_told_by_itself() -> None:
    """10,000 nL more, and a grain, while no process looked; not the 50,000 of before."""
    bench = over_delivered(50_000)
    bench.pump.extra_nl += 10_000
    bench.restart().read_status()
    (told,) = {alarm.detail for alarm in bench.guard.alarms}
    assert told == "the counter shows 10100 nL that nobody permitted"


@pytest.mark.parametrize("code", ["empty", "stalled"])
def test_a_reservoir_that_is_low_by_the_ledger_keeps_its_own_alarm_and_no_other(code: str) -> None:
    bench = ready(limits([STAGE], caps=CAPS, fill_nl=20_000, alarm_nl=19_700))
    bench.ask(basal(18_000, HOUR // 2))
    bench.wait(MINUTE)
    bench.guard.stop("to look")
    bench.guard.raise_alarm(code, "told by the pump")
    bench.guard.clear_alarm(code)
    bench.guard.clear_alarm("reservoir-low")
    assert {alarm.row.code: alarm.holds for alarm in bench.guard.alarms} == {
        code: False,
        "reservoir-low": True,
    }


def test_that_an_alarm_recurs_is_said_when_it_comes_and_not_again_when_it_goes() -> None:
    """R6.5.0(18): else who has seen it has to come once more."""
    bench = ready()
    for _ in range(3):
        bench.wait(MINUTE)
        bench.guard.clear_alarm("stalled")
        bench.guard.raise_alarm("stalled", "test")
    assert active(bench) == {"stalled", "recurring"}
    bench.guard.acknowledge("recurring", "tester")
    bench.guard.clear_alarm("stalled")
    assert active(bench) == {"stalled"}


def test_an_alarm_that_the_table_does_not_have_is_a_mistake_that_spoils_no_journal() -> None:
    """X10. Seen: it was written down first, and no later process could take the journal up again."""
    bench = ready()
    with pytest.raises(KeyError):
        bench.guard.raise_alarm("no-such-alarm", "test")
    assert "alarm" not in bench.log.kinds()
    assert bench.restart().alarms == ()


# --- small print --------------------------------------------------------------------------------------------------


def test_what_the_guard_itself_refuses_has_a_code_and_no_figures() -> None:
    bench = ready()
    bench.stop_flag = True
    answer = bench.ask(basal(100, HOUR))
    assert isinstance(answer, Denied)
    (denial,) = answer.denials
    assert denial == Denial("stop-requested", None, 0, 0, 0, None, denial.detail)


@pytest.mark.parametrize("serial", ["FAKE-0", "FAKE-2"])
def test_any_other_serial_number_is_another_pump(serial: str) -> None:
    """F-19; the right one is FAKE-1."""
    bench = ready()
    bench.pump.serial = serial
    bench.guard.identify()
    assert active(bench) == {"wrong-pump"}


def test_nobody_confirms_before_the_pump_was_asked_who_it_is() -> None:
    """S-33: the confirm binds the journal to its pump."""
    bench = Bench(LIMITS)
    bench.guard = bench._guard()
    with refused("pump-unidentified"):
        bench.confirmed()
    bench.guard.identify()
    bench.confirmed()


def test_a_pump_may_be_off_by_two_of_its_grains_and_by_what_it_runs_ahead() -> None:
    """What the witness allows for; by the limits in force, before there are any by those in hand."""
    pump = {
        "name": "fake", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 1_000, "max_nl_per_h": 1_000_000,
        "max_lease_ms": DAY,
    }  # fmt: skip
    data = limits([STAGE], caps=CAPS, max_hold_ms=4 * HOUR, pump=pump)
    bench = Bench(data, replace(CAPABILITIES, counter_unit_nl=1_000, ahead_nl=500))
    assert bench._guard()._slack_nl() == 2_000, "nobody has asked the pump yet"
    assert bench.guard._slack_nl() == 2_500
    bench.confirmed()
    bench.limits = None
    assert bench.restart()._slack_nl() == 2_500
    assert Bench(None).guard._slack_nl() == 2
