"""``pump-ctrl run`` in one process, people in others, a served pump in a third: the whole thing in real time."""

from __future__ import annotations

import json
import re
import resource
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pump_ctrl.live.inputs import LONGEST_MS
from tests.system.kit import BOLUS_NL, ROOT, House, Process, house, wait_for


def test_a_plan_runs_and_people_ask_for_things_from_other_processes(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        code, text = here.cli("status", "--json")
        found = json.loads(text)
        assert (code, found["state"], found["rate_nl_per_h"]) == (0, "RUNNING", 8_000)
        assert found["pump"]["age_s"] < 60
        assert found["alarms"] == []
        code, text = here.cli("bolus")
        assert (code, text) == (0, "The bolus runs: 0.002 mL in 15 s. The pump confirmed it.\n")
        assert here.ask("bolus")["exit"] == 3
        second = here.run("--confirm", "Ben", "--given", "none", name="second", until="")
        assert second.child.wait(20) in (4, 5)
        assert "in use by process" in second.said
        assert here.status()["state"] == "BOLUS"
        assert here.cli("stop") == (0, "Stopped. The pump confirmed it.\n")
        assert here.ask("resume")["exit"] == 0
        here.wait_state("RUNNING")
        assert run.end(signal.SIGTERM) == 0
        assert "The pump HOLDS the lowest rate until" in run.said
        assert "Go on with: pump-ctrl run" in run.said
        assert "Traceback" not in run.said
        code, text = here.cli("status", "--journal", str(here.journal))
        assert code == 4
        assert "No controller answers" in text
        low, high = found["volume_nl"]["ledger_low"], 40_000
        assert low <= here.truth_nl() <= high


def test_a_policy_of_stop_stops_the_pump_at_the_end(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan(on_loss='"stop"')
        here.serve()
        run = here.first_run("--for", "2 s", until="READY")
        assert run.child.wait(20) == 0
        assert "The pump is stopped: nothing flows until somebody starts it again." in run.said
        assert [record.data["what"] for record in here.records("stop")] == ["acked"]


def left_by_one_ctrl_c(here: House) -> Process:
    """A controller that was asked once to end: the pump holds, and for 5 s it listens for more."""
    here.write_plan()
    here.serve()
    run = here.first_run()
    here.wait_state("RUNNING")
    run.child.send_signal(signal.SIGINT)
    run.wait_said("Press Ctrl-C once more within 5 s")
    return run


@pytest.mark.deep
def test_a_second_ctrl_c_stops_what_the_first_left_running(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        run = left_by_one_ctrl_c(here)
        assert "HOLDS the lowest rate" in run.said
        assert run.end(signal.SIGINT) == 0
        assert "The controller ends. The pump is stopped" in run.said.partition("once more within 5 s")[2]


@pytest.mark.deep
def test_a_stop_in_the_second_that_is_left_is_heard_too(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        run = left_by_one_ctrl_c(here)
        here.ask("stop")
        assert run.child.wait(20) == 0
        assert "The pump is stopped" in run.said


@pytest.mark.deep
def test_another_journal_on_the_same_port_is_refused_and_so_is_the_same_journal_on_another(
    tmp_path: Path, runtime: Path
) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        here.first_run()
        here.wait_state("RUNNING")
        words = ["run", str(here.plan), "--confirm", "Ben", "--given", "none"]
        code, text = here.cli(*words, "--port", str(here.device), "--journal", "other.jsonl")
        assert code == 4
        assert "in use by process" in text
        assert not (tmp_path / "other.jsonl").exists()
        (tmp_path / "b").mkdir()
        other = House(tmp_path / "b", runtime)
        other.serve()
        try:
            code, text = here.cli(*words[:2], "--port", str(other.device), "--journal", str(here.journal))
        finally:
            other.close()
        assert code == 5
        assert "another controller is writing it" in text


@pytest.mark.deep
def test_a_pump_that_runs_what_a_new_journal_does_not_know_is_stopped_before_anything_else(
    tmp_path: Path, runtime: Path
) -> None:
    """D-17, F-23: the journal was lost while the pump ran; who begins a new one begins with a pump at rest."""
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        run.end(signal.SIGKILL)
        here.journal.rename(tmp_path / "lost.jsonl")
        for left in tmp_path.glob("j.jsonl.*"):
            left.unlink()
        here.first_run(name="new", until="it is stopped first")
        wait_for(lambda: here.records("stop"))
        assert here.records("stop")[0].data["what"] == "acked"


@pytest.mark.deep
def test_a_full_disk_is_told_in_the_terminal_and_to_whoever_asks_and_the_pump_is_stopped(
    tmp_path: Path, runtime: Path
) -> None:
    """F-51: no record can be written any more, and every line of the terminal comes from a record."""
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        size = here.journal.stat().st_size + 400  # room for the request, none for the dose
        resource.prlimit(run.child.pid, resource.RLIMIT_FSIZE, (size, size))
        answers = [here.ask("bolus") for _ in range(3)]
        assert {answer["exit"] for answer in answers} == {5}
        run.wait_said("ALARM journal: the journal cannot be written.")
        assert here.status()["state"] == "FAULT"
        assert run.end(signal.SIGTERM) == 0
        assert "The pump is stopped: nothing flows" in run.said


@pytest.mark.deep
def test_another_plan_is_loaded_and_taken_up_by_the_next_life(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        first = here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        from pump_ctrl.therapy.plan import load_plan  # noqa: PLC0415

        text = first.read_text().replace('id = "BENCH-1"', 'id = "BENCH-2"').replace("192 ug", "180 ug")
        second = tmp_path / "second.toml"
        second.write_text(
            text.replace("[reservoir]", f'previous = "{load_plan(first).sha256}"\n[reservoir]', 1)
        )
        assert here.cli("load", str(second))[0] == 3
        here.approve(second, first)
        code, text = here.cli("load", str(second), "--by", "Ann")
        assert (code, text) == (0, "BENCH-2 is in force.\n")
        assert here.status()["plan"]["id"] == "BENCH-2"
        run.end(signal.SIGKILL)
        code, text = here.cli("run", str(first), "--port", str(here.device), "--journal", str(here.journal))
        assert code == 3
        assert "second.toml" in text
        again = here.start(
            "again", "-m", "pump_ctrl.cli.main", "run", str(second), "--port", str(here.device), "--journal",
            str(here.journal),
        )  # fmt: skip
        again.wait_said("If that is right")
        assert here.status()["plan"]["id"] == "BENCH-2"


@pytest.mark.deep
def test_a_line_that_is_lost_is_opened_again(tmp_path: Path, runtime: Path) -> None:
    """The pump's process goes and another pump with the same serial number comes: as after its power was lost."""
    with house(tmp_path, runtime) as here:
        here.write_plan()
        served = here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        served.end(signal.SIGKILL)
        run.wait_said("The line to the pump is lost")
        here.serve()
        run.wait_said("The line to the pump is back")
        wait_for(lambda: "pump-reset" in [alarm["code"] for alarm in here.status()["alarms"]])
        assert run.end() == 0


@pytest.mark.deep
def test_a_slow_reader_and_nonsense_hold_up_nothing(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        here.first_run()
        here.wait_state("RUNNING")
        lazy = [here.connection() for _ in range(3)]
        for line in lazy:
            line._sock.sendall(b'{"id":"w","do":"watch"}\n' + b"garbage\n" * 200 + b"x" * 9_000)
        for _ in range(20):
            here.ask("bolus")
        assert here.status()["state"] in ("BOLUS", "RUNNING")
        for line in lazy:
            line.close()


@pytest.mark.deep
def test_a_fault_by_the_back_door_is_told_with_what_to_do(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        here.start("inject", "-m", "sim.cli", "inject", "--control", str(tmp_path / "door"), "battery-dead")
        run.wait_said("ALARM failed, high priority: the pump has given up")
        assert "Replace the pump" in run.said
        assert here.status()["state"] == "FAULT"


@pytest.mark.deep
def test_the_trial_pump_of_the_port_sim_goes_with_its_controller(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime) as here:
        here.write_plan()
        words = ["run", str(here.plan), "--port", "sim:?speed=20", "--journal", str(here.journal)]
        run = here.start("run", "-m", "pump_ctrl.cli.main", *words, "--confirm", "Ann", "--given", "none")
        run.wait_said("RUNNING")
        assert here.cli("bolus")[0] == 0
        run.wait_said("The patient bolus is given: 0.002 mL")
        assert run.end(signal.SIGTERM) == 0
        assert here.records("stop", "counter", "outcome")[-1].data["counter"] >= BOLUS_NL
        code, text = here.cli(*words[:3], "sim:", *words[4:])
        assert code == 3
        assert "sim:?speed=20" in text


@pytest.mark.deep
@pytest.mark.parametrize("pump", ["ne-1000-bd-10ml", "pump-11-elite-bd-10ml"])
def test_a_syringe_pump_is_run_as_any_other(tmp_path: Path, runtime: Path, pump: str) -> None:
    with house(tmp_path, runtime) as here:
        text = (ROOT / "examples" / "a-bench-twin.toml").read_text()
        start = f'start = "{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M}"'
        text = re.sub(r"^start = .*$", start, text, flags=re.MULTILINE).replace("ne-1000-bd-10ml", pump)
        here.plan.write_text(text, encoding="utf-8")
        here.approve(here.plan)
        words = ["run", str(here.plan), "--port", "sim:", "--journal", str(here.journal), "--for", "4 s"]
        code, said = here.cli(*words, "--confirm", "Ann", "--given", "none")
        assert code == 0, said
        assert "RUNNING: the basal runs" in said
        assert "The pump HOLDS the lowest rate until" in said


def test_no_wait_outlasts_a_suspend_by_much() -> None:
    assert LONGEST_MS == 10_000
