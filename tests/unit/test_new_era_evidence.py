"""What became of a permit, asked in the session that sent it. After a kill: test_new_era_cuts.py."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pump_ctrl.drivers.base import (
    Given,
    NotGiven,
    Nothing,
    PumpStatus,
    Unknown,
)
from tests.unit.new_era_kit import HOUR, MINUTE, OracleLink, OraclePump, permit
from tests.unit.new_era_met import acked, met


def test_evidence_of_what_runs_is_given_without_stopping_it() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    asked = permit((60_000, HOUR))
    acked(driver.deliver(asked))
    link.wait(HOUR // 2)
    found = driver.evidence(asked.id)
    assert isinstance(found, Given)
    assert not found.ended
    assert found.lo_nl <= pump.given <= found.hi_nl <= found.lo_nl + 20
    assert pump.prompt == "I"


@pytest.mark.parametrize("reply_too", [False, True])
def test_a_run_whose_answer_is_lost_is_unknown_and_then_proven(reply_too: bool) -> None:
    pump = OraclePump()
    driver, link = met(pump)
    link.deaf = lambda number, text: text == "RUN" and not reply_too
    link.meddle = lambda number, data, reply: [] if b"RUN" in data else None
    asked = permit((60_000, HOUR))
    outcome = driver.deliver(asked)
    assert isinstance(outcome, Unknown)
    assert link.sent.count("RUN") == 1
    begun = link.now
    found = driver.evidence(asked.id)
    assert pump.runs == reply_too
    if reply_too:
        assert isinstance(found, Given)
        assert not found.ended
        return
    assert isinstance(found, NotGiven)
    assert link.now - begun >= 0
    link.wait(2 * HOUR)
    assert pump.given == 0
    assert isinstance(driver.evidence(asked.id), NotGiven)  # for good
    assert link.sent.count("RUN") == 1


def test_absence_is_proven_only_after_a_second_of_silence() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    link.deaf = lambda number, text: text == "RUN"
    asked = permit((60_000, HOUR))
    driver.deliver(asked)
    sent_at: list[int] = []

    def watch(number: int, text: str) -> bool:
        sent_at.append(link.now)
        return False

    link.deaf = watch
    assert isinstance(driver.evidence(asked.id), NotGiven)
    assert max(b - a for a, b in pairwise(sent_at)) >= 1_000


def test_absence_is_not_proven_long_after_nor_through_a_network_nor_over_a_power_up() -> None:
    for buffered, wait_ms, reset in ((False, 31_000, False), (True, 0, False), (False, 0, True)):
        pump = OraclePump()
        driver, link = met(pump, OracleLink(pump, buffered=buffered))
        link.deaf = lambda number, text: text == "RUN"
        asked = permit((60_000, HOUR))
        assert isinstance(driver.deliver(asked), Unknown)
        link.wait(wait_ms)
        if reset:
            pump.power_cycle()
        found = driver.evidence(asked.id)
        if buffered:
            assert isinstance(found, Nothing)
        else:
            assert isinstance(found, Given)
            assert (found.lo_nl, found.hi_nl, found.ended) == (0, 60_000, True)


def test_a_pump_that_another_session_started_is_told_only_when_it_stands_still() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    asked = permit((60_000, HOUR))
    acked(driver.deliver(asked))
    link.wait(HOUR // 2)
    other, _ = met(pump, link)
    assert isinstance(other.evidence(asked.id), Nothing)
    assert pump.prompt == "I"
    acked(other.stop())
    found = other.evidence(asked.id)
    assert isinstance(found, Given)
    assert found.ended
    assert found.lo_nl <= pump.given <= found.hi_nl <= found.lo_nl + 20


def test_what_a_person_ran_after_a_power_cut_is_not_all_that_the_permit_gave() -> None:
    """F-68: the counter since then says nothing of what was before."""
    pump = OraclePump()
    driver, link = met(pump)
    asked = permit((60_000, HOUR))
    acked(driver.deliver(asked))
    link.wait(HOUR // 2)
    other, _ = met(pump, link)
    pump.power_cycle()
    assert isinstance(other.read_status(), PumpStatus)
    pump._run()  # by its keys
    link.wait(6 * MINUTE)
    acked(other.stop())
    found = other.evidence(asked.id)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (0, 10_000_000, True)


def test_a_run_that_comes_late_is_seen_after_the_second_of_silence() -> None:
    """F-08: RUN was held up on its way and reaches the pump while its absence is about to be proven."""
    pump = OraclePump()
    driver, link = met(pump)
    link.deaf = lambda number, text: text == "RUN"
    asked = permit((60_000, HOUR))
    assert isinstance(driver.deliver(asked), Unknown)
    read, due = link.read, link.now + 500

    def late(*, deadline_ms: int) -> bytes:
        data = read(deadline_ms=min(deadline_ms, link.now + 100))
        if link.now >= due and not pump.runs:
            pump._run()
        return data

    link.read = late  # type: ignore[method-assign]
    assert isinstance(driver.evidence(asked.id), Nothing)
    assert pump.prompt == "S"
    found = driver.evidence(asked.id)
    assert isinstance(found, Given)
    assert found.ended
    assert 0 < found.lo_nl <= pump.given <= found.hi_nl


def test_what_the_last_sixteen_permits_gave_is_remembered() -> None:
    pump = OraclePump()
    driver, link = met(pump)
    for number in range(1, 19):
        acked(driver.deliver(permit((60_000, HOUR), number=number)))
        link.wait(MINUTE)
    driver.stop()
    told = [type(driver.evidence(permit((60_000, HOUR), number=n).id)) for n in (1, 2, 3, 18)]
    assert told == [Nothing, Nothing, Given, Given]
