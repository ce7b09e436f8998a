"""What is said of a second witness and a second stop, and of the risk that stays without them.

Layer      cli. Words only; every figure is the guard's.
Hazard     somebody who believes that free flow would be seen, or that a pump could always be stopped.
Tests      tests/unit/test_cli_second.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pump_ctrl.figures import length, ml

# The boundaries that software alone does not meet: faults F-31, F-30 and F-37.
NO_SENSOR: Final = (
    "without --balance nobody sees flow that the pump does not count, up to all that is in the reservoir"
)
NO_POWER_CUT: Final = (
    "without --power-cut a pump that does not obey STOP runs on to the end of what it was told"
)
ALWAYS: Final = "a wrong concentration in the reservoir nobody sees"


def risk_lines(witness: Mapping[str, Any] | None) -> Iterator[str]:
    """The risk that stays, in one line; none if both are there."""
    missing = []
    if witness is None or not witness["sensor"]:
        missing.append(NO_SENSOR)
    if witness is None or not witness["power_cut"]:
        missing.append(NO_POWER_CUT)
    if missing:
        yield f"Residual risk: {'; '.join([*missing, ALWAYS])}. See docs/how-to/second-witness.md."


def witness_rows(witness: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What a status says of both."""
    if witness is None:
        return
    if witness["sensor"]:
        yield "sensor", _seen(witness["seen"])
    if witness["power_cut"]:
        yield "power cut", "THE POWER WAS CUT" if witness["power_is_cut"] else "ready"


def _seen(seen: Mapping[str, Any] | None) -> str:
    if seen is None:
        return "has not been read yet, or is compared anew"
    low, high = seen["seen_nl"]
    least, most = seen["commanded_nl"]
    return (
        f"saw {ml(low)} to {ml(high)} in {length(seen['span_s'] * 1_000)}, commanded {ml(least)} to {ml(most)}; "
        f"read {length(seen['age_s'] * 1_000)} ago"
    )


def power_cut_line(data: Mapping[str, Any]) -> str:
    """The line of a record."""
    if data["what"] != "switched":
        return (
            f"The relay did NOT take it: {data['detail']}. Take the pump's power away by hand ({data['why']})"
        )
    sure = "and confirmed it" if data["confirmed"] else "which it does not confirm: look at the pump"
    return f"POWER CUT ({data['why']}): the relay was told, {sure}"


def seen_line(data: Mapping[str, Any]) -> str:
    """The line of a record, or none."""
    if data["extra"]:
        return f"The sensor proves {ml(data['extra'])} beyond all that was permitted; they count as given"
    return "The sensor is compared anew from here" if data["anew"] else ""
