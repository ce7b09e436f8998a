"""D-13, D-15, F-19: what is proven of a pump without serial number and ids, that is stopped to be told anything.

The process dies 10 min after 36,000 nL/h were told, when 6,000 nL have flowed, and another one asks what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked, Evidence, Nothing, Permit, PumpState, Refused
from pump_ctrl.errors import LinkError
from tests.refusals import refused
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, codes
from tests.safety.plain import RUN, PlainPump, active, plain

NAMELESS = "The pump tells no serial number: look that it is the one that was used before."
ODD = "It does not hold what this journal told it last: it may be another one, or was set by hand."


def after_a_death(**can: object) -> tuple[Bench, PlainPump]:
    """Told to run, dead after 10 min, started anew; the pump was not asked yet."""
    bench, pump = plain(**can)
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    bench.restart()
    return bench, pump


def after_a_reboot() -> tuple[Bench, PlainPump]:
    """Told to run, the host off after 10 min and started anew: nobody knows for how long."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(10 * MINUTE)
    bench.clock.reboot()
    pump.epoch += 1  # another session of the driver
    bench.restart()
    bench.guard.read_status()
    return bench, pump


def told_last(bench: Bench) -> int:
    return bench.pump.sent[-1].id


# --- a pump that is stopped before it is told anything --------------------------------------------------------


