"""Numbers and units of the Harvard protocol: read exactly, written as the pump writes them.

Layer      sim.firmware. Imports the standard library only.
Source     the protocol document of the Pump 11 Elite family, section 3.
Units      volume fL, time ms, diameter 1e-4 mm. A value as set is kept exactly (`Fraction`); no float.
Readings   figures are rounded half up to six digits; a volume or rate for which the pump chooses the unit is
           written in the largest one that makes it 1 or more, and 0 in ul; a target time is whole seconds.
Tests      tests/unit/sim/test_firmware_harvard_units.py
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sim.firmware.harvard_frames import argument_error

FL_PER_UL: Final = 10**9
FL_PER_PL: Final = 10**3
SIGNIFICANT: Final = 6
MILLIMETRE: Final = 10_000  # diameters are kept in units of 1e-4 mm
_DECIMAL: Final = re.compile(r"(?=\.?[0-9])[0-9]{0,12}(?:\.[0-9]{0,12})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])", re.ASCII)
_VOLUMES: Final[Mapping[str, int]] = {
    "ml": 10**12,
    "ul": 10**9,
    "nl": 10**6,
    "pl": 10**3,
}
_VOLUME_WORDS: Final[Mapping[str, str]] = {unit[:n]: unit for unit in _VOLUMES for n in (1, 2)}
_LITRE: Final = 10**15
_TIMES: Final[Mapping[str, int]] = {"hr": 3_600_000, "min": 60_000, "s": 1_000}
_TIME_WORDS: Final[Mapping[str, str]] = {"h": "hr", "hr": "hr", "m": "min", "min": "min", "s": "s"}
LONGEST_TIME_S: Final = 99 * 3_600 + 59 * 60 + 59
UNKNOWN_ARGUMENT: Final = "Unknown argument"  # seen in a client's comment on its PHD Ultra
UNKNOWN_UNITS: Final = "Unknown units"  # wording not found
MISSING_ARGUMENT: Final = "Missing argument"  # wording not found
OUT_OF_RANGE: Final = "Out of range"


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it was set."""

    value: Fraction
    unit: str

    @property
    def fl(self) -> int:
        """Whole fL, rounded down."""
        return int(self.value * (_LITRE if self.unit == "l" else _VOLUMES[self.unit]))

    def __str__(self) -> str:
        return f"{six(self.value)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate as it was set."""

    value: Fraction
    volume: str
    time: str

    @property
    def fl_per_ms(self) -> Fraction:
        """The rate, exact."""
        return self.value * _VOLUMES[self.volume] / _TIMES[self.time]

    def __str__(self) -> str:
        return f"{six(self.value)} {self.volume}/{self.time}"


def six(value: Fraction) -> str:
    """Up to six significant digits, without an exponent and without zeros at the end."""
    return _plain(*_rounded(value))


def rounded(value: Fraction) -> Fraction:
    """`value` as `six` writes it."""
    digits, places = _rounded(value)
    return Fraction(digits, 1) / Fraction(10) ** places


def _rounded(value: Fraction) -> tuple[int, int]:
    """Six digits, and how many of them stand behind the point (negative: zeros follow them)."""
    if not value:
        return 0, 0
    places = SIGNIFICANT - 1
    while value * Fraction(10) ** places >= 10**SIGNIFICANT:
        places -= 1
    while value * Fraction(10) ** places < 10 ** (SIGNIFICANT - 1):
        places += 1
    return int(value * Fraction(10) ** places + Fraction(1, 2)), places


def _plain(digits: int, places: int) -> str:
    if places <= 0:
        return str(digits * 10**-places)
    whole, part = divmod(digits, 10**places)
    return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".")


def volume_text(fl: int) -> str:
    """A counted volume, in the unit that the pump chooses."""
    unit = next((unit for unit, size in _VOLUMES.items() if fl >= size), "pl" if fl else "ul")
    return f"{six(Fraction(fl, _VOLUMES[unit]))} {unit}"


