"""Several pumps on one wire: all hear everything, and whoever answers is heard.

Layer      sim.firmware. Knows of a firmware only what world and wire need.
Source     New Era NE-1000 wire specification, section 14: up to 100 pumps, a pump answers only its own address;
           the replies to a network burst collide and must be thrown away.
Reading    bytes that several pumps send at once are interleaved, so that no part of the mixture is a reply.
Tests      tests/unit/sim/test_firmware_bus.py
"""

from collections.abc import Sequence
from itertools import zip_longest

from sim.firmware.base import Firmware


def collide(replies: Sequence[bytes]) -> bytes:
    """What a host hears of replies that are sent at once."""
    if len(replies) <= 1:
        return b"".join(replies)
    return bytes(byte for column in zip_longest(*replies) for byte in column if byte is not None)


class Bus:
    """A firmware made of several; each has a mechanism of its own."""

    __slots__ = ("_pumps",)

    def __init__(self, pumps: Sequence[Firmware]) -> None:
        self._pumps = tuple(pumps)

    @property
    def next_ms(self) -> int:
        """When something is due in any pump."""
        return min(pump.next_ms for pump in self._pumps)

    @property
    def alarm_ms(self) -> int:
        """When a host could notice something of any pump."""
        return min(pump.alarm_ms for pump in self._pumps)

    def handle(self, data: bytes, now_ms: int) -> bytes:
        """Give the bytes to every pump, one by one, so that replies collide only where they do."""
        heard = []
        for byte in data:
            replies = [pump.handle(bytes((byte,)), now_ms) for pump in self._pumps]
            heard.append(collide([reply for reply in replies if reply]))
        return b"".join(heard)

    @property
    def outbox(self) -> list[tuple[int, bytes]]:
        """What any pump sent unasked and nobody took yet."""
        return [sent for pump in self._pumps for sent in pump.outbox]

    def take_pushed(self) -> list[tuple[int, bytes]]:
        """What any pump sent unasked, in the order of time."""
        return sorted((sent for pump in self._pumps for sent in pump.take_pushed()), key=lambda sent: sent[0])

    def kind_of(self, data: bytes) -> str:
        """What a message is to whichever pump knows it."""
        return next((kind for pump in self._pumps if (kind := pump.kind_of(data))), "")

    def repair(self, data: bytes) -> bytes:
        """As the first pump does it."""
        return self._pumps[0].repair(data)

    def elapse(self, t_ms: int) -> None:
        """Do everything that is due at `t_ms`, in every pump that has something due."""
        for pump in self._pumps:
            if pump.next_ms <= t_ms:
                pump.elapse(t_ms)

    def power_up(self, now_ms: int) -> None:
        """Give power to all."""
        for pump in self._pumps:
            pump.power_up(now_ms)

    def power_off(self, now_ms: int) -> None:
        """Take it from all."""
        for pump in self._pumps:
            pump.power_off(now_ms)
