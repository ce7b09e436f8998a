"""Packets of the New Era protocol: what ends one, what is noise, what is bounded."""

import pytest

from sim.firmware.new_era_frames import LONGEST_TEXT, Packet, Receiver, basic, safe
from tests.unit.sim.new_era_host import safe as host_safe


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(refuse_length=False)


def test_a_basic_reply_is_text_between_stx_and_etx_and_nothing_else() -> None:
    assert basic("00S") == b"\x0200S\x03"


def test_text_is_cleaned_of_blanks_and_control_characters_and_read_in_capitals(receiver: Receiver) -> None:
    assert receiver.feed(b" 0 rat\t3.0 mm\x00\r", 0) == [Packet("0RAT3.0MM", safe=False, good=True)]


def test_a_line_feed_after_cr_belongs_to_the_next_command(receiver: Receiver) -> None:
    assert receiver.feed(b"0\r\n0VER\r\n", 0) == [
        Packet("0", safe=False, good=True),
        Packet("0VER", safe=False, good=True),
    ]


def test_several_packets_in_one_piece_are_found_in_order(receiver: Receiver) -> None:
    data = host_safe("0RAT1.03MM") + b"0\r" + host_safe("0RAT0.08MM")
    assert [packet.text for packet in receiver.feed(data, 0)] == ["0RAT1.03MM", "0", "0RAT0.08MM"]


def test_an_unfinished_line_is_dropped_when_a_safe_packet_begins(receiver: Receiver) -> None:
    assert [packet.text for packet in receiver.feed(b"noise" + host_safe("0VER"), 0)] == ["0VER"]


def test_a_safe_packet_survives_a_pause_of_500_ms_and_not_of_501(receiver: Receiver) -> None:
    data = host_safe("0VER")
    assert not receiver.feed(data[:4], 0)
    assert [packet.text for packet in receiver.feed(data[4:], 500)] == ["0VER"]
    assert not receiver.feed(data[:4], 1_000)
    assert not receiver.feed(data[4:], 1_501)


def test_a_basic_line_has_no_time_out(receiver: Receiver) -> None:
    assert not receiver.feed(b"0V", 0)
    assert receiver.feed(b"ER\r", 60_000) == [Packet("0VER", safe=False, good=True)]


def test_a_wrong_end_mark_is_a_bad_packet(receiver: Receiver) -> None:
    (packet,) = receiver.feed(safe("0VER")[:-1] + b"\x04", 0)
    assert not packet.good


def test_a_length_byte_that_cannot_be_is_noise_or_with_the_quirk_a_bad_packet(receiver: Receiver) -> None:
    assert receiver.feed(b"\x02\x03", 0) == []
    assert Receiver(refuse_length=True).feed(b"\x02\x03", 0) == [Packet("", safe=True, good=False)]


def test_a_packet_of_the_largest_length_is_held_and_no_byte_more(receiver: Receiver) -> None:
    body = "A" * 251
    assert receiver.feed(safe(body), 0) == [Packet(body, safe=True, good=True)]


def test_a_line_too_long_to_hold_is_bad_and_the_next_one_is_read(receiver: Receiver) -> None:
    first, second = receiver.feed(b"A" * (LONGEST_TEXT + 1) + b"\r0\r", 0)
    assert (first.good, second) == (False, Packet("0", safe=False, good=True))
