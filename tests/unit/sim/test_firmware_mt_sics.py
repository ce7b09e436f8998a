"""The balance's serial interface: the answers of the documents, and what takes its time."""

import re

import pytest

from sim.balance import Balance
from sim.fault_registry import Fault
from sim.faults import FaultyWire
from sim.firmware.mt_sics import BalanceFirmware, Quirks
from sim.pumps import read_quirks
from tests.unit.sim.beside_kit import MIN, NL_PER_MS, S, Scale, infusing, resting

LEAN_15 = "balance-touched@0:by_ug=15230000,for=1min"

# The documents' own examples


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("S", "S S     100.00 g"),
        ("SI", "S S     100.00 g"),
        ("I4", 'I4 A "B207696838"'),
        ("@", 'I4 A "B207696838"'),
        ("I3", 'I3 A "1.00"'),
        ("I2", 'I2 A "SIM220 Standard 220.00 g"'),
        ("I1", 'I1 A "0" "2.30" "2.20" "" ""'),
        ("T", "T S     100.00 g"),
        ("TI", "TI S     100.00 g"),
        ("TA", "TA A       0.00 g"),
        ("TA 12.5 g", "TA A      12.50 g"),
        ("TAC", "TAC A"),
        ("Z", "Z +"),
        ("ZI", "ZI +"),
        ("s", "ES"),
        ("", "ES"),
        ("FOO", "ES"),
        ("DW", "ES"),
        ("S 5", "S L"),
        ("SI S", "S L"),
        ("Z 1", "Z L"),
        ("I4 x", "I4 L"),
        ("TA 12.5", "TA L"),
        ("TA 12.5 mg", "TA L"),
        ("TA -1 g", "TA L"),
        ("TA 220.01 g", "TA L"),
        ("SR 5", "S L"),
    ],
)
def test_a_line_is_answered_as_the_documents_say(line: str, answer: str) -> None:
    assert Scale().say(line) == [answer]


def test_the_list_of_commands_ends_with_a_line_that_says_so() -> None:
    answers = Scale().say("I0")
    assert all(re.fullmatch(r'I0 B [01] "[A-Z0-9@]+"', answer) for answer in answers[:-1])
    assert answers[-1] == 'I0 A 1 "TI"'
    listed = {tuple(answer.split()[2:]) for answer in answers}
    assert {
        ("0", f'"{name}"') for name in ("@", "I0", "I1", "I2", "I3", "I4", "S", "SI", "SIR", "Z", "ZI")
    } <= listed
    assert {("1", f'"{name}"') for name in ("SR", "T", "TA", "TAC", "TI")} <= listed
    assert len(listed) == 16


@pytest.mark.parametrize(
    ("resolution_ug", "vessel_ug", "says"),
    [
        (100, 12_345_678, "S S    12.3457 g"),
        (10, 12_345_678, "S S   12.34568 g"),
        (1, 12_345_678, "S S  12.345678 g"),
        (1_000, 12_345_678, "S S     12.346 g"),
        (50, 12_345_678, "S S   12.34570 g"),
        (1_000_000, 12_345_678, "S S         12 g"),
        (100, 0, "S S     0.0000 g"),
        (100, 49, "S S     0.0000 g"),
        (100, 50, "S S     0.0001 g"),
    ],
)
def test_a_weight_is_ten_characters_right_aligned(resolution_ug: int, vessel_ug: int, says: str) -> None:
    scale = Scale(resolution_ug=resolution_ug, vessel_ug=vessel_ug)
    assert scale.say("S") == [says]


def test_the_sign_stands_before_the_first_digit() -> None:
    scale = Scale(resolution_ug=100)
    scale.balance.set_tare(100_008_200)
    assert scale.say("S") == ["S S    -0.0082 g"]
    scale.balance.set_tare(200_000_000)
    assert scale.say("S") == ["S S  -100.0000 g"]


