"""S-08, S-23, F-22, F-26, F-29 to F-32: what the guard does with a second witness and a second stop.

The pump of the kit is exact and is told 6 uL/h; the sensor shows what it gave plus ``leak``, read every 60 s, and what
surprises again 20 s later.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest

from pump_ctrl.drivers.base import Acked, Capabilities, Outflow, SensorErrors, Switched, Unknown
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.guard import GuardedPump
from pump_ctrl.safety.lookout import NEVER, Second
from pump_ctrl.safety.watchdog import Watch
from pump_ctrl.safety.witness import Sight
from tests.safety.kit import (
    CAPABILITIES,
    DAY,
    HOUR,
    MINUTE,
    Bench,
    FakePump,
    account,
    basal,
    limits,
    prime,
    rows,
)

SECOND = 1_000
ERRORS = SensorErrors(resolution_nl=1_000, accuracy_ppm=10_000, creep_nl_per_h=100, loss_nl_per_h=1_000)
WIDE = (10**9,) * 3
STAGE = account(rows=rows(WIDE), hold={"nl": 6_000, "per_ms": HOUR})
LIMITS = limits(
    [STAGE], caps=[{"drug": "baclofen", "hours": 24, "pg": 600_000}], max_hold_ms=4 * HOUR, prime_nl=340_000
)


@dataclass
class FakeBalance:
    """Shows what the pump of the bench gave, and what leaked beside it."""

    pump: FakePump
    errors: SensorErrors = ERRORS
    leak: Fraction = Fraction(0)
    leak_nl_per_h: int = 0
    leaks_from: int = 0
    origin: str = "A"
    answers: list[object] = field(default_factory=list)  # instead of readings, one after the other
    reads: int = 0

    def read(self) -> Outflow | Unknown:
        self.reads += 1
        if self.answers:
            said = self.answers.pop(0)
            assert isinstance(said, Outflow | Unknown)
            return said
        lasted = max(0, self.pump.now - self.leaks_from)
        return Outflow(
            int(self.pump.given() + self.leak + Fraction(self.leak_nl_per_h * lasted, HOUR)), self.origin
        )

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class FakeRelay:
    """Ends the pump's flow when it is told, unless it is broken."""

    pump: FakePump
    broken: bool = False
    confirms: bool = True
    cuts: list[int] = field(default_factory=list)

    def cut(self) -> Switched | Unknown:
        self.cuts.append(self.pump.now)
        if self.broken:
            return Unknown("no such relay")
        self.pump._cut()
        return Switched(self.confirms)

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class Room(Bench):
    """A bench with both; ``sensor`` and ``cut`` say what there is."""

    sensor: bool = True
    cut: bool = True

    def __post_init__(self) -> None:
        self.balance: FakeBalance | None = None
        super().__post_init__()

    def _guard(self) -> GuardedPump:
        if self.balance is None:
            self.balance, self.relay = FakeBalance(self.pump), FakeRelay(self.pump)
        second = Second(Sight(), self.balance if self.sensor else None, self.relay if self.cut else None)
        watch = Watch(poll_ms=HOUR)
        return GuardedPump(
            self.pump, self.log, self.clock, self.limits, lambda: False, watch=watch, second=second
        )

    def go(self, ms: int) -> None:
        """Look whenever it is due, for so long."""
        assert self.guard.lookout is not None
        end = self.clock.boot_ms() + ms
        while (due := max(self.guard.lookout.due_ms, self.clock.boot_ms())) <= end:
            self.clock.advance(due - self.clock.boot_ms())
            self.guard.look()
        self.clock.advance(end - self.clock.boot_ms())

    @property
    def shown(self) -> FakeBalance:
        assert self.balance is not None
        return self.balance

    def active(self) -> set[str]:
        return {alarm.row.code for alarm in self.guard.alarms}

    def records(self, kind: str) -> list[dict[str, object]]:
        return [dict(record.data) for record in self.log.records if record.kind == kind]


def room(*, sensor: bool = True, cut: bool = True, can: Capabilities = CAPABILITIES) -> Room:
    """Confirmed, and told 6 uL/h for a day."""
    made = Room(LIMITS, can, sensor=sensor, cut=cut)
    made.confirmed()
    made.pump.latency_ms = 0
    assert isinstance(made.ask(basal(144_000, DAY)), Acked)
    return made


