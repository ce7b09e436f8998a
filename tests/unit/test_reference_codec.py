"""The frames of the reference protocol, one row each: whole, in pieces, among noise (F-10 to F-14)."""

from __future__ import annotations

import random
from itertools import pairwise
from zlib import crc32

import pytest

from pump_ctrl.drivers import reference_codec as codec
from pump_ctrl.drivers.base import Identity, PumpState, PumpStatus, Step, StepKind
from pump_ctrl.drivers.reference_codec import Frame
from pump_ctrl.errors import WireError
from tests.unit.reference_page import frame, identity, result, status

OWNER, EPOCH = 0xA1A2A3A4, 0xB1B2B3B4
STEPS = (Step(StepKind.BOLUS, 4_400, 1_200_000), Step(StepKind.BASAL, 100, 3_600_000))
LIST = "02 01 00001130 00124f80 00 00000064 0036ee80"
TOLD = (
    "00000002 00000007 000000000001e240 00000000000f4240 01 0000000000000009 01 000001f4 01312d00 61 00000021"
)

# type, owner, epoch, seq, payload, the bytes on the wire
ROWS = {
    "HELLO": (1, OWNER, 0, 1, "", "000e 01 01 a1a2a3a4 00000000 00000001", "8733c289"),
    "STATUS": (2, OWNER, EPOCH, 2, "", "000e 01 02 a1a2a3a4 b1b2b3b4 00000002", "775fb842"),
    "PROPOSE": (
        3, OWNER, EPOCH, 3, "0000000000000009 00000001 0000000000001388" + LIST,
        "0035 01 03 a1a2a3a4 b1b2b3b4 00000003 0000000000000009 00000001 0000000000001388" + LIST,
        "5fd15825",
    ),
    "COMMIT": (
        4, OWNER, EPOCH, 4, "0000000000000009 deadbeef 00000001 0000000000001388",
        "0026 01 04 a1a2a3a4 b1b2b3b4 00000004 0000000000000009 deadbeef 00000001 0000000000001388",
        "1bc6f034",
    ),
    "STOP": (5, OWNER, 0, 5, "", "000e 01 05 a1a2a3a4 00000000 00000005", "40e76c06"),
    "OUTCOME": (
        6, OWNER, EPOCH, 6, "0000000000000009",
        "0016 01 06 a1a2a3a4 b1b2b3b4 00000006 0000000000000009", "9c28b5ba",
    ),
    "STATUS reply": (
        0x82, OWNER, EPOCH, 2, TOLD, "003d 01 82 a1a2a3a4 b1b2b3b4 00000002" + TOLD, "a442b847",
    ),
    "ALARM": (0xC0, 0, EPOCH, 0, TOLD, "003d 01 c0 00000000 b1b2b3b4 00000000" + TOLD, "6553c855"),
    "NAK": (
        0xFF, OWNER, EPOCH, 3, "05" + TOLD, "003e 01 ff a1a2a3a4 b1b2b3b4 00000003 05" + TOLD, "977d7a11",
    ),
}  # fmt: skip


def decoded(*pieces: bytes) -> list[Frame]:
    decoder = codec.FrameDecoder()
    frames = []
    for piece in pieces:
        decoder.feed(piece)
        frames += drain(decoder)
    return frames


def drain(decoder: codec.FrameDecoder) -> list[Frame]:
    frames = []
    while not isinstance(found := decoder.next_frame(), codec.NeedData):
        frames.append(found)
    return frames


@pytest.mark.parametrize("name", ROWS)
def test_each_message_has_the_bytes_of_the_page_both_ways(name: str) -> None:
    kind, owner, epoch, seq, payload, head, crc = ROWS[name]
    wire, content = bytes.fromhex("7e" + head + crc), bytes.fromhex(payload)
    assert codec.encode_frame(kind, owner=owner, epoch=epoch, seq=seq, payload=content) == wire
    wanted = [Frame(1, kind, owner, epoch, seq, content)]
    assert decoded(wire) == wanted
    assert decoded(*(wire[i : i + 1] for i in range(len(wire)))) == wanted
    assert decoded(wire[:5], wire[5:] + wire[:9], wire[9:]) == wanted * 2
    assert decoded(b"noise" + wire + b"\x00\xff" + wire + b"?") == wanted * 2
    for cut in range(1, len(wire)):
        assert decoded(wire[:cut], wire) in (
            wanted,
            [],
        )  # a cut frame may hide the one behind it, for a while


