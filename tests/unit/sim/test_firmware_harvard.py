"""What the simulated Harvard pumps answer: commands, arguments, screens, texts, and their tables."""

from dataclasses import fields, replace

import pytest

from sim.firmware.harvard import FAMILIES, NOT_SIMULATED, QUIRKS, Quirks
from sim.firmware.harvard_commands import COMMANDS
from tests.unit.sim.harvard_host import AT_ONCE, MIN, ML, Bench, S, running

COMMAND_ERROR = "Command error:\r\n"
RUNNING_ERROR = "Command error:\r\n   Pump is running\r\n"


@pytest.fixture
def bench() -> Bench:
    return Bench()


# Commands


def test_no_two_commands_share_their_first_four_letters() -> None:
    short = {name[:4] for name in COMMANDS}
    assert len(short) == len(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_known_by_its_name_and_its_first_four_letters_and_by_nothing_between(name: str) -> None:
    for typed in {name, name[:4], name.upper()}:
        assert "Unknown command" not in Bench().ask(typed)
    for typed in {name[:3], name[:5], name + "x"} - {name, name[:4]} - set(COMMANDS):
        assert Bench().ask(typed) == COMMAND_ERROR + "   Unknown command\r\n:"


@pytest.mark.parametrize("name", [name for name in NOT_SIMULATED if name.isalpha()])
def test_what_is_not_simulated_is_an_unknown_command(bench: Bench, name: str) -> None:
    assert bench.ask(name) == COMMAND_ERROR + "   Unknown command\r\n:"


def test_an_infuse_only_pump_knows_no_command_for_withdrawing() -> None:
    bench = Bench(quirks=Quirks(infuse_only=True))
    for name in ("wrun", "rrun", "wrate", "wvolume", "cwvolume", "wtime", "cwtime", "wramp"):
        assert "Unknown command" in bench.ask(name)
    assert "Unknown argument" in bench.ask("load qs w")
    assert bench.ask("load") == "Quick Start - Infuse Only (qs i)\r\n:"
    assert bench.ask("run") == ">"


def test_metrics_are_unknown_where_no_line_of_them_is_documented() -> None:
    assert "Unknown command" in Bench("legato").ask("metrics")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("irate", None),
        ("irate 5", "Argument error:\r\n   Missing argument\r\n:"),
        ("irate 5 m/x", "Argument error: m/x\r\n   Unknown units\r\n:"),
        ("irate 5 ml", "Argument error: ml\r\n   Unknown units\r\n:"),
        ("irate -5 m/m", "Argument error: -5\r\n   Unknown argument\r\n:"),
        ("irate 1e3 m/m", "Argument error: 1e3\r\n   Unknown argument\r\n:"),
        ("irate 5 m/m now", "Argument error: now\r\n   Unknown argument\r\n:"),
        ("irate 0 m/m", "Argument error: 0\r\n   Out of range\r\n:"),
        ("irate 26.0036 m/m", "Argument error: 26.0036\r\n   Out of range\r\n:"),
        ("irate 25.0403 n/m", "Argument error: 25.0403\r\n   Out of range\r\n:"),
        ("irate LIM", None),
        ("tvolume 0 ml", "Argument error: 0\r\n   Target volume out of range\r\n:"),
        ("tvolume 1001 ml", "Argument error: 1001\r\n   Target volume out of range\r\n:"),
        ("tvolume 5", "Argument error:\r\n   Missing argument\r\n:"),
        ("ttime 0", "Argument error: 0\r\n   Out of range\r\n:"),
        ("ttime 0:00:00", "Argument error: 0:00:00\r\n   Out of range\r\n:"),
        ("ttime 1.5", "Argument error: 1.5\r\n   Unknown argument\r\n:"),
        ("ttime 360000", "Argument error: 360000\r\n   Out of range\r\n:"),
        ("diameter 0.0999", "Argument error: 0.0999\r\n   Out of range\r\n:"),
        ("diameter 7 cm", "Argument error: cm\r\n   Unknown units\r\n:"),
        ("force 0", "Argument error: 0\r\n   Out of range\r\n:"),
        ("address 100", "Argument error: 100\r\n   Out of range\r\n:"),
        ("baud 1200", "Argument error: 1200\r\n   Out of range\r\n:"),
        ("poll remote", "Argument error: remote\r\n   Unknown argument\r\n:"),
        ("nvram none", "Argument error: none\r\n   Unknown argument\r\n:"),
        ("load iw", "Argument error: iw\r\n   Unknown argument\r\n:"),
        ("syrmanu xyz 10 ml", "Argument error: xyz\r\n   Unknown argument\r\n:"),
        ("syrmanu bdp 10 ml", "Argument error: 10\r\n   Unknown syringe\r\n:"),
        ("irun now", "Argument error: now\r\n   Unknown argument\r\n:"),
        ("crate", COMMAND_ERROR + "   Pump is not running\r\n:"),
    ],
)
def test_a_wrong_argument_is_named_and_changes_nothing(bench: Bench, command: str, error: str | None) -> None:
    before = [bench.ask(name) for name in ("irate", "tvolume", "ttime", "diameter", "force", "load", "addr")]
    answer = bench.ask(command)
    if error is not None:
        assert answer == error
    after = [bench.ask(name) for name in ("irate", "tvolume", "ttime", "diameter", "force", "load", "addr")]
    assert after == before


