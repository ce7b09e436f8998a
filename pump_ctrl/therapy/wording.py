"""Quantities in sentences: few digits, always with a unit, and a limit with its source.

Layer      therapy; imports therapy.sourced and the kernel. For people only: nothing here is read back.
Hazard     a number without unit, or one rounded to the harmless side.
Invariant  four significant digits; what is too much is rounded up and what is too little down, so that
           neither reads as equal to its limit.
Tests      tests/unit/test_review.py
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

from pump_ctrl.therapy.sourced import Sourced
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, NL_PER_ML, Duration, Mass

_MASSES: Final = (("mg", 10**9), ("ug", 10**6), ("ng", 10**3), ("pg", 1))
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def digits(value: Fraction | int, *, down: bool = False) -> str:
    """Write at most four significant digits without trailing zeros, away from zero or ``down`` to it."""
    exact = Fraction(value)
    size, places = abs(exact), 0
    while size and size * 10**places < 1000 and places < 9:
        places += 1
    scaled = floor(size * 10**places) if down else ceil(size * 10**places)
    text = str(scaled).rjust(places + 1, "0")
    text = text if places == 0 else f"{text[:-places]}.{text[-places:]}".rstrip("0").rstrip(".")
    return f"-{text}" if exact < 0 and scaled else text


def mass(pg: Fraction | int, *, down: bool = False, unit: str = "") -> str:
    """Write a mass, ``"68.67 ug"``; in ``unit``, else in milligrams from 1 mg on. ``down`` is for what is too small."""
    value = Fraction(pg)
    fits = ((name, factor) for name, factor in _MASSES if name == unit or (not unit and abs(value) >= factor))
    name, factor = next(fits, ("ug", 10**6))
    return f"{digits(value / factor, down=down)} {name}"


def concentration(pg_per_ml: Fraction | int) -> str:
    """Write a concentration as the field does: ug/mL below 5 mg/mL, mg/mL from there."""
    if pg_per_ml >= 5 * 10**9:
        return f"{digits(Fraction(pg_per_ml) / 10**9)} mg/mL"
    return f"{digits(Fraction(pg_per_ml) / 10**6)} ug/mL"


def volume(nl: Fraction | int) -> str:
    """Write a volume in mL, or in uL below 10 uL."""
    value = Fraction(nl)
    return f"{digits(value / NL_PER_ML)} mL" if abs(value) >= 10_000 else f"{digits(value / 1_000)} uL"


def flow(nl_per_ms: Fraction, *, down: bool = False) -> str:
    """Write a flow in mL/day. ``down`` is for what is too slow."""
    return f"{digits(nl_per_ms * MS_PER_DAY / NL_PER_ML, down=down)} mL/day"


def span(ms: Fraction | int) -> str:
    """Write a length of time in the largest fitting unit of min, h and d (hours up to two days)."""
    if ms < MS_PER_HOUR:
        return f"{digits(Fraction(ms) / MS_PER_MINUTE)} min"
    if ms <= 2 * MS_PER_DAY:
        return f"{digits(Fraction(ms) / MS_PER_HOUR)} h"
    return f"{digits(Fraction(ms) / MS_PER_DAY)} d"


def share(part: Fraction) -> str:
    """Write a signed relative change, ``"+25 %"``."""
    return f"{'+' if part > 0 else ''}{digits(part * 100)} %"


def day(utc_ms: int, offset_ms: int) -> str:
    """Write a local calendar day with the month as a word, ``"18 February 2027"``."""
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=utc_ms + offset_ms)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def sourced(number: Sourced[Any], per: str = "", unit: str = "") -> str:
    """Write a limit with where it comes from: ``"20 mg/day [S65]"`` or ``"15 mg [PACC, unverified]"``.

    ``unit`` is that of a mass, where it stands beside others that are written in it.
    """
    value = number.value
    if isinstance(value, Fraction):
        text = f"{digits(value * 100)} %"
    elif isinstance(value, Mass):
        text = mass(value.pg, unit=unit)
    elif isinstance(value, Duration):
        text = span(value.ms)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = str(value)
    return f"{text}{per} [{number.source}{'' if number.verified else ', unverified'}]"
