"""What became of a permit: the host killed, and the pump's power cut, at every point of a deliver (D-13, D-15)."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Evidence, Given, NotGiven, Nothing, Unknown
from pump_ctrl.drivers.harvard import HarvardDriver
from tests.in_one import in_one
from tests.unit.harvard_kit import MARK, V, acked, fresh, met, permit
from tests.unit.harvard_page import HOUR, Killed, PaperLink, PaperPump, lost_reply, lost_request

OLD, NEW = 7, 9  # number 8 was refused somewhere before anything was sent
OTHER_SESSION = 0x7_0000_0000 - MARK
PREPARE, ARM, IRUN, EXCHANGES = 3, 14, 16, 18
FORGETS = [(), ("target",), ("wrate",), ("poll",), ("wrate", "target", "poll")]


def killed(
    cut: int, *, after: bool = True, used: bool = True, old_runs: bool = True, **over: object
) -> tuple[PaperPump, PaperLink, int]:
    """A pump whose host died before or after the ``cut``-th write of a deliver, and what the old run had given."""
    pump, link, driver = fresh(**over)
    if used:
        acked(driver.deliver(permit(OLD)))
        link.wait(HOUR // 2 if old_runs else 2 * HOUR)
    sent = len(link.sent)
    link.kill_after, link.kill_before = (sent + cut, 0) if after else (0, sent + cut)
    try:
        driver.deliver(permit(NEW))
    except Killed:
        pass
    else:
        assert cut > EXCHANGES
    return pump, PaperLink(pump, now=link.now + 5_000), pump.starts


def asked(pump: PaperPump, link: PaperLink) -> tuple[HarvardDriver, Evidence]:
    """The next session's first question."""
    pump.advance(link.now)
    driver = met(link, owner=6)
    return driver, driver.evidence(MARK + NEW)


def given_by_new(pump: PaperPump, old_starts: int, given_before: int) -> int:
    return pump.given_nl - given_before if pump.starts > old_starts else 0


# ---- the table: killed after each exchange, the pump keeps its power ----------------------------


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("old_runs", [True, False])
@pytest.mark.parametrize("cut", range(1, EXCHANGES + 2))
def test_each_cut_point_of_a_pump_that_was_used_is_decided(cut: int, old_runs: bool, after: bool) -> None:
    pump, link, starts = killed(cut, after=after, old_runs=old_runs)
    started = cut >= IRUN + (not after)
    assert (starts == 2) is started
    _, found = asked(pump, link)
    if started:
        assert isinstance(found, Given)
        assert not found.ended
        assert 0 < found.lo_nl <= found.hi_nl < 100
    else:
        assert isinstance(found, NotGiven)
    link.wait(3 * HOUR)
    assert pump.starts == starts


@pytest.mark.parametrize("cut", range(1, EXCHANGES + 1))
def test_each_cut_point_of_a_pump_that_was_never_used(cut: int) -> None:
    """No earlier mark and no count of the timer: before its own mark nothing tells, and at the end less."""
    pump, link, starts = killed(cut, used=False)
    _, found = asked(pump, link)
    if cut < PREPARE:
        assert isinstance(found, Nothing)
    elif cut < ARM:
        assert isinstance(found, NotGiven)
    elif cut < IRUN:
        assert isinstance(found, Given)
        assert (found.lo_nl, found.hi_nl, found.ended) == (0, V, True)
    else:
        assert isinstance(found, Given)
        assert not found.ended
    assert starts == (cut >= IRUN)


@pytest.mark.parametrize("cut", range(1, EXCHANGES + 1))
def test_a_pump_without_marks_tells_the_next_session_nothing(cut: int) -> None:
    pump, link, _ = killed(min(cut, 15), has_wrate=False)
    _, found = asked(pump, link)
    assert found == Nothing("the pump carries no mark that tells", gone=not pump.runs)


@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("cut", [PREPARE, ARM, IRUN, EXCHANGES])
def test_a_pump_that_lost_its_mark_with_its_power_says_that_nothing_will_ever_tell(
    cut: int, buffered: bool
) -> None:
    """Not through a network: an irun may still be on its way."""
    pump, link, _ = killed(cut)
    pump.power_cut(forgets=("wrate", "target", "poll"))
    link.buffered = buffered
    _, found = asked(pump, link)
    assert isinstance(found, Nothing)
    assert found.gone is not buffered


