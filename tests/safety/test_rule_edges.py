"""Edges of the rules that no other file looks at: each is decided otherwise by a small change of a rule."""

# ruff: noqa: ANN401 - fields of every kind are handed on

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Acked, Step, StepKind
from pump_ctrl.safety.admission import malformed
from pump_ctrl.safety.amounts import InAccount
from pump_ctrl.safety.ask import Ask, Denied, Purpose
from pump_ctrl.safety.rules import CASE_RULES, RULES, case_of, judge
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
from tests.safety.test_rule_load import CAPS, loaded_twice, plan

WIDE = (10**9,) * 3
PATIENT = {"over_ms": 10 * MINUTE, "lockout_ms": HOUR, "max_per_day": 3, "volume_nl": 1_000}


def wide(name: str = "stage-0", **fields: Any) -> dict[str, Any]:
    """An account that lets boluses of 2,000 nL through, and any basal."""
    return account(name, rows=rows(WIDE, WIDE, bolus_max_pg_per_h=10**9), max_bolus_nl=2_000, **fields)


def ready(*accounts: dict[str, Any], **fields: Any) -> Bench:
    known = {"caps": [{"drug": "baclofen", "hours": 24, "pg": 10**9}], **fields}
    bench = Bench(limits(list(accounts) or [wide()], **known)).confirmed()
    bench.pump.latency_ms = 0
    return bench


# --- limits that are loaded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fields", "rule"), [
    ({"valid": {"from_utc_ms": 0, "until_utc_ms": HOUR}}, "limits-expired"),
    ({"valid": {"from_utc_ms": 2 * DAY, "until_utc_ms": 3 * DAY}}, "limits-expired"),
    ({"simulation": True, "pump": {
        "name": "fake", "protocol": "zeta", "step_nl": 100, "counter_unit_nl": 100, "max_nl_per_h": 1,
        "max_lease_ms": 1,
    }}, "limits-mismatch"),
])  # fmt: skip
def test_limits_for_another_time_or_pump_are_not_loaded_and_those_in_force_stay(
    fields: dict[str, Any], rule: str
) -> None:
    bench = ready()
    bench.at(DAY)
    assert codes(bench.guard.load(limits([wide()], **fields), by="tester", plan_ms=0)) == {rule}
    assert isinstance(bench.ask(basal(100, HOUR)), Acked)


def test_the_first_plan_of_all_is_compared_with_none() -> None:
    assert Bench(None).guard.load(plan("a"), by="tester", plan_ms=0) is None


def test_limits_that_ran_out_are_not_loaded_as_the_second_other_plan_of_a_day_either() -> None:
    expired = limits(
        [account(rows=rows((10, 10, 10)))], caps=CAPS, plan={"id": "c", "sha256": "c" * 64},
        valid={"from_utc_ms": 0, "until_utc_ms": HOUR},
    )  # fmt: skip
    assert codes(loaded_twice(0, expired)) == {"limits-expired"}


def test_limits_that_ran_out_long_ago_deny_like_those_that_just_did() -> None:
    data = limits([wide()], valid={"from_utc_ms": 1_000, "until_utc_ms": 2_000})
    bench = Bench(data, clock=VirtualClock(utc_ms=9_000)).confirmed()
    assert "limits-expired" in codes(bench.ask(basal(100, HOUR)))


def test_a_second_other_plan_is_compared_whether_its_hash_sorts_before_the_old_one_or_after() -> None:
    for letter in ("0", "c"):
        assert codes(loaded_twice(12_500, plan(letter, (1_000, 4_000, 12_000)))) == {"load"}


def test_only_the_daily_cap_is_compared_with_what_was_given_in_a_day() -> None:
    """What one hour and two days may hold is looked at with each request."""
    low = [{"drug": "baclofen", "hours": hours, "pg": 10_000} for hours in (1, 48)]
    account_ = account(rows=rows((1_000, 4_000, 12_000)))
    third = limits([account_], caps=[*CAPS, *low], plan={"id": "c", "sha256": "c" * 64})
    assert loaded_twice(12_300, third) is None


def test_of_several_stages_the_one_that_gives_most_counts() -> None:
    small, large = account(rows=rows((10, 10, 10))), account("stage-1", rows=rows((1_000, 4_000, 12_000)))
    for stages in ([small, large], [{**large, "id": "stage-0"}, {**small, "id": "stage-1"}]):
        third = limits(stages, caps=CAPS, plan={"id": "c", "sha256": "c" * 64})
        assert codes(loaded_twice(12_500, third)) == {"load"}