# --- looking --------------------------------------------------------------------------------------------------


def test_without_a_second_witness_nobody_looks_and_nothing_is_written() -> None:
    plain = Bench(LIMITS)
    assert plain.guard.lookout is None
    plain.guard.look()
    assert plain.log.records == []


def test_with_a_power_cut_alone_nobody_looks_either() -> None:
    made = room(sensor=False)
    lookout = made.guard.lookout
    assert lookout is not None
    assert (lookout.due_ms, lookout.has_sensor, lookout.has_power_cut) == (NEVER, False, True)
    before = len(made.log.records)
    made.guard.look()
    assert (lookout.seen, len(made.log.records)) == (None, before)


def test_a_healthy_day_costs_a_note_an_hour_and_no_alarm() -> None:
    made = room()
    made.go(20 * HOUR)
    assert made.active() == set()
    assert len(made.records("seen")) == 21
    assert made.shown.reads == 20 * 60 + 1
    assert all(note["extra"] == 0 and not note["anew"] for note in made.records("seen"))


def test_the_last_reading_is_told_with_its_age_and_its_span() -> None:
    made = room()
    lookout = made.guard.lookout
    assert lookout is not None
    assert lookout.seen is None
    made.go(HOUR)
    made.wait(30 * SECOND)
    seen = lookout.seen
    assert seen is not None
    assert (seen.age_ms, seen.span_ms) == (30 * SECOND, HOUR)
    assert seen.seen_nl == (6_000 - 2_000 - 60 - 100, 6_000 + 2_000 + 60 + 1_000)
    assert seen.commanded_nl == (6_000, 6_001)


# --- too much -------------------------------------------------------------------------------------------------


def test_free_flow_is_stopped_within_two_readings_and_counts() -> None:
    """F-31: 20 mL/h from 3 h on; the guard's ledger holds what the sensor proves, and blocks what comes then."""
    made = room()
    made.go(3 * HOUR)
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000_000, made.pump.now
    before = made.guard.high_nl
    made.go(80 * SECOND)
    assert made.active() >= {"flow"}
    assert made.pump.flows[-1].cut == made.pump.now
    proven = 20_000_000 * 80 // 3_600
    assert made.guard.high_nl - before + 144_000 > proven * 98 // 100
    assert made.guard.worst("baclofen", 1) > proven * 98 // 100
    assert made.guard.inhibitions == frozenset(Purpose)


def test_one_reading_alone_does_nothing_but_ask_the_pump_and_look_again_soon() -> None:
    made = room()
    made.go(HOUR)
    made.wait(MINUTE)
    made.shown.answers = [Outflow(5_000_000, "A")]
    made.guard.look()
    assert made.active() == set()
    assert made.pump.flows[-1].cut is None
    assert made.guard.lookout is not None
    assert made.guard.lookout.due_ms - made.clock.boot_ms() == 20 * SECOND


def test_a_hand_on_the_balance_is_said_and_stops_nobody() -> None:
    made = room()
    made.go(HOUR)
    made.wait(MINUTE)
    made.shown.answers = [Outflow(5_000_000, "A")]
    made.go(HOUR)
    assert made.active() == {"sensor"}
    assert made.pump.flows[-1].cut is None
    made.guard.acknowledge("sensor", "tester")
    assert made.active() == set()


def test_what_the_pump_counted_itself_is_counted_once() -> None:
    """F-29: the runaway is on the pump's counter too; the sensor proves nothing beyond it."""
    made = room()
    made.guard.read_status()
    made.go(HOUR)
    made.pump.extra_nl = 60_000
    made.go(2 * MINUTE)
    assert made.active() >= {"over-delivery"}
    assert "flow" not in made.active()
    assert all(note["extra"] == 0 for note in made.records("seen"))


def test_a_latched_flow_outlives_a_restart_and_so_does_what_it_proved() -> None:
    made = room()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    worst, high = made.guard.worst("baclofen", 4), made.guard.high_nl
    made.restart()
    assert "flow" in made.active()
    assert (made.guard.worst("baclofen", 4), made.guard.high_nl) == (worst, high)
    assert worst > 97_000


