"""Bytes of the New Era protocol: the specification's own frames, its traps, and any bytes at all."""

from __future__ import annotations

import re
from binascii import crc_hqx
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pump_ctrl.drivers import new_era_codec as codec
from pump_ctrl.drivers.new_era_codec import Counter, FrameDecoder, NeedData, Reply
from pump_ctrl.errors import WireError

# Section 4 of the specification, byte by byte; the first is the manual's own.
FRAMES = [
    ("SAF0", "02 08 53 41 46 30 55 43 03"),
    ("0", "02 05 30 36 53 03"),
    ("0SAF10", "02 0a 30 53 41 46 31 30 63 be 03"),
    ("0VER", "02 08 30 56 45 52 48 09 03"),
    ("0RUN", "02 08 30 52 55 4e 44 07 03"),
    ("0STP", "02 08 30 53 54 50 b3 f9 03"),
    ("0RAT3.000MM", "02 0f 30 52 41 54 33 2e 30 30 30 4d 4d 84 4d 03"),
    ("00S", "02 07 30 30 53 aa a6 03"),
    ("00A?S", "02 09 30 30 41 3f 53 75 a7 03"),
    ("00S?COM", "02 0b 30 30 53 3f 43 4f 4d b5 80 03"),
    ("00SI0.500W0.000ML", "02 15 30 30 53 49 30 2e 35 30 30 57 30 2e 30 30 30 4d 4c e6 14 03"),
]
REPLIES = [(text, bytes.fromhex(data)) for text, data in FRAMES if text.startswith("00")]
# CRCs that hold STX, ETX, CR, XON or XOFF.
TRAPS = {
    "0RAT1.03MM": "025c", "0RAT0.08MM": "b70d", "0RAT0.77MM": "ca11",
    "00SI0.155W0.000ML": "02ef", "00SI0.164W0.000ML": "5803", "00SI0.052W0.000ML": "6b0d",
    "00SI0.217W0.000ML": "1147", "00SI0.168W0.000ML": "ed13",
}  # fmt: skip


def safe(text: str) -> bytes:
    body = text.encode("latin-1")
    return bytes((2, len(body) + 4)) + body + crc_hqx(body, 0).to_bytes(2, "big") + b"\x03"


def texts(decoder: FrameDecoder, *pieces: bytes) -> list[str]:
    found = []
    for piece in pieces:
        decoder.feed(piece)
        while not isinstance(text := decoder.next_text(), NeedData):
            found.append(text)
    return found


def made(safe_mode: bool | None) -> FrameDecoder:
    decoder = FrameDecoder()
    decoder.safe = safe_mode
    return decoder


# ---- numbers ----


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [(1, "0.001"), (500, "0.500"), (9_999, "9.999"), (10_000, "10.00"), (26_590, "26.59"), (99_990, "99.99"),
     (100_000, "100.0"), (999_900, "999.9"), (1_000_000, "1000"), (9_999_000, "9999")],
)  # fmt: skip
def test_a_number_is_told_with_four_digits_and_a_point(thousandths: int, text: str) -> None:
    assert codec.number_text(thousandths) == text
    assert codec.parse_number(text) == thousandths


@pytest.mark.parametrize("value", [0, -1, 10_001, 100_050, 1_000_500, 9_999_001, 10_000_000, True, 1.0, None])
def test_zero_which_means_for_ever_and_what_would_be_rounded_is_never_told(value: object) -> None:
    for command in (codec.volume_command, codec.rate_command):
        with pytest.raises(ValueError, match="cannot be told to the pump"):
            command(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, 100, 5.0, True])
def test_a_pause_of_zero_which_waits_for_a_trigger_is_never_told(seconds: int) -> None:
    with pytest.raises(ValueError, match="allowed: 1 to 99"):
        codec.pause_function(seconds)


def test_commands_have_the_form_of_the_specification() -> None:
    told = [codec.rate_command(26_590), codec.volume_command(500), codec.pause_function(7)]
    assert told == ["RAT26.59UH", "VOL0.500", "PAS07"]


@given(st.integers(1, 20_000_000))
def test_rounding_reaches_the_neighbouring_numbers_and_no_further(value: int) -> None:
    below = codec.down(value)
    assert below <= value
    codec.number_text(below)
    if value <= codec.LARGEST:
        above = codec.up(value)
        assert below <= value <= above
        assert Fraction(above - below, value) <= Fraction(1, 1_000)
        if above <= codec.LARGEST:
            assert codec.parse_number(codec.number_text(above)) == above


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [("0.5", 500), (".5", 500), ("5.", 5_000), ("5", 5_000), ("1000.", 1_000_000), ("0.500", 500), ("01", 1_000)],
)  # fmt: skip
def test_short_forms_of_numbers_are_read(text: str, thousandths: int) -> None:
    assert codec.parse_number(text) == thousandths


