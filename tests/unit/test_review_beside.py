"""What a scheduled bolus takes from the basal beside it, by the review, is what a simulated day misses (D-03)."""

from __future__ import annotations

from typing import Any

import pytest

from pump_ctrl.bench.simulate import simulate
from pump_ctrl.therapy.review import review
from tests.unit.review_bench import plan
from tests.whole_stack import formulary, profile

DAY = 86_400_000


def steps(*of: tuple[str, str]) -> dict[str, Any]:
    return {"steps": [{"from": at, "dose": dose} for at, dose in of]}


@pytest.mark.parametrize(
    ("basal", "told", "missed_nl"),
    [  # 240 ug from 08:00 to 22:20 or 22:10; 1 ug is 1 uL; then 20 ug up to 08:00: 2.069 ug/h or 2.034 ug/h
        (
            steps(("08:00", "240 ug"), ("22:20", "20 ug")),
            "achievable 12.36 % of the basal beside it, 689.7 ng of 5.582 ug of baclofen",
            4_892,
        ),
        (
            steps(("08:00", "240 ug"), ("22:10", "20 ug")),
            "achievable 21.44 % of the basal beside it, 678 ng of 3.163 ug of baclofen",
            2_485,
        ),
        (steps(("08:00", "240 ug"), ("22:21", "20 ug")), "", 0),
        (steps(("08:00", "240 ug"), ("22:00", "0 ug"), ("22:20", "20 ug")), "", 0),
    ],
)
def test_what_is_told_to_be_missed_beside_a_bolus_is_missed(
    basal: dict[str, Any], told: str, missed_nl: int
) -> None:
    night = {"at": "22:00", "dose": "60 ug", "over": "20 min"}
    made = plan(basal=basal, bolus=[night], on_loss={"hold": "4 h"})
    pump, limits = profile("implant-40"), formulary()
    found = [item for item in review(made, limits, pump) if item.code == "basal-beside-bolus"]
    assert [told in item.text for item in found] == ([True] if told else [])
    assert all(item.field == "bolus#1.at" and item.level == "note" for item in found)
    volume = simulate(made, formulary=limits, pump=pump, duration_ms=DAY).as_json()["volume_nl"]
    assert volume["missed"] == pytest.approx(missed_nl, abs=pump.step.nl)
