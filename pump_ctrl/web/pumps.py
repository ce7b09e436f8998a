"""The running controllers, as the page sees them: over their consoles, one line each, whoever looks.

Layer      web; imports console and clinic. The only way from the page to a pump.
Hazard     a status that looks fresh though its controller is gone; a page that holds up a controller; a request that is
           carried out twice, or in nobody's name; a STOP that a full disk keeps back, or that is taken for done; two
           pumps of one name.
Invariant  a status is shown with its age, and as silent from 3 s on; fifty people who look are one line to the
           controller; a request goes out once, under the number of the form that asked for it; a STOP waits for
           nothing, neither before nor after, and its answer says whether the pump confirmed it; that it was told is
           written down as soon as the disk allows.
Tests      tests/unit/web/test_pumps.py, tests/web/test_pump.py
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, TypeGuard

from pump_ctrl.clinic import Account, Clinic
from pump_ctrl.clock import Clock
from pump_ctrl.console import Connection
from pump_ctrl.console.client import NobodyError
from pump_ctrl.console.place import socket_paths
from pump_ctrl.errors import JournalError, LinkError, NotAllowed, PumpCtrlError
from pump_ctrl.runner import VOUCHED

EVERY_S: Final = 0.5  # so often a controller is asked for its status
LOOK_S: Final = 2.0  # how often it is looked for new controllers
PATIENCE_S: Final = 2.0
END_S: Final = 0.5  # a controller that says nothing does not keep the page from ending
ASK_PATIENCE_S: Final = 30.0  # a deliver with all its exchanges may be under way
SILENT_MS: Final = 3_000
FORGET_MS: Final = 3_600_000  # a controller that has ended is shown so long
SCHEMA: Final = "pump-ctrl/status/1"
# What must be there before a status is shown. A controller of another version can still be stopped.
_SHAPE: Final[Mapping[str, type]] = {
    "journal": str, "state": str, "plan": dict, "alarms": list, "volume_nl": dict, "reservoir_nl": dict, "next": dict,
}  # fmt: skip
NOTE_AGAIN_S: Final = 2.0  # a STOP that could not be written down is tried again so often
_log = logging.getLogger("pump_ctrl.web")
_BY_HAND: Final = "Stop the pump by hand or take its power away."
Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A controller as it was heard last.

    ``status``: None if it never said anything that this version understands; ``age_ms``: since it was said; ``silent``:
    that is too long; ``why``: it is; ``ended``: it closed its console; ``alike``: another one has the same plan, and a
    journal of the same name.
    """

    key: str
    status: Status | None
    age_ms: int
    silent: bool
    why: str
    ended: bool
    alike: bool = False

    @property
    def title(self) -> str:
        """What it is called on a button."""
        if self.status is None:
            return f"controller {self.key[:8]}"
        journal = Path(self.status["journal"])
        return f"{self.status['plan']['id']} ({journal if self.alike else journal.name})"

    @property
    def asks(self) -> str:
        """What the forms of its page depend on; another one means that they are out of date."""
        if self.status is None:
            return ""
        waits = self.status.get("reconciliation") or {}
        return " ".join([self.status["plan"]["sha256"], str(waits.get("code", "-")), *self.vouchable])

    @property
    def vouchable(self) -> Mapping[str, str]:
        """What a person can vouch for now, by what the console calls it, in words: a command, and alarms."""
        if self.status is None:
            return {}
        unsettled = self.status.get("unsettled")
        commands = {str(unsettled["id"]): f"command {unsettled['id']}"} if unsettled else {}
        codes = [alarm["code"] for alarm in self.status["alarms"] if alarm.get("code") in VOUCHED]
        return commands | {code: f"alarm {code}" for code in codes}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: the exit status of the command line, and words."""

    exit: int
    text: str


class _Line:
    """One controller: its status, asked for again and again in a thread of its own."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock = path, clock
        self._heard: tuple[Status, int] | None = None  # and when
        self._began_ms, self._why, self.there = clock.boot_ms(), "", True
        self._answers = False  # somebody is at the other end, whatever became of the socket's file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name=f"console {path.stem}", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        while not self._ended.is_set():
            try:
                with Connection(self.path, patience_s=PATIENCE_S) as line:
                    self._listen(line)
            except PumpCtrlError as error:
                self._why = error.what
            self._ended.wait(EVERY_S)

    def _listen(self, line: Connection) -> None:
        number = 0
        try:
            while not self._ended.is_set():
                number += 1
                self.hear(line.ask({"id": f"page-{number}", "do": "status"}))
                self._answers = True
                self._ended.wait(EVERY_S)
        finally:
            self._answers = False

    def hear(self, message: Status) -> None:
        """Take up a status.

        Raises:
            LinkError: it is none.
        """
        status = message.get("status")
        if not _is_status(status):
            raise LinkError("What answers is no controller, or one of another version.")
        self._heard = (status, self._clock.boot_ms())

    def seen(self) -> Seen:
        status, at_ms = self._heard or (None, self._began_ms)
        age_ms = self._clock.boot_ms() - at_ms
        silent = status is None or age_ms >= SILENT_MS
        ended = not (self.there or self._answers)
        return Seen(self.path.stem, status, age_ms, silent, self._why if silent else "", ended)

    def end(self) -> None:
        self._ended.set()

    def join(self) -> None:
        self._thread.join(END_S)


