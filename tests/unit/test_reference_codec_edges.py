"""The edges of the reference codec: every number of the page, the next byte, and what is held of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.drivers import reference_codec as codec
from pump_ctrl.drivers.base import Step, StepKind
from pump_ctrl.drivers.reference_codec import FrameDecoder
from pump_ctrl.errors import WireError
from tests.unit.reference_page import frame, identity, result, status
from tests.unit.test_reference_codec import drain

OWNER, EPOCH = 0xA1A2A3A4, 0xB1B2B3B4
GOOD = frame(2, OWNER, EPOCH, 1)


# ---- the numbers of the page, sections 2, 3 and 5 ----


def test_each_type_has_the_number_of_the_page() -> None:
    assert {kind.name: kind.value for kind in codec.Type} == {
        "HELLO": 0x01, "STATUS": 0x02, "PROPOSE": 0x03, "COMMIT": 0x04, "STOP": 0x05, "OUTCOME": 0x06,
    }  # fmt: skip
    assert (codec.REPLY_BIT, codec.ALARM, codec.NAK) == (0x80, 0xC0, 0xFF)


def test_the_largest_numbers_are_those_that_four_and_eight_bytes_hold() -> None:
    assert (codec.U32_MAX, codec.U64_MAX) == (4_294_967_295, 18_446_744_073_709_551_615)


def test_each_kind_of_step_has_the_number_of_the_page() -> None:
    steps = tuple(Step(kind, 1, 1) for kind in (StepKind.BASAL, StepKind.BOLUS, StepKind.PRIME))
    packed = codec.encode_steps(steps)
    assert (packed[0], packed[1], packed[10], packed[19]) == (3, 0, 1, 2)
    assert len(packed) == 28


def test_a_frame_without_a_payload_has_none() -> None:
    assert codec.encode_frame(2, owner=OWNER, epoch=EPOCH, seq=1) == GOOD


@pytest.mark.parametrize("what", range(8))
def test_a_result_keeps_its_number(what: int) -> None:
    assert codec.decode_result(result(9, what) + status(), EPOCH).what == what


@pytest.mark.parametrize("what", [8, 9, 255])
def test_a_result_that_the_page_does_not_have_is_nonsense(what: int) -> None:
    with pytest.raises(WireError):
        codec.decode_result(result(9, what) + status(), EPOCH)


@pytest.mark.parametrize("bit", [6, 7, 31])
def test_an_alarm_that_the_page_does_not_name_is_kept_with_its_number(bit: int) -> None:
    assert codec.decode_status(status(alarms=1 << bit | 1), EPOCH).status.alarms == {"reset", f"bit-{bit}"}


@pytest.mark.parametrize("percent", [0, 1, 99, 100])
def test_a_battery_has_up_to_100_percent(percent: int) -> None:
    assert codec.decode_status(status(battery=percent), EPOCH).status.battery_percent == percent


@pytest.mark.parametrize(("running_id", "told"), [(0, None), (1, 1), (2**64 - 1, 2**64 - 1)])
def test_the_id_0_stands_for_no_run(running_id: int, told: int | None) -> None:
    assert codec.decode_status(status(running_id=running_id), EPOCH).status.running_id == told


def test_a_read_back_is_id_and_check_sum() -> None:
    told = codec.decode_read_back(bytes.fromhex("0000000000000009 deadbeef"), EPOCH)
    assert told == (9, 0xDEADBEEF)


def test_a_name_ends_where_its_padding_begins() -> None:
    for model in ("x", "really? yes?", "sixteen letters!"):
        padded = identity(model=model.encode(), serial=b"?")
        told = codec.decode_hello(padded + status(), EPOCH).identity
        assert (told.model, told.serial) == (model, "?")


def test_it_is_the_same_pump_if_its_names_and_ranges_are_whatever_its_epoch() -> None:
    told = codec.decode_hello(identity() + status(), EPOCH)
    assert told.is_same_pump(codec.decode_hello(identity() + status(generation=7), EPOCH + 1))
    for other in (
        replace(told, identity=replace(told.identity, model="other")),
        replace(told, identity=replace(told.identity, firmware="other")),
        replace(told, identity=replace(told.identity, serial="other")),
        replace(told, identity=replace(told.identity, serial=None)),
        replace(told, ranges=replace(told.ranges, step_nl=101)),
        replace(told, ranges=replace(told.ranges, outcomes=8)),
    ):
        assert not told.is_same_pump(other)


# ---- frames ----


def test_a_whole_frame_leaves_nothing_behind() -> None:
    decoder = FrameDecoder()
    decoder.feed(GOOD + GOOD)
    assert len(drain(decoder)) == 2
    assert (decoder.held, decoder.noise) == (b"", 0)


@pytest.mark.parametrize("junk", [b"?", b"??", b"\x7e", b"\x00" * 100])
def test_a_run_of_junk_hides_no_frame_behind_it_and_counts_once(junk: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(junk + GOOD)
    assert [found.seq for found in drain(decoder)] == [1]
    assert (decoder.held, decoder.noise) == (b"", 1)


@pytest.mark.parametrize(
    ("data", "held", "noise"),
    [
        (b"junk", b"", 1),
        (b"junk\x7e", b"\x7e", 1),
        (b"\x7e\x00", b"\x7e\x00", 0),
        (b"\x7e\x00\x0e", b"\x7e\x00\x0e", 0),
        (b"\x7e\x00\x0d", b"", 2),  # a length out of range costs the SOF; what it was begins nothing
        (b"\x7e\xff\xff", b"", 2),
        (GOOD[:-1], GOOD[:-1], 0),
    ],
)
def test_only_what_may_begin_a_frame_is_held(data: bytes, held: bytes, noise: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(data)
    assert drain(decoder) == []
    assert (decoder.held, decoder.noise) == (held, noise)


def test_up_to_4096_bytes_are_held_and_of_more_the_oldest_are_lost() -> None:
    decoder = FrameDecoder()
    decoder.feed(GOOD + bytes(4_096 - len(GOOD)))
    assert (len(decoder.held), decoder.noise) == (4_096, 0)
    assert len(drain(decoder)) == 1
    decoder = FrameDecoder()
    decoder.feed(GOOD + bytes(4_097 - len(GOOD)))
    assert (len(decoder.held), decoder.noise) == (4_096, 1)
    assert drain(decoder) == []


def test_a_beginning_that_is_given_up_is_noise_once() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x7e")
    assert drain(decoder) == []
    decoder.drop_partial()
    assert (decoder.held, decoder.noise) == (b"", 1)