@pytest.mark.parametrize("cut", range(1, EXCHANGES + 1))
def test_on_a_buffered_line_an_armed_pump_that_gave_nothing_proves_nothing(cut: int) -> None:
    pump, link, _ = killed(cut)
    link.buffered = True
    _, found = asked(pump, link)
    if ARM <= cut < IRUN:
        assert isinstance(found, Nothing)
        assert "on its way" in found.detail
    elif cut < ARM:
        assert isinstance(found, NotGiven)
    else:
        assert isinstance(found, Given)


# ---- the same with the pump's power cut as well -------------------------------------------------


@in_one(forgets=FORGETS)
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("minutes", [0, 10, 70])
@pytest.mark.parametrize("cut", range(1, EXCHANGES + 1))
def test_host_and_pump_cut_off_nothing_wrong_is_concluded(
    cut: int, minutes: int, used: bool, forgets: tuple[str, ...]
) -> None:
    pump, link, starts = killed(cut, used=used)
    before = pump.given_nl
    link.now += minutes * 60_000
    pump.advance(link.now)
    truth = given_by_new(pump, int(used), before)
    pump.power_cut(forgets=forgets)
    driver, found = asked(pump, link)
    if isinstance(found, Given):
        assert found.lo_nl <= truth <= found.hi_nl
        assert found.ended
    elif isinstance(found, NotGiven):
        assert truth == 0
    link.wait(3 * HOUR)
    assert pump.starts == starts
    assert not pump.runs
    found = driver.evidence(MARK + NEW)
    assert not isinstance(found, NotGiven) or truth == 0


@pytest.mark.parametrize("at_ms", [0, 1, 1_000, 600_000])
@pytest.mark.parametrize("forgets", FORGETS)
def test_the_pump_cut_off_after_an_irun_whose_reply_was_lost(at_ms: int, forgets: tuple[str, ...]) -> None:
    """The same session asks. The pump counts nothing any more, and must not be believed."""
    pump, link, driver = fresh()
    acked(driver.deliver(permit(OLD)))
    link.wait(2 * HOUR)
    before = pump.given_nl
    link.on["irun"] = lost_reply
    assert isinstance(driver.deliver(permit(NEW)), Unknown)
    link.wait(at_ms)
    truth = pump.given_nl - before
    pump.power_cut(forgets=forgets)
    found = driver.evidence(MARK + NEW)
    assert isinstance(found, Given)
    assert found.lo_nl <= truth <= found.hi_nl
    assert found.ended


# ---- one session --------------------------------------------------------------------------------


@pytest.mark.parametrize("used", [True, False])
def test_an_irun_that_was_lost_is_not_given_where_the_timer_proves_the_power(used: bool) -> None:
    pump, link, driver = fresh()
    if used:
        acked(driver.deliver(permit(OLD)))
        link.wait(2 * HOUR)
    link.on["irun"] = lost_request
    assert isinstance(driver.deliver(permit(NEW)), Unknown)
    began, sent = link.now, len(link.sent)
    found = driver.evidence(MARK + NEW)
    assert link.sent[sent:] == ["status", "stop", "status"]
    assert link.now - began >= 1_000  # silence first (D-15)
    if used:
        assert isinstance(found, NotGiven)
    else:
        assert isinstance(found, Given)
        assert (found.lo_nl, found.hi_nl, found.ended) == (0, V, True)
    assert pump.starts == int(used)


def test_an_irun_that_comes_within_the_silence_is_seen() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit(OLD)))
    link.wait(2 * HOUR)
    link.on["irun"] = lost_request
    assert isinstance(driver.deliver(permit(NEW)), Unknown)
    pump.advance(link.now + 25)
    pump.handle("irun")
    link.on["stop"] = lambda link, request: link.well(request)
    found = driver.evidence(MARK + NEW)
    assert isinstance(found, Given)
    assert found.hi_nl >= pump.given_nl - V


