"""What pumps, balances and relays say: arbitrary bytes into the codecs, the exchanges and whole drivers.

Nothing stands behind the line but the input. Whatever it is, a driver answers with one of its own words, in time;
a dose is ``Acked`` only if what starts it has left, once, and, where frames have a check, only if whole frames came
in reply to it; where a refusal is promised to come before that, nothing has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from pump_ctrl.drivers import harvard_amounts, harvard_codec, harvard_exchange, reference_codec
from pump_ctrl.drivers import new_era_codec as new_era
from pump_ctrl.drivers.balance import MtSicsBalance
from pump_ctrl.drivers.base import (
    Acked,
    BalanceSettings,
    Given,
    Identity,
    Link,
    NotGiven,
    Nothing,
    Outflow,
    PumpStatus,
    Refused,
    RelaySettings,
    SensorErrors,
    Switched,
    Unknown,
)
from pump_ctrl.drivers.harvard_exchange import Conversation as HarvardConversation
from pump_ctrl.drivers.new_era_exchange import Conversation as NewEraConversation
from pump_ctrl.drivers.reference_codec import Type
from pump_ctrl.drivers.reference_exchange import Conversation as ReferenceConversation
from pump_ctrl.drivers.relay import SerialRelay
from pump_ctrl.errors import WireError
from tests.contract.bench import HARVARD, NEW_ERA, REFERENCE, Bench, Declared
from tests.fuzz.engine import Reader
from tests.fuzz.families import END, OWNER, PROTOCOLS, Protocol, Recorder, driver_on, session, transcript
from tests.fuzz.mutations import garbled
from tests.fuzz.tape import STYLES, Tape

EXCHANGE_MS: Final = 500
BESIDE_MS: Final = 1_000  # a second of silence, where evidence needs it
MOST_WORDS: Final = 200  # exchanges of one verb
OURS: Final = (Acked, Refused, Unknown, Given, NotGiven, Nothing, Identity, PumpStatus, tuple)
Lines = Callable[[str], object]


# --- codecs


def reference_bytes(content: bytes) -> str:
    """Frames come out only where a right check sum stands; whole or byte by byte, they are the same."""
    frames = _frames_of(content, len(content) or 1)
    genuine = PROTOCOLS[0].genuine(content)
    for frame in frames:
        raw = (frame.version, frame.type, frame.payload)
        assert any((whole[3], whole[4], whole[17:-4]) == raw for whole in genuine), frame
        for decode in (
            reference_codec.decode_status, reference_codec.decode_hello, reference_codec.decode_result,
            reference_codec.decode_nak, reference_codec.decode_read_back,
        ):  # fmt: skip
            with suppress(WireError):
                decode(frame.payload, frame.epoch)
    if len(content) <= reference_codec.MAX_HELD:
        assert _frames_of(content, 1) == frames
    return "frames" if frames else "nothing"


def _frames_of(content: bytes, size: int) -> list[reference_codec.Frame]:
    decoder, found = reference_codec.FrameDecoder(), []
    for at in range(0, len(content), size):
        decoder.feed(content[at : at + size])
        while isinstance(frame := decoder.next_frame(), reference_codec.Frame):
            found.append(frame)
        assert len(decoder.held) <= reference_codec.MAX_HELD
    decoder.drop_partial()
    while isinstance(frame := decoder.next_frame(), reference_codec.Frame):
        found.append(frame)
    return found


NEW_ERA_LINES: Final[tuple[Lines, ...]] = (
    new_era.parse_counter, new_era.parse_volume, new_era.parse_rate, new_era.parse_number,
)  # fmt: skip


def new_era_bytes(content: bytes) -> str:
    """In Safe mode a text comes out only where a right check sum stands; the same however it is cut."""
    found = {safe: _texts_of(content, len(content) or 1, safe=safe) for safe in (True, False, None)}
    genuine = [frame[2:-3].decode("latin-1") for frame in PROTOCOLS[1].genuine(content)]
    for text in found[True]:
        assert text in genuine, text
    if len(content) <= 4_096:
        assert _texts_of(content, 1, safe=True) == found[True]
    for texts in found.values():
        for text in texts:
            with suppress(WireError):
                reply = new_era.parse_reply(text)
                assert isinstance(reply.error, str)
                _parsed(NEW_ERA_LINES, (reply.data,))
    new_era.only_reply(content[:64], None, new_era.COUNTER)
    return "texts" if any(found.values()) else "nothing"


def _texts_of(content: bytes, size: int, *, safe: bool | None) -> list[str]:
    decoder, found = new_era.FrameDecoder(), []
    decoder.safe = safe
    for at in range(0, len(content), size):
        decoder.feed(content[at : at + size])
        while isinstance(text := decoder.next_text(), str):
            found.append(text)
    decoder.drop_partial()
    while isinstance(text := decoder.next_text(), str):
        found.append(text)
    return found


HARVARD_LINES: Final[tuple[Lines, ...]] = (
    harvard_codec.parse_status, harvard_codec.parse_ver, harvard_codec.parse_percent,
    harvard_amounts.parse_volume, harvard_amounts.parse_rate, harvard_amounts.parse_diameter,
    harvard_amounts.parse_range,
)  # fmt: skip


def harvard_bytes(content: bytes) -> str:
    """Replies with and without XON, of a pump that has an address and of one that has none."""
    lines: list[str] = []
    for address in (0, 7):
        decoder = harvard_codec.ReplyDecoder(address)
        for at in range(0, len(content), 1_000):
            decoder.feed(content[at : at + 1_000])
            while (reply := _next(decoder)) is not harvard_codec.NEED_DATA:
                lines += () if reply is None else reply.lines
        with suppress(WireError):
            rest = decoder.rest()
            lines += rest.lines if isinstance(rest, harvard_codec.Reply) else ()
    _parsed(HARVARD_LINES, lines[:40])
    with suppress(WireError):
        harvard_codec.parse_version(tuple(lines))
    return "lines" if lines else "nothing"


def _next(decoder: harvard_codec.ReplyDecoder) -> harvard_codec.Reply | harvard_codec.NeedData | None:
    try:
        return decoder.next_reply()
    except WireError:
        return None


def _parsed(readers: Sequence[Lines], lines: Sequence[str]) -> None:
    for line in lines:
        for read in readers:
            with suppress(WireError):
                read(line)


# --- exchanges


def _heard(content: bytes) -> Tape:
    return Tape(content.split(END), len(content) % STYLES)


def _in_time(tape: Tape, call: Callable[[], object]) -> object:
    """Over within its exchanges' deadlines."""
    began, said = tape.now_ms(), len(tape.sent)
    found = call()
    words = len(tape.sent) - said
    took = tape.now_ms() - began
    assert words <= MOST_WORDS, f"{words} exchanges"
    assert took <= words * EXCHANGE_MS + BESIDE_MS, f"{words} exchanges took {took} ms"
    return found


