"""Known: what the guard knows, which is the fold of what it wrote, and how it comes to know more.

Layer      safety; the guard and its intake share one. The only writer of the guard's records.
Hazard     something believed that no record shows; a journal that failed and is trusted again (F-52).
Invariant  written first, then taken in (``State.apply``); after one failure nothing is written or given any more.
Tests      tests/safety/test_guard.py, tests/safety/test_state.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pump_ctrl.clock import Clock
from pump_ctrl.errors import JournalError
from pump_ctrl.safety.ask import IntentLog
from pump_ctrl.safety.curve import ZL_PER_NL
from pump_ctrl.safety.state import State
from pump_ctrl.safety.watchdog import Action, Remedy

Moment = tuple[int, int, bool]  # boot time and guard time, ms; whether elapsed time is known


class Known:
    """The state of one journal, at the time of one clock.

    Attributes:
        state: the fold of all records.
        waiting: whether a person has to confirm the reconciliation before anything new is given.
        latch: code and text why this process gives nothing more at all; None as long as it may.
        actions: what the watchdog wants, or a counter beyond all permits; the guard carries it out.

    Args:
        log: where it is written before it is known.
        clock: boot time.
    """

    def __init__(self, log: IntentLog, clock: Clock) -> None:
        self._log, self._clock = log, clock
        self.state = State()
        self.waiting = True
        self.latch: tuple[str, str] | None = None
        self.actions: list[Action] = []

    def moment(self) -> Moment:
        """The time, read once for all that is asked about one exchange."""
        clock = self._clock
        boot_ms = clock.boot_ms()
        now, certain = self.state.moment(boot_ms, clock.boot_id())
        return boot_ms, now, certain

    def now(self) -> int:
        """Guard time."""
        return self.moment()[1]

    @property
    def elapsed_known(self) -> bool:
        """False after a reboot of the host until the pump's tick or a person tells how long it took."""
        return self.moment()[2]

    @property
    def in_run(self) -> bool:
        """Whether this is a life in RUN: confirmed, no outcome unknown, and not stopped (D-14)."""
        state = self.state
        return not (self.waiting or state.unsettled or state.at_rest)

    def write(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Append and only then take it in. After one failure nothing is ever trusted to be durable again
        (F-52).
        """
        stamped = {"at": self._clock.boot_ms(), **data}
        try:
            self._log.append(kind, stamped)
        except JournalError as error:
            self.latch = ("journal", f"the journal failed: {error}")
        if self.latch is not None:
            return False
        before = self.state.history.beyond
        self.state.apply(kind, stamped, self._clock.boot_id())
        beyond = self.state.history.beyond - before
        if beyond > 0 and kind != "seen":  # what a sensor proves has an alarm of its own
            detail = f"the counter shows {-(-beyond // ZL_PER_NL)} nL that nobody permitted"
            codes = ("disagreement", "over-delivery")
            self.actions += [Action(code, True, detail, Remedy.STOP) for code in codes]
        return True

    def must_write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write, or change nothing.

        Raises:
            JournalError: it could not be written.
        """
        if not self.write(kind, data):
            raise JournalError(f"A {kind} record could not be written; nothing was changed.")

    def alarm(self, code: str, what: str, detail: str) -> None:
        """An alarm's condition holds (``raised``) or has ``gone``; a raised one is active even if not written."""
        board = self.state.board
        if board.holds(code) is (what == "raised"):
            return  # nothing new
        data = {"code": code, "what": what, "detail": detail, "by": ""}
        if not self.write("alarm", data) and what == "raised":
            board.raised(code, self.now(), detail)
