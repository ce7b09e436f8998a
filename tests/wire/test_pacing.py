"""A paced wire: how long bytes take, and that looking on the way changes nothing."""

import pytest

from sim.faults import FaultyWire
from sim.wire.pacing import PacedWire
from sim.world import Setup, World


def paced(baud: int) -> PacedWire:
    world = World(Setup(model="ne-1000", syringe="bd-10", fill_nl=10_000_000, drugs={}, path_nl=0))
    return PacedWire(FaultyWire(world.firmware, world, latency_ms=0), baud)


def arrivals(wire: PacedWire, until_ms: int, step_ms: int = 1) -> list[tuple[int, bytes]]:
    """What the host gets, and when, looked at every so many ms."""
    got = []
    for t_ms in range(0, until_ms + 1, step_ms):
        wire.advance(t_ms)
        if data := wire.take():
            got.append((t_ms, data))
    return got


def test_ten_bits_a_byte_go_over_a_line_each_way() -> None:
    wire = paced(1_000)  # 10 ms a byte
    wire.send(b"0\r", 0)
    assert wire.next_event_ms() == 20
    got = arrivals(wire, 200)
    assert [t_ms for t_ms, _ in got] == [30, 40, 50, 60, 70, 80, 90]  # 20 ms there, then byte by byte
    assert b"".join(data for _, data in got) == b"\x0200A?R\x03"
    assert wire.next_event_ms() is None


def test_what_is_sent_while_the_line_is_busy_waits_for_it() -> None:
    wire = paced(1_000)
    wire.send(b"0\r", 0)
    wire.send(b"0VER\r", 5)
    got = arrivals(wire, 400)
    assert got[0][0] == 30
    assert got[7][0] == 100  # the pump has heard VER at 70, and its first answer is over at 90
    assert b"".join(data for _, data in got) == b"\x0200A?R\x03\x0200SNE1000V3.923\x03"


@pytest.mark.parametrize("step_ms", [3, 7, 100])
def test_looking_less_often_changes_nothing_but_when_it_is_seen(step_ms: int) -> None:
    def told(step_ms: int) -> bytes:
        wire = paced(19_200)
        for line in (b"0\r", b"0RAT6.000MH\r", b"0RUN\r", b"0DIS\r"):
            wire.send(line, 0)
        return b"".join(data for _, data in arrivals(wire, 700, step_ms))

    assert told(step_ms) == told(1)


def test_at_a_real_rate_a_reading_takes_as_long_as_on_a_real_line() -> None:
    wire = paced(19_200)  # 0.52 ms a byte: 5 there, 19 back
    wire.send(b"0\r", 0)
    wire.advance(10)
    assert wire.take() == b"\x0200A?R\x03"
    wire.send(b"0DIS\r", 10)
    got = arrivals(wire, 40)
    assert (got[-1][0], len(b"".join(data for _, data in got))) == (23, 19)


@pytest.mark.parametrize("baud", [0, -1, 49, 4_000_001])
def test_a_rate_that_is_none_is_refused(baud: int) -> None:
    with pytest.raises(ValueError, match="baud rate"):
        paced(baud)
