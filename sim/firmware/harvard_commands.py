"""The commands of a Harvard pump: how one is found, and what is not simulated.

Layer      sim.firmware. Imports the two tables of commands.
Source     the protocol document of the Pump 11 Elite family, sections 2, 5 and 6.
Rule       what the document does not found is not simulated: `NOT_SIMULATED` names it, and the pump answers
           that it does not know the command (or the argument, where a part of a command is named).
Readings   a command is known by its full name or by its first four letters, nothing between. Of the second
           lines of errors only `Unknown syringe`, `Out of range`, `Target volume out of range` and `Unknown
           command` are documented: a host may look for `Command error` and `Argument error`, never for more.
Tests      tests/unit/sim/test_firmware_harvard.py, tests/wire/harvard.toml
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sim.firmware.harvard_dosing import DOSING, WITHDRAWING
from sim.firmware.harvard_frames import Request, command_error
from sim.firmware.harvard_system import SYSTEM, Handler

NOT_SIMULATED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cat": "list of stored methods: its lines are not documented",
        "delmethod": "methods are not simulated",
        "method": "export of methods",
        "mstep": "export of methods",
        "mend": "export of methods",
        "output": "its answer is not documented, and nothing hangs on the output",
        "sync": "as output",
        "valve": "not in the document",
        "gang": "not in the document",
        "ascale": "not in the document",
        "config": "not in the document",
        "rsave": "of the Pump 33 DDS, not in the document",
        "boot": "not in the document",
        "metrics (PHD Ultra, Legato)": "only the Elite's lines are documented",
        "a run with a ramp": "a ramp is stored and shown; while one is set the pump refuses to run that way",
        "syrmanu ?": "the list of manufacturers: its form is not documented",
        "syrmanu (other than Hoshi 20 ml)": "no other row of the pump's table is documented: Unknown syringe",
        "nvram, without an argument": "its answer is not documented",
        "withdrawing after infusing in one run (qs iw, qs wi)": "not described; each run goes one way",
        "limit switches": "the prompts >* and <* of a Legato that has them, and their flag in status",
        "a wrong prefix first": "seen with numbers over USB by one client, without the bytes",
        "set commands without an answer": "seen in a chain of pumps by one client, without the bytes",
        "forwarding to other pumps": "a request with another pump's address is not answered",
    }
)
COMMANDS: Final[Mapping[str, Handler]] = MappingProxyType({**SYSTEM, **DOSING})
KINDS: Final[Mapping[str, str]] = MappingProxyType(  # of commands, as the faults of a wire name them
    {
        **dict.fromkeys(("ver", "version", "metrics"), "hello"),
        **dict.fromkeys(("irun", "wrun", "run", "rrun"), "commit"),
        **dict.fromkeys(("stop", "stp"), "stop"),
        **dict.fromkeys(("civolume", "cwvolume", "cvolume", "ctvolume"), "propose"),
        **dict.fromkeys(("citime", "cwtime", "ctime", "cttime"), "propose"),
    }
)


def kind_of_request(request: Request) -> str:
    """What a request is: with a value it sets (`propose`), without it asks (`status`); empty if unknown."""
    if not request.name:
        return "status"
    full = next((name for name in COMMANDS if request.name in {name, name[:4]}), "")
    return KINDS.get(full, ("propose" if request.words else "status") if full else "")


@lru_cache(maxsize=256)
def handler_of(name: str, *, infuse_only: bool) -> Handler:
    """The function of a command, by its full name or its first four letters.

    Raises:
        RefusedError: there is none.
    """
    for full, handler in COMMANDS.items():
        if name in {full, full[:4]} and not (infuse_only and full in WITHDRAWING):
            return handler
    raise command_error("Unknown command")
