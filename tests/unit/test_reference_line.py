"""The reference driver on a bad line: late, doubled, pushed, cut, babbling (F-05, F-07, F-13, F-14)."""

from __future__ import annotations

import pytest

from pump_ctrl.drivers.base import Acked, Identity, PumpStatus, Unknown
from pump_ctrl.drivers.reference import ReferenceDriver
from tests.unit.reference_kit import OWNER, broken, permit
from tests.unit.reference_page import ALARM, STATUS, Request, ScriptedLink, frame, status


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


# ---- noise, pushes, pauses ---------------------------------------------------------------------


def test_a_late_and_a_doubled_reply_are_ignored_and_counted(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[STATUS] = lambda r: [(600, r.reply(link.epoch, link.status(delivered_nl=1)))]
    assert isinstance(driver.read_status(), Unknown)
    link.on[STATUS] = lambda r: [(200, r.reply(link.epoch, link.status(delivered_nl=2)))] * 2
    told = driver.read_status()
    assert isinstance(told, PumpStatus)
    assert told.delivered_nl == 2
    assert driver.link_noise == 1
    assert isinstance(driver.stop(), Acked)
    assert driver.link_noise == 2


def test_pushed_alarms_are_kept_wherever_they_come_and_cost_no_time(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    push = frame(ALARM, 0, link.epoch, 0, status(state=2, alarms=2))
    link.on[STATUS] = lambda r: [(5, push), (20, r.reply(link.epoch, link.status()) + push)]
    assert isinstance(driver.read_status(), PumpStatus)
    link.arrive(0, push[:30])
    link.arrive(0, push[30:])
    link.arrive(1, push)
    before = link.now
    assert [notice.alarms for notice in driver.notices()] == [{"stall"}] * 3
    assert link.now == before
    link.now += 1
    assert len(driver.notices()) == 1
    assert driver.notices() == ()
    assert driver.link_noise == 0


def test_a_push_is_no_base_for_a_proposal_and_one_of_another_epoch_is_still_told(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.arrive(0, frame(ALARM, 0, 0xBAD, 0, status(generation=7, tick_ms=5)))
    assert [notice.epoch for notice in driver.notices()] == [0xBAD]
    assert isinstance(driver.deliver(permit()), Acked)
    assert link.sent[0].epoch == 0xE0E0
    assert link.sent[0].payload[8:12] == b"\0\0\0\x01"


def test_a_malformed_push_is_noise_and_a_broken_link_no_exception(
    driver: ReferenceDriver, link: ScriptedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.arrive(0, frame(ALARM, 0, link.epoch, 0, b"short"))
    link.arrive(0, frame(ALARM, 5, link.epoch, 0, status()))
    assert driver.notices() == ()
    assert driver.link_noise == 2
    driver.read_status()
    monkeypatch.setattr(ScriptedLink, "read", lambda self, *, deadline_ms: broken(link.sent[0]))
    assert driver.notices() == ()


def test_the_newest_16_pushes_are_kept(driver: ReferenceDriver, link: ScriptedLink) -> None:
    for number in range(20):
        link.arrive(0, frame(ALARM, 0, link.epoch, 0, status(tick=number)))
    assert [notice.tick for notice in driver.notices()] == list(range(4, 20))


@pytest.mark.parametrize(("pause_ms", "kind"), [(200, PumpStatus), (201, Unknown)])
def test_a_pause_of_more_than_200_ms_within_a_frame_ends_it(
    pause_ms: int, kind: type, driver: ReferenceDriver, link: ScriptedLink
) -> None:
    def in_two(request: Request) -> list[tuple[int, bytes]]:
        reply = request.reply(link.epoch, link.status())
        return [(10, reply[:20]), (10 + pause_ms, reply[20:])]

    link.on[STATUS] = in_two
    assert isinstance(driver.read_status(), kind)


def test_noise_that_looks_like_the_head_of_a_long_frame_hides_no_reply(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.on[STATUS] = lambda r: [(10, b"\x7e\x01\xff"), (20, r.reply(link.epoch, link.status()))]
    began = link.now
    assert isinstance(driver.read_status(), PumpStatus)
    assert link.now == began + 20 + 201


def test_a_partial_frame_from_long_ago_does_not_spoil_the_next_reply(
    driver: ReferenceDriver, link: ScriptedLink
) -> None:
    link.arrive(0, b"\x7e\x01\xff and then the cable slipped")
    driver.notices()
    link.now += 3_600_000
    began = link.now
    assert isinstance(driver.read_status(), PumpStatus)
    assert link.now == began + 20


def test_a_babbling_pump_ends_the_exchange_after_64_kib(
    driver: ReferenceDriver, link: ScriptedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    def babble(self: ScriptedLink, *, deadline_ms: int) -> bytes:
        reads.append(deadline_ms)
        return b"\x55" * 4_096

    monkeypatch.setattr(ScriptedLink, "read", babble)
    outcome = driver.read_status()
    assert isinstance(outcome, Unknown)
    assert "babbles" in outcome.detail
    assert len(reads) == 16
    assert driver.notices() == ()
    assert len(reads) == 32


def test_exchange_numbers_wrap_to_1_and_never_are_0(driver: ReferenceDriver, link: ScriptedLink) -> None:
    driver._talk._seq = 2**32 - 2
    for _ in range(2):
        driver.read_status()
    assert [request.seq for request in link.sent] == [2**32 - 1, 1]
