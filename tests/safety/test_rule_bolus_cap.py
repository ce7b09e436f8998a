"""S-10, S-12: a single bolus within the account, the patient's own, the drug's hard cap and the prescribed
pace.
"""

# ruff: noqa: ANN401 - values of every kind are handed in on purpose

from __future__ import annotations

from typing import Any

import pytest

from pump_ctrl.drivers.base import Acked, Step
from pump_ctrl.safety.ask import Purpose
from tests.safety.kit import HOUR, MINUTE, Bench, account, basal, bolus, codes, limits, rows

PATIENT = {"over_ms": 10 * MINUTE, "lockout_ms": HOUR, "max_per_day": 4, "volume_nl": 1_000}


def granted(*steps: Step, purpose: Purpose = Purpose.SCHEDULED, pace: int = 10**9, **fields: Any) -> bool:
    """Bolus at most 2,000 nL, patient's 1,000 nL, hard cap 2,500 pg at 1 pg/nL; step 100 nL."""
    wide = rows((10**7,) * 3, (10**7,) * 3, bolus_max_pg_per_h=pace)
    bench = Bench(
        limits(
            [account(rows=wide, max_bolus_nl=2_000, patient=PATIENT)],
            **{"bolus_caps": [{"drug": "baclofen", "pg": 2_500}], **fields},
        )
    ).confirmed()
    answer = bench.ask(*steps, purpose=purpose)
    assert isinstance(answer, Acked) or codes(answer) == {"bolus-cap"}
    return isinstance(answer, Acked)


@pytest.mark.parametrize(("nl", "yes"), [(1_900, True), (2_000, True), (2_100, False), (2_200, False)])
def test_no_bolus_is_larger_than_the_largest_of_the_plan(nl: int, yes: bool) -> None:
    assert granted(bolus(nl, 10 * MINUTE)) is yes


@pytest.mark.parametrize(("nl", "share", "yes"), [
    (2_000, 0, True), (2_000, 1, True), (2_100, 0, False), (2_100, 1, True), (2_100, 100, True),
    (2_200, 100, False),
    (2_200, 101, True), (9_000, 7_000, True), (9_000, 6_900, False),
])  # fmt: skip
def test_the_basal_share_is_no_bolus_and_carried_rounding_is_less_than_a_step(
    nl: int, share: int, yes: bool
) -> None:
    assert granted(bolus(nl, 10 * MINUTE, share)) is yes


@pytest.mark.parametrize(("nl", "yes"), [(900, True), (1_000, True), (1_100, False), (2_000, False)])
def test_a_patient_takes_no_more_than_the_patients_bolus(nl: int, yes: bool) -> None:
    assert granted(bolus(nl, 10 * MINUTE), purpose=Purpose.PATIENT) is yes


@pytest.mark.parametrize(("cap", "yes"), [(1_800, False), (1_900, False), (1_901, True), (2_000, True)])
def test_the_hard_cap_of_the_drug_holds_below_the_plans_largest(cap: int, yes: bool) -> None:
    assert granted(bolus(2_000, 10 * MINUTE), bolus_caps=[{"drug": "baclofen", "pg": cap}]) is yes


@pytest.mark.parametrize(("pace", "yes"), [(11_399, False), (11_400, True), (12_000, True)])
def test_a_bolus_is_no_faster_than_prescribed_but_for_a_step(pace: int, yes: bool) -> None:
    """2,000 nL in 10 min are 12,000 nL/h; without a step 11,400."""
    assert granted(bolus(2_000, 10 * MINUTE), basal(0, HOUR), pace=pace) is yes
    assert granted(bolus(2_000, 5 * MINUTE), pace=pace) is False


def test_without_a_patient_bolus_in_the_plan_none_is_given() -> None:
    wide = rows((10**7,) * 3, (10**7,) * 3, bolus_max_pg_per_h=10**9)
    bench = Bench(limits([account(rows=wide, max_bolus_nl=2_000)])).confirmed()
    answer = bench.ask(bolus(1_000, 10 * MINUTE), purpose=Purpose.PATIENT)
    assert codes(answer) == {"bolus-cap", "no-patient-bolus"}


def test_every_drug_of_a_mixture_is_looked_at() -> None:
    """2,000 nL of 1 and 3 pg/nL: 6,000 pg of the second against its cap of 5,000."""
    fluid = {"baclofen": [0, 1_000_000], "clonidine": [0, 3_000_000]}
    wide = rows((10**8,) * 3, (10**8,) * 3, bolus_max_pg_per_h=10**9)
    both = wide + rows((10**8,) * 3, (10**8,) * 3, drug="clonidine", bolus_max_pg_per_h=10**9)
    caps = [{"drug": drug, "hours": 24, "pg": 10**9} for drug in fluid]
    for cap, yes in ((5_000, False), (6_000, True)):
        data = limits(
            [account(rows=both, max_bolus_nl=2_000)], fluids={"path": fluid, "reservoir": fluid}, caps=caps,
            bolus_caps=[{"drug": "baclofen", "pg": 9_000}, {"drug": "clonidine", "pg": cap}],
        )  # fmt: skip
        answer = Bench(data).confirmed().ask(bolus(2_000, 10 * MINUTE), purpose=Purpose.SCHEDULED)
        assert isinstance(answer, Acked) is yes
        if not yes:
            assert "clonidine" in str(answer)
