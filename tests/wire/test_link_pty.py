"""The link on real ports, and the New Era driver on it: ptys and TCP of this host, in real time (some seconds)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pump_ctrl.clock import SystemClock
from pump_ctrl.drivers.base import Acked, Given, Identity
from pump_ctrl.drivers.link import SerialLink, open_link
from pump_ctrl.drivers.new_era import NewEraDriver
from pump_ctrl.errors import LinkError
from tests.unit.new_era_kit import HOUR, SETTINGS, OraclePump, permit

CLOCK = SystemClock()
Opener = Callable[[str], SerialLink]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    links: list[SerialLink] = []

    def make(url: str) -> SerialLink:
        links.append(open_link(url, CLOCK, locks=tmp_path))
        return links[-1]

    yield make
    for link in links:
        link.close()


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """The pump's end of a pty, and the name of ours; the pump keeps our end open as a served one does."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    for number in (master, slave):
        with contextlib.suppress(OSError):
            os.close(number)


def soon(ms: int = 400) -> int:
    return CLOCK.boot_ms() + ms


def test_bytes_go_both_ways_unchanged_on_a_pty(pty: tuple[int, str], opened: Opener) -> None:
    every = bytes(range(256))
    master, name = pty
    link = opened(name)
    link.write(every, deadline_ms=soon())
    assert os.read(master, 1_000) == every  # CR, XON and XOFF too
    os.write(master, every)
    assert link.read(deadline_ms=soon()) == every
    assert not link.buffered
    assert not link.simulated


def test_a_read_is_over_at_its_deadline_and_one_in_the_past_waits_for_nothing(
    pty: tuple[int, str], opened: Opener
) -> None:
    link = opened(pty[1])
    for wait_ms, most_ms in ((100, 180), (-1_000, 30)):
        begun = CLOCK.boot_ms()
        assert link.read(deadline_ms=begun + wait_ms) == b""
        assert max(0, wait_ms) <= CLOCK.boot_ms() - begun <= most_ms


def test_a_pump_that_takes_nothing_ends_the_write_at_its_deadline(
    pty: tuple[int, str], opened: Opener
) -> None:
    link, begun = opened(pty[1]), CLOCK.boot_ms()
    with pytest.raises(LinkError, match="does not take the bytes") as caught:
        link.write(bytes(100_000), deadline_ms=soon(200))
    assert CLOCK.boot_ms() - begun < 300
    assert "may have received a part" in str(caught.value)


def test_what_came_before_the_port_was_opened_is_thrown_away(pty: tuple[int, str], opened: Opener) -> None:
    os.write(pty[0], b"old")
    assert opened(pty[1]).read(deadline_ms=soon(50)) == b""


def test_wait_ends_when_the_pump_speaks_by_itself_and_leaves_the_bytes(
    pty: tuple[int, str], opened: Opener
) -> None:
    link, begun = opened(pty[1]), CLOCK.boot_ms()
    assert not link.wait(begun + 50)
    threading.Timer(0.05, os.write, (pty[0], b"alarm")).start()
    assert link.wait(begun + 60_000)
    assert CLOCK.boot_ms() - begun < 1_000
    assert link.read(deadline_ms=0) == b"alarm"
    assert link.fileno() is not None


def test_a_second_controller_is_told_which_process_has_the_port(pty: tuple[int, str], opened: Opener) -> None:
    """S-33, F-20."""
    link = opened(pty[1])
    with pytest.raises(LinkError, match=f"in use by process {os.getpid()}"):
        opened(pty[1])
    link.close()
    opened(pty[1])


def test_a_name_that_leads_to_the_same_port_is_the_same_port(
    pty: tuple[int, str], opened: Opener, tmp_path: Path
) -> None:
    (tmp_path / "pump").symlink_to(pty[1])
    opened(str(tmp_path / "pump"))
    with pytest.raises(LinkError, match="in use by process"):
        opened(pty[1])


def test_a_program_that_locks_the_port_like_pyserial_does_is_seen(
    pty: tuple[int, str], opened: Opener
) -> None:
    import serial  # noqa: PLC0415

    with (
        serial.Serial(pty[1], exclusive=True),
        pytest.raises(LinkError, match=r"another program is using it\. What the pump was told last goes on"),
    ):
        opened(pty[1])


