"""What tells the pumps of the Harvard family apart, and what is not known of them. Data only.

Layer      sim.firmware. Imports the standard library only.
Source     the protocol document of the Pump 11 Elite family, sections 2 to 9. Marks in the comments: (R)
           recorded from a real pump, (M) manual, (H) a client that is run on real pumps relies on it, (D)
           derived, (?) not confirmed by anything that could be read.
Rule       a family is a row of numbers and words; no code asks for a family's name. What the document leaves
           open is a field of `Quirks` and a row of `QUIRKS`, which says what is open.
Tests      tests/unit/sim/test_firmware_harvard.py, tests/unit/sim/test_firmware_harvard_runs.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Literal

PI: Final = Fraction(3_141_592_653_589_793, 10**15)
_INCH: Final = 254_000  # of 1e-4 mm
_CODES: Final = frozenset(
    ("air", "bdg", "bdp", "cad", "ham", "has", "hos", "nat", "nip", "sge", "smp", "ter", "top")
)  # manufacturers of syringes (M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of pump. Step times in us; the diameter in 1e-4 mm; times of `status` per ms."""

    name: str
    ver: str  # the whole answer to `ver`
    firmware: str  # in `version`
    metrics: tuple[str, ...]  # empty: the lines are not known
    microsteps: int  # per turn of the screw
    threads_per_inch: int
    fastest_us: int = 26  # shortest time between two steps (M)
    slowest_us: int = 27_000_000  # longest; (D) from recorded limits, the manual says 27.5 s
    status_time: Fraction = Fraction(1)  # what `status` counts in a ms
    status_flags: int = 6
    trigger_high: bool = False
    nvram: tuple[str, ...] = ("on", "off")
    codes: frozenset[str] = _CODES
    most_diameter: int = 330_000

    @property
    def travel_pm(self) -> int:
        """Way of the pusher in one step, pm, to the nearest."""
        turn_pm = _INCH * 100_000 // self.threads_per_inch
        return (turn_pm + self.microsteps // 2) // self.microsteps

    def step_fl(self, diameter: int) -> Fraction:
        """Volume of one step, fL, exact but for pi."""
        travel = Fraction(_INCH, self.threads_per_inch * self.microsteps)
        return PI / 4 * diameter * diameter * travel * Fraction(10**9, 10**12)

    def limits(self, diameter: int) -> tuple[Fraction, Fraction]:
        """Lowest and highest rate, fL/ms."""
        step = self.step_fl(diameter) * 1_000
        return step / self.slowest_us, step / self.fastest_us


_ELITE_METRICS: Final = (
    "Pump type          Pump 11",
    "Pump type string   11 ELITE I/W Single",
    "Direction          Infuse/withdraw",
    "Limit switches     No",
)  # (M, H) the first lines of more
_ALL: Final = (
    Family(
        name="harvard-11-elite",
        ver="11 ELITE I/W Single 3.0.4",  # (H)
        firmware="v3.0.4",
        metrics=_ELITE_METRICS,
        microsteps=15_360,  # (M)
        threads_per_inch=24,  # (D) fits three recorded figures to six digits
        status_time=Fraction(56_000),  # clock ticks of 1/56,000,000 s (M)
    ),
    Family(
        name="pico-plus-elite",
        ver="11 ELITE I/W Single 3.0.4",  # (?) its own words were not found
        firmware="v3.0.4",
        metrics=_ELITE_METRICS,
        microsteps=20_480,  # (M)
        threads_per_inch=40,  # (D)
        status_time=Fraction(56_000),
    ),
    Family(
        name="phd-ultra",
        ver="PHD ULTRA 3.0.5",  # (H)
        firmware="v3.0.5",
        metrics=(),
        microsteps=15_360,  # (?) with 20 tpi it gives 190.8 mm/min, general knowledge
        threads_per_inch=20,  # (?)
        trigger_high=True,  # (R) one status line
        nvram=("on", "off", "none"),  # (?) one client sends off, another writes none
        most_diameter=450_000,
    ),
    Family(
        name="phd-ultra-a",
        ver="PHD ULTRA 1.0.0",  # (?) only the page on `status` is known of this firmware
        firmware="v1.0.0",
        metrics=(),
        microsteps=15_360,  # (?)
        threads_per_inch=20,  # (?)
        status_time=Fraction(1, 1_000),  # whole seconds (M)
        status_flags=5,
        most_diameter=450_000,
    ),
    Family(
        name="legato",
        ver="Legato 100 3.0.6",  # (?) the beginning as a client reads it from a Legato 110
        firmware="v3.0.6",  # (R)
        metrics=(),
        microsteps=15_360,
        threads_per_inch=24,
        nvram=("none",),  # (R)
        codes=_CODES | {"cps", "hm1", "hm2", "hm3", "hm4", "kgl", "sst"},  # (M)
    ),
)
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({family.name: family for family in _ALL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Syringe:
    """One row of a manufacturer's table; the diameter as the pump writes it."""

    volume: str
    diameter: int
    text: str


# The tables of the pump that are known: sizes of a manufacturer, and the diameters that were recorded (R).
HOSHI_SIZES: Final = ("1 ml", "2 ml", "3 ml", "5 ml", "10 ml", "20 ml", "30 ml", "50 ml", "100 ml")
HOSHI: Final = (Syringe(volume="20 ml", diameter=204_500, text="Hoshi, 20 ml, 20.45 mm"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What the document leaves open, as options: `QUIRKS` says of each what is not known.

    The defaults are readings, not facts: a host that works with one set of them only leans on a guess.
    """

    start_ms: int = 80
    target_counts_from: Literal["clear", "run"] = "clear"
    reached_until_run: bool = False
    whole_steps: bool = False
    stall_ends_by: Literal["stop", "touch"] = "stop"
    targets_exclude: bool = False
    set_while_running: bool = False
    load_clears_targets: bool = False
    targets_survive_power: bool = False
    polling_survives_power: bool = False
    resumes_at_power_up: bool = False
    announces_power_up: bool = False
    zero_prefix: bool = True
    not_set_full_stop: bool = False
    short_states: bool = False
    remote_polling: bool = False
    prompt_before_status: bool = False
    infuse_only: bool = False
    most_target_ml: int = 1_000


QUIRKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "start_ms": "a run begins to turn late: one recorded point, 1.69 ul of 8.3 ul after 100 ms at 5 ml/min; "
        "a ramp would fit it as well",
        "target_counts_from": "whether a run after T* finds its target reached (ivolume counts toward it until it "
        "is cleared) or begins it anew",
        "reached_until_run": "whether clearing a target or a counter ends the prompt T*, or only a new run does",
        "whole_steps": "whether volumes are shown in whole motor steps: the one that was recorded is 150 of them; "
        "what such a pump shows at its target is not known (here: the steps below it)",
        "stall_ends_by": "whether stop ends the prompt of a stall (one client) or a touch on the screen does "
        "(another)",
        "targets_exclude": "whether a target volume and a target time stand together or the last one set clears "
        "the other",
        "set_while_running": "whether targets can be set, and targets and counters cleared, while the pump runs",
        "load_clears_targets": "whether loading a Quick Start mode clears the targets",
        "targets_survive_power": "whether target volume and target time are among the volumes and timers that a "
        "power cut loses",
        "polling_survives_power": "whether polling mode is still on after a power cut",
        "resumes_at_power_up": "a setting of the screen: an infuse-only or withdraw-only run without a target "
        "goes on after a power cut",
        "announces_power_up": "whether the pump sends a prompt when it is switched on",
        "zero_prefix": "a pump 0 that is asked with its address answers with 00 before line and prompt: two "
        "clients need it, the document is silent",
        "not_set_full_stop": "two clients know `Target volume not set.` with a full stop",
        "short_states": "a client of a Legato 110 reads OFF where others read Polling mode is OFF, Echo is OFF",
        "remote_polling": "whether the firmware knows poll remote: no prompts at all, echo off (manual of the "
        "Pump 33 DDS)",
        "prompt_before_status": "old PHD firmware sends the prompt before the line of status; its line ends are "
        "not known",
        "infuse_only": "a pump sold without withdrawal: its commands for it are unknown",
        "most_target_ml": "the largest target volume; only known: 2 l is out of range",
    }
)
