"""Carries out what people ask of a running controller: each request once, written down before it is done.

Layer      live.
Hazard     F-56, F-57, F-62: a request carried out twice, by a key that bounces, a client that asks again, or a
           controller that died in between; a STOP that waits for a disk.
Invariant  a ``console`` record is durable before anything is done, its ``told`` record is the answer; an id that
           the journal knows is never carried out again. STOP acts first and is written down afterwards.
Tests      tests/unit/test_live_desk.py, tests/system/test_kill.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pump_ctrl.console import ConsoleServer, Heard
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.controller.machine import MAY_DELIVER, State
from pump_ctrl.errors import InvalidInput, JournalError, NotAllowed, PumpCtrlError
from pump_ctrl.journal import Record
from pump_ctrl.live.advice import advice, since_journal_failed
from pump_ctrl.live.filling import UNKNOWN, Fillings
from pump_ctrl.live.outcome import BUSY, DONE, Answer, busy_words, told_by
from pump_ctrl.live.signed import Shelf
from pump_ctrl.live.tap import TappedJournal
from pump_ctrl.runner import VOUCHED, Runner
from pump_ctrl.safety.alarms import ROWS, Alarm
from pump_ctrl.safety.ask import Purpose
from pump_ctrl.units import Duration

Status = Callable[[], dict[str, Any]]
Held = Callable[[bool], None]
KINDS: Final[Mapping[str, RequestKind]] = MappingProxyType(
    {
        "bolus": RequestKind.PATIENT_BOLUS,
        "prime": RequestKind.PRIME,
        "pause": RequestKind.PAUSE,
        "resume": RequestKind.RESUME,
        "stop": RequestKind.STOP,
    }
)
_NOBODY: Final = "somebody"
CUT_SHORT: Final = Answer(
    4,
    "The controller ended while it carried this out; it is not done again. What was given is in the "
    "reconciliation: pump-ctrl status",
    "cut-short",
)


class Desk:
    """The console's requests, done by the runner.

    Args:
        runner: does them.
        journal: where each is written down.
        console: where they come from and where the answers go.
        shelf: plans that may be loaded.
        status: the status document.
        held: told that a person stops the pump (True), or lets it go on.
    """

    def __init__(
        self,
        runner: Runner,
        journal: TappedJournal,
        console: ConsoleServer,
        shelf: Shelf,
        status: Status,
        held: Held = lambda _: None,
    ) -> None:
        self._runner, self._journal, self._console = runner, journal, console
        self._shelf, self._status, self._held = shelf, status, held
        self._known: dict[str, Answer] = {}  # by id, every request that was ever written down
        self._fillings = Fillings(runner, journal, shelf)

    def hear(self, record: Record) -> None:
        """Take up one record of the journal; before all have been heard no request may be served."""
        if record.kind == "console":
            self._known.setdefault(record.data["id"], CUT_SHORT)
        elif record.kind == "told":
            data = record.data
            self._known[data["id"]] = Answer(data["exit"], data["text"], data.get("code", ""))
        else:
            self._fillings.hear(record)

    def serve(self) -> None:
        """Do everything that has been asked, a STOP before all else."""
        while (heard := self._console.take()) is not None:
            self._console.answer(heard, self._reply(heard))

    def tell(self, records: Iterable[Record]) -> None:
        """Send records to those who watch."""
        for record in records:
            self._console.tell(
                {"seq": record.seq, "kind": record.kind, "utc_ms": record.utc_ms, "data": record.data}
            )

    def _reply(self, heard: Heard) -> dict[str, Any]:
        if heard.verb == "status":
            return {"exit": 0, "code": "", "text": "", "status": self._status()}
        if heard.verb == "watch":
            self._console.watch(heard)
            return {"exit": 0, "code": "", "text": "watching", "status": self._status()}
        try:
            found = self._answer(heard.verb, heard.request)
        except PumpCtrlError as error:
            found = Answer.of(error)
        return {"exit": found.exit, "code": found.code, "text": found.text}

    def _answer(self, verb: str, request: Mapping[str, Any]) -> Answer:
        if verb == "stop":
            return self._stop(request)
        if verb not in _VERBS:
            what, allowed = f"The console knows no {verb!r}.", f"Allowed: {', '.join(_VERBS)}."
            raise NotAllowed(what, code="verb-unknown", do_now=allowed)
        if (known := self._known.get(request["id"])) is not None:
            if verb == "bolus":
                self._runner.pressed()
            return known
        try:
            self._journal.append("console", dict(request))
        except JournalError as error:
            self._runner.raise_alarm("journal", str(error))  # which stops the pump
            return Answer(error.exit_code, f"Nothing was given by it. {error}{self._fate}", error.code)
        self._known[request["id"]] = CUT_SHORT
        try:
            found = _VERBS[verb](self, request)
        except PumpCtrlError as error:
            found = Answer.of(error, self._fate)
        self._keep(request["id"], found)
        return found

    def _keep(self, request_id: str, found: Answer) -> None:
        """The answer is written down, so that who asks again gets it again."""
        self._known[request_id] = found
        code = {"code": found.code} if found.code else {}
        try:
            self._journal.append("told", {"id": request_id, "exit": found.exit, "text": found.text, **code})
        except JournalError as error:
            self._runner.raise_alarm("journal", str(error))

    def _stop(self, request: Mapping[str, Any]) -> Answer:
        """The one that is done first, in every state, however often it is asked and whatever the disk does."""
        heard = self._journal.listen()
        self._runner.request(request["id"], RequestKind.STOP)
        self._held(True)
        found = self._stopped(heard)
        try:
            self._journal.append("console", dict(request))
        except JournalError as error:
            self._runner.raise_alarm("journal", str(error))
            return found
        self._keep(request["id"], found)
        return found

    def _stopped(self, heard: Iterable[Record]) -> Answer:
        if self._runner.guard.stop_open:
            return Answer(
                4,
                "STOP was sent and the pump did not confirm it; it is sent again until it does. If in doubt stop "
                "the pump by hand or take its power away.",
                "stop-unconfirmed",
            )
        return told_by("stop", heard) or Answer(0, "Stopped. The pump confirmed it.")

    # One request each.

    def _simple(self, request: Mapping[str, Any]) -> Answer:
        heard = self._journal.listen()
        self._runner.request(request["id"], KINDS[request["do"]])
        found = told_by(request["id"], heard, request["do"]) or DONE
        if found is DONE and request["do"] != "pause" and (failed := self._unwritten()):
            return failed
        busy_ms = self._runner.busy_ms
        if found.exit == 3 and BUSY in found.text and busy_ms is not None:
            return replace(found, text=f"{found.text} {busy_words(-(-busy_ms // 1_000))} Ask again then.")
        return replace(found, text=f"{found.text}{self._what_now()}") if found.exit == 3 else found

    def _unwritten(self) -> Answer | None:
        """What is told of a request whose records could not be written."""
        failed = self._failed()
        return Answer(5, f"Nothing was given by it: {failed[0]}{self._fate}", "journal") if failed else None

    def _failed(self) -> list[str]:
        """What is wrong with the journal, if it failed."""
        return [alarm.detail for alarm in self._runner.guard.alarms if alarm.row.code == "journal"]

    @property
    def _fate(self) -> str:
        """What became of the pump, if the journal failed; else nothing."""
        return f" {since_journal_failed(stop_open=self._runner.guard.stop_open)}" if self._failed() else ""

    def _pause(self, request: Mapping[str, Any]) -> Answer:
        found = self._simple(request)
        if found.exit == 0 and self._runner.guard.stop_open:
            return self._stopped(())
        return Answer(0, "Paused. The pump confirmed that it stopped.") if found is DONE else found

    def _resume(self, request: Mapping[str, Any]) -> Answer:
        if "code" not in request:
            if self._runner.controller.state is State.WAITING:
                what = self._how_to_confirm("A restart has to be confirmed with its code.")
                raise NotAllowed(what, code="confirm-needs-code")
            found = self._simple(request)
            if found.exit == 0:
                self._held(False)
            return found
        by, code = _text(request, "by"), _text(request, "code")
        off_ms = Duration.parse(_text(request, "off")).ms if "off" in request else None
        before = self._runner.guard.plan_ms
        try:
            self._runner.confirm(by, code, off_ms=off_ms)
        except NotAllowed as error:
            if self._runner.controller.state is not State.WAITING or self._runner.guard.unsettled:
                raise
            raise NotAllowed(self._how_to_confirm(str(error)), code=error.code) from None
        self._held(False)
        return Answer(0, f"Confirmed by {by}.{self._goes_on()}{self._moved(before)}")

    def _goes_on(self) -> str:
        """Whether the plan goes on after a confirm; else why it does not, and what to type (REQ13)."""
        if self._runner.controller.state in MAY_DELIVER:
            return " The plan goes on."
        what = f" The plan does NOT go on.{self._what_now()}"
        return "\n".join(
            [what, *(f"  {a.row.code}: {advice(a.row.code, holds=a.holds)}" for a in self._blocking())]
        )

    def _blocking(self) -> list[Alarm]:
        """The active alarms that do not permit the basal."""
        return [alarm for alarm in self._runner.guard.alarms if Purpose.BASAL not in alarm.row.permits]

    def _moved(self, before: int | None) -> str:
        """D-16: a confirm takes plan time from the wall clock; whoever confirms is told when that moved it."""
        now = self._runner.guard.plan_ms
        if before is None or now is None or abs(now - before) <= 2_000:
            return ""
        return f" Plan time moved by {(now - before) / 1_000:.0f} s, to the wall clock's."

    def _how_to_confirm(self, what: str) -> str:
        found = self._runner.guard.reconciliation()
        return f"{what}\n{found.words}\nType: pump-ctrl resume --confirm NAME {found.code}"

    def _ack(self, request: Mapping[str, Any]) -> Answer:
        self._runner.acknowledge(_text(request, "by"))
        left = [alarm.row.code for alarm in self._runner.guard.alarms]
        if not left:
            return Answer(0, f"Seen. No alarm is active.{self._what_now()}")
        text = f"Seen. Still active, as their cause is still there: {', '.join(left)}."
        if judged := sorted(VOUCHED.intersection(left)):
            text += "\nOnly a look can tell whether it is over. When you know, type:"
        text += "".join(f"\n  pump-ctrl resolve {code} --by NAME --reason TEXT" for code in judged)
        return Answer(0, text)

    def _refill(self, request: Mapping[str, Any]) -> Answer:
        found = _text(request, "found") if "found" in request else UNKNOWN
        filled = _text(request, "filled") if "filled" in request else None
        return self._fillings.refill(
            _text(request, "by"), found, filled, new_path=request.get("new_path") is True
        )

    def _resolve(self, request: Mapping[str, Any]) -> Answer:
        name, by, reason = (_text(request, key) for key in ("command", "by", "reason"))
        if name in ROWS:
            self._runner.vouch(name, by, reason)
            return Answer(0, f"Noted: {by} stands for it that the cause of {name} is gone.{self._what_now()}")
        if not re.fullmatch(r"[0-9a-f]{1,16}", name):
            raise InvalidInput(
                f"{name!r} is no command and no alarm; allowed: the number or the name that pump-ctrl status shows"
            )
        self._runner.resolve(int(name, 16), by, reason)
        told = f"Resolved: command {name} counts in full, and blocks no more. The pump is stopped."
        return Answer(0, f"{told}{self._what_now()}")

    def _what_now(self) -> str:
        """What has to be typed next before the plan goes on."""
        left = [alarm.row.code for alarm in self._blocking()]
        match self._runner.controller.state:
            case State.WAITING:
                code = self._runner.guard.reconciliation().code
                return f" To go on: pump-ctrl resume --confirm NAME {code}"
            case State.PAUSED | State.STOPPED if not left:
                return " To go on: pump-ctrl resume"
            case State.UNCERTAIN:
                return " The pump has to tell first what became of the last command: pump-ctrl status"
        last = "Nothing is given while these alarms last"
        return f" {last}: {', '.join(left)}. What to do: pump-ctrl status" if left else ""

    def _load(self, request: Mapping[str, Any]) -> Answer:
        new = self._shelf.signed(Path(_text(request, "plan")))
        if new.plan.sha256 != request.get("sha256"):
            raise NotAllowed(
                f"{new.file} was changed while it was loaded.", code="plan-changed", do_now="Load it again."
            )
        in_force = self._runner.load(new.prescription, new.limits, _text(request, "by"))
        return Answer(
            0,
            f"{new.plan.id} is in force."
            if in_force
            else f"{new.plan.id} takes effect when the bolus that runs or is due has ended. If the controller ends or "
            "is killed before that, it is forgotten: load it again then.",
        )


_VERBS: Final[Mapping[str, Callable[[Desk, Mapping[str, Any]], Answer]]] = MappingProxyType(
    {
        "bolus": Desk._simple,
        "prime": Desk._simple,
        "pause": Desk._pause,
        "resume": Desk._resume,
        "ack": Desk._ack,
        "refill": Desk._refill,
        "resolve": Desk._resolve,
        "load": Desk._load,
    }
)


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"the request needs {key!r}, a text")
    return value.strip()
