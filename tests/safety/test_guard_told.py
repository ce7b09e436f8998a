"""What the guard tells about itself and its pump, and what it takes from an earlier life (S-25, D-14)."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Unknown
from pump_ctrl.safety.state import LifeSign
from tests.safety.kit import DAY, HOUR, MINUTE, Bench, account, basal, limits, rows

WIDE = (10**9,) * 3
HOLD = account(rows=rows(WIDE), hold={"nl": 6_000, "per_ms": HOUR})
LIMITS = limits([HOLD], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}], max_hold_ms=4 * HOUR)


def ready() -> Bench:
    return Bench(LIMITS).confirmed()


def test_a_new_guard_has_heard_nothing_and_nobody_has_confirmed_it() -> None:
    bench = Bench(LIMITS)
    assert (bench.guard.confirmed, bench.guard.filled_nl, bench.guard.last_status) == (False, 0, None)
    bench.confirmed()
    assert (bench.guard.confirmed, bench.guard.filled_nl) == (True, 40_000_000)
    bench.guard.refill(by="tester", fill_nl=18_000_000)
    assert bench.guard.filled_nl == 18_000_000


def test_the_last_status_is_told_with_its_age() -> None:
    bench = ready()
    status = bench.guard.read_status()
    bench.wait(MINUTE)
    assert bench.guard.last_status == (status, MINUTE)


def test_an_answer_that_carries_an_old_status_is_an_answer_and_proves_nothing_else() -> None:
    """F-15: the pump takes the command, and its status is one that was read before; its counter is left out."""
    bench = ready()
    old = bench.guard.read_status()
    bench.wait(HOUR)
    bench.guard.read_status()
    bench.pump.status = lambda: old  # type: ignore[method-assign, assignment, return-value]
    assert isinstance(bench.ask(basal(6_000, HOUR)), Acked)
    outcome = bench.log.records[-1]
    assert (outcome.kind, outcome.data["what"], outcome.data["counter"]) == ("outcome", "acked", None)


def test_a_status_that_the_pump_repeats_is_no_answer() -> None:
    """F-15."""
    bench = ready()
    old = bench.guard.read_status()
    bench.pump.status = lambda: old  # type: ignore[method-assign, assignment, return-value]
    assert isinstance(bench.guard.read_status(), Unknown)


def test_a_status_that_the_process_before_has_heard_is_no_answer_to_the_next() -> None:
    """F-16: it lay in a buffer while the controller was started anew."""
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    bench.wait(30 * MINUTE)
    bench.guard.read_status()
    old = bench.pump.status()
    bench.guard.stop("to look")
    bench.restart()
    bench.pump.status = lambda: old  # type: ignore[method-assign]
    assert isinstance(bench.guard.read_status(), Unknown)


def test_what_has_surely_left_never_falls_however_often_the_pump_loses_its_session() -> None:
    """S-04, S-24: a counter that begins anew says nothing of what was before."""
    bench = ready()
    bench.ask(basal(6_000, HOUR))
    bench.wait(HOUR)
    bench.guard.read_status()
    sure = bench.guard.low_nl
    assert sure == 5_900
    for _ in range(3):
        bench.pump.epoch += 1
        bench.guard.stop("to look")
        bench.guard.stop("to look once more")
        assert bench.guard.low_nl == sure


def test_a_counter_read_before_there_were_limits_is_nothing_to_compare_with() -> None:
    bench = Bench(LIMITS)
    bench.guard.stop("before the first confirm")
    bench.confirmed()
    bench.pump.extra_nl = 300
    bench.wait(MINUTE)
    bench.guard.read_status()
    assert bench.guard.alarms == ()
    assert bench.guard._state.history.beyond == 0


@pytest.mark.parametrize(("codes", "waits", "standing"), [
    ((), False, (False, True)),
    (("stalled",), False, (False, True)),  # no bolus; the basal goes on
    (("silence",), False, (True, True)),  # a hold only: what runs may go on to its end
    (("empty",), False, (True, False)),
    (("silence", "empty"), False, (True, False)),  # a milder one takes nothing back
    ((), True, (False, True)),  # what is due while a person is waited for is the hold
    (("silence",), True, (False, True)),
    (("empty",), True, (True, False)),
])  # fmt: skip
def test_whether_what_is_due_is_forbidden_and_what_runs_may_go_on_follows_from_all_alarms(
    codes: tuple[str, ...], waits: bool, standing: tuple[bool, bool]
) -> None:
    """D-14, S-08."""
    bench = ready()
    if waits:
        bench.restart()
    for code in codes:
        bench.guard.raise_alarm(code, "test")
    assert bench.guard.standing == standing


def test_a_plan_without_a_hold_lets_nothing_go_on_and_a_broken_journal_neither() -> None:
    """D-14, F-52."""
    bench = Bench(limits([HOLD], caps=[{"drug": "baclofen", "hours": 24, "pg": 10**9}])).confirmed()
    assert bench.guard.standing == (False, False)
    bench.guard.raise_alarm("silence", "test")
    assert bench.guard.standing == (True, False)
    bench = ready()
    bench.log.broken = True
    bench.guard.stop("to look")
    assert bench.guard.standing == (True, False)


# --- signs of life ------------------------------------------------------------------------------------------


def after_a_death(*, reboot: bool = False) -> Bench:
    """A command at 0, dead for an hour since 30 minutes later."""
    bench = ready()
    bench.pump.latency_ms = 0
    bench.ask(basal(144_000, DAY))
    bench.wait(90 * MINUTE)
    if reboot:
        bench.clock.reboot()
    bench.guard = bench._guard()
    bench.guard.replay(bench.log.records)
    return bench


def test_the_hold_runs_from_the_last_sign_of_life() -> None:
    bench = after_a_death()
    assert bench.guard.hold_until_ms == 4 * HOUR
    bench.guard.lived_until(LifeSign("virtual-boot-0", 30 * MINUTE))
    assert bench.guard.hold_until_ms == 4 * HOUR + 30 * MINUTE
    assert bench.log.kinds()[-1] == "alive"
    bench.restart()
    assert bench.guard.hold_until_ms == 4 * HOUR + 30 * MINUTE


@pytest.mark.parametrize("sign", [
    None, LifeSign("virtual-boot-7", 30 * MINUTE), LifeSign("virtual-boot-0", 0),
    LifeSign("virtual-boot-0", 90 * MINUTE + 1),
])  # fmt: skip
def test_a_sign_of_no_use_moves_nothing(sign: LifeSign | None) -> None:
    """None, one of another boot, one no later than the last record, one from the future."""
    bench = after_a_death()
    bench.guard.lived_until(sign)
    assert bench.guard.hold_until_ms == 4 * HOUR
    assert "alive" not in bench.log.kinds()


def test_a_sign_of_the_boot_before_is_taken_at_its_word() -> None:
    bench = after_a_death(reboot=True)
    bench.guard.lived_until(LifeSign("virtual-boot-0", 30 * MINUTE))
    alive = bench.log.records[-1].data
    assert (alive["at"], alive["boot"]) == (30 * MINUTE, "virtual-boot-0")
    assert bench.guard._state.run_at == 30 * MINUTE


def test_a_life_in_run_is_confirmed_and_knows_every_outcome() -> None:
    bench = Bench(LIMITS)
    assert not bench.guard.in_run
    bench.confirmed()
    assert bench.guard.in_run
    bench.pump.answers = ["lost"]
    assert isinstance(bench.ask(basal(100, HOUR)), Unknown)
    assert not bench.guard.in_run
