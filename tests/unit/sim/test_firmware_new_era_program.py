"""The Pumping Program: phases in order, pauses, loops, jumps, ramps, traps, triggers, purge, power cuts.

A BD 10 mL syringe; 6 mL/h are 100 uL/min, so 0.100 mL last one minute.
"""

import pytest

from tests.unit.sim.new_era_host import MIN, UL, Bench, S


def program(*rows: str, quirks: dict[str, object] | None = None, fill_nl: int = 10_000_000) -> Bench:
    """A pump with a program: `RAT 6MH 0.1`, `RAT 6MH 0.1 WDR` or a bare function."""
    bench = Bench(quirks=quirks, fill_nl=fill_nl).set_up("DIA14.43")
    for number, row in enumerate(rows, start=1):
        function, *data = row.split()
        bench.set_up(f"PHN{number}", f"FUN{function}")
        for command, value in zip(("RAT", "VOL", "DIR"), data, strict=False):
            bench.set_up(command + value)
    return bench.set_up("PHN1")


def prompts(bench: Bench, *times: int) -> str:
    return "".join(bench.to(bench.now + ms).say("0")[2] for ms in times)


def test_phases_run_in_order_and_the_program_ends_at_stp() -> None:
    bench = program("RAT 6MH 0.1", "RAT 12MH 0.1 WDR", "STP")
    assert bench.say("RUN") == "00I"
    assert prompts(bench, 59_999, 1, 29_999, 1) == "IWWS"
    assert bench.dispensed() == "I0.100W0.100ML"
    assert bench.say("RUN") == "00I"


def test_a_volume_of_0_goes_on_for_ever() -> None:
    bench = program("RAT 6MH 0")
    assert bench.say("RUN") == "00I"
    assert prompts(bench, 60 * MIN) == "I"
    assert bench.dispensed() == "I6.000W0.000ML"


def test_run_can_begin_at_another_phase() -> None:
    bench = program("RAT 6MH 0.1", "RAT 12MH 0.1 WDR")
    assert bench.say("RUN2") == "00W"
    assert prompts(bench, 30_000) == "S"


def test_stp_and_run_go_on_with_the_rest_of_the_volume() -> None:
    bench = program("RAT 6MH 0.1", "STP")
    bench.say("RUN")
    assert bench.wait(20 * S).say("STP") == "00P"
    assert bench.wait(20 * S).dispensed() == "I0.033W0.000ML"
    assert bench.say("RUN") == "00I"
    assert prompts(bench, 39_999, 1) == "IS"
    assert bench.out_pl() == 100 * UL


def test_stp_twice_begins_again_with_the_whole_volume() -> None:
    bench = program("RAT 6MH 0.1", "STP")
    bench.say("RUN")
    assert (bench.wait(20 * S).say("STP"), bench.say("STP")) == ("00P", "00S")
    bench.say("RUN")
    bench.wait(10 * MIN)
    assert bench.dispensed() == "I0.133W0.000ML"


def test_a_pause_takes_its_time_and_is_held_by_stp() -> None:
    bench = program("PAS5", "RAT 6MH 0.1")
    assert bench.say("RUN") == "00T"
    assert bench.wait(2 * S).say("STP") == "00P"
    assert bench.wait(MIN).say("RUN") == "00T"
    assert prompts(bench, 2_999, 1) == "TI"


def test_a_pause_of_tenths() -> None:
    bench = program("PAS1.5", "RAT 6MH 0.1")
    bench.say("RUN")
    assert prompts(bench, 1_499, 1) == "TI"


def test_a_pause_of_0_waits_for_run_or_for_the_trigger() -> None:
    bench = program("PAS0", "RAT 6MH 0.1", "PAS0", "STP")
    assert bench.say("RUN") == "00U"
    assert bench.wait(60 * MIN).say("RUN") == "00I"
    assert prompts(bench, MIN) == "U"
    bench.firmware.set_input(bench.now, 2, 0)
    assert bench.say("0") == "00S"


def test_with_the_quirk_run_does_not_end_a_wait() -> None:
    bench = program("PAS0", "RAT 6MH 0.1", quirks={"run_ends_wait": False})
    bench.say("RUN")
    assert bench.say("RUN") == "00U?NA"