def reference_asked(link: Link) -> Iterator[Callable[[], object]]:
    talk, epoch = ReferenceConversation(link, OWNER), 1
    for kind, decode in (
        (Type.HELLO, reference_codec.decode_hello),
        (Type.STATUS, reference_codec.decode_status),
        (Type.OUTCOME, reference_codec.decode_result),
        (Type.STOP, reference_codec.decode_status),
    ):
        payload = reference_codec.encode_id(1) if kind is Type.OUTCOME else b""
        yield partial(talk.ask, kind, decode, epoch=epoch, payload=payload)
        yield talk.pushed


def new_era_asked(link: Link) -> Iterator[Callable[[], object]]:
    talk = NewEraConversation(link, 0, lambda letter: None)
    for _ in range(2):  # a pump that has just got its power says so first
        yield partial(talk.enter, "SAF50", safe=True)
    for command, shape in (("DIS", new_era.COUNTER), ("STP", new_era.NOTHING), ("VER", new_era.VERSION)):
        yield partial(talk.ask, command, shape)
        yield talk.listen


def harvard_asked(link: Link) -> Iterator[Callable[[], object]]:
    talk = HarvardConversation(link, 0)
    yield partial(talk.ask, "poll on", harvard_exchange.anything)
    talk.polling = True
    for command in ("ver", "status"):
        yield partial(talk.ask, command, harvard_exchange.line(harvard_exchange.as_told))
        yield talk.drop
    yield partial(talk.ask, "stop", harvard_exchange.nothing, urgent=True)


Asked = Callable[[Link], Iterator[Callable[[], object]]]
ASKED: Final[tuple[tuple[str, tuple[Declared, ...], Asked], ...]] = (
    ("reference", (REFERENCE,), reference_asked),
    ("new-era", (NEW_ERA,), new_era_asked),
    ("harvard", (HARVARD,), harvard_asked),
)


def asked(ask: Asked, content: bytes) -> str:
    """A few exchanges, all their replies from the input; how many were answered."""
    tape = _heard(content)
    found = [_in_time(tape, call) for call in ask(tape)]
    answered = [one for one in found if one and type(one).__name__ not in ("Silence", "Alarmed", "Objection")]
    return f"{len(answered)} answered"


def recording(ask: Asked, declared: Declared) -> bytes:
    """What a simulated pump says to them."""
    recorder = Recorder(Bench(declared).link)
    for call in ask(recorder):
        call()
    return END.join(recorder.replies)


# --- whole drivers


