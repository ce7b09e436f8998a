"""A process in RUN leaves a sign of life, so that a hold and the windows need not start at its last record.

docs/adr/0008. Example A on the implant-like pump: a status every 6 h, a hold of 4 h.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import State
from pump_ctrl.safety.state import LifeSign
from pump_ctrl.therapy.plan import load_plan
from tests.whole_stack import DAY, HOUR, MINUTE, check_ledger, check_sums, formulary, profile

DEATH = 37 * HOUR + 30 * MINUTE  # nothing is written from 32:20 to the next night's bolus at 38:00


def stack() -> SimulatedStack:
    plan = load_plan(Path("examples/a-flex-night-bolus.toml"))
    made = SimulatedStack(plan, profile(plan.pump), formulary())
    made.begin()
    return made


def kinds(made: SimulatedStack) -> list[str]:
    return [record.kind for record in made.journal.records()]


def silence(made: SimulatedStack) -> int:
    """True ms since the last record."""
    *_, last = made.journal.records()
    return made.clock.boot_ms() - last.boot_ms


def test_the_hold_after_a_death_long_after_the_last_record_lasts_four_hours_from_the_death() -> None:
    made = stack()
    made.run_to(DEATH)
    assert silence(made) > 4 * HOUR
    made.restart()
    until = made.guard.hold_until_ms
    assert until is not None
    assert DEATH + 4 * HOUR - 5 * MINUTE <= until <= DEATH + 4 * HOUR
    made.run_to(41 * HOUR)
    assert made.world.implant.delivery.run is not None, "the hold does not reach this hour"


def test_without_a_sign_of_life_the_hold_counts_from_the_last_record() -> None:
    made = stack()
    made.run_to(DEATH)
    made.die()
    made._sign = None
    made.restart()
    until = made.guard.hold_until_ms
    assert until is not None
    assert until < DEATH


def test_after_a_reboot_of_two_minutes_the_next_nights_bolus_is_given() -> None:
    """D-16 trusts a pump's clock to 95 %; what the host saw itself it need not trust anybody for."""
    made = stack()
    made.run_to(DEATH)
    made.die()
    made.clock.advance(2 * MINUTE)
    made.restart(reboot=True)
    made.confirm()
    made.run_to(2 * DAY)
    boluses = [record.data["outcome"] for record in made.journal.records() if record.kind == "bolus"]
    assert boluses == ["delivered", "delivered"]
    check_ledger(made)
    check_sums(made)


def test_who_waits_for_a_person_gives_no_sign_of_life_and_the_hold_ends_all_the_same() -> None:
    made = stack()
    made.run_to(DEATH)
    made.restart()
    first = made.guard.hold_until_ms
    made.run_to(39 * HOUR)
    made.restart()
    assert made.guard.hold_until_ms == first
    assert kinds(made).count("alive") == 1


def test_who_stands_still_after_an_alarm_is_not_in_run_and_a_restart_starts_no_hold() -> None:
    """D-14: only a person's resume lets the pump go on, be it stopped by a person or by an alarm that has gone."""
    made = stack()
    made.run_to(15 * HOUR)
    made.runner.raise_alarm("flow", "from outside")
    made.guard.clear_alarm("flow")
    made.runner.acknowledge("a person")
    assert made.controller.state is State.PAUSED
    assert not made.guard.in_run
    for hour in (16, 40):
        made.run_to(hour * HOUR)
        made.restart()
        made.run_to((hour + 1) * HOUR)
        assert made.world.implant.delivery.run is None
        assert "alive" not in kinds(made)
        made.confirm()
        made.ask(f"pause-{hour}", RequestKind.PAUSE)
    assert [r.data["purpose"] for r in made.journal.records() if r.kind == "intent"].count("hold") == 0


@pytest.mark.parametrize(
    "sign",
    [
        LifeSign("virtual-boot-1", 40 * HOUR),  # of another boot than the last record
        LifeSign("virtual-boot-0", 20 * HOUR),  # older than the last record
        LifeSign("virtual-boot-0", 38 * HOUR),  # of this boot, and in the future
    ],
)
def test_a_sign_of_life_that_cannot_be_true_tells_nothing(sign: LifeSign) -> None:
    made = stack()
    made.run_to(DEATH)
    made.die()
    made._sign = sign
    made.restart()
    assert "alive" not in kinds(made)


def test_a_hold_that_begins_where_the_plan_stands_still_flows_when_the_plan_does() -> None:
    """The night bolus of A is due at 38:00 with no basal beside it until 38:20; the hold outlasts that (D-14)."""
    made = stack()
    made.run_to(DEATH)
    made.restart()
    counted = made.world.truth.counted_nl()
    made.run_to(38 * HOUR + 20 * MINUTE)
    before_slot = made.world.truth.counted_nl() - counted
    made.run_to(45 * HOUR)
    flowed = made.world.truth.counted_nl() - counted - before_slot
    night = 96_000 * 60 // 460  # nL/h of the lowest step, 22:20 to 06:00
    assert night * 3 <= flowed <= night * 4 * HOUR // HOUR
    assert "hold-ended" in {alarm.row.code for alarm in made.guard.alarms}


def test_a_run_that_was_left_alone_is_closed_and_its_silence_counted_when_it_ends() -> None:
    made = stack()
    made.run_to(DEATH)
    made._sign = LifeSign("virtual-boot-0", 0)
    made.die()
    made._sign = None
    made.restart()
    made.run_to(39 * HOUR)
    assert made.controller.run is None
    made.run_to(43 * HOUR)
    assert "under-delivery" in {alarm.row.code for alarm in made.guard.alarms}