def test_payloads_that_are_made_here_have_the_bytes_of_the_page() -> None:
    steps = codec.encode_steps(STEPS)
    assert steps == bytes.fromhex(LIST)
    assert codec.encode_proposal(9, 1, 5_000, steps) == bytes.fromhex(ROWS["PROPOSE"][4])
    assert codec.encode_commit(9, 0xDEADBEEF, 1, 5_000) == bytes.fromhex(ROWS["COMMIT"][4])
    assert codec.encode_id(9) == bytes.fromhex(ROWS["OUTCOME"][4])


def test_a_status_is_read_field_by_field() -> None:
    told = codec.decode_status(bytes.fromhex(TOLD), EPOCH)
    assert told.generation == 2
    assert told.status == PumpStatus(
        epoch=EPOCH,
        tick=7,
        tick_ms=123_456,
        state=PumpState.RUNNING,
        delivered_nl=1_000_000,
        running_id=9,
        step_index=1,
        step_done_nl=500,
        reservoir_nl=20_000_000,
        battery_percent=97,
        alarms=frozenset({"reset", "low_reservoir"}),
    )


@pytest.mark.parametrize(
    ("code", "state"), [(0, "idle"), (1, "running"), (2, "stalled"), (3, "empty"), (4, "failed")]
)
def test_each_state_has_its_number(code: int, state: str) -> None:
    assert codec.decode_status(status(state=code), EPOCH).status.state == state


