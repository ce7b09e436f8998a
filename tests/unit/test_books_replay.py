"""A journal that is taken up: the books are what they were at each record, and what was not written is written then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from pump_ctrl.controller.books import NEVER_SENT, Books, Proof
from pump_ctrl.controller.effects import Write
from pump_ctrl.controller.runs import BridgePace
from pump_ctrl.controller.totals import Run
from pump_ctrl.errors import JournalError
from tests.toy_pace import DAY, HOUR
from tests.unit.fake_bench import ToySchedule
from tests.unit.sums_kit import BOLUS, FIRST, HUNDRED, PLAN, PRIME, STEP, after, bridged, status

PLANNED = replace(PLAN, prime_nl=600_000)
NEXT = replace(PLANNED, schedule=ToySchedule((0, 480_000)), plan="b", start_utc_ms=2 * HOUR)
SENT = {"id": 9, "request": "basal:0", "steps": []}


def state(books: Books) -> dict[str, Any]:
    """All that a restart has to find again."""
    return {
        "asked": told(books.asked),
        "run": told(books.run),
        "sums": books.totals.snapshot(),
        "residual": books.totals.residual_at(HOUR + 1, 0),
        "slots": (books.asked_slot, books.slots_until),
        "bolus": books.open_bolus,
        "path": (books.primed, books.new_path, books.refilled, books.passed, books.prime_left_nl(HOUR)),
        "bridge": (books.bridging, books.unknown_front),
        "plan": (books.prescription.plan, books.named("x")),
        "counter": books.run_counter,
    }


def told(run: Run | None) -> tuple[Run, Fraction] | None:
    """A run, and what its pace asks: a bridge makes a pace of its own for each."""
    return None if run is None else (replace(run, pace=HUNDRED), run.planned_until(DAY))


def replayed(records: Sequence[Write], books: Books | None = None) -> Books:
    books = books or Books(PLANNED, STEP)
    for record in records:
        books.replay(record.kind, record.data)
    return books


def a_life(books: Books) -> Iterator[list[Write]]:
    """A prime, a bolus that is refused and one that is given, a gap, a pause, a refill; one change after the other."""
    slot = PLANNED.schedule.next_slot(0)
    tail = replace(after(3 * HOUR, cut_nl=159_000, lost_nl=200), tail=1, still=Fraction(1, 7))
    yield books.idle(HOUR, "paused")
    yield books.ask(PRIME.shifted(HOUR), None)
    yield books.take_over(status(300), 300, lasts=True)
    yield books.cut(2 * HOUR, status(300_000), "run ended")
    yield books.ask(BOLUS.shifted(2 * HOUR), slot)
    yield books.drop("refused: busy", 22 * HOUR)
    yield books.ask(BOLUS.shifted(2 * HOUR), slot)
    yield books.take_over(status(300_100), 100, lasts=True)
    yield books.ask(tail, None)
    yield books.take_over(status(458_000), 0, lasts=True)
    yield books.skip(22 * HOUR, 22 * HOUR, Fraction(60_000), "refused")
    yield books.cut(4 * HOUR, None, "paused")
    yield books.refill((7, 9), new_path=True, prime_due=True, to_come_nl=100)
    yield books.idle(5 * HOUR, "paused")
    yield books.ask(after(6 * HOUR), None)
    yield books.take_over(status(500_000), 0, lasts=True)


def test_the_books_are_what_they_were_after_every_change() -> None:
    live, twin = Books(PLANNED, STEP), Books(PLANNED, STEP)
    assert state(live) == state(twin)
    for written in a_life(live):
        replayed(written, twin)
        assert state(live) == state(twin), written[0].kind
        assert twin.unwritten() == []


def test_the_gaps_that_a_journal_ends_before_are_written_then() -> None:
    """Cut off behind each record of a change that its own record tells: the gaps that follow are still to come."""
    live, records, most = Books(PLANNED, STEP), list[Write](), 0
    for written in a_life(live):
        gaps = [write for write in written if write.kind == "missed"]
        told = len(written) - len(gaps)
        for count in range(told, len(written) + 1):
            twin = replayed([*records, *written[:count]])
            assert twin.unwritten() == written[count:]
            assert state(live) == state(twin)
            assert twin.unwritten() == []
        records, most = [*records, *written], max(most, len(gaps))
    assert most == 4


def test_a_run_from_a_journal_of_a_version_without_holds_has_none() -> None:
    (asked,) = Books(PLANNED, STEP).ask(FIRST, None)
    assert not {"tail", "still"} & set(asked.data)
    run = replayed([asked]).asked
    assert run is not None
    assert (run.spans, run.tail, run.still) == (FIRST.spans, 0, 0)


def test_what_the_pumps_numbers_could_not_say_is_found_again() -> None:
    span = BOLUS.spans[0]._replace(grid=Fraction(400, 7))
    (asked,) = Books(PLANNED, STEP).ask(replace(BOLUS, spans=(span,)), None)
    run = replayed([asked]).asked
    assert run is not None
    assert run.spans == (span,)


def test_records_of_others_change_nothing() -> None:
    books = Books(PLANNED, STEP)
    replayed([Write("granted", {"counter": 0, "given": 0}), Write("alarm", {}), Write("intent", SENT)], books)
    assert state(books) == state(Books(PLANNED, STEP))
    assert (books.proof, books.unwritten()) == (None, [])


def test_after_a_restart_the_run_in_force_is_told_by_a_counter_that_goes_on() -> None:
    live = Books(PLANNED, STEP)
    books = replayed([*live.ask(FIRST, None), *live.take_over(status(5_000), 0, lasts=True)])
    assert books.given(HOUR, status(104_000)) == 99_000
    books.ask(after(HOUR, cut_nl=100_000), None)
    granted, *_ = books.take_over(status(104_000), 0, lasts=True)
    assert granted.data["given"] == 99_000


# A bridge.


def test_a_run_asked_for_in_a_bridge_is_found_with_the_change_that_it_was_computed_for() -> None:
    live, twin = Books(bridged(PLAN), STEP), Books(bridged(PLAN), STEP)
    replayed(live.ask(replace(FIRST, pace=live.pace(HOUR)), None), twin)
    assert twin.asked is not None
    assert isinstance(twin.asked.pace, BridgePace)
    assert twin.asked.pace.until_ms == HOUR
    replayed(live.end_bridge(), twin)
    assert not twin.bridging


# A bolus.


def test_a_bolus_that_has_ended_is_not_open_after_a_restart() -> None:
    live = Books(PLANNED, STEP)
    records = [*live.ask(BOLUS, None), *live.take_over(status(0), 0, lasts=True)]
    assert replayed(records).open_bolus == live.open_bolus is not None
    assert replayed([*records, *live.close_bolus(HOUR, status(159_000))]).open_bolus is None


@pytest.mark.parametrize("other", ["patient:1", "zzz"])
def test_a_bolus_that_was_refused_beside_an_open_one_leaves_it_open(other: str) -> None:
    live = Books(PLANNED, STEP)
    records = [*live.ask(BOLUS, None), *live.take_over(status(0), 0, lasts=True)]
    books = replayed([*records, Write("bolus", {"id": other})])
    assert books.open_bolus == live.open_bolus


def test_a_bolus_that_was_refused_while_none_was_open_changes_nothing() -> None:
    assert replayed([Write("bolus", {"id": "patient:1"})]).open_bolus is None


# Plan time.


def test_the_plan_time_that_a_person_confirmed_is_found_again() -> None:
    live = Books(PLANNED, STEP)
    records = [*live.idle(5 * HOUR, "paused"), Write("plan_time", {"plan_ms": 3 * HOUR})]
    assert replayed(records).totals.horizon_ms == 3 * HOUR


# What the guard wrote of the run asked for, before the controller came to write what it means.


def proof_after(*records: tuple[str, dict[str, Any]]) -> Proof:
    (asked,) = Books(PLANNED, STEP).ask(FIRST, None)
    return replayed([asked, *(Write(kind, data) for kind, data in records)]).proof


def test_a_run_without_an_intent_was_never_sent() -> None:
    assert proof_after() == NEVER_SENT


@pytest.mark.parametrize("request_id", ["basal:1", "aaa", "zzz"])
def test_the_intent_of_another_run_is_none_of_it(request_id: str) -> None:
    assert proof_after(("intent", {"id": 9, "request": request_id})) == NEVER_SENT


def test_a_run_with_an_intent_and_no_more_may_have_been_given_or_not() -> None:
    assert proof_after(("intent", SENT)) is None


@pytest.mark.parametrize(
    ("record", "proof"),
    [
        (("outcome", {"id": 9, "what": "acked", "counter": 700}), (700, 0)),
        (("evidence", {"id": 9, "what": "given", "counter": 700, "lo": 300, "hi": 400}), (700, 300)),
        (("outcome", {"id": 9, "what": "refused", "code": "busy"}), "busy"),
        (("evidence", {"id": 9, "what": "not-given", "lo": 0, "why": "it stood still"}), "it stood still"),
        (("outcome", {"id": 9, "what": "unknown", "why": "no reply"}), None),
        (("outcome", {"id": 8, "what": "acked", "counter": 700}), None),
        (("evidence", {"id": 10, "what": "not-given", "why": "another"}), None),
        (("stop", {"id": 9, "what": "acked", "counter": 700}), None),
    ],
)
def test_the_guards_word_on_its_permit_is_the_proof(record: tuple[str, dict[str, Any]], proof: Proof) -> None:
    assert proof_after(("intent", SENT), record) == proof


def test_a_refusal_with_a_code_is_told_by_it() -> None:
    refused = {"id": 9, "what": "refused", "code": "busy", "why": "it runs"}
    assert proof_after(("intent", SENT), ("outcome", refused)) == "busy"


def test_a_permit_sent_before_the_run_was_asked_for_is_none_of_it() -> None:
    books = Books(PLANNED, STEP)
    books.replay("intent", SENT)
    books.replay("outcome", {"id": 9, "what": "acked", "counter": 700})
    assert books.proof is None


# A refill that the guard was told of, in a journal that ends there.


@pytest.mark.parametrize("new_path", [True, False])
def test_a_refill_that_was_not_booked_is_booked_by_the_next_life(new_path: bool) -> None:
    books = Books(replace(bridged(PLANNED), prime_nl=3_000_000), STEP)
    books.primed = True
    (asked,) = books.ask(FIRST, None)
    replayed([asked, Write("granted", {"counter": 0, "given": 0})], books)
    replayed([Write("refill", {"volume_nl": 5, "new_path": new_path})], books)
    assert books.unwritten() == [
        Write(
            "refilled",
            {"passed": [0, 200_000], "new_path": new_path, "prime_due": new_path, "to_come_nl": 2_400_000},
        )
    ]
    assert (books.new_path, books.primed, books.refilled) == (new_path, not new_path, True)
    assert books.unwritten() == []


def test_a_refill_while_nothing_runs_leaves_nothing_to_come() -> None:
    books = replayed([Write("refill", {"volume_nl": 5, "new_path": True})])
    (record,) = books.unwritten()
    assert (record.data["to_come_nl"], record.data["passed"]) == (0, [0, 0])


def test_a_refill_that_was_booked_is_not_booked_again() -> None:
    written = Books(PLANNED, STEP).refill((7, 9), new_path=True, prime_due=False, to_come_nl=100)
    books = replayed([Write("refill", {"volume_nl": 5, "new_path": True}), *written])
    assert books.unwritten() == []
    assert (books.passed, books.primed) == ((7, 9), False)


# Another plan.


def loading() -> tuple[Books, Books, Write]:
    """Books in which another plan is in force, those that take up its journal, and the record of the load."""
    live, twin = Books(PLANNED, STEP), Books(PLANNED, STEP)
    replayed(live.idle(HOUR, "paused"), twin)
    (record,) = live.load(NEXT, 0, "tester")
    twin.replay_load(NEXT, 0, "tester")
    return live, twin, record


def test_another_plan_is_found_again_with_the_sums() -> None:
    live, twin, record = loading()
    replayed([record], twin)
    assert state(live) == state(twin)
    assert twin.unwritten() == []


def test_a_load_that_was_not_booked_is_booked_by_the_next_life() -> None:
    live, twin, record = loading()
    assert state(live) == state(twin)
    assert twin.unwritten() == [record]


@pytest.mark.parametrize("changed", [{"planned": "100001"}, {"plan": "c" * 64}, {"shift_ms": 0}])
def test_a_journal_with_other_sums_than_those_of_the_plans_given_is_refused(changed: dict[str, Any]) -> None:
    _, twin, record = loading()
    with pytest.raises(JournalError):
        twin.replay("loaded", {**record.data, **changed})


def test_a_load_that_the_guard_did_not_write_is_refused() -> None:
    _, _, record = loading()
    with pytest.raises(JournalError):
        Books(PLANNED, STEP).replay("loaded", record.data)
