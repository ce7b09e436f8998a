"""Ends of a wire that any serial program can open: a pseudo-terminal, or a TCP port.

Layer      sim.wire. Standard library only.
Rule       bytes that nobody takes are lost, as on a serial line: a pump never waits for its host.
Tests      tests/wire/test_serve.py
"""

import os
import socket
import tty
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

_AT_ONCE: Final = 4_096  # bytes that are read in one go


class Port(Protocol):
    """One end of a wire, as the station sees it."""

    @property
    def name(self) -> str:
        """What a client opens."""

    def filenos(self) -> tuple[int, ...]:
        """What to wait for."""

    def read(self) -> bytes:
        """What the client has sent; empty if nothing. Never waits."""

    def write(self, data: bytes) -> None:
        """Send to the client, if there is one. Never waits."""

    def close(self) -> None:
        """Take the port away. Safe to repeat."""


class PtyPort:
    """A pseudo-terminal, raw from the first moment, that outlives its clients.

    Its own slave end stays open, so that the master does not fail when a client closes.

    Args:
        link: a symbolic link to it is put there; an older link is replaced.

    Raises:
        OSError: there is no pseudo-terminal to be had, or ``link`` is taken by something that is no link.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._device, self._link = os.ttyname(self._slave), link
        if link is not None:
            try:
                self._put_link(link)
            except OSError:
                self._link = None
                self.close()
                raise

    def _put_link(self, link: Path) -> None:
        if link.exists() and not link.is_symlink():
            raise FileExistsError(17, "there is a file that is no link", str(link))
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        os.symlink(self._device, fresh)
        os.replace(fresh, link)

    @property
    def name(self) -> str:
        """Path of the link, or of the device."""
        return self._device if self._link is None else str(self._link)

    def filenos(self) -> tuple[int, ...]:
        """The master."""
        return (self._master,)

    def read(self) -> bytes:
        """What the client has sent."""
        try:
            return os.read(self._master, _AT_ONCE)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Send; what the client does not read in time is lost."""
        with suppress(BlockingIOError):
            os.write(self._master, data)

    def close(self) -> None:
        """Take device and link away."""
        link, self._link = self._link, None
        if link is not None:
            with suppress(OSError):
                if os.readlink(link) == self._device:
                    link.unlink()
        for fd in (self._master, self._slave):
            with suppress(OSError):
                os.close(fd)


class TcpPort:
    """A TCP port for one client at a time; a second one is sent away until the first has gone.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self._client: socket.socket | None = None

    @property
    def name(self) -> str:
        """URL of the port."""
        host, port = self._listener.getsockname()[:2]
        return f"socket://{host}:{port}"

    def filenos(self) -> tuple[int, ...]:
        """The listener and the client."""
        client = () if self._client is None else (self._client.fileno(),)
        return (self._listener.fileno(), *client)

    def read(self) -> bytes:
        """Let a client in, and take what it has sent."""
        self._accept()
        if self._client is None:
            return b""
        try:
            data = self._client.recv(_AT_ONCE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            fresh, _ = self._listener.accept()
            if self._client is not None:
                fresh.close()
                return
            fresh.setblocking(False)
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._client = fresh

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def write(self, data: bytes) -> None:
        """Send; what the client does not read in time is lost."""
        if self._client is None:
            return
        try:
            self._client.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self._drop()

    def close(self) -> None:
        """Take the port away."""
        self._drop()
        self._listener.close()