@pytest.mark.parametrize("text", ["", ".", "-1", "1e3", "12345", "1.2345", "١", "1 ", "1.0UL", "nan"])
def test_what_is_no_number_is_not_read(text: str) -> None:
    with pytest.raises(WireError):
        codec.parse_number(text)


@given(st.text("0123456789.,-+_eE \u00b2\u0661", max_size=10))
def test_a_number_is_read_where_it_has_the_form_that_the_specification_gives_it(text: str) -> None:
    found = re.fullmatch(r"([0-9]{0,4})(?:\.([0-9]{0,3}))?", text)
    if found is None or not (found[1] or found[2]):
        with pytest.raises(WireError, match="is no number"):
            codec.parse_number(text)
    else:
        assert codec.parse_number(text) == Fraction("0" + text.rstrip(".") if "." in text else text) * 1_000


# ---- frames ----


@pytest.mark.parametrize(("text", "data"), FRAMES)
def test_safe_frames_are_those_of_the_specification(text: str, data: str) -> None:
    address, command = (0, text[1:]) if text[0] == "0" else ("", text)
    assert codec.encode(address, command, safe=True) == bytes.fromhex(data)


@pytest.mark.parametrize(("text", "crc"), TRAPS.items())
def test_check_sums_that_look_like_control_characters_do_no_harm(text: str, crc: str) -> None:
    data = codec.encode(0, text[1:], safe=True)
    assert data[-3:-1].hex() == crc
    assert texts(made(True), data[:1], data[1:]) == [text]
    assert texts(made(True), *(bytes((byte,)) for byte in data + data)) == [text, text]


def test_a_basic_command_ends_with_cr_and_a_basic_reply_is_between_stx_and_etx() -> None:
    assert codec.encode(7, "RAT3.000MM", safe=False) == b"7RAT3.000MM\r"
    assert texts(made(False), bytes.fromhex("02 30 30 53 03")) == ["00S"]


@pytest.mark.parametrize("mode", [True, None])
@pytest.mark.parametrize(("text", "data"), REPLIES)
def test_a_reply_is_found_whole_in_bytes_and_with_junk_around(
    text: str, data: bytes, mode: bool | None
) -> None:
    assert texts(made(mode), data) == [text]
    assert texts(made(mode), *(bytes((byte,)) for byte in data)) == [text]
    decoder = made(mode)
    assert texts(decoder, b"\xff\x00junk" + data + b"\x03junk\r\n" + data) == [text, text]
    assert decoder.noise == 2
    assert not decoder.partial


def test_stray_line_ends_are_no_noise() -> None:
    for mode, frame in ((True, safe("00S")), (False, b"\x0200S\r\x03")):
        decoder = made(mode)
        assert texts(decoder, frame + b"\r\n" + frame + b"\r") == ["00S", "00S"]
        assert decoder.noise == 0


def test_a_basic_reply_that_begins_anew_is_the_later_one() -> None:
    decoder = made(False)
    assert texts(decoder, b"\x02\x0200I\x0200S\x03") == ["00S"]
    assert decoder.noise > 0


@pytest.mark.parametrize(
    ("mode", "frame"), [(True, b"\x0200S\x03"), (False, safe("00S")), (True, safe("00S")[:-1] + b"\x04")]
)
def test_a_frame_of_the_other_mode_or_without_its_end_is_noise(mode: bool, frame: bytes) -> None:
    decoder = made(mode)
    assert texts(decoder, frame + bytes(80)) == []
    assert decoder.noise > 0


@pytest.mark.parametrize("byte", range(1, 11))
@pytest.mark.parametrize("bit", [1, 2, 16, 128])
def test_one_flipped_bit_hides_a_safe_reply_and_never_changes_it(byte: int, bit: int) -> None:
    data = bytearray(safe("00SNE10"))
    data[byte] ^= bit
    decoder = made(True)
    decoder.feed(bytes(data))
    found = texts(decoder, b"")
    decoder.drop_partial()
    assert found + texts(decoder, b"") == []


def test_a_long_frame_that_never_ends_hides_no_reply_once_it_is_given_up() -> None:
    decoder = made(True)
    assert texts(decoder, b"\x02\x2f0" + safe("00S") + safe("00I")) == []
    decoder.drop_partial()
    assert texts(decoder, b"") == ["00S", "00I"]
    assert not decoder.partial


def test_a_babbling_line_is_held_to_a_bound() -> None:
    for mode in (True, False, None):
        decoder = made(mode)
        texts(decoder, *[b"\x02\x2f" * 3_000] * 3)
        texts(decoder, b"\x020" + b"x" * 10_000)
        assert texts(decoder, bytes(100) + (b"\x0200S\x03" if mode is False else safe("00S"))) == ["00S"]


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from([True, False, None]))
def test_no_bytes_make_the_codec_raise(pieces: list[bytes], mode: bool | None) -> None:
    decoder = made(mode)
    found = texts(decoder, *pieces)
    decoder.drop_partial()
    for text in [*found, *texts(decoder, b"")]:
        try:
            reply = codec.parse_reply(text)
        except WireError:
            continue
        assert reply.alarm or reply.prompt in "IWSPTUX"
    assert not decoder.partial


