"""What each fault of the table has to come to on each pump, as literals: outcome, alarms, state, ledger, tip.

One text a cell, in the order of ``page.SHOWN``: what became of the boluses; all alarms (without ``waiting`` and
``refused``); the state after half an hour and more in which nobody looked; by how much the least and the most that the
guard takes for given by then differ from the truth, uL, rounded away from it (``-8 +1``: 8 uL of it are not proven,
1 uL more is possible; a ``-`` in the second place is a ledger below the truth); and, where there is any, what a window
of 1, 4 or 24 h at the tip holds beyond what the guard counts, uL (``tip 6``). Empty: it cannot have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.faults.stand import Came

GRAIN_NL: Final = 100  # a motor step


def response(came: Came) -> str:
    """What came of a row, as the table says it."""
    low, most = came.ledger
    ledger = f"-{_ul(-low)} {'+' if most >= 0 else '-'}{_ul(abs(most))}"
    tip = f"; tip {_ul(came.forgotten)}" if came.forgotten > GRAIN_NL else ""
    told = f"; {', '.join(came.alarms)}" if came.alarms else ""
    return f"{', '.join(came.bolus)}{told}; {came.alone}; {ledger}{tip}"


def _ul(nl: int) -> int:
    return -(-nl // 1_000)


RESPONSES: Final[Mapping[str, tuple[str, ...]]] = {
    "reply to the start of the bolus lost": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "all replies lost for a minute from the start of the bolus on": (
        "1 refused; bolus-missed; RUNNING; -18 +1",
        "1 missed; bolus-missed, silence, stop-unknown; FAULT; -1 +2",
        "1 missed; bolus-missed, disagreement, silence; FAULT; -1 +11",
        "1 missed; bolus-missed, silence, stop-unknown; FAULT; -1 +1",
    ),
    "start of the bolus lost": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "start of the bolus arrives twice, 1 s apart": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "an older reply instead of that to the start": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "every request arrives twice for a while": (
        "1 delivered; RUNNING; -8 +1",
        "1 refused; bolus-missed; RUNNING; -5 +3",
        "1 refused; bolus-missed; RUNNING; -5 +3",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "every reply arrives twice for a while": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "start of the bolus arrives 0.9 s late": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "reply to the start arrives 3 s late": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "start of the bolus overtaken by a STOP": (
        "1 missed; bolus-missed, unsettled; STOPPED; -1 +1",
        "1 interrupted; unsettled; STOPPED; -1 +2",
        "1 interrupted; unsettled; STOPPED; -1 +2",
        "1 missed; bolus-missed, unsettled; STOPPED; -1 +1",
    ),
    "a bit of the start flipped": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "a bit of the reply to the start flipped": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -4 +1",
    ),
    "bits of what is told flipped under a right check sum": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "a request cut short": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "a reply cut short": (
        "1 delivered; unsettled; RUNNING; -8 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; unsettled; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "the line babbles": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "every status as the one before, for 15 min": (
        "1 missed; bolus-missed, stale, stop-unknown; FAULT; -1 +1",
        "1 refused; bolus-missed; RUNNING; -6 +2",
        "1 refused; bolus-missed; RUNNING; -6 +2",
        "1 missed; bolus-missed, disagreement, stop-unknown; FAULT; -1 +1",
    ),
    "an old status instead of a new one": (
        "1 delivered; RUNNING; -8 +1",
        "",
        "",
        "",
    ),
    "writes work and reads never, from the basal on": (
        "1 refused; bolus-missed; RUNNING; -18 +1",
        "1 missed; bolus-missed, silence, stop-unknown; FAULT; -3 +14",
        "1 missed; bolus-missed, silence; FAULT; -15 +1",
        "1 missed; bolus-missed, silence, stop-unknown; FAULT; -2 +2",
    ),
    "link lost in the bolus, for 10 min": (
        "1 delivered; RUNNING; -8 +1",
        "1 interrupted; pump-timeout, silence, stop-unknown; FAULT; -2 +3",
        "1 interrupted; silence, stop-unknown; FAULT; -1 +2",
        "1 interrupted; silence, stop-unknown; FAULT; -1 +1",
    ),
    "pump resets in the bolus": (
        "1 interrupted; pump-reset; RUNNING; -27 +1",
        "1 unknown; pump-reset; RUNNING; -23 +3",
        "1 unknown; pump-reset; RUNNING; -23 +3",
        "1 unknown; pump-reset; RUNNING; -20 +2",
    ),
    "pump without power for 10 min in the bolus": (
        "1 interrupted; pump-reset; RUNNING; -25 +33",
        "1 unknown; pump-reset, silence, stop-unknown; FAULT; -17 +34",
        "1 unknown; pump-reset, silence, stop-unknown; FAULT; -17 +35",
        "1 unknown; pump-reset, silence, stop-unknown; FAULT; -17 +33",
    ),
    "pump resets in the bolus and goes on by itself": (
        "1 interrupted; pump-reset; RUNNING; -27 +1",
        "1 unknown; pump-reset; RUNNING; -23 +2",
        "1 unknown; pump-reset; RUNNING; -23 +1",
        "1 unknown; pump-reset; RUNNING; -20 +1",
    ),
    "pump resets and runs at a rate of its own": (
        "1 delivered; pump-reset; RUNNING; -12 -1; tip 1",
        "1 delivered; pump-reset; RUNNING; -5 +1; tip 1",
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -4 +2",
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -2 +1",
    ),
    "the same, and what it says of the reset by itself is lost": (
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -20 +7",
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -4 +2",
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -4 +2",
        "1 missed; bolus-missed, disagreement, over-delivery, pump-reset; FAULT; -2 +1",
    ),
    "counter falls to zero": (
        "1 interrupted; disagreement; FAULT; -5 -4",
        "1 delivered; pump-reset; RUNNING; -5 +1",
        "1 delivered; pump-reset; RUNNING; -5 +1",
        "1 delivered; pump-reset; RUNNING; -5 +1",
    ),
    "counter runs and nothing flows, for 30 min": (
        "1 delivered; RUNNING; -8 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -4 +1",
    ),
    "motor stalls, and the pump sees it": (
        "1 missed; bolus-missed, recurring, stalled; FAULT; -1 +1",
        "1 missed; bolus-missed, recurring, stalled; FAULT; -1 +1",
        "1 missed; bolus-missed, recurring, stalled; FAULT; -1 +1",
        "1 missed; bolus-missed, recurring, stalled; FAULT; -1 +1",
    ),
    "motor stalls, and the pump does not see it": (
        "1 interrupted; disagreement; FAULT; -1 +1",
        "1 interrupted; disagreement; FAULT; -1 +3",
        "1 interrupted; disagreement; FAULT; -1 +3",
        "1 missed; bolus-missed, disagreement; FAULT; -1 +1",
    ),
    "a stall clears and the pump catches up": (
        "1 delivered; RUNNING; -8 +1; tip 1",
        "1 delivered; RUNNING; -3 +1; tip 1",
        "1 delivered; RUNNING; -3 +1; tip 1",
        "1 missed; bolus-missed, disagreement; FAULT; -1 +1",
    ),
    "pump runs ten times as fast as told": (
        "1 interrupted; disagreement, over-delivery; FAULT; -1 +1",
        "1 missed; bolus-missed, disagreement, over-delivery; FAULT; -1 +2",
        "1 missed; bolus-missed, disagreement, over-delivery; FAULT; -1 +2",
        "1 missed; bolus-missed, disagreement, over-delivery; FAULT; -1 +1",
    ),
    "pump gives half as much again as it counts": (
        "1 delivered; RUNNING; -8 +1; tip 37",
        "1 delivered; RUNNING; -3 +1; tip 37",
        "1 delivered; RUNNING; -3 +1; tip 37",
        "1 delivered; RUNNING; -4 +1; tip 37",
    ),
    "STOP is not obeyed, and the pump says so": (
        "1 delivered; stop-unknown; FAULT; -2 +1",
        "1 delivered; stop-unknown; FAULT; -3 +1",
        "1 delivered; stop-unknown; FAULT; -3 +1",
        "1 delivered; stop-unknown; FAULT; -1 +1",
    ),
    "STOP is not answered": (
        "1 delivered; stop-unknown; FAULT; -2 +1",
        "1 delivered; stop-unknown; FAULT; -3 +1",
        "1 delivered; stop-unknown; FAULT; -3 +1",
        "1 delivered; stop-unknown; FAULT; -1 +1",
    ),
    "fluid runs out by itself at 0.2 mL/h for 10 min": (
        "1 delivered; RUNNING; -8 +1; tip 34",
        "1 delivered; RUNNING; -3 +1; tip 34",
        "1 delivered; RUNNING; -3 +1; tip 34",
        "1 delivered; RUNNING; -4 +1; tip 34",
    ),
    "line blocked for 20 min, pump keeps turning": (
        "1 delivered; RUNNING; -8 +1; tip 6",
        "1 delivered; RUNNING; -3 +1; tip 6",
        "1 delivered; RUNNING; -3 +1; tip 6",
        "1 delivered; RUNNING; -4 +1; tip 6",
    ),
    "line blocked, then cleared": (
        "1 delivered; RUNNING; -8 +1; tip 1",
        "1 delivered; RUNNING; -3 +1; tip 1",
        "1 delivered; RUNNING; -3 +1; tip 1",
        "1 delivered; RUNNING; -4 +1; tip 1",
    ),
    "nothing left to draw": (
        "1 delivered; RUNNING; -8 +1",
        "1 refused; bolus-missed, recurring, stalled; FAULT; -1 +1",
        "1 refused; bolus-missed, recurring, stalled; FAULT; -1 +1",
        "1 refused; bolus-missed, recurring, stalled; FAULT; -1 +1",
    ),
    "wall clock 1 h back": (
        "1 delivered; wall-clock; RUNNING; -8 +1",
        "1 delivered; wall-clock; RUNNING; -3 +1",
        "1 delivered; wall-clock; RUNNING; -3 +1",
        "1 delivered; wall-clock; RUNNING; -4 +1",
    ),
    "wall clock 24 h ahead": (
        "1 delivered; wall-clock; RUNNING; -8 +1",
        "1 delivered; wall-clock; RUNNING; -3 +1",
        "1 delivered; wall-clock; RUNNING; -3 +1",
        "1 delivered; wall-clock; RUNNING; -4 +1",
    ),
    "host stands still for 40 min in the bolus": (
        "1 delivered; RUNNING; -2 +1",
        "1 interrupted; disagreement, pump-timeout; FAULT; -2 +3",
        "1 delivered; RUNNING; -3 +1",
        "1 delivered; RUNNING; -2 +1",
    ),
    "host reboots in the basal": (
        "1 missed; bolus-missed; WAITING; -1 +1",
        "1 missed; bolus-missed; WAITING; -2 +408",
        "1 missed; bolus-missed; WAITING; -7 +84",
        "1 missed; bolus-missed; WAITING; -2 +3",
    ),
    "host reboots in the bolus, 10 min off": (
        "1 interrupted; WAITING; -1 +1",
        "1 interrupted; pump-timeout; WAITING; -20 +453",
        "1 interrupted; WAITING; -52 +108",
        "1 interrupted; WAITING; -49 +17",
    ),
    "pump's clock 5 % fast": (
        "1 interrupted; disagreement, over-delivery; FAULT; -1 +1",
        "1 interrupted; disagreement, over-delivery; FAULT; -1 +3",
        "1 interrupted; disagreement, over-delivery; FAULT; -1 +3",
        "1 missed; bolus-missed, disagreement, over-delivery; FAULT; -1 +1",
    ),
    "patient presses 200 times in 20 s": (
        "2 delivered, 199 refused; requests; RUNNING; -8 +1",
        "2 delivered, 199 refused; requests; RUNNING; -3 +1",
        "2 delivered, 199 refused; requests; RUNNING; -3 +1",
        "2 delivered, 199 refused; requests; RUNNING; -4 +1",
    ),
    "reply to a STOP in the bolus lost": (
        "1 interrupted; stop-unknown; FAULT; -1 +1",
        "1 interrupted; STOPPED; -1 +2",
        "1 interrupted; STOPPED; -1 +2",
        "1 interrupted; STOPPED; -1 +1",
    ),
    "STOP as the bolus ends": (
        "1 delivered; STOPPED; -1 +1",
        "1 delivered; STOPPED; -1 +1",
        "1 delivered; STOPPED; -1 +1",
        "1 delivered; STOPPED; -1 +1",
    ),
    "bolus stopped, then resumed": (
        "1 interrupted; RUNNING; -10 +1",
        "1 interrupted; RUNNING; -5 +2",
        "1 interrupted; RUNNING; -5 +2",
        "1 interrupted; RUNNING; -4 +1",
    ),
    "battery dies in the bolus": (
        "1 interrupted; battery-low, failed; FAULT; -1 +1",
        "",
        "",
        "",
    ),
}
