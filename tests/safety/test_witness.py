"""R-13, R-19, F-22, F-26, F-29 to F-32: what an independent sensor proves, by a hit and by a near miss.

Bounds written out again: reading every 60 s, alarm after 3 that fail, windows of 5 min, 1 h, 4 h and 22 h, pump 85.5
to 114.5 %, sensor 1 uL, 1 %, creep 0.1 uL/h, loss 1 uL/h; line stores 2 uL, takes up 20 uL; slack 200 nL.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import SensorErrors
from pump_ctrl.safety.watchdog import Action, Remedy
from pump_ctrl.safety.witness import Mark, Sight, Witness

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
ERRORS = SensorErrors(resolution_nl=1_000, accuracy_ppm=10_000, creep_nl_per_h=100, loss_nl_per_h=1_000)
FILL = 40_000_000


@dataclass
class Told:
    """A pump that was told a steady rate, nL/h, from 0 on; until ``stopped`` if that is set."""

    rate: int = 16_667
    stopped: int = 1 << 62
    content_nl: int = FILL
    primed_until: int = -(1 << 62)
    low_nl: int = 0

    def flowed_nl(self, start: int, end: int) -> int:
        return -(-self.rate * max(0, min(end, self.stopped) - max(start, 0)) // HOUR)

    def surely_nl(self, start: int, end: int) -> int:
        return self.rate * max(0, min(end, self.stopped) - max(start, 0)) // HOUR


class Bench:
    """A witness that is shown readings; ``seen`` is what the balance shows, nL."""

    def __init__(self, told: Told | None = None, errors: SensorErrors = ERRORS) -> None:
        self.told = told or Told()
        self.witness = Witness(Sight(), errors, 200)
        self.found: dict[str, tuple[bool, Remedy]] = {}

    def show(self, at: int, nl: int, origin: str = "A") -> dict[str, tuple[bool, Remedy]]:
        """Judge a reading and take it in; what it says, by code."""
        mark = Mark(at, at, nl, origin, self.told.flowed_nl(0, at))
        self.verdict = self.witness.judge(mark, self.told)
        return by_code(self.witness.take(mark, self.verdict))

    def run(self, start: int, end: int, rate: int, *, level: int = 0) -> list[str]:
        """Readings every minute from ``start`` to ``end`` while ``rate`` nL/h truly flow; the codes that held."""
        held = []
        for at in range(start, end + 1, MINUTE):
            found = self.show(at, level + rate * (at - start) // HOUR)
            held += [code for code, (holds, _) in found.items() if holds]
        return held


def by_code(actions: list[Action]) -> dict[str, tuple[bool, Remedy]]:
    return {action.code: (action.holds, action.remedy) for action in actions}


def stopped_bench() -> Bench:
    """Told for an hour, read at its end, stopped there; the first reading after it 60 s later."""
    bench = Bench(Told(stopped=HOUR))
    bench.show(0, 0)
    bench.show(HOUR, 16_667)
    bench.witness.stopped(HOUR)
    bench.show(HOUR + MINUTE, 16_667)
    return bench


# --- over -----------------------------------------------------------------------------------------------------


def test_the_first_reading_says_nothing_but_that_the_sensor_answers() -> None:
    assert Bench().show(0, 5_000_000) == {"sensor": (False, Remedy.NOTHING)}


@pytest.mark.parametrize(("rise", "over"), [(27_508, False), (27_509, True)])
def test_over_begins_where_the_sensors_lower_end_passes_the_pumps_upper_one(rise: int, over: bool) -> None:
    """20 uL/h were told for 1 h and 5 s: 20,028 nL x 1.145 = 22,932; 2,000 and 200 beside it make 25,132 nL. Of
    27,509 nL 2,000 are taken for two readings, 276 for 1 %, 100 for creep.
    """
    bench = Bench(Told(rate=20_000))
    bench.show(0, 0)
    assert ("flow" in bench.show(HOUR, rise)) is over


def test_too_much_is_an_alarm_with_a_stop_and_what_it_proves_counts() -> None:
    """Free flow of 20 mL/h for one minute."""
    bench = Bench()
    bench.show(0, 0)
    found = bench.show(MINUTE, 333_333)
    assert found["flow"] == (True, Remedy.STOP)
    # 333,333 - 2,000 - 3,334 - 2 are proven, 302 were commanded up to 65 s
    assert (bench.verdict.extra.since, bench.verdict.extra.at) == (0, MINUTE)
    assert bench.verdict.extra.nl == 333_333 - 2_000 - 3_334 - 2 - 301
    assert bench.verdict.surprises


@pytest.mark.parametrize("per_mille", [855, 1_000, 1_145])
def test_a_pump_at_the_ends_of_its_accuracy_is_healthy(per_mille: int) -> None:
    bench = Bench()
    assert bench.run(0, 30 * HOUR, 16_667 * per_mille // 1_000) == []


@pytest.mark.parametrize("drift", [-1_000, 100])
def test_a_sensor_at_the_ends_of_its_drift_accuses_nobody(drift: int) -> None:
    """The healthy pump is at the end of its own accuracy that lies on the same side."""
    rate = 16_667 * (1_145 if drift > 0 else 855) // 1_000
    assert Bench().run(0, 30 * HOUR, rate + drift) == []


def test_a_noisy_reading_within_the_resolution_accuses_nobody() -> None:
    bench = Bench()
    for minute in range(600):
        noise = 1_000 if minute % 2 else -1_000
        found = bench.show(minute * MINUTE, 16_667 * 1_145 * minute // 60_000 + noise)
        assert not any(holds for holds, _ in found.values())


def test_plan_h_is_over_within_a_day_and_the_earlier_the_more() -> None:
    """16.667 uL/h told, 20 uL/h truly flow: 1.145 and 1 % leave 0.6 uL/h for 4.2 uL."""
    for rate, hours in ((20_000, 8), (25_000, 2)):
        bench = Bench()
        assert bench.run(0, hours * HOUR, rate) != []


def test_a_change_in_the_middle_is_seen_although_the_days_before_were_low() -> None:
    bench = Bench()
    assert bench.run(0, 40 * HOUR, 15_000) == []
    assert "flow" in bench.run(40 * HOUR, 64 * HOUR, 20_000, level=600_000)


def test_after_a_long_silence_the_ledger_is_not_asked_about_what_it_has_forgotten() -> None:
    """Marks of more than 24 h ago are not compared: the ledger's curves reach no further back."""
    bench = Bench(Told(rate=0))
    bench.show(0, 0)
    assert "flow" not in bench.show(24 * HOUR, 500_000)
    assert "flow" not in bench.show(24 * HOUR + MINUTE, 500_000)
    assert bench.show(24 * HOUR + 2 * MINUTE, 600_000)["flow"] == (True, Remedy.STOP)


