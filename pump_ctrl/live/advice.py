"""What a person does about an alarm, in one sentence each.

Layer      live; data. The alarms themselves, their priority and what they forbid are the safety layer's table.
Tests      tests/unit/test_live_status.py: every alarm of the table has its sentence
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_LOOK: Final = "Look at the pump and the line; then pump-ctrl ack, and pump-ctrl resume."
ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "over-delivery": "Look at the patient first. Stop the pump (pump-ctrl stop) and find out why it gave more.",
        "disagreement": "Compare the pump's own counter with pump-ctrl status before anything else is given.",
        "under-delivery": "Look at the patient for withdrawal and at the pump for a stall, a kink or an empty "
        "reservoir.",
        "stop-unknown": "Stop the pump by hand or take its power away: it did not confirm the STOP.",
        "silence": "Check cable, port and power. The pump goes on to the end of what it was told.",
        "stale": "The pump repeats itself: check the line, then restart the pump if it goes on.",
        "unsettled": "Wait for the pump to tell; if it cannot, look at it and: pump-ctrl resolve ID --by NAME "
        "--reason TEXT",
        "wrong-pump": "Connect the pump that was confirmed; this one gets nothing but STOP.",
        "pump-reset": "The pump lost power: check its supply and battery, then pump-ctrl ack.",
        "stalled": _LOOK,
        "empty": "Refill (pump-ctrl refill), then pump-ctrl ack and pump-ctrl resume.",
        "failed": "Replace the pump: it has given up.",
        "flow": "The sensor and the counter disagree: clamp the line, then find out which is right.",
        "journal": "See to the disk, then end this controller and start it again; no more is written here.",
        "limits": "Approve the plan again and start with it.",
        "refill-discrepancy": "Evaluate pump, catheter and refill before anything is given.",
        "reservoir-low": "Refill soon (pump-ctrl refill).",
        "battery-low": "Plan the replacement of the battery or the pump.",
        "hold-ended": "Nothing flows: confirm (pump-ctrl resume --confirm NAME CODE), or care for the patient "
        "otherwise.",
        "waiting": "Read what was given and confirm it: pump-ctrl resume --confirm NAME CODE",
        "wall-clock": "Check the host's clock; the plan goes on by elapsed time.",
        "stuck-key": "Look at the patient's key.",
        "bolus-missed": "It is not made up. Note it, then pump-ctrl ack.",
        "refused": "Read the reason (pump-ctrl journal show --last 20); nothing was given by it.",
        "requests": "Ask the patient; requests beyond the plan are refused.",
    }
)


def advice(code: str) -> str:
    """What to do about the alarm."""
    return ADVICE.get(code, "Look at the pump; then pump-ctrl ack.")
