"""The worked plans of examples/ carried out on the simulated pump, against the arithmetic that stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pump_ctrl.bench.request import Request, parse_request
from pump_ctrl.bench.result import SimulationResult
from pump_ctrl.bench.simulate import simulate
from pump_ctrl.therapy.plan import load_plan

EXAMPLES = Path(__file__).parents[2] / "examples"
DAY = 86_400_000
STEP = 100
EVERY = sorted(path.stem for path in EXAMPLES.glob("*.toml"))
SYRINGES = ("a-bench-harvard", "a-bench-twin")  # of which no rate is told to the last digit


def run(
    name: str, days: int, previous: str | None = None, requests: str = "", gain: int = 1_000_000
) -> SimulationResult:
    return simulate(
        load_plan(EXAMPLES / f"{name}.toml"),
        previous=load_plan(EXAMPLES / f"{previous}.toml") if previous else None,
        duration_ms=days * DAY,
        requests=[parse_request(text) for text in requests.split()],
        setup={"gain_ppm": gain},
    )


def outcomes(result: SimulationResult) -> list[tuple[int, str, str | None]]:
    return [(b["requested_at_s"], b["outcome"], b["rule"]) for b in result.boluses]


def truth_ug(result: SimulationResult, hours: int, drug: int = 0) -> float:
    return next(w.truth_ng for w in result.drugs[drug].windows if w.hours == hours) / 1_000


@pytest.mark.parametrize("name", EVERY)
def test_every_worked_plan_runs_three_days_without_a_violation_or_a_refusal(name: str) -> None:
    before = {"e-bridge": "e-bridge-before", "e2-bridge": "e2-bridge-before"}
    result = run(name, 1 if name in SYRINGES else 3, before.get(name))
    volume = result.volume_nl
    assert result.violations == ()
    assert result.alarms == []
    assert {b["outcome"] for b in result.boluses} <= {"delivered"}
    assert abs(volume["commanded"] + volume["missed"] - volume["planned"]) < STEP
    hidden = (
        500 if name in SYRINGES else 0
    )  # in the last digit of the counter, at each of some thirty commands
    assert abs(volume["delivered"] + volume["missed"] - volume["planned"]) < STEP + hidden
    assert volume["ledger_low"] <= volume["delivered"] <= volume["ledger_high"]


def test_a_asks_400_ug_a_day_and_68_7_in_the_worst_hour() -> None:
    result = run("a-flex-night-bolus", 10)
    assert result.volume_nl["planned"] == 4_000_000
    assert result.drugs[0].planned_ng == 4_000_000
    assert truth_ug(result, 1) == pytest.approx(68.667, abs=0.01)
    assert truth_ug(result, 24) == pytest.approx(400, abs=0.2)
    assert [b["requested_at_s"] % 86_400 for b in result.boluses] == [
        14 * 3_600
    ] * 10  # 22:00, started at 08:00


def test_a2_asks_96_ug_and_four_boluses_of_75() -> None:
    result = run("a2-minimum-with-boluses", 5)
    assert result.volume_nl["planned"] == 5 * 198_000
    assert len(result.boluses) == 20


def test_b_primes_the_path_in_20_minutes_and_then_gives_150_ul_a_day() -> None:
    result = run("b-morphine-continuous", 4)
    assert result.volume_nl["planned"] == 335_800 + 4 * 150_000
    states = [(row["t_s"], row["state"]) for row in result.states]
    assert (0, "PRIMING") in states
    (ready,) = [t for t, state in states if state == "READY" and t > 0]
    assert 1_209 <= ready <= 1_212  # 335.8 uL at 1 mL/h take 20.15 min


def test_c_locks_out_until_three_hours_after_the_end_of_a_bolus() -> None:
    # 3 h lockout from the latest possible end of a bolus of 10 min
    early = run("c-patient-bolus", 1, requests="1h=patient-bolus 14999s=patient-bolus")
    assert outcomes(early) == [(3_600, "delivered", None), (14_999, "refused", "lockout")]
    late = run("c-patient-bolus", 1, requests="1h=patient-bolus 15001s=patient-bolus")
    assert outcomes(late) == [(3_600, "delivered", None), (15_001, "delivered", None)]


def test_c_allows_four_in_any_24_hours_also_across_midnight() -> None:
    hours = (10, 14, 18, 22, 26, 35)  # started at 08:00 or so: the fifth comes on the next calendar day
    result = run("c-patient-bolus", 2, requests=" ".join(f"{h}h=patient-bolus" for h in hours))
    assert [outcome for _, outcome, _ in outcomes(result)] == ["delivered"] * 4 + ["refused", "delivered"]
    assert outcomes(result)[4][2] == "max-per-day"
    assert truth_ug(result, 24) == pytest.approx(
        5_600, abs=10
    )  # the basal within a bolus is floored to the step


def test_d_rises_by_half_a_microgram_a_week_to_11_4_ml_after_eleven_weeks() -> None:
    result = run("d-ziconotide-titration", 77)
    prime = 195_800
    assert result.volume_nl["planned"] == pytest.approx(prime + 11_396_000, abs=1)
    assert truth_ug(result, 24) == pytest.approx(6.2, abs=0.01)


def test_e_keeps_the_dose_while_the_old_fluid_leaves() -> None:
    result = run("e-bridge", 5, "e-bridge-before")
    assert truth_ug(result, 24) <= 3_001
    assert truth_ug(result, 1) <= 125.1
    last_day = [nl for t_s, nl in result.trace.delivered if t_s >= 4 * 86_400]
    assert last_day[-1] - last_day[0] <= 300_100  # 0.300 mL/day of the new fluid


def test_f_tapers_by_a_fifth_every_two_days_to_100_ug() -> None:
    doses = [400, 320, 256, 204.8, 163.84, 131.072, 104.8576, 100]
    result = run("f-taper", 16)
    assert result.drugs[0].planned_ng == pytest.approx(2 * 1_000 * sum(doses), abs=2)


def test_g_starts_with_100_ug_and_adds_a_fifth_a_day_from_the_third_day_on() -> None:
    doses = [100, 100, 120, 144, 172.8, 207.36, 248.832, 298.5984]
    result = run("g-itb-start", 8)
    prime = 335_800
    assert result.volume_nl["planned"] == pytest.approx(prime + 2_000 * sum(doses), abs=2)  # 500 ug/mL


def test_h_runs_dry_on_day_84_without_any_alarm_of_the_pump() -> None:
    result = run("h-over-infusing", 84, gain=1_200_000)
    dry = next(t_s for t_s, nl in result.trace.delivered if nl >= 39_999_999)
    assert dry / 86_400 == pytest.approx(83.33, abs=0.01)
    assert result.volume_nl["commanded"] == pytest.approx(84 * 400_000, abs=STEP)  # calculated: 6.4 mL left
    assert result.alarms == []
    assert {violation.id for violation in result.violations} == {
        "S-01"
    }  # truly too much, and only the truth sees it


def test_a_request_is_read_with_its_time() -> None:
    assert parse_request("90min=pause") == Request(5_400_000, "pause")
