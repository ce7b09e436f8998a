"""Packets of the New Era protocol, as the pump sees them. Bytes and text only: no state of the pump.

Layer      sim.firmware. Imports the standard library only.
Source     New Era NE-1000 wire specification, sections 3 (Basic mode) and 4 (Safe mode).
Reading    STX begins a Safe packet wherever it stands, and what stood unfinished before it is dropped: in
           Basic mode too, since a pump in Basic mode accepts Safe packets.
Bound      at most `LONGEST_TEXT` bytes of an unfinished line and one Safe packet (255 bytes) are ever held.
Tests      tests/unit/sim/test_firmware_new_era_frames.py
"""

from binascii import crc_hqx
from functools import lru_cache
from typing import Final, NamedTuple

STX: Final = 0x02
ETX: Final = 0x03
CR: Final = 0x0D
LONGEST_PAUSE_MS: Final = 500  # between two bytes of a Safe packet
LONGEST_TEXT: Final = 128  # bytes of a line; the document gives none
_SHORTEST: Final = 4  # length byte of a Safe packet without text
_LONGEST: Final = 256  # bytes of a Safe packet of which all is there
_DROPPED: Final = bytes(byte for byte in range(256) if not 0x21 <= byte < 0x7F)


class Packet(NamedTuple):
    """One command as it arrived. `good` is false where CRC, length or end mark of a Safe packet are wrong,
    or a line was longer than the pump can hold.
    """

    text: str
    safe: bool
    good: bool


def basic(text: str) -> bytes:
    """A reply of Basic mode: STX, text, ETX."""
    return b"\x02" + text.encode("ascii") + b"\x03"


def safe(text: str) -> bytes:
    """A packet of Safe mode: STX, length, text, CRC, ETX."""
    body = text.encode("ascii")
    return b"\x02%c%b%b\x03" % (len(body) + _SHORTEST, body, crc_hqx(body, 0).to_bytes(2, "big"))


def clean(data: bytes | bytearray) -> str:
    """Text without blanks, control characters and bytes that are no ASCII, in capitals."""
    return data.translate(None, _DROPPED).decode("ascii").upper()


def is_safe(data: bytes) -> bool:
    """Whether bytes are one whole Safe packet, but for its CRC."""
    return len(data) > _SHORTEST and data[0] == STX and data[1] == len(data) - 1


def text_in(data: bytes) -> str:
    """The text of the first packet of some bytes, unchecked; as far as it goes, if it is cut short."""
    if data[:1] == b"\x02":
        return clean(data[2 : max(2, data[1] - 2)] if len(data) > 1 else b"")
    return clean(data.partition(b"\r")[0])


def repaired(data: bytes) -> bytes:
    """One Safe packet with a right CRC; anything else as it is."""
    if not is_safe(data):
        return data
    return data[:-3] + crc_hqx(data[2:-3], 0).to_bytes(2, "big") + data[-1:]


def whole(data: bytes) -> Packet | None:
    """The one packet that some bytes are, nothing more and nothing less: as nearly always, and faster."""
    return _whole(data) if len(data) <= _LONGEST else None


@lru_cache(maxsize=256)  # a packet is a function of its bytes alone, and a host asks the same again and again
def _whole(data: bytes) -> Packet | None:
    if is_safe(data):
        body, crc = data[2:-3], data[-3] << 8 | data[-2]
        return Packet(clean(body), safe=True, good=data[-1] == ETX and crc == crc_hqx(body, 0))
    if data[-1:] == b"\r" and STX not in data and data.find(b"\r") == len(data) - 1 <= LONGEST_TEXT:
        return Packet(clean(data[:-1]), safe=False, good=True)
    return None


class Receiver:
    """Bytes in, packets out. Times are the pump's own ms."""

    __slots__ = ("_impossible", "_last_ms", "_line", "_packet", "_too_long")

    def __init__(self, *, refuse_length: bool) -> None:
        """`refuse_length`: a length byte that cannot be is a bad packet at once, not noise."""
        self._impossible = refuse_length
        self._line = bytearray()
        self._packet: bytearray | None = None  # from its length byte on
        self._too_long = False
        self._last_ms = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished: what comes next is read as if it were the first."""
        return self._packet is None and not self._line and not self._too_long

    def clear(self) -> None:
        """Forget what is unfinished, as at power-up."""
        self._line.clear()
        self._packet, self._too_long = None, False

    def feed(self, data: bytes, own_ms: int) -> list[Packet]:
        """Take bytes that arrived at `own_ms` and return the packets that they complete, in order."""
        if self._packet is not None and own_ms - self._last_ms > LONGEST_PAUSE_MS:
            self._packet = None
        if data:
            self._last_ms = own_ms
        if self.idle and (packet := whole(data)):
            return [packet]
        found = (self._take(byte) for byte in data)
        return [packet for packet in found if packet]

    def _take(self, byte: int) -> Packet | None:
        if self._packet is not None:
            return self._take_safe(self._packet, byte)
        if byte == STX:
            self.clear()
            self._packet = bytearray()
        elif byte == CR:
            return self._end_line()
        elif len(self._line) < LONGEST_TEXT:
            self._line.append(byte)
        else:
            self._too_long = True
        return None

    def _end_line(self) -> Packet:
        packet = Packet(clean(self._line), safe=False, good=not self._too_long)
        self.clear()
        return packet

    def _take_safe(self, packet: bytearray, byte: int) -> Packet | None:
        packet.append(byte)
        length = packet[0]
        if length < _SHORTEST:
            self._packet = None
            return Packet("", safe=True, good=False) if self._impossible else None
        if len(packet) < length:
            return None
        self._packet = None
        body, crc = bytes(packet[1:-3]), int.from_bytes(packet[-3:-1], "big")
        return Packet(clean(body), safe=True, good=byte == ETX and crc == crc_hqx(body, 0))
