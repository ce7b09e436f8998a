"""What a Harvard pump still gives when nobody talks to it any more: its target volume, and not a step beyond.

There is no watchdog on the wire of any family; these are the numbers of docs/hardware.md. Volumes nL, times ms.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pump_ctrl.assembly import prescription_of, settings_of
from pump_ctrl.bench.setup import LATENCY_MS, world_setup
from pump_ctrl.clock import VirtualClock
from pump_ctrl.drivers.base import Acked, Identity, Permit, Step, StepKind
from pump_ctrl.drivers.harvard import HarvardDriver
from pump_ctrl.drivers.simulated import SimulatedLink
from sim.faults import FaultyWire
from sim.world import World
from tests.driver_stacks import Kind, plan_of
from tests.whole_stack import HOUR, MINUTE, formulary, profile

KIND = Kind("pump-11-elite-bd-10ml", "4 h")
FAMILIES = {
    "harvard-11-elite": "11 ELITE", "pico-plus-elite": "PICO PLUS ELITE", "phd-ultra": "PHD ULTRA", "legato": "LEGATO",
}  # fmt: skip


@pytest.mark.parametrize(
    ("volume", "lasts"), [(12_500, HOUR), (60_000, 20 * MINUTE), (50_000, 4 * HOUR)], ids=str
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pump_that_is_left_alone_gives_its_target_and_stands_still(
    family: str, volume: int, lasts: int
) -> None:
    """A basal of an hour, a bolus, and the longest hold: left alone right after it was told, for a day."""
    plan, pump = plan_of(KIND), profile(KIND.pump)
    world = World(replace(world_setup(plan, pump, None, seed=0), model=family))
    clock = VirtualClock()
    link = SimulatedLink(FaultyWire(world.firmware, world, latency_ms=LATENCY_MS["harvard"]), clock)
    settings = settings_of(pump, prescription_of(plan, pump, formulary(), None))
    driver = HarvardDriver(link, 5, replace(settings, model=FAMILIES[family]))
    assert isinstance(driver.identify(), Identity)
    steps = (Step(StepKind.BASAL, volume, lasts),)
    assert isinstance(driver.deliver(Permit(1, steps, 10**9)), Acked)
    clock.advance(lasts - MINUTE)
    assert volume - volume * 3 * MINUTE // lasts <= world.truth.counted_nl() < volume
    clock.advance(2 * MINUTE)
    assert volume - 10 <= world.truth.counted_nl() <= volume
    clock.advance(24 * HOUR)
    assert world.truth.counted_nl() <= volume