def test_a_refusal_with_the_status_of_a_pump_that_stands_still_for_it_ends_the_old_run() -> None:
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(HOUR // 2)
    pump.answers = ["no"]
    assert isinstance(bench.ask(RUN), Refused)
    assert bench.log.records[-1].data["stands"] is True
    assert pump.given() == 18_000
    assert 18_000 <= bench.guard.high_nl <= 18_100
    assert not bench.guard.in_run, "nothing runs: this is no sign of life in RUN"
    bench.restart()
    assert 18_000 <= bench.guard.high_nl <= 18_100


def runs_on(pump: PlainPump) -> None:
    pump.stops = False


def says_nothing(pump: PlainPump) -> None:
    pump.tells = lambda: None


def repeats(pump: PlainPump) -> None:
    old = pump.status()._replace(state=PumpState.IDLE, tick=1)
    pump.tells = lambda: old


def is_not_heard(pump: PlainPump) -> None:
    pump.answers = ["lost"]


@pytest.mark.parametrize("how", [runs_on, says_nothing, repeats, is_not_heard])
def test_a_refusal_that_shows_no_standstill_leaves_the_whole_old_run_in_the_upper_bound(
    how: Callable[[PlainPump], None],
) -> None:
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(HOUR // 2)
    pump.answers = ["no"]
    how(pump)
    bench.ask(RUN)
    assert "stands" not in bench.log.records[-1].data
    assert bench.guard.high_nl >= 36_000


def test_a_refusal_of_a_pump_that_is_not_stopped_for_a_command_ends_nothing_even_if_it_says_idle() -> None:
    bench, pump = plain(stops_first=False)
    bench.ask(RUN)
    bench.at(HOUR // 2)
    pump.answers = ["no"]
    assert isinstance(bench.ask(RUN), Refused)
    status = bench.guard.last_status
    assert status is not None
    assert status[0].state is PumpState.IDLE
    assert "stands" not in bench.log.records[-1].data
    assert bench.guard.in_run


@pytest.mark.parametrize(("stops_first", "narrows"), [(True, False), (False, True)])
def test_a_counter_that_is_read_in_a_run_takes_nothing_away_where_it_may_be_an_old_one(
    stops_first: bool, narrows: bool
) -> None:
    """The pump is 3,000 nL behind. What it says counts as least at once, and as most when it stands still."""
    bench, pump = plain(stops_first=stops_first)
    bench.ask(RUN)
    bench.at(HOUR // 2)
    pump.counter_nl = 15_000
    bench.guard.read_status()
    assert bench.guard.low_nl == 14_900
    assert (bench.guard.high_nl < 36_000) is narrows
    bench.guard.stop("to look")
    assert 15_000 <= bench.guard.high_nl <= 15_100


# --- what runs (D-13) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("can", "acked_ms", "counter_nl", "is_it"), [
    ({}, 0, 5_899, False), ({}, 0, 5_900, True), ({}, 0, 6_100, True), ({}, 0, 6_101, False),
    ({}, 1_000, 5_889, False), ({}, 1_000, 5_890, True),  # begun up to 1 s late
    ({"ahead_nl": 150}, 0, 6_250, True), ({"ahead_nl": 150}, 0, 6_251, False),
])  # fmt: skip
def test_a_run_is_left_alone_after_a_restart_only_if_its_counter_is_within_a_grain_of_what_it_must_have_given(
    can: dict[str, int], acked_ms: int, counter_nl: int, is_it: bool
) -> None:
    bench, pump = plain(**can)
    pump.latency_ms = acked_ms
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    bench.restart()
    pump.counter_nl = counter_nl
    bench.guard.read_status()
    assert (bench.guard.running_permit() == told_last(bench)) is is_it
    assert is_it or bench.guard.running_permit() is None
    assert active(bench) == set()


def test_a_run_whose_counter_is_far_ahead_is_stopped_and_is_no_run_to_leave_alone() -> None:
    bench, pump = after_a_death()
    pump.counter_nl = 9_000
    bench.guard.read_status()
    assert active(bench) == {"disagreement", "over-delivery"}
    assert pump.status().state is PumpState.IDLE
    assert bench.guard.running_permit() is None


def test_a_run_that_is_far_ahead_and_cannot_be_stopped_is_not_left_alone_and_stop_stays_open() -> None:
    bench, pump = after_a_death()
    pump.counter_nl, pump.stop_answers = 9_000, ["lost"]
    bench.guard.read_status()
    assert active(bench) == {"disagreement", "over-delivery", "stop-unknown"}
    assert bench.guard.stop_open
    assert bench.guard.running_permit() is None, "what nobody permitted explains no counter"
    assert bench.guard.standing == (True, False)


@pytest.mark.parametrize(("ended", "is_it"), [(False, True), (True, False)])
def test_evidence_decides_before_the_counter_which_is_not_looked_at_then(ended: bool, is_it: bool) -> None:
    bench, pump = after_a_death()
    pump.counter_nl = 5_000 if is_it else 6_000
    pump.gave(pump.counter_nl, ended=ended)
    bench.guard.read_status()
    assert bench.guard.running_permit() == (told_last(bench) if is_it else None)


def test_what_runs_is_not_the_last_command_if_that_was_proven_not_to_be_carried_out() -> None:
    bench, pump = after_a_death()
    pump.gave_nothing()
    bench.guard.read_status()
    assert bench.guard.running_permit() is None


@pytest.mark.parametrize("counter_nl", [6_000, 5_000])
def test_a_line_that_breaks_while_evidence_is_asked_for_is_no_evidence_and_the_counter_decides(
    counter_nl: int,
) -> None:
    def broken() -> Evidence:
        raise LinkError("the cable was pulled")

    bench, pump = after_a_death()
    pump.proof, pump.counter_nl = broken, counter_nl
    bench.guard.read_status()
    assert bench.guard.running_permit() == (told_last(bench) if counter_nl == 6_000 else None)


def test_a_pump_that_names_what_it_runs_is_believed_and_not_asked_again() -> None:
    bench, pump = after_a_death()
    pump.names = 77
    bench.guard.read_status()
    assert bench.guard.running_permit() == 77
    assert pump.asked == 0


def test_nothing_is_proven_of_a_pump_that_was_not_heard_or_stands_still() -> None:
    bench, pump = after_a_death()
    pump.gave(6_000, ended=False)
    assert bench.guard.running_permit() is None
    bench.guard.stop("by hand")
    assert bench.guard.running_permit() is None
    assert pump.asked == 0


def test_nothing_is_proven_while_an_outcome_is_unknown() -> None:
    """The counter is that of the run before, which the command that was lost may have ended or not."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    pump.answers, pump.stops = ["lost"], False
    bench.ask(RUN)
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.settle() is not None
    asked = pump.asked
    assert bench.guard.running_permit() is None
    assert pump.asked == asked


def test_a_pump_that_runs_by_hand_before_this_journal_told_it_anything_is_not_asked_for_evidence() -> None:
    bench, pump = plain()
    pump.deliver(Permit(1, (RUN,), DAY))
    bench.guard.read_status()
    assert bench.guard.running_permit() is None
    assert pump.asked == 0


def test_a_command_that_was_refused_is_not_what_runs_whatever_the_counter_shows() -> None:
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    pump.answers, pump.stops = ["no"], False
    assert isinstance(bench.ask(RUN), Refused)
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.running_permit() is None


def test_a_counter_that_commands_do_not_clear_is_no_proof_of_what_runs() -> None:
    bench, _ = after_a_death(clears_counter=False)
    bench.guard.read_status()
    assert bench.guard.running_permit() is None


def test_a_counter_is_no_proof_on_a_pump_of_another_kind_than_was_confirmed() -> None:
    """F-19: without a serial number model and firmware are all that tells two pumps apart."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    pump.firmware = "2"
    bench.restart()
    bench.guard.read_status()
    assert bench.guard.running_permit() is None
    assert active(bench) == {"wrong-pump"}
    pump.firmware = "1"
    bench.guard.identify()
    assert bench.guard.running_permit() == told_last(bench)


def test_a_counter_is_no_proof_while_nobody_knows_how_long_the_host_was_off() -> None:
    bench, _ = plain()
    bench.ask(RUN)
    bench.clock.reboot()
    bench.restart()
    bench.guard.read_status()
    assert not bench.guard.elapsed_known
    assert bench.guard.running_permit() is None
    assert not bench.guard._state.history.agrees(told_last(bench), 0, bench.guard._now(), 100)


def test_a_counter_is_no_proof_after_a_reboot_that_could_not_be_written_down() -> None:
    """Guard time stands, and the run is 5 s old: what it has given by then agrees by chance."""
    bench, pump = plain()
    bench.ask(RUN)
    bench.wait(5_000)
    bench.clock.reboot()
    bench.restart()
    bench.log.broken = True
    bench.guard.read_status()
    assert 0 < pump.counter_nl <= 100
    assert bench.guard.running_permit() is None


@pytest.mark.parametrize("told", [10 * MINUTE, MINUTE])
def test_a_time_off_that_is_told_too_short_takes_nothing_out_of_the_ledger_that_the_counter_shows(
    told: int,
) -> None:
    """S-03. Seen: 29 of 60 uL were forgotten when the STOP after the start seemed to have come after a minute."""
    bench, pump = after_a_reboot()
    bench.guard.stop("waiting")
    bench.confirmed(plan_ms=11 * MINUTE, given=None, off_ms=told)
    assert pump.given() == 6_000
    assert 6_000 <= bench.guard.high_nl <= 6_300
    assert active(bench) == set(), "the pump did nothing wrong"


def test_the_words_hold_still_while_a_person_types_though_the_pump_goes_on_after_a_reboot() -> None:
    """D-18. Seen: each status was written down, and nobody could confirm as long as a hold flowed."""
    bench, _ = after_a_reboot()
    code = bench.guard.reconciliation().code
    for _ in range(4):
        bench.wait(15_000)
        bench.guard.read_status()
    assert bench.guard.reconciliation().code == code


# --- whether it is the same pump (F-19) --------------------------------------------------------------------------


def is_odd(bench: Bench) -> bool:
    bench.guard.read_status()
    bench.guard.recognise()
    return ODD in bench.guard.reconciliation().words


def at_rest(**can: object) -> tuple[Bench, PlainPump]:
    """Told, stopped, and started anew."""
    bench, pump = plain(**can)
    bench.ask(RUN)
    bench.at(10 * MINUTE)
    bench.guard.stop("for the night")
    bench.restart()
    return bench, pump


def test_a_pump_at_rest_that_does_not_hold_what_it_was_told_last_is_told_to_a_person() -> None:
    bench, pump = at_rest()
    assert is_odd(bench)
    pump.gave(6_000)  # the right one was put back
    assert not is_odd(bench)
    pump.gave_nothing()  # it holds it, and never began
    assert not is_odd(bench)


def test_a_pump_with_a_serial_number_is_known_by_that() -> None:
    bench, pump = at_rest(number="12")
    assert not is_odd(bench)
    assert NAMELESS not in bench.guard.reconciliation().words
    assert len(pump.sent) == 1


def test_a_pump_that_runs_or_was_not_heard_is_not_asked_what_it_holds() -> None:
    bench, pump = after_a_death()
    bench.guard.recognise()
    assert not is_odd(bench)
    assert pump.asked == 0


def test_a_pump_behind_a_network_where_bytes_may_wait_is_not_called_another_one_for_that() -> None:
    bench, _ = at_rest(buffered=True)
    assert not is_odd(bench)


@pytest.mark.parametrize("can", [{}, {"number": "12"}, {"buffered": True}])
def test_a_pump_that_holds_a_command_which_the_journal_does_not_know_gets_nothing_but_stop(
    can: dict[str, Any],
) -> None:
    """F-53: the journal was put back from a copy; what its last hours gave is not in it."""
    bench, pump = at_rest(**can)
    pump.proof = lambda: Nothing("it holds another one", other=True)
    is_odd(bench)
    assert active(bench) == {"wrong-pump"}
    with refused("journal-older"):
        bench.confirmed(plan_ms=10 * MINUTE, given=None)
    assert isinstance(bench.guard.stop("at any time"), Acked)
    pump.gave(6_000)  # the journal that belongs to it is there again
    is_odd(bench)
    bench.confirmed(plan_ms=10 * MINUTE, given=None)
    bench.guard.acknowledge("wrong-pump", "tester")
    assert isinstance(bench.ask(RUN), Acked)


def test_an_older_command_that_is_not_the_one_held_now_says_nothing_against_the_pump() -> None:
    bench, pump = plain()
    pump.answers = ["lost", "lost"]
    bench.ask(RUN)
    pump.proof = lambda: Nothing("it holds the one after it", other=True)
    first = told_last(bench)
    bench.guard._evidence(first - 1)
    assert active(bench) == set()


def test_what_it_was_told_last_is_not_asked_for_while_that_is_unknown_or_was_never_carried_out() -> None:
    bench, pump = plain()
    assert not is_odd(bench), "nothing was told at all"
    pump.answers = ["no"]
    bench.ask(RUN)
    assert not is_odd(bench), "it was refused"
    pump.answers = ["lost"]
    bench.ask(RUN)
    assert not is_odd(bench), "its outcome is open, and asked for by settle"
    assert pump.asked == 0


def test_a_person_reads_that_a_pump_is_nameless_and_odd_and_each_has_a_code_of_its_own() -> None:
    bench, pump = at_rest()
    bench.guard.read_status()
    nameless = bench.guard.reconciliation()
    assert nameless.words.splitlines()[-1] == NAMELESS
    bench.guard.recognise()
    odd = bench.guard.reconciliation()
    assert odd.words == f"{nameless.words}\n{ODD}"
    for told in (nameless, odd):
        assert told.code == sha256(told.words.encode()).hexdigest()[:8]
    with refused("stale-code"):
        bench.guard.confirm(by="tester", code=nameless.code, plan_ms=0)  # read before it was looked at
    bench.guard.confirm(by="tester", code=odd.code, plan_ms=0)
    assert isinstance(bench.ask(RUN), Acked)
    assert pump.given() > 0


def test_what_is_confirmed_of_a_nameless_pump_is_its_kind_and_another_kind_gets_nothing() -> None:
    bench, pump = plain()
    confirm = next(record.data for record in bench.log.records if record.kind == "confirm")
    assert confirm["pump"] == "plain 1, no serial number"
    pump.firmware = "2"
    bench.guard.identify()
    assert codes(bench.ask(RUN)) == {"limits-mismatch", "inhibition"}
    assert active(bench) == {"wrong-pump"}
    assert pump.sent == []
