"""The world of one simulated pump: the pump, its fluids, what goes wrong in it, and what truly happened.

Layer      sim. Moves what `sim.pumps` builds; imports nothing of the controller, and knows no kind of pump.
Invariant  advance(a) then advance(b) is advance(b), exactly: state changes only at events, which happen in
           a fixed order (what falls due in the pump first, then faults in the order in which they were
           given).
Time       ms of true time since the world began; the pump's own clock may differ.
Tests      tests/unit/sim/test_world.py, tests/properties/test_world_step_independence.py
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from heapq import heappop, heappush
from typing import Final

from sim.fault_registry import Fault
from sim.firmware.base import Firmware
from sim.firmware.reference import ReferenceFirmware
from sim.fluid import PL_PER_NL, Fluid
from sim.mechanism import Mechanism
from sim.motor import NEVER
from sim.pumps import Setup, build
from sim.truth import Truth

__all__ = ["Setup", "World"]


class World:
    """One simulated pump and everything round it, moved by `advance` alone.

    Raises:
        ValueError: a number of the setup is out of range, or a fault is not one of the pump's.
    """

    __slots__ = (
        "_agenda",
        "_alarm_nl",
        "_cut_by",
        "_due",
        "_given",
        "capacity_nl",
        "firmware",
        "mechanism",
        "model",
        "now_ms",
        "truth",
    )

    def __init__(self, setup: Setup, faults: Iterable[Fault] = ()) -> None:
        built = build(setup)
        self.firmware: Firmware = built.firmware
        self.mechanism: Mechanism = built.mechanism
        self.model, self.capacity_nl = setup.model, built.capacity_nl
        self._agenda = built.firmware.agenda
        self.truth = Truth(self)
        self.now_ms = 0
        self._alarm_nl = setup.alarm_nl
        self._due: list[tuple[int, int, Callable[[], None]]] = []  # at, number, what happens
        self._given = 0
        self._cut_by: set[str] = set()  # who holds the power back
        self.firmware.filled(0, setup.fill_nl, setup.alarm_nl)
        self.firmware.power_up(0)
        self._schedule(faults)
        self.advance(0)

    @property
    def implant(self) -> ReferenceFirmware:
        """The firmware of an implant-like pump, with what only such a pump has.

        Raises:
            TypeError: the pump is another one.
        """
        if not isinstance(self.firmware, ReferenceFirmware):
            raise TypeError(f"{self.model} is no implant-like pump")
        return self.firmware

    def advance(self, to_ms: int) -> None:
        """Let time pass until `to_ms`; what falls due at that very instant happens.

        Raises:
            ValueError: `to_ms` is in the past.
        """
        if to_ms < self.now_ms:
            raise ValueError(f"the world is at {self.now_ms} ms and cannot go back to {to_ms} ms")
        if self._agenda.next_ms <= to_ms or (self._due and self._due[0][0] <= to_ms):
            self._work_off(to_ms)
        self.now_ms = to_ms

    def _work_off(self, to_ms: int) -> None:
        """Do what falls due up to `to_ms`, in order."""
        agenda, due = self._agenda, self._due
        while agenda.next_ms <= to_ms or (due and due[0][0] <= to_ms):
            if not due or agenda.next_ms <= due[0][0]:
                self.now_ms = agenda.next_ms
                agenda.elapse(self.now_ms)
                if agenda.next_ms <= self.now_ms:
                    raise AssertionError(f"the pump has work at {agenda.next_ms} ms that it does not do")
            else:
                at_ms, _, happen = heappop(due)
                self.now_ms = max(self.now_ms, at_ms)
                happen()

    def next_event_ms(self) -> int | None:
        """When something happens next that can be noticed from outside: an alarm, a fault; None for never.

        The end of a step is none, unless a later step of the same run may raise an alarm.
        """
        at_ms = self._agenda.alarm_ms
        if self._due and self._due[0][0] < at_ms:
            at_ms = self._due[0][0]
        return None if at_ms >= NEVER else at_ms

    def refill(self, volume_nl: int, drugs: Mapping[str, int], *, told_nl: int | None = None) -> int:
        """A person draws out what is left, fills, and tells the pump the volume (`told_nl`: another than
        the true).

        Returns:
            Volume that was drawn out, whole nL.

        Raises:
            ValueError: the volume is not positive or more than the reservoir holds.
        """
        if not 0 < volume_nl <= self.capacity_nl:
            raise ValueError(f"fill of {volume_nl} nL: must be 1 to {self.capacity_nl} nL")
        drawn_pl = self.mechanism.refill(self.now_ms, volume_nl * PL_PER_NL, Fluid.of(drugs))
        self.firmware.filled(self.now_ms, volume_nl if told_nl is None else told_nl, self._alarm_nl)
        return drawn_pl // PL_PER_NL

    def power_cycle(self) -> None:
        """Take the power away and give it back at once."""
        self.power_on()

    def power_off(self, by: str = "mains") -> None:
        """Take the power away: delivery ends, whatever the firmware believes."""
        self._cut_by.add(by)
        self.firmware.power_off(self.now_ms)

    def power_on(self, by: str = "mains") -> None:
        """Give it back; the pump has it when nobody else still takes it away."""
        self._cut_by.discard(by)
        if not self._cut_by:
            self.firmware.power_up(self.now_ms)

    def call_at(self, at_ms: int, action: Callable[[], None]) -> None:
        """Let what stands beside the pump act at an instant, in its turn among the faults."""
        heappush(self._due, (at_ms, self._given, action))
        self._given += 1

    def inject(self, fault: Fault) -> None:
        """Let a fault of the pump happen at its time, or now if that is past.

        Raises:
            ValueError: it is no fault of the pump, or not of this one.
        """
        self._schedule((fault,))
        self.advance(self.now_ms)

    def _schedule(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            if fault.kind.where != "pump":
                raise ValueError(f"{fault}: does not happen in the pump; give it to {fault.kind.taker}")
            if fault.name in self.firmware.spared:
                raise ValueError(f"{fault}: {self.model} cannot have it: {self.firmware.spared[fault.name]}")
            self.call_at(fault.at_ms, partial(self._happen, fault, begins=True))

    def _happen(self, fault: Fault, *, begins: bool) -> None:
        _EFFECTS[fault.name](self, fault, begins)
        self._agenda.elapse(self.now_ms)
        lasts = "for" in (p.name for p in fault.kind.params) and fault.number("for")
        if begins and lasts:
            self.call_at(self.now_ms + lasts, partial(self._happen, fault, begins=False))


# What each fault of the pump does; `begins` is false when its span is over.


def _stall(world: World, fault: Fault, begins: bool) -> None:
    if begins:
        world.mechanism.block(world.now_ms, silent=bool(fault.number("silent")))
    else:
        world.mechanism.free(world.now_ms)


def _stall_clear(world: World, fault: Fault, _begins: bool) -> None:
    world.mechanism.free(world.now_ms, catch_up=bool(fault.number("catch_up")))


def _over_infusion(world: World, fault: Fault, _begins: bool) -> None:
    world.mechanism.set_gain(world.now_ms, fault.number("gain_ppm"))


def _occlusion(world: World, fault: Fault, begins: bool) -> None:
    if begins:
        world.mechanism.occlude(world.now_ms, fault.number("limit_nl") * PL_PER_NL)
    else:
        world.mechanism.clear_occlusion(world.now_ms)


def _occlusion_clear(world: World, _fault: Fault, _begins: bool) -> None:
    world.mechanism.clear_occlusion(world.now_ms)


def _free_flow(world: World, fault: Fault, begins: bool) -> None:
    world.mechanism.set_free_flow(world.now_ms, fault.number("nl_per_h") * PL_PER_NL if begins else 0)


def _empty(world: World, fault: Fault, _begins: bool) -> None:
    world.mechanism.spill(world.now_ms, fault.number("left_nl") * PL_PER_NL)


def _power_loss(world: World, fault: Fault, begins: bool) -> None:
    if begins and fault.number("for"):
        world.power_off()
        return
    world.power_on()
    if (rate := fault.number("then_nl_per_h")) and not world.firmware.off:
        world.firmware.run_unasked(world.now_ms, rate)


def _counter_reset(world: World, fault: Fault, _begins: bool) -> None:
    world.firmware.set_counter(world.now_ms, fault.number("value_nl"))


def _counter_stuck(world: World, _fault: Fault, begins: bool) -> None:
    world.mechanism.set_no_flow(world.now_ms, on=begins)


def _battery(world: World, fault: Fault, _begins: bool) -> None:
    left = 0 if fault.name == "battery-dead" else fault.number("percent")
    world.firmware.set_battery(world.now_ms, left)


def _clock_drift(world: World, fault: Fault, _begins: bool) -> None:
    world.mechanism.drift(world.now_ms, fault.number("ppm"))


def _stop_ignored(world: World, fault: Fault, _begins: bool) -> None:
    world.firmware.ignore_stops(fault.word("reply"), fault.number("count") or NEVER)


def _resume_after_reset(world: World, _fault: Fault, _begins: bool) -> None:
    if not world.firmware.off:  # without power nothing goes on
        world.firmware.reset_and_go_on(world.now_ms)


def _status_stuck(world: World, _fault: Fault, begins: bool) -> None:
    world.firmware.freeze_status(world.now_ms, on=begins)


def _runaway(world: World, fault: Fault, begins: bool) -> None:
    world.mechanism.run_away(world.now_ms, fault.number("factor") if begins else 1)


_EFFECTS: Final[Mapping[str, Callable[[World, Fault, bool], None]]] = {
    "stall": _stall,
    "stall-clear": _stall_clear,
    "over-infusion": _over_infusion,
    "occlusion": _occlusion,
    "occlusion-clear": _occlusion_clear,
    "free-flow": _free_flow,
    "empty": _empty,
    "power-loss": _power_loss,
    "counter-reset": _counter_reset,
    "counter-stuck": _counter_stuck,
    "battery-low": _battery,
    "battery-dead": _battery,
    "clock-drift": _clock_drift,
    "stop-ignored": _stop_ignored,
    "resume-after-reset": _resume_after_reset,
    "status-stuck": _status_stuck,
    "runaway": _runaway,
}
