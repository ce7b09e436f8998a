"""Drivers on lines to simulated pumps, for the contract suite. A new driver is a ``Declared``, a new line a class.

A bench turns the suite's words ("the reply to what starts a dose is lost") into faults, which are the same for
every protocol. What pumps differ in is declared, and the suite asks for it by what is declared, never by name.
In process everything runs in virtual time: the clock moves only by reads and by ``wait``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pump_ctrl.assembly import settings_of
from pump_ctrl.bench.setup import LATENCY_MS
from pump_ctrl.clock import VirtualClock
from pump_ctrl.controller.prescription import Prescription
from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Identity,
    Link,
    Nothing,
    Outcome,
    Permit,
    PumpDriver,
    PumpSettings,
    PumpStatus,
    Step,
    StepKind,
)
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.drivers.simulated import SimulatedLink
from pump_ctrl.therapy.profiles import load_profile
from sim.faults import Fault, FaultyWire
from sim.world import Setup, World
from tests.toy_pace import ToyPace
from tests.wire.stepped import SteppedLink

HOUR, MINUTE = 3_600_000, 60_000
PORTION = 20_000  # nL; every pump can give it, and two fifths of it, in an hour
DRUGS: Final = {"baclofen": 500_000_000}


@dataclass(frozen=True, slots=True)
class Declared:
    """A pump of the suite and what it declares beside its ``Capabilities``.

    Attributes:
        profile: the pump's data file; ``model`` the simulated pump of it.
        fill_nl: what is in it.
        serial: what it tells; None for a pump that tells none.
        hold: its wire time-out is off, as for a plan that holds.
        off_nl: by so much counter and even flow may be off, nL.
        exchanges: of a deliver of one step, at most; ``looks`` those of each other verb.
        counts_on: its counter outlives a power loss.
        pushes: it tells its alarms unasked.
        sees_empty: it tells an empty reservoir.
        owns: it obeys one session at a time.
        same_id: a permit that was sent once may be sent again.
        shows: it can show what it runs to a session that has not started it.
        checks: a check sum protects what it is told.
    """

    profile: str
    model: str
    syringe: str
    fill_nl: int
    serial: str | None
    off_nl: int
    exchanges: int
    looks: int
    hold: bool = False
    counts_on: bool = False
    pushes: bool = False
    sees_empty: bool = False
    owns: bool = False
    same_id: bool = False
    shows: bool = False

    def __str__(self) -> str:
        return f"{self.profile}{', hold' if self.hold else ''}"

    @property
    def protocol(self) -> str:
        return load_profile(self.profile).protocol

    @property
    def settings(self) -> PumpSettings:
        pace = ToyPace((0, 0))
        plan = Prescription(pace, 0, max_hold_ms=4 * HOUR if self.hold else 0)  # type: ignore[arg-type]
        return settings_of(load_profile(self.profile), plan)

    @property
    def setup(self) -> Setup:
        return Setup(
            model=self.model, fill_nl=self.fill_nl, drugs=DRUGS, path_nl=330_000, serial="SIM-0007",
            syringe=self.syringe,
        )  # fmt: skip


REFERENCE = Declared(
    "implant-20", "implant-20", "", 20_000_000, "SIM-0007", off_nl=0, exchanges=3, looks=1,
    counts_on=True, pushes=True, sees_empty=True, owns=True, same_id=True, shows=True,
)  # fmt: skip
NEW_ERA = Declared(
    "ne-1000-bd-10ml", "ne-1000", "bd-10", 10_000_000, None, off_nl=25, exchanges=50, looks=16, pushes=True
)
NEW_ERA_HOLD = Declared(
    "ne-1000-bd-10ml", "ne-1000", "bd-10", 10_000_000, None, off_nl=25, exchanges=50, looks=16, hold=True
)
HARVARD = Declared(
    "pump-11-elite-bd-10ml", "harvard-11-elite", "bd-10", 10_000_000, "SIM-0007", off_nl=5, exchanges=22,
    looks=16, shows=True,
)  # fmt: skip
PUMPS: Final = (REFERENCE, NEW_ERA, NEW_ERA_HOLD, HARVARD)


class Line(Protocol):
    """A pump and the way to it. In process it is virtual; one over a pty or a network is another class."""

    world: World

    def link(self) -> Link:
        """A new link to the same pump."""

    def now_ms(self) -> int:
        """The host's boot-time clock."""

    def true_ms(self) -> int:
        """The world's time."""

    def wait(self, ms: int) -> None:
        """Let time go by."""

    def wait_for_bytes(self, link: Link, until_ms: int) -> bool:
        """Let time go by until the pump speaks by itself; whether it has."""

    def fault(self, text: str) -> None:
        """Something goes wrong on the way, from now on."""

    def close(self) -> None:
        """Give everything back."""


class InProcess:
    """A line in virtual time."""

    def __init__(self, declared: Declared) -> None:
        self.world = World(declared.setup)
        self._wire = FaultyWire(self.world.firmware, self.world, latency_ms=LATENCY_MS[declared.protocol])
        self._clock = VirtualClock(boot_ms=77_000)
        self.buffered = False

    def link(self) -> SimulatedLink | SteppedLink:
        link = SimulatedLink(self._wire, self._clock)
        link.buffered = self.buffered  # type: ignore[attr-defined]  # as a link to a network says of itself
        return link

    def now_ms(self) -> int:
        return self._clock.boot_ms()

    def true_ms(self) -> int:
        return self._clock.true_ms

    def wait(self, ms: int) -> None:
        self._clock.advance(ms)

    def wait_for_bytes(self, link: Link, until_ms: int) -> bool:
        assert isinstance(link, SimulatedLink | SteppedLink)
        return link.wait(until_ms)

    def fault(self, text: str) -> None:
        self._wire.inject(Fault.parse(text))

    def close(self) -> None:
        """There is nothing to give back."""


