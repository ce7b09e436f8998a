"""A New Era pump on its wire: commands and refusals, counters, alarms, Safe mode, addresses, power, faults."""

import pytest

from sim.firmware.new_era_commands import NOT_SIMULATED
from sim.fluid import Fluid
from tests.unit.sim.new_era_host import MIN, UL, Bench, H, S, safe, safe_texts, text_of


@pytest.fixture
def bench() -> Bench:
    return Bench().set_up()


@pytest.fixture
def running() -> Bench:
    """500 uL at 100 uL/min, one minute in."""
    bench = Bench().infusion()
    assert bench.say("RUN") == "00I"
    return bench.wait(MIN)


# Commands at rest


@pytest.mark.parametrize(
    ("command", "answer"),
    [("DIA", "26.59"), ("PHN", "01"), ("FUN", "RAT"), ("RAT", "0.000MH"), ("VOL", "0.000ML"), ("DIR", "INF"),
     ("DIS", "I0.000W0.000ML"), ("SAF", "0"), ("AL", "0"), ("PF", "0"), ("TRG", "FT"), ("BP", "1"), ("LOC", "0"),
     ("LN", "0"), ("DIN", "0"), ("ROM", "0"), ("BUZ", "0"), ("IN2", "1"), ("VER", "NE1000V3.923"), ("ADR", "00"),
     ("*ADR", "00")],
)  # fmt: skip
def test_a_query_is_answered_in_the_form_of_the_document(bench: Bench, command: str, answer: str) -> None:
    assert bench.say(command) == f"00S{answer}"
    assert bench.say(f"0{command}") == f"00S{answer}"


@pytest.mark.parametrize(
    ("command", "query", "answer"),
    [("DIA14.43", "DIA", "14.43"), ("DIA4.699", "VOL", "0.000UL"), ("DIA14.00", "DIS", "I0.000W0.000UL"),
     ("RAT1699MH", "RAT", "1699.MH"), ("RAT750UM", "RAT", "750.0UM"), ("RAT0", "RAT", "0.000MH"),
     ("VOL.5", "VOL", "0.500ML"), ("VOLUL", "VOL", "0.000UL"), ("DIRWDR", "DIR", "WDR"), ("DIRREV", "DIR", "WDR"),
     ("DIRSTK", "DIR", "STK"), ("PHN41", "FUN", "STP"), ("FUNLOP3", "FUN", "LOP03"), ("FUNPAS60", "FUN", "PAS60"),
     ("TRGOF", "TRG", "OF"), ("AL1", "AL", "1"), ("PF1", "PF", "1"), ("BUZ1", "BUZ", "1"), ("BUZ13", "BUZ", "0"),
     ("OUT51", "", ""), ("CLDINF", "DIS", "I0.000W0.000ML")],
)  # fmt: skip
def test_a_setting_is_answered_by_the_status_alone_and_read_back(
    bench: Bench, command: str, query: str, answer: str
) -> None:
    assert bench.say(command) == "00S"
    assert bench.say(query) == f"00S{answer}"


@pytest.mark.parametrize(
    ("command", "error"),
    [("XYZ", "?"), ("R", "?"), ("STPX", "?"), ("DIA12345", "?"), ("DIA0.09", "?OOR"), ("DIA50.1", "?OOR"),
     ("RAT26.591", "?"), ("RATMM", "?"), ("RAT1700MH", "?OOR"), ("RAT0.001UH", "?OOR"), ("VOL0.5ML", "?"),
     ("VOL12345", "?"), ("DIRUP", "?"), ("PHN0", "?OOR"), ("PHN42", "?OOR"), ("PHN123", "?"), ("FUNXYZ", "?"),
     ("FUNLOP0", "?OOR"), ("FUNLIN", "?"), ("RUN42", "?OOR"), ("RUNX", "?"), ("RUN", "?NA"), ("STP", "?NA"),
     ("CLD", "?"), ("CLDALL", "?"), ("SAF256", "?OOR"), ("SAFX", "?"), ("AL2", "?"), ("TRGXX", "?"), ("OUT61", "?"),
     ("IN5", "?"), ("IN", "?"), ("BUZ2", "?"), ("VER1", "?"), ("DIS1", "?"), ("PUR1", "?"), ("*ADR0B1234", "?OOR"),
     ("*ADRDUAL", "?NA"), ("*ADRX", "?"), ("*RUN", "?"), ("RUNE", "?NA"), ("RATC5", "?"), ("RATI5", "?")],
)  # fmt: skip
def test_what_is_wrong_at_rest_is_answered_by_its_error(bench: Bench, command: str, error: str) -> None:
    assert bench.say(command) == f"00S{error}"


