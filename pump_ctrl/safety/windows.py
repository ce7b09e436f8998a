"""Rules on windows: the two accounts and the hard caps, in every window that ends while a request can flow.

Layer      safety, pure: no clock, no I/O.
Hazard     a sum that looks back only: basal goes on after an admitted bolus (X1).
Invariant  the trial holds the whole history with the request in it; no window of it passes its limit and
           margin.
Tests      tests/safety/test_rule_*_window.py, test_rule_load.py, test_x1_counter_example.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from pump_ctrl.safety.admission import unfit
from pump_ctrl.safety.ask import BOLUSES, Denial
from pump_ctrl.safety.basal import Parts
from pump_ctrl.safety.case import Case, View
from pump_ctrl.safety.curve import Term, content, fullest
from pump_ctrl.safety.limits import MS_PER_HOUR, PG_SCALE, Bound, Limits, Mix
from pump_ctrl.safety.trial import weighed

DAY_H: Final = 24
DAY_MS: Final = DAY_H * MS_PER_HOUR
LOAD_SPANS_H: Final = ((0, 1), (1, 4), (4, 24))  # hours after a load: from, until


@dataclass(frozen=True, slots=True)
class BasalWindow:
    """S-02, D-04: basal of the account in any window at most E(W), with the margins."""

    code: ClassVar[str] = "basal-window"

    def judge(self, case: Case) -> Denial | None:
        """Look at every window that ends within the request."""
        return _windows(self.code, case, case.trial.basal(), case.account.basal)


@dataclass(frozen=True, slots=True)
class BolusWindow:
    """S-02, D-04: boluses of the account in any window at most B(W), with the margins."""

    code: ClassVar[str] = "bolus-window"

    def judge(self, case: Case) -> Denial | None:
        """Look at every window that ends within the request."""
        if case.ask.purpose not in BOLUSES:
            return None
        return _windows(self.code, case, case.trial.boluses(), case.account.bolus)


@dataclass(frozen=True, slots=True)
class CapWindow:
    """S-01: everything together, whatever its account, within the hard caps.

    Where a window has no cap, the accounts' own limits bound it by their sum (D-07).
    """

    code: ClassVar[str] = "cap-window"

    def judge(self, case: Case) -> Denial | None:
        """Look at every window that ends within the request."""
        return _windows(self.code, case, case.trial.everything(), case.limits.bounds)


Volume = tuple[int, int]  # hours of the window, most zL in it


def _windows(code: str, case: Case, parts: Parts, bounds: tuple[Bound, ...]) -> Denial | None:
    """The first window over its limit. Where one fluid is in force the volume is looked at once for all
    drugs.
    """
    for mix in parts:
        if _foreign(bounds, mix):
            foreign = {drug for fluid in parts for drug in _foreign(bounds, fluid)}
            return Denial(code, min(foreign), 0, 0, 0, None, "there is no limit for this drug")
    suspects: Sequence[Bound] = bounds
    if len(parts) == 1:
        [(mix, terms)] = parts.items()
        over = [hours for hours, most in _volumes(bounds, mix) if _found(terms, case, hours, most)]
        if not over:
            return None  # nearly always
        drugs = {drug for drug, pg_per_ml in mix if pg_per_ml}
        suspects = [bound for hours in over for bound in bounds if bound[1] == hours and bound[0] in drugs]
    for bound in suspects:
        denial = _over(code, case, parts, bound)
        if denial is not None:
            return denial
    return None


@lru_cache(maxsize=64)  # of the few accounts and fluids in force
def _foreign(bounds: tuple[Bound, ...], mix: Mix) -> frozenset[str]:
    """Drugs of a fluid that have no limit."""
    return frozenset(drug for drug, pg_per_ml in mix if pg_per_ml) - {bound[0] for bound in bounds}


@lru_cache(maxsize=64)
def _volumes(bounds: tuple[Bound, ...], mix: Mix) -> tuple[Volume, ...]:
    """The limits as volumes of one fluid: of each kind of window the least, rounded down."""
    concentrations, volumes = dict(mix), {}  # type: dict[str, int], dict[int, int]
    for drug, hours, pg, margin_pg in bounds:
        if pg_per_ml := concentrations.get(drug, 0):
            most = (pg + margin_pg) * PG_SCALE // pg_per_ml
            volumes[hours] = min(volumes.get(hours, most), most)
    return tuple(sorted(volumes.items()))


def _found(terms: list[Term], case: Case, hours: int, most: int) -> tuple[int, int] | None:
    return fullest(terms, hours * MS_PER_HOUR, case.trial.first, case.trial.last, most)


def _over(code: str, case: Case, parts: Parts, bound: Bound) -> Denial | None:
    """Whether one drug passes its limit in one kind of window, and by how much."""
    drug, hours, pg, margin_pg = bound
    worst = _found(weighed(parts, drug), case, hours, (pg + margin_pg) * PG_SCALE)
    if worst is None:
        return None
    held, end = worst
    asked = content(weighed(case.trial.own(), drug), end - hours * MS_PER_HOUR, end)
    detail = (
        f"the window that ends {end - case.now} ms from now is over it, and over its margin of {margin_pg} pg"
    )
    return Denial(code, drug, _pg(asked), _pg(max(0, held - asked)), pg, hours, detail)


def _pg(scaled: int) -> int:
    return -(-scaled // PG_SCALE)


def judge_load(new: Limits, view: View, now: int) -> Denial | None:
    """Whether other limits may take effect: they fit the moment and the pump, and D-07.

    A second other plan within 24 h is refused if it could pass a hard cap with what was given before. The
    review answers for the first one. What is given after the load until some time is bounded by the new
    plan's E + B of the next longer window, what was given before by the rest of the 24 h.
    """
    why, state, old = unfit(new, view), view.state, view.state.limits
    if (
        why is not None
        or old is None
        or old.plan_sha256 == new.plan_sha256
        or now - DAY_MS >= state.loaded_at
    ):
        return why
    for cap in (cap for cap in new.caps if cap.hours == DAY_H):
        for since_h, until_h in LOAD_SPANS_H:
            counted = state.history.held_pg(cap.drug, now - DAY_MS + since_h * MS_PER_HOUR, now)
            rows = [r for a in new.accounts for r in a.rows if (r.drug, r.hours) == (cap.drug, until_h)]
            if not rows:
                return Denial(
                    "load", cap.drug, 0, counted, cap.pg, DAY_H, f"no account bounds {until_h} h of it"
                )
            coming = max(row.basal_pg + row.bolus_pg for row in rows)
            if counted + coming > cap.pg + cap.margin_pg:
                return Denial(
                    "load", cap.drug, coming, counted, cap.pg, DAY_H, "another plan was loaded in that time"
                )
    return None
