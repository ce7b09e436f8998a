"""A relay on a serial line that takes the pump's power away, or lets a clamp close. Its bytes are data.

Layer      drivers; made by the registry. Cuts, and never gives power back: a person does that.
Hazard     F-30: a pump that does not stop, and nothing else that can stop it.
Invariant  every ``cut`` sends all the bytes; ``confirmed`` is said only of the answer that was expected; a line that
           babbles is not listened to for ever.
Source     data/relays; each row with its own.
Tests      tests/unit/test_relay.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.drivers.base import Link, RelaySettings, Switched, Unknown
from pump_ctrl.errors import LinkError

EXCHANGE_MS: Final = 500
FLOOD_BYTES: Final = 16_384  # more than that without the answer among them is not the relay


class SerialRelay:
    """A ``PowerCut`` on one link.

    Args:
        link: a line of its own.
        settings: what to send, and what answers it.
    """

    def __init__(self, link: Link, settings: RelaySettings) -> None:
        self._link, self._settings = link, settings

    def cut(self) -> Switched | Unknown:
        """Send the bytes that cut, and wait for the answer if there is to be one."""
        link, answer = self._link, self._settings.answer
        try:
            link.read(deadline_ms=link.now_ms())  # what waited answers nothing
            deadline_ms = link.now_ms() + EXCHANGE_MS
            link.write(self._settings.cut, deadline_ms=deadline_ms)
            heard = b""
            while answer not in heard:
                if link.now_ms() >= deadline_ms or len(heard) > FLOOD_BYTES:
                    return Unknown(
                        f"the relay answered {heard[:20].hex(' ') or 'nothing'}, not {answer.hex(' ')}"
                    )
                heard += link.read(deadline_ms=deadline_ms)
        except LinkError as error:
            return Unknown(f"the line to the relay: {error}")
        return Switched(confirmed=bool(answer))

    def close(self) -> None:
        """Let go of the link."""
        self._link.close()
