"""Ports of a balance and a relay in a real run: opened with their own speed, mended when they were lost."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from pump_ctrl.clock import Clock, SystemClock, VirtualClock
from pump_ctrl.drivers.base import Outflow, Switched, Unknown
from pump_ctrl.errors import InvalidInput, LinkError
from pump_ctrl.live.beside import MendedLink, first_word, led_to, open_beside, simulated_beside
from pump_ctrl.live.order import Order, open_port
from pump_ctrl.live.trial import TrialPump
from tests.unit.live_kit import plan_with_boluses
from tests.whole_stack import formulary, profile


class FakePort:
    """A port that can be lost; it answers every word with the next of its answers."""

    simulated = False

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.waiting, self.lost, self.gone = list(answers), b"", False, False
        self.reopened, self.closed, self.now = 0, False, 0

    def write(self, data: bytes, *, deadline_ms: int) -> None:
        if self.lost:
            raise LinkError("the cable is out")
        self.waiting = self.answers.pop(0) if self.answers else b""

    def read(self, *, deadline_ms: int) -> bytes:
        if self.lost:
            raise LinkError("the cable is out")
        data, self.waiting = self.waiting, b""
        self.now = self.now if data else max(self.now, deadline_ms)
        return data

    def wait(self, until_ms: int) -> bool:
        return bool(self.waiting)

    def reopen(self) -> None:
        self.reopened += 1
        if self.gone:
            raise LinkError("there is no such port")
        self.lost = False

    def now_ms(self) -> int:
        return self.now

    def close(self) -> None:
        self.closed = True


def order(**more: str) -> Order:
    return Order(Path("plan.toml"), "pump", Path("j.jsonl"), formulary(), **more)  # type: ignore[arg-type]


class Ports:
    """Opens fake ports and keeps who was opened at which speed."""

    def __init__(self, **ports: FakePort) -> None:
        self.ports, self.opened = ports, []  # type: dict[str, FakePort], list[tuple[str, int]]

    def open(self, url: str, clock: Clock, baud: int) -> FakePort:
        self.opened.append((url, baud))
        return self.ports[url]


def test_without_options_nothing_is_opened() -> None:
    ports = Ports()
    with ExitStack() as opened:
        found = open_beside(order(), profile("implant-40"), VirtualClock(), ports.open, opened)
    assert (found, ports.opened) == (None, [])


def test_each_is_opened_at_its_own_speed_and_closed_at_the_end() -> None:
    ports = Ports(scale=FakePort(b'I4 A "7"\r\n', b"S S       1.00 g\r\n"), relay=FakePort())
    with ExitStack() as opened:
        found = open_beside(
            order(balance="scale", power_cut="relay"),
            profile("implant-40"),
            VirtualClock(),
            ports.open,
            opened,
        )
        assert found is not None
        assert found.sensor is not None
        assert found.power_cut is not None
        assert found.sensor.read() == Outflow(1_002_807, "balance 7")
        assert found.power_cut.cut() == Switched(confirmed=False)
    assert ports.opened == [("scale", 9_600), ("relay", 9_600)]
    assert ports.ports["scale"].closed
    assert ports.ports["relay"].closed


def test_an_unknown_type_is_refused_before_its_port_is_opened() -> None:
    ports, asked = Ports(), order(power_cut="relay", power_cut_type="nonesuch")
    with ExitStack() as opened, pytest.raises(InvalidInput, match="lcus-1"):
        open_beside(asked, profile("implant-40"), VirtualClock(), ports.open, opened)
    assert ports.opened == []


def test_a_balance_that_cannot_be_read_at_the_start_is_said_and_no_reason_to_end() -> None:
    mute, well = FakePort(), FakePort(b'I4 A "7"\r\n', b"S S       1.00 g\r\n")
    said = []
    for port in (mute, well):
        with ExitStack() as opened:
            asked = order(balance="scale")
            found = open_beside(asked, profile("implant-40"), VirtualClock(), Ports(scale=port).open, opened)
            said.append(first_word(found))
    assert said[0].startswith("The balance cannot be read, and is asked again: the balance did not answer I4")
    assert said[1] == ""
    assert first_word(None) == ""


@pytest.mark.parametrize("which", [{"balance": "sim:"}, {"power_cut": "sim:"}])
def test_a_simulated_one_goes_with_a_simulated_pump_only(which: dict[str, str]) -> None:
    with ExitStack() as opened, pytest.raises(InvalidInput, match="goes with --port sim: only"):
        open_beside(order(**which), profile("implant-40"), VirtualClock(), Ports().open, opened)


def test_a_trial_has_a_balance_and_a_relay_of_its_own_that_can_be_asked() -> None:
    """The simulated board has its pump on the normally open contact."""
    asked = order(balance="sim:", power_cut="sim:")
    pump = TrialPump(plan_with_boluses(), profile("implant-40"), 1, simulated_beside(asked))
    try:
        led = led_to(pump, asked)
        assert led.power_cut_type == "lcus-1-no"
        with ExitStack() as opened:
            found = open_beside(led, profile("implant-40"), SystemClock(), open_port, opened)
            assert found is not None
            assert found.sensor is not None
            assert found.power_cut is not None
            assert found.sensor.read() == Outflow(0, "balance SIMB000001")
            assert isinstance(found.power_cut.cut(), Switched)
    finally:
        pump.close()
    assert not Path(pump.beside["balance"]).exists()


def test_a_lost_port_is_opened_again_before_the_next_word() -> None:
    port = FakePort(b'I4 A "7"\r\n', b"S S       1.00 g\r\n", b'I4 A "7"\r\n', b"S S       2.00 g\r\n")
    ports = Ports(scale=port)
    with ExitStack() as opened:
        found = open_beside(order(balance="scale"), profile("implant-40"), VirtualClock(), ports.open, opened)
        assert found is not None
        assert found.sensor is not None
        found.sensor.read()
        port.lost = port.gone = True
        assert isinstance(found.sensor.read(), Unknown)
        gone = found.sensor.read()
        assert isinstance(gone, Unknown)
        assert "no such port" in gone.detail
        port.gone = False
        assert found.sensor.read() == Outflow(2_005_615, "balance 7")


def test_a_port_that_was_never_lost_is_not_opened_again() -> None:
    port = FakePort()
    link = MendedLink(port)
    link.write(b"x", deadline_ms=500)
    link.read(deadline_ms=500)
    assert (port.reopened, link.now_ms(), link.simulated) == (0, 500, False)


def test_a_write_that_fails_is_mended_by_the_next_one() -> None:
    port = FakePort()
    link = MendedLink(port)
    port.lost = True
    with pytest.raises(LinkError):
        link.write(b"x", deadline_ms=500)
    link.write(b"x", deadline_ms=500)
    assert port.reopened == 1
