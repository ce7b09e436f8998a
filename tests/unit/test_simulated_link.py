"""The in-process link: reads move the clock, the clock moves the wire, nothing else does."""

from __future__ import annotations

import pytest

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Link
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.errors import LinkError


class ScriptedWire:
    """A wire with events at given true times, at which bytes (or nothing) arrive at the host."""

    def __init__(self, events: dict[int, bytes]) -> None:
        self.events = dict(sorted(events.items()))
        self.inbox = b""
        self.now = 0
        self.moves: list[int] = []
        self.sent: list[tuple[int, bytes]] = []
        self.broken = False

    def send(self, data: bytes, at_ms: int) -> None:
        if self.broken:
            raise OSError("unplugged")
        self.sent.append((at_ms, data))

    def advance(self, to_ms: int) -> None:
        if self.broken:
            raise OSError("unplugged")
        assert to_ms >= self.now
        self.now = to_ms
        self.moves.append(to_ms)
        for at in [at for at in self.events if at <= to_ms]:
            self.inbox += self.events.pop(at)

    def next_event_ms(self) -> int | None:
        return next(iter(self.events), None)

    def take(self) -> bytes:
        data, self.inbox = self.inbox, b""
        return data


def linked(
    events: dict[int, bytes], boot_ms: int = 5_000
) -> tuple[SimulatedLink, ScriptedWire, VirtualClock]:
    clock, wire = VirtualClock(boot_ms=boot_ms), ScriptedWire(events)
    return SimulatedLink(wire, clock), wire, clock


def test_it_is_a_link_and_says_that_it_is_simulated() -> None:
    link, wire, clock = linked({})
    pipe: Link = link
    assert pipe.simulated
    assert pipe.now_ms() == 5_000
    clock.advance(70)
    assert pipe.now_ms() == 5_070
    assert wire.now == 70


def test_a_write_leaves_at_the_true_time_and_takes_none() -> None:
    link, wire, clock = linked({})
    clock.advance(70)
    link.write(b"abc", deadline_ms=0)
    assert wire.sent == [(70, b"abc")]
    assert clock.true_ms == 70


def test_a_read_moves_the_clock_to_the_next_bytes_and_no_further() -> None:
    link, wire, clock = linked({10: b"", 40: b"ab", 41: b"c"})
    assert link.read(deadline_ms=5_500) == b"ab"
    assert (clock.true_ms, wire.moves) == (40, [10, 40])
    assert link.read(deadline_ms=5_500) == b"c"
    assert link.read(deadline_ms=5_500) == b""
    assert clock.true_ms == 500


@pytest.mark.parametrize(("arrives", "data"), [(500, b"ab"), (501, b"")])
def test_a_read_waits_up_to_its_deadline_and_not_beyond(arrives: int, data: bytes) -> None:
    link, _, clock = linked({arrives: b"ab"})
    assert link.read(deadline_ms=5_500) == data
    assert clock.true_ms == 500


def test_a_deadline_in_the_past_moves_nothing_and_takes_what_is_there() -> None:
    link, wire, clock = linked({40: b"ab", 60: b"cd"})
    assert link.read(deadline_ms=4_000) == b""
    clock.advance(50)
    assert link.read(deadline_ms=5_050) == b"ab"
    assert link.read(deadline_ms=4_000) == b""
    assert wire.moves == [50]


def test_wait_ends_at_unsolicited_bytes_and_leaves_them_for_the_read() -> None:
    link, _, clock = linked({30: b"", 3_600_000: b"alarm"})
    assert link.wait(5_000 + 7_200_000)
    assert clock.true_ms == 3_600_000
    assert link.wait(5_000 + 7_200_000)  # they are still there
    assert clock.true_ms == 3_600_000
    assert link.read(deadline_ms=0) == b"alarm"
    assert not link.wait(5_000 + 7_200_000)
    assert clock.true_ms == 7_200_000


def test_the_world_goes_on_while_nobody_reads() -> None:
    link, wire, clock = linked({30: b"a", 60: b"b"})
    clock.advance(100)
    assert wire.now == 100
    assert link.read(deadline_ms=0) == b"ab"


def test_a_deadline_is_measured_on_the_boot_clock_also_after_a_reboot() -> None:
    link, _, clock = linked({100_300: b"ab"})
    clock.advance(100_000)
    clock.reboot()
    assert link.now_ms() == 0
    assert link.read(deadline_ms=200) == b""
    assert link.read(deadline_ms=500) == b"ab"
    assert clock.true_ms == 100_300


def test_an_event_that_stays_due_does_not_stop_the_clock() -> None:
    link, wire, clock = linked({})
    wire.next_event_ms = lambda: clock.true_ms  # type: ignore[method-assign]
    assert link.read(deadline_ms=5_003) == b""
    assert clock.true_ms == 3


def test_a_closed_link_refuses_but_the_world_goes_on() -> None:
    link, wire, clock = linked({})
    link.close()
    link.close()
    for use in (
        lambda: link.write(b"a", deadline_ms=9_000),
        lambda: link.read(deadline_ms=9_000),
        lambda: link.wait(9_000),
    ):
        with pytest.raises(LinkError, match="closed"):
            use()
    clock.advance(10)
    assert (wire.now, wire.sent) == (10, [])


def test_a_broken_wire_is_a_link_error() -> None:
    link, wire, _ = linked({5: b"a"})
    wire.broken = True
    with pytest.raises(LinkError, match="unplugged"):
        link.write(b"a", deadline_ms=9_000)
    with pytest.raises(LinkError, match="unplugged"):
        link.read(deadline_ms=9_000)