@pytest.mark.parametrize(("hours", "most_pg", "yes"), [
    (24, (4_500, 4_500, 4_500), False), (25, (4_500, 4_500, 4_500), True),  # in the first hour of the 24, or before
    (23, (0, 4_500, 4_500), False), (24, (0, 4_500, 4_500), True),  # gone after the new plan's first hour
    (20, (0, 0, 4_500), False), (21, (0, 0, 4_500), True),  # after its fourth
])  # fmt: skip
def test_what_was_given_counts_until_it_leaves_the_24_h_beside_what_the_new_plan_gives_until_then(
    hours: int, most_pg: tuple[int, int, int], yes: bool
) -> None:
    """D-07: 20,000 pg in the hour that began ``hours`` ago; the cap and its margin are 24,400."""
    answer = loaded_twice(20_000, plan("c", most_pg), between_ms=(hours - 2) * HOUR)
    assert answer is None if yes else codes(answer) == {"load"}


@pytest.mark.parametrize(("pg", "yes"), [(10_000, True), (10_001, False)])
def test_a_plan_that_just_fills_the_daily_cap_and_its_margin_is_loaded(pg: int, yes: bool) -> None:
    """14,400 given, 24,000 and 400 of margin: 10,000 are left."""
    answer = loaded_twice(14_400, plan("c", (1_000, 4_000, pg)))
    assert answer is None if yes else codes(answer) == {"load"}


# --- every rule is asked ------------------------------------------------------------------------------------------


def test_a_request_that_several_rules_refuse_names_them_all() -> None:
    tight = account(rows=rows((6_000, 10**9, 10**9)))
    bench = ready(tight)
    bench.ask(basal(100, HOUR), request="once")
    assert codes(bench.ask(basal(50_000, HOUR), request="once")) == {"duplicate", "basal-window"}
    bench.pump.answers = ["lost"]
    bench.ask(basal(100, HOUR))
    assert codes(bench.ask(basal(50_000, HOUR))) == {"unsettled", "basal-window"}


def test_limits_that_cannot_be_used_calculate_nothing_although_the_journal_knows_them() -> None:
    bench = ready(account(rows=rows((6_000, 10**9, 10**9))))
    bench.limits = None
    bench.restart()
    assert codes(bench.ask(basal(50_000, HOUR))) == {"limits-missing", "not-confirmed"}


def test_after_a_journal_that_failed_every_request_is_refused_by_name() -> None:
    bench = ready()
    bench.log.broken = True
    assert codes(bench.ask(basal(100, HOUR))) == {"journal"}
    bench.log.broken, written = False, len(bench.log.records)
    assert codes(bench.ask(basal(100, HOUR))) == {"journal"}
    assert (len(bench.log.records), bench.pump.sent) == (written, [])  # it is not even tried


def test_each_rule_has_the_name_that_the_documents_call_it_by() -> None:
    assert [rule.code for rule in RULES] + [rule.code for rule in CASE_RULES] == [
        "limits", "latched", "not-confirmed", "unsettled", "inhibition", "duplicate", "malformed", "account",
        "account-window", "bolus-cap", "bolus-overlap", "lockout", "basal-window", "bolus-window", "cap-window",
        "prime", "reservoir", "hold",
    ]  # fmt: skip


# --- the request itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [
    Step(StepKind.BASAL, -1, 10), Step(StepKind.BASAL, 10, -1), Step(StepKind.BASAL, 0, -5),
    Step(StepKind.BOLUS, 10, 5, -1),
])  # fmt: skip
def test_nothing_negative_is_a_request_whatever_the_grid_of_the_pump_is(step: Step) -> None:
    """S-15: of itself, before any limits are there to compare it with."""
    purpose = Purpose.BASAL if step.kind is StepKind.BASAL else Purpose.SCHEDULED
    assert malformed(Ask("one", purpose, "stage-0", (step,))) is not None


def test_only_a_hold_may_last_longer_than_the_lease_and_no_longer_than_the_longest_hold_and_the_pump() -> (
    None
):
    """D-14: leases of 1 h, holds of 4 h, a pump that takes 3 h."""
    pump = {
        "name": "fake", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 100, "max_nl_per_h": 1_000_000,
        "max_lease_ms": HOUR,
    }  # fmt: skip
    data = limits([wide(hold={"nl": 6_000, "per_ms": HOUR})], pump=pump, max_hold_ms=4 * HOUR)
    bench = Bench(data, replace(CAPABILITIES, max_lease_ms=3 * HOUR)).confirmed()
    for purpose, ms, yes in (
        (Purpose.BASAL, HOUR, True), (Purpose.BASAL, HOUR + 1, False),
        (Purpose.HOLD, 3 * HOUR, True), (Purpose.HOLD, 3 * HOUR + 1, False),
    ):  # fmt: skip
        answer = bench.ask(basal(100, ms), purpose=purpose)
        assert isinstance(answer, Acked) if yes else codes(answer) == {"malformed"}


