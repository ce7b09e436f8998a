"""What a person or a patient asks for during a simulated run: data, read from ``3h=patient-bolus``.

Layer      bench.
Tests      tests/unit/test_simulate.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pump_ctrl.errors import InvalidInput
from pump_ctrl.units import Duration

KINDS: Final = {
    "patient-bolus": "the patient asks for a bolus",
    "prime": "a person primes again",
    "pause": "a person pauses the pump",
    "resume": "a person resumes after a pause, a stop or a cleared fault",
    "stop": "a person stops the pump",
    "ack": "a person acknowledges every alarm",
    "refill": "a person draws out what is left, fills the reservoir as the plan says, and tells the controller",
    "restart": "the controller is killed, starts again, and a person confirms five minutes later",
    "reboot": "the host loses power and boots again; a person confirms five minutes later",
    "power-cycle": "the pump loses its power and gets it back",
}


@dataclass(frozen=True, slots=True)
class Request:
    """``kind`` (one of KINDS) at ``at_ms`` of plan time."""

    at_ms: int
    kind: str


def parse_request(text: str) -> Request:
    """Read ``TIME=KIND``, such as ``3h=patient-bolus`` or ``2d=pause``.

    Raises:
        InvalidInput: no such kind, or no time with a unit.
    """
    time, sign, kind = text.partition("=")
    if not sign or kind not in KINDS:
        raise InvalidInput(f"{text!r} is no request; allowed: TIME=KIND with KIND one of {', '.join(KINDS)}")
    return Request(Duration.parse(time).ms, kind)
