"""Byte pipe to a real port: any pyserial URL, with deadlines of our own and every error turned into ours.

Layer      drivers; imports the kernel, and pyserial when a port is opened. Knows no protocol.
Hazard     F-13, F-14, F-17 to F-20: a read that hangs, a port that two controllers share, an error that slips
           through as another type; bytes of an earlier life taken for a reply.
Invariant  ``read`` and ``write`` are over by their deadline; whatever the operating system says comes out as a
           ``LinkError``; a port is held by one process of ours at a time; after an error nothing is sent until
           ``reopen``.
Tests      tests/unit/test_link.py, tests/wire/test_link_pty.py

pyserial's own time-outs are not used: ``timeout`` and ``write_timeout`` are zero where the port has a file
descriptor, and the waiting is done here. A serial port of this host is opened by pyserial, then read and written
directly, as pyserial would wait once more before each read. ``flush`` is never called: it blocks until the other end
reads.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import tempfile
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from errno import EACCES, EAGAIN, EBUSY, ECONNREFUSED, ENODEV, ENOENT, ENOTTY, ENXIO, EPERM
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pump_ctrl.clock import Clock
from pump_ctrl.errors import LinkError

if TYPE_CHECKING:
    import serial

BAUD: Final = 19_200
LISTEN_MS: Final = 5_000  # the longest single wait; then the clock is looked at again
NAP_MS: Final = 2  # between two looks at a port that cannot be waited for
CHUNK: Final = 4_096
RUNS_ON: Final = "What the pump was told last goes on to its end."
_ERRORS: Final = (OSError, termios.error, ValueError)  # as which the operating system and pyserial complain

_DIRECT: Final = frozenset(
    {"", "spy", "hwgrep", "loop", "cp2110"}
)  # nothing stores bytes between us and the pump
_NO_TIMEOUT: Final = frozenset({"rfc2217", "loop"})  # their write time-outs are missing, or made up
# How an error is told: its number, what is wrong, what to do now.
_SENTENCES: Final = {
    ENOENT: ("there is no such port", "`pump-ctrl ports` lists what is plugged in."),
    ENXIO: ("there is no device behind it", "Plug it in, then look at `pump-ctrl ports`."),
    ENODEV: ("there is no device behind it", "Plug it in, then look at `pump-ctrl ports`."),
    EACCES: ("permission denied", "Add your account to the port's group (often dialout), then log in again."),
    EPERM: ("permission denied", "Add your account to the port's group (often dialout), then log in again."),
    EAGAIN: ("another program is using it", "End that program: one pump has one controller."),
    EBUSY: ("another program is using it", "End that program: one pump has one controller."),
    ENOTTY: ("it is not a serial port", "`pump-ctrl ports` lists what is plugged in."),
    ECONNREFUSED: ("nobody listens there", "Start the server, or correct host and port."),
}  # fmt: skip


Ready = Callable[[int], object]  # waits so many ms at the most; true if it has come to pass


def open_link(
    url: str,
    clock: Clock,
    *,
    baud: int = BAUD,
    locks: Path | None = None,
    nap: Callable[[int], None] | None = None,
) -> SerialLink:
    """Open a port, alone, 8N1 without flow control; what has been received before is thrown away.

    Args:
        url: a device (``/dev/ttyUSB0``, a pty) or a pyserial URL (``socket://host:port``, ``rfc2217://``,
            ``spy://``, …).
        clock: deadlines are its boot-time ms.
        baud: 19200 is what a New Era pump leaves the factory with; some rebranded ones use 9600.
        locks: directory of the lock files; None: one of the account's own.
        nap: how to sleep (ms) between two looks at a port that cannot be waited for; None: in real time.

    Raises:
        LinkError: the port cannot be had; the message says why and what to do.
    """
    link = SerialLink(url, clock, baud, _lock_dir() if locks is None else locks, nap or _sleep)
    link.reopen()
    return link


class SerialLink:
    """A ``Link`` over a pyserial port; made by ``open_link``.

    ``buffered`` is true where a network, or anything that we do not know, may hold bytes back: then silence
    proves nothing.
    """

    simulated = False

    def __init__(self, url: str, clock: Clock, baud: int, locks: Path, nap: Callable[[int], None]) -> None:
        self.url, self._clock, self._baud, self._nap = url, clock, baud, nap
        self._scheme = url.partition("://")[0].lower() if "://" in url else ""
        self.buffered = self._scheme not in _DIRECT
        self._lock = _Lock(locks / f"{sha256(_place(url).encode()).hexdigest()[:16]}.lock")
        self._port: serial.Serial | None = None
        self._number: int | None = None  # the port's file descriptor, where it has one
        self._has: Ready | None = None  # waits until it has received something
        self._takes: Ready | None = None  # waits until it takes more
        self._bytes: _Directly | _ThroughPyserial | None = None
        self.now_ms: Callable[[], int] = clock.boot_ms  # the deadlines are measured on it

    def fileno(self) -> int | None:
        """What a loop can wait on beside other things; None where the port has no such number, or is lost."""
        return self._number

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        """Hand over all of ``data``; by ``deadline_ms``, or it is an error.

        Raises:
            LinkError: the port is lost, or does not take the bytes in time.
        """
        if (port := self._port) is None or (pipe := self._bytes) is None:
            raise self._closed()
        try:
            left = data[pipe.give(data) :] if pipe.may_be_full else data
            while left:
                if not self._await(port, deadline_ms, to_write=True):
                    self.close()
                    raise self._full()
                left = left[pipe.give(left) :]
        except _ERRORS as err:
            raise self._lost("sending", err) from err

    def read(self, *, deadline_ms: int) -> bytes:
        """Wait for bytes; what has arrived, or ``b""`` when ``deadline_ms`` has come.

        Raises:
            LinkError: the port is lost.
        """
        if (port := self._port) is None or (pipe := self._bytes) is None:
            raise self._closed()
        try:
            if not deadline_ms and self._has is not None:  # the look before each question
                return pipe.take() if self._has(0) else b""
            while self._await(port, deadline_ms):
                if data := pipe.take():
                    return data
        except _ERRORS as err:
            raise self._lost("receiving", err) from err
        return b""

    def wait(self, until_ms: int) -> bool:
        """Sleep until ``until_ms``, or until the pump speaks by itself; the bytes stay for ``read``.

        Returns:
            Whether bytes wait to be read.

        Raises:
            LinkError: the port is lost.
        """
        if self._port is None:
            raise self._closed()
        try:
            return self._await(self._port, until_ms)
        except _ERRORS as err:
            raise self._lost("listening", err) from err

    def reopen(self) -> None:
        """Open the port anew, after a loss or for the first time. Who answers then may be another pump.

        Raises:
            LinkError: the port cannot be had.
        """
        self.close()
        self._lock.take(self.url)
        try:
            port = self._opened()
        except _ERRORS as err:
            self._lock.release()
            raise _told(f"The port {self.url} cannot be opened", err) from err
        self._port, self._number = port, _fileno(port)
        self._has, self._takes = _ready(self._number, select.POLLIN), _ready(self._number, select.POLLOUT)
        plain = type(port).__module__ == "serial.serialposix"
        self._bytes = _Directly(port.fileno()) if plain else _ThroughPyserial(port, self._number)

    def close(self) -> None:
        """Give the port back. Safe to repeat."""
        port, self._port, self._number, self._bytes = self._port, None, None, None
        if port is not None:
            with suppress(
                OSError, termios.error
            ):  # it may have gone already; there is nothing left to give back
                port.close()
        self._lock.release()

    # ---- inside ----------------------------------------------------------------------------------

    def _opened(self) -> serial.Serial:
        import serial  # noqa: PLC0415 - only where a port is used

        port = serial.serial_for_url(
            self.url,
            do_not_open=True,
            baudrate=self._baud,
            timeout=0,
            write_timeout=None if self._scheme in _NO_TIMEOUT else 0,
            xonxoff=False,
            exclusive=True,
        )
        port.open()
        _keep_others_out(port)
        port.reset_input_buffer()
        return port

    def _await(self, port: serial.Serial, until_ms: int, *, to_write: bool = False) -> bool:
        """Wait until the port can be read (or written); False when ``until_ms`` has come."""
        ready = self._takes if to_write else self._has
        while True:
            left_ms = until_ms - self.now_ms()
            if ready is None:
                if to_write or port.in_waiting:
                    return True
                if left_ms > 0:
                    self._nap(min(NAP_MS, left_ms))
            elif ready(0 if left_ms < 0 else left_ms if left_ms < LISTEN_MS else LISTEN_MS):
                return True
            if left_ms <= 0:
                return False

    def _closed(self) -> LinkError:
        return LinkError(
            f"The port {self.url} is closed.",
            pump_state=RUNS_ON,
            do_now="Open it again, then look who answers.",
        )

    def _lost(self, doing: str, err: Exception) -> LinkError:
        """An error of the operating system ends the use of the port until ``reopen``."""
        self.close()
        return _told(f"The port {self.url} was lost while {doing}", err)

    def _full(self) -> LinkError:
        return LinkError(
            f"The port {self.url} failed while sending: the port does not take the bytes.",
            pump_state="The pump may have received a part of a command.",
        )


class _ThroughPyserial:
    """Takes and gives the bytes of any port: a network, a spied port, one without a descriptor."""

    may_be_full = False  # it has to be waited for before anything is given

    def __init__(self, port: serial.Serial, number: int | None) -> None:
        self._port, self._number = port, number

    def take(self) -> bytes:
        """Of one that cannot be waited for no more than what has arrived."""
        size = CHUNK if self._number is not None else max(1, min(CHUNK, self._port.in_waiting))
        return bytes(self._port.read(size))

    def give(self, data: bytes) -> int:
        """How many of the bytes it has taken."""
        return self._port.write(data) or 0


class _Directly:
    """Takes and gives the bytes of a serial port of this host, which pyserial has opened and never blocks."""

    may_be_full = True  # it says so by taking nothing

    def __init__(self, number: int) -> None:
        self._number = number

    def take(self) -> bytes:
        """What has arrived at a port that said so; nothing is what one says that is not there any more."""
        try:
            data = os.read(self._number, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("bytes were told of, and there are none: it is gone, or another program reads it")
        return data

    def give(self, data: bytes) -> int:
        """How many of the bytes it has taken."""
        try:
            return os.write(self._number, data)
        except BlockingIOError:
            return 0


class _Lock:
    """One process of ours on a place. flock alone does not do: it lives on a device, and a network has none,
    and it does not say who holds it. The lock file is locked, not merely there: a killed process leaves none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self, url: str) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except _ERRORS as err:
            raise _told(f"The lock file {self._path} cannot be used", err) from err
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise LinkError(
                f"The port {url} is in use by process {holder or '?'}.",
                pump_state="That process controls the pump.",
                do_now="Ask it (pump-ctrl status), or end it first: one pump has one controller.",
            ) from err
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Safe to repeat."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _lock_dir() -> Path:
    """A directory that is the account's own and does not outlive the host's uptime, where there is one."""
    own = Path(f"/run/user/{os.getuid()}")
    return own / "pump-ctrl" if own.is_dir() else Path(tempfile.gettempdir(), f"pump-ctrl-{os.getuid()}")


