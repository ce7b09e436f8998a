"""What the reference driver concludes of epochs, stops and lost commands (F-01, F-02, F-08, F-16, F-21)."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Given,
    Identity,
    NotGiven,
    Nothing,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.drivers.reference import ReferenceDriver
from tests.unit.reference_kit import IGNORED, OWNER, answering, ignored, lose_a_commit, permit, types
from tests.unit.reference_page import (
    COMMIT,
    HELLO,
    OUTCOME,
    PROPOSE,
    STATUS,
    STOP,
    ScriptedLink,
    identity,
    result,
    silent,
)


@pytest.fixture
def link() -> ScriptedLink:
    return ScriptedLink(booted_at=-50_000)


@pytest.fixture
def fresh(link: ScriptedLink) -> ReferenceDriver:
    return ReferenceDriver(link, OWNER)


@pytest.fixture
def driver(fresh: ReferenceDriver, link: ScriptedLink) -> ReferenceDriver:
    """A driver that has identified its pump a moment ago."""
    assert isinstance(fresh.identify(), Identity)
    link.sent.clear()
    return fresh


# ---- epochs and generations --------------------------------------------------------------------


def test_a_pump_that_powered_up_is_told_by_its_epoch_and_gets_no_dose_until_identified(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.power_up()
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    assert told.epoch == 0xE0E1
    assert driver.deliver(permit()) == Refused("stale_epoch", told)
    assert types(link) == [STATUS]
    driver.identify()
    assert isinstance(driver.deliver(permit()), Acked)
    assert [request.epoch for request in link.sent[-2:]] == [0xE0E1, 0xE0E1]


def test_a_power_up_that_a_proposal_meets_is_refused_with_the_new_epoch(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.power_up()
    link.on[PROPOSE] = link.nak(3)
    for _ in range(2):
        outcome = driver.deliver(permit())
        assert isinstance(outcome, Refused)
        assert outcome.code == "stale_epoch"
        assert outcome.status is not None
        assert outcome.status.epoch == 0xE0E1
    assert types(link) == [PROPOSE]


def test_a_stop_by_somebody_else_is_one_refusal_and_then_known(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.now += 2_000
    link.generation += 1
    outcome = driver.deliver(permit())
    assert isinstance(outcome, Refused)
    assert outcome.code == "stale_generation"
    assert types(link) == [STATUS]
    assert isinstance(driver.deliver(permit()), Acked)
    assert link.sent[1].payload[8:12] == b"\0\0\0\x02"


def test_after_our_own_stop_proposals_are_made_under_its_generation(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    assert isinstance(driver.stop(), Acked)
    assert isinstance(driver.deliver(permit()), Acked)
    assert [request.payload[8:12] for request in link.sent if request.type == PROPOSE] == [b"\0\0\0\x02"]


# ---- stop and status ---------------------------------------------------------------------------


def test_stop_is_sent_under_epoch_0_and_acked_by_a_status_that_does_not_run(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    driver.deliver(permit())
    link.sent.clear()
    for _ in range(3):
        outcome = driver.stop()
        assert isinstance(outcome, Acked)
        assert outcome.status.state is PumpState.IDLE
    assert [(request.type, request.epoch) for request in link.sent] == [(STOP, 0)] * 3


def test_a_pump_that_answers_stop_and_goes_on_has_not_stopped(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[STOP] = answering(lambda r: r.reply(link.epoch, link.status(state=1, running_id=9)))
    assert isinstance(driver.stop(), Unknown)


@pytest.mark.parametrize("name", IGNORED)
def test_a_stop_or_a_status_without_a_usable_reply_is_unknown(
    name: str, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on = dict.fromkeys((STOP, STATUS), ignored(link)[name])
    assert isinstance(driver.stop(), Unknown)
    assert isinstance(driver.read_status(), Unknown)
    assert types(link) == [STOP, STATUS]


def test_a_refused_stop_is_refused_and_a_refused_status_is_still_a_status(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on = {STOP: link.nak(2), STATUS: link.nak(3)}
    outcome = driver.stop()
    assert isinstance(outcome, Refused)
    assert outcome.code == "malformed"
    assert isinstance(driver.read_status(), PumpStatus)


# ---- evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "ended"), [(2, False), (3, True), (4, True), (5, True), (6, True)])
def test_a_command_that_was_in_force_gave_what_the_pump_says(
    what: int, ended: bool, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    lose_a_commit(driver, link)
    link.what[9] = (what, 1_200)
    found = driver.evidence(9)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (1_200, 1_200, ended)
    assert link.sent[-1].payload == (9).to_bytes(8, "big")


@pytest.mark.parametrize("what", [0, 7])
@pytest.mark.parametrize(("late_ms", "proof"), [(0, Nothing), (1, NotGiven)])
def test_an_absent_command_is_proved_not_given_only_after_its_last_moment(
    what: int, late_ms: int, proof: type, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    not_after = lose_a_commit(driver, link)
    link.what[9] = (what, 0)
    link.now = not_after + link.booted_at + late_ms
    assert isinstance(driver.evidence(9), proof)


@pytest.mark.parametrize("what", [0, 7])
def test_an_absent_command_is_proved_not_given_by_a_later_stop_or_epoch(
    what: int, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    lose_a_commit(driver, link)
    link.what[9] = (what, 0)
    assert isinstance(driver.evidence(9), Nothing)
    link.generation += 1
    assert isinstance(driver.evidence(9), NotGiven)
    link.power_up()
    found = driver.evidence(9)
    assert isinstance(found, NotGiven)
    assert found.status.epoch == 0xE0E1
    assert "powered up" in found.why


def test_a_held_proposal_proves_nothing_however_late(driver: ReferenceDriver, link: ScriptedLink) -> None:
    not_after = lose_a_commit(driver, link)
    link.what[9] = (1, 0)
    link.now = not_after + link.booted_at + 1_000
    assert isinstance(driver.evidence(9), Nothing)


def test_an_answer_for_another_id_or_a_refusal_or_no_id_proves_nothing(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[OUTCOME] = answering(lambda r: r.reply(link.epoch, result(8, 3, 100) + link.status()))
    assert isinstance(driver.evidence(9), Nothing)
    link.on[OUTCOME] = link.nak(2)
    assert isinstance(driver.evidence(9), Nothing)
    link.sent.clear()
    assert isinstance(driver.evidence(0), Nothing)
    assert isinstance(driver.evidence(2**64), Nothing)
    assert link.sent == []


@pytest.mark.parametrize("name", IGNORED)
def test_an_outcome_without_a_usable_reply_proves_nothing(
    name: str, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.what[9] = (3, 4_500)
    link.on[OUTCOME] = ignored(link)[name]
    assert isinstance(driver.evidence(9), Nothing)


@pytest.mark.parametrize(("late_ms", "proof"), [(0, Nothing), (1, NotGiven)])
def test_a_command_of_an_earlier_session_may_start_until_the_pumps_own_bound(
    late_ms: int, proof: type, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.now = 1_000_000 + 60_000 + late_ms  # ttl_ms after the tick that HELLO's status told
    assert isinstance(driver.evidence(77), proof)


def test_a_command_of_an_earlier_session_is_void_after_our_stop(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    assert isinstance(driver.evidence(77), Nothing)
    driver.stop()
    assert isinstance(driver.evidence(77), NotGiven)


@pytest.mark.parametrize(("more", "proof"), [(7, NotGiven), (8, Nothing)])
def test_an_id_that_the_pump_may_have_forgotten_proves_nothing(
    more: int, proof: type, link: ScriptedLink
) -> None:
    link.on[HELLO] = answering(lambda r: r.reply(link.epoch, identity(outcomes=8) + link.status()))
    driver = ReferenceDriver(link, OWNER)
    driver.identify()
    lose_a_commit(driver, link)
    for number in range(100, 100 + more):
        assert isinstance(driver.deliver(permit(number)), Acked)
    link.power_up()
    assert isinstance(driver.evidence(9), proof)
    link.what[9] = (7, 0)  # it has not: it says that it dropped it
    assert isinstance(driver.evidence(9), NotGiven)


def test_older_ids_than_the_last_16_are_judged_by_the_latest_among_them(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    driver.stop()  # so that the bound of earlier sessions is not in the way
    lose_a_commit(driver, link)
    for number in range(100, 116):
        driver.deliver(permit(number))
    assert isinstance(driver.evidence(9), Nothing)
    link.now += 60_000
    assert isinstance(driver.evidence(9), NotGiven)


def test_a_second_deliver_of_an_id_may_start_as_late_as_the_later_one(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    first = lose_a_commit(driver, link)
    link.now += 3_000
    second = lose_a_commit(driver, link)
    assert second > first
    link.now = first + link.booted_at + 1
    assert isinstance(driver.evidence(9), Nothing)
    link.now = second + link.booted_at + 1
    assert isinstance(driver.evidence(9), NotGiven)


def test_a_second_deliver_that_is_void_earlier_does_not_shorten_the_first(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    first = lose_a_commit(driver, link)
    link.on[COMMIT] = silent
    assert isinstance(driver.deliver(permit(expires_ms=link.now + 100)), Unknown)
    link.now = first + link.booted_at
    assert isinstance(driver.evidence(9), Nothing)
    link.now += 1
    assert isinstance(driver.evidence(9), NotGiven)
