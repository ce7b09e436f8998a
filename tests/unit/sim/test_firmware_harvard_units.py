"""Lines, numbers and units of the Harvard protocol, read and written."""

from fractions import Fraction

import pytest

from sim.firmware.harvard_calendar import clock_text, read_clock
from sim.firmware.harvard_frames import MOST_LINE, Receiver, RefusedError, Request, Tail, parse, reply
from sim.firmware.harvard_units import (
    diameter_text,
    rate_of,
    read_decimal,
    read_diameter,
    read_rate,
    read_time_s,
    read_volume,
    read_whole,
    six,
    time_text,
    volume_text,
)

# Lines


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        (b"", Request(None, "", ())),
        (b"   ", Request(None, "", ())),
        (b"@", Request(None, "", ())),
        (b"7", Request(7, "", ())),
        (b"07:", Request(7, "", ())),
        (b"irate 3.2 u/m", Request(None, "irate", ("3.2", "u/m"))),
        (b"12irat 3.2 u/m", Request(12, "irat", ("3.2", "u/m"))),
        (b"12:IRAT  3.2  U/m ", Request(12, "irat", ("3.2", "U/m"))),
        (b"@3 irate lim", Request(3, "irate", ("lim",))),
        (b"123irate", Request(12, "3irate", ())),
        (b":irate", Request(None, ":irate", ())),
        (b"ir\xe4te", Request(None, "ir\xe4te", ())),
    ],
)
def test_a_line_is_taken_apart(line: bytes, request_: Request) -> None:
    assert parse(line) == request_


def test_lines_are_cut_behind_each_carriage_return_however_they_come() -> None:
    data = b"ver\r\naddr\r\r\nst"
    receiver = Receiver()
    assert receiver.feed(data) == [(b"ver\r", b"ver"), (b"\naddr\r", b"addr"), (b"\r", b""), (b"\nst", None)]
    assert receiver.feed(b"op\r") == [(b"op\r", b"stop")]
    single = Receiver()
    lines = [line for i in range(len(data)) for _, line in single.feed(data[i : i + 1])]
    assert [line for line in lines if line is not None] == [b"ver", b"addr", b""]


@pytest.mark.parametrize("size", [MOST_LINE + 1, 10_000])
def test_a_line_that_is_too_long_keeps_one_byte_more_than_the_longest(size: int) -> None:
    ((_, line),) = Receiver().feed(b"a" * size + b"\r")
    assert line == b"a" * (MOST_LINE + 1)


def test_a_line_that_never_ends_holds_a_bounded_number_of_bytes() -> None:
    receiver = Receiver()
    for _ in range(100):
        receiver.feed(b"x" * 1_000)
    assert len(receiver._held) == MOST_LINE + 1


@pytest.mark.parametrize(
    ("lines", "tail", "data"),
    [
        ((), Tail(":"), b"\n:"),
        (("1 ml/min",), Tail(":", None, xon=True), b"\n1 ml/min\r\n:\x11"),
        (("a", "   b"), Tail(">", 3), b"\n03:a\r\n03:   b\r\n03>"),
        ((), Tail("T*", 12, xon=True), b"\n12T*\x11"),
        (("x",), Tail("", 3), b"\n03:x\r\n"),
    ],
)
def test_a_reply_is_a_line_feed_its_lines_and_the_prompt(
    lines: tuple[str, ...], tail: Tail, data: bytes
) -> None:
    assert reply(lines, tail) == data


# Numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(1), "1"),
        (Fraction("199.49"), "199.49"),
        (Fraction("12.4882000000"), "12.4882"),
        (Fraction("12.48825"), "12.4883"),
        (Fraction("12.488249"), "12.4882"),
        (Fraction("999999.5"), "1000000"),
        (Fraction("1234567"), "1234570"),
        (Fraction("0.0000123456789"), "0.0000123457"),
        (Fraction(1, 3), "0.333333"),
        (Fraction("0.9999996"), "1"),
        (Fraction(100), "100"),
    ],
)
def test_a_number_is_written_with_up_to_six_digits(value: Fraction, text: str) -> None:
    assert six(value) == text


@pytest.mark.parametrize(
    ("fl", "text"),
    [
        (0, "0 ul"),
        (1_690_230_000, "1.69023 ul"),
        (999_999_000, "999.999 nl"),
        (10**9, "1 ul"),
        (10**12, "1 ml"),
        (10**12 - 1, "1000 ul"),
        (1_000, "1 pl"),
        (1, "0.001 pl"),
    ],
)
def test_a_counted_volume_is_written_in_the_largest_unit_that_makes_it_1_or_more(fl: int, text: str) -> None:
    assert volume_text(fl) == text


def test_a_limit_is_written_per_minute_in_the_largest_unit_that_makes_it_1_or_more() -> None:
    assert str(rate_of(Fraction(10**12, 60_000))) == "1 ml/min"
    assert str(rate_of(Fraction(10**12 - 10**6, 60_000))) == "999.999 ul/min"
    assert str(rate_of(Fraction(1, 60_000))) == "0.001 pl/min"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 seconds"),
        (59_999, "59 seconds"),
        (60_000, "00:01:00"),
        (100_000, "00:01:40"),
        (356_460_000, "99:01:00"),
        (3_600_000_000, "1000:00:00"),
    ],
)
def test_a_time_is_seconds_and_from_a_minute_on_a_clock(ms: int, text: str) -> None:
    assert time_text(ms) == text


