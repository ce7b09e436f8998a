"""Date and time of day as a Harvard pump reads and writes them, by counting days; it asks no clock.

Layer      sim.firmware. Imports `sim.firmware.harvard_units` for the errors.
Source     the protocol document of the Pump 11 Elite family, section 6 (`time`); years are 2000 to 2099.
Tests      tests/unit/sim/test_firmware_harvard_units.py
"""

import re
from typing import Final

from sim.firmware.harvard_frames import argument_error
from sim.firmware.harvard_units import MISSING_ARGUMENT, UNKNOWN_ARGUMENT

DAY_S: Final = 86_400
_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{2})", re.ASCII)
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])", re.ASCII)
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _length(year: int, month: int) -> int:
    """Days of a month of 20`year`."""
    return 29 if month == 2 and year % 4 == 0 else _MONTHS[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Days since 01/01/00."""
    before = sum(_length(year, m) for m in range(1, month))
    return year * 365 + (year + 3) // 4 + before + day - 1


def read_clock(words: tuple[str, ...]) -> int:
    """Seconds since 2000 of `mm/dd/yy hh:mm:ss`."""
    if len(words) < 2:
        raise argument_error("", MISSING_ARGUMENT)
    date, time = _DATE.fullmatch(words[0]), _TIME.fullmatch(words[1])
    if date is None or not 1 <= int(date[1]) <= 12:
        raise argument_error(words[0], UNKNOWN_ARGUMENT)
    month, day, year = int(date[1]), int(date[2]), int(date[3])
    if not 1 <= day <= _length(year, month):
        raise argument_error(words[0], UNKNOWN_ARGUMENT)
    if time is None or len(words) > 2:
        raise argument_error(words[-1], UNKNOWN_ARGUMENT)
    return _days(year, month, day) * DAY_S + int(time[1]) * 3_600 + int(time[2]) * 60 + int(time[3])


def clock_text(seconds: int) -> str:
    """`05/08/23 2:48:23 PM`."""
    days, second = divmod(seconds, DAY_S)
    year = days * 4 // 1_461
    day = days - _days(year, 1, 1)
    month = 1
    while day >= _length(year, month):
        day -= _length(year, month)
        month += 1
    hour = second // 3_600
    half = "PM" if hour >= 12 else "AM"
    clock = f"{(hour + 11) % 12 + 1}:{second // 60 % 60:02}:{second % 60:02} {half}"
    return f"{month:02}/{day + 1:02}/{year % 100:02} {clock}"
