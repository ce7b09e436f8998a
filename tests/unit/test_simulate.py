"""What people ask for in a simulated run: refills that are compared, plans that are loaded on the way."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pump_ctrl.bench.request import Request, parse_request
from pump_ctrl.bench.result import Fill, reservoir_curve
from pump_ctrl.bench.simulate import simulate
from pump_ctrl.errors import InvalidInput
from pump_ctrl.therapy.plan import load_plan, plan_from
from tests.whole_stack import DAY

BEFORE, AFTER = Path("examples/e-bridge-before.toml"), Path("examples/e-bridge.toml")
HEALTHY = load_plan("examples/b-morphine-continuous.toml")
ML = 1_000_000


def requests(*texts: str) -> list[Request]:
    return [parse_request(text) for text in texts]


# --- reading ------------------------------------------------------------------------------------------------


def test_a_refill_says_what_was_found_or_nothing() -> None:
    assert parse_request("90d=refill") == Request(90 * DAY, "refill")
    assert parse_request("90d=refill:found=5.1 mL") == Request(90 * DAY, "refill", found_nl=5_100_000)
    assert parse_request("90d=refill:found=unknown") == Request(90 * DAY, "refill", measured=False)


def test_a_load_reads_its_plan() -> None:
    assert parse_request(f"40d=load:{AFTER}") == Request(40 * DAY, "load", plan=load_plan(AFTER), file=AFTER)
    both = parse_request(f"1d=refill:found=3mL,plan={AFTER}")
    assert (both.found_nl, both.measured, both.plan) == (3 * ML, True, load_plan(AFTER))


@pytest.mark.parametrize(
    "text",
    [
        "40d=load", "40d=load:", "40d=refill:", "40d=refill:found=", "40d=refill:found=3", "40d=refill:fill=3mL",
        "40d=refill:plan=", "40d=refill:found=-3mL", "40d=pause:now", "40d=pause:", "40d=explode", "load:x.toml",
        "40d=load:nowhere.toml",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_request(text)


# --- refills ------------------------------------------------------------------------------------------------


def codes(result: object) -> list[str]:
    return [alarm["code"] for alarm in result.alarms]  # type: ignore[attr-defined]


def test_a_person_who_measures_right_on_a_healthy_pump_raises_nothing() -> None:
    result = simulate(HEALTHY, duration_ms=32 * DAY, requests=requests("30d=refill"))
    assert (codes(result), result.violations) == ([], ())


@pytest.mark.parametrize(("found", "raised"), [("15.5 mL", []), ("17 mL", ["refill-discrepancy"])])
def test_a_person_who_found_another_volume_is_believed(found: str, raised: list[str]) -> None:
    """0.150 mL/day for 30 days: 15.5 mL should be left of 20."""
    result = simulate(HEALTHY, duration_ms=30 * DAY + 1, requests=requests(f"30d=refill:found={found}"))
    assert codes(result) == raised
    assert result.states[-1]["state"] == ("FAULT" if raised else "RUNNING")


def test_an_over_infusing_pump_shows_at_its_refill_and_at_nothing_else() -> None:
    """Worked plan H: 20 % too much, which the pump's own counter does not tell."""
    plan = load_plan("examples/h-over-infusing.toml")
    asked = requests("70d=refill", "71d=resolve", "71d=resume")
    result = simulate(plan, duration_ms=72 * DAY, requests=asked, setup={"gain_ppm": 1_200_000})
    assert codes(result) == ["refill-discrepancy", "under-delivery"]  # the second while it waits for a person
    found = next(text for _, text in result.trace.events if text.startswith("at the refill"))
    assert "found 6.400001 mL, expected 12 to 12.01 mL" in found
    assert result.states[-1]["state"] == "RUNNING"
    assert result.volume_nl["missed"] == pytest.approx(400_000, abs=1_000)  # the day without, not made up


# --- loads --------------------------------------------------------------------------------------------------


def test_another_fluid_and_its_plan_are_loaded_on_the_way_and_each_counts_by_its_own_label() -> None:
    asked = requests(f"28d=refill:plan={AFTER}", f"28d=load:{AFTER}")
    result = simulate(load_plan(BEFORE), duration_ms=35 * DAY, requests=asked)
    assert (result.violations, result.refusals, codes(result)) == ((), (), [])
    assert result.plan_id == "E-BRIDGE-BEFORE"
    bridge = 335_800  # of the old fluid at the old rate, 13.43 h; then 0.300 mL/day
    planned = 28 * 600_000 + bridge + (7 * DAY - bridge * DAY // 600_000) * 300_000 // DAY
    assert result.volume_nl["planned"] == pytest.approx(
        planned, rel=0.002
    )  # the bridge ends at its lower bound
    (drug,) = result.drugs
    assert drug.at_tip_ng == pytest.approx(35 * 3_000_000, rel=0.003)  # 3 mg/day throughout
    assert [since for since, _ in result.trace.labels] == [0, pytest.approx(28 * 86_400, abs=1)]
    assert result.trace.reservoir[-1][1] == pytest.approx(
        20 * ML - (result.volume_nl["delivered"] - 28 * 600_000), abs=50
    )


def test_a_load_that_is_refused_is_told_and_changes_nothing() -> None:
    result = simulate(load_plan(BEFORE), duration_ms=2 * DAY, requests=requests(f"1d=load:{AFTER}"))
    assert result.refusals == (
        "1 d: E-BRIDGE: The plan was not loaded: its start is still to come. The plan in force goes on.",
    )
    assert result.volume_nl["planned"] == 2 * 600_000


def test_a_fluid_of_another_plan_is_a_violation_when_that_plan_is_not_loaded() -> None:
    result = simulate(load_plan(BEFORE), duration_ms=2 * DAY, requests=requests(f"1d=refill:plan={AFTER}"))
    assert {violation.id for violation in result.violations} == {"S-01"}


def test_the_reservoir_is_drawn_with_what_each_refill_filled() -> None:
    delivered = [(0.0, 0.0), (10.0, 100.0), (20.0, 200.0)]
    curve = list(reservoir_curve(delivered, 1_000, [Fill(10.0, 100.0, 500.0)]))
    assert curve == [(0.0, 1_000.0), (10.0, 900.0), (10.0, 500.0), (10.0, 500.0), (20.0, 400.0)]


def test_what_the_plan_before_gave_is_no_violation_of_a_lower_one_that_was_loaded_after_it() -> None:
    first, values = load_plan(BEFORE), tomllib.loads(BEFORE.read_text())
    lower = plan_from({**values, "id": "LOWER", "previous": first.sha256, "basal": {"rate": "1.5 mg/day"}})
    asked = [Request(2 * DAY, "load", plan=lower)]
    result = simulate(first, duration_ms=6 * DAY, requests=asked)
    assert (result.refusals, result.violations) == ((), ())
    assert abs(result.volume_nl["planned"] - (2 * 600_000 + 4 * 300_000)) <= 1
    (drug,) = result.drugs
    assert [window.hours for window in drug.windows] == [1, 4, 24]
    assert drug.windows[2].truth_ng == pytest.approx(3_000_000, rel=0.001)  # of the first plan's days
    assert drug.windows[2].limit_ng >= 4_500_000  # what a window may meet of both