class Network(InProcess):
    """The same, and bytes may wait on the way: silence proves nothing."""

    def __init__(self, declared: Declared) -> None:
        super().__init__(declared)
        self.buffered = True


LineFactory = Callable[[Declared], Line]


class Bench:
    """One driver on one line to one pump."""

    def __init__(self, declared: Declared, line: LineFactory = InProcess) -> None:
        self.declared, self.line = declared, line(declared)
        self._ids = 0
        self.driver = self.session(owner=1)

    def session(self, owner: int) -> PumpDriver:
        """Another host session on the same pump, on a link of its own."""
        self.link = self.line.link()
        return driver_factory(self.declared.protocol)(self.link, owner, settings=self.declared.settings)

    def identified(self) -> PumpDriver:
        for _ in range(2):  # a pump that has just got its power says so first
            told = self.driver.identify()
            if isinstance(told, Identity):
                return self.driver
        raise AssertionError(told)

    def permit(self, *steps: tuple[int, int], kind: StepKind = StepKind.BASAL) -> Permit:
        """A permit of basal steps (nL, ms), the first of another kind if told so; a new id each time."""
        self._ids += 1
        kinds = [kind] + [StepKind.BASAL] * (len(steps) - 1)
        made = tuple(Step(k, volume, duration) for k, (volume, duration) in zip(kinds, steps, strict=True))
        return Permit((0xABC << 32) + self._ids, made, self.now_ms + 100 * HOUR)

    @property
    def now_ms(self) -> int:
        return self.line.now_ms()

    def wait(self, ms: int) -> None:
        """Let time go by, with a status every 30 s where the pump stops without."""
        if self.declared.settings.wire_timeout_s is None:
            self.line.wait(ms)
            return
        end = self.now_ms + ms
        while (left := end - self.now_ms) > 0:
            self.line.wait(min(left, 30_000))
            if self.now_ms < end:
                self.driver.read_status()

    @property
    def delivered_nl(self) -> int:
        """What truly left the pump."""
        return self.line.world.truth.delivered_nl()

    def near(self, nl: int, off: int = 0) -> bool:
        """Whether so much truly left the pump, as far as it is exact."""
        return abs(self.delivered_nl - nl) <= self.declared.off_nl + off

    # What goes wrong.

    def lose_reply_to_preparation(self) -> None:
        self.line.fault("lose-reply@0:type=propose")

    def lose_request_that_starts(self) -> None:
        self.line.fault("lose-request@0:type=commit")

    def lose_reply_to_start(self) -> None:
        self.line.fault("lose-reply@0:type=commit")

    def delay_request_that_starts(self, by_s: int) -> None:
        self.line.fault(f"delay-request@0:type=commit,by={by_s}s")

    def let_the_next_request_overtake_the_start(self) -> None:
        self.line.fault("reorder@0:type=commit")

    def double_all_requests(self, by_ms: int) -> None:
        self.line.fault(f"duplicate-request@0:count=0,by={by_ms}ms")

    def double_all_replies(self, by_ms: int) -> None:
        self.line.fault(f"duplicate-reply@0:count=0,by={by_ms}ms")

    def silence(self, for_s: int) -> None:
        self.line.fault(f"silence@{self.line.true_ms()}ms:for={for_s}s")

    def babble(self) -> None:
        self.line.fault(f"garbage@{self.line.true_ms()}ms:hex=7e01ff7e000eff0241,times=2000")

    def lose_power(self) -> None:
        self.line.world.power_cycle()

    def stall(self) -> None:
        self.line.world.inject(Fault.parse("stall@0"))

    def free_the_motor(self) -> None:
        self.line.world.inject(Fault.parse("stall-clear@0"))

    def empty_soon(self, left_nl: int) -> None:
        """The pump's own calculated content is used up after ``left_nl``."""
        self.line.world.refill(left_nl, DRUGS)


def those(where: Callable[[Declared], bool] = lambda _: True) -> Iterable[Declared]:
    """The pumps of the suite that declare something."""
    return [declared for declared in PUMPS if where(declared)]


def status(bench: Bench) -> PumpStatus:
    told = bench.driver.read_status()
    assert isinstance(told, PumpStatus), told
    return told


def settled(bench: Bench, permit: Permit) -> Evidence:
    """Ask for evidence once a second until there is some; a pump that cannot show what it runs is stopped."""
    for attempt in range(20):
        found = bench.driver.evidence(permit.id)
        if not isinstance(found, Nothing):
            return found
        if attempt == 2 and not bench.declared.shows:
            bench.driver.stop()
        bench.line.wait(1_000)
    return found


def unproven(found: object, bench: Bench) -> bool:
    """Nothing is known, as it may be where a network may still bring a start that the pump would take at any time."""
    return isinstance(found, Nothing) and bench.driver.capabilities.buffered and not bench.declared.same_id


def acked(outcome: Outcome) -> PumpStatus:
    assert isinstance(outcome, Acked), outcome
    return outcome.status


Benches = Callable[[], Bench]
