"""D-07: a second other plan within 24 h that could pass a hard cap with what was given before is refused.

Cap 24,000 pg in 24 h. The second plan gives 12,000 in 24 h, 4,000 in 4 h and 1,000 in 1 h at the most.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.safety.limits import parse_limits
from pump_ctrl.safety.windows import judge_load
from tests.safety.kit import DAY, HOUR, Bench, account, basal, codes, limits, rows

CAPS = [{"drug": "baclofen", "hours": 24, "pg": 24_000}]


def plan(
    letter: str, basal_pg: tuple[int, int, int] = (20_000,) * 3, bolus_pg: tuple[int, int, int] = (0, 0, 0)
) -> bytes:
    wide = account(rows=rows(basal_pg, bolus_pg))
    return limits([wide], caps=CAPS, plan={"id": letter, "sha256": letter * 64})


def loaded_twice(given_nl: int, third: bytes, *, wait_ms: int = HOUR, between_ms: int = 0) -> object:
    """Plan a gives ``given_nl`` in its first hour; plan b is loaded then, and the third one ``wait_ms``
    later.
    """
    bench = Bench(plan("a")).confirmed()
    bench.pump.latency_ms = 0
    if given_nl:
        bench.ask(basal(given_nl, HOUR))
    bench.wait(HOUR + between_ms)
    assert bench.guard.load(plan("b"), by="tester", plan_ms=0) is None
    bench.wait(wait_ms)
    return bench.guard.load(third, by="tester", plan_ms=0)


@pytest.mark.parametrize(("given", "yes"), [(0, True), (12_300, True), (12_500, False)])
def test_the_third_plan_must_fit_with_what_was_given_before(given: int, yes: bool) -> None:
    """What b or c can give in the next 24 h at the most is 12,000; 400 of margin."""
    answer = loaded_twice(given, plan("c", (1_000, 4_000, 12_000)))
    assert answer is None if yes else codes(answer) == {"load"}


def test_the_boluses_of_the_new_plan_count_too() -> None:
    assert loaded_twice(12_000, plan("c", (1_000, 4_000, 6_000), (0, 0, 6_000))) is None
    assert codes(loaded_twice(12_000, plan("c", (1_000, 4_000, 6_000), (0, 0, 6_500)))) == {"load"}


def test_what_was_given_leaves_the_24_h_as_the_new_plan_gives() -> None:
    """Ended 20 h before: gone when the new plan has given more than E(4), so that 20,000 and 4,000 fit."""
    c = plan("c", (1_000, 4_000, 12_000))
    assert codes(loaded_twice(20_000, c, between_ms=15 * HOUR)) == {"load"}
    assert loaded_twice(20_000, c, between_ms=19 * HOUR) is None
    assert codes(loaded_twice(20_000, plan("c", (1_000, 4_500, 12_000)), between_ms=19 * HOUR)) == {"load"}


@pytest.mark.parametrize(("wait", "yes"), [(DAY - 1, False), (DAY, True)])
def test_a_day_after_the_second_plan_a_third_is_the_reviews_matter(wait: int, yes: bool) -> None:
    bench = Bench(plan("a")).confirmed()
    bench.guard.load(plan("b"), by="tester", plan_ms=0)
    bench.wait(wait - 2 * HOUR)
    bench.ask(basal(20_000, HOUR))
    bench.wait(2 * HOUR - 20)
    answer = bench.guard.load(plan("c"), by="tester", plan_ms=0)
    assert answer is None if yes else codes(answer) == {"load"}


def test_the_same_plan_again_and_the_first_other_one_are_not_refused() -> None:
    bench = Bench(plan("a")).confirmed()
    bench.ask(basal(20_000, HOUR))
    bench.wait(HOUR)
    assert bench.guard.load(plan("a"), by="tester", plan_ms=HOUR) is None
    assert bench.guard.load(plan("b"), by="tester", plan_ms=0) is None
    assert bench.guard.load(plan("b"), by="tester", plan_ms=0) is None


def test_the_same_plan_loaded_again_keeps_its_account() -> None:
    tight = limits([account(rows=rows((13_300, 10**6, 10**6)))])
    bench = Bench(tight).confirmed()
    bench.ask(basal(13_500, HOUR))
    bench.wait(HOUR // 2)
    bench.guard.load(tight, by="tester", plan_ms=HOUR // 2)
    assert codes(bench.ask(basal(9_000, HOUR // 2))) == {"basal-window"}


def test_limits_that_bound_no_drug_of_a_cap_are_not_loaded_as_the_second_other_plan_of_a_day() -> None:
    """No file says that; were there one, nothing bounds what it may give."""
    bench = Bench(plan("a")).confirmed()
    assert bench.guard.load(plan("b"), by="tester", plan_ms=0) is None
    bench.wait(HOUR)
    third = replace(parse_limits(plan("c")), accounts=())
    denial = judge_load(third, bench.guard._view(), bench.guard._now())
    assert denial is not None
    assert (denial.rule, denial.drug, denial.asked) == ("load", "baclofen", 0)
