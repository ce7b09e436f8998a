"""Exact quantities and the only conversions: text <-> integer nL, pg, ms, um, ppm and pg/mL.

Layer      kernel; imports errors only.
Hazard     mg/ug and mL/uL mix-ups (tenfold and thousandfold doses); binary floats that hold no decimal.
Invariant  a quantity is an exact integer of its base unit or it is refused; no float is ever made;
           ``parse(str(q)) == q`` for everything that ``parse`` can return, and equal quantities print alike.
Tests      tests/unit/test_units.py, tests/properties/test_units_pint.py

Base units: volume nL (1e-9 L), mass pg (1e-12 g), time ms, concentration pg/mL
(1 ug/mL = 1e6 pg/mL = 1 pg/nL), length um, change ppm. A concentration is kept per millilitre so that a
diluted mixture still has an integer value. Rates are exact pairs: an amount and the time it takes, reduced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import Final, Self

from pump_ctrl.errors import Problem, QuantityError

NL_PER_ML: Final = 1_000_000
MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 3_600_000
MS_PER_DAY: Final = 86_400_000
UM_PER_CM: Final = 10_000

# The closed tables of units. Aliases are what the field writes; both code points of the micro sign are read.
VOLUME_UNITS: Final = {
    "mL": 1_000_000, "ml": 1_000_000,
    "uL": 1_000, "ul": 1_000, "µL": 1_000, "μL": 1_000,
    "nL": 1, "nl": 1,
}  # fmt: skip
MASS_UNITS: Final = {
    "mg": 1_000_000_000,
    "ug": 1_000_000, "mcg": 1_000_000, "µg": 1_000_000, "μg": 1_000_000,
    "ng": 1_000,
    "pg": 1,
}  # fmt: skip
TIME_UNITS: Final = {
    "d": 86_400_000, "day": 86_400_000, "days": 86_400_000,
    "h": 3_600_000, "hr": 3_600_000, "hour": 3_600_000, "hours": 3_600_000,
    "min": 60_000,
    "s": 1_000,
    "ms": 1,
}  # fmt: skip
LENGTH_UNITS: Final = {"cm": 10_000, "mm": 1_000}

# Largest values that are read (exclusive). They keep every canonical text within what is read back (12 digits
# before the point) and every base integer within 64 bits. They are no dose limits: those are the formulary's.
TOP: Final = 10**18
TOP_MS: Final = 10**12

# One blank at most between number and unit; ASCII digits; no sign, exponent, underscore or leading zero.
NUMBER_PATTERN: Final = r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?"
_AMOUNT = re.compile(rf"(?P<number>{NUMBER_PATTERN}) ?(?P<unit>[A-Za-zµμ]+)")
_RATIO = re.compile(rf"(?P<number>{NUMBER_PATTERN}) ?(?P<unit>[A-Za-zµμ]+)/(?P<per>[A-Za-zµμ]+)")
_CHANGE = re.compile(rf"(?P<sign>[+-])(?P<number>{NUMBER_PATTERN}) ?%")
_CLOCK = re.compile(r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])")


def _refuse(what: str, allowed: str) -> QuantityError:
    return QuantityError((Problem("", None, "", what, allowed),))


def shown(value: object) -> str:
    """Show a value from outside in a message: short, on one line, unusual characters escaped."""
    if isinstance(value, str):
        start = value[:60]
        text = repr(start) if start.replace("µ", "").replace("μ", "").isascii() else ascii(start)
        return text if len(value) <= 60 else f"{text} and {len(value) - 60} more characters"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print very long ones
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, (int, float, Decimal, date, time)):
        return f"{value!s:.60}"
    return (
        "a table"
        if isinstance(value, dict)
        else "a list"
        if isinstance(value, (list, tuple))
        else ascii(value)[:60]
    )


def _match(pattern: re.Pattern[str], text: object, kind: str, allowed: str) -> re.Match[str]:
    if not isinstance(text, str):
        raise _refuse(f"{shown(text)} is not a text", f"a {kind} with its unit in quotes, such as {allowed}")
    match = pattern.fullmatch(text)
    if match is None:
        raise _refuse(
            f"{shown(text)} is not a {kind}", f"digits, a point at most and a unit, such as {allowed}"
        )
    return match


def _amount(text: object, kind: str, allowed: str) -> tuple[Fraction, str]:
    match = _match(_AMOUNT, text, kind, allowed)
    return Fraction(match["number"]), match["unit"]


def _ratio(text: object, kind: str, allowed: str) -> tuple[Fraction, str, str]:
    match = _match(_RATIO, text, kind, allowed)
    return Fraction(match["number"]), match["unit"], match["per"]


def _exact(value: Fraction, text: object, base: str, top: int = TOP) -> int:
    if value.denominator != 1:
        raise _refuse(f"{shown(text)} is finer than one {base}", f"whole multiples of 1 {base}")
    if value.numerator >= top:
        raise _refuse(f"{shown(text)} is out of range", f"less than {top} {base}")
    return value.numerator


def _factor(table: dict[str, int], unit: str, text: object, kind: str) -> int:
    try:
        return table[unit]
    except KeyError:
        raise _refuse(f"{shown(text)}: {unit!r} is no unit of {kind}", ", ".join(table)) from None


def _whole(value: object, name: str) -> None:
    """Refuse a quantity that is made in code from anything but an integer (True is an int to Python)."""
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, got {value!r}")


def _decimal(value: Fraction) -> str:
    """Print a fraction whose denominator divides a power of ten as a decimal, without trailing zeros."""
    digits, denominator = 0, value.denominator
    while 10**digits % denominator:
        digits += 1
    text = str(abs(value.numerator) * 10**digits // denominator).rjust(digits + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (text if digits == 0 else f"{text[:-digits]}.{text[-digits:]}")


_MASS_PRINT: Final = (("mg", 10**9), ("ug", 10**6), ("ng", 1_000), ("pg", 1))


def _mass_unit(pg: Fraction) -> tuple[str, int]:
    """Choose the largest unit that leaves at least 1 before the point; zero is written in ug."""
    if pg == 0:
        return "ug", 10**6
    return next((unit for unit in _MASS_PRINT if abs(pg) >= unit[1]), _MASS_PRINT[-1])


@dataclass(frozen=True, slots=True, order=True)
class Volume:
    """A volume in whole nanolitres."""

    nl: int

    def __post_init__(self) -> None:
        _whole(self.nl, "nl")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"1.4 mL"``, ``"250 uL"`` or ``"75 nL"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 nL.
        """
        number, unit = _amount(text, "volume", '"1.4 mL"')
        return cls(_exact(number * _factor(VOLUME_UNITS, unit, text, "volume"), text, "nL"))

    def __str__(self) -> str:
        return f"{_decimal(Fraction(self.nl, NL_PER_ML))} mL"


