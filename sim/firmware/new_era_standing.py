"""The answer to a question that is asked again and again, for as long as only a count that runs can change it.

Layer      sim.firmware. Imports `sim.firmware.syringe`; no state of the pump, which throws an answer away when
           anything but that count has changed.
Source     New Era NE-1000 wire specification, section 8 (DIS).
Tests      tests/unit/sim/test_firmware_new_era_again.py
"""

from collections.abc import Callable

from sim.firmware.syringe import Count


class Dispensed:
    """Both dispensed volumes as DIS shows them: `before` and `after` stand round the one that `count` makes.

    `grains` make a thousandth of the unit, and `show` writes so many thousandths.
    """

    __slots__ = ("_after", "_before", "_count", "_grains", "_show")

    def __init__(
        self, before: str, count: Count, grains: int, show: Callable[[int], str], after: str
    ) -> None:
        self._before, self._after = before, after
        self._count, self._grains, self._show = count, grains, show

    def text(self, own_ms: int) -> str:
        """As it is shown when the pump's clock shows `own_ms`."""
        return f"{self._before}{self._show(self._count.at(own_ms) // self._grains)}{self._after}"


class Standing:
    """The answer to DIS: `head` and the dispensed volumes. It stands while no other bytes come, nothing is due, and no
    hand and no fault touches the pump (`NewEraFirmware._changed`).
    """

    __slots__ = ("data", "dispensed", "head", "question", "reply", "safely")

    def __init__(self, question: bytes, head: str, dispensed: Dispensed, *, safely: bool) -> None:
        self.question, self.head, self.dispensed, self.safely = question, head, dispensed, safely
        self.data, self.reply = "", b""  # the volumes that were shown last, and the reply with them
