"""All rules together: every one is asked, and every one that says no is reported.

Layer      safety, pure: no clock, no I/O (S-34). Each rule is a frozen class of admission.py, amounts.py or
           windows.py.
Hazard     a check that is skipped because something it needs is missing.
Invariant  whatever is missing denies; adding a limit, an alarm, a dose or an unknown never turns a no into a
           yes (S-18); no rule changes what is asked: it lets it pass whole or not at all.
Tests      tests/safety/test_rule_*.py, one file per rule; tests/properties/test_history_oracle.py
"""

from __future__ import annotations

from typing import Final

from pump_ctrl.safety.admission import (
    Confirmed,
    Inhibition,
    KnownAccount,
    Latched,
    Once,
    Settled,
    Shape,
    Usable,
    malformed,
)
from pump_ctrl.safety.amounts import Hold, InAccount, OneBolus, PatientTerms, Prime, Reservoir, SingleBolus
from pump_ctrl.safety.ask import Ask, Denial
from pump_ctrl.safety.case import Case, CaseRule, Rule, View, deny
from pump_ctrl.safety.windows import BasalWindow, BolusWindow, CapWindow


def judge(ask: Ask, view: View, now: int) -> tuple[Denial, ...]:
    """Ask every rule. A request that is none is answered by that alone: nothing else can look at it.

    What calculates is asked where there is something to calculate with; what is missing has denied already.
    """
    if (wrong := malformed(ask)) is not None:
        return (deny(Shape.code, wrong),)
    found = [denial for rule in RULES if (denial := rule.judge(ask, view, now)) is not None]
    case = case_of(ask, view, now)
    if case is not None and not any(denial.rule == Shape.code for denial in found):
        found += [denial for rule in CASE_RULES if (denial := rule.judge(case)) is not None]
    return tuple(found)


def case_of(ask: Ask, view: View, now: int) -> Case | None:
    """The request as a case; None without limits or account, which their rules deny."""
    limits = view.limits
    account = None if limits is None else limits.account(ask.account)
    if limits is None or account is None:
        return None
    draft = view.state.drafted(ask, now, doubt=limits.stop_ms)
    trial = view.state.history.trial(draft, now + limits.stop_ms)
    return Case(ask, view.state, limits, account, view.timeless, now, trial)


RULES: Final[tuple[Rule, ...]] = (
    Usable(),
    Latched(),
    Confirmed(),
    Settled(),
    Inhibition(),
    Once(),
    Shape(),
    KnownAccount(),
)
CASE_RULES: Final[tuple[CaseRule, ...]] = (
    InAccount(),
    SingleBolus(),
    OneBolus(),
    PatientTerms(),
    BasalWindow(),
    BolusWindow(),
    CapWindow(),
    Prime(),
    Reservoir(),
    Hold(),
)