@pytest.mark.parametrize(("repeats", "runs"), [(False, 3), (True, 4)])
def test_a_loop_runs_n_times_in_total_or_with_the_quirk_n_more(repeats: bool, runs: int) -> None:
    bench = program("LPS", "RAT 6MH 0.1", "LOP3", "STP", quirks={"loop_repeats": repeats})
    bench.say("RUN")
    bench.wait(10 * MIN)
    assert bench.dispensed() == f"I0.{runs}00W0.000ML"


def test_a_loop_without_a_start_begins_at_phase_1() -> None:
    bench = program("RAT 6MH 0.1", "LOP2", "BEP", "STP")
    bench.say("RUN")
    bench.wait(10 * MIN)
    assert (bench.dispensed(), bench.firmware.program.course.beeps) == ("I0.200W0.000ML", 1)


def test_the_manuals_fourth_example_runs_as_it_is_written() -> None:
    bench = program(
        "RAT 6MH 0.1", "RAT 12MH 0.1", "BEP", "PAS0", "LOP2", "RAT 6MH 0.1", "RAT 6MH 0.1 WDR", "BEP", "LPS",
        "PAS60", "RAT 6MH 0.1", "LOP3", "RAT 6MH 0.1", "BEP", "PAS0", "LPE",
    )  # fmt: skip
    assert bench.say("RUN") == "00I"
    assert prompts(bench, 90 * S) == "U"
    bench.say("RUN")
    assert prompts(bench, 90 * S) == "U"
    assert bench.say("RUN") == "00I"  # loop over: phase 6
    assert prompts(bench, MIN, MIN, 59_999, 1, MIN, MIN, MIN, MIN, MIN, MIN) == "WTTITITIIU"
    assert bench.dispensed() == "I0.900W0.100ML"


def test_nested_loops_are_three_deep_at_most() -> None:
    fine = program("LPS", "LPS", "LPS", "RAT 6MH 0.001", "LOP2", "LOP2", "LOP2", "STP")
    fine.say("RUN")
    assert fine.wait(10 * MIN).dispensed() == "I0.008W0.000ML"
    bench = program("LPS", "LPS", "LPS", "LPS", "RAT 6MH 0.1")
    assert bench.say("RUN") == "00A?E"
    assert bench.say("0") == "00S"


def test_an_endless_loop_without_a_start_begins_at_phase_1() -> None:
    bench = program("RAT 6MH 0.1", "LPE")
    bench.say("RUN")
    assert bench.wait(10 * MIN).dispensed() == "I1.000W0.000ML"


def test_a_jump_and_an_input_choose_the_way() -> None:
    bench = program("IF4", "RAT 6MH 0.1", "STP", "JMP6", "BEP", "RAT 6MH 0.1 WDR", "STP")
    assert bench.say("RUN") == "00I"
    bench.wait(2 * MIN)
    bench.firmware.set_input(bench.now, 6, 0)
    assert bench.say("RUN") == "00W"
    assert bench.wait(2 * MIN).dispensed() == "I0.100W0.100ML"


def test_a_program_that_never_takes_time_is_a_program_error() -> None:
    assert program("JMP1").say("RUN") == "00A?E"


def test_a_ramp_adds_and_takes_its_rate() -> None:
    bench = program("RAT 6MH 0.1", "INC 6MH 0.1", "DEC 9MH 0.1", "STP")
    bench.say("RUN")
    assert bench.to(70 * S).say("RAT") == "00I12.00MH"
    assert bench.to(100 * S).say("RAT") == "00I3.000MH"
    assert prompts(bench, 90 * S, MIN) == "IS"


def test_a_ramp_beyond_what_the_plunger_can_is_a_program_error() -> None:
    bench = program("RAT 6MH 0.1", "DEC 6MH 0.1", "STP")
    bench.say("RUN")
    assert bench.wait(2 * MIN).say("0") == "00A?E"
    assert bench.say("0") == "00S"


def test_running_past_the_last_phase_is_out_of_range() -> None:
    bench = Bench().set_up("DIA14.43", "PHN41", "FUNBEP")
    assert bench.say("RUN41") == "00A?O"


@pytest.mark.parametrize("function", ["PRI", "PRL5", "EVS5"])
def test_a_function_without_a_documented_effect_is_stored_and_is_a_program_error(function: str) -> None:
    bench = program(function)
    assert bench.say("RUN") == "00A?E"


