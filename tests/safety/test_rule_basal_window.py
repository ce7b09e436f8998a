"""S-02, D-04, D-05, D-07: basal in every window of 1, 4 and 24 h within E(W) and its margin, windows to come
included.

1 pg/nL, so pg are nL. Commands 0 and no pace: the margin is two steps, 200 pg, unless a test says otherwise.
13,500 nL in 1, 4 or 24 h are a whole number of zL/ms; another rate is rounded up, against the asker.
"""

# ruff: noqa: ANN401 - numbers of a row

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked, Step
from pump_ctrl.safety.ask import Denied
from tests.safety.kit import CAPABILITIES, DAY, HOUR, MINUTE, Bench, account, basal, codes, limits, rows

WIDE = 10**9


def granted(e: tuple[int, int, int], *steps: Step, **numbers: Any) -> bool:
    answer = Bench(limits([account(rows=rows(e, **numbers))])).confirmed().ask(*steps)
    assert isinstance(answer, Acked) or codes(answer) == {"basal-window"}
    return isinstance(answer, Acked)


@pytest.mark.parametrize(("nl", "yes"), [(13_300, True), (13_400, True), (13_500, True), (13_600, False)])
@pytest.mark.parametrize("hours", [1, 4, 24])
def test_each_of_the_three_windows_holds_its_limit_and_margin_and_no_step_more(
    hours: int, nl: int, yes: bool
) -> None:
    limit = tuple(13_300 if hours == h else WIDE for h in (1, 4, 24))
    assert granted((limit[0], limit[1], limit[2]), basal(nl, hours * HOUR)) is yes


