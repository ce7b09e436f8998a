"""Volumes and rates as the Harvard family says them: six significant digits and a unit; whole numbers only.

Layer      drivers, pure; imports ``base`` and ``errors``. Volumes are femtolitres (fL), rates fL/h, both integers.
Hazard     a rate or a target that the pump rounds by itself, and so a dose that nobody asked for.
Invariant  what is said is exact: six digits hold it, or it is not sent; a step is never rounded up in volume,
           never ends late, and never runs a whole pump step ahead of an even flow.
Source     the manual's units (Publication 5420-002) and replies recorded from a real Legato 100.
Tests      tests/unit/test_harvard_amounts.py, tests/unit/test_harvard_amounts_edges.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import gcd
from typing import Final

from pump_ctrl.drivers.base import Grid, PumpSettings
from pump_ctrl.errors import WireError

FL_PER_NL: Final = 1_000_000
DIGITS: Final = 6  # what the pump keeps of a number
EXCHANGES: Final = 18  # of a deliver; 2 of a rest
MS_PER_HOUR: Final = 3_600_000
SECONDS_PER_HOUR: Final = 3_600

_POWER: Final = {"pl": 3, "p": 3, "nl": 6, "n": 6, "ul": 9, "u": 9, "ml": 12, "m": 12}  # 10**n fL
_SECONDS: Final = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "hr": 3_600}
_SAID_UNITS: Final = (("ml", 12), ("ul", 9), ("nl", 6))  # largest first
_SAID_TIMES: Final = (("min", 60), ("hr", 3_600), ("s", 1))  # in order of preference
_NUMBER: Final = r"(\d{1,15})(?:\.(\d{1,12}))?"
_VOLUME: Final = re.compile(_NUMBER + r" ?(ml|ul|nl|pl)", re.ASCII | re.IGNORECASE)
_RATE: Final = re.compile(_NUMBER + r" ?(ml|ul|nl|pl|m|u|n|p)/(hr|h|min|m|sec|s)", re.ASCII | re.IGNORECASE)
_DIAMETER: Final = re.compile(_NUMBER + r"(?: ?mm)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RunSetting:
    """What a run is set to: the motor's rate (fL/h) and the target volume that ends it (fL)."""

    rate: int
    target: int


# ---- in words of the pump ----------------------------------------------------------------------


def volume_text(fl: int) -> str | None:
    """A volume as the pump is told it; None if six digits do not hold it, or it is nothing at all."""
    if fl <= 0 or not _fits(fl):
        return None
    return _said(fl)


def rate_text(fl_per_h: int) -> str | None:
    """A rate as the pump is told it, in the first unit of time that holds it exactly; None if none does."""
    for name, seconds in _SAID_TIMES:
        value, left = divmod(fl_per_h * seconds, SECONDS_PER_HOUR)
        if left == 0 and value > 0 and _fits(value):
            return f"{_said(value)}/{name}"
    return None


def parse_volume(text: str) -> int:
    """Femtolitres of a text like ``1.69023 ul``, rounded down.

    Raises:
        WireError: it is no volume.
    """
    found = _VOLUME.fullmatch(text)
    if found is None:
        raise WireError(f"{text!r} is no volume")
    return _scaled(found[1], found[2], _POWER[found[3].lower()])