def test_a_killed_controller_leaves_the_port_free(
    pty: tuple[int, str], opened: Opener, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from pump_ctrl.clock import SystemClock;"
        "from pump_ctrl.drivers.link import open_link;"
        "open_link(sys.argv[1], SystemClock(), locks=Path(sys.argv[2])); print('open', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, pty[1], str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"
    with pytest.raises(LinkError, match=f"in use by process {child.pid}"):
        opened(pty[1])
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    opened(pty[1]).write(b"x", deadline_ms=soon())
    assert os.read(pty[0], 10) == b"x"


def test_a_pump_that_goes_away_is_a_lost_link_until_it_is_opened_again(
    opened: Opener, tmp_path: Path
) -> None:
    master, slave = os.openpty()
    name = tmp_path / "pump"
    name.symlink_to(os.ttyname(slave))
    link = opened(str(name))
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="was lost while receiving"):
        link.read(deadline_ms=soon())
    for use in (lambda: link.write(b"x", deadline_ms=soon()), lambda: link.wait(soon()), link.reopen):
        with pytest.raises(LinkError, match=r"is closed|cannot be opened: there is no such port"):
            use()
    master, slave = os.openpty()  # the same pump, or another one, under the same name
    tty.setraw(slave)
    name.unlink()
    name.symlink_to(os.ttyname(slave))
    link.reopen()
    link.write(b"who?", deadline_ms=soon())
    assert os.read(master, 10) == b"who?"
    os.close(master)
    os.close(slave)


def test_a_file_is_no_serial_port(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    with pytest.raises(LinkError, match="it is not a serial port"):
        opened(str(tmp_path / "notes"))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_bytes_go_both_ways_through_a_socket_which_is_a_network(
    server: socket.socket, opened: Opener
) -> None:
    link = opened(f"socket://127.0.0.1:{server.getsockname()[1]}")
    pump, _ = server.accept()
    with pump:
        assert link.buffered
        link.write(b"\x00\x0d\xff", deadline_ms=soon())
        assert pump.recv(10) == b"\x00\x0d\xff"
        assert link.read(deadline_ms=soon(30)) == b""
        pump.sendall(b"\x02S\x03")
        assert link.wait(soon())
        assert link.read(deadline_ms=soon()) == b"\x02S\x03"
    with pytest.raises(LinkError, match="was lost while receiving"):
        link.read(deadline_ms=soon())


def test_two_controllers_on_one_network_port_are_one_too_many(server: socket.socket, opened: Opener) -> None:
    url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    opened(url)
    with pytest.raises(LinkError, match="in use by process"):
        opened(url)


def test_a_port_that_nobody_listens_on_is_told(server: socket.socket, opened: Opener) -> None:
    port = server.getsockname()[1]
    server.close()
    with pytest.raises(LinkError, match="nobody listens there"):
        opened(f"socket://127.0.0.1:{port}")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pyserial never closes its log
def test_a_spied_port_is_a_direct_one_and_its_traffic_is_written_down(
    pty: tuple[int, str], opened: Opener, tmp_path: Path
) -> None:
    log = tmp_path / "traffic.txt"
    link = opened(f"spy://{pty[1]}?file={log}")
    link.write(b"STP\r", deadline_ms=soon())
    link.close()
    assert "53 54 50 0D" in log.read_text().upper()
    assert not link.buffered


def test_a_port_without_a_descriptor_is_looked_at_again_and_again(opened: Opener) -> None:
    link = opened("loop://")
    assert link.fileno() is None
    begun = time.monotonic()
    assert link.read(deadline_ms=soon(50)) == b""
    assert time.monotonic() - begun < 0.5
    link.write(b"abc", deadline_ms=soon())
    assert link.wait(soon())
    assert link.read(deadline_ms=soon()) == b"abc"


def whole(held: bytes) -> int:
    """How long the command at the front is; 0 while it is not all there."""
    if held[:1] != b"\x02":
        return held.find(b"\r") + 1
    return held[1] + 1 if len(held) > 1 and len(held) > held[1] else 0


def serve(master: int, pump: OraclePump, over: threading.Event) -> None:
    """A pump at the other end of a pty, in real time."""
    held, begun = b"", CLOCK.boot_ms()
    while not over.is_set():
        if not select.select([master], [], [], 0.02)[0]:
            continue
        held += os.read(master, 1_000)
        while size := whole(held):
            pump.advance(CLOCK.boot_ms() - begun)
            os.write(master, pump.handle(held[:size]))
            held = held[size:]


@pytest.mark.parametrize("wire_timeout_s", [None, 60])
def test_a_new_era_pump_on_a_pty_is_met_run_stopped_and_accounted_for(
    wire_timeout_s: int | None, pty: tuple[int, str], opened: Opener
) -> None:
    pump, over = OraclePump(), threading.Event()
    pump_side = threading.Thread(target=serve, args=(pty[0], pump, over))
    pump_side.start()
    try:
        link = opened(pty[1])
        driver = NewEraDriver(link, 5, replace(SETTINGS, wire_timeout_s=wire_timeout_s))
        assert isinstance(driver.identify(), Identity)
        begun = CLOCK.boot_ms()
        asked = permit((600_000, HOUR), (25_000, HOUR))
        assert isinstance(driver.deliver(asked), Acked)
        assert CLOCK.boot_ms() - begun < 2_000
        link.wait(CLOCK.boot_ms() + 200)
        assert isinstance(driver.stop(), Acked)
        found = driver.evidence(asked.id)
        assert isinstance(found, Given)
        assert 20 <= found.lo_nl <= pump.given <= found.hi_nl
    finally:
        over.set()
        pump_side.join()