def rate_of(fl_per_ms: Fraction) -> Rate:
    """A rate per minute, in the unit that the pump chooses."""
    per_min = fl_per_ms * _TIMES["min"]
    unit = next((unit for unit, size in _VOLUMES.items() if per_min >= size), "pl")
    return Rate(per_min / _VOLUMES[unit], unit, "min")


def time_text(ms: int) -> str:
    """`30 seconds`, or `00:03:00` from 60 s on; whole seconds, rounded down."""
    seconds = ms // 1_000
    if seconds < 60:
        return f"{seconds} seconds"
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def diameter_text(diameter: int) -> str:
    """Always four decimals."""
    return f"{diameter // MILLIMETRE}.{diameter % MILLIMETRE:04} mm"


# Arguments: what is wrong is refused as an argument error that shows the word.


def read_decimal(word: str) -> Fraction:
    """A number without a sign and without an exponent."""
    if not _DECIMAL.fullmatch(word):
        raise argument_error(word, UNKNOWN_ARGUMENT)
    whole, _, part = word.partition(".")
    return Fraction(int(whole + part), 10 ** len(part))


def read_whole(word: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if not _WHOLE.fullmatch(word):
        raise argument_error(word, UNKNOWN_ARGUMENT)
    if not least <= int(word) <= most:
        raise argument_error(word, OUT_OF_RANGE)
    return int(word)


def read_volume(words: tuple[str, ...]) -> Volume:
    """`<num> <unit>`; litres are known too, though no syringe holds one."""
    number, unit = _two(words)
    known = "l" if unit.lower() == "l" else _VOLUME_WORDS.get(unit.lower())
    value = read_decimal(number)
    if known is None:
        raise argument_error(unit, UNKNOWN_UNITS)
    return Volume(value, known)


def read_rate(words: tuple[str, ...]) -> Rate:
    """`<num> <volume>/<time>`."""
    number, unit = _two(words)
    volume, slash, time = unit.lower().partition("/")
    value = read_decimal(number)
    if volume not in _VOLUME_WORDS or not slash or time not in _TIME_WORDS:
        raise argument_error(unit, UNKNOWN_UNITS)
    return Rate(value, _VOLUME_WORDS[volume], _TIME_WORDS[time])


def read_diameter(words: tuple[str, ...], most: int) -> int:
    """`7.262` or `7.262 mm`, rounded to four decimals; from 0.1 mm on."""
    if len(words) > 1 and words[1].lower() != "mm":
        raise argument_error(words[1], UNKNOWN_UNITS)
    only_one((words[0], *words[2:]))
    diameter = int(read_decimal(words[0]) * MILLIMETRE + Fraction(1, 2))
    if not MILLIMETRE // 10 <= diameter <= most:
        raise argument_error(words[0], OUT_OF_RANGE)
    return diameter


def read_time_s(words: tuple[str, ...]) -> int:
    """Seconds, or `hh:mm:ss`; at least one second."""
    word = only_one(words)
    clock = _CLOCK.fullmatch(word)
    if clock:
        seconds = int(clock[1]) * 3_600 + int(clock[2]) * 60 + int(clock[3])
        return read_whole(str(seconds), 1, LONGEST_TIME_S) if seconds else _too_short(word)
    return read_whole(word, 1, LONGEST_TIME_S)


def only_one(words: tuple[str, ...]) -> str:
    """The only argument."""
    if not words:
        raise argument_error("", MISSING_ARGUMENT)
    if len(words) > 1:
        raise argument_error(words[1], UNKNOWN_ARGUMENT)
    return words[0]


def _too_short(word: str) -> int:
    raise argument_error(word, OUT_OF_RANGE)


def _two(words: tuple[str, ...]) -> tuple[str, str]:
    if len(words) < 2:
        raise argument_error("", MISSING_ARGUMENT)
    if len(words) > 2:
        raise argument_error(words[2], UNKNOWN_ARGUMENT)
    return words[0], words[1]