def test_a_hold_stays_within_its_stage_as_long_as_time_is_known_and_nothing_else_goes_on_without() -> None:
    hold = {"nl": 6_000, "per_ms": HOUR}
    bench = ready(wide(until_ms=HOUR, hold=hold), wide("stage-1", from_ms=HOUR, hold=hold), max_hold_ms=DAY)
    assert codes(bench.ask(basal(100, 2 * HOUR), purpose=Purpose.HOLD)) == {"account-window"}
    view, now = replace(bench.guard._view(), timeless=True), bench.guard._now()
    for purpose, rule in ((Purpose.BASAL, "account-window"), (Purpose.HOLD, None)):
        case = case_of(Ask("one", purpose, "stage-0", (basal(100, HOUR // 2),)), view, now)
        assert case is not None
        denial = InAccount().judge(case)
        assert (None if denial is None else denial.rule) == rule


def test_a_fluid_of_which_nobody_knows_a_limit_has_no_bolus_and_a_drug_of_none_of_it_needs_no_limit() -> None:
    bench = ready()
    bench.guard.refill(by="tester", fill_nl=40_000_000, fluid={"baclofen": 1_000_000, "morphine": 0})
    assert isinstance(bench.ask(basal(400_000, HOUR)), Acked)
    bench.guard.refill(by="tester", fill_nl=40_000_000, fluid={"morphine": 1_000_000})
    bench.at(HOUR)
    bench.ask(basal(400_000, HOUR))
    bench.at(2 * HOUR)
    answer = bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
    assert isinstance(answer, Denied)
    found = [(d.drug, d.asked, d.limit) for d in answer.denials if d.rule == "bolus-cap"]
    assert found == [("morphine", 1_000, 0)]


def test_a_stage_whose_name_sorts_before_the_bridge_is_none() -> None:
    bench = ready(wide("a-stage"))
    assert isinstance(
        bench.ask(bolus(1_000, 10 * MINUTE), account="a-stage", purpose=Purpose.SCHEDULED), Acked
    )


@pytest.mark.parametrize(
    ("share", "found"), [(0, {"bolus-cap", "no-patient-bolus"}), (1, {"no-patient-bolus"})]
)
def test_a_patient_bolus_that_the_plan_does_not_have_is_refused_as_one_however_small(
    share: int, found: set[str]
) -> None:
    """Less than a step over nothing is carried rounding for the one rule, and a patient's bolus for the other."""
    assert codes(ready().ask(bolus(100, 10 * MINUTE, share), purpose=Purpose.PATIENT)) == found


def test_more_boluses_than_another_plan_allows_in_a_day_are_too_many_however_many_they_are() -> None:
    bench = ready(wide(patient=PATIENT))
    for hour in (0, 2):
        bench.at(hour * HOUR)
        assert isinstance(bench.ask(bolus(100, 10 * MINUTE), purpose=Purpose.PATIENT), Acked)
    bench.at(4 * HOUR)
    fewer = limits([wide(patient={**PATIENT, "max_per_day": 1})])
    assert bench.guard.load(fewer, by="tester", plan_ms=None) is None
    assert codes(bench.ask(bolus(100, 10 * MINUTE), purpose=Purpose.PATIENT)) == {"max-per-day"}


def test_what_runs_goes_on_for_the_stop_time_and_counts_in_the_reservoir_before_the_request() -> None:
    """S-32: 36,000 nL in half an hour at 20 nL/s, 40 more within 2 s; 100,000 were filled."""
    for nl, yes in ((63_900, True), (64_000, False)):
        bench = ready(fill_nl=100_000)
        bench.ask(basal(72_000, HOUR))
        bench.at(HOUR // 2)
        answer = bench.ask(basal(nl, HOUR))
        assert isinstance(answer, Acked) if yes else codes(answer) == {"reservoir"}


def test_a_prime_is_refused_while_a_single_nanolitre_may_still_flow_and_says_how_much_it_is() -> None:
    """6,000 nL at a rate that is no whole number of zL/ms and is rounded up: a little more than 6,000."""
    bench = ready(prime_nl=10_000)
    bench.ask(basal(6_000, HOUR))
    answer = bench.ask(prime(1_000, HOUR), purpose=Purpose.PRIME)
    assert isinstance(answer, Denied)
    assert [(d.rule, d.asked) for d in answer.denials] == [("prime", 6_001)]


@pytest.mark.parametrize(("nl", "yes"), [(235_500, True), (235_600, False)])
def test_a_prime_may_just_fill_the_path_with_three_grains_that_nobody_can_tell(nl: int, yes: bool) -> None:
    """D-12: 100,800 nL left in an hour at 28 nL/s; 336,000 and 300 are allowed together."""
    bench = ready(prime_nl=336_000)
    bench.ask(basal(100_800, HOUR))
    bench.wait(HOUR)
    bench.guard.stop("to prime")
    bench.wait(1)
    answer = bench.ask(prime(nl, 30 * MINUTE), purpose=Purpose.PRIME)
    assert isinstance(answer, Acked) if yes else codes(answer) == {"prime"}


def test_an_account_that_there_is_not_is_all_that_is_said_of_it() -> None:
    bench = ready()
    found = judge(
        Ask("one", Purpose.BASAL, "stage-9", (basal(10**8, HOUR),)), bench.guard._view(), bench.guard._now()
    )
    assert {denial.rule for denial in found} == {"account", "malformed"}  # and faster than any pump
