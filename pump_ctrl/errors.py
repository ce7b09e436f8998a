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
is an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class PumpCtrlError(Exception):
    """Root of every error of ours.

    Args:
        what: what happened.
        pump_state: what state the pump is in, as far as we know.
        do_now: what to do now.
    """

    exit_code: ClassVar[int] = 5

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

    def __init__(self, problems: tuple[Problem, ...] | str) -> None:
        self.problems = problems if isinstance(problems, tuple) else (Problem("", None, "", problems),)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class QuantityError(InvalidInput):
    """A text is not a quantity of the wanted kind."""


class NotAllowed(PumpCtrlError):
    """The request is well formed, but a rule or a missing sign-off says no."""

    exit_code = 3


class LinkError(PumpCtrlError):
    """The byte pipe to the pump failed, or what answers is not the expected pump."""

    exit_code = 4


class WireError(LinkError):
    """The pump's bytes are not what its protocol allows."""


class JournalError(PumpCtrlError):
    """The journal cannot be written, read or trusted."""

    exit_code = 5


class SafetyFault(PumpCtrlError):
    """The safety layer found itself or its limits unusable. Every increase is denied."""

    exit_code = 5
