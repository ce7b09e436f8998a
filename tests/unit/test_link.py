"""The byte pipe without a real port: sentences for every error, deadlines on the clock, locks, what is buffered."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serial

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Link
from pump_ctrl.drivers.link import SerialLink, open_link
from pump_ctrl.errors import LinkError


class FakePort:
    """A port without a file descriptor, like pyserial's network ones: bytes arrive at given times."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.arrivals: list[tuple[int, bytes]] = []
        self.written = b""
        self.takes = 1_000
        self.fails: Exception | None = None
        self.settings: dict[str, Any] = {}
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1
        self._fail()

    def close(self) -> None:
        self.closed += 1

    def reset_input_buffer(self) -> None:
        self.arrivals.clear()

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails

    @property
    def in_waiting(self) -> int:
        self._fail()
        return sum(len(data) for at, data in self.arrivals if at <= self.clock.boot_ms())

    def read(self, size: int) -> bytes:
        self._fail()
        now = self.clock.boot_ms()
        data = b"".join(data for at, data in self.arrivals if at <= now)
        self.arrivals = [row for row in self.arrivals if row[0] > now]
        assert size >= len(data)
        return data

    def write(self, data: bytes) -> int:
        self._fail()
        self.written += data[: self.takes]
        return min(len(data), self.takes)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(boot_ms=5_000)