@pytest.mark.parametrize(
    ("fault", "line", "answer"),
    [
        ("balance-touched@0:by_ug=29070000", "SI", "S D     129.07 g"),
        ("balance-touched@0:by_ug=17570000", "TI", "TI D     117.57 g"),
        ("balance-touched@0:how=lift", "ZI", "ZI D"),
        ("balance-touched@0:by_ug=120000001", "S", "S D     220.00 g"),
        ("balance-touched@0:by_ug=130000000", "S", "S +"),
        ("balance-touched@0:by_ug=130000000", "SI", "S +"),
        ("balance-touched@0:by_ug=130000000", "TI", "TI +"),
        ("balance-touched@0:by_ug=130000000", "T", "T +"),
        ("balance-touched@0:by_ug=-110000000", "S", "S -"),
        ("balance-touched@0:by_ug=-110000000", "ZI", "ZI -"),
        ("balance-touched@0:by_ug=-101000000", "TI", "TI -"),
    ],
)
def test_what_is_touched_is_unsteady_or_out_of_range(fault: str, line: str, answer: str) -> None:
    scale = Scale(fault, capacity_ug=220_000_001)
    said = scale.say(line)
    assert (said or [answer]) == [answer]
    if not said:  # S waits for a steady weight
        assert line == "S"
        assert scale.say("@", "SI") == ['I4 A "B207696838"', answer]


def test_zero_and_tare_move_what_is_shown() -> None:
    scale = Scale(vessel_ug=3_000_000)
    assert scale.say("SI", "TA 1 g", "SI", "Z", "SI", "TA") == [
        "S S       3.00 g",
        "TA A       1.00 g",
        "S S       2.00 g",
        "Z A",
        "S S       0.00 g",
        "TA A       0.00 g",
    ]
    assert Scale().say("T", "SI", "TA", "TAC", "SI") == [
        "T S     100.00 g",
        "S S       0.00 g",
        "TA A     100.00 g",
        "TAC A",
        "S S     100.00 g",
    ]


def test_a_tare_that_is_told_is_rounded_as_the_display_is() -> None:
    assert Scale().say("TA 0.005 g", "TA 0.0049 g") == ["TA A       0.01 g", "TA A       0.00 g"]


# Bytes


def test_every_answer_comes_with_the_last_byte_of_its_line_and_no_sooner() -> None:
    scale = Scale()
    heard = [scale.raw(bytes((byte,))) for byte in b"SI\r\nTA\r\n"]
    assert heard == [[], [], [], ["S S     100.00 g"], [], [], [], ["TA A       0.00 g"]]


def test_junk_before_a_line_spoils_that_line_only() -> None:
    assert Scale().raw(b"xxSI\r\nSI\r\n") == ["ES", "S S     100.00 g"]
    assert Scale().raw(b"\xff\x80SI\r\nSI\r\n") == ["ET", "S S     100.00 g"]
    assert Scale().raw(b"SI\n\rSI\r\nSI\r\n") == ["ES", "S S     100.00 g"]


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    scale = Scale()
    for _ in range(1_000):
        assert scale.raw(b"A" * 1_000 + b"\r") == []
    assert len(scale.firmware._heard) < 300
    assert scale.raw(b"\n") == ["ES"]
    assert scale.say("SI") == ["S S     100.00 g"]


# What takes its time


def test_a_steady_weight_is_waited_for() -> None:
    scale = Scale(LEAN_15.replace("1min", "2s"), settle_ms=3_000)
    assert scale.say("S") == []
    assert scale.wait(MIN) == [(5_000, "S S     100.00 g")]


@pytest.mark.parametrize(("line", "answer"), [("S", "S I"), ("T", "T I"), ("Z", "Z I")])
def test_it_is_not_waited_for_for_ever(line: str, answer: str) -> None:
    scale = Scale(LEAN_15, quirks=Quirks(stability_timeout_ms=4_000))
    assert scale.say(line) == []
    assert scale.wait(3_999) == []
    assert scale.wait(1) == [(4_000, answer)]
    assert scale.wait(MIN) == []


