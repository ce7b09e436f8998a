"""What simulated pumps, balances, relays and the back door of ``pump-sim`` are told: arbitrary bytes.

Nothing is raised, what is held is bounded, and a good request is answered afterwards. Where frames have a check, drug
flows only if a whole frame that starts it was among the bytes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from sim.balance import Balance
from sim.fault_registry import FAULTS
from sim.faults import FaultyWire
from sim.firmware.mt_sics import BalanceFirmware
from sim.firmware.relay import Quirks, RelayFirmware
from sim.wire.control import Control
from sim.wire.serve import Wanted, make_pump, numbered
from tests.contract.bench import HARVARD, HOUR, Bench, Declared
from tests.fuzz.engine import Reader
from tests.fuzz.families import END, PROTOCOLS, Protocol, safe_mended, transcript
from tests.fuzz.mutations import damaged
from tests.fuzz.replies import each_garbled

SECOND: Final = 1_000
GAP_MS: Final = 40  # between two requests
ADDRESSES: Final = 100
Say = Callable[[bytes], bytes]


def torn_or_damaged(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """Anything at all; or a little noise in every request, which a check has to catch."""
    if draw.random() < 0.5:
        return each_garbled(content, draw, others)
    return END.join(damaged(part, draw, ()) for part in content.split(END))


def _split(protocol: Protocol, pump: Declared) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The requests of a healthy session: up to what starts its dose, and from there on."""
    requests = transcript(pump)[0]
    first = next(at for at, request in enumerate(requests) if protocol.starts(request))
    return requests[:first], requests[first:]


class Host:
    """Says bytes to a simulated device and hears what it says."""

    def __init__(self, wire: FaultyWire) -> None:
        self._wire, self.now_ms = wire, 0

    def say(self, data: bytes, wait_ms: int = GAP_MS) -> bytes:
        self._wire.send(data, self.now_ms)
        self.now_ms += wait_ms
        self._wire.advance(self.now_ms)
        return self._wire.take()

    def says(self, content: bytes) -> None:
        """Each part of the input by itself; every other input byte by byte, as far as that goes."""
        for part in content.split(END):
            if len(content) % 2 and len(part) <= 200:
                for at in range(len(part)):
                    self.say(part[at : at + 1], 1)
            else:
                self.say(part)


def _answered(host: Host, questions: Sequence[bytes]) -> bool:
    """Whether it answers one of them, after a second of silence, at the third time of asking at the latest."""
    return any(host.say(question, SECOND) for _ in range(3) for question in questions)


