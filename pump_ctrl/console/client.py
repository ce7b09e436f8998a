"""The asking side of the console: find the controller, send one request, read its answer.

Layer      console; imports the kernel only.
Hazard     an answer of somebody else's controller; a request that is repeated under a new id.
Invariant  a request is sent once; whoever does not get the answer asks again with the same id.
Tests      tests/unit/test_console.py, tests/system/test_run.py
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from pump_ctrl.console.lines import MAX_ANSWER, LineError, Message, decode, encode
from pump_ctrl.console.place import socket_path, socket_paths
from pump_ctrl.console.server import peer_uid
from pump_ctrl.errors import LinkError

PATIENCE_S: Final = 30.0  # a deliver with all its exchanges may be under way
STOP_PATIENCE_S: Final = 8.0  # a STOP overtakes it: on the wire within 2 s, confirmed or not soon after
_AT_ONCE: Final = 65_536
_TIMEVAL: Final = struct.Struct("ll")


class NobodyError(LinkError):
    """No controller answers there."""


class Connection:
    """A line to one running controller.

    Raises:
        NobodyError: nobody answers.
    """

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s, self._stop_patience_s = patience_s, min(patience_s, STOP_PATIENCE_S)
        self._heard = bytearray()
        try:
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as err:
            raise _nobody(err) from None
        # So long, and no longer, it waits where others wait to be let in before it.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(self._stop_patience_s))
        try:
            self._sock.connect(str(path))
            if peer_uid(self._sock) != os.getuid():
                raise OSError("it belongs to another user")
        except OSError as err:
            self._sock.close()
            raise _nobody(err) from None

    @classmethod
    def to(cls, journal: Path | str) -> Self:
        """The controller that writes ``journal``.

        Raises:
            NobodyError: there is none.
        """
        return cls(socket_path(journal))

    def ask(self, request: Message) -> Message:
        """Send a request and wait for its answer.

        Raises:
            LinkError: the controller ended, or does not answer; the request may have been carried out.
        """
        patience_s = self._stop_patience_s if request["do"] == "stop" else self._patience_s
        deadline = time.monotonic() + patience_s
        self._send(request, deadline)
        while (answer := self._receive(deadline)).get("id") != request["id"]:
            if answer.get("exit") is not None and not answer.get("id"):
                break  # it was not understood
        return answer

    def stream(self) -> Iterator[Message]:
        """The records that follow the answer to a ``watch``, until the controller ends."""
        while True:
            try:
                yield self._receive(None)
            except NobodyError:
                return

    def _send(self, request: Message, deadline: float) -> None:
        self._sock.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            self._sock.sendall(encode(request))
        except OSError as err:
            raise _lost(err.strerror or str(err)) from None

    def _receive(self, deadline: float | None) -> Message:
        while (end := self._heard.find(b"\n")) < 0:
            if len(self._heard) > MAX_ANSWER:
                raise _lost("what answers is no controller")
            self._heard += self._more(deadline)
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        try:
            return decode(line)
        except LineError as err:
            raise _lost(str(err)) from None

    def _more(self, deadline: float | None) -> bytes:
        self._sock.settimeout(None if deadline is None else max(0.1, deadline - time.monotonic()))
        try:
            data = self._sock.recv(_AT_ONCE)
        except TimeoutError:
            raise _lost("no answer came in time") from None
        except OSError as err:
            raise _lost(err.strerror or str(err)) from None
        if not data:
            raise _lost("it ended")
        return data

    def close(self) -> None:
        """Hang up. Safe to repeat."""
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), max(1, int(seconds % 1 * 1_000_000)))


def _nobody(err: OSError) -> NobodyError:
    return NobodyError(
        f"No controller answers for this journal ({err.strerror or err}).",
        pump_state="What the pump was told last goes on to its end.",
        do_now="Start it: pump-ctrl run PLAN --port URL --journal FILE",
    )


def _lost(why: str) -> NobodyError:
    return NobodyError(
        f"The controller did not answer: {why}.",
        pump_state="The request may have been carried out.",
        do_now="Ask again with the same --id: one id is never carried out twice.",
    )


def running() -> list[Connection]:
    """Lines to every controller of this user that answers."""
    found = []
    for path in socket_paths():
        try:
            found.append(Connection(path))
        except NobodyError:
            continue
    return found
