"""The edges of what an independent sensor proves; the bounds are written out in test_witness.py."""

from __future__ import annotations

import pytest

from pump_ctrl.safety.watchdog import Remedy
from pump_ctrl.safety.witness import NO_EXTRA, PPM, WINDOWS_MS, Mark, Sight
from tests.safety.test_witness import HOUR, MINUTE, SECOND, Bench, Told, stopped_bench, there_and_back


def mark(at: int, nl: int = 0, origin: str = "A") -> Mark:
    return Mark(at, at, nl, origin, 0)


def test_the_bounds_are_those_that_the_documents_give() -> None:
    """docs/adr/0012: nobody changes one of them by the way."""
    assert WINDOWS_MS == (300_000, 3_600_000, 14_400_000, 79_200_000)
    assert (PPM, NO_EXTRA) == (1_000_000, (0, 0, 0))
    assert Sight() == Sight(
        poll_ms=60_000, silent_polls=3, confirm_ms=20_000, note_ms=3_600_000, early_ms=5_000, settle_ms=30_000,
        quiet_ms=3_600_000, under_ms=14_400_000, stored_nl=2_000, backlash_nl=20_000, low_per_mille=855,
        high_per_mille=1_145,
    )  # fmt: skip


# --- what a reading is compared with --------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "oldest"), [
    ((0, 1, 10), 0), ((0, 11), 0), ((0, 11, 21), 0), ((0, 11, 22), 11), ((0, 11, 22, 33), 22),
    ((0, 12, 22), 0), ((0, 12, 23), 12), ((0, 8, 15), 0), ((0, 22), 22), ((0, 21, 33), 21),
])  # fmt: skip
def test_the_longest_span_begins_between_half_of_22_h_and_22_h_ago(
    hours: tuple[int, ...], oldest: int
) -> None:
    witness = Bench().witness
    assert (witness.last, witness.oldest) == (None, None)
    for hour in hours:
        witness.note(mark(hour * HOUR))
    assert witness.oldest == mark(oldest * HOUR)


@pytest.mark.parametrize(
    ("at", "flow"), [(24 * HOUR - 10 * SECOND, True), (24 * HOUR - 10 * SECOND + 1, False)]
)
def test_a_reading_is_compared_as_long_as_the_ledger_reaches_back_with_both_ends_of_its_doubt(
    at: int, flow: bool
) -> None:
    bench = Bench(Told(rate=0))
    bench.show(0, 0)
    assert ("flow" in bench.show(at, 500_000)) is flow


def test_what_was_read_before_the_clock_began_proves_as_much() -> None:
    """After a reboot marks of before lie at negative times."""
    bench = Bench(Told(rate=0))
    bench.show(-2 * HOUR, 0)
    bench.show(-2 * HOUR + MINUTE, 333_333)
    assert bench.verdict.extra.nl == 333_333 - 2_000 - 3_334 - 2


def test_the_bounds_of_what_was_seen_are_those_of_the_difference() -> None:
    found = Bench().witness.bounds(mark(0, 40_000), mark(HOUR, 90_000))
    assert found == (50_000 - 2_000 - 500 - 100, 50_000 + 2_000 + 500 + 1_000)


@pytest.mark.parametrize(("rise", "strange"), [(40_406_061, False), (40_406_062, True)])
def test_just_what_was_in_the_reservoir_can_have_left_it(rise: int, strange: bool) -> None:
    """Less 2,000 for two readings and 404,061 for 1 %."""
    bench = Bench()
    bench.show(0, 0)
    bench.show(MINUTE, rise)
    assert bool(bench.verdict.strange) is strange


@pytest.mark.parametrize(("before", "after"), [("A", "B"), ("B", "A")])
def test_another_origin_is_another_beginning_whichever_sorts_first(before: str, after: str) -> None:
    bench = Bench()
    bench.show(0, 0, origin=before)
    bench.show(MINUTE, 9_000_000, origin=after)
    assert bench.verdict.strange
    earlier = Bench().witness
    earlier.note(mark(0, origin=before))
    earlier.note(mark(HOUR, origin=after))
    assert earlier.oldest == mark(HOUR, origin=after)


def test_a_vessel_may_be_away_for_just_an_hour() -> None:
    assert there_and_back(-20_000_000, 59, put_back=0).verdict.back


def test_a_reading_that_fits_what_is_compared_now_does_not_bring_back_what_was_before() -> None:
    """A touch by 2,018 nL: the next reading fits both; the touch has been told, and that is that."""
    bench = Bench()
    bench.show(0, 50_000)
    bench.show(MINUTE, 50_000 - 2_018)
    bench.show(2 * MINUTE, 50_000 - 2_018 + 278)
    assert not bench.verdict.back
    assert bench.witness.oldest == Mark(MINUTE, MINUTE, 47_982, "A", 278)


def test_a_fourth_reading_that_fails_is_still_an_alarm() -> None:
    witness = Bench().witness
    found = [bool(witness.unread("silence")) for _ in range(5)]
    assert found == [False, False, True, True, True]


# --- missing flow ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rise", "under", "enough"), [
    (41_733, True, False), (41_734, False, False), (51_062, False, False), (51_063, False, True),
])  # fmt: skip
def test_missing_flow_begins_and_ends_where_the_sensors_bounds_pass_what_must_have_flowed(
    rise: int, under: bool, enough: bool
) -> None:
    """20 uL/h for 4 h less 10 s are 79,944 nL; 85.5 % of them without 20,000 and 200: 48,152 must be seen.

    At most are seen 2,000, 1 % and 4,000 more than the rise, at least 2,000, 1 % and 400 less.
    """
    bench = Bench(Told(rate=20_000))
    bench.show(0, 0)
    bench.show(4 * HOUR, rise)
    assert (bool(bench.verdict.under), bench.verdict.flows) == (under, enough)


