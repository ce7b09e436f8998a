"""Known: what the guard knows, which is the fold of what it wrote, and how it comes to know more.

Layer      safety; the guard and its intake share one. The only writer of the guard's records.
Hazard     something believed that no record shows; a journal that failed and is trusted again (F-52).
Invariant  written first, then taken in (``State.apply``); after one failure nothing is written or given any more.
Tests      tests/safety/test_guard.py, tests/safety/test_state.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pump_ctrl.clock import Clock
from pump_ctrl.errors import JournalError
from pump_ctrl.safety.alarms import RECURRING, ROWS
from pump_ctrl.safety.ask import IntentLog
from pump_ctrl.safety.curve import ZL_PER_NL
from pump_ctrl.safety.state import State
from pump_ctrl.safety.watchdog import Action, Remedy

LOW: Final = "reservoir-low"  # two may know it: the pump, and the ledger; it goes when neither does
Moment = tuple[int, int, bool]  # boot time and guard time, ms; whether elapsed time is known


class Known:
    """The state of one journal, at the time of one clock.

    Attributes:
        state: the fold of all records.
        waiting: whether a person has to confirm the reconciliation before anything new is given.
        latch: code and text why this process gives nothing more at all; None as long as it may.
        actions: what the watchdog wants, or a counter beyond all permits; the guard carries it out.
        changes: grows with every record; as long as it stays, only time has gone by, and nothing else is known.

    Args:
        log: where it is written before it is known.
        clock: boot time.
    """

    def __init__(self, log: IntentLog, clock: Clock) -> None:
        self._log, self.clock = log, clock
        self.state = State()
        self.waiting = True
        self.latch: tuple[str, str] | None = None
        self.actions: list[Action] = []
        self.changes = 0

    def moment(self) -> Moment:
        """The time, read once for all that is asked about one exchange."""
        clock = self.clock
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
        self.changes += 1
        stamped = {"at": self.clock.boot_ms(), **data}
        try:
            self._log.append(kind, stamped)
        except JournalError as error:
            self.latch = ("journal", f"the journal failed: {error}")
        if self.latch is not None:
            return False
        state = self.state
        before, was_low = state.history.beyond, state.runs_low
        state.apply(kind, stamped, self.clock.boot_id())
        if (low := state.runs_low) is not was_low:
            self.actions.append(Action(LOW, low, self._fill_words() if low else ""))
        beyond = state.history.beyond - before
        if beyond > 0 and kind != "seen":  # what a sensor proves has an alarm of its own
            detail = f"the counter shows {-(-beyond // ZL_PER_NL)} nL that nobody permitted"
            codes = ("disagreement", "over-delivery")
            self.actions += [Action(code, True, detail, Remedy.STOP) for code in codes]
        return True

    def _fill_words(self) -> str:
        most, fill = self.state.left_by(self.now())[1], self.state.fill[0]
        return f"{most} nL may have left since the fill, after which at most {fill} nL were there"

    def must_write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write, or change nothing.

        Raises:
            JournalError: it could not be written.
        """
        if not self.write(kind, data):
            raise JournalError(f"A {kind} record could not be written; nothing was changed.")

    def alarm(self, code: str, what: str, detail: str) -> None:
        """An alarm's condition holds (``raised``) or has ``gone``; a raised one is active even if not written.

        Raises:
            KeyError: no such row in the table. Nothing was written: no later process could read it.
        """
        board = self.state.board
        if board.holds(code) is (what == "raised"):
            return  # nothing new
        if code not in ROWS:
            raise KeyError(code)
        if code == LOW and what == "gone" and self.state.runs_low:
            return  # the pump does not tell it, the ledger does
        data = {"code": code, "what": what, "detail": detail, "by": ""}
        if not self.write("alarm", data) and what == "raised":
            board.raised(code, self.now(), detail)
        if what == "raised" and board.recurs(code, self.now()):
            self.alarm(RECURRING, "raised", f"{code} came three times within ten minutes")
            self.alarm(RECURRING, "gone", "")  # it stays until somebody has seen it
