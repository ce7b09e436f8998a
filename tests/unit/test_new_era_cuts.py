"""The host killed before or after every exchange of a deliver, the pump's power lost then too, and what a new
session can prove. The table of docs/adr/0009 is made here, and compared with what stands there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import pytest

from pump_ctrl.drivers.base import (
    Acked,
    Evidence,
    Given,
    Identity,
    NotGiven,
    Nothing,
    PumpState,
    PumpStatus,
    Refused,
    StepKind,
)
from pump_ctrl.drivers.new_era import NewEraDriver
from tests.unit.new_era_kit import HOUR, MINUTE, SETTINGS, Killed, OracleLink, OraclePump, permit

ADR = Path(__file__).parents[2] / "docs/adr/0009-a-tag-and-a-counter-stand-in-for-ids.md"
UNTIMED = replace(SETTINGS, wire_timeout_s=None)
OLD = permit((40_000, HOUR), number=6)
NEW = permit((5_000, 10 * MINUTE), (25_000, HOUR), kind=StepKind.BOLUS, number=7)
HOLD = permit((3_000, HOUR), number=8)
EXCHANGES = 40

# What becomes of the pump between the kill and the new session.
AFTERMATHS = ("at once", "later", "power lost", "power lost, seen by another", "time-out")


@dataclass
class Cut:
    """A pump whose host was killed in the deliver of NEW, ``after`` so many exchanges (or before one more)."""

    pump: OraclePump
    link: OracleLink
    stage: str

    @property
    def given(self) -> Fraction:
        """What NEW truly gave: the pump's second RUN, if there was one."""
        return self.pump.given_by.get(2, Fraction(0))


def cut(number: int, *, after: bool, timed: bool = False, buffered: bool = False) -> Cut:
    pump = OraclePump()
    link = OracleLink(pump, buffered=buffered)
    driver = NewEraDriver(link, 5, SETTINGS if timed else UNTIMED)
    assert isinstance(driver.identify(), Identity)
    assert isinstance(driver.deliver(OLD), Acked)
    link.wait(40_000)
    driver.read_status()
    link.sent.clear()
    link.kill_after, link.kill_before = (number, None) if after else (None, number)
    with pytest.raises(Killed):
        driver.deliver(NEW)
    stage = stage_of(link.sent)
    link.kill_after = link.kill_before = None
    link.flight.clear()
    return Cut(pump, link, stage)


def stage_of(sent: list[str]) -> str:
    """How far the deliver got: the last thing that reached the pump."""
    if "RUN" in sent:
        return "8 RUN"
    tail = sent[sent.index("PHN41") :] if "PHN41" in sent else []
    changed = [text for text in tail if text[:3] in ("RAT", "VOL", "CLD") and len(text) > 3]
    names = (
        "3 phase 41 chosen",
        "4 mark of the tag",
        "5 number of the tag",
        "6 counter cleared",
        "7 tag armed",
    )
    if tail:
        return names[len(changed)]
    return "2 phases" if any(text.startswith("PHN") for text in sent) else "1 STP"


def aftermath(case: Cut, what: str) -> None:
    case.link.wait(2_000)
    if what in ("later", "time-out"):
        case.link.wait(20 * MINUTE)
    if what.startswith("power lost"):
        case.link.wait(60_000)
        case.pump.power_cycle()
    if what.endswith("another"):  # by a key at the pump, or by a session that was killed too
        case.pump.alarm = ""
        case.pump.unasked.clear()


def judged(case: Cut, *, timed: bool) -> tuple[Evidence, NewEraDriver]:
    """A new session meets the pump, stops it if it runs (D-13), and asks for evidence."""
    driver = NewEraDriver(case.link, 6, SETTINGS if timed else UNTIMED)
    assert isinstance(driver.identify(), Identity)
    status = driver.read_status()
    assert isinstance(status, PumpStatus)
    if status.state is PumpState.RUNNING:
        assert isinstance(driver.evidence(NEW.id), Nothing)
        assert isinstance(driver.stop(), Acked)
    return driver.evidence(NEW.id), driver


def is_so(case: Cut, found: Evidence) -> None:
    """Evidence beside the truth, now and for the rest of the day."""
    given = case.pump.given
    if isinstance(found, NotGiven):
        assert case.pump.runs == 1
    if isinstance(found, Given):
        assert found.ended
        assert found.lo_nl <= case.given <= found.hi_nl
    assert case.pump.prompt == "S"
    case.link.wait(24 * HOUR)
    assert case.pump.given == given


def word(found: Evidence, case: Cut) -> str:
    match found:
        case NotGiven():
            return "NotGiven"
        case Nothing():
            return "Nothing"
        case Given(lo, hi):
            return "Given[0, all]" if (lo, hi) == (0, SETTINGS.capacity_nl) else "Given[counter]"
    raise AssertionError(found)


