"""What would count if a request took over, by account and fluid: what the rules on windows look at.

Layer      safety, pure: no clock, no I/O.
Hazard     a request judged without something that may still flow.
Invariant  the trial holds the whole history with the request in it; what is settled gives way to the request
           within T_s, what is not settled may go on (D-06).
Tests      tests/safety/test_rule_*_window.py, tests/properties/test_history_oracle.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pump_ctrl.safety.basal import Basal, Parts, Tail, joined, parts_of
from pump_ctrl.safety.curve import FAR_PAST, Curve, Term
from pump_ctrl.safety.doses import BEYOND, EVERYWHERE, Dose, Draft, Key
from pump_ctrl.safety.lanes import Lanes
from pump_ctrl.safety.limits import Mix

_EVERY_ACCOUNT: Final = (EVERYWHERE, BEYOND)


@dataclass(slots=True, eq=False)
class Trial:
    """The history with a request in it; any window of it that ends in [first, last] can hold some of that."""

    draft: Draft
    first: int
    last: int
    past: Basal
    tail: Tail
    lanes: Lanes
    asked: list[tuple[Key, Term]]
    every: dict[Mix, Curve]  # the basal over all accounts

    def own(self) -> Parts:
        """What the request itself would let flow."""
        parts = parts_of(joined({}, Tail([self.draft.run], FAR_PAST).by_mix))
        for (_, mix), term in self.asked:
            parts.setdefault(mix, []).append(term)
        return parts

    def basal(self) -> Parts:
        """The basal of the account asked."""
        key = self.draft.run.key
        past = {mix: curve for (account, mix), curve in self.past.by_key.items() if account == key}
        tail = {mix: flow for (account, mix), flow in self.tail.by_key.items() if account == key}
        alone = past == self.past.by_mix and tail == self.tail.by_mix  # nearly always: drawn already
        curves = self.every if alone else joined(past, tail)
        return self._with_doses(parts_of(curves), lambda account: account in _EVERY_ACCOUNT)

    def boluses(self) -> Parts:
        """The boluses of the account asked."""
        keys = (*_EVERY_ACCOUNT, self.draft.bolus_key)
        return self._with_doses({}, lambda account: account in keys)

    def everything(self) -> Parts:
        """All there is, whatever its account."""
        return self._with_doses(parts_of(self.every), lambda account: True)

    def _with_doses(self, parts: Parts, counts: Callable[[str], bool]) -> Parts:
        for (account, mix), (early, late) in self.lanes.curves.items():
            if counts(account):
                parts.setdefault(mix, []).append((1, early, late))
        for (account, mix), term in self.asked:
            if counts(account):
                parts.setdefault(mix, []).append(term)
        return parts


def trial(past: Basal, lanes: Lanes, draft: Draft, until: int) -> Trial:
    """The trial of ``draft``: what is settled runs ``until`` then at the latest."""
    run, doses = draft.run, draft.doses
    tail = Tail((*past.runs, run), past.base, until)
    last = max(tail.end, run.end, *[dose.stop for dose in doses])
    asked, every = [(dose.key, _term(dose)) for dose in doses], joined(past.by_mix, tail.by_mix)
    return Trial(draft, run.sent, last, past, tail, lanes, asked, every)


def _term(dose: Dose) -> Term:
    early, late = Curve(), Curve()
    for curve, ramp in zip((early, late), dose.ramps(), strict=True):
        curve.extend(ramp)
    return (1, early, late)


def weighed(parts: Parts, drug: str) -> list[Term]:
    """The parts as terms in zL pg/mL of one drug."""
    terms: list[Term] = []
    for mix, volumes in parts.items():
        if pg_per_ml := _of(mix, drug):
            terms += [(pg_per_ml, early, late) for _, early, late in volumes]
    return terms


def _of(mix: Mix, drug: str) -> int:
    return next((pg_per_ml for name, pg_per_ml in mix if name == drug), 0)