def test_a_rate_is_refused_in_a_phase_that_is_none_with_a_rate(bench: Bench) -> None:
    bench.set_up("PHN2", "FUNPAS5")
    assert [bench.say(c) for c in ("RAT5", "VOL5", "DIRWDR")] == ["00S?NA"] * 3


def test_a_stored_rate_that_another_syringe_cannot_make_is_refused_at_run(bench: Bench) -> None:
    bench.set_up("RAT1699MH", "DIA4.699")
    assert bench.say("RUN") == "00S?OOR"


@pytest.mark.parametrize(
    ("diameter", "least", "below"), [("4.699", "0.729", "0.728"), ("26.59", "23.35", "23.34")]
)
def test_the_slowest_rate_is_taken_and_the_next_one_below_is_not(
    bench: Bench, diameter: str, least: str, below: str
) -> None:
    bench.set_up(f"DIA{diameter}")
    assert bench.say(f"RAT{below}UH") == "00S?OOR"
    bench.set_up(f"RAT{least}UH")
    assert bench.say("RUN") == "00I"


def test_a_change_of_the_volume_unit_keeps_the_digits_and_converts_the_counts(running: Bench) -> None:
    running.wait(10 * MIN)
    assert running.say("DIS") == "00SI0.500W0.000ML"
    running.set_up("VOLUL")
    assert (running.say("VOL"), running.say("DIS")) == ("00S0.500UL", "00SI500.0W0.000UL")


def test_dia_clears_the_counts_and_sets_the_unit(running: Bench) -> None:
    running.wait(10 * MIN).set_up("VOLUL", "DIA14.43")
    assert running.say("DIS") == "00SI0.000W0.000ML"


# Commands while it runs


@pytest.mark.parametrize(
    "command",
    ["DIA10", "PHN2", "FUNSTP", "RAT6MH", "RAT6MM", "VOL1", "VOLUL", "DIRWDR", "DIRSTK", "RUN", "RUN2", "PUR",
     "CLDINF", "CLDWDR", "*RESET"],
)  # fmt: skip
def test_what_is_not_for_a_running_pump_is_not_applicable(running: Bench, command: str) -> None:
    assert running.say(command) == "00I?NA"
    assert running.wait(10 * MIN).say("DIS") == "00SI0.500W0.000ML"


def test_a_rate_set_while_pumping_acts_at_once_and_is_not_stored(running: Bench) -> None:
    assert running.say("RAT12") == "00I"
    assert running.say("RAT") == "00I12.00MH"
    assert running.wait(MIN).say("DIS") == "00II0.300W0.000ML"
    assert running.wait(H).say("RAT") == "00S6.000MH"


def test_a_rate_out_of_range_while_pumping_changes_nothing(running: Bench) -> None:
    for rate in ("501", "0", "0.001"):
        assert running.say(f"RAT{rate}") == "00I?OOR"
    assert running.wait(MIN).say("DIS") == "00II0.200W0.000ML"


def test_a_direction_changes_while_pumping_only_without_a_volume() -> None:
    bench = Bench().infusion(volume="0")
    bench.say("RUN")
    assert bench.wait(MIN).say("DIRREV") == "00W"
    assert bench.wait(MIN).say("DIS") == "00WI0.100W0.100ML"
    assert bench.say("DIRINF") == "00I"
    assert bench.say("DIR") == "00IINF"


