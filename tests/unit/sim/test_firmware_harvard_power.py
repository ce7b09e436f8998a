"""A power cut of a simulated Harvard pump, and the faults that change what its firmware does or says."""

from dataclasses import replace

import pytest

from sim.firmware.harvard import Quirks
from tests.unit.sim.harvard_host import AT_ONCE, MIN, ML, Bench, H, S, running


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Power


def test_a_power_cut_loses_counters_timers_targets_polling_and_the_run() -> None:
    bench = running("tvolume 1 ml", "ttime 30").to(5_000)
    bench.firmware.power_off(5_000)
    assert bench.say(b"ver\r") == b""
    bench.to(6_000).firmware.power_up(6_000)
    assert bench.firmware.take_pushed() == []
    names = ("ivolume", "itime", "tvolume", "ttime", "poll", "echo")
    answers = ["0 ul", "0 seconds", "Target volume not set", "Target time not set"]
    answers += ["Polling mode is OFF", "Echo is OFF"]
    assert [bench.ask(name) for name in names] == [f"{answer}\r\n:" for answer in answers]
    assert bench.to(H).out_pl == ML // 2


def test_a_power_cut_ends_polling_and_echo(bench: Bench) -> None:
    for command in ("poll on", "echo on"):
        bench.ask(command)
    bench.firmware.power_up(0)
    assert bench.say(b"poll\r") == b"\nPolling mode is OFF\r\n:"


def test_a_power_cut_keeps_the_settings(bench: Bench) -> None:
    bench.setup(
        "diameter 10", "irate 3 ml/min", "wrate 2 ml/min", "force 40", "dim 7", "load qs wi", "ftsw fall"
    )
    bench.ask("address 5")
    bench.firmware.power_up(0)
    names = ("diam", "irate", "wrate", "force", "dim", "load", "ftsw", "addr")
    answers = ["10.0000 mm", "3 ml/min", "2 ml/min", "40%", "Backlight is set to 7%"]
    answers += ["Quick Start - Withdraw/Infuse (qs wi)", "Active low", "Pump address is 5"]
    assert [bench.ask(name) for name in names] == [f"05:{answer}\r\n05:" for answer in answers]


def test_a_rate_that_was_set_with_nvram_off_is_gone_after_a_power_cut(bench: Bench) -> None:
    bench.setup("irate 3 ml/min", "nvram off", "irate 4 ml/min")
    assert bench.ask("irate") == "4 ml/min\r\n:"
    bench.firmware.power_up(0)
    assert bench.ask("irate") == "3 ml/min\r\n:"


def test_targets_and_polling_outlast_a_power_cut_where_the_pump_keeps_them() -> None:
    keeps = Quirks(targets_survive_power=True, polling_survives_power=True)
    bench = Bench(quirks=keeps).setup("tvolume 1 ml", "ttime 30")
    bench.ask("poll on")
    bench.firmware.power_up(0)
    assert bench.say(b"tvolume\r") == b"\n1 ml\r\n:\x11"


def test_a_pump_that_announces_its_power_up_sends_its_prompt() -> None:
    bench = Bench(quirks=Quirks(announces_power_up=True))
    assert bench.pushed() == [(0, b"\n:")]


@pytest.mark.parametrize(
    ("commands", "goes_on"),
    [
        (["load qs i"], True),
        (["load qs iw"], False),
        (["load qs i", "tvolume 1 ml"], False),
        (["load qs i", "ttime 30"], False),
    ],
)
def test_only_a_one_way_run_without_a_target_goes_on_after_a_power_cut(
    commands: list[str], *, goes_on: bool
) -> None:
    resumes = replace(AT_ONCE, resumes_at_power_up=True)
    bench = running(*commands, quirks=resumes).to(1_000)
    bench.firmware.power_off(1_000)
    bench.to(2_000).firmware.power_up(2_000)
    assert bench.ask("") == (">" if goes_on else ":")
    assert bench.to(3_000).out_pl == (200_000_000 if goes_on else 100_000_000)


def test_power_up_forgets_a_command_that_was_begun(bench: Bench) -> None:
    bench.say(b"iru")
    bench.firmware.power_up(0)
    assert "Unknown command" in bench.say(b"n\r").decode("ascii")


# Faults that change the firmware


