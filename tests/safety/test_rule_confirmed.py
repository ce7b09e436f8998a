"""S-25, D-13, D-17: after a start nothing new before a person confirmed this very reconciliation."""

from __future__ import annotations

from pump_ctrl.drivers.base import Acked
from pump_ctrl.safety.ask import Purpose
from tests.refusals import refused
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

PATIENT = {"over_ms": 10 * MINUTE, "lockout_ms": HOUR, "max_per_day": 4, "volume_nl": 1_000}
LIMITS = limits(
    [
        account(
            rows=rows((6_000, 24_000, 144_000), (9_000, 9_000, 9_000), bolus_max_pg_per_h=10**6, commands=3),
            max_bolus_nl=1_000, patient=PATIENT, hold={"nl": 6_000, "per_ms": HOUR},
        )
    ],
    caps=[{"drug": "baclofen", "hours": 24, "pg": 150_000}],
    max_hold_ms=4 * HOUR,
)  # fmt: skip


def test_a_new_journal_gives_nothing_before_it_is_confirmed() -> None:
    bench = Bench(LIMITS)
    assert "not-confirmed" in codes(bench.ask(basal(100, HOUR)))
    assert "not-confirmed" in codes(bench.ask(basal(100, HOUR), purpose=Purpose.HOLD))


def test_a_new_journal_asks_what_was_given_in_the_last_day() -> None:
    bench = Bench(LIMITS)
    with refused("last-day-unsaid"):
        bench.confirmed(given=None)


def test_nobody_confirms_nothing() -> None:
    bench = Bench(LIMITS)
    with refused("no-name"):
        bench.guard.confirm(by="", code=bench.guard.reconciliation().code, plan_ms=0, given={})


def test_a_confirm_is_bound_to_the_content() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.restart()
    old = bench.guard.reconciliation().code
    bench.wait(HOUR)
    bench.guard.read_status()
    with refused("stale-code"):
        bench.guard.confirm(by="tester", code=old, plan_ms=HOUR)
    bench.guard.confirm(by="tester", code=bench.guard.reconciliation().code, plan_ms=HOUR)
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_a_journal_that_has_dosed_waits_after_a_restart_and_only_the_hold_may_go_on() -> None:
    bench = Bench(LIMITS).confirmed()
    bench.ask(basal(6_000, HOUR))
    bench.restart()
    assert bench.guard.waiting
    assert codes(bench.ask(basal(6_000, HOUR))) == {"not-confirmed"}
    assert isinstance(bench.ask(basal(6_000, HOUR), purpose=Purpose.HOLD), Acked)
    bench.confirmed(plan_ms=0, given=None)
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_a_journal_that_never_dosed_waits_all_the_same_and_asks_nothing_twice() -> None:
    bench = Bench(LIMITS).confirmed()
    assert bench.restart().waiting
    bench.confirmed(plan_ms=0, given=None)
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)


def test_a_dose_given_before_the_journal_counts_as_if_given_just_now() -> None:
    """D-17: 100,000 pg before, cap 150,000: the 50,000 that are left, and the margins, fit; 60,000 do not."""
    bench = Bench(LIMITS).confirmed(given={"baclofen": 100_000})
    assert isinstance(bench.ask(basal(50_000, 10 * HOUR)), Acked)
    assert codes(bench.ask(basal(60_000, 10 * HOUR))) == {"cap-window"}
    bench.wait(DAY)
    assert isinstance(bench.ask(basal(60_000, 10 * HOUR)), Acked)


def test_a_dose_given_before_starts_the_lockout() -> None:
    bench = Bench(LIMITS).confirmed(given={"baclofen": 1})
    bench.at(HOUR - 1)
    assert codes(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.PATIENT)) == {"lockout"}
    bench.at(HOUR)
    assert isinstance(bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.PATIENT), Acked)


def test_a_pump_whose_counter_shows_use_contradicts_none() -> None:
    bench = Bench(LIMITS)
    bench.pump.extra_nl = 100
    bench.guard.read_status()
    with refused("pump-used", "100 nL"):
        bench.confirmed(given={"baclofen": 0})
    bench.confirmed(given={"baclofen": 1})


def test_a_resume_that_moves_plan_time_by_more_than_2_s_opens_a_new_basal_account() -> None:
    """D-16. E(24) is used up; moved by 2,000 ms it stays so, by 2,001 ms the new account has room under the
    cap.
    """
    for moved, same in ((2_000, True), (-2_000, True), (2_001, False), (-2_001, False)):
        bench = Bench(limits([account(rows=rows((6_000, 24_000, 24_000)))])).confirmed(plan_ms=DAY)
        assert isinstance(bench.ask(basal(24_000, 4 * HOUR)), Acked)
        bench.at(4 * HOUR)
        bench.confirmed(plan_ms=DAY + 4 * HOUR + moved, given=None)
        answer = bench.ask(basal(6_000, HOUR))
        assert codes(answer) == {"basal-window"} if same else isinstance(answer, Acked)