@pytest.mark.parametrize("what", AFTERMATHS)
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
def test_a_host_killed_at_any_exchange_leaves_something_that_can_be_proven(what: str, after: bool) -> None:
    timed = what == "time-out"
    for number in range(EXCHANGES):
        case = cut(number, after=after, timed=timed)
        aftermath(case, what)
        found, driver = judged(case, timed=timed)
        assert not isinstance(found, Nothing), (number, case.stage, found.detail)
        is_so(case, found)
        given, runs = case.pump.given, case.pump.runs
        case.pump.alarm = ""
        assert isinstance(driver.deliver(HOLD), Acked | Refused)  # and the pump can be used again
        assert case.pump.runs <= runs + 1
        assert case.pump.given - given <= 1


def test_recovering_twice_says_the_same() -> None:
    for number in range(EXCHANGES):
        case = cut(number, after=True)
        aftermath(case, "at once")
        first, _ = judged(case, timed=False)
        second, _ = judged(case, timed=False)
        assert word(first, case) == word(second, case)


def table() -> list[str]:
    """Rows of the ADR: how far it got, and what a new session proves by what became of the pump."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for number in range(EXCHANGES):
        words, stage = [], ""
        for what in AFTERMATHS:
            case = cut(number, after=True, timed=what == "time-out")
            stage = case.stage
            aftermath(case, what)
            words.append(word(judged(case, timed=what == "time-out")[0], case))
        rows.append((stage, tuple(words)))
    lines = [f"| Last that reached the pump | {' | '.join(AFTERMATHS)} |", "|---" * 6 + "|"]
    return lines + [f"| {stage} | {' | '.join(words)} |" for (stage, words), _ in groupby(rows)]


def test_the_table_of_the_record_is_the_one_that_comes_out() -> None:
    assert "\n".join(table()) in ADR.read_text(encoding="utf-8")


@pytest.mark.parametrize("after", [True, False])
def test_through_a_network_absence_is_proven_only_by_a_tag_that_was_never_armed(after: bool) -> None:
    for number in range(EXCHANGES):
        case = cut(number, after=after, buffered=True)
        aftermath(case, "at once")
        found, _ = judged(case, timed=False)
        is_so(case, found)
        assert isinstance(found, Nothing) is (case.stage == "7 tag armed")
        if isinstance(found, Nothing):
            assert "network" in found.detail


def test_on_a_pump_that_had_no_tag_a_cut_is_proven_from_the_mark_of_its_first_tag_on() -> None:
    words = []
    for number in range(54):
        pump = OraclePump()
        link = OracleLink(pump)
        driver = NewEraDriver(link, 5, UNTIMED)
        driver.identify()
        link.sent.clear()
        link.kill_after = number
        with pytest.raises(Killed):
            driver.deliver(NEW)
        link.kill_after = None
        link.flight.clear()
        link.wait(2_000)
        case = Cut(pump, link, "")
        mark = any(text.startswith("RAT248.1") for text in link.sent)
        fresh = NewEraDriver(link, 6, UNTIMED)
        fresh.identify()
        fresh.stop()
        found = fresh.evidence(NEW.id)
        assert isinstance(found, Nothing) is not mark
        assert not isinstance(found, NotGiven) or pump.runs == 0
        if isinstance(found, Given):
            assert found.lo_nl <= pump.given <= found.hi_nl
        words.append(word(found, case))
    assert [name for name, _ in groupby(words)] == ["Nothing", "NotGiven", "Given[0, all]", "Given[counter]"]


@pytest.mark.parametrize("lost_reply", [True, False])
def test_a_hold_that_is_cut_at_any_exchange_never_makes_an_unknown_dose_undone(lost_reply: bool) -> None:
    """The outcome of NEW is unknown, the hold goes out all the same (D-15), and its deliver is cut."""
    for number in range(EXCHANGES):
        pump = OraclePump()
        link = OracleLink(pump)
        driver = NewEraDriver(link, 5, UNTIMED)
        driver.identify()
        link.deaf = lambda n, text: text == "RUN" and not lost_reply
        link.meddle = lambda n, data, reply: [] if b"RUN" in data else None
        driver.deliver(NEW)
        link.deaf, link.meddle = lambda n, text: False, None
        link.wait(30_000)
        link.sent.clear()
        link.kill_after = number
        try:
            driver.deliver(HOLD)
        except Killed:
            link.flight.clear()
        link.kill_after = None
        other = NewEraDriver(link, 6, UNTIMED)
        other.identify()
        other.stop()
        found = other.evidence(NEW.id)
        truth = pump.given_by.get(1, Fraction(0)) if lost_reply else Fraction(0)
        if isinstance(found, NotGiven):
            assert not lost_reply
        if isinstance(found, Given):
            assert found.lo_nl <= truth <= found.hi_nl


def test_a_program_of_another_lineage_proves_nothing() -> None:
    pump = OraclePump()
    link = OracleLink(pump)
    driver = NewEraDriver(link, 5, UNTIMED)
    driver.identify()
    assert isinstance(driver.deliver(permit((40_000, HOUR), number=900)), Acked)
    driver.stop()
    fresh = NewEraDriver(link, 6, UNTIMED)
    fresh.identify()
    assert isinstance(fresh.evidence(NEW.id), Nothing)  # 900 is newer than 7
    pump.phases[41].fun = "STP"
    assert isinstance(fresh.evidence(NEW.id), Nothing)  # somebody has cleared the program
