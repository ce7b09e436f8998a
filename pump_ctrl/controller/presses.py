"""How the patient's key is pressed: too often, or without ever being let go.

Layer      controller, pure.
Hazard     F-56, F-57: a pain that the plan does not reach and nobody hears of; a key that is stuck.
Invariant  no press forbids anything to a key that was let go: what an unbroken row of presses asks for is refused only
           as long as that row lasts.
Tests      tests/unit/test_presses.py

The figures are our own (unverified): no published source that was read gives one but the minute of a stuck key (X-09).
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.controller.effects import Alarm, Effect
from pump_ctrl.units import MS_PER_HOUR, MS_PER_MINUTE

OFTEN: Final = 3  # refused requests
OFTEN_MS: Final = MS_PER_HOUR  # within so long; it is told once in as long
PAUSE_MS: Final = 5_000  # two presses further apart are two
STUCK_MS: Final = MS_PER_MINUTE  # a row of presses that lasts longer is a key that is stuck
USED_UP: Final = "max-per-day"
STUCK: Final = "stuck-key"
STUCK_WORDS: Final = (
    f"the key was pressed for over {STUCK_MS // 1_000} s without a pause; let it go for {PAUSE_MS // 1_000} s"
)


class Presses:
    """Counts what the patient asks for. All times are boot-time ms.

    Attributes:
        stuck: whether the last press was part of a row that has lasted for too long.
    """

    def __init__(self) -> None:
        self.stuck = False
        self._refused: list[int] = []
        self._told_at: int | None = None
        self._row_at = self._stuck_told_at = self._last_at = -PAUSE_MS - 1

    def pressed(self, now: int) -> list[Effect]:
        """The key was pressed, whatever became of it."""
        if now - self._last_at > PAUSE_MS:
            self._row_at = self._stuck_told_at = now
        self._last_at = now
        self.stuck = now - self._row_at > STUCK_MS
        if now - self._stuck_told_at <= STUCK_MS:
            return []
        self._stuck_told_at = now
        return _happened(STUCK, STUCK_WORDS)

    def refused(self, rule: str, now: int) -> list[Effect]:
        """A request was refused by ``rule``."""
        self._refused = [*(at for at in self._refused if now - at < OFTEN_MS), now][-OFTEN:]
        if self._told_at is not None and now - self._told_at < OFTEN_MS:
            return []
        if rule == USED_UP:
            what = "the plan's boluses of 24 h are used up, and another one was asked for"
        elif len(self._refused) == OFTEN:
            what = f"{OFTEN} requests within {now - self._refused[0]} ms were refused, the last one by {rule}"
        else:
            return []
        self._told_at = now
        return _happened("requests", what)


def _happened(code: str, detail: str) -> list[Effect]:
    """An alarm that is over when it is told, and stays until somebody has seen it."""
    return [Alarm(code, True, detail), Alarm(code, False, "")]