@dataclass(frozen=True, slots=True, order=True)
class Mass:
    """A drug mass in whole picograms."""

    pg: int

    def __post_init__(self) -> None:
        _whole(self.pg, "pg")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"1.5 mg"``, ``"250 ug"`` (``mcg``, ``µg``) or ``"20 ng"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 pg.
        """
        number, unit = _amount(text, "mass", '"250 ug"')
        return cls(_exact(number * _factor(MASS_UNITS, unit, text, "mass"), text, "pg"))

    def __str__(self) -> str:
        name, factor = _mass_unit(Fraction(self.pg))
        return f"{_decimal(Fraction(self.pg, factor))} {name}"


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds."""

    ms: int

    def __post_init__(self) -> None:
        _whole(self.ms, "ms")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"20 min"``, ``"4 h"``, ``"7 d"`` or ``"90 s"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, finer than 1 ms, or 31 years and more.
        """
        number, unit = _amount(text, "time", '"20 min"')
        return cls(_exact(number * _factor(TIME_UNITS, unit, text, "time"), text, "ms", TOP_MS))

    def __str__(self) -> str:
        if self.ms == 0:
            return "0 s"
        for name, factor in (("d", MS_PER_DAY), ("h", MS_PER_HOUR), ("min", MS_PER_MINUTE), ("s", 1_000)):
            if self.ms % factor == 0:
                return f"{self.ms // factor} {name}"
        return f"{self.ms} ms"


@dataclass(frozen=True, slots=True, order=True)
class TimeOfDay:
    """A minute of the local day, kept as milliseconds after midnight."""

    ms: int

    def __post_init__(self) -> None:
        _whole(self.ms, "ms")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"06:00"`` to ``"23:59"``: two digits each; there is no 24:00.

        Raises:
            QuantityError: not a text, or not a time of the day.
        """
        if not isinstance(text, str):
            raise _refuse(f"{shown(text)} is not a text", 'a time of day in quotes, such as "06:00"')
        match = _CLOCK.fullmatch(text)
        if match is None:
            raise _refuse(f"{shown(text)} is not a time of day", '"00:00" to "23:59", two digits each')
        return cls(int(match["hour"]) * MS_PER_HOUR + int(match["minute"]) * MS_PER_MINUTE)

    def __str__(self) -> str:
        hour, rest = divmod(self.ms, MS_PER_HOUR)
        return f"{hour:02}:{rest // MS_PER_MINUTE:02}"


