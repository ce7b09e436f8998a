"""NESP-Lib, as anybody installs it, drives a served New Era pump over a pseudo-terminal, in either mode.

It is a client of the same protocol by other people: what it and our pump agree on, we did not make up. It takes the
alarm that a pump in Safe mode sends unasked for the reply to its next command and stays one reply behind from then
on; a new port, which throws away what has come, puts that right, as its users have to.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from nesp_lib import Port, Pump, PumpingDirection, Status
from nesp_lib.alarm_status import AlarmStatus
from nesp_lib.exceptions import StateException, StatusAlarmException

from sim.wire.control import tell

SPEED: Final = 20  # seconds of the pump in a second
FAST, SLOW = 8.0, 0.5  # mL/min: 1 mL in 0.4 s or in 6 s of ours


class Served:
    """A pump that lives in a process of its own."""

    def __init__(self, home: Path, address: int) -> None:
        self.link, self.control, self.truth = home / "pump", home / "control", home / "truth.jsonl"
        self.address = address
        command = (
            "--model",
            "ne-1000",
            "--syringe",
            "bd-10",
            "--address",
            str(address),
            "--speed",
            str(SPEED),
        )
        files = ("--link", str(self.link), "--control", str(self.control), "--truth", str(self.truth))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sim.cli", "serve", *command, *files, "--tied"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"ready {self.link}\n"

    def delivered_nl(self) -> int:
        """What has truly left the pump, as far as it is written down; all of it once it stands still."""
        last = self.truth.read_text(encoding="ascii").splitlines()[-1]
        return int(json.loads(last)["delivered_nl"])

    def end(self) -> None:
        with self.process:
            self.process.terminate()
        assert self.process.returncode == 0


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    pump = Served(tmp_path, request.param)
    yield pump
    pump.end()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("safe_s", [0, 255], ids=["basic", "safe"])
@pytest.mark.parametrize("served", [0, 7], indirect=True)
def test_nesp_lib_drives_the_served_pump(served: Served, safe_s: int) -> None:
    with Port(str(served.link), 19_200) as port:
        pump = Pump(port, address=served.address, model_number=1_000, safe_mode_timeout_s=safe_s)
        identifies(pump, safe_s)
        gives_its_volume(pump, served)
        refuses_what_cannot_be(pump)
        pauses_and_goes_on(pump)
        draws_back_and_counts(pump)
        purges(pump)
        stalls(pump, served)
    assert tell(served.control, "stall-clear") == "ok"  # after it the pump has answered all that it was asked
    with Port(str(served.link), 19_200) as port:
        recovers(Pump(port, address=served.address, safe_mode_timeout_s=safe_s))


def identifies(pump: Pump, safe_s: int) -> None:
    assert (pump.model_number, pump.firmware_version, pump.firmware_upgrade) == (1_000, (3, 923), 0)
    assert pump.safe_mode_timeout_s == safe_s
    assert pump.status is Status.STOPPED


def gives_its_volume(pump: Pump, served: Served) -> None:
    pump.syringe_diameter_mm = 14.43
    pump.pumping_direction = PumpingDirection.INFUSE
    pump.pumping_volume_ml = 0.5
    pump.pumping_rate_ml_per_min = FAST
    assert pump.syringe_diameter_mm == 14.43
    assert pump.pumping_direction is PumpingDirection.INFUSE
    assert (pump.pumping_volume_ml, pump.pumping_rate_ml_per_min) == (0.5, FAST)
    pump.run()
    assert (pump.status, pump.running) == (Status.STOPPED, False)
    assert (pump.volume_infused_ml, pump.volume_withdrawn_ml) == (0.5, 0.0)
    assert abs(served.delivered_nl() - 500_000) <= 1


def refuses_what_cannot_be(pump: Pump) -> None:
    for diameter, error in ((60.0, ValueError), (0.05, ValueError)):  # the pump's word, the library's word
        with pytest.raises(error):
            pump.syringe_diameter_mm = diameter
    for rate in (9.0, 0.00005):  # a BD 10 mL syringe goes at 6.876 uL/h to 8.34 mL/min
        with pytest.raises(ValueError, match="Pumping rate invalid"):
            pump.pumping_rate_ml_per_min = rate
    assert (pump.syringe_diameter_mm, pump.pumping_rate_ml_per_min) == (14.43, FAST)


def has_given(pump: Pump, more_than_ml: float) -> None:
    """Wait until the pump counts more than that: how fast its time goes by is the machine's matter."""
    while pump.volume_infused_ml <= more_than_ml:
        time.sleep(0.002)


def pauses_and_goes_on(pump: Pump) -> None:
    pump.volume_infused_clear()
    pump.pumping_volume_ml = 1.0
    pump.pumping_rate_ml_per_min = SLOW
    pump.run(wait_while_running=False)
    has_given(pump, 0)
    assert pump.status is Status.INFUSING
    with pytest.raises(StateException):
        pump.syringe_diameter_mm = 20.0
    with pytest.raises(StateException):
        pump.pumping_volume_ml = 2.0
    with pytest.raises(StateException):
        pump.run(wait_while_running=False)
    pump.stop()
    assert pump.status is Status.PAUSED
    given = pump.volume_infused_ml
    assert 0 < given < 1 / 2
    assert pump.volume_infused_ml == given
    pump.pumping_rate_ml_per_min = FAST
    pump.run()
    assert (pump.status, pump.volume_infused_ml) == (Status.STOPPED, 1.0)


def draws_back_and_counts(pump: Pump) -> None:
    pump.pumping_direction = PumpingDirection.WITHDRAW
    pump.pumping_volume_ml = 0.25
    pump.run(wait_while_running=False)
    assert pump.status is Status.WITHDRAWING
    pump.wait_while_running()
    assert (pump.volume_infused_ml, pump.volume_withdrawn_ml) == (1.0, 0.25)
    pump.volume_withdrawn_clear()
    assert (pump.volume_infused_ml, pump.volume_withdrawn_ml) == (1.0, 0.0)
    pump.pumping_direction = PumpingDirection.INFUSE


def purges(pump: Pump) -> None:
    pump.run_purge()
    assert (pump.status, pump.running) == (Status.PURGING, True)
    has_given(pump, 1)
    pump.stop()
    assert pump.status is Status.STOPPED


def stalls(pump: Pump, served: Served) -> None:
    pump.volume_infused_clear()
    pump.pumping_volume_ml = 1.0
    pump.pumping_rate_ml_per_min = SLOW
    pump.run(wait_while_running=False)
    has_given(pump, 0)
    assert tell(served.control, "stall") == "ok"
    with pytest.raises(StatusAlarmException) as told:
        pump.wait_while_running()
    assert told.value.alarm_status is AlarmStatus.STALLED


def recovers(pump: Pump) -> None:
    assert pump.status is Status.PAUSED
    assert 0 < pump.volume_infused_ml < 1 / 2
    pump.pumping_rate_ml_per_min = FAST
    pump.run()
    assert (pump.status, pump.volume_infused_ml) == (Status.STOPPED, 1.0)
