"""SIGKILL of the real controller around a bolus: nothing given twice, nothing forgotten, the ledger above the truth.

A served pump outlives its controllers; each dies at a point of its own (``tests/system/mortal.py``). Another takes
up the journal, a person confirms, and whoever asked asks again with the same id. What is looked at in the end is the
file of the pump's truth. An implant gives no bolus in less than 15 s: there, time runs five times as fast for pump and
controller alike.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from pump_ctrl.errors import LinkError
from tests.system.kit import (
    BASAL_NL_PER_H,
    HARVARD,
    NEW_ERA,
    NEW_ERA_HOLD,
    PATIENCE_S,
    REFERENCE,
    House,
    Kind,
    Process,
    house,
    wait_for,
)

SPEED: Final = {REFERENCE: 5, NEW_ERA: 1, NEW_ERA_HOLD: 1, HARVARD: 1}
KINDS = ("console", "request", "asked", "intent", "outcome", "state", "granted", "told")
# Which of its kind is the bolus's own: the basal came first.
NTH = {"console": 1, "request": 1, "asked": 2, "intent": 2, "outcome": 2, "granted": 2, "told": 1, "state": 3}
RECORDS = [f"{when}:{what}:{NTH[what]}" for what in KINDS for when in ("before", "after")]
# What is sent for the bolus: of an implant the proposal and the commit; of the others what starts it, two exchanges
# after it, and nine of the many before it.
SENT: Final = {
    REFERENCE: ("propose:2", "commit:2"),
    NEW_ERA: (
        *(f"exchange:{nth}" for nth in (1, 3, 6, 11, 17, 24, 31, 37, 41)),
        "start:2",
        "began:1",
        "began:2",
    ),
    NEW_ERA_HOLD: (
        *(f"exchange:{nth}" for nth in (2, 4, 8, 13, 20, 27, 34, 38, 40)),
        "start:2",
        "began:1",
        "began:2",
    ),
    HARVARD: (
        *(f"exchange:{nth}" for nth in (1, 2, 4, 6, 8, 10, 12, 14, 15)),
        "start:2",
        "began:1",
        "began:2",
    ),
}
# Real ms after the request was sent.
LATER: Final = {
    REFERENCE: range(0, 600, 20),
    NEW_ERA: range(0, 300, 30),
    NEW_ERA_HOLD: range(0, 300, 30),
    HARVARD: range(0, 150, 15),
}
SAMPLE = [(REFERENCE, "after:intent:2"), (NEW_ERA, "after:start:2"), (HARVARD, "before:start:2")]


def points(kind: Kind) -> list[str]:
    sent = [f"{when}:{what}" for what in SENT[kind] for when in ("before", "after")]
    return [*RECORDS, *sent, *(f"later:{ms}" for ms in LATER[kind])]


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


def check(here: House, served: Process, point: str) -> str:
    """Nothing twice, nothing forgotten, the ledger above the truth; what became of the bolus."""
    assert here.ask("stop")["exit"] == 0
    volume = here.status()["volume_nl"]
    served.end()
    truth, bolus, basal = here.truth_nl(), here.kind.bolus_nl, BASAL_NL_PER_H * here.speed * 60 // 3_600 + 200
    asked = boluses(here).count("key-1")
    assert asked <= 1, f"{point}: asked twice of the pump"
    assert truth <= bolus + basal, f"{point}: {truth} nL left the pump, more than one bolus"
    assert volume["ledger_low"] - 100 <= truth <= volume["ledger_high"] + 100, (
        f"{point}: {volume}, truth {truth}"
    )
    ends = [r.data["outcome"] for r in here.records("bolus") if r.data["id"] == "key-1"]
    assert len(ends) == 1 or not (asked or ends), f"{point}: {ends}"
    if truth > basal:
        assert ends[0] in ("delivered", "interrupted", "unknown"), (
            f"{point}: {truth} nL given, journal: {ends}"
        )
    return ends[0] if ends else "not asked for"


def kill_and_recover(path: Path, runtime: Path, kind: Kind, point: str) -> str:
    with house(path, runtime, SPEED[kind], kind) as here:
        here.write_plan()
        served = here.serve()
        die(here, point)
        recover(here)
        wait_for(
            lambda: here.status()["state"] not in ("BOLUS", "UNCERTAIN"), 3 * PATIENCE_S
        )  # seen at a poll
        return check(here, served, point)


@pytest.mark.parametrize(("kind", "point"), SAMPLE, ids=str)
def test_a_controller_that_is_killed_gives_nothing_twice(
    tmp_path: Path, runtime: Path, kind: Kind, point: str
) -> None:
    kill_and_recover(tmp_path, runtime, kind, point)


CAME: Final = Counter[tuple[str, str]]()  # of all points that went well, by pump and outcome


@pytest.mark.deep
@pytest.mark.parametrize(
    ("kind", "point"), [(kind, point) for kind in SPEED for point in points(kind)], ids=str
)
def test_no_bolus_is_given_twice_or_forgotten_at_fifty_points(
    tmp_path: Path, runtime: Path, kind: Kind, point: str, record_property: Callable[[str, object], None]
) -> None:
    CAME[kind.name, kill_and_recover(tmp_path, runtime, kind, point)] += 1
    outcomes = {what: count for (name, what), count in CAME.items() if name == kind.name}
    if sum(outcomes.values()) % 50 == 0:
        record_property("count", f"{kind}, SIGKILL: 50 times, given twice 0, forgotten 0, {outcomes}")


@pytest.mark.parametrize("kind", SPEED, ids=str)
def test_there_are_fifty_points(kind: Kind) -> None:
    assert len(set(points(kind))) == 50


@pytest.mark.deep
def test_host_and_pump_lose_their_power_in_a_bolus(tmp_path: Path, runtime: Path) -> None:
    """Both: the pump forgets its steps, the controller its memory; the bolus counts with its upper bound."""
    with house(tmp_path, runtime, SPEED[REFERENCE]) as here:
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