def test_a_tare_and_a_zero_wait_too_and_act_when_it_is_steady() -> None:
    scale = Scale(LEAN_15.replace("1min", "2s"), settle_ms=0)
    assert scale.say("T") == []
    assert scale.wait(2_000) == [(2_000, "T S     100.00 g")]
    assert scale.say("SI") == ["S S       0.00 g"]


def test_nothing_else_is_weighed_while_one_command_waits() -> None:
    scale = Scale(LEAN_15)
    assert scale.say("T", "S", "SI", "SIR", "SR", "TI", "TA", "TAC", "ZI", "Z", "I4") == [
        *["S I"] * 4,
        "TI I",
        "TA I",
        "TAC I",
        "ZI I",
        "Z I",
        'I4 A "B207696838"',
    ]
    assert scale.say("@", "SI") == ['I4 A "B207696838"', "S D     115.23 g"]
    assert scale.wait(5 * MIN) == []
    assert scale.say("TA") == ["TA A       0.00 g"]


def test_a_pump_that_runs_fast_never_lets_it_be_steady() -> None:
    scale = Scale(world=infusing(rate=b"60.00MH"), resolution_ug=100)
    assert scale.say("S") == []
    assert scale.wait(MIN) == [(10_000, "S I")]
    assert scale.say("SI")[0].startswith("S D ")


def test_a_weight_is_repeated_until_another_is_asked_for() -> None:
    scale = Scale(resolution_ug=100, world=resting(NL_PER_MS), quirks=Quirks(update_ms=250))
    assert scale.say("SIR") == ["S D   100.0000 g"]
    assert scale.wait(500) == [(250, "S D   100.0003 g"), (500, "S D   100.0005 g")]
    assert scale.say("TA") == ["TA A     0.0000 g"]
    assert scale.wait(250) == [(750, "S D   100.0008 g")]
    assert scale.say("SI") == ["S D   100.0008 g"]
    assert scale.wait(MIN) == []


@pytest.mark.parametrize("line", ["S", "SI", "@"])
def test_a_repetition_is_ended_by_these(line: str) -> None:
    scale = Scale()
    assert scale.say("SIR") == ["S S     100.00 g"]
    assert len(scale.wait(S)) == 10
    assert len(scale.say(line)) == 1
    assert scale.wait(MIN) == []


def test_a_second_repetition_takes_the_place_of_the_first() -> None:
    scale = Scale()
    scale.say("SIR")
    scale.wait(50)
    assert scale.say("SIR") == ["S S     100.00 g"]
    assert [at for at, _ in scale.wait(200)] == [150, 250]


def test_a_change_is_told_at_once_and_again_when_it_is_steady() -> None:
    scale = Scale(
        "balance-touched@10s:by_ug=15230000,for=5s,left_ug=100000000",
        "balance-touched@1min:by_ug=-9990000,for=5s,left_ug=-9990000",
        settle_ms=1_000,
    )
    assert scale.say("SR 10.00 g") == ["S S     100.00 g"]
    assert scale.wait(5 * MIN) == [(10_000, "S D     115.23 g"), (16_000, "S S     200.00 g")]
    assert scale.say("SI") == ["S S     190.01 g"]


def test_a_change_so_slow_that_it_is_steady_all_the_way_is_told_once() -> None:
    scale = Scale("balance-drift@0:ug_per_h=36000", resolution_ug=1_000)
    assert scale.say("SR 0.010 g") == ["S S    100.000 g"]
    assert scale.wait(16 * MIN) == [(950_000, "S S    100.010 g")]  # 9.5 mg are shown as ten


@pytest.mark.parametrize(("vessel_ug", "least_ug"), [(8_000_000, 1_000_000), (1_000_000, 300_000)])
def test_a_change_without_a_number_is_an_eighth_or_thirty_steps(vessel_ug: int, least_ug: int) -> None:
    for by_ug, tells in ((least_ug - 10_000, 0), (least_ug, 2)):
        scale = Scale(f"balance-touched@1s:by_ug={by_ug},left_ug={by_ug},for=1s", vessel_ug=vessel_ug)
        assert len(scale.say("SR")) == 1
        assert len(scale.wait(MIN)) == tells


