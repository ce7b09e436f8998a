"""The faults that pairs are drawn from, by group, each with the most that the pump may give of its own account.

Text of a fault: as in ``table``, and what a process and a person do beside it (``pair_stand`` reads it). Groups are
those of the safety specification; ``Values`` concern no running pump. A fault that has no end of its own is mended by
a person at the end of the run's mishaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MINUTE, HOUR = 60_000, 3_600_000


@dataclass(frozen=True)
class Part:
    """One half of a pair.

    ``own_nl``: what may leave the pump, and no command asked for it, nL; beside what its accuracy allows.
    ``hides``: the counter is lost, so that what the pump did of its own account is never seen. ``lies_nl``: so much may
    be stepped though the pump says that it stands still: no ledger can know. ``ends``: the pump is dead for good.
    ``on``: pumps that can have it, by the beginnings of their names.
    """

    group: str
    text: str
    own_nl: int = 0
    hides: bool = False
    lies_nl: int = 0
    ends: bool = False
    on: tuple[str, ...] = ("",)


TYPES: Final = ("commit", "propose", "stop", "status", "hello", "any")
_MESSAGES: Final = (
    "lose-request", "lose-reply", "delay-request:by=900ms", "delay-request:by=3s", "delay-reply:by=900ms",
    "delay-reply:by=3s", "duplicate-request", "duplicate-request:by=1s", "duplicate-request:by=30ms",
    "duplicate-reply", "replay-reply:back=1", "replay-reply:back=3", "replay-reply:back=40", "reorder",
    "corrupt-request:byte=5,mask=4", "corrupt-reply:byte=3,mask=16", "corrupt-reply:byte=9,mask=1",
    "truncate-request:keep=5", "truncate-reply:keep=3",
)  # fmt: skip
_COUNTS: Final = (1, 2, 5, 40)


def _message(fault: str, type_: str, count: int) -> Part:
    # A Harvard pump numbers nothing: an old line in place of the new one is believed. A wire of its own keeps none.
    on = ("implant", "ne-1000") if fault.startswith("replay") else ("",)
    return Part("link", f"{fault}{',' if ':' in fault else ':'}type={type_},count={count}", on=on)


LINK: Final = (
    *(_message(fault, type_, count) for fault in _MESSAGES for type_ in TYPES for count in _COUNTS),
    *(Part("link", f"silence:for={span}") for span in ("600ms", "5s", "90s", "10min", "3h")),
    Part("link", "garbage:hex=7e01ff02413e11,times=400"),
    Part("link", "garbage:to=pump,hex=7e01ff0241,times=40"),
)
# What runs of itself does so for 5 min at the most: what it gives until then is all that it may give.
_FIVE: Final = HOUR // (5 * MINUTE)
PUMP: Final = (
    Part("pump", "power-loss", hides=True),
    Part("pump", "power-loss:for=30s", hides=True),
    Part("pump", "power-loss:for=10min", hides=True),
    Part("pump", "power-loss:then_nl_per_h=90000", own_nl=90_000 * 10, hides=True),  # until a person looks
    Part("pump", "resume-after-reset", own_nl=1_000, hides=True),
    Part("pump", "counter-reset:value_nl=0", hides=True),
    Part("pump", "counter-stuck:for=30min"),
    Part("pump", "stall:for=10min"),
    Part("pump", "stall:silent=1,for=40min"),
    Part("pump", "stall"),
    Part("pump", "occlusion:for=20min"),
    Part("pump", "occlusion:limit_nl=3000"),
    Part("pump", "empty:left_nl=2000"),
    Part("pump", "battery-low:percent=10", on=("implant",)),
    Part("pump", "battery-dead", ends=True, on=("implant",)),
    Part("pump", "stop-ignored:reply=honest,count=1"),
    Part("pump", "stop-ignored:reply=honest"),
    Part("pump", "stop-ignored:reply=lie,count=1", lies_nl=70_000),
    Part("pump", "stop-ignored:reply=silent,count=3"),
    Part("pump", "status-stuck:for=15min"),
    Part("pump", "runaway:factor=2,for=5min", own_nl=220_000 // _FIVE),
    Part("pump", "runaway:factor=10,for=5min", own_nl=9 * 220_000 // _FIVE),
    Part("pump", "over-infusion:gain_ppm=1145000"),
    Part("pump", "over-infusion:gain_ppm=855000"),
    Part("pump", "free-flow:nl_per_h=200000,for=5min", own_nl=200_000 // _FIVE),
)  # fmt: skip
# A clock that is 2 % fast gives 2 % of a day of 20 uL/h ahead of its time at the most.
TIME: Final = (
    *(Part("time", f"wall {by}") for by in ("-1h", "24h", "-2001ms", "1999ms")),
    *(Part("time", f"freeze {span}") for span in ("1s", "3s", "90s", "40min", "7h")),
    *(Part("time", f"reboot {span}") for span in ("0", "1s", "10min", "7h", "25h")),
    Part("time", "clock-drift:ppm=20000", own_nl=10_000),
    Part("time", "clock-drift:ppm=-20000"),
)
_RECORDS: Final = ("intent", "outcome", "granted", "stop", "evidence", "bolus", "missed", "alarm", "counter")
PROCESS: Final = (
    *(Part("process", f"restart {span}") for span in ("0", "1s", "70s", "40min")),
    *(Part("process", f"die {when} {kind}") for when in ("before", "after") for kind in _RECORDS),
    *(
        Part("process", f"die {when} exchange {nth}")
        for when in ("before", "after")
        for nth in (1, 2, 3, 9, 17)
    ),
    Part("process", "disk full"),
)
PEOPLE: Final = (
    *(
        Part("people", word)
        for word in ("stop", "pause", "resume", "press", "refill", "acknowledge", "settle")
    ),
    Part("people", "stop resume"),
    Part("people", "pause resume"),
    Part("people", "press press press press"),
    Part("people", "stop stop stop"),
    Part("people", "stop press resume press"),
)
GROUPS: Final = {"link": LINK, "pump": PUMP, "time": TIME, "process": PROCESS, "people": PEOPLE}
PARTS: Final = {part.text: part for parts in GROUPS.values() for part in parts}