# --- after a STOP ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rise", "goes_on"), [(4_245, False), (4_246, True)])
def test_flow_after_a_stop_asks_for_the_power_cut(rise: int, goes_on: bool) -> None:
    """2 x 1,000 for the readings, 43 for 1 %, 2 of creep, 2,000 of the line, 200 of the pump."""
    bench = stopped_bench()
    found = bench.show(HOUR + 2 * MINUTE, 16_667 + rise)
    assert found.get("flow") == ((True, Remedy.CUT) if goes_on else None)


def test_a_stop_that_nobody_acknowledged_is_watched_alike() -> None:
    """The old steps are still permitted, so that nothing of it counts beyond; it goes on all the same."""
    bench = stopped_bench()
    bench.told.stopped = 1 << 62
    bench.told.rate = 200_000
    found = bench.show(HOUR + 3 * MINUTE, 16_667 + 6_000)
    assert found["flow"] == (True, Remedy.CUT)
    assert bench.verdict.extra.nl == 0


def test_what_a_line_lets_go_of_within_half_a_minute_is_not_flow() -> None:
    bench = Bench(Told(stopped=HOUR))
    bench.show(0, 0)
    bench.show(HOUR, 16_667)
    bench.witness.stopped(HOUR)
    bench.show(HOUR + 29 * SECOND, 16_667)
    bench.show(HOUR + 30 * SECOND, 18_600)
    assert "flow" not in bench.show(HOUR + 90 * SECOND, 22_800)
    assert bench.show(HOUR + 150 * SECOND, 23_100)["flow"] == (True, Remedy.CUT)


