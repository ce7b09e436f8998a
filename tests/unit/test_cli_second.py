"""What a person reads of a second witness and a second stop, and of the risk that stays without them."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from pump_ctrl.cli.main import cli
from pump_ctrl.cli.run_text import Lines, Times
from pump_ctrl.cli.second_text import risk_lines, witness_rows
from pump_ctrl.live.advice import advice

SEEN = {"age_s": 30, "span_s": 3_600, "seen_nl": [15_000, 18_000], "commanded_nl": [16_600, 16_667]}


def witness(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"sensor": True, "seen": SEEN, "power_cut": True, "power_is_cut": False, **more}


@pytest.mark.parametrize(("found", "words", "absent"), [
    (None, ["--balance", "--power-cut", "concentration"], []),
    (witness(power_cut=False), ["--power-cut", "STOP", "concentration"], ["--balance"]),
    (witness(sensor=False), ["--balance", "reservoir", "concentration"], ["--power-cut"]),
])  # fmt: skip
def test_what_is_missing_is_one_line_with_the_risk_that_stays(
    found: dict[str, Any] | None, words: list[str], absent: list[str]
) -> None:
    (line,) = risk_lines(found)
    assert all(word in line for word in words)
    assert not any(word in line for word in absent)


def test_with_both_there_is_no_such_line() -> None:
    assert list(risk_lines(witness())) == []


def test_the_status_says_what_was_seen_over_how_long_and_how_old_it_is() -> None:
    rows = dict(witness_rows(witness()))
    assert rows["sensor"] == "saw 0.015 mL to 0.018 mL in 1 h, commanded 0.017 mL to 0.017 mL; read 30 s ago"
    assert rows["power cut"] == "ready"
    assert dict(witness_rows(witness(power_is_cut=True, seen=None))) == {
        "sensor": "has not been read yet, or is compared anew",
        "power cut": "THE POWER WAS CUT",
    }
    assert list(witness_rows(None)) == []
    assert list(witness_rows(witness(sensor=False, power_cut=False))) == []


@pytest.mark.parametrize(("kind", "data", "words"), [
    ("power-cut", {"why": "w", "what": "switched", "confirmed": True, "detail": ""}, "POWER CUT (w): the relay was "
     "told, and confirmed it"),
    ("power-cut", {"why": "w", "what": "switched", "confirmed": False, "detail": ""}, "look at the pump"),
    ("power-cut", {"why": "w", "what": "unknown", "confirmed": False, "detail": "no cable"}, "by hand"),
    ("seen", {"extra": 17_806, "anew": False}, "The sensor proves 0.018 mL beyond"),
    ("seen", {"extra": 0, "anew": True}, "compared anew"),
])  # fmt: skip
def test_records_that_a_person_cares_about_have_a_line(kind: str, data: dict[str, Any], words: str) -> None:
    (line,) = Lines(Times(0)).of_parts(kind, 0, data)
    assert words in line


@pytest.mark.parametrize(
    ("code", "words"), [("sensor", "Look at the balance"), ("power-cut", "power back by hand")]
)
def test_what_is_over_at_once_is_told_with_what_to_do_all_the_same(code: str, words: str) -> None:
    assert words in advice(code, holds=False)


def test_a_reading_that_says_nothing_has_none() -> None:
    assert Lines(Times(0)).of_parts("seen", 0, {"extra": 0, "anew": False}) == []


def simulated(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["simulate", "examples/h-over-infusing.toml", "--for", "12h", *words])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_plan_h_is_latched_in_a_simulation_with_a_balance() -> None:
    _, text = simulated("--balance", "--power-cut", "--fault", "over-infusion@0:gain_ppm=1200000")
    assert "alarm flow raised: at least" in text
    assert "the sensor proves" in text
    assert "STOP: watchdog: flow (acked)" in text


@pytest.mark.parametrize(
    ("fault", "option"), [("balance-zeroed@1h", "--balance"), ("relay-stuck@1h", "--power-cut")]
)
def test_a_fault_of_what_is_not_there_says_which_option_adds_it(fault: str, option: str) -> None:
    code, text = simulated("--fault", fault)
    assert code == 3
    assert f"add {option}" in text
