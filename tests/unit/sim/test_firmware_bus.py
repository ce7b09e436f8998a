"""Several pumps on one wire."""

import pytest

from sim.firmware.bus import Bus, collide
from sim.firmware.new_era import NewEraFirmware
from sim.firmware.new_era_memory import Memory
from sim.syringes import load_pump
from tests.unit.sim.new_era_host import mechanism, safe, safe_texts, text_of


@pytest.fixture
def pumps() -> list[NewEraFirmware]:
    return [
        NewEraFirmware(load_pump("ne-1000"), mechanism(), memory=Memory(address=address))
        for address in (0, 1, 17)
    ]


@pytest.fixture
def bus(pumps: list[NewEraFirmware]) -> Bus:
    bus = Bus(pumps)
    bus.power_up(0)
    for pump in pumps:
        pump.alarm = ""
    return bus


def test_only_the_pump_that_is_addressed_answers(bus: Bus) -> None:
    for address, reply in ((b"0", "00S"), (b"1", "01S"), (b"17", "17S")):
        assert text_of(bus.handle(address + b"\r", 0)) == reply
    assert bus.handle(b"5\r", 0) == b""


def test_requests_in_one_piece_are_answered_in_order_and_do_not_collide(bus: Bus) -> None:
    assert bus.handle(b"0\r1\r17\r", 0) == b"\x0200S\x03\x0201S\x03\x0217S\x03"


def test_the_replies_to_a_network_burst_collide(bus: Bus) -> None:
    bus.handle(b"0DIA14.43\r1DIA14.43\r", 0)
    assert bus.handle(b"0RAT5*1RAT7*\r", 0) == b"\x02\x020001SS\x03\x03"
    assert text_of(bus.handle(b"0RAT\r", 0)) == "00S5.000MH"
    assert text_of(bus.handle(b"1RAT\r", 0)) == "01S7.000MH"


def test_a_collision_is_no_reply_and_one_reply_is_none() -> None:
    assert collide([]) == b""
    assert collide([b"abc"]) == b"abc"
    assert collide([b"abc", b"1"]) == b"a1bc"


def test_what_pumps_push_comes_in_the_order_of_time(bus: Bus, pumps: list[NewEraFirmware]) -> None:
    assert safe_texts(bus.handle(safe("17SAF5"), 0)) == ["17S"]
    assert safe_texts(bus.handle(safe("1SAF9"), 0)) == ["01S"]
    assert bus.next_ms == bus.alarm_ms == 5_000
    for at_ms in (5_000, 9_000):
        assert bus.next_ms == at_ms
        bus.elapse(at_ms)
    assert len(bus.outbox) == 2
    assert bus.take_pushed() == [(5_000, safe("17A?T")), (9_000, safe("01A?T"))]
    assert not bus.outbox
    bus.power_off(9_000)
    assert bus.handle(b"0\r", 9_000) == b""