@pytest.mark.parametrize(("low_nl", "enough"), [(0, False), (23_626, False), (23_628, True)])
def test_where_nothing_has_to_be_seen_nothing_is_enough(low_nl: int, enough: bool) -> None:
    """85.5 % of 23,626 nL are the 20,200 that pump and line may take up; of 23,628 one is left."""
    bench = Bench(Told(rate=0))
    bench.show(0, 0)
    bench.told.low_nl = low_nl
    found = bench.show(4 * HOUR, 40_000 if low_nl else 0)
    assert ("under-flow" in found) is enough


def test_missing_flow_is_looked_for_over_four_hours_and_not_over_minutes() -> None:
    """1 mL/h for 3 h, then nothing for 5 min: 8 % of 4 h, which is within the pump's accuracy."""
    fast = Bench(Told(rate=1_000_000, content_nl=40_000_000))
    assert fast.run(0, 3 * HOUR, 1_000_000) == []
    assert fast.run(3 * HOUR, 3 * HOUR + 5 * MINUTE, 0, level=3_000_000) == []


def test_missing_flow_is_found_within_four_hours_however_well_it_flowed_before() -> None:
    """12 h at 16.7 uL/h, then nothing: over 22 h that is within the accuracy, over 4 h it is not."""
    bench = Bench()
    assert bench.run(0, 12 * HOUR, 16_667) == []
    assert "under-flow" in bench.run(12 * HOUR, 16 * HOUR, 0, level=200_004)


def test_flow_that_comes_back_is_told_within_four_hours_however_much_is_missing_over_a_day() -> None:
    bench = Bench()
    bench.run(0, 12 * HOUR, 16_667)
    bench.run(12 * HOUR, 16 * HOUR, 0, level=200_004)
    said = []
    for minute in range(1, 241):
        found = bench.show(16 * HOUR + minute * MINUTE, 200_004 + 16_667 * minute // 60)
        said += [found["under-flow"][0]] if "under-flow" in found else []
    assert False in said


def test_a_reading_just_at_the_end_of_a_prime_is_compared() -> None:
    bench = Bench(Told(rate=1_000_000, stopped=20 * MINUTE, primed_until=0))
    assert "under-flow" in bench.run(0, 60 * MINUTE, 0)


def test_a_young_span_tells_nothing_of_missing_flow() -> None:
    bench = Bench()
    bench.show(0, 0)
    assert "under-flow" not in bench.show(MINUTE, 278)


# --- after a STOP ---------------------------------------------------------------------------------------------


def test_the_first_stop_is_the_one_that_counts_before_anything_was_read_after_it() -> None:
    bench = Bench(Told(stopped=HOUR))
    bench.show(0, 0)
    bench.show(HOUR, 16_667)
    bench.witness.stopped(HOUR)
    bench.witness.stopped(HOUR + 29 * SECOND)
    bench.show(HOUR + 30 * SECOND, 16_667)
    assert bench.show(HOUR + 50 * SECOND, 16_667 + 9_000)["flow"] == (True, Remedy.CUT)


def test_what_flows_after_a_stop_counts_and_is_compared_anew_once_the_pump_is_told_again() -> None:
    """10,000 nL less 2,000, 100 for 1 % and 2 of creep, and nobody had permitted any."""
    bench = stopped_bench()
    bench.show(HOUR + 2 * MINUTE, 16_667 + 10_000)
    assert bench.verdict.extra.nl == 10_000 - 2_000 - 100 - 2
    bench.witness.told()
    assert bench.witness.oldest is None


def test_a_pump_that_is_told_anything_while_nothing_is_wrong_is_compared_with_what_was_before() -> None:
    bench = Bench()
    bench.show(0, 0)
    bench.witness.told()
    bench.show(MINUTE, 278)
    assert bench.witness.oldest == mark(0)
    bench.show(2 * MINUTE, 400_000)  # flow: found, and counted
    bench.witness.told()
    bench.show(3 * MINUTE, 400_278)
    bench.witness.told()
    assert bench.witness.oldest == Mark(3 * MINUTE, 3 * MINUTE, 400_278, "A", 834)


def test_after_a_new_command_the_relay_is_told_at_once_and_in_the_same_steps_again() -> None:
    bench = stopped_bench()
    for minute in range(2, 15):
        found = bench.show(HOUR + minute * MINUTE, 16_667 + 10_000 * minute)
    assert found["flow"] == (True, Remedy.NOTHING)
    bench.witness.told()
    begin, level = HOUR + 15 * MINUTE, 16_667 + 150_000
    bench.show(begin, level)
    bench.witness.stopped(begin)
    bench.show(begin + MINUTE, level)
    told = []
    for minute in range(2, 30):
        found = bench.show(begin + minute * MINUTE, level + 10_000 * minute)
        told += [minute] if found["flow"] == (True, Remedy.CUT) else []
    assert told == [2, 3, 6, 13, 28]


def test_an_hour_and_more_without_flow_is_proof_too() -> None:
    bench = stopped_bench()
    begin = HOUR + MINUTE
    assert "flow" not in bench.show(begin + 59 * MINUTE, 16_667)
    assert bench.show(begin + 61 * MINUTE, 16_667)["flow"] == (False, Remedy.NOTHING)


def test_another_origin_after_a_stop_is_no_flow() -> None:
    bench = stopped_bench()
    bench.show(HOUR + 2 * MINUTE, 9_000_000, origin="B")
    assert "flow" not in bench.show(HOUR + 3 * MINUTE, 9_000_000, origin="B")
