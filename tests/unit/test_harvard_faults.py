"""Every fault at every exchange of a deliver: what is concluded is what flowed (F-01 to F-14, F-17, F-27)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Given,
    NotGiven,
    Nothing,
    PumpState,
    PumpStatus,
    Refused,
    Unknown,
)
from pump_ctrl.drivers.harvard import HarvardDriver
from tests.in_one import in_one
from tests.unit.harvard_kit import MARK, V, acked, fresh, met, permit
from tests.unit.harvard_page import FAULTS, HOUR, PaperLink, PaperPump

EXCHANGES = 18
IRUN = 16


def holds(found: Evidence, truth_nl: int) -> None:
    """Evidence may be wide, never wrong. The counter may be read one nL before or after the truth is."""
    if isinstance(found, Given):
        assert found.lo_nl - 1 <= truth_nl <= found.hi_nl + 1
    else:
        assert isinstance(found, NotGiven)
        assert truth_nl == 0


@in_one(name=sorted(FAULTS))
@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("exchange", range(1, EXCHANGES + 1))
def test_whatever_one_fault_does_the_conclusion_is_what_flowed(exchange: int, name: str, marks: bool) -> None:
    pump, link, driver = fresh(has_wrate=marks)
    acked(driver.deliver(permit(8)))
    link.wait(HOUR // 2)
    sent, began = len(link.sent), link.now
    link.faults[sent + exchange] = FAULTS[name]
    outcome = driver.deliver(permit(9))
    assert link.sent.count("irun") <= 2  # one for each permit
    assert link.now - began <= 500 * (len(link.sent) - sent)
    found = _settled(driver.evidence(MARK + 9), driver, link) if isinstance(outcome, Unknown) else outcome
    link.wait(3 * HOUR)
    truth_nl = pump.last_run_nl if pump.starts == 2 else 0
    match found:
        case Acked():
            assert truth_nl == V
        case Refused():
            assert pump.starts == 1
        case Given(_, _, True, _) | NotGiven():
            holds(found, truth_nl)
        case _:
            assert isinstance(found, Given)
            holds(driver.evidence(MARK + 9), truth_nl)


def _settled(found: Evidence, driver: HarvardDriver, link: PaperLink) -> Evidence:
    """Ask a few times: a fault may last longer than one question."""
    for _ in range(5):
        if not isinstance(found, Nothing):
            return found
        link.wait(1_000)
        found = driver.evidence(MARK + 9)
    return found


@in_one(name=sorted(FAULTS))
@pytest.mark.parametrize("exchange", range(1, EXCHANGES + 1))
def test_what_is_unknown_is_given_or_not_given_when_the_line_is_well_again(exchange: int, name: str) -> None:
    pump, link, driver = fresh()
    link.faults[exchange] = FAULTS[name]
    outcome = driver.deliver(permit(9))
    link.wait(700_000)
    link.flight.clear()
    if isinstance(outcome, Unknown):
        assert exchange >= IRUN
    holds(driver.evidence(MARK + 9), pump.given_nl)
    assert isinstance(driver.stop(), Acked)
    holds(driver.evidence(MARK + 9), pump.given_nl)
    if isinstance(outcome, Refused):
        assert pump.starts == 0
    assert pump.given_nl <= V


@pytest.mark.parametrize("exchange", [1, 2, 5, 13, 15])
def test_a_refusal_says_how_the_pump_stands_when_it_can_be_asked(exchange: int) -> None:
    pump, link, driver = fresh()
    link.faults[exchange] = FAULTS["lost_request"]
    told = driver.deliver(permit())
    assert isinstance(told, Refused)
    assert told.code == ("not-stopped" if exchange == 1 else "no-answer")
    assert told.status is not None
    assert told.status.state is PumpState.IDLE
    assert pump.given_nl == 0


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"doubled_reply", "late_reply"}))
def test_a_status_on_a_bad_line_is_unknown_or_true(name: str) -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.wait(HOUR // 2)
    link.on["status"] = FAULTS[name]
    told = driver.read_status()
    assert isinstance(told, Unknown), told
    link.on.clear()
    link.flight.clear()
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    assert told.delivered_nl == pump.given_nl


@pytest.mark.parametrize("name", ["late_reply", "doubled_reply"])
def test_late_and_doubled_replies_never_tell_an_old_count(name: str) -> None:
    pump, link, driver = fresh()
    acked(driver.deliver(permit()))
    link.on["status"] = FAULTS[name]
    for _ in range(20):
        link.wait(10_000)
        told = driver.read_status()
        assert isinstance(told, Unknown) or told.delivered_nl >= pump.given_nl - 1


@pytest.mark.parametrize("verb", ["identify", "read_status", "stop", "deliver", "evidence"])
@pytest.mark.parametrize("trouble", ["lost_request", "babble", "garbage", "wrong_prefix"])
def test_every_verb_returns_in_time_whatever_the_line_does(trouble: str, verb: str) -> None:
    _, link, driver = fresh()
    acked(driver.deliver(permit(8)))
    words = ["", "poll", "stop", "status", "wrate", "echo", "ver"]
    link.on = dict.fromkeys(words, FAULTS[trouble])
    began, sent = link.now, len(link.sent)
    calls: dict[str, Callable[[], object]] = {
        "identify": driver.identify,
        "read_status": driver.read_status,
        "stop": driver.stop,
        "deliver": lambda: driver.deliver(permit(9)),
        "evidence": lambda: driver.evidence(MARK + 8),
    }
    found = calls[verb]()
    assert isinstance(found, Unknown | Refused | Nothing)
    assert link.now - began <= 500 * (len(link.sent) - sent)
    assert len(link.sent) - sent <= 5
    link.on.clear()
    link.flight.clear()
    assert isinstance(driver.stop(), Acked)
    met(link)


def test_junk_round_every_reply_changes_nothing() -> None:
    pump = PaperPump()
    link = PaperLink(pump)
    driver = met(link)

    def junk(link: PaperLink, request: str) -> list[tuple[int, bytes]]:
        (reply,) = [data for _, data in link.well(request)]
        return [(3, b"\xfe\x00~"), (9, reply[:1]), (15, reply[1:3]), (25, reply[3:])]

    words = {
        "stop",
        "status",
        "wrate",
        "cttime",
        "ctvolume",
        "civolume",
        "irate",
        "tvolume",
        "diameter",
        "ttime",
        "irun",
    }
    link.on = dict.fromkeys(words, junk)
    acked(driver.deliver(permit()))
    link.wait(2 * HOUR)
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    assert told.delivered_nl == V
