"""Permits: gives each its number and its deadline, and writes down all that its bounds rest on.

Layer      safety; behind the guard, which asks for one only after every rule has let the request pass.
Hazard     a number that is used twice, so that a pump takes a new dose for an old one, or an old for a new.
Invariant  S-20, S-35: an intent record tells all that the ledger needs to bound the permit, after any restart.
Tests      tests/safety/test_permits.py, tests/safety/test_guard.py, tests/safety/test_state.py
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from pump_ctrl.clock import Clock
from pump_ctrl.drivers.base import Capabilities, Permit
from pump_ctrl.safety.ask import Ask, steps_to_json
from pump_ctrl.safety.limits import Limits
from pump_ctrl.safety.state import State

WRITE_MS: Final = 2_000  # an intent that is not durable by then is void: what was judged may be so no more
TRANSIT_MS: Final = 500  # what leaves at the last moment has arrived by then, or never does: one exchange


class Permits:
    """Makes the permits of one process.

    Args:
        state: the fold of the journal, with the last number used.
        clock: boot time.
    """

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._mark: int | None = None

    def issue(self, ask: Ask, at: int, can: Capabilities | None) -> Permit:
        """A permit for exactly these steps, from ``at`` (boot ms) on."""
        return Permit(self._next_id(), ask.steps, at + _lasts_ms(can, self._state.limits))

    def intent(self, permit: Permit, ask: Ask, at: int, can: Capabilities | None) -> dict[str, Any]:
        """Fields of the record that has to be durable before the permit is sent."""
        limits = self._state.limits
        return {
            "at": at,
            "id": permit.id,
            "request": ask.request_id,
            "purpose": ask.purpose.value,
            "account": ask.account,
            "steps": steps_to_json(ask.steps),
            "expires_ms": permit.expires_ms,
            "doubt_ms": _doubt_ms(can, limits),
            "limits": "" if limits is None else limits.checksum,
            **_bounds(can),
        }

    def _next_id(self) -> int:
        """A number never used before: a count over the journal, under a mark of this process.

        A journal that was restored from a copy counts on from an older number; the mark keeps its ids apart.
        """
        if self._mark is None:
            seed = f"{self._clock.boot_id()} {self._clock.utc_ms()} {self._clock.boot_ms()}"
            self._mark = int(sha256(seed.encode()).hexdigest()[:7], 16) + 1
        return (self._mark << 32) + (self._state.last_permit & 0xFFFFFFFF) + 1


def _lasts_ms(can: Capabilities | None, limits: Limits | None) -> int:
    """How long a permit lasts: a command has begun T_s after it was asked for, or never does.

    Where the pump itself lets what comes late lie, a command may leave until then; else only so much before that it
    has arrived by then.
    """
    if can is None or limits is None:
        return 0
    return limits.stop_ms if can.ttl_ms is not None else limits.stop_ms - TRANSIT_MS


def _bounds(can: Capabilities | None) -> dict[str, Any]:
    """What the ledger has to know of the pump beside its limits, as far as there is anything."""
    if can is None:
        return {}
    kept = {"keeps": True} if can.keeps_counter else {}
    if not can.stops_first:
        return kept
    return {"ahead_nl": can.ahead_nl, "hidden_nl": can.hidden_nl, "clears": can.clears_counter, **kept}


def _doubt_ms(can: Capabilities | None, limits: Limits | None) -> int | None:
    """How long after its sending a command may still begin; None where nothing bounds it."""
    if can is None or limits is None or (can.buffered and can.ttl_ms is None):
        return None
    return limits.stop_ms + (can.ttl_ms or 0)
