"""The fixtures for other people's tests: pumps on real devices that live in a test's own time."""

from pathlib import Path

import pytest
import serial

from pump_ctrl.clock import VirtualClock
from pump_ctrl.pytest_plugin import PumpMaker
from sim.wire.loopback import LoopbackPump, SerialPair
from sim.wire.serve import Wanted

MIN, DAY = 60_000, 86_400_000
pytestmark = pytest.mark.timeout(20)


def ask(port: serial.Serial, command: bytes, end: bytes = b"\x03") -> bytes:
    port.write(command + b"\r")
    return bytes(port.read_until(end))


def test_a_pump_gives_while_the_clock_goes_and_only_then(
    pump_ctrl_sim: PumpMaker, pump_ctrl_clock: VirtualClock
) -> None:
    pump = pump_ctrl_sim("ne-1000", syringe="bd-10", address=3)
    with serial.Serial(pump.device, timeout=5) as port:
        assert ask(port, b"3") == b"\x0203A?R\x03"
        for command in (b"3RAT6.000MH", b"3VOL1.000", b"3RUN"):
            ask(port, command)
        assert [ask(port, b"3DIS") for _ in range(50)] == [b"\x0203II0.000W0.000ML\x03"] * 50
        pump_ctrl_clock.advance(5 * MIN)
        assert ask(port, b"3DIS") == b"\x0203II0.500W0.000ML\x03"
        pump_ctrl_clock.advance(30 * DAY)
        assert ask(port, b"3") == b"\x0203S\x03"
    assert pump.delivered_nl == 1_000_000


def test_what_was_sent_before_the_clock_moves_is_heard_before(
    pump_ctrl_sim: PumpMaker, pump_ctrl_clock: VirtualClock
) -> None:
    pump = pump_ctrl_sim("harvard-11-elite", quirks={"start_ms": "0"})
    with serial.Serial(pump.device, timeout=5) as port:
        assert ask(port, b"irate 6 ml/h", b":") == b"\n:"
        assert ask(port, b"irun", b">") == b"\n>"
        for minute in range(1, 21):
            port.write(b"stop\r" if minute % 2 else b"irun\r")
            assert port.read_until(b":" if minute % 2 else b">")
            pump_ctrl_clock.advance(MIN)
    assert pump.delivered_nl == 1_000_000


def test_a_command_that_nobody_waited_for_is_heard_before_time_passes(
    pump_ctrl_sim: PumpMaker, pump_ctrl_clock: VirtualClock
) -> None:
    pump = pump_ctrl_sim("ne-1000")
    with serial.Serial(pump.device, timeout=5) as port:
        for command in (b"0", b"0RAT6.000MH", b"0VOL9.000"):
            ask(port, command)
        for command in (b"0RUN\r", b"0STP\r") * 40:
            port.write(command)
            pump_ctrl_clock.advance(1_000 if b"RUN" in command else 3_000)
            assert port.read_until(b"\x03") == (b"\x0200I\x03" if b"RUN" in command else b"\x0200P\x03")
    assert abs(pump.delivered_nl - 40 * 1_667) <= 40


def test_the_pumps_of_a_test_share_its_clock_and_what_they_say_unasked_is_there(
    pump_ctrl_sim: PumpMaker, pump_ctrl_clock: VirtualClock
) -> None:
    first = pump_ctrl_sim("ne-1000")
    with serial.Serial(first.device, timeout=5) as port:
        assert ask(port, b"0SAF5") == b"\x0200A?R\x03"
        assert ask(port, b"0SAF5")[:2] == b"\x02\x07"
        pump_ctrl_clock.advance(5_000)
        assert port.read(10)[2:7] == b"00A?T"
    second = pump_ctrl_sim("ne-1000", faults=("stall@10s",))
    assert second.device != first.device
    second.advance(5_000)


@pytest.mark.pump_ctrl_fault("stall@30s")
@pytest.mark.pump_ctrl_fault("counter-reset@1min:value_nl=7000", "lose-reply@2min:type=stop")
def test_faults_of_the_marker_and_faults_by_hand_befall_the_pump(
    pump_ctrl_sim: PumpMaker, pump_ctrl_clock: VirtualClock
) -> None:
    pump = pump_ctrl_sim("ne-1000")
    with serial.Serial(pump.device, timeout=0.3) as port:
        for command in (b"0", b"0RAT6.000MH", b"0RUN"):
            ask(port, command)
        pump_ctrl_clock.advance(MIN)
        assert ask(port, b"0") == b"\x0200A?S\x03"
        assert b"I0.007" in ask(port, b"0DIS")
        pump.inject("stall-clear")
        ask(port, b"0RUN")
        pump_ctrl_clock.advance(MIN)
        assert ask(port, b"0STP") == b""
    assert pump.delivered_nl == 150_000
    with pytest.raises(ValueError, match="no fault 'nothing'"):
        pump.inject("nothing")


def test_what_cannot_be_is_said(pump_ctrl_sim: PumpMaker) -> None:
    with pytest.raises(ValueError, match="no pump model 'x'"):
        pump_ctrl_sim("x")
    with pytest.raises(ValueError, match="no syringe 'x'"):
        pump_ctrl_sim("legato", syringe="x")


def test_a_bare_pair_carries_bytes_as_they_are_both_ways(pump_ctrl_serial_pair: SerialPair) -> None:
    with serial.Serial(pump_ctrl_serial_pair.device, timeout=5) as port:
        every = bytes(range(256))
        port.write(every)
        assert pump_ctrl_serial_pair.receive(256) == every
        pump_ctrl_serial_pair.send(every)
        assert port.read(256) == every
        assert pump_ctrl_serial_pair.receive(1, timeout_s=0.01) == b""


def test_a_pump_that_fails_says_so_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    pump = LoopbackPump("ne-1000", Wanted())
    monkeypatch.setattr(pump, "_exchange", lambda: 1 / 0)
    with serial.Serial(pump.device, timeout=5) as port:
        port.write(b"0\r")
    assert pump._thread is not None
    pump._thread.join(5)
    with pytest.raises(ZeroDivisionError):
        pump.close()
    pump.close()


def test_the_entry_point_names_the_plugin() -> None:
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\n"pump_ctrl.pytest_plugin" = "pump_ctrl.pytest_plugin"' in text
