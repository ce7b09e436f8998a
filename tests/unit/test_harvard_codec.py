"""Replies cut apart, with the bytes of the document: whole, byte by byte, with junk, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers.harvard_amounts import rate_text
from pump_ctrl.drivers.harvard_codec import (
    MARK_WINDOW,
    MARKS,
    NEED_DATA,
    Mark,
    NeedData,
    Prompt,
    Reply,
    ReplyDecoder,
    Version,
    WrongAddress,
    encode,
    mark_rate,
    parse_percent,
    parse_reply,
    parse_status,
    parse_ver,
    parse_version,
    read_mark,
)
from pump_ctrl.errors import WireError
from tests.unit.harvard_page import rate_fl_h

# Address, bytes (without XON), prompt, text: section 4 of the document, as recorded and as the manual has it.
Row = tuple[int, bytes, Prompt | None, tuple[str, ...]]
TRANSCRIPTS: list[Row] = [
    (0, b"\n:", Prompt.IDLE, ()),
    (0, b"\n199.49 ul/min\r\n:", Prompt.IDLE, ("199.49 ul/min",)),
    (0, b"\n1.69023 ul\r\n>", Prompt.INFUSING, ("1.69023 ul",)),
    (0, b"\n0 0 0 w..TI.\r\n:", Prompt.IDLE, ("0 0 0 w..TI.",)),
    (0, b"\n00:03:00\r\n:", Prompt.IDLE, ("00:03:00",)),  # a time, no address
    (0, b"\n<", Prompt.WITHDRAWING, ()),
    (0, b"\n*", Prompt.STALLED, ()),
    (0, b"\nT*", Prompt.TARGET, ()),
    (0, b"\n>*", Prompt.INFUSE_LIMIT, ()),
    (0, b"\n<*", Prompt.WITHDRAW_LIMIT, ()),
    (3, b"\n03:10 ml\r\n03:", Prompt.IDLE, ("10 ml",)),
    (3, b"\n03>", Prompt.INFUSING, ()),
    (3, b"\n03T*", Prompt.TARGET, ()),
    (3, b"\n03:00:03:00\r\n03:", Prompt.IDLE, ("00:03:00",)),
    (12, b"\n12:a\r\n12:b\r\n12*", Prompt.STALLED, ("a", "b")),
    (
        0,
        b"\nFirmware:      v3.0.6\r\nPump address:  0\r\nSerial number: D101754\r\n:",
        Prompt.IDLE,
        ("Firmware:      v3.0.6", "Pump address:  0", "Serial number: D101754"),
    ),
]
# What real pumps and other people's programs were seen to do to the same text.
LEAKS: list[Row] = [
    (0, b"\nT*1.69023 ul\r\nT*", Prompt.TARGET, ("1.69023 ul",)),
    (0, b"\nT*\r\n1.69023 ul\r\nT*", Prompt.TARGET, ("1.69023 ul",)),
    (3, b"\nT*03:1 ul\r\n03T*", Prompt.TARGET, ("1 ul",)),
    (3, b"\n03:T*1 ul\r\n03T*", Prompt.TARGET, ("1 ul",)),
    (0, b"\n:\r\n0 0 0 w..TI.\r\n", Prompt.IDLE, ("0 0 0 w..TI.",)),  # old PHD: the prompt comes first
    (0, b"\n0 0 0 w..TI.\r\n", None, ("0 0 0 w..TI.",)),
    (0, b"junk\x00\xff\n199.49 ul/min\r\n:", Prompt.IDLE, ("199.49 ul/min",)),
    (0, b"\n\r\n199.49 ul/min\r\n:", Prompt.IDLE, ("199.49 ul/min",)),
]


@pytest.mark.parametrize(("address", "raw", "prompt", "lines"), TRANSCRIPTS + LEAKS)
def test_the_documents_replies_are_read(
    address: int, raw: bytes, prompt: Prompt | None, lines: tuple[str, ...]
) -> None:
    assert parse_reply(raw, address, polled=True) == Reply(prompt, lines, polled=True)


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
@pytest.mark.parametrize("address", [0, 3])
def test_a_stream_of_replies_comes_apart_whatever_its_pieces_are(size: int, address: int) -> None:
    rows = [row for row in TRANSCRIPTS if row[0] == address]
    stream = b"".join(row[1] + b"\x11" for row in rows)
    decoder, found = ReplyDecoder(address), []
    for start in range(0, len(stream), size):
        decoder.feed(stream[start : start + size])
        while isinstance(reply := decoder.next_reply(), Reply):
            found.append(reply)
    assert found == [Reply(row[2], row[3], polled=True) for row in rows]
    assert not decoder.partial
    assert decoder.noise == 0


def test_without_xon_a_reply_is_over_when_the_caller_says_that_nothing_more_comes() -> None:
    decoder = ReplyDecoder(0)
    decoder.feed(b"\n1 ml\r\n")
    assert decoder.next_reply() is NEED_DATA
    decoder.feed(b":")
    assert decoder.next_reply() is NEED_DATA
    assert decoder.rest() == Reply(Prompt.IDLE, ("1 ml",), polled=False)
    assert decoder.rest() is NEED_DATA


@pytest.mark.parametrize("raw", [b"", b":", b"\n", b"\n1 ml", b"\n1 ml\r\n:x", b"\nT", b"\n\r\n", b"\n::"])
def test_a_cut_reply_is_none(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse_reply(raw, 0, polled=True)


def test_a_reply_that_lost_its_lf_has_lost_its_text() -> None:
    assert parse_reply(b"1 ml\r\n:", 0, polled=True) == Reply(Prompt.IDLE, (), polled=True)


@pytest.mark.parametrize(
    ("raw", "address", "told"),
    [
        (b"\n03:", 0, 3), (b"\n:", 3, 0), (b"\n04:1 ml\r\n04:", 3, 4), (b"\n04:1 ml\r\n03:", 3, 4),
        (b"\n1 ml\r\n:", 3, 0), (b"\n02>", 12, 2),
    ],
)  # fmt: skip
def test_another_pumps_reply_is_none_of_ours(raw: bytes, address: int, told: int) -> None:
    with pytest.raises(WrongAddress) as caught:
        parse_reply(raw, address, polled=True)
    assert caught.value.told == told


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([b"\n", b"\x11", b"\r\n:", b"T*", b"03"])),
    st.integers(0, 99),
)
def test_no_bytes_break_the_decoder_and_it_holds_few(pieces: list[bytes], address: int) -> None:
    decoder = ReplyDecoder(address)
    for piece in (*pieces, b"x" * 5_000):
        decoder.feed(piece)
        for take in (decoder.next_reply, decoder.rest):
            with suppress(WireError):
                assert isinstance(take(), Reply | NeedData)
    assert len(decoder._held) <= 4_096


@given(
    st.integers(0, 4_095),
    st.binary(max_size=30).filter(lambda junk: b"\n" not in junk and b"\x11" not in junk),
)
def test_junk_before_a_reply_does_not_hide_it(at: int, junk: bytes) -> None:
    address, raw, prompt, lines = TRANSCRIPTS[at % len(TRANSCRIPTS)]
    assert parse_reply(junk + raw, address, polled=True) == Reply(prompt, lines, polled=True)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\nCommand error:\r\n   Unknown command\r\n:", "Command error: Unknown command"),
        (b"\nArgument error: 200\r\n   Unknown syringe\r\n:", "Argument error: 200 Unknown syringe"),
        (b"\nArgument error: 9999\r\n   Out of range\r\n>", "Argument error: 9999 Out of range"),
        (b"\nTarget volume out of range\r\n:", "Target volume out of range"),
        (b"\n199.49 ul/min\r\n:", None),
        (b"\n:", None),
    ],
)
def test_the_pumps_own_words_say_what_it_objects_to(raw: bytes, words: str | None) -> None:
    assert parse_reply(raw, 0, polled=True).error == words


def test_long_objections_are_cut() -> None:
    reply = parse_reply(b"\nCommand error:\r\n" + b"z" * 3_000 + b"\r\n:", 0, polled=True)
    assert len(reply.error or "") == 200


# ---- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "colon", "bytes_"),
    [(0, False, b"irate 3.2 u/m\r"), (0, True, b"irate 3.2 u/m\r"), (3, False, b"03irate 3.2 u/m\r"),
     (12, False, b"12irate 3.2 u/m\r"), (12, True, b"12:irate 3.2 u/m\r")],
)  # fmt: skip
def test_a_request_has_its_pumps_number_in_front_but_for_pump_0(
    address: int, colon: bool, bytes_: bytes
) -> None:
    assert encode("irate 3.2 u/m", address, colon=colon) == bytes_


# ---- texts -------------------------------------------------------------------------------------


def test_the_status_line_of_the_document_is_read_flag_by_flag() -> None:
    told = parse_status("16666666666 60000 1000000000000 I...I.")
    assert (told.rate_fl_per_s, told.elapsed, told.volume_fl) == (16_666_666_666, 60_000, 10**12)
    assert (told.infuse, told.runs, told.limit, told.stalled, told.target) == (
        True,
        True,
        False,
        False,
        False,
    )
    still = parse_status("0 0 0 w..TI.")
    assert (still.infuse, still.runs, still.target, still.flags) == (False, False, False, 6)
    old = parse_status("0 7 5 iIS.W")
    assert (old.infuse, old.runs, old.limit, old.stalled, old.target, old.flags) == (
        True,
        False,
        True,
        True,
        None,
        5,
    )
    assert parse_status("1 2 3 W....T").target is True  # the port's flag may be a dot


@pytest.mark.parametrize(
    "line",
    ["", "0 0 0", "0 0 0 i...", "0 0 0 i...I.T", "0 0 -1 i...I.", "0 0 1.5 i...I.", "0 0 0 x...I.", "0 0 0 i..SI.",
     "0 0 ٣ i...I.", "a 0 0 i...I.", "0 0 0 0 i...I.", "0 0 " + "9" * 21 + " i...I."],
)  # fmt: skip
def test_what_is_no_status_line_is_an_error(line: str) -> None:
    with pytest.raises(WireError):
        parse_status(line)


def test_the_names_that_pumps_tell() -> None:
    assert parse_ver("11 ELITE I/W Single 3.0.4")[:2] == ("11 ELITE I/W Single", "3.0.4")
    assert parse_ver("PHD ULTRA 3.0.5")[:2] == ("PHD ULTRA", "3.0.5")
    lines = ("Firmware:      v3.0.6", "Pump address:  0", "Serial number: D101754", "Something: else")
    assert parse_version(lines) == Version("3.0.6", 0, "D101754")
    assert parse_version(("Pump address: 12",)) == Version(None, 12, None)
    assert parse_percent("50%") == 50


@pytest.mark.parametrize("line", ["", "11 ELITE", "NE1000V3.923", "1 2 3.0.4", "x" * 90 + " ELITE 3.0.4"])
def test_what_names_no_harvard_pump_is_an_error(line: str) -> None:
    with pytest.raises(WireError, match="Harvard"):
        parse_ver(line)


@given(st.text(max_size=60))
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (parse_status, parse_ver, parse_percent):
        with suppress(WireError):
            read(text)
    with suppress(WireError):
        parse_version((text,))


# ---- marks -------------------------------------------------------------------------------------

IDS = st.one_of(
    st.integers(1, 2**64 - 1), st.sampled_from([1, MARKS - 1, MARKS, 2**32 - 1, 2**32, 2**32 + 1])
)


@given(IDS)
def test_a_mark_is_a_rate_that_the_pump_keeps_and_tells_its_permit(permit_id: int) -> None:
    for armed, mark in ((True, Mark.ARMED), (False, Mark.PREPARED)):
        text = rate_text(mark_rate(permit_id, armed=armed))
        assert text is not None
        assert text.endswith(" ul/min")
        assert 10**9 * 60 <= rate_fl_h(text) < 9 * 10**9 * 60  # 1 to 9 ul/min
        assert read_mark(rate_fl_h(text), permit_id) is mark


@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize(
    ("behind", "mark"),
    [(1, Mark.EARLIER), (MARK_WINDOW, Mark.EARLIER), (MARK_WINDOW + 1, Mark.LATER), (-1, Mark.LATER),
     (-MARK_WINDOW, Mark.LATER), (MARKS // 2, Mark.LATER)],
)  # fmt: skip
@pytest.mark.parametrize("number", [1_000, 2 * MARKS, 7 * MARKS + 3])
def test_marks_of_the_ids_just_before_are_earlier_and_any_others_are_another_commands(
    number: int, behind: int, mark: Mark, armed: bool
) -> None:
    other = (0x77 << 32) + number - behind  # another session, the same journal
    assert read_mark(mark_rate(other, armed=armed), (0x12 << 32) + number) is mark


@pytest.mark.parametrize("rate", [0, 1, 2 * 10**12 * 60, 5 * 10**9 * 60 + 1, 9 * 10**9 * 60, 10**8])
def test_rates_that_are_no_mark_tell_nothing(rate: int) -> None:
    assert all(read_mark(rate, number) is Mark.OTHER for number in range(1, 200))
