"""What a New Era pump remembers without power, how it writes numbers, and where its document is silent.

Layer      sim.firmware. Imports `sim.plunger` for areas; no state that runs.
Source     New Era NE-1000 wire specification, sections 2, 8 to 13 and 15.
Units      numbers in thousandths of the unit shown (a diameter: um), volumes pL, rates fL/h; integers only.
Tests      tests/unit/sim/test_firmware_new_era_numbers.py
"""

import re
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Final

PHASES: Final = 41
RATE_UNITS: Final = MappingProxyType(  # fL/h in a thousandth of the unit
    {"UM": 60_000_000, "MM": 60_000_000_000, "UH": 1_000_000, "MH": 1_000_000_000}
)
VOLUME_UNITS: Final = MappingProxyType({"UL": 1_000, "ML": 1_000_000})  # pL in a thousandth of the unit
LARGEST_UL_UM: Final = 14_000  # diameters up to this one are counted in UL
RATE_FUNCTIONS: Final = frozenset({"RAT", "INC", "DEC", "FIL"})
FUNCTIONS: Final = MappingProxyType(  # what follows the name: (least, most), or None for nothing
    {
        "RAT": None,
        "FIL": None,
        "INC": None,
        "DEC": None,
        "STP": None,
        "JMP": (1, PHASES),
        "PRI": None,
        "PRL": (0, 99),
        "LPS": None,
        "LOP": (1, 99),
        "LPE": None,
        "PAS": (0, 99),
        "IF": (1, PHASES),
        "EVN": (1, PHASES),
        "EVS": (1, PHASES),
        "EVR": None,
        "CLD": None,
        "BEP": None,
        "OUT": (0, 1),
    }
)
TRIGGERS: Final = (
    MappingProxyType(  # (what a falling edge or low level does, what a rising edge or high level)
        {
            "FT": ("toggle", ""),
            "FH": ("start", "stop"),
            "F2": ("", "toggle"),
            "LE": ("stop", "start"),
            "ST": ("start", ""),
            "T2": ("", "start"),
            "SP": ("stop", ""),
            "P2": ("", "stop"),
            "RL": ("start", ""),
            "RH": ("", "start"),
            "SL": ("stop", ""),
            "SH": ("", "stop"),
            "OF": ("", ""),
        }
    )
)
_NUMBER: Final = re.compile(r"(\d{0,4})(?:\.(\d{0,3}))?", re.ASCII)
_MOST_DIGITS: Final = 4
_PARTS: Final = tuple(f".{part:03d}" for part in range(1_000))  # to format one takes longer than all the rest


def read_number(text: str) -> int | None:
    """Thousandths of a number as a host writes it; None where it is none: too many digits, no digit."""
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    whole, part = match[1], match[2] or ""
    if not 0 < len(whole) + len(part) <= _MOST_DIGITS:
        return None
    return int(whole or "0") * 1_000 + int(part.ljust(3, "0"))


def show_number(thousandths: int) -> str:
    """Four digits and a point, the rest cut off; up to 9,999,999 thousandths."""
    return f"{thousandths // 1_000}{_PARTS[thousandths % 1_000]}"[: _MOST_DIGITS + 1]


def show_short(thousandths: int) -> str:
    """The same without zeros at its end."""
    return show_number(thousandths).rstrip("0")


def hidden_part(thousandths: int) -> int:
    """What the last digit shown of a number counts, thousandths."""
    hidden = 1
    while thousandths // hidden >= 10**_MOST_DIGITS:
        hidden *= 10
    return hidden