def test_a_rate_that_comes_as_a_phase_begins_is_ignored() -> None:
    bench = Bench().infusion(volume="0.1").set_up("PHN2", "FUNRAT", "RAT6MH", "VOL0", "PHN1")
    bench.say("RUN")
    assert bench.wait(MIN).say("RAT12") == "00I?IGN"
    assert bench.wait(1).say("RAT12") == "00I"


def test_a_paused_program_takes_settings_and_its_rest_keeps_its_volume(running: Bench) -> None:
    running.say("STP")
    for command in ("VOL9", "RAT12MH", "CLDINF"):
        assert running.say(command) == "00P"
    assert running.say("RUN") == "00I"
    assert running.wait(2 * MIN).say("DIS") == "00SI0.400W0.000ML"


def test_a_paused_run_does_not_go_on_at_a_rate_of_0(running: Bench) -> None:
    running.say("STP")
    assert [running.say(c) for c in ("RAT0", "RUN", "RAT6", "RUN")] == ["00P", "00P?NA", "00P", "00I"]


def test_a_direction_that_comes_as_a_phase_begins_is_ignored() -> None:
    bench = Bench().infusion(volume="0.1").set_up("PHN2", "FUNRAT", "RAT6MH", "VOL0", "PHN1")
    bench.say("RUN")
    assert bench.wait(MIN).say("DIRWDR") == "00I?IGN"


def test_with_the_quirk_a_paused_program_refuses_settings() -> None:
    bench = Bench(quirks={"paused_refuses": True}).infusion()
    bench.say("RUN")
    bench.say("STP")
    assert [bench.say(c) for c in ("DIA10", "VOL9", "CLDINF")] == ["00P?NA"] * 3


def test_a_syringe_changed_in_a_pause_ends_the_program(running: Bench) -> None:
    running.say("STP")
    assert running.say("DIA10") == "00S"


def test_the_counter_shows_four_digits_cut_off_and_rolls_over_at_9999() -> None:
    bench = Bench(syringe="bd-60", fill_nl=60_000_000).set_up("VOLUL", "RAT1200MH")
    bench.say("RUN")
    assert bench.to(29_999).say("DIS") == "00II9999.W0.000UL"
    assert bench.to(30_003).say("DIS") == "00II1.000W0.000UL"


def test_with_the_quirk_the_counter_is_rounded() -> None:
    bench = Bench(quirks={"rounds": True}, syringe="bd-60", fill_nl=60_000_000).infusion(
        rate="60MH", volume="0"
    )
    bench.say("RUN")
    assert bench.to(10 * MIN + 6 * S).say("DIS") == "00II10.10W0.000ML"
    assert bench.to(10 * MIN + 6 * S + 300).say("DIS") == "00II10.11W0.000ML"


# Alarms


def test_every_command_after_power_up_gets_the_alarm_once_and_is_not_carried_out() -> None:
    bench = Bench()
    assert bench.say("DIA10") == "00A?R"
    assert bench.say("DIA") == "00S26.59"


def test_a_command_that_is_not_known_does_not_acknowledge_but_with_the_quirk() -> None:
    bench = Bench()
    assert [bench.say("XYZ"), bench.say("0"), bench.say("0")] == ["00A?R", "00A?R", "00S"]
    other = Bench(quirks={"unknown_acknowledges": True})
    assert [other.say("XYZ"), other.say("0")] == ["00A?R", "00S"]


def test_an_alarm_sounds_the_buzzer_where_alarms_are_on(bench: Bench) -> None:
    bench.set_up("AL1")
    bench.firmware.power_up(bench.now)
    assert bench.firmware.buzzing
    bench.say("0")
    assert not bench.firmware.buzzing


def test_a_trigger_does_nothing_while_an_alarm_is_not_acknowledged() -> None:
    bench = Bench().infusion()
    bench.firmware.power_up(bench.now)
    bench.firmware.set_input(bench.now, 2, 0)
    assert [bench.say("0"), bench.say("0")] == ["00A?R", "00S"]