@dataclass(frozen=True, slots=True, order=True)
class Length:
    """A length in whole micrometres."""

    um: int

    def __post_init__(self) -> None:
        _whole(self.um, "um")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"89 cm"`` or ``"893.5 mm"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 um.
        """
        number, unit = _amount(text, "length", '"89 cm"')
        return cls(_exact(number * _factor(LENGTH_UNITS, unit, text, "length"), text, "um", TOP_MS))

    def __str__(self) -> str:
        return f"{_decimal(Fraction(self.um, UM_PER_CM))} cm"


@dataclass(frozen=True, slots=True, order=True)
class Percent:
    """A relative change in whole parts per million; never zero and never down to nothing."""

    ppm: int

    def __post_init__(self) -> None:
        _whole(self.ppm, "ppm")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"+20 %"`` or ``"-12.5 %"``; the sign must be there.

        Raises:
            QuantityError: not a text, no sign, no ``%``, zero, -100 % or less, or finer than 1 ppm.
        """
        match = _match(_CHANGE, text, "signed change", '"+20 %" or "-20 %"')
        size = _exact(Fraction(match["number"]) * 10_000, text, "ppm")
        ppm = -size if match["sign"] == "-" else size
        if ppm == 0 or ppm <= -1_000_000:
            raise _refuse(f"{shown(text)} is no change of a dose", "not zero, and above -100 %")
        return cls(ppm)

    @property
    def factor(self) -> Fraction:
        """What the change multiplies by, exact: +20 % is 6/5."""
        return 1 + Fraction(self.ppm, 1_000_000)

    def __str__(self) -> str:
        return f"{'+' if self.ppm >= 0 else ''}{_decimal(Fraction(self.ppm, 10_000))} %"


