"""A simulated pump behind a real terminal device, in somebody's own process, in time that stands still until told.

Layer      sim.wire. A thread answers bytes as they come, all at one instant of the pump's time; only `advance`
           moves that time.
Invariant  what a client has sent before `advance` is heard before time passes; what the pump says on the way lies
           in the device when `advance` returns.
Tests      tests/wire/test_pytest_plugin.py
"""

import os
import select
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self

from sim.wire.ports import PtyPort
from sim.wire.serve import Wanted, make_pump, numbered

_LONG: Final = 1.0


class SerialPair:
    """A raw terminal device for a client, and this end of it for whoever plays the pump."""

    def __init__(self) -> None:
        self._port = PtyPort()

    @property
    def device(self) -> str:
        """What the client opens."""
        return self._port.name

    def send(self, data: bytes) -> None:
        """Let the client hear these bytes."""
        self._port.write(data)

    def receive(self, count: int = 1, timeout_s: float = _LONG) -> bytes:
        """What the client has sent: at least `count` bytes, or fewer when there is silence for so long."""
        data = b""
        while len(data) < count and select.select(self._port.filenos(), [], [], timeout_s)[0]:
            data += self._port.read()
        return data

    def close(self) -> None:
        """Take the device away. Safe to repeat."""
        self._port.close()


class LoopbackPump:
    """One pump of a model; `now_ms` is where its time stands at first.

    Raises:
        ValueError: there is no such model, or it cannot be what is wanted; the message says why.
    """

    def __init__(self, model: str, wanted: Wanted, now_ms: int = 0) -> None:
        self._pump = make_pump(model, wanted)
        self._port, self._lock, self._now_ms = PtyPort(), Lock(), now_ms
        self._failed: BaseException | None = None
        self._stop, self._wake = os.pipe()
        self._thread: Thread | None = Thread(target=self._live, name=f"pump-sim {self.device}", daemon=True)
        self.advance(now_ms)
        self._thread.start()

    @property
    def device(self) -> str:
        """What a client opens."""
        return self._port.name

    @property
    def delivered_nl(self) -> int:
        """What has truly left the pump, nL."""
        with self._lock:
            return self._pump.delivered_nl()

    def inject(self, fault: str) -> None:
        """Let something go wrong now, or at its time, as `pump-sim faults` lists it.

        Raises:
            ValueError: no such fault; the message says what there is.
        """
        with self._lock:
            self._exchange()
            self._pump.inject(numbered(fault, 1)[1])
            self._say()

    def advance(self, to_ms: int) -> None:
        """Let the pump's time pass until `to_ms`."""
        with self._lock:
            self._exchange()
            self._pump.wire.advance(to_ms)
            self._now_ms = to_ms
            self._say()

    def _live(self) -> None:
        try:
            while not self._ended():
                with self._lock:
                    self._exchange()
        except BaseException as error:  # noqa: BLE001 - for whoever closes it: nobody listens to a thread
            self._failed = error

    def _ended(self) -> bool:
        ready, _, _ = select.select((*self._port.filenos(), self._stop), [], [])
        return self._stop in ready

    def _exchange(self) -> None:
        wire = self._pump.wire
        while data := self._port.read():
            wire.send(data, self._now_ms)
            wire.advance(self._now_ms)
            self._say()

    def _say(self) -> None:
        if data := self._pump.wire.take():
            self._port.write(data)

    def close(self) -> None:
        """End it and take the device away. Safe to repeat.

        Raises:
            BaseException: what the pump failed with, if it did.
        """
        thread, self._thread = self._thread, None
        if thread is None:
            return
        os.write(self._wake, b"x")
        thread.join()
        for fd in (self._stop, self._wake):
            with suppress(OSError):
                os.close(fd)
        self._port.close()
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
