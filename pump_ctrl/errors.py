"""The error tree. Every error says what happened, what state the pump is in and what to do now.

::

    PumpCtrlError
    ├── InvalidInput      a file or value from outside is wrong; carries Problems          exit 3
    │   └── QuantityError a text is no quantity of the wanted kind                         exit 3
    ├── NotAllowed        the request is well formed, but a rule or a missing sign-off says no   exit 3
    ├── LinkError         the byte pipe failed or the pump is not the expected one         exit 4
    │   └── WireError     the pump's bytes are not what its protocol allows                exit 4
    ├── JournalError      the journal cannot be written, read or trusted                   exit 5
    └── SafetyFault       the safety layer found itself or its limits unusable             exit 5

An expected refusal of a dose is a *value* (``Denied``), and a lost reply is a value (``Unknown``); neither
is an exception. Each error has a ``code``, which a program goes by and which no change of words changes: ``CODES``
says what it means. A denied dose has the code of its rule instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

# Every code that an error, or the console's answer to a request, can have beside those of rules and alarms. What limits
# are unfit for is told by the codes of their rule.
CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # errors that are no refusal
        "invalid-input": "A file, a value or a request is not what it has to be.",
        "link": "The line to the pump, or to the controller, failed, or something else answers on it.",
        "journal": "The journal cannot be written, read or trusted.",
        "safety-fault": "The safety layer found itself or its limits unusable.",
        # who asks
        "no-name": "Nobody's name was given, and a person has to stand for it.",
        "no-name-or-reason": "A name and a reason are needed, and one of them is missing.",
        # a restart and its confirm
        "nothing-to-confirm": "The controller does not wait for a confirm.",
        "confirm-needs-code": "A restart is confirmed with the code of its reconciliation, and none was given.",
        "stale-code": "The code is not that of the reconciliation as it is now.",
        "outcome-unknown": "It is not known whether the pump carried out a command; it counts as given.",
        "wrong-pump": "The pump is not the one that was confirmed.",
        "journal-older": "The pump holds a command that the journal does not know: an older copy, or another pump.",
        "pump-unidentified": "Nobody has asked the pump who it is.",
        "last-day-unsaid": "A new journal needs to be told what was given in the last 24 h.",
        "pump-used": "The pump was used before, and it was said that nothing was given in the last 24 h.",
        "time-off-known": "How long the host was off is known, and somebody says it.",
        "clock-behind": "The host's clock is behind what has gone by, so it cannot tell how long the host was off.",
        # one command, one alarm
        "no-such-command": "No command of this number is unsettled.",
        "not-vouchable": "This alarm goes when its cause has gone and was seen; nobody can vouch for that.",
        "alarm-inactive": "This alarm is not active.",
        # plans
        "load-refused": "The plan cannot take over from the one in force: the moment, its line of plans or its fluid.",
        "plan-changed": "The plan's file was changed while it was loaded.",
        "plan-file-unknown": "A plan that is needed is known by its hash only: its file was not named.",
        "plan-of-other-pump": "The plan is for another pump.",
        "plan-in-force-differs": "By the journal another plan is in force than the one that was named.",
        "not-approved": "The plan has no approval that holds for these very files.",
        "plan-blocked": "The review has a finding that nobody can override.",
        "reason-missing": "A finding asks a written reason, and none was given.",
        "reason-spare": "A reason was given that no finding asks.",
        "signer-unfit": "A signer is no name, or is the other one again.",
        "second-missing": "A finding asks a second person, and there is none.",
        # the page: accounts, drafts, signatures
        "login-wrong": "The account or its password is wrong, or the account is disabled.",
        "login-locked": "Too many wrong passwords in a row; the account opens again by itself.",
        "role-lacking": "The roles of this account do not permit it.",
        "who-unknown": "It cannot be found out who asks.",
        "no-such-account": "There is no account of this name.",
        "account-taken": "There is an account of this name or full name already.",
        "passwords-differ": "The two new passwords are not the same.",
        "form-unfit": "The form was not made for this person and purpose, or is too old.",
        "form-spent": "The form was sent before and counts once; what became of it is not told.",
        "no-such-draft": "There is no draft of this key.",
        "saved-meanwhile": "Somebody else has saved the draft meanwhile.",
        "plan-incomplete": "The draft is no plan yet.",
        "no-such-plan": "There is no signed plan of this hash.",
        "other-plan-in-force": "The plan that was given is not the one that this plan follows.",
        "not-as-shown": "What is to be signed is not what was shown, or not what the first signer saw.",
        "signed-already": "The plan in exactly this form is signed already.",
        "awaits-no-second": "The plan waits for no second signature.",
        "not-withdrawable": "Only a plan that is approved, or waits for its second signature, can be withdrawn.",
        "simulation-runs": "Another simulation runs, and one runs at a time.",
        "no-such-controller": "There is no such controller.",
        "state-unusable": "The state directory cannot be used, or is not this user's alone.",
        "port-taken": "The address and port of the page cannot be had.",
        # ports, pumps, fillings
        "journal-of-other-port": "The journal was begun on a simulated pump and the port is real, or on another speed.",
        "fill-impossible": "The reservoir cannot hold such a filling.",
        "no-syringe-pump": "The profile is of no syringe pump.",
        "syringe-unsettable": "This kind of pump is told its syringe at the pump, not over the wire.",
        "pump-runs": "The pump runs, and is told this only while it stands still.",
        # the console
        "verb-unknown": "The console knows no such request.",
        "too-many-waiting": "More requests wait than the controller takes; this one was not kept.",
        "several-controllers": "Several controllers run, and none was named.",
        "console-unsafe": "There is no place for the console's socket that is the user's alone, or it cannot be made.",
        "not-possible": "The controller's state, or its plan, has no room for this request now.",
        "cut-short": "The controller ended while it carried the request out; it is not done again.",
        "stop-unconfirmed": "STOP was sent and the pump did not confirm it; it is sent again until it does.",
    }
)


class PumpCtrlError(Exception):
    """Root of every error of ours.

    Args:
        what: what happened.
        pump_state: what state the pump is in, as far as we know.
        do_now: what to do now.
    """

    exit_code: ClassVar[int] = 5
    code: str = "safety-fault"

    def __init__(self, what: str, *, pump_state: str = "", do_now: str = "") -> None:
        self.what = what
        self.pump_state = pump_state
        self.do_now = do_now
        super().__init__(" ".join(part for part in (what, pump_state, do_now) if part))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input file: where, which field, what is wrong and what is allowed."""

    file: str
    line: int | None
    field: str
    what: str
    allowed: str = ""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [where, self.field, self.what + (f"; allowed: {self.allowed}" if self.allowed else "")]
        return ": ".join(part for part in parts if part)


