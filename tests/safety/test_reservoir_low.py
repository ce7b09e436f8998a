"""REQ18, F-35: the reservoir runs low when no more than the alarm volume is surely left, whoever knows it."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, PumpStatus
from pump_ctrl.safety.alarms import ALL, ROWS
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, Bench, account, basal, bolus, limits, rows

ROWS_OF = rows((10**9,) * 3, (10**9,) * 3, bolus_max_pg_per_h=10**9)
WIDE = [account(rows=ROWS_OF, max_bolus_nl=100_000)]
CAPS = [{"drug": "baclofen", "hours": 24, "pg": 10**9}]
LOW = "reservoir-low"


def bench(alarm_nl: int = 20_000) -> Bench:
    made = Bench(limits(WIDE, fill_nl=100_000, alarm_nl=alarm_nl, caps=CAPS)).confirmed()
    made.pump.latency_ms = 0
    return made


def raised(made: Bench) -> bool:
    return LOW in {alarm.row.code for alarm in made.guard.alarms if alarm.holds}


def told_by_pump(made: Bench, *, low: bool) -> None:
    """The pump tells it itself from now on, or tells it no more."""
    plain = type(made.pump).status
    names = frozenset({"low_reservoir"} if low else ())
    made.pump.status = lambda: plain(made.pump)._replace(alarms=names)  # type: ignore[method-assign]
    made.wait(1_000)
    assert isinstance(made.guard.read_status(), PumpStatus)


@pytest.mark.parametrize(("nl", "yes"), [(79_900, False), (80_000, True)])
def test_it_runs_low_at_the_alarm_volume_and_not_before(nl: int, yes: bool) -> None:
    made = bench()
    made.ask(basal(nl, HOUR))
    assert not raised(made)  # it may still flow, and has not
    made.at(2 * HOUR)
    made.guard.read_status()
    assert raised(made) is yes


def test_the_most_that_may_have_left_counts_and_not_what_is_proven() -> None:
    made = bench()
    made.pump.answers = ["lost"]
    made.ask(basal(80_000, HOUR))
    made.guard.resolve(made.pump.sent[-1].id, "tester", "seen")
    made.at(2 * HOUR)
    made.guard.read_status()
    assert made.guard.left_by_now_nl[0] == 0
    assert raised(made)


def test_it_says_its_figures_and_forbids_nothing() -> None:
    """A plan that was approved is granted to its last dose (D-08); what is not there the reservoir's rule refuses."""
    made = bench()
    made.ask(basal(80_000, HOUR))
    made.at(2 * HOUR)
    made.guard.read_status()
    (alarm,) = made.guard.alarms
    assert "80001 nL may have left since the fill, after which at most 100000 nL were there" in alarm.detail
    assert ROWS[LOW].permits == ALL
    assert ROWS[LOW].priority.value == "medium"
    assert isinstance(made.ask(bolus(5_000, 60_000), basal(100, HOUR), purpose=Purpose.SCHEDULED), Acked)


def test_it_goes_with_a_refill_that_is_enough_once_it_was_seen() -> None:
    made = bench()
    made.ask(basal(90_000, HOUR))
    made.at(2 * HOUR)
    made.guard.read_status()
    made.guard.acknowledge(LOW, "tester")
    made.guard.refill(by="tester", fill_nl=20_000)
    assert raised(made)
    made.guard.refill(by="tester", fill_nl=100_000)
    assert made.guard.alarms == ()


@pytest.mark.parametrize("restart", [False, True])
def test_either_source_keeps_it_and_it_goes_when_neither_holds(restart: bool) -> None:
    made = bench()
    told_by_pump(made, low=True)
    assert raised(made)
    made.ask(basal(85_000, HOUR))
    made.at(2 * HOUR)
    made.guard.read_status()
    if restart:
        made.restart()
    told_by_pump(made, low=False)
    assert raised(made)  # by the ledger
    told_by_pump(made, low=True)
    made.guard.refill(by="tester", fill_nl=100_000)
    made.guard.read_status()
    assert raised(made)  # by the pump
    told_by_pump(made, low=False)
    assert not raised(made)


def test_other_limits_bring_their_own_alarm_volume() -> None:
    made = bench(alarm_nl=0)
    made.ask(basal(80_000, HOUR))
    made.at(2 * HOUR)
    made.guard.read_status()
    assert not raised(made)
    other = limits(WIDE, fill_nl=100_000, alarm_nl=20_000, caps=CAPS, plan={"id": "NEXT", "sha256": "d" * 64})
    assert made.guard.load(other, by="tester", plan_ms=0) is None
    made.guard.read_status()
    assert raised(made)
