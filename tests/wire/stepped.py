"""The product's own link on a real port, in virtual time: the bytes go through the kernel, and no clock goes by.

At the far end is a simulated wire (``sim.faults.FaultyWire``), on which the faults happen as they do in process. All
of ``SerialLink`` is at work, pyserial and the port too; only where it would sleep in ``poll``, virtual time goes by
until bytes come or the wait is over. Nothing depends on how fast the host is: what one end has sent is waited for at
the other before time moves.
"""

from __future__ import annotations

import fcntl
import select
import struct
import termios
import time
from pathlib import Path
from typing import Final
from unittest.mock import patch

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.link import BAUD, SerialLink
from pump_ctrl.drivers.simulated import Wire
from sim.wire.ports import PtyPort, TcpPort

PIECE: Final = 2_048  # bytes; less than any port holds, for what a port cannot hold is lost
PATIENCE_S: Final = 10.0  # real time in which the kernel carries a few bytes


class SteppedLink(SerialLink):
    """A ``SerialLink`` to the wire behind ``port``; its waiting moves ``clock``, which the wire has to follow.

    Args:
        port: the pump's end of the port; ``give_back`` closes it.
        locks: directory of the lock files.
        simulated: what the link says of itself; a stack with limits for simulations takes no other.
    """

    def __init__(
        self,
        port: PtyPort | TcpPort,
        wire: Wire,
        clock: VirtualClock,
        locks: Path,
        *,
        simulated: bool = False,
    ) -> None:
        super().__init__(port.name, clock, BAUD, locks, _no_nap)
        self.simulated = simulated
        self._far, self._wire, self._virtual = port, wire, clock
        self._to_host = b""
        self.reopen()

    def reopen(self) -> None:
        """As the product does, which throws away what came before."""
        self._wire.take()
        self._to_host = b""
        super().reopen()
        self._has = self._has_in_virtual_time
        assert not self._far.read()  # lets a client in

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        """Send; what arrives at the far end is put on the wire as one message, now."""
        super().write(data, deadline_ms=deadline_ms)
        got, end = b"", time.monotonic() + PATIENCE_S
        while len(got) < len(data):
            assert time.monotonic() < end, "the kernel keeps the host's bytes"
            select.select(self._far.filenos(), [], [], 1)
            got += self._far.read()
        assert got == data
        self._wire.send(got, self._virtual.true_ms)

    def _has_in_virtual_time(self, wait_ms: int) -> bool:
        """In place of ``poll``: whether bytes wait to be read, or come by then."""
        number = self.fileno()
        assert number is not None
        until_ms = self._virtual.boot_ms() + wait_ms
        while not self._bytes_wait(number):
            left_ms = until_ms - self._virtual.boot_ms()
            if left_ms <= 0:
                return False
            event_ms = self._wire.next_event_ms()
            if event_ms is not None and (to_event_ms := event_ms - self._virtual.true_ms) < left_ms:
                left_ms = max(1, to_event_ms)  # 1 at least: an event may stay due
            self._virtual.advance(left_ms)
        return True

    def _bytes_wait(self, fd: int) -> bool:
        """Whether there is something to read; if not, send what has come over the wire, and see it arrive."""
        if unread(fd):
            return True
        self._to_host += self._wire.take()
        piece, self._to_host = self._to_host[:PIECE], self._to_host[PIECE:]
        if piece:
            self._far.write(piece)
            end = time.monotonic() + PATIENCE_S
            while unread(fd) < len(piece):
                assert time.monotonic() < end, "the kernel keeps the pump's bytes"
        return bool(piece)

    def give_back(self) -> None:
        """Close both ends for good."""
        with patch("serial.urlhandler.protocol_socket.time"):  # it sleeps, in case that a server is slow
            self.close()
        self._far.close()


def unread(fd: int) -> int:
    """How many bytes have arrived and were not read."""
    select.select([fd], [], [], 0)  # makes the kernel hand over what it holds
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0])


def _no_nap(_: int) -> None:
    raise AssertionError("these ports can be waited for")
