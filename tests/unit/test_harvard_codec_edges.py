"""The edges of the Harvard codec: leaked prompts, missing prefixes, bounds, and marks to the last digit."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.harvard_codec import (
    NEED_DATA,
    Mark,
    Prompt,
    Reply,
    ReplyDecoder,
    Version,
    encode,
    mark_rate,
    parse_percent,
    parse_reply,
    parse_status,
    parse_version,
    read_mark,
)
from pump_ctrl.errors import WireError

FL_H = 600_000  # fL/h of 0.00001 ul/min


# ---- replies, sections 2, 4 and 10 of the document ----


@pytest.mark.parametrize(
    ("raw", "prompt"),
    [
        (b"\nT*\r\n1.69023 ul\r\n>", Prompt.INFUSING),
        (b"\n:\r\n1.69023 ul\r\n*", Prompt.STALLED),
        (b"\n>\r\n1.69023 ul\r\n:", Prompt.IDLE),
    ],
)
def test_of_several_prompts_the_last_says_what_the_pump_does(raw: bytes, prompt: Prompt) -> None:
    assert parse_reply(raw, 0, polled=True) == Reply(prompt, ("1.69023 ul",), polled=True)


@pytest.mark.parametrize(
    ("address", "raw", "line"),
    [
        (2, b"\nPump address set to 2\r\n02:", "Pump address set to 2"),  # recorded
        (30, b"\n30 seconds\r\n30:", "30 seconds"),
        (30, b"\n30:30 seconds\r\n30:", "30 seconds"),
    ],
)
def test_a_line_without_its_address_is_left_whole(address: int, raw: bytes, line: str) -> None:
    assert parse_reply(raw, address, polled=True).lines == (line,)


def test_the_pump_stands_by_every_prompt_but_those_of_a_motor_that_runs() -> None:
    stands = {":": True, ">": False, "<": False, "*": True, "T*": True, ">*": True, "<*": True}
    assert {prompt.value: prompt.stands for prompt in Prompt} == stands


def test_a_prefix_has_no_colon_unless_it_is_asked_for() -> None:
    assert encode("irat 3.2 u/m", 12) == b"12irat 3.2 u/m\r"


# ---- the decoder's bounds ----


def test_up_to_4096_bytes_are_held_and_of_one_more_none() -> None:
    reply = b"\n:\x11"
    held = ReplyDecoder(0)
    held.feed(b"x" * (4_096 - len(reply)) + reply)
    assert held.next_reply() == Reply(Prompt.IDLE, (), polled=True)
    assert held.noise == 0
    over = ReplyDecoder(0)
    over.feed(b"x" * (4_097 - len(reply)) + reply)
    assert over.next_reply() is NEED_DATA
    assert (over.partial, over.noise) == (False, 1)


def test_a_reply_among_more_bytes_than_may_be_held_is_lost_with_them() -> None:
    decoder = ReplyDecoder(0)
    decoder.feed(b"\n:\x11" + b"x" * 5_000)
    assert (decoder.partial, decoder.noise) == (False, 1)
    decoder.feed(b"\n>\x11")
    assert decoder.next_reply() == Reply(Prompt.INFUSING, (), polled=True)


def test_what_is_thrown_away_is_counted_and_nothing_is_not() -> None:
    decoder = ReplyDecoder(0)
    decoder.drop()
    assert (decoder.partial, decoder.noise) == (False, 0)
    decoder.feed(b"\n1 ml")
    assert decoder.partial is True
    decoder.drop()
    assert (decoder.partial, decoder.noise) == (False, 1)


# ---- texts, sections 6 and 7 ----


@pytest.mark.parametrize(
    ("flags", "infuse", "runs"),
    [("I...I.", True, True), ("i...I.", True, False), ("W...W.", False, True), ("w...W.", False, False)],
)
def test_the_first_flag_tells_the_direction_and_in_capitals_that_the_motor_runs(
    flags: str, infuse: bool, runs: bool
) -> None:
    told = parse_status(f"0 0 0 {flags}")
    assert (told.infuse, told.runs) == (infuse, runs)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Firmware:      v3.0.6", Version("3.0.6", None, None)),
        ("FIRMWARE: 3.0.6", Version("3.0.6", None, None)),
        ("PUMP ADDRESS: 99", Version(None, 99, None)),
        ("SERIAL NUMBER: d101754", Version(None, None, "d101754")),
    ],
)
def test_each_line_of_a_version_tells_its_own_and_capitals_do_not_matter(line: str, version: Version) -> None:
    assert parse_version((line,)) == version


@pytest.mark.parametrize("lines", [(), ("Something: else",), ("Pump address:  x",), ("Firmware:",)])
def test_a_version_that_tells_nothing_is_an_error(lines: tuple[str, ...]) -> None:
    with pytest.raises(WireError):
        parse_version(lines)


@pytest.mark.parametrize(("line", "percent"), [("0%", 0), ("1%", 1), ("99 %", 99), ("100%", 100)])
def test_a_percentage_is_read(line: str, percent: int) -> None:
    assert parse_percent(line) == percent


@pytest.mark.parametrize("line", ["101%", "999%", "1000%", "-1%", "50", "%", "5.5%", ""])
def test_what_is_beyond_the_whole_is_no_percentage(line: str) -> None:
    with pytest.raises(WireError):
        parse_percent(line)


# ---- marks: kept by the pump from one version of this program to the next ----


@pytest.mark.parametrize(
    ("permit_id", "prepared", "armed"),
    [
        (399_989, 100_000, 500_000),  # 1.00000 and 5.00000 ul/min
        (1, 100_001, 500_001),
        (399_988, 499_988, 899_988),  # 4.99988 and 8.99988 ul/min
        (399_990, 100_001, 500_001),
        ((7 << 32) + 1, 100_001, 500_001),
    ],
)
def test_a_mark_is_written_as_the_versions_before_have_written_it(
    permit_id: int, prepared: int, armed: int
) -> None:
    assert mark_rate(permit_id, armed=False) == prepared * FL_H
    assert mark_rate(permit_id, armed=True) == armed * FL_H


@pytest.mark.parametrize("digits", [99_999, 499_989, 499_999, 899_989, 900_000])
def test_the_first_rate_beyond_the_marks_on_either_side_is_none(digits: int) -> None:
    for permit_id in (1, 399_988, 399_989):
        assert read_mark(digits * FL_H, permit_id) is Mark.OTHER
        assert read_mark(digits * FL_H + 1, permit_id) is Mark.OTHER


def test_a_rate_one_fl_off_a_mark_is_none() -> None:
    rate = mark_rate(9, armed=True)
    assert read_mark(rate, 9) is Mark.ARMED
    assert (read_mark(rate + 1, 9), read_mark(rate - 1, 9)) == (Mark.OTHER, Mark.OTHER)


def test_the_64_permits_before_ones_own_are_earlier_and_the_65th_is_not_known_to_be() -> None:
    told = [read_mark(mark_rate(1_000 - behind, armed=True), 1_000) for behind in (1, 64, 65)]
    assert told == [Mark.EARLIER, Mark.EARLIER, Mark.LATER]