class InvalidInput(PumpCtrlError):
    """A file or value from outside is wrong. Nothing was sent to a pump and nothing was written."""

    exit_code = 3
    code = "invalid-input"

    def __init__(self, problems: tuple[Problem, ...] | str) -> None:
        self.problems = problems if isinstance(problems, tuple) else (Problem("", None, "", problems),)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class QuantityError(InvalidInput):
    """A text is not a quantity of the wanted kind."""


class NotAllowed(PumpCtrlError):
    """The request is well formed, but a rule or a missing sign-off says no.

    Args:
        what: what happened.
        code: which refusal it is, one of ``CODES``.
        pump_state: what state the pump is in, as far as we know.
        do_now: what to do now.
    """

    exit_code = 3

    def __init__(self, what: str, *, code: str, pump_state: str = "", do_now: str = "") -> None:
        self.code = code
        super().__init__(what, pump_state=pump_state, do_now=do_now)


class LinkError(PumpCtrlError):
    """The byte pipe to the pump failed, or what answers is not the expected pump."""

    exit_code = 4
    code = "link"


class WireError(LinkError):
    """The pump's bytes are not what its protocol allows."""


class JournalError(PumpCtrlError):
    """The journal cannot be written, read or trusted."""

    exit_code = 5
    code = "journal"


class SafetyFault(PumpCtrlError):
    """The safety layer found itself or its limits unusable. Every increase is denied."""

    exit_code = 5