@dataclass(frozen=True, slots=True, order=True)
class Concentration:
    """A drug concentration in whole picograms per millilitre."""

    pg_per_ml: int

    def __post_init__(self) -> None:
        _whole(self.pg_per_ml, "pg_per_ml")

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"1000 ug/mL"`` or ``"10 mg/mL"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 pg/mL.
        """
        number, mass, volume = _ratio(text, "concentration", '"1000 ug/mL"')
        factor = Fraction(
            _factor(MASS_UNITS, mass, text, "mass"), _factor(VOLUME_UNITS, volume, text, "volume")
        )
        return cls(_exact(number * factor * NL_PER_ML, text, "pg/mL"))

    @property
    def pg_per_nl(self) -> Fraction:
        """The same concentration in pg/nL (equal to ug/mL), exact."""
        return Fraction(self.pg_per_ml, NL_PER_ML)

    def __str__(self) -> str:
        if self.pg_per_ml >= 5 * 10**9:  # below, the field writes 500, 1000 and 2000 ug/mL
            return f"{_decimal(Fraction(self.pg_per_ml, 10**9))} mg/mL"
        return f"{_decimal(Fraction(self.pg_per_ml, 10**6))} ug/mL"


@dataclass(frozen=True, slots=True)
class MassRate:
    """A dose per time: ``pg`` picograms every ``per_ms`` milliseconds, reduced to lowest terms."""

    pg: int
    per_ms: int

    def __post_init__(self) -> None:
        _reduced(self.pg, self.per_ms)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"400 ug/day"``, ``"25 ug/h"`` or ``"1.5 mg/d"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 pg in the unit's time.
        """
        number, amount, time = _ratio(text, "dose rate", '"400 ug/day"')
        pg = _exact(number * _factor(MASS_UNITS, amount, text, "mass"), text, "pg")
        per_ms = _factor(TIME_UNITS, time, text, "time")
        _exact(Fraction(pg * MS_PER_DAY, per_ms), text, "pg/day")
        return cls.of(pg, per_ms)

    @classmethod
    def of(cls, pg: int, per_ms: int) -> Self:
        """Reduce ``pg`` per ``per_ms`` to lowest terms."""
        common = gcd(pg, per_ms) or 1
        return cls(pg // common, per_ms // common)

    @property
    def pg_per_day(self) -> Fraction:
        """Exact picograms per 24 h."""
        return Fraction(self.pg * MS_PER_DAY, self.per_ms)

    def __str__(self) -> str:
        name, factor = _mass_unit(self.pg_per_day)
        return f"{_finite(self.pg_per_day / factor)} {name}/day"


@dataclass(frozen=True, slots=True)
class VolumeRate:
    """A flow: ``nl`` nanolitres every ``per_ms`` milliseconds, reduced to lowest terms."""

    nl: int
    per_ms: int

    def __post_init__(self) -> None:
        _reduced(self.nl, self.per_ms)

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read ``"0.4 mL/day"``, ``"0.3 mL/h"`` or ``"25 uL/h"``.

        Raises:
            QuantityError: not a text, no unit, an unknown unit, or finer than 1 nL in the unit's time.
        """
        number, amount, time = _ratio(text, "flow", '"0.4 mL/day"')
        nl = _exact(number * _factor(VOLUME_UNITS, amount, text, "volume"), text, "nL")
        per_ms = _factor(TIME_UNITS, time, text, "time")
        _exact(Fraction(nl * MS_PER_DAY, per_ms), text, "nL/day")
        return cls.of(nl, per_ms)

    @classmethod
    def of(cls, nl: int, per_ms: int) -> Self:
        """Reduce ``nl`` per ``per_ms`` to lowest terms."""
        common = gcd(nl, per_ms) or 1
        return cls(nl // common, per_ms // common)

    @property
    def nl_per_day(self) -> Fraction:
        """Exact nanolitres per 24 h."""
        return Fraction(self.nl * MS_PER_DAY, self.per_ms)

    @property
    def nl_per_ms(self) -> Fraction:
        """Exact nanolitres per millisecond."""
        return Fraction(self.nl, self.per_ms)

    def __str__(self) -> str:
        return f"{_finite(self.nl_per_day / NL_PER_ML)} mL/day"


def _reduced(amount: int, per_ms: int) -> None:
    """Refuse a rate made in code that is no reduced pair: equal rates must compare equal."""
    _whole(amount, "amount")
    _whole(per_ms, "per_ms")
    if per_ms <= 0 or gcd(amount, per_ms) != 1:
        raise ValueError(f"{amount} per {per_ms} ms is not reduced; use of()")


def _finite(value: Fraction) -> str:
    """Print an exact value; one without a finite decimal form is printed as a fraction.

    Whatever ``parse`` returned is finite, since every unit of time divides the day.
    """
    bare = value.denominator
    for prime in (2, 5):
        while bare % prime == 0:
            bare //= prime
    return _decimal(value) if bare == 1 else str(value)
