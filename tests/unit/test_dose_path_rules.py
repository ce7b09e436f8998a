"""The counter-examples of the dose path that concern the controller, on the whole stack.

What flowed is read from the simulator's truth. Each test begins with the number of its rule. Rules that the guard
alone keeps are in tests/safety, sums in test_totals.py, deaths at every record in
tests/properties/test_restart_everywhere.py; tests/trace/shown.py has the counter-example of each rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.bench.stack import PERSON, SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import PumpState, PumpStatus, Refused
from pump_ctrl.errors import LinkError, NotAllowed
from pump_ctrl.journal import MemoryJournal
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from sim.faults import Fault
from tests.driver_stacks import KINDS, Kind, stack_of
from tests.refusals import refused
from tests.system_plans import flex_hold, primed
from tests.unit.fake_bench import FakeBench, ToySchedule
from tests.whole_stack import (
    DAY,
    HOUR,
    MINUTE,
    check_ledger,
    check_sums,
    formulary,
    healthy,
    profile,
    refill,
    sums_now,
)
from tests.worked import SIMPLE, drug, plan, reservoir

UG, MG = 1_000_000, 1_000_000_000  # pg


def a_plan() -> DosingPlan:
    return load_plan(Path("examples") / "a-flex-night-bolus.toml")


def records(stack: SimulatedStack, kind: str) -> list[Mapping[str, Any]]:
    return [record.data for record in stack.journal.records() if record.kind == kind]


def state(stack: SimulatedStack) -> State:
    return stack.controller.state


def pump_state(stack: SimulatedStack) -> PumpState:
    status = stack.guard.read_status()
    assert isinstance(status, PumpStatus)
    return status.state


def inject(stack: SimulatedStack, text: str) -> None:
    name, _, params = text.partition(":")
    stack.wire.inject(Fault.parse(f"{name}@{stack.elapsed_ms}ms" + (f":{params}" if params else "")))


def confirm(stack: SimulatedStack) -> None:
    """A person confirms, again and again if the pump does not answer."""
    for _ in range(20):
        try:
            stack.confirm()
        except (LinkError, NotAllowed):
            stack.run_to(stack.elapsed_ms + 5 * MINUTE)
        else:
            return
    raise AssertionError("nobody can confirm")


# D-01


def test_d01_a_bolus_is_only_ever_the_first_step() -> None:
    stack = healthy(flex_hold())
    stack.run_to(HOUR)
    stack.ask("press", RequestKind.PATIENT_BOLUS)
    stack.run_to(3 * DAY)
    kinds = [[step[0] for step in intent["steps"]] for intent in records(stack, "intent")]
    assert sum("bolus" in steps for steps in kinds) == 7  # two slots a day, one press
    assert all(set(steps[1:]) <= {"basal"} for steps in kinds)


# D-03


def test_d03_a_bolus_over_a_rise_of_the_basal_carries_the_lower_rate_and_is_granted() -> None:
    # Spread evenly it would carry 516 nL over E(24); by the rule 2 min x 20 uL/h = 666.67 nL are missed.
    steps = [{"from": "00:00", "rate": "5 ug/h"}, {"from": "03:00", "rate": "25 ug/h"}]
    bolus = [{"at": "02:52", "dose": "10 ug", "over": "10 min"}]
    stack = healthy(plan(SIMPLE, basal={"steps": steps}, bolus=bolus))
    stack.run_to(3 * DAY)
    assert records(stack, "alarm") == []
    assert [data["outcome"] for data in records(stack, "bolus")] == ["delivered"] * 3
    beside = [
        Fraction(data["nl"]) for data in records(stack, "missed") if data["why"].startswith("basal below")
    ]
    assert len(beside) == 2  # the third run has not ended
    assert all(abs(nl - Fraction(2_000, 3)) < 1 for nl in beside)  # the wire takes 100 ms


# D-11


def bridged(name: str, old: str, new: str, daily: str, pump: str) -> tuple[DosingPlan, DosingPlan]:
    """A refill with a weaker fluid at the same dose."""
    common: dict[str, Any] = {"basal": {"rate": daily}, "on_loss": "stop", "pump": pump}
    filled = pump.removeprefix("implant-") + " mL"
    before = plan(SIMPLE, id="BEFORE", reservoir=reservoir(drug(name, old), filled=filled), **common)
    after = plan(
        SIMPLE,
        id="AFTER",
        reservoir=reservoir(drug(name, new), filled=filled),
        previous=before.sha256,
        bridge={},
        **common,
    )
    return before, after


@pytest.mark.parametrize(
    ("name", "old", "new", "daily", "pump", "pg_per_day"),
    [
        ("hydromorphone", "10 mg/mL", "5 mg/mL", "3 mg/day", "implant-20", 3 * MG),  # 2.00 x by the clock
        ("baclofen", "2000 ug/mL", "500 ug/mL", "300 ug/day", "implant-20", 300 * UG),  # 4.00 x
    ],
)
def test_d11_a_bridge_on_a_slow_pump_never_gives_more_than_the_dose_rate(
    name: str, old: str, new: str, daily: str, pump: str, pg_per_day: int
) -> None:
    before, after = bridged(name, old, new, daily, pump)
    stack = SimulatedStack(after, profile(pump), formulary(), previous=before, setup={"gain_ppm": 855_000})
    stack.begin()
    stack.run_to(6 * DAY)
    truth = stack.world.truth
    step_pg = 100 * 855 // 1_000 * after.primary.concentration.pg_per_ml // 1_000_000
    assert truth.worst_window(name, 1) <= pg_per_day * 855 // 24_000 + 4 * step_pg  # 1.00 x
    assert not stack.controller.bridging
    check_sums(stack)
    check_ledger(stack)


def test_d11_the_first_days_of_a_bridge_on_a_slow_pump_give_nine_tenths_of_the_dose() -> None:
    before, after = bridged("hydromorphone", "10 mg/mL", "5 mg/mL", "3 mg/day", "implant-20")
    stack = SimulatedStack(
        after, profile("implant-20"), formulary(), previous=before, setup={"gain_ppm": 855_000}
    )
    stack.begin()
    days = []
    for day in range(1, 6):
        stack.run_to(day * DAY)
        days.append(stack.world.truth.tip_pg("hydromorphone"))
    shares = [Fraction(b - a, 3 * MG * 855 // 1_000) for a, b in zip([0, *days], days, strict=False)]
    assert 0.905 < min(shares) < 0.915  # 0.91 x
    assert shares[-1] > 0.999


def test_d11_a_pause_in_a_bridge_does_not_lock_it() -> None:
    # The span up to the change of pace carries rounding: a nanolitre over V_lo makes all of it new fluid.
    before = load_plan(Path("examples") / "e-bridge-before.toml")
    after = load_plan(Path("examples") / "e-bridge.toml")
    stack = SimulatedStack(after, profile("implant-20"), formulary(), previous=before)
    stack.begin()
    for hour in range(1, 10):
        stack.run_to(hour * HOUR)
        stack.ask(f"pause-{hour}", RequestKind.PAUSE)
        stack.run_to(hour * HOUR + 7 * MINUTE)
        stack.ask(f"resume-{hour}", RequestKind.RESUME)
    stack.run_to(2 * DAY)
    assert [data["code"] for data in records(stack, "alarm")] == []
    assert not stack.controller.bridging


# D-12


def test_d12_the_basal_follows_a_prime_at_once_and_a_refill_alone_gives_no_second_one() -> None:
    # B: 0.84 mg of the prime in E would block the basal for 13.4 h; a second prime would give 3.36 mg.
    stack = healthy(primed())
    stack.run_to(HOUR)
    assert [data["purpose"] for data in records(stack, "intent")] == ["prime", "basal"]
    assert stack.controller.state is State.RUNNING
    refill(stack)
    counted = stack.world.truth.counted_nl()
    stack.ask("prime", RequestKind.PRIME)
    stack.run_to(2 * HOUR)
    assert stack.world.truth.counted_nl() - counted < 20_000
    assert pump_state(stack) is PumpState.RUNNING  # the basal goes on
    assert stack.controller.state is State.RUNNING


def test_d12_what_is_left_of_an_interrupted_prime_is_given_when_a_person_asks() -> None:
    stack = healthy(primed())
    stack.run_to(10 * MINUTE)
    stack.restart()
    stack.run_to(15 * MINUTE)
    assert stack.world.truth.counted_nl() < 168_000  # a prime never runs on; the hold does
    confirm(stack)
    stack.run_to(30 * MINUTE)
    assert [data["purpose"] for data in records(stack, "intent")][-1] == "basal"
    counted = stack.world.truth.counted_nl()
    stack.ask("prime", RequestKind.PRIME)
    stack.run_to(2 * HOUR)
    primes = [data["steps"][0][1] for data in records(stack, "intent") if data["purpose"] == "prime"]
    assert primes[0] == 336_000
    # hold and basal have filled the path as well, known to some steps each
    assert 0 <= 336_000 - counted - primes[1] < 800
    assert sum(data["given"] for data in records(stack, "cut")[:1]) + primes[1] <= 336_000
    assert stack.controller.state is State.RUNNING


# D-13


def test_d13_policy_stop_sends_stop_before_anything_else() -> None:
    stack = healthy(plan(SIMPLE, on_loss="stop"))
    stack.run_to(2 * HOUR)
    stack.restart()
    assert pump_state(stack) is PumpState.IDLE
    stack.run_to(9 * HOUR)
    assert pump_state(stack) is PumpState.IDLE
    assert len(records(stack, "intent")) == 1


def test_d13_policy_hold_leaves_a_proven_run_alone() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    stack.restart()
    stack.run_to(3 * HOUR)
    assert records(stack, "stop") == []
    assert pump_state(stack) is PumpState.RUNNING
    confirm(stack)
    stack.run_to(DAY)
    check_sums(stack)
    assert [data["outcome"] for data in records(stack, "bolus")] == ["delivered"]


@pytest.mark.parametrize("what", [RequestKind.STOP, RequestKind.PAUSE])
def test_d13_what_a_person_stopped_no_restart_starts_again(what: RequestKind) -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    stack.ask("stop", what)
    stack.restart()
    stack.run_to(9 * HOUR)
    assert len(records(stack, "intent")) == 1
    assert pump_state(stack) is PumpState.IDLE


def test_d13_a_stop_while_waiting_is_no_reason_for_a_hold() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    stack.restart()
    stack.ask("stop", RequestKind.STOP)
    stack.run_to(3 * HOUR)
    stack.restart()
    stack.run_to(9 * HOUR)
    assert len(records(stack, "intent")) == 1
    assert pump_state(stack) is PumpState.IDLE


def test_d13_an_unheard_stop_of_a_person_is_sent_again_after_a_restart() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    inject(stack, "lose-request:type=stop,count=2")
    stack.ask("stop", RequestKind.STOP)
    assert pump_state(stack) is PumpState.RUNNING
    stack.restart()
    stack.run_to(2 * HOUR + MINUTE)
    assert pump_state(stack) is PumpState.IDLE


def test_d13_an_interrupted_bolus_is_never_resumed_and_booked_by_the_counter() -> None:
    stack = healthy(plan(SIMPLE, on_loss="stop", bolus=[{"at": "12:00", "dose": "30 ug", "over": "20 min"}]))
    stack.run_to(4 * HOUR + 10 * MINUTE)
    stack.restart()
    confirm(stack)
    stack.run_to(DAY)
    (bolus,) = records(stack, "bolus")
    assert bolus["outcome"] == "interrupted"
    assert bolus["delivered_nl"] == pytest.approx(15_000, abs=200)
    assert len([data for data in records(stack, "intent") if data["purpose"] == "scheduled"]) == 1
    check_sums(stack)


# D-14


def test_d14_acknowledging_every_three_hours_does_not_prolong_a_hold() -> None:
    stack = healthy(a_plan())
    stack.run_to(6 * HOUR + MINUTE)  # the last record of a normal run is the poll at 6 h
    stack.world.power_cycle()  # nothing runs any more
    stack.restart()
    for hour in range(9, 40, 3):
        stack.run_to(hour * HOUR)
        stack.runner.acknowledge(PERSON)
    holds = [data for data in records(stack, "intent") if data["purpose"] == "hold"]
    assert holds
    ends = [data["at"] + sum(step[2] for step in data["steps"]) for data in holds]
    assert max(ends) <= 10 * HOUR + MINUTE
    assert pump_state(stack) is PumpState.IDLE


def test_d14_a_restart_long_after_the_hold_could_begin_gives_none_and_time_goes_on() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    stack.die()
    stack.clock.advance(25 * HOUR)
    stack.restart()
    stack.run_to(29 * HOUR)
    assert [data for data in records(stack, "intent") if data["purpose"] == "hold"] == []
    confirm(stack)
    stack.run_to(30 * HOUR)
    assert stack.controller.state is State.RUNNING


def test_d14_a_lost_hold_is_told_again() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    stack.world.power_cycle()
    inject(stack, "lose-request:type=propose,count=2")
    stack.restart()
    stack.run_to(2 * HOUR + 10 * MINUTE)
    assert pump_state(stack) is PumpState.RUNNING


def test_d14_while_a_bridge_lasts_the_hold_is_the_lower_of_both_plans() -> None:
    """The old fluid, 2000 ug/mL, by day at 4, by night at 1 ug/h; the new one is four times as thin."""
    night = [{"from": "06:00", "rate": "4 ug/h"}, {"from": "18:00", "rate": "1 ug/h"}]
    old = plan(
        SIMPLE,
        id="OLD",
        start="2026-11-01T08:00",
        reservoir=reservoir(drug("baclofen", "2000 ug/mL")),
        basal={"steps": night},
    )
    new = plan(
        SIMPLE,
        reservoir=reservoir(drug("baclofen", "500 ug/mL")),
        basal={"rate": "2.5 ug/h"},
        previous=old.sha256,
        bridge={},
    )
    stack = SimulatedStack(new, profile(new.pump), formulary(), previous=old)
    stack.begin()
    stack.run_to(2 * HOUR)
    stack.world.power_cycle()
    stack.restart()
    stack.run_to(7 * HOUR)
    (hold,) = [data for data in records(stack, "intent") if data["purpose"] == "hold"]
    assert records(stack, "outcome")[-1]["what"] == "acked"
    assert all(nl * HOUR <= 500 * ms for _, nl, ms, _ in hold["steps"])  # 1 ug/h of 2000 ug/mL are 500 nL/h


# D-15


def test_d15_a_run_that_ended_before_its_late_successor_was_known_is_booked_once() -> None:
    """The lease ends as the bolus begins; the COMMIT takes a second; meanwhile somebody looks at the pump."""
    stack = healthy(a_plan())
    stack.run_to(38 * HOUR - MINUTE)
    inject(stack, "delay-request:type=commit,by=1s,count=1")
    stack.run_to(38 * HOUR + 700)
    assert state(stack) is State.UNCERTAIN
    stack.runner.settle()
    assert stack.controller.run is None
    stack.run_to(39 * HOUR)
    assert stack.controller.run is not None
    check_sums(stack)
    check_ledger(stack)


@pytest.mark.parametrize("what", [RequestKind.PAUSE, RequestKind.STOP])
@pytest.mark.parametrize("frame", ["request", "reply"])
def test_d15_a_stop_while_the_outcome_is_unknown_settles_it_and_the_plan_can_go_on(
    what: RequestKind, frame: str
) -> None:
    stack = healthy(a_plan())
    stack.run_to(13 * HOUR + 50 * MINUTE)
    inject(stack, f"lose-{frame}:type=commit,count=1")
    stack.run_to(14 * HOUR + 1_000)
    assert state(stack) is State.UNCERTAIN
    stack.ask("stop", what)
    stack.run_to(14 * HOUR + 10 * MINUTE)
    assert stack.guard.unsettled is None
    stack.ask("resume", RequestKind.RESUME)
    stack.run_to(DAY)
    assert state(stack) is State.RUNNING
    (bolus,) = records(stack, "bolus")
    assert bolus["outcome"] == ("missed" if frame == "request" else "interrupted")
    assert abs(sums_now(stack)[1] - stack.world.truth.counted_nl()) < 300
    check_sums(stack)


def test_d15_a_bolus_that_nobody_can_prove_is_booked_as_unknown() -> None:
    stack = healthy(a_plan())
    stack.run_to(13 * HOUR + 50 * MINUTE)
    inject(stack, "lose-reply:type=commit,count=1")
    inject(stack, "lose-reply:type=outcome,count=40")
    stack.run_to(14 * HOUR + 10_000)
    permit = stack.guard.unsettled
    assert permit is not None
    stack.runner.resolve(permit.id, PERSON, "looked at the pump")
    stack.run_to(14 * HOUR + 20_000)
    assert pump_state(stack) is PumpState.IDLE
    assert [data["outcome"] for data in records(stack, "bolus")] == ["unknown"]
    check_sums(stack)
    check_ledger(stack)


# D-16


def test_d16_a_wall_clock_set_back_moves_nothing() -> None:
    # A: 25 ug/h until 09:00. An hour of it twice would make 356.7 ug of basal in a day against 340.0.
    stack = healthy(a_plan())
    stack.run_to(DAY + 59 * MINUTE)  # 08:59 on the second day
    stack.clock.jump_wall(-60 * MINUTE)
    stack.run_to(3 * DAY)
    assert [data["code"] for data in records(stack, "alarm") if data["what"] == "raised"] == ["wall-clock"]
    worst = stack.world.truth.worst_window("baclofen", 24)
    assert 399_800_000 < worst < 400_200_000  # 340.0 and the night bolus of 60
    check_sums(stack)


def test_d16_plan_time_set_back_by_a_confirm_leaves_no_silent_gap() -> None:
    stack = healthy(plan(SIMPLE, on_loss="stop"))
    stack.run_to(10 * HOUR)
    stack.clock.jump_wall(-60 * MINUTE)
    stack.restart()
    confirm(stack)
    stack.run_to(10 * HOUR + 15 * MINUTE)
    assert pump_state(stack) is PumpState.RUNNING  # not only when plan time comes to 10 h again
    check_sums(stack)


@pytest.mark.parametrize("minutes", [-60, 60])
def test_d16_a_run_that_goes_on_over_a_confirm_is_closed_in_its_own_time(minutes: int) -> None:
    stack = healthy(plan(SIMPLE, on_loss={"hold": "4 h"}))
    stack.run_to(10 * HOUR)
    stack.clock.jump_wall(minutes * MINUTE)
    stack.restart()
    assert stack.controller.run is not None  # left alone, as the plan says
    confirm(stack)
    assert records(stack, "cut")[-1]["why"] == "plan time was moved"
    check_sums(stack)
    stack.run_to(12 * HOUR)
    check_sums(stack)


def test_d16_each_slot_is_given_once_though_plan_time_goes_back_over_it() -> None:
    stack = healthy(a_plan())
    stack.run_to(14 * HOUR + 30 * MINUTE)
    stack.clock.jump_wall(-60 * MINUTE)
    stack.restart()
    confirm(stack)
    stack.run_to(DAY)
    assert [data["outcome"] for data in records(stack, "bolus")] == ["delivered"]
    check_sums(stack)


@pytest.mark.parametrize("pump", ["ne-1000-bd-10ml", "pump-11-elite-bd-10ml"])
def test_d16_after_a_reboot_that_the_pump_cannot_time_the_days_go_by_what_a_person_says(pump: str) -> None:
    """Seen: the host's clock came up a day ahead, and the lockout was over 20 minutes after the last bolus."""
    stack = stack_of(Kind(pump, "stop"), patient=True)
    stack.begin()
    stack.run_to(2 * HOUR)
    stack.ask("first", RequestKind.PATIENT_BOLUS)
    stack.run_to(2 * HOUR + 20 * MINUTE)
    stack.clock.jump_wall(DAY)
    stack.restart(reboot=True)
    found = stack.runner.settle()
    assert "by its own clock 24 h 0 min." in found.words
    stack.runner.confirm("tester", found.code, off_ms=5 * MINUTE)
    assert stack.guard.plan_ms == pytest.approx(2 * HOUR + 25 * MINUTE, abs=5_000)
    stack.ask("again", RequestKind.PATIENT_BOLUS)
    stack.run_to(3 * HOUR - MINUTE)
    told = [(data["id"].split(":")[0], data["outcome"], data["rule"]) for data in records(stack, "bolus")]
    assert told == [("slot", "delivered", ""), ("first", "delivered", ""), ("again", "refused", "lockout")]


