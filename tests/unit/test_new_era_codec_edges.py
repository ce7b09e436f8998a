"""The edges of the New Era codec: the next number, the next byte, the shortest and the longest frame."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.new_era_codec import NEED_DATA, FrameDecoder, Reply
from pump_ctrl.errors import WireError
from tests.unit.test_new_era_codec import made, safe, texts

BASIC = b"\x0200S\x03"
SAFE = bytes.fromhex("02 07 30 30 53 aa a6 03")  # "00S", section 4 of the specification


# ---- numbers: four digits and a point, section 2 ----


@pytest.mark.parametrize(
    ("thousandths", "below", "above"),
    [
        (9_999, 9_999, 9_999),  # 9.999
        (10_000, 10_000, 10_000),  # 10.00
        (10_001, 10_000, 10_010),
        (99_990, 99_990, 99_990),  # 99.99
        (99_991, 99_990, 100_000),
        (99_999, 99_990, 100_000),
        (100_000, 100_000, 100_000),  # 100.0
        (100_001, 100_000, 100_100),
        (999_999, 999_900, 1_000_000),
        (1_000_000, 1_000_000, 1_000_000),  # 1000
        (1_000_001, 1_000_000, 1_001_000),
        (9_999_001, 9_999_000, 10_000_000),  # 10000 has five digits: for the caller to refuse
    ],
)
def test_the_numbers_of_four_digits_on_either_side_of_a_value(
    thousandths: int, below: int, above: int
) -> None:
    assert (codec.down(thousandths), codec.up(thousandths)) == (below, above)


@pytest.mark.parametrize(
    ("data", "unit_nl"),
    [
        ("I9.999W0.000UL", 1), ("I10.00W0.000UL", 10), ("I99.99W0.000UL", 10), ("I100.0W0.000UL", 100),
        ("I999.9W0.000UL", 100), ("I1000.W0.000UL", 1_000), ("I9999.W0.000UL", 1_000),
        ("I9.999W0.000ML", 1_000), ("I10.00W0.000ML", 10_000),
    ],
)  # fmt: skip
def test_the_last_digit_of_the_counter_coarsens_with_each_digit_before_its_point(
    data: str, unit_nl: int
) -> None:
    assert codec.parse_counter(data).unit_nl == unit_nl


def test_the_shortest_and_the_longest_pause_are_told_with_two_digits() -> None:
    assert (codec.pause_function(1), codec.pause_function(99)) == ("PAS01", "PAS99")


@pytest.mark.parametrize("data", ["0.500", "1000.", "0.500UH"])
def test_a_volume_without_its_unit_is_none(data: str) -> None:
    with pytest.raises(WireError, match="is no volume"):
        codec.parse_volume(data)


# ---- frames ----


def test_until_the_mode_is_known_frames_of_either_are_let_through_whole() -> None:
    assert texts(FrameDecoder(), SAFE, BASIC, SAFE + BASIC) == ["00S"] * 4


def test_frames_that_follow_each_other_without_a_gap_are_all_found() -> None:
    assert texts(made(False), BASIC + b"\x0200I\x03" + BASIC) == ["00S", "00I", "00S"]
    assert texts(made(True), SAFE + safe("00I") + SAFE) == ["00S", "00I", "00S"]


def test_the_shortest_safe_frame_says_three_characters_and_the_longest_43() -> None:
    for text in ("00S", "00S" + "x" * 40):
        decoder = made(True)
        assert texts(decoder, safe(text)) == [text]
        assert decoder.noise == 0
    for text in ("00", "00S" + "x" * 41):
        decoder = made(True)
        assert texts(decoder, safe(text)) == []
        assert decoder.noise > 0
        assert decoder.idle  # at once: it is not waited for as many bytes as its length says


@pytest.mark.parametrize("end", [0x00, 0x02, 0x04, 0xFF])
def test_a_safe_frame_that_ends_with_anything_but_etx_is_none(end: int) -> None:
    decoder = made(True)
    assert texts(decoder, SAFE[:-1] + bytes((end,))) == []
    assert decoder.noise > 0


@pytest.mark.parametrize("first", [0x00, 0x01, 0x03, 0x3F, 0xFF])
@pytest.mark.parametrize(("mode", "frame"), [(True, SAFE), (False, BASIC), (None, SAFE), (None, BASIC)])
def test_a_frame_begins_with_stx_and_with_nothing_else(first: int, mode: bool | None, frame: bytes) -> None:
    spoilt = bytes((first,)) + frame[1:]
    assert texts(made(mode), spoilt) == []
    assert texts(made(mode), spoilt + b"\x02", frame[1:]) == ["00S"]


@pytest.mark.parametrize("data", [b"\x02?00S\x03", b"\x02S\x03", b"\x02\x03", b"\x02\xff\x03"])
def test_a_basic_reply_begins_with_the_digits_of_an_address(data: bytes) -> None:
    decoder = made(False)
    assert texts(decoder, data) == []
    assert decoder.noise > 0


def test_a_basic_reply_that_comes_in_pieces_is_waited_for_up_to_64_bytes() -> None:
    longest = b"\x0200S" + b"x" * 60
    assert texts(made(False), longest, b"\x03") == ["00S" + "x" * 60]
    assert texts(made(False), longest + b"x", b"\x03") == []


def test_a_basic_reply_whose_end_was_lost_hides_none_that_comes_after_it() -> None:
    for pieces in ([b"\x0200I" + BASIC], [b"\x0200I", BASIC], [b"\x0200I\x02", BASIC[1:]]):
        decoder = made(False)
        assert texts(decoder, *pieces) == ["00S"]
        assert decoder.noise > 0
        assert decoder.idle


def test_up_to_4096_bytes_are_held_and_of_more_the_oldest_are_lost() -> None:
    whole = made(True)
    assert texts(whole, SAFE + bytes(4_096 - len(SAFE))) == ["00S"]
    cut = made(True)
    assert texts(cut, SAFE + bytes(4_097 - len(SAFE))) == []
    assert cut.noise > 0
    late = made(True)
    assert texts(late, bytes(100_000) + SAFE) == ["00S"]


def test_bytes_that_are_fed_within_the_bound_are_no_noise() -> None:
    decoder = made(True)
    decoder.feed(b"")
    decoder.feed(SAFE)
    decoder.feed(b"\x02" * (4_096 - len(SAFE)))
    assert decoder.noise == 0
    decoder.feed(b"\x02")
    assert decoder.noise == 1


def test_noise_is_counted_once_for_each_run_of_bytes() -> None:
    for junk, runs in ((b"", 0), (b"\r\n", 0), (b"?", 1), (b"??", 1), (b"\x02", 1), (b"\r?\n", 1)):
        decoder = made(True)
        assert texts(decoder, junk + SAFE, junk + SAFE) == ["00S", "00S"]
        assert decoder.noise == 2 * runs


def test_what_can_begin_no_frame_is_not_held() -> None:
    for data in (b"?", b"junk", b"\x02\xff", b"junk\x02\xff", b"\r\n"):
        decoder = made(None)
        assert texts(decoder, data) == []
        assert decoder.idle
        assert not decoder.partial


@pytest.mark.parametrize("data", [b"\x02", b"junk\x02", SAFE[:2], SAFE[:-1]])
def test_the_beginning_of_a_frame_is_held_until_its_rest_has_come(data: bytes) -> None:
    decoder = made(True)
    assert decoder.idle
    assert texts(decoder, data) == []
    assert (decoder.partial, decoder.idle) == (True, False)
    assert texts(decoder, SAFE[len(data.removeprefix(b"junk")) :]) == ["00S"]
    assert (decoder.partial, decoder.idle) == (False, True)


def test_a_reply_that_is_found_in_what_was_given_up_waits_to_be_taken() -> None:
    decoder = made(True)
    assert texts(decoder, b"\x02\x2f" + SAFE) == []
    decoder.drop_partial()
    assert (decoder.partial, decoder.idle) == (False, False)
    assert decoder.next_text() == "00S"
    assert decoder.idle
    assert decoder.next_text() is NEED_DATA


# ---- replies ----


@pytest.mark.parametrize("mode", [True, False, None])
def test_a_read_that_holds_more_than_one_reply_is_not_taken_for_the_first_of_them(mode: bool | None) -> None:
    """An older reply may stand before the one that is waited for: the exchange has to look at each."""
    frame = BASIC if mode is False else SAFE
    assert codec.only_reply(frame, mode, codec.NOTHING) == Reply(0, "", "S", "")
    for data in (frame + frame, frame + frame[:3], frame + b"\x02", b"?" + frame, frame[:-1], b""):
        assert codec.only_reply(data, mode, codec.NOTHING) is None


def test_an_alarm_is_never_taken_for_the_reply_to_a_command() -> None:
    assert codec.only_reply(bytes.fromhex("02 09 30 30 41 3f 53 75 a7 03"), True, codec.NOTHING) is None


def test_each_alarm_letter_of_the_specification_has_its_name() -> None:
    assert codec.ALARMS == {
        "R": "reset", "S": "stall", "T": "timeout", "E": "program", "O": "phase-range",
    }  # fmt: skip
    assert codec.WITHDRAWN == "withdrawn"


def test_of_the_prompts_of_the_specification_a_program_goes_on_in_two() -> None:
    assert {letter for letter in "IWSPTUX" if letter in codec.RUNNING} == {"I", "T"}