def test_text_lines_of_an_error_stay_below_80_characters(bench: Bench) -> None:
    answer = bench.ask("force " + "9" * 100)
    assert max(len(line) for line in answer.split("\r\n")) < 80


def test_a_line_that_is_too_long_is_no_command_whatever_it_begins_with(bench: Bench) -> None:
    assert bench.ask("irun" + " " * 124) == ">"
    assert bench.ask("stop" + " " * 125) == COMMAND_ERROR + "   Unknown command\r\n>"


def test_a_mode_that_clears_targets_does_so_where_the_pump_does() -> None:
    assert Bench().setup("tvolume 1 ml", "load qs i").ask("tvolume") == "1 ml\r\n:"
    clears = Bench(quirks=Quirks(load_clears_targets=True)).setup("tvolume 1 ml", "ttime 5", "load qs i")
    assert clears.ask("tvolume") == "Target volume not set\r\n:"
    assert clears.ask("ttime") == "Target time not set\r\n:"


def test_the_largest_target_volume_is_an_option() -> None:
    bench = Bench(quirks=Quirks(most_target_ml=10)).setup("tvolume 10 ml")
    assert "Target volume out of range" in bench.ask("tvolume 10.000001 ml")


def test_the_clock_goes_on_from_what_was_set(bench: Bench) -> None:
    assert bench.ask("time") == "01/01/00 12:00:00 AM\r\n:"
    bench.by(1_500).ask("time 05/08/23 14:48:23")
    assert bench.by(36_999).ask("time") == "05/08/23 2:48:59 PM\r\n:"


def test_legato_takes_nvram_none_only() -> None:
    bench = Bench("legato")
    assert bench.ask("nvram none") == ":"
    assert bench.ask("nvram off") == "Argument error: off\r\n   Unknown argument\r\n:"


def test_echo_repeats_what_is_typed_and_then_answers(bench: Bench) -> None:
    assert bench.ask("echo on") == ":"
    assert bench.say(b"ver\r") == b"ver\r\n11 ELITE I/W Single 3.0.4\r\n:"
    assert bench.say(b"ec") + bench.say(b"ho off\r") == b"echo off\r\n:"
    assert bench.say(b"\r") == b"\n:"


def test_a_pump_0_that_is_asked_with_its_number_answers_with_it(bench: Bench) -> None:
    assert bench.say(b"0ver\r") == b"\n00:11 ELITE I/W Single 3.0.4\r\n00:"
    plain = Bench(quirks=Quirks(zero_prefix=False))
    assert plain.say(b"00ver\r") == b"\n11 ELITE I/W Single 3.0.4\r\n:"


def test_texts_that_clients_know_in_two_forms_are_options() -> None:
    bench = Bench(quirks=Quirks(short_states=True, not_set_full_stop=True))
    assert bench.ask("poll") == "OFF\r\n:"
    assert bench.ask("echo") == "OFF\r\n:"
    assert bench.ask("tvol") == "Target volume not set.\r\n:"
    assert bench.ask("ttim") == "Target time not set.\r\n:"


def test_remote_polling_has_no_prompts_and_no_echo() -> None:
    bench = Bench(quirks=replace(AT_ONCE, remote_polling=True)).setup("echo on")
    assert bench.say(b"poll remote\r") == b"poll remote\r"
    assert bench.say(b"poll\r") == b"\nPolling mode is REMOTE\r\n"
    assert bench.say(b"echo on\r") == b"\nCommand error:\r\n   Not allowed in remote mode\r\n"
    assert bench.say(b"ttime 1\r") + bench.say(b"irun\r") == b""
    assert bench.to(2 * S).pushed() == []


