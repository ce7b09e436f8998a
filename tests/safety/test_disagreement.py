"""S-22: commanded against counted, where it is not certain what flowed. Over-delivery is held against the most
that can have flowed, under-delivery against the least that must have.

36,000 nL/h are 10 nL/s and 600 a minute; a counter and a step of 100 nL, so four of them are 40 s. A command
begins up to 7 s after its sending (T_s and the pump's 5 s), unless it is acknowledged.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers.base import Given, NotGiven, Nothing, PumpStatus, Step, Unknown
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import CAPABILITIES, HOUR, MINUTE, Bench, account, basal, bolus, limits, rows

WIDE = (10**9,) * 3
FAST = account(
    rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=90_000, hold={"nl": 6_000, "per_ms": HOUR}
)
LIMITS = limits([FAST], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}], max_hold_ms=4 * HOUR)
BASAL, SLOW = basal(36_000, HOUR), basal(3_600, HOUR)
BOLUS = bolus(30_000, 10 * MINUTE)  # 50 nL/s


def disagrees(bench: Bench) -> bool:
    return any(alarm.row.code == "disagreement" and alarm.holds for alarm in bench.guard.alarms)


def lost(answer: str, *steps: Step, purpose: Purpose = Purpose.BASAL) -> Bench:
    """A pump that runs at 36,000 nL/h, and a command whose reply is lost; then the process dies."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(10 * MINUTE)
    bench.guard.read_status()
    bench.pump.answers = [answer]
    assert isinstance(bench.ask(*steps, purpose=purpose), Unknown)
    bench.wait(20_000)
    bench.restart()
    bench.guard.read_status()
    return bench


def watched(bench: Bench, ms: int, every_ms: int = 15_000) -> int | None:
    """After how long the alarm comes, if it comes."""
    for waited in range(0, ms + 1, every_ms):
        bench.guard.read_status()
        if disagrees(bench):
            return waited
        bench.wait(every_ms)
    return None


def resolved(bench: Bench) -> Bench:
    """Nobody can tell what became of the command; a person vouches that it cannot begin any more."""
    bench.pump.evidence = lambda permit_id: Nothing(f"{permit_id} is not known")  # type: ignore[method-assign]
    assert isinstance(bench.guard.settle(), Nothing)
    assert bench.guard.unsettled is not None
    bench.guard.resolve(bench.guard.unsettled.id, "tester", "looked at the pump")
    return bench


@pytest.mark.parametrize("purpose", [Purpose.BASAL, Purpose.SCHEDULED])
@pytest.mark.parametrize(("answer", "evidence"), [("unheard", Given), ("lost", NotGiven)])
@pytest.mark.parametrize("every_ms", [5_000, 15_000, 10 * MINUTE])
def test_evidence_after_a_lost_reply_and_a_healthy_run_raise_no_alarm(
    answer: str, evidence: type, purpose: Purpose, every_ms: int
) -> None:
    steps = (BASAL,) if purpose is Purpose.BASAL else (BOLUS, SLOW)
    bench = lost(answer, *steps, purpose=purpose)
    assert isinstance(bench.guard.settle(), evidence)
    assert watched(bench, 45 * MINUTE, every_ms) is None
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    bench.ask(SLOW)
    assert watched(bench, 90 * MINUTE, every_ms) is None


@pytest.mark.parametrize("answer", ["unheard", "lost"])
@pytest.mark.parametrize("step", [basal(360_000, HOUR), basal(0, HOUR), SLOW])
def test_a_command_that_a_person_resolves_may_have_flowed_or_not(answer: str, step: Step) -> None:
    """Neither ten times the flow nor none is a disagreement: either is what was commanded."""
    bench = resolved(lost(answer, step))
    assert watched(bench, 45 * MINUTE) is None
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    bench.ask(SLOW)
    assert watched(bench, 90 * MINUTE) is None


def test_a_stop_that_was_not_acknowledged_may_have_stopped_the_pump() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    bench.wait(MINUTE)
    bench.pump.stop_answers = ["unheard"]
    assert isinstance(bench.guard.stop("test"), Unknown)
    assert watched(bench, HOUR) is None


