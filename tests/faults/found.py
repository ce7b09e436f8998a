"""What the hunt for pairs of faults has found: the pair, what was wrong, what mended it. Each is run every time.

Where the product was right and the oracle asked for what nobody can know, ``mended`` says what is allowed since, why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.faults.pair_stand import Pair
from tests.faults.parts import HOUR, MINUTE

IMPLANT, NEW_ERA, HARVARD = "implant-40", "ne-1000-bd-10ml", "pump-11-elite-bd-10ml"


@dataclass(frozen=True)
class Found:
    """One of them."""

    pair: Pair
    wrong: str
    mended: str


FOUND: Final = (
    Found(
        Pair(IMPLANT, "stop", "short", "power-loss", 12 * MINUTE, "status-stuck:for=15min", 900, 10 * MINUTE, 0),
        "in FAULT by a stale status the pump was asked again with the next poll only, 6 h later: it was well, and "
        "nobody could let the plan go on, neither by ack nor by STOP and resume",
        "when an alarm begins to forbid delivery the pump is asked at once, and then as often as one that is silent",
    ),
    Found(
        Pair(IMPLANT, "stop", "even", "delay-reply:by=3s,type=stop,count=5", 95 * MINUTE - 1,
             "counter-reset:value_nl=0", 0, 7 * HOUR, 0),
        "upper bound 71,398 nL below the truth: a counter that falls to zero in its own epoch and grows again before "
        "it is read looks like a pump that gave less",
        "allowed: nobody can know; the reference protocol promises a monotonic counter, and a reset of the pump is "
        "another epoch",
    ),
    Found(
        Pair(NEW_ERA, "stop", "even", "runaway:factor=2,for=5min", 95 * MINUTE - 1, "pause resume", 5 * MINUTE,
             MINUTE, 0),
        "upper bound 1 uL below the truth: the counter shows 1 uL more than was permitted, and its digit is 1 uL",
        "allowed up to three digits of the counter, as for one fault: below that it is rounding",
    ),
    Found(
        Pair(IMPLANT, "stop", "rests", "stop-ignored:reply=lie,count=1", 40 * MINUTE - 1, "stop", 900, MINUTE, 0),
        "upper bound below the truth: the pump says that it stopped, and its motor ends the step",
        "allowed: no counter shows it; a balance does (F-30, residual risk in docs/safety/hazards.md)",
    ),
    Found(
        Pair(IMPLANT, "4 h", "even", "pause resume", 50 * MINUTE + 2_000, "runaway:factor=10,for=5min", 900, MINUTE, 0),
        "READY with the alarm refused: the plan does not go on though all is as new",
        "allowed: what the pump gave of its own account fills a window of the limits, and the basal waits (S-02)",
    ),
    Found(
        Pair(IMPLANT, "4 h", "short", "restart 0", 5 * MINUTE, "stall", 0, 90 * MINUTE, 1),
        "a hold that a stall broke off again and again left sums of over 60 digits, which no start takes up",
        "a cut rounds the share of a gap down to the parts in which the run's volumes are told",
    ),
)  # fmt: skip
