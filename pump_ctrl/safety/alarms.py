"""The alarm table (data), computed priorities, latching, and what each active alarm still permits.

Layer      safety; values only.
Hazard     an alarm that is ranked by convenience, cleared by a key, or hidden behind a worse one (X6 to X8,
           X11, X14).
Invariant  what is permitted is the intersection over all active alarms; an alarm is active until its
           condition is gone and somebody has acknowledged it; acknowledging never permits more while the
           condition holds.
Tests      tests/safety/test_alarms.py

Priority = harm x onset, the scheme of IEC 60601-1-8 (safety.md 2.2). For intrathecal drugs both directions
can kill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pump_ctrl.safety.ask import Purpose


class Harm(StrEnum):
    """What can come of it if nobody acts."""

    DEATH = "death or irreversible"
    REVERSIBLE = "reversible"
    MINOR = "minor"


class Onset(StrEnum):
    """How soon."""

    IMMEDIATE = "immediate"
    PROMPT = "prompt"
    DELAYED = "delayed"


class Priority(StrEnum):
    """How loud."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


PRIORITIES: Final = {
    (Harm.DEATH, Onset.IMMEDIATE): Priority.HIGH,
    (Harm.DEATH, Onset.PROMPT): Priority.HIGH,
    (Harm.DEATH, Onset.DELAYED): Priority.MEDIUM,
    (Harm.REVERSIBLE, Onset.IMMEDIATE): Priority.HIGH,
    (Harm.REVERSIBLE, Onset.PROMPT): Priority.MEDIUM,
    (Harm.REVERSIBLE, Onset.DELAYED): Priority.LOW,
    (Harm.MINOR, Onset.IMMEDIATE): Priority.MEDIUM,
    (Harm.MINOR, Onset.PROMPT): Priority.LOW,
    (Harm.MINOR, Onset.DELAYED): Priority.LOW,
}

ALL: Final = frozenset(Purpose)
NONE: Final[frozenset[Purpose]] = frozenset()
NO_BOLUS: Final = frozenset({Purpose.BASAL, Purpose.HOLD})
HOLD_ONLY: Final = frozenset({Purpose.HOLD})


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One condition of the table; ``permits`` is what may still be asked while the alarm is active."""

    code: str
    condition: str
    harm: Harm
    onset: Onset
    permits: frozenset[Purpose]

    @property
    def priority(self) -> Priority:
        """Computed, never written down."""
        return PRIORITIES[self.harm, self.onset]


_D, _R, _M = Harm.DEATH, Harm.REVERSIBLE, Harm.MINOR
_I, _P, _L = Onset.IMMEDIATE, Onset.PROMPT, Onset.DELAYED

TABLE: Final = (
    AlarmRow("over-delivery", "the pump's counter rose beyond all that was permitted", _D, _P, NONE),
    AlarmRow("disagreement", "the pump's counter does not follow its command", _D, _P, HOLD_ONLY),
    AlarmRow("under-delivery", "the plan asks for drug and none flows", _D, _P, ALL),
    AlarmRow("stop-unknown", "the pump did not confirm a STOP", _D, _I, NONE),
    AlarmRow("silence", "the pump does not answer", _D, _P, HOLD_ONLY),
    AlarmRow("stale", "the pump repeats an old status", _D, _P, HOLD_ONLY),
    AlarmRow("unsettled", "the outcome of a command is not known", _D, _P, ALL),  # its rule blocks
    AlarmRow("wrong-pump", "pump and journal do not belong together", _D, _I, NONE),
    AlarmRow("pump-reset", "the pump lost power", _D, _P, ALL),
    AlarmRow("stalled", "the pump's motor stands still", _D, _P, NO_BOLUS),
    AlarmRow("empty", "the reservoir is empty", _D, _P, NONE),
    AlarmRow("failed", "the pump has given up", _D, _P, NONE),
    AlarmRow("withdrawn", "the pump drew fluid back", _D, _P, NONE),
    AlarmRow("pump-timeout", "the pump stopped because it heard no controller", _D, _P, ALL),
    AlarmRow("pump-program", "the pump cannot carry out what it was told", _D, _P, NONE),
    AlarmRow("pump-alarm", "the pump tells an alarm that is not known here", _D, _P, NONE),
    AlarmRow("flow", "an independent sensor sees more flow than was permitted", _D, _I, NONE),
    AlarmRow("under-flow", "an independent sensor sees less flow than the pump was told", _D, _P, ALL),
    AlarmRow("sensor", "the independent sensor cannot be read or was touched", _D, _L, ALL),
    AlarmRow("power-cut", "the pump's power was cut", _D, _P, NONE),
    AlarmRow("journal", "the journal cannot be written", _D, _P, NONE),
    AlarmRow("limits", "the limits cannot be used", _D, _P, ALL),  # its rule blocks
    AlarmRow("refill-discrepancy", "the volume found at the refill is not the expected one", _D, _P, NONE),
    AlarmRow("reservoir-low", "no more than the alarm volume is surely left in the reservoir", _D, _L, ALL),
    AlarmRow("battery-low", "the pump's battery is nearly empty", _D, _L, ALL),
    AlarmRow("hold-ended", "the bounded hold is over and nothing flows", _D, _P, ALL),
    AlarmRow("waiting", "the controller waits for a person and nothing new flows", _D, _L, ALL),
    AlarmRow("recurring", "the same alarm came three times within ten minutes", _D, _P, HOLD_ONLY),
    AlarmRow("wall-clock", "the wall clock jumped", _R, _P, ALL),
    AlarmRow("stuck-key", "the patient's key is stuck", _R, _P, ALL),  # the controller takes none of its presses
    AlarmRow("bolus-missed", "a scheduled bolus was not given", _R, _P, ALL),
    AlarmRow("refused", "the guard or the pump refused what the plan asks", _D, _L, ALL),
    AlarmRow("requests", "the patient asks too often", _M, _L, ALL),
)  # fmt: skip
ROWS: Final = {row.code: row for row in TABLE}
RECURRING: Final = "recurring"
# So many times the same alarm has to come, in so long, for the plan not to go on by itself (R6.5.0(18)).
OFTEN: Final = 3
OFTEN_MS: Final = 600_000
ONCE_MS: Final = 10_000  # what is told again so soon came once
# The pump stands still, and the plan goes on by itself.
_STOPPED: Final = frozenset({"pump-reset", "pump-timeout"})
COUNTED: Final = frozenset(
    row.code for row in TABLE if (row.permits != ALL or row.code in _STOPPED) and row.code != RECURRING
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that is active: its condition holds, or nobody has acknowledged it."""

    row: AlarmRow
    at_ms: int
    detail: str
    holds: bool = True
    acknowledged: bool = False