def test_a_stop_that_is_ignored_honestly_shows_the_running_pump() -> None:
    bench = running().to(1_000)
    bench.firmware.ignore_stops("honest", 1)
    assert bench.ask("stop") == ">"
    assert bench.by(S).ask("stp") == ":"


def test_a_stop_that_is_ignored_silently_gets_no_answer() -> None:
    bench = running().to(1_000)
    bench.firmware.ignore_stops("silent", 2)
    assert bench.say(b"stop\r") + bench.say(b"stp\r") == b""
    assert bench.ask("stop") == ":"


def test_a_pump_that_lies_about_its_stop_says_idle_while_its_motor_ends_the_run() -> None:
    bench = running("tvolume 1 ml").to(1_000)
    bench.firmware.ignore_stops("lie", 1)
    assert bench.ask("stop") == ":"
    assert bench.to(5_000).ask("ivolume") == "500 ul\r\n:"
    assert bench.to(MIN).out_pl == ML


def test_a_stuck_status_shows_the_same_again_and_again() -> None:
    bench = running().to(1_000)
    bench.firmware.freeze_status(1_000, on=True)
    assert bench.to(9_000).ask("status") == "100000000000 56000000 100000000000 I...I.\r\n>"
    assert bench.ask("stop") == ">"
    bench.firmware.freeze_status(9_000, on=False)
    assert bench.ask("ivolume") == "900 ul\r\n:"


def test_a_counter_that_shows_another_value_misleads_no_target() -> None:
    bench = running("tvolume 1 ml").to(5_000)
    bench.firmware.set_counter(5_000, 0)
    assert bench.ask("ivolume") == "0 ul\r\n>"
    assert bench.to(MIN).out_pl == ML
    assert bench.ask("ivolume") == "500 ul\r\nT*"


def test_a_pump_that_resumes_after_a_reset_gives_the_rest_of_its_target() -> None:
    bench = running("tvolume 1 ml").to(4_000)
    bench.firmware.reset_and_go_on(4_000)
    assert bench.ask("tvolume") == "600 ul\r\n>"
    assert bench.to(MIN).out_pl == ML


def test_a_pump_that_runs_unasked_shows_it(bench: Bench) -> None:
    bench.firmware.run_unasked(0, 1_000_000)
    assert bench.to(36_000).ask("ivolume") == "10 ul\r\n>"


def test_a_fast_pump_clock_ends_a_target_time_early() -> None:
    bench = Bench().setup("irate 6 ml/min", "ttime 10")
    bench.mechanism.drift(0, 250_000)
    bench.ask("irun")
    assert bench.to(7_999).ask("") == ">"
    assert bench.to(8_000).ask("") == "T*"


def test_a_counter_that_shows_another_value_shows_the_true_one_again_when_it_is_cleared() -> None:
    bench = running().to(5_000)
    bench.firmware.set_counter(5_000, 700_000)
    assert bench.ask("ivolume") == "700 ul\r\n>"
    bench.ask("stop")
    assert bench.setup("civolume").ask("ivolume") == "0 ul\r\n:"


def test_a_counter_that_shows_another_value_misleads_no_target_that_counts_from_the_run() -> None:
    bench = running("tvolume 1 ml", quirks=replace(AT_ONCE, target_counts_from="run")).to(5_000)
    bench.firmware.set_counter(5_000, 0)
    bench.to(MIN).ask("irun")
    assert bench.to(2 * MIN).out_pl == 2 * ML


def test_a_pump_that_runs_unasked_heeds_no_target(bench: Bench) -> None:
    bench.setup("tvolume 1 ul", "ttime 5")
    bench.firmware.run_unasked(0, 1_000_000)
    assert bench.to(36_000).out_pl == 10_000_000


def test_a_run_whose_rate_was_lost_with_the_power_stands_if_the_syringe_does_not_have_the_old_one() -> None:
    resumes = replace(AT_ONCE, resumes_at_power_up=True)
    bench = Bench(quirks=resumes).setup(
        "load qs i", "irate 20 ml/min", "nvram off", "diameter 10", "irate 1 m/m"
    )
    assert bench.ask("irun") == ">"
    bench.firmware.power_up(0)
    assert bench.ask("irate") == "20 ml/min\r\n:"
    assert bench.to(MIN).out_pl == 0
