"""The back door of a served pump: a local socket that takes one fault a line, as `pump-sim inject` sends it.

Layer      sim.wire. Standard library only.
Line       `NAME@TIME:key=value,...` as `pump-sim faults` lists them, with `N/` before it where several pumps are
           served; the answer is `ok`, or `error: ` and why. A fault whose time is past, or that names none,
           happens now.
Tests      tests/wire/test_serve.py
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_LINE: Final = 4_096
_MOST_CLIENTS: Final = 8
_PATIENCE_S: Final = 5.0


class Control:
    """The server's side.

    Args:
        path: where the socket is made; an older socket that nobody answers is replaced.
        inject: what to do with a fault's text; a ValueError is answered.

    Raises:
        OSError: the socket cannot be made there, or somebody answers there already.
    """

    def __init__(self, path: Path, inject: Callable[[str], None]) -> None:
        self._path, self._inject = path, inject
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        if path.is_socket() and not _answers(path):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(old)
        self._listener.listen()
        self._listener.setblocking(False)

    def filenos(self) -> tuple[int, ...]:
        """What to wait for."""
        return (self._listener.fileno(), *self._clients)

    def serve(self) -> None:
        """Let clients in and do what they ask; never waits."""
        with suppress(BlockingIOError):
            fresh, _ = self._listener.accept()
            fresh.setblocking(False)
            if len(self._clients) < _MOST_CLIENTS:
                self._clients[fresh.fileno()] = (fresh, bytearray())
            else:
                fresh.close()
        for fd in list(self._clients):
            self._hear(fd)

    def _hear(self, fd: int) -> None:
        client, heard = self._clients[fd]
        try:
            data = client.recv(MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        heard += data
        while (end := heard.find(b"\n")) >= 0:
            line = bytes(heard[:end])
            del heard[: end + 1]
            with suppress(OSError):
                client.send(f"{self._answer(line)}\n".encode())
        if not data or len(heard) > MAX_LINE:
            del self._clients[fd]
            client.close()

    def _answer(self, line: bytes) -> str:
        try:
            self._inject(line.decode("ascii").strip())
        except ValueError as error:  # UnicodeDecodeError is one
            return f"error: {error}".replace("\n", " ")
        return "ok"

    def close(self) -> None:
        """Take the socket away."""
        for client, _ in self._clients.values():
            client.close()
        self._clients.clear()
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def tell(path: Path, fault: str) -> str:
    """The client's side: send one fault and return the answer.

    Raises:
        OSError: nobody answers there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(_PATIENCE_S)
        wire.connect(str(path))
        wire.sendall(fault.encode("ascii", "replace") + b"\n")
        answer = b""
        while not answer.endswith(b"\n") and (data := wire.recv(MAX_LINE)):
            answer += data
    return answer.decode("utf-8", "replace").strip()