def test_a_lost_reply_to_irun_is_given_and_goes_on() -> None:
    pump, link, driver = fresh()
    link.on["irun"] = lost_reply
    assert isinstance(driver.deliver(permit(NEW)), Unknown)
    link.wait(HOUR // 2)
    sent = len(link.sent)
    found = driver.evidence(MARK + NEW)
    assert isinstance(found, Given)
    assert not found.ended
    assert found.status.running_id == MARK + NEW
    assert link.sent[sent:] == ["status"]  # what runs is not stopped by a question
    link.wait(2 * HOUR)
    found = driver.evidence(MARK + NEW)
    assert isinstance(found, Given)
    assert (found.lo_nl, found.hi_nl, found.ended) == (V, V, True)
    assert pump.given_nl == V


def test_what_was_replaced_is_remembered_when_the_pump_has_forgotten_it() -> None:
    pump, link, driver = fresh()
    link.on["irun"] = lost_reply
    assert isinstance(driver.deliver(permit(OLD)), Unknown)
    link.on.clear()
    link.wait(HOUR // 2)
    acked(driver.deliver(permit(NEW)))  # a hold may follow what is unknown
    link.wait(60_000)
    found = driver.evidence(MARK + OLD)
    assert isinstance(found, Given)
    assert found.ended
    assert abs(found.lo_nl - V // 2) <= 10
    assert pump.starts == 2


def test_the_next_session_does_not_deny_what_another_permit_has_hidden() -> None:
    """OLD ran, NEW came after it: the pump's mark is later than OLD's, so it tells nothing of it."""
    pump, link, driver = fresh()
    link.on["irun"] = lost_reply
    assert isinstance(driver.deliver(permit(OLD)), Unknown)
    link.on.clear()
    link.wait(HOUR // 2)
    acked(driver.deliver(permit(NEW)))
    other = met(PaperLink(pump, now=link.now), owner=6)
    assert isinstance(other.evidence(MARK + OLD), Nothing)


def test_the_next_session_tells_the_running_permit_by_its_id_once_it_has_asked() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit(NEW)))
    link.wait(60_000)
    other = met(PaperLink(pump, now=link.now), owner=6)
    assert other.read_status().running_id is None  # type: ignore[union-attr]
    assert isinstance(other.evidence(MARK + NEW), Given)
    assert other.read_status().running_id == MARK + NEW  # type: ignore[union-attr]
    assert isinstance(other.deliver(permit(NEW)), Unknown)
    assert pump.starts == 1


def test_ids_of_another_session_of_the_same_journal_are_told_apart_by_their_count() -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit(NEW)))
    link.wait(60_000)
    other = met(PaperLink(pump, now=link.now), owner=6)
    assert isinstance(
        other.evidence(MARK + OTHER_SESSION + NEW + 1), NotGiven
    )  # it came later and never began
    assert isinstance(
        other.evidence(MARK + OTHER_SESSION + NEW + 65), Nothing
    )  # too far for the mark to tell
    assert isinstance(other.evidence(MARK + OTHER_SESSION + NEW - 1), Nothing)


@pytest.mark.parametrize("word", ["status", "wrate", "tvolume", "stop"])
def test_evidence_on_a_dead_line_is_nothing(word: str) -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit(NEW)))
    link.wait(2 * HOUR)
    other_link = PaperLink(pump, now=link.now)
    other = met(other_link, owner=6)
    other_link.on[word] = lost_request
    assert isinstance(other.evidence(MARK + NEW), Nothing)
    other_link.on.clear()
    assert isinstance(other.evidence(MARK + NEW), Given)


def test_a_refused_permit_was_not_given_even_where_the_pump_keeps_no_mark() -> None:
    pump, link, driver = fresh(has_wrate=False)
    pump.refuse["irate"] = "Command error:|   Not now"
    driver.deliver(permit(NEW))
    assert isinstance(driver.evidence(MARK + NEW), NotGiven)
    expired = permit(NEW + 1, expires_ms=link.now)
    driver.deliver(expired)
    assert isinstance(driver.evidence(expired.id), NotGiven)
