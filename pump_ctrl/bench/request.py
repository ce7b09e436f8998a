"""What a person or a patient asks for during a simulated run: data, read from ``3h=patient-bolus``.

Layer      bench.
Tests      tests/unit/test_simulate.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import DosingPlan, load_plan
from pump_ctrl.units import Duration, Volume

KINDS: Final = {
    "patient-bolus": "the patient asks for a bolus",
    "prime": "a person primes again",
    "pause": "a person pauses the pump",
    "resume": "a person resumes after a pause, a stop or a cleared fault",
    "stop": "a person stops the pump",
    "ack": "a person acknowledges every alarm",
    "resolve": "a person has looked, and vouches that the cause of an alarm that only people can judge is gone",
    "refill": "a person draws out what is left, fills as the plan says, and tells the controller; refill:found=5mL "
    "tells it another volume than the true one, refill:found=unknown none; refill:plan=FILE fills as that plan says",
    "load": "load:FILE puts that plan in force after the one before",
    "restart": "the controller is killed, starts again, and a person confirms five minutes later",
    "reboot": "the host loses power and boots again; a person confirms five minutes later",
    "power-cycle": "the pump loses its power and gets it back",
}
FORMS: Final = {
    "load": "load:FILE",
    "refill": "refill[:found=VOLUME|unknown][,plan=FILE]",
}  # of those with details


@dataclass(frozen=True, slots=True)
class Request:
    """``kind`` (one of KINDS) at ``at_ms`` of plan time.

    ``found_nl`` and ``measured`` belong to a refill: the volume that the person says was found, None for the true one,
    and whether anybody measured it. ``plan`` is the one that is loaded, or that a refill follows; ``file`` is where
    it was read.
    """

    at_ms: int
    kind: str
    found_nl: int | None = None
    measured: bool = True
    plan: DosingPlan | None = None
    file: Path | None = None


def parse_request(text: str) -> Request:
    """Read ``TIME=KIND``, such as ``3h=patient-bolus``, ``90d=refill:found=5.1mL`` or ``40d=load:second.toml``.

    Raises:
        InvalidInput: no such kind, no time with a unit, or a file that is no plan.
    """
    time, sign, what = text.partition("=")
    kind, colon, detail = what.partition(":")
    if not sign or kind not in KINDS:
        raise InvalidInput(f"{text!r} is no request; allowed: TIME=KIND with KIND one of {', '.join(KINDS)}")
    request = Request(Duration.parse(time).ms, kind)
    if kind == "load" and detail:
        return replace(request, plan=load_plan(Path(detail)), file=Path(detail))
    if kind == "refill" and detail:
        return _refill(request, dict(part.partition("=")[::2] for part in detail.split(",")), text)
    if colon or kind == "load":
        raise _unknown(text, kind)
    return request


def _refill(request: Request, told: Mapping[str, str], text: str) -> Request:
    if not set(told) <= {"found", "plan"} or not all(told.values()):
        raise _unknown(text, "refill")
    if "plan" in told:
        file = Path(told["plan"])
        request = replace(request, plan=load_plan(file), file=file)
    if (found := told.get("found", "unknown")) == "unknown":
        return replace(request, measured="found" not in told)
    return replace(request, found_nl=Volume.parse(found).nl)


def _unknown(text: str, kind: str) -> InvalidInput:
    return InvalidInput(f"{text!r} is no request; allowed: TIME={FORMS.get(kind, kind)}")