# Safe mode


@pytest.fixture
def guarded() -> Bench:
    """A pump in Safe mode with a time-out of 10 s, that infuses 100 uL/min for ever."""
    bench = Bench().infusion(volume="0")
    assert safe_texts(bench.raw(safe("0SAF10"))) == ["00S"]
    assert bench.say_safe("0RUN") == "00I"
    return bench


def test_silence_stops_the_pump_and_the_program_and_tells_it_unasked(guarded: Bench) -> None:
    guarded.wait(60 * S)
    assert guarded.firmware.take_pushed() == [(10_000, safe("00A?T"))]
    assert guarded.say_safe("0DIS") == "00A?T"
    assert guarded.say_safe("0DIS") == "00SI0.016W0.000ML"


def test_every_valid_packet_arms_the_time_out_again_and_no_other_bytes_do(guarded: Bench) -> None:
    for _ in range(10):
        assert guarded.wait(9_999).say_safe("0") == "00I"
    bad = bytearray(safe("0"))
    bad[2] ^= 1
    for data in (b"0\r", bytes(bad), safe("5"), b"noise"):
        guarded.wait(2_000).raw(data)
    assert guarded.wait(2_000).say_safe("0") == "00A?T"


def test_with_the_quirk_a_packet_for_another_pump_arms_it_too() -> None:
    bench = Bench(quirks={"other_address_rearms": True}).infusion(volume="0")
    bench.raw(safe("0SAF10"))
    for _ in range(3):
        assert bench.wait(9_000).raw(safe("5")) == b""
    assert bench.say_safe("0") == "00S"


def test_with_the_quirk_a_time_out_only_pauses() -> None:
    bench = Bench(quirks={"after_timeout": "P"}).infusion(volume="0")
    bench.raw(safe("0SAF10"))
    bench.say_safe("0RUN")
    bench.wait(11 * S)
    assert [bench.say_safe("0"), bench.say_safe("0"), bench.say_safe("0RUN")] == ["00A?T", "00P", "00I"]


def test_the_timer_is_off_after_an_expiry_until_the_next_valid_packet(guarded: Bench) -> None:
    guarded.wait(H)
    assert len(guarded.firmware.take_pushed()) == 1
    guarded.say_safe("0")
    guarded.wait(11 * S)
    assert guarded.firmware.take_pushed() == [(H + 10_000, safe("00A?T"))]


def test_after_power_up_safe_mode_is_kept_the_reset_is_announced_and_the_timer_is_off(guarded: Bench) -> None:
    guarded.firmware.power_up(guarded.wait(S).now)
    assert guarded.firmware.take_pushed() == [(1_000, safe("00A?R"))]
    assert guarded.firmware.next_ms > 10 * H
    assert [guarded.say_safe("0"), guarded.say_safe("0")] == ["00A?R", "00S"]
    guarded.wait(11 * S)
    assert guarded.firmware.take_pushed() == [(11_000, safe("00A?T"))]


def test_in_basic_mode_a_pump_never_speaks_first_not_even_in_an_alarm(running: Bench) -> None:
    running.mechanism.block(running.now, silent=False)
    running.firmware.elapse(running.now)
    running.wait(H)
    running.firmware.power_up(running.now)
    assert running.firmware.take_pushed() == []


def test_a_stall_in_safe_mode_is_seen_twice(guarded: Bench) -> None:
    guarded.mechanism.block(guarded.wait(S).now, silent=False)
    guarded.firmware.elapse(guarded.now)
    guarded.wait(S)
    assert [safe_texts(data) for _, data in guarded.firmware.take_pushed()] == [["00A?S"]]
    assert [guarded.say_safe("0"), guarded.say_safe("0")] == ["00A?S", "00P"]


def test_bare_text_is_ignored_in_safe_mode_but_with_the_quirk() -> None:
    bench = Bench().set_up()
    bench.raw(safe("0SAF10"))
    assert bench.raw(b"0\r") == b""
    other = Bench(quirks={"text_in_safe_mode": True}).set_up()
    other.raw(safe("0SAF10"))
    assert safe_texts(other.raw(b"0\r")) == ["00S"]


