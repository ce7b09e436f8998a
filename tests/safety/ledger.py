"""The guard's ledger by itself, with numbers that can be reckoned on paper.

36,000 nL/h are 10 nL/s, a whole number of zL/ms; a grain of the counter is 100 nL; 1 pg/nL, so that pg and nL are the
same numbers.
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.drivers.base import Step
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.safety.curve import ZL_PER_NL
from pump_ctrl.safety.doses import Terms, draft
from pump_ctrl.safety.history import History
from pump_ctrl.safety.limits import Mix
from tests.safety.kit import DAY, HOUR, basal

MIX: Final[Mix] = (("baclofen", 1_000_000),)
TERMS: Final = Terms("plan/stage", "plan/stage", MIX, lambda nl: MIX, MIX, 100)
STEADY: Final = basal(36_000, HOUR)
GRAIN: Final = 100


def sends(history: History, permit_id: int, at: int, *steps: Step, doubt: int = 2_000, **told: int) -> None:
    """A command is about to be sent ``at``; it begins within ``doubt`` ms."""
    drafted = draft(steps, Purpose.PATIENT, TERMS, permit_id=permit_id, sent=at, doubt=doubt)
    history.begin(drafted, **told)  # type: ignore[arg-type]


def runs(*steps: Step, **told: int) -> History:
    """A history whose first command was sent at 0 and acknowledged in the same millisecond."""
    history = History(DAY)
    sends(history, 1, 0, *steps, **told)
    history.acked(1, 0)
    return history


def reads(
    history: History, at: int, counter: int, *, since: int | None = None, epoch: int = 7, **told: bool
) -> None:
    """The counter was asked for at ``since``, or ``at`` once, when the answer came."""
    history.reading(at if since is None else since, at, epoch, counter, GRAIN, MIX, **told)


def excess(history: History, at: int, counter: int, epoch: int = 7) -> int:
    """Whole nL that a counter is in excess."""
    zl = history.excess(at, epoch, counter, GRAIN)
    assert zl % ZL_PER_NL == 0, zl
    return zl // ZL_PER_NL


def rebooted() -> History:
    """36,000 nL sent at 0; read at 100 s; the host was off from 200 s on."""
    history = runs(STEADY)
    reads(history, 100_000, 1_000)
    history.unclocked(200_000)
    return history