class Board:
    """The active alarms."""

    def __init__(self) -> None:
        self._active: dict[str, Alarm] = {}
        # When each last came, at most so often as it takes to recur.
        self._came: dict[str, tuple[int, ...]] = {}

    def raised(self, code: str, at_ms: int, detail: str) -> None:
        """The condition holds. An alarm that is active stays as old as it is; one that had gone and been seen is new.

        Raises:
            KeyError: no such row in the table.
        """
        known = self._active.get(code)
        if code in COUNTED and (known is None or not known.holds):
            came = self._came.get(code, ())
            if not came or at_ms - came[-1] >= ONCE_MS:
                self._came[code] = (*came, at_ms)[-OFTEN:]
        if known is None:
            self._active[code] = Alarm(ROWS[code], at_ms, detail)
        elif not known.holds:
            self._active[code] = replace(known, detail=detail, holds=True)

    def gone(self, code: str) -> None:
        """The condition holds no more."""
        if code in self._active:
            self._keep(code, replace(self._active[code], holds=False))

    def acknowledged(self, code: str) -> None:
        """Somebody has seen it."""
        if code in self._active:
            self._keep(code, replace(self._active[code], acknowledged=True))

    def older(self, edge: int, by: int) -> None:
        """The host was off for ``by`` ms: what was raised up to ``edge`` was raised so much earlier."""
        for code, alarm in self._active.items():
            if alarm.at_ms <= edge:
                self._active[code] = replace(alarm, at_ms=alarm.at_ms - by)
        for code, came in self._came.items():
            self._came[code] = tuple([at - by if at <= edge else at for at in came])

    def recurs(self, code: str, at_ms: int) -> bool:
        """Whether an alarm that stops the pump has now come for the third time within ten minutes."""
        came = self._came.get(code, ())
        return len(came) == OFTEN and at_ms - came[0] <= OFTEN_MS

    def _keep(self, code: str, alarm: Alarm) -> None:
        if alarm.acknowledged and not alarm.holds:
            del self._active[code]
        else:
            self._active[code] = alarm

    @property
    def quiet(self) -> bool:
        """Whether none is active."""
        return not self._active

    def holds(self, code: str) -> bool:
        """Whether it is active and its condition is still true."""
        alarm = self._active.get(code)
        return alarm is not None and alarm.holds

    @property
    def active(self) -> tuple[Alarm, ...]:
        """Worst first, then newest first, then by code: a total order."""
        if not self._active:
            return ()
        ranks = list(Priority)
        return tuple(
            sorted(self._active.values(), key=lambda a: (ranks.index(a.row.priority), -a.at_ms, a.row.code))
        )

    @property
    def permitted(self) -> frozenset[Purpose]:
        """What may be asked: the intersection over all active alarms."""
        if not self._active:
            return ALL
        return ALL.intersection(*[alarm.row.permits for alarm in self._active.values()])

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self.active)
