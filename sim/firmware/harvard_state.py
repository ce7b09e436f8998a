"""What a Harvard pump remembers and may do: settings, modes, limits, and the run that they allow.

Layer      sim.firmware. Imports the parts of the Harvard firmware that own no byte.
Source     the protocol document of the Pump 11 Elite family, sections 3, 6, 8 and 9.
Power      a power cut keeps the settings (`Kept`), loses counters, timers, ramps, echo and, but for quirks,
           polling mode and targets; rates set with nvram off are lost too. The factory's values of the
           settings are not documented: a host sets and reads back what it needs.
Readings   the rate that runs must be in the range of the syringe that is set when the run starts; a mode loaded
           points the next `run` in its first direction; the clock of `time` goes on without power.
Tests      tests/unit/sim/test_firmware_harvard.py, tests/unit/sim/test_firmware_harvard_runs.py
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sim.firmware.harvard_families import Family, Quirks
from sim.firmware.harvard_frames import command_error
from sim.firmware.harvard_runs import Runs
from sim.firmware.harvard_units import MILLIMETRE, Rate, Volume, diameter_text, rate_of, rounded
from sim.firmware.syringe import INFUSE, WITHDRAW
from sim.mechanism import Mechanism
from sim.plunger import step_pl

MODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "i": "Quick Start - Infuse Only",
        "w": "Quick Start - Withdraw Only",
        "iw": "Quick Start - Infuse/Withdraw",
        "wi": "Quick Start - Withdraw/Infuse",
    }
)
_FACTORY_RATE: Final = Rate(Fraction(1), "ml", "min")
_FACTORY_VOLUME: Final = Volume(Fraction(10), "ml")
_SIDE: Final = {"i": INFUSE, "w": WITHDRAW}
_FL_PER_ML: Final = 10**12
_HOUR_MS: Final = 3_600_000
_UM: Final = MILLIMETRE // 1_000  # units of a diameter in a um


class Poll(StrEnum):
    """Polling mode."""

    ON = "on"
    OFF = "off"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Settings that outlast a power cut. The values of a new pump are our choice: none are documented."""

    address: int = 0
    baud: int = 115_200
    dim: int = 50
    force: int = 30
    footswitch: str = "mom"
    mode: str = "iw"
    diameter: int = 144_300
    syringe: str = "Custom, 14.4300 mm"
    syringe_volume: Volume = _FACTORY_VOLUME
    rates: Mapping[int, Rate] = field(
        default_factory=lambda: {INFUSE: _FACTORY_RATE, WITHDRAW: _FACTORY_RATE}
    )


