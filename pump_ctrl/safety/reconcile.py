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
from pump_ctrl.safety.state import State
from pump_ctrl.units import Volume

CODE_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Bounds of what was given since the journal began (nL), what is unsettled, the words and their code."""

    low_nl: int
    high_nl: int
    unsettled: Permit | None
    words: str
    code: str


def reconcile(
    state: State, offered: Limits | None, *, elapsed_known: bool, nameless: bool = False, odd: bool = False
) -> Reconciliation:
    """The reconciliation of ``state``; ``offered`` are the limits that a confirm would put in force.

    ``nameless``: the pump tells no serial number, so that only a person knows that it is the same one; ``odd``: it
    does not hold what it was told last by this journal.
    """
    low, high = state.history.low_nl, state.history.high_nl
    lines = _lines(state, offered, low, high, elapsed_known=elapsed_known)
    if nameless:
        lines.append("The pump tells no serial number: look that it is the one that was used before.")
    if odd:
        lines.append(
            "It does not hold what this journal told it last: it may be another one, or was set by hand."
        )
    words = "\n".join(lines)
    code = sha256(words.encode()).hexdigest()[:CODE_DIGITS]
    return Reconciliation(low, high, next(iter(state.unsettled.values()), None), words, code)


def _lines(state: State, offered: Limits | None, low: int, high: int, *, elapsed_known: bool) -> list[str]:
    lines = [
        f"Surely given since the journal began: {Volume(low)}.",
        f"Given or still flowing, at the most: {Volume(high)}.",
    ]
    for permit in state.unsettled.values():
        lines.append(f"Not known whether carried out: command {permit.id:x}, {Volume(permit.volume_nl)}.")
    if not state.confirmed:
        lines.append("This journal is new: what was given in the last 24 h has to be said.")
    if not elapsed_known:
        lines.append("It is not known how long the host was off.")
    lines.extend(f"Alarm: {alarm.row.code}: {alarm.row.condition}." for alarm in state.board)
    if offered is not None:
        lines.append(f"Limits: {offered.checksum[:16]} of plan {offered.plan_id}.")
    return lines
