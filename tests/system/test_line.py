"""The port of a pump is lost in a run and opened again, as when its cable is pulled: who answers may be another pump.

A pump with a serial number goes on by itself if it is the same one. Of one without nobody can tell, so that nothing new
is given until a person says that it is (F-19).
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.system.kit import HARVARD, NEW_ERA, NEW_ERA_HOLD, House, Kind, house, wait_for

pytestmark = pytest.mark.deep


def lose_the_line(here: House, kind: Kind, *more: str) -> None:
    """The served pump goes and another of the same kind comes, with other content: its counter stands at zero."""
    here.write_plan()
    served = here.serve()
    run = here.first_run()
    here.wait_state("RUNNING")
    served.end(signal.SIGKILL)
    run.wait_said("The line to the pump is lost")
    if not kind.served[0].startswith("harvard"):
        wait_for(lambda: here.status()["state"] == "WAITING")  # at once, not only when somebody answers
    here.serve(*more)


@pytest.mark.parametrize("kind", [NEW_ERA, NEW_ERA_HOLD], ids=str)
def test_a_pump_without_a_serial_number_waits_for_a_person(tmp_path: Path, runtime: Path, kind: Kind) -> None:
    with house(tmp_path, runtime, kind=kind) as here:
        lose_the_line(here, kind)
        run = here.children[1]
        run.wait_said("confirm that it is the same one")
        assert here.status()["state"] == "WAITING"
        intents = len(here.records("intent"))
        assert here.ask("bolus")["exit"] != 0
        purposes = [record.data["purpose"] for record in here.records("intent")][intents:]
        assert set(purposes) <= {"hold"}
        assert here.confirm()["exit"] == 0
        wait_for(lambda: here.status()["state"] == "RUNNING")
        assert len(here.records("confirm")) == 2
        assert run.end() == 0


def test_a_pump_that_comes_back_with_another_syringe_is_not_taken(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime, kind=NEW_ERA) as here:
        here.write_plan()
        served = here.serve()
        run = here.first_run()
        here.wait_state("RUNNING")
        served.end(signal.SIGKILL)
        run.wait_said("The line to the pump is lost")
        other = ["--model", "new-era", "--syringe", "bd-3", "--link", str(here.device)]
        swapped = here.start("other", "-m", "sim.cli", "serve", *other)
        swapped.wait_said("ready")
        run.wait_said("set to a syringe of 8.585 mm")
        assert here.status()["state"] == "WAITING"
        assert here.ask("status")["exit"] == 0
        swapped.end(signal.SIGKILL)
        here.serve()
        run.wait_said("confirm that it is the same one")
        assert here.confirm()["exit"] == 0
        wait_for(lambda: here.status()["state"] == "RUNNING")


def test_a_pump_with_a_serial_number_goes_on_by_itself(tmp_path: Path, runtime: Path) -> None:
    with house(tmp_path, runtime, kind=HARVARD) as here:
        lose_the_line(here, HARVARD)
        here.children[1].wait_said("The line to the pump is back")
        assert here.status()["state"] != "WAITING"
        assert len(here.records("confirm")) == 1