def _sleep(ms: int) -> None:
    time.sleep(ms / 1_000)


def _place(url: str) -> str:
    """What is locked: the device itself where a name or a link leads to one."""
    scheme, _, rest = url.rpartition("://")
    path = rest.partition("?")[0]
    return os.path.realpath(path) if scheme.lower() in ("", "spy", "alt") else url.lower()


def _keep_others_out(port: serial.Serial) -> None:
    """Beside pyserial's flock, which binds only those who ask for it: no other open succeeds (but root's).

    Not on a pty: the mark would outlive a killed process there, as the other end keeps the pty open.
    """
    number = _fileno(port)
    if number is None or not os.isatty(number) or os.ttyname(number).startswith("/dev/pts/"):
        return
    with suppress(OSError):  # not every device has it; flock holds all the same
        fcntl.ioctl(number, termios.TIOCEXCL)


def _fileno(port: serial.Serial) -> int | None:
    try:
        return int(port.fileno())
    except (AttributeError, OSError):  # UnsupportedOperation is an OSError
        return None


def _ready(number: int | None, event: int) -> Ready | None:
    """How to wait for an event of a port; its loss is one too, and shows when it is used."""
    if number is None:
        return None
    poll = select.poll()
    poll.register(number, event)
    return poll.poll


def _told(what: str, err: Exception) -> LinkError:
    """What the operating system or pyserial says, as ours, with a sentence."""
    why, do_now = _sentence(err)
    return LinkError(f"{what}: {why}.", pump_state=RUNS_ON, do_now=do_now)


def _sentence(err: Exception) -> tuple[str, str]:
    """What is wrong, and what to do now."""
    if isinstance(err, ValueError) and "protocol" in str(err):
        return (
            "its scheme is not known",
            "Give a device such as /dev/ttyUSB0, or socket://HOST:PORT, rfc2217://HOST:PORT or spy://DEVICE.",
        )
    number: Any = getattr(err, "errno", None) or (err.args[0] if err.args else None)
    if not isinstance(number, int):  # pyserial puts the number into the text, or nowhere
        found = re.search(r"\[Errno ([0-9]+)\]", str(err)) or re.search(r"\(([0-9]+), '", str(err))
        number = int(found[1]) if found else 0
    if number in _SENTENCES:
        return _SENTENCES[number]
    return str(err).rstrip("."), "Check cable and power, then open the port again."
