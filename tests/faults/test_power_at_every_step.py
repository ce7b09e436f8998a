"""The pump's power is cut and given back at every step of its own around a bolus, on every kind of pump (F-21, F-22).

At every exchange of the deliver that starts the bolus: before the request arrives, and when the pump has heard it and
its reply is on the way; the power comes back at once, or after ten minutes, or the pump goes on by itself as if nothing
had been. Then at every step of its motor through the bolus. The controller lives; a person looks in the end, as at the
rows of the table. The bolus is given once, or cut, or missed, and never twice; what is not given is named in
``missed``; what was given is in the books, or was told as not settled; the ledger holds the truth at every turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final

import pytest

from pump_ctrl.bench.setup import LATENCY_MS
from sim.faults import Fault
from tests.driver_stacks import BOLUS_NL, Kind, boluses, check_slots, stack_of
from tests.faults.page import SHOWN
from tests.faults.stand import Came, Stand
from tests.faults.table import BOLUS_END, SLOT, Row
from tests.faults.test_kill_every_exchange import EXCHANGES, Note
from tests.whole_stack import MINUTE, profile, sums_now

# How the power goes and comes, as faults of the pump, and the most that may be given beyond plan and books: a pump that
# goes on by itself is stopped at the next look.
HOWS: Final = {
    "at once": "power-loss@{}ms",
    "later": "power-loss@{}ms:for=10min",
    "goes on": "resume-after-reset@{}ms",
}
MOST_NL: Final = {"at once": 150, "later": 150, "goes on": 4_000}
# What flows between two looks, 30 s of the basal apart, or 20 s of the bolus: the books have it by time.
UNSEEN_NL: Final = {"at once": 150, "later": 150, "goes on": 1_000}
# A Harvard pump that loses its power between the last read-back and ``irun`` runs at a rate of its own, 1 mL/min, until
# its reply, which misses the polling mode, is seen: half a second.
WILD_NL: Final = 9_000
STEP_MS: Final = 2_000  # of the bolus: 100 nL


@cache
def exchanges(kind: Kind) -> tuple[int, ...]:
    """When the requests of the deliver that starts the bolus leave, ms."""
    stack, sent = stack_of(kind, patient=True), []
    stack.begin()
    stack.run_to(SLOT - 1)
    stack.wire.tap = lambda at_ms, where, _: sent.append(at_ms) if where == "host-sent" else None
    stack.run_to(SLOT + MINUTE)
    return tuple(sent[: EXCHANGES[str(kind)]])


def around_exchanges(kind: Kind) -> tuple[int, ...]:
    heard_ms = LATENCY_MS[profile(kind.pump).protocol] + 1
    return tuple(at + later for at in exchanges(kind) for later in (0, heard_ms))


def in_the_bolus(_: Kind) -> tuple[int, ...]:
    return tuple(range(SLOT - 2 * STEP_MS, BOLUS_END + 4 * STEP_MS, STEP_MS))


def cut(kind: Kind, at_ms: int, how: str) -> str:
    """One cut and what follows; what became of the bolus."""
    stand = Stand(kind)
    stand.stack.world.inject(Fault.parse(HOWS[how].format(at_ms)))
    came = stand.go(Row("F-21", "", "", ()))
    check(stand, came, how)
    (outcome,) = boluses(stand.stack)
    return outcome


def check(stand: Stand, came: Came, how: str) -> None:
    assert (came.above, came.below) == (0, 0), "the truth is outside of the ledger"
    assert came.over <= MOST_NL[how], f"{came.over} nL over: a dose twice"
    assert came.state == "RUNNING", "a person finds no way out"
    check_slots(stand.stack)
    counted, (planned, commanded, _) = stand.stack.world.truth.counted_nl(), sums_now(stand.stack)
    assert counted <= planned + MOST_NL[how], "a dose twice"
    unbooked = counted - commanded
    if "unsettled" not in came.alarms:
        assert unbooked <= UNSEEN_NL[how], (
            f"forgotten: {counted} nL given, {float(commanded)} nL in the books"
        )
    elif how != "goes on":  # then all of the bolus may have come, and counts
        assert unbooked <= WILD_NL
    if came.bolus == ("1 delivered",):
        assert counted >= BOLUS_NL, "told as delivered and not given"


def cut_at(kind: Kind, instants: Iterable[int], how: str, note: Note) -> int:
    outcomes: Counter[str] = Counter()
    for at_ms in instants:
        try:
            outcomes[cut(kind, at_ms, how)] += 1
        except AssertionError as error:
            raise AssertionError(f"cut at {at_ms} ms: {error}") from error
    told = f"pump's power cut, back {how}: {outcomes.total()} times, given twice 0, forgotten 0"
    note("count", f"{kind}, {told}, {dict(outcomes)}")
    return outcomes.total()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", SHOWN, ids=str)
def test_power_cut_at_some_exchange_gives_no_bolus_twice_and_forgets_none(
    kind: Kind, how: str, record_property: Note
) -> None:
    points = around_exchanges(kind)
    at = 5 * len(points) // 6 + list(HOWS).index(
        how
    )  # each way at another exchange; an ``irun`` is among them
    assert cut_at(kind, [points[at % len(points)]], how, record_property) == 1


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", SHOWN, ids=str)
def test_power_cut_at_every_exchange_gives_no_bolus_twice_and_forgets_none(
    kind: Kind, how: str, record_property: Note
) -> None:
    assert cut_at(kind, around_exchanges(kind), how, record_property) == 2 * EXCHANGES[str(kind)]


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("how", "every"), [("at once", 1), ("goes on", 10)])
@pytest.mark.parametrize("kind", SHOWN, ids=str)
def test_power_cut_at_every_motor_step_of_the_bolus_gives_it_no_second_time_and_forgets_none(
    kind: Kind, how: str, every: int, record_property: Note
) -> None:
    assert cut_at(kind, in_the_bolus(kind)[::every], how, record_property) == -(-606 // every)
