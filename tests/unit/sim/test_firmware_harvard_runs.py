"""How the simulated Harvard pumps behave: runs, targets, stalls, power, and each option for what is not known."""

from dataclasses import replace

import pytest

from sim.firmware.harvard import Quirks
from tests.unit.sim.harvard_host import AT_ONCE, MIN, ML, Bench, H, S, running

NEVER = 1 << 62


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Counting and targets


def test_a_run_counts_what_it_moves_and_keeps_it_when_it_stops() -> None:
    bench = running().to(1_000)
    assert (bench.ask("ivolume"), bench.out_pl) == ("100 ul\r\n>", 100_000_000)
    assert bench.ask("stop") == ":"
    assert bench.to(MIN).ask("ivolume") == "100 ul\r\n:"
    assert bench.ask("itime") == "1 seconds\r\n:"
    bench.ask("irun")
    assert bench.by(500).ask("ivolume") == "150 ul\r\n>"
    bench.ask("stop")
    bench.setup("civolume", "citime")
    assert (bench.ask("ivolume"), bench.ask("itime")) == ("0 ul\r\n:", "0 seconds\r\n:")


def test_withdrawing_has_its_own_counter_timer_and_rate(bench: Bench) -> None:
    bench.setup("wrate 3 ml/min", "irate 6 ml/min")
    bench.ask("wrun")
    bench.by(2_000)
    assert bench.ask("crate") == "Withdrawing at 3 ml/min\r\n<"
    assert bench.ask("wvolume") == "100 ul\r\n<"
    assert bench.ask("status") == "50000000000 112000000 100000000000 W...I.\r\n<"
    bench.ask("stop")
    assert (bench.ask("ivolume"), bench.ask("wtime")) == ("0 ul\r\n:", "2 seconds\r\n:")
    bench.setup("cwvolume", "cwtime")
    assert (bench.ask("wvolume"), bench.ask("wtime")) == ("0 ul\r\n:", "0 seconds\r\n:")


def test_a_rate_that_is_set_while_it_runs_counts_at_once_and_the_target_stays() -> None:
    bench = running("tvolume 1 ml").to(5_000)
    assert bench.ask("irate 12 ml/min") == ">"
    assert bench.to(7_499).ask("") == ">"
    assert bench.to(7_500).ask("") == "T*"
    assert (bench.out_pl, bench.ask("ivolume")) == (ML, "1 ml\r\nT*")


def test_a_pump_that_shows_whole_steps_shows_less_than_its_target_where_it_stops() -> None:
    bench = running("tvolume 1 ml", quirks=replace(AT_ONCE, whole_steps=True)).to(17)
    assert bench.ask("ivolume") == "1.6902 ul\r\n>"  # 150 steps of 11,268 pl
    assert bench.to(MIN).ask("ivolume") == "999.99 ul\r\nT*"
    assert bench.out_pl == ML


def test_a_stop_and_a_run_end_at_the_same_target() -> None:
    bench = running("tvolume 1 ml").to(3_333)
    bench.ask("stop")
    bench.to(MIN).ask("irun")
    assert bench.to(2 * MIN).ask("ivolume") == "1 ml\r\nT*"
    assert bench.out_pl == ML


def test_what_was_infused_before_counts_toward_the_target_until_it_is_cleared() -> None:
    bench = running().to(5_000)
    bench.ask("stop")
    bench.setup("tvolume 1 ml")
    bench.ask("irun")
    assert bench.to(MIN).out_pl == ML
    bench.setup("cvolume", "ctvolume", "tvolume 1 ml")
    bench.ask("irun")
    assert bench.to(2 * MIN).out_pl == 2 * ML


def test_a_run_whose_target_is_reached_does_not_turn_and_says_so() -> None:
    bench = running("tvolume 1 ml").to(MIN)
    assert bench.pushed() == [(10_000, b"\nT*")]
    assert bench.ask("irun") == "T*"
    assert bench.pushed() == [(MIN, b"\nT*")]
    assert bench.to(2 * MIN).out_pl == ML


@pytest.mark.parametrize("target", ["tvolume 1 ml", "ttime 10"])
def test_a_run_whose_target_is_reached_does_not_wait_for_its_motor_to_say_so(target: str) -> None:
    bench = running(target, quirks=Quirks()).to(MIN)
    assert bench.ask("irun") == "T*"


def test_a_run_that_is_asked_for_again_goes_on_as_it_was() -> None:
    bench = running(quirks=Quirks()).to(79)
    assert bench.ask("irun") == ">"
    assert bench.to(1_080).ask("ivolume") == "100 ul\r\n>"


def test_a_target_time_that_counts_from_the_run_is_given_again_after_it_was_reached() -> None:
    bench = running("ttime 10", quirks=replace(AT_ONCE, target_counts_from="run")).to(MIN)
    assert bench.ask("irun") == ">"
    assert bench.to(MIN + 9_999).ask("") == ">"
    assert bench.to(MIN + 10_000).ask("itime") == "20 seconds\r\nT*"
    assert bench.out_pl == 2 * ML