def test_fil_pumps_back_what_was_infused() -> None:
    bench = program("RAT 6MH 0.1", "RAT 6MH 0.2", "FIL 60MH", "RAT 6MH 0.1", "FIL 60MH", "STP")
    bench.say("RUN")
    assert prompts(bench, 3 * MIN, 17_999, 1, 60_000) == "WWIW"
    assert bench.wait(MIN).dispensed() == "I0.400W0.400ML"
    assert bench.out_pl() == 300 * UL


@pytest.mark.parametrize("quirks", [{}, {"purge_counts": False}])
def test_fil_knows_what_was_infused_before_the_counts_were_cleared(quirks: dict[str, object]) -> None:
    bench = program("RAT 6MH 0.1", "CLD", "FIL 60MH", "STP", quirks=quirks)
    bench.say("RUN")
    bench.wait(10 * MIN)
    assert bench.dispensed() == "I0.000W0.100ML"


def test_fil_with_nothing_to_pump_back_is_passed() -> None:
    bench = program("FIL 60MH", "RAT 6MH 0.1", "STP")
    assert bench.say("RUN") == "00I"


def test_cld_out_bep_and_trg_are_carried_out_on_the_way() -> None:
    bench = program("RAT 6MH 0.1", "CLD", "OUT1", "BEP", "TRGSP", "RAT 6MH 0.1", "STP")
    bench.say("RUN")
    bench.wait(90 * S)
    course = bench.firmware.program.course
    assert (bench.dispensed(), course.outputs, course.beeps) == ("I0.050W0.000ML", {5: 1}, 1)
    bench.firmware.set_input(bench.now, 2, 0)
    assert bench.say("0") == "00P"


def test_an_event_springs_a_trap_once() -> None:
    bench = program("EVN4", "RAT 6MH 0", "STP", "RAT 6MH 0 WDR")
    assert bench.say("RUNE") == "00S?NA"
    bench.say("RUN")
    assert bench.wait(MIN).say("RUNE") == "00W"
    assert bench.say("RUNE") == "00W?NA"


def test_an_event_pin_springs_a_trap_and_evr_takes_it_away() -> None:
    bench = program("EVN4", "RAT 6MH 0", "STP", "RAT 6MH 0 WDR")
    bench.say("RUN")
    bench.firmware.set_input(bench.now, 4, 0)
    assert bench.say("0") == "00W"
    off = program("EVN4", "EVR", "RAT 6MH 0", "RAT 6MH 0 WDR")
    off.say("RUN")
    off.firmware.set_input(off.now, 4, 0)
    assert off.say("0") == "00I"


@pytest.mark.parametrize(
    ("code", "after"),  # prompt after: falling, rising, falling, rising edge; each from a fresh start
    [
        ("FT", "IIPP"),
        ("FH", "IPIP"),
        ("F2", "SIIP"),
        ("LE", "SIPI"),
        ("ST", "IIII"),
        ("T2", "SIII"),
        ("OF", "SSSS"),
    ],
)
def test_a_trigger_code_says_what_the_edges_of_pin_2_do(code: str, after: str) -> None:
    bench = program("RAT 6MH 0").set_up(f"TRG{code}")
    seen = ""
    for level in (0, 1, 0, 1):
        bench.firmware.set_input(bench.wait(S).now, 2, level)
        seen += bench.say("0")[2]
    assert seen == after


def test_a_trigger_that_is_left_on_starts_the_pump_behind_the_hosts_back() -> None:
    bench = program("RAT 6MH 0.1")
    bench.firmware.set_input(bench.now, 2, 0)
    assert bench.say("0") == "00I"
    off = program("RAT 6MH 0.1").set_up("TRGOF")
    off.firmware.set_input(off.now, 2, 0)
    assert off.say("0") == "00S"


def test_a_purge_is_at_full_speed_counts_and_ends_where_it_began() -> None:
    bench = program("RAT 6MH 0.1")
    assert bench.say("PUR") == "00X"
    assert bench.say("PUR") == bench.say("RUN") == "00X?NA"
    assert bench.wait(36 * S).dispensed() == "I5.004W0.000ML"  # 500.4798 mL/h
    assert bench.say("STP") == "00S"
    assert bench.say("STP") == "00S?NA"


