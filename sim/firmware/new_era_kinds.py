"""What kind of message a command of a New Era host is, for the faults of a wire that befall one kind only.

Layer      sim.firmware. Imports the table of commands.
Tests      tests/unit/sim/test_pumps.py
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sim.firmware.new_era_commands import find

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"": "status", "DIS": "status", "VER": "hello", "RUN": "commit", "PUR": "commit", "STP": "stop"}
)


def kind_of_command(text: str) -> str:
    """The kind of a command without its address: with data it sets (`propose`), without it asks (`status`)."""
    if text == "RESET":
        return "propose"
    known = find(text)
    if known is None:
        return ""
    name, data = known
    return KINDS.get(name, "propose" if data else "status")