def test_a_target_that_counts_from_the_run_is_given_again_after_it_was_reached() -> None:
    bench = running("tvolume 1 ml", quirks=replace(AT_ONCE, target_counts_from="run")).to(5_000)
    bench.ask("stop")
    bench.ask("irun")  # an interrupted run goes on to its target
    assert bench.to(MIN).out_pl == ML
    assert bench.ask("irun") == ">"
    assert bench.to(2 * MIN).out_pl == 2 * ML
    assert bench.ask("ivolume") == "2 ml\r\nT*"


def test_a_target_time_ends_a_run_on_its_ms_and_counts_from_its_own_timer() -> None:
    bench = running("ttime 10").to(4_000)
    bench.ask("stop")
    bench.to(20_000).ask("irun")
    assert bench.to(25_999).ask("") == ">"
    assert bench.to(26_000).ask("") == "T*"
    assert (bench.out_pl, bench.ask("itime")) == (ML, "10 seconds\r\nT*")


@pytest.mark.parametrize(("volume", "time", "given_pl"), [("1 ml", "30", ML), ("1 ml", "5", ML // 2)])
def test_of_two_targets_the_first_one_reached_ends_the_run(volume: str, time: str, given_pl: int) -> None:
    bench = running(f"tvolume {volume}", f"ttime {time}")
    assert bench.to(H).out_pl == given_pl


def test_where_targets_exclude_each_other_the_last_one_set_counts() -> None:
    bench = Bench(quirks=replace(AT_ONCE, targets_exclude=True)).setup("tvolume 1 ml", "ttime 5")
    assert bench.ask("tvolume") == "Target volume not set\r\n:"
    bench.setup("tvolume 2 ml")
    assert bench.ask("ttime") == "Target time not set\r\n:"


@pytest.mark.parametrize("command", ["cvolume", "civolume", "ctvolume", "cttime", "ctime", "diameter 10"])
def test_clearing_ends_the_prompt_of_a_reached_target_unless_only_a_run_does(command: str) -> None:
    assert running("tvolume 1 ml").to(MIN).ask(command) == ":"
    if command != "diameter 10":
        only_run = replace(AT_ONCE, reached_until_run=True)
        assert running("tvolume 1 ml", quirks=only_run).to(MIN).ask(command) == "T*"


def test_stop_does_not_end_the_prompt_of_a_reached_target() -> None:
    assert running("tvolume 1 ml").to(MIN).ask("stop") == "T*"


def test_targets_and_clearing_while_running_take_effect_where_the_pump_takes_them() -> None:
    loose = replace(AT_ONCE, set_while_running=True)
    bench = running("tvolume 1 ml", quirks=loose).to(5_000)
    assert bench.ask("ctvolume") == ">"
    assert bench.to(20_000).out_pl == 2 * ML
    bench = running("tvolume 1 ml", quirks=loose).to(5_000)
    assert bench.ask("cvolume") == ">"
    assert bench.to(MIN).out_pl == 3 * ML // 2


def test_a_run_without_a_target_goes_on_when_its_host_is_gone() -> None:
    assert running("irate 1 ml/hr").to(9 * H).out_pl == 9 * ML


def test_the_motor_begins_to_turn_late_as_recorded() -> None:
    bench = Bench(quirks=Quirks()).setup("irate 5 ml/min", "tvolume 1 ml")
    bench.ask("irun")
    assert bench.to(100).ask("ivolume") == "1.66667 ul\r\n>"  # recorded: 1.69023 ul
    assert bench.to(12_079).ask("") == ">"
    assert bench.to(12_080).ask("") == "T*"
    assert bench.out_pl == ML


def test_a_stop_before_the_motor_turns_stops_it(bench: Bench) -> None:
    bench = Bench(quirks=Quirks())
    bench.ask("irun")
    assert bench.to(79).ask("stop") == ":"
    assert bench.to(H).out_pl == 0


# What a host hears by itself


def test_with_polling_off_the_only_thing_to_wait_for_is_a_target() -> None:
    bench = Bench()
    assert bench.firmware.alarm_ms >= NEVER
    bench = running()
    assert bench.firmware.alarm_ms >= NEVER
    bench = running("tvolume 1 ml")
    assert bench.firmware.alarm_ms == 10_000
    bench = running("ttime 7")
    assert bench.firmware.alarm_ms == 7_000
    bench = running("poll off", "ttime 7", "tvolume 1 ml")
    assert bench.firmware.alarm_ms == 7_000


def test_with_polling_on_there_is_nothing_to_wait_for() -> None:
    bench = Bench()
    for command in ("poll on", "tvolume 1 ml", "irun"):
        bench.ask(command)
    assert bench.firmware.alarm_ms >= NEVER
    assert bench.firmware.next_ms == MIN
    assert bench.to(H).pushed() == []


# Stalls


def test_a_stall_is_found_by_asking_only() -> None:
    bench = running("tvolume 1 ml").to(5_000)
    bench.mechanism.block(5_000, silent=False)
    bench.firmware.elapse(5_000)
    bench.by(2 * S)
    assert bench.pushed() == []
    assert bench.ask("status") == "0 280056000 500000000000 i.S.I.\r\n*"  # a step later
    assert bench.to(H).out_pl == ML // 2


def test_a_stall_ends_with_stop_or_with_a_touch_and_a_run_goes_on_with_what_was_interrupted() -> None:
    for way, after in (("stop", ":"), ("touch", "*")):
        quirks = Quirks(start_ms=0, stall_ends_by="stop" if way == "stop" else "touch")
        bench = running("tvolume 1 ml", quirks=quirks).to(5_000)
        bench.mechanism.block(5_000, silent=False)
        bench.firmware.elapse(5_000)
        assert bench.by(S).ask("stop") == after
        bench.firmware.touch()
        assert bench.ask("") == ":"
        bench.mechanism.free(bench.now_ms)
        assert bench.ask("irun") == ">"
        assert bench.by(MIN).ask("ivolume") == "1 ml\r\nT*"
        assert bench.out_pl == ML


def test_a_run_against_a_stalled_motor_stalls_again() -> None:
    bench = running().to(5_000)
    bench.mechanism.block(5_000, silent=False)
    bench.firmware.elapse(5_000)
    assert bench.by(S).ask("irun") == ">"
    assert bench.by(S).ask("") == "*"


def test_a_silent_stall_shows_in_the_volume_alone() -> None:
    bench = running("tvolume 1 ml", "ttime 20").to(5_000)
    bench.mechanism.block(5_000, silent=True)
    bench.firmware.elapse(5_000)
    assert bench.to(15_000).ask("status") == "100000000000 840000000 500000000000 I...I.\r\n>"
    assert bench.to(20_000).ask("") == "T*"


def test_a_closed_line_is_a_stall_once_it_holds_what_it_can() -> None:
    bench = running("tvolume 1 ml").to(1_000)
    bench.mechanism.occlude(1_000, 200_000_000)
    bench.firmware.elapse(1_000)
    assert bench.to(2_900).ask("") == ">"
    assert bench.to(3_100).ask("") == "*"
    assert (bench.pushed(), bench.ask("ivolume")) == ([], "300 ul\r\n*")


def test_a_motor_that_runs_away_still_stops_at_its_target() -> None:
    bench = running("tvolume 1 ml").to(1_000)
    bench.mechanism.run_away(1_000, 3)
    bench.firmware.elapse(1_000)
    assert bench.to(3_999).ask("") == ">"
    assert bench.to(4_000).ask("ivolume") == "1 ml\r\nT*"


def test_an_empty_syringe_is_a_stall() -> None:
    bench = running().to(H)
    assert (bench.ask(""), bench.out_pl) == ("*", 10 * ML)


FROM_RUN = replace(AT_ONCE, target_counts_from="run", set_while_running=True)


@pytest.mark.parametrize(
    ("target", "again"),
    [("tvolume 1 ml", ["cvolume"]), ("ttime 10", ["ctime"]), ("tvolume 1 ml", ["diameter 14.43"])],
)
def test_after_clearing_a_target_that_counts_from_the_run_is_given_once_more(
    target: str, again: list[str]
) -> None:
    bench = running(target, quirks=FROM_RUN).to(MIN)
    assert bench.ask("irun") == ">"
    assert bench.to(2 * MIN).out_pl == 2 * ML
    bench.setup(*again)
    assert bench.ask("irun") == ">"
    assert bench.to(3 * MIN).out_pl == 3 * ML
    assert bench.ask("irun") == ">"
    assert bench.to(4 * MIN).out_pl == 4 * ML


def test_a_timer_that_is_cleared_while_it_runs_begins_again_there() -> None:
    bench = running("ttime 10", quirks=replace(AT_ONCE, set_while_running=True)).to(6_000)
    assert bench.ask("ctime") == ">"
    assert bench.to(9_000).ask("itime") == "3 seconds\r\n>"
    assert bench.to(15_999).ask("") == ">"
    assert bench.to(16_000).ask("itime") == "10 seconds\r\nT*"


def test_the_rate_that_is_shown_is_the_one_that_runs() -> None:
    bench = running().to(1_000)
    assert bench.ask("irate 12 ml/min") == ">"
    assert bench.ask("wrate 3 ml/min") == ">"
    assert bench.ask("status").startswith("200000000000 ")
    assert bench.to(2_000).ask("ivolume") == "300 ul\r\n>"


def test_a_rate_that_is_set_before_the_motor_turns_is_the_one_that_turns() -> None:
    bench = running(quirks=Quirks()).to(40)
    assert bench.ask("irate 12 ml/min") == ">"
    assert bench.to(1_080).ask("ivolume") == "200 ul\r\n>"