def test_with_the_quirk_a_purge_does_not_count() -> None:
    bench = program("RAT 6MH 0.1", quirks={"purge_counts": False})
    bench.say("PUR")
    bench.wait(S).say("STP")
    assert bench.dispensed() == "I0.000W0.000ML"
    assert bench.out_pl() == 139_022_164


def test_a_purge_in_a_pause_leaves_the_rest_as_it_was() -> None:
    bench = program("RAT 6MH 0.1", "STP")
    bench.say("RUN")
    bench.wait(20 * S).say("STP")
    assert bench.say("PUR") == "00X"
    assert bench.wait(S).say("STP") == "00P"
    assert bench.say("RUN") == "00I"
    assert prompts(bench, 39_999, 1) == "IS"


def test_with_the_quirk_a_paused_program_cannot_be_purged() -> None:
    bench = program("RAT 6MH 0.1", quirks={"purge_when_paused": False})
    bench.say("RUN")
    bench.say("STP")
    assert bench.say("PUR") == "00P?NA"


@pytest.mark.parametrize(
    ("mode", "pf", "prompt", "dispensed"),
    [("restart", 1, "I", "I0.100W0.000ML"), ("resume", 1, "I", "I0.050W0.000ML"), ("off", 1, "S", "I0.000W0.000ML"),
     ("restart", 0, "S", "I0.000W0.000ML")],
)  # fmt: skip
def test_power_failure_mode_goes_on_or_not_and_the_reset_is_told(
    mode: str, pf: int, prompt: str, dispensed: str
) -> None:
    bench = program("RAT 6MH 0.1", "STP", quirks={"power_failure": mode}).set_up(f"PF{pf}")
    bench.say("RUN")
    bench.firmware.power_off(bench.wait(30 * S).now)
    bench.firmware.power_up(bench.wait(60 * MIN).now)
    assert bench.say("0") == "00A?R"
    assert bench.say("0") == f"00{prompt}"
    bench.wait(10 * MIN)
    assert bench.dispensed() == dispensed


def test_a_stall_in_a_purge_and_in_a_run_is_alarm_s() -> None:
    for command, prompt in (("PUR", "S"), ("RUN", "P")):
        bench = program("RAT 6MH 0.1")
        bench.say(command)
        bench.mechanism.block(bench.wait(S).now, silent=False)
        bench.firmware.elapse(bench.now)
        assert bench.wait(MIN).say("DIS") == "00A?S"
        assert bench.say("0") == f"00{prompt}"


def test_after_a_stall_the_rest_can_be_given() -> None:
    bench = program("RAT 6MH 0.1", "STP")
    bench.say("RUN")
    bench.mechanism.block(bench.wait(30 * S).now, silent=False)
    bench.firmware.elapse(bench.now)
    assert bench.wait(MIN).say("0") == "00A?S"
    bench.mechanism.free(bench.now)
    assert bench.say("RUN") == "00I"
    bench.wait(MIN)
    assert (bench.dispensed(), bench.out_pl()) == ("I0.100W0.000ML", 100 * UL)


def test_with_the_quirk_a_stall_stops_the_program() -> None:
    bench = program("RAT 6MH 0.1", quirks={"after_stall": "S"})
    bench.say("RUN")
    bench.mechanism.block(bench.wait(30 * S).now, silent=False)
    bench.firmware.elapse(bench.now)
    bench.wait(MIN).say("0")
    assert bench.say("0") == "00S"


def test_a_run_that_follows_a_pause_on_an_empty_syringe_stalls() -> None:
    bench = program("PAS1", "RAT 60MH 1")
    bench.say("RUN")
    bench.mechanism.spill(0, 0)
    bench.firmware.elapse(0)
    assert prompts(bench, 999) == "T"
    assert bench.wait(S).say("0") == "00A?S"


def test_an_empty_syringe_stalls_the_pump() -> None:
    bench = program("RAT 60MH 1", "STP", fill_nl=500_000)
    bench.say("RUN")
    assert bench.wait(MIN).say("0") == "00A?S"
    assert (bench.dispensed(), bench.out_pl()) == ("I0.500W0.000ML", 500 * UL)