class Pumps:
    """Every controller of this user. Close it.

    ``trouble`` says why a STOP that went out is not written down yet, if one is not.

    Args:
        clinic: where requests are written down.
    """

    def __init__(self, clinic: Clinic) -> None:
        self._clinic, self._clock = clinic, clinic.clock
        self._lines: dict[str, _Line] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self.trouble = ""
        self._notes = ThreadPoolExecutor(1, "note of a STOP")  # one after the other, in their order
        self.look()
        self._thread = threading.Thread(target=self._go, name="consoles", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        while not self._ended.wait(LOOK_S):
            try:
                self.look()
            except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be begun
                _log.warning("controllers are not looked for: %s", error)

    def look(self) -> None:
        """Take up controllers that are new, and forget those that ended long ago.

        Raises:
            OSError: no more files can be opened; what is known stays as it is.
            RuntimeError: no more threads can be begun; likewise.
        """
        try:
            paths = {path.stem: path for path in socket_paths()}
        except NotAllowed:
            return  # no safe place for sockets: nobody new is trusted, and those that answer are there
        with self._lock:
            if self._ended.is_set():
                return
            for key, path in paths.items():
                if key not in self._lines and _listens(path):
                    self._lines[key] = _Line(path, self._clock)
            for key, line in list(self._lines.items()):
                line.there = key in paths
                if line.seen().age_ms >= FORGET_MS and not _listens(line.path):
                    self._lines.pop(key).end()

    def known(self) -> tuple[Seen, ...]:
        """Every controller, by plan: a STOP keeps its place, whatever becomes of the others."""
        with self._lock:
            seen = [line.seen() for line in self._lines.values()]
        many = Counter(each.title for each in seen)
        told_apart = [replace(each, alike=many[each.title] > 1) for each in seen]
        return tuple(sorted(told_apart, key=lambda each: (each.title, each.key)))

    def get(self, key: str) -> Seen | None:
        """One of them."""
        return next((each for each in self.known() if each.key == key), None)

    def _line(self, key: str) -> _Line | None:
        with self._lock:
            return self._lines.get(key)

    def ask(self, key: str, verb: str, account: Account, nonce: str, **more: str | bool) -> Answer:
        """Send one request in somebody's name; the same ``nonce`` is the same request, and is never carried out twice.

        A STOP is written down when its answer has gone, everything else before it is sent.

        Raises:
            NotAllowed: there is no such controller.
            JournalError: it could not be written down, and was not sent.
        """
        line = self._line(key)
        if line is None:
            raise NotAllowed(
                "There is no such controller.", code="no-such-controller", do_now="Look at the list of pumps."
            )
        request: dict[str, Any] = {**more, "id": f"page-{nonce}", "do": verb}
        about = {**request, "controller": key, "by": account.name}
        if verb == "stop":
            answer = _sent(line.path, request)
            self._take_down({**about, "exit": answer.exit, "text": answer.text[:2_000]})
            return answer
        self._clinic.record("asked", **about)
        answer = _sent(line.path, request)
        try:
            self._clinic.record("told", **about, exit=answer.exit, text=answer.text[:2_000])
        except JournalError as error:
            answer = Answer(answer.exit, f"{answer.text} This is not in the page's journal: {error.what}")
        _hear_again(line)
        return answer

    def _take_down(self, act: Mapping[str, Any]) -> None:
        try:
            self._notes.submit(self._note, act)
        except RuntimeError:  # the page has ended while the STOP was under way
            _log.error("not in the page's journal: %s", dict(act))

    def _note(self, act: Mapping[str, Any]) -> None:
        """Write down what became of a STOP; again and again if need be, until the page ends."""
        while True:
            last = self._ended.is_set()
            try:
                self._clinic.record("told", **act)
            except JournalError as error:
                self.trouble = f"A STOP is not written down yet. {error}"
                if last:
                    _log.error("not in the page's journal: %s: %s", error, dict(act))
                    return
            else:
                self.trouble = ""
                return
            self._ended.wait(NOTE_AGAIN_S)

    def close(self) -> None:
        """Hang up everywhere. Safe to repeat."""
        self._ended.set()
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.end()
        for line in lines:
            line.join()
        self._thread.join(LOOK_S)
        self._notes.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_status(found: object) -> TypeGuard[Status]:
    """Whether it is a status that the pages can show."""
    return (
        isinstance(found, dict)
        and found.get("schema") == SCHEMA
        and all(isinstance(found.get(name), kind) for name, kind in _SHAPE.items())
        and all(isinstance(found["plan"].get(name), str) for name in ("id", "title", "sha256"))
    )


def _listens(path: Path) -> bool:
    """Whether somebody is at the other end. Waits for nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except BlockingIOError:
            return True  # so many wait there that there is no room for one more
        except OSError:
            return False
    return True


def _sent(path: Path, request: Mapping[str, Any]) -> Answer:
    """What the controller says to it; in our own words if it says nothing."""
    stop = request["do"] == "stop"
    try:
        console = Connection(path, patience_s=ASK_PATIENCE_S)
    except NobodyError as error:
        what = f"STOP was NOT sent. {error.what} {_BY_HAND}" if stop else f"It was not sent. {error.what}"
        return Answer(error.exit_code, f"{what} What the pump was told last goes on to its end.")
    try:
        with console:
            found = console.ask(dict(request))
            return Answer(int(found["exit"]), str(found["text"]))
    except (LinkError, KeyError, TypeError, ValueError) as error:
        what = error.what if isinstance(error, LinkError) else "What answers is no controller."
        if stop:
            return Answer(4, f"STOP was sent and is NOT confirmed. {what} {_BY_HAND} STOP can be sent again.")
        return Answer(
            4,
            f"{what} The request may have been carried out: look at the state and the volumes before asking again.",
        )


def _hear_again(line: _Line) -> None:
    """The state after the request. Without it the page shows the one before, with its age, for a moment."""
    try:
        with Connection(line.path, patience_s=PATIENCE_S) as console:
            line.hear(console.ask({"id": "page-after", "do": "status"}))
    except LinkError:
        return
