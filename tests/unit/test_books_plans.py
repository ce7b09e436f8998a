"""The books and the plan in force: a bridge, another plan, the plan time that a person confirmed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from pump_ctrl.controller.books import Books
from pump_ctrl.controller.effects import Write
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.controller.runs import BridgePace
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule
from tests.unit.sums_kit import FIRST, PLAN, PRIME, STEP, bridged, in_force

SUMS = {"planned": "2400000", "missed": "0", "commanded": 2_400_000, "horizon_ms": DAY}


# A bridge (D-11).


def test_while_a_bridge_lasts_its_rule_is_the_basal() -> None:
    books = Books(bridged(PLAN), STEP)
    assert books.bridging
    pace = books.pace(HOUR)
    assert isinstance(pace, BridgePace)
    assert (pace.until_ms, books.pace().rate(0)) == (HOUR, Fraction(480_000, DAY))
    assert pace.rate(2 * HOUR) == Fraction(480_000, DAY)  # of 20 and 100 uL/h
    assert books.unknown_front == (0, 200_000)
    assert books.end_bridge() == [Write("bridge_over", {})]
    assert (books.bridging, books.pace(HOUR), books.unknown_front) == (False, PLAN.schedule, (0, 0))


def test_a_plan_without_a_bridge_is_its_own_basal() -> None:
    books = Books(PLAN, STEP)
    assert (books.bridging, books.pace(), books.unknown_front) == (False, PLAN.schedule, (0, 0))


# Another plan (D-07), and plan time (D-16).


def other(**changes: object) -> Prescription:
    """The next plan: its time 0 is two hours after that of the first."""
    plan = Prescription(ToySchedule((0, 480_000)), 4 * HOUR, plan="b", previous="a", start_utc_ms=2 * HOUR)
    return replace(plan, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("sha", ["b", "A"])
def test_another_plan_takes_over_the_sums_and_the_run_in_its_own_time(sha: str) -> None:
    books = in_force(FIRST)
    record = books.load(other(plan=sha), 3 * HOUR, "tester")
    assert record == [
        Write(
            "loaded",
            {
                "plan": sha,
                "by": "tester",
                "plan_ms": 3 * HOUR,
                "shift_ms": -2 * HOUR,
                **SUMS,
                "horizon_ms": 22 * HOUR,
            },
        )
    ]
    assert books.run is not None
    assert (books.run.from_ms, books.run.to_ms, books.slots_until) == (-2 * HOUR, 22 * HOUR, 3 * HOUR)


def test_another_plan_begins_anew_what_is_its_own() -> None:
    books = Books(PLAN, STEP)
    books.refill((7, 9), new_path=True, prime_due=True, to_come_nl=0)
    books.load(other(prime_nl=1, bridge=bridged(PLAN).bridge), 0, "tester")
    assert (books.primed, books.new_path, books.refilled, books.passed) == (False, False, False, (0, 0))
    assert books.bridging
    books.load(other(plan="c"), 0, "tester")
    assert (books.primed, books.bridging) == (True, False)


def test_the_same_plan_again_changes_nothing() -> None:
    books = Books(replace(PLAN, prime_nl=335_800), STEP)
    in_force(PRIME, books)
    books.refill((7, 9), new_path=True, prime_due=False, to_come_nl=0)
    (record,) = books.load(replace(books.prescription), 3 * HOUR, "tester")
    assert (record.data["plan"], record.data["shift_ms"]) == ("a", 0)
    assert (books.primed, books.new_path, books.refilled, books.passed) == (True, True, True, (7, 9))
    assert (books.slots_until, books.named("x")) == (0, "x")


def test_requests_of_two_plans_at_the_same_time_have_different_names() -> None:
    books = Books(PLAN, STEP)
    names = [books.named("basal:0")]
    books.load(other(), 0, "tester")
    names.append(books.named("basal:0"))
    books.load(other(plan="c"), 0, "tester")
    names.append(books.named("basal:0"))
    assert names == ["basal:0", "1/basal:0", "2/basal:0"]


@pytest.mark.parametrize(
    ("at", "horizon"), [(3 * HOUR, 3 * HOUR), (5 * HOUR, 5 * HOUR), (6 * HOUR, 5 * HOUR), (-1, 0)]
)
def test_where_plan_time_went_back_what_is_due_from_then_on_is_due_again(at: int, horizon: int) -> None:
    books = Books(PLAN, STEP)
    books.idle(5 * HOUR, "paused")
    books.set_plan_time(at)
    assert books.totals.horizon_ms == horizon


def test_plan_time_does_not_move_the_end_of_a_run_in_force() -> None:
    books = in_force(FIRST)
    books.set_plan_time(HOUR)
    assert books.totals.horizon_ms == DAY