def test_the_pumps_counter_does_not_take_back_what_the_sensor_proved() -> None:
    """S-04. It did not see the flow: after it was read again the ledger still holds it."""
    made = room()
    made.guard.read_status()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    for _ in range(3):
        made.wait(HOUR)
        made.guard.read_status()
    assert made.guard.high_nl >= 18_000 + 97_000


def test_flow_while_the_controller_was_dead_is_found_at_its_next_start() -> None:
    """The balance went on counting: it is compared with what the earlier life wrote down."""
    made = room()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(3_000_000)
    made.wait(2 * HOUR)
    made.restart()
    made.go(MINUTE)
    assert "flow" in made.active()


def test_after_a_reboot_of_the_host_it_is_compared_once_the_time_is_known() -> None:
    """Until then only what was read since counts, against all that is under way."""
    made = room()
    made.go(3 * HOUR)
    made.wait(2 * HOUR)
    made.clock.reboot()
    made.restart()
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    assert made.active() == set()  # up to 144,000 nL may have flowed, as far as anybody knows
    assert not made.guard.elapsed_known
    made.confirmed(plan_ms=5 * HOUR + 2 * MINUTE)
    assert made.guard.elapsed_known
    made.go(2 * MINUTE)
    assert "flow" in made.active()


def test_before_the_time_is_known_more_than_all_that_is_under_way_is_too_much_and_counts() -> None:
    """A pump that tells no time: only a person knows how long the host was off."""
    made = room(can=replace(CAPABILITIES, tells_time=False))
    made.go(3 * HOUR)
    made.clock.reboot()
    made.restart()
    made.go(MINUTE)
    made.shown.leak = Fraction(500_000)
    made.go(2 * MINUTE)
    assert not made.guard.elapsed_known
    assert "flow" in made.active()
    assert made.guard.high_nl >= 18_000 + 367_000  # counted, and of 493,000 what is beyond 126,000
    made.confirmed(plan_ms=3 * HOUR + 3 * MINUTE)
    assert made.guard.elapsed_known
    assert made.guard.high_nl >= 18_000 + 367_000
    assert made.guard.worst("baclofen", 4) >= 367_000


def test_what_was_read_before_a_reboot_is_not_compared_before_the_time_is_known() -> None:
    """Ten days without the host, 0.1 uL/h of drift: 24 uL that did not flow."""
    made = room(can=replace(CAPABILITIES, tells_time=False))
    made.go(3 * HOUR)
    made.wait(240 * HOUR)
    made.shown.leak = Fraction(24_000)
    made.clock.reboot()
    made.restart()
    made.go(10 * MINUTE)
    made.guard.confirm(by="t", code=made.guard.reconciliation().code, plan_ms=243 * HOUR, off_ms=240 * HOUR)
    made.go(10 * MINUTE)
    assert made.active() == set()


def test_before_the_time_is_known_any_part_of_the_run_may_be_the_one_that_flows() -> None:
    """6 uL/h for 10 h, then 30: the host was off for 8 h, and its guard believes that it is 3 h."""
    made = Room(LIMITS, replace(CAPABILITIES, tells_time=False))
    made.confirmed()
    made.pump.latency_ms = 0
    assert isinstance(made.ask(basal(60_000, 10 * HOUR), basal(420_000, 14 * HOUR)), Acked)
    made.go(3 * HOUR)
    made.wait(8 * HOUR)
    made.clock.reboot()
    made.restart()
    made.go(2 * HOUR)
    assert not made.guard.elapsed_known
    assert made.active() == set()


def test_what_the_sensor_proved_explains_no_later_rise_of_the_counter() -> None:
    made = room()
    made.guard.read_status()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    assert made.active() == {"flow"}
    made.pump.extra_nl = 60_000
    made.wait(MINUTE)
    made.guard.read_status()
    assert made.active() == {"flow", "over-delivery", "disagreement"}


def test_a_reading_that_is_written_down_is_a_sign_of_life_in_run() -> None:
    """D-14: the longest hold counts from the last record that was written while it ran."""
    made = room()
    made.go(3 * HOUR)
    assert made.guard.hold_until_ms == 7 * HOUR
    made.guard.stop("a person")
    made.go(2 * HOUR)
    assert made.guard.hold_until_ms == 7 * HOUR