def driven(protocol: Protocol, content: bytes) -> str:
    """A session with the driver, all its replies from the input."""
    tape = _heard(content)
    driver = driver_on(tape, protocol.pumps[0])
    told = []
    for name, call in session(driver):
        said = len(tape.sent)
        found = _in_time(tape, call)
        assert isinstance(found, OURS), f"{name} gave {found!r}"
        if name == "deliver":
            started = [request for request in tape.sent[said:] if protocol.starts(request)]
            assert len(started) <= 1, "what starts a dose was sent twice"
            assert started or not isinstance(found, Acked), "acknowledged, and nothing was started"
            if isinstance(found, Acked) and protocol.checked:
                assert protocol.genuine(content), "believed without one whole frame"
            if isinstance(found, Refused) and protocol.name.startswith("new-era"):
                assert not started, "refused after it was started"
            told.append(type(found).__name__)
    return told[0]


def each_mended(protocol: Protocol) -> Callable[[bytes, Random, Sequence[bytes]], bytes]:
    """Some replies changed inside and their check sums made right: what is behind the check."""

    def mutate(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
        assert protocol.mended is not None
        replies = content.split(END)
        everyone = [reply for other in others for reply in other.split(END)]
        for _ in range(draw.choice((1, 1, 2, 5))):
            at = draw.randrange(len(replies))
            replies[at] = protocol.mended(garbled(replies[at], draw, everyone))
        return END.join(replies)

    return mutate


def each_garbled(content: bytes, draw: Random, others: Sequence[bytes]) -> bytes:
    """Some replies changed in any way, lost, exchanged or without an end."""
    replies = content.split(END)
    everyone = [reply for other in others for reply in other.split(END)]
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(replies))
        chance = draw.random()
        if chance < 0.01:
            replies[at] = b"**" + replies[at][: draw.choice((1, 8, 200))]
        elif chance < 0.2:
            replies[at : at + 1] = draw.choice(([], [b""], [replies[at]] * 2, [draw.choice(everyone)]))
        else:
            replies[at] = garbled(replies[at], draw, everyone)
        replies = replies or [b""]
    return END.join(replies)


def balance_bytes(content: bytes) -> str:
    tape = _heard(content)
    scale = MtSicsBalance(tape, BalanceSettings(SensorErrors(1_000, 10_000, 100, 1_000), 1_000_000))
    found = None
    for _ in range(3):
        found = _in_time(tape, scale.read)
        assert isinstance(found, Outflow | Unknown), found
    return type(found).__name__


def relay_bytes(content: bytes) -> str:
    cut, answer = bytes.fromhex("A0 01 03 A4"), bytes.fromhex("A0 01 01 A2")
    tape = _heard(content)
    board = SerialRelay(tape, RelaySettings(cut, answer))
    found = None
    for _ in range(3):
        found = _in_time(tape, board.cut)
        assert isinstance(found, Switched | Unknown), found
        assert tape.sent[-1] == cut
        assert isinstance(found, Unknown) or answer in content.replace(END, b""), (
            "confirmed by another answer"
        )
    assert len(tape.sent) == 3
    return type(found).__name__


BALANCE_LINES: Final = (
    END.join((b'I4 A "1126493049"\r\n', b"S S     100.00 g\r\n", b"S D     129.07 g\r\n", b"S I\r\n")),
    END.join((b"I4 L\r\n", b"S S    -0.0082 g\r\n", b'I4 A "7"\r\nS S 1 mg\r\n', b"ES\r\n", b"S +\r\n")),
)
RELAY_LINES: Final = (
    END.join((bytes.fromhex("A0 01 01 A2"), b"\xff" + bytes.fromhex("A0 01 01 A2"), b"")),
    END.join((b"CH1: ON\r\n", bytes.fromhex("A0 01 00 A1"), bytes.fromhex("A0 01 01 A2"))),
)


def readers(room: Path) -> Iterator[Reader]:
    del room
    recorded = {
        protocol.name: [END.join(transcript(pump)[1]) for pump in protocol.pumps] for protocol in PROTOCOLS
    }
    single = {
        name: [reply for one in texts for reply in one.split(END) if reply]
        for name, texts in recorded.items()
    }
    new_era_seeds = single["new-era Safe"] + single["new-era Basic"]
    yield Reader("reference codec", single["reference"], reference_bytes, rounds=300)
    yield Reader("new-era codec", new_era_seeds, new_era_bytes, rounds=300)
    yield Reader("harvard codec", single["harvard"], harvard_bytes, rounds=300)
    for name, pumps, ask in ASKED:
        heard = [recording(ask, pump) for pump in pumps]
        yield Reader(f"{name} exchange", heard, partial(asked, ask), each_garbled, rounds=150)
    for protocol in PROTOCOLS:
        seeds = recorded[protocol.name]
        yield Reader(f"{protocol.name} driver", seeds, partial(driven, protocol), each_garbled, rounds=120)
        if protocol.checked:
            name = f"{protocol.name} driver, sums right"
            yield Reader(name, seeds, partial(driven, protocol), each_mended(protocol), rounds=120)
    yield Reader("balance driver", BALANCE_LINES, balance_bytes, each_garbled, rounds=300)
    yield Reader("relay driver", RELAY_LINES, relay_bytes, each_garbled, rounds=300)
