"""A balance under the end of the line: the weight of a vessel that catches what truly left the pump.

Layer      sim. Reads the truth of a world and is a guest of its agenda; nothing here knows the pump's counter.
Source     physics.md, section 6: resolution 0.1 or 0.01 mg, evaporation 0.1 to 1 uL/h without oil, buoyancy,
           vibration. Buoyancy as weights of 8 g/mL and air of 1.2 mg/mL make it (OIML D 28, conventional mass).
Model      The end of the line dips into fluid that stands in the vessel, so that no drop hangs from it and
           evaporation never wants for fluid. What floats or is displaced by the line itself is left out.
Ours       when a reading is steady, how long the pan needs to settle, and how far zero may be set are not in any
           document; they are named here.
Invariant  the reading is a function of the time and of what was done to the balance; to read changes nothing,
           and a world that stops on the way shows the same as one that does not.
Units      time ms; weights shown ug, inside ng; densities in millionths of 1 g/mL; integers only.
Tests      tests/unit/sim/test_balance.py, tests/properties/test_balance_step_independence.py
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from sim.fault_registry import Fault

if TYPE_CHECKING:
    from sim.world import World

AIR_PPM: Final = 1_200
WEIGHTS_PPM: Final = 8_000_000  # what a balance is adjusted with
STEADY_STEPS: Final = 3  # a reading is steady that moves by no more of its steps in a second
ZERO_SHARE: Final = 50  # zero may be set within a fiftieth of the capacity, and is underload below that
NG_PER_UG: Final = 1_000
PL_PER_NL: Final = 1_000
MILLION: Final = 1_000_000
SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600_000


class Reading(NamedTuple):
    """What the balance shows: net weight, gross weight (ug, both rounded), steady or not, and whether there is
    too much (`+`) or too little (`-`) on it to show anything.
    """

    net_ug: int
    gross_ug: int
    steady: bool
    beyond: str


class Balance:
    """One balance with a vessel on it, tared with the world's first instant.

    Args:
        world: whose pump's line ends in the vessel.
        resolution_ug: one step of the display: 100 is 0.1 mg.
        density_ppm: of the fluid, water being 1_000_000.
        evaporation_nl_per_h: fluid that the vessel loses to the air.
        noise_ug: most by which vibration moves a reading, each way.
        air_ppm: density of the air; 0 is a vacuum, in which nothing is lighter than it is.
        seed: of the noise.
        settle_ms: how long a reading is unsteady after the vessel was touched.
        capacity_ug: most that it weighs.
        vessel_ug: what stands on it at first.
        faults: what goes wrong with it.

    Raises:
        ValueError: a number is out of range, or a fault is not the balance's.
    """

    __slots__ = (
        "_creep_since_ms",
        "_creep_ug_per_h",
        "_crept_ng",
        "_evaporation",
        "_in_air",
        "_lean_ng",
        "_lifted",
        "_noise_ng",
        "_seed",
        "_settle_ms",
        "_settled_at_ms",
        "_silenced",
        "_stuck",
        "_stuck_ng",
        "_tare_ng",
        "_vessel_ng",
        "_zero_ng",
        "capacity_ug",
        "resolution_ug",
        "world",
    )

    def __init__(
        self,
        world: "World",
        *,
        resolution_ug: int = 100,
        density_ppm: int = MILLION,
        evaporation_nl_per_h: int = 0,
        noise_ug: int = 0,
        air_ppm: int = AIR_PPM,
        seed: int = 0,
        settle_ms: int = 3_000,
        capacity_ug: int = 220_000_000,
        vessel_ug: int = 20_000_000,
        faults: Iterable[Fault] = (),
    ) -> None:
        _check("resolution_ug", resolution_ug, 1, MILLION)
        _check("density_ppm", density_ppm, 100_000, 20_000_000)
        _check("air_ppm", air_ppm, 0, 50_000)
        _check("capacity_ug", capacity_ug, MILLION, 10_000 * MILLION)
        _check("vessel_ug", vessel_ug, 0, capacity_ug)
        for name, value in (("evaporation_nl_per_h", evaporation_nl_per_h), ("noise_ug", noise_ug)):
            _check(name, value, 0, MILLION)
        _check("settle_ms", settle_ms, 0, HOUR_MS)
        self.world, self.resolution_ug, self.capacity_ug = world, resolution_ug, capacity_ug
        self._in_air = ((density_ppm - air_ppm) * WEIGHTS_PPM, MILLION * (WEIGHTS_PPM - air_ppm))  # ng/pL
        self._evaporation = evaporation_nl_per_h * PL_PER_NL
        self._noise_ng, self._seed, self._settle_ms = noise_ug * NG_PER_UG, seed, settle_ms
        self._vessel_ng = vessel_ug * NG_PER_UG
        self._zero_ng, self._tare_ng, self._settled_at_ms = 0, self._vessel_ng, 0
        self._lean_ng = self._lifted = self._silenced = self._stuck = self._stuck_ng = 0
        self._crept_ng = self._creep_since_ms = self._creep_ug_per_h = 0
        for fault in faults:
            self.inject(fault)

    # What it shows

    def reading(self) -> Reading:
        """What it shows now."""
        gross = self._measured_ng() - self._zero_ng
        beyond = (
            "+" if gross > self.capacity_ug * NG_PER_UG else "-" if gross < -self._zero_range_ng() else ""
        )
        return Reading(self._shown(gross - self._tare_ng), self._shown(gross), self._is_steady(), beyond)

    @property
    def tare_ug(self) -> int:
        """What is subtracted from the gross weight, rounded as it is shown."""
        return self._shown(self._tare_ng)

    @property
    def silent(self) -> bool:
        """Whether it neither hears nor answers."""
        return self._silenced > 0

    # What is done to it

    def tare(self) -> None:
        """Show 0 from here on: all that stands on it is tare."""
        self._tare_ng = self._measured_ng() - self._zero_ng

    def set_tare(self, tare_ug: int) -> None:
        """Subtract this weight, whatever stands on it; 0 clears the tare."""
        self._tare_ng = self._shown(tare_ug * NG_PER_UG) * NG_PER_UG

    def beyond_zero(self) -> str:
        """Whether what stands on it is too much (`+`) or too little (`-`) to be called zero; else empty."""
        measured, most = self._measured_ng(), self._zero_range_ng()
        return "+" if measured > most else "-" if measured < -most else ""

    def zero(self) -> None:
        """Call what stands on it zero, with no tare, whether it may be or not."""
        self._zero_ng, self._tare_ng = self._measured_ng(), 0

    def inject(self, fault: Fault) -> None:
        """Let a fault happen at its time, or now if that is past.

        Raises:
            ValueError: it is not a fault of the balance.
        """
        if fault.kind.where != "balance":
            raise ValueError(f"{fault}: does not happen at the balance; give it to {fault.kind.taker}")
        self.world.call_at(fault.at_ms, partial(self._happen, fault, begins=True))
        self.world.advance(self.world.now_ms)

    # What it weighs

    def _measured_ng(self) -> int:
        """What the load cell gives, from the zero of the first instant."""
        return self._stuck_ng if self._stuck else self._load_ng() + self._noise_of_now()

    def _load_ng(self) -> int:
        now_ms = self.world.now_ms
        vessel = 0 if self._lifted else self._vessel_ng + self._caught_ng(self._out_pl(now_ms), now_ms)
        return vessel + self._lean_ng + self._creep_ng()

    def _out_pl(self, t_ms: int) -> int:
        """What has truly left the pump; or, for a time to come, what will have if nothing happens."""
        return self.world.mechanism.flow(t_ms).out_pl

    def _caught_ng(self, out_pl: int, t_ms: int) -> int:
        """What the fluid adds to the vessel's weight in air."""
        weight, volume = self._in_air
        return (out_pl - self._evaporation * t_ms // HOUR_MS) * weight // volume

    def _creep_ng(self) -> int:
        passed_ms = self.world.now_ms - self._creep_since_ms
        return self._crept_ng + self._creep_ug_per_h * NG_PER_UG * passed_ms // HOUR_MS

    def _noise_of_now(self) -> int:
        if not self._noise_ng:
            return 0
        drawn = blake2b(f"{self._seed}/{self.world.now_ms}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn, "big") % (2 * self._noise_ng + 1) - self._noise_ng

    def _is_steady(self) -> bool:
        """Whether nobody touches it or did a moment ago, and what flows now moves it by no more than a few steps
        in the coming second.
        """
        now_ms = self.world.now_ms
        if self._stuck:
            return True
        if self._lean_ng or self._lifted or now_ms < self._settled_at_ms:
            return False
        now, soon = self._out_pl(now_ms), self._out_pl(now_ms + SECOND_MS)
        return self._caught_ng(soon - now, 0) <= STEADY_STEPS * self.resolution_ug * NG_PER_UG

    def _shown(self, weight_ng: int) -> int:
        """A weight as the display rounds it, ug: a half step away from zero."""
        step = self.resolution_ug * NG_PER_UG
        steps = (2 * abs(weight_ng) + step) // (2 * step)
        return (steps if weight_ng >= 0 else -steps) * self.resolution_ug

    def _zero_range_ng(self) -> int:
        return self.capacity_ug * NG_PER_UG // ZERO_SHARE

    # What happens to it

    def _happen(self, fault: Fault, *, begins: bool) -> None:
        _EFFECTS[fault.name](self, fault, begins)
        lasts = "for" in (param.name for param in fault.kind.params) and fault.number("for")
        if begins and lasts:
            self.world.call_at(self.world.now_ms + lasts, partial(self._happen, fault, begins=False))

    def _stick(self, _fault: Fault, begins: bool) -> None:
        if begins and not self._stuck:
            self._stuck_ng = self._measured_ng()
        self._stuck += 1 if begins else -1

    def _touch(self, fault: Fault, begins: bool) -> None:
        sign = 1 if begins else -1
        if fault.word("how") == "lift":
            self._lifted += sign
        else:
            self._lean_ng += sign * fault.number("by_ug") * NG_PER_UG
        if not begins:
            self._vessel_ng += fault.number("left_ug") * NG_PER_UG
            self._settled_at_ms = self.world.now_ms + self._settle_ms

    def _press_zero(self, _fault: Fault, _begins: bool) -> None:
        self.tare()

    def _fall_silent(self, _fault: Fault, begins: bool) -> None:
        self._silenced += 1 if begins else -1

    def _drift(self, fault: Fault, begins: bool) -> None:
        self._crept_ng, self._creep_since_ms = self._creep_ng(), self.world.now_ms
        self._creep_ug_per_h += (1 if begins else -1) * fault.number("ug_per_h")


_EFFECTS: Final[Mapping[str, Callable[[Balance, Fault, bool], None]]] = {
    "balance-stuck": Balance._stick,
    "balance-touched": Balance._touch,
    "balance-zeroed": Balance._press_zero,
    "balance-silent": Balance._fall_silent,
    "balance-drift": Balance._drift,
}


def _check(name: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be an int from {least} to {most}, not {value!r}")