def test_what_was_seen_counts_once_however_often_it_is_looked_at() -> None:
    made = room()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(30 * MINUTE)
    assert len([note for note in made.records("seen") if note["extra"]]) == 1
    assert len(made.records("stop")) == 1


# --- stopping -------------------------------------------------------------------------------------------------


def test_a_pump_that_says_it_stopped_and_flows_loses_its_power() -> None:
    """F-30, the lie: STOP is acknowledged, 20 uL/h go on; 4.3 uL of them show in a quarter of an hour."""
    made = room()
    made.go(HOUR)
    made.guard.stop("a person")
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000, made.pump.now
    made.go(15 * MINUTE)
    assert len(made.relay.cuts) == 1
    assert made.active() == {"flow", "power-cut"}
    assert made.records("power-cut")[0]["what"] == "switched"


@pytest.mark.parametrize("sensor", [True, False])
def test_two_stops_without_an_answer_cut_the_power_at_once(sensor: bool) -> None:
    """S-08: within T_s, with a sensor or without."""
    made = room(sensor=sensor)
    made.pump.stop_answers = ["lost", "lost"]
    assert isinstance(made.guard.stop("a person"), Unknown)
    assert made.relay.cuts == [made.pump.now]
    assert made.active() == {"stop-unknown", "power-cut"}
    assert [record["why"] for record in made.records("stop")] == ["a person", "a person, again"]


def test_a_stop_that_is_heard_the_second_time_cuts_nothing() -> None:
    made = room()
    made.pump.stop_answers = ["lost"]
    assert isinstance(made.guard.stop("a person"), Acked)
    assert made.relay.cuts == []
    assert made.active() == {"stop-unknown"}  # its cause has gone; nobody has seen it
    assert not made.guard.stop_open


def test_without_a_power_cut_a_stop_is_sent_once_and_no_more() -> None:
    made = room(cut=False)
    made.pump.stop_answers = ["lost"]
    made.guard.stop("a person")
    assert len(made.records("stop")) == 1
    assert made.guard.stop_open


def test_a_power_that_is_cut_is_not_cut_again_by_each_stop() -> None:
    made = room()
    made.pump.stop_answers = ["lost"] * 5
    for _ in range(3):
        made.guard.stop("again and again")
    assert len(made.relay.cuts) == 1


def test_a_relay_that_does_not_take_it_is_told_again_and_the_alarm_holds() -> None:
    made = room()
    made.relay.broken = True
    made.pump.stop_answers = ["lost"] * 4
    made.guard.stop("a person")
    made.guard.stop("a person")
    assert len(made.relay.cuts) == 2
    assert [alarm.holds for alarm in made.guard.alarms if alarm.row.code == "power-cut"] == [True]
    made.relay.broken = False
    made.pump.stop_answers = ["lost"] * 2
    made.guard.stop("a person")
    assert [alarm.holds for alarm in made.guard.alarms if alarm.row.code == "power-cut"] == [False]


def test_flow_that_goes_on_without_a_power_cut_is_stopped_again() -> None:
    made = room(cut=False)
    made.go(HOUR)
    made.guard.stop("a person")
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000_000, made.pump.now
    made.go(10 * MINUTE)
    assert made.active() == {"flow"}
    assert len(made.records("stop")) > 2


def test_flow_that_goes_on_after_the_cut_is_told_to_the_relay_again() -> None:
    made = room()
    made.go(HOUR)
    made.guard.stop("a person")
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000_000, made.pump.now
    made.go(30 * MINUTE)
    assert 2 <= len(made.relay.cuts) <= 5


def test_an_hour_without_flow_ends_the_condition_and_a_person_the_alarm() -> None:
    made = room()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(100_000)
    made.go(2 * MINUTE)
    assert made.active() == {"flow"}
    made.go(HOUR + MINUTE)
    assert [alarm.holds for alarm in made.guard.alarms] == [False]
    made.guard.acknowledge("flow", "tester")
    assert made.active() == set()