def test_a_diameter_has_four_decimals() -> None:
    assert [diameter_text(d) for d in (72_620, 1_000, 450_000)] == ["7.2620 mm", "0.1000 mm", "45.0000 mm"]


@pytest.mark.parametrize(
    ("words", "fl_per_ms", "text"),
    [
        ("3.2 u/m", Fraction(3_200_000_000, 60_000), "3.2 ul/min"),
        ("5 ml/min", Fraction(5 * 10**12, 60_000), "5 ml/min"),
        ("1 N/H", Fraction(10**6, 3_600_000), "1 nl/hr"),
        ("7 pl/s", Fraction(7), "7 pl/s"),
        (".5 ul/hr", Fraction(5 * 10**8, 3_600_000), "0.5 ul/hr"),
        ("5. m/s", Fraction(5 * 10**9), "5 ml/s"),
    ],
)
def test_a_rate_is_read_exactly_and_written_in_its_own_unit(
    words: str, fl_per_ms: Fraction, text: str
) -> None:
    rate = read_rate(tuple(words.split()))
    assert (rate.fl_per_ms, str(rate)) == (fl_per_ms, text)


@pytest.mark.parametrize(
    ("words", "fl"),
    [("1 m", 10**12), ("8.6284 ml", 8_628_400_000_000), ("0.0005 pl", 0), ("2 L", 2 * 10**15)],
)
def test_a_volume_is_read_exactly(words: str, fl: int) -> None:
    assert read_volume(tuple(words.split())).fl == fl


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("1", 1), ("359999", 359_999), ("00:00:01", 1), ("99:59:59", 359_999), ("1:02:03", 3_723)],
)
def test_a_time_is_read_as_seconds_or_a_clock(word: str, seconds: int) -> None:
    assert read_time_s((word,)) == seconds


@pytest.mark.parametrize(
    ("words", "diameter"), [("7.262", 72_620), ("7.262 MM", 72_620), ("0.1", 1_000), ("9.99995", 100_000)]
)
def test_a_diameter_is_read_to_four_decimals(words: str, diameter: int) -> None:
    assert read_diameter(tuple(words.split()), 330_000) == diameter


@pytest.mark.parametrize(
    "word", ["", ".", "-1", "+1", "1e3", "0x1", "1_0", "１", "1,5", "1 ", "nan", "inf", "1.2.3", "9" * 13]
)
def test_what_is_no_plain_decimal_is_refused(word: str) -> None:
    with pytest.raises(RefusedError):
        read_decimal(word)


@pytest.mark.parametrize("word", ["", "-1", "1.0", "１", "1" * 10, "0", "101"])
def test_what_is_no_whole_number_in_its_range_is_refused(word: str) -> None:
    with pytest.raises(RefusedError):
        read_whole(word, 1, 100)


@pytest.mark.parametrize("word", ["0:60:00", "100:00:00", "1:00", "00:00:00", "a", "-1", "360000"])
def test_what_is_no_time_is_refused(word: str) -> None:
    with pytest.raises(RefusedError):
        read_time_s((word,))


# The clock


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("05/08/23 14:48:23", "05/08/23 2:48:23 PM"),
        ("01/01/00 00:00:00", "01/01/00 12:00:00 AM"),
        ("02/29/24 12:00:00", "02/29/24 12:00:00 PM"),
        ("12/31/99 23:59:59", "12/31/99 11:59:59 PM"),
        ("3/1/24 1:02:03", "03/01/24 1:02:03 AM"),
    ],
)
def test_the_date_that_was_set_is_shown(typed: str, shown: str) -> None:
    assert clock_text(read_clock(tuple(typed.split()))) == shown


def test_every_day_of_the_century_follows_the_one_before() -> None:
    seen = [clock_text(day * 86_400) for day in range(36_525)]
    assert len(set(seen)) == 36_525
    assert (seen[59], seen[60], seen[365], seen[366]) == (
        "02/29/00 12:00:00 AM",
        "03/01/00 12:00:00 AM",
        "12/31/00 12:00:00 AM",
        "01/01/01 12:00:00 AM",
    )
    assert all(read_clock((s[:8], "0:00:00")) == day * 86_400 for day, s in enumerate(seen))


@pytest.mark.parametrize(
    "words",
    [
        "02/30/24 0:00:00",
        "02/29/23 0:00:00",
        "13/01/24 0:00:00",
        "01/01/24 24:00:00",
        "01/01/24",
        "0/1/24 0:00:00",
        "01/01/24 0:00:00 PM",
        "1/1/2024 0:00:00",
    ],
)
def test_what_is_no_date_is_refused(words: str) -> None:
    with pytest.raises(RefusedError):
        read_clock(tuple(words.split()))
