"""A balance and a relay on ports of their own beside a served pump: read, told, lost and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.kit import House, house, wait_for


def beside(here: House) -> tuple[str, ...]:
    """The options of ``run`` for the balance and the relay that are served beside the pump."""
    return (
        "--balance", str(here.path / "balance"), "--power-cut", str(here.path / "relay"),
        "--power-cut-type", "lcus-1-no",
    )  # fmt: skip


def serve(here: House, *more: str) -> None:
    here.serve("--balance", str(here.path / "balance"), "--power-switch", str(here.path / "relay"), *more)


def test_a_balance_is_read_and_what_it_says_is_in_the_status(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        serve(here)
        run = here.first_run(*beside(here))
        here.wait_state("RUNNING")
        wait_for(lambda: here.status()["witness"]["seen"] is not None)
        found = here.status()["witness"]
        assert (found["sensor"], found["power_cut"], found["power_is_cut"]) == (True, True, False)
        assert found["seen"]["age_s"] <= 60
        assert "Residual risk" not in run.said
        code, text = here.cli("status")
        assert code == 0
        assert "sensor" in text
        assert "power cut" in text


@pytest.mark.deep
def test_free_flow_is_stopped_and_the_power_is_cut_over_real_lines(tmp_path: Path, runtime: Path) -> None:
    """30 times as fast: some four minutes of the pump's time."""
    with house(tmp_path, runtime, speed=30) as here:
        here.write_plan()
        serve(here, "--fault", "free-flow@1min", "--fault", "stop-ignored@1s:reply=lie")
        here.first_run(*beside(here))
        wait_for(lambda: "flow" in {alarm["code"] for alarm in here.status()["alarms"]})
        wait_for(lambda: here.status()["witness"]["power_is_cut"])
        assert [record.data["what"] for record in here.records("power-cut")][:1] == ["switched"]
