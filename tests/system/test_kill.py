"""SIGKILL of the real controller around a bolus: nothing given twice, nothing forgotten, the ledger above the truth.

A served pump outlives its controllers; each dies at a point of its own (``tests/system/mortal.py``). Another takes
up the journal, a person confirms, and whoever asked asks again with the same id. Time runs five times as fast for
pump and controller alike, so that a bolus of 15 s is over in 3 s.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pump_ctrl.errors import LinkError
from tests.system.kit import BASAL_NL_PER_H, BOLUS_NL, House, Process, house, wait_for

SPEED = 5
KINDS = ("console", "request", "asked", "intent", "outcome", "state", "granted", "told")
FRAMES = ("propose", "commit")
# Which of its kind is the bolus's own: the basal came first.
NTH = {"console": 1, "request": 1, "asked": 2, "intent": 2, "outcome": 2, "granted": 2, "told": 1, "state": 3,
       "propose": 2, "commit": 2}  # fmt: skip
POINTS = [f"{when}:{what}:{NTH[what]}" for what in (*KINDS, *FRAMES) for when in ("before", "after")]
LATER = [f"later:{ms}" for ms in range(0, 600, 20)]  # ms after the request was sent
SAMPLE = ["after:intent:2"]


def request(here: House, request_id: str) -> dict[str, Any] | None:
    """Ask for the bolus; None if the controller died over it."""
    try:
        with here.connection() as line:
            return line.ask({"id": request_id, "do": "bolus"})
    except LinkError:
        return None


def die(here: House, point: str) -> Process:
    """A controller that is asked for a bolus and dies at this point."""
    when, _, ms = point.partition(":")
    run = here.first_run(die="" if when == "later" else point)
    here.wait_state("RUNNING")
    if when != "later":
        request(here, "key-1")
    else:
        with here.connection() as line:
            line._send({"id": "key-1", "do": "bolus"}, time.monotonic() + 5)
            time.sleep(int(ms) / 1_000)
            run.child.send_signal(signal.SIGKILL)
    assert run.child.wait(20) == -signal.SIGKILL, run.said
    return run


def boluses(here: House) -> list[str]:
    """The ids of requests for which an intent was written."""
    return [
        record.data["request"] for record in here.records("intent") if record.data["purpose"] == "patient"
    ]


def recover(here: House) -> None:
    """Start again, read, confirm, ask again with the same id."""
    run = here.run(name="again", until="If that is right")
    assert "Surely given since the journal began" in run.said
    assert "Traceback" not in run.said

    def confirmed() -> bool:
        return here.status()["state"] != "WAITING" or bool(here.confirm()["exit"] == 0)

    wait_for(confirmed)
    request(here, "key-1")


def check(here: House, served: Process, point: str) -> None:
    volume = here.status()["volume_nl"]
    assert here.ask("stop")["exit"] == 0
    volume = here.status()["volume_nl"]
    served.end()
    truth, basal = here.truth_nl(), BASAL_NL_PER_H * SPEED * 60 // 3_600 + 200
    assert boluses(here).count("key-1") <= 1, f"{point}: asked twice of the pump"
    assert truth <= BOLUS_NL + basal, f"{point}: {truth} nL left the pump, more than one bolus"
    assert volume["ledger_low"] - 100 <= truth <= volume["ledger_high"] + 100, (
        f"{point}: {volume}, truth {truth}"
    )
    ends = [r.data["outcome"] for r in here.records("bolus") if r.data["id"] == "key-1"]
    assert len(ends) <= 1, f"{point}: {ends}"
    if truth > basal:
        assert ends in (["delivered"], ["interrupted"]), (
            f"{point}: {truth} nL given, and the journal says {ends}"
        )


def kill_and_recover(path: Path, runtime: Path, point: str, wait_s: float) -> None:
    with house(path, runtime, SPEED) as here:
        here.write_plan()
        served = here.serve()
        die(here, point)
        recover(here)
        time.sleep(wait_s)
        check(here, served, point)


@pytest.mark.parametrize("point", SAMPLE)
def test_a_controller_that_is_killed_gives_nothing_twice(tmp_path: Path, runtime: Path, point: str) -> None:
    kill_and_recover(tmp_path, runtime, point, 0.0)


@pytest.mark.deep
@pytest.mark.parametrize("point", [*POINTS, *LATER])
def test_no_bolus_is_given_twice_or_forgotten_at_fifty_points(
    tmp_path: Path, runtime: Path, point: str
) -> None:
    kill_and_recover(tmp_path, runtime, point, 3.5)


def test_there_are_fifty_points() -> None:
    assert len(POINTS) + len(LATER) == 50


@pytest.mark.deep
def test_host_and_pump_lose_their_power_in_a_bolus(tmp_path: Path, runtime: Path) -> None:
    """Both: the pump forgets its steps, the controller its memory; the bolus counts with its upper bound."""
    with house(tmp_path, runtime, SPEED) as here:
        here.write_plan()
        served = here.serve()
        die(here, "after:told:1")
        served.end(signal.SIGKILL)
        first = here.truth_nl()
        again = here.serve()
        recover(here)
        assert here.status()["volume_nl"]["ledger_high"] >= first
        assert request(here, "key-2") is not None
        assert boluses(here).count("key-1") == 1
        again.end()
