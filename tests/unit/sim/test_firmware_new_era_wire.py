"""The sessions and packets of the New Era wire specification, replayed against the simulated pump."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sim.firmware.new_era_frames import Packet, Receiver, safe
from tests.unit.sim.new_era_host import Bench

DATA = tomllib.loads((Path(__file__).parents[2] / "wire" / "new_era.toml").read_text(encoding="utf-8"))
SESSIONS = DATA["session"]
FRAMES = [(row["text"], bytes.fromhex(row["hex"])) for group in DATA["frame"] for row in group["frames"]]
HARMLESS = b"\x00 \x1b\x7f\xff"  # control characters, blanks and bytes that are no ASCII


def bench(session: dict[str, Any]) -> Bench:
    one = Bench()
    for name, value in session.get("memory", {}).items():
        setattr(one.memory, name, value)
    one.firmware.power_up(0)
    if not session.get("fresh"):
        one.firmware.alarm = ""
        one.firmware.take_pushed()
    return one


@pytest.mark.parametrize("way", ["whole", "byte by byte", "with junk"])
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session["name"])
def test_a_session_of_the_document_is_answered_byte_for_byte(session: dict[str, Any], way: str) -> None:
    if way == "with junk" and not session.get("junk", True):
        way = "whole"
    one = bench(session)
    for step in session["exchanges"]:
        one.wait(step.get("after_ms", 0))
        pushed = b"".join(data for _, data in one.firmware.take_pushed())
        assert pushed == bytes.fromhex(step.get("pushed", ""))
        data = bytes.fromhex(step["host"])
        if way == "byte by byte":
            answer = b"".join(one.raw(data[i : i + 1]) for i in range(len(data)))
        elif way == "with junk":
            answer = one.raw(HARMLESS + data + HARMLESS)
        else:
            answer = one.raw(data)
        assert answer.hex(" ") == step["pump"]


@pytest.mark.parametrize(("text", "data"), FRAMES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_packet_of_the_document_is_written_and_read(text: str, data: bytes) -> None:
    assert safe(text) == data
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))], [b"x\r"[:1] + data + b"\x03\x11"]):
        receiver = Receiver(refuse_length=False)
        found = [packet for piece in pieces for packet in receiver.feed(piece, 0)]
        assert found == [Packet(text, safe=True, good=True)]


@pytest.mark.parametrize("at", range(2, 10))
def test_a_packet_with_any_byte_of_text_or_crc_wrong_is_never_carried_out(at: int) -> None:
    data = bytearray(safe("0RUN"))
    data[at % len(data)] ^= 0x04
    receiver = Receiver(refuse_length=False)
    assert all(not packet.good for packet in receiver.feed(bytes(data), 0))