def parse_rate(text: str) -> int:
    """Femtolitres per hour of a text like ``199.49 ul/min``, rounded down.

    Raises:
        WireError: it is no rate.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise WireError(f"{text!r} is no rate")
    seconds = _SECONDS[found[4].lower()]
    return _scaled(found[1], found[2], _POWER[found[3].lower()], SECONDS_PER_HOUR) // seconds


def parse_range(text: str) -> tuple[int, int]:
    """Lowest and highest rate (fL/h) of a text like ``25.0404 nl/min to 26.0035 ml/min``.

    Raises:
        WireError: it is no range of rates.
    """
    low, _, high = text.partition(" to ")
    return parse_rate(low), parse_rate(high)


def parse_diameter(text: str) -> int:
    """Tenths of a micrometre of a text like ``14.4300 mm``.

    Raises:
        WireError: it is no diameter.
    """
    found = _DIAMETER.fullmatch(text)
    if found is None:
        raise WireError(f"{text!r} is no diameter")
    return _scaled(found[1], found[2], 4)


def _scaled(whole: str, fraction: str | None, power: int, times: int = 1) -> int:
    digits = fraction or ""
    scaled: int = int(whole + digits) * times * 10**power // 10 ** len(digits)
    return scaled


def _fits(value: int) -> bool:
    """Whether six significant digits hold ``value``."""
    return len(str(value).rstrip("0")) <= DIGITS


def _said(fl: int) -> str:
    name, power = next((pair for pair in _SAID_UNITS if fl >= 10 ** pair[1]), _SAID_UNITS[-1])
    whole, fraction = divmod(fl, 10**power)
    decimals = f"{fraction:0{power}d}".rstrip("0")
    return f"{whole}.{decimals} {name}" if decimals else f"{whole} {name}"


# ---- rounding ----------------------------------------------------------------------------------


def rate_down(volume_nl: int, duration_ms: int) -> int:
    """The fastest rate that can be said and is not above an even flow, fL/h."""
    return max(_rounded(volume_nl, duration_ms, seconds, up=False) for _, seconds in _SAID_TIMES)


def rate_up(volume_nl: int, duration_ms: int) -> int:
    """The slowest rate that can be said and gives the volume in the time, fL/h."""
    return min(_rounded(volume_nl, duration_ms, seconds, up=True) for _, seconds in _SAID_TIMES)


def _rounded(volume_nl: int, duration_ms: int, seconds: int, *, up: bool) -> int:
    """An even flow in fL per ``seconds``, to six digits, as fL/h."""
    flow, left = divmod(volume_nl * FL_PER_NL * seconds * 1_000, duration_ms)
    grain: int = 10 ** max(0, len(str(flow)) - DIGITS)
    inexact = left > 0 or flow % grain > 0
    return (flow // grain + (1 if up and inexact else 0)) * grain * SECONDS_PER_HOUR // seconds


def _sayable(volume_nl: int, step_nl: int) -> int:
    """The largest volume not above that is a whole number of pump steps and has at most six digits, nL."""
    grain: int = 10 ** max(0, len(str(volume_nl)) - DIGITS)
    both = step_nl * grain // gcd(step_nl, grain)
    return volume_nl // both * both


def achievable_step(volume_nl: int, duration_ms: int, settings: PumpSettings) -> tuple[int, int]:
    """What the pump can do of a step without being faster than it, giving more, or ending later.

    A step whose even flow six digits can say (to the last ms) stays as it is. Any other is run at the next
    lower rate that can be said, its volume is what that gives in the time, in whole pump steps, and its
    duration what that takes; the rest is the caller's to book as missed. The result is its own result.

    Raises:
        ValueError: a negative volume, or no time.
    """
    if volume_nl < 0 or duration_ms < 1:
        raise ValueError(f"{volume_nl} nL in {duration_ms} ms is no step")
    most = settings.max_nl_per_h * duration_ms // MS_PER_HOUR
    volume = _sayable(min(volume_nl, most), settings.step_nl)
    if volume == 0 or _takes(volume, rate_up(volume, duration_ms)) == duration_ms:
        return volume, duration_ms
    rate = rate_down(volume, duration_ms)
    volume = _sayable(rate * duration_ms // (MS_PER_HOUR * FL_PER_NL), settings.step_nl)
    return (volume, _takes(volume, rate)) if volume else (0, duration_ms)


def _takes(volume_nl: int, rate: int) -> int:
    """How long a volume takes at a rate, in ms, rounded up."""
    return -(-volume_nl * FL_PER_NL * MS_PER_HOUR // rate)


def setting_for(volume_nl: int, duration_ms: int, settings: PumpSettings) -> RunSetting | None:
    """How the pump is set for a step that is not a rest; None if it cannot give just this volume in the time.

    The rate is the slowest that ends in time. For what ``achievable_step`` returns that is an even flow to the
    last ms; any other step may end early by less than one pump step, or is not taken.
    """
    if volume_nl <= 0 or _sayable(volume_nl, settings.step_nl) != volume_nl:
        return None
    rate = rate_up(volume_nl, duration_ms)
    ahead = rate * duration_ms - volume_nl * FL_PER_NL * MS_PER_HOUR
    fast = volume_nl * MS_PER_HOUR > settings.max_nl_per_h * duration_ms
    if fast or ahead >= settings.step_nl * FL_PER_NL * MS_PER_HOUR or rate_text(rate) is None:
        return None
    return RunSetting(rate, volume_nl * FL_PER_NL)


def grid_of(settings: PumpSettings) -> Grid:
    """What such a pump can be told, for the controller: one step, which lasts as long as it was asked for.

    A step that a rate of six digits ends less than one pump step early is whole. Of any other the next lower
    rate gives the volume, and the time stays: it ends less than a pump step early.
    """

    def volume(volume_nl: int, duration_ms: int) -> int:
        told, most = volume_nl, settings.max_nl_per_h * duration_ms // MS_PER_HOUR
        told = _sayable(min(told, most), settings.step_nl)
        if told and setting_for(told, duration_ms, settings) is None:
            told = achievable_step(told, duration_ms, settings)[0]
        return told if told and setting_for(told, duration_ms, settings) is not None else 0

    return Grid(volume, lambda steps: min(1, len(steps)), lambda _: EXCHANGES, rests=False)
