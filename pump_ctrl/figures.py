"""How figures and dates are written for people: on a terminal, on a page, on paper.

Layer      kernel; imports units only.
Hazard     a figure that reads as another one: 05/11 for 11/05, a rounded limit, a unit that is missing.
Invariant  a month is a word; a figure carries its unit or stands under a heading that does; rounding is exact
           decimal arithmetic, half to even.
Tests      tests/unit/test_cli.py
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE

PG_PER: Final = {"mg": 10**9, "ug": 10**6, "ng": 10**3, "pg": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rounded(value: Fraction | int, digits: int) -> str:
    """A decimal with ``digits`` places, rounded half to even from the exact value."""
    whole = round(Fraction(value) * 10**digits)
    sign, text = "-" if whole < 0 else "", str(abs(whole)).rjust(digits + 1, "0")
    return sign + (text if digits == 0 else f"{text[:-digits]}.{text[-digits:]}")


def brief(value: Fraction | int, digits: int) -> str:
    """The same without zeros at the end of the decimals."""
    text = rounded(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def ml(nl: Fraction | int) -> str:
    """A volume in mL to 1 uL, finer where it is under a microlitre."""
    value = Fraction(nl) / 10**6
    return f"{rounded(value, 6 if 0 < abs(value) < Fraction(1, 1_000) else 3)} mL"


def rate(nl_per_h: Fraction | int) -> str:
    """A rate by the hour and by the day: two steps of a slow titration have to read as two rates."""
    value = Fraction(nl_per_h) / 10**6
    return f"{rounded(value, 4)} mL/h ({rounded(value * 24, 4)} mL/day)"


def mass(pg: Fraction | int, unit: str, more: int = 0) -> str:
    """A mass in ``unit`` (mg, ug, ng) with four significant places or so, and ``more`` besides."""
    value = Fraction(pg) / PG_PER[unit]
    return f"{brief(value, more + (1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 4))} {unit}"


def natural_unit(pg: Fraction | int) -> str:
    """Milligrams from 5 mg on, micrograms below: how the field writes doses."""
    return "mg" if abs(Fraction(pg)) >= 5 * 10**9 else "ug"


def length(ms: Fraction | int) -> str:
    """A length of time in the largest unit that it fills: ``95.0 d``, ``13.4 h``, ``20.1 min``, ``4 s``."""
    for unit, size in (("d", MS_PER_DAY), ("h", MS_PER_HOUR), ("min", MS_PER_MINUTE)):
        if abs(Fraction(ms)) >= size:
            return f"{brief(Fraction(ms) / size, 1)} {unit}"
    return f"{brief(Fraction(ms) / 1_000, 1)} s"


def clock(ms_of_day: int) -> str:
    """``HH:MM`` of a time of day in ms after midnight."""
    minutes = ms_of_day // MS_PER_MINUTE % 1_440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def local(utc_ms: int, offset_ms: int) -> datetime:
    """The plan's own wall clock at an instant."""
    return _EPOCH + timedelta(milliseconds=utc_ms + offset_ms)


def date(at: datetime) -> str:
    """``Friday 20 November 2026``."""
    return f"{at:%A} {at.day} {at:%B} {at.year}"
