"""The controller's side of the console. Nothing here waits, and nothing a client does raises.

Layer      console; imports the kernel only.
Hazard     a client that floods, stalls or hangs up in the middle; a stranger; a STOP behind other requests.
Invariant  a STOP that has arrived is seen by ``stop_waits`` before anything is done with what came before it.
Tests      tests/unit/test_console.py
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pump_ctrl.console.lines import MAX_LINE, LineError, Message, encode, request_of
from pump_ctrl.errors import NotAllowed

MAX_CLIENTS: Final = 16
MAX_WAITING: Final = 64  # requests that are not done yet, of all clients together
MAX_PENDING: Final = 1_048_576  # bytes that a client has not read; then it is dropped
STOP: Final = "stop"
_CRED: Final = struct.Struct("3i")


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end."""
    _, uid, _ = _CRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CRED.size))
    return int(uid)


@dataclass(slots=True, eq=False)
class _Client:
    sock: socket.socket
    heard: bytearray = field(default_factory=bytearray)
    pending: bytearray = field(default_factory=bytearray)
    watches: str | None = None  # id of its watch
    over: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A request that has arrived, and who waits for its answer."""

    request: Message
    client: _Client

    @property
    def verb(self) -> str:
        """What is wanted."""
        return str(self.request["do"])


class ConsoleServer:
    """Listens at ``path``; the caller holds the journal's lock, so a socket that lies there is a dead one's.

    Raises:
        NotAllowed: the socket cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clients: list[_Client] = []
        self._heard: deque[Heard] = deque()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        old = os.umask(0o177)
        try:
            with suppress(FileNotFoundError):
                path.unlink()
            self._listener.bind(str(path))
            self._listener.listen(MAX_CLIENTS)
        except OSError as err:
            self._listener.close()
            what = f"The console cannot be opened at {path}: {err.strerror or err}."
            raise NotAllowed(what, code="console-unsafe") from None
        finally:
            os.umask(old)
        self._listener.setblocking(False)

    # What to wait for.

    def readers(self) -> list[int]:
        """File descriptors that are to be read when something comes."""
        return [self._listener.fileno(), *(client.sock.fileno() for client in self._clients)]

    def writers(self) -> list[int]:
        """File descriptors of clients that have not read everything yet."""
        return [client.sock.fileno() for client in self._clients if client.pending]

    # In.

    def poll(self) -> None:
        """Let clients in, read what they sent and send on what waits; never blocks."""
        self._accept()
        for client in self._clients:
            self._read(client)
            self._flush(client)
        self._sweep()

    def stop_waits(self) -> bool:
        """Whether somebody asks to stop and has not been answered yet; looks at the sockets."""
        self.poll()
        return any(heard.verb == STOP for heard in self._heard)

    @property
    def busy(self) -> bool:
        """Whether a request waits to be done."""
        return bool(self._heard)

    def take(self) -> Heard | None:
        """The next request, a STOP before all others; None when there is none."""
        if not self._heard:
            return None
        first = next((heard for heard in self._heard if heard.verb == STOP), self._heard[0])
        self._heard.remove(first)
        return first

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                fresh, _ = self._listener.accept()
                fresh.setblocking(False)
                if peer_uid(fresh) != os.getuid():
                    fresh.close()
                    continue
                if len(self._clients) >= MAX_CLIENTS:
                    self._make_room()
                self._clients.append(_Client(fresh))

    def _make_room(self) -> None:
        """Let go of who came first and has no request open: the next one may want to stop the pump (S-08)."""
        for client in self._clients:
            self._read(client)  # a request that is already here is heard
        asking = [heard.client for heard in self._heard]
        first = next((client for client in self._clients if client not in asking), self._clients[0])
        first.over = True
        self._sweep()

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.over |= not data
        client.heard += data
        while (end := client.heard.find(b"\n")) >= 0:
            line = bytes(client.heard[:end])
            del client.heard[: end + 1]
            self._hear(client, line)
        if len(client.heard) > MAX_LINE:
            self._send(client, _complaint("", f"a line has at most {MAX_LINE} bytes"))
            client.over = True

    def _hear(self, client: _Client, line: bytes) -> None:
        try:
            if len(line) > MAX_LINE:
                raise LineError(f"a line has at most {MAX_LINE} bytes")
            heard = Heard(request_of(line), client)
        except LineError as err:
            self._send(client, _complaint("", str(err)))
            return
        if len(self._heard) >= MAX_WAITING and heard.verb != STOP:
            self._send(
                client,
                _complaint(heard.request["id"], "too many requests wait; ask again", "too-many-waiting"),
            )
            return
        self._heard.append(heard)

    # Out.

    def answer(self, heard: Heard, message: Message) -> None:
        """Answer a request; a client that has gone gets nothing."""
        self._send(heard.client, {"id": heard.request["id"], **message})
        self._sweep()

    def watch(self, heard: Heard) -> None:
        """From now on send records to this client."""
        heard.client.watches = heard.request["id"]

    def tell(self, record: Message) -> None:
        """Send a record to everybody who watches."""
        for client in self._clients:
            if client.watches is not None:
                self._send(client, {"id": client.watches, "record": record})
        self._sweep()

    def _send(self, client: _Client, message: Message) -> None:
        if len(client.pending) > MAX_PENDING:
            client.over = True  # it does not read; it is no reason to wait, or to keep more for it
            return
        client.pending += encode(message)
        self._flush(client)

    def _flush(self, client: _Client) -> None:
        if not client.pending:
            return
        try:
            sent = client.sock.send(client.pending)
        except BlockingIOError:
            return
        except OSError:
            client.over = True
            return
        del client.pending[:sent]

    def _sweep(self) -> None:
        """Let go of clients that have gone."""
        gone = [client for client in self._clients if client.over]
        for client in gone:
            self._clients.remove(client)
            client.sock.close()

    def close(self) -> None:
        """Take the socket away; what waits is not answered. Safe to repeat."""
        if self._listener.fileno() < 0:
            return
        for client in self._clients:
            self._flush(client)
            client.over = True
        self._sweep()
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()


def _complaint(request_id: str, text: str, code: str = "invalid-input") -> Message:
    return {"id": request_id, "exit": 2, "code": code, "text": f"Not understood: {text}."}