@given(
    st.text("IWSPTUX0123456789.?", min_size=3, max_size=25),
    st.booleans(),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_what_is_framed_is_found_however_it_is_cut(text: str, safe_mode: bool, cuts: list[int]) -> None:
    text = "42" + text
    data = safe(text) if safe_mode else b"\x02" + text.encode() + b"\x03"
    marks = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(marks)]
    assert texts(made(safe_mode), *pieces) == [text]


# ---- replies ----


MESSAGES = st.one_of(
    st.builds(
        lambda volume: f"00II{volume // 1_000}.{volume % 1_000:03d}"[:9] + "W0.000UL",
        st.integers(0, 9_999_999),
    ),
    st.sampled_from(
        ["00S", "00A?R", "07S", "00S?NA", "00TPAS60", "00SI0.000W0.000UL", "00Z", "0", "00\xe9S"]
    ),
)
FRAMED = st.one_of(
    st.builds(safe, MESSAGES),
    st.builds(lambda text: b"\x02" + text.encode("latin-1") + b"\x03", MESSAGES),
)


@given(
    st.lists(FRAMED | st.binary(max_size=4), max_size=3).map(b"".join),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 255)), max_size=2),
)
def test_bytes_that_are_remembered_are_the_reply_that_a_plain_decoder_makes_of_them(
    data: bytes, flips: list[tuple[int, int]]
) -> None:
    spoilt = bytearray(data)
    for at, bits in flips:
        if at < len(spoilt):
            spoilt[at] ^= bits
    for received in (data, bytes(spoilt), data):
        for mode in (True, False, None):
            decoder = made(mode)
            found = texts(decoder, received)
            only = len(found) == 1 and not decoder.noise and not decoder.partial
            try:
                reply = codec.parse_reply(found[0]) if only else None
            except WireError:
                reply = None
            for shape in (codec.COUNTER, codec.NOTHING):
                fits = reply is not None and not reply.alarm and shape.fullmatch(reply.data)
                assert codec.only_reply(received, mode, shape) == (reply if fits else None)


def test_what_is_remembered_has_a_bound() -> None:
    for memo in (codec.only_reply, codec.parse_counter, codec.parse_reply, codec.encode):
        size = memo.cache_parameters()["maxsize"]
        assert size is not None
        assert size <= 8_192


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("00S", Reply(0, "", "S", "")),
        ("10SI0.000W20.00ML", Reply(10, "", "S", "I0.000W20.00ML")),
        ("07A?R", Reply(7, "R", "", "")),
        ("00S?OOR", Reply(0, "", "S", "?OOR")),
        ("00TPAS60", Reply(0, "", "T", "PAS60")),
        ("00SNE1000V3.923 \r", None),
        ("0S", None),
        ("00Z", None),
        ("00A?", None),
        ("00A?RS", None),
        ("", None),
        ("٠٠S", None),
    ],
)
def test_replies_are_read_strictly(text: str, reply: Reply | None) -> None:
    if reply is not None:
        assert codec.parse_reply(text) == reply
    else:
        with pytest.raises(WireError, match="is no reply"):
            codec.parse_reply(text)


def test_errors_have_names_and_an_unknown_one_is_still_an_error() -> None:
    named = ["?", "?NA", "?OOR", "?COM", "?IGN", "?XY", ""]
    told = [Reply(0, "", "S", data).error for data in named]
    assert told == [
        "not-recognised", "not-applicable", "out-of-range", "garbled", "ignored", "unknown-error", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "counter"),
    [
        ("I0.500W0.000ML", Counter(500_000, 0, 1_000)),
        ("I0.500W0.000UL", Counter(500, 0, 1)),
        ("I0.5W0.0UL", Counter(500, 0, 1)),
        ("I26.59W0.001UL", Counter(26_590, 1, 10)),
        ("I750.0W0.000UL", Counter(750_000, 0, 100)),
        ("I1000.W0.000UL", Counter(1_000_000, 0, 1_000)),
        ("I0.000W20.00ML", Counter(0, 20_000_000, 1_000)),
    ],
)
def test_the_counter_tells_what_its_last_digit_is_worth(data: str, counter: Counter) -> None:
    assert codec.parse_counter(data) == counter


def test_rates_and_volumes_are_read_in_their_units() -> None:
    assert codec.parse_rate("26.59UH") == 26_590
    assert codec.parse_rate("26.59MH") is None
    assert (codec.parse_volume("0.5UL"), codec.parse_volume("0.500ML")) == (500, 500_000)
    for read, data in (
        (codec.parse_rate, "26.59"),
        (codec.parse_volume, "0.5UH"),
        (codec.parse_counter, "I1W2"),
    ):
        with pytest.raises(WireError):
            read(data)