def test_a_safe_packet_in_basic_mode_gets_a_basic_reply_but_with_the_quirk(bench: Bench) -> None:
    assert text_of(bench.raw(safe("0VER"))) == "00SNE1000V3.923"
    other = Bench(quirks={"safe_reply_in_basic_mode": True}).set_up()
    assert safe_texts(other.raw(safe("0VER"))) == ["00SNE1000V3.923"]
    assert text_of(other.raw(safe("0SAF0"))) == "00S"


def test_the_alarm_in_reply_to_a_safe_framed_saf_is_framed_as_it_asks_but_with_the_quirk() -> None:
    assert safe_texts(Bench().raw(safe("0SAF10"))) == ["00A?R"]
    assert text_of(Bench(quirks={"alarm_reply_as_asked": False}).raw(safe("0SAF10"))) == "00A?R"
    assert text_of(Bench().raw(safe("0SAF0"))) == "00A?R"


def test_a_bad_packet_is_answered_com_and_not_carried_out(guarded: Bench) -> None:
    data = bytearray(safe("0STP"))
    data[-2] ^= 0x10
    assert safe_texts(guarded.raw(bytes(data))) == ["00I?COM"]
    assert guarded.say_safe("0") == "00I"


def test_a_line_too_long_to_hold_is_not_recognised(bench: Bench) -> None:
    assert bench.say("0" + "A" * 200) == "00S?"


@pytest.mark.parametrize(
    ("quirk", "command", "reply"),
    [("stray_cr", "0", b"\x0200S\x03\r"),
     ("short_floats", "RAT", b"\x0200S6.MH\x03"), ("late_prompt", "RUN", b"\x0200S\x03")],
)  # fmt: skip
def test_a_quirk_of_the_reply_shows(quirk: str, command: str, reply: bytes) -> None:
    bench = Bench().infusion()
    odd = Bench(quirks={quirk: True})
    odd.firmware.memory.phases[:] = bench.memory.phases
    odd.firmware.memory.set_diameter(14_430)
    odd.raw(b"0\r")
    assert odd.raw(command.encode() + b"\r") == reply


def test_the_quirk_of_a_bad_number_is_out_of_range() -> None:
    bench = Bench(quirks={"bad_number": "?OOR"}).set_up()
    assert [bench.say(c) for c in ("DIA12345", "RAT26.591", "VOL12345")] == ["00S?OOR"] * 3


# Addresses


def test_a_pump_answers_its_own_address_with_two_digits_and_no_other(bench: Bench) -> None:
    assert bench.say("*ADR7") == "07S"
    assert [bench.raw(data) for data in (b"0\r", b"\r", b"70\r", b"ADR\r", b"0DIS\r")] == [b""] * 5
    assert bench.say("7") == bench.say("07") == "07S"
    assert bench.say("7VER") == "07SNE1000V3.923"
    assert bench.say("7ADR") == bench.say("*ADR") == "07S07"


def test_the_address_is_set_with_and_without_the_star(bench: Bench) -> None:
    assert bench.say("ADR 12 B 9600") == "12S"
    assert (bench.memory.address, bench.memory.baud) == (12, 9_600)
    assert bench.say("ADR 0 B 19200") == "00S"


def test_a_network_burst_sets_one_parameter_of_each_pump(bench: Bench) -> None:
    bench.set_up("DIA14.43")
    assert bench.say("0RAT5*1RAT7*0VOL2") == "00S"
    assert [bench.say("RAT"), bench.say("VOL")] == ["00S5.000MH", "00S0.000ML"]
    assert bench.raw(b"1RAT5*2RAT7\r") == b""
    both = Bench(quirks={"burst_all": True}).set_up("DIA14.43")
    both.say("0RAT5*1RAT7*0VOL2*")
    assert [both.say("RAT"), both.say("VOL")] == ["00S5.000MH", "00S2.000ML"]