def test_old_firmware_sends_the_prompt_before_the_status() -> None:
    bench = Bench("phd-ultra", Quirks(prompt_before_status=True))
    assert bench.say(b"status\r") == b"\n:\n0 0 0 i..TI.\r\n"


# Values and screens


def test_values_are_refused_while_the_screen_shows_another_page_and_stop_is_not(bench: Bench) -> None:
    bench.ask("irun")
    bench.firmware.touch(quick_start=False)
    assert bench.say(b"irate 5 m/m\r") == b"\n>"  # the carriage return opens the link again, nothing more
    for command in ("irate 5 m/m", "diameter 10", "tvolume 1 ml", "ttime 5", "svolume 5 ml"):
        assert bench.ask(command) == COMMAND_ERROR + "   Not in Quick Start\r\n>"
    assert bench.ask("irate") == "1 ml/min\r\n>"
    assert bench.ask("stop") == ":"
    assert bench.ask("load qs iw") == ":"
    assert bench.ask("irate 5 m/m") == ":"


@pytest.mark.parametrize(
    "command",
    [
        "diameter 10",
        "syrmanu hos 20 ml",
        "svolume 5 ml",
        "load qs i",
        "iramp 1 m/m 2 m/m 5",
        "tvolume 1 ml",
        "ttime 5",
        "ctvolume",
        "cttime",
        "cvolume",
        "civolume",
        "ctime",
    ],
)
def test_a_running_pump_refuses_another_syringe_another_mode_targets_and_clearing(command: str) -> None:
    bench = running("tvolume 1 ml")
    assert bench.by(1).ask(command) == RUNNING_ERROR + ">"
    assert bench.to(MIN).out_pl == ML


def test_a_mode_refuses_the_other_direction(bench: Bench) -> None:
    bench.setup("load qs i")
    assert bench.ask("wrun") == COMMAND_ERROR + "   Wrong mode\r\n:"
    bench.setup("load qs w")
    assert bench.ask("irun") == COMMAND_ERROR + "   Wrong mode\r\n:"
    assert bench.ask("run") == "<"


def test_run_goes_the_last_way_and_rrun_the_other(bench: Bench) -> None:
    assert bench.ask("run") == ">"
    assert bench.ask("rrun") == "<"
    assert bench.ask("stop") == ":"
    assert bench.ask("run") == "<"
    assert bench.ask("irun") == ">"


def test_a_rate_that_the_new_syringe_does_not_have_does_not_run(bench: Bench) -> None:
    bench.setup("irate 20 ml/min", "diameter 10")
    assert bench.ask("irun") == COMMAND_ERROR + "   Rate out of range\r\n:"
    assert bench.by(MIN).out_pl == 0


def test_a_ramp_is_shown_and_not_run(bench: Bench) -> None:
    bench.setup("iramp 1 m/m 2 m/m 5")
    assert bench.ask("irun").startswith(COMMAND_ERROR)
    assert bench.setup("cttime").ask("irun") == ">"


def test_another_syringe_is_named_and_the_limits_are_its_own(bench: Bench) -> None:
    assert bench.ask("syrm") == "Custom, 14.4300 mm\r\n:"
    bench.setup("syrmanu hos 20 ml")
    assert bench.ask("diam") == "20.4500 mm\r\n:"
    bench.setup("diam 4.699")
    assert bench.ask("syrm") == "Custom, 4.6990 mm\r\n:"
    assert bench.ask("irate lim") == "2.65534 nl/min to 2.75746 ml/min\r\n:"


# Tables


def test_every_option_says_what_is_not_known() -> None:
    assert set(QUIRKS) == {field.name for field in fields(Quirks)}
    assert all(len(text) > 20 for text in QUIRKS.values())


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_family_is_a_row_that_runs(name: str) -> None:
    bench = Bench(name).setup("irate 6 ml/min", "tvolume 1 ml")
    assert bench.ask("irun") == ">"
    assert bench.to(MIN).ask("ivolume") == "1 ml\r\nT*"
    assert bench.out_pl == ML
    assert FAMILIES[name].name == name


def test_150_steps_of_an_elite_are_the_volume_that_was_recorded() -> None:
    step_fl = FAMILIES["legato"].step_fl(144_300)
    assert round(150 * step_fl / 10_000) == 169_023  # 1.69023 ul
