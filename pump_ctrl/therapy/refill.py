"""The check at a refill: what was found in the reservoir against what should have been left in it.

Layer      therapy; imports therapy.profiles, therapy.wording and the kernel.
Hazard     a pump that gave too much or nothing for months, restarted as if nothing were wrong (published:
           19 mL found, restarted at a lower dose, near-fatal within minutes).
Invariant  exact comparison; both rules of the work-up, the volume and the ratio, apply, the ratio to a difference
           that can be read at all; what left the pump is known within bounds, and what only one end of them passes
           is not passed.
Tests      tests/unit/test_volumes.py
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.profiles import PumpProfile
from pump_ctrl.units import NL_PER_ML, Volume

Judgement = Literal["ok", "evaluate", "do-not-restart"]
Bounds = tuple[int, int]
WORSE: Final[tuple[Judgement, ...]] = ("ok", "evaluate", "do-not-restart")  # each worse than the one before
READING: Final = 20  # what a measuring syringe cannot tell: this part of the difference that needs a work-up
_ADVICE: Final = {
    "ok": "within the pump's accuracy; keep the figure for the trend",
    "evaluate": "evaluate pump, catheter and refill before anything is given",
    "do-not-restart": "occlusion or stall: do not restart, and not at a lower dose either, before a work-up",
}


@dataclass(frozen=True, slots=True)
class RefillCheck:
    """What was found at a refill, against what should have been.

    Args:
        fill_nl: volume that was filled in the last time, nL.
        left_nl: least and most that has left the pump since then, nL.
        found_nl: volume drawn from the reservoir, or left in the syringe, nL.
        profile: the pump, for its reservoir, its accuracy and the difference that needs a work-up.

    Raises:
        InvalidInput: a volume that the reservoir cannot hold, or bounds that are none.
    """

    fill_nl: int
    left_nl: Bounds
    found_nl: int
    profile: PumpProfile

    def __post_init__(self) -> None:
        top = self.profile.capacity.nl + self.profile.residual.nl
        named = (("filled", self.fill_nl), ("left the pump", self.left_nl[0]), ("found", self.found_nl))
        problems = [
            Problem("", None, name, f"{_ml(nl)} mL is no volume of this reservoir", f"0 to {_ml(top)} mL")
            for name, nl in named
            if not 0 <= nl <= top
        ]
        if self.left_nl[0] > self.left_nl[1]:
            problems.append(Problem("", None, "left the pump", "the least is above the most"))
        if problems:
            raise InvalidInput(tuple(problems))

    @property
    def expected_nl(self) -> Bounds:
        """Least and most that should have been found, nL."""
        low, high = self.left_nl
        return max(0, self.fill_nl - high), max(0, self.fill_nl - low)

    @property
    def difference_nl(self) -> Bounds:
        """Found minus expected, nL: above zero where too little was given."""
        low, high = self.expected_nl
        return self.found_nl - high, self.found_nl - low

    @property
    def ratio(self) -> tuple[Fraction, Fraction] | None:
        """Least and most of what left over what should have; None where maybe less was due than can be read."""
        due = [self.fill_nl - expected for expected in self.expected_nl]
        if min(due) * READING < self.profile.refill_discrepancy.nl:
            return None
        least, most = sorted(Fraction(self.fill_nl - self.found_nl, each) for each in due)
        return least, most

    @property
    def judgement(self) -> Judgement:
        """The worse of what the two ends of the bounds say."""
        return max((self._judged(expected) for expected in self.expected_nl), key=WORSE.index)

    def _judged(self, expected: int) -> Judgement:
        due, gone = self.fill_nl - expected, self.fill_nl - self.found_nl
        low, high = (Fraction(limit, 1_000) for limit in self.profile.accuracy)
        off, work_up = abs(self.found_nl - expected), self.profile.refill_discrepancy.nl
        too_far, told = off > work_up, due > 0 and off > Fraction(work_up, READING)
        too_little, too_much = told and gone < low * due, told and gone > high * due
        if too_far and too_little:
            return "do-not-restart"
        return "evaluate" if too_far or too_little or too_much else "ok"

    def __str__(self) -> str:
        low, high = (say.digits(Fraction(limit, 10)) for limit in self.profile.accuracy)
        allowed = f"{self.profile.refill_discrepancy}, {low} to {high} %"
        return (
            f"found {Volume(self.found_nl)}, expected {_volumes(self.expected_nl)}: difference "
            f"{_volumes(self.difference_nl, '+')}, {self._share()} (allowed: {allowed}): "
            f"{_ADVICE[self.judgement]}"
        )

    def _share(self) -> str:
        if self.ratio is None:
            return "too little was due for a share of it"
        least, most = self.ratio
        share = _span(say.digits(least * 100, down=least < 1), say.digits(most * 100, down=most < 1), "%")
        return f"{share} of the expected volume left the pump"


@dataclass(frozen=True, slots=True)
class Filling:
    """What a person did at the pump.

    ``filled_nl`` was filled, under it at most ``residual_nl`` may have stayed; ``check`` compares what was drawn
    out before, None where nobody measured it.
    """

    filled_nl: int
    residual_nl: int
    check: RefillCheck | None = None

    @property
    def most_nl(self) -> int:
        """The most that the reservoir holds now, nL."""
        return self.filled_nl + self.residual_nl

    @property
    def off(self) -> bool:
        """Whether what was found is not what should have been."""
        return self.check is not None and self.check.judgement != "ok"

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        told: dict[str, Any] = {
            "filled_nl": self.filled_nl,
            "residual_nl": self.residual_nl,
            "found_nl": None,
        }
        if (check := self.check) is not None:
            told |= {"found_nl": check.found_nl, "expected_nl": list(check.expected_nl)}
            told |= {"judgement": check.judgement, "check": str(check)}
        return told


def _span(low: str, high: str, unit: str) -> str:
    """``4.2 mL``, or ``4.2 to 4.3 mL``."""
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _volumes(bounds: Bounds, sign: str = "") -> str:
    low, high = (f"{sign if nl > 0 else ''}{_ml(nl)}" for nl in bounds)
    return _span(low, high, "mL")


def _ml(nl: int) -> str:
    return say.digits(Fraction(nl, NL_PER_ML))
