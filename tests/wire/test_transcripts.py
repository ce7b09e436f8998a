"""Wire transcripts of the manuals, replayed through the drivers' codecs: whole, byte by byte, and with junk around.

The simulated pumps answer the same transcripts in ``tests/unit/sim/test_firmware_*_wire.py``; those of the reference
protocol here. What a reply says is cut out of it here once more, in a few lines of each protocol's document.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.drivers import harvard_codec as harvard
from pump_ctrl.drivers import new_era_codec as new_era
from pump_ctrl.drivers import reference_codec as reference
from tests.in_one import in_one
from tests.unit.sim.host import Bench

HERE: Final = Path(__file__).parent
NEW_ERA, HARVARD, REFERENCE = (
    tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
    for name in ("new_era", "harvard", "reference")
)
Ways = Callable[[bytes, bytes], list[bytes]]
WAYS: Final[dict[str, Ways]] = {
    "whole": lambda data, _: [data],
    "byte by byte": lambda data, _: [data[i : i + 1] for i in range(len(data))],
    "cut in two": lambda data, _: [data[: len(data) // 2], data[len(data) // 2 :]],
    "with junk": lambda data, junk: [junk, data, junk],
    "with junk in one piece": lambda data, junk: [junk + data + junk],
}
every_way = in_one(way=WAYS)


# ---- New Era: STX text ETX, or STX length text CRC CRC ETX (sections 2 and 4) --------------------

PACKETS: Final = [
    bytes.fromhex(packet)
    for session in NEW_ERA["session"]
    for exchange in session["exchanges"]
    for packet in (exchange["pump"], exchange.get("pushed", ""))
    if packet
] + [
    bytes.fromhex(row["hex"])
    for group in NEW_ERA["frame"]
    for row in group["frames"]
    if row["text"][:2] == "00"
]
ASKED: Final = [
    bytes.fromhex(exchange["host"])
    for session in NEW_ERA["session"]
    for exchange in session["exchanges"]
    if exchange["host"]
] + [
    bytes.fromhex(row["hex"])
    for group in NEW_ERA["frame"]
    for row in group["frames"]
    if row["text"][:2] != "00"
]


def is_safe(packet: bytes) -> bool:
    return packet[1] < 0x30


def text_of(packet: bytes) -> str:
    return (packet[2:-3] if is_safe(packet) else packet[1:-1]).decode("ascii")


@every_way
@pytest.mark.parametrize("mode", ["of its own", "either"])
@pytest.mark.parametrize("packet", sorted(set(PACKETS)), ids=lambda packet: packet.hex())
def test_every_reply_of_the_new_era_document_is_read(packet: bytes, mode: str, way: Ways) -> None:
    decoder, found = new_era.FrameDecoder(), []
    decoder.safe = is_safe(packet) if mode == "of its own" else None
    for piece in way(packet, b"\xff\x00junk\x03"):
        decoder.feed(piece)
        while isinstance(text := decoder.next_text(), str):
            found.append(text)
    text = text_of(packet)
    assert found == [text]
    alarm = re.fullmatch(r"00A\?(.)", text)
    wanted = ("", text[2], text[3:]) if alarm is None else (alarm[1], "", "")
    reply = new_era.parse_reply(text)
    assert (reply.address, reply.alarm, reply.prompt, reply.data) == (0, *wanted)


def test_every_command_of_the_new_era_document_that_a_driver_would_say_so_is_written_so() -> None:
    """Not those that show what else a pump understands: blanks, small letters, CR LF, no address, a cut packet."""
    written = 0
    for packet in ASKED:
        whole = packet[0] == new_era.STX and len(packet) == packet[1] + 1
        text = packet[2:-3] if whole else packet[:-1]
        if not re.fullmatch(rb"[0-9][A-Z0-9.]*" if not whole else rb"[0-9]?[A-Z0-9.]*", text):
            continue
        address, command = (int(text[:1]), text[1:]) if text[:1].isdigit() else ("", text)
        made = new_era.encode(address, command.decode("ascii"), safe=whole)
        if packet != bytes.fromhex("02 08 30 52 55 4e 44 08 03"):  # the one with a wrong CRC
            assert made == packet
        written += 1
    assert written == 35


# ---- Harvard: LF, lines that end in CR LF, prompt, XON in polling mode (sections 2 to 4) ---------


def replies() -> Iterator[tuple[int, bytes, str]]:
    """Address that the pump has by then, its bytes, and which session they are from."""
    for session in HARVARD["session"]:
        address = 0
        for exchange in session["exchanges"]:
            found = re.match(r"\nPump address set to (\d+)", exchange["pump"])
            address = int(found[1]) if found else address
            for data in (exchange.get("pushed", ""), exchange["pump"]):
                if data:
                    yield address, data.encode("ascii"), session["name"]


def said(address: int, data: bytes) -> tuple[str, tuple[str, ...], bool]:
    """Prompt, lines and whether XON ended them."""
    number = f"{address:02d}" if address else ""
    *lines, prompt = data.decode("ascii").removesuffix("\x11").removeprefix("\n").split("\r\n")
    carried = all(line.startswith(f"{number}:") for line in lines)
    texts = tuple(line.removeprefix(f"{number}:") if number and carried else line for line in lines)
    return prompt.removeprefix(number), texts, data.endswith(b"\x11")


@every_way
@pytest.mark.parametrize(
    ("address", "data"),
    sorted({(address, data) for address, data, _ in replies()}),
    ids=lambda part: repr(part)[:60],
)
def test_every_reply_of_the_harvard_document_is_read(address: int, data: bytes, way: Ways) -> None:
    """Junk is what a line adds before a reply; behind one without XON nothing may follow, for only silence ends it."""
    prompt, lines, polled = said(address, data)
    junk = b"\x00\xff~!junk"
    pieces = way(data, junk)
    if not polled:
        pieces = [piece.removesuffix(junk) if i else piece for i, piece in enumerate(pieces)]
        pieces = [pieces[0].removesuffix(junk), *pieces[1:]] if len(pieces) == 1 else pieces
    decoder, found = harvard.ReplyDecoder(address), []
    for piece in pieces:
        decoder.feed(piece)
        while isinstance(reply := decoder.next_reply(), harvard.Reply):
            found.append(reply)
    if not polled:
        rest = decoder.rest()
        found += [rest] if isinstance(rest, harvard.Reply) else []
    assert found == [harvard.Reply(harvard.Prompt(prompt), lines, polled)]


def test_every_request_of_the_harvard_document_that_a_driver_would_say_so_is_written_so() -> None:
    hosts = {e["host"] for session in HARVARD["session"] for e in session["exchanges"]}
    plain = {host for host in hosts if re.fullmatch(r"[a-z][a-z0-9. /:]*\r", host)}
    assert len(plain) == 57
    assert all(harvard.encode(host[:-1], 0) == host.encode("ascii") for host in plain)
    assert harvard.encode("svolume", 3) == b"03svolume\r"
    assert "03svolume\r" in hosts


# ---- reference: SOF, length, body, CRC (sections 1 to 3) ------------------------------------------

EXCHANGES: Final[list[dict[str, Any]]] = REFERENCE["exchange"]
FRAMES: Final = [bytes.fromhex(exchange[side]) for exchange in EXCHANGES for side in ("host", "pump")]
NOISE: Final = b"\x00noise\xff"


@every_way
@pytest.mark.parametrize("data", FRAMES, ids=lambda data: data.hex()[:34])
def test_every_frame_of_the_reference_transcript_is_read_and_written(data: bytes, way: Ways) -> None:
    decoder, found = reference.FrameDecoder(), []
    for piece in way(data, NOISE):
        decoder.feed(piece)
        while isinstance(frame := decoder.next_frame(), reference.Frame):
            found.append(frame)
    body = data[3:-4]
    owner, epoch, seq = (int.from_bytes(body[at : at + 4], "big") for at in (2, 6, 10))
    assert found == [reference.Frame(1, body[1], owner, epoch, seq, body[14:])]
    assert reference.encode_frame(body[1], owner=owner, epoch=epoch, seq=seq, payload=body[14:]) == data


@every_way
def test_the_simulated_pump_answers_the_reference_transcript_byte_for_byte(way: Ways) -> None:
    bench = Bench(serial="SIM-0007")
    bench.firmware.epoch = 0xE1E2E3E4
    for exchange in EXCHANGES:
        bench.to(bench.world.now_ms + exchange.get("after_ms", 0))
        pieces = way(bytes.fromhex(exchange["host"]), NOISE)
        answer = b"".join(bench.firmware.handle(piece, bench.world.now_ms) for piece in pieces)
        assert answer == bytes.fromhex(exchange["pump"]), exchange["what"]


@pytest.mark.parametrize(
    ("what", "decode"),
    [
        ("HELLO", reference.decode_hello),
        ("STATUS", reference.decode_status),
        ("PROPOSE", reference.decode_read_back),
        ("COMMIT", reference.decode_result),
        ("COMMIT again", reference.decode_result),
        ("STOP", reference.decode_status),
        ("OUTCOME", reference.decode_result),
        ("PROPOSE stale generation", reference.decode_nak),
        ("unknown type", reference.decode_nak),
    ],
)
def test_every_reply_of_the_reference_transcript_is_understood(
    what: str, decode: Callable[[bytes, int], object]
) -> None:
    told = [decode(bytes.fromhex(e["pump"])[17:-4], 0xE1E2E3E4) for e in EXCHANGES if e["what"] == what]
    assert told
