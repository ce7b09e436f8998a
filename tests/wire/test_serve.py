"""A served pump on a real pty and a real TCP port: ready at once, raw, outlives its clients, truth and back door."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from pump_ctrl.clock import SystemClock
from pump_ctrl.drivers.base import Acked, Identity, Permit, PumpStatus, Step, StepKind
from pump_ctrl.drivers.link import open_link
from pump_ctrl.drivers.reference import ReferenceDriver
from sim.cli import main
from sim.wire.control import tell
from sim.wire.serve import names

ROOT: Final = Path(__file__).resolve().parents[2]
CLOCK: Final = SystemClock()


@contextmanager
def served(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sim.cli", "serve", *words]
    child = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def driven(url: str, locks: Path, owner: int = 7) -> Iterator[ReferenceDriver]:
    driver = ReferenceDriver(open_link(url, CLOCK, locks=locks), owner)
    try:
        yield driver
    finally:
        driver.close()


def bolus(number: int, volume_nl: int, duration_ms: int) -> Permit:
    return Permit(number, (Step(StepKind.BOLUS, volume_nl, duration_ms),), CLOCK.boot_ms() + 2_000)


def test_a_pty_answers_client_after_client_and_writes_the_truth(tmp_path: Path) -> None:
    link, truth = tmp_path / "pump", tmp_path / "truth.jsonl"
    with served("--model", "reference", "--link", str(link), "--truth", str(truth), "--serial", "SIM-7") as (
        child,
        said,
    ):
        assert said == f"ready {link}"
        for owner in (1, 1):
            with driven(str(link), tmp_path, owner) as driver:
                identity = driver.identify()
                assert isinstance(identity, Identity)
                assert identity.serial == "SIM-7"
        with driven(str(link), tmp_path, 1) as driver:
            driver.identify()
            assert isinstance(driver.deliver(bolus(1, 1_000, 4_000)), Acked)
            time.sleep(0.9)
            status = driver.read_status()
            assert isinstance(status, PumpStatus)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
        lines = [json.loads(line) for line in truth.read_text().splitlines()]
        assert [set(line) for line in lines] == [{"t_s", "delivered_nl"}] * len(lines)
        assert lines[-1]["delivered_nl"] >= status.delivered_nl >= 200
        assert sorted(line["t_s"] for line in lines) == [line["t_s"] for line in lines]
        assert not link.exists()


def test_a_pty_is_raw_before_anybody_opens_it(tmp_path: Path) -> None:
    """A fresh pty echoes: what the pump says at power-up would come back to it as if the host had said it."""
    with served("--model", "reference", "--link", str(tmp_path / "pump")) as (_, said):
        fd = os.open(said.removeprefix("ready "), os.O_RDWR | os.O_NOCTTY)
        shown = subprocess.run(["stty", "-a"], stdin=fd, capture_output=True, text=True, check=True).stdout
        os.close(fd)
        assert "-echo " in shown
        assert "-icanon" in shown


def test_a_tcp_port_takes_one_client_at_a_time_and_the_next_when_it_has_gone(tmp_path: Path) -> None:
    with served("--model", "reference", "--tcp", "127.0.0.1:0") as (_, said):
        url = said.removeprefix("ready ")
        assert url.startswith("socket://127.0.0.1:")
        with driven(url, tmp_path) as driver:
            assert isinstance(driver.identify(), Identity)
            host, port = url.removeprefix("socket://").split(":")
            with socket.create_connection((host, int(port)), 5) as second:
                assert second.recv(10) == b""
            assert isinstance(driver.read_status(), PumpStatus)
        with driven(url, tmp_path) as driver:
            assert isinstance(driver.identify(), Identity)


def test_speed_makes_a_bolus_of_a_minute_last_less_than_a_second(tmp_path: Path) -> None:
    link = str(tmp_path / "pump")
    with (
        served("--model", "reference", "--link", link, "--speed", "200") as _,
        driven(link, tmp_path) as driver,
    ):
        driver.identify()
        assert isinstance(driver.deliver(bolus(1, 1_000, 60_000)), Acked)
        time.sleep(0.5)
        status = driver.read_status()
        assert isinstance(status, PumpStatus)
        assert status.delivered_nl == 1_000


def test_faults_come_in_by_the_back_door_and_by_option(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pc") as short:
        door, link = Path(short) / "door", str(tmp_path / "pump")
        words = [
            "--model",
            "reference",
            "--link",
            link,
            "--control",
            str(door),
            "--fault",
            "battery-low@0:percent=5",
        ]
        with served(*words) as _, driven(link, tmp_path) as driver:
            driver.identify()
            status = driver.read_status()
            assert isinstance(status, PumpStatus)
            assert status.battery_percent == 5
            assert tell(door, "silence:for=1h") == "ok"
            assert not isinstance(driver.read_status(), PumpStatus)
            assert tell(door, "nonsense").startswith("error: no fault 'nonsense'")
            assert tell(door, "stall:silent=x").startswith("error: ")
            assert oct(door.stat().st_mode & 0o777) == "0o600"


def test_a_pump_that_is_tied_ends_when_its_host_does(tmp_path: Path) -> None:
    with served("--model", "reference", "--link", str(tmp_path / "pump"), "--tied") as (child, _):
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(10) == 0


def test_two_power_ups_of_one_pump_have_two_epochs(tmp_path: Path) -> None:
    """Its process is its power: an epoch that came twice would make an old counter look like a new one."""
    epochs = set()
    for _ in range(2):
        link = str(tmp_path / "pump")
        with served("--model", "reference", "--link", link) as _, driven(link, tmp_path) as driver:
            identity = driver.identify()
            assert isinstance(identity, Identity)
            epochs.add(identity.epoch)
    assert len(epochs) == 2


@pytest.mark.parametrize("model", [name for name in names() if not name.startswith(("implant", "reference"))])
def test_every_model_can_be_served(model: str) -> None:
    with served("--model", model, "--tcp", "127.0.0.1:0", "--syringe", "bd-5") as (_, said):
        assert said.startswith("ready socket://")


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "nothing"],
        ["--model", "reference", "--fill", "41"],
        ["--model", "reference", "--fill", "x"],
        ["--model", "reference", "--speed", "0"],
        ["--model", "reference", "--speed", "nan"],
        ["--model", "reference", "--fault", "nothing"],
        ["--model", "reference", "--syringe", "bd-10"],
        ["--model", "new-era", "--quirk", "x"],
        ["--model", "reference", "--tcp", "nowhere"],
        ["--model", "reference", "--tcp", "127.0.0.1:0", "--link", "x"],
    ],
)
def test_what_cannot_be_served_is_refused_in_words(words: list[str]) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    result = CliRunner().invoke(main, ["serve", *words])
    assert result.exit_code == 2
    assert "Error" in result.output


def test_a_file_in_the_place_of_the_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pump").write_text("mine")
    with served("--model", "reference", "--link", str(tmp_path / "pump")) as (child, said):
        assert said == ""
        assert child.wait(10) == 4
    assert (tmp_path / "pump").read_text() == "mine"


def test_nobody_at_the_back_door_is_exit_4(tmp_path: Path) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    result = CliRunner().invoke(main, ["inject", "--control", str(tmp_path / "door"), "stall"])
    assert result.exit_code == 4
    assert "Nobody answers" in result.output
