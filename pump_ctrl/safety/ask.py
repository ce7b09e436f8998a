"""What may be asked of the guard and how it says no. Values only.

Layer      safety; imports drivers.base and, for printing, units.
Hazard     a refusal that nobody understands is worked around.
Invariant  a refusal names its rule, the numbers and the limit, and that nothing was sent.
Tests      tests/safety/test_ask.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from pump_ctrl.drivers.base import KIND_NAMES, Step, StepKind
from pump_ctrl.units import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, Mass, Volume

JSON = None | bool | int | str | Sequence["JSON"] | Mapping[str, "JSON"]


class Purpose(StrEnum):
    """Why something is to be delivered."""

    BASAL = "basal"
    SCHEDULED = "scheduled"
    PATIENT = "patient"
    PRIME = "prime"
    HOLD = "hold"


BOLUSES = frozenset({Purpose.SCHEDULED, Purpose.PATIENT})


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to let ``steps`` flow, on behalf of one ``account`` of the limits (a stage, or ``bridge``).

    ``request_id`` names the confirmed action that it comes from; the guard grants each one once.
    """

    request_id: str
    purpose: Purpose
    account: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Denial:
    """Why one rule says no.

    With ``drug`` the numbers are pg of it; without, they are in the unit that ``detail`` names.
    ``counted`` is what counts already, ``asked`` what the request would add, ``window_h`` the window's hours.
    """

    rule: str
    drug: str | None
    asked: int
    counted: int
    limit: int
    window_h: int | None
    detail: str

    def __str__(self) -> str:
        detail = readable(self.detail.removeprefix(f"{self.rule} "))
        if self.drug is None:
            return f"{self.rule}: {detail}"
        window = f" in {self.window_h} h" if self.window_h is not None else ""
        asked, counted, limit = self._masses()
        return (
            f"{self.rule}: {asked} of {self.drug} refused; {counted} already counts "
            f"towards the limit of {limit}{window}; {detail}"
        )

    def _masses(self) -> tuple[Mass, Mass, Mass]:
        """The three masses to read; exact where rounding would make the limit look kept."""
        asked, counted, limit = (_rounded(pg) for pg in (self.asked, self.counted, self.limit))
        if asked + counted > limit:
            return Mass(asked), Mass(counted), Mass(limit)
        return Mass(self.asked), Mass(self.counted), Mass(self.limit)


@dataclass(frozen=True, slots=True)
class Denied:
    """Every rule that said no. Nothing was sent and nothing is charged."""

    denials: tuple[Denial, ...]

    @property
    def rule(self) -> str:
        """Code of the first rule that said no."""
        return self.denials[0].rule

    def __str__(self) -> str:
        return "; ".join(str(denial) for denial in self.denials) + ". Nothing was sent."


# --- numbers as people read them ----------------------------------------------------------------------------

_UNITS: Final = frozenset(("ms", "pg", "nL"))


def readable(sentence: str) -> str:
    """The sentence of a rule with its ms, pg and nL as quantities that a person reads at a glance."""
    words = sentence.split(" ")
    said, at = [], 0
    while at < len(words):
        number, rest = words[at], words[at + 1 : at + 3]
        unit = rest[0].rstrip(",;.:") if rest else ""
        if number.isdecimal() and unit in _UNITS and rest[1:] != ["UTC"]:  # an instant is no length of time
            said.append(_quantity(int(number), unit) + rest[0].removeprefix(unit))
            at += 2
        else:
            said.append(number)
            at += 1
    return " ".join(said)


def _quantity(number: int, unit: str) -> str:
    if unit == "ms":
        return _span(number)
    return str(Mass(_rounded(number)) if unit == "pg" else Volume(number))


def _span(ms: int) -> str:
    """``2 h 10 min 0.12 s``, exactly."""
    if ms < 1_000:
        return f"{ms} ms"
    parts = []
    for name, size in (("d", MS_PER_DAY), ("h", MS_PER_HOUR), ("min", MS_PER_MINUTE)):
        if ms >= size:
            parts.append(f"{ms // size} {name}")
            ms %= size
    if ms:
        parts.append(f"{ms // 1_000}.{ms % 1_000:03d}".rstrip("0").rstrip(".") + " s")
    return " ".join(parts)


def _rounded(pg: int) -> int:
    """To four places, half up: more than that nobody reads."""
    grain = int("1" + "0" * (len(str(pg)) - 4))
    return (pg + grain // 2) // grain * grain


class IntentLog(Protocol):
    """Where the guard writes before it sends."""

    def append(self, kind: str, data: Mapping[str, JSON]) -> object:
        """Return only when the record is durable.

        Raises:
            JournalError: the record is not, or not certainly, durable.
        """


class LogRecord(Protocol):
    """A record as the journal hands it back."""

    @property
    def kind(self) -> str:
        """Which kind of record."""

    @property
    def boot_id(self) -> str:
        """Boot of the host in which it was written."""

    @property
    def data(self) -> Mapping[str, JSON]:
        """Its content."""


def steps_to_json(steps: Sequence[Step]) -> list[JSON]:
    """The steps as the journal keeps them."""
    return [[KIND_NAMES[step.kind], step.volume_nl, step.duration_ms, step.basal_nl] for step in steps]


def steps_from_json(rows: Sequence[Sequence[Any]]) -> tuple[Step, ...]:
    """The inverse of ``steps_to_json``."""
    steps = tuple([Step(_KINDS[kind], volume, lasts, basal) for kind, volume, lasts, basal in rows])
    for step in steps:
        if not type(step.volume_nl) is type(step.duration_ms) is type(step.basal_nl) is int:
            raise TypeError(f"{step} is not of whole numbers")
    return steps


_KINDS: Final[Mapping[object, StepKind]] = {kind.value: kind for kind in StepKind}
