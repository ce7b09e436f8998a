"""The check at a refill: measured against expected residual.

Layer      therapy; imports therapy.profiles, therapy.wording and the kernel.
Hazard     a pump that gave too much or nothing for months, restarted as if nothing were wrong (published:
           19 mL found, restarted at a lower dose, near-fatal within minutes).
Invariant  exact comparison; both rules of the work-up, the volume and the ratio, apply; nothing restarts
           by itself.
Tests      tests/unit/test_volumes.py
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pump_ctrl.errors import InvalidInput, Problem
from pump_ctrl.therapy import wording as say
from pump_ctrl.therapy.profiles import PumpProfile

Judgement = Literal["ok", "evaluate", "do-not-restart"]


@dataclass(frozen=True, slots=True)
class RefillVerdict:
    """Outcome of the check.

    ``difference_nl`` is measured minus expected; ``ratio`` delivered over expected delivery, None where
    nothing was expected.
    """

    difference_nl: int
    ratio: Fraction | None
    judgement: Judgement
    text: str


def refill_verdict(fill_nl: int, expected_nl: int, measured_nl: int, profile: PumpProfile) -> RefillVerdict:
    """Compare the volume found in the reservoir with the calculated one.

    Args:
        fill_nl: volume in the reservoir after the last fill, nL.
        expected_nl: calculated volume at this refill, nL.
        measured_nl: volume drawn from the reservoir, nL.
        profile: the pump, for its reservoir, its accuracy and the difference that needs a work-up.

    Raises:
        InvalidInput: a volume below zero, above the reservoir, or an expected volume above the fill.
    """
    _check(fill_nl, expected_nl, measured_nl, profile)
    difference = measured_nl - expected_nl
    due = fill_nl - expected_nl
    ratio = Fraction(fill_nl - measured_nl, due) if due else None
    low, high = (Fraction(limit, 1_000) for limit in profile.accuracy)
    too_far = abs(difference) > profile.refill_discrepancy.nl
    out = ratio is not None and not low <= ratio <= high
    judgement: Judgement = "ok"
    if too_far or out:
        judgement = "do-not-restart" if too_far and ratio is not None and ratio < low else "evaluate"
    return RefillVerdict(difference, ratio, judgement, _words(difference, ratio, judgement, profile))


def _check(fill_nl: int, expected_nl: int, measured_nl: int, profile: PumpProfile) -> None:
    top = profile.capacity.nl + profile.residual.nl
    named = (("fill", fill_nl), ("expected", expected_nl), ("measured", measured_nl))
    problems = [
        Problem("", None, name, f"{nl} nL is no volume of this reservoir", f"0 to {top} nL")
        for name, nl in named
        if not 0 <= nl <= top
    ]
    if fill_nl < expected_nl:
        problems.append(Problem("", None, "expected", "is more than was filled", f"at most {fill_nl} nL"))
    if problems:
        raise InvalidInput(tuple(problems))


_ADVICE = {
    "ok": "within the pump's accuracy; keep the figure for the trend",
    "evaluate": "evaluate pump, catheter and refill before the next period",
    "do-not-restart": "occlusion or stall: do not restart, and not at a lower dose either, before a work-up",
}


def _words(difference: int, ratio: Fraction | None, judgement: Judgement, profile: PumpProfile) -> str:
    sign = "+" if difference > 0 else ""
    share = (
        "nothing was due"
        if ratio is None
        else f"{say.digits(ratio * 100)} % of the expected volume left the pump"
    )
    limits = f"{profile.refill_discrepancy}, {say.digits(Fraction(profile.accuracy[0], 10))} to"
    limits += f" {say.digits(Fraction(profile.accuracy[1], 10))} %"
    return f"difference {sign}{say.volume(difference)}, {share} (limits {limits}): {_ADVICE[judgement]}"