def _addressed(protocol: Protocol, pump: Declared) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Good questions: to the address that the pump had, and to those that bytes may have given it."""
    if protocol.name == "reference":
        return transcript(pump)[0][:1], ()
    if protocol.name == "harvard":
        return (b"\r", b"ver\r"), [b"%02dver\r" % number for number in range(ADDRESSES)]
    asked = [safe_mended(b"\2\0%dVER\0\0\3" % number) for number in range(ADDRESSES)]
    return asked[:1], asked[1:]


def pump_told(protocol: Protocol, pump: Declared, content: bytes) -> str:
    """A pump that was made ready for a dose gets the input instead of what would start it."""
    bench = Bench(pump)
    host = Host(bench.line._wire)  # type: ignore[attr-defined]
    for request in _split(protocol, pump)[0]:
        host.say(request)
    before = bench.delivered_nl
    host.says(content)
    host.say(b"", HOUR)
    given = bench.delivered_nl > before
    if given and protocol.checked:
        whole = protocol.genuine(content.replace(END, b"")) + protocol.genuine(content)
        assert any(protocol.starts(frame) for frame in whole), "damaged bytes have given drug"
    first, others = _addressed(protocol, pump)
    assert _answered(host, first) or _answered(host, others), "it answers no more"
    return "drug" if given else "no drug"


def balance_told(content: bytes) -> str:
    bench = Bench(HARVARD)
    scale = BalanceFirmware(Balance(bench.line.world))
    host = Host(FaultyWire(scale, bench.line.world))
    host.says(content)
    host.say(b"\r\n@\r\n", SECOND)
    reply = host.say(b"SI\r\n", SECOND)
    assert b"S S" in reply or b"S D" in reply or b"S +" in reply or b"S -" in reply, reply
    return "answered"


def relay_told(content: bytes) -> str:
    bench = Bench(HARVARD)
    board = RelayFirmware(bench.line.world, quirks=Quirks(answers="frames"))
    host = Host(FaultyWire(board, bench.line.world))
    host.says(content)
    host.say(bytes(4), SECOND)
    told = host.say(bytes.fromhex("A0 01 05 A6"), SECOND)
    assert told == (bytes.fromhex("A0 01 01 A2") if board.on else bytes.fromhex("A0 01 00 A1")), told
    return "on" if board.on else "off"


def door_told(room: Path, model: str, content: bytes) -> str:
    """Clients at the back door of a served pump; then a good fault by another one."""
    pump = make_pump(model, Wanted(seed=1))
    path = room / "door.sock"
    door = Control(path, lambda text: pump.inject(numbered(text, 1)[1]))
    try:
        for part in content.split(END)[:12]:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(path))
                client.setblocking(False)
                with suppress(BrokenPipeError, BlockingIOError):  # sent away: its line was too long
                    for at in range(0, len(part), 4_000):
                        client.send(part[at : at + 4_000])
                        door.serve()
                door.serve()
            door.serve()
        pump.wire.advance(1_000)
        return _good_fault(door, path)
    finally:
        door.close()


def _good_fault(door: Control, path: Path) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        client.connect(str(path))
        client.sendall(b"lose-reply@0\n")
        for _ in range(3):
            door.serve()
        answer = client.recv(100)
    assert answer == b"ok\n", answer
    return "answered"


BALANCE_WORDS: Final = END.join(
    (b"I4\r\n", b"SI\r\n", b"S\r\n", b"SIR\r\n", b"TA 12.5 g\r\n", b"SR 1 g\r\n", b"Z\r\n")
)
RELAY_WORDS: Final = END.join(
    bytes.fromhex(text) for text in ("A0 01 01 A2", "A0 01 00 A1", "A0 01 03 A4", "FF")
)


def _door_words() -> list[bytes]:
    """Every fault there is, at once or later, a few to a client."""
    names = sorted(FAULTS)
    words = [f"{name}@{at}".encode() for name in names for at in ("0", "2h")]
    few = [b"\n".join(words[at : at + 6]) + b"\n" for at in range(0, len(words), 6)]
    return [END.join(few[at : at + 3]) for at in range(0, len(few), 3)] + [
        b"garbage@0:hex=7e01ff,times=20,to=pump\ncorrupt-reply@0:byte=3,mask=255,crc=repair,count=0\n",
        b"over-infusion@0:gain_ppm=1200000\npower-loss@1s:for=5min\ndelay-reply@0:by=3s\nnothing@x\n",
    ]


def readers(room: Path) -> Iterator[Reader]:
    for protocol in PROTOCOLS:
        for pump in protocol.pumps:
            name = f"{protocol.name} pump" if len(protocol.pumps) == 1 else f"{pump.model} pump"
            seed = END.join(_split(protocol, pump)[1][:8])
            rest = [END.join(transcript(pump)[0][at : at + 8]) for at in (0, 8, 16)]
            told = partial(pump_told, protocol, pump)
            yield Reader(name, [seed, *filter(None, rest)], told, torn_or_damaged, rounds=25, most_kib=16_384)
    yield Reader("balance interface", [BALANCE_WORDS], balance_told, each_garbled, rounds=150)
    yield Reader("relay board", [RELAY_WORDS], relay_told, each_garbled, rounds=150)
    for model in ("reference", "new-era", "harvard-11-elite"):
        read = partial(door_told, room, model)
        yield Reader(f"back door, {model}", _door_words(), read, refuses=(), rounds=60)