# D-17


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_d17_a_journal_that_was_put_back_from_a_copy_gives_no_second_bolus_within_the_lockout(
    kind: Kind,
) -> None:
    """F-53: the head was put back as well, so what was given since the copy stands in the pump alone."""
    stack = stack_of(kind, patient=True)
    stack.begin()
    stack.run_to(2 * HOUR)
    copy = deepcopy({name: value for name, value in vars(stack.journal).items() if name != "_clock"})
    stack.run_to(2 * HOUR + 5 * MINUTE)
    stack.ask("first", RequestKind.PATIENT_BOLUS)
    stack.run_to(2 * HOUR + 15 * MINUTE)
    stack.die()
    vars(stack.journal).update(copy)
    stack.restart()
    with suppress(NotAllowed):
        stack.confirm()
    stack.ask("again", RequestKind.PATIENT_BOLUS)
    stack.run_to(3 * HOUR)
    assert [data for data in records(stack, "bolus") if data["outcome"] == "delivered"][1:] == []
    assert {"wrong-pump", "over-delivery"} & {alarm.row.code for alarm in stack.guard.alarms}


def test_d17_deleting_the_journal_does_not_allow_a_second_days_dose() -> None:
    stack = healthy(a_plan())
    stack.run_to(23 * HOUR)
    stack.ask("stop", RequestKind.STOP)
    counted = stack.world.truth.counted_nl()
    stack.journal = MemoryJournal(stack.clock)
    stack.restart()
    assert stack.controller.state is State.WAITING
    with refused("pump-used"):
        stack.begin({})
    cap = next(cap["pg"] for cap in stack.limits["caps"] if cap["hours"] == 24)
    stack.begin({"baclofen": cap})
    stack.run_to(46 * HOUR)
    assert stack.world.truth.counted_nl() == counted  # until those 24 h are over nothing is given
    check_sums(stack)