def test_reset_is_as_from_the_factory(running: Bench) -> None:
    running.wait(H).set_up("*ADR0", "PHN2", "FUNBEP", "SAF0")
    assert running.say("*RESET") == "00S"
    assert [running.say(c) for c in ("DIA", "PHN", "DIS", "VOL")] == [
        "00S26.59", "00S01", "00SI0.000W0.000ML", "00S0.000ML",
    ]  # fmt: skip


# Power and faults


def test_settings_outlive_a_power_cut_and_counts_do_not(running: Bench) -> None:
    running.firmware.power_off(running.now)
    assert (running.raw(b"0\r"), running.firmware.next_ms > 10 * H) == (b"", True)
    running.firmware.power_up(running.wait(H).now)
    assert running.say("DIA") == "00A?R"
    assert [running.say(c) for c in ("DIA", "RAT", "VOL", "DIS")] == [
        "00S14.43", "00S6.000MH", "00S0.500ML", "00SI0.000W0.000ML",
    ]  # fmt: skip
    assert running.out_pl() == 100 * UL


def test_the_pump_keeps_pumping_when_the_host_is_silent_in_basic_mode(running: Bench) -> None:
    assert running.wait(H).out_pl() == 500 * UL


def test_after_a_new_syringe_the_rest_of_a_run_that_ran_empty_can_be_given() -> None:
    bench = Bench(fill_nl=200_000).infusion()
    bench.say("RUN")
    assert bench.wait(H).say("0") == "00A?S"
    bench.mechanism.refill(bench.now, 10**10, Fluid())
    bench.firmware.filled(bench.now)
    assert bench.say("RUN") == "00I"
    assert bench.wait(H).say("DIS") == "00SI0.500W0.000ML"
    assert bench.out_pl() == 500 * UL


@pytest.mark.parametrize(
    ("how", "answer", "given"),
    [("honest", b"\x0200I\x03", 500), ("lie", b"\x0200P\x03", 500), ("silent", b"", 500)],
)
def test_a_stop_can_be_ignored_in_three_ways(running: Bench, how: str, answer: bytes, given: int) -> None:
    running.firmware.ignore_stops(how, 1)
    assert running.raw(b"STP\r") == answer
    assert running.wait(H).out_pl() == given * UL


def test_a_frozen_status_shows_the_same_for_ever(running: Bench) -> None:
    running.firmware.freeze_status(running.now, on=True)
    running.wait(H)
    assert (running.say("0"), running.say("DIS")) == ("00I", "00II0.100W0.000ML")
    running.firmware.freeze_status(running.now, on=False)
    assert running.say("DIS") == "00SI0.500W0.000ML"


def test_a_counter_can_show_another_value(running: Bench) -> None:
    running.firmware.set_counter(running.now, 7_000)
    assert running.wait(MIN).say("DIS") == "00II0.107W0.000ML"


def test_a_counter_that_shows_another_value_does_so_while_the_plunger_draws_back(running: Bench) -> None:
    running.set_up("STP", "STP", "DIRWDR")
    running.firmware.set_counter(running.now, 7_000)
    assert running.say("RUN") == "00W"
    assert running.wait(MIN).dispensed() == "I0.007W0.100ML"


def test_a_pump_can_run_by_itself_after_a_reset(running: Bench) -> None:
    running.firmware.power_up(running.now)
    running.firmware.run_unasked(running.now, 60_000_000)
    running.wait(MIN)
    assert [running.say("DIS"), running.say("DIS")] == ["00A?R", "00II1.000W0.000ML"]


def test_a_pump_can_reset_and_go_on_with_what_it_did(running: Bench) -> None:
    running.firmware.reset_and_go_on(running.now)
    running.wait(H)
    assert [running.say("DIS"), running.say("DIS")] == ["00A?R", "00SI0.400W0.000ML"]
    assert running.out_pl() == 500 * UL


def test_what_is_not_simulated_is_named() -> None:
    assert all(NOT_SIMULATED.values())
