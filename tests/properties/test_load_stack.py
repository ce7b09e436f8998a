"""Another plan loaded into a running stack: down, up, another fluid over a bridge; on a bad wire; with a death.

Plan, guard, driver, wire and pump are the real ones, in virtual time. After every turn of the loop the three sums
agree to less than a pump step and the guard's bounds hold what the pump truly stepped; at the end every request began
once, every night had one bolus, and what is booked is what the pump counted.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.core import Controller
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.errors import InvalidInput, LinkError, NotAllowed
from pump_ctrl.therapy.plan import DosingPlan, load_plan, plan_from
from sim.faults import Fault
from tests.properties.test_restart_everywhere import MortalJournal
from tests.refusals import refused
from tests.spies import Killed
from tests.unit.fake_bench import LIMITS, TIMING
from tests.whole_stack import (
    DAY,
    HOUR,
    MINUTE,
    STEP,
    check_ledger,
    check_sums,
    formulary,
    profile,
    sums_now,
    turns,
)

EXAMPLES: Final = Path("examples")
LOAD_AT = 3 * DAY + HOUR + 1
NIGHT_AT = 3 * DAY - 10 * HOUR  # 22:00 of the third night; plan A starts at 08:00
FACTORS: Final = {"down": Fraction(4, 5), "up": Fraction(11, 10)}
FOREVER = 10**9  # no record is reached


def values(name: str) -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / f"{name}.toml").read_text())


@cache
def plan_a() -> DosingPlan:
    """Worked plan A with a hold, so that a restart may leave its run alone."""
    return plan_from({**values("a-flex-night-bolus"), "on_loss": {"hold": "4 h"}})


@cache
def stepped(way: str) -> DosingPlan:
    """Worked plan A a day later, with every basal dose 20 % lower or 10 % higher."""
    new = {**values("a-flex-night-bolus"), "on_loss": {"hold": "4 h"}, "previous": plan_a().sha256}
    scaled = [
        {**step, "dose": f"{int(step['dose'].split()[0]) * 1_000 * FACTORS[way]} ng"}
        for step in new["basal"]["steps"]
    ]
    return plan_from({**new, "start": "2026-11-21T08:00", "basal": {"steps": scaled}})


@cache
def bridged() -> tuple[DosingPlan, DosingPlan]:
    return load_plan(EXAMPLES / "e-bridge-before.toml"), load_plan(EXAMPLES / "e-bridge.toml")


class Life:
    """A stack that may be killed once, ``at`` records after the load is asked for."""

    def __init__(self, first: DosingPlan, new: DosingPlan, when: str = "after", at: int = FOREVER) -> None:
        self.new, self.died, self._when, self._at = new, False, when, at
        self.clock = VirtualClock(utc_ms=first.start_utc_ms)
        self.journal = MortalJournal(self.clock, when, FOREVER)
        self.stack = SimulatedStack(
            first, profile(first.pump), formulary(), clock=self.clock, journal=self.journal
        )
        self.stack.begin()

    def to(self, at: int) -> None:
        """Run with a look at every turn; a death is followed by a restart, and a confirm five minutes later."""
        while self.stack.elapsed_ms < at:
            self.survive(lambda: self.turn_by_turn(at))

    def turn_by_turn(self, at: int) -> None:
        for _ in turns(self.stack, at):
            self.check()

    def survive(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Killed:
            self.rise()

    def rise(self) -> None:
        self.died = True
        self.stack.restart()
        self.check()
        for _ in range(4):
            self.stack.run_to(self.stack.elapsed_ms + 5 * MINUTE)
            try:
                self.stack.confirm()
            except (LinkError, NotAllowed):
                continue
            break
        assert self.stack.controller.state is not State.WAITING

    def check(self) -> None:
        check_sums(self.stack)
        check_ledger(self.stack)

    def fault(self, text: str) -> None:
        name, _, params = text.partition(":")
        self.stack.wire.inject(Fault.parse(f"{name}@{self.clock.true_ms}ms:{params}"))

    def load(self) -> None:
        """A person loads it, and again after a death that came first."""
        self.journal._left = self._at
        self.survive(lambda: self.stack.load(self.new))
        if self.died and not self.in_force:
            self.stack.load(self.new)

    @property
    def in_force(self) -> bool:
        return self.stack.plan.sha256 == self.new.sha256

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [record.data for record in self.journal.records() if record.kind == kind]

    def ends_well(self) -> None:
        """Nothing twice, nothing lost, every gap named; and another process finds the very same."""
        told = (*self.of("outcome"), *self.of("evidence"))
        dead = {data["id"] for data in told if data["what"] in ("refused", "not-given")}
        began = Counter(data["request"] for data in self.of("intent") if data["id"] not in dead)
        assert max(began.values()) == 1, began
        assert len(self.of("loaded")) == 1
        counted, (_, commanded, _) = self.stack.world.truth.counted_nl(), sums_now(self.stack)
        assert abs(counted - commanded) <= 2 * STEP
        run, totals = self.stack.controller.run, self.stack.controller.totals
        assert run is not None
        named = sum((Fraction(data["nl"]) for data in self.of("missed")), Fraction(0))
        assert named + run.missed_until(run.to_ms) == totals.missed
        assert self.stack.controller.state is State.RUNNING
        known = {sha256: prepared.prescription for sha256, prepared in self.stack._known.items()}
        twin = Controller(known[self.new.sha256], LIMITS, TIMING)
        twin.take_up(list(self.journal.records()), known)
        assert twin.totals.snapshot() == totals.snapshot()

    def nights(self) -> list[tuple[str, str]]:
        """(purpose and outcome) of every scheduled bolus, one a night."""
        return [(data["kind"], data["outcome"]) for data in self.of("bolus")]


def stepped_life(way: str, when: str = "after", at: int = FOREVER, load_at: int = LOAD_AT) -> Life:
    life = Life(plan_a(), stepped(way), when, at)
    life.to(load_at)
    return life


# Down, up, and with another fluid.


@pytest.mark.parametrize("way", sorted(FACTORS))
def test_a_step_takes_effect_at_once_and_the_sums_are_those_of_both_plans(way: str) -> None:
    life = stepped_life(way)
    life.load()
    assert life.in_force
    life.to(7 * DAY)
    change = min(a["spans"][0][1] for a in life.of("asked") if a["request"].startswith("1/")) + DAY
    known = life.stack._known
    old, new = (known[plan.sha256].prescription.schedule for plan in (plan_a(), life.new))
    due = old.planned_basal_nl(0, change) + new.planned_basal_nl(change - DAY, 6 * DAY)
    assert sums_now(life.stack)[0] == due + 7 * 60_000
    assert life.nights() == [("scheduled", "delivered")] * 7
    assert change - LOAD_AT < MINUTE
    assert [alarm.row.code for alarm in life.stack.guard.alarms] == []
    life.ends_well()


def bridge_life(when: str = "after", at: int = FOREVER) -> Life:
    before, after = bridged()
    life = Life(before, after, when, at)
    life.survive(lambda: life.stack.run_to(28 * DAY + 5 * MINUTE))
    life.stack.refill(after)
    life.to(28 * DAY + 10 * MINUTE)
    return life


def test_a_refill_with_twice_the_concentration_runs_over_a_bridge() -> None:
    life = bridge_life()
    life.load()
    assert life.stack.controller.bridging
    life.to(28 * DAY + 12 * HOUR)
    assert life.stack.controller.bridging
    assert life.of("intent")[-1]["account"] == "bridge"
    life.to(31 * DAY)
    assert not life.stack.controller.bridging
    truth = life.stack.world.truth
    assert truth.worst_window("hydromorphone", 24) <= 3_000_000_000 * 1_001 // 1_000
    assert [alarm.row.code for alarm in life.stack.guard.alarms] == []
    life.ends_well()


def test_without_the_refill_the_plan_with_the_bridge_is_refused_and_the_old_one_goes_on() -> None:
    before, after = bridged()
    life = Life(before, after)
    life.stack.run_to(28 * DAY + 10 * MINUTE)
    with refused("load-refused", "the refill that goes with it was not told"):
        life.stack.load(after)
    life.to(30 * DAY)
    assert life.of("loaded") == []
    assert life.stack.controller.state is State.RUNNING


def test_a_plan_before_its_start_and_one_written_after_another_are_refused() -> None:
    life = stepped_life("down", load_at=HOUR)
    with refused("load-refused", "its start is still to come"):
        life.stack.load(life.new)
    with pytest.raises(InvalidInput):
        life.stack.load(bridged()[1])
    with refused("no-name"):
        life.stack.runner.load(life.stack.controller.prescription, b"", "")


# In every moment.


@pytest.mark.parametrize("at", [NIGHT_AT, NIGHT_AT + 1, NIGHT_AT + 19 * MINUTE])
def test_a_load_in_the_night_bolus_waits_for_its_end_and_the_night_has_one_bolus(at: int) -> None:
    life = stepped_life("down", load_at=at)
    assert life.stack.load(life.new) is False
    life.to(NIGHT_AT + HOUR)
    assert life.in_force
    life.to(5 * DAY)
    assert life.nights() == [("scheduled", "delivered")] * 5
    life.ends_well()


def test_a_load_just_before_the_night_bolus_makes_it_the_new_plans() -> None:
    life = stepped_life("down", load_at=NIGHT_AT - 1)
    assert life.stack.load(life.new)
    life.to(5 * DAY)
    assert life.nights() == [("scheduled", "delivered")] * 5
    assert life.of("bolus")[2]["id"].startswith("1/slot")
    life.ends_well()


def test_while_a_person_has_to_confirm_no_plan_is_loaded() -> None:
    life = stepped_life("down")
    life.stack.restart()
    records = len(list(life.journal.records()))
    with refused("load-refused", "a person has to confirm"):
        life.stack.load(life.new)
    assert len(list(life.journal.records())) == records
    life.stack.confirm()
    assert life.stack.load(life.new)
    life.to(5 * DAY)
    life.ends_well()


def test_a_load_that_waits_when_the_controller_dies_is_dropped_and_can_be_asked_again() -> None:
    life = stepped_life("down", load_at=NIGHT_AT + MINUTE)
    life.stack.load(life.new)
    life.stack.restart()
    assert not life.in_force
    assert life.of("answer")[-1]["text"].startswith("dropped")
    life.stack.confirm()
    life.to(NIGHT_AT + HOUR)
    assert not life.in_force
    assert life.stack.load(life.new)
    life.to(5 * DAY)
    life.ends_well()


def test_what_the_guard_refuses_leaves_the_old_plan_in_force() -> None:
    life = stepped_life("up")
    prepared = life.stack.prepared(life.new, plan_a())
    with refused("limits-invalid", "not loaded"):
        life.stack.runner.load(prepared.prescription, b"{}", "a person")
    assert not life.in_force
    assert life.stack.load(life.new)
    life.to(5 * DAY)
    life.ends_well()


def test_a_stopped_pump_takes_the_plan_and_starts_with_resume_only() -> None:
    life = stepped_life("up")
    life.stack.ask("s", RequestKind.STOP)
    assert life.stack.load(life.new)
    given = life.stack.world.truth.counted_nl()
    life.to(LOAD_AT + HOUR)
    assert life.stack.world.truth.counted_nl() == given
    life.stack.ask("r", RequestKind.RESUME)
    life.to(5 * DAY)
    life.ends_well()


# On a bad wire.

WIRE = [
    "lose-reply:type=commit", "lose-request:type=commit", "lose-reply:type=propose", "lose-request:type=propose",
    "lose-reply:type=any,count=3", "delay-request:type=commit,by=1s", "duplicate-request:type=commit",
    "corrupt-reply:type=commit", "lose-reply:type=status", "silence:for=10min",
]  # fmt: skip


@pytest.mark.parametrize("fault", WIRE)
def test_a_bad_wire_around_the_load_loses_and_doubles_nothing(fault: str) -> None:
    life = stepped_life("down")
    life.fault(fault)
    life.load()
    assert life.in_force
    life.to(5 * DAY)
    life.stack.runner.acknowledge("a person")
    assert life.nights() == [("scheduled", "delivered")] * 5
    life.ends_well()


def test_a_pump_that_never_hears_the_new_steps_runs_the_old_ones_to_their_end_and_no_further() -> None:
    life = stepped_life("up")
    end = life.stack.controller.run
    assert end is not None
    life.fault("silence:for=2d")
    life.load()
    life.to(end.to_ms + DAY - 1)
    assert life.stack.world.implant.delivery.run is None
    assert sums_now(life.stack)[2] > 0
    life.to(6 * DAY)
    check_sums(life.stack)


# With a death at every record.


def deaths(make: Callable[[str, int], Life], when: str, days: int) -> int:
    """Die at each record of the load and of the first command after it; how many there were."""
    for at in range(1, 14):
        life = make(when, at)
        try:
            life.load()
            if not life.in_force:
                life.to(life.stack.elapsed_ms + HOUR)  # it waits for the end of a bolus
            if not life.in_force:
                life.load()
            life.to(days * DAY)
            life.stack.runner.acknowledge("a person")
            life.ends_well()
        except AssertionError as error:
            raise AssertionError(f"killed {when} record {at}: {error}") from error
        assert life.died
    return at


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("way", sorted(FACTORS))
def test_a_death_at_any_record_of_a_load_loses_and_doubles_nothing(way: str, when: str) -> None:
    assert deaths(lambda when, at: stepped_life(way, when, at), when, 5) == 13


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_record_of_a_load_that_waits_loses_and_doubles_nothing(when: str) -> None:
    def make(when: str, at: int) -> Life:
        return stepped_life("down", when, at, load_at=NIGHT_AT + 19 * MINUTE)

    assert deaths(make, when, 5) == 13


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_any_record_of_a_bridge_s_load_loses_and_doubles_nothing(when: str) -> None:
    assert deaths(bridge_life, when, 30) == 13