# What else a sequence could break.


def test_a_pump_that_runs_on_past_its_end_is_asked_every_few_seconds_only() -> None:
    bench = FakeBench(ToySchedule((0, 312_000)))
    bench.start()
    bench.answers.extend([Refused("busy")] * 100)  # no renewal
    bench.run_to(DAY - 1)
    bench.state_override = PumpState.RUNNING
    bench.run_to(DAY + HOUR)  # time goes by
    assert bench.controller.state is State.RUNNING


def test_a_second_confirm_is_refused_and_changes_nothing() -> None:
    stack = healthy(a_plan())
    stack.run_to(2 * HOUR)
    with refused("nothing-to-confirm"):
        stack.confirm()
    stack.run_to(3 * HOUR)
    check_sums(stack)


def test_a_refused_press_beside_a_bolus_does_not_hide_its_end_from_a_restart() -> None:
    stack = healthy(flex_hold())
    stack.run_to(HOUR)
    stack.ask("first", RequestKind.PATIENT_BOLUS)
    stack.run_to(HOUR + 5 * MINUTE)
    stack.ask("second", RequestKind.PATIENT_BOLUS)
    stack.restart()
    stack.run_to(HOUR + 20 * MINUTE)
    confirm(stack)
    ends = {data["id"]: data["outcome"] for data in records(stack, "bolus")}
    assert ends == {"second": "refused", "first": "delivered"}


def test_a_bolus_whose_counter_was_reset_is_not_called_delivered() -> None:
    stack = healthy(a_plan())
    stack.run_to(14 * HOUR + 10 * MINUTE)
    stack.world.inject(Fault.parse("counter-reset@0:value_nl=500"))
    stack.run_to(15 * HOUR)
    assert [data["outcome"] for data in records(stack, "bolus")] == ["unknown"]
    check_sums(stack)
