"""D-08: a patient bolus that is granted never costs a scheduled one, however soon that has to start."""

from __future__ import annotations

import tomllib

import pytest

from pump_ctrl.bench.stack import SimulatedStack
from pump_ctrl.controller.events import RequestKind
from pump_ctrl.therapy.plan import plan_from
from tests.driver_stacks import PATIENT, PLAN, SLOT, records
from tests.whole_stack import MINUTE, formulary, profile

STOP_MS = {"implant-40": 2_000, "ne-1000-bd-10ml": 30_000, "pump-11-elite-bd-10ml": 10_000}


def outcomes(pump: str, press_ms: int) -> dict[str, str]:
    """Of a press, and of a scheduled bolus that may start within a second."""
    filled = "40 mL" if pump.startswith("implant") else "10 mL"
    values = tomllib.loads(PLAN.format(pump=pump, on_loss='"stop"', filled=filled))
    values["bolus"][0]["within"], values["patient_bolus"] = "1 s", PATIENT
    stack = SimulatedStack(plan_from(values), profile(pump), formulary())
    stack.begin()
    stack.run_to(press_ms)
    stack.ask("press", RequestKind.PATIENT_BOLUS)
    stack.run_to(SLOT + 25 * MINUTE)
    return {r["kind"]: r["outcome"] for r in records(stack, "bolus")}


@pytest.mark.parametrize("pump", STOP_MS)
@pytest.mark.parametrize("spare_ms", [1, 500, 1_500, 3_000, 10_000])
def test_whether_a_press_is_granted_or_not_the_next_scheduled_bolus_is_given(
    pump: str, spare_ms: int
) -> None:
    """A press that ends so long before what is certain of its end: T_s after it. Telling the pump takes time too."""
    found = outcomes(pump, SLOT - 5 * MINUTE - STOP_MS[pump] - spare_ms)
    assert found["scheduled"] == "delivered"
    assert spare_ms < 10_000 or found["patient"] == "delivered"