def test_what_goes_on_is_told_again_after_longer_and_longer_times() -> None:
    bench = stopped_bench()
    told = []
    for minute in range(2, 400):
        found = bench.show(HOUR + minute * MINUTE, 16_667 + 10_000 * minute)
        told += [minute] if found.get("flow") == (True, Remedy.CUT) else []
    assert told[:6] == [2, 3, 6, 13, 28, 59]
    assert {late - early for early, late in pairwise(told[6:])} <= {60}


def test_an_hour_without_flow_after_a_stop_is_proof() -> None:
    bench = stopped_bench()
    begin = HOUR + MINUTE
    assert "flow" not in bench.show(begin + 59 * MINUTE, 16_667)
    assert bench.show(begin + 60 * MINUTE, 18_000)["flow"] == (False, Remedy.NOTHING)


def test_slow_flow_after_a_stop_is_no_proof_of_rest() -> None:
    """8 uL/h: nothing in the first half hour, flow in the second."""
    bench = stopped_bench()
    for minute in range(2, 181):
        found = bench.show(HOUR + minute * MINUTE, 16_667 + 8_000 * minute // 60)
        assert found.get("flow") in (None, (True, Remedy.CUT))


def test_a_new_command_ends_the_watch_on_the_old_stop() -> None:
    bench = stopped_bench()
    bench.witness.told()
    bench.told.stopped = 1 << 62
    assert "flow" not in bench.show(HOUR + 30 * MINUTE, 16_667 + 8_000)


def test_a_second_stop_does_not_forget_when_the_first_was() -> None:
    bench = stopped_bench()
    bench.witness.stopped(HOUR + 90 * SECOND)
    assert bench.show(HOUR + 2 * MINUTE, 16_667 + 9_000)["flow"] == (True, Remedy.CUT)


def test_what_was_found_is_counted_and_compared_anew_once_the_pump_is_told_again() -> None:
    bench = Bench()
    bench.show(0, 0)
    bench.show(MINUTE, 333_333)
    bench.witness.told()
    assert bench.witness.oldest is None
    assert "flow" not in bench.show(2 * MINUTE, 333_700)
    assert bench.witness.oldest == Mark(2 * MINUTE, 2 * MINUTE, 333_700, "A", 556)


# --- under ----------------------------------------------------------------------------------------------------


def test_no_flow_is_an_alarm_and_no_stop() -> None:
    """F-26. 16.7 uL/h: 1.9 h of them, 85.5 %, without 20 uL of backlash and 1 uL/h of evaporation."""
    bench = Bench()
    held = bench.run(0, 4 * HOUR, 0)
    assert set(held) == {"under-flow"}
    first = Bench()
    assert first.run(0, 100 * MINUTE, 0) == []
    assert first.run(101 * MINUTE, 115 * MINUTE, 0) != []
    assert bench.show(4 * HOUR + MINUTE, 0)["under-flow"] == (True, Remedy.NOTHING)


def test_the_counter_of_a_pump_that_is_told_often_is_what_must_have_flowed() -> None:
    """Its present command is too young to be sure of much; its counter rose by 60 uL."""
    bench = Bench()
    bench.told.rate = 0
    bench.show(0, 0)
    bench.told.low_nl = 60_000
    assert bench.show(HOUR, 0)["under-flow"] == (True, Remedy.NOTHING)


def test_flow_that_comes_back_ends_the_alarm_once_it_is_sure() -> None:
    bench = Bench()
    bench.run(0, 4 * HOUR, 0)
    said = []
    for minute in range(1, 30 * 60):
        found = bench.show(4 * HOUR + minute * MINUTE, 16_667 * minute // 60)
        said += [found["under-flow"][0]] if "under-flow" in found else []
    assert said[0] is True
    assert said == sorted(said, reverse=True)  # once gone, it does not come back
    assert said[-1] is False


def test_a_path_that_is_primed_may_swallow_what_leaves_the_pump() -> None:
    """336 uL in 20 min into an empty path, then the basal: only what came after the prime is compared."""
    bench = Bench(Told(rate=1_000_000, stopped=20 * MINUTE, primed_until=20 * MINUTE))
    assert bench.run(0, 60 * MINUTE, 0) == []
    early = Bench(Told(rate=1_000_000, stopped=20 * MINUTE))
    assert "under-flow" in early.run(0, 60 * MINUTE, 0)


# --- readings that make no sense ------------------------------------------------------------------------------


@pytest.mark.parametrize(("back", "strange"), [(2_017, False), (2_018, True)])
def test_a_sensor_that_goes_back_is_compared_anew_and_stops_nobody(back: int, strange: bool) -> None:
    """Twice the resolution, and 1 uL/h of evaporation in a minute: 2,017 nL."""
    bench = Bench()
    bench.show(0, 50_000)
    found = bench.show(MINUTE, 50_000 - back)
    assert "flow" not in found
    assert bench.verdict.surprises is strange
    assert (bench.witness.oldest == bench.witness.last) is strange


def there_and_back(away: int, minutes: int, *, put_back: int) -> Bench:
    """An hour of readings, then another level for some minutes, then ``put_back`` beside what was there before."""
    bench = Bench()
    bench.run(0, HOUR, 16_667)
    for minute in range(minutes):
        bench.show(HOUR + (minute + 1) * MINUTE, away)
    bench.found = bench.show(HOUR + (minutes + 1) * MINUTE, 16_667 + 278 * (minutes + 1) + put_back)
    return bench


@pytest.mark.parametrize("away", [-20_000_000, 50_000_000])
@pytest.mark.parametrize("minutes", [1, 30, 58])
def test_a_vessel_that_is_put_back_is_compared_as_before(away: int, minutes: int) -> None:
    """Taken away, or leant on: what it shows afterwards is no flow of 20 mL, and the hours before still count."""
    bench = there_and_back(away, minutes, put_back=0)
    assert bench.verdict.back
    assert "flow" not in bench.found
    assert bench.witness.oldest == Mark(0, 0, 0, "A", 0)


def test_a_vessel_that_is_put_back_with_more_in_it_has_flowed() -> None:
    assert there_and_back(-20_000_000, 30, put_back=30_000).found["flow"] == (True, Remedy.STOP)


def test_a_vessel_that_was_emptied_and_put_back_has_not_flowed_and_then_it_has() -> None:
    """20 mL under the vessel's weight, then 10 uL less than before; what rises from there is flow."""
    bench = there_and_back(-20_000_000, 3, put_back=-10_000)
    assert "emptied and put back" in bench.verdict.strange
    assert "flow" not in bench.found
    assert bench.found["sensor"] == (False, Remedy.NOTHING)
    level = 16_667 + 278 * 4 - 10_000
    assert "flow" not in bench.show(HOUR + 5 * MINUTE, level + 278)
    assert bench.show(HOUR + 6 * MINUTE, level + 300_000)["flow"] == (True, Remedy.STOP)


def test_free_flow_after_a_touch_is_taken_for_a_vessel_once_only() -> None:
    bench = Bench()
    bench.run(0, HOUR, 16_667)
    bench.show(HOUR + MINUTE, -20_000_000)
    assert "flow" not in bench.show(HOUR + 2 * MINUTE, -19_666_667)
    assert bench.show(HOUR + 3 * MINUTE, -19_333_333)["flow"] == (True, Remedy.STOP)


def test_after_an_hour_what_was_before_is_forgotten() -> None:
    bench = there_and_back(-20_000_000, 61, put_back=0)
    assert not bench.verdict.back
    assert bench.found["flow"] == (True, Remedy.STOP)


def test_who_lifts_the_vessel_twice_is_compared_with_what_was_before_both() -> None:
    bench = Bench()
    bench.run(0, HOUR, 16_667)
    bench.show(HOUR + MINUTE, -20_000_000)
    bench.show(HOUR + 2 * MINUTE, -25_000_000)
    bench.show(HOUR + 3 * MINUTE, 17_500)
    assert bench.verdict.back
    assert bench.witness.oldest == Mark(0, 0, 0, "A", 0)


def test_another_origin_is_another_beginning() -> None:
    bench = Bench()
    bench.show(0, 0)
    bench.show(MINUTE, 9_000_000, origin="B")
    assert "another origin" in bench.verdict.strange
    assert bench.verdict.extra.nl == 0


@pytest.mark.parametrize(("rise", "strange"), [(40_406_000, False), (40_407_000, True)])
def test_more_than_was_in_the_reservoir_is_a_hand_on_the_balance(rise: int, strange: bool) -> None:
    bench = Bench()
    bench.show(0, 0)
    bench.show(MINUTE, rise)
    assert bool(bench.verdict.strange) is strange
    assert bool(bench.verdict.over) is not strange


def test_a_strange_reading_is_an_alarm_that_stays_until_it_is_seen() -> None:
    """It is raised and gone in one: active until somebody acknowledges it."""
    bench = Bench()
    bench.show(0, 50_000)
    mark = Mark(MINUTE, MINUTE, 0, "A", 0)
    actions = bench.witness.take(mark, bench.witness.judge(mark, bench.told))
    assert [(action.code, action.holds, action.remedy) for action in actions] == [
        ("sensor", True, Remedy.NOTHING), ("sensor", False, Remedy.NOTHING)]  # fmt: skip


@pytest.mark.parametrize(("after", "said"), [(18_000, False), (17_999, True)])
def test_a_reading_that_is_taken_back_is_said(after: int, said: bool) -> None:
    doubted = Mark(0, 0, 20_000, "A", 0)
    actions = Bench().witness.taken_back(doubted, Mark(20, 20, after, "A", 0))
    assert [action.holds for action in actions] == ([True, False] if said else [])


def test_nothing_was_taken_back_where_nothing_surprised() -> None:
    assert Bench().witness.taken_back(None, Mark(0, 0, 0, "A", 0)) == []


def test_three_readings_that_fail_are_an_alarm_and_no_stop() -> None:
    bench = Bench()
    assert bench.witness.unread("x") == bench.witness.unread("x") == []
    assert by_code(bench.witness.unread("silence")) == {"sensor": (True, Remedy.NOTHING)}
    assert bench.show(0, 0)["sensor"] == (False, Remedy.NOTHING)
    assert bench.witness.unread("x") == bench.witness.unread("x") == []


# --- what earlier lives saw -----------------------------------------------------------------------------------


def test_readings_of_an_earlier_life_are_compared_with() -> None:
    """The host was dead for two hours in which free flow emptied 5 mL."""
    bench = Bench()
    bench.witness.note(Mark(0, 0, 0, "A", 0))
    bench.witness.note(Mark(HOUR, HOUR, 16_000, "A", 16_667))
    assert bench.witness.last == Mark(HOUR, HOUR, 16_000, "A", 16_667)
    assert bench.show(3 * HOUR, 5_000_000)["flow"] == (True, Remedy.STOP)


def test_readings_of_another_sensor_in_an_earlier_life_are_not() -> None:
    bench = Bench()
    bench.witness.note(Mark(0, 0, 0, "A", 0))
    bench.witness.note(Mark(HOUR, HOUR, 9_000_000, "B", 16_667))
    assert bench.witness.oldest == Mark(HOUR, HOUR, 9_000_000, "B", 16_667)


def test_a_mark_of_before_a_reboot_is_as_old_as_the_host_was_off() -> None:
    assert Mark(100, 120, 5, "A", 9).older(50, 10) == Mark(50, 80, 5, "A", 9)


def test_the_bounds_of_what_was_seen_are_those_of_the_arithmetic() -> None:
    witness = Bench().witness
    older, mark = Mark(0, 0, 0, "A", 0), Mark(HOUR, HOUR, 50_000, "A", 0)
    assert witness.bounds(older, mark) == (50_000 - 2_000 - 500 - 100, 50_000 + 2_000 + 500 + 1_000)
    assert witness.bounds(older, older) == (0, 2_000)