def test_a_restart_goes_on_to_watch_a_pump_that_was_stopped() -> None:
    made = room()
    made.go(HOUR)
    made.guard.stop("a person")
    made.restart()
    made.go(MINUTE)
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000, made.pump.now
    made.go(20 * MINUTE)
    assert len(made.relay.cuts) == 1


def test_a_restart_remembers_a_stop_that_was_never_acknowledged() -> None:
    made = room(cut=False)
    made.go(HOUR)
    made.pump.stop_answers = ["lost"]
    made.guard.stop("a person")
    made.restart()
    made.go(MINUTE)
    made.shown.leak_nl_per_h, made.shown.leaks_from = 20_000, made.pump.now
    made.go(20 * MINUTE)
    (flow,) = [alarm for alarm in made.guard.alarms if alarm.row.code == "flow"]
    assert "after a STOP" in flow.detail


def test_nothing_is_given_after_a_cut_until_somebody_has_seen_it() -> None:
    made = room(sensor=False)
    made.pump.stop_answers = ["lost", "lost"]
    made.guard.stop("a person")
    assert made.guard.inhibitions == frozenset(Purpose)
    made.guard.stop("a person")  # the power is back
    for code in ("stop-unknown", "power-cut"):
        made.guard.acknowledge(code, "tester")
    assert isinstance(made.ask(basal(600, HOUR)), Acked)
    assert made.guard.lookout is not None
    assert made.guard.lookout.may_cut


# --- too little, and no reading -------------------------------------------------------------------------------


def test_a_counter_that_runs_without_flow_is_an_alarm_and_no_stop() -> None:
    """F-26: 6 uL/h are seen to be missing in the day's window."""
    made = room()
    made.shown.leak_nl_per_h = -6_000
    made.go(16 * HOUR)
    assert made.active() == {"under-flow"}
    assert made.pump.flows[-1].cut is None


def test_a_sensor_that_is_silent_is_an_alarm_and_no_stop() -> None:
    made = room()
    made.go(HOUR)
    made.shown.answers = [Unknown("cable")] * 3
    made.go(2 * MINUTE)
    assert made.active() == set()
    made.go(MINUTE)
    assert made.active() == {"sensor"}
    made.go(MINUTE)
    assert [alarm.holds for alarm in made.guard.alarms] == [False]
    assert made.pump.flows[-1].cut is None
    assert Purpose.SCHEDULED not in made.guard.inhibitions


def test_a_balance_that_was_set_to_zero_is_compared_anew_after_a_restart_too() -> None:
    made = room()
    made.go(3 * HOUR)
    made.shown.leak = Fraction(-18_000)
    made.go(2 * MINUTE)
    assert made.active() == {"sensor"}
    assert made.records("seen")[-1]["anew"] is True
    made.restart()
    assert [mark.nl for mark in made.guard._state.sightings] == [made.records("seen")[-1]["nl"]]


def test_a_prime_into_an_empty_path_is_no_missing_flow() -> None:
    made = Room(LIMITS)
    made.confirmed()
    made.pump.latency_ms = 0
    made.guard.look()
    assert isinstance(made.ask(prime(336_000, 24 * MINUTE), purpose=Purpose.PRIME), Acked)
    made.shown.leak = Fraction(-336_000)
    made.shown.answers = [Outflow(0, "A")] * 30
    made.go(29 * MINUTE)
    assert made.active() == set()
    made.restart()
    made.go(2 * HOUR)
    assert made.active() == set()


def test_nothing_is_missing_while_the_outcome_of_a_command_is_not_known() -> None:
    """20 uL/h, then a rest that is carried out and not acknowledged: nobody knows which of them runs."""
    made = Room(LIMITS)
    made.confirmed()
    made.guard.look()
    assert isinstance(made.ask(basal(480_000, DAY)), Acked)
    made.pump.answers = ["unheard"]
    assert isinstance(made.ask(basal(0, DAY)), Unknown)
    made.go(12 * HOUR)
    assert made.active() == set()


def test_a_journal_that_fails_keeps_nobody_from_stopping() -> None:
    made = room()
    made.go(HOUR)
    made.log.broken = True
    made.shown.leak = Fraction(500_000)
    made.go(2 * MINUTE)
    assert made.pump.flows[-1].cut is not None
    assert "flow" in made.active()
