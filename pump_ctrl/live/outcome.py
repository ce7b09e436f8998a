"""What became of a request, read from the records that were written while it was done.

Layer      live, pure.
Hazard     an answer that says more, or something nicer, than the journal.
Invariant  an outcome that is not known is never told as done, nor as not done.
Tests      tests/unit/test_live_desk.py
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pump_ctrl.errors import PumpCtrlError
from pump_ctrl.journal import Record
from pump_ctrl.safety.ask import readable
from pump_ctrl.units import Volume


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client is told; ``exit`` is the exit status of the command line.

    ``code`` is empty where it was done; else one of ``errors.CODES``, the rule that denied a dose, or the alarm.
    """

    exit: int
    text: str
    code: str = ""

    @classmethod
    def of(cls, error: PumpCtrlError, more: str = "") -> Answer:
        """An error as an answer, with ``more`` words."""
        return cls(error.exit_code, f"{error}{more}", error.code)


DONE: Final = Answer(0, "Done.")
NOT_KNOWN: Final = Answer(
    4,
    "It is not known whether the pump took it: no answer came. It counts as given. Do not ask again; pump-ctrl "
    "status tells what the pump says.",
    "outcome-unknown",
)


BUSY: Final = "the pump refused: busy"


def busy_words(seconds: int) -> str:
    """Why a pump that knows one controller at a time does not listen to this one yet."""
    return f"The pump may still listen to a controller before this one; it takes new commands in {seconds} s at most."


def told_by(request_id: str, records: Iterable[Record], verb: str = "") -> Answer | None:
    """The answer that the records give, or None where they say nothing about this request."""
    found, permit, steps = None, None, []  # type: Answer | None, int | None, list[Any]
    for record in records:
        data = record.data
        if record.kind == "answer" and data["request"] in (request_id, verb):
            found = _of_answer(data["text"])
        elif record.kind == "bolus" and data["id"] == request_id and data["outcome"] == "refused":
            found = Answer(3, f"Refused: {why(data)}. Nothing was given by it.", data["rule"])
        elif record.kind == "intent" and data["request"] == request_id:
            permit, steps, found = data["id"], data["steps"], NOT_KNOWN  # until its outcome is written
        elif record.kind == "outcome" and permit is not None and data["id"] == permit:
            found = _of_outcome(data["what"], steps)
    return found


def why(bolus: Mapping[str, Any]) -> str:
    """The reason of a bolus that was not given, with the rule where the reason does not name it."""
    rule, reason = str(bolus["rule"]), str(bolus["reason"]).removesuffix(" Nothing was sent.").rstrip(".")
    return reason if rule in reason else f"{reason} ({rule})"


def _of_answer(text: str) -> Answer:
    before, _, reason = text.partition("refused: ")
    refused = reason and not before
    return (
        Answer(3, f"Refused: {reason}.", "not-possible")
        if refused
        else Answer(0, f"{text[:1].upper()}{text[1:]}.")
    )


def _of_outcome(what: str, steps: list[Any]) -> Answer | None:
    if what == "unknown":
        return NOT_KNOWN
    if what != "acked":
        return None  # the record of the bolus says why
    _, volume_nl, duration_ms, basal_nl = steps[0]
    return Answer(
        0,
        f"The bolus runs: {Volume(volume_nl - basal_nl)} in {readable(f'{duration_ms} ms')}. The pump confirmed it.",
    )