@pytest.mark.parametrize(
    ("bit", "name"),
    list(enumerate(["reset", "stall", "empty", "low_battery", "end_of_service", "low_reservoir", "bit-6"])),
)
def test_each_alarm_has_its_bit_and_an_unknown_one_is_not_lost(bit: int, name: str) -> None:
    assert codec.decode_status(status(alarms=1 << bit), EPOCH).status.alarms == {name}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "code-0"), (1, "version"), (2, "malformed"), (3, "stale_epoch"), (4, "stale_generation"),
        (5, "late"), (6, "busy"), (7, "range"), (8, "used"), (9, "conflict"), (10, "failed"), (11, "code-11"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_code(code: int, name: str) -> None:
    assert codec.decode_nak(bytes((code,)) + status(), EPOCH).code == name


@pytest.mark.parametrize(
    ("code", "name"),
    list(enumerate(["UNKNOWN", "PROPOSED", "RUNNING", "DONE", "REPLACED", "STOPPED", "RESET", "DROPPED"])),
)
def test_each_result_has_its_number(code: int, name: str) -> None:
    read = codec.decode_result(result(9, code, 1_200) + status(generation=3), EPOCH)
    assert (read.id, read.what.name, read.given_nl, read.told.generation) == (9, name, 1_200, 3)


def test_hello_tells_names_and_ranges() -> None:
    hello = codec.decode_hello(identity(outcomes=8) + status(generation=5), EPOCH)
    assert hello.identity == Identity("implant-20", "1.0", "SIM-0001", EPOCH)
    assert hello.ranges == codec.Ranges(13, 100, 1_000_000, 86_400_000, 60_000, 8)
    assert hello.told.generation == 5


def test_a_pump_without_a_serial_has_none() -> None:
    assert codec.decode_hello(identity(serial=b"") + status(), EPOCH).identity.serial is None


@pytest.mark.parametrize(
    "read",
    [codec.decode_status, codec.decode_hello, codec.decode_read_back, codec.decode_result, codec.decode_nak],
)
@pytest.mark.parametrize("size", [0, 1, 11, 13, 46, 49, 63, 65, 105, 107, 498])
def test_a_payload_of_another_size_is_nonsense(read: object, size: int) -> None:
    assert callable(read)
    with pytest.raises(WireError, match=f"payload of {size} bytes"):
        read(bytes(size), EPOCH)


@pytest.mark.parametrize(
    ("read", "payload", "epoch"),
    [
        (codec.decode_status, status(state=5), EPOCH),
        (codec.decode_status, status(battery=101), EPOCH),
        (codec.decode_status, status(), 0),
        (codec.decode_result, result(9, 8) + status(), EPOCH),
        (codec.decode_result, result(9, 2) + status(state=9), EPOCH),
        (codec.decode_nak, b"\x05" + status(state=9), EPOCH),
        (codec.decode_hello, identity(model=b"implant-\xff") + status(), EPOCH),
        (codec.decode_hello, identity(ttl_ms=0) + status(), EPOCH),
        (codec.decode_hello, identity(outcomes=0) + status(), EPOCH),
        (codec.decode_hello, identity() + status(), 0),
    ],
)
def test_values_that_the_page_does_not_have_are_nonsense(read: object, payload: bytes, epoch: int) -> None:
    assert callable(read)
    with pytest.raises(WireError):
        read(payload, epoch)


@pytest.mark.parametrize("length", [0, 13, 513, 0x7E7E, 0xFFFF])
def test_a_length_out_of_range_costs_one_byte_and_the_next_frame_is_found(length: int) -> None:
    good = frame(2, OWNER, EPOCH, 1)
    assert len(decoded(b"\x7e" + length.to_bytes(2, "big") + good)) == 1


@pytest.mark.parametrize("size", [0, 498])
def test_the_shortest_and_the_longest_body_are_frames(size: int) -> None:
    assert [len(found.payload) for found in decoded(frame(2, OWNER, EPOCH, 1, bytes(size)))] == [size]


def test_a_body_of_one_byte_less_or_more_is_no_frame_though_its_crc_is_right() -> None:
    for body in (bytes(13), bytes(513)):
        covered = len(body).to_bytes(2, "big") + body
        assert decoded(b"\x7e" + covered + crc32(covered).to_bytes(4, "big")) == []


def test_any_flipped_bit_makes_no_frame_and_leaves_the_next_one_whole() -> None:
    wire = frame(0x82, OWNER, EPOCH, 2, status())
    for bit in range(8 * len(wire)):
        bad = bytearray(wire)
        bad[bit // 8] ^= 1 << bit % 8
        decoder = codec.FrameDecoder()
        decoder.feed(bytes(bad) + wire)
        found = drain(decoder)
        decoder.drop_partial()  # a flipped length may have hidden the next frame, until the pause
        assert found + drain(decoder) == [Frame(1, 0x82, OWNER, EPOCH, 2, status())]
        assert decoder.noise


def test_a_frame_within_a_broken_frame_is_found() -> None:
    inner = frame(2, OWNER, EPOCH, 1)
    broken = b"\x7e" + (len(inner) + 20).to_bytes(2, "big") + inner + bytes(24)
    assert len(decoded(broken)) == 1


def test_no_more_than_4096_bytes_are_held_and_the_newest_are_kept() -> None:
    decoder = codec.FrameDecoder()
    good = frame(2, OWNER, EPOCH, 1)
    decoder.feed(b"\x7e" * 100_000 + good)
    assert len(decoder.held) == 4_096  # the bound is the point
    assert len(drain(decoder)) == 1
    assert not decoder.held


def test_a_pause_drops_the_partial_frame_and_finds_what_it_hid() -> None:
    decoder = codec.FrameDecoder()
    good = frame(2, OWNER, EPOCH, 1)
    decoder.feed(b"\x7e\x01\x00" + good + b"\x7e\x00")
    assert drain(decoder) == []
    held = [bool(decoder.held)]
    decoder.drop_partial()
    held.append(bool(decoder.held))
    assert held == [True, False]
    assert [found.seq for found in drain(decoder)] == [1]
    assert decoder.noise >= 2
    decoder.drop_partial()
    assert drain(decoder) == []


def test_garbage_of_any_kind_ends_and_makes_no_frame() -> None:
    dice = random.Random(1)
    for weights in ((1, 1), (20, 1), (1, 20)):
        decoder = codec.FrameDecoder()
        for _ in range(100):
            decoder.feed(
                bytes(0x7E if dice.choices((0, 1), weights)[0] else dice.randrange(256) for _ in range(50))
            )
            assert drain(decoder) == []
        assert decoder.noise


def test_noise_counts_runs_of_bytes_that_were_no_frame() -> None:
    decoder = codec.FrameDecoder()
    good = frame(2, OWNER, EPOCH, 1)
    decoder.feed(good + b"abc" + good + b"de")
    assert len(drain(decoder)) == 2
    assert decoder.noise == 2


def test_refusal_names_and_result_numbers_are_each_given_once() -> None:
    assert len(set(codec.NAK_CODES.values())) == 10
    assert all(b - a == 1 for a, b in pairwise(sorted(codec.NAK_CODES)))
