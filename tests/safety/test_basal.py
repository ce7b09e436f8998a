"""What is past, by account and fluid and by fluid alone: one curve for both as long as one account has the fluid."""

from __future__ import annotations

from pump_ctrl.safety.basal import Basal
from pump_ctrl.safety.doses import Run
from pump_ctrl.safety.limits import Mix

WEAK: Mix = (("baclofen", 1),)
STRONG: Mix = (("baclofen", 2),)


def run(number: int, account: str, sent: int, mix: Mix) -> Run:
    """1 zL/ms for 10 ms."""
    return Run(number, account, sent, 0, ((0, 10, 1, mix),), settled=True)


def three_commands() -> Basal:
    """Account a alone, then b with the same fluid, then a again, with both fluids at once."""
    basal = Basal()
    for now, runs in ((0, [("a", WEAK)]), (10, [("b", WEAK)]), (20, [("a", WEAK), ("a", STRONG)])):
        for account, mix in runs:
            basal.add(run(now, account, now, mix))
        basal.fix(now + 10)
    return basal


def test_accounts_that_share_a_fluid_have_their_own_curves_and_the_fluid_one_over_all() -> None:
    basal = three_commands()
    own = {key: curve.total for key, curve in basal.by_key.items()}
    assert own == {("a", WEAK): 20, ("b", WEAK): 10, ("a", STRONG): 10}
    assert {mix: curve.total for mix, curve in basal.by_mix.items()} == {WEAK: 30, STRONG: 10}
    assert [basal.by_mix[WEAK].at(time) for time in (10, 20, 30)] == [10, 20, 30]


def test_what_is_past_moves_back_once_whether_curves_are_shared_or_not() -> None:
    basal = three_commands()
    basal.older(30, 5, 0)
    assert {curve.end for curve in basal.by_mix.values()} == {25}
    assert {key: curve.end for key, curve in basal.by_key.items()} == {
        ("a", WEAK): 25,
        ("b", WEAK): 15,
        ("a", STRONG): 25,
    }
