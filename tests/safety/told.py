"""A state that is told one record after the other, by hand: in boot "a", with limits in force from 0 on.

A run of ``n`` nL in ``n`` ms is one of 1 nL/ms, which leaves nothing to be rounded.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

import json
from typing import Any, Final

from pump_ctrl.safety.state import State
from tests.safety.kit import account, limits, rows

STAGE: Final = account(rows=rows((6_000, 24_000, 144_000)))


class Told:
    """The state, the boot whose records it is told, and how many commands it knows."""

    def __init__(self, boot: str = "a") -> None:
        self.state, self.boot, self.ids = State(), boot, 0

    def tell(self, kind: str, at: int, **data: Any) -> Told:
        self.state.apply(kind, {"at": at, **data}, self.boot)
        return self

    def limits(self, at: int, plan_ms: int | None = None, **fields: Any) -> Told:
        raw = json.loads(limits([STAGE], **fields))
        return self.tell("limits", at, limits=raw, plan_ms=plan_ms)

    def confirm(self, at: int, plan_ms: int = 0, utc_ms: int = 0, off_ms: int | None = None) -> Told:
        return self.tell("confirm", at, plan_ms=plan_ms, utc_ms=utc_ms, off_ms=off_ms, pump="p", given=None)

    def counter(self, at: int, nl: int | None, **data: Any) -> Told:
        reading = {"counter": nl, "epoch": 7, "tick_ms": None, "since": at, "run": False, **data}
        return self.tell("counter", at, **reading)

    def intent(
        self, at: int, nl: int, ms: int, purpose: str = "basal", kind: str = "basal", **data: Any
    ) -> Told:
        self.ids += 1
        asked = {"request": f"r{self.ids}", "purpose": purpose, "account": "stage-0", "doubt_ms": 2_000}
        steps = [[kind, nl, ms, 0]]
        return self.tell("intent", at, id=self.ids, steps=steps, expires_ms=at + 2_000, **{**asked, **data})

    def acked(self, at: int) -> Told:
        return self.tell("outcome", at, id=self.ids, what="acked")

    def run(self, at: int, nl: int, ms: int, **data: Any) -> Told:
        """Asked, and taken at once."""
        return self.intent(at, nl, ms, **data).acked(at)

    def seen(self, at: int, nl: int = 0, **data: Any) -> Told:
        plain = {"origin": "A", "most": 0, "since": at, "until": at, "run": False, "anew": False, "extra": 0}
        return self.tell("seen", at, **{**plain, "nl": nl, **data})


def told() -> Told:
    return Told().limits(0)
