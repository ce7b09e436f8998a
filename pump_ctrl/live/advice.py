"""What a person does about an alarm, in one sentence each.

Layer      live; data. The alarms themselves, their priority and what they forbid are the safety layer's table.
Tests      tests/unit/test_live_status.py: every alarm of the table has its sentence
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_LOOK: Final = "Look at the pump and the line; then pump-ctrl ack, and pump-ctrl resume."
_VOUCH: Final = "When you know, type: pump-ctrl resolve"
_REFILL: Final = "draw out what is left, fill, and type: pump-ctrl refill --by NAME --found VOLUME"
_WHY: Final = " --by NAME --reason TEXT, then: pump-ctrl resume"
ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "over-delivery": "Look at the patient first, then find out why the pump gave more. "
        f"{_VOUCH} over-delivery{_WHY}",
        "disagreement": "Compare the pump's own counter with pump-ctrl status before anything else is given. "
        f"{_VOUCH} disagreement{_WHY}",
        "under-delivery": "Look at the patient for withdrawal and at the pump for a stall, a kink or an empty "
        "reservoir.",
        "stop-unknown": "Stop the pump by hand or take its power away: it did not confirm the STOP.",
        "silence": "Check cable, port and power. The pump goes on to the end of what it was told.",
        "stale": "The pump repeats itself: check the line, then restart the pump if it goes on.",
        "unsettled": "Wait for the pump to tell; if it cannot, look at it and: pump-ctrl resolve ID --by NAME "
        "--reason TEXT",
        "wrong-pump": "Connect the pump that was confirmed, or begin another journal; this one gets nothing but STOP.",
        "pump-reset": "The pump lost power: check its supply and battery, then pump-ctrl ack.",
        "stalled": _LOOK,
        "empty": f"{_REFILL}, then: pump-ctrl ack, and pump-ctrl resume",
        "failed": "Replace the pump: it has given up.",
        "withdrawn": "Look at pump and line: fluid went backwards. Clear the pump's withdrawn volume, or switch it off "
        "and on; then pump-ctrl ack, and pump-ctrl resume.",
        "pump-timeout": "Nothing flowed since it stopped. Check cable and host; the plan goes on by itself. When you "
        "have seen it: pump-ctrl ack",
        "pump-program": "Look at the pump's display, and whether somebody changed its program; then pump-ctrl ack, and "
        "pump-ctrl resume.",
        "pump-alarm": "Find the word in the pump's manual and look at the pump. When it is gone there: pump-ctrl ack, "
        "and pump-ctrl resume.",
        "flow": "Clamp the line and look at the patient, then find out why more flows than was told. "
        f"{_VOUCH} flow{_WHY}",
        "under-flow": "Look at the patient for withdrawal; at the line for a kink or a leak, at the pump, and whether "
        "the sensor still moves.",
        "sensor": "Look at the balance: cable, beaker, draught, a hand on it. Until it tells again, flow that the pump "
        "does not count is not seen.",
        "power-cut": "Look at the patient and clamp the line. Give the pump its power back by hand when you know why; "
        "then pump-ctrl ack, and pump-ctrl resume.",
        "journal": "See to the disk, then end this controller and start it again; no more is written here.",
        "limits": "Approve the plan again and start with it.",
        "refill-discrepancy": "Look at the patient; evaluate pump, catheter and refill before anything is given. "
        f"{_VOUCH} refill-discrepancy{_WHY}",
        "reservoir-low": f"Soon: {_REFILL}",
        "battery-low": "Plan the replacement of the battery or the pump.",
        "hold-ended": "Nothing flows: confirm (pump-ctrl resume --confirm NAME CODE), or care for the patient "
        "otherwise.",
        "waiting": "Read what was given and confirm it: pump-ctrl resume --confirm NAME CODE",
        "recurring": "Do not just start it again: find out why the alarm comes back. Then pump-ctrl ack, and pump-ctrl "
        "resume.",
        "wall-clock": "Check the host's clock; the plan goes on by elapsed time.",
        "stuck-key": "Look at the patient's key; its presses are taken again when it was let go.",
        "bolus-missed": "It is not made up. Note it, then pump-ctrl ack.",
        "refused": "Its reason stands beside it; nothing was given by it. It is asked again as long as it is due.",
        "requests": "Ask the patient; requests beyond the plan are refused.",
    }
)


# A journal that fails has the pump stopped, and no record can tell of it: this does.
STOPPED: Final = "The pump was stopped and confirmed it."
NOT_STOPPED: Final = (
    "STOP was sent and the pump did NOT confirm it: stop it by hand or take its power away. It is sent again."
)

# Over when they are told: what is to be done about them is not.
HAPPENED: Final = frozenset(
    {"pump-reset", "wall-clock", "bolus-missed", "requests", "stuck-key", "sensor", "power-cut", "recurring"}
)
_GONE: Final = "Its cause has gone. When you have seen it: pump-ctrl ack"


def since_journal_failed(*, stop_open: bool) -> str:
    """What became of the pump when the journal failed; ``stop_open``: as the guard has it."""
    return NOT_STOPPED if stop_open else STOPPED


def advice(code: str, *, holds: bool = True) -> str:
    """What to do about the alarm; ``holds``: its cause is still there."""
    if not holds and code not in HAPPENED:
        return _GONE
    return ADVICE.get(code, "Look at the pump; then pump-ctrl ack.")
