"""Says again which alarms nobody has acknowledged, at an interval by their priority (REQ76).

Layer      live. Tells those who listen; writes nothing down and changes nothing.
Hazard     HZ-26: an alarm that was printed once, while nobody looked.
Invariant  an alarm that is active and not acknowledged is said again after its interval and after each one more; one
           that was acknowledged, or has gone, is not.
Tests      tests/unit/test_reminders.py

The intervals of implanted pumps are about 10 min for critical and 1 h for other alarms (from memory, unverified);
that for medium priority is our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pump_ctrl.safety.alarms import Alarm, Priority
from pump_ctrl.units import MS_PER_HOUR, MS_PER_MINUTE

EVERY_MS: Final[Mapping[Priority, int]] = MappingProxyType(
    {
        Priority.HIGH: 10 * MS_PER_MINUTE,
        Priority.MEDIUM: 30 * MS_PER_MINUTE,
        Priority.LOW: MS_PER_HOUR,
    }
)
NEVER: Final = 1 << 62


class Reminders:
    """Remembers when each alarm has to be said again. All times are boot-time ms.

    Attributes:
        next_ms: when something has to be said again, if nothing changes until then.
    """

    def __init__(self) -> None:
        self.next_ms = NEVER
        self._due: dict[
            tuple[str, int], int
        ] = {}  # code and the instant it was raised at: when to say it again

    def due(self, alarms: Iterable[Alarm], now: int) -> list[Alarm]:
        """Those of the active ``alarms`` that have to be said again now, in their order."""
        unseen = {(alarm.row.code, alarm.at_ms): alarm for alarm in alarms if not alarm.acknowledged}
        if not unseen and not self._due:
            return []  # nearly always
        due = {name: self._due.get(name, now + _every(alarm)) for name, alarm in unseen.items()}
        said = [name for name, at in due.items() if at <= now]
        due |= {name: now + _every(unseen[name]) for name in said}
        self._due, self.next_ms = due, min(due.values(), default=NEVER)
        return [unseen[name] for name in said]


def _every(alarm: Alarm) -> int:
    return EVERY_MS[alarm.row.priority]


def reminder(alarm: Alarm, age_ms: int) -> dict[str, Any]:
    """What is said of an alarm that is ``age_ms`` old."""
    return {"code": alarm.row.code, "detail": alarm.detail, "holds": alarm.holds, "age_ms": age_ms}