def test_the_worst_window_lies_between_steps_not_at_the_end() -> None:
    """6,000 nL in the second half of one hour and the first half of the next."""
    steps = (basal(0, HOUR // 2), basal(3_000, HOUR // 2), basal(3_000, HOUR // 2), basal(0, 5 * HOUR))
    assert granted((6_000, WIDE, WIDE), *steps)
    assert not granted((5_000, WIDE, WIDE), *steps)


def test_what_was_given_before_counts_until_it_leaves_the_window() -> None:
    """9,000 nL in the first half hour, 300 a minute; 200 are left, and 610 more two minutes and T_s later.

    A step of a minute with 2 s of doubt counts 62 s of its rate.
    """
    for ms, nl, yes in ((59 * MINUTE, 100, True), (59 * MINUTE, 300, False), (61 * MINUTE, 700, True),
                        (61 * MINUTE, 800, False)):  # fmt: skip
        bench = Bench(limits([account(rows=rows((9_000, WIDE, WIDE)))])).confirmed()
        bench.pump.latency_ms = 0
        bench.ask(basal(9_000, HOUR // 2))
        bench.at(ms)
        answer = bench.ask(basal(nl, MINUTE), basal(0, HOUR))
        assert isinstance(answer, Acked) is yes, (ms, nl)


@pytest.mark.parametrize(("numbers", "margin"), [
    ({"commands": 0}, 200), ({"commands": 1}, 300), ({"commands": 10}, 1_200),
    ({"basal_max_pg_per_h": 1_800_000}, 1_200), ({"basal_fall_pg_per_h": 1_800_000}, 1_200),
    ({"basal_max_pg_per_h": 1_800_000, "basal_fall_pg_per_h": 1_800_000, "commands": 1}, 2_300),
    ({"basal_max_pg_per_h": 1}, 201), ({"bolus_max_pg_per_h": WIDE, "bolus_fall_pg_per_h": WIDE}, 200),
])  # fmt: skip
def test_the_margin_is_t_s_times_highest_rate_and_falls_and_a_step_for_each_command_and_two(
    numbers: dict[str, int], margin: int
) -> None:
    """D-05: 2 s of 1,800,000 pg/h are 1,000 pg."""
    assert granted((13_500 - margin, WIDE, WIDE), basal(13_500, HOUR), **numbers)
    assert not granted((13_499 - margin, WIDE, WIDE), basal(13_500, HOUR), **numbers)


def test_the_margin_counts_the_coarser_of_step_and_counter() -> None:
    pump = {
        "name": "fake", "protocol": "reference", "step_nl": 100, "counter_unit_nl": 1_000,
        "max_nl_per_h": 1_000_000, "max_lease_ms": DAY,
    }  # fmt: skip
    data = limits([account(rows=rows((11_500, WIDE, WIDE)))], pump=pump)
    for nl, yes in ((13_500, True), (13_600, False)):
        answer = Bench(data, replace(CAPABILITIES, counter_unit_nl=1_000)).confirmed().ask(basal(nl, HOUR))
        assert isinstance(answer, Acked) is yes


def test_thirteen_steps_with_2_s_of_doubt_at_each_fall_are_granted_with_the_falls_in_the_margin() -> None:
    """D-05: seven falls by 10,800 nL/h, 6 nL each in 2 s; without them in the margin it is refused."""
    steps = tuple(basal(2_700 if i % 2 == 0 else 0, 15 * MINUTE) for i in range(13))
    exact = (5_400, 4 * 2_700 * 2, WIDE)
    seven = {"basal_max_pg_per_h": 10_800, "basal_fall_pg_per_h": 75_600}
    assert granted(exact, *steps, **seven)
    assert granted((5_200, WIDE, WIDE), *steps, **seven)
    assert not granted((5_200, WIDE, WIDE), *steps)


def test_renewals_every_hour_at_a_steady_rate_are_never_refused() -> None:
    """D-08: E is exact, each renewal comes 15 min early and takes up to 2 s; a day and a half."""
    bench = Bench(
        limits([account(rows=rows((6_000, 24_000, 144_000), basal_max_pg_per_h=6_000))])
    ).confirmed()
    for i in range(48):
        bench.at(i * 45 * MINUTE)
        bench.pump.latency_ms = (0, 20, 2_000)[i % 3]
        assert isinstance(bench.ask(basal(6_000, HOUR)), Acked), i


def test_a_step_down_by_a_fifth_is_granted_in_its_own_account_and_refused_in_the_old_one() -> None:
    """D-07, S-13: the new E alone would refuse a -20 % step for 24 h."""
    new = {"from_ms": 12 * HOUR, "rows": rows((4_800, 19_200, 115_200))}
    two = [account(until_ms=12 * HOUR, rows=rows((6_000, 24_000, 144_000))), account("stage-1", **new)]
    same = [account(rows=rows((6_000, 24_000, 144_000))), account("stage-1", **new)]
    for accounts, name, yes in ((two, "stage-1", True), (same, "stage-1", True)):
        bench = Bench(limits(accounts)).confirmed()
        bench.ask(basal(72_000, 12 * HOUR))
        bench.at(12 * HOUR)
        assert isinstance(bench.ask(basal(57_600, 12 * HOUR), account=name), Acked) is yes
    one = Bench(limits([account(rows=rows((6_000, 24_000, 115_200)))])).confirmed()
    one.ask(basal(72_000, 12 * HOUR))
    one.at(12 * HOUR)
    assert codes(one.ask(basal(57_600, 12 * HOUR))) == {"basal-window"}


def test_a_renewal_unknown_at_12_00_and_resolved_at_12_30_costs_nothing() -> None:
    """D-06: at each instant the larger of the old and the new run, so the next leases go on, and the night's
    bolus.
    """
    bench = Bench(limits([account(rows=rows((6_000, 24_000, 144_000)))])).confirmed()
    bench.ask(basal(144_000, DAY))
    bench.at(12 * HOUR)
    bench.pump.answers = ["lost"]
    bench.ask(basal(144_000, DAY))
    bench.at(12 * HOUR + 30 * MINUTE)
    permit = bench.guard.unsettled
    assert permit is not None
    bench.guard.resolve(permit.id, "tester", "seen")
    assert isinstance(bench.ask(basal(144_000, DAY)), Acked)
    bench.at(36 * HOUR)
    assert isinstance(bench.ask(basal(144_000, DAY)), Acked)


def test_an_unknown_run_that_is_faster_than_the_one_before_counts_while_it_may_run() -> None:
    """Sent at 0: 12,000 nL in 1 h; the older run gives 6,000 nL/h. Within the hour the faster one counts."""
    bench = Bench(limits([account(rows=rows((12_000, 18_000, WIDE)))])).confirmed()
    bench.ask(basal(24_000, 4 * HOUR))
    bench.pump.answers = ["lost"]
    bench.ask(basal(12_000, HOUR))
    bench.guard.resolve(bench.pump.sent[-1].id, "tester", "seen")
    bench.at(HOUR)
    assert codes(bench.ask(basal(6_600, HOUR))) == {
        "basal-window"
    }  # 12,000 in the first hour, and T_s + 5 s of it
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_every_drug_of_a_mixture_has_its_own_limit_and_a_drug_without_one_is_denied() -> None:
    fluid = {"baclofen": [0, 1_000_000], "clonidine": [0, 500_000]}
    caps = [{"drug": drug, "hours": 24, "pg": WIDE} for drug in fluid]
    fields: dict[str, Any] = {
        "fluids": {"path": fluid, "reservoir": fluid}, "caps": caps,
        "bolus_caps": [{"drug": drug, "pg": WIDE} for drug in fluid],
    }  # fmt: skip
    both = rows((18_000, WIDE, WIDE)) + rows((6_650, WIDE, WIDE), drug="clonidine")
    bench = Bench(limits([account(rows=both)], **fields)).confirmed()
    answer = bench.ask(basal(18_000, HOUR))  # 9,000 pg of clonidine, 6,650 and a margin of 100 are allowed
    assert codes(answer) == {"basal-window"}
    assert "clonidine" in str(answer)
    assert isinstance(bench.ask(basal(13_500, HOUR)), Acked)


def test_while_it_is_not_certain_which_of_two_runs_is_in_force_the_faster_one_counts() -> None:
    """0.25 nL/ms for 10 s are 2,500 nL; until the new run is surely in force, T_s later, it may be 500 more."""
    for e, yes in ((3_300, True), (3_200, False)):
        bench = Bench(limits([account(rows=rows((10**7, WIDE, WIDE)))])).confirmed()
        bench.pump.latency_ms = 0
        bench.ask(basal(900_000, HOUR))
        bench.at(10_000)
        bench.guard.load(limits([account(rows=rows((e, WIDE, WIDE)))]), by="tester", plan_ms=10_000)
        answer = bench.ask(basal(0, 1_000), basal(500, HOUR - 1_000))
        assert isinstance(answer, Acked) if yes else codes(answer) == {"basal-window"}


def test_a_refusal_tells_what_was_asked_what_counts_already_and_the_limit() -> None:
    bench = Bench(limits([account(rows=rows((9_000, WIDE, WIDE)))])).confirmed()
    bench.pump.latency_ms = 0
    bench.ask(basal(9_000, HOUR // 2))
    bench.at(HOUR // 2)
    answer = bench.ask(basal(900, HOUR // 2))
    assert isinstance(answer, Denied)
    (denial,) = answer.denials
    assert (denial.rule, denial.drug, denial.window_h, denial.limit) == ("basal-window", "baclofen", 1, 9_000)
    assert (denial.asked, denial.counted) == (900, 9_000)
