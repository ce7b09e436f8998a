"""Drivers on links to simulated pumps, for the contract suite. A new driver or link is a class here.

A bench turns the suite's words ("the reply to what starts a dose is lost") into faults of its protocol.
Everything runs in virtual time: the clock moves only by reads and by ``wait``.
"""

from __future__ import annotations

from typing import ClassVar

from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Identity,
    Nothing,
    Outcome,
    Permit,
    PumpDriver,
    PumpStatus,
    Step,
    StepKind,
)
from pump_ctrl.drivers.registry import driver_factory
from pump_ctrl.drivers.simulated import SimulatedLink
from sim.faults import Fault, FaultyWire
from sim.world import Setup, World

HOUR, MINUTE = 3_600_000, 60_000


class ReferenceInProcess:
    """The reference driver on the in-process link to the reference pump."""

    protocol: ClassVar[str] = "reference"
    exchange_ms: ClassVar[int] = 500
    exchanges: ClassVar[int] = 3  # of a deliver, at most

    def __init__(self) -> None:
        drugs = {"baclofen": 500_000_000}
        self.world = World(
            Setup(model="implant-20", fill_nl=20_000_000, drugs=drugs, path_nl=330_000, serial="SIM-0007")
        )
        self.wire = FaultyWire(self.world.firmware, self.world)
        self.clock = VirtualClock(boot_ms=77_000)
        self.driver = self.session(owner=1)
        self._ids = 0

    def session(self, owner: int) -> PumpDriver:
        """Another host session on the same pump, on a link of its own."""
        self.link = SimulatedLink(self.wire, self.clock)
        return driver_factory("reference")(self.link, owner)

    def identified(self) -> PumpDriver:
        assert isinstance(self.driver.identify(), Identity)
        return self.driver

    def permit(self, *steps: tuple[int, int], kind: StepKind = StepKind.BASAL) -> Permit:
        """A permit of basal steps (nL, ms), the first of another kind if told so; a new id each time."""
        self._ids += 1
        kinds = [kind] + [StepKind.BASAL] * (len(steps) - 1)
        made = tuple(Step(k, volume, duration) for k, (volume, duration) in zip(kinds, steps, strict=True))
        return Permit(self._ids, made, self.clock.boot_ms() + 10 * HOUR)

    def wait(self, ms: int) -> None:
        self.clock.advance(ms)

    @property
    def delivered_nl(self) -> int:
        """What truly left the pump."""
        return self.world.truth.delivered_nl()

    def lose_reply_to_preparation(self) -> None:
        self.wire_fault("lose-reply@0:type=propose")

    def lose_request_that_starts(self) -> None:
        self.wire_fault("lose-request@0:type=commit")

    def lose_reply_to_start(self) -> None:
        self.wire_fault("lose-reply@0:type=commit")

    def delay_request_that_starts(self, by_s: int) -> None:
        self.wire_fault(f"delay-request@0:type=commit,by={by_s}s")

    def let_the_next_request_overtake_the_start(self) -> None:
        self.wire_fault("reorder@0:type=commit")

    def double_all_requests(self, by_ms: int) -> None:
        self.wire_fault(f"duplicate-request@0:count=0,by={by_ms}ms")

    def double_all_replies(self, by_ms: int) -> None:
        self.wire_fault(f"duplicate-reply@0:count=0,by={by_ms}ms")

    def corrupt_next_reply(self, byte: int) -> None:
        self.wire_fault(f"corrupt-reply@0:byte={byte}")

    def corrupt_next_request(self, byte: int) -> None:
        self.wire_fault(f"corrupt-request@0:byte={byte}")

    def corrupt_prepared_steps_with_a_right_check_sum(self) -> None:
        self.wire_fault("corrupt-request@0:type=propose,byte=42,mask=4,crc=repair")

    def silence(self, for_s: int) -> None:
        self.wire.inject(Fault.parse(f"silence@{self.clock.true_ms}ms:for={for_s}s"))

    def babble(self) -> None:
        self.wire.inject(Fault.parse(f"garbage@{self.clock.true_ms}ms:hex=7e01ff7e000eff,times=2000"))

    def lose_power(self) -> None:
        self.world.power_cycle()

    def stall(self) -> None:
        self.world.inject(Fault.parse("stall@0"))

    def free_the_motor(self) -> None:
        self.world.inject(Fault.parse("stall-clear@0"))

    def empty_soon(self, left_nl: int) -> None:
        """The pump's own calculated content is used up after ``left_nl``."""
        self.world.refill(left_nl, {"baclofen": 500_000_000})

    def wire_fault(self, text: str) -> None:
        self.wire.inject(Fault.parse(text))


Bench = ReferenceInProcess  # | the next one
BENCHES = (ReferenceInProcess,)


def status(bench: Bench) -> PumpStatus:
    told = bench.driver.read_status()
    assert isinstance(told, PumpStatus)
    return told


def settled(bench: Bench, permit: Permit) -> Evidence:
    """Ask for evidence once a second until there is some."""
    for _ in range(20):
        found = bench.driver.evidence(permit.id)
        if not isinstance(found, Nothing):
            return found
        bench.wait(1_000)
    return found


def acked(outcome: Outcome) -> PumpStatus:
    assert isinstance(outcome, Acked)
    return outcome.status
