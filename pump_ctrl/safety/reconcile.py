"""What may have been given, in words, and a code that belongs to exactly these words.

Layer      safety, pure.
Hazard     a person confirms something other than what is true by then.
Invariant  other content, other code.
Tests      tests/safety/test_reconcile.py
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pump_ctrl.drivers.base import Permit
from pump_ctrl.safety.limits import Limits
from pump_ctrl.safety.state import PLAN_TOLERANCE_MS, State
from pump_ctrl.units import Volume

CODE_DIGITS: Final = 8
MS_PER_MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Bounds of what was given since the journal began (nL), what is unsettled, the words and their code."""

    low_nl: int
    high_nl: int
    unsettled: Permit | None
    words: str
    code: str


def reconcile(
    state: State,
    offered: Limits | None,
    *,
    elapsed_known: bool,
    ahead_ms: int,
    nameless: bool,
    odd: bool,
) -> Reconciliation:
    """The reconciliation of ``state``; ``offered`` are the limits that a confirm would put in force.

    ``ahead_ms``: by how much the wall clock is ahead of the time that is known to have gone by since the last
    confirm; where elapsed time is not known that is how long the host was off by its own clock (D-16).
    ``nameless``: the pump tells no serial number, so that only a person knows that it is the same one; ``odd``: it
    does not hold what it was told last by this journal.
    """
    low, high = state.history.low_nl, state.history.high_nl
    lines = [*_amounts(state, low, high), *_times(ahead_ms, elapsed_known=elapsed_known)]
    lines += [f"Alarm: {alarm.row.code}: {alarm.row.condition}." for alarm in state.board]
    if offered is not None:
        lines.append(f"Limits: {offered.checksum[:16]} of plan {offered.plan_id}.")
    if nameless:
        lines.append("The pump tells no serial number: look that it is the one that was used before.")
    if odd:
        lines.append(
            "It does not hold what this journal told it last: it may be another one, or was set by hand."
        )
    words = "\n".join(lines)
    code = sha256(words.encode()).hexdigest()[:CODE_DIGITS]
    return Reconciliation(low, high, next(iter(state.unsettled.values()), None), words, code)


def _amounts(state: State, low: int, high: int) -> list[str]:
    lines = [
        f"Surely given since the journal began: {Volume(low)}.",
        f"Given or still flowing, at the most: {Volume(high)}.",
    ]
    for permit in state.unsettled.values():
        lines.append(f"Not known whether carried out: command {permit.id:x}, {Volume(permit.volume_nl)}.")
    if not state.confirmed:
        lines.append("This journal is new: what was given in the last 24 h has to be said.")
    return lines


def _times(ahead_ms: int, *, elapsed_known: bool) -> list[str]:
    """What a confirm makes of the wall clock: nobody lets windows age, or plan time move, without having read it."""
    if not elapsed_known and ahead_ms < -PLAN_TOLERANCE_MS:
        return [
            f"It is not known how long the host was off, and its clock is {_about(-ahead_ms)} behind what is known.",
            "Set it right, or say how long when you confirm: --off DURATION.",
        ]
    if not elapsed_known:
        return [
            f"It is not known how long the host was off; by its own clock {_about(max(0, ahead_ms))}.",
            "Who confirms takes that for true; if it was another time, say so: --off DURATION.",
        ]
    if abs(ahead_ms) <= PLAN_TOLERANCE_MS:
        return []
    way = "ahead of" if ahead_ms > 0 else "behind"
    return [
        f"The host's clock is {_about(abs(ahead_ms))} {way} the time that has gone by since the last confirm:",
        "who confirms moves the plan's time of day with it. If the clock is wrong, set it right first.",
    ]


def _about(ms: int) -> str:
    """A time in words, to the nearest minute."""
    hours, minutes = divmod((ms + MS_PER_MINUTE // 2) // MS_PER_MINUTE, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes or not ms else f"{-(-ms // 1_000)} s"