# --- what really is wrong is found as soon as four steps are due -------------------------------------------


def stall(bench: Bench) -> None:
    """The counter stands still, and the pump says nothing about it."""
    status = bench.pump.status
    stands = status().delivered_nl

    def stalled() -> PumpStatus:
        return status()._replace(delivered_nl=stands)

    bench.pump.status = stalled  # type: ignore[method-assign]


def test_a_pump_that_stalls_in_silence_after_a_lost_reply_is_found_once_four_steps_are_due() -> None:
    """40 s of flow, and a command that can have begun 7 s late: at the poll of the 45th or the 60th second."""
    bench = lost("unheard", BASAL)
    assert isinstance(bench.guard.settle(), Given)
    stall(bench)
    found = watched(bench, 10 * MINUTE)
    assert found is not None
    assert 30_000 <= found <= 60_000


@pytest.mark.parametrize("answer", ["unheard", "lost"])
def test_a_pump_that_stalls_in_silence_after_a_resolve_is_found_with_the_next_command(answer: str) -> None:
    bench = resolved(lost(answer, BASAL))
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    bench.ask(BASAL)
    stall(bench)
    found = watched(bench, 10 * MINUTE)
    assert found is not None
    assert 30_000 <= found <= 60_000


def test_a_pump_that_stalls_after_an_acknowledged_command_is_found_as_ever() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.ask(BASAL)
    stall(bench)
    assert watched(bench, 10 * MINUTE, 1_000) in (40_000, 41_000)


@pytest.mark.parametrize("answer", ["unheard", "lost"])
def test_a_pump_that_gives_more_than_the_most_that_was_commanded_is_found(answer: str) -> None:
    bench = resolved(lost(answer, BASAL))
    bench.guard.read_status()
    bench.wait(MINUTE)
    bench.pump.extra_nl += 1_000
    bench.guard.read_status()
    assert disagrees(bench)
    assert {"over-delivery"} <= {alarm.row.code for alarm in bench.guard.alarms}


def test_a_command_may_begin_as_late_as_the_pump_may_take_it() -> None:
    """Nothing for a minute, then 50 nL/s; begun 7 s late that are 350 nL less, looked at every second."""
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.pump.answers, bench.pump.latency_ms = ["unheard"], 0
    bench.ask(basal(0, MINUTE), basal(180_000, HOUR))
    bench.pump.flows[-1].start += 7_000
    bench.wait(8_000)
    assert isinstance(bench.guard.settle(), Given)
    assert watched(bench, 3 * MINUTE, 1_000) is None


def test_nothing_more_is_due_of_what_evidence_says_is_over() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.guard.read_status()
    bench.pump.answers = ["unheard"]
    bench.ask(BASAL)
    bench.wait(MINUTE)
    bench.pump._cut()
    bench.wait(1_000)
    evidence = bench.guard.settle()
    assert isinstance(evidence, Given)
    assert evidence.ended
    assert bench.guard._state.history.surely_nl(0, HOUR) == 0
    assert watched(bench, HOUR) is None


def test_a_hold_given_between_two_reboots_is_not_due_once_elapsed_time_is_known() -> None:
    """It was sent at a guard time that stood still, and is long over."""
    bench = Bench(LIMITS, replace(CAPABILITIES, tells_time=False)).confirmed()
    for _ in range(2):
        bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD)
        bench.wait(2 * HOUR)
        bench.clock.reboot()
        bench.restart()
    bench.confirmed(plan_ms=bench.clock.true_ms, given=None)
    assert watched(bench, HOUR) is None


def test_a_run_goes_on_over_a_reboot_and_its_stall_is_found() -> None:
    """The pump's tick tells how long the host was off, up to the latency of two answers."""
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(144_000, 4 * HOUR))
    bench.wait(HOUR)
    bench.clock.reboot()
    bench.restart()
    assert watched(bench, MINUTE) is None
    stall(bench)
    found = watched(bench, 10 * MINUTE)
    assert found is not None
    assert 30_000 <= found <= 60_000
