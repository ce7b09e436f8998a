"""Other plans and other fillings: what of the moment, of the plan and of the fluid stands against them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.events import AlarmsChanged, Refilled, RequestKind
from pump_ctrl.controller.loading import plans_named
from pump_ctrl.controller.machine import State
from pump_ctrl.controller.prescription import Bridge, Prescription
from pump_ctrl.safety.ask import Denial, Denied
from tests.toy_pace import HOUR
from tests.unit.fake_bench import TIMING, ToySchedule
from tests.unit.people_kit import BASAL, LOST, NIGHT, NO_WORD, TERMS, LifeBench, bench

MINUTE = 60_000
A, B = "a" * 64, "b" * 64
FRONT = Bridge(ToySchedule(BASAL), 0, 100_000, 200_000, Fraction(0))


def filled(b: LifeBench, *, other_fluid: bool = False, new_path: bool = False) -> dict[str, Any]:
    """Filled after 5,000 to 6,900 nL; what the journal has of it."""
    b.feed(Refilled(5_000, 6_900, other_fluid=other_fluid, new_path=new_path))
    return b.of("refilled")[-1]


def other(b: LifeBench, **changes: Any) -> Prescription:  # noqa: ANN401 - fields of any type
    return replace(b.controller.prescription, **{"plan": B, "previous": A, **changes})


# Fillings.


AT_REST = {
    "waiting": lambda b: b.restart(runs_on=True),
    "paused": lambda b: b.ask(RequestKind.PAUSE),
    "stopped": lambda b: b.ask(RequestKind.STOP),
    "fault": lambda b: b.feed(AlarmsChanged(True, ("stall",))),
}
AT_WORK = {
    "running": lambda b: None,
    "bolus": lambda b: b.ask(RequestKind.PATIENT_BOLUS),
    "uncertain": lambda b: (b.answers.append(LOST), b.ask(RequestKind.PATIENT_BOLUS)),
}


@pytest.mark.parametrize("state", [*AT_REST, *AT_WORK])
def test_a_new_path_is_primed_first_only_where_a_person_has_to_start_it(state: str) -> None:
    b = bench(patient=TERMS, prime_nl=100_000, until_ms=2 * HOUR)
    (AT_REST | AT_WORK)[state](b)
    assert filled(b)["prime_due"] is False
    assert filled(b, new_path=True)["prime_due"] is (state in AT_REST)


@pytest.mark.parametrize(
    ("told", "passed"),
    [({}, [5_000, 7_000]), ({"other_fluid": True}, [0, 100_000]), ({"new_path": True}, [0, 100_000])],
)
def test_what_left_before_a_filling_counts_in_a_bridge_unless_nobody_knows_where_the_front_is(
    told: dict[str, bool], passed: list[int]
) -> None:
    """A pump step may have been made while it was told."""
    b = LifeBench(ToySchedule(BASAL), bridge=FRONT)
    b.start()
    assert filled(b, **told)["passed"] == passed
    again = {"passed": [5_000 + passed[0], 7_000 + passed[1]]} if not told else {"passed": [0, 100_000]}
    assert filled(b, **told)["passed"] == again["passed"]


@pytest.mark.parametrize("told", [{}, {"other_fluid": True}, {"new_path": True}])
def test_outside_a_bridge_it_does_not(told: dict[str, bool]) -> None:
    assert filled(bench(), **told)["passed"] == [0, 0]


def test_what_the_run_in_force_still_gives_goes_into_the_new_path() -> None:
    assert filled(bench(), new_path=True)["to_come_nl"] == 312_000 - 13_000


def test_a_filled_reservoir_is_reckoned_with_at_once() -> None:
    b = LifeBench(ToySchedule(BASAL))
    b.answers.append(Denied((Denial("reservoir", None, 9, 0, 26_000, None, "nL"),)))
    b.start()
    b.tick()
    dry = sum(step.volume_nl for step in b.asks[-1][1].steps)
    filled(b)
    b.ask(RequestKind.PAUSE)
    b.ask(RequestKind.RESUME)
    b.tick()
    assert dry < 26_000
    assert sum(step.volume_nl for step in b.asks[-1][1].steps) == 312_000


# Loads.


@pytest.mark.parametrize(
    ("is_set", "before_ms", "after_ms", "yes"),
    [(True, 0, 1, False), (True, 1, 0, False), (True, 1, 1, True), (False, 0, 1, True)],
)
def test_what_the_pump_does_when_the_host_is_lost_was_told_to_it_at_the_start(
    is_set: bool, before_ms: int, after_ms: int, yes: bool
) -> None:
    b = bench(plan=A, timing=replace(TIMING, loss_is_set=is_set), max_hold_ms=before_ms)
    assert (b.load(other(b, max_hold_ms=after_ms)) == "") is yes


@pytest.mark.parametrize("left_nl", [100_000, 100_001])
def test_a_bridge_begins_before_the_new_fluid_can_be_at_the_tip(left_nl: int) -> None:
    b = bench(plan=A)
    filled(b)
    assert b.load(other(b, bridge=FRONT), left_nl) != ""
    assert b.load(other(b, bridge=FRONT), 99_999) == ""


def test_a_load_waits_for_a_bolus_that_is_late_but_still_in_its_time() -> None:
    b = bench(plan=A, bolus=NIGHT, until_ms=21 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(22 * HOUR + MINUTE)
    assert b.load(other(b)) == ""
    assert b.controller.loading


@pytest.mark.parametrize(("start_ms", "yes"), [(HOUR, True), (HOUR + 1, False)])
def test_a_plan_is_loaded_from_its_very_start_on(start_ms: int, yes: bool) -> None:
    b = bench(plan=A)
    assert (b.load(other(b, start_utc_ms=start_ms)) == "") is yes


@pytest.mark.parametrize("doubt", ["waiting", "unsettled", "halting", "priming", "loading"])
def test_a_load_waits_for_nothing_that_only_a_person_or_the_pump_can_end(doubt: str) -> None:
    b = bench(plan=A, patient=TERMS, prime_nl=100_000, until_ms=2 * HOUR)
    new = other(b, prime_nl=0)
    if doubt == "waiting":
        b.restart(runs_on=True)
    elif doubt == "unsettled":
        b.evidence.extend([NO_WORD] * 9)
        b.answers.append(LOST)
        b.ask(RequestKind.PATIENT_BOLUS)
        b.ask(RequestKind.PAUSE)
    elif doubt == "halting":
        b.stop_answers.append(LOST)
        b.ask(RequestKind.PAUSE)
    elif doubt == "priming":
        filled(b, new_path=True)
        b.ask(RequestKind.PRIME)
        b.tick()
    else:
        b.ask(RequestKind.PATIENT_BOLUS)
        assert b.load(new) == ""
    assert b.controller.load_refusal(new, 0, b.now) != ""


def test_the_first_reason_is_told_alone() -> None:
    b = bench(plan=A)
    b.restart(runs_on=True)
    assert b.load(other(b, previous="c" * 64)) == "a person has to confirm the reconciliation first"


@pytest.mark.parametrize(
    ("changes", "yes"), [({"prime_nl": 1}, False), ({"bridge": FRONT}, False), ({}, True)]
)
def test_the_same_plan_asks_for_no_filling_and_another_one_for_its_own(
    changes: dict[str, Any], yes: bool
) -> None:
    b = bench(plan=A, **changes)
    assert b.load(b.controller.prescription) == ""
    for name in (B, "0" * 64):
        plain = bench(plan=A)
        assert (plain.load(other(plain, plan=name, **changes)) == "") is yes


def test_a_bolus_that_waits_to_be_taken_holds_a_load_back() -> None:
    """Its outcome is not known: whatever plan is in force by then, it belongs to the one that asked for it."""
    b = bench(plan=A, bolus=NIGHT, until_ms=21 * HOUR)
    b.ask(RequestKind.PAUSE)
    b.run_to(22 * HOUR)
    assert b.load(other(b)) == ""
    assert b.controller.loading
    b.evidence.extend([NO_WORD] * 30)
    b.answers.append(LOST)
    b.ask(RequestKind.RESUME)
    b.tick()
    assert b.controller.state is State.UNCERTAIN
    b.wait(10 * MINUTE)
    assert b.controller.loading
    b.learns(None)
    assert not b.controller.loading


def test_what_nobody_delivered_is_told_in_the_name_of_the_plan_that_asked_for_it() -> None:
    b = bench(plan=A)
    b.ask(RequestKind.PAUSE)
    b.now += HOUR
    assert b.load(other(b)) == ""
    kinds = [kind for kind, _ in b.records]
    assert kinds.index("idle") < kinds.index("loaded")
    assert b.gaps() == [("paused by a person", 13_000)]


def test_a_silence_that_is_over_with_the_new_plan_is_told() -> None:
    b = bench(plan=A)
    b.ask(RequestKind.PAUSE)
    b.now += 2 * HOUR
    assert b.load(other(b, under_delivery_ms=2 * HOUR)) == ""
    assert b.alarms[-1] == ("under-delivery", True)


def test_who_loaded_it_is_in_the_journal() -> None:
    b = bench(plan=A)
    assert b.load(other(b)) == ""
    (loaded,) = b.of("loaded")
    assert (loaded["plan"], loaded["by"], loaded["plan_ms"]) == (B, "tester", HOUR)


def test_what_the_guard_refuses_is_answered_by_the_requests_name() -> None:
    b = bench(plan=A)
    b.load_answers.append("limits-mismatch")
    assert b.load(other(b)) == ""
    assert b.told == [(f"load:{'b' * 16}", "refused")]


# Taking up a journal.


def test_a_load_that_waited_is_dropped_by_a_restart_and_answered_once() -> None:
    b = bench(plan=A, patient=TERMS)
    b.ask(RequestKind.PATIENT_BOLUS, "p")
    assert b.load(other(b)) == ""
    b.restart(runs_on=True)
    assert b.told == [(f"load:{'b' * 16}", "dropped")]
    b.start(b.plan)
    assert len(b.told) == 1


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("request", {"id": "load:x", "kind": "prime"}),
        ("limits", {"plan_ms": None, "by": "x", "limits": {"plan": {"sha256": A}}}),
    ],
)
def test_other_records_are_no_loads(kind: str, data: dict[str, Any]) -> None:
    b = bench(plan=A)
    b.killed()
    b.controller.replay(kind, data)
    b.wakes(runs_on=True)
    assert b.told == []
    assert b.of("loaded") == []


@pytest.mark.parametrize(("answered", "told"), [("load:x", []), ("resume", [("load:x", "dropped")])])
def test_only_its_own_answer_ends_the_wait(answered: str, told: list[tuple[str, str]]) -> None:
    b = bench(plan=A)
    b.killed()
    b.controller.replay("request", {"id": "load:x", "kind": "load"})
    b.controller.replay("answer", {"request": answered, "text": "done"})
    b.wakes(runs_on=True)
    assert b.told == told


@dataclass(frozen=True)
class Line:
    kind: str
    data: dict[str, Any]


def test_the_plans_of_a_journal_are_named_in_order() -> None:
    limits = [Line("limits", {"limits": {"plan": {"sha256": plan}}}) for plan in (B, A)]
    assert plans_named([limits[0], Line("stop", {}), limits[1]]) == [B, A]
