"""Which commands of a New Era text are for whom. Text only: no state of the pump.

Layer      sim.firmware. Imports the standard library only.
Source     New Era NE-1000 wire specification, sections 3 (addresses), 8 (`*ADR`, `*RESET`) and 14 (bursts).
Readings   `*ADR`, `*RESET` and `ADR<n>` without an address are for every pump.
Tests      tests/unit/sim/test_firmware_new_era.py, tests/unit/sim/test_pumps.py
"""

import re
from functools import lru_cache
from typing import Final

_ADDRESSED: Final = re.compile(r"([0-9]{0,2})(.*)", re.DOTALL)
_SYSTEM: Final = re.compile(r"[0-9]{0,2}\*(.*)", re.DOTALL)


def commands_for(address: int, text: str, *, burst_all: bool) -> list[str]:
    """The commands of a text that are for one pump, without address. `burst_all`: all of a burst, not the first."""
    if "*" in text:
        if system := _SYSTEM.fullmatch(text):
            return [f"*{system[1]}"]
        mine = [part[1:] for part in text.split("*") if part[:1] == str(address)]
        return mine if burst_all else mine[:1]
    if text.startswith("ADR") and text != "ADR":
        return [f"*{text}"]
    whose, command = _split(text)
    return [command] if whose == address else []


def command_of(text: str) -> str:
    """The command of a text, whichever pump it is for."""
    system = _SYSTEM.fullmatch(text)
    return system[1] if system else _split(text)[1]


@lru_cache(maxsize=256)
def _split(text: str) -> tuple[int, str]:
    """Address (0 if there is none) and command."""
    match = _ADDRESSED.fullmatch(text)
    if match is None:
        raise AssertionError("every text has an address, if only an empty one")
    return int(match[1] or "0"), match[2]
