"""What a review can find: one table of codes, with level and whether a second person must sign.

Layer      therapy; imports nothing of ours. Data: docs and tests are made from CODES.
Hazard     a finding that somebody can talk away; a code with two meanings.
Invariant  the level belongs to the code, never to the place that reports it; a blocked finding has no
           override.
Tests      tests/unit/test_review.py (each code fired by one plan and not by a near miss)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Level = Literal["blocked", "reason", "note"]


class Rule(NamedTuple):
    """What a code means: its level, whether a second person must sign, and the finding in words."""

    level: Level
    second: bool
    meaning: str


def _blocked(meaning: str) -> Rule:
    return Rule("blocked", False, meaning)


def _reason(meaning: str) -> Rule:
    return Rule("reason", False, meaning)


def _soft(meaning: str) -> Rule:
    return Rule("reason", True, meaning)


def _note(meaning: str) -> Rule:
    return Rule("note", False, meaning)


CODES: Final[Mapping[str, Rule]] = {
    # what the plan refers to
    "drug-unknown": _blocked("a drug of the mixture is not in the formulary"),
    "catheter-unknown": _blocked("the catheter model is not in the table"),
    "plan-impossible": _blocked("the pump cannot carry out this kind of plan"),
    "previous-missing": _blocked("the plan names a previous plan that was not given to the review"),
    "previous-mismatch": _blocked("the plan given as previous is not the one the plan names"),
    "previous-unnamed": _blocked("a previous plan was given, but the plan names none"),
    "pump-other": _note("the plan is reviewed for another pump than it names"),
    # concentration and reservoir
    "concentration-hard": _blocked("concentration above the hard limit"),
    "concentration-soft": _soft("concentration above the soft limit"),
    "concentration-naive": _soft("concentration above what a pump that never held the drug should get"),
    "naive-pump": _note("first fill of a pump that never held this drug"),
    "capacity": _blocked("fill larger than the reservoir"),
    "alarm-late": _note("alarm volume too small to cover the pump's accuracy"),
    "stability-first": _note("the drug's stability ends before the reservoir reaches its alarm volume"),
    "refill-by": _note("when the pump must be refilled"),
    "residual-blend": _note("fluid under the fill changes the concentration"),
    "residual-drug": _note("a drug that the plan does not name is still in the pump"),
    "residual-unknown": _note("the previous plan's own residual is not known here"),
    "catheter-long": _reason("catheter longer than it is supplied"),
    # dose
    "daily-hard": _blocked("most in 24 h above the hard limit"),
    "daily-soft": _soft("most in 24 h above the soft limit"),
    "patient-daily-hard": _blocked("most in 24 h above the hard limit if the patient takes every bolus"),
    "patient-daily-soft": _soft("most in 24 h above the soft limit if the patient takes every bolus"),
    "hour-hard": _blocked("most in 1 h above the hard limit"),
    "four-hours-hard": _blocked("most in 4 h above the hard limit"),
    "bolus-hard": _blocked("single bolus above the hard limit"),
    "bolus-soft": _soft("single bolus above the soft limit"),
    "own-limit-looser": _blocked("a limit of the plan is looser than the formulary's"),
    "own-limit-exceeded": _blocked("the plan passes a limit that it sets itself"),
    "start-hard": _blocked("first dose of a drug above the hard start limit"),
    "start-soft": _soft("first dose of a drug above the soft start limit"),
    "below-minimum": _soft("daily dose below the least that prevents withdrawal"),
    "no-basal": _soft("no therapeutic basal for a drug whose stop causes withdrawal"),
    # what the pump can do
    "rate-below-pump": _blocked("a rate below the pump's lowest"),
    "rate-above-pump": _blocked("a rate above the pump's highest"),
    "bolus-below-step": _blocked("a bolus smaller than one pump step"),
    "bolus-too-long": _blocked("a bolus longer than the pump may be told at once"),
    "basal-beside-bolus": _note("basal beside a scheduled bolus changes, and over a hundredth of it is missed"),
    "dose-rounded": _note("a bolus is no whole number of pump steps: asked and achievable"),
    # change and titration
    "step-up-hard": _blocked("increase of the daily dose above the hard limit"),
    "step-up-soft": _soft("increase of the daily dose above the soft limit"),
    "step-interval-hard": _blocked("increase too soon after the one before (hard)"),
    "step-interval-soft": _soft("increase too soon after the one before (soft)"),
    "taper-hard": _blocked("planned decrease above the hard limit"),
    "taper-soft": _soft("planned decrease above the soft limit"),
    "taper-interval": _soft("planned decrease too soon after the one before"),
    "decrease-hard": _soft("decrease against the plan in force above the taper's hard limit"),
    "decrease-soft": _reason("decrease against the plan in force above the taper's soft limit"),
    "drug-removed": _soft("a drug whose stop causes withdrawal is left out"),
    "look-alike": _soft("a value is about 10 or 1000 times, or a 10th or 1000th of, the one before"),
    "daily-change": _note("prescribed daily dose against the plan in force"),
    "load-cap": _blocked("with the plan in force, a hard limit can be passed whenever this one is loaded"),
    "load-times": _reason("with the plan in force, a hard limit can be passed unless loaded at some hours"),
    # bridge and prime
    "bridge-missing": _blocked("the path holds another fluid than the reservoir and the plan has no bridge"),
    "bridge-unneeded": _reason("a bridge although the path holds the same fluid as the reservoir, or none"),
    "bridge-stopped": _blocked("a bridge in which nothing flows: the path would never clear"),
    "bridge-facts": _note("how long the bridge takes and what it carries"),
    "prime-filled-path": _soft("a prime although the path was in use under the plan in force"),
    "prime-over-path": _blocked("prime volume above the path's upper bound"),
    "prime-short": _note("prime volume below the path's lower bound"),
    "prime-early-hard": _blocked("the prime's early share with the first day passes the hard limit"),
    "prime-early-soft": _soft("the prime's early share with the first day passes the soft limit"),
    "prime-slot": _reason("a scheduled bolus falls due while the prime runs, and is missed"),
    "prime-facts": _note("how long the prime takes and what it moves"),
    # loss of control
    "on-loss-missing": _blocked("the drugs want different things when control is lost; the plan is silent"),
    "on-loss-against": _soft("the plan's on_loss is not what every drug of the mixture wants"),
    "hold-too-long": _blocked("hold longer than the formulary allows"),
    # patient and schedule
    "patient-never": _reason("scheduled boluses stand so close that no patient request can be granted"),
    "patient-slots": _note("times at which a patient request is denied for the next scheduled bolus"),
    # standing
    "off-label": _note("a drug or mixture that the pump's labelling does not name"),
    "unverified": _note("numbers used that no read source supports"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``field`` is the plan's field, counted from 1 (``bolus#2.dose``).

    ``drug`` is None where it concerns the whole plan.
    """

    level: Level
    code: str
    field: str
    drug: str | None
    text: str

    @property
    def key(self) -> str:
        """Names the finding in the reasons of an approval: code, and drug where there is one."""
        return self.code if self.drug is None else f"{self.code}:{self.drug}"

    @property
    def second(self) -> bool:
        """Whether a second person must sign."""
        return CODES[self.code].second


def finding(code: str, field: str, text: str, drug: str | None = None) -> Finding:
    """Make a finding of a code of the table; the level comes with the code."""
    return Finding(CODES[code].level, code, field, drug, text)