# Faults


def test_a_silent_balance_hears_nothing_and_forgets_what_it_was_about() -> None:
    scale = Scale("balance-silent@10s:for=10s")
    scale.say("SIR")
    assert scale.wait(15 * S)[-1][0] == 9_900
    assert scale.say("SI") == []
    assert scale.raw(b"S") == []
    assert scale.wait(15 * S) == []
    assert scale.say("SI") == ["S S     100.00 g"]


def test_half_a_line_is_forgotten_with_what_follows_into_the_silence() -> None:
    scale = Scale("balance-silent@10s:for=10s")
    assert scale.raw(b"S") == []
    scale.wait(15 * S)
    assert scale.raw(b"x") == []
    scale.wait(15 * S)
    assert scale.raw(b"I\r\nSI\r\n") == ["ES", "S S     100.00 g"]


def test_a_balance_that_falls_silent_does_not_answer_what_waits() -> None:
    scale = Scale("balance-silent@1s:for=1s", LEAN_15.replace("1min", "3s"))
    assert scale.say("T") == []
    assert scale.wait(MIN) == []
    assert scale.say("TA") == ["TA A       0.00 g"]


# Quirks


def test_what_the_documents_leave_open_is_a_quirk() -> None:
    assert Scale(quirks=Quirks(absent="EL")).say("DW", "FOO") == ["EL", "ES"]
    for clears, tare in ((True, "TA A       0.00 g"), (False, "TA A     100.00 g")):
        assert Scale(quirks=Quirks(reset_clears_tare=clears)).say("T", "@", "TA")[-1] == tare


def test_quirks_are_read_from_text() -> None:
    given = {"stability_timeout_ms": "500", "absent": "EL", "reset_clears_tare": "true", "update_ms": "20"}
    assert read_quirks(Quirks, given) == Quirks(
        stability_timeout_ms=500, absent="EL", reset_clears_tare=True, update_ms=20
    )
    with pytest.raises(ValueError, match="quirk absent=ET is not ES or EL"):
        read_quirks(Quirks, {"absent": "ET"})
    with pytest.raises(ValueError, match="update_ms=0: at least 1"):
        read_quirks(Quirks, {"update_ms": "0"})


# On a wire


def test_what_a_message_is_to_a_wire() -> None:
    firmware = Scale().firmware
    kinds = {
        "I4": "hello",
        "@": "hello",
        "S": "status",
        "SIR": "status",
        "T": "propose",
        "Z": "propose",
        "x": "",
    }
    assert {line: firmware.kind_of(f"{line}\r\n".encode()) for line in kinds} == kinds
    assert firmware.kind_of(b"TA 5 g\r\n") == "propose"
    assert firmware.kind_of(b"\xff") == ""
    assert firmware.repair(b"SI\r\n") == b"SI\r\n"


def test_it_goes_on_a_wire_like_a_pump_and_its_later_answer_is_an_event() -> None:
    world = resting()
    balance = Balance(world, faults=[Fault.parse("balance-touched@0:for=2s")], settle_ms=1_000)
    wire = FaultyWire(
        BalanceFirmware(balance), world, [Fault.parse("lose-reply@0:type=hello")], latency_ms=20
    )
    wire.send(b"S\r\n", 0)
    heard = []
    while (event_ms := wire.next_event_ms()) is not None:
        wire.advance(event_ms)
        heard += [(event_ms, data)] if (data := wire.take()) else []
    assert heard == [(3_040, b"S S     0.0000 g\r\n")]  # it looks every 100 ms from when it heard the command
    wire.send(b"I4\r\nSI\r\n", 5_000)
    wire.advance(5_040)
    assert wire.take() == b""