def four_digits(thousandths: int) -> int:
    """What is left of a number when it is shown, thousandths."""
    return thousandths - thousandths % hidden_part(thousandths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of the Pumping Program. `data` is the number behind the function's name (pauses: ms)."""

    function: str = "STP"
    data: int = 0
    trigger: str = ""
    rate: int = 0
    rate_unit: str = "MH"
    volume: int = 0
    direction: str = "INF"

    def fl_per_h(self) -> int:
        """Its rate."""
        return self.rate * RATE_UNITS[self.rate_unit]

    def name(self) -> str:
        """As the pump shows it: `RAT`, `LOP03`, `PAS60`, `PAS1.5`, `OUT1`, `TRGFT`."""
        if self.function == "TRG":
            return f"TRG{self.trigger}"
        if self.function == "PAS":
            return f"PAS{self.data // 1_000}.{self.data // 100 % 10}" if self.data % 1_000 else self._pause()
        if self.function == "OUT":
            return f"OUT{self.data}"
        return self.function if FUNCTIONS[self.function] is None else f"{self.function}{self.data:02d}"

    def _pause(self) -> str:
        return f"PAS{self.data // 1_000:02d}"


def read_function(text: str) -> Phase | None:
    """The phase that `FUN` sets, without rate and volume; None for what is no function.

    Raises:
        ValueError: the function exists and its number is out of range.
    """
    name = next((n for n in ("IF", text[:3]) if text.startswith(n) and n in (*FUNCTIONS, "TRG")), None)
    if name is None:
        return None
    rest = text[len(name) :]
    if name == "TRG":
        return Phase(function="TRG", trigger=rest) if rest in TRIGGERS else None
    if name == "PAS":
        return _read_pause(rest)
    bounds = FUNCTIONS[name]
    if bounds is None:
        return None if rest else Phase(function=name)
    if not re.fullmatch(r"\d{1,2}", rest, re.ASCII):
        return None
    return Phase(function=name, data=_within(int(rest), *bounds))


def _read_pause(text: str) -> Phase | None:
    if not re.fullmatch(r"\d{1,2}(\.\d)?", text, re.ASCII):
        return None
    seconds, _, tenth = text.partition(".")
    return Phase(function="PAS", data=int(seconds) * 1_000 + int(tenth or "0") * 100)


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(f"{value} is not {least} to {most}")
    return value


def _factory_program() -> list[Phase]:
    return [Phase(function="RAT"), *(Phase() for _ in range(PHASES - 1))]


@dataclass(slots=True)
class Memory:
    """What outlives a power cut. Phase n of the program is `phases[n - 1]`."""

    diameter_um: int = 26_590
    volume_unit: str = "ML"
    phases: list[Phase] = field(default_factory=_factory_program)
    chosen: int = 1
    address: int = 0
    baud: int = 19_200
    safe_s: int = 0
    trigger: str = "FT"
    switches: dict[str, int] = field(
        default_factory=lambda: {"AL": 0, "PF": 0, "BP": 1, "LOC": 0, "LN": 0, "DIN": 0, "ROM": 0}
    )

    def clear(self) -> None:
        """As from the factory."""
        fresh = Memory()
        for one in fields(fresh):
            setattr(self, one.name, getattr(fresh, one.name))

    def volume_pl(self, phase: Phase) -> int:
        """Volume of a phase in the unit that is set now; 0 is without end."""
        return phase.volume * VOLUME_UNITS[self.volume_unit]

    def set_diameter(self, diameter_um: int) -> None:
        """Another syringe; the unit of volumes follows it."""
        self.diameter_um = diameter_um
        self.volume_unit = "UL" if diameter_um <= LARGEST_UL_UM else "ML"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Choices that the document leaves open; what each stands for is in `QUIRKS`. A host leans on none."""

    after_stall: str = "P"
    after_timeout: str = "S"
    text_in_safe_mode: bool = False
    safe_reply_in_basic_mode: bool = False
    alarm_reply_as_asked: bool = True
    refuse_length: bool = False
    other_address_rearms: bool = False
    unknown_acknowledges: bool = False
    stray_cr: bool = False
    short_floats: bool = False
    late_prompt: bool = False
    rounds: bool = False
    bad_number: str = "?"
    power_failure: str = "restart"
    purge_counts: bool = True
    purge_when_paused: bool = True
    paused_refuses: bool = False
    loop_repeats: bool = False
    run_ends_wait: bool = True
    burst_all: bool = False
    program_pin: int = 6
    event_pin: int = 4


QUIRKS: Final = MappingProxyType(
    {
        "after_stall": "prompt that follows a stall alarm, P (RUN goes on) or S; 7: not in the pages read",
        "after_timeout": "prompt that follows a time-out alarm, S or P; 7: not in the pages read",
        "text_in_safe_mode": "whether a pump in Safe mode answers bare text and CR; 4.8: one driver says it does not",
        "safe_reply_in_basic_mode": "whether a Safe packet other than SAF gets a Safe reply in Basic mode; silent",
        "alarm_reply_as_asked": "whether an alarm in reply to a Safe-framed SAFn is framed for n; 4.1: it is",
        "refuse_length": "whether a length byte that cannot be is answered ?COM at once; 4.7 marks it open",
        "other_address_rearms": "whether a valid packet for another pump re-arms the time-out; 4.2: every valid packet",
        "unknown_acknowledges": "whether a command that is not recognised acknowledges an alarm; 7b says a valid one",
        "stray_cr": "a CR after the ETX of a Basic reply; 3 says there is none",
        "short_floats": "numbers without end zeros (`0.5`, `750.`); 2 says always four digits, on client evidence",
        "late_prompt": "the reply to a command shows the state before it; 5 says after it, on client evidence",
        "rounds": "the dispensed volume is rounded to the digits shown instead of cut off; silent",
        "bad_number": "answer to a number with too many digits, ? or ?OOR; silent",
        "power_failure": "what PF=1 does after a power cut: restart the program, resume it, or nothing; 15.3 open",
        "purge_counts": "whether a purge counts as dispensed; 11 open",
        "purge_when_paused": "whether a paused program can be purged; silent",
        "paused_refuses": "whether a paused program counts as operating for DIA, PHN, VOL, CLD; silent",
        "loop_repeats": "whether LOP n runs n more times instead of n in total; 10 open",
        "run_ends_wait": "whether RUN is an operational trigger for a waiting program (U); silent",
        "burst_all": "whether a network burst sets several parameters of one pump; 14: in the field it does not",
        "program_pin": "which input IF looks at; silent",
        "event_pin": "which input is the event trigger; silent",
    }
)
