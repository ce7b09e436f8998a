"""D-13, D-15: a restart over a command whose outcome nobody can tell: the bounded hold waits for no person."""

from __future__ import annotations

import pytest

from pump_ctrl.controller.events import Settled, Tick, Waiting
from pump_ctrl.controller.machine import State
from pump_ctrl.drivers.base import Evidence, Given, NotGiven, Nothing, Unknown
from pump_ctrl.safety.ask import Purpose
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import FakeBench, ToySchedule

SLOT = 22 * HOUR
PLAN = ToySchedule((0, 312_000), bolus=(SLOT, 600_000, 60_000))
GONE = Nothing("the mark is lost", gone=True)
NOT_YET = Nothing("its last moment to start has not passed yet")
ANOTHERS = Nothing("another command", other=True)


def restarted(*told: Evidence, hold: bool = True, stopped: bool = True) -> FakeBench:
    """Killed over the deliver of a bolus; what the pump has to say of it, at the start and then each time."""
    before, b = FakeBench(PLAN), FakeBench(PLAN)
    before.start()
    before.run_to(SLOT - 1)
    before.answers.append(Unknown("killed"))
    before.run_to(SLOT)
    for kind, data in before.records:
        b.controller.replay(kind, data)
    b.now = before.now + 60_000
    b.evidence.extend(told)
    if not stopped:
        b.stop_answers.extend([Unknown("silence")] * 9)
    plan_ms = SLOT + 60_000
    until = plan_ms + 2 * HOUR if hold else None
    b.feed(Waiting(plan_ms, b.status(), evidence=b.evidence.popleft(), runs_on=False, hold_until_ms=until))
    b.feed(Tick())
    return b


def purposes(b: FakeBench) -> list[Purpose]:
    return [ask.purpose for _, ask in b.asks]


def test_the_hold_follows_a_stop_when_nothing_is_left_that_could_tell() -> None:
    b = restarted(GONE, GONE)
    assert len(b.halts) == 1
    assert purposes(b) == [Purpose.HOLD]
    assert b.controller.state is State.WAITING
    assert ("unsettled", False) not in b.alarms, "a person still has to resolve it"
    assert b.boluses() == [(f"slot:0:{SLOT}", "unknown", "unsettled")]


def test_the_hold_ends_by_its_bound_and_nothing_follows_it() -> None:
    b = restarted(GONE, *[GONE] * 9)
    b.run_to(SLOT + 20 * HOUR)
    ends = [at + sum(step.duration_ms for step in ask.steps) for at, ask in b.asks]
    assert set(purposes(b)) == {Purpose.HOLD}
    assert max(ends) <= SLOT + 60_000 + 2 * HOUR


@pytest.mark.parametrize("told", [NOT_YET, ANOTHERS])
def test_no_hold_while_the_outcome_can_still_be_told_or_the_pump_is_anothers(told: Evidence) -> None:
    b = restarted(told, *[told] * 40)
    b.run_to(SLOT + HOUR)
    assert purposes(b) == []
    assert len(b.evidence) < 40, "it is asked again"


def test_no_hold_before_the_stop_is_acknowledged() -> None:
    b = restarted(*[GONE] * 9, stopped=False)
    assert purposes(b) == []
    b.stop_answers.clear()
    b.run_to(SLOT + HOUR)
    assert purposes(b) == [Purpose.HOLD]


def test_no_hold_where_the_plan_says_to_stop() -> None:
    b = restarted(*[GONE] * 40, hold=False)
    b.run_to(SLOT + HOUR)
    assert purposes(b) == []


def test_a_hold_whose_own_outcome_is_lost_is_no_reason_for_another() -> None:
    b = restarted(GONE)
    assert purposes(b) == []
    b.answers.append(Unknown("silence"))
    b.evidence.extend([GONE] * 40)
    b.run_to(SLOT + HOUR)
    assert purposes(b) == [Purpose.HOLD]


def test_what_is_told_after_all_ends_the_doubt_and_leaves_the_hold_in_force() -> None:
    late = FakeBench(PLAN).status()
    for evidence in (Given(10, 10, True, late), NotGiven("never began", late)):
        b = restarted(GONE, GONE)
        run = b.controller.run
        b.feed(Settled(evidence))
        assert b.controller.run is run is not None
        assert ("unsettled", False) in b.alarms


def test_a_person_who_resolves_it_stops_the_hold() -> None:
    b = restarted(GONE, GONE)
    b.feed(Settled(None))
    assert len(b.halts) == 2
    assert b.controller.run is None
    b.run_to(SLOT + DAY)
    assert purposes(b) == [Purpose.HOLD], "nothing follows by itself"