def told_step_pl(family: Family, diameter: int) -> int:
    """Volume of a step in a syringe of this diameter, as the drive counts it."""
    return step_pl(family.travel_pm, (diameter + _UM // 2) // _UM)


class Pump:
    """One pump without its wire. `on_reached(t_ms)` is called when a target ends a run."""

    __slots__ = (
        "_saved_rates",
        "_writes_rates",
        "clock_ms",
        "clock_s",
        "echo",
        "family",
        "kept",
        "poll",
        "quick_start",
        "quirks",
        "ramps",
        "runs",
        "serial",
        "stop_ignored",
        "stops_to_ignore",
        "trigger_high",
    )

    def __init__(
        self,
        family: Family,
        mechanism: Mechanism,
        quirks: Quirks,
        *,
        serial: str,
        on_reached: Callable[[int], None],
    ) -> None:
        self.family, self.quirks, self.serial = family, quirks, serial
        self.kept = Kept(mode="i") if quirks.infuse_only else Kept()
        self._saved_rates, self._writes_rates = self.kept.rates, True
        self.runs = Runs(mechanism, told_step_pl(family, self.kept.diameter), quirks, on_reached)
        self.echo, self.poll = False, Poll.OFF
        self.quick_start = True  # whether the screen shows its Quick Start page
        self.ramps: dict[int, str] = {}
        self.clock_s = self.clock_ms = 0
        self.trigger_high = family.trigger_high
        self.stop_ignored, self.stops_to_ignore = "", 0

    # What it may do

    @property
    def most_target_fl(self) -> int:
        """The largest target volume."""
        return self.quirks.most_target_ml * _FL_PER_ML

    def limits(self) -> tuple[Fraction, Fraction]:
        """Lowest and highest rate of the syringe that is set, fL/ms."""
        return self.family.limits(self.kept.diameter)

    def in_range(self, rate: Rate) -> bool:
        """Whether the pump can run at it; a limit as `lim` writes it counts as that limit."""
        lowest, highest = ((limit, _as_written(limit)) for limit in self.limits())
        return min(lowest) <= rate.fl_per_ms <= max(highest)

    def must_show_quick_start(self) -> None:
        """Refuse a value while the screen shows another page."""
        if not self.quick_start:
            raise command_error("Not in Quick Start")

    def must_stand(self) -> None:
        """Refuse what a running pump does not do."""
        if self.runs.running:
            raise command_error("Pump is running")

    def must_allow_setting(self) -> None:
        """Refuse targets and clearing while the pump runs, unless it takes them."""
        if not self.quirks.set_while_running:
            self.must_stand()

    # Settings

    def set_rate(self, t_ms: int, side: int, rate: Rate) -> None:
        """Another rate, at once if it runs that way."""
        rates = {**self.kept.rates, side: rate}
        self.kept = replace(self.kept, rates=rates)
        self._saved_rates = rates if self._writes_rates else self._saved_rates
        self.runs.set_rate(t_ms, side, _fl_per_h(rate))

    def write_rates(self, *, on: bool) -> None:
        """Whether rates are written to the memory that outlasts a power cut."""
        self._writes_rates = on

    def set_syringe(self, t_ms: int, diameter: int, text: str) -> None:
        """Another syringe."""
        self.kept = replace(self.kept, diameter=diameter, syringe=text)
        self.runs.set_step(t_ms, told_step_pl(self.family, diameter))

    def set_diameter(self, t_ms: int, diameter: int) -> None:
        """A syringe of which only the diameter is known."""
        self.set_syringe(t_ms, diameter, f"Custom, {diameter_text(diameter)}")

    def load(self, mode: str, t_ms: int) -> None:
        """Another Quick Start mode; the screen shows it."""
        self.kept = replace(self.kept, mode=mode)
        self.quick_start = True
        self.runs.direction = _SIDE[mode[0]]
        if self.quirks.load_clears_targets:
            self.runs.clear_targets(t_ms, volume=True, time=True)

    # Running

    def run(self, t_ms: int, direction: int) -> None:
        """Run, if mode and syringe allow it."""
        if direction not in {_SIDE[letter] for letter in self.kept.mode}:
            raise command_error("Wrong mode")
        if direction in self.ramps:
            raise command_error("Ramps are not simulated")
        rate = self.kept.rates[direction]
        if not self.in_range(rate):
            raise command_error("Rate out of range")
        self.runs.run(t_ms, direction, _fl_per_h(rate))

    def stop(self, t_ms: int) -> None:
        """Stop, unless a fault makes the pump deaf."""
        how = self.stop_ignored if self.stops_to_ignore else ""
        if how:
            self.stops_to_ignore -= 1
        if how in {"", "lie"}:
            self.runs.stop(t_ms, motor_goes_on=how == "lie")

    def lose_power(self, t_ms: int) -> None:
        """Stand still and forget what needs power to be remembered."""
        self.runs.lose_power(t_ms)
        self.echo, self.quick_start = False, True
        self.ramps.clear()
        self.poll = self.poll if self.quirks.polling_survives_power else Poll.OFF
        self.kept = replace(self.kept, rates=self._saved_rates)

    def resumes(self) -> bool:
        """Whether a power cut now would be followed by a run of its own accord."""
        runs = self.runs
        free = runs.target_pl is None and runs.target_time_s is None
        return self.quirks.resumes_at_power_up and runs.running and free and len(self.kept.mode) == 1

    # Texts

    def state_text(self, what: str, state: str) -> str:
        """A switch: `Echo is OFF`, or with the quirk `OFF`."""
        return state.upper() if self.quirks.short_states else f"{what} is {state.upper()}"

    def not_set(self, what: str) -> str:
        """`Target volume not set`."""
        return f"Target {what} not set" + ("." if self.quirks.not_set_full_stop else "")


def _as_written(fl_per_ms: Fraction) -> Fraction:
    rate = rate_of(fl_per_ms)
    return replace(rate, value=rounded(rate.value)).fl_per_ms


def _fl_per_h(rate: Rate) -> int:
    return int(rate.fl_per_ms * _HOUR_MS)