@pytest.fixture
def port(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> FakePort:
    fake = FakePort(clock)

    def for_url(url: str, **settings: object) -> FakePort:
        fake.settings = {"url": url, **settings}
        return fake

    monkeypatch.setattr(serial, "serial_for_url", for_url)
    return fake


@pytest.fixture
def link(port: FakePort, clock: VirtualClock, tmp_path: Path) -> Iterator[SerialLink]:
    made = opened("socket://pump:7000", clock, tmp_path)
    yield made
    made.close()


def opened(url: str, clock: VirtualClock, locks: Path) -> SerialLink:
    return open_link(url, clock, locks=locks, nap=lambda ms: clock.advance(max(1, ms)))


def test_it_is_a_link_that_is_not_simulated(link: SerialLink) -> None:
    pipe: Link = link
    assert not pipe.simulated
    assert pipe.now_ms() == 5_000


def test_a_port_is_asked_for_alone_and_without_time_outs_or_flow_control(
    link: SerialLink, port: FakePort
) -> None:
    assert port.settings == {
        "url": "socket://pump:7000",
        "do_not_open": True,
        "baudrate": 19_200,
        "timeout": 0,
        "write_timeout": 0,
        "xonxoff": False,
        "exclusive": True,
    }


@pytest.mark.parametrize(
    ("url", "buffered"),
    [
        ("/dev/ttyUSB0", False),
        ("spy:///dev/ttyUSB0", False),
        ("loop://", False),
        ("hwgrep://0403", False),
        ("socket://pump:7000", True),
        ("rfc2217://pump:7000", True),
        ("SOCKET://pump:7000", True),
        ("alt:///dev/ttyUSB0?class=Odd", True),  # what we do not know may store bytes
    ],
)
def test_what_may_hold_bytes_back_says_so(
    url: str, buffered: bool, port: FakePort, clock: VirtualClock, tmp_path: Path
) -> None:
    made = opened(url, clock, tmp_path)
    assert made.buffered is buffered
    assert port.settings["write_timeout"] == (None if url.startswith(("rfc2217", "loop")) else 0)
    made.close()


def test_a_read_is_over_at_its_deadline_or_when_bytes_come(
    link: SerialLink, port: FakePort, clock: VirtualClock
) -> None:
    port.arrivals = [(5_040, b"ab"), (5_040, b"c"), (5_900, b"d")]
    assert link.read(deadline_ms=5_500) == b"abc"
    assert clock.boot_ms() == 5_040
    assert link.read(deadline_ms=5_500) == b""
    assert clock.boot_ms() == 5_500
    assert link.read(deadline_ms=4_000) == b""
    assert clock.boot_ms() == 5_500


def test_wait_ends_with_the_first_byte_and_leaves_it(
    link: SerialLink, port: FakePort, clock: VirtualClock
) -> None:
    assert not link.wait(5_020)
    port.arrivals = [(6_000, b"ab")]
    assert link.wait(9_000)
    assert clock.boot_ms() == 6_000
    assert link.read(deadline_ms=0) == b"ab"


def test_a_port_that_takes_little_at_a_time_gets_all_in_order(link: SerialLink, port: FakePort) -> None:
    port.takes = 3
    link.write(b"0123456789", deadline_ms=5_500)
    assert port.written == b"0123456789"


def test_what_had_arrived_before_is_thrown_away(link: SerialLink, port: FakePort) -> None:
    port.arrivals = [(0, b"old")]
    link.reopen()
    assert link.read(deadline_ms=5_010) == b""


ERRORS = [
    (
        serial.SerialException(errno.ENOENT, "could not open port /dev/x: [Errno 2] …"),
        "there is no such port",
    ),
    (
        serial.SerialException(errno.EACCES, "could not open port"),
        "permission denied. What the pump was told",
    ),
    (serial.SerialException(errno.EAGAIN, "Could not exclusively lock port"), "another program is using it"),
    (serial.SerialException(errno.EBUSY, "could not open port"), "another program is using it"),
    (serial.SerialException("Could not open port socket://x: [Errno 111] refused"), "nobody listens there"),
    (
        serial.SerialException("Could not configure port: (25, 'Inappropriate ioctl')"),
        "it is not a serial port",
    ),
    (
        serial.SerialException("odd"),
        "odd. What the pump was told last goes on to its end. Check cable and power",
    ),
    (termios.error(22, "Invalid argument"), "Invalid argument"),
    (OSError(errno.ENXIO, "No such device"), "there is no device behind it"),
    (ValueError("invalid URL, protocol 'usb' not known"), "its scheme is not known"),
    (ValueError("Not a valid baudrate: -1"), "Not a valid baudrate"),
]


@pytest.mark.parametrize(("error", "sentence"), ERRORS, ids=[str(row[1])[:30] for row in ERRORS])
def test_every_error_at_opening_says_what_is_wrong_and_what_to_do(
    error: Exception, sentence: str, port: FakePort, clock: VirtualClock, tmp_path: Path
) -> None:
    port.fails = error
    with pytest.raises(LinkError, match=sentence) as caught:
        opened("/dev/x", clock, tmp_path)
    assert caught.value.pump_state
    assert caught.value.do_now
    assert caught.value.exit_code == 4
    port.fails = None
    opened("/dev/x", clock, tmp_path).close()  # the lock did not stay


@pytest.mark.parametrize(
    "error",
    [serial.SerialException("read failed: socket disconnected"), OSError(5, "Input/output error"),
     termios.error(5, "x"), serial.PortNotOpenError()],
)  # fmt: skip
def test_every_error_in_use_ends_the_use_of_the_port_until_it_is_opened_again(
    error: Exception, link: SerialLink, port: FakePort
) -> None:
    port.fails = error
    with pytest.raises(LinkError, match="was lost while receiving"):
        link.read(deadline_ms=5_500)
    port.fails = None
    for use in (
        lambda: link.read(deadline_ms=5_500),
        lambda: link.write(b"RUN", deadline_ms=5_500),
        lambda: link.wait(5_500),
    ):
        with pytest.raises(LinkError, match=r"is closed\. What the pump was told last goes on"):
            use()
    assert (port.closed, port.written) == (1, b"")
    link.reopen()
    link.write(b"DIS", deadline_ms=5_500)
    assert port.written == b"DIS"


def test_an_unknown_scheme_is_told_with_those_that_are_known(clock: VirtualClock, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"its scheme is not known\. .*socket://HOST:PORT"):
        opened("usb://pump", clock, tmp_path)


def test_a_missing_device_is_told(clock: VirtualClock, tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"there is no such port\. .*pump-ctrl ports"):
        opened(str(tmp_path / "ttyUSB7"), clock, tmp_path)


def test_two_links_to_one_place_are_refused_with_the_process_and_close_gives_it_back(
    link: SerialLink, port: FakePort, clock: VirtualClock, tmp_path: Path
) -> None:
    with pytest.raises(LinkError, match=f"in use by process {os.getpid()}") as caught:
        opened("Socket://pump:7000", clock, tmp_path)
    assert "one pump has one controller" in caught.value.do_now
    opened("socket://pump:7001", clock, tmp_path).close()
    link.close()
    link.close()
    opened("socket://pump:7000", clock, tmp_path).close()


def test_a_port_that_somebody_took_while_it_was_lost_is_not_opened_again(
    link: SerialLink, port: FakePort, clock: VirtualClock, tmp_path: Path
) -> None:
    """S-33."""
    link.close()
    other = opened("socket://pump:7000", clock, tmp_path)
    with pytest.raises(LinkError, match="is in use by process"):
        link.reopen()
    other.close()
    link.reopen()


def test_a_lock_file_that_cannot_be_made_is_a_sentence(
    port: FakePort, clock: VirtualClock, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkError, match=r"The lock file .* cannot be used"):
        opened("/dev/x", clock, tmp_path / "file" / "locks")


def test_a_real_device_is_marked_exclusive_and_a_pty_is_not(
    port: FakePort, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[int] = []
    monkeypatch.setattr(FakePort, "fileno", lambda self: 0, raising=False)
    monkeypatch.setattr("pump_ctrl.drivers.link.fcntl.ioctl", lambda fd, what: marked.append(what))
    for name, expected in (("/dev/pts/3", []), ("/dev/ttyUSB0", [termios.TIOCEXCL])):
        at = SimpleNamespace(isatty=lambda fd: True, ttyname=lambda fd, name=name: name)
        with monkeypatch.context() as patch:
            patch.setattr("pump_ctrl.drivers.link.os.isatty", at.isatty)
            patch.setattr("pump_ctrl.drivers.link.os.ttyname", at.ttyname)
            opened("/dev/x", clock, tmp_path).close()
        assert marked == expected


@pytest.fixture
def direct(clock: VirtualClock, tmp_path: Path) -> Iterator[tuple[SerialLink, Callable[[bytes], int], int]]:
    """A link on a pty, whose clock does not move, so that it never waits; how the pump speaks; the pump's end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    made = opened(os.ttyname(slave), clock, tmp_path)
    yield made, lambda data: os.write(master, data), master
    made.close()
    os.close(slave)
    os.close(master)


Direct = tuple[SerialLink, Callable[[bytes], int], int]


def test_a_serial_port_is_read_and_written_directly_and_gives_what_has_come(direct: Direct) -> None:
    link, speak, far = direct
    assert link.read(deadline_ms=0) == b""
    assert not link.wait(0)
    speak(b"\x02S\x11\x13\r\x03")
    assert link.wait(9_000)
    assert link.read(deadline_ms=0) == b"\x02S\x11\x13\r\x03"
    link.write(b"DIS\r", deadline_ms=5_500)
    assert os.read(far, 100) == b"DIS\r"


def test_a_serial_port_that_is_full_takes_the_rest_when_it_can_and_else_says_so(
    direct: Direct, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, _, far = direct
    taken, all_of_it = [3, 0, 4, 100], b"0123456789"

    def little(number: int, data: bytes) -> int:
        if not (count := taken.pop(0)):
            raise BlockingIOError
        return write(number, data[:count])

    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr("pump_ctrl.drivers.link.os.write", little)
        link.write(all_of_it, deadline_ms=5_500)
    got = b""
    while len(got) < len(all_of_it):  # the kernel may hand it over in pieces
        got += os.read(far, 100)
    assert got == all_of_it
    with pytest.raises(LinkError, match="does not take the bytes"):
        link.write(bytes(1_000_000), deadline_ms=clock.boot_ms())
    with pytest.raises(LinkError, match="is closed"):
        link.read(deadline_ms=0)


def test_a_port_that_tells_of_bytes_and_gives_none_is_lost_and_not_looked_at_for_ever(
    direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, speak, _ = direct
    speak(b"x")
    with monkeypatch.context() as patch:
        patch.setattr("pump_ctrl.drivers.link.os.read", lambda number, size: b"")
        with pytest.raises(
            LinkError, match=r"was lost while receiving: .*it is gone, or another program reads it"
        ):
            link.read(deadline_ms=5_500)
    assert link.fileno() is None
    link.reopen()
    assert link.fileno() is not None


def test_a_pump_whose_bytes_are_gone_again_is_waited_for_until_the_deadline(
    direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, speak, _ = direct
    speak(b"x")
    gone = [True, False]

    def once(number: int, size: int) -> bytes:
        if gone.pop(0):
            raise BlockingIOError
        return read(number, size)

    read = os.read
    with monkeypatch.context() as patch:
        patch.setattr("pump_ctrl.drivers.link.os.read", once)
        assert link.read(deadline_ms=5_500) == b"x"


@pytest.mark.parametrize(
    "use",
    [
        lambda link: link.read(deadline_ms=0),
        lambda link: link.wait(5_500) and link.read(deadline_ms=0),
        lambda link: link.write(b"STP\r", deadline_ms=5_500),
    ],
    ids=["read", "wait", "write"],
)
def test_a_pty_without_its_other_end_is_a_lost_port(
    use: Callable[[SerialLink], object], clock: VirtualClock, tmp_path: Path
) -> None:
    master, slave = os.openpty()
    link = opened(os.ttyname(slave), clock, tmp_path)
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="was lost while"):
        use(link)


def test_pyserial_is_imported_only_when_a_port_is_opened() -> None:
    code = "import sys, pump_ctrl.drivers.link; assert 'serial' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
