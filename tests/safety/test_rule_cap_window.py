"""S-01, D-07, D-12: everything together, whatever its account, within the hard caps."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, prime, rows

WIDE = 10**9


def capped(pg: int, hours: int = 24, **fields: int) -> bytes:
    caps = [{"drug": "baclofen", "hours": 24, "pg": WIDE}] if hours != 24 else []
    wide = account(rows=rows((WIDE,) * 3, (WIDE,) * 3, bolus_max_pg_per_h=0), max_bolus_nl=9_000)
    return limits([wide], caps=[*caps, {"drug": "baclofen", "hours": hours, "pg": pg}], **fields)


@pytest.mark.parametrize(("nl", "yes"), [(13_100, True), (13_400, True), (13_500, True), (13_600, False)])
@pytest.mark.parametrize("hours", [1, 2, 4, 24])
def test_a_cap_holds_with_the_two_margins_of_the_accounts_and_no_step_more(
    hours: int, nl: int, yes: bool
) -> None:
    """Two steps in each account: 400 pg. A cap for 2 h takes the margin of the 4 h rows."""
    answer = Bench(capped(13_100, hours)).confirmed().ask(basal(nl, hours * HOUR))
    assert isinstance(answer, Acked) if yes else codes(answer) == {"cap-window"}


def test_a_cap_longer_than_every_row_takes_the_margin_of_the_longest() -> None:
    data = capped(26_600, 48)
    bench = Bench(data).confirmed()
    bench.ask(basal(13_500, DAY))
    bench.at(DAY)
    assert codes(bench.ask(basal(13_600, DAY))) == {"cap-window"}
    assert isinstance(bench.ask(basal(13_500, DAY)), Acked)


def test_basal_and_bolus_count_together() -> None:
    fast = account(rows=rows((WIDE,) * 3, (WIDE,) * 3, bolus_max_pg_per_h=24_000), max_bolus_nl=9_000)
    for nl, yes in ((6_300, True), (6_500, False)):
        bench = Bench(limits([fast], caps=[{"drug": "baclofen", "hours": 24, "pg": 10_000}])).confirmed()
        answer = bench.ask(bolus(4_000, 10 * MINUTE), basal(nl, HOUR), purpose=Purpose.SCHEDULED)
        assert isinstance(answer, Acked) if yes else "cap-window" in codes(answer)


def test_three_plans_in_a_day_stay_within_the_cap() -> None:
    """D-07: 150 each within its own account would be 450 against a cap of 300."""
    plans = [
        limits(
            [account(rows=rows((150_000,) * 3))], caps=[{"drug": "baclofen", "hours": 24, "pg": 300_000}],
            plan={"id": f"P{i}", "sha256": f"{i}" * 64},
        )
        for i in range(3)
    ]  # fmt: skip
    bench = Bench(plans[0]).confirmed()
    assert isinstance(bench.ask(basal(150_000, HOUR)), Acked)
    bench.at(2 * HOUR)
    assert bench.guard.load(plans[1], by="tester", plan_ms=0) is None
    assert isinstance(bench.ask(basal(150_000, HOUR)), Acked)
    bench.at(4 * HOUR)
    refused = bench.guard.load(plans[2], by="tester", plan_ms=0)
    assert codes(refused) == {"load"}  # a second load within 24 h that could pass the cap
    bench.limits = plans[2]
    bench.restart()
    bench.confirmed(plan_ms=0, given=None)  # and by way of a restart the cap itself holds
    assert codes(bench.ask(basal(10_000, HOUR))) == {"cap-window"}
    bench.at(27 * HOUR)
    assert isinstance(bench.ask(basal(150_000, HOUR)), Acked)


def test_a_prime_counts_a_quarter_against_the_cap_and_nothing_in_an_account() -> None:
    """D-12: 8,000 nL of prime are 2,000 pg; 13,100 of 15,100 are left, and a margin of 400."""
    wide = account(rows=rows((13_400, WIDE, WIDE)))
    caps = [{"drug": "baclofen", "hours": 24, "pg": 15_100}]
    for nl, yes in ((13_400, True), (13_500, False)):  # 7 nL of doubt at its end
        bench = Bench(limits([wide], caps=caps, prime_nl=8_000)).confirmed()
        assert isinstance(bench.ask(prime(8_000, 20 * MINUTE), purpose=Purpose.PRIME), Acked)
        bench.at(HOUR)
        answer = bench.ask(basal(nl, HOUR))
        assert isinstance(answer, Acked) if yes else codes(answer) == {"cap-window"}


def test_what_nobody_permitted_counts_everywhere() -> None:
    """F-22, F-29: the counter rose by 5,000 nL without a permit; a grain more may be on its way."""
    bench = Bench(limits([account(rows=rows((6_000, WIDE, WIDE)))])).confirmed()
    bench.ask(basal(0, HOUR))
    bench.pump.extra_nl = 5_000
    bench.guard.read_status()
    assert bench.guard.high_nl >= 5_000 - 200
    for alarm in bench.guard.alarms:
        bench.guard.clear_alarm(alarm.row.code)
        bench.guard.acknowledge(alarm.row.code, "tester")
    assert codes(bench.ask(basal(1_200, HOUR))) == {"basal-window"}
    assert isinstance(bench.ask(basal(1_000, HOUR)), Acked)
