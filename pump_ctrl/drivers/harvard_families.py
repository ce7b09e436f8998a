"""What differs between the pumps of the Harvard family, as data; nothing is decided here.

Layer      drivers; imports nothing.
Source     Pump 11 Elite manual 5420-002 Rev C (M), PHD Ultra manual 5419-002 Rev A pages 83 and 88 (U), stored
           pages of Legato manuals (L), and what other people's programs rely on (H). No pump of any of these
           families was attached when this was written; what rests on H, or on a guess, says so.
Tests      tests/unit/test_harvard_families.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ClockForm:
    """The time in a ``status`` line: ``numerator / denominator`` ms each."""

    numerator: int
    denominator: int

    def ms(self, told: int) -> int:
        """What the pump told, in whole ms."""
        return told * self.numerator // self.denominator


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: what people call it.
        words: one of these stands in its reply to ``ver``, in capitals.
        clocks: by the number of flags in a ``status`` line, the unit of its time.
        nvram: what to say, in this order, so that settings are not stored for ever; empty: it knows no such word.
    """

    name: str
    words: tuple[str, ...]
    clocks: dict[int, ClockForm]
    nvram: tuple[str, ...]


TICKS: Final = ClockForm(1, 56_000)  # 1/56 000 000 s
MILLISECONDS: Final = ClockForm(1, 1)
SECONDS: Final = ClockForm(1_000, 1)

FAMILIES: Final = (
    Family("Pump 11 Elite", ("ELITE",), {6: TICKS}, ("off", "none")),  # M; Pico Plus Elite too
    Family("PHD Ultra", ("PHD ULTRA",), {5: SECONDS, 6: MILLISECONDS}, ()),  # 5 flags: U; 6 flags: H
    Family("Legato", ("LEGATO", "KDS"), {6: MILLISECONDS}, ("none", "off")),  # L; its ``ver`` is a guess
)


def family_of(ver: str) -> Family | None:
    """The family that a reply to ``ver`` names; None for one that is not known here."""
    told = ver.upper()
    return next((family for family in FAMILIES if any(word in told for word in family.words)), None)
